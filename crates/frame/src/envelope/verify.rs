//! Reading an envelope up to its tag, without any state that changes.

use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes};
use hmac::Mac;

use super::key::Prepared;
use super::{Content, FIXED_HEADER_LEN, Key, KeyId, KeyRing, MAGIC, Refusal, StreamId, TAG_LEN};
use crate::error::Error;

/// Checks tags: a ring of keys, made ready for one audience.
///
/// It never changes, so that many threads can share it. What it has verified is not yet opened: only
/// [`Replay::check`](super::Replay::check) says whether it was here before.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<(Key, Prepared)>,
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
            .map(|key| Ok((key.clone(), key.begin(audience)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self { keys })
    }

    /// Checks form, key and tag of an envelope. Nothing is copied.
    ///
    /// `now_ns` counts only for keys that begin or end at some time.
    ///
    /// # Errors
    ///
    /// The first check that failed. A wrong key, a wrong audience and a changed byte are one and the same
    /// [`Refusal::BadMac`], and take the same time.
    #[inline]
    pub fn verify(&self, now_ns: i64, mut envelope: Bytes) -> Result<Verified, Refusal> {
        // 4.1: The magic stands before everything else; there is no second form to fall back to.
        let Some((magic, rest)) = envelope.split_first_chunk::<4>() else {
            return Err(if !envelope.is_empty() && MAGIC.starts_with(&envelope) {
                Refusal::Truncated
            } else {
                Refusal::Unsigned
            });
        };
        if *magic != MAGIC {
            return Err(if magic.starts_with(&MAGIC[..3]) { Refusal::Version } else { Refusal::Unsigned });
        }
        // 4.2: All lengths are checked before any of the parts is used.
        let Some((&[algorithm, flags, id_len], rest)) = rest.split_first_chunk::<3>() else {
            return Err(Refusal::Truncated);
        };
        let id_len = usize::from(id_len);
        if !(1..=KeyId::MAX_LEN).contains(&id_len) {
            return Err(Refusal::Malformed);
        }
        let (Some((id, rest)), header_len) =
            (rest.split_at_checked(id_len), FIXED_HEADER_LEN.saturating_add(id_len))
        else {
            return Err(Refusal::Truncated);
        };
        let (Some((mut fields, _)), Some((signed, tag))) =
            (rest.split_at_checked(FIELDS_LEN), envelope.split_last_chunk::<TAG_LEN>())
        else {
            return Err(Refusal::Truncated);
        };
        let Some((header, payload)) = signed.split_at_checked(header_len) else {
            return Err(Refusal::Truncated);
        };
        let payload_len = u32::try_from(payload.len()).map_err(|_| Refusal::Malformed)?;

        // 4.3: The id finds the key; the key says the algorithm.
        let Some((key, begun)) = self.keys.iter().find(|(key, _)| key.has_id(id)) else {
            return Err(Refusal::UnknownKey);
        };
        if key.algorithm().number() != algorithm {
            return Err(Refusal::Algorithm);
        }
        if !key.is_valid_at(now_ns) {
            return Err(Refusal::KeyExpired);
        }

        // 4.4: The tag covers label, audience, header, the payload's length and the payload.
        let mut mac = begun.clone();
        mac.update(header);
        mac.update(&payload_len.to_be_bytes());
        mac.update(payload);
        mac.verify_slice(tag).map_err(|_| Refusal::BadMac)?;

        // 4.5: From here on the header is the sender's word.
        let content = Content::from_flags(flags).ok_or(Refusal::Flags)?;
        let mut stream_id = [0; 16];
        fields.copy_to_slice(&mut stream_id);
        let (seq, time_ns) = (fields.get_u64(), fields.get_i64());
        let key_id = key.id();
        let payload_end = signed.len();
        envelope.truncate(payload_end);
        envelope.advance(header_len);
        Ok(Verified { payload: envelope, content, key_id, stream_id: stream_id.into(), seq, time_ns })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(key, _)| key)).finish()
    }
}

/// An envelope whose tag is right, and which may still be a replay.
///
/// Its payload is out of reach until [`Replay::check`](super::Replay::check) has seen it.
#[derive(Clone)]
pub struct Verified {
    pub(super) payload: Bytes,
    pub(super) content: Content,
    pub(super) key_id: KeyId,
    pub(super) stream_id: StreamId,
    pub(super) seq: u64,
    pub(super) time_ns: i64,
}

impl Verified {
    /// The key that the message was made with.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The stream that it belongs to.
    #[must_use]
    pub const fn stream_id(&self) -> StreamId {
        self.stream_id
    }

    /// Its number in the stream.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The sender's time, in nanoseconds since 1970.
    #[must_use]
    pub const fn time_ns(&self) -> i64 {
        self.time_ns
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("key_id", &self.key_id)
            .field("stream_id", &self.stream_id)
            .field("seq", &self.seq)
            .field("time_ns", &self.time_ns)
            .finish_non_exhaustive()
    }
}

/// Stream id, number and time: the end of the header.
const FIELDS_LEN: usize = 32;
