//! The writer under every `repr`: it counts what it writes against a cap.
//!
//! What fits the cap is written, and cut at a character, so that a reader sees how a long text begins. The caller
//! says what follows then: `Display` writes `...`, [`py_repr`](crate::NodeRef::py_repr) gives an error. Nothing is written
//! behind the cut, not even the quote that was opened.

use core::fmt;

/// Why printing ended early.
#[derive(Clone, Copy, Debug)]
pub(super) enum PrintError {
    /// More was to be printed than the cap allows.
    Cap,
    /// The writer below failed.
    Writer,
}

pub(super) type Printed = Result<(), PrintError>;

/// A writer that counts.
pub(super) struct Printer<'w, W: ?Sized> {
    pub(super) out: &'w mut W,
    /// Bytes that may still be written; 0 after the cut.
    pub(super) left: usize,
    /// Whether all that is not ASCII is escaped.
    pub(super) ascii: bool,
}

impl<W: fmt::Write + ?Sized> Printer<'_, W> {
    /// Writes text, or as much of it as the cap allows.
    pub(super) fn write(&mut self, text: &str) -> Printed {
        if text.len() <= self.left {
            self.left -= text.len();
            return self.out.write_str(text).map_err(|_| PrintError::Writer);
        }
        let mut end = self.left;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.left = 0;
        self.out.write_str(text.get(..end).unwrap_or_default()).map_err(|_| PrintError::Writer)?;
        Err(PrintError::Cap)
    }
}

/// Formatted output ends at the cap like any other; the caller looks at `left` to tell why.
impl<W: fmt::Write + ?Sized> fmt::Write for Printer<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text).map_err(|_| fmt::Error)
    }
}
