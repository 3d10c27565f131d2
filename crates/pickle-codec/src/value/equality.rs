//! Equality of values: structural for `==`, and Python's.
//!
//! Both are that of the documents which two values make ([`NodeRef::eq_value`](crate::NodeRef::eq_value)), so that
//! there is one comparison, linear however the sets and dicts are ordered and nested. For Python's, what is equal
//! there becomes the same nodes first.

use alloc::boxed::Box;

use super::to_document::NodeMaker;
use super::{ObjectValue, Value};

/// As [`NodeRef::eq_value`](crate::NodeRef::eq_value). A value that makes no document, because it is nested deeper
/// than 1,024 levels or has text that is no WTF-8, equals nothing.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // What is asked for most, without a document.
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::Str(left), Self::Str(right)) => left == right,
            _ if core::mem::discriminant(self) != core::mem::discriminant(other) => false,
            _ => match (self.to_document(), other.to_document()) {
                (Ok(left), Ok(right)) => left == right,
                _ => false,
            },
        }
    }
}

impl PartialEq for ObjectValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        Value::Object(Box::new(self.clone())) == Value::Object(Box::new(other.clone()))
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

#[cfg(test)]
mod tests {
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
