//! A dict from text to values, such as a record's attributes, read without a document: any order of the
//! keys, any protocol from 1 on, Python 2's strings, BINGETs of text, and values of lists, tuples and dicts.
//!
//! As long as keys and scalars alternate no stack is needed. At the first container a stack machine
//! takes over, whose values are trees. Either gives up, and leaves the pickle to the decoder, at
//! whatever makes a pickle a graph (fetching a container from the memo), at names and calls, at
//! text that is not UTF-8, at keys that are not text, at duplicate keys and at large containers.
//!
//! ```text
//! scalars   key scalar key scalar ...        straight into the target, the cursor in registers
//!    │ a key whose value is a container
//! run       the stack machine: values of the rest of the outermost dict pile up on a stack,
//!           and go to the target at its SETITEMS
//! ```
//!
//! A container never gets into the memo, whose entries are text or nothing, so that fetching one ends the attempt
//! and no object can be met twice. That, and [`MAX_CONTAINERS`], is why no limit on depth, memory or expansion can be
//! reached here but for fetched text, which is counted.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::code;
use super::cursor::{Cursor, Scalar};
use crate::value::Value;

/// Takes the items of the outermost dict, in their order. Every method gives `None` to end the attempt, as
/// it must for a key that came before.
pub trait Attributes<'a> {
    /// What a name is to the one who takes it, looked up once.
    type Key: Copy;

    /// Looks a name up. It is not known to be UTF-8.
    fn key(&mut self, name: &'a [u8]) -> Self::Key;

    /// Takes an item whose value is text.
    fn text(&mut self, key: Self::Key, name: &'a [u8], text: &'a str) -> Option<()>;

    /// Takes an item whose value is `None`.
    fn none(&mut self, key: Self::Key, name: &'a [u8]) -> Option<()>;

    /// Takes an item whose value is an integer.
    fn int(&mut self, key: Self::Key, name: &'a [u8], number: i64) -> Option<()>;

    /// Takes an item whose value is a float.
    fn float(&mut self, key: Self::Key, name: &'a [u8], number: f64) -> Option<()>;

    /// Takes an item whose value is a bool.
    fn bool(&mut self, key: Self::Key, name: &'a [u8], value: bool) -> Option<()>;

    /// Takes any item.
    fn value(&mut self, name: &'a str, value: Value<'a>) -> Option<()>;
}

/// Containers in one pickle, which also bounds their depth: what drops a value recurses.
const MAX_CONTAINERS: usize = 64;

/// Keys of a nested dict, which are searched one by one for duplicates, in quadratic time.
const MAX_KEYS: usize = 16;

/// Memo indexes may leave gaps of this size, as those of Python 2, which start at 1.
const MAX_GAP: usize = 16;

/// Entries of the memo that are laid out in advance; a flat record stores fewer. Storing one is then a store, without
/// a look at the capacity.
const MEMO_ROOM: usize = 48;

/// The memory of a read, which the next one can use again.
#[derive(Debug, Default)]
pub struct Scratch<'a> {
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: Vec<Option<&'a [u8]>>,
}

impl Scratch<'_> {
    /// Empties the tables and lets go of the payload that they borrowed from. A vector that is
    /// collected from its own iterator keeps its memory.
    #[must_use]
    pub fn recycle<'b>(mut self) -> Scratch<'b> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        Scratch {
            stack: self.stack.into_iter().map(|_| Value::None).collect(),
            marks: self.marks,
            memo: self.memo.into_iter().map(|_| None).collect(),
        }
    }
}

/// How a direct read goes, beside what the pickle says.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a reader says all of it")]
pub struct Reading {
    /// Whether Python 2's strings are text where they are UTF-8.
    pub py2_text: bool,
    /// Bytes of text that may be fetched from the memo; the expansion of more is for the decoder to count.
    pub max_fetches: usize,
}

/// The stack machine. The outermost dict is no value on its stack: it lies below all of them, where only
/// SETITEM and SETITEMS reach it, so that no other opcode can take it up, put it into something or append to it.
struct Machine<'m, 'a, T> {
    cursor: Cursor<'a>,
    target: &'m mut T,
    scratch: &'m mut Scratch<'a>,
    containers: usize,
    /// The memo has entries that were never stored.
    gaps: bool,
    /// The memo index at which the table starts, once one is known.
    base: Option<usize>,
    /// How many entries of the table are in use; those behind are room.
    entries: usize,
    /// The memo index that makes the table longer by one; `usize::MAX` while the base is unknown.
    next: usize,
    /// Bytes of text that may still be fetched again.
    fetches: usize,
    py2_text: bool,
}

/// Reads a pickle that is one dict; `None` if it is for the decoder. What was taken until then counts for
/// nothing.
pub fn read<'a, T: Attributes<'a>>(
    pickle: &'a [u8],
    reading: Reading,
    target: &mut T,
    scratch: &mut Scratch<'a>,
) -> Option<()> {
    let mut machine = Machine {
        cursor: Cursor::new(pickle),
        target,
        scratch,
        containers: 0,
        gaps: false,
        base: Some(0),
        entries: 0,
        next: 0,
        fetches: reading.max_fetches,
        py2_text: reading.py2_text,
    };
    machine.start()?;
    if !machine.scalars()? {
        machine.run()?;
    }
    Some(())
}

/// Goes on where another reader met the opcode of a container, above the mark of the outermost dict and a
/// key. `max_fetches` is that of [`Reading`]; fetching what was stored before ends the attempt.
pub fn resume<'a, T: Attributes<'a>>(
    cursor: Cursor<'a>,
    opcode: u8,
    key: &'a str,
    max_fetches: usize,
    target: &mut T,
    home: &mut Scratch<'static>,
) -> Option<()> {
    let mut scratch: Scratch<'a> = core::mem::take(home);
    let mut machine = Machine {
        cursor,
        target,
        scratch: &mut scratch,
        containers: 0,
        gaps: true,
        base: None,
        entries: 0,
        next: usize::MAX,
        fetches: max_fetches,
        py2_text: false,
    };
    machine.lay_out(key);
    let outcome = machine.step(opcode).and_then(|()| machine.run());
    *home = scratch.recycle();
    outcome
}

impl<'a, T: Attributes<'a>> Machine<'_, 'a, T> {
    /// The stack as it is behind the mark and a key of the outermost dict.
    fn lay_out(&mut self, key: &'a str) {
        self.scratch.stack.reserve(16);
        self.scratch.stack.push(Value::Str(Cow::Borrowed(key)));
        self.scratch.marks.push(0);
    }

    /// PROTO, a pickle FRAME that spans all of the rest, the outermost EMPTY_DICT and its MARK. A pickle of more
    /// than one FRAME is large, and for the decoder.
    fn start(&mut self) -> Option<()> {
        let mut opcode = self.cursor.byte()?;
        if opcode == code::PROTO {
            if self.cursor.byte()? > 5 {
                return None;
            }
            opcode = self.cursor.byte()?;
        }
        if opcode == code::FRAME {
            let len = u64::from_le_bytes(*self.cursor.chunk::<8>()?);
            if usize::try_from(len) != Ok(self.cursor.rest.len()) {
                return None;
            }
            opcode = self.cursor.byte()?;
        }
        if opcode != code::EMPTY_DICT {
            return None;
        }
        let mut cursor = self.cursor;
        self.put_behind(&mut cursor, None)?;
        self.cursor = cursor;
        if self.cursor.byte()? != code::MARK {
            return None;
        }
        self.scratch.memo.resize(self.scratch.memo.len().max(MEMO_ROOM), None);
        Some(())
    }

    /// Reads keys and scalars. Gives `true` at the end of the pickle, and `false` behind a key whose
    /// value is something else, with the stack laid out for the machine.
    fn scalars(&mut self) -> Option<bool> {
        // Away from the machine, whose methods may be called, the cursor stays in registers.
        let mut cursor = self.cursor;
        loop {
            // The names of CPython's own attributes need no check for UTF-8.
            let opcode = cursor.byte()?;
            if opcode == code::SETITEMS && cursor.rest == [code::STOP] {
                return Some(true);
            }
            let key = self.text_at(&mut cursor, opcode)?;
            self.put_behind(&mut cursor, Some(key))?;
            let start = cursor;
            let opcode = cursor.byte()?;
            let name = key;
            let key = self.target.key(name);
            match opcode {
                code::BINUNICODE
                | code::SHORT_BINSTRING
                | code::BINSTRING
                | code::BINGET
                | code::LONG_BINGET
                | code::SHORT_BINUNICODE => {
                    let bytes = self.text_at(&mut cursor, opcode)?;
                    self.put_behind(&mut cursor, Some(bytes))?;
                    self.target.text(key, name, core::str::from_utf8(bytes).ok()?)?;
                }
                code::NONE => self.target.none(key, name)?,
                code::BININT1 | code::BININT2 | code::BININT | code::LONG => {
                    self.target.int(key, name, cursor.int(opcode)?)?;
                }
                code::BINFLOAT => self.target.float(key, name, cursor.float8()?)?,
                code::INT => match cursor.int_line()? {
                    Scalar::Bool(value) => self.target.bool(key, name, value)?,
                    Scalar::Int(number) => self.target.int(key, name, number)?,
                    _ => return None,
                },
                code::NEWTRUE => self.target.bool(key, name, true)?,
                code::NEWFALSE => self.target.bool(key, name, false)?,
                code::LONG1 => {
                    self.cursor = cursor;
                    let number = self.long1()?;
                    cursor = self.cursor;
                    self.target.int(key, name, number)?;
                }
                _ => {
                    self.cursor = start;
                    self.lay_out(core::str::from_utf8(name).ok()?);
                    return Some(false);
                }
            }
        }
    }

    /// The PUT that may follow a text or a container.
    #[inline(always)]
    fn put_behind(&mut self, cursor: &mut Cursor<'a>, entry: Option<&'a [u8]>) -> Option<()> {
        match cursor.rest {
            [code::BINPUT, index, rest @ ..] => {
                cursor.rest = rest;
                self.store(usize::from(*index), entry)
            }
            [code::MEMOIZE, rest @ ..] => {
                cursor.rest = rest;
                self.memoize(entry)
            }
            _ => Some(()),
        }
    }

    /// Text by its opcode, at a cursor that is not the machine's.
    #[inline(always)]
    fn text_at(&mut self, cursor: &mut Cursor<'a>, opcode: u8) -> Option<&'a [u8]> {
        match opcode {
            code::BINUNICODE => {
                let len = u32::from_le_bytes(*cursor.chunk::<4>()?);
                cursor.counted(len)
            }
            code::SHORT_BINSTRING if self.py2_text => {
                let len = cursor.byte()?;
                cursor.counted(u32::from(len))
            }
            _ => self.rare_text_at(cursor, opcode),
        }
    }

    /// As [`rare_text`](Self::rare_text), at a cursor that is not the machine's.
    #[inline]
    fn rare_text_at(&mut self, cursor: &mut Cursor<'a>, opcode: u8) -> Option<&'a [u8]> {
        self.cursor = *cursor;
        let text = self.rare_text(opcode);
        *cursor = self.cursor;
        text
    }

    /// Text by an opcode other than BINUNICODE.
    #[inline]
    fn rare_text(&mut self, opcode: u8) -> Option<&'a [u8]> {
        match opcode {
            code::SHORT_BINSTRING => {
                let len = self.cursor.byte()?;
                self.py2_str(u32::from(len))
            }
            code::BINGET => {
                let index = self.cursor.byte()?;
                self.get(usize::from(index))
            }
            code::SHORT_BINUNICODE => {
                let len = self.cursor.byte()?;
                self.cursor.counted(u32::from(len))
            }
            code::BINSTRING => {
                let len = u32::from_le_bytes(*self.cursor.chunk::<4>()?);
                if len > u32::MAX / 2 {
                    return None;
                }
                self.py2_str(len)
            }
            code::LONG_BINGET => {
                let index = u32::from_le_bytes(*self.cursor.chunk::<4>()?);
                self.get(usize::try_from(index).ok()?)
            }
            _ => None,
        }
    }

    fn run(&mut self) -> Option<()> {
        loop {
            let opcode = self.cursor.byte()?;
            if opcode == code::STOP {
                let done = self.cursor.rest.is_empty()
                    && self.scratch.stack.is_empty()
                    && self.scratch.marks.is_empty();
                return done.then_some(());
            }
            self.step(opcode)?;
        }
    }

    #[inline]
    fn step(&mut self, opcode: u8) -> Option<()> {
        let value = match opcode {
            code::BINUNICODE => Value::Str(Cow::Borrowed(self.cursor.text4()?)),
            opcode @ (code::SHORT_BINSTRING
            | code::BINSTRING
            | code::BINGET
            | code::LONG_BINGET
            | code::SHORT_BINUNICODE) => {
                Value::Str(Cow::Borrowed(core::str::from_utf8(self.rare_text(opcode)?).ok()?))
            }
            code::BINPUT => {
                let index = self.cursor.byte()?;
                return self.put(usize::from(index));
            }
            code::MEMOIZE => {
                let entry = self.top_text()?;
                return self.memoize(entry);
            }
            code::NONE => Value::None,
            code::BINFLOAT => Value::Float(self.cursor.float8()?),
            code::INT => self.cursor.int_line()?.into_value(),
            code::NEWTRUE => Value::Bool(true),
            code::NEWFALSE => Value::Bool(false),
            opcode @ (code::BININT1 | code::BININT2 | code::BININT | code::LONG) => {
                Value::Int(self.cursor.int(opcode)?)
            }
            code::LONG1 => Value::Int(self.long1()?),
            code::MARK => {
                self.scratch.marks.push(self.scratch.stack.len());
                return Some(());
            }
            code::SETITEMS => {
                let mark = self.scratch.marks.pop()?;
                return self.set_items(mark);
            }
            code::SETITEM => {
                let start = self.scratch.stack.len().checked_sub(2)?;
                self.above_mark(start)?;
                return self.set_items(start);
            }
            opcode => {
                return self.container(opcode);
            }
        };
        self.scratch.stack.push(value);
        Some(())
    }

    /// The opcodes of nested containers, and those that are rarer still.
    #[inline(never)]
    fn container(&mut self, opcode: u8) -> Option<()> {
        let value = match opcode {
            code::EMPTY_LIST => self.made(Value::List(Vec::new()))?,
            code::EMPTY_DICT => self.made(Value::Dict(Vec::new()))?,
            code::EMPTY_TUPLE => self.made(Value::Tuple(Vec::new()))?,
            code::TUPLE => {
                let mark = self.scratch.marks.pop()?;
                let items = self.scratch.stack.drain(mark..).collect();
                self.made(Value::Tuple(items))?
            }
            code::TUPLE1..=code::TUPLE3 => {
                let len = usize::from(opcode - code::TUPLE1) + 1;
                let start = self.scratch.stack.len().checked_sub(len)?;
                self.above_mark(start)?;
                let items = self.scratch.stack.drain(start..).collect();
                self.made(Value::Tuple(items))?
            }
            code::APPENDS => {
                let mark = self.scratch.marks.pop()?;
                return self.append(mark);
            }
            code::APPEND => {
                let start = self.scratch.stack.len().checked_sub(1)?;
                self.above_mark(start)?;
                return self.append(start);
            }
            code::LONG_BINPUT => {
                let index = u32::from_le_bytes(*self.cursor.chunk::<4>()?);
                return self.put(usize::try_from(index).ok()?);
            }
            code::BINBYTES | code::SHORT_BINBYTES => {
                let len = match opcode {
                    code::BINBYTES => u32::from_le_bytes(*self.cursor.chunk::<4>()?),
                    _ => u32::from(self.cursor.byte()?),
                };
                Value::Bytes(Cow::Borrowed(self.cursor.counted(len)?))
            }
            _ => return None,
        };
        self.scratch.stack.push(value);
        Some(())
    }

    /// Counts a container.
    fn made(&mut self, value: Value<'a>) -> Option<Value<'a>> {
        self.containers += 1;
        (self.containers <= MAX_CONTAINERS).then_some(value)
    }

    /// Whether an opcode without a mark leaves what lies below the last mark alone.
    #[inline]
    fn above_mark(&self, start: usize) -> Option<()> {
        (start >= self.scratch.marks.last().copied().unwrap_or_default()).then_some(())
    }

    #[inline]
    fn set_items(&mut self, start: usize) -> Option<()> {
        if (self.scratch.stack.len().checked_sub(start)?) % 2 != 0 {
            return None;
        }
        let Some(target) = start.checked_sub(1) else {
            // Below the first value lies the outermost dict, unless a mark is between them.
            if !self.scratch.marks.is_empty() {
                return None;
            }
            let mut items = self.scratch.stack.drain(start..);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                let Value::Str(Cow::Borrowed(key)) = key else { return None };
                self.target.value(key, value)?;
            }
            return Some(());
        };
        self.above_mark(target)?;
        let (below, items) = self.scratch.stack.split_at_mut_checked(start)?;
        let Some(Value::Dict(pairs)) = below.last_mut() else { return None };
        let (new, _) = items.as_chunks_mut::<2>();
        if pairs.len() + new.len() > MAX_KEYS {
            return None;
        }
        pairs.reserve_exact(new.len());
        for [key, value] in new {
            let Value::Str(Cow::Borrowed(key)) = key else { return None };
            if pairs.iter().any(|(have, _)| matches!(have, Value::Str(have) if have == key)) {
                return None;
            }
            pairs.push((Value::Str(Cow::Borrowed(key)), core::mem::replace(value, Value::None)));
        }
        self.scratch.stack.truncate(start);
        Some(())
    }

    fn append(&mut self, start: usize) -> Option<()> {
        self.above_mark(start.checked_sub(1)?)?;
        let (below, items) = self.scratch.stack.split_at_mut_checked(start)?;
        let Some(Value::List(list)) = below.last_mut() else { return None };
        list.extend(items.iter_mut().map(|item| core::mem::replace(item, Value::None)));
        self.scratch.stack.truncate(start);
        Some(())
    }

    /// The top of the stack, if it is text. Only text can be fetched again.
    #[inline]
    fn top_text(&self) -> Option<Option<&'a [u8]>> {
        let Some(top) = self.scratch.stack.len().checked_sub(1) else {
            // The outermost dict itself is on top, unless a mark is above it.
            return self.scratch.marks.is_empty().then_some(None);
        };
        self.above_mark(top)?;
        Some(match self.scratch.stack.last() {
            Some(Value::Str(Cow::Borrowed(text))) => Some(text.as_bytes()),
            _ => None,
        })
    }

    /// Stores the top of the stack.
    #[inline]
    fn put(&mut self, index: usize) -> Option<()> {
        let entry = self.top_text()?;
        self.store(index, entry)
    }

    /// MEMOIZE takes the number of entries, which gaps make less than the length.
    fn memoize(&mut self, entry: Option<&'a [u8]>) -> Option<()> {
        if self.gaps {
            return None;
        }
        self.push_entry(entry);
        Some(())
    }

    #[inline(always)]
    fn push_entry(&mut self, entry: Option<&'a [u8]>) {
        match self.scratch.memo.get_mut(self.entries) {
            Some(slot) => *slot = entry,
            None => self.scratch.memo.push(entry),
        }
        self.entries += 1;
        self.next += 1;
    }

    #[inline(always)]
    fn store(&mut self, index: usize, entry: Option<&'a [u8]>) -> Option<()> {
        if index == self.next {
            self.push_entry(entry);
            return Some(());
        }
        self.store_out_of_order(index, entry)
    }

    #[inline(never)]
    fn store_out_of_order(&mut self, index: usize, entry: Option<&'a [u8]>) -> Option<()> {
        let base = *self.base.get_or_insert(index);
        let index = index.checked_sub(base)?;
        let memo = &mut self.scratch.memo;
        memo.truncate(self.entries);
        if let Some(slot) = memo.get_mut(index) {
            *slot = entry;
            // A gap that is filled makes one more entry than `gaps` knows of.
            self.gaps = true;
        } else if index - memo.len() <= MAX_GAP {
            self.gaps |= index > memo.len();
            memo.resize(index, None);
            memo.push(entry);
        } else {
            return None;
        }
        self.entries = memo.len();
        self.next = base + self.entries;
        memo.resize(self.entries.max(MEMO_ROOM), None);
        Some(())
    }

    #[inline]
    fn get(&mut self, index: usize) -> Option<&'a [u8]> {
        let index = index.checked_sub(self.base?)?;
        let text = self.scratch.memo.get(index).copied().flatten()?;
        self.fetches = self.fetches.checked_sub(text.len())?;
        Some(text)
    }

    #[inline]
    fn py2_str(&mut self, len: u32) -> Option<&'a [u8]> {
        if !self.py2_text {
            return None;
        }
        self.cursor.counted(len)
    }

    /// LONG1 of an integer that fits `i64`.
    fn long1(&mut self) -> Option<i64> {
        let len = self.cursor.byte()?;
        let bytes = self.cursor.counted(u32::from(len))?;
        let negative = bytes.last().is_some_and(|top| *top >= code::PROTO);
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(i64::from_le_bytes(wide))
    }
}
