//! Killed in mid-stream, again and again, with a spool: every record that it holds arrives, once and in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use common::{Server, frame, read_lines, record, until};
use logrecord_spool::{Config, Spool};

/// The messages of all records that a spool has kept, in order.
fn kept(folder: &Path) -> Vec<String> {
    let spool = Spool::open(folder, Config::new()).unwrap();
    let mut reader = spool.reader(0);
    let mut messages = Vec::new();
    while let Some(found) = reader.read().unwrap() {
        let record = logrecord::model::LogRecord::from_pickle(found.entry.payload).unwrap();
        messages.push(record.message().to_string());
    }
    assert_eq!(reader.lost(), 0);
    messages
}

/// `LOGRECORD_KILLS` says how often; a hundred times takes some minutes.
#[test]
fn what_the_spool_has_arrives_once_however_often_it_is_killed() {
    let kills = std::env::var("LOGRECORD_KILLS").map_or(8, |kills| kills.parse().unwrap());
    let args = ["--tcp", "127.0.0.1:0", "--spool", "DIR/spool", "--format", "%(message)s"];
    let mut folder = tempfile::tempdir().unwrap();
    let mut next = 0;
    // Another number of records each time, from a generator that needs no seed from outside.
    let mut random = 12_345_u32;
    for round in 0..kills {
        let out = folder.path().join("out");
        let aside = folder.path().join("aside");
        // Every third time the output takes nothing.
        let stalled = round % 3 == 1;
        if stalled {
            std::fs::rename(&out, &aside).unwrap();
            std::os::unix::fs::symlink("/dev/full", &out).unwrap();
        }
        let server = Server::start_in(folder, &args);
        let mut client = TcpStream::connect(server.address("tcp")).unwrap();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let count = 200 + (random >> 16) % 3_000;
        for number in next..next + count {
            // The process reads as it likes, and the kill comes at whatever it is doing.
            client.write_all(&frame(&record(&number.to_string()))).unwrap();
        }
        next += count;
        folder = server.stop("KILL").2;
        if stalled {
            std::fs::remove_file(&out).unwrap();
            std::fs::rename(&aside, &out).unwrap();
        }
    }
    let server = Server::start_in(folder, &args);
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    client.write_all(&frame(&record("last"))).unwrap();
    until(|| server.output().last().is_some_and(|line| line == "last").then_some(()));
    let (code, seen, folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    let lines = read_lines(&folder.path().join("out"));
    assert_eq!(lines, kept(&folder.path().join("spool")));
    let numbers: Vec<u32> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "a record came twice or out of order");
}
