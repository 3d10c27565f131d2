//! The listing of `pickletools.dis`, as text and as JSON.
//!
//! It goes on where `pickletools.dis` gives up, because a hostile pickle is made so that tools give up early.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::value::Value;
use crate::wire::float::write_float;
use crate::wire::instruction::{Argument, Instruction, instructions};
use crate::wire::number;
use crate::wire::opcode::{ArgumentSpan, Opcode, StackObject};

use super::finding::{to_u64, to_usize};

/// Blanks that the listing is indented by for each open MARK.
const INDENT: usize = 4;

/// The deepest indentation: a pickle of marks alone would make a listing of quadratic size.
const MAX_INDENT: usize = 40;

/// A longer argument is not shown, only its length in bytes.
pub const MAX_SHOWN: usize = 1 << 20;

/// How many open MARKs, and stretches of stored memo indexes, are known at a time.
const MAX_TRACKED: usize = 1 << 16;

/// Lists the instructions of one pickle as `pickletools.dis` does, a line each, and returns where it ends.
///
/// It goes on where `pickletools.dis` gives up: a line of text that is no number or no literal is shown as it is. It
/// ends behind STOP, at an opcode that does not exist, or with the input. Of an argument of more than [`MAX_SHOWN`]
/// bytes the length is shown. A [`Lister`] does the same for input that comes in pieces.
///
/// # Errors
/// Only what `line` fails with.
///
/// ```
/// use pickle_codec::inspect::disassemble;
/// let mut listing = String::new();
/// let end = disassemble(b"cos\nsystem\n(S'id'\ntR.", &mut |line: &str| {
///     listing.push_str(line);
///     listing.push('\n');
///     Ok::<(), core::convert::Infallible>(())
/// });
/// assert!(listing.starts_with("    0: c    GLOBAL     'os system'\n   11: (    MARK\n"));
/// assert_eq!(end, Ok(21));
/// ```
pub fn disassemble<E>(input: &[u8], line: &mut impl FnMut(&str) -> Result<(), E>) -> Result<usize, E> {
    let mut lister = Lister::text();
    lister.run(input, true, line)?;
    Ok(lister.base)
}

/// Lists the instructions of one pickle that comes in pieces, in a few MiB of memory however long it is.
///
/// ```
/// use pickle_codec::inspect::Lister;
/// let mut lines = Vec::new();
/// let mut take = |line: &str| {
///     lines.push(line.to_owned());
///     Ok::<(), core::convert::Infallible>(())
/// };
/// let mut lister = Lister::text();
/// for piece in b"cos\nsystem\n.".chunks(2) {
///     lister.feed(piece, &mut take)?;
/// }
/// lister.finish(&mut take)?;
/// assert_eq!(lines[..2], ["    0: c    GLOBAL     'os system'", "   11: .    STOP"]);
/// # Ok::<(), core::convert::Infallible>(())
/// ```
#[derive(Debug)]
pub struct Lister {
    is_json: bool,
    /// Where `held` begins in the pickle, and at last where the pickle ends.
    base: usize,
    /// A part of an instruction, which is read when the rest of it is there.
    held: Vec<u8>,
    /// How much must be held before it is worth reading again.
    wanted: usize,
    long: Option<Long>,
    is_over: bool,
    marks: Marks,
    highest: u8,
    text: String,
}

/// An argument that is too long to be shown, and is passed over.
#[derive(Clone, Copy, Debug)]
struct Long {
    opcode: Opcode,
    offset: usize,
    /// Bytes of it that are behind us.
    len: usize,
    left: Left,
}

#[derive(Clone, Copy, Debug)]
enum Left {
    Bytes(u64),
    Lines(usize),
}

impl Long {
    /// The argument that begins a stretch of bytes, and how much of them is its length, if it is too long.
    fn begin(opcode: Opcode, offset: usize, argument: &[u8]) -> Option<(Self, usize)> {
        let width = match opcode.argument_kind().span() {
            ArgumentSpan::Counted(width) => width,
            ArgumentSpan::CountedSigned => 4,
            ArgumentSpan::Lines(lines) if argument.len() > MAX_SHOWN => {
                return Some((Self { opcode, offset, len: 0, left: Left::Lines(lines) }, 0));
            }
            _ => return None,
        };
        let mut len = [0; 8];
        len.get_mut(..width)?.copy_from_slice(argument.get(..width)?);
        let len = u64::from_le_bytes(len);
        let is_negative = opcode.argument_kind().span() == ArgumentSpan::CountedSigned && len >> 31 != 0;
        let is_long = len > to_u64(MAX_SHOWN) && !is_negative;
        is_long.then_some((Self { opcode, offset, len: 0, left: Left::Bytes(len) }, width))
    }

    /// Passes over bytes of it; says how many these are, and whether it has ended.
    fn pass(&mut self, bytes: &[u8]) -> (usize, bool) {
        // Line feeds are no part of it.
        let (used, len, is_over) = match &mut self.left {
            Left::Bytes(left) => {
                let used = to_usize(*left).min(bytes.len());
                *left -= to_u64(used);
                (used, used, *left == 0)
            }
            Left::Lines(left) => {
                let ends = memchr::memchr_iter(b'\n', bytes).take(*left);
                let (count, end) = ends.fold((0, 0), |(count, _), end| (count + 1, end + 1));
                *left -= count;
                let used = if *left == 0 { end } else { bytes.len() };
                (used, used - count, *left == 0)
            }
        };
        self.len += len;
        (used, is_over)
    }
}

impl Lister {
    /// Lists as `pickletools.dis` does.
    #[must_use]
    pub fn text() -> Self {
        Self {
            is_json: false,
            base: 0,
            held: Vec::new(),
            wanted: 0,
            long: None,
            is_over: false,
            marks: Marks::default(),
            highest: 0,
            text: String::new(),
        }
    }

    /// Lists as JSON objects of offset, opcode and argument.
    #[must_use]
    pub fn json() -> Self {
        Self { is_json: true, ..Self::text() }
    }

    /// Whether the pickle has ended.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the next piece, and lists the instructions that end in it.
    ///
    /// # Errors
    /// Only what `line` fails with.
    pub fn feed<E>(&mut self, piece: &[u8], line: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        if self.is_over {
            return Ok(());
        }
        let mut held = core::mem::take(&mut self.held);
        held.extend_from_slice(piece);
        if held.len() >= self.wanted {
            let used = self.run(&held, false, line)?;
            held.drain(..used);
            self.wanted = 2 * held.len();
        }
        self.held = held;
        Ok(())
    }

    /// Ends the input, and lists what is left of it.
    ///
    /// # Errors
    /// Only what `line` fails with.
    pub fn finish<E>(mut self, line: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let held = core::mem::take(&mut self.held);
        self.run(&held, true, line).map(|_| ())
    }

    /// Lists what stands in `bytes`, which begin at `base`, odd instructions included; returns how many of them it
    /// has done with.
    fn run<E>(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        line: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<usize, E> {
        let begin = self.base;
        let mut at = 0;
        while !self.is_over {
            let rest = bytes.get(at..).unwrap_or_default();
            if let Some(mut long) = self.long.take() {
                let (used, is_over) = long.pass(rest);
                at += used;
                if is_over {
                    self.instruction(long.offset, long.opcode, None, long.len, line)?;
                    continue;
                }
                self.long = Some(long);
                break;
            }
            let mut iterator = instructions(rest);
            let mut error = None;
            let mut end = 0;
            while let Some(next) = iterator.next() {
                match next {
                    Ok(Instruction { offset, opcode, argument }) => {
                        end = iterator.offset();
                        let len = end - offset - 1 - around(opcode);
                        self.instruction(begin + at + offset, opcode, Some(&argument), len, line)?;
                    }
                    Err(found) => error = Some(found),
                }
            }
            at += end;
            let Some(error) = error else { break };
            // Where the opcode is missing, the input ends, or this is none.
            let Some(opcode) = error.opcode() else {
                self.is_over = at < bytes.len();
                break;
            };
            let argument = bytes.get(at + 1..).unwrap_or_default();
            if let ArgumentSpan::Lines(lines) = opcode.argument_kind().span()
                && let Some(end) = memchr::memchr_iter(b'\n', argument).nth(lines - 1)
            {
                let odd = Argument::Py2Str(Cow::Borrowed(argument.get(..end).unwrap_or_default()));
                self.instruction(begin + at, opcode, Some(&odd), end + 1 - lines, line)?;
                at += 1 + end + 1;
            } else if let Some((long, used)) = Long::begin(opcode, begin + at, argument) {
                self.long = Some(long);
                at += 1 + used;
            } else {
                self.is_over = !error.is_incomplete();
                break;
            }
        }
        self.base += at;
        if let (true, Some(long)) = (is_last, self.long) {
            self.base = long.offset;
        }
        Ok(at)
    }

    /// Lists one instruction, whose argument has this length.
    fn instruction<E>(
        &mut self,
        offset: usize,
        opcode: Opcode,
        argument: Option<&Argument<'_>>,
        len: usize,
        line: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.highest = self.highest.max(opcode.protocol());
        self.is_over = opcode == Opcode::Stop;
        self.text.clear();
        let shown = argument.filter(|_| len <= MAX_SHOWN);
        let omitted = || format!("<an argument of {len} bytes>");
        if self.is_json {
            let text = &mut self.text;
            text.push_str(&format!("{{\"offset\":{offset},\"opcode\":\"{opcode}\""));
            if shown != Some(&Argument::None) {
                text.push_str(",\"argument\":");
                match shown {
                    Some(argument) => push_json_argument(argument, text),
                    None => push_json_text(&omitted(), text),
                }
            }
            text.push('}');
            return line(text);
        }
        let depth = self.marks.depth();
        let note = self.marks.step(offset, opcode, argument);
        let mut words = String::new();
        match shown {
            Some(argument) => write_argument(argument, &mut words),
            None => words = omitted(),
        }
        write_line(offset, opcode, depth, &words, note.as_deref(), &mut self.text);
        line(&self.text)?;
        if self.is_over {
            line(&format!("highest protocol among opcodes = {}", self.highest))
        } else {
            Ok(())
        }
    }
}

/// The bytes of an argument that are its length or end its lines.
fn around(opcode: Opcode) -> usize {
    match opcode.argument_kind().span() {
        ArgumentSpan::Fixed(_) => 0,
        ArgumentSpan::Counted(width) => width,
        ArgumentSpan::CountedSigned => 4,
        ArgumentSpan::Lines(lines) => lines,
    }
}

/// Pairs marks and counts memo entries, for what `pickletools.dis` notes behind an argument.
#[derive(Debug, Default)]
struct Marks {
    /// Where the MARKs stand that are open, and how many objects lie upon each.
    open: VecDeque<(usize, usize)>,
    /// Objects below all of them.
    below: usize,
    /// Open MARKs of which no more is known.
    forgotten: usize,
    stored: Indexes,
}

impl Marks {
    fn depth(&self) -> usize {
        self.open.len() + self.forgotten
    }

    /// How many objects lie upon the last MARK.
    fn objects(&mut self) -> &mut usize {
        self.open.back_mut().map_or(&mut self.below, |(_, objects)| objects)
    }

    fn step(&mut self, offset: usize, opcode: Opcode, argument: Option<&Argument<'_>>) -> Option<String> {
        let before = opcode.stack_before();
        let mut pop = before.len();
        let mut note = None;
        let is_pop_of_mark = opcode == Opcode::Pop && self.depth() > 0 && *self.objects() == 0;
        if before.contains(&StackObject::Mark) || is_pop_of_mark {
            pop = before.iter().position(|object| *object == StackObject::Mark).unwrap_or(0);
            note = Some(match self.open.pop_back() {
                Some((mark, _)) => format!("(MARK at {mark})"),
                None if self.forgotten > 0 => {
                    self.forgotten -= 1;
                    String::from("(MARK)")
                }
                None => {
                    pop = before.len();
                    String::from("no MARK exists on stack")
                }
            });
        }
        match (opcode, argument) {
            (Opcode::Memoize, _) => {
                note = self.stored.count.map(|index| format!("(as {index})"));
                self.stored.insert(self.stored.count.unwrap_or(u64::MAX));
            }
            (Opcode::Put | Opcode::Binput | Opcode::LongBinput, argument) => {
                self.stored.insert(argument.map_or(u64::MAX, index));
            }
            _ => {}
        }
        while pop > *self.objects() {
            pop -= *self.objects() + 1;
            *self.objects() = 0;
            if self.open.pop_back().is_none() {
                break;
            }
        }
        let objects = self.objects();
        *objects = objects.saturating_sub(pop);
        if opcode == Opcode::Mark {
            if self.open.len() == MAX_TRACKED {
                self.open.pop_front();
                self.forgotten += 1;
            }
            self.open.push_back((offset, 0));
        } else {
            *objects += opcode.stack_after().len();
        }
        note
    }
}

/// The memo indexes that were stored, in stretches from first to last.
#[derive(Debug)]
struct Indexes {
    stretches: BTreeMap<u64, u64>,
    /// How many; the next one of MEMOIZE. It is not known any more where there were too many stretches.
    count: Option<u64>,
}

impl Default for Indexes {
    fn default() -> Self {
        Self { stretches: BTreeMap::new(), count: Some(0) }
    }
}

impl Indexes {
    fn insert(&mut self, index: u64) {
        let is_known = self.stretches.range(..=index).next_back().is_some_and(|(_, last)| *last >= index);
        let Some(count) = self.count.filter(|_| !is_known) else { return };
        self.count = Some(count + 1);
        let mut end = index;
        if let Some(next) = index.checked_add(1).and_then(|next| self.stretches.remove(&next)) {
            end = next;
        }
        if let Some((_, last)) = self.stretches.range_mut(..=index).next_back()
            && last.checked_add(1) == Some(index)
        {
            *last = end;
        } else if self.stretches.len() == MAX_TRACKED {
            *self = Self { stretches: BTreeMap::new(), count: None };
        } else {
            self.stretches.insert(index, end);
        }
    }
}

/// The memo index in an argument.
fn index(argument: &Argument<'_>) -> u64 {
    match argument {
        Argument::Int(index) => u64::try_from(*index).unwrap_or(u64::MAX),
        Argument::Uint(index) => *index,
        Argument::Bool(index) => u64::from(*index),
        // What no unpickler takes for an index must not meet another one.
        _ => u64::MAX,
    }
}

/// One line of the listing: offset, opcode byte, name, argument, note.
fn write_line(
    offset: usize,
    opcode: Opcode,
    marks: usize,
    argument: &str,
    note: Option<&str>,
    out: &mut String,
) {
    let code = match opcode.code() {
        printable @ 0x20..=0x7e => String::from(char::from(printable)),
        other => format!("\\x{other:02x}"),
    };
    let indent = (marks * INDENT).min(MAX_INDENT);
    out.push_str(&format!("{:5}: {code:<4} {:indent$}{}", offset, "", opcode.name()));
    if argument.is_empty() && note.is_none() {
        return;
    }
    for _ in opcode.name().len()..10 {
        out.push(' ');
    }
    if !argument.is_empty() {
        out.push(' ');
        out.push_str(argument);
    }
    if let Some(note) = note {
        out.push(' ');
        out.push_str(note);
    }
}

/// An integer this long is not written in decimal, which takes quadratic time.
const MAX_DECIMAL_BYTES: usize = 64 << 10;

/// The argument as Python's `repr` shows it. Writing to a string cannot fail.
fn write_argument(argument: &Argument<'_>, out: &mut String) {
    let value = match argument {
        Argument::None => return,
        Argument::Bool(value) => Value::Bool(*value),
        Argument::Int(value) => Value::Int(*value),
        Argument::Uint(value) => return out.push_str(&value.to_string()),
        Argument::BigInt(bytes) if bytes.len() > MAX_DECIMAL_BYTES => {
            return out.push_str(&format!("<an integer of {} bytes>", bytes.len()));
        }
        Argument::BigInt(bytes) => return out.push_str(&number::big(bytes).to_string()),
        Argument::Float(value) => Value::Float(*value),
        Argument::Str(text) => Value::Str(Cow::Borrowed(text)),
        Argument::Wtf8(bytes) => Value::Wtf8(Cow::Borrowed(bytes)),
        Argument::Py2Str(bytes) => Value::Str(Cow::Owned(crate::wire::text::latin1(bytes))),
        Argument::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        Argument::ByteArray(bytes) => Value::ByteArray(Cow::Borrowed(bytes)),
        Argument::Global(module, name) => Value::Str(Cow::Owned(format!("{module} {name}"))),
    };
    value.py_repr(out, usize::MAX).ok();
}

fn push_json_argument(argument: &Argument<'_>, out: &mut String) {
    match argument {
        Argument::Str(text) => push_json_text(text, out),
        Argument::Py2Str(bytes) => push_json_text(&crate::wire::text::latin1(bytes), out),
        Argument::Global(module, name) => push_json_text(&format!("{module} {name}"), out),
        Argument::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Argument::Int(_) | Argument::Uint(_) => write_argument(argument, out),
        Argument::Float(value) if value.is_finite() => {
            write_float(*value, out).ok();
        }
        // What JSON has no word for is shown as Python's repr.
        _ => {
            let mut text = String::new();
            write_argument(argument, &mut text);
            push_json_text(&text, out);
        }
    }
}

/// A JSON string.
pub(super) fn push_json_text(text: &str, json: &mut String) {
    let mut escaped = Vec::new();
    crate::json::write_string(text, &mut escaped);
    json.push_str(&String::from_utf8_lossy(&escaped));
}
