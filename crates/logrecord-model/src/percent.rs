//! Python's `%` operator on text: `msg % args`, with Python's results and Python's errors.
//!
//! The steps are those of `unicode_format` in `Objects/unicodeobject.c`. What differs: the output,
//! the fill characters and the work have an end, because a width is a number that a stranger
//! chooses, and a lone surrogate is written as `\udXXX`, because the result is a Rust string.

pub(crate) mod class;
pub(crate) mod error;
pub(crate) mod float;
pub(crate) mod known;
pub(crate) mod output;
pub(crate) mod show;

use std::borrow::Cow;
use std::collections::HashMap;

use pickle_codec::Value;

use self::class::{Integer, is_true, real, type_name};
use self::error::FormatError;
use self::float::{FloatSpec, float_text};
use self::output::{Output, Place};
use self::show::{Conversion, repr_str, show_cow};
use crate::Text;

/// The bytes that a message may have when nothing else is said: 64 KiB.
pub const DEFAULT_MESSAGE_LIMIT: usize = 64 * 1024;

/// Where a format string's names are looked up: the attributes of a record, or any map.
pub trait Fields {
    /// The value of a name.
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>>;

    /// All names and values as one dict, for the rare directive that asks for the whole.
    fn all(&self) -> Value<'_>;
}

impl Fields for Value<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        find(pairs_of(self)?, name).map(Cow::Borrowed)
    }

    fn all(&self) -> Value<'_> {
        self.clone()
    }
}

/// The pairs of a dict; OrderedDict, defaultdict and Counter are dicts too.
fn pairs_of<'v, 'a>(value: &'v Value<'a>) -> Option<&'v [(Value<'a>, Value<'a>)]> {
    match value {
        Value::Dict(pairs) => Some(pairs),
        Value::Object(object) if is_dict_class(&object.class) => object.pairs.as_deref(),
        _ => None,
    }
}

fn is_dict_class(class: &Value<'_>) -> bool {
    matches!(class, Value::Global(global)
        if global.module == "collections"
            && matches!(&*global.name, "OrderedDict" | "defaultdict" | "Counter"))
}

fn find<'v, 'a>(pairs: &'v [(Value<'a>, Value<'a>)], name: &str) -> Option<&'v Value<'a>> {
    // The last one, as in a dict that was filled in this order.
    pairs.iter().rev().find(|(key, _)| matches!(key, Value::Str(key) if key == name)).map(|(_, value)| value)
}

/// Python's `format % args` with an end to its output.
///
/// ```
/// use logrecord_model::PercentFormat;
/// use pickle_codec::Value;
/// let args = Value::Tuple(vec![Value::from("eve"), Value::Int(7)]);
/// assert_eq!(PercentFormat::new().format("%s has %03d", &args).unwrap(), "eve has 007");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PercentFormat {
    limit: usize,
}

impl PercentFormat {
    /// With a limit of 64 KiB.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: DEFAULT_MESSAGE_LIMIT }
    }

    /// Sets the bytes that the output may have; what is above is cut off, and
    /// `...[truncated]` stands there.
    #[must_use]
    pub const fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// `format % args`.
    ///
    /// # Errors
    ///
    /// The exception that Python raises.
    pub fn format(self, format: &str, args: &Value<'_>) -> Result<String, FormatError> {
        let mut text = String::new();
        let mut output = Output::new(&mut text, self.limit, self.limit, false);
        percent(format, Arguments::of(args), &mut output)?;
        Ok(text)
    }

    /// `LogRecord.getMessage()`: `str(msg)`, and `% args` if there are arguments.
    ///
    /// A message without arguments is given back as it is, whatever its length.
    ///
    /// # Errors
    ///
    /// The exception that Python raises.
    pub fn message<'v>(self, msg: &'v Value<'_>, args: &Value<'_>) -> Result<Text<'v>, FormatError> {
        let message = show_cow(Cow::Borrowed(msg), Conversion::Str, self.limit)?;
        if !is_true(args) {
            return Ok(message);
        }
        self.format(&message.to_visible(), args).map(Text::from)
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

/// Writes `format % args`.
pub(crate) fn percent(
    format: &str,
    arguments: Arguments<'_>,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    let mut state = State::new(arguments);
    let mut cursor = Cursor { format, at: 0 };
    loop {
        let rest = format.get(cursor.at..).unwrap_or_default();
        let Some(literal) = rest.find('%') else {
            output.push_str(rest);
            break;
        };
        output.push_str(rest.get(..literal).unwrap_or_default());
        cursor.at = cursor.at.saturating_add(literal).saturating_add(1);
        if format.get(cursor.at..).is_some_and(|rest| rest.starts_with('%')) {
            // Only here a percent sign stands for itself: `%5%` is an error.
            output.push('%');
            cursor.at = cursor.at.saturating_add(1);
            continue;
        }
        let directive = Directive::read(&mut cursor, &mut state)?;
        directive.write(&mut state, &cursor, output)?;
        output.charge(0);
        if output.is_full() {
            return Ok(());
        }
    }
    if state.has_unused() {
        return Err(FormatError::type_error("not all arguments converted during string formatting"));
    }
    Ok(())
}

/// A place in the format.
struct Cursor<'f> {
    format: &'f str,
    at: usize,
}

impl Cursor<'_> {
    /// The next character, or None at the end of the format.
    fn next(&mut self) -> Option<char> {
        let character = self.format.get(self.at..)?.chars().next()?;
        self.at = self.at.saturating_add(character.len_utf8());
        Some(character)
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
    Dict(Lookup<'a>),
    Fields(&'a dyn Fields),
    /// A list or bytes: Python takes it for a mapping until a name is looked up.
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
                let mapping = match value {
                    Value::List(_) | Value::Bytes(_) | Value::ByteArray(_) => Some(Mapping::Sequence(value)),
                    other => pairs_of(other).map(|pairs| Mapping::Dict(Lookup::new(pairs))),
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
            Some(Mapping::Dict(lookup)) => lookup.find(name).map(Cow::Borrowed),
            Some(Mapping::Sequence(value)) => {
                let what = match value {
                    Value::Bytes(_) => Cow::Borrowed("byte"),
                    other => type_name(other),
                };
                return Err(FormatError::type_error(format!(
                    "{what} indices must be integers or slices, not str"
                )));
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

/// Finds names in the pairs of a dict: at first one by one, with an index when the dict is large.
struct Lookup<'a> {
    pairs: &'a [(Value<'a>, Value<'a>)],
    index: Option<HashMap<&'a str, &'a Value<'a>>>,
}

impl<'a> Lookup<'a> {
    const fn new(pairs: &'a [(Value<'a>, Value<'a>)]) -> Self {
        Self { pairs, index: None }
    }

    fn find(&mut self, name: &str) -> Option<&'a Value<'a>> {
        if self.pairs.len() <= 8 {
            return find(self.pairs, name);
        }
        let pairs = self.pairs;
        let index = self.index.get_or_insert_with(|| {
            pairs
                .iter()
                .filter_map(|(key, value)| match key {
                    Value::Str(key) => Some((&**key, value)),
                    _ => None,
                })
                .collect()
        });
        index.get(name).copied()
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
            let start = cursor.at;
            let mut open = 1_usize;
            while open > 0 {
                match cursor.next() {
                    Some('(') => open = open.saturating_add(1),
                    Some(')') => open = open.saturating_sub(1),
                    Some(_) => {}
                    None => return Err(FormatError::value_error("incomplete format key")),
                }
            }
            let end = cursor.at.saturating_sub(1);
            state.select(cursor.format.get(start..end).unwrap_or_default())?;
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
                let text = show_cow(value, conversion, output.room())?;
                self.write_text(text, self.precision, output);
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => self.write_integer(&value, output)?,
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let number = real(&value)?;
                let text = float_text(
                    number,
                    FloatSpec {
                        kind: self.kind,
                        precision: self.precision.unwrap_or(6),
                        alternate: self.alternate,
                        add_dot_0: false,
                        no_negative_zero: false,
                        room: output.room(),
                    },
                );
                let (negative, digits) = split_sign(&text);
                self.write_number(negative, "", 0, digits, output);
            }
            'c' => self.write_text(character(&value)?, None, output),
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

    fn write_text(&self, text: Text<'_>, precision: Option<usize>, output: &mut Output<'_>) {
        if matches!(text, Text::Utf8(Cow::Owned(_))) {
            output.charge(text.as_bytes().len());
        }
        let text = output.convert(text);
        let place = if self.left { Place::Left } else { Place::Right };
        output.push_field(&text, ' ', place, self.width.unwrap_or(0), precision);
    }

    fn write_integer(&self, value: &Value<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
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
        let mut digits = integer.digits(base)?;
        if self.kind == 'X' {
            digits.make_ascii_uppercase();
        }
        output.charge(digits.len());
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let prefix = if self.alternate { prefix } else { "" };
        self.write_number(integer.is_negative(), prefix, zeros, &digits, output);
        Ok(())
    }

    /// Writes sign, prefix, zeros of the precision and digits within the width.
    fn write_number(
        &self,
        negative: bool,
        prefix: &str,
        zeros: usize,
        digits: &str,
        output: &mut Output<'_>,
    ) {
        let sign = match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let len = sign.len().saturating_add(prefix.len()).saturating_add(zeros).saturating_add(digits.len());
        let missing = self.width.unwrap_or(0).saturating_sub(len);
        if !self.zero && !self.left {
            output.pad(' ', missing);
        }
        output.push_str(sign);
        output.push_str(prefix);
        if self.zero && !self.left {
            output.pad('0', missing);
        }
        output.pad('0', zeros);
        output.push_str(digits);
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
            let text = show::show(value, Conversion::Str, 0)?;
            if output::count_up_to(text.as_bytes(), 2) == 1 { Ok(text) } else { Err(wrong()) }
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

/// Text of one code point, which may be a surrogate.
pub(crate) fn code_point<'t>(point: u32) -> Text<'t> {
    if let Some(character) = char::from_u32(point) {
        return Text::from(String::from(character));
    }
    let [.., high, low] = point.to_be_bytes();
    let bytes = vec![0xed, 0x80 | ((high & 0x0f) << 2) | (low >> 6), 0x80 | (low & 0x3f)];
    Text::from_wtf8(bytes).unwrap_or_default()
}

/// Splits a minus off a number's text.
pub(crate) fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    }
}
