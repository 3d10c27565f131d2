//! Equality of values: structural for `==`, and Python's.
//!
//! Values that are alike part by part, in the order in which these stand, are equal, which is quick to see and needs
//! no memory. All others become documents, because a set or dict in another order may still be equal, and documents
//! compare keys by the hash of all that is in them: n log n, however deep the keys are, where a comparison of each
//! member with each other would start anew at every level. For Python's equality they become documents in which
//! what is equal there is the same node ([`NodeRef::eq_value`](crate::NodeRef::eq_value)).

use super::to_document::NodeMaker;
use super::{ObjectValue, Value};

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        let may_differ_in_order = match (self, other) {
            (Self::List(left), Self::List(right))
            | (Self::Tuple(left), Self::Tuple(right))
            | (Self::Set(left), Self::Set(right))
            | (Self::FrozenSet(left), Self::FrozenSet(right)) => left.len() == right.len(),
            (Self::Dict(left), Self::Dict(right)) => left.len() == right.len(),
            (Self::Object(_), Self::Object(_)) | (Self::PersistentId(_), Self::PersistentId(_)) => true,
            _ => false,
        };
        // Only a value built by hand is nested too deep for a document.
        alike(self, other)
            || may_differ_in_order
                && matches!((self.to_document(), other.to_document()), (Ok(left), Ok(right)) if left == right)
    }
}

impl PartialEq for ObjectValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.document(), other.document()), (Ok(left), Ok(right)) if left == right)
    }
}

impl Value<'_> {
    /// Python's `==`: `1 == 1.0 == True`, sets and frozensets of equal members are equal, and so
    /// are `bytes` and `bytearray`. Objects are equal if their descriptions are. What holds a NaN
    /// equals nothing.
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
        match (NodeMaker::plain().document(self, 0), NodeMaker::plain().document(other, 0)) {
            (Ok(left), Ok(right)) => left == right,
            _ => false,
        }
    }
}

/// Whether two values are the same part by part. Objects, whose keywords have no order, are left to documents.
fn alike(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::None, Value::None) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::BigInt(left), Value::BigInt(right)) => left == right,
        // Bit by bit, as in a document: a NaN is the same value as itself.
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::Wtf8(left), Value::Wtf8(right))
        | (Value::Bytes(left), Value::Bytes(right))
        | (Value::ByteArray(left), Value::ByteArray(right)) => left == right,
        (Value::List(left), Value::List(right))
        | (Value::Tuple(left), Value::Tuple(right))
        | (Value::Set(left), Value::Set(right))
        | (Value::FrozenSet(left), Value::FrozenSet(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| alike(left, right))
        }
        (Value::Dict(left), Value::Dict(right)) => {
            let same = |(left, right): (&(Value<'_>, Value<'_>), &(Value<'_>, Value<'_>))| {
                alike(&left.0, &right.0) && alike(&left.1, &right.1)
            };
            left.len() == right.len() && left.iter().zip(right).all(same)
        }
        (Value::Global(left), Value::Global(right)) => left == right,
        (Value::PersistentId(left), Value::PersistentId(right)) => alike(left, right),
        (Value::Extension(left), Value::Extension(right)) => left == right,
        (Value::Buffer(left, one), Value::Buffer(right, other)) => left == right && one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn python_rows() {
        let huge = Value::from(1_u128 << 100);
        #[allow(clippy::as_conversions, reason = "a power of two is exact")]
        let rows: &[(Value<'_>, Value<'_>, bool, bool)] = &[
            (Value::Int(1), Value::Int(1), true, true),
            (Value::Int(1), Value::Float(1.0), false, true),
            (Value::Bool(false), Value::Float(-0.0), false, true),
            // As documents have it: bit by bit.
            (Value::Float(0.0), Value::Float(-0.0), false, true),
            (Value::Float(f64::NAN), Value::Float(f64::NAN), true, false),
            (huge.clone(), Value::Float((1_u128 << 100) as f64), false, true),
            (huge, Value::Float(1.5), false, false),
            (Value::Int((1 << 53) + 1), Value::Float((1_i64 << 53) as f64), false, false),
            (Value::Float(5e-324), Value::Int(0), false, false),
            (Value::Float(-4096.0), Value::Int(-4096), false, true),
            (Value::Float(0.5), Value::Float(0.5), true, true),
            (Value::Float(f64::INFINITY), Value::Float(f64::INFINITY), true, true),
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
            (Value::dict([("a", 1), ("b", 2)]), Value::dict([("b", 1), ("a", 2)]), false, false),
            (Value::global("a", "b"), Value::global("a", "b"), true, true),
            (Value::None, Value::Bool(false), false, false),
            (Value::Buffer(0, true), Value::Buffer(0, false), false, false),
        ];
        for (left, right, structural, python) in rows {
            for (left, right) in [(left, right), (right, left)] {
                assert_eq!(left == right, *structural, "{left:?} {right:?}");
                assert_eq!(left.py_eq(right), *python, "{left:?} {right:?}");
                let documents = (left.to_document().unwrap(), right.to_document().unwrap());
                assert_eq!(documents.0 == documents.1, *structural, "{left:?} {right:?}");
            }
        }
    }

    /// An instance with one keyword argument.
    fn with_keyword(value: i64) -> Value<'static> {
        Value::Object(Box::new(ObjectValue {
            class: Value::global("m", "C"),
            construct: crate::Construct::New,
            args: Vec::new(),
            kwargs: Some(Vec::from([(Value::from("k"), Value::Int(value))])),
            state: None,
            items: None,
            pairs: None,
            known: None,
        }))
    }

    #[test]
    fn members_that_differ_in_keywords_alone_are_told_apart() {
        let left = Value::Set(Vec::from([with_keyword(1), with_keyword(2)]));
        let right = Value::Set(Vec::from([with_keyword(2), with_keyword(1)]));
        let other = Value::Set(Vec::from([with_keyword(2), with_keyword(3)]));
        assert!(left == right && left.py_eq(&right));
        assert!(left != other && !left.py_eq(&other));
    }
}
