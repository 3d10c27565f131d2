//! serde's writing side: Rust types to pickles.
//!
//! [`Ser`] is serde's serializer over any [`Events`]; it is generic and inlined, so that a type's `serialize`
//! becomes one function of stores into the encoder's stage. What keeps it short:
//!
//! - A result is one word ([`Done`]): an error is behind a pointer, where it costs only those who meet it.
//! - A container begins with its length, so that the encoder writes its batches without looking back. The few
//!   containers that do not know it are recorded on a [`Tape`], and played when they end: to the tape around, if
//!   there is one.
//! - The names of fields and variants are known to the encoder by their addresses (`encode::names`): after the first
//!   time each is a GET of two bytes.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

use ::serde::Serialize;
use ::serde::ser::{self, Serializer};
use bytes::BufMut;

use super::events::{Container, Done, Events, Failed};
use super::tape::Tape;
use crate::decode::Decoder;
use crate::document::Document;
use crate::encode::encoder::Encoder;
use crate::encode::graph;
#[cfg(feature = "std")]
use crate::encode::sink::EncodeScratch;
use crate::encode::sink::Sink;
use crate::encode::writer::Writer;
use crate::limits::Limits;
use crate::options::{DecodeOptions, Globals};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;
use crate::wire::text::is_wtf8;

/// Names of newtype structs by which [`Value`](crate::Value) passes on what serde has no word for.
/// Other serializers see the contents alone.
pub(crate) mod token {
    pub(crate) const SET: &str = "$pickle_codec::set";
    pub(crate) const FROZENSET: &str = "$pickle_codec::frozenset";
    pub(crate) const BYTEARRAY: &str = "$pickle_codec::bytearray";
    pub(crate) const WTF8: &str = "$pickle_codec::wtf8";
    pub(crate) const INT: &str = "$pickle_codec::int";
    pub(crate) const OBJECT: &str = "$pickle_codec::object";
}

/// The pickle of a value.
///
/// | Rust | Python |
/// |---|---|
/// | `bool`, integers up to 128 bits, floats | bool, int, float |
/// | `char`, `str` | str |
/// | bytes (`serde_bytes`) | bytes; below protocol 3, which has no opcode for them, a call of `_codecs.encode`, which is read under [`Globals::Known`] |
/// | `()`, `None`, unit structs | `None` |
/// | `Some(x)`, newtype structs | what is inside |
/// | sequences | list |
/// | tuples, tuple structs, arrays | tuple |
/// | maps, structs | dict |
/// | enums, as in `serde_json` | str for a variant alone, else a dict from its name to its contents |
/// | [`Value`](crate::Value) | itself, exactly |
///
/// The names of fields and variants are one object for each spelling, as the names of attributes are in
/// Python: where there is a memo, the second time they are a GET.
///
/// # Errors
/// `data` if a sequence does not keep its announced length, and serde's own messages; else as
/// [`Encoder`]'s events.
///
/// ```
/// use pickle_codec::{Protocol, to_vec};
/// #[derive(serde::Serialize)]
/// struct Point { x: i32, y: i32 }
/// let pickle = to_vec(&Point { x: 1, y: 2 }, Protocol::V0)?;
/// assert_eq!(pickle, b"(dp0\nVx\np1\nI1\nsVy\np2\nI2\ns.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
pub fn to_vec<T: Serialize + ?Sized>(value: &T, protocol: Protocol) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new(), protocol);
    encoder.serialize(value)?;
    encoder.finish()
}

/// Writes the pickle of a value, in pieces of about 64 KiB.
///
/// # Errors
/// The writer's own; those of [`to_vec`], as [`std::io::ErrorKind::InvalidInput`].
#[cfg(feature = "std")]
pub fn to_writer<W: std::io::Write, T: Serialize + ?Sized>(
    writer: W,
    value: &T,
    protocol: Protocol,
) -> std::io::Result<()> {
    use crate::encode::sink::{Calling, through};
    through(writer, |sink: &mut dyn FnMut(&[u8]) -> Result<(), ErrorKind>| {
        let mut writer = Writer::new(Calling(sink), protocol, usize::MAX, EncodeScratch::new());
        value.serialize(Ser::new(&mut writer))?;
        writer.finish().map(|_| ())
    })
}

impl<B: BufMut> Encoder<'_, B> {
    /// Any value that serde can serialize, as [`to_vec`] does it.
    ///
    /// # Errors
    /// As [`to_vec`].
    pub fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        Ok(value.serialize(Ser::new(self.writer_mut()))?)
    }
}

impl ser::Error for Error {
    fn custom<T: Display>(text: T) -> Self {
        Self::message(text)
    }
}

impl<'x, S: Sink<'x>> Events for Writer<'x, S> {
    #[inline]
    fn none(&mut self) -> Done {
        Ok(self.none()?)
    }

    #[inline]
    fn bool(&mut self, value: bool) -> Done {
        Ok(self.bool(value)?)
    }

    #[inline]
    fn int(&mut self, value: i64) -> Done {
        Ok(self.int(value)?)
    }

    fn int_le(&mut self, bytes: &[u8]) -> Done {
        Ok(self.int_le(bytes)?)
    }

    #[inline]
    fn float(&mut self, value: f64) -> Done {
        Ok(self.float(value)?)
    }

    #[inline]
    fn text(&mut self, bytes: &[u8]) -> Done {
        Ok(self.text(bytes)?)
    }

    #[inline]
    fn identifier(&mut self, name: &'static str) -> Done {
        Ok(self.identifier(name)?)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Done {
        Ok(self.bytes(bytes)?)
    }

    fn bytearray(&mut self, bytes: &[u8]) -> Done {
        Ok(self.bytearray(bytes)?)
    }

    fn pickle(&mut self, pickle: &[u8]) -> Done {
        Ok(graph::copy(&decoded(pickle)?, self)?)
    }

    #[inline]
    fn begin(&mut self, shape: Container, len: usize) -> Done {
        match shape {
            Container::List => self.begin_list(len),
            Container::Tuple => self.begin_tuple(len),
            Container::Dict => self.begin_dict(len),
            Container::Set => self.begin_set(len),
            Container::FrozenSet => self.begin_frozenset(len),
        }?;
        Ok(())
    }

    #[inline]
    fn end(&mut self) -> Done {
        Ok(self.end()?)
    }
}

/// The document of a pickle that a `Value` has made of itself.
pub(super) fn decoded(pickle: &[u8]) -> Result<Document<'_>> {
    let limits = Limits { max_depth: 4_096, max_input_len: usize::MAX, ..Limits::default() };
    Decoder::with_options(DecodeOptions::new().globals(Globals::Inert).limits(limits)).decode(pickle)
}

/// What the contents of a token mean. It is a part of the serializer rather than of the encoder, because it counts
/// for the one value inside the token and for nothing below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    Set,
    FrozenSet,
    ByteArray,
    Wtf8,
    Int,
    Object,
}

/// The serializer of one value.
pub(crate) struct Ser<'e, E> {
    events: &'e mut E,
    mode: Mode,
}

impl<'e, E: Events> Ser<'e, E> {
    pub(crate) const fn new(events: &'e mut E) -> Self {
        Self { events, mode: Mode::Plain }
    }

    /// `{variant: ...`, of which the contents are still to come.
    #[inline]
    fn begin_variant(&mut self, variant: &'static str) -> Done {
        self.events.begin(Container::Dict, 1)?;
        self.events.identifier(variant)
    }

    #[inline]
    fn compound(self, shape: Container, len: Option<usize>, variant: bool) -> Done<Compound<'e, E>> {
        let tape = match len {
            Some(len) => {
                self.events.begin(shape, len)?;
                None
            }
            None => Some(Box::default()),
        };
        Ok(Compound { events: self.events, tape, shape, variant })
    }
}

impl<'e, E: Events> Serializer for Ser<'e, E> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Compound<'e, E>;
    type SerializeTuple = Compound<'e, E>;
    type SerializeTupleStruct = Compound<'e, E>;
    type SerializeTupleVariant = Compound<'e, E>;
    type SerializeMap = Compound<'e, E>;
    type SerializeStruct = Compound<'e, E>;
    type SerializeStructVariant = Compound<'e, E>;

    fn is_human_readable(&self) -> bool {
        // A `Value` tells by this that its contents go to this crate.
        self.mode == Mode::Plain
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Done {
        self.events.bool(value)
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Done {
        self.events.int(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Done {
        self.events.int(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Done {
        self.events.int(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Done {
        self.events.int(value)
    }

    #[inline]
    fn serialize_i128(self, value: i128) -> Done {
        self.events.int_le(&value.to_le_bytes())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Done {
        self.events.int(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Done {
        self.events.int(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Done {
        self.events.int(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Done {
        match i64::try_from(value) {
            Ok(value) => self.events.int(value),
            Err(_) => self.serialize_u128(value.into()),
        }
    }

    #[inline]
    fn serialize_u128(self, value: u128) -> Done {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&value.to_le_bytes());
        self.events.int_le(&bytes)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Done {
        self.events.float(value.into())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Done {
        self.events.float(value)
    }

    #[inline]
    fn serialize_char(self, value: char) -> Done {
        self.events.text(value.encode_utf8(&mut [0; 4]).as_bytes())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Done {
        self.events.text(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Done {
        match self.mode {
            Mode::ByteArray => self.events.bytearray(value),
            Mode::Wtf8 if is_wtf8(value) => self.events.text(value),
            Mode::Wtf8 => Err(Error::plain(ErrorKind::Utf8).into()),
            Mode::Int => self.events.int_le(value),
            Mode::Object => self.events.pickle(value),
            Mode::Plain | Mode::Set | Mode::FrozenSet => self.events.bytes(value),
        }
    }

    #[inline]
    fn serialize_none(self) -> Done {
        self.events.none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Done {
        self.events.none()
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Done {
        self.events.none()
    }

    #[inline]
    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Done {
        self.events.identifier(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Done {
        self.mode = match name {
            token::SET => Mode::Set,
            token::FROZENSET => Mode::FrozenSet,
            token::BYTEARRAY => Mode::ByteArray,
            token::WTF8 => Mode::Wtf8,
            token::INT => Mode::Int,
            token::OBJECT => Mode::Object,
            _ => Mode::Plain,
        };
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.begin_variant(variant)?;
        value.serialize(Ser::new(self.events))?;
        self.events.end()
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Done<Self::SerializeSeq> {
        let shape = match self.mode {
            Mode::Set => Container::Set,
            Mode::FrozenSet => Container::FrozenSet,
            _ => Container::List,
        };
        self.compound(shape, len, false)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Done<Self::SerializeTuple> {
        self.compound(Container::Tuple, Some(len), false)
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Done<Self::SerializeTupleStruct> {
        self.compound(Container::Tuple, Some(len), false)
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Done<Self::SerializeTupleVariant> {
        self.begin_variant(variant)?;
        self.compound(Container::Tuple, Some(len), true)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Done<Self::SerializeMap> {
        self.compound(Container::Dict, len, false)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, len: usize) -> Done<Self::SerializeStruct> {
        self.compound(Container::Dict, Some(len), false)
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Done<Self::SerializeStructVariant> {
        self.begin_variant(variant)?;
        self.compound(Container::Dict, Some(len), true)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Done {
        let text: String = value.to_string();
        self.events.text(text.as_bytes())
    }
}

/// A container whose items are being serialized.
pub(crate) struct Compound<'e, E> {
    events: &'e mut E,
    /// Takes the items while their number is not known. It is rare, and large beside the rest.
    tape: Option<Box<Tape>>,
    shape: Container,
    /// The container is the contents of an enum's variant.
    variant: bool,
}

impl<E: Events> Compound<'_, E> {
    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        match &mut self.tape {
            Some(tape) => {
                tape.items += 1;
                value.serialize(Ser::new(tape.as_mut()))
            }
            None => value.serialize(Ser::new(self.events)),
        }
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.events.identifier(key)?;
        value.serialize(Ser::new(self.events))
    }

    #[inline]
    fn close(self) -> Done {
        if let Some(tape) = self.tape {
            play(*tape, self.shape, self.events)?;
        }
        self.events.end()?;
        if self.variant { self.events.end() } else { Ok(()) }
    }
}

/// Begins a container, now that its length is known, and gives it its items.
#[inline(never)]
fn play<E: Events>(tape: Tape, shape: Container, events: &mut E) -> Done {
    let len = if shape == Container::Dict { tape.items / 2 } else { tape.items };
    events.begin(shape, len)?;
    tape.replay(events)
}

/// Containers of items: serde has a trait for each of four kinds, and they differ in nothing else.
macro_rules! of_items {
    ($($kind:ident: $method:ident),*) => {$(
        impl<E: Events> ser::$kind for Compound<'_, E> {
            type Ok = ();
            type Error = Failed;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.item(value)
            }

            #[inline]
            fn end(self) -> Done {
                self.close()
            }
        }
    )*};
}

of_items! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

/// Containers of named fields, of which there are two.
macro_rules! of_fields {
    ($($kind:ident),*) => {$(
        impl<E: Events> ser::$kind for Compound<'_, E> {
            type Ok = ();
            type Error = Failed;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
                self.field(key, value)
            }

            #[inline]
            fn end(self) -> Done {
                self.close()
            }
        }
    )*};
}

of_fields! { SerializeStruct, SerializeStructVariant }

impl<E: Events> ser::SerializeMap for Compound<'_, E> {
    type Ok = ();
    type Error = Failed;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.item(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }

    #[inline]
    fn end(self) -> Done {
        self.close()
    }
}
