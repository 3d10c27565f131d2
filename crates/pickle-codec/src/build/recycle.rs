//! Hands the memory of one document to the next, which borrows from another input.
//!
//! A decoder that is used again allocates nothing once its tables are large enough. The tables of the last
//! document have its lifetime in their types, though, and must hold nothing of it. Those without references
//! are cleared; those with references are emptied and collected into a table of the new lifetime, which the
//! standard library does in place, without `unsafe` here.

use alloc::vec::Vec;

use crate::document::lookup::Lookups;
use crate::document::{Document, Root};

/// An empty vector with the memory of another one whose items have the same layout.
fn emptied<T, U>(mut table: Vec<T>) -> Vec<U> {
    table.clear();
    // Collecting a vector's own iterator reuses its allocation; no item is left to convert.
    table.into_iter().filter_map(|_| None).collect()
}

/// An empty document with the tables of another one.
pub(crate) fn recycle<'a>(old: Document<'_>) -> Document<'a> {
    let Document {
        mut pool,
        mut ints,
        bigs,
        mut floats,
        strs,
        texts,
        bytes,
        mut blobs,
        bytearrays,
        mut lists,
        mut tuples,
        mut dicts,
        mut sets,
        mut frozensets,
        mut objects,
        mut owned_text,
        mut owned_bytes,
        root: _,
        input_len: _,
        limits,
        lookups: _,
    } = old;
    pool.clear();
    ints.clear();
    floats.clear();
    blobs.clear();
    lists.clear();
    tuples.clear();
    dicts.clear();
    sets.clear();
    frozensets.clear();
    objects.clear();
    owned_text.clear();
    owned_bytes.clear();
    Document {
        root: Root::default(),
        pool,
        ints,
        bigs: emptied(bigs),
        floats,
        strs: emptied(strs),
        texts: emptied(texts),
        bytes: emptied(bytes),
        blobs,
        bytearrays: emptied(bytearrays),
        lists,
        tuples,
        dicts,
        sets,
        frozensets,
        objects,
        owned_text,
        owned_bytes,
        input_len: 0,
        limits,
        lookups: Lookups::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_kept() {
        let mut table: Vec<&str> = Vec::with_capacity(100);
        table.push("a");
        let place = table.as_ptr().addr();
        let emptied: Vec<&[u8]> = emptied(table);
        assert_eq!(emptied.capacity(), 100);
        assert_eq!(emptied.as_ptr().addr(), place);
    }
}
