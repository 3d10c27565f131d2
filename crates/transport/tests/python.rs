//! Stock Python handlers of every version that is here, into every kind of listener.
#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]
mod common;

use std::{path::PathBuf, process::Command};

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

fn interpreters() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = match std::env::var("LOGRECORD_PYTHONS") {
        Ok(list) => list.split(':').map(PathBuf::from).collect(),
        Err(_) => {
            let home = std::env::var("HOME").unwrap_or_default();
            let versions = std::fs::read_dir(format!("{home}/.pyenv/versions"));
            versions.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/python")).collect()
        }
    };
    found.retain(|path| path.exists());
    found.sort();
    if found.is_empty() && Command::new("python3").arg("--version").output().is_ok() {
        found.push("python3".into());
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_handlers_reach_every_listener() {
    let pythons = interpreters();
    if pythons.is_empty() {
        assert!(std::env::var_os("LOGRECORD_REQUIRE_PYTHON").is_none(), "no Python found");
        eprintln!("SKIPPED: no Python found");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for python in pythons {
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
