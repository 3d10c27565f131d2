//! Acknowledgements: what a receiver tells the senders that asked. (wire-format 10)
//!
//! ```text
//! FF 'L' 'A' 01 | alg | status | key id length | key id | stream id | seq | tag
//!       4          1      1           1           1..32      16        8     32
//! ```
//!
//! The receiver's half is [`Acker`], one for each connection; the sender's half is [`Verifier::open_ack`]. Neither
//! knows what durable means: the receiver says so once its store has said it.

use alloc::collections::{BTreeMap, VecDeque};
use core::fmt;

use bytes::{Buf, BufMut};
use hmac::Mac;

use super::verify::ReadyKey;
use super::{KeyId, Refusal, Stamp, StreamId, TAG_LEN, Verifier};
use crate::decoder::FrameDecoder;
use crate::encoder::prefix;
use crate::error::{Error, ErrorKind};
use crate::limits::PREFIX_LEN;

/// What an acknowledgement begins with.
pub const ACK_MAGIC: [u8; 4] = [0xFF, b'L', b'A', 0x01];

/// The longest acknowledgement: 31 bytes of header, the key id, and the tag.
pub const MAX_ACK_LEN: usize = FIXED_LEN + KeyId::MAX_LEN + TAG_LEN;

/// How many acknowledgements may wait for one connection; one that does not read them is closed.
pub const MAX_WAITING_ACKS: usize = 1024;

/// The header without the key id.
const FIXED_LEN: usize = 31;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AckStatus {
    /// Every message of the stream that came on this connection, up to this number, is durable or was refused
    /// before. Number 0.
    Durable,
    /// The time of this one message is too far ahead. Number 1.
    Skew,
    /// It lies before what the receiver remembers. Number 2.
    BeforeStart,
    /// Its number lies below the receiver's window. Number 3.
    TooOld,
    /// It is longer than the receiver takes. Number 4.
    TooLarge,
    /// It has flags that the receiver does not know. Number 5.
    Flags,
    /// It is refused for a reason that this version has no name for.
    Other(u8),
}

impl AckStatus {
    /// The number that stands for it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Durable => 0,
            Self::Skew => 1,
            Self::BeforeStart => 2,
            Self::TooOld => 3,
            Self::TooLarge => 4,
            Self::Flags => 5,
            Self::Other(number) => number,
        }
    }

    /// What a number stands for. Whatever is not known refuses one message for good.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Durable,
            1 => Self::Skew,
            2 => Self::BeforeStart,
            3 => Self::TooOld,
            4 => Self::TooLarge,
            5 => Self::Flags,
            other => Self::Other(other),
        }
    }

    /// What a sender is told of a refusal: `None` where it is told nothing, because nobody has proven to have sent
    /// the message, and for a replay, which is acknowledged once the first one is durable.
    #[must_use]
    pub const fn of(refusal: Refusal) -> Option<Self> {
        match refusal {
            Refusal::Skew => Some(Self::Skew),
            Refusal::BeforeStart => Some(Self::BeforeStart),
            Refusal::TooOld => Some(Self::TooOld),
            Refusal::Flags => Some(Self::Flags),
            _ => None,
        }
    }

    /// Whether it says that one message is refused for good.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        self.number() != 0
    }

    /// A short name for counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Skew => "skew",
            Self::BeforeStart => "before_start",
            Self::TooOld => "too_old",
            Self::TooLarge => "too_large",
            Self::Flags => "flags",
            Self::Other(_) => "other",
        }
    }
}

/// An acknowledgement, as its tag has proven it or will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// What became of the message, or of all up to it.
    pub status: AckStatus,
    /// The key of the stream, which also makes the tag.
    pub key_id: KeyId,
    /// The stream that it speaks of.
    pub stream_id: StreamId,
    /// The number that it speaks of.
    pub seq: u64,
}

impl Ack {
    /// What a message's sender is told of it.
    #[must_use]
    pub const fn new(status: AckStatus, stamp: &Stamp) -> Self {
        let Stamp { key_id, stream_id, seq, .. } = *stamp;
        Self { status, key_id, stream_id, seq }
    }

    /// A decoder for what comes back on a sender's connection: acknowledgements, and nothing longer.
    #[must_use]
    pub fn decoder() -> FrameDecoder {
        FrameDecoder::with_max_frame_len(Error::count(MAX_ACK_LEN))
    }
}

impl Verifier {
    /// Writes an acknowledgement to `dst`, as a whole frame.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownKey`] when the ring has no key of this id (any more), [`ErrorKind::NoRoom`] when `dst`
    /// cannot take the frame; nothing is written then.
    pub fn seal_ack_into(&self, ack: &Ack, dst: &mut impl BufMut) -> Result<(), Error> {
        let Some(ReadyKey { key, ack: begun, .. }) = self.find(ack.key_id.as_bytes()) else {
            return Err(Error::new(ErrorKind::UnknownKey, 0, 0));
        };
        let mut space = [0; MAX_ACK_LEN];
        let mut slot = &mut space[..];
        slot.put_slice(&ACK_MAGIC);
        slot.put_u8(key.algorithm().number());
        slot.put_u8(ack.status.number());
        slot.put_u8(ack.key_id.len_byte());
        slot.put_slice(ack.key_id.as_bytes());
        slot.put_slice(ack.stream_id.as_bytes());
        slot.put_u64(ack.seq);
        let len = MAX_ACK_LEN.saturating_sub(slot.len());
        let header = space.get(..len).unwrap_or_default();
        let prefix = prefix(len.saturating_add(TAG_LEN))?;
        let need = len.saturating_add(TAG_LEN).saturating_add(PREFIX_LEN);
        if dst.remaining_mut() < need {
            return Err(Error::new(ErrorKind::NoRoom, Error::count(dst.remaining_mut()), Error::count(need)));
        }
        let mut mac = begun.clone();
        mac.update(header);
        dst.put_slice(&prefix);
        dst.put_slice(header);
        dst.put_slice(&mac.finalize().into_bytes());
        Ok(())
    }

    /// Checks the payload of a frame that came back on a sender's connection.
    ///
    /// The stream is not looked at: an acknowledgement of another stream than the sender's own says nothing to it,
    /// and must not make it forget anything.
    ///
    /// # Errors
    ///
    /// The first check that failed. A sender closes the connection then, and keeps what was not acknowledged.
    ///
    /// # Examples
    ///
    /// ```
    /// use logrecord_frame::envelope::{Ack, AckStatus, Key, KeyId, KeyRing, Verifier};
    ///
    /// let id = KeyId::new(b"app")?;
    /// let mut ring = KeyRing::new();
    /// ring.accept(Key::new(id, &[7; 32])?)?;
    /// let verifier = Verifier::new(&ring, b"central")?;
    /// let ack = Ack { status: AckStatus::Durable, key_id: id, stream_id: [9; 16].into(), seq: 41 };
    /// let mut wire = Vec::new();
    /// verifier.seal_ack_into(&ack, &mut wire)?;
    ///
    /// let mut decoder = Ack::decoder();
    /// decoder.feed_slice(&wire);
    /// let payload = decoder.next_frame()?.unwrap();
    /// assert_eq!(verifier.open_ack(&payload), Ok(ack));
    /// # Ok::<(), logrecord_frame::Error>(())
    /// ```
    pub fn open_ack(&self, payload: &[u8]) -> Result<Ack, Refusal> {
        // 10.2: the checks of an envelope, in their order.
        let Some((magic, rest)) = payload.split_first_chunk::<4>() else {
            let is_beginning = !payload.is_empty() && ACK_MAGIC.starts_with(payload);
            return Err(if is_beginning { Refusal::Truncated } else { Refusal::Unsigned });
        };
        if *magic != ACK_MAGIC {
            let is_other = magic.starts_with(&ACK_MAGIC[..3]);
            return Err(if is_other { Refusal::Version } else { Refusal::Unsigned });
        }
        let Some((&[algorithm, status, id_len], rest)) = rest.split_first_chunk::<3>() else {
            return Err(Refusal::Truncated);
        };
        let id_len = usize::from(id_len);
        if !(1..=KeyId::MAX_LEN).contains(&id_len) {
            return Err(Refusal::Malformed);
        }
        let Some((id, mut fields)) = rest.split_at_checked(id_len) else { return Err(Refusal::Truncated) };
        if fields.len() != FIELDS_LEN {
            return Err(if fields.len() < FIELDS_LEN { Refusal::Truncated } else { Refusal::Malformed });
        }
        let Some((header, tag)) = payload.split_last_chunk::<TAG_LEN>() else {
            return Err(Refusal::Truncated);
        };
        let Some(ReadyKey { key, ack: begun, .. }) = self.find(id) else { return Err(Refusal::UnknownKey) };
        if key.algorithm().number() != algorithm {
            return Err(Refusal::Algorithm);
        }
        let mut mac = begun.clone();
        mac.update(header);
        mac.verify_slice(tag).map_err(|_| Refusal::BadMac)?;
        let mut stream_id = [0; 16];
        fields.copy_to_slice(&mut stream_id);
        let seq = fields.get_u64();
        Ok(Ack { status: AckStatus::from_number(status), key_id: key.id(), stream_id: stream_id.into(), seq })
    }
}

/// What a receiver owes the senders on one connection.
///
/// The receiver [refuses](Self::refuse) at once what it will never take, says what is [durable](Self::durable) in
/// the order of arrival, and writes both when the connection takes bytes: refusals first, and then one
/// acknowledgement for each stream, however many messages it covers.
///
/// ```
/// use logrecord_frame::envelope::{Acker, AckStatus, Key, KeyId, KeyRing, Stamp, Verifier};
/// # use logrecord_frame::envelope::{Replay, Policy, Sealer};
/// # let id = KeyId::new(b"app")?;
/// # let key = Key::new(id, &[7; 32])?;
/// # let mut ring = KeyRing::new();
/// # ring.accept(key.clone())?;
/// # let verifier = Verifier::new(&ring, b"")?;
/// # let mut sealer = Sealer::new(&key, b"", [9; 16])?.with_acks();
/// # let mut stamp = || {
/// #     let mut out = Vec::new();
/// #     sealer.seal_into(5, b"}.", &mut out).unwrap();
/// #     *verifier.verify(5, out.into()).unwrap().stamp()
/// # };
/// # let (first, second): (Stamp, Stamp) = (stamp(), stamp());
///
/// let mut acker = Acker::new();
/// assert!(acker.durable(&first));
/// assert!(acker.durable(&second));
/// let mut wire = Vec::new();
/// acker.write_into(&verifier, &mut wire)?;
/// assert_eq!(verifier.open_ack(&wire[4..]).unwrap().seq, 1); // One for both.
/// assert!(acker.is_empty());
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Acker {
    refused: VecDeque<Ack>,
    durable: BTreeMap<(KeyId, StreamId), u64>,
}

impl Acker {
    /// Owes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { refused: VecDeque::new(), durable: BTreeMap::new() }
    }

    /// Tells the sender of a message that it is refused for good; whether there is room for that. A connection
    /// that leaves [`MAX_WAITING_ACKS`] unread is to be closed.
    #[must_use]
    pub fn refuse(&mut self, stamp: &Stamp, status: AckStatus) -> bool {
        let has_room = self.waiting() < MAX_WAITING_ACKS;
        if has_room {
            self.refused.push_back(Ack::new(status, stamp));
        }
        has_room
    }

    /// Tells the sender of a message that this one and all of its stream that came before it on the connection
    /// are durable; whether there is room for that, as in [`refuse`](Self::refuse).
    #[must_use]
    pub fn durable(&mut self, stamp: &Stamp) -> bool {
        let has_room = self.waiting() < MAX_WAITING_ACKS;
        match self.durable.get_mut(&(stamp.key_id, stamp.stream_id)) {
            Some(seq) => *seq = stamp.seq.max(*seq),
            None if has_room => {
                self.durable.insert((stamp.key_id, stamp.stream_id), stamp.seq);
            }
            None => return false,
        }
        true
    }

    /// How many acknowledgements wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.refused.len().saturating_add(self.durable.len())
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Writes what waits to `dst`, as frames. What belongs to a key that is no longer accepted is dropped: its
    /// sender will find that out with its next message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoRoom`] when `dst` cannot take more; what is not written waits on.
    pub fn write_into(&mut self, verifier: &Verifier, dst: &mut impl BufMut) -> Result<(), Error> {
        while let Some(ack) = self.refused.front() {
            seal_if_known(verifier, ack, dst)?;
            self.refused.pop_front();
        }
        while let Some((&(key_id, stream_id), &seq)) = self.durable.first_key_value() {
            seal_if_known(verifier, &Ack { status: AckStatus::Durable, key_id, stream_id, seq }, dst)?;
            self.durable.pop_first();
        }
        Ok(())
    }
}

fn seal_if_known(verifier: &Verifier, ack: &Ack, dst: &mut impl BufMut) -> Result<(), Error> {
    match verifier.seal_ack_into(ack, dst) {
        Err(error) if error.kind() == ErrorKind::UnknownKey => Ok(()),
        result => result,
    }
}

impl fmt::Display for AckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(f, "refused for reason {number}"),
            named => f.write_str(named.as_str()),
        }
    }
}

/// Stream id, number and tag: what follows the key id.
const FIELDS_LEN: usize = 16 + 8 + TAG_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Key, KeyRing};
    use alloc::vec::Vec;

    fn verifier(names: &[&[u8]]) -> Verifier {
        let mut ring = KeyRing::new();
        for name in names {
            ring.accept(Key::new(KeyId::new(name).unwrap(), &[3; 32]).unwrap()).unwrap();
        }
        Verifier::new(&ring, b"here").unwrap()
    }

    fn stamp(name: &[u8], stream: u8, seq: u64) -> Stamp {
        Stamp {
            key_id: KeyId::new(name).unwrap(),
            stream_id: [stream; 16].into(),
            seq,
            time_ns: 0,
            wants_ack: true,
        }
    }

    fn read(verifier: &Verifier, wire: &[u8]) -> Vec<(AckStatus, u8, u64)> {
        let mut decoder = Ack::decoder();
        decoder.feed_slice(wire);
        let mut acks = Vec::new();
        while let Some(payload) = decoder.next_frame().unwrap() {
            let ack = verifier.open_ack(&payload).unwrap();
            acks.push((ack.status, ack.stream_id.as_bytes()[0], ack.seq));
        }
        acks
    }

    #[test]
    fn every_number_is_a_status() {
        for number in 0..=255 {
            let status = AckStatus::from_number(number);
            assert_eq!(status.number(), number);
            assert_eq!(status.is_refusal(), number != 0);
        }
        for refusal in Refusal::ALL {
            let told = AckStatus::of(refusal);
            assert_eq!(told.is_some(), refusal.is_authentic() && refusal != Refusal::Replay, "{refusal:?}");
            assert!(told.is_none_or(|status| status.as_str() == refusal.as_str()));
        }
    }

    #[test]
    fn refusals_come_before_what_covers_them() {
        let verifier = verifier(&[b"a"]);
        let mut acker = Acker::new();
        for seq in [0, 1] {
            assert!(acker.durable(&stamp(b"a", 1, seq)));
        }
        assert!(acker.refuse(&stamp(b"a", 1, 2), AckStatus::Skew));
        assert!(acker.durable(&stamp(b"a", 2, 7)));
        assert!(acker.durable(&stamp(b"a", 1, 3)));
        assert!(acker.durable(&stamp(b"gone", 3, 3)));
        let mut wire = Vec::new();
        acker.write_into(&verifier, &mut wire).unwrap();
        let expected = [(AckStatus::Skew, 1, 2), (AckStatus::Durable, 1, 3), (AckStatus::Durable, 2, 7)];
        assert_eq!(read(&verifier, &wire), expected);
        assert!(acker.is_empty());
    }

    #[test]
    fn what_finds_no_room_waits() {
        let verifier = verifier(&[b"a"]);
        let mut acker = Acker::new();
        for stream in 0..5 {
            assert!(acker.durable(&stamp(b"a", stream, 1)));
        }
        let mut acks = Vec::new();
        while !acker.is_empty() {
            let mut space = [0; 150];
            let mut room = &mut space[..];
            assert_eq!(acker.write_into(&verifier, &mut room).is_ok(), acker.is_empty());
            let written = 150 - room.len();
            acks.extend(read(&verifier, &space[..written]));
        }
        assert_eq!(acks.len(), 5);
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let mut acker = Acker::new();
        for seq in 0..1024 {
            assert!(acker.refuse(&stamp(b"a", 1, seq), AckStatus::TooOld));
        }
        assert!(!acker.refuse(&stamp(b"a", 1, 1024), AckStatus::TooOld));
        assert!(!acker.durable(&stamp(b"a", 1, 1024)));
        assert_eq!(acker.waiting(), MAX_WAITING_ACKS);
    }

    #[test]
    fn an_ack_of_the_longest_id_has_the_longest_length() {
        let name = [b'k'; 32];
        let verifier = verifier(&[&name]);
        let mut wire = Vec::new();
        verifier.seal_ack_into(&Ack::new(AckStatus::Flags, &stamp(&name, 1, 5)), &mut wire).unwrap();
        assert_eq!(wire.len(), 4 + MAX_ACK_LEN);
        assert_eq!(read(&verifier, &wire), [(AckStatus::Flags, 1, 5)]);
    }
}
