//! Opening the file or standard input that a command reads.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Failure;

/// How much is read at a time.
const BUFFER: usize = 64 << 10;

/// Opens a file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, io::stdin())));
    }
    let file = File::open(path)
        .with_context(|| format!("{}", path.display()))
        .context(Failure::unavailable("cannot open the input"))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
}

/// Reads all of it, up to a limit that tells a mistake from a file.
pub(crate) fn read_all(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit).read_to_end(&mut bytes).context(Failure::unavailable("cannot read the input"))?;
    Ok(bytes)
}

/// Reads a line without its line feed; `None` at the end.
pub(crate) fn line(input: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<Option<()>> {
    line.clear();
    if input.read_until(b'\n', line).context(Failure::unavailable("cannot read the input"))? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Some(()))
}
