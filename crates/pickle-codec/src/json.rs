//! JSON strings in which nothing can break a line, move a cursor or reverse the reading order.
//!
//! Beside what JSON demands, DEL, the C1 controls, the line and paragraph separators and the
//! bidirectional controls are written as `\uXXXX`: a value that came over a network then cannot
//! forge a line of a log, steer a terminal or disguise a name. All other characters stay as they are.
//! Everything in this workspace that writes JSON by hand writes its strings here.
//!
//! Most text needs no escape, so the scan for the first character that does is what costs time. It
//! goes by blocks:
//!
//! 1. Text of up to 16 bytes, such as a key, is tested as one or two machine words.
//! 2. Longer text is tested 16 bytes at a time, which the compiler turns into vector code; its last 16 bytes are tested
//!    as a whole, so that no byte is looked at alone.
//! 3. Only a block with a suspicious byte is looked at byte by byte.
//!
//! Knows nothing else of this crate.

use alloc::vec::Vec;

/// Writes text as a JSON string, with its quotes, at the end of a buffer.
///
/// ```
/// let mut line = Vec::new();
/// pickle_codec::json::write_string("eve\n\u{202e}ünï", &mut line);
/// assert_eq!(line, "\"eve\\n\\u202eünï\"".as_bytes());
/// ```
#[inline]
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Writes what stands between the quotes of a JSON string; else as [`write_string`].
#[inline]
pub fn write_escaped(text: &str, out: &mut Vec<u8>) {
    escape(text, &mut |piece| out.extend_from_slice(piece.as_bytes()));
}

/// Whether a character can end a line, steer a terminal or change the direction of writing: C0 and C1
/// controls, DEL, U+2028 and U+2029, and the bidirectional controls of Unicode (`Bidi_Control`).
///
/// These are the characters that [`write_string`] escapes, beside `"` and `\`.
#[must_use]
pub const fn is_unsafe(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// Hands text over in pieces: those that stay as they are, and escapes.
#[inline]
pub(crate) fn escape(text: &str, put: &mut impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let plain = match bytes.last_chunk::<16>() {
        Some(end) => {
            !bytes.chunks_exact(16).filter_map(<[u8]>::first_chunk).any(is_suspicious) && !is_suspicious(end)
        }
        None => is_plain_short(bytes),
    };
    if plain {
        return put(text);
    }
    escape_long(text, put);
}

/// Escapes text by blocks of 16 bytes.
fn escape_long(text: &str, put: &mut impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut plain = 0;
    let mut at = 0;
    loop {
        while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
            if is_suspicious(block) {
                break;
            }
            at += 16;
        }
        // Up to 16 bytes one by one, then the blocks again.
        let stop = bytes.len().min(at + 16);
        while at < stop {
            let rest = bytes.get(at..).unwrap_or_default();
            let len = escaped_len(rest);
            if len == 0 {
                at += 1;
                continue;
            }
            put(text.get(plain..at).unwrap_or_default());
            put_escape(rest.get(..len).unwrap_or_default(), put);
            at += len;
            plain = at;
        }
        if at >= bytes.len() {
            break;
        }
    }
    put(text.get(plain..).unwrap_or_default());
}

/// Whether any byte is other than plain ASCII text.
#[inline]
fn is_suspicious(block: &[u8; 16]) -> bool {
    let mut found = false;
    for &byte in block {
        found |= (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0x7f);
    }
    found
}

/// Whether all eight bytes are plain ASCII text.
///
/// For each byte `b` of a word, `(b - n) & !b` has its high bit set if `b < n` (and `b < 0x80`), so
/// `b ^ c` compared with 1 finds the bytes that equal `c`. A borrow between bytes only occurs above a
/// byte that was found, and then the word is not plain anyway.
#[inline]
const fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let delete = word ^ (ONES * 0x7f);
    let zero = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (delete.wrapping_sub(ONES) & !delete);
    (below_space | zero | word) & HIGH == 0
}

/// Whether text of up to 16 bytes is plain ASCII; `false` leaves the question open.
#[inline]
fn is_plain_short(bytes: &[u8]) -> bool {
    // Two words that overlap cover 8 to 16 bytes, two halves 4 to 7.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return bytes.len() <= 16
            && is_plain_word(u64::from_le_bytes(*first))
            && is_plain_word(u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return is_plain_word(u64::from(first) | (u64::from(last) << 32));
    }
    bytes.iter().all(|byte| matches!(byte, 0x20..0x7f if !matches!(byte, b'"' | b'\\')))
}

/// How many bytes the character at the start takes if it has to be escaped, else 0: the UTF-8 of
/// `"`, `\` and all that [`is_unsafe`] names.
#[inline]
const fn escaped_len(rest: &[u8]) -> usize {
    match rest {
        [0..=0x1f | b'"' | b'\\' | 0x7f, ..] => 1,
        [0xc2, 0x80..=0x9f, ..] | [0xd8, 0x9c, ..] => 2,
        [0xe2, 0x80, 0x8e | 0x8f | 0xa8..=0xae, ..] | [0xe2, 0x81, 0xa6..=0xa9, ..] => 3,
        _ => 0,
    }
}

/// The short escape that JSON has for a character, or `\\uXXXX`: all that is escaped lies below U+10000.
#[cold]
fn put_escape(character: &[u8], put: &mut impl FnMut(&str)) {
    let point = match *character {
        [b'"'] => return put("\\\""),
        [b'\\'] => return put("\\\\"),
        [b'\n'] => return put("\\n"),
        [b'\r'] => return put("\\r"),
        [b'\t'] => return put("\\t"),
        [0x08] => return put("\\b"),
        [0x0c] => return put("\\f"),
        [byte] => u16::from(byte),
        [lead, tail] => (u16::from(lead & 0x1f) << 6) | u16::from(tail & 0x3f),
        [lead, middle, tail] => {
            (u16::from(lead & 0x0f) << 12) | (u16::from(middle & 0x3f) << 6) | u16::from(tail & 0x3f)
        }
        _ => return,
    };
    put("\\u");
    for shift in [12, 8, 4, 0] {
        let digit = usize::from((point >> shift) & 15);
        put("0123456789abcdef".get(digit..=digit).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows() {
        let rows = [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("a\"b\\c/", r#""a\"b\\c/""#),
            ("\n\r\t\u{8}\u{c}\0\u{1b}\u{7f}", r#""\n\r\t\b\f\u0000\u001b\u007f""#),
            ("\u{80}\u{85}\u{9f}\u{a0}éÂ", "\"\\u0080\\u0085\\u009f\u{a0}éÂ\""),
            ("\u{2028}\u{2029}\u{202a}\u{202e}\u{2027}", "\"\\u2028\\u2029\\u202a\\u202e\u{2027}\""),
            (
                "\u{61c}\u{200e}\u{200f}\u{2066}\u{2069}\u{206a}",
                "\"\\u061c\\u200e\\u200f\\u2066\\u2069\u{206a}\"",
            ),
            ("Привет, 世界 😀 ", "\"Привет, 世界 😀 \""),
        ];
        for (text, expected) in rows {
            assert_eq!(written(text), expected);
        }
    }

    #[test]
    fn words_are_plain_or_not_as_their_bytes_are() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                for filler in [b' ', b'!', b'#', b'[', b']', b'~', 0x7f, 0x80, 0xff, 0, b'"', b'\\'] {
                    let mut word = [filler; 8];
                    word[place] = byte;
                    let plain =
                        word.iter().all(|&byte| matches!(byte, b' '..=b'~' if byte != b'"' && byte != b'\\'));
                    assert_eq!(is_plain_word(u64::from_le_bytes(word)), plain, "{word:?}");
                }
            }
        }
    }

    #[test]
    fn every_character_is_kept_or_escaped_wherever_it_stands() {
        for point in (0..0x3000).chain(0xfff0..0x1_0010) {
            let Some(character) = char::from_u32(point) else { continue };
            let alone = written(&String::from(character));
            let inner = alone.get(1..alone.len() - 1).unwrap();
            let is_escaped = is_unsafe(character) || matches!(character, '"' | '\\');
            assert_eq!(inner != format!("{character}"), is_escaped, "{character:?}");
            assert!(!is_escaped || inner.is_ascii(), "{inner}");
            for (lead, len) in [(0, 3), (2, 5), (3, 9), (0, 20), (1, 20), (14, 20), (15, 20), (17, 20)] {
                let (before, after) = ("x".repeat(lead), "y".repeat(len - lead));
                assert_eq!(
                    written(&format!("{before}{character}{after}")),
                    format!("\"{before}{inner}{after}\"")
                );
            }
        }
    }
}
