//! All ways to read a record give the same answer for any input, and all ways to write one the same bytes.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "this is a test")]

mod common;

use logrecord_model::{Field, LogRecord, RecordDecoder};
use pickle_codec::{DecodeOptions, DocumentBuilder, EncodeOptions, Globals, NodeId, Protocol, Py2Str, Value};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Reads a payload in every way and asserts that the answers are one.
fn agree(payload: &[u8]) {
    for options in [
        DecodeOptions::new(),
        DecodeOptions::new().globals(Globals::Known),
        DecodeOptions::new().py2_str(Py2Str::Bytes),
        DecodeOptions::new().py2_str(Py2Str::Latin1),
    ] {
        let mut decoder = RecordDecoder::with_options(options.clone());
        let general = decoder.decode_general(payload).map(|record| format!("{record:?}"));
        let first = decoder.decode(payload).map(|record| format!("{record:?}"));
        let second = decoder.decode(payload).map(|record| format!("{record:?}"));
        let free = LogRecord::from_pickle_with(payload, &options).map(|record| format!("{record:?}"));
        assert_eq!(first, general, "{}", payload.escape_ascii());
        assert_eq!(second, general, "{}", payload.escape_ascii());
        assert_eq!(free, general, "{}", payload.escape_ascii());
    }
    let general = RecordDecoder::new().decode_general(payload).map(|record| format!("{record:?}"));
    assert_eq!(LogRecord::from_pickle(payload).map(|record| format!("{record:?}")), general);
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{0,12}",
        1 => select(vec!["", "a", "é", "\u{100}", "日本語", "a\nb", "\0", "\u{202e}x"]).prop_map(str::to_owned),
        1 => "\\PC{0,40}",
        1 => "[a-z]{200,300}",
    ]
}

fn scalars() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300_i64..70_000).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        texts().prop_map(Value::from),
        Just(Value::Wtf8(b"a\xed\xb2\x80".to_vec().into())),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

fn values() -> impl Strategy<Value = Value<'static>> {
    scalars().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..5)
                .prop_map(|pairs| Value::dict(pairs.into_iter().collect::<Vec<_>>())),
        ]
    })
}

/// The attributes of a record, in any order, most with a value of the right type.
fn attributes() -> impl Strategy<Value = Vec<(Value<'static>, Value<'static>)>> {
    let own = Field::ALL.map(|field| {
        let usual = match field {
            Field::LevelNo | Field::LineNo | Field::Process => (0_i64..3000).prop_map(Value::Int).boxed(),
            Field::Thread => (0_i64..1 << 50).prop_map(Value::Int).boxed(),
            Field::Created | Field::Msecs | Field::RelativeCreated => {
                any::<f64>().prop_map(Value::Float).boxed()
            }
            Field::Args | Field::ExcInfo => Just(Value::None).boxed(),
            _ => texts().prop_map(Value::from).boxed(),
        };
        let value = prop_oneof![12 => usual, 1 => Just(Value::None), 1 => values()];
        prop::option::weighted(0.9, value)
            .prop_map(move |value| value.map(|value| (Value::from(field.as_str()), value)))
    });
    let key = prop_oneof![
        8 => "[a-z]{1,8}".prop_map(Value::from),
        1 => (0_i64..9).prop_map(Value::Int),
        1 => Just(Value::from("$tag")),
    ];
    let extras = prop::collection::vec((key, values()), 0..6);
    (Vec::from(own), extras, any::<bool>()).prop_flat_map(|(own, extras, shuffled)| {
        let mut all: Vec<_> = own.into_iter().flatten().collect();
        all.extend(extras);
        if shuffled { Just(all).prop_shuffle().boxed() } else { Just(all).boxed() }
    })
}

fn node(builder: &mut DocumentBuilder<'static>, value: &Value<'static>) -> NodeId {
    let nodes = |builder: &mut DocumentBuilder<'static>, items: &[Value<'static>]| -> Vec<NodeId> {
        items.iter().map(|item| node(builder, item)).collect()
    };
    match value {
        Value::Bool(value) => builder.bool(*value),
        Value::Int(number) => builder.int(*number).unwrap(),
        Value::Float(number) => builder.float(*number).unwrap(),
        Value::Str(text) => builder.owned_str(text).unwrap(),
        Value::Wtf8(bytes) => builder.owned_wtf8(bytes).unwrap(),
        Value::Bytes(bytes) => builder.owned_bytes(bytes).unwrap(),
        Value::List(items) => {
            let items = nodes(builder, items);
            builder.list(&items).unwrap()
        }
        Value::Tuple(items) => {
            let items = nodes(builder, items);
            builder.tuple(&items).unwrap()
        }
        Value::Dict(pairs) => {
            let dict = builder.dict().unwrap();
            for (key, value) in pairs {
                let (key, value) = (node(builder, key), node(builder, value));
                builder.set_item(dict, key, value).unwrap();
            }
            dict
        }
        _ => builder.none(),
    }
}

/// The pickle of a dict with these pairs.
fn pickle(pairs: &[(Value<'static>, Value<'static>)], protocol: Protocol, memo: bool) -> Vec<u8> {
    let mut builder = DocumentBuilder::new();
    let dict = node(&mut builder, &Value::Dict(pairs.to_vec()));
    builder.finish(dict).to_vec_with(EncodeOptions::new(protocol).memo(memo)).unwrap()
}

fn protocols() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::V0, Protocol::V1, Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5])
}

/// Bytes that mean something in a pickle.
const OPCODES: &[u8] = b"(.0122FGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8d\x8e\x8f\x90\x94\x95\xff\n\0";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_record_is_read_alike(pairs in attributes(), protocol in protocols(), memo in any::<bool>()) {
        agree(&pickle(&pairs, protocol, memo));
    }

    #[test]
    fn any_record_is_written_alike(pairs in attributes()) {
        let mut record = LogRecord::new();
        for (key, value) in &pairs {
            if let Value::Str(key) = key {
                record.set_extra(key.as_ref(), value.clone());
            }
        }
        let (mut fast, mut general) = (b"kept".to_vec(), b"kept".to_vec());
        record.to_pickle(&mut fast).unwrap();
        record.to_pickle_general(&mut general).unwrap();
        prop_assert_eq!(fast.escape_ascii().to_string(), general.escape_ascii().to_string());
        let again = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known)).decode(&fast[4..]).unwrap().into_owned();
        prop_assert_eq!(again.message().to_string(), record.message().to_string());
        prop_assert_eq!(again.extra().len(), record.extra().len());
        prop_assert_eq!(again.odd_fields().collect::<Vec<_>>(), record.odd_fields().collect::<Vec<_>>());
    }

    #[test]
    fn any_record_is_valid_json(pairs in attributes()) {
        let payload = pickle(&pairs, Protocol::V2, true);
        let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known));
        let record = decoder.decode(&payload).unwrap();
        let json = record.to_json();
        prop_assert!(!json.contains(|c: char| c.is_control()));
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        let message = record.message().to_string();
        prop_assert_eq!(parsed["message"].as_str(), Some(&*message));
        prop_assert_eq!(LogRecord::from_json(&json).unwrap().message().to_string(), record.message().to_string());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn damaged_records_are_read_alike(
        which in any::<Index>(),
        damage in prop::collection::vec((any::<Index>(), 0..5_u8, select(OPCODES.to_vec()), any::<u8>()), 1..4),
    ) {
        thread_local! {
            static PAYLOADS: Vec<Vec<u8>> = common::golden().into_iter().flat_map(|golden| golden.payloads)
                .filter(|payload| payload.len() < 4096).collect();
        }
        let mut payload = PAYLOADS.with(|payloads| which.get(payloads).clone());
        for (place, kind, opcode, byte) in damage {
            let at = place.index(payload.len());
            match kind {
                0 => payload[at] = opcode,
                1 => payload[at] = byte,
                2 => payload.insert(at, opcode),
                3 => { payload.remove(at); }
                _ => payload.truncate(at + 1),
            }
            if payload.is_empty() { break; }
        }
        agree(&payload);
    }
}

#[test]
fn golden_payloads_are_read_alike() {
    for golden in common::golden() {
        for payload in golden.payloads {
            agree(&payload);
        }
    }
}

/// Payloads that once could have been read in two ways, or nearly.
#[test]
fn rows() {
    let rows: &[&[u8]] = &[
        b"",
        b"}.",
        b"}q\x00.",
        b"]q\x00.",
        b"}q\x00(u.",
        b"}q\x00(X\x04\x00\x00\x00nameX\x01\x00\x00\x00au.",
        // A key twice: the last value counts, at the place of the first key.
        b"}(X\x04\x00\x00\x00nameX\x01\x00\x00\x00aX\x04\x00\x00\x00nameX\x01\x00\x00\x00bu.",
        b"}(X\x01\x00\x00\x00kK\x01X\x01\x00\x00\x00kK\x02u.",
        // An odd value, then the attribute again.
        b"}(X\x07\x00\x00\x00levelnoX\x01\x00\x00\x00aX\x07\x00\x00\x00levelnoK\x0au.",
        b"}(X\x07\x00\x00\x00levelnoI01\nu.",
        b"}(X\x07\x00\x00\x00createdK\x05u.",
        b"}(X\x07\x00\x00\x00createdI9007199254740993\nu.",
        // A fetch of what was never stored, of text and of a container.
        b"}(X\x03\x00\x00\x00msgh\x07u.",
        b"}(X\x03\x00\x00\x00msgq\x07h\x07u.",
        b"}q\x01(X\x03\x00\x00\x00msgh\x01u.",
        b"}(X\x03\x00\x00\x00msgq\x00X\x01\x00\x00\x00aq\x00X\x01\x00\x00\x00bh\x00u.",
        // A value that takes two opcodes.
        b"}(X\x01\x00\x00\x00kK\x01\x85u.",
        b"}(X\x01\x00\x00\x00kX\x01\x00\x00\x00v\x85u.",
        b"}(X\x01\x00\x00\x00k(K\x01K\x02tu.",
        b"}(X\x01\x00\x00\x00k]K\x01au.",
        b"}(X\x01\x00\x00\x00k]q\x00h\x00au.",
        b"}(X\x01\x00\x00\x00k}X\x01\x00\x00\x00aK\x01su.",
        b"}(X\x01\x00\x00\x00k}(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00aK\x02uu.",
        // Items on the wrong side of the mark.
        b"}(X\x01\x00\x00\x00k](K\x01u.",
        b"}(X\x01\x00\x00\x00kK\x01s.",
        b"}(X\x01\x00\x00\x00k]a.",
        b"}K\x01(u.",
        // More after the end, or no end.
        b"}(X\x01\x00\x00\x00kK\x01u.x",
        b"}(X\x01\x00\x00\x00kK\x01u",
        b"}(X\x01\x00\x00\x00kK\x01uK\x01.",
        b"}(X\x01\x00\x00\x00kK\x01u(X\x01\x00\x00\x00jK\x01u.",
        // Pickle FRAMEs that fit and that do not.
        b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00}(\x8c\x01kK\x01u.",
        b"\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00}(\x8c\x01kK\x01u.",
        b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00}(\x8c\x01kK\x01u.",
        b"\x80\x06}(\x8c\x01kK\x01u.",
        // MEMOIZE after gaps, and text that is not UTF-8.
        b"}q\x03(\x8c\x01k\x94h\x01u.",
        b"}\x94(\x8c\x01k\x94h\x01u.",
        b"}(U\x01\xff\xe9u.",
        b"}(U\x01kU\x02\xc3\xa9u.",
        b"}(U\x01kU\x01\xe9u.",
        b"}(X\x01\x00\x00\x00kX\x03\x00\x00\x00\xed\xa0\x80u.",
        b"}(X\x01\x00\x00\x00kX\x01\x00\x00\x00\xffu.",
        b"}(X\xff\xff\xff\xffkK\x01u.",
        b"}(X\x01\x00\x00\x00k\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80u.",
        b"}(X\x01\x00\x00\x00k\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00u.",
        b"}(X\x01\x00\x00\x00k\x8a\x00u.",
        b"}(X\x01\x00\x00\x00kI1\nX\x01\x00\x00\x00lI00\nX\x01\x00\x00\x00mI-5\nX\x01\x00\x00\x00nI007\nu.",
        b"}(cos\nsystem\nK\x01u.",
    ];
    for row in rows {
        agree(row);
    }
}

/// One long text that is fetched many times is not written out each time.
#[test]
fn fetched_text_is_charged() {
    let mut payload = b"}(X\x01\x00\x00\x00aX\x50\xc3\x00\x00".to_vec();
    payload.extend(std::iter::repeat_n(b'x', 50_000));
    payload.extend_from_slice(b"q\x01X\x01\x00\x00\x00b](");
    payload.extend(b"h\x01".repeat(10_000));
    payload.extend_from_slice(b"eX\x01\x00\x00\x00ch\x01u.");
    agree(&payload);
    let json = LogRecord::from_pickle(&payload).unwrap().to_json();
    assert!(json.len() < 300_000, "{}", json.len());
    assert!(json.contains("\"b\":\"<not kept: expands too far>\""));
}

/// Keys that are not kept are all one note, and a dict has it once, as it has a key that is that text itself.
#[test]
fn keys_that_are_not_kept_are_one() {
    let ladder = |leaf: &[u8]| [leaf, &b"2\x86".repeat(24)].concat();
    let literal = b"X\x1b\x00\x00\x00<not kept: expands too far>".as_slice();
    let (first, second) = (ladder(b"K\x01"), ladder(b"K\x02"));
    let rows: [&[&[u8]]; 4] = [
        &[&first, b"K\x01", &second, b"K\x02"],
        &[&first, b"K\x01", literal, b"K\x02"],
        &[literal, b"K\x01", &second, b"K\x02"],
        &[&first, b"K\x00", literal, b"K\x01", &second, b"K\x02"],
    ];
    for row in rows {
        let payload = [b"}(".as_slice(), &row.concat(), b"u."].concat();
        agree(&payload);
        let record = LogRecord::from_pickle(&payload).unwrap();
        let extras: Vec<_> = record.extra().map(|(_, value)| value.clone()).collect();
        assert_eq!(extras, [Value::Int(2)], "{}", payload.escape_ascii());
        let (mut direct, mut general) = (Vec::new(), Vec::new());
        record.to_pickle(&mut direct).unwrap();
        record.to_pickle_general(&mut general).unwrap();
        assert_eq!(direct, general, "{}", payload.escape_ascii());
    }
}
