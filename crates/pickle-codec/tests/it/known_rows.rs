//! Objects of the standard library as nine CPython versions pickle them, read as known types.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Protocol, Py2Str};
use testkit::bytes::unhex;

/// Made by `cargo xtask golden`: tagged JSON, CPython version and protocol, the pickle in hexadecimal.
const ROWS: &str = include_str!("../known_rows.tsv");

#[test]
fn every_version_and_protocol_reads_the_same() {
    let mut failures = Vec::new();
    for py2_str in [Py2Str::Auto, Py2Str::Latin1, Py2Str::Bytes] {
        let options = DecodeOptions::new().globals(Globals::Known).py2_str(py2_str);
        let mut decoder = Decoder::with_options(options);
        for line in ROWS.lines() {
            let [expected, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let pickle = unhex(hex);
            let got = decoder
                .decode(&pickle)
                .and_then(|document| tagged::to_string(&document, &TaggedOptions::new()))
                .unwrap_or_else(|error| format!("{error}"));
            // Python 2's `str` is bytes or text as the option says; only what is no text can tell.
            let differs = label.starts_with("2.7") && py2_str != Py2Str::Auto && holds_text(expected);
            if got != expected && !differs {
                failures.push(format!("{label} {py2_str:?}\n  got      {got}\n  expected {expected}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Whether the value holds Python 2 text of its own, which reads in another way under another policy.
fn holds_text(expected: &str) -> bool {
    ["$exception", "$ordereddict", "$defaultdict", "$counter", "$slice", "$frozenset"]
        .iter()
        .any(|tag| expected.contains(tag))
}

#[test]
fn nothing_is_known_under_reject() {
    let mut decoder = Decoder::new();
    for line in ROWS.lines() {
        let [expected, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let plain = ["{\"$set\"", "{\"$frozenset\"", "{\"$bytes\"", "{\"$bytearray\""];
        match decoder.decode(&unhex(hex)) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Global, "{label} {expected}"),
            Ok(_) => assert!(plain.iter().any(|tag| expected.starts_with(tag)), "{label} {expected}"),
        }
    }
}

#[test]
fn the_same_is_known_under_inert() {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    for line in ROWS.lines() {
        let [expected, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let pickle = unhex(hex);
        let document = decoder.decode(&pickle).unwrap();
        let got = tagged::to_string(&document, &TaggedOptions::new()).unwrap();
        assert_eq!(got, expected, "{label}");
    }
}

#[test]
fn names_inside_of_classes_are_written_as_cpython_writes_them() {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let mut written = 0;
    for line in ROWS.lines().filter(|line| line.contains("zoneinfo") || line.contains("IMAP4")) {
        let [expected, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        // What CPython 3.8 and later write is what is written here; most of it is in an earlier version's row.
        if label.starts_with("2.7") {
            continue;
        }
        let pickle = unhex(hex);
        let number = label.rsplit('p').next().and_then(|number| number.parse::<u8>().ok()).unwrap();
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.get() == number).unwrap();
        let document = decoder.decode(&pickle).unwrap();
        let again = document.to_vec(protocol).unwrap();
        if label.starts_with("3.6") || label.starts_with("3.7") {
            let text = tagged::to_string(&decoder.decode(&again).unwrap(), &TaggedOptions::new());
            assert_eq!(text.unwrap(), expected, "{label}");
        } else {
            assert_eq!(
                again.escape_ascii().to_string(),
                pickle.escape_ascii().to_string(),
                "{label} {expected}"
            );
            written += 1;
        }
    }
    assert!(written > 10, "{written}");
}

/// Made by `cargo xtask golden`: what it is, module and name of the class, CPython version and protocol, the
/// pickle in hexadecimal.
const STDLIB_ROWS: &str = include_str!("../stdlib_rows.tsv");

#[test]
fn exceptions_and_enums_of_the_whole_standard_library_are_known() {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let mut failures = Vec::new();
    for line in STDLIB_ROWS.lines() {
        let [kind, module, name, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let got = decoder
            .decode(&unhex(hex))
            .and_then(|document| tagged::to_string(&document, &TaggedOptions::new()))
            .unwrap_or_else(|error| error.to_string());
        if !got.starts_with(&format!("{{\"${kind}\":{{\"class\":\"")) {
            failures.push(format!("{label} {module}.{name}: {got}"));
        }
    }
    // Whose members are no scalars, or whose instances are made by functions of their modules.
    failures.retain(|failure| !["ssl.Purpose"].iter().any(|known| failure.contains(known)));
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_printed_of_known_types_is_encoded_as_cpython_has_it() {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let (mut same, mut other) = (0, Vec::new());
    for line in ROWS.lines() {
        let [expected, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let number = label.rsplit('p').next().and_then(|number| number.parse::<u8>().ok()).unwrap();
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.get() == number).unwrap();
        let document = tagged::from_str(expected, &TaggedOptions::new())
            .unwrap_or_else(|error| panic!("{expected}: {error}"));
        let pickle = document.to_vec(protocol).unwrap();
        let again = decoder.decode(&pickle).unwrap_or_else(|error| panic!("{expected}: {error}"));
        assert_eq!(tagged::to_string(&again, &TaggedOptions::new()).unwrap(), expected, "{label}");
        if pickle == unhex(hex) {
            same += 1;
        } else if label.starts_with("3.13") {
            other.push(format!("{label} {expected}"));
        }
    }
    assert!(same > 300, "{same}; {}", other.join("\n"));
}
