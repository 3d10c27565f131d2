//! `decode`, `encode` and `inspect` as programs, on inputs from the specification and on hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{frame, lines, run};

#[test]
fn decode_rows() {
    // Arguments, input, lines of output, exit code.
    type Row = (&'static [&'static str], &'static [u8], &'static [&'static str], i32);
    let rows: &[Row] = &[
        (&[], b"N.K\x07.", &["null", "7"], 0),
        (&[], b"", &[r#"{"$error":{"kind":"eof","offset":0}}"#], 1),
        (&[], b"N.\xff", &["null", r#"{"$error":{"kind":"opcode","offset":2}}"#], 1),
        (
            &[],
            b"cos\nsystem\n(S'id'\ntR.",
            &[r#"{"$error":{"kind":"global","offset":0,"opcode":"GLOBAL","global":"os.system"}}"#],
            1,
        ),
        (&[], b"C\x02ab.", &[r#"{"$bytes":"YWI="}"#], 0),
        (&[], b"K\x01K\x02\x86.", &[r#"{"$tuple":[1,2]}"#], 0),
        (&[], b"}(K\x01K\x02u.", &[r#"{"$dict":[[1,2]]}"#], 0),
        (&[], b"}X\x02\x00\x00\x00$aK\x02s.", &[r#"{"$dict":[["$a",2]]}"#], 0),
        (&[], b"\x8c\x03\xed\xa0\x80.", &[r#"{"$str":"7aCA"}"#], 0),
        (
            &["--surrogates", "strict"],
            b"\x8c\x03\xed\xa0\x80.",
            &[r#"{"$error":{"kind":"utf8","offset":0,"opcode":"SHORT_BINUNICODE"}}"#],
            1,
        ),
        (&["--surrogates", "replace"], b"\x8c\x03\xed\xa0\x80.", &["\"\u{fffd}\""], 0),
        (&["--py2-str", "bytes"], b"U\x01a.", &[r#"{"$bytes":"YQ=="}"#], 0),
        (&["--py2-str", "latin1"], b"U\x01\xe9.", &["\"é\""], 0),
        (
            &["--py2-str", "utf8"],
            b"U\x01\xe9.",
            &[r#"{"$error":{"kind":"utf8","offset":0,"opcode":"SHORT_BINSTRING"}}"#],
            1,
        ),
        (&[], b"G?\xf0\x00\x00\x00\x00\x00\x00.", &["1.0"], 0),
        (&[], b"G\x7f\xf0\x00\x00\x00\x00\x00\x00.", &[r#"{"$float":"inf"}"#], 0),
        (&[], b"L9223372036854775808L\n.", &[r#"{"$int":"9223372036854775808"}"#], 0),
        (&[], b"]\x94h\x00a.", &[r#"{"$error":{"kind":"recursive"}}"#], 1),
        (&["--refs"], b"]\x94h\x00a.", &[r#"{"$def":[0,[{"$ref":0}]]}"#], 0),
        (
            &["--input", "hex"],
            b"4e2e\n\nzz\n4B07 2e\n4b072e\n",
            &[
                "null",
                r#"{"$error":{"kind":"eof","offset":0}}"#,
                r#"{"$error":{"kind":"hex"}}"#,
                r#"{"$error":{"kind":"hex"}}"#,
                "7",
            ],
            1,
        ),
        (&["--globals", "known"], b"cdecimal\nDecimal\n(V1.10\ntR.", &[r#"{"$decimal":"1.10"}"#], 0),
        (
            &["--globals", "known"],
            b"cposix\nsystem\n.",
            &[r#"{"$error":{"kind":"global","offset":0,"opcode":"GLOBAL","global":"posix.system"}}"#],
            1,
        ),
        (
            &["--globals", "known", "--allow-global", "mypkg.Status"],
            b"cmypkg\nStatus\n.",
            &[r#"{"$global":"mypkg.Status"}"#],
            0,
        ),
        (&["--globals", "inert"], b"cos\nsystem\n.", &[r#"{"$global":"os.system"}"#], 0),
    ];
    for (args, input, expected, code) in rows {
        let output = run(&[&["decode"], *args].concat(), input);
        assert_eq!(lines(&output), *expected, "{args:?} {}", input.escape_ascii());
        assert_eq!(output.status.code(), Some(*code), "{args:?} {}", input.escape_ascii());
    }
}

#[test]
fn frames_go_on_behind_a_bad_one() {
    let mut input = [frame(b"K\x01."), frame(b"cos\nsystem\n."), frame(b"K\x02."), frame(b"")].concat();
    input.extend_from_slice(&[0, 0, 1, 0, b'K']);
    let output = run(&["decode", "--input", "frames"], &input);
    assert_eq!(
        lines(&output),
        [
            "1",
            r#"{"$error":{"kind":"global","offset":0,"opcode":"GLOBAL","global":"os.system"}}"#,
            "2",
            // A frame of no bytes, which keeps a connection alive, is no record.
            r#"{"$error":{"kind":"cut"}}"#,
        ]
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn encode_rows() {
    let rows: &[(&[&str], &str, &str)] = &[
        (&["--protocol", "0"], "[1,2.5,null]", "286c70300a49310a6146322e350a614e612e"),
        (&["--protocol", "1"], r#"{"a":true}"#, "7d71005801000000617101493031 0a732e"),
        (&["--protocol", "2"], r#"{"$tuple":[1,"x"]}"#, "80024b0158010000007871008671012e"),
        (&["--protocol", "3"], r#"{"$bytes":"AAE="}"#, "8003430200017100 2e"),
        (&["--protocol", "4"], r#"{"$set":[1]}"#, "80049507000000000000008f94284b01902e"),
        (&["--protocol", "5"], r#"{"$bytearray":"AA=="}"#, "8005950c00000000000000960100000000000000 00942e"),
        (&["--protocol", "4", "--no-memo"], r#"["a"]"#, "800495060000000000000 05d8c0161612e"),
        (&["--protocol", "2"], r#"{"$int":"9223372036854775808"}"#, "80028a0900000000000000800 02e"),
        (&["--protocol", "2"], r#"{"$def":[0,[{"$ref":0}]]}"#, "80025d71006800612e"),
    ];
    for (args, input, expected) in rows {
        let output = run(&[&["encode", "--output", "hex"], *args].concat(), input.as_bytes());
        let expected = expected.replace(' ', "");
        assert_eq!(
            lines(&output),
            [expected],
            "{args:?} {input}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_line_that_is_no_value_is_named_and_the_others_are_encoded() {
    let output = run(&["encode", "--protocol", "2", "--output", "hex"], b"1\n{\"$what\":1}\n\n2\n[\n");
    assert_eq!(lines(&output), ["80024b012e", "80024b022e"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("standard input:2:") && said.contains("$what"), "{said}");
    assert!(said.contains("standard input:5:"), "{said}");
}

#[test]
fn inspect_says_what_pickletools_says_and_gives_a_verdict() {
    let output = run(&["inspect"], b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94.");
    assert_eq!(
        lines(&output),
        [
            r"    0: \x80 PROTO      4",
            r"    2: \x8c SHORT_BINUNICODE 'os'",
            r"    6: \x94 MEMOIZE    (as 0)",
            r"    7: \x8c SHORT_BINUNICODE 'system'",
            r"   15: \x94 MEMOIZE    (as 1)",
            r"   16: \x93 STACK_GLOBAL",
            r"   17: \x94 MEMOIZE    (as 2)",
            "   18: .    STOP",
            "highest protocol among opcodes = 4",
            "names or calls: os.system at 16",
        ]
    );
    assert_eq!(output.status.code(), Some(1));
    let output = run(&["inspect"], b"K\x01.");
    assert_eq!(lines(&output).last().unwrap(), "data only");
    assert_eq!(output.status.code(), Some(0));
    let output = run(&["inspect", "--json", "--instructions"], b"K\x01K");
    let expected = "{\"verdict\":\"not a pickle: the input ends at 2\",\"kind\":\"not_a_pickle\",\"offset\":0,\"end\":2,\
        \"globals\":[],\"stop\":{\"offset\":2,\"reason\":\"the input ends\"},\
        \"instructions\":[{\"offset\":0,\"opcode\":\"BININT1\",\"argument\":1}]}";
    assert_eq!(lines(&output), [expected]);
    assert_eq!(output.status.code(), Some(1));
}
