//! serde's reading side: what each Python value reads as.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use pickle_codec::{
    DecodeOptions, Decoder, ErrorKind, Globals, Limits, Value, from_document, from_node, from_slice,
    from_slice_with, from_value,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

fn known() -> DecodeOptions {
    DecodeOptions::new().globals(Globals::Known)
}

fn inert() -> DecodeOptions {
    DecodeOptions::new().globals(Globals::Inert)
}

/// Reads through every way that leads to a Rust type, which must agree.
fn read<T: DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8]) -> Result<T, ErrorKind> {
    let options = inert();
    let direct = from_slice_with::<T>(input, &options).map_err(|error| error.kind());
    let document = Decoder::with_options(options).decode(input).unwrap();
    assert_eq!(from_node::<T>(document.root()).map_err(|error| error.kind()), direct);
    assert_eq!(T::deserialize(document.root()).map_err(|error| error.kind()), direct);
    let value = document.root().to_value().unwrap();
    assert_eq!(from_value::<T>(value.clone()).map_err(|error| error.kind()), direct, "{value}");
    assert_eq!(from_value::<T>(value.into_owned()).map_err(|error| error.kind()), direct);
    direct
}

#[track_caller]
fn reads<T: DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8], expected: T) {
    assert_eq!(read::<T>(input), Ok(expected), "{}", input.escape_ascii());
}

#[track_caller]
fn refuses<T: DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8]) {
    assert_eq!(read::<T>(input), Err(ErrorKind::Data), "{}", input.escape_ascii());
}

#[test]
fn scalars() {
    reads(b"N.", ());
    reads(b"N.", None::<u8>);
    reads(b"K\x05.", Some(5_u8));
    reads(b"\x88.", true);
    reads(b"K\xff.", 255_u8);
    reads(b"K\xff.", 255_i128);
    reads(b"K\xff.", 255.0_f64);
    reads(b"K\xff.", 255.0_f32);
    reads(b"G\x3f\xf8\0\0\0\0\0\0.", 1.5_f64);
    reads(b"X\x01\0\0\0a.", 'a');
    reads(b"X\x02\0\0\0ab.", String::from("ab"));
    refuses::<u8>(b"J\xff\xff\xff\xff.");
    refuses::<u8>(b"M\0\x01.");
    refuses::<u8>(b"X\x01\0\0\0a.");
    refuses::<bool>(b"K\x01.");
    refuses::<char>(b"X\x02\0\0\0ab.");
    refuses::<String>(b"K\x01.");
    refuses::<()>(b"K\x01.");
    refuses::<i64>(b"\x88.");
}

#[test]
fn large_integers() {
    reads(b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0.", u64::MAX);
    reads(b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0.", u128::from(u64::MAX));
    reads(b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0.", i128::from(u64::MAX));
    reads(format!("I{}\n.", u128::MAX).as_bytes(), u128::MAX);
    reads(format!("I{}\n.", i128::MIN).as_bytes(), i128::MIN);
    reads(format!("I{}\n.", i128::MAX).as_bytes(), i128::MAX as f64);
    let digits = "1234567890".repeat(5);
    reads(format!("L{digits}L\n.").as_bytes(), digits.clone());
    reads(format!("L{digits}L\n.").as_bytes(), digits.parse::<f64>().unwrap());
    refuses::<u128>(format!("L{digits}L\n.").as_bytes());
    refuses::<u64>(format!("I{}\n.", u128::MAX).as_bytes());
    assert_eq!(Value::from_slice(format!("L{digits}L\n.").as_bytes()).unwrap().to_string(), digits);
    // More digits than CPython prints.
    let mut long = b"\x8b\xd0\x07\0\0".to_vec();
    long.extend([0x7f; 2000]);
    long.push(b'.');
    refuses::<String>(&long);
    reads(&long, f64::INFINITY);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Borrowed<'a> {
    name: &'a str,
    #[serde(with = "serde_bytes")]
    data: &'a [u8],
    #[serde(borrow)]
    tags: Vec<&'a str>,
}

#[test]
fn text_and_bytes_are_borrowed() {
    let input = b"}(X\x04\0\0\0nameX\x02\0\0\0AlX\x04\0\0\0dataC\x02\x00\xffX\x04\0\0\0tags]X\x01\0\0\0xau.";
    let read: Borrowed<'_> = from_slice(input).unwrap();
    assert_eq!(read, Borrowed { name: "Al", data: b"\x00\xff", tags: vec!["x"] });
    assert!(input.as_ptr_range().contains(&read.name.as_ptr()));
    let value = Value::from_slice(input).unwrap();
    assert_eq!(from_value::<Borrowed<'_>>(value).unwrap(), read);
    // Text with an escape does not stand in the input, so it cannot be lent.
    assert_eq!(from_slice::<&str>(b"V\\u0041\n.").unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(from_slice::<String>(b"V\\u0041\n.").unwrap(), "A");
}

#[test]
fn bytes_and_text() {
    reads(b"C\x02\x00\xff.", serde_bytes::ByteBuf::from(b"\x00\xff".to_vec()));
    reads(b"\x96\x02\0\0\0\0\0\0\0\x00\xff.", serde_bytes::ByteBuf::from(b"\x00\xff".to_vec()));
    reads(b"C\x02ab.", String::from("ab"));
    refuses::<String>(b"C\x02\x00\xff.");
    reads(b"C\x02\x00\xff.", vec![0_u8, 255]);
    reads(b"C\x02\x00\xff.", [0_u8, 255]);
    reads(b"C\x02\x00\xff.", (0_u8, 255_i64));
    reads(b"\x96\x02\0\0\0\0\0\0\0\x00\xff.", vec![0_u16, 255]);
    reads(b"c_codecs\nencode\n(X\x03\0\0\0\0\xc3\xbfX\x06\0\0\0latin1tR.", vec![0_u8, 255]);
    refuses::<[u8; 3]>(b"C\x02\x00\xff.");
    refuses::<Vec<i8>>(b"C\x02\x00\xff.");
    refuses::<Vec<String>>(b"C\x02\x00\xff.");
    refuses::<Vec<u8>>(b"X\x02\0\0\0ab.");
    // A lone surrogate is no text in Rust, but its bytes can be had.
    refuses::<String>(b"X\x03\0\0\0\xed\xb2\x80.");
    reads(b"X\x03\0\0\0\xed\xb2\x80.", serde_bytes::ByteBuf::from(b"\xed\xb2\x80".to_vec()));
}

#[test]
fn sequences_and_maps() {
    for input in
        [b"](K\x01K\x02e.".as_slice(), b"K\x01K\x02\x86.", b"\x8f(K\x01K\x02\x90.", b"(K\x01K\x02\x91."]
    {
        reads(input, vec![1, 2]);
        reads(input, (1, 2));
        reads(input, [1, 2]);
        refuses::<(u8,)>(input);
        refuses::<(u8, u8, u8)>(input);
        refuses::<BTreeMap<u8, u8>>(input);
    }
    reads(b").", Vec::<u8>::new());
    reads(b").", ());
    reads(b"}(K\x01NK\x02\x88u.", BTreeMap::from([(1, None), (2, Some(true))]));
    reads(b"}(K\x01K\x02\x86\x88u.", BTreeMap::from([((1, 2), true)]));
    refuses::<Vec<u8>>(b"}K\x01Ns.");
}

#[derive(Debug, Deserialize, PartialEq)]
struct Point {
    x: i64,
    #[serde(default)]
    y: i64,
}

#[test]
fn structs() {
    reads(b"}(X\x01\0\0\0xK\x01X\x01\0\0\0yK\x02u.", Point { x: 1, y: 2 });
    reads(b"}(X\x01\0\0\0xK\x01X\x01\0\0\0zNu.", Point { x: 1, y: 0 });
    reads(b"K\x01K\x02\x86.", Point { x: 1, y: 2 });
    // Python 2's keys.
    reads(b"}U\x01xK\x01s.", Point { x: 1, y: 0 });
    refuses::<Point>(b"}X\x01\0\0\0yK\x01s.");
    refuses::<Point>(b"}(K\x00K\x01u.");
    refuses::<Point>(b"N.");
    let error = from_slice::<Point>(b"}(K\x00K\x01u.").unwrap_err();
    assert_eq!(error.to_string(), "missing field `x`");
    // A number is not the place of a field, and costs the struct nothing else.
    reads(b"}(K\x01K\x09X\x01\0\0\0xK\x05NNK\x01K\x02\x86Nu.", Point { x: 5, y: 0 });
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(default)]
        x: i64,
    }
    let error = from_slice::<Strict>(b"}(K\x00K\x01u.").unwrap_err();
    assert_eq!(error.to_string(), "unknown field `<int>`, expected `x`");
    // A map keeps them, and so does what is flattened.
    #[derive(Debug, Deserialize, PartialEq)]
    struct Flat {
        x: i64,
        #[serde(flatten)]
        rest: BTreeMap<i64, bool>,
    }
    reads(b"}(X\x01\0\0\0xK\x01K\x00\x88u.", Flat { x: 1, rest: BTreeMap::from([(0, true)]) });
    #[derive(Debug, Deserialize, PartialEq)]
    struct Unit;
    #[derive(Debug, Deserialize, PartialEq)]
    struct Meters(f64);
    reads(b"N.", Unit);
    reads(b"K\x03.", Meters(3.0));
    reads(b"](I1\nN]e.", (1, IgnoredAny, IgnoredAny));
}

#[derive(Debug, Deserialize, PartialEq)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i64, i64),
    Rect { w: i64, h: i64 },
}

#[test]
fn enums() {
    reads(b"X\x05\0\0\0Empty.", Shape::Empty);
    reads(b"}X\x05\0\0\0EmptyNs.", Shape::Empty);
    reads(b"}X\x06\0\0\0CircleK\x01s.", Shape::Circle(1.0));
    reads(b"}X\x04\0\0\0LineK\x01K\x02\x86s.", Shape::Line(1, 2));
    reads(b"}X\x04\0\0\0Rect}(X\x01\0\0\0wK\x01X\x01\0\0\0hK\x02us.", Shape::Rect { w: 1, h: 2 });
    refuses::<Shape>(b"X\x04\0\0\0Oval.");
    refuses::<Shape>(b"X\x06\0\0\0Circle.");
    refuses::<Shape>(b"}X\x05\0\0\0EmptyK\x01s.");
    refuses::<Shape>(b"}(X\x06\0\0\0CircleK\x01X\x05\0\0\0EmptyNu.");
    refuses::<Shape>(b"K\x00.");
    refuses::<Shape>(b"}K\x00Ns.");
    // As serde-pickle writes them: a tuple of the name and the contents.
    reads(b"(X\x05\0\0\0Emptyt.", Shape::Empty);
    reads(b"X\x05\0\0\0EmptyN\x86.", Shape::Empty);
    reads(b"X\x06\0\0\0CircleK\x01\x86.", Shape::Circle(1.0));
    reads(b"X\x04\0\0\0Line](K\x01K\x02e\x86.", Shape::Line(1, 2));
    reads(b"X\x04\0\0\0Rect}(X\x01\0\0\0wK\x01X\x01\0\0\0hK\x02u\x86.", Shape::Rect { w: 1, h: 2 });
    refuses::<Shape>(b"(X\x06\0\0\0Circlet.");
    refuses::<Shape>(b"X\x06\0\0\0CircleK\x01N\x87.");
    refuses::<Shape>(b"K\x01X\x06\0\0\0Circle\x86.");
    refuses::<Shape>(b").");
}

#[test]
fn instances_read_into_structs() {
    let point = || Point { x: 1, y: 2 };
    let state = b"}(X\x01\0\0\0xK\x01X\x01\0\0\0yK\x02u".as_slice();
    let join = |head: &[u8]| [head, state, b"b."].concat();
    // As `copyreg.__newobj__`, `copyreg._reconstructor`, a call, and Python 2's classes.
    for head in [
        b"cmypkg\nPoint\n)\x81".as_slice(),
        b"ccopy_reg\n_reconstructor\n(cmypkg\nPoint\nc__builtin__\nobject\nNtR",
        b"cmypkg\nPoint\n)R",
        b"(imypkg\nPoint\n",
    ] {
        reads(&join(head), point());
    }
    // Slots: a pair of the dict and the slots, of which one may be missing.
    let newobj = |state: &[u8]| [b"cmypkg\nPoint\n)\x81", state, b"b."].concat();
    reads(&newobj(&[b"N", state, b"\x86"].concat()), point());
    reads(&newobj(b"}X\x01\0\0\0xK\x01s}X\x01\0\0\0yK\x02s\x86"), point());
    reads(b"cmypkg\nPoint\nK\x01K\x02\x86\x81.", point());
    reads(b"cmypkg\nDict\n)\x81(X\x01\0\0\0xK\x01u.", Point { x: 1, y: 0 });
    reads(b"cmypkg\nList\n)\x81(K\x01K\x02e.", vec![1, 2]);
    reads(b"cmypkg\nStatus\nK\x07\x85R.", 7_u8);
    reads(b"cmypkg\nThing\n.", String::from("mypkg.Thing"));
    refuses::<Point>(b"cmypkg\nPoint\n)\x81.");
}

#[test]
fn attributes_items_and_pairs_are_never_taken_for_one_another() {
    type Dict = BTreeMap<String, i64>;
    let a = || Dict::from([("a".into(), 1)]);
    let attributes = Point { x: 2, y: 0 };
    let (pair, state) = (b"X\x01\0\0\0aK\x01s".as_slice(), b"}X\x01\0\0\0xK\x02sb".as_slice());
    let join = |parts: &[&[u8]]| [b"cmypkg\nD\n)\x81", parts.concat().as_slice(), b"."].concat();
    // A dict subclass: of Python 2.7 with an empty state, with attributes, with slots, with neither.
    reads(&join(&[pair, b"}b"]), a());
    reads(&join(&[pair, b"Nb"]), a());
    reads(&join(&[pair, b"N}\x86b"]), a());
    reads(&join(&[pair]), a());
    reads(&join(&[pair, state]), a());
    reads(&join(&[pair, state]), attributes);
    reads(&join(&[b"X\x01\0\0\0xK\x02s}b"]), Point { x: 2, y: 0 });
    reads(&join(&[b"}b"]), Dict::new());
    refuses::<Vec<u8>>(&join(&[pair, state]));
    // An empty one with attributes is not told from an object that is no dict.
    refuses::<Dict>(&join(&[state]));
    refuses::<Vec<u8>>(&join(&[state]));
    reads(&join(&[state]), Point { x: 2, y: 0 });
    // A list subclass.
    reads(&join(&[b"(K\x01K\x02e", state]), vec![1, 2]);
    reads(&join(&[b"(K\x01K\x02e", state]), Point { x: 2, y: 0 });
    reads(&join(&[b"(K\x01K\x02e}b"]), vec![1, 2]);
    refuses::<Dict>(&join(&[b"(K\x01K\x02e", state]));
    // At protocols 0 and 1 the dict is an argument.
    let reduced = [
        b"ccopy_reg\n_reconstructor\n(cmypkg\nD\nc__builtin__\ndict\n}".as_slice(),
        pair,
        b"tR",
        state,
        b".",
    ]
    .concat();
    reads(&reduced, a());
    reads(&reduced, Point { x: 2, y: 0 });
    // What asks for nothing certain is told everything.
    let json = |input: &[u8]| from_slice_with::<serde_json::Value>(input, &inert()).unwrap();
    let pairs_and_state = serde_json::json!({"class": "mypkg.D", "pairs": {"a": 1}, "state": {"x": 2}});
    assert_eq!(json(&join(&[pair, state])), pairs_and_state);
    assert_eq!(json(&reduced), serde_json::json!({"class": "mypkg.D", "state": {"x": 2}, "value": {"a": 1}}));
    assert_eq!(json(&join(&[pair, b"}b"])), serde_json::json!({"a": 1}));
    assert_eq!(json(&join(&[state])), serde_json::json!({"x": 2}));
    assert_eq!(
        json(b"cbuiltins\nKeyError\n(K\x01tR}X\x01\0\0\0xK\x02sb."),
        serde_json::json!({"args": [1], "class": "builtins.KeyError", "state": {"x": 2}})
    );
}

#[test]
fn a_time_keeps_its_zone_or_is_refused() {
    let zone = b"cmypkg\nZone\n)R";
    for head in [
        b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x03\x04\x05\0\0\0".as_slice(),
        b"cdatetime\ntime\n(C\x06\x03\x04\x05\0\0\0",
    ] {
        assert_eq!(
            from_slice_with::<String>(&[head, b"tR."].concat(), &inert()).map(|text| text.contains('+')),
            Ok(false)
        );
        refuses::<String>(&[head, zone, b"tR."].concat());
    }
}

#[test]
fn errors_say_where() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only the error counts")]
    struct Team {
        users: Vec<BTreeMap<String, (u8, u8)>>,
    }
    let input = [b"}(X\x05\0\0\0users](}".as_slice(), b"}X\x03\0\0\0a\nbK\x01N\x86seu."].concat();
    let error = from_slice::<Team>(&input).unwrap_err();
    assert_eq!(error.path(), r"users[1].a\nb[1]");
    assert_eq!(error.to_string(), r"invalid type: unit value, expected u8, in users[1].a\nb[1] (at byte 26)");
    // A path is as long as it may be, however deep it leads.
    #[derive(Debug, Deserialize)]
    #[serde(transparent)]
    struct Nested(#[allow(dead_code, reason = "only its depth counts")] Vec<Self>);
    let nested = [vec![b']'; 100], b"N".to_vec(), vec![b'a'; 100], b".".to_vec()].concat();
    let error = from_slice::<Nested>(&nested).unwrap_err();
    assert!(error.path().starts_with("...[0][0]") && error.path().len() <= 203, "{}", error.path());
}

#[test]
fn a_document_keeps_the_limits_of_its_decode() {
    let limits = Limits { max_value_depth: 2, ..Limits::default() };
    let mut decoder = Decoder::with_options(DecodeOptions::new().limits(limits));
    let document = decoder.decode(b"]]]aa.").unwrap();
    assert_eq!(from_document::<Vec<Vec<Vec<u8>>>>(&document).unwrap_err().kind(), ErrorKind::Depth);
    assert_eq!(<Vec<Vec<Vec<u8>>>>::deserialize(document.root()).unwrap_err().kind(), ErrorKind::Depth);
    assert_eq!(document.root().to_value().unwrap_err().kind(), ErrorKind::Depth);
}

#[test]
fn known_types() {
    let rows: &[(&[u8], &str)] = &[
        (b"cdatetime\ndate\n(C\x04\x07\xea\x01\x02tR.", "2026-01-02"),
        (
            b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x03\x04\x05\x00\x00\x06tR.",
            "2026-01-02T03:04:05.000006",
        ),
        (
            b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x03\x04\x05\x00\x00\x00cdatetime\ntimezone\n\
              (cdatetime\ntimedelta\n(K\x00K\x00K\x00tRtRtR.",
            "2026-01-02T03:04:05+00:00",
        ),
        (b"cdecimal\nDecimal\n(X\x04\0\0\x001.10tR.", "1.10"),
        (b"cfractions\nFraction\n(K\x01K\x03tR.", "1/3"),
        (b"cpathlib\nPosixPath\n(X\x01\0\0\0/X\x01\0\0\0aX\x01\0\0\0btR.", "/a/b"),
        (b"cipaddress\nIPv4Address\n(J\x01\x00\x00\x0atR.", "10.0.0.1"),
        (b"cuuid\nUUID\n)\x81}X\x03\0\0\0intK\x07sb.", "00000000-0000-0000-0000-000000000007"),
    ];
    for (input, expected) in rows {
        assert_eq!(from_slice_with::<String>(input, &known()).as_deref(), Ok(*expected), "{expected}");
        reads(input, String::from(*expected));
    }
    reads(b"cdecimal\nDecimal\n(X\x04\0\0\x001.10tR.", 1.1_f64);
    reads(b"cdatetime\ntimedelta\n(J\xff\xff\xff\xffK\x02K\x03tR.", (-1, 2, 3));
    reads(b"c__builtin__\ncomplex\n(F1.0\nF2.0\ntR.", (1.0, 2.0));
    reads(b"ccollections\nOrderedDict\n)R(X\x01\0\0\0xK\x01u.", Point { x: 1, y: 0 });
    reads(b"ccollections\ndeque\n)R(K\x01K\x02e.", vec![1, 2]);
    reads(b"c__builtin__\nrange\n(K\x00K\x09K\x03tR.", [0, 9, 3]);
    reads(b"chttp\nHTTPStatus\n(M\xc8\x00tR.", 200_u16);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Raised {
        class: String,
        args: Vec<String>,
    }
    reads(
        b"cbuiltins\nValueError\n(X\x01\0\0\0atR.",
        Raised { class: "builtins.ValueError".into(), args: vec!["a".into()] },
    );
}

#[test]
fn values_read_as_themselves() {
    let rows: &[&[u8]] = &[
        b"N.",
        b"\x89.",
        b"L123456789012345678901234567890L\n.",
        b"X\x03\0\0\0\xed\xb2\x80.",
        b"C\x01\xff.",
        b"\x96\x01\0\0\0\0\0\0\0\xff.",
        b"](K\x01K\x02\x86\x8f(K\x03\x90(K\x04\x91e.",
        b"}(K\x01NX\x01\0\0\0a\x88u.",
        b"cos\nsystem\n.",
        b"cmypkg\nPoint\n)\x81(K\x01e(K\x01Nu}X\x01\0\0\0xNsb.",
        b"cmypkg\nPoint\nK\x01\x85}\x92Nb.",
        b"cdatetime\ndate\n(C\x04\x07\xea\x01\x02tR.",
        b"Pid\n.",
        b"\x82\x07.",
        b"\x97.",
    ];
    for input in rows {
        let document = Decoder::with_options(inert()).decode(input).unwrap_or_else(|error| panic!("{error}"));
        let value = document.root().to_value().unwrap();
        assert_eq!(from_document::<Value<'_>>(&document).as_ref(), Ok(&value), "{value}");
        assert_eq!(from_value::<Value<'_>>(value.clone()).as_ref(), Ok(&value), "{value}");
        #[derive(Deserialize)]
        struct Holder {
            inner: Option<Vec<Value<'static>>>,
        }
        let held = Value::dict([("inner", Value::list([value.clone()]))]);
        let holder: Holder = from_value(held).unwrap();
        assert_eq!(holder.inner, Some(vec![value]));
    }
    #[derive(Deserialize)]
    struct Lent<'a>(#[serde(borrow, deserialize_with = "Value::deserialize_borrowed")] Value<'a>);
    let input = b"](X\x02\0\0\0abC\x01cX\x03\0\0\0\xed\xb2\x80e.";
    let Lent(Value::List(items)) = from_slice(input).unwrap() else { panic!("a list") };
    let [Value::Str(Cow::Borrowed("ab")), Value::Bytes(Cow::Borrowed(b"c")), Value::Wtf8(Cow::Borrowed(_))] =
        items.as_slice()
    else {
        panic!("{items:?} does not borrow")
    };
    // Another format says what it can.
    let value: Value<'_> = serde_json::from_str(r#"{"a": [1, -2.5, null, true, "x"]}"#).unwrap();
    assert_eq!(value.to_string(), "{'a': [1, -2.5, None, True, 'x']}");
    let json: serde_json::Value = from_slice(b"}X\x01\0\0\0a](K\x01NK\x02\x85es.").unwrap();
    assert_eq!(json.to_string(), r#"{"a":[1,null,[2]]}"#);
}

#[test]
fn limits_hold() {
    #[derive(Debug, Deserialize)]
    #[serde(transparent)]
    struct Nested(#[allow(dead_code, reason = "only its depth counts")] Vec<Self>);

    let nested = |depth: usize| [vec![b']'; depth], vec![b'a'; depth - 1], b".".to_vec()].concat();
    assert!(from_slice::<Nested>(&nested(128)).is_ok());
    assert_eq!(from_slice::<Nested>(&nested(129)).unwrap_err().kind(), ErrorKind::Depth);
    assert!(Value::from_slice(&nested(128)).is_ok());
    assert_eq!(Value::from_slice(&nested(129)).unwrap_err().kind(), ErrorKind::Depth);
    assert_eq!(from_slice::<Nested>(b"]q\x00h\x00a.").unwrap_err().kind(), ErrorKind::Recursive);
    assert_eq!(from_slice::<Value<'_>>(b"]q\x00h\x00a.").unwrap_err().kind(), ErrorKind::Recursive);
    // A type that stops before the cycle reads what it wants.
    assert_eq!(from_slice::<(IgnoredAny,)>(b"]q\x00h\x00a."), Ok((IgnoredAny,)));
    // A text of a mebibyte, met a million times.
    let mut input = b"](X\0\0\x10\0".to_vec();
    input.extend(vec![b'x'; 1 << 20]);
    input.extend(b"q\x00");
    input.extend(b"h\x00".repeat(1_000_000));
    input.extend(b"e.");
    assert_eq!(from_slice::<Vec<String>>(&input).unwrap_err().kind(), ErrorKind::Budget);
    let limits = Limits { max_expansion: Some(100), ..Limits::default() };
    let options = DecodeOptions::new().limits(limits);
    assert_eq!(
        from_slice_with::<Vec<u8>>(b"](K\x01K\x02K\x03e.", &options).unwrap_err().kind(),
        ErrorKind::Budget
    );
}

#[test]
fn a_dict_is_read_in_linear_time() {
    // The build that runs tests is the one that once took a minute and a half for this.
    let mut input = b"}(".to_vec();
    for key in 0..80_000_u32 {
        input.push(b'J');
        input.extend(key.to_le_bytes());
        input.push(b'N');
    }
    input.extend(b"u.");
    let map: BTreeMap<u32, ()> = from_slice(&input).unwrap();
    assert_eq!(map.len(), 80_000);
}
