//! Datagram listeners on loopback: what is no frame, kernel drops, a socket that is always read.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use crate::common;

use std::{sync::Arc, time::Duration};

use common::{Recorder, Running, frame};
use logrecord_transport::{
    Endpoint, Fault, Peer,
    listener::{Listener, ListenerConfig},
};
use tokio::{net::UdpSocket, sync::Semaphore};

async fn udp(config: ListenerConfig, recorder: Recorder) -> (Running, UdpSocket) {
    let listener = Listener::bind(&Endpoint::udp("127.0.0.1:0").unwrap(), config).unwrap();
    let running = Running::start(listener, recorder);
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(("127.0.0.1", running.port)).await.unwrap();
    (running, client)
}

#[tokio::test]
async fn datagrams_of_all_sizes_arrive_with_their_sender() {
    let (running, client) = udp(ListenerConfig::new(), Recorder::default()).await;
    for len in [0, 1, 600, 1500, 9000, 65_507 - 4] {
        client.send(&frame(&vec![7; len])).await.unwrap();
    }
    // The one of no bytes says nothing.
    running.recorder.until("all", |r| r.count() == 5).await;
    let frames = running.recorder.frames.lock().unwrap();
    assert_eq!(frames[4].1.len(), 65_503);
    assert_eq!(frames[0].0.peer(), &Peer::Ip(client.local_addr().unwrap()));
}

#[tokio::test]
async fn what_is_no_frame_is_reported_whole() {
    let config = ListenerConfig::new().max_frame_len(1000);
    let (running, client) = udp(config, Recorder::default()).await;
    for datagram in
        [&b""[..], b"abc", b"\0\0\0\x05abc", b"\0\0\0\x02abc", b"<134>1 2026-01-01T00:00:00Z host app"]
    {
        client.send(datagram).await.unwrap();
    }
    client.send(&frame(&[0; 1001])).await.unwrap();
    client.send(&frame(b"good")).await.unwrap();
    running.recorder.until("good", |r| r.count() == 1 && r.reasons().len() == 6).await;
    let faults = running.recorder.faults.lock().unwrap();
    let Fault::Malformed { declared, datagram, .. } = &faults[2].1 else { panic!() };
    assert_eq!((*declared, &datagram[..]), (Some(5), &b"\0\0\0\x05abc"[..]));
    let Fault::Malformed { stranger, .. } = &faults[4].1 else { panic!() };
    assert!(stranger.unwrap().to_string().to_lowercase().contains("syslog"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn kernel_drops_and_received_datagrams_add_up() {
    let recorder = Recorder { gate: Semaphore::new(0), ..Recorder::default() };
    let config = ListenerConfig::new().recv_buffer(Some(64 * 1024));
    let (running, client) = udp(config, recorder).await;
    for i in 0..2001_u32 {
        client.send(&frame(&vec![i as u8; 600])).await.unwrap();
    }
    running.recorder.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    running
        .recorder
        .until("sum", |r| {
            let drops: u64 = r.frames_lost();
            r.count() as u64 + drops == 2001
        })
        .await;
    assert!(running.recorder.reasons().iter().all(|reason| *reason == "kernel"));
    assert!(running.recorder.frames_lost() > 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_datagram_socket_is_read_while_the_handler_stalls() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.sock");
    let recorder = Recorder { gate: Semaphore::new(0), ..Recorder::default() };
    let config = ListenerConfig::new().datagram_queue(100, 1 << 20);
    let listener = Listener::bind(&Endpoint::unix_datagram(&path).unwrap(), config).unwrap();
    let running = Running::start(listener, recorder);
    let sender = std::thread::spawn(move || {
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.connect(&path).unwrap();
        // A stock sender would hang after the eleventh.
        for i in 0..1000_u32 {
            socket.send(&frame(format!("record {i}").as_bytes())).unwrap();
        }
    });
    tokio::task::spawn_blocking(|| sender.join().unwrap()).await.unwrap();
    running.recorder.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    let recorder = Arc::clone(&running.recorder);
    let summary = running.stop().await;
    assert_eq!(recorder.count() as u64 + recorder.frames_lost(), 1000);
    assert_eq!(summary.frames(), 1000);
    assert!(recorder.count() >= 100, "{}", recorder.count());
    assert!(recorder.reasons().iter().all(|reason| *reason == "overflow"));
    assert_eq!(recorder.payloads()[0], "record 0");
}

/// A megabyte for each datagram would be 20 GB of address space here.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_of_unix_datagrams_takes_little_more_than_its_bytes() {
    const COUNT: u32 = 20_000;
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (of("VmSize:"), of("VmRSS:"))
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.sock");
    let recorder = Recorder { gate: Semaphore::new(0), ..Recorder::default() };
    let listener = Listener::bind(&Endpoint::unix_datagram(&path).unwrap(), ListenerConfig::new()).unwrap();
    let running = Running::start(listener, recorder);
    let before = memory();
    let sender = std::thread::spawn(move || {
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        socket.connect(&path).unwrap();
        for _ in 0..COUNT {
            socket.send(&frame(&[7; 443])).unwrap();
        }
    });
    tokio::task::spawn_blocking(|| sender.join().unwrap()).await.unwrap();
    let after = memory();
    // 9 MB are queued. Other tests run in this process meanwhile, and each thread of theirs takes room for its own.
    assert!(after.0.saturating_sub(before.0) < 4_000_000, "{before:?} {after:?}");
    assert!(after.1.saturating_sub(before.1) < 60_000, "{before:?} {after:?}");
    running.recorder.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    running.recorder.until("all", |r| r.count() as u32 == COUNT).await;
}
