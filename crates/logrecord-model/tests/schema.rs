//! What is written as JSON is what docs/record.schema.json says.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::semicolon_if_nothing_returned,
    reason = "this is a test"
)]

mod common;

use logrecord_model::{Field, LogRecord, RecordDecoder, SourceInfo};
use pickle_codec::{DecodeOptions, Globals};
use serde_json::Value as Json;

fn schema() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/record.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Checks a value by the words of JSON Schema that the file uses; panics at any other.
fn check(schema: &Json, value: &Json, root: &Json) -> Result<(), String> {
    let fault = |word: &str| Err(format!("{word} {schema} and {value}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "title" | "description" | "$defs" => {}
            "$ref" => {
                check(&root["$defs"][rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap()], value, root)?
            }
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64(),
                    "number" => value.is_number(),
                    other => panic!("the type {other}"),
                };
                if !fits {
                    return fault("type");
                }
            }
            "anyOf" if rule.as_array().unwrap().iter().all(|one| check(one, value, root).is_err()) => {
                return fault("anyOf");
            }
            "anyOf" => {}
            "const" if rule != value => return fault("const"),
            "enum" if !rule.as_array().unwrap().contains(value) => return fault("enum"),
            "const" | "enum" => {}
            "pattern" => {
                // The one pattern there is: digits where it has a class, else the character itself.
                let shape: String = value
                    .as_str()
                    .unwrap()
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '9' } else { c })
                    .collect();
                assert!(rule.as_str().unwrap().starts_with("^[0-9]{4}-"), "{rule}");
                if shape != "9999-99-99T99:99:99.999999Z" {
                    return fault("pattern");
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return fault("required");
                    }
                }
            }
            "properties" => {
                for (name, member) in value.as_object().unwrap() {
                    match rule.get(name) {
                        Some(rule) => check(rule, member, root)?,
                        None if schema["additionalProperties"] == false => {
                            return fault("additionalProperties");
                        }
                        None => {}
                    }
                }
            }
            "additionalProperties" => {}
            "items" => {
                for item in value.as_array().unwrap() {
                    check(rule, item, root)?;
                }
            }
            "minProperties" if value.as_object().unwrap().len() < rule.as_u64().unwrap() as usize => {
                return fault(word);
            }
            "minItems" if value.as_array().unwrap().len() < rule.as_u64().unwrap() as usize => {
                return fault(word);
            }
            "maxItems" if value.as_array().unwrap().len() > rule.as_u64().unwrap() as usize => {
                return fault(word);
            }
            "minProperties" | "minItems" | "maxItems" => {}
            other => panic!("the word {other}"),
        }
    }
    Ok(())
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
