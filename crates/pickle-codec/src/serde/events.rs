//! What a serializer writes to, be it a pickle or a tape.

use crate::wire::error::Result;

/// What a serializer writes to: a pickle, or a tape where a length is not known yet.
pub(super) trait Events {
    fn none(&mut self) -> Result<()>;
    fn bool(&mut self, value: bool) -> Result<()>;
    fn int(&mut self, value: i64) -> Result<()>;
    fn int_le(&mut self, bytes: &[u8]) -> Result<()>;
    fn float(&mut self, value: f64) -> Result<()>;
    /// Text that is valid WTF-8.
    fn text(&mut self, bytes: &[u8]) -> Result<()>;
    /// The name of a field or variant of a Rust type.
    fn identifier(&mut self, name: &'static str) -> Result<()> {
        self.text(name.as_bytes())
    }
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    fn bytearray(&mut self, bytes: &[u8]) -> Result<()>;
    /// A value as a pickle of its own.
    fn pickle(&mut self, pickle: &[u8]) -> Result<()>;
    fn begin(&mut self, shape: Container, len: usize) -> Result<()>;
    fn end(&mut self) -> Result<()>;
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
