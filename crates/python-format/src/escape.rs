//! Text made safe for a line of output: what moves the cursor, starts a line or turns the
//! direction of writing is written as a visible escape; every script stays as it is.

use std::borrow::Cow;

use pickle_codec::Str;
use pickle_codec::json::is_unsafe;

/// Appends text to a line so that it can neither end the line nor steer a terminal.
///
/// C0, DEL and C1 controls, the line and paragraph separators and the bidirectional controls
/// become escapes as Python's `repr` writes them (`\n`, `\x1b`, `\u202e`). A backslash stays as it
/// is: the output is for people, and cannot be read back without loss.
///
/// ```
/// let mut line = String::from("user ");
/// python_format::escape_line("eve\n\x1b[31mroot ünï", &mut line);
/// assert_eq!(line, "user eve\\n\\x1b[31mroot ünï");
/// ```
pub fn escape_line(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((clean, point, tail)) = split_at_unsafe(rest) {
        out.push_str(clean);
        push_escape(point, out);
        rest = tail;
    }
    out.push_str(rest);
}

/// Python text made visible; borrowed where there is nothing to do.
pub(crate) fn escape_text(text: Str<'_>) -> Cow<'_, str> {
    match text {
        Str::Utf8(text) => {
            if split_at_unsafe(text).is_none() {
                return Cow::Borrowed(text);
            }
            let mut out = String::with_capacity(text.len().saturating_add(16));
            escape_line(text, &mut out);
            Cow::Owned(out)
        }
        Str::Wtf8(bytes) => {
            let mut out = String::with_capacity(bytes.len().saturating_add(16));
            let mut rest = bytes;
            while !rest.is_empty() {
                let valid_up_to = match str::from_utf8(rest) {
                    Ok(text) => {
                        escape_line(text, &mut out);
                        break;
                    }
                    Err(error) => error.valid_up_to(),
                };
                let (valid, tail) = rest.split_at(valid_up_to);
                escape_line(str::from_utf8(valid).unwrap_or_default(), &mut out);
                let (surrogate, tail) = tail.split_at(tail.len().min(3));
                if let [_, second, third] = surrogate {
                    push_escape(0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f), &mut out);
                }
                rest = tail;
            }
            Cow::Owned(out)
        }
    }
}

/// The first character that must not stand in a line, with what is before and behind it.
fn split_at_unsafe(text: &str) -> Option<(&str, u32, &str)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        // Every unsafe character begins with a suspect byte, and plain text has none.
        let at = first_suspect(bytes.get(from..)?)?.checked_add(from)?;
        let character = text.get(at..)?.chars().next()?;
        let next = at.checked_add(character.len_utf8())?;
        if is_unsafe(character) {
            return Some((text.get(..at)?, u32::from(character), text.get(next..)?));
        }
        from = next;
    }
}

/// The place of the first suspect byte. Blocks are looked at whole, which becomes vector code.
fn first_suspect(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if block.iter().fold(false, |found, byte| found | is_suspect(*byte)) {
            break;
        }
        rest = after;
    }
    let within = rest.iter().position(|byte| is_suspect(*byte))?;
    bytes.len().checked_sub(rest.len())?.checked_add(within)
}

const fn is_suspect(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | 0x7f | 0xc2 | 0xd8 | 0xe2)
}

fn push_escape(point: u32, out: &mut String) {
    let digits = match point {
        0x09 => return out.push_str("\\t"),
        0x0a => return out.push_str("\\n"),
        0x0d => return out.push_str("\\r"),
        0..0x100 => {
            out.push_str("\\x");
            2
        }
        _ => {
            out.push_str("\\u");
            4
        }
    };
    for place in (0..digits).rev() {
        let digit = (point >> (4 * place)) & 0xf;
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_rows() {
        let rows: &[(&str, &str)] = &[
            ("", ""),
            ("plain", "plain"),
            ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
            ("\x1b[31m\x07\0", "\\x1b[31m\\x07\\x00"),
            ("\x7f\u{80}\u{85}\u{9b}\u{9f}\u{a0}", "\\x7f\\x80\\x85\\x9b\\x9f\u{a0}"),
            ("\u{2028}\u{2029}\u{202a}\u{202e}", "\\u2028\\u2029\\u202a\\u202e"),
            ("\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}", "\\u2066\\u2069\\u200e\\u200f\\u061c"),
            ("日本語 العربية עברית ру́сский 😀 é", "日本語 العربية עברית ру́сский 😀 é"),
            ("a\u{200d}b\u{2030}\u{b5}", "a\u{200d}b\u{2030}\u{b5}"),
            ("back\\slash", "back\\slash"),
        ];
        for (text, expected) in rows {
            assert_eq!(escape_text(Str::Utf8(text)), *expected);
        }
        assert_eq!(escape_text(Str::Wtf8(b"a\xed\xa0\x80\nb\xed\xbf\xbf")), "a\\ud800\\nb\\udfff");
    }

    #[test]
    fn every_character_is_either_kept_or_escaped_to_ascii() {
        for character in '\0'..=char::MAX {
            let text = String::from(character);
            let escaped = escape_text(Str::Utf8(&text));
            assert_eq!(escaped == text.as_str(), !is_unsafe(character), "{character:?}");
            assert!(!escaped.contains(|c: char| c.is_control()), "{character:?}");
        }
    }
}
