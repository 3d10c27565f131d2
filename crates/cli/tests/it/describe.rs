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

/// Mistaken formats and options, and what they are refused with; those without are harmless.
const MISTAKES: &[(&[&str], &str)] = &[
    (&["--format", "%(message)"], "%(message)s"),
    (&["--format", "%(message"], "%(message)s"),
    (&["--format", "%(message)z"], "%(message)s"),
    (&["--format", "%message"], "%(message)s"),
    (&["--format", "%s"], "%(message)s"),
    (&["--format", "JSON"], "json"),
    (&["--format", "{message}"], "--style '{'"),
    (&["--format", "$message"], "--style '$'"),
    (&["--format", "%(name)5000000000s%(message)s"], "widths"),
    (&["--format", "%(message)s%(name)20000s"], "widths"),
    (&["--style", "{", "--format", "%(message)s"], "--style '%'"),
    (&["--style", "{", "--format", "$message"], "--style '$'"),
    (&["--style", "{", "--format", "{message"], "{message}"),
    (&["--style", "{", "--format", "{message!z}"], "{message}"),
    (&["--style", "{", "--format", "{}"], "{message}"),
    (&["--style", "{", "--format", "}"], "{message}"),
    (&["--style", "{", "--format", "{{message}}"], "{message}"),
    (&["--style", "{", "--format", "{message!r:>999999999999}"], "widths"),
    (&["--style", "$", "--format", "%(message)s"], "--style '%'"),
    (&["--style", "$", "--format", "{message}"], "--style '{'"),
    (&["--style", "$", "--format", "$"], "$message"),
    (&["--style", "$", "--format", "${message"], "$message"),
    (&["--style", "$", "--format", "$(message)s"], "$message"),
    (&["--style", "x"], "[possible values: %, {, $]"),
    (&["--format-default", "user"], "NAME=VALUE"),
    (&["--max-frame", "0"], "0 bytes"),
    (&["--max-connections", "0"], "1.."),
    (&["--max-connections-per-peer", "0"], "1.."),
    (&["--level", "LOUD"], "DEBUG, INFO"),
    (&["--idle-timeout", "5x"], "ms, s, m, h or d"),
    (&["--globals", "none"], "describe"),
    (&["--audience", "central"], "--hmac-key"),
    (&["--replay-state", "state"], "--hmac-key"),
    (&["--hmac-key", "file"], "ID=FILE"),
    (&["--format", "%(asctime)s %s"], ""),
    (&["--format", "%(message)s %"], ""),
    (&["--format", "%(message)s%(name)q"], ""),
    (&["--format", "%(message)*s"], ""),
    (&["--format", "%(message)d"], ""),
    (&["--format", "%()s%(a b)s%(message)s"], ""),
    (&["--format", "%(message)s %(lineno)x %(created)d"], ""),
    (&["--style", "{", "--format", "{0}"], ""),
    (&["--style", "{", "--format", "{message:%}"], ""),
    (&["--style", "{", "--format", "{message.upper}"], ""),
    (&["--style", "{", "--format", "{message:{name}}"], ""),
    (&["--format", "text", "--datefmt", "%"], ""),
    (&["--format", "text", "--datefmt", "%99999999Y"], ""),
    (&["--format", "json", "--datefmt", "%Q", "--style", "{"], ""),
    (&["--allow-global", ""], ""),
];

#[test]
fn a_mistaken_option_is_refused_with_the_way_out_or_costs_no_message() {
    for (mistake, way_out) in MISTAKES {
        let args = [&["--tcp", "127.0.0.1:0"], *mistake].concat();
        if way_out.is_empty() {
            let server = Server::start(&args);
            send(&server, &[record("order placed")]);
            let line = server.wait_for_output(1).remove(0);
            assert!(line.contains("order placed") && line.len() < 500, "{mistake:?}: {line}");
        } else {
            let output = run(&[&["serve"], args.as_slice()].concat(), b"");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(way_out), "{mistake:?}: {said}");
            assert_eq!(output.status.code(), Some(2), "{mistake:?}: {said}");
        }
    }
}

#[test]
fn a_format_that_suits_no_record_is_doubted_at_the_start() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--format", "%(message)s%(name)q"]);
    assert!(server.seen().iter().any(|line| line.contains("suit no record")), "{:?}", server.seen());
}

#[test]
fn further_lines_of_a_message_stand_below_it_in_text() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--format", "text"]);
    send(&server, &[record("failed\nTraceback:\n  line 1")]);
    let lines = server.wait_for_output(3);
    assert!(lines[0].ends_with("INFO     app failed"), "{lines:?}");
    assert_eq!(lines[1..], ["    Traceback:", "      line 1"]);
}

#[test]
fn ten_thousand_names_of_a_hostile_sender_are_a_bounded_report() {
    const NAMES: usize = 10_000;
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let class = |number: usize| format!("cevil{number}\nC{number}\n)R");
    let every: String = (0..NAMES).map(class).collect();
    send(&server, &[with_extra(format!("({every}l").as_bytes())]);
    // Another connection has no order with this one.
    server.wait_for_output(1);
    let records: Vec<_> = (0..NAMES).map(|number| with_extra(class(number).as_bytes())).collect();
    send(&server, &records);
    let lines = server.wait_for_output(NAMES + 1);
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(first["globals"].as_array().unwrap().len(), 33, "{}", first["globals"]);
    assert_eq!((&first["globals"][32], &first["message"]), (&"...".into(), &"order placed".into()));
    let (_, seen, _) = server.stop("TERM");
    assert_eq!(counts(&seen), (10_001, 10_001, 0));
    let last = seen.last().unwrap();
    assert_eq!(last.matches("described{").count(), 257, "256 names and `other`");
    assert!(last.contains(" described{other}="), "{last}");
    assert!(seen.iter().map(String::len).sum::<usize>() < 100_000 && seen.len() < 400, "{}", seen.len());
}
