//! Which nodes of a document are met more than once, and so need a place in the memo of a lean pickle.
//!
//! One walk over the graph counts the visits of each node up to two. It has to meet exactly what the writing
//! walk meets: the names of a global, the value of a persistent id at every place where that stands (ids have
//! no place in the memo), but not the lists in which an object keeps its items and pairs, which are written as
//! part of the object.
//!
//! There is one case in which more is needed. What is complete only after its parts is written twice where it
//! holds itself, and that walk ends by a list or dict being fetched from the memo. Which of them it will be
//! depends on the way there. Such graphs are rare, and all their containers get a memo opcode.

use alloc::vec::Vec;

use crate::document::Document;
use crate::document::ObjectRepr;
use crate::document::walk::Layout;
use crate::document::{Kind, NodeId};

/// Which nodes are met more than once.
pub(super) struct Wanted {
    /// By slot: how often a node is met (0, 1, or 2 for more), and in the high bit whether it is an ancestor
    /// of the node at hand.
    visits: Vec<u8>,
    /// Something that is complete only after its parts contains itself.
    late_cycle: bool,
}

impl Wanted {
    const OPEN: u8 = 1 << 7;

    /// Walks over all that the root holds. A node is on the stack twice: to be entered, and below its parts to be left.
    pub(super) fn count(document: &Document<'_>, layout: &Layout) -> Self {
        let mut wanted = Self { visits: alloc::vec![0; layout.memo_slots()], late_cycle: false };
        let mut open = alloc::vec![(document.root.0, false)];
        while let Some((id, left)) = open.pop() {
            let Some(visits) = wanted.visits.get_mut(layout.memo_slot(id)) else { continue };
            if left {
                *visits &= !Self::OPEN;
                continue;
            }
            if *visits & Self::OPEN != 0 && !matches!(id.kind(), Kind::List | Kind::Dict) {
                wanted.late_cycle = true;
            }
            if *visits != 0 {
                let once = *visits & !Self::OPEN == 1;
                *visits = 2 | (*visits & Self::OPEN);
                // It has no place in the memo and is written at each place, so that its value is met again.
                if let Some(ObjectRepr::PersistentId { value, .. }) = document.object(id)
                    && once
                {
                    open.push((*value, false));
                }
                continue;
            }
            *visits = 1;
            if !id.is_container() {
                continue;
            }
            *visits |= Self::OPEN;
            open.push((id, true));
            let mut add = |ids: &[NodeId]| open.extend(ids.iter().map(|&id| (id, false)));
            match document.object(id) {
                Some(ObjectRepr::Instance(instance)) => {
                    add(&[instance.class, instance.args, instance.kwargs, instance.state]);
                    add(document.items(instance.items));
                    add(document.items(instance.pairs));
                }
                Some(ObjectRepr::Global { module, name, .. }) => {
                    add(&[*module, *name]);
                }
                Some(ObjectRepr::PersistentId { value, .. }) => add(&[*value]),
                _ => add(document.items(id)),
            }
        }
        wanted
    }

    /// Whether this node gets a memo opcode.
    pub(super) fn has(&self, id: NodeId, slot: usize) -> bool {
        (self.late_cycle && id.is_container())
            || self.visits.get(slot).is_some_and(|visits| visits & !Self::OPEN > 1)
    }
}
