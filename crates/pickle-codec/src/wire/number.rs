//! Numbers in text: the arguments of INT, LONG, FLOAT, GET and PUT.
//!
//! CPython's C and Python unpicklers and its versions read these lines in different ways
//! (gh-126992, gh-126996, gh-135241). What they all agree on is read; the rest is refused:
//!
//! | line | who reads what |
//! |---|---|
//! | `I010` | 8 (base 0, Python 2) or 10 (base 10) or an error |
//! | `I+1` | a bool where the length alone decides, else 1 |
//! | `L1_000L` | 1,000 since Python 3.6, an error before |
//! | `I1\0` | the C unpickler ends at the NUL, the other does not |
//! | `F1e400` | infinity or an error |
//!
//! Decimal digits take quadratic time to convert, so that there is a limit of 4,300, which is CPython's own
//! (`sys.int_info.default_max_str_digits`).

use alloc::vec::Vec;

use num_bigint::BigInt;

use super::error::ErrorKind;

/// Bits of the largest integer of [`MAX_INT_DIGITS`](crate::limits::MAX_INT_DIGITS) digits: the
/// whole part of `4300 * log2(10)`, and one.
pub(crate) const MAX_DECIMAL_BITS: u64 = 14_285;

/// What an INT argument can be.
#[derive(Debug, PartialEq)]
pub(crate) enum TextInteger {
    Bool(bool),
    Small(i64),
    /// Two's complement, little-endian, minimal.
    Big(Vec<u8>),
}

/// A number without the white space that CPython's `int()` skips on either side.
fn trim(text: &[u8]) -> &[u8] {
    let is_mark = |byte: &u8| !matches!(byte, b'\t'..=b'\r' | b' ');
    let end = text.iter().rposition(is_mark).map_or(0, |last| last + 1);
    let start = text.iter().position(is_mark).unwrap_or(0);
    text.get(start..end).unwrap_or_default()
}

/// Whether a number is below zero by its sign, and what stands behind the sign.
fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    }
}

/// Sign and digits, which are as many as a caller allows, and at least one.
fn digits_of(text: &[u8], max_digits: usize) -> Result<(bool, &[u8]), ErrorKind> {
    let (negative, digits) = signed(text);
    let sound = !digits.is_empty() && digits.len() <= max_digits && digits.iter().all(u8::is_ascii_digit);
    if sound { Ok((negative, digits)) } else { Err(ErrorKind::Literal) }
}

/// Reads the argument of INT. `00` and `01` are the bools of protocol 0 and 1.
pub(crate) fn int_line(line: &[u8], max_digits: usize) -> Result<TextInteger, ErrorKind> {
    match line {
        b"00" => Ok(TextInteger::Bool(false)),
        b"01" => Ok(TextInteger::Bool(true)),
        // `+0`, `-0` and padded zeros are bools to some versions and integers to others.
        b"-0" => Err(ErrorKind::Literal),
        [pad, b'0' | b'1'] if !pad.is_ascii_digit() && *pad != b'-' => Err(ErrorKind::Literal),
        _ => decimal(trim(line), max_digits),
    }
}

/// Reads the argument of LONG, whose `L` may be missing.
pub(crate) fn long_line(line: &[u8], max_digits: usize) -> Result<TextInteger, ErrorKind> {
    decimal(trim(line.strip_suffix(b"L").unwrap_or(line)), max_digits)
}

/// Reads `[+-]digits`, without a leading zero, because base 0 and base 10 read it differently.
fn decimal(text: &[u8], max_digits: usize) -> Result<TextInteger, ErrorKind> {
    let (negative, digits) = digits_of(text, max_digits)?;
    if let [b'0', _, ..] = digits {
        return Err(ErrorKind::Literal);
    }
    if digits.len() <= 18 {
        let magnitude = digits.iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        return Ok(TextInteger::Small(if negative { -magnitude } else { magnitude }));
    }
    let big = BigInt::parse_bytes(digits, 10).ok_or(ErrorKind::Literal)?;
    let big = if negative { -big } else { big };
    Ok(match i64::try_from(&big) {
        Ok(small) => TextInteger::Small(small),
        Err(_) => TextInteger::Big(big.to_signed_bytes_le()),
    })
}

/// Reads the index of GET or PUT. Leading zeros are read, as by CPython.
pub(crate) fn index_line(line: &[u8], max_digits: usize) -> Result<u64, ErrorKind> {
    let (negative, digits) = digits_of(trim(line), max_digits)?;
    match index_of(digits) {
        Some(index) if index == 0 || !negative => Ok(index),
        _ => Err(ErrorKind::Memo),
    }
}

/// The index that digits say, of which no memo has more than 2^63 - 1.
fn index_of(digits: &[u8]) -> Option<u64> {
    let index = digits.iter().try_fold(0_i64, |index, digit| {
        index.checked_mul(10)?.checked_add(i64::from(digit.wrapping_sub(b'0')))
    });
    index.and_then(|index| u64::try_from(index).ok())
}

/// Reads the index of GET or PUT as `int()` and CPython's C unpickler may: up to a NUL, with underscores between
/// digits. `None` where no unpickler reads one, `u64::MAX` for all that are too large for the C unpickler.
pub(crate) fn index_as_c_reads(line: &[u8]) -> Option<u64> {
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let (negative, digits) = signed(trim(line));
    let digits = without_underscores(digits)?;
    let index = index_of(&digits).unwrap_or(u64::MAX);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    (is_number && (index == 0 || !negative)).then_some(index)
}

/// Reads the argument of FLOAT: what Python's `float()` reads, but no white space and no underscores.
pub(crate) fn float_line(line: &[u8]) -> Result<f64, ErrorKind> {
    let text = core::str::from_utf8(line).map_err(|_| ErrorKind::Literal)?;
    // Rust reads the same words (inf, infinity, nan, in any case) and the same decimal forms.
    let value: f64 = text.parse().map_err(|_| ErrorKind::Literal)?;
    // The C unpickler raises OverflowError where the Python one gives inf.
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(ErrorKind::Literal);
    }
    Ok(value)
}

/// What `pickletools` makes of the line behind INT, LONG, GET or PUT: `int()` of it, in base 10.
///
/// It reads more than is decoded: leading zeros, underscores between digits, negative indexes.
pub(crate) fn shown_int(line: &[u8], max_digits: usize) -> Result<TextInteger, ErrorKind> {
    let plain = without_underscores(trim(line)).ok_or(ErrorKind::Literal)?;
    let (negative, digits) = digits_of(&plain, max_digits)?;
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count().min(digits.len() - 1);
    let sign = negative.then_some(b'-');
    let text: Vec<u8> = sign.into_iter().chain(digits.iter().skip(zeros).copied()).collect();
    decimal(&text, max_digits)
}

/// What `pickletools` makes of the line behind FLOAT: `float()` of it.
pub(crate) fn shown_float(line: &[u8]) -> Result<f64, ErrorKind> {
    let plain = without_underscores(trim(line)).ok_or(ErrorKind::Literal)?;
    core::str::from_utf8(&plain).ok().and_then(|text| text.parse().ok()).ok_or(ErrorKind::Literal)
}

/// A number without its underscores, each of which has to stand between two digits.
fn without_underscores(text: &[u8]) -> Option<Vec<u8>> {
    let digit =
        |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_digit);
    let well = text
        .iter()
        .enumerate()
        .all(|(place, &byte)| byte != b'_' || digit(place.checked_sub(1)) && digit(place.checked_add(1)));
    well.then(|| text.iter().copied().filter(|&byte| byte != b'_').collect())
}

/// Cuts the bytes of a two's complement integer down to the fewest that mean the same.
pub(crate) fn minimal(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., below, top] = bytes {
        let redundant = (*top == 0 && *below < 0x80) || (*top == 0xff && *below >= 0x80);
        if !redundant {
            return bytes;
        }
        bytes = &bytes[..rest.len() + 1];
    }
    if bytes == [0] { &[] } else { bytes }
}

/// Reads a two's complement integer of at most eight bytes.
pub(crate) fn small(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let fill = if bytes.last().is_some_and(|&top| top >= 0x80) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

/// The integer that two's complement bytes mean.
pub(crate) fn big(bytes: &[u8]) -> BigInt {
    BigInt::from_signed_bytes_le(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int_rows() {
        let rows: &[(&[u8], Result<TextInteger, ErrorKind>)] = &[
            (b"5", Ok(TextInteger::Small(5))),
            (b"-7", Ok(TextInteger::Small(-7))),
            (b"+7", Ok(TextInteger::Small(7))),
            (b"0", Ok(TextInteger::Small(0))),
            (b"00", Ok(TextInteger::Bool(false))),
            (b"01", Ok(TextInteger::Bool(true))),
            (b"+0", Err(ErrorKind::Literal)),
            (b"-0", Err(ErrorKind::Literal)),
            (b"+1", Err(ErrorKind::Literal)),
            (b" 1", Err(ErrorKind::Literal)),
            (b"010", Err(ErrorKind::Literal)),
            (b"0x10", Err(ErrorKind::Literal)),
            (b"1_000", Err(ErrorKind::Literal)),
            (b"12L", Err(ErrorKind::Literal)),
            (b"1\0", Err(ErrorKind::Literal)),
            (b"", Err(ErrorKind::Literal)),
            (b"-", Err(ErrorKind::Literal)),
            (b"12\r", Ok(TextInteger::Small(12))),
            (b"9223372036854775807", Ok(TextInteger::Small(i64::MAX))),
            (b"-9223372036854775808", Ok(TextInteger::Small(i64::MIN))),
            (b"9223372036854775808", Ok(TextInteger::Big(alloc::vec![0, 0, 0, 0, 0, 0, 0, 0x80, 0]))),
        ];
        for (line, expected) in rows {
            assert_eq!(&int_line(line, 4300), expected, "{:?}", line.escape_ascii());
        }
    }

    #[test]
    fn index_rows() {
        let rows: &[(&[u8], Result<u64, ErrorKind>)] = &[
            (b"01", Ok(1)),
            (b"9223372036854775807", Ok(i64::MAX as u64)),
            (b"9223372036854775808", Err(ErrorKind::Memo)),
            (b"-1", Err(ErrorKind::Memo)),
            (b"abc", Err(ErrorKind::Literal)),
            (b"1_0", Err(ErrorKind::Literal)),
        ];
        for (line, expected) in rows {
            assert_eq!(&index_line(line, 4300), expected, "{:?}", line.escape_ascii());
        }
    }

    #[test]
    fn float_rows() {
        let rows: &[(&[u8], Result<f64, ErrorKind>)] = &[
            (b"1.5", Ok(1.5)),
            (b"5", Ok(5.0)),
            (b"-inf", Ok(f64::NEG_INFINITY)),
            (b"infinity", Ok(f64::INFINITY)),
            (b"4.9e-324", Ok(5e-324)),
            (b"1e400", Err(ErrorKind::Literal)),
            (b" 1.0", Err(ErrorKind::Literal)),
            (b"1.0 ", Err(ErrorKind::Literal)),
            (b"1_0.0", Err(ErrorKind::Literal)),
            (b"0x1p3", Err(ErrorKind::Literal)),
            (b"", Err(ErrorKind::Literal)),
        ];
        for (line, expected) in rows {
            assert_eq!(&float_line(line), expected, "{:?}", line.escape_ascii());
        }
        assert!(float_line(b"nan").is_ok_and(f64::is_nan));
    }

    #[test]
    fn shown_rows() {
        // Expected values are those of int() and float() in CPython 3.13.
        let rows: &[(&[u8], Option<i64>, Option<f64>)] = &[
            (b"007", Some(7), Some(7.0)),
            (b"-0", Some(0), Some(0.0)),
            (b"1_0", Some(10), Some(10.0)),
            (b" 5\r", Some(5), Some(5.0)),
            (b"+5", Some(5), Some(5.0)),
            (b"-5", Some(-5), Some(-5.0)),
            (b"000", Some(0), Some(0.0)),
            (b"1__0", None, None),
            (b"_1", None, None),
            (b"1_", None, None),
            (b"+_1", None, None),
            (b"", None, None),
            (b"-", None, None),
            (b"0x10", None, None),
            (b"1\0", None, None),
            (b"1_0.0_1", None, Some(10.01)),
            (b"1_.0", None, None),
            (b"1e1_0", None, Some(1e10)),
            (b"-1e400", None, Some(f64::NEG_INFINITY)),
            (b" inf", None, Some(f64::INFINITY)),
        ];
        for (line, int, float) in rows {
            let shown = shown_int(line, 4300).ok();
            assert_eq!(shown, int.map(TextInteger::Small), "{}", line.escape_ascii());
            assert_eq!(shown_float(line).ok(), *float, "{}", line.escape_ascii());
        }
        assert_eq!(shown_int(&[b'0'; 4301], 4300), Err(ErrorKind::Literal));
    }

    #[test]
    fn minimal_rows() {
        let rows: &[(&[u8], &[u8])] = &[
            (&[], &[]),
            (&[0], &[]),
            (&[1, 0, 0, 0], &[1]),
            (&[0xff], &[0xff]),
            (&[0xff, 0xff], &[0xff]),
            (&[0x80, 0], &[0x80, 0]),
            (&[0x7f, 0xff], &[0x7f, 0xff]),
        ];
        for (bytes, expected) in rows {
            assert_eq!(minimal(bytes), *expected);
        }
        assert_eq!(small(&[0xff]), Some(-1));
        assert_eq!(small(&[]), Some(0));
        assert_eq!(big(&[0xff]), BigInt::from(-1));
    }
}
