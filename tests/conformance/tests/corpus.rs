//! The corpora of the fuzz targets, replayed on a stable compiler.
//!
//! The bodies of the targets are plain functions; here they meet every seed, every golden pickle and stream, and
//! mutations of them. An input that a fuzzer found belongs into `fuzz/corpus/<target>/`, and is a test from then on.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test fails the test")]

#[allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "the functions are public in the crate that they come from, and fail loudly"
)]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

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
