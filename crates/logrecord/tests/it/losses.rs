//! Receivers that go away and come back: what arrives and what is reported add up to what was sent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::time::Duration;

use common::PATIENCE;
use logrecord::{
    LOSS_LOGGER, Receiver, SocketHandler,
    model::LogRecord,
    pickle::Value,
    transport::{Backoff, Endpoint},
};

fn record(number: u64) -> LogRecord<'static> {
    LogRecord::builder("app", 20, format!("record {number}")).now().build()
}

/// Takes items until `sent` are accounted for, and says how many arrived and how many were reported.
fn account(receiver: &mut Receiver, sent: u64) -> (u64, u64) {
    let (mut arrived, mut reported) = (0, 0);
    while arrived + reported < sent {
        let item =
            receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{arrived} + {reported} of {sent}"));
        let record = item.unwrap().unwrap().record;
        if record.name().unwrap() == LOSS_LOGGER {
            let Some(Value::Int(lost)) = record.extra_value("lost_records") else { panic!("{record:?}") };
            reported += u64::try_from(*lost).unwrap();
        } else {
            arrived += 1;
        }
    }
    (arrived, reported)
}

fn restart(receiver: Receiver) -> (Endpoint, impl FnOnce() -> Receiver) {
    let endpoint = receiver.local_endpoints()[0].clone();
    drop(receiver);
    let again = endpoint.to_string();
    (endpoint, move || Receiver::bind(&again).unwrap())
}

#[test]
fn a_restart_costs_what_is_reported_and_nothing_else() {
    let mut receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let handler = SocketHandler::to(receiver.local_endpoints()[0].clone())
        .queue(50, 1 << 20)
        .backoff(Backoff::new().retry_start(Duration::from_millis(20)).retry_max(Duration::from_millis(50)))
        .loss_reports(Some(Duration::ZERO))
        .build()
        .unwrap();
    for number in 0..40 {
        handler.handle(&record(number)).unwrap();
    }
    assert_eq!(account(&mut receiver, 40), (40, 0));

    let (_, start) = restart(receiver);
    for number in 0..200 {
        handler.handle(&record(number)).unwrap();
    }
    let mut receiver = start();
    handler.flush(PATIENCE).unwrap();
    let (arrived, reported) = account(&mut receiver, 200);
    // Everything but what the queue holds, and one record that may have been on its way out.
    assert!((50..=51).contains(&arrived), "{arrived} arrived, {reported} reported");
    assert!(receiver.recv_timeout(Duration::ZERO).is_err());
    let stats = handler.stats();
    assert_eq!(stats.sender.dropped, reported);
    assert_eq!(stats.handled, stats.sender.written + stats.lost());
    // Losses are told as soon as a connection stands, and the first one may not last.
    assert!(stats.sender.reports >= 1);
}

#[test]
fn a_queue_that_is_long_enough_loses_nothing() {
    let receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let handler = SocketHandler::to(receiver.local_endpoints()[0].clone())
        .backoff(Backoff::new().retry_start(Duration::from_millis(20)).retry_max(Duration::from_millis(50)))
        .build()
        .unwrap();
    let (_, start) = restart(receiver);
    for number in 0..500 {
        handler.handle(&record(number)).unwrap();
    }
    let mut receiver = start();
    assert_eq!(account(&mut receiver, 500), (500, 0));
    assert_eq!(handler.close(PATIENCE).lost(), 0);
}

#[test]
fn a_guard_and_the_last_handle_flush() {
    let mut receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let handler = SocketHandler::new("127.0.0.1", port).unwrap();
    let guard = handler.guard(PATIENCE);
    for number in 0..100 {
        handler.handle(&record(number)).unwrap();
    }
    drop(guard);
    let stats = handler.stats();
    assert_eq!((stats.sender.written, stats.sender.queued), (100, 0));

    let second = SocketHandler::builder("127.0.0.1", port).drop_timeout(PATIENCE).build().unwrap();
    for number in 0..100 {
        second.handle(&record(number)).unwrap();
    }
    drop(second);
    assert_eq!(account(&mut receiver, 200), (200, 0));
}

/// The numbers of the envelopes tell the same as the reports, whose own envelopes are another stream.
#[cfg(feature = "hmac")]
#[test]
fn signed_losses_are_reported_and_seen_as_gaps() {
    use std::sync::Arc;

    use logrecord::frame::envelope::{Key, KeyId, KeyRing, Opener, Policy};

    let key = Key::new(KeyId::new(b"app").unwrap(), &[7; 32]).unwrap();
    let mut ring = KeyRing::new();
    ring.accept(key.clone()).unwrap();
    // What a state file carries over a restart, a shared opener does here.
    let opener = Arc::new(Opener::new(&ring, b"", Policy::new(), 0).unwrap());
    let start = |endpoint: Endpoint| {
        Receiver::builder().listen(endpoint).opener(Arc::clone(&opener)).build().unwrap()
    };
    let mut receiver = start("tcp://127.0.0.1:0".parse().unwrap());
    let endpoint = receiver.local_endpoints()[0].clone();
    let handler = SocketHandler::to(endpoint.clone())
        .hmac(key, "")
        .queue(10, 1 << 20)
        .backoff(Backoff::new().retry_start(Duration::from_millis(20)))
        .build()
        .unwrap();
    handler.handle(&record(0)).unwrap();
    assert_eq!(account(&mut receiver, 1), (1, 0));
    drop(receiver);
    for number in 0..100 {
        handler.handle(&record(number)).unwrap();
    }
    let mut receiver = start(endpoint);
    let (arrived, reported) = account(&mut receiver, 100);
    assert!(arrived >= 10 && reported > 0, "{arrived} arrived, {reported} reported");
    assert_eq!(receiver.stats().missing, reported);
}
