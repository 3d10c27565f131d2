//! The decoder: a stack machine over the opcodes, with `Modules/_pickle.c`'s rules and no recursion.
//!
//! The stack holds node ids; marks are heights of the stack on a stack of their own, and no opcode
//! reaches below the last one (the "fence" of the C unpickler). Where CPython's own implementations
//! or versions disagree about an input, it is refused.

mod literal;
mod memo;
mod naming;
mod numpy;
pub(crate) mod push;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use self::memo::Memo;
use crate::build::fill::{Builder, Keys};
use crate::build::recycle::recycle;
use crate::document::hash::seed;
use crate::document::{Document, Root};
use crate::document::{Kind, NodeId};
use crate::known;
use crate::limits::Limits;
use crate::options::DecodeOptions;
use crate::wire::error::{Error, ErrorKind, Result, shortened};
use crate::wire::instruction::extent;
use crate::wire::number;
use crate::wire::opcode::Opcode;
use crate::wire::reader::{Reader, float8, int4, uint1, uint2, uint4, uint8};

/// The highest protocol that is read.
const HIGHEST_PROTOCOL: u8 = 5;

/// Decodes pickles into documents, and reuses its memory from one to the next.
///
/// ```
/// use pickle_codec::{Decoder, Node};
/// let mut decoder = Decoder::new();
/// for input in [b"K\x01.", b"K\x02."] {
///     let document = decoder.decode(input)?;
///     assert!(matches!(document.root().view(), Node::Int(1 | 2)));
///     decoder.recycle(document);
/// }
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    options: DecodeOptions,
    scratch: DecodeScratch,
}

#[derive(Debug, Default)]
struct DecodeScratch {
    document: Document<'static>,
    stack: Vec<NodeId>,
    marks: Vec<u32>,
    memo: Memo,
    keys: Keys,
    /// The length of the longest input lately: an eighth of it is forgotten with each decode.
    recent: usize,
}

impl DecodeScratch {
    /// Lets go of memory that is more than what inputs of late could fill, so that one large document
    /// does not stay for ever.
    fn keep_within(&mut self, len: usize, limits: &Limits) {
        self.recent = len.max(self.recent - self.recent / 8);
        if self.bytes() > limits.memory(self.recent) {
            self.document = Document::default();
            self.stack = Vec::new();
            self.marks = Vec::new();
            self.memo = Memo::default();
            self.keys.shrink();
        }
    }

    fn bytes(&self) -> usize {
        self.document.bytes()
            + self.stack.capacity() * size_of::<NodeId>()
            + self.marks.capacity() * size_of::<u32>()
            + self.memo.bytes()
            + self.keys.bytes()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with the default options: no globals, default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(DecodeOptions::new())
    }

    /// A decoder with these options.
    #[must_use]
    pub fn with_options(options: DecodeOptions) -> Self {
        Self { options, scratch: DecodeScratch { keys: Keys::new(seed()), ..DecodeScratch::default() } }
    }

    /// The options it decodes with.
    #[must_use]
    pub const fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// Decodes an input that is one pickle.
    ///
    /// # Errors
    /// Any kind but `recursive` and `data`; `trailing` if bytes follow STOP.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Document<'a>> {
        self.decode_one(input, input.len(), |document, end| {
            if end != input.len() {
                return Err(Error::new(ErrorKind::Trailing, end, None));
            }
            Ok(document)
        })
    }

    /// Decodes the pickle at the start of an input and says where its STOP ended. What follows it counts
    /// for nothing: neither for the limits, nor for [`Document::input_len`].
    ///
    /// # Errors
    /// Any kind but `trailing`, `recursive` and `data`.
    pub fn decode_prefix<'a>(&mut self, input: &'a [u8]) -> Result<(Document<'a>, usize)> {
        let most = self.options.limits.max_input_len;
        let start = input.get(..input.len().min(most)).unwrap_or_default();
        match extent(start) {
            Some((end, seen)) => self.decode_seen(start.get(..seen).unwrap_or_default(), end),
            // What it ends with is found on the way there.
            None => self.decode_seen(input, input.len()),
        }
    }

    /// As [`decode_prefix`](Self::decode_prefix), for an input whose STOP ends at `end`; behind it there
    /// is no more than the rest of a FRAME.
    fn decode_seen<'a>(&mut self, input: &'a [u8], end: usize) -> Result<(Document<'a>, usize)> {
        self.decode_one(input, end, |mut document, end| {
            document.input_len = end;
            Ok((document, end))
        })
    }

    // A document is some 500 bytes of tables, and each move of them takes time, so that none is named on
    // its way from the scratch memory to the caller.
    #[inline(always)]
    fn decode_one<'a, T>(
        &mut self,
        input: &'a [u8],
        len: usize,
        finish: impl FnOnce(Document<'a>, usize) -> Result<T>,
    ) -> Result<T> {
        let limits = &self.options.limits;
        if len > limits.max_input_len {
            return Err(Error::new(ErrorKind::Input, limits.max_input_len, None));
        }
        self.scratch.keep_within(len, limits);
        self.scratch.stack.clear();
        self.scratch.marks.clear();
        self.scratch.memo.clear();
        let mut machine = Machine {
            options: &self.options,
            reader: Reader::new(input),
            // They are empty: what is taken back is emptied at once.
            builder: Builder::new(
                core::mem::take(&mut self.scratch.document),
                core::mem::take(&mut self.scratch.keys),
                limits,
                len,
            ),
            stack: &mut self.scratch.stack,
            marks: &mut self.scratch.marks,
            memo: &mut self.scratch.memo,
            fence: 0,
            buffers: 0,
            refused: Cell::new(None),
        };
        let outcome = machine.run();
        self.scratch.keys = machine.builder.keys;
        match outcome {
            Ok(root) => {
                machine.builder.document.root = Root(root);
                finish(machine.builder.document, machine.reader.offset())
            }
            Err(error) => {
                self.scratch.document = recycle(machine.builder.document);
                Err(error)
            }
        }
    }

    /// Takes a document's memory back, so that the next decode allocates nothing.
    pub fn recycle(&mut self, document: Document<'_>) {
        self.scratch.document = recycle(document);
    }

    /// Decodes pickles that stand one after another. The iterator ends at the end of the input or
    /// after the first error.
    pub const fn documents<'d, 'a>(&'d mut self, input: &'a [u8]) -> Documents<'d, 'a> {
        Documents { decoder: self, input, offset: 0, failed: false }
    }
}

/// Decodes an input that is one pickle, with the default options.
///
/// # Errors
/// As [`Decoder::decode`].
///
/// ```
/// let error = pickle_codec::decode(b"cos\nsystem\n(S'id'\ntR.").unwrap_err();
/// assert_eq!(error.kind(), pickle_codec::ErrorKind::Global);
/// assert_eq!(error.global(), Some("os.system"));
/// ```
pub fn decode(input: &[u8]) -> Result<Document<'_>> {
    Decoder::new().decode(input)
}

/// Decodes the pickle at the start of an input, with the default options, and says where its STOP
/// ended.
///
/// # Errors
/// As [`Decoder::decode_prefix`].
pub fn decode_prefix(input: &[u8]) -> Result<(Document<'_>, usize)> {
    Decoder::new().decode_prefix(input)
}

/// Iterates over pickles that stand one after another; made by [`Decoder::documents`].
#[derive(Debug)]
pub struct Documents<'d, 'a> {
    decoder: &'d mut Decoder,
    input: &'a [u8],
    offset: usize,
    failed: bool,
}

impl Documents<'_, '_> {
    /// Where the next pickle starts.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Takes a document's memory back.
    pub fn recycle(&mut self, document: Document<'_>) {
        self.decoder.recycle(document);
    }
}

impl<'a> Iterator for Documents<'_, 'a> {
    type Item = Result<Document<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.input.get(self.offset..).filter(|rest| !rest.is_empty() && !self.failed)?;
        match self.decoder.decode_prefix(rest) {
            Ok((document, used)) => {
                self.offset += used;
                Some(Ok(document))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error.shifted(self.offset)))
            }
        }
    }
}

/// What an opcode's handler gives. An error is a kind alone, so that it fits a register; the name that
/// was refused waits in the machine.
type Step<T = ()> = core::result::Result<T, ErrorKind>;

struct Machine<'m, 'a> {
    options: &'m DecodeOptions,
    reader: Reader<'a>,
    builder: Builder<'a>,
    stack: &'m mut Vec<NodeId>,
    marks: &'m mut Vec<u32>,
    memo: &'m mut Memo,
    /// Height of the stack at the last mark: nothing below it may be taken.
    fence: usize,
    /// Out-of-band buffers met so far.
    buffers: u32,
    /// The global that an error is about.
    refused: Cell<Option<Box<str>>>,
}

impl<'a> Machine<'_, 'a> {
    #[inline(never)]
    fn run(&mut self) -> Result<NodeId> {
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
                Ok(Some(root)) => {
                    return match self.builder.measure_depth(root) {
                        Ok(()) => Ok(root),
                        Err(kind) => Err(Error::new(kind, offset, Some(opcode))),
                    };
                }
                Err(kind) => return Err(self.error(kind, offset, opcode)),
            }
        }
    }

    #[cold]
    fn error(&self, kind: ErrorKind, offset: usize, opcode: Opcode) -> Error {
        let is_cut = self.reader.is_cut(kind, self.options.limits.max_input_len);
        let error = Error::new(kind, offset, Some(opcode)).cut(is_cut);
        match self.refused.take() {
            Some(name) => error.with_global(&name),
            None => error,
        }
    }

    /// Notes the name that an error is about.
    #[cold]
    fn refuse(&self, kind: ErrorKind, module: &str, name: &str) -> ErrorKind {
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
    fn step(&mut self, opcode: Opcode) -> Step<Option<NodeId>> {
        let id = match opcode {
            Opcode::Binunicode => {
                let len = self.reader.argument(uint4)?;
                let id = self.utf8(u64::from(len))?;
                self.builder.meter.push(self.stack, id)?;
                self.put_at_once(id);
                return Ok(None);
            }
            Opcode::Binput => {
                let index = self.reader.argument(uint1)?;
                self.put(u64::from(index))?;
                return Ok(None);
            }
            Opcode::LongBinput => {
                let index = self.reader.argument(uint4)?;
                self.put(u64::from(index))?;
                return Ok(None);
            }
            Opcode::Memoize => {
                self.put(self.memo.entries() as u64)?;
                return Ok(None);
            }
            Opcode::ShortBinunicode => {
                let len = self.reader.argument(uint1)?;
                let id = self.utf8(u64::from(len))?;
                self.builder.meter.push(self.stack, id)?;
                self.put_at_once(id);
                return Ok(None);
            }
            Opcode::ShortBinstring => {
                let len = self.reader.argument(uint1)?;
                let id = self.short_py2_str(len)?;
                self.builder.meter.push(self.stack, id)?;
                self.put_at_once(id);
                return Ok(None);
            }
            Opcode::Binunicode8 => {
                let len = self.reader.argument(uint8)?;
                self.utf8(len)?
            }
            Opcode::Binint1 => {
                let value = self.reader.argument(uint1)?;
                self.builder.int(i64::from(value))?
            }
            Opcode::Binint2 => {
                let value = self.reader.argument(uint2)?;
                self.builder.int(i64::from(value))?
            }
            Opcode::Binint => {
                let value = self.reader.argument(int4)?;
                self.builder.int(i64::from(value))?
            }
            Opcode::Binfloat => {
                let value = self.reader.argument(float8)?;
                self.builder.float(value)?
            }
            Opcode::None => NodeId::NONE,
            Opcode::Newtrue => NodeId::TRUE,
            Opcode::Newfalse => NodeId::FALSE,
            Opcode::Binget => {
                let index = self.reader.argument(uint1)?;
                self.get(u64::from(index))?
            }
            Opcode::LongBinget => {
                let index = self.reader.argument(uint4)?;
                self.get(u64::from(index))?
            }
            Opcode::Mark => {
                let height = u32::try_from(self.stack.len()).map_err(|_| ErrorKind::Budget)?;
                self.builder.meter.push(self.marks, height)?;
                self.fence = self.stack.len();
                return Ok(None);
            }
            Opcode::EmptyDict => self.builder.empty_dict()?,
            Opcode::EmptyList => self.builder.empty_list()?,
            Opcode::EmptyTuple => NodeId::EMPTY_TUPLE,
            Opcode::EmptySet => self.builder.empty_set()?,
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
            Opcode::Tuple => {
                let mark = self.pop_mark()?;
                let id = self.builder.tuple(self.stack.get(mark..).unwrap_or_default())?;
                self.stack.truncate(mark);
                id
            }
            Opcode::List => {
                let mark = self.pop_mark()?;
                let id = self.builder.list(self.stack.get(mark..).unwrap_or_default())?;
                self.stack.truncate(mark);
                id
            }
            Opcode::Dict => {
                let mark = self.pop_mark()?;
                if !(self.stack.len() - mark).is_multiple_of(2) {
                    return Err(ErrorKind::Odd);
                }
                let id = self.builder.empty_dict()?;
                self.builder.set_items(id, self.stack.get(mark..).unwrap_or_default())?;
                self.stack.truncate(mark);
                id
            }
            Opcode::Frozenset => {
                let mark = self.pop_mark()?;
                let id = self.builder.frozenset(self.stack.get(mark..).unwrap_or_default())?;
                self.stack.truncate(mark);
                id
            }
            Opcode::Long1 => {
                let len = self.reader.argument(uint1)?;
                let bytes = self.reader.counted(u64::from(len))?;
                self.builder.int_bytes(bytes)?
            }
            Opcode::Long4 => {
                let len = self.reader.argument(int4)?;
                // A negative count is a length that no input holds.
                let len = u64::try_from(len).map_err(|_| ErrorKind::Length)?;
                let bytes = self.reader.counted(len)?;
                self.builder.int_bytes(bytes)?
            }
            Opcode::ShortBinbytes => {
                let len = self.reader.argument(uint1)?;
                let bytes = self.reader.counted(u64::from(len))?;
                self.builder.bytes(bytes)?
            }
            Opcode::Binbytes => {
                let len = self.reader.argument(uint4)?;
                let bytes = self.reader.counted(u64::from(len))?;
                self.builder.bytes(bytes)?
            }
            Opcode::Binbytes8 => {
                let len = self.reader.argument(uint8)?;
                let bytes = self.reader.counted(len)?;
                self.builder.bytes(bytes)?
            }
            Opcode::Bytearray8 => {
                let len = self.reader.argument(uint8)?;
                let bytes = self.reader.counted(len)?;
                self.builder.bytearray(bytes)?
            }
            Opcode::Stop => {
                let root = self.pop()?;
                return Ok(Some(root));
            }
            Opcode::Proto => {
                if self.reader.argument(uint1)? > HIGHEST_PROTOCOL {
                    return Err(ErrorKind::Proto);
                }
                return Ok(None);
            }
            Opcode::Frame => {
                let len = self.reader.argument(uint8)?;
                self.reader.enter_frame(len)?;
                return Ok(None);
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
    fn rare_step(&mut self, opcode: Opcode) -> Step<Option<NodeId>> {
        let max_digits = self.options.limits.max_int_digits;
        Ok(Some(match opcode {
            Opcode::Int => {
                let line = self.reader.line()?;
                self.integer(number::int_line(line, max_digits)?)?
            }
            Opcode::Long => {
                let line = self.reader.line()?;
                self.integer(number::long_line(line, max_digits)?)?
            }
            Opcode::Float => {
                let line = self.reader.line()?;
                self.builder.float(number::float_line(line)?)?
            }
            Opcode::Unicode => {
                let line = self.reader.line()?;
                self.unicode_line(line)?
            }
            Opcode::String => {
                let line = self.reader.line()?;
                self.string_line(line)?
            }
            Opcode::Binstring => {
                let len = self.reader.argument(int4)?;
                let len = u64::try_from(len).map_err(|_| ErrorKind::Length)?;
                let bytes = self.reader.counted(len)?;
                self.py2_str(bytes)?
            }
            Opcode::Get => {
                let line = self.reader.line()?;
                self.get(number::index_line(line, max_digits)?)?
            }
            Opcode::Put => {
                let line = self.reader.line()?;
                self.put(number::index_line(line, max_digits)?)?;
                return Ok(None);
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
            Opcode::Dup => self.top()?,
            _ => return self.naming_step(opcode),
        }))
    }

    #[inline]
    fn put(&mut self, index: u64) -> Step {
        let id = self.top()?;
        self.memo.put(index, id, &mut self.builder.meter)?;
        Ok(())
    }

    /// Carries out the PUT that picklers write behind every text, where it is a plain one; whatever
    /// could fail is left to the opcode itself.
    #[inline]
    fn put_at_once(&mut self, id: NodeId) {
        match *self.reader.window() {
            [b'q', index, ..] if self.memo.put_next(usize::from(index), id) => self.reader.skip(2),
            [b'\x94', ..] if self.memo.put_next(self.memo.entries(), id) => self.reader.skip(1),
            _ => {}
        }
    }

    #[inline]
    fn get(&self, index: u64) -> Step<NodeId> {
        self.memo.get(index).ok_or(ErrorKind::Memo)
    }

    #[inline]
    fn top(&self) -> Step<NodeId> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.fence => Ok(id),
            _ => Err(ErrorKind::Stack),
        }
    }

    #[inline]
    fn pop(&mut self) -> Step<NodeId> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// Takes the last mark and gives the height of the stack at it.
    #[inline]
    fn pop_mark(&mut self) -> Step<usize> {
        let mark = self.marks.pop().ok_or(ErrorKind::Mark)?;
        self.fence = self.marks.last().map_or(0, |&mark| mark as usize);
        Ok(mark as usize)
    }

    #[inline]
    fn tuple(&mut self, len: usize) -> Step<NodeId> {
        let start =
            self.stack.len().checked_sub(len).filter(|&start| start >= self.fence).ok_or(ErrorKind::Stack)?;
        let id = self.builder.tuple(self.stack.get(start..).unwrap_or_default())?;
        self.stack.truncate(start);
        Ok(id)
    }

    /// The container below `start`, where `start` is not below the fence.
    #[inline]
    fn target(&self, start: usize) -> Step<NodeId> {
        match start.checked_sub(1).and_then(|place| self.stack.get(place)) {
            Some(&id) if start > self.fence => Ok(id),
            _ => Err(ErrorKind::Stack),
        }
    }

    #[inline]
    fn append(&mut self, start: usize) -> Step {
        let target = self.target(start)?;
        let list = match target.kind() {
            Kind::List => target,
            _ => self.object_items(target)?,
        };
        self.builder.extend(list, self.stack.get(start..).unwrap_or_default())?;
        self.stack.truncate(start);
        if list != target {
            self.builder.deepen(target, list)?;
        }
        Ok(())
    }

    #[inline]
    fn set_items(&mut self, start: usize) -> Step {
        let target = self.target(start)?;
        if !(self.stack.len() - start).is_multiple_of(2) {
            return Err(ErrorKind::Odd);
        }
        if start == self.stack.len() {
            // No unpickler looks at what would get no items.
            return Ok(());
        }
        let dict = match target.kind() {
            Kind::Dict => target,
            _ => self.object_pairs(target)?,
        };
        self.builder.set_items(dict, self.stack.get(start..).unwrap_or_default())?;
        self.stack.truncate(start);
        if dict != target {
            self.builder.deepen(target, dict)?;
        }
        Ok(())
    }

    fn add_items(&mut self, start: usize) -> Step {
        let target = self.target(start)?;
        if target.kind() == Kind::Set {
            self.builder.add(target, self.stack.get(start..).unwrap_or_default())?;
        } else {
            let list = self.object_items(target)?;
            self.builder.extend(list, self.stack.get(start..).unwrap_or_default())?;
            self.builder.deepen(target, list)?;
        }
        self.stack.truncate(start);
        Ok(())
    }

    /// The list in which an object keeps what it was given by APPENDS.
    fn object_items(&mut self, target: NodeId) -> Step<NodeId> {
        let Some(instance) = self.builder.instance_mut(target).copied() else {
            return Err(ErrorKind::Type);
        };
        if !known::takes_items(&self.builder.document, &instance) {
            return Err(ErrorKind::Type);
        }
        if instance.items != NodeId::ABSENT {
            return Ok(instance.items);
        }
        let list = self.builder.empty_list()?;
        if let Some(instance) = self.builder.instance_mut(target) {
            instance.items = list;
        }
        Ok(list)
    }

    /// The dict in which an object keeps what it was given by SETITEMS.
    fn object_pairs(&mut self, target: NodeId) -> Step<NodeId> {
        let Some(instance) = self.builder.instance_mut(target).copied() else {
            return Err(ErrorKind::Type);
        };
        if !known::takes_pairs(&self.builder.document, &instance) {
            return Err(ErrorKind::Type);
        }
        if instance.pairs != NodeId::ABSENT {
            return Ok(instance.pairs);
        }
        let dict = self.builder.empty_dict()?;
        if let Some(instance) = self.builder.instance_mut(target) {
            instance.pairs = dict;
        }
        Ok(dict)
    }

    #[inline(always)]
    fn utf8(&mut self, len: u64) -> Step<NodeId> {
        match self.reader.text(len)? {
            Ok(text) => self.builder.str(text),
            Err(bytes) => self.surrogates(bytes),
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn every_decoder_has_a_seed_of_its_own() {
        let seeds = [
            Decoder::default().scratch.keys.seed(),
            Decoder::default().scratch.keys.seed(),
            Decoder::new().scratch.keys.seed(),
        ];
        assert!(seeds.iter().all(|&seed| seed != 0) && seeds[0] != seeds[1] && seeds[1] != seeds[2]);
        let mut decoder = Decoder::default();
        decoder.decode(b"K\x01.").map(drop).unwrap();
        assert_ne!(decoder.scratch.keys.seed(), 0);
    }

    #[test]
    fn a_large_document_does_not_stay_for_ever() {
        let mut large = b"(".to_vec();
        large.extend(b"]}K\x01X\x01\0\0\0aq\0".repeat(50_000));
        large.extend(b"l.");
        let mut decoder = Decoder::new();
        let document = decoder.decode(&large).unwrap();
        decoder.recycle(document);
        let kept = decoder.scratch.bytes();
        assert!(kept > 1 << 20);
        for _ in 0..100 {
            let document = decoder.decode(b"]K\x01a.").unwrap();
            decoder.recycle(document);
        }
        assert!(decoder.scratch.bytes() <= 66 << 10, "{}", decoder.scratch.bytes());
        // What inputs of one size need is kept.
        for _ in 0..3 {
            let document = decoder.decode(&large).unwrap();
            decoder.recycle(document);
        }
        assert_eq!(decoder.scratch.bytes(), kept);
    }
}
