//! What serde's visitors are shown, whatever it is read from: one deserializer for the nodes of a document
//! and for the tokens of an outline, and the accesses to their parts.
//!
//! serde has thirty methods for what a type may ask for. A pickle answers most of them alike, because it says itself
//! what it holds, so that they come down to the four of [`Place`]: a scalar, a sequence, a map, or whatever it is.
//! What the type wanted goes along as a [`Want`], for the few places where it decides: bytes are a sequence for
//! `Vec<u8>`, a `Decimal` is a number for a float, an object is its attributes for a struct and its pairs for a map.
//!
//! # Errors say where
//!
//! An error is made where it happens and knows no place. It gets a step of its path at each access that it passes on
//! its way out, which costs a read that succeeds nothing; a place that can be found in the pickle puts its own name
//! in at the innermost one ([`Place::blamed`]).

use alloc::string::String;

use ::serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use ::serde::de::{self, DeserializeSeed, Deserializer, Visitor};

use super::view::Want;
use crate::wire::error::{Error, Result};

/// The name of the newtype by which a [`Value`](crate::Value) asks for all that a place holds: serde has no word for
/// that.
pub(super) const NAME: &str = "$pickle_codec::Value";

/// A value at its place in the result. Its type is serde's deserializer as well, by [`deserializer`].
pub(super) trait Place<'de>: Deserializer<'de, Error = Error> + Copy {
    /// A number, text or constant as it is; everything else by its shape.
    fn scalar<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value>;

    /// The items of a list, tuple or set; whatever else by its shape.
    fn seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value>;

    /// The pairs of a dict; whatever else by its shape.
    fn map<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value>;

    /// By its shape, whatever it is.
    fn visit<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value>;

    /// The variant that it names, if it can be read as an enum; charged as its shape is.
    fn variant(self) -> Result<Option<Variant<'de, Self>>>;

    /// Shows it to a [`Value`](crate::Value).
    fn show<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value>;

    fn is_none(self) -> bool;

    /// What stands in messages for a key that is neither text nor bytes; no field of a struct is named so.
    fn stand_in(self) -> Option<&'static str>;

    /// As a step of a path, if it is text or a small number. Asked when there is an error.
    fn step(self) -> Option<String>;

    /// An error about it, before it gets a path.
    fn blamed(self, error: Error) -> Error {
        error
    }
}

/// An enum as it stands in a pickle.
pub(super) enum Variant<'de, P> {
    /// A name alone, in the input.
    Lent(&'de str),
    /// A name alone, from elsewhere.
    Copied(String),
    /// A name, and contents if there are any.
    Of(P, Option<P>),
}

/// Implements serde's trait for a [`Place`].
macro_rules! deserializer {
    ($type:ty) => {
        impl<'de> ::serde::de::Deserializer<'de> for $type {
            type Error = crate::wire::error::Error;

            deserializer! { @scalars
                deserialize_any Any, deserialize_bool Scalar, deserialize_i8 Scalar, deserialize_i16 Scalar,
                deserialize_i32 Scalar, deserialize_i64 Scalar, deserialize_i128 Scalar,
                deserialize_u8 Scalar, deserialize_u16 Scalar, deserialize_u32 Scalar,
                deserialize_u64 Scalar, deserialize_u128 Scalar, deserialize_f32 Float,
                deserialize_f64 Float, deserialize_char Scalar, deserialize_str Scalar,
                deserialize_string Scalar, deserialize_bytes Bytes, deserialize_byte_buf Bytes,
                deserialize_unit Unit,
                // A struct's own keys come through `Field`; those of a map are as they are, and what is
                // flattened into a struct keeps them.
                deserialize_identifier Scalar,
            }

            #[inline]
            fn deserialize_seq<V: ::serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                self.seq(visitor)
            }

            #[inline]
            fn deserialize_map<V: ::serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                self.map(Want::Map, visitor)
            }

            #[inline]
            fn deserialize_option<V: ::serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                if self.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
            }

            fn deserialize_unit_struct<V: ::serde::de::Visitor<'de>>(
                self,
                _: &'static str,
                visitor: V,
            ) -> Result<V::Value> {
                self.visit(Want::Unit, visitor)
            }

            #[inline]
            fn deserialize_newtype_struct<V: ::serde::de::Visitor<'de>>(
                self,
                name: &'static str,
                visitor: V,
            ) -> Result<V::Value> {
                if name == crate::serde::place::NAME {
                    self.show(visitor)
                } else {
                    visitor.visit_newtype_struct(self)
                }
            }

            #[inline]
            fn deserialize_tuple<V: ::serde::de::Visitor<'de>>(
                self,
                _: usize,
                visitor: V,
            ) -> Result<V::Value> {
                self.seq(visitor)
            }

            #[inline]
            fn deserialize_tuple_struct<V: ::serde::de::Visitor<'de>>(
                self,
                _: &'static str,
                _: usize,
                visitor: V,
            ) -> Result<V::Value> {
                self.seq(visitor)
            }

            #[inline]
            fn deserialize_struct<V: ::serde::de::Visitor<'de>>(
                self,
                _: &'static str,
                _: &'static [&'static str],
                visitor: V,
            ) -> Result<V::Value> {
                self.map(Want::Struct, visitor)
            }

            fn deserialize_enum<V: ::serde::de::Visitor<'de>>(
                self,
                _: &'static str,
                _: &'static [&'static str],
                visitor: V,
            ) -> Result<V::Value> {
                crate::serde::place::enumeration(self, visitor)
            }

            #[inline]
            fn deserialize_ignored_any<V: ::serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                visitor.visit_unit()
            }
        }
    };
    (@scalars $($method:ident $want:ident,)*) => {
        $(
            #[inline]
            fn $method<V: ::serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                self.scalar(Want::$want, visitor)
            }
        )*
    };
}
pub(super) use deserializer;

/// A variant by its name, by a dict from its name to its contents, or by a tuple of both. The dict is what
/// `serde_json` would write and this crate writes; the tuple is what serde-pickle and many hand-written Python
/// programs do. A tuple of the name alone is a variant without contents.
pub(super) fn enumeration<'de, P: Place<'de>, V: Visitor<'de>>(place: P, visitor: V) -> Result<V::Value> {
    match place.variant()? {
        Some(Variant::Lent(name)) => visitor.visit_enum(BorrowedStrDeserializer::<Error>::new(name)),
        Some(Variant::Copied(name)) => visitor.visit_enum(StringDeserializer::<Error>::new(name)),
        Some(Variant::Of(name, contents)) => visitor.visit_enum(EnumAccess { name, contents }),
        None => {
            Err(Error::message("an enum has to be text, a dict from a name to a value, or a tuple of both"))
        }
    }
}

struct EnumAccess<P> {
    name: P,
    contents: Option<P>,
}

impl<'de, P: Place<'de>> de::EnumAccess<'de> for EnumAccess<P> {
    type Error = Error;
    type Variant = Contents<P>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Contents<P>)> {
        Ok((seed.deserialize(self.name)?, Contents(self.contents)))
    }
}

/// The contents of an enum's variant, if there are any.
struct Contents<P>(Option<P>);

impl<P> Contents<P> {
    fn some(self) -> Result<P> {
        self.0.ok_or_else(|| Error::message("a variant without its contents"))
    }
}

impl<'de, P: Place<'de>> de::VariantAccess<'de> for Contents<P> {
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

/// Shows the items of a sequence, all of which the visitor has to take: `(1, 2, 3)` is no pair.
#[inline]
pub(super) fn visit_items<'de, P: Place<'de>, V: Visitor<'de>>(
    items: impl ExactSizeIterator<Item = P>,
    visitor: V,
) -> Result<V::Value> {
    let len = items.len();
    let mut access = SeqAccess { items, len };
    let value = visitor.visit_seq(&mut access)?;
    if access.items.len() == 0 {
        Ok(value)
    } else {
        Err(de::Error::invalid_length(len, &"fewer items in the sequence"))
    }
}

struct SeqAccess<I> {
    items: I,
    len: usize,
}

impl<'de, P: Place<'de>, I: ExactSizeIterator<Item = P>> de::SeqAccess<'de> for &mut SeqAccess<I> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(item) = self.items.next() else { return Ok(None) };
        match seed.deserialize(item) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(item.blamed(error).at_item(self.len - self.items.len() - 1)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// Shows the pairs of a map or struct, all of which the visitor has to take.
#[inline]
pub(super) fn visit_pairs<'de, P: Place<'de>, V: Visitor<'de>>(
    pairs: impl ExactSizeIterator<Item = (P, P)>,
    want: Want,
    visitor: V,
) -> Result<V::Value> {
    let len = pairs.len();
    let mut access = MapAccess { pairs, pair: None, fields: want == Want::Struct };
    let value = visitor.visit_map(&mut access)?;
    if access.pairs.len() == 0 {
        Ok(value)
    } else {
        Err(de::Error::invalid_length(len, &"fewer pairs in the map"))
    }
}

struct MapAccess<P, I> {
    pairs: I,
    /// The pair whose key was read last.
    pair: Option<(P, P)>,
    /// The keys are the names of a struct's fields.
    fields: bool,
}

impl<'de, P: Place<'de>, I: ExactSizeIterator<Item = (P, P)>> de::MapAccess<'de> for &mut MapAccess<P, I> {
    type Error = Error;

    #[inline]
    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        self.pair = Some((key, value));
        if self.fields { seed.deserialize(Field(key)).map(Some) } else { seed.deserialize(key).map(Some) }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let Some((key, value)) = self.pair else {
            return Err(Error::message("a value was asked for before its key"));
        };
        match seed.deserialize(value) {
            Ok(value) => Ok(value),
            Err(error) => Err(at_key(value.blamed(error), key)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

#[cold]
fn at_key<'de, P: Place<'de>>(error: Error, key: P) -> Error {
    match key.step() {
        Some(step) => error.at_key(&step),
        None => error.at_key(key.stand_in().unwrap_or("<bytes>")),
    }
}

/// A key of a dict that is read as a struct. Where Python has a key that is no text, the struct has no
/// such field; a number must not pass for the place of one.
struct Field<P>(P);

impl<'de, P: Place<'de>> Deserializer<'de> for Field<P> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.deserialize_any(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.stand_in() {
            None => self.0.scalar(Want::Scalar, visitor),
            Some(name) => visitor.visit_str(name),
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
