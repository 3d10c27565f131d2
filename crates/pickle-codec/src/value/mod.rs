//! Python values as a tree: owned or borrowed, for convenience.
//!
//! A value only holds. What is done with values is done by documents: [`Value::to_document`] lends a value's text and
//! bytes to a document, which is printed, compared, read as known types, written as JSON and encoded. So each of these
//! is written once, and gives the same for both. The exceptions are what would be needlessly dear: scalars are
//! printed as they are, and values that are alike part by part are equal without more ado.
//!
//! Four ways lead to a value: [`from_slice`](Value::from_slice) and [`from_slice_with`](Value::from_slice_with) from
//! a pickle, [`NodeRef::to_value`](crate::NodeRef::to_value) and its kin from a node, `From` from Rust's types, and
//! serde.

mod access;
mod change;
mod equality;
pub(crate) mod from_document;
mod from_rust;
mod index;
mod primitive;
pub(crate) mod to_document;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use num_bigint::BigInt;

use crate::wire::number::MAX_DECIMAL_BITS;

pub use access::ValueIndex;
pub use index::DictIndex;

/// A Python value.
///
/// Shared objects are written out at each place, and a cycle cannot be held; for those there is
/// [`Document`](crate::Document). Nesting is capped (128 by default, never more than 1,024), so
/// that code that walks a decoded value may recurse.
///
/// # Memory
/// A value takes 32 bytes where it stands, a pair of a dict 64. Text and bytes that stand in the
/// input as they are take nothing more. So a pickle that shares nothing becomes a value of at most
/// 64 times its length. Sharing is written out, and every place is charged its 32 bytes and the
/// length of its text: the heap of a decoded value never passes 64 MiB or 64 times the input,
/// whichever is more, or [`Limits::max_expansion`](crate::Limits::max_expansion). To this comes
/// the document it is made from, for as long as it is made.
///
/// # Equality
/// `==` is structural, as that of a [`Document`](crate::Document): `Int(1)` is neither `Float(1.0)` nor
/// `Bool(true)`, floats are compared bit by bit (so that a NaN equals itself and `0.0` is not `-0.0`),
/// and the order of a dict or set does not matter. [`py_eq`](Self::py_eq) is Python's `==`.
///
/// ```
/// use pickle_codec::Value;
/// let value = Value::from_slice(b"}X\x02\x00\x00\x00id]K\x07as.")?;
/// assert_eq!(value["id"][0], Value::Int(7));
/// assert_eq!(value["nothing"], Value::None);
/// assert_eq!(value.to_string(), "{'id': [7]}");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `None`.
    #[default]
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
    /// The bare name of a global.
    Global(Box<GlobalName<'a>>),
    /// An object that the pickle describes.
    Object(Box<ObjectValue<'a>>),
    /// A persistent id.
    PersistentId(Box<Self>),
    /// An entry of the extension registry.
    Extension(u32),
    /// The n-th out-of-band buffer, and whether it was made read-only.
    Buffer(u32, bool),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Buffer(index, read_only) = self {
            return f.debug_tuple("Buffer").field(index).field(read_only).finish();
        }
        let mut tuple = |name: &str, part: &dyn fmt::Debug| f.debug_tuple(name).field(part).finish();
        match self {
            Self::None | Self::Buffer(..) => f.write_str("None"),
            Self::Bool(value) => tuple("Bool", value),
            Self::Int(value) => tuple("Int", value),
            // Decimal digits take quadratic time.
            Self::BigInt(value) if value.bits() > MAX_DECIMAL_BITS => {
                tuple("BigInt", &format_args!("{:#x}", **value))
            }
            Self::BigInt(value) => tuple("BigInt", value),
            Self::Float(value) => tuple("Float", value),
            Self::Str(value) => tuple("Str", value),
            Self::Wtf8(value) => tuple("Wtf8", value),
            Self::Bytes(value) => tuple("Bytes", value),
            Self::ByteArray(value) => tuple("ByteArray", value),
            Self::List(value) => tuple("List", value),
            Self::Tuple(value) => tuple("Tuple", value),
            Self::Set(value) => tuple("Set", value),
            Self::FrozenSet(value) => tuple("FrozenSet", value),
            Self::Dict(value) => tuple("Dict", value),
            Self::Global(value) => tuple("Global", value),
            Self::Object(value) => tuple("Object", value),
            Self::PersistentId(value) => tuple("PersistentId", value),
            Self::Extension(value) => tuple("Extension", value),
        }
    }
}

/// The name of a global: what GLOBAL and STACK_GLOBAL say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::exhaustive_structs, reason = "a global has a module and a name, and nothing else")]
pub struct GlobalName<'a> {
    /// The module, such as `collections`.
    pub module: Cow<'a, str>,
    /// The name in it, such as `OrderedDict`; with dots where it is an inner class.
    pub name: Cow<'a, str>,
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
