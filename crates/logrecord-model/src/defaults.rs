//! What `logging.makeLogRecord` gives a record for the attributes that it lacks.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use pickle_codec::Value;

use crate::field::Field;
use crate::record::LogRecord;

impl LogRecord<'_> {
    /// What `logging.makeLogRecord({})` gives an attribute.
    pub(crate) fn default_of(&self, field: Field) -> Option<Value<'static>> {
        Some(match field {
            Field::Created => Value::Float(now()),
            Field::Msecs => {
                let created = self.created().or_else(|| self.odd_time()).unwrap_or_else(now);
                Value::Float(((created - created.floor()) * 1000.0).floor())
            }
            Field::RelativeCreated => {
                static START: LazyLock<Instant> = LazyLock::new(Instant::now);
                Value::Float(START.elapsed().as_secs_f64() * 1000.0)
            }
            Field::Thread => Value::Int(thread_number()),
            Field::Args => Value::Tuple(Vec::new()),
            Field::Msg | Field::PathName | Field::FileName | Field::Module => Value::Str(Cow::Borrowed("")),
            Field::LevelName => Value::Str(Cow::Borrowed("Level None")),
            Field::LineNo => Value::Int(0),
            // Only a Formatter makes these.
            Field::Message | Field::AscTime => return None,
            Field::ThreadName => Value::Str(Cow::Borrowed("MainThread")),
            Field::ProcessName => Value::Str(Cow::Borrowed("MainProcess")),
            Field::Process => Value::Int(i64::from(std::process::id())),
            _ => Value::None,
        })
    }
}

/// Seconds since the epoch.
pub(crate) fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |now| now.as_secs_f64())
}

/// A number of the thread that asks, which no other thread has.
fn thread_number() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    thread_local! {
        static NUMBER: i64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}
