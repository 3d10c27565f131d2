//! What a crash can leave, at every step of a run: each state is recovered, and nothing that was acknowledged is
//! missing, twice or out of order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may fail loudly"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Crash, FakeDisk, Op, Plan};
use logrecord_spool::{Config, CursorState, Entry, Spool, Start};

const WAIT: Duration = Duration::from_secs(20);

fn config() -> Config {
    Config::new().segment_bytes(4096).max_bytes(1 << 20).retain(4096).retry(Duration::from_micros(50))
}

/// The payload of a record follows from its index.
fn payload(index: u64) -> Vec<u8> {
    let len = usize::try_from(index * 37 % 400).unwrap();
    format!("{index}:").bytes().chain((0..len).map(|byte| (byte ^ len) as u8)).collect()
}

/// Appends a batch that is written with one write, and waits for it.
fn append(spool: &Spool, disk: &FakeDisk, records: u64) {
    let first = spool.status().last + 1;
    {
        let mut appender = spool.appender();
        for index in first..first + records {
            let taken = appender.append(&Entry { payload: &payload(index), ..Entry::default() });
            assert_eq!(taken, Ok(index));
        }
    }
    assert!(spool.wait_durable(first + records - 1, WAIT));
    disk.note(Op::Acked(first, first + records - 1));
}

/// A run with several segments, cursors, a purge, a clean stop, and the failures that are planned.
fn run(plan: Plan) -> FakeDisk {
    let disk = FakeDisk::default();
    let mut done = 0;
    for part in 0..3_u64 {
        let spool = Spool::open_on(disk.disk(), config()).unwrap();
        let mut cursor = spool.cursor("output", Start::Newest).unwrap();
        if part == 1 {
            let calls = disk.0.lock().unwrap().calls;
            disk.0.lock().unwrap().plan = Plan { first: calls + plan.first, ..plan };
        }
        for batch in 0..10 {
            append(&spool, &disk, 1 + (batch + part) % 5);
            if batch % 3 == 2 {
                let state =
                    CursorState { done: done + 4, in_flight: Some((done + 5, done + 6)), ..*cursor.state() };
                if cursor.store(state).is_ok() {
                    done += 4;
                    disk.note(Op::Cursor(done));
                }
                spool.store_checkpoint(done, b"state").ok();
            }
        }
        assert_eq!(spool.close(WAIT), 0);
    }
    disk
}

/// Recovers one state and looks at all of it.
fn check(files: BTreeMap<String, Vec<u8>>, crash: &Crash, place: &str) {
    let disk = FakeDisk::with_files(files);
    let spool = Spool::open_on(disk.disk(), config()).unwrap();
    // What the cursor has passed may go at any time.
    let cursor = spool.status().cursors.get("output").copied().unwrap_or(0);
    assert!(cursor >= crash.cursor, "{place}: the cursor went back to {cursor} from {}", crash.cursor);
    let mut reader = spool.reader(cursor);
    let (mut read, mut found) = (cursor, Vec::new());
    while let Some(record) = reader.read().unwrap() {
        assert!(record.index > read, "{place}: twice or out of order");
        read = record.index;
        found.push(read);
        assert_eq!(record.entry.payload, payload(read), "{place}");
    }
    for index in crash.acked.iter().filter(|index| **index > cursor) {
        assert!(
            found.binary_search(index).is_ok(),
            "{place}: {index} was acknowledged, {:?}",
            spool.recovery()
        );
    }
    // It goes on, with an index of its own.
    let last = spool.recovery().last.max(crash.acked.last().copied().unwrap_or(0));
    let index = spool.append(&Entry { payload: b"next", ..Entry::default() }, WAIT).unwrap();
    assert!(index > last && spool.wait_durable(index, WAIT), "{place}");
    assert_eq!(reader.read().unwrap().unwrap().index, index, "{place}");
}

/// Recovers the states of a log, and says how many.
fn check_all(log: &[Op], bits: usize) -> u64 {
    let mut crash = Crash::default();
    let mut states = 0;
    for (step, op) in log.iter().enumerate() {
        crash.step(op);
        let bits = crash.loose_blocks().min(bits);
        for names in 0..=crash.loose_names() {
            for subset in 0..1_u32 << bits {
                for torn in [false, true] {
                    if torn && subset == 0 {
                        continue;
                    }
                    let place =
                        format!("step {step} ({op:?}), blocks {subset:b}, torn {torn}, names {names}");
                    check(crash.files(subset, bits, torn, names), &crash, &place);
                    states += 1;
                }
            }
        }
    }
    states
}

#[test]
fn every_crash_state_keeps_what_was_acknowledged() {
    // LOGRECORD_CRASH_BITS=8 takes every subset of the last eight blocks.
    let bits = std::env::var("LOGRECORD_CRASH_BITS").ok().and_then(|bits| bits.parse().ok()).unwrap_or(4);
    let mut states = check_all(&run(Plan::default()).log(), bits);
    // A write that fails in the middle, and a sync that fails: what was begun goes into another segment.
    for first in [1, 2, 7] {
        let disk = run(Plan { first, count: 1, short: true });
        states += check_all(&disk.log(), bits.min(3));
    }
    println!("{states} states");
    assert!(states > 10_000, "only {states} states");
}

/// Whatever call fails, once, for a while or with half of the bytes written: what was acknowledged is there.
#[test]
fn every_call_may_fail() {
    for (count, short) in [(1, false), (1, true), (3, true), (40, false)] {
        for first in 1.. {
            let disk = run(Plan { first, count, short });
            let (calls, plan) = {
                let state = disk.0.lock().unwrap();
                (state.calls, state.plan)
            };
            let mut crash = Crash::default();
            disk.log().iter().for_each(|op| crash.step(op));
            disk.0.lock().unwrap().plan = Plan::default();
            check(disk.files(), &crash, &format!("call {first} and {count} in all, short: {short}"));
            if plan.first + plan.count > calls {
                break;
            }
        }
    }
}

/// A start on a disk that fails begins all the same, or says that it cannot be listed.
#[test]
fn a_start_may_fail_at_every_call_and_the_next_one_finds_everything() {
    let before = run(Plan::default());
    let mut crash = Crash::default();
    before.log().iter().for_each(|op| crash.step(op));
    for first in 1..20 {
        let disk = FakeDisk::with_files(before.files());
        disk.0.lock().unwrap().plan = Plan { first, count: 2, short: false };
        drop(Spool::open_on(disk.disk(), config()));
        check(disk.files(), &crash, &format!("a start whose call {first} fails"));
    }
}
