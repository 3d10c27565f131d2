//! `strftime` as glibc writes it in the C locale, which is what Python's `time.strftime` prints on
//! Linux: every directive, the flags `_ - 0 ^ #`, widths, and the modifiers `E` and `O`.
//!
//! Zones are jiff's. The writing is not: jiff ends at the year 9999, where Python goes on, and has no modifiers.

use crate::calendar::{Tm, days_before, year_len};
use crate::error::FormatError;
use crate::zone::Zone;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Zone {
    /// `time.strftime(format, time.localtime(seconds))`, as glibc writes it in the C locale.
    ///
    /// # Errors
    ///
    /// As `time.localtime`: ValueError for what is no number, OverflowError or OSError for what is too far away.
    pub fn strftime(&self, format: &str, seconds: f64) -> Result<String, FormatError> {
        let tm = self.at(seconds)?;
        strftime(format, &tm, self)
    }
}

/// Writes a date and a time of day without a zone as `format` says.
pub(crate) fn civil_strftime(
    format: &str,
    (year, month, day): (i64, i64, i64),
    second_of_day: i64,
) -> Result<String, FormatError> {
    let month_starts = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let start = usize::try_from(month.saturating_sub(1)).ok().and_then(|month| month_starts.get(month));
    let leap_day = i64::from(month > 2 && year_len(year) == 366);
    let days = days_before(year) + start.copied().unwrap_or(0) + leap_day + day - 1;
    let tm = Tm::new(days * 86_400 + second_of_day, 0, "");
    strftime(format, &tm, &Zone::utc())
}

/// Writes a time as `format` says.
///
/// # Errors
///
/// ValueError for a NUL in the format, as in Python.
fn strftime(format: &str, tm: &Tm, zone: &Zone) -> Result<String, FormatError> {
    if format.contains('\0') {
        return Err(FormatError::value_error("embedded null byte"));
    }
    // Python doubles its buffer from 1,024 bytes to the first size of at least 256 times the
    // format, and takes what does not fit for empty.
    let most = format.len().saturating_mul(256);
    let mut size = 1024_usize;
    while size < most {
        size = size.saturating_mul(2);
    }
    let mut writer = Writer { out: String::new(), size, full: false };
    writer.format(format, tm, zone);
    Ok(if writer.full { String::new() } else { writer.out })
}

/// Output within the size that Python gives C.
struct Writer {
    out: String,
    size: usize,
    full: bool,
}

/// A directive's flags, width and modifier.
#[derive(Clone, Copy)]
struct Flags {
    pad: Option<char>,
    upper: bool,
    change_case: bool,
    width: usize,
    modifier: Option<char>,
}

impl Writer {
    fn format(&mut self, format: &str, tm: &Tm, zone: &Zone) {
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            self.push(rest.get(..at).unwrap_or_default());
            let directive = rest.get(at..).unwrap_or_default();
            rest = self.directive(directive, tm, zone);
            if self.full {
                return;
            }
        }
        self.push(rest);
    }

    fn push(&mut self, text: &str) {
        // The terminating NUL needs room too.
        if self.out.len().saturating_add(text.len()) >= self.size {
            self.full = true;
        } else {
            self.out.push_str(text);
        }
    }

    fn fill(&mut self, fill: char, count: usize) {
        if self.out.len().saturating_add(count) >= self.size {
            self.full = true;
        } else {
            self.out.extend(std::iter::repeat_n(fill, count));
        }
    }

    /// Writes the directive that `text` begins with and gives what follows it.
    fn directive<'f>(&mut self, text: &'f str, tm: &Tm, zone: &Zone) -> &'f str {
        let mut chars = text.chars();
        chars.next();
        let mut flags = Flags { pad: None, upper: false, change_case: false, width: 0, modifier: None };
        let mut before = chars.as_str();
        let mut next = chars.next();
        while let Some(flag @ ('_' | '-' | '0' | '^' | '#')) = next {
            match flag {
                '^' => flags.upper = true,
                '#' => flags.change_case = true,
                pad => flags.pad = Some(pad),
            }
            before = chars.as_str();
            next = chars.next();
        }
        while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
            let digit = usize::try_from(digit).unwrap_or(0);
            flags.width = flags.width.saturating_mul(10).saturating_add(digit).min(0x7fff_ffff);
            before = chars.as_str();
            next = chars.next();
        }
        if let Some(modifier @ ('E' | 'O')) = next {
            flags.modifier = Some(modifier);
            before = chars.as_str();
            next = chars.next();
        }
        let Some(kind) = next else {
            // A `%` that nothing follows stands for itself.
            self.text(text, flags);
            return "";
        };
        let rest = before.get(kind.len_utf8()..).unwrap_or_default();
        if !self.write(kind, flags, tm, zone) {
            // C looks for the directive's begin backwards, and finds it at once in a second `%`.
            let start = if kind == '%' { before } else { text };
            let len = start.len().saturating_sub(rest.len());
            let upper = flags.upper || (flags.change_case && matches!(kind, 'b' | 'h'));
            self.text(start.get(..len).unwrap_or_default(), Flags { upper, ..flags });
        }
        rest
    }

    /// Writes one directive; false if the C library has none of this name.
    fn write(&mut self, kind: char, flags: Flags, tm: &Tm, zone: &Zone) -> bool {
        let allowed = match flags.modifier {
            Some('E') => matches!(
                kind,
                'c' | 'C'
                    | 'x'
                    | 'X'
                    | 'y'
                    | 'Y'
                    | 'z'
                    | 'Z'
                    | 'n'
                    | 't'
                    | 'p'
                    | 'P'
                    | 'R'
                    | 'r'
                    | 's'
                    | 'T'
                    | 'u'
            ),
            Some(_) => !matches!(kind, '%' | 'a' | 'A' | 'c' | 'D' | 'F' | 'x' | 'X' | 'Y'),
            None => true,
        };
        if !allowed {
            return false;
        }
        let month = usize::try_from(tm.month.saturating_sub(1)).ok().and_then(|month| MONTHS.get(month));
        let day = usize::try_from(tm.weekday).ok().and_then(|day| DAYS.get(day));
        let (month, day) = (month.copied().unwrap_or("?"), day.copied().unwrap_or("?"));
        let short = |name: &'static str| name.get(..3).unwrap_or(name);
        let named = Flags { upper: flags.upper || flags.change_case, ..flags };
        match kind {
            '%' => self.text("%", flags),
            'n' => self.text("\n", flags),
            't' => self.text("\t", flags),
            'a' => self.text(short(day), named),
            'A' => self.text(day, named),
            'b' | 'h' => self.text(short(month), named),
            'B' => self.text(month, named),
            'c' => self.nested("%a %b %e %H:%M:%S %Y", flags, tm, zone),
            'D' | 'x' => self.nested("%m/%d/%y", flags, tm, zone),
            'F' => self.nested("%Y-%m-%d", flags, tm, zone),
            'R' => self.nested("%H:%M", flags, tm, zone),
            'r' => self.nested("%I:%M:%S %p", flags, tm, zone),
            'T' | 'X' => self.nested("%H:%M:%S", flags, tm, zone),
            'C' => self.number(1, tm.year.div_euclid(100), flags),
            'd' => self.number(2, tm.day, flags),
            'e' => self.spaced(2, tm.day, flags),
            'H' => self.number(2, tm.hour, flags),
            'I' => self.number(2, tm.hour12(), flags),
            'k' => self.spaced(2, tm.hour, flags),
            'l' => self.spaced(2, tm.hour12(), flags),
            'j' => self.number(3, tm.yearday + 1, flags),
            'M' => self.number(2, tm.minute, flags),
            'm' => self.number(2, tm.month, flags),
            'S' => self.number(2, tm.second, flags),
            // The one number whose width fills as that of a text does.
            's' => self.text(&zone.mktime(tm).to_string(), flags),
            'p' | 'P' => {
                let upper = if tm.hour >= 12 { "PM" } else { "AM" };
                let lower = if tm.hour >= 12 { "pm" } else { "am" };
                let is_lower = kind == 'P' || flags.change_case;
                self.text(
                    if is_lower { lower } else { upper },
                    Flags { upper: flags.upper && !is_lower, ..flags },
                );
            }
            'u' => self.number(1, (tm.weekday + 6) % 7 + 1, flags),
            'w' => self.number(1, tm.weekday, flags),
            'U' => self.number(2, (tm.yearday - tm.weekday + 7) / 7, flags),
            'W' => self.number(2, (tm.yearday - (tm.weekday + 6) % 7 + 7) / 7, flags),
            'V' => self.number(2, tm.iso_week().1, flags),
            'G' => self.number(1, tm.iso_week().0, flags),
            'g' => self.number(2, tm.iso_week().0.rem_euclid(100), flags),
            'Y' => self.number(1, tm.year, flags),
            'y' => self.number(2, tm.year.rem_euclid(100), flags),
            'Z' => {
                let name = if flags.change_case { tm.zone.to_ascii_lowercase() } else { tm.zone.to_string() };
                self.text(&name, Flags { upper: flags.upper && !flags.change_case, ..flags });
            }
            'z' => {
                self.text(if tm.offset < 0 { "-" } else { "+" }, flags);
                let minutes = tm.offset.saturating_abs() / 60;
                self.number(4, minutes / 60 * 100 + minutes % 60, flags);
            }
            _ => return false,
        }
        true
    }

    /// Writes text within the width.
    fn text(&mut self, text: &str, flags: Flags) {
        let missing = flags.width.saturating_sub(text.len());
        self.fill(if flags.pad == Some('0') { '0' } else { ' ' }, missing);
        if flags.upper {
            self.push(&text.to_ascii_uppercase());
        } else {
            self.push(text);
        }
    }

    /// Writes a directive that stands for several.
    fn nested(&mut self, format: &str, flags: Flags, tm: &Tm, zone: &Zone) {
        let mut inner = Self { out: String::new(), size: self.size, full: false };
        inner.format(format, tm, zone);
        self.text(&inner.out, flags);
    }

    fn spaced(&mut self, digits: usize, value: i64, flags: Flags) {
        let pad = flags.pad.filter(|pad| matches!(pad, '0' | '-')).or(Some('_'));
        self.number(digits, value, Flags { pad, ..flags });
    }

    fn number(&mut self, digits: usize, value: i64, flags: Flags) {
        let mut text = value.unsigned_abs().to_string();
        let negative = value < 0;
        let mut width = flags.width;
        // A width fills with zeros, as the digits of the field do, unless a flag says otherwise.
        let digits = if flags.pad == Some('-') { digits } else { digits.max(width) };
        let missing = digits.saturating_sub(text.len().saturating_add(usize::from(negative)));
        match flags.pad {
            Some('-') => {}
            Some('_') => {
                self.fill(' ', missing);
                width = width.saturating_sub(missing);
            }
            // Zeros that do not fit are not made.
            _ if self.out.len().saturating_add(missing) >= self.size => {
                self.full = true;
                return;
            }
            _ => {
                if missing > 0 {
                    text.insert_str(0, &"0".repeat(missing));
                }
            }
        }
        if negative {
            text.insert(0, '-');
        }
        self.text(&text, Flags { width, ..flags });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let zone = Zone::utc();
        let rows = [
            ("%Y-%m-%d %H:%M:%S", "2026-01-02 03:04:05"),
            ("%a %A %b %B %h", "Fri Friday Jan January Jan"),
            (
                "%c|%x|%X|%D|%F|%R|%r|%T",
                "Fri Jan  2 03:04:05 2026|01/02/26|03:04:05|01/02/26|2026-01-02|03:04|03:04:05 AM|03:04:05",
            ),
            ("%C %y %g %G %V %U %W %u %w %j", "20 26 26 2026 01 00 00 5 5 002"),
            ("%-d %_d %e %k %l %-m %05d", "2  2  2  3  3 1 00002"),
            ("%^a %#Z %^b %#p %P %p", "FRI utc JAN am am AM"),
            ("%z %Z %%%n%t", "+0000 UTC %\n\t"),
            ("%Ey %Od %EY %Q %", "26 02 2026 %Q %"),
            ("%10a|%010a|%_5d|%-5d", "       Fri|0000000Fri|    2|    2"),
            ("%+Y|%5E%|%O%|%#Eb|%#Ea", "%+Y|    %|%|%#EB|%#Ea"),
            ("%12s|%012s|%3s", "  1767323045|001767323045|1767323045"),
        ];
        for (format, expected) in rows {
            assert_eq!(zone.strftime(format, 1_767_323_045.9).unwrap(), expected, "{format}");
        }
    }

    #[test]
    fn weeks_and_years_at_the_edges() {
        let zone = Zone::utc();
        let rows = [
            (-1.0, "1969-12-31 23:59:59 1970-W01-3 365"),
            (1_609_459_200.0, "2021-01-01 00:00:00 2020-W53-5 001"),
            (-62_135_596_800.0, "1-01-01 00:00:00 1-W01-1 001"),
            (253_402_300_800.0, "10000-01-01 00:00:00 9999-W52-6 001"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(zone.strftime("%Y-%m-%d %H:%M:%S %G-W%V-%u %j", seconds).unwrap(), expected);
        }
    }

    #[test]
    fn times_that_are_none() {
        let zone = Zone::utc();
        for (seconds, python_type) in [
            (f64::NAN, "ValueError"),
            (f64::INFINITY, "OverflowError"),
            (1e300, "OverflowError"),
            (1e18, "OSError"),
        ] {
            assert_eq!(zone.strftime("%Y", seconds).unwrap_err().python_type(), python_type);
        }
        assert_eq!(zone.strftime("a\0", 0.0).unwrap_err().to_string(), "embedded null byte");
    }

    #[test]
    fn a_width_is_no_way_to_memory() {
        assert_eq!(Zone::utc().strftime("%999999999d", 0.0).unwrap(), "");
        assert_eq!(Zone::utc().strftime("%3000d|%3000d", 0.0).unwrap(), "");
        let mut writer = Writer { out: String::new(), size: 1024, full: false };
        writer.format("%999999999d", &Zone::utc().at(0.0).unwrap(), &Zone::utc());
        assert!(writer.full && writer.out.capacity() == 0);
    }
}
