//! Where a record comes from: time, process and thread, as a Python receiver expects them.
use std::{
    cell::OnceCell,
    env,
    path::Path,
    process,
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Instant,
};

use logrecord_model::{LogRecord, LogRecordBuilder, Text};

/// When the first handler or back end was made: `relativeCreated` counts from there.
static START: OnceLock<Instant> = OnceLock::new();

/// What the records of one process have in common.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    process_name: Box<str>,
}

impl Origin {
    /// Without a name, the process is called as its executable is.
    pub(crate) fn new(process_name: Option<String>) -> Self {
        START.get_or_init(Instant::now);
        let process_name = process_name.unwrap_or_else(|| {
            env::args_os()
                .next()
                .and_then(|path| Path::new(&path).file_stem().map(|stem| stem.to_string_lossy().into_owned()))
                .unwrap_or_else(|| "MainProcess".to_owned())
        });
        Self { process_name: process_name.into_boxed_str() }
    }

    /// Begins a record of this moment, process and thread.
    pub(crate) fn record<'a>(
        &'a self,
        name: impl Into<Text<'a>>,
        level: i64,
        message: impl Into<Text<'a>>,
    ) -> LogRecordBuilder<'a> {
        let since = START.get_or_init(Instant::now).elapsed();
        let builder = LogRecord::builder(name, level, message)
            .now()
            .relative_created(since.as_secs_f64() * 1000.0)
            .process(i64::from(process::id()))
            .process_name(&*self.process_name)
            .thread(thread_number());
        match thread::current().name() {
            Some(name) => builder.thread_name(name.to_owned()),
            None => builder.thread_name(format!("Thread-{}", thread_number())),
        }
    }
}

/// A number that is the thread's own for as long as the process lives, as `threading.get_ident()` is: threads
/// are counted from 1, in the order in which they first log. (Rust does not show the number that it gives them.)
fn thread_number() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    thread_local! {
        static NUMBER: OnceCell<i64> = const { OnceCell::new() };
    }
    // A thread that logs while its locals are gone has no number any more.
    NUMBER.try_with(|number| *number.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_numbers_and_names_of_their_own() {
        let origin = Origin::new(Some("worker".to_owned()));
        let here = origin.record("a", 20, "m").build_owned();
        let there = thread::scope(|scope| {
            thread::Builder::new()
                .name("second".to_owned())
                .spawn_scoped(scope, || origin.record("a", 20, "m").build_owned())
                .unwrap()
                .join()
                .unwrap()
        });
        assert_eq!(there.thread_name().unwrap(), "second");
        assert_ne!(here.thread(), there.thread());
        assert_eq!(here.thread(), origin.record("a", 20, "m").build().thread());
        assert_eq!(here.process(), Some(i64::from(process::id())));
        assert_eq!(here.process_name().unwrap(), "worker");
        assert!(here.created().unwrap() > 1.0e9 && here.relative_created().unwrap() >= 0.0);
    }
}
