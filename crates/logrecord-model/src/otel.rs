//! OpenTelemetry's log data model, and its JSON on the wire (OTLP/JSON).
//!
//! Severity and attributes are those that the logging handler of OpenTelemetry for Python emits
//! for the same record. Nothing is sent anywhere from here.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pickle_codec::Value;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::level::Level;
use crate::{Field, LogRecord};

/// The severity number of a level, 0 (unspecified) to 24.
///
/// ```
/// use logrecord_model::{Level, otel};
/// assert_eq!(otel::severity_number(Level::WARNING), 13);
/// assert_eq!(otel::severity_number(Level::new(5)), 0);
/// ```
#[must_use]
pub const fn severity_number(level: Level) -> u8 {
    // Each of Python's levels has four severities, and levels in between take the next ones up to
    // the fourth.
    let (first, above) = match level.number() {
        ..10 => return 0,
        number @ 10..20 => (5, number - 10),
        number @ 20..30 => (9, number - 20),
        number @ 30..40 => (13, number - 30),
        number @ 40..50 => (17, number - 40),
        number @ 50.. => (21, number - 50),
    };
    first
        + match above {
            0 => 0,
            1 => 1,
            2 => 2,
            _ => 3,
        }
}

/// One log record in OpenTelemetry's data model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OtelRecord {
    /// When it happened, in nanoseconds since the epoch; 0 if unknown.
    #[serde(serialize_with = "as_text")]
    pub time_unix_nano: u64,
    /// When it was received, in nanoseconds since the epoch; 0 if unknown.
    #[serde(serialize_with = "as_text")]
    pub observed_time_unix_nano: u64,
    /// 0 to 24.
    pub severity_number: u8,
    /// The level's name; `WARN` and `FATAL` for Python's `WARNING` and `CRITICAL`.
    pub severity_text: String,
    /// The message.
    pub body: AnyValue,
    /// Attributes with keys of their own each.
    pub attributes: Vec<KeyValue>,
    /// The logger's name, which goes into the scope.
    #[serde(skip)]
    pub scope_name: String,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "the protocol has these two")]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: AnyValue,
}

/// A value of the data model.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum AnyValue {
    /// No value.
    #[default]
    Empty,
    /// Text.
    String(String),
    /// A bool.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    Array(Vec<Self>),
    /// Keys and values.
    KvList(Vec<KeyValue>),
}

/// The spelling of protobuf's JSON: integers as text, bytes as base64, and words for the floats
/// that JSON has none for.
impl Serialize for AnyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Empty => {}
            Self::String(text) => map.serialize_entry("stringValue", text)?,
            Self::Bool(truth) => map.serialize_entry("boolValue", truth)?,
            Self::Int(number) => map.serialize_entry("intValue", &number.to_string())?,
            Self::Double(number) if number.is_finite() => map.serialize_entry("doubleValue", number)?,
            Self::Double(number) => {
                let word = match (number.is_nan(), *number > 0.0) {
                    (true, _) => "NaN",
                    (false, true) => "Infinity",
                    (false, false) => "-Infinity",
                };
                map.serialize_entry("doubleValue", word)?;
            }
            Self::Bytes(bytes) => map.serialize_entry("bytesValue", &STANDARD.encode(bytes))?,
            Self::Array(values) => map.serialize_entry("arrayValue", &Values { values })?,
            Self::KvList(values) => map.serialize_entry("kvlistValue", &Values { values })?,
        }
        map.end()
    }
}

/// The message around repeated values that the protocol has.
#[derive(Serialize)]
struct Values<'v, T: Serialize> {
    values: &'v [T],
}

impl AnyValue {
    /// A Python value in the data model. Tuples and sets are arrays, dicts are lists of keys and
    /// values, and what the model has no kind for is its `str`.
    #[must_use]
    pub fn from_value(value: &Value<'_>) -> Self {
        match value {
            Value::None => Self::Empty,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Double(*number),
            Value::Str(text) => Self::String(text.clone().into_owned()),
            Value::Bytes(bytes) | Value::ByteArray(bytes) => Self::Bytes(bytes.clone().into_owned()),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                Self::Array(items.iter().map(Self::from_value).collect())
            }
            Value::Dict(pairs) => Self::KvList(key_values(pairs)),
            Value::Object(object) => match (&object.pairs, &object.items) {
                (Some(pairs), None) if object.known.is_some() => Self::KvList(key_values(pairs)),
                (None, Some(items)) if object.known.is_some() => {
                    Self::Array(items.iter().map(Self::from_value).collect())
                }
                _ => Self::String(text(value)),
            },
            other => Self::String(text(other)),
        }
    }
}

fn key_values(pairs: &[(Value<'_>, Value<'_>)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(Value<'_>, Value<'_>)| KeyValue {
        key: key_text(key),
        value: AnyValue::from_value(value),
    };
    pairs.iter().map(pair).collect()
}

/// A key as text: itself, or its `repr`.
fn key_text(key: &Value<'_>) -> String {
    match key {
        Value::Str(key) => key.clone().into_owned(),
        other => text(other),
    }
}

/// `str` of a value, capped.
fn text(value: &Value<'_>) -> String {
    const MOST: usize = 64 * 1024;
    match value {
        Value::Wtf8(bytes) => pickle_codec::Str::Wtf8(bytes).to_string_lossy(),
        other => {
            let mut out = String::new();
            if other.py_str(&mut out, MOST).is_err() {
                out.push_str(python_format::CUT);
            }
            out
        }
    }
}

impl OtelRecord {
    /// A record in the data model. `observed` is the time at which it was received, in nanoseconds
    /// since the epoch.
    ///
    /// ```
    /// use logrecord_model::{LogRecord, otel::OtelRecord};
    /// let record = LogRecord::builder("app", 30, "disk full").created(1.5).build();
    /// let otel = OtelRecord::new(&record, 0);
    /// assert_eq!((otel.severity_number, otel.severity_text.as_str()), (13, "WARN"));
    /// assert_eq!((otel.time_unix_nano, otel.scope_name.as_str()), (1_500_000_000, "app"));
    /// ```
    #[must_use]
    pub fn new(record: &LogRecord<'_>, observed: u64) -> Self {
        let level_name = record.levelname().map(ToString::to_string);
        Self {
            time_unix_nano: record.created().map_or(0, nanoseconds),
            observed_time_unix_nano: observed,
            severity_number: record.levelno().map_or(0, |number| severity_number(Level::new(number))),
            severity_text: match level_name {
                Some(name) if name == "WARNING" => String::from("WARN"),
                Some(name) if name == "CRITICAL" => String::from("FATAL"),
                Some(name) => name,
                None => record.levelno().map_or_else(String::new, |number| Level::new(number).to_string()),
            },
            body: AnyValue::String(record.message().to_string()),
            attributes: attributes(record),
            scope_name: record.name().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// The time of a record as `int(created * 1e9)`, which is what OpenTelemetry for Python computes; 0
/// for what is before the epoch or no time.
#[allow(clippy::as_conversions, reason = "the conversion ends at both ends of the range")]
fn nanoseconds(created: f64) -> u64 {
    (created * 1e9) as u64
}

/// Extras under their own names, and the record's own attributes under those of the semantic
/// conventions. An extra cannot take the place of one of those: it gets `extra.` in front.
fn attributes(record: &LogRecord<'_>) -> Vec<KeyValue> {
    let mut own: Vec<KeyValue> = Vec::new();
    let mut put = |key: &str, value: Option<AnyValue>| {
        if let Some(value) = value {
            own.push(KeyValue { key: key.to_owned(), value });
        }
    };
    let string = |text: Option<&crate::Text<'_>>| text.map(|text| AnyValue::String(text.to_string()));
    put("code.file.path", string(record.pathname()));
    put("code.function.name", string(record.func_name()));
    put("code.line.number", record.lineno().map(AnyValue::Int));
    put("thread.id", record.thread().map(AnyValue::Int));
    put("thread.name", string(record.thread_name()));
    put("process.pid", record.process().map(AnyValue::Int));
    if let Some(traceback) = record.exception() {
        if let Some(raised) = traceback.raised() {
            put("exception.type", Some(AnyValue::String(raised.class_name().to_owned())));
            if !raised.message.is_empty() {
                put("exception.message", Some(AnyValue::String(raised.message.clone())));
            }
        }
        put("exception.stacktrace", string(record.exc_text()));
    }
    let mut taken: HashSet<String> = own.iter().map(|pair| pair.key.clone()).collect();
    let mut all: Vec<KeyValue> = Vec::with_capacity(record.extra().len().saturating_add(own.len()));
    for (key, value) in record.extra() {
        if matches!(value, Value::None) {
            continue;
        }
        let mut key = key_text(key);
        while !taken.insert(key.clone()) || Field::from_name(key.as_bytes()).is_some() {
            key.insert_str(0, "extra.");
        }
        all.push(KeyValue { key, value: AnyValue::from_value(value) });
    }
    all.extend(own);
    all
}

/// What an exporter posts: records of one resource, by scope.
///
/// ```
/// use logrecord_model::{LogRecord, otel::{LogsData, OtelRecord}};
/// let record = LogRecord::builder("app", 20, "hi").created(1.0).build();
/// let data = LogsData::new(Vec::new(), [OtelRecord::new(&record, 0)]);
/// let json = serde_json::to_value(&data).unwrap();
/// let log = &json["resourceLogs"][0]["scopeLogs"][0];
/// assert_eq!(log["scope"]["name"], "app");
/// assert_eq!(log["logRecords"][0]["body"]["stringValue"], "hi");
/// assert_eq!(log["logRecords"][0]["timeUnixNano"], "1000000000");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogsData {
    resource: Vec<KeyValue>,
    scopes: Vec<(String, Vec<OtelRecord>)>,
}

impl LogsData {
    /// Groups records by their loggers, in the order in which the loggers come.
    #[must_use]
    pub fn new(resource: Vec<KeyValue>, records: impl IntoIterator<Item = OtelRecord>) -> Self {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut scopes: Vec<(String, Vec<OtelRecord>)> = Vec::new();
        for record in records {
            let place = match places.get(&record.scope_name) {
                Some(place) => *place,
                None => {
                    places.insert(record.scope_name.clone(), scopes.len());
                    scopes.push((record.scope_name.clone(), Vec::new()));
                    scopes.len().saturating_sub(1)
                }
            };
            if let Some((_, records)) = scopes.get_mut(place) {
                records.push(record);
            }
        }
        Self { resource, scopes }
    }

    /// The attributes of the resource.
    #[must_use]
    pub fn resource(&self) -> &[KeyValue] {
        &self.resource
    }

    /// The loggers and their records.
    #[must_use]
    pub fn scopes(&self) -> &[(String, Vec<OtelRecord>)] {
        &self.scopes
    }
}

/// OTLP/JSON.
impl Serialize for LogsData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let resource_logs = ResourceLogs {
            resource: Attributes { attributes: &self.resource },
            scope_logs: Scopes(&self.scopes),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("resourceLogs", &[resource_logs])?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'d> {
    resource: Attributes<'d>,
    scope_logs: Scopes<'d>,
}

#[derive(Serialize)]
struct Attributes<'d> {
    attributes: &'d [KeyValue],
}

struct Scopes<'d>(&'d [(String, Vec<OtelRecord>)]);

impl Serialize for Scopes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct ScopeLogs<'d> {
            scope: Scope<'d>,
            log_records: &'d [OtelRecord],
        }
        #[derive(Serialize)]
        struct Scope<'d> {
            name: Cow<'d, str>,
        }
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, records) in self.0 {
            sequence.serialize_element(&ScopeLogs {
                scope: Scope { name: Cow::Borrowed(name) },
                log_records: records,
            })?;
        }
        sequence.end()
    }
}

/// 64-bit integers are text in protobuf's JSON.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn as_text<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
