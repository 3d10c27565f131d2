//! The time of a record whose `created` is no number: a filter may have put a `datetime` or text there.

use jiff::civil;
use jiff::tz::TimeZone;
use pickle_codec::{Known, Value, Zone};

use crate::time::parse_rfc3339;

/// Seconds since the epoch of a `datetime` or of a time in text; a `datetime` without a zone is in local time.
pub(crate) fn seconds_of(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Str(text) => parse_rfc3339(text.trim())
            .or_else(|| text.trim().parse().ok().and_then(seconds_of_local))
            .or_else(|| text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite())),
        Value::Object(object) => object.with_known(|known| match known {
            Known::DateTime(date, time, zone) => {
                let civil = civil::DateTime::new(
                    i16::try_from(date.year).ok()?,
                    i8::try_from(date.month).ok()?,
                    i8::try_from(date.day).ok()?,
                    i8::try_from(time.hour).ok()?,
                    i8::try_from(time.minute).ok()?,
                    i8::try_from(time.second).ok()?,
                    i32::try_from(time.microsecond).ok()?.checked_mul(1000)?,
                )
                .ok()?;
                match zone {
                    None => seconds_of_local(civil),
                    Some(Zone::Fixed(offset)) => {
                        let utc = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
                        #[allow(clippy::as_conversions, reason = "less than a day in microseconds")]
                        let offset = offset.total_microseconds() as f64 / 1e6;
                        Some(seconds(utc) - offset)
                    }
                    Some(_) => None,
                }
            }
            _ => None,
        })?,
        _ => None,
    }
}

fn seconds_of_local(civil: civil::DateTime) -> Option<f64> {
    Some(seconds(civil.to_zoned(TimeZone::system()).ok()?.timestamp()))
}

#[allow(clippy::as_conversions, reason = "microseconds of the years 1 to 9999 fit, and are divided once")]
fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1e6
}
