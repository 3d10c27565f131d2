//! Text as protocol 0 spells it: raw-unicode-escape, on a line of its own.
//!
//! Latin-1 characters stand as single bytes, all others as `\\uXXXX` or `\\UXXXXXXXX`. Beside these the C pickler escapes
//! what would end the line or mean an escape: line feed, carriage return, backslash, NUL and Control-Z, which ends
//! a text file on DOS (`raw_unicode_escape` in `Modules/_pickle.c`).

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
