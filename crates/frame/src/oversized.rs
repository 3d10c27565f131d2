//! A frame that is over the limit, as its receiver learns of it.

use core::fmt;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::limits::PREFIX_LEN;

/// The longest frame over the limit that can be skipped: 256 MiB. (wire-format 2.2)
///
/// Other protocols begin with words that read as more (see [`Stranger`](crate::Stranger)), so that a stream that
/// announces more is given up.
pub const MAX_SKIP_LEN: u32 = 256 << 20;

/// How many bytes of a frame over the limit are told.
pub(crate) const HEAD_LEN: usize = 64;

/// A frame whose prefix announces more than the receiver's limit.
///
/// From [`FrameDecoder::next_frame`](crate::FrameDecoder::next_frame). As an [`Error`] it is
/// [`ErrorKind::TooLong`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oversized {
    /// The payload length that the prefix announces.
    pub len: u32,
    /// The limit that it was held against.
    pub limit: u32,
    /// The first 64 bytes of the frame, prefix included; fewer only of a shorter frame, and of one that
    /// [cannot be skipped](Self::is_skippable), of which this is what had arrived.
    pub head: Bytes,
}

impl Oversized {
    /// Whether the stream can go on behind it: up to [`MAX_SKIP_LEN`].
    #[must_use]
    pub const fn is_skippable(&self) -> bool {
        self.len <= MAX_SKIP_LEN
    }

    /// The beginning of the payload: `head` behind the prefix.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.head.get(PREFIX_LEN..).unwrap_or_default()
    }
}

impl From<&Oversized> for Error {
    fn from(oversized: &Oversized) -> Self {
        Self::new(ErrorKind::TooLong, oversized.len, oversized.limit)
    }
}

impl From<Oversized> for Error {
    fn from(oversized: Oversized) -> Self {
        Self::from(&oversized)
    }
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(self).fmt(f)
    }
}

impl core::error::Error for Oversized {}

#[cfg(feature = "std")]
impl From<Oversized> for std::io::Error {
    /// `InvalidData`, with the [`Error`] inside.
    fn from(oversized: Oversized) -> Self {
        Error::from(oversized).into()
    }
}
