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
    let (mut document, borrowed) = old.split();
    document.pool.clear();
    document.ints.clear();
    document.floats.clear();
    document.blobs.clear();
    document.runs.iter_mut().for_each(Vec::clear);
    document.objects.clear();
    document.owned_text.clear();
    document.owned_bytes.clear();
    Document {
        root: Root::default(),
        bigs: emptied(borrowed.bigs),
        strs: emptied(borrowed.strs),
        texts: emptied(borrowed.texts),
        bytes: emptied(borrowed.bytes),
        bytearrays: emptied(borrowed.bytearrays),
        input_len: 0,
        lookups: Lookups::default(),
        ..document
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
