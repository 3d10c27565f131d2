//! Files that are only appended to, by lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// A file, and what it needs in front of the next line.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) file: File,
    /// Whether it is a regular file, which can be measured, cut and renamed.
    pub(crate) regular: bool,
    pub(crate) len: u64,
    /// Its last line has no end: a process that was killed has left it so.
    pub(crate) torn: bool,
}

/// Opens a file, and makes it if it is not there.
pub(crate) fn open(path: &Path) -> io::Result<Appended> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Only to see whether the last line has an end. A pipe would then have a reader, which is us.
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    let (regular, len) = (metadata.is_file(), metadata.len());
    let mut torn = false;
    if regular
        && len > 0
        && let Ok(readable) = options.clone().read(true).open(path)
    {
        file = readable;
        torn = !ends_in_line_feed(&mut file);
    }
    Ok(Appended { file, regular, len, torn })
}

/// Where that cannot be found out, a line end too many does no harm: readers skip empty lines.
fn ends_in_line_feed(file: &mut File) -> bool {
    let mut last = [0];
    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).is_ok() && last == *b"\n"
}
