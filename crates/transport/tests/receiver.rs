//! The receiver to pull from, with the blocking sender and by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::Bytes;
use logrecord_transport::{
    Endpoint, ErrorKind, Fault,
    receiver::{Received, Receiver, ReceiverConfig},
    sender::{Sender, SenderConfig},
};

const LONG: Duration = Duration::from_secs(30);

/// Pulls until so many frames have come; faults are returned with them.
fn pull(receiver: &Receiver, count: usize) -> (Vec<Bytes>, Vec<Fault>) {
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    while all.len() < count {
        match receiver.receive(LONG).expect("frames within the limit") {
            Received::Frames { frames, .. } => all.extend(frames),
            Received::Fault { fault, .. } => faults.push(fault),
            other => panic!("{other:?}"),
        }
    }
    (all, faults)
}

fn fault(receiver: &Receiver) -> Fault {
    loop {
        if let Received::Fault { fault, .. } = receiver.receive(LONG).expect("a fault within the limit") {
            return fault;
        }
    }
}

#[test]
fn every_transport_brings_records() {
    let dir = tempfile::tempdir().unwrap();
    let mut endpoints = vec![Endpoint::tcp("127.0.0.1:0").unwrap(), Endpoint::udp("127.0.0.1:0").unwrap()];
    if cfg!(unix) {
        endpoints.push(Endpoint::unix(dir.path().join("s")).unwrap());
        endpoints.push(Endpoint::unix_datagram(dir.path().join("d")).unwrap());
    }
    let receiver = Receiver::bind(&endpoints, ReceiverConfig::new()).unwrap();
    for endpoint in receiver.local_endpoints() {
        let sender = Sender::new(endpoint.clone(), SenderConfig::new()).unwrap();
        for i in 0..200_usize {
            sender.send(vec![i as u8; i * 50]).unwrap();
        }
        let (frames, faults) = pull(&receiver, 200);
        assert!(faults.is_empty(), "{endpoint}: {faults:?}");
        assert!(frames.iter().enumerate().all(|(i, frame)| *frame == vec![i as u8; i * 50]), "{endpoint}");
    }
    let paths: Vec<_> = endpoints.iter().filter_map(Endpoint::path).collect();
    assert!(paths.iter().all(|path| path.exists()));
    drop(receiver);
    assert!(!paths.iter().any(|path| path.exists()));
}

#[test]
fn faults_come_with_what_they_cost() {
    let config = ReceiverConfig::new()
        .with_max_frame_len(1000)
        .with_max_connections(1)
        .with_frame_timeout(Duration::from_millis(150));
    let receiver = Receiver::bind(&[Endpoint::tcp("127.0.0.1:0").unwrap()], config).unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    // Cut by the peer. The whole frame before it arrives.
    let mut client = connect();
    client.write_all(b"\0\0\0\x02}.\0\0\0\x05ab").unwrap();
    assert_eq!(pull(&receiver, 1).0, ["}."]);
    // While it is open there is no room for another.
    let mut refused = connect();
    assert_eq!(refused.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(fault(&receiver).reason(), "refused");
    drop(client);
    let Fault::Truncated { declared, partial } = fault(&receiver) else { panic!() };
    assert_eq!((declared, &partial[..]), (Some(5), &b"\0\0\0\x05ab"[..]));
    let mut stranger = connect();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let Fault::Oversized { stranger: Some(name), .. } = fault(&receiver) else { panic!() };
    assert!(name.to_string().contains("HTTP"));
    let mut slow = connect();
    slow.write_all(b"\0\0").unwrap();
    assert_eq!(fault(&receiver).reason(), "slow");
}

#[test]
fn stopping_reads_what_was_sent_and_ends_the_iterator() {
    let receiver = Receiver::bind(&[Endpoint::tcp("127.0.0.1:0").unwrap()], ReceiverConfig::new()).unwrap();
    let mut client =
        TcpStream::connect(("127.0.0.1", receiver.local_endpoints()[0].port().unwrap())).unwrap();
    for _ in 0..1000 {
        client.write_all(b"\0\0\0\x02}.").unwrap();
    }
    receiver.stop();
    let mut count = 0;
    for received in receiver.iter() {
        let Received::Frames { frames, .. } = received else { panic!("{received:?}") };
        count += frames.len();
    }
    assert_eq!(count, 1000);
    assert!(receiver.receive(LONG).is_none());
}

#[cfg(unix)]
#[test]
fn unix_datagrams_are_read_while_nobody_pulls_and_the_sum_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    let receiver = Receiver::bind(&[Endpoint::unix_datagram(&path).unwrap()], ReceiverConfig::new()).unwrap();
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    socket.set_write_timeout(Some(LONG)).unwrap();
    for _ in 0..2000 {
        socket.send_to(b"\0\0\0\x02}.", &path).unwrap();
    }
    receiver.stop();
    let (mut frames, mut lost) = (0, 0);
    for received in receiver.iter() {
        match received {
            Received::Frames { frames: batch, .. } => frames += batch.len() as u64,
            Received::Fault { fault, .. } => lost += fault.frames(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(frames + lost, 2000);
    assert!(lost > 0);
}

#[test]
fn what_cannot_be_bound_is_an_error() {
    let receiver = Receiver::bind(&[Endpoint::tcp("127.0.0.1:0").unwrap()], ReceiverConfig::new()).unwrap();
    let taken = receiver.local_endpoints()[0].clone();
    let error = Receiver::bind(&[taken], ReceiverConfig::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bind);
    let tls = Endpoint::tls("127.0.0.1:0").unwrap();
    let error = Receiver::bind(&[tls], ReceiverConfig::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
