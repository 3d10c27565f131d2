//! Containers: how they begin and end.
//!
//! `begin_*` takes the number of items, because `Modules/_pickle.c` decides by it: a list of one item has no
//! mark, a tuple of up to three has an opcode of its own, a dict of a multiple of 1,000 ends by an empty
//! batch. `end` refuses a container that has got fewer than were announced, and an item too many is refused
//! where it begins, so that the encoder never writes a pickle that says something else than it was told.
//!
//! Below protocol 4 sets are calls (`set([...])`): the container on top is then the list in that call, and its
//! end writes the rest of the call.

use super::{Spelling, Writer, misuse};
use crate::encode::open::{BATCH, Holder, NO_MEMO, Open};
use crate::encode::singles::OwnName;
use crate::encode::sink::Sink;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;

impl<'v, S: Sink<'v>> Writer<'v, S> {
    /// Whether the next item has to be hashable.
    #[inline]
    const fn is_hashed(&self) -> bool {
        // Keys and values take turns, and no batch ends between the two.
        self.top.hashed || (matches!(self.top.shape, Holder::Dict) && self.top.run.is_multiple_of(2))
    }

    /// Refuses what Python cannot hash where it would have to: nobody could read the pickle.
    #[inline]
    pub(super) fn check_hashable(&self) -> Result<()> {
        if self.is_hashed() { Err(Error::plain(ErrorKind::Hash)) } else { Ok(()) }
    }

    /// The item that a container is, and what it expects.
    #[inline]
    fn begin(&mut self, shape: Holder, len: usize) -> Result<Open> {
        if matches!(shape, Holder::List | Holder::Dict | Holder::Set) {
            self.check_hashable()?;
        }
        let hashed = self.is_hashed();
        let left = (len as u64).checked_mul(shape.unit()).ok_or_else(|| Error::plain(ErrorKind::Budget))?;
        self.item()?;
        let mut open = Open::new(shape, left, NO_MEMO);
        open.hashed = hashed || matches!(shape, Holder::Set | Holder::FrozenSet);
        Ok(open)
    }

    /// The beginning of a container in its most common place, as [`short_item`](Self::short_item) has it, in
    /// protocols 4 and 5. Tells whether it was that; else nothing has happened.
    #[inline]
    fn begin_short(&mut self, open: Open, head: [u8; 4], len: usize) -> bool {
        // The stack of containers grows elsewhere.
        if self.open.len() == self.open.capacity() || self.style != Spelling::Framed {
            return false;
        }
        let hashed = self.is_hashed();
        let last = open.memo;
        if matches!(open.shape, Holder::List | Holder::Dict) && hashed || !self.short_item(head, len, last) {
            return false;
        }
        self.open.push(core::mem::replace(&mut self.top, Open { hashed, ..open }));
        true
    }

    /// As [`begin_short`](Self::begin_short), for a list or dict of less than a batch: none, one item without a
    /// mark, or some with a mark.
    #[inline]
    fn begin_batch(&mut self, shape: Holder, codes: [u8; 3], len: usize, unit: u32) -> bool {
        let index = self.memo;
        let run = match u32::try_from(len) {
            Ok(len) if len < BATCH && self.memoize && index < NO_MEMO - 1 => len * unit,
            _ => return false,
        };
        let [empty, one, many] = codes;
        let (end, size) = match len {
            0 => (0, 2),
            1 => (one, 2),
            _ => (many, 3),
        };
        let open = Open { run, end, begun: len > 0, ..Open::new(shape, 0, index) };
        let is_short = self.begin_short(open, [empty, 0x94, b'(', 0], size);
        self.memo += u32::from(is_short);
        is_short
    }

    #[inline]
    pub(crate) fn begin_list(&mut self, len: usize) -> Result<()> {
        if self.begin_batch(Holder::List, *b"]ae", len, 1) {
            return Ok(());
        }
        self.begin_long(Holder::List, len)
    }

    #[inline]
    pub(crate) fn begin_dict(&mut self, len: usize) -> Result<()> {
        if self.begin_batch(Holder::Dict, *b"}su", len, 2) {
            return Ok(());
        }
        self.begin_long(Holder::Dict, len)
    }

    /// The beginning of any other list or dict.
    #[inline(never)]
    fn begin_long(&mut self, shape: Holder, len: usize) -> Result<()> {
        let mut open = self.begin(shape, len)?;
        self.empty(shape);
        open.memo = self.last;
        self.push(open);
        // The mark of the first batch; nothing can come between this and the first item.
        if len > 0 {
            self.next_batch();
        }
        Ok(())
    }

    /// An empty dict, or an empty list.
    #[inline]
    fn empty(&mut self, shape: Holder) {
        match (self.style == Spelling::Text, shape) {
            (true, Holder::Dict) => self.emit(*b"(d"),
            (true, _) => self.emit(*b"(l"),
            (false, Holder::Dict) => self.emit(*b"}"),
            (false, _) => self.emit(*b"]"),
        }
        self.put();
    }

    /// A tuple, which has its opcode behind its items and therefore no memo entry before.
    #[inline]
    pub(crate) fn begin_tuple(&mut self, len: usize) -> Result<()> {
        let arity = u8::try_from(len).unwrap_or(4).min(4);
        if let 1..=3 = arity {
            let open = Open { run: arity.into(), arity, ..Open::new(Holder::Tuple, 0, NO_MEMO) };
            if self.begin_short(open, [0; 4], 0) {
                return Ok(());
            }
        }
        self.begin_tuple_anywhere(len, arity)
    }

    #[inline(never)]
    fn begin_tuple_anywhere(&mut self, len: usize, arity: u8) -> Result<()> {
        let mut open = self.begin(Holder::Tuple, len)?;
        open.arity = arity;
        match open.arity {
            0 => self.empty_tuple_opcode(),
            1..=3 if self.protocol >= Protocol::V2 => {}
            _ => self.emit(*b"("),
        }
        self.last = NO_MEMO;
        self.push(open);
        if len > 0 {
            self.next_batch();
        }
        Ok(())
    }

    pub(crate) fn begin_set(&mut self, len: usize) -> Result<()> {
        self.begin_any_set(len, Holder::Set, Holder::CalledSet, OwnName::Set)
    }

    pub(crate) fn begin_frozenset(&mut self, len: usize) -> Result<()> {
        self.begin_any_set(len, Holder::FrozenSet, Holder::CalledFrozenSet, OwnName::FrozenSet)
    }

    /// A set or frozenset: an opcode of its own, or below protocol 4 a call of the class with a list.
    fn begin_any_set(&mut self, len: usize, own: Holder, called: Holder, name: OwnName) -> Result<()> {
        let mut open = self.begin(own, len)?;
        self.last = NO_MEMO;
        if self.style != Spelling::Framed {
            // A call with a list of the items.
            open.shape = called;
            self.name(name)?;
            if self.protocol < Protocol::V2 {
                self.emit(*b"(");
            }
            self.empty(Holder::List);
            self.last = NO_MEMO;
        } else if own == Holder::Set {
            self.emit([0x8f]);
            self.put();
            open.memo = self.last;
        } else {
            self.emit(*b"(");
        }
        self.push(open);
        Ok(())
    }

    /// `complex`, a call with two floats.
    pub(crate) fn complex(&mut self, real: f64, imaginary: f64) -> Result<()> {
        self.item()?;
        self.push(Open::parts());
        self.name(OwnName::Complex)?;
        self.item()?;
        if self.protocol < Protocol::V2 {
            self.emit(*b"(");
        }
        self.float(real)?;
        self.float(imaginary)?;
        self.close_tuple(2);
        self.emit(*b"R");
        self.put();
        self.pop();
        Ok(())
    }

    /// The end of the innermost container.
    #[inline]
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.end_short() { Ok(()) } else { self.end_as(None) }
    }

    /// The end of a list, a dict or a short tuple of protocols 4 and 5, with room on the stage. Tells whether it
    /// was that; else nothing has happened.
    #[inline]
    fn end_short(&mut self) -> bool {
        let Open { left, run, shape, full, end, arity, memo, .. } = self.top;
        let index = self.memo;
        let (bytes, len, last, entries) = match shape {
            // Where no batch is open, there is no opcode that ends one.
            Holder::List | Holder::Dict => ([end, 0], usize::from(end != 0), memo, 0),
            Holder::Tuple
                if matches!(arity, 1..=3)
                    && self.style == Spelling::Framed
                    && self.memoize
                    && index < NO_MEMO - 1 =>
            {
                ([0x84 + arity, 0x94], 2, index, 1)
            }
            _ => return false,
        };
        if left != 0 || run != 0 || full {
            return false;
        }
        let Some(place) = self.stage.get_mut(self.pos..self.pos + 2) else { return false };
        place.copy_from_slice(&bytes);
        self.pos += len;
        self.last = last;
        self.memo = index + entries;
        self.pop();
        true
    }

    /// The end of a container which may have got into the memo while its items were written: then
    /// they are taken back, as `Modules/_pickle.c` does for tuples that contain themselves.
    pub(crate) fn end_as(&mut self, known: Option<u32>) -> Result<()> {
        if self.top.run != 0 || self.top.left != 0 || self.top.shape == Holder::Parts {
            return Err(misuse("fewer items than were announced"));
        }
        if self.top.shape == Holder::Root {
            return Err(misuse("an end without a beginning"));
        }
        self.close_batch();
        let done = self.pop();
        self.last = done.memo;
        match (done.shape, known) {
            (Holder::Dict, _) if done.full => self.emit(*b"(u"),
            (Holder::Set, _) if done.full => self.emit([b'(', 0x90]),
            (Holder::Tuple, _) if done.arity == 0 => {}
            (Holder::Tuple, Some(index)) => {
                if done.arity < 4 && self.protocol >= Protocol::V2 {
                    for _ in 0..done.arity {
                        self.emit(*b"0");
                    }
                } else if self.style == Spelling::Text {
                    return Err(misuse("a recursive tuple needs its length"));
                } else {
                    self.emit(*b"1");
                }
                self.get_opcode(index);
            }
            (Holder::Tuple, None) => self.close_tuple(done.arity),
            (Holder::FrozenSet, Some(index)) => {
                self.emit(*b"1");
                self.get_opcode(index);
            }
            (Holder::FrozenSet, None) => {
                self.emit([0x91]);
                self.put();
            }
            (Holder::CalledSet | Holder::CalledFrozenSet, known) => {
                self.close_tuple(1);
                self.emit(*b"R");
                self.end_call(known);
            }
            _ => {}
        }
        Ok(())
    }

    /// A recursive tuple of protocol 0, whose items are popped one by one.
    pub(crate) fn end_text_tuple(&mut self, len: usize, index: u32) -> Result<()> {
        self.pop();
        for _ in 0..=len {
            self.emit(*b"0");
            self.flush_unframed()?;
        }
        self.get_opcode(index);
        Ok(())
    }

    /// What follows REDUCE: PUT, or POP and GET if the object is in the memo already. Tells whether
    /// it is new.
    pub(crate) fn end_call(&mut self, known: Option<u32>) -> bool {
        match known {
            Some(index) => {
                self.emit(*b"0");
                self.get_opcode(index);
                false
            }
            None => {
                self.put();
                true
            }
        }
    }

    /// `()`, which never gets a memo opcode.
    pub(crate) fn empty_tuple_opcode(&mut self) {
        if self.style == Spelling::Text {
            self.emit(*b"(t");
        } else {
            self.emit(*b")");
        }
    }

    /// The end of a tuple that is not empty; from protocol 2 on, short ones have no mark.
    pub(crate) fn close_tuple(&mut self, arity: u8) {
        match arity {
            1..=3 if self.protocol >= Protocol::V2 => self.emit([0x84 + arity]),
            _ => self.emit(*b"t"),
        }
        self.put();
    }

    /// Whether the innermost container is what an object is given.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.top.shape, Holder::Items | Holder::Pairs)
    }

    /// What an object gets by APPENDS or SETITEMS; not an item of its own, ended by `end`.
    pub(crate) fn begin_given(&mut self, shape: Holder, len: usize) {
        self.push(Open::new(shape, (len as u64).saturating_mul(shape.unit()), NO_MEMO));
    }
}
