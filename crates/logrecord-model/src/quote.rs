//! JSON strings in which nothing can break a line, move a cursor or reverse the reading order.
//!
//! Beside what JSON demands, DEL, the C1 controls, the line and paragraph separators and the bidi
//! controls are written as `\uXXXX`. All other scripts stay as they are.

use crate::text::Text;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a byte may need: 0 nothing, 1 an escape, 2 a look at the next bytes.
const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = 1;
        byte += 1;
    }
    table[b'"' as usize] = 1;
    table[b'\\' as usize] = 1;
    table[0x7f] = 1;
    // U+0080 to U+009F.
    table[0xc2] = 2;
    // U+061C.
    table[0xd8] = 2;
    // U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069.
    table[0xe2] = 2;
    table
}

/// Whether any of the bytes is no plain ASCII text; written so that it becomes vector code.
#[inline]
fn is_special(block: &[u8; 16]) -> bool {
    let mut special = false;
    for &byte in block {
        special |= (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0x7f);
    }
    special
}

/// Whether all eight bytes are plain ASCII text, by arithmetic on the word as a whole.
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
    bytes.iter().all(|&byte| class(byte) == 0)
}

/// Writes text as a JSON string with its quotes.
pub(crate) fn write_str(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_inner(text, out);
    out.push(b'"');
}

/// Writes text with each lone surrogate as a visible escape.
pub(crate) fn write_text(text: &Text<'_>, out: &mut Vec<u8>) {
    match text {
        Text::Utf8(text) => write_str(text, out),
        Text::Wtf8(_) => write_str(&text.to_visible(), out),
    }
}

/// Writes what stands between the quotes.
#[inline]
pub(crate) fn write_inner(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if bytes.len() <= 16 && is_plain_short(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    write_long(bytes, out);
}

/// Writes text by blocks of 16 bytes.
fn write_long(bytes: &[u8], out: &mut Vec<u8>) {
    let mut plain = 0;
    let mut at = 0;
    loop {
        while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
            if is_special(block) {
                break;
            }
            at += 16;
        }
        // Up to 16 bytes one by one, then the blocks again.
        let stop = bytes.len().min(at + 16);
        while at < stop {
            let Some(&byte) = bytes.get(at) else { break };
            if class(byte) == 0 {
                at += 1;
                continue;
            }
            let len = escape_len(bytes.get(at..).unwrap_or_default());
            if len == 0 {
                at += 1;
                continue;
            }
            out.extend_from_slice(bytes.get(plain..at).unwrap_or_default());
            write_escape(bytes.get(at..at + len).unwrap_or_default(), out);
            at += len;
            plain = at;
        }
        if at >= bytes.len() {
            break;
        }
    }
    out.extend_from_slice(bytes.get(plain..).unwrap_or_default());
}

#[inline]
fn class(byte: u8) -> u8 {
    CLASS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// How many bytes the character at the start takes if it is to be escaped, else 0.
#[inline]
fn escape_len(rest: &[u8]) -> usize {
    match rest {
        [0..=0x1f | b'"' | b'\\' | 0x7f, ..] => 1,
        [0xc2, 0x80..=0x9f, ..] | [0xd8, 0x9c, ..] => 2,
        [0xe2, 0x80, 0x8e | 0x8f | 0xa8..=0xae, ..] | [0xe2, 0x81, 0xa6..=0xa9, ..] => 3,
        _ => 0,
    }
}

#[cold]
fn write_escape(character: &[u8], out: &mut Vec<u8>) {
    let point = match *character {
        [b'"'] => return out.extend_from_slice(b"\\\""),
        [b'\\'] => return out.extend_from_slice(b"\\\\"),
        [b'\n'] => return out.extend_from_slice(b"\\n"),
        [b'\r'] => return out.extend_from_slice(b"\\r"),
        [b'\t'] => return out.extend_from_slice(b"\\t"),
        [0x08] => return out.extend_from_slice(b"\\b"),
        [0x0c] => return out.extend_from_slice(b"\\f"),
        [byte] => u16::from(byte),
        [lead, tail] => (u16::from(lead & 0x1f) << 6) | u16::from(tail & 0x3f),
        [lead, middle, tail] => {
            (u16::from(lead & 0x0f) << 12) | (u16::from(middle & 0x3f) << 6) | u16::from(tail & 0x3f)
        }
        _ => return,
    };
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX.get(usize::from((point >> shift) & 15)).copied().unwrap_or(b'0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_str(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows() {
        let rows = [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t\u{8}\u{c}\0\u{1b}\u{7f}", r#""\n\r\t\b\f\u0000\u001b\u007f""#),
            ("\u{80}\u{9f}\u{a0}é", "\"\\u0080\\u009f\u{a0}é\""),
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
    fn every_character_comes_back_wherever_it_stands() {
        for point in (0..0x3000).chain(0xfff0..0x1_0010) {
            let Some(character) = char::from_u32(point) else { continue };
            for (lead, len) in
                [(0, 0), (0, 3), (2, 5), (3, 9), (0, 20), (1, 20), (14, 20), (15, 20), (16, 20), (17, 20)]
            {
                let text = format!("{}{character}{}", "x".repeat(lead), "y".repeat(len - lead));
                let json = written(&text);
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
                assert!(!json.chars().any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)));
            }
        }
    }
}
