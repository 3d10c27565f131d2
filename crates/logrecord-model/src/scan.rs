//! A cursor over the few opcodes that log records are made of. Each reader gives `None` at anything
//! else: that is no error, but a reason to read the payload another way.

use pickle_codec::Value;

/// What is left of a payload.
///
/// Checking many short strings for UTF-8 one by one costs more than all else, so a stretch of ASCII
/// (opcodes and lengths included) is checked at once and the strings are cut out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a [u8],
    /// A stretch of the payload that is known to be text.
    checked: &'a str,
    /// What was left of the payload where `checked` begins.
    checked_at: usize,
}

/// The pieces in which a stretch of ASCII is measured.
const PIECE: usize = 32;

/// No text integer of this many digits overflows an `i64`.
const SAFE_DIGITS: usize = 18;

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(crate) const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, checked: "", checked_at: payload.len() }
    }

    /// Passes over exactly these bytes.
    #[inline(always)]
    pub(crate) fn exactly<const N: usize>(&mut self, wanted: &[u8; N]) -> Option<()> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        if head != wanted {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    #[inline(always)]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(chunk)
    }

    #[inline(always)]
    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    pub(crate) fn counted(&mut self, len: u32) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len as usize)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The argument of BINUNICODE.
    #[inline(always)]
    pub(crate) fn text4(&mut self) -> Option<&'a str> {
        let len = u32::from_le_bytes(*self.chunk::<4>()?);
        self.text(len)
    }

    /// The argument of BINUNICODE, checked on its own.
    #[inline(always)]
    pub(crate) fn short_text4(&mut self) -> Option<&'a str> {
        let len = u32::from_le_bytes(*self.chunk::<4>()?);
        std::str::from_utf8(self.counted(len)?).ok()
    }

    /// The next bytes as text.
    #[inline(always)]
    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    pub(crate) fn text(&mut self, len: u32) -> Option<&'a str> {
        let len = len as usize;
        let start = self.checked_at - self.rest.len();
        if let Some(text) = self.checked.get(start..start.wrapping_add(len)) {
            let (_, rest) = self.rest.split_at_checked(len)?;
            self.rest = rest;
            return Some(text);
        }
        self.unchecked_text(len)
    }

    /// Text outside of the stretch that was checked; begins a new stretch where it is ASCII.
    #[inline(never)]
    fn unchecked_text(&mut self, len: usize) -> Option<&'a str> {
        let (text, rest) = self.rest.split_at_checked(len)?;
        let (pieces, _) = self.rest.as_chunks::<PIECE>();
        let ascii = PIECE * pieces.iter().take_while(|piece| piece.is_ascii()).count();
        let text = if ascii > len {
            self.checked = std::str::from_utf8(self.rest.get(..ascii)?).ok()?;
            self.checked_at = self.rest.len();
            self.checked.get(..len)?
        } else {
            std::str::from_utf8(text).ok()?
        };
        self.rest = rest;
        Some(text)
    }

    /// The argument of BINFLOAT.
    #[inline(always)]
    pub(crate) fn float8(&mut self) -> Option<f64> {
        Some(f64::from_be_bytes(*self.chunk::<8>()?))
    }

    /// The argument of LONG, where it is short and canonical.
    #[inline(always)]
    pub(crate) fn long_line(&mut self) -> Option<i64> {
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
    pub(crate) fn int(&mut self, opcode: u8) -> Option<i64> {
        Some(match opcode {
            b'K' => i64::from(self.byte()?),
            b'M' => i64::from(u16::from_le_bytes(*self.chunk::<2>()?)),
            b'J' => i64::from(i32::from_le_bytes(*self.chunk::<4>()?)),
            b'L' => self.long_line()?,
            _ => return None,
        })
    }

    /// The argument of INT, which has two spellings for the bools.
    #[inline]
    pub(crate) fn int_line(&mut self) -> Option<Value<'static>> {
        if let Some((head, rest)) = self.rest.split_first_chunk::<3>()
            && let b"01\n" | b"00\n" = head
        {
            self.rest = rest;
            return Some(Value::Bool(head == b"01\n"));
        }
        Some(Value::Int(self.decimal_line::<1>(b"\n")?))
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

    #[test]
    fn text_is_cut_out_of_checked_stretches() {
        let mut payload = vec![b'a'; 100];
        payload.extend_from_slice("é".as_bytes());
        payload.extend_from_slice(b"\xff");
        payload.extend_from_slice(&[b'b'; 70]);
        let mut cursor = Cursor::new(&payload);
        assert_eq!(cursor.text(3), Some("aaa"));
        assert_eq!(cursor.checked.len(), 96);
        assert_eq!(cursor.text(92), Some(&*"a".repeat(92)));
        assert_eq!(cursor.text(7), Some("aaaaaé"));
        assert_eq!(cursor.text(1), None);
        cursor.byte();
        assert_eq!(cursor.text(69), Some(&*"b".repeat(69)));
        assert_eq!(cursor.text(2), None);
        assert_eq!(cursor.text(u32::MAX), None);
        assert_eq!(cursor.text(1), Some("b"));
        assert_eq!(cursor.text(0), Some(""));
        assert_eq!(cursor.text(1), None);
    }
}
