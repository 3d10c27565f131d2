//! A value as the document that it makes, which is how it is printed, compared, encoded and written as JSON.
//!
//! Three kinds of document are made of a value: one that borrows from the value ([`NodeMaker::lent`]), which costs
//! its nodes alone and lives as long as the value; one that borrows what the value borrows
//! ([`NodeMaker::kept`]), which outlives it; and one in which what is equal in Python is the same node
//! ([`NodeMaker::plain`]), so that comparing graphs is Python's `==`.
//!
//! The code recurses, as that which drops a value does, and so it counts the levels. Keys of dicts and members of sets
//! are taken as they stand: to look for duplicates would need their hashes, and nobody needs to know.

use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;

use super::{ObjectValue, Value};
use crate::build::builder::DocumentBuilder;
use crate::build::keys::{Number, float_number};
use crate::document::{Document, Instance, Node, NodeId};
use crate::known::Known;
use crate::wire::error::{Error, ErrorKind, Result};

/// Deepest nesting of a value; the code here recurses, as that which drops a value does.
const MAX_DEPTH: u32 = 1_024;

pub(crate) fn deeper(depth: u32) -> Result<u32> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Error::plain(ErrorKind::Depth)) }
}

impl Value<'_> {
    /// The value as a document without sharing.
    ///
    /// # Errors
    /// `depth` beyond 1,024 levels; `utf8` if a [`Wtf8`](Self::Wtf8) is none; `budget` if it has
    /// more parts than a document can number.
    pub fn to_document(&self) -> Result<Document<'_>> {
        self.to_document_within(0)
    }

    /// The document of a value that so many levels hold.
    pub(crate) fn to_document_within(&self, depth: u32) -> Result<Document<'_>> {
        NodeMaker::lent().document(self, depth)
    }
}

impl<'a> Value<'a> {
    /// The value as a document without sharing, which borrows what the value borrows and owns the
    /// rest.
    ///
    /// # Errors
    /// As [`to_document`](Self::to_document).
    pub fn into_document(self) -> Result<Document<'a>> {
        NodeMaker::kept().document(&self, 0)
    }
}

impl ObjectValue<'_> {
    /// Gives the typed reading of a known object to a function; see [`Known`].
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Globals, Known, Value};
    /// let options = DecodeOptions::new().globals(Globals::Known);
    /// let value = Value::from_slice_with(b"cdecimal\nDecimal\n(X\x04\x00\x00\x001.10tR.", &options)?;
    /// let text = value.as_object().and_then(|object| {
    ///     object.with_known(|known| match known {
    ///         Known::Decimal(text) => text.to_owned(),
    ///         _ => String::new(),
    ///     })
    /// });
    /// assert_eq!(text.as_deref(), Some("1.10"));
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn with_known<R>(&self, read: impl FnOnce(Known<'_, '_>) -> R) -> Option<R> {
        self.known?;
        match self.document().ok()?.root().view() {
            Node::Object(object) => object.known().map(read),
            _ => None,
        }
    }

    pub(super) fn document(&self) -> Result<Document<'_>> {
        let mut maker = NodeMaker::lent();
        let root = build_object(&mut maker, self, 0)?;
        Ok(maker.builder.finish(root))
    }
}

impl<'v> DocumentBuilder<'v> {
    /// A value as nodes of this document, which borrow the value's text and bytes.
    ///
    /// ```
    /// use pickle_codec::{DocumentBuilder, Value};
    /// let value = Value::List(vec![Value::Int(1), Value::from("two")]);
    /// let mut builder = DocumentBuilder::new();
    /// let nodes = [builder.value(&value)?, builder.none()];
    /// let root = builder.tuple(&nodes)?;
    /// assert_eq!(builder.finish(root).to_string(), "([1, 'two'], None)");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Value::to_document`].
    pub fn value(&mut self, value: &'v Value<'_>) -> Result<NodeId> {
        let mut maker = NodeMaker { builder: core::mem::take(self), ..NodeMaker::lent() };
        let node = build(&mut maker, value, 0);
        *self = maker.builder;
        node
    }
}

/// Builds a document, with what it may borrow of a value's text and bytes.
pub(super) struct NodeMaker<'v, 'a, 'x> {
    builder: DocumentBuilder<'x>,
    text: fn(&'v Cow<'a, str>) -> Option<&'x str>,
    bytes: fn(&'v Cow<'a, [u8]>) -> Option<&'x [u8]>,
    /// Whether values that are equal in Python become the same nodes: whole numbers integers, sets frozen and
    /// bytes immutable. A NaN, which equals nothing, is an error then.
    plain: bool,
}

impl<'v, 'a, 'x> NodeMaker<'v, 'a, 'x> {
    pub(super) fn document(mut self, value: &'v Value<'a>, depth: u32) -> Result<Document<'x>> {
        let root = build(&mut self, value, depth)?;
        Ok(self.builder.finish(root))
    }
}

impl<'v, 'a> NodeMaker<'v, 'a, 'v> {
    /// Borrows from the value.
    fn lent() -> Self {
        Self {
            builder: DocumentBuilder::new(),
            text: |text| Some(text),
            bytes: |bytes| Some(bytes),
            plain: false,
        }
    }

    /// Borrows from the value, and makes the same of what is equal in Python.
    pub(super) fn plain() -> Self {
        Self { plain: true, ..Self::lent() }
    }
}

impl<'v, 'a> NodeMaker<'v, 'a, 'a> {
    /// Borrows what the value borrows.
    fn kept() -> Self {
        fn borrowed<'a, T: ToOwned + ?Sized>(text: &Cow<'a, T>) -> Option<&'a T> {
            match text {
                Cow::Borrowed(text) => Some(text),
                Cow::Owned(_) => None,
            }
        }
        Self { builder: DocumentBuilder::new(), text: borrowed, bytes: borrowed, plain: false }
    }
}

/// Makes the nodes of a value. Keys are taken as they are, duplicates included.
///
/// What holds no others is made elsewhere, so that little of the stack is taken at each level.
fn build<'v, 'a>(maker: &mut NodeMaker<'v, 'a, '_>, value: &'v Value<'a>, depth: u32) -> Result<NodeId> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.container(value, &ids)
        }
        Value::Dict(pairs) => build_dict(maker, pairs, depth),
        Value::Object(object) => build_object(maker, object, depth),
        Value::PersistentId(value) => {
            let value = build(maker, value, deeper(depth)?)?;
            maker.builder.persistent_id(value)
        }
        leaf => maker.leaf(leaf),
    }
}

impl<'v, 'a> NodeMaker<'v, 'a, '_> {
    /// A list, tuple, set or frozenset of these items.
    #[inline(never)]
    fn container(&mut self, value: &Value<'_>, ids: &[NodeId]) -> Result<NodeId> {
        let set = match value {
            Value::List(_) => return self.builder.list(ids),
            Value::Tuple(_) => return self.builder.tuple(ids),
            Value::Set(_) if !self.plain => self.builder.set()?,
            _ => self.builder.frozenset(&[])?,
        };
        self.builder.fill(set, ids)
    }

    /// What holds no other values.
    #[inline(never)]
    fn leaf(&mut self, value: &'v Value<'a>) -> Result<NodeId> {
        match value {
            Value::Bool(value) if self.plain => self.builder.int(i64::from(*value)),
            Value::Bool(value) => Ok(self.builder.bool(*value)),
            Value::Int(value) => self.builder.int(*value),
            Value::BigInt(value) => self.builder.big_int(value),
            Value::Float(value) if self.plain => match float_number(*value) {
                Number::Int(value) => self.builder.int(value),
                Number::Big(bytes) => self.builder.big_int_le(&bytes),
                Number::Float(_) if value.is_nan() => Err(Error::plain(ErrorKind::Data)),
                Number::Float(_) => self.builder.float(*value),
            },
            Value::Float(value) => self.builder.float(*value),
            Value::Str(text) => self.builder.str_from(text, (self.text)(text)),
            Value::Wtf8(bytes) => self.builder.wtf8_from(bytes, (self.bytes)(bytes)),
            Value::ByteArray(bytes) if !self.plain => self.builder.bytearray_from(bytes, (self.bytes)(bytes)),
            Value::Bytes(bytes) | Value::ByteArray(bytes) => {
                self.builder.bytes_from(bytes, (self.bytes)(bytes))
            }
            Value::Global(global) => self.builder.global(&global.module, &global.name),
            Value::Extension(code) => self.builder.extension(*code),
            Value::Buffer(index, read_only) => self.builder.buffer(*index, *read_only),
            _ => Ok(self.builder.none()),
        }
    }
}

/// The nodes of items, a level deeper.
fn build_all<'v, 'a>(
    maker: &mut NodeMaker<'v, 'a, '_>,
    items: &'v [Value<'a>],
    depth: u32,
) -> Result<Vec<NodeId>> {
    let depth = deeper(depth)?;
    let mut ids = Vec::with_capacity(items.len());
    for item in items {
        ids.push(build(maker, item, depth)?);
    }
    Ok(ids)
}

fn build_dict<'v, 'a>(
    maker: &mut NodeMaker<'v, 'a, '_>,
    pairs: &'v [(Value<'a>, Value<'a>)],
    depth: u32,
) -> Result<NodeId> {
    let depth = deeper(depth)?;
    let mut ids = Vec::with_capacity(pairs.len().saturating_mul(2));
    for (key, value) in pairs {
        ids.push(build(maker, key, depth)?);
        ids.push(build(maker, value, depth)?);
    }
    let dict = maker.builder.dict()?;
    maker.builder.fill(dict, &ids)
}

/// An object with its parts as they stand: the reading was checked when the value was made of a document, and
/// nothing is read anew.
fn build_object<'v, 'a>(
    maker: &mut NodeMaker<'v, 'a, '_>,
    object: &'v ObjectValue<'a>,
    depth: u32,
) -> Result<NodeId> {
    let inner = deeper(depth)?;
    let class = build(maker, &object.class, inner)?;
    let args = build_all(maker, &object.args, depth)?;
    let args = maker.builder.tuple(&args)?;
    let mut part = |pairs: &'v Option<Vec<(Value<'a>, Value<'a>)>>| {
        pairs.as_ref().map_or(Ok(NodeId::ABSENT), |pairs| build_dict(maker, pairs, inner))
    };
    let kwargs = part(&object.kwargs)?;
    let pairs = part(&object.pairs)?;
    let items = match &object.items {
        Some(items) => {
            let ids = build_all(maker, items, inner)?;
            maker.builder.list(&ids)?
        }
        None => NodeId::ABSENT,
    };
    let state = object.state.as_ref().map_or(Ok(NodeId::ABSENT), |state| build(maker, state, inner))?;
    let instance = Instance::new(class, object.construct, args, kwargs);
    maker.builder.raw_object(Instance { known: object.known, state, items, pairs, ..instance })
}
