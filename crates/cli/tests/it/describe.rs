//! Records that name things: written with descriptions, reported, counted, or refused with the way out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use common::{Server, counts, frame, record, run};

/// A record of the logger `shop` with a message, and an extra that is the pickle of something.
fn with_extra(value: &[u8]) -> Vec<u8> {
    let mut pickle =
        b"}(X\x04\0\0\0nameX\x04\0\0\0shopX\x03\0\0\0msgX\x0c\0\0\0order placedX\x05\0\0\0value".to_vec();
    pickle.extend_from_slice(value);
    pickle.extend_from_slice(b"u.");
    pickle
}

const SYSTEM: &[u8] = b"cos\nsystem\n(X\x02\0\0\0idtR";
const STATUS: &[u8] = b"cshop\nStatus\n(K\x02tR";

fn send(server: &Server, payloads: &[Vec<u8>]) {
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    for payload in payloads {
        client.write_all(&frame(payload)).unwrap();
    }
}

#[test]
fn a_record_is_written_whatever_it_names_and_the_name_is_told() {
    let mut server = Server::start(&["--tcp", "127.0.0.1:0", "--allow-global", "shop.Status"]);
    send(&server, &[with_extra(SYSTEM), with_extra(SYSTEM), with_extra(STATUS), record("plain")]);
    let lines: Vec<Value> =
        server.wait_for_output(4).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["message"], &lines[0]["name"]), (&"order placed".into(), &"shop".into()));
    assert_eq!(lines[0]["globals"], serde_json::json!(["os.system"]));
    assert!(lines[0]["extra"]["value"].to_string().contains("os.system"), "{}", lines[0]);
    assert!(lines[2]["extra"]["value"].to_string().contains("shop.Status"), "{}", lines[2]);
    assert_eq!((&lines[2]["globals"], &lines[3]["globals"]), (&Value::Null, &Value::Null));
    server.wait_for(|seen| seen.iter().any(|line| line.contains("described: os.system")));
    let (_, seen, _) = server.stop("TERM");
    assert_eq!(seen.iter().filter(|line| line.contains("described: ")).count(), 1, "{seen:#?}");
    assert_eq!(counts(&seen), (4, 4, 0), "{seen:#?}");
    assert!(seen.last().unwrap().ends_with(" described{os.system}=2"), "{seen:#?}");
}

#[test]
fn what_names_a_global_and_is_no_record_is_refused_by_that_name() {
    let mut server = Server::start(&["--tcp", "127.0.0.1:0"]);
    send(&server, &[[SYSTEM, b"."].concat()]);
    server.wait_for(|seen| {
        seen.iter().any(|line| line.contains("rejected global") && line.contains("os.system"))
    });
}

#[test]
fn a_refused_record_is_told_with_its_logger_its_message_and_the_way_out() {
    for policy in ["known", "reject"] {
        let mut server = Server::start(&["--tcp", "127.0.0.1:0", "--globals", policy]);
        send(&server, &[with_extra(STATUS)]);
        server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected global")));
        let line = server.seen().iter().find(|line| line.contains("rejected global")).unwrap();
        for part in ["shop.Status", "\"shop\"", "\"order placed\"", "--globals describe", "--allow-global"] {
            assert!(line.contains(part), "{line}");
        }
    }
}

#[test]
fn formats_are_doubted_at_the_start_and_have_defaults() {
    let format = "%(mesage)s|%(user)s|%(message)s";
    let server =
        Server::start(&["--tcp", "127.0.0.1:0", "--format", format, "--format-default", "user=nobody"]);
    assert!(
        server
            .seen()
            .iter()
            .any(|line| line.contains("\"mesage\"") && line.contains("did you mean message?"))
    );
    assert!(!server.seen().iter().any(|line| line.contains("\"user\"")), "{:?}", server.seen());
    send(&server, &[record("hi")]);
    assert_eq!(server.wait_for_output(1), ["|nobody|hi"]);
    let (_, seen, _) = server.stop("TERM");
    assert!(seen.last().unwrap().contains(" unformatted=1"), "{seen:#?}");
    let output = run(&["serve", "--format-default", "user"], b"");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_health_check_is_nothing_to_tell() {
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    for _ in 0..5 {
        let client = TcpStream::connect(server.address("tcp")).unwrap();
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
    }
    send(&server, &[record("hi")]);
    server.wait_for_output(1);
    let (_, seen, _) = server.stop("TERM");
    assert!(!seen.iter().any(|line| line.starts_with("logrecord: ")), "{seen:#?}");
}
