//! The text forms of protocols 0 and 1: decimal integers, `repr` of floats, raw-unicode-escape.

use alloc::string::String;

/// "00" to "99".
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// A decimal number on the stack.
pub(crate) struct Decimal {
    buffer: [u8; 20],
    start: usize,
}

impl Decimal {
    #[inline]
    pub(crate) fn new(value: i64) -> Self {
        let mut decimal = Self { buffer: [0; 20], start: 20 };
        let mut rest = value.unsigned_abs();
        while rest >= 100 {
            decimal.push(PAIRS[(rest % 100) as usize]);
            rest /= 100;
        }
        decimal.push(PAIRS[(rest % 100) as usize]);
        if rest < 10 {
            decimal.start += 1;
        }
        if value < 0 {
            // Nineteen digits at most leave a place for the sign.
            decimal.start = decimal.start.saturating_sub(1);
            if let Some(place) = decimal.buffer.get_mut(decimal.start) {
                *place = b'-';
            }
        }
        decimal
    }

    #[inline]
    fn push(&mut self, pair: [u8; 2]) {
        self.start = self.start.saturating_sub(2);
        if let Some(place) = self.buffer.get_mut(self.start..).and_then(<[u8]>::first_chunk_mut) {
            *place = pair;
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}

/// `repr(value)` as CPython prints it.
pub(crate) fn float_repr(value: f64, out: &mut String) {
    let written = crate::wire::float::write_float(value, out);
    debug_assert!(written.is_ok(), "a String takes every write");
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// One code point as the argument of UNICODE has it. Gives the bytes and how many they are.
pub(crate) fn escape(point: u32) -> ([u8; 10], usize) {
    let mut out = [0; 10];
    let digits = match point {
        0x1_0000.. => 8,
        0x100.. | 0 | 0x0a | 0x0d | 0x1a | 0x5c => 4,
        _ => {
            let [low, ..] = point.to_le_bytes();
            out[0] = low;
            return (out, 1);
        }
    };
    out[0] = b'\\';
    out[1] = if digits == 8 { b'U' } else { b'u' };
    for place in 0..digits {
        let nibble = (point >> (4 * (digits - 1 - place))) & 15;
        out[place as usize + 2] = HEX[nibble as usize];
    }
    (out, digits as usize + 2)
}

/// Whether text stands in a UNICODE line as it is.
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii() && !matches!(byte, 0 | 0x0a | 0x0d | 0x1a | 0x5c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_rows() {
        for value in [0, 7, -7, 10, 99, 100, -100, 12_345, i64::MAX, i64::MIN, 140_735_191_873_280] {
            assert_eq!(Decimal::new(value).as_bytes(), alloc::format!("{value}").as_bytes());
        }
    }

    #[test]
    fn escape_rows() {
        let rows: &[(u32, &[u8])] = &[
            (0x61, b"a"),
            (0xe9, b"\xe9"),
            (0x0a, b"\\u000a"),
            (0x5c, b"\\u005c"),
            (0x20ac, b"\\u20ac"),
            (0xd800, b"\\ud800"),
            (0x1f600, b"\\U0001f600"),
        ];
        for (point, expected) in rows {
            let (bytes, len) = escape(*point);
            assert_eq!(&bytes[..len], *expected);
        }
    }
}
