//! Escapes in the text arguments of protocols 0 and 1: STRING and UNICODE.
//!
//! Both are runs of plain bytes with escapes between them, so both readers are one loop, [`unescaped`]:
//! it cuts the run off, and a parser of one escape, which is made of nom's combinators, takes what begins at the
//! backslash. Time is linear, because every parser takes at least one byte.

use alloc::vec::Vec;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while_m_n};
use nom::combinator::{cut, map, map_opt};
use nom::sequence::preceded;

use super::error::ErrorKind;
use super::reader::Parsed;
use super::text::push_code_point;

/// Reads the argument of STRING: a quoted literal with C-like escapes; unknown escapes are kept.
/// `_PyBytes_DecodeEscape` in `Objects/bytesobject.c`.
pub(crate) fn string_literal(line: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    // The quotes must be there and equal: `Modules/_pickle.c`, load_string.
    let ([b'\'', body @ .., b'\''] | [b'"', body @ .., b'"']) = line else {
        return Err(ErrorKind::Literal);
    };
    unescaped(body, c_escape, |unit, out| {
        match unit {
            Unit::Plain(bytes) => out.extend_from_slice(bytes),
            Unit::Value(byte) => out.extend(u8::try_from(byte)),
        }
        Ok(())
    })
}

/// Reads the argument of UNICODE (raw-unicode-escape): `\uXXXX` and `\UXXXXXXXX` after an odd
/// number of backslashes, every other byte Latin-1. The result is WTF-8.
pub(crate) fn raw_unicode_escape(line: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    unescaped(line, unicode_escape, |unit, out| match unit {
        Unit::Plain(bytes) => bytes.iter().try_for_each(|&byte| push_code_point(u32::from(byte), out)),
        Unit::Value(point) => push_code_point(point, out),
    })
}

/// A piece of a literal.
#[derive(Clone, Copy)]
enum Unit<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a [u8]),
    /// What an escape means: a byte of a STRING, a code point of a UNICODE.
    Value(u32),
}

/// Reads runs of plain bytes and the escapes between them.
fn unescaped<'a>(
    mut rest: &'a [u8],
    escape: fn(&'a [u8]) -> Parsed<'a, Unit<'a>>,
    push: impl Fn(Unit<'a>, &mut Vec<u8>) -> Result<(), ErrorKind>,
) -> Result<Vec<u8>, ErrorKind> {
    let mut out = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        let (bytes, tail) = rest.split_at(plain);
        push(Unit::Plain(bytes), &mut out)?;
        rest = tail;
        if !rest.is_empty() {
            let (tail, unit) = escape(rest).map_err(|_| ErrorKind::Escape)?;
            push(unit, &mut out)?;
            rest = tail;
        }
    }
    Ok(out)
}

/// One escape of a STRING, from its backslash on.
fn c_escape(input: &[u8]) -> Parsed<'_, Unit<'_>> {
    let value = |byte: u8| Unit::Value(u32::from(byte));
    alt((
        // One to three octal digits; `\777` wraps to 0xff as in CPython.
        preceded(tag("\\"), take_while_m_n(1, 3, |byte| matches!(byte, b'0'..=b'7'))).map(
            |digits: &[u8]| {
                Unit::Value(digits.iter().fold(0, |value, digit| value << 3 | u32::from(digit - b'0')) & 0xff)
            },
        ),
        // What `\x` begins has to be whole; no other reading is tried.
        preceded(tag("\\x"), cut(|input| hex(2, input))).map(Unit::Value),
        map(take(2_usize), move |escape: &[u8]| match escape {
            // A line feed behind a backslash is no part of the text.
            b"\\\n" => Unit::Plain(b""),
            b"\\b" => value(0x08),
            b"\\f" => value(0x0c),
            b"\\t" => value(b'\t'),
            b"\\n" => value(b'\n'),
            b"\\r" => value(b'\r'),
            b"\\v" => value(0x0b),
            b"\\a" => value(0x07),
            [_, quoted @ (b'\\' | b'\'' | b'"')] => value(*quoted),
            // An escape that Python does not know is kept with its backslash.
            unknown => Unit::Plain(unknown),
        }),
    ))
    .parse(input)
}

/// One escape of a UNICODE, or one or two backslashes that are none: the second of two never begins an escape.
fn unicode_escape(input: &[u8]) -> Parsed<'_, Unit<'_>> {
    alt((
        preceded(tag("\\u"), cut(|input| hex(4, input))).map(Unit::Value),
        preceded(tag("\\U"), cut(|input| hex(8, input))).map(Unit::Value),
        alt((tag("\\\\"), tag("\\"))).map(Unit::Plain),
    ))
    .parse(input)
}

/// So many hexadecimal digits, up to the last code point.
fn hex(digits: usize, input: &[u8]) -> Parsed<'_, u32> {
    map_opt(take_while_m_n(digits, digits, |byte: u8| byte.is_ascii_hexdigit()), |digits: &[u8]| {
        let point = u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        (point <= 0x0010_ffff).then_some(point)
    })
    .parse(input)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

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
}
