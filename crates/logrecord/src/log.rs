//! A back end for the [`log`](https://docs.rs/log) crate.
//!
//! | of the `log` record | in the LogRecord |
//! |---|---|
//! | target | `name`, with `.` for `::`, so that Python's loggers form the same tree |
//! | level | `levelno`: error 40, warn 30, info 20, debug 10, trace 5 (`levelname` is `Level 5`) |
//! | message | `msg`; there are no `args` |
//! | file, line | `pathname`, `filename`, `lineno` |
//! | module path | `module`, as it is (`app::db`) |
//! | key-values | extra attributes: numbers, booleans and text as such, anything else as its text |
//!
//! Time, process and thread are those of the call. A key that is the name of an attribute gets an underscore
//! behind it. What this project's crates and threads log is ignored, so that nothing feeds itself.
//!
//! ```
//! use std::time::Duration;
//! use logrecord::{SocketHandler, log::Logger};
//!
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let port = listener.local_addr()?.port();
//! let handler = SocketHandler::new("127.0.0.1", port)?;
//! let guard = Logger::builder(handler).level(log::LevelFilter::Info).try_init()?;
//! log::warn!(target: "app::db", ms = 731; "slow query");
//! drop(guard); // It waits until the record is sent.
//! # use std::io::Read;
//! # let mut frame = [0; 4096];
//! # let len = listener.accept()?.0.read(&mut frame)?;
//! # let record = logrecord::model::LogRecord::from_pickle(&frame[4..len])?;
//! # assert_eq!(record.name().unwrap(), "app.db");
//! # assert_eq!(record.extra_value("ms"), Some(&logrecord::pickle::Value::Int(731)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use ::log::{LevelFilter, Log, Metadata, Record, kv};
use logrecord_model::{Level, Text};
use pickle_codec::Value;

use crate::{
    error::{Error, ErrorKind},
    extra::{extra_key, text},
    feedback,
    handler::{Guard, Handler},
    origin::Origin,
};

/// A logger for the `log` crate that makes LogRecords and gives them to a [`Handler`].
pub struct Logger {
    handler: Arc<dyn Handler>,
    origin: Origin,
    level: LevelFilter,
    /// The longest target comes first.
    targets: Vec<(String, LevelFilter)>,
    flush_timeout: Duration,
}

impl Logger {
    /// Begins to set up a logger.
    pub fn builder(handler: impl Handler + 'static) -> LoggerBuilder {
        LoggerBuilder {
            handler: Arc::new(handler),
            level: LevelFilter::Trace,
            targets: Vec::new(),
            process_name: None,
            flush_timeout: Duration::from_secs(5),
        }
    }

    /// The least severe level that any target has.
    fn max_level(&self) -> LevelFilter {
        self.targets.iter().map(|(_, level)| *level).chain([self.level]).max().unwrap_or(self.level)
    }

    fn level_of(&self, target: &str) -> LevelFilter {
        let found = self.targets.iter().find(|(prefix, _)| {
            target.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        found.map_or(self.level, |(_, level)| *level)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level_of(metadata.target()) && !feedback::is_own(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = match record.args().as_str() {
            Some(message) => Text::from(message),
            None => Text::from(text(*record.args())),
        };
        let mut made =
            self.origin.record(logger_name(record.target()), Level::from(record.level()).number(), message);
        if let Some(file) = record.file() {
            made = made.pathname(file);
        }
        if let Some(module) = record.module_path() {
            made = made.module(module);
        }
        if let Some(line) = record.line() {
            made = made.lineno(i64::from(line));
        }
        let mut pairs = Pairs(Vec::new());
        // The visitor never fails; a source that does has given what it could.
        drop(record.key_values().visit(&mut pairs));
        for (key, value) in pairs.0 {
            made = made.extra(key, value);
        }
        let made = made.build();
        // The handler counts what it cannot take, and there is nobody else to tell.
        drop(feedback::guarded(|| self.handler.handle(&made)));
    }

    fn flush(&self) {
        drop(feedback::guarded(|| self.handler.flush(self.flush_timeout)));
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("level", &self.level)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// Sets up a [`Logger`].
#[must_use]
pub struct LoggerBuilder {
    handler: Arc<dyn Handler>,
    level: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
    process_name: Option<String>,
    flush_timeout: Duration,
}

impl LoggerBuilder {
    /// The least severe level that is taken: everything by default, so that the receiving side decides.
    pub const fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// Another level for a target and all below it. Of several, the longest target counts.
    pub fn target_level(mut self, target: impl Into<String>, level: LevelFilter) -> Self {
        self.targets.push((target.into(), level));
        self
    }

    /// The process's name in the records. By default it is the executable's.
    pub fn process_name(mut self, name: impl Into<String>) -> Self {
        self.process_name = Some(name.into());
        self
    }

    /// How long `log`'s `flush` and the guard of [`try_init`](Self::try_init) wait: 5 s by default.
    pub const fn flush_timeout(mut self, limit: Duration) -> Self {
        self.flush_timeout = limit;
        self
    }

    /// The logger, for those who install it themselves or stand it behind another one.
    pub fn build(self) -> Logger {
        let mut targets = self.targets;
        targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Logger {
            handler: self.handler,
            origin: Origin::new(self.process_name),
            level: self.level,
            targets,
            flush_timeout: self.flush_timeout,
        }
    }

    /// Installs the logger for the whole program. Nobody drops an installed logger, so that the guard is what
    /// flushes it; keep it in `main`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Installed`] if the program has a logger already.
    pub fn try_init(self) -> Result<Guard, Error> {
        let logger = self.build();
        let guard = Guard::new(Arc::clone(&logger.handler), logger.flush_timeout);
        let level = logger.max_level();
        ::log::set_boxed_logger(Box::new(logger))
            .map_err(|error| Error::with(ErrorKind::Installed, error))?;
        ::log::set_max_level(level);
        Ok(guard)
    }

    /// As [`try_init`](Self::try_init).
    ///
    /// # Panics
    ///
    /// If the program has a logger already.
    #[expect(clippy::panic, reason = "two loggers in one program are a mistake in its code")]
    pub fn init(self) -> Guard {
        match self.try_init() {
            Ok(guard) => guard,
            Err(error) => panic!("{error}"),
        }
    }
}

impl fmt::Debug for LoggerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggerBuilder")
            .field("level", &self.level)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// A target as the name of a Python logger.
fn logger_name(target: &str) -> Cow<'_, str> {
    if target.contains("::") { Cow::Owned(target.replace("::", ".")) } else { Cow::Borrowed(target) }
}

/// The key-values of a record.
struct Pairs(Vec<(String, Value<'static>)>);

impl<'kvs> kv::VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut found = Found(Value::None);
        value.visit(&mut found)?;
        self.0.push((extra_key(key.as_str()).into_owned(), found.0));
        Ok(())
    }
}

struct Found(Value<'static>);

impl<'v> kv::VisitValue<'v> for Found {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = Value::from(text(format_args!("{value}")));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = Value::None;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = Value::from(value.to_owned());
        Ok(())
    }

    fn visit_char(&mut self, value: char) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }
}
