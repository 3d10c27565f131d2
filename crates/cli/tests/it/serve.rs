//! `logrecord serve` as a program: sockets in, lines and counts out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::Write as _;
use std::net::TcpStream;

use base64::Engine as _;
use serde_json::Value;

use common::{Server, counts, frame, messages, read_lines, record, run};

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address("tcp")).unwrap()
}

#[test]
fn bytes_one_at_a_time_make_whole_records() {
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let mut client = connect(&server);
    client.set_nodelay(true).unwrap();
    for byte in [frame(&record("one")), frame(&record("two"))].concat() {
        client.write_all(&[byte]).unwrap();
    }
    assert_eq!(messages(&server.wait_for_output(2)), ["one", "two"]);
    drop(client);
    let (code, seen, _) = server.stop("INT");
    assert_eq!(code, Some(0));
    assert_eq!(counts(&seen), (2, 2, 0));
}

#[test]
fn whatever_comes_is_named_counted_and_kept_and_others_notice_nothing() {
    let mut server = Server::start(&["--tcp", "127.0.0.1:0", "--dead-letter", "DIR/dead"]);
    let mut honest = connect(&server);
    honest.write_all(&frame(&record("before"))).unwrap();
    server.wait_for_output(1);
    let attack = b"cos\nsystem\n(S'id'\ntR.";
    let inputs: [(&[u8], &str); 5] = [
        (b"\xff\xff\xff\xff", "oversized"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP"),
        (&frame(attack), "os.system"),
        (&frame(b"\x80\x04K\x07."), "payload"),
        (&frame(&record("cut"))[..40], "truncated"),
    ];
    for (input, word) in inputs {
        let mut client = connect(&server);
        client.write_all(input).unwrap();
        drop(client);
        server.wait_for(|seen| seen.iter().any(|line| line.contains(word)));
    }
    honest.write_all(&frame(&record("after"))).unwrap();
    assert_eq!(messages(&server.wait_for_output(2)), ["before", "after"]);
    drop(honest);
    let (code, seen, folder) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert_eq!(counts(&seen), (7, 2, 5), "{seen:#?}");
    let letters: Vec<Value> = read_lines(&folder.path().join("dead"))
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let reasons: Vec<&str> = letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["oversized", "oversized", "global", "payload", "truncated"]);
    let kept = |letter: &Value| {
        base64::engine::general_purpose::STANDARD.decode(letter["frame"].as_str().unwrap()).unwrap()
    };
    assert_eq!(kept(&letters[2]), frame(attack));
    assert_eq!(kept(&letters[4]), frame(&record("cut"))[..40]);
}

#[test]
fn a_stop_while_records_flow_loses_nothing_that_arrived() {
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let mut client = connect(&server);
    let writer = std::thread::spawn(move || {
        // It ends when the receiver is gone.
        let mut sent = 0_u64;
        while sent < 200_000 && client.write_all(&frame(&record(&format!("record {sent}")))).is_ok() {
            sent += 1;
        }
        sent
    });
    server.wait_for_output(1_000);
    let (code, seen, folder) = server.stop("INT");
    let sent = writer.join().unwrap();
    assert_eq!(code, Some(0));
    let (received, written, others) = counts(&seen);
    assert_eq!(received, written + others, "{seen:#?}");
    let lines = read_lines(&folder.path().join("out"));
    assert_eq!(lines.len() as u64, written);
    assert!(written <= sent);
    // In order and without a gap.
    for (place, message) in messages(&lines).iter().enumerate() {
        assert_eq!(*message, format!("record {place}"));
    }
}

#[test]
fn hangup_opens_a_rotated_output_again() {
    let mut server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let mut client = connect(&server);
    client.write_all(&frame(&record("old"))).unwrap();
    server.wait_for_output(1);
    let out = server.folder.path().join("out");
    std::fs::rename(&out, server.folder.path().join("out.1")).unwrap();
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("reloaded")));
    client.write_all(&frame(&record("new"))).unwrap();
    assert_eq!(messages(&server.wait_for_output(1)), ["new"]);
    assert_eq!(messages(&read_lines(&server.folder.path().join("out.1"))), ["old"]);
}

#[test]
fn a_full_disk_ends_no_connection_and_the_counts_say_what_it_cost() {
    let mut server = Server::start(&["--tcp", "127.0.0.1:0", "--output", "/dev/full"]);
    let mut client = connect(&server);
    client.write_all(&frame(&record("lost"))).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write output")));
    client.write_all(&frame(&record("lost too"))).unwrap();
    drop(client);
    let (code, seen, _) = server.stop("INT");
    assert_eq!(code, Some(0));
    let (received, written, others) = counts(&seen);
    assert_eq!((received, written, others), (2, 0, 2), "{seen:#?}");
    assert!(seen.last().unwrap().contains("dropped{shutdown}=2"), "{seen:#?}");
}

#[test]
fn text_cannot_forge_a_line_and_raw_text_is_pythons_own() {
    let hostile = "ok\nCRITICAL root fake\x1b[2J\u{202e}";
    for (raw, expected) in [
        (false, "INFO ok\\nCRITICAL root fake\\x1b[2J\\u202e\n"),
        (true, "INFO ok\nCRITICAL root fake\x1b[2J\u{202e}\n"),
    ] {
        let mut args = vec!["--tcp", "127.0.0.1:0", "--format", "%(levelname)s %(message)s"];
        if raw {
            args.push("--raw");
        }
        let server = Server::start(&args);
        connect(&server).write_all(&frame(&record(hostile))).unwrap();
        server.wait_for_output(1);
        let (_, _, folder) = server.stop("INT");
        assert_eq!(std::fs::read_to_string(folder.path().join("out")).unwrap(), expected);
    }
}

#[test]
fn datagrams_are_records_too() {
    let server = Server::start(&["--udp", "127.0.0.1:0", "--unix-dgram", "DIR/socket"]);
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(&frame(&record("udp")), server.address("udp")).unwrap();
    assert_eq!(messages(&server.wait_for_output(1)), ["udp"]);
    let unix = std::os::unix::net::UnixDatagram::unbound().unwrap();
    for _ in 0..100 {
        unix.send_to(&frame(&record("unix")), server.folder.path().join("socket")).unwrap();
    }
    assert_eq!(server.wait_for_output(101).len(), 101);
    udp.send_to(b"no frame", server.address("udp")).unwrap();
    let (code, seen, _) = server.stop("INT");
    assert_eq!(code, Some(0));
    assert_eq!(counts(&seen), (102, 101, 1), "{seen:#?}");
}

#[test]
fn exit_codes_name_the_fault() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open.key");
    std::fs::write(&open, "00".repeat(32)).unwrap();
    let open = format!("a={}", open.display());
    let rows: &[(&[&str], i32, &str)] = &[
        (&["serve", "--tcp", "nonsense"], 2, "127.0.0.1:9020"),
        (&["serve", "--max-frame", "many"], 2, "max-frame"),
        (&["serve", "--max-frame", "0"], 2, "max-frame"),
        (&["serve", "--tcp", "127.0.0.1:0", "--tls-cert", "c", "--tls-key", "k"], 2, "--tls <HOST:PORT>"),
        (
            &["serve", "--tcp", "127.0.0.1:0", "--dead-letter", "/nowhere/x"],
            69,
            "cannot open the dead-letter file",
        ),
        (&["serve", "--format", "%(message)", "--tcp", "127.0.0.1:0"], 2, "Formatter"),
        (&["serve", "--hmac-key", "a=x", "--hmac-plain-key", "y"], 2, "cannot be used with"),
        (&["serve", "--tcp", "0.0.0.0:0"], 78, "--allow-unauthenticated"),
        (&["serve", "--hmac-key", "a=/nowhere/key"], 78, "/nowhere/key"),
        (&["serve", "--hmac-key", &open], 78, "chmod 600"),
        (&["serve", "--tcp", "127.0.0.1:0", "--output", "/nowhere/out"], 69, "/nowhere/out"),
        (&["serve", "--unix", "/nowhere/socket"], 69, "/nowhere/socket"),
        (&["decode", "/nowhere/file"], 69, "/nowhere/file"),
        (&["encode"], 2, "--protocol"),
        (&["send", "--level", "INFO"], 2, "--tcp"),
        (&["unknown"], 2, "unknown"),
    ];
    for (args, code, word) in rows {
        let output = run(args, b"");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {said}");
        assert!(said.contains(word), "{args:?}: {said}");
    }
}

#[test]
fn every_help_shows_an_example_or_says_what_comes_out() {
    for command in ["serve", "send", "decode", "encode", "inspect"] {
        let output = run(&[command, "--help"], b"");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("Exit codes:"), "{command}");
        assert!(help.lines().count() > 15, "{command}");
    }
}
