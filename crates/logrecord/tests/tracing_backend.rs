//! The layer for `tracing`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "it/common/mod.rs"]
mod common;

use std::{error, fmt, sync::Arc, time::Duration};

use common::{Keep, PATIENCE};
use logrecord::{
    Error, Handler, Receiver, SocketHandler,
    model::{LogRecord, OwnedLogRecord},
    pickle::Value,
    tracing::Layer,
};
use tracing_subscriber::prelude::*;

fn logged(layer: impl FnOnce(Arc<Keep>) -> Layer, log: impl FnOnce()) -> Vec<OwnedLogRecord> {
    let kept = Arc::new(Keep::default());
    let subscriber = tracing_subscriber::registry().with(layer(Arc::clone(&kept)));
    tracing::subscriber::with_default(subscriber, log);
    kept.take()
}

#[derive(Debug)]
struct Outer(std::io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no configuration")
    }
}

impl error::Error for Outer {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn events_reach_a_receiver() {
    let mut receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let handler = SocketHandler::to(receiver.local_endpoints()[0].clone()).build().unwrap();
    let guard = handler.guard(PATIENCE);
    let subscriber = tracing_subscriber::registry().with(logrecord::tracing::layer(handler.clone()));
    let line = line!() + 2;
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(target: "app::db", ms = 731, ratio = 0.5, ok = true, user = "ä", name = "x", "slow {}", "query");
    });
    drop(guard);
    assert_eq!(handler.stats().sender.written, 1);
    let record = receiver.recv_timeout(PATIENCE).unwrap().unwrap().unwrap().record;
    assert_eq!(record.name().unwrap(), "app.db");
    assert_eq!((record.levelno(), record.levelname().unwrap().as_str()), (Some(30), Some("WARNING")));
    assert_eq!(record.message(), "slow query");
    assert_eq!(record.filename().unwrap(), "tracing_backend.rs");
    assert_eq!(record.module().unwrap(), "tracing_backend");
    assert_eq!(record.lineno(), Some(i64::from(line)));
    let extra: Vec<_> = record.extra().map(|(key, value)| (key.as_str().unwrap(), value.clone())).collect();
    assert_eq!(
        extra,
        [
            ("ms", Value::Int(731)),
            ("ratio", Value::Float(0.5)),
            ("ok", Value::Bool(true)),
            ("user", Value::from("ä")),
            ("name_", Value::from("x"))
        ]
    );
}

#[test]
fn levels_are_pythons() {
    let records = logged(logrecord::tracing::layer, || {
        tracing::trace!("m");
        tracing::debug!("m");
        tracing::info!("m");
        tracing::warn!("m");
        tracing::error!("m");
    });
    let levels: Vec<_> = records.iter().map(|record| record.levelno().unwrap()).collect();
    assert_eq!(levels, [5, 10, 20, 30, 40]);
}

#[test]
fn spans_are_context() {
    let log = || {
        let request = tracing::info_span!(target: "web", "request", id = 7, user = tracing::field::Empty);
        let _request = request.enter();
        request.record("user", "ada");
        let _query = tracing::info_span!("query", id = 8).entered();
        tracing::info!(rows = 2, "done");
    };
    let records = logged(logrecord::tracing::layer, log);
    let expected = Value::list([
        Value::dict([
            ("name", Value::from("request")),
            ("target", "web".into()),
            ("fields", Value::dict([("id", Value::Int(7)), ("user", "ada".into())])),
        ]),
        Value::dict([
            ("name", Value::from("query")),
            ("target", "tracing_backend".into()),
            ("fields", Value::dict([("id", Value::Int(8))])),
        ]),
    ]);
    assert_eq!(records[0].extra_value("spans"), Some(&expected));
    assert_eq!(records[0].extra_value("rows"), Some(&Value::Int(2)));
    assert_eq!(records[0].extra_value("user"), None);

    let flat = logged(|kept| Layer::builder(kept).spans(false).flatten_spans(true).build(), log);
    assert_eq!(flat[0].extra_value("spans"), None);
    assert_eq!(flat[0].extra_value("user"), Some(&Value::from("ada")));
    assert_eq!(flat[0].extra_value("id"), Some(&Value::Int(8)), "the inner span wins");
}

#[test]
fn errors_are_exception_text_with_their_causes() {
    let records = logged(logrecord::tracing::layer, || {
        let outer = Outer(std::io::Error::from(std::io::ErrorKind::NotFound));
        tracing::error!(error = &outer as &(dyn error::Error + 'static), "cannot start");
    });
    assert_eq!(records[0].exc_text().unwrap(), "error: no configuration\ncaused by: entity not found");
    assert_eq!(records[0].extra_value("error"), Some(&Value::from("no configuration")));
}

#[test]
fn an_event_without_a_message_has_its_name() {
    let records = logged(logrecord::tracing::layer, || {
        tracing::info!(name: "started", port = 80);
    });
    assert_eq!(records[0].message(), "started");
}

/// A handler that says something itself.
struct Talkative(Arc<Keep>);

impl Handler for Talkative {
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        tracing::info!("handling");
        self.0.handle(record)
    }

    fn flush(&self, _: Duration) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn nothing_feeds_itself() {
    let records = logged(
        |kept| logrecord::tracing::layer(Talkative(kept)),
        || {
            tracing::info!("1");
            tracing::info!(target: "logrecord_transport::sender", "own");
            tracing::info!(target: "logrecord_demo", "2");
        },
    );
    let messages: Vec<_> = records.iter().map(|record| record.message().to_visible().into_owned()).collect();
    assert_eq!(messages, ["1", "2"]);
}

#[test]
fn a_value_that_cannot_be_formatted_costs_no_more_than_its_text() {
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
    impl error::Error for Fails {}
    let records = logged(logrecord::tracing::layer, || {
        let error: &(dyn error::Error + 'static) = &Fails;
        tracing::info!(shown = %Fails, debug = ?Fails, error, "message {Fails}");
    });
    let half = Value::from("half (formatting failed)");
    assert_eq!(records[0].message(), "message half (formatting failed)");
    for name in ["shown", "debug", "error"] {
        assert_eq!(records[0].extra_value(name), Some(&half), "{name}");
    }
    assert_eq!(records[0].exc_text().unwrap(), "error: half (formatting failed)");
}
