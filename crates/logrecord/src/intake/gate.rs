//! The gate: whose frame it is, before anybody looks into it.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
#[cfg(feature = "hmac")]
use std::{
    sync::{PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{self, KeyId, Opened, Opener, PlainKey, Refusal, Stamp, TAG_LEN};

use super::Rejection;

/// What frames have to be signed with, if with anything. One gate serves all connections of a receiver.
#[derive(Debug)]
pub struct Gate {
    lock: Lock,
    /// The keys that count here; all of the opener's if there are none.
    #[cfg(feature = "hmac")]
    only: Vec<KeyId>,
    accepted: AtomicU64,
    /// Numbers that signed streams skipped, and those of them that came late.
    gaps: AtomicU64,
    late: AtomicU64,
}

#[derive(Debug)]
enum Lock {
    Open,
    #[cfg(feature = "hmac")]
    Signed(Arc<Opener>),
    #[cfg(feature = "hmac")]
    Plain(RwLock<Arc<PlainKey>>),
}

/// What a gate keeps of one connection.
#[derive(Debug)]
pub struct Session {
    authenticated: bool,
    /// Whether acknowledgements are given on this connection.
    gives_acks: bool,
    /// The last key, and its name for the records.
    #[cfg(feature = "hmac")]
    key: Option<(KeyId, Arc<str>)>,
}

impl Session {
    /// Whether a frame of this connection has been accepted, or none has to be signed.
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// A frame of the connection was accepted by another process, from which it was taken over.
    pub const fn adopt(&mut self) {
        self.authenticated = true;
    }

    /// Says whether acknowledgements are given on this connection. Where they are not, as at first, a message that
    /// asks for one is refused.
    pub const fn give_acks(&mut self, give: bool) {
        self.gives_acks = give;
    }
}

/// A frame that bears the signature that is asked for, if one is, and that may still be a replay.
///
/// Nothing is remembered of it before it is [admitted](Gate::admit).
#[derive(Clone, Debug)]
pub struct Authentic {
    frame: Checked,
}

#[derive(Clone, Debug)]
enum Checked {
    Payload(Bytes),
    #[cfg(feature = "hmac")]
    Envelope(envelope::Verified),
}

impl Authentic {
    /// How long its payload is.
    pub const fn payload_len(&self) -> usize {
        match &self.frame {
            Checked::Payload(payload) => payload.len(),
            #[cfg(feature = "hmac")]
            Checked::Envelope(verified) => verified.payload_len(),
        }
    }

    /// Whether its sender waits for an acknowledgement.
    pub const fn wants_ack(&self) -> bool {
        match &self.frame {
            Checked::Payload(_) => false,
            #[cfg(feature = "hmac")]
            Checked::Envelope(verified) => verified.wants_ack(),
        }
    }

    /// Whose message it is, where the signature says so.
    #[cfg(feature = "hmac")]
    pub const fn stamp(&self) -> Option<&Stamp> {
        match &self.frame {
            Checked::Payload(_) => None,
            Checked::Envelope(verified) => Some(verified.stamp()),
        }
    }
}

/// A payload that may be decoded, and what is known of its sender.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The payload: a slice of the frame.
    pub payload: Bytes,
    /// The key that it was signed with, where the signature names one.
    pub key_id: Option<Arc<str>>,
    /// The sender's stream, where the signature names one.
    pub stream_id: Option<[u8; 16]>,
    /// Its number in that stream.
    pub number: u64,
    /// The sender's time of sealing, in nanoseconds since 1970; 0 without a signature that has one.
    pub sealed_ns: i64,
    /// How many numbers of the stream were skipped right before this one.
    pub missing: u64,
    /// Whether the sender waits for an acknowledgement.
    pub wants_ack: bool,
}

impl Verified {
    const fn unsigned(payload: Bytes) -> Self {
        Self { payload, key_id: None, stream_id: None, number: 0, sealed_ns: 0, missing: 0, wants_ack: false }
    }
}

impl Gate {
    const fn new(lock: Lock) -> Self {
        Self {
            lock,
            #[cfg(feature = "hmac")]
            only: Vec::new(),
            accepted: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            late: AtomicU64::new(0),
        }
    }

    /// Lets every unsigned frame through, and refuses signed ones, which nobody could verify.
    pub const fn open() -> Self {
        Self::new(Lock::Open)
    }

    /// Asks for envelopes that this opener opens. Keys can be changed through it at any time.
    #[cfg(feature = "hmac")]
    pub const fn signed(opener: Arc<Opener>) -> Self {
        Self::new(Lock::Signed(opener))
    }

    /// Of the opener's keys, lets only these through, or all if there are none. Another key's message is refused
    /// as [`UnknownKey`](Refusal::UnknownKey).
    #[cfg(feature = "hmac")]
    #[must_use]
    pub fn only(mut self, keys: Vec<KeyId>) -> Self {
        self.only = keys;
        self
    }

    /// Asks for the plain form with this key.
    #[cfg(feature = "hmac")]
    pub fn plain(key: PlainKey) -> Self {
        Self::new(Lock::Plain(RwLock::new(Arc::new(key))))
    }

    /// Takes another key for the plain form; gives whether this gate asks for it. Another one stays as it is.
    #[cfg(feature = "hmac")]
    pub fn set_plain_key(&self, fresh: PlainKey) -> bool {
        let Lock::Plain(key) = &self.lock else { return false };
        *key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        true
    }

    /// Whether frames have to be signed.
    pub const fn requires_key(&self) -> bool {
        !matches!(self.lock, Lock::Open)
    }

    /// What to keep of a new connection.
    pub const fn session(&self) -> Session {
        Session {
            authenticated: !self.requires_key(),
            gives_acks: false,
            #[cfg(feature = "hmac")]
            key: None,
        }
    }

    /// Checks a frame's payload, before anybody looks into it.
    ///
    /// # Errors
    ///
    /// Why it must not be decoded: `Rejection::Refused`, or [`Rejection::Signed`] at an open gate.
    pub fn verify(&self, session: &mut Session, frame: Bytes) -> Result<Verified, Rejection> {
        let authentic = self.authenticate(session, frame)?;
        self.admit(session, authentic)
    }

    /// The first half of [`verify`](Self::verify), which remembers nothing: for a receiver that has to make room
    /// before it admits a message, because what it has admitted it must store.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), but for what only the windows know.
    #[cfg_attr(
        not(feature = "hmac"),
        expect(unused_variables, reason = "only signed messages ask for anything")
    )]
    pub fn authenticate(&self, session: &Session, frame: Bytes) -> Result<Authentic, Rejection> {
        let frame = match &self.lock {
            // No pickle begins like an envelope.
            Lock::Open if frame.starts_with(ENVELOPE_START) => return Err(Rejection::Signed),
            Lock::Open => Checked::Payload(frame),
            #[cfg(feature = "hmac")]
            Lock::Plain(key) => {
                let key = Arc::clone(&key.read().unwrap_or_else(PoisonError::into_inner));
                let payload = key.open(frame).map_err(Rejection::refused)?;
                Checked::Payload(payload)
            }
            #[cfg(feature = "hmac")]
            Lock::Signed(opener) => {
                let verified = opener.verifier().verify(now_ns(), frame).map_err(Rejection::refused)?;
                if !self.only.is_empty() && !self.only.contains(&verified.key_id()) {
                    return Err(Rejection::refused(Refusal::UnknownKey));
                }
                if verified.wants_ack() && !session.gives_acks {
                    return Err(Rejection::refused(verified.refuse(Refusal::Flags)));
                }
                Checked::Envelope(verified)
            }
        };
        Ok(Authentic { frame })
    }

    /// The second half: looks whether the message was here before, and remembers it.
    ///
    /// # Errors
    ///
    /// `Rejection::Refused` for what the windows refuse; nothing is remembered of it then.
    #[cfg_attr(
        feature = "hmac",
        allow(clippy::result_large_err, reason = "what is opened is larger still, and it goes no further")
    )]
    pub fn admit(&self, session: &mut Session, authentic: Authentic) -> Result<Verified, Rejection> {
        let verified = match (authentic.frame, &self.lock) {
            (Checked::Payload(payload), _) => Verified::unsigned(payload),
            #[cfg(feature = "hmac")]
            (Checked::Envelope(verified), Lock::Signed(opener)) => {
                let opened = opener
                    .with_replay_state(|replay| replay.check(now_ns(), verified))
                    .map_err(Rejection::refused)?;
                // What is not signed is not counted here: all connections would write to the same place.
                add(&self.accepted, 1);
                add(&self.gaps, opened.gap);
                add(&self.late, u64::from(opened.fills_gap));
                signed(session, opened)
            }
            // It was authenticated by another gate.
            #[cfg(feature = "hmac")]
            (Checked::Envelope(verified), _) => {
                return Err(Rejection::refused(verified.refuse(Refusal::UnknownKey)));
            }
        };
        session.authenticated = true;
        Ok(verified)
    }

    /// Whether a payload begins as what is asked for here does, where that is an envelope.
    pub fn is_envelope(&self, payload: &[u8]) -> bool {
        let signed = match &self.lock {
            Lock::Open => false,
            #[cfg(feature = "hmac")]
            Lock::Plain(_) => false,
            #[cfg(feature = "hmac")]
            Lock::Signed(_) => true,
        };
        signed && payload.starts_with(ENVELOPE_START)
    }

    /// Whether messages of a key are taken here.
    #[cfg(feature = "hmac")]
    pub fn takes(&self, key_id: KeyId) -> bool {
        matches!(self.lock, Lock::Signed(_)) && (self.only.is_empty() || self.only.contains(&key_id))
    }

    /// Whether a frame that is too long is worth reading past, by the beginning of its payload: it looks like a
    /// record, and where frames are signed, a frame of this connection has been accepted before.
    pub fn may_skip(&self, session: &Session, payload: &[u8]) -> bool {
        session.authenticated
            && match &self.lock {
                Lock::Open => begins_record(payload),
                #[cfg(feature = "hmac")]
                Lock::Plain(_) => begins_record(payload.get(TAG_LEN..).unwrap_or_default()),
                #[cfg(feature = "hmac")]
                Lock::Signed(_) => payload.starts_with(ENVELOPE_START),
            }
    }

    /// How many signed frames it has let through; while this stands still, no replay window moves forward.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many numbers of signed streams were skipped and did not come late: records that got lost on the way.
    pub fn missing(&self) -> u64 {
        // What comes late may have been skipped before this gate was there.
        self.gaps.load(Ordering::Relaxed).saturating_sub(self.late.load(Ordering::Relaxed))
    }
}

/// The magic of all versions of the envelope.
const ENVELOPE_START: &[u8] = b"\xffLR";

#[cfg(feature = "hmac")]
fn signed(session: &mut Session, opened: Opened) -> Verified {
    let name = match &session.key {
        Some((id, name)) if *id == opened.key_id => Arc::clone(name),
        _ => {
            let name: Arc<str> = opened.key_id.to_string().into();
            session.key = Some((opened.key_id, Arc::clone(&name)));
            name
        }
    };
    Verified {
        payload: opened.payload,
        key_id: Some(name),
        stream_id: Some(*opened.stream_id.as_bytes()),
        number: opened.seq,
        sealed_ns: opened.time_ns,
        missing: opened.gap,
        wants_ack: opened.wants_ack,
    }
}

#[cfg(feature = "hmac")]
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A sender chooses its numbers, so that their sum has to stop somewhere.
#[cfg(feature = "hmac")]
fn add(count: &AtomicU64, more: u64) {
    if more > 0 && count.fetch_add(more, Ordering::Relaxed).checked_add(more).is_none() {
        count.store(u64::MAX, Ordering::Relaxed);
    }
}

/// Whether bytes begin as pickles of dicts do, of all protocols.
fn begins_record(payload: &[u8]) -> bool {
    matches!(
        payload,
        [0x80, 2..=5, ..] | [b'}', b'q' | b'r' | b'.' | b'(', ..] | [b'(', b'd' | b'l', b'p', ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "hmac")]
    #[test]
    fn sums_stop_at_the_end_of_numbers() {
        let count = AtomicU64::new(0);
        for more in [3, u64::MAX - 2, 5] {
            add(&count, more);
        }
        assert!(count.load(Ordering::Relaxed) >= u64::MAX - 5);
    }

    #[test]
    fn an_open_gate_names_an_envelope_and_lets_the_rest_through() {
        let gate = Gate::open();
        let mut session = gate.session();
        let rejection = gate.verify(&mut session, Bytes::from_static(b"\xffLR\x01...")).unwrap_err();
        assert_eq!((rejection.reason(), rejection.ends_connection()), ("signed", false));
        let verified = gate.verify(&mut session, Bytes::from_static(b"}.")).unwrap();
        assert_eq!((&verified.payload[..], verified.key_id), (&b"}."[..], None));
        assert_eq!(gate.accepted(), 0);
    }

    #[cfg(feature = "hmac")]
    #[test]
    fn what_came_late_is_not_missing_whoever_counted_it() {
        use logrecord_frame::envelope::{Key, KeyRing, Policy, Sealer, Snapshot};
        let key = || Key::new(KeyId::new(b"k").unwrap(), &[1; 32]).unwrap();
        let mut ring = KeyRing::new();
        ring.accept(key()).unwrap();
        let opener = Arc::new(Opener::new(&ring, b"", Policy::new(), 0).unwrap());
        let mut sealer = Sealer::new(&key(), b"", [2; 16]).unwrap();
        let mut seal = || {
            let mut payload = Vec::new();
            sealer.seal_into(now_ns(), b"}.", &mut payload).unwrap();
            Bytes::from(payload)
        };
        let messages = [seal(), seal(), seal()];
        let gate = Gate::signed(Arc::clone(&opener));
        let mut session = gate.session();
        assert!(!session.is_authenticated());
        gate.verify(&mut session, messages[0].clone()).unwrap();
        let third = gate.verify(&mut session, messages[2].clone()).unwrap();
        assert_eq!((third.missing, third.number, third.key_id.as_deref()), (1, 2, Some("k")));
        assert!(session.is_authenticated());
        assert_eq!((gate.missing(), gate.accepted()), (1, 2));
        // The process after this one knows the windows and not the counts.
        let replay = envelope::Replay::import(Policy::new(), &opener.export(Snapshot::Final), 0);
        let opener = Opener::with_replay(&ring, b"", replay.unwrap()).unwrap();
        let gate = Gate::signed(Arc::new(opener));
        gate.verify(&mut gate.session(), messages[1].clone()).unwrap();
        assert_eq!(gate.missing(), 0);
        let again = gate.verify(&mut gate.session(), messages[1].clone()).unwrap_err();
        assert_eq!((again.reason(), again.ends_connection()), ("replay", false));
        let opener = Arc::new(Opener::new(&ring, b"", Policy::new(), 0).unwrap());
        for (only, reason) in [(&b"k"[..], None), (b"other", Some("unknown_key"))] {
            let gate = Gate::signed(Arc::clone(&opener)).only(vec![KeyId::new(only).unwrap()]);
            let message = if reason.is_none() { &messages[0] } else { &messages[2] };
            let outcome = gate.verify(&mut gate.session(), message.clone());
            assert_eq!(outcome.err().map(|rejection| rejection.reason()), reason);
        }
        let unsigned = gate.verify(&mut gate.session(), Bytes::from_static(b"}.")).unwrap_err();
        assert_eq!((unsigned.reason(), unsigned.ends_connection()), ("unsigned", true));
    }
}
