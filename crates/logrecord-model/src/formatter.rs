//! `logging.Formatter`: records as text, in the three styles of Python's format strings.
//!
//! What comes out is what CPython 3.8 to 3.13 gives for the same record and time zone. The safe
//! mode differs on purpose: each value is made visible before it is put in its place, and the
//! lines of an exception are indented, so that no record can look like two, or like another.

mod names;
mod view;

use std::borrow::Cow;

use pickle_codec::Value;
use python_format::{
    CUT, DEFAULT_MESSAGE_LIMIT, Fields, Format, FormatError, Highlight, Output, PercentFormat, Style, Text,
    Zone, escape_line, is_true, number, text_of, type_name,
};

pub use self::names::UnknownName;
use self::view::View;
use crate::budget::Written;
use crate::created::seconds_of;
use crate::defaults::now;
use crate::json::SourceInfo;
use crate::record::LogRecord;

/// The bytes that a formatted record may have when nothing else is said: 8 MiB.
const DEFAULT_LIMIT: usize = 8 << 20;

/// The format of [`Formatter::text`].
const TEXT_FORMAT: &str = "%(asctime)s %(levelname)-8s %(name)s %(message)s";

/// What stands before each line of an exception in safe output.
const INDENT: &str = "    ";

/// Writes records as text, as Python's `logging.Formatter` does.
///
/// ```
/// use logrecord_model::{Formatter, LogRecord, Style, Zone};
/// let formatter = Formatter::builder()
///     .format("{asctime} {levelname:>8} {message}")
///     .style(Style::Brace)
///     .zone(Zone::utc())
///     .build()?;
/// let record = LogRecord::builder("app", 30, "disk full").created(1_767_323_045.25).build();
/// assert_eq!(formatter.format(&record)?, "2026-01-02 03:04:05,250  WARNING disk full");
/// # Ok::<(), logrecord_model::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Formatter {
    format: Format,
    uses_time: bool,
    /// Further lines of the message stand below its first one, indented, instead of being escaped.
    indents_message: bool,
    date_format: Option<String>,
    time_format: String,
    msec_format: Option<String>,
    defaults: Vec<(String, Value<'static>)>,
    zone: Zone,
    safe: bool,
    lenient: bool,
    colour: bool,
    limit: usize,
    message_limit: usize,
}

/// Sets up a [`Formatter`].
#[derive(Clone, Debug)]
#[must_use]
pub struct FormatterBuilder {
    formatter: Formatter,
    style: Style,
    text: String,
    zone: Option<Zone>,
    validate: bool,
}

impl FormatterBuilder {
    /// The format string. Without one, or with an empty one, it is the message alone.
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.text = format.into();
        self
    }

    /// The format of [`Formatter::text`]. If the formatter is [`safe`](Self::safe), further lines of a message stand
    /// below its first one, indented.
    pub fn text(mut self) -> Self {
        self.style = Style::Percent;
        self.formatter.indents_message = true;
        self.format(TEXT_FORMAT)
    }

    /// The style of the format string; `%` when nothing is said.
    pub const fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// How `asctime` is written: a format for `strftime`. Without one, or with an empty one, it is
    /// `2003-07-08 16:49:45,896`.
    pub fn date_format(mut self, format: impl Into<String>) -> Self {
        self.formatter.date_format = Some(format.into()).filter(|format| !format.is_empty());
        self
    }

    /// Whether the format string is checked as Python checks it; it is, when nothing is said.
    pub const fn validate(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    /// A value for a name that a record does not have; one of `Formatter`'s `defaults` in Python.
    pub fn default(mut self, name: impl Into<String>, value: Value<'static>) -> Self {
        self.formatter.defaults.push((name.into(), value));
        self
    }

    /// The time zone; the local one when nothing is said.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Python's `default_time_format`: what stands for a missing date format.
    pub fn default_time_format(mut self, format: impl Into<String>) -> Self {
        self.formatter.time_format = format.into();
        self
    }

    /// Python's `default_msec_format`, which puts the milliseconds behind the default time; None
    /// leaves them out.
    pub fn default_msec_format(mut self, format: Option<&str>) -> Self {
        self.formatter.msec_format = format.filter(|format| !format.is_empty()).map(String::from);
        self
    }

    /// Whether values are made visible and the lines of exceptions indented; they are not, when
    /// nothing is said, as Python has no such thing.
    pub const fn safe(mut self, safe: bool) -> Self {
        self.formatter.safe = safe;
        self
    }

    /// Whether a record is written that the format does not suit; it is not, when nothing is said, as Python raises
    /// there.
    ///
    /// Nothing stands in the place of a name that the record lacks, nor of a null where a number is asked for, and
    /// any other value stands as text there. A time that is a `datetime` or text is read, and where there is none
    /// it is that at hand. [`Written`] tells the caller of it.
    ///
    /// ```
    /// use logrecord_model::{Formatter, LogRecord};
    /// let formatter = Formatter::builder().format("[%(user)s] %(message)s").lenient(true).build()?;
    /// let mut out = String::new();
    /// let written = formatter.format_into(&LogRecord::builder("app", 20, "hi").build(), None, &mut out)?;
    /// assert_eq!((out.as_str(), written.missing.as_deref()), ("[] hi", Some("user")));
    /// # Ok::<(), logrecord_model::FormatError>(())
    /// ```
    pub const fn lenient(mut self, lenient: bool) -> Self {
        self.formatter.lenient = lenient;
        self
    }

    /// Whether `%(levelname)s` is coloured for a terminal, by the record's level.
    pub const fn colour(mut self, colour: bool) -> Self {
        self.formatter.colour = colour;
        self
    }

    /// The bytes that one record's text may have, 8 MiB when nothing is said; what is above is cut
    /// off, visibly.
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.formatter.limit = bytes;
        self
    }

    /// The bytes that `msg % args` may have, 64 KiB when nothing is said. Its directives are limited
    /// as well, to [`DEFAULT_MAX_DIRECTIVES`](crate::DEFAULT_MAX_DIRECTIVES).
    pub const fn message_limit(mut self, bytes: usize) -> Self {
        self.formatter.message_limit = bytes;
        self
    }

    /// The formatter.
    ///
    /// # Errors
    ///
    /// ValueError for a format string that Python refuses.
    pub fn build(self) -> Result<Formatter, FormatError> {
        let Self { mut formatter, style, text, zone, validate } = self;
        let text = if text.is_empty() { String::from(style.default_format()) } else { text };
        formatter.uses_time = match style {
            Style::Percent => text.contains("%(asctime)"),
            Style::Brace => text.contains("{asctime"),
            Style::Dollar => text.contains("$asctime") || text.contains("${asctime}"),
        };
        formatter.format = Format::new(style, text);
        if validate {
            formatter.format.validate()?;
        }
        if let Some(zone) = zone {
            formatter.zone = zone;
        } else if formatter.uses_time {
            formatter.zone = Zone::local();
        }
        Ok(formatter)
    }
}

impl Formatter {
    /// Begins a formatter.
    pub fn builder() -> FormatterBuilder {
        FormatterBuilder {
            formatter: Self {
                format: Format::new(Style::Percent, ""),
                uses_time: false,
                indents_message: false,
                date_format: None,
                time_format: String::from("%Y-%m-%d %H:%M:%S"),
                msec_format: Some(String::from("%s,%03d")),
                defaults: Vec::new(),
                zone: Zone::utc(),
                safe: false,
                lenient: false,
                colour: false,
                limit: DEFAULT_LIMIT,
                message_limit: DEFAULT_MESSAGE_LIMIT,
            },
            style: Style::Percent,
            text: String::new(),
            zone: None,
            validate: true,
        }
    }

    /// The text for people: `%(asctime)s %(levelname)-8s %(name)s %(message)s` in local time, safe
    /// against what records may hold, with or without colour.
    #[must_use]
    pub fn text(colour: bool) -> Self {
        let mut formatter = Self::builder().safe(true).lenient(true).colour(colour).formatter;
        formatter.uses_time = true;
        formatter.indents_message = true;
        formatter.format = Format::new(Style::Percent, TEXT_FORMAT);
        formatter.zone = Zone::local();
        formatter
    }

    /// Whether the format asks for the time.
    #[must_use]
    pub const fn uses_time(&self) -> bool {
        self.uses_time
    }

    /// The format string.
    #[must_use]
    pub fn format_string(&self) -> &str {
        self.format.as_str()
    }

    /// A record as text.
    ///
    /// # Errors
    ///
    /// The exception that Python raises: a field that the record lacks, a directive that does not
    /// take its value, a time that is none.
    pub fn format(&self, record: &LogRecord<'_>) -> Result<String, FormatError> {
        let mut out = String::new();
        self.format_into(record, None, &mut out)?;
        Ok(out)
    }

    /// Appends a record's text; on an error nothing is appended.
    ///
    /// The format may ask for the source as `transport`, `peer` and `key_id`, and for all extras as `extra`. The
    /// text is no longer than [`limit`](FormatterBuilder::limit) and than the record's own
    /// [`limit`](LogRecord::limit), apart from `...(cut)` at its end.
    ///
    /// # Errors
    ///
    /// As [`format`](Self::format); none, if the formatter is [`lenient`](FormatterBuilder::lenient).
    pub fn format_into(
        &self,
        record: &LogRecord<'_>,
        source: Option<&SourceInfo<'_>>,
        out: &mut String,
    ) -> Result<Written, FormatError> {
        let mut written = self.write_whole(record, source, record.limit(), out)?;
        written.cut |= record.is_cut();
        Ok(written)
    }

    /// Appends the text of anything that has the attributes of a record.
    ///
    /// # Errors
    ///
    /// As [`format_into`](Self::format_into).
    pub fn format_fields(&self, record: &dyn Fields, out: &mut String) -> Result<Written, FormatError> {
        self.write_whole(record, None, usize::MAX, out)
    }

    /// The names in the format that are neither an attribute of CPython's records nor a default; an application
    /// may give its records an attribute of that name.
    ///
    /// ```
    /// use logrecord_model::Formatter;
    /// let formatter = Formatter::builder().format("%(mesage)s %(user)s").build()?;
    /// let unknown: Vec<_> = formatter.unknown_names().collect();
    /// assert_eq!((unknown[0].name, unknown[0].meant), ("mesage", Some("message")));
    /// assert_eq!((unknown[1].name, unknown[1].meant), ("user", None));
    /// # Ok::<(), logrecord_model::FormatError>(())
    /// ```
    pub fn unknown_names(&self) -> impl Iterator<Item = UnknownName<'_>> {
        let is_default = |name: &str| self.defaults.iter().any(|(default, _)| default == name);
        self.format
            .names()
            .into_iter()
            .filter(move |name| !names::is_known(name) && !is_default(name))
            .map(UnknownName::new)
    }

    fn write_whole(
        &self,
        record: &dyn Fields,
        source: Option<&SourceInfo<'_>>,
        limit: usize,
        out: &mut String,
    ) -> Result<Written, FormatError> {
        let start = out.len();
        let limit = limit.min(self.limit);
        let result = match self.write(record, source, limit, out) {
            Err(error) if self.lenient => {
                out.truncate(start);
                // The format of `text` suits every record.
                let plain =
                    Self { colour: false, zone: self.zone.clone(), safe: self.safe, ..Self::text(false) };
                plain
                    .write(record, source, limit, out)
                    .map(|written| Written { refused: Some(error), ..written })
            }
            other => other,
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn write(
        &self,
        record: &dyn Fields,
        source: Option<&SourceInfo<'_>>,
        limit: usize,
        out: &mut String,
    ) -> Result<Written, FormatError> {
        let none = || Cow::Owned(Value::None);
        let (msg, args) =
            (record.field("msg").unwrap_or_else(none), record.field("args").unwrap_or_else(none));
        let mut view = View {
            record,
            source,
            message: self.message(&msg, &args)?,
            asctime: if self.uses_time { Some(self.time(record)?) } else { None },
            defaults: &self.defaults,
            lenient: self.lenient,
            missing: std::cell::Cell::new(None),
        };
        let below = if self.safe && self.indents_message { split_lines(&mut view.message) } else { None };
        let start = out.len();
        let mut output = Output::new(out, limit, DEFAULT_MESSAGE_LIMIT, self.safe);
        self.write_fields(&view, &mut output).map_err(|error| {
            if error.python_type() == "KeyError" {
                FormatError::value_error(format!("Formatting field not found in record: {error}"))
            } else {
                error
            }
        })?;
        let mut cut =
            output.is_full() || (is_true(&args) && view.message.as_bytes().ends_with(CUT.as_bytes()));
        if let Some(below) = below.filter(|_| !cut) {
            cut |= is_true(&args) && below.as_bytes().ends_with(CUT.as_bytes());
            output.push_str("\n");
            self.write_below(&below, &mut output);
            cut |= output.is_full();
        }
        let field = |name: &str| record.field(name).filter(|value| is_true(value));
        // Other libraries than logging put the text of a traceback into `exc_info`.
        let traceback =
            field("exc_text").or_else(|| field("exc_info").filter(|info| matches!(&**info, Value::Str(_))));
        for value in [traceback, field("stack_info")].into_iter().flatten() {
            let used = out.len().saturating_sub(start);
            if used >= limit {
                break;
            }
            let ends_line = out.get(start..).is_some_and(|text| text.ends_with('\n'));
            let mut output = Output::new(out, limit.saturating_sub(used), 0, self.safe);
            if !ends_line {
                output.push_str("\n");
            }
            let text = text_of(value, output.room())?;
            self.write_below(&text, &mut output);
            cut |= output.is_full();
        }
        Ok(Written { cut, missing: view.missing.into_inner(), refused: None })
    }

    /// The text of `getMessage()`. Safe output has to say something where Python raises.
    fn message<'v>(&self, msg: &'v Value<'_>, args: &'v Value<'_>) -> Result<Text<'v>, FormatError> {
        let format = PercentFormat::new().limit(self.message_limit);
        match format.message(msg, args) {
            Err(error) if self.safe || self.lenient => Ok(Text::from(format.refused(msg, &error))),
            other => other,
        }
    }

    fn write_fields(&self, view: &View<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
        let highlight = self.colour.then(|| Highlight {
            name: "levelname",
            before: colour(view.record),
            behind: "\x1b[0m",
        });
        self.format.write(view, self.lenient, highlight, output)
    }

    /// Writes exception or stack text below the line.
    fn write_below(&self, text: &Text<'_>, output: &mut Output<'_>) {
        if !self.safe {
            output.push_text(text);
            return;
        }
        let visible = text.to_visible();
        let mut line_text = String::new();
        for (number, line) in visible.trim_end_matches(['\n', '\r']).split('\n').enumerate() {
            if number > 0 {
                output.push_str("\n");
            }
            line_text.clear();
            line_text.push_str(INDENT);
            escape_line(line.strip_suffix('\r').unwrap_or(line), &mut line_text);
            output.push_str(&line_text);
            if output.is_full() {
                return;
            }
        }
    }

    /// `Formatter.formatTime`.
    fn time(&self, record: &dyn Fields) -> Result<String, FormatError> {
        let created = record.field("created");
        let created = match created.as_deref() {
            Some(Value::Float(seconds)) => *seconds,
            // Python takes the time at hand where there is none.
            None | Some(Value::None) => now(),
            Some(other) => match number(other) {
                Some(Ok(seconds)) => seconds,
                Some(Err(_)) if !self.lenient => {
                    return Err(FormatError::overflow("timestamp out of range for platform time_t"));
                }
                None if !self.lenient => {
                    let message =
                        format!("'{}' object cannot be interpreted as an integer", type_name(other));
                    return Err(FormatError::type_error(message));
                }
                _ => seconds_of(other).unwrap_or_else(now),
            },
        };
        // A time without a year that can be written is no reason to lose a record.
        let created = if self.lenient && self.zone.everyday(created).is_err() { now() } else { created };
        if let Some(format) = &self.date_format {
            return self.zone.strftime(format, created);
        }
        let everyday =
            if self.time_format == "%Y-%m-%d %H:%M:%S" { self.zone.everyday(created)? } else { None };
        let mut text = match everyday {
            Some(text) => text,
            None => self.zone.strftime(&self.time_format, created)?,
        };
        let Some(format) = &self.msec_format else { return Ok(text) };
        let msecs = match record.field("msecs").map(Cow::into_owned_value) {
            Some(value @ (Value::Float(_) | Value::Int(_))) => value,
            Some(value) if !self.lenient && !matches!(value, Value::None) => value,
            _ => Value::Float((created - created.floor()) * 1000.0),
        };
        if format == "%s,%03d"
            && let Value::Float(number) = msecs
            && (0.0..1000.0).contains(&number)
        {
            push_milliseconds(number, &mut text);
            return Ok(text);
        }
        PercentFormat::new().format(format, &Value::Tuple(vec![Value::from(text), msecs]))
    }
}

/// Takes the lines behind the first one off a message.
fn split_lines(message: &mut Text<'_>) -> Option<Text<'static>> {
    if !message.as_bytes().contains(&b'\n') {
        return None;
    }
    let text = message.to_visible().into_owned();
    let (first, below) = text.split_once('\n')?;
    *message = Text::from(String::from(first.strip_suffix('\r').unwrap_or(first)));
    let below = below.trim_end_matches(['\n', '\r']);
    (!below.is_empty()).then(|| Text::from(String::from(below)))
}

/// Takes a value out of its Cow with memory of its own.
trait IntoOwnedValue {
    fn into_owned_value(self) -> Value<'static>;
}

impl IntoOwnedValue for Cow<'_, Value<'_>> {
    fn into_owned_value(self) -> Value<'static> {
        self.into_owned().into_owned()
    }
}

/// Appends `,` and three digits; the number is in 0 to 999.
#[allow(clippy::as_conversions, reason = "the range is checked before")]
fn push_milliseconds(number: f64, out: &mut String) {
    let whole = number as u16;
    out.push(',');
    for digit in [whole / 100, whole / 10 % 10, whole % 10] {
        out.push(char::from_digit(u32::from(digit), 10).unwrap_or('0'));
    }
}

/// The escape sequence of a level.
fn colour(record: &dyn Fields) -> &'static str {
    let level = record.field("levelno").and_then(|level| number(&level)).and_then(Result::ok);
    match level {
        Some(50.0..) => "\x1b[1;31m",
        Some(40.0..) => "\x1b[31m",
        Some(30.0..) => "\x1b[33m",
        Some(20.0..) => "\x1b[32m",
        Some(_) => "\x1b[36m",
        None => "\x1b[0m",
    }
}
