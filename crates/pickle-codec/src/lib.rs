//! Python pickles as data: bytes to Python values and back.
//!
//! A pickle is a program for Python's unpickler. This crate reads and writes pickles of all
//! protocols, 0 to 5, without ever running one: it executes, imports and resolves nothing, opens no
//! file and knows no clock. Opcodes that name or call things are refused unless the caller says
//! otherwise ([`Globals`]), and every limit is on by default ([`Limits`]).
//!
//! ```
//! use pickle_codec::{Protocol, from_slice, to_vec};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Point<'a> {
//!     name: &'a str, // borrowed from the pickle
//!     at: (i64, f64),
//!     tags: Vec<&'a str>,
//! }
//!
//! // pickle.dumps({"name": "spam", "at": (1, 2.5), "tags": ["a"]}, 4)
//! let pickle = b"\x80\x04\x953\0\0\0\0\0\0\0}\x94(\x8c\x04name\x94\x8c\x04spam\x94\x8c\x02at\x94\
//!     K\x01G@\x04\0\0\0\0\0\0\x86\x94\x8c\x04tags\x94]\x94\x8c\x01a\x94au.";
//! let point: Point<'_> = from_slice(pickle)?;
//! assert_eq!(point, Point { name: "spam", at: (1, 2.5), tags: vec!["a"] });
//! // The bytes that come out are those of CPython's C pickler.
//! assert_eq!(to_vec(&point, Protocol::V4)?, pickle);
//!
//! let error = from_slice::<Point<'_>>(b"cos\nsystem\n(S'id'\ntR.").unwrap_err();
//! assert_eq!(error.global(), Some("os.system"));
//! # Ok::<(), pickle_codec::Error>(())
//! ```
//!
//! # Start with these five
//!
//! - [`from_slice`] and [`to_vec`]: Rust types out of pickles and back, with serde.
//! - [`Value`]: any Python value as a tree, where there is no type for it.
//! - [`decode`]: the pickle as a graph, a [`Document`], in which shared and cyclic objects are what they are.
//! - [`DecodeOptions`]: what may be named ([`Globals`]), and how far a decode goes ([`Limits`]).
//!
//! From files and sockets there are [`from_reader`] and [`PickleReader`]; for serde's own traits
//! [`Serializer`] and [`Deserializer`]; into JSON goes `serde_json::to_string(&document)`.
//!
//! # Three layers
//!
//! | layer | to read | to write |
//! |---|---|---|
//! | opcodes | [`instructions`], [`inspect`] | |
//! | graph, with sharing and cycles | [`Decoder`], [`Document`], [`PushDecoder`] | [`Document::to_vec`], [`DocumentBuilder`], [`Segments`] |
//! | tree and Rust types | [`Value`], [`from_slice`] | [`Encoder`] (events), [`to_vec`], [`to_writer`] |
//!
//! # Limits
//!
//! | what | default | kind of the error |
//! |---|---|---|
//! | length of the input | 256 MiB | `input` |
//! | nesting of a [`Document`] | 1,000 | `depth` |
//! | nesting of a [`Value`] and through serde | 128 (1,024 at most) | `depth` |
//! | digits of an integer in text | 4,300 | `literal` |
//! | memory of a decode to a [`Document`] | 64 KiB + 32 x the input | `budget` |
//! | expansion of shared objects, and work on dict keys | 64 MiB or 64 x the input | `budget` |
//! | memo indexes | 2^63 - 1 | `memo` |
//!
//! Decoding, comparing, printing and dropping a [`Document`] do not recurse; time is linear in the
//! input, n log n at most.
//!
//! # Features
//!
//! - `std` (default): `std::error::Error` through dependencies, [`to_writer`], a random seed for
//!   hashing. Without it the crate is `no_std + alloc`.
//! - `serde` (default): [`from_slice`], [`to_vec`], and both traits for [`Value`].
//! - `json`: the tagged JSON spelling of Python values, module `tagged`.
//! - `arbitrary`: `Arbitrary` for [`Value`], for fuzz targets.
//!
//! # Panics
//!
//! No input panics. A panic is a bug in this crate.
//!
//! The minimum supported Rust version is 1.88.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod budget;
mod build;
mod decode;
pub mod direct;
mod document;
mod encode;
pub mod inspect;
pub mod json;
mod known;
mod limits;
mod options;
mod repr;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "json")]
pub mod tagged;
mod value;
mod wire;

#[cfg(feature = "serde")]
pub use self::serde::{
    Deserializer, DeserializerIter, SerializeContainer, Serializer, bigint, from_document, from_node,
    from_slice, from_slice_with, from_value, to_value, to_vec,
};
#[cfg(all(feature = "serde", feature = "std"))]
pub use self::serde::{PickleReader, from_reader, from_reader_with, to_writer};
pub use budget::Budget;
pub use build::builder::DocumentBuilder;
pub use decode::push::PushDecoder;
pub use decode::{Decoder, Documents, decode, decode_prefix};
pub use document::{
    BigIntRef, Construct, Document, Items, ItemsIter, KnownClass, Node, NodeId, NodeRef, Object, Pairs,
    PairsIter,
};
pub use encode::encoder::{Encoder, MemoId};
pub use encode::options::{DEFAULT_SHARE_FROM, EncodeOptions};
pub use encode::segments::Segments;
pub use encode::sink::EncodeScratch;
pub use known::{Date, Known, Time, TimeDelta, UtcOffset, Zone};
pub use limits::Limits;
pub use options::{DecodeOptions, Globals, Py2Str, Surrogates};
pub use value::{DictIndex, GlobalName, ObjectValue, Value, ValueIndex};
pub use wire::error::{Category, Error, ErrorKind, MAX_ERROR_NAME_LEN, Result};
pub use wire::instruction::{Argument, Instruction, Instructions, instructions};
pub use wire::opcode::{ArgumentKind, Opcode, StackObject};
pub use wire::protocol::Protocol;
pub use wire::text::Str;

/// The examples of the README are tests.
#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// So are those of the guide for users of serde-pickle.
#[cfg(all(doctest, feature = "serde", feature = "std"))]
#[doc = include_str!("../from-serde-pickle.md")]
mod from_serde_pickle {}
