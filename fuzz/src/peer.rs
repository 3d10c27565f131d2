//! The target that compares with another decoder.

use std::collections::BTreeSet;

use pickle_codec::{Argument, DecodeOptions, Decoder, Limits, Node, NodeRef, Opcode, Py2Str, Value};
use serde_pickle::{DeOptions, HashableValue, Value as Theirs};

/// Where both decoders read a pickle, they read the same.
///
/// The other one neither bounds memory nor depth, so that only small inputs without multiplying references go to
/// it; and it has no order for dicts and no key equality across types, which is why only text keys are compared.
pub fn differential(data: &[u8]) {
    if data.len() > 1024 {
        return;
    }
    let Some(floats) = comparable(data) else { return };
    let mut decoder = Decoder::with_options(DecodeOptions::new().py2_str(Py2Str::Bytes));
    let Ok(document) = decoder.decode(data) else { return };
    let limits = Limits { max_expansion: Some(1 << 16), ..Limits::default() };
    let Ok(value) = document.root().to_value_with(&limits) else { return };
    if floats_apart(&value) != Some(floats) {
        return;
    }
    let Ok(theirs) = serde_pickle::value_from_slice(data, DeOptions::new()) else { return };
    if let Some(false) = same(document.root(), &theirs) {
        panic!("here {:?}, there {theirs:?}", document.root().to_value());
    }
}

/// How many floats are written in a pickle; `None` if objects are met again so often that writing each out could
/// take all memory, or if something stands in it that the other decoder is known to read otherwise.
fn comparable(data: &[u8]) -> Option<usize> {
    let mut floats = 0;
    let mut references = 0;
    let mut stored = BTreeSet::new();
    let mut memoizes = false;
    let mut is_new = false;
    for instruction in pickle_codec::instructions(data) {
        let instruction = instruction.ok()?;
        let stores =
            matches!(instruction.opcode, Opcode::Put | Opcode::Binput | Opcode::LongBinput | Opcode::Memoize);
        // It copies what is stored a second time, and fills one of the copies.
        if stores && !is_new {
            return None;
        }
        is_new = !stores && makes_new(instruction.opcode);
        match instruction.opcode {
            // It copies what DUP and GET give: what is done to the one is not done to the other.
            Opcode::Dup => return None,
            Opcode::Get | Opcode::Binget | Opcode::LongBinget => references += 1,
            Opcode::Append | Opcode::Appends | Opcode::Setitem | Opcode::Setitems | Opcode::Additems
                if references > 0 =>
            {
                return None;
            }
            // It looks references up at the end, when a later PUT of the same index has taken the place.
            Opcode::Put | Opcode::Binput | Opcode::LongBinput => {
                let Argument::Int(index) = instruction.argument else { return None };
                if !stored.insert(index) {
                    return None;
                }
            }
            Opcode::Memoize => memoizes = true,
            Opcode::Float | Opcode::Binfloat => floats += 1,
            // It reads escapes by Rust's rules.
            Opcode::String => return None,
            Opcode::Unicode if matches!(instruction.argument, Argument::Wtf8(_)) => return None,
            // It takes carriage returns at the end of a line away.
            Opcode::Unicode if matches!(&instruction.argument, Argument::Str(text) if text.ends_with('\r')) =>
            {
                return None;
            }
            _ => {}
        }
    }
    // MEMOIZE counts entries, and PUT does not: together they can meet.
    let meet = memoizes && !stored.is_empty();
    (references <= 8 && !meet).then_some(floats)
}

/// Whether what is on top of the stack behind an opcode cannot be in the memo yet.
const fn makes_new(opcode: Opcode) -> bool {
    !matches!(
        opcode,
        Opcode::Get
            | Opcode::Binget
            | Opcode::LongBinget
            | Opcode::Pop
            | Opcode::PopMark
            | Opcode::Append
            | Opcode::Appends
            | Opcode::Setitem
            | Opcode::Setitems
            | Opcode::Additems
            | Opcode::Build
            // These leave the stack as it was.
            | Opcode::Proto
            | Opcode::Frame
    )
}

/// How many floats there are; `None` if one of them is a key or a member of a set.
///
/// The other decoder sorts keys and members, and panics because its order of floats and integers is none: a NaN
/// is less than itself, and 2^53 as a float equals two integers. It does so for what a later pair of the same key
/// replaces, too, which the number of floats gives away.
fn floats_apart(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Float(_) => Some(1),
        Value::List(items) | Value::Tuple(items) => items.iter().map(floats_apart).sum(),
        Value::Dict(pairs) => pairs
            .iter()
            .map(|(key, value)| floats_apart(value).filter(|_| floats_apart(key) == Some(0)))
            .sum(),
        Value::Set(members) | Value::FrozenSet(members) => {
            members.iter().all(|member| floats_apart(member) == Some(0)).then_some(0)
        }
        _ => Some(0),
    }
}

/// Whether the two are the same; `None` where they cannot be compared.
fn same(node: NodeRef<'_, '_>, theirs: &Theirs) -> Option<bool> {
    Some(match (node.view(), theirs) {
        (Node::None, Theirs::None) => true,
        (Node::Bool(here), Theirs::Bool(there)) => here == *there,
        (Node::Int(here), Theirs::I64(there)) => here == *there,
        (Node::Int(here), Theirs::Int(there)) => there.to_string() == here.to_string(),
        (Node::BigInt(here), Theirs::Int(there)) => here.to_bigint().to_string() == there.to_string(),
        (Node::Float(here), Theirs::F64(there)) => {
            here.to_bits() == there.to_bits() || here.is_nan() && there.is_nan()
        }
        (Node::Str(here), Theirs::String(there)) => here.as_bytes() == there.as_bytes(),
        (Node::Bytes(here) | Node::ByteArray(here), Theirs::Bytes(there)) => here == there,
        (Node::List(here), Theirs::List(there)) | (Node::Tuple(here), Theirs::Tuple(there)) => {
            if here.len() != there.len() {
                return Some(false);
            }
            for (here, there) in here.iter().zip(there) {
                if !same(here, there)? {
                    return Some(false);
                }
            }
            true
        }
        (Node::Dict(here), Theirs::Dict(there)) => {
            for (key, value) in here.iter() {
                let Node::Str(key) = key.view() else { return None };
                let found = there.get(&HashableValue::String(key.as_str()?.to_owned()));
                if !found.map_or(Some(false), |found| same(value, found))? {
                    return Some(false);
                }
            }
            here.len() == there.len()
        }
        (Node::Set(here), Theirs::Set(there)) => return (here.len() == there.len()).then_some(true),
        (Node::FrozenSet(here), Theirs::FrozenSet(there)) => {
            return (here.len() == there.len()).then_some(true);
        }
        _ => false,
    })
}
