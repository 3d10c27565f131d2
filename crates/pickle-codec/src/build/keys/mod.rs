//! Dict keys and set members: hashability, hashes, and Python's equality.
//!
//! Time is linear in the input: every byte that is hashed or compared is charged to a budget of
//! work, hashing is seeded, and a table whose probes grow long gives up with `budget`.

mod equality;
mod hash;
mod number;
mod work;

use crate::document::Document;
use crate::document::{Kind, NodeId};

pub(crate) use equality::equal;
pub(crate) use hash::hash;
pub(crate) use work::Work;

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
