//! A record as one line of JSON.
//!
//! The keys and their order: `time` (RFC 3339, UTC, microseconds, from `created`), `levelno`,
//! `levelname`, `name`, `message`, `pathname`, `filename`, `module`, `lineno`, `funcName`,
//! `process`, `processName`, `thread`, `threadName`, `taskName`, `created`, `msecs`,
//! `relativeCreated`, `exc_text`, `stack_info`, `extra`, `globals`, `cut`, `source`. Attributes that are absent or
//! null are left out, and so are the last four where they have nothing to say. The attributes
//! `message` and `asctime`, which a formatter may have left in the record, are texts made of others:
//! `message` is made anew and `time` says the time.
//!
//! Extra attributes stand inside `extra` only, so they overwrite nothing. A key that begins with
//! `$` gets a second one in front; a key that is not text is written as its `repr`. No key stands
//! twice. Values are tagged JSON. `globals` lists the names that stand in the record as descriptions,
//! and `cut` says that something did not fit.

use std::borrow::Cow;
use std::collections::HashMap;

use pickle_codec::Value;
use pickle_codec::json::{write_escaped, write_string};

use crate::budget::Written;
use crate::field::Field;
use crate::number::{write_float, write_int};
use python_format::CUT;
use python_format::type_name;

use crate::record::LogRecord;
use crate::tagged::{repr, write_value};
use crate::time::rfc3339;
use python_format::Text;

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

/// Bytes of a line that are kept back for its braces, for `cut`, and for the keys of attributes that do not fit.
const RESERVE: usize = 2 << 10;

/// The longest `repr` of a key, in bytes.
const MAX_KEY: usize = 64 << 10;

/// A line under construction. Its bound is that of the record; see [`output_limit`](crate::output_limit).
struct Line<'o> {
    out: &'o mut Vec<u8>,
    /// The length beyond which nothing is added but what says so.
    end: usize,
    /// Bytes that may still be written in vain, for values that turn out not to fit.
    vain: usize,
    cut: bool,
}

/// Writes one member if the attribute has a value.
macro_rules! member {
    ($line:ident, text $key:literal, $text:expr) => {
        if let Some(text) = $text {
            $line.text(concat!(",\"", $key, "\":\""), text);
        }
    };
    ($line:ident, int $key:literal, $number:expr) => {
        if let Some(number) = $number {
            $line.out.extend_from_slice(concat!(",\"", $key, "\":").as_bytes());
            write_int(number, $line.out);
        }
    };
    ($line:ident, float $key:literal, $record:ident . $method:ident $field:ident) => {
        if let Some(number) = $record.$method() {
            $line.out.extend_from_slice(concat!(",\"", $key, "\":").as_bytes());
            if $record.whole & Field::$field.bit() != 0 {
                #[allow(clippy::as_conversions, reason = "a whole field holds an exact integer")]
                write_int(number as i64, $line.out);
            } else {
                write_float(number, $line.out);
            }
        }
    };
}

impl LogRecord<'_> {
    /// Appends the record as one JSON object without a line feed.
    ///
    /// The object is no longer than the record's [`limit`](Self::limit), apart from `source`. CPython's own
    /// attributes come first; a text that does not fit keeps its beginning, any other value becomes `"...(cut)"`, and
    /// the object has the member `"cut":true`.
    ///
    /// ```
    /// use logrecord_model::{LogRecord, SourceInfo};
    /// let record = LogRecord::builder("app", 20, "two\nlines").created(1767323045.5).build();
    /// let source = SourceInfo { transport: "tcp", peer: Some("127.0.0.1:5000"), key_id: None };
    /// let mut out = Vec::new();
    /// assert!(!record.write_json(Some(&source), &mut out).cut);
    /// let text = String::from_utf8(out).unwrap();
    /// assert!(text.starts_with(r#"{"time":"2026-01-02T03:04:05.500000Z","levelno":20,"levelname":"INFO","name":"app","message":"two\nlines""#));
    /// assert!(text.ends_with(r#""source":{"transport":"tcp","peer":"127.0.0.1:5000"}}"#));
    /// ```
    pub fn write_json(&self, source: Option<&SourceInfo<'_>>, out: &mut Vec<u8>) -> Written {
        let start = out.len();
        let room = self.limit.saturating_sub(RESERVE);
        let mut line = Line { end: start.saturating_add(room), vain: room, cut: self.is_cut(), out };
        if let Some(time) = self.created().or_else(|| self.odd_time()).and_then(rfc3339) {
            line.out.extend_from_slice(b",\"time\":\"");
            line.out.extend_from_slice(&time);
            line.out.push(b'"');
        }
        member!(line, int "levelno", self.levelno());
        member!(line, text "levelname", self.levelname());
        member!(line, text "name", self.name());
        let message = self.message();
        line.cut |= self.args().is_some() && message.as_bytes().ends_with(CUT.as_bytes());
        line.text(",\"message\":\"", &message);
        member!(line, text "pathname", self.pathname());
        member!(line, text "filename", self.filename());
        member!(line, text "module", self.module());
        member!(line, int "lineno", self.lineno());
        member!(line, text "funcName", self.func_name());
        member!(line, int "process", self.process());
        member!(line, text "processName", self.process_name());
        member!(line, int "thread", self.thread());
        member!(line, text "threadName", self.thread_name());
        member!(line, text "taskName", self.task_name());
        member!(line, float "created", self.created Created);
        member!(line, float "msecs", self.msecs Msecs);
        member!(line, float "relativeCreated", self.relative_created RelativeCreated);
        member!(line, text "exc_text", self.exc_text());
        member!(line, text "stack_info", self.stack_info());
        if !self.extra.is_empty() {
            line.extra(self);
        }
        if let Some(remarks) = &self.remarks {
            line.globals(&remarks.globals);
        }
        if line.cut {
            line.out.extend_from_slice(b",\"cut\":true");
        }
        let Line { out, cut, .. } = line;
        if let Some(source) = source {
            write_source(source, out);
        }
        // Every member begins with a comma; the first one's is the brace.
        if let Some(first) = out.get_mut(start) {
            *first = b'{';
        }
        out.push(b'}');
        Written::cut(cut)
    }

    /// The record as one line of JSON, without a line feed; see [`write_json`](Self::write_json).
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(None, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

fn write_source(source: &SourceInfo<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"source\":{\"transport\":");
    write_string(source.transport, out);
    for (key, value) in [(",\"peer\":", source.peer), (",\"key_id\":", source.key_id)] {
        if let Some(value) = value {
            out.extend_from_slice(key.as_bytes());
            write_string(value, out);
        }
    }
    out.push(b'}');
}

impl Line<'_> {
    /// A member whose value is text. The comma, the key and the first quote are one piece in front.
    #[inline]
    fn text(&mut self, key: &str, text: &Text<'_>) {
        self.out.extend_from_slice(key.as_bytes());
        let start = self.out.len();
        write_text(text, self.out);
        if self.out.len() > self.end {
            self.cut_text(start - 1, &text.to_visible());
        }
    }

    /// Writes the beginning of a text in the place of the whole that stands at `start`: half of what is left at most,
    /// so that what comes behind it has room as well.
    #[cold]
    fn cut_text(&mut self, start: usize, text: &str) {
        self.out.truncate(start);
        let end = start.saturating_add(self.end.saturating_sub(start) / 2);
        self.out.push(b'"');
        for character in text.chars() {
            let before = self.out.len();
            write_escaped(character.encode_utf8(&mut [0; 4]), self.out);
            if self.out.len() > end {
                self.out.truncate(before);
                break;
            }
        }
        self.out.extend_from_slice(CUT.as_bytes());
        self.out.push(b'"');
        self.cut = true;
    }

    fn extra(&mut self, record: &LogRecord<'_>) {
        let mut keys = Keys::of(record);
        let start = self.out.len();
        self.out.extend_from_slice(b",\"extra\":");
        let mut separator = b'{';
        for (key, value) in record.extra() {
            let before = self.out.len();
            self.out.push(separator);
            keys.write(key, self.out);
            self.out.push(b':');
            if self.out.len() > self.end {
                // Not even the key fits. What is behind it does not either, or hardly.
                self.out.truncate(before);
                self.cut = true;
                break;
            }
            separator = b',';
            self.value(value);
        }
        if separator == b'{' {
            return self.out.truncate(start);
        }
        self.out.push(b'}');
    }

    fn value(&mut self, value: &Value<'_>) {
        let start = self.out.len();
        let end = self.end.min(start.saturating_add(self.vain));
        if write_value(value, end, self.out).is_ok() {
            return;
        }
        self.vain = self.vain.saturating_sub(self.out.len().min(end).saturating_sub(start));
        match value {
            Value::Str(text) => self.cut_text(start, text),
            _ => self.cut_text(start, ""),
        }
    }

    /// The names that the record bore.
    fn globals(&mut self, names: &[Box<str>]) {
        /// More are not listed; a caller that wants them all has them from the record.
        const MOST: usize = 32;
        if names.is_empty() {
            return;
        }
        self.out.extend_from_slice(b",\"globals\":");
        let mut separator = b'[';
        for (place, name) in names.iter().enumerate() {
            let before = self.out.len();
            self.out.push(separator);
            separator = b',';
            if place < MOST {
                write_string(name, self.out);
            }
            if place == MOST || self.out.len() > self.end {
                self.out.truncate(before.saturating_add(1));
                self.out.extend_from_slice(b"\"...\"");
                break;
            }
        }
        self.out.push(b']');
    }
}

/// The keys of `extra` as text, each once.
///
/// A key that is not text is written as its `repr`, which may be the text of another key: then its type stands
/// behind it, and a number if need be. Keys that are text keep their names.
struct Keys<'r> {
    /// The keys that are taken, each with the number that the next one of the same text gets. Without keys that
    /// are not text there is no need to know them.
    taken: Option<HashMap<Cow<'r, str>, u32>>,
}

impl<'r> Keys<'r> {
    fn of(record: &'r LogRecord<'_>) -> Self {
        let is_text = |key: &Value<'_>| matches!(key, Value::Str(_));
        let taken = (!record.extra().all(|(key, _)| is_text(key))).then(|| {
            record.extra().filter_map(|(key, _)| key.as_str()).map(|key| (Cow::Borrowed(key), 2)).collect()
        });
        Self { taken }
    }

    fn write(&mut self, key: &Value<'_>, out: &mut Vec<u8>) {
        let text: Cow<'_, str> = match (key, &mut self.taken) {
            (Value::Str(text), _) => Cow::Borrowed(text),
            (key, taken) => {
                let base = match key {
                    Value::Wtf8(bytes) => Text::Wtf8(Box::new(Cow::Borrowed(bytes))).to_string(),
                    other => repr(other, MAX_KEY),
                };
                Cow::Owned(match taken {
                    Some(taken) => unique(base, key, taken),
                    None => base,
                })
            }
        };
        out.push(b'"');
        if text.starts_with('$') {
            out.push(b'$');
        }
        write_escaped(&text, out);
        out.push(b'"');
    }
}

/// A text that is not taken, and is from now on.
fn unique(base: String, key: &Value<'_>, taken: &mut HashMap<Cow<'_, str>, u32>) -> String {
    let mut text = base;
    if taken.contains_key(&*text) {
        text.push_str(&format!(" ({})", type_name(key)));
        if let Some(next) = taken.get(&*text).copied() {
            let (named, mut number) = (text, next);
            loop {
                text = format!("{named} #{number}");
                number = number.saturating_add(1);
                if !taken.contains_key(&*text) {
                    break;
                }
            }
            taken.insert(Cow::Owned(named), number);
        }
    }
    taken.insert(Cow::Owned(text.clone()), 2);
    text
}

/// Text as a JSON string behind its first quote, with each lone surrogate as a visible escape.
fn write_text(text: &Text<'_>, out: &mut Vec<u8>) {
    match text.as_str() {
        Some(text) => write_escaped(text, out),
        None => write_escaped(&text.to_visible(), out),
    }
    out.push(b'"');
}
