//! `str`, `repr` and `ascii` of values, with the errors that Python raises.

use std::borrow::Cow;

use pickle_codec::{Str, Value};

use super::class::Integer;
use super::error::FormatError;
use super::float::float_repr;
use crate::Text;

/// How a value becomes text: the conversions of `%s`, `%r` and `%a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    Str,
    Repr,
    Ascii,
}

/// A value as text. Of anything but plain text at most `room` bytes and one more are made.
pub(crate) fn show<'v>(
    value: &'v Value<'_>,
    conversion: Conversion,
    room: usize,
) -> Result<Text<'v>, FormatError> {
    if conversion == Conversion::Str {
        match value {
            Value::Str(text) => return Ok(Text::from(&**text)),
            Value::Wtf8(bytes) => return Ok(Text::from(Str::Wtf8(bytes))),
            _ => {}
        }
    }
    Ok(match value {
        Value::None => Text::from("None"),
        Value::Bool(true) => Text::from("True"),
        Value::Bool(false) => Text::from("False"),
        Value::Int(number) => Text::from(number.to_string()),
        Value::Float(number) => Text::from(float_repr(*number)),
        // On its own such an integer is refused as CPython refuses it; inside a container the
        // printer has a spelling that does not cost the whole text.
        Value::BigInt(_) => match Integer::of(value) {
            Some(integer) => Text::from(integer.decimal()?),
            None => Text::EMPTY,
        },
        _ => {
            let mut out = String::new();
            let printed = match conversion {
                Conversion::Str => value.py_str(&mut out, room),
                Conversion::Repr => value.py_repr(&mut out, room),
                Conversion::Ascii => value.py_ascii(&mut out, room),
            };
            if printed.is_err() {
                // One character too many makes the output end visibly, unless the directive's own
                // precision ends the text before.
                out.push('.');
            }
            Text::from(out)
        }
    })
}

/// The value that a Cow holds, as text.
pub(crate) fn show_cow<'v>(
    value: Cow<'v, Value<'v>>,
    conversion: Conversion,
    room: usize,
) -> Result<Text<'v>, FormatError> {
    match value {
        Cow::Borrowed(value) => show(value, conversion, room),
        Cow::Owned(Value::Str(text)) if conversion == Conversion::Str => Ok(Text::from(text)),
        Cow::Owned(value) => show(&value, conversion, room).map(Text::into_owned),
    }
}

/// `repr` of text, no more than a few thousand characters of it.
pub(crate) fn repr_str(text: &str) -> String {
    const ENOUGH: usize = 4096;
    let mut out = String::new();
    if Value::from(text).py_repr(&mut out, ENOUGH).is_err() {
        out.push_str(super::output::TRUNCATED);
    }
    out
}
