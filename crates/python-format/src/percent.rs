//! Python's `%` operator on text: `msg % args`, with Python's results and Python's errors.
//!
//! The steps are those of `unicode_format` in `Objects/unicodeobject.c`. What differs: the output,
//! the fill characters and the work have an end, because a width is a number that a stranger
//! chooses, and a lone surrogate is written as `\udXXX`, because the result is a Rust string.

use std::borrow::Cow;

use memchr::memchr;
use pickle_codec::{Str, Value};

use crate::class::{Integer, code_point, is_true, no_keys, real, type_name};
use crate::error::FormatError;
use crate::fields::{Fields, find, missing, pairs_of};
use crate::float::{FloatSpec, FloatText, float_text};
use crate::output::{CUT, DEFAULT_MAX_DIRECTIVES, Extent, Output, Place, count_up_to};
use crate::show::{Conversion, object_steps, repr_str, show, write_text, write_value};
use crate::text::Text;

/// The bytes that a message may have when nothing else is said: 64 KiB.
pub const DEFAULT_MESSAGE_LIMIT: usize = 64 * 1024;

/// Python's `format % args` with an end to its output.
///
/// ```
/// use python_format::PercentFormat;
/// use pickle_codec::Value;
/// let args = Value::Tuple(vec![Value::from("eve"), Value::Int(7)]);
/// assert_eq!(PercentFormat::new().format("%s has %03d", &args).unwrap(), "eve has 007");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PercentFormat {
    limit: usize,
    max_directives: usize,
}

impl PercentFormat {
    /// With a limit of 64 KiB and of 10,000 directives.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: DEFAULT_MESSAGE_LIMIT, max_directives: DEFAULT_MAX_DIRECTIVES }
    }

    /// Sets the bytes that the output may have; what is above is cut off, and
    /// `...(cut)` stands there.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets the directives that a format may have; what stands behind them is cut off as what is
    /// too long.
    ///
    /// It bounds the work to O(limit): a directive that costs more than a plain one counts as several.
    ///
    /// ```
    /// use python_format::PercentFormat;
    /// use pickle_codec::Value;
    /// let format = PercentFormat::new().max_directives(2);
    /// assert_eq!(format.format("%d %d", &Value::tuple([1, 2])).unwrap(), "1 2");
    /// assert_eq!(format.format("%d %d %d", &Value::tuple([1, 2, 3])).unwrap(), "1 2 ...(cut)");
    /// ```
    #[must_use]
    pub const fn max_directives(mut self, directives: usize) -> Self {
        self.max_directives = directives;
        self
    }

    /// `format % args`.
    ///
    /// # Errors
    ///
    /// The exception that Python raises; where the output ends before, what is behind its end is
    /// not looked at.
    pub fn format(self, format: &str, args: &Value<'_>) -> Result<String, FormatError> {
        let mut text = String::new();
        percent(format, Arguments::of(args), &mut self.output(&mut text))?;
        Ok(text)
    }

    /// `LogRecord.getMessage()`: `str(msg)`, and `% args` if there are arguments.
    ///
    /// A text without arguments is given back as it is, whatever its length.
    ///
    /// # Errors
    ///
    /// The exception that Python raises.
    pub fn message<'v>(self, msg: &'v Value<'_>, args: &Value<'_>) -> Result<Text<'v>, FormatError> {
        match msg {
            Value::Str(text) if !is_true(args) => Ok(Text::from(&**text)),
            Value::Wtf8(bytes) if !is_true(args) => Ok(Text::from(Str::Wtf8(bytes))),
            Value::Str(text) => self.format(text, args).map(Text::from),
            _ => {
                let shown = self.shown(msg)?;
                if !is_true(args) {
                    return Ok(Text::from(shown));
                }
                match shown.strip_suffix(CUT) {
                    Some(start) if start.len() >= self.limit.saturating_sub(5) => {
                        self.format_start(start, args).map(Text::from)
                    }
                    _ => self.format(&shown, args).map(Text::from),
                }
            }
        }
    }

    /// A format whose end was cut off: there the output ends too, and what the cut made of the last
    /// directive is no error.
    fn format_start(self, start: &str, args: &Value<'_>) -> Result<String, FormatError> {
        let mut text = String::new();
        let mut output = self.output(&mut text);
        // Errors of the last directive, and of arguments that are left, cannot be told apart from
        // the cut.
        let end = start.rfind('%').unwrap_or(start.len());
        let result = percent(start.get(..end).unwrap_or_default(), Arguments::of(args), &mut output);
        output.cut();
        match result {
            Err(error) if error != FormatError::unused() => Err(error),
            _ => Ok(text),
        }
    }

    /// `str(msg)`, which is cut off where the output would be.
    pub(crate) fn shown(self, msg: &Value<'_>) -> Result<String, FormatError> {
        let mut text = String::new();
        write_value(msg, Conversion::Str, Extent::PLAIN, &mut self.output(&mut text))?;
        Ok(text)
    }

    /// The message that stands for one that Python refuses to format: `str(msg)`, and the exception behind it.
    #[must_use]
    pub fn refused(self, msg: &Value<'_>, error: &FormatError) -> String {
        let behind = format!(" [{}: {}]", error.python_type(), error.message());
        let len = msg.as_str().map_or(0, str::len).min(self.limit);
        let spare = CUT.len().saturating_add(behind.len());
        let mut text = String::with_capacity(len.saturating_add(spare));
        // A value that cannot be written leaves the exception alone.
        if write_value(msg, Conversion::Str, Extent::PLAIN, &mut self.output(&mut text)).is_err() {
            text.clear();
        }
        text.push_str(&behind);
        text
    }

    fn output(self, text: &mut String) -> Output<'_> {
        Output::new(text, self.limit, self.limit, false).with_steps(self.max_directives)
    }
}

impl Default for PercentFormat {
    fn default() -> Self {
        Self::new()
    }
}

/// The right side of the operator.
pub(crate) enum Arguments<'a> {
    /// A tuple: one item a directive.
    Tuple(&'a [Value<'a>]),
    /// Any other value: the one argument, and a mapping if it is one.
    Value(&'a Value<'a>),
    /// The attributes of a record.
    Fields(&'a dyn Fields),
}

impl<'a> Arguments<'a> {
    pub(crate) fn of(args: &'a Value<'a>) -> Self {
        match args {
            Value::Tuple(items) => Self::Tuple(items),
            other => Self::Value(other),
        }
    }
}

/// Writes `format % args`, up to the end of the output.
pub(crate) fn percent(
    format: &str,
    arguments: Arguments<'_>,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    let mut state = State::new(arguments);
    let mut cursor = Cursor { format, at: 0 };
    loop {
        let rest = format.get(cursor.at..).unwrap_or_default();
        let Some(literal) = memchr(b'%', rest.as_bytes()) else {
            output.push_str(rest);
            break;
        };
        let start = cursor.at.saturating_add(literal);
        cursor.at = start.saturating_add(1);
        if format.as_bytes().get(cursor.at) == Some(&b'%') {
            // Only here a percent sign stands for itself: `%5%` is an error.
            output.push_str(rest.get(..=literal).unwrap_or_default());
            cursor.at = cursor.at.saturating_add(1);
        } else {
            output.push_str(rest.get(..literal).unwrap_or_default());
            if output.is_full() {
                return Ok(());
            }
            let directive = Directive::read(&mut cursor, &mut state)?;
            let len = cursor.at.saturating_sub(start);
            output.spend(state.take_steps().saturating_add(1).saturating_add(len / 64));
            if output.is_full() {
                return Ok(());
            }
            directive.write(&mut state, &cursor, output)?;
        }
        if output.is_full() {
            return Ok(());
        }
    }
    if state.has_unused() { Err(FormatError::unused()) } else { Ok(()) }
}

/// A place in the format.
struct Cursor<'f> {
    format: &'f str,
    at: usize,
}

impl Cursor<'_> {
    /// The next character, or None at the end of the format.
    fn next(&mut self) -> Option<char> {
        if let Some(&byte @ ..0x80) = self.format.as_bytes().get(self.at) {
            self.at = self.at.saturating_add(1);
            return Some(char::from(byte));
        }
        let character = self.format.get(self.at..)?.chars().next()?;
        self.at = self.at.saturating_add(character.len_utf8());
        Some(character)
    }

    /// The name in parentheses that begins here; the cursor is behind it then. None if it has no end.
    fn name(&mut self) -> Option<&str> {
        let rest = self.format.get(self.at..)?;
        let bytes = rest.as_bytes();
        let (mut open, mut end) = (1_usize, 0);
        loop {
            let inner = bytes.get(end..)?;
            let len = memchr(b')', inner)?;
            let opened = inner.iter().take(len).filter(|byte| **byte == b'(').count();
            open = open.saturating_add(opened).saturating_sub(1);
            end = end.saturating_add(len);
            if open == 0 {
                break;
            }
            end = end.saturating_add(1);
        }
        self.at = self.at.saturating_add(end).saturating_add(1);
        rest.get(..end)
    }

    /// The index of the character before the cursor, counted in characters as Python does.
    fn index_of_last(&self) -> usize {
        self.format.get(..self.at).unwrap_or_default().chars().count().saturating_sub(1)
    }
}

/// The arguments on their way through the format.
struct State<'a> {
    mapping: Option<Mapping<'a>>,
    current: Current<'a>,
}

/// What `%(name)s` looks into.
enum Mapping<'a> {
    Dict {
        dict: &'a Value<'a>,
        pairs: &'a [(Value<'a>, Value<'a>)],
        steps: usize,
    },
    Fields(&'a dyn Fields),
    /// A list, bytes or range: Python takes it for a mapping until a name is looked up.
    Sequence(&'a Value<'a>),
}

/// What the next directive takes.
enum Current<'a> {
    Items(std::slice::Iter<'a, Value<'a>>),
    One(Option<Cow<'a, Value<'a>>>),
    /// A record's attributes, all of them.
    All(&'a dyn Fields),
}

impl<'a> State<'a> {
    fn new(arguments: Arguments<'a>) -> Self {
        match arguments {
            Arguments::Tuple(items) => Self { mapping: None, current: Current::Items(items.iter()) },
            Arguments::Fields(fields) => {
                Self { mapping: Some(Mapping::Fields(fields)), current: Current::All(fields) }
            }
            Arguments::Value(value) => {
                let mapping = if no_keys(value).is_some() {
                    Some(Mapping::Sequence(value))
                } else {
                    pairs_of(value).map(|pairs| Mapping::Dict { dict: value, pairs, steps: 0 })
                };
                Self { mapping, current: Current::One(Some(Cow::Borrowed(value))) }
            }
        }
    }

    fn next(&mut self) -> Result<Cow<'a, Value<'a>>, FormatError> {
        let next = match &mut self.current {
            Current::Items(items) => items.next().map(Cow::Borrowed),
            Current::One(value) => value.take(),
            Current::All(fields) => {
                let all = fields.all();
                self.current = Current::One(None);
                Some(Cow::Owned(all))
            }
        };
        next.ok_or_else(|| FormatError::type_error("not enough arguments for format string"))
    }

    /// Makes the value of a name the next argument.
    fn select(&mut self, name: &str) -> Result<(), FormatError> {
        let value = match &mut self.mapping {
            None => return Err(FormatError::type_error("format requires a mapping")),
            Some(Mapping::Fields(fields)) => fields.field(name),
            Some(Mapping::Dict { dict, pairs, steps }) => {
                let (value, cost) = find(pairs, name);
                *steps = steps.saturating_add(cost);
                value.map(Cow::Borrowed).or_else(|| missing(dict).map(Cow::Owned))
            }
            Some(Mapping::Sequence(value)) => {
                return Err(FormatError::type_error(no_keys(value).unwrap_or_default()));
            }
        };
        match value {
            Some(value) => {
                self.current = Current::One(Some(value));
                Ok(())
            }
            None => Err(FormatError::key(repr_str(name))),
        }
    }

    /// The steps that looking up names took since this was last asked.
    const fn take_steps(&mut self) -> usize {
        match &mut self.mapping {
            Some(Mapping::Dict { steps, .. }) => std::mem::replace(steps, 0),
            _ => 0,
        }
    }

    /// Whether Python complains at the end.
    fn has_unused(&self) -> bool {
        self.mapping.is_none()
            && match &self.current {
                Current::Items(items) => items.len() > 0,
                Current::One(value) => value.is_some(),
                Current::All(_) => false,
            }
    }
}

/// One directive, read up to its type character.
struct Directive {
    left: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    kind: char,
}

impl Directive {
    fn read(cursor: &mut Cursor<'_>, state: &mut State<'_>) -> Result<Self, FormatError> {
        let incomplete = || FormatError::value_error("incomplete format");
        let mut directive = Self {
            left: false,
            plus: false,
            blank: false,
            alternate: false,
            zero: false,
            width: None,
            precision: None,
            kind: '\0',
        };
        let mut next = cursor.next();
        if next == Some('(') {
            if state.mapping.is_none() {
                return Err(FormatError::type_error("format requires a mapping"));
            }
            let name = cursor.name().ok_or_else(|| FormatError::value_error("incomplete format key"))?;
            state.select(name)?;
            next = cursor.next();
        }
        loop {
            match next {
                Some('-') => directive.left = true,
                Some('+') => directive.plus = true,
                Some(' ') => directive.blank = true,
                Some('#') => directive.alternate = true,
                Some('0') => directive.zero = true,
                _ => break,
            }
            next = cursor.next();
        }
        if next == Some('*') {
            let width = star(state, "Python int too large to convert to C ssize_t", i64::MAX)?;
            directive.left |= width < 0;
            directive.width = Some(usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX));
            next = cursor.next();
        } else if next.is_some_and(|c| c.is_ascii_digit()) {
            let limit = i64::MAX.unsigned_abs();
            directive.width = Some(number(cursor, &mut next, limit, "width too big")?);
        }
        if next == Some('.') {
            next = cursor.next();
            directive.precision = Some(0);
            if next == Some('*') {
                let precision = star(state, "Python int too large to convert to C int", i64::from(i32::MAX))?;
                directive.precision = Some(usize::try_from(precision).unwrap_or(0));
                next = cursor.next();
            } else if next.is_some_and(|c| c.is_ascii_digit()) {
                let limit = u64::from(i32::MAX.unsigned_abs());
                directive.precision = Some(number(cursor, &mut next, limit, "precision too big")?);
            }
        }
        if matches!(next, Some('h' | 'l' | 'L')) {
            next = cursor.next();
        }
        directive.kind = next.ok_or_else(incomplete)?;
        Ok(directive)
    }

    fn write(
        &self,
        state: &mut State<'_>,
        cursor: &Cursor<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), FormatError> {
        let value = state.next()?;
        match self.kind {
            's' | 'r' | 'a' => {
                let conversion = match self.kind {
                    's' => Conversion::Str,
                    'r' => Conversion::Repr,
                    _ => Conversion::Ascii,
                };
                write_value(&value, conversion, self.extent(self.precision), output)?;
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => self.write_integer(&value, output)?,
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                output.spend(object_steps(&value));
                if output.is_full() {
                    return Ok(());
                }
                let text = float_text(
                    real(&value)?,
                    FloatSpec {
                        kind: self.kind,
                        precision: self.precision.unwrap_or(6),
                        alternate: self.alternate,
                        add_dot_0: false,
                        no_negative_zero: false,
                    },
                );
                output.spend(text.steps());
                self.write_float(&text, output);
            }
            'c' => write_text(&character(&value)?, self.extent(None), output),
            other => {
                let shown = if (31..=126).contains(&u32::from(other)) { other } else { '?' };
                let message = format!(
                    "unsupported format character '{shown}' (0x{:x}) at index {}",
                    u32::from(other),
                    cursor.index_of_last()
                );
                return Err(FormatError::value_error(message));
            }
        }
        Ok(())
    }

    /// The field of a text.
    fn extent(&self, precision: Option<usize>) -> Extent {
        let place = if self.left { Place::Left } else { Place::Right };
        Extent { fill: ' ', place, width: self.width.unwrap_or(0), precision }
    }

    fn write_integer(&self, value: &Value<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
        output.spend(object_steps(value));
        if output.is_full() {
            return Ok(());
        }
        let decimal = matches!(self.kind, 'd' | 'i' | 'u');
        let integer = if decimal { Integer::truncated(value)? } else { Integer::of(value) };
        let integer = integer.ok_or_else(|| {
            let wanted = if decimal { "a real number" } else { "an integer" };
            let found = type_name(value);
            FormatError::type_error(format!("%{} format: {wanted} is required, not {found:.200}", self.kind))
        })?;
        // CPython has this check on the way that pads digits.
        if self.precision.is_some_and(|precision| precision > 0x7fff_ffff - 3) {
            return Err(FormatError::overflow("precision too large"));
        }
        let (base, prefix) = match self.kind {
            'o' => (8, "0o"),
            'x' => (16, "0x"),
            'X' => (16, "0X"),
            _ => (10, ""),
        };
        output.spend(integer.steps(base));
        let digits = integer.in_pieces(base)?;
        let count = digits.remaining();
        let zeros = self.precision.unwrap_or(0).saturating_sub(count);
        let prefix = if self.alternate { prefix } else { "" };
        let len = prefix.len().saturating_add(zeros).saturating_add(count);
        self.write_number(integer.is_negative(), prefix, len, output, |output| {
            output.pad('0', zeros);
            for mut piece in digits {
                if self.kind == 'X' {
                    piece.make_ascii_uppercase();
                }
                output.push_str(&piece);
                if output.is_full() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn write_float(&self, text: &FloatText, output: &mut Output<'_>) {
        self.write_number(text.negative, "", text.len(), output, |output| {
            let (before, behind) = text.parts();
            output.push_str(before);
            output.pad('0', text.zeros);
            output.push_str(behind);
        });
    }

    /// Writes sign, prefix and digits within the width; prefix and digits have `len` characters.
    fn write_number(
        &self,
        negative: bool,
        prefix: &str,
        len: usize,
        output: &mut Output<'_>,
        digits: impl FnOnce(&mut Output<'_>),
    ) {
        let sign = match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let missing = self.width.unwrap_or(0).saturating_sub(len.saturating_add(sign.len()));
        if !self.zero && !self.left {
            output.pad(' ', missing);
        }
        output.push_str(sign);
        output.push_str(prefix);
        if self.zero && !self.left {
            output.pad('0', missing);
        }
        digits(output);
        if self.left {
            output.pad(' ', missing);
        }
    }
}

/// The integer that `*` takes from the arguments.
fn star(state: &mut State<'_>, too_large: &'static str, limit: i64) -> Result<i64, FormatError> {
    let value = state.next()?;
    let integer = Integer::of(&value).ok_or_else(|| FormatError::type_error("* wants int"))?;
    match integer.small() {
        Some(number) if number <= limit && number >= limit.saturating_neg().saturating_sub(1) => Ok(number),
        _ => Err(FormatError::overflow(too_large)),
    }
}

/// Reads decimal digits, the first of which is `next`.
fn number(
    cursor: &mut Cursor<'_>,
    next: &mut Option<char>,
    limit: u64,
    too_big: &'static str,
) -> Result<usize, FormatError> {
    let mut value = 0_u64;
    while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit)))
            .filter(|value| *value <= limit)
            .ok_or_else(|| FormatError::value_error(too_big))?;
        *next = cursor.next();
    }
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

/// The one character that `%c` writes.
fn character<'v>(value: &'v Value<'v>) -> Result<Text<'v>, FormatError> {
    let wrong = || FormatError::type_error("%c requires int or char");
    match value {
        Value::Str(_) | Value::Wtf8(_) => {
            let text = show(value, Conversion::Str, 0)?;
            if count_up_to(text.as_bytes(), 2) == 1 { Ok(text) } else { Err(wrong()) }
        }
        other => {
            let integer = Integer::of(other).ok_or_else(wrong)?;
            let point = integer
                .small()
                .and_then(|number| u32::try_from(number).ok())
                .filter(|point| *point <= 0x0010_ffff)
                .ok_or_else(|| FormatError::overflow("%c arg not in range(0x110000)"))?;
            Ok(code_point(point))
        }
    }
}
