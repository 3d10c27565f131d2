//! Opening: tag and replay together.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Content, KeyId, KeyRing, Policy, Refusal, Replay, StreamId, Verifier};
use crate::error::Error;

/// Opens envelopes for one receiver.
///
/// This is the form for a single thread; `SharedOpener` (feature `std`) is the one for many.
#[derive(Clone, Debug)]
pub struct Opener {
    audience: Vec<u8>,
    verifier: Verifier,
    replay: Replay,
}

impl Opener {
    /// An opener that remembers nothing from before `start_ns`, nanoseconds since 1970, and accepts nothing from
    /// then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AudienceTooLong`](crate::ErrorKind::AudienceTooLong) above 65,535 bytes.
    pub fn new(ring: &KeyRing, audience: &[u8], policy: Policy, start_ns: i64) -> Result<Self, Error> {
        Self::with_replay(ring, audience, Replay::new(policy, start_ns))
    }

    /// An opener that goes on with a replay state, such as one from [`Replay::import`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_replay(ring: &KeyRing, audience: &[u8], replay: Replay) -> Result<Self, Error> {
        Ok(Self { audience: audience.to_vec(), verifier: Verifier::new(ring, audience)?, replay })
    }

    /// Checks an envelope and gives its payload, as a slice of it.
    ///
    /// `now_ns` is the receiver's time, in nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// The first check that failed; nothing is remembered of a refused message.
    pub fn open(&mut self, now_ns: i64, envelope: Bytes) -> Result<Opened, Refusal> {
        let verified = self.verifier.verify(now_ns, envelope)?;
        self.replay.check(now_ns, verified)
    }

    /// Takes another ring of keys from now on, for the same audience. The replay windows stay, also those of keys
    /// that are gone.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the keys stay as they were then.
    pub fn set_keys(&mut self, ring: &KeyRing) -> Result<(), Error> {
        self.verifier = Verifier::new(ring, &self.audience)?;
        Ok(())
    }

    /// The replay state, to be stored.
    #[must_use]
    pub const fn replay(&self) -> &Replay {
        &self.replay
    }
}

/// A message that was made with an accepted key, for this audience, and that was not here before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The payload: a slice of the envelope.
    pub payload: Bytes,
    /// What the sender says that the payload is.
    pub content: Content,
    /// The key that it was made with.
    pub key_id: KeyId,
    /// The sender's stream.
    pub stream_id: StreamId,
    /// The message's number in the stream.
    pub seq: u64,
    /// The sender's time, in nanoseconds since 1970.
    pub time_ns: i64,
    /// How many numbers of the stream were skipped right before this one: messages that are lost, or late.
    pub gap: u64,
    /// Whether this one was counted in an earlier `gap`, and came late. The sum of all gaps less the number of
    /// these is what is lost.
    pub fills_gap: bool,
    /// Whether the stream was not known before. What it sent earlier, if anything, is not counted as a gap.
    pub new_stream: bool,
}
