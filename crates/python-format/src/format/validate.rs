//! The checks that `logging.Formatter(validate=True)` makes of a format string, with its words.

use super::Style;
use crate::brace::Markup;
use crate::dollar::{Part, Parts};
use crate::error::FormatError;
use crate::show::repr_str;

/// Refuses what Python refuses.
pub(super) fn validate(style: Style, format: &str) -> Result<(), FormatError> {
    match style {
        Style::Percent => {
            if format.match_indices("%(").any(|(at, _)| is_directive(format.get(at..).unwrap_or_default())) {
                return Ok(());
            }
            Err(FormatError::value_error(format!("Invalid format '{format}' for '%' style")))
        }
        Style::Brace => match brace_fields(format) {
            Ok(true) => Ok(()),
            Ok(false) => Err(FormatError::value_error("invalid format: no fields")),
            Err(error) => Err(FormatError::value_error(format!("invalid format: {error}"))),
        },
        Style::Dollar => {
            let mut has_fields = false;
            for part in Parts::new(format) {
                match part {
                    Part::Named(_) | Part::Braced(_) => has_fields = true,
                    Part::Invalid(_) => {
                        return Err(FormatError::value_error("invalid format: bare '$' not allowed"));
                    }
                    Part::Literal(_) | Part::Escaped => {}
                }
            }
            if has_fields { Ok(()) } else { Err(FormatError::value_error("invalid format: no fields")) }
        }
    }
}

/// `%\(\w+\)[#0+ -]*(\*|\d+)?(\.(\*|\d+))?[diouxefgcrsa%]` in either case, at the start of a text.
fn is_directive(text: &str) -> bool {
    let Some((name, rest)) = text.strip_prefix("%(").and_then(|rest| rest.split_once(')')) else {
        return false;
    };
    if name.is_empty() || !name.chars().all(is_word) {
        return false;
    }
    let rest = number_or_star(rest.trim_start_matches(['#', '0', '+', ' ', '-']));
    let rest = match rest.strip_prefix('.') {
        Some(precision) => {
            let after = number_or_star(precision);
            if after.len() == precision.len() {
                return false;
            }
            after
        }
        None => rest,
    };
    rest.chars().next().is_some_and(|kind| "diouxefgcrsa%".contains(kind.to_ascii_lowercase()))
}

fn number_or_star(text: &str) -> &str {
    text.strip_prefix('*').unwrap_or_else(|| text.trim_start_matches(char::is_numeric))
}

/// Python's `\w`.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Checks the fields of a `{` format; whether there are any.
fn brace_fields(format: &str) -> Result<bool, FormatError> {
    let mut has_fields = false;
    let mut markup = Markup { rest: format };
    while let Some(part) = markup.next_part()? {
        let Some(field) = part.field else { continue };
        if !field.name.is_empty() {
            if !is_field_name(field.name) {
                let message = format!("invalid field name/expression: {}", repr_str(field.name));
                return Err(FormatError::value_error(message));
            }
            has_fields = true;
        }
        if let Some(conversion) = field.conversion
            && !matches!(conversion, 'r' | 's' | 'a')
        {
            let shown = repr_str(conversion.encode_utf8(&mut [0; 4]));
            return Err(FormatError::value_error(format!("invalid conversion: {shown}")));
        }
        if !field.spec.is_empty() && !is_spec(field.spec) {
            return Err(FormatError::value_error(format!("bad specifier: {}", repr_str(field.spec))));
        }
    }
    Ok(has_fields)
}

/// `^(\d+|\w+)(\.\w+|\[[^]]+\])*$`
fn is_field_name(name: &str) -> bool {
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let first = word(name);
    if first == 0 {
        return false;
    }
    let mut rest = name.get(first..).unwrap_or_default();
    loop {
        // `$` matches before a line end too.
        if rest.is_empty() || rest == "\n" {
            return true;
        }
        let len = if let Some(after) = rest.strip_prefix('.') {
            match word(after) {
                0 => return false,
                len => len.saturating_add(1),
            }
        } else {
            match rest.strip_prefix('[').and_then(|inner| inner.find(']')) {
                None | Some(0) => return false,
                Some(len) => len.saturating_add(2),
            }
        };
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// `^(.?[<=>^])?[+ -]?#?0?(\d+|{\w+})?[,_]?(\.(\d+|{\w+}))?[bcdefgnosx%]?$` in either case.
fn is_spec(spec: &str) -> bool {
    let is_align = |c: &char| matches!(c, '<' | '=' | '>' | '^');
    let mut chars = spec.chars();
    let first = chars.next();
    let after_first = chars.as_str();
    let second = chars.next();
    let after_second = chars.as_str();
    let filled = first.is_some_and(|c| c != '\n') && second.as_ref().is_some_and(is_align);
    (filled && is_spec_tail(after_second))
        || (first.as_ref().is_some_and(is_align) && is_spec_tail(after_first))
        || is_spec_tail(spec)
}

/// What follows the alignment.
fn is_spec_tail(text: &str) -> bool {
    let skip = |text: &'_ str, wanted: &[char]| -> usize {
        text.chars().next().filter(|c| wanted.contains(c)).map_or(0, char::len_utf8)
    };
    let mut rest = text;
    for wanted in [&['+', ' ', '-'][..], &['#'], &['0']] {
        rest = rest.get(skip(rest, wanted)..).unwrap_or_default();
    }
    let Some(rest) = number_or_field(rest) else { return false };
    let mut rest = rest.get(skip(rest, &[',', '_'])..).unwrap_or_default();
    if let Some(precision) = rest.strip_prefix('.') {
        match number_or_field(precision) {
            Some(after) if after.len() < precision.len() => rest = after,
            _ => return false,
        }
    }
    let kind = rest.chars().next().filter(|c| "bcdefgnosx%".contains(c.to_ascii_lowercase()));
    let rest = rest.get(kind.map_or(0, char::len_utf8)..).unwrap_or_default();
    rest.is_empty() || rest == "\n"
}

/// Skips `\d+` or `{\w+}`, if there is one; None for a brace that is not closed as it should be.
fn number_or_field(text: &str) -> Option<&str> {
    match text.strip_prefix('{') {
        None => Some(text.trim_start_matches(char::is_numeric)),
        Some(inner) => {
            let (name, rest) = inner.split_once('}')?;
            (!name.is_empty() && name.chars().all(is_word)).then_some(rest)
        }
    }
}
