//! The opcodes of values as `Modules/_pickle.c` writes them, staged frame by frame.
//!
//! Everything goes to a stage first. From protocol 4 on, the stage is the pickle FRAME at hand;
//! below, it is a buffer that is handed on at the same size.
//!
//! ```text
//! item()              an item of the container on top begins: a batch is opened or closed if it is time
//! begin_*, end        a container, with its number of items; end checks that they have come
//! put()               the memo opcode behind what was written last; `last` is its index
//! flush()             the stage goes to the sink, behind a FRAME header where there is one
//! ```
//!
//! # Frames
//!
//! As `_Pickler_OpcodeBoundary` has it, a frame is closed before an object is saved when it has reached
//! [`FRAME_TARGET`] bytes, and before text or bytes that are as large by themselves, which go to the sink
//! without a frame. The length of a frame stands in front of it, so that it is staged as a whole.
//!
//! # Shared payloads
//!
//! A sink that keeps slices ([`Segments`](crate::Segments)) takes large text and bytes where they are. They
//! lie in the middle of a frame, though, whose header has to count them: the stage has a hole at that place
//! (`holes`), and the frame is full so much sooner (`full`).
//!
//! # Batches
//!
//! [`Open`] follows one container: the items that are left, those left in the batch at hand, and how it was
//! opened. `Modules/_pickle.c` writes a list of one item with APPEND, any other in batches of 1,000 with a
//! mark each, and ends a dict or set of a multiple of 1,000 by an empty batch; `batch_list` and `batch_dict`
//! are followed to the byte.

mod container;
mod name;
mod payload;
mod scalar;

use alloc::vec::Vec;

use super::names::Identifiers;
use super::open::{BATCH, Holder, NO_MEMO, Open};
use super::singles::{Single, Singles};
use super::sink::{EncodeScratch, Nowhere, Sink};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;

/// A frame that has reached this size is closed: `FRAME_SIZE_TARGET`.
pub(crate) const FRAME_TARGET: usize = 64 << 10;

/// A frame shorter than this is written without its header: `FRAME_SIZE_MIN`.
const FRAME_MIN: usize = 4;

/// How opcodes look, which is not quite the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// Protocol 0.
    Text,
    /// Protocols 1 to 3.
    Binary,
    /// Protocols 4 and 5.
    Framed,
}

/// Writes opcodes, in which it follows the C pickler to the byte. It knows no values and no documents: what is told
/// to it are events, and what is one object is told by memo indexes.
#[derive(Debug)]
pub(crate) struct Writer<'v, S> {
    pub(crate) sink: S,
    stage: Vec<u8>,
    /// Used bytes of the stage.
    pos: usize,
    /// Shared bytes and where in the stage they belong.
    holes: Vec<(usize, &'v [u8])>,
    /// The position from which on the frame is full: [`FRAME_TARGET`] without the bytes that belong into holes.
    full: usize,
    /// Payloads of this length are shared with the sink.
    share_from: usize,
    protocol: Protocol,
    style: Spelling,
    pub(crate) memoize: bool,
    /// The prefix of protocol 4 and up has been handed on.
    started: bool,
    /// Memo entries so far.
    memo: u32,
    /// Out-of-band buffers so far, which a pickle names in order.
    pub(crate) buffers: u32,
    /// Memo index of the value written last, or `NO_MEMO`.
    pub(crate) last: u32,
    /// What cannot be reported where it happens, and makes `finish` fail.
    broken: Option<ErrorKind>,
    top: Open,
    open: Vec<Open>,
    singles: Singles,
    names: Identifiers,
}

/// An error of whoever writes: the events make no pickle.
#[cold]
#[inline(never)]
fn misuse(text: &str) -> Error {
    Error::message(text)
}

impl<'v, S: Sink<'v>> Writer<'v, S> {
    pub(crate) fn new(sink: S, protocol: Protocol, share_from: usize, scratch: EncodeScratch) -> Self {
        let EncodeScratch { stage, mut open, mut singles, mut names } = scratch;
        open.clear();
        singles.clear();
        names.clear();
        let mut writer = Self {
            sink,
            stage,
            pos: 0,
            holes: Vec::new(),
            full: FRAME_TARGET,
            share_from,
            protocol,
            style: match protocol {
                Protocol::V0 => Spelling::Text,
                Protocol::V1 | Protocol::V2 | Protocol::V3 => Spelling::Binary,
                Protocol::V4 | Protocol::V5 => Spelling::Framed,
            },
            memoize: true,
            started: false,
            memo: 0,
            buffers: 0,
            last: NO_MEMO,
            broken: None,
            top: Open::root(),
            open,
            singles,
            names,
        };
        if matches!(protocol, Protocol::V2 | Protocol::V3) {
            writer.emit([0x80, protocol.get()]);
        }
        writer
    }

    /// A writer that goes nowhere, for values that are to be tried before they are written here.
    pub(crate) fn trial<'t>(&self) -> Writer<'t, Nowhere> {
        let mut trial = Writer::new(Nowhere, self.protocol, usize::MAX, EncodeScratch::new());
        trial.memoize = self.memoize;
        trial.buffers = self.buffers;
        trial
    }

    /// Writes STOP and hands everything on.
    pub(crate) fn finish(mut self) -> Result<(S, EncodeScratch)> {
        if self.top.shape != Holder::Root || self.top.left != 0 {
            return Err(misuse("the pickle is not complete: a value or an end is missing"));
        }
        self.emit(*b".");
        self.flush()?;
        if let Some(kind) = self.broken {
            return Err(Error::plain(kind));
        }
        let Self { sink, stage, open, singles, names, .. } = self;
        Ok((sink, EncodeScratch { stage, open, singles, names }))
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    // ===== The stage =====

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let len = (self.stage.len() * 2).max(self.pos + more).max(1 << 10);
        self.stage.resize(len, 0);
    }

    /// Room for `more` bytes at the position and behind it. The stage is initialised to its length, so that an opcode
    /// is a store of known size and not an append with its checks.
    #[inline]
    fn room(&mut self, more: usize) -> &mut [u8] {
        if self.stage.len() - self.pos < more {
            self.grow(more);
        }
        self.stage.get_mut(self.pos..).unwrap_or_default()
    }

    /// Puts an opcode with an argument of fixed length on the stage.
    #[inline]
    pub(crate) fn emit<const N: usize>(&mut self, bytes: [u8; N]) {
        match self.stage.get_mut(self.pos..).and_then(<[u8]>::first_chunk_mut) {
            Some(place) => {
                *place = bytes;
                self.pos += N;
            }
            None => self.emit_grown(&bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn emit_grown(&mut self, bytes: &[u8]) {
        self.grow(bytes.len());
        self.emit_slice(bytes);
    }

    #[inline]
    fn emit_slice(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room(bytes.len()).get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            self.pos += bytes.len();
        }
    }

    /// Hands the stage on; from protocol 4 on as a frame.
    #[cold]
    #[inline(never)]
    fn flush(&mut self) -> Result<()> {
        let outcome = self.hand_on();
        self.pos = 0;
        self.full = FRAME_TARGET;
        self.holes.clear();
        self.unless_broken(outcome)
    }

    /// Header, stage and shared bytes in their order. The protocol comes before the first frame and in none.
    fn hand_on(&mut self) -> Result<(), ErrorKind> {
        if self.style == Spelling::Framed {
            if !self.started {
                self.sink.put(&[0x80, self.protocol.get()])?;
                self.started = true;
            }
            let len = self.pos + self.holes.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            if len >= FRAME_MIN {
                let mut header = [0x95, 0, 0, 0, 0, 0, 0, 0, 0];
                header[1..].copy_from_slice(&(len as u64).to_le_bytes());
                self.sink.put(&header)?;
            }
        }
        let mut done = 0;
        for &(place, bytes) in &self.holes {
            self.sink.put(self.stage.get(done..place).unwrap_or_default())?;
            self.sink.share(bytes)?;
            done = place;
        }
        self.sink.put(self.stage.get(done..self.pos).unwrap_or_default())
    }

    // ===== Values and their places =====

    /// What happens before every value: the container's batch turns over, a full frame is closed.
    #[inline]
    pub(crate) fn item(&mut self) -> Result<()> {
        if self.top.run == 0 || self.pos >= self.full {
            return self.item_at_a_turn();
        }
        self.top.run -= 1;
        Ok(())
    }

    /// An item of a few bytes that gets no memo entry, in its most common place: in the middle of a batch, in a
    /// frame that is not full, with room on the stage for all N bytes, of which it is the first `len`. `last` is
    /// what [`Writer::last`] becomes. Tells whether it was that; else nothing has happened.
    ///
    /// Bytes, counts and position are then one store each, in a function short enough to be a part of its caller.
    #[inline]
    fn short_item<const N: usize>(&mut self, bytes: [u8; N], len: usize, last: u32) -> bool {
        if self.top.run == 0 || self.pos >= self.full {
            return false;
        }
        let Some(place) = self.stage.get_mut(self.pos..self.pos + N) else { return false };
        place.copy_from_slice(&bytes);
        self.top.run -= 1;
        self.pos += len;
        self.last = last;
        true
    }

    #[cold]
    #[inline(never)]
    fn item_at_a_turn(&mut self) -> Result<()> {
        if self.top.run == 0 {
            self.turn()?;
        }
        self.top.run -= 1;
        if self.pos >= self.full { self.flush() } else { Ok(()) }
    }

    /// The batch at hand is full: the next one, or an error if no items are left.
    fn turn(&mut self) -> Result<()> {
        if self.top.left == 0 {
            return Err(if self.top.shape == Holder::Root {
                misuse("the pickle has its value already")
            } else {
                misuse("more items than were announced")
            });
        }
        self.close_batch();
        self.next_batch();
        Ok(())
    }

    /// Opens a batch of what is left, of which there is something.
    #[inline]
    fn next_batch(&mut self) {
        let (unit, iterated) = match self.top.shape {
            Holder::List | Holder::CalledSet | Holder::CalledFrozenSet => (1, false),
            Holder::Items => (1, true),
            Holder::Dict => (2, false),
            Holder::Pairs => (2, true),
            Holder::Set => {
                self.open_batch(1, 0x90);
                return;
            }
            Holder::Root | Holder::FrozenSet | Holder::Tuple | Holder::Parts => {
                let run = u32::try_from(self.top.left).unwrap_or(u32::MAX);
                self.top.run = run;
                self.top.left -= u64::from(run);
                return;
            }
        };
        let alone = self.top.left == u64::from(unit) && (iterated || !self.top.begun);
        if self.style == Spelling::Text || alone {
            self.top.run = unit;
            self.top.left -= u64::from(unit);
            self.top.end = if unit == 2 { b's' } else { b'a' };
            self.top.full = false;
            self.top.begun = true;
        } else {
            self.open_batch(unit, if unit == 2 { b'u' } else { b'e' });
        }
    }

    /// Opens a batch with a mark.
    #[inline]
    fn open_batch(&mut self, unit: u32, end: u8) {
        let most = BATCH * unit;
        let run = u32::try_from(self.top.left).unwrap_or(u32::MAX).min(most);
        self.top.run = run;
        self.top.left -= u64::from(run);
        self.top.end = end;
        self.top.full = run == most;
        self.top.begun = true;
        self.emit(*b"(");
    }

    #[inline]
    fn close_batch(&mut self) {
        match core::mem::take(&mut self.top.end) {
            0 => {}
            code => self.emit([code]),
        }
    }

    /// Opens a container. The innermost one is `top` and not on the stack, because each item looks at it.
    #[inline]
    pub(crate) fn push(&mut self, open: Open) {
        self.open.push(core::mem::replace(&mut self.top, open));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Open {
        let below = self.open.pop().unwrap_or(Open::root());
        core::mem::replace(&mut self.top, below)
    }

    // ===== The memo =====

    /// The memo opcode behind what was just written, which gets the next index: from protocol 4 on the unpickler counts,
    /// below it is told.
    #[inline]
    pub(crate) fn put(&mut self) {
        if !self.memoize {
            self.last = NO_MEMO;
            return;
        }
        let index = self.memo;
        self.last = index;
        if index >= NO_MEMO - 1 {
            self.broken = Some(ErrorKind::Budget);
            return;
        }
        self.memo = index + 1;
        match self.style {
            Spelling::Framed => self.emit([0x94]),
            Spelling::Binary => self.memo_operand(b'q', b'r', index),
            Spelling::Text => self.memo_line(b'p', index),
        }
    }

    /// BINPUT or BINGET and their long forms.
    #[inline]
    fn memo_operand(&mut self, short: u8, long: u8, index: u32) {
        let [low, b1, b2, b3] = index.to_le_bytes();
        if index < 256 {
            self.emit([short, low]);
        } else {
            self.emit([long, low, b1, b2, b3]);
        }
    }

    /// PUT or GET of protocol 0.
    #[cold]
    fn memo_line(&mut self, code: u8, index: u32) {
        self.emit([code]);
        self.emit_slice(itoa::Buffer::new().format(index).as_bytes());
        self.emit(*b"\n");
    }

    /// GET, without being an item of its own.
    pub(crate) fn get_opcode(&mut self, index: u32) {
        match self.style {
            Spelling::Text => self.memo_line(b'g', index),
            Spelling::Binary | Spelling::Framed => self.memo_operand(b'h', b'j', index),
        }
        self.last = index;
    }

    /// A value that the memo has.
    pub(crate) fn get(&mut self, index: u32) -> Result<()> {
        if index >= self.memo {
            return Err(Error::plain(ErrorKind::Memo));
        }
        self.item()?;
        self.get_opcode(index);
        Ok(())
    }

    /// GET of a single that has been written; tells whether it was one.
    fn get_single(&mut self, single: Option<Single>) -> bool {
        match single.and_then(|single| self.singles.get(single)) {
            Some(index) => {
                self.get_opcode(index);
                true
            }
            None => false,
        }
    }

    /// PUT of what was just written, noted if it is a single.
    fn put_single(&mut self, single: Option<Single>) {
        self.put();
        self.note_single(single);
    }

    /// Notes the memo entry of what was written last as that of a single.
    fn note_single(&mut self, single: Option<Single>) {
        if let Some(single) = single
            && self.last != NO_MEMO
        {
            self.singles.set(single, self.last);
        }
    }
}
