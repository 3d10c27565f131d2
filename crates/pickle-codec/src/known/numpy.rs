//! The scalars of numpy, which are pickled as a type and the bytes of a number.

use super::reading::word;
use crate::document::{Document, Kind, NodeId, ObjectRepr};

/// A number that numpy holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NumpyScalar {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
}

/// The number of `scalar(dtype, bytes)`, where the type is one of those that Rust has.
pub(crate) fn numpy_scalar(document: &Document<'_>, dtype: NodeId, bytes: NodeId) -> Option<NumpyScalar> {
    let bytes = document.byte_string(bytes)?;
    let Some(ObjectRepr::Instance(instance)) =
        document.objects.get(dtype.index()).filter(|_| dtype.kind() == Kind::Object)
    else {
        return None;
    };
    let code = word(document, *document.items(instance.args).first()?)?;
    // The state of a dtype: version, byte order, then what only structures have.
    let order = word(document, *document.items(instance.state).get(1)?)?;
    scalar(code, order == ">", bytes)
}

fn scalar(code: &str, big_endian: bool, bytes: &[u8]) -> Option<NumpyScalar> {
    let mut number = [0; 8];
    let room = number.get_mut(..bytes.len())?;
    room.copy_from_slice(bytes);
    if big_endian {
        room.reverse();
    }
    let unsigned = u64::from_le_bytes(number);
    let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
    Some(match (code, bytes.len()) {
        ("b1", 1) if unsigned < 2 => NumpyScalar::Bool(unsigned == 1),
        ("i1", 1) | ("i2", 2) | ("i4", 4) | ("i8", 8) => {
            NumpyScalar::Int((unsigned << unused).cast_signed() >> unused)
        }
        ("u1", 1) | ("u2", 2) | ("u4", 4) | ("u8", 8) => NumpyScalar::Uint(unsigned),
        ("f4", 4) => NumpyScalar::Float(f64::from(f32::from_bits(u32::try_from(unsigned).ok()?))),
        ("f8", 8) => NumpyScalar::Float(f64::from_bits(unsigned)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_rows() {
        let rows: &[(&str, bool, &[u8], Option<NumpyScalar>)] = &[
            ("b1", false, &[1], Some(NumpyScalar::Bool(true))),
            ("b1", false, &[2], None),
            ("i1", false, &[0xff], Some(NumpyScalar::Int(-1))),
            ("i2", true, &[0x01, 0x02], Some(NumpyScalar::Int(0x0102))),
            ("i8", false, &[0, 0, 0, 0, 0, 0, 0, 0x80], Some(NumpyScalar::Int(i64::MIN))),
            ("u8", false, &[0xff; 8], Some(NumpyScalar::Uint(u64::MAX))),
            ("f4", false, &1.5_f32.to_le_bytes(), Some(NumpyScalar::Float(1.5))),
            ("f8", true, &1.5_f64.to_be_bytes(), Some(NumpyScalar::Float(1.5))),
            ("f8", false, &[0; 4], None),
            ("f8", false, &[0; 9], None),
            ("i8", false, &[], None),
            ("M8", false, &[0; 8], None),
        ];
        for (code, big_endian, bytes, expected) in rows {
            assert_eq!(scalar(code, *big_endian, bytes), *expected, "{code} {bytes:?}");
        }
    }
}
