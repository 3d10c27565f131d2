//! The back end for `log`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "it/common/mod.rs"]
mod common;

use std::{fmt, sync::Arc, thread, time::Duration};

use common::{Keep, PATIENCE};
use log::{Level, LevelFilter, Log, Record};
use logrecord::{
    Error, ErrorKind, Handler, Receiver, SocketHandler, log::Logger, model::LogRecord, pickle::Value,
};

/// The one test that installs a logger for the whole program.
#[test]
fn macros_reach_a_receiver() {
    let mut receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let handler = SocketHandler::to(receiver.local_endpoints()[0].clone()).build().unwrap();
    let guard = Logger::builder(handler.clone())
        .level(LevelFilter::Debug)
        .target_level("noisy", LevelFilter::Warn)
        .process_name("worker")
        .try_init()
        .unwrap();
    let second = Logger::builder(Keep::default()).try_init().unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Installed);
    assert_eq!(log::max_level(), LevelFilter::Debug);

    let line = line!() + 1;
    log::warn!(target: "app::db", ms = 731, ok = true, user = "ä", name = "x"; "slow {}", "query");
    log::trace!(target: "app", "below the level");
    log::info!(target: "noisy::part", "below the target's level");
    log::info!(target: "noisy_neighbour", "another target");
    thread::Builder::new().name("second".to_owned()).spawn(|| log::error!("done")).unwrap().join().unwrap();
    drop(guard);
    assert_eq!(handler.stats().sender.written, 3);

    let mut next = || receiver.recv_timeout(PATIENCE).unwrap().unwrap().unwrap().record;
    let slow = next();
    assert_eq!(slow.name().unwrap(), "app.db");
    assert_eq!((slow.levelno(), slow.levelname().unwrap().as_str()), (Some(30), Some("WARNING")));
    assert_eq!(slow.message(), "slow query");
    assert!(slow.pathname().unwrap().as_str().unwrap().ends_with("tests/log_backend.rs"));
    assert_eq!(slow.filename().unwrap(), "log_backend.rs");
    assert_eq!(slow.module().unwrap(), "log_backend");
    assert_eq!(slow.lineno(), Some(i64::from(line)));
    assert_eq!(slow.process(), Some(i64::from(std::process::id())));
    assert_eq!(slow.process_name().unwrap(), "worker");
    let extra: Vec<_> = slow.extra().map(|(key, value)| (key.as_str().unwrap(), value.clone())).collect();
    assert_eq!(
        extra,
        [
            ("ms", Value::Int(731)),
            ("ok", Value::Bool(true)),
            ("user", Value::from("ä")),
            ("name_", Value::from("x"))
        ]
    );
    assert_eq!(next().name().unwrap(), "noisy_neighbour");
    let done = next();
    assert_eq!((done.levelno(), done.thread_name().unwrap().as_str()), (Some(40), Some("second")));
    assert_ne!(done.thread(), slow.thread());
}

#[test]
fn levels_are_pythons() {
    let kept = Arc::new(Keep::default());
    let logger = Logger::builder(Arc::clone(&kept)).build();
    for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error] {
        logger.log(&Record::builder().level(level).target("app").args(format_args!("m")).build());
    }
    let levels: Vec<_> = kept.take().iter().map(|record| record.levelno().unwrap()).collect();
    assert_eq!(levels, [5, 10, 20, 30, 40]);
}

/// Logs through the logger that it stands behind, as a handler of somebody's own may do.
#[derive(Default)]
struct Talkative {
    kept: Keep,
    logger: std::sync::OnceLock<Arc<Logger>>,
}

struct Shared(Arc<Talkative>);

impl Handler for Shared {
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        let about =
            Record::builder().level(Level::Info).target("client").args(format_args!("sending")).build();
        self.0.logger.get().unwrap().log(&about);
        self.0.kept.handle(record)
    }

    fn flush(&self, _: Duration) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn nothing_feeds_itself() {
    let handler = Arc::new(Talkative::default());
    let logger = Arc::new(Logger::builder(Shared(Arc::clone(&handler))).build());
    assert!(handler.logger.set(Arc::clone(&logger)).is_ok());
    let say = |target: &str, text: fmt::Arguments<'_>| {
        logger.log(&Record::builder().level(Level::Error).target(target).args(text).build());
    };
    say("app", format_args!("1"));
    for own in ["logrecord", "logrecord::log", "logrecord_transport::sender", "pickle_codec"] {
        say(own, format_args!("own"));
    }
    say("logrecord_demo", format_args!("2"));
    let logger = Arc::clone(&logger);
    let sender = thread::Builder::new().name("logrecord-sender".to_owned());
    sender
        .spawn(move || {
            logger.log(
                &Record::builder().level(Level::Warn).target("rustls").args(format_args!("alert")).build(),
            );
        })
        .unwrap()
        .join()
        .unwrap();
    let messages: Vec<_> =
        handler.kept.take().iter().map(|record| record.message().to_visible().into_owned()).collect();
    assert_eq!(messages, ["1", "2"]);
}

/// A `Display` and `Debug` that fails, as one of a lock that is poisoned or of a lazy iterator does.
struct Fails;

impl fmt::Display for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half ")?;
        Err(fmt::Error)
    }
}

impl fmt::Debug for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[test]
fn a_value_that_cannot_be_formatted_costs_no_more_than_its_text() {
    let handler = Arc::new(Keep::default());
    let logger = Logger::builder(Arc::clone(&handler)).build();
    let pairs = [("shown", log::kv::Value::from_display(&Fails)), ("other", log::kv::Value::from(1))];
    let mut record = Record::builder();
    record.level(Level::Error).target("app").key_values(&pairs);
    logger.log(&record.args(format_args!("before {Fails} behind")).build());
    let records = handler.take();
    assert_eq!(records[0].message(), "before half (formatting failed)");
    assert_eq!(records[0].extra_value("shown"), Some(&Value::from("half (formatting failed)")));
    assert_eq!(records[0].extra_value("other"), Some(&Value::Int(1)));
}
