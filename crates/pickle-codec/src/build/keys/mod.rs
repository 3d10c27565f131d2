//! Dict keys and set members: hashability, hashes, and Python's equality.
//!
//! # What has to be true
//!
//! A dict keeps the first of equal keys and the last of their values, so that the decoder has to find equal
//! keys as Python does: `1 == 1.0 == True`, `"a" != b"a"`, tuples part by part, frozensets whatever their
//! order, known objects by what makes them equal in Python, and any other object only by being the same one.
//! Where Python would raise "unhashable type", the kind of the error is `hash`.
//!
//! Keys come from a sender, and keys can be shared, nested and large. Time stays linear in the input by four
//! measures, each against one attack:
//!
//! | attack | measure |
//! |---|---|
//! | keys whose hashes collide | the hash is seeded, and a table whose probes pass 256 gives up with `budget` |
//! | one long key a thousand times (`h\0` costs two bytes) | what costs [`HEAVY`] to look at has its hash remembered |
//! | two long equal keys compared a thousand times | nodes found equal are joined in a union-find, and never compared again |
//! | whatever else repeats work | every byte looked at is charged to [`KeyWork`], 64 MiB or 64 x the input |
//!
//! # Hash
//!
//! [`hash()`] walks a key with a stack of its own. A tuple folds the hashes of its parts in order, a frozenset
//! adds them up and mixes the sum, so that their order does not matter. A number is hashed by its value: an
//! `i64` if it is one, be it int, bool or float, else the bytes of the integer that it is, else the bits of
//! the float.
//!
//! # Equality
//!
//! [`equal()`] keeps pairs that still have to be equal on a stack. Two frozensets are sorted by the hashes of
//! their members and paired; only where several hashes fall together is each tried with each other, which is
//! the one place that recurses and has a depth limit. While pairs are open, the nodes in them are joined on
//! trial; if a difference turns up, what was joined is forgotten.

mod equality;
mod hash;
mod number;
mod work;

use crate::document::Document;
use crate::document::{Kind, NodeId};

pub(crate) use equality::equal;
pub(crate) use hash::hash;
pub(crate) use number::{Number, float_number};
pub(crate) use work::KeyWork;

/// What costs this much to look at is remembered, so that it may be a key again and again.
const HEAVY: usize = 512;

/// Frozensets inside frozensets that are keys: deeper ones are refused, because only these recurse.
const MAX_FROZENSET_DEPTH: u32 = 16;

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
