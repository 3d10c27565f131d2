//! Shapes that no CPython writes: what is refused under `Known`, and inert under `Inert`.
#![cfg(feature = "json")]

use std::time::{Duration, Instant};

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Known, Node};

fn options() -> DecodeOptions {
    DecodeOptions::new().globals(Globals::Known)
}

fn json(pickle: &[u8], options: DecodeOptions) -> Result<String, (ErrorKind, Option<String>)> {
    Decoder::with_options(options)
        .decode(pickle)
        .and_then(|document| tagged::to_string(&document, &TaggedOptions::new()))
        .map_err(|error| (error.kind(), error.global().map(str::to_owned)))
}

#[test]
fn other_shapes_are_calls() {
    let rows: &[(&[u8], &str)] = &[
        // A length, which no input may choose.
        (b"c__builtin__\nbytearray\n(J\x00\x00\x00\x40tR.", "__builtin__.bytearray"),
        (b"cbuiltins\nbytes\n(J\x00\x00\x00\x40tR.", "builtins.bytes"),
        (b"c__builtin__\nbytearray\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8tR.", "__builtin__.bytearray"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8tR.", "_codecs.encode"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.", "_codecs.encode"),
        (b"c_codecs\nencode\n(X\x03\x00\x00\x00\xe2\x82\xacX\x06\x00\x00\x00latin1tR.", "_codecs.encode"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00atR.", "_codecs.encode"),
        (b"c_codecs\nencode\n(K\x01X\x06\x00\x00\x00latin1tR.", "_codecs.encode"),
        (b"c__builtin__\nset\n(K\x01tR.", "__builtin__.set"),
        (b"c__builtin__\nset\n(]]tR.", "__builtin__.set"),
        (b"c__builtin__\nset\n(X\x01\x00\x00\x00atR.", "__builtin__.set"),
        (b"cdecimal\nDecimal\n(X\x05\x00\x00\x001 + 1tR.", "decimal.Decimal"),
        (b"cdecimal\nDecimal\n(K\x01tR.", "decimal.Decimal"),
        (b"cfractions\nFraction\n(K\x01K\x00tR.", "fractions.Fraction"),
        (b"cfractions\nFraction\n(X\x03\x00\x00\x001/0tR.", "fractions.Fraction"),
        (b"cfractions\nFraction\n(X\x03\x00\x00\x000x1tR.", "fractions.Fraction"),
        (b"cdatetime\ndate\n(C\x04\x07\xea\x0d\x01tR.", "datetime.date"),
        (b"cdatetime\ndate\n(C\x03\x07\xea\x01tR.", "datetime.date"),
        (b"cdatetime\ndate\n(M\xea\x07K\x01K\x01tR.", "datetime.date"),
        (b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x18\x00\x00\x00\x00\x00tR.", "datetime.datetime"),
        (b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x03\x00\x00\x00\x00\x00K\x01tR.", "datetime.datetime"),
        (b"cdatetime\ntimedelta\n(K\x00J\x00\x00\x01\x00K\x00tR.", ""),
        (b"cdatetime\ntimedelta\n(K\x00J\x80\x51\x01\x00K\x00tR.", "datetime.timedelta"),
        (b"cdatetime\ntimezone\n(K\x00tR.", "datetime.timezone"),
        (b"cbuiltins\nrange\n(K\x00X\x01\x00\x00\x00aK\x01tR.", "builtins.range"),
        (b"cbuiltins\nrange\n(K\x00K\x05K\x00tR.", "builtins.range"),
        (b"cbuiltins\nslice\n(K\x00tR.", "builtins.slice"),
        (b"cbuiltins\ncomplex\n(X\x01\x00\x00\x00jtR.", "builtins.complex"),
        (b"cuuid\nUUID\n(X\x01\x00\x00\x00atR.", "uuid.UUID"),
        (b"cipaddress\nIPv4Address\n(L4294967296L\ntR.", "ipaddress.IPv4Address"),
        (b"cipaddress\nIPv4Network\n(X\x0b\x00\x00\x0010.0.0.0/33tR.", "ipaddress.IPv4Network"),
        (b"cpathlib\nPosixPath\n(K\x01tR.", "pathlib.PosixPath"),
        (b"ccollections\nOrderedDict\n(((K\x01K\x02K\x03tltR.", "collections.OrderedDict"),
        (b"ccollections\ndefaultdict\n(K\x01tR.", "collections.defaultdict"),
        (b"ccollections\ndeque\n(]K\x05K\x05tR.", "collections.deque"),
        (b"ccollections\nCounter\n(]tR.", "collections.Counter"),
        (b"chttp\nHTTPStatus\n(]tR.", "http.HTTPStatus"),
        (b"chttp\nHTTPStatus\n(K\x01K\x02tR.", "http.HTTPStatus"),
        (b"c__builtin__\nlist\n(K\x05tR.", "__builtin__.list"),
        (b"csignal\nSIGINT\n)R.", "signal.SIGINT"),
        (b"\x80\x02cdatetime\ndate\nC\x04\x07\xea\x01\x02\x85\x81.", "datetime.date"),
        (b"\x80\x04\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xea\x01\x02\x85}\x92.", "datetime.date"),
        (b"ccopyreg\n_reconstructor\n(cdatetime\ndate\nc__builtin__\nobject\nNtR.", "copyreg._reconstructor"),
        (
            b"ccopyreg\n_reconstructor\n(cuuid\nUUID\nc__builtin__\nstr\nX\x01\x00\x00\x00atR.",
            "copyreg._reconstructor",
        ),
    ];
    for (pickle, global) in rows {
        let shown = pickle.escape_ascii();
        if global.is_empty() {
            assert!(json(pickle, options()).is_ok(), "{shown}");
            continue;
        }
        assert_eq!(json(pickle, options()), Err((ErrorKind::Call, Some((*global).to_owned()))), "{shown}");
        // The same is a description where everything is inert.
        let inert = json(pickle, DecodeOptions::new().globals(Globals::Inert));
        assert!(inert.as_ref().is_ok_and(|json| json.contains("$object")), "{shown}: {inert:?}");
    }
}

#[test]
fn states_are_checked() {
    let rows: &[&[u8]] = &[
        b"cuuid\nUUID\n)\x81}X\x03\x00\x00\x00intJ\xff\xff\xff\xffsb.",
        b"cuuid\nUUID\n)\x81}b.",
        b"cuuid\nUUID\n)\x81K\x01b.",
        b"cdatetime\ndate\n(C\x04\x07\xea\x01\x02tR}b.",
        b"cbuiltins\nValueError\n)RK\x01b.",
        b"ccollections\nOrderedDict\n)RK\x01b.",
        b"ccollections\nOrderedDict\n)R}b}b.",
    ];
    for pickle in rows {
        assert_eq!(
            json(pickle, options()).map_err(|(kind, _)| kind),
            Err(ErrorKind::Call),
            "{}",
            pickle.escape_ascii()
        );
    }
    // Nor can items go where no items are taken.
    for pickle in [&b"cbuiltins\nValueError\n)RK\x01a."[..], b"ccollections\ndeque\n)RK\x01K\x02s."] {
        assert_eq!(json(pickle, options()).map_err(|(kind, _)| kind), Err(ErrorKind::Type));
    }
    for pickle in [
        &b"c__builtin__\nset\n(]]atR."[..],
        b"c__builtin__\nfrozenset\n(]}atR.",
        b"}ccollections\ndeque\n)RNs.",
    ] {
        assert_eq!(json(pickle, options()).map_err(|(kind, _)| kind), Err(ErrorKind::Hash));
    }
}

#[test]
fn names_outside_the_table_are_refused_where_they_stand() {
    for (pickle, name) in [
        (&b"cos\nsystem\n\xff"[..], "os.system"),
        (b"cbuiltins\nsetattr\n\xff", "builtins.setattr"),
        (b"c__builtin__\neval\n\xff", "__builtin__.eval"),
        (b"\x80\x04\x8c\x04http\x8c\x11server.HTTPServer\x93\xff", "http.server.HTTPServer"),
        (b"cfunctools\npartial\n\xff", "functools.partial"),
        (b"i__builtin__\ncompile\n\xff", "__builtin__.compile"),
    ] {
        assert_eq!(json(pickle, options()), Err((ErrorKind::Global, Some(name.to_owned()))));
    }
}

#[test]
fn what_the_caller_allows_is_inert() {
    let allow = || options().allow("m.Status").allow("m.AppError").allow("m.Name").allow("m.tz");
    let rows: &[(&[u8], &str)] = &[
        (b"cm\nStatus\n(K\x01tR.", r#"{"$enum":{"class":"m.Status","value":1}}"#),
        (b"cm\nStatus\n.", r#"{"$global":"m.Status"}"#),
        (b"cm\nStatus\n)R.", r#"{"$object":{"class":"m.Status","args":[]}}"#),
        (b"cm\nStatus\n(]tR.", r#"{"$object":{"class":"m.Status","args":[[]]}}"#),
        (b"cm\nStatus\n(K\x01tR}b.", r#"{"$object":{"class":"m.Status","args":[1],"state":{}}}"#),
        (b"cm\nStatus\n(K\x01tRK\x02a.", r#"{"$object":{"class":"m.Status","args":[1],"items":[2]}}"#),
        (
            b"cm\nStatus\n(K\x01tRK\x02K\x03s.",
            r#"{"$object":{"class":"m.Status","args":[1],"pairs":[[2,3]]}}"#,
        ),
        (b"cm\nAppError\n(X\x01\x00\x00\x00atR.", r#"{"$exception":{"class":"m.AppError","args":["a"]}}"#),
        (
            b"cm\nAppError\n)R}X\x01\x00\x00\x00aK\x01sb.",
            r#"{"$exception":{"class":"m.AppError","args":[],"state":{"a":1}}}"#,
        ),
        (b"cm\nAppError\n)RK\x01b.", r#"{"$object":{"class":"m.AppError","args":[],"state":1}}"#),
        (
            b"ccopy_reg\n_reconstructor\n(cm\nName\nc__builtin__\nunicode\nX\x01\x00\x00\x00atR.",
            r#"{"$instance":{"class":"m.Name","value":"a"}}"#,
        ),
        (
            b"ccopy_reg\n_reconstructor\n(cm\nName\nc__builtin__\ndict\n}tR}b.",
            r#"{"$instance":{"class":"m.Name","value":{},"state":{}}}"#,
        ),
        (
            b"ccopy_reg\n_reconstructor\n(cm\nName\nc__builtin__\nobject\nNtR}X\x01\x00\x00\x00aK\x01sb.",
            r#"{"$object":{"class":"m.Name","args":[],"state":{"a":1}}}"#,
        ),
        (b"cm\nName\n(X\x01\x00\x00\x00at\x81.", r#"{"$object":{"class":"m.Name","args":["a"]}}"#),
        (
            b"cm\nName\n)}X\x01\x00\x00\x00aK\x01s\x92.",
            r#"{"$object":{"class":"m.Name","args":[],"kwargs":{"a":1}}}"#,
        ),
        (
            b"cdatetime\ndatetime\n(C\x0a\x07\xea\x81\x02\x03\x00\x00\x00\x00\x00cm\ntz\n)RtR.",
            r#"{"$datetime":"2026-01-02T03:00:00","fold":1,"tz":{"$object":{"class":"m.tz","args":[]}}}"#,
        ),
    ];
    for (pickle, expected) in rows {
        assert_eq!(json(pickle, allow()).as_deref(), Ok(*expected), "{}", pickle.escape_ascii());
    }
}

#[test]
fn everything_is_a_description_under_inert() {
    let inert = || DecodeOptions::new().globals(Globals::Inert);
    let rows: &[(&[u8], &str)] = &[
        (b"cos\nsystem\n(X\x02\x00\x00\x00idtR.", r#"{"$object":{"class":"os.system","args":["id"]}}"#),
        (b"cos\nsystem\n.", r#"{"$global":"os.system"}"#),
        (b"Pabc\n.", r#"{"$persid":"abc"}"#),
        (b"K\x05Q.", r#"{"$persid":5}"#),
        (b"\x82\x05.", r#"{"$ext":5}"#),
        (b"\x97.", r#"{"$buffer":0}"#),
        (b"]\x97a\x97\x98a.", r#"[{"$buffer":0},{"$buffer":1}]"#),
        (
            b"c__builtin__\ngetattr\n(cm\nC\nX\x01\x00\x00\x00ftR(K\x01tR.",
            r#"{"$object":{"class":"m.C.f","args":[1]}}"#,
        ),
        (b"c__builtin__\nlist\n(K\x05tR.", r#"{"$object":{"class":"builtins.list","args":[5]}}"#),
        (b"cm\nC\n)\x81}b.", r#"{"$object":{"class":"m.C","args":[],"state":{}}}"#),
    ];
    for (pickle, expected) in rows {
        assert_eq!(json(pickle, inert()).as_deref(), Ok(*expected), "{}", pickle.escape_ascii());
    }
}

#[test]
fn dataclasses_and_named_tuples_are_their_fields() {
    let allowed = || options().allow("m.Point").allow("m.Frozen").allow("m.Pair").allow("m.One");
    // As CPython 3.13 pickles them: a dataclass, one that is frozen and has slots, and named tuples at
    // protocols 2 and 0.
    let rows: &[(&[u8], &str, &str)] = &[
        (
            b"\x80\x02cm\nPoint\n)\x81}(X\x01\0\0\0xK\x01X\x01\0\0\0yX\x01\0\0\0aub.",
            r#"{"$object":{"class":"m.Point","args":[],"state":{"x":1,"y":"a"}}}"#,
            "Point(x=1, y='a')",
        ),
        (
            b"\x80\x02cm\nFrozen\n)\x81](K\x01X\x01\0\0\0aeb.",
            r#"{"$object":{"class":"m.Frozen","args":[],"state":[1,"a"]}}"#,
            "Frozen([1, 'a'])",
        ),
        (
            b"\x80\x02cm\nPair\nK\x01K\x02\x86\x81.",
            r#"{"$object":{"class":"m.Pair","args":[1,2]}}"#,
            "Pair(1, 2)",
        ),
        (
            b"\x80\x02cm\nOne\nX\x01\0\0\0a\x85\x81.",
            r#"{"$object":{"class":"m.One","args":["a"]}}"#,
            "One('a')",
        ),
        (
            b"ccopy_reg\n_reconstructor\n(cm\nPair\nc__builtin__\ntuple\n(I1\nI2\nttR.",
            r#"{"$instance":{"class":"m.Pair","value":{"$tuple":[1,2]}}}"#,
            "Pair(1, 2)",
        ),
    ];
    for (pickle, expected, printed) in rows {
        for options in [allowed(), DecodeOptions::new().globals(Globals::Inert)] {
            assert_eq!(json(pickle, options.clone()).as_deref(), Ok(*expected));
            assert_eq!(Decoder::with_options(options).decode(pickle).unwrap().to_string(), *printed);
        }
    }
}

#[test]
fn zones_of_other_libraries_say_the_offset_that_they_were_pickled_with() {
    const TIME: &str =
        "cdatetime\ndatetime\n(c_codecs\nencode\n(V\u{7}\\u00e4\u{7}\u{2}\u{3}\u{4}\0\0\0\0\nVlatin1\ntR";
    // As pytz 2025.2 and dateutil 2.9 are pickled at protocol 0.
    let rows = [
        ("cpytz\n_p\n(VEurope/Berlin\nI7200\nI3600\nVCEST\ntR", "+02:00", "_p"),
        ("cpytz\nFixedOffset\n(I-90\ntR", "-01:30", "FixedOffset"),
        ("cpytz\n_UTC\n(tR", "+00:00", "_UTC"),
        (
            "ccopy_reg\n_reconstructor\n(cdateutil.tz.tz\ntzutc\ncdatetime\ntzinfo\ncdatetime\ntzinfo\n(tRtR",
            "+00:00",
            "tzutc",
        ),
        (
            "cdateutil.tz.tz\ntzoffset\n(tR(dV_name\nNsV_offset\ncdatetime\ntimedelta\n(I-1\nI81000\nI0\ntRsb",
            "-01:30",
            "tzoffset",
        ),
        (
            "cpsycopg2.tz\nFixedOffsetTimezone\n(cdatetime\ntimedelta\n(I0\nI3600\nI0\ntRNtR",
            "+01:00",
            "psycopg2",
        ),
        // What does not say which offset holds, or says none that there is.
        ("cpytz\n_p\n(VEurope/Berlin\nI86400\nI0\nVX\ntR", "", "_p"),
        ("cpytz\nFixedOffset\n(L9223372036854775807L\ntR", "", "FixedOffset"),
        ("cpytz\n_p\n(VEurope/Berlin\ntR", "", "_p"),
        (
            "cm\ntz\n(tR(dV_std_offset\ncdatetime\ntimedelta\n(I0\nI0\nI0\ntRsV_dst_offset\ncdatetime\ntimedelta\n(I0\nI3600\nI0\ntRsb",
            "",
            "m.tz",
        ),
    ];
    for (zone, offset, class) in rows {
        let pickle = format!("{TIME}{zone}tR.");
        let json = json(pickle.as_bytes(), DecodeOptions::new().globals(Globals::Inert)).unwrap();
        let start = format!(r#"{{"$datetime":"2020-07-02T03:04:00{offset}","tz":{{"#);
        assert!(json.starts_with(&start) && json.contains(class), "{zone}: {json}");
    }
}

#[test]
fn persistent_ids_stand_where_they_are_allowed() {
    let torch = options().allow("torch.FloatStorage");
    // PyTorch's: persistent_id is ("storage", torch.FloatStorage, "0", "cpu", 4).
    let pickle: &[u8] = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ.";
    let expected = r#"{"$persid":{"$tuple":["storage",{"$global":"torch.FloatStorage"},"0","cpu",4]}}"#;
    assert_eq!(json(pickle, torch.clone().persistent_ids(true)).as_deref(), Ok(expected));
    assert_eq!(json(b"Pabc\n.", torch.clone().persistent_ids(true)).as_deref(), Ok(r#"{"$persid":"abc"}"#));
    for pickle in [pickle, b"Pabc\n."] {
        assert_eq!(json(pickle, torch.clone()).map_err(|(kind, _)| kind), Err(ErrorKind::Persid));
        let rejecting = DecodeOptions::new().persistent_ids(true);
        assert!(matches!(json(pickle, rejecting), Err((ErrorKind::Persid | ErrorKind::Global, _))));
    }
    let other = options().persistent_ids(true);
    assert_eq!(json(pickle, other).map_err(|(kind, _)| kind), Err(ErrorKind::Global));
}

#[test]
fn a_list_that_is_taken_again_and_again_is_charged() {
    // A list of one member many times is memoized; every call copies it and ends with one member.
    let mut pickle = b"](".to_vec();
    pickle.extend(b"K\x01".repeat(20_000));
    pickle.extend_from_slice(b"eq\x000c__builtin__\nset\nq\x010(");
    pickle.extend(b"h\x01h\x00\x85R0".repeat(20_000));
    pickle.extend_from_slice(b"t.");
    let start = Instant::now();
    assert_eq!(json(&pickle, options()).map_err(|(kind, _)| kind), Err(ErrorKind::Budget));
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_text_that_is_read_again_and_again_is_charged() {
    let digits = "1".repeat(1 << 20);
    let mut pickle = b"X\x00\x00\x10\x00".to_vec();
    pickle.extend_from_slice(digits.as_bytes());
    pickle.extend_from_slice(b"q\x000cdecimal\nDecimal\nq\x010(");
    pickle.extend(b"h\x01h\x00\x85R0".repeat(100_000));
    pickle.extend_from_slice(b"t.");
    let start = Instant::now();
    assert_eq!(json(&pickle, options()).map_err(|(kind, _)| kind), Err(ErrorKind::Budget));
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn many_known_keys_stay_apart() {
    // UUIDs differ in their state alone, and inert objects in nothing but who they are.
    let mut pickle = b"}(".to_vec();
    for number in 0..1_000_u16 {
        pickle.extend_from_slice(b"cuuid\nUUID\n)\x81}X\x03\x00\x00\x00intM");
        pickle.extend_from_slice(&number.to_le_bytes());
        pickle.extend_from_slice(b"sbN");
        pickle.extend_from_slice(b"cm\nKey\n)\x81N");
        pickle.extend_from_slice(b"cbuiltins\nValueError\n)RN");
    }
    pickle.extend_from_slice(b"u.");
    let mut decoder = Decoder::with_options(options().allow("m.Key"));
    let document = decoder.decode(&pickle).unwrap();
    let Node::Dict(pairs) = document.root().view() else { panic!("not a dict") };
    assert_eq!(pairs.len(), 3_000);
    // Equal ones are one key.
    let twice =
        b"}(cdatetime\ndate\n(C\x04\x07\xea\x01\x02tRK\x01cdatetime\ndate\n(C\x04\x07\xea\x01\x02tRK\x02u.";
    assert_eq!(json(twice, options()).as_deref(), Ok(r#"{"$dict":[[{"$date":"2026-01-02"},2]]}"#));
}

#[test]
fn a_deque_keeps_no_more_than_it_holds() {
    let pickle = b"ccollections\ndeque\n()K\x02tR(K\x01K\x02K\x03e.";
    let mut decoder = Decoder::with_options(options());
    let document = decoder.decode(pickle).unwrap();
    let Node::Object(object) = document.root().view() else { panic!("not an object") };
    let Some(Known::Deque(items, Some(2))) = object.known() else { panic!("not a deque") };
    assert_eq!(items.len(), 2);
    assert!(matches!(items.get(0).unwrap().view(), Node::Int(2)));
}

#[test]
fn a_container_that_is_copied_does_not_see_what_comes_later() {
    // The list is memoized, taken by deque(), and only then given an item.
    let pickle = b"(](K\x01eq\x00ccollections\ndeque\n(h\x00tRh\x00K\x02at.";
    assert_eq!(json(pickle, options()).as_deref(), Ok(r#"{"$tuple":[[1,2],{"$deque":[1]},[1,2]]}"#));
}

/// A policy, what it allows, the pickle, and what is read or refused.
type Meaning =
    (Globals, &'static [&'static str], &'static [u8], Result<&'static str, (ErrorKind, &'static str)>);

#[test]
fn meaning_rows() {
    use Globals::{Inert, Known};
    let rows: &[Meaning] = &[
        // Inner classes below protocol 4, and from it on.
        (
            Known,
            &["mypkg.Outer.Inner"],
            b"c__builtin__\ngetattr\np0\n(cmypkg\nOuter\nX\x05\0\0\0Innertp1\nRp2\n(K\x1atR.",
            Ok(r#"{"$enum":{"class":"mypkg.Outer.Inner","value":26}}"#),
        ),
        (
            Known,
            &["mypkg.Outer.Inner"],
            b"\x8c\x05mypkg\x8c\x0bOuter.Inner\x93K\x1a\x85R.",
            Ok(r#"{"$enum":{"class":"mypkg.Outer.Inner","value":26}}"#),
        ),
        (
            Known,
            &["a.b.C.D.E"],
            b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\n(ca.b\nC\nX\x01\0\0\0DtRX\x01\0\0\0EtR(K\x01tR.",
            Ok(r#"{"$enum":{"class":"a.b.C.D.E","value":1}}"#),
        ),
        (Known, &["mypkg.Outer.Inner"], b"cmypkg\nOuter\n)R.", Err((ErrorKind::Call, "mypkg.Outer"))),
        (
            Known,
            &["mypkg.Outer.Inner"],
            b"cbuiltins\ngetattr\n(cmypkg\nOuter\nX\x05\0\0\0Other",
            Err((ErrorKind::Eof, "")),
        ),
        (
            Known,
            &["mypkg.Outer.Inner"],
            b"cbuiltins\ngetattr\n(cmypkg\nOuter\nX\x05\0\0\0OthertR.",
            Err((ErrorKind::Global, "mypkg.Outer.Other")),
        ),
        (Known, &[], b"cbuiltins\ngetattr\n(cos\npath\n", Err((ErrorKind::Global, "os.path"))),
        (Known, &[], b"cbuiltins\ngetattr\n(K\x01X\x01\0\0\0atR.", Err((ErrorKind::Call, "builtins.getattr"))),
        (
            Known,
            &[],
            b"cbuiltins\ngetattr\n(ccollections\ndeque\nX\x05\0\0\0clear",
            Err((ErrorKind::Eof, "")),
        ),
        (
            Known,
            &[],
            b"cbuiltins\ngetattr\n(ccollections\ndeque\nX\x05\0\0\0cleartR.",
            Err((ErrorKind::Global, "collections.deque.clear")),
        ),
        // Members by name.
        (
            Known,
            &[],
            b"cbuiltins\ngetattr\n(chttp\nHTTPStatus\nX\x02\0\0\0OKtR.",
            Ok(r#"{"$enum":{"class":"http.HTTPStatus","name":"OK"}}"#),
        ),
        (
            Known,
            &["mypkg.Color"],
            b"cbuiltins\ngetattr\n(cmypkg\nColor\nX\x03\0\0\0REDtR.",
            Ok(r#"{"$enum":{"class":"mypkg.Color","name":"RED"}}"#),
        ),
        // Zones.
        (Known, &[], b"czoneinfo\nZoneInfo\n(X\x03\0\0\0UTCtR.", Ok(r#"{"$zoneinfo":"UTC"}"#)),
        (
            Known,
            &[],
            b"czoneinfo\nZoneInfo\n(X\x09\0\0\0../passwdtR.",
            Err((ErrorKind::Call, "zoneinfo.ZoneInfo")),
        ),
        (Known, &[], b"czoneinfo\nZoneInfo\n(C\x01atR.", Ok(r#"{"$zoneinfo":"a"}"#)),
        // One class, two names.
        (Known, &["queue.Queue"], b"cQueue\nQueue\n(K\x01tR.", Ok(r#"{"$enum":{"class":"queue.Queue","value":1}}"#)),
        (Known, &["Queue.Queue"], b"cqueue\nQueue\n(K\x01tR.", Ok(r#"{"$enum":{"class":"queue.Queue","value":1}}"#)),
        (
            Known,
            &[],
            b"cQueue\nFull\nq\0(X\x01\0\0\0xq\x01tq\x02Rq\x03.",
            Ok(r#"{"$exception":{"class":"queue.Full","args":["x"]}}"#),
        ),
        // What gives back what it is given.
        (Known, &[], b"c__builtin__\nlist\n(](K\x01K\x02etR.", Ok("[1,2]")),
        (Known, &[], b"cbuiltins\ntuple\n(](K\x01K\x02etR.", Ok(r#"{"$tuple":[1,2]}"#)),
        (Known, &[], b"cbuiltins\ndict\n(]X\x01\0\0\0aK\x01\x86atR.", Ok(r#"{"a":1}"#)),
        (Known, &[], b"cbuiltins\ndict\n)R.", Ok("{}")),
        (Known, &[], b"cbuiltins\nstr\n(X\x01\0\0\0atR.", Ok(r#""a""#)),
        (Known, &[], b"cbuiltins\nint\n(K\x05tR.", Ok("5")),
        (Known, &[], b"cbuiltins\nint\n(X\x01\0\0\x005tR.", Err((ErrorKind::Call, "builtins.int"))),
        (Known, &[], b"cbuiltins\nlist\n(K\x05tR.", Err((ErrorKind::Call, "builtins.list"))),
        (Known, &[], b"cbuiltins\nobject\n)R.", Err((ErrorKind::Call, "builtins.object"))),
        // The state that a setter gives.
        (
            Inert,
            &[],
            b"\x80\x04cm\nC\n)\x81\x940cm\nsetstate\n(h\0}\x8c\x01aK\x01stR0h\0.",
            Ok(r#"{"$object":{"class":"m.C","args":[],"state":{"a":1}}}"#),
        ),
        (
            Inert,
            &[],
            b"\x80\x04(cm\nC\n)\x81\x94]cm\nsetstate\nh\0}\x8c\x01aK\x01s\x86R0t.",
            Ok(r#"{"$tuple":[{"$object":{"class":"m.C","args":[],"state":{"a":1}}},[]]}"#),
        ),
        // An exception takes what it is given and sets no state.
        (
            Inert,
            &[],
            b"\x80\x04cm\nC\n)\x81\x94cbuiltins\nValueError\nh\0}\x8c\x01aK\x01s\x86R0.",
            Ok(r#"{"$object":{"class":"m.C","args":[]}}"#),
        ),
        (
            Inert,
            &[],
            b"\x80\x04cm\nC\n)\x81\x94cm\nsetstate\nh\0}\x8c\x01aK\x01s\x86R0.",
            Ok(r#"{"$object":{"class":"m.C","args":[],"state":{"a":1}}}"#),
        ),
        // Arguments that CPython refuses.
        (
            Known,
            &[],
            b"cipaddress\nIPv6Network\n(X\n\0\0\0fe80::1/64tR.",
            Err((ErrorKind::Call, "ipaddress.IPv6Network")),
        ),
        (Known, &[], b"cipaddress\nIPv6Network\n(X\x09\0\0\0fe80::/64tR.", Ok(r#"{"$ip":"fe80::/64"}"#)),
        (
            Known,
            &[],
            b"cipaddress\nIPv4Network\n(X\x0b\0\0\x0010.0.0.1/31tR.",
            Err((ErrorKind::Call, "ipaddress.IPv4Network")),
        ),
        (Known, &[], b"cipaddress\nIPv4Network\n(X\x09\0\0\x000.0.0.0/0tR.", Ok(r#"{"$ip":"0.0.0.0/0"}"#)),
        (
            Known,
            &[],
            b"cipaddress\nIPv4Interface\n(X\x0b\0\0\x0010.0.0.1/31tR.",
            Ok(r#"{"$ip":"10.0.0.1/31","class":"ipaddress.IPv4Interface"}"#),
        ),
        (Known, &[], b"cfractions\nFraction\n(K\x02K\x02tR.", Err((ErrorKind::Call, "fractions.Fraction"))),
        (Known, &[], b"cfractions\nFraction\n(K\0K\x02tR.", Err((ErrorKind::Call, "fractions.Fraction"))),
        (Known, &[], b"cfractions\nFraction\n(K\0K\x01tR.", Ok(r#"{"$fraction":"0/1"}"#)),
        (Known, &[], b"cfractions\nFraction\n(X\x03\0\0\x002/4tR.", Err((ErrorKind::Call, "fractions.Fraction"))),
        (
            Known,
            &[],
            b"cdatetime\ntimezone\n(cdatetime\ntimedelta\n(K\0M\x10\x0eK\0tRC\0tR.",
            Err((ErrorKind::Call, "datetime.timezone")),
        ),
        // numpy's numbers.
        (
            Inert,
            &[],
            b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\0\0\0f8\x89\x88tR(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbC\x08\0\0\0\0\0\0\xf8?tR.",
            Ok("1.5"),
        ),
        // What the names hide is seen.
        (
            Known,
            &["os.system"],
            b"ccollections\ndefaultdict\n(cos\nsystem\ntR.",
            Ok(r#"{"$defaultdict":[],"factory":{"$global":"os.system"}}"#),
        ),
        (
            Inert,
            &[],
            "cos\u{202e}\nsystem\n)R.".as_bytes(),
            Ok(r#"{"$object":{"class":"os\u202e.system","args":[]}}"#),
        ),
    ];
    for (globals, allowed, pickle, expected) in rows {
        let options =
            allowed.iter().fold(DecodeOptions::new().globals(*globals), |options, name| options.allow(*name));
        let got = json(pickle, options);
        let expected = expected
            .map(str::to_owned)
            .map_err(|(kind, name)| (kind, Some(name.to_owned()).filter(|name| !name.is_empty())));
        assert_eq!(got, expected, "{}", pickle.escape_ascii());
    }
}
