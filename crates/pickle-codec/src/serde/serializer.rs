//! `&mut Encoder` as a serializer of serde's.
//!
//! For who writes `value.serialize(&mut serializer)`, as one does with `serde_json`. It forwards to [`Ser`], which
//! is not public, and unwraps its errors; a value's parts go to [`Ser`] at once and never come by here.

use ::serde::Serialize;
use ::serde::ser;
use bytes::BufMut;
use core::fmt;

use super::ser::{Compound, Ser};
use crate::encode::encoder::Encoder;
use crate::encode::sink::Copying;
use crate::encode::writer::Writer;
use crate::wire::error::{Error, Result};

/// A serde serializer that writes pickles: an [`Encoder`], of which `&mut` implements
/// [`serde::Serializer`].
///
/// ```
/// use pickle_codec::{Protocol, Serializer};
/// use serde::Serialize;
/// let mut serializer = Serializer::new(Vec::new(), Protocol::V1);
/// ("spam", 1).serialize(&mut serializer)?;
/// assert_eq!(serializer.finish()?, b"(X\x04\0\0\0spamq\0K\x01tq\x01.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
pub type Serializer<'s, B> = Encoder<'s, B>;

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            fn $method(self, $($name: $type),*) -> Result<$result> {
                Ok(Ser::new(self.writer_mut()).$method($($name),*)?)
            }
        )*
    };
}

macro_rules! forward_containers {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        $(
            fn $method(self, $($name: $type),*) -> Result<SerializeContainer<'e, B>> {
                Ok(SerializeContainer(Ser::new(self.writer_mut()).$method($($name),*)?))
            }
        )*
    };
}

impl<'e, B: BufMut> ser::Serializer for &'e mut Encoder<'_, B> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = SerializeContainer<'e, B>;
    type SerializeTuple = SerializeContainer<'e, B>;
    type SerializeTupleStruct = SerializeContainer<'e, B>;
    type SerializeTupleVariant = SerializeContainer<'e, B>;
    type SerializeMap = SerializeContainer<'e, B>;
    type SerializeStruct = SerializeContainer<'e, B>;
    type SerializeStructVariant = SerializeContainer<'e, B>;

    forward! {
        serialize_bool(value: bool) -> ();
        serialize_i8(value: i8) -> ();
        serialize_i16(value: i16) -> ();
        serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> ();
        serialize_i128(value: i128) -> ();
        serialize_u8(value: u8) -> ();
        serialize_u16(value: u16) -> ();
        serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> ();
        serialize_u128(value: u128) -> ();
        serialize_f32(value: f32) -> ();
        serialize_f64(value: f64) -> ();
        serialize_char(value: char) -> ();
        serialize_str(value: &str) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
    }

    forward_containers! {
        serialize_seq(len: Option<usize>);
        serialize_tuple(len: usize);
        serialize_tuple_struct(name: &'static str, len: usize);
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize);
        serialize_map(len: Option<usize>);
        serialize_struct(name: &'static str, len: usize);
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        Ok(Ser::new(self.writer_mut()).serialize_some(value)?)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        Ok(Ser::new(self.writer_mut()).serialize_newtype_struct(name, value)?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        Ok(Ser::new(self.writer_mut()).serialize_newtype_variant(name, index, variant, value)?)
    }
}

/// A container that is being serialized to an [`Encoder`].
pub struct SerializeContainer<'e, B>(Compound<'e, Writer<'static, Copying<B>>>);

impl<B> fmt::Debug for SerializeContainer<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerializeContainer").finish_non_exhaustive()
    }
}

macro_rules! container_of_items {
    ($($kind:ident: $method:ident;)*) => {
        $(
            impl<B: BufMut> ser::$kind for SerializeContainer<'_, B> {
                type Ok = ();
                type Error = Error;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                    Ok(ser::$kind::$method(&mut self.0, value)?)
                }

                fn end(self) -> Result<()> {
                    Ok(ser::$kind::end(self.0)?)
                }
            }
        )*
    };
}

container_of_items! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! container_of_fields {
    ($($kind:ident)*) => {
        $(
            impl<B: BufMut> ser::$kind for SerializeContainer<'_, B> {
                type Ok = ();
                type Error = Error;

                fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                    Ok(ser::$kind::serialize_field(&mut self.0, key, value)?)
                }

                fn end(self) -> Result<()> {
                    Ok(ser::$kind::end(self.0)?)
                }
            }
        )*
    };
}

container_of_fields!(SerializeStruct SerializeStructVariant);

impl<B: BufMut> ser::SerializeMap for SerializeContainer<'_, B> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        Ok(ser::SerializeMap::serialize_key(&mut self.0, key)?)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        Ok(ser::SerializeMap::serialize_value(&mut self.0, value)?)
    }

    fn end(self) -> Result<()> {
        Ok(ser::SerializeMap::end(self.0)?)
    }
}
