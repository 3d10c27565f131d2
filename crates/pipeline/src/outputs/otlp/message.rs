//! The messages of opentelemetry-proto that a log exporter needs, as far as it needs them.
//!
//! `LogsService`, `ScopeLogs` and the rest of version 1, which only ever gains fields. Log records are kept as the
//! bytes that they were encoded to: on the wire that is the same as the message.

use logrecord::model::otel::{AnyValue, KeyValue, OtelRecord};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportLogsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValueMessage>,
}

impl Resource {
    pub(super) fn new(attributes: &[(String, String)]) -> Self {
        let pair = |(key, value): &(String, String)| KeyValueMessage {
            key: key.clone(),
            value: Some(AnyValueMessage { value: Some(Kind::String(value.clone())) }),
        };
        Self { attributes: attributes.iter().map(pair).collect() }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<Scope>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) log_records: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Scope {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogRecordMessage {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValueMessage>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValueMessage>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
}

impl From<OtelRecord> for LogRecordMessage {
    fn from(record: OtelRecord) -> Self {
        Self {
            time_unix_nano: record.time_unix_nano,
            severity_number: i32::from(record.severity_number),
            severity_text: record.severity_text,
            body: Some(record.body.into()),
            attributes: record.attributes.into_iter().map(Into::into).collect(),
            observed_time_unix_nano: record.observed_time_unix_nano,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValueMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValueMessage>,
}

impl From<KeyValue> for KeyValueMessage {
    fn from(pair: KeyValue) -> Self {
        Self { key: pair.key, value: Some(pair.value.into()) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValueMessage {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    KvList(KeyValueList),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValueMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValueMessage>,
}

impl From<AnyValue> for AnyValueMessage {
    fn from(value: AnyValue) -> Self {
        let value = match value {
            AnyValue::String(text) => Some(Kind::String(text)),
            AnyValue::Bool(truth) => Some(Kind::Bool(truth)),
            AnyValue::Int(number) => Some(Kind::Int(number)),
            AnyValue::Double(number) => Some(Kind::Double(number)),
            AnyValue::Bytes(bytes) => Some(Kind::Bytes(bytes)),
            AnyValue::Array(values) => {
                Some(Kind::Array(ArrayValue { values: values.into_iter().map(Into::into).collect() }))
            }
            AnyValue::KvList(values) => {
                Some(Kind::KvList(KeyValueList { values: values.into_iter().map(Into::into).collect() }))
            }
            // A kind that the model gains later has no place here yet.
            _ => None,
        };
        Self { value }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportLogsServiceResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_log_records: i64,
}
