//! The deserializer of one node of a document.
//!
//! What stands in the input as it is, is lent from it. Shared objects are read again at each place,
//! and every place is charged; serde's visitors recurse, so depth is capped.

use alloc::string::{String, ToString};
use core::slice;

use ::serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use ::serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use super::node::{Context, De, through};
use super::value_de;
use super::view::{self, Part, SLOT, Shape, Want};
use crate::document::{BigIntRef, Document, Items, Kind, NodeId, NodeRef, Pairs, walk};
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::number::MAX_DECIMAL_BITS;

impl<'c, 'd, 'de> De<'c, 'd, 'de> {
    /// A number, text or constant as it is; everything else by its shape.
    #[inline]
    fn scalar<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        let id = self.node.id;
        match id.kind() {
            Kind::Small => {
                self.context.charge(SLOT)?;
                visitor.visit_i64(id.small_value())
            }
            Kind::Str => match self.node.document.strs.get(id.index()) {
                Some(text) => {
                    self.context.charge(SLOT + text.len())?;
                    visitor.visit_borrowed_str(text)
                }
                None => Err(Error::plain(ErrorKind::Type)),
            },
            Kind::Int => match self.node.document.ints.get(id.index()) {
                Some(value) => {
                    self.context.charge(SLOT)?;
                    visitor.visit_i64(*value)
                }
                None => Err(Error::plain(ErrorKind::Type)),
            },
            Kind::Constant if id != NodeId::EMPTY_TUPLE => {
                self.context.charge(SLOT)?;
                match id {
                    NodeId::TRUE => visitor.visit_bool(true),
                    NodeId::FALSE => visitor.visit_bool(false),
                    _ => visitor.visit_unit(),
                }
            }
            Kind::Float => match self.node.document.floats.get(id.index()) {
                Some(value) => {
                    self.context.charge(SLOT)?;
                    visitor.visit_f64(*value)
                }
                None => Err(Error::plain(ErrorKind::Type)),
            },
            _ => self.visit(want, visitor),
        }
    }

    /// The items of a list, tuple or set; whatever else by its shape.
    #[inline]
    fn seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.node.id.kind() {
            Kind::List | Kind::Tuple | Kind::Set | Kind::FrozenSet => {
                self.context.charge(SLOT)?;
                self.items(self.node.document.items(self.node.id), visitor)
            }
            _ => self.visit(Want::Seq, visitor),
        }
    }

    /// The pairs of a dict; whatever else by its shape.
    #[inline]
    fn map<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        match self.node.id.kind() {
            Kind::Dict => {
                self.context.charge(SLOT)?;
                self.pairs(want, self.node.document.items(self.node.id), &[], visitor)
            }
            _ => self.visit(want, visitor),
        }
    }

    #[inline]
    pub(super) fn items<V: Visitor<'de>>(self, ids: &'d [NodeId], visitor: V) -> Result<V::Value> {
        self.enter()?;
        let mut access = SeqAccess { ids: ids.iter(), len: ids.len(), de: self };
        let value = visitor.visit_seq(&mut access)?;
        if access.ids.len() == 0 {
            Ok(value)
        } else {
            Err(de::Error::invalid_length(ids.len(), &"fewer items in the sequence"))
        }
    }

    #[inline]
    fn pairs<V: Visitor<'de>>(
        self,
        want: Want,
        ids: &'d [NodeId],
        more: &'d [NodeId],
        visitor: V,
    ) -> Result<V::Value> {
        self.enter()?;
        let (pairs, _) = ids.as_chunks::<2>();
        let (more, _) = more.as_chunks::<2>();
        let mut access = MapAccess {
            pairs: pairs.iter(),
            more: more.iter(),
            pair: [NodeId::NONE; 2],
            fields: want == Want::Struct,
            de: self,
        };
        let value = visitor.visit_map(&mut access)?;
        if access.pairs.len() + access.more.len() == 0 {
            Ok(value)
        } else {
            Err(de::Error::invalid_length(pairs.len() + more.len(), &"fewer pairs in the map"))
        }
    }

    #[inline(never)]
    fn visit<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        let pairs_of = |pairs: Option<Pairs<'d, 'de>>| pairs.map_or(&[][..], |pairs| pairs.ids);
        match view::open(self.node, want, self.context)? {
            Shape::None => visitor.visit_unit(),
            Shape::Bool(value) => visitor.visit_bool(value),
            Shape::Int(value) => visitor.visit_i64(value),
            Shape::Big(value) => visit_big(value, want, visitor),
            Shape::Float(value) => visitor.visit_f64(value),
            Shape::Lent(text) => visitor.visit_borrowed_str(text),
            Shape::Str(text) => visitor.visit_str(text),
            Shape::Made(text) => visitor.visit_string(text),
            Shape::Decimal(text) => match (want, text.parse()) {
                (Want::Float, Ok(value)) => visitor.visit_f64(value),
                _ => visitor.visit_str(text),
            },
            Shape::LentBytes(bytes) if want == Want::Seq => self.bytes(bytes, visitor),
            Shape::Bytes(bytes) if want == Want::Seq => self.bytes(bytes, visitor),
            Shape::LentBytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Shape::Bytes(bytes) => visitor.visit_bytes(bytes),
            Shape::MadeBytes(bytes) => visitor.visit_byte_buf(bytes),
            Shape::Items(Items { ids: [], .. }) if want == Want::Unit => visitor.visit_unit(),
            Shape::Items(items) => self.items(items.ids, visitor),
            Shape::Pairs(pairs) => self.pairs(want, pairs.ids, &[], visitor),
            Shape::Slots([dict, slots]) => self.pairs(want, pairs_of(dict), pairs_of(slots), visitor),
            Shape::Nothing if want == Want::Seq => self.items(&[], visitor),
            Shape::Nothing => self.pairs(want, &[], &[], visitor),
            Shape::Complex(parts) => numbers(&parts, visitor),
            Shape::Delta(parts) => numbers(&parts, visitor),
            Shape::Parts(parts) => {
                self.enter()?;
                let parts = parts.into_iter().map(|(name, part)| (name, PartDe { part, de: self }));
                let mut access = MapDeserializer::new(parts);
                let value = visitor.visit_map(&mut access)?;
                access.end()?;
                Ok(value)
            }
        }
    }

    /// Bytes as a sequence of numbers, for `Vec<u8>` and `[u8; N]`.
    fn bytes<V: Visitor<'de>>(self, bytes: &[u8], visitor: V) -> Result<V::Value> {
        // What is made of a byte may take as much as a place.
        self.context.charge(bytes.len())?;
        numbers(bytes, visitor)
    }
}

/// Numbers as a sequence.
fn numbers<'de, T, V>(numbers: &[T], visitor: V) -> Result<V::Value>
where
    T: Copy + IntoDeserializer<'de, Error>,
    V: Visitor<'de>,
{
    let mut access = SeqDeserializer::new(numbers.iter().copied());
    let value = visitor.visit_seq(&mut access)?;
    access.end()?;
    Ok(value)
}

/// The smallest of serde's integers that holds it; beyond 128 bits its digits.
#[cold]
fn visit_big<'de, V: Visitor<'de>>(value: BigIntRef<'_>, want: Want, visitor: V) -> Result<V::Value> {
    let value = value.to_bigint();
    if want == Want::Float {
        // Longer ones are infinite as a float.
        let float = if value.bits() > 1_100 {
            if value.sign() == num_bigint::Sign::Minus { f64::NEG_INFINITY } else { f64::INFINITY }
        } else {
            value.to_string().parse().unwrap_or(f64::NAN)
        };
        return visitor.visit_f64(float);
    }
    if let Ok(value) = u64::try_from(&value) {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = i128::try_from(&value) {
        return visitor.visit_i128(value);
    }
    if let Ok(value) = u128::try_from(&value) {
        return visitor.visit_u128(value);
    }
    // As many digits as CPython prints.
    if value.bits() > MAX_DECIMAL_BITS {
        return Err(Error::message("an integer of more than 4,300 digits"));
    }
    visitor.visit_string(value.to_string())
}

macro_rules! scalars {
    ($($method:ident $want:ident,)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                self.scalar(Want::$want, visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for De<'_, '_, 'de> {
    type Error = Error;

    scalars! {
        deserialize_any Any,
        deserialize_bool Scalar,
        deserialize_i8 Scalar,
        deserialize_i16 Scalar,
        deserialize_i32 Scalar,
        deserialize_i64 Scalar,
        deserialize_i128 Scalar,
        deserialize_u8 Scalar,
        deserialize_u16 Scalar,
        deserialize_u32 Scalar,
        deserialize_u64 Scalar,
        deserialize_u128 Scalar,
        deserialize_f32 Float,
        deserialize_f64 Float,
        deserialize_char Scalar,
        deserialize_str Scalar,
        deserialize_string Scalar,
        deserialize_bytes Bytes,
        deserialize_byte_buf Bytes,
        deserialize_unit Unit,
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.map(Want::Map, visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.node.id == NodeId::NONE { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.visit(Want::Unit, visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == value_de::NAME {
            value_de::show(self, visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.seq(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.map(Want::Struct, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let ids = match view::open(self.node, Want::Any, self.context)? {
            Shape::Lent(text) => {
                return visitor.visit_enum(de::value::BorrowedStrDeserializer::<Error>::new(text));
            }
            Shape::Str(text) => return visitor.visit_enum(StrDeserializer::<Error>::new(text)),
            Shape::Made(text) => return visitor.visit_enum(text.into_deserializer()),
            Shape::Pairs(Pairs { ids, .. })
                if ids.len() == 2 && ids.first().is_some_and(|id| id.is_text()) =>
            {
                ids
            }
            // `(name, value)`, as serde-pickle writes it, and `(name,)`.
            Shape::Items(Items { ids, .. })
                if matches!(ids.len(), 1 | 2) && ids.first().is_some_and(|id| id.is_text()) =>
            {
                ids
            }
            _ => {
                return Err(Error::message(
                    "an enum has to be text, a dict from a name to a value, or a tuple of both",
                ));
            }
        };
        self.enter()?;
        let key = self.child(ids.first().copied().unwrap_or(NodeId::NONE));
        let value = ids.get(1).map(|&value| self.child(value));
        visitor.visit_enum(EnumAccess { key, value })
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // A struct's own keys come through `Field`; those of a map are as they are, and what is
        // flattened into a struct keeps them.
        self.scalar(Want::Scalar, visitor)
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

struct SeqAccess<'c, 'd, 'de> {
    ids: slice::Iter<'d, NodeId>,
    len: usize,
    de: De<'c, 'd, 'de>,
}

impl<'de> de::SeqAccess<'de> for &mut SeqAccess<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(&id) = self.ids.next() else { return Ok(None) };
        match seed.deserialize(self.de.child(id)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.at_item(self.len - self.ids.len() - 1)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.ids.len())
    }
}

struct MapAccess<'c, 'd, 'de> {
    pairs: slice::Iter<'d, [NodeId; 2]>,
    /// The pairs behind those.
    more: slice::Iter<'d, [NodeId; 2]>,
    /// The pair whose key was read last.
    pair: [NodeId; 2],
    /// The keys are the names of a struct's fields.
    fields: bool,
    de: De<'c, 'd, 'de>,
}

impl MapAccess<'_, '_, '_> {
    /// The text of the key that was read last.
    #[cold]
    fn key(&self) -> String {
        let [key, _] = self.pair;
        match self.de.node.document.text(key) {
            Some(text) => text.to_string_lossy(),
            None if key.kind() == Kind::Small => alloc::format!("{}", key.small_value()),
            None => String::from(stand_in(key)),
        }
    }
}

impl<'de> de::MapAccess<'de> for &mut MapAccess<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(&pair) = self.pairs.next().or_else(|| self.more.next()) else { return Ok(None) };
        self.pair = pair;
        let key = self.de.child(pair[0]);
        if self.fields { seed.deserialize(Field(key)).map(Some) } else { seed.deserialize(key).map(Some) }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        match seed.deserialize(self.de.child(self.pair[1])) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.at_key(&self.key())),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len() + self.more.len())
    }
}

/// A key of a dict that is read as a struct. Where Python has a key that is no text, the struct has no
/// such field; a number must not pass for the place of one.
struct Field<'c, 'd, 'de>(De<'c, 'd, 'de>);

impl<'de> Deserializer<'de> for Field<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.deserialize_any(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let id = self.0.node.id;
        match id.kind() {
            Kind::Str | Kind::Text | Kind::Bytes | Kind::Blob => self.0.scalar(Want::Scalar, visitor),
            _ => visitor.visit_str(stand_in(id)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    ::serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

/// What stands in messages for a key that is no text; no field of a struct is named so.
const fn stand_in(id: NodeId) -> &'static str {
    match id.kind() {
        Kind::Constant => "<constant>",
        Kind::Small | Kind::Int | Kind::Big => "<int>",
        Kind::Float => "<float>",
        Kind::Bytes | Kind::Blob | Kind::ByteArray => "<bytes>",
        Kind::Tuple => "<tuple>",
        _ => "<object>",
    }
}

struct EnumAccess<'c, 'd, 'de> {
    key: De<'c, 'd, 'de>,
    value: Option<De<'c, 'd, 'de>>,
}

impl<'c, 'd, 'de> de::EnumAccess<'de> for EnumAccess<'c, 'd, 'de> {
    type Error = Error;
    type Variant = Contents<'c, 'd, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Contents<'c, 'd, 'de>)> {
        Ok((seed.deserialize(self.key)?, Contents(self.value)))
    }
}

/// The contents of an enum's variant, if there are any.
struct Contents<'c, 'd, 'de>(Option<De<'c, 'd, 'de>>);

impl<'c, 'd, 'de> Contents<'c, 'd, 'de> {
    fn some(self) -> Result<De<'c, 'd, 'de>> {
        self.0.ok_or_else(|| Error::message("a variant without its contents"))
    }
}

impl<'de> de::VariantAccess<'de> for Contents<'_, '_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        self.0.map_or(Ok(()), de::Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.some()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.some()?.seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.some()?.map(Want::Struct, visitor)
    }
}

/// A named part of an object.
struct PartDe<'c, 'd, 'de> {
    part: Part<'d, 'de>,
    de: De<'c, 'd, 'de>,
}

impl<'de> IntoDeserializer<'de, Error> for PartDe<'_, '_, 'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

through!(PartDe<'_, '_, 'de>, |this, call, visitor| match this.part {
    Part::Text(text) => call!(de::value::StringDeserializer::<Error>::new(text)),
    Part::Node(node) => call!(this.de.child(node.id)),
});

through!(NodeRef<'_, 'de>, |this, call, visitor| {
    let context = Context::of(this.document);
    call!(De::new(this, &context)).map_err(|error| explained(error, this))
});

through!(&Document<'de>, |this, call, visitor| call!(this.root()));

through!(Value<'de>, |this, call, visitor| {
    let document = this.into_document()?;
    let context = Context::of_tree();
    call!(De::new(document.root(), &context))
});

impl<'de> IntoDeserializer<'de, Error> for NodeRef<'_, 'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> IntoDeserializer<'de, Error> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A cycle ends at one limit or the other; the cause is the cycle.
#[cold]
pub(super) fn explained(error: Error, node: NodeRef<'_, '_>) -> Error {
    let kind = walk::limit_or_cycle(error.kind(), node);
    error.of_kind(kind)
}

impl de::Error for Error {
    fn custom<T: core::fmt::Display>(message: T) -> Self {
        Self::message(message)
    }
}
