//! A `%` format read once: the everyday directives, so that a record costs no parsing.

use pickle_codec::Value;

use crate::class::Integer;
use crate::error::FormatError;
use crate::fields::Fields;
use crate::output::{Extent, Output, Place};
use crate::show::{Conversion, repr_str, write_text, write_value};
use crate::text::Text;

/// A piece of a format.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal(Box<str>),
    Field(Directive),
}

/// `%(name)-8.3s`, `%(name)5d` or `%(name)03d`.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) name: Box<str>,
    left: bool,
    /// Whether zeros fill the width.
    zero: bool,
    width: usize,
    precision: Option<usize>,
    integer: bool,
}

/// Reads a format whose directives are all everyday ones; None if one is not.
pub(super) fn compile(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let (name, after) = after.strip_prefix('(')?.split_once(')')?;
        if name.contains('(') {
            return None;
        }
        let (left, after) = match after.strip_prefix('-') {
            Some(after) => (true, after),
            None => (false, after),
        };
        let (zero, after) = match after.strip_prefix('0') {
            Some(after) => (true, after),
            None => (false, after),
        };
        // Flags in another order are for the whole of the operator to read.
        if after.starts_with(['0', '-']) {
            return None;
        }
        let (width, after) = number(after)?;
        let (precision, after) = match after.strip_prefix('.') {
            Some(after) => {
                let (precision, after) = number(after)?;
                (Some(precision), after)
            }
            None => (None, after),
        };
        let (kind, after) = after.split_at_checked(1)?;
        let integer = match kind {
            "s" => false,
            "d" if precision.is_none() => true,
            _ => return None,
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
        }
        pieces.push(Piece::Field(Directive { name: name.into(), left, zero, width, precision, integer }));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Some(pieces)
}

fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    if digits.is_empty() { Some((0, rest)) } else { Some((digits.parse().ok()?, rest)) }
}

impl Directive {
    /// Writes the field.
    pub(super) fn write(
        &self,
        fields: &dyn Fields,
        lenient: bool,
        output: &mut Output<'_>,
    ) -> Result<(), FormatError> {
        let value = fields.field(&self.name).ok_or_else(|| FormatError::key(repr_str(&self.name)))?;
        let place = if self.left { Place::Left } else { Place::Right };
        let extent = Extent { fill: ' ', place, width: self.width, precision: self.precision };
        if !self.integer {
            return write_value(&value, Conversion::Str, extent, output);
        }
        let integer = match Integer::truncated(&value) {
            Ok(Some(integer)) => integer,
            // No number is no reason to lose a record: a null is left out, all else stands as it is.
            Ok(None) | Err(_) if lenient && matches!(*value, Value::None) => {
                write_text(&Text::EMPTY, extent, output);
                return Ok(());
            }
            Ok(None) | Err(_) if lenient => return write_value(&value, Conversion::Str, extent, output),
            Ok(None) => {
                return Err(FormatError::type_error(format!(
                    "%d format: a real number is required, not {:.200}",
                    crate::class::type_name(&value)
                )));
            }
            Err(error) => return Err(error),
        };
        let mut digits = integer.decimal()?;
        let mut extent = extent;
        if self.zero && !self.left {
            extent.fill = '0';
            // The sign stands before the zeros.
            if digits.starts_with('-') {
                digits.remove(0);
                output.push_str("-");
                extent.width = extent.width.saturating_sub(1);
            }
        }
        write_text(&Text::from(digits), extent, output);
        Ok(())
    }
}
