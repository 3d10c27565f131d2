//! What one record of the spool holds: a payload and where it came from.

use crate::bytes::take;

/// The least number of bytes of a body: kind, time, listener and three lengths.
pub(crate) const LEAST: usize = 1 + 8 + 2 + 3;

/// A payload as it came, with what is known of its origin.
///
/// The spool looks into none of it. `key_id`, `stream`, `number` and `time` are what a receiver needs in order
/// to know again what it has accepted; for what was not signed they are empty.
///
/// On disk a body is `kind u8 | received i64 | listener u16 | peer | key id | stream id | number u64 | time i64
/// | payload`, little-endian. The three in the middle begin with their length as a varint of seven bits a byte,
/// lowest first. Number and time are there only if the stream id is not empty.
///
/// # Examples
///
/// ```
/// use logrecord_spool::Entry;
///
/// let entry = Entry { peer: b"192.0.2.7:40000", received: 1_767_323_045_000_000_000, payload: b"}.", ..Entry::default() };
/// let mut body = Vec::new();
/// entry.encode(&mut body);
/// assert_eq!(body.len(), entry.encoded_len());
/// assert_eq!(Entry::decode(&body), Some(entry));
/// assert_eq!(Entry::decode(&body[..10]), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is the format's list of fields, and callers build it")]
pub struct Entry<'a> {
    /// What the payload is; the spool's user gives the numbers a meaning.
    pub kind: u8,
    /// When it was received, in nanoseconds since 1970.
    pub received: i64,
    /// Through which listener it came.
    pub listener: u16,
    /// Who sent it, as text.
    pub peer: &'a [u8],
    /// The key that it was signed with.
    pub key_id: &'a [u8],
    /// The stream of messages that it belongs to.
    pub stream: &'a [u8],
    /// Its number in the stream.
    pub number: u64,
    /// The sender's time in the envelope, in nanoseconds since 1970.
    pub time: i64,
    /// The payload.
    pub payload: &'a [u8],
}

const fn varint_len(value: usize) -> usize {
    let bits = (usize::BITS - value.leading_zeros()) as usize;
    if bits <= 7 { 1 } else { bits.div_ceil(7) }
}

fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut len = 0_u64;
    for shift in (0..35).step_by(7) {
        let [byte] = take(bytes)?;
        len |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (part, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
            *bytes = rest;
            return Some(part);
        }
    }
    None
}

impl<'a> Entry<'a> {
    /// How many bytes [`encode`](Self::encode) appends.
    pub const fn encoded_len(&self) -> usize {
        let mut len = LEAST - 3 + self.payload.len();
        len += varint_len(self.peer.len()) + self.peer.len();
        len += varint_len(self.key_id.len()) + self.key_id.len();
        len += varint_len(self.stream.len()) + self.stream.len();
        if self.stream.is_empty() { len } else { len + 16 }
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind);
        out.extend_from_slice(&self.received.to_le_bytes());
        out.extend_from_slice(&self.listener.to_le_bytes());
        for part in [self.peer, self.key_id, self.stream] {
            put_varint(part.len(), out);
            out.extend_from_slice(part);
        }
        if !self.stream.is_empty() {
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.time.to_le_bytes());
        }
        out.extend_from_slice(self.payload);
    }

    /// Reads a body, borrowing from it. `None` if it is cut or its lengths are wrong.
    pub fn decode(mut body: &'a [u8]) -> Option<Self> {
        let [kind] = take(&mut body)?;
        let received = i64::from_le_bytes(take(&mut body)?);
        let listener = u16::from_le_bytes(take(&mut body)?);
        let peer = take_part(&mut body)?;
        let key_id = take_part(&mut body)?;
        let stream = take_part(&mut body)?;
        let (mut number, mut time) = (0, 0);
        if !stream.is_empty() {
            number = u64::from_le_bytes(take(&mut body)?);
            time = i64::from_le_bytes(take(&mut body)?);
        }
        Some(Self { kind, received, listener, peer, key_id, stream, number, time, payload: body })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_entry_reads_back(
            kind: u8, received: i64, listener: u16, number: u64, time: i64,
            peer in prop::collection::vec(any::<u8>(), 0..300),
            key_id in prop::collection::vec(any::<u8>(), 0..33),
            stream in prop::collection::vec(any::<u8>(), 0..17),
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let signed = !stream.is_empty();
            let entry = Entry {
                kind, received, listener, peer: &peer, key_id: &key_id, stream: &stream,
                number: if signed { number } else { 0 }, time: if signed { time } else { 0 },
                payload: &payload,
            };
            let mut body = Vec::new();
            entry.encode(&mut body);
            prop_assert_eq!(body.len(), entry.encoded_len());
            prop_assert_eq!(Entry::decode(&body), Some(entry));
        }

        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(entry) = Entry::decode(&body) {
                prop_assert!(entry.encoded_len() <= body.len());
            }
        }
    }

    #[test]
    fn lengths_of_lengths() {
        for (value, len) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (1 << 28, 5)] {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!((out.len(), varint_len(value)), (len, len), "{value}");
        }
    }

    #[test]
    fn a_length_beyond_the_body_is_refused() {
        let mut body = vec![0; 11];
        body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x7f]);
        assert_eq!(Entry::decode(&body), None);
        body.truncate(11);
        body.extend_from_slice(&[0x80; 20]);
        assert_eq!(Entry::decode(&body), None);
    }
}
