//! `logging.Formatter`: records as text, in the three styles of Python's format strings.
//!
//! What comes out is what CPython 3.8 to 3.13 gives for the same record and time zone. The safe
//! mode differs on purpose: each value is made visible before it is put in its place, and the
//! lines of an exception are indented, so that no record can look like two, or like another.

mod plan;
mod validate;

use std::borrow::Cow;
use std::time::SystemTime;

use pickle_codec::Value;

use self::plan::Piece;
use crate::brace::brace;
use crate::dollar::dollar;
use crate::escape::escape_line;
use crate::percent::class::{Integer, is_true, type_name};
use crate::percent::error::FormatError;
use crate::percent::output::Output;
use crate::percent::show::{Conversion, show_cow};
use crate::percent::{Arguments, DEFAULT_MESSAGE_LIMIT, Fields, PercentFormat, percent};
use crate::strftime::{Zone, default_time, strftime};
use crate::{Field, LogRecord, Text};

/// The bytes that a formatted record may have when nothing else is said: 8 MiB.
const DEFAULT_LIMIT: usize = 8 << 20;

/// The format of [`Formatter::text`].
const TEXT_FORMAT: &str = "%(asctime)s %(levelname)-8s %(name)s %(message)s";

/// What stands before each line of an exception in safe output.
const INDENT: &str = "    ";

/// The language of a format string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "Python's logging has these three")]
pub enum Style {
    /// `%(message)s`, Python's `%` operator.
    #[default]
    Percent,
    /// `{message}`, Python's `str.format`.
    Brace,
    /// `${message}`, Python's `string.Template`.
    Dollar,
}

impl Style {
    /// The style that Python names by a character.
    #[must_use]
    pub const fn from_char(style: char) -> Option<Self> {
        match style {
            '%' => Some(Self::Percent),
            '{' => Some(Self::Brace),
            '$' => Some(Self::Dollar),
            _ => None,
        }
    }

    /// The format of a formatter that is given none.
    const fn default_format(self) -> &'static str {
        match self {
            Self::Percent => "%(message)s",
            Self::Brace => "{message}",
            Self::Dollar => "${message}",
        }
    }
}

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
    style: Style,
    format: String,
    pieces: Option<Vec<Piece>>,
    uses_time: bool,
    date_format: Option<String>,
    time_format: String,
    msec_format: Option<String>,
    defaults: Vec<(String, Value<'static>)>,
    zone: Zone,
    safe: bool,
    colour: bool,
    limit: usize,
    message_limit: usize,
}

/// Sets up a [`Formatter`].
#[derive(Clone, Debug)]
#[must_use]
pub struct FormatterBuilder {
    formatter: Formatter,
    zone: Option<Zone>,
    validate: bool,
}

impl FormatterBuilder {
    /// The format string. Without one, or with an empty one, it is the message alone.
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.formatter.format = format.into();
        self
    }

    /// The style of the format string; `%` when nothing is said.
    pub const fn style(mut self, style: Style) -> Self {
        self.formatter.style = style;
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

    /// A value for a name that a record does not have.
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
        let Self { mut formatter, zone, validate } = self;
        if formatter.format.is_empty() {
            formatter.format = String::from(formatter.style.default_format());
        }
        let format = formatter.format.as_str();
        if validate {
            validate::validate(formatter.style, format)?;
        }
        formatter.uses_time = match formatter.style {
            Style::Percent => format.contains("%(asctime)"),
            Style::Brace => format.contains("{asctime"),
            Style::Dollar => format.contains("$asctime") || format.contains("${asctime}"),
        };
        if formatter.style == Style::Percent {
            formatter.pieces = plan::compile(format);
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
                style: Style::Percent,
                format: String::new(),
                pieces: None,
                uses_time: false,
                date_format: None,
                time_format: String::from("%Y-%m-%d %H:%M:%S"),
                msec_format: Some(String::from("%s,%03d")),
                defaults: Vec::new(),
                zone: Zone::utc(),
                safe: false,
                colour: false,
                limit: DEFAULT_LIMIT,
                message_limit: DEFAULT_MESSAGE_LIMIT,
            },
            zone: None,
            validate: true,
        }
    }

    /// The text for people: `%(asctime)s %(levelname)-8s %(name)s %(message)s` in local time, safe
    /// against what records may hold, with or without colour.
    #[must_use]
    pub fn text(colour: bool) -> Self {
        let mut formatter = Self::builder().format(TEXT_FORMAT).safe(true).colour(colour).formatter;
        formatter.uses_time = true;
        formatter.pieces = plan::compile(TEXT_FORMAT);
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
        &self.format
    }

    /// A record as text.
    ///
    /// # Errors
    ///
    /// The exception that Python raises: a field that the record lacks, a directive that does not
    /// take its value, a time that is none.
    pub fn format(&self, record: &LogRecord<'_>) -> Result<String, FormatError> {
        let mut out = String::new();
        self.format_into(record, &mut out)?;
        Ok(out)
    }

    /// Appends a record's text; on an error nothing is appended.
    ///
    /// # Errors
    ///
    /// As [`format`](Self::format).
    pub fn format_into(&self, record: &LogRecord<'_>, out: &mut String) -> Result<(), FormatError> {
        self.format_fields(record, out)
    }

    /// Appends the text of anything that has the attributes of a record.
    ///
    /// # Errors
    ///
    /// As [`format`](Self::format).
    pub fn format_fields(&self, record: &dyn Fields, out: &mut String) -> Result<(), FormatError> {
        let start = out.len();
        let result = self.write(record, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn write(&self, record: &dyn Fields, out: &mut String) -> Result<(), FormatError> {
        let none = || Cow::Owned(Value::None);
        let (msg, args) =
            (record.field("msg").unwrap_or_else(none), record.field("args").unwrap_or_else(none));
        let view = View {
            record,
            message: self.message(&msg, &args)?,
            asctime: if self.uses_time { Some(self.time(record)?) } else { None },
            defaults: &self.defaults,
        };
        let start = out.len();
        let mut output = Output::new(out, self.limit, DEFAULT_MESSAGE_LIMIT, self.safe);
        self.write_fields(&view, &mut output).map_err(|error| {
            if error.python_type() == "KeyError" {
                FormatError::value_error(format!("Formatting field not found in record: {error}"))
            } else {
                error
            }
        })?;
        for name in ["exc_text", "stack_info"] {
            let Some(value) = record.field(name).filter(|value| is_true(value)) else { continue };
            let used = out.len().saturating_sub(start);
            let ends_line = out.get(start..).is_some_and(|text| text.ends_with('\n'));
            let mut output = Output::new(out, self.limit.saturating_sub(used), 0, self.safe);
            if !ends_line {
                output.push_str("\n");
            }
            let text = show_cow(value, Conversion::Str, output.room())?;
            self.write_below(&text, &mut output);
        }
        Ok(())
    }

    /// The text of `getMessage()`. Safe output has to say something where Python raises.
    fn message<'v>(&self, msg: &'v Value<'_>, args: &'v Value<'_>) -> Result<Text<'v>, FormatError> {
        let format = PercentFormat::new().with_limit(self.message_limit);
        match format.message(msg, args) {
            Err(error) if self.safe => Ok(Text::from(format.refused(msg, &error))),
            other => other,
        }
    }

    fn write_fields(&self, view: &View<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
        match (self.style, &self.pieces) {
            (Style::Percent, Some(pieces)) => {
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => output.push_str(text),
                        Piece::Field(field) if self.colour && &*field.name == "levelname" => {
                            output.push_str(colour(view.record));
                            field.write(view, output)?;
                            output.push_str("\x1b[0m");
                        }
                        Piece::Field(field) => field.write(view, output)?,
                    }
                }
                Ok(())
            }
            (Style::Percent, None) => percent(&self.format, Arguments::Fields(view), output),
            (Style::Brace, _) => brace(&self.format, view, output),
            (Style::Dollar, _) => dollar(&self.format, view, output),
        }
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
            None | Some(Value::None) => SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |now| now.as_secs_f64()),
            Some(other) => match Integer::of(other) {
                Some(integer) => integer
                    .to_float()
                    .map_err(|_| FormatError::overflow("timestamp out of range for platform time_t"))?,
                None => {
                    let message =
                        format!("'{}' object cannot be interpreted as an integer", type_name(other));
                    return Err(FormatError::type_error(message));
                }
            },
        };
        if let Some(format) = &self.date_format {
            return strftime(format, &self.zone.at(created)?, &self.zone);
        }
        let mut text = String::with_capacity(24);
        let is_everyday = self.time_format == "%Y-%m-%d %H:%M:%S"
            && default_time(self.zone.local_seconds(created)?, &mut text);
        if !is_everyday {
            text = strftime(&self.time_format, &self.zone.at(created)?, &self.zone)?;
        }
        let Some(format) = &self.msec_format else { return Ok(text) };
        let msecs = match record.field("msecs").map(Cow::into_owned_value) {
            None | Some(Value::None) => Value::Float((created - created.floor()) * 1000.0),
            Some(value) => value,
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
    let level = record.field("levelno").and_then(|level| Integer::of(&level).and_then(|level| level.small()));
    match level {
        Some(50..) => "\x1b[1;31m",
        Some(40..) => "\x1b[31m",
        Some(30..) => "\x1b[33m",
        Some(20..) => "\x1b[32m",
        Some(_) => "\x1b[36m",
        None => "\x1b[0m",
    }
}

/// A record as its format sees it: with message and time filled in, and defaults behind it.
struct View<'r> {
    record: &'r dyn Fields,
    message: Text<'r>,
    asctime: Option<String>,
    defaults: &'r [(String, Value<'static>)],
}

impl Fields for View<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        match (name, &self.asctime) {
            ("message", _) => Some(Cow::Owned(self.message.borrowed().into_value())),
            ("asctime", Some(asctime)) => Some(Cow::Owned(Value::from(asctime.as_str()))),
            _ => self.record.field(name).or_else(|| {
                let (_, value) = self.defaults.iter().rev().find(|(key, _)| key == name)?;
                Some(Cow::Borrowed(value))
            }),
        }
    }

    fn all(&self) -> Value<'_> {
        let mut pairs: Vec<(Value<'_>, Value<'_>)> = Vec::new();
        if let Value::Dict(own) = self.record.all() {
            for (name, value) in self.defaults {
                if self.record.field(name).is_none() {
                    pairs.push((Value::from(name.as_str()), value.clone()));
                }
            }
            pairs.extend(own);
        }
        let message = Some(self.message.borrowed().into_value());
        let asctime = self.asctime.as_deref().map(Value::from);
        for (name, value) in [("message", message), ("asctime", asctime)] {
            let Some(value) = value else { continue };
            match pairs.iter_mut().find(|(key, _)| matches!(key, Value::Str(key) if key == name)) {
                Some((_, old)) => *old = value,
                None => pairs.push((Value::from(name), value)),
            }
        }
        Value::Dict(pairs)
    }
}

impl Fields for LogRecord<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        self.attribute(name)
    }

    fn all(&self) -> Value<'_> {
        let mut pairs = Vec::new();
        for field in Field::ALL {
            let is_late = matches!(field, Field::Message | Field::AscTime);
            if is_late || (field == Field::TaskName && !self.has(field)) {
                continue;
            }
            if let Some(value) = self.attribute(field.as_str()) {
                pairs.push((Value::from(field.as_str()), value.into_owned()));
            }
        }
        pairs.extend(self.extra().map(|(key, value)| (key.clone(), value.clone())));
        Value::Dict(pairs)
    }
}
