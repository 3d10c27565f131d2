//! The event encoder: the same bytes as a document, misuse, buffers, segments.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Buf, BufMut};
use pickle_codec::{
    DecodeOptions, Decoder, Document, DocumentBuilder, EncodeOptions, EncodeScratch, Encoder, ErrorKind,
    Globals, NodeId, Protocol, Str, Value, decode,
};
use proptest::prelude::*;

/// A value as both interfaces take it.
#[derive(Clone, Debug)]
enum Tree {
    None,
    Bool(bool),
    Int(i64),
    Big(i128),
    Float(f64),
    Str(String),
    Wtf8,
    Bytes(Vec<u8>),
    ByteArray(Vec<u8>),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(String, Self)>),
    Set(Vec<i64>),
    FrozenSet(Vec<i64>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let sizes = prop_oneof![0..40_usize, Just(255), Just(256), Just(4096), 65_530..65_540_usize];
    let leaf = prop_oneof![
        Just(Tree::None),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Int),
        (-70_000..70_000_i64).prop_map(Tree::Int),
        any::<i128>().prop_map(Tree::Big),
        any::<f64>().prop_map(Tree::Float),
        ".{0,20}".prop_map(Tree::Str),
        sizes.clone().prop_map(|len| Tree::Str("s".repeat(len))),
        sizes.clone().prop_map(|len| Tree::Bytes(vec![b'b'; len])),
        sizes.prop_map(|len| Tree::ByteArray(vec![0xfe; len])),
        Just(Tree::Wtf8),
        prop::collection::hash_set(any::<i64>(), 0..5).prop_map(|set| Tree::Set(set.into_iter().collect())),
        prop::collection::hash_set(any::<i64>(), 0..5)
            .prop_map(|set| Tree::FrozenSet(set.into_iter().collect())),
        (995..1005_i64).prop_map(|len| Tree::Set((0..len).collect())),
        (995..1005_i64).prop_map(|len| Tree::List((0..len).map(Tree::Int).collect())),
        (995..1005_i64)
            .prop_map(|len| Tree::Dict((0..len).map(|key| (key.to_string(), Tree::None)).collect())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::Tuple),
            prop::collection::btree_map("[a-c]{0,3}", inner, 0..6)
                .prop_map(|map| Tree::Dict(map.into_iter().collect())),
        ]
    })
}

const SURROGATE: &[u8] = b"a\xed\xb3\xbfb";

fn write<B: BufMut>(encoder: &mut Encoder<'_, B>, tree: &Tree) {
    match tree {
        Tree::None => encoder.none(),
        Tree::Bool(value) => encoder.bool(*value),
        Tree::Int(value) => encoder.int(*value),
        Tree::Big(value) => encoder.i128(*value),
        Tree::Float(value) => encoder.float(*value),
        Tree::Str(text) => encoder.str(text),
        Tree::Wtf8 => encoder.text(Str::Wtf8(SURROGATE)),
        Tree::Bytes(bytes) => encoder.bytes(bytes),
        Tree::ByteArray(bytes) => encoder.bytearray(bytes),
        Tree::List(items) => {
            encoder.begin_list(items.len()).unwrap();
            items.iter().for_each(|item| write(encoder, item));
            encoder.end()
        }
        Tree::Tuple(items) => {
            encoder.begin_tuple(items.len()).unwrap();
            items.iter().for_each(|item| write(encoder, item));
            encoder.end()
        }
        Tree::Dict(pairs) => {
            encoder.begin_dict(pairs.len()).unwrap();
            for (key, value) in pairs {
                encoder.str(key).unwrap();
                write(encoder, value);
            }
            encoder.end()
        }
        Tree::Set(items) => {
            encoder.begin_set(items.len()).unwrap();
            items.iter().for_each(|item| encoder.int(*item).unwrap());
            encoder.end()
        }
        Tree::FrozenSet(items) => {
            encoder.begin_frozenset(items.len()).unwrap();
            items.iter().for_each(|item| encoder.int(*item).unwrap());
            encoder.end()
        }
    }
    .unwrap();
}

fn build<'t>(builder: &mut DocumentBuilder<'t>, tree: &'t Tree) -> NodeId {
    match tree {
        Tree::None => builder.none(),
        Tree::Bool(value) => builder.bool(*value),
        Tree::Int(value) => builder.int(*value).unwrap(),
        Tree::Big(value) => builder.big_int_le(&value.to_le_bytes()).unwrap(),
        Tree::Float(value) => builder.float(*value).unwrap(),
        Tree::Str(text) => builder.str(text).unwrap(),
        Tree::Wtf8 => builder.wtf8(SURROGATE).unwrap(),
        Tree::Bytes(bytes) => builder.bytes(bytes).unwrap(),
        Tree::ByteArray(bytes) => builder.bytearray(bytes).unwrap(),
        Tree::List(items) => {
            let ids: Vec<_> = items.iter().map(|item| build(builder, item)).collect();
            builder.list(&ids).unwrap()
        }
        Tree::Tuple(items) => {
            let ids: Vec<_> = items.iter().map(|item| build(builder, item)).collect();
            builder.tuple(&ids).unwrap()
        }
        Tree::Dict(pairs) => {
            let dict = builder.dict().unwrap();
            for (key, value) in pairs {
                let key = builder.str(key).unwrap();
                let value = build(builder, value);
                builder.set_item(dict, key, value).unwrap();
            }
            dict
        }
        Tree::Set(items) => {
            let set = builder.set().unwrap();
            for item in items {
                let item = builder.int(*item).unwrap();
                builder.add(set, item).unwrap();
            }
            set
        }
        Tree::FrozenSet(items) => {
            let ids: Vec<_> = items.iter().map(|item| builder.int(*item).unwrap()).collect();
            builder.frozenset(&ids).unwrap()
        }
    }
}

fn document(tree: &Tree) -> Document<'_> {
    let mut builder = DocumentBuilder::new();
    let root = build(&mut builder, tree);
    builder.finish(root)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn events_documents_and_segments_give_the_same_bytes(tree in trees(), step in 1..5_000_usize) {
        let document = document(&tree);
        for protocol in Protocol::ALL {
            let mut encoder = Encoder::new(Vec::new(), protocol);
            write(&mut encoder, &tree);
            let pickle = encoder.finish().unwrap();
            prop_assert!(document.to_vec(protocol).unwrap() == pickle);

            for share_from in [1, 100, 4096] {
                let options = EncodeOptions::new(protocol).share_from(share_from);
                let mut segments = document.to_segments(options).unwrap();
                prop_assert_eq!(segments.len(), pickle.len());
                prop_assert!(segments.iter().all(|piece| !piece.is_empty()));
                prop_assert!(segments.iter().collect::<Vec<_>>().concat() == pickle);
                let mut rest = pickle.as_slice();
                while segments.has_remaining() {
                    let count = step.min(segments.remaining());
                    prop_assert!(rest.starts_with(segments.chunk()));
                    segments.advance(count);
                    rest.advance(count);
                }
                prop_assert!(rest.is_empty());
            }

            let mut encoder = Encoder::new(Vec::new(), protocol).without_memo();
            write(&mut encoder, &tree);
            let bare = encoder.finish().unwrap();
            let tree_options = EncodeOptions::new(protocol).memo(false);
            prop_assert!(document.to_vec_with(tree_options).unwrap() == bare);
        }
    }
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    for protocol in Protocol::ALL {
        let mut encoder = Encoder::new(Vec::new(), protocol);
        let kind = |outcome: pickle_codec::Result<()>| outcome.unwrap_err().kind();
        assert_eq!(kind(encoder.end()), ErrorKind::Data);
        encoder.begin_dict(1).unwrap();
        assert_eq!(kind(encoder.end()), ErrorKind::Data);
        encoder.str("key").unwrap();
        assert_eq!(kind(encoder.end()), ErrorKind::Data);
        encoder.begin_tuple(0).unwrap();
        assert_eq!(kind(encoder.int(1)), ErrorKind::Data);
        encoder.end().unwrap();
        assert_eq!(kind(encoder.int(1)), ErrorKind::Data);
        encoder.end().unwrap();
        assert_eq!(kind(encoder.int(1)), ErrorKind::Data);
        assert_eq!(kind(encoder.wtf8(b"\xff")), ErrorKind::Utf8);
        let pickle = encoder.finish().unwrap();
        assert_eq!(decode(&pickle).unwrap().to_vec(protocol).unwrap(), pickle);

        let mut open = Encoder::new(Vec::new(), protocol);
        assert_eq!(Encoder::new(Vec::new(), protocol).finish().unwrap_err().kind(), ErrorKind::Data);
        open.begin_list(0).unwrap();
        assert_eq!(open.finish().unwrap_err().kind(), ErrorKind::Data);
    }
}

#[test]
fn an_entry_of_another_encoder_is_refused() {
    let mut first = Encoder::new(Vec::new(), Protocol::V2);
    first.str("spam").unwrap();
    let id = first.memo_id().unwrap();
    let mut second = Encoder::new(Vec::new(), Protocol::V2);
    assert_eq!(second.get(id).unwrap_err().kind(), ErrorKind::Memo);
    let mut bare = Encoder::new(Vec::new(), Protocol::V2).without_memo();
    bare.begin_list(1).unwrap();
    assert_eq!(bare.memo_id(), None);
}

#[test]
fn what_has_no_form_is_an_error() {
    let huge = vec![0x7f; 2_000];
    for (protocol, fits) in [(Protocol::V0, false), (Protocol::V1, false), (Protocol::V2, true)] {
        let mut encoder = Encoder::new(Vec::new(), protocol);
        assert_eq!(encoder.big_int_le(&huge).is_ok(), fits);
    }
}

#[test]
fn a_full_buffer_is_an_error() {
    let text = "x".repeat(100_000);
    for protocol in Protocol::ALL {
        let mut room = [0_u8; 50];
        let mut encoder = Encoder::new(room.as_mut_slice(), protocol);
        encoder.begin_list(100).unwrap();
        for item in 0..100 {
            encoder.int(item).unwrap();
        }
        encoder.end().unwrap();
        assert_eq!(encoder.finish().unwrap_err().kind(), ErrorKind::Budget);

        let mut encoder = Encoder::new(room.as_mut_slice(), protocol);
        assert_eq!(encoder.str(&text).unwrap_err().kind(), ErrorKind::Budget);
    }
}

#[test]
fn singles_are_written_once() {
    let rows: &[(Protocol, &[u8])] = &[
        (Protocol::V1, b"](X\x01\x00\x00\x00\x61q\x01h\x01X\x00\x00\x00\x00q\x02h\x02c_codecs\nencode\nq\x03(h\x01X\x06\x00\x00\x00latin1q\x04tq\x05Rq\x06h\x06e."),
        (Protocol::V4, b"\x80\x04\x95\x16\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x01a\x94h\x01\x8c\x00\x94h\x02C\x01a\x94h\x03e."),
    ];
    for (protocol, expected) in rows {
        let mut encoder = Encoder::new(Vec::new(), *protocol);
        encoder.begin_list(6).unwrap();
        for text in ["a", "a", "", ""] {
            encoder.str(text).unwrap();
        }
        encoder.bytes(b"a").unwrap();
        encoder.bytes(b"a").unwrap();
        encoder.end().unwrap();
        let pickle = encoder.finish().unwrap();
        let pickle = if *protocol == Protocol::V1 {
            assert_eq!(&pickle[..3], b"]q\x00");
            [b"]", &pickle[3..]].concat()
        } else {
            pickle
        };
        assert_eq!(pickle.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

/// The buffer stays where it was, and the pickles are the same.
#[test]
fn scratch_and_buffer_are_used_again() {
    for protocol in Protocol::ALL {
        let mut scratch = EncodeScratch::new();
        let mut out = Vec::with_capacity(4 << 10);
        let mut first = (Vec::new(), 0);
        for round in 0..3 {
            out.clear();
            let mut encoder = Encoder::with_scratch(&mut out, protocol, &mut scratch);
            encoder.begin_dict(3).unwrap();
            for key in ["a", "", "name"] {
                encoder.str(key).unwrap();
                encoder.begin_tuple(2).unwrap();
                encoder.bytes(b"x").unwrap();
                encoder.int(1 << 40).unwrap();
                encoder.end().unwrap();
            }
            encoder.end().unwrap();
            encoder.finish().unwrap();
            let state = (out.clone(), out.as_ptr().addr());
            if round > 0 {
                assert_eq!(first, state, "protocol {protocol}");
            }
            first = state;
        }
    }
}

#[test]
fn a_list_ten_million_deep_needs_no_stack() {
    const DEPTH: usize = 10_000_000;
    let worker = std::thread::Builder::new().stack_size(128 << 10);
    let done = worker.spawn(|| {
        let mut builder = DocumentBuilder::new();
        let mut node = builder.list(&[]).unwrap();
        for _ in 1..DEPTH {
            node = builder.list(&[node]).unwrap();
        }
        let document = builder.finish(node);
        let options = EncodeOptions::new(Protocol::V2).memo(false);
        let pickle = document.to_vec_with(options).unwrap();
        (pickle.len(), document.to_segments(options).unwrap().len())
    });
    let (len, segments) = done.unwrap().join().unwrap();
    assert_eq!(len, 2 + DEPTH + (DEPTH - 1) + 1);
    assert_eq!(len, segments);
}

/// A persistent id that is met twice is written twice, and what it holds is one object all the same. Without the
/// memo opcodes that nobody needs, too.
#[test]
fn the_value_of_a_persistent_id_is_written_once() {
    let rows: [(&[u8], &[u8]); 3] = [
        (b"]Q2\x86.", b"\x80\x02]q\x00Qh\x00Q\x86."),
        // In the memo by itself, and behind another persistent id.
        (b"]q\x00Q2h\x00\x87.", b"\x80\x02]q\x00Qh\x00Qh\x00\x87."),
        (b"]QQ2\x86.", b"\x80\x02]q\x00QQh\x00QQ\x86."),
    ];
    for (input, expected) in rows {
        let document = decode_inert(input);
        let lean = document.to_vec_with(EncodeOptions::new(Protocol::V2).memo(false)).unwrap();
        assert_eq!(lean.escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert!(decode_inert(&lean).root().eq_value(document.root()));
    }
}

/// Pairs of persistent ids of pairs: written anew at each place they would be 2^60 bytes.
#[test]
fn persistent_ids_do_not_multiply() {
    let input = [b"NQ".as_slice(), &b"2\x86Q".repeat(60), b"."].concat();
    let document = decode_inert(&input);
    for protocol in [Protocol::V1, Protocol::V2, Protocol::V5] {
        for memo in [true, false] {
            let pickle = document.to_vec_with(EncodeOptions::new(protocol).memo(memo)).unwrap();
            assert!(pickle.len() < 1_000, "{protocol:?}, memo {memo}: {} bytes", pickle.len());
        }
    }
}

fn decode_inert(input: &[u8]) -> Document<'_> {
    Decoder::with_options(DecodeOptions::new().globals(Globals::Inert)).decode(input).unwrap()
}

#[test]
fn sixty_four_mebibytes_are_not_copied() {
    let blob = vec![0xa5_u8; 64 << 20];
    let text = "t".repeat(10_000);
    let mut builder = DocumentBuilder::new();
    let bytes = builder.bytes(&blob).unwrap();
    let text_id = builder.str(&text).unwrap();
    let array = builder.bytearray(&blob).unwrap();
    let root = builder.list(&[bytes, text_id, array, text_id]).unwrap();
    let document = builder.finish(root);
    for protocol in [Protocol::V3, Protocol::V4, Protocol::V5] {
        let segments = document.to_segments(EncodeOptions::new(protocol)).unwrap();
        let own: usize = segments
            .iter()
            .filter(|piece| {
                !blob.as_ptr_range().contains(&piece.as_ptr())
                    && !text.as_bytes().as_ptr_range().contains(&piece.as_ptr())
            })
            .map(<[u8]>::len)
            .sum();
        assert!(own < 200, "protocol {protocol} copies {own} bytes");
        let mut slices = [std::io::IoSlice::new(&[]); 3];
        assert_eq!(segments.chunks_vectored(&mut slices), 3);
        assert_eq!(slices[1].len(), 64 << 20);
    }
}

#[test]
fn a_value_that_fails_leaves_the_encoder_as_it_was() {
    let buffers = Value::List(vec![Value::None, Value::List(vec![Value::Int(1), Value::Buffer(7, false)])]);
    let broken = Value::tuple([Value::list([1]), Value::Wtf8(b"\xff".as_slice().into())]);
    let mut deep = Value::None;
    for _ in 0..1_030 {
        deep = Value::List(vec![deep]);
    }
    let digits = Value::list([Value::from(num_bigint::BigInt::from(1) << 20_000)]);
    let mut builder = DocumentBuilder::new();
    let persid = builder.none();
    let persid = builder.persistent_id(persid).unwrap();
    let list = builder.list(&[persid]).unwrap();
    let document = builder.finish(list);
    for protocol in [Protocol::V0, Protocol::V1] {
        let mut encoder = Encoder::new(Vec::new(), protocol);
        encoder.begin_list(2).unwrap();
        for value in [&buffers, &broken, &deep, &digits] {
            assert!(encoder.value(value).is_err());
            assert_eq!(encoder.memo_id(), { encoder.memo_id() });
        }
        if protocol == Protocol::V0 {
            assert!(encoder.document(&document).is_err());
        }
        encoder.none().unwrap();
        encoder.value(&Value::list([1])).unwrap();
        encoder.end().unwrap();
        let pickle = encoder.finish().unwrap();
        assert_eq!(decode(&pickle).unwrap().to_string(), "[None, [1]]");
    }
}

#[test]
fn a_memo_entry_of_another_encoder_is_refused() {
    let mut one = Encoder::new(Vec::new(), Protocol::V2);
    let mut other = Encoder::new(Vec::new(), Protocol::V2);
    for encoder in [&mut one, &mut other] {
        encoder.begin_list(2).unwrap();
        encoder.str("spam").unwrap();
    }
    let foreign = one.memo_id().unwrap();
    assert_eq!(other.get(foreign).unwrap_err().kind(), ErrorKind::Memo);
    other.get(other.memo_id().unwrap()).unwrap();
    other.end().unwrap();
    assert_eq!(other.finish().unwrap(), b"\x80\x02]q\x00(X\x04\0\0\0spamq\x01h\x01e.");
}

#[test]
fn buffers_of_a_value_are_counted_together() {
    let rows: &[&[u8]] =
        &[b"\x97\x97\x86.", b"\x97\x98\x97\x97\x98\x87.", b"](\x97\x98K\x01\x97e.", b"\x97\x98."];
    for pickle in rows {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let document = decoder.decode(pickle).unwrap();
        let value = document.root().to_value().unwrap();
        for lean in [false, true] {
            let options = EncodeOptions::new(Protocol::V5).memo(!lean);
            let again = value.encode_into(Vec::new(), options).unwrap();
            assert!(decoder.decode(&again).unwrap() == document, "{}", pickle.escape_ascii());
        }
        let mut encoder = Encoder::new(Vec::new(), Protocol::V5);
        encoder.value(&value).unwrap();
        assert!(decoder.decode(&encoder.finish().unwrap()).unwrap() == document);
    }
}
