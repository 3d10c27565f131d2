//! `Value` through serde: what serde has a word for as that, the rest under a token's name.
//!
//! A serializer sees newtypes by their names. This crate's own one knows those of [`token`] and takes what they hold
//! as a set, a `bytearray`, an object's pickle and so on; every other one sees the contents alone, in the form that
//! suits it: by [`is_human_readable`](Serializer::is_human_readable) this crate's serializer, while it is inside of a
//! token, is told from JSON.

use ::serde::Serialize;
use ::serde::ser::{Error as _, SerializeMap, SerializeStruct, SerializeTuple, Serializer};

use super::ser::token;
use crate::value::{ObjectValue, Value};
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::protocol::Protocol;
use crate::wire::text::replace_surrogates;

/// Exactly itself in a pickle. Other formats get what they can say: sets as sequences,
/// `bytearray` as bytes, integers beyond 128 bits as decimal text and beyond 4,300 digits, which take
/// quadratic time, as hexadecimal text behind `0x`, text with lone surrogates with U+FFFD in their place,
/// and objects as structs of their parts. Formats that are not human
/// readable get the little-endian bytes of such integers, WTF-8, and objects as pickles.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::BigInt(value) => {
                if let Ok(value) = i128::try_from(value.as_ref()) {
                    return serializer.serialize_i128(value);
                }
                if let Ok(value) = u128::try_from(value.as_ref()) {
                    return serializer.serialize_u128(value);
                }
                serializer.serialize_newtype_struct(token::INT, &Exact(self))
            }
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Str(text) => serializer.serialize_str(text),
            Self::Wtf8(_) => serializer.serialize_newtype_struct(token::WTF8, &Exact(self)),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::ByteArray(_) => serializer.serialize_newtype_struct(token::BYTEARRAY, &Exact(self)),
            Self::List(items) => serializer.collect_seq(items),
            Self::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                for item in items {
                    tuple.serialize_element(item)?;
                }
                tuple.end()
            }
            Self::Set(items) => serializer.serialize_newtype_struct(token::SET, items),
            Self::FrozenSet(items) => serializer.serialize_newtype_struct(token::FROZENSET, items),
            Self::Dict(pairs) => Pairs(pairs).serialize(serializer),
            Self::Global(_)
            | Self::Object(_)
            | Self::PersistentId(_)
            | Self::Extension(_)
            | Self::Buffer(..) => serializer.serialize_newtype_struct(token::OBJECT, &Exact(self)),
        }
    }
}

/// The pairs of a dict, as a map.
struct Pairs<'v, 'a>(&'v [(Value<'a>, Value<'a>)]);

impl Serialize for Pairs<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// What stands under a token.
struct Exact<'v, 'a>(&'v Value<'a>);

impl Serialize for Exact<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let readable = serializer.is_human_readable();
        match self.0 {
            Value::BigInt(value) if readable && value.bits() > MAX_DECIMAL_BITS => {
                serializer.collect_str(&format_args!("{:#x}", **value))
            }
            Value::BigInt(value) if readable => serializer.collect_str(value),
            Value::BigInt(value) => serializer.serialize_bytes(&value.to_signed_bytes_le()),
            Value::Wtf8(bytes) if readable => serializer.serialize_str(&replace_surrogates(bytes)),
            Value::Wtf8(bytes) | Value::ByteArray(bytes) => serializer.serialize_bytes(bytes),
            Value::Global(global) if readable => {
                serializer.collect_str(&format_args!("{}.{}", global.module, global.name))
            }
            Value::Object(object) if readable => object.as_ref().serialize(serializer),
            Value::PersistentId(value) if readable => value.as_ref().serialize(serializer),
            Value::Extension(number) | Value::Buffer(number, _) if readable => {
                serializer.serialize_u32(*number)
            }
            value => {
                let pickle = value.to_vec(Protocol::HIGHEST).map_err(S::Error::custom)?;
                serializer.serialize_bytes(&pickle)
            }
        }
    }
}

/// A struct of the parts that there are, for other formats.
impl Serialize for ObjectValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = [self.kwargs.is_some(), self.state.is_some(), self.items.is_some(), self.pairs.is_some()];
        let len = 2 + parts.into_iter().filter(|&present| present).count();
        let mut object = serializer.serialize_struct("Object", len)?;
        object.serialize_field("class", &self.class)?;
        object.serialize_field("args", &self.args)?;
        match &self.kwargs {
            Some(kwargs) => object.serialize_field("kwargs", &Pairs(kwargs))?,
            None => object.skip_field("kwargs")?,
        }
        match &self.state {
            Some(state) => object.serialize_field("state", state)?,
            None => object.skip_field("state")?,
        }
        match &self.items {
            Some(items) => object.serialize_field("items", items)?,
            None => object.skip_field("items")?,
        }
        match &self.pairs {
            Some(pairs) => object.serialize_field("pairs", &Pairs(pairs))?,
            None => object.skip_field("pairs")?,
        }
        object.end()
    }
}
