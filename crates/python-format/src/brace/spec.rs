//! Python's format specifications: `format(value, spec)` for text and numbers.
//!
//! The steps are those of `Python/formatter_unicode.c`, and so are the errors.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::class::code_point;
use crate::class::{Integer, real, type_name};
use crate::error::FormatError;
use crate::float::{FloatSpec, FloatText, float_text};
use crate::known::split_sign;
use crate::known::{Plain, decimal_digits, decimal_fixed, plain};
use crate::output::{Extent, Output, Place};
use crate::show::{Conversion, object_steps, write_text, write_value};
use crate::text::Text;

/// Writes `format(value, spec)`.
pub(crate) fn format_value<'v>(
    value: Cow<'v, Value<'v>>,
    spec: &str,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    if spec.is_empty() {
        return write_value(&value, Conversion::Str, Extent::PLAIN, output);
    }
    match &*value {
        Value::Str(_) | Value::Wtf8(_) => write_value(&value, Conversion::Str, text_extent(spec)?, output),
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) => {
            // A bool is an integer here: `format(True, '5')` is `'    1'`.
            let class = type_name(&value);
            match Integer::of(&value) {
                Some(integer) => format_integer(&value, &integer, spec, &class, output),
                None => Ok(()),
            }
        }
        Value::Float(number) => {
            let spec = Spec::read(spec, '\0', '>', "float")?;
            match spec.kind {
                '\0' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%' => format_float(*number, &spec, output),
                other => Err(unknown_code(other, "float")),
            }
        }
        Value::Object(_) => format_object(&value, spec, output),
        other => Err(FormatError::type_error(format!(
            "unsupported format string passed to {:.200}.__format__",
            type_name(other)
        ))),
    }
}

/// Writes an object that has a format of its own.
fn format_object(value: &Value<'_>, spec: &str, output: &mut Output<'_>) -> Result<(), FormatError> {
    output.spend(object_steps(value));
    match plain(value) {
        Some(Plain::Value(inner)) => format_value(Cow::Owned(inner), spec, output),
        Some(Plain::Moment(moment)) => {
            let text = moment.format(spec)?;
            write_text(&Text::from(text), Extent::PLAIN, output);
            Ok(())
        }
        Some(Plain::Decimal(text)) => {
            let spec = Spec::read(spec, '\0', '>', "decimal.Decimal")?;
            let (negative, number) = match (decimal_digits(&text), spec.kind, spec.precision) {
                (Some((negative, digits, behind)), 'f' | 'F' | '%', precision) => {
                    // A percentage has the point two places further.
                    let behind = if spec.kind == '%' { behind.saturating_sub(2) } else { behind };
                    let places = precision.unwrap_or_else(|| usize::try_from(behind).unwrap_or(0));
                    let fixed = decimal_fixed(&digits, behind, places)
                        .ok_or_else(|| FormatError::value_error("invalid format string"))?;
                    (negative, if spec.kind == '%' { fixed + "%" } else { fixed })
                }
                (Some(_), '\0', None) | (None, ..) => {
                    let (negative, digits) = split_sign(&text);
                    (negative, digits.to_owned())
                }
                _ => return format_float(real(value)?, &spec, output),
            };
            let whole = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            let (whole, rest) = number.split_at_checked(whole).unwrap_or((&number, ""));
            write_number(&spec, negative, "", whole, Rest { before: rest, zeros: 0, behind: "" }, output);
            Ok(())
        }
        _ => Err(FormatError::type_error(format!(
            "unsupported format string passed to {:.200}.__format__",
            type_name(value)
        ))),
    }
}

/// A specification, read.
struct Spec {
    fill: char,
    align: char,
    sign: Option<char>,
    no_negative_zero: bool,
    alternate: bool,
    width: Option<usize>,
    separator: Option<char>,
    /// Digits between separators.
    group: usize,
    precision: Option<usize>,
    kind: char,
}

impl Spec {
    fn read(spec: &str, default_kind: char, default_align: char, class: &str) -> Result<Self, FormatError> {
        let mut read = Self {
            fill: ' ',
            align: default_align,
            sign: None,
            no_negative_zero: false,
            alternate: false,
            width: None,
            separator: None,
            group: 3,
            precision: None,
            kind: default_kind,
        };
        let is_align = |c: Option<char>| c.filter(|c| matches!(c, '<' | '>' | '=' | '^'));
        let mut chars = spec.chars();
        let mut peek = chars.clone();
        let (first, second) = (peek.next(), peek.next());
        let mut has_fill = false;
        let mut has_align = false;
        if let (Some(fill), Some(align)) = (first, is_align(second)) {
            (read.fill, read.align) = (fill, align);
            (has_fill, has_align) = (true, true);
            chars = peek;
        } else if let Some(align) = is_align(first) {
            read.align = align;
            has_align = true;
            chars.next();
        }
        let mut accept = |wanted: &[char]| {
            let next = chars.clone().next().filter(|c| wanted.contains(c));
            if next.is_some() {
                chars.next();
            }
            next
        };
        read.sign = accept(&[' ', '+', '-']);
        read.no_negative_zero = accept(&['z']).is_some();
        read.alternate = accept(&['#']).is_some();
        if !has_fill && accept(&['0']).is_some() {
            read.fill = '0';
            if !has_align && default_align == '>' {
                read.align = '=';
            }
        }
        read.width = digits(&mut chars)?;
        let both = || FormatError::value_error("Cannot specify both ',' and '_'.");
        let mut accept = |wanted: char| {
            let mut rest = chars.clone();
            let found = rest.next() == Some(wanted);
            if found {
                chars = rest;
            }
            found
        };
        if accept(',') {
            read.separator = Some(',');
        }
        if accept('_') {
            if read.separator.is_some() {
                return Err(both());
            }
            read.separator = Some('_');
        }
        if accept(',') {
            if read.separator == Some('_') {
                return Err(both());
            }
            // `,,` is left to the check of the type below.
            return Err(invalid(spec, class));
        }
        if accept('.') {
            read.precision = digits(&mut chars)?;
            if read.precision.is_none() {
                return Err(FormatError::value_error("Format specifier missing precision"));
            }
        }
        if let Some(kind) = chars.next() {
            if chars.next().is_some() {
                return Err(invalid(spec, class));
            }
            read.kind = kind;
        }
        if let Some(separator) = read.separator {
            match read.kind {
                'd' | 'e' | 'f' | 'g' | 'E' | 'G' | '%' | 'F' | '\0' => {}
                'b' | 'o' | 'x' | 'X' if separator == '_' => read.group = 4,
                other => {
                    return Err(FormatError::value_error(format!(
                        "Cannot specify '{separator}' with '{}'.",
                        shown_code(other)
                    )));
                }
            }
        }
        Ok(read)
    }
}

fn invalid(spec: &str, class: &str) -> FormatError {
    let shown: String = spec.chars().take(200).collect();
    FormatError::value_error(format!("Invalid format specifier '{shown}' for object of type '{class:.200}'"))
}

/// Reads decimal digits, any script's as Python does; None if there are none.
fn digits(chars: &mut std::str::Chars<'_>) -> Result<Option<usize>, FormatError> {
    let mut number = None;
    while let Some(digit) = chars.clone().next().and_then(|c| c.to_digit(10)) {
        chars.next();
        number = i64::try_from(number.unwrap_or(0_usize))
            .ok()
            .and_then(|number| number.checked_mul(10)?.checked_add(i64::from(digit)))
            .and_then(|number| usize::try_from(number).ok());
        if number.is_none() {
            return Err(FormatError::value_error("Too many decimal digits in format string"));
        }
    }
    Ok(number)
}

/// A type character as the messages show it.
fn shown_code(code: char) -> String {
    let point = u32::from(code);
    if point > 32 && point < 128 { String::from(code) } else { format!("\\x{point:x}") }
}

fn unknown_code(code: char, class: &str) -> FormatError {
    FormatError::value_error(format!(
        "Unknown format code '{}' for object of type '{class:.200}'",
        shown_code(code)
    ))
}

/// Where the specification of a text puts it.
///
/// # Errors
///
/// ValueError for what only numbers have.
pub(crate) fn text_extent(spec: &str) -> Result<Extent, FormatError> {
    let spec = Spec::read(spec, 's', '<', "str")?;
    if spec.kind != 's' {
        return Err(unknown_code(spec.kind, "str"));
    }
    let refuse = |message: &'static str| Err(FormatError::value_error(message));
    match spec.sign {
        Some(' ') => return refuse("Space not allowed in string format specifier"),
        Some(_) => return refuse("Sign not allowed in string format specifier"),
        None => {}
    }
    if spec.no_negative_zero {
        return refuse("Negative zero coercion (z) not allowed in string format specifier");
    }
    if spec.alternate {
        return refuse("Alternate form (#) not allowed in string format specifier");
    }
    let place = match spec.align {
        '=' => return refuse("'=' alignment not allowed in string format specifier"),
        '>' => Place::Right,
        '^' => Place::Centre,
        _ => Place::Left,
    };
    Ok(Extent { fill: spec.fill, place, width: spec.width.unwrap_or(0), precision: spec.precision })
}

fn format_integer(
    value: &Value<'_>,
    integer: &Integer<'_>,
    spec: &str,
    class: &str,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    let spec = Spec::read(spec, 'd', '>', class)?;
    let refuse = |message: &'static str| Err(FormatError::value_error(message));
    let (base, prefix) = match spec.kind {
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%' => return format_float(real(value)?, &spec, output),
        'b' => (2, "0b"),
        'o' => (8, "0o"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        'c' | 'd' | 'n' => (10, ""),
        other => return Err(unknown_code(other, class)),
    };
    if spec.precision.is_some() {
        return refuse("Precision not allowed in integer format specifier");
    }
    if spec.no_negative_zero {
        return refuse("Negative zero coercion (z) not allowed in integer format specifier");
    }
    if spec.kind == 'c' {
        if spec.sign.is_some() {
            return refuse("Sign not allowed with integer format specifier 'c'");
        }
        if spec.alternate {
            return refuse("Alternate form (#) not allowed with integer format specifier 'c'");
        }
        let point = integer
            .small()
            .ok_or_else(|| FormatError::overflow("Python int too large to convert to C long"))
            .map(|number| u32::try_from(number).unwrap_or(u32::MAX))?;
        if point > 0x0010_ffff {
            return Err(FormatError::overflow("%c arg not in range(0x110000)"));
        }
        let place = match spec.align {
            '<' => Place::Left,
            '^' => Place::Centre,
            _ => Place::Right,
        };
        let extent = Extent { fill: spec.fill, place, width: spec.width.unwrap_or(0), precision: None };
        output.push_field(&code_point(point), extent);
        return Ok(());
    }
    output.spend(integer.steps(base));
    let mut digits = integer.digits(base)?;
    if spec.kind == 'X' {
        digits.make_ascii_uppercase();
    }
    let prefix = if spec.alternate { prefix } else { "" };
    write_number(&spec, integer.is_negative(), prefix, &digits, Rest::default(), output);
    Ok(())
}

fn format_float(number: f64, spec: &Spec, output: &mut Output<'_>) -> Result<(), FormatError> {
    if spec.precision.is_some_and(|precision| precision > 0x7fff_ffff) {
        return Err(FormatError::value_error("precision too big"));
    }
    let (kind, precision) = match (spec.kind, spec.precision) {
        ('\0', None) => ('r', 0),
        ('\0', Some(precision)) => ('g', precision),
        ('n', precision) => ('g', precision.unwrap_or(6)),
        ('%', precision) => ('f', precision.unwrap_or(6)),
        (kind, precision) => (kind, precision.unwrap_or(6)),
    };
    let number = if spec.kind == '%' { number * 100.0 } else { number };
    let text = float_text(
        number,
        FloatSpec {
            kind,
            precision,
            alternate: spec.alternate,
            add_dot_0: spec.kind == '\0',
            no_negative_zero: spec.no_negative_zero,
        },
    );
    output.spend(text.steps());
    write_float(spec, &text, output);
    Ok(())
}

fn write_float(spec: &Spec, text: &FloatText, output: &mut Output<'_>) {
    let (before, behind) = text.parts();
    let whole = before.find(|c: char| !c.is_ascii_digit()).unwrap_or(before.len());
    let (whole, before) = before.split_at_checked(whole).unwrap_or((before, ""));
    let percent = format!("{behind}%");
    let behind = if spec.kind == '%' { &percent } else { behind };
    write_number(spec, text.negative, "", whole, Rest { before, zeros: text.zeros, behind }, output);
}

/// What follows the grouped digits of a number: text with zeros in it.
#[derive(Clone, Copy, Default)]
struct Rest<'t> {
    before: &'t str,
    zeros: usize,
    behind: &'t str,
}

/// Writes a number: sign, prefix, grouped digits, and what follows them, within the width.
fn write_number(
    spec: &Spec,
    negative: bool,
    prefix: &str,
    digits: &str,
    rest: Rest<'_>,
    output: &mut Output<'_>,
) {
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        (false, _) => "",
    };
    let width = spec.width.unwrap_or(0);
    let after = rest.before.len().saturating_add(rest.zeros).saturating_add(rest.behind.len());
    let outside = sign.len().saturating_add(prefix.len()).saturating_add(after);
    // Zeros that fill the space between sign and digits are grouped with the digits.
    let fills_with_zeros = spec.fill == '0' && spec.align == '=';
    let least = if fills_with_zeros { width.saturating_sub(outside) } else { 0 };
    let (zeros, grouped) = match spec.separator {
        Some(separator) => (0, Cow::Owned(group(digits, separator, spec.group, least.min(output.padding())))),
        None => (least.saturating_sub(digits.len()), Cow::Borrowed(digits)),
    };
    let len = outside.saturating_add(zeros).saturating_add(grouped.len());
    let missing = width.saturating_sub(len);
    let (left, inner, right) = match spec.align {
        '<' => (0, 0, missing),
        '=' => (0, missing, 0),
        '^' => (missing / 2, 0, missing - missing / 2),
        _ => (missing, 0, 0),
    };
    output.pad(spec.fill, left);
    output.push_str(sign);
    output.push_str(prefix);
    if spec.separator.is_some() && grouped.len() < least {
        // More zeros than may be written, and they are a part of the grouped digits.
        output.push_str(&grouped);
        output.cut();
    }
    output.pad(spec.fill, inner);
    output.pad('0', zeros);
    output.push_str(&grouped);
    output.push_str(rest.before);
    output.pad('0', rest.zeros);
    output.push_str(rest.behind);
    output.pad(spec.fill, right);
}

/// Digits with separators, filled with zeros up to `least` characters; a separator is never first.
fn group(digits: &str, separator: char, size: usize, least: usize) -> String {
    let mut reversed = String::with_capacity(digits.len().saturating_mul(4) / 3);
    let mut source = digits.bytes().rev();
    let mut in_group = 0;
    loop {
        let next = source.next().map(char::from);
        if next.is_none() && reversed.len() >= least {
            break;
        }
        if in_group == size {
            reversed.push(separator);
            in_group = 0;
        }
        reversed.push(next.unwrap_or('0'));
        in_group += 1;
    }
    reversed.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(value: Value<'_>, spec: &str) -> Result<String, String> {
        let mut text = String::new();
        let mut output = Output::new(&mut text, 1000, 1000, false);
        format_value(Cow::Borrowed(&value), spec, &mut output).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn spec_rows() {
        let rows: &[(Value<'_>, &str, Result<&str, &str>)] = &[
            (Value::from("ab"), ">5", Ok("   ab")),
            (Value::from("ab"), "*^5", Ok("*ab**")),
            (Value::from("ab"), ".1", Ok("a")),
            (Value::from("ab"), "05", Ok("ab000")),
            (Value::from("ab"), "=5", Err("'=' alignment not allowed in string format specifier")),
            (Value::from("ab"), "d", Err("Unknown format code 'd' for object of type 'str'")),
            (Value::Int(1_234_567), ",", Ok("1,234,567")),
            (Value::Int(1234), "08,", Ok("0,001,234")),
            (Value::Int(255), "#x", Ok("0xff")),
            (Value::Int(255), "#06X", Ok("0X00FF")),
            (Value::Int(-5), "=+6", Ok("-    5")),
            (Value::Int(65), "c", Ok("A")),
            (Value::Int(5), ".2", Err("Precision not allowed in integer format specifier")),
            (Value::Int(0xffff_ffff), "_x", Ok("ffff_ffff")),
            (Value::Int(3), "%", Ok("300.000000%")),
            (Value::Float(1234.5), ",.2f", Ok("1,234.50")),
            (Value::Float(1234.0), ".4", Ok("1.234e+03")),
            (Value::Float(-0.0), "z.1f", Ok("0.0")),
            (Value::Float(1.5), "08", Ok("000001.5")),
            (Value::Bool(true), "5", Ok("    1")),
            (Value::None, "5", Err("unsupported format string passed to NoneType.__format__")),
            (Value::Int(5), ",_", Err("Cannot specify both ',' and '_'.")),
            (Value::Int(5), "q", Err("Unknown format code 'q' for object of type 'int'")),
            (Value::Int(5), "5xx", Err("Invalid format specifier '5xx' for object of type 'int'")),
        ];
        for (value, spec, expected) in rows {
            let got = apply(value.clone(), spec);
            assert_eq!(got.as_deref().map_err(|error| &**error), *expected, "{value:?} {spec}");
        }
    }
}
