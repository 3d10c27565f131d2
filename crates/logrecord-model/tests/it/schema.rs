//! What is written as JSON is what docs/record.schema.json says.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "this is a test")]

use crate::common;

use logrecord_model::{Field, LogRecord, RecordDecoder, SourceInfo};
use pickle_codec::{DecodeOptions, Globals};
use serde_json::Value as Json;
use testkit::schema::check;

fn schema() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/record.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn records_are_as_the_schema_says() {
    let schema = schema();
    let mut lines = Vec::new();
    let source = SourceInfo { transport: "tcp", peer: Some("127.0.0.1:5"), key_id: Some("web") };
    let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    for golden in common::golden() {
        for payload in &golden.payloads {
            let record = decoder.decode(payload).unwrap();
            let mut line = Vec::new();
            record.write_json(Some(&source), &mut line);
            lines.push(String::from_utf8(line).unwrap());
        }
    }
    let payload =
        b"}(X\x03\0\0\0msgX\x01\0\0\0mX\x01\0\0\0acos\nsystem\n)RX\x07\0\0\0createdG\x7f\xf8\0\0\0\0\0\0u.";
    lines.push(decoder.decode(payload).unwrap().to_json());
    let many: Vec<u8> = (0..40).flat_map(|number| format!("cm\nC{number}\n0").into_bytes()).collect();
    let payload = [b"}(X\x03\0\0\0msg".as_slice(), &many, b"X\x01\0\0\0mu."].concat();
    lines.push(decoder.decode(&payload).unwrap().to_json());
    let payload =
        [&b"}(X\x01\0\0\0aX\xe8\x03\0\0"[..], &[1; 1000], b"q\0X\x01\0\0\0b](", &b"h\0".repeat(200), b"eu."]
            .concat();
    let cut = decoder.decode(&payload).unwrap().to_json();
    assert!(cut.ends_with("\"cut\":true}"));
    lines.push(cut);
    lines.push(LogRecord::new().to_json());
    for line in &lines {
        let value: Json = serde_json::from_str(line).unwrap();
        check(&schema, &value, &schema).unwrap_or_else(|fault| panic!("{fault} in {line}"));
    }
    // Each member that the schema has is written by one of them.
    for name in schema["properties"].as_object().unwrap().keys() {
        assert!(lines.iter().any(|line| line.contains(&format!("\"{name}\":"))), "{name} was never written");
    }
}

#[test]
fn every_attribute_has_a_place_in_schema_and_page() {
    let schema = schema();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md")).unwrap();
    let unwritten = [Field::Msg, Field::Args, Field::ExcInfo, Field::Message, Field::AscTime];
    for field in Field::ALL.into_iter().filter(|field| !unwritten.contains(field)) {
        assert!(schema["properties"].get(field.as_str()).is_some(), "{}", field.as_str());
    }
    for name in schema["properties"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/json.md");
    }
    // What is no record is told from one.
    let wrong = [
        r#"{"message":1}"#,
        r#"{"message":"m","cut":false}"#,
        r#"{"message":"m","user":1}"#,
        r#"{"levelno":20}"#,
    ];
    for text in wrong {
        assert!(check(&schema, &serde_json::from_str(text).unwrap(), &schema).is_err(), "{text}");
    }
}
