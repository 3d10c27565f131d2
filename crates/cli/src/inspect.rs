//! `logrecord inspect`: a pickle's instructions and a verdict, without running it.

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use logrecord::pickle::inspect::{Verdict, disassemble, disassemble_json};

use crate::args::InspectArgs;
use crate::exit::{Failure, REJECTED};
use crate::input;

/// What is read at most: as much as a pickle may have, and a little to see that there is more.
const MAX_INPUT: u64 = (256 << 20) + 1;

/// Disassembles the input.
pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let bytes = input::read_all(&args.file, MAX_INPUT)?;
    let write = Failure::unavailable("cannot write the output");
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut line_out = |line: &str| out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
    let verdict = if args.json {
        disassemble_json(&bytes, &mut line_out).context(write)?
    } else {
        disassemble(&bytes, &mut line_out).context(write)?
    };
    if args.json {
        line_out(&verdict.to_json()).context(write)?;
    } else {
        line_out(&verdict.to_string()).context(write)?;
    }
    out.flush().context(write)?;
    Ok(match verdict {
        Verdict::DataOnly => ExitCode::SUCCESS,
        _ => ExitCode::from(REJECTED),
    })
}
