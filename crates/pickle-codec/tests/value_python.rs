//! `repr`, `str` and `ascii` compared with CPython 3.12 and later, object by object.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::path::PathBuf;
use std::process::Command;

use pickle_codec::{DecodeOptions, Decoder, Globals};

/// The interpreters that are there and new enough: a list in `LOGRECORD_PYTHONS`, else those of
/// pyenv, else `python3`.
fn pythons() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = match std::env::var_os("LOGRECORD_PYTHONS") {
        Some(list) => std::env::split_paths(&list).collect(),
        None => {
            let versions = std::env::home_dir().unwrap_or_default().join(".pyenv/versions");
            let entries = std::fs::read_dir(versions).into_iter().flatten().flatten();
            entries.map(|entry| entry.path().join("bin/python")).filter(|path| path.exists()).collect()
        }
    };
    if found.is_empty() {
        found.push(PathBuf::from("python3"));
    }
    found.retain(|python| {
        let check = ["-c", "import sys; sys.exit(sys.version_info < (3, 12))"];
        Command::new(python).args(check).status().is_ok_and(|status| status.success())
    });
    found
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that skips says so")]
fn text_equals_cpythons() {
    let pythons = pythons();
    if pythons.is_empty() {
        assert!(std::env::var_os("LOGRECORD_REQUIRE_PYTHON").is_none(), "no Python from 3.12 on was found");
        eprintln!("SKIPPED: no Python from 3.12 on was found");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/value_repr.py");
    for python in pythons {
        let output = Command::new(&python).arg("-B").arg(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut count = 0;
        let mut wrong = Vec::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let mut fields = line.split(' ').map(unhex);
            let pickle = fields.next().unwrap();
            let options = DecodeOptions::new().globals(Globals::Known);
            let document = Decoder::with_options(options).decode(&pickle).unwrap_or_else(|error| {
                panic!("{error}: {}", pickle.escape_ascii());
            });
            let node = document.root();
            let value = node.to_value().ok();
            let cap = 1 << 20;
            for form in ["repr", "str", "ascii"] {
                let expected = String::from_utf8(fields.next().unwrap()).unwrap();
                // Python's error handler writes one `?` where Rust has U+FFFD.
                let plain = |text: String| text.replace('\u{fffd}', "?");
                let mut texts = vec![String::new()];
                match form {
                    "repr" => node.py_repr(&mut texts[0], cap).unwrap(),
                    "str" => node.py_str(&mut texts[0], cap).unwrap(),
                    _ => node.py_ascii(&mut texts[0], cap).unwrap(),
                }
                if let Some(value) = &value {
                    let mut text = String::new();
                    match form {
                        "repr" => value.py_repr(&mut text, cap).unwrap(),
                        "str" => value.py_str(&mut text, cap).unwrap(),
                        _ => value.py_ascii(&mut text, cap).unwrap(),
                    }
                    texts.push(text);
                }
                for text in texts {
                    count += 1;
                    if plain(text.clone()) != plain(expected.clone()) {
                        wrong.push(format!("{form}\n  CPython {expected}\n  here    {text}"));
                    }
                }
            }
        }
        assert!(count > 1_000, "{count}");
        assert!(wrong.is_empty(), "{} of {count} with {python:?}:\n{}", wrong.len(), wrong.join("\n"));
    }
}
