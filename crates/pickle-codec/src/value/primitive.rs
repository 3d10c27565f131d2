//! Values beside Rust's own numbers and text.

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
        assert!(Value::from(5) == 5_u8 && Value::from(5) == 5_i128 && 5_usize == Value::from(5));
        assert!(Value::from(u64::MAX) == u64::MAX && Value::from(u64::MAX) != -1);
        assert!(Value::from(i128::MIN) == i128::MIN && Value::from(i128::MIN) != i64::MIN);
        assert!(Value::from(1) != 1.0 && Value::from(1) != true && Value::from(1.5) == 1.5_f32);
        assert!(Value::from("a") == "a" && "a" == Value::from("a") && Value::from("a") != *"b");
        assert!(Value::from("a") == String::from("a") && Value::from("a") == Cow::Borrowed("a"));
        assert!(Value::from(&b"a"[..]) == b"a"[..] && Value::from(&b"a"[..]) != "a");
    }
}
