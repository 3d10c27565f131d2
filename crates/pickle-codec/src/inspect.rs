//! Looking into a pickle without running it: the listing of `pickletools.dis`, and a verdict.
//!
//! The listing goes on where `pickletools.dis` gives up, because a hostile pickle is made so that
//! tools give up early. What is wrong with it is said in the verdict.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use crate::decode::Decoder;
use crate::options::{DecodeOptions, Globals};
use crate::value::Value;
use crate::wire::error::start;
use crate::wire::float::write_float;
use crate::wire::instruction::{Argument, Instruction, instructions};
use crate::wire::number;
use crate::wire::opcode::{Opcode, StackObject};

/// How many names a verdict lists; a pickle can hold one every few bytes.
pub const MAX_LISTED_NAMES: usize = 100;

/// How much of a module's or a name's text a verdict shows, in bytes; what is cut ends with `...`.
///
/// A long text in the memo could be a name again and again.
pub const MAX_NAME_LEN: usize = 1_000;

/// Blanks that the listing is indented by for each open MARK.
const INDENT: usize = 4;

/// The deepest indentation: a pickle of marks alone would make a listing of quadratic size.
const MAX_INDENT: usize = 1_000;

/// What a pickle is, as far as one can see without running it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is named or called.
    DataOnly,
    /// It names or calls something.
    NamesOrCalls(Names),
    /// Python would stumble over it, or what it hides lies behind its end.
    Malformed {
        /// What is wrong, and where.
        reason: String,
        /// What it names or calls before and after.
        names: Names,
    },
}

/// The globals that a pickle names, and where each one first stands.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Names {
    /// Name and offset of its opcode; at most [`MAX_LISTED_NAMES`], each part of a name no longer than
    /// [`MAX_NAME_LEN`].
    pub listed: Vec<(String, usize)>,
    /// Further names that are not listed.
    pub more: usize,
}

impl Names {
    fn add(&mut self, name: String, offset: usize) {
        if self.listed.iter().any(|(known, _)| *known == name) {
            return;
        }
        if self.listed.len() < MAX_LISTED_NAMES {
            self.listed.push((name, offset));
        } else {
            self.more += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names or calls: ")?;
        for (place, (name, offset)) in self.listed.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} at {offset}", name.escape_debug())?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataOnly => f.write_str("data only"),
            Self::NamesOrCalls(names) => names.fmt(f),
            Self::Malformed { reason, names } if names.is_empty() => write!(f, "malformed: {reason}"),
            Self::Malformed { reason, names } => write!(f, "malformed: {reason}; {names}"),
        }
    }
}

impl Verdict {
    /// The verdict as one JSON object: its text, and the names with their offsets.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"verdict\":");
        push_json_text(&self.to_string(), &mut json);
        if let Self::NamesOrCalls(names) | Self::Malformed { names, .. } = self {
            json.push_str(",\"globals\":[");
            for (place, (name, offset)) in names.listed.iter().enumerate() {
                json.push_str(if place == 0 { "{\"name\":" } else { ",{\"name\":" });
                push_json_text(name, &mut json);
                json.push_str(&format!(",\"offset\":{offset}}}"));
            }
            json.push(']');
        }
        json.push('}');
        json
    }
}

/// Lists the instructions of a pickle as `pickletools.dis` does, a line each, and judges it.
///
/// # Errors
/// Only what `line` fails with.
///
/// ```
/// use pickle_codec::inspect::disassemble;
/// let mut listing = String::new();
/// let verdict = disassemble(b"cos\nsystem\n(S'id'\ntR.", &mut |line: &str| {
///     listing.push_str(line);
///     listing.push('\n');
///     Ok::<(), core::convert::Infallible>(())
/// });
/// assert!(listing.starts_with("    0: c    GLOBAL     'os system'\n   11: (    MARK\n"));
/// assert_eq!(verdict.unwrap().to_string(), "names or calls: os.system at 0");
/// ```
pub fn disassemble<E>(input: &[u8], line: &mut impl FnMut(&str) -> Result<(), E>) -> Result<Verdict, E> {
    let mut scan = Scan::default();
    let mut text = String::new();
    let mut highest = 0;
    let mut iterator = instructions(input);
    let mut complete = false;
    for instruction in iterator.by_ref() {
        let Ok(instruction) = instruction else { break };
        let marks = scan.marks.len();
        let note = scan.step(&instruction);
        text.clear();
        write_line(&instruction, marks, note.as_deref(), &mut text);
        line(&text)?;
        highest = highest.max(instruction.opcode.protocol());
        complete = instruction.opcode == Opcode::Stop;
    }
    if complete {
        line(&format!("highest protocol among opcodes = {highest}"))?;
    }
    let end = iterator.offset();
    Ok(judge(input, end, scan.names))
}

/// Lists the instructions of a pickle as JSON objects of offset, opcode and argument, and judges it.
///
/// # Errors
/// Only what `line` fails with.
pub fn disassemble_json<E>(input: &[u8], line: &mut impl FnMut(&str) -> Result<(), E>) -> Result<Verdict, E> {
    let mut scan = Scan::default();
    let mut text = String::new();
    let mut iterator = instructions(input);
    for instruction in iterator.by_ref() {
        let Ok(instruction) = instruction else { break };
        scan.step(&instruction);
        text.clear();
        text.push_str(&format!("{{\"offset\":{},\"opcode\":\"{}\"", instruction.offset, instruction.opcode));
        if instruction.argument != Argument::None {
            text.push_str(",\"argument\":");
            push_json_argument(&instruction.argument, &mut text);
        }
        text.push('}');
        line(&text)?;
    }
    let end = iterator.offset();
    Ok(judge(input, end, scan.names))
}

/// Judges a pickle without listing it.
///
/// ```
/// use pickle_codec::inspect::{Verdict, inspect};
/// assert_eq!(inspect(b"]K\x01a."), Verdict::DataOnly);
/// assert_eq!(inspect(b"N.cos\nsystem\n.").to_string(),
///     "malformed: 12 bytes after STOP at byte 2; names or calls: os.system at 2");
/// ```
#[must_use]
pub fn inspect(input: &[u8]) -> Verdict {
    let mut scan = Scan::default();
    let mut iterator = instructions(input);
    for instruction in iterator.by_ref().map_while(Result::ok) {
        scan.step(&instruction);
    }
    let end = iterator.offset();
    judge(input, end, scan.names)
}

/// The verdict on an input whose first pickle has been scanned up to `end`.
fn judge(input: &[u8], end: usize, mut names: Names) -> Verdict {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    let reason = match decoder.decode_prefix(input) {
        Err(error) => Some(error.to_string()),
        Ok((_, used)) if used < input.len() => {
            Some(format!("{} bytes after STOP at byte {used}", input.len() - used))
        }
        Ok(_) => None,
    };
    // What hides behind the end is named as well: readers of a stream go on there.
    let mut start = end;
    while let Some(rest) = input.get(start..).filter(|rest| !rest.is_empty()) {
        let mut scan = Scan::default();
        let mut iterator = instructions(rest);
        for instruction in iterator.by_ref().map_while(Result::ok) {
            scan.step(&instruction);
        }
        for (name, offset) in scan.names.listed {
            names.add(name, start + offset);
        }
        names.more += scan.names.more;
        if iterator.offset() == 0 || rest.get(iterator.offset() - 1) != Some(&Opcode::Stop.code()) {
            break;
        }
        start += iterator.offset();
    }
    match reason {
        Some(reason) => Verdict::Malformed { reason, names },
        None if names.is_empty() => Verdict::DataOnly,
        None => Verdict::NamesOrCalls(names),
    }
}

/// What is known of an item on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Mark,
    /// Text, as an index of `Scan::texts`, because STACK_GLOBAL may take it for a name.
    Text(u32),
    Other,
}

/// A rough stack machine: enough to pair marks, to follow the memo, and to name globals.
#[derive(Default)]
struct Scan<'a> {
    stack: Vec<Slot>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, Slot>,
    texts: Vec<Cow<'a, str>>,
    names: Names,
    called: bool,
}

impl<'a> Scan<'a> {
    /// Follows one instruction; gives what `pickletools.dis` notes behind its argument.
    fn step(&mut self, instruction: &Instruction<'a>) -> Option<String> {
        let opcode = instruction.opcode;
        let before = opcode.stack_before();
        let mut pop = before.len();
        let mut note = None;
        let takes_mark = before.contains(&StackObject::Mark)
            || (opcode == Opcode::Pop && self.stack.last() == Some(&Slot::Mark));
        self.name(instruction);
        if takes_mark {
            match self.marks.pop() {
                Some(mark) => {
                    note = Some(format!("(MARK at {mark})"));
                    while self.stack.pop().is_some_and(|slot| slot != Slot::Mark) {}
                    pop = before.iter().position(|object| *object == StackObject::Mark).unwrap_or(0);
                }
                None => note = Some("no MARK exists on stack".into()),
            }
        }
        let mut pushed = None;
        match (opcode, &instruction.argument) {
            (Opcode::Memoize, _) => {
                let index = self.memo.len() as u64;
                note = Some(format!("(as {index})"));
                // pickletools has it take the object and leave it.
                pushed = self.stack.last().copied();
                self.memo.insert(index, pushed.unwrap_or(Slot::Other));
            }
            (Opcode::Put | Opcode::Binput | Opcode::LongBinput, argument) => {
                self.memo.insert(index(argument), self.stack.last().copied().unwrap_or(Slot::Other));
            }
            (Opcode::Get | Opcode::Binget | Opcode::LongBinget, argument) => {
                pushed = self.memo.get(&index(argument)).copied();
            }
            (Opcode::Dup, _) => pushed = self.stack.last().copied(),
            (_, Argument::Str(text)) => pushed = self.text(text.clone()),
            (_, Argument::Py2Str(bytes)) if opcode != Opcode::Persid => {
                // Escapes can spell a name as well.
                pushed = match bytes {
                    Cow::Borrowed(bytes) => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
                    Cow::Owned(bytes) => String::from_utf8(bytes.clone()).ok().map(Cow::Owned),
                }
                .and_then(|text| self.text(text));
            }
            _ => {}
        }
        self.stack.truncate(self.stack.len().saturating_sub(pop));
        let after = opcode.stack_after();
        if opcode == Opcode::Mark {
            self.marks.push(instruction.offset);
            self.stack.push(Slot::Mark);
        } else if opcode == Opcode::Dup {
            let slot = pushed.unwrap_or(Slot::Other);
            self.stack.extend([slot, slot]);
        } else {
            for _ in after {
                self.stack.push(pushed.unwrap_or(Slot::Other));
            }
        }
        note
    }

    fn text(&mut self, text: Cow<'a, str>) -> Option<Slot> {
        let index = u32::try_from(self.texts.len()).ok()?;
        self.texts.push(text);
        Some(Slot::Text(index))
    }

    /// Notes what an instruction names or calls.
    fn name(&mut self, instruction: &Instruction<'a>) {
        let opcode = instruction.opcode;
        if !opcode.names_or_calls() {
            return;
        }
        match (opcode, &instruction.argument) {
            (_, Argument::Global(module, name)) => {
                self.names.add(full_name(module, name), instruction.offset);
            }
            (Opcode::StackGlobal, _) => {
                let mut top = self.stack.iter().rev().map(|slot| match slot {
                    Slot::Text(index) => {
                        self.texts.get(usize::try_from(*index).unwrap_or(usize::MAX)).map_or("?", |text| text)
                    }
                    _ => "?",
                });
                let (name, module) = (top.next().unwrap_or("?"), top.next().unwrap_or("?"));
                let full = full_name(module, name);
                self.names.add(full, instruction.offset);
            }
            // Calls take a global from above; if none was seen, the call itself is all there is to name.
            (Opcode::Reduce | Opcode::Obj | Opcode::Newobj | Opcode::NewobjEx | Opcode::Build, _) => {
                if self.names.is_empty() && !self.called {
                    self.called = true;
                    self.names.add(opcode.name().into(), instruction.offset);
                }
            }
            (_, Argument::Int(code)) => self.names.add(format!("{opcode} {code}"), instruction.offset),
            _ => self.names.add(opcode.name().into(), instruction.offset),
        }
    }
}

/// A module and a name in it, each cut where it is longer than anything that Python imports.
fn full_name(module: &str, name: &str) -> String {
    let mut full = String::new();
    for (text, before) in [(module, ""), (name, ".")] {
        full.push_str(before);
        let shown = start(text, MAX_NAME_LEN);
        full.push_str(shown);
        if shown.len() < text.len() {
            full.push_str("...");
        }
    }
    full
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

fn push_json_text(text: &str, out: &mut String) {
    out.push('"');
    crate::json::escape(text, &mut |piece| out.push_str(piece));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_however_it_is_spelled() {
        let rows: &[(&[u8], &str)] = &[
            (b"S'os'\nS'system'\n\x93.", "names or calls: os.system at 16"),
            (b"S'\\x6fs'\nS\"sys\\164em\"\n\x93.", "names or calls: os.system at 22"),
            (b"V\\u006fs\nVsystem\n\x93.", "names or calls: os.system at 17"),
            (b"U\x02osT\x06\0\0\0system\x93.", "names or calls: os.system at 15"),
            (b"Vos\np01\n0Vsystem\nq\x000g1\nh\x00\x93.", "names or calls: os.system at 25"),
            (
                b"F1e400\n0cos\nsystem\n.",
                "malformed: malformed literal (FLOAT at byte 0); names or calls: os.system at 8",
            ),
        ];
        for (pickle, expected) in rows {
            assert_eq!(inspect(pickle).to_string(), *expected, "{}", pickle.escape_ascii());
        }
    }

    #[test]
    fn a_long_name_is_cut_and_still_named() {
        let long = "x".repeat(MAX_NAME_LEN + 1);
        let cut = format!("{}...", "x".repeat(MAX_NAME_LEN));
        let rows = [
            (format!("c{long}\nC\n."), format!("{cut}.C")),
            (format!("Vm\nV{long}\n\u{7f}."), format!("m.{cut}")),
            (String::from("cm\nC\n."), String::from("m.C")),
        ];
        for (pickle, name) in rows {
            let pickle: Vec<u8> = pickle.bytes().map(|byte| if byte == 0x7f { 0x93 } else { byte }).collect();
            let Verdict::NamesOrCalls(names) = inspect(&pickle) else { panic!("{name}") };
            assert_eq!(names.listed.first().map(|(listed, _)| listed), Some(&name));
        }
    }
}
