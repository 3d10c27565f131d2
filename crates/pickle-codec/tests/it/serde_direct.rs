//! `from_slice` reads pickles that are trees without a document: the answer is the document's for any input
//! and any type.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is a test")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use pickle_codec::{
    DecodeOptions, Decoder, Error, ErrorKind, Globals, Limits, Protocol, Py2Str, Value, from_document,
    from_slice, from_slice_with, instructions, to_vec,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Reads an input as one type in both ways and asserts that the answers are one.
fn agree_on<'a, T: Deserialize<'a> + Debug>(input: &'a [u8], options: &DecodeOptions) {
    let direct = from_slice_with::<T>(input, options);
    let general = Decoder::with_options(options.clone())
        .decode(input)
        .and_then(|document| from_document::<T>(&document));
    // A NaN is itself, so the texts are compared. Only the direct way knows the place in the pickle.
    let shown = |outcome: Result<T, Error>| match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.to_string().split(" (at byte").next()),
    };
    assert_eq!(shown(direct), shown(general), "{}", input.escape_ascii());
}

#[derive(Debug, Deserialize, Serialize)]
struct Sample<'a> {
    name: &'a str,
    #[serde(default)]
    count: Option<u32>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default, borrow)]
    more: BTreeMap<&'a str, (i8, bool)>,
}

#[derive(Debug, Deserialize, Serialize)]
enum Tag {
    Bare,
    One(i32),
    Pair(String, char),
    Named { text: String },
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is shown by Debug")]
struct Open {
    k: Value<'static>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value<'static>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is shown by Debug")]
enum Either {
    Number(f64),
    Bytes(serde_bytes::ByteBuf),
    Unit(()),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// Every pair of a map, equal keys included.
#[derive(Debug)]
#[allow(dead_code, reason = "it is shown by Debug")]
struct AllPairs(Vec<(String, u8)>);

impl<'de> Deserialize<'de> for AllPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = AllPairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AllPairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(AllPairs(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[derive(Debug, Deserialize)]
struct UnitStruct;

/// Reads an input as many types.
fn agree(input: &[u8]) {
    for options in [
        DecodeOptions::new(),
        DecodeOptions::new().globals(Globals::Inert),
        DecodeOptions::new().py2_str(Py2Str::Bytes),
        DecodeOptions::new().limits(Limits::new().max_depth(2).max_value_depth(3)),
        DecodeOptions::new().limits(Limits::new().max_expansion(200)),
        DecodeOptions::new().limits(Limits::new().max_input_len(20)),
    ] {
        agree_on::<Value<'_>>(input, &options);
        agree_on::<Sample<'_>>(input, &options);
    }
    let options = DecodeOptions::new();
    agree_on::<IgnoredAny>(input, &options);
    agree_on::<serde_json::Value>(input, &options);
    agree_on::<Open>(input, &options);
    agree_on::<Either>(input, &options);
    agree_on::<AllPairs>(input, &options);
    agree_on::<UnitStruct>(input, &options);
    agree_on::<Tag>(input, &options);
    agree_on::<()>(input, &options);
    agree_on::<Vec<Option<f32>>>(input, &options);
    agree_on::<BTreeMap<i64, IgnoredAny>>(input, &options);
    agree_on::<BTreeSet<String>>(input, &options);
    agree_on::<(u8, Vec<u8>, [u8; 1])>(input, &options);
    agree_on::<Vec<Tag>>(input, &options);
    agree_on::<&[u8]>(input, &options);
}

#[test]
fn what_ends_a_direct_read() {
    let rows: &[&[u8]] = &[
        // Equal keys, in one batch and in two, few and many.
        b"}(X\x01\0\0\0aK\x01X\x01\0\0\0aK\x02u.",
        b"}X\x01\0\0\0aK\x01sX\x01\0\0\0aK\x02s.",
        b"}(K\x01K\x01M\x01\x00K\x02u.",
        b"}(K\x01K\x01\x88K\x02u.",
        b"}(NK\x01G\0\0\0\0\0\0\0\0K\x02u.",
        b"\x8f(K\x01K\x01\x90.",
        b"(X\x01\0\0\0aX\x01\0\0\0a\x91.",
        // Fetches: of text, of a container, of nothing.
        b"](X\x01\0\0\0aq\0h\0h\0e.",
        b"](]q\0h\0e.",
        b"]q\0(h\0e.",
        b"](K\x01q\x05h\x05h\x06e.",
        b"](K\x01q\x11h\x11e.",
        b"](K\x01q\x10h\x10K\x02\x94h\x01e.",
        b"](K\x01\x94K\x02q\0h\0e.",
        b"]q\x01(X\x01\0\0\0aq\x02h\x02h\x01e.",
        // Stack and marks.
        b"K\x01K\x02.",
        b"(K\x01.",
        b"](e.",
        b"K\x01(u.",
        b"}(K\x01u.",
        b"]](K\x01ea.",
        b"K\x01](\x85.",
        b"(](e.",
        b"]K\x01(a.",
        b"K\x01e.",
        b"}K\x01a.",
        b"]K\x01a}K\x02K\x03sa.",
        b"K\x01\x85\x85\x85\x85.",
        b"((((t\x85ttt.",
        b")\x85.",
        b"]0].",
        // Frames, protocols, what follows.
        b"\x80\x06N.",
        b"\x80\x04\x95\x02\0\0\0\0\0\0\0N..",
        b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.",
        b"\x80\x04\x95\x01\0\0\0\0\0\0\0N.",
        b"\x80\x04\x95\x03\0\0\0\0\0\0\0N.",
        b"N.N",
        b"N",
        b"",
        // Text that is not UTF-8, and Python 2's.
        b"X\x03\0\0\0\xed\xb2\x80.",
        b"X\x01\0\0\0\xff.",
        b"U\x01\xff.",
        b"U\x01a.",
        b"](X\x01\0\0\0\xffe.",
        // Numbers.
        b"\x8a\x09\0\0\0\0\0\0\0\x80\0.",
        b"\x8a\x08\0\0\0\0\0\0\0\x80.",
        b"\x8a\0.",
        b"J\0\0\0\x80.",
        b"I01\n.",
        // Bytes and variants.
        b"C\x02ab.",
        b"(K\x07C\x02abC\x01ct.",
        b"](X\x04\0\0\0BareX\x03\0\0\0OneK\x01\x86}X\x03\0\0\0OneK\x01sX\x04\0\0\0Bare\x85e.",
        b"](X\x04\0\0\0Pair(X\x01\0\0\0aX\x01\0\0\0bt\x86}X\x05\0\0\0Named}X\x04\0\0\0textX\x00\0\0\0sse.",
        b"}K\x01K\x02s.",
    ];
    for row in rows {
        agree(row);
    }
}

#[test]
fn many_keys() {
    for equal in [None, Some((0, 9_999)), Some((3, 1_200)), Some((1, 2))] {
        let mut input = b"}".to_vec();
        for batch in 0..10_u32 {
            input.push(b'(');
            for number in batch * 1_000..(batch + 1) * 1_000 {
                let number = equal.filter(|&(_, one)| one == number).map_or(number, |(other, _)| other);
                input.extend_from_slice(b"X\x08\0\0\0");
                input.extend_from_slice(format!("{number:08}").as_bytes());
                input.extend_from_slice(b"K\x01");
            }
            input.push(b'u');
        }
        input.push(b'.');
        agree_on::<AllPairs>(&input, &DecodeOptions::new());
        assert_eq!(from_slice::<AllPairs>(&input).unwrap().0.len(), 10_000 - usize::from(equal.is_some()));
    }
}

#[test]
fn tuples_around_a_large_list_are_read_in_linear_time() {
    let mut input = b"](".to_vec();
    input.extend(b"N".repeat(200_000));
    input.push(b'e');
    input.extend(b"\x85".repeat(100));
    input.push(b'.');
    agree_on::<IgnoredAny>(&input, &DecodeOptions::new());
    let mut flat = b"(".to_vec();
    flat.extend(b"N\x85".repeat(100_000));
    flat.extend(b"t.");
    assert_eq!(from_slice::<Vec<((),)>>(&flat).unwrap().len(), 100_000);
}

#[test]
fn the_limits_are_the_documents() {
    let deep = [&b"]".repeat(129)[..], &b"a".repeat(128), b"."].concat();
    agree(&deep);
    assert_eq!(from_slice::<Value<'_>>(&deep).unwrap_err().kind(), ErrorKind::Depth);
    // Text that is fetched again and again.
    let mut wide = b"](X\x00\x01\0\0".to_vec();
    wide.extend(b"a".repeat(256));
    wide.extend(b"q\0");
    wide.extend(b"h\0".repeat(2_000));
    wide.extend(b"e.");
    let tight = DecodeOptions::new().limits(Limits::new().max_expansion(100_000));
    agree_on::<Vec<String>>(&wide, &tight);
    assert_eq!(from_slice_with::<Vec<&str>>(&wide, &tight).unwrap_err().kind(), ErrorKind::Budget);
    assert_eq!(from_slice::<Vec<&str>>(&wide).unwrap().len(), 2_001);
}

/// Instructions that a program is put together from.
const PARTS: [&[u8]; 52] = [
    b"(",
    b"]",
    b"}",
    b")",
    b"\x8f",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"e",
    b"a",
    b"u",
    b"s",
    b"\x90",
    b"\x91",
    b"N",
    b"K\x01",
    b"K\x02",
    b"M\x00\x01",
    b"J\xff\xff\xff\x7f",
    b"\x8a\x01\x05",
    b"\x88",
    b"G\x3f\xf0\0\0\0\0\0\0",
    b"X\x01\0\0\0k",
    b"X\x01\0\0\0a",
    b"X\x01\0\0\0a",
    b"X\x04\0\0\0name",
    b"X\x04\0\0\0tags",
    b"X\x04\0\0\0Bare",
    b"X\x03\0\0\0One",
    b"\x8c\x04more",
    b"\x8c\x05count",
    b"U\x01u",
    b"C\x01b",
    b"q\0",
    b"q\x01",
    b"q\x02",
    b"q\x05",
    b"\x94",
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
    b"R",
    b"I1\n",
];

fn values() -> impl Strategy<Value = Value<'static>> {
    let text = select(vec!["", "a", "b", "k", "name", "tags", "Bare", "One", "é", "日本語"]);
    prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-2_i64..300).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        text.prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
    .prop_recursive(4, 32, 12, |inner| {
        let key = select(vec!["a", "k", "name", "count", "tags", "more", "One", "Pair", "Named", "text"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            prop::collection::vec((key, inner), 0..12).prop_map(|pairs| {
                Value::Dict(pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
            }),
        ]
    })
}

/// Trees of integers.
fn trees() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![any::<i64>().prop_map(Value::Int), (0_i64..9).prop_map(Value::Int)].prop_recursive(
        6,
        40,
        5,
        |inner| {
            let items = prop::collection::vec(inner, 0..5);
            (items, 0..4).prop_map(|(items, kind)| match kind {
                0 => Value::List(items),
                1 | 2 => Value::Tuple(items),
                _ => Value::dict(["a", "b", "c", "d"].into_iter().zip(items)),
            })
        },
    )
}

thread_local! {
    /// How many integers are still taken before one is refused.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Takes anything, but for one integer.
#[derive(Debug)]
struct Refusing;

impl<'de> Deserialize<'de> for Refusing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Refusing;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Refusing, E> {
                let left = TAKEN.get().checked_sub(1).ok_or_else(|| E::custom("refused"))?;
                TAKEN.set(left);
                Ok(Refusing)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Refusing, A::Error> {
                while items.next_element::<Refusing>()?.is_some() {}
                Ok(Refusing)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Refusing, A::Error> {
                while map.next_entry::<&str, Refusing>()?.is_some() {}
                Ok(Refusing)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[test]
fn an_error_is_where_its_value_begins() {
    fn of<'a, T: Deserialize<'a> + Debug>(pickle: &'a [u8]) -> u64 {
        let error = from_slice::<T>(pickle).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        error.offset()
    }
    type Pairs = Vec<(u8, u8)>;
    assert_eq!(of::<u8>(b"N."), 0);
    assert_eq!(of::<u8>(b"\x80\x04\x95\x02\0\0\0\0\0\0\0N."), 11);
    assert_eq!(of::<Vec<u8>>(b"](K\x01NK\x02e."), 4);
    // The tokens of tuples stand before those of what they hold, but their opcodes come after it.
    assert_eq!(of::<Pairs>(b"](K\x01K\x02\x86K\x03N\x86e."), 9);
    assert_eq!(of::<(u8, Pairs)>(b"K\x01](K\x02K\x03\x86K\x04N\x86e\x86."), 11);
    assert_eq!(of::<Vec<u8>>(b"](K\x01K\x02K\x03\x86e."), 4);
    assert_eq!(of::<Vec<u8>>(b"](K\x01)e."), 4);
    assert_eq!(of::<Vec<u8>>(b"](K\x01(te."), 5);
    assert_eq!(of::<Vec<BTreeMap<String, u8>>>(b"](}X\x01\0\0\0aq\0K\x01s}h\0h\0se."), 17);
    // What is shared, or names something, has a path alone.
    assert_eq!(of::<Vec<u8>>(b"](]q\0h\0e."), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn programs(parts in prop::collection::vec(select(PARTS.to_vec()), 0..40), ends in any::<bool>()) {
        let mut program = parts.concat();
        if ends {
            program.push(b'.');
        }
        agree(&program);
        agree(&[&b"}("[..], &program, b"u."].concat());
        agree(&[&b"]("[..], &program, b"e."].concat());
    }

    #[test]
    fn offsets(value in trees(), protocol in select(vec![Protocol::V2, Protocol::V3, Protocol::V5])) {
        let pickle = to_vec(&value, protocol).unwrap();
        let integers: Vec<u64> = instructions(&pickle)
            .map(Result::unwrap)
            .filter(|one| matches!(one.opcode.name(), "BININT" | "BININT1" | "BININT2" | "LONG1"))
            .map(|one| one.offset as u64)
            .collect();
        for (number, offset) in integers.into_iter().enumerate() {
            TAKEN.set(number);
            let error = from_slice::<Refusing>(&pickle).unwrap_err();
            prop_assert_eq!(error.offset(), offset, "{} {}", number, pickle.escape_ascii());
        }
    }

    #[test]
    fn written_values(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for protocol in Protocol::ALL {
            let mut pickle = to_vec(&value, protocol).unwrap();
            agree(&pickle);
            let at = at.index(pickle.len());
            pickle[at] = byte;
            agree(&pickle);
        }
    }
}
