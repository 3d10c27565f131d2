//! The table in which keys are found again.
//!
//! A dict of a decode and a look-up of a text key both use it, with the hash and the equality that fit.

use alloc::vec::Vec;

use crate::wire::error::ErrorKind;

/// An open-addressing table from hash to place, for containers with more than a few keys.
///
/// It does not hold the keys, only where they are: 8 bytes a slot, at most half of which are used. A probe
/// compares 32 bits of the hash first, so that a key is looked at only if it is most likely the one, and looks
/// at neighbouring slots in turn, which lie in one cache line.
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

    /// An empty table with room for so many keys.
    pub(crate) fn with_room(keys: usize) -> Self {
        Self { slots: alloc::vec![(0, 0); keys.saturating_mul(2).next_power_of_two().max(32)], used: 0 }
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

    /// Bytes of the table. Room behind it, which an earlier document may have left, does not count.
    pub(crate) const fn bytes(&self) -> usize {
        self.slots.len() * size_of::<(u32, u32)>()
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

    /// The place of an equal key.
    pub(crate) fn find(&self, hash: u64, mut is_equal: impl FnMut(u32) -> bool) -> Option<u32> {
        let short = (hash >> 32) as u32;
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = short as usize & mask;
        for _ in 0..MAX_PROBES {
            match *self.slots.get(slot)? {
                (_, 0) => return None,
                (found, place) if found == short && is_equal(place - 1) => return Some(place - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
        None
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
