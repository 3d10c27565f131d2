//! Which nodes of a document are met more than once.

use alloc::vec::Vec;

use crate::document::Document;
use crate::document::ObjectRepr;
use crate::document::{Kind, NodeId};

/// Where each kind of node that can be memoized has its places in one flat table.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    starts: [usize; 16],
    pub(super) len: usize,
}

impl Slots {
    pub(super) fn of(document: &Document<'_>) -> Self {
        let tables = [
            (Kind::Str, document.strs.len()),
            (Kind::Text, document.texts.len()),
            (Kind::Bytes, document.bytes.len()),
            (Kind::Blob, document.blobs.len()),
            (Kind::ByteArray, document.bytearrays.len()),
            (Kind::List, document.lists.len()),
            (Kind::Tuple, document.tuples.len()),
            (Kind::Dict, document.dicts.len()),
            (Kind::Set, document.sets.len()),
            (Kind::FrozenSet, document.frozensets.len()),
            (Kind::Object, document.objects.len()),
        ];
        let mut slots = Self { starts: [usize::MAX; 16], len: 0 };
        for (kind, len) in tables {
            slots.starts[kind as usize] = slots.len;
            slots.len += len;
        }
        slots
    }

    /// The place of a node; `usize::MAX` for those that are never memoized.
    #[inline]
    pub(super) fn of_node(&self, id: NodeId) -> usize {
        self.starts[id.kind() as usize].saturating_add(id.index())
    }
}

/// Which nodes are met more than once.
pub(super) struct Wanted {
    /// By slot: how often a node is met, and whether it is an ancestor of the one at hand.
    visits: Vec<u8>,
    /// Something that gets into the memo after its parts only contains itself. It is written
    /// again inside, until something on the way comes from the memo; so all containers go there.
    late_cycle: bool,
}

impl Wanted {
    const OPEN: u8 = 1 << 7;

    pub(super) fn count(document: &Document<'_>, slots: &Slots) -> Self {
        let mut wanted = Self { visits: alloc::vec![0; slots.len], late_cycle: false };
        let mut open = alloc::vec![(document.root.0, false)];
        while let Some((id, left)) = open.pop() {
            let Some(visits) = wanted.visits.get_mut(slots.of_node(id)) else { continue };
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
                if let Some(ObjectRepr::PersistentId { value, .. }) = document.objects.get(id.index())
                    && id.kind() == Kind::Object
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
            match document.objects.get(id.index()) {
                Some(ObjectRepr::Instance(instance)) if id.kind() == Kind::Object => {
                    add(&[instance.class, instance.args, instance.kwargs, instance.state]);
                    add(document.items(instance.items));
                    add(document.items(instance.pairs));
                }
                Some(ObjectRepr::Global { module, name, .. }) if id.kind() == Kind::Object => {
                    add(&[*module, *name]);
                }
                Some(ObjectRepr::PersistentId { value, .. }) if id.kind() == Kind::Object => add(&[*value]),
                _ => add(document.items(id)),
            }
        }
        wanted
    }

    pub(super) fn has(&self, id: NodeId, slot: usize) -> bool {
        (self.late_cycle && id.is_container())
            || self.visits.get(slot).is_some_and(|visits| visits & !Self::OPEN > 1)
    }
}
