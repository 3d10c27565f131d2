//! Flipped bytes, cut, missing, doubled and swapped files: each costs what was damaged, and all of it is counted.
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

use common::FakeDisk;
use logrecord_spool::{Config, Entry, Spool, Start};

const WAIT: Duration = Duration::from_secs(20);

type Files = BTreeMap<String, Vec<u8>>;

fn payload(index: u64, len: u64) -> Vec<u8> {
    let filler = (0..len).map(|byte| (byte.wrapping_mul(index) >> 3) as u8);
    format!("{index}:").bytes().chain(filler).collect()
}

/// A spool that was stopped cleanly.
fn spool(records: u64, len: u64, segment: u64) -> Files {
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), Config::new().segment_bytes(segment)).unwrap();
    for index in 1..=records {
        spool.append(&Entry { payload: &payload(index, len), ..Entry::default() }, WAIT).unwrap();
        // A batch is not divided among segments, so small ones need small batches.
        if index.is_multiple_of(segment / 256) {
            assert!(spool.wait_durable(index, WAIT));
        }
    }
    assert_eq!(spool.close(WAIT), 0);
    disk.files()
}

/// Reads everything, and says how much there was, how much is missing in between and how much was cut at the end.
fn read(files: Files, len: u64) -> (u64, u64, u64) {
    let disk = FakeDisk::with_files(files);
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    let mut reader = spool.reader(0);
    let (mut read, mut before) = (0, reader.done());
    while let Some(record) = reader.read().unwrap() {
        assert!(record.index > before);
        before = record.index;
        assert_eq!(record.entry.payload, payload(before, len), "damage was taken for a record");
        read += 1;
    }
    (read, reader.lost(), spool.recovery().cut_records)
}

fn segments(files: &Files) -> Vec<String> {
    files.keys().filter(|name| name.ends_with(".seg")).cloned().collect()
}

/// A generator that gives the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

#[test]
fn flipped_bytes_cost_as_many_records() {
    const RECORDS: u64 = 20_000;
    let files = spool(RECORDS, 150, 512 * 1024);
    assert!(segments(&files).len() > 5);
    for flips in [1, 10, 100, 1_000] {
        for seed in 0..4 {
            let mut numbers = Numbers(seed);
            let mut damaged = files.clone();
            let names = segments(&files);
            for _ in 0..flips {
                let bytes = damaged.get_mut(&names[numbers.below(names.len())]).unwrap();
                let at = numbers.below(bytes.len());
                bytes[at] ^= 1 << numbers.below(8);
            }
            let (read, lost, cut) = read(damaged, 150);
            assert!(read + flips + 5 >= RECORDS, "{flips} flips cost {}", RECORDS - read);
            assert_eq!(read + lost + cut, RECORDS, "{flips} flips, seed {seed}: {read} + {lost} + {cut}");
        }
    }
}

/// One byte of any file at a time: no record is wrong, all others are there, and what is missing is counted.
#[test]
fn one_flipped_byte_costs_one_record_wherever_it_is() {
    const RECORDS: u64 = 300;
    // In debug, checksums take most of the time.
    let trials = if cfg!(debug_assertions) { 300 } else { 1_000 };
    let mut files = spool(RECORDS, 60, 8 * 1024);
    let disk = FakeDisk::with_files(files);
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    spool.cursor("output", Start::Oldest).unwrap();
    spool.store_checkpoint(RECORDS, &[7; 40]).unwrap();
    assert_eq!(spool.close(WAIT), 0);
    files = disk.files();
    assert!(segments(&files).len() > 3);
    let names: Vec<String> = files.keys().cloned().collect();
    assert_eq!(names.len(), segments(&files).len() + 3);
    let mut numbers = Numbers(17);
    for trial in 0..trials {
        let name = &names[numbers.below(names.len())];
        let mut damaged = files.clone();
        let bytes = damaged.get_mut(name).unwrap();
        let at = numbers.below(bytes.len());
        bytes[at] ^= u8::try_from(1 + numbers.below(255)).unwrap();
        // The checkpoint, or all segments, are whole: so the last index is known, and every record is counted by its own.
        let (whole, lost, _) = read(damaged, 60);
        let place = format!("trial {trial}, byte {at} of {name}: {whole} + {lost}");
        assert_eq!(whole + lost, RECORDS, "{place}");
        let costs = u64::from(name.ends_with(".seg") && at >= 32);
        assert_eq!(whole, RECORDS - costs, "{place}");
    }
}

/// Every other header's length: nothing says where the next record is, and each whole one has a bad neighbour.
#[test]
fn damaged_lengths_side_by_side_cost_their_own_records_alone() {
    let files = spool(1_000, 100, 1 << 20);
    let name = segments(&files).remove(0);
    for step in [1_u64, 2, 3] {
        let mut damaged = files.clone();
        let bytes = damaged.get_mut(&name).unwrap();
        let mut at = 32;
        let mut flips = 0;
        for record in 0..900_u64 {
            let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            if record.is_multiple_of(step) {
                bytes[at + 5] ^= 0x40;
                flips += 1;
            }
            at += 24 + len;
        }
        let (read, lost, cut) = read(damaged, 100);
        assert_eq!((read, lost, cut), (1_000 - flips, flips, 0), "each {step}.");
    }
}

#[test]
fn every_byte_flipped_and_every_cut_of_a_small_spool() {
    const RECORDS: u64 = 12;
    let files = spool(RECORDS, 20, 1 << 20);
    let name = segments(&files).remove(0);
    for at in 0..files[&name].len() {
        let mut flipped = files.clone();
        flipped.get_mut(&name).unwrap()[at] ^= 0x10;
        let (read_flipped, lost, cut) = read(flipped, 20);
        let costs = u64::from(at >= 32);
        assert_eq!((read_flipped, lost + cut), (RECORDS - costs, costs), "byte {at}");

        let mut short = files.clone();
        short.get_mut(&name).unwrap().truncate(at);
        let (read_short, lost, cut) = read(short, 20);
        assert_eq!(lost, 0, "cut at {at}");
        assert!(cut <= 1 && read_short < RECORDS, "cut at {at}");
    }
    for name in ["LOCK", "cursors/none"] {
        let mut gone = files.clone();
        gone.remove(name);
        assert_eq!(read(gone, 20), (RECORDS, 0, 0));
    }
}

#[test]
fn missing_doubled_swapped_and_foreign_segments() {
    let files = spool(400, 100, 4096);
    let names = segments(&files);
    let firsts: Vec<u64> = names.iter().map(|name| name[..20].parse().unwrap()).collect();
    assert!(names.len() > 6);
    let held = |place: usize| firsts[place + 1] - firsts[place];

    let mut gone = files.clone();
    gone.remove(&names[2]);
    assert_eq!(read(gone, 100), (400 - held(2), held(2), 0));

    let mut swapped = files.clone();
    swapped.insert(names[1].clone(), files[&names[3]].clone());
    swapped.insert(names[3].clone(), files[&names[1]].clone());
    assert_eq!(read(swapped, 100), (400 - held(1) - held(3), held(1) + held(3), 0));

    // A copy under a later name holds nothing that the name promises.
    let mut doubled = files.clone();
    doubled.insert("00000000000000005000.seg".to_owned(), files[&names[1]].clone());
    let (whole, ..) = read(doubled, 100);
    assert_eq!(whole, 400);

    for junk in [vec![], vec![0; 10], vec![0; 100_000], b"LRRC".repeat(10_000), vec![0xff; 32]] {
        let mut foreign = files.clone();
        foreign.insert("00000000000000000401.seg".to_owned(), junk.clone());
        foreign.insert("00000000000000000000.seg".to_owned(), junk.clone());
        foreign.insert("checkpoint".to_owned(), junk.clone());
        foreign.insert("LOCK".to_owned(), junk.clone());
        foreign.insert("cursors/x".to_owned(), junk);
        let (whole, lost, _) = read(foreign, 100);
        assert_eq!((whole, lost), (400, 0));
    }
}

/// Payloads that look like records, and damage around them: at worst the record that holds them is lost.
#[test]
fn records_inside_of_records_are_not_taken_for_records() {
    let inner = spool(40, 10, 1 << 20);
    let inner = &inner[&segments(&inner)[0]];
    let disk = FakeDisk::default();
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    for _ in 0..30 {
        spool.append(&Entry { payload: inner, ..Entry::default() }, WAIT).unwrap();
    }
    assert_eq!(spool.close(WAIT), 0);
    drop(spool);
    let spool = Spool::open_on(disk.disk(), Config::new()).unwrap();
    let mut reader = spool.reader(0);
    let mut count = 0;
    while let Some(record) = reader.read().unwrap() {
        assert_eq!(record.entry.payload, inner);
        count += 1;
    }
    assert_eq!((count, reader.lost()), (30, 0));
}

/// Marks everywhere, with lengths that lead far: the search stays linear.
#[test]
fn a_segment_of_marks_is_searched_in_linear_time() {
    let mut files = spool(1, 10, 1 << 20);
    let name = segments(&files).remove(0);
    let bytes = files.get_mut(&name).unwrap();
    let header = bytes[32..56].to_vec();
    // Right headers of the one record, whose bodies are wrong, one behind the other.
    for _ in 0..200_000 {
        bytes.extend_from_slice(&header);
    }
    let begin = std::time::Instant::now();
    let (whole, ..) = read(files, 10);
    assert_eq!(whole, 1);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
