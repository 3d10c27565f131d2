//! Tagged JSON: what is written, what is read, what is refused.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::time::{Duration, Instant};

use pickle_codec::json;
use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{Budget, DecodeOptions, Decoder, ErrorKind, Globals, Limits, decode};
use proptest::prelude::*;

fn write(pickle: &[u8], refs: bool) -> Result<String, ErrorKind> {
    decode(pickle)
        .and_then(|document| tagged::to_string(&document, &TaggedOptions::new().refs(refs)))
        .map_err(|error| error.kind())
}

fn read(text: &str) -> Result<String, String> {
    let options = TaggedOptions::new().refs(true);
    tagged::from_str(text, &options)
        .and_then(|document| tagged::to_string(&document, &options))
        .map_err(|error| error.to_string())
}

#[test]
fn written_rows() {
    let rows: &[(&[u8], &str)] = &[
        (b"N.", "null"),
        (b"\x88.", "true"),
        (b"K\x05.", "5"),
        (b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", "-9223372036854775808"),
        (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00.", r#"{"$int":"9223372036854775808"}"#),
        (b"G\x3f\xf0\x00\x00\x00\x00\x00\x00.", "1.0"),
        (b"G\x80\x00\x00\x00\x00\x00\x00\x00.", "-0.0"),
        (b"G\x7f\xf8\x00\x00\x00\x00\x00\x01.", r#"{"$float":"nan"}"#),
        (b"X\x03\x00\x00\x00\xed\xb3\xbf.", r#"{"$str":"7bO/"}"#),
        (b").", r#"{"$tuple":[]}"#),
        (b"}X\x02\x00\x00\x00$aNs.", r#"{"$dict":[["$a",null]]}"#),
        (b"}X\x02\x00\x00\x00a$Ns.", r#"{"a$":null}"#),
        (b"}NNs.", r#"{"$dict":[[null,null]]}"#),
        (b"}X\x00\x00\x00\x00Ns.", r#"{"":null}"#),
        (b"\x8f(K\x01\x90.", r#"{"$set":[1]}"#),
        (b"(K\x01\x91.", r#"{"$frozenset":[1]}"#),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", r#"{"$bytearray":"YQ=="}"#),
    ];
    for (pickle, expected) in rows {
        for refs in [false, true] {
            assert_eq!(write(pickle, refs).as_deref(), Ok(*expected), "{}", pickle.escape_ascii());
        }
    }
}

#[test]
fn sharing_rows() {
    let rows: &[(&[u8], Result<&str, ErrorKind>, &str)] = &[
        (b"]q\x00h\x00a.", Err(ErrorKind::Recursive), r#"{"$def":[0,[{"$ref":0}]]}"#),
        (b"}q\x00Nh\x00s.", Err(ErrorKind::Recursive), r#"{"$def":[0,{"$dict":[[null,{"$ref":0}]]}]}"#),
        (b"(]q\x00h\x00et.", Ok(r#"{"$tuple":[[[]]]}"#), ""),
        (b"(X\x02\x00\x00\x00abq\x00h\x00l.", Ok(r#"["ab","ab"]"#), r#"[{"$def":[0,"ab"]},{"$ref":0}]"#),
        // What CPython has only once says nothing about sharing.
        (b"(X\x01\x00\x00\x00aq\x00h\x00l.", Ok(r#"["a","a"]"#), r#"["a","a"]"#),
        (
            b"(C\x01aq\x00h\x00l.",
            Ok(r#"[{"$bytes":"YQ=="},{"$bytes":"YQ=="}]"#),
            r#"[{"$bytes":"YQ=="},{"$bytes":"YQ=="}]"#,
        ),
        (b"()q\x00h\x00l.", Ok(r#"[{"$tuple":[]},{"$tuple":[]}]"#), r#"[{"$tuple":[]},{"$tuple":[]}]"#),
        // Numbers follow the order of first appearance, not that of the memo.
        (
            b"(]q\x05}q\x00h\x00h\x05l.",
            Ok("[[],{},{},[]]"),
            r#"[{"$def":[0,[]]},{"$def":[1,{}]},{"$ref":1},{"$ref":0}]"#,
        ),
        // A key that is shared needs a place for its definition.
        (
            b"(}X\x02\x00\x00\x00abq\x00Nsh\x00l.",
            Ok(r#"[{"ab":null},"ab"]"#),
            r#"[{"$dict":[[{"$def":[0,"ab"]},null]]},{"$ref":0}]"#,
        ),
    ];
    for (pickle, plain, refs) in rows {
        let shown = pickle.escape_ascii();
        if refs.is_empty() {
            assert!(write(pickle, false).is_err(), "{shown}");
            continue;
        }
        assert_eq!(write(pickle, false).as_deref().map_err(|kind| *kind), *plain, "{shown}");
        assert_eq!(write(pickle, true).as_deref(), Ok(*refs), "{shown}");
        assert_eq!(read(refs).as_deref(), Ok(*refs), "{shown}");
    }
}

#[test]
fn cycles_through_objects_are_found() {
    let inert = || Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    let rows: &[(&[u8], &str)] = &[
        (
            b"cm\nC\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb.",
            r#"{"$def":[0,{"$object":{"class":"m.C","args":[],"state":{"a":{"$ref":0}}}}]}"#,
        ),
        (b"]q\x00h\x00Qa.", r#"{"$def":[0,[{"$persid":{"$ref":0}}]]}"#),
        (b"ccollections\ndeque\n)Rq\x00h\x00a.", r#"{"$def":[0,{"$deque":[{"$ref":0}]}]}"#),
    ];
    for (pickle, expected) in rows {
        let mut decoder = inert();
        let document = decoder.decode(pickle).unwrap();
        assert_eq!(tagged::to_string(&document, &TaggedOptions::new().refs(true)).unwrap(), *expected);
        let error = tagged::to_string(&document, &TaggedOptions::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recursive, "{}", pickle.escape_ascii());
    }
}

#[test]
fn expansion_is_charged_before_it_is_written() {
    // A text of 1 MiB met 100,000 times.
    let mut pickle = b"(X\x00\x00\x10\x00".to_vec();
    pickle.extend(vec![b'a'; 1 << 20]);
    pickle.extend_from_slice(b"q\x00");
    pickle.extend(b"h\x00".repeat(100_000));
    pickle.extend_from_slice(b"l.");
    let document = decode(&pickle).unwrap();
    let mut out = b"before".to_vec();
    let start = Instant::now();
    let error = tagged::write(&document, &TaggedOptions::new(), &mut out).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(out, b"before");
    assert!(out.capacity() < 16 << 20, "{}", out.capacity());
    // With references it is short.
    tagged::write(&document, &TaggedOptions::new().refs(true), &mut out).unwrap();
    assert!(out.len() < 3 << 20);

    // Lists of two of the list before, forty times over.
    let mut pickle = b"]q\x00".to_vec();
    for level in 0..40_u8 {
        pickle.extend_from_slice(&[b'h', level, b'h', level, b'\x86', b'q', level + 1]);
    }
    pickle.push(b'.');
    assert_eq!(write(&pickle, false), Err(ErrorKind::Budget));
    assert!(write(&pickle, true).is_ok());
}

#[test]
fn integers_that_cpython_does_not_print_are_hexadecimal() {
    // CPython prints at most 4,300 digits, and so many have 14,285 bits at most.
    for (len, is_decimal) in [(1_785, true), (1_786, false), (16 << 10, false), (1 << 20, false)] {
        for top in [0x7f, 0x80] {
            let mut pickle = vec![b'\x8b'];
            pickle.extend_from_slice(&u32::to_le_bytes(len));
            pickle.extend(vec![0x35; usize::try_from(len).unwrap() - 1]);
            pickle.extend([top, b'.']);
            let start = Instant::now();
            let text = write(&pickle, false).unwrap();
            assert_eq!(text.starts_with("{\"$int\":\"-"), top == 0x80);
            assert_eq!(text.contains("0x"), !is_decimal, "{len}");
            assert_eq!(read(&text).as_deref(), Ok(text.as_str()));
            let value = pickle_codec::Value::from_slice(&pickle).unwrap();
            assert_eq!(format!("{value:?}").contains("0x"), !is_decimal, "{len}");
            assert!(start.elapsed() < Duration::from_secs(30), "{len}");
        }
    }
    for (text, expected) in [("0x10", "16"), ("-0x10", "-16"), ("0x0", "0")] {
        assert_eq!(read(&format!("{{\"$int\":\"{text}\"}}")).as_deref(), Ok(expected));
    }
}

/// A name; the innermost part; how a level of many of the one before opens, and how it closes.
type Bomb = (&'static str, &'static [u8], &'static [u8], &'static [u8]);

/// Shapes of sharing: what is written is many times as long as the pickle.
fn bombs(levels: u8, times: usize) -> Vec<(&'static str, Vec<u8>)> {
    let shapes: [Bomb; 7] = [
        ("lists of escapes", b"X\x08\0\0\0\x01\x01\x01\x01\x01\x01\x01\x01", b"(", b"l"),
        ("lists of bidi controls", b"X\x06\0\0\0\xe2\x80\xae\xe2\x81\xa6", b"(", b"l"),
        ("tuples of bytes", b"C\x04\xff\xfe\xfd\xfc", b"(", b"t"),
        ("lists of surrogates", b"X\x06\0\0\0\xed\xb3\xbf\xed\xa0\x80", b"(", b"l"),
        ("lists of integers", b"\x8a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"(", b"l"),
        ("deques", b"ccollections\ndeque\n)R", b"(", b"t"),
        ("lists of dates", b"cdatetime\ndate\n(C\x04\x07\xea\x01\x02tR", b"(", b"l"),
    ];
    let bomb = |(name, inner, open, close): Bomb| {
        let mut pickle = [inner, b"q\0"].concat();
        for level in 0..levels {
            pickle.extend_from_slice(open);
            pickle.extend([b'h', level].repeat(times));
            pickle.extend_from_slice(close);
            pickle.extend([b'q', level + 1]);
        }
        pickle.push(b'.');
        (name, pickle)
    };
    shapes.into_iter().map(bomb).collect()
}

#[test]
fn a_budget_is_bytes_of_what_is_written() {
    for (name, pickle) in bombs(3, 6) {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let document = decoder.decode(&pickle).unwrap();
        for refs in [false, true] {
            let options = TaggedOptions::new().refs(refs);
            let whole = tagged::to_string(&document, &options).unwrap();
            for bytes in [0, 1, 10, whole.len() / 2, whole.len() - 1, whole.len(), whole.len() + 9] {
                let mut budget = Budget::new(bytes);
                let mut out = b"before".to_vec();
                let written = tagged::write_node_within(document.root(), &options, &mut budget, &mut out);
                if bytes < whole.len() {
                    assert_eq!(written.unwrap_err().kind(), ErrorKind::Budget, "{name} {bytes}");
                    assert_eq!((out.as_slice(), budget.left()), (b"before".as_slice(), bytes), "{name}");
                    assert!(out.capacity() <= 2 * (bytes + 64), "{name} {}", out.capacity());
                } else {
                    written.unwrap();
                    assert_eq!(out.strip_prefix(b"before"), Some(whole.as_bytes()), "{name}");
                    assert_eq!(budget.left(), bytes - whole.len(), "{name}");
                }
            }
        }
        // The value of the same pickle, with a budget of its own memory and one for its text.
        let whole = tagged::to_string(&document, &TaggedOptions::new()).unwrap();
        let mut memory = Budget::new(1 << 20);
        let value = document.root().to_value_within(&Limits::default(), &mut memory).unwrap();
        let taken = (1 << 20) - memory.left();
        let mut short = Budget::new(taken - 1);
        let error = document.root().to_value_within(&Limits::default(), &mut short).unwrap_err();
        assert_eq!((error.kind(), short.left()), (ErrorKind::Budget, taken - 1), "{name}");
        let mut out = Vec::new();
        let mut text = Budget::new(whole.len());
        tagged::write_value_within(&value, &TaggedOptions::new(), &mut text, &mut out).unwrap();
        assert_eq!((out.as_slice(), text.left()), (whole.as_bytes(), 0), "{name}");
    }
}

#[test]
fn many_parts_that_do_not_fit_cost_no_more_than_the_budget() {
    for (name, pickle) in bombs(8, 9) {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let document = decoder.decode(&pickle).unwrap();
        let start = Instant::now();
        let mut budget = Budget::new(1 << 20);
        let mut out = Vec::new();
        for _ in 0..1_000 {
            let options = TaggedOptions::new();
            assert!(tagged::write_node_within(document.root(), &options, &mut budget, &mut out).is_err());
            assert!(document.root().to_value_within(&Limits::default(), &mut budget).is_err());
        }
        assert_eq!(budget.left(), 1 << 20, "{name}");
        assert!(start.elapsed() < Duration::from_secs(20), "{name}");
    }
}

#[test]
fn a_large_document_is_written_whole() {
    let mut pickle = b"](".to_vec();
    pickle.extend(b"}X\x03\x00\x00\x00abcK\x07s]".repeat(500_000));
    pickle.extend_from_slice(b"e.");
    let text = write(&pickle, false).unwrap();
    assert_eq!(text.len(), 2 + 500_000 * r#"{"abc":7},[],"#.len() - 1);
    assert!(text.starts_with(r#"[{"abc":7},[],{"abc":7}"#) && text.ends_with(r#"{"abc":7},[]]"#));
}

#[test]
fn read_rows() {
    let rows: &[(&str, &str)] = &[
        ("null", "null"),
        (" [ 1 , -2.5e3 , \"a\" ] \n", r#"[1,-2500.0,"a"]"#),
        ("-0", "0"),
        ("123456789012345678901", r#"{"$int":"123456789012345678901"}"#),
        (r#"{"$int":"12"}"#, "12"),
        (r#"{"$int":"-9223372036854775809"}"#, r#"{"$int":"-9223372036854775809"}"#),
        (r#""\ud83d\ude00\u00e9\/\n""#, "\"😀é/\\n\""),
        (r#""\ud83d""#, r#"{"$str":"7aC9"}"#),
        (r#""\ud83d\u0041""#, r#"{"$str":"7aC9QQ=="}"#),
        (r#"{"$str":"YQ=="}"#, r#""a""#),
        ("{}", "{}"),
        (r#"{"a":{"b":[]},"":1}"#, r#"{"a":{"b":[]},"":1}"#),
        (r#"{"$dict":[]}"#, "{}"),
        (r#"{"$dict":[["$a",1],[{"$tuple":[]},2]]}"#, r#"{"$dict":[["$a",1],[{"$tuple":[]},2]]}"#),
        (r#"{ "$set" : [ ] }"#, r#"{"$set":[]}"#),
        (r#"{"$frozenset":[{"$frozenset":[]},1]}"#, r#"{"$frozenset":[{"$frozenset":[]},1]}"#),
        (r#"{"$complex":[1,{"$float":"-inf"}]}"#, r#"{"$complex":[1.0,{"$float":"-inf"}]}"#),
        (r#"[{"$def":[7,{"$tuple":[]}]},{"$ref":7}]"#, r#"[{"$tuple":[]},{"$tuple":[]}]"#),
        (r#"{"$def":[3,{"$tuple":[[{"$ref":3}]]}]}"#, r#"{"$def":[0,{"$tuple":[[{"$ref":0}]]}]}"#),
        (r#"[{"$def":[1,{"$bytes":"AAE="}]},{"$ref":1}]"#, r#"[{"$def":[0,{"$bytes":"AAE="}]},{"$ref":0}]"#),
        (
            r#"[{"$def":[1,{"$complex":[0.0,1.0]}]},{"$ref":1}]"#,
            r#"[{"$def":[0,{"$complex":[0.0,1.0]}]},{"$ref":0}]"#,
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text).as_deref(), Ok(*expected), "{text}");
    }
}

#[test]
fn known_types_are_read_as_they_are_written() {
    let rows = [
        r#"{"$date":"2026-01-02"}"#,
        r#"{"$time":"03:04:05.000006"}"#,
        r#"{"$time":"02:30:00","fold":1}"#,
        r#"{"$time":"03:04:05-01:00"}"#,
        r#"{"$datetime":"2026-01-02T03:04:05.000006+00:00"}"#,
        r#"{"$datetime":"2026-10-25T02:30:00","fold":1,"tz":{"$zoneinfo":"Europe/Berlin"}}"#,
        r#"{"$datetime":"2026-01-02T03:04:05+01:00","tz":{"$timezone":"+01:00","name":"CET"}}"#,
        r#"{"$timedelta":[-1,5,6]}"#,
        r#"{"$timezone":"-05:30:07.000001"}"#,
        r#"{"$timezone":"+05:30","name":"IST"}"#,
        r#"{"$zoneinfo":"UTC"}"#,
        r#"{"$decimal":"-1E+400"}"#,
        r#"{"$fraction":"-1/3"}"#,
        r#"{"$fraction":"1180591620717411303424/3"}"#,
        r#"{"$uuid":"f2345678-1234-5678-1234-567812345678"}"#,
        r#"{"$path":"/a/b"}"#,
        r#"{"$path":{"$str":"L3jts78="}}"#,
        r#"{"$path":"c:\\a","class":"pathlib.PureWindowsPath"}"#,
        r#"{"$ip":"10.0.0.1"}"#,
        r#"{"$ip":"fe80::1"}"#,
        r#"{"$ip":"10.0.0.0/8"}"#,
        r#"{"$ip":"fe80::1/10","class":"ipaddress.IPv6Interface"}"#,
        r#"{"$ordereddict":[["b",1],["a",2]],"state":{"x":3}}"#,
        r#"{"$ordereddict":[]}"#,
        r#"{"$defaultdict":[["a",[1]]],"factory":{"$global":"builtins.list"}}"#,
        r#"{"$defaultdict":[[1,2]]}"#,
        r#"{"$counter":[["a",2]]}"#,
        r#"{"$deque":[1,2],"maxlen":5}"#,
        r#"{"$deque":[]}"#,
        r#"{"$range":[1,11,2]}"#,
        r#"{"$slice":[1,null,"x"]}"#,
        r#"{"$enum":{"class":"http.HTTPStatus","value":404}}"#,
        r#"{"$enum":{"class":"signal.Signals","name":"SIGINT"}}"#,
        r#"{"$exception":{"class":"builtins.ValueError","args":["x",1]}}"#,
        r#"{"$exception":{"class":"imaplib.IMAP4.error","args":[],"state":{"a":1}}}"#,
        r#"{"$global":"builtins.ValueError"}"#,
        // An object that holds itself.
        r#"{"$def":[0,{"$deque":[1,{"$ref":0}]}]}"#,
        r#"{"$def":[0,{"$ordereddict":[["a",{"$ref":0}]]}]}"#,
        r#"{"$def":[0,{"$defaultdict":[["a",{"$ref":0}]]}]}"#,
        r#"[{"$def":[0,{"$date":"2026-01-02"}]},{"$ref":0}]"#,
        r#"{"a":[{"$set":[{"$date":"2026-01-02"},{"$decimal":"1"}]}]}"#,
    ];
    let options = TaggedOptions::new().refs(true);
    for text in rows {
        assert_eq!(read(text).as_deref(), Ok(text));
        // The pickle says the same.
        let document = tagged::from_str(text, &options).unwrap();
        for protocol in pickle_codec::Protocol::ALL {
            let pickle = document.to_vec(protocol).unwrap();
            let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
            let again = decoder.decode(&pickle).unwrap_or_else(|error| panic!("{text} {protocol}: {error}"));
            assert_eq!(tagged::to_string(&again, &options).unwrap(), text, "{protocol}");
        }
    }
}

#[test]
fn refused_rows() {
    let rows: &[(&str, &str)] = &[
        ("", "column 1: the text ends"),
        ("[1", "expected `,` or `]`"),
        ("[1,]", "column 4: not a value"),
        ("[1 2]", "expected `,` or `]`"),
        ("nul", "not a value"),
        ("nullx", "text after the value"),
        ("NaN", "not a value"),
        ("01", "not a number"),
        ("1.", "not a number"),
        (".5", "not a value"),
        ("1.e5", "not a number"),
        ("1e", "not a number"),
        ("--1", "not a number"),
        ("1e400", "no float can hold"),
        ("\"a", "does not end"),
        ("\"a\nb\"", "control character"),
        (r#""\x""#, "not an escape"),
        (r#""\u12g4""#, "not an escape"),
        (r#"{"a":1,}"#, "expected `\"`"),
        (r#"{"a" 1}"#, "expected `:`"),
        (r#"{"a":1,"a":2}"#, "a key twice"),
        (r#"{"a":1,"$b":2}"#, "a tag beside other keys"),
        (r#"{"$int":"1","a":2}"#, "nothing of that name"),
        (r#"{"$tuple":[1],"a":2}"#, "nothing of that name"),
        (r#"{"$int":"x"}"#, "decimal digits"),
        (r#"{"$int":"01"}"#, "decimal digits"),
        (r#"{"$int":1}"#, "not what Int is made of"),
        (r#"{"$float":"1.0"}"#, "nan, inf or -inf"),
        (r#"{"$bytes":"YQ"}"#, "not base64"),
        (r#"{"$bytes":"Y Q="}"#, "not base64"),
        (r#"{"$str":"/w=="}"#, "WTF-8"),
        (r#"{"$tuple":{}}"#, "expected `[`"),
        (r#"{"$set":[[]]}"#, "unhashable"),
        (r#"{"$set":[1,1.0]}"#, "a member twice"),
        (r#"{"$dict":[[[],1]]}"#, "unhashable"),
        (r#"{"$dict":[[1,2],[1,3]]}"#, "a key twice"),
        (r#"{"$dict":[[1]]}"#, "expected `,`"),
        (r#"{"$dict":[[1,2,3]]}"#, "expected `]`"),
        (r#"{"$dict":[1]}"#, "expected `[`"),
        (r#"{"$complex":[1]}"#, "not what Complex is made of"),
        (r#"{"$complex":["a",1]}"#, "not what Complex is made of"),
        (r#"{"$complex":[[],1]}"#, "not what Complex is made of"),
        (r#"{"$complex":[9007199254740993,1]}"#, "not what Complex is made of"),
        (r#"{"$ref":0}"#, "no definition 0"),
        (r#"{"$def":[0,{"$ref":0}]}"#, "not a container"),
        (r#"{"$def":[0,{"$def":[1,[]]}]}"#, "a definition of a definition"),
        (r#"[{"$def":[0,[]]},{"$def":[0,[]]}]"#, "there already"),
        (r#"{"$def":[-1,[]]}"#, "number of a definition"),
        (r#"{"$date":"2026-02-30"}"#, "not what Date is made of"),
        (r#"{"$date":"2026-01-02","tz":null}"#, "nothing of that name"),
        (r#"{"$date":5}"#, "not what Date is made of"),
        (r#"{"$time":"03:04:05","fold":1,"fold":1}"#, "a name twice"),
        (r#"{"$time":"03:04:05","fold":2}"#, "not what Time is made of"),
        (r#"{"$datetime":"2026-01-02T03:04:05","tz":5}"#, "not what DateTime is made of"),
        (r#"{"$decimal":"1+1"}"#, "not what Decimal is made of"),
        (r#"{"$fraction":"2/4"}"#, "not what Fraction is made of"),
        (r#"{"$uuid":"5"}"#, "not what Uuid is made of"),
        (r#"{"$ip":"fe80::1/64"}"#, "not what Ip is made of"),
        (r#"{"$zoneinfo":"../etc/passwd"}"#, "not what ZoneInfo is made of"),
        (r#"{"$counter":[[[],1]]}"#, "unhashable"),
        (r#"{"$ordereddict":[[1,2],[1,3]]}"#, "a key twice"),
        (r#"{"$ordereddict":{"a":1}}"#, "expected `[`"),
        (r#"{"$deque":{"a":1}}"#, "not what Deque is made of"),
        (r#"{"$deque":[1],"maxlen":-1}"#, "not what Deque is made of"),
        (r#"{"$range":[0,5,0]}"#, "not what Range is made of"),
        (r#"{"$enum":{"class":"http.HTTPStatus"}}"#, "not what Enum is made of"),
        (r#"{"$def":[0,{"$range":[0,{"$ref":0},1]}]}"#, "not a container"),
        (r#"{"$object":{"class":"os.system"}}"#, "global is not allowed: $object"),
        (r#"{"$persid":5}"#, "global is not allowed: $persid"),
        (r#"{"$instance":{"class":"m.C","value":1}}"#, "global is not allowed: $instance"),
        (r#"{"$global":"os.system"}"#, "global is not allowed: os.system"),
        (r#"{"$global":"builtins.getattr"}"#, "global is not allowed: builtins.getattr"),
        (r#"{"$enum":{"class":"mypkg.Status","value":1}}"#, "global is not allowed: mypkg.Status"),
        (r#"{"$exception":{"class":"os.system","args":["id"]}}"#, "global is not allowed: os.system"),
        (r#"{"$path":"/a","class":"os.system"}"#, "global is not allowed: os.system"),
        (r#"{"$defaultdict":[],"factory":{"$global":"os.system"}}"#, "global is not allowed: os.system"),
        ("\n\n {\"$strange\":1}", "line 3 column 3: unknown tag `$strange`"),
    ];
    for (text, expected) in rows {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn hostile_json_ends_at_a_limit() {
    let kind = |text: &str| tagged::from_str(text, &TaggedOptions::new()).unwrap_err().kind();
    for open in
        ["[", "{\"a\":", "{\"$tuple\":[", "{\"$dict\":[[1,", "{\"$set\":[", "{\"$complex\":[", "{\"$int\":"]
    {
        assert_eq!(kind(&open.repeat(1 << 20)), ErrorKind::Depth, "{open}");
    }
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(tagged::from_str(&nested(1_000), &TaggedOptions::new()).is_ok());
    assert_eq!(kind(&nested(1_001)), ErrorKind::Depth);
    let tuples = |depth: usize| "{\"$tuple\":[".repeat(depth) + "1" + &"]}".repeat(depth);
    assert!(tagged::from_str(&tuples(1_000), &TaggedOptions::new()).is_ok());
    let dicts = |depth: usize| "{\"$dict\":[[1,".repeat(depth) + "1" + &"]]}".repeat(depth);
    assert!(tagged::from_str(&dicts(1_000), &TaggedOptions::new()).is_ok());
    assert_eq!(kind(&"9".repeat(300_000)), ErrorKind::Budget);
    let limits = Limits { max_input_len: 3, ..Limits::default() };
    let error = tagged::from_str("null", &TaggedOptions::new().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}

/// Canonical tagged JSON.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| {
            let mut out = Vec::new();
            tagged::write_float(value, &mut out);
            String::from_utf8(out).unwrap()
        }),
        any::<String>().prop_map(|text| {
            let mut out = Vec::new();
            json::write_string(&text, &mut out);
            String::from_utf8(out).unwrap()
        }),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let items = prop::collection::vec(inner, 0..8).prop_map(|items| items.join(","));
        prop_oneof![
            items.clone().prop_map(|items| format!("[{items}]")),
            items.clone().prop_map(|items| format!("{{\"$tuple\":[{items}]}}")),
            items.prop_map(|items| format!("{{\"$dict\":[[null,[{items}]]]}}")),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_is_read_and_written_as_it_is(text in json()) {
        let written = read(&text);
        prop_assert_eq!(written.as_ref(), Ok(&text));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"$a-f0-9.eE+\\\\ -]{0,60}") {
        if let Ok(written) = read(&text) {
            let again = read(&written);
            prop_assert_eq!(again.as_ref(), Ok(&written));
        }
    }
}
