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
//! comes that Python 2 does not know. As long as Python 3 goes on, both have the same stack.
//!
//! # Two ways to read a FRAME
//!
//! An unpickler that has all bytes in memory looks at a FRAME's length and reads on. One that reads from a file takes
//! the FRAME's bytes into a buffer; when an argument does not fit into what is left of that, it reads the argument
//! from the file, behind the FRAME, and drops what was left (`_Unpickler_ReadImpl` and `_Unpickler_Readline` in
//! `Modules/_pickle.c`, until 3.13.15 and 3.14.7). So wherever an argument crosses the end of a FRAME, a second machine
//! is split off that reads it there. Where STOP stands in a FRAME, the next pickle of such a file begins behind it.
//!
//! # Two ways to read an array of joblib's
//!
//! joblib's unpickler takes the bytes of an array out of the pickle where others read them as opcodes: see
//! [`arrays`](super::arrays). The machine reads as joblib does, and another one is split off that does not.
//!
//! What opcodes do is in [`act`]; most of them are plain data and go through [`plain`].

mod act;
mod plain;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::arrays::{Array, Arrays};
use super::finding::{MAX_NAME_LEN, NameList, Stop, shortened, to_u64, to_usize};
use super::memory::{Remembered, Slot};
use crate::wire::opcode::{ArgumentKind, Opcode};
use crate::wire::text::latin1;

/// The bytes of a line that are looked at; a longer one is no name.
const MAX_LINE: usize = 4 * MAX_NAME_LEN;

/// The opcode of each byte: a look-up takes less than the comparisons of [`Opcode::from_byte`].
static OPCODES: [Option<Opcode>; 256] = {
    let mut opcodes = [None; 256];
    let mut at = 0;
    let mut byte = 0_u8;
    while at < opcodes.len() {
        opcodes[at] = Opcode::from_byte(byte);
        byte = byte.wrapping_add(1);
        at += 1;
    }
    opcodes
};

pub(super) const EOF: &str = "the input ends";
const NO_OPCODE: &str = "not an opcode";
const PROTOCOL: &str = "a protocol above 5";

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
    /// A byte that counts bytes of padding, then that many and an array's bytes.
    PaddedArray(u64),
}

/// The argument of an opcode.
#[derive(Clone, Copy)]
enum Operand<'a> {
    None,
    Number(u64),
    /// The beginning of what a length has announced.
    Payload(&'a [u8]),
    Line(&'a [u8]),
    /// What a name stands for.
    Named(Slot),
    /// It goes on in another line.
    Later,
}

/// One reading of one pickle.
///
/// It stands for all unpicklers that read the same bytes in the same places; where they part, another one is split off.
/// Of what they do with the bytes the most tolerant one counts: an opcode ends the reading only if every unpickler ends
/// there, which [`stop_all`](Self::stop_all) says, or if Python 3 and Python 2 have both stopped before.
#[derive(Debug)]
pub(super) struct Reading {
    /// Where the next byte to read stands; it may be beyond what has come.
    position: u64,
    next: Next,
    /// Where the opcode stands whose argument is read.
    offset: u64,
    /// Where the FRAME ends that is read in.
    frame_end: u64,
    memory: Remembered,
    /// There may be arrays of joblib's.
    arrays: Option<Box<Arrays>>,
    /// Bytes of arrays are read as opcodes.
    is_plain: bool,
    /// The pickle in which this one lies, as an array of objects.
    outer: Option<Box<Self>>,
    /// The reading that takes bytes of arrays for opcodes has been split off.
    has_split: bool,
    /// Python 3 has not stopped.
    three: bool,
    /// Python 2 has not stopped.
    two: bool,
    /// Objects that Python 2 has on its stack at most, MARKs included, since Python 3 has stopped.
    at_most: u64,
    /// There was a MARK, which Python 2's unpickler in Python may also have put into its memo.
    had_mark: bool,
    /// Something was stored in the memo. Python 2 takes any line for an index.
    had_put: bool,
    /// No earlier pickle can have filled the memo.
    is_first: bool,
    stop: Option<Stop>,
    call: Option<(Opcode, u64)>,
    /// Other readings that were split off and are not taken.
    forks: Vec<Self>,
    /// How many may be.
    may_fork: usize,
    /// One that was not.
    unfollowed: Option<u64>,
    ended: Option<bool>,
    /// Something else than the next opcode is to be done.
    is_paused: bool,
}

impl Reading {
    pub(super) fn new(position: u64, is_first: bool) -> Self {
        Self {
            position,
            next: Next::Opcode,
            offset: position,
            frame_end: 0,
            memory: Remembered::default(),
            arrays: None,
            is_plain: false,
            outer: None,
            has_split: false,
            three: true,
            two: true,
            at_most: 0,
            had_mark: false,
            had_put: false,
            is_first,
            stop: None,
            call: None,
            forks: Vec::new(),
            may_fork: 0,
            unfollowed: None,
            ended: None,
            is_paused: false,
        }
    }

    /// Begins a pickle, in the room of the one before it.
    pub(super) fn restart(&mut self, position: u64, is_first: bool) {
        let mut memory = core::mem::take(&mut self.memory);
        memory.clear();
        *self = Self { memory, is_plain: self.is_plain, ..Self::new(position, is_first) };
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Where the next pickle begins for who has taken a FRAME out of a file that goes on behind STOP.
    pub(super) fn behind_frame(&self) -> Option<u64> {
        (self.ended == Some(true) && self.position < self.frame_end).then_some(self.frame_end)
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.map(|at_stop| Ended { at_stop, stop: self.stop, call: self.call })
    }

    /// Takes the readings that were split off, and where one was not because there are too many.
    pub(super) fn take_forks(&mut self) -> (Vec<Self>, Option<u64>) {
        (core::mem::take(&mut self.forks), self.unfollowed.take())
    }

    /// Reads what has come from its position on: as far as it goes, or until other readings have been split off, of
    /// which there may be so many.
    pub(super) fn run(&mut self, mut bytes: &[u8], is_last: bool, names: &mut NameList, may_fork: usize) {
        self.may_fork = may_fork;
        loop {
            if self.ended == Some(true) && self.outer.is_some() {
                self.leave();
            }
            if self.ended.is_some() || !self.forks.is_empty() || self.unfollowed.is_some() {
                return;
            }
            self.is_paused = false;
            let before = self.position;
            let is_enough = match core::mem::replace(&mut self.next, Next::Opcode) {
                Next::Opcode => self.opcodes(bytes, is_last, names),
                next => self.resume(next, bytes, is_last, names),
            };
            if !is_enough {
                if is_last && self.ended.is_none() {
                    self.stop_all(EOF);
                    continue;
                }
                return;
            }
            bytes = bytes.get(to_usize(self.position - before)..).unwrap_or_default();
        }
    }

    /// Reads opcodes as long as there is nothing else to do; `false` where not enough has come for the next one.
    fn opcodes(&mut self, mut bytes: &[u8], is_last: bool, names: &mut NameList) -> bool {
        // Offsets are taken from what is left, so that no opcode has to wait for the one before it.
        let end = self.position.saturating_add(to_u64(bytes.len()));
        while !self.is_paused {
            if self.three && !bytes.is_empty() {
                bytes = self.plain(bytes, end);
            }
            let Some((byte, rest)) = bytes.split_first() else {
                self.offset = self.position;
                return false;
            };
            self.offset = end - to_u64(bytes.len());
            let Some(opcode) = opcode(*byte) else {
                self.stop_all(NO_OPCODE);
                return true;
            };
            if self.two && opcode.protocol() > 2 {
                self.two = false;
                self.check();
                if self.ended.is_some() {
                    return true;
                }
            }
            self.position = end - to_u64(rest.len());
            bytes = rest;
            let argument = if opcode.argument_kind() == ArgumentKind::None {
                Operand::None
            } else if let Some((argument, used)) = self.argument(opcode, rest, is_last) {
                bytes = rest.get(used..).unwrap_or_default();
                argument
            } else {
                // What has come of it is read again.
                self.position = self.offset;
                return false;
            };
            self.act(opcode, argument, names);
        }
        true
    }

    /// Goes on where something else than an opcode is read next.
    fn resume(&mut self, next: Next, bytes: &[u8], is_last: bool, names: &mut NameList) -> bool {
        match next {
            Next::Opcode => true,
            Next::Argument(opcode) => {
                let before = self.position;
                let Some((argument, _)) = self.argument(opcode, bytes, is_last) else {
                    (self.position, self.next) = (before, Next::Argument(opcode));
                    return false;
                };
                self.act_later(opcode, argument, names);
                true
            }
            Next::Payload(opcode, len) => {
                let Some(payload) = self.payload(opcode, len, bytes, is_last) else {
                    self.next = Next::Payload(opcode, len);
                    return false;
                };
                self.act_later(opcode, Operand::Payload(payload), names);
                true
            }
            Next::SecondLine(opcode, module) => {
                let Some(line) = self.line(bytes, is_last, || Next::SecondLine(opcode, module.clone()))
                else {
                    self.next = Next::SecondLine(opcode, module);
                    return false;
                };
                let name = line_text(line);
                let slot = self.name(&module, &name, names);
                self.act_later(opcode, Operand::Named(slot), names);
                true
            }
            Next::RestOfLine(then) => {
                let end = memchr::memchr(b'\n', bytes);
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
            Next::PaddedArray(len) => {
                let Some(padding) = bytes.first() else {
                    self.next = Next::PaddedArray(len);
                    return false;
                };
                self.position = self.position.saturating_add(1 + u64::from(*padding)).saturating_add(len);
                true
            }
        }
    }

    /// Reads the argument of an opcode, and says how long it is; `None` where it has not come.
    #[inline]
    fn argument<'a>(
        &mut self,
        opcode: Opcode,
        bytes: &'a [u8],
        is_last: bool,
    ) -> Option<(Operand<'a>, usize)> {
        match opcode.argument_kind() {
            ArgumentKind::None => Some((Operand::None, 0)),
            ArgumentKind::Uint1 => self.numbered::<1>(opcode, bytes),
            ArgumentKind::Uint2 => self.numbered::<2>(opcode, bytes),
            ArgumentKind::Int4 | ArgumentKind::Uint4 => self.numbered::<4>(opcode, bytes),
            ArgumentKind::Uint8 | ArgumentKind::Float8 => self.numbered::<8>(opcode, bytes),
            ArgumentKind::String1
            | ArgumentKind::Bytes1
            | ArgumentKind::UnicodeString1
            | ArgumentKind::Long1 => self.counted::<1>(opcode, bytes, is_last),
            ArgumentKind::String4
            | ArgumentKind::Bytes4
            | ArgumentKind::UnicodeString4
            | ArgumentKind::Long4 => self.counted::<4>(opcode, bytes, is_last),
            ArgumentKind::Bytes8 | ArgumentKind::ByteArray8 | ArgumentKind::UnicodeString8 => {
                self.counted::<8>(opcode, bytes, is_last)
            }
            ArgumentKind::StringNlNoescapePair => {
                let module = self.line(bytes, is_last, || Next::Argument(opcode))?;
                let module = line_text(module);
                self.next = match self.next {
                    Next::RestOfLine(_) => Next::RestOfLine(Some((opcode, module))),
                    _ => Next::SecondLine(opcode, module),
                };
                self.is_paused = true;
                Some((Operand::Later, 0))
            }
            ArgumentKind::DecimalNlShort
            | ArgumentKind::DecimalNlLong
            | ArgumentKind::FloatNl
            | ArgumentKind::StringNl
            | ArgumentKind::StringNlNoescape
            | ArgumentKind::UnicodeStringNl => {
                let line = self.line(bytes, is_last, || Next::Argument(opcode))?;
                Some((Operand::Line(line), line.len() + 1))
            }
        }
    }

    /// A number of so many bytes; lengths and indexes are little-endian and have no sign here.
    #[inline]
    fn numbered<'a, const N: usize>(&mut self, opcode: Opcode, bytes: &[u8]) -> Option<(Operand<'a>, usize)> {
        let number = bytes.first_chunk::<N>()?;
        self.cross(to_u64(N), || Next::Argument(opcode));
        self.position += to_u64(N);
        Some((Operand::Number(little_endian(number)), N))
    }

    /// A length of so many bytes, and what it announces.
    #[inline]
    fn counted<'a, const N: usize>(
        &mut self,
        opcode: Opcode,
        bytes: &'a [u8],
        is_last: bool,
    ) -> Option<(Operand<'a>, usize)> {
        let (number, rest) = bytes.split_first_chunk::<N>()?;
        let len = little_endian(number);
        if rest.len() < looked_at(len) && !is_last {
            return None;
        }
        self.cross(to_u64(N), || Next::Argument(opcode));
        self.position += to_u64(N);
        let payload = self.payload(opcode, len, rest, is_last)?;
        Some((Operand::Payload(payload), to_usize(len).saturating_add(N)))
    }

    /// What a length has announced: only the beginning is looked at.
    #[inline]
    fn payload<'a>(&mut self, opcode: Opcode, len: u64, bytes: &'a [u8], is_last: bool) -> Option<&'a [u8]> {
        let payload = bytes.get(..looked_at(len));
        if payload.is_some() || is_last {
            self.cross(len, || Next::Payload(opcode, len));
        }
        self.position = self.position.saturating_add(if payload.is_some() { len } else { 0 });
        payload
    }

    /// The bytes of a line, without its line feed, of which a long one is cut: then `next` is the rest of it.
    #[inline]
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
        self.is_paused = true;
        Some(looked_at)
    }

    /// Splits off the reading of who takes these bytes from behind the FRAME, if they cross its end.
    ///
    /// Every read of an argument comes through here: numbers, lengths, what a length has announced, and lines. An
    /// opcode itself is one byte and cannot cross.
    #[inline]
    fn cross(&mut self, len: u64, next: impl Fn() -> Next) {
        if self.position < self.frame_end && self.frame_end < self.position.saturating_add(len) {
            // Python 2 knows no FRAME, so that nothing is left of it here.
            self.split(self.frame_end, next());
        }
    }

    /// Splits off a reading that goes on elsewhere.
    #[cold]
    fn split(&mut self, position: u64, next: Next) {
        self.is_paused = true;
        if self.forks.len() >= self.may_fork {
            self.unfollowed.get_or_insert(self.offset);
            return;
        }
        let mut fork = self.thin();
        (fork.position, fork.next) = (position, next);
        self.forks.push(fork);
    }

    /// Another reading with what is remembered now, or a part of it: a thousand objects, so that some thirty readings
    /// cost less than the first one. The rest of it is unknown to that reading, and so are names made of it.
    fn thin(&self) -> Self {
        Self {
            offset: self.offset,
            memory: self.memory.thin(),
            arrays: self.arrays.as_ref().map(|_| Box::default()),
            is_plain: self.is_plain,
            outer: self.outer.as_ref().map(|outer| Box::new(outer.thin())),
            has_split: self.has_split,
            three: self.three,
            two: self.two,
            at_most: self.at_most,
            had_mark: self.had_mark,
            had_put: self.had_put,
            stop: self.stop,
            call: self.call,
            ..Self::new(self.position, self.is_first)
        }
    }

    /// Follows an array of joblib's. The first one of a pickle splits off the reading that does not: for who takes one
    /// array for opcodes, all others are opcodes as well.
    fn follow(&mut self, array: Array) {
        // joblib writes no FRAME about an array. In one, the array's bytes would stand behind its end.
        if self.is_plain || self.position < self.frame_end {
            return;
        }
        self.is_paused = true;
        if !self.has_split {
            self.has_split = true;
            self.split(self.position, Next::Opcode);
            if let Some(fork) = self.forks.last_mut() {
                (fork.is_plain, fork.arrays) = (true, None);
            }
        }
        self.memory.stack.set_top(Slot::Unknown);
        match array {
            Array::Bytes { len, is_padded: false } => self.position = self.position.saturating_add(len),
            Array::Bytes { len, is_padded: true } => self.next = Next::PaddedArray(len),
            Array::Objects => {
                // Others read it, and know nothing of joblib's arrays.
                let inner = Self {
                    is_plain: true,
                    may_fork: self.may_fork,
                    forks: core::mem::take(&mut self.forks),
                    unfollowed: self.unfollowed.take(),
                    call: self.call,
                    is_paused: true,
                    two: false,
                    ..Self::new(self.position, true)
                };
                let outer = core::mem::replace(self, inner);
                self.outer = Some(Box::new(outer));
            }
        }
    }

    /// Goes on behind an array of objects.
    fn leave(&mut self) {
        let Some(outer) = self.outer.take() else { return };
        let inner = core::mem::replace(self, *outer);
        (self.position, self.call, self.may_fork) = (inner.position, inner.call, inner.may_fork);
        (self.forks, self.unfollowed) = (inner.forks, inner.unfollowed);
    }

    /// Python 3 stops here. Python 2 may go on, unless the opcode is none of its own.
    fn stop_three(&mut self, opcode: Opcode, reason: &'static str) {
        self.three = false;
        self.stop.get_or_insert(Stop { offset: self.offset, reason });
        self.at_most = self.memory.stack.len();
        self.memory = Remembered::default();
        self.arrays = None;
        self.two &= opcode.protocol() <= 2;
        self.check();
    }

    /// Every unpickler stops here.
    fn stop_all(&mut self, reason: &'static str) {
        self.stop.get_or_insert(Stop { offset: self.offset, reason });
        (self.three, self.two) = (false, false);
        self.end(false);
    }

    /// Ends the reading when nobody is left.
    fn check(&mut self) {
        if !self.three && !self.two {
            self.end(false);
        }
    }

    fn end(&mut self, at_stop: bool) {
        self.ended.get_or_insert(at_stop);
        self.is_paused = true;
    }
}

#[inline]
fn opcode(byte: u8) -> Option<Opcode> {
    OPCODES.get(usize::from(byte)).copied().flatten()
}

/// How much is looked at of what a length announces.
#[inline]
fn looked_at(len: u64) -> usize {
    to_usize(len).min(MAX_NAME_LEN + 1)
}

#[inline]
fn little_endian<const N: usize>(number: &[u8; N]) -> u64 {
    let mut wide = [0; 8];
    for (wide, byte) in wide.iter_mut().zip(number) {
        *wide = *byte;
    }
    u64::from_le_bytes(wide)
}

/// A line as text: a name that is no UTF-8 is one to Python 2 alone, which takes bytes.
fn line_text(line: &[u8]) -> String {
    let text = core::str::from_utf8(line).map_or_else(|_| Cow::Owned(latin1(line)), Cow::Borrowed);
    shortened(&text).into_owned()
}
