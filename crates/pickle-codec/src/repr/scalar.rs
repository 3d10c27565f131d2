//! The `repr` of numbers, text and bytes.

use alloc::string::String;
use core::fmt::{self, Write};

use memchr::memchr;
use num_bigint::BigInt;

use super::printable::is_printable;
use super::{Printer, Stop};
use crate::wire::text::Str;

type Outcome = Result<(), Stop>;

/// Bits of the largest integer that CPython prints: 4,300 digits, which is
/// `sys.int_info.default_max_str_digits`.
pub(crate) const MAX_DECIMAL_BITS: u64 = 14_285;

/// Writes a float as Python's `repr` does: the shortest digits that read back as the same float,
/// in exponent form below 1e-4 and from 1e16 on.
pub(crate) fn write_float(value: f64, out: &mut (impl Write + ?Sized)) -> fmt::Result {
    if value.is_nan() {
        return out.write_str("nan");
    }
    if value.is_infinite() {
        return out.write_str(if value > 0.0 { "inf" } else { "-inf" });
    }
    let (mut digits, exponent) = shortest(value.abs()).ok_or(fmt::Error)?;
    if let Some(even) = half_even(value.abs(), digits.as_str().len(), exponent) {
        digits = even;
    }
    let digits = digits.as_str();
    if value.is_sign_negative() {
        out.write_str("-")?;
    }
    if !(-4..16).contains(&exponent) {
        let (first, rest) = digits.split_at_checked(1).ok_or(fmt::Error)?;
        let (point, sign) = (if rest.is_empty() { "" } else { "." }, if exponent < 0 { '-' } else { '+' });
        return write!(out, "{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
    }
    let mut zeros =
        "0000000000000000".get(..usize::try_from(exponent.abs()).unwrap_or(0)).unwrap_or_default();
    match usize::try_from(exponent) {
        Err(_) => {
            // The first of the zeros stands before the point.
            out.write_str("0.")?;
            zeros = zeros.get(1..).unwrap_or_default();
            out.write_str(zeros)?;
            out.write_str(digits)
        }
        // Without an exponent there is at least one decimal.
        Ok(last) => match digits.split_at_checked(last + 1) {
            Some((whole, "")) => {
                out.write_str(whole)?;
                out.write_str(".0")
            }
            Some((whole, decimals)) => {
                out.write_str(whole)?;
                out.write_str(".")?;
                out.write_str(decimals)
            }
            None => {
                out.write_str(digits)?;
                out.write_str(zeros.get(digits.len() - 1..).unwrap_or_default())?;
                out.write_str(".0")
            }
        },
    }
}

/// The fewest digits that read back as the same float, and the exponent of the first.
fn shortest(magnitude: f64) -> Option<(Buffer, i32)> {
    let mut text = zmij::Buffer::new();
    let (mantissa, exponent) = match text.format_finite(magnitude) {
        text if text.contains('e') => text.split_once('e')?,
        text => (text, "0"),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Buffer::default();
    digits.write_str(whole).ok()?;
    digits.write_str(decimals).ok()?;
    let zeros = digits.as_str().bytes().take_while(|byte| *byte == b'0').count();
    if zeros == digits.len {
        digits.len = 1;
        return Some((digits, 0));
    }
    digits.bytes.copy_within(zeros.., 0);
    digits.len -= zeros;
    digits.len = digits.as_str().trim_end_matches('0').len();
    let before = i32::try_from(whole.len()).ok()? - 1 - i32::try_from(zeros).ok()?;
    Some((digits, exponent.parse::<i32>().ok()?.checked_add(before)?))
}

/// The digits that Python takes where two texts of the shortest length are equally near: those that
/// rounding half to even gives. `None` where the shortest digits stand.
fn half_even(magnitude: f64, len: usize, exponent: i32) -> Option<Buffer> {
    // Numbers of 15 digits lie so far apart that only one of them is near.
    if len <= 15 && magnitude >= f64::MIN_POSITIVE {
        return None;
    }
    let bits = magnitude.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, scale) = match i32::try_from(bits >> 52).ok()? {
        0 => (fraction, -1074),
        power => (fraction | 1 << 52, power - 1075),
    };
    let binary = scale + i32::try_from(mantissa.trailing_zeros()).ok()?;
    let decimals = i32::try_from(len).ok()? - 1 - exponent;
    let mut digits = Buffer::default();
    if binary < 0 && mantissa != 0 {
        // An odd number over 2^n has n decimals, and the last is a 5. Halfway between two texts it
        // is if they have one decimal less.
        if decimals.checked_add(1)? != binary.checked_neg()? {
            return None;
        }
        let odd = mantissa >> mantissa.trailing_zeros();
        let exact = 5_u64.checked_pow(binary.unsigned_abs()).and_then(|power| odd.checked_mul(power));
        if let Some(exact) = exact {
            let below = exact / 10;
            write!(digits, "{}", below + below % 2).ok()?;
        }
    }
    if digits.len != len {
        let mut rounded = Buffer::default();
        write!(rounded, "{magnitude:.*e}", len - 1).ok()?;
        let (mantissa, rounded_exponent) = rounded.as_str().split_once('e')?;
        if rounded_exponent.parse() != Ok(exponent) {
            return None;
        }
        digits = Buffer::default();
        mantissa.split('.').try_for_each(|part| digits.write_str(part)).ok()?;
    }
    let mut text = Buffer::default();
    write!(text, "{}e{}", digits.as_str(), decimals.checked_neg()?).ok()?;
    let reads_back = text.as_str().parse::<f64>().is_ok_and(|read| read.to_bits() == bits);
    reads_back.then_some(digits)
}

/// Room for one float: 17 digits, sign, point, exponent, and up to 15 zeros.
struct Buffer {
    bytes: [u8; 48],
    len: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: [0; 48], len: 0 }
    }
}

impl Buffer {
    fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl<W: Write + ?Sized> Printer<'_, W> {
    /// Writes what fits, and tells the cap from a writer that fails.
    pub(super) fn format(&mut self, arguments: fmt::Arguments<'_>) -> Outcome {
        let before = self.left;
        match Write::write_fmt(self, arguments) {
            Ok(()) => Ok(()),
            Err(_) if self.left == 0 && before > 0 => Err(Stop::Cap),
            Err(_) if before == 0 => Err(Stop::Cap),
            Err(_) => Err(Stop::Writer),
        }
    }

    pub(super) fn int(&mut self, value: i64) -> Outcome {
        self.format(format_args!("{value}"))
    }

    pub(super) fn float(&mut self, value: f64) -> Outcome {
        let mut buffer = Buffer::default();
        // The longest float fits the buffer.
        write_float(value, &mut buffer).map_err(|_| Stop::Writer)?;
        self.write(buffer.as_str())
    }

    /// Decimal up to the digits that CPython prints, beyond that hexadecimal, which is linear.
    pub(super) fn big(&mut self, value: &BigInt) -> Outcome {
        // 4,300 digits are 14,285 bits at most.
        if value.bits() <= MAX_DECIMAL_BITS {
            return self.write(&alloc::format!("{value}"));
        }
        if value.bits().div_ceil(4) > self.left as u64 {
            // Not worth the digits: the cap comes first.
            let sign = if value.sign() == num_bigint::Sign::Minus { "-0x..." } else { "0x..." };
            self.write(sign)?;
            return Err(Stop::Cap);
        }
        self.write(&alloc::format!("{value:#x}"))
    }

    /// Text in quotes.
    pub(super) fn text(&mut self, text: Str<'_>) -> Outcome {
        let bytes = text.as_bytes();
        let quote = if memchr(b'\'', bytes).is_some() && memchr(b'"', bytes).is_none() { '"' } else { '\'' };
        self.write(if quote == '"' { "\"" } else { "'" })?;
        match text {
            Str::Utf8(text) => self.escaped(text, quote)?,
            Str::Wtf8(mut bytes) => loop {
                match core::str::from_utf8(bytes) {
                    Ok(text) => {
                        self.escaped(text, quote)?;
                        break;
                    }
                    Err(error) => {
                        let (valid, rest) = bytes.split_at(error.valid_up_to());
                        self.escaped(core::str::from_utf8(valid).unwrap_or_default(), quote)?;
                        let (surrogate, rest) = rest.split_at_checked(3).unwrap_or((rest, &[]));
                        for point in Str::Wtf8(surrogate).code_points() {
                            self.format(format_args!("\\u{point:04x}"))?;
                        }
                        bytes = rest;
                    }
                }
            },
        }
        self.write(if quote == '"' { "\"" } else { "'" })
    }

    /// Text with what Python escapes escaped; runs of plain characters are written as one.
    fn escaped(&mut self, text: &str, quote: char) -> Outcome {
        // No escape is shorter than what it stands for, so what is longer ends at the cap in any case.
        let mut end = self.left.saturating_add(1).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let mut start = 0;
        for (place, character) in text.char_indices() {
            let point = u32::from(character);
            let plain = match character {
                '\\' => false,
                ' '..='~' => character != quote,
                _ if self.ascii => false,
                _ => is_printable(point),
            };
            if plain {
                continue;
            }
            self.write(text.get(start..place).unwrap_or_default())?;
            start = place + character.len_utf8();
            match character {
                '\\' => self.write("\\\\")?,
                '\n' => self.write("\\n")?,
                '\r' => self.write("\\r")?,
                '\t' => self.write("\\t")?,
                '\'' => self.write("\\'")?,
                _ if point <= 0xff => self.format(format_args!("\\x{point:02x}"))?,
                _ if point <= 0xffff => self.format(format_args!("\\u{point:04x}"))?,
                _ => self.format(format_args!("\\U{point:08x}"))?,
            }
        }
        self.write(text.get(start..).unwrap_or_default())
    }

    /// `b'...'`.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        self.quoted_bytes(bytes, false)
    }

    /// `bytearray(b'...')`, in which an apostrophe is escaped whatever the quotes are.
    pub(super) fn bytearray(&mut self, bytes: &[u8]) -> Outcome {
        self.write("bytearray(")?;
        self.quoted_bytes(bytes, true)?;
        self.write(")")
    }

    fn quoted_bytes(&mut self, bytes: &[u8], escape_apostrophe: bool) -> Outcome {
        let quote =
            if memchr(b'\'', bytes).is_some() && memchr(b'"', bytes).is_none() { b'"' } else { b'\'' };
        self.write(if quote == b'"' { "b\"" } else { "b'" })?;
        let mut run = String::new();
        for chunk in bytes.chunks(256) {
            run.clear();
            for &byte in chunk {
                match byte {
                    b'\\' => run.push_str("\\\\"),
                    b'\n' => run.push_str("\\n"),
                    b'\r' => run.push_str("\\r"),
                    b'\t' => run.push_str("\\t"),
                    _ if byte == quote || byte == b'\'' && escape_apostrophe => {
                        run.extend(['\\', char::from(byte)]);
                    }
                    b' '..=b'~' => run.push(char::from(byte)),
                    _ => {
                        let digit = |value| char::from_digit(u32::from(value), 16).unwrap_or('0');
                        run.extend(['\\', 'x', digit(byte >> 4), digit(byte & 15)]);
                    }
                }
            }
            self.write(&run)?;
        }
        self.write(if quote == b'"' { "\"" } else { "'" })
    }

    /// Text as it is, with U+FFFD for each lone surrogate.
    pub(super) fn raw_text(&mut self, text: Str<'_>) -> Outcome {
        match text {
            Str::Utf8(text) => self.write(text),
            Str::Wtf8(_) => self.write(&text.to_string_lossy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn float_rows() {
        let rows: &[(f64, &str)] = &[
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.2345e-7, "-1.2345e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (value, expected) in rows {
            let mut text = String::new();
            write_float(*value, &mut text).unwrap();
            assert_eq!(text, *expected);
        }
    }

    /// The digits and exponent by the rule itself: round to the length of the shortest text, half to
    /// even, unless that does not read back.
    fn by_rule(value: f64) -> String {
        let shortest = alloc::format!("{value:e}");
        let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
        let rounded = alloc::format!("{value:.*e}", digits - 1);
        let reads_back = rounded.parse::<f64>().unwrap().to_bits() == value.to_bits();
        if reads_back { rounded } else { shortest }
    }

    #[test]
    fn floats_are_rounded_by_the_rule() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let ties =
            [0x40c8_ce99_2400_0000, 0x7fef_ffff_ffff_ffff, 0x0010_0000_0000_0000, 0x000f_ffff_ffff_ffff];
        let mut values: Vec<f64> = ties.into_iter().map(f64::from_bits).collect();
        for _ in 0..if cfg!(debug_assertions) { 20_000 } else { 2_000_000 } {
            let bits = random();
            let exponent = (1023 - 40 + bits % 110) << 52;
            let few_bits = (random() >> (bits >> 20 & 31)) << (bits >> 20 & 31);
            values.extend([
                f64::from_bits(bits),
                f64::from_bits(exponent | (few_bits & ((1 << 52) - 1))),
                f64::from_bits(1 << 63 | exponent | (bits >> 12)),
                f64::from_bits(bits & ((1 << 52) - 1)),
                f64::from_bits(exponent),
            ]);
        }
        for value in values.into_iter().filter(|value| value.is_finite()) {
            let mut text = String::new();
            write_float(value, &mut text).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            // The same digits, whatever the form.
            let significant = |text: &str| -> String {
                let digits = text.split('e').next().unwrap_or_default().replace(['.', '-'], "");
                String::from(digits.trim_matches('0'))
            };
            assert_eq!(significant(&text), significant(&by_rule(value)), "{text}");
        }
    }
}
