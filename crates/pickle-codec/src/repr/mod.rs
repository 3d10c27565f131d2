//! Python's `repr`, `str` and `ascii` of documents and values, as CPython prints them.
//!
//! The walk keeps its own stack, so depth costs memory and no recursion; every place where an
//! object stands is printed, and what is printed is counted against a cap. A value that is more than a
//! scalar is printed as the document that it makes.

mod exception;
mod form;
mod known;
mod names;
mod parts;
mod printable;
mod printer;
mod scalar;
mod walk;

use core::fmt;

use self::form::Form;
#[cfg(feature = "serde")]
pub(crate) use self::known::uuid;
use self::printer::{Outcome, PrintError, Printer};
use crate::document::{Document, NodeRef};
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::text::Str;

/// How much `Display` prints of one value before it ends with `...`: 64 MiB.
const DISPLAY_CAP: usize = 64 << 20;

impl NodeRef<'_, '_> {
    /// Writes Python's `repr`: what `%r` gives.
    ///
    /// An integer of more than 4,300 digits, which CPython refuses to print, is written in
    /// hexadecimal. An object of a class that has no reading is written as a
    /// call of the class with what the pickle gives it, such as `Status(2)` or `Point(x=1, y=2)`.
    ///
    /// # Errors
    /// `budget` if it is longer than `max_len` bytes, which have then been written; `data` if
    /// the writer fails.
    pub fn py_repr(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, false).map_err(error)
    }

    /// Writes Python's `str`: what `%s` gives. Text stands as it is, with U+FFFD for each lone
    /// surrogate; everything else is as in [`py_repr`](Self::py_repr), but for the few types
    /// that have a `str` of their own.
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_str(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        let mut printer = Printer { out, left: max_len, ascii: false };
        walk::print_str(self.document, self.id, &mut printer).map_err(error)
    }

    /// Writes Python's `ascii`: what `%a` gives, the `repr` with all other characters escaped.
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_ascii(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, true).map_err(error)
    }

    fn print(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize, ascii: bool) -> Outcome {
        walk::print_repr(self.document, self.id, &mut Printer { out, left: max_len, ascii })
    }
}

impl Value<'_> {
    /// Writes Python's `repr`: what `%r` gives. See [`NodeRef::py_repr`].
    ///
    /// # Errors
    /// `budget` if it is longer than `max_len` bytes, which have then been written; `data` if
    /// the writer fails; those of [`to_document`](Self::to_document).
    pub fn py_repr(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        match scalar(self) {
            Some(form) => print_scalar(form, out, max_len, false).map_err(error),
            None => self.to_document()?.root().py_repr(out, max_len),
        }
    }

    /// Writes Python's `str`: what `%s` gives. See [`NodeRef::py_str`].
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_str(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        match scalar(self) {
            Some(Form::Text(text)) => {
                Printer { out, left: max_len, ascii: false }.raw_text(text).map_err(error)
            }
            Some(form) => print_scalar(form, out, max_len, false).map_err(error),
            None => self.to_document()?.root().py_str(out, max_len),
        }
    }

    /// Writes Python's `ascii`: what `%a` gives. See [`NodeRef::py_ascii`].
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_ascii(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        match scalar(self) {
            Some(form) => print_scalar(form, out, max_len, true).map_err(error),
            None => self.to_document()?.root().py_ascii(out, max_len),
        }
    }
}

/// Python's `repr`, at most 64 MiB of it, then `...`.
impl fmt::Display for NodeRef<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.print(f, DISPLAY_CAP, false), f)
    }
}

/// The root's `repr`, at most 64 MiB of it, then `...`.
impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root(), f)
    }
}

/// Python's `repr`, at most 64 MiB of it, then `...`. A value that makes no document, which is one
/// nested deeper than 1,024 levels, is `...` alone.
///
/// ```
/// use pickle_codec::Value;
/// let value = Value::tuple([Value::from("it's"), Value::from(1e16)]);
/// assert_eq!(value.to_string(), "(\"it's\", 1e+16)");
/// ```
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (scalar(self), self) {
            (Some(form), _) => shown(print_scalar(form, f, DISPLAY_CAP, false), f),
            (None, value) => match value.to_document() {
                Ok(document) => fmt::Display::fmt(&document, f),
                Err(_) => f.write_str("..."),
            },
        }
    }
}

/// A value that is printed as it is, without a document.
fn scalar<'v>(value: &'v Value<'_>) -> Option<Form<'v>> {
    Some(match value {
        Value::None => Form::Word("None".into()),
        Value::Bool(true) => Form::Word("True".into()),
        Value::Bool(false) => Form::Word("False".into()),
        Value::Int(value) => Form::Int(*value),
        Value::BigInt(value) => Form::Big(alloc::borrow::Cow::Borrowed(value)),
        Value::Float(value) => Form::Float(*value),
        Value::Str(text) => Form::Text(Str::Utf8(text)),
        Value::Wtf8(bytes) => Form::Text(Str::Wtf8(bytes)),
        Value::Bytes(bytes) => Form::Bytes(bytes),
        Value::ByteArray(bytes) => Form::ByteArray(bytes),
        _ => return None,
    })
}

fn print_scalar<W: fmt::Write + ?Sized>(form: Form<'_>, out: &mut W, max_len: usize, ascii: bool) -> Outcome {
    walk::print_scalar(form, &mut Printer { out, left: max_len, ascii })
}

fn shown(outcome: Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match outcome {
        Ok(()) => Ok(()),
        Err(PrintError::Cap) => f.write_str("..."),
        Err(PrintError::Writer) => Err(fmt::Error),
    }
}

fn error(stop: PrintError) -> Error {
    match stop {
        PrintError::Cap => Error::plain(ErrorKind::Budget),
        PrintError::Writer => Error::message("the writer failed"),
    }
}
