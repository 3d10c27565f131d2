//! The async sender on real sockets, mostly into our own listener.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use crate::common;

use std::time::Duration;

use common::{Recorder, Running};
use logrecord_transport::{
    Backoff, Endpoint, ErrorKind,
    listener::{Listener, ListenerConfig},
    sender::{AsyncSender, FullPolicy, Message, SenderConfig},
};
use tokio::{io::AsyncReadExt, net::TcpListener};

const LONG: Duration = Duration::from_secs(30);

fn quick() -> SenderConfig {
    SenderConfig::new().backoff(Backoff::new().retry_start(Duration::from_millis(20)).retry_factor(1.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_carries_records_to_the_listener() {
    let dir = tempfile::tempdir().unwrap();
    let mut endpoints = vec![Endpoint::tcp("127.0.0.1:0").unwrap(), Endpoint::udp("127.0.0.1:0").unwrap()];
    if cfg!(unix) {
        endpoints.push(Endpoint::unix(dir.path().join("s")).unwrap());
        endpoints.push(Endpoint::unix_datagram(dir.path().join("d")).unwrap());
    }
    for endpoint in endpoints {
        let listener = Listener::bind(&endpoint, ListenerConfig::new()).unwrap();
        let endpoint = listener.local_endpoint().clone();
        let running = Running::start(listener, Recorder::default());
        let sender = AsyncSender::new(endpoint.clone(), quick()).unwrap();
        for i in 0..500_u32 {
            sender.send(format!("{i:04}{}", "x".repeat(i as usize * 3)).into_bytes()).await.unwrap();
            if endpoint.transport().is_datagram() && i % 50 == 49 {
                // No more at once than the smallest buffer of the kernel holds.
                running.recorder.until("part", |r| r.count() == i as usize + 1).await;
            }
        }
        running.recorder.until(&endpoint.to_string(), |r| r.count() == 500).await;
        for (i, payload) in running.recorder.payloads().iter().enumerate() {
            assert!(payload.starts_with(format!("{i:04}").as_bytes()), "{endpoint}");
        }
        let stats = sender.close(LONG).await;
        assert_eq!((stats.accepted, stats.written, stats.dropped), (500, 500, 0), "{endpoint}");
        assert_eq!(sender.send(&b"late"[..]).await.unwrap_err().kind(), ErrorKind::Closed);
        running.stop().await;
    }
}

#[tokio::test]
async fn restarts_of_the_receiver_between_records_lose_nothing() {
    let listener = Listener::bind(&Endpoint::tcp("127.0.0.1:0").unwrap(), ListenerConfig::new()).unwrap();
    let endpoint = listener.local_endpoint().clone();
    let mut running = Running::start(listener, Recorder::default());
    let sender = AsyncSender::new(endpoint.clone(), quick()).unwrap();
    for round in 0..20_u32 {
        sender.send(round.to_be_bytes().to_vec()).await.unwrap();
        running.recorder.until("round", |r| r.count() == 1).await;
        running.stop().await;
        // This one finds nobody, and waits.
        sender.send(&b"between"[..]).await.unwrap();
        let listener = Listener::bind(&endpoint, ListenerConfig::new()).unwrap();
        running = Running::start(listener, Recorder::default());
        running.recorder.until("between", |r| r.count() == 1).await;
        running.recorder.frames.lock().unwrap().clear();
    }
    let stats = sender.stats();
    assert_eq!((stats.accepted, stats.written, stats.dropped), (40, 40, 0));
}

#[tokio::test]
async fn a_full_queue_blocks_or_drops_as_it_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    let config = SenderConfig::new().queue(4, 1 << 30).full_policy(FullPolicy::Block(LONG));
    let sender = AsyncSender::new(endpoint, config).unwrap();
    let producer = tokio::spawn({
        let sender = sender.clone();
        async move {
            for _ in 0..100 {
                sender.send(vec![0; 200_000]).await.unwrap();
            }
            sender.close(LONG).await
        }
    });
    let mut stream = listener.accept().await.unwrap().0;
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire.len(), 100 * 200_004);
    assert_eq!(producer.await.unwrap().dropped, 0);
}

#[tokio::test]
async fn closing_without_a_receiver_counts_what_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    drop(listener);
    let sender = AsyncSender::new(endpoint, SenderConfig::new()).unwrap();
    for _ in 0..10 {
        sender.send(&b"x"[..]).await.unwrap();
    }
    assert_eq!(sender.flush(Duration::from_millis(50)).await.unwrap_err().kind(), ErrorKind::Timeout);
    let stats = sender.close(Duration::from_millis(300)).await;
    assert_eq!((stats.accepted, stats.dropped_closed, stats.queued), (10, 10, 0));
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_is_given_up_after_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    let config = quick().write_timeout(Duration::from_millis(200));
    let sender = AsyncSender::new(endpoint, config).unwrap();
    // More than the kernel's buffers hold.
    sender.send(vec![0; 20_000_000]).await.unwrap();
    let first = listener.accept().await.unwrap().0;
    // It was cut once, and is tried once more, on a fresh connection.
    let second = listener.accept().await.unwrap().0;
    sender.flush(LONG).await.unwrap();
    let stats = sender.stats();
    assert_eq!((stats.accepted, stats.dropped_error, stats.queued), (1, 1, 0));
    drop((first, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blocking_loses_nothing_when_many_tasks_want_the_same_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    let config = SenderConfig::new().queue(2, 1 << 20).full_policy(FullPolicy::Block(LONG));
    let sender = AsyncSender::new(endpoint, config).unwrap();
    let tasks: Vec<_> = (0..16_u8)
        .map(|id| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..500 {
                    sender.send(vec![id; 100]).await.unwrap();
                }
            })
        })
        .collect();
    let reading = tokio::spawn(async move {
        let mut wire = Vec::new();
        listener.accept().await.unwrap().0.read_to_end(&mut wire).await.unwrap();
        wire.len()
    });
    for task in tasks {
        task.await.unwrap();
    }
    let stats = sender.close(LONG).await;
    assert_eq!((stats.accepted, stats.written, stats.dropped), (8000, 8000, 0));
    assert_eq!(reading.await.unwrap(), 8000 * 104);
}

#[tokio::test]
async fn a_cancelled_send_has_made_and_counted_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    drop(listener);
    let config = SenderConfig::new().queue(1, 1 << 20).full_policy(FullPolicy::Block(LONG));
    let sender = AsyncSender::new(endpoint, config).unwrap();
    let next = std::cell::Cell::new(0_u64);
    let send = || {
        sender.send_with(1, || {
            next.set(next.get() + 1);
            Ok::<_, logrecord_transport::Error>(Message::numbered(&b"x"[..], next.get()))
        })
    };
    send().await.unwrap();
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_millis(20), send()).await.unwrap_err();
    }
    assert_eq!((next.get(), sender.stats().accepted), (1, 1));
    let stats = sender.close(Duration::ZERO).await;
    assert_eq!((stats.accepted, stats.dropped), (1, 1));
}
