//! Values: looking into them, owning them, comparing and printing them.

use std::collections::BTreeMap;

use pickle_codec::{ErrorKind, Value};
use proptest::prelude::*;

#[test]
fn a_value_is_small() {
    assert_eq!(size_of::<Value<'_>>(), 32);
    assert_eq!(size_of::<(Value<'_>, Value<'_>)>(), 64);
    fn shared<T: Send + Sync>() {}
    shared::<Value<'_>>();
}

#[test]
fn conversions() {
    let rows: Vec<(Value<'_>, &str)> = vec![
        (Value::from(()), "None"),
        (Value::from(true), "True"),
        (Value::from(-5_i8), "-5"),
        (Value::from(u64::MAX), "18446744073709551615"),
        (Value::from(i128::MIN), "-170141183460469231731687303715884105728"),
        (Value::from(1_usize), "1"),
        (Value::from(1.5_f32), "1.5"),
        (Value::from('x'), "'x'"),
        (Value::from("x"), "'x'"),
        (Value::from(String::from("x")), "'x'"),
        (Value::from(b"x".as_slice()), "b'x'"),
        (Value::from(Some(1)), "1"),
        (Value::from(None::<u8>), "None"),
        (Value::list(vec![1, 2]), "[1, 2]"),
        (Value::from(vec![1_u8, 2]), "b'\\x01\\x02'"),
        (Value::from(&[1_u8, 2][..]), "b'\\x01\\x02'"),
        (Value::from(BTreeMap::from([("a", 1)])), "{'a': 1}"),
        ((1..4).collect(), "[1, 2, 3]"),
        (Value::tuple([1]), "(1,)"),
        (Value::global("os", "system"), "<global 'os.system'>"),
        (Value::global("builtins", "dict"), "<class 'dict'>"),
        (Value::Set(vec![]), "set()"),
        (Value::FrozenSet(vec![Value::Int(1)]), "frozenset({1})"),
        (Value::PersistentId(Box::new(Value::from("a"))), "<persistent id 'a'>"),
        (Value::Extension(7), "<extension 7>"),
        (Value::Buffer(0, false), "<buffer 0>"),
        (Value::Wtf8(b"a\xed\xb2\x80".as_slice().into()), r"'a\udc80'"),
    ];
    for (value, expected) in rows {
        assert_eq!(value.to_string(), expected);
        let owned = value.clone().into_owned();
        assert!(owned == value || matches!(value, Value::Float(_)), "{value}");
    }
    // The smallest that fits is an `Int`.
    assert!(matches!(Value::from(i128::from(i64::MIN)), Value::Int(i64::MIN)));
    assert!(matches!(Value::from(u128::from(u64::MAX)), Value::BigInt(_)));
}

#[test]
fn accessors() {
    let value =
        Value::from_slice(b"}(X\x04\0\0\0listK\x01K\x02\x86X\x03\0\0\0numL9223372036854775808L\nK\x05Nu.")
            .unwrap();
    assert_eq!(value["list"][1].as_i64(), Some(2));
    assert_eq!(value["list"].as_tuple().map(<[_]>::len), Some(2));
    assert_eq!(value["list"].as_list(), None);
    assert_eq!(value["list"].as_items().map(<[_]>::len), Some(2));
    assert_eq!(value["num"].as_u64(), Some(1 << 63));
    assert_eq!(value["num"].as_i64(), None);
    assert_eq!(value["num"].as_i128(), Some(1 << 63));
    assert!(value["none"]["of"][7]["these"].is_none());
    assert_eq!(value.get("none"), None);
    assert_eq!(value.get(String::from("list").as_str()).and_then(|list| list.get(2)), None);
    assert_eq!(value.pointer("/list/0"), Some(&Value::Int(1)));
    assert_eq!(value.pointer(""), Some(&value));
    assert_eq!(value.pointer("list"), None);
    assert_eq!(value.as_dict().map(<[_]>::len), Some(3));
    assert_eq!(Value::Int(3).as_f64(), Some(3.0));
    assert_eq!(Value::Int(i64::MAX).as_f64(), None);
    assert_eq!(Value::Bool(true).as_i64(), None);
    assert_eq!(Value::from("a").as_str(), Some("a"));
    assert_eq!(Value::ByteArray(b"a".as_slice().into()).as_bytes(), Some(b"a".as_slice()));
    let mut taken = value;
    assert!(taken.take().as_dict().is_some());
    assert!(taken.is_none());
}

#[test]
fn printing_stops_at_the_cap() {
    let value = Value::list(["é"; 100]);
    for cap in 0..50 {
        let mut text = String::new();
        let error = value.py_repr(&mut text, cap).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget);
        assert!(text.len() <= cap && text.len() + 2 > cap, "{cap} {text}");
    }
    let mut text = String::new();
    value.py_ascii(&mut text, 1_000).unwrap();
    assert!(text.starts_with(r"['\xe9', "));
    // A huge integer costs no more than its digits, and CPython would not print it.
    let mut digits = b"\x8b\x40\x42\x0f\0".to_vec();
    digits.extend(vec![0x7f; 1_000_000]);
    digits.push(b'.');
    let huge = Value::from_slice(&digits).unwrap();
    let mut text = String::new();
    huge.py_repr(&mut text, 3_000_000).unwrap();
    assert!(text.starts_with("0x7f7f"), "{}", &text[..10]);
    let mut text = String::new();
    assert_eq!(huge.py_repr(&mut text, 100).unwrap_err().kind(), ErrorKind::Budget);
}

#[test]
fn hostile_names_forge_nothing() {
    let value = Value::global("os\n\u{1b}[2J", "it's \"x\"");
    assert_eq!(value.to_string(), r#"<global 'os\n\x1b[2J.it\'s "x"'>"#);
}

/// Values that pickles can hold, a few levels deep.
fn values() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        any::<f64>().prop_filter("equal to itself", |value| !value.is_nan()).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Tuple),
            prop::collection::btree_map(".{0,3}", inner, 0..5).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn equality_is_kept_by_clones_and_order(value in values(), other in values()) {
        prop_assert_eq!(&value.clone().into_owned(), &value);
        prop_assert!(value.py_eq(&value));
        prop_assert_eq!(value == other, other == value);
        prop_assert_eq!(value.py_eq(&other), other.py_eq(&value));
        prop_assert!(value != other || value.py_eq(&other));
        let reversed = |value: &Value<'static>| match value {
            Value::Dict(pairs) => Value::Dict(pairs.iter().rev().cloned().collect()),
            other => other.clone(),
        };
        prop_assert_eq!(&reversed(&value), &value);
        let set = Value::Set(vec![Value::from("x"), Value::Int(1), reversed(&value)]);
        let turned = Value::Set(vec![value, Value::Int(1), Value::from("x")]);
        prop_assert_eq!(set, turned);
    }

    #[test]
    fn printing_never_passes_its_cap(value in values(), cap in 0_usize..200) {
        let mut whole = String::new();
        value.py_repr(&mut whole, usize::MAX).unwrap();
        let mut text = String::new();
        let outcome = value.py_repr(&mut text, cap);
        prop_assert_eq!(outcome.is_ok(), whole.len() <= cap);
        prop_assert!(text.len() <= cap);
        prop_assert!(whole.starts_with(&text));
        prop_assert!(whole.chars().all(|point| !point.is_control()));
    }
}

#[cfg(feature = "serde")]
mod round_trip {
    use pickle_codec::{DecodeOptions, Decoder, Globals, Protocol, from_slice, to_vec};
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::values;

    const PROTOCOLS: [Protocol; 6] =
        [Protocol::V0, Protocol::V1, Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5];

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Bare,
        New(i128),
        Pair(u8, String),
        Full { x: f64, y: Option<bool> },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Everything {
        name: String,
        kinds: Vec<Kind>,
        pair: (u64, char),
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        map: std::collections::BTreeMap<i32, String>,
        unit: (),
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Bare),
            any::<i128>().prop_map(Kind::New),
            (any::<u8>(), ".{0,5}").prop_map(|(number, text)| Kind::Pair(number, text)),
            (-1e9..1e9_f64, any::<Option<bool>>()).prop_map(|(x, y)| Kind::Full { x, y }),
        ]
    }

    proptest! {
        #[test]
        fn values_come_back_from_their_pickles(value in values()) {
            for protocol in PROTOCOLS {
                let pickle = to_vec(&value, protocol).unwrap();
                let options = DecodeOptions::new().globals(Globals::Known);
                let mut decoder = Decoder::with_options(options);
                let document = decoder.decode(&pickle).unwrap();
                let back = document.root().to_value().unwrap();
                prop_assert_eq!(&back, &value);
                prop_assert_eq!(decoder.decode(&pickle).unwrap().to_string(), value.to_string());
            }
        }

        #[test]
        fn rust_types_come_back_from_their_pickles(
            name in ".{0,9}",
            kinds in prop::collection::vec(kinds(), 0..5),
            pair in any::<(u64, char)>(),
            bytes in prop::collection::vec(any::<u8>(), 0..9),
            map in prop::collection::btree_map(any::<i32>(), ".{0,4}", 0..5),
        ) {
            let everything = Everything { name, kinds, pair, bytes, map, unit: () };
            for protocol in [Protocol::V3, Protocol::V4, Protocol::V5] {
                let pickle = to_vec(&everything, protocol).unwrap();
                prop_assert_eq!(&from_slice::<Everything>(&pickle).unwrap(), &everything);
            }
        }
    }
}
