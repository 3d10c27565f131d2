//! What has passed every check.

use bytes::Bytes;

use super::{KeyId, Stamp, StreamId};

/// A message that was made with an accepted key, for this audience, and that was not here before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The payload: a slice of the envelope.
    pub payload: Bytes,
    /// The key that it was made with.
    pub key_id: KeyId,
    /// The sender's stream.
    pub stream_id: StreamId,
    /// The message's number in the stream.
    pub seq: u64,
    /// The sender's time, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Whether the sender waits for an acknowledgement.
    pub wants_ack: bool,
    /// How many numbers of the stream were skipped right before this one: messages that are lost, or late.
    pub gap: u64,
    /// Whether this one was counted in an earlier `gap` of the same state, and came late. The sum of all gaps less
    /// the number of these is what is lost; [`Replay::missing`](super::Replay::missing) counts it.
    pub fills_gap: bool,
    /// Whether the stream was not known before. What it sent earlier, if anything, is not counted as a gap.
    pub new_stream: bool,
}

impl Opened {
    /// Whose message it is.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        let Self { key_id, stream_id, seq, time_ns, wants_ack, .. } = *self;
        Stamp { key_id, stream_id, seq, time_ns, wants_ack }
    }
}
