//! What objects of the standard library are to a formatter: a Decimal is a number, a member of an
//! IntEnum is its value, a datetime has a format of its own.

use std::net::IpAddr;

use num_bigint::{BigInt, Sign};
use pickle_codec::{Known, Node, NodeRef, UtcOffset, Value, Zone};

/// A known object as a formatter takes it.
pub(crate) enum Plain {
    /// An enum's member or an instance of a subclass of a built-in type: its value.
    Value(Value<'static>),
    /// A Decimal, as Python writes it.
    Decimal(String),
    /// A Fraction.
    Fraction(BigInt, BigInt),
    /// A date, time or datetime.
    Moment(Moment),
    /// A UUID or an address, which `int()` takes but which is no number.
    Number(u128),
}

/// The fields of a date, time or datetime.
pub(crate) struct Moment {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) second_of_day: i64,
    pub(crate) microsecond: u32,
    /// Offset from UTC; None where it is naive.
    pub(crate) offset: Option<UtcOffset>,
}

/// The reading of a value, if it is such an object.
pub(crate) fn plain(value: &Value<'_>) -> Option<Plain> {
    let Value::Object(object) = value else { return None };
    // None of these holds a container; the others are not worth the reading.
    let is_container = |value: &Value<'_>| {
        matches!(
            value,
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Set(_) | Value::FrozenSet(_)
        )
    };
    if object.items.is_some() || object.pairs.is_some() || object.args.iter().any(is_container) {
        return None;
    }
    object
        .with_known(|known| {
            Some(match known {
                Known::Enum(_, value) | Known::Instance(_, value, _) => Plain::Value(scalar(value)?),
                Known::Decimal(text) => Plain::Decimal(text.to_owned()),
                Known::Fraction(numerator, denominator) => Plain::Fraction(numerator, denominator),
                Known::Date(date) => Plain::Moment(moment(Some(date), None, None)),
                Known::Time(time, zone) => Plain::Moment(moment(None, Some(time), zone)),
                Known::DateTime(date, time, zone) => Plain::Moment(moment(Some(date), Some(time), zone)),
                Known::Uuid(number) => Plain::Number(number),
                Known::Ip(text) if !is_network(value) => Plain::Number(address(&text)?),
                _ => return None,
            })
        })
        .flatten()
}

fn is_network(value: &Value<'_>) -> bool {
    let class = value.as_object().and_then(|object| object.class_name());
    class.is_some_and(|(_, name)| name.ends_with("Network"))
}

/// The number of an address, which may have a zone or the length of its network behind it.
fn address(text: &str) -> Option<u128> {
    let end = text.find(['/', '%']).unwrap_or(text.len());
    Some(match text.get(..end)?.parse().ok()? {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    })
}

pub(crate) fn scalar(node: NodeRef<'_, '_>) -> Option<Value<'static>> {
    Some(match node.view() {
        Node::Bool(truth) => Value::Bool(truth),
        Node::Int(number) => Value::Int(number),
        Node::BigInt(number) => Value::BigInt(Box::new(number.to_bigint())),
        Node::Float(number) => Value::Float(number),
        Node::Str(text) => Value::from(text).into_owned(),
        _ => return None,
    })
}

fn moment(
    date: Option<pickle_codec::Date>,
    time: Option<pickle_codec::Time>,
    zone: Option<Zone<'_, '_>>,
) -> Moment {
    let (year, month, day) =
        date.map_or((1900, 1, 1), |date| (i64::from(date.year), i64::from(date.month), i64::from(date.day)));
    let (second_of_day, microsecond) = time.map_or((0, 0), |time| {
        let seconds = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second);
        (seconds, time.microsecond)
    });
    let offset = match zone {
        Some(Zone::Fixed(offset)) => Some(offset),
        _ => None,
    };
    Moment { year, month, day, second_of_day, microsecond, offset }
}

impl Moment {
    /// `datetime.strftime`: as C's, with `%f`, `%z` and `%Z` filled in before.
    pub(crate) fn format(&self, format: &str) -> Result<String, crate::error::FormatError> {
        let mut filled = String::with_capacity(format.len());
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            filled.push_str(before);
            let (text, len) = match after.chars().next() {
                Some('f') => (format!("{:06}", self.microsecond), 1),
                Some('z') => (self.offset_text(false), 1),
                Some('Z') => (self.zone_name(), 1),
                Some(':') if after.starts_with(":z") => (self.offset_text(true), 2),
                Some(other) => (format!("%{other}"), other.len_utf8()),
                None => (String::from("%"), 0),
            };
            filled.push_str(&text);
            rest = after.get(len..).unwrap_or_default();
        }
        filled.push_str(rest);
        crate::strftime::civil_strftime(&filled, (self.year, self.month, self.day), self.second_of_day)
    }

    fn offset_text(&self, colons: bool) -> String {
        let Some(offset) = self.offset else { return String::new() };
        let text = offset.to_string();
        if colons { text } else { text.replace(':', "") }
    }

    fn zone_name(&self) -> String {
        match self.offset {
            None => String::new(),
            Some(offset) if offset.total_microseconds() == 0 => String::from("UTC"),
            Some(offset) => format!("UTC{offset}"),
        }
    }
}

/// A decimal number as its sign, its digits, and how many of them stand behind the point; None for
/// one that is not finite.
pub(crate) fn decimal_digits(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = split_sign(text.trim_start_matches('+'));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok()?;
    Some((negative, digits, i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?))
}

/// The digits of a decimal number with so many places, rounded half to even; without its sign.
pub(crate) fn decimal_fixed(digits: &str, behind: i64, places: usize) -> Option<String> {
    /// A number of more digits is one that someone chose for its length.
    const MOST: i64 = 10_000;
    let wanted = i64::try_from(places).ok()?;
    if behind.abs() > MOST || wanted > MOST || i64::try_from(digits.len()).ok()? > MOST {
        return None;
    }
    let mut number = BigInt::parse_bytes(digits.as_bytes(), 10)?;
    let missing = wanted.saturating_sub(behind);
    if let Ok(zeros) = u32::try_from(missing) {
        number *= BigInt::from(10).pow(zeros);
    } else {
        let divisor = BigInt::from(10).pow(u32::try_from(missing.saturating_neg()).ok()?);
        let (quotient, rest) = (&number / &divisor, &number % &divisor);
        let twice = rest * 2;
        let is_odd = (&quotient % 2_u32).sign() != Sign::NoSign;
        let up = twice > divisor || (twice == divisor && is_odd);
        number = quotient + i32::from(up);
    }
    let mut text = number.to_string();
    if places > 0 {
        let short = places.saturating_add(1).saturating_sub(text.len());
        text.insert_str(0, &"0".repeat(short));
        text.insert(text.len().saturating_sub(places), '.');
    }
    Some(text)
}

/// `int()` of a decimal number.
pub(crate) fn decimal_truncated(text: &str) -> Option<BigInt> {
    /// An integer of more digits is not written, and reading it costs the square of them.
    const MOST: usize = 10_000;
    let (negative, digits, behind) = decimal_digits(text)?;
    let whole = if behind >= 0 {
        let kept = digits.len().saturating_sub(usize::try_from(behind).ok()?);
        let whole = digits.get(..kept).unwrap_or_default().trim_start_matches('0');
        if whole.len() > MOST {
            return None;
        }
        if whole.is_empty() { BigInt::ZERO } else { BigInt::parse_bytes(whole.as_bytes(), 10)? }
    } else {
        let zeros = u32::try_from(behind.saturating_neg()).ok().filter(|zeros| *zeros <= 10_000)?;
        if digits.len() > MOST {
            return None;
        }
        BigInt::parse_bytes(digits.as_bytes(), 10)? * BigInt::from(10).pow(zeros)
    };
    Some(if negative { -whole } else { whole })
}

/// Splits a minus off a number's text.
pub(crate) fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_to_even() {
        let rows = [
            ("1.10", 2, "1.10"),
            ("2.675", 2, "2.68"),
            ("2.665", 2, "2.66"),
            ("0.5", 0, "0"),
            ("1.5", 0, "2"),
            ("1E+3", 1, "1000.0"),
            ("1E-7", 3, "0.000"),
            ("0.0009", 3, "0.001"),
            ("99.995", 2, "100.00"),
        ];
        for (text, places, expected) in rows {
            let (_, digits, behind) = decimal_digits(text).unwrap();
            assert_eq!(decimal_fixed(&digits, behind, places).as_deref(), Some(expected), "{text}");
        }
        assert!(decimal_digits("NaN").is_none());
        assert_eq!(decimal_truncated("-12.9").unwrap(), BigInt::from(-12));
        assert_eq!(decimal_truncated("0.01").unwrap(), BigInt::from(0));
        assert_eq!(decimal_truncated("1.5E+2").unwrap(), BigInt::from(150));
        assert!(decimal_truncated("1E+999999").is_none());
    }
}
