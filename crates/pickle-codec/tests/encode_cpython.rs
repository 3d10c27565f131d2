//! What CPython's C pickler writes, decoded and encoded again, is the same bytes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it skips"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pickle_codec::{DecodeOptions, Decoder, EncodeOptions, Globals, Limits, Protocol};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encode_graphs.py");

/// Interpreters to ask: those in `LOGRECORD_PYTHONS`, else pyenv's, else `python3`.
fn pythons() -> Vec<PathBuf> {
    if let Some(list) = std::env::var_os("LOGRECORD_PYTHONS") {
        return std::env::split_paths(&list).collect();
    }
    let mut found = Vec::new();
    if let Some(home) = std::env::var_os("HOME") {
        let versions = Path::new(&home).join(".pyenv/versions");
        for entry in std::fs::read_dir(versions).into_iter().flatten().flatten() {
            let python = entry.path().join("bin/python");
            if python.exists() {
                found.push(python);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        found.push(PathBuf::from("python3"));
    }
    found
}

/// Whether an interpreter writes the C pickler's bytes of today, which it has done since 3.8.
fn is_current(python: &Path) -> bool {
    let probe = "import sys, _pickle; sys.exit(not (3, 8) <= sys.version_info < (3, 14))";
    Command::new(python)
        .args(["-c", probe])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn encoding_again_gives_the_same_bytes() {
    let pythons: Vec<_> = pythons().into_iter().filter(|python| is_current(python)).collect();
    if pythons.is_empty() {
        assert!(
            std::env::var_os("LOGRECORD_REQUIRE_PYTHON").is_none(),
            "LOGRECORD_REQUIRE_PYTHON is set and there is no CPython from 3.8 to 3.13"
        );
        println!("SKIPPED: no CPython from 3.8 to 3.13 to compare with");
        return;
    }
    let seeds: u32 =
        std::env::var("LOGRECORD_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(250);
    let options = DecodeOptions::new().globals(Globals::Inert).limits(Limits::default());
    let mut decoder = Decoder::with_options(options);
    for python in pythons {
        let mut child = Command::new(&python)
            .args([SCRIPT, "0", &seeds.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter was there a moment ago");
        let mut compared = 0;
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("ASCII");
            let (number, hex) = line.split_once(' ').expect("two words");
            let protocol = Protocol::new(number.parse().expect("a number")).expect("0 to 5");
            let pickle = unhex(hex);
            let document = match decoder.decode(&pickle) {
                Ok(document) => document,
                Err(error) => panic!("{}: {error}: {}", python.display(), pickle.escape_ascii()),
            };
            let again = document.to_vec(protocol).expect("CPython wrote it under this protocol");
            if again != pickle {
                let at = again.iter().zip(&pickle).take_while(|(left, right)| left == right).count();
                let from = at.saturating_sub(200);
                panic!(
                    "{} protocol {number} differs at byte {at} of {}, lengths {}:\n ours  {}\n theirs {}",
                    python.display(),
                    pickle.len(),
                    again.len(),
                    again[from..(at + 60).min(again.len())].escape_ascii(),
                    pickle[from..(at + 60).min(pickle.len())].escape_ascii(),
                );
            }
            compared += 1;
            if compared % 7 == 0 {
                // Without the memo opcodes that nobody needs, it is the same graph.
                let lean = document.to_vec_with(EncodeOptions::new(protocol).memo(false)).expect("as above");
                let other = Decoder::with_options(decoder.options().clone())
                    .decode(&lean)
                    .expect("still a pickle")
                    .to_vec(protocol)
                    .expect("as above");
                assert!(other == pickle, "{}", pickle.escape_ascii());
            }
            decoder.recycle(document);
        }
        assert!(child.wait().expect("it ran").success());
        assert!(compared > u64::from(seeds) * 3, "{compared} pickles only");
        println!("{}: {compared} pickles are the same", python.display());
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal");
    pairs.iter().map(|&[high, low]| u8::try_from(digit(high) * 16 + digit(low)).expect("a byte")).collect()
}
