//! The blocking sender on real sockets: every transport, restarts, stalls, ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::{
    collections::HashSet,
    io::{ErrorKind as IoKind, Read},
    net::{TcpListener, UdpSocket},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use logrecord_transport::{
    Backoff, Endpoint, ErrorKind,
    sender::{FullPolicy, Sender, SenderConfig},
};

const LONG: Duration = Duration::from_secs(30);

fn quick() -> SenderConfig {
    SenderConfig::new().backoff(Backoff::new().retry_start(Duration::from_millis(20)).retry_factor(1.0))
}

fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    (listener, endpoint)
}

/// One frame, or nothing at the end of the connection.
fn read_frame(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut payload = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(payload)
}

#[test]
fn a_sender_crosses_threads() {
    fn assert<T: Send + Sync + Clone>() {}
    assert::<Sender>();
}

#[test]
fn many_threads_share_one_connection_and_keep_their_own_order() {
    let (listener, endpoint) = listen();
    let sender = Sender::new(endpoint, SenderConfig::new()).unwrap();
    let threads: Vec<_> = (0..8_u32)
        .map(|id| {
            let sender = sender.clone();
            thread::spawn(move || {
                for number in 0..2000_u32 {
                    let mut payload = id.to_be_bytes().to_vec();
                    payload.extend(number.to_be_bytes());
                    payload.resize(8 + (number as usize * 7) % 900, 0);
                    sender.send(payload).unwrap();
                }
            })
        })
        .collect();
    let mut stream = listener.accept().unwrap().0;
    let mut next = [0_u32; 8];
    for _ in 0..16_000 {
        let frame = read_frame(&mut stream).unwrap();
        let id = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
        assert_eq!(u32::from_be_bytes(frame[4..8].try_into().unwrap()), next[id]);
        next[id] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    sender.flush(LONG).unwrap();
    let stats = sender.stats();
    assert_eq!((stats.accepted, stats.written, stats.dropped, stats.connections), (16_000, 16_000, 0, 1));
}

#[test]
fn a_receiver_that_closes_after_every_five_records_gets_all_of_them_once() {
    let (listener, endpoint) = listen();
    let (acknowledge, acknowledged) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut received = Vec::new();
        while received.len() < 100 {
            let mut stream = listener.accept().unwrap().0;
            for i in 0..5 {
                received.push(read_frame(&mut stream).unwrap());
                if i == 4 {
                    drop(stream);
                    acknowledge.send(()).unwrap();
                    break;
                }
                acknowledge.send(()).unwrap();
            }
        }
        received
    });
    let sender = Sender::new(endpoint, quick()).unwrap();
    for i in 0..100_u8 {
        sender.send(vec![i; 100]).unwrap();
        // As a program that logs now and then: the receiver is done with a record before the next.
        acknowledged.recv_timeout(LONG).unwrap();
    }
    let received = server.join().unwrap();
    assert_eq!(received, (0..100).map(|i| vec![i; 100]).collect::<Vec<_>>());
    assert_eq!(sender.stats().dropped, 0);
}

#[test]
fn records_wait_for_a_receiver_that_comes_later() {
    let (listener, endpoint) = listen();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sender = Sender::new(endpoint, quick()).unwrap();
    for i in 0..100_u8 {
        sender.send(vec![i]).unwrap();
    }
    assert_eq!(sender.flush(Duration::from_millis(100)).unwrap_err().kind(), ErrorKind::Timeout);
    assert!(sender.stats().failed_connects > 0);
    assert_eq!(sender.last_error().unwrap().kind(), ErrorKind::Connect);
    let listener = TcpListener::bind(address).unwrap();
    let mut stream = listener.accept().unwrap().0;
    for i in 0..100_u8 {
        assert_eq!(read_frame(&mut stream).unwrap(), [i]);
    }
    sender.flush(LONG).unwrap();
}

#[test]
fn a_stalled_receiver_never_stalls_the_program_and_the_loss_is_told() {
    let (listener, endpoint) = listen();
    let config = SenderConfig::new()
        .queue(50, 1 << 30)
        .loss_report(|losses| Some(format!("lost {}", losses.records).into_bytes()));
    let sender = Sender::new(endpoint, config).unwrap();
    sender.send(vec![0; 10]).unwrap();
    let mut stream = listener.accept().unwrap().0;
    let begin = Instant::now();
    let mut sent = 1_u64;
    while sender.stats().dropped < 100 {
        sender.send(vec![1; 200_000]).unwrap();
        sent += 1;
    }
    assert!(begin.elapsed() < LONG);
    let before = sender.stats();
    assert_eq!(before.accepted, sent);
    let closing = thread::spawn(move || sender.close(LONG));
    let mut received = 0_u64;
    let mut told = 0_u64;
    while let Some(frame) = read_frame(&mut stream) {
        match std::str::from_utf8(&frame).ok().and_then(|text| text.strip_prefix("lost ")) {
            Some(count) => told += count.parse::<u64>().unwrap(),
            None => received += 1,
        }
    }
    let stats = closing.join().unwrap();
    assert_eq!(received + stats.dropped, sent);
    assert_eq!(told, stats.dropped);
    assert_eq!(stats.dropped_closed, 0);
}

#[test]
fn blocking_waits_for_room_and_no_longer_than_asked() {
    let (listener, endpoint) = listen();
    let limit = Duration::from_millis(150);
    let config = quick().queue(1, 10).full_policy(FullPolicy::Block(limit));
    drop(listener);
    let sender = Sender::new(endpoint, config).unwrap();
    sender.send(&b"one"[..]).unwrap();
    let begin = Instant::now();
    let error = sender.send(&b"two"[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(begin.elapsed() >= limit);
    assert_eq!(sender.stats().dropped_full, 1);
    let (listener, endpoint) = listen();
    let config = SenderConfig::new().queue(1, 10).full_policy(FullPolicy::Block(LONG));
    let sender = Sender::new(endpoint, config).unwrap();
    let reader = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        (0..1000).map(|_| read_frame(&mut stream).unwrap().len()).sum::<usize>()
    });
    for _ in 0..1000 {
        sender.send(vec![0; 100]).unwrap();
    }
    assert_eq!(reader.join().unwrap(), 100_000);
    assert_eq!(sender.stats().dropped, 0);
}

#[test]
fn dropping_the_last_handle_writes_what_is_queued() {
    let (listener, endpoint) = listen();
    let sender = Sender::new(endpoint, SenderConfig::new()).unwrap();
    for i in 0..100_u8 {
        sender.send(vec![i]).unwrap();
    }
    drop(sender);
    let mut stream = listener.accept().unwrap().0;
    for i in 0..100_u8 {
        assert_eq!(read_frame(&mut stream).unwrap(), [i]);
    }
    assert!(read_frame(&mut stream).is_none());
}

#[test]
fn closing_without_a_receiver_does_not_wait_in_vain_and_counts() {
    let (listener, endpoint) = listen();
    drop(listener);
    let sender = Sender::new(endpoint, SenderConfig::new()).unwrap();
    for _ in 0..10 {
        sender.send(&b"x"[..]).unwrap();
    }
    let begin = Instant::now();
    let stats = sender.close(Duration::from_millis(300));
    assert!(begin.elapsed() < LONG);
    assert_eq!((stats.accepted, stats.dropped, stats.dropped_closed, stats.queued), (10, 10, 10, 0));
    assert_eq!(sender.send(&b"x"[..]).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_guard_flushes_when_it_is_dropped() {
    let (listener, endpoint) = listen();
    let sender = Sender::new(endpoint, SenderConfig::new()).unwrap();
    let guard = sender.guard(LONG);
    sender.send(vec![7; 1000]).unwrap();
    drop(guard);
    assert_eq!(sender.stats().written, 1);
    let mut stream = listener.accept().unwrap().0;
    assert_eq!(read_frame(&mut stream).unwrap(), [7; 1000]);
}

#[test]
fn udp_sends_one_frame_a_datagram_and_refuses_what_none_can_carry() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LONG)).unwrap();
    let endpoint = Endpoint::udp(&receiver.local_addr().unwrap().to_string()).unwrap();
    let sender = Sender::new(endpoint, SenderConfig::new()).unwrap();
    let mut buffer = vec![0; 70_000];
    for len in [0, 1, 600, 65_503] {
        sender.send(vec![3; len]).unwrap();
        assert_eq!(receiver.recv(&mut buffer).unwrap(), len + 4);
        assert_eq!(buffer[..4], (len as u32).to_be_bytes());
    }
    assert_eq!(sender.send(vec![3; 65_504]).unwrap_err().kind(), ErrorKind::TooLong);
    // A receiver that went away does not stop the sender, and one that comes back gets records again.
    let address = receiver.local_addr().unwrap();
    drop(receiver);
    for _ in 0..10 {
        sender.send(&b"lost"[..]).unwrap();
        sender.flush(LONG).unwrap();
    }
    assert!(sender.stats().in_doubt > 0);
    let receiver = UdpSocket::bind(address).unwrap();
    receiver.set_read_timeout(Some(LONG)).unwrap();
    sender.send(&b"back"[..]).unwrap();
    let len = receiver.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[4..len], b"back");
}

#[cfg(unix)]
#[test]
fn unix_streams_and_datagrams_survive_a_restart_of_the_receiver() {
    use std::os::unix::net::{UnixDatagram, UnixListener};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream");
    let sender = Sender::new(Endpoint::unix(&path).unwrap(), quick()).unwrap();
    for round in 0..3_u8 {
        sender.send(vec![round; 10]).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let mut stream = listener.accept().unwrap().0;
        assert_eq!(read_frame(&mut stream).unwrap(), [round; 10]);
        drop((stream, listener));
        std::fs::remove_file(&path).unwrap();
    }
    let path = dir.path().join("datagram");
    let sender = Sender::new(Endpoint::unix_datagram(&path).unwrap(), quick()).unwrap();
    for round in 0..3_u8 {
        for _ in 0..100 {
            sender.send(vec![round; 1000]).unwrap();
        }
        let receiver = UnixDatagram::bind(&path).unwrap();
        receiver.set_read_timeout(Some(LONG)).unwrap();
        let mut buffer = [0; 2000];
        for _ in 0..100 {
            assert_eq!(receiver.recv(&mut buffer).unwrap(), 1004);
            assert_eq!(buffer[4], round);
        }
        drop(receiver);
        std::fs::remove_file(&path).unwrap();
    }
    // Longer than the socket takes: this one is lost and counted, and nothing else is.
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(LONG)).unwrap();
    sender.send(vec![0; 10_000_000]).unwrap();
    sender.send(vec![9; 10]).unwrap();
    let mut buffer = [0; 2000];
    assert_eq!(receiver.recv(&mut buffer).unwrap(), 14);
    assert_eq!(sender.stats().dropped_error, 1);
}

#[test]
fn names_are_resolved_and_every_address_is_tried() {
    // Where localhost has both families, the one on which nobody listens is passed over.
    let (listener, endpoint) = listen();
    let endpoint = Endpoint::tcp(&format!("localhost:{}", endpoint.port().unwrap())).unwrap();
    let sender = Sender::new(endpoint, quick()).unwrap();
    sender.send(&b"x"[..]).unwrap();
    let mut stream = listener.accept().unwrap().0;
    assert_eq!(read_frame(&mut stream).unwrap(), b"x");
    if let Ok(listener) = TcpListener::bind("[::1]:0") {
        let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
        let sender = Sender::new(endpoint, quick()).unwrap();
        sender.send(&b"six"[..]).unwrap();
        let mut stream = listener.accept().unwrap().0;
        assert_eq!(read_frame(&mut stream).unwrap(), b"six");
    }
}

#[test]
fn python_compatibility_loses_the_two_records_that_python_loses() {
    let (listener, endpoint) = listen();
    let (closed, was_closed) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut received = Vec::new();
        let mut stream = listener.accept().unwrap().0;
        for _ in 0..3 {
            received.push(read_frame(&mut stream).unwrap());
        }
        drop(stream);
        closed.send(()).unwrap();
        let mut stream = listener.accept().unwrap().0;
        while let Some(frame) = read_frame(&mut stream) {
            received.push(frame);
        }
        received
    });
    let sender = Sender::new(endpoint, SenderConfig::new().cpython_compat(true)).unwrap();
    let mut outcomes = Vec::new();
    for i in 0..10_u8 {
        outcomes.push(sender.send(vec![i]).is_ok());
        if i == 2 {
            was_closed.recv_timeout(LONG).unwrap();
        }
    }
    let stats = sender.close(LONG);
    drop(sender);
    // The first record behind the end vanishes, the second meets the error, the third connects anew.
    assert_eq!(outcomes, [true, true, true, true, false, true, true, true, true, true]);
    assert_eq!((stats.accepted, stats.written, stats.dropped), (10, 9, 1));
    let received: Vec<u8> = server.join().unwrap().concat();
    assert_eq!(received, [0, 1, 2, 5, 6, 7, 8, 9]);
}

#[test]
fn python_compatibility_connects_only_inside_of_a_send_and_when_the_back_off_allows() {
    let (listener, endpoint) = listen();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sender = Sender::new(endpoint, SenderConfig::new().cpython_compat(true)).unwrap();
    assert_eq!(sender.send(&b"1"[..]).unwrap_err().kind(), ErrorKind::Connect);
    let _listener = TcpListener::bind(address).unwrap();
    // Somebody listens again, but the second is not over.
    let begin = Instant::now();
    let mut waiting = 0_u64;
    while let Err(error) = sender.send(&b"2"[..]) {
        assert_eq!(error.kind(), ErrorKind::Waiting);
        waiting += 1;
        thread::yield_now();
    }
    assert!(begin.elapsed() >= Duration::from_millis(900));
    let stats = sender.stats();
    assert_eq!((stats.failed_connects, stats.dropped, stats.written), (1, 1 + waiting, 1));
}

#[test]
fn a_restarting_receiver_at_full_speed_gets_no_record_twice() {
    const RECORDS: u32 = 3000;
    let (listener, endpoint) = listen();
    let address = listener.local_addr().unwrap();
    let config = quick().full_policy(FullPolicy::Block(LONG)).queue(100, 1 << 30);
    let sender = Sender::new(endpoint, config).unwrap();
    let producer = thread::spawn(move || {
        for i in 0..RECORDS {
            let mut payload = i.to_be_bytes().to_vec();
            payload.resize(20_000, 0);
            sender.send(payload).unwrap();
        }
        sender.close(LONG)
    });
    let mut received = HashSet::new();
    let mut last = Some(listener);
    let mut connections = 0;
    // Each receiver takes a hundred records and is gone, with whatever lay unread.
    while !producer.is_finished() {
        let listener = last.take().unwrap_or_else(|| {
            loop {
                match TcpListener::bind(address) {
                    Ok(listener) => break listener,
                    Err(error) => assert_eq!(error.kind(), IoKind::AddrInUse),
                }
            }
        });
        listener.set_nonblocking(true).unwrap();
        let accepted = loop {
            match listener.accept() {
                Ok((stream, _)) => break Some(stream),
                Err(error) => assert_eq!(error.kind(), IoKind::WouldBlock),
            }
            if producer.is_finished() {
                break None;
            }
            thread::yield_now();
        };
        let Some(mut stream) = accepted else { break };
        connections += 1;
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        for _ in 0..100 {
            let Some(frame) = read_frame(&mut stream) else { break };
            assert!(received.insert(u32::from_be_bytes(frame[..4].try_into().unwrap())), "twice");
        }
    }
    let stats = producer.join().unwrap();
    assert!(connections > 3);
    assert_eq!(stats.accepted, u64::from(RECORDS));
    assert_eq!(stats.written + stats.dropped, stats.accepted);
    // What lay unread in the closed receivers' buffers went down with them. The sender says that there is
    // doubt; how many they were nobody can know on this wire.
    assert!(received.len() as u64 <= stats.written);
    assert!(stats.in_doubt > 0);
}
