//! `repr`, `str` and `ascii` compared with CPython 3.12 and later, object by object.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::process::Command;

use pickle_codec::{DecodeOptions, Decoder, Globals};

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { testkit::bytes::unhex(text) }
}

#[test]
fn text_equals_cpythons() {
    let pythons = testkit::python::python_3(12..u16::MAX);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/value_repr.py");
    for python in pythons {
        let output = Command::new(&python.path).arg("-B").arg(script).output().unwrap();
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
