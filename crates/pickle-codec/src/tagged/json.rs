//! JSON's words: strings, floats, base64; written, or only counted.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Where JSON goes: into a buffer, or into a count.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn base64(&mut self, bytes: &[u8]);

    /// Bytes so far.
    fn len(&self) -> usize;
}

impl Sink for Vec<u8> {
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

impl Sink for Count {
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

impl<S: Sink> Write for Formatted<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }
}

/// Writes what `Display` gives, which is ASCII without quotes.
pub(super) fn display(value: impl fmt::Display, sink: &mut impl Sink) {
    // A sink takes everything, so the formatter has nothing to report.
    let _done = write!(Formatted(sink), "{value}");
}

/// Writes a quoted string.
pub(super) fn string(text: &str, sink: &mut impl Sink) {
    sink.put(b"\"");
    escaped(text, sink);
    sink.put(b"\"");
}

/// Bytes that may have to be escaped: controls, quote, backslash, DEL, and the first bytes of C1
/// controls and of U+2028 and U+2029.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[0x22] = true;
    table[0x5c] = true;
    table[0x7f] = true;
    table[0xc2] = true;
    table[0xe2] = true;
    table
};

/// Writes the inside of a string.
pub(super) fn escaped(text: &str, sink: &mut impl Sink) {
    let bytes = text.as_bytes();
    let mut from = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if !SPECIAL[usize::from(byte)] {
            continue;
        }
        let (len, escape): (usize, &[u8]) = match byte {
            b'"' => (1, b"\\\""),
            b'\\' => (1, b"\\\\"),
            b'\n' => (1, b"\\n"),
            b'\r' => (1, b"\\r"),
            b'\t' => (1, b"\\t"),
            8 => (1, b"\\b"),
            12 => (1, b"\\f"),
            0xc2 => match bytes.get(at) {
                Some(0x80..=0x9f) => (2, b""),
                _ => continue,
            },
            0xe2 => match bytes.get(at..at + 2) {
                Some([0x80, 0xa8]) => (3, b"\\u2028"),
                Some([0x80, 0xa9]) => (3, b"\\u2029"),
                _ => continue,
            },
            _ => (1, b""),
        };
        sink.put(bytes.get(from..at - 1).unwrap_or_default());
        if escape.is_empty() {
            let point = if len == 2 { bytes.get(at).copied().unwrap_or_default() } else { byte };
            let hex = |digit: u8| b"0123456789abcdef".get(usize::from(digit)).copied().unwrap_or(b'0');
            sink.put(&[b'\\', b'u', b'0', b'0', hex(point >> 4), hex(point & 15)]);
        } else {
            sink.put(escape);
        }
        at += len - 1;
        from = at;
    }
    sink.put(bytes.get(from..).unwrap_or_default());
}

/// Text on the stack, for floats: the longest is 24 bytes.
#[derive(Default)]
struct Short {
    bytes: [u8; 32],
    len: usize,
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// Writes a float as Python's `json.dumps` does; the ones that JSON has no word for with a tag.
pub(super) fn float(value: f64, sink: &mut impl Sink) {
    if !value.is_finite() {
        return sink.put(match (value.is_nan(), value > 0.0) {
            (true, _) => b"{\"$float\":\"nan\"}",
            (_, true) => b"{\"$float\":\"inf\"}",
            (_, false) => b"{\"$float\":\"-inf\"}",
        });
    }
    let mut short = Short::default();
    // The longest float fits.
    let _done = crate::repr::write_float(value, &mut short);
    sink.put(short.bytes.get(..short.len).unwrap_or_default());
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
    fn string_rows() {
        let rows: &[(&str, &str)] = &[
            ("", r#""""#),
            ("plain é 😀", r#""plain é 😀""#),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#),
            ("\0\u{1b}\u{7f}", r#""\u0000\u001b\u007f""#),
            ("\u{80}\u{85}\u{9f}\u{a0}", "\"\\u0080\\u0085\\u009f\u{a0}\""),
            ("a\u{2028}b\u{2029}\u{2027}", "\"a\\u2028b\\u2029\u{2027}\""),
            ("Â", "\"Â\""),
        ];
        for (text, expected) in rows {
            let (mut out, mut count) = (Vec::new(), Count::default());
            string(text, &mut out);
            string(text, &mut count);
            assert_eq!(String::from_utf8(out).unwrap(), *expected);
            assert_eq!(count.len(), expected.len());
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
