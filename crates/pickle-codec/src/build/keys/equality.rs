//! Equality of keys, which is Python's.
//!
//! A key is compared only with one of the same hash, or with a few, so that the question is mostly answered by "yes".
//! The order of the checks is by cost: the same node, two short texts, everything else with a stack of open pairs.

use alloc::vec::Vec;

use super::hash::hash;
use super::number::{Number, number};
use super::work::KeyWork;
use super::{HEAVY, MAX_FROZENSET_DEPTH, bytes_of};
use crate::document::Document;
use crate::document::ObjectRepr;
use crate::document::{Kind, NodeId};
use crate::known;
use crate::wire::error::ErrorKind;

/// Whether two hashable nodes are equal as Python compares them.
#[inline]
pub(crate) fn equal(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    seed: u64,
    work: &mut KeyWork,
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
///
/// Two keys of n bytes can unfold to 2^n parts, because `h\0h\0\x86` doubles what it shares. A pair that is
/// already joined is not opened again, and a pair is joined at the latest after [`HEAVY`] units of work since
/// the last one; so the work is at most that of the pairs of nodes, times a constant. To join before the
/// comparison is done is sound as in any bisimulation: if the whole turns out equal, all that was assumed on
/// the way holds; if not, [`KeyWork::part`] forgets all of it.
fn equal_parts(
    document: &Document<'_>,
    pair: (NodeId, NodeId),
    seed: u64,
    work: &mut KeyWork,
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

/// Compares two nodes and pushes those parts of them that have to be equal. What is not pushed has been
/// compared here: an answer of `true` means "equal if what was pushed is".
fn compare(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    work: &mut KeyWork,
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
            match (document.object(left), document.object(right)) {
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
///
/// Equal members have equal hashes, so the sorted hashes of both sides have to be the same, and members whose
/// hash stands alone have one candidate. Members that share a hash by chance are tried with each other.
fn pair_members(
    document: &Document<'_>,
    left: NodeId,
    right: NodeId,
    seed: u64,
    work: &mut KeyWork,
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
