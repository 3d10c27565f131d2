//! Values to pickles.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::BufMut;

use super::graph;
use super::options::EncodeOptions;
use super::sink::{Copying, Scratch, Sink};
use super::writer::Writer;
use crate::build::builder::DocumentBuilder;
use crate::document::Document;
use crate::document::NodeId;
use crate::value::{ObjectValue, Value};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;
use crate::wire::text::is_wtf8;

/// Deepest nesting of a value; the code here recurses, as that which drops a value does.
const MAX_DEPTH: u32 = 1_024;

impl Value<'_> {
    /// The pickle of this value: what CPython's C pickler writes when no two places hold the same
    /// object, but for those that it has only once (`''`, one-character Latin-1 text, `b''`,
    /// single bytes, classes).
    ///
    /// # Errors
    /// As [`Document::to_vec`](crate::Document::to_vec); `depth` beyond 1,024 levels, `utf8` if a
    /// [`Wtf8`](Self::Wtf8) is none.
    ///
    /// ```
    /// use pickle_codec::{Protocol, Value};
    /// let value = Value::List(vec![Value::from("spam"), Value::Int(1)]);
    /// assert_eq!(value.to_vec(Protocol::V1)?, b"]q\x00(X\x04\x00\x00\x00spamq\x01K\x01e.");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn to_vec(&self, protocol: Protocol) -> Result<Vec<u8>> {
        self.encode_into(Vec::new(), EncodeOptions::new(protocol))
    }

    /// Appends the pickle to a buffer and gives the buffer back.
    ///
    /// # Errors
    /// As [`to_vec`](Self::to_vec); `budget` if the buffer has no room left.
    pub fn encode_into<B: BufMut>(&self, buffer: B, options: EncodeOptions) -> Result<B> {
        let mut writer = Writer::new(Copying(buffer), options.protocol, usize::MAX, Scratch::new());
        writer.memoize = !options.lean;
        write(&mut writer, self, 0)?;
        Ok(writer.finish()?.0.0)
    }

    /// The value as a document without sharing.
    ///
    /// # Errors
    /// `depth` beyond 1,024 levels; `utf8` if a [`Wtf8`](Self::Wtf8) is none; `budget` if it has
    /// more parts than a document can number.
    pub fn to_document(&self) -> Result<Document<'_>> {
        Maker::lent().document(self)
    }
}

impl<'a> Value<'a> {
    /// The value as a document without sharing, which borrows what the value borrows and owns the
    /// rest.
    ///
    /// # Errors
    /// As [`to_document`](Self::to_document).
    pub fn into_document(self) -> Result<Document<'a>> {
        Maker::kept().document(&self)
    }
}

/// Builds a document, with what it may borrow of a value's text and bytes.
struct Maker<'v, 'a, 'x> {
    builder: DocumentBuilder<'x>,
    text: fn(&'v Cow<'a, str>) -> Option<&'x str>,
    bytes: fn(&'v Cow<'a, [u8]>) -> Option<&'x [u8]>,
}

impl<'v, 'a, 'x> Maker<'v, 'a, 'x> {
    fn document(mut self, value: &'v Value<'a>) -> Result<Document<'x>> {
        let root = build(&mut self, value, 0)?;
        Ok(self.builder.finish(root))
    }
}

impl<'v, 'a> Maker<'v, 'a, 'v> {
    /// Borrows from the value.
    fn lent() -> Self {
        Self { builder: DocumentBuilder::new(), text: |text| Some(text), bytes: |bytes| Some(bytes) }
    }
}

impl<'v, 'a> Maker<'v, 'a, 'a> {
    /// Borrows what the value borrows.
    fn kept() -> Self {
        Self {
            builder: DocumentBuilder::new(),
            text: |text| match text {
                Cow::Borrowed(text) => Some(text),
                Cow::Owned(_) => None,
            },
            bytes: |bytes| match bytes {
                Cow::Borrowed(bytes) => Some(bytes),
                Cow::Owned(_) => None,
            },
        }
    }
}

fn deeper(depth: u32) -> Result<u32> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Error::plain(ErrorKind::Depth)) }
}

/// Whether [`write()`] would come to an end, so that no value is written in part.
pub(crate) fn check<'x, S: Sink<'x>>(value: &Value<'_>, writer: &Writer<'x, S>) -> Result<()> {
    if fits(value, writer.protocol(), 0)? { Ok(()) } else { write(&mut writer.trial(), value, 0) }
}

/// Whether a value is sure to be written whole; whatever may have no form is to be tried.
fn fits(value: &Value<'_>, protocol: Protocol, depth: u32) -> Result<bool> {
    const SHORT: usize = 1 << 30;
    let all = |items: &[Value<'_>], depth: u32| -> Result<bool> {
        items.iter().try_fold(true, |all, item| Ok(fits(item, protocol, depth)? && all))
    };
    Ok(match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => true,
        Value::BigInt(value) => protocol >= Protocol::V2 || value.bits() < 64 * 128,
        Value::Str(text) => text.len() < SHORT,
        Value::Bytes(bytes) | Value::ByteArray(bytes) => bytes.len() < SHORT,
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            all(items, deeper(depth)?)?
        }
        Value::Dict(pairs) => {
            let depth = deeper(depth)?;
            pairs.iter().try_fold(true, |all, (key, value)| {
                Ok::<_, Error>(fits(key, protocol, depth)? && fits(value, protocol, depth)? && all)
            })?
        }
        _ => false,
    })
}

/// Writes a value as one item.
pub(crate) fn write<'x, S: Sink<'x>>(
    writer: &mut Writer<'x, S>,
    value: &Value<'_>,
    depth: u32,
) -> Result<()> {
    match value {
        Value::None => return writer.none(),
        Value::Bool(value) => return writer.bool(*value),
        Value::Int(value) => return writer.int(*value),
        Value::BigInt(value) => return writer.int_le(&value.to_signed_bytes_le()),
        Value::Float(value) => return writer.float(*value),
        Value::Str(text) => return writer.text(text.as_bytes()),
        Value::Wtf8(bytes) if is_wtf8(bytes) => return writer.text(bytes),
        Value::Wtf8(_) => return Err(Error::plain(ErrorKind::Utf8)),
        Value::Bytes(bytes) => return writer.bytes(bytes),
        Value::ByteArray(bytes) => return writer.bytearray(bytes),
        Value::List(items) => writer.begin_list(items.len())?,
        Value::Tuple(items) => writer.begin_tuple(items.len())?,
        Value::Set(items) => writer.begin_set(items.len())?,
        Value::FrozenSet(items) => writer.begin_frozenset(items.len())?,
        Value::Dict(pairs) => {
            let depth = deeper(depth)?;
            writer.begin_dict(pairs.len())?;
            for (key, value) in pairs {
                write(writer, key, depth)?;
                write(writer, value, depth)?;
            }
            return writer.end();
        }
        Value::Global(_)
        | Value::Object(_)
        | Value::PersistentId(_)
        | Value::Extension(_)
        | Value::Buffer(..) => {
            let mut maker = Maker::lent();
            let root = build(&mut maker, value, depth)?;
            return graph::copy(&maker.builder.finish(root), writer);
        }
    }
    let depth = deeper(depth)?;
    if let Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) = value {
        for item in items {
            write(writer, item, depth)?;
        }
    }
    writer.end()
}

/// Makes the nodes of a value. Keys are taken as they are, duplicates included.
fn build<'v, 'a>(maker: &mut Maker<'v, 'a, '_>, value: &'v Value<'a>, depth: u32) -> Result<NodeId> {
    Ok(match value {
        Value::None => maker.builder.none(),
        Value::Bool(value) => maker.builder.bool(*value),
        Value::Int(value) => maker.builder.int(*value)?,
        Value::BigInt(value) => maker.builder.big_int(value)?,
        Value::Float(value) => maker.builder.float(*value)?,
        Value::Str(text) => match (maker.text)(text) {
            Some(text) => maker.builder.str(text)?,
            None => maker.builder.owned_str(text)?,
        },
        Value::Wtf8(bytes) => match (maker.bytes)(bytes) {
            Some(bytes) => maker.builder.wtf8(bytes)?,
            None => maker.builder.owned_wtf8(bytes)?,
        },
        Value::Bytes(bytes) => match (maker.bytes)(bytes) {
            Some(bytes) => maker.builder.bytes(bytes)?,
            None => maker.builder.owned_bytes(bytes)?,
        },
        Value::ByteArray(bytes) => match (maker.bytes)(bytes) {
            Some(bytes) => maker.builder.bytearray(bytes)?,
            None => maker.builder.owned_bytearray(bytes)?,
        },
        Value::List(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.builder.list(&ids)?
        }
        Value::Tuple(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.builder.tuple(&ids)?
        }
        Value::Set(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.builder.raw_set(&ids)?
        }
        Value::FrozenSet(items) => {
            let ids = build_all(maker, items, depth)?;
            maker.builder.raw_frozenset(&ids)?
        }
        Value::Dict(pairs) => build_dict(maker, pairs, depth)?,
        Value::Global(global) => maker.builder.global(&global.module, &global.name)?,
        Value::Object(object) => build_object(maker, object, depth)?,
        Value::PersistentId(value) => {
            let value = build(maker, value, deeper(depth)?)?;
            maker.builder.persistent_id(value)?
        }
        Value::Extension(code) => maker.builder.extension(*code)?,
        Value::Buffer(index, read_only) => maker.builder.buffer(*index, *read_only)?,
    })
}

fn build_all<'v, 'a>(
    maker: &mut Maker<'v, 'a, '_>,
    items: &'v [Value<'a>],
    depth: u32,
) -> Result<Vec<NodeId>> {
    let depth = deeper(depth)?;
    items.iter().map(|item| build(maker, item, depth)).collect()
}

fn build_dict<'v, 'a>(
    maker: &mut Maker<'v, 'a, '_>,
    pairs: &'v [(Value<'a>, Value<'a>)],
    depth: u32,
) -> Result<NodeId> {
    let depth = deeper(depth)?;
    let mut ids = Vec::with_capacity(pairs.len().saturating_mul(2));
    for (key, value) in pairs {
        ids.push(build(maker, key, depth)?);
        ids.push(build(maker, value, depth)?);
    }
    maker.builder.raw_dict(&ids)
}

fn build_object<'v, 'a>(
    maker: &mut Maker<'v, 'a, '_>,
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
    maker.builder.raw_object(crate::document::Instance {
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
