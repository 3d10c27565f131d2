//! What is promised while it runs: order, limits, cursors, retention, one owner.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may fail loudly"
)]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{FakeDisk, Op, Plan};
use logrecord_spool::{
    Config, CursorState, Disk, DiskFile, Entry, Full, OsDisk, Spool, Start, SyncRule, inspect, verify,
};

const WAIT: Duration = Duration::from_secs(20);
const NONE: Duration = Duration::ZERO;

fn entry(payload: &[u8]) -> Entry<'_> {
    Entry { payload, ..Entry::default() }
}

fn small() -> Config {
    Config::new().segment_bytes(4096).max_bytes(64 * 1024).retain(0).retry(Duration::from_millis(1))
}

fn put(spool: &Spool, payload: &[u8]) -> u64 {
    let index = spool.append(&entry(payload), WAIT).unwrap();
    assert!(spool.wait_durable(index, WAIT));
    index
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_cursor_that_is_opened_again_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Config::new()).unwrap();
    let mut cursor = spool.cursor("output", Start::Oldest).unwrap();
    put(&spool, b"x");
    let last = put(&spool, b"y");
    cursor.store(CursorState { done: last, ..CursorState::default() }).unwrap();
    drop(cursor);
    let mut again = spool.cursor("output", Start::Oldest).unwrap();
    assert_eq!(again.state().done, last);
    again.store(CursorState { done: last, rejected: 1, ..CursorState::default() }).unwrap();
    drop((again, spool));
    let spool = Spool::open(folder.path(), Config::new()).unwrap();
    assert_eq!(spool.cursor("output", Start::Oldest).unwrap().state().rejected, 1);
}

#[test]
fn room_is_made_before_there_is_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Config::new().max_bytes(64 * 1024)).unwrap();
    let mut appender = spool.appender();
    let first = entry(b"x");
    assert_eq!(appender.reserve(40 * 1024).err(), Some(Full::TooLarge));
    assert!(appender.reserve(first.encoded_len()).is_ok());
    assert_eq!(appender.last(), 0);
    assert_eq!(appender.reserve(first.encoded_len()).unwrap().append(&first), 1);
    assert_eq!(appender.last(), 1);
    drop(appender);
    assert!(spool.wait_durable(1, WAIT));
}

#[test]
fn one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("deep/spool");
    let spool = Spool::open(&directory, Config::new()).unwrap();
    put(&spool, b"x");
    assert_eq!(Spool::open(&directory, Config::new()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(verify(&directory).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(spool.close(WAIT), 0);
    assert_eq!(spool.try_append(&entry(b"y")), Err(Full::Closed));
    // The lock is let go by closing, not by dropping.
    let next = Spool::open(&directory, Config::new()).unwrap();
    assert!(next.recovery().clean);
    assert_eq!(next.recovery().last, 1);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("spool");
    let spool = Spool::open(&directory, Config::new()).unwrap();
    put(&spool, b"x");
    let mode = |name: &str| std::fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("LOCK"), mode("00000000000000000001.seg")), (0o700, 0o600, 0o600));
}

#[test]
fn a_clean_stop_goes_on_in_the_same_segment_and_run_and_an_unclean_one_does_not() {
    let disk = FakeDisk::default();
    let run_of = |spool: &Spool, index: u64| spool.reader(index - 1).read().unwrap().unwrap().run;
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    put(&spool, b"1");
    let first = run_of(&spool, 1);
    drop(spool);
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    put(&spool, b"2");
    assert_eq!(run_of(&spool, 2), first);
    // What a kill leaves is what stands there now.
    let killed = FakeDisk::with_files(disk.files());
    let spool = Spool::open_on(killed.disk(), Config::new()).unwrap();
    assert!(!spool.recovery().clean);
    put(&spool, b"3");
    assert_ne!(run_of(&spool, 3), first);
    let names: Vec<String> = killed.files().into_keys().filter(|name| name.ends_with(".seg")).collect();
    assert_eq!(names, ["00000000000000000001.seg", "00000000000000000003.seg"]);
}

#[test]
fn a_queue_that_is_full_refuses_and_a_failing_disk_loses_nothing() {
    let disk = FakeDisk::default();
    let config = Config::new().queue_bytes(1000).retry(Duration::from_millis(1));
    let spool = Spool::open_on(disk.disk(), config).unwrap();
    let told = Arc::new(AtomicU64::new(0));
    spool.watch({
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    put(&spool, b"before");
    disk.0.lock().unwrap().plan = Plan { first: 0, count: u64::MAX, short: false };
    let mut taken = 1;
    let full = loop {
        match spool.try_append(&entry(&[7; 100])) {
            Ok(_) => taken += 1,
            Err(full) => break full,
        }
    };
    assert_eq!(full, Full::Queue);
    assert!(taken < 12);
    eventually("it says why", || spool.status().failing.is_some());
    assert_eq!(spool.durable(), 1);
    assert_eq!(spool.append(&entry(&[7; 100]), Duration::from_millis(20)), Err(Full::Queue));
    let mut reader = spool.reader(0);
    disk.0.lock().unwrap().plan = Plan::default();
    assert!(spool.wait_durable(taken, WAIT));
    eventually("it is well again", || spool.status().failing.is_none());
    let mut read = 0;
    while reader.read().unwrap().is_some() {
        read += 1;
    }
    assert_eq!((read, reader.lost()), (taken, 0));
    assert!(told.load(Ordering::Relaxed) > 1);
}

#[test]
fn a_disk_that_fails_to_the_end_keeps_nobody_from_closing() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), small()).unwrap();
    put(&spool, b"kept");
    disk.0.lock().unwrap().plan = Plan { first: 0, count: u64::MAX, short: false };
    for _ in 0..3 {
        spool.try_append(&entry(b"given up")).unwrap();
    }
    assert_eq!(spool.close(WAIT), 3);
    disk.0.lock().unwrap().plan = Plan::default();
    let spool = Spool::open_on(disk.disk(), small()).unwrap();
    assert_eq!((spool.recovery().clean, spool.recovery().last), (false, 1));
}

/// Nothing is written twice to a file whose sync has failed.
#[test]
fn a_failed_sync_ends_its_segment() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), small()).unwrap();
    put(&spool, b"good");
    let calls = disk.0.lock().unwrap().calls;
    // The write succeeds, the sync behind it does not.
    disk.0.lock().unwrap().plan = Plan { first: calls + 2, count: 1, short: false };
    let begin = disk.log().len();
    put(&spool, b"bad luck");
    put(&spool, b"well again");
    let log = disk.log().split_off(begin);
    let Some(Op::Write(old, offset, _)) = log.first().cloned() else { panic!("{log:?}") };
    assert!(
        log.iter().any(|op| matches!(op, Op::SetLen(id, len) if *id == old && *len == offset)),
        "{log:?}"
    );
    let again = log.iter().skip(1).any(|op| matches!(op, Op::Write(id, ..) | Op::Sync(id) if *id == old));
    assert!(!again, "{log:?}");
    assert!(disk.files().contains_key("00000000000000000002.seg"));
}

#[test]
fn a_full_spool_refuses_until_its_readers_have_gone_on() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), small()).unwrap();
    let mut cursor = spool.cursor("output", Start::Newest).unwrap();
    let mut taken = 0;
    let full = loop {
        match spool.append(&entry(&[1; 1000]), Duration::from_millis(30)) {
            Ok(index) => {
                taken = index;
                assert!(spool.wait_durable(index, WAIT));
            }
            Err(full) => break full,
        }
    };
    assert_eq!(full, Full::Spool);
    assert!((40..64).contains(&taken), "{taken}");
    assert!(spool.status().disk_bytes <= 64 * 1024);
    assert_eq!(spool.append(&entry(&[1; 60_000]), NONE), Err(Full::TooLarge));
    // Whoever waits is let in by a cursor that moves, even if all of it was in one segment.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| spool.append(&entry(&[1; 1000]), WAIT));
        cursor.store(CursorState { done: taken, ..CursorState::default() }).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(taken + 1));
    });
    assert!(spool.wait_durable(taken + 1, WAIT));
    let mut reader = spool.reader(cursor.state().done);
    assert_eq!(reader.read().unwrap().unwrap().index, taken + 1);
    assert_eq!(reader.lost(), 0);
}

#[test]
fn segments_go_behind_the_cursors_and_the_checkpoint_and_never_before_the_cursor_is_synced() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), small().max_bytes(1 << 20).retain(6000)).unwrap();
    let mut slow = spool.cursor("slow", Start::Newest).unwrap();
    let mut quick = spool.cursor("quick", Start::Newest).unwrap();
    for _ in 0..30 {
        put(&spool, &[1; 900]);
    }
    spool.store_checkpoint(3, b"").unwrap();
    quick.store(CursorState { done: 30, ..CursorState::default() }).unwrap();
    slow.store(CursorState { done: 9, ..CursorState::default() }).unwrap();
    put(&spool, b"x");
    assert_eq!(spool.status().oldest, 1, "the checkpoint needs it");
    spool.store_checkpoint(30, b"").unwrap();
    eventually("what both have passed goes", || spool.status().oldest > 1);
    assert!(spool.status().oldest <= 10);
    assert_eq!(spool.remove_cursor("slow").unwrap(), 22);
    eventually("nothing else holds it", || spool.status().disk_bytes < 12_000);
    let status = spool.status();
    assert!(status.oldest > 10 && status.disk_bytes >= 6000, "what is retained: {status:?}");
    assert_eq!(status.cursors.len(), 1);
    let log = disk.log();
    let removed = log.iter().position(|op| matches!(op, Op::Remove(name) if name.ends_with(".seg"))).unwrap();
    assert!(log[..removed].iter().rev().any(|op| matches!(op, Op::Sync(_))));
}

#[test]
fn where_a_new_cursor_begins() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    put(&spool, b"1");
    // Nobody has seen it yet, so that all that ask at first see it.
    assert_eq!(spool.cursor("a", Start::Newest).unwrap().state().done, 0);
    assert_eq!(spool.cursor("b", Start::Newest).unwrap().state().done, 0);
    // One that comes later has no part in it.
    assert_eq!(spool.cursor("later", Start::Next).unwrap().state().done, 1);
    drop(spool);
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    put(&spool, b"2");
    for (name, start, done) in
        [("a", Start::Newest, 0), ("new", Start::Newest, 2), ("new, from the start", Start::Oldest, 0)]
    {
        assert_eq!(spool.cursor(name, start).unwrap().state().done, done, "{name}");
    }
    assert!(spool.cursor("", Start::Oldest).is_err());
}

#[test]
fn a_cursor_keeps_what_was_in_flight_and_survives_one_damaged_slot() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    let mut cursor = spool.cursor("out/put", Start::Oldest).unwrap();
    let states: Vec<CursorState> = (1..5)
        .map(|done| CursorState {
            done,
            in_flight: Some((done + 1, done + 9)),
            inode: 7,
            offset: done * 100,
            rejected: 1,
        })
        .collect();
    for state in &states {
        cursor.store(*state).unwrap();
    }
    drop((cursor, spool));
    let name = "cursors/out%2fput";
    assert_eq!(disk.files()[name].len(), 1024);
    for (broken, expected) in [(vec![], 3), (vec![0], 2), (vec![512], 3), (vec![0, 512], 0)] {
        let mut files = disk.files();
        for at in &broken {
            files.get_mut(name).unwrap()[*at] ^= 1;
        }
        let spool = Spool::open_on(FakeDisk::with_files(files).disk(), Config::new()).unwrap();
        let newest = broken.len() < 2;
        let state = *spool.cursor("out/put", Start::Oldest).unwrap().state();
        // Which of the slots is the newer one depends on the number of stores.
        let expected = if newest {
            [states[expected], states[3], states[2]].contains(&state)
        } else {
            state == CursorState::default()
        };
        assert!(expected, "{broken:?}: {state:?}");
        assert_eq!(spool.recovery().damaged_cursors.is_empty(), newest);
    }
}

#[test]
fn readers_see_what_the_rule_has_made_durable() {
    let disk = FakeDisk::default();
    let rule = SyncRule::Every(Duration::from_millis(50));
    let spool = Spool::open_on(disk.disk(), Config::new().sync(rule)).unwrap();
    let mut reader = spool.reader(0);
    let begin = Instant::now();
    let mut last = 0;
    for _ in 0..20 {
        last = spool.append(&entry(b"x"), WAIT).unwrap();
    }
    assert!(spool.wait_durable(last, WAIT));
    assert!(begin.elapsed() < WAIT);
    let syncs = disk.log().iter().filter(|op| matches!(op, Op::Sync(_))).count();
    assert!(syncs < 12, "{syncs} syncs for 20 records");
    for index in 1..=last {
        assert_eq!(reader.read().unwrap().unwrap().index, index);
    }
    assert!(reader.read().unwrap().is_none());

    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), Config::new().sync(SyncRule::Never)).unwrap();
    let before = disk.log().iter().filter(|op| matches!(op, Op::Sync(_))).count();
    for _ in 0..5 {
        put(&spool, b"x");
    }
    let after = disk.log().iter().filter(|op| matches!(op, Op::Sync(_))).count();
    assert_eq!(after - before, 1, "the segment's header alone");
}

#[test]
fn what_was_accepted_is_known_again_behind_the_checkpoint() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    for number in 0..10 {
        let signed =
            Entry { key_id: b"web", stream: &[9; 16], number, time: 5, payload: b"}.", ..Entry::default() };
        let unsigned = entry(b"}.");
        spool.append(&unsigned, WAIT).unwrap();
        let index = spool.append(&signed, WAIT).unwrap();
        assert!(spool.wait_durable(index, WAIT));
    }
    spool.store_checkpoint(10, b"what the first five said").unwrap();
    let killed = FakeDisk::with_files(disk.files());
    let spool = Spool::open_on(killed.disk(), Config::new()).unwrap();
    let checkpoint = spool.take_checkpoint().unwrap();
    assert_eq!((checkpoint.index, checkpoint.state.as_slice()), (10, b"what the first five said".as_slice()));
    let mut numbers = Vec::new();
    spool
        .accepted_since(checkpoint.index, |record| {
            assert_eq!((record.entry.key_id, record.entry.time), (b"web".as_slice(), 5));
            numbers.push(record.entry.number);
        })
        .unwrap();
    assert_eq!(numbers, [5, 6, 7, 8, 9]);
}

#[test]
fn many_threads_append_and_many_readers_read() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Config::new().segment_bytes(64 * 1024)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u16 {
            let spool = &spool;
            scope.spawn(move || {
                for number in 0..500_u64 {
                    let entry = Entry {
                        listener: thread,
                        stream: b"s",
                        number,
                        payload: &[0; 50],
                        ..Entry::default()
                    };
                    spool.append(&entry, WAIT).unwrap();
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                let mut reader = spool.reader(0);
                let mut next = [0; 4];
                while reader.done() < 2000 {
                    let before = reader.done();
                    if let Some(record) = reader.read().unwrap() {
                        assert_eq!(record.index, before + 1);
                        let thread = usize::from(record.entry.listener);
                        assert_eq!(
                            record.entry.number, next[thread],
                            "each thread's records are in its order"
                        );
                        next[thread] += 1;
                    } else {
                        spool.wait_durable(before + 1, WAIT);
                    }
                }
                assert_eq!(next, [500; 4]);
            });
        }
    });
    assert_eq!(spool.close(WAIT), 0);
    let report = verify(folder.path()).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.segments.iter().filter_map(|segment| segment.records).sum::<u64>(), 2000);
    assert!(report.to_string().ends_with(" records=2000 damaged=0"), "{report}");
}

#[test]
fn a_report_names_what_is_damaged_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(inspect(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    let spool = Spool::open(folder.path(), Config::new()).unwrap();
    drop(spool.cursor("output", Start::Oldest).unwrap());
    for _ in 0..5 {
        put(&spool, b"payload");
    }
    drop(spool);
    let segment = folder.path().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    assert!(inspect(folder.path()).unwrap().is_sound(), "it does not read the records");
    let report = verify(folder.path()).unwrap();
    assert!(!report.is_sound());
    assert_eq!((report.segments[0].records, report.segments[0].damaged), (Some(4), Some(1)));
    assert!(report.to_string().contains("cursor \"output\" done=0"), "{report}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}

/// A disk that counts what is read from it.
#[derive(Debug)]
struct Counting {
    disk: OsDisk,
    read: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    file: Box<dyn DiskFile>,
    read: Arc<AtomicU64>,
}

impl Counting {
    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CountingFile { file, read: Arc::clone(&self.read) })
    }
}

impl Disk for Counting {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.disk.create_dir(name)
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        self.disk.list(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.open(name)?))
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.lock(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.disk.sync_dir(name)
    }
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, bytes)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// What a start reads depends on the newest segments, not on what lies before them; and so does what is accepted.
#[cfg(unix)]
#[test]
fn a_large_backlog_is_not_read_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Config::new()).unwrap();
    put(&spool, b"x");
    drop(spool);
    // 320 sparse segments of 64 MiB: 20 GiB by their lengths.
    for place in 0..320_u64 {
        let name = format!("{:020}.seg", 10 + place * 1000);
        std::fs::File::create(folder.path().join(name)).unwrap().set_len(64 << 20).unwrap();
    }
    let newest = folder.path().join(format!("{:020}.seg", 1_000_000));
    std::fs::rename(folder.path().join("00000000000000000001.seg"), newest).unwrap();
    std::fs::write(folder.path().join("00000000000000999999.seg"), b"").unwrap();
    let disk = Counting { disk: OsDisk::new(folder.path()), read: Arc::default() };
    let read = Arc::clone(&disk.read);
    let spool = Spool::open_on(Arc::new(disk), Config::new().max_bytes(1 << 40)).unwrap();
    assert!(spool.status().last >= 999_998);
    let at_start = read.load(Ordering::Relaxed);
    assert!(at_start < 130 << 20, "{at_start} bytes");
    let recent = spool.recent(100 << 20);
    assert!(recent >= 9 + 318 * 1000, "{recent}");
    spool.accepted_since(recent, |_| {}).unwrap();
    let accepted = read.load(Ordering::Relaxed) - at_start;
    assert!(accepted < 101 << 20, "{accepted} bytes");
    put(&spool, b"y");
}

#[test]
fn the_newest_segments_begin_where_they_are_told_to() {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), small()).unwrap();
    assert_eq!(spool.recent(0), 0);
    for _ in 0..9 {
        put(&spool, &[0; 2_000]);
    }
    // A segment holds two of them, and the newest one.
    let cases = [(0, 8), (2_100, 8), (6_500, 6), (10_600, 4), (u64::MAX, 0)];
    for (bytes, recent) in cases {
        assert_eq!(spool.recent(bytes), recent, "{bytes}");
    }
}
