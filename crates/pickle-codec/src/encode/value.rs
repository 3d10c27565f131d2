//! Values to pickles.

use alloc::vec::Vec;

use bytes::BufMut;

use super::graph;
use super::options::EncodeOptions;
use super::sink::{Copying, Scratch, Sink};
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
            return graph::copy(&value.to_document_within(depth)?, writer);
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
