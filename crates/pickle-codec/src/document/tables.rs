//! The storage of a decoded pickle: a graph of nodes in tables, because a pickle is a graph.
//!
//! Text and bytes borrow from the input where they stand in it unchanged. Shared objects are
//! shared ids; a list that contains itself is a cycle of ids. Nothing here recurses.
//!
//! ```text
//! root ──> List#0        runs[List][0] = start 4, len 2  ──> pool[4..6] = [Small#1, Str#0]
//!                                                                         a 1      strs[0] = "a", in the input
//! ```
//!
//! A kind is a table of its own, so that a table has items of one size and none of them says what it is. Two kinds for
//! text and two for bytes keep the frequent case small: what stands in the input is a plain reference.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::class::KnownClass;
use super::id::{Kind, NodeId};
use super::lookup::Lookups;
use crate::limits::ValueLimits;
use crate::wire::text::Str;

/// A run of nodes in the pool: the items of a container.
///
/// Twelve bytes, so that the shortest container in a pickle (`]`, one byte, and four bytes for its id on the
/// stack) stays within 32 bytes of memory a byte of input, growth of its table included.
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

/// What stands in the object table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ObjectRepr {
    Global {
        module: NodeId,
        name: NodeId,
        known: Option<KnownClass>,
    },
    Instance(Instance),
    /// The value that names it, and depth and flags as in `Seq::meta`.
    PersistentId {
        value: NodeId,
        meta: u32,
    },
    Extension(u32),
    Buffer(u32, bool),
}

/// An object made by REDUCE, NEWOBJ, NEWOBJ_EX, INST or OBJ. Absent parts are `NodeId::ABSENT`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    /// What was called: a global, or under `Inert` any object.
    pub(crate) class: NodeId,
    pub(crate) construct: Construct,
    /// The reading that its class and arguments were checked for.
    pub(crate) known: Option<KnownClass>,
    /// A tuple.
    pub(crate) args: NodeId,
    /// A dict.
    pub(crate) kwargs: NodeId,
    /// What BUILD gave it.
    pub(crate) state: NodeId,
    /// A list of what APPENDS or ADDITEMS gave it.
    pub(crate) items: NodeId,
    /// A dict of what SETITEMS gave it.
    pub(crate) pairs: NodeId,
    /// As in `Seq::meta`.
    pub(crate) meta: u32,
}

/// Which kind of opcode made an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Construct {
    /// REDUCE, INST or OBJ: a call of the class or function.
    Call,
    /// NEWOBJ or NEWOBJ_EX: a call of the class's `__new__`.
    New,
}

impl Instance {
    /// A call that has no reading, and an object that nothing was given to yet.
    pub(crate) const fn new(class: NodeId, construct: Construct, args: NodeId, kwargs: NodeId) -> Self {
        Self {
            class,
            construct,
            known: None,
            args,
            kwargs,
            state: NodeId::ABSENT,
            items: NodeId::ABSENT,
            pairs: NodeId::ABSENT,
            meta: 0,
        }
    }

    pub(crate) const fn children(&self) -> [NodeId; 6] {
        [self.class, self.args, self.kwargs, self.state, self.items, self.pairs]
    }
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
    /// The runs of lists, tuples, dicts, sets and frozensets, by [`Kind::run_table`].
    pub(crate) runs: [Vec<Seq>; 5],
    pub(crate) objects: Vec<ObjectRepr>,
    pub(crate) owned_text: String,
    pub(crate) owned_bytes: Vec<u8>,
    /// Length of the input, on which the expansion budget depends.
    pub(crate) input_len: usize,
    /// The limits of its decode, for what is made from it.
    pub(crate) limits: ValueLimits,
    /// Where keys are in large dicts, as far as somebody asked.
    pub(crate) lookups: Lookups,
}

/// The root id; `None` until a decode has finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Root(pub(crate) NodeId);

impl Default for Root {
    fn default() -> Self {
        Self(NodeId::NONE)
    }
}

/// The tables of a document that hold what stands in its input.
pub(crate) struct Borrowed<'a> {
    pub(crate) bigs: Vec<BytesRepr<'a>>,
    pub(crate) strs: Vec<&'a str>,
    pub(crate) texts: Vec<TextRepr<'a>>,
    pub(crate) bytes: Vec<&'a [u8]>,
    pub(crate) bytearrays: Vec<BytesRepr<'a>>,
}

impl<'a> Document<'a> {
    /// The length of the input it was decoded from, in bytes; 0 if it was built.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.input_len
    }

    /// Module and name of every global that is only described, as [`Globals::Inert`](crate::Globals::Inert) has it:
    /// neither in the table of known types nor [allowed](crate::DecodeOptions::allow). They come in the order in
    /// which the pickle names them, as often as it does, and whether or not they are part of its value.
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Decoder, Globals, Str};
    /// let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    /// let document = decoder.decode(b"cos\nsystem\n0ccollections\nOrderedDict\n.")?;
    /// let names: Vec<_> = document.described_globals().collect();
    /// assert_eq!(names, [(Str::Utf8("os"), Str::Utf8("system"))]);
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn described_globals(&self) -> impl Iterator<Item = (Str<'_>, Str<'_>)> {
        self.objects.iter().filter_map(|object| match object {
            ObjectRepr::Global { module, name, known: None } => {
                Some((self.text(*module)?, self.text(*name)?))
            }
            _ => None,
        })
    }

    /// What the object table has for a node; `None` for nodes of every other kind.
    #[inline]
    pub(crate) fn object(&self, id: NodeId) -> Option<&ObjectRepr> {
        if id.kind() == Kind::Object { self.objects.get(id.index()) } else { None }
    }

    /// The object that a call made.
    #[inline]
    pub(crate) fn instance(&self, id: NodeId) -> Option<&Instance> {
        match self.object(id)? {
            ObjectRepr::Instance(instance) => Some(instance),
            _ => None,
        }
    }

    /// The ids of a global's module and name, and what the name stands for.
    #[inline]
    pub(crate) fn global(&self, id: NodeId) -> Option<([NodeId; 2], Option<KnownClass>)> {
        match *self.object(id)? {
            ObjectRepr::Global { module, name, known } => Some(([module, name], known)),
            _ => None,
        }
    }

    #[inline]
    #[allow(clippy::as_conversions, reason = "u32 fits usize on every supported target")]
    pub(crate) fn run(&self, seq: Seq) -> &[NodeId] {
        let start = seq.start as usize;
        self.pool.get(start..start + seq.len as usize).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn seq(&self, id: NodeId) -> Option<Seq> {
        self.runs.get(id.kind().run_table())?.get(id.index()).copied()
    }

    #[inline]
    pub(crate) fn seq_mut(&mut self, id: NodeId) -> Option<&mut Seq> {
        self.runs.get_mut(id.kind().run_table())?.get_mut(id.index())
    }

    /// The memory of all tables.
    pub(crate) fn memory(&self) -> usize {
        self.pool.capacity() * size_of::<NodeId>()
            + self.ints.capacity() * size_of::<i64>()
            + (self.bigs.capacity() + self.bytearrays.capacity()) * size_of::<BytesRepr<'_>>()
            + self.floats.capacity() * size_of::<f64>()
            + (self.strs.capacity() + self.bytes.capacity()) * size_of::<&str>()
            + self.texts.capacity() * size_of::<TextRepr<'_>>()
            + self.blobs.capacity() * size_of::<(u32, u32)>()
            + self.runs.iter().map(Vec::capacity).sum::<usize>() * size_of::<Seq>()
            + self.objects.capacity() * size_of::<ObjectRepr>()
            + self.owned_text.capacity()
            + self.owned_bytes.capacity()
    }

    /// The document without its tables of what stands in the input, and these tables: the rest borrows nothing,
    /// and takes any lifetime.
    pub(crate) fn split<'b>(self) -> (Document<'b>, Borrowed<'a>) {
        let Self { bigs, strs, texts, bytes, bytearrays, .. } = self;
        let rest = Document {
            root: self.root,
            pool: self.pool,
            ints: self.ints,
            floats: self.floats,
            blobs: self.blobs,
            runs: self.runs,
            objects: self.objects,
            owned_text: self.owned_text,
            owned_bytes: self.owned_bytes,
            input_len: self.input_len,
            limits: self.limits,
            lookups: self.lookups,
            ..Document::default()
        };
        (rest, Borrowed { bigs, strs, texts, bytes, bytearrays })
    }

    /// The length of the table of a kind; 0 if its ids hold the value themselves.
    #[inline]
    pub(crate) const fn table_len(&self, kind: Kind) -> usize {
        match kind {
            Kind::Constant | Kind::Small => 0,
            Kind::Int => self.ints.len(),
            Kind::Big => self.bigs.len(),
            Kind::Float => self.floats.len(),
            Kind::Str => self.strs.len(),
            Kind::Text => self.texts.len(),
            Kind::Bytes => self.bytes.len(),
            Kind::Blob => self.blobs.len(),
            Kind::ByteArray => self.bytearrays.len(),
            Kind::Object => self.objects.len(),
            kind => self.runs[kind.run_table()].len(),
        }
    }

    /// Whether there is a node with this id.
    pub(crate) fn has(&self, id: NodeId) -> bool {
        match id.kind() {
            Kind::Constant => id != NodeId::ABSENT,
            Kind::Small => true,
            kind => id.index() < self.table_len(kind),
        }
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

    /// The bytes of a large integer: minimal two's complement.
    pub(crate) fn big(&self, id: NodeId) -> Option<&[u8]> {
        let repr = self.bigs.get(id.index()).filter(|_| id.kind() == Kind::Big);
        repr.map(|&repr| self.bytes_of(repr))
    }

    /// The bytes of a `bytearray`.
    pub(crate) fn bytearray(&self, id: NodeId) -> Option<&[u8]> {
        let repr = self.bytearrays.get(id.index()).filter(|_| id.kind() == Kind::ByteArray);
        repr.map(|&repr| self.bytes_of(repr))
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
