//! `logrecord validate`: whether `serve --config` would take a file.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::args::ValidateArgs;
use crate::config::{ConfigFile, SAMPLE};
use crate::exit::{CONFIG, Failure};
use crate::stderr;

/// Checks a file, or prints a sample of one.
pub(crate) fn run(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let write = Failure::unavailable("cannot write the output");
    let mut out = io::stdout().lock();
    let Some(path) = args.file.as_ref().filter(|_| !args.print_sample) else {
        out.write_all(SAMPLE.as_bytes()).and_then(|()| out.flush()).context(write)?;
        return Ok(ExitCode::SUCCESS);
    };
    let file = ConfigFile::read(path)?;
    match file.config(args.offline) {
        Ok(_) => {
            writeln!(out, "{} is valid ({})", path.display(), file.hash()).context(write)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            stderr::lines(&problems);
            Ok(ExitCode::from(CONFIG))
        }
    }
}
