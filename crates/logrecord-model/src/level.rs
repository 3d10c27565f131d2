//! Levels: any integer, with Python's names for six of them, and names of one's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How severe a record is: Python's `levelno`, which may be any integer.
///
/// ```
/// use logrecord_model::Level;
/// assert!(Level::ERROR > Level::WARNING);
/// assert_eq!(Level::new(30).to_string(), "WARNING");
/// assert_eq!(Level::new(7).to_string(), "Level 7");
/// assert_eq!("warn".parse(), Ok(Level::WARNING));
/// assert_eq!("35".parse(), Ok(Level::new(35)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(i64);

impl Level {
    /// 0: a logger with this level asks its parent.
    pub const NOTSET: Self = Self(0);
    /// 5: what `trace` of `log` and `tracing` becomes; Python has no name for it.
    pub const TRACE: Self = Self(5);
    /// 10.
    pub const DEBUG: Self = Self(10);
    /// 20.
    pub const INFO: Self = Self(20);
    /// 30.
    pub const WARNING: Self = Self(30);
    /// 40.
    pub const ERROR: Self = Self(40);
    /// 50.
    pub const CRITICAL: Self = Self(50);

    /// The level of a number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Python's own name, if the level has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "NOTSET",
            10 => "DEBUG",
            20 => "INFO",
            30 => "WARNING",
            40 => "ERROR",
            50 => "CRITICAL",
            _ => return None,
        })
    }

    /// The level of one of Python's own names, `WARN` and `FATAL` included, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
    }
}

/// Names as `logging._nameToLevel` has them.
const NAMES: [(&str, Level); 8] = [
    ("CRITICAL", Level::CRITICAL),
    ("FATAL", Level::CRITICAL),
    ("ERROR", Level::ERROR),
    ("WARN", Level::WARNING),
    ("WARNING", Level::WARNING),
    ("INFO", Level::INFO),
    ("DEBUG", Level::DEBUG),
    ("NOTSET", Level::NOTSET),
];

/// Python's `getLevelName`: a name, or `Level 7`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("Level {}", self.0)),
        }
    }
}

impl From<i64> for Level {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl From<Level> for i64 {
    fn from(level: Level) -> Self {
        level.0
    }
}

/// Text that is neither a level's name nor a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing to tell")]
pub struct UnknownLevel;

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a level: a name such as WARNING, or a number")
    }
}

impl std::error::Error for UnknownLevel {}

/// Reads a name in any case, a number, or `Level 7`.
impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let text = text.trim();
        if let Some(level) = Self::from_name(text) {
            return Ok(level);
        }
        let number = text.strip_prefix("Level ").unwrap_or(text);
        number.parse().map(Self).map_err(|_| UnknownLevel)
    }
}

#[cfg(feature = "log")]
impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::ERROR,
            log::Level::Warn => Self::WARNING,
            log::Level::Info => Self::INFO,
            log::Level::Debug => Self::DEBUG,
            log::Level::Trace => Self::TRACE,
        }
    }
}

/// A level between two becomes the lower one, as a threshold in Python would take it.
#[cfg(feature = "log")]
impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level.0 {
            40.. => Self::Error,
            30.. => Self::Warn,
            20.. => Self::Info,
            10.. => Self::Debug,
            _ => Self::Trace,
        }
    }
}

#[cfg(feature = "tracing")]
impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::ERROR,
            tracing::Level::WARN => Self::WARNING,
            tracing::Level::INFO => Self::INFO,
            tracing::Level::DEBUG => Self::DEBUG,
            tracing::Level::TRACE => Self::TRACE,
        }
    }
}

/// A level between two becomes the lower one, as a threshold in Python would take it.
#[cfg(feature = "tracing")]
impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level.0 {
            40.. => Self::ERROR,
            30.. => Self::WARN,
            20.. => Self::INFO,
            10.. => Self::DEBUG,
            _ => Self::TRACE,
        }
    }
}

/// Names of levels, Python's and one's own: what `logging.addLevelName` changes.
///
/// ```
/// use logrecord_model::{Level, LevelNames};
/// let mut names = LevelNames::new();
/// names.add(Level::new(25), "NOTICE");
/// assert_eq!(names.name(Level::new(25)), "NOTICE");
/// assert_eq!(names.level("NOTICE"), Some(Level::new(25)));
/// assert_eq!(names.name(Level::new(26)), "Level 26");
/// ```
#[derive(Clone, Debug)]
pub struct LevelNames {
    names: BTreeMap<Level, String>,
    levels: BTreeMap<String, Level>,
}

impl LevelNames {
    /// Python's own names.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Self { names: BTreeMap::new(), levels: BTreeMap::new() };
        for (name, level) in NAMES {
            registry.levels.insert(String::from(name), level);
            if let Some(name) = level.name() {
                registry.names.insert(level, String::from(name));
            }
        }
        registry
    }

    /// Gives a level a name. Names that the level had before still lead to it.
    pub fn add(&mut self, level: Level, name: impl Into<String>) {
        let name = name.into();
        self.names.insert(level, name.clone());
        self.levels.insert(name, level);
    }

    /// The name of a level, or `Level 7`: `logging.getLevelName(7)`.
    #[must_use]
    pub fn name(&self, level: Level) -> Cow<'_, str> {
        match self.names.get(&level) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("Level {}", level.0)),
        }
    }

    /// The level of a name, spelt exactly so: `logging.getLevelName("INFO")`.
    #[must_use]
    pub fn level(&self, name: &str) -> Option<Level> {
        self.levels.get(name).copied()
    }

    /// All names and their levels: `logging.getLevelNamesMapping()`, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Level)> {
        self.levels.iter().map(|(name, level)| (name.as_str(), *level))
    }
}

impl Default for LevelNames {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_to_level() {
        let rows = [
            ("INFO", Some(20)),
            ("info", Some(20)),
            ("WARN", Some(30)),
            ("Fatal", Some(50)),
            ("NOTSET", Some(0)),
            ("35", Some(35)),
            ("-5", Some(-5)),
            (" Level 7 ", Some(7)),
            ("", None),
            ("LOUD", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse().ok(), expected.map(Level::new), "{text}");
        }
    }

    #[test]
    fn a_renamed_level_keeps_its_old_name_the_other_way() {
        let mut names = LevelNames::new();
        names.add(Level::INFO, "NOTE");
        assert_eq!(names.name(Level::INFO), "NOTE");
        assert_eq!(names.level("INFO"), Some(Level::INFO));
        assert_eq!(names.level("note"), None);
        assert_eq!(names.iter().count(), 9);
        assert_eq!(format!("{:>10}|", Level::ERROR), "     ERROR|");
    }

    #[cfg(feature = "log")]
    #[test]
    fn log_levels_come_back() {
        for level in log::Level::iter() {
            assert_eq!(log::Level::from(Level::from(level)), level);
        }
        assert_eq!(log::Level::from(Level::new(25)), log::Level::Info);
        assert_eq!(log::Level::from(Level::new(-1)), log::Level::Trace);
    }

    #[cfg(feature = "tracing")]
    #[test]
    fn tracing_levels_come_back() {
        for level in
            [tracing::Level::ERROR, tracing::Level::WARN, tracing::Level::INFO, tracing::Level::TRACE]
        {
            assert_eq!(tracing::Level::from(Level::from(level)), level);
        }
        assert_eq!(tracing::Level::from(Level::new(45)), tracing::Level::ERROR);
    }
}
