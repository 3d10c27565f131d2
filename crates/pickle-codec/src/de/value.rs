//! `Deserialize` for [`Value`]: all that serde's data model can say, and from this crate's own
//! deserializers everything.
//!
//! serde has no word for tuples, sets or Python objects. So this crate's deserializers, asked for a
//! newtype of one certain name, show such a value as an enum whose variant is a number and whose
//! content is made of lists, bytes and integers. Any other deserializer just reads the newtype.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use num_bigint::BigInt;
use serde::de::value::U32Deserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::source::Source;
use super::{Context, De};
use crate::document::Construct;
use crate::document::KnownClass;
use crate::value::{ObjectValue, Value};
use crate::wire::error::{Error, Result};

/// The name of the newtype that asks for a whole value.
pub(super) const NAME: &str = "$pickle_codec::Value";

/// The variants, by number.
const BIG_INT: u32 = 0x7069_0000;
const WTF8: u32 = BIG_INT + 1;
const BYTE_ARRAY: u32 = BIG_INT + 2;
const TUPLE: u32 = BIG_INT + 3;
const SET: u32 = BIG_INT + 4;
const FROZEN_SET: u32 = BIG_INT + 5;
const GLOBAL: u32 = BIG_INT + 6;
const OBJECT: u32 = BIG_INT + 7;
const PERSISTENT_ID: u32 = BIG_INT + 8;
const EXTENSION: u32 = BIG_INT + 9;
const BUFFER: u32 = BIG_INT + 10;

/// Keeps all that the deserializer can say; this crate's own say everything.
impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        let value: Value<'de> = deserializer.deserialize_newtype_struct(NAME, ValueVisitor)?;
        Ok(value)
    }
}

/// Shows a value to [`ValueVisitor`].
pub(super) fn hand_over<'de, V: Visitor<'de>>(value: Value<'de>, visitor: V) -> Result<V::Value> {
    let (variant, content) = match value {
        Value::BigInt(value) => (BIG_INT, Value::Bytes(value.to_signed_bytes_le().into())),
        Value::Wtf8(bytes) => (WTF8, Value::Bytes(bytes)),
        Value::ByteArray(bytes) => (BYTE_ARRAY, Value::Bytes(bytes)),
        Value::Tuple(items) => (TUPLE, Value::List(items)),
        Value::Set(items) => (SET, Value::List(items)),
        Value::FrozenSet(items) => (FROZEN_SET, Value::List(items)),
        Value::Global(global) => {
            (GLOBAL, Value::List(Vec::from([Value::Str(global.module), Value::Str(global.name)])))
        }
        Value::Object(object) => (OBJECT, Value::List(parts(*object))),
        Value::PersistentId(id) => (PERSISTENT_ID, Value::List(Vec::from([*id]))),
        Value::Extension(code) => (EXTENSION, Value::from(code)),
        Value::Buffer(index) => (BUFFER, Value::from(index)),
        plain => {
            let context = unlimited();
            return De { source: Source::Value(plain), context: &context, depth: 0 }.deserialize_any(visitor);
        }
    };
    visitor.visit_enum(HandOver { variant, content })
}

/// What was converted has been charged and measured already.
const fn unlimited() -> Context {
    Context { left: Cell::new(usize::MAX), max_depth: usize::MAX }
}

struct HandOver<'de> {
    variant: u32,
    content: Value<'de>,
}

impl<'de> EnumAccess<'de> for HandOver<'de> {
    type Error = Error;
    type Variant = Content<'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Content<'de>)> {
        Ok((seed.deserialize(U32Deserializer::<Error>::new(self.variant))?, Content(self.content)))
    }
}

struct Content<'de>(Value<'de>);

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        let context = unlimited();
        seed.deserialize(De { source: Source::Value(self.0), context: &context, depth: 0 })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        let context = unlimited();
        De { source: Source::Value(self.0), context: &context, depth: 0 }.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.tuple_variant(0, visitor)
    }
}

/// An object as a list: what is optional is a list of none or one.
fn parts(object: ObjectValue<'_>) -> Vec<Value<'_>> {
    fn optional(part: Option<Value<'_>>) -> Value<'_> {
        Value::List(part.into_iter().collect())
    }
    Vec::from([
        object.class,
        Value::Bool(object.construct == Construct::New),
        Value::List(object.args),
        optional(object.kwargs.map(Value::Dict)),
        optional(object.state),
        optional(object.items.map(Value::List)),
        optional(object.pairs.map(Value::Dict)),
        known_number(object.known),
    ])
}

/// All readings, so that one can be passed on as a number.
const READINGS: &[KnownClass] = &[
    KnownClass::Encode,
    KnownClass::Bytes,
    KnownClass::ByteArray,
    KnownClass::Set,
    KnownClass::FrozenSet,
    KnownClass::Complex,
    KnownClass::OrderedDict,
    KnownClass::DefaultDict,
    KnownClass::Counter,
    KnownClass::Deque,
    KnownClass::Date,
    KnownClass::Time,
    KnownClass::DateTime,
    KnownClass::TimeDelta,
    KnownClass::TimeZone,
    KnownClass::Decimal,
    KnownClass::Fraction,
    KnownClass::Uuid,
    KnownClass::PosixPath,
    KnownClass::WindowsPath,
    KnownClass::Ipv4Address,
    KnownClass::Ipv6Address,
    KnownClass::Ipv4Network,
    KnownClass::Ipv6Network,
    KnownClass::Ipv4Interface,
    KnownClass::Ipv6Interface,
    KnownClass::Range,
    KnownClass::Slice,
    KnownClass::Exception,
    KnownClass::Enum,
    KnownClass::Member,
    KnownClass::Type,
    KnownClass::Reconstructor,
    KnownClass::Instance,
    KnownClass::Allowed,
];

fn known_number(known: Option<KnownClass>) -> Value<'static> {
    let place = known.and_then(|known| READINGS.iter().position(|&reading| reading == known));
    place.map_or(Value::None, Value::from)
}

/// The value that [`hand_over`] took apart.
fn rebuild<'de>(variant: u32, content: Value<'de>) -> Option<Value<'de>> {
    Some(match (variant, content) {
        (BIG_INT, Value::Bytes(bytes)) => Value::from(BigInt::from_signed_bytes_le(&bytes)),
        (WTF8, Value::Bytes(bytes)) => Value::Wtf8(bytes),
        (BYTE_ARRAY, Value::Bytes(bytes)) => Value::ByteArray(bytes),
        (TUPLE, Value::List(items)) => Value::Tuple(items),
        (SET, Value::List(items)) => Value::Set(items),
        (FROZEN_SET, Value::List(items)) => Value::FrozenSet(items),
        (GLOBAL, Value::List(names)) => match <[Value<'de>; 2]>::try_from(names) {
            Ok([Value::Str(module), Value::Str(name)]) => Value::global(module, name),
            _ => return None,
        },
        (OBJECT, Value::List(parts)) => Value::Object(Box::new(object(parts)?)),
        (PERSISTENT_ID, Value::List(mut id)) => Value::PersistentId(Box::new(id.pop()?)),
        (EXTENSION, Value::Int(code)) => Value::Extension(u32::try_from(code).ok()?),
        (BUFFER, Value::Int(index)) => Value::Buffer(u32::try_from(index).ok()?),
        _ => return None,
    })
}

fn object(parts: Vec<Value<'_>>) -> Option<ObjectValue<'_>> {
    fn list(part: Value<'_>) -> Option<Vec<Value<'_>>> {
        match part {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
    fn dict(part: Value<'_>) -> Option<Vec<(Value<'_>, Value<'_>)>> {
        match part {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }
    let [class, is_new, args, kwargs, state, items, pairs, known] = <[Value<'_>; 8]>::try_from(parts).ok()?;
    let is_new = is_new.as_bool()?;
    let known = known.as_i64().and_then(|place| READINGS.get(usize::try_from(place).ok()?).copied());
    Some(ObjectValue {
        class,
        construct: if is_new { Construct::New } else { Construct::Call },
        args: list(args)?,
        kwargs: list(kwargs)?.pop().and_then(dict),
        state: list(state)?.pop(),
        items: list(items)?.pop().and_then(list),
        pairs: list(pairs)?.pop().and_then(dict),
        known,
    })
}

/// A variant's number from this crate's deserializers, or its name from another one.
enum Variant {
    Number(u32),
    Name(String),
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        struct VariantVisitor;

        impl Visitor<'_> for VariantVisitor {
            type Value = Variant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a variant")
            }

            fn visit_u32<E: serde::de::Error>(self, number: u32) -> core::result::Result<Variant, E> {
                Ok(Variant::Number(number))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> core::result::Result<Variant, E> {
                Ok(Variant::Name(String::from(name)))
            }
        }

        deserializer.deserialize_identifier(VariantVisitor)
    }
}

struct ValueVisitor;

macro_rules! visit_from {
    ($($method:ident $type:ty,)*) => {
        $(
            fn $method<E>(self, value: $type) -> core::result::Result<Value<'de>, E> {
                Ok(Value::from(value))
            }
        )*
    };
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value that Python has")
    }

    visit_from! {
        visit_bool bool,
        visit_i64 i64,
        visit_u64 u64,
        visit_i128 i128,
        visit_u128 u128,
        visit_f64 f64,
        visit_borrowed_str &'de str,
        visit_string String,
        visit_borrowed_bytes &'de [u8],
    }

    fn visit_str<E>(self, text: &str) -> core::result::Result<Value<'de>, E> {
        Ok(Value::from(String::from(text)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> core::result::Result<Value<'de>, E> {
        Ok(Value::Bytes(Vec::from(bytes).into()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> core::result::Result<Value<'de>, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_unit<E>(self) -> core::result::Result<Value<'de>, E> {
        Ok(Value::None)
    }

    fn visit_none<E>(self) -> core::result::Result<Value<'de>, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> core::result::Result<Value<'de>, D::Error> {
        Deserialize::deserialize(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        inner: D,
    ) -> core::result::Result<Value<'de>, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> core::result::Result<Value<'de>, A::Error> {
        // A length that is only declared reserves little.
        let mut items = Vec::with_capacity(access.size_hint().unwrap_or_default().min(1_024));
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> core::result::Result<Value<'de>, A::Error> {
        let mut pairs = Vec::with_capacity(access.size_hint().unwrap_or_default().min(1_024));
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Dict(pairs))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> core::result::Result<Value<'de>, A::Error> {
        let (variant, content) = access.variant::<Variant>()?;
        match variant {
            Variant::Number(number) => rebuild(number, content.newtype_variant()?)
                .ok_or_else(|| A::Error::custom("a variant that this crate does not write")),
            Variant::Name(name) => {
                let pair = (Value::from(name), content.newtype_variant()?);
                Ok(Value::Dict(Vec::from([pair])))
            }
        }
    }
}
