//! Python pickles as data.
//!
//! A pickle is a program; this crate reads and writes it without ever running one. It never
//! executes, imports or resolves anything, and never opens a file.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod builder;
mod compare;
mod convert;
#[cfg(feature = "serde")]
mod de;
mod decode;
mod document;
mod document_builder;
mod encode;
mod error;
mod id;
pub mod inspect;
mod instruction;
mod keys;
mod known;
mod memo;
mod meter;
mod number;
mod object;
mod opcode;
mod options;
mod print;
mod printable;
mod protocol;
mod push;
mod reader;
mod recycle;
#[cfg(feature = "serde")]
mod ser;
#[cfg(feature = "json")]
pub mod tagged;
mod text;
mod value;
mod visit;

#[cfg(feature = "arbitrary")]
pub use arbitrary::ArbitraryPickle;
pub use convert::decode_value;
#[cfg(feature = "serde")]
pub use de::{from_document, from_node, from_node_with, from_slice, from_slice_with, from_value};
pub use decode::{Decoder, Documents, decode, decode_prefix};
pub use document::{BigIntRef, Document, Items, Node, NodeRef, Pairs};
pub use document_builder::DocumentBuilder;
pub use encode::encoder::{Encoder, MemoId};
pub use encode::options::EncodeOptions;
pub use encode::segments::{DEFAULT_SHARE_FROM, Segments};
pub use encode::sink::Scratch;
pub use error::{Category, Error, ErrorKind, MAX_ERROR_NAME_LEN, Result};
pub use id::NodeId;
pub use instruction::{Argument, Instruction, Instructions, instructions};
pub use known::{Date, Known, KnownClass, Time, TimeDelta, UtcOffset, Zone};
pub use object::{Construct, Object};
pub use opcode::{ArgumentKind, Opcode, StackObject};
pub use options::{DecodeOptions, Globals, Limits, Py2Str, Surrogates};
pub use protocol::Protocol;
pub use push::PushDecoder;
#[cfg(feature = "serde")]
pub use ser::to_vec;
#[cfg(all(feature = "serde", feature = "std"))]
pub use ser::to_writer;
pub use text::Str;
pub use value::{GlobalName, ObjectValue, Value, ValueIndex};
