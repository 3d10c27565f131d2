//! Records made in Rust, with every attribute that a Python receiver expects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pickle_codec::Value;

use crate::field::Field;
use crate::record::{LogRecord, Order, OwnedLogRecord};
use crate::text::Text;

/// Makes a record with the attributes that CPython 3.12 gives one, in its order.
///
/// Nothing is asked of the system but in [`now`](Self::now): time, process and thread are
/// arguments.
///
/// ```
/// use logrecord_model::LogRecord;
/// let record = LogRecord::builder("app.db", 30, "slow query")
///     .pathname("src/db.rs")
///     .lineno(17)
///     .created(1767323045.25)
///     .extra("ms", pickle_codec::Value::Int(731))
///     .build();
/// assert_eq!(record.levelname().unwrap(), "WARNING");
/// assert_eq!(record.filename().unwrap(), "db.rs");
/// assert_eq!(record.module().unwrap(), "db");
/// assert_eq!(record.msecs(), Some(250.0));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LogRecordBuilder<'a> {
    record: LogRecord<'a>,
}

impl<'a> LogRecord<'a> {
    /// Starts a record with the logger's name, the level's number and the message.
    pub fn builder(
        name: impl Into<Text<'a>>,
        levelno: i64,
        message: impl Into<Text<'a>>,
    ) -> LogRecordBuilder<'a> {
        let mut record = Self {
            name: name.into(),
            msg: message.into().into_value(),
            level_name: level_name(levelno),
            level_no: levelno,
            process_name: Text::from("MainProcess"),
            thread_name: Text::from("MainThread"),
            order: Order::STOCK_WITH_TASK,
            ..Self::EMPTY
        };
        for field in [
            Field::Name,
            Field::Msg,
            Field::LevelName,
            Field::LevelNo,
            Field::PathName,
            Field::FileName,
            Field::Module,
            Field::LineNo,
            Field::ProcessName,
            Field::ThreadName,
        ] {
            record.set |= field.bit();
        }
        LogRecordBuilder { record }
    }
}

/// What `logging.getLevelName` gives without `addLevelName`.
fn level_name(levelno: i64) -> Text<'static> {
    Text::from(match levelno {
        0 => "NOTSET",
        10 => "DEBUG",
        20 => "INFO",
        30 => "WARNING",
        40 => "ERROR",
        50 => "CRITICAL",
        _ => return Text::from(format!("Level {levelno}")),
    })
}

/// The parts of a path that `LogRecord.__init__` makes `filename` and `module` of.
fn file_of(path: &str) -> (usize, usize) {
    let start = path.rfind(['/', '\\']).map_or(0, |place| place + 1);
    let file = path.get(start..).unwrap_or_default();
    // As `os.path.splitext`: leading dots are no extension.
    let body = file.len() - file.trim_start_matches('.').len();
    let end = match file.rfind('.') {
        Some(dot) if dot > body => dot,
        _ => file.len(),
    };
    (start, start + end)
}

macro_rules! setters {
    ($($(#[$doc:meta])* $method:ident($type:ty) $slot:ident $field:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $method(mut self, value: impl Into<$type>) -> Self {
                self.record.$slot = value.into();
                self.record.set |= Field::$field.bit();
                self
            }
        )*
    };
}

impl<'a> LogRecordBuilder<'a> {
    setters! {
        /// The level's name, where it is none of Python's own.
        levelname(Text<'a>) level_name LevelName;
        /// The module; else it follows from [`pathname`](Self::pathname).
        module(Text<'a>) module Module;
        /// The source line.
        lineno(i64) line_no LineNo;
        /// The function.
        func_name(Text<'a>) func_name FuncName;
        /// The formatted exception.
        exc_text(Text<'a>) exc_text ExcText;
        /// The formatted stack.
        stack_info(Text<'a>) stack_info StackInfo;
        /// Milliseconds from the program's start to the record.
        relative_created(f64) relative_created RelativeCreated;
        /// The thread's identifier.
        thread(i64) thread Thread;
        /// The thread's name; `MainThread` where none is given.
        thread_name(Text<'a>) thread_name ThreadName;
        /// The process's name; `MainProcess` where none is given.
        process_name(Text<'a>) process_name ProcessName;
        /// The process id.
        process(i64) process Process;
        /// The asyncio task's name, or what corresponds to it.
        task_name(Text<'a>) task_name TaskName;
    }

    /// The source file, from which `filename` and `module` follow as in Python.
    pub fn pathname(mut self, path: impl Into<Text<'a>>) -> Self {
        let path = path.into();
        let visible = path.to_visible();
        let (start, end) = file_of(&visible);
        self.record.file_name = Text::from(visible.get(start..).unwrap_or_default().to_owned());
        self.record.module = Text::from(visible.get(start..end).unwrap_or_default().to_owned());
        drop(visible);
        self.record.path_name = path;
        self
    }

    /// When the record was made, in seconds since the epoch; `msecs` follows from it.
    pub fn created(mut self, seconds: f64) -> Self {
        self.record.created = seconds;
        // Python 3.10 and later keep whole milliseconds.
        self.record.msecs = ((seconds - seconds.floor()) * 1000.0).floor();
        self.record.set |= Field::Created.bit() | Field::Msecs.bit();
        self
    }

    /// When the record was made, since the epoch, as CPython 3.13 computes `created` and `msecs`
    /// from `time.time_ns()`.
    #[allow(clippy::as_conversions, reason = "nanoseconds become float seconds, as in Python")]
    pub fn created_at(mut self, since_epoch: Duration) -> Self {
        self.record.created = since_epoch.as_nanos() as f64 / 1e9;
        self.record.msecs = f64::from(since_epoch.subsec_millis());
        self.record.set |= Field::Created.bit() | Field::Msecs.bit();
        self
    }

    /// Takes the time from the system's clock.
    pub fn now(self) -> Self {
        self.created_at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Adds an attribute of one's own.
    pub fn extra(mut self, key: impl Into<Text<'a>>, value: Value<'a>) -> Self {
        self.record.set_extra(key, value);
        self
    }

    /// The record.
    #[must_use]
    pub fn build(self) -> LogRecord<'a> {
        self.record
    }

    /// The record with its own memory.
    #[must_use]
    pub fn build_owned(self) -> OwnedLogRecord {
        self.record.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_as_in_python() {
        let rows = [
            ("/srv/app/worker.py", "worker.py", "worker"),
            ("main.rs", "main.rs", "main"),
            ("a/.hidden", ".hidden", ".hidden"),
            ("a/..x.y", "..x.y", "..x"),
            ("C:\\x\\y.tar.gz", "y.tar.gz", "y.tar"),
            ("", "", ""),
            ("dir/", "", ""),
        ];
        for (path, file, module) in rows {
            let record = LogRecord::builder("a", 20, "m").pathname(path).build();
            assert_eq!(record.filename().unwrap(), file, "{path}");
            assert_eq!(record.module().unwrap(), module, "{path}");
        }
    }
}
