//! The targets over envelopes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use logrecord_frame::envelope::{
    Key, KeyId, KeyRing, Opener, PlainKey, Policy, Refusal, Sealer, Verifier, WINDOW_LEN,
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

/// No input passes without the key; sealed with it, every input passes once, as it was; and no single changed
/// byte passes.
pub fn envelope(data: &[u8]) {
    let mut opener = Opener::new(&ring(), AUDIENCE, Policy::new(), START).expect("a short audience");
    let refused = opener.open(NOW, Bytes::copy_from_slice(data)).expect_err("nobody signed this");
    assert!(!refused.is_authentic(), "{refused:?} is known only behind a right tag");
    let plain = PlainKey::new(&SECRET).expect("a key of 32 bytes");
    plain.open(Bytes::copy_from_slice(data)).expect_err("nobody signed this");

    let mut sealer = Sealer::new(&key(), AUDIENCE, [7; 16]).expect("a short audience");
    let mut sealed = Vec::new();
    sealer.seal_into(NOW, data, &mut sealed).expect("the first number is free");
    let verifier = Verifier::new(&ring(), AUDIENCE).expect("a short audience");
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

/// Messages of three streams in an order that the input says: each is accepted or refused as the model says.
pub fn replay(data: &[u8]) {
    let mut opener = Opener::new(&ring(), AUDIENCE, Policy::new(), START).expect("a short audience");
    let mut models: BTreeMap<u8, Model> = BTreeMap::new();
    // Messages are sealed once, in order; the input says in which order they arrive.
    let mut sealed: BTreeMap<u8, (Sealer, Vec<Bytes>)> = BTreeMap::new();
    let mut next: BTreeMap<u8, u64> = BTreeMap::new();
    for step in data.chunks_exact(2).take(512) {
        let stream = step[0] % 3;
        let next = next.entry(stream).or_default();
        let number = match step[0] >> 6 {
            // The next one, some ahead, or one from before.
            0 => *next,
            1 => *next + u64::from(step[1]) * 5,
            _ => next.saturating_sub(u64::from(step[1]) * u64::from(step[0] >> 2 & 7)),
        };
        *next = (*next).max(number + 1);
        let (sealer, messages) = sealed.entry(stream).or_insert_with(|| {
            (Sealer::new(&key(), AUDIENCE, [stream; 16]).expect("a short audience"), Vec::new())
        });
        let Ok(index) = usize::try_from(number) else { return };
        while messages.len() <= index {
            if messages.len() > 8192 {
                return;
            }
            let mut message = Vec::new();
            sealer.seal_into(NOW, &[stream], &mut message).expect("numbers are left");
            messages.push(Bytes::from(message));
        }
        let outcome = opener.open(NOW, messages[index].clone()).map(|opened| assert_eq!(opened.seq, number));
        let model = models.entry(stream).or_insert_with(|| Model { highest: number, seen: BTreeSet::new() });
        assert_eq!(outcome, model.accepts(number), "number {number} of stream {stream}");
    }
}
