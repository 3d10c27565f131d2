//! Values without parts: None, bools, numbers. None of them gets a memo entry.
//!
//! ```text
//!            protocol 0        1               2 and up
//! None       N                 N               N
//! bool       I00, I01          I00, I01        89, 88
//! 0..=255    I decimal         K u8            K u8
//! ..=65535   I decimal         M u16           M u16
//! 32 bits    I decimal         J i32           J i32        (all that are negative, too)
//! larger     L decimal L       L decimal L     8a u8 length, 8b i32 length; two's complement
//! float      F repr            G, 8 bytes big-endian, the bits of a NaN as they are
//! ```
//!
//! Source: `save_long` and `save_float` in `Modules/_pickle.c`. An integer of more than 4,300 digits has no
//! form below protocol 2: CPython refuses to print it.

use alloc::string::String;

use super::{Spelling, Writer, misuse};
use crate::encode::open::NO_MEMO;
use crate::encode::sink::Sink;
use crate::limits::MAX_INT_DIGITS;
use crate::wire::error::Result;
use crate::wire::float::write_float;
use crate::wire::number;
use crate::wire::protocol::Protocol;

impl<'v, S: Sink<'v>> Writer<'v, S> {
    #[inline]
    pub(crate) fn none(&mut self) -> Result<()> {
        if self.short_item([b'N'], 1, NO_MEMO) { Ok(()) } else { self.none_anywhere() }
    }

    #[cold]
    fn none_anywhere(&mut self) -> Result<()> {
        self.item()?;
        self.emit(*b"N");
        self.last = NO_MEMO;
        Ok(())
    }

    #[inline]
    pub(crate) fn bool(&mut self, value: bool) -> Result<()> {
        let code = if value { 0x88 } else { 0x89 };
        if self.protocol >= Protocol::V2 && self.short_item([code], 1, NO_MEMO) {
            return Ok(());
        }
        self.bool_anywhere(value)
    }

    #[cold]
    fn bool_anywhere(&mut self, value: bool) -> Result<()> {
        self.item()?;
        self.last = NO_MEMO;
        match (self.protocol, value) {
            (Protocol::V0 | Protocol::V1, false) => self.emit(*b"I00\n"),
            (Protocol::V0 | Protocol::V1, true) => self.emit(*b"I01\n"),
            (_, false) => self.emit([0x89]),
            (_, true) => self.emit([0x88]),
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn int(&mut self, value: i64) -> Result<()> {
        if self.style != Spelling::Text
            && let Ok(value) = i32::try_from(value)
        {
            let (code, len) = match value {
                0..=0xff => (b'K', 2),
                0x100..=0xffff => (b'M', 3),
                _ => (b'J', 5),
            };
            let bytes = u64::from(value.cast_unsigned()) << 8 | u64::from(code);
            if self.short_item(bytes.to_le_bytes(), len, NO_MEMO) {
                return Ok(());
            }
        }
        self.int_anywhere(value)
    }

    #[inline(never)]
    fn int_anywhere(&mut self, value: i64) -> Result<()> {
        self.item()?;
        self.last = NO_MEMO;
        match i32::try_from(value) {
            Ok(value) if self.style != Spelling::Text => {
                let [b0, b1, b2, b3] = value.to_le_bytes();
                match value {
                    0..=0xff => self.emit([b'K', b0]),
                    0x100..=0xffff => self.emit([b'M', b0, b1]),
                    _ => self.emit([b'J', b0, b1, b2, b3]),
                }
            }
            Ok(_) => self.int_line(value, b"I", b"\n"),
            Err(_) if self.protocol <= Protocol::V1 => self.int_line(value, b"L", b"L\n"),
            Err(_) => {
                let bytes = value.to_le_bytes();
                self.long_bytes(number::minimal(&bytes))?;
            }
        }
        Ok(())
    }

    /// An integer as a line of text.
    fn int_line(&mut self, value: i64, head: &[u8], tail: &[u8]) {
        self.emit_slice(head);
        self.emit_slice(itoa::Buffer::new().format(value).as_bytes());
        self.emit_slice(tail);
    }

    /// An integer as little-endian two's complement of any length.
    pub(crate) fn int_le(&mut self, bytes: &[u8]) -> Result<()> {
        let bytes = number::minimal(bytes);
        if let Some(value) = number::small(bytes) {
            return self.int(value);
        }
        if self.protocol <= Protocol::V1 {
            // CPython refuses, too: the conversion takes quadratic time.
            let digits = if bytes.len() > MAX_INT_DIGITS {
                String::new()
            } else {
                alloc::format!("{}", number::big(bytes))
            };
            let len = digits.strip_prefix('-').unwrap_or(&digits).len();
            if len == 0 || len > MAX_INT_DIGITS {
                return Err(misuse("an integer of more than 4300 digits has no text form"));
            }
            self.item()?;
            self.emit(*b"L");
            self.emit_slice(digits.as_bytes());
            self.emit(*b"L\n");
        } else {
            self.item()?;
            self.long_bytes(bytes)?;
        }
        self.last = NO_MEMO;
        Ok(())
    }

    /// LONG1 or LONG4.
    fn long_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.emit([0x8a, len]);
        } else {
            let Ok(len) = i32::try_from(bytes.len()) else {
                return Err(misuse("an integer of 2 GiB or more cannot be pickled"));
            };
            let [b0, b1, b2, b3] = len.to_le_bytes();
            self.emit([0x8b, b0, b1, b2, b3]);
        }
        self.emit_slice(bytes);
        Ok(())
    }

    #[inline]
    pub(crate) fn float(&mut self, value: f64) -> Result<()> {
        let mut bytes = [b'G'; 9];
        bytes[1..].copy_from_slice(&value.to_be_bytes());
        if self.style != Spelling::Text && self.short_item(bytes, 9, NO_MEMO) {
            return Ok(());
        }
        self.float_anywhere(value)
    }

    #[cold]
    fn float_anywhere(&mut self, value: f64) -> Result<()> {
        self.item()?;
        self.last = NO_MEMO;
        if self.style == Spelling::Text {
            self.float_line(value);
        } else {
            let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_be_bytes();
            self.emit([b'G', b0, b1, b2, b3, b4, b5, b6, b7]);
        }
        Ok(())
    }

    #[cold]
    fn float_line(&mut self, value: f64) {
        let mut text = String::from("F");
        // A `String` takes every write.
        let _done = write_float(value, &mut text);
        text.push('\n');
        self.emit_slice(text.as_bytes());
    }
}
