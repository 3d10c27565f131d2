//! Sockets that a service manager hands over: TCP as descriptor 3, UDP as descriptor 4.
#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod common;

use std::{
    io::Write,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    process::Command,
};

use common::{Recorder, Running, frame};
use logrecord_transport::{
    Transport,
    listener::{Listener, ListenerConfig},
};

const ROLE: &str = "LOGRECORD_TEST_HANDED_OVER";

#[test]
fn sockets_of_a_service_manager_are_taken_with_what_waits_in_them() {
    if std::env::var_os(ROLE).is_some() {
        serve();
        return;
    }
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Both are used before the service runs: nothing of it is lost.
    let mut client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    client.write_all(&frame(b"early")).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(&frame(b"early"), udp.local_addr().unwrap()).unwrap();
    // The shell puts the sockets where the protocol wants them; exec keeps the process id.
    let status = Command::new("sh")
        .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null </dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "sockets_of_a_service_manager_are_taken_with_what_waits_in_them", "--nocapture"])
        .env(ROLE, "1")
        .stdin(OwnedFd::from(tcp))
        .stdout(OwnedFd::from(udp))
        .status()
        .unwrap();
    assert!(status.success());
}

fn serve() {
    let listeners = Listener::from_systemd(&ListenerConfig::new()).unwrap();
    let transports: Vec<_> = listeners.iter().map(|listener| listener.local_endpoint().transport()).collect();
    assert_eq!(transports, [Transport::Tcp, Transport::Udp]);
    assert!(Listener::from_systemd(&ListenerConfig::new()).unwrap().is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for listener in listeners {
            let running = Running::start(listener, Recorder::default());
            running.recorder.until("early", |r| r.payloads() == ["early"]).await;
        }
    });
}
