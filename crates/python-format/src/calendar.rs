//! The calendar: what a count of seconds is as a date and a time of day.

/// A broken-down time: C's `struct tm`, but months count from 1 and years from year 0.
#[derive(Clone, Debug)]
pub(crate) struct Tm {
    pub(crate) timestamp: i64,
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// Days since Sunday.
    pub(crate) weekday: i64,
    /// Days since 1 January.
    pub(crate) yearday: i64,
    pub(crate) offset: i64,
    pub(crate) zone: Box<str>,
}

impl Tm {
    /// The fields of a time under an offset from UTC.
    pub(crate) fn new(timestamp: i64, offset: i64, zone: &str) -> Self {
        let local = timestamp.saturating_add(offset);
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Self {
            timestamp,
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            // 1 January 1970 was a Thursday.
            weekday: (days.rem_euclid(7) + 4) % 7,
            yearday: days.saturating_sub(days_before(year)),
            offset,
            zone: zone.into(),
        }
    }

    pub(crate) fn hour12(&self) -> i64 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }

    /// Year and week by ISO 8601.
    pub(crate) fn iso_week(&self) -> (i64, i64) {
        let from_monday = (self.weekday + 6) % 7;
        // The day of the year of this week's Thursday decides.
        let thursday = self.yearday - from_monday + 3;
        let (year, yearday) = if thursday < 0 {
            let before = self.year.saturating_sub(1);
            (before, thursday + year_len(before))
        } else if thursday >= year_len(self.year) {
            (self.year.saturating_add(1), thursday - year_len(self.year))
        } else {
            (self.year, thursday)
        };
        (year, yearday / 7 + 1)
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar without an end.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day is the last.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let place = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * place + 2) / 5 + 1;
    let month = if place < 10 { place + 3 } else { place - 9 };
    let year = era.saturating_mul(400).saturating_add(year_of_era + i64::from(month <= 2));
    (year, month, day)
}

/// Days from 1970-01-01 to a year's 1 January.
pub(crate) fn days_before(year: i64) -> i64 {
    let last = year.saturating_sub(1);
    let leap_days = last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400);
    last.saturating_mul(365).saturating_add(leap_days).saturating_sub(719_162)
}

pub(crate) fn year_len(year: i64) -> i64 {
    days_before(year.saturating_add(1)).saturating_sub(days_before(year))
}

/// Writes `YYYY-MM-DD HH:MM:SS`, the default of a formatter, from what a local clock showed; false
/// if the year has not four digits.
pub(crate) fn default_time(local: i64, out: &mut String) -> bool {
    let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    if !(1000..=9999).contains(&year) {
        return false;
    }
    let mut text = *b"0000-00-00 00:00:00";
    let parts = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, second / 3600),
        (14, second / 60 % 60),
        (17, second % 60),
    ];
    for (at, value) in parts {
        if let (Some([tens, ones]), Ok(value)) = (text.get_mut(at..at + 2), u8::try_from(value)) {
            *tens = b'0' + value / 10;
            *ones = b'0' + value % 10;
        }
    }
    out.push_str(str::from_utf8(&text).unwrap_or_default());
    true
}
