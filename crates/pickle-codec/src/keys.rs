//! Dict keys and set members: hashability, Python's equality, and an index that finds duplicates.
//!
//! Time is linear in the input: every byte that is hashed or compared is charged to a budget of
//! work, hashing is seeded, and a table whose probes grow long gives up with `budget`.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::document::Document;
use crate::error::ErrorKind;
use crate::id::{Kind, NodeId};
use crate::known;
use crate::meter::Meter;
use crate::object::ObjectRepr;

/// What is left of the work that one decode may spend on keys, in bytes looked at, and what is
/// remembered of it.
#[derive(Debug)]
pub(crate) struct Work {
    left: usize,
    /// How many more entries may be remembered.
    room: usize,
    /// Most inputs have no key that is worth it.
    memory: Option<Box<Memory>>,
}

/// The hash of whatever took long to hash, and which nodes were found equal.
#[derive(Debug, Default)]
struct Memory {
    hashes: BTreeMap<NodeId, u64>,
    /// Leads from a node to an equal one, and from that on, if at all.
    same: BTreeMap<NodeId, NodeId>,
    /// Entries that nobody has paid for.
    unpaid: usize,
}

/// A bookkeeping allowance for one entry of the maps.
const ENTRY: usize = 48;

/// What costs this much to look at is remembered, so that it may be a key again and again.
const HEAVY: usize = 512;

impl Work {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { left: limit, room: 0, memory: None }
    }

    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ErrorKind::Budget),
        }
    }

    /// Finds out how much may be remembered.
    #[inline]
    pub(crate) fn open(&mut self, meter: &Meter) {
        self.room = meter.left() / ENTRY;
    }

    /// Pays for what was remembered.
    #[inline]
    pub(crate) fn settle(&mut self, meter: &mut Meter) -> Result<(), ErrorKind> {
        match &mut self.memory {
            Some(memory) if memory.unpaid > 0 => {
                meter.charge(core::mem::take(&mut memory.unpaid) * ENTRY)?;
                self.open(meter);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The memory, if there is room for one more entry, which counts as taken.
    fn take_room(&mut self) -> Option<&mut Memory> {
        self.room = self.room.checked_sub(1)?;
        let memory = self.memory.get_or_insert_default();
        memory.unpaid += 1;
        Some(memory)
    }

    fn remember_hash(&mut self, id: NodeId, hash: u64) {
        if let Some(memory) = self.take_room() {
            memory.hashes.insert(id, hash);
        }
    }

    #[inline]
    fn remembered_hash(&self, id: NodeId) -> Option<u64> {
        self.memory.as_ref()?.hashes.get(&id).copied()
    }

    /// Whether two nodes were found equal, or are equal if what is being compared is.
    fn are_joined(&mut self, left: NodeId, right: NodeId) -> bool {
        match &mut self.memory {
            Some(memory) if !memory.same.is_empty() => memory.leader(left) == memory.leader(right),
            _ => false,
        }
    }

    /// Takes two nodes as equal from now on.
    fn join(&mut self, left: NodeId, right: NodeId) {
        let (left, right) = match &mut self.memory {
            Some(memory) => (memory.leader(left), memory.leader(right)),
            None => (left, right),
        };
        if left != right
            && let Some(memory) = self.take_room()
        {
            memory.same.insert(left, right);
        }
    }

    /// Forgets which nodes were taken as equal.
    fn part(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.same.clear();
        }
    }
}

impl Memory {
    /// The node that stands for all that were found equal to this one.
    fn leader(&mut self, id: NodeId) -> NodeId {
        let mut leader = id;
        while let Some(&next) = self.same.get(&leader) {
            leader = next;
        }
        // Whoever was passed on the way leads straight there from now on.
        let mut id = id;
        while let Some(next) = self.same.get_mut(&id).filter(|next| **next != leader) {
            id = core::mem::replace(next, leader);
        }
        leader
    }
}

/// Frozensets inside frozensets that are keys: deeper ones are refused, because only these recurse.
const MAX_FROZENSET_DEPTH: u32 = 16;

const fn fold(left: u64, right: u64) -> u64 {
    let wide = (left as u128).wrapping_mul(right as u128);
    (wide as u64) ^ ((wide >> 64) as u64)
}

const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd6e8_feb8_6659_fd93;

#[inline]
fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let len = bytes.len() as u64;
    // Two words that overlap cover 8 to 16 bytes, two halves 4 to 7.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let last = u64::from_le_bytes(*last);
        if bytes.len() <= 16 {
            return fold(fold(u64::from_le_bytes(*first) ^ K1, last ^ seed) ^ len, K0);
        }
        let mut hash = seed ^ len;
        for word in bytes.as_chunks::<8>().0 {
            hash = fold(hash ^ u64::from_le_bytes(*word), K0);
        }
        return fold(hash ^ last, K1);
    }
    let short = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        (_, _, &[first, .., last]) => {
            let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(last);
            u64::from(first) | u64::from(middle) << 8 | u64::from(last) << 16
        }
        (_, _, &[only]) => u64::from(only),
        _ => 0,
    };
    fold(short ^ seed, K1 ^ len)
}

/// A number as Python's equality sees it: `1 == 1.0 == True`.
#[derive(PartialEq)]
enum Number<'d> {
    Int(i64),
    /// Minimal two's complement.
    Big(Cow<'d, [u8]>),
    /// Bits of a float that is no integer.
    Float(u64),
}

fn number<'d>(document: &'d Document<'_>, id: NodeId) -> Option<Number<'d>> {
    match id.kind() {
        Kind::Constant => match id {
            NodeId::TRUE => Some(Number::Int(1)),
            NodeId::FALSE => Some(Number::Int(0)),
            _ => None,
        },
        Kind::Small => Some(Number::Int(id.small_value())),
        Kind::Int => document.ints.get(id.index()).map(|&value| Number::Int(value)),
        Kind::Big => {
            document.bigs.get(id.index()).map(|&repr| Number::Big(Cow::Borrowed(document.bytes_of(repr))))
        }
        Kind::Float => document.floats.get(id.index()).map(|&value| float_number(value)),
        _ => None,
    }
}

fn float_number(value: f64) -> Number<'static> {
    // No float lies between 2^63 - 1 and 2^63, so the comparison is exact.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        let whole = value as i64;
        if whole as f64 == value {
            return Number::Int(whole);
        }
        return Number::Float(value.to_bits());
    }
    if !value.is_finite() {
        return Number::Float(value.to_bits());
    }
    // A float this large is an integer: its mantissa shifted left.
    let bits = value.to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = ((bits >> 52) & 0x7ff) as u32 - 1075;
    let magnitude = num_bigint::BigInt::from(mantissa) << shift;
    let whole = if value < 0.0 { -magnitude } else { magnitude };
    Number::Big(Cow::Owned(whole.to_signed_bytes_le()))
}

/// The bytes of text, of `bytes` or of a large integer.
fn bytes_of<'d>(document: &'d Document<'_>, id: NodeId) -> &'d [u8] {
    match id.kind() {
        Kind::Str | Kind::Text => document.text(id).map_or(&[][..], |text| text.as_bytes()),
        Kind::Bytes | Kind::Blob => document.byte_string(id).unwrap_or_default(),
        Kind::Big => document.bigs.get(id.index()).map_or(&[][..], |&repr| document.bytes_of(repr)),
        _ => &[],
    }
}

/// Whether a key is looked up by its hash even among a few: comparing it may take long, or it may be
/// unhashable.
#[inline]
pub(crate) fn is_heavy(document: &Document<'_>, id: NodeId) -> bool {
    match id.kind() {
        Kind::Str => document.strs.get(id.index()).is_some_and(|text| text.len() >= HEAVY),
        Kind::Constant | Kind::Small | Kind::Int | Kind::Float => false,
        Kind::Text | Kind::Bytes | Kind::Blob | Kind::Big => bytes_of(document, id).len() >= HEAVY,
        _ => true,
    }
}

/// The hash of a key, or `Hash` if it is unhashable.
#[inline(always)]
pub(crate) fn hash(
    document: &Document<'_>,
    id: NodeId,
    seed: u64,
    work: &mut Work,
) -> Result<u64, ErrorKind> {
    match id.kind() {
        Kind::Str => {
            let text = document.strs.get(id.index()).copied().unwrap_or_default();
            if text.len() >= HEAVY {
                return hash_slow(document, id, seed, work);
            }
            work.charge(text.len())?;
            Ok(hash_bytes(text.as_bytes(), seed))
        }
        Kind::Small => Ok(fold(id.small_value() as u64 ^ seed ^ K1, K0)),
        _ => hash_slow(document, id, seed, work),
    }
}

/// A tuple, frozenset or object of which some parts are hashed.
struct Open {
    id: NodeId,
    next: u32,
    hash: u64,
    /// What was left of the work before it, without the work on parts that were remembered.
    left: usize,
}

fn hash_slow(document: &Document<'_>, id: NodeId, seed: u64, work: &mut Work) -> Result<u64, ErrorKind> {
    let mut open: Vec<Open> = Vec::new();
    let mut sets = 0;
    let mut next = id;
    loop {
        let mut done = hash_or_open(document, next, seed, work, &mut open)?;
        if done.is_none() && next.kind() == Kind::FrozenSet {
            sets += 1;
            if sets > MAX_FROZENSET_DEPTH {
                return Err(ErrorKind::Depth);
            }
        }
        loop {
            let Some(top) = open.last_mut() else { return Ok(done.unwrap_or(seed)) };
            let is_set = top.id.kind() == Kind::FrozenSet;
            if let Some(part) = done.take() {
                // The order of a set's members does not matter.
                top.hash = if is_set { top.hash.wrapping_add(part) } else { fold(top.hash ^ part, K0) };
            }
            if let Some(part) = part(document, top.id, top.next) {
                top.next += 1;
                next = part;
                break;
            }
            let hash = if is_set { fold(top.hash ^ K0, K1) } else { top.hash };
            let (id, cost) = (top.id, top.left.saturating_sub(work.left));
            sets -= u32::from(is_set);
            open.pop();
            if cost >= HEAVY {
                work.remember_hash(id, hash);
                // What holds it counts only what is left to do, so that not every one is remembered.
                if let Some(parent) = open.last_mut() {
                    parent.left -= cost.min(parent.left);
                }
            }
            done = Some(hash);
        }
    }
}

/// The n-th part of what has parts that are hashed and compared one by one.
fn part(document: &Document<'_>, id: NodeId, place: u32) -> Option<NodeId> {
    let place = place as usize;
    if id.kind() != Kind::Object {
        return document.items(id).get(place).copied();
    }
    match document.objects.get(id.index()) {
        Some(ObjectRepr::Instance(instance)) if place == 0 => known::equality_parts(document, instance),
        Some(ObjectRepr::Global { module, name, .. }) => [*module, *name].get(place).copied(),
        _ => None,
    }
}

/// The hash of one node, or `None` if it has parts and was opened.
fn hash_or_open(
    document: &Document<'_>,
    id: NodeId,
    seed: u64,
    work: &mut Work,
    open: &mut Vec<Open>,
) -> Result<Option<u64>, ErrorKind> {
    let left = work.left;
    work.charge(16)?;
    let start = match id.kind() {
        Kind::Str | Kind::Text | Kind::Bytes | Kind::Blob | Kind::Big => {
            let bytes = bytes_of(document, id);
            if bytes.len() >= HEAVY
                && let Some(hash) = work.remembered_hash(id)
            {
                return Ok(Some(hash));
            }
            work.charge(bytes.len())?;
            let seed = match id.kind() {
                Kind::Str | Kind::Text => seed,
                Kind::Big => seed.rotate_left(7),
                _ => !seed,
            };
            let hash = hash_bytes(bytes, seed);
            if bytes.len() >= HEAVY {
                work.remember_hash(id, hash);
            }
            return Ok(Some(hash));
        }
        Kind::Tuple => fold(document.items(id).len() as u64 ^ seed, K1),
        Kind::FrozenSet => 0,
        Kind::List | Kind::Dict | Kind::Set | Kind::ByteArray => return Err(ErrorKind::Hash),
        Kind::Object => {
            if let Some(ObjectRepr::Instance(instance)) = document.objects.get(id.index())
                && instance.known.is_some_and(|known| !known.is_hashable())
            {
                return Err(ErrorKind::Hash);
            }
            if part(document, id, 0).is_none() {
                // Only being the same object makes these equal, so the id tells them apart.
                return Ok(Some(fold(id.index() as u64 ^ K1, K0)));
            }
            fold(seed ^ K0, K1)
        }
        Kind::Constant | Kind::Small | Kind::Int | Kind::Float => {
            return Ok(Some(match number(document, id) {
                Some(Number::Int(value)) => fold(value as u64 ^ seed ^ K1, K0),
                Some(Number::Big(bytes)) => hash_bytes(&bytes, seed.rotate_left(7)),
                // A NaN equals nothing but itself.
                Some(Number::Float(bits)) if f64::from_bits(bits).is_nan() => {
                    fold(id.index() as u64 ^ seed.rotate_left(9), K1)
                }
                Some(Number::Float(bits)) => fold(bits ^ seed, K1),
                None => fold(seed, u64::from(id == NodeId::NONE) + 2),
            }));
        }
    };
    if let Some(hash) = work.remembered_hash(id) {
        return Ok(Some(hash));
    }
    open.push(Open { id, next: 0, hash: start, left });
    Ok(None)
}

/// Whether two hashable nodes are equal as Python compares them.
#[inline]
pub(crate) fn equal(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    seed: u64,
    work: &mut Work,
) -> Result<bool, ErrorKind> {
    if left == right {
        return Ok(true);
    }
    if left.kind() == Kind::Str && right.kind() == Kind::Str {
        let left_text = document.strs.get(left.index()).copied().unwrap_or_default();
        let right_text = document.strs.get(right.index()).copied().unwrap_or_default();
        if left_text.len() != right_text.len() {
            return Ok(false);
        }
        if left_text.len() < HEAVY {
            work.charge(left_text.len())?;
            return Ok(left_text == right_text);
        }
    }
    if left.is_container() && right.is_container() {
        return equal_parts(document, (left, right), seed, work, 0);
    }
    compare(document, left, right, work, &mut Vec::new())
}

/// Compares part by part. Nodes whose comparison takes long are joined, so that no two are compared
/// again, however often they stand in what is compared.
fn equal_parts(
    document: &Document<'_>,
    pair: (NodeId, NodeId),
    seed: u64,
    work: &mut Work,
    sets: u32,
) -> Result<bool, ErrorKind> {
    let mut open = alloc::vec![pair];
    let mut before = work.left;
    while let Some((left, right)) = open.pop() {
        if left == right {
            continue;
        }
        if left.is_container() && right.is_container() {
            if work.are_joined(left, right) {
                work.charge(16)?;
                continue;
            }
            // One pair in so many, and each that is long by itself.
            if before - work.left >= HEAVY || document.items(left).len() * 16 >= HEAVY {
                before = work.left;
                work.join(left, right);
            }
        }
        let same = match (left.kind(), right.kind()) {
            (Kind::FrozenSet, Kind::FrozenSet) => {
                pair_members(document, left, right, seed, work, sets, &mut open)?
            }
            _ => compare(document, left, right, work, &mut open)?,
        };
        if !same {
            // What was joined on the way may not be equal.
            work.part();
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares two nodes and pushes those parts of them that have to be equal.
fn compare(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    work: &mut Work,
    open: &mut Vec<(NodeId, NodeId)>,
) -> Result<bool, ErrorKind> {
    work.charge(16)?;
    Ok(match (left.kind(), right.kind()) {
        (Kind::Str | Kind::Text, Kind::Str | Kind::Text)
        | (Kind::Bytes | Kind::Blob, Kind::Bytes | Kind::Blob)
        | (Kind::Big, Kind::Big) => {
            let (left_bytes, right_bytes) = (bytes_of(document, left), bytes_of(document, right));
            if left_bytes.len() != right_bytes.len() {
                return Ok(false);
            }
            if left_bytes.len() < HEAVY {
                work.charge(left_bytes.len())?;
                return Ok(left_bytes == right_bytes);
            }
            if work.are_joined(left, right) {
                return Ok(true);
            }
            work.charge(left_bytes.len())?;
            let same = left_bytes == right_bytes;
            if same {
                work.join(left, right);
            }
            same
        }
        (Kind::Tuple, Kind::Tuple) => {
            let (left, right) = (document.items(left), document.items(right));
            if left.len() == right.len() {
                open.extend(left.iter().copied().zip(right.iter().copied()));
            }
            left.len() == right.len()
        }
        // Their members are paired when they are taken from the open ones.
        (Kind::FrozenSet, Kind::FrozenSet) => {
            open.push((left, right));
            true
        }
        (Kind::Object, Kind::Object) => {
            match (document.objects.get(left.index()), document.objects.get(right.index())) {
                (Some(ObjectRepr::Instance(left)), Some(ObjectRepr::Instance(right))) => {
                    let parts = |instance| known::equality_parts(document, instance);
                    match (parts(left), parts(right)) {
                        (Some(left_parts), Some(right_parts)) => {
                            open.push((left_parts, right_parts));
                            open.push((left.class, right.class));
                            left.known == right.known
                        }
                        // Objects whose class is unknown are equal only to themselves, as in
                        // Python where the class does not say otherwise.
                        _ => false,
                    }
                }
                (
                    Some(ObjectRepr::Global { module, name, .. }),
                    Some(ObjectRepr::Global { module: other_module, name: other_name, .. }),
                ) => {
                    open.push((*module, *other_module));
                    open.push((*name, *other_name));
                    true
                }
                _ => false,
            }
        }
        _ => match (number(document, left), number(document, right)) {
            // Two NaNs are equal only if they are one object.
            (Some(Number::Float(bits)), Some(Number::Float(other))) => {
                bits == other && !f64::from_bits(bits).is_nan()
            }
            (Some(left), Some(right)) => left == right,
            _ => false,
        },
    })
}

/// Pairs the members of two frozensets by their hashes and pushes the pairs.
fn pair_members(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    seed: u64,
    work: &mut Work,
    sets: u32,
    open: &mut Vec<(NodeId, NodeId)>,
) -> Result<bool, ErrorKind> {
    let len = document.items(left).len();
    if document.items(right).len() != len {
        return Ok(false);
    }
    let mut sorted = |id| {
        let mut members = Vec::with_capacity(len);
        for &member in document.items(id) {
            members.push((hash(document, member, seed, work)?, member));
        }
        members.sort_unstable();
        Ok(members)
    };
    let (left, right) = (sorted(left)?, sorted(right)?);
    let mut start = 0;
    while let Some(&(hash, member)) = left.get(start) {
        let group = left.get(start..).unwrap_or_default().iter().take_while(|other| other.0 == hash).count();
        let others = right.get(start..start + group).unwrap_or_default();
        if others.iter().any(|other| other.0 != hash) {
            return Ok(false);
        }
        if let &[(_, other)] = others {
            open.push((member, other));
        } else {
            // Hashes that fell together by chance: each has to equal one of the others.
            if sets >= MAX_FROZENSET_DEPTH {
                return Err(ErrorKind::Depth);
            }
            for &(_, member) in left.get(start..start + group).unwrap_or_default() {
                let mut found = false;
                for &(_, other) in others {
                    found = found || equal_parts(document, (member, other), seed, work, sets + 1)?;
                }
                if !found {
                    return Ok(false);
                }
            }
        }
        start += group;
    }
    Ok(true)
}

/// An open-addressing table from hash to place, for containers with more than a few keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyIndex {
    /// Hash and place + 1; 0 is free. The length is a power of two, at most half of it is used.
    slots: Vec<(u32, u32)>,
    used: usize,
}

/// A probe this long does not happen by chance in a table that is half full.
const MAX_PROBES: usize = 256;

impl KeyIndex {
    /// Empties the table. It starts small, whatever the batch, because a batch may repeat one key.
    pub(crate) fn reset(&mut self, keys: usize) {
        self.slots.clear();
        self.slots.resize(Self::first_len(keys), (0, 0));
        self.used = 0;
    }

    fn first_len(keys: usize) -> usize {
        (keys.min(128) * 2).next_power_of_two().max(32)
    }

    /// Bytes that [`reset`](Self::reset) may add.
    pub(crate) fn first_bytes(keys: usize) -> usize {
        Self::first_len(keys) * size_of::<(u32, u32)>()
    }

    /// How many keys it holds.
    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    /// How many more keys it takes before it has to be doubled.
    #[inline]
    pub(crate) const fn room(&self) -> usize {
        (self.slots.len() / 2).saturating_sub(self.used)
    }

    /// Bytes that the table holds.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32)>()
    }

    /// The place of an equal key, or `None` after storing `place` for this one, for which there is room.
    #[inline]
    pub(crate) fn find_or_insert(
        &mut self,
        hash: u64,
        place: u32,
        mut is_equal: impl FnMut(u32) -> Result<bool, ErrorKind>,
    ) -> Result<Option<u32>, ErrorKind> {
        let short = (hash >> 32) as u32;
        let mask = self.slots.len() - 1;
        let mut slot = short as usize & mask;
        for _ in 0..MAX_PROBES {
            let Some(entry) = self.slots.get_mut(slot) else { break };
            if entry.1 == 0 {
                *entry = (short, place + 1);
                self.used += 1;
                return Ok(None);
            }
            if entry.0 == short && is_equal(entry.1 - 1)? {
                return Ok(Some(entry.1 - 1));
            }
            slot = (slot + 1) & mask;
        }
        Err(ErrorKind::Budget)
    }

    /// Makes the table twice as large; for a moment both are there.
    #[cold]
    pub(crate) fn double(&mut self) {
        let mut larger = alloc::vec![(0, 0); self.slots.len() * 2];
        let mask = larger.len() - 1;
        for &(short, place) in self.slots.iter().filter(|entry| entry.1 != 0) {
            let mut slot = short as usize & mask;
            while let Some(entry) = larger.get_mut(slot) {
                if entry.1 == 0 {
                    *entry = (short, place);
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
        self.slots = larger;
    }
}
