//! Python's `repr`, `str` and `ascii` of documents and values, as CPython prints them.
//!
//! The walk keeps its own stack, so depth costs memory and no recursion; every place where an
//! object stands is printed, and what is printed is counted against a cap.

mod known;
mod printable;
mod scalar;
mod tree;

use core::fmt;

use crate::document::{Document, NodeRef};
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};
#[cfg(feature = "serde")]
pub(crate) use known::uuid;
pub(crate) use scalar::MAX_DECIMAL_BITS;
pub(crate) use scalar::write_float;
use tree::{DocumentTree, Piece, Tree, ValueTree};

/// How much `Display` prints of one value before it ends with `...`: 64 MiB.
const DISPLAY_CAP: usize = 64 << 20;

macro_rules! methods {
    ($tree:expr, $root:expr) => {
        /// Writes Python's `repr`: what `%r` gives.
        ///
        /// An integer of more than 4,300 digits, which CPython refuses to print, is written in
        /// hexadecimal. An object of a class that has no reading is written as
        /// `<module.Name object ...>` with what the pickle says about it.
        ///
        /// # Errors
        /// `budget` if it is longer than `max_len` bytes, which have then been written; `data` if
        /// the writer fails.
        pub fn py_repr(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
            print($tree(self), $root(self), out, max_len, false).map_err(Error::from)
        }

        /// Writes Python's `str`: what `%s` gives. Text stands as it is, with U+FFFD for each lone
        /// surrogate; everything else is as in [`py_repr`](Self::py_repr), but for the few types
        /// that have a `str` of their own.
        ///
        /// # Errors
        /// As [`py_repr`](Self::py_repr).
        pub fn py_str(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
            print_str($tree(self), $root(self), out, max_len).map_err(Error::from)
        }

        /// Writes Python's `ascii`: what `%a` gives, the `repr` with all other characters escaped.
        ///
        /// # Errors
        /// As [`py_repr`](Self::py_repr).
        pub fn py_ascii(&self, out: &mut (impl fmt::Write + ?Sized), max_len: usize) -> Result<()> {
            print($tree(self), $root(self), out, max_len, true).map_err(Error::from)
        }
    };
}

impl NodeRef<'_, '_> {
    methods!(document_tree, node_root);
}

impl Value<'_> {
    methods!(value_tree, value_root);
}

fn document_tree<'d, 'a>(node: &NodeRef<'d, 'a>) -> DocumentTree<'d, 'a> {
    DocumentTree::new(node.document)
}

const fn node_root(node: &NodeRef<'_, '_>) -> crate::NodeId {
    node.id
}

fn value_tree<'v, 'a>(_: &'v Value<'a>) -> ValueTree<'v, 'a> {
    ValueTree::new()
}

const fn value_root<'v, 'a>(value: &'v Value<'a>) -> Piece<'v, 'a> {
    Piece::Value(value)
}

/// Python's `repr`, at most 64 MiB of it, then `...`.
impl fmt::Display for NodeRef<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(print(document_tree(self), self.id, f, DISPLAY_CAP, false), f)
    }
}

/// The root's `repr`, at most 64 MiB of it, then `...`.
impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root(), f)
    }
}

/// Python's `repr`, at most 64 MiB of it, then `...`.
///
/// ```
/// use pickle_codec::Value;
/// let value = Value::tuple([Value::from("it's"), Value::from(1e16)]);
/// assert_eq!(value.to_string(), "(\"it's\", 1e+16)");
/// ```
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(print(value_tree(self), Piece::Value(self), f, DISPLAY_CAP, false), f)
    }
}

fn shown(outcome: core::result::Result<(), Stop>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match outcome {
        Ok(()) => Ok(()),
        Err(Stop::Cap) => f.write_str("..."),
        Err(Stop::Writer) => Err(fmt::Error),
    }
}

/// Why printing ended early.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Cap,
    Writer,
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cap => Self::plain(ErrorKind::Budget),
            Stop::Writer => Self::message("the writer failed"),
        }
    }
}

/// A writer that counts.
pub(crate) struct Printer<'w, W: ?Sized> {
    out: &'w mut W,
    left: usize,
    /// Whether all that is not ASCII is escaped.
    ascii: bool,
}

impl<W: fmt::Write + ?Sized> Printer<'_, W> {
    fn write(&mut self, text: &str) -> core::result::Result<(), Stop> {
        if text.len() <= self.left {
            self.left -= text.len();
            return self.out.write_str(text).map_err(|_| Stop::Writer);
        }
        let mut end = self.left;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.left = 0;
        self.out.write_str(text.get(..end).unwrap_or_default()).map_err(|_| Stop::Writer)?;
        Err(Stop::Cap)
    }
}

/// Formatted output ends at the cap like any other; the caller looks at `left` to tell why.
impl<W: fmt::Write + ?Sized> fmt::Write for Printer<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text).map_err(|_| fmt::Error)
    }
}

fn print<T: Tree, W: fmt::Write + ?Sized>(
    mut tree: T,
    root: T::Id,
    out: &mut W,
    max_len: usize,
    ascii: bool,
) -> core::result::Result<(), Stop> {
    tree::walk(&mut tree, root, &mut Printer { out, left: max_len, ascii })
}

fn print_str<T: Tree, W: fmt::Write + ?Sized>(
    mut tree: T,
    root: T::Id,
    out: &mut W,
    max_len: usize,
) -> core::result::Result<(), Stop> {
    tree::walk_str(&mut tree, root, &mut Printer { out, left: max_len, ascii: false })
}
