//! Handlers that wait for acknowledgements, over real sockets: a receiver that stores and answers, dies and comes
//! back, refuses, or knows nothing of acknowledgements.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use common::PATIENCE;
use logrecord::{
    ErrorKind, Receiver, SocketHandler,
    frame::envelope::{Ack, AckStatus, Key, KeyId, KeyRing, StreamId, Verifier},
    model::LogRecord,
    transport::{
        Backoff, Endpoint, ErrorKind as TransportKind, Fault, Source,
        listener::{FrameHandler, Listener, ListenerConfig, Replies, Verdict},
    },
};
use tokio::sync::oneshot;

fn key() -> Key {
    Key::new(KeyId::new(b"app").unwrap(), &[7; 32]).unwrap()
}

fn record(number: u64) -> LogRecord<'static> {
    LogRecord::builder("app", 20, format!("record {number}")).now().build()
}

fn quick(endpoint: &Endpoint) -> logrecord::HandlerBuilder<SocketHandler> {
    let backoff = Backoff::new().retry_start(Duration::from_millis(5)).retry_max(Duration::from_millis(20));
    SocketHandler::to(endpoint.clone()).hmac(key(), "").backoff(backoff).acks(64)
}

/// What is stored, by stream and number.
type Store = Mutex<BTreeMap<(StreamId, u64), Bytes>>;

/// Stores what is signed, answers each batch, and drops every third connection with what it has just read.
struct Storing {
    verifier: Verifier,
    store: Store,
    /// After so many batches a connection is dropped without a word.
    patience: usize,
    /// These numbers are refused.
    refused: fn(u64) -> bool,
}

impl Storing {
    fn new(patience: usize, refused: fn(u64) -> bool) -> Arc<Self> {
        let mut ring = KeyRing::new();
        ring.accept(key()).unwrap();
        let verifier = Verifier::new(&ring, b"").unwrap();
        Arc::new(Self { verifier, store: Store::default(), patience, refused })
    }

    fn answer(&self, status: AckStatus, stamp: &logrecord::frame::envelope::Stamp) -> Bytes {
        let mut frame = Vec::new();
        self.verifier.seal_ack_into(&Ack::new(status, stamp), &mut frame).unwrap();
        frame.into()
    }
}

impl FrameHandler for Storing {
    type Connection = (Replies, usize);

    fn connected(&self, _: &Source, replies: Replies) -> (Replies, usize) {
        (replies, 0)
    }

    async fn frames(
        &self,
        (replies, batches): &mut (Replies, usize),
        _: &Source,
        frames: &mut Vec<Bytes>,
    ) -> Verdict {
        *batches += 1;
        if *batches > self.patience {
            return Verdict::Close;
        }
        for frame in frames.drain(..) {
            let Ok(verified) = self.verifier.verify(0, frame) else { return Verdict::Close };
            let stamp = *verified.stamp();
            assert!(stamp.wants_ack);
            if (self.refused)(stamp.seq) {
                replies.send(self.answer(AckStatus::TooOld, &stamp));
            } else {
                let key = (stamp.stream_id, stamp.seq);
                self.store.lock().unwrap().insert(key, Bytes::new());
            }
            replies.send_latest(*stamp.stream_id.as_bytes(), self.answer(AckStatus::Durable, &stamp));
        }
        Verdict::Continue
    }

    fn fault(&self, _: &Source, _: Fault) {}
}

fn serve(handler: Arc<Storing>) -> (Endpoint, oneshot::Sender<()>) {
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap(), ListenerConfig::new()).unwrap();
    let endpoint = listener.local_endpoint().clone();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(listener.serve(handler, async { drop(stopped.await) }));
    (endpoint, stop)
}

#[tokio::test]
async fn every_record_is_stored_over_connections_that_die() {
    const COUNT: u64 = 2000;
    let receiver = Storing::new(3, |_| false);
    let (endpoint, _stop) = serve(Arc::clone(&receiver));
    let handler = quick(&endpoint).build_async().unwrap();
    for number in 0..COUNT {
        handler.handle(&record(number)).await.unwrap();
    }
    handler.flush(PATIENCE).await.unwrap();
    let stats = handler.close(PATIENCE).await.sender;
    assert_eq!((stats.accepted, stats.acked, stats.dropped, stats.queued), (COUNT, COUNT, 0, 0));
    assert!(stats.connections > 3, "{stats:?}");
    let store = receiver.store.lock().unwrap();
    assert!(store.keys().map(|(_, number)| *number).eq(0..COUNT));
}

#[tokio::test]
async fn refusals_are_told_and_end_the_wait() {
    let receiver = Storing::new(usize::MAX, |number| number % 10 == 3);
    let (endpoint, _stop) = serve(Arc::clone(&receiver));
    let handler = quick(&endpoint).build().unwrap();
    let stats = tokio::task::spawn_blocking(move || {
        for number in 0..100 {
            handler.handle(&record(number)).unwrap();
        }
        handler.flush(PATIENCE).unwrap();
        handler.close(PATIENCE).sender
    });
    let stats = stats.await.unwrap();
    assert_eq!((stats.acked, stats.refused, stats.dropped, stats.queued), (90, 10, 0, 0));
    assert_eq!(stats.refused_by_status[usize::from(AckStatus::TooOld.number())], 10);
    assert_eq!(receiver.store.lock().unwrap().len(), 90);
}

#[test]
fn a_receiver_without_acknowledgements_is_told_of_and_nothing_is_forgotten() {
    // It refuses the flag and closes.
    let receiver =
        Receiver::builder().listen("tcp://127.0.0.1:0".parse().unwrap()).key(key()).build().unwrap();
    let handler = quick(&receiver.local_endpoints()[0]).build().unwrap();
    handler.handle(&record(1)).unwrap();
    let begin = std::time::Instant::now();
    while handler.last_error().is_none_or(|error| error.kind() != TransportKind::Unanswered) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", handler.last_error());
        std::thread::yield_now();
    }
    let stats = handler.stats().sender;
    assert_eq!((stats.accepted, stats.acked, stats.dropped, stats.queued), (1, 0, 0, 1));
    let stats = handler.close(Duration::ZERO).sender;
    assert_eq!((stats.dropped_closed, stats.in_doubt, stats.queued), (1, 1, 0));
}

#[test]
fn acknowledgements_need_a_key_and_a_stream() {
    let rows = [
        SocketHandler::builder("127.0.0.1", 9).acks(1).build().map(drop),
        logrecord::DatagramHandler::builder("127.0.0.1", 9).hmac(key(), "").acks(1).build().map(drop),
    ];
    for outcome in rows {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Acks);
    }
}
