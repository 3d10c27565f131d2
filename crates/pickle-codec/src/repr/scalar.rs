//! The `repr` of numbers, text and bytes.

use alloc::string::String;
use core::fmt::{self, Write};

use memchr::memchr;
use num_bigint::BigInt;

use super::printable::is_printable;
use super::printer::{Outcome, PrintError, Printer};
use crate::wire::float::{FloatText, write_float};
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

impl<W: Write + ?Sized> Printer<'_, W> {
    /// Writes what fits, and tells the cap from a writer that fails.
    pub(super) fn format(&mut self, arguments: fmt::Arguments<'_>) -> Outcome {
        let before = self.left;
        match Write::write_fmt(self, arguments) {
            Ok(()) => Ok(()),
            Err(_) if self.left == 0 && before > 0 => Err(PrintError::Cap),
            Err(_) if before == 0 => Err(PrintError::Cap),
            Err(_) => Err(PrintError::Writer),
        }
    }

    pub(super) fn int(&mut self, value: i64) -> Outcome {
        self.format(format_args!("{value}"))
    }

    pub(super) fn float(&mut self, value: f64) -> Outcome {
        let mut buffer = FloatText::default();
        // The longest float fits the buffer.
        write_float(value, &mut buffer).map_err(|_| PrintError::Writer)?;
        self.write(buffer.as_str())
    }

    /// Decimal up to the digits that CPython prints, beyond that hexadecimal, which is linear.
    pub(super) fn big(&mut self, value: &BigInt) -> Outcome {
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

    /// Text in quotes.
    pub(super) fn text(&mut self, text: Str<'_>) -> Outcome {
        let bytes = text.as_bytes();
        let quote = if memchr(b'\'', bytes).is_some() && memchr(b'"', bytes).is_none() { '"' } else { '\'' };
        self.write(if quote == '"' { "\"" } else { "'" })?;
        match text {
            Str::Utf8(text) => self.escaped(text, quote)?,
            Str::Wtf8(mut bytes) => loop {
                match core::str::from_utf8(bytes) {
                    Ok(text) => {
                        self.escaped(text, quote)?;
                        break;
                    }
                    Err(error) => {
                        let (valid, rest) = bytes.split_at(error.valid_up_to());
                        self.escaped(core::str::from_utf8(valid).unwrap_or_default(), quote)?;
                        let (surrogate, rest) = rest.split_at_checked(3).unwrap_or((rest, &[]));
                        for point in Str::Wtf8(surrogate).code_points() {
                            self.format(format_args!("\\u{point:04x}"))?;
                        }
                        bytes = rest;
                    }
                }
            },
        }
        self.write(if quote == '"' { "\"" } else { "'" })
    }

    /// Text with what Python escapes escaped; runs of plain characters are written as one.
    fn escaped(&mut self, text: &str, quote: char) -> Outcome {
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

    /// `b'...'`.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        self.quoted_bytes(bytes, false)
    }

    /// `bytearray(b'...')`, in which an apostrophe is escaped whatever the quotes are.
    pub(super) fn bytearray(&mut self, bytes: &[u8]) -> Outcome {
        self.write("bytearray(")?;
        self.quoted_bytes(bytes, true)?;
        self.write(")")
    }

    fn quoted_bytes(&mut self, bytes: &[u8], escape_apostrophe: bool) -> Outcome {
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
    pub(super) fn raw_text(&mut self, text: Str<'_>) -> Outcome {
        match text {
            Str::Utf8(text) => self.write(text),
            Str::Wtf8(_) => self.write(&text.to_string_lossy()),
        }
    }
}
