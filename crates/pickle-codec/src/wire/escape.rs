//! Escapes in the text arguments of protocols 0 and 1: STRING and UNICODE.
//!
//! Both are runs of plain bytes with escapes between them, so both readers are one loop: nom's
//! `take_till` cuts the run off, and a parser of one escape, which is made of nom's combinators, takes
//! what begins at the backslash. Time is linear, because every parser takes at least one byte.

use alloc::vec::Vec;

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_till, take_while_m_n};
use nom::combinator::{cut, map, map_opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::error::ErrorKind;
use super::text::push_code_point;

type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// Reads the argument of STRING: a quoted literal with C-like escapes; unknown escapes are kept.
/// `_PyBytes_DecodeEscape` in `Objects/bytesobject.c`.
pub(crate) fn string_literal(line: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    // The quotes must be there and equal: `Modules/_pickle.c`, load_string.
    let ([b'\'', body @ .., b'\''] | [b'"', body @ .., b'"']) = line else {
        return Err(ErrorKind::Literal);
    };
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let (tail, plain) = until_backslash(rest)?;
        out.extend_from_slice(plain);
        rest = tail;
        if !rest.is_empty() {
            let (tail, escaped) = c_escape(rest).map_err(|_| ErrorKind::Escape)?;
            match escaped {
                EscapedUnit::Nothing => {}
                EscapedUnit::Byte(byte) => out.push(byte),
                EscapedUnit::Unknown(byte) => out.extend_from_slice(&[b'\\', byte]),
            }
            rest = tail;
        }
    }
    Ok(out)
}

/// Reads the argument of UNICODE (raw-unicode-escape): `\uXXXX` and `\UXXXXXXXX` after an odd
/// number of backslashes, every other byte Latin-1. The result is WTF-8.
pub(crate) fn raw_unicode_escape(line: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let (tail, plain) = until_backslash(rest)?;
        for &byte in plain {
            push_code_point(u32::from(byte), &mut out)?;
        }
        rest = tail;
        if !rest.is_empty() {
            let (tail, escaped) = unicode_escape(rest).map_err(|_| ErrorKind::Escape)?;
            match escaped {
                Unicode::Point(point) => push_code_point(point, &mut out)?,
                Unicode::Kept(backslashes) => out.extend_from_slice(backslashes),
            }
            rest = tail;
        }
    }
    Ok(out)
}

fn until_backslash(input: &[u8]) -> Result<(&[u8], &[u8]), ErrorKind> {
    let parsed: Parsed<'_, &[u8]> = take_till(|byte| byte == b'\\')(input);
    // A complete parser takes all if the byte is not there, so it does not fail.
    parsed.map_err(|_| ErrorKind::Escape)
}

/// What an escape of a STRING stands for.
#[derive(Clone, Copy)]
enum EscapedUnit {
    /// A line feed behind a backslash is no part of the text.
    Nothing,
    Byte(u8),
    /// An escape that Python does not know, which is kept with its backslash.
    Unknown(u8),
}

/// One escape of a STRING, from its backslash on.
fn c_escape(input: &[u8]) -> Parsed<'_, EscapedUnit> {
    preceded(
        tag("\\"),
        alt((
            octal,
            // What `\x` begins has to be whole; no other reading is tried.
            preceded(tag("x"), cut(map_opt(|input| hex(2, input), |value| u8::try_from(value).ok())))
                .map(EscapedUnit::Byte),
            map(take(1_usize), |byte: &[u8]| match byte {
                b"\n" => EscapedUnit::Nothing,
                b"b" => EscapedUnit::Byte(0x08),
                b"f" => EscapedUnit::Byte(0x0c),
                b"t" => EscapedUnit::Byte(b'\t'),
                b"n" => EscapedUnit::Byte(b'\n'),
                b"r" => EscapedUnit::Byte(b'\r'),
                b"v" => EscapedUnit::Byte(0x0b),
                b"a" => EscapedUnit::Byte(0x07),
                &[quoted @ (b'\\' | b'\'' | b'"')] => EscapedUnit::Byte(quoted),
                other => other.first().map_or(EscapedUnit::Nothing, |&byte| EscapedUnit::Unknown(byte)),
            }),
        )),
    )
    .parse(input)
}

/// One to three octal digits; `\777` wraps to 0xff as in CPython.
fn octal(input: &[u8]) -> Parsed<'_, EscapedUnit> {
    map(take_while_m_n(1, 3, |byte| matches!(byte, b'0'..=b'7')), |digits: &[u8]| {
        let value = digits.iter().fold(0_u16, |value, digit| (value << 3) | u16::from(digit - b'0'));
        let [low, _] = value.to_le_bytes();
        EscapedUnit::Byte(low)
    })
    .parse(input)
}

/// What a backslash in a UNICODE begins.
#[derive(Clone, Copy)]
enum Unicode<'a> {
    /// A code point that may be a surrogate.
    Point(u32),
    /// One backslash, or two, of which the second never starts an escape.
    Kept(&'a [u8]),
}

/// One escape of a UNICODE, or backslashes that are none.
fn unicode_escape(input: &[u8]) -> Parsed<'_, Unicode<'_>> {
    alt((
        preceded(tag("\\u"), cut(|input| hex(4, input))).map(Unicode::Point),
        preceded(tag("\\U"), cut(|input| hex(8, input))).map(Unicode::Point),
        alt((tag("\\\\"), tag("\\"))).map(Unicode::Kept),
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
