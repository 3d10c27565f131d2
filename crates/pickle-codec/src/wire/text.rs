//! Text in pickles: UTF-8 with surrogates (WTF-8).
//!
//! Python text is a sequence of code points, and lone surrogates are among them: file names that are not UTF-8
//! have them (`surrogateescape`), and `json.loads` makes them. Pickles write them in the three bytes that UTF-8
//! would have for them (`surrogatepass`), `ed a0 80` to `ed bf bf`. A Rust `str` cannot hold those, so that
//! text is a `str` where it can be and WTF-8 bytes where it cannot. Two surrogates that make a pair are two
//! code points here, as in Python, and not one character.
//!
//! ```text
//! U+D800   ed a0 80     the first surrogate in three bytes; no UTF-8 has ed a0 to ed bf
//! U+DFFF   ed bf bf     the last one
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::error::ErrorKind;

/// Python text: a Rust string, or WTF-8 bytes where it holds lone surrogates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "text with and without surrogates is all the text there is")]
pub enum Str<'a> {
    /// Text without surrogates.
    Utf8(&'a str),
    /// Text with at least one lone surrogate, each encoded as three bytes (CPython's `surrogatepass`).
    Wtf8(&'a [u8]),
}

impl<'a> Str<'a> {
    /// The text, if it has no lone surrogates.
    #[must_use]
    pub const fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Wtf8(_) => None,
        }
    }

    /// The bytes: UTF-8 or WTF-8.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Wtf8(bytes) => bytes,
        }
    }

    /// The code points, lone surrogates included.
    pub fn code_points(self) -> impl Iterator<Item = u32> + 'a {
        let mut bytes = self.as_bytes();
        core::iter::from_fn(move || {
            let first = *bytes.first()?;
            let (len, lead) = match first {
                0..=0x7f => (1, first),
                0x80..=0xdf => (2, first & 0x1f),
                0xe0..=0xef => (3, first & 0x0f),
                _ => (4, first & 0x07),
            };
            let (head, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            bytes = rest;
            let lead = u32::from(lead);
            Some(head.iter().skip(1).fold(lead, |point, byte| (point << 6) | u32::from(byte & 0x3f)))
        })
    }

    /// The text with U+FFFD for each lone surrogate.
    #[must_use]
    pub fn to_string_lossy(self) -> String {
        match self {
            Self::Utf8(text) => String::from(text),
            Self::Wtf8(bytes) => replace_surrogates(bytes),
        }
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8(text) => fmt::Debug::fmt(text, f),
            Self::Wtf8(bytes) => write!(f, "Wtf8({})", bytes.escape_ascii()),
        }
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Self::Utf8(text)
    }
}

/// Whether bytes are WTF-8 as CPython's `surrogatepass` reads it: UTF-8 in which surrogates may
/// be encoded on their own, pairs of them included.
pub(crate) fn is_wtf8(mut bytes: &[u8]) -> bool {
    loop {
        match core::str::from_utf8(bytes) {
            Ok(_) => return true,
            Err(error) => match bytes.get(error.valid_up_to()..) {
                Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => bytes = rest,
                _ => return false,
            },
        }
    }
}

/// Replaces each surrogate in WTF-8 by U+FFFD.
pub(crate) fn replace_surrogates(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    loop {
        match core::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                text.push_str(core::str::from_utf8(valid).unwrap_or_default());
                text.push('\u{fffd}');
                bytes = rest.get(3..).unwrap_or_default();
            }
        }
    }
}

/// Appends a code point, surrogates included, as WTF-8.
pub(crate) fn push_code_point(point: u32, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
    if let Some(character) = char::from_u32(point) {
        let mut buffer = [0; 4];
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        return Ok(());
    }
    let [_, _, high, low] = point.to_be_bytes();
    if point > 0xffff {
        return Err(ErrorKind::Escape);
    }
    out.extend_from_slice(&[0xed, 0x80 | ((high & 0x0f) << 2) | (low >> 6), 0x80 | (low & 0x3f)]);
    Ok(())
}

/// Latin-1 bytes as text.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wtf8_rows() {
        let rows: &[(&[u8], bool)] = &[
            (b"abc", true),
            (b"\xed\xa0\x80", true),
            (b"a\xed\xb0\x80b", true),
            (b"\xff", false),
            (b"\xc0\x80", false),
            (b"\xf4\x90\x80\x80", false),
            (b"\xed\xa0", false),
        ];
        for (bytes, expected) in rows {
            assert_eq!(is_wtf8(bytes), *expected, "{}", bytes.escape_ascii());
        }
        assert_eq!(replace_surrogates(b"a\xed\xa0\x80b"), "a\u{fffd}b");
        let points: Vec<u32> = Str::Wtf8(b"a\xed\xa0\x80\xf0\x9f\x98\x80").code_points().collect();
        assert_eq!(points, [0x61, 0xd800, 0x1f600]);
    }
}
