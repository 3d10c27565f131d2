//! Attacks on the envelope, and its memory against simple models.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "an attack that succeeds must fail the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use logrecord_frame::envelope::{
    Key, KeyId, KeyRing, MAX_OVERHEAD, Opener, PlainKey, Policy, Refusal, Replay, Sealer, Snapshot, Verifier,
};
use logrecord_frame::{Error, ErrorKind, Frame};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_767_225_600 * SECOND;
const NOW: i64 = START + 60 * SECOND;

fn id(name: &[u8]) -> KeyId {
    KeyId::new(name).unwrap()
}

fn key(name: &[u8], fill: u8) -> Key {
    Key::new(id(name), &[fill; 32]).unwrap()
}

fn ring(keys: &[(&[u8], u8)]) -> KeyRing {
    let mut ring = KeyRing::new();
    for (name, fill) in keys {
        ring.accept(key(name, *fill)).unwrap();
    }
    ring
}

fn seal(sealer: &mut Sealer, time_ns: i64, payload: &[u8]) -> Bytes {
    let mut out = Vec::new();
    sealer.seal_into(time_ns, payload, &mut out).unwrap();
    out.into()
}

/// A hundred envelopes of several keys, streams and lengths.
fn samples() -> Vec<Bytes> {
    let mut out = Vec::new();
    for (name, fill) in [(&b"a"[..], 1), (b"key-b", 2)] {
        for stream in [[3; 16], [4; 16]] {
            let mut sealer = Sealer::new(&key(name, fill), b"here", stream).unwrap();
            for len in (0..25).map(|step| step * 7) {
                out.push(seal(&mut sealer, NOW, &vec![len as u8; len]));
            }
        }
    }
    assert_eq!(out.len(), 100);
    out
}

fn verifier() -> Verifier {
    Verifier::new(&ring(&[(b"a", 1), (b"key-b", 2)]), b"here").unwrap()
}

#[test]
fn every_flipped_bit_is_refused() {
    let verifier = verifier();
    for sample in samples() {
        assert!(verifier.verify(NOW, sample.clone()).is_ok());
        let mut bytes = sample.to_vec();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(verifier.verify(NOW, Bytes::copy_from_slice(&bytes)).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let verifier = verifier();
    for sample in samples() {
        for end in 0..sample.len() {
            assert!(verifier.verify(NOW, sample.slice(..end)).is_err(), "cut at {end}");
            assert!(verifier.verify(NOW, sample.slice(end + 1..)).is_err(), "cut off {end}");
        }
        for byte in [0, 1, 0x7F, 0x80, 0xFF] {
            let (mut behind, mut before) = (sample.to_vec(), vec![byte]);
            behind.push(byte);
            before.extend_from_slice(&sample);
            assert!(verifier.verify(NOW, behind.into()).is_err(), "{byte} behind");
            assert!(verifier.verify(NOW, before.into()).is_err(), "{byte} before");
        }
    }
}

#[test]
fn no_part_of_one_envelope_fits_another() {
    let verifier = verifier();
    let samples = samples();
    let header_len = |sample: &Bytes| 39 + usize::from(sample[6]);
    for (at, one) in samples.iter().enumerate() {
        for two in &samples[at + 1..] {
            let (one_header, two_header) = (header_len(one), header_len(two));
            let (one_tag, two_tag) = (one.len() - 32, two.len() - 32);
            let swaps = [
                [&one[..one_header], &two[two_header..]].concat(),
                [&one[..one_tag], &two[two_tag..]].concat(),
                [&one[..one_header], &two[two_header..two_tag], &one[one_tag..]].concat(),
                // Single fields of the header, from the end: time, number, stream id.
                [&one[..one_header - 16], &two[two_header - 16..two_header - 8], &one[one_header - 8..]]
                    .concat(),
                [&one[..one_header - 32], &two[two_header - 32..two_header - 16], &one[one_header - 16..]]
                    .concat(),
                [&one[..6], &two[6..two_header - 32], &one[one_header - 32..]].concat(),
            ];
            for swapped in swaps {
                let genuine = samples.iter().any(|sample| *sample == swapped);
                assert_eq!(verifier.verify(NOW, swapped.into()).is_ok(), genuine);
            }
        }
    }
}

#[test]
fn a_payload_is_a_slice_of_its_envelope() {
    let mut sealer = Sealer::new(&key(b"a", 1), b"here", [5; 16]).unwrap();
    let sealed = seal(&mut sealer, NOW, &[9; 500]);
    let inside = sealed.as_ptr_range();
    let opener = Opener::new(&ring(&[(b"a", 1)]), b"here", Policy::new(), START).unwrap();
    let opened = opener.open(NOW, sealed.clone()).unwrap();
    assert!(inside.contains(&opened.payload.as_ptr()));
    assert_eq!(opened.payload, [9; 500][..]);
    assert!(sealed.len() - 500 <= MAX_OVERHEAD);
}

#[test]
fn a_vectored_write_needs_no_copy() {
    let mut sealer = Sealer::new(&key(b"a", 1), b"here", [5; 16]).unwrap();
    let payload = vec![9; 500];
    let sealed = sealer.seal(NOW, &payload).unwrap();
    let frame = Frame::new(sealed).unwrap();
    let mut parts = [std::io::IoSlice::new(&[]); 8];
    assert_eq!(bytes::Buf::chunks_vectored(&frame, &mut parts), 4);
    assert_eq!(parts[2].as_ptr(), payload.as_ptr());
}

#[test]
fn a_key_in_hexadecimal_is_the_key() {
    let secret: Vec<u8> = (0..64_u8).map(|number| number.wrapping_mul(37)).collect();
    let lower: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = PlainKey::new(&secret).unwrap().tag(b"payload");
    for line in [lower.clone(), lower.to_uppercase(), format!("{lower}\r\n")] {
        assert_eq!(PlainKey::from_hex(line.as_bytes()).unwrap().tag(b"payload"), expected, "{line}");
    }
}

#[test]
fn a_plain_envelope_may_fill_its_buffer_to_the_last_byte() {
    let plain = PlainKey::new(&[3; 32]).unwrap();
    for (len, fits) in [(38, false), (39, true), (40, true)] {
        let mut buffer = [0; 40];
        let mut room = &mut buffer[..len];
        let outcome = plain.seal_into(b"payload", &mut room).map_err(|error| error.kind());
        assert_eq!(outcome, if fits { Ok(()) } else { Err(ErrorKind::NoRoom) }, "{len}");
        if fits {
            assert_eq!(plain.open(Bytes::copy_from_slice(&buffer[..39])).unwrap(), &b"payload"[..]);
        } else {
            assert_eq!(buffer, [0; 40]);
        }
    }
}

#[test]
fn the_key_that_signs_seals() {
    assert!(KeyRing::new().sealer(b"central", [7; 16]).unwrap().is_none());
    let ring = ring(&[(b"one", 1), (b"two", 2)]);
    let signing = ring.signing().unwrap().id();
    let mut sealer = ring.sealer(b"central", [7; 16]).unwrap().unwrap();
    let sealed = seal(&mut sealer, NOW, b"payload");
    let verifier = Verifier::new(&ring, b"central").unwrap();
    assert_eq!(verifier.verify(NOW, sealed).unwrap().key_id(), signing);
}

#[test]
fn keys_change_without_losing_a_window() {
    let opener = Opener::new(&ring(&[(b"old", 1)]), b"here", Policy::new(), START).unwrap();
    let mut old = Sealer::new(&key(b"old", 1), b"here", [1; 16]).unwrap();
    let mut new = Sealer::new(&key(b"new", 2), b"here", [2; 16]).unwrap();
    let (first, early) = (seal(&mut old, NOW, b"1"), seal(&mut new, NOW, b"2"));
    assert!(opener.open(NOW, first.clone()).is_ok());
    assert_eq!(opener.open(NOW, early.clone()), Err(Refusal::UnknownKey));

    opener.set_keys(&ring(&[(b"old", 1), (b"new", 2)])).unwrap();
    assert_eq!(opener.open(NOW, first.clone()), Err(Refusal::Replay));
    assert!(opener.open(NOW, early.clone()).is_ok());
    let second = opener.open(NOW, seal(&mut old, NOW, b"3")).unwrap();
    assert_eq!((second.seq, second.new_stream), (1, false));

    opener.set_keys(&ring(&[(b"new", 2)])).unwrap();
    assert_eq!(opener.open(NOW, first.clone()), Err(Refusal::UnknownKey));
    assert_eq!(opener.open(NOW, early), Err(Refusal::Replay));

    // The old key comes back, and what it sent is still known.
    opener.set_keys(&ring(&[(b"old", 1)])).unwrap();
    assert_eq!(opener.open(NOW, first), Err(Refusal::Replay));
    // The same id with another secret.
    opener.set_keys(&ring(&[(b"old", 7)])).unwrap();
    assert_eq!(opener.open(NOW, seal(&mut old, NOW, b"4")), Err(Refusal::BadMac));
}

#[test]
fn no_form_opens_as_another() {
    let plain = PlainKey::new(&[1; 32]).unwrap();
    let mut tagged = Vec::new();
    plain.seal_into(b"}.", &mut tagged).unwrap();
    let opener = Opener::new(&ring(&[(b"a", 1)]), b"", Policy::new(), START).unwrap();
    assert_eq!(opener.open(NOW, tagged.into()), Err(Refusal::Unsigned));
    let mut sealer = Sealer::new(&key(b"a", 1), b"", [1; 16]).unwrap();
    assert_eq!(plain.open(seal(&mut sealer, NOW, b"}.")), Err(Refusal::BadMac));
}

#[test]
fn a_recorded_stream_is_taken_once_whatever_the_way() {
    let opener = Arc::new(Opener::new(&ring(&[(b"a", 1)]), b"", Policy::new(), START).unwrap());
    let mut sealer = Sealer::new(&key(b"a", 1), b"", [1; 16]).unwrap();
    let recorded: Arc<Vec<Bytes>> = Arc::new((0..1000_u32).map(|_| seal(&mut sealer, NOW, b"}.")).collect());
    let accepted = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (opener, recorded, accepted) = (opener.clone(), recorded.clone(), accepted.clone());
            std::thread::spawn(move || {
                for _ in 0..5 {
                    for sealed in recorded.iter() {
                        if opener.open(NOW, sealed.clone()).is_ok() {
                            accepted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(accepted.load(Ordering::Relaxed), 1000);
}

#[test]
fn a_restart_lets_no_replay_in() {
    let keys = ring(&[(b"a", 1)]);
    let mut sealer = Sealer::new(&key(b"a", 1), b"", [1; 16]).unwrap();
    let before: Vec<_> = (0..10).map(|step| seal(&mut sealer, NOW + step, b"}.")).collect();
    let stopped = NOW + SECOND;
    let between = seal(&mut sealer, stopped + 1, b"between");
    let restarted = NOW + 10 * SECOND;
    let after = seal(&mut sealer, restarted + 1, b"after");
    let now = restarted + SECOND;

    let first = Opener::new(&keys, b"", Policy::new(), START).unwrap();
    let half = {
        for sealed in &before[..5] {
            first.open(NOW, sealed.clone()).unwrap();
        }
        let half = first.export(Snapshot::Running);
        for sealed in &before[5..] {
            first.open(NOW, sealed.clone()).unwrap();
        }
        half
    };
    let whole = first.export(Snapshot::Final);

    // With the state of a good end, only what was here is refused.
    let replay = Replay::import(Policy::new(), &whole, restarted).unwrap();
    let opener = Opener::with_replay(&keys, b"", replay).unwrap();
    for sealed in &before {
        assert_eq!(opener.open(now, sealed.clone()), Err(Refusal::Replay));
    }
    let opened = opener.open(now, between.clone()).unwrap();
    assert_eq!((opened.seq, opened.gap, opened.new_stream), (10, 0, false));
    assert_eq!(opener.open(now, after.clone()).unwrap().gap, 0);

    // With the state of a receiver that was killed later, everything from before is refused.
    let replay = Replay::import(Policy::new(), &half, restarted).unwrap();
    let opener = Opener::with_replay(&keys, b"", replay).unwrap();
    for round in 0..2 {
        for (seq, sealed) in before.iter().enumerate() {
            let expected = if seq < 5 { Refusal::Replay } else { Refusal::BeforeStart };
            assert_eq!(opener.open(now, sealed.clone()), Err(expected), "round {round}, {seq}");
        }
        assert_eq!(opener.open(now, between.clone()), Err(Refusal::BeforeStart));
        // In the second round the stream is trusted again, but only from here on.
        assert_eq!(opener.open(now, after.clone()).is_ok(), round == 0);
    }

    // Without a state the same, by the time alone.
    let opener = Opener::new(&keys, b"", Policy::new(), restarted).unwrap();
    for round in 0..2 {
        for sealed in before.iter().chain([&between]) {
            assert_eq!(opener.open(now, sealed.clone()), Err(Refusal::BeforeStart));
        }
        assert_eq!(opener.open(now, after.clone()).is_ok(), round == 0);
    }
}

#[test]
fn a_damaged_state_is_refused() {
    let keys = ring(&[(b"a", 1)]);
    let opener = Opener::new(&keys, b"", Policy::new(), START).unwrap();
    let mut last = Bytes::new();
    for stream in [2, 0, 1] {
        let mut sealer = Sealer::new(&key(b"a", 1), b"", [stream; 16]).unwrap();
        last = seal(&mut sealer, NOW, b"}.");
        opener.open(NOW, last.clone()).unwrap();
    }
    let state = opener.export(Snapshot::Final);
    let import =
        |state: &[u8]| Replay::import(Policy::new(), state, NOW).map_err(|error: Error| error.kind());
    let again = import(&state).unwrap();
    assert_eq!((again.streams(), again.floor_of(id(b"a"))), (3, START));
    assert_eq!(again.export(Snapshot::Final), state);
    for at in 0..state.len() {
        let mut damaged = state.clone();
        damaged[at] ^= 0x10;
        let expected = if at == 4 { ErrorKind::StateVersion } else { ErrorKind::StateDamaged };
        assert_eq!(import(&damaged).unwrap_err(), expected, "byte {at}");
        assert_eq!(import(&state[..at]).unwrap_err(), ErrorKind::StateDamaged, "cut at {at}");
    }
    assert_eq!(import(&[&state[..], b"\0"].concat()).unwrap_err(), ErrorKind::StateDamaged);
    // A smaller table keeps what was used last, and its floor covers the rest.
    let small = Replay::import(Policy::new().max_streams(1), &state, NOW).unwrap();
    assert_eq!((small.streams(), small.floor_of(id(b"a"))), (1, NOW + 1));
    let small = Opener::with_replay(&keys, b"", small).unwrap();
    assert_eq!(small.open(NOW, last), Err(Refusal::Replay));
    // More than was counted, under a checksum that is right.
    let mut longer = [&state[..state.len() - 32], b"\0"].concat();
    longer.extend_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(&longer));
    assert_eq!(import(&longer).unwrap_err(), ErrorKind::StateDamaged);
}

/// What a receiver has to remember, without any bound: the rules of wire-format 5.2 and 5.3.
#[derive(Default)]
struct Model {
    streams: BTreeMap<u8, (u64, u64, BTreeSet<u64>)>,
}

impl Model {
    fn check(&mut self, stream: u8, seq: u64, time_ns: i64) -> Result<u64, Refusal> {
        let time = if time_ns.abs_diff(NOW) > 300 * SECOND as u64 {
            Err(Refusal::Skew)
        } else if time_ns < START {
            Err(Refusal::BeforeStart)
        } else {
            Ok(())
        };
        let Some((first, highest, seen)) = self.streams.get_mut(&stream) else {
            time?;
            self.streams.insert(stream, (seq, seq, BTreeSet::from([seq])));
            return Ok(0);
        };
        if u128::from(seq) + 1024 <= u128::from(*highest) {
            return Err(Refusal::TooOld);
        }
        if seen.contains(&seq) {
            return Err(Refusal::Replay);
        }
        if seq < *first {
            time?;
        }
        let gap = seq.saturating_sub(*highest).saturating_sub(1);
        *highest = seq.max(*highest);
        seen.insert(seq);
        Ok(gap)
    }
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..40_u64,
        4 => 1000..1100_u64,
        2 => 0..5000_u64,
        1 => u64::MAX - 2000..=u64::MAX,
        1 => any::<u64>(),
    ]
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => Just(NOW),
        1 => START - 2..START + 2,
        1 => any::<i64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn replay_state_equals_a_model_without_bounds(
        messages in prop::collection::vec((0..3_u8, numbers(), times()), 1..120),
        restart in any::<prop::sample::Index>(),
    ) {
        let keys = ring(&[(b"a", 1)]);
        let mut opener = Opener::new(&keys, b"", Policy::new(), START).unwrap();
        let mut model = Model::default();
        let restart = restart.index(messages.len());
        for (at, (stream, seq, time_ns)) in messages.into_iter().enumerate() {
            if at == restart {
                // A good end and a new beginning change nothing.
                let state = opener.export(Snapshot::Final);
                let replay = Replay::import(Policy::new(), &state, NOW).unwrap();
                opener = Opener::with_replay(&keys, b"", replay).unwrap();
            }
            let sealed = with_number([stream; 16], seq, time_ns);
            let result = opener.open(NOW, sealed).map(|opened| opened.gap);
            prop_assert_eq!(result, model.check(stream, seq, time_ns), "{} {} {}", stream, seq, time_ns);
        }
    }

    #[test]
    fn nothing_is_accepted_twice_however_small_the_table(
        messages in prop::collection::vec((0..12_u8, 0..6_u64), 1..300),
        max_streams in 1..5_usize,
        jumps in prop::collection::vec(-20..20_i64, 1..10),
    ) {
        let keys = ring(&[(b"a", 1)]);
        let skew = 40;
        let policy = Policy::new().max_streams(max_streams).max_skew(Duration::from_secs(skew));
        let opener = Opener::new(&keys, b"", policy, START).unwrap();
        let mut accepted = BTreeSet::new();
        for (at, (stream, seq)) in messages.into_iter().enumerate() {
            let now = START + (at as i64 / 8 + jumps[at % jumps.len()]) * SECOND;
            // One number is one message, with one time: that is what a sender must do.
            let time = START + (i64::from(stream) * 7 + seq as i64) * SECOND;
            let result = opener.open(now, with_number([stream; 16], seq, time));
            // A time that nobody would believe raises no floor: what a stream has shown from there is known only
            // as long as the stream.
            if result.is_ok() && (time - now) / SECOND <= skew as i64 {
                prop_assert!(accepted.insert((stream, seq)), "{} {} twice", stream, seq);
            }
            prop_assert!(opener.with_replay_state(|replay| replay.streams()) <= max_streams);
        }
    }

    #[test]
    fn no_key_feels_another(
        messages in prop::collection::vec((0..3_usize, 0..9_u8, 0..4_u64, -700..700_i64, any::<bool>()), 1..200),
        per_key in 1..5_usize,
    ) {
        let names = [&b"a"[..], b"b", b"c"];
        // Room for all keys together; the one that is full is each on its own.
        let policy = Policy::new().max_streams_per_key(per_key).max_streams(per_key * 3);
        let together = Opener::new(&ring(&[(b"a", 1), (b"b", 1), (b"c", 1)]), b"", policy, START).unwrap();
        let alone = names.map(|name| Opener::new(&ring(&[(name, 1)]), b"", policy, START).unwrap());
        for (at, (key, stream, seq, off, far)) in messages.into_iter().enumerate() {
            let now = START + at as i64 * SECOND;
            let time = if far { i64::MAX } else { now + off * SECOND };
            let message = message(names[key], [stream; 16], seq, time, 0);
            let expected = alone[key].open(now, message.clone());
            prop_assert_eq!(together.open(now, message), expected);
        }
    }

    #[test]
    fn the_key_with_the_most_streams_makes_room(
        messages in prop::collection::vec((any::<bool>(), 0..40_u8, 0..3_u64), 1..200),
        max_streams in 4..20_usize,
    ) {
        // The other key never has more than two streams, and so never has the most.
        let policy = Policy::new().max_streams(max_streams);
        let together = Opener::new(&ring(&[(b"a", 1), (b"b", 1)]), b"", policy, START).unwrap();
        let alone = Opener::new(&ring(&[(b"b", 1)]), b"", policy, START).unwrap();
        for (at, (floods, stream, seq)) in messages.into_iter().enumerate() {
            let now = START + at as i64 * SECOND;
            if floods {
                together.open(now, message(b"a", [stream; 16], seq, now, 0)).ok();
            } else {
                let message = message(b"b", [stream % 2; 16], seq, now, 0);
                let expected = alone.open(now, message.clone());
                prop_assert_eq!(together.open(now, message), expected);
            }
            let streams = together.with_replay_state(|replay| replay.streams());
            prop_assert!(streams <= max_streams);
        }
    }

    #[test]
    fn what_is_sealed_is_opened(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        secret in prop::collection::vec(any::<u8>(), 32..150),
        name in prop::collection::vec(any::<u8>(), 1..=32),
        audience in prop::collection::vec(any::<u8>(), 0..40),
        other in prop::collection::vec(any::<u8>(), 0..40),
        stream in any::<[u8; 16]>(),
    ) {
        let key = Key::new(id(&name), &secret).unwrap();
        let mut sealer = Sealer::new(&key, &audience, stream).unwrap();
        let sealed = seal(&mut sealer, NOW, &payload);
        let mut keys = KeyRing::new();
        keys.accept(key).unwrap();
        let opened = Opener::new(&keys, &audience, Policy::new(), START).unwrap().open(NOW, sealed.clone()).unwrap();
        prop_assert_eq!(&opened.payload[..], &payload[..]);
        prop_assert_eq!(opened.key_id.as_bytes(), &name[..]);
        prop_assert_eq!(opened.stream_id.as_bytes(), &stream);
        let elsewhere = Opener::new(&keys, &other, Policy::new(), START).unwrap().open(NOW, sealed);
        prop_assert_eq!(elsewhere.is_ok(), audience == other);
    }

    #[test]
    fn no_bytes_open_without_the_key(bytes in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
        let mut bytes = bytes;
        if whole && bytes.len() > 7 {
            bytes[..8].copy_from_slice(b"\xffLR\x01\x01\0\x01a");
        }
        prop_assert!(verifier().verify(NOW, bytes.into()).is_err());
    }
}

#[test]
fn whoever_fills_a_key_s_table_harms_nobody_else() {
    let keys = ring(&[(b"a", 1), (b"b", 1)]);
    let opener = Opener::new(&keys, b"", Policy::new(), START).unwrap();
    let known = |seq| message(b"b", [1; 16], seq, NOW, 0);
    let id16 = |number: u128| number.to_be_bytes();
    opener.open(NOW, known(0)).unwrap();
    opener.open(NOW, message(b"a", id16(1 << 100), 0, NOW, 0)).unwrap();
    for stream in 0..4_300 {
        let now = NOW + stream as i64;
        opener.open(now, message(b"a", id16(stream), 0, now, 0)).unwrap();
        opener.open(now, message(b"a", id16(stream), 1, i64::MAX, 0)).unwrap();
    }
    opener.open(NOW, known(1)).unwrap();
    opener.open(NOW, message(b"b", [2; 16], 0, NOW - 59 * SECOND, 0)).unwrap();
    // Nor are the other senders of the same key shut out for longer than their clocks may differ.
    let later = NOW + 10_000;
    opener.open(later, message(b"a", [0xEE; 16], 0, later, 0)).unwrap();
    let state = opener.export(Snapshot::Final);
    let replay = Replay::import(Policy::new(), &state, later).unwrap();
    assert_eq!((replay.streams_of(id(b"a")), replay.streams_of(id(b"b"))), (4096, 2));
    assert_eq!(replay.floor_of(id(b"b")), START);
    assert!(replay.floor_of(id(b"a")) <= later);
    let opener = Opener::with_replay(&keys, b"", replay).unwrap();
    opener.open(later, message(b"b", [3; 16], 0, NOW, 0)).unwrap();
    opener.open(later, known(2)).unwrap();
    assert_eq!(opener.open(later, known(2)), Err(Refusal::Replay));
}

#[test]
fn a_refusal_says_whose_message_it_is() {
    let opener = Opener::new(&ring(&[(b"a", 1)]), b"", Policy::new(), START).unwrap();
    let sealed = message(b"a", [1; 16], 7, NOW, 2);
    // Where no acknowledgement is given, nobody is left to wait for one.
    assert_eq!(opener.open(NOW, sealed.clone()), Err(Refusal::Flags));
    let opened = opener.open_with_acks(NOW, sealed.clone()).unwrap();
    assert!(opened.wants_ack);
    let rows = [
        (sealed.clone(), Refusal::Replay),
        (message(b"a", [1; 16], 8, NOW, 6), Refusal::Flags),
        (message(b"a", [2; 16], 0, NOW + 301 * SECOND, 2), Refusal::Skew),
        (message(b"a", [2; 16], 0, START - 1, 2), Refusal::BeforeStart),
    ];
    for (message, refusal) in rows {
        let refused = opener.open_with_acks(NOW, message.clone()).unwrap_err();
        assert_eq!(refused.refusal(), refusal);
        let stamp = refused.stamp().unwrap();
        assert_eq!(stamp.stream_id.as_bytes()[..], message[8..24]);
        assert_eq!(stamp.seq.to_be_bytes(), message[24..32]);
        assert!(stamp.wants_ack);
    }
    for (at, refusal) in [(0, Refusal::Unsigned), (7, Refusal::UnknownKey), (30, Refusal::BadMac)] {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        let refused = opener.open_with_acks(NOW, changed.into()).unwrap_err();
        assert_eq!((refused.refusal(), refused.stamp()), (refusal, None));
    }
}

#[test]
fn what_a_store_has_kept_is_known_again() {
    let keys = ring(&[(b"a", 1)]);
    let start = |restored: &[(u8, u64)], floor| {
        let mut replay = Replay::new(Policy::new(), floor);
        for &(stream, seq) in restored {
            replay.restore(NOW, id(b"a"), [stream; 16].into(), seq, NOW + seq as i64);
        }
        Opener::with_replay(&keys, b"", replay).unwrap()
    };
    let later = NOW + 3600 * SECOND;
    let opener = start(&[(1, 0), (1, 1), (1, 3), (2, 5), (1, 1)], START);
    let asks = |stream: u8, seq: u64| message(b"a", [stream; 16], seq, NOW + seq as i64, 2);
    for (stream, seq) in [(1, 0), (1, 1), (1, 3), (2, 5)] {
        let refused = opener.open_with_acks(later, asks(stream, seq)).unwrap_err();
        assert_eq!(refused.refusal(), Refusal::Replay, "{stream} {seq}");
    }
    // What was accepted and never stored comes again, an hour later, and so does what waited for the receiver.
    for (stream, seq) in [(1, 2), (1, 4), (2, 4), (2, 6), (3, 0)] {
        let opened = opener.open_with_acks(later, asks(stream, seq)).unwrap();
        assert_eq!((opened.gap, opened.fills_gap), (0, false), "{stream} {seq}");
    }
    let refused = opener.open_with_acks(later, message(b"a", [4; 16], 0, START - 1, 2)).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::BeforeStart);
    assert_eq!(opener.with_replay_state(|replay| replay.missing()), 0);
}

/// Before the first message that is restored another one may have been here, as far as the window reaches.
#[test]
fn the_end_of_a_store_does_not_vouch_for_what_was_before_it() {
    let keys = ring(&[(b"a", 1)]);
    let mut replay = Replay::from_end(Policy::new(), NOW);
    for seq in (5000..5003).chain(5004..6100) {
        replay.restore(NOW, id(b"a"), [1; 16].into(), seq, NOW - SECOND);
    }
    let opener = Opener::with_replay(&keys, b"", replay).unwrap();
    let asks = |seq: u64, time| {
        opener.open_with_acks(NOW, message(b"a", [1; 16], seq, time, 2)).map_err(|refused| refused.refusal())
    };
    let before = NOW - SECOND;
    assert_eq!(asks(5000, before).unwrap_err(), Refusal::TooOld);
    assert_eq!(asks(6000, before).unwrap_err(), Refusal::Replay);
    assert!(asks(6100, before).is_ok());
    assert!(asks(8000, before).is_ok());
    let mut replay = Replay::from_end(Policy::new(), NOW);
    replay.restore(NOW, id(b"a"), [1; 16].into(), 5000, before);
    let opener = Opener::with_replay(&keys, b"", replay).unwrap();
    let asks = |seq: u64, time| {
        opener.open_with_acks(NOW, message(b"a", [1; 16], seq, time, 2)).map_err(|refused| refused.refusal())
    };
    assert_eq!(asks(5000, before).unwrap_err(), Refusal::Replay);
    for seq in [4999, 5001, 6023] {
        assert_eq!(asks(seq, before).unwrap_err(), Refusal::BeforeStart, "{seq}");
    }
    assert!(asks(6024, before).is_ok());
    assert!(asks(6023, NOW).is_ok());
}

#[test]
fn gaps_are_counted_once_and_not_below_zero() {
    let keys = ring(&[(b"a", 1)]);
    let missing = |opener: &Opener| opener.with_replay_state(|replay| replay.missing());
    let at = |stream: u8, seq: u64| with_number([stream; 16], seq, NOW);
    let opener = Opener::new(&keys, b"", Policy::new(), START).unwrap();
    for (seq, expected) in [(0, 0), (2, 1), (5, 3), (3, 2), (4, 1)] {
        opener.open(NOW, at(1, seq)).unwrap();
        assert_eq!(missing(&opener), expected, "number {seq}");
    }
    // Number 1 was missed by the run before, and is no gap of this one.
    let replay = Replay::import(Policy::new(), &opener.export(Snapshot::Final), NOW).unwrap();
    let opener = Opener::with_replay(&keys, b"", replay).unwrap();
    let opened = opener.open(NOW, at(1, 1)).unwrap();
    assert_eq!((opened.gap, opened.fills_gap, missing(&opener)), (0, false, 0));
    for stream in 2..5 {
        opener.open(NOW, at(stream, 0)).unwrap();
        opener.open(NOW, at(stream, u64::MAX)).unwrap();
    }
    assert_eq!(missing(&opener), u64::MAX);
}

/// A message of any number, made with the HMAC crate itself.
fn with_number(stream: [u8; 16], seq: u64, time_ns: i64) -> Bytes {
    message(b"a", stream, seq, time_ns, 0)
}

fn message(key: &[u8], stream: [u8; 16], seq: u64, time_ns: i64, flags: u8) -> Bytes {
    use hmac::{Hmac, KeyInit, Mac};

    let mut out = b"\xffLR\x01\x01".to_vec();
    out.extend([flags, key.len() as u8]);
    out.extend(key);
    out.extend(stream);
    out.extend(seq.to_be_bytes());
    out.extend(time_ns.to_be_bytes());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&[1; 32]).unwrap();
    mac.update(b"logrecord-envelope-v1\0\0\0");
    mac.update(&out);
    mac.update(&[0, 0, 0, 2]);
    out.extend(b"}.");
    mac.update(b"}.");
    out.extend_from_slice(&mac.finalize().into_bytes());
    out.into()
}
