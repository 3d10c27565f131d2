//! Sockets that a service manager hands over: TCP as descriptor 3, UDP as descriptor 4.
#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use crate::common;

use std::{
    io::Write,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    process::Command,
};

use common::{Recorder, Running, frame};
use logrecord_transport::{
    Transport,
    listener::{Handed, Listener, ListenerConfig},
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
        .args([
            "--exact",
            "systemd::sockets_of_a_service_manager_are_taken_with_what_waits_in_them",
            "--nocapture",
        ])
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

const WRONG: &str = "LOGRECORD_TEST_WRONG_SOCKET";

/// Runs one test of this file again, with a socket as descriptor 3.
fn run_again(test: &str, sockets: &str, stdin: OwnedFd) {
    let status = Command::new("sh")
        .args(["-c", &format!("LISTEN_PID=$$ LISTEN_FDS={sockets} exec \"$0\" \"$@\" 3<&0 </dev/null")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WRONG, "1")
        .stdin(stdin)
        .status()
        .unwrap();
    assert!(status.success(), "{test} {sockets}");
}

#[test]
fn sockets_that_cannot_serve_and_absurd_counts_are_refused_at_once() {
    if std::env::var_os(WRONG).is_some() {
        let error = Listener::from_systemd(&ListenerConfig::new()).unwrap_err();
        assert_eq!(error.kind(), logrecord_transport::ErrorKind::Systemd);
        return;
    }
    let test = "systemd::sockets_that_cannot_serve_and_absurd_counts_are_refused_at_once";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for count in ["2147483647", "4294967295", "18446744073709551615", "65537", "-1", "many", "2"] {
        run_again(test, count, listener.try_clone().unwrap().into());
    }
    let address = listener.local_addr().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    run_again(test, "1", stream.into());
    let unbound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    unbound.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    run_again(test, "1", unbound.into());
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(address).unwrap();
    run_again(test, "1", udp.into());
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    run_again(test, "1", one.into());
    let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    run_again(test, "1", one.into());
}

const NAMED: &str = "LOGRECORD_TEST_NAMED";

#[test]
fn sockets_have_settings_by_their_names() {
    if std::env::var_os(NAMED).is_some() {
        let mut asked = Vec::new();
        let named = Handed::from_env().unwrap().listeners(|name| {
            asked.push(name.to_owned());
            (name != "b").then(ListenerConfig::new)
        });
        let named: Vec<_> = named.unwrap().into_iter().map(|(name, _)| name).collect();
        let expected = std::env::var("EXPECTED").unwrap();
        assert_eq!(asked.join(","), expected);
        assert_eq!(named.join(","), expected.replace("b,", ""));
        return;
    }
    for (names, expected) in [("b:a", "b,a"), ("b", "b,unknown"), ("", "unknown,unknown")] {
        let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let status = Command::new("sh")
            .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null </dev/null"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "systemd::sockets_have_settings_by_their_names", "--nocapture"])
            .env(NAMED, "1")
            .env("EXPECTED", expected)
            .env("LISTEN_FDNAMES", names)
            .stdin(OwnedFd::from(first))
            .stdout(OwnedFd::from(second))
            .status()
            .unwrap();
        assert!(status.success(), "{names}");
    }
}
