//! Seconds since the epoch as RFC 3339 in UTC with microseconds, rounded as Python's `datetime`
//! rounds them.

/// The seconds of a day.
const DAY: i64 = 86_400;

/// `created` as `YYYY-MM-DDTHH:MM:SS.ffffffZ`; `None` outside the years 1 to 9999.
#[allow(clippy::as_conversions, reason = "each part is small and not negative")]
pub(crate) fn rfc3339(created: f64) -> Option<[u8; 27]> {
    let (seconds, micros) = split(created)?;
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    if !(1..=9999).contains(&year) {
        return None;
    }
    // None of them is negative or large, and small numbers divide fast.
    let [year, month, day, second, micros] = [year, month, day, second, micros].map(|part| part as u32);
    let [y1, y2, y3, y4] = pairs(year / 100, year % 100);
    let [m1, m2, d1, d2] = pairs(month, day);
    let (minute, hour) = (second / 60, second / 3600);
    let [h1, h2, n1, n2] = pairs(hour, minute % 60);
    let [s1, s2, u1, u2] = pairs(second % 60, micros / 10_000);
    let [u3, u4, u5, u6] = pairs(micros / 100 % 100, micros % 100);
    Some([
        y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', u1, u2,
        u3, u4, u5, u6, b'Z',
    ])
}

/// Whole seconds and microseconds, half to even on the fraction as `_PyTime_ObjectToTimeval` does.
#[allow(clippy::as_conversions, reason = "the range is checked before")]
pub(crate) fn split(created: f64) -> Option<(i64, i64)> {
    const LIMIT: f64 = 1e12;
    if !created.is_finite() || created.abs() > LIMIT {
        return None;
    }
    let mut seconds = created.trunc() as i64;
    let mut micros = ((created - created.trunc()) * 1e6).round_ties_even() as i64;
    if micros < 0 {
        micros += 1_000_000;
        seconds -= 1;
    }
    if micros >= 1_000_000 {
        micros -= 1_000_000;
        seconds += 1;
    }
    Some((seconds, micros))
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_place = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_place + 2) / 5 + 1;
    let month = if month_place < 10 { month_place + 3 } else { month_place - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970-01-01 of a date, by the same author's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Reads what [`rfc3339`] writes, and RFC 3339 with fewer digits or an offset.
#[allow(clippy::as_conversions, reason = "the numbers have few digits")]
pub(crate) fn parse_rfc3339(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let number = |from: usize, len: usize| -> Option<i64> {
        let digits = bytes.get(from..from + len)?;
        digits
            .iter()
            .try_fold(0, |sum: i64, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let mark = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut micros = 0_i64;
    if mark(at, b".") {
        let digits = bytes.get(at + 1..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        micros = number(at + 1, digits.min(6))?;
        for _ in digits.min(6)..6 {
            micros *= 10;
        }
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && mark(at + 3, b":") => {
            let seconds = number(at + 1, 2)? * 3600 + number(at + 4, 2)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    // One division rounds once, so the nearest float to the decimal comes out.
    Some((seconds * 1_000_000 + micros) as f64 / 1e6)
}

/// The digits of two numbers below 100.
#[allow(clippy::as_conversions, reason = "the numbers are below 100")]
const fn pairs(first: u32, second: u32) -> [u8; 4] {
    let (tens, more_tens) = (first / 10, second / 10);
    [
        b'0' + tens as u8,
        b'0' + (first - tens * 10) as u8,
        b'0' + more_tens as u8,
        b'0' + (second - more_tens * 10) as u8,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let rows = [
            (0.0, Some("1970-01-01T00:00:00.000000Z")),
            (1_767_323_045.123_456_7, Some("2026-01-02T03:04:05.123457Z")),
            (-0.5, Some("1969-12-31T23:59:59.500000Z")),
            (-1.0, Some("1969-12-31T23:59:59.000000Z")),
            (951_782_400.0, Some("2000-02-29T00:00:00.000000Z")),
            (0.999_999_9, Some("1970-01-01T00:00:01.000000Z")),
            (-1e-9, Some("1970-01-01T00:00:00.000000Z")),
            (253_402_300_799.0, Some("9999-12-31T23:59:59.000000Z")),
            (253_402_300_800.0, None),
            (-62_135_596_800.0, Some("0001-01-01T00:00:00.000000Z")),
            (-62_135_596_801.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ];
        for (created, expected) in rows {
            let text = rfc3339(created);
            assert_eq!(text.as_ref().map(|text| std::str::from_utf8(text).unwrap()), expected, "{created}");
        }
    }

    #[test]
    fn every_day_comes_back() {
        for day in (-719_162..2_932_897).step_by(37) {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
        for (text, expected) in [
            ("2026-01-02T03:04:05.123457Z", Some(1_767_323_045.123_457)),
            ("2026-01-02T03:04:05Z", Some(1_767_323_045.0)),
            ("2026-01-02 05:04:05.5+02:00", Some(1_767_323_045.5)),
            ("1969-12-31T23:59:59.250000Z", Some(-0.75)),
            ("2026-01-02", None),
            ("2026-13-02T03:04:05Z", None),
            ("2026-01-02T03:04:05", None),
            ("2026-01-02T03:04:05.Z", None),
        ] {
            assert_eq!(parse_rfc3339(text), expected, "{text}");
        }
    }
}
