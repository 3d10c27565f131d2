//! The targets over envelopes.

use std::cell::RefCell;
use std::collections::BTreeSet;

use bytes::Bytes;
use logrecord_frame::envelope::{
    Key, KeyId, KeyRing, Opener, PlainKey, Policy, Refusal, Replay, Sealer, Verified, Verifier, WINDOW_LEN,
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
    opener: Opener,
    verifier: Verifier,
    plain: PlainKey,
}

thread_local! {
    static SETUP: Setup = Setup {
        opener: Opener::new(&ring(), AUDIENCE, Policy::new(), START).expect("a short audience"),
        verifier: Verifier::new(&ring(), AUDIENCE).expect("a short audience"),
        plain: PlainKey::new(&SECRET).expect("a key of 32 bytes"),
    };
}

/// No input passes without the key; sealed with it, every input passes once, as it was; and no single changed
/// byte passes.
pub fn envelope(data: &[u8]) {
    SETUP.with(|setup| envelope_with(setup, data));
}

fn envelope_with(Setup { opener, verifier, plain }: &Setup, data: &[u8]) {
    // The one that is kept never opens anything, so that this one remembers nothing.
    let mut opener = opener.clone();
    let refused = opener.open(NOW, Bytes::copy_from_slice(data)).expect_err("nobody signed this");
    assert!(!refused.is_authentic(), "{refused:?} is known only behind a right tag");
    plain.open(Bytes::copy_from_slice(data)).expect_err("nobody signed this");

    let mut sealer = Sealer::new(&key(), AUDIENCE, [7; 16]).expect("a short audience");
    let mut sealed = Vec::new();
    sealer.seal_into(NOW, data, &mut sealed).expect("the first number is free");
    let at = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)))
        % sealed.len();
    let mut changed = sealed.clone();
    changed[at] ^= data.first().copied().unwrap_or(1).max(1);
    let Err(refused) = verifier.verify(NOW, Bytes::from(changed)) else { panic!("a byte was changed") };
    assert!(!refused.is_authentic());
    let opened = opener.open(NOW, Bytes::from(sealed.clone())).expect("sealed with the key");
    assert_eq!(opened.payload, data);
    assert_eq!(opener.open(NOW, Bytes::from(sealed)), Err(Refusal::Replay));

    let mut sealed = Vec::new();
    plain.seal_into(data, &mut sealed).expect("room enough");
    assert_eq!(plain.open(Bytes::from(sealed)).expect("sealed with the key"), data);
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
    messages: Vec<(Bytes, Verified)>,
}

impl Stream {
    fn new(id: u8) -> Self {
        let sealer = Sealer::new(&key(), AUDIENCE, [id; 16]).expect("a short audience");
        Self { sealer, messages: Vec::new() }
    }

    /// The message with a number, sealed and verified when it is first asked for.
    fn message(&mut self, verifier: &Verifier, number: u64) -> &(Bytes, Verified) {
        let index = usize::try_from(number).expect("it is below NUMBERS");
        while self.messages.len() <= index {
            let mut message = Vec::new();
            self.sealer.seal_into(NOW, b"message", &mut message).expect("numbers are left");
            let message = Bytes::from(message);
            let verified = verifier.verify(NOW, message.clone()).expect("it was just sealed");
            self.messages.push((message, verified));
        }
        &self.messages[index]
    }
}

thread_local! {
    /// Sealing takes far longer than looking a number up, and a message is the same in every execution.
    static MESSAGES: RefCell<[Stream; STREAMS as usize]> =
        RefCell::new([Stream::new(0), Stream::new(1), Stream::new(2)]);
}

/// What a receiver does with a message.
#[derive(Debug)]
enum Receiver {
    /// It checks tag and number.
    Opener,
    /// It checks the number of what was verified.
    Replay,
}

/// Messages of three streams in an order that the input says: each is accepted or refused as the model says.
pub fn replay(data: &[u8]) {
    for receiver in super::chosen(data, 0, &[Receiver::Opener, Receiver::Replay]) {
        SETUP.with(|setup| MESSAGES.with_borrow_mut(|streams| replay_with(setup, streams, receiver, data)));
    }
}

fn replay_with(setup: &Setup, streams: &mut [Stream; STREAMS as usize], receiver: &Receiver, data: &[u8]) {
    let mut opener = setup.opener.clone();
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
        let (message, verified) = streams[stream].message(&setup.verifier, number);
        let outcome = match receiver {
            Receiver::Opener => opener.open(NOW, message.clone()),
            Receiver::Replay => replay.check(NOW, verified.clone()),
        };
        let outcome = outcome.map(|opened| assert_eq!(opened.seq, number));
        let model = models[stream].get_or_insert_with(|| Model { highest: number, seen: BTreeSet::new() });
        assert_eq!(outcome, model.accepts(number), "number {number} of stream {stream}, by {receiver:?}");
    }
}
