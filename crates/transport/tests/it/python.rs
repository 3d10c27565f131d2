//! Stock Python handlers of every version that is here, into every kind of listener.
#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]
use crate::common;

use std::process::Command;

use common::{Recorder, Running};
use logrecord_transport::{
    Endpoint,
    listener::{Listener, ListenerConfig},
};

const SCRIPT: &str = "
import logging, logging.handlers, sys
kind, host, port = sys.argv[1:4]
port = None if port == '-' else int(port)
handler = getattr(logging.handlers, kind)(host, port)
logger = logging.getLogger('test.transport')
logger.setLevel(logging.DEBUG)
logger.addHandler(handler)
for i in range(8):
    logger.info('record %d of %s', i, kind, extra={'number': i})
handler.close()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_handlers_reach_every_listener() {
    let dir = tempfile::tempdir().unwrap();
    for python in testkit::python::paths_or_skip() {
        let two = python.to_string_lossy().contains("/2.7");
        for (endpoint, handler) in [
            (Endpoint::tcp("127.0.0.1:0").unwrap(), "SocketHandler"),
            (Endpoint::udp("127.0.0.1:0").unwrap(), "DatagramHandler"),
            (Endpoint::unix(dir.path().join("s")).unwrap(), "SocketHandler"),
            (Endpoint::unix_datagram(dir.path().join("d")).unwrap(), "DatagramHandler"),
        ] {
            // Python 2.7 has no Unix sockets here.
            if two && endpoint.transport().is_unix() {
                continue;
            }
            let listener = Listener::bind(&endpoint, ListenerConfig::new()).unwrap();
            let endpoint = listener.local_endpoint().clone();
            let running = Running::start(listener, Recorder::default());
            let host =
                endpoint.host().map_or_else(|| endpoint.path().unwrap().display().to_string(), str::to_owned);
            let port = endpoint.port().map_or_else(|| "-".to_owned(), |port| port.to_string());
            let mut command = Command::new(&python);
            command.args(["-c", SCRIPT, handler, &host, &port]);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            let name =
                format!("{} to {endpoint}: {}", python.display(), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && output.stderr.is_empty(), "{name}");
            let recorder = std::sync::Arc::clone(&running.recorder);
            recorder.until(&name, |r| r.count() == 8).await;
            running.stop().await;
            assert!(recorder.reasons().is_empty(), "{name}");
            for payload in recorder.payloads() {
                // A dict of protocol 1.
                assert!(payload.starts_with(b"}q") && payload.ends_with(b"."), "{name}");
            }
        }
    }
}
