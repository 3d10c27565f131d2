//! Where a document's pickle goes: text and bytes are copied there, or shared with it.
//!
//! A document that is a whole pickle lives as long as the segments that are made of it, so that its text can be
//! shared. One that is a part of a larger pickle (an object inside of a [`Value`](crate::Value)) was made for
//! the moment, and is copied. The walk is the same; the lifetimes are not, which is why this is a trait.

use core::ops::{Deref, DerefMut};

use crate::encode::sink::Sink;
use crate::encode::writer::Writer;
use crate::wire::error::Result;

/// A writer, and what it does with text and bytes of the document.
pub(super) trait Target<'v, 'x, S>: DerefMut<Target = Writer<'x, S>> {
    fn text_of(&mut self, bytes: &'v [u8]) -> Result<()>;
    fn bytes_of(&mut self, bytes: &'v [u8]) -> Result<()>;
    fn bytearray_of(&mut self, bytes: &'v [u8]) -> Result<()>;
}

pub(super) struct Sharing<'w, 'v, S>(pub(super) &'w mut Writer<'v, S>);

pub(super) struct CopyingTo<'w, 'x, S>(pub(super) &'w mut Writer<'x, S>);

impl<'v, S> Deref for Sharing<'_, 'v, S> {
    type Target = Writer<'v, S>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<S> DerefMut for Sharing<'_, '_, S> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}

impl<'x, S> Deref for CopyingTo<'_, 'x, S> {
    type Target = Writer<'x, S>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<S> DerefMut for CopyingTo<'_, '_, S> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}

impl<'v, S: Sink<'v>> Target<'v, 'v, S> for Sharing<'_, 'v, S> {
    fn text_of(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.0.text_shared(bytes)
    }

    fn bytes_of(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.0.bytes_shared(bytes)
    }

    fn bytearray_of(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.0.bytearray_shared(bytes)
    }
}

impl<'v, 'x, S: Sink<'x>> Target<'v, 'x, S> for CopyingTo<'_, 'x, S> {
    fn text_of(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.0.text(bytes)
    }

    fn bytes_of(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.0.bytes(bytes)
    }

    fn bytearray_of(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.0.bytearray(bytes)
    }
}
