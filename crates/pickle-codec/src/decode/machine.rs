//! The decoder: a stack machine over the opcodes, with `Modules/_pickle.c`'s rules and no recursion.
//!
//! The stack holds node ids; marks are heights of the stack on a stack of their own, and no opcode
//! reaches below the last one (the "fence" of the C unpickler). Where CPython's own implementations
//! or versions disagree about an input, it is refused.
//!
//! ```text
//! opcodes        stack (a mark is written as |)     what the builder makes
//! ]  q0          list                               an empty list; memo[0] is its id
//! (              list |
//! K 1            list | 1                           small integers are their own ids
//! h0             list | 1 list                      the same id again: sharing costs nothing
//! e              list                               APPENDS: two ids into the list's run
//! .                                                 the root is the list, which holds itself
//! ```
//!
//! # Three tiers
//!
//! [`StackMachine::step`] has the opcodes that most pickles consist of, in one `match` that stays in registers;
//! `rare_step` has the other ones that build data; `naming_step` (in `naming.rs`) those that name or call,
//! under the policy. An error inside of them is a kind alone; [`StackMachine::run`] adds offset, opcode and name.
//!
//! # Bounds
//!
//! Nothing is sized by a number of the input: a length is checked against what is left, a memo index is a key,
//! and every table grows through the [`Meter`](crate::build::meter::Meter), so that the peak of memory is at
//! most 64 KiB + 32 bytes for each byte of input. Each opcode adds at most one node and one memo entry; those
//! that can do more (a call that copies a list, a key that is compared) are charged to the budget of work.
//!
//! # Memo and PUT
//!
//! Protocol 1 writes a PUT behind every text. [`StackMachine::push_text`] looks at the next bytes and carries it out at
//! once if it stores at the next free place, which saves the loop one turn for each text; anything else is left for the
//! opcode itself, so that there is one place where it can fail.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use super::memo::DecodeMemo;
use crate::build::fill::{Builder, Part};
use crate::document::{Document, Instance, Kind, NodeId};
use crate::known;
use crate::options::DecodeOptions;
use crate::wire::error::{Error, ErrorKind, Result, shortened};
use crate::wire::number;
use crate::wire::opcode::Opcode;
use crate::wire::reader::{Reader, float8, int4, uint1, uint2, uint4, uint8};

/// The highest protocol that is read.
const HIGHEST_PROTOCOL: u8 = 5;

/// What an opcode's handler gives. An error is a kind alone, so that it fits a register; the name that
/// was refused waits in the machine.
pub(super) type Stepped<T = ()> = core::result::Result<T, ErrorKind>;

pub(super) struct StackMachine<'m, 'a> {
    /// What the caller allows.
    pub(super) options: &'m DecodeOptions,
    pub(super) reader: Reader<'a>,
    pub(super) builder: Builder<'a>,
    /// Ids of the objects on the stack.
    pub(super) stack: &'m mut Vec<NodeId>,
    /// The height of the stack at each MARK, the last one on top.
    pub(super) marks: &'m mut Vec<u32>,
    pub(super) memo: &'m mut DecodeMemo,
    /// Height of the stack at the last mark: nothing below it may be taken.
    pub(super) fence: usize,
    /// Out-of-band buffers met so far.
    pub(super) buffers: u32,
    /// The global that an error is about.
    pub(super) refused: Cell<Option<Box<str>>>,
}

impl<'a> StackMachine<'_, 'a> {
    /// One pickle.
    pub(super) fn run(&mut self) -> Result<NodeId> {
        let (root, stop) = self.run_to_stop()?;
        self.measured(root, stop)
    }

    /// Pickles one after another over one memo, up to the end of the input, as a list of what they hold.
    pub(super) fn run_all(&mut self, len: usize) -> Result<NodeId> {
        let mut roots = Vec::new();
        let mut last = 0;
        while self.reader.offset() < len {
            let (root, stop) = self.run_to_stop()?;
            self.builder.meter.push(&mut roots, root).map_err(|kind| self.error(kind, stop, Opcode::Stop))?;
            last = stop;
            // `Unpickler.load` begins with an empty stack; what it keeps is the memo.
            self.stack.clear();
            self.marks.clear();
            self.fence = 0;
        }
        let list = self.builder.list(&roots).map_err(|kind| self.error(kind, last, Opcode::Stop))?;
        self.measured(list, last)
    }

    /// The root, if it does not nest too deep. It is looked at once, whatever its pickles share.
    fn measured(&mut self, root: NodeId, stop: usize) -> Result<NodeId> {
        match self.builder.measure_depth(root) {
            Ok(()) => Ok(root),
            Err(kind) => Err(Error::new(kind, stop, Some(Opcode::Stop))),
        }
    }

    /// What a pickle holds, and where its STOP is.
    #[inline(never)]
    fn run_to_stop(&mut self) -> Result<(NodeId, usize)> {
        loop {
            let offset = self.reader.offset();
            let Some(byte) = self.reader.opcode_byte() else {
                return Err(Error::new(ErrorKind::Eof, offset, None).cut(true));
            };
            let Some(opcode) = Opcode::from_byte(byte) else {
                return Err(Error::new(ErrorKind::Opcode, offset, None));
            };
            match self.step(opcode) {
                Ok(None) => {}
                Ok(Some(root)) => return Ok((root, offset)),
                Err(kind) => return Err(self.error(kind, offset, opcode)),
            }
        }
    }

    #[cold]
    pub(super) fn error(&self, kind: ErrorKind, offset: usize, opcode: Opcode) -> Error {
        let is_cut = self.reader.is_cut(kind, self.options.limits.max_input_len);
        let error = Error::new(kind, offset, Some(opcode)).cut(is_cut);
        match self.refused.take() {
            Some(name) => error.with_global(&name),
            None => error,
        }
    }

    /// Notes the name that an error is about.
    #[cold]
    pub(super) fn refuse(&self, kind: ErrorKind, module: &str, name: &str) -> ErrorKind {
        // No more of either is copied than is shown.
        let shown = shortened(module);
        self.refused.set(Some(if shown.len() < module.len() {
            shown.into()
        } else {
            shortened(&alloc::format!("{module}.{}", shortened(name))).into()
        }));
        kind
    }

    /// Carries out one opcode; gives the root at STOP.
    #[inline]
    pub(super) fn step(&mut self, opcode: Opcode) -> Stepped<Option<NodeId>> {
        let (reader, builder) = (&mut self.reader, &mut self.builder);
        let id = match opcode {
            Opcode::Binunicode => {
                let len = reader.argument(uint4)?;
                self.text(u64::from(len))?;
                return Ok(None);
            }
            Opcode::Binput => {
                let index = reader.argument(uint1)?;
                self.put(u64::from(index))?;
                return Ok(None);
            }
            Opcode::LongBinput => {
                let index = reader.argument(uint4)?;
                self.put(u64::from(index))?;
                return Ok(None);
            }
            Opcode::Memoize => {
                self.put(self.memo.entries() as u64)?;
                return Ok(None);
            }
            Opcode::ShortBinunicode => {
                let len = reader.argument(uint1)?;
                self.text(u64::from(len))?;
                return Ok(None);
            }
            Opcode::ShortBinstring => {
                let len = reader.argument(uint1)?;
                let id = self.short_py2_str(len)?;
                self.push_text(id)?;
                return Ok(None);
            }
            Opcode::Binunicode8 => {
                let len = reader.argument(uint8)?;
                self.utf8(len)?
            }
            Opcode::Binint1 => builder.int(i64::from(reader.argument(uint1)?))?,
            Opcode::Binint2 => builder.int(i64::from(reader.argument(uint2)?))?,
            Opcode::Binint => builder.int(i64::from(reader.argument(int4)?))?,
            Opcode::Binfloat => builder.float(reader.argument(float8)?)?,
            Opcode::None => NodeId::NONE,
            Opcode::Newtrue => NodeId::TRUE,
            Opcode::Newfalse => NodeId::FALSE,
            Opcode::Binget => self.memo.get(u64::from(reader.argument(uint1)?)).ok_or(ErrorKind::Memo)?,
            Opcode::LongBinget => self.memo.get(u64::from(reader.argument(uint4)?)).ok_or(ErrorKind::Memo)?,
            Opcode::Mark => {
                let height = u32::try_from(self.stack.len()).map_err(|_| ErrorKind::Budget)?;
                builder.meter.push(self.marks, height)?;
                self.fence = self.stack.len();
                return Ok(None);
            }
            Opcode::EmptyDict => builder.empty_dict()?,
            Opcode::EmptyList => builder.empty_list()?,
            Opcode::EmptyTuple => NodeId::EMPTY_TUPLE,
            Opcode::EmptySet => builder.empty_set()?,
            Opcode::Setitems => {
                let mark = self.pop_mark()?;
                self.set_items(mark)?;
                return Ok(None);
            }
            Opcode::Appends => {
                let mark = self.pop_mark()?;
                self.append(mark)?;
                return Ok(None);
            }
            Opcode::Setitem => {
                self.set_items(self.stack.len().checked_sub(2).ok_or(ErrorKind::Stack)?)?;
                return Ok(None);
            }
            Opcode::Append => {
                self.append(self.stack.len().checked_sub(1).ok_or(ErrorKind::Stack)?)?;
                return Ok(None);
            }
            Opcode::Additems => {
                let mark = self.pop_mark()?;
                self.add_items(mark)?;
                return Ok(None);
            }
            Opcode::Tuple1 => self.tuple(1)?,
            Opcode::Tuple2 => self.tuple(2)?,
            Opcode::Tuple3 => self.tuple(3)?,
            Opcode::Tuple => self.above_mark(Builder::tuple)?,
            Opcode::List => self.above_mark(Builder::list)?,
            Opcode::Dict => self.above_mark(|builder, items| {
                if !items.len().is_multiple_of(2) {
                    return Err(ErrorKind::Odd);
                }
                let dict = builder.empty_dict()?;
                builder.set_items(dict, items)?;
                Ok(dict)
            })?,
            Opcode::Frozenset => self.above_mark(Builder::frozenset)?,
            Opcode::Long1 => {
                let len = reader.argument(uint1)?;
                builder.int_bytes(reader.counted(u64::from(len))?)?
            }
            Opcode::Long4 => {
                let len = reader.signed_len()?;
                builder.int_bytes(reader.counted(len)?)?
            }
            Opcode::ShortBinbytes => {
                let len = reader.argument(uint1)?;
                builder.bytes(reader.counted(u64::from(len))?)?
            }
            Opcode::Binbytes => {
                let len = reader.argument(uint4)?;
                builder.bytes(reader.counted(u64::from(len))?)?
            }
            Opcode::Binbytes8 => {
                let len = reader.argument(uint8)?;
                builder.bytes(reader.counted(len)?)?
            }
            Opcode::Bytearray8 => {
                let len = reader.argument(uint8)?;
                builder.bytearray(reader.counted(len)?)?
            }
            Opcode::Stop => return self.pop().map(Some),
            Opcode::Proto if reader.argument(uint1)? > HIGHEST_PROTOCOL => return Err(ErrorKind::Proto),
            Opcode::Proto => return Ok(None),
            Opcode::Frame => {
                let len = reader.argument(uint8)?;
                return reader.enter_frame(len).map(|()| None);
            }
            _ => match self.rare_step(opcode)? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        self.builder.meter.push(self.stack, id)?;
        Ok(None)
    }

    /// The opcodes that no hot path meets: text of protocol 0, Python 2's strings, stack
    /// shuffling, and everything that names or calls. Gives what is to be pushed.
    #[inline(never)]
    pub(super) fn rare_step(&mut self, opcode: Opcode) -> Stepped<Option<NodeId>> {
        let max_digits = self.options.limits.max_int_digits;
        let line = match opcode {
            Opcode::Binstring => {
                let len = self.reader.signed_len()?;
                let bytes = self.reader.counted(len)?;
                return self.py2_str(bytes).map(Some);
            }
            Opcode::Pop => {
                // A mark on top of the stack is what POP takes.
                if !self.marks.is_empty() && self.fence == self.stack.len() {
                    self.pop_mark()?;
                } else {
                    self.keep_popped_state()?;
                    self.pop()?;
                }
                return Ok(None);
            }
            Opcode::PopMark => {
                let mark = self.pop_mark()?;
                self.stack.truncate(mark);
                return Ok(None);
            }
            Opcode::Dup => return self.top().map(Some),
            Opcode::Int | Opcode::Long | Opcode::Float | Opcode::Unicode | Opcode::String => {
                self.reader.line()?
            }
            Opcode::Get | Opcode::Put => self.reader.line()?,
            _ => return self.naming_step(opcode),
        };
        match opcode {
            Opcode::Int => self.integer(number::int_line(line, max_digits)?),
            Opcode::Long => self.integer(number::long_line(line, max_digits)?),
            Opcode::Float => self.builder.float(number::float_line(line)?),
            Opcode::Unicode => self.unicode_line(line),
            Opcode::String => self.string_line(line),
            Opcode::Get => self.memo.get(number::index_line(line, max_digits)?).ok_or(ErrorKind::Memo),
            _ => return self.put(number::index_line(line, max_digits)?).map(|()| None),
        }
        .map(Some)
    }

    /// PUT and its kin: stores the top of the stack, and leaves it there.
    #[inline(always)]
    fn put(&mut self, index: u64) -> Stepped {
        let id = self.top()?;
        self.memo.put(index, id, &mut self.builder.meter)?;
        Ok(())
    }

    /// Text of a protocol from 1 on.
    #[inline(always)]
    fn text(&mut self, len: u64) -> Stepped {
        let id = self.utf8(len)?;
        self.push_text(id)
    }

    /// The node of a text in the input.
    #[inline(always)]
    fn utf8(&mut self, len: u64) -> Stepped<NodeId> {
        match self.reader.text(len)? {
            Ok(text) => self.builder.str(text),
            Err(bytes) => self.surrogates(bytes),
        }
    }

    /// Pushes a text and carries out the PUT that picklers write behind every one, where it is a plain one;
    /// whatever could fail is left to the opcode itself.
    #[inline(always)]
    fn push_text(&mut self, id: NodeId) -> Stepped {
        self.builder.meter.push(self.stack, id)?;
        match *self.reader.window() {
            [b'q', index, ..] if self.memo.put_next(usize::from(index), id) => self.reader.skip(2),
            [b'\x94', ..] if self.memo.put_next(self.memo.entries(), id) => self.reader.skip(1),
            _ => {}
        }
        Ok(())
    }

    /// The top of the stack, if it is above the last mark.
    #[inline]
    pub(super) fn top(&self) -> Stepped<NodeId> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.fence => Ok(id),
            _ => Err(ErrorKind::Stack),
        }
    }

    /// Takes the top of the stack.
    #[inline]
    pub(super) fn pop(&mut self) -> Stepped<NodeId> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// Takes the last mark and gives the height of the stack at it.
    #[inline]
    pub(super) fn pop_mark(&mut self) -> Stepped<usize> {
        let mark = self.marks.pop().ok_or(ErrorKind::Mark)?;
        self.fence = self.marks.last().map_or(0, |&mark| mark as usize);
        Ok(mark as usize)
    }

    /// Makes one node of everything above the last mark.
    #[inline(always)]
    pub(super) fn above_mark(
        &mut self,
        make: impl FnOnce(&mut Builder<'a>, &[NodeId]) -> Stepped<NodeId>,
    ) -> Stepped<NodeId> {
        let mark = self.pop_mark()?;
        let id = make(&mut self.builder, self.stack.get(mark..).unwrap_or_default())?;
        self.stack.truncate(mark);
        Ok(id)
    }

    /// TUPLE1, TUPLE2 and TUPLE3: so many objects as one tuple. None of them may be below the last mark.
    #[inline]
    fn tuple(&mut self, len: usize) -> Stepped<NodeId> {
        let start =
            self.stack.len().checked_sub(len).filter(|&start| start >= self.fence).ok_or(ErrorKind::Stack)?;
        let id = self.builder.tuple(self.stack.get(start..).unwrap_or_default())?;
        self.stack.truncate(start);
        Ok(id)
    }

    /// The container below `start`, where `start` is not below the fence.
    #[inline]
    fn target(&self, start: usize) -> Stepped<NodeId> {
        match start.checked_sub(1).and_then(|place| self.stack.get(place)) {
            Some(&id) if start > self.fence => Ok(id),
            _ => Err(ErrorKind::Stack),
        }
    }

    /// APPEND and APPENDS: what is above `start` goes to the list below it. An object gets a list of its own for it,
    /// as `list.extend` of its class would have.
    #[inline]
    fn append(&mut self, start: usize) -> Stepped {
        let target = self.target(start)?;
        if target.kind() == Kind::List {
            self.builder.extend(target, self.stack.get(start..).unwrap_or_default())?;
            self.stack.truncate(start);
            return Ok(());
        }
        self.append_to_object(target, start)
    }

    /// SETITEM and SETITEMS, in the same way: keys and values in turn.
    #[inline]
    fn set_items(&mut self, start: usize) -> Stepped {
        let target = self.target(start)?;
        let pairs = self.stack.get(start..).unwrap_or_default();
        if !pairs.len().is_multiple_of(2) {
            return Err(ErrorKind::Odd);
        }
        if pairs.is_empty() {
            // No unpickler looks at what would get no items.
            return Ok(());
        }
        if target.kind() == Kind::Dict {
            self.builder.set_items(target, pairs)?;
        } else {
            let dict = self.object_part(target, Part::Pairs, known::takes_pairs)?;
            self.builder.set_items(dict, self.stack.get(start..).unwrap_or_default())?;
            self.builder.deepen(target, dict)?;
        }
        self.stack.truncate(start);
        Ok(())
    }

    /// ADDITEMS. What is no set may be an object of a class that has `add`, whose items are kept in order.
    fn add_items(&mut self, start: usize) -> Stepped {
        let target = self.target(start)?;
        if target.kind() != Kind::Set {
            return self.append_to_object(target, start);
        }
        self.builder.add(target, self.stack.get(start..).unwrap_or_default())?;
        self.stack.truncate(start);
        Ok(())
    }

    /// Gives an object the items above `start`, in a list of its own.
    fn append_to_object(&mut self, target: NodeId, start: usize) -> Stepped {
        let list = self.object_part(target, Part::Items, known::takes_items)?;
        self.builder.extend(list, self.stack.get(start..).unwrap_or_default())?;
        self.builder.deepen(target, list)?;
        self.stack.truncate(start);
        Ok(())
    }

    /// The container in which an object keeps what it is given, if its class takes any.
    fn object_part(
        &mut self,
        target: NodeId,
        part: Part,
        takes: fn(&Document<'a>, &Instance) -> bool,
    ) -> Stepped<NodeId> {
        let document = &self.builder.document;
        let takes = document.instance(target).is_some_and(|instance| takes(document, instance));
        if takes { self.builder.part(target, part) } else { Err(ErrorKind::Type) }
    }
}
