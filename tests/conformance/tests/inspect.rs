//! The guarantee of `inspect`: whatever any CPython unpickler names or calls is in the verdict.
//!
//! Generated programs go to recording unpicklers of every CPython, C and Python, from bytes and from three kinds of
//! files. Each name that one of them asks for must be listed, or a computed one must be. `cargo xtask conformance
//! --inspect` runs it for longer; the environment is that of `cpython.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test fails the test, and its figures are worth a look"
)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use conformance::worker::Worker;
use pickle_codec::inspect::{Inspector, UNKNOWN_NAME, inspect};
use testkit::generate::{Random, mutate, program, stream};
use testkit::python::{self, Python};

const BATCH: usize = 256;

#[test]
fn a_few_programs_name_nothing_that_is_not_listed() {
    for python in python::find_or_skip() {
        run(&python, 1_024, Duration::MAX, 5).unwrap();
    }
}

#[test]
fn every_name_of_an_exploit_is_listed() {
    let exploits = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/exploits.txt")).unwrap();
    let (what, inputs): (Vec<&str>, Vec<Vec<u8>>) = exploits
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(what, bytes)| (what, unescaped(bytes)))
        .unzip();
    let mut acting = vec![false; inputs.len()];
    let pythons = python::find_or_skip();
    for python in &pythons {
        let mut worker = Worker::start(python, "record.py", &[]).unwrap();
        worker.send(&inputs).unwrap();
        for (at, answer) in worker.receive(&inputs).unwrap().into_iter().enumerate() {
            let answer = String::from_utf8_lossy(&answer.unwrap()).into_owned();
            let seen = look(&inputs[at]);
            for name in answer.split('\n').filter(|name| !name.is_empty()) {
                assert!(seen.has(name), "{}: {} names {name:?}, not in {seen:?}", what[at], python.full);
                acting[at] = true;
            }
        }
    }
    // Without all of them, some rows name nothing.
    if pythons.len() > 7 {
        let idle: Vec<_> = what.iter().zip(acting).filter(|(_, acts)| !acts).collect();
        assert!(idle.is_empty(), "no CPython names anything: {idle:?}");
    }
}

/// The bytes of a row, in which some are written as `\xff`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

#[test]
#[ignore = "takes half a minute for each CPython: cargo xtask conformance --inspect"]
fn nothing_that_a_cpython_names_is_left_out() {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    let wanted = std::env::var("LOGRECORD_CONFORMANCE_PYTHON").unwrap_or_else(|_| "all".to_owned());
    let seconds = number("LOGRECORD_CONFORMANCE_SECONDS").unwrap_or(30);
    let count = number("LOGRECORD_CONFORMANCE_COUNT").unwrap_or(u64::MAX);
    let seed = number("LOGRECORD_CONFORMANCE_SEED").unwrap_or(1);
    for python in python::select(&wanted).unwrap() {
        run(&python, count, Duration::from_secs(seconds), seed).unwrap();
    }
}

fn run(python: &Python, count: u64, limit: Duration, seed: u64) -> Result<()> {
    let mut random = Random::new(seed ^ u64::from(python.version.minor));
    let mut worker = Worker::start(python, "record.py", &[])?;
    let begin = Instant::now();
    let (mut programs, mut acting, mut names, mut missed) = (0_u64, 0_u64, 0_usize, 0_u64);
    while programs < count && begin.elapsed() < limit {
        let batch: Vec<Vec<u8>> = (0..BATCH).map(|_| input(&mut random)).collect();
        worker.send(&batch)?;
        let seen: Vec<Seen> = batch.iter().map(|input| look(input)).collect();
        for ((input, seen), answer) in batch.iter().zip(&seen).zip(worker.receive(&batch)?) {
            programs += 1;
            // An input that ended the process, by its memory, says nothing.
            let Some(answer) = answer else { continue };
            let answer = String::from_utf8_lossy(&answer).into_owned();
            acting += u64::from(!answer.is_empty());
            for name in answer.split('\n').filter(|name| !name.is_empty()) {
                names += 1;
                if !seen.has(name) {
                    missed += 1;
                    println!("{} names {name:?}, not in {seen:?}: {}", python.full, hex(input));
                }
            }
        }
    }
    println!(
        "CPython {}: {programs} programs, {acting} name something, {names} names, {missed} not listed",
        python.full
    );
    ensure!(missed == 0, "{missed} names are not listed");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `inspect` lists.
#[derive(Debug)]
struct Seen(Vec<String>);

impl Seen {
    fn has(&self, name: &str) -> bool {
        let listed = |wanted: &str| self.0.iter().any(|name| name == wanted);
        match name {
            "PERSID" => listed("PERSID") || listed("BINPERSID"),
            "EXT" => self.0.iter().any(|name| name.starts_with("EXT")),
            // `loads` walks down a dotted name, and shows its first part alone.
            _ => {
                let dotted = format!("{name}.");
                listed(name) || listed(UNKNOWN_NAME) || self.0.iter().any(|name| name.starts_with(&dotted))
            }
        }
    }
}

fn look(input: &[u8]) -> Seen {
    let whole = inspect(input);
    let mut pieces = Inspector::new();
    input.chunks(5).for_each(|piece| pieces.feed(piece));
    assert_eq!(pieces.finish(), whole, "in pieces: {}", hex(input));
    Seen(
        whole
            .into_iter()
            .flat_map(|seen| seen.names)
            .map(|name| name.name.replace('\n', "\u{2424}"))
            .collect(),
    )
}

fn input(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0 => stream(random),
        1..=4 => {
            let (first, second) = (program(random), program(random));
            mutate(random, &first, &second)
        }
        _ => program(random),
    }
}
