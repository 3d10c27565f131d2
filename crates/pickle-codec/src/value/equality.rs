//! Equality of values: structural for `==`, and Python's.
//!
//! Members of sets and keys of dicts are compared in sorted order where they do not already stand
//! in the same one, so that comparing costs n log n and not n squared.

use alloc::vec::Vec;
use core::cmp::Ordering;

use num_bigint::BigInt;

use super::{ObjectValue, Value};

/// Which values are the same.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// The same variant and content.
    Structural,
    /// As Python's `==`: numbers by value, sets whether frozen or not, bytes whether mutable or not.
    Python,
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, Mode::Structural)
    }
}

impl PartialEq for ObjectValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        objects_equal(self, other, Mode::Structural)
    }
}

impl Value<'_> {
    /// Python's `==`: `1 == 1.0 == True`, sets and frozensets of equal members are equal, and so
    /// are `bytes` and `bytearray`. Objects are equal if their descriptions are.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// assert!(Value::Int(1).py_eq(&Value::Float(1.0)));
    /// assert!(Value::Bool(true).py_eq(&Value::Int(1)));
    /// assert!(!Value::list([1]).py_eq(&Value::tuple([1])));
    /// assert!(!Value::Float(f64::NAN).py_eq(&Value::Float(f64::NAN)));
    /// ```
    #[must_use]
    pub fn py_eq(&self, other: &Value<'_>) -> bool {
        equal(self, other, Mode::Python)
    }
}

fn equal(left: &Value<'_>, right: &Value<'_>, mode: Mode) -> bool {
    match (left, right) {
        (Value::None, Value::None) => true,
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::Wtf8(left), Value::Wtf8(right))
        | (Value::Bytes(left), Value::Bytes(right))
        | (Value::ByteArray(left), Value::ByteArray(right)) => left == right,
        (Value::Bytes(left), Value::ByteArray(right)) | (Value::ByteArray(left), Value::Bytes(right)) => {
            mode == Mode::Python && left == right
        }
        (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
            items_equal(left, right, mode)
        }
        (Value::Set(left), Value::Set(right)) | (Value::FrozenSet(left), Value::FrozenSet(right)) => {
            members_equal(left, right, mode)
        }
        (Value::Set(left), Value::FrozenSet(right)) | (Value::FrozenSet(left), Value::Set(right)) => {
            mode == Mode::Python && members_equal(left, right, mode)
        }
        (Value::Dict(left), Value::Dict(right)) => pairs_equal(left, right, mode),
        (Value::Global(left), Value::Global(right)) => left == right,
        (Value::Object(left), Value::Object(right)) => objects_equal(left, right, mode),
        (Value::PersistentId(left), Value::PersistentId(right)) => equal(left, right, mode),
        (Value::Extension(left), Value::Extension(right)) | (Value::Buffer(left), Value::Buffer(right)) => {
            left == right
        }
        _ if mode == Mode::Python => {
            compare_numbers(left, right).is_some_and(|order| order == Some(Ordering::Equal))
        }
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::BigInt(left), Value::BigInt(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        _ => false,
    }
}

fn items_equal(left: &[Value<'_>], right: &[Value<'_>], mode: Mode) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right, mode))
}

fn members_equal(left: &[Value<'_>], right: &[Value<'_>], mode: Mode) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if left.iter().zip(right).all(|(left, right)| equal(left, right, mode)) {
        return true;
    }
    let (left, right) = (sorted(left, |value| value, mode), sorted(right, |value| value, mode));
    left.iter().zip(&right).all(|(left, right)| equal(left, right, mode))
}

type Pair<'a> = (Value<'a>, Value<'a>);

fn pairs_equal(left: &[Pair<'_>], right: &[Pair<'_>], mode: Mode) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if left.iter().zip(right).all(|(left, right)| equal(&left.0, &right.0, mode)) {
        return left.iter().zip(right).all(|(left, right)| equal(&left.1, &right.1, mode));
    }
    let (left, right) = (sorted(left, |pair| &pair.0, mode), sorted(right, |pair| &pair.0, mode));
    left.iter()
        .zip(&right)
        .all(|(left, right)| equal(&left.0, &right.0, mode) && equal(&left.1, &right.1, mode))
}

fn objects_equal(left: &ObjectValue<'_>, right: &ObjectValue<'_>, mode: Mode) -> bool {
    let optional = |left: Option<&Value<'_>>, right: Option<&Value<'_>>| match (left, right) {
        (Some(left), Some(right)) => equal(left, right, mode),
        (left, right) => left.is_none() && right.is_none(),
    };
    let pairs = |left: Option<&Vec<_>>, right: Option<&Vec<_>>| match (left, right) {
        (Some(left), Some(right)) => pairs_equal(left, right, mode),
        (left, right) => left.is_none() && right.is_none(),
    };
    let items = match (&left.items, &right.items) {
        (Some(left), Some(right)) => items_equal(left, right, mode),
        (left, right) => left.is_none() && right.is_none(),
    };
    left.construct == right.construct
        && items
        && equal(&left.class, &right.class, mode)
        && items_equal(&left.args, &right.args, mode)
        && pairs(left.kwargs.as_ref(), right.kwargs.as_ref())
        && optional(left.state.as_ref(), right.state.as_ref())
        && pairs(left.pairs.as_ref(), right.pairs.as_ref())
}

fn sorted<'v, 'a, T>(items: &'v [T], key: impl Fn(&T) -> &Value<'a>, mode: Mode) -> Vec<&'v T> {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_by(|left, right| order(key(left), key(right), mode));
    sorted
}

/// Which variants stand before which; variants of one rank can be equal.
fn rank(value: &Value<'_>, mode: Mode) -> u8 {
    let python = mode == Mode::Python;
    match value {
        Value::None => 0,
        Value::Bool(_) if !python => 1,
        Value::Int(_) if !python => 2,
        Value::BigInt(_) if !python => 3,
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => 4,
        Value::Str(_) => 5,
        Value::Wtf8(_) => 6,
        Value::ByteArray(_) if !python => 7,
        Value::Bytes(_) | Value::ByteArray(_) => 8,
        Value::List(_) => 9,
        Value::Tuple(_) => 10,
        Value::Set(_) if !python => 11,
        Value::FrozenSet(_) | Value::Set(_) => 12,
        Value::Dict(_) => 13,
        Value::Global(_) => 14,
        Value::Object(_) => 15,
        Value::PersistentId(_) => 16,
        Value::Extension(_) => 17,
        Value::Buffer(_) => 18,
    }
}

/// A total order in which equal values are neighbours.
fn order(left: &Value<'_>, right: &Value<'_>, mode: Mode) -> Ordering {
    let ranks = rank(left, mode).cmp(&rank(right, mode));
    if ranks != Ordering::Equal {
        return ranks;
    }
    match (left, right) {
        (Value::Str(left), Value::Str(right)) => left.cmp(right),
        (
            Value::Wtf8(left) | Value::Bytes(left) | Value::ByteArray(left),
            Value::Wtf8(right) | Value::Bytes(right) | Value::ByteArray(right),
        ) => left.cmp(right),
        (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
            order_items(left, right, mode)
        }
        (Value::Set(left) | Value::FrozenSet(left), Value::Set(right) | Value::FrozenSet(right)) => {
            let lens = left.len().cmp(&right.len());
            lens.then_with(|| {
                let (left, right) = (sorted(left, |item| item, mode), sorted(right, |item| item, mode));
                left.iter()
                    .zip(&right)
                    .map(|(left, right)| order(left, right, mode))
                    .find(|o| o.is_ne())
                    .unwrap_or(Ordering::Equal)
            })
        }
        (Value::Dict(left), Value::Dict(right)) => order_pairs(left, right, mode),
        (Value::Global(left), Value::Global(right)) => left.cmp(right),
        (Value::Object(left), Value::Object(right)) => {
            let none: &[Pair<'_>] = &[];
            let state = |object: &ObjectValue<'_>| object.state.is_some();
            order(&left.class, &right.class, mode)
                .then_with(|| order_items(&left.args, &right.args, mode))
                .then_with(|| state(left).cmp(&state(right)))
                .then_with(|| match (&left.state, &right.state) {
                    (Some(left), Some(right)) => order(left, right, mode),
                    _ => Ordering::Equal,
                })
                .then_with(|| {
                    order_items(
                        left.items.as_deref().unwrap_or_default(),
                        right.items.as_deref().unwrap_or_default(),
                        mode,
                    )
                })
                .then_with(|| {
                    order_pairs(
                        left.pairs.as_deref().unwrap_or(none),
                        right.pairs.as_deref().unwrap_or(none),
                        mode,
                    )
                })
        }
        (Value::PersistentId(left), Value::PersistentId(right)) => order(left, right, mode),
        (Value::Extension(left), Value::Extension(right)) | (Value::Buffer(left), Value::Buffer(right)) => {
            left.cmp(right)
        }
        _ => match compare_numbers(left, right) {
            Some(Some(order)) => order,
            // A NaN stands behind all other numbers.
            Some(None) => is_nan(left).cmp(&is_nan(right)),
            None => Ordering::Equal,
        },
    }
}

fn order_items(left: &[Value<'_>], right: &[Value<'_>], mode: Mode) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| {
        left.iter()
            .zip(right)
            .map(|(left, right)| order(left, right, mode))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

fn order_pairs(left: &[Pair<'_>], right: &[Pair<'_>], mode: Mode) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| {
        let (left, right) = (sorted(left, |pair| &pair.0, mode), sorted(right, |pair| &pair.0, mode));
        left.iter()
            .zip(&right)
            .map(|(left, right)| order(&left.0, &right.0, mode).then_with(|| order(&left.1, &right.1, mode)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

const fn is_nan(value: &Value<'_>) -> bool {
    matches!(value, Value::Float(value) if value.is_nan())
}

/// Compares two numbers exactly; the inner `None` is a NaN's, the outer one says that one is no number.
fn compare_numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Option<Ordering>> {
    let small = |value: &Value<'_>| match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Int(value) => Some(*value),
        _ => None,
    };
    if let (Some(left), Some(right)) = (small(left), small(right)) {
        return Some(Some(left.cmp(&right)));
    }
    let big = |value: &Value<'_>| match value {
        Value::BigInt(value) => Some(BigInt::clone(value)),
        other => small(other).map(BigInt::from),
    };
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => Some(left.partial_cmp(right)),
        (Value::Float(left), right) => Some(compare_float(*left, &big(right)?)),
        (left, Value::Float(right)) => Some(compare_float(*right, &big(left)?).map(Ordering::reverse)),
        (left, right) => Some(Some(big(left)?.cmp(&big(right)?))),
    }
}

/// Compares a float with an integer, exactly.
fn compare_float(float: f64, integer: &BigInt) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float.is_infinite() {
        return Some(if float > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    // The float is mantissa x 2^exponent; a negative exponent scales the integer instead.
    let bits = float.to_bits();
    let field = i32::try_from((bits >> 52) & 0x7ff).unwrap_or_default();
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) =
        if field == 0 { (fraction, -1074) } else { (fraction | (1 << 52), field - 1075) };
    let mantissa = if float < 0.0 { -BigInt::from(mantissa) } else { BigInt::from(mantissa) };
    let shift = exponent.unsigned_abs();
    Some(if exponent >= 0 { (mantissa << shift).cmp(integer) } else { mantissa.cmp(&(integer << shift)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_rows() {
        let huge = Value::from(1_u128 << 100);
        #[allow(clippy::as_conversions, reason = "a power of two is exact")]
        let rows: &[(Value<'_>, Value<'_>, bool, bool)] = &[
            (Value::Int(1), Value::Int(1), true, true),
            (Value::Int(1), Value::Float(1.0), false, true),
            (Value::Bool(false), Value::Float(-0.0), false, true),
            (Value::Float(0.0), Value::Float(-0.0), true, true),
            (Value::Float(f64::NAN), Value::Float(f64::NAN), false, false),
            (huge.clone(), Value::Float((1_u128 << 100) as f64), false, true),
            (huge, Value::Float(1.5), false, false),
            (Value::Int((1 << 53) + 1), Value::Float((1_i64 << 53) as f64), false, false),
            (Value::Float(5e-324), Value::Int(0), false, false),
            (Value::list([1, 2]), Value::list([1.0, 2.0]), false, true),
            (Value::list([1]), Value::tuple([1]), false, false),
            (
                Value::Set(Vec::from([Value::Int(1), Value::from("a")])),
                Value::FrozenSet(Vec::from([Value::from("a"), Value::Float(1.0)])),
                false,
                true,
            ),
            (
                Value::dict([(Value::Int(1), 2), (Value::from("a"), 3)]),
                Value::dict([(Value::from("a"), 3), (Value::Int(1), 2)]),
                true,
                true,
            ),
            (Value::dict([("a", 1)]), Value::dict([("a", 2)]), false, false),
            (Value::global("a", "b"), Value::global("a", "b"), true, true),
            (Value::None, Value::Bool(false), false, false),
        ];
        for (left, right, structural, python) in rows {
            for (left, right) in [(left, right), (right, left)] {
                assert_eq!(left == right, *structural, "{left:?} {right:?}");
                assert_eq!(left.py_eq(right), *python, "{left:?} {right:?}");
            }
        }
    }
}
