//! The `repr` of numbers, text and bytes.
//!
//! ```text
//! text        quotes are ' unless the text has ' and no "; the quote and \\ are escaped
//!             \n \r \t; \x1b, \u2028, \U000e0001 by the size of what is not printable (and in `ascii` not ASCII)
//! bytes       b'...' with the same quotes; \x for all that is not printable ASCII
//! bytearray   bytearray(b'...'), in which ' is escaped whatever the quotes are
//! float       the shortest digits that read back as the same float; inf, nan
//! int         decimal; hexadecimal beyond the 4,300 digits that CPython prints
//! ```
//!
//! Sources: `unicode_repr` in `Objects/unicodeobject.c`, `PyBytes_Repr` in `Objects/bytesobject.c`, `bytearray_repr`
//! in `Objects/bytearrayobject.c`, `float_repr` in `Objects/floatobject.c`.

use alloc::string::String;
use core::fmt::{self, Write};

use memchr::memchr;
use num_bigint::BigInt;

use super::printable::is_printable;
use super::printer::{PrintError, Printed, Printer};
use crate::document::Node;
use crate::wire::float::{FloatText, write_float};
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

impl<W: Write + ?Sized> Printer<'_, W> {
    /// Writes what fits, and tells the cap from a writer that fails: only the cap leaves nothing.
    fn format(&mut self, arguments: fmt::Arguments<'_>) -> Printed {
        Write::write_fmt(self, arguments)
            .map_err(|_| if self.left == 0 { PrintError::Cap } else { PrintError::Writer })
    }

    /// Prints what holds no other nodes.
    pub(super) fn scalar(&mut self, node: Node<'_, '_>) -> Printed {
        match node {
            Node::Bool(true) => self.write("True"),
            Node::Bool(false) => self.write("False"),
            Node::Int(value) => self.format(format_args!("{value}")),
            Node::BigInt(value) => self.big(&value.to_bigint()),
            Node::Float(value) => self.float(value),
            Node::Str(text) => self.text(text),
            Node::Bytes(bytes) => self.quoted_bytes(bytes, false),
            Node::ByteArray(bytes) => {
                self.write("bytearray(")?;
                self.quoted_bytes(bytes, true)?;
                self.write(")")
            }
            Node::Extension(code) => self.format(format_args!("<extension {code}>")),
            Node::Buffer(index, _) => self.format(format_args!("<buffer {index}>")),
            _ => self.write("None"),
        }
    }

    fn float(&mut self, value: f64) -> Printed {
        let mut buffer = FloatText::default();
        // The longest float fits the buffer.
        write_float(value, &mut buffer).map_err(|_| PrintError::Writer)?;
        self.write(buffer.as_str())
    }

    /// Decimal up to the digits that CPython prints, beyond that hexadecimal, which is linear.
    fn big(&mut self, value: &BigInt) -> Printed {
        if value.bits() <= MAX_DECIMAL_BITS {
            return self.write(&alloc::format!("{value}"));
        }
        if value.bits().div_ceil(4) > self.left as u64 {
            // Not worth the digits: the cap comes first.
            let sign = if value.sign() == num_bigint::Sign::Minus { "-0x..." } else { "0x..." };
            self.write(sign)?;
            return Err(PrintError::Cap);
        }
        self.write(&alloc::format!("{value:#x}"))
    }

    /// Text in quotes. A lone surrogate is `\\ud800`, as Python prints it; nothing of it could be written in UTF-8.
    pub(super) fn text(&mut self, text: Str<'_>) -> Printed {
        let bytes = text.as_bytes();
        let quote = if memchr(b'\'', bytes).is_some() && memchr(b'"', bytes).is_none() { '"' } else { '\'' };
        self.write(if quote == '"' { "\"" } else { "'" })?;
        match text {
            Str::Utf8(text) => self.escaped(text, quote)?,
            Str::Wtf8(_) => {
                for point in text.code_points() {
                    match char::from_u32(point) {
                        Some(character) => self.escaped(character.encode_utf8(&mut [0; 4]), quote)?,
                        None => self.format(format_args!("\\u{point:04x}"))?,
                    }
                }
            }
        }
        self.write(if quote == '"' { "\"" } else { "'" })
    }

    /// Text with what Python escapes escaped; runs of plain characters are written as one.
    fn escaped(&mut self, text: &str, quote: char) -> Printed {
        // No escape is shorter than what it stands for, so what is longer ends at the cap in any case.
        let mut end = self.left.saturating_add(1).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let mut start = 0;
        for (place, character) in text.char_indices() {
            let point = u32::from(character);
            let plain = match character {
                '\\' => false,
                ' '..='~' => character != quote,
                _ if self.ascii => false,
                _ => is_printable(point),
            };
            if plain {
                continue;
            }
            self.write(text.get(start..place).unwrap_or_default())?;
            start = place + character.len_utf8();
            match character {
                '\\' => self.write("\\\\")?,
                '\n' => self.write("\\n")?,
                '\r' => self.write("\\r")?,
                '\t' => self.write("\\t")?,
                '\'' => self.write("\\'")?,
                _ if point <= 0xff => self.format(format_args!("\\x{point:02x}"))?,
                _ if point <= 0xffff => self.format(format_args!("\\u{point:04x}"))?,
                _ => self.format(format_args!("\\U{point:08x}"))?,
            }
        }
        self.write(text.get(start..).unwrap_or_default())
    }

    /// `b'...'`; in that of a `bytearray` an apostrophe is escaped whatever the quotes are.
    ///
    /// Escapes are collected by 256 bytes at a time: a writer that is called for every byte costs more than the copy.
    fn quoted_bytes(&mut self, bytes: &[u8], escape_apostrophe: bool) -> Printed {
        let quote =
            if memchr(b'\'', bytes).is_some() && memchr(b'"', bytes).is_none() { b'"' } else { b'\'' };
        self.write(if quote == b'"' { "b\"" } else { "b'" })?;
        let mut run = String::new();
        for chunk in bytes.chunks(256) {
            run.clear();
            for &byte in chunk {
                match byte {
                    b'\\' => run.push_str("\\\\"),
                    b'\n' => run.push_str("\\n"),
                    b'\r' => run.push_str("\\r"),
                    b'\t' => run.push_str("\\t"),
                    _ if byte == quote || byte == b'\'' && escape_apostrophe => {
                        run.extend(['\\', char::from(byte)]);
                    }
                    b' '..=b'~' => run.push(char::from(byte)),
                    _ => {
                        let digit = |value| char::from_digit(u32::from(value), 16).unwrap_or('0');
                        run.extend(['\\', 'x', digit(byte >> 4), digit(byte & 15)]);
                    }
                }
            }
            self.write(&run)?;
        }
        self.write(if quote == b'"' { "\"" } else { "'" })
    }

    /// Text as it is, with U+FFFD for each lone surrogate.
    pub(super) fn raw_text(&mut self, text: Str<'_>) -> Printed {
        match text {
            Str::Utf8(text) => self.write(text),
            Str::Wtf8(_) => self.write(&text.to_string_lossy()),
        }
    }
}
