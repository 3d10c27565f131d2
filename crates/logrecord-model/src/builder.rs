//! Records made in Rust, with every attribute that a Python receiver expects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pickle_codec::Value;

use crate::field::Field;
use crate::level::Level;
use crate::record::{LogRecord, Order, OwnedLogRecord};
use python_format::Text;

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
    /// Starts a record with the logger's name, the level and the message.
    pub fn builder(
        name: impl Into<Text<'a>>,
        level: impl Into<Level>,
        message: impl Into<Text<'a>>,
    ) -> LogRecordBuilder<'a> {
        let level = level.into();
        let mut record = Self { order: Order::STOCK_WITH_TASK, ..Self::EMPTY };
        record.store(Field::Name, name.into().into_value());
        record.store(Field::Msg, message.into().into_value());
        record.store(Field::LevelName, level_name(level).into_value());
        record.store(Field::LevelNo, Value::Int(level.number()));
        record.store(Field::LineNo, Value::Int(0));
        for field in [Field::PathName, Field::FileName, Field::Module] {
            record.store(field, Value::from(""));
        }
        record.store(Field::ThreadName, Value::from("MainThread"));
        record.store(Field::ProcessName, Value::from("MainProcess"));
        LogRecordBuilder { record }
    }
}

/// What `logging.getLevelName` gives without `addLevelName`.
fn level_name(level: Level) -> Text<'static> {
    level.name().map_or_else(|| Text::from(level.to_string()), Text::from)
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
    ($($(#[$doc:meta])* $method:ident($type:ty) $field:ident $wrap:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $method(mut self, value: impl Into<$type>) -> Self {
                self.record.store(Field::$field, $wrap(value.into()));
                self
            }
        )*
    };
}

impl<'a> LogRecordBuilder<'a> {
    setters! {
        /// The level's name, where it is none of Python's own.
        levelname(Text<'a>) LevelName Text::into_value;
        /// The module; else it follows from [`pathname`](Self::pathname).
        module(Text<'a>) Module Text::into_value;
        /// The source line.
        lineno(i64) LineNo Value::Int;
        /// The function.
        func_name(Text<'a>) FuncName Text::into_value;
        /// The formatted exception.
        exc_text(Text<'a>) ExcText Text::into_value;
        /// The formatted stack.
        stack_info(Text<'a>) StackInfo Text::into_value;
        /// Milliseconds from the program's start to the record.
        relative_created(f64) RelativeCreated Value::Float;
        /// The thread's identifier.
        thread(i64) Thread Value::Int;
        /// The thread's name; `MainThread` where none is given.
        thread_name(Text<'a>) ThreadName Text::into_value;
        /// The process's name; `MainProcess` where none is given.
        process_name(Text<'a>) ProcessName Text::into_value;
        /// The process id.
        process(i64) Process Value::Int;
        /// The asyncio task's name, or what corresponds to it.
        task_name(Text<'a>) TaskName Text::into_value;
    }

    /// The source file, from which `filename` and `module` follow as in Python.
    pub fn pathname(mut self, path: impl Into<Text<'a>>) -> Self {
        let path = path.into();
        let visible = path.to_visible();
        let (start, end) = file_of(&visible);
        let file = visible.get(start..).unwrap_or_default().to_owned();
        let module = visible.get(start..end).unwrap_or_default().to_owned();
        drop(visible);
        self.record.store(Field::PathName, path.into_value());
        self.record.store(Field::FileName, Value::from(file));
        self.record.store(Field::Module, Value::from(module));
        self
    }

    /// When the record was made, in seconds since the epoch; `msecs` follows from it.
    pub fn created(mut self, seconds: f64) -> Self {
        // Python 3.10 and later keep whole milliseconds.
        let msecs = ((seconds - seconds.floor()) * 1000.0).floor();
        self.record.store(Field::Created, Value::Float(seconds));
        self.record.store(Field::Msecs, Value::Float(msecs));
        self
    }

    /// When the record was made, since the epoch, as CPython 3.13 computes `created` and `msecs`
    /// from `time.time_ns()`.
    #[allow(clippy::as_conversions, reason = "nanoseconds become float seconds, as in Python")]
    pub fn created_at(mut self, since_epoch: Duration) -> Self {
        self.record.store(Field::Created, Value::Float(since_epoch.as_nanos() as f64 / 1e9));
        self.record.store(Field::Msecs, Value::Float(f64::from(since_epoch.subsec_millis())));
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
