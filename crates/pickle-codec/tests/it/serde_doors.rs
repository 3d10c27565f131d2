//! The ways in and out of serde: readers, serializers, deserializers, values, documents.
#![cfg(all(feature = "serde", feature = "std"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use num_bigint::BigInt;
use pickle_codec::{
    DecodeOptions, Decoder, Deserializer, Encoder, Error, ErrorKind, Globals, Limits, PickleReader, Protocol,
    Value, decode, from_reader, from_reader_with, from_slice, from_value, to_value, to_vec,
};
use serde::{Deserialize, Serialize};

/// A reader that gives a byte at a time, and is interrupted before each.
struct Drip<'a>(&'a [u8], bool);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        self.0 = rest;
        out[0] = *first;
        Ok(1)
    }
}

const PROTOCOLS: [Protocol; 6] =
    [Protocol::V0, Protocol::V1, Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5];

fn inside(error: &io::Error) -> &Error {
    error.get_ref().and_then(|error| error.downcast_ref()).unwrap()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    One(u8),
    Two(u8, String),
    Fields { x: Option<f64> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Whole {
    kinds: Vec<Kind>,
    map: BTreeMap<(u8, bool), [i64; 2]>,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    unit: (),
    nested: Option<Box<Self>>,
}

fn whole(depth: u32) -> Whole {
    Whole {
        kinds: vec![Kind::Plain, Kind::One(1), Kind::Two(2, "zwei".into()), Kind::Fields { x: Some(0.5) }],
        map: BTreeMap::from([((1, true), [i64::MIN, 2]), ((2, false), [3, i64::MAX])]),
        bytes: vec![0, 255],
        unit: (),
        nested: (depth > 0).then(|| Box::new(whole(depth - 1))),
    }
}

#[test]
fn every_way_out_and_in_agrees() {
    let value = whole(3);
    let held = to_value(&value).unwrap();
    assert_eq!(from_value::<Whole>(held.clone()).unwrap(), value);
    for protocol in PROTOCOLS {
        let options = DecodeOptions::new().globals(Globals::Known);
        let pickle = to_vec(&value, protocol).unwrap();
        assert_eq!(Value::from_slice_with(&pickle, &options).unwrap(), held);
        // Only what knows a type knows which texts are names, which are written once; what they say is the same.
        let read = |pickle: Vec<u8>| Value::from_slice_with(&pickle, &options).unwrap().into_owned();
        assert_eq!(read(held.to_vec(protocol).unwrap()), held);
        assert_eq!(read(to_vec(&held, protocol).unwrap()), held);
        let mut encoder = Encoder::new(Vec::new(), protocol);
        value.serialize(&mut encoder).unwrap();
        assert_eq!(encoder.finish().unwrap(), pickle);
        assert_eq!(from_reader_with::<_, Whole>(Drip(&pickle, false), &options).unwrap(), value);
        let mut deserializer = Deserializer::from_slice_with(&pickle, &options);
        assert_eq!(Whole::deserialize(&mut deserializer).unwrap(), value);
        deserializer.end().unwrap();
        // A document and its copy are serialized as what they are.
        let mut decoder = Decoder::with_options(options.clone());
        let document = decoder.decode(&pickle).unwrap();
        assert_eq!(read(to_vec(&document, protocol).unwrap()), held);
        assert_eq!(to_value(&document).unwrap(), held);
        let owned = document.clone().into_owned().unwrap();
        assert_eq!(owned.root().to_value().unwrap(), held);
        assert_eq!(owned.to_vec(protocol).unwrap(), document.to_vec(protocol).unwrap());
        assert_eq!(pickle_codec::from_document::<Whole>(&owned).unwrap(), value);
    }
}

#[test]
fn a_reader_takes_pickles_one_after_another() {
    let mut input = Vec::new();
    for number in 0..300_u32 {
        input.extend(to_vec(&(number, "text"), PROTOCOLS[number as usize % 6]).unwrap());
    }
    let mut reader = PickleReader::new(Drip(&input, false));
    for number in 0..300 {
        assert_eq!(reader.read::<(u32, String)>().unwrap(), Some((number, "text".into())));
    }
    assert_eq!(reader.read::<(u32, String)>().unwrap(), None);
    let all: Result<Vec<(u32, &str)>, _> = Deserializer::from_slice(&input).into_iter().collect();
    assert_eq!(all.unwrap().len(), 300);
    // A value of another type costs only itself; whatever else is the end.
    let mut reader = PickleReader::new(&b"K\x01.K\x02.K"[..]);
    assert_eq!(inside(&reader.read::<String>().unwrap_err()).kind(), ErrorKind::Data);
    assert_eq!(reader.read::<u8>().unwrap(), Some(2));
    let error = reader.read::<u8>().unwrap_err();
    assert_eq!((error.kind(), inside(&error).offset()), (io::ErrorKind::UnexpectedEof, 6));
    let mut iter = Deserializer::from_slice(b"K\x01.\xff").into_iter::<u8>();
    assert_eq!(iter.next(), Some(Ok(1)));
    assert_eq!(iter.next().unwrap().unwrap_err().offset(), 3);
    assert_eq!(iter.next(), None);
    let end = Deserializer::from_slice(b"N").end().unwrap_err();
    assert_eq!((end.kind(), end.offset()), (ErrorKind::Trailing, 0));
}

#[test]
fn a_reader_is_bounded() {
    let options = DecodeOptions::new().limits(Limits { max_input_len: 1_000, ..Limits::default() });
    // Neither reads more than it may of what never ends.
    let endless = Read::chain(&b"(("[..], io::repeat(b'N'));
    let error = PickleReader::with_options(endless, options.clone()).read::<()>().unwrap_err();
    assert_eq!(inside(&error).kind(), ErrorKind::Input);
    let error = from_reader_with::<_, ()>(io::repeat(b'N'), &options).unwrap_err();
    assert_eq!(inside(&error).kind(), ErrorKind::Input);
    // A declared length reserves nothing, and what can never fit is refused at once.
    let error = PickleReader::with_options(&b"\x8e\0\0\0\0\0\0\0\x40"[..], options).read::<()>().unwrap_err();
    assert_eq!(inside(&error).kind(), ErrorKind::Length);
    // What is refused is refused when it has arrived, whatever follows.
    let hostile = Read::chain(&b"cos\nsystem\n"[..], io::repeat(b'('));
    let error = PickleReader::new(hostile).read::<()>().unwrap_err();
    assert_eq!(inside(&error).global(), Some("os.system"));
    let error = from_reader::<_, u8>(&b"K\x01.K"[..]).unwrap_err();
    assert_eq!((error.kind(), inside(&error).kind()), (io::ErrorKind::InvalidData, ErrorKind::Trailing));
}

#[test]
fn documents_go_into_json() {
    let json = |input: &[u8]| {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let document = decoder.decode(input).unwrap();
        let text = serde_json::to_string(&document).unwrap();
        let read: serde_json::Value = pickle_codec::from_document(&document).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            read,
            "{}",
            input.escape_ascii()
        );
        text
    };
    assert_eq!(json(b"N."), "null");
    assert_eq!(
        json(b"](K\x01G\x3f\xf8\0\0\0\0\0\0\x89X\x01\0\0\0aK\x02\x85\x8f(K\x03\x90e."),
        r#"[1,1.5,false,"a",[2],[3]]"#
    );
    assert_eq!(json(b"cdatetime\ndate\n(C\x04\x07\xea\x01\x02tR."), r#""2026-01-02""#);
    assert_eq!(json(b"cmypkg\nPoint\n)\x81}X\x01\0\0\0xK\x01sb."), r#"{"x":1}"#);
    assert_eq!(json(b"cmypkg\nThing\n."), r#""mypkg.Thing""#);
    assert_eq!(json(b"c__builtin__\ncomplex\n(F1.0\nF2.0\ntR."), "[1.0,2.0]");
    // Sharing is written out within the limits, and a cycle is an error.
    let document = decode(b"]q\0h\0a.").unwrap();
    assert!(serde_json::to_string(&document).unwrap_err().to_string().contains("contains itself"));
    assert_eq!(to_vec(&document, Protocol::V4).unwrap_err().kind(), ErrorKind::Data);
    let mut bomb = b"X\x01\0\0\0aq\0".to_vec();
    for level in 1..40_u8 {
        bomb.push(b'(');
        bomb.extend([b'h', level - 1].repeat(10));
        bomb.extend([b't', b'q', level]);
    }
    bomb.push(b'.');
    let limits = Limits { max_expansion: Some(1 << 20), ..Limits::default() };
    let mut decoder = Decoder::with_options(DecodeOptions::new().limits(limits));
    let document = decoder.decode(&bomb).unwrap();
    assert!(serde_json::to_string(&document).is_err());
    assert!(to_value(&document).is_err());
    assert!(from_slice::<serde::de::IgnoredAny>(&bomb).is_ok());
}

#[test]
fn a_document_owns_what_it_borrowed() {
    let inputs: &[&[u8]] = &[
        b"](X\x04\0\0\0spamq\0h\0C\x02\0\xffq\x01h\x01X\x03\0\0\0\xed\xb2\x80V\\u0041\n\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0e.",
        b"\x96\x02\0\0\0\0\0\0\0\0\xff.",
        b"X\x01\0\0\0a.",
        b"cmypkg\nPoint\n)\x81}X\x01\0\0\0xC\x01as}b.",
        b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x03\x04\x05\0\0\x06tR.",
        b"U\x01xP0\n\x86.",
        b"cmypkg\nA\nX\x01\0\0\0bb.",
    ];
    for input in inputs {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let Ok(document) = decoder.decode(input) else { continue };
        let copy = input.to_vec();
        let owned = {
            let held = copy;
            decoder.decode(&held).unwrap().into_owned().unwrap()
        };
        assert_eq!(owned.to_string(), document.to_string());
        assert_eq!(owned.to_vec(Protocol::V5).unwrap(), document.to_vec(Protocol::V5).unwrap());
        assert_eq!(owned, document);
        assert_eq!(owned.root().to_value().unwrap(), document.root().to_value().unwrap());
    }
}

#[test]
fn values_are_changed_in_place() {
    let mut value = Value::from(BTreeMap::from([("a", Value::list([1, 2]))]));
    value["a"][1] = Value::from("two");
    value["b"]["c"] = Value::from((1, "x", [Value::from(0.5)]));
    assert_eq!(value.to_string(), "{'a': [1, 'two'], 'b': {'c': (1, 'x', [0.5])}}");
    assert_eq!(value.pointer_mut("/b/c/0").map(Value::take), Some(Value::Int(1)));
    assert_eq!(value.pointer("/b/c/0"), Some(&Value::None));
    assert_eq!(value.pointer_mut("/b/c/9"), None);
    assert_eq!(value.get_mut("zzz"), None);
    assert_eq!(
        (Value::from(b"ab"), Value::from([97, 98])),
        (Value::from(&b"ab"[..]), Value::from(vec![97, 98]))
    );
    assert_eq!(Value::from(HashMap::from([("k", 1_u64)])), Value::dict([("k", 1)]));
    let document = decode(b"}(K\x01K\x02K\x03K\x04u.").unwrap();
    let pickle_codec::Node::Dict(pairs) = document.root().view() else { panic!("a dict") };
    let mut sum = 0;
    for (key, value) in pairs {
        let (pickle_codec::Node::Int(key), pickle_codec::Node::Int(value)) = (key.view(), value.view())
        else {
            continue;
        };
        sum += key * value;
    }
    assert_eq!(sum, 14);
}

#[test]
#[should_panic(expected = "no item at place 2")]
fn a_place_that_is_not_there_panics() {
    Value::list([1, 2])[2] = Value::None;
}

#[test]
fn integers_of_any_size() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder(#[serde(with = "pickle_codec::bigint")] BigInt);
    for value in [BigInt::from(0), BigInt::from(-5), BigInt::from(u128::MAX), -BigInt::from(3).pow(900)] {
        let holder = Holder(value);
        for protocol in [Protocol::V0, Protocol::V4] {
            let pickle = to_vec(&holder, protocol).unwrap();
            assert_eq!(from_slice::<Holder>(&pickle).unwrap(), holder);
        }
        let json = serde_json::to_string(&holder).unwrap();
        if holder.0 < BigInt::from(u64::MAX) {
            assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), holder, "{json}");
        }
        assert_eq!(from_value::<Holder>(to_value(&holder).unwrap()).unwrap(), holder);
    }
    assert!(from_slice::<Holder>(b"G\0\0\0\0\0\0\0\0.").is_err());
    // Decimal text up to 4,300 digits, hexadecimal text beyond.
    let ten = |digits: u32| -BigInt::from(10).pow(digits - 1);
    for (value, start) in [(ten(4_300), "\"-1000"), (ten(4_400), "\"-0x"), (-ten(4_400), "\"0x")] {
        let json = serde_json::to_string(&Holder(value.clone())).unwrap();
        assert!(json.starts_with(start), "{json}");
        assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), Holder(value));
    }
    for wrong in [r#""""#, r#""-""#, r#""-+5""#, r#""0x""#, r#""0x+5""#, r#""0x-5""#, r#""--5""#, r#""5x""#] {
        assert!(serde_json::from_str::<Holder>(wrong).is_err(), "{wrong}");
    }
}
