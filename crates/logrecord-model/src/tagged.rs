//! Values as tagged JSON: plain JSON where JSON has the word, an object with one `$` key elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pickle_codec::Value;
use pickle_codec::tagged::{TaggedOptions, write_node};

use crate::graph::Graph;
use crate::json::{write_float, write_int};
use crate::quote::write_str;

/// Appends a value. Recurses as deep as the value, whose depth is capped where it is read.
pub(crate) fn write_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => write_int(*number, out),
        Value::Float(number) => write_float(*number, out),
        Value::Str(text) => write_str(text, out),
        Value::Wtf8(bytes) => write_base64("$str", bytes, out),
        Value::Bytes(bytes) => write_base64("$bytes", bytes, out),
        Value::ByteArray(bytes) => write_base64("$bytearray", bytes, out),
        Value::BigInt(number) => {
            out.extend_from_slice(b"{\"$int\":\"");
            out.extend_from_slice(number.to_string().as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Value::List(items) => write_items(items, out),
        Value::Tuple(items) => write_tagged_items("$tuple", items, out),
        Value::Set(items) => write_tagged_items("$set", items, out),
        Value::FrozenSet(items) => write_tagged_items("$frozenset", items, out),
        Value::Dict(pairs) => write_dict(pairs, out),
        other => write_object(other, out),
    }
}

/// What only a document can spell: names, objects and known types.
#[inline(never)]
fn write_object(value: &Value<'_>, out: &mut Vec<u8>) {
    let mut graph = Graph::default();
    let written = graph.node(value).and_then(|root| {
        let document = graph.finish(root);
        write_node(document.root(), &TaggedOptions::new(), out)
    });
    if written.is_err() {
        // An object that cannot be spelled is still shown.
        write_str(&repr(value), out);
    }
}

fn open(tag: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_base64(tag: &str, bytes: &[u8], out: &mut Vec<u8>) {
    open(tag, out);
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\"}");
}

fn write_tagged_items(tag: &str, items: &[Value<'_>], out: &mut Vec<u8>) {
    open(tag, out);
    write_items(items, out);
    out.push(b'}');
}

fn write_items(items: &[Value<'_>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_value(item, out);
    }
    out.push(b']');
}

fn write_dict(pairs: &[(Value<'_>, Value<'_>)], out: &mut Vec<u8>) {
    if !pairs.iter().all(|(key, _)| matches!(key, Value::Str(name) if !name.starts_with('$'))) {
        open("$dict", out);
        write_pairs(pairs, out);
        out.push(b'}');
        return;
    }
    out.push(b'{');
    for (place, (key, value)) in pairs.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if let Value::Str(name) = key {
            write_str(name, out);
        }
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

fn write_pairs(pairs: &[(Value<'_>, Value<'_>)], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, (key, value)) in pairs.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.push(b'[');
        write_value(key, out);
        out.push(b',');
        write_value(value, out);
        out.push(b']');
    }
    out.push(b']');
}

/// The longest `repr` of a key, in bytes.
const MAX_REPR: usize = 64 << 10;

/// The `repr` of a key.
pub(crate) fn repr(value: &Value<'_>) -> String {
    let mut text = String::new();
    // A repr beyond the limit ends early and says so.
    if value.py_repr(&mut text, MAX_REPR).is_err() {
        text.push_str("...");
    }
    text
}
