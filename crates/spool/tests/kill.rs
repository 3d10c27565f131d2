//! A process that is killed at its K-th call: whatever it was told is durable is there afterwards.
//!
//! The calls are counted and the signal is sent by strace; without it the test says so and passes.
//! `LOGRECORD_KILL_POINTS` is the number of points for each call, 2 by default.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may fail loudly"
)]
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use logrecord_spool::{Config, CursorState, Entry, Spool, Start};

const WAIT: Duration = Duration::from_secs(20);
const DIRECTORY: &str = "LOGRECORD_KILL_DIRECTORY";
const RECORDS: u64 = 60;
const CALLS: [&str; 7] = ["write", "fdatasync", "fsync", "openat", "/^rename", "/^unlink", "ftruncate"];

fn payload(index: u64) -> Vec<u8> {
    vec![u8::try_from(index % 251).unwrap(); 500]
}

/// What the killed process does. It prints the last record that it knows to be durable.
#[test]
#[ignore = "it is the process that the other test starts"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let config = Config::new().segment_bytes(4096).retain(8192).max_bytes(1 << 20);
    let spool = Spool::open(Path::new(&directory), config).unwrap();
    let mut cursor = spool.cursor("output", Start::Oldest).unwrap();
    for _ in 0..RECORDS {
        let index = spool.status().last + 1;
        spool.append(&Entry { payload: &payload(index), ..Entry::default() }, WAIT).unwrap();
        assert!(spool.wait_durable(index, WAIT));
        // Standard error is not buffered, and nothing of it is a file of the spool.
        eprintln!("durable {index}");
        if index.is_multiple_of(10) {
            cursor.store(CursorState { done: index - 5, ..CursorState::default() }).unwrap();
            spool.store_checkpoint(index - 5, b"state").unwrap();
        }
    }
    assert_eq!(spool.close(WAIT), 0);
}

fn strace(directory: &Path, options: &[String]) -> Option<(bool, u64)> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]).args(options);
    command.arg(std::env::current_exe().unwrap());
    let output = command
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let durable =
        said.lines().filter_map(|line| line.strip_prefix("durable ")?.parse().ok()).max().unwrap_or(0);
    Some((output.status.success(), durable))
}

#[test]
fn what_was_durable_survives_a_kill_at_every_call() {
    let points =
        std::env::var("LOGRECORD_KILL_POINTS").ok().and_then(|points| points.parse().ok()).unwrap_or(2_u64);
    let probe = tempfile::tempdir().unwrap();
    match strace(probe.path(), &[]) {
        Some((true, RECORDS)) => {}
        other => {
            println!("SKIPPED: strace cannot trace here ({other:?}); no process was killed");
            return;
        }
    }
    let mut killed = 0;
    for call in CALLS {
        for place in 0..points {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            // The calls of a run come from one thread for each of these files, so that the count is exact.
            let mut options = vec!["-e".to_owned(), format!("trace={call}")];
            let when = 1 + place * if matches!(call, "write" | "fdatasync") { 17 } else { 3 };
            options.extend(["-e".to_owned(), format!("inject={call}:signal=SIGKILL:when={when}")]);
            let names = (0..RECORDS + 2).map(|first| format!("{first:020}.seg"));
            let names = names.chain(["", "LOCK", "checkpoint", "checkpoint.new"].map(str::to_owned));
            let names = names.chain(["cursors", "cursors/output", "cursors/output.new"].map(str::to_owned));
            for name in names {
                options.extend(["-P".to_owned(), path.join(name).display().to_string()]);
            }
            let (finished, durable) = strace(path, &options).unwrap();
            killed += u64::from(!finished);
            let spool = Spool::open(path, Config::new()).unwrap();
            let place = format!("killed at {call} {when}, {durable} durable, {:?}", spool.recovery());
            assert!(spool.recovery().last >= durable, "{place}");
            let cursor = spool.cursor("output", Start::Oldest).unwrap();
            let mut reader = spool.reader(cursor.state().done);
            let mut read = cursor.state().done;
            while let Some(record) = reader.read().unwrap() {
                assert_eq!(record.index, read + 1, "{place}");
                assert_eq!(record.entry.payload, payload(record.index), "{place}");
                read = record.index;
            }
            assert!(read >= durable && reader.lost() == 0, "{place}: {read}");
            let index = spool.append(&Entry { payload: b"next", ..Entry::default() }, WAIT).unwrap();
            assert!(index > durable && spool.wait_durable(index, WAIT), "{place}");
        }
    }
    println!("{killed} processes were killed");
    assert!(killed > points * 3, "only {killed} were killed");
}
