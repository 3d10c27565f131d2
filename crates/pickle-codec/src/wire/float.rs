//! Floats as Python's `repr` writes them, which is how protocol 0 and JSON write them, too.
//!
//! `repr` gives the shortest digits that read back as the same float, and of several of that length the ones
//! nearest to it (`PyOS_double_to_string` with format `r`). So does `zmij`, but for a tie: a float may lie
//! exactly halfway between two texts of the shortest length, and then CPython's `dtoa.c` rounds to even.
//! [`half_even`] finds those few.
//!
//! Between 1e-4 and 1e16 there is a point and no exponent, and always one decimal, so that it reads back as a float:
//! `5.0`, `1e+16`, `0.0001`, `1e-05`. CPython's rule is in
//! `format_float_short` of `Python/pystrtod.c`.

use core::fmt::{self, Write};

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
    let zeros = "0000000000000000".get(..usize::try_from(exponent.abs()).unwrap_or(0)).unwrap_or_default();
    let parts = match usize::try_from(exponent) {
        // The first of the zeros stands before the point.
        Err(_) => ["0.", zeros.get(1..).unwrap_or_default(), digits],
        // Without an exponent there is at least one decimal.
        Ok(last) => match digits.split_at_checked(last + 1) {
            Some((whole, "")) => [whole, ".0", ""],
            Some((whole, decimals)) => [whole, ".", decimals],
            None => [digits, zeros.get(digits.len() - 1..).unwrap_or_default(), ".0"],
        },
    };
    parts.into_iter().try_for_each(|part| out.write_str(part))
}

/// The fewest digits that read back as the same float, and the exponent of the first.
fn shortest(magnitude: f64) -> Option<(FloatText, i32)> {
    let mut text = zmij::Buffer::new();
    let (mantissa, exponent) = match text.format_finite(magnitude) {
        text if text.contains('e') => text.split_once('e')?,
        text => (text, "0"),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = FloatText::default();
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
fn half_even(magnitude: f64, len: usize, exponent: i32) -> Option<FloatText> {
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
    let mut digits = FloatText::default();
    if binary < 0 && mantissa != 0 {
        // The value is `odd / 2^n` with `n = -binary`, and `odd / 2^n = odd * 5^n / 10^n`: it has
        // exactly n decimals, of which the last is a 5. So it lies halfway between two texts of
        // `decimals` decimals only if `n = decimals + 1`.
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
        let mut rounded = FloatText::default();
        write!(rounded, "{magnitude:.*e}", len - 1).ok()?;
        let (mantissa, rounded_exponent) = rounded.as_str().split_once('e')?;
        if rounded_exponent.parse() != Ok(exponent) {
            return None;
        }
        digits = FloatText::default();
        mantissa.split('.').try_for_each(|part| digits.write_str(part)).ok()?;
    }
    let mut text = FloatText::default();
    write!(text, "{}e{}", digits.as_str(), decimals.checked_neg()?).ok()?;
    let reads_back = text.as_str().parse::<f64>().is_ok_and(|read| read.to_bits() == bits);
    reads_back.then_some(digits)
}

/// Room for one float: 17 digits, sign, point, exponent, and up to 15 zeros.
pub(crate) struct FloatText {
    bytes: [u8; 48],
    len: usize,
}

impl Default for FloatText {
    fn default() -> Self {
        Self { bytes: [0; 48], len: 0 }
    }
}

impl FloatText {
    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl Write for FloatText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
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
