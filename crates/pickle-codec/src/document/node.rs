//! The views of a document's nodes: references that are cheap to copy, and what they show.
//!
//! Objects that a pickle builds by naming and calling are shown as descriptions, never resolved.

use core::fmt;

use super::id::{Kind, NodeId};
use super::tables::{BytesRepr, Construct, Document, Instance, ObjectRepr};
use crate::wire::text::Str;

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
            Kind::Big => document.big(self.id).map_or(Node::None, |bytes| Node::BigInt(BigIntRef { bytes })),
            Kind::Float => document.floats.get(index).map_or(Node::None, |value| Node::Float(*value)),
            Kind::Str | Kind::Text => document.text(self.id).map_or(Node::None, Node::Str),
            Kind::Bytes | Kind::Blob => document.byte_string(self.id).map_or(Node::None, Node::Bytes),
            Kind::ByteArray => document.bytearray(self.id).map_or(Node::None, Node::ByteArray),
            Kind::List => Node::List(seq()),
            Kind::Tuple => Node::Tuple(seq()),
            Kind::Dict => Node::Dict(Pairs::of(document, self.id)),
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
///
/// Code that walks a document need not recurse: children are cheap to copy, and a stack of them will do.
/// A document can be cyclic, so that such a walk has to remember the ids it has seen.
///
/// ```
/// use pickle_codec::{Node, decode};
/// // l = [1, [2]]; l.append(l)
/// let document = decode(b"]q\x00(K\x01]K\x02ah\x00e.")?;
/// let (mut sum, mut seen, mut open) = (0, Vec::new(), vec![document.root()]);
/// while let Some(node) = open.pop() {
///     match node.view() {
///         Node::Int(value) => sum += value,
///         Node::List(items) if !seen.contains(&node.id()) => {
///             seen.push(node.id());
///             open.extend(items);
///         }
///         _ => {}
///     }
/// }
/// assert_eq!((sum, seen.len()), (3, 2));
/// # Ok::<(), pickle_codec::Error>(())
/// ```
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
        crate::wire::number::big(self.bytes)
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
    dict: NodeId,
    pub(crate) ids: &'d [NodeId],
}

impl<'d, 'a> Pairs<'d, 'a> {
    /// The pairs of a dict; none if it is no dict.
    #[inline]
    pub(crate) fn of(document: &'d Document<'a>, dict: NodeId) -> Self {
        Self { document, dict, ids: document.items(dict) }
    }

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

    /// The pair at a place.
    #[must_use]
    pub fn get_index(self, index: usize) -> Option<(NodeRef<'d, 'a>, NodeRef<'d, 'a>)> {
        self.iter().nth(index)
    }

    /// The value of a text key. In a dict of more than 64 pairs the first look-up makes an index, which is
    /// kept with the document, so that every further one takes the time of a hash.
    ///
    /// ```
    /// let document = pickle_codec::decode(b"}X\x02\0\0\0idK\x07s.")?;
    /// let pickle_codec::Node::Dict(pairs) = document.root().view() else { panic!("not a dict") };
    /// assert!(matches!(pairs.get("id").unwrap().view(), pickle_codec::Node::Int(7)));
    /// assert!(pairs.get("name").is_none());
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    #[must_use]
    pub fn get(self, key: &str) -> Option<NodeRef<'d, 'a>> {
        let document = self.document;
        let (pairs, _) = self.ids.as_chunks::<2>();
        let text_at = |place: usize| document.text(pairs.get(place)?[0]).map(Str::as_bytes);
        let sizes = document.runs[Kind::Dict.run_table()].iter().map(|&seq| document.run(seq).len() / 2);
        let dict = self.dict.index();
        let place = document.lookups.find(dict, sizes, pairs.len(), text_at, key.as_bytes())?;
        self.get_index(place).map(|(_, value)| value)
    }
}

impl fmt::Debug for Pairs<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{} pairs}}", self.len())
    }
}

impl ObjectRepr {
    pub(crate) fn view<'d, 'a>(&self, document: &'d Document<'a>, id: NodeId) -> Node<'d, 'a> {
        match *self {
            Self::Global { module, name, .. } => {
                let text = |id| document.text(id).unwrap_or(Str::Utf8(""));
                Node::Global(text(module), text(name))
            }
            Self::Instance(instance) => Node::Object(Object { document, id, instance }),
            Self::PersistentId { value, .. } => Node::PersistentId(document.node(value)),
            Self::Extension(code) => Node::Extension(code),
            Self::Buffer(index, read_only) => Node::Buffer(index, read_only),
        }
    }
}

/// An object that the pickle describes: its class, and what the class would have been given.
///
/// The parts are those of `__reduce__` (PEP 307): the callable, its arguments, the state, and the items and
/// pairs that are appended. A dataclass has a dict as its state (a list, if it is frozen and has slots), a named
/// tuple its fields as arguments, a subclass of dict its pairs beside its state.
///
/// ```
/// use pickle_codec::{DecodeOptions, Decoder, Globals, Node, Str};
/// let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
/// // @dataclass class Point: x: int
/// let document = decoder.decode(b"\x80\x02cgeo\nPoint\n)\x81}X\x01\0\0\0xK\x07sb.")?;
/// let Node::Object(point) = document.root().view() else { panic!("not an object") };
/// assert_eq!(point.class_name(), Some((Str::Utf8("geo"), Str::Utf8("Point"))));
/// assert!(point.args().is_empty() && point.items().is_none());
/// let Some(Node::Dict(state)) = point.state().map(|state| state.view()) else { panic!("no state") };
/// assert!(matches!(state.get("x").unwrap().view(), Node::Int(7)));
/// assert_eq!(document.to_string(), "Point(x=7)");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Object<'d, 'a> {
    pub(crate) document: &'d Document<'a>,
    pub(crate) id: NodeId,
    pub(crate) instance: Instance,
}

impl<'d, 'a> Object<'d, 'a> {
    /// The node of the object itself.
    #[must_use]
    pub const fn node(self) -> NodeRef<'d, 'a> {
        NodeRef { document: self.document, id: self.id }
    }

    /// What is called: mostly a [`Node::Global`].
    #[must_use]
    pub const fn class(self) -> NodeRef<'d, 'a> {
        NodeRef { document: self.document, id: self.instance.class }
    }

    /// Module and name of the class, where it is a global.
    #[must_use]
    pub fn class_name(self) -> Option<(Str<'d>, Str<'d>)> {
        match self.class().view() {
            Node::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }

    /// How it is made.
    #[must_use]
    pub const fn construct(self) -> Construct {
        self.instance.construct
    }

    /// The positional arguments.
    #[must_use]
    pub fn args(self) -> Items<'d, 'a> {
        Items { document: self.document, ids: self.document.items(self.instance.args) }
    }

    /// The keyword arguments of NEWOBJ_EX; `None` if it was made in another way.
    #[must_use]
    pub fn kwargs(self) -> Option<Pairs<'d, 'a>> {
        self.pairs_of(self.instance.kwargs)
    }

    /// The state that BUILD gave it, or a state setter whose result the pickle drops; `None` without any.
    #[must_use]
    pub fn state(self) -> Option<NodeRef<'d, 'a>> {
        (self.instance.state != NodeId::ABSENT)
            .then_some(NodeRef { document: self.document, id: self.instance.state })
    }

    /// The items that APPEND, APPENDS or ADDITEMS gave it; `None` if it was given none.
    #[must_use]
    pub fn items(self) -> Option<Items<'d, 'a>> {
        (self.instance.items != NodeId::ABSENT)
            .then(|| Items { document: self.document, ids: self.document.items(self.instance.items) })
    }

    /// The pairs that SETITEM or SETITEMS gave it; `None` if it was given none.
    #[must_use]
    pub fn pairs(self) -> Option<Pairs<'d, 'a>> {
        self.pairs_of(self.instance.pairs)
    }

    fn pairs_of(self, id: NodeId) -> Option<Pairs<'d, 'a>> {
        (id != NodeId::ABSENT).then(|| Pairs::of(self.document, id))
    }
}

impl fmt::Debug for Object<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:?})", self.class_name())
    }
}
