//! Dict keys and set members: hashability, Python's equality, and an index that finds duplicates.
//!
//! Time is linear in the input: every byte that is hashed or compared is charged to a budget of
//! work, hashing is seeded, and a table whose probes grow long gives up with `budget`.

use alloc::vec::Vec;

use crate::document::Document;
use crate::error::ErrorKind;
use crate::id::{Kind, NodeId};
use crate::known;
use crate::object::ObjectRepr;

/// What is left of the work that one decode may spend on keys, in bytes looked at.
#[derive(Clone, Debug)]
pub(crate) struct Work(usize);

impl Work {
    pub(crate) const fn new(limit: usize) -> Self {
        Self(limit)
    }

    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(ErrorKind::Budget),
        }
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
enum Number {
    Int(i64),
    /// Minimal two's complement.
    Big(Vec<u8>),
    /// Bits of a float that is no integer.
    Float(u64),
}

fn number(document: &Document<'_>, id: NodeId) -> Option<Number> {
    match id.kind() {
        Kind::Constant => match id {
            NodeId::TRUE => Some(Number::Int(1)),
            NodeId::FALSE => Some(Number::Int(0)),
            _ => None,
        },
        Kind::Small => Some(Number::Int(id.small_value())),
        Kind::Int => document.ints.get(id.index()).map(|&value| Number::Int(value)),
        Kind::Big => document.bigs.get(id.index()).map(|&repr| Number::Big(document.bytes_of(repr).to_vec())),
        Kind::Float => document.floats.get(id.index()).map(|&value| float_number(value)),
        _ => None,
    }
}

fn float_number(value: f64) -> Number {
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
    Number::Big(whole.to_signed_bytes_le())
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
            work.charge(text.len())?;
            Ok(hash_bytes(text.as_bytes(), seed))
        }
        Kind::Small => Ok(fold(id.small_value() as u64 ^ seed ^ K1, K0)),
        _ => hash_slow(document, id, seed, work, 0),
    }
}

fn hash_slow(
    document: &Document<'_>,
    id: NodeId,
    seed: u64,
    work: &mut Work,
    sets: u32,
) -> Result<u64, ErrorKind> {
    let mut hash = seed;
    let mut open = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next {
        work.charge(16)?;
        let part = match id.kind() {
            Kind::Str | Kind::Text => {
                let text = document.text(id).map_or(&[][..], |text| text.as_bytes());
                work.charge(text.len())?;
                hash_bytes(text, seed)
            }
            Kind::Bytes | Kind::Blob => {
                let bytes = document.byte_string(id).unwrap_or_default();
                work.charge(bytes.len())?;
                hash_bytes(bytes, !seed)
            }
            Kind::Tuple => {
                let items = document.items(id);
                open.extend(items.iter().rev().copied());
                fold(items.len() as u64 ^ seed, K1)
            }
            Kind::FrozenSet => {
                if sets >= MAX_FROZENSET_DEPTH {
                    return Err(ErrorKind::Depth);
                }
                let mut sum = 0_u64;
                for &item in document.items(id) {
                    sum = sum.wrapping_add(hash_slow(document, item, seed, work, sets + 1)?);
                }
                fold(sum ^ K0, K1)
            }
            Kind::List | Kind::Dict | Kind::Set | Kind::ByteArray => return Err(ErrorKind::Hash),
            Kind::Object => push_object(document, id, &mut open)?,
            _ => match number(document, id) {
                Some(Number::Int(value)) => fold(value as u64 ^ seed ^ K1, K0),
                Some(Number::Big(bytes)) => {
                    work.charge(bytes.len())?;
                    hash_bytes(&bytes, seed.rotate_left(7))
                }
                Some(Number::Float(bits)) => fold(bits ^ seed, K1),
                None => fold(seed, u64::from(id == NodeId::NONE) + 2),
            },
        };
        // One key that is a single scalar must hash as the fast path does.
        hash = if next == Some(id) && open.is_empty() && hash == seed { part } else { fold(hash ^ part, K0) };
        next = open.pop();
    }
    Ok(hash)
}

/// Pushes what makes an object equal to another one of its class; gives what else goes into the hash.
fn push_object(document: &Document<'_>, id: NodeId, open: &mut Vec<NodeId>) -> Result<u64, ErrorKind> {
    match document.objects.get(id.index()) {
        Some(ObjectRepr::Instance(instance)) => {
            if instance.known.is_some_and(|known| !known.is_hashable()) {
                return Err(ErrorKind::Hash);
            }
            if let Some(parts) = known::equality_parts(document, instance) {
                open.push(parts);
                return Ok(K0);
            }
        }
        Some(ObjectRepr::Global { module, name, .. }) => {
            open.extend([*module, *name]);
            return Ok(K0);
        }
        _ => {}
    }
    // Only being the same object makes these equal, so the id tells them apart.
    Ok(fold(id.index() as u64 ^ K1, K0))
}

/// Whether two hashable nodes are equal as Python compares them.
#[inline]
pub(crate) fn equal(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    work: &mut Work,
) -> Result<bool, ErrorKind> {
    if left == right {
        return Ok(true);
    }
    if left.kind() == Kind::Str && right.kind() == Kind::Str {
        let left = document.strs.get(left.index()).copied().unwrap_or_default();
        let right = document.strs.get(right.index()).copied().unwrap_or_default();
        if left.len() != right.len() {
            return Ok(false);
        }
        work.charge(left.len())?;
        return Ok(left == right);
    }
    equal_slow(document, left, right, work, 0)
}

fn equal_slow(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    work: &mut Work,
    sets: u32,
) -> Result<bool, ErrorKind> {
    let mut open = Vec::new();
    open.push((left, right));
    while let Some((left, right)) = open.pop() {
        work.charge(16)?;
        if left == right {
            continue;
        }
        let same = match (left.kind(), right.kind()) {
            (Kind::Str | Kind::Text, Kind::Str | Kind::Text) => {
                let bytes = |id| document.text(id).map_or(&[][..], |text| text.as_bytes());
                work.charge(bytes(left).len().min(bytes(right).len()))?;
                bytes(left) == bytes(right)
            }
            (Kind::Bytes | Kind::Blob, Kind::Bytes | Kind::Blob) => {
                let bytes = |id| document.byte_string(id).unwrap_or_default();
                work.charge(bytes(left).len().min(bytes(right).len()))?;
                bytes(left) == bytes(right)
            }
            (Kind::Tuple, Kind::Tuple) => {
                let (left, right) = (document.items(left), document.items(right));
                open.extend(left.iter().copied().zip(right.iter().copied()));
                left.len() == right.len()
            }
            (Kind::FrozenSet, Kind::FrozenSet) => {
                let (left, right) = (document.items(left), document.items(right));
                left.len() == right.len() && is_subset(document, left, right, work, sets)?
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
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_subset(
    document: &Document<'_>,
    left: &[NodeId],
    right: &[NodeId],
    work: &mut Work,
    sets: u32,
) -> Result<bool, ErrorKind> {
    if sets >= MAX_FROZENSET_DEPTH {
        return Err(ErrorKind::Depth);
    }
    for &item in left {
        let mut found = false;
        for &other in right {
            if equal_slow(document, item, other, work, sets + 1)? {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
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
        self.slots.resize((keys.min(128) * 2).next_power_of_two().max(32), (0, 0));
        self.used = 0;
    }

    /// Bytes that the table holds.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32)>()
    }

    /// The place of an equal key, or `None` after storing `place` for this one.
    #[inline]
    pub(crate) fn find_or_insert(
        &mut self,
        hash: u64,
        place: u32,
        mut is_equal: impl FnMut(u32) -> Result<bool, ErrorKind>,
    ) -> Result<Option<u32>, ErrorKind> {
        if (self.used + 1) * 2 > self.slots.len() {
            self.double();
        }
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

    #[cold]
    fn double(&mut self) {
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
