//! Exit codes, and the errors that carry them.

use std::fmt;
use std::io::ErrorKind;
use std::process::ExitCode;

/// Some input was rejected.
pub(crate) const REJECTED: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// An address or an output cannot be opened.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Configuration or key file.
pub(crate) const CONFIG: u8 = 78;

/// What a failure means for the exit code; the first one in a chain of causes counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    text: &'static str,
}

impl Failure {
    pub(crate) const fn usage(text: &'static str) -> Self {
        Self { code: USAGE, text }
    }

    pub(crate) const fn unavailable(text: &'static str) -> Self {
        Self { code: UNAVAILABLE, text }
    }

    pub(crate) const fn config(text: &'static str) -> Self {
        Self { code: CONFIG, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error that reached `main`.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    let code = error.downcast_ref::<Failure>().map_or(UNAVAILABLE, |failure| failure.code);
    ExitCode::from(code)
}

/// What the operating system said, if it is the cause.
fn io_kinds(error: &anyhow::Error) -> impl Iterator<Item = ErrorKind> {
    error.chain().filter_map(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()))
}

/// Whether the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    io_kinds(error).any(|kind| kind == ErrorKind::BrokenPipe)
}

/// What helps, where the cause alone does not say it.
pub(crate) fn way_out(error: &anyhow::Error) -> &'static str {
    if io_kinds(error).any(|kind| kind == ErrorKind::AddrInUse) {
        "; another program listens there, perhaps another `logrecord serve`"
    } else {
        ""
    }
}
