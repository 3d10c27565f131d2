//! Hashes of keys, the same for keys that are equal.
//!
//! What a hash has to be: the same for `1`, `1.0` and `True`; the same for a frozenset in any order; different under
//! another seed for all that a sender can choose. The last is why each kind mixes the seed in by itself: a text, a
//! number and a tuple of one can be equal in bits and must not fall together in one slot for every seed.

use alloc::vec::Vec;

use super::number::{Number, number};
use super::work::KeyWork;
use super::{HEAVY, MAX_FROZENSET_DEPTH, bytes_of};
use crate::document::Document;
use crate::document::ObjectRepr;
use crate::document::hash::{K0, K1, fold, hash_bytes};
use crate::document::{Kind, NodeId};
use crate::known;
use crate::wire::error::ErrorKind;

/// The hash of a key, or `Hash` if it is unhashable.
#[inline(always)]
pub(crate) fn hash(
    document: &Document<'_>,
    id: NodeId,
    seed: u64,
    work: &mut KeyWork,
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
struct OpenKey {
    id: NodeId,
    next: u32,
    hash: u64,
    /// What was left of the work before it, without the work on parts that were remembered.
    left: usize,
}

/// The hash of a key of any kind, without recursion: the parts of a tuple, frozenset or object are hashed one
/// by one, and what is open waits on a stack.
///
/// The cost of a part is what it took of the work. A part that cost [`HEAVY`] or more is remembered, and its
/// parent counts only what it cost beside that, so that one entry is made for every so many bytes of work and
/// not one for each level of nesting.
fn hash_slow(document: &Document<'_>, id: NodeId, seed: u64, work: &mut KeyWork) -> Result<u64, ErrorKind> {
    let mut open: Vec<OpenKey> = Vec::new();
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
                // More open ones than there are: one of them holds itself.
                let most = [Kind::Tuple, Kind::FrozenSet, Kind::Object]
                    .map(|kind| document.table_len(kind))
                    .iter()
                    .sum();
                if open.len() > most {
                    return Err(ErrorKind::Recursive);
                }
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
    match document.object(id) {
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
    work: &mut KeyWork,
    open: &mut Vec<OpenKey>,
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
            if document.instance(id).is_some_and(|made| made.known.is_some_and(|known| !known.is_hashable()))
            {
                return Err(ErrorKind::Hash);
            }
            if part(document, id, 0).is_none() {
                // Only being the same object makes these equal, so the id tells them apart.
                return Ok(Some(fold(id.index() as u64 ^ seed ^ K1, K0)));
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
    open.push(OpenKey { id, next: 0, hash: start, left });
    Ok(None)
}
