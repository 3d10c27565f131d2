//! The example programs, run against each other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use common::PATIENCE;
use logrecord::Receiver;

/// Where cargo puts the examples that it builds with the tests.
fn example(name: &str) -> PathBuf {
    let mut folder = env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let path = folder.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    // `cargo test` builds the examples, `cargo test --test examples` does not.
    assert!(path.exists(), "no {}: run `cargo build --examples --all-features` first", path.display());
    path
}

fn run(name: &str, arguments: &[&str]) {
    assert!(Command::new(example(name)).args(arguments).status().unwrap().success(), "{name}");
}

#[test]
fn senders_and_back_ends_reach_a_receiver() {
    let mut receiver = Receiver::builder()
        .listen("tcp://127.0.0.1:0".parse().unwrap())
        .listen("udp://127.0.0.1:0".parse().unwrap())
        .build()
        .unwrap();
    let tcp = receiver.local_endpoints()[0].clone();
    let udp = receiver.local_endpoints()[1].to_string();
    let port = tcp.port().unwrap().to_string();
    let rows: [(&str, &[&str], &[&str]); 4] = [
        ("send_socket", &[&tcp.to_string()], &["record 1", "record 2", "record 3"]),
        ("send_datagram", &[&udp], &["record 1", "record 2", "record 3"]),
        ("log", &["127.0.0.1", &port], &["started", "slow query", "no such user: ada"]),
        ("tracing", &["127.0.0.1", &port], &["query done", "not a port"]),
    ];
    for (name, arguments, messages) in rows {
        run(name, arguments);
        for message in messages {
            let received = receiver.recv_timeout(PATIENCE).unwrap().unwrap().unwrap();
            assert_eq!(received.record.message(), *message, "{name}");
        }
    }
}

#[test]
fn receivers_print_what_is_sent() {
    for name in ["receive_blocking", "receive_async"] {
        let mut child = Command::new(example(name))
            .args(["tcp://127.0.0.1:0", "3"].iter().take(if name == "receive_async" { 1 } else { 2 }))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let endpoint = lines.next().unwrap();
        run("send_socket", &[endpoint.strip_prefix("listening on ").unwrap()]);
        assert!(lines.any(|line| line.ends_with("record 3")), "{name}");
        if name == "receive_async" {
            child.kill().unwrap();
        }
        child.wait().unwrap();
    }
}
