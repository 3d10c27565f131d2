//! The handlers and the receivers against each other: what arrives, what is refused, and the counts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::{
    io::Write as _,
    net::{TcpStream, UdpSocket},
};

use common::PATIENCE;
use logrecord::{
    AsyncReceiver, DatagramHandler, ErrorKind, LOSS_LOGGER, Received, Receiver, Rejected, SocketHandler,
    frame::encode_frame,
    model::LogRecord,
    pickle::{DecodeOptions, Globals, Value},
    transport::{Transport, listener::ListenerConfig},
};

fn next(receiver: &mut Receiver) -> Result<Received, Rejected> {
    receiver.recv_timeout(PATIENCE).unwrap().unwrap()
}

fn record(number: i64) -> LogRecord<'static> {
    LogRecord::builder("app", 20, format!("record {number}")).now().extra("number", number.into()).build()
}

#[test]
fn every_transport_carries_records() {
    let folder = tempfile::tempdir().unwrap();
    let stream = format!("unix://{}", folder.path().join("stream").display());
    let datagram = format!("unix-dgram://{}", folder.path().join("datagram").display());
    let mut receiver = Receiver::builder()
        .listen("tcp://127.0.0.1:0".parse().unwrap())
        .listen("udp://127.0.0.1:0".parse().unwrap())
        .listen(stream.parse().unwrap())
        .listen(datagram.parse().unwrap())
        .build()
        .unwrap();
    let endpoints = receiver.local_endpoints().to_vec();
    for endpoint in &endpoints {
        if endpoint.transport().is_datagram() {
            let handler = DatagramHandler::to(endpoint.clone()).build().unwrap();
            handler.handle(&record(1)).unwrap();
            handler.flush(PATIENCE).unwrap();
        } else {
            let handler = SocketHandler::to(endpoint.clone()).build().unwrap();
            handler.handle(&record(1)).unwrap();
            handler.flush(PATIENCE).unwrap();
        }
        let received = next(&mut receiver).unwrap();
        assert_eq!(received.record.message(), "record 1", "{endpoint}");
        assert_eq!(received.source.listener(), endpoint);
        assert_eq!((received.key_id, received.missing), (None, 0));
    }
    assert_eq!(endpoints[2].transport(), Transport::Unix);
    receiver.stop();
    assert!(receiver.by_ref().all(|item| item.is_err_and(|rejected| rejected.frames() == 0)));
    let stats = receiver.stats();
    assert_eq!((stats.received, stats.records, stats.rejected), (4, 4, 0));
}

#[test]
fn handlers_check_their_endpoints() {
    let udp = "udp://127.0.0.1:9".parse().unwrap();
    assert_eq!(SocketHandler::to(udp).build().unwrap_err().kind(), ErrorKind::Endpoint);
    let tcp = "tcp://127.0.0.1:9".parse().unwrap();
    assert_eq!(DatagramHandler::to(tcp).build().unwrap_err().kind(), ErrorKind::Endpoint);
    assert_eq!(SocketHandler::builder("", 9).build().unwrap_err().kind(), ErrorKind::Endpoint);
    assert_eq!(SocketHandler::builder("::1", 9).build().unwrap().endpoint().to_string(), "tcp://[::1]:9");
}

#[test]
fn what_is_no_record_is_an_item_and_a_count() {
    let mut receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let mut wire = Vec::new();
    encode_frame(b"cos\nsystem\n(S'id'\ntR.", &mut wire).unwrap();
    encode_frame(b"]q\0.", &mut wire).unwrap();
    encode_frame(b"\xffLR\x01 an envelope", &mut wire).unwrap();
    let mut pickle = Vec::new();
    record(7).to_pickle(&mut pickle).unwrap();
    encode_frame(&pickle, &mut wire).unwrap();
    wire.extend_from_slice(&[0, 0, 0, 9, b'}']);
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(&wire).unwrap();
    drop(client);

    let rejected = next(&mut receiver).unwrap_err();
    assert_eq!((rejected.reason(), rejected.frames()), ("global", 1));
    assert!(rejected.payload().starts_with(b"cos\nsystem"));
    let error = rejected.record_error().unwrap().pickle().unwrap();
    assert!(error.to_string().contains("os.system"), "{error}");
    assert_eq!(next(&mut receiver).unwrap_err().reason(), "payload");
    assert_eq!(next(&mut receiver).unwrap_err().reason(), "signed");
    assert_eq!(next(&mut receiver).unwrap().record.message(), "record 7");
    let cut = next(&mut receiver).unwrap_err();
    assert_eq!((cut.reason(), cut.frames(), cut.fault().is_some()), ("truncated", 1, true));
    let handle = receiver.handle();
    assert_eq!(handle.rejected_by_reason(), [("global", 1), ("payload", 1), ("signed", 1), ("truncated", 1)]);
    assert_eq!((handle.stats().received, handle.stats().records), (5, 1));
    assert_eq!(receiver.recv_timeout(std::time::Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn known_globals_are_let_in_where_they_are_asked_for() {
    let options = DecodeOptions::new().globals(Globals::Known);
    let mut receiver = Receiver::builder()
        .listen("udp://127.0.0.1:0".parse().unwrap())
        .decode_options(options)
        .build()
        .unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    // {'msg': 'm', 'when': datetime.timedelta(1, 2, 3)}
    let pickle = b"}(X\x03\0\0\0msgX\x01\0\0\0mX\x04\0\0\0whencdatetime\ntimedelta\n(K\x01K\x02K\x03tRu.";
    let mut wire = Vec::new();
    encode_frame(pickle, &mut wire).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&wire, ("127.0.0.1", port)).unwrap();
    let received = next(&mut receiver).unwrap();
    assert!(matches!(received.record.extra_value("when"), Some(Value::Object(_))));
}

#[test]
fn a_record_that_no_datagram_holds_is_counted_and_reported() {
    let mut receiver = Receiver::bind("udp://127.0.0.1:0").unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let handler = DatagramHandler::new("127.0.0.1", port).unwrap();
    let long = LogRecord::builder("app", 20, "x".repeat(70_000)).build();
    let error = handler.handle(&long).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    handler.flush(PATIENCE).unwrap();
    let report = next(&mut receiver).unwrap().record;
    assert_eq!(report.name().unwrap(), LOSS_LOGGER);
    assert_eq!(report.message(), "1 log record was lost");
    assert_eq!(report.extra_value("lost_records"), Some(&Value::Int(1)));
    let stats = handler.stats();
    assert_eq!((stats.handled, stats.refused, stats.reports, stats.lost()), (1, 1, 1, 1));
    assert_eq!(stats.sender.accepted, 1);
}

#[test]
fn cpython_compat_sends_at_once_and_counts_its_drops() {
    let mut receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let handler = SocketHandler::builder("127.0.0.1", port).cpython_compat(true).build().unwrap();
    handler.handle(&record(1)).unwrap();
    assert_eq!(handler.stats().sender.written, 1);
    assert_eq!(next(&mut receiver).unwrap().record.message(), "record 1");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let handler = SocketHandler::builder("127.0.0.1", free).cpython_compat(true).build().unwrap();
    handler.handle(&record(1)).unwrap_err();
    handler.handle(&record(2)).unwrap_err();
    let stats = handler.stats();
    assert_eq!((stats.handled, stats.refused, stats.sender.dropped, stats.lost()), (2, 0, 2, 2));
}

#[test]
fn a_dropped_receiver_lets_go_of_its_port() {
    let receiver = Receiver::bind("tcp://127.0.0.1:0").unwrap();
    let endpoint = receiver.local_endpoints()[0].to_string();
    drop(receiver);
    Receiver::bind(&endpoint).unwrap();
}

#[tokio::test]
async fn the_async_pair_does_the_same() {
    let mut receiver = AsyncReceiver::builder()
        .listen("tcp://127.0.0.1:0".parse().unwrap())
        .listener_config(ListenerConfig::new().max_frame_len(64 * 1024))
        .queue(1)
        .build_async()
        .unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let handler = SocketHandler::builder("127.0.0.1", port).build_async().unwrap();
    for number in 0..1_000 {
        handler.handle(&record(number)).await.unwrap();
    }
    for number in 0..1_000 {
        let received = receiver.recv().await.unwrap().unwrap();
        assert_eq!(received.record.extra_value("number"), Some(&Value::Int(number)));
    }
    let stats = handler.close(PATIENCE).await;
    assert_eq!((stats.handled, stats.sender.written, stats.lost()), (1_000, 1_000, 0));
    let handle = receiver.handle();
    handle.stop();
    assert!(receiver.recv().await.is_none());
    assert_eq!(handle.stats().received, 1_000);
}

#[tokio::test]
async fn a_receiver_is_a_stream_and_datagrams_have_an_async_handler() {
    use std::{future::poll_fn, pin::Pin};

    use futures_core::Stream as _;

    let mut receiver = AsyncReceiver::bind("udp://127.0.0.1:0").unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();
    let handler = DatagramHandler::builder("127.0.0.1", port).build_async().unwrap();
    let long = LogRecord::builder("app", 20, "x".repeat(70_000)).build();
    assert_eq!(handler.handle(&long).await.unwrap_err().kind(), ErrorKind::Transport);
    handler.handle(&record(1)).await.unwrap();
    for expected in ["1 log record was lost", "record 1"] {
        let item = poll_fn(|context| Pin::new(&mut receiver).poll_next(context)).await;
        assert_eq!(item.unwrap().unwrap().record.message(), expected);
    }
    let stats = handler.close(PATIENCE).await;
    assert_eq!((stats.handled, stats.refused, stats.reports, stats.sender.written), (2, 1, 1, 2));
    let compat = SocketHandler::builder("127.0.0.1", port).cpython_compat(true).build_async();
    assert_eq!(compat.unwrap_err().kind(), ErrorKind::Transport);
}

#[cfg(feature = "hmac")]
mod signed {
    use logrecord::frame::envelope::{Key, KeyId, PlainKey, Refusal};

    use super::*;

    fn key(secret: u8) -> Key {
        Key::new(KeyId::new(b"app").unwrap(), &[secret; 32]).unwrap()
    }

    #[test]
    fn signed_records_are_verified_and_others_refused() {
        let mut receiver = Receiver::builder()
            .listen("tcp://127.0.0.1:0".parse().unwrap())
            .key(key(7))
            .audience("central")
            .build()
            .unwrap();
        let port = receiver.local_endpoints()[0].port().unwrap();
        let builder = || SocketHandler::builder("127.0.0.1", port);

        let honest = builder().hmac(key(7), "central").build().unwrap();
        for number in 0..3 {
            honest.handle(&record(number)).unwrap();
        }
        for number in 0..3 {
            let received = next(&mut receiver).unwrap();
            assert_eq!(received.record.message(), &*format!("record {number}"));
            assert_eq!(received.key_id.as_deref(), Some("app"));
            assert_eq!(received.missing, 0);
        }
        let rows = [
            (builder().hmac(key(8), "central").build().unwrap(), Refusal::BadMac),
            (builder().hmac(key(7), "another").build().unwrap(), Refusal::BadMac),
            (builder().build().unwrap(), Refusal::Unsigned),
        ];
        for (handler, refusal) in rows {
            handler.handle(&record(9)).unwrap();
            let rejected = next(&mut receiver).unwrap_err();
            assert_eq!(rejected.refusal(), Some(refusal));
            assert_eq!(rejected.reason(), refusal.as_str());
        }
        let stats = receiver.stats();
        assert_eq!((stats.received, stats.records, stats.rejected, stats.missing), (6, 3, 3, 0));
    }

    #[test]
    fn a_number_that_never_arrives_is_seen() {
        let mut receiver =
            Receiver::builder().listen("udp://127.0.0.1:0".parse().unwrap()).key(key(7)).build().unwrap();
        let port = receiver.local_endpoints()[0].port().unwrap();
        let handler =
            DatagramHandler::builder("127.0.0.1", port).hmac(key(7), "").loss_reports(None).build().unwrap();
        handler.handle(&record(1)).unwrap();
        next(&mut receiver).unwrap();
        // It takes a number and is then too long for a datagram.
        handler.handle(&LogRecord::builder("app", 20, "x".repeat(70_000)).build()).unwrap_err();
        handler.handle(&record(2)).unwrap();
        assert_eq!(next(&mut receiver).unwrap().missing, 1);
        assert_eq!(receiver.stats().missing, 1);
    }

    #[test]
    fn plain_tags_go_both_ways() {
        let plain = || PlainKey::new(&[9; 32]).unwrap();
        let mut receiver = Receiver::builder()
            .listen("tcp://127.0.0.1:0".parse().unwrap())
            .plain_key(plain())
            .build()
            .unwrap();
        let port = receiver.local_endpoints()[0].port().unwrap();
        let handler = SocketHandler::builder("127.0.0.1", port).hmac_plain(plain()).build().unwrap();
        handler.handle(&record(1)).unwrap();
        assert_eq!(next(&mut receiver).unwrap().record.message(), "record 1");
    }
}
