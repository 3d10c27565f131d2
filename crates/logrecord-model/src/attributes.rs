//! How a record takes its attributes from a pickle that is read without a document.

use pickle_codec::Value;
use pickle_codec::direct::{Attributes, Scalar};

use crate::field::{Field, Slot};
use crate::record::LogRecord;

/// Each type of value goes straight to its place among CPython's own attributes, whose names need no check
/// for UTF-8.
impl<'a> Attributes<'a> for LogRecord<'a> {
    type Key = Option<Field>;

    #[inline(always)]
    fn key(&mut self, name: &'a [u8]) -> Option<Field> {
        Field::from_name(name)
    }

    #[inline(always)]
    fn text(&mut self, field: Option<Field>, name: &'a [u8], text: &'a str) -> Option<()> {
        if let Some(field) = field
            && let Slot::Text(place) = field.slot()
        {
            return self.store_new_text(field, place, text);
        }
        self.store_scalar(field, name, Scalar::Text(text))
    }

    #[inline(always)]
    fn none(&mut self, field: Option<Field>, name: &'a [u8]) -> Option<()> {
        match field {
            Some(field) => self.store_new_null(field),
            None => self.store_scalar(field, name, Scalar::None),
        }
    }

    #[inline(always)]
    fn int(&mut self, field: Option<Field>, name: &'a [u8], number: i64) -> Option<()> {
        if let Some(field) = field
            && let Slot::Int(place) = field.slot()
        {
            return self.store_new_int(field, place, number);
        }
        self.store_scalar(field, name, Scalar::Int(number))
    }

    #[inline(always)]
    fn float(&mut self, field: Option<Field>, name: &'a [u8], number: f64) -> Option<()> {
        if let Some(field) = field
            && let Slot::Float(place) = field.slot()
        {
            return self.store_new_float(field, place, number);
        }
        self.store_scalar(field, name, Scalar::Float(number))
    }

    #[inline(always)]
    fn bool(&mut self, field: Option<Field>, name: &'a [u8], value: bool) -> Option<()> {
        self.store_scalar(field, name, Scalar::Bool(value))
    }

    fn value(&mut self, name: &'a str, value: Value<'a>) -> Option<()> {
        match Field::from_name(name.as_bytes()) {
            Some(field) if self.has(field) || self.is_odd(field) => return None,
            Some(field) => self.store(field, value),
            None => self.add_extra(name, value)?,
        }
        Some(())
    }
}

impl<'a> LogRecord<'a> {
    /// Stores what has no place of its own for its type.
    #[inline]
    fn store_scalar(&mut self, field: Option<Field>, name: &'a [u8], scalar: Scalar<'a>) -> Option<()> {
        match field {
            Some(field) => self.store_new(field, scalar),
            None => self.add_extra(std::str::from_utf8(name).ok()?, scalar.into_value()),
        }
    }
}
