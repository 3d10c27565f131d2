//! Walking the graph of a document without recursion: dense places for nodes, children, cycles.
//!
//! [`DepthFirst`] sees each node once, with a bit for each container and a stack of its own: depth, cycles and the hashes
//! of a comparison are found with it. Walks that write something out at each visit (printing, serde,
//! JSON) have another order and a budget, and are not here.

use alloc::vec::Vec;

use super::id::{KINDS, Kind, NodeId};
use super::node::NodeRef;
use super::tables::{Document, ObjectRepr, TextRepr};
use crate::wire::error::ErrorKind;

/// The part of a node at a place: items, or keys and values in turn, or an object's parts, of
/// which some may be `NodeId::ABSENT`.
#[inline]
pub(crate) fn child(document: &Document<'_>, id: NodeId, place: usize) -> Option<NodeId> {
    if id.kind() != Kind::Object {
        return document.items(id).get(place).copied();
    }
    match document.object(id)? {
        ObjectRepr::Global { module, name, .. } => [*module, *name].get(place).copied(),
        ObjectRepr::Instance(instance) => instance.children().get(place).copied(),
        ObjectRepr::PersistentId { value, .. } => [*value].get(place).copied(),
        ObjectRepr::Extension(_) | ObjectRepr::Buffer(..) => None,
    }
}

/// The ids of the module and the name of a global.
pub(crate) fn global_names(node: NodeRef<'_, '_>) -> [NodeId; 2] {
    node.document.global(node.id).map_or([NodeId::NONE; 2], |(names, _)| names)
}

/// Text with lone surrogates that stands in the input.
pub(crate) fn borrowed_wtf8<'a>(node: NodeRef<'_, 'a>) -> Option<&'a [u8]> {
    match node.document.texts.get(node.id.index()) {
        Some(TextRepr::Wtf8(bytes)) if node.id.kind() == Kind::Text => Some(bytes),
        _ => None,
    }
}

/// A dense number for every node that has a place in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    base: [usize; 16],
    len: usize,
}

impl Layout {
    pub(crate) const fn of(document: &Document<'_>) -> Self {
        let mut base = [0; 16];
        let mut len = 0;
        let mut kind = 0;
        while kind < 16 {
            base[kind] = len;
            len += document.table_len(KINDS[kind]);
            kind += 1;
        }
        Self { base, len }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The number of a node; `None` if its id holds the value itself.
    #[inline]
    #[allow(clippy::as_conversions, reason = "a kind is a number below 16")]
    pub(crate) fn place(&self, id: NodeId) -> Option<usize> {
        match id.kind() {
            Kind::Constant | Kind::Small => None,
            kind => self.base.get(kind as usize).map(|base| base + id.index()),
        }
    }

    /// As [`place`](Self::place), for containers and objects alone, counted from 0.
    #[inline]
    pub(crate) fn container(&self, id: NodeId) -> Option<usize> {
        if !id.is_container() {
            return None;
        }
        self.place(id).map(|place| place - self.base[Kind::List as usize])
    }

    pub(crate) const fn containers(&self) -> usize {
        self.len - self.base[Kind::List as usize]
    }

    /// As [`place`](Self::place), for what a pickle's memo can hold, counted from 0; `usize::MAX` for
    /// numbers and constants, which are written again at each place.
    #[inline]
    #[allow(clippy::as_conversions, reason = "a kind is a number below 16")]
    pub(crate) fn memo_slot(&self, id: NodeId) -> usize {
        let kind = id.kind() as usize;
        let first = Kind::Str as usize;
        match self.base.get(kind) {
            Some(base) if kind >= first => base - self.base[first] + id.index(),
            _ => usize::MAX,
        }
    }

    pub(crate) const fn memo_slots(&self) -> usize {
        self.len - self.base[Kind::Str as usize]
    }
}

/// A set of containers, a bit each.
#[derive(Clone, Debug)]
pub(crate) struct NodeSet {
    layout: Layout,
    words: Vec<u64>,
}

impl NodeSet {
    pub(crate) fn new(document: &Document<'_>) -> Self {
        let layout = Layout::of(document);
        Self { layout, words: alloc::vec![0; layout.containers().div_ceil(64)] }
    }

    /// Puts a container in; whether it was not in before.
    pub(crate) fn insert(&mut self, id: NodeId) -> bool {
        let Some(place) = self.layout.container(id) else { return true };
        let Some(word) = self.words.get_mut(place / 64) else { return true };
        let bit = 1 << (place % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        let place = self.layout.container(id).unwrap_or(usize::MAX);
        self.words.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        let place = self.layout.container(id).unwrap_or(usize::MAX);
        if let Some(word) = self.words.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }
}

/// What a walk in depth meets: containers alone, and each of them is entered and left once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// For the first time. Its parts come next.
    Enter(NodeId),
    /// All of its parts have been left, or were met before.
    Leave(NodeId),
    /// A part that was entered earlier, and whether it is still open, which closes a cycle.
    Again(NodeId, bool),
}

/// A walk through all containers that a node holds, in depth, children before parents.
///
/// It does not recurse: the containers that are open are on a stack of its own, each with the place of its
/// next part. Every part is looked at once, so that the time is linear in the size of the graph.
pub(crate) struct DepthFirst<'d, 'a> {
    document: &'d Document<'a>,
    root: Option<NodeId>,
    stack: Vec<(NodeId, u32)>,
    seen: NodeSet,
    open: NodeSet,
}

impl<'d, 'a> DepthFirst<'d, 'a> {
    pub(crate) fn new(document: &'d Document<'a>, root: NodeId) -> Self {
        let root = Some(root).filter(|root| root.is_container());
        // What holds nothing is not worth the sets.
        let nothing = Document::default();
        let sized = if root.is_some() { document } else { &nothing };
        Self { document, root, stack: Vec::new(), seen: NodeSet::new(sized), open: NodeSet::new(sized) }
    }

    /// The containers that are open: how deep the walk is.
    pub(crate) fn depth(&self) -> usize {
        self.stack.len()
    }

    fn enter(&mut self, id: NodeId) -> Met {
        self.seen.insert(id);
        self.open.insert(id);
        self.stack.push((id, 0));
        Met::Enter(id)
    }
}

impl Iterator for DepthFirst<'_, '_> {
    type Item = Met;

    fn next(&mut self) -> Option<Met> {
        if let Some(root) = self.root.take() {
            return Some(self.enter(root));
        }
        while let Some((id, next)) = self.stack.last_mut() {
            let (id, place) = (*id, *next);
            *next += 1;
            match child(self.document, id, usize::try_from(place).unwrap_or(usize::MAX)) {
                Some(child) if !child.is_container() => {}
                Some(child) if self.seen.contains(child) => {
                    return Some(Met::Again(child, self.open.contains(child)));
                }
                Some(child) => return Some(self.enter(child)),
                None => {
                    self.open.remove(id);
                    self.stack.pop();
                    return Some(Met::Leave(id));
                }
            }
        }
        None
    }
}

/// Whether a node contains itself, or holds one that does. Linear, and without recursion.
pub(crate) fn reaches_cycle(node: NodeRef<'_, '_>) -> bool {
    DepthFirst::new(node.document, node.id).any(|met| matches!(met, Met::Again(_, true)))
}

/// Writing out a cycle ends at one limit or the other; the cause is the cycle.
#[cold]
pub(crate) fn limit_or_cycle(kind: ErrorKind, node: NodeRef<'_, '_>) -> ErrorKind {
    match kind {
        ErrorKind::Depth | ErrorKind::Budget if reaches_cycle(node) => ErrorKind::Recursive,
        other => other,
    }
}
