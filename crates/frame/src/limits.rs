//! The sizes that every part of the crate knows.

/// The bytes of a frame's length prefix.
pub const PREFIX_LEN: usize = 4;

/// The longest payload that is taken unless the caller says otherwise: 1 MiB.
///
/// A stock record has about 600 bytes. The words that other protocols begin with read as lengths of 370 MB
/// and more, so this cap also tells them apart from a sender of log records (see [`Stranger`](crate::Stranger)).
pub const DEFAULT_MAX_FRAME_LEN: u32 = 1 << 20;
