//! The golden frames of nine CPythons, read in every way, written again, and turned into JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "this is a test")]

use crate::common;

use logrecord_model::{LogRecord, RecordDecoder};
use pickle_codec::{DecodeOptions, Globals, Opcode, instructions};
use serde_json::Value as Json;

/// The JSON of the record's schema for an attribute of CPython's own.
fn expected_member(name: &str, value: &Json) -> Option<(String, Json)> {
    let name = match name {
        "args" | "exc_info" | "message" | "asctime" => return None,
        "msg" => "message",
        other => other,
    };
    (!value.is_null()).then(|| (name.to_owned(), value.clone()))
}

const OWN: [&str; 23] = [
    "name",
    "msg",
    "args",
    "levelname",
    "levelno",
    "pathname",
    "filename",
    "module",
    "exc_info",
    "exc_text",
    "stack_info",
    "lineno",
    "funcName",
    "created",
    "msecs",
    "relativeCreated",
    "thread",
    "threadName",
    "processName",
    "process",
    "taskName",
    "message",
    "asctime",
];

/// Whether a value of this type belongs into the attribute.
fn fits(name: &str, value: &Json) -> bool {
    match name {
        "levelno" | "lineno" | "thread" | "process" => value.is_i64() || value.is_null(),
        "created" | "msecs" | "relativeCreated" => value.is_number() || value.is_null(),
        "args" | "exc_info" | "msg" => true,
        _ => value.is_string() || value.is_null() || value.get("$str").is_some(),
    }
}

#[test]
fn every_attribute_arrives() {
    let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let mut seen = 0;
    for golden in common::golden() {
        for (payload, expected) in golden.payloads.iter().zip(&golden.records) {
            let place = format!("{}.{} #{seen}", golden.case, golden.version);
            let record = decoder.decode(payload).unwrap();
            let general = decoder.decode_general(payload).unwrap();
            assert_eq!(format!("{record:?}"), format!("{general:?}"), "{place}");
            let json: Json = serde_json::from_str(&record.to_json()).unwrap();
            // A dict with keys that are not text is `{"$dict":[[key,value],...]}`.
            let pairs: Vec<(Json, Json)> = match expected.get("$dict") {
                Some(pairs) => serde_json::from_value(pairs.clone()).unwrap(),
                None => expected
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(key, value)| (Json::from(key.as_str()), value.clone()))
                    .collect(),
            };
            for (key, value) in &pairs {
                let Some(name) = key.as_str() else { continue };
                // Text with surrogates is shown with escapes, and a message of bytes as their `repr`.
                let surrogates = value.get("$str").is_some() || value.get("$bytes").is_some();
                if OWN.contains(&name) && fits(name, value) {
                    if let Some((name, value)) = expected_member(name, value)
                        && !surrogates
                    {
                        assert_eq!(json[&name], value, "{place} {name}");
                    }
                } else {
                    let shown = if name.starts_with('$') { format!("${name}") } else { name.to_owned() };
                    assert_eq!(json["extra"][&shown], *value, "{place} {name}");
                }
            }
            let extras = json.get("extra").map_or(0, |extra| extra.as_object().unwrap().len());
            let wanted = pairs
                .iter()
                .filter(|(key, value)| {
                    !key.as_str().is_some_and(|name| OWN.contains(&name) && fits(name, value))
                })
                .count();
            assert_eq!(extras, wanted, "{place}");
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn written_records_are_cpythons_bytes() {
    let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known));
    let mut equal = 0;
    for golden in common::golden() {
        for (place, payload) in golden.payloads.iter().enumerate() {
            let record = decoder.decode(payload).unwrap();
            let (mut written, mut general) = (Vec::new(), Vec::new());
            record.to_pickle(&mut written).unwrap();
            record.to_pickle_general(&mut general).unwrap();
            assert_eq!(written, general, "{} {} #{place}", golden.case, golden.version);
            // What was written is the same record again. Objects of the later protocols have no
            // form in protocol 1 that the decoder knows.
            match decoder.decode(&written) {
                Ok(again) => {
                    assert_eq!(
                        again.to_json(),
                        record.to_json(),
                        "{} {} #{place}",
                        golden.case,
                        golden.version
                    );
                }
                Err(error) => assert!(
                    golden.case == "worker_every_protocol" || golden.version == "2.7",
                    "{} {} {error} {:?}",
                    golden.case,
                    golden.version,
                    error.pickle()
                ),
            }
            // Objects that are shared in Python are separate values here; the older
            // Pythons and the other protocols have other opcodes.
            let shares = instructions(payload).any(|instruction| {
                matches!(instruction.unwrap().opcode, Opcode::Binget | Opcode::LongBinget)
            });
            let minor: u32 = golden.version.split_once('.').unwrap().1.parse().unwrap();
            if minor >= 8 && golden.case != "worker_every_protocol" && !shares {
                assert_eq!(
                    written.escape_ascii().to_string(),
                    payload.escape_ascii().to_string(),
                    "{} {} #{place}",
                    golden.case,
                    golden.version
                );
                equal += 1;
            }
        }
    }
    assert!(equal > 100, "{equal}");
}

#[test]
fn json_comes_back_as_the_same_record() {
    let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known));
    for golden in common::golden() {
        for payload in &golden.payloads {
            let record = decoder.decode(payload).unwrap();
            let json = record.to_json();
            assert!(!json.contains(|c: char| c.is_control()), "{json}");
            let again = LogRecord::from_json(&json).unwrap();
            assert_eq!(again.message().to_visible(), record.message().to_visible());
            // Classes have no way back from JSON; their text or values have.
            if golden.case == "worker_known_types" {
                continue;
            }
            assert_eq!(again.to_json(), json, "{}", golden.case);
            let through_serde: LogRecord<'static> =
                serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            assert_eq!(through_serde.to_json(), json);
        }
    }
}

#[test]
fn owned_records_are_equal() {
    for golden in common::golden() {
        let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known));
        for payload in &golden.payloads {
            let record = decoder.decode(payload).unwrap();
            let owned = record.clone().into_owned();
            assert_eq!(format!("{owned:?}"), format!("{record:?}"));
        }
    }
}
