//! What the header of a message says once its tag is right.

use core::fmt;

use super::{KeyId, Refusal, StreamId};

/// Whose message it is: the header's fields, which the tag has proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The key that the message was made with.
    pub key_id: KeyId,
    /// The sender's stream.
    pub stream_id: StreamId,
    /// The message's number in the stream.
    pub seq: u64,
    /// The sender's time, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Whether the sender waits for an acknowledgement.
    pub wants_ack: bool,
}

/// A message that was refused, and whose it is as far as that is certain.
///
/// Converts into the bare [`Refusal`] for those who answer nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    refusal: Refusal,
    stamp: Option<Stamp>,
}

impl Refused {
    pub(super) const fn stamped(refusal: Refusal, stamp: Stamp) -> Self {
        Self { refusal, stamp: Some(stamp) }
    }

    /// The check that failed.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// What the message's header says: `None` unless the refusal [is authentic](Refusal::is_authentic).
    #[must_use]
    pub const fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }
}

impl From<Refusal> for Refused {
    /// A refusal of what nobody has proven to have sent.
    fn from(refusal: Refusal) -> Self {
        Self { refusal, stamp: None }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        refused.refusal
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl core::error::Error for Refused {}
