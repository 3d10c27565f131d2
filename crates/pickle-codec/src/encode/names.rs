//! Memo entries of the names that a Rust type has for its fields and variants.
//!
//! They are what Python has as the names of attributes, and of those it has one object for each spelling
//! (`PyUnicode_InternInPlace` in `Objects/object.c`). So a name is written once, and a GET after that, as in
//! CPython's pickle of many instances of a class. Which names there are is up to the program, not to an input.

use alloc::vec;
use alloc::vec::Vec;

/// The memo index of each name that has been written, by its address: a table with open addressing, a power of two
/// of slots, at most half of them taken, made when the first name is written. A name that the program has at two
/// addresses is found by its text the first time, so that the pickle does not depend on how it was linked.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    slots: Vec<Option<(&'static str, u32)>>,
    len: usize,
}

const FIRST_SLOTS: usize = 16;

impl Identifiers {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    /// Forgets all names but keeps the table; most pickles have none.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.len > 0 {
            self.slots.fill(None);
            self.len = 0;
        }
    }

    /// The memo index of a name at this address.
    #[inline]
    pub(crate) fn get(&self, name: &'static str) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash(name);
        loop {
            let (known, index) = (*self.slots.get(at & mask)?)?;
            if core::ptr::eq(known, name) {
                return Some(index);
            }
            at = at.wrapping_add(1);
        }
    }

    /// The memo index of the same text at another address, which is known by this one as well from now on.
    pub(crate) fn adopt(&mut self, name: &'static str) -> Option<u32> {
        let (_, index) = *self.slots.iter().flatten().find(|(known, _)| *known == name)?;
        self.insert(name, index);
        Some(index)
    }

    /// Adds a name whose address is not in the table.
    pub(crate) fn insert(&mut self, name: &'static str, index: u32) {
        if self.len * 2 >= self.slots.len() {
            let slots = vec![None; (self.slots.len() * 2).max(FIRST_SLOTS)];
            for (name, index) in core::mem::replace(&mut self.slots, slots).into_iter().flatten() {
                self.place(name, index);
            }
        }
        self.place(name, index);
        self.len += 1;
    }

    /// Puts a name into the first free slot from its own on; at least half of them are free.
    fn place(&mut self, name: &'static str, index: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash(name);
        while let Some(slot) = self.slots.get_mut(at & mask) {
            if slot.is_none() {
                *slot = Some((name, index));
                return;
            }
            at = at.wrapping_add(1);
        }
    }
}

/// Constants of a program stand close together, so the product takes all bits of the address into account.
#[inline]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "any bits of the product do")]
fn hash(name: &'static str) -> usize {
    ((name.as_ptr().addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::format;

    use super::*;

    #[test]
    fn names_are_told_apart_by_their_text() {
        let leak = |index: u32| -> &'static str { Box::leak(format!("name {index}").into_boxed_str()) };
        let mut names = Identifiers::new();
        let first: [&'static str; 300] = core::array::from_fn(|index| leak(index as u32));
        for (name, index) in first.into_iter().zip(0..) {
            assert_eq!((names.get(name), names.adopt(name)), (None, None), "{name}");
            names.insert(name, index);
        }
        for (name, index) in first.into_iter().zip(0..) {
            assert_eq!(names.get(name), Some(index));
            let other = leak(index);
            assert_eq!((names.get(other), names.adopt(other)), (None, Some(index)));
            assert_eq!(names.get(other), Some(index));
            // What begins at the same address is another name.
            assert_eq!(names.get(&name[..4]), None);
        }
        names.clear();
        assert_eq!(names.get(first[7]), None);
    }
}
