//! Time zones as the C library of Linux finds them: the variable `TZ`, the system's database, and
//! rules written out.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::calendar::{Tm, default_time};
use crate::error::FormatError;

/// No file of the database is nearly as large.
const MAX_FILE: u64 = 1 << 20;

/// Seconds of 400 years: days of the week and leap years repeat after them.
const CYCLE: i64 = 146_097 * 86_400;

/// The zone in which a formatter writes times: what `time.localtime` or `time.gmtime` is in Python.
///
/// ```
/// use python_format::Zone;
/// let zone = Zone::from_tz("EST5EDT,M3.2.0,M11.1.0");
/// assert_eq!(zone.strftime("%Y-%m-%d %H:%M %Z", 1_700_000_000.0)?, "2023-11-14 17:13 EST");
/// # Ok::<(), python_format::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zone {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// `time.gmtime`.
    Utc,
    Rules(TimeZone),
    /// A rule of POSIX. The C library applies it from 1970 on; before, what holds on 1 January
    /// 1970 has always held.
    Posix(TimeZone),
    /// UTC under another name, as the C library has it when it cannot read `TZ`.
    Named(Box<str>),
}

impl Zone {
    /// The local zone: what the environment's `TZ` says, else the system's. It is looked up once,
    /// here.
    #[must_use]
    pub fn local() -> Self {
        match std::env::var_os("TZ") {
            Some(tz) => Self::from_os(&tz),
            None => Self {
                source: match read_zone(Path::new("/etc/localtime")) {
                    Some(rules) => Source::Rules(rules),
                    // Without the file the C library of Linux takes UTC; others know better.
                    None if cfg!(target_os = "linux") => Source::Named("UTC".into()),
                    None => Source::Rules(TimeZone::system()),
                },
            },
        }
    }

    /// UTC, as Python's `time.gmtime`.
    #[must_use]
    pub const fn utc() -> Self {
        Self { source: Source::Utc }
    }

    /// The zone that the C library uses when `TZ` has this value: a name such as `Europe/London`,
    /// a path, each perhaps behind a colon, or a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`. What
    /// cannot be read is UTC.
    #[must_use]
    pub fn from_tz(tz: &str) -> Self {
        Self::from_os(OsStr::new(tz))
    }

    fn from_os(tz: &OsStr) -> Self {
        let text = tz.to_string_lossy();
        let name = text.strip_prefix(':').unwrap_or(&text);
        if name.is_empty() {
            return Self { source: Source::Named("UTC".into()) };
        }
        let directory = std::env::var_os("TZDIR").unwrap_or_else(|| "/usr/share/zoneinfo".into());
        let path = PathBuf::from(directory).join(name);
        if let Some(rules) = read_zone(&path) {
            return Self { source: Source::Rules(rules) };
        }
        Self::from_rule(name)
    }

    /// A rule of POSIX. Where it has a summer time without dates, those of the United States hold.
    fn from_rule(rule: &str) -> Self {
        let with_dates = format!("{rule},M3.2.0,M11.1.0");
        let read = TimeZone::posix(rule).or_else(|_| TimeZone::posix(&with_dates));
        let source = match read {
            Ok(rules) => Source::Posix(rules),
            Err(_) => {
                let end = rule.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rule.len());
                let name = rule.get(..end).filter(|name| name.len() >= 3).unwrap_or_default();
                Source::Named(name.into())
            }
        };
        Self { source }
    }

    /// `YYYY-MM-DD HH:MM:SS`, the everyday format; `None` if the year has not four digits.
    ///
    /// # Errors
    ///
    /// As [`strftime`](Self::strftime).
    pub fn everyday(&self, seconds: f64) -> Result<Option<String>, FormatError> {
        let mut text = String::with_capacity(24);
        Ok(default_time(self.local_seconds(seconds)?, &mut text).then_some(text))
    }

    /// The fields of a time.
    pub(crate) fn at(&self, seconds: f64) -> Result<Tm, FormatError> {
        let timestamp = whole_seconds(seconds)?;
        Ok(match &self.source {
            Source::Utc => Tm::new(timestamp, 0, "UTC"),
            Source::Named(name) => Tm::new(timestamp, 0, name),
            Source::Rules(rules) => with_rules(rules, timestamp, timestamp),
            Source::Posix(rules) => with_rules(rules, timestamp, timestamp.max(0)),
        })
    }

    /// The seconds since the epoch that a local clock showed; what the everyday format needs.
    fn local_seconds(&self, seconds: f64) -> Result<i64, FormatError> {
        let timestamp = whole_seconds(seconds)?;
        let (rules, asked) = match &self.source {
            Source::Utc | Source::Named(_) => return Ok(timestamp),
            Source::Rules(rules) => (rules, timestamp),
            Source::Posix(rules) => (rules, timestamp.max(0)),
        };
        Ok(timestamp.saturating_add(i64::from(rules.to_offset(near(asked)).seconds())))
    }

    /// What `%s` writes: `mktime` of the fields, in local time whatever the fields are in.
    pub(crate) fn mktime(&self, tm: &Tm) -> i64 {
        let local;
        let rules = match &self.source {
            Source::Rules(_) | Source::Posix(_) | Source::Named(_) => return tm.timestamp,
            Source::Utc => match Self::local().source {
                Source::Rules(rules) | Source::Posix(rules) => {
                    local = rules;
                    &local
                }
                _ => return tm.timestamp,
            },
        };
        // The fields say that it is not summer time: where it is, the standard offset is asked a
        // half year away.
        let info = rules.to_offset_info(near(tm.timestamp));
        let half_year = 183 * 86_400;
        let mut offset = i64::from(info.offset().seconds());
        if info.dst().is_dst() {
            let other = rules.to_offset_info(near(tm.timestamp.saturating_add(half_year)));
            if !other.dst().is_dst() {
                offset = i64::from(other.offset().seconds());
            }
        } else {
            let guess = rules.to_offset_info(near(tm.timestamp.saturating_sub(offset)));
            if !guess.dst().is_dst() {
                offset = i64::from(guess.offset().seconds());
            }
        }
        tm.timestamp.saturating_sub(offset)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::local()
    }
}

/// The fields of a time, under the offset that the rules have at another.
fn with_rules(rules: &TimeZone, timestamp: i64, asked: i64) -> Tm {
    let info = rules.to_offset_info(near(asked));
    Tm::new(timestamp, i64::from(info.offset().seconds()), info.abbreviation())
}

/// The floor of a time, as `time.localtime` takes it.
#[allow(clippy::as_conversions, reason = "the range is checked before")]
fn whole_seconds(seconds: f64) -> Result<i64, FormatError> {
    /// Where the year no longer fits a C int.
    const FARTHEST: f64 = 6.7e16;
    if seconds.is_nan() {
        return Err(FormatError::value_error("Invalid value NaN (not a number)"));
    }
    let floor = seconds.floor();
    if floor.abs() >= 9_223_372_036_854_775_808.0 {
        return Err(FormatError::overflow("timestamp out of range for platform time_t"));
    }
    if floor.abs() > FARTHEST {
        return Err(FormatError::os_error("[Errno 75] Value too large for defined data type"));
    }
    Ok(floor as i64)
}

/// The time itself, or one of the same day and year type where the rules can be asked.
fn near(timestamp: i64) -> Timestamp {
    const LAST: i64 = 253_402_300_799 - 86_400;
    const FIRST: i64 = -LAST;
    let within = if timestamp > LAST {
        let cycles = timestamp.saturating_sub(LAST) / CYCLE + 1;
        timestamp.saturating_sub(cycles.saturating_mul(CYCLE))
    } else {
        timestamp.max(FIRST)
    };
    Timestamp::from_second(within).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn read_zone(path: &Path) -> Option<TimeZone> {
    let file = std::fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut data = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut data).ok()?;
    TimeZone::tzif(&path.to_string_lossy(), &data).ok()
}
