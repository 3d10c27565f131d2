//! Golden pickles of nine CPython versions, decoded and written as tagged JSON.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, Globals, Protocol};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/pickles")
}

/// A case's name, and its golden pickles.
fn cases() -> BTreeMap<String, Vec<PathBuf>> {
    let mut cases: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "pickle") {
            let name = path.file_name().unwrap().to_str().unwrap();
            cases.entry(name.split('.').next().unwrap().to_owned()).or_default().push(path);
        }
    }
    cases
}

/// The order of a set is the process's own, and floats differ in spelling from one writer to another.
fn normal(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(members) if members.len() == 1 => {
            let (tag, inner) = members.iter().next().unwrap();
            let mut inner = normal(inner);
            if tag == "$set" || tag == "$frozenset" {
                inner.as_array_mut().unwrap().sort_by_key(ToString::to_string);
            }
            Value::Object([(tag.clone(), inner)].into_iter().collect())
        }
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), normal(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(normal).collect(),
        other => other.clone(),
    }
}

#[test]
fn golden_pickles_are_written_as_their_golden_json() {
    let cases = cases();
    assert!(cases.len() > 200, "{} cases", cases.len());
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let (mut failures, mut exact) = (Vec::new(), 0);
    for (name, paths) in &cases {
        let golden = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        let golden = golden.trim_end();
        let refs = golden.contains("\"$ref\":");
        for path in paths {
            let pickle = fs::read(path).unwrap();
            let got = decoder
                .decode(&pickle)
                .and_then(|document| tagged::to_string(&document, &TaggedOptions::new().refs(refs)));
            let got = match got {
                Ok(got) => got,
                Err(error) => {
                    failures.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            if got == golden {
                exact += 1;
                continue;
            }
            let read = |text| serde_json::from_str(text).map(|value| normal(&value)).ok();
            if read(&got).is_none() || read(&got) != read(golden) {
                let cut = |text: &str| text.chars().take(300).collect::<String>();
                failures.push(format!(
                    "{}:\n  got      {}\n  expected {}",
                    path.display(),
                    cut(&got),
                    cut(golden)
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures, {exact} exact:\n{}", failures.len(), failures.join("\n"));
}

/// What a golden pickle's name says: case, version, protocol.
fn label(path: &Path) -> (String, String, Protocol) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let parts: Vec<_> = name.trim_end_matches(".pickle").split(".p").collect();
    let (case, version) = parts[0].split_once('.').unwrap();
    (case.to_owned(), version.to_owned(), Protocol::new(parts[1].parse().unwrap()).unwrap())
}

#[test]
fn what_is_read_back_encodes_to_the_golden_bytes() {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let options = TaggedOptions::new().refs(true);
    let (mut failures, mut same) = (Vec::new(), 0);
    for path in cases().values().flatten() {
        let (case, version, protocol) = label(path);
        if case.starts_with("known_") {
            continue;
        }
        let pickle = fs::read(path).unwrap();
        let document = decoder.decode(&pickle).unwrap();
        let text = tagged::to_string(&document, &options).unwrap();
        let again = tagged::from_str(&text, &options).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(tagged::to_string(&again, &options).unwrap(), text, "{case}");
        // Earlier versions than 3.8 write other bytes.
        if version == "3.13" {
            let encoded = again.to_vec(protocol).unwrap();
            if encoded == pickle {
                same += 1;
            } else {
                failures.push(format!("{case} protocol {}", protocol.get()));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures, {same} same: {failures:?}", failures.len());
    assert!(same > 1_000, "{same}");
}
