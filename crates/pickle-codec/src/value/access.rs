//! Looking into values, and making them own what they borrow.
//!
//! Accessors are strict, as Python is not: a bool is no integer, and an integer that does not fit is not cut. What is
//! not there is `None`, so that a path of look-ups needs one test at its end.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Index;

use num_bigint::BigInt;

use super::{GlobalName, ObjectValue, Value};
use crate::wire::text::Str;

static NONE: Value<'static> = Value::None;

/// Accessors: what a value holds, if it is of a kind that holds such a thing.
macro_rules! accessors {
    ($($(#[$doc:meta])* [$($fn:tt)+] $name:ident $type:ty { $($pattern:pat $(if $guard:expr)? => $part:expr,)+ })*) => {
        impl<'a> Value<'a> {
            $(
                $(#[$doc])*
                #[must_use]
                pub $($fn)+ $name(&self) -> Option<$type> {
                    match self {
                        $($pattern $(if $guard)? => $part,)+
                        _ => None,
                    }
                }
            )*
        }
    };
}

accessors! {
    /// The bool.
    [const fn] as_bool bool { Self::Bool(value) => Some(*value), }
    /// The integer, if it fits. A bool is not one here.
    [const fn] as_i64 i64 { Self::Int(value) => Some(*value), }
    /// The integer, if it fits. A bool is not one here.
    [fn] as_u64 u64 {
        Self::Int(value) => u64::try_from(*value).ok(),
        Self::BigInt(value) => u64::try_from(value.as_ref()).ok(),
    }
    /// The integer, if it fits. A bool is not one here.
    [fn] as_i128 i128 {
        Self::Int(value) => Some(i128::from(*value)),
        Self::BigInt(value) => i128::try_from(value.as_ref()).ok(),
    }
    /// The integer, whatever its size. A bool is not one here.
    [fn] to_bigint BigInt {
        Self::Int(value) => Some(BigInt::from(*value)),
        Self::BigInt(value) => Some(BigInt::clone(value)),
    }
    /// The float, or an integer of at most 53 bits as a float.
    #[allow(clippy::as_conversions, reason = "an integer of 53 bits is exact as a float")]
    [fn] as_f64 f64 {
        Self::Float(value) => Some(*value),
        Self::Int(value) if value.unsigned_abs() <= 1 << 53 => Some(*value as f64),
    }
    /// The text, if it has no lone surrogates.
    [fn] as_str &str { Self::Str(text) => Some(text), }
    /// The text, with or without lone surrogates.
    [fn] as_text Str<'_> {
        Self::Str(text) => Some(Str::Utf8(text)),
        Self::Wtf8(bytes) => Some(Str::Wtf8(bytes)),
    }
    /// The bytes of a `bytes` or `bytearray`.
    [fn] as_bytes &[u8] { Self::Bytes(bytes) | Self::ByteArray(bytes) => Some(bytes), }
    /// The items of a list.
    [fn] as_list &[Self] { Self::List(items) => Some(items), }
    /// The items of a tuple.
    [fn] as_tuple &[Self] { Self::Tuple(items) => Some(items), }
    /// The items of a list, tuple, set or frozenset.
    [fn] as_items &[Self] {
        Self::List(items) | Self::Tuple(items) | Self::Set(items) | Self::FrozenSet(items) => Some(items),
    }
    /// The pairs of a dict.
    [fn] as_dict &[(Self, Self)] { Self::Dict(pairs) => Some(pairs), }
    /// The object that the pickle describes.
    [fn] as_object &ObjectValue<'a> { Self::Object(object) => Some(object), }
}

impl<'a> Value<'a> {
    /// Whether it is `None`.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The value of a text key in a dict, or the item at a place of a list or tuple.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// let value = Value::dict([("a", Value::list([1, 2]))]);
    /// assert_eq!(value.get("a").and_then(|list| list.get(1)), Some(&Value::Int(2)));
    /// assert_eq!(value.get("b"), None);
    /// ```
    ///
    /// A dict is searched key by key, as a value keeps nothing beside its pairs. Many look-ups in a large dict
    /// go by [`key_index`](Self::key_index), each in the time of a hash:
    ///
    /// ```
    /// # use pickle_codec::Value;
    /// let users = Value::dict((0..10_000).map(|id| (id.to_string(), id)));
    /// let index = users.key_index().expect("it is a dict");
    /// let sum: i64 = ["17", "4711", "9999"].iter().filter_map(|name| index.get(name)?.as_i64()).sum();
    /// assert_eq!(sum, 17 + 4_711 + 9_999);
    /// ```
    pub fn get<K: ValueIndex>(&self, key: K) -> Option<&Self> {
        self.below(key.step())
    }

    /// The value that one step leads to.
    fn below(&self, step: PathStep<'_>) -> Option<&Self> {
        let place = step.place(self)?;
        match self {
            Self::Dict(pairs) => pairs.get(place).map(|(_, value)| value),
            other => other.as_items()?.get(place),
        }
    }

    /// The value below a path of keys and places, as a JSON pointer writes it: `/users/0/name`.
    /// `~1` stands for `/` in a key and `~0` for `~`. In a dict a step is a text key; in a list or
    /// tuple it is a place.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// let value = Value::dict([("a/b", Value::list([1, 2]))]);
    /// assert_eq!(value.pointer("/a~1b/1"), Some(&Value::Int(2)));
    /// assert_eq!(value.pointer("/a~1b/01"), None);
    /// ```
    #[must_use]
    pub fn pointer(&self, path: &str) -> Option<&Self> {
        steps(path)?.try_fold(self, |value, part| value.below(PathStep::of(value, &part)?))
    }

    /// Takes the value out and leaves `None`.
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::take(self)
    }

    /// Copies what is borrowed, so that the value outlives its input.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::None => Value::None,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::BigInt(value) => Value::BigInt(value),
            Self::Float(value) => Value::Float(value),
            Self::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
            Self::Wtf8(bytes) => Value::Wtf8(Cow::Owned(bytes.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Self::ByteArray(bytes) => Value::ByteArray(Cow::Owned(bytes.into_owned())),
            Self::List(items) => Value::List(own_items(items)),
            Self::Tuple(items) => Value::Tuple(own_items(items)),
            Self::Set(items) => Value::Set(own_items(items)),
            Self::FrozenSet(items) => Value::FrozenSet(own_items(items)),
            Self::Dict(pairs) => Value::Dict(own_pairs(pairs)),
            Self::Global(global) => Value::global(global.module.into_owned(), global.name.into_owned()),
            Self::Object(object) => Value::Object(Box::new(object.into_owned())),
            Self::PersistentId(id) => Value::PersistentId(Box::new(id.into_owned())),
            Self::Extension(code) => Value::Extension(code),
            Self::Buffer(index, read_only) => Value::Buffer(index, read_only),
        }
    }

    /// The bytes of heap that the value holds, itself not counted: capacities, not lengths.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        match self {
            Self::BigInt(value) => size_of::<BigInt>() + big_size(value),
            Self::Str(Cow::Owned(text)) => text.capacity(),
            Self::Wtf8(Cow::Owned(bytes))
            | Self::Bytes(Cow::Owned(bytes))
            | Self::ByteArray(Cow::Owned(bytes)) => bytes.capacity(),
            Self::List(items) | Self::Tuple(items) | Self::Set(items) | Self::FrozenSet(items) => {
                items_size(items)
            }
            Self::Dict(pairs) => pairs_size(pairs),
            Self::Global(global) => {
                let owned = |text: &Cow<'_, str>| match text {
                    Cow::Owned(text) => text.capacity(),
                    Cow::Borrowed(_) => 0,
                };
                size_of::<GlobalName<'_>>() + owned(&global.module) + owned(&global.name)
            }
            Self::Object(object) => {
                size_of::<ObjectValue<'_>>()
                    + object.class.heap_size()
                    + items_size(&object.args)
                    + object.kwargs.as_ref().map_or(0, pairs_size)
                    + object.state.as_ref().map_or(0, Self::heap_size)
                    + object.items.as_ref().map_or(0, items_size)
                    + object.pairs.as_ref().map_or(0, pairs_size)
            }
            Self::PersistentId(id) => size_of::<Self>() + id.heap_size(),
            _ => 0,
        }
    }
}

/// The steps of a JSON pointer, without its escapes; `None` if it is none.
pub(super) fn steps(path: &str) -> Option<impl Iterator<Item = Cow<'_, str>>> {
    let steps = if path.is_empty() { None } else { Some(path.strip_prefix('/')?.split('/')) };
    Some(steps.into_iter().flatten().map(|step| match step.contains('~') {
        true => Cow::Owned(step.replace("~1", "/").replace("~0", "~")),
        false => Cow::Borrowed(step),
    }))
}

/// The digits of a big integer are words of 64 bits.
fn big_size(value: &BigInt) -> usize {
    usize::try_from(value.bits().div_ceil(64).saturating_mul(8)).unwrap_or(usize::MAX)
}

#[allow(clippy::ptr_arg, reason = "the capacity counts")]
fn items_size(items: &Vec<Value<'_>>) -> usize {
    items.capacity() * size_of::<Value<'_>>() + items.iter().map(Value::heap_size).sum::<usize>()
}

#[allow(clippy::ptr_arg, reason = "the capacity counts")]
fn pairs_size(pairs: &Vec<(Value<'_>, Value<'_>)>) -> usize {
    pairs.capacity() * size_of::<(Value<'_>, Value<'_>)>()
        + pairs.iter().map(|(key, value)| key.heap_size() + value.heap_size()).sum::<usize>()
}

fn own_items(items: Vec<Value<'_>>) -> Vec<Value<'static>> {
    items.into_iter().map(Value::into_owned).collect()
}

fn own_pairs(pairs: Vec<(Value<'_>, Value<'_>)>) -> Vec<(Value<'static>, Value<'static>)> {
    pairs.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

impl<'a> ObjectValue<'a> {
    /// Module and name of the class, where it is a global.
    #[must_use]
    pub fn class_name(&self) -> Option<(&str, &str)> {
        match &self.class {
            Value::Global(global) => Some((&global.module, &global.name)),
            _ => None,
        }
    }

    /// Copies what is borrowed, so that the object outlives its input.
    #[must_use]
    pub fn into_owned(self) -> ObjectValue<'static> {
        ObjectValue {
            class: self.class.into_owned(),
            construct: self.construct,
            args: own_items(self.args),
            kwargs: self.kwargs.map(own_pairs),
            state: self.state.map(Value::into_owned),
            items: self.items.map(own_items),
            pairs: self.pairs.map(own_pairs),
            known: self.known,
        }
    }
}

/// What a [`Value`] can be indexed with: a text key, or a place.
pub trait ValueIndex: sealed::Sealed {
    /// Which of the two it is.
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "nobody else is to implement it")]
    fn step(&self) -> PathStep<'_>;
}

/// One step down into a value.
#[derive(Clone, Copy)]
pub(crate) enum PathStep<'s> {
    /// To the value of a text key in a dict.
    Key(&'s str),
    /// To an item of a list or tuple.
    Place(usize),
}

impl<'s> PathStep<'s> {
    /// What a part of a pointer means in this value; `None` if nothing can stand there.
    pub(super) fn of(value: &Value<'_>, part: &'s str) -> Option<Self> {
        match value {
            Value::Dict(_) => Some(Self::Key(part)),
            _ if part.len() > 1 && part.starts_with('0') || part.starts_with('+') => None,
            _ => part.parse().ok().map(Self::Place),
        }
    }

    /// Where the step leads among the pairs or items of a value.
    pub(super) fn place(self, value: &Value<'_>) -> Option<usize> {
        match (self, value) {
            (Self::Key(text), Value::Dict(pairs)) => {
                pairs.iter().position(|(key, _)| key.as_str() == Some(text))
            }
            (Self::Place(place), Value::List(_) | Value::Tuple(_)) => Some(place),
            _ => None,
        }
    }
}

mod sealed {
    #[allow(unnameable_types, reason = "nobody else is to implement it")]
    /// Keeps [`ValueIndex`](super::ValueIndex) to the types of this file.
    pub trait Sealed {}
}

macro_rules! value_index {
    ($($type:ty, |$index:ident| $step:expr;)*) => {
        $(
            impl sealed::Sealed for $type {}

            #[allow(private_interfaces, reason = "nobody else is to implement it")]
            impl ValueIndex for $type {
                fn step(&self) -> PathStep<'_> {
                    let $index = self;
                    $step
                }
            }
        )*
    };
}

value_index! {
    str, |key| PathStep::Key(key);
    alloc::string::String, |key| PathStep::Key(key);
    usize, |place| PathStep::Place(*place);
}

impl<T: ValueIndex + ?Sized> sealed::Sealed for &T {}

#[allow(private_interfaces, reason = "nobody else is to implement it")]
impl<T: ValueIndex + ?Sized> ValueIndex for &T {
    fn step(&self) -> PathStep<'_> {
        (**self).step()
    }
}

/// As in `serde_json`, what is not there is `None`.
impl<'a, K: ValueIndex> Index<K> for Value<'a> {
    type Output = Self;

    fn index(&self, key: K) -> &Self {
        self.get(key).unwrap_or_else(|| shorten(&NONE))
    }
}

/// Values are covariant in what they borrow.
fn shorten<'v, 'a>(value: &'v Value<'static>) -> &'v Value<'a> {
    value
}
