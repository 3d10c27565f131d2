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

use super::hash::{K0, K1, fold, hash_bytes};
use super::id::{Kind, NodeId};
use super::node::NodeRef;
use super::tables::{Document, ObjectRepr};
use super::walk::{self, DepthFirst, Layout, Met};

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
        Comparison::new(self, other, false).run()
    }

    /// As [`eq_value`](Self::eq_value), and the same containers and objects are shared on both
    /// sides. Text, bytes and numbers have no identity here.
    #[must_use]
    pub fn eq_graph(self, other: NodeRef<'_, '_>) -> bool {
        Comparison::new(self, other, true).run()
    }

    /// A hash that is equal for equal values. It is the same in every process, so a sender who
    /// wants collisions can have them.
    #[must_use]
    pub fn structural_hash(self) -> u64 {
        let mut hashes = Hashes::new(self.document, 0);
        hashes.run(self.id);
        hashes.hash_of(self.id)
    }
}

/// The content of a node that holds no others, for comparison.
#[derive(PartialEq)]
enum Leaf<'d> {
    None,
    Bool(bool),
    Int(i64),
    Big(&'d [u8]),
    Float(u64),
    Text(&'d [u8]),
    Bytes(&'d [u8]),
    ByteArray(&'d [u8]),
    Extension(u32),
    Buffer(u32, bool),
    Absent,
}

fn leaf<'d>(document: &'d Document<'_>, id: NodeId) -> Option<Leaf<'d>> {
    Some(match id.kind() {
        Kind::Constant => match id {
            NodeId::TRUE => Leaf::Bool(true),
            NodeId::FALSE => Leaf::Bool(false),
            NodeId::EMPTY_TUPLE => return None,
            NodeId::ABSENT => Leaf::Absent,
            _ => Leaf::None,
        },
        Kind::Small => Leaf::Int(id.small_value()),
        Kind::Int => Leaf::Int(document.ints.get(id.index()).copied().unwrap_or_default()),
        Kind::Big => Leaf::Big(document.bigs.get(id.index()).map_or(&[], |&repr| document.bytes_of(repr))),
        Kind::Float => Leaf::Float(document.floats.get(id.index()).map_or(0, |value| value.to_bits())),
        Kind::Str | Kind::Text => Leaf::Text(document.text(id).map_or(&[], |text| text.as_bytes())),
        Kind::Bytes | Kind::Blob => Leaf::Bytes(document.byte_string(id).unwrap_or_default()),
        Kind::ByteArray => {
            Leaf::ByteArray(document.bytearrays.get(id.index()).map_or(&[], |&repr| document.bytes_of(repr)))
        }
        Kind::Object => match document.object(id) {
            Some(ObjectRepr::Extension(code)) => Leaf::Extension(*code),
            Some(ObjectRepr::Buffer(index, read_only)) => Leaf::Buffer(*index, *read_only),
            _ => return None,
        },
        _ => return None,
    })
}

/// What a container is, apart from what it holds.
#[derive(Clone, Copy, PartialEq)]
struct NodeShape {
    kind: u8,
    len: usize,
}

fn shape(document: &Document<'_>, id: NodeId) -> NodeShape {
    let len = document.items(id).len();
    let kind = match id.kind() {
        Kind::List => 1,
        Kind::Dict => 3,
        Kind::Set => 4,
        Kind::FrozenSet => 5,
        Kind::Object => match document.object(id) {
            Some(ObjectRepr::Global { .. }) => 6,
            Some(ObjectRepr::Instance(instance)) => 7 + u8::from(instance.construct == crate::Construct::New),
            _ => 9,
        },
        _ => 2,
    };
    NodeShape { kind, len }
}

/// The step from one key to the next in a container whose order does not matter.
const fn stride(id: NodeId) -> Option<usize> {
    match id.kind() {
        Kind::Dict => Some(2),
        Kind::Set | Kind::FrozenSet => Some(1),
        _ => None,
    }
}

struct Comparison<'l, 'r, 'a, 'b> {
    left: NodeRef<'l, 'a>,
    right: NodeRef<'r, 'b>,
    left_layout: Layout,
    right_layout: Layout,
    /// Parents of a union-find: the nodes of the left document, then those of the right one.
    parents: Vec<u32>,
    /// For `eq_graph`: what each container of either side stands for on the other.
    partners: Option<Vec<u32>>,
    hashes: Option<(Hashes<'l, 'a>, Hashes<'r, 'b>)>,
    open: Vec<(NodeId, NodeId)>,
}

const ALONE: u32 = u32::MAX;

impl<'l, 'r, 'a, 'b> Comparison<'l, 'r, 'a, 'b> {
    fn new(left: NodeRef<'l, 'a>, right: NodeRef<'r, 'b>, sharing: bool) -> Self {
        let (left_layout, right_layout) = (Layout::of(left.document), Layout::of(right.document));
        Self {
            left,
            right,
            left_layout,
            right_layout,
            parents: Vec::new(),
            partners: sharing.then(Vec::new),
            hashes: None,
            open: Vec::new(),
        }
    }

    fn run(mut self) -> bool {
        let mut next = Some((self.left.id, self.right.id));
        while let Some((left, right)) = next {
            if !self.pair(left, right) {
                return false;
            }
            next = self.open.pop();
        }
        true
    }

    /// Compares two nodes; their parts wait in `open`.
    fn pair(&mut self, left: NodeId, right: NodeId) -> bool {
        let (left_document, right_document) = (self.left.document, self.right.document);
        match (leaf(left_document, left), leaf(right_document, right)) {
            (Some(left_leaf), Some(right_leaf)) => {
                return match (left_leaf, right_leaf) {
                    // Long contents that both sides share again and again are compared once.
                    (Leaf::Text(one), Leaf::Text(other))
                    | (Leaf::Bytes(one), Leaf::Bytes(other))
                    | (Leaf::ByteArray(one), Leaf::ByteArray(other))
                    | (Leaf::Big(one), Leaf::Big(other))
                        if one.len() > 64 =>
                    {
                        one.len() == other.len() && (!self.unite(left, right) || one == other)
                    }
                    (one, other) => one == other,
                };
            }
            (None, None) => {}
            _ => return false,
        }
        let (left_shape, right_shape) = (shape(left_document, left), shape(right_document, right));
        if left_shape != right_shape || !self.are_partners(left, right) {
            return false;
        }
        if left != NodeId::EMPTY_TUPLE && right != NodeId::EMPTY_TUPLE && !self.unite(left, right) {
            return true;
        }
        if let Some(stride) = stride(left) {
            return self.unordered(left, right, stride);
        }
        let mut place = 0;
        while let (Some(left), Some(right)) =
            (walk::child(left_document, left, place), walk::child(right_document, right, place))
        {
            self.open.push((left, right));
            place += 1;
        }
        true
    }

    fn unordered(&mut self, left: NodeId, right: NodeId, stride: usize) -> bool {
        let (left_document, right_document) = (self.left.document, self.right.document);
        let (left_items, right_items) = (left_document.items(left), right_document.items(right));
        let aligned = left_items.iter().zip(right_items).step_by(stride).all(|(&left, &right)| {
            leaf(left_document, left)
                .is_some_and(|one| leaf(right_document, right).is_some_and(|other| one == other))
        });
        if aligned {
            if stride == 2 {
                let values = left_items.iter().copied().zip(right_items.iter().copied());
                self.open.extend(values.skip(1).step_by(2));
            }
            return true;
        }
        let (left_root, right_root) = (self.left, self.right);
        let (left_hashes, right_hashes) = self.hashes.get_or_insert_with(|| {
            let seed = crate::document::hash::seed();
            let mut left = Hashes::new(left_root.document, seed);
            let mut right = Hashes::new(right_root.document, seed);
            left.run(left_root.id);
            right.run(right_root.id);
            refine_both(&mut left, &mut right);
            (left, right)
        });
        let left_order = left_hashes.sort(left_items, stride);
        let right_order = right_hashes.sort(right_items, stride);
        for (&(left_hash, left_place), &(right_hash, right_place)) in left_order.iter().zip(&right_order) {
            if left_hash != right_hash {
                return false;
            }
            for part in 0..stride {
                if let (Some(&left), Some(&right)) =
                    (left_items.get(left_place + part), right_items.get(right_place + part))
                {
                    self.open.push((left, right));
                }
            }
        }
        true
    }

    /// For `eq_graph`: whether two containers stand only for each other.
    fn are_partners(&mut self, left: NodeId, right: NodeId) -> bool {
        let Some(partners) = &mut self.partners else { return true };
        let (Some(left), Some(right)) =
            (self.left_layout.container(left), self.right_layout.container(right))
        else {
            // `()` is one object in Python.
            return true;
        };
        let lefts = self.left_layout.containers();
        if partners.is_empty() {
            partners.resize(lefts + self.right_layout.containers(), ALONE);
        }
        for (place, other) in [(left, right), (lefts + right, left)] {
            let other = u32::try_from(other).unwrap_or(ALONE);
            match partners.get_mut(place) {
                Some(partner) if *partner == ALONE => *partner = other,
                Some(partner) if *partner != other => return false,
                _ => {}
            }
        }
        true
    }

    /// Notes two nodes as equal; whether they were not noted so before.
    fn unite(&mut self, left: NodeId, right: NodeId) -> bool {
        if self.parents.is_empty() {
            let len = self.left_layout.len() + self.right_layout.len();
            self.parents.extend((0_u32..).take(len));
        }
        let (Some(left), Some(right)) = (self.left_layout.place(left), self.right_layout.place(right)) else {
            return true;
        };
        let left = self.root_of(left);
        let right = self.root_of(self.left_layout.len() + right);
        if left == right {
            return false;
        }
        if let (Some(parent), Ok(left)) = (self.parents.get_mut(right), u32::try_from(left)) {
            *parent = left;
        }
        true
    }

    fn root_of(&mut self, mut place: usize) -> usize {
        loop {
            let parent = self.parent(place);
            if parent == place {
                return place;
            }
            let above = self.parent(parent);
            if let (Some(slot), Ok(above)) = (self.parents.get_mut(place), u32::try_from(above)) {
                *slot = above;
            }
            place = above;
        }
    }

    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    fn parent(&self, place: usize) -> usize {
        self.parents.get(place).map_or(place, |&parent| parent as usize)
    }
}

/// Gives the nodes that reach cycles as many rounds as it takes to tell all of them apart that differ.
///
/// After r rounds two such nodes have one hash if no walk of r steps finds a difference. Once a further
/// round tells no more of them apart than the one before, none ever will; and both documents have to have
/// the same number of rounds. The number is doubled until that is so, or until [`REFINING`] is spent: a
/// large document of long cycles that differ only far from where they start may then have keys that are
/// equal and are not found so.
fn refine_both(left: &mut Hashes<'_, '_>, right: &mut Hashes<'_, '_>) {
    let cost = left.round_cost().saturating_add(right.round_cost());
    let (mut rounds, mut spent) = (ROUNDS, 0_usize);
    let mut classes = (left.classes(), right.classes());
    while classes != (0, 0) {
        spent = spent.saturating_add(cost.saturating_mul(rounds));
        if spent > REFINING {
            return;
        }
        left.refine(rounds);
        right.refine(rounds);
        rounds *= 2;
        let finer = (left.classes(), right.classes());
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
    hashes: Vec<u64>,
    states: Vec<Hashed>,
    /// The nodes that reach a cycle.
    endless: Vec<NodeId>,
}

#[derive(Clone, Copy, PartialEq)]
enum Hashed {
    Unseen,
    Open,
    Done,
    Endless,
}

const ROUNDS: usize = 3;

/// Parts that `refine_both` may look at.
const REFINING: usize = 1 << 24;

const fn mix(hash: u64, part: u64) -> u64 {
    fold(hash ^ part, K0) ^ hash.rotate_left(23)
}

impl<'d, 'a> Hashes<'d, 'a> {
    fn new(document: &'d Document<'a>, seed: u64) -> Self {
        Self {
            document,
            layout: Layout::of(document),
            seed,
            hashes: Vec::new(),
            states: Vec::new(),
            endless: Vec::new(),
        }
    }

    fn state(&self, id: NodeId) -> Hashed {
        self.layout.place(id).and_then(|place| self.states.get(place)).map_or(Hashed::Unseen, |state| *state)
    }

    fn set(&mut self, id: NodeId, state: Hashed, hash: u64) {
        let Some(place) = self.layout.place(id) else { return };
        if let (Some(slot), Some(old)) = (self.hashes.get_mut(place), self.states.get_mut(place)) {
            *slot = hash;
            *old = state;
        }
    }

    fn run(&mut self, root: NodeId) {
        if !root.is_container() {
            return;
        }
        self.hashes.resize(self.layout.len(), 0);
        self.states.resize(self.layout.len(), Hashed::Unseen);
        for met in DepthFirst::new(self.document, root) {
            match met {
                Met::Enter(id) => self.set(id, Hashed::Open, 0),
                Met::Leave(id) if self.is_endless(id) => {
                    let shape = shape(self.document, id);
                    let hash = mix(mix(self.seed, u64::from(shape.kind) | 1 << 32), shape.len as u64);
                    self.set(id, Hashed::Endless, hash);
                    self.endless.push(id);
                }
                Met::Leave(id) => {
                    let hash = self.combine(id);
                    self.set(id, Hashed::Done, hash);
                }
                Met::Again(..) => {}
            }
        }
        self.refine(ROUNDS);
    }

    /// Lets the nodes that reach cycles take in their parts so many times more.
    fn refine(&mut self, rounds: usize) {
        let endless = core::mem::take(&mut self.endless);
        let mut fresh = Vec::with_capacity(endless.len());
        for _ in 0..rounds {
            fresh.clear();
            for &id in &endless {
                fresh.push(self.combine(id));
            }
            for (&id, &hash) in endless.iter().zip(&fresh) {
                self.set(id, Hashed::Endless, hash);
            }
        }
        self.endless = endless;
    }

    /// How many different hashes the nodes have that reach cycles.
    fn classes(&mut self) -> usize {
        let endless = core::mem::take(&mut self.endless);
        let mut hashes: Vec<u64> = endless.iter().map(|&id| self.hash_of(id)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        self.endless = endless;
        hashes.len()
    }

    /// The parts that one round looks at, at most.
    fn round_cost(&self) -> usize {
        if self.endless.is_empty() { 0 } else { self.endless.len() * 6 + self.document.pool.len() }
    }

    /// Whether a part is still open, which closes a cycle, or reaches one.
    fn is_endless(&self, id: NodeId) -> bool {
        (0..)
            .map_while(|place| walk::child(self.document, id, place))
            .any(|child| matches!(self.state(child), Hashed::Open | Hashed::Endless))
    }

    fn combine(&mut self, id: NodeId) -> u64 {
        if let Some(leaf) = leaf(self.document, id) {
            return self.hash_leaf(&leaf);
        }
        let shape = shape(self.document, id);
        let mut hash = mix(mix(self.seed ^ K1, u64::from(shape.kind)), shape.len as u64);
        let stride = stride(id);
        let mut place = 0;
        let mut sum = 0_u64;
        while let Some(child) = walk::child(self.document, id, place) {
            let mut part = self.hash_of(child);
            place += 1;
            if stride.is_none() {
                hash = mix(hash, part);
                continue;
            }
            if stride == Some(2)
                && let Some(value) = walk::child(self.document, id, place)
            {
                place += 1;
                part = mix(part, self.hash_of(value));
            }
            sum = sum.wrapping_add(fold(part ^ K1, K0));
        }
        mix(hash, sum)
    }

    fn hash_of(&mut self, id: NodeId) -> u64 {
        if matches!(self.state(id), Hashed::Done | Hashed::Endless) {
            let place = self.layout.place(id).unwrap_or(usize::MAX);
            return self.hashes.get(place).copied().unwrap_or_default();
        }
        let Some(leaf) = leaf(self.document, id) else {
            return mix(mix(self.seed ^ K1, 2), 0);
        };
        let hash = self.hash_leaf(&leaf);
        self.set(id, Hashed::Done, hash);
        hash
    }

    fn hash_leaf(&self, leaf: &Leaf<'_>) -> u64 {
        let (tag, part) = match *leaf {
            Leaf::None => (10, 0),
            Leaf::Bool(value) => (11, u64::from(value)),
            Leaf::Int(value) => (12, value.cast_unsigned()),
            Leaf::Float(bits) => (13, bits),
            Leaf::Big(bytes) => (14, hash_bytes(bytes, self.seed)),
            Leaf::Text(bytes) => (15, hash_bytes(bytes, self.seed)),
            Leaf::Bytes(bytes) => (16, hash_bytes(bytes, self.seed)),
            Leaf::ByteArray(bytes) => (17, hash_bytes(bytes, self.seed)),
            Leaf::Extension(code) => (18, u64::from(code)),
            Leaf::Buffer(index, read_only) => (19, u64::from(index) << 1 | u64::from(read_only)),
            Leaf::Absent => (20, 0),
        };
        mix(fold(self.seed ^ K0, K1 ^ tag), part)
    }

    /// The keys' hashes and places, in an order that depends on the hashes alone.
    fn sort(&mut self, items: &[NodeId], stride: usize) -> Vec<(u64, usize)> {
        let mut order: Vec<(u64, usize)> =
            items.iter().enumerate().step_by(stride).map(|(place, &id)| (self.hash_of(id), place)).collect();
        order.sort_unstable();
        order
    }
}
