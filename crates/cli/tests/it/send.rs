//! `logrecord send` into `logrecord serve`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use serde_json::Value;

use common::{Server, counts, run};

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_and_objects_become_records_on_every_transport() {
    let server = Server::start(&common::EVERY_TRANSPORT);
    let mut total = 0;
    for kind in ["tcp", "udp", "unix", "unix-dgram"] {
        let object = r#"{"levelno":40,"levelname":"ERROR","name":"a.b","message":"from json","extra":{"n":{"$int":"99999999999999999999"},"t":{"$tuple":[1]}}}"#;
        let input = format!("plain {kind} ünï\n\n{object}\n{{not json\n");
        let option = format!("--{kind}");
        let output = run(
            &["send", &option, &server.address(kind), "--name", "cron", "--level", "warning"],
            input.as_bytes(),
        );
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        total += 3;
        let records = parsed(&server.wait_for_output(total));
        let [plain, json, no_json] = &records[total - 3..] else { panic!() };
        assert_eq!((&no_json["message"], &no_json["name"]), (&"{not json".into(), &"cron".into()));
        assert_eq!(plain["message"], format!("plain {kind} ünï"));
        assert_eq!(
            (&plain["name"], &plain["levelno"], &plain["levelname"]),
            (&"cron".into(), &30.into(), &"WARNING".into())
        );
        assert_eq!(plain["source"]["transport"], kind);
        assert_eq!(
            (&json["message"], &json["name"], &json["levelno"]),
            (&"from json".into(), &"a.b".into(), &40.into())
        );
        assert_eq!(json["extra"]["n"]["$int"], "99999999999999999999");
        assert_eq!(json["extra"]["t"]["$tuple"][0], 1);
    }
    let (code, seen, _) = server.stop("INT");
    assert_eq!((code, counts(&seen)), (Some(0), (total as u64, total as u64, 0)));
}

#[test]
fn what_serve_writes_can_be_sent_again() {
    let first = Server::start(&["--tcp", "127.0.0.1:0"]);
    let input = r#"{"levelno":25,"levelname":"NOTICE","name":"x","message":"again","pathname":"/a/b.py","lineno":3,"created":1.5,"exc_text":"Traceback","extra":{"$$odd":1,"bytes":{"$bytes":"AAE="}}}"#;
    run(&["send", "--tcp", &first.address("tcp")], format!("{input}\n").as_bytes());
    let line = first.wait_for_output(1).remove(0);
    let second = Server::start(&["--tcp", "127.0.0.1:0"]);
    run(&["send", "--tcp", &second.address("tcp")], format!("{line}\n").as_bytes());
    let mut records = parsed(&[line, second.wait_for_output(1).remove(0)]);
    for record in &mut records {
        record.as_object_mut().unwrap().remove("source").unwrap();
    }
    assert_eq!(records[0], records[1]);
    assert_eq!(records[0]["extra"]["$$odd"], 1);
}

#[test]
fn a_line_without_end_is_refused_and_the_next_one_is_sent() {
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let mut input = vec![b'x'; (16 << 20) + 1];
    input.extend_from_slice(b"\nnext\n");
    let output = run(&["send", "--tcp", &server.address("tcp")], &input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("line 1: input"), "{said}");
    assert_eq!(parsed(&server.wait_for_output(1))[0]["message"], "next");
}

#[test]
fn objects_of_other_programs_become_records() {
    // The line, and what of the record is expected.
    let rows: &[(&str, &[(&str, Value)])] = &[
        (
            r#"{"level":"info","msg":"generic","user":"u"}"#,
            &[
                ("message", "generic".into()),
                ("levelno", 20.into()),
                ("levelname", "INFO".into()),
                ("name", "app".into()),
            ],
        ),
        (
            r#"{"message":"m"}"#,
            &[("levelno", 40.into()), ("levelname", "ERROR".into()), ("name", "app".into())],
        ),
        (r#"{"message":"m","level":35,"logger":"a.b"}"#, &[("levelno", 35.into()), ("name", "a.b".into())]),
        (
            r#"{"message":"m","levelname":"warning"}"#,
            &[("levelno", 30.into()), ("levelname", "warning".into())],
        ),
        (
            r#"{"message":"m","level":"loud"}"#,
            &[("levelno", 40.into()), ("extra", serde_json::json!({"level": "loud"}))],
        ),
        (r#"{"message":"m","ts":1767323045.5}"#, &[("time", "2026-01-02T03:04:05.500000Z".into())]),
        (r#"{"message":"m","timestamp":1767323045500}"#, &[("time", "2026-01-02T03:04:05.500000Z".into())]),
        (
            r#"{"message":"m","ts":"2026-01-02T03:04:05.5Z"}"#,
            &[("time", "2026-01-02T03:04:05.500000Z".into())],
        ),
        (r#"{"message":"m","time":1767323045.5}"#, &[("time", "2026-01-02T03:04:05.500000Z".into())]),
        (r#"{"message":"m","time":"yesterday"}"#, &[("extra", serde_json::json!({"time": "yesterday"}))]),
        (r#"{"message":"m","ts":"yesterday"}"#, &[("extra", serde_json::json!({"ts": "yesterday"}))]),
        (
            r#"{"event":"e","severity":"warning","@timestamp":"2026-01-02T03:04:05Z"}"#,
            &[
                ("message", "e".into()),
                ("levelno", 30.into()),
                ("time", "2026-01-02T03:04:05.000000Z".into()),
                ("extra", Value::Null),
            ],
        ),
        (
            r#"{"message":"m","event":"e"}"#,
            &[("message", "m".into()), ("extra", serde_json::json!({"event": "e"}))],
        ),
        ("{core} started", &[("message", "{core} started".into()), ("levelno", 40.into())]),
        ("[1, 2]", &[("message", "[1, 2]".into())]),
    ];
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let input: Vec<&str> = rows.iter().map(|(line, _)| *line).collect();
    let options = ["send", "--tcp", &server.address("tcp"), "--name", "app", "--level", "ERROR"];
    // An editor may have put a byte order mark in front.
    let output = run(&options, format!("\u{feff}{}\n", input.join("\n")).as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for ((line, expected), record) in rows.iter().zip(parsed(&server.wait_for_output(rows.len()))) {
        for (name, value) in *expected {
            assert_eq!(record[*name], *value, "{line}: {record}");
        }
        assert!(record["created"].is_number(), "{line}: {record}");
    }
}

#[test]
fn a_send_that_is_stopped_says_what_was_not_sent() {
    use std::io::{BufRead as _, Write as _};
    let folder = tempfile::tempdir().unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    // Nobody listens there any more.
    drop((socket, folder));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_logrecord"))
        .args(["send", "--tcp", &address])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // More than a pipe holds, so that most of it has been read.
    let mut stdin = child.stdin.take().unwrap();
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..200 {
        stdin.write_all(line.as_bytes()).unwrap();
    }
    common::signal(&child, "INT");
    let status = common::wait(&mut child);
    let mut said = String::new();
    std::io::BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    let lost =
        said.strip_prefix("logrecord: stopped: 0 records were sent, ").unwrap_or_else(|| panic!("{said}"));
    let lost: u64 = lost.split(' ').next().unwrap().parse().unwrap();
    assert!((100..=200).contains(&lost), "{said}");
}

#[test]
fn what_cannot_be_delivered_is_said() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = format!("{}/nobody", tempfile::tempdir().unwrap().path().display());
    let output = run(&["send", "--unix-dgram", &nobody], b"one\ntwo\n");
    drop(socket);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("2 of 2 records could not be delivered"), "{said}");
}

#[test]
fn a_certificate_that_is_not_trusted_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    for name in ["ours", "theirs"] {
        common::write_identity(folder.path(), name, "127.0.0.1");
    }
    let (certificate, key, other) = (place("ours.pem"), place("ours.key"), place("theirs.pem"));
    let server = Server::start(&["--tls", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key]);
    let start = std::time::Instant::now();
    let output = run(&["send", "--tls", &server.address("tls"), "--tls-ca", &other], b"one\ntwo\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("invalid peer certificate") && said.contains(&other), "{said}");
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn plain_signatures_are_taken_with_the_key_and_refused_without() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (folder.path().join("a.key"), folder.path().join("b.key"));
    for key in [&key, &other] {
        assert!(run(&["key", "new", &key.display().to_string()], b"").status.success());
    }
    let (key, other) = (key.display().to_string(), other.display().to_string());
    let mut server = Server::start(&["--tcp", "127.0.0.1:0", "--hmac-plain-key", &key]);
    run(&["send", "--tcp", &server.address("tcp"), "--hmac-plain-key", &key], b"good\n");
    server.wait_for_output(1);
    run(&["send", "--tcp", &server.address("tcp"), "--hmac-plain-key", &other], b"bad\n");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected bad_mac")));
    let (_, seen, _) = server.stop("INT");
    assert_eq!(counts(&seen), (2, 1, 1), "{seen:#?}");
}

#[test]
fn a_replayed_stream_is_refused_after_a_restart_too() {
    use std::io::{Read as _, Write as _};
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("k.key").display().to_string();
    assert!(run(&["key", "new", &key], b"").status.success());
    let option = format!("k={key}");
    // What a sender says is recorded once.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let recorder = std::thread::spawn(move || {
        let mut recorded = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut recorded).unwrap();
        recorded
    });
    assert!(run(&["send", "--tcp", &address, "--hmac-key", &option], b"one\ntwo\n").status.success());
    let recorded = recorder.join().unwrap();
    let args = [
        "--tcp",
        "127.0.0.1:0",
        "--hmac-key",
        &option,
        "--replay-state",
        &format!("{}/state", folder.path().display()),
    ];
    // A receiver that starts later does not take it at all; so the state file is from an earlier one.
    let mut server = Server::start(&args);
    let play = |server: &Server| {
        let mut client = std::net::TcpStream::connect(server.address("tcp")).unwrap();
        client.write_all(&recorded).unwrap();
    };
    play(&server);
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected before_start")));
    let (_, seen, _) = server.stop("INT");
    assert_eq!(counts(&seen), (2, 0, 2), "{seen:#?}");
    // A state that was stored at the end of a run knows all that was here: new streams count, old ones do not.
    let server = Server::start(&args);
    run(&["send", "--tcp", &server.address("tcp"), "--hmac-key", &option], b"fresh\n");
    server.wait_for_output(1);
    let (_, seen, _) = server.stop("INT");
    assert_eq!(counts(&seen), (1, 1, 0), "{seen:#?}");
}
