//! Values from Rust's own types.

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

impl From<BigInt> for Value<'_> {
    fn from(value: BigInt) -> Self {
        match i64::try_from(&value) {
            Ok(small) => Self::Int(small),
            Err(_) => Self::BigInt(Box::new(value)),
        }
    }
}

impl From<()> for Value<'_> {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f32> for Value<'_> {
    fn from(value: f32) -> Self {
        Self::Float(f64::from(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<char> for Value<'_> {
    fn from(value: char) -> Self {
        Self::Str(Cow::Owned(String::from(value)))
    }
}

impl<'a> From<Str<'a>> for Value<'a> {
    fn from(text: Str<'a>) -> Self {
        match text {
            Str::Utf8(text) => Self::Str(Cow::Borrowed(text)),
            Str::Wtf8(bytes) => Self::Wtf8(Cow::Borrowed(bytes)),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Str(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Str(text)
    }
}

/// Bytes become `bytes`, as with `serde_bytes`.
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

/// `None` becomes `None`.
impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<'a> From<Vec<Self>> for Value<'a> {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

/// Bytes are `bytes`, whether borrowed or owned; a list of small integers is [`Value::list`]'s.
impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
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

impl<'a> From<Cow<'a, [u8]>> for Value<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Str(Cow::Borrowed(text))
    }
}

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
