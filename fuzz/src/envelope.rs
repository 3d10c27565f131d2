//! The targets over envelopes.

use std::cell::RefCell;
use std::collections::BTreeSet;

use bytes::Bytes;
use logrecord_frame::envelope::{
    Ack, AckStatus, Key, KeyId, KeyRing, PlainKey, Policy, Refusal, Replay, Sealer, Snapshot, Verified,
    Verifier, WINDOW_LEN,
};

const SECRET: [u8; 32] = [0x42; 32];
const AUDIENCE: &[u8] = b"central";
const START: i64 = 1_767_000_000_000_000_000;
const NOW: i64 = 1_767_323_045_123_456_700;

fn key() -> Key {
    Key::new(KeyId::new(b"key1").expect("a short id"), &SECRET).expect("a key of 32 bytes")
}

fn ring() -> KeyRing {
    let mut ring = KeyRing::new();
    ring.accept(key()).expect("the ring was empty");
    ring
}

/// What is the same for every input.
struct Setup {
    verifier: Verifier,
    plain: PlainKey,
}

thread_local! {
    static SETUP: Setup = Setup {
        verifier: Verifier::new(&ring(), AUDIENCE).expect("a short audience"),
        plain: PlainKey::new(&SECRET).expect("a key of 32 bytes"),
    };
}

/// Nothing opens that was not sealed; sealed with it, every input passes once, as it was; and no single changed
/// byte passes.
pub fn envelope(data: &[u8]) {
    SETUP.with(|setup| envelope_with(setup, data));
}

fn envelope_with(Setup { verifier, plain }: &Setup, data: &[u8]) {
    let refused = verifier.verify(NOW, Bytes::copy_from_slice(data)).expect_err("nobody signed this");
    assert!(!refused.refusal().is_authentic(), "{refused:?} is known only behind a right tag");
    assert_eq!(refused.stamp(), None);
    plain.open(Bytes::copy_from_slice(data)).expect_err("nobody signed this");

    let mut sealer = Sealer::new(&key(), AUDIENCE, [7; 16]).expect("a short audience");
    let mut sealed = Vec::new();
    sealer.seal_into(NOW, data, &mut sealed).expect("the first number is free");
    let at = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)))
        % sealed.len();
    let mut changed = sealed.clone();
    changed[at] ^= data.first().copied().unwrap_or(1).max(1);
    let Err(refused) = verifier.verify(NOW, Bytes::from(changed)) else { panic!("a byte was changed") };
    assert!(!refused.refusal().is_authentic());
    let verified = verifier.verify(NOW, Bytes::from(sealed)).expect("sealed with the key");
    let mut replay = Replay::new(Policy::new(), START);
    let opened = replay.check(NOW, verified.clone()).expect("it was not here before");
    assert_eq!(opened.payload, data);
    let refused = replay.check(NOW, verified).expect_err("it was here before");
    assert_eq!((refused.refusal(), refused.stamp()), (Refusal::Replay, Some(&opened.stamp())));

    let mut sealed = Vec::new();
    plain.seal_into(data, &mut sealed).expect("room enough");
    assert_eq!(plain.open(Bytes::from(sealed)).expect("sealed with the key"), data);
}

/// Nothing is an acknowledgement that was not sealed; what an input spells as one, sealed, comes back as it was,
/// is no message, and does not come back with a byte changed.
pub fn ack(data: &[u8]) {
    SETUP.with(|setup| ack_with(&setup.verifier, data));
}

fn ack_with(verifier: &Verifier, data: &[u8]) {
    verifier.open_ack(data).expect_err("nobody signed this");
    let mut decoder = Ack::decoder();
    decoder.feed_slice(data);
    while let Ok(Some(payload)) = decoder.next_frame() {
        verifier.open_ack(&payload).expect_err("nobody signed this");
    }

    let mut bytes = data.iter().copied().chain(std::iter::repeat(0));
    let mut next = || bytes.next().unwrap_or(0);
    let ack = Ack {
        status: AckStatus::from_number(next()),
        key_id: key().id(),
        stream_id: std::array::from_fn(|_| next()).into(),
        seq: u64::from_be_bytes(std::array::from_fn(|_| next())),
    };
    let (at, flip) = (usize::from(next()), next().max(1));
    let mut frame = Vec::new();
    verifier.seal_ack_into(&ack, &mut frame).expect("the ring has the key");
    let payload = &mut frame[4..];
    assert_eq!(verifier.open_ack(payload), Ok(ack));
    verifier.verify(NOW, Bytes::copy_from_slice(payload)).expect_err("it is no message");
    let at = at % payload.len();
    payload[at] ^= flip;
    verifier.open_ack(payload).expect_err("a byte was changed");
}

/// What the window must do, said in the simplest way: remember every number.
#[derive(Default)]
struct Model {
    highest: u64,
    seen: BTreeSet<u64>,
}

impl Model {
    fn accepts(&mut self, number: u64) -> Result<(), Refusal> {
        if self.highest.saturating_sub(number) >= WINDOW_LEN {
            return Err(Refusal::TooOld);
        }
        if !self.seen.insert(number) {
            return Err(Refusal::Replay);
        }
        self.highest = self.highest.max(number);
        Ok(())
    }
}

/// The streams that messages come from.
const STREAMS: u8 = 3;

/// An input ends where it asks for a number from here on.
const NUMBERS: u64 = 8192;

/// The messages of one stream, sealed once and in order.
struct Stream {
    sealer: Sealer,
    messages: Vec<Verified>,
}

impl Stream {
    fn new(id: u8) -> Self {
        let sealer = Sealer::new(&key(), AUDIENCE, [id; 16]).expect("a short audience");
        Self { sealer, messages: Vec::new() }
    }

    /// The message with a number, sealed and verified when it is first asked for.
    fn message(&mut self, verifier: &Verifier, number: u64) -> &Verified {
        let index = usize::try_from(number).expect("it is below NUMBERS");
        while self.messages.len() <= index {
            let mut message = Vec::new();
            self.sealer.seal_into(NOW, b"message", &mut message).expect("numbers are left");
            let verified = verifier.verify(NOW, Bytes::from(message)).expect("it was just sealed");
            self.messages.push(verified);
        }
        &self.messages[index]
    }
}

thread_local! {
    /// Sealing takes far longer than looking a number up, and a message is the same in every execution.
    static MESSAGES: RefCell<[Stream; STREAMS as usize]> =
        RefCell::new([Stream::new(0), Stream::new(1), Stream::new(2)]);
}

/// Messages of three streams in an order that the input says: each is accepted or refused as the model says. And of
/// two keys that share a small table, none feels the other.
pub fn replay(data: &[u8]) {
    SETUP.with(|setup| MESSAGES.with_borrow_mut(|streams| replay_with(setup, streams, data)));
    keys_apart(data);
}

fn replay_with(setup: &Setup, streams: &mut [Stream; STREAMS as usize], data: &[u8]) {
    let mut replay = Replay::new(Policy::new(), START);
    let mut models: [Option<Model>; STREAMS as usize] = [None, None, None];
    let mut next = [0; STREAMS as usize];
    for step in data.chunks_exact(2).take(512) {
        let stream = usize::from(step[0] % STREAMS);
        let next = &mut next[stream];
        let number: u64 = match step[0] >> 6 {
            // The next one, some ahead, or one from before.
            0 => *next,
            1 => *next + u64::from(step[1]) * 5,
            _ => next.saturating_sub(u64::from(step[1]) * u64::from(step[0] >> 2 & 7)),
        };
        if number >= NUMBERS {
            return;
        }
        *next = (*next).max(number + 1);
        let outcome = replay.check(NOW, streams[stream].message(&setup.verifier, number).clone());
        let outcome = outcome.map(|opened| assert_eq!(opened.seq, number)).map_err(Refusal::from);
        let model = models[stream].get_or_insert_with(|| Model { highest: number, seen: BTreeSet::new() });
        assert_eq!(outcome, model.accepts(number), "number {number} of stream {stream}");
    }
}

/// How many streams of a key are remembered where that is few.
const FEW: usize = 3;

/// Restores are as good as checks for this, need no tag, and take any stream, number and time.
fn keys_apart(data: &[u8]) {
    let policy = Policy::new().max_streams_per_key(FEW).max_streams(2 * FEW);
    let mut together = Replay::new(policy, START);
    let mut alone = [Replay::new(policy, START), Replay::new(policy, START)];
    let ids = [KeyId::new(b"a").expect("a short id"), KeyId::new(b"b").expect("a short id")];
    for (step, now) in data.chunks_exact(2).take(512).zip(START..) {
        let (key, stream) = (usize::from(step[0] & 1), [step[0] >> 1 & 7; 16].into());
        let seq = u64::from(step[1] & 7);
        let time = match step[1] >> 6 {
            0 => i64::MAX,
            1 => START + i64::from(step[1]),
            _ => now,
        };
        let expected = alone[key].restore(now, ids[key], stream, seq, time);
        assert_eq!(together.restore(now, ids[key], stream, seq, time), expected);
        for (id, alone) in ids.iter().zip(&alone) {
            assert_eq!(together.floor_of(*id), alone.floor_of(*id));
            assert_eq!(together.streams_of(*id), alone.streams_of(*id));
        }
    }
    assert!(together.streams() <= 2 * FEW);
    let state = together.export(Snapshot::Final);
    let again = Replay::import(policy, &state, START).expect("it was just exported");
    assert_eq!(again.export(Snapshot::Final), state);
}
