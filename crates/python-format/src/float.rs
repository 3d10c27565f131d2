//! Floats as C and Python write them: `e`, `f` and `g` with any precision, and Python's `repr`.

/// Digits of a finite float and the place of its decimal point, counted from the first digit.
struct Decimal {
    digits: String,
    point: i64,
}

/// What a float is written as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloatSpec {
    /// One of `eEfFgG`, or `r` for the shortest text that reads back.
    pub(crate) kind: char,
    /// The precision: digits behind the point for `e` and `f`, significant ones for `g`.
    pub(crate) precision: usize,
    /// The flag `#`: keep the point and the trailing zeros.
    pub(crate) alternate: bool,
    /// Whether a whole number gets `.0`, as `repr` has it.
    pub(crate) add_dot_0: bool,
    /// Whether a zero loses its sign.
    pub(crate) no_negative_zero: bool,
}

/// A float's text without its sign. The zeros of a long precision are counted and not written.
#[derive(Debug, Default)]
pub(crate) struct FloatText {
    pub(crate) negative: bool,
    text: String,
    /// Where in the text the zeros belong.
    gap: usize,
    pub(crate) zeros: usize,
}

impl FloatText {
    /// What stands before the zeros, and what behind.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.text.split_at_checked(self.gap).unwrap_or((&self.text, ""))
    }

    /// The characters without the sign.
    pub(crate) const fn len(&self) -> usize {
        self.text.len().saturating_add(self.zeros)
    }

    /// What the digits cost, in steps of an output: 17 or 18 are found at once, more of them by a
    /// division of a long number for each.
    pub(crate) fn steps(&self) -> usize {
        /// Characters of 18 digits and a point.
        const SHORT: usize = 19;
        /// Steps of setting up the division.
        const LONG: usize = 40;
        let len = self.parts().0.trim_start_matches(['0', '.']).trim_end_matches('0').len();
        let further = match len.saturating_sub(SHORT) {
            0 => 0,
            further => further.saturating_add(LONG),
        };
        crate::output::FLOAT_STEPS.saturating_add(further)
    }

    fn push_zeros(&mut self, count: usize) {
        self.gap = self.text.len();
        self.zeros = count;
    }

    fn from_text(text: &str) -> Self {
        Self { text: text.to_owned(), gap: text.len(), ..Self::default() }
    }
}

/// Behind this many digits an f64 has only zeros.
const EXACT_DIGITS: usize = 1100;

/// A float as `PyOS_double_to_string` writes it.
pub(crate) fn float_text(value: f64, spec: FloatSpec) -> FloatText {
    let upper = spec.kind.is_ascii_uppercase();
    let kind = spec.kind.to_ascii_lowercase();
    if !value.is_finite() {
        let text = match (value.is_nan(), upper) {
            (true, true) => "NAN",
            (true, false) => "nan",
            (false, true) => "INF",
            (false, false) => "inf",
        };
        return FloatText { negative: value < 0.0, ..FloatText::from_text(text) };
    }
    let magnitude = value.abs();
    let (mut text, is_zero) = match kind {
        'e' => {
            let decimal = significant(magnitude, spec.precision.saturating_add(1));
            let zero = is_zero(&decimal);
            (exponent_form(&decimal, spec.precision, spec, upper), zero)
        }
        'f' => fixed(magnitude, spec),
        _ => {
            let precision = if kind == 'r' { 17 } else { spec.precision.max(1) };
            let decimal = if kind == 'r' { shortest(magnitude) } else { significant(magnitude, precision) };
            let zero = is_zero(&decimal);
            (general(decimal, precision, kind == 'r', spec, upper), zero)
        }
    };
    text.negative = value.is_sign_negative() && !(spec.no_negative_zero && is_zero);
    text
}

fn is_zero(decimal: &Decimal) -> bool {
    decimal.digits.bytes().all(|digit| digit == b'0')
}

/// The first `count` significant digits, rounded half to even of the exact value.
fn significant(magnitude: f64, count: usize) -> Decimal {
    let places = count.saturating_sub(1).min(EXACT_DIGITS);
    split_exponent(&format!("{magnitude:.places$e}"))
}

/// The fewest digits that read back as the same float.
///
/// Of two texts that are as short and as near, Rust and Python choose differently: Python takes
/// the one that rounding to this many digits gives, half to even.
fn shortest(magnitude: f64) -> Decimal {
    let short = format!("{magnitude:e}");
    let places =
        short.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count().saturating_sub(1);
    let rounded = format!("{magnitude:.places$e}");
    let reads_back = rounded.parse::<f64>().is_ok_and(|read| read.to_bits() == magnitude.to_bits());
    split_exponent(if reads_back { &rounded } else { &short })
}

fn split_exponent(text: &str) -> Decimal {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    Decimal {
        digits: mantissa.chars().filter(char::is_ascii_digit).collect(),
        point: exponent.saturating_add(1),
    }
}

fn fixed(magnitude: f64, spec: FloatSpec) -> (FloatText, bool) {
    let places = spec.precision.min(EXACT_DIGITS);
    let mut text = FloatText { text: format!("{magnitude:.places$}"), ..FloatText::default() };
    let zero = text.text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if spec.alternate && spec.precision == 0 {
        text.text.push('.');
    }
    text.push_zeros(spec.precision.saturating_sub(places));
    (text, zero)
}

/// `d.ddde+XX` with `places` digits behind the point.
fn exponent_form(decimal: &Decimal, places: usize, spec: FloatSpec, upper: bool) -> FloatText {
    let (first, rest) = decimal.digits.split_at_checked(1).unwrap_or(("0", ""));
    let mut text = FloatText::default();
    text.text.push_str(first);
    if places > 0 || spec.alternate {
        text.text.push('.');
    }
    text.text.push_str(rest);
    text.push_zeros(places.saturating_sub(rest.len()));
    let exponent = if is_zero(decimal) { 0 } else { decimal.point.saturating_sub(1) };
    text.text.push(if upper { 'E' } else { 'e' });
    text.text.push(if exponent < 0 { '-' } else { '+' });
    text.text.push_str(&format!("{:02}", exponent.unsigned_abs()));
    text
}

/// `g` and `repr`: plain digits where the exponent is small, else with an exponent.
fn general(mut decimal: Decimal, precision: usize, repr: bool, spec: FloatSpec, upper: bool) -> FloatText {
    if is_zero(&decimal) {
        decimal.point = 1;
    }
    if !spec.alternate || repr {
        let kept = decimal.digits.trim_end_matches('0').len().max(1);
        decimal.digits.truncate(kept);
    }
    let limit = match (repr, spec.add_dot_0) {
        (true, _) => 16,
        (false, true) => i64::try_from(precision).unwrap_or(i64::MAX).saturating_sub(1),
        (false, false) => i64::try_from(precision).unwrap_or(i64::MAX),
    };
    // With `#`, `g` writes as many significant digits as were asked for.
    let wanted = if spec.alternate && !repr { precision } else { decimal.digits.len() };
    if decimal.point <= -4 || decimal.point > limit {
        let places = wanted.saturating_sub(1).max(decimal.digits.len().saturating_sub(1));
        return exponent_form(&decimal, places, spec, upper);
    }
    let mut text = String::new();
    let mut zeros = wanted.saturating_sub(decimal.digits.len());
    let whole = usize::try_from(decimal.point).unwrap_or(0);
    if decimal.point <= 0 {
        text.push_str("0.");
        push_zeros(&mut text, usize::try_from(decimal.point.saturating_neg()).unwrap_or(0));
        text.push_str(&decimal.digits);
    } else if let Some((before, after)) = decimal.digits.split_at_checked(whole) {
        text.push_str(before);
        if !after.is_empty() || zeros > 0 || spec.alternate {
            text.push('.');
            text.push_str(after);
        }
    } else {
        text.push_str(&decimal.digits);
        push_zeros(&mut text, whole.saturating_sub(decimal.digits.len()));
        zeros = wanted.saturating_sub(whole);
        if zeros > 0 || spec.alternate {
            text.push('.');
        }
    }
    if spec.add_dot_0 && zeros == 0 {
        if text.ends_with('.') {
            text.push('0');
        } else if !text.contains('.') {
            text.push_str(".0");
        }
    }
    let mut text = FloatText { text, ..FloatText::default() };
    text.push_zeros(zeros);
    text
}

fn push_zeros(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n('0', count));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: char, precision: usize, alternate: bool) -> FloatSpec {
        FloatSpec { kind, precision, alternate, add_dot_0: false, no_negative_zero: false }
    }

    #[test]
    fn float_rows() {
        let rows = [
            (1.5, 'f', 6, false, "1.500000"),
            (-0.0, 'f', 0, false, "-0"),
            (2.5, 'f', 0, false, "2"),
            (2.5, 'f', 0, true, "2."),
            (1e22, 'f', 1, false, "10000000000000000000000.0"),
            (0.1, 'f', 20, false, "0.10000000000000000555"),
            (123_456.0, 'e', 2, false, "1.23e+05"),
            (0.0, 'e', 0, true, "0.e+00"),
            (1e-310, 'E', 1, false, "1.0E-310"),
            (100_000.0, 'g', 6, false, "100000"),
            (1_000_000.0, 'g', 6, false, "1e+06"),
            (0.0001, 'g', 6, false, "0.0001"),
            (0.00001, 'g', 6, false, "1e-05"),
            (1.0, 'g', 4, true, "1.000"),
            (1e10, 'g', 3, true, "1.00e+10"),
            (0.0, 'g', 3, true, "0.00"),
            (12345.0, 'g', 0, false, "1e+04"),
            (f64::INFINITY, 'G', 3, false, "INF"),
            (f64::NEG_INFINITY, 'f', 3, false, "-inf"),
            (f64::NAN, 'f', 3, false, "nan"),
        ];
        for (value, kind, precision, alternate, expected) in rows {
            let text = float_text(value, spec(kind, precision, alternate));
            let (before, behind) = text.parts();
            let sign = if text.negative { "-" } else { "" };
            let whole = format!("{sign}{before}{}{behind}", "0".repeat(text.zeros));
            assert_eq!(whole, expected, "{value} {kind}");
        }
    }

    #[test]
    fn a_huge_precision_is_counted_and_not_written() {
        for (kind, alternate) in [('f', false), ('e', false), ('g', true)] {
            let text = float_text(1.5, spec(kind, usize::MAX, alternate));
            let (before, behind) = text.parts();
            assert!(before.len() + behind.len() <= EXACT_DIGITS + 8, "{kind}");
            assert!(text.zeros > usize::MAX / 2, "{kind}");
            assert_eq!(text.steps(), crate::output::FLOAT_STEPS, "{kind}");
        }
        let rows = [(1e308, 'f', 0, 200..350), (0.1, 'e', 60, 60..110), (5e-324, 'g', 2000, 700..800)];
        for (value, kind, precision, steps) in rows {
            assert!(
                steps.contains(&float_text(value, spec(kind, precision, false)).steps()),
                "{value} {kind}"
            );
        }
    }
}
