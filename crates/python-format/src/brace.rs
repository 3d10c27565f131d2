//! Python's `str.format` with names alone, as the `{` style of a formatter uses it.
//!
//! The steps are those of `Objects/stringlib/unicode_format.h`, and so are the errors.

pub(crate) mod spec;

use std::borrow::Cow;

use pickle_codec::Value;

use self::spec::{format_value, text_extent};
use crate::class::code_point;
use crate::class::{Integer, type_name};
use crate::error::FormatError;
use crate::fields::{Fields, missing, pairs_of};
use crate::output::{Extent, Output};
use crate::show::{Conversion, repr_str, write_value};

/// How deep a specification may hold fields: one level, as in Python.
const MAX_DEPTH: u32 = 2;

/// Writes `format.format(**fields)`.
pub(crate) fn brace(format: &str, fields: &dyn Fields, output: &mut Output<'_>) -> Result<(), FormatError> {
    let mut numbering = Numbering::default();
    expand(format, fields, MAX_DEPTH, &mut numbering, output)
}

/// Whether fields are numbered by hand or by place; the two must not be mixed.
#[derive(Default)]
struct Numbering {
    state: Option<bool>,
    next: u64,
}

fn expand(
    format: &str,
    fields: &dyn Fields,
    depth: u32,
    numbering: &mut Numbering,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    if depth == 0 {
        return Err(FormatError::value_error("Max string recursion exceeded"));
    }
    let mut markup = Markup { rest: format };
    while let Some(part) = markup.next_part()? {
        output.push_str(part.literal);
        if let Some(field) = part.field {
            render(&field, fields, depth, numbering, output)?;
            output.spend(1);
        }
        if output.is_full() {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads a format: literal text and fields in turn.
pub(crate) struct Markup<'f> {
    pub(crate) rest: &'f str,
}

/// Literal text, and the field behind it.
pub(crate) struct Part<'f> {
    pub(crate) literal: &'f str,
    pub(crate) field: Option<Field<'f>>,
}

/// A field: `{name!conversion:spec}`.
pub(crate) struct Field<'f> {
    pub(crate) name: &'f str,
    pub(crate) conversion: Option<char>,
    pub(crate) spec: &'f str,
    /// Whether the specification holds fields itself.
    nested: bool,
}

impl<'f> Markup<'f> {
    /// The next part; None at the end.
    ///
    /// # Errors
    ///
    /// ValueError for braces that do not match.
    pub(crate) fn next_part(&mut self) -> Result<Option<Part<'f>>, FormatError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let text = self.rest;
        let Some(at) = text.find(['{', '}']) else {
            self.rest = "";
            return Ok(Some(Part { literal: text, field: None }));
        };
        let after = at.saturating_add(1);
        let brace = text.get(at..after).unwrap_or_default();
        let rest = text.get(after..).unwrap_or_default();
        if let Some(rest) = rest.strip_prefix(brace) {
            // A doubled brace stands for one.
            self.rest = rest;
            return Ok(Some(Part { literal: text.get(..after).unwrap_or_default(), field: None }));
        }
        if brace == "}" {
            return Err(FormatError::value_error("Single '}' encountered in format string"));
        }
        if rest.is_empty() {
            return Err(FormatError::value_error("Single '{' encountered in format string"));
        }
        self.rest = rest;
        let field = self.field()?;
        Ok(Some(Part { literal: text.get(..at).unwrap_or_default(), field: Some(field) }))
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let character = chars.next()?;
        self.rest = chars.as_str();
        Some(character)
    }

    /// Reads a field, its opening brace being read.
    fn field(&mut self) -> Result<Field<'f>, FormatError> {
        let text = self.rest;
        let consumed = |rest: &str| text.len().saturating_sub(rest.len());
        let mut end = None;
        while let Some(character) = self.next() {
            match character {
                '{' => return Err(FormatError::value_error("unexpected '{' in field name")),
                '[' => {
                    let close = self.rest.find(']').unwrap_or(self.rest.len());
                    self.rest = self.rest.get(close..).unwrap_or_default();
                }
                '}' | ':' | '!' => {
                    end = Some(character);
                    break;
                }
                _ => {}
            }
        }
        let Some(end) = end else {
            return Err(FormatError::value_error("expected '}' before end of string"));
        };
        let name = text.get(..consumed(self.rest).saturating_sub(1)).unwrap_or_default();
        let mut field = Field { name, conversion: None, spec: "", nested: false };
        if end == '}' {
            return Ok(field);
        }
        if end == '!' {
            let conversion = self.next().ok_or_else(|| {
                FormatError::value_error("end of string while looking for conversion specifier")
            })?;
            field.conversion = Some(conversion);
            match self.next() {
                Some('}') => return Ok(field),
                Some(':') => {}
                Some(_) => {
                    return Err(FormatError::value_error("expected ':' after conversion specifier"));
                }
                None => return Err(FormatError::value_error("unmatched '{' in format spec")),
            }
        }
        let start = self.rest;
        let mut open = 1_usize;
        while let Some(character) = self.next() {
            match character {
                '{' => {
                    field.nested = true;
                    open = open.saturating_add(1);
                }
                '}' => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        let len = start.len().saturating_sub(self.rest.len()).saturating_sub(1);
                        field.spec = start.get(..len).unwrap_or_default();
                        return Ok(field);
                    }
                }
                _ => {}
            }
        }
        Err(FormatError::value_error("unmatched '{' in format spec"))
    }
}

fn render(
    field: &Field<'_>,
    fields: &dyn Fields,
    depth: u32,
    numbering: &mut Numbering,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    let value = lookup(field.name, fields, numbering)?;
    let converted = match field.conversion {
        None => None,
        Some(conversion) => {
            let conversion = match conversion {
                's' => Conversion::Str,
                'r' => Conversion::Repr,
                'a' => Conversion::Ascii,
                other => {
                    let point = u32::from(other);
                    let shown =
                        if point > 32 && point < 127 { String::from(other) } else { format!("\\x{point:x}") };
                    return Err(FormatError::value_error(format!("Unknown conversion specifier {shown}")));
                }
            };
            Some(conversion)
        }
    };
    let spec = if field.nested {
        let mut expanded = String::new();
        let room = output.room();
        let mut inner = Output::new(&mut expanded, room, room, output.safe).with_steps(output.steps());
        expand(field.spec, fields, depth.saturating_sub(1), numbering, &mut inner)?;
        let taken = output.steps().saturating_sub(inner.steps());
        output.spend(taken);
        Cow::Owned(expanded)
    } else {
        Cow::Borrowed(field.spec)
    };
    match converted {
        Some(conversion) => {
            let extent = if spec.is_empty() { Extent::PLAIN } else { text_extent(&spec)? };
            write_value(&value, conversion, extent, output)
        }
        None => format_value(value, &spec, output),
    }
}

/// The value of a field name with its `.attributes` and `[items]`.
fn lookup<'v>(
    name: &str,
    fields: &'v dyn Fields,
    numbering: &mut Numbering,
) -> Result<Cow<'v, Value<'v>>, FormatError> {
    let first_end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at_checked(first_end).unwrap_or((name, ""));
    let index = integer(first)?;
    if first.is_empty() || index.is_some() {
        return Err(positional(first.is_empty(), index, numbering));
    }
    let mut value = fields.field(first).ok_or_else(|| FormatError::key(repr_str(first)))?;
    while !rest.is_empty() {
        let empty = || FormatError::value_error("Empty attribute in format string");
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (attribute, tail) = after.split_at_checked(end).unwrap_or((after, ""));
            if attribute.is_empty() {
                return Err(empty());
            }
            value = Cow::Owned(get_attribute(&value, attribute)?);
            rest = tail;
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some((item, tail)) = after.split_once(']') else {
                return Err(FormatError::value_error("Missing ']' in format string"));
            };
            if item.is_empty() {
                return Err(empty());
            }
            let index = integer(item)?;
            value = match value {
                Cow::Borrowed(value) => get_item(value, item, index)?,
                Cow::Owned(value) => Cow::Owned(get_item(&value, item, index)?.into_owned().into_owned()),
            };
            rest = tail;
        } else {
            return Err(FormatError::value_error("Only '.' or '[' may follow ']' in format field specifier"));
        }
    }
    Ok(value)
}

/// The error of a field that asks for a positional argument: a record has none.
fn positional(empty: bool, index: Option<u64>, numbering: &mut Numbering) -> FormatError {
    match (numbering.state, empty) {
        (Some(false), true) => {
            return FormatError::value_error(
                "cannot switch from manual field specification to automatic field numbering",
            );
        }
        (Some(true), false) => {
            return FormatError::value_error(
                "cannot switch from automatic field numbering to manual field specification",
            );
        }
        _ => numbering.state = Some(empty),
    }
    let place = index.unwrap_or_else(|| {
        let place = numbering.next;
        numbering.next = place.saturating_add(1);
        place
    });
    FormatError::index(format!("Replacement index {place} out of range for positional args tuple"))
}

/// A name made of decimal digits alone, as the number it is.
fn integer(text: &str) -> Result<Option<u64>, FormatError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(number) => Ok(u64::try_from(number).ok()),
        Err(_) => Err(FormatError::value_error("Too many decimal digits in format string")),
    }
}

/// The attributes of numbers that are data; every other attribute is one that the value lacks.
fn get_attribute(value: &Value<'_>, name: &str) -> Result<Value<'static>, FormatError> {
    match (value, name) {
        (Value::Float(number), "real") => return Ok(Value::Float(*number)),
        (Value::Float(_), "imag") => return Ok(Value::Float(0.0)),
        (Value::Int(_) | Value::BigInt(_) | Value::Bool(_), "real" | "numerator") => {
            return Ok(match value {
                Value::Bool(truth) => Value::Int(i64::from(*truth)),
                other => other.clone().into_owned(),
            });
        }
        (Value::Int(_) | Value::BigInt(_) | Value::Bool(_), "imag") => return Ok(Value::Int(0)),
        (Value::Int(_) | Value::BigInt(_) | Value::Bool(_), "denominator") => return Ok(Value::Int(1)),
        _ => {}
    }
    Err(FormatError::attribute(format!("'{}' object has no attribute '{name}'", type_name(value))))
}

fn get_item<'v>(
    value: &'v Value<'_>,
    name: &str,
    index: Option<u64>,
) -> Result<Cow<'v, Value<'v>>, FormatError> {
    let place = index.and_then(|index| usize::try_from(index).ok());
    let class = type_name(value);
    let out_of_range = |what: &str| FormatError::index(format!("{what} index out of range"));
    if let Some(pairs) = pairs_of(value) {
        let found = pairs.iter().rev().find(|(key, _)| match (key, index) {
            (Value::Str(key), None) => key == name,
            (key, Some(index)) => Integer::of(key)
                .and_then(|key| key.small())
                .is_some_and(|key| u64::try_from(key).is_ok_and(|key| key == index)),
            _ => false,
        });
        return found
            .map(|(_, value)| Cow::Borrowed(value))
            .or_else(|| missing(value).map(Cow::Owned))
            .ok_or_else(|| {
                FormatError::key(index.map_or_else(|| repr_str(name), |index| index.to_string()))
            });
    }
    match (value, index) {
        (Value::List(items) | Value::Tuple(items), Some(_)) => {
            let item = place.and_then(|place| items.get(place));
            item.map(Cow::Borrowed).ok_or_else(|| out_of_range(&class))
        }
        (Value::Bytes(bytes) | Value::ByteArray(bytes), Some(_)) => {
            let what = if matches!(value, Value::Bytes(_)) { "" } else { "bytearray " };
            let byte = place.and_then(|place| bytes.get(place));
            byte.map(|byte| Cow::Owned(Value::Int(i64::from(*byte))))
                .ok_or_else(|| FormatError::index(format!("{}index out of range", what)))
        }
        (Value::Str(text), Some(_)) => {
            let character = place.and_then(|place| text.chars().nth(place));
            character
                .map(|character| Cow::Owned(Value::from(String::from(character))))
                .ok_or_else(|| out_of_range("string"))
        }
        (Value::Wtf8(bytes), Some(_)) => {
            let point = place.and_then(|place| pickle_codec::Str::Wtf8(bytes).code_points().nth(place));
            point
                .map(|point| Cow::Owned(code_point(point).into_value()))
                .ok_or_else(|| out_of_range("string"))
        }
        (Value::List(_) | Value::Tuple(_) | Value::ByteArray(_), None) => {
            Err(FormatError::type_error(format!("{class} indices must be integers or slices, not str")))
        }
        (Value::Bytes(_), None) => {
            Err(FormatError::type_error("byte indices must be integers or slices, not str"))
        }
        (Value::Str(_) | Value::Wtf8(_), None) => {
            Err(FormatError::type_error("string indices must be integers, not 'str'"))
        }
        _ => Err(FormatError::type_error(format!("'{class}' object is not subscriptable"))),
    }
}
