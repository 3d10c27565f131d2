//! The HMAC envelope: who sent a payload, that nobody changed it, and that it has not been here before.
//!
//! Two forms, both inside an ordinary frame. The normative text is `docs/wire-format.md`; its sections are named
//! beside the code.
//!
//! - **v1** ([`Sealer`], [`Verifier`], [`Replay`]): a header with key id, stream id, sequence number and time, the payload, and
//!   a tag over all of it.
//! - **plain** ([`PlainKey`]): the tag, then the body, for those who already do what Python's documentation
//!   suggests. It knows no key ids and no replay.
//!
//! ```text
//! FF 'L' 'R' 01 | alg | flags | key id length | key id | stream id | seq | time | payload | tag
//!       4          1      1          1           1..32      16        8      8      0..      32
//! ```
//!
//! What a receiver does, in this order, and nothing of the payload is looked at before the tag is right:
//!
//! 1. The frame decoder has already held the length against its limit.
//! 2. Magic and lengths. A payload without the magic is [`Refusal::Unsigned`]: nothing is negotiated.
//! 3. The key by its id. The algorithm belongs to the key; a message that says another one is refused.
//! 4. The tag, in constant time.
//! 5. Replay: a window of 1,024 numbers for each stream, and for streams that are not known yet the time.
//!
//! `Opener` (feature `std`) does all of it for all connections of a receiver, from its two parts: a [`Verifier`]
//! (steps 2 to 4) needs no lock, and only the [`Replay`] state (step 5) stands behind one.
//!
//! A sender that [asks](Sealer::with_acks) is told what became of its messages: [`Acker`] and [`Ack`].
//!
//! The envelope gives integrity and origin. It does not hide anything, and whoever has the key can forge.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use bytes::Bytes;
//! use logrecord_frame::envelope::{Key, KeyId, KeyRing, Opener, Policy, Refusal, Sealer};
//!
//! let id = KeyId::new(b"app")?;
//! let secret = [7; 32]; // From a key file; `Key::from_file` reads one.
//! let start_ns = 1_700_000_000_000_000_000;
//! let mut sealer = Sealer::new(&Key::new(id, &secret)?, b"central", [9; 16])?;
//! let mut ring = KeyRing::new();
//! ring.accept(Key::new(id, &secret)?)?;
//! let opener = Opener::new(&ring, b"central", Policy::new(), start_ns)?;
//!
//! let now_ns = start_ns + 1_000_000;
//! let mut sealed = Vec::new();
//! sealer.seal_into(now_ns, b"}.", &mut sealed)?;
//! let sealed = Bytes::from(sealed);
//!
//! let opened = opener.open(now_ns, sealed.clone()).unwrap();
//! assert_eq!((&opened.payload[..], opened.seq, opened.gap), (&b"}."[..], 0, 0));
//! assert_eq!(opener.open(now_ns, sealed), Err(Refusal::Replay));
//! assert_eq!(opener.open(now_ns, Bytes::from_static(b"}.")), Err(Refusal::Unsigned));
//! # }
//! # Ok::<(), logrecord_frame::Error>(())
//! ```
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | key | at least 32 bytes; a key file at most 64 KiB |
//! | key id | 1 to 32 bytes |
//! | audience | at most 65,535 bytes |
//! | overhead of an envelope | [`MAX_OVERHEAD`] bytes, 71 and the key id |
//! | streams whose numbers are remembered, of one key | 4,096, settable: [`Policy::max_streams_per_key`] |
//! | the same, of all keys together | 65,536, settable: [`Policy::max_streams`] |
//! | how far the time of a new stream may be off | 300 s, settable: [`Policy::max_skew`] |
//! | acknowledgements that wait for one connection | [`MAX_WAITING_ACKS`] |
//! | reordering within a stream | [`WINDOW_LEN`] numbers |

mod ack;
mod key;
#[cfg(feature = "std")]
mod key_file;
mod opened;
#[cfg(feature = "std")]
mod opener;
mod passing;
mod plain;
mod refusal;
mod replay;
mod seal;
mod stamp;
mod state;
mod verify;

use core::cmp::Ordering;
use core::fmt;

pub use self::ack::{ACK_MAGIC, Ack, AckStatus, Acker, MAX_ACK_LEN, MAX_WAITING_ACKS};
pub use self::key::{Algorithm, Key, KeyId, KeyRing, MIN_KEY_LEN};
#[cfg(feature = "std")]
pub use self::key_file::{KeyFileError, KeyFileFault, MAX_KEY_FILE_LEN};
pub use self::opened::Opened;
#[cfg(feature = "std")]
pub use self::opener::Opener;
pub use self::passing::Passing;
pub use self::plain::PlainKey;
pub use self::refusal::Refusal;
pub use self::replay::{Policy, Replay, WINDOW_LEN};
pub use self::seal::{Sealed, Sealer};
pub use self::stamp::{Refused, Stamp};
pub use self::state::Snapshot;
pub use self::verify::{Verified, Verifier};

/// What an envelope of version 1 begins with. No pickle opcode is `FF`, and no text begins with it.
pub const MAGIC: [u8; 4] = [0xFF, b'L', b'R', 0x01];

/// The bytes of a tag. A tag is never truncated.
pub const TAG_LEN: usize = 32;

/// The most that sealing adds to a payload: 39 bytes of header, the key id, and the tag.
pub const MAX_OVERHEAD: usize = 39 + 32 + TAG_LEN;

/// The header without the key id.
const FIXED_HEADER_LEN: usize = 39;

/// What the tag's input begins with, so that no other use of the same key makes a tag that fits.
const DOMAIN: &[u8; 22] = b"logrecord-envelope-v1\0";

/// What the tag's input begins with, so that no tag of a message fits an acknowledgement.
const ACK_DOMAIN: &[u8; 17] = b"logrecord-ack-v1\0";

/// The flag of a message whose sender waits for an acknowledgement; the only one of version 1. (wire-format 4.5)
const ACK_WANTED: u8 = 0x02;

/// Whether a payload begins as an envelope of any version does.
///
/// For a listener without keys: what is signed is refused there, too, and deserves a better name than a bad
/// pickle.
///
/// ```
/// use logrecord_frame::envelope::is_envelope;
/// assert!(is_envelope(b"\xffLR\x01..."));
/// assert!(!is_envelope(b"}q\0."));
/// ```
#[must_use]
pub fn is_envelope(payload: &[u8]) -> bool {
    payload.starts_with(&[0xFF, b'L', b'R'])
}

/// The 16 random bytes that one sender numbers its messages under.
///
/// Every sender makes its own, and a new one in the child after a fork. Shown as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId([u8; 16]);

impl Ord for StreamId {
    /// As the bytes, but in one comparison.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for StreamId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl StreamId {
    /// The bytes themselves.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for StreamId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}
