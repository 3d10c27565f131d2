//! numpy's scalars and arrays, as three of its versions pickle them: numbers, text, and arrays by their parts.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

use std::time::{Duration, Instant};

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Protocol, Py2Str, from_slice_with};
use serde::Deserialize;

/// Made by `numpy_rows.py`: tagged JSON, versions and protocol, the pickle in hexadecimal.
const ROWS: &str = include_str!("../numpy_rows.tsv");

fn rows() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    ROWS.lines().map(|line| {
        let [expected, label, hex] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let pickle = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        (expected, label, pickle.collect())
    })
}

fn json(decoder: &mut Decoder, pickle: &[u8]) -> Result<String, pickle_codec::Error> {
    decoder.decode(pickle).and_then(|document| tagged::to_string(&document, &TaggedOptions::new()))
}

fn inert() -> DecodeOptions {
    DecodeOptions::new().globals(Globals::Inert)
}

/// The names that numpy's pickles call, allowed one by one.
fn allowed() -> DecodeOptions {
    let names = ["multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer"];
    names
        .iter()
        .flat_map(|name| [format!("numpy.core.{name}"), format!("numpy._core.{name}")])
        .chain(["numpy.ndarray", "numpy.dtype"].map(str::to_owned))
        .fold(DecodeOptions::new().globals(Globals::Known), DecodeOptions::allow)
}

#[test]
fn every_version_and_protocol_reads_the_same() {
    let mut failures = Vec::new();
    for options in [inert(), allowed()] {
        for py2_str in [Py2Str::Auto, Py2Str::Latin1, Py2Str::Bytes] {
            let mut decoder = Decoder::with_options(options.clone().py2_str(py2_str));
            for (expected, label, pickle) in rows() {
                let got = json(&mut decoder, &pickle).unwrap_or_else(|error| error.to_string());
                if got != expected {
                    failures.push(format!("{label} {py2_str:?}\n  got      {got}\n  expected {expected}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_described_is_written_and_read_again() {
    let mut decoder = Decoder::with_options(inert());
    for (expected, label, pickle) in rows() {
        let again = decoder.decode(&pickle).unwrap().to_vec(Protocol::V5).unwrap();
        assert_eq!(json(&mut decoder, &again).unwrap(), expected, "{label}");
    }
}

#[test]
fn arrays_and_scalars_are_read_into_rust_types() {
    #[derive(Deserialize)]
    struct Array {
        shape: Vec<usize>,
        dtype: String,
        #[serde(with = "serde_bytes")]
        buffer: Vec<u8>,
        order: char,
    }
    let mut arrays = 0;
    for (expected, label, pickle) in rows() {
        if expected.contains("numpy.ndarray") {
            let array: Array =
                from_slice_with(&pickle, &inert()).unwrap_or_else(|error| panic!("{label}: {error}"));
            let text = format!("\"dtype\":\"{}\"", array.dtype);
            assert!(expected.contains(&text), "{label}: {text}");
            assert!(expected.contains(&format!("\"order\":\"{}\"", array.order)), "{label}");
            assert!(array.buffer.is_empty() || !array.shape.contains(&0), "{label}");
            arrays += 1;
        } else if let Ok(expected) = expected.parse::<f64>() {
            let number: f64 = from_slice_with(&pickle, &inert()).unwrap();
            assert_eq!(number, expected, "{label}");
        }
    }
    assert!(arrays > 50, "{arrays}");
}

/// The beginning of an array of `u1`, up to the flags behind its type.
const ARRAY: &str = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntX\x01\0\0\0btR(I1\n";
const U1: &str = "cnumpy\ndtype\n(X\x02\0\0\0u1I00\nI01\ntR(I3\nX\x01\0\0\0|NNNI-1\nI-1\nI0\ntb";

#[test]
fn what_does_not_fit_stays_as_it_is() {
    // Shape and bytes, and whether they are an array.
    let rows: &[(&str, &str, bool)] = &[
        ("(I2\nt", "C\x02ab", true),
        ("(I3\nt", "C\x02ab", false),
        ("(I-2\nt", "C\x02ab", false),
        ("(L4611686018427387904L\nI4\nt", "C\0", false),
        ("(L36893488147419103232L\nt", "C\0", false),
        ("(I2\nI1\nt", "C\x02ab", true),
        ("]", "C\x01a", false),
        (")", "C\x01a", true),
        ("(I2\nt", "](NNe", false),
        ("(I2\nt", "X\x02\0\0\0ab", true),
        ("(I2\nt", "X\x03\0\0\0abc", false),
        ("(I2\nt", "X\x04\0\0\0\u{e9}\u{ff}", true),
        ("(I2\nt", "X\x05\0\0\0\u{e9}\u{20ac}", false),
        ("(I2\nt", "N", false),
    ];
    for (shape, data, is_array) in rows {
        let pickle = format!("{ARRAY}{shape}{U1}I00\n{data}tb.");
        let got = json(&mut Decoder::with_options(inert()), pickle.as_bytes()).unwrap();
        assert_eq!(got.contains("\"kwargs\""), *is_array, "{shape:?} {data:?}: {got}");
    }
    // Types that say less than the bytes need: structures, objects, and states that numpy does not write.
    let kept = [
        U1.replace("NNN", "N(X\x01\0\0\0at}"),
        U1.replace("u1", "O8"),
        U1.replace("u1", "u "),
        U1.replace("X\x01\0\0\0|", "X\x01\0\0\0!"),
        U1.replace("u1", "M8"),
        U1.replace("numpy\ndtype", "numpy\nmytype"),
    ];
    for dtype in kept {
        let pickle = format!("{ARRAY}(I2\nt{dtype}I00\nC\x02abtb.");
        let got = json(&mut Decoder::with_options(inert()), pickle.as_bytes()).unwrap();
        assert!(!got.contains("\"kwargs\"") && got.contains("YWI="), "{dtype:?}: {got}");
    }
}

#[test]
fn a_buffer_that_comes_out_of_band_stands_for_the_bytes() {
    let pickle = format!("cnumpy.core.numeric\n_frombuffer\n(\u{97}{U1}(I2\ntX\x01\0\0\0FtR.");
    let pickle: Vec<u8> = pickle.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let expected = r#"{"$object":{"class":"numpy.ndarray","args":[],"kwargs":{"shape":{"$tuple":[2]},"dtype":"|u1","buffer":{"$buffer":0},"order":"F"}}}"#;
    assert_eq!(json(&mut Decoder::with_options(inert()), &pickle).unwrap(), expected);
}

#[test]
fn a_text_that_is_the_bytes_of_many_is_charged() {
    let dtype = U1.replace("X\x02\0\0\0u1", "X\x08\0\0\0S1048576");
    let mut pickle = b"X\0\0\x10\0".to_vec();
    pickle.resize(pickle.len() + (1 << 20), b'a');
    pickle
        .extend_from_slice(format!("q\x000{dtype}q\x010cnumpy.core.multiarray\nscalar\nq\x020(").as_bytes());
    pickle.extend(b"h\x02h\x01h\x00\x86R0".repeat(20_000));
    pickle.extend_from_slice(b"t.");
    let start = Instant::now();
    let error = json(&mut Decoder::with_options(inert()), &pickle).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(start.elapsed() < Duration::from_secs(60));
}
