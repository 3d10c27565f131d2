//! Python values as a tree: owned or borrowed, for convenience.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use num_bigint::BigInt;

use crate::text::Str;

/// A Python value.
///
/// Shared objects are written out at each place, and a cycle cannot be held; for those there is
/// [`Document`](crate::Document). Nesting is capped (128 by default), so that code may recurse.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `None`.
    None,
    /// A bool.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// Any other integer; one that fits `i64` is always an [`Int`](Self::Int).
    BigInt(Box<BigInt>),
    /// A float.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// Text with lone surrogates, as WTF-8.
    Wtf8(Cow<'a, [u8]>),
    /// `bytes`.
    Bytes(Cow<'a, [u8]>),
    /// A `bytearray`.
    ByteArray(Cow<'a, [u8]>),
    /// A list.
    List(Vec<Self>),
    /// A tuple.
    Tuple(Vec<Self>),
    /// A set in the order of the pickle.
    Set(Vec<Self>),
    /// A frozenset in the order of the pickle.
    FrozenSet(Vec<Self>),
    /// A dict in insertion order.
    Dict(Vec<(Self, Self)>),
    /// The bare name of a global, as `(module, name)`.
    Global(Cow<'a, str>, Cow<'a, str>),
    /// An object that the pickle describes.
    Object(Box<ObjectValue<'a>>),
    /// A persistent id.
    PersistentId(Box<Self>),
    /// An entry of the extension registry.
    Extension(u32),
    /// The n-th out-of-band buffer.
    Buffer(u32),
}

/// An object that a pickle describes: what [`Object`](crate::Object) is in a document.
#[derive(Clone, Debug)]
pub struct ObjectValue<'a> {
    /// What is called: mostly a [`Value::Global`].
    pub class: Value<'a>,
    /// How it is made.
    pub construct: crate::Construct,
    /// The positional arguments.
    pub args: Vec<Value<'a>>,
    /// The keyword arguments.
    pub kwargs: Option<Vec<(Value<'a>, Value<'a>)>>,
    /// The state.
    pub state: Option<Value<'a>>,
    /// The items.
    pub items: Option<Vec<Value<'a>>>,
    /// The pairs.
    pub pairs: Option<Vec<(Value<'a>, Value<'a>)>>,
    /// The reading that class and arguments were checked for.
    pub known: Option<crate::KnownClass>,
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
