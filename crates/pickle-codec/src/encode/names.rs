//! Memo entries of the names that a Rust type has for its fields and variants.
//!
//! They are what Python has as the names of attributes, and of those it has one object for each spelling
//! (`PyUnicode_InternInPlace` in `Objects/object.c`). So a name is written once, and a GET after that, as in
//! CPython's pickle of many instances of a class. Which names there are is up to the program, not to an input.

use alloc::vec;
use alloc::vec::Vec;

/// The memo index of each name that has been written: a table with open addressing, a power of two of slots, at
/// most half of them taken, made when the first name is written.
#[derive(Debug, Default)]
pub(crate) struct Names {
    slots: Vec<Slot>,
    len: usize,
}

type Slot = Option<(&'static str, u32)>;

const FIRST_SLOTS: usize = 16;

impl Names {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.len > 0 {
            self.slots.fill(None);
            self.len = 0;
        }
    }

    #[inline]
    pub(crate) fn get(&self, name: &'static str) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash(name);
        loop {
            let (known, index) = (*self.slots.get(at & mask)?)?;
            // Nearly always it is the same constant of the program.
            if core::ptr::eq(known, name) || known == name {
                return Some(index);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Adds a name that is not in the table.
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

/// Mixes the length and the last eight bytes, by which the names of one type nearly always differ.
#[inline]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "any bits of the product do")]
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let word = if let Some(tail) = bytes.last_chunk::<8>() {
        u64::from_le_bytes(*tail)
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail))
    } else {
        bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    ((word ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::format;

    use super::*;

    #[test]
    fn names_are_told_apart_by_their_text() {
        let mut names = Names::new();
        for index in 0..1_000 {
            let name: &'static str = Box::leak(format!("{index}").into_boxed_str());
            assert_eq!(names.get(name), None, "{name}");
            names.insert(name, index);
        }
        // The same text is the same name, wherever it stands.
        for index in 0..1_000 {
            assert_eq!(names.get(Box::leak(format!("{index}").into_boxed_str())), Some(index));
        }
        names.clear();
        assert_eq!(names.get("7"), None);
    }
}
