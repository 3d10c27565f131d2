//! The result of a decode: a graph of nodes in tables, because a pickle is a graph.
//!
//! Text and bytes borrow from the input where they stand in it unchanged. Shared objects are
//! shared ids; a list that contains itself is a cycle of ids. Nothing here recurses.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::id::{Kind, NodeId};
use crate::object::{Object, ObjectRepr};
use crate::text::Str;

/// A run of nodes in the pool: the items of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seq {
    /// First slot in the pool.
    pub(crate) start: u32,
    /// Used slots; a dict uses two a pair.
    pub(crate) len: u32,
    /// Depth in the low 30 bits, then the two flags below.
    pub(crate) meta: u32,
}

impl Seq {
    /// The run has spare slots up to the next power of two.
    pub(crate) const ROOMY: u32 = 1 << 31;
    /// The container has been put into another one.
    pub(crate) const HELD: u32 = 1 << 30;
    pub(crate) const DEPTH: u32 = Self::HELD - 1;
}

/// Text that does not stand in the input as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TextRepr<'a> {
    /// UTF-8 in `Document::owned_text`.
    Owned { start: u32, len: u32 },
    /// WTF-8 in the input.
    Wtf8(&'a [u8]),
    /// WTF-8 in `Document::owned_bytes`.
    OwnedWtf8 { start: u32, len: u32 },
}

/// Bytes in the input or in `Document::owned_bytes`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BytesRepr<'a> {
    Input(&'a [u8]),
    Owned { start: u32, len: u32 },
}

/// A decoded pickle: an arena of nodes with one root.
///
/// ```
/// use pickle_codec::{Node, decode};
/// let document = decode(b"]q\x00(K\x01X\x01\x00\x00\x00ae.")?;
/// let Node::List(items) = document.root().view() else { panic!("not a list") };
/// assert_eq!(items.len(), 2);
/// assert!(matches!(items.get(0).unwrap().view(), Node::Int(1)));
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Document<'a> {
    pub(crate) root: Root,
    pub(crate) pool: Vec<NodeId>,
    pub(crate) ints: Vec<i64>,
    pub(crate) bigs: Vec<BytesRepr<'a>>,
    pub(crate) floats: Vec<f64>,
    pub(crate) strs: Vec<&'a str>,
    pub(crate) texts: Vec<TextRepr<'a>>,
    pub(crate) bytes: Vec<&'a [u8]>,
    pub(crate) blobs: Vec<(u32, u32)>,
    pub(crate) bytearrays: Vec<BytesRepr<'a>>,
    pub(crate) lists: Vec<Seq>,
    pub(crate) tuples: Vec<Seq>,
    pub(crate) dicts: Vec<Seq>,
    pub(crate) sets: Vec<Seq>,
    pub(crate) frozensets: Vec<Seq>,
    pub(crate) objects: Vec<ObjectRepr>,
    pub(crate) owned_text: String,
    pub(crate) owned_bytes: Vec<u8>,
    /// Length of the input, on which the expansion budget depends.
    pub(crate) input_len: usize,
}

/// The root id; `None` until a decode has finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Root(pub(crate) NodeId);

impl Default for Root {
    fn default() -> Self {
        Self(NodeId::NONE)
    }
}

impl<'a> Document<'a> {
    /// The value of the pickle.
    #[must_use]
    pub const fn root(&self) -> NodeRef<'_, 'a> {
        NodeRef { document: self, id: self.root.0 }
    }

    /// The node of an id that this document gave out. An id of another document gives some node
    /// of this one, or `None` as Python's `None`.
    #[must_use]
    pub const fn node(&self, id: NodeId) -> NodeRef<'_, 'a> {
        NodeRef { document: self, id }
    }

    /// The length of the input it was decoded from, in bytes; 0 if it was built.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.input_len
    }

    #[inline]
    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    pub(crate) fn run(&self, seq: Seq) -> &[NodeId] {
        let start = seq.start as usize;
        self.pool.get(start..start + seq.len as usize).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn seq(&self, id: NodeId) -> Option<Seq> {
        let table = match id.kind() {
            Kind::List => &self.lists,
            Kind::Tuple => &self.tuples,
            Kind::Dict => &self.dicts,
            Kind::Set => &self.sets,
            Kind::FrozenSet => &self.frozensets,
            _ => return None,
        };
        table.get(id.index()).copied()
    }

    #[inline]
    pub(crate) fn seq_mut(&mut self, id: NodeId) -> Option<&mut Seq> {
        let table = match id.kind() {
            Kind::List => &mut self.lists,
            Kind::Tuple => &mut self.tuples,
            Kind::Dict => &mut self.dicts,
            Kind::Set => &mut self.sets,
            Kind::FrozenSet => &mut self.frozensets,
            _ => return None,
        };
        table.get_mut(id.index())
    }

    /// The children of a container, keys and values alternating in a dict. An object's own parts
    /// are in its representation.
    #[inline]
    pub(crate) fn items(&self, id: NodeId) -> &[NodeId] {
        self.seq(id).map_or(&[], |seq| self.run(seq))
    }

    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    pub(crate) fn owned_slice(&self, start: u32, len: u32) -> &[u8] {
        let start = start as usize;
        self.owned_bytes.get(start..start + len as usize).unwrap_or_default()
    }

    pub(crate) fn bytes_of<'d>(&'d self, repr: BytesRepr<'a>) -> &'d [u8] {
        match repr {
            BytesRepr::Input(bytes) => bytes,
            BytesRepr::Owned { start, len } => self.owned_slice(start, len),
        }
    }

    /// The text of a text node.
    #[inline]
    pub(crate) fn text(&self, id: NodeId) -> Option<Str<'_>> {
        match id.kind() {
            Kind::Str => self.strs.get(id.index()).map(|text| Str::Utf8(text)),
            Kind::Text => self.texts.get(id.index()).map(|repr| self.owned_text_of(*repr)),
            _ => None,
        }
    }

    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    fn owned_text_of(&self, repr: TextRepr<'a>) -> Str<'_> {
        match repr {
            TextRepr::Owned { start, len } => {
                let start = start as usize;
                Str::Utf8(self.owned_text.get(start..start + len as usize).unwrap_or_default())
            }
            TextRepr::Wtf8(bytes) => Str::Wtf8(bytes),
            TextRepr::OwnedWtf8 { start, len } => Str::Wtf8(self.owned_slice(start, len)),
        }
    }

    /// The bytes of a `bytes` node.
    pub(crate) fn byte_string(&self, id: NodeId) -> Option<&[u8]> {
        match id.kind() {
            Kind::Bytes => self.bytes.get(id.index()).copied(),
            Kind::Blob => self.blobs.get(id.index()).map(|&(start, len)| self.owned_slice(start, len)),
            _ => None,
        }
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("root", &self.root.0)
            .field("input_len", &self.input_len)
            .finish_non_exhaustive()
    }
}

/// One node of a document: cheap to copy, looked at through [`view`](Self::view).
#[derive(Clone, Copy)]
pub struct NodeRef<'d, 'a> {
    pub(crate) document: &'d Document<'a>,
    pub(crate) id: NodeId,
}

impl<'d, 'a> NodeRef<'d, 'a> {
    /// The id: equal for two references to one object.
    #[must_use]
    pub const fn id(self) -> NodeId {
        self.id
    }

    /// The document it belongs to.
    #[must_use]
    pub const fn document(self) -> &'d Document<'a> {
        self.document
    }

    /// What the node is.
    #[inline]
    #[must_use]
    pub fn view(self) -> Node<'d, 'a> {
        let document = self.document;
        let index = self.id.index();
        let seq = || Items { document, ids: document.items(self.id) };
        match self.id.kind() {
            Kind::Constant => match self.id {
                NodeId::FALSE => Node::Bool(false),
                NodeId::TRUE => Node::Bool(true),
                NodeId::EMPTY_TUPLE => Node::Tuple(Items { document, ids: &[] }),
                _ => Node::None,
            },
            Kind::Small => Node::Int(self.id.small_value()),
            Kind::Int => document.ints.get(index).map_or(Node::None, |value| Node::Int(*value)),
            Kind::Big => document
                .bigs
                .get(index)
                .map_or(Node::None, |repr| Node::BigInt(BigIntRef { bytes: document.bytes_of(*repr) })),
            Kind::Float => document.floats.get(index).map_or(Node::None, |value| Node::Float(*value)),
            Kind::Str | Kind::Text => document.text(self.id).map_or(Node::None, Node::Str),
            Kind::Bytes | Kind::Blob => document.byte_string(self.id).map_or(Node::None, Node::Bytes),
            Kind::ByteArray => document
                .bytearrays
                .get(index)
                .map_or(Node::None, |repr| Node::ByteArray(document.bytes_of(*repr))),
            Kind::List => Node::List(seq()),
            Kind::Tuple => Node::Tuple(seq()),
            Kind::Dict => Node::Dict(Pairs { document, ids: document.items(self.id) }),
            Kind::Set => Node::Set(seq()),
            Kind::FrozenSet => Node::FrozenSet(seq()),
            Kind::Object => match document.objects.get(index) {
                Some(repr) => repr.view(document, self.id),
                None => Node::None,
            },
        }
    }

    /// The text, borrowed from the input, where it stands in the input as it is.
    #[must_use]
    pub fn borrowed_str(self) -> Option<&'a str> {
        match self.id.kind() {
            Kind::Str => self.document.strs.get(self.id.index()).copied(),
            _ => None,
        }
    }

    /// The bytes of a `bytes` or `bytearray`, borrowed from the input, where they stand in it as they are.
    #[must_use]
    pub fn borrowed_bytes(self) -> Option<&'a [u8]> {
        match self.id.kind() {
            Kind::Bytes => self.document.bytes.get(self.id.index()).copied(),
            Kind::ByteArray => match self.document.bytearrays.get(self.id.index()) {
                Some(BytesRepr::Input(bytes)) => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Debug for NodeRef<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

/// What a node is: Python's types, with children as further [`NodeRef`]s.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Node<'d, 'a> {
    /// `None`.
    None,
    /// A bool.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// Any other integer.
    BigInt(BigIntRef<'d>),
    /// A float; NaN bits are kept.
    Float(f64),
    /// Text.
    Str(Str<'d>),
    /// `bytes`.
    Bytes(&'d [u8]),
    /// A `bytearray`.
    ByteArray(&'d [u8]),
    /// A list.
    List(Items<'d, 'a>),
    /// A tuple.
    Tuple(Items<'d, 'a>),
    /// A dict in insertion order, without duplicate keys.
    Dict(Pairs<'d, 'a>),
    /// A set in the order of the pickle, without duplicates.
    Set(Items<'d, 'a>),
    /// A frozenset in the order of the pickle, without duplicates.
    FrozenSet(Items<'d, 'a>),
    /// The bare name of a global: `(module, name)`.
    Global(Str<'d>, Str<'d>),
    /// An object that the pickle builds by calling something: a description, nothing more.
    Object(Object<'d, 'a>),
    /// A persistent id and the value that names it.
    PersistentId(NodeRef<'d, 'a>),
    /// An entry of the extension registry.
    Extension(u32),
    /// The n-th out-of-band buffer, and whether it was made read-only.
    Buffer(u32, bool),
}

/// An integer outside `i64`, as minimal two's complement, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BigIntRef<'d> {
    bytes: &'d [u8],
}

impl<'d> BigIntRef<'d> {
    /// The bytes: minimal two's complement, little-endian.
    #[must_use]
    pub const fn as_signed_bytes_le(self) -> &'d [u8] {
        self.bytes
    }

    /// As a big integer that one can calculate with.
    #[must_use]
    pub fn to_bigint(self) -> num_bigint::BigInt {
        crate::number::big(self.bytes)
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.bytes.last().is_some_and(|&top| top >= 0x80)
    }
}

impl fmt::Debug for BigIntRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BigInt({} bytes)", self.bytes.len())
    }
}

/// The items of a list, tuple, set or frozenset.
#[derive(Clone, Copy)]
pub struct Items<'d, 'a> {
    pub(crate) document: &'d Document<'a>,
    pub(crate) ids: &'d [NodeId],
}

impl<'d, 'a> Items<'d, 'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.ids.is_empty()
    }

    /// The item at a place.
    #[must_use]
    pub fn get(self, index: usize) -> Option<NodeRef<'d, 'a>> {
        self.ids.get(index).map(|&id| NodeRef { document: self.document, id })
    }

    /// All items in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = NodeRef<'d, 'a>> + DoubleEndedIterator {
        self.ids.iter().map(move |&id| NodeRef { document: self.document, id })
    }
}

impl fmt::Debug for Items<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} items]", self.ids.len())
    }
}

/// The pairs of a dict in insertion order.
#[derive(Clone, Copy)]
pub struct Pairs<'d, 'a> {
    pub(crate) document: &'d Document<'a>,
    pub(crate) ids: &'d [NodeId],
}

impl<'d, 'a> Pairs<'d, 'a> {
    /// How many pairs there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.ids.len() / 2
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.ids.is_empty()
    }

    /// All pairs in order.
    pub fn iter(
        self,
    ) -> impl ExactSizeIterator<Item = (NodeRef<'d, 'a>, NodeRef<'d, 'a>)> + DoubleEndedIterator {
        let document = self.document;
        let (pairs, _) = self.ids.as_chunks::<2>();
        pairs
            .iter()
            .map(move |&[key, value]| (NodeRef { document, id: key }, NodeRef { document, id: value }))
    }

    /// The value of a text key; a linear search.
    #[must_use]
    pub fn get(self, key: &str) -> Option<NodeRef<'d, 'a>> {
        self.iter()
            .find(|(name, _)| self.document.text(name.id).and_then(Str::as_str) == Some(key))
            .map(|(_, value)| value)
    }
}

impl fmt::Debug for Pairs<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{} pairs}}", self.len())
    }
}
