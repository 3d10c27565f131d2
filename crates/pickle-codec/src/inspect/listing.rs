//! The listing of `pickletools.dis`, as text and as JSON.
//!
//! It goes on where `pickletools.dis` gives up, because a hostile pickle is made so that tools give up early.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::value::Value;
use crate::wire::float::write_float;
use crate::wire::instruction::{Argument, Instruction, instructions};
use crate::wire::number;
use crate::wire::opcode::{ArgumentKind, Opcode, StackObject};

/// Blanks that the listing is indented by for each open MARK.
const INDENT: usize = 4;

/// The deepest indentation: a pickle of marks alone would make a listing of quadratic size.
const MAX_INDENT: usize = 40;

/// Lists the instructions of one pickle as `pickletools.dis` does, a line each, and returns where it ends.
///
/// It goes on where `pickletools.dis` gives up: a line of text that is no number or no literal is shown as it is. It
/// ends behind STOP, at an opcode that does not exist, or with the input.
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
    let mut marks = Marks::default();
    let mut text = String::new();
    let mut highest = 0;
    let mut complete = false;
    let end = each(input, &mut |instruction| {
        let depth = marks.open.len();
        let note = marks.step(instruction);
        text.clear();
        write_line(instruction, depth, note.as_deref(), &mut text);
        highest = highest.max(instruction.opcode.protocol());
        complete = instruction.opcode == Opcode::Stop;
        line(&text)
    })?;
    if complete {
        line(&format!("highest protocol among opcodes = {highest}"))?;
    }
    Ok(end)
}

/// Lists the instructions of one pickle as JSON objects of offset, opcode and argument, and returns where it ends.
///
/// # Errors
/// Only what `line` fails with.
pub fn disassemble_json<E>(input: &[u8], line: &mut impl FnMut(&str) -> Result<(), E>) -> Result<usize, E> {
    let mut text = String::new();
    each(input, &mut |instruction| {
        text.clear();
        text.push_str(&format!("{{\"offset\":{},\"opcode\":\"{}\"", instruction.offset, instruction.opcode));
        if instruction.argument != Argument::None {
            text.push_str(",\"argument\":");
            push_json_argument(&instruction.argument, &mut text);
        }
        text.push('}');
        line(&text)
    })
}

/// Goes through the instructions of a pickle, odd ones included, and returns where they end.
fn each<E>(input: &[u8], take: &mut impl FnMut(&Instruction<'_>) -> Result<(), E>) -> Result<usize, E> {
    let mut begin = 0;
    loop {
        let rest = input.get(begin..).unwrap_or_default();
        let mut iterator = instructions(rest);
        let mut odd = None;
        for instruction in iterator.by_ref() {
            match instruction {
                Ok(mut instruction) => {
                    instruction.offset += begin;
                    take(&instruction)?;
                }
                Err(error) => {
                    let Some(opcode) = error.opcode() else { return Ok(begin + to_usize(error.offset())) };
                    odd = Some((opcode, to_usize(error.offset())));
                }
            }
        }
        let Some((opcode, offset)) = odd else { return Ok(begin + iterator.offset()) };
        let lines = match opcode.argument_kind() {
            ArgumentKind::DecimalNlShort
            | ArgumentKind::DecimalNlLong
            | ArgumentKind::FloatNl
            | ArgumentKind::StringNl
            | ArgumentKind::UnicodeStringNl => 1,
            ArgumentKind::StringNlNoescapePair => 2,
            _ => return Ok(begin + offset),
        };
        let argument = rest.get(offset + 1..).unwrap_or_default();
        let Some(end) = memchr::memchr_iter(b'\n', argument).nth(lines - 1) else {
            return Ok(begin + offset);
        };
        let argument = Argument::Py2Str(Cow::Borrowed(argument.get(..end).unwrap_or_default()));
        take(&Instruction { offset: begin + offset, opcode, argument })?;
        begin += offset + 1 + end + 1;
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Pairs marks and counts memo entries, for what `pickletools.dis` notes behind an argument.
#[derive(Default)]
struct Marks {
    /// Whether an object is a MARK.
    stack: Vec<bool>,
    /// Where the MARKs stand that are open.
    open: Vec<usize>,
    /// Indexes that were stored; their number is the next one of MEMOIZE.
    stored: BTreeSet<u64>,
}

impl Marks {
    fn step(&mut self, instruction: &Instruction<'_>) -> Option<String> {
        let opcode = instruction.opcode;
        let before = opcode.stack_before();
        let mut pop = before.len();
        let mut note = None;
        let takes_mark = before.contains(&StackObject::Mark)
            || (opcode == Opcode::Pop && self.stack.last() == Some(&true));
        if takes_mark {
            match self.open.pop() {
                Some(mark) => {
                    note = Some(format!("(MARK at {mark})"));
                    while self.stack.pop().is_some_and(|is_mark| !is_mark) {}
                    pop = before.iter().position(|object| *object == StackObject::Mark).unwrap_or(0);
                }
                None => note = Some("no MARK exists on stack".into()),
            }
        }
        match (opcode, &instruction.argument) {
            (Opcode::Memoize, _) => {
                let index = u64::try_from(self.stored.len()).unwrap_or(u64::MAX);
                note = Some(format!("(as {index})"));
                self.stored.insert(index);
            }
            (Opcode::Put | Opcode::Binput | Opcode::LongBinput, argument) => {
                self.stored.insert(index(argument));
            }
            _ => {}
        }
        self.stack.truncate(self.stack.len().saturating_sub(pop));
        if opcode == Opcode::Mark {
            self.open.push(instruction.offset);
            self.stack.push(true);
        } else {
            self.stack.extend(opcode.stack_after().iter().map(|_| false));
        }
        note
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
fn write_line(instruction: &Instruction<'_>, marks: usize, note: Option<&str>, out: &mut String) {
    let opcode = instruction.opcode;
    let code = match opcode.code() {
        printable @ 0x20..=0x7e => String::from(char::from(printable)),
        other => format!("\\x{other:02x}"),
    };
    let indent = (marks * INDENT).min(MAX_INDENT);
    out.push_str(&format!("{:5}: {code:<4} {:indent$}{}", instruction.offset, "", opcode.name()));
    if instruction.argument == Argument::None && note.is_none() {
        return;
    }
    for _ in opcode.name().len()..10 {
        out.push(' ');
    }
    if instruction.argument != Argument::None {
        out.push(' ');
        write_argument(&instruction.argument, out);
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
