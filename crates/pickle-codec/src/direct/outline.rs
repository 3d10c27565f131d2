//! The outline of a pickle that is a tree: its values in the order of Python's literals.
//!
//! serde asks from the outside in: a container first, then its items. A pickle tells from the inside out:
//! nothing says at EMPTY_LIST how many items will follow, or where a tuple began that TUPLE2 ends. So one
//! pass over the opcodes writes down what serde will ask for, a token a value:
//!
//! ```text
//! {"a": [1, "x"], "b": (None,)}
//!
//! dict 2, extent 12 | "a" | list 2, extent 4 | 1 | "x" | "b" | tuple 1, extent 3 | None
//! ```
//!
//! A container is two tokens, how many items it has and how many tokens it takes with all of them; its
//! items follow. A list or dict is opened before its items, so their tokens stand where they belong; those
//! of a tuple are moved up by two when its end is met. Text that is fetched from the memo is one more token
//! for the same text.
//!
//! # Keys
//!
//! Equal keys end the attempt as well, since the later value takes the place of the earlier one. To find them costs
//! little for the dicts that programs write:
//!
//! - Up to [`FEW`] keys are compared with one another at SETITEMS, and what was found is remembered by the keys'
//!   tokens: records of one type fetch their keys from the memo, so that theirs are the same tokens again.
//! - Texts in ascending order differ without further ado.
//! - All others are hashed at the end, when it is clear that the rest of the pickle is no reason to give up.
//!
//! # Bounds
//!
//! The tables grow through the same meter as the decoder's. Moving tokens for tuples is quadratic if each of many
//! tuples holds the one before and a large list; moves are counted against the length of the input.
//!
//! What ends the attempt: fetching a container, names and calls, keys that are neither text nor integers
//! of 64 bits, equal keys, gaps in the memo, numbers and text in lines, surrogates, and whatever would
//! come near a limit.

use alloc::vec::Vec;

use super::code;
use crate::build::meter::Meter;
use crate::document::hash::{hash_bytes, seed};
use crate::document::{KeyIndex, Kind, NodeId};
use crate::options::{DecodeOptions, Py2Str};
use crate::wire::instruction::instructions;
use crate::wire::number;
use crate::wire::reader::{Reader, float8, int4, uint1, uint2, uint4, uint8};

/// Dicts of up to this many keys are compared key by key.
const FEW: usize = 8;

/// So many small dicts are remembered by their keys.
const SHAPES: usize = 16;

/// Memo indexes may leave gaps of this size, as those of Python 2, which start at 1.
const MAX_GAP: u64 = 16;

/// Tokens that a container takes besides its items.
const HEAD: usize = 2;

/// As many tokens as the index of one can count.
const MAX_TOKENS: usize = 1 << 28;

/// A pickle that is a tree, in the order of its literals.
///
/// A token has the form of a node id, but that its index is one into the tables here, and for a container
/// the number of its items or pairs.
#[derive(Debug)]
pub(crate) struct Outline<'a> {
    tokens: Vec<NodeId>,
    pub(crate) strs: Vec<&'a str>,
    pub(crate) ints: Vec<i64>,
    pub(crate) floats: Vec<f64>,
    pub(crate) bytes: Vec<&'a [u8]>,
}

impl<'a> Outline<'a> {
    /// The outline of an input that is one pickle; `None` if it is for the decoder.
    pub(crate) fn read(input: &'a [u8], options: &DecodeOptions) -> Option<Self> {
        let mut scan = Scan::new(input, options)?;
        scan.run()?;
        if scan.reader.offset() != input.len() {
            return None;
        }
        scan.check_keys()?;
        Some(scan.outline)
    }

    /// The offset of the opcode from which a value comes, for an error about it; of a tuple that is not
    /// empty, the one of its first item.
    ///
    /// No token knows it, because only errors ask. A second scan ends where it would write the token down,
    /// and the last instruction that begins before that place is the one.
    #[cold]
    pub(crate) fn offset(&self, input: &'a [u8], options: &DecodeOptions, at: usize) -> Option<usize> {
        // Tokens of a tuple that is open come after its items, and stand before them in the end.
        let (mut place, mut written) = (0, at);
        while place < at {
            let token = self.token(place);
            if self.next(place) <= at {
                place = self.next(place);
            } else {
                written -= if matches!(token.kind(), Kind::Tuple | Kind::FrozenSet) { HEAD } else { 0 };
                place = Self::first(place);
            }
        }
        let mut scan = Scan::new(input, options)?;
        scan.most = written;
        if scan.run().is_some() {
            return None;
        }
        let end = scan.reader.offset();
        instructions(input)
            .map_while(Result::ok)
            .map(|one| one.offset)
            .take_while(|&offset| offset < end)
            .last()
    }

    /// The token at a place; the root is at 0.
    #[inline]
    pub(crate) fn token(&self, at: usize) -> NodeId {
        self.tokens.get(at).copied().unwrap_or(NodeId::ABSENT)
    }

    /// The place behind a value.
    #[inline]
    pub(crate) fn next(&self, at: usize) -> usize {
        if self.token(at).is_container() { at + self.token(at + 1).index() } else { at + 1 }
    }

    /// The place of a container's first item.
    #[inline]
    pub(crate) const fn first(at: usize) -> usize {
        at + HEAD
    }

    /// Whether two keys are equal, each text or an integer.
    #[inline]
    fn are_equal(&self, one: NodeId, other: NodeId) -> bool {
        match (one.kind(), other.kind()) {
            (Kind::Str, Kind::Str) => {
                one == other || self.strs.get(one.index()) == self.strs.get(other.index())
            }
            // An integer that fits a token is nowhere else.
            (Kind::Int, Kind::Int) => self.ints.get(one.index()) == self.ints.get(other.index()),
            _ => one == other,
        }
    }

    fn hash(&self, key: NodeId, seed: u64) -> Option<u64> {
        Some(match key.kind() {
            Kind::Str => hash_bytes(self.strs.get(key.index())?.as_bytes(), seed),
            Kind::Small => hash_bytes(&key.small_value().to_le_bytes(), seed),
            Kind::Int => hash_bytes(&self.ints.get(key.index())?.to_le_bytes(), seed),
            _ => return None,
        })
    }
}

/// A value on the stack: the place of its first token, and how deep it nests.
#[derive(Clone, Copy)]
struct Start {
    at: u32,
    depth: u32,
}

/// Which keys have not been compared yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    Nothing,
    /// Those of large dicts, and members of sets.
    Large,
    /// Those of all dicts, because some came in more than one batch.
    All,
}

struct Scan<'a> {
    reader: Reader<'a>,
    meter: Meter,
    outline: Outline<'a>,
    stack: Vec<Start>,
    marks: Vec<u32>,
    /// Height of the stack at the last mark: nothing below it may be taken.
    fence: usize,
    /// Tokens of what was stored; a container is [`NodeId::ABSENT`], because fetching one ends the attempt.
    memo: Vec<NodeId>,
    has_gaps: bool,
    /// Keys of small dicts that are known to differ, by the first of them: records of one type share
    /// their keys, and a document has records of some types in turns.
    differing: [[NodeId; FEW]; SHAPES],
    check: Check,
    /// Tokens that may still be moved. Small tuples around large values, one around another, would move
    /// the same ones again and again.
    moves: usize,
    /// Where the next token would be one too many.
    most: usize,
    max_depth: u32,
    py2_text: bool,
}

impl<'a> Scan<'a> {
    fn new(input: &'a [u8], options: &DecodeOptions) -> Option<Self> {
        let limits = &options.limits;
        // The decoder needs more memory than this, so only it can tell whether a smaller limit is met.
        if input.len() > limits.max_input_len || limits.max_memory.is_some() {
            return None;
        }
        Some(Self {
            reader: Reader::new(input),
            meter: Meter::new(limits.memory(input.len()), input.len()),
            outline: Outline {
                tokens: Vec::new(),
                strs: Vec::new(),
                ints: Vec::new(),
                floats: Vec::new(),
                bytes: Vec::new(),
            },
            stack: Vec::new(),
            marks: Vec::new(),
            fence: 0,
            memo: Vec::new(),
            has_gaps: false,
            differing: [[NodeId::ABSENT; FEW]; SHAPES],
            check: Check::Nothing,
            moves: input.len().saturating_mul(4),
            most: MAX_TOKENS,
            max_depth: u32::try_from(limits.max_depth).unwrap_or(u32::MAX),
            py2_text: options.py2_str == Py2Str::Auto,
        })
    }

    fn run(&mut self) -> Option<()> {
        loop {
            let token = match self.reader.opcode_byte()? {
                code::BINUNICODE => {
                    let len = self.reader.argument(uint4).ok()?;
                    let text = self.reader.text(len.into()).ok()?.ok()?;
                    self.text(text)?;
                    continue;
                }
                code::SHORT_BINUNICODE => {
                    let len = self.reader.argument(uint1).ok()?;
                    // Its opcode is no ASCII, so there is no long stretch of text around it.
                    let bytes = self.reader.counted(len.into()).ok()?;
                    self.text(core::str::from_utf8(bytes).ok()?)?;
                    continue;
                }
                code::BINGET => {
                    let index = self.reader.argument(uint1).ok()?;
                    self.get(usize::from(index))?
                }
                code::LONG_BINGET => {
                    let index = self.reader.argument(uint4).ok()?;
                    self.get(usize::try_from(index).ok()?)?
                }
                code::BININT1 => NodeId::small(self.reader.argument(uint1).ok()?.into())?,
                code::BININT2 => NodeId::small(self.reader.argument(uint2).ok()?.into())?,
                code::BININT => {
                    let value = self.reader.argument(int4).ok()?;
                    self.int(value.into())?
                }
                code::LONG1 => {
                    let len = self.reader.argument(uint1).ok()?;
                    let bytes = self.reader.counted(len.into()).ok()?;
                    self.int(number::small(number::minimal(bytes))?)?
                }
                code::BINFLOAT => {
                    let value = self.reader.argument(float8).ok()?;
                    let token = NodeId::new(Kind::Float, self.outline.floats.len()).ok()?;
                    self.meter.push(&mut self.outline.floats, value).ok()?;
                    token
                }
                code::NONE => NodeId::NONE,
                code::NEWTRUE => NodeId::TRUE,
                code::NEWFALSE => NodeId::FALSE,
                code::MEMOIZE => {
                    self.memoize()?;
                    continue;
                }
                code::BINPUT => {
                    let index = self.reader.argument(uint1).ok()?;
                    self.put(index.into())?;
                    continue;
                }
                code::LONG_BINPUT => {
                    let index = self.reader.argument(uint4).ok()?;
                    self.put(index.into())?;
                    continue;
                }
                code::MARK => {
                    self.fence = self.stack.len();
                    let height = u32::try_from(self.fence).ok()?;
                    self.meter.push(&mut self.marks, height).ok()?;
                    continue;
                }
                code::EMPTY_DICT => {
                    self.open(Kind::Dict)?;
                    continue;
                }
                code::EMPTY_LIST => {
                    self.open(Kind::List)?;
                    continue;
                }
                code::EMPTY_SET => {
                    self.open(Kind::Set)?;
                    continue;
                }
                code::EMPTY_TUPLE => {
                    self.open(Kind::Tuple)?;
                    continue;
                }
                code::SETITEMS => {
                    let mark = self.pop_mark()?;
                    self.set_items(mark)?;
                    continue;
                }
                code::SETITEM => {
                    self.set_items(self.stack.len().checked_sub(2)?)?;
                    continue;
                }
                code::APPENDS => {
                    let mark = self.pop_mark()?;
                    self.append(mark, Kind::List)?;
                    continue;
                }
                code::APPEND => {
                    self.append(self.stack.len().checked_sub(1)?, Kind::List)?;
                    continue;
                }
                code::ADDITEMS => {
                    let mark = self.pop_mark()?;
                    self.check = self.check.max(Check::Large);
                    self.append(mark, Kind::Set)?;
                    continue;
                }
                code::TUPLE1 => {
                    self.wrap(self.stack.len().checked_sub(1)?, Kind::Tuple)?;
                    continue;
                }
                code::TUPLE2 => {
                    self.wrap(self.stack.len().checked_sub(2)?, Kind::Tuple)?;
                    continue;
                }
                code::TUPLE3 => {
                    self.wrap(self.stack.len().checked_sub(3)?, Kind::Tuple)?;
                    continue;
                }
                code::TUPLE => {
                    let mark = self.pop_mark()?;
                    self.wrap(mark, Kind::Tuple)?;
                    continue;
                }
                code::FROZENSET => {
                    let mark = self.pop_mark()?;
                    self.check = self.check.max(Check::Large);
                    self.wrap(mark, Kind::FrozenSet)?;
                    continue;
                }
                code::SHORT_BINBYTES => {
                    let len = self.reader.argument(uint1).ok()?;
                    self.bytes(len.into())?
                }
                code::BINBYTES => {
                    let len = self.reader.argument(uint4).ok()?;
                    self.bytes(len.into())?
                }
                code::BINBYTES8 => {
                    let len = self.reader.argument(uint8).ok()?;
                    self.bytes(len)?
                }
                code::SHORT_BINSTRING if self.py2_text => {
                    let len = self.reader.argument(uint1).ok()?;
                    let text = self.reader.text(len.into()).ok()?.ok()?;
                    self.text(text)?;
                    continue;
                }
                code::PROTO => {
                    if self.reader.argument(uint1).ok()? > 5 {
                        return None;
                    }
                    continue;
                }
                code::FRAME => {
                    let len = self.reader.argument(uint8).ok()?;
                    self.reader.enter_frame(len).ok()?;
                    continue;
                }
                code::STOP => {
                    let is_done = self.stack.len() == 1 && self.marks.is_empty();
                    return is_done.then_some(());
                }
                _ => return None,
            };
            self.push(token)?;
        }
    }

    /// The place of the next token.
    #[inline]
    #[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "it is below 2^28")]
    fn place(&self) -> Option<u32> {
        let at = self.outline.tokens.len();
        (at < self.most).then_some(at as u32)
    }

    /// A value without parts.
    #[inline]
    fn push(&mut self, token: NodeId) -> Option<()> {
        let at = self.place()?;
        self.meter.push(&mut self.outline.tokens, token).ok()?;
        self.meter.push(&mut self.stack, Start { at, depth: 0 }).ok()
    }

    /// Text, and the PUT that picklers write behind it.
    #[inline]
    fn text(&mut self, text: &'a str) -> Option<()> {
        let token = NodeId::new(Kind::Str, self.outline.strs.len()).ok()?;
        self.meter.push(&mut self.outline.strs, text).ok()?;
        self.push(token)?;
        match *self.reader.window() {
            [b'\x94', ..] if !self.has_gaps => {
                self.reader.skip(1);
                self.meter.push(&mut self.memo, token).ok()
            }
            [b'q', index, ..] if usize::from(index) == self.memo.len() => {
                self.reader.skip(2);
                self.meter.push(&mut self.memo, token).ok()
            }
            _ => Some(()),
        }
    }

    #[inline]
    fn int(&mut self, value: i64) -> Option<NodeId> {
        if let Some(token) = NodeId::small(value) {
            return Some(token);
        }
        let token = NodeId::new(Kind::Int, self.outline.ints.len()).ok()?;
        self.meter.push(&mut self.outline.ints, value).ok()?;
        Some(token)
    }

    fn bytes(&mut self, len: u64) -> Option<NodeId> {
        let bytes = self.reader.counted(len).ok()?;
        let token = NodeId::new(Kind::Bytes, self.outline.bytes.len()).ok()?;
        self.meter.push(&mut self.outline.bytes, bytes).ok()?;
        Some(token)
    }

    /// An empty container.
    #[inline]
    fn open(&mut self, kind: Kind) -> Option<()> {
        if self.max_depth == 0 {
            return None;
        }
        let at = self.place()?;
        self.meter.reserve(&mut self.outline.tokens, HEAD).ok()?;
        self.outline.tokens.push(NodeId::new(kind, 0).ok()?);
        self.outline.tokens.push(NodeId::new(kind, HEAD).ok()?);
        self.meter.push(&mut self.stack, Start { at, depth: 1 }).ok()
    }

    /// What stands in the memo for the top of the stack.
    #[inline]
    fn top(&self) -> Option<NodeId> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.fence)?;
        let token = self.outline.token(top.at as usize);
        Some(if token.is_container() { NodeId::ABSENT } else { token })
    }

    #[inline]
    fn memoize(&mut self) -> Option<()> {
        // MEMOIZE takes the number of entries, which gaps make less than the length.
        if self.has_gaps {
            return None;
        }
        let token = self.top()?;
        self.meter.push(&mut self.memo, token).ok()
    }

    #[inline]
    fn put(&mut self, index: u64) -> Option<()> {
        let token = self.top()?;
        if index == self.memo.len() as u64 {
            return self.meter.push(&mut self.memo, token).ok();
        }
        self.put_elsewhere(index, token)
    }

    #[cold]
    fn put_elsewhere(&mut self, index: u64, token: NodeId) -> Option<()> {
        self.has_gaps = true;
        let place = usize::try_from(index).ok()?;
        if let Some(slot) = self.memo.get_mut(place) {
            *slot = token;
            return Some(());
        }
        if index.checked_sub(self.memo.len() as u64)? > MAX_GAP {
            return None;
        }
        while self.memo.len() < place {
            self.meter.push(&mut self.memo, NodeId::ABSENT).ok()?;
        }
        self.meter.push(&mut self.memo, token).ok()
    }

    #[inline]
    fn get(&self, index: usize) -> Option<NodeId> {
        self.memo.get(index).copied().filter(|&token| token != NodeId::ABSENT)
    }

    #[inline]
    fn pop_mark(&mut self) -> Option<usize> {
        let mark = self.marks.pop()?;
        self.fence = self.marks.last().map_or(0, |&mark| mark as usize);
        Some(mark as usize)
    }

    /// The depth of a container of what lies above `start`.
    #[inline]
    fn depth_above(&self, start: usize) -> Option<u32> {
        let deepest = self.stack.get(start..)?.iter().map(|item| item.depth).max().unwrap_or(0);
        (deepest < self.max_depth).then_some(deepest + 1)
    }

    /// Moves what lies above `start` into the container below it, which gets `more` items or pairs.
    #[inline]
    fn fill(&mut self, start: usize, kind: Kind, more: usize) -> Option<()> {
        let depth = self.depth_above(start)?;
        let end = self.outline.tokens.len();
        let target = self.stack.get_mut(start.checked_sub(1)?)?;
        target.depth = target.depth.max(depth);
        let at = target.at as usize;
        let [head, extent] = self.outline.tokens.get_mut(at..)?.first_chunk_mut::<HEAD>()?;
        *head = NodeId::new(kind, head.index() + more).ok()?;
        *extent = NodeId::new(kind, end - at).ok()?;
        self.stack.truncate(start);
        Some(())
    }

    /// The container below `start`, where `start` is not below the last mark.
    #[inline]
    fn target(&self, start: usize, kind: Kind) -> Option<NodeId> {
        let below = self.stack.get(start.checked_sub(1)?).filter(|_| start > self.fence)?;
        Some(self.outline.token(below.at as usize)).filter(|token| token.kind() == kind)
    }

    #[inline]
    fn append(&mut self, start: usize, kind: Kind) -> Option<()> {
        self.target(start, kind)?;
        self.fill(start, kind, self.stack.len() - start)
    }

    #[inline]
    fn set_items(&mut self, start: usize) -> Option<()> {
        let known = self.target(start, Kind::Dict)?.index();
        let (pairs, odd) = self.stack.get(start..)?.as_chunks::<2>();
        let count = pairs.len();
        if !odd.is_empty() {
            return None;
        }
        if count > FEW {
            self.check = self.check.max(Check::Large);
        } else if known > 0 {
            self.check = Check::All;
        } else {
            let mut keys = [NodeId::ABSENT; FEW];
            for (place, [key, _]) in keys.iter_mut().zip(pairs) {
                *place = self.outline.token(key.at as usize);
            }
            let known = self.differing.get_mut(keys[0].index() % SHAPES)?;
            if *known != keys {
                *known = keys;
                self.compare_few(keys.get(..count)?)?;
            }
        }
        self.fill(start, Kind::Dict, count)
    }

    /// Compares the keys of a small dict.
    #[inline(never)]
    fn compare_few(&self, mut keys: &[NodeId]) -> Option<()> {
        while let [key, rest @ ..] = keys {
            keys = rest;
            let is_equal = match key.kind() {
                Kind::Str => {
                    let text = *self.outline.strs.get(key.index())?;
                    rest.iter().any(|other| {
                        other.kind() == Kind::Str && self.outline.strs.get(other.index()) == Some(&text)
                    })
                }
                Kind::Small | Kind::Int => rest.iter().any(|other| self.outline.are_equal(*key, *other)),
                _ => return None,
            };
            if is_equal {
                return None;
            }
        }
        Some(())
    }

    /// A container of what lies above `start`, which has begun with the first of it.
    #[inline]
    fn wrap(&mut self, start: usize, kind: Kind) -> Option<()> {
        if start < self.fence {
            return None;
        }
        self.place()?;
        let depth = self.depth_above(start)?;
        let end = self.outline.tokens.len();
        let at = self.stack.get(start).map_or(end, |first| first.at as usize);
        self.moves = self.moves.checked_sub(end - at)?;
        let count = self.stack.len() - start;
        let tokens = &mut self.outline.tokens;
        self.meter.reserve(tokens, HEAD).ok()?;
        tokens.extend([NodeId::ABSENT; HEAD]);
        tokens.copy_within(at..end, at + HEAD);
        let head = tokens.get_mut(at..)?.first_chunk_mut::<HEAD>()?;
        *head = [NodeId::new(kind, count).ok()?, NodeId::new(kind, end - at + HEAD).ok()?];
        self.stack.truncate(start);
        self.meter.push(&mut self.stack, Start { at: u32::try_from(at).ok()?, depth }).ok()
    }

    /// Compares the keys that have not been compared yet, with one table for all dicts: it is made anew for each, and
    /// its memory kept.
    fn check_keys(&mut self) -> Option<()> {
        if self.check == Check::Nothing {
            return Some(());
        }
        let mut index = KeyIndex::default();
        let seed = seed();
        let mut at = 0;
        while at < self.outline.tokens.len() {
            let token = self.outline.token(at);
            let is_due = match token.kind() {
                Kind::Dict => token.index() > FEW || self.check == Check::All,
                kind => matches!(kind, Kind::Set | Kind::FrozenSet),
            };
            if is_due {
                self.compare(at, &mut index, seed)?;
            }
            at += if token.is_container() { HEAD } else { 1 };
        }
        Some(())
    }

    /// Whether the keys of one dict, or the members of a set, are texts in ascending order, as those of a
    /// `BTreeMap` or of Python's `sort_keys`: then no two are equal, and no table is needed to see it.
    fn are_ascending(&self, at: usize) -> bool {
        let step = usize::from(self.outline.token(at).kind() == Kind::Dict);
        let mut place = Outline::first(at);
        let mut last = None;
        for _ in 0..self.outline.token(at).index() {
            let key = self.outline.token(place);
            let text = self.outline.strs.get(key.index()).filter(|_| key.kind() == Kind::Str);
            if text.is_none() || last >= text {
                return false;
            }
            last = text;
            place = self.outline.next(place + step);
        }
        true
    }

    /// Compares all keys of one dict, or members of a set.
    fn compare(&mut self, at: usize, index: &mut KeyIndex, seed: u64) -> Option<()> {
        let token = self.outline.token(at);
        let is_dict = token.kind() == Kind::Dict;
        if self.are_ascending(at) {
            return Some(());
        }
        // Up to four slots a key, and half as many while the table grows.
        let bytes = token.index().saturating_mul(48).saturating_add(KeyIndex::first_bytes(token.index()));
        self.meter.charge(bytes).ok()?;
        index.reset(token.index());
        let mut place = Outline::first(at);
        for _ in 0..token.index() {
            if index.room() == 0 {
                index.double();
            }
            let key = self.outline.token(place);
            let outline = &self.outline;
            let hash = outline.hash(key, seed)?;
            let found = index.find_or_insert(hash, u32::try_from(place).ok()?, |other| {
                Ok(outline.are_equal(key, outline.token(other as usize)))
            });
            if found.ok()?.is_some() {
                return None;
            }
            place = if is_dict { outline.next(place + 1) } else { place + 1 };
        }
        self.meter.release(bytes);
        Some(())
    }
}
