//! Reading an envelope up to its tag, without any state that changes.

use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes};
use hmac::Mac;

use super::key::Prepared;
use super::{
    ACK_DOMAIN, ACK_WANTED, DOMAIN, FIXED_HEADER_LEN, Key, KeyId, KeyRing, MAGIC, Refusal, Refused, Stamp,
    StreamId, TAG_LEN,
};
use crate::error::Error;

/// Checks tags, and makes those of acknowledgements: a ring of keys, made ready for one audience.
///
/// It never changes, so that many threads can share it. What it has verified is not yet opened: only
/// [`Replay::check`](super::Replay::check) says whether it was here before.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<ReadyKey>,
}

/// A key, and HMAC after its secret, a label and the audience.
#[derive(Clone)]
pub(super) struct ReadyKey {
    pub(super) key: Key,
    /// What the tag of a message begins with.
    pub(super) message: Prepared,
    /// What the tag of an acknowledgement begins with.
    pub(super) ack: Prepared,
}

impl Verifier {
    /// Makes the keys of a ring ready to check messages for `audience`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AudienceTooLong`](crate::ErrorKind::AudienceTooLong) above 65,535 bytes.
    pub fn new(ring: &KeyRing, audience: &[u8]) -> Result<Self, Error> {
        let keys = ring
            .keys()
            .iter()
            .map(|key| {
                Ok(ReadyKey {
                    key: key.clone(),
                    message: key.begin(DOMAIN, audience)?,
                    ack: key.begin(ACK_DOMAIN, audience)?,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { keys })
    }

    /// The key that a message means.
    pub(super) fn find(&self, id: &[u8]) -> Option<&ReadyKey> {
        self.keys.iter().find(|ready| ready.key.has_id(id))
    }

    /// Checks form, key and tag of an envelope. Nothing is copied.
    ///
    /// `now_ns` counts only for keys that begin or end at some time.
    ///
    /// # Errors
    ///
    /// The first check that failed. A wrong key, a wrong audience and a changed byte are one and the same
    /// [`Refusal::BadMac`], and take the same time. Flags are looked at only behind a right tag, so that
    /// [`Refusal::Flags`] says whose message it is.
    #[allow(clippy::result_large_err, reason = "what is verified is larger still")]
    #[inline]
    pub fn verify(&self, now_ns: i64, mut envelope: Bytes) -> Result<Verified, Refused> {
        // 4.1: The magic stands before everything else; there is no second form to fall back to.
        let Some((magic, rest)) = envelope.split_first_chunk::<4>() else {
            let is_beginning = !envelope.is_empty() && MAGIC.starts_with(&envelope);
            return Err(if is_beginning { Refusal::Truncated } else { Refusal::Unsigned }.into());
        };
        if *magic != MAGIC {
            let is_other = magic.starts_with(&MAGIC[..3]);
            return Err(if is_other { Refusal::Version } else { Refusal::Unsigned }.into());
        }
        // 4.2: All lengths are checked before any of the parts is used.
        let Some((&[algorithm, flags, id_len], rest)) = rest.split_first_chunk::<3>() else {
            return Err(Refusal::Truncated.into());
        };
        let id_len = usize::from(id_len);
        if !(1..=KeyId::MAX_LEN).contains(&id_len) {
            return Err(Refusal::Malformed.into());
        }
        let (Some((id, rest)), header_len) =
            (rest.split_at_checked(id_len), FIXED_HEADER_LEN.saturating_add(id_len))
        else {
            return Err(Refusal::Truncated.into());
        };
        let (Some((mut fields, _)), Some((signed, tag))) =
            (rest.split_at_checked(FIELDS_LEN), envelope.split_last_chunk::<TAG_LEN>())
        else {
            return Err(Refusal::Truncated.into());
        };
        let Some((header, payload)) = signed.split_at_checked(header_len) else {
            return Err(Refusal::Truncated.into());
        };
        let payload_len = u32::try_from(payload.len()).map_err(|_| Refusal::Malformed)?;

        // 4.3: The id finds the key; the key says the algorithm.
        let Some(ReadyKey { key, message: begun, .. }) = self.find(id) else {
            return Err(Refusal::UnknownKey.into());
        };
        if key.algorithm().number() != algorithm {
            return Err(Refusal::Algorithm.into());
        }
        if !key.is_valid_at(now_ns) {
            return Err(Refusal::KeyExpired.into());
        }

        // 4.4: The tag covers label, audience, header, the payload's length and the payload.
        let mut mac = begun.clone();
        mac.update(header);
        mac.update(&payload_len.to_be_bytes());
        mac.update(payload);
        mac.verify_slice(tag).map_err(|_| Refusal::BadMac)?;

        // 4.5: From here on the header is the sender's word.
        let mut stream_id = [0; 16];
        fields.copy_to_slice(&mut stream_id);
        let (seq, time_ns) = (fields.get_u64(), fields.get_i64());
        let stamp = Stamp {
            key_id: key.id(),
            stream_id: stream_id.into(),
            seq,
            time_ns,
            wants_ack: flags & ACK_WANTED != 0,
        };
        if flags & !ACK_WANTED != 0 {
            return Err(Refused::stamped(Refusal::Flags, stamp));
        }
        let payload_end = signed.len();
        envelope.truncate(payload_end);
        envelope.advance(header_len);
        Ok(Verified { payload: envelope, stamp })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|ready| &ready.key)).finish()
    }
}

/// An envelope whose tag is right, and which may still be a replay.
///
/// Its payload is out of reach until [`Replay::check`](super::Replay::check) has seen it.
#[derive(Clone)]
pub struct Verified {
    pub(super) payload: Bytes,
    pub(super) stamp: Stamp,
}

impl Verified {
    /// Whose message it is: key, stream, number, time, and whether an acknowledgement is waited for.
    #[must_use]
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The key that the message was made with.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.stamp.key_id
    }

    /// The stream that it belongs to.
    #[must_use]
    pub const fn stream_id(&self) -> StreamId {
        self.stamp.stream_id
    }

    /// Its number in the stream.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.stamp.seq
    }

    /// The sender's time, in nanoseconds since 1970.
    #[must_use]
    pub const fn time_ns(&self) -> i64 {
        self.stamp.time_ns
    }

    /// Whether the sender waits for an acknowledgement. A receiver that gives none must refuse the message as
    /// [`Refusal::Flags`].
    #[must_use]
    pub const fn wants_ack(&self) -> bool {
        self.stamp.wants_ack
    }

    /// How long the payload is, so that room can be made for it before anything is remembered of the message.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// Refuses the message for a reason that the receiver has found itself, and says whose it was.
    #[must_use]
    pub const fn refuse(&self, refusal: Refusal) -> Refused {
        Refused::stamped(refusal, self.stamp)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// Stream id, number and time: the end of the header.
const FIELDS_LEN: usize = 32;
