//! Rust senders with a folder: what they have taken reaches the receiver once, whoever is killed meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may fail loudly"
)]

use crate::common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use logrecord::frame::envelope::{Key, KeyId};
use logrecord::model::LogRecord;
use logrecord::spool::{Config, SyncRule};
use logrecord::transport::Backoff;
use logrecord::{ErrorKind, HandlerBuilder, SocketHandler};

use common::{PATIENCE, Server, distinct_messages};

fn builder(builder: HandlerBuilder<SocketHandler>, secret: u8) -> HandlerBuilder<SocketHandler> {
    let key = Key::new(KeyId::new(b"app").unwrap(), &[secret; 32]).unwrap();
    let backoff = Backoff::new().retry_start(Duration::from_millis(5)).retry_max(Duration::from_millis(50));
    builder.hmac(key, "").backoff(backoff)
}

fn sender(port: u16, folder: &Path, config: Config) -> SocketHandler {
    builder(SocketHandler::builder("127.0.0.1", port), 7).acks(1024).spool(folder, config).build().unwrap()
}

fn log(handler: &SocketHandler, message: String) {
    handler.handle(&LogRecord::builder("app", 20, message).now().build()).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut options = fs::OpenOptions::new();
    let mut key = options.create_new(true).write(true).mode(0o600).open(folder.path().join("key")).unwrap();
    key.write_all("07".repeat(32).as_bytes()).unwrap();
    folder
}

fn serve(folder: tempfile::TempDir, port: u16) -> Server {
    let address = format!("127.0.0.1:{port}");
    Server::start_in(folder, &["--tcp", &address, "--hmac-key", "app=DIR/key", "--spool", "DIR/spool"])
}

fn port(server: &Server) -> u16 {
    server.address("tcp").rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn the_next_handler_sends_what_is_left() {
    let place = tempfile::tempdir().unwrap();
    // What was sealed before a receiver's first start, it refuses; from then on it may be away.
    let server = serve(folder(), 0);
    let port = port(&server);
    let (_, _, folder) = server.stop("TERM");
    let records = place.path().join("records");
    let first = sender(port, &records, Config::new());
    for number in 0..50 {
        log(&first, format!("first {number}"));
    }
    // While it is there, nobody else has the folder.
    let build = |secret| {
        builder(SocketHandler::builder("127.0.0.1", port), secret)
            .acks(1024)
            .spool(&records, Config::new())
            .build()
            .map_err(|error| error.kind())
    };
    assert_eq!(build(7).unwrap_err(), ErrorKind::Spool);
    let stats = first.close(Duration::ZERO);
    assert_eq!((stats.handled, stats.resumed, stats.sender.dropped_closed), (50, 0, 50), "{stats:?}");
    drop(first);
    // What another key has signed nobody could see acknowledged.
    assert_eq!(build(8).unwrap_err(), ErrorKind::Spool);

    let second = sender(port, &records, Config::new().sync(SyncRule::Never));
    log(&second, "second".to_owned());
    let server = serve(folder, port);
    second.flush(PATIENCE).unwrap();
    let stats = second.close(PATIENCE);
    let sent =
        (stats.handled, stats.resumed, stats.sender.accepted, stats.sender.acked, stats.sender.refused);
    assert_eq!(sent, (1, 50, 51, 51, 0), "{stats:?}");
    drop(second);
    assert_eq!(distinct_messages(&server.wait_for_output(51)).len(), 51);

    // Nothing is left, and the folder serves again.
    let third = sender(port, &records, Config::new());
    assert_eq!(third.stats().resumed, 0);
    log(&third, "third".to_owned());
    third.flush(PATIENCE).unwrap();
    assert_eq!(third.close(PATIENCE).sender.acked, 1);
    assert_eq!(distinct_messages(&server.wait_for_output(52)).len(), 52);
    let (code, seen, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert!(!seen.iter().any(|line| line.contains("missing")), "{seen:#?}");
}

#[test]
fn what_cannot_have_a_folder_says_so() {
    let place = tempfile::tempdir().unwrap();
    let records = place.path().join("records");
    let without = builder(SocketHandler::builder("127.0.0.1", 9), 7).spool(&records, Config::new());
    assert_eq!(without.build().unwrap_err().kind(), ErrorKind::Acks);
    let waits = builder(SocketHandler::builder("127.0.0.1", 9), 7).acks(1024).spool(&records, Config::new());
    assert_eq!(waits.build_async().unwrap_err().kind(), ErrorKind::Spool);
    fs::write(&records, "no folder").unwrap();
    let file = builder(SocketHandler::builder("127.0.0.1", 9), 7).acks(1024).spool(&records, Config::new());
    assert_eq!(file.build().unwrap_err().kind(), ErrorKind::Spool);
    // A full folder is the caller's to know of.
    fs::remove_file(&records).unwrap();
    let small = sender(9, &records, Config::new().max_bytes(16 * 1024));
    let full = (0..200).find_map(|number| {
        let record = LogRecord::builder("app", 20, format!("{number}")).now().build();
        small.handle(&record).err()
    });
    assert_eq!(full.unwrap().kind(), ErrorKind::Spool);
    let stats = small.close(Duration::ZERO);
    assert_eq!(stats.refused, 1);
    assert_eq!(stats.handled + stats.reports, stats.refused + stats.sender.accepted, "{stats:?}");
}

const ROLE: &str = "LOGRECORD_TEST_SENDER";

/// Logs for ever, and says of each record that it is stored.
fn run_sender(told: &str) {
    let (port, rest) = told.split_once(' ').unwrap();
    let (round, records) = rest.split_once(' ').unwrap();
    let handler = sender(port.parse().unwrap(), Path::new(records), Config::new());
    for number in 0.. {
        let message = format!("{round}.{number}");
        log(&handler, message.clone());
        println!("stored {message}");
    }
}

#[test]
fn what_was_stored_arrives_once_though_both_are_killed() {
    if let Ok(told) = std::env::var(ROLE) {
        run_sender(&told);
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let records = place.path().join("records");
    let mut server = serve(folder(), 0);
    let port = port(&server);
    let mut stored = BTreeSet::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "sender_spool::what_was_stored_arrives_once_though_both_are_killed",
                "--nocapture",
            ])
            .env(ROLE, format!("{port} {round} {}", records.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = |count| {
            let told = lines.by_ref().map_while(Result::ok);
            let told =
                told.filter_map(|line| line.split_once("stored ").map(|(_, message)| message.to_owned()));
            stored.extend(told.take(count));
        };
        read(40);
        if round % 2 == 0 {
            server.signal("KILL");
            let empty = tempfile::tempdir().unwrap();
            let folder = std::mem::replace(&mut server.folder, empty);
            drop(server);
            read(40);
            server = serve(folder, port);
        }
        read(20);
        child.kill().unwrap();
        // What it has said by now counts as well.
        read(usize::MAX);
        child.wait().unwrap();
    }
    let last = sender(port, &records, Config::new());
    last.flush(PATIENCE).unwrap();
    let stats = last.close(PATIENCE);
    assert_eq!(
        (stats.resumed, stats.sender.refused, stats.sender.dropped),
        (stats.sender.acked, 0, 0),
        "{stats:?}"
    );
    assert!(stored.len() >= 400, "{}", stored.len());
    let found = distinct_messages(&server.wait_for_output(stored.len()));
    assert_eq!(stored.difference(&found).next(), None);
    let (code, seen, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
}
