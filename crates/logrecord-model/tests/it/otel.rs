//! OpenTelemetry's data model: severities, attributes, and the JSON of the protocol.

use logrecord_model::otel::{AnyValue, LogsData, OtelRecord, severity_number};
use logrecord_model::{Field, Level, LogRecord};
use num_bigint::BigInt;
use pickle_codec::Value;
use serde_json::json;

#[test]
fn severities() {
    let rows = [
        (-5, 0),
        (0, 0),
        (5, 0),
        (9, 0),
        (10, 5),
        (11, 6),
        (12, 7),
        (13, 8),
        (15, 8),
        (19, 8),
        (20, 9),
        (21, 10),
        (25, 12),
        (30, 13),
        (31, 14),
        (35, 16),
        (40, 17),
        (45, 20),
        (50, 21),
        (51, 22),
        (53, 24),
        (60, 24),
        (i64::MAX, 24),
        (i64::MIN, 0),
    ];
    for (level, expected) in rows {
        assert_eq!(severity_number(Level::new(level)), expected, "{level}");
    }
}

#[test]
fn severity_text_is_the_levels_name_but_for_two() {
    let rows = [
        (5, "Level 5", "Level 5"),
        (10, "DEBUG", "DEBUG"),
        (25, "NOTICE", "NOTICE"),
        (30, "WARNING", "WARN"),
        (50, "CRITICAL", "FATAL"),
    ];
    for (number, name, expected) in rows {
        let mut record = LogRecord::builder("a", number, "m").build();
        record.set(Field::LevelName, Value::from(name));
        assert_eq!(OtelRecord::new(&record, 0).severity_text, expected);
    }
}

#[test]
fn attributes_and_json() {
    let mut record = LogRecord::builder("app.db", 40, "it broke")
        .pathname("/srv/app/db.py")
        .created(1_767_323_045.25)
        .build();
    record.set(Field::LineNo, Value::Int(42));
    record.set(Field::FuncName, Value::from("query"));
    record.set(Field::Process, Value::Int(4711));
    record.set(Field::Thread, Value::Int(1));
    record.set(
        Field::ExcText,
        Value::from("Traceback (most recent call last):\n  File \"x\", line 1, in f\nmypkg.Oops: no"),
    );
    record.set_extra("status", Value::Int(500));
    record.set_extra(
        "request",
        Value::Dict(vec![(Value::from("path"), Value::from("/x")), (Value::Int(1), Value::None)]),
    );
    record
        .set_extra("tags", Value::Tuple(vec![Value::Bool(true), Value::Float(f64::NAN), Value::Float(1.5)]));
    record.set_extra("raw", Value::Bytes(b"\x00\xff".as_slice().into()));
    record.set_extra("huge", Value::BigInt(Box::new(BigInt::from(2).pow(80))));
    record.set_extra("nothing", Value::None);
    record.set_extra("thread.id", Value::from("forged"));
    let data = LogsData::new(Vec::new(), [OtelRecord::new(&record, 7)]);
    let json = serde_json::to_value(&data).unwrap();
    let log = &json["resourceLogs"][0]["scopeLogs"][0];
    assert_eq!(log["scope"], json!({"name": "app.db"}));
    let expected = json!({
        "timeUnixNano": "1767323045249999872",
        "observedTimeUnixNano": "7",
        "severityNumber": 17,
        "severityText": "ERROR",
        "body": {"stringValue": "it broke"},
        "attributes": [
            {"key": "status", "value": {"intValue": "500"}},
            {"key": "request", "value": {"kvlistValue": {"values": [
                {"key": "path", "value": {"stringValue": "/x"}},
                {"key": "1", "value": {}},
            ]}}},
            {"key": "tags", "value": {"arrayValue": {"values": [
                {"boolValue": true}, {"doubleValue": "NaN"}, {"doubleValue": 1.5},
            ]}}},
            {"key": "raw", "value": {"bytesValue": "AP8="}},
            {"key": "huge", "value": {"stringValue": "1208925819614629174706176"}},
            {"key": "extra.thread.id", "value": {"stringValue": "forged"}},
            {"key": "code.file.path", "value": {"stringValue": "/srv/app/db.py"}},
            {"key": "code.function.name", "value": {"stringValue": "query"}},
            {"key": "code.line.number", "value": {"intValue": "42"}},
            {"key": "thread.id", "value": {"intValue": "1"}},
            {"key": "thread.name", "value": {"stringValue": "MainThread"}},
            {"key": "process.pid", "value": {"intValue": "4711"}},
            {"key": "exception.type", "value": {"stringValue": "Oops"}},
            {"key": "exception.message", "value": {"stringValue": "no"}},
            {"key": "exception.stacktrace", "value": {"stringValue":
                "Traceback (most recent call last):\n  File \"x\", line 1, in f\nmypkg.Oops: no"}},
        ],
    });
    assert_eq!(log["logRecords"], json!([expected]));
}

#[test]
fn records_are_grouped_by_logger() {
    let record = |name: &'static str| OtelRecord::new(&LogRecord::builder(name, 20, "m").build(), 0);
    let data = LogsData::new(Vec::new(), [record("a"), record("b"), record("a")]);
    let scopes: Vec<(&str, usize)> =
        data.scopes().iter().map(|(name, records)| (name.as_str(), records.len())).collect();
    assert_eq!(scopes, [("a", 2), ("b", 1)]);
}

#[test]
fn strange_records_have_a_place_too() {
    let mut record = LogRecord::builder("a", 20, "m").build();
    record.set(Field::LevelNo, Value::from("high"));
    record.set(Field::Created, Value::Float(f64::NAN));
    let otel = OtelRecord::new(&record, 0);
    assert_eq!((otel.severity_number, otel.time_unix_nano), (0, 0));
    assert!(
        otel.attributes
            .iter()
            .any(|pair| pair.key == "extra.levelno" && pair.value == AnyValue::String(String::from("high")))
    );
}
