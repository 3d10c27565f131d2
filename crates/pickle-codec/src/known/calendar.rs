//! Dates, times and durations as `datetime` pickles them: a few packed bytes, checked here.
//!
//! A [`Date`] that was read is one that `datetime.date` would take: the month has that day in that year, and the
//! year is 1 to 9999. Second and microsecond are in range, an offset is less than a day. Nothing is computed
//! with them here; calendar arithmetic and time zones are for crates that know them.
//!
//! ```text
//! date       yy yy mm dd                                  year big-endian; 07 ea 01 02 is 2026-01-02
//! datetime   yy yy Fm dd  hh mm ss uu uu uu               microseconds in three bytes, big-endian
//! time       Fh mm ss uu uu uu                            F: the high bit is the fold
//! ```

use core::fmt;

use crate::document::NodeRef;

/// A `datetime.date`, or the date of a `datetime.datetime`. Displayed as `isoformat()` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// Reads the four bytes of a pickled date.
    pub(crate) fn read(bytes: [u8; 4]) -> Option<Self> {
        let [high, low, month, day] = bytes;
        let year = u16::from_be_bytes([high, low]);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(leap),
            _ => return None,
        };
        ((1..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A `datetime.time`, or the time of a `datetime.datetime`. Displayed as `isoformat()` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999,999.
    pub microsecond: u32,
    /// Whether it is the second of two equal wall clock times at the end of summer time.
    pub fold: bool,
}

impl Time {
    /// Reads the six bytes of a pickled time.
    pub(crate) fn read(bytes: [u8; 6], fold: bool) -> Option<Self> {
        let [hour, minute, second, high, middle, low] = bytes;
        let microsecond = u32::from_be_bytes([0, high, middle, low]);
        let sound = hour < 24 && minute < 60 && second < 60 && microsecond < 1_000_000;
        sound.then_some(Self { hour, minute, second, microsecond, fold })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        if self.microsecond == 0 { Ok(()) } else { write!(f, ".{:06}", self.microsecond) }
    }
}

/// A `datetime.timedelta`, normalised as Python does it: only the days can be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeDelta {
    /// -999,999,999 to 999,999,999.
    pub days: i32,
    /// 0 to 86,399.
    pub seconds: u32,
    /// 0 to 999,999.
    pub microseconds: u32,
}

impl TimeDelta {
    pub(crate) fn read(days: i64, seconds: i64, microseconds: i64) -> Option<Self> {
        let days = i32::try_from(days).ok().filter(|days| days.unsigned_abs() <= 999_999_999)?;
        let seconds = u32::try_from(seconds).ok().filter(|&seconds| seconds < 86_400)?;
        let microseconds = u32::try_from(microseconds).ok().filter(|&micros| micros < 1_000_000)?;
        Some(Self { days, seconds, microseconds })
    }

    /// The whole duration in microseconds.
    #[must_use]
    pub fn total_microseconds(self) -> i128 {
        (i128::from(self.days) * 86_400 + i128::from(self.seconds)) * 1_000_000
            + i128::from(self.microseconds)
    }

    /// As an offset from UTC, if it is less than a day.
    #[must_use]
    pub fn to_utc_offset(self) -> Option<UtcOffset> {
        let total = i64::try_from(self.total_microseconds()).ok()?;
        (total.unsigned_abs() < 86_400_000_000).then_some(UtcOffset { microseconds: total })
    }
}

/// The offset of a `datetime.timezone`. Displayed as in `isoformat()`: `+05:30`, with seconds and
/// microseconds only where there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcOffset {
    microseconds: i64,
}

impl UtcOffset {
    /// The offset in microseconds; less than a day either way.
    #[must_use]
    pub const fn total_microseconds(self) -> i64 {
        self.microseconds
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.microseconds < 0 { '-' } else { '+' };
        let total = self.microseconds.unsigned_abs();
        let (seconds, micros) = (total / 1_000_000, total % 1_000_000);
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds % 60 != 0 || micros != 0 {
            write!(f, ":{:02}", seconds % 60)?;
        }
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        Ok(())
    }
}

/// The `tzinfo` of a time or datetime.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Zone<'d, 'a> {
    /// A `datetime.timezone`, or a zone of another library whose pickle says the offset, such as those of pytz.
    Fixed(UtcOffset),
    /// An object of another class, which the caller allowed, and whose offset is not in the pickle.
    Other(NodeRef<'d, 'a>),
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn date_rows() {
        let rows: &[([u8; 4], Option<&str>)] = &[
            ([7, 234, 1, 2], Some("2026-01-02")),
            ([0, 1, 1, 1], Some("0001-01-01")),
            ([7, 232, 2, 29], Some("2024-02-29")),
            ([7, 234, 2, 29], None),
            ([7, 208, 2, 29], Some("2000-02-29")),
            ([7, 108, 2, 29], None),
            ([0, 0, 1, 1], None),
            ([39, 16, 1, 1], None),
            ([7, 234, 13, 1], None),
            ([7, 234, 4, 31], None),
            ([7, 234, 0x81, 1], None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Date::read(*bytes).map(|date| date.to_string()).as_deref(), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn time_rows() {
        let rows: &[([u8; 6], Option<&str>)] = &[
            ([3, 4, 5, 0, 0, 6], Some("03:04:05.000006")),
            ([23, 59, 59, 15, 66, 63], Some("23:59:59.999999")),
            ([23, 59, 59, 15, 66, 64], None),
            ([24, 0, 0, 0, 0, 0], None),
            ([0, 0, 0, 0, 0, 0], Some("00:00:00")),
        ];
        for (bytes, expected) in rows {
            let got = Time::read(*bytes, false).map(|time| time.to_string());
            assert_eq!(got.as_deref(), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn offset_rows() {
        type Row = ((i64, i64, i64), Option<&'static str>);
        let rows: &[Row] = &[
            ((0, 0, 0), Some("+00:00")),
            ((0, 19_800, 0), Some("+05:30")),
            ((-1, 66_600, 0), Some("-05:30")),
            ((-1, 66_592, 999_999), Some("-05:30:07.000001")),
            ((1, 0, 0), None),
            ((-1, 0, 0), None),
        ];
        for ((days, seconds, micros), expected) in rows {
            let offset = TimeDelta::read(*days, *seconds, *micros).and_then(TimeDelta::to_utc_offset);
            assert_eq!(offset.map(|offset| offset.to_string()).as_deref(), *expected);
        }
        assert_eq!(TimeDelta::read(0, 86_400, 0), None);
        assert_eq!(TimeDelta::read(1_000_000_000, 0, 0), None);
        assert_eq!(TimeDelta::read(0, 0, -1), None);
    }
}
