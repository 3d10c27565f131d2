//! `logrecord spool`: looks into a spool that no program has open.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use logrecord_spool::{Report, inspect, verify};

use crate::args::SpoolCommand;
use crate::exit::Failure;

/// Prints what is there. Damage that a verification finds is exit code 1.
pub(crate) fn run(command: &SpoolCommand) -> anyhow::Result<ExitCode> {
    let (look, directory): (fn(&Path) -> io::Result<Report>, _) = match command {
        SpoolCommand::Inspect(args) => (inspect, &args.directory),
        SpoolCommand::Verify(args) => (verify, &args.directory),
    };
    let report = look(directory).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::other("a program has this spool open"),
        io::ErrorKind::NotFound => io::Error::other("there is no spool here"),
        _ => error,
    });
    let report = report
        .with_context(|| format!("{}", directory.display()))
        .context(Failure::unavailable("cannot look into the spool"))?;
    writeln!(io::stdout(), "{report}")?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
