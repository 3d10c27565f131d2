//! JSON's strings, with every escape that JSON has; a lone surrogate among them makes WTF-8.
//!
//! Python's `json` writes a text with lone surrogates as `"\\ud83d"`, which no UTF-8 can hold, and reads it back.
//! So does this reader: two escapes that make a pair are one character, any other surrogate stays alone. A string
//! without escapes is borrowed; the first escape starts a copy.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::{JsonReader, Parsed};
use crate::wire::text::push_code_point;

impl<'a> JsonReader<'a> {
    /// The inside of a string, from the quote on; WTF-8 if it has escaped surrogates.
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let mut owned: Option<Vec<u8>> = None;
        let mut from = self.at;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let plain = plain.ok_or("a string does not end")?;
            self.at += plain;
            let piece = bytes.get(from..self.at).unwrap_or_default();
            match rest.get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(piece),
                        Some(mut owned) => {
                            owned.extend_from_slice(piece);
                            Cow::Owned(owned)
                        }
                    });
                }
                Some(b'\\') => {
                    let out = owned.get_or_insert_default();
                    out.extend_from_slice(piece);
                    self.at += 1;
                    let point = self.escape()?;
                    // Every escape is a code point below 0x110000.
                    push_code_point(point, owned.get_or_insert_default())?;
                    from = self.at;
                }
                _ => return Err("a control character in a string".into()),
            }
        }
    }

    /// The code point of an escape, behind the backslash.
    fn escape(&mut self) -> Parsed<u32> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        Ok(u32::from(match byte {
            Some(plain @ (b'"' | b'\\' | b'/')) => plain,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let high = self.four_digits()?;
                if !(0xd800..0xdc00).contains(&high) || !self.rest().starts_with("\\u") {
                    return Ok(high);
                }
                let back = self.at;
                self.at += 2;
                let low = self.four_digits()?;
                if (0xdc00..0xe000).contains(&low) {
                    return Ok(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                }
                self.at = back;
                return Ok(high);
            }
            _ => {
                self.at -= 1;
                return Err("not an escape".into());
            }
        }))
    }

    /// The four hexadecimal digits of `\\u`.
    fn four_digits(&mut self) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let point = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or("not an escape")?;
        self.at += 4;
        Ok(point)
    }
}
