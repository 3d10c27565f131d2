//! The deserializer of one node, and what all deserializers of one read share.
//!
//! # What a read may become
//!
//! A node that is shared is read once for each place that it has, so that nested lists of ten equal items each become
//! ten times as much with every level: 222 bytes may say a billion. Every place is charged
//! [`SLOT`](super::view::SLOT) bytes and the length of its text to one budget, that of
//! [`Limits::max_expansion`](crate::Limits::max_expansion), and a read that has used it up ends with `budget`. The
//! budget is counted down through a `Cell`, since serde passes deserializers by value. Depth is counted along,
//! because visitors recurse: the limit is that of a `Value`.

use core::cell::Cell;

use crate::document::{Document, NodeId, NodeRef};
use crate::limits::{Limits, ValueLimits};
use crate::wire::error::{Error, ErrorKind, Result};

/// What all deserializers of one read share.
pub(super) struct Context {
    left: Cell<usize>,
    pub(super) max_depth: usize,
}

impl Context {
    /// The limits of the document's own decode.
    pub(super) const fn of(document: &Document<'_>) -> Self {
        Self { left: Cell::new(document.limits.expansion), max_depth: document.limits.depth }
    }

    /// The limits of a read of an input of this length.
    pub(super) fn new(limits: &Limits, input_len: usize) -> Self {
        let limits = ValueLimits::new(limits, input_len);
        Self { left: Cell::new(limits.expansion), max_depth: limits.depth }
    }

    /// A value is a tree: what it holds is in memory already.
    pub(super) const fn of_tree() -> Self {
        Self { left: Cell::new(usize::MAX), max_depth: 1_024 }
    }

    /// Bytes that may still be produced.
    pub(super) const fn left(&self) -> usize {
        self.left.get()
    }

    #[inline]
    pub(super) fn charge(&self, bytes: usize) -> Result<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Error::plain(ErrorKind::Budget)),
        }
    }
}

/// The deserializer of one node.
#[derive(Clone, Copy)]
pub(super) struct De<'c, 'd, 'de> {
    pub(super) node: NodeRef<'d, 'de>,
    pub(super) context: &'c Context,
    /// Containers around it.
    pub(super) depth: usize,
}

impl<'c, 'd, 'de> De<'c, 'd, 'de> {
    pub(super) const fn new(node: NodeRef<'d, 'de>, context: &'c Context) -> Self {
        Self { node, context, depth: 0 }
    }

    #[inline]
    pub(super) const fn child(self, id: NodeId) -> Self {
        Self {
            node: NodeRef { document: self.node.document, id },
            context: self.context,
            depth: self.depth + 1,
        }
    }

    /// Containers that it may still hold in one another.
    pub(super) const fn depth_left(self) -> usize {
        self.context.max_depth.saturating_sub(self.depth)
    }

    /// Goes one container deeper.
    #[inline]
    pub(super) fn enter(self) -> Result<()> {
        if self.depth < self.context.max_depth { Ok(()) } else { Err(Error::plain(ErrorKind::Depth)) }
    }
}

/// Implements serde's trait for a type by one expression that carries out a method of a deserializer.
macro_rules! through {
    ($type:ty, |$this:ident, $call:ident, $visitor:ident| $body:expr) => {
        impl<'de> ::serde::de::Deserializer<'de> for $type {
            type Error = crate::wire::error::Error;

            through! { @methods |$this, $call, $visitor| $body;
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
    };
    (@methods |$this:ident, $call:ident, $visitor:ident| $body:expr;
        $($method:ident($($argument:ident: $argument_type:ty),*))*) => {
        $(
            fn $method<V: ::serde::de::Visitor<'de>>(
                self,
                $($argument: $argument_type,)*
                $visitor: V,
            ) -> crate::wire::error::Result<V::Value> {
                let $this = self;
                macro_rules! $call {
                    ($target:expr) => {
                        ::serde::de::Deserializer::$method($target, $($argument,)* $visitor)
                    };
                }
                $body
            }
        )*
    };
}
pub(super) use through;
