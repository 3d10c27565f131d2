//! A value as the document that it makes, which is how it is printed, read and written as JSON.

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
        let mut maker = NodeMaker::lent();
        let root = build_object(&mut maker, self, 0).ok()?;
        match maker.builder.finish(root).root().view() {
            Node::Object(object) => object.known().map(read),
            _ => None,
        }
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
fn build<'v, 'a>(maker: &mut NodeMaker<'v, 'a, '_>, value: &'v Value<'a>, depth: u32) -> Result<NodeId> {
    match value {
        Value::None => Ok(maker.builder.none()),
        Value::Bool(value) if maker.plain => maker.builder.int(i64::from(*value)),
        Value::Bool(value) => Ok(maker.builder.bool(*value)),
        Value::Int(value) => maker.builder.int(*value),
        Value::BigInt(value) => maker.builder.big_int(value),
        Value::Float(value) if maker.plain => match float_number(*value) {
            Number::Int(value) => maker.builder.int(value),
            Number::Big(bytes) => maker.builder.big_int_le(&bytes),
            Number::Float(_) if value.is_nan() => Err(Error::plain(ErrorKind::Data)),
            Number::Float(_) => maker.builder.float(*value),
        },
        Value::Float(value) => maker.builder.float(*value),
        Value::Str(text) => maker.builder.str_from(text, (maker.text)(text)),
        Value::Wtf8(bytes) => maker.builder.wtf8_from(bytes, (maker.bytes)(bytes)),
        Value::ByteArray(bytes) if !maker.plain => maker.builder.bytearray_from(bytes, (maker.bytes)(bytes)),
        Value::Bytes(bytes) | Value::ByteArray(bytes) => {
            maker.builder.bytes_from(bytes, (maker.bytes)(bytes))
        }
        Value::List(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.builder.list(&ids)
        }
        Value::Tuple(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.builder.tuple(&ids)
        }
        Value::Set(items) | Value::FrozenSet(items) => {
            let ids = build_all(maker, items, depth)?;
            let is_frozen = maker.plain || matches!(value, Value::FrozenSet(_));
            let set = if is_frozen { maker.builder.frozenset(&[])? } else { maker.builder.set()? };
            maker.builder.fill(set, &ids)
        }
        Value::Dict(pairs) => build_dict(maker, pairs, depth),
        Value::Global(global) => maker.builder.global(&global.module, &global.name),
        Value::Object(object) => build_object(maker, object, depth),
        Value::PersistentId(value) => {
            let value = build(maker, value, deeper(depth)?)?;
            maker.builder.persistent_id(value)
        }
        Value::Extension(code) => maker.builder.extension(*code),
        Value::Buffer(index, read_only) => maker.builder.buffer(*index, *read_only),
    }
}

fn build_all<'v, 'a>(
    maker: &mut NodeMaker<'v, 'a, '_>,
    items: &'v [Value<'a>],
    depth: u32,
) -> Result<Vec<NodeId>> {
    let depth = deeper(depth)?;
    items.iter().map(|item| build(maker, item, depth)).collect()
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

fn build_object<'v, 'a>(
    maker: &mut NodeMaker<'v, 'a, '_>,
    object: &'v ObjectValue<'a>,
    depth: u32,
) -> Result<NodeId> {
    let inner = deeper(depth)?;
    let class = build(maker, &object.class, inner)?;
    let args = build_all(maker, &object.args, depth)?;
    let args = maker.builder.tuple(&args)?;
    let mut part = |pairs: &'v Option<Vec<(Value<'a>, Value<'a>)>>| match pairs {
        Some(pairs) => build_dict(maker, pairs, inner),
        None => Ok(NodeId::ABSENT),
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
    let state = match &object.state {
        Some(state) => build(maker, state, inner)?,
        None => NodeId::ABSENT,
    };
    maker.builder.raw_object(Instance {
        class,
        construct: object.construct,
        known: object.known,
        args,
        kwargs,
        state,
        items,
        pairs,
        meta: 0,
    })
}
