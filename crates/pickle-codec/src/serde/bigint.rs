//! Integers of any size: `#[serde(with = "pickle_codec::bigint")]` on a [`BigInt`].
//!
//! serde knows integers of up to 128 bits, Python's have no bound. Other formats get decimal text
//! beyond 128 bits and hexadecimal text behind `0x` beyond 4,300 digits, and are read from integers and
//! from such text.
//!
//! ```
//! use num_bigint::BigInt;
//! use pickle_codec::{Protocol, from_slice, to_vec};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Key {
//!     #[serde(with = "pickle_codec::bigint")]
//!     modulus: BigInt,
//! }
//! let key = Key { modulus: BigInt::from(7).pow(1_000) };
//! let pickle = to_vec(&key, Protocol::V4)?;
//! assert_eq!(from_slice::<Key>(&pickle)?, key);
//! # Ok::<(), pickle_codec::Error>(())
//! ```

use ::serde::de::{Deserialize, Deserializer, Error as _};
use ::serde::{Serialize, Serializer};
use num_bigint::{BigInt, BigUint, Sign};

use crate::value::Value;

/// Most digits of an integer that is read from decimal text, because that takes quadratic time: those of
/// the longest that is written so.
const MAX_DIGITS: usize = 4_301;

/// Serializes an integer of any size.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(value: &BigInt, serializer: S) -> Result<S::Ok, S::Error> {
    Value::from(value.clone()).serialize(serializer)
}

/// Deserializes an integer of any size.
///
/// # Errors
/// The deserializer's own, and whatever is no integer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BigInt, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Int(value) => Ok(BigInt::from(value)),
        Value::BigInt(value) => Ok(*value),
        Value::Str(text) => from_text(&text).ok_or_else(|| D::Error::custom("an integer is expected")),
        _ => Err(D::Error::custom("an integer is expected")),
    }
}

fn from_text(text: &str) -> Option<BigInt> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let value = match digits.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => BigUint::parse_bytes(digits.as_bytes(), 16),
        None if digits.len() <= MAX_DIGITS => BigUint::parse_bytes(digits.as_bytes(), 10),
        _ => None,
    }?;
    Some(BigInt::from_biguint(if is_negative { Sign::Minus } else { Sign::Plus }, value))
}
