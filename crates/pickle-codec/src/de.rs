//! serde's reading side: Rust types out of pickles, documents and values.
//!
//! What stands in the input as it is, is lent from it. Shared objects are read again at each place,
//! and every place is charged; serde's visitors recurse, so depth is capped.

mod source;
mod value;

use alloc::string::ToString;
use core::cell::Cell;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use crate::decode::Decoder;
use crate::document::walk;
use crate::document::{Document, NodeRef};
use crate::options::{DecodeOptions, Limits};
use crate::repr::MAX_DECIMAL_BITS;
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};
use source::{Map, Seq, Shape, Source, Text, Want};

/// Reads a Rust value from an input that is one pickle, with the default options.
///
/// Text and bytes can be borrowed. Structs are read from dicts; from an instance (under
/// [`Globals::Known`](crate::Globals::Known) with its name allowed, or
/// [`Globals::Inert`](crate::Globals::Inert)) by its state, or by place from its arguments. Enums
/// are as in `serde_json`: text, or a dict with one key.
///
/// | Python | reads as |
/// |---|---|
/// | `None` | `()`, `None` of an `Option` |
/// | `int` | any integer or float; beyond 128 bits a `String` of its digits |
/// | `float`, `bool` | the same |
/// | `str` | `&str`, `String`, `char`, a unit variant |
/// | `bytes`, `bytearray` | bytes (`serde_bytes`), text if it is UTF-8 |
/// | list, tuple, set, frozenset, `deque` | a sequence or a tuple |
/// | dict, `OrderedDict`, `defaultdict`, `Counter` | a map or a struct |
/// | datetime, date, time, timezone | text in ISO format |
/// | `Decimal`, `Fraction`, `UUID`, paths, `ipaddress` | text; a `Decimal` also a float |
/// | timedelta | `(days, seconds, microseconds)` |
/// | complex, range, slice | a sequence of their two or three numbers |
/// | enum member, subclass of a built-in type | its value |
/// | exception | a map of `class` and `args` |
/// | global | its name as text |
/// | other objects | their state, pairs, items or arguments |
///
/// # Errors
/// As [`Decoder::decode`]; `data` if the pickle does not fit the type; `recursive`, `depth` and
/// `budget` as [`NodeRef::to_value_with`].
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
pub fn from_slice<'de, T: de::Deserialize<'de>>(input: &'de [u8]) -> Result<T> {
    from_slice_with(input, &DecodeOptions::new())
}

/// Reads a Rust value from an input that is one pickle; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`].
pub fn from_slice_with<'de, T: de::Deserialize<'de>>(input: &'de [u8], options: &DecodeOptions) -> Result<T> {
    let document = Decoder::with_options(options.clone()).decode(input)?;
    from_node_with(document.root(), options.limits_set())
}

/// Reads a Rust value from the root of a document, with the default limits; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`], but for those of decoding.
pub fn from_document<'de, T: de::Deserialize<'de>>(document: &Document<'de>) -> Result<T> {
    from_node_with(document.root(), &Limits::default())
}

/// Reads a Rust value from a node, with the default limits; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`], but for those of decoding.
pub fn from_node<'de, T: de::Deserialize<'de>>(node: NodeRef<'_, 'de>) -> Result<T> {
    from_node_with(node, &Limits::default())
}

/// Reads a Rust value from a node; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`], but for those of decoding.
pub fn from_node_with<'de, T: de::Deserialize<'de>>(node: NodeRef<'_, 'de>, limits: &Limits) -> Result<T> {
    let context = Context::of_node(node, limits);
    T::deserialize(De { source: Source::Node(node), context: &context, depth: 0 }).map_err(|error| {
        let kind = walk::limit_or_cycle(error.kind(), node);
        if kind == error.kind() { error } else { Error::plain(kind) }
    })
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
pub fn from_value<'de, T: de::Deserialize<'de>>(value: Value<'de>) -> Result<T> {
    T::deserialize(value)
}

/// What all deserializers of one read share.
struct Context {
    left: Cell<usize>,
    max_depth: usize,
}

impl Context {
    fn of_node(node: NodeRef<'_, '_>, limits: &Limits) -> Self {
        let left = Cell::new(limits.expansion(node.document().input_len()));
        Self { left, max_depth: limits.value_depth() }
    }

    /// A value is a tree: what it holds is in memory already.
    fn of_value() -> Self {
        Self { left: Cell::new(usize::MAX), max_depth: Limits::default().max_value_depth.max(1_024) }
    }

    fn charge(&self, bytes: usize) -> Result<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Error::plain(ErrorKind::Budget)),
        }
    }
}

/// The deserializer of one node or value.
struct De<'c, 'd, 'de> {
    source: Source<'d, 'de>,
    context: &'c Context,
    /// Containers around it.
    depth: usize,
}

impl<'c, 'd, 'de> De<'c, 'd, 'de> {
    fn child(&self, source: Source<'d, 'de>) -> Self {
        De { source, context: self.context, depth: self.depth + 1 }
    }

    /// Goes one container deeper.
    fn enter(&self) -> Result<()> {
        if self.depth < self.context.max_depth {
            return Ok(());
        }
        let kind = match &self.source {
            Source::Node(node) => walk::limit_or_cycle(ErrorKind::Depth, *node),
            _ => ErrorKind::Depth,
        };
        Err(Error::plain(kind))
    }

    fn visit<V: Visitor<'de>>(mut self, want: Want, visitor: V) -> Result<V::Value> {
        let source = core::mem::replace(&mut self.source, Source::NONE);
        let shape = source.open(want, self.context)?;
        match shape {
            Shape::None => visitor.visit_unit(),
            Shape::Bool(value) => visitor.visit_bool(value),
            Shape::Int(value) => visitor.visit_i64(value),
            Shape::Big(value) => visit_big(&value, want, visitor),
            Shape::Float(value) => visitor.visit_f64(value),
            Shape::Str(Text::Input(text)) => visitor.visit_borrowed_str(text),
            Shape::Str(Text::Document(text)) => visitor.visit_str(text),
            Shape::Str(Text::Owned(text)) => visitor.visit_string(text),
            Shape::Decimal(text) => match (want, text.parse()) {
                (Want::Float, Ok(value)) => visitor.visit_f64(value),
                _ => visitor.visit_string(text),
            },
            Shape::Surrogates => {
                Err(Error::message("text with lone surrogates; Surrogates::Replace makes it readable"))
            }
            Shape::Input(bytes) => visitor.visit_borrowed_bytes(bytes),
            Shape::Document(bytes) => visitor.visit_bytes(bytes),
            Shape::Owned(bytes) => visitor.visit_byte_buf(bytes),
            Shape::Seq(mut items) => {
                self.source = items.peek();
                self.enter()?;
                let len = items.len();
                if len == 0 && want == Want::Unit {
                    return visitor.visit_unit();
                }
                let value = visitor.visit_seq(SeqAccess { items: &mut items, de: &self })?;
                if items.len() == 0 {
                    Ok(value)
                } else {
                    Err(de::Error::invalid_length(len, &"fewer items in the sequence"))
                }
            }
            Shape::Map(mut pairs) => {
                self.source = pairs.peek();
                self.enter()?;
                let len = pairs.len();
                let value =
                    visitor.visit_map(MapAccess { pairs: &mut pairs, value: Source::NONE, de: &self })?;
                if pairs.len() == 0 {
                    Ok(value)
                } else {
                    Err(de::Error::invalid_length(len, &"fewer pairs in the map"))
                }
            }
        }
    }
}

/// The smallest of serde's integers that holds it; beyond 128 bits its digits.
#[cold]
fn visit_big<'de, V: Visitor<'de>>(value: &num_bigint::BigInt, want: Want, visitor: V) -> Result<V::Value> {
    if want == Want::Float {
        // Longer ones are infinite as a float.
        let float = if value.bits() > 1_100 {
            if value.sign() == num_bigint::Sign::Minus { f64::NEG_INFINITY } else { f64::INFINITY }
        } else {
            value.to_string().parse().unwrap_or(f64::NAN)
        };
        return visitor.visit_f64(float);
    }
    if let Ok(value) = u64::try_from(value) {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = i128::try_from(value) {
        return visitor.visit_i128(value);
    }
    if let Ok(value) = u128::try_from(value) {
        return visitor.visit_u128(value);
    }
    // As many digits as CPython prints.
    if value.bits() > MAX_DECIMAL_BITS {
        return Err(Error::message("an integer of more than 4,300 digits"));
    }
    visitor.visit_string(value.to_string())
}

macro_rules! any {
    ($($method:ident $want:ident,)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                self.visit(Want::$want, visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for De<'_, '_, 'de> {
    type Error = Error;

    any! {
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
        deserialize_seq Seq,
        deserialize_map Map,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.source.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.visit(Want::Unit, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == value::NAME {
            let value = self.source.into_value(self.context, self.depth)?;
            return value::hand_over(value, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.visit(Want::Seq, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.visit(Want::Seq, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.visit(Want::Map, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let De { source, context, depth } = self;
        match source.open(Want::Any, context)? {
            Shape::Str(Text::Input(text)) => visitor.visit_enum(BorrowedStrDeserializer::<Error>::new(text)),
            Shape::Str(Text::Document(text)) => visitor.visit_enum(text.into_deserializer()),
            Shape::Str(Text::Owned(text)) => visitor.visit_enum(text.into_deserializer()),
            Shape::Map(mut pairs) if pairs.len() == 1 => match pairs.next() {
                Some((key, value)) => {
                    let de = |source| De { source, context, depth: depth + 1 };
                    let access = EnumAccess { key: de(key), value: de(value) };
                    access.value.enter()?;
                    visitor.visit_enum(access)
                }
                None => Err(Error::message("a dict without its only pair")),
            },
            Shape::Map(_) => Err(Error::message("an enum has to be text or a dict with one key")),
            _ => Err(Error::message("an enum has to be text or a dict with one key, not another type")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // An integer key must not pass for the place of a field.
        if self.source.is_text() {
            return self.visit(Want::Scalar, visitor);
        }
        Err(Error::message("a field or variant name has to be text"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

struct SeqAccess<'s, 'c, 'd, 'de> {
    items: &'s mut Seq<'d, 'de>,
    de: &'s De<'c, 'd, 'de>,
}

impl<'de> de::SeqAccess<'de> for SeqAccess<'_, '_, '_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match self.items.next() {
            Some(item) => seed.deserialize(self.de.child(item)).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct MapAccess<'s, 'c, 'd, 'de> {
    pairs: &'s mut Map<'d, 'de>,
    value: Source<'d, 'de>,
    de: &'s De<'c, 'd, 'de>,
}

impl<'de> de::MapAccess<'de> for MapAccess<'_, '_, '_, 'de> {
    type Error = Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match self.pairs.next() {
            Some((key, value)) => {
                self.value = value;
                seed.deserialize(self.de.child(key)).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let value = core::mem::replace(&mut self.value, Source::NONE);
        seed.deserialize(self.de.child(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

struct EnumAccess<'c, 'd, 'de> {
    key: De<'c, 'd, 'de>,
    value: De<'c, 'd, 'de>,
}

impl<'c, 'd, 'de> de::EnumAccess<'de> for EnumAccess<'c, 'd, 'de> {
    type Error = Error;
    type Variant = De<'c, 'd, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, De<'c, 'd, 'de>)> {
        Ok((seed.deserialize(self.key)?, self.value))
    }
}

impl<'de> de::VariantAccess<'de> for De<'_, '_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.visit(Want::Seq, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.visit(Want::Map, visitor)
    }
}

/// Implements serde's trait for a type by one method that makes a [`De`] of it.
macro_rules! through_de {
    ($type:ty, |$this:ident| $context:expr, $source:expr) => {
        impl<'de> Deserializer<'de> for $type {
            type Error = Error;

            through_de! { @methods |$this| $context, $source;
                deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32()
                deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32()
                deserialize_u64() deserialize_u128() deserialize_f32() deserialize_f64()
                deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
                deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq()
                deserialize_map() deserialize_identifier() deserialize_ignored_any()
                deserialize_unit_struct(name: &'static str)
                deserialize_newtype_struct(name: &'static str)
                deserialize_tuple(len: usize)
                deserialize_tuple_struct(name: &'static str, len: usize)
                deserialize_struct(name: &'static str, fields: &'static [&'static str])
                deserialize_enum(name: &'static str, variants: &'static [&'static str])
            }
        }

        impl<'de> IntoDeserializer<'de, Error> for $type {
            type Deserializer = Self;

            fn into_deserializer(self) -> Self {
                self
            }
        }
    };
    (@methods |$this:ident| $context:expr, $source:expr;
        $($method:ident($($argument:ident: $type:ty),*))*) => {
        $(
            fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value> {
                let $this = self;
                let context = $context;
                De { source: $source, context: &context, depth: 0 }.$method($($argument,)* visitor)
            }
        )*
    };
}

through_de!(NodeRef<'_, 'de>, |node| Context::of_node(node, &Limits::default()), Source::Node(node));
through_de!(Value<'de>, |value| Context::of_value(), Source::Value(value));

impl de::Error for Error {
    fn custom<T: core::fmt::Display>(message: T) -> Self {
        Self::message(message)
    }
}
