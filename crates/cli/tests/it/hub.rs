//! Several outputs, routes, and a spool that outlives the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

use common::{Server, frame, read_lines, run, until};

/// A record of a logger and a level.
fn record(logger: &str, level: u8, message: &str) -> Vec<u8> {
    let mut pickle = b"}(".to_vec();
    for (key, value) in [("name", logger), ("msg", message)] {
        for text in [key, value] {
            pickle.push(b'X');
            pickle.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
            pickle.extend_from_slice(text.as_bytes());
        }
    }
    pickle.extend_from_slice(b"X\x07\0\0\0levelnoK");
    pickle.push(level);
    pickle.extend_from_slice(b"u.");
    pickle
}

fn send(server: &Server, records: &[Vec<u8>]) {
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    for record in records {
        client.write_all(&frame(record)).unwrap();
    }
}

#[test]
fn routes_decide_as_loggers_do_and_every_output_has_its_counts() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let text = "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n\
        [output.all]\ntype = \"file\"\npath = \"DIR/all\"\nformat = \"%(message)s\"\n\
        [output.siem]\ntype = \"file\"\npath = \"DIR/siem\"\nformat = \"%(message)s\"\n\
        [[route]]\nlogger = \"django.security\"\nto = [\"all\", \"siem\"]\n\
        [[route]]\nlogger = [\"urllib3\", \"botocore\"]\nlevel = \"WARNING\"\nto = [\"all\"]\n\
        [[route]]\nto = [\"all\"]\n";
    std::fs::write(dir.join("c.toml"), text.replace("DIR", &dir.display().to_string())).unwrap();
    let server = Server::start_with_config(folder, "DIR/c.toml", 1);
    send(
        &server,
        &[
            record("django.security.csrf", 10, "csrf"),
            record("django", 20, "django"),
            record("urllib3.pool", 20, "too low"),
            record("botocore", 30, "botocore"),
            record("urllib3x", 10, "another"),
            b"]q\0.".to_vec(),
        ],
    );
    until(|| (read_lines(&dir.join("all")).len() == 4).then_some(()));
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert_eq!(read_lines(&dir.join("all")), ["csrf", "django", "botocore", "another"]);
    assert_eq!(read_lines(&dir.join("siem")), ["csrf"]);
    let lines: Vec<&String> = seen.iter().rev().take(3).rev().collect();
    assert_eq!(lines[0], "received=6 logged=5 rejected{payload}=1");
    assert_eq!(lines[1], "output all: logged=6 written=4 filtered=1 rejected{payload}=1 buffered=0");
    assert_eq!(lines[2], "output siem: logged=6 written=1 filtered=4 rejected{payload}=1 buffered=0");
}

#[test]
fn a_level_filters_and_is_counted() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--level", "warning"]);
    send(&server, &[record("a", 20, "low"), record("a", 30, "high")]);
    server.wait_for_output(1);
    let (_, seen, _) = server.stop("TERM");
    assert_eq!(seen.last().unwrap(), "received=2 written=1 filtered=1");
}

#[test]
fn what_a_spool_has_is_delivered_once_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--tcp", "127.0.0.1:0", "--spool", "DIR/spool", "--format", "%(message)s"];
    // Nothing is ever taken from it, so that all of it is in the spool when the process is killed.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("out")).unwrap();
    let mut server = Server::start_in(folder, &args);
    let records: Vec<_> = (0..500).map(|number| record("a", 20, &number.to_string())).collect();
    send(&server, &records);
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write output")));
    let durable = || {
        let spool = server.folder.path().join("spool");
        let segments = std::fs::read_dir(spool).unwrap().map(|entry| entry.unwrap());
        let segments = segments.filter(|entry| entry.file_name().to_string_lossy().ends_with(".seg"));
        let text: Vec<u8> = segments.flat_map(|segment| std::fs::read(segment.path()).unwrap()).collect();
        text.windows(3).any(|window| window == b"499").then_some(())
    };
    until(durable);
    let (_, _, folder) = server.stop("KILL");
    std::fs::remove_file(folder.path().join("out")).unwrap();
    let server = Server::start_in(folder, &args);
    send(&server, &[record("a", 20, "new")]);
    server.wait_for_output(501);
    let (code, seen, folder) = server.stop("TERM");
    let mut expected: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    expected.push("new".to_owned());
    assert_eq!(read_lines(&folder.path().join("out")), expected);
    assert_eq!(code, Some(0));
    assert_eq!(seen.last().unwrap(), "received=1 resumed=500 written=501", "{seen:#?}");
    // And not a second time.
    let server = Server::start_in(folder, &args);
    send(&server, &[record("a", 20, "last")]);
    server.wait_for_output(502);
    let (_, seen, _) = server.stop("TERM");
    assert_eq!(seen.last().unwrap(), "received=1 written=1", "{seen:#?}");
}

#[test]
fn a_signed_record_of_the_spool_is_not_taken_again_after_a_kill() {
    use std::io::Read as _;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("k.key").display().to_string();
    assert!(run(&["key", "new", &key], b"").status.success());
    let option = format!("k={key}");
    let args = ["--tcp", "127.0.0.1:0", "--spool", "DIR/spool", "--hmac-key", &option];
    let server = Server::start(&args);
    // What a sender says is recorded on its way.
    let relay = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = relay.local_addr().unwrap().to_string();
    let target = server.address("tcp");
    let recorder = std::thread::spawn(move || {
        let mut recorded = Vec::new();
        relay.accept().unwrap().0.read_to_end(&mut recorded).unwrap();
        TcpStream::connect(target).unwrap().write_all(&recorded).unwrap();
        recorded
    });
    assert!(run(&["send", "--tcp", &address, "--hmac-key", &option], b"one\ntwo\n").status.success());
    let recorded = recorder.join().unwrap();
    server.wait_for_output(2);
    let (_, _, kept) = server.stop("KILL");
    let mut server = Server::start_in(kept, &args);
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&recorded).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected replay")));
    run(&["send", "--tcp", &server.address("tcp"), "--hmac-key", &option], b"three\n");
    let lines = server.wait_for_output(3);
    let messages: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<&str> = messages.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["one", "two", "three"]);
}

/// What the checkpoint does not cover, a start reads, and no segment of it goes.
#[test]
fn the_checkpoint_of_a_spool_follows_what_is_not_signed_as_well() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--spool", "DIR/spool"]);
    send(&server, &(0..10).map(|number| record("a", 20, &number.to_string())).collect::<Vec<_>>());
    server.wait_for_output(10);
    let (_, _, folder) = server.stop("TERM");
    let spool =
        logrecord_spool::Spool::open(&folder.path().join("spool"), logrecord_spool::Config::new()).unwrap();
    assert_eq!(spool.take_checkpoint().unwrap().index, 10);
}

/// What a start reads of a spool is bounded, also where nothing says what was accepted.
#[cfg(target_os = "linux")]
#[test]
fn twenty_gibibytes_of_spool_without_a_checkpoint_are_not_read_before_it_listens() {
    use logrecord_spool::{Config, CursorState, Spool, Start};

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let spool = Spool::open(&dir.join("spool"), Config::new()).unwrap();
    // Its reader is past all of it, so that only the start reads.
    let done = CursorState { done: 1 << 40, ..CursorState::default() };
    spool.cursor("all", Start::Oldest).unwrap().store(done).unwrap();
    drop(spool);
    for place in 0..320 {
        let segment = std::fs::File::create(dir.join(format!("spool/{:020}.seg", 1 + place * 1000))).unwrap();
        segment.set_len(64 << 20).unwrap();
    }
    let text = "[spool]\npath = \"DIR/spool\"\nmax_bytes = \"60GiB\"\nretain = \"50GiB\"\n\
        [[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[output.all]\ntype = \"file\"\npath = \"DIR/out\"\n";
    std::fs::write(dir.join("c.toml"), text.replace("DIR", &dir.display().to_string())).unwrap();
    let server = Server::start_with_config(folder, "DIR/c.toml", 1);
    let io = std::fs::read_to_string(format!("/proc/{}/io", server.id())).unwrap();
    let read: u64 = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap();
    // Up to two segments for the end, 256 MiB for the streams.
    assert!(read < 400 << 20, "{read} bytes");
    assert!(server.seen().iter().any(|line| line.contains("has no checkpoint")), "{:?}", server.seen());
    send(&server, &[record("a", 20, "after")]);
    server.wait_for_output(1);
    let (code, seen, _) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert_eq!(seen.last().unwrap(), "received=1 written=1", "{seen:#?}");
}
