//! The budget of work on keys, and what is remembered of that work.
//!
//! What is remembered takes memory, which is charged to the [`Meter`] of the decode. The meter belongs to the
//! builder and cannot be borrowed while keys are compared, so that [`KeyWork::open`] takes note of how many entries
//! there is room for, and [`KeyWork::settle`] pays for those that were made. Without room nothing is remembered:
//! the work is then done again, and charged again.
//!
//! The budget is that of the expansion: 64 MiB or 64 x the input, in bytes looked at, and 16 for each step that looks at
//! none. A pickle whose keys differ looks at each about once.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use crate::build::meter::Meter;
use crate::document::NodeId;
use crate::wire::error::ErrorKind;

/// What is left of the work that one decode may spend on keys, in bytes looked at, and what is
/// remembered of it.
#[derive(Debug)]
pub(crate) struct KeyWork {
    pub(super) left: usize,
    /// How many more entries may be remembered.
    room: usize,
    /// Most inputs have no key that is worth it.
    memory: Option<Box<Remembered>>,
}

/// The hash of whatever took long to hash, and which nodes were found equal.
#[derive(Debug, Default)]
struct Remembered {
    hashes: BTreeMap<NodeId, u64>,
    /// Leads from a node to an equal one, and from that on, if at all.
    same: BTreeMap<NodeId, NodeId>,
    /// Entries that nobody has paid for.
    unpaid: usize,
}

/// A bookkeeping allowance for one entry of the maps.
const ENTRY: usize = 48;

impl KeyWork {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { left: limit, room: 0, memory: None }
    }

    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ErrorKind::Budget),
        }
    }

    /// Finds out how much may be remembered.
    #[inline]
    pub(crate) fn open(&mut self, meter: &Meter) {
        self.room = meter.left() / ENTRY;
    }

    /// Pays for what was remembered.
    #[inline]
    pub(crate) fn settle(&mut self, meter: &mut Meter) -> Result<(), ErrorKind> {
        match &mut self.memory {
            Some(memory) if memory.unpaid > 0 => {
                meter.charge(core::mem::take(&mut memory.unpaid) * ENTRY)?;
                self.open(meter);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The memory, if there is room for one more entry, which counts as taken.
    fn take_room(&mut self) -> Option<&mut Remembered> {
        self.room = self.room.checked_sub(1)?;
        let memory = self.memory.get_or_insert_default();
        memory.unpaid += 1;
        Some(memory)
    }

    pub(super) fn remember_hash(&mut self, id: NodeId, hash: u64) {
        if let Some(memory) = self.take_room() {
            memory.hashes.insert(id, hash);
        }
    }

    #[inline]
    pub(super) fn remembered_hash(&self, id: NodeId) -> Option<u64> {
        self.memory.as_ref()?.hashes.get(&id).copied()
    }

    /// Whether two nodes were found equal, or are equal if what is being compared is.
    pub(super) fn are_joined(&mut self, left: NodeId, right: NodeId) -> bool {
        match &mut self.memory {
            Some(memory) if !memory.same.is_empty() => memory.leader(left) == memory.leader(right),
            _ => false,
        }
    }

    /// Takes two nodes as equal from now on.
    pub(super) fn join(&mut self, left: NodeId, right: NodeId) {
        let (left, right) = match &mut self.memory {
            Some(memory) => (memory.leader(left), memory.leader(right)),
            None => (left, right),
        };
        if left != right
            && let Some(memory) = self.take_room()
        {
            memory.same.insert(left, right);
        }
    }

    /// Forgets which nodes were taken as equal.
    pub(super) fn part(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.same.clear();
        }
    }
}

impl Remembered {
    /// The node that stands for all that were found equal to this one.
    fn leader(&mut self, id: NodeId) -> NodeId {
        let mut leader = id;
        while let Some(&next) = self.same.get(&leader) {
            leader = next;
        }
        // Whoever was passed on the way leads straight there from now on.
        let mut id = id;
        while let Some(next) = self.same.get_mut(&id).filter(|next| **next != leader) {
            id = core::mem::replace(next, leader);
        }
        leader
    }
}
