//! `serve` with acknowledgements, killed by strace between any two of its steps: what a sender sent is acknowledged in the
//! end, and stands in the output once.
//!
//! Without strace the test says so and passes. `LOGRECORD_KILL_POINTS` is the number of points for each call, 1 by
//! default; with 100 it is every one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may fail loudly"
)]
#![cfg(target_os = "linux")]

use crate::common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use logrecord::SocketHandler;
use logrecord::frame::envelope::{Key, KeyId};
use logrecord::model::LogRecord;
use logrecord::transport::Backoff;

use common::{PATIENCE, Server, read_lines, until};

const RECORDS: u64 = 8;

/// Calls, one of them in the middle of a run, and the files that they are for; none for sockets. In this order a record goes
/// through the program.
const STEPS: [(&str, u64, &[&str]); 12] = [
    ("openat", 1, &["spool/00000000000000000001.seg"]),
    ("write", 3, &["spool/00000000000000000001.seg"]),
    ("fsync", 1, &["spool/00000000000000000001.seg", "spool"]),
    ("fdatasync", 3, &["spool/00000000000000000001.seg"]),
    ("sendto", 3, &[]),
    ("write", 3, &["out"]),
    ("fdatasync", 1, &["out"]),
    ("write", 1, &["spool/cursors/output", "spool/cursors/output.new"]),
    ("fdatasync", 1, &["spool/cursors/output"]),
    ("/^rename", 1, &["spool/cursors/output", "spool/cursors/output.new"]),
    ("write", 1, &["spool/checkpoint.new"]),
    ("/^rename", 1, &["spool/checkpoint.new"]),
];

fn serve(folder: &Path, port: u16, strace: Option<&[String]>) -> Command {
    let program = env!("CARGO_BIN_EXE_logrecord");
    let mut command = match strace {
        Some(options) => {
            let mut command = Command::new("strace");
            // It is not the parent, so that the child is the program itself.
            command.args(["-D", "-f", "-qq", "-o", "/dev/null"]).args(options).arg(program);
            command
        }
        None => Command::new(program),
    };
    let key = format!("app={}", folder.join("key").display());
    command.args(["serve", "--tcp", &format!("127.0.0.1:{port}"), "--hmac-key", &key, "--spool"]);
    // Calls are counted by thread.
    command
        .arg(folder.join("spool"))
        .arg("--output")
        .arg(folder.join("out"))
        .env("TOKIO_WORKER_THREADS", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn sender(port: u16) -> SocketHandler {
    let key = Key::new(KeyId::new(b"app").unwrap(), &[7; 32]).unwrap();
    let backoff = Backoff::new().retry_start(Duration::from_millis(5)).retry_max(Duration::from_millis(20));
    SocketHandler::builder("127.0.0.1", port).hmac(key, "").backoff(backoff).acks(1024).build().unwrap()
}

/// Sends records to a program that is killed at a point, and to the next one; gives how the first one ended.
fn killed_at(strace: &[String], folder: &Path) -> ExitStatus {
    let mut options = fs::OpenOptions::new();
    let mut key = options.create_new(true).write(true).mode(0o600).open(folder.join("key")).unwrap();
    key.write_all("07".repeat(32).as_bytes()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = serve(folder, port, Some(strace)).stderr(Stdio::null()).spawn().unwrap();
    // What was sealed before the first start, it would refuse. On a busy machine the first checkpoint, and its kill, may
    // come before this has connected.
    until(|| {
        let is_there = TcpStream::connect(("127.0.0.1", port)).is_ok();
        (is_there || child.try_wait().unwrap().is_some()).then_some(())
    });
    let handler = sender(port);
    for number in 0..RECORDS {
        handler.handle(&LogRecord::builder("app", 20, format!("{number}")).now().build()).unwrap();
        // One at a time, so that each has steps of its own.
        until(|| {
            let is_answered = handler.flush(Duration::from_millis(20)).is_ok();
            (is_answered || child.try_wait().unwrap().is_some()).then_some(())
        });
    }
    // The end has steps, too.
    if child.try_wait().unwrap().is_none() {
        common::signal(&child, "TERM");
    }
    let status = common::wait(&mut child);
    let next = Server::launch(tempfile::tempdir().unwrap(), serve(folder, port, None), 1);
    handler.flush(PATIENCE).unwrap();
    let stats = handler.close(PATIENCE).sender;
    // A receiver whose very first start did not get as far as its first checkpoint has not been there.
    let may_refuse = strace.iter().any(|option| option.ends_with("checkpoint.new"));
    assert!(
        stats.acked + stats.refused == RECORDS && (stats.refused == 0 || may_refuse),
        "{strace:?} {stats:?}"
    );
    let out = folder.join("out");
    until(|| (read_lines(&out).len() as u64 >= stats.acked).then_some(()));
    let (code, seen, _) = next.stop("TERM");
    assert_eq!(code, Some(0), "{strace:?}: {seen:#?}");
    let lines = read_lines(&out);
    let distinct: BTreeSet<&String> = lines.iter().collect();
    assert_eq!((lines.len() as u64, distinct.len()), (stats.acked, lines.len()), "{strace:?}: {lines:#?}");
    status
}

#[test]
fn what_is_acknowledged_is_there_once_wherever_it_is_killed() {
    let points = std::env::var("LOGRECORD_KILL_POINTS").map_or(1, |points| points.parse().unwrap());
    match Command::new("strace").args(["-D", "-f", "-qq", "-o", "/dev/null", "true"]).status() {
        Ok(status) if status.success() => {}
        other => {
            println!("SKIPPED: strace cannot trace here ({other:?}); no program was killed");
            return;
        }
    }
    let (mut killed, mut places) = (0, BTreeSet::new());
    for (step, (call, middle, files)) in STEPS.iter().enumerate() {
        for point in 0..points {
            let when = if points == 1 { *middle } else { point + 1 };
            let folder = tempfile::tempdir().unwrap();
            let mut options = ["-e", &format!("trace={call}")].map(str::to_owned).to_vec();
            options.extend(["-e".to_owned(), format!("inject={call}:signal=SIGKILL:when={when}")]);
            for file in *files {
                options.extend(["-P".to_owned(), folder.path().join(file).display().to_string()]);
            }
            if killed_at(&options, folder.path()).signal() != Some(9) {
                // There are no more of them.
                break;
            }
            killed += 1;
            places.insert(step);
        }
    }
    println!("{killed} programs were killed at {places:?}");
    assert!(places.len() >= STEPS.len() - 2, "only at {places:?}");
}
