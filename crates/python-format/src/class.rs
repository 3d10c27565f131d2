//! What Python says of a value's type, where a formatter needs to know it.

use std::borrow::Cow;

use num_bigint::{BigInt, BigUint, Sign};
use pickle_codec::{Known, ObjectValue, Value};

use crate::error::FormatError;
use crate::known::{Plain, decimal_digits, decimal_truncated, plain, scalar};
use crate::text::Text;

/// The name that Python's messages give a value's type.
pub fn type_name<'v>(value: &'v Value<'_>) -> Cow<'v, str> {
    Cow::Borrowed(match value {
        Value::None => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::BigInt(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) | Value::Wtf8(_) => "str",
        Value::Bytes(_) | Value::Buffer(..) => "bytes",
        Value::ByteArray(_) => "bytearray",
        Value::List(_) => "list",
        Value::Tuple(_) => "tuple",
        Value::Set(_) => "set",
        Value::FrozenSet(_) => "frozenset",
        Value::Dict(_) => "dict",
        Value::Global(..) => "type",
        Value::Object(object) => return object_type_name(&object.class),
        _ => "object",
    })
}

/// Types that are written in C say their module; classes written in Python do not.
fn object_type_name<'v>(class: &'v Value<'_>) -> Cow<'v, str> {
    let Value::Global(global) = class else { return Cow::Borrowed("object") };
    match (&*global.module, &*global.name) {
        ("_decimal", name) => Cow::Owned(format!("decimal.{name}")),
        ("__builtin__", "xrange") => Cow::Borrowed("range"),
        (module @ ("datetime" | "decimal"), name)
        | (module @ "collections", name @ ("OrderedDict" | "defaultdict" | "deque")) => {
            Cow::Owned(format!("{module}.{name}"))
        }
        (_, name) => Cow::Borrowed(name),
    }
}

/// `bool(value)`: whether Python takes a value for true.
pub fn is_true(value: &Value<'_>) -> bool {
    match value {
        Value::None => false,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::BigInt(number) => number.sign() != Sign::NoSign,
        Value::Float(number) => *number != 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::Wtf8(bytes) | Value::Bytes(bytes) | Value::ByteArray(bytes) => !bytes.is_empty(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            !items.is_empty()
        }
        Value::Dict(pairs) => !pairs.is_empty(),
        Value::Object(object) => object_is_true(object),
        _ => true,
    }
}

/// `bool()` of an object of the standard library: an empty collection and a zero are false.
fn object_is_true(object: &ObjectValue<'_>) -> bool {
    let has_content = object.items.as_ref().is_some_and(|items| !items.is_empty())
        || object.pairs.as_ref().is_some_and(|pairs| !pairs.is_empty());
    // What is in it need not be read then.
    has_content
        || object
            .with_known(|known| match known {
                Known::Complex(re, im) => re != 0.0 || im != 0.0,
                Known::OrderedDict(pairs) | Known::DefaultDict(_, pairs) | Known::Counter(pairs) => {
                    !pairs.is_empty()
                }
                Known::Deque(items, _) => !items.is_empty(),
                Known::TimeDelta(delta) => (delta.days, delta.seconds, delta.microseconds) != (0, 0, 0),
                Known::Decimal(text) => decimal_digits(text)
                    .is_none_or(|(_, digits, _)| digits.bytes().any(|digit| digit != b'0')),
                Known::Fraction(numerator, _) => numerator.sign() != Sign::NoSign,
                Known::Range(ends) => match ends.map(|end| scalar(end).as_ref().and_then(Value::to_bigint)) {
                    [Some(start), Some(stop), Some(step)] => {
                        if step.sign() == Sign::Minus {
                            start > stop
                        } else {
                            start < stop
                        }
                    }
                    _ => true,
                },
                Known::Instance(_, value, _) => scalar(value).is_none_or(|value| is_true(&value)),
                _ => true,
            })
            .unwrap_or(true)
}

/// What a type that has items but no keys says when it is asked for a key.
pub(crate) fn no_keys(value: &Value<'_>) -> Option<Cow<'static, str>> {
    let what = match value {
        Value::List(_) => "list",
        Value::Bytes(_) => "byte",
        Value::ByteArray(_) => "bytearray",
        Value::Object(object) => match object.class_name()? {
            ("builtins", "range") | ("__builtin__", "xrange" | "range") => "range",
            ("ipaddress", "IPv4Network" | "IPv6Network") => {
                return Some(Cow::Borrowed("'>=' not supported between instances of 'str' and 'int'"));
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(Cow::Owned(format!("{what} indices must be integers or slices, not str")))
}

/// A Python integer.
#[derive(Debug)]
pub(crate) enum Integer<'v> {
    Small(i64),
    Big(Cow<'v, BigInt>),
}

impl<'v> Integer<'v> {
    /// The integer that a value is; a bool is one.
    pub(crate) fn of(value: &'v Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(Self::Small(i64::from(*truth))),
            Value::Int(number) => Some(Self::Small(*number)),
            Value::BigInt(number) => Some(Self::Big(Cow::Borrowed(number))),
            Value::Object(_) => match plain(value)? {
                Plain::Value(Value::Int(number)) => Some(Self::Small(number)),
                Plain::Value(Value::Bool(truth)) => Some(Self::Small(i64::from(truth))),
                Plain::Value(Value::BigInt(number)) => Some(Self::Big(Cow::Owned(*number))),
                _ => None,
            },
            _ => None,
        }
    }

    /// `int(value)` of a number.
    pub(crate) fn truncated(value: &'v Value<'_>) -> Result<Option<Self>, FormatError> {
        let number = match (value, plain(value)) {
            (Value::Float(number), _) => *number,
            (_, Some(Plain::Value(Value::Float(number)))) => number,
            (_, Some(Plain::Decimal(text))) => {
                return match decimal_truncated(&text) {
                    Some(number) => Ok(Some(Self::of_big(number))),
                    None if text.contains("Inf") => {
                        Err(FormatError::overflow("cannot convert Infinity to integer"))
                    }
                    None if text.contains("NaN") => {
                        Err(FormatError::value_error("cannot convert NaN to integer"))
                    }
                    None => Err(FormatError::too_many_digits()),
                };
            }
            (_, Some(Plain::Fraction(numerator, denominator))) => {
                return Ok(numerator.checked_div(&denominator).map(Self::of_big));
            }
            (_, Some(Plain::Number(number))) => return Ok(Some(Self::of_big(BigInt::from(number)))),
            _ => return Ok(Self::of(value)),
        };
        if number.is_nan() {
            return Err(FormatError::value_error("cannot convert float NaN to integer"));
        }
        if number.is_infinite() {
            return Err(FormatError::overflow("cannot convert float infinity to integer"));
        }
        Ok(Some(Self::from_float(number)))
    }

    fn of_big(number: BigInt) -> Self {
        match i64::try_from(&number) {
            Ok(small) => Self::Small(small),
            Err(_) => Self::Big(Cow::Owned(number)),
        }
    }

    /// The integer part of a finite float, exactly.
    fn from_float(number: f64) -> Self {
        let bits = number.to_bits();
        let exponent = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0).saturating_sub(1075);
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        let magnitude = match u32::try_from(exponent) {
            Ok(shift) => BigInt::from(mantissa) << shift,
            Err(_) => {
                let shift = u32::try_from(exponent.saturating_neg()).unwrap_or(u32::MAX);
                BigInt::from(mantissa.checked_shr(shift).unwrap_or(0))
            }
        };
        let signed = if number.is_sign_negative() { -magnitude } else { magnitude };
        Self::of_big(signed)
    }

    pub(crate) fn is_negative(&self) -> bool {
        match self {
            Self::Small(number) => *number < 0,
            Self::Big(number) => number.sign() == Sign::Minus,
        }
    }

    /// The integer as `i64`, if it fits.
    pub(crate) const fn small(&self) -> Option<i64> {
        match self {
            Self::Small(number) => Some(*number),
            Self::Big(_) => None,
        }
    }

    /// The digits of the magnitude in base 2, 8, 10 or 16, lower case.
    ///
    /// # Errors
    ///
    /// More than 4,300 decimal digits, as in CPython.
    pub(crate) fn digits(&self, base: u32) -> Result<String, FormatError> {
        match self {
            Self::Small(number) => Ok(match base {
                2 => format!("{:b}", number.unsigned_abs()),
                8 => format!("{:o}", number.unsigned_abs()),
                16 => format!("{:x}", number.unsigned_abs()),
                _ => number.unsigned_abs().to_string(),
            }),
            Self::Big(number) => {
                let magnitude = number.magnitude();
                if base != 10 {
                    return Ok(magnitude.to_str_radix(base));
                }
                // 10 ** 4300 has 14,285 bits.
                if magnitude.bits() > 14_285 {
                    return Err(FormatError::too_many_digits());
                }
                let digits = magnitude.to_str_radix(10);
                if digits.len() > 4300 { Err(FormatError::too_many_digits()) } else { Ok(digits) }
            }
        }
    }

    /// The digits of the magnitude from the first to the last, in pieces: of an integer of a million
    /// digits none are made but those that fit.
    ///
    /// # Errors
    ///
    /// As [`digits`](Self::digits).
    pub(crate) fn in_pieces(&self, base: u32) -> Result<DigitPieces<'_>, FormatError> {
        let bits_each: u8 = match base {
            2 => 1,
            8 => 3,
            16 => 4,
            _ => 0,
        };
        if let Self::Big(number) = self
            && bits_each > 0
            && number.bits() > PIECE.saturating_mul(u64::from(bits_each))
        {
            let left = number.bits().div_ceil(u64::from(bits_each));
            return Ok(DigitPieces::Long { magnitude: number.magnitude(), base, bits_each, left });
        }
        self.digits(base).map(DigitPieces::Short)
    }

    /// What the digits cost, in steps of an output: in base 10 the square of their number.
    pub(crate) fn steps(&self, base: u32) -> usize {
        match self {
            Self::Big(number) if base == 10 => {
                // 425 bits are 128 digits; more than 4,300 digits are refused before they cost anything.
                let parts = usize::try_from(number.bits().min(14_285) / 425).unwrap_or(usize::MAX);
                parts.saturating_mul(parts)
            }
            Self::Big(_) | Self::Small(_) => 0,
        }
    }

    /// `str(value)`.
    pub(crate) fn decimal(&self) -> Result<String, FormatError> {
        let digits = self.digits(10)?;
        Ok(if self.is_negative() { format!("-{digits}") } else { digits })
    }

    /// `float(value)`, rounded half to even as Python does it.
    pub(crate) fn to_float(&self) -> Result<f64, FormatError> {
        match self {
            #[allow(clippy::as_conversions, reason = "rounds to the nearest float, which is wanted")]
            Self::Small(number) => Ok(*number as f64),
            Self::Big(number) => {
                let too_large = || FormatError::overflow("int too large to convert to float");
                // The largest float is just below 2 ** 1024.
                if number.bits() > 1024 {
                    return Err(too_large());
                }
                // Reading decimal digits rounds once and to even.
                let float: f64 = number.to_str_radix(10).parse().unwrap_or(f64::INFINITY);
                if float.is_finite() { Ok(float) } else { Err(too_large()) }
            }
        }
    }
}

/// The digits that a piece has.
const PIECE: u64 = 4096;

/// The digits of an integer, in pieces.
pub(crate) enum DigitPieces<'n> {
    /// All of them; empty when they are given.
    Short(String),
    /// Those of an integer in a base that is a power of two.
    Long { magnitude: &'n BigUint, base: u32, bits_each: u8, left: u64 },
}

impl DigitPieces<'_> {
    /// How many digits are left.
    pub(crate) fn remaining(&self) -> usize {
        match self {
            Self::Short(digits) => digits.len(),
            Self::Long { left, .. } => usize::try_from(*left).unwrap_or(usize::MAX),
        }
    }
}

impl Iterator for DigitPieces<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self {
            Self::Short(digits) => Some(std::mem::take(digits)).filter(|digits| !digits.is_empty()),
            Self::Long { magnitude, base, bits_each, left } => {
                // All pieces but the first are whole ones.
                let len = match *left % PIECE {
                    0 => PIECE.min(*left),
                    over => over,
                };
                let width = usize::try_from(len).ok().filter(|width| *width > 0)?;
                *left = left.saturating_sub(len);
                let mask = (BigUint::from(1_u8) << len.saturating_mul(u64::from(*bits_each))) - 1_u8;
                let part = (*magnitude >> left.saturating_mul(u64::from(*bits_each))) & mask;
                let digits = part.to_str_radix(*base);
                Some(format!("{digits:0>width$}"))
            }
        }
    }
}

/// An integer, bool or member of an `IntEnum` as a float; `None` for anything else.
pub fn number(value: &Value<'_>) -> Option<Result<f64, FormatError>> {
    Integer::of(value).map(|integer| integer.to_float())
}

/// `float(value)` for the directives that want a real number.
///
/// # Errors
///
/// TypeError for anything but a number, OverflowError for an integer that no float can hold.
pub(crate) fn real(value: &Value<'_>) -> Result<f64, FormatError> {
    match (value, plain(value)) {
        (Value::Float(number), _) => return Ok(*number),
        (_, Some(Plain::Value(Value::Float(number)))) => return Ok(number),
        (_, Some(Plain::Decimal(text))) if text.contains("sNaN") => {
            return Err(FormatError::value_error("cannot convert signaling NaN to float"));
        }
        (_, Some(Plain::Decimal(text))) => return Ok(text.parse().unwrap_or(f64::NAN)),
        (_, Some(Plain::Fraction(numerator, denominator))) => {
            let (above, below) =
                (Integer::of_big(numerator).to_float()?, Integer::of_big(denominator).to_float()?);
            return Ok(above / below);
        }
        _ => {}
    }
    match Integer::of(value) {
        Some(integer) => integer.to_float(),
        None => Err(FormatError::type_error(format!("must be real number, not {:.200}", type_name(value)))),
    }
}

/// Text of one code point, which may be a surrogate.
pub(crate) fn code_point<'t>(point: u32) -> Text<'t> {
    if let Some(character) = char::from_u32(point) {
        return Text::from(String::from(character));
    }
    let [.., high, low] = point.to_be_bytes();
    let bytes = vec![0xed, 0x80 | ((high & 0x0f) << 2) | (low >> 6), 0x80 | (low & 0x3f)];
    Text::from_wtf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_truncated_exactly() {
        let rows = [
            (0.0, "0"),
            (-0.5, "0"),
            (1.9, "1"),
            (-1.9, "-1"),
            (2_251_799_813_685_249.5, "2251799813685249"),
            (1e22, "10000000000000000000000"),
            (5e-324, "0"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
        ];
        for (number, expected) in rows {
            let value = Value::Float(number);
            let integer = Integer::truncated(&value).unwrap().unwrap();
            assert_eq!(integer.decimal().unwrap(), expected);
        }
    }

    fn known(pickle: &[u8]) -> Value<'_> {
        let options = pickle_codec::DecodeOptions::new().globals(pickle_codec::Globals::Known);
        Value::from_slice_with(pickle, &options).unwrap()
    }

    #[test]
    fn objects_are_true_numbers_or_named_as_in_python() {
        // Pickle, truth, type, `int()` and what it says when it is asked for a key.
        type Row = (&'static [u8], bool, &'static str, Option<i64>, bool);
        let rows: &[Row] = &[
            (b"ccollections\nOrderedDict\n(tR.", false, "collections.OrderedDict", None, false),
            (b"ccollections\nCounter\n((dtR.", false, "Counter", None, false),
            (b"ccollections\nCounter\n((dVa\nI1\nstR.", true, "Counter", None, false),
            (b"ccollections\ndeque\n((ltR.", false, "collections.deque", None, false),
            (b"ccollections\ndeque\n((ltRI1\na.", true, "collections.deque", None, false),
            (b"cdecimal\nDecimal\n(V-0.00\ntR.", false, "decimal.Decimal", Some(0), false),
            (b"cdecimal\nDecimal\n(V-2.5\ntR.", true, "decimal.Decimal", Some(-2), false),
            (b"cfractions\nFraction\n(V0\ntR.", false, "Fraction", Some(0), false),
            (b"cdatetime\ntimedelta\n(I0\nI0\nI0\ntR.", false, "datetime.timedelta", None, false),
            (b"cdatetime\ntimedelta\n(I0\nI0\nI1\ntR.", true, "datetime.timedelta", None, false),
            (b"c__builtin__\ncomplex\n(F0.0\nF0.0\ntR.", false, "complex", None, false),
            (b"c__builtin__\nxrange\n(I3\nI3\nI1\ntR.", false, "range", None, true),
            (b"c__builtin__\nxrange\n(I3\nI0\nI-1\ntR.", true, "range", None, true),
            (b"cipaddress\nIPv4Address\n(I167772161\ntR.", true, "IPv4Address", Some(167_772_161), false),
            (b"cipaddress\nIPv4Network\n(V10.0.0.0/8\ntR.", true, "IPv4Network", None, true),
        ];
        for (pickle, truth, name, integer, asks_for_an_index) in rows {
            let value = known(pickle);
            let shown = String::from_utf8_lossy(pickle);
            assert_eq!(is_true(&value), *truth, "{shown}");
            assert_eq!(type_name(&value), *name, "{shown}");
            let truncated = Integer::truncated(&value).unwrap();
            assert_eq!(truncated.and_then(|integer| integer.small()), *integer, "{shown}");
            assert_eq!(no_keys(&value).is_some(), *asks_for_an_index, "{shown}");
        }
        let error = real(&known(b"cdecimal\nDecimal\n(VsNaN\ntR.")).unwrap_err();
        assert_eq!(error.message(), "cannot convert signaling NaN to float");
    }

    #[test]
    fn pieces_are_the_digits() {
        for bits in [63_u32, 64, 65, 4095, 4096, 4097, 12_287, 12_288, 12_289, 16_384, 50_000, 65_537] {
            for number in [BigInt::from(1) << bits, (BigInt::from(1) << bits) - 1, BigInt::from(-5) << bits] {
                let value = Value::BigInt(Box::new(number));
                let integer = Integer::of(&value).unwrap();
                for base in [8, 16] {
                    let pieces = integer.in_pieces(base).unwrap();
                    let count = pieces.remaining();
                    let pieces: Vec<String> = pieces.collect();
                    assert!(pieces.iter().all(|piece| piece.len() <= 4096), "{bits} bits in base {base}");
                    assert_eq!(pieces.concat(), integer.digits(base).unwrap(), "{bits} bits in base {base}");
                    assert_eq!(pieces.concat().len(), count, "{bits} bits in base {base}");
                }
            }
        }
    }

    #[test]
    fn digits_have_a_limit_in_decimal_only() {
        let at_limit = Value::BigInt(Box::new(BigInt::from(10).pow(4299)));
        let above = Value::BigInt(Box::new(BigInt::from(10).pow(4300)));
        assert_eq!(Integer::of(&at_limit).unwrap().decimal().unwrap().len(), 4300);
        let integer = Integer::of(&above).unwrap();
        assert_eq!(integer.decimal().unwrap_err(), FormatError::too_many_digits());
        assert!(integer.digits(16).is_ok());
        assert_eq!(integer.to_float().unwrap_err().python_type(), "OverflowError");
    }
}
