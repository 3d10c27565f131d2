//! `arbitrary` for values, so that crates which depend on this one can fuzz what they do with them.
//!
//! What is made is plain data that comes back from its pickle as it was: no objects, whose meaning a fuzz target
//! would have to know, and no keys that are equal to others or not to themselves. Small integers, which have opcodes
//! of their own, come as often as large ones.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};
use num_bigint::BigInt;

use crate::value::Value;
use crate::wire::text;

/// Containers inside containers.
const MAX_DEPTH: usize = 6;

/// Text and bytes are borrowed from the data where they are UTF-8. Dicts have no duplicate keys and
/// sets no duplicate members, so that a value comes back from its pickle as it was.
impl<'a> Arbitrary<'a> for Value<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        value(u, MAX_DEPTH)
    }
}

fn value<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Value<'a>> {
    let kinds = if depth == 0 { 8 } else { 13 };
    Ok(match u.int_in_range(0..=kinds)? {
        4 => big(u)?,
        5 => Value::Float(u.arbitrary()?),
        7 => Value::ByteArray(Cow::Borrowed(u.arbitrary()?)),
        8 => surrogates(u)?,
        9 => Value::List(items(u, depth, value)?),
        10 => Value::Tuple(items(u, depth, value)?),
        11 => Value::Dict(pairs(u, depth)?),
        12 => Value::Set(members(u, depth)?),
        13 => Value::FrozenSet(members(u, depth)?),
        other => scalar(u, other)?,
    })
}

fn scalar<'a>(u: &mut Unstructured<'a>, kind: u8) -> Result<Value<'a>> {
    Ok(match kind {
        0 => Value::None,
        1 => Value::Bool(u.arbitrary()?),
        2 => Value::Int(i64::from(u.arbitrary::<i16>()?)),
        3 => Value::Int(u.arbitrary()?),
        6 => Value::Bytes(Cow::Borrowed(u.arbitrary()?)),
        _ => Value::Str(Cow::Borrowed(u.arbitrary()?)),
    })
}

fn big<'a>(u: &mut Unstructured<'a>) -> Result<Value<'a>> {
    let bytes: &[u8] = u.arbitrary()?;
    Ok(Value::from(BigInt::from_signed_bytes_le(bytes.get(..32).unwrap_or(bytes))))
}

/// Text with at least one lone surrogate.
fn surrogates<'a>(u: &mut Unstructured<'a>) -> Result<Value<'a>> {
    let mut bytes = Vec::from(u.arbitrary::<&str>()?.as_bytes());
    let point = 0xd800 + u32::from(u.arbitrary::<u16>()? % 0x800);
    // Every code point from 0xd800 to 0xdfff can be written.
    text::push_code_point(point, &mut bytes).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    bytes.extend_from_slice(u.arbitrary::<&str>()?.as_bytes());
    Ok(Value::Wtf8(Cow::Owned(bytes)))
}

fn items<'a>(
    u: &mut Unstructured<'a>,
    depth: usize,
    make: fn(&mut Unstructured<'a>, usize) -> Result<Value<'a>>,
) -> Result<Vec<Value<'a>>> {
    let len = u.int_in_range(0..=8)?;
    (0..len).map(|_| make(u, depth - 1)).collect()
}

/// A key: hashable, and equal to itself.
fn key<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Value<'a>> {
    let kinds = if depth == 0 { 7 } else { 8 };
    Ok(match u.int_in_range(0..=kinds)? {
        4 => big(u)?,
        5 => match u.arbitrary()? {
            number if f64::is_nan(number) => Value::Float(0.5),
            number => Value::Float(number),
        },
        8 => Value::Tuple(items(u, depth, key)?),
        other => scalar(u, other)?,
    })
}

/// Keys of which no two are equal in Python.
fn members<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Vec<Value<'a>>> {
    let mut members: Vec<Value<'a>> = Vec::new();
    for member in items(u, depth, key)? {
        if !members.iter().any(|other| other.py_eq(&member)) {
            members.push(member);
        }
    }
    Ok(members)
}

/// Pairs of a dict, whose values may be anything.
fn pairs<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Vec<(Value<'a>, Value<'a>)>> {
    members(u, depth)?.into_iter().map(|key| Ok((key, value(u, depth - 1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        core::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn values_vary() {
        let mut kinds = alloc::collections::BTreeSet::new();
        for seed in 0..1_000 {
            let data = noise(seed, 200);
            let value = Value::arbitrary(&mut Unstructured::new(&data)).unwrap();
            kinds.insert(alloc::format!("{:?}", core::mem::discriminant(&value)));
        }
        assert!(kinds.len() >= 12, "{kinds:?}");
    }
}
