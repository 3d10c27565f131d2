//! All ways to read a record give the same answer for any input, and all ways to write one the same bytes.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "this is a test")]

use crate::common;

use logrecord_model::{Field, LogRecord, RecordDecoder};
use pickle_codec::{
    DecodeOptions, DocumentBuilder, EncodeOptions, Globals, NodeId, Protocol, Py2Str, Value, instructions,
};
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
        Value::Str(text) => builder.str(text.clone()).unwrap(),
        Value::Wtf8(bytes) => builder.wtf8(bytes.clone()).unwrap(),
        Value::Bytes(bytes) => builder.bytes(bytes.clone()).unwrap(),
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

/// Instructions that a record may be made of: those that the fast readers know, and some that they leave to
/// the decoder.
const INSTRUCTIONS: &[&[u8]] = &[
    b"(",
    b"]",
    b"}",
    b")",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"e",
    b"a",
    b"u",
    b"s",
    b"N",
    b"K\x01",
    b"M\x00\x01",
    b"J\xff\xff\xff\xff",
    b"L12L\n",
    b"I01\n",
    b"I7\n",
    b"\x88",
    b"\x8a\x01\x05",
    b"G\x3f\xf0\0\0\0\0\0\0",
    b"X\x03\0\0\0msg",
    b"X\x04\0\0\0args",
    b"X\x07\0\0\0levelno",
    b"X\x07\0\0\0created",
    b"X\x01\0\0\0k",
    b"\x8c\x01l",
    b"U\x01u",
    b"T\x01\0\0\0u",
    b"C\x01b",
    b"q\0",
    b"q\x01",
    b"q\x03",
    b"r\x02\0\0\0",
    b"\x94",
    b"h\0",
    b"h\x01",
    b"h\x02",
    b"j\x01\0\0\0",
    b"0",
    b"1",
    b"2",
    b".",
    b"l",
    b"d",
    b"\x8f",
    b"(\x91",
    b"\x81",
    b"b",
    b"R",
    b"cos\nsystem\n",
];

/// Keys that a record's own may become.
const KEYS: &[&str] =
    &["msg", "args", "name", "levelno", "created", "exc_text", "message", "asctime", "user", ""];

/// One change to a payload: of a bit, of bytes, of whole instructions, or of a key.
#[derive(Clone, Debug)]
enum Change {
    Bit(Index, u8),
    Byte(Index, u8),
    InsertByte(Index, u8),
    RemoveByte(Index),
    Cut(Index),
    Insert(Index, &'static [u8]),
    Replace(Index, &'static [u8]),
    Remove(Index),
    Repeat(Index),
    Swap(Index, Index),
    Key(Index, &'static str),
}

fn changes() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    let instruction = || select(INSTRUCTIONS);
    let bytes = prop_oneof![
        (place(), 0..8_u8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        (place(), prop_oneof![any::<u8>(), select(OPCODES)]).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (place(), select(OPCODES)).prop_map(|(at, byte)| Change::InsertByte(at, byte)),
        place().prop_map(Change::RemoveByte),
        place().prop_map(Change::Cut),
    ];
    prop_oneof![
        3 => bytes,
        4 => (place(), instruction()).prop_map(|(at, new)| Change::Insert(at, new)),
        2 => (place(), instruction()).prop_map(|(at, new)| Change::Replace(at, new)),
        2 => place().prop_map(Change::Remove),
        1 => place().prop_map(Change::Repeat),
        1 => (place(), place()).prop_map(|(at, with)| Change::Swap(at, with)),
        2 => (place(), select(KEYS)).prop_map(|(at, key)| Change::Key(at, key)),
    ]
}

/// Where the instructions of a payload begin and end, as far as they can be read.
fn spans(payload: &[u8]) -> Vec<std::ops::Range<usize>> {
    let starts: Vec<usize> = instructions(payload).map_while(Result::ok).map(|one| one.offset).collect();
    let ends = starts.iter().skip(1).copied().chain([payload.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

fn change(payload: &mut Vec<u8>, change: &Change) {
    let spans = spans(payload);
    if payload.is_empty() || spans.is_empty() {
        return;
    }
    let byte = |at: &Index| at.index(payload.len());
    let span = |at: &Index| spans[at.index(spans.len())].clone();
    match change {
        Change::Bit(at, bit) => {
            let at = byte(at);
            payload[at] ^= 1 << bit;
        }
        Change::Byte(at, new) => {
            let at = byte(at);
            payload[at] = *new;
        }
        Change::InsertByte(at, new) => payload.insert(byte(at), *new),
        Change::RemoveByte(at) => drop(payload.remove(byte(at))),
        Change::Cut(at) => payload.truncate(byte(at) + 1),
        Change::Insert(at, new) => {
            let at = span(at).start;
            payload.splice(at..at, new.iter().copied());
        }
        Change::Replace(at, new) => drop(payload.splice(span(at), new.iter().copied())),
        Change::Remove(at) => drop(payload.drain(span(at))),
        Change::Repeat(at) => {
            let span = span(at);
            let again = payload[span.clone()].to_vec();
            payload.splice(span.end..span.end, again);
        }
        Change::Swap(at, with) => {
            let (first, second) = (span(at), span(with));
            if first.end <= second.start {
                let (head, tail) = (payload[first.clone()].to_vec(), payload[second.clone()].to_vec());
                payload.splice(second, head);
                payload.splice(first, tail);
            }
        }
        Change::Key(at, key) => {
            let texts: Vec<_> = spans.iter().filter(|span| payload[span.start] == b'X').collect();
            if !texts.is_empty() {
                let mut new = vec![b'X', u8::try_from(key.len()).unwrap(), 0, 0, 0];
                new.extend_from_slice(key.as_bytes());
                payload.splice(texts[at.index(texts.len())].clone(), new);
            }
        }
    }
}

/// As many cases as `PROPTEST_CASES` says, or this many.
fn cases(least: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(least), ..usual }
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn changed_records_are_read_alike(
        which in any::<Index>(),
        list in prop::collection::vec(changes(), 1..6),
    ) {
        let mut payload = PAYLOADS.with(|payloads| which.get(payloads).clone());
        for one in &list {
            change(&mut payload, one);
        }
        agree(&payload);
    }

    /// What the changes above seldom make: whole programs, behind what any reader takes for a record.
    #[test]
    fn programs_are_read_alike(
        start in select(vec![&b"}("[..], b"}q\0(", b"\x80\x04}\x94(", b"}(X\x01\0\0\0l]"]),
        stock in any::<bool>(),
        program in prop::collection::vec(select(INSTRUCTIONS), 0..14),
        end in select(vec![&b"."[..], b"u.", b"su.", b"uu.", b""]),
    ) {
        let mut payload = start.to_vec();
        if stock {
            payload.clear();
            LogRecord::builder("app", 20, "m").build().to_pickle(&mut payload).unwrap();
            payload.truncate(payload.len() - 2);
            payload.extend_from_slice(b"X\x05\0\0\0extraq\x77");
        }
        payload.extend(program.concat());
        payload.extend_from_slice(end);
        agree(&payload);
    }
}

thread_local! {
    static PAYLOADS: Vec<Vec<u8>> = common::golden().into_iter().flat_map(|golden| golden.payloads)
        .filter(|payload| payload.len() < 4096).collect();
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
        // The record's own dict taken up into something, or met by an opcode that is not for it.
        b"}(X\x03\x00\x00\x00msgX\x01\x00\x00\x00aX\x01\x00\x00\x00l]u\x85.",
        b"}(X\x04\x00\x00\x00args]u\x85.",
        b"}(X\x01\x00\x00\x00l]uK\x01\x86.",
        b"}(X\x01\x00\x00\x00l]uK\x01K\x02\x87.",
        b"}(X\x01\x00\x00\x00l]u(t.",
        b"}(X\x01\x00\x00\x00l]uK\x01a.",
        b"}(X\x01\x00\x00\x00l]u(K\x01e.",
        b"}(X\x01\x00\x00\x00l]u((u.",
        b"}(X\x01\x00\x00\x00l]u(q\x00u.",
        b"}(X\x01\x00\x00\x00l]uq\x00.",
        b"}(X\x01\x00\x00\x00l]u\x94.",
        b"}(X\x01\x00\x00\x00l]uq\x00h\x00.",
        b"}(X\x01\x00\x00\x00l]uX\x01\x00\x00\x00kK\x01s.",
        b"}(X\x01\x00\x00\x00l]u(X\x01\x00\x00\x00kK\x01s.",
        b"}(X\x01\x00\x00\x00l](X\x01\x00\x00\x00kK\x01uu.",
        b"}(X\x01\x00\x00\x00l]u0.",
        b"}(X\x01\x00\x00\x00l]uu.",
        b"}(X\x01\x00\x00\x00l]s.",
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
    assert!(json.contains("\"b\":\"...(cut)\"") && json.ends_with(",\"cut\":true}"));
}

/// Keys that are not kept are all one note, and a dict has it once, as it has a key that is that text itself.
#[test]
fn keys_that_are_not_kept_are_one() {
    let ladder = |leaf: &[u8]| [leaf, &b"2\x86".repeat(24)].concat();
    let literal = b"X\x08\x00\x00\x00...(cut)".as_slice();
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
