//! Changing values in place.
//!
//! A set or dict that is changed is not looked at again: two equal keys are possible, and it is on the encoder to
//! refuse a key that Python cannot hash. The items of sets and the keys of dicts are not given out to be changed.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::IndexMut;

use super::Value;
use super::access::{PathStep, ValueIndex, steps};

impl<'a> Value<'a> {
    /// The value of a text key in a dict, or the item at a place of a list or tuple, to be changed.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// let mut value = Value::dict([("a", Value::list([1, 2]))]);
    /// if let Some(item) = value.get_mut("a").and_then(|list| list.get_mut(1)) {
    ///     *item = "two".into();
    /// }
    /// assert_eq!(value.to_string(), "{'a': [1, 'two']}");
    /// ```
    pub fn get_mut<K: ValueIndex>(&mut self, key: K) -> Option<&mut Self> {
        self.below_mut(key.step())
    }

    /// The value that one step leads to.
    fn below_mut(&mut self, step: PathStep<'_>) -> Option<&mut Self> {
        let place = step.place(self)?;
        match self {
            Self::Dict(pairs) => pairs.get_mut(place).map(|(_, value)| value),
            Self::List(items) | Self::Tuple(items) => items.get_mut(place),
            _ => None,
        }
    }

    /// The value below a path, to be changed; see [`pointer`](Self::pointer).
    ///
    /// ```
    /// use pickle_codec::Value;
    /// let mut value = Value::dict([("users", Value::list([Value::dict([("id", 1)])]))]);
    /// if let Some(id) = value.pointer_mut("/users/0/id") {
    ///     *id = 2.into();
    /// }
    /// assert_eq!(value["users"][0]["id"], 2);
    /// ```
    #[must_use]
    pub fn pointer_mut(&mut self, path: &str) -> Option<&mut Self> {
        steps(path)?.try_fold(self, |value, part| {
            let step = PathStep::of(value, &part)?;
            value.below_mut(step)
        })
    }

    /// The items of a list, to be changed.
    #[must_use]
    pub const fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a dict, to be changed. Keys are taken as they are: one that is there already is
    /// there twice then.
    #[must_use]
    pub const fn as_dict_mut(&mut self) -> Option<&mut Vec<(Self, Self)>> {
        match self {
            Self::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Sets the value of a text key in a dict, and gives the one that was there. What is not a dict
    /// becomes one, and what it was is given.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// let mut value = Value::dict([("a", 1)]);
    /// assert_eq!(value.insert("a", 2), Some(Value::Int(1)));
    /// assert_eq!(value.insert("b", 3), None);
    /// assert_eq!(value.to_string(), "{'a': 2, 'b': 3}");
    /// ```
    pub fn insert(&mut self, key: &str, value: impl Into<Self>) -> Option<Self> {
        let value = value.into();
        if let Some(place) = self.get_mut(key) {
            return Some(core::mem::replace(place, value));
        }
        let pair = (Self::from(String::from(key)), value);
        match self {
            Self::Dict(pairs) => {
                pairs.push(pair);
                None
            }
            other => Some(core::mem::replace(other, Self::Dict(Vec::from([pair])))),
        }
    }
}

/// As in `serde_json`, a text key that is not in a dict is put in with `None`, and `None` becomes a dict.
///
/// # Panics
/// If the value is neither a dict nor `None` and the key is text, or if there is no item at the place.
#[allow(clippy::panic, reason = "as every IndexMut does")]
impl<K: ValueIndex> IndexMut<K> for Value<'_> {
    fn index_mut(&mut self, key: K) -> &mut Self {
        let step = key.step();
        if let PathStep::Key(text) = step
            && (self.is_none() || (self.as_dict().is_some() && step.place(self).is_none()))
        {
            self.insert(text, Self::None);
        }
        match (self.below_mut(step), step) {
            (Some(value), _) => value,
            (None, PathStep::Key(_)) => panic!("a text key in a value that is no dict"),
            (None, PathStep::Place(place)) => panic!("no item at place {place}"),
        }
    }
}
