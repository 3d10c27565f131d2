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

/// How long a line of `decode` and `encode` may be: as long as an input of the decoder.
pub(crate) const MAX_LINE: usize = 256 << 20;

/// What was read of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It stands in the buffer, without its line feed.
    Whole,
    /// It is longer than it may be; the buffer is empty, and its end is behind us.
    TooLong,
}

/// Reads a line of at most `limit` bytes without its line feed; `None` at the end.
pub(crate) fn line(
    input: &mut impl BufRead,
    limit: usize,
    line: &mut Vec<u8>,
) -> anyhow::Result<Option<Line>> {
    line.clear();
    // One byte more than the limit may be the line feed.
    let read = input.by_ref().take(limit as u64 + 1).read_until(b'\n', line).context(READ)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if read > limit {
        *line = Vec::new();
        input.skip_until(b'\n').context(READ)?;
        return Ok(Some(Line::TooLong));
    }
    Ok((read > 0).then_some(Line::Whole))
}

/// Reads hexadecimal; gives whether it was.
pub(crate) fn unhex(text: &[u8], bytes: &mut Vec<u8>) -> bool {
    bytes.clear();
    let (pairs, rest) = text.as_chunks::<2>();
    for &[high, low] in pairs {
        let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16)) else {
            return false;
        };
        bytes.extend(u8::try_from(high << 4 | low));
    }
    rest.is_empty()
}

const READ: Failure = Failure::unavailable("cannot read the input");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_next_one_is_read() {
        let mut input: &[u8] = b"1234\n12345\n\n123456789\n1\n123456";
        let mut buffer = Vec::new();
        let mut read = Vec::new();
        while let Some(found) = line(&mut input, 4, &mut buffer).unwrap() {
            read.push((found, String::from_utf8(buffer.clone()).unwrap()));
        }
        let whole = |text: &str| (Line::Whole, text.to_owned());
        let long = (Line::TooLong, String::new());
        assert_eq!(read, [whole("1234"), long.clone(), whole(""), long.clone(), whole("1"), long]);
    }

    #[test]
    fn hex_rows() {
        let mut bytes = Vec::new();
        let rows: &[(&[u8], Option<&[u8]>)] =
            &[(b"", Some(b"")), (b"4e2E", Some(b"N.")), (b"4e2", None), (b"zz", None)];
        for (text, expected) in rows {
            let good = unhex(text, &mut bytes);
            assert_eq!(good.then_some(bytes.as_slice()), *expected);
        }
    }
}
