//! Values from Rust's own types.
//!
//! A type becomes what a Python programmer would write for it: a vector a list, a tuple a tuple, bytes `bytes`, a map
//! a dict. Text and bytes that are borrowed stay so. An integer is small if it fits, so that equal integers are
//! equal values whatever types they came from.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use num_bigint::BigInt;

use super::{GlobalName, Value};
use crate::wire::text::Str;

impl<'a> Value<'a> {
    /// The bare name of a global.
    #[must_use]
    pub fn global(module: impl Into<Cow<'a, str>>, name: impl Into<Cow<'a, str>>) -> Self {
        Self::Global(Box::new(GlobalName { module: module.into(), name: name.into() }))
    }

    /// A dict of pairs, as they are: duplicate keys are not looked for.
    pub fn dict<K: Into<Self>, V: Into<Self>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Dict(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// A list of items.
    pub fn list<V: Into<Self>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// A tuple of items.
    pub fn tuple<V: Into<Self>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::Tuple(items.into_iter().map(Into::into).collect())
    }
}

macro_rules! from_small {
    ($($type:ty)*) => {
        $(
            impl From<$type> for Value<'_> {
                fn from(value: $type) -> Self {
                    Self::Int(i64::from(value))
                }
            }
        )*
    };
}

macro_rules! from_large {
    ($($type:ty)*) => {
        $(
            impl From<$type> for Value<'_> {
                fn from(value: $type) -> Self {
                    match i64::try_from(value) {
                        Ok(small) => Self::Int(small),
                        Err(_) => Self::BigInt(Box::new(BigInt::from(value))),
                    }
                }
            }
        )*
    };
}

from_small!(i8 u8 i16 u16 i32 u32 i64);
from_large!(u64 i128 u128 isize usize);

/// A value from one type each, as the right-hand side says.
macro_rules! from {
    ($($(#[$doc:meta])* $type:ty, |$value:pat_param| $make:expr;)*) => {
        $(
            $(#[$doc])*
            impl<'a> From<$type> for Value<'a> {
                fn from($value: $type) -> Self {
                    $make
                }
            }
        )*
    };
}

from! {
    BigInt, |value| match i64::try_from(&value) {
        Ok(small) => Self::Int(small),
        Err(_) => Self::BigInt(Box::new(value)),
    };
    (), |()| Self::None;
    bool, |value| Self::Bool(value);
    f32, |value| Self::Float(f64::from(value));
    f64, |value| Self::Float(value);
    char, |value| Self::Str(Cow::Owned(String::from(value)));
    Str<'a>, |text| match text {
        Str::Utf8(text) => Self::Str(Cow::Borrowed(text)),
        Str::Wtf8(bytes) => Self::Wtf8(Cow::Borrowed(bytes)),
    };
    &'a str, |text| Self::Str(Cow::Borrowed(text));
    &'a String, |text| Self::Str(Cow::Borrowed(text));
    String, |text| Self::Str(Cow::Owned(text));
    Cow<'a, str>, |text| Self::Str(text);
    /// Bytes become `bytes`, as with `serde_bytes`.
    &'a [u8], |bytes| Self::Bytes(Cow::Borrowed(bytes));
    /// Bytes are `bytes`, whether borrowed or owned; a list of small integers is [`Value::list`]'s.
    Vec<u8>, |bytes| Self::Bytes(Cow::Owned(bytes));
    Cow<'a, [u8]>, |bytes| Self::Bytes(bytes);
    Vec<Self>, |items| Self::List(items);
}

/// `None` becomes `None`.
impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// An array of values becomes a list, as a vector of them does.
impl<'a, const N: usize> From<[Self; N]> for Value<'a> {
    fn from(items: [Self; N]) -> Self {
        Self::List(Vec::from(items))
    }
}

impl<const N: usize> From<[u8; N]> for Value<'_> {
    fn from(bytes: [u8; N]) -> Self {
        Self::Bytes(Cow::Owned(Vec::from(bytes)))
    }
}

/// Such as `b"spam"`.
impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

macro_rules! from_tuple {
    ($($name:ident)*) => {
        impl<'a, $($name: Into<Self>),*> From<($($name,)*)> for Value<'a> {
            #[allow(non_snake_case, reason = "a variable has the name of its type")]
            fn from(($($name,)*): ($($name,)*)) -> Self {
                Self::Tuple(Vec::from([$($name.into()),*]))
            }
        }
    };
}

from_tuple!(A);
from_tuple!(A B);
from_tuple!(A B C);
from_tuple!(A B C D);
from_tuple!(A B C D E);
from_tuple!(A B C D E F);
from_tuple!(A B C D E F G);
from_tuple!(A B C D E F G H);

/// In the order of the map, which is another one in each process.
#[cfg(feature = "std")]
impl<'a, K: Into<Self>, V: Into<Self>, S> From<std::collections::HashMap<K, V, S>> for Value<'a> {
    fn from(map: std::collections::HashMap<K, V, S>) -> Self {
        Self::dict(map)
    }
}

impl<'a, K: Into<Self>, V: Into<Self>> From<BTreeMap<K, V>> for Value<'a> {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self::dict(map)
    }
}

/// Collects into a list.
impl<'a, T: Into<Self>> FromIterator<T> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::list(items)
    }
}
