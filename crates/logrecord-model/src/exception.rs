//! Exceptions read back from `exc_text`: the class itself is not sent, only its traceback.
//!
//! The reader takes what the `traceback` module of CPython 2.7 to 3.13 writes, line by line, once
//! and without recursion. Whatever it does not know it keeps as text.

use crate::LogRecord;

/// What a traceback tells.
///
/// ```
/// use logrecord_model::Traceback;
/// let text = "Traceback (most recent call last):\n  File \"app.py\", line 3, in run\n    go()\nmypkg.Oops: no: way";
/// let traceback = Traceback::read(text);
/// let raised = traceback.raised().unwrap();
/// assert_eq!((raised.class.as_str(), raised.message.as_str()), ("mypkg.Oops", "no: way"));
/// assert_eq!(raised.frames[0].function.as_deref(), Some("run"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traceback {
    /// All exceptions in the order of the text. At each depth the last one is the one that was
    /// raised, and those before it are what led to it.
    pub exceptions: Vec<Exception>,
    /// Lines that belong to no exception.
    pub unread: Vec<String>,
}

/// One exception of a traceback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The class as the traceback names it: with its module, unless it is a built-in one.
    pub class: String,
    /// The message, which may have several lines. Notes follow it as further lines: the text
    /// does not tell them apart.
    pub message: String,
    /// The frames, the innermost last.
    pub frames: Vec<TracebackFrame>,
    /// Where the parser stood, for a SyntaxError.
    pub syntax: Option<SyntaxPlace>,
    /// How it is bound to the exception before it at the same depth.
    pub link: Option<Link>,
    /// 0, or how many exception groups it is inside of.
    pub depth: usize,
    /// The place in [`Traceback::exceptions`] of the group that it is part of.
    pub group: Option<usize>,
}

impl Exception {
    /// The class without its module: Python's `__name__`.
    #[must_use]
    pub fn class_name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or(&self.class)
    }
}

/// One frame of a traceback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracebackFrame {
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: Option<u64>,
    /// The function.
    pub function: Option<String>,
    /// The line's source text, where it was at hand.
    pub code: Option<String>,
    /// How often more the frame stands there (`[Previous line repeated 6 more times]`).
    pub repeated: u64,
}

/// Where a SyntaxError is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyntaxPlace {
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: Option<u64>,
    /// The source text.
    pub code: Option<String>,
    /// Where the caret stands below it, counted in characters from 0.
    pub column: Option<usize>,
}

/// How an exception is bound to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "Python has these two")]
pub enum Link {
    /// `raise ... from ...`: the one before is its cause.
    Cause,
    /// It was raised while the one before was handled.
    Context,
}

const HEADER: &str = "Traceback (most recent call last):";
const GROUP_HEADER: &str = "Exception Group Traceback (most recent call last):";
const CAUSE: &str = "The above exception was the direct cause of the following exception:";
const CONTEXT: &str = "During handling of the above exception, another exception occurred:";

impl Traceback {
    /// Reads a traceback. There is no text that it refuses: what it does not know is kept.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.line(line);
        }
        reader.finish()
    }

    /// The exception that was raised: the last one that is in no group.
    #[must_use]
    pub fn raised(&self) -> Option<&Exception> {
        self.exceptions.iter().rev().find(|exception| exception.depth == 0)
    }
}

impl LogRecord<'_> {
    /// The exception of the record, read from its `exc_text`; None if it has none, or if it says
    /// that there was none (`NoneType: None`).
    #[must_use]
    pub fn exception(&self) -> Option<Traceback> {
        let text = self.exc_text().filter(|text| !text.is_empty())?;
        let traceback = Traceback::read(&text.to_visible());
        (!traceback.exceptions.is_empty()).then_some(traceback)
    }
}

/// What the next line of the exception at hand can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    /// The start of an exception.
    #[default]
    Start,
    /// A frame, the text of one, or the line with class and message.
    Frames,
    /// More of the message.
    Message,
}

#[derive(Debug, Default)]
struct Reader {
    traceback: Traceback,
    /// The exception under construction.
    current: Option<Exception>,
    expect: Expect,
    link: Option<Link>,
    /// The last frame was of a SyntaxError, so that code and caret belong to it.
    in_syntax: bool,
    /// Empty lines at the end of the message, which are its own only if more of it follows.
    empty_lines: usize,
    /// The place in `exceptions` of the last exception at each depth, the outermost first: the
    /// groups that an exception at hand can be part of.
    last_at: Vec<usize>,
    /// Whether group margins are looked for.
    in_group: bool,
    /// The depth of the lines at hand.
    depth: usize,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some((depth, text)) = header(line) {
            self.close();
            self.depth = depth.min(self.last_at.len());
            self.in_group = true;
            self.content(text);
            return;
        }
        if !self.in_group {
            self.content(line);
            return;
        }
        match margin(line, self.last_at.len()) {
            Some(Margin::Text(depth, text)) => {
                if depth != self.depth {
                    self.close();
                    self.depth = depth.min(self.last_at.len());
                }
                self.content(text);
            }
            Some(Margin::Child(depth)) => {
                self.close();
                self.depth = depth.min(self.last_at.len());
            }
            Some(Margin::End(depth)) => {
                self.close();
                self.depth = depth.saturating_sub(1);
            }
            None => {
                self.close();
                self.depth = 0;
                self.in_group = false;
                self.content(line);
            }
        }
    }

    fn content(&mut self, line: &str) {
        if line == HEADER || line == GROUP_HEADER {
            self.close();
            self.open();
            self.expect = Expect::Frames;
            return;
        }
        if let Some(link) = match line {
            CAUSE => Some(Link::Cause),
            CONTEXT => Some(Link::Context),
            _ => None,
        } {
            self.close();
            self.link = Some(link);
            return;
        }
        match self.expect {
            Expect::Start => self.start(line),
            Expect::Frames => self.frames(line),
            Expect::Message => self.message(line),
        }
    }

    fn start(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if (line.starts_with("  File \"") || class_and_message(line).is_some())
            && !(matches!(line, "NoneType: None" | "None") && self.traceback.exceptions.is_empty())
        {
            self.open();
            self.expect = Expect::Frames;
            self.frames(line);
        } else {
            self.traceback.unread.push(line.to_owned());
        }
    }

    fn frames(&mut self, line: &str) {
        let Some(current) = &mut self.current else { return };
        if let Some(frame) = frame(line) {
            self.in_syntax = frame.function.is_none();
            if self.in_syntax {
                current.syntax =
                    Some(SyntaxPlace { file: frame.file, line: frame.line, code: None, column: None });
            } else {
                current.frames.push(frame);
            }
            return;
        }
        if let Some(count) = line
            .strip_prefix("  [Previous line repeated ")
            .and_then(|rest| rest.split_once(" more time"))
            .and_then(|(count, _)| count.parse().ok())
        {
            if let Some(frame) = current.frames.last_mut() {
                frame.repeated = count;
            }
            return;
        }
        if line.starts_with(' ') || line.is_empty() {
            let code = line.strip_prefix("    ").unwrap_or(line);
            let is_anchor = !code.trim().is_empty() && code.chars().all(|c| matches!(c, ' ' | '~' | '^'));
            match (&mut current.syntax, self.in_syntax) {
                (Some(place), true) if is_anchor => place.column = code.chars().position(|c| c == '^'),
                (Some(place), true) => {
                    place.code.get_or_insert_with(|| code.to_owned());
                }
                _ if is_anchor => {}
                _ => match current.frames.last_mut() {
                    Some(frame) => match &mut frame.code {
                        None => frame.code = Some(code.to_owned()),
                        // Since 3.13 an expression over several lines is shown whole.
                        Some(have) => {
                            have.push('\n');
                            have.push_str(code);
                        }
                    },
                    None => self.traceback.unread.push(line.to_owned()),
                },
            }
            return;
        }
        match class_and_message(line) {
            Some((class, message)) => {
                current.class = class.to_owned();
                current.message = message.to_owned();
            }
            // Such as the string exceptions of old.
            None => current.message = line.to_owned(),
        }
        self.expect = Expect::Message;
        self.empty_lines = 0;
    }

    fn message(&mut self, line: &str) {
        let Some(current) = &mut self.current else { return };
        if line.is_empty() {
            self.empty_lines = self.empty_lines.saturating_add(1);
            return;
        }
        for _ in 0..=self.empty_lines {
            current.message.push('\n');
        }
        self.empty_lines = 0;
        current.message.push_str(line);
    }

    fn open(&mut self) {
        self.current = Some(Exception {
            link: self.link.take(),
            depth: self.depth,
            group: self.depth.checked_sub(1).and_then(|depth| self.last_at.get(depth)).copied(),
            ..Exception::default()
        });
        self.in_syntax = false;
        self.empty_lines = 0;
    }

    fn close(&mut self) {
        if let Some(mut exception) = self.current.take() {
            // An empty line stands before a link; others are the message's own.
            for _ in 1..self.empty_lines {
                exception.message.push('\n');
            }
            self.last_at.truncate(exception.depth);
            self.last_at.push(self.traceback.exceptions.len());
            self.traceback.exceptions.push(exception);
        }
        self.empty_lines = 0;
        self.expect = Expect::Start;
    }

    fn finish(mut self) -> Traceback {
        self.close();
        self.traceback
    }
}

/// What stands left of a line inside a group.
enum Margin<'l> {
    /// `  | text`, with its depth.
    Text(usize, &'l str),
    /// `  +-+---------------- 1 ----------------` or the next of its kind: a part of this depth.
    Child(usize),
    /// The line below the last part of this depth.
    End(usize),
}

/// `  + Exception Group Traceback (most recent call last):`, two spaces a level.
fn header(line: &str) -> Option<(usize, &str)> {
    let rest = line.trim_start_matches(' ');
    let text = rest.strip_prefix("+ ").filter(|text| *text == GROUP_HEADER)?;
    Some(((line.len().saturating_sub(rest.len()) / 2).saturating_sub(1), text))
}

/// The margin of a line. A group at depth n has its own lines behind the margin of n + 1, and so
/// have the parts of a group at depth n - 1; the depth given is the exception's.
fn margin(line: &str, most: usize) -> Option<Margin<'_>> {
    let rest = line.trim_start_matches(' ');
    let spaces = line.len().saturating_sub(rest.len());
    let level = spaces / 2;
    if !spaces.is_multiple_of(2) || level == 0 || level > most.saturating_add(2) {
        return None;
    }
    if let Some(text) = rest.strip_prefix('|') {
        let text = text.strip_prefix(' ').or_else(|| text.is_empty().then_some(""))?;
        return Some(Margin::Text(level.saturating_sub(1), text));
    }
    if let Some(rest) = rest.strip_prefix("+-+-") {
        return is_rule(rest).then_some(Margin::Child(level));
    }
    let rest = rest.strip_prefix("+-")?;
    if rest.bytes().all(|byte| byte == b'-') {
        return Some(Margin::End(level.saturating_sub(1)));
    }
    is_rule(rest).then(|| Margin::Child(level.saturating_sub(1)))
}

/// `--------------- 1 ----------------`
fn is_rule(text: &str) -> bool {
    text.starts_with('-') && text.ends_with('-') && text.bytes().all(|byte| byte != b'|')
}

/// `  File "app.py", line 3, in run`
fn frame(line: &str) -> Option<TracebackFrame> {
    let rest = line.strip_prefix("  File \"")?;
    let (file, rest) = rest.rsplit_once("\", line ")?;
    let (number, function) = match rest.split_once(", in ") {
        Some((number, function)) => (number, Some(function.to_owned())),
        None => (rest, None),
    };
    let line = number.trim().parse().ok()?;
    Some(TracebackFrame { file: file.to_owned(), line: Some(line), function, code: None, repeated: 0 })
}

/// Splits `mypkg.Oops: text`; None if the line does not begin with the name of a class.
fn class_and_message(line: &str) -> Option<(&str, &str)> {
    let (class, message) = match line.split_once(':') {
        Some((class, message)) => (class, message.strip_prefix(' ').unwrap_or(message)),
        None => (line, ""),
    };
    let is_name = |part: &str| {
        part == "<locals>"
            || (part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    class.split('.').all(is_name).then_some((class, message))
}
