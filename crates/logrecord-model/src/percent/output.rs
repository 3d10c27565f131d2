//! Output with an end: every formatter of this crate writes here, so that none can be made to
//! write more than was allowed.

use std::borrow::Cow;

use crate::Text;
use crate::escape::escape_text;

/// What stands where text was cut off.
pub(crate) const TRUNCATED: &str = "...[truncated]";

/// How much each directive is charged beside the text it makes, so that directives which write
/// nothing cannot be repeated for free.
const DIRECTIVE_COST: usize = 16;

/// A capped string under construction.
#[derive(Debug)]
pub(crate) struct Output<'b> {
    text: &'b mut String,
    /// The length at which `text` is full.
    end: usize,
    /// Fill characters that may still be written.
    padding: usize,
    /// Bytes that may still be made, written or not: `'%.0r'` makes text that it does not write.
    work: usize,
    full: bool,
    /// Whether converted values are made visible before they are written.
    pub(crate) safe: bool,
}

impl<'b> Output<'b> {
    /// Output of at most `limit` further bytes, fill characters among them at most `padding`.
    pub(crate) fn new(text: &'b mut String, limit: usize, padding: usize, safe: bool) -> Self {
        let end = text.len().saturating_add(limit);
        Self { text, end, padding, work: limit.saturating_mul(4), full: false, safe }
    }

    /// Whether nothing more is taken.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// How many bytes of a value are worth making: more would be cut off.
    pub(crate) fn room(&self) -> usize {
        self.end.saturating_sub(self.text.len()).min(self.work)
    }

    /// Charges one directive and the text that it made.
    pub(crate) fn charge(&mut self, made: usize) {
        let cost = made.saturating_add(DIRECTIVE_COST);
        if cost > self.work {
            self.cut();
        }
        self.work = self.work.saturating_sub(cost);
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        if self.full {
            return;
        }
        let room = self.end.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return;
        }
        let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.text.push_str(text.get(..end).unwrap_or_default());
        self.cut();
    }

    pub(crate) fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Writes a fill character `count` times.
    pub(crate) fn pad(&mut self, fill: char, count: usize) {
        if self.full || count == 0 {
            return;
        }
        let room = self.end.saturating_sub(self.text.len()) / fill.len_utf8();
        let allowed = count.min(self.padding).min(room);
        self.text.reserve(allowed.saturating_mul(fill.len_utf8()));
        self.text.extend(std::iter::repeat_n(fill, allowed));
        self.padding = self.padding.saturating_sub(allowed);
        if allowed < count {
            self.cut();
        }
    }

    /// Writes a converted value: lone surrogates as Python's `backslashreplace` writes them.
    pub(crate) fn push_text(&mut self, text: &Text<'_>) {
        match text.as_str() {
            Some(text) => self.push_str(text),
            None => self.push_str(&text.to_visible()),
        }
    }

    /// Writes a converted value within a width and a precision, both in characters.
    pub(crate) fn push_field(
        &mut self,
        text: &Text<'_>,
        fill: char,
        place: Place,
        width: usize,
        precision: Option<usize>,
    ) {
        let cut;
        let text = match precision.and_then(|precision| prefix(text, precision)) {
            Some(shorter) => {
                cut = shorter;
                &cut
            }
            None => text,
        };
        let missing = width.saturating_sub(count_up_to(text.as_bytes(), width));
        let (left, right) = match place {
            Place::Left => (0, missing),
            Place::Right => (missing, 0),
            Place::Centre => (missing / 2, missing - missing / 2),
        };
        self.pad(fill, left);
        self.push_text(text);
        self.pad(fill, right);
    }

    /// A value's text as this output wants it: made visible in safe output.
    pub(crate) fn convert<'t>(&self, text: Text<'t>) -> Text<'t> {
        if !self.safe {
            return text;
        }
        match escape_text(text.as_text()) {
            Cow::Borrowed(_) => text,
            Cow::Owned(escaped) => Text::from(escaped),
        }
    }

    /// Ends the output, visibly.
    fn cut(&mut self) {
        if !self.full {
            self.full = true;
            self.text.push_str(TRUNCATED);
        }
    }
}

/// Where a value stands in its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the left, fill behind it.
    Left,
    /// At the right, fill before it.
    Right,
    /// In the middle; an odd fill character goes behind.
    Centre,
}

/// The number of characters in UTF-8 or WTF-8, counted no further than `limit`: a long text in a
/// narrow field costs what the field costs.
pub(crate) fn count_up_to(bytes: &[u8], limit: usize) -> usize {
    // No character is longer than four bytes.
    if bytes.len() / 4 >= limit {
        return limit;
    }
    bytes.iter().filter(|byte| !is_continuation(**byte)).count().min(limit)
}

/// The first `count` characters, if there are more.
fn prefix<'t>(text: &'t Text<'_>, count: usize) -> Option<Text<'t>> {
    let bytes = text.as_bytes();
    if bytes.len() <= count {
        return None;
    }
    let starts = bytes.iter().enumerate().filter(|(_, byte)| !is_continuation(**byte));
    let (end, _) = { starts }.nth(count)?;
    match text.as_str() {
        Some(text) => text.get(..end).map(Text::from),
        None => bytes.get(..end).and_then(Text::from_wtf8),
    }
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_ends_at_its_limit_and_says_so() {
        let mut text = String::new();
        let mut output = Output::new(&mut text, 5, 100, false);
        output.push_str("abc");
        output.push_str("dé!");
        output.push_str("never");
        assert!(output.is_full());
        assert_eq!(text, format!("abcd{TRUNCATED}"));
    }

    #[test]
    fn padding_has_a_limit_of_its_own() {
        let mut text = String::new();
        Output::new(&mut text, 1000, 3, false).pad('0', 5);
        assert_eq!(text, format!("000{TRUNCATED}"));
    }

    #[test]
    fn fields_are_measured_in_characters() {
        let lone = Text::from_wtf8(b"\xed\xa0\x80x".to_vec()).unwrap();
        let rows = [
            (Text::from("äö"), Place::Right, 4, None, "  äö"),
            (Text::from("äö"), Place::Left, 3, Some(1), "ä  "),
            (Text::from("ab"), Place::Centre, 5, None, " ab  "),
            (lone.clone(), Place::Right, 3, None, " \\ud800x"),
            (lone, Place::Right, 3, Some(1), "  \\ud800"),
        ];
        for (value, place, width, precision, expected) in rows {
            let mut text = String::new();
            Output::new(&mut text, 100, 100, false).push_field(&value, ' ', place, width, precision);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn work_that_writes_nothing_is_charged() {
        let mut text = String::new();
        let mut output = Output::new(&mut text, 64, 64, false);
        for _ in 0..16 {
            assert!(!output.is_full());
            output.charge(0);
        }
        output.charge(0);
        assert!(output.is_full());
    }
}
