//! Values beside Rust's own numbers and text.
//!
//! So that a test or a condition reads `value["id"] == 7` and `value["name"] == "spam"`. As everywhere but in
//! [`Value::py_eq`], kinds are not mixed: an integer is no float, and a `bytearray` is not the `bytes` of its contents.

use alloc::borrow::Cow;
use alloc::string::String;

use num_bigint::BigInt;

use super::Value;

/// Equal both ways round, as `$equal` says.
macro_rules! equal {
    ($($type:ty, |$value:ident, $other:ident| $equal:expr;)*) => {
        $(
            impl PartialEq<$type> for Value<'_> {
                fn eq(&self, other: &$type) -> bool {
                    let ($value, $other) = (self, other);
                    $equal
                }
            }

            impl PartialEq<Value<'_>> for $type {
                fn eq(&self, other: &Value<'_>) -> bool {
                    other == self
                }
            }
        )*
    };
}

/// An integer is equal to a [`Value::Int`] or [`Value::BigInt`] of its value, to nothing else.
macro_rules! equal_int {
    ($($type:ty)*) => {
        equal! { $($type, |value, other| match (value, i64::try_from(*other)) {
            (Value::Int(value), Ok(other)) => *value == other,
            (Value::BigInt(value), Err(_)) => **value == BigInt::from(*other),
            _ => false,
        };)* }
    };
}

equal_int!(i8 u8 i16 u16 i32 u32 i64 u64 i128 u128 isize usize);

equal! {
    bool, |value, other| matches!(value, Value::Bool(value) if value == other);
    f64, |value, other| matches!(value, Value::Float(value) if value == other);
    f32, |value, other| matches!(value, Value::Float(value) if *value == f64::from(*other));
    str, |value, other| value.as_str() == Some(other);
    &str, |value, other| value.as_str() == Some(*other);
    String, |value, other| value.as_str() == Some(other.as_str());
    Cow<'_, str>, |value, other| value.as_str() == Some(other.as_ref());
    [u8], |value, other| matches!(value, Value::Bytes(value) if value.as_ref() == other);
    &[u8], |value, other| matches!(value, Value::Bytes(value) if value.as_ref() == *other);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let (five, most, least) = (Value::from(5), Value::from(u64::MAX), Value::from(i128::MIN));
        let (half, text, bytes) = (Value::Float(1.5), Value::from("a"), Value::from(b"a"));
        let equal = [
            five == 5_u8,
            five == 5_i128,
            5_usize == five,
            most == u64::MAX,
            least == i128::MIN,
            half == 1.5_f32,
            half == 1.5,
            text == "a",
            "a" == text,
            text == Cow::Borrowed("a"),
            bytes == b"a"[..],
            Value::Bool(true) == true,
        ];
        assert_eq!(equal, [true; 12]);
        let different = [
            five == 5.0,
            five == true,
            most == -1,
            least == i64::MIN,
            Value::Float(f64::NAN) == 1.5,
            text == *"b",
            text == b"a"[..],
            bytes == "a",
        ];
        assert_eq!(different, [false; 8]);
    }
}
