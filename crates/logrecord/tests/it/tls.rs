//! Records over TLS, with certificates on both sides.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use crate::common;

use common::PATIENCE;
use logrecord::{
    ErrorKind, Receiver, SocketHandler,
    model::LogRecord,
    transport::{
        TlsClient, TlsServer,
        listener::{Listener, ListenerConfig},
    },
};

#[test]
fn records_travel_over_tls() {
    let server = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (server.cert.pem(), server.signing_key.serialize_pem());
    let tls =
        TlsServer::from_pem(certificate.as_bytes(), key.as_bytes(), Some(certificate.as_bytes())).unwrap();
    let config = ListenerConfig::new().tls(tls);
    let listener = Listener::bind(&"tls://127.0.0.1:0".parse().unwrap(), config).unwrap();
    let mut receiver = Receiver::builder().listener(listener).build().unwrap();
    let port = receiver.local_endpoints()[0].port().unwrap();

    let identity = (certificate.as_bytes(), key.as_bytes());
    let client = TlsClient::from_pem(certificate.as_bytes(), Some(identity)).unwrap();
    let client = client.server_name("localhost").unwrap();
    let handler = SocketHandler::builder("127.0.0.1", port).tls(client.clone()).build().unwrap();
    assert_eq!(handler.endpoint().to_string(), format!("tls://127.0.0.1:{port}"));
    handler.handle(&LogRecord::builder("app", 20, "in private").now().build()).unwrap();
    handler.flush(PATIENCE).unwrap();
    let received = receiver.recv_timeout(PATIENCE).unwrap().unwrap().unwrap();
    assert_eq!(received.record.message(), "in private");
    assert_eq!(received.source.listener().to_string(), format!("tls://127.0.0.1:{port}"));

    let unix = SocketHandler::unix("/tmp/no.sock").tls(client).build().unwrap_err();
    assert_eq!(unix.kind(), ErrorKind::Endpoint);
}
