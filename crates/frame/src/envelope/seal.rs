//! Sealing: header, payload, tag.

use core::fmt;

use bytes::{Buf, BufMut};
use hmac::Mac;

use super::key::Prepared;
use super::{ACK_WANTED, DOMAIN, FIXED_HEADER_LEN, Key, KeyId, KeyRing, MAGIC, StreamId, TAG_LEN};
use crate::encoder::prefix;
use crate::error::{Error, ErrorKind};
use crate::limits::PREFIX_LEN;

/// Seals the messages of one stream and numbers them.
///
/// A sealer is not for sharing between threads that send on their own: the numbers must leave in their order, up
/// to the replay window. A message that is sent again goes out with the bytes that were sealed the first time, so
/// that the receiver knows it again; never seal it a second time.
pub struct Sealer {
    /// HMAC after the secret, the label, the audience, and the header up to the stream id.
    begun: Prepared,
    /// HMAC after the secret, the label and the audience.
    with_audience: Prepared,
    header: Header,
    key_id: KeyId,
    stream_id: StreamId,
    flags: u8,
    algorithm: u8,
    /// The next number, or `None` when all are used up.
    next_seq: Option<u64>,
}

impl KeyRing {
    /// A sealer with the key that signs, or `None` in an empty ring.
    ///
    /// # Errors
    ///
    /// As [`Sealer::new`].
    pub fn sealer(&self, audience: &[u8], stream_id: impl Into<StreamId>) -> Result<Option<Sealer>, Error> {
        self.signing().map(|key| Sealer::new(key, audience, stream_id)).transpose()
    }
}

impl Sealer {
    /// A sealer whose numbers begin with 0.
    ///
    /// `audience` names the receiver that the messages are for; a receiver of another name refuses them. The
    /// `stream_id` must be random, and made for this sealer alone: two senders with one stream id refuse each
    /// other's messages as replays.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AudienceTooLong`] above 65,535 bytes.
    pub fn new(key: &Key, audience: &[u8], stream_id: impl Into<StreamId>) -> Result<Self, Error> {
        let with_audience = key.begin(DOMAIN, audience)?;
        let mut sealer = Self {
            begun: with_audience.clone(),
            with_audience,
            header: Header::default(),
            key_id: key.id(),
            stream_id: stream_id.into(),
            flags: 0,
            algorithm: key.algorithm().number(),
            next_seq: Some(0),
        };
        sealer.begin();
        Ok(sealer)
    }

    /// Asks for an acknowledgement of every message. Only over a stream connection: a receiver that gives none
    /// refuses what asks for one.
    #[must_use]
    pub fn with_acks(mut self) -> Self {
        self.flags = ACK_WANTED;
        self.begin();
        self
    }

    /// Begins a new stream, whose numbers begin with 0 again: in the child after a fork, or when the numbers are
    /// used up.
    pub fn renew(&mut self, stream_id: impl Into<StreamId>) {
        self.resume(stream_id, 0);
    }

    /// Goes on with a stream of which another sealer has sealed messages, by the number of the next one. No message with
    /// this number or a higher one may ever have been sent.
    pub fn resume(&mut self, stream_id: impl Into<StreamId>, number: u64) {
        self.stream_id = stream_id.into();
        self.next_seq = Some(number);
        self.begin();
    }

    /// Writes a sealed payload to `dst`, and gives the number that it got.
    ///
    /// The time is the sender's, in nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLong`] when no frame can hold the envelope, [`ErrorKind::NoRoom`] when `dst` cannot take it,
    /// [`ErrorKind::SequenceUsedUp`] after 2^64 messages. Nothing is written and no number is used then.
    pub fn seal_into(&mut self, time_ns: i64, payload: &[u8], dst: &mut impl BufMut) -> Result<u64, Error> {
        self.write(time_ns, payload, dst, false)
    }

    /// As [`seal_into`](Self::seal_into), with the frame's prefix in front.
    ///
    /// # Errors
    ///
    /// As [`seal_into`](Self::seal_into).
    pub fn seal_frame_into(
        &mut self,
        time_ns: i64,
        payload: &[u8],
        dst: &mut impl BufMut,
    ) -> Result<u64, Error> {
        self.write(time_ns, payload, dst, true)
    }

    /// Seals a payload where it is: the result is a [`Buf`] of header, payload and tag, for a vectored write.
    ///
    /// # Errors
    ///
    /// As [`seal_into`](Self::seal_into), but for the destination.
    ///
    /// # Examples
    ///
    /// ```
    /// use logrecord_frame::envelope::{Key, KeyId, Sealer};
    /// use logrecord_frame::FrameWriter;
    ///
    /// let key = Key::new(KeyId::new(b"app")?, &[7; 32])?;
    /// let mut sealer = Sealer::new(&key, b"", [9; 16])?;
    /// let mut frames = FrameWriter::new(Vec::new());
    /// frames.write_frame(sealer.seal(1_700_000_000_000_000_000, b"}.")?)?;
    /// assert_eq!(frames.inner().len(), 4 + 39 + 3 + 2 + 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal<B: AsRef<[u8]>>(&mut self, time_ns: i64, payload: B) -> Result<Sealed<B>, Error> {
        let bytes = payload.as_ref();
        // Held against the frame's length now, so that framing cannot fail later with the number used.
        prefix(self.sealed_len(bytes.len()))?;
        let (seq, tag) = self.tag(time_ns, bytes)?;
        Ok(Sealed { header: self.header, tag, seq, payload, taken: 0 })
    }

    /// The length of a payload of `len` bytes, sealed.
    #[must_use]
    pub fn sealed_len(&self, len: usize) -> usize {
        self.header.len.saturating_add(len).saturating_add(TAG_LEN)
    }

    /// The key that signs.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The stream that is numbered.
    #[must_use]
    pub const fn stream_id(&self) -> StreamId {
        self.stream_id
    }

    /// Takes in the part of the header that all messages of the stream have in common.
    fn begin(&mut self) {
        let mut header = Header::default();
        header.push(&MAGIC);
        header.push(&[self.algorithm, self.flags, self.key_id.len_byte()]);
        header.push(self.key_id.as_bytes());
        header.push(self.stream_id.as_bytes());
        self.begun = self.with_audience.clone();
        self.begun.update(header.as_bytes());
        header.push(&[0; SEQ_AND_TIME_LEN]);
        self.header = header;
    }

    fn write(
        &mut self,
        time_ns: i64,
        payload: &[u8],
        dst: &mut impl BufMut,
        framed: bool,
    ) -> Result<u64, Error> {
        let len = self.sealed_len(payload.len());
        let prefix = prefix(len)?;
        let need = if framed { len.saturating_add(PREFIX_LEN) } else { len };
        if dst.remaining_mut() < need {
            return Err(Error::new(ErrorKind::NoRoom, Error::count(dst.remaining_mut()), Error::count(need)));
        }
        let (seq, tag) = self.tag(time_ns, payload)?;
        if framed {
            dst.put_slice(&prefix);
        }
        dst.put_slice(self.header.as_bytes());
        dst.put_slice(payload);
        dst.put_slice(&tag);
        Ok(seq)
    }

    /// Takes the next number, completes the header, and makes the tag.
    fn tag(&mut self, time_ns: i64, payload: &[u8]) -> Result<(u64, [u8; TAG_LEN]), Error> {
        let len =
            u32::try_from(payload.len()).map_err(|_| Error::new(ErrorKind::TooLong, u32::MAX, u32::MAX))?;
        let Some(seq) = self.next_seq else {
            return Err(Error::new(ErrorKind::SequenceUsedUp, u32::MAX, u32::MAX));
        };
        self.next_seq = seq.checked_add(1);
        let mut last = [0; SEQ_AND_TIME_LEN + 4];
        let mut slot = &mut last[..];
        slot.put_u64(seq);
        slot.put_i64(time_ns);
        slot.put_u32(len);
        let (in_header, _) = last.split_at(SEQ_AND_TIME_LEN);
        self.header.set_last(in_header);

        let mut mac = self.begun.clone();
        mac.update(&last);
        mac.update(payload);
        Ok((seq, mac.finalize().into_bytes().into()))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("key_id", &self.key_id)
            .field("stream_id", &self.stream_id)
            .field("next_seq", &self.next_seq)
            .finish_non_exhaustive()
    }
}

/// A sealed message in three parts, of which the payload is the caller's own memory.
///
/// To be able to send it again, clone it first, or keep its bytes.
#[derive(Clone)]
pub struct Sealed<B> {
    header: Header,
    tag: [u8; TAG_LEN],
    seq: u64,
    payload: B,
    /// How much of the whole has been taken.
    taken: usize,
}

impl<B: AsRef<[u8]>> Sealed<B> {
    /// The number that the message got.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// What is left of header, payload and tag.
    fn parts(&self) -> [&[u8]; 3] {
        let mut taken = self.taken;
        [self.header.as_bytes(), self.payload.as_ref(), &self.tag].map(|part| {
            let of_part = taken.min(part.len());
            taken = taken.saturating_sub(of_part);
            part.get(of_part..).unwrap_or_default()
        })
    }
}

impl<B: AsRef<[u8]>> Buf for Sealed<B> {
    fn remaining(&self) -> usize {
        self.parts().iter().fold(0, |sum, part| sum.saturating_add(part.len()))
    }

    fn chunk(&self) -> &[u8] {
        self.parts().into_iter().find(|part| !part.is_empty()).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.remaining(), "advance beyond the end");
        self.taken = self.taken.saturating_add(count);
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        let parts = self.parts().into_iter().filter(|part| !part.is_empty());
        dst.iter_mut().zip(parts).map(|(slot, part)| *slot = std::io::IoSlice::new(part)).count()
    }
}

impl<B> fmt::Debug for Sealed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("seq", &self.seq).field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// A header in place: `len` bytes of `bytes`.
#[derive(Clone, Copy)]
struct Header {
    bytes: [u8; FIXED_HEADER_LEN + KeyId::MAX_LEN],
    len: usize,
}

impl Default for Header {
    fn default() -> Self {
        Self { bytes: [0; FIXED_HEADER_LEN + KeyId::MAX_LEN], len: 0 }
    }
}

impl Header {
    fn push(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        if let Some(slot) = self.bytes.get_mut(self.len..end) {
            slot.copy_from_slice(part);
            self.len = end;
        }
    }

    /// Overwrites the end of the header.
    fn set_last(&mut self, part: &[u8]) {
        let start = self.len.saturating_sub(part.len());
        if let Some(slot) = self.bytes.get_mut(start..self.len) {
            slot.copy_from_slice(part);
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Number and time, at the end of the header.
const SEQ_AND_TIME_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn sealer() -> Sealer {
        let key = Key::new(KeyId::new(b"k1").unwrap(), &[3; 32]).unwrap();
        Sealer::new(&key, b"here", [5; 16]).unwrap()
    }

    #[test]
    fn all_ways_of_sealing_give_the_same_bytes() {
        let (mut one, mut two, mut three) = (sealer(), sealer(), sealer());
        for (seq, payload) in [&b""[..], b"}.", &[1; 1000]].into_iter().enumerate() {
            let (mut into, mut framed) = (Vec::new(), Vec::new());
            assert_eq!(one.seal_into(77, payload, &mut into).unwrap(), seq as u64);
            assert_eq!(two.seal_frame_into(77, payload, &mut framed).unwrap(), seq as u64);
            let mut sealed = three.seal(77, payload).unwrap();
            assert_eq!((sealed.seq(), sealed.remaining()), (seq as u64, into.len()));
            assert_eq!(one.sealed_len(payload.len()), into.len());
            assert_eq!(framed[4..], into);
            assert_eq!(framed[..4], prefix(into.len()).unwrap());
            assert_eq!(sealed.copy_to_bytes(into.len()), into);
        }
    }

    #[test]
    fn a_failed_seal_uses_no_number() {
        let mut sealer = sealer();
        let mut small = [0; 20];
        assert_eq!(sealer.seal_into(1, b"x", &mut &mut small[..]).unwrap_err().kind(), ErrorKind::NoRoom);
        assert_eq!(small, [0; 20]);
        assert_eq!(sealer.seal_into(1, b"x", &mut Vec::new()), Ok(0));
    }

    #[test]
    fn numbers_end_and_do_not_wrap() {
        let mut sealer = sealer();
        sealer.next_seq = Some(u64::MAX);
        assert_eq!(sealer.seal_into(1, b"x", &mut Vec::new()), Ok(u64::MAX));
        let error = sealer.seal_into(1, b"x", &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SequenceUsedUp);
        sealer.renew([6; 16]);
        assert_eq!(sealer.seal_into(1, b"x", &mut Vec::new()), Ok(0));
    }

    #[test]
    fn renewing_equals_a_new_sealer() {
        let key = Key::new(KeyId::new(b"k1").unwrap(), &[3; 32]).unwrap();
        let mut fresh = Sealer::new(&key, b"here", [6; 16]).unwrap();
        let mut renewed = sealer();
        renewed.seal_into(1, b"x", &mut Vec::new()).unwrap();
        renewed.renew([6; 16]);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        fresh.seal_into(2, b"y", &mut a).unwrap();
        renewed.seal_into(2, b"y", &mut b).unwrap();
        assert_eq!(a, b);
    }
}
