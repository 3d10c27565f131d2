//! Values to pickles, without a document in between where they are made of what has an opcode.
//!
//! A value is a tree: no place in it is another one, and no graph is needed to find that out. Only what a document knows
//! how to spell (names, objects and the rest) becomes one, on its own.

use alloc::vec::Vec;

use bytes::BufMut;

use super::graph;
use super::options::EncodeOptions;
use super::sink::{Copying, EncodeScratch, Sink};
use super::writer::Writer;
use crate::value::Value;
use crate::value::to_document::deeper;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;
use crate::wire::text::is_wtf8;

impl Value<'_> {
    /// The pickle of this value: what CPython's C pickler writes when no two places hold the same
    /// object, but for those that it has only once (`''`, one-character Latin-1 text, `b''`,
    /// single bytes, classes).
    ///
    /// # Errors
    /// As [`Document::to_vec`](crate::Document::to_vec) and [`Value::to_document`].
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
        let mut writer = Writer::new(Copying(buffer), options.protocol, usize::MAX, EncodeScratch::new());
        writer.memoize = !options.lean;
        write(&mut writer, self, 0)?;
        Ok(writer.finish()?.0.0)
    }
}

/// Whether [`write`] would come to an end, so that no value is written in part.
pub(super) fn check<'x, S: Sink<'x>>(value: &Value<'_>, writer: &Writer<'x, S>) -> Result<()> {
    if fits(value, writer.protocol(), 0)? { Ok(()) } else { write(&mut writer.trial(), value, 0) }
}

/// Whether a value is sure to be written whole, which is quick to see of most; whatever may have no form is to be
/// tried.
fn fits(value: &Value<'_>, protocol: Protocol, depth: u32) -> Result<bool> {
    const SHORT: usize = 1 << 30;
    Ok(match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => true,
        Value::BigInt(value) => protocol >= Protocol::V2 || value.bits() < 64 * 128,
        Value::Str(text) => text.len() < SHORT,
        Value::Bytes(bytes) | Value::ByteArray(bytes) => bytes.len() < SHORT,
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            let depth = deeper(depth)?;
            items.iter().try_fold(true, |all, item| fits(item, protocol, depth).map(|fits| fits && all))?
        }
        Value::Dict(pairs) => {
            let depth = deeper(depth)?;
            let mut items = pairs.iter().flat_map(|(key, value)| [key, value]);
            items.try_fold(true, |all, item| fits(item, protocol, depth).map(|fits| fits && all))?
        }
        _ => false,
    })
}

/// Writes a value as one item. Recurses as deep as the value: what is not about its items stands in functions of its own,
/// so that a level takes little of the stack.
pub(super) fn write<'x, S: Sink<'x>>(
    writer: &mut Writer<'x, S>,
    value: &Value<'_>,
    depth: u32,
) -> Result<()> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            let depth = deeper(depth)?;
            begin(writer, value, items.len())?;
            items.iter().try_for_each(|item| write(writer, item, depth))?;
        }
        Value::Dict(pairs) => {
            let depth = deeper(depth)?;
            writer.begin_dict(pairs.len())?;
            pairs
                .iter()
                .flat_map(|(key, value)| [key, value])
                .try_for_each(|item| write(writer, item, depth))?;
        }
        leaf => return write_leaf(writer, leaf, depth),
    }
    writer.end()
}

/// Opens a container of so many items.
fn begin<'x, S: Sink<'x>>(writer: &mut Writer<'x, S>, value: &Value<'_>, len: usize) -> Result<()> {
    match value {
        Value::List(_) => writer.begin_list(len),
        Value::Tuple(_) => writer.begin_tuple(len),
        Value::Set(_) => writer.begin_set(len),
        _ => writer.begin_frozenset(len),
    }
}

/// Writes what holds no items, and what only a document can spell.
fn write_leaf<'x, S: Sink<'x>>(writer: &mut Writer<'x, S>, value: &Value<'_>, depth: u32) -> Result<()> {
    match value {
        Value::None => writer.none(),
        Value::Bool(value) => writer.bool(*value),
        Value::Int(value) => writer.int(*value),
        Value::BigInt(value) => writer.int_le(&value.to_signed_bytes_le()),
        Value::Float(value) => writer.float(*value),
        Value::Str(text) => writer.text(text.as_bytes()),
        Value::Wtf8(bytes) if is_wtf8(bytes) => writer.text(bytes),
        Value::Wtf8(_) => Err(Error::plain(ErrorKind::Utf8)),
        Value::Bytes(bytes) => writer.bytes(bytes),
        Value::ByteArray(bytes) => writer.bytearray(bytes),
        other => graph::copy(&other.to_document_within(depth)?, writer),
    }
}
