//! Numbers as Python's equality sees them.
//!
//! `hash(1.0) == hash(1)`, and `2.0 ** 70 == 2 ** 70` exactly. So a float that is an integer is one here, of any size, and
//! only fractions, infinities and NaN stay floats. They are compared by their bits, which is exact because the one value
//! with two patterns, zero, is an integer.

use alloc::borrow::Cow;

use crate::document::Document;
use crate::document::{Kind, NodeId};

/// A number as Python's equality sees it: `1 == 1.0 == True`.
#[derive(PartialEq)]
pub(crate) enum Number<'d> {
    Int(i64),
    /// Minimal two's complement.
    Big(Cow<'d, [u8]>),
    /// Bits of a float that is no integer.
    Float(u64),
}

pub(super) fn number<'d>(document: &'d Document<'_>, id: NodeId) -> Option<Number<'d>> {
    match id.kind() {
        Kind::Constant => match id {
            NodeId::TRUE => Some(Number::Int(1)),
            NodeId::FALSE => Some(Number::Int(0)),
            _ => None,
        },
        Kind::Small => Some(Number::Int(id.small_value())),
        Kind::Int => document.ints.get(id.index()).map(|&value| Number::Int(value)),
        Kind::Big => {
            document.bigs.get(id.index()).map(|&repr| Number::Big(Cow::Borrowed(document.bytes_of(repr))))
        }
        Kind::Float => document.floats.get(id.index()).map(|&value| float_number(value)),
        _ => None,
    }
}

/// The number that a float is, exactly.
pub(crate) fn float_number(value: f64) -> Number<'static> {
    // No float lies between 2^63 - 1 and 2^63, so the comparison is exact.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        let whole = value as i64;
        if whole as f64 == value {
            return Number::Int(whole);
        }
        return Number::Float(value.to_bits());
    }
    if !value.is_finite() {
        return Number::Float(value.to_bits());
    }
    // A float this large is an integer: its mantissa shifted left.
    let bits = value.to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = ((bits >> 52) & 0x7ff) as u32 - 1075;
    let magnitude = num_bigint::BigInt::from(mantissa) << shift;
    let whole = if value < 0.0 { -magnitude } else { magnitude };
    Number::Big(Cow::Owned(whole.to_signed_bytes_le()))
}
