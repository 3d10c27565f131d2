//! Checking a message that is longer than a receiver takes, while it goes by.
//!
//! Its sender waits to be told that it is refused, and nobody may be told in its name: so the tag is checked, over
//! bytes of which none but header and tag are kept.

use alloc::vec::Vec;
use core::fmt;

use bytes::Buf as _;
use hmac::Mac as _;

use super::key::Prepared;
use super::{ACK_WANTED, FIXED_HEADER_LEN, KeyId, MAGIC, Stamp, TAG_LEN, Verifier};

/// Where the length of the key id stands.
const ID_LEN_AT: usize = 6;

/// A message that goes by.
///
/// # Examples
///
/// ```
/// use logrecord_frame::envelope::{Key, KeyId, KeyRing, Passing, Sealer, Verifier};
///
/// let key = Key::new(KeyId::new(b"app")?, &[7; 32])?;
/// let mut ring = KeyRing::new();
/// ring.accept(key.clone())?;
/// let verifier = Verifier::new(&ring, b"")?;
/// let mut message = Vec::new();
/// Sealer::new(&key, b"", [9; 16])?.with_acks().seal_into(5, &[0; 100_000], &mut message)?;
///
/// let mut passing = Passing::new(message.len());
/// for piece in message.chunks(1_000) {
///     passing.feed(&verifier, 5, piece);
/// }
/// assert_eq!(passing.finish().unwrap().seq, 0);
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
pub struct Passing {
    /// Of the whole message.
    len: usize,
    seen: usize,
    header: Vec<u8>,
    /// Behind the header, if it names a key that counts.
    mac: Option<Prepared>,
    stamp: Option<Stamp>,
    tag: Vec<u8>,
}

impl Passing {
    /// A message of so many bytes, of which nothing has come yet.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        Self { len, seen: 0, header: Vec::new(), mac: None, stamp: None, tag: Vec::new() }
    }

    /// How many bytes are still to come.
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.len.saturating_sub(self.seen)
    }

    /// The next bytes. `now_ns` counts only for keys that begin or end at some time.
    pub fn feed(&mut self, verifier: &Verifier, now_ns: i64, bytes: &[u8]) {
        let mut rest = bytes.get(..self.missing()).unwrap_or(bytes);
        self.seen = self.seen.saturating_add(rest.len());
        if self.mac.is_none() {
            rest = self.feed_header(verifier, now_ns, rest);
        }
        let Some(mac) = &mut self.mac else { return };
        // What may be the tag is held back.
        self.tag.extend_from_slice(rest.get(rest.len().saturating_sub(TAG_LEN)..).unwrap_or_default());
        let held = rest.len().min(TAG_LEN);
        let surely = rest.get(..rest.len().saturating_sub(held)).unwrap_or_default();
        let over = self.tag.len().saturating_sub(TAG_LEN);
        // In order: what was held back before, then what has come now.
        let older = self.tag.len().saturating_sub(held);
        mac.update(self.tag.get(..over.min(older)).unwrap_or_default());
        mac.update(surely);
        mac.update(self.tag.get(over.min(older)..over).unwrap_or_default());
        self.tag.drain(..over);
    }

    /// Takes what belongs to the header, and gives what stands behind it.
    fn feed_header<'b>(&mut self, verifier: &Verifier, now_ns: i64, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        loop {
            let wanted = match self.header.get(ID_LEN_AT) {
                Some(&len) => FIXED_HEADER_LEN.saturating_add(usize::from(len)),
                None => ID_LEN_AT.saturating_add(1),
            };
            let step = wanted.saturating_sub(self.header.len());
            if step == 0 {
                break;
            }
            if rest.is_empty() {
                return rest;
            }
            let (piece, behind) = rest.split_at(step.min(rest.len()));
            self.header.extend_from_slice(piece);
            rest = behind;
        }
        self.begin(verifier, now_ns);
        rest
    }

    /// The header is there: the checks of a message, in short, because nobody is told of any of them.
    fn begin(&mut self, verifier: &Verifier, now_ns: i64) {
        let Some(payload_len) = self.len.checked_sub(self.header.len().saturating_add(TAG_LEN)) else {
            return;
        };
        let Ok(payload_len) = u32::try_from(payload_len) else { return };
        let Some((&MAGIC, [algorithm, flags, id_len, rest @ ..])) = self.header.split_first_chunk::<4>()
        else {
            return;
        };
        let id_len = usize::from(*id_len);
        let Some((id, mut fields)) = rest.split_at_checked(id_len) else { return };
        let is_id = (1..=KeyId::MAX_LEN).contains(&id_len);
        let Some(ready) = verifier.find(id).filter(|_| is_id) else { return };
        if ready.key.algorithm().number() != *algorithm || !ready.key.is_valid_at(now_ns) {
            return;
        }
        let mut mac = ready.message.clone();
        mac.update(&self.header);
        mac.update(&payload_len.to_be_bytes());
        let mut stream_id = [0; 16];
        fields.copy_to_slice(&mut stream_id);
        self.stamp = Some(Stamp {
            key_id: ready.key.id(),
            stream_id: stream_id.into(),
            seq: fields.get_u64(),
            time_ns: fields.get_i64(),
            wants_ack: *flags & ACK_WANTED != 0,
        });
        self.mac = Some(mac);
    }

    /// Whose message it was, if all of it has come and its tag is right.
    #[must_use]
    pub fn finish(self) -> Option<Stamp> {
        let is_whole = self.missing() == 0 && self.tag.len() == TAG_LEN;
        let mac = self.mac.filter(|_| is_whole)?;
        mac.verify_slice(&self.tag).ok()?;
        self.stamp
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passing").field("len", &self.len).field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Key, KeyRing, Sealer};
    use alloc::vec;

    fn pass(verifier: &Verifier, message: &[u8], piece: usize) -> Option<Stamp> {
        let mut passing = Passing::new(message.len());
        message.chunks(piece).for_each(|piece| passing.feed(verifier, 5, piece));
        passing.finish()
    }

    #[test]
    fn it_says_what_verifying_says_however_the_message_comes() {
        let key = Key::new(KeyId::new(b"a key").unwrap(), &[7; 32]).unwrap();
        let mut ring = KeyRing::new();
        ring.accept(key.clone()).unwrap();
        let verifier = Verifier::new(&ring, b"here").unwrap();
        for len in [0, 1, 31, 32, 33, 200] {
            let mut message = Vec::new();
            let mut sealer = Sealer::new(&key, b"here", [3; 16]).unwrap().with_acks();
            sealer.seal_into(5, &vec![1; len], &mut message).unwrap();
            let stamp = *verifier.verify(5, message.clone().into()).unwrap().stamp();
            for piece in [1, 2, 7, 31, 32, 33, 64, 1_000] {
                assert_eq!(pass(&verifier, &message, piece), Some(stamp), "{len} by {piece}");
            }
            for place in 0..message.len() {
                let mut changed = message.clone();
                changed[place] ^= 1;
                assert_eq!(pass(&verifier, &changed, 40), None, "{len}: byte {place}");
            }
            assert_eq!(pass(&verifier, &message[..message.len() - 1], 9), None);
            let mut passing = Passing::new(message.len());
            passing.feed(&verifier, 5, &message[..message.len() - 1]);
            assert_eq!((passing.missing(), passing.finish()), (1, None));
        }
        assert_eq!(pass(&verifier, b"", 1), None);
        assert_eq!(pass(&verifier, &[0xff; 500], 9), None);
    }
}
