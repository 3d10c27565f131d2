//! Objects of the standard library as nine CPython versions pickle them, read as known types.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Py2Str};

/// Made by `known_rows.py`: tagged JSON, CPython version and protocol, the pickle in hexadecimal.
const ROWS: &str = include_str!("known_rows.tsv");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|place| u8::from_str_radix(&text[place..place + 2], 16).unwrap()).collect()
}

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
