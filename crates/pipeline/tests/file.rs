//! The file output and standard output's way of writing, with a driver around them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]
#![cfg(unix)]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Pipeline, WAIT, eventually, json, later, memory, numbers_in, payload, soon, spooled};
use logrecord::model::Level;
use logrecord_pipeline::outputs::{FileOutput, Rotation};
use logrecord_pipeline::{Batch, Delivery, Driver, End, Output, Routes, Settings, WhenBehind};

fn file(pipeline: &Pipeline, path: &std::path::Path, rotation: Rotation) -> Driver {
    let output = FileOutput::open(path, rotation).unwrap();
    Driver::start(&pipeline.shared, Settings::new("output"), json(), output).unwrap()
}

/// The reading and the writing end of a pipe.
fn pipe() -> (fs::File, fs::File) {
    let (reader, writer) = std::io::pipe().unwrap();
    (fs::File::from(std::os::fd::OwnedFd::from(reader)), fs::File::from(std::os::fd::OwnedFd::from(writer)))
}

#[tokio::test]
async fn an_output_that_has_nothing_to_do_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = memory(1 << 20);
    let driver = file(&pipeline, &folder.path().join("out"), Rotation::default());
    // It hears of it before it has looked for records.
    tokio::time::timeout(WAIT, driver.stop()).await.unwrap();
}

/// One that takes another's place finds each record in the books or behind the cursor, and never in both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replacing_an_output_while_records_come_counts_each_once() {
    const PARTS: u64 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let pipeline = memory(64 << 20);
    let mut driver = file(&pipeline, &path, Rotation::default());
    let intake = (pipeline.intake.clone(), Arc::clone(pipeline.shared.ledger()));
    let coming = tokio::spawn(async move {
        let payload = payload("app", 20, "one");
        let entries = [logrecord_spool::Entry { payload: &payload, ..Default::default() }; 5];
        for _ in 0..PARTS {
            let mut receipt = intake.1.receive(5);
            intake.0.log(&mut receipt, &mut &entries[..]).await;
        }
    });
    while !coming.is_finished() {
        driver.stop().await;
        driver = file(&pipeline, &path, Rotation::default());
    }
    coming.await.unwrap();
    driver.close(later()).await;
    let all = 5 * PARTS;
    assert_eq!(pipeline.lines(), [format!("received={all} written={all}")]);
}

/// What was found out about the records of a batch counts once, though another output has to look at them again.
#[tokio::test]
async fn what_a_batch_that_is_left_has_filtered_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = memory(1 << 20);
    pipeline.shared.set_routes(Routes::all(["output"], Some(Level::WARNING)));
    let driver = file(&pipeline, std::path::Path::new("/dev/full"), Rotation::default());
    let mut all = Vec::new();
    for level in [10, 30, 10, 40, 10, 10] {
        all.push(payload("app", level, "number 1"));
        all.push(b"]q\0.".to_vec());
    }
    pipeline.put(&all).await;
    eventually("it fails", || pipeline.said.count("cannot write output") > 0).await;
    driver.stop().await;
    pipeline.check();
    let driver = file(&pipeline, &folder.path().join("out"), Rotation::default());
    driver.flush().await;
    assert_eq!(pipeline.lines(), ["received=12 written=2 filtered=4 rejected{payload}=6"]);
    driver.close(later()).await;
    pipeline.check();
    assert_eq!(pipeline.said.count("rejected "), 6, "each is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_a_line_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let pipeline = memory(64 << 20);
    let driver = file(&pipeline, &path, Rotation::default());
    for part in 0..20 {
        pipeline.numbers(part * 500, 500).await;
        pipeline.check();
    }
    pipeline.put(&[b"cos\nsystem\n.".to_vec(), b"]q\0.".to_vec()]).await;
    driver.flush().await;
    assert!(numbers_in(&fs::read_to_string(&path).unwrap()).into_iter().eq(0..10_000));
    driver.close(later()).await;
    pipeline.check();
    assert_eq!(pipeline.lines(), ["received=10002 written=10000 rejected{global}=1 rejected{payload}=1"]);
    assert_eq!(pipeline.said.count("rejected 10001 "), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_line_of_an_earlier_run_is_ended_and_never_glued_to() {
    let folder = tempfile::tempdir().unwrap();
    for (before, lines) in [("{\"torn\":", 2), ("whole\n", 2), ("", 1), ("\n", 2)] {
        let path = folder.path().join("out");
        fs::write(&path, before).unwrap();
        let pipeline = memory(1 << 20);
        let driver = file(&pipeline, &path, Rotation::default());
        pipeline.numbers(7, 1).await;
        driver.close(later()).await;
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), lines, "{text:?}");
        assert!(text.starts_with(before));
        let own = text.lines().last().unwrap();
        assert_eq!(numbers_in(&format!("{own}\n")), [7]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_moved_away_is_written_to_until_it_is_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("out"), folder.path().join("out.old"));
    let pipeline = memory(1 << 20);
    let driver = file(&pipeline, &path, Rotation::default());
    pipeline.numbers(0, 10).await;
    driver.flush().await;
    fs::rename(&path, &old).unwrap();
    pipeline.numbers(10, 10).await;
    driver.flush().await;
    driver.reopen();
    pipeline.numbers(20, 10).await;
    driver.close(later()).await;
    let (old, new) = (fs::read_to_string(&old).unwrap(), fs::read_to_string(&path).unwrap());
    assert_eq!([numbers_in(&old), numbers_in(&new)].concat(), (0..30).collect::<Vec<_>>());
    assert!(numbers_in(&old).len() >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopen_that_fails_is_said_once_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let pipeline = memory(1 << 20);
    let driver = file(&pipeline, &path, Rotation::default());
    pipeline.numbers(0, 5).await;
    driver.flush().await;
    fs::rename(&path, folder.path().join("old")).unwrap();
    fs::create_dir(&path).unwrap();
    driver.reopen();
    eventually("it is said", || pipeline.said.count("cannot reopen output: ") == 1).await;
    pipeline.numbers(5, 5).await;
    eventually("it is tried again", || pipeline.said.count("cannot write output: ") > 0).await;
    fs::remove_dir(&path).unwrap();
    driver.reopen();
    driver.close(later()).await;
    assert_eq!(pipeline.said.count("reopen"), 1, "{:?}", pipeline.said.lines());
    assert_eq!(numbers_in(&fs::read_to_string(&path).unwrap()), (5..10).collect::<Vec<_>>());
    pipeline.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_by_size_keeps_as_many_and_compresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.jsonl");
    let pipeline = memory(4 << 20);
    let rotation = Rotation { size: Some(20_000), keep: Some(100), gzip: true, ..Rotation::default() };
    let mut settings = Settings::new("output");
    settings.records = 20;
    let output = FileOutput::open(&path, rotation).unwrap();
    let driver = Driver::start(&pipeline.shared, settings, json(), output).unwrap();
    pipeline.numbers(0, 1_000).await;
    driver.close(later()).await;
    let rotated = || -> Vec<_> {
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|name| *name != path);
        names.sort();
        names
    };
    eventually("all are compressed", || {
        rotated().iter().all(|name| name.extension().is_some_and(|e| e == "gz"))
    })
    .await;
    let mut numbers = Vec::new();
    for name in rotated() {
        let mut text = String::new();
        flate2::read::GzDecoder::new(fs::File::open(name).unwrap()).read_to_string(&mut text).unwrap();
        assert!(text.len() <= 20_000);
        numbers.extend(numbers_in(&text));
    }
    assert!(rotated().len() > 5);
    numbers.extend(numbers_in(&fs::read_to_string(&path).unwrap()));
    assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());

    let pipeline = memory(4 << 20);
    let rotation = Rotation { size: Some(1), keep: Some(3), ..Rotation::default() };
    let driver = file(&pipeline, &path, rotation);
    for number in 0..6 {
        pipeline.numbers(number, 1).await;
        driver.flush().await;
    }
    driver.close(later()).await;
    eventually("three are kept", || rotated().len() == 3).await;
}

/// A disk that is full: whole lines, exact counts, and a way out by reopening, which lets go of the deleted file.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_tears_nothing_and_a_reopen_frees_it() {
    let folder = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no tmpfs can be mounted here; nothing was tried on a full disk");
        return;
    }
    let path = folder.path().join("out");
    let pipeline = memory(8 << 20);
    let driver = file(&pipeline, &path, Rotation::default());
    pipeline.numbers(0, 1_000).await;
    eventually("the disk is full", || pipeline.said.count("cannot write output: ") > 0).await;
    let before = numbers_in(&fs::read_to_string(&path).unwrap());
    assert_eq!(before, (0..before.len() as u64).collect::<Vec<_>>());
    assert_eq!(pipeline.shared.ledger().outputs()[0].1.written, before.len() as u64);
    fs::rename(&path, folder.path().join("old")).unwrap();
    fs::remove_file(folder.path().join("old")).unwrap();
    let begin = Instant::now();
    driver.reopen();
    eventually("it goes on", || path.metadata().is_ok_and(|metadata| metadata.len() > 0)).await;
    assert!(begin.elapsed() < Duration::from_secs(5));
    let mut last = before.len() as u64;
    while last < 1_000 {
        eventually("it is full again, or done", || {
            let written = pipeline.shared.ledger().outputs()[0].1.written;
            written == 1_000 || written > last && pipeline.said.count("cannot write") > 1
        })
        .await;
        last = pipeline.shared.ledger().outputs()[0].1.written;
        fs::remove_file(&path).ok();
        driver.reopen();
    }
    driver.close(soon()).await;
    pipeline.check();
    let unmounted = std::process::Command::new("umount").arg("-l").arg(folder.path()).status();
    assert!(unmounted.unwrap().success());
}

/// A pipe that nobody reads: a reopen and the end do not wait for it, and what a reader finds later is exactly what
/// was counted, in whole lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_pipe_holds_up_nothing_and_what_it_has_is_counted() {
    let (mut reader, writer) = pipe();
    let pipeline = memory(8 << 20);
    let output = FileOutput::from_file(writer).unwrap();
    let driver = Driver::start(&pipeline.shared, Settings::new("output"), json(), output).unwrap();
    pipeline.numbers(0, 3_000).await;
    eventually("the pipe is full", || rustix_free(&reader) > 60_000).await;
    for _ in 0..10 {
        driver.reopen();
    }
    let begin = Instant::now();
    driver.close(soon()).await;
    assert!(begin.elapsed() < Duration::from_secs(5));
    let text = std::io::read_to_string(&mut reader).unwrap();
    let numbers = numbers_in(&text);
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let left = 3_000 - numbers.len();
    assert!(numbers.len() > 100);
    assert_eq!(
        pipeline.lines(),
        [format!("received=3000 written={} dropped{{shutdown}}={left}", numbers.len())]
    );
}

/// How many bytes wait in a pipe.
fn rustix_free(reader: &fs::File) -> u64 {
    rustix::io::ioctl_fionread(reader).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_without_a_reader_ends_the_output_and_everything_is_counted() {
    let (reader, writer) = pipe();
    let pipeline = memory(1 << 20);
    let driver = Driver::start(
        &pipeline.shared,
        Settings::new("output"),
        json(),
        FileOutput::from_file(writer).unwrap(),
    )
    .unwrap();
    pipeline.numbers(0, 1).await;
    driver.flush().await;
    drop(reader);
    pipeline.numbers(1, 4).await;
    let why = tokio::time::timeout(WAIT, driver.closed()).await.expect("it says so");
    assert_eq!(why, End::Closed);
    driver.close(later()).await;
    let line = pipeline.lines().remove(0);
    assert!(line.starts_with("received=5 written=1 dropped{closed}="), "{line}");
    pipeline.check();
    assert_eq!(pipeline.shared.ledger().outputs()[0].1.buffered(), 0);
}

/// Memory stays bounded and the newest is given up, counted, when the only output stalls.
/// An output whose thread has died.
struct Dead;

impl Output for Dead {
    async fn deliver(&mut self, _: &Arc<Batch>, _: usize) -> Delivery {
        Delivery::Failed("the output's thread is gone".to_owned())
    }

    async fn abandon(&mut self, _: &Arc<Batch>, from: usize) -> usize {
        from
    }
}

#[tokio::test]
async fn an_output_that_fails_for_good_says_so_and_a_spool_keeps_what_it_has_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (pipeline, line) in [
        (memory(1 << 20), "received=1 written=0 dropped{failed}=1"),
        (spooled(&folder.path().join("spool")), "received=1 written=0 buffered=1"),
    ] {
        let driver = Driver::start(&pipeline.shared, Settings::new("output"), json(), Dead).unwrap();
        pipeline.numbers(0, 1).await;
        assert_eq!(tokio::time::timeout(WAIT, driver.closed()).await.expect("it says so"), End::Failed);
        driver.close(later()).await;
        assert_eq!(pipeline.said.count("cannot write output: the output's thread is gone; giving up"), 1);
        assert_eq!(pipeline.lines().remove(0), line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_full_drops_the_newest_and_nothing_twice() {
    let (reader, writer) = pipe();
    let pipeline = memory(256 << 10);
    let driver = Driver::start(
        &pipeline.shared,
        Settings::new("output"),
        json(),
        FileOutput::from_file(writer).unwrap(),
    )
    .unwrap();
    for part in 0..20 {
        pipeline.numbers(part * 200, 200).await;
        pipeline.check();
    }
    assert!(pipeline.shared.log().bytes() <= 256 << 10);
    let drained = std::thread::spawn(move || std::io::read_to_string(reader).unwrap());
    driver.flush().await;
    driver.close(later()).await;
    let numbers = numbers_in(&drained.join().unwrap());
    assert!(numbers.is_sorted());
    let dropped = 4_000 - numbers.len();
    assert_eq!(
        pipeline.lines(),
        [format!("received=4000 written={} dropped{{overflow}}={dropped}", numbers.len())]
    );
}

/// One output that takes nothing does not stop the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_behind_gives_up_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let (_reader, writer) = pipe();
    let pipeline = memory(2 << 20);
    let quick = Driver::start(
        &pipeline.shared,
        Settings::new("a"),
        json(),
        FileOutput::open(&path, Rotation::default()).unwrap(),
    )
    .unwrap();
    let mut settings = Settings::new("b");
    settings.when_behind = WhenBehind::DropOldest { max_lag: 512 << 10 };
    let stalled =
        Driver::start(&pipeline.shared, settings, json(), FileOutput::from_file(writer).unwrap()).unwrap();
    for part in 0..200 {
        pipeline.numbers(part * 100, 100).await;
        quick.flush().await;
        if part % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    stalled.close(soon()).await;
    quick.close(later()).await;
    let numbers = numbers_in(&fs::read_to_string(&path).unwrap());
    assert!(numbers.into_iter().eq(0..20_000), "{:?}", pipeline.lines());
    pipeline.check();
    let lines = pipeline.lines();
    assert!(lines[0] == "received=20000 logged=20000", "{lines:?}");
    assert!(lines[2].contains("dropped{lag}=") && lines[2].ends_with("buffered=0"), "{lines:?}");
}

/// What stands in the file behind the cursor is not written again, and a torn end is cut.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_spool_a_restart_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (spool, path) = (folder.path().join("spool"), folder.path().join("out"));
    let pipeline = spooled(&spool);
    let driver = file(&pipeline, &path, Rotation::default());
    pipeline.numbers(0, 100).await;
    driver.flush().await;
    driver.close(later()).await;
    pipeline.numbers(100, 100).await;
    assert_eq!(pipeline.shared.log().close(WAIT), 0);
    drop(pipeline);
    let cursor = folder.path().join("spool/cursors/output");
    let before = fs::read(&cursor).unwrap();
    let whole = {
        let pipeline = spooled(&spool);
        let driver = file(&pipeline, &path, Rotation::default());
        driver.flush().await;
        driver.close(later()).await;
        assert_eq!(pipeline.lines(), ["received=0 resumed=100 written=100"]);
        fs::read(&path).unwrap()
    };
    assert_eq!(numbers_in(str::from_utf8(&whole).unwrap()), (0..200).collect::<Vec<_>>());
    let line = whole.len() / 200;
    // A kill leaves the cursor where it was, and any beginning of what came behind it.
    for cut in [0, 1, line / 2, line * 50, line * 50 + 3, line * 99 + line / 2] {
        fs::write(&cursor, &before).unwrap();
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let pipeline = spooled(&spool);
        let driver = file(&pipeline, &path, Rotation::default());
        driver.flush().await;
        driver.close(later()).await;
        assert_eq!(fs::read(&path).unwrap(), whole, "cut by {cut}");
        assert_eq!(pipeline.lines(), ["received=0 resumed=100 written=100"], "cut by {cut}");
    }
    // Lines of somebody else stay.
    fs::write(&cursor, &before).unwrap();
    let mut other = whole[..whole.len() - line * 40].to_vec();
    other.extend_from_slice(b"{\"message\":\"number 7\"}\n");
    fs::write(&path, &other).unwrap();
    let pipeline = spooled(&spool);
    let driver = file(&pipeline, &path, Rotation::default());
    driver.flush().await;
    driver.close(later()).await;
    assert!(fs::read(&path).unwrap().starts_with(&other));
}

/// A kill before the cursor was stored a second time, behind a line that somebody else had torn.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_line_does_not_hide_what_was_written_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let (spool, path) = (folder.path().join("spool"), folder.path().join("out"));
    fs::write(&path, "{\"torn\":").unwrap();
    let pipeline = spooled(&spool);
    let driver = file(&pipeline, &path, Rotation::default());
    driver.flush().await;
    let cursor = spool.join("cursors/output");
    let before = fs::read(&cursor).unwrap();
    pipeline.numbers(0, 50).await;
    driver.close(later()).await;
    assert_eq!(pipeline.shared.log().close(WAIT), 0);
    drop(pipeline);
    let whole = fs::read_to_string(&path).unwrap();
    assert_eq!(numbers_in(whole.strip_prefix("{\"torn\":\n").unwrap()), (0..50).collect::<Vec<_>>());
    fs::write(&cursor, &before).unwrap();
    let pipeline = spooled(&spool);
    let driver = file(&pipeline, &path, Rotation::default());
    driver.close(later()).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    assert_eq!(pipeline.lines(), ["received=0 resumed=50 written=50"]);
}

/// With a spool, what an output could not take in time stays for the next start.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_spool_the_rest_stays_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, writer) = pipe();
    let pipeline = spooled(folder.path());
    let driver = Driver::start(
        &pipeline.shared,
        Settings::new("output"),
        json(),
        FileOutput::from_file(writer).unwrap(),
    )
    .unwrap();
    pipeline.numbers(0, 3_000).await;
    eventually("the pipe is full", || rustix_free(&reader) > 60_000).await;
    driver.close(soon()).await;
    let text = std::io::read_to_string(&mut reader).unwrap();
    let first = numbers_in(&text);
    let buffered = 3_000 - first.len();
    assert_eq!(pipeline.lines(), [format!("received=3000 written={} buffered={buffered}", first.len())]);
    assert_eq!(pipeline.shared.log().close(WAIT), 0);
    drop(pipeline);

    let path = folder.path().join("out");
    let pipeline = spooled(folder.path());
    let driver = file(&pipeline, &path, Rotation::default());
    driver.flush().await;
    driver.close(later()).await;
    let second = numbers_in(&fs::read_to_string(&path).unwrap());
    assert_eq!([first, second].concat(), (0..3_000).collect::<Vec<_>>());
    assert_eq!(pipeline.lines(), [format!("received=0 resumed={buffered} written={buffered}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_of_another_writer_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let pipeline = memory(1 << 20);
    let driver = file(&pipeline, &path, Rotation::default());
    pipeline.numbers(0, 3).await;
    driver.flush().await;
    let mut other = fs::OpenOptions::new().append(true).open(&path).unwrap();
    other.write_all(b"from somebody else\n").unwrap();
    pipeline.put(&[payload("app", 20, "number 3")]).await;
    driver.close(later()).await;
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 5);
    assert_eq!(text.lines().filter(|line| line.contains("number")).count(), 4);
}
