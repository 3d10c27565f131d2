//! Values that are only described, in `extra` and in the place of attributes: none costs the record, and none goes
//! unseen.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is a test")]

use std::time::{Duration, UNIX_EPOCH};

use logrecord_model::{Field, Formatter, LogRecord, SourceInfo, Style, Zone};
use pickle_codec::{DecodeOptions, Globals, Value};

fn text(text: &str) -> Vec<u8> {
    let mut pickle = vec![b'X'];
    pickle.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
    pickle.extend_from_slice(text.as_bytes());
    pickle
}

/// A record of these attributes, each with the opcodes of its value.
fn payload(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [&b"}("[..], &pairs, b"u."].concat()
}

fn read(payload: &[u8]) -> LogRecord<'_> {
    LogRecord::from_pickle_with(payload, &DecodeOptions::new().globals(Globals::Inert)).unwrap()
}

fn call(name: &str, args: &[u8]) -> Vec<u8> {
    [b"c", name.as_bytes(), b"\n(", args, b"tR"].concat()
}

/// An instance of a subclass, as protocols 0 and 1 spell it.
fn instance(name: &str, base: &str, value: &[u8]) -> Vec<u8> {
    let class = [b"c", name.as_bytes(), b"\nc__builtin__\n", base.as_bytes(), b"\n"].concat();
    call("copy_reg\n_reconstructor", &[&class[..], value].concat())
}

#[test]
fn attributes_keep_their_plain_value() {
    let when = text("2026-01-02T03:04:05Z");
    let payload = payload(&[
        ("name", call("shop\nNames", &text("shop.orders"))),
        ("levelno", call("shop\nPriority", b"K#")),
        ("msg", instance("shop\nSafe", "unicode", &text("order placed"))),
        ("lineno", [&b"cshop\nLine\nK\x07\x85\x81"[..]].concat()),
        ("filename", call("pathlib\nPurePosixPath", &[text("shop"), text("a.py")].concat())),
        ("module", instance("shop\nText", "str", &text("a"))),
        ("msecs", instance("shop\nFloat", "float", b"G\x3f\xf8\0\0\0\0\0\0")),
        ("created", when),
        ("thread", call("shop\nTwo", b"K\x01K\x02")),
    ]);
    let record = read(&payload);
    assert_eq!(
        record.to_json(),
        concat!(
            r#"{"time":"2026-01-02T03:04:05.000000Z","levelno":35,"name":"shop.orders","message":"order placed","#,
            r#""filename":"shop/a.py","module":"a","lineno":7,"msecs":1.5,"extra":{"created":"2026-01-02T03:04:05Z","#,
            r#""thread":{"$object":{"class":"shop.Two","args":[1,2]}}},"#,
            r#""globals":["shop.Names","shop.Priority","shop.Safe","shop.Line","shop.Text","shop.Float","shop.Two"]}"#
        )
    );
    assert_eq!(record.time(), Some(UNIX_EPOCH + Duration::from_secs(1_767_323_045)));
    assert!(record.is_odd(Field::Thread) && record.is_odd(Field::Created));
}

#[test]
fn every_name_is_seen() {
    // One that is thrown away, one in a value that is too large, and one the second time.
    let bomb: Vec<u8> = (0..6_u8)
        .flat_map(|level| [&b"0]("[..], &[b'h', level].repeat(20), &[b'e', b'q', level + 1]].concat())
        .collect();
    let bomb = [&b"cshop\nA\nq\0"[..], &bomb].concat();
    let payload = payload(&[
        ("msg", [&b"cos\nsystem\n0"[..], &text("m")].concat()),
        ("a", bomb),
        ("b", b"cos\nsystem\n".to_vec()),
        ("c", b"ccollections\nOrderedDict\n(tR".to_vec()),
    ]);
    let record = read(&payload);
    assert!(record.is_cut());
    assert_eq!(record.globals().collect::<Vec<_>>(), ["os.system", "shop.A"]);
    assert!(
        record.to_json().ends_with(r#""globals":["os.system","shop.A"],"cut":true}"#),
        "{}",
        record.to_json()
    );
    // What the caller allows is no news.
    let options = DecodeOptions::new().globals(Globals::Inert).allow("os.system");
    let record = LogRecord::from_pickle_with(&payload, &options).unwrap();
    assert_eq!(record.globals().collect::<Vec<_>>(), ["shop.A"]);
}

#[test]
fn many_names_are_listed_in_part() {
    let many: Vec<u8> = (0..10_000).flat_map(|number| format!("cshop\nC{number}\n0").into_bytes()).collect();
    let payload = payload(&[("msg", [many, text("m")].concat())]);
    let record = read(&payload);
    assert_eq!(record.globals().count(), LogRecord::MAX_GLOBALS + 1);
    assert_eq!(record.globals().last(), Some("..."));
    let json: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
    let listed = json["globals"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[31], &listed[32]), (33, &"shop.C31".into(), &"...".into()));
    let long = format!("cshop\n{}\n0", "x".repeat(5000));
    let long = self::payload(&[("msg", [long.into_bytes(), text("m")].concat())]);
    assert!(read(&long).globals().all(|name| name.len() <= 200));
}

#[test]
fn records_of_python_2_are_readable() {
    let payload =
        b"(dS'exc_text'\nS'Traceback (most recent call last):\\nValueError: caf\\xe9'\nsS'msg'\nS'boom'\ns.";
    let record = LogRecord::from_pickle(payload).unwrap();
    assert_eq!(record.exc_text().unwrap(), "Traceback (most recent call last):\nValueError: café");
    assert_eq!(record.exception().unwrap().raised().unwrap().message, "café");
}

#[test]
fn text_formats_lose_no_record() {
    let datetime = call("datetime\ndatetime", b"C\x0a\x07\xea\x01\x02\x03\x04\x05\0\0\0cdatetime\ntimezone\n(cdatetime\ntimedelta\n(K\0M\x10\x0eK\0tRtR");
    type Row<'r> = (&'r [(&'static str, Vec<u8>)], &'static str, &'static str, &'static str);
    let rows: &[Row<'_>] = &[
        (
            &[("msg", text("m")), ("created", datetime)],
            "%(asctime)s %(message)s",
            "2026-01-02 02:04:05,000 m",
            "",
        ),
        (
            &[("msg", text("m")), ("created", text("1970-01-01T00:00:09.5Z"))],
            "%(asctime)s",
            "1970-01-01 00:00:09,500",
            "",
        ),
        (&[("msg", text("m")), ("levelno", b"N".to_vec())], "[%(levelno)03d] %(message)s", "[   ] m", ""),
        (&[("msg", text("m")), ("levelno", text("high"))], "[%(levelno)d] %(message)s", "[high] m", ""),
        (&[("msg", text("m"))], "%(user)s %(message)s %(other)s", " m ", "user"),
        (&[("msg", text("m"))], "%(tenant)s %(message)s", "none m", ""),
        (
            &[("msg", text("m")), ("user", b"K\x07".to_vec())],
            "%(message)s %(extra)s %(peer)s",
            "m {'user': 7} 10.0.0.1:5",
            "",
        ),
        (&[("msg", text("m")), ("peer", text("forged"))], "%(peer)s", "10.0.0.1:5", ""),
        (
            &[("msg", text("%d")), ("args", [text("x"), vec![0x85]].concat())],
            "%(message)s",
            "%d [TypeError: %d format: a real number is required, not str]",
            "",
        ),
        (
            &[("msg", text("m")), ("thread", b"K\x09".to_vec())],
            "%(thread)d %(processName)s %(threadName)s",
            "9 MainProcess MainThread",
            "",
        ),
    ];
    for (pairs, format, expected, missing) in rows {
        let payload = payload(pairs);
        let record =
            LogRecord::from_pickle_with(&payload, &DecodeOptions::new().globals(Globals::Known)).unwrap();
        for safe in [false, true] {
            let formatter = Formatter::builder()
                .format(*format)
                .default("tenant", Value::from("none"))
                .safe(safe)
                .lenient(true)
                .zone(Zone::utc())
                .build()
                .unwrap();
            let source = SourceInfo { transport: "tcp", peer: Some("10.0.0.1:5"), key_id: None };
            let mut out = String::new();
            let written = formatter.format_into(&record, Some(&source), &mut out).unwrap();
            assert_eq!(out, *expected, "{format}");
            assert_eq!(written.missing.as_deref().unwrap_or_default(), *missing, "{format}");
            assert_eq!(written.refused, None, "{format}");
        }
    }
    // What the receiver fills in is there.
    let payload = payload(&[("msg", text("m"))]);
    let record = LogRecord::from_pickle(&payload).unwrap();
    for format in
        ["%(asctime)s.%(msecs)03d", "%(process)d", "%(thread)d", "%(relativeCreated)d", "%(created)f"]
    {
        let formatter = Formatter::builder().format(format).build().unwrap();
        assert!(formatter.format(&record).unwrap().contains(|c: char| c.is_ascii_digit()), "{format}");
    }
}

#[test]
fn descriptions_read_like_python() {
    let state = [&b"}("[..], &text("a"), b"K\x01", &text("b"), &text("x"), b"ub"].concat();
    let object = |name: &str| instance(name, "object", b"N");
    let rows: &[(Vec<u8>, &str)] = &[
        (call("shop\nStatus", b"K\x02"), "Status(2)"),
        (call("shop\nStatus", &text("paid")), "Status('paid')"),
        (call("shop\nPoint", b"K\x01K\x02"), "Point(1, 2)"),
        (call("shop\nRow", b"K\x01K\x02K\x03K\x04"), "Row(1, 2, 3, 4)"),
        (call("shop\nEmpty", b""), "Empty()"),
        ([object("shop\nOrder"), state.clone()].concat(), "Order(a=1, b='x')"),
        ([call("shop\nFault", &text("m")), state].concat(), "Fault('m', a=1, b='x')"),
        ([object("shop\nId"), text("k"), b"b".to_vec()].concat(), "Id('k')"),
        ([object("shop\nBare"), b"}b".to_vec()].concat(), "Bare()"),
        ([object("shop\nDict"), [&b"}("[..], b"K\x01K\x02", b"ub"].concat()].concat(), "Dict({1: 2})"),
        ([object("shop\nDict"), text("k"), b"K\x05s".to_vec()].concat(), "Dict({'k': 5})"),
        (call("os\nsystem", &text("id\n\u{202e}")), "system('id\\n\\u202e')"),
    ];
    for (value, expected) in rows {
        let payload = payload(&[("msg", text("%s")), ("args", [value.clone(), vec![0x85]].concat())]);
        assert_eq!(read(&payload).message(), *expected);
        let payload = self::payload(&[("msg", text("m")), ("value", value.clone())]);
        let formatter = Formatter::builder().format("%(value)s").safe(true).build().unwrap();
        assert_eq!(formatter.format(&read(&payload)).unwrap(), *expected);
    }
}

#[test]
fn a_format_that_does_not_suit_is_replaced() {
    let record = LogRecord::builder("app", 20, "m").created(0.0).build();
    let formats = [
        (Style::Percent, "%(message)d %(nothing)05.1f", false),
        (Style::Percent, "%(message)05.1f", true),
        (Style::Brace, "{message:d}", true),
        (Style::Brace, "{message.upper}", true),
        (Style::Dollar, "$nothing $message", false),
    ];
    for (style, format, refused) in formats {
        let formatter =
            Formatter::builder().format(format).style(style).zone(Zone::utc()).lenient(true).build().unwrap();
        let mut out = String::new();
        let written = formatter.format_into(&record, None, &mut out).unwrap();
        assert!(out.contains('m'), "{format}: {out}");
        if refused {
            assert_eq!(out, "1970-01-01 00:00:00,000 INFO     app m", "{format}");
            assert!(written.refused.is_some(), "{format}");
        }
    }
}

#[test]
fn records_are_compared() {
    let one = || LogRecord::builder("app", 20, "m").created(1.0).extra("a", Value::Int(1));
    assert_eq!(one().build(), one().build_owned());
    assert_ne!(one().build(), one().lineno(3).build());
    assert_ne!(one().build(), one().extra("b", Value::None).build());
    let mut payload = Vec::new();
    one().build().to_pickle(&mut payload).unwrap();
    assert_eq!(LogRecord::from_pickle(&payload).unwrap(), one().build());
    assert_ne!(one().created(f64::NAN).build(), one().created(f64::NAN).build());
}

#[test]
fn what_contains_itself_costs_neither_the_message_nor_the_record() {
    // x = [1]; x.append(x) and d = {"a": 1}; d["b"] = d, as arguments of the message and in `extra`; the message's
    // arguments may be that dict themselves.
    let list = b"]q\x01(K\x01h\x01e";
    let dict = [&b"}q\x02("[..], &text("a"), b"K\x01", &text("b"), b"h\x02u"].concat();
    let both = [&b"("[..], list, &dict, b"t"].concat();
    let rows = [
        (text("got %s and %s"), both, "got [1, '[...]'] and {'a': 1, 'b': '{...}'}"),
        (text("got %(a)s"), dict, "got 1"),
    ];
    for (msg, args, message) in rows {
        let payload = payload(&[("msg", msg), ("args", args), ("value", list.to_vec())]);
        let record = read(&payload);
        assert_eq!(record.message(), message);
        assert!(record.to_json().contains(r#""extra":{"value":[1,"[...]"]}"#), "{}", record.to_json());
    }
}

#[test]
fn a_subclass_of_text_has_the_form_of_every_line_of_json() {
    let payload = payload(&[("value", instance("shop\nSafe", "unicode", &text("a")))]);
    let value = r#"{"$instance":{"class":"shop.Safe","value":"a"}}"#;
    assert!(read(&payload).to_json().contains(value));
}

#[test]
fn what_a_handler_of_ones_own_sends_as_exc_info_is_shown() {
    let rows = [
        (text("Traceback: x"), r#""Traceback: x""#, "m\n    Traceback: x"),
        (b"(I1\nI2\nt".to_vec(), r#"{"$tuple":[1,2]}"#, "m"),
    ];
    for (info, json, shown) in rows {
        let payload = payload(&[("msg", text("m")), ("exc_info", info), ("exc_text", b"N".to_vec())]);
        let record = read(&payload);
        assert_eq!(record.to_json(), format!(r#"{{"message":"m","extra":{{"exc_info":{json}}}}}"#));
        let formatter = Formatter::builder().format("%(message)s").safe(true).build().unwrap();
        assert_eq!(formatter.format(&record).unwrap(), shown);
    }
}
