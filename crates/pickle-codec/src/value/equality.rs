//! Equality of values: structural for `==`, and Python's.
//!
//! Values whose sets and dicts stand in one order are compared as they are, which is quick and needs no memory. Where an
//! order differs, both sides become documents, which compare keys by the hash of all that is in them: n log n, however
//! deep the keys are, where a comparison of each member with each other would start anew at every level. For Python's
//! equality they become documents in which what is equal there is the same node
//! ([`NodeRef::eq_value`](crate::NodeRef::eq_value)).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::to_document::NodeMaker;
use super::{ObjectValue, Value};

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match in_order(self, other) {
            Some(outcome) => outcome,
            // Only a value built by hand is nested too deep for a document.
            None => match (self.to_document(), other.to_document()) {
                (Ok(left), Ok(right)) => left == right,
                _ => false,
            },
        }
    }
}

impl PartialEq for ObjectValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        match objects_in_order(self, other) {
            Some(outcome) => outcome,
            None => Value::Object(Box::new(self.clone())) == Value::Object(Box::new(other.clone())),
        }
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

/// Compares with sets and dicts in the order in which they stand; `None` if another order might make
/// them equal.
fn in_order(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    Some(match (left, right) {
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
        (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
            return items_in_order(left, right);
        }
        (Value::Set(left), Value::Set(right)) | (Value::FrozenSet(left), Value::FrozenSet(right)) => {
            return found(left.len() == right.len(), items_in_order(left, right));
        }
        (Value::Dict(left), Value::Dict(right)) => return pairs_in_order(left, right),
        (Value::Global(left), Value::Global(right)) => left == right,
        (Value::Object(left), Value::Object(right)) => return objects_in_order(left, right),
        (Value::PersistentId(left), Value::PersistentId(right)) => return in_order(left, right),
        (Value::Extension(left), Value::Extension(right)) => left == right,
        (Value::Buffer(left, one), Value::Buffer(right, other)) => left == right && one == other,
        _ => false,
    })
}

/// What is found where the order does not matter: a difference in place says nothing yet.
fn found(same_len: bool, outcome: Option<bool>) -> Option<bool> {
    if same_len { outcome.filter(|&same| same) } else { Some(false) }
}

/// One difference decides; after that, whatever is unknown.
fn all(outcomes: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for outcome in outcomes {
        match outcome {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

fn items_in_order(left: &[Value<'_>], right: &[Value<'_>]) -> Option<bool> {
    if left.len() != right.len() {
        return Some(false);
    }
    all(left.iter().zip(right).map(|(left, right)| in_order(left, right)))
}

fn pairs_in_order(left: &[(Value<'_>, Value<'_>)], right: &[(Value<'_>, Value<'_>)]) -> Option<bool> {
    if left.len() != right.len() {
        return Some(false);
    }
    // A key in another place says nothing, but the value of the same key does.
    let mut outcomes = Vec::with_capacity(left.len());
    for ((left_key, left_value), (right_key, right_value)) in left.iter().zip(right) {
        match in_order(left_key, right_key) {
            Some(true) => outcomes.push(in_order(left_value, right_value)),
            _ => return None,
        }
    }
    all(outcomes.into_iter())
}

fn objects_in_order(left: &ObjectValue<'_>, right: &ObjectValue<'_>) -> Option<bool> {
    fn optional<T>(
        left: Option<&T>,
        right: Option<&T>,
        compare: impl FnOnce(&T, &T) -> Option<bool>,
    ) -> Option<bool> {
        match (left, right) {
            (Some(left), Some(right)) => compare(left, right),
            (left, right) => Some(left.is_none() && right.is_none()),
        }
    }
    all([
        Some(left.construct == right.construct),
        in_order(&left.class, &right.class),
        items_in_order(&left.args, &right.args),
        optional(left.kwargs.as_ref(), right.kwargs.as_ref(), |left, right| pairs_in_order(left, right)),
        optional(left.state.as_ref(), right.state.as_ref(), in_order),
        optional(left.items.as_ref(), right.items.as_ref(), |left, right| items_in_order(left, right)),
        optional(left.pairs.as_ref(), right.pairs.as_ref(), |left, right| pairs_in_order(left, right)),
    ]
    .into_iter())
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
