//! serde: Rust types out of pickles, documents and values, and back.
//!
//! # Reading
//!
//! ```text
//! from_slice ──> direct::Outline ──> outlined::Spot ──┐
//!     │ no tree, or the type does not fit             ├──> place: serde's Deserializer and its accesses
//!     └────────> decode: Document ──> node::De ───────┘
//! from_document, from_node, Deserializer, PickleReader, from_value (by a document) ──> node::De
//! ```
//!
//! Most pickles are trees, and are read in two passes that are both straight: the first writes down the values in the
//! order in which serde will ask for them, the second hands them to the type. No node and no key table is
//! made that the type does not need. Whatever that way cannot do, and every error, is left to the document,
//! so that there is one place that decides what an input means and what is wrong with it. Both ways are one
//! implementation of serde's traits (`place`) over two kinds of places, which is why they show a visitor the same; a
//! property test and a fuzz target compare them.
//!
//! A node can be read in several ways, which `view` decides by what the type wants. What a shared node becomes is
//! charged at each visit (`node::Context`), so that a pickle of a kilobyte cannot become a gigabyte in Rust.
//!
//! # Writing
//!
//! `ser` turns serde's calls into the events of an encoder. They go to the pickle at once (`Writer`), to a `Value`
//! (`to_value`), or, where a container does not know its length, which a pickle's batches depend on, to a `tape`
//! first.

pub mod bigint;
mod de;
mod deserializer;
mod document_ser;
mod events;
#[cfg(feature = "std")]
mod from_reader;
mod node;
mod outlined;
mod place;
mod ser;
mod serializer;
mod tape;
mod to_value;
mod value_de;
mod value_ser;
mod view;

pub use self::deserializer::{Deserializer, DeserializerIter};
#[cfg(feature = "std")]
pub use self::from_reader::{PickleReader, from_reader, from_reader_with};
pub use self::ser::to_vec;
#[cfg(feature = "std")]
pub use self::ser::to_writer;
pub use self::serializer::{SerializeContainer, Serializer};
pub use self::to_value::to_value;

use ::serde::de::Deserialize;

use self::de::explained;
use self::node::{Context, De};
use crate::decode::Decoder;
use crate::document::{Document, NodeRef};
use crate::options::DecodeOptions;
use crate::value::Value;
use crate::wire::error::Result;

/// Reads a Rust value from an input that is one pickle, with the default options.
///
/// Text and bytes can be borrowed. Structs are read from dicts; from an instance (under
/// [`Globals::Known`](crate::Globals::Known) with its name allowed, or
/// [`Globals::Inert`](crate::Globals::Inert)) by its state, or by place from its arguments. A key
/// that is no text is a field that the struct does not have.
///
/// | Python | reads as |
/// |---|---|
/// | `None` | `()`, `None` of an `Option` |
/// | `int` | any integer or float; beyond 128 bits a `String` of its digits |
/// | `float`, `bool` | the same |
/// | `str` | `&str`, `String`, `char`, a unit variant |
/// | `bytes`, `bytearray` | `Vec<u8>`, `[u8; N]`, bytes (`serde_bytes`), text if it is UTF-8 |
/// | list, tuple, set, frozenset, `deque` | a sequence or a tuple |
/// | dict, `OrderedDict`, `defaultdict`, `Counter` | a map or a struct |
/// | `{"Variant": ...}`, `("Variant", ...)` | an enum |
/// | datetime, date, time, timezone | text in ISO format; an error where the pickle does not say the offset |
/// | `Decimal`, `Fraction`, `UUID`, paths, `ipaddress` | text; a `Decimal` also a float |
/// | timedelta | `(days, seconds, microseconds)` |
/// | complex, range, slice | a sequence of their two or three numbers |
/// | enum member, subclass of a built-in type | its value |
/// | exception | a map of `class`, `args` and, if it has one, `state` |
/// | global | its name as text |
/// | other objects | as a struct their attributes, as a sequence or map their items or pairs |
///
/// Of an object without a reading a struct is given the attributes (or, if it has none, its pairs), a
/// map its pairs, and a sequence its items (or, if it has no attributes, the arguments it is made
/// with); none of them is read in place of another. Where the type does not say what it wants
/// (`serde_json::Value`, untagged enums), an object with more than one such part is a map of all of
/// them: `class`, `args`, `kwargs`, `state`, `items`, `pairs`.
///
/// What serde itself buffers, for `#[serde(flatten)]`, untagged and internally tagged enums, keeps
/// what its data model has a word for: tuples and sets become lists in a [`Value`], objects what the
/// table says.
///
/// # Errors
/// As [`Decoder::decode`]; `data` if the pickle does not fit the type, with the place in the value as
/// [`Error::path`](crate::Error::path) and, where nothing but text is shared and nothing named, the one in
/// the pickle as [`Error::offset`](crate::Error::offset); `recursive`, `depth` and
/// `budget` as [`NodeRef::to_value`].
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct User<'a> {
///     name: &'a str,
///     age: u8,
/// }
/// let user: User<'_> =
///     pickle_codec::from_slice(b"}(X\x04\x00\x00\x00nameX\x02\x00\x00\x00AlX\x03\x00\x00\x00ageK\x2au.")?;
/// assert_eq!((user.name, user.age), ("Al", 42));
/// # Ok::<(), pickle_codec::Error>(())
/// ```
pub fn from_slice<'de, T: Deserialize<'de>>(input: &'de [u8]) -> Result<T> {
    from_slice_with(input, &DecodeOptions::new())
}

/// Reads a Rust value from an input that is one pickle; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`].
pub fn from_slice_with<'de, T: Deserialize<'de>>(input: &'de [u8], options: &DecodeOptions) -> Result<T> {
    let offset = match outlined::read(input, options) {
        Ok(value) => return Ok(value),
        Err(offset) => offset,
    };
    let document = Decoder::with_options(options.clone()).decode(input)?;
    from_node(document.root()).map_err(|error| error.shifted(offset.unwrap_or_default()))
}

/// Reads a Rust value from the root of a document, within the limits of its decode; see
/// [`from_slice`].
///
/// # Errors
/// As [`from_slice`], but for those of decoding.
pub fn from_document<'de, T: Deserialize<'de>>(document: &Document<'de>) -> Result<T> {
    from_node(document.root())
}

/// Reads a Rust value from a node, within the limits of its document's decode; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`], but for those of decoding.
pub fn from_node<'de, T: Deserialize<'de>>(node: NodeRef<'_, 'de>) -> Result<T> {
    let context = Context::of(node.document());
    T::deserialize(De::new(node, &context)).map_err(|error| explained(error, node))
}

/// Reads a Rust value from a [`Value`]; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`], but for those of decoding.
///
/// ```
/// use pickle_codec::Value;
/// let value = Value::dict([("a", 1), ("b", 2)]);
/// let map: std::collections::BTreeMap<String, u8> = pickle_codec::from_value(value)?;
/// assert_eq!(map["b"], 2);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
pub fn from_value<'de, T: Deserialize<'de>>(value: Value<'de>) -> Result<T> {
    T::deserialize(value)
}
