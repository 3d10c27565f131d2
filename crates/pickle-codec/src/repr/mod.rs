//! Python's `repr`, `str` and `ascii` of documents and values, as CPython prints them.
//!
//! A log line shows what `"%r" % value` or `"%s" % value` would have shown in the program that logged it, to the
//! letter as far as the pickle tells: the oracle of the tests is CPython 3.13 itself. Where it does not tell, because
//! the class is only described, a call is printed that shows what the pickle gives: `Point(x=1, y=2)`.
//!
//! From the outside in:
//!
//! 1. This file has the doors: `repr`, `str` and `ascii` of nodes and of values, and `Display`.
//! 2. `walk` goes through the document with a stack of its own, so that depth costs memory and no recursion.
//! 3. `known` and `exception` say what a known class prints; `names` has what stands for a class.
//! 4. `printer` counts what is written against a cap, because every place where an object stands is printed, and a
//!    few hundred bytes of shared lists can stand for terabytes. `scalar` is the `repr` of numbers, text and bytes,
//!    `printable` tells which characters stay as they are.
//!
//! A value that is more than a scalar is printed as the document that it makes. A scalar, which is what most
//! arguments of a log message are, is printed without.

mod exception;
mod known;
mod names;
mod parts;
mod printable;
mod printer;
mod scalar;
mod task;
mod walk;

use core::fmt;

#[cfg(any(feature = "serde", feature = "json"))]
pub(crate) use self::known::uuid;
use self::printer::{PrintError, Printed, Printer};
use self::task::PrintTask;
use self::walk::PrintWalk;
use crate::document::{Document, Node, NodeRef};
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
    /// ```
    /// // x = [1.0, "it's"]; x.append(x)
    /// let document = pickle_codec::decode(b"]q\0(G\x3f\xf0\0\0\0\0\0\0X\x04\0\0\0it'sh\0e.")?;
    /// let mut text = String::new();
    /// document.root().py_repr(&mut text, 100)?;
    /// assert_eq!(text, r#"[1.0, "it's", [...]]"#);
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    ///
    /// # Errors
    /// `budget` if it is longer than `max_len` bytes, which have then been written; `data` if
    /// the writer fails.
    pub fn py_repr(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, How::Repr).map_err(error)
    }

    /// Writes Python's `str`: what `%s` gives. Text stands as it is, with U+FFFD for each lone
    /// surrogate; everything else is as in [`py_repr`](Self::py_repr), but for the few types
    /// that have a `str` of their own.
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Decoder, Globals};
    /// // pickle.dumps(FileNotFoundError(2, "No such file"), 1), by the name that Python 2 has for it
    /// let pickle = b"cexceptions\nOSError\n(K\x02X\x0c\0\0\0No such filetR.";
    /// let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    /// let document = decoder.decode(pickle)?;
    /// let mut text = String::new();
    /// document.root().py_str(&mut text, 100)?;
    /// assert_eq!(text, "[Errno 2] No such file");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_str(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, How::Str).map_err(error)
    }

    /// Writes Python's `ascii`: what `%a` gives, the `repr` with all other characters escaped.
    ///
    /// ```
    /// let document = pickle_codec::decode("X\x03\0\0\0a\u{e9}.".as_bytes())?;
    /// let mut text = String::new();
    /// document.root().py_ascii(&mut text, 100)?;
    /// assert_eq!(text, r"'a\xe9'");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_ascii(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, How::Ascii).map_err(error)
    }

    fn print(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize, how: How) -> Printed {
        let task = if how == How::Str { PrintTask::Str(self.id) } else { PrintTask::Repr(self.id) };
        PrintWalk::run(self.document, &mut Printer { out, left: max_len, ascii: how == How::Ascii }, task)
    }
}

impl Value<'_> {
    /// Writes Python's `repr`: what `%r` gives. See [`NodeRef::py_repr`].
    ///
    /// # Errors
    /// `budget` if it is longer than `max_len` bytes, which have then been written; `data` if
    /// the writer fails; those of [`to_document`](Self::to_document).
    pub fn py_repr(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, How::Repr)?.map_err(error)
    }

    /// Writes Python's `str`: what `%s` gives. See [`NodeRef::py_str`].
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_str(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, How::Str)?.map_err(error)
    }

    /// Writes Python's `ascii`: what `%a` gives. See [`NodeRef::py_ascii`].
    ///
    /// # Errors
    /// As [`py_repr`](Self::py_repr).
    pub fn py_ascii(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
        self.print(out, max_len, How::Ascii)?.map_err(error)
    }

    /// A scalar is printed as it is, everything else as the document that it makes.
    fn print(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize, how: How) -> Result<Printed> {
        let scalar = match self {
            Self::None => Node::None,
            Self::Bool(value) => Node::Bool(*value),
            Self::Int(value) => Node::Int(*value),
            Self::Float(value) => Node::Float(*value),
            Self::Str(text) => Node::Str(Str::Utf8(text)),
            Self::Wtf8(bytes) => Node::Str(Str::Wtf8(bytes)),
            Self::Bytes(bytes) => Node::Bytes(bytes),
            Self::ByteArray(bytes) => Node::ByteArray(bytes),
            _ => return Ok(self.to_document()?.root().print(out, max_len, how)),
        };
        let mut printer = Printer { out, left: max_len, ascii: how == How::Ascii };
        Ok(match scalar {
            Node::Str(text) if how == How::Str => printer.raw_text(text),
            scalar => printer.scalar(scalar),
        })
    }
}

/// Which of Python's texts is printed.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Repr,
    Str,
    Ascii,
}

/// Python's `repr`, at most 64 MiB of it, then `...`.
impl fmt::Display for NodeRef<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.print(f, DISPLAY_CAP, How::Repr), f)
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
        match self.print(f, DISPLAY_CAP, How::Repr) {
            Ok(outcome) => shown(outcome, f),
            Err(_) => f.write_str("..."),
        }
    }
}

/// What `Display` makes of an outcome: the cap is no error there, as a formatter has no other.
fn shown(outcome: Printed, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match outcome {
        Ok(()) => Ok(()),
        Err(PrintError::Cap) => f.write_str("..."),
        Err(PrintError::Writer) => Err(fmt::Error),
    }
}

/// What the methods with a cap of the caller make of an outcome.
fn error(stop: PrintError) -> Error {
    match stop {
        PrintError::Cap => Error::plain(ErrorKind::Budget),
        PrintError::Writer => Error::message("the writer failed"),
    }
}
