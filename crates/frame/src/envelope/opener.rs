//! Opening: tag and replay together, for all connections of a receiver.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::vec::Vec;

use bytes::Bytes;

use super::{KeyRing, Opened, Policy, Refusal, Refused, Replay, Snapshot, Verifier};
use crate::error::Error;

/// Opens envelopes for one receiver, on as many threads as it has.
///
/// Tags are checked outside of any lock that matters; only the look at the replay state, some 100 ns, is made by
/// one thread at a time. Without the feature `std`, a [`Verifier`] and a [`Replay`] are the same in two steps.
///
/// ```
/// use bytes::Bytes;
/// use logrecord_frame::envelope::{KeyRing, Opener, Policy, Refusal};
///
/// let opener = Opener::new(&KeyRing::new(), b"central", Policy::new(), 0)?;
/// assert_eq!(opener.open(1, Bytes::from_static(b"}.")), Err(Refusal::Unsigned));
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
#[derive(Debug)]
pub struct Opener {
    audience: Vec<u8>,
    verifier: RwLock<Arc<Verifier>>,
    replay: Mutex<Replay>,
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
        let verifier = Arc::new(Verifier::new(ring, audience)?);
        Ok(Self { audience: audience.to_vec(), verifier: RwLock::new(verifier), replay: Mutex::new(replay) })
    }

    /// Checks an envelope and gives its payload, as a slice of it.
    ///
    /// `now_ns` is the receiver's time, in nanoseconds since 1970. A message that asks for an acknowledgement is
    /// refused as [`Refusal::Flags`], so that nobody waits for what does not come.
    ///
    /// # Errors
    ///
    /// The first check that failed; nothing is remembered of a refused message.
    #[allow(clippy::result_large_err, reason = "what is opened is larger still")]
    #[inline]
    pub fn open(&self, now_ns: i64, envelope: Bytes) -> Result<Opened, Refusal> {
        let verified = self.verifier().verify(now_ns, envelope)?;
        if verified.wants_ack() {
            return Err(Refusal::Flags);
        }
        Ok(self.with_replay_state(|replay| replay.check(now_ns, verified))?)
    }

    /// As [`open`](Self::open), for a stream connection on which acknowledgements go back: messages that ask for
    /// one are taken, too.
    ///
    /// A duplicate is [`Refusal::Replay`], and its [stamp](Refused::stamp) says what to acknowledge once that is
    /// stored.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), with the stream and the number where the sender is known.
    #[allow(clippy::result_large_err, reason = "what is opened is larger still")]
    pub fn open_with_acks(&self, now_ns: i64, envelope: Bytes) -> Result<Opened, Refused> {
        let verified = self.verifier().verify(now_ns, envelope)?;
        self.with_replay_state(|replay| replay.check(now_ns, verified))
    }

    /// The keys as they are now. A connection may keep them while it opens what it has read.
    #[must_use]
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another ring of keys from now on, for the same audience. The replay windows stay, also those of keys
    /// that are gone.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the keys stay as they were then.
    pub fn set_keys(&self, ring: &KeyRing) -> Result<(), Error> {
        let verifier = Arc::new(Verifier::new(ring, &self.audience)?);
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        Ok(())
    }

    /// The replay state as bytes for a file; see [`Replay::export`].
    #[must_use]
    pub fn export(&self, snapshot: Snapshot) -> Vec<u8> {
        self.with_replay_state(|replay| replay.export(snapshot))
    }

    /// Looks at the replay state, or changes it: for its counts, or to [restore](Replay::restore) it.
    ///
    /// Everybody else waits meanwhile.
    pub fn with_replay_state<T>(&self, use_it: impl FnOnce(&mut Replay) -> T) -> T {
        // Every change of the state is complete before a panic could come, so that a poisoned lock is still good.
        use_it(&mut self.replay.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
