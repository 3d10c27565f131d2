//! `logrecord encode`: lines of tagged JSON to pickles.

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use logrecord::frame;
use logrecord::pickle::tagged::{self, TaggedOptions};
use logrecord::pickle::{EncodeOptions, Protocol};

use crate::args::{EncodeArgs, InputArg};
use crate::exit::{Failure, REJECTED};
use crate::input::{self, Line};
use crate::stderr::say;

/// Encodes each line of the input.
pub(crate) fn run(args: &EncodeArgs) -> anyhow::Result<ExitCode> {
    let protocol = Protocol::new(args.protocol)
        .ok_or_else(|| anyhow!("--protocol {}: 0 to 5", args.protocol))
        .context(Failure::usage("no such protocol"))?;
    let options = EncodeOptions::new(protocol).memo(!args.no_memo);
    let mut input = input::open(&args.file)?;
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let write = Failure::unavailable("cannot write the output");
    let mut line = Vec::new();
    let mut pickle = Vec::new();
    let mut number = 0_u64;
    let mut rejected = false;
    while let Some(read) = input::line(&mut input, input::MAX_LINE, &mut line)? {
        number += 1;
        if read == Line::TooLong {
            rejected = true;
            say(format_args!("{}:{number}: input: longer than {} bytes", name(args), input::MAX_LINE));
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        pickle.clear();
        if let Err(error) = encode(&line, &options, &mut pickle) {
            rejected = true;
            say(format_args!("{}:{number}: {error:#}", name(args)));
            continue;
        }
        match args.output {
            InputArg::Pickle => out.write_all(&pickle).context(write)?,
            InputArg::Frames => {
                let prefix = frame::prefix(pickle.len())
                    .map_err(|error| anyhow!("{}:{number}: {error}", name(args)))
                    .context(Failure::unavailable("the pickle does not fit a frame"))?;
                out.write_all(&prefix).context(write)?;
                out.write_all(&pickle).context(write)?;
            }
            InputArg::Hex => {
                for byte in &pickle {
                    write!(out, "{byte:02x}").context(write)?;
                }
                out.write_all(b"\n").context(write)?;
            }
        }
    }
    out.flush().context(write)?;
    Ok(if rejected { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

fn encode(line: &[u8], options: &EncodeOptions, pickle: &mut Vec<u8>) -> anyhow::Result<()> {
    let text = std::str::from_utf8(line).map_err(|_| anyhow!("not UTF-8"))?;
    let document = tagged::from_str(text, &TaggedOptions::new())?;
    document.encode_into(pickle, *options)?;
    Ok(())
}

fn name(args: &EncodeArgs) -> String {
    if args.file.as_os_str() == "-" { "standard input".to_owned() } else { args.file.display().to_string() }
}
