//! `arbitrary` for records, so that fuzz targets can make them.

use arbitrary::{Arbitrary, Result, Unstructured};
use pickle_codec::Value;

use crate::field::{Field, Slot};
use crate::record::LogRecord;

/// More extras than a fuzz target needs.
const MAX_EXTRAS: usize = 16;

impl<'a> Arbitrary<'a> for LogRecord<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut record = Self::new();
        for field in Field::ALL {
            // One in eight is absent, one null, one odd.
            let value = match (u.int_in_range(0..=7_u8)?, field.slot()) {
                (0, _) => continue,
                (1, _) => Value::None,
                (2, _) | (_, Slot::Value(_)) => Value::arbitrary(u)?,
                (_, Slot::Text(_)) => Value::from(<&str>::arbitrary(u)?),
                (_, Slot::Int(_)) => Value::Int(i64::arbitrary(u)?),
                (_, Slot::Float(_)) => Value::Float(f64::arbitrary(u)?),
            };
            record.set(field, value);
        }
        for _ in 0..u.int_in_range(0..=MAX_EXTRAS)? {
            let key = <&str>::arbitrary(u)?;
            record.set_extra(key, Value::arbitrary(u)?);
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_records_come_back_from_their_pickles() {
        let mut state = 1_u32;
        let mut written = 0;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..600)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            let record = LogRecord::arbitrary(&mut Unstructured::new(&bytes)).unwrap();
            let mut pickle = Vec::new();
            if record.to_pickle(&mut pickle).is_ok() {
                written += 1;
            }
            let json = record.to_json();
            assert_eq!(json.lines().count(), 1);
            assert!(LogRecord::from_json(&json).is_ok(), "{json}");
        }
        assert!(written > 100);
    }
}
