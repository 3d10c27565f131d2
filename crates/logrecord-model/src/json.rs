//! A record as one line of JSON.
//!
//! The keys and their order: `time` (RFC 3339, UTC, microseconds, from `created`), `levelno`,
//! `levelname`, `name`, `message`, `pathname`, `filename`, `module`, `lineno`, `funcName`,
//! `process`, `processName`, `thread`, `threadName`, `taskName`, `created`, `msecs`,
//! `relativeCreated`, `exc_text`, `stack_info`, `extra`, `source`. Attributes that are absent or
//! null are left out, and so are `extra` and `source` where there is nothing in them. The attributes
//! `message` and `asctime`, which a formatter may have left in the record, are texts made of others:
//! `message` is made anew and `time` says the time.
//!
//! Extra attributes stand inside `extra` only, so they overwrite nothing. A key that begins with
//! `$` gets a second one in front; a key that is not text is written as its `repr`. Values are
//! tagged JSON.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::field::Field;
use crate::quote::{write_inner, write_str, write_text};
use crate::record::LogRecord;
use crate::tagged::write_value;
use crate::time::rfc3339;

/// Where a record came from, as the receiver knows it; goes under `source`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceInfo<'s> {
    /// The scheme of the listener, such as `tcp`.
    pub transport: &'s str,
    /// The peer's address, where it has one.
    pub peer: Option<&'s str>,
    /// The key that the frame was signed with.
    pub key_id: Option<&'s str>,
}

/// Writes one member if the attribute has a value.
macro_rules! member {
    ($out:ident, text $key:literal, $text:expr) => {
        if let Some(text) = $text {
            $out.extend_from_slice(concat!(",\"", $key, "\":").as_bytes());
            write_text(text, $out);
        }
    };
    ($out:ident, int $key:literal, $number:expr) => {
        if let Some(number) = $number {
            $out.extend_from_slice(concat!(",\"", $key, "\":").as_bytes());
            write_int(number, $out);
        }
    };
    ($out:ident, float $key:literal, $record:ident . $method:ident $field:ident) => {
        if let Some(number) = $record.$method() {
            $out.extend_from_slice(concat!(",\"", $key, "\":").as_bytes());
            if $record.whole & Field::$field.bit() != 0 {
                #[allow(clippy::as_conversions, reason = "a whole field holds an exact integer")]
                write_int(number as i64, $out);
            } else {
                write_float(number, $out);
            }
        }
    };
}

impl LogRecord<'_> {
    /// Appends the record as one JSON object without a line feed.
    ///
    /// ```
    /// use logrecord_model::{LogRecord, SourceInfo};
    /// let record = LogRecord::builder("app", 20, "two\nlines").created(1767323045.5).build();
    /// let source = SourceInfo { transport: "tcp", peer: Some("127.0.0.1:5000"), key_id: None };
    /// let mut out = Vec::new();
    /// record.write_json(Some(&source), &mut out);
    /// let text = String::from_utf8(out).unwrap();
    /// assert!(text.starts_with(r#"{"time":"2026-01-02T03:04:05.500000Z","levelno":20,"levelname":"INFO","name":"app","message":"two\nlines""#));
    /// assert!(text.ends_with(r#""source":{"transport":"tcp","peer":"127.0.0.1:5000"}}"#));
    /// ```
    pub fn write_json(&self, source: Option<&SourceInfo<'_>>, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some(time) = self.created().and_then(rfc3339) {
            out.extend_from_slice(b",\"time\":\"");
            out.extend_from_slice(&time);
            out.push(b'"');
        }
        member!(out, int "levelno", self.levelno());
        member!(out, text "levelname", self.levelname());
        member!(out, text "name", self.name());
        out.extend_from_slice(b",\"message\":");
        write_text(&self.message(), out);
        member!(out, text "pathname", self.pathname());
        member!(out, text "filename", self.filename());
        member!(out, text "module", self.module());
        member!(out, int "lineno", self.lineno());
        member!(out, text "funcName", self.func_name());
        member!(out, int "process", self.process());
        member!(out, text "processName", self.process_name());
        member!(out, int "thread", self.thread());
        member!(out, text "threadName", self.thread_name());
        member!(out, text "taskName", self.task_name());
        member!(out, float "created", self.created Created);
        member!(out, float "msecs", self.msecs Msecs);
        member!(out, float "relativeCreated", self.relative_created RelativeCreated);
        member!(out, text "exc_text", self.exc_text());
        member!(out, text "stack_info", self.stack_info());
        if !self.extra.is_empty() {
            out.extend_from_slice(b",\"extra\":");
            self.write_extra(out);
        }
        if let Some(source) = source {
            out.extend_from_slice(b",\"source\":{\"transport\":");
            write_str(source.transport, out);
            if let Some(peer) = source.peer {
                out.extend_from_slice(b",\"peer\":");
                write_str(peer, out);
            }
            if let Some(key_id) = source.key_id {
                out.extend_from_slice(b",\"key_id\":");
                write_str(key_id, out);
            }
            out.push(b'}');
        }
        // Every member begins with a comma; the first one's is the brace.
        if let Some(first) = out.get_mut(start) {
            *first = b'{';
        }
        out.push(b'}');
    }

    /// The record as one line of JSON, without a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(None, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    fn write_extra(&self, out: &mut Vec<u8>) {
        let mut separator = b'{';
        for (key, value) in self.extra() {
            out.push(separator);
            separator = b',';
            write_key(key, out);
            out.push(b':');
            write_value(value, out);
        }
        out.push(b'}');
    }
}

/// A key of `extra`.
fn write_key(key: &Value<'_>, out: &mut Vec<u8>) {
    let text: Cow<'_, str> = match key {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Wtf8(_) => match crate::text::Text::from_value(key.clone()) {
            Ok(text) => Cow::Owned(text.to_string()),
            Err(_) => Cow::Borrowed(""),
        },
        other => Cow::Owned(crate::tagged::repr(other)),
    };
    out.push(b'"');
    if text.starts_with('$') {
        out.push(b'$');
    }
    write_inner(&text, out);
    out.push(b'"');
}

/// An integer in decimal.
#[inline]
pub(crate) fn write_int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A float in tagged JSON: always with a point or an exponent.
#[inline]
pub(crate) fn write_float(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
        return;
    }
    let name: &[u8] = if number.is_nan() {
        b"{\"$float\":\"nan\"}"
    } else if number > 0.0 {
        b"{\"$float\":\"inf\"}"
    } else {
        b"{\"$float\":\"-inf\"}"
    };
    out.extend_from_slice(name);
}
