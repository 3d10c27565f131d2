//! Standard output.

use std::fs::File;
use std::io;

use super::FileOutput;

/// The process's standard output as an output. Nobody else should write to it.
///
/// Into a pipe, whole lines go with writes that the kernel does not divide, so that a reader that stops reading finds
/// no torn line, and it is known exactly how many it gets. A line that is longer than a pipe takes at once (4,096
/// bytes) is the exception, if the process ends in the middle of it.
///
/// # Errors
///
/// If it is closed.
#[cfg(unix)]
pub fn stdout() -> io::Result<FileOutput> {
    use std::os::fd::AsFd as _;
    let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
    FileOutput::from_file(File::from(descriptor))
}

/// The process's standard output as an output.
///
/// # Errors
///
/// If it is closed.
#[cfg(windows)]
pub fn stdout() -> io::Result<FileOutput> {
    use std::os::windows::io::AsHandle as _;
    let handle = io::stdout().as_handle().try_clone_to_owned()?;
    FileOutput::from_file(File::from(handle))
}
