//! A cursor over the opcodes that flat records are made of. Each reader gives `None` at anything
//! else: that is no error, but a reason to read the pickle another way.

use alloc::borrow::Cow;

use super::code;
use crate::value::Value;

/// What is left of a pickle.
///
/// ```
/// use pickle_codec::direct::{Cursor, Scalar};
/// let mut cursor = Cursor::new(b"K\x07I01\n.");
/// let opcode = cursor.byte();
/// assert_eq!(opcode.and_then(|opcode| cursor.int(opcode)), Some(7));
/// assert_eq!(cursor.byte(), Some(b'I'));
/// assert_eq!(cursor.int_line(), Some(Scalar::Bool(true)));
/// assert_eq!(cursor.rest, b".");
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "what is left says all that there is")]
pub struct Cursor<'a> {
    /// The bytes that have not been read.
    pub rest: &'a [u8],
}

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "these are all that a direct reader takes for one value")]
pub enum Scalar<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text that stands in the pickle.
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    /// The same as a [`Value`].
    #[inline]
    #[must_use]
    pub const fn into_value(self) -> Value<'a> {
        match self {
            Self::None => Value::None,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(number) => Value::Int(number),
            Self::Float(number) => Value::Float(number),
            Self::Text(text) => Value::Str(Cow::Borrowed(text)),
        }
    }
}

/// No text integer of this many digits overflows an `i64`.
const SAFE_DIGITS: usize = 18;

impl<'a> Cursor<'a> {
    /// A cursor at the start of a pickle, or of what is left of one.
    #[inline(always)]
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// Passes over exactly these bytes.
    #[inline(always)]
    pub fn exactly<const N: usize>(&mut self, wanted: &[u8; N]) -> Option<()> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        if head != wanted {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// The next byte, such as an opcode.
    #[inline(always)]
    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// An argument of fixed size.
    #[inline(always)]
    pub fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(chunk)
    }

    /// So many bytes.
    #[inline(always)]
    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    pub fn counted(&mut self, len: u32) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len as usize)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The argument of BINUNICODE.
    #[inline(always)]
    pub fn text4(&mut self) -> Option<&'a str> {
        let len = u32::from_le_bytes(*self.chunk::<4>()?);
        core::str::from_utf8(self.counted(len)?).ok()
    }

    /// The argument of BINFLOAT.
    #[inline(always)]
    pub fn float8(&mut self) -> Option<f64> {
        Some(f64::from_be_bytes(*self.chunk::<8>()?))
    }

    /// The argument of LONG, where it is short and canonical.
    #[inline(always)]
    fn long_line(&mut self) -> Option<i64> {
        self.decimal_line::<2>(b"L\n")
    }

    /// Digits and what ends them.
    #[inline(always)]
    fn decimal_line<const N: usize>(&mut self, end: &[u8; N]) -> Option<i64> {
        let mut value = 0_i64;
        let mut len = 0;
        for byte in self.rest.iter().take(SAFE_DIGITS + 1) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            len += 1;
        }
        // Leading zeros are for the decoder to judge.
        if len == 0 || len > SAFE_DIGITS || (len > 1 && self.rest.first() == Some(&b'0')) {
            return None;
        }
        let (found, rest) = self.rest.get(len..)?.split_first_chunk::<N>()?;
        if found != end {
            return None;
        }
        self.rest = rest;
        Some(value)
    }

    /// An integer by its opcode.
    #[inline(always)]
    pub fn int(&mut self, opcode: u8) -> Option<i64> {
        Some(match opcode {
            code::BININT1 => i64::from(self.byte()?),
            code::BININT2 => i64::from(u16::from_le_bytes(*self.chunk::<2>()?)),
            code::BININT => i64::from(i32::from_le_bytes(*self.chunk::<4>()?)),
            code::LONG => self.long_line()?,
            _ => return None,
        })
    }

    /// The argument of INT, which has two spellings for the bools.
    #[inline]
    pub fn int_line(&mut self) -> Option<Scalar<'static>> {
        if let Some((head, rest)) = self.rest.split_first_chunk::<3>()
            && let b"01\n" | b"00\n" = head
        {
            self.rest = rest;
            return Some(Scalar::Bool(head == b"01\n"));
        }
        Some(Scalar::Int(self.decimal_line::<1>(b"\n")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_integers() {
        let rows: &[(&[u8], Option<i64>)] = &[
            (b"140141592653589L\n", Some(140_141_592_653_589)),
            (b"0L\n", Some(0)),
            (b"999999999999999999L\n", Some(999_999_999_999_999_999)),
            (b"1000000000000000000L\n", None),
            (b"00L\n", None),
            (b"07L\n", None),
            (b"-7L\n", None),
            (b"7\n", None),
            (b"L\n", None),
            (b"7L", None),
            (b"", None),
        ];
        for (line, expected) in rows {
            assert_eq!(Cursor::new(line).long_line(), *expected, "{}", line.escape_ascii());
        }
    }
}
