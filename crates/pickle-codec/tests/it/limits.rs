//! Hostile depth and sharing: everything that walks a document does so in a small stack.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::fmt::Write;
use std::thread;

use pickle_codec::{DecodeOptions, Decoder, Document, ErrorKind, Globals, Limits, Node, Value};

/// Deep enough to overflow any stack that recursion could have.
const DEPTH: usize = if cfg!(debug_assertions) { 100_000 } else { 10_000_000 };

const STACK: usize = 128 << 10;

fn raised() -> Decoder {
    let limits = Limits { max_depth: 2 * DEPTH, max_memory: Some(usize::MAX), ..Limits::default() };
    Decoder::with_options(DecodeOptions::new().globals(Globals::Inert).limits(limits))
}

/// Counts what is printed.
#[derive(Default)]
struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Decodes, clones, compares, hashes, prints, converts and drops, in a thread with a stack of 128 KiB.
fn exercise(input: Vec<u8>, other: Vec<u8>, printed: usize) {
    let work = move || {
        let document: Document<'_> = raised().decode(&input).unwrap_or_else(|error| panic!("{error}"));
        let different = raised().decode(&other).unwrap_or_else(|error| panic!("{error}"));
        let copy = document.clone();
        assert!(document == copy);
        assert!(document.root().eq_graph(copy.root()));
        assert!(document != different);
        assert!(!document.root().eq_graph(different.root()));
        assert_eq!(document.root().structural_hash(), copy.root().structural_hash());
        assert_ne!(document.root().structural_hash(), different.root().structural_hash());
        let mut counter = Counter::default();
        document.root().py_repr(&mut counter, usize::MAX).unwrap();
        assert_eq!(counter.0, printed);
        let mut text = String::new();
        assert_eq!(document.root().py_str(&mut text, 100).unwrap_err().kind(), ErrorKind::Budget);
        assert_eq!(text.len(), 100);
        assert_eq!(document.root().to_value().unwrap_err().kind(), ErrorKind::Depth);
        drop(document);
        drop(copy);
    };
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

/// `before` times the depth, `inside`, `after` times the depth.
fn chain(before: &[u8], inside: &[u8], after: &[u8]) -> Vec<u8> {
    [&before.repeat(DEPTH), inside, &after.repeat(DEPTH), b"."].concat()
}

#[test]
fn deep_lists() {
    exercise(chain(b"]", b"N", b"a"), chain(b"]", b"\x88", b"a"), 2 * DEPTH + 4);
}

#[test]
fn deep_tuples() {
    exercise(chain(b"", b"N", b"\x85"), chain(b"", b"\x88", b"\x85"), 3 * DEPTH + 4);
}

#[test]
fn deep_dicts() {
    exercise(chain(b"}K\x01", b"N", b"s"), chain(b"}K\x01", b"\x88", b"s"), 5 * DEPTH + 4);
}

#[test]
fn deep_memo_chains() {
    // Each list is in the memo before it is filled.
    exercise(chain(b"]\x94", b"N", b"a"), chain(b"]\x94", b"\x88", b"a"), 2 * DEPTH + 4);
}

#[test]
fn deep_objects() {
    let objects = |inside: &[u8]| {
        [b"cm\nC\n\x94", b"2".repeat(DEPTH - 1).as_slice(), inside, &b"\x85R".repeat(DEPTH), b"."].concat()
    };
    // `C(...)`
    exercise(objects(b"N"), objects(b"\x88"), 3 * DEPTH + 4);
}

#[test]
fn deep_keys() {
    // Two equal keys, hashed and compared to the end.
    let key = [b"N".as_slice(), &b"\x85".repeat(DEPTH)].concat();
    let input = [b"}", key.as_slice(), b"K\x01s", &key, b"K\x02s."].concat();
    let work = move || {
        let document = raised().decode(&input).unwrap();
        let Node::Dict(pairs) = document.root().view() else { panic!("no dict") };
        let values: Vec<_> = pairs.iter().map(|(_, value)| value.view()).collect();
        assert!(matches!(*values, [Node::Int(2)]));
    };
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_persistent_ids() {
    // A chain of these counts no depth at decode, so all that walks it has to count or not recurse.
    let input = chain(b"", b"N", b"Q");
    let work = move || {
        let document = raised().decode(&input).unwrap();
        assert!(document == document.clone());
        assert_eq!(document.root().to_value().unwrap_err().kind(), ErrorKind::Depth);
        let mut counter = Counter::default();
        document.root().py_repr(&mut counter, usize::MAX).unwrap();
        assert_eq!(counter.0, "<persistent id >".len() * DEPTH + 4);
    };
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

#[test]
fn doubled_tuples_are_linear() {
    // `t = (t, t)`, so often that no computer could write it out.
    let input = chain(b"", b"N", b"2\x86");
    let work = move || {
        let document = raised().decode(&input).unwrap();
        let copy = document.clone();
        assert!(document == copy);
        assert!(document.root().eq_graph(copy.root()));
        assert_eq!(document.root().structural_hash(), copy.root().structural_hash());
        let mut counter = Counter::default();
        assert_eq!(document.root().py_repr(&mut counter, 1_000_000).unwrap_err().kind(), ErrorKind::Budget);
        assert_eq!(counter.0, 1_000_000);
    };
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

#[test]
fn the_depth_of_values_has_a_hard_cap() {
    let nested = |depth: usize| [b"]".repeat(depth), b"a".repeat(depth - 1), b".".to_vec()].concat();
    let limits = Limits { max_depth: 2_000, max_value_depth: usize::MAX, ..Limits::default() };
    let options = DecodeOptions::new().limits(limits);
    let mut decoder = Decoder::with_options(options.clone());
    assert_eq!(
        decoder.decode(&nested(1_025)).unwrap().root().to_value().unwrap_err().kind(),
        ErrorKind::Depth
    );
    // What recurses over such a value fits the stack that a main thread has.
    let work = move || {
        let input = nested(1_024);
        let document = decoder.decode(&input).unwrap();
        let value = document.root().to_value().unwrap();
        let copy = value.clone().into_owned();
        assert!(value == copy && value.py_eq(&copy));
        assert_eq!(value.to_string().len(), 2_048);
        assert_eq!(value.heap_size(), 32 * 1_023);
        #[cfg(feature = "serde")]
        assert_eq!(pickle_codec::from_slice_with::<Value<'_>>(&input, &options).unwrap(), value);
    };
    thread::Builder::new().stack_size(8 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn values_hold_their_factor() {
    assert_eq!(size_of::<Value<'_>>(), 32);
    let families: &[(&[u8], &[u8], &[u8])] = &[
        (b"(", b"N", b"t."),
        (b"](", b"N", b"e."),
        (b"](", b"]", b"e."),
        (b"](", b"}", b"e."),
        (b"](", b"K\x01\x85", b"e."),
        (b"](", b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0", b"e."),
        (b"](", b"X\x01\0\0\0a", b"e."),
        (b"](", b"Va\n", b"e."),
        (b"](", b"V\\u0041\n", b"e."),
        (b"](", b"C\x01a", b"e."),
        (b"](", b"Pa\n", b"e."),
        (b"](", b"ca\nb\n", b"e."),
        (b"](", b"ca\nb\n)R", b"e."),
        (b"](", b"(ia\nb\n", b"e."),
    ];
    for (head, item, tail) in families {
        let input = [head, item.repeat(10_000).as_slice(), tail].concat();
        // The document may take more than its share here; what counts is the value.
        let document = raised().decode(&input).unwrap_or_else(|error| panic!("{error}"));
        let value = document.root().to_value().unwrap_or_else(|error| panic!("{error}"));
        let size = value.heap_size();
        assert!(size <= 64 * input.len(), "{}: {size} for {}", item.escape_ascii(), input.len());
    }
    // With sharing, the budget is what holds: an object of many parts for three bytes.
    let shared = [b"ca\nb\nq\x000](".as_slice(), &b"h\x00)R".repeat(500_000), b"e."].concat();
    let options = DecodeOptions::new().globals(Globals::Inert);
    let most = Limits::default().expansion(shared.len());
    match Value::from_slice_with(&shared, &options) {
        Ok(value) => assert!(value.heap_size() <= most),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Budget),
    }
    // Just below the budget, and what it then holds.
    let limits = Limits { max_expansion: Some(1 << 20), ..Limits::default() };
    for count in [100, 1_000, 2_000, 3_000, 4_000, 5_000] {
        let shared = [b"ca\nb\nq\x000](".as_slice(), &b"h\x00)R".repeat(count), b"e."].concat();
        let document = Decoder::with_options(options.clone()).decode(&shared).unwrap();
        let Node::List(items) = document.root().view() else { panic!("no list") };
        assert_eq!(items.len(), count);
        if let Ok(value) = document.root().to_value_with(&limits) {
            assert!(value.heap_size() <= 1 << 20, "{count}");
        }
    }
}
