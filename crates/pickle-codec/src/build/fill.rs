//! Makes the nodes of a document, within the budgets. The decoder and the known types build through it.
//!
//! # Where items are
//!
//! All containers keep their items in one pool; a container is a run of it ([`Seq`]: start and length). That
//! is one allocation for a whole document instead of one for each list, and it holds because of how pickles
//! are written: the items of a list mostly come in one APPENDS, right after the items inside of them.
//!
//! ```text
//! pool   | 1 2 | a b c | x y . . |
//!          ^list ^tuple  ^ a list that has moved here, with room up to the next power of two (ROOMY)
//! ```
//!
//! A run at the end of the pool grows in place. Any other one moves to the end when it grows, and takes room
//! for as much again with it, so that n appends of one item copy at most 2n items.
//!
//! # Depth
//!
//! A container's depth is one more than that of its deepest item, known when the items are put in, because
//! they mostly are complete then. If a container grows deeper that another one already holds (HELD), the
//! holder's depth is too small, and to correct it would have no end where there are cycles. The document is then
//! marked `late`, and [`Builder::measure_depth`] measures all depths at the end, once.
//!
//! # Duplicate keys
//!
//! A dict of up to [`SCAN_KEYS`] keys is searched one by one, which beats hashing. A larger one gets an index
//! ([`KeyIndex`]). There is one index, for the container at hand, whose memory is used again for the next: a
//! pickle fills one container after the other. A container that is left and reopened (SETITEMS in turns to two
//! dicts) has its index kept, so that alternating between them does not build it anew each time.

use alloc::collections::BTreeMap;

use super::keys::{self, KeyWork};
use super::meter::Meter;
use crate::document::walk::{self, DepthFirst, Layout, Met};
use crate::document::{BytesRepr, Document, Instance, KeyIndex, Kind, NodeId, ObjectRepr, Seq, TextRepr};
use crate::limits::{Limits, ValueLimits};
use crate::wire::error::ErrorKind;
use crate::wire::number;

/// Containers of up to this many keys are searched one by one.
const SCAN_KEYS: usize = 8;

/// A bookkeeping allowance for an index that is kept.
const KEPT_ENTRY: usize = 96;

/// A document in the making.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    pub(crate) document: Document<'a>,
    pub(crate) meter: Meter,
    pub(crate) work: KeyWork,
    /// `Limits::max_depth`, as far as `Seq::meta` can count.
    max_depth: u32,
    /// A container that others already hold has grown deeper, so that their depths are not exact.
    late: bool,
    pub(crate) keys: Keys,
    /// Where in the pool the pairs of the last small dict began, and how many they are: their keys are
    /// known to differ. Records of one type share their keys, so that most dicts have the same.
    distinct: (usize, usize),
}

/// What an object can be given beside its arguments and its state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What APPENDS gives it.
    Items,
    /// What SETITEMS gives it.
    Pairs,
}

/// The key indexes: one for the container at hand, and those of containers that were reopened.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    owner: Option<NodeId>,
    reopened: bool,
    index: KeyIndex,
    /// Each with the bytes that are counted for it.
    kept: BTreeMap<NodeId, (KeyIndex, usize)>,
    seed: u64,
    /// The bytes that are counted for the index at hand, by its length: room that it has from an earlier
    /// document is no cost of this one.
    charged: usize,
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    /// The memory that is kept.
    pub(crate) const fn bytes(&self) -> usize {
        self.index.bytes()
    }

    /// Lets go of the memory that is kept.
    pub(crate) fn shrink(&mut self) {
        *self = Self::new(self.seed);
    }

    /// Forgets the last document but keeps the memory of the index.
    fn clear(&mut self) {
        self.owner = None;
        self.reopened = false;
        self.kept.clear();
        self.charged = 0;
    }

    /// Counts the index as this large, if it is not larger already.
    fn charge(&mut self, bytes: usize, meter: &mut Meter) -> Result<(), ErrorKind> {
        if bytes > self.charged {
            meter.charge(bytes - self.charged)?;
            self.charged = bytes;
        }
        Ok(())
    }

    /// Makes room in the index for one more key.
    #[inline]
    fn make_room(&mut self, meter: &mut Meter) -> Result<(), ErrorKind> {
        if self.index.room() == 0 { self.double(meter) } else { Ok(()) }
    }

    #[cold]
    fn double(&mut self, meter: &mut Meter) -> Result<(), ErrorKind> {
        // The old table is there until the new one is filled.
        let old = self.index.bytes();
        self.charge(old, meter)?;
        meter.charge(2 * old)?;
        self.index.double();
        meter.release(2 * old);
        self.charge(self.index.bytes(), meter)
    }
}

#[inline]
fn narrow(value: usize) -> Result<u32, ErrorKind> {
    u32::try_from(value).map_err(|_| ErrorKind::Budget)
}

/// The place of a key among a few, one by one.
#[inline]
fn scan(
    document: &Document<'_>,
    key: NodeId,
    slots: &[NodeId],
    stride: usize,
    work: &mut KeyWork,
) -> Result<Option<usize>, ErrorKind> {
    // Only what is quick to compare comes here, and all of that is hashable.
    for (place, other) in slots.iter().step_by(stride).enumerate() {
        if keys::equal(document, key, *other, 0, work)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

impl<'a> Builder<'a> {
    #[inline(always)]
    pub(crate) fn new(document: Document<'a>, keys: Keys, limits: &Limits, input_len: usize) -> Self {
        let mut builder = Self {
            document,
            meter: Meter::new(limits.memory(input_len), input_len),
            work: KeyWork::new(limits.expansion(input_len)),
            max_depth: u32::try_from(limits.max_depth).unwrap_or(u32::MAX).min(Seq::DEPTH - 1),
            late: false,
            keys,
            distinct: (0, 0),
        };
        builder.document.input_len = input_len;
        builder.document.limits = ValueLimits::new(limits, input_len);
        builder.keys.clear();
        builder
    }

    #[inline]
    pub(crate) fn into_document(self) -> Document<'a> {
        self.document
    }

    #[inline]
    pub(crate) fn int(&mut self, value: i64) -> Result<NodeId, ErrorKind> {
        if let Some(id) = NodeId::small(value) {
            return Ok(id);
        }
        let id = NodeId::new(Kind::Int, self.document.ints.len())?;
        self.meter.push(&mut self.document.ints, value)?;
        Ok(id)
    }

    /// An integer from two's complement bytes in the input.
    pub(crate) fn int_bytes(&mut self, bytes: &'a [u8]) -> Result<NodeId, ErrorKind> {
        let bytes = number::minimal(bytes);
        match number::small(bytes) {
            Some(value) => self.int(value),
            None => self.big(BytesRepr::Input(bytes)),
        }
    }

    /// An integer from minimal two's complement bytes that are not in the input.
    pub(crate) fn int_owned(&mut self, bytes: &[u8]) -> Result<NodeId, ErrorKind> {
        let (start, len) = self.own_bytes(bytes)?;
        self.big(BytesRepr::Owned { start, len })
    }

    fn big(&mut self, repr: BytesRepr<'a>) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::Big, self.document.bigs.len())?;
        self.meter.push(&mut self.document.bigs, repr)?;
        Ok(id)
    }

    #[inline]
    pub(crate) fn float(&mut self, value: f64) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::Float, self.document.floats.len())?;
        self.meter.push(&mut self.document.floats, value)?;
        Ok(id)
    }

    /// Text that stands in the input.
    #[inline]
    pub(crate) fn str(&mut self, text: &'a str) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::Str, self.document.strs.len())?;
        self.meter.push(&mut self.document.strs, text)?;
        Ok(id)
    }

    /// Text with surrogates that stands in the input as WTF-8.
    pub(crate) fn wtf8(&mut self, bytes: &'a [u8]) -> Result<NodeId, ErrorKind> {
        self.text(TextRepr::Wtf8(bytes))
    }

    /// Text that does not stand in the input.
    pub(crate) fn owned_str(&mut self, text: &str) -> Result<NodeId, ErrorKind> {
        self.meter.charge(text.len().saturating_mul(2))?;
        let start = narrow(self.document.owned_text.len())?;
        narrow(self.document.owned_text.len() + text.len())?;
        self.document.owned_text.push_str(text);
        self.text(TextRepr::Owned { start, len: narrow(text.len())? })
    }

    /// Text with surrogates that does not stand in the input.
    pub(crate) fn owned_wtf8(&mut self, bytes: &[u8]) -> Result<NodeId, ErrorKind> {
        let (start, len) = self.own_bytes(bytes)?;
        self.text(TextRepr::OwnedWtf8 { start, len })
    }

    fn text(&mut self, repr: TextRepr<'a>) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::Text, self.document.texts.len())?;
        self.meter.push(&mut self.document.texts, repr)?;
        Ok(id)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &'a [u8]) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::Bytes, self.document.bytes.len())?;
        self.meter.push(&mut self.document.bytes, bytes)?;
        Ok(id)
    }

    /// Bytes that do not stand in the input.
    pub(crate) fn owned_bytes(&mut self, bytes: &[u8]) -> Result<NodeId, ErrorKind> {
        let run = self.own_bytes(bytes)?;
        let id = NodeId::new(Kind::Blob, self.document.blobs.len())?;
        self.meter.push(&mut self.document.blobs, run)?;
        Ok(id)
    }

    pub(crate) fn bytearray(&mut self, bytes: &'a [u8]) -> Result<NodeId, ErrorKind> {
        self.bytearray_of(BytesRepr::Input(bytes))
    }

    /// A `bytearray` of bytes that do not stand in the input.
    pub(crate) fn owned_bytearray(&mut self, bytes: &[u8]) -> Result<NodeId, ErrorKind> {
        let (start, len) = self.own_bytes(bytes)?;
        self.bytearray_of(BytesRepr::Owned { start, len })
    }

    pub(crate) fn bytearray_of(&mut self, repr: BytesRepr<'a>) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::ByteArray, self.document.bytearrays.len())?;
        self.meter.push(&mut self.document.bytearrays, repr)?;
        Ok(id)
    }

    fn own_bytes(&mut self, bytes: &[u8]) -> Result<(u32, u32), ErrorKind> {
        self.meter.charge(bytes.len().saturating_mul(2))?;
        let start = narrow(self.document.owned_bytes.len())?;
        narrow(self.document.owned_bytes.len() + bytes.len())?;
        self.document.owned_bytes.extend_from_slice(bytes);
        Ok((start, narrow(bytes.len())?))
    }

    /// An empty container in the table of its kind.
    #[inline]
    fn open(&mut self, kind: Kind) -> Result<NodeId, ErrorKind> {
        let Some(table) = self.document.runs.get_mut(kind.run_table()) else { return Err(ErrorKind::Type) };
        let id = NodeId::new(kind, table.len())?;
        self.meter.push(table, Seq { meta: 1, ..Seq::default() })?;
        Ok(id)
    }

    #[inline(always)]
    pub(crate) fn empty_list(&mut self) -> Result<NodeId, ErrorKind> {
        self.open(Kind::List)
    }

    pub(crate) fn empty_dict(&mut self) -> Result<NodeId, ErrorKind> {
        self.open(Kind::Dict)
    }

    #[inline(always)]
    pub(crate) fn empty_set(&mut self) -> Result<NodeId, ErrorKind> {
        self.open(Kind::Set)
    }

    pub(crate) fn list(&mut self, items: &[NodeId]) -> Result<NodeId, ErrorKind> {
        let id = self.empty_list()?;
        self.extend(id, items)?;
        Ok(id)
    }

    pub(crate) fn tuple(&mut self, items: &[NodeId]) -> Result<NodeId, ErrorKind> {
        if items.is_empty() {
            return Ok(NodeId::EMPTY_TUPLE);
        }
        let id = self.open_tuple()?;
        self.extend(id, items)?;
        Ok(id)
    }

    /// A tuple whose items come later, by [`extend`](Self::extend), because they refer to it.
    pub(crate) fn open_tuple(&mut self) -> Result<NodeId, ErrorKind> {
        self.open(Kind::Tuple)
    }

    pub(crate) fn frozenset(&mut self, items: &[NodeId]) -> Result<NodeId, ErrorKind> {
        let id = self.open(Kind::FrozenSet)?;
        self.add(id, items)?;
        Ok(id)
    }

    pub(crate) fn object(&mut self, repr: ObjectRepr) -> Result<NodeId, ErrorKind> {
        let id = NodeId::new(Kind::Object, self.document.objects.len())?;
        self.meter.push(&mut self.document.objects, repr)?;
        Ok(id)
    }

    /// An object with its parts, whose depth counts as one more than theirs.
    pub(crate) fn instance(&mut self, mut instance: Instance) -> Result<NodeId, ErrorKind> {
        let mut depth = 0;
        for child in instance.children() {
            depth = depth.max(self.hold(child));
        }
        instance.meta = depth + 1;
        self.check_depth(depth + 1)?;
        self.object(ObjectRepr::Instance(instance))
    }

    /// A persistent id, one deeper than the value that names it.
    pub(crate) fn persistent_id(&mut self, value: NodeId) -> Result<NodeId, ErrorKind> {
        let meta = self.hold(value) + 1;
        self.check_depth(meta)?;
        self.object(ObjectRepr::PersistentId { value, meta })
    }

    /// Puts one more part into an object; the caller has stored its id in the representation.
    pub(crate) fn deepen(&mut self, id: NodeId, part: NodeId) -> Result<(), ErrorKind> {
        let depth = self.hold(part) + 1;
        self.raise(id, depth)
    }

    /// The container of an object's items or pairs, which is made when it is first needed.
    pub(crate) fn part(&mut self, id: NodeId, part: Part) -> Result<NodeId, ErrorKind> {
        let place = |instance: &Instance| if part == Part::Items { instance.items } else { instance.pairs };
        match self.document.instance(id).map(place) {
            Some(NodeId::ABSENT) => {}
            present => return present.ok_or(ErrorKind::Type),
        }
        let made = if part == Part::Items { self.empty_list()? } else { self.empty_dict()? };
        if let Some(instance) = self.instance_mut(id) {
            *(if part == Part::Items { &mut instance.items } else { &mut instance.pairs }) = made;
        }
        Ok(made)
    }

    pub(crate) fn instance_mut(&mut self, id: NodeId) -> Option<&mut Instance> {
        if id.kind() != Kind::Object {
            return None;
        }
        match self.document.objects.get_mut(id.index()) {
            Some(ObjectRepr::Instance(instance)) => Some(instance),
            _ => None,
        }
    }

    /// Appends items to a list, or slots to any container without looking for duplicates.
    pub(crate) fn extend(&mut self, id: NodeId, items: &[NodeId]) -> Result<(), ErrorKind> {
        let mut depth = 0;
        for &item in items {
            if item.is_container() {
                depth = depth.max(self.hold(item));
            }
        }
        self.append_slots(id, items)?;
        self.raise(id, depth + 1)
    }

    #[inline]
    fn append_slots(&mut self, id: NodeId, items: &[NodeId]) -> Result<(), ErrorKind> {
        let Some(mut seq) = self.document.seq(id) else { return Err(ErrorKind::Type) };
        let tail = narrow(self.document.pool.len())?;
        let more = narrow(items.len())?;
        let len = seq.len.checked_add(more).ok_or(ErrorKind::Budget)?;
        if seq.len == 0 {
            seq.start = tail;
        }
        if seq.start + seq.len == tail {
            self.meter.reserve(&mut self.document.pool, items.len())?;
            self.document.pool.extend_from_slice(items);
            seq.meta &= !Seq::ROOMY;
        } else if seq.meta & Seq::ROOMY != 0 && len <= seq.len.next_power_of_two() {
            let start = (seq.start + seq.len) as usize;
            if let Some(room) = self.document.pool.get_mut(start..start + items.len()) {
                room.copy_from_slice(items);
            }
        } else {
            // The run moves to the end with room for as much again, so appends stay amortised.
            let room = len.checked_next_power_of_two().ok_or(ErrorKind::Budget)? as usize;
            self.meter.reserve(&mut self.document.pool, room)?;
            let start = seq.start as usize;
            self.document.pool.extend_from_within(start..start + seq.len as usize);
            self.document.pool.extend_from_slice(items);
            self.document.pool.resize(tail as usize + room, NodeId::ABSENT);
            seq.start = tail;
            seq.meta |= Seq::ROOMY;
        }
        seq.len = len;
        if let Some(place) = self.document.seq_mut(id) {
            *place = seq;
        }
        Ok(())
    }

    /// Marks a node as held by another and returns its depth.
    #[inline]
    fn hold(&mut self, id: NodeId) -> u32 {
        if id == NodeId::ABSENT {
            return 0;
        }
        let meta = match id.kind() {
            Kind::Object => match self.document.objects.get_mut(id.index()) {
                Some(ObjectRepr::Instance(instance)) => &mut instance.meta,
                Some(ObjectRepr::PersistentId { meta, .. }) => meta,
                _ => return 1,
            },
            _ => match self.document.seq_mut(id) {
                Some(seq) => &mut seq.meta,
                // `()` is as deep as `[]`.
                None => return u32::from(id == NodeId::EMPTY_TUPLE),
            },
        };
        *meta |= Seq::HELD;
        *meta & Seq::DEPTH
    }

    /// Makes a container at least this deep.
    #[inline]
    fn raise(&mut self, id: NodeId, depth: u32) -> Result<(), ErrorKind> {
        let meta = match id.kind() {
            Kind::Object => match self.document.objects.get_mut(id.index()) {
                Some(ObjectRepr::Instance(instance)) => &mut instance.meta,
                _ => return Ok(()),
            },
            _ => match self.document.seq_mut(id) {
                Some(seq) => &mut seq.meta,
                None => return Ok(()),
            },
        };
        if *meta & Seq::DEPTH >= depth {
            return Ok(());
        }
        let depth = depth.min(Seq::DEPTH);
        if *meta & Seq::HELD != 0 {
            self.late = true;
        }
        *meta = (*meta & !Seq::DEPTH) | depth;
        self.check_depth(depth)
    }

    #[inline]
    fn check_depth(&self, depth: u32) -> Result<(), ErrorKind> {
        // Depths that grew late may count a cycle again and again, so they wait for `measure_depth`.
        if depth > self.max_depth && !self.late { Err(ErrorKind::Depth) } else { Ok(()) }
    }

    /// Stores pairs in a dict: a duplicate key keeps the first key and place and takes the last value, as
    /// `PyDict_SetItem` does.
    ///
    /// The common case is the first batch of an empty dict without duplicates. It goes to the pool in one
    /// piece, and its keys are not compared at all if they are the very nodes that the last small dict had.
    pub(crate) fn set_items(&mut self, id: NodeId, pairs: &[NodeId]) -> Result<(), ErrorKind> {
        let (pairs, _) = pairs.as_chunks::<2>();
        let mut depth = 0;
        for &item in pairs.as_flattened() {
            if item.is_container() {
                depth = depth.max(self.hold(item));
            }
        }
        let known = self.document.items(id).len() / 2;
        if known == 0 && self.are_distinct(pairs) {
            self.store_first(id, pairs)?;
            return self.raise(id, depth + 1);
        }
        let indexed = self.open_index(id, known, pairs.as_flattened(), 2)?;
        if known > 0 {
            self.more_items(id, pairs, known, indexed)?;
        } else {
            let unique = self.first_items(id, pairs, indexed)?;
            if let Some(rest @ [_, ..]) = pairs.get(unique..) {
                self.more_items(id, rest, unique, indexed)?;
            }
        }
        self.raise(id, depth + 1)
    }

    /// Whether the keys are the very nodes that the last small dict had as keys.
    #[inline]
    fn are_distinct(&self, pairs: &[[NodeId; 2]]) -> bool {
        let (start, len) = self.distinct;
        let last = self.document.pool.get(start..).unwrap_or_default();
        let (last, _) = last.as_chunks::<2>();
        pairs.len() == len
            && len > 0
            && last.len() >= len
            && last.iter().zip(pairs).all(|([last, _], [key, _])| last == key)
    }

    /// Stores pairs of different keys in an empty dict.
    fn store_first(&mut self, id: NodeId, pairs: &[[NodeId; 2]]) -> Result<(), ErrorKind> {
        let start = self.document.pool.len();
        let (first, len) = (narrow(start)?, narrow(pairs.len() * 2)?);
        narrow(start + pairs.len() * 2)?;
        self.meter.reserve(&mut self.document.pool, pairs.len() * 2)?;
        self.document.pool.extend_from_slice(pairs.as_flattened());
        let Some(seq) = self.document.seq_mut(id) else { return Err(ErrorKind::Type) };
        *seq = Seq { start: first, len, meta: seq.meta & !Seq::ROOMY };
        Ok(())
    }

    /// The first pairs of a dict, which go to the end of the pool in one piece. Tells how many were
    /// stored before a key came again.
    fn first_items(&mut self, id: NodeId, pairs: &[[NodeId; 2]], indexed: bool) -> Result<usize, ErrorKind> {
        let start = self.document.pool.len();
        let first = narrow(start)?;
        narrow(start + pairs.len() * 2)?;
        self.meter.reserve(&mut self.document.pool, pairs.len() * 2)?;
        self.document.pool.extend_from_slice(pairs.as_flattened());
        let unique = if indexed { self.index_pairs(pairs)? } else { self.scan_pairs(pairs)? };
        self.document.pool.truncate(start + unique * 2);
        if !indexed && unique == pairs.len() {
            self.distinct = (start, unique);
        }
        let len = narrow(unique * 2)?;
        let Some(seq) = self.document.seq_mut(id) else { return Err(ErrorKind::Type) };
        *seq = Seq { start: first, len, meta: seq.meta & !Seq::ROOMY };
        Ok(unique)
    }

    /// Puts the keys of pairs into the empty index, up to the first that comes again. Tells how many.
    #[inline]
    fn index_pairs(&mut self, pairs: &[[NodeId; 2]]) -> Result<usize, ErrorKind> {
        let (document, work, keys) = (&self.document, &mut self.work, &mut self.keys);
        let seed = keys.seed;
        let mut unique = 0;
        while let Some(rest @ [_, ..]) = pairs.get(unique..) {
            keys.make_room(&mut self.meter)?;
            let (now, _) = rest.split_at(rest.len().min(keys.index.room()));
            for &[key, _] in now {
                let hash = keys::hash(document, key, seed, work)?;
                let known = keys.index.find_or_insert(hash, narrow(unique)?, |other| {
                    match pairs.get(other as usize) {
                        Some(&[other, _]) => keys::equal(document, key, other, seed, work),
                        None => Ok(false),
                    }
                })?;
                if known.is_some() {
                    work.settle(&mut self.meter)?;
                    return Ok(unique);
                }
                unique += 1;
            }
            work.settle(&mut self.meter)?;
        }
        Ok(unique)
    }

    /// Compares the keys of a few pairs, up to the first that comes again. Tells how many came before it.
    #[inline]
    fn scan_pairs(&mut self, pairs: &[[NodeId; 2]]) -> Result<usize, ErrorKind> {
        for (place, &[key, _]) in pairs.iter().enumerate() {
            let before = pairs.get(..place).unwrap_or_default();
            if scan(&self.document, key, before.as_flattened(), 2, &mut self.work)?.is_some() {
                return Ok(place);
            }
        }
        Ok(pairs.len())
    }

    /// Pairs whose keys may be known already.
    fn more_items(
        &mut self,
        id: NodeId,
        pairs: &[[NodeId; 2]],
        mut known: usize,
        indexed: bool,
    ) -> Result<(), ErrorKind> {
        for &[key, value] in pairs {
            match self.find(id, key, known, 2, indexed)? {
                Some(place) => {
                    let start = self.document.seq(id).map_or(0, |seq| seq.start as usize);
                    if let Some(slot) = self.document.pool.get_mut(start + place * 2 + 1) {
                        *slot = value;
                    }
                }
                None => {
                    self.append_slots(id, &[key, value])?;
                    known += 1;
                }
            }
        }
        Ok(())
    }

    /// Adds members to a set or frozenset; of equal ones the first stays.
    pub(crate) fn add(&mut self, id: NodeId, members: &[NodeId]) -> Result<(), ErrorKind> {
        let mut depth = 0;
        let mut known = self.document.items(id).len();
        let indexed = self.open_index(id, known, members, 1)?;
        for &member in members {
            if self.find(id, member, known, 1, indexed)?.is_none() {
                depth = depth.max(self.hold(member));
                self.append_slots(id, &[member])?;
                known += 1;
            }
        }
        self.raise(id, depth + 1)
    }

    /// Prepares the index if the container may outgrow a scan or a key is not to be compared with
    /// every other; tells whether it is used.
    ///
    /// The index may be that of the last call (nothing to do), one that was kept for this container, or a new
    /// one into which the keys so far are put first.
    #[inline]
    fn open_index(
        &mut self,
        id: NodeId,
        known: usize,
        more: &[NodeId],
        stride: usize,
    ) -> Result<bool, ErrorKind> {
        let total = known + more.len() / stride;
        if total <= SCAN_KEYS && !more.iter().step_by(stride).any(|&key| keys::is_heavy(&self.document, key))
        {
            return Ok(false);
        }
        self.work.settle(&mut self.meter)?;
        self.work.open(&self.meter);
        // Keys that a scan was enough for are not in the index.
        if self.keys.owner == Some(id) && (known > SCAN_KEYS || self.keys.index.len() == known) {
            return Ok(true);
        }
        if self.keys.reopened
            && let Some(owner) = self.keys.owner.filter(|&owner| owner != id)
            && self.document.items(owner).len() > SCAN_KEYS * (1 + usize::from(owner.kind() == Kind::Dict))
        {
            self.meter.charge(KEPT_ENTRY)?;
            let index = core::mem::take(&mut self.keys.index);
            let charged = core::mem::take(&mut self.keys.charged);
            self.keys.kept.insert(owner, (index, charged));
        }
        self.keys.owner = Some(id);
        self.keys.reopened = known > 0;
        if let Some((index, charged)) = self.keys.kept.remove(&id) {
            self.meter.release(self.keys.charged + KEPT_ENTRY);
            self.keys.index = index;
            self.keys.charged = charged;
            return Ok(true);
        }
        self.keys.charge(KeyIndex::first_bytes(total), &mut self.meter)?;
        self.keys.index.reset(total);
        for place in 0..known {
            let key = self.document.items(id).get(place * stride).copied().unwrap_or(NodeId::NONE);
            self.find_indexed(id, key, place, stride)?;
        }
        Ok(true)
    }

    #[inline]
    fn find(
        &mut self,
        id: NodeId,
        key: NodeId,
        known: usize,
        stride: usize,
        indexed: bool,
    ) -> Result<Option<usize>, ErrorKind> {
        if indexed {
            return self.find_indexed(id, key, known, stride);
        }
        scan(&self.document, key, self.document.items(id), stride, &mut self.work)
    }

    fn find_indexed(
        &mut self,
        id: NodeId,
        key: NodeId,
        place: usize,
        stride: usize,
    ) -> Result<Option<usize>, ErrorKind> {
        self.keys.make_room(&mut self.meter)?;
        let seed = self.keys.seed;
        let hash = keys::hash(&self.document, key, seed, &mut self.work)?;
        let slots = self.document.items(id);
        let (document, work) = (&self.document, &mut self.work);
        let found = self.keys.index.find_or_insert(hash, narrow(place)?, |other| {
            match slots.get(other as usize * stride) {
                Some(&other) => keys::equal(document, key, other, seed, work),
                None => Ok(false),
            }
        })?;
        self.work.settle(&mut self.meter)?;
        Ok(found.map(|place| place as usize))
    }

    /// The exact depth check for documents in which a held container grew deeper.
    ///
    /// A walk over every container once, children first; a reference back to a container that is
    /// still open closes a cycle and adds no depth: its own is still 0 then.
    pub(crate) fn measure_depth(&mut self, root: NodeId) -> Result<(), ErrorKind> {
        if !self.late {
            return Ok(());
        }
        let document = &self.document;
        let layout = Layout::of(document);
        // A depth, a place on the stack of the walk and two bits for each container.
        self.meter.charge(layout.containers().saturating_mul(24))?;
        let mut depths = alloc::vec![0_u32; layout.containers()];
        let mut walk = DepthFirst::new(document, root);
        while let Some(met) = walk.next() {
            // The containers that are open hold one another, so that the outermost is at least as deep.
            if walk.depth() > self.max_depth as usize {
                return Err(ErrorKind::Depth);
            }
            if let Met::Leave(id) = met {
                let depth_of = |id| layout.container(id).and_then(|place| depths.get(place)).copied();
                let parts = (0..).map_while(|place| walk::child(document, id, place));
                let depth = parts.filter_map(depth_of).max().unwrap_or(0) + 1;
                if depth > self.max_depth {
                    return Err(ErrorKind::Depth);
                }
                if let Some(slot) = layout.container(id).and_then(|place| depths.get_mut(place)) {
                    *slot = depth;
                }
            }
        }
        Ok(())
    }
}
