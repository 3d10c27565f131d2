//! What a serializer writes to, be it a pickle or a tape, and the error between the two.

use alloc::boxed::Box;
use core::fmt;

use ::serde::ser;

use crate::wire::error::Error;

/// An [`Error`] behind a pointer. A struct's `serialize` looks at one result for each of its fields: of this
/// one it is a register that is zero or not.
pub(crate) struct Failed(Box<Error>);

/// The result of whatever may fail while a value is serialized.
pub(crate) type Done<T = ()> = Result<T, Failed>;

impl From<Error> for Failed {
    #[cold]
    fn from(error: Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<Failed> for Error {
    #[cold]
    fn from(Failed(error): Failed) -> Self {
        *error
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Failed {}

impl ser::Error for Failed {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Error::message(text).into()
    }
}

/// What a serializer writes to: a pickle, or a tape where a length is not known yet.
pub(super) trait Events {
    fn none(&mut self) -> Done;
    fn bool(&mut self, value: bool) -> Done;
    fn int(&mut self, value: i64) -> Done;
    fn int_le(&mut self, bytes: &[u8]) -> Done;
    fn float(&mut self, value: f64) -> Done;
    /// Text that is valid WTF-8.
    fn text(&mut self, bytes: &[u8]) -> Done;
    /// The name of a field or variant of a Rust type.
    fn identifier(&mut self, name: &'static str) -> Done {
        self.text(name.as_bytes())
    }
    fn bytes(&mut self, bytes: &[u8]) -> Done;
    fn bytearray(&mut self, bytes: &[u8]) -> Done;
    /// A value as a pickle of its own.
    fn pickle(&mut self, pickle: &[u8]) -> Done;
    fn begin(&mut self, shape: Container, len: usize) -> Done;
    fn end(&mut self) -> Done;
}

/// The containers that a pickle has opcodes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    List,
    Tuple,
    Dict,
    Set,
    FrozenSet,
}
