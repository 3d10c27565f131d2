//! Output with an end: everything in this crate writes here, so that none can be made to
//! write more than was allowed.

use std::fmt;

use pickle_codec::Str;

use crate::escape::escape_text;
use crate::text::Text;

/// What stands where text was cut off.
pub const CUT: &str = "...(cut)";

/// The directives that a message may have when nothing else is said: 10,000.
pub const DEFAULT_MAX_DIRECTIVES: usize = 10_000;

/// Steps of a float whose digits are found at once.
pub(crate) const FLOAT_STEPS: usize = 3;

/// How much text is made visible at a time.
const PIECE: usize = 1024;

/// A capped string under construction.
///
/// Two things end it, both visibly: its length, and its steps. A step is about a tenth of a
/// microsecond, the cost of one plain directive; what costs more takes more of them. So directives
/// that write nothing cannot be repeated for free.
#[derive(Debug)]
pub struct Output<'b> {
    text: &'b mut String,
    /// The length at which `text` is full.
    end: usize,
    /// Fill characters that may still be written.
    padding: usize,
    /// Steps that may still be taken.
    steps: usize,
    full: bool,
    /// Whether converted values are made visible before they are written.
    pub(crate) safe: bool,
}

impl<'b> Output<'b> {
    /// Output of at most `limit` further bytes, fill characters among them at most `padding`. The
    /// steps are those of a format that an operator wrote, a quarter of the bytes.
    #[must_use]
    pub fn new(text: &'b mut String, limit: usize, padding: usize, safe: bool) -> Self {
        let end = text.len().saturating_add(limit);
        let steps = (limit / 4).max(DEFAULT_MAX_DIRECTIVES);
        Self { text, end, padding, steps, full: false, safe }
    }

    /// Sets the steps that may be taken.
    pub(crate) const fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Whether nothing more is taken.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// How many bytes of a value are worth making: more would be cut off.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.full { 0 } else { self.end.saturating_sub(self.text.len()) }
    }

    /// Fill characters that may still be written.
    pub(crate) fn padding(&self) -> usize {
        self.padding.min(self.room())
    }

    /// Steps that may still be taken.
    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    /// Takes steps; where there are not that many left, the output ends.
    pub(crate) fn spend(&mut self, steps: usize) {
        if steps > self.steps {
            self.cut();
        }
        self.steps = self.steps.saturating_sub(steps);
    }

    /// Writes text, or as much of it as there is room for.
    pub fn push_str(&mut self, text: &str) {
        if self.full {
            return;
        }
        let room = self.end.saturating_sub(self.text.len());
        if text.len() <= room {
            self.reserve(text.len());
            self.text.push_str(text);
            return;
        }
        let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.reserve(end);
        self.text.push_str(text.get(..end).unwrap_or_default());
        self.cut();
    }

    /// Makes room as a string does, by doubling, but for no more than may be written.
    fn reserve(&mut self, more: usize) {
        let wanted = self.text.len().saturating_add(more);
        if wanted > self.text.capacity() {
            self.grow(wanted);
        }
    }

    #[cold]
    fn grow(&mut self, wanted: usize) {
        let most = self.end.saturating_add(CUT.len());
        // What comes in one large piece is mostly the last.
        let doubled = self.text.capacity().saturating_mul(2).max(wanted.saturating_add(64));
        let capacity = if doubled > most / 4 * 3 { most.max(wanted) } else { doubled };
        self.text.reserve_exact(capacity.saturating_sub(self.text.len()));
    }

    /// Writes a fill character `count` times.
    pub(crate) fn pad(&mut self, fill: char, count: usize) {
        if self.full || count == 0 {
            return;
        }
        let room = self.end.saturating_sub(self.text.len()) / fill.len_utf8();
        let allowed = count.min(self.padding).min(room);
        self.reserve(allowed.saturating_mul(fill.len_utf8()));
        self.text.extend(std::iter::repeat_n(fill, allowed));
        self.padding = self.padding.saturating_sub(allowed);
        if allowed < count {
            self.cut();
        }
    }

    /// Writes text as it is, lone surrogates as Python's `backslashreplace` writes them.
    pub fn push_text(&mut self, text: &Text<'_>) {
        match text.as_str() {
            Some(text) => self.push_str(text),
            None => for_each_piece(text.as_bytes(), |piece| {
                self.push_str(piece);
                !self.full
            }),
        }
    }

    /// Writes a converted value within a width and a precision, both in characters.
    pub(crate) fn push_field(&mut self, text: &Text<'_>, extent: Extent) {
        if self.full {
            return;
        }
        if self.safe {
            let mut field = self.field(extent);
            match text.as_str() {
                Some(text) => {
                    field.push(text);
                }
                None => for_each_piece(text.as_bytes(), |piece| field.push(piece)),
            }
            field.finish();
            return;
        }
        let cut;
        // A longer precision than what is left cuts nothing that would not be cut anyway.
        let precision = extent.precision.filter(|precision| *precision <= self.room());
        let text = match precision.and_then(|precision| prefix(text, precision)) {
            Some(shorter) => {
                cut = shorter;
                &cut
            }
            None => text,
        };
        let chars = count_up_to(text.as_bytes(), extent.width);
        let missing = extent.width.saturating_sub(chars.min(extent.precision.unwrap_or(chars)));
        let (left, right) = extent.place.split(missing);
        self.pad(extent.fill, left);
        self.push_text(text);
        self.pad(extent.fill, right);
    }

    /// Begins a value that is written in pieces.
    pub(crate) fn field<'o>(&'o mut self, extent: Extent) -> FieldWriter<'o, 'b> {
        let left = extent.precision.unwrap_or(usize::MAX);
        FieldWriter { start: self.text.len(), output: self, extent, left }
    }

    /// Ends the output, visibly.
    pub(crate) fn cut(&mut self) {
        if !self.full {
            self.full = true;
            self.reserve(CUT.len());
            self.text.push_str(CUT);
        }
    }
}

/// Writes one value piece by piece, so that nothing is made that is not written.
#[derive(Debug)]
pub(crate) struct FieldWriter<'o, 'b> {
    output: &'o mut Output<'b>,
    start: usize,
    extent: Extent,
    /// Characters that the precision still lets through.
    left: usize,
}

impl FieldWriter<'_, '_> {
    /// How many bytes are worth making.
    pub(crate) fn room(&self) -> usize {
        self.output.room().saturating_add(1).min(self.left.saturating_mul(4))
    }

    /// Writes a piece; whether there is room for more.
    fn push(&mut self, text: &str) -> bool {
        let mut rest = text;
        // At least so much is written, in however many pieces.
        self.output.reserve(text.len().min(self.output.room()).min(self.left));
        while !rest.is_empty() && self.left > 0 && !self.output.full {
            if !self.output.safe {
                self.push_visible(rest);
                break;
            }
            let end = (0..=PIECE.min(rest.len())).rev().find(|&end| rest.is_char_boundary(end)).unwrap_or(0);
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            self.push_visible(&escape_text(Str::Utf8(piece)));
            rest = after;
        }
        self.left > 0 && !self.output.full
    }

    fn push_visible(&mut self, text: &str) {
        if self.left == usize::MAX {
            return self.output.push_str(text);
        }
        match text.char_indices().nth(self.left) {
            Some((end, _)) => {
                self.left = 0;
                self.output.push_str(text.get(..end).unwrap_or_default());
            }
            None => {
                self.left = self.left.saturating_sub(count_up_to(text.as_bytes(), usize::MAX));
                self.output.push_str(text);
            }
        }
    }

    /// Ends a value that was longer than what may be written, unless its own precision ended it.
    pub(crate) fn cut(&mut self) {
        if self.left > 0 {
            self.output.cut();
        }
    }

    /// Fills the width.
    pub(crate) fn finish(self) {
        let Self { output, start, extent, .. } = self;
        if output.full || extent.width == 0 {
            return;
        }
        let made = output.text.get(start..).unwrap_or_default();
        let missing = extent.width.saturating_sub(count_up_to(made.as_bytes(), extent.width));
        let (left, right) = extent.place.split(missing);
        if left > 0 {
            let made = output.text.split_off(start);
            output.pad(extent.fill, left);
            output.push_str(&made);
        }
        output.pad(extent.fill, right);
    }
}

impl fmt::Write for FieldWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.left == 0 || self.output.full {
            return Err(fmt::Error);
        }
        if self.push(text) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Gives WTF-8 on in pieces of plain text, each lone surrogate as an escape, while they are taken.
fn for_each_piece(mut bytes: &[u8], mut take: impl FnMut(&str) -> bool) {
    while !bytes.is_empty() {
        // A block at a time, so that a text of surrogates alone is not looked at to its end each time.
        let (block, _) = bytes.split_at_checked(PIECE).unwrap_or((bytes, &[]));
        let valid = match std::str::from_utf8(block) {
            Ok(valid) => valid,
            Err(error) => {
                let valid = block.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
        };
        if !valid.is_empty() && !take(valid) {
            return;
        }
        let rest = bytes.get(valid.len()..).unwrap_or_default();
        bytes = match rest {
            [0xed, second @ 0xa0..=0xbf, third, after @ ..] => {
                let point = 0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f);
                let digit = |shift: u32| char::from_digit((point >> shift) & 15, 16).unwrap_or('0');
                let mut escape = [0; 6];
                for (place, character) in
                    escape.iter_mut().zip(['\\', 'u', digit(12), digit(8), digit(4), digit(0)])
                {
                    *place = u8::try_from(character).unwrap_or(b'?');
                }
                if !take(std::str::from_utf8(&escape).unwrap_or_default()) {
                    return;
                }
                after
            }
            // The block ended within a character, or there is none more.
            rest if !valid.is_empty() => rest,
            _ => return,
        };
    }
}

/// The width of a field and the precision of a value in it, both in characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) fill: char,
    pub(crate) place: Place,
    pub(crate) width: usize,
    pub(crate) precision: Option<usize>,
}

impl Extent {
    /// A value as long as it is.
    pub(crate) const PLAIN: Self = Self { fill: ' ', place: Place::Left, width: 0, precision: None };
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

impl Place {
    /// Fill characters before and behind the value.
    const fn split(self, missing: usize) -> (usize, usize) {
        match self {
            Self::Left => (0, missing),
            Self::Right => (missing, 0),
            Self::Centre => (missing / 2, missing - missing / 2),
        }
    }
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
    use std::fmt::Write;

    use super::*;

    #[test]
    fn output_ends_at_its_limit_and_says_so() {
        let mut text = String::new();
        let mut output = Output::new(&mut text, 5, 100, false);
        output.push_str("abc");
        output.push_str("dé!");
        output.push_str("never");
        assert!(output.is_full());
        assert_eq!(text, format!("abcd{CUT}"));
    }

    #[test]
    fn padding_has_a_limit_of_its_own() {
        let mut text = String::new();
        Output::new(&mut text, 1000, 3, false).pad('0', 5);
        assert_eq!(text, format!("000{CUT}"));
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
            let extent = Extent { fill: ' ', place, width, precision };
            Output::new(&mut text, 100, 100, false).push_field(&value, extent);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn values_in_pieces_are_the_same_fields() {
        let rows = [
            (Place::Right, 4, None, "  äö"),
            (Place::Left, 3, Some(1), "ä  "),
            (Place::Centre, 5, None, " äö  "),
            (Place::Right, 2, Some(0), "  "),
        ];
        for (place, width, precision, expected) in rows {
            let mut text = String::from("|");
            let mut output = Output::new(&mut text, 100, 100, false);
            let mut field = output.field(Extent { fill: ' ', place, width, precision });
            let has_room = field.write_str("ä").and_then(|()| field.write_str("ö")).is_ok();
            assert_eq!(has_room, precision.is_none(), "a precision that is used up ends the value");
            field.finish();
            assert_eq!(text.get(1..), Some(expected));
        }
    }

    #[test]
    fn surrogates_become_escapes_in_pieces_of_any_size() {
        let plain = "é".repeat(PIECE);
        let bytes = [b"a", plain.as_bytes(), b"\xed\xa0\x80\xed\xbf\xbfz"].concat();
        let mut made = String::new();
        for_each_piece(&bytes, |piece| {
            made.push_str(piece);
            true
        });
        assert_eq!(made, format!("a{plain}\\ud800\\udfffz"));
        let mut pieces = 0;
        for_each_piece(&b"\xed\xa0\x80".repeat(9), |_| {
            pieces += 1;
            pieces < 3
        });
        assert_eq!(pieces, 3);
    }

    #[test]
    fn steps_end_the_output_too() {
        let mut text = String::new();
        let mut output = Output::new(&mut text, 64, 64, false).with_steps(16);
        for _ in 0..16 {
            output.spend(1);
            assert!(!output.is_full());
        }
        output.spend(1);
        assert!(output.is_full());
        assert_eq!(text, CUT);
    }

    #[test]
    fn memory_never_passes_what_may_be_written() {
        let mut text = String::new();
        let mut output = Output::new(&mut text, 1000, 1000, false);
        for _ in 0..200 {
            output.push_str("seven..");
        }
        assert_eq!(text.len(), 1000 + CUT.len());
        assert!(text.capacity() <= 1000 + CUT.len());
    }
}
