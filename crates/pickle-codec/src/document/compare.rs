//! Equality and hashes of documents, as graphs: linear, without recursion, cycles included.
//!
//! # Equality
//!
//! Two nodes are equal if no walk from both, step by step, finds a difference: a bisimulation, as of finite
//! automata (Hopcroft and Karp). [`Comparison`] has a stack of pairs that have to be equal, and a union-find
//! over the nodes of both documents. A pair that is in one class already is taken as equal; any other pair is
//! united, its own contents are compared, and its parts are pushed. Each union makes the number of classes
//! smaller, so that there are fewer unions than nodes: shared objects cost one visit, and a cycle ends.
//!
//! # Dicts and sets
//!
//! Their order does not matter. If the keys on both sides stand in the same order (which is so for most that
//! are equal), they are paired as they stand. Else both sides are sorted by a hash of all that is in a key, and
//! members of equal hashes are paired. The hash takes in 64 bits of everything below, under a seed that no
//! sender knows.
//!
//! # Hashes of cyclic keys
//!
//! A node that reaches no cycle is hashed bottom-up, with everything in it. One that does has no bottom. It
//! starts as its kind and length, and in each round takes in the hashes of its parts (the refinement of Moore,
//! or "colour refinement"). After r rounds two such nodes differ in hash if walks of r steps find a difference,
//! and [`refine_both`] goes on until another round tells no more of them apart.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::hash::{K0, K1, fold, hash_bytes, seed};
use super::id::{Kind, NodeId};
use super::node::{Node, NodeRef};
use super::tables::{Construct, Document};
use super::walk::{self, DepthFirst, Layout, Met, NodeSet};

/// Equal as values: see [`NodeRef::eq_value`].
impl PartialEq for Document<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.root().eq_value(other.root())
    }
}

impl Eq for Document<'_> {}

impl Hash for Document<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.root().structural_hash());
    }
}

impl NodeRef<'_, '_> {
    /// Whether two nodes, of one document or of two, are the same value: the same types and
    /// contents, floats bit by bit (so that a NaN equals itself and `0.0` is not `-0.0`), dicts
    /// and sets in any order. What is shared does not matter: `[l, l]` equals `[l, m]` if `l`
    /// equals `m`. Cycles are equal if their endless unfoldings are.
    #[must_use]
    pub fn eq_value(self, other: NodeRef<'_, '_>) -> bool {
        Comparison::new([self, other], false).run()
    }

    /// As [`eq_value`](Self::eq_value), and the same containers and objects are shared on both
    /// sides. Text, bytes and numbers have no identity here.
    #[must_use]
    pub fn eq_graph(self, other: NodeRef<'_, '_>) -> bool {
        Comparison::new([self, other], true).run()
    }

    /// A hash that is equal for equal values. It is the same in every process, so a sender who
    /// wants collisions can have them.
    #[must_use]
    pub fn structural_hash(self) -> u64 {
        Hashes::new(self.document, self.id, 0).hash_of(self.id)
    }
}

/// What a node is apart from the nodes that it holds: its type, as a number, and what is in it.
#[derive(Clone, Copy, PartialEq)]
enum Content<'d> {
    Scalar(u8, u64),
    Bytes(u8, &'d [u8]),
    /// A container or object, and of a container how many parts it has.
    Holder(u8, usize),
}

impl Content<'_> {
    const fn is_holder(self) -> bool {
        matches!(self, Self::Holder(..))
    }
}

fn content<'d>(document: &'d Document<'_>, id: NodeId) -> Content<'d> {
    match document.node(id).view() {
        Node::None => Content::Scalar(u8::from(id == NodeId::ABSENT), 0),
        Node::Bool(value) => Content::Scalar(2, u64::from(value)),
        Node::Int(value) => Content::Scalar(3, value.cast_unsigned()),
        Node::Float(value) => Content::Scalar(4, value.to_bits()),
        Node::Extension(code) => Content::Scalar(5, u64::from(code)),
        Node::Buffer(index, read_only) => Content::Scalar(6, u64::from(index) << 1 | u64::from(read_only)),
        Node::BigInt(value) => Content::Bytes(7, value.as_signed_bytes_le()),
        Node::Str(text) => Content::Bytes(8, text.as_bytes()),
        Node::Bytes(bytes) => Content::Bytes(9, bytes),
        Node::ByteArray(bytes) => Content::Bytes(10, bytes),
        Node::List(items) => Content::Holder(11, items.len()),
        Node::Tuple(items) => Content::Holder(12, items.len()),
        Node::Dict(pairs) => Content::Holder(13, pairs.len()),
        Node::Set(items) => Content::Holder(14, items.len()),
        Node::FrozenSet(items) => Content::Holder(15, items.len()),
        Node::Global(..) => Content::Holder(16, 0),
        Node::Object(object) if object.construct() == Construct::Call => Content::Holder(17, 0),
        Node::Object(_) => Content::Holder(18, 0),
        Node::PersistentId(_) => Content::Holder(19, 0),
    }
}

/// The step from one key to the next in a container whose order does not matter.
const fn stride(id: NodeId) -> Option<usize> {
    match id.kind() {
        Kind::Dict => Some(2),
        Kind::Set | Kind::FrozenSet => Some(1),
        _ => None,
    }
}

/// The comparison of two nodes; every pair of things in it is that of the left side and that of the right one.
struct Comparison<'d, 'a> {
    documents: [&'d Document<'a>; 2],
    roots: [NodeId; 2],
    layouts: [Layout; 2],
    /// Parents of a union-find: the nodes of the left document, then those of the right one.
    parents: Vec<u32>,
    /// For `eq_graph`: what each container of either side stands for on the other.
    partners: Option<Vec<u32>>,
    /// Made when the order of keys first differs.
    hashes: Option<[Hashes<'d, 'a>; 2]>,
    /// Pairs that have to be equal.
    open: Vec<[NodeId; 2]>,
}

const ALONE: u32 = u32::MAX;

impl<'d, 'a> Comparison<'d, 'a> {
    fn new(nodes: [NodeRef<'d, 'a>; 2], sharing: bool) -> Self {
        let roots = nodes.map(NodeRef::id);
        Self {
            documents: nodes.map(NodeRef::document),
            roots,
            layouts: nodes.map(|node| Layout::of(node.document)),
            parents: Vec::new(),
            partners: sharing.then(Vec::new),
            hashes: None,
            open: alloc::vec![roots],
        }
    }

    fn run(mut self) -> bool {
        while let Some(pair) = self.open.pop() {
            if !self.compare(pair) {
                return false;
            }
        }
        true
    }

    /// Compares two nodes; their parts wait in `open`.
    fn compare(&mut self, pair @ [left, right]: [NodeId; 2]) -> bool {
        let documents @ [left_document, right_document] = self.documents;
        match (content(left_document, left), content(right_document, right)) {
            // Long contents that both sides share again and again are compared once.
            (Content::Bytes(kind, one), Content::Bytes(other_kind, other)) if one.len() > 64 => {
                return kind == other_kind && one.len() == other.len() && (!self.unite(pair) || one == other);
            }
            (one, other) if one != other || !one.is_holder() => return one == other,
            _ => {}
        }
        if !self.are_partners(pair) {
            return false;
        }
        if !self.unite(pair) {
            return true;
        }
        if let Some(stride) = stride(left) {
            return self.unordered(documents[0].items(left), documents[1].items(right), stride);
        }
        let parts = |document, id| (0..).map_while(move |place| walk::child(document, id, place));
        let parts = parts(left_document, left).zip(parts(right_document, right));
        self.open.extend(parts.map(|(left, right)| [left, right]));
        true
    }

    /// Pairs the keys of two dicts, or the members of two sets, of one size.
    fn unordered(&mut self, left: &[NodeId], right: &[NodeId], stride: usize) -> bool {
        let (documents, roots) = (self.documents, self.roots);
        let aligned = left.iter().zip(right).step_by(stride).all(|(&left, &right)| {
            let one = content(documents[0], left);
            !one.is_holder() && one == content(documents[1], right)
        });
        if aligned {
            let values = left.iter().zip(right).map(|(&left, &right)| [left, right]).skip(1);
            self.open.extend(values.step_by(2).filter(|_| stride == 2));
            return true;
        }
        let [left_hashes, right_hashes] = self.hashes.get_or_insert_with(|| {
            let seed = seed();
            let mut hashes = [0, 1].map(|side: usize| Hashes::new(documents[side], roots[side], seed));
            refine_both(&mut hashes);
            hashes
        });
        let (left_order, right_order) = (left_hashes.sort(left, stride), right_hashes.sort(right, stride));
        for ((left_hash, left_key), (right_hash, right_key)) in left_order.into_iter().zip(right_order) {
            if left_hash != right_hash {
                return false;
            }
            self.open.extend(left_key.iter().zip(right_key).map(|(&left, &right)| [left, right]));
        }
        true
    }

    /// For `eq_graph`: whether two containers stand only for each other.
    fn are_partners(&mut self, pair: [NodeId; 2]) -> bool {
        let Some(partners) = &mut self.partners else { return true };
        let [lefts, rights] = &self.layouts;
        let (Some(left), Some(right)) = (lefts.container(pair[0]), rights.container(pair[1])) else {
            // `()` is one object in Python.
            return true;
        };
        partners.resize(lefts.containers() + rights.containers(), ALONE);
        [(left, right), (lefts.containers() + right, left)].into_iter().all(|(place, other)| {
            let Some(partner) = partners.get_mut(place) else { return true };
            if *partner == ALONE {
                *partner = other as u32;
            }
            *partner == other as u32
        })
    }

    /// Notes two nodes as equal; whether they were not noted so before.
    fn unite(&mut self, pair: [NodeId; 2]) -> bool {
        let [lefts, rights] = self.layouts;
        let (Some(left), Some(right)) = (lefts.place(pair[0]), rights.place(pair[1])) else { return true };
        if self.parents.is_empty() {
            self.parents.extend((0_u32..).take(lefts.len() + rights.len()));
        }
        let (left, right) = (self.leader(left), self.leader(lefts.len() + right));
        if let Some(parent) = self.parents.get_mut(right) {
            *parent = left as u32;
        }
        left != right
    }

    /// The node that stands for all that are noted as equal to this one. The way there becomes half as long.
    fn leader(&mut self, mut place: usize) -> usize {
        let parent =
            |parents: &[u32], place: usize| parents.get(place).map_or(place, |&parent| parent as usize);
        while parent(&self.parents, place) != place {
            let above = parent(&self.parents, parent(&self.parents, place));
            if let Some(slot) = self.parents.get_mut(place) {
                *slot = above as u32;
            }
            place = above;
        }
        place
    }
}

/// Gives the nodes that reach cycles as many rounds as it takes to tell all of them apart that differ.
///
/// Once a further round tells no more of them apart than the one before, none ever will; and both documents have to
/// have the same number of rounds. The number is doubled until that is so, or until [`REFINING`] is spent: a
/// large document of long cycles that differ only far from where they start may then have keys that are
/// equal and are not found so.
fn refine_both(hashes: &mut [Hashes<'_, '_>; 2]) {
    let cost = hashes.iter().map(Hashes::round_cost).fold(0, usize::saturating_add);
    let (mut rounds, mut spent) = (ROUNDS, 0_usize);
    let mut classes = hashes.each_ref().map(Hashes::classes);
    while classes != [0, 0] {
        spent = spent.saturating_add(cost.saturating_mul(rounds));
        if spent > REFINING {
            return;
        }
        hashes.iter_mut().for_each(|hashes| hashes.refine(rounds));
        rounds *= 2;
        let finer = hashes.each_ref().map(Hashes::classes);
        if finer == classes {
            return;
        }
        classes = finer;
    }
}

/// The hashes of all nodes below a root, children first.
///
/// A node whose unfolding ends is hashed with everything in it. One that reaches a cycle starts as
/// its kind and length and takes in its parts [`ROUNDS`] times, which gives the same for equal
/// cycles whatever their length; [`refine_both`] goes on from there.
struct Hashes<'d, 'a> {
    document: &'d Document<'a>,
    layout: Layout,
    seed: u64,
    /// By place; 0 for what has not been hashed.
    hashes: Vec<u64>,
    /// The nodes that reach a cycle.
    endless: Vec<NodeId>,
}

const ROUNDS: usize = 3;

/// Parts that `refine_both` may look at.
const REFINING: usize = 1 << 24;

const fn mix(hash: u64, part: u64) -> u64 {
    fold(hash ^ part, K0) ^ hash.rotate_left(23)
}

impl<'d, 'a> Hashes<'d, 'a> {
    fn new(document: &'d Document<'a>, root: NodeId, seed: u64) -> Self {
        let layout = Layout::of(document);
        let len = if root.is_container() { layout.len() } else { 0 };
        let mut made = Self { document, layout, seed, hashes: alloc::vec![0; len], endless: Vec::new() };
        // Containers that are open, or reach one that is, and with that a cycle.
        let nothing = Document::default();
        let mut endless = NodeSet::new(if root.is_container() { document } else { &nothing });
        for met in DepthFirst::new(document, root) {
            match met {
                Met::Enter(id) => {
                    endless.insert(id);
                }
                Met::Leave(id) => {
                    let mut parts = (0..).map_while(|place| walk::child(document, id, place));
                    let hash = if parts.any(|part| endless.contains(part)) {
                        made.endless.push(id);
                        mix(made.hash_alone(id), 1)
                    } else {
                        endless.remove(id);
                        made.combine(id)
                    };
                    made.set(id, hash);
                }
                Met::Again(..) => {}
            }
        }
        made.refine(ROUNDS);
        made
    }

    fn set(&mut self, id: NodeId, hash: u64) {
        if let Some(slot) = self.layout.place(id).and_then(|place| self.hashes.get_mut(place)) {
            *slot = hash;
        }
    }

    /// Lets the nodes that reach cycles take in their parts so many times more.
    fn refine(&mut self, rounds: usize) {
        let endless = core::mem::take(&mut self.endless);
        for _ in 0..rounds {
            let fresh: Vec<u64> = endless.iter().map(|&id| self.combine(id)).collect();
            endless.iter().zip(fresh).for_each(|(&id, hash)| self.set(id, hash));
        }
        self.endless = endless;
    }

    /// How many different hashes the nodes have that reach cycles.
    fn classes(&self) -> usize {
        let hash = |&id: &NodeId| self.layout.place(id).and_then(|place| self.hashes.get(place)).copied();
        let mut hashes: Vec<_> = self.endless.iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.len()
    }

    /// The parts that one round looks at, at most.
    fn round_cost(&self) -> usize {
        if self.endless.is_empty() { 0 } else { self.endless.len() * 6 + self.document.pool.len() }
    }

    /// The hash of what a node is, without the nodes that it holds.
    fn hash_alone(&self, id: NodeId) -> u64 {
        let (kind, hash) = match content(self.document, id) {
            Content::Scalar(kind, value) => (kind, value),
            Content::Bytes(kind, bytes) => (kind, hash_bytes(bytes, self.seed)),
            Content::Holder(kind, len) => (kind, len as u64),
        };
        mix(fold(self.seed ^ K0, K1 ^ u64::from(kind)), hash)
    }

    /// The hash of a node with those of its parts.
    fn combine(&mut self, id: NodeId) -> u64 {
        let document = self.document;
        let alone = self.hash_alone(id);
        let Some(stride) = stride(id) else {
            let parts = (0..).map_while(|place| walk::child(document, id, place));
            return parts.fold(alone, |hash, part| mix(hash, self.hash_of(part)));
        };
        let members = document.items(id).chunks(stride);
        // Their order does not matter.
        let sum = members.fold(0_u64, |sum, member| {
            let hash = member.iter().fold(K1, |hash, &part| mix(hash, self.hash_of(part)));
            sum.wrapping_add(fold(hash ^ K1, K0))
        });
        mix(alone, sum)
    }

    fn hash_of(&mut self, id: NodeId) -> u64 {
        match self.layout.place(id).and_then(|place| self.hashes.get(place)) {
            Some(&hash) if hash != 0 => hash,
            _ => {
                let hash = self.hash_alone(id);
                self.set(id, hash);
                hash
            }
        }
    }

    /// The keys and their hashes, with their values, in an order that depends on the hashes alone.
    fn sort<'i>(&mut self, items: &'i [NodeId], stride: usize) -> Vec<(u64, &'i [NodeId])> {
        let hash = |part: &'i [NodeId]| (part.first().map_or(0, |&key| self.hash_of(key)), part);
        let mut order: Vec<_> = items.chunks(stride).map(hash).collect();
        order.sort_by_key(|(hash, _)| *hash);
        order
    }
}
