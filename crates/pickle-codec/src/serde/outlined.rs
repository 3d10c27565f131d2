//! The deserializer of one token of an outline: what a pickle says that is a tree.
//!
//! Every method shows the visitor what the deserializer of a document's node would, and charges as much, so that it
//! makes no difference which of the two reads a pickle. Where a node would be looked at more closely (an integer
//! beyond 64 bits, an object), there is no outline in the first place.
//!
//! A place is its token's index and its depth. Going through a container is adding extents: the first item stands
//! behind the two tokens of the head, the next one behind whatever the last one takes. A visitor that ignores an item
//! (a field that a struct does not have) therefore skips all of it in one step.

use alloc::string::String;

use ::serde::de::{Deserialize, Visitor};

use super::de::{stand_in, visit_bytes};
use super::node::Context;
use super::place::{Place, Variant, deserializer, visit_items, visit_pairs};
use super::value_de;
use super::view::{SLOT, Want};
use crate::direct::Outline;
use crate::document::{Kind, NodeId};
use crate::options::DecodeOptions;
use crate::wire::error::{Error, ErrorKind, Result};

/// What all deserializers of one read share.
struct Read<'de> {
    outline: Outline<'de>,
    context: Context,
}

/// A value of an outline.
#[derive(Clone, Copy)]
struct Spot<'c, 'de> {
    read: &'c Read<'de>,
    /// The place of its token.
    at: u32,
    /// Containers around it.
    depth: u32,
}

/// Reads a Rust value straight from a pickle. Where it is no tree, or does not fit the type, the document
/// says why; then this tells the offset of the opcode of which the document's error will speak, if it is
/// known.
pub(super) fn read<'de, T: Deserialize<'de>>(
    input: &'de [u8],
    options: &DecodeOptions,
) -> Result<T, Option<usize>> {
    let outline = Outline::read(input, options).ok_or(None)?;
    let read = Read { outline, context: Context::new(&options.limits, input.len()) };
    T::deserialize(Spot { read: &read, at: 0, depth: 0 })
        .map_err(|error| read.outline.offset(input, options, usize::try_from(error.offset()).ok()?))
}

/// Never seen: an outline has an entry for each of its tokens, and where one is missing the document is read.
#[cold]
fn missing() -> Error {
    Error::plain(ErrorKind::Type)
}

impl<'c, 'de> Spot<'c, 'de> {
    #[inline]
    fn token(self) -> NodeId {
        self.read.outline.token(self.at as usize)
    }

    #[inline]
    fn charge(self, bytes: usize) -> Result<()> {
        self.read.context.charge(bytes)
    }

    #[inline]
    fn text(self, token: NodeId) -> Result<&'de str> {
        let text = *self.read.outline.strs.get(token.index()).ok_or_else(missing)?;
        self.charge(SLOT + text.len())?;
        Ok(text)
    }

    /// What it holds, after a check that it may nest so deep.
    #[inline]
    fn parts(self, token: NodeId) -> Result<Parts<'c, 'de>> {
        if self.depth as usize >= self.read.context.max_depth {
            return Err(Error::plain(ErrorKind::Depth));
        }
        let at = u32::try_from(Outline::first(self.at as usize)).unwrap_or(u32::MAX);
        Ok(Parts { next: Spot { at, depth: self.depth + 1, ..self }, left: token.index() })
    }

    #[inline]
    fn pairs<V: Visitor<'de>>(self, token: NodeId, want: Want, visitor: V) -> Result<V::Value> {
        visit_pairs(PairsOf(self.parts(token)?), want, visitor)
    }
}

/// The items of a container that are left.
struct Parts<'c, 'de> {
    next: Spot<'c, 'de>,
    left: usize,
}

impl<'c, 'de> Iterator for Parts<'c, 'de> {
    type Item = Spot<'c, 'de>;

    #[inline]
    fn next(&mut self) -> Option<Spot<'c, 'de>> {
        self.left = self.left.checked_sub(1)?;
        let spot = self.next;
        self.next.at = u32::try_from(spot.read.outline.next(spot.at as usize)).unwrap_or(u32::MAX);
        Some(spot)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Parts<'_, '_> {}

/// The pairs of a dict that are left. A key is one token, because an outline has only text and integers as keys, so
/// that the value stands right behind it.
struct PairsOf<'c, 'de>(Parts<'c, 'de>);

impl<'c, 'de> Iterator for PairsOf<'c, 'de> {
    type Item = (Spot<'c, 'de>, Spot<'c, 'de>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next;
        self.0.next.at += u32::from(self.0.left > 0);
        Some((key, self.0.next()?))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for PairsOf<'_, '_> {}

impl<'de> Place<'de> for Spot<'_, 'de> {
    #[inline]
    fn scalar<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        let token = self.token();
        match token.kind() {
            Kind::Small => {
                self.charge(SLOT)?;
                visitor.visit_i64(token.small_value())
            }
            Kind::Str => visitor.visit_borrowed_str(self.text(token)?),
            Kind::Float => {
                self.charge(SLOT)?;
                visitor.visit_f64(*self.read.outline.floats.get(token.index()).ok_or_else(missing)?)
            }
            _ => self.visit(want, visitor),
        }
    }

    #[inline]
    fn seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let token = self.token();
        if !matches!(token.kind(), Kind::List | Kind::Tuple) {
            return self.visit(Want::Seq, visitor);
        }
        self.charge(SLOT)?;
        visit_items(self.parts(token)?, visitor)
    }

    #[inline]
    fn map<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        let token = self.token();
        if token.kind() != Kind::Dict {
            return self.visit(want, visitor);
        }
        self.charge(SLOT)?;
        self.pairs(token, want, visitor)
    }

    #[inline(never)]
    fn visit<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        let token = self.token();
        let outline = &self.read.outline;
        if token.kind() == Kind::Str {
            return visitor.visit_borrowed_str(self.text(token)?);
        }
        self.charge(SLOT)?;
        match token.kind() {
            Kind::Small => visitor.visit_i64(token.small_value()),
            Kind::Int => visitor.visit_i64(*outline.ints.get(token.index()).ok_or_else(missing)?),
            Kind::Float => visitor.visit_f64(*outline.floats.get(token.index()).ok_or_else(missing)?),
            Kind::Constant => match token {
                NodeId::NONE => visitor.visit_unit(),
                NodeId::TRUE => visitor.visit_bool(true),
                NodeId::FALSE => visitor.visit_bool(false),
                _ => Err(missing()),
            },
            Kind::Bytes => {
                let bytes = *outline.bytes.get(token.index()).ok_or_else(missing)?;
                self.charge(bytes.len())?;
                if want == Want::Seq {
                    visit_bytes(bytes, &self.read.context, visitor)
                } else {
                    visitor.visit_borrowed_bytes(bytes)
                }
            }
            Kind::Dict => self.pairs(token, want, visitor),
            Kind::List | Kind::Tuple | Kind::Set | Kind::FrozenSet => {
                if want == Want::Unit && token.index() == 0 {
                    visitor.visit_unit()
                } else {
                    visit_items(self.parts(token)?, visitor)
                }
            }
            _ => Err(missing()),
        }
    }

    fn variant(self) -> Result<Option<Variant<'de, Self>>> {
        let token = self.token();
        let has_contents = match (token.kind(), token.index()) {
            (Kind::Str, _) => return self.text(token).map(|name| Some(Variant::Lent(name))),
            (Kind::Dict, 1) | (Kind::List | Kind::Tuple | Kind::Set | Kind::FrozenSet, 2) => true,
            (Kind::List | Kind::Tuple | Kind::Set | Kind::FrozenSet, 1) => false,
            _ => return Ok(None),
        };
        self.charge(SLOT)?;
        let name = self.parts(token)?.next;
        if name.token().kind() != Kind::Str {
            return Ok(None);
        }
        Ok(Some(Variant::Of(name, has_contents.then_some(Spot { at: name.at + 1, ..name }))))
    }

    fn show<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        value_de::show_items(self.token().kind(), self, visitor)
    }

    #[inline]
    fn is_none(self) -> bool {
        self.token() == NodeId::NONE
    }

    #[inline]
    fn stand_in(self) -> Option<&'static str> {
        stand_in(self.token().kind())
    }

    /// An error ends the attempt, and its path with it.
    fn step(self) -> Option<String> {
        None
    }

    /// It has no offset yet; until it leaves [`read`] it has the token's place instead.
    fn blamed(self, error: Error) -> Error {
        if error.path().is_empty() { error.shifted(self.at as usize) } else { error }
    }
}

deserializer!(Spot<'_, 'de>);
