//! The words of tagged JSON: strings, floats, base64; written, or only counted.
//!
//! A text that may not fit its budget is counted before it is written, and both have to come to the same number of
//! bytes. So there is one writer over a [`JsonSink`], of which one kind keeps the bytes and the other adds up their
//! lengths; no length is computed anywhere beside.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json;
use crate::wire::float::{FloatText, write_float};

/// Where JSON goes: into a buffer, or into a count.
pub(super) trait JsonSink {
    /// Takes bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    /// Takes bytes as base64 with padding.
    fn base64(&mut self, bytes: &[u8]);

    /// Bytes so far.
    fn len(&self) -> usize;
}

impl JsonSink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn base64(&mut self, bytes: &[u8]) {
        // Whole groups of three at a time need no memory beside the buffer.
        for group in bytes.chunks(3 * 256) {
            let mut text = [0; 4 * 256];
            // The room is four bytes for each three, so it always suffices.
            let len = STANDARD.encode_slice(group, &mut text).unwrap_or_default();
            self.extend_from_slice(text.get(..len).unwrap_or_default());
        }
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}

/// Counts what would be written.
#[derive(Debug, Default)]
pub(super) struct Count(usize);

impl JsonSink for Count {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len().div_ceil(3).saturating_mul(4));
    }

    fn len(&self) -> usize {
        self.0
    }
}

/// Lets `write!` write into a sink.
pub(super) struct Formatted<'s, S>(pub(super) &'s mut S);

impl<S: JsonSink> Write for Formatted<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }
}

/// Writes what `Display` gives, which is ASCII without quotes.
pub(super) fn display(value: impl fmt::Display, sink: &mut impl JsonSink) {
    // A sink takes everything, so the formatter has nothing to report.
    let _done = write!(Formatted(sink), "{value}");
}

/// Writes a quoted string.
pub(super) fn string(text: &str, sink: &mut impl JsonSink) {
    sink.put(b"\"");
    json::escape(text, &mut |piece| sink.put(piece.as_bytes()));
    sink.put(b"\"");
}

/// Writes a float as Python's `json.dumps` does; the ones that JSON has no word for with a tag.
pub(super) fn float(value: f64, sink: &mut impl JsonSink) {
    if !value.is_finite() {
        return sink.put(match (value.is_nan(), value > 0.0) {
            (true, _) => b"{\"$float\":\"nan\"}",
            (_, true) => b"{\"$float\":\"inf\"}",
            (_, false) => b"{\"$float\":\"-inf\"}",
        });
    }
    let mut text = FloatText::default();
    // The longest float fits.
    let _done = write_float(value, &mut text);
    sink.put(text.as_str().as_bytes());
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn float_rows() {
        // Expected values are those of `json.dumps`.
        let rows: &[(f64, &str)] = &[
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e15, "1000000000000000.0"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-2.5e-10, "-2.5e-10"),
            (123_456_789.125, "123456789.125"),
            (f64::NAN, "{\"$float\":\"nan\"}"),
            (f64::INFINITY, "{\"$float\":\"inf\"}"),
            (f64::NEG_INFINITY, "{\"$float\":\"-inf\"}"),
        ];
        for (value, expected) in rows {
            let (mut out, mut count) = (Vec::new(), Count::default());
            float(*value, &mut out);
            float(*value, &mut count);
            assert_eq!(String::from_utf8(out).unwrap(), *expected);
            assert_eq!(count.len(), expected.len());
        }
    }

    #[test]
    fn strings_are_counted_as_they_are_written() {
        for text in ["", "plain é 😀", "\"\\/\n\u{1b}\u{85}", "a\u{2028}b\u{202e} more than sixteen bytes"]
        {
            let (mut out, mut count) = (Vec::new(), Count::default());
            string(text, &mut out);
            string(text, &mut count);
            assert_eq!(count.len(), out.len());
        }
    }

    #[test]
    fn base64_is_whole_over_batches() {
        for len in [0, 1, 2, 3, 767, 768, 769, 5000] {
            let bytes: Vec<u8> = (0..len).map(|place: u32| place.to_le_bytes()[0]).collect();
            let (mut out, mut count) = (Vec::new(), Count::default());
            out.base64(&bytes);
            count.base64(&bytes);
            assert_eq!(out, STANDARD.encode(&bytes).into_bytes());
            assert_eq!(count.len(), out.len());
        }
    }
}
