//! A stack machine that follows a pickle as every CPython unpickler at once.
//!
//! It reads in the order of the bytes and keeps, of each object, only whether it may be text that becomes a name.
//!
//! # Two stacks
//!
//! Only STACK_GLOBAL takes a name from the stack, and only Python 3 knows it. So [`Stack`] is the stack of Python 3,
//! whose C and Python unpicklers agree on it. Where that stack is empty, or has no MARK where one is needed, Python 3
//! stops with an error. Python 2 may go on there: its C unpickler takes objects from below a MARK, its Python one takes
//! a MARK for an object. What Python 2 names stands behind the opcode, whatever its stack holds; so for it the machine
//! keeps no more than `at_most`, a bound of the number of its objects, and goes on until that is too small or an opcode
//! comes that Python 2 does not know.
//!
//! # Two ways to read a FRAME
//!
//! An unpickler that has all bytes in memory looks at a FRAME's length and reads on. One that reads from a file takes
//! the FRAME's bytes into a buffer; when an argument does not fit into what is left of that, it reads the argument
//! from the file, behind the FRAME, and drops what was left (`_Unpickler_ReadImpl` and `_Unpickler_Readline` in
//! `Modules/_pickle.c`, until 3.13.15 and 3.14.7). So wherever an argument crosses the end of a FRAME, a second machine
//! is split off that reads it there.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::finding::{MAX_NAME_LEN, Names, Stop, UNKNOWN_NAME, to_u64};
use super::memory::{Memo, Slot, Stack, Texts};
use crate::wire::error::start;
use crate::wire::escape::{raw_unicode_escape, string_literal};
use crate::wire::number::index_as_c_reads;
use crate::wire::opcode::{ArgumentKind, Opcode};
use crate::wire::text::latin1;

/// The bytes of a line that are looked at; a longer one is no name.
const MAX_LINE: usize = 4 * MAX_NAME_LEN;

pub(super) const EOF: &str = "the input ends";
const UNDERFLOW: &str = "stack underflow";
const NO_MARK: &str = "no MARK on the stack";
const NO_OPCODE: &str = "not an opcode";
const PROTOCOL: &str = "a protocol above 5";
const NO_MEMO: &str = "nothing in the memo";
const NO_TEXT: &str = "STACK_GLOBAL of what is no text";

/// How a reading ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Some unpickler gets to STOP.
    pub(super) at_stop: bool,
    /// Where Python 3 stops before that.
    pub(super) stop: Option<Stop>,
    /// The first opcode that calls something.
    pub(super) call: Option<(Opcode, u64)>,
}

/// What is read next.
#[derive(Clone, Debug)]
enum Next {
    Opcode,
    /// The argument of an opcode that stands elsewhere.
    Argument(Opcode),
    /// The bytes that the argument has announced.
    Payload(Opcode, u64),
    /// The second line of GLOBAL and INST; the first one was the module.
    SecondLine(Opcode, String),
    /// The rest of a line that is too long to be looked at.
    RestOfLine(Option<(Opcode, String)>),
}

/// One reading of one pickle.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Where the next byte to read stands; it may be beyond what has come.
    position: u64,
    next: Next,
    /// Where the opcode stands whose argument is read.
    offset: u64,
    /// Where the FRAME ends that is read in.
    frame_end: u64,
    stack: Stack,
    memo: Memo,
    texts: Texts,
    /// Python 3 has not stopped.
    three: bool,
    /// Python 2 has not stopped.
    two: bool,
    /// Objects that Python 2 has on its stack at most, MARKs included.
    at_most: u64,
    /// There was a MARK, which Python 2's unpickler in Python may also have put into its memo.
    had_mark: bool,
    /// Something was stored in the memo. Python 2 takes any line for an index.
    had_put: bool,
    /// No earlier pickle can have filled the memo.
    is_first: bool,
    stop: Option<Stop>,
    call: Option<(Opcode, u64)>,
    forks: Vec<Self>,
    ended: Option<bool>,
}

impl Machine {
    pub(super) fn new(position: u64, is_first: bool) -> Self {
        Self {
            position,
            next: Next::Opcode,
            offset: position,
            frame_end: 0,
            stack: Stack::default(),
            memo: Memo::default(),
            texts: Texts::default(),
            three: true,
            two: true,
            at_most: 0,
            had_mark: false,
            had_put: false,
            is_first,
            stop: None,
            call: None,
            forks: Vec::new(),
            ended: None,
        }
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn take_forks(&mut self) -> Vec<Self> {
        core::mem::take(&mut self.forks)
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.map(|at_stop| Ended { at_stop, stop: self.stop, call: self.call })
    }

    /// Reads what has come from its position on, as far as it goes.
    pub(super) fn run(&mut self, mut bytes: &[u8], is_last: bool, names: &mut Names) {
        while self.ended.is_none() {
            let before = self.position;
            if !self.read(bytes, is_last, names) {
                if is_last && self.ended.is_none() {
                    self.stop_all(EOF);
                }
                return;
            }
            let used = usize::try_from(self.position - before).unwrap_or(usize::MAX);
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Reads one thing and moves on; `false` where not enough has come for that.
    fn read(&mut self, bytes: &[u8], is_last: bool, names: &mut Names) -> bool {
        match core::mem::replace(&mut self.next, Next::Opcode) {
            Next::Opcode => {
                self.offset = self.position;
                let Some(byte) = bytes.first() else { return false };
                let Some(opcode) = Opcode::from_byte(*byte) else {
                    self.stop_all(NO_OPCODE);
                    return true;
                };
                if opcode.protocol() > 2 {
                    self.two = false;
                    self.check();
                    if self.ended.is_some() {
                        return true;
                    }
                }
                // Most have no argument.
                if opcode.argument_kind() == ArgumentKind::None {
                    self.position += 1;
                    self.act(opcode, names);
                    return true;
                }
                let rest = bytes.get(1..).unwrap_or_default();
                self.position += 1;
                if !self.argument(opcode, rest, is_last, names) {
                    self.position -= 1;
                    return false;
                }
                true
            }
            Next::Argument(opcode) => {
                self.argument(opcode, bytes, is_last, names) || {
                    self.next = Next::Argument(opcode);
                    false
                }
            }
            Next::Payload(opcode, len) => {
                self.payload(opcode, len, bytes) || {
                    self.next = Next::Payload(opcode, len);
                    false
                }
            }
            Next::SecondLine(opcode, module) => {
                let Some(line) = self.line(bytes, is_last, || Next::SecondLine(opcode, module.clone()))
                else {
                    self.next = Next::SecondLine(opcode, module);
                    return false;
                };
                self.named(opcode, &module, line, names);
                true
            }
            Next::RestOfLine(then) => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                self.position += to_u64(end.map_or(bytes.len(), |end| end + 1));
                match (end, then) {
                    (Some(_), Some((opcode, module))) => self.next = Next::SecondLine(opcode, module),
                    (Some(_), None) => {}
                    (None, then) => {
                        self.next = Next::RestOfLine(then);
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Reads the argument of an opcode, and acts where it is whole.
    fn argument(&mut self, opcode: Opcode, bytes: &[u8], is_last: bool, names: &mut Names) -> bool {
        match opcode.argument_kind() {
            ArgumentKind::None => self.act(opcode, names),
            ArgumentKind::Uint1 => {
                let Some(number) = self.number::<1>(opcode, bytes) else { return false };
                self.numbered(opcode, number, names);
            }
            ArgumentKind::Uint2 => {
                let Some(number) = self.number::<2>(opcode, bytes) else { return false };
                self.numbered(opcode, number, names);
            }
            ArgumentKind::Int4 | ArgumentKind::Uint4 => {
                let Some(number) = self.number::<4>(opcode, bytes) else { return false };
                self.numbered(opcode, number, names);
            }
            ArgumentKind::Uint8 | ArgumentKind::Float8 => {
                let Some(number) = self.number::<8>(opcode, bytes) else { return false };
                self.numbered(opcode, number, names);
            }
            ArgumentKind::String1
            | ArgumentKind::Bytes1
            | ArgumentKind::UnicodeString1
            | ArgumentKind::Long1 => {
                return self.counted::<1>(opcode, bytes, is_last);
            }
            ArgumentKind::String4
            | ArgumentKind::Bytes4
            | ArgumentKind::UnicodeString4
            | ArgumentKind::Long4 => {
                return self.counted::<4>(opcode, bytes, is_last);
            }
            ArgumentKind::Bytes8 | ArgumentKind::ByteArray8 | ArgumentKind::UnicodeString8 => {
                return self.counted::<8>(opcode, bytes, is_last);
            }
            ArgumentKind::StringNlNoescapePair => {
                let Some(module) = self.line(bytes, is_last, || Next::Argument(opcode)) else { return false };
                let module = line_text(module);
                if matches!(self.next, Next::RestOfLine(_)) {
                    self.next = Next::RestOfLine(Some((opcode, module)));
                } else {
                    self.next = Next::SecondLine(opcode, module);
                }
            }
            ArgumentKind::DecimalNlShort
            | ArgumentKind::DecimalNlLong
            | ArgumentKind::FloatNl
            | ArgumentKind::StringNl
            | ArgumentKind::StringNlNoescape
            | ArgumentKind::UnicodeStringNl => {
                let Some(line) = self.line(bytes, is_last, || Next::Argument(opcode)) else { return false };
                self.lined(opcode, line, names);
            }
        }
        true
    }

    /// A number of so many bytes; lengths and indexes are little-endian and have no sign here.
    fn number<const N: usize>(&mut self, opcode: Opcode, bytes: &[u8]) -> Option<u64> {
        let number = bytes.first_chunk::<N>()?;
        self.cross(to_u64(N), || Next::Argument(opcode));
        self.position += to_u64(N);
        let mut wide = [0; 8];
        for (wide, byte) in wide.iter_mut().zip(number) {
            *wide = *byte;
        }
        Some(u64::from_le_bytes(wide))
    }

    /// A length of so many bytes, and what it announces.
    fn counted<const N: usize>(&mut self, opcode: Opcode, bytes: &[u8], is_last: bool) -> bool {
        let before = (self.position, self.forks.len());
        let Some(len) = self.number::<N>(opcode, bytes) else { return false };
        if self.payload(opcode, len, bytes.get(N..).unwrap_or_default()) {
            return true;
        }
        // The length is read again when its payload has come.
        self.position = before.0;
        if !is_last {
            self.forks.truncate(before.1);
        }
        false
    }

    /// What a length has announced: only the beginning is looked at.
    fn payload(&mut self, opcode: Opcode, len: u64, bytes: &[u8]) -> bool {
        let looked_at = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_NAME_LEN + 1);
        let Some(text) = bytes.get(..looked_at) else { return false };
        self.cross(len, || Next::Payload(opcode, len));
        self.position = self.position.saturating_add(len);
        let slot = match opcode {
            Opcode::ShortBinunicode | Opcode::Binunicode | Opcode::Binunicode8 => {
                // Text that is cut may end in the middle of a character, and surrogates are no UTF-8.
                self.text(&String::from_utf8_lossy(text))
            }
            Opcode::Binstring | Opcode::ShortBinstring => self.py2_text(text),
            _ => Slot::Other,
        };
        self.push(slot);
        true
    }

    /// The bytes of a line, without its line feed, of which a long one is cut: then `next` is the rest of it.
    fn line<'a>(&mut self, bytes: &'a [u8], is_last: bool, next: impl Fn() -> Next) -> Option<&'a [u8]> {
        let looked_at = bytes.get(..MAX_LINE).unwrap_or(bytes);
        if let Some(len) = memchr::memchr(b'\n', looked_at) {
            self.cross(to_u64(len) + 1, next);
            self.position += to_u64(len) + 1;
            return looked_at.get(..len);
        }
        if looked_at.len() < MAX_LINE {
            if !is_last {
                return None;
            }
            // At the end of the input, Python's unpicklers take the last character off, whatever it is, and an empty
            // line for a line.
            self.position += to_u64(looked_at.len());
            return looked_at.get(..looked_at.len().saturating_sub(1));
        }
        // Whether the line feed of a long line stands behind the FRAME's end does not matter: both are tried.
        self.cross(u64::MAX / 2, next);
        self.position += to_u64(MAX_LINE);
        self.next = Next::RestOfLine(None);
        Some(looked_at)
    }

    /// Splits off the reading of who takes these bytes from behind the FRAME, if they cross its end.
    fn cross(&mut self, len: u64, next: impl Fn() -> Next) {
        let end = self.frame_end;
        if self.position < end && end < self.position.saturating_add(len) {
            let mut fork = self.clone();
            fork.forks.clear();
            (fork.position, fork.frame_end, fork.next) = (end, 0, next());
            // Python 2 knows no FRAME.
            fork.two = false;
            self.forks.push(fork);
        }
    }

    /// An opcode with a number behind it.
    fn numbered(&mut self, opcode: Opcode, number: u64, names: &mut Names) {
        match opcode {
            Opcode::Proto => {
                self.two &= number <= 2;
                if number > 5 {
                    self.stop_all(PROTOCOL);
                }
            }
            Opcode::Frame => {
                self.two = false;
                self.frame_end = self.position.saturating_add(number);
            }
            Opcode::Binput | Opcode::LongBinput => self.put(opcode, Some(number)),
            Opcode::Binget | Opcode::LongBinget => self.get(opcode, Some(number)),
            Opcode::Ext1 | Opcode::Ext2 | Opcode::Ext4 => {
                names.add(format!("{opcode} {number}"), self.offset);
                self.push(Slot::Unknown);
            }
            _ => self.push(Slot::Other),
        }
    }

    /// An opcode with a line behind it.
    fn lined(&mut self, opcode: Opcode, line: &[u8], names: &mut Names) {
        match opcode {
            Opcode::Put => self.put(opcode, index_as_c_reads(line)),
            Opcode::Get => self.get(opcode, index_as_c_reads(line)),
            Opcode::Persid => {
                names.add(String::from(opcode.name()), self.offset);
                self.push(Slot::Unknown);
            }
            Opcode::Unicode => {
                let text = raw_unicode_escape(line).unwrap_or_else(|_| line.to_vec());
                let slot = self.text(&String::from_utf8_lossy(&text));
                self.push(slot);
            }
            Opcode::String => {
                let text = string_literal(line).unwrap_or_else(|_| line.to_vec());
                let slot = self.py2_text(&text);
                self.push(slot);
            }
            _ => self.push(Slot::Other),
        }
    }

    /// GLOBAL or INST with both its lines.
    fn named(&mut self, opcode: Opcode, module: &str, name: &[u8], names: &mut Names) {
        let full = full_name(module, &line_text(name));
        names.add(full, self.offset);
        if opcode == Opcode::Inst {
            self.down_to_mark(opcode);
        }
        self.push(Slot::Unknown);
    }

    fn put(&mut self, opcode: Opcode, index: Option<u64>) {
        self.had_put = true;
        if !self.takes(1, 0) {
            return;
        }
        if let Some(slot) = self.value(opcode)
            && let Some(index) = index
        {
            self.memo.put(index, slot);
        }
    }

    fn get(&mut self, opcode: Opcode, index: Option<u64>) {
        let known = index.and_then(|index| self.memo.get(index));
        if known.is_none() && self.is_first {
            self.two &= self.had_put;
            self.stop_three(opcode, NO_MEMO);
        }
        self.push(known.unwrap_or(Slot::Unknown));
    }

    fn text(&mut self, text: &str) -> Slot {
        if self.texts.is_full() {
            self.texts.collect(&mut self.stack, &mut self.memo);
        }
        self.texts.add(&shortened(text))
    }

    /// Python 2's text. What is not ASCII depends on the unpickler's `encoding`, so that it is no name to rely on.
    fn py2_text(&mut self, bytes: &[u8]) -> Slot {
        if bytes.is_ascii() { self.text(&latin1(bytes)) } else { Slot::Unknown }
    }

    /// What an opcode does that has no argument.
    fn act(&mut self, opcode: Opcode, names: &mut Names) {
        match opcode {
            Opcode::Mark => {
                self.had_mark = true;
                self.push(Slot::Mark);
            }
            Opcode::Stop => {
                if self.takes(1, 1) {
                    // Where Python 3 stumbles over STOP itself, Python 2 may give a MARK or what lies below it.
                    self.value(opcode);
                    self.ended.get_or_insert(true);
                }
            }
            Opcode::Pop => {
                if self.takes(1, 1) && self.three && self.stack.pop().is_none() {
                    self.stop_three(opcode, UNDERFLOW);
                }
            }
            Opcode::PopMark => {
                self.down_to_mark(opcode);
            }
            Opcode::Dup => {
                if self.takes(1, 0)
                    && let Some(slot) = self.value(opcode)
                {
                    self.stack.push(slot);
                }
                self.at_most += 1;
            }
            Opcode::Tuple | Opcode::List | Opcode::Dict | Opcode::Frozenset => {
                self.down_to_mark(opcode);
                self.push(Slot::Other);
            }
            Opcode::Tuple1 => self.replace(opcode, 1, Slot::Other),
            Opcode::Tuple2 => self.replace(opcode, 2, Slot::Other),
            Opcode::Tuple3 => self.replace(opcode, 3, Slot::Other),
            Opcode::Append => self.fill(opcode, 1),
            Opcode::Setitem => self.fill(opcode, 2),
            Opcode::Appends | Opcode::Setitems | Opcode::Additems => {
                self.down_to_mark(opcode);
                self.fill(opcode, 0);
            }
            Opcode::Memoize => {
                if let Some(slot) = self.value(opcode) {
                    self.memo.memoize(slot);
                }
            }
            Opcode::ReadonlyBuffer => {
                self.value(opcode);
            }
            Opcode::NextBuffer => {
                names.add(String::from(opcode.name()), self.offset);
                self.push(Slot::Other);
            }
            Opcode::Reduce | Opcode::Newobj => {
                self.calls(opcode, names);
                self.replace(opcode, 2, Slot::Unknown);
            }
            Opcode::NewobjEx => {
                self.calls(opcode, names);
                self.replace(opcode, 3, Slot::Unknown);
            }
            Opcode::Build => {
                self.calls(opcode, names);
                self.fill(opcode, 1);
            }
            Opcode::Obj => {
                self.calls(opcode, names);
                if self.down_to_mark(opcode) == Some(false) {
                    self.stop_three(opcode, UNDERFLOW);
                }
                self.push(Slot::Unknown);
            }
            Opcode::Binpersid => {
                names.add(String::from(opcode.name()), self.offset);
                self.replace(opcode, 1, Slot::Unknown);
            }
            Opcode::StackGlobal => self.stack_global(opcode, names),
            _ => self.push(Slot::Other),
        }
    }

    fn stack_global(&mut self, opcode: Opcode, names: &mut Names) {
        let (Some(name), Some(module)) = (self.value_off(opcode), self.value_off(opcode)) else { return };
        match (module, name) {
            (Slot::Text(module), Slot::Text(name)) => {
                names.add(full_name(self.texts.get(module), self.texts.get(name)), self.offset);
            }
            (Slot::Unknown, Slot::Unknown | Slot::Text(_)) | (Slot::Text(_), Slot::Unknown) => {
                names.add(String::from(UNKNOWN_NAME), self.offset);
            }
            _ => return self.stop_three(opcode, NO_TEXT),
        }
        self.push(Slot::Unknown);
    }

    /// Notes the first call, which stands for all where nothing is named.
    fn calls(&mut self, opcode: Opcode, names: &Names) {
        if self.call.is_none() && names.is_empty() {
            self.call = Some((opcode, self.offset));
        }
    }

    fn push(&mut self, slot: Slot) {
        self.at_most += 1;
        if self.three {
            self.stack.push(slot);
        }
    }

    /// Takes so many values and pushes one.
    fn replace(&mut self, opcode: Opcode, count: u64, slot: Slot) {
        if !self.takes(count, count) {
            return;
        }
        for _ in 0..count {
            if self.value_off(opcode).is_none() {
                break;
            }
        }
        self.push(slot);
    }

    /// Takes so many values and leaves the one below as it is.
    fn fill(&mut self, opcode: Opcode, count: u64) {
        if !self.takes(count + 1, count) {
            return;
        }
        for _ in 0..count {
            if self.value_off(opcode).is_none() {
                return;
            }
        }
        self.value(opcode);
    }

    /// What Python 2 needs on its stack, and what it takes at least; `false` when nobody is left who goes on.
    fn takes(&mut self, needs: u64, takes: u64) -> bool {
        self.two &= self.at_most >= needs;
        self.at_most = self.at_most.saturating_sub(takes);
        self.check();
        self.ended.is_none()
    }

    /// The topmost value of Python 3's stack, which stays.
    fn value(&mut self, opcode: Opcode) -> Option<Slot> {
        let slot = self.stack.top().filter(|slot| self.three && *slot != Slot::Mark);
        if slot.is_none() {
            self.stop_three(opcode, UNDERFLOW);
        }
        slot
    }

    /// Takes the topmost value of Python 3's stack.
    fn value_off(&mut self, opcode: Opcode) -> Option<Slot> {
        let slot = if self.three { self.stack.pop_value() } else { None };
        if slot.is_none() {
            self.stop_three(opcode, UNDERFLOW);
        }
        slot
    }

    /// Takes all down to a MARK; says whether there was something above it.
    fn down_to_mark(&mut self, opcode: Opcode) -> Option<bool> {
        self.two &= self.had_mark;
        if !self.takes(1, 1) {
            return None;
        }
        let any = if self.three { self.stack.pop_to_mark() } else { None };
        if any.is_none() {
            self.stop_three(opcode, NO_MARK);
        }
        any
    }

    /// Python 3 stops here. Python 2 may go on, unless the opcode is none of its own.
    fn stop_three(&mut self, opcode: Opcode, reason: &'static str) {
        if self.three {
            self.three = false;
            self.stop.get_or_insert(Stop { offset: self.offset, reason });
            // Python 2 keeps no record of these.
            (self.stack, self.memo, self.texts) = Default::default();
        }
        self.two &= opcode.protocol() <= 2;
        self.check();
    }

    /// Every unpickler stops here.
    fn stop_all(&mut self, reason: &'static str) {
        self.stop.get_or_insert(Stop { offset: self.offset, reason });
        (self.three, self.two) = (false, false);
        self.ended.get_or_insert(false);
    }

    /// Ends the reading when nobody is left.
    fn check(&mut self) {
        if !self.three && !self.two {
            self.ended.get_or_insert(false);
        }
    }
}

/// A line as text: a name that is no UTF-8 is one to Python 2 alone, which takes bytes.
fn line_text(line: &[u8]) -> String {
    let text = core::str::from_utf8(line).map_or_else(|_| Cow::Owned(latin1(line)), Cow::Borrowed);
    shortened(&text).into_owned()
}

fn shortened(text: &str) -> Cow<'_, str> {
    let shown = start(text, MAX_NAME_LEN);
    if shown.len() < text.len() { Cow::Owned(format!("{shown}...")) } else { Cow::Borrowed(text) }
}

/// A module and a name in it.
fn full_name(module: &str, name: &str) -> String {
    format!("{module}.{name}")
}
