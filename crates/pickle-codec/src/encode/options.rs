//! How to encode.

use crate::wire::protocol::Protocol;

/// How to encode a document or a value.
///
/// ```
/// use pickle_codec::{EncodeOptions, Protocol, decode};
/// let document = decode(b"]q\x00(X\x01\x00\x00\x00aq\x01h\x01e.")?;
/// let options = EncodeOptions::new(Protocol::V1).memo(false);
/// assert_eq!(document.to_vec_with(options)?, b"](X\x01\x00\x00\x00aq\x00h\x00e.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    pub(crate) protocol: Protocol,
    pub(crate) lean: bool,
    pub(crate) share_from: usize,
}

/// [`Protocol::DEFAULT`], with all memo opcodes.
impl Default for EncodeOptions {
    fn default() -> Self {
        Self::new(Protocol::DEFAULT)
    }
}

impl EncodeOptions {
    /// This protocol, with all memo opcodes that CPython writes.
    #[must_use]
    pub const fn new(protocol: Protocol) -> Self {
        Self { protocol, lean: false, share_from: DEFAULT_SHARE_FROM }
    }

    /// Whether everything that CPython memoizes gets its memo opcode. Without, only an object that
    /// is met again has one: the pickle is smaller, and Python reads the same from it.
    #[must_use]
    pub const fn memo(mut self, memo: bool) -> Self {
        self.lean = !memo;
        self
    }

    /// The length from which segments share text and bytes instead of copying them. Default:
    /// [`DEFAULT_SHARE_FROM`]. Elsewhere it has no effect.
    #[must_use]
    pub const fn share_from(mut self, len: usize) -> Self {
        // Nothing is shared for the sake of an empty piece.
        self.share_from = if len == 0 { 1 } else { len };
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

/// Text and bytes of this length are shared by default: 4 KiB. A piece costs the kernel some work,
/// and below this a copy is cheaper.
pub const DEFAULT_SHARE_FROM: usize = 4 << 10;
