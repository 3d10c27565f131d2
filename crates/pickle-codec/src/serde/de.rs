//! The deserializer of one node of a document.
//!
//! What stands in the input as it is, is lent from it. Shared objects are read again at each place,
//! and every place is charged; serde's visitors recurse, so depth is capped.
//!
//! Scalars, lists and dicts, which are most of a document, are answered in `scalar`, `seq` and `map`. Everything else
//! goes through [`view::open`], which says what a node is to a visitor that wants this or that, and is matched once,
//! in `visit`. Charge and depth come before the visitor is called, because from then on the visitor decides what is
//! allocated.

use alloc::string::{String, ToString};
use core::slice;

use ::serde::de::value::{MapDeserializer, SeqDeserializer};
use ::serde::de::{self, IntoDeserializer, Visitor};

use super::node::{Context, De, through};
use super::place::{Place, Variant, deserializer, visit_items, visit_pairs};
use super::value_de;
use super::view::{self, Part, SLOT, Shape, Want};
use crate::document::{BigIntRef, Document, Items, Kind, NodeId, NodeRef, Pairs, walk};
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::number::MAX_DECIMAL_BITS;

impl<'c, 'd, 'de> Place<'de> for De<'c, 'd, 'de> {
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
            Shape::LentBytes(bytes) if want == Want::Seq => visit_bytes(bytes, self.context, visitor),
            Shape::Bytes(bytes) if want == Want::Seq => visit_bytes(bytes, self.context, visitor),
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

    fn variant(self) -> Result<Option<Variant<'de, Self>>> {
        let ids = match view::open(self.node, Want::Any, self.context)? {
            Shape::Lent(text) => return Ok(Some(Variant::Lent(text))),
            Shape::Str(text) => return Ok(Some(Variant::Copied(String::from(text)))),
            Shape::Made(text) => return Ok(Some(Variant::Copied(text))),
            Shape::Pairs(Pairs { ids, .. }) if ids.len() == 2 => ids,
            // `(name, value)`, as serde-pickle writes it, and `(name,)`.
            Shape::Items(Items { ids, .. }) if matches!(ids.len(), 1 | 2) => ids,
            _ => return Ok(None),
        };
        let Some(name) = ids.first().filter(|id| id.is_text()) else { return Ok(None) };
        self.enter()?;
        Ok(Some(Variant::Of(self.child(*name), ids.get(1).map(|&value| self.child(value)))))
    }

    fn show<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        value_de::show(self, visitor)
    }

    #[inline]
    fn is_none(self) -> bool {
        self.node.id == NodeId::NONE
    }

    #[inline]
    fn stand_in(self) -> Option<&'static str> {
        stand_in(self.node.id.kind())
    }

    fn step(self) -> Option<String> {
        let id = self.node.id;
        match self.node.document.text(id) {
            Some(text) => Some(text.to_string_lossy()),
            None if id.kind() == Kind::Small => Some(alloc::format!("{}", id.small_value())),
            None => None,
        }
    }
}

impl<'c, 'd, 'de> De<'c, 'd, 'de> {
    #[inline]
    pub(super) fn items<V: Visitor<'de>>(self, ids: &'d [NodeId], visitor: V) -> Result<V::Value> {
        self.enter()?;
        visit_items(ids.iter().map(move |&id| self.child(id)), visitor)
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
        visit_pairs(PairPlaces { pairs: pairs.iter(), more: more.iter(), de: self }, want, visitor)
    }
}

/// The pairs of a dict, or of the two dicts of an object's attributes: an object with `__slots__` has those of its
/// `__dict__`, and behind them those of its slots, and a struct is to see one map.
struct PairPlaces<'c, 'd, 'de> {
    pairs: slice::Iter<'d, [NodeId; 2]>,
    /// The pairs behind those.
    more: slice::Iter<'d, [NodeId; 2]>,
    de: De<'c, 'd, 'de>,
}

impl<'c, 'd, 'de> Iterator for PairPlaces<'c, 'd, 'de> {
    type Item = (De<'c, 'd, 'de>, De<'c, 'd, 'de>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let &[key, value] = self.pairs.next().or_else(|| self.more.next())?;
        Some((self.de.child(key), self.de.child(value)))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.pairs.len() + self.more.len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for PairPlaces<'_, '_, '_> {}

/// Bytes as a sequence of numbers, for `Vec<u8>` and `[u8; N]`.
pub(super) fn visit_bytes<'de, V: Visitor<'de>>(
    bytes: &[u8],
    context: &Context,
    visitor: V,
) -> Result<V::Value> {
    // What is made of a byte may take as much as a place.
    context.charge(bytes.len())?;
    numbers(bytes, visitor)
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

deserializer!(De<'_, '_, 'de>);

/// What stands in messages for a key that is neither text nor bytes; no field of a struct is named so.
pub(super) const fn stand_in(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Str | Kind::Text | Kind::Bytes | Kind::Blob => return None,
        Kind::Constant => "<constant>",
        Kind::Small | Kind::Int | Kind::Big => "<int>",
        Kind::Float => "<float>",
        Kind::ByteArray => "<bytes>",
        Kind::Tuple => "<tuple>",
        _ => "<object>",
    })
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

/// A cycle ends at one limit or the other; the cause is the cycle. Whether there is one is looked for only here, when
/// the read has failed, so that no read pays for it.
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
