//! Text in pickles: UTF-8 with surrogates (WTF-8), raw-unicode-escape, and Python 2 literals.

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
        CodePoints { bytes: self.as_bytes() }
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

/// Walks bytes that are known to be WTF-8.
struct CodePoints<'a> {
    bytes: &'a [u8],
}

impl Iterator for CodePoints<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (&first, _) = self.bytes.split_first()?;
        let len = match first {
            0..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let (head, rest) = self.bytes.split_at_checked(len).unwrap_or((self.bytes, &[]));
        self.bytes = rest;
        let lead = match len {
            1 => u32::from(first),
            2 => u32::from(first & 0x1f),
            3 => u32::from(first & 0x0f),
            _ => u32::from(first & 0x07),
        };
        Some(head.iter().skip(1).fold(lead, |point, byte| (point << 6) | u32::from(byte & 0x3f)))
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

/// Reads the argument of UNICODE (raw-unicode-escape): `\uXXXX` and `\UXXXXXXXX` after an odd
/// number of backslashes, every other byte Latin-1. The result is WTF-8.
pub(crate) fn raw_unicode_escape(line: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            push_code_point(u32::from(*first), &mut out)?;
            continue;
        }
        let digits = match tail {
            [b'u', ..] => 4,
            [b'U', ..] => 8,
            [b'\\', after @ ..] => {
                // A backslash behind a backslash never starts an escape.
                out.extend_from_slice(b"\\\\");
                rest = after;
                continue;
            }
            _ => {
                out.push(b'\\');
                continue;
            }
        };
        let hex = tail.get(1..=digits).ok_or(ErrorKind::Escape)?;
        let mut point = 0_u32;
        for digit in hex {
            let digit = char::from(*digit).to_digit(16).ok_or(ErrorKind::Escape)?;
            point = (point << 4) | digit;
        }
        if point > 0x0010_ffff {
            return Err(ErrorKind::Escape);
        }
        push_code_point(point, &mut out)?;
        rest = tail.get(digits + 1..).unwrap_or_default();
    }
    Ok(out)
}

/// Reads the argument of STRING: a quoted literal with C-like escapes; unknown escapes are kept.
pub(crate) fn string_literal(line: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    // The quotes must be there and equal: `Modules/_pickle.c`, load_string.
    let ([b'\'', body @ .., b'\''] | [b'"', body @ .., b'"']) = line else {
        return Err(ErrorKind::Literal);
    };
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let [escape, tail @ ..] = tail else { return Err(ErrorKind::Escape) };
        rest = tail;
        match escape {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(*escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b'v' => out.push(11),
            b'a' => out.push(7),
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    let [digit @ b'0'..=b'7', tail @ ..] = rest else { break };
                    value = (value << 3) | u32::from(digit - b'0');
                    rest = tail;
                }
                // `\777` wraps to 0xff in CPython.
                let [low, ..] = value.to_le_bytes();
                out.push(low);
            }
            b'x' => {
                let (Some(high), Some(low)) = (hex_digit(rest.first()), hex_digit(rest.get(1))) else {
                    return Err(ErrorKind::Escape);
                };
                out.push((high << 4) | low);
                rest = rest.get(2..).unwrap_or_default();
            }
            _ => out.extend_from_slice(&[b'\\', *escape]),
        }
    }
    Ok(out)
}

fn hex_digit(byte: Option<&u8>) -> Option<u8> {
    let digit = char::from(*byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Latin-1 bytes as text.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_unicode_escape_rows() {
        let rows: &[(&[u8], Result<&str, ErrorKind>)] = &[
            (b"abc", Ok("abc")),
            (b"\\", Ok("\\")),
            (b"\\u0041", Ok("A")),
            (b"\\\\u0041", Ok("\\\\u0041")),
            (b"\\\\\\u0041", Ok("\\\\A")),
            (b"\xe9\xff", Ok("éÿ")),
            (b"a\0b\r", Ok("a\0b\r")),
            (b"\\u12", Err(ErrorKind::Escape)),
            (b"\\U00110000", Err(ErrorKind::Escape)),
            (b"\\U0001f600", Ok("😀")),
            (b"\\x41", Ok("\\x41")),
        ];
        for (line, expected) in rows {
            let got = raw_unicode_escape(line).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(got, expected.map(String::from), "{}", line.escape_ascii());
        }
        assert_eq!(raw_unicode_escape(b"\\ud83d\\ude00").unwrap(), b"\xed\xa0\xbd\xed\xb8\x80");
    }

    #[test]
    fn string_literal_rows() {
        type Row = (&'static [u8], Result<&'static [u8], ErrorKind>);
        let rows: &[Row] = &[
            (b"'abc'", Ok(b"abc")),
            (b"\"abc\"", Ok(b"abc")),
            (b"'", Err(ErrorKind::Literal)),
            (b"'abc\"", Err(ErrorKind::Literal)),
            (b"abc", Err(ErrorKind::Literal)),
            (b"'\\101\\0\\12x'", Ok(b"A\0\nx")),
            (b"'\\777'", Ok(b"\xff")),
            (b"'\\q'", Ok(b"\\q")),
            (b"'ab\\'", Err(ErrorKind::Escape)),
            (b"'it\\'s \"q\"'", Ok(b"it's \"q\"")),
            (b"'\xe9\\xe9'", Ok(b"\xe9\xe9")),
            (b"'\\x4'", Err(ErrorKind::Escape)),
        ];
        for (line, expected) in rows {
            assert_eq!(
                string_literal(line).as_deref().map_err(|kind| *kind),
                *expected,
                "{}",
                line.escape_ascii()
            );
        }
    }

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
