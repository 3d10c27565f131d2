//! Stream listeners on loopback: limits, faults, fairness, stopping.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use crate::common;

use std::{sync::atomic::Ordering, time::Duration};

use common::{Recorder, Running, frame};
use logrecord_transport::{
    Endpoint, Fault, Peer, Transport,
    listener::{Listener, ListenerConfig},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

fn tcp(config: ListenerConfig) -> Listener {
    Listener::bind(&Endpoint::tcp("127.0.0.1:0").unwrap(), config).unwrap()
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(("127.0.0.1", running.port)).await.unwrap()
}

/// Waits until the other side has closed.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    drop(tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await.unwrap());
}

#[tokio::test]
async fn frames_arrive_in_order_however_they_are_cut() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let payloads: Vec<Vec<u8>> = (0..300_usize).map(|i| vec![i as u8; 1 + (i * 37) % 3000]).collect();
    let wire: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
    let mut client = connect(&running).await;
    client.set_nodelay(true).unwrap();
    let mut rest = &wire[..];
    let mut step = 1;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(step.min(rest.len()));
        client.write_all(piece).await.unwrap();
        rest = tail;
        step = step * 7 % 5003 + 1;
    }
    running.recorder.until("all frames", |r| r.count() == 300).await;
    assert_eq!(running.recorder.payloads(), payloads);
    let source = running.recorder.frames.lock().unwrap()[0].0.clone();
    assert_eq!(source.transport(), Transport::Tcp);
    assert_eq!(source.peer(), &Peer::Ip(client.local_addr().unwrap()));
    assert_eq!(source.connection(), 1);
    drop(client);
    running.recorder.until("end", |r| r.disconnected.load(Ordering::SeqCst) == 1).await;
    let summary = running.stop().await;
    assert_eq!((summary.frames(), summary.connections(), summary.faults()), (300, 1, 0));
    assert!(summary.is_drained());
}

#[tokio::test]
async fn a_connection_cut_at_every_byte_counts_its_frame_and_harms_nobody() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let wire = frame(b"0123456789");
    for reset in [false, true] {
        for cut in 0..wire.len() {
            let mut client = connect(&running).await;
            client.write_all(&frame(b"whole")).await.unwrap();
            client.write_all(&wire[..cut]).await.unwrap();
            if reset {
                // A reset may overtake what was sent, so that less than all of it arrives.
                socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(client);
        }
    }
    let connections = 2 * wire.len();
    running.recorder.until("ends", |r| r.disconnected.load(Ordering::SeqCst) == connections).await;
    let mut client = connect(&running).await;
    client.write_all(&frame(b"last")).await.unwrap();
    running.recorder.until("last", |r| r.payloads().iter().any(|p| p == "last")).await;
    let faults = running.recorder.faults.lock().unwrap();
    let mut seen = vec![false; wire.len()];
    for (_, fault) in faults.iter() {
        match fault {
            Fault::Truncated { partial, declared } => {
                seen[partial.len()] = true;
                assert_eq!(*partial, wire[..partial.len()]);
                assert_eq!(*declared, (partial.len() >= 4).then_some(10));
            }
            Fault::Broken { .. } => {}
            other => panic!("{other}"),
        }
    }
    assert!(seen[1..].iter().all(|seen| *seen), "{seen:?}");
}

#[tokio::test]
async fn a_stranger_is_named_and_closed() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let mut client = connect(&running).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    closed(&mut client).await;
    running.recorder.until("fault", |r| r.reasons() == ["oversized"]).await;
    let faults = running.recorder.faults.lock().unwrap();
    let Fault::Oversized { declared, head, stranger, skipped: false } = &faults[0].1 else { panic!() };
    assert_eq!(*declared, u32::from_be_bytes(*b"GET "));
    assert_eq!(&head[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(stranger.unwrap().to_string().contains("HTTP"), "{stranger:?}");
}

#[tokio::test]
async fn a_frame_over_the_limit_is_skipped_where_the_handler_wants_it_so() {
    let config = || ListenerConfig::new().max_frame_len(1000).frame_timeout(Some(Duration::from_millis(300)));
    let long = [b"skip".repeat(250_000), b"end".to_vec()].concat();
    let running = Running::start(tcp(config()), Recorder::default());
    let mut client = connect(&running).await;
    for _ in 0..3 {
        client.write_all(&[frame(b"before"), frame(&long), frame(b"behind")].concat()).await.unwrap();
    }
    running.recorder.until("all", |r| r.count() == 6).await;
    assert_eq!(running.recorder.reasons(), ["oversized"; 3]);
    assert_eq!(running.recorder.frames_lost(), 3);
    // A skipped frame has its time as others have, and its end is not told twice.
    client.write_all(&frame(&long)[..5000]).await.unwrap();
    closed(&mut client).await;
    running.recorder.until("slow", |r| r.reasons().len() == 5).await;
    assert_eq!(running.recorder.reasons()[3..], ["oversized", "broken"]);
    let mut client = connect(&running).await;
    client.write_all(&frame(&long)[..5000]).await.unwrap();
    drop(client);
    running.recorder.until("cut", |r| r.disconnected.load(Ordering::SeqCst) == 2).await;
    assert_eq!(running.recorder.frames_lost(), 5);
    // Longer than anybody means, or not wanted: closed.
    for (declared, payload) in [((256 << 20) + 1, b"skip"), (2000, b"else")] {
        let mut client = connect(&running).await;
        let mut wire = u32::to_be_bytes(declared).to_vec();
        wire.extend_from_slice(&payload.repeat(100));
        client.write_all(&wire).await.unwrap();
        closed(&mut client).await;
    }
    running.recorder.until("closed", |r| r.frames_lost() == 7).await;
    let faults = running.recorder.faults.lock().unwrap();
    assert!(matches!(faults.last().unwrap().1, Fault::Oversized { skipped: false, .. }));
}

#[tokio::test]
async fn limits_on_connections_close_the_newcomer_only() {
    for (config, reason) in [
        (ListenerConfig::new().max_connections(2), "connections"),
        (ListenerConfig::new().max_connections_per_peer(Some(2)), "connections per peer"),
        (ListenerConfig::new().accept_rate_per_peer(Some(2)), "accept rate per peer"),
    ] {
        let running = Running::start(tcp(config), Recorder::default());
        let mut first = connect(&running).await;
        let mut second = connect(&running).await;
        running.recorder.until("two", |r| r.connected.load(Ordering::SeqCst) == 2).await;
        let mut third = connect(&running).await;
        closed(&mut third).await;
        first.write_all(&frame(b"1")).await.unwrap();
        second.write_all(&frame(b"2")).await.unwrap();
        running.recorder.until("both live", |r| r.count() == 2).await;
        let faults = running.recorder.faults.lock().unwrap();
        let Fault::Refused { limit } = faults[0].1 else { panic!() };
        assert_eq!(limit.to_string(), reason);
    }
}

#[tokio::test]
async fn slow_frames_idle_and_unauthenticated_connections_end_on_time() {
    let short = Duration::from_millis(100);
    // A frame that is begun and not completed.
    let running = Running::start(tcp(ListenerConfig::new().frame_timeout(Some(short))), Recorder::default());
    let mut client = connect(&running).await;
    client.write_all(&frame(b"whole")).await.unwrap();
    client.write_all(&[0, 0]).await.unwrap();
    closed(&mut client).await;
    running.recorder.until("slow", |r| r.reasons() == ["slow"]).await;
    // Between frames there is no limit, unless one is set.
    let running = Running::start(tcp(ListenerConfig::new().idle_timeout(Some(short))), Recorder::default());
    let mut client = connect(&running).await;
    client.write_all(&frame(b"whole")).await.unwrap();
    closed(&mut client).await;
    running.recorder.until("idle", |r| r.reasons() == ["idle"]).await;
    // A frame that is not accepted does not count; one that is ends the limit.
    let config = ListenerConfig::new().authentication_timeout(short);
    let recorder = Recorder::default();
    recorder.authenticate.store(true, Ordering::SeqCst);
    let running = Running::start(tcp(config), recorder);
    let mut good = connect(&running).await;
    good.write_all(&frame(b"password")).await.unwrap();
    let mut bad = connect(&running).await;
    bad.write_all(&frame(b"guess")).await.unwrap();
    closed(&mut bad).await;
    running.recorder.until("unauthenticated", |r| r.reasons() == ["unauthenticated"]).await;
    good.write_all(&frame(b"later")).await.unwrap();
    running.recorder.until("alive", |r| r.payloads().iter().any(|p| p == "later")).await;
}

#[tokio::test]
async fn a_slow_sender_is_closed_even_if_it_never_rests() {
    let config = ListenerConfig::new().frame_timeout(Some(Duration::from_millis(200)));
    let running = Running::start(tcp(config), Recorder::default());
    let mut client = connect(&running).await;
    client.set_nodelay(true).unwrap();
    let wire = frame(&[7; 100_000]);
    let trickle = async {
        for byte in wire {
            if client.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the frame was allowed to end");
    };
    tokio::time::timeout(Duration::from_secs(30), trickle).await.unwrap();
    assert_eq!(running.recorder.reasons(), ["slow"]);
}

#[tokio::test]
async fn a_stalled_handler_pushes_back_and_times_nobody_out() {
    let recorder = Recorder { gate: Semaphore::new(0), ..Recorder::default() };
    let config = ListenerConfig::new().frame_timeout(Some(Duration::from_millis(50)));
    let running = Running::start(tcp(config), recorder);
    let mut client = connect(&running).await;
    let payload = vec![1; 100_000];
    let wire = frame(&payload);
    let mut sent = 0_usize;
    // Without back pressure this would go on for good.
    while tokio::time::timeout(Duration::from_millis(300), client.write_all(&wire)).await.is_ok() {
        sent += 1;
        assert!(sent < 10_000);
    }
    running.recorder.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    running.recorder.until("all", |r| r.count() >= sent).await;
    assert!(!running.recorder.reasons().contains(&"panic"));
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_is_counted() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let mut bad = connect(&running).await;
    let mut good = connect(&running).await;
    bad.write_all(&[frame(b"a"), frame(b"panic"), frame(b"b")].concat()).await.unwrap();
    closed(&mut bad).await;
    good.write_all(&frame(b"good")).await.unwrap();
    running.recorder.until("good", |r| r.payloads().iter().any(|p| p == "good")).await;
    assert_eq!(running.recorder.reasons(), ["panic"]);
    let summary = running.stop().await;
    assert!(summary.is_drained());
}

#[tokio::test]
async fn a_verdict_closes_and_counts_what_was_read_behind_it() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let mut client = connect(&running).await;
    let mut wire = frame(b"close");
    for _ in 0..600 {
        wire.extend_from_slice(&frame(b"x"));
    }
    client.write_all(&wire).await.unwrap();
    closed(&mut client).await;
    running.recorder.until("end", |r| r.disconnected.load(Ordering::SeqCst) == 1).await;
    let seen = running.recorder.count() as u64;
    assert!(seen + running.recorder.frames_lost() <= 601);
    // One batch, which is all that was offered before the verdict.
    assert!(seen <= 512);
}

#[tokio::test]
async fn stopping_reads_what_was_sent_even_on_connections_not_yet_accepted() {
    let listener = tcp(ListenerConfig::new());
    let port = listener.local_endpoint().port().unwrap();
    let mut clients = Vec::new();
    for i in 0..20_u8 {
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        for _ in 0..50 {
            client.write_all(&frame(&[i; 500])).await.unwrap();
        }
        clients.push(client);
    }
    // It is told to stop before it accepts for the first time.
    let running = Running::start(listener, Recorder::default());
    let recorder = std::sync::Arc::clone(&running.recorder);
    let summary = running.stop().await;
    assert_eq!(summary.frames(), 1000);
    assert_eq!(recorder.count(), 1000);
    assert!(summary.is_drained());
}

#[tokio::test]
async fn a_stopping_listener_closes_at_the_first_pause_and_waits_for_a_begun_frame() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let port = running.port;
    let mut idle = connect(&running).await;
    let mut begun = connect(&running).await;
    idle.write_all(&frame(b"idle")).await.unwrap();
    begun.write_all(&[frame(b"whole"), frame(b"0123456789")[..7].to_vec()].concat()).await.unwrap();
    running.recorder.until("two", |r| r.count() == 2).await;
    let recorder = std::sync::Arc::clone(&running.recorder);
    let stopping = tokio::spawn(running.stop());
    // The idle one is closed at once, and nobody gets in any more.
    closed(&mut idle).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert!(!stopping.is_finished());
    begun.write_all(&frame(b"0123456789")[7..]).await.unwrap();
    closed(&mut begun).await;
    let summary = stopping.await.unwrap();
    assert_eq!((summary.frames(), summary.faults()), (3, 0));
    assert_eq!(recorder.payloads()[2], "0123456789");
}

#[tokio::test]
async fn a_sender_that_never_pauses_cannot_keep_the_listener() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let mut stuck = connect(&running).await;
    stuck.write_all(&frame(b"0123456789")[..7]).await.unwrap();
    let mut busy = connect(&running).await;
    let sending = tokio::spawn(async move { while busy.write_all(&frame(b"more")).await.is_ok() {} });
    running.recorder.until("some", |r| r.count() > 10).await;
    let recorder = std::sync::Arc::clone(&running.recorder);
    let begin = std::time::Instant::now();
    let summary = running.stop().await;
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    sending.await.unwrap();
    assert_eq!(summary.frames() as usize, recorder.count());
    // The frame that was never completed is lost, and at most one that the other was about to send.
    assert!((1..=2).contains(&recorder.frames_lost()), "{:?}", recorder.reasons());
}

#[tokio::test]
async fn health_checks_are_not_worth_a_word() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    for reset in [false, true] {
        let client = connect(&running).await;
        if reset {
            socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
    }
    let mut last = connect(&running).await;
    last.write_all(&frame(b"last")).await.unwrap();
    running.recorder.until("last", |r| r.count() == 1).await;
    let summary = running.stop().await;
    assert_eq!(summary.faults(), 0);
}

#[tokio::test]
async fn an_unauthenticated_connection_that_waits_for_room_ends_on_time() {
    let config =
        ListenerConfig::new().max_bytes_in_flight(100_000).authentication_timeout(Duration::from_millis(300));
    let recorder = Recorder::default();
    recorder.authenticate.store(true, Ordering::SeqCst);
    let running = Running::start(tcp(config), recorder);
    let mut first = connect(&running).await;
    let mut second = connect(&running).await;
    let wire = frame(&vec![0; 900_000]);
    // The first one fills the limit and has the right to exceed it; the second one waits for room.
    for client in [&mut first, &mut second] {
        drop(tokio::time::timeout(Duration::from_millis(50), client.write_all(&wire[..150_000])).await);
    }
    closed(&mut first).await;
    closed(&mut second).await;
    running.recorder.until("both", |r| r.reasons() == ["unauthenticated"; 2]).await;
}

#[tokio::test]
async fn answers_go_back_while_the_handler_is_busy_and_to_nobody_else() {
    let recorder = Recorder { gate: Semaphore::new(0), ..Recorder::default() };
    let running = Running::start(tcp(ListenerConfig::new()), recorder);
    let mut client = connect(&running).await;
    let mut other = connect(&running).await;
    running.recorder.until("two", |r| r.connected.load(Ordering::SeqCst) == 2).await;
    client.write_all(&frame(b"one")).await.unwrap();
    let replies = running.recorder.replies.lock().unwrap().clone();
    replies[0].send_latest([7; 16], frame(b"answer").into());
    let mut answer = [0; 10];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\0\0\0\x06answer");
    running.recorder.gate.add_permits(2);
    // An idle connection is written to as well.
    running.recorder.until("one", |r| r.count() == 1).await;
    replies[0].send(frame(b"second").into());
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\0\0\0\x06second");
    running.stop().await;
    let mut nothing = Vec::new();
    assert_eq!(other.read_to_end(&mut nothing).await.unwrap(), 0);
    assert!(!replies[0].is_open());
}

#[tokio::test]
async fn a_peer_that_never_reads_its_answers_is_closed_though_it_sends_on() {
    let running = Running::start(tcp(ListenerConfig::new()), Recorder::default());
    let mut client = connect(&running).await;
    client.write_all(&frame(b"asks")).await.unwrap();
    running.recorder.until("asks", |r| r.count() == 1).await;
    let replies = running.recorder.replies.lock().unwrap()[0].clone();
    let sending = tokio::spawn(async move { while client.write_all(&frame(b"more")).await.is_ok() {} });
    let answer = bytes::Bytes::from(frame(&[7; 10_000]));
    while replies.is_open() {
        for _ in 0..100 {
            replies.send(answer.clone());
        }
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(60), sending).await.unwrap().unwrap();
    running.recorder.until("end", |r| r.reasons().contains(&"broken")).await;
}

#[tokio::test]
async fn draining_ends_when_the_handler_hangs_and_says_what_is_lost() {
    let recorder = Recorder { gate: Semaphore::new(0), ..Recorder::default() };
    let running =
        Running::start(tcp(ListenerConfig::new().drain_timeout(Duration::from_millis(200))), recorder);
    let mut client = connect(&running).await;
    client.write_all(&[frame(b"1"), frame(b"2"), frame(b"3")].concat()).await.unwrap();
    running.recorder.until("connection", |r| r.connected.load(Ordering::SeqCst) == 1).await;
    let recorder = std::sync::Arc::clone(&running.recorder);
    let summary = running.stop().await;
    assert!(!summary.is_drained());
    assert_eq!(recorder.frames_lost(), 3);
    assert_eq!(recorder.reasons(), ["drain"]);
}

#[cfg(unix)]
#[tokio::test]
async fn unix_streams_know_their_peer_and_remove_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.sock");
    let config = ListenerConfig::new().unix_mode(Some(0o600));
    let listener = Listener::bind(&Endpoint::unix(&path).unwrap(), config).unwrap();
    assert_eq!(listener.local_endpoint().to_string(), format!("unix://{}", path.display()));
    let running = Running::start(listener, Recorder::default());
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    client.write_all(&frame(b"hello")).await.unwrap();
    running.recorder.until("hello", |r| r.count() == 1).await;
    let source = running.recorder.frames.lock().unwrap()[0].0.clone();
    let Peer::Unix { pid, .. } = source.peer() else { panic!("{source}") };
    if cfg!(target_os = "linux") {
        assert_eq!(pid.unwrap() as u32, std::process::id());
    }
    assert!(path.exists());
    running.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_crowd_of_begun_frames_does_not_keep_others_from_sending() {
    let config =
        ListenerConfig::new().max_bytes_in_flight(100_000).frame_timeout(Some(Duration::from_millis(500)));
    let running = Running::start(tcp(config), Recorder::default());
    let mut crowd = Vec::new();
    for _ in 0..4 {
        let mut client = connect(&running).await;
        let wire = frame(&vec![0; 500_000]);
        // They stop in the middle. What is not read stays with the system.
        drop(tokio::time::timeout(Duration::from_millis(50), client.write_all(&wire[..400_000])).await);
        crowd.push(client);
    }
    let mut honest = connect(&running).await;
    for i in 0..100_u8 {
        honest.write_all(&frame(&[i; 600])).await.unwrap();
    }
    running.recorder.until("honest", |r| r.count() == 100).await;
    // The crowd ends by its own clock, and gives its room back.
    running.recorder.until("crowd", |r| r.reasons() == ["slow"; 4]).await;
    honest.write_all(&frame(&vec![0; 500_000])).await.unwrap();
    running.recorder.until("large", |r| r.count() == 101).await;
}

/// Blocks its thread for good, as a write to a stalled pipe does.
struct Stuck;

impl logrecord_transport::listener::FrameHandler for Stuck {
    type Connection = ();

    fn connected(&self, _: &logrecord_transport::Source, _: logrecord_transport::listener::Replies) {}

    async fn frames(
        &self,
        (): &mut (),
        _: &logrecord_transport::Source,
        _: &mut Vec<bytes::Bytes>,
    ) -> logrecord_transport::listener::Verdict {
        // As the contract asks of a handler that blocks.
        tokio::task::block_in_place(|| {
            loop {
                std::thread::park();
            }
        })
    }

    fn fault(&self, _: &logrecord_transport::Source, _: Fault) {}
}

#[test]
fn a_handler_that_blocks_its_thread_cannot_keep_the_listener_from_stopping() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    for endpoint in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"] {
        runtime.block_on(async {
            let config = ListenerConfig::new().drain_timeout(Duration::from_millis(100));
            let listener = Listener::bind(&endpoint.parse().unwrap(), config).unwrap();
            let endpoint = listener.local_endpoint().clone();
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let serving =
                tokio::spawn(listener.serve(std::sync::Arc::new(Stuck), async { drop(stopped.await) }));
            let port = endpoint.port().unwrap();
            if endpoint.transport() == Transport::Tcp {
                let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                client.write_all(&frame(b"stuck")).await.unwrap();
                stop.send(()).unwrap();
            } else {
                let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
                client.send_to(&frame(b"stuck"), ("127.0.0.1", port)).await.unwrap();
                stop.send(()).unwrap();
            }
            let summary = tokio::time::timeout(Duration::from_secs(30), serving).await.unwrap().unwrap();
            assert!(!summary.is_drained());
        });
    }
    // The stuck threads go down with the process.
    runtime.shutdown_background();
}
