//! How to encode.

use crate::protocol::Protocol;

/// How to encode a document or a value.
///
/// ```
/// use pickle_codec::{EncodeOptions, Protocol, decode};
/// let document = decode(b"]q\x00(X\x01\x00\x00\x00aq\x01h\x01e.")?;
/// let options = EncodeOptions::new(Protocol::V1).memo(false);
/// assert_eq!(document.to_vec_with(options)?, b"](X\x01\x00\x00\x00aq\x00h\x00e.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    pub(crate) protocol: Protocol,
    pub(crate) lean: bool,
}

impl EncodeOptions {
    /// This protocol, with all memo opcodes that CPython writes.
    #[must_use]
    pub const fn new(protocol: Protocol) -> Self {
        Self { protocol, lean: false }
    }

    /// Whether everything that CPython memoizes gets its memo opcode. Without, only an object that
    /// is met again has one: the pickle is smaller, and Python reads the same from it.
    #[must_use]
    pub const fn memo(mut self, memo: bool) -> Self {
        self.lean = !memo;
        self
    }

    /// The protocol that is set.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl From<Protocol> for EncodeOptions {
    fn from(protocol: Protocol) -> Self {
        Self::new(protocol)
    }
}
