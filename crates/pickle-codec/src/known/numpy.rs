//! What numpy pickles: scalars and arrays, each as a type and the bytes of what it holds.
//!
//! A type is `numpy.dtype("f8", False, True)` with the state `(3, "<", None, None, None, -1, -1, 0)`:
//! its version, the byte order, then what only structures have, the size of an item and its alignment. Types
//! of times have version 4, and behind it their unit as `({}, (b"ns", 1, 1, 1))`. Source of the forms:
//! `arraydescr_reduce`, `array_reduce` and `gentype_reduce` in numpy's `_core/src/multiarray`.
//!
//! Bytes are read only where Python has something for a scalar: numbers of up to eight bytes, complex ones of two of them,
//! text in UTF-32 and bytes padded with zeros, and counts of a unit of time. A `longdouble` has a layout of each machine's
//! own and stays a description.

use alloc::string::String;
use alloc::vec::Vec;

use super::reading::{global_name, small_int, word};
use crate::document::{Document, Kind, NodeId};
use crate::wire::text::{Str, push_code_point};

/// The longest code of a type, such as `U4096`. Looking at a longer one would cost its length at each array.
const MAX_CODE: usize = 20;

/// A type that says by itself how its items are laid out: neither a structure nor Python objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dtype<'d> {
    /// Kind and size, as numpy writes them: `f8`, `U3`.
    code: &'d str,
    /// `<`, `>`, or `|` where there is no order.
    order: &'d str,
    /// What a count of time counts, and how many of it: `("ns", 1)`.
    unit: Option<(&'d str, i64)>,
    /// Bytes of an item.
    size: usize,
}

/// A scalar of numpy's, as what Python has for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NumpyScalar {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
    /// WTF-8.
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    /// `datetime64` or `timedelta64`: the class, the count (none for "not a time") and the unit.
    Time(&'static str, Option<i64>, String),
}

/// A word of a few bytes.
fn short_word<'d>(document: &'d Document<'_>, id: NodeId) -> Option<&'d str> {
    let len = match document.text(id) {
        Some(text) => text.as_bytes().len(),
        None => document.byte_string(id)?.len(),
    };
    if len <= MAX_CODE { word(document, id) } else { None }
}

impl<'d> Dtype<'d> {
    /// Reads the object that describes a type.
    pub(crate) fn read(document: &'d Document<'_>, id: NodeId) -> Option<Self> {
        let instance = document.instance(id)?;
        if global_name(document, instance.class) != Some((Str::Utf8("numpy"), Str::Utf8("dtype"))) {
            return None;
        }
        let code = short_word(document, *document.items(instance.args).first()?)?;
        let &[_, order, NodeId::NONE, NodeId::NONE, NodeId::NONE, _, _, _, ref metadata @ ..] =
            document.items(instance.state)
        else {
            return None;
        };
        let order = short_word(document, order).filter(|order| ["<", ">", "|"].contains(order))?;
        let (kind, digits) = code.split_at_checked(1)?;
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok());
        let size: usize = number??;
        let size = match kind {
            "b" | "i" | "u" | "f" | "c" | "S" | "V" | "M" | "m" => size,
            "U" => size.checked_mul(4)?,
            _ => return None,
        };
        let unit = match kind {
            "M" | "m" => {
                let &[_, unit] = document.items(*metadata.first()?) else { return None };
                let &[name, count, ..] = document.items(unit) else { return None };
                Some((short_word(document, name)?, small_int(document, count)?))
            }
            _ => None,
        };
        Some(Self { code, order, unit, size })
    }

    /// The type as `numpy.dtype` reads and prints it: `<f8`, `>M8[25s]`.
    pub(crate) fn text(self) -> String {
        let Self { code, order, unit, .. } = self;
        match unit {
            // numpy leaves out the unit that is none.
            None | Some(("generic", _)) => alloc::format!("{order}{code}"),
            Some(unit) => alloc::format!("{order}{code}[{}]", unit_text(unit)),
        }
    }

    /// Bytes of an item.
    pub(crate) const fn size(self) -> usize {
        self.size
    }

    /// The bytes of an array of this shape; `None` if it is no shape, or too large for this machine.
    pub(crate) fn array_len(self, document: &Document<'_>, shape: NodeId) -> Option<usize> {
        if shape.kind() != Kind::Tuple && shape != NodeId::EMPTY_TUPLE {
            return None;
        }
        document.items(shape).iter().try_fold(self.size, |len, &side| {
            len.checked_mul(usize::try_from(small_int(document, side)?).ok()?)
        })
    }

    /// The scalar of this type with these bytes, where Python has something for it.
    pub(crate) fn scalar(self, bytes: &[u8]) -> Option<NumpyScalar> {
        if bytes.len() != self.size {
            return None;
        }
        let is_big = self.order == ">";
        let number = |bytes: &[u8]| {
            let mut number = [0; 8];
            let room = number.get_mut(..bytes.len())?;
            room.copy_from_slice(bytes);
            if is_big {
                room.reverse();
            }
            Some(u64::from_le_bytes(number))
        };
        let signed = |bytes: &[u8]| {
            let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
            Some((number(bytes)? << unused).cast_signed() >> unused)
        };
        let float = |bytes: &[u8]| {
            let bits = number(bytes)?;
            Some(match bytes.len() {
                2 => half(u16::try_from(bits).ok()?),
                4 => f64::from(f32::from_bits(u32::try_from(bits).ok()?)),
                8 => f64::from_bits(bits),
                _ => return None,
            })
        };
        Some(match self.code {
            "b1" => NumpyScalar::Bool(match bytes {
                [0] => false,
                [1] => true,
                _ => return None,
            }),
            "i1" | "i2" | "i4" | "i8" => NumpyScalar::Int(signed(bytes)?),
            "u1" | "u2" | "u4" | "u8" => NumpyScalar::Uint(number(bytes)?),
            "f2" | "f4" | "f8" => NumpyScalar::Float(float(bytes)?),
            "c8" | "c16" => {
                let (real, imaginary) = bytes.split_at_checked(bytes.len() / 2)?;
                NumpyScalar::Complex(float(real)?, float(imaginary)?)
            }
            "M8" | "m8" => {
                let class = if self.code == "M8" { "datetime64" } else { "timedelta64" };
                let count = signed(bytes).filter(|&count| count != i64::MIN);
                NumpyScalar::Time(class, count, unit_text(self.unit?))
            }
            code if code.starts_with('S') => NumpyScalar::Bytes(without_zeros(bytes, 1).to_vec()),
            code if code.starts_with('U') => {
                let mut text = Vec::with_capacity(bytes.len() / 4);
                for point in without_zeros(bytes, 4).chunks(4) {
                    push_code_point(u32::try_from(number(point)?).ok()?, &mut text).ok()?;
                }
                NumpyScalar::Text(text)
            }
            _ => return None,
        })
    }
}

/// A unit of time as numpy writes it: `ns`, `25s`.
fn unit_text((name, count): (&str, i64)) -> String {
    if count == 1 { String::from(name) } else { alloc::format!("{count}{name}") }
}

/// Text and bytes of numpy end before their last zeros, which fill them up to their size.
fn without_zeros(bytes: &[u8], width: usize) -> &[u8] {
    let used = bytes.rchunks(width).skip_while(|item| item.iter().all(|&byte| byte == 0)).count();
    bytes.get(..used * width).unwrap_or(bytes)
}

/// A float of 16 bits (IEEE 754 binary16), exactly: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 0x1f, u64::from(bits & 0x3ff));
    let magnitude = match exponent {
        // Below the smallest exponent the fraction counts units of 2^-24.
        0 => fraction as f64 / f64::from(1 << 24),
        0x1f => f64::from_bits(0x7ff << 52 | fraction << 42),
        _ => f64::from_bits((u64::from(exponent) + 1023 - 15) << 52 | fraction << 42),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(code: &str, order: &str, bytes: &[u8]) -> Option<NumpyScalar> {
        let size = match code.split_at(1) {
            ("U", size) => 4 * size.parse::<usize>().unwrap(),
            (_, size) => size.parse().unwrap(),
        };
        let unit = matches!(code, "M8" | "m8").then_some(("s", 25));
        Dtype { code, order, unit, size }.scalar(bytes)
    }

    #[test]
    fn scalar_rows() {
        let time = |class, count| Some(NumpyScalar::Time(class, count, String::from("25s")));
        let rows: &[(&str, &str, &[u8], Option<NumpyScalar>)] = &[
            ("b1", "|", &[1], Some(NumpyScalar::Bool(true))),
            ("b1", "|", &[2], None),
            ("i1", "|", &[0xff], Some(NumpyScalar::Int(-1))),
            ("i2", ">", &[0x01, 0x02], Some(NumpyScalar::Int(0x0102))),
            ("i8", "<", &[0, 0, 0, 0, 0, 0, 0, 0x80], Some(NumpyScalar::Int(i64::MIN))),
            ("u8", "<", &[0xff; 8], Some(NumpyScalar::Uint(u64::MAX))),
            ("f2", "<", &[0x00, 0x3e], Some(NumpyScalar::Float(1.5))),
            ("f2", ">", &[0xc0, 0x00], Some(NumpyScalar::Float(-2.0))),
            ("f2", "<", &[0x01, 0x00], Some(NumpyScalar::Float(5.960_464_477_539_063e-8))),
            ("f2", "<", &[0xff, 0x7b], Some(NumpyScalar::Float(65_504.0))),
            ("f2", "<", &[0x00, 0xfc], Some(NumpyScalar::Float(f64::NEG_INFINITY))),
            ("f4", "<", &1.5_f32.to_le_bytes(), Some(NumpyScalar::Float(1.5))),
            ("f8", ">", &1.5_f64.to_be_bytes(), Some(NumpyScalar::Float(1.5))),
            ("f8", "<", &[0; 4], None),
            ("f8", "<", &[0; 9], None),
            ("f16", "<", &[0; 16], None),
            ("i8", "<", &[], None),
            ("c8", ">", &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], Some(NumpyScalar::Complex(1.0, -2.0))),
            ("M8", "<", &[5, 0, 0, 0, 0, 0, 0, 0], time("datetime64", Some(5))),
            ("m8", ">", &[0xff; 8], time("timedelta64", Some(-1))),
            ("M8", ">", &[0x80, 0, 0, 0, 0, 0, 0, 0], time("datetime64", None)),
            ("S4", "|", b"a\0b\0", Some(NumpyScalar::Bytes(b"a\0b".to_vec()))),
            ("U2", "<", b"a\0\0\0\0\0\0\0", Some(NumpyScalar::Text(b"a".to_vec()))),
            ("U1", ">", b"\0\x01\xf6\0", Some(NumpyScalar::Text("\u{1f600}".as_bytes().to_vec()))),
            ("U1", "<", b"\0\0\x11\0", None),
            ("V2", "|", &[0; 2], None),
        ];
        for (code, order, bytes, expected) in rows {
            assert_eq!(scalar(code, order, bytes), *expected, "{order}{code} {bytes:?}");
        }
    }
}
