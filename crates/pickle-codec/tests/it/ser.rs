//! serde's writing side, as rows.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use pickle_codec::{
    DecodeOptions, Encoder, ErrorKind, Globals, Protocol, Value, decode, from_slice, to_vec, to_writer,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

/// The text of Python's `repr` of what a value is encoded as.
fn shown<T: Serialize + ?Sized>(value: &T) -> String {
    let pickle = to_vec(value, Protocol::V5).unwrap();
    let options = DecodeOptions::new().globals(Globals::Inert);
    Value::from_slice_with(&pickle, &options).unwrap().to_string()
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct Pair(u8, u8);

#[derive(Serialize)]
struct Named {
    a: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<u8>,
}

#[derive(Serialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Vec<u8>>,
}

#[derive(Serialize)]
enum Kind {
    Plain,
    One(u8),
    Two(u8, u8),
    Fields { x: u8 },
}

/// A sequence that does not know its length.
struct Unsized(u32);

impl Serialize for Unsized {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(None)?;
        for item in 0..self.0 {
            seq.serialize_element(&item)?;
        }
        seq.end()
    }
}

#[test]
fn rows() {
    assert_eq!(shown(&true), "True");
    assert_eq!(shown(&-5_i8), "-5");
    assert_eq!(shown(&u64::MAX), "18446744073709551615");
    assert_eq!(shown(&i128::MIN), "-170141183460469231731687303715884105728");
    assert_eq!(shown(&u128::MAX), "340282366920938463463374607431768211455");
    assert_eq!(shown(&0.1_f32), "0.10000000149011612");
    assert_eq!(shown(&'é'), "'é'");
    assert_eq!(shown("text"), "'text'");
    assert_eq!(shown(&()), "None");
    assert_eq!(shown(&Unit), "None");
    assert_eq!(shown(&None::<u8>), "None");
    assert_eq!(shown(&Some(1)), "1");
    assert_eq!(shown(&Newtype(7)), "7");
    assert_eq!(shown(&Pair(1, 2)), "(1, 2)");
    assert_eq!(shown(&(1, "x", ())), "(1, 'x', None)");
    assert_eq!(shown(&vec![1, 2]), "[1, 2]");
    assert_eq!(shown(&ByteBuf::from(vec![1, 255])), r"b'\x01\xff'");
    assert_eq!(shown(&Named { a: 1, b: None }), "{'a': 1}");
    assert_eq!(shown(&Named { a: 1, b: Some(2) }), "{'a': 1, 'b': 2}");
    assert_eq!(shown(&Kind::Plain), "'Plain'");
    assert_eq!(shown(&Kind::One(1)), "{'One': 1}");
    assert_eq!(shown(&Kind::Two(1, 2)), "{'Two': (1, 2)}");
    assert_eq!(shown(&Kind::Fields { x: 3 }), "{'Fields': {'x': 3}}");
    let rest = BTreeMap::from([("more".to_owned(), vec![1, 2]), ("none".to_owned(), vec![])]);
    assert_eq!(shown(&Flat { id: 1, rest }), "{'id': 1, 'more': [1, 2], 'none': []}");
}

#[test]
fn unknown_lengths_give_the_same_bytes() {
    for len in [0, 1, 2, 1000, 1001, 2500] {
        for protocol in Protocol::ALL {
            let known: Vec<u32> = (0..len).collect();
            assert_eq!(
                to_vec(&Unsized(len), protocol).unwrap(),
                to_vec(&known, protocol).unwrap(),
                "{len} items, protocol {protocol}"
            );
        }
    }
}

#[test]
fn a_value_in_a_struct_is_itself() {
    let pickles: &[&[u8]] = &[
        b"\x80\x04\x8f(K\x01((K\x02\x91\x89t\x90.",
        b"\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00ab.",
        b"\x80\x02\x8a\x15\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15.",
        b"X\x03\x00\x00\x00\xed\xa0\x80.",
        b"cmod\nname\n.",
        b"cmod\nname\n(K\x01tR}X\x01\x00\x00\x00aNsb.",
        b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01)K\x01]q\x02(NI01\neu.",
        b"\x80\x02X\x01\x00\x00\x00pQ.",
        b"\x80\x02\x82\x05.",
    ];
    let options = DecodeOptions::new().globals(Globals::Inert);
    for pickle in pickles {
        let value = Value::from_slice_with(pickle, &options).unwrap();
        for protocol in Protocol::ALL {
            let direct = value.to_vec(protocol).unwrap();
            assert_eq!(to_vec(&value, protocol).unwrap(), direct, "{value}, protocol {protocol}");
            let again = Value::from_slice_with(&direct, &options).unwrap();
            assert_eq!(again.to_string(), value.to_string(), "protocol {protocol}");
            let wrapped = to_vec(&Some((value.clone(), Unsized(1))), protocol).unwrap();
            let wrapped = Value::from_slice_with(&wrapped, &options).unwrap();
            assert_eq!(wrapped[0].to_string(), value.to_string(), "protocol {protocol}");
        }
    }
}

#[test]
fn json_gets_what_it_can_say() {
    let options = DecodeOptions::new().globals(Globals::Inert);
    let rows: &[(&[u8], &str)] = &[
        (b"\x80\x04\x8f(K\x01K\x02\x90.", "[1,2]"),
        (b"\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00ab.", "[97,98]"),
        (b"X\x04\x00\x00\x00a\xed\xa0\x80.", "\"a\u{fffd}\""),
        (
            b"L1000000000000000000000000000000000000000000L\n.",
            "\"1000000000000000000000000000000000000000000\"",
        ),
        (b"cmod\nname\n.", "\"mod.name\""),
        (b"cmod\nname\n(K\x01tR.", r#"{"class":"mod.name","args":[1]}"#),
    ];
    for (pickle, expected) in rows {
        let value = Value::from_slice_with(pickle, &options).unwrap();
        assert_eq!(&serde_json::to_string(&value).unwrap(), expected);
    }
}

#[test]
fn a_writer_gets_the_same_bytes_and_keeps_its_errors() {
    let value: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    for protocol in Protocol::ALL {
        let mut out = Vec::new();
        to_writer(&mut out, &value, protocol).unwrap();
        assert_eq!(out, to_vec(&value, protocol).unwrap());
    }
    let mut room = [0_u8; 100];
    let error = to_writer(room.as_mut_slice(), &value, Protocol::V4).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);

    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no such thing"))
        }
    }
    let error = to_writer(Vec::new(), &Broken, Protocol::V4).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (std::io::ErrorKind::InvalidInput, "no such thing")
    );
    assert_eq!(to_vec(&Broken, Protocol::V4).unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn an_event_encoder_takes_any_value() {
    let mut encoder = Encoder::new(Vec::new(), Protocol::V1);
    encoder.begin_tuple(2).unwrap();
    encoder.serialize(&Named { a: 1, b: None }).unwrap();
    encoder.value(&Value::Int(5)).unwrap();
    encoder.end().unwrap();
    let pickle = encoder.finish().unwrap();
    assert_eq!(pickle, b"(}q\x00X\x01\x00\x00\x00aq\x01K\x01sK\x05tq\x02.");
    decode(&pickle).unwrap();
}

#[test]
fn keys_are_what_python_can_hash() {
    use std::collections::BTreeSet;
    let unhashable = [
        to_vec(&BTreeMap::from([(vec![1], 2)]), Protocol::V4),
        to_vec(&BTreeMap::from([(BTreeMap::from([(1, 2)]), 2)]), Protocol::V1),
        to_vec(&BTreeMap::from([((1, vec![1]), 2)]), Protocol::V0),
        Value::dict([(Value::List(vec![]), 1)]).to_vec(Protocol::V2),
        Value::dict([(Value::Tuple(vec![Value::Set(vec![])]), 1)]).to_vec(Protocol::V4),
        Value::Set(vec![Value::Dict(vec![])]).to_vec(Protocol::V4),
        Value::Set(vec![Value::Dict(vec![])]).to_vec(Protocol::V2),
        Value::FrozenSet(vec![Value::ByteArray(b"".into())]).to_vec(Protocol::V5),
        to_vec(&Value::FrozenSet(vec![Value::List(vec![])]), Protocol::V3),
    ];
    for pickle in unhashable {
        assert_eq!(pickle.unwrap_err().kind(), ErrorKind::Hash);
    }
    for protocol in [Protocol::V0, Protocol::V2, Protocol::V5] {
        let pairs = (0..2_001).map(|key| ((key, (key, "a")), vec![key]));
        let map: BTreeMap<_, _> = pairs.collect();
        let pickle = to_vec(&map, protocol).unwrap();
        assert_eq!(from_slice::<BTreeMap<(i32, (i32, &str)), Vec<i32>>>(&pickle).unwrap(), map);
        let frozen = Value::FrozenSet(vec![Value::tuple([1, 2]), Value::FrozenSet(vec![Value::Int(3)])]);
        let held = Value::dict([(frozen, Value::list([Value::Set(vec![Value::Int(1)])]))]);
        let options = DecodeOptions::new().globals(Globals::Known);
        assert_eq!(Value::from_slice_with(&held.to_vec(protocol).unwrap(), &options).unwrap(), held);
    }
    // A refused event leaves the encoder as it was.
    let mut encoder = Encoder::new(Vec::new(), Protocol::V2);
    encoder.begin_dict(1).unwrap();
    assert_eq!(encoder.begin_list(0).unwrap_err().kind(), ErrorKind::Hash);
    encoder.int(1).unwrap();
    encoder.begin_list(0).unwrap();
    encoder.end().unwrap();
    encoder.end().unwrap();
    assert_eq!(encoder.finish().unwrap(), b"\x80\x02}q\x00K\x01]q\x01s.");
    let set: BTreeSet<(u8, u8)> = BTreeSet::from([(1, 2)]);
    assert_eq!(shown(&set), "[(1, 2)]");
}

#[derive(Serialize)]
struct Job {
    id: u8,
    name: &'static str,
    state: State,
}

#[derive(Serialize)]
enum State {
    Busy,
}

/// What CPython writes for the attributes of two instances, whose names exist once, and an interned value.
#[test]
fn names_of_fields_and_variants_are_written_once() {
    let jobs = [1, 2].map(|id| Job { id, name: ["n1", "n2"][usize::from(id - 1)], state: State::Busy });
    let rows: [&[u8]; 6] = [
        b"(lp0\n(dp1\nVid\np2\nI1\nsVname\np3\nVn1\np4\nsVstate\np5\nVBusy\np6\nsa(dp7\ng2\nI2\nsg3\nVn2\np8\nsg5\ng6\nsa.",
        b"]q\x00(}q\x01(X\x02\x00\x00\x00idq\x02K\x01X\x04\x00\x00\x00nameq\x03X\x02\x00\x00\x00n1q\x04X\x05\x00\x00\x00stateq\x05X\x04\x00\x00\x00Busyq\x06u}q\x07(h\x02K\x02h\x03X\x02\x00\x00\x00n2q\x08h\x05h\x06ue.",
        b"\x80\x02]q\x00(}q\x01(X\x02\x00\x00\x00idq\x02K\x01X\x04\x00\x00\x00nameq\x03X\x02\x00\x00\x00n1q\x04X\x05\x00\x00\x00stateq\x05X\x04\x00\x00\x00Busyq\x06u}q\x07(h\x02K\x02h\x03X\x02\x00\x00\x00n2q\x08h\x05h\x06ue.",
        b"\x80\x03]q\x00(}q\x01(X\x02\x00\x00\x00idq\x02K\x01X\x04\x00\x00\x00nameq\x03X\x02\x00\x00\x00n1q\x04X\x05\x00\x00\x00stateq\x05X\x04\x00\x00\x00Busyq\x06u}q\x07(h\x02K\x02h\x03X\x02\x00\x00\x00n2q\x08h\x05h\x06ue.",
        b"\x80\x04\x95>\x00\x00\x00\x00\x00\x00\x00]\x94(}\x94(\x8c\x02id\x94K\x01\x8c\x04name\x94\x8c\x02n1\x94\x8c\x05state\x94\x8c\x04Busy\x94u}\x94(h\x02K\x02h\x03\x8c\x02n2\x94h\x05h\x06ue.",
        b"\x80\x05\x95>\x00\x00\x00\x00\x00\x00\x00]\x94(}\x94(\x8c\x02id\x94K\x01\x8c\x04name\x94\x8c\x02n1\x94\x8c\x05state\x94\x8c\x04Busy\x94u}\x94(h\x02K\x02h\x03\x8c\x02n2\x94h\x05h\x06ue.",
    ];
    for (protocol, expected) in Protocol::ALL.into_iter().zip(rows) {
        let pickle = to_vec(&jobs.as_slice(), protocol).unwrap();
        assert_eq!(pickle.escape_ascii().to_string(), expected.escape_ascii().to_string());
        // The tape of a sequence without a length says the same.
        let held = to_vec(&Iterated(&jobs), protocol).unwrap();
        assert_eq!(held, pickle);
        // Without a memo there is nothing to come back to.
        let mut encoder = Encoder::new(Vec::new(), protocol).without_memo();
        encoder.serialize(&jobs.as_slice()).unwrap();
        let value = Value::from_slice(&encoder.finish().unwrap()).unwrap().into_owned();
        assert_eq!(value, Value::from_slice(&pickle).unwrap());
    }
    // A name of one character is the text that CPython has only once, as a value too.
    let pickle = to_vec(&(OneField { x: "x" }, "x"), Protocol::V2).unwrap();
    assert_eq!(pickle, b"\x80\x02}q\x00X\x01\x00\x00\x00xq\x01h\x01sh\x01\x86q\x02.");
}

#[derive(Serialize)]
struct OneField {
    x: &'static str,
}

/// A sequence that does not say how long it is.
struct Iterated<'j>(&'j [Job]);

impl Serialize for Iterated<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(None)?;
        for job in self.0 {
            seq.serialize_element(job)?;
        }
        seq.end()
    }
}
