//! Values as tagged JSON within a bound: plain JSON where JSON has the word, an object with one `$` key elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pickle_codec::json::write_string;
use pickle_codec::tagged::{TaggedOptions, write_node};
use pickle_codec::{Limits, Value};

use crate::number::{write_float, write_int};
use python_format::CUT;

/// A value that would pass the bound. What was written of it is still there.
#[derive(Debug)]
pub(crate) struct Full;

/// The largest integer that is written in decimal, as CPython's own limit of 4,300 digits: what is larger takes
/// more than linear time.
const MAX_DECIMAL_BITS: u64 = 14_284;

/// Appends a value, as long as the output is no longer than `end`. Recurses as deep as the value, whose depth is
/// capped where it is read.
pub(crate) fn write_value(value: &Value<'_>, end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => write_int(*number, out),
        Value::Float(number) => write_float(*number, out),
        Value::Str(text) => {
            room(text.len(), end, out)?;
            write_string(text, out);
        }
        Value::Wtf8(bytes) => write_base64("$str", bytes, end, out)?,
        Value::Bytes(bytes) => write_base64("$bytes", bytes, end, out)?,
        Value::ByteArray(bytes) => write_base64("$bytearray", bytes, end, out)?,
        Value::BigInt(number) if number.bits() > MAX_DECIMAL_BITS => {
            room(usize::try_from(number.bits() / 4).unwrap_or(usize::MAX), end, out)?;
            write_string(&repr(value, usize::MAX), out);
        }
        Value::BigInt(number) => {
            out.extend_from_slice(b"{\"$int\":\"");
            out.extend_from_slice(number.to_string().as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Value::List(items) => write_items(items, end, out)?,
        Value::Tuple(items) => write_tagged_items("$tuple", items, end, out)?,
        Value::Set(items) => write_tagged_items("$set", items, end, out)?,
        Value::FrozenSet(items) => write_tagged_items("$frozenset", items, end, out)?,
        Value::Dict(pairs) => write_dict(pairs, end, out)?,
        other => write_object(other, end, out)?,
    }
    room(0, end, out)
}

/// Whether so many more bytes fit.
fn room(more: usize, end: usize, out: &[u8]) -> Result<(), Full> {
    if out.len().saturating_add(more) > end { Err(Full) } else { Ok(()) }
}

/// What only a document can spell: names, objects and known types.
#[inline(never)]
fn write_object(value: &Value<'_>, end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    let left = end.saturating_sub(out.len());
    let limits = Limits { max_expansion: Some(left), ..Limits::default() };
    let options = TaggedOptions::new().limits(limits);
    let written = value.to_document().and_then(|document| write_node(document.root(), &options, out));
    match written {
        Ok(()) => Ok(()),
        Err(_) => {
            // An object that cannot be spelled is still shown, if there is room.
            let mut shown = String::new();
            value.py_repr(&mut shown, left).map_err(|_| Full)?;
            write_string(&shown, out);
            Ok(())
        }
    }
}

fn open(tag: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_base64(tag: &str, bytes: &[u8], end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    room(bytes.len() / 3 * 4, end, out)?;
    open(tag, out);
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\"}");
    Ok(())
}

fn write_tagged_items(tag: &str, items: &[Value<'_>], end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    open(tag, out);
    write_items(items, end, out)?;
    out.push(b'}');
    Ok(())
}

fn write_items(items: &[Value<'_>], end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_value(item, end, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_dict(pairs: &[(Value<'_>, Value<'_>)], end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    if !pairs.iter().all(|(key, _)| matches!(key, Value::Str(name) if !name.starts_with('$'))) {
        open("$dict", out);
        write_pairs(pairs, end, out)?;
        out.push(b'}');
        return Ok(());
    }
    out.push(b'{');
    for (place, (key, value)) in pairs.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_value(key, end, out)?;
        out.push(b':');
        write_value(value, end, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_pairs(pairs: &[(Value<'_>, Value<'_>)], end: usize, out: &mut Vec<u8>) -> Result<(), Full> {
    out.push(b'[');
    for (place, (key, value)) in pairs.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.push(b'[');
        write_value(key, end, out)?;
        out.push(b',');
        write_value(value, end, out)?;
        out.push(b']');
    }
    out.push(b']');
    Ok(())
}

/// A value's `repr` of at most `most` bytes.
pub(crate) fn repr(value: &Value<'_>, most: usize) -> String {
    let mut text = String::new();
    // A repr beyond the limit ends early and says so.
    if value.py_repr(&mut text, most).is_err() {
        text.push_str(CUT);
    }
    text
}
