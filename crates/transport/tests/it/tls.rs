//! TLS on loopback: both senders into the listener, client certificates, strangers.
#![cfg(all(feature = "tls", feature = "tokio"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use crate::common;

use std::{sync::Arc, time::Duration};

use common::{Recorder, Running};
use logrecord_transport::{
    Backoff, Endpoint, ErrorKind, Fault, TlsClient, TlsServer, Transport,
    listener::{Listener, ListenerConfig},
    sender::{AsyncSender, Sender, SenderConfig},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const LONG: Duration = Duration::from_secs(30);

/// An authority, and a way to make certificates of it.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn serve(server: TlsServer) -> (Running, Endpoint) {
    let endpoint = Endpoint::tls("127.0.0.1:0").unwrap();
    let listener = Listener::bind(&endpoint, ListenerConfig::new().tls(server)).unwrap();
    assert_eq!(listener.local_endpoint().transport(), Transport::Tls);
    let endpoint = listener.local_endpoint().clone();
    (Running::start(listener, Recorder::default()), endpoint)
}

fn quick(client: TlsClient) -> SenderConfig {
    let backoff = Backoff::new().retry_start(Duration::from_millis(20)).retry_factor(1.0);
    SenderConfig::new().backoff(backoff).tls(client)
}

fn payloads() -> Vec<Vec<u8>> {
    // Small ones, some that fill a TLS record, and one of many records.
    (0..400_usize).map(|i| vec![i as u8; 1 + i * 97 % 20_000]).chain([vec![9; 900_000]]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_senders_reach_the_listener() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes(), None).unwrap();
    let client = TlsClient::from_pem(authority.pem.as_bytes(), None).unwrap();
    let (running, endpoint) = serve(server);
    let sender = AsyncSender::new(endpoint.clone(), quick(client.clone())).unwrap();
    for payload in payloads() {
        sender.send(payload).await.unwrap();
    }
    sender.flush(LONG).await.unwrap();
    running.recorder.until("asynchronous", |r| r.count() == 401).await;
    assert_eq!(running.recorder.payloads(), payloads());
    running.recorder.frames.lock().unwrap().clear();
    let blocking = tokio::task::spawn_blocking(move || {
        let sender = Sender::new(endpoint, quick(client)).unwrap();
        for payload in payloads() {
            sender.send(payload).unwrap();
        }
        sender.flush(LONG).unwrap();
        sender.close(LONG)
    });
    running.recorder.until("blocking", |r| r.count() == 401).await;
    assert_eq!(running.recorder.payloads(), payloads());
    let stats = blocking.await.unwrap();
    assert_eq!((stats.written, stats.dropped, stats.in_doubt), (401, 0, 0));
    drop(sender);
    running.recorder.until("ends", |r| r.disconnected.load(std::sync::atomic::Ordering::SeqCst) == 2).await;
    assert!(running.recorder.reasons().is_empty(), "{:?}", running.recorder.reasons());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_certificates_of_the_clients_authority_get_in() {
    let authority = Authority::new();
    let clients = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let server =
        TlsServer::from_pem(certificate.as_bytes(), key.as_bytes(), Some(clients.pem.as_bytes())).unwrap();
    let (running, endpoint) = serve(server);
    let ca = authority.pem.as_bytes();
    for (issuer, welcome) in [(Some(&clients), true), (Some(&authority), false), (None, false)] {
        let identity = issuer.map(|issuer| issuer.issue("client"));
        let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
        let client = TlsClient::from_pem(ca, identity).unwrap().server_name("localhost").unwrap();
        let sender = AsyncSender::new(endpoint.clone(), quick(client)).unwrap();
        sender.send(&b"hello"[..]).await.unwrap();
        if welcome {
            running.recorder.until("welcome", |r| r.count() == 1).await;
        } else {
            let before = running.recorder.reasons().len();
            running.recorder.until("refused", |r| r.reasons().len() > before).await;
            sender.close(Duration::ZERO).await;
        }
    }
    assert_eq!(running.recorder.count(), 1);
    assert!(running.recorder.reasons().iter().all(|reason| *reason == "handshake"));
}

#[tokio::test]
async fn a_sender_that_does_not_trust_the_server_says_so_and_sends_nothing() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes(), None).unwrap();
    let (running, endpoint) = serve(server);
    let stranger = Authority::new();
    // The wrong authority, and the right one with a name that is not in the certificate.
    for ca in [&stranger, &authority] {
        let client = TlsClient::from_pem(ca.pem.as_bytes(), None).unwrap();
        let sender = AsyncSender::new(endpoint.clone(), quick(client)).unwrap();
        sender.send(&b"secret"[..]).await.unwrap();
        let before = running.recorder.reasons().len();
        running.recorder.until("refused", |r| r.reasons().len() > before).await;
        sender.flush(Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(sender.last_error().unwrap().kind(), ErrorKind::Tls);
        sender.close(Duration::ZERO).await;
    }
    assert_eq!(running.recorder.count(), 0);
}

#[tokio::test]
async fn a_plain_sender_on_a_tls_port_is_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes(), None).unwrap();
    let (running, endpoint) = serve(server);
    let mut client = TcpStream::connect(("127.0.0.1", endpoint.port().unwrap())).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    running.recorder.until("fault", |r| r.reasons() == ["handshake"]).await;
    let recorder = Arc::clone(&running.recorder);
    let summary = running.stop().await;
    assert_eq!(summary.frames(), 0);
    let faults = recorder.faults.lock().unwrap();
    let Fault::Handshake { stranger, .. } = &faults[0].1 else { panic!() };
    assert!(stranger.unwrap().to_string().contains("HTTP"));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let (_, other) = authority.issue("localhost");
    for (certificate, key) in [("", key.as_str()), (&certificate, ""), (&certificate, &other), (&key, &key)] {
        let error = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
    }
    let endpoint = Endpoint::tls("127.0.0.1:0").unwrap();
    assert_eq!(Listener::bind(&endpoint, ListenerConfig::new()).unwrap_err().kind(), ErrorKind::Tls);
    assert_eq!(Sender::new(endpoint, SenderConfig::new()).unwrap_err().kind(), ErrorKind::Tls);
}

#[test]
fn errors_of_files_name_the_file_and_the_cause() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let (_, other) = authority.issue("localhost");
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (good, key) = (write("good.pem", &certificate), write("good.key", &key));
    let (other, empty, missing) =
        (write("other.key", &other), write("empty", ""), dir.path().join("missing"));
    let server = |certificate, key, ca| TlsServer::from_files(certificate, key, ca).unwrap_err();
    let client = |ca, identity| TlsClient::from_files(ca, identity).unwrap_err();
    for (error, file, cause) in [
        (server(&missing, &key, None), "missing", "No such file"),
        (server(&good, &empty, None), "empty", "private key"),
        (server(&empty, &key, None), "empty", "certificate"),
        (server(&good, &other, None), "other.key", "does not suit"),
        (server(&good, &key, Some(&empty)), "empty", "certificate"),
        (client(&missing, None), "missing", "No such file"),
        (client(&empty, None), "empty", "certificate"),
        (client(&good, Some((&good, &other))), "other.key", "does not suit"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Tls);
        let text = std::error::Error::source(&error).unwrap().to_string();
        assert!(text.contains(file) && text.contains(cause), "{text}");
    }
}
