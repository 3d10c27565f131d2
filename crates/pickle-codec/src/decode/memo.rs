//! The memo: what PUT stored, by index. An index is a key, never a size.
//!
//! CPython's unpickler grows an array to the index that PUT names, so that `r\xff\xff\xff\x7f` once took gigabytes
//! (CVE-2018-20406). Here there are two parts. Picklers count their indexes up from 0 (1 in Python 2's cPickle),
//! with small gaps where unused PUTs were dropped: those are dense. Any index that is far beyond the dense part
//! goes into a map, whose entry is charged.
//!
//! An index that was never stored is `ABSENT` in the dense part and missing in the sparse one. Once there is a sparse
//! part, new indexes go there too, so that none is ever in both.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::build::meter::Meter;
use crate::document::NodeId;
use crate::wire::error::ErrorKind;

/// A gap this wide is filled in the dense part; picklers leave gaps when unused PUTs are dropped.
const MAX_GAP: usize = 16;

/// Indexes below this always go to the dense part: BINPUT can name no others.
const ALWAYS_DENSE: usize = 256;

/// A bookkeeping allowance for one entry of the sparse part.
const SPARSE_ENTRY: usize = 48;

#[derive(Debug, Default)]
pub(crate) struct DecodeMemo {
    dense: Vec<NodeId>,
    sparse: BTreeMap<u64, NodeId>,
    entries: usize,
}

impl DecodeMemo {
    /// Empties the memo but keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.dense.clear();
        self.sparse.clear();
        self.entries = 0;
    }

    /// The memory that is kept.
    pub(crate) const fn bytes(&self) -> usize {
        self.dense.capacity() * size_of::<NodeId>()
    }

    /// What MEMOIZE uses as index: the number of entries, as `Modules/_pickle.c` has it.
    #[inline]
    pub(crate) const fn entries(&self) -> usize {
        self.entries
    }

    #[inline]
    pub(crate) fn get(&self, index: u64) -> Option<NodeId> {
        let dense = usize::try_from(index).ok().and_then(|index| self.dense.get(index)).copied();
        match dense {
            Some(id) if id != NodeId::ABSENT => Some(id),
            Some(_) => None,
            None => self.sparse.get(&index).copied(),
        }
    }

    /// Stores a node; the last one stored at an index wins.
    #[inline]
    pub(crate) fn put(&mut self, index: u64, id: NodeId, meter: &mut Meter) -> Result<(), ErrorKind> {
        if let Ok(place) = usize::try_from(index) {
            if place == self.dense.len() && self.sparse.is_empty() {
                self.entries += 1;
                return meter.push(&mut self.dense, id);
            }
            if let Some(slot) = self.dense.get_mut(place) {
                self.entries += usize::from(*slot == NodeId::ABSENT);
                *slot = id;
                return Ok(());
            }
        }
        self.put_far(index, id, meter)
    }

    /// Stores a node where it is the next one and there is room for it; tells whether it is done.
    #[inline]
    pub(crate) fn put_next(&mut self, index: usize, id: NodeId) -> bool {
        let len = self.dense.len();
        let next = index == len && len < self.dense.capacity() && self.sparse.is_empty();
        if next {
            self.dense.push(id);
            self.entries += 1;
        }
        next
    }

    #[cold]
    fn put_far(&mut self, index: u64, id: NodeId, meter: &mut Meter) -> Result<(), ErrorKind> {
        let near = usize::try_from(index)
            .ok()
            .filter(|&place| place < ALWAYS_DENSE || place.saturating_sub(self.dense.len()) <= MAX_GAP);
        if let Some(place) = near
            && self.sparse.is_empty()
        {
            let more = place + 1 - self.dense.len();
            meter.reserve(&mut self.dense, more)?;
            self.dense.resize(place, NodeId::ABSENT);
            self.dense.push(id);
            self.entries += 1;
            return Ok(());
        }
        if self.sparse.insert(index, id).is_none() {
            meter.charge(SPARSE_ENTRY)?;
            self.entries += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_a_key_and_not_a_size() {
        let mut meter = Meter::new(64 << 10, 0);
        let mut memo = DecodeMemo::default();
        for index in [1, 0, 40, u64::from(u32::MAX), 300, 3, 40] {
            memo.put(index, NodeId::TRUE, &mut meter).unwrap();
        }
        assert_eq!(memo.entries(), 6);
        assert_eq!(memo.get(300), Some(NodeId::TRUE));
        assert_eq!(memo.get(u64::from(u32::MAX)), Some(NodeId::TRUE));
        assert_eq!(memo.get(2), None);
        assert_eq!(memo.get(301), None);
    }
}
