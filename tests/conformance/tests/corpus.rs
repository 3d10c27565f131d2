//! The corpora of the fuzz targets, replayed on a stable compiler.
//!
//! The bodies of the targets are plain functions; here they meet every seed, every golden pickle and stream, and
//! mutations of them; records are mutated in the millions by `cargo xtask records`. An input that a fuzzer found belongs into `fuzz/corpus/<target>/`, and is a test from then on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper of a test fails the test"
)]

#[allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "the functions are public in the crate that they come from, and fail loudly"
)]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use logrecord_frame::FrameDecoder;
use logrecord_model::{LogRecord, RecordDecoder};
use pickle_codec::{DecodeOptions, Globals, Py2Str, instructions};
use testkit::generate::{Random, mutate};
use testkit::process;

/// One target.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 13] = [
    ("ack", targets::ack),
    ("decode", targets::decode),
    ("differential", targets::differential),
    ("envelope", targets::envelope),
    ("frame", targets::frame),
    ("instructions", targets::instructions),
    ("push", targets::push),
    ("record", targets::record),
    ("replay", targets::replay),
    ("roundtrip", targets::roundtrip),
    ("serde", targets::serde),
    ("spool", targets::spool),
    ("values", targets::values),
];

/// The files of a folder below the root; none where there is no such folder.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<_> = std::fs::read_dir(process::root().join(folder))
        .into_iter()
        .flatten()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "json" && ending != "jsonl"))
        .collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn every_target_is_replayed() {
    let fuzz = process::root().join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let mut all: Vec<String> = std::fs::read_dir(fuzz.join("fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    all.sort();
    assert_eq!(all, TARGETS.map(|(name, _)| name));
    for target in all {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
    }
}

#[test]
fn seeds() {
    for (name, target) in TARGETS {
        let seeds = files(&format!("fuzz/corpus/{name}"));
        assert!(name == "replay" || seeds.len() >= 20, "{name} has {} seeds", seeds.len());
        for (path, seed) in seeds {
            println!("{path}");
            target(&seed);
        }
    }
}

#[test]
fn golden_data() {
    for (path, pickle) in files("testdata/pickles") {
        // A target runs each of them under every policy; long ones add time and no opcode.
        if pickle.len() > 1024 {
            continue;
        }
        println!("{path}");
        for target in [targets::decode, targets::instructions, targets::push, targets::roundtrip] {
            target(&pickle);
        }
    }
    for (path, stream) in files("testdata/frames") {
        println!("{path}");
        targets::frame(&stream);
    }
}

#[test]
fn mutated_seeds() {
    for (name, target) in TARGETS {
        let seeds = files(&format!("fuzz/corpus/{name}"));
        let mut random = Random::new(11);
        for round in 0..if cfg!(debug_assertions) { 400 } else { 4000 } {
            let seed = |random: &mut Random| {
                seeds.get(random.below(seeds.len())).map(|(_, seed)| seed.clone()).unwrap_or_default()
            };
            let (first, second) = (seed(&mut random), seed(&mut random));
            let input = mutate(&mut random, &first, &second);
            // Shown where the target panics.
            println!("{name}, round {round}: {input:02x?}");
            target(&input);
        }
    }
}

/// A record, and where its instructions begin and end.
struct Seed {
    bytes: Vec<u8>,
    cuts: Vec<usize>,
}

/// Records of every CPython, and those of the corpus.
fn record_seeds() -> Vec<Seed> {
    let mut payloads: Vec<Vec<u8>> = files("fuzz/corpus/record").into_iter().map(|(_, seed)| seed).collect();
    for (_, stream) in files("testdata/frames") {
        let mut decoder = FrameDecoder::new();
        decoder.feed_slice(&stream);
        while let Ok(Some(frame)) = decoder.next_frame() {
            payloads.push(frame.to_vec());
        }
    }
    let seed = |bytes: Vec<u8>| {
        let mut cuts: Vec<usize> = instructions(&bytes).map_while(|one| Some(one.ok()?.offset)).collect();
        cuts.push(bytes.len());
        Seed { bytes, cuts }
    };
    payloads.into_iter().filter(|payload| payload.len() < 4096).map(seed).collect()
}

/// A record that is changed by a bit, a byte, an opcode, an instruction or a key, once or several times.
fn mutated(random: &mut Random, seed: &Seed, other: &Seed) -> Vec<u8> {
    const KEYS: [&str; 14] = [
        "name",
        "msg",
        "args",
        "levelno",
        "levelname",
        "lineno",
        "created",
        "msecs",
        "thread",
        "process",
        "exc_info",
        "message",
        "asctime",
        "k",
    ];
    let piece = |random: &mut Random, seed: &Seed| -> std::ops::Range<usize> {
        let at = random.below(seed.cuts.len().saturating_sub(1));
        seed.cuts[at]..seed.cuts.get(at + 1).copied().unwrap_or(seed.bytes.len())
    };
    let mut bytes = seed.bytes.clone();
    match random.below(4) {
        0 => {
            let at = random.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => bytes = mutate(random, &seed.bytes, &other.bytes),
        2 => {
            let (mine, theirs) = (piece(random, seed), piece(random, other));
            let with = match random.below(4) {
                0 => Vec::new(),
                1 => seed.bytes[mine.clone()].repeat(2),
                2 => other.bytes[theirs].to_vec(),
                _ => [&other.bytes[theirs], &seed.bytes[mine.clone()]].concat(),
            };
            bytes.splice(mine, with);
        }
        _ => {
            let key = KEYS[random.below(KEYS.len())];
            let mut text = vec![b'X', u8::try_from(key.len()).unwrap(), 0, 0, 0];
            text.extend_from_slice(key.as_bytes());
            // Where there is a text in this place, it becomes the key.
            let mine = piece(random, seed);
            if matches!(seed.bytes.get(mine.start), Some(b'X' | 0x8c | b'U')) || random.below(8) == 0 {
                bytes.splice(mine, text);
            }
        }
    }
    if random.below(3) == 0 { mutate(random, &bytes, &other.bytes) } else { bytes }
}

/// Every way to read each of so many mutated records gives the same record, the same line, or the same error. Gives
/// how many were records.
fn read_alike(count: u64, seed: u64, seeds: &[Seed]) -> u64 {
    let mut readers = Vec::new();
    for globals in [Globals::Reject, Globals::Known, Globals::Inert] {
        for py2_str in [Py2Str::Auto, Py2Str::Utf8, Py2Str::Latin1, Py2Str::Bytes] {
            let options = DecodeOptions::new().globals(globals).py2_str(py2_str);
            let reader = || RecordDecoder::with_options(options.clone());
            readers.push((reader(), reader(), options.clone()));
        }
    }
    let mut random = Random::new(seed);
    let mut good = 0;
    for round in 0..count {
        let (first, second) = (random.below(seeds.len()), random.below(seeds.len()));
        let input = mutated(&mut random, &seeds[first], &seeds[second]);
        // Most of the time as `serve` reads.
        let way = if random.below(2) == 0 { 4 } else { random.below(readers.len()) };
        let (used, general, options) = &mut readers[way];
        let place = || format!("seed {seed}, round {round}, {options:?}: {input:02x?}");
        let expected = general.decode_general(&input);
        let fresh = LogRecord::from_pickle_with(&input, options);
        for found in [used.decode(&input), fresh] {
            match (&found, &expected) {
                (Ok(found), Ok(expected)) => {
                    // What is not public counts as well, and a NaN is itself.
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{}", place());
                    assert_eq!(found.to_json(), expected.to_json(), "{}", place());
                }
                (Err(found), Err(expected)) => assert_eq!(found, expected, "{}", place()),
                _ => panic!("{found:?} and {expected:?}; {}", place()),
            }
        }
        good += u64::from(expected.is_ok());
    }
    good
}

#[test]
fn mutated_records() {
    let seeds = record_seeds();
    assert!(seeds.len() > 100, "{} seeds", seeds.len());
    let count = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let good = read_alike(count, 5, &seeds);
    assert!(good > count / 10, "{good} of {count} are records");
}

#[test]
#[ignore = "takes many minutes: cargo xtask records"]
fn millions_of_mutated_records() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
    };
    let count = number("LOGRECORD_RECORDS_COUNT", 10_000_000);
    let seed = number("LOGRECORD_RECORDS_SEED", 1);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let seeds = record_seeds();
    let good: u64 = std::thread::scope(|scope| {
        let seeds = &seeds;
        let run =
            |thread| scope.spawn(move || read_alike(count.div_ceil(threads), seed * 1_000 + thread, seeds));
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|one| one.join().unwrap()).sum()
    });
    println!("{count} mutated records from {} seeds, {good} of them records: no difference", seeds.len());
}
