//! Python's `string.Template`: `$name`, `${name}` and `$$`, as the `$` style of a formatter uses it.

use crate::error::FormatError;
use crate::fields::Fields;
use crate::output::{Extent, Output};
use crate::show::{Conversion, repr_str, write_value};

/// Writes `Template(format).substitute(**fields)`.
pub(crate) fn dollar(format: &str, fields: &dyn Fields, output: &mut Output<'_>) -> Result<(), FormatError> {
    for part in Parts::new(format) {
        match part {
            Part::Literal(text) => output.push_str(text),
            Part::Escaped => output.push_str("$"),
            Part::Named(name) | Part::Braced(name) => {
                let value = fields.field(name).ok_or_else(|| FormatError::key(repr_str(name)))?;
                output.spend(1);
                write_value(&value, Conversion::Str, Extent::PLAIN, output)?;
            }
            Part::Invalid(at) => return Err(invalid(format, at)),
        }
        if output.is_full() {
            break;
        }
    }
    Ok(())
}

/// A piece of a template.
pub(crate) enum Part<'f> {
    Literal(&'f str),
    Escaped,
    Named(&'f str),
    Braced(&'f str),
    /// A dollar sign that is neither, at this place; where a name would begin.
    Invalid(usize),
}

/// Walks over a template.
pub(crate) struct Parts<'f> {
    format: &'f str,
    at: usize,
}

impl<'f> Parts<'f> {
    pub(crate) const fn new(format: &'f str) -> Self {
        Self { format, at: 0 }
    }
}

impl<'f> Iterator for Parts<'f> {
    type Item = Part<'f>;

    fn next(&mut self) -> Option<Part<'f>> {
        let rest = self.format.get(self.at..).filter(|rest| !rest.is_empty())?;
        let Some(after) = rest.strip_prefix('$') else {
            let end = rest.find('$').unwrap_or(rest.len());
            self.at = self.at.saturating_add(end);
            return rest.get(..end).map(Part::Literal);
        };
        let (part, len) = if after.starts_with('$') {
            (Part::Escaped, 1)
        } else if let Some(name) = identifier(after) {
            (Part::Named(name), name.len())
        } else if let Some(name) = after.strip_prefix('{').and_then(|inner| {
            identifier(inner).filter(|name| inner.get(name.len()..).is_some_and(|tail| tail.starts_with('}')))
        }) {
            (Part::Braced(name), name.len().saturating_add(2))
        } else {
            (Part::Invalid(self.at.saturating_add(1)), 0)
        };
        self.at = self.at.saturating_add(1).saturating_add(len);
        Some(part)
    }
}

/// The ASCII identifier that a text begins with.
fn identifier(text: &str) -> Option<&str> {
    if text.bytes().next().is_none_or(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let len = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    text.get(..len).filter(|name| !name.is_empty())
}

/// The error that names line and column as `Template` does.
fn invalid(format: &str, at: usize) -> FormatError {
    let before = format.get(..at).unwrap_or_default();
    // `splitlines` knows more line ends than `\n`.
    let is_end = |c: char| {
        matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let joined = before.replace("\r\n", "\n");
    let line = joined.matches(is_end).count() + 1;
    let last_line = before.rfind(is_end).and_then(|end| {
        let len = before.get(end..)?.chars().next()?.len_utf8();
        before.get(end.saturating_add(len)..)
    });
    let column = last_line.unwrap_or(before).chars().count();
    FormatError::value_error(format!("Invalid placeholder in string: line {line}, col {column}"))
}

#[cfg(test)]
mod tests {
    use pickle_codec::Value;

    use super::*;

    #[test]
    fn template_rows() {
        let fields =
            Value::Dict(vec![(Value::from("a"), Value::Int(1)), (Value::from("_b9"), Value::from("x"))]);
        let rows: &[(&str, Result<&str, &str>)] = &[
            ("$a ${a} $$ $_b9!", Ok("1 1 $ x!")),
            ("", Ok("")),
            ("$a$a", Ok("11")),
            ("$c", Err("'c'")),
            ("a $", Err("Invalid placeholder in string: line 1, col 3")),
            ("a\nb ${a", Err("Invalid placeholder in string: line 2, col 3")),
            ("$9", Err("Invalid placeholder in string: line 1, col 1")),
            ("${}", Err("Invalid placeholder in string: line 1, col 1")),
            ("$é", Err("Invalid placeholder in string: line 1, col 1")),
        ];
        for (format, expected) in rows {
            let mut text = String::new();
            let result = dollar(format, &fields, &mut Output::new(&mut text, 1000, 1000, false));
            let got = result.map(|()| text).map_err(|error| error.to_string());
            assert_eq!(got.as_deref().map_err(|error| &**error), *expected, "{format}");
        }
    }
}
