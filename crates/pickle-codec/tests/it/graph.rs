//! Documents as graphs: equality, hashes, printing and conversion of shared and cyclic objects.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use pickle_codec::{DecodeOptions, Decoder, Document, ErrorKind, Globals, Limits, NodeRef, Value, decode};

fn document(input: &[u8]) -> Document<'_> {
    let options = DecodeOptions::new().globals(Globals::Inert);
    Decoder::with_options(options).decode(input).unwrap_or_else(|error| panic!("{error}"))
}

/// A list that holds itself: `l = []; l.append(l)`.
const CYCLE: &[u8] = b"]q\x00h\x00a.";
/// `[[l]]` where the inner one holds the outer one.
const CYCLE_OF_TWO: &[u8] = b"]q\x00]q\x01h\x00aa.";

#[test]
fn equality_rows() {
    let rows: &[(&[u8], &[u8], bool, bool)] = &[
        (b"K\x01.", b"I1\n.", true, true),
        (b"K\x01.", b"G\x3f\xf0\0\0\0\0\0\0.", false, false),
        (b"\x88.", b"K\x01.", false, false),
        (b"Fnan\n.", b"Fnan\n.", true, true),
        (b"F0.0\n.", b"F-0.0\n.", false, false),
        (b"X\x01\0\0\0a.", b"Va\n.", true, true),
        (b"X\x01\0\0\0a.", b"C\x01a.", false, false),
        (b"C\x01a.", b"\x96\x01\0\0\0\0\0\0\0a.", false, false),
        (b"].", b").", false, false),
        (b").", b"(t.", true, true),
        (b"](K\x01K\x02e.", b"](K\x01K\x02e.", true, true),
        (b"](K\x01K\x02e.", b"](K\x02K\x01e.", false, false),
        (b"}(K\x01NK\x02\x88u.", b"}(K\x02\x88K\x01Nu.", true, true),
        (b"}(K\x01NK\x02\x88u.", b"}(K\x02NK\x01\x88u.", false, false),
        (b"}(K\x01K\x03\x86NK\x02\x85\x88u.", b"}(K\x02\x85\x88K\x01K\x03\x86Nu.", true, true),
        (b"}(K\x01K\x03\x86NK\x02\x85\x88u.", b"}(K\x02\x85\x88K\x01K\x04\x86Nu.", false, false),
        (b"\x8f(K\x01K\x02K\x03\x90.", b"\x8f(K\x03K\x01K\x02\x90.", true, true),
        (b"\x8f(K\x01K\x02\x90.", b"(K\x01K\x02\x91.", false, false),
        // Shared against equal.
        (b"(]q\x00h\x00t.", b"(]]t.", true, false),
        (b"(]q\x00h\x00t.", b"(]q\x05h\x05t.", true, true),
        (CYCLE, CYCLE, true, true),
        (CYCLE, CYCLE_OF_TWO, true, false),
        (CYCLE, b"]]]]aaa.", false, false),
        (b"cos\nsystem\n.", b"cos\nsystem\n.", true, true),
        (b"cos\nsystem\n.", b"cos\npopen\n.", false, false),
        (b"cm\nC\n)R.", b"cm\nC\n)R.", true, true),
        (b"cm\nC\n)R.", b"cm\nC\n)\x81.", false, false),
        (b"cm\nC\n)RNb.", b"cm\nC\n)R.", false, false),
        (b"\x82\x01.", b"\x82\x02.", false, false),
    ];
    for (left, right, value, graph) in rows {
        let (one, two) = (document(left), document(right));
        for (one, two) in [(&one, &two), (&two, &one)] {
            let label = format!("{} {}", left.escape_ascii(), right.escape_ascii());
            assert_eq!(one == two, *value, "{label}");
            assert_eq!(one.root().eq_graph(two.root()), *graph, "{label}");
            if *value {
                assert_eq!(one.root().structural_hash(), two.root().structural_hash(), "{label}");
            } else {
                assert_ne!(one.root().structural_hash(), two.root().structural_hash(), "{label}");
            }
        }
    }
}

#[test]
fn cycles_print_as_in_python() {
    let rows: &[(&[u8], &str)] = &[
        (CYCLE, "[[...]]"),
        (CYCLE_OF_TWO, "[[[...]]]"),
        (b"}q\x00K\x01h\x00s.", "{1: {...}}"),
        (b"]q\x00(h\x00K\x01t\x85a.", "[(([...], 1),)]"),
        // Shared, but no cycle.
        (b"(]q\x00h\x00t.", "([], [])"),
    ];
    for (input, expected) in rows {
        assert_eq!(document(input).to_string(), *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn cycles_are_no_values() {
    for input in [CYCLE, CYCLE_OF_TWO, b"}q\x00K\x01h\x00s.", b"]q\x00(h\x00h\x00h\x00h\x00e."] {
        let error = document(input).root().to_value().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recursive, "{}", input.escape_ascii());
    }
    // The cycle is met only after much else.
    let mut wide = b"]q\x00(".to_vec();
    wide.extend(vec![b'N'; 100_000]);
    wide.extend(b"h\x00e.");
    assert_eq!(Value::from_slice(&wide).unwrap_err().kind(), ErrorKind::Recursive);
}

/// `l = []; l = [l] * 10` and so on, `levels` deep.
fn laughs(levels: usize) -> Vec<u8> {
    let mut input = b"]".to_vec();
    for level in 0..levels {
        input.extend([b'q', u8::try_from(level).unwrap(), b'0', b']', b'(']);
        for _ in 0..10 {
            input.extend([b'h', u8::try_from(level).unwrap()]);
        }
        input.push(b'e');
    }
    input.push(b'.');
    input
}

#[test]
fn shared_lists_are_written_out_within_the_budget() {
    let input = laughs(4);
    let value = Value::from_slice(&input).unwrap();
    assert_eq!(value[9][9][9][9], Value::list::<Value<'_>>([]));
    assert_eq!(value.to_string().len(), decode(&input).unwrap().to_string().len());
}

#[test]
fn billion_laughs_end_early() {
    let started = std::time::Instant::now();
    let input = laughs(9);
    let (one, two) = (decode(&input).unwrap(), decode(&input).unwrap());
    // Equality and hash are linear in the graph; the text and the value have a budget.
    assert!(one == two);
    assert!(one.root().eq_graph(two.root()));
    assert_ne!(one.root().structural_hash(), document(&laughs(8)).root().structural_hash());
    let mut text = String::new();
    let error = one.root().py_repr(&mut text, 10_000).unwrap_err();
    assert_eq!((error.kind(), text.len()), (ErrorKind::Budget, 10_000));
    let limits = Limits { max_expansion: Some(1 << 20), ..Limits::default() };
    assert_eq!(one.root().to_value_with(&limits).unwrap_err().kind(), ErrorKind::Budget);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn long_shared_text_is_charged_at_each_place() {
    let mut input = b"](X\0\0\x10\0".to_vec();
    input.extend(vec![b'x'; 1 << 20]);
    input.extend(b"q\x00");
    for _ in 0..1_000_000 {
        input.extend(b"h\x00");
    }
    input.extend(b"e.");
    let (one, two) = (decode(&input).unwrap(), decode(&input).unwrap());
    assert!(one == two);
    assert_eq!(one.root().structural_hash(), two.root().structural_hash());
    assert_eq!(one.root().to_value().unwrap_err().kind(), ErrorKind::Budget);
}

#[test]
fn ids_of_a_document_are_its_own() {
    let document = document(CYCLE);
    let root: NodeRef<'_, '_> = document.root();
    let pickle_codec::Node::List(items) = root.view() else { panic!("no list") };
    assert_eq!(items.get(0).map(NodeRef::id), Some(root.id()));
}

/// Three sets a level, each of two of those below; the second pickle has every pair reversed.
fn crossed_sets(levels: u8, reversed: bool) -> Vec<u8> {
    let mut pickle = b"\x80\x04(K\x01\x91q\0(K\x02\x91q\x01(K\x03\x91q\x02000".to_vec();
    for level in 0..levels {
        let at = level * 3;
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            let (one, other) = if reversed { (other, one) } else { (one, other) };
            pickle.extend([b'(', b'h', at + one, b'h', at + other, 0x91]);
        }
        pickle.extend([b'q', at + 5, b'0', b'q', at + 4, b'0', b'q', at + 3, b'0']);
    }
    pickle.extend([b'h', levels * 3, b'.']);
    pickle
}

#[test]
fn sets_in_sets_are_compared_once() {
    for levels in [4, 10, 13] {
        let values = [false, true].map(|reversed| crossed_sets(levels, reversed));
        let [one, other] = &values;
        let one = Value::from_slice(one).unwrap();
        let other = Value::from_slice(other).unwrap();
        let start = std::time::Instant::now();
        assert!(one == other && one.py_eq(&other));
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{levels}: {:?}", start.elapsed());
        let different = Value::FrozenSet(vec![one.clone(), Value::Int(9)]);
        assert!(different != other && !different.py_eq(&other));
    }
}

#[test]
fn keys_on_long_cycles_are_told_apart() {
    // Objects whose states hold each other in a ring, which differ only at the far end.
    fn ring(builder: &mut pickle_codec::DocumentBuilder<'_>, len: usize, last: i64) -> pickle_codec::NodeId {
        let class = builder.global("m", "C").unwrap();
        let objects: Vec<_> =
            (0..len).map(|_| builder.object(class, pickle_codec::Construct::New, &[]).unwrap()).collect();
        for place in 0..len {
            let tail = builder.int(if place + 1 == len { last } else { 0 }).unwrap();
            let state = builder.list(&[objects[(place + 1) % len], tail]).unwrap();
            builder.set_state(objects[place], state).unwrap();
        }
        objects[0]
    }
    let dict = |len: usize, lasts: [i64; 3]| {
        let mut builder = pickle_codec::DocumentBuilder::new();
        let root = builder.dict().unwrap();
        for last in lasts {
            let key = ring(&mut builder, len, last);
            let value = builder.int(last).unwrap();
            builder.set_item(root, key, value).unwrap();
        }
        builder.finish(root)
    };
    for len in [1, 2, 3, 4, 5, 9, 40, 100] {
        assert!(dict(len, [1, 2, 3]) == dict(len, [3, 1, 2]), "{len}");
        assert!(dict(len, [1, 2, 3]) != dict(len, [3, 1, 4]), "{len}");
    }
}
