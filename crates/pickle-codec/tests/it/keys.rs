//! Keys of dicts and members of sets: which are equal, and which are none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use pickle_codec::{DecodeOptions, Decoder, Document, ErrorKind, Globals, Node, NodeRef, Value, decode};
use proptest::prelude::*;
use std::time::Instant;

fn document(input: &[u8]) -> Document<'_> {
    let options = DecodeOptions::new().globals(Globals::Inert);
    Decoder::with_options(options).decode(input).unwrap_or_else(|error| panic!("{error}"))
}

/// How many keys or members the root has.
fn size(input: &[u8]) -> usize {
    match document(input).root().view() {
        Node::Dict(pairs) => pairs.len(),
        Node::Set(items) | Node::FrozenSet(items) => items.len(),
        other => panic!("{other:?}"),
    }
}

fn text(first: &[u8], len: u32, last: u8) -> Vec<u8> {
    let mut text = [first, &len.to_le_bytes(), &vec![b'a'; usize::try_from(len).unwrap()]].concat();
    *text.last_mut().unwrap() = last;
    text
}

/// A tuple of so many numbers and a last one.
fn row(count: u8, last: &[u8]) -> Vec<u8> {
    let items: Vec<u8> = (0..count).flat_map(|number| [b'K', number]).collect();
    [b"(", items.as_slice(), last, b"t"].concat()
}

#[test]
fn two_keys_are_one_or_two() {
    let long = |last| text(b"X", 2_000, last);
    let frozen = |items: &[u8]| [b"(", items, b"\x91"].concat();
    let rows: &[(Vec<u8>, Vec<u8>, usize)] = &[
        (b"K\x01".to_vec(), b"G\x3f\xf0\0\0\0\0\0\0".to_vec(), 1),
        (b"K\x01".to_vec(), b"\x88".to_vec(), 1),
        (b"L36893488147419103232L\n".to_vec(), b"F36893488147419103232.0\n".to_vec(), 1),
        (b"Fnan\n".to_vec(), b"Fnan\n".to_vec(), 2),
        (b"Fnan\nq\x00".to_vec(), b"h\x00".to_vec(), 1),
        (b"N".to_vec(), b")".to_vec(), 2),
        (b"Va\n".to_vec(), b"C\x01a".to_vec(), 2),
        (b"Va\n".to_vec(), b"X\x01\0\0\0a".to_vec(), 1),
        (b"V\\ud800\n".to_vec(), b"X\x03\0\0\0\xed\xa0\x80".to_vec(), 1),
        (long(b'b'), long(b'b'), 1),
        (long(b'b'), long(b'c'), 2),
        (long(b'b'), text(b"B", 2_000, b'b'), 2),
        (text(b"\x8b", 2_000, 1), text(b"\x8b", 2_000, 1), 1),
        (text(b"\x8b", 2_000, 1), text(b"\x8b", 2_000, 2), 2),
        (row(200, b"N"), row(200, b"N"), 1),
        (row(200, b"N"), row(200, b"\x88"), 2),
        (row(200, b"K\x01"), row(200, b"\x88"), 1),
        (row(200, &row(200, b"N")), row(200, &row(200, b"N")), 1),
        (row(200, &row(200, b"N")), row(200, &row(200, b"\x88")), 2),
        (frozen(b"K\x01K\x02K\x03"), frozen(b"K\x03K\x02\x88"), 1),
        (frozen(b"K\x01K\x02K\x03"), frozen(b"K\x01K\x02K\x04"), 2),
        (frozen(b"K\x01"), b"K\x01\x85".to_vec(), 2),
        (frozen(&frozen(b"K\x01")), frozen(&frozen(b"\x88")), 1),
        (frozen(&row(50, &long(b'b'))), frozen(&row(50, &long(b'b'))), 1),
        (frozen(&row(50, &long(b'b'))), frozen(&row(50, &long(b'c'))), 2),
        (b"cm\nC\n".to_vec(), b"cm\nC\n".to_vec(), 1),
        (b"cm\nC\n".to_vec(), b"cm\nD\n".to_vec(), 2),
        (b"cm\nC\n)R".to_vec(), b"cm\nC\n)R".to_vec(), 2),
        (b"cm\nC\n)Rq\x00".to_vec(), b"h\x00".to_vec(), 1),
        (b"cuuid\nUUID\n(Va\ntR".to_vec(), b"K\x01".to_vec(), 2),
    ];
    for (left, right, expected) in rows {
        let shown = || format!("{} and {}", left.escape_ascii(), right.escape_ascii());
        let together = [b"}(".as_slice(), left, b"N", right, b"Nu."].concat();
        assert_eq!(size(&together), *expected, "{}", shown());
        let apart = [b"}".as_slice(), left, b"Ns", right, b"Ns."].concat();
        assert_eq!(size(&apart), *expected, "{}", shown());
        // Behind more keys than are searched one by one, and again when both are known.
        let more: Vec<u8> = (10..40).flat_map(|number| [b'K', number, b'N']).collect();
        let many = [b"}(".as_slice(), &more, left, b"N", right, b"Nu."].concat();
        assert_eq!(size(&many), 30 + expected, "{}", shown());
        let members = [b"\x8f(".as_slice(), left, right, b"\x90."].concat();
        assert_eq!(size(&members), *expected, "{}", shown());
    }
}

#[test]
fn many_nans_are_many_keys() {
    let nans = b"Fnan\n".repeat(1_000);
    assert_eq!(size(&[b"(", nans.as_slice(), b"\x91."].concat()), 1_000);
}

#[test]
fn what_is_mutable_is_no_key() {
    for key in ["]", "}", "\u{8f}", "]\u{85}", "NN]\u{87}", "(K\u{1}]t", "\u{96}\0\0\0\0\0\0\0\0"] {
        let key: Vec<u8> = key.chars().map(|byte| u8::try_from(byte).unwrap()).collect();
        for (head, tail) in
            [(&b"}"[..], &b"Ns."[..]), (b"}(", b"Nu."), (b"\x8f(", b"\x90."), (b"(", b"\x91.")]
        {
            let input = [head, &key, tail].concat();
            let error = decode(&input).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Hash, "{}", input.escape_ascii());
        }
    }
}

/// A pickled key without its STOP: numbers that are equal across types, short and long text, tuples, frozensets.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        (0_u8..3).prop_map(|number| vec![b'K', number]),
        (0_u8..3).prop_map(|number| [b"G".as_slice(), &f64::from(number).to_be_bytes()].concat()),
        Just(b"\x88".to_vec()),
        Just(b"N".to_vec()),
        Just(b")".to_vec()),
        Just(b"L1180591620717411303424L\n".to_vec()),
        Just(b"F1180591620717411303424.0\n".to_vec()),
        (1_u32..3, b'b'..b'd').prop_map(|(len, last)| text(b"X", len, last)),
        (600_u32..602, b'b'..b'd').prop_map(|(len, last)| text(b"X", len, last)),
        (600_u32..602, b'b'..b'd').prop_map(|(len, last)| text(b"B", len, last)),
        (30_u8..50, b'b'..b'd').prop_map(|(count, last)| row(count, &[b'K', last])),
    ];
    leaf.prop_recursive(3, 40, 4, |inner| {
        (prop::collection::vec(inner, 0..4), any::<bool>()).prop_map(|(items, set)| {
            [b"(", items.concat().as_slice(), if set { b"\x91" } else { b"t" }].concat()
        })
    })
}

/// What the keys of a dict or set are, as values.
fn values<'a>(items: impl Iterator<Item = NodeRef<'a, 'a>>) -> Vec<Value<'a>> {
    items.map(|item| item.to_value().unwrap()).collect()
}

proptest! {
    #[test]
    fn keys_are_told_apart_as_python_compares(
        pool in prop::collection::vec(key(), 1..12),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 1..60),
    ) {
        // Two dicts in the memo, filled in turn; a key is written out again or taken from the memo.
        let mut input = b"}q\x00}q\x010".to_vec();
        for (number, key) in pool.iter().enumerate() {
            input.extend([key.as_slice(), b"q", &[u8::try_from(number).unwrap() + 2], b"0"].concat());
        }
        let mut model: [Vec<Value<'static>>; 2] = [Vec::new(), Vec::new()];
        for (pick, second, anew) in picks {
            let number = pick.index(pool.len());
            let got = [b'h', u8::try_from(number).unwrap() + 2];
            let key = if anew { pool[number].as_slice() } else { &got };
            input.extend([&[b'h', u8::from(second)][..], key, b"Ns0"].concat());
            let pickle = [pool[number].as_slice(), b"."].concat();
            let value = Value::from_slice(&pickle).unwrap().into_owned();
            let keys = &mut model[usize::from(second)];
            if !keys.iter().any(|known| known.py_eq(&value)) {
                keys.push(value);
            }
        }
        input.extend(b"h\x00h\x01\x86.");
        // The first dict is still on the stack, which is no fault.
        let document = document(&input);
        let Node::Tuple(dicts) = document.root().view() else { panic!("no tuple") };
        for (dict, keys) in dicts.iter().zip(&model) {
            let Node::Dict(pairs) = dict.view() else { panic!("no dict") };
            let read = values(pairs.iter().map(|(key, _)| key));
            prop_assert_eq!(read.len(), keys.len());
            prop_assert!(read.iter().zip(keys).all(|(left, right)| left.py_eq(right)));
        }
    }
}

/// A first word that makes a factor of the hash 0 if the seed is not in it.
const FIXED_POINT: [u8; 8] = [0x93, 0xfd, 0x59, 0x66, 0xb8, 0xfe, 0xe8, 0xd6];

#[test]
fn no_prefix_makes_all_keys_collide() {
    let prefixes: [[u8; 8]; 4] = [FIXED_POINT, [0; 8], [0xff; 8], 0x9e37_79b9_7f4a_7c15_u64.to_le_bytes()];
    for prefix in prefixes {
        for opcode in [b'C', 0x8a] {
            for first in [true, false] {
                let mut pickle = b"}(".to_vec();
                for number in 1..1_000_u64 {
                    let (number, mut key) = ((number << 8 | 1).to_le_bytes(), [0; 16]);
                    let (head, tail) = if first { (prefix, number) } else { (number, prefix) };
                    key[..8].copy_from_slice(&head);
                    key[8..].copy_from_slice(&tail);
                    pickle.extend([opcode, 16]);
                    pickle.extend(key);
                    pickle.push(b'N');
                }
                pickle.extend(b"u.");
                let document = decode(&pickle).unwrap();
                let Node::Dict(pairs) = document.root().view() else { panic!("no dict") };
                assert_eq!(pairs.len(), 999);
            }
        }
    }
}

#[test]
fn look_ups_in_a_large_dict_take_the_time_of_a_hash() {
    const LEN: usize = 200_000;
    let mut pickle = b"}(".to_vec();
    for number in 0..LEN {
        let key = format!("key {number:06}");
        pickle.extend([b'X', u8::try_from(key.len()).unwrap(), 0, 0, 0]);
        pickle.extend(key.as_bytes());
        pickle.extend([b'J']);
        pickle.extend(i32::try_from(number).unwrap().to_le_bytes());
    }
    pickle.extend(b"u.");
    let document = decode(&pickle).unwrap();
    let value = document.root().to_value().unwrap();
    let Node::Dict(pairs) = document.root().view() else { panic!("not a dict") };
    let keys: Vec<String> =
        (0..1_000).map(|number| format!("key {:06}", number * 7_919 % (2 * LEN))).collect();
    let index = value.key_index().unwrap();
    assert!(pairs.get("nothing").is_none());
    let start = Instant::now();
    let in_document: Vec<_> = keys.iter().map(|key| pairs.get(key)).collect();
    let in_value: Vec<_> = keys.iter().map(|key| index.get(key)).collect();
    let indexed = start.elapsed();
    // Two thousand look-ups by the hash are less than ten that look at each key.
    let start = Instant::now();
    assert_eq!((0..10).filter(|_| value.get("nothing").is_some()).count(), 0);
    assert!(indexed < start.elapsed(), "{indexed:?}");
    for ((key, node), value) in keys.iter().zip(in_document).zip::<Vec<_>>(in_value) {
        let expected = key[4..].parse::<i64>().ok().filter(|&number| number < 200_000);
        assert_eq!(value.and_then(Value::as_i64), expected);
        assert_eq!(
            node.map(|node| node.id()),
            expected.and_then(|place| { Some(pairs.get_index(usize::try_from(place).ok()?)?.1.id()) })
        );
    }
    assert_eq!(document.clone(), document);
    let owned = document.into_owned().unwrap();
    let Node::Dict(pairs) = owned.root().view() else { panic!("not a dict") };
    assert!(matches!(pairs.get("key 199999").unwrap().view(), Node::Int(199_999)));
}
