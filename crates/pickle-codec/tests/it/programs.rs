//! Random programs for the unpickler: a document and the value that it makes agree on everything.

use pickle_codec::{DecodeOptions, Decoder, Globals, Value};
use testkit::generate::{Random, calls};

#[test]
fn many_programs_decode() {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    let mut decodes = |seed| decoder.decode(&calls(&mut Random::new(seed))).is_ok();
    let decoded = (0..1_000).filter(|&seed| decodes(seed)).count();
    // Some opcodes are noise, some literals are odd, and keys may be unhashable.
    assert!((100..1_000).contains(&decoded), "{decoded}");
}

#[test]
fn documents_and_their_values_agree() {
    for globals in [Globals::Known, Globals::Inert] {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(globals));
        for seed in 0..3_000 {
            let pickle = calls(&mut Random::new(seed));
            let Ok(document) = decoder.decode(&pickle) else { continue };
            let label = pickle.escape_ascii();
            assert!(document.root().eq_graph(document.clone().root()), "{label}");
            let Ok(value) = document.root().to_value() else { continue };
            assert_eq!(value.to_string(), document.to_string(), "{label}");
            let (mut one, mut other) = (String::new(), String::new());
            value.py_str(&mut one, 1 << 20).unwrap();
            document.root().py_str(&mut other, 1 << 20).unwrap();
            assert_eq!(one, other, "{label}");
            let read: Value<'_> = pickle_codec::from_document(&document).unwrap();
            assert_eq!(read.to_string(), value.to_string(), "{label}");
            let json = pickle_codec::from_document::<serde_json::Value>(&document).ok();
            let from_value = pickle_codec::from_value::<serde_json::Value>(value).ok();
            assert_eq!(json, from_value, "{label}");
        }
    }
}
