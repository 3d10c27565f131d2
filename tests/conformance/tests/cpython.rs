//! The decoder against CPython's own unpickler: `cargo xtask conformance`.
//!
//! Generated and mutated streams go to one long-lived process per CPython and to the decoder here; both must
//! accept the same streams with the same values, save for what `divergences.txt` names. The environment says how
//! much: `LOGRECORD_CONFORMANCE_PYTHON` which CPythons (`all`, or versions with commas between them),
//! `LOGRECORD_CONFORMANCE_SECONDS` or `_COUNT` the time or the streams for each, `_SEED` the first number.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test fails the test, and its figures are worth a look"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use pickle_codec::{DecodeOptions, Decoder, Py2Str};

use conformance::canon;
use conformance::worker::Worker;
use testkit::generate::{Random, mutate, stream};
use testkit::python::{Python, Version};
use testkit::{process, python};

/// How much is compared.
struct Options {
    python: String,
    seconds: u64,
    count: Option<u64>,
    seed: u64,
}

impl Options {
    fn from_env() -> Result<Self> {
        let number = |name: &str| match std::env::var(format!("LOGRECORD_CONFORMANCE_{name}")) {
            Ok(text) => {
                text.parse().map(Some).with_context(|| format!("LOGRECORD_CONFORMANCE_{name}={text}"))
            }
            Err(_) => Ok(None),
        };
        Ok(Self {
            python: std::env::var("LOGRECORD_CONFORMANCE_PYTHON").unwrap_or_else(|_| "all".to_owned()),
            seconds: number("SECONDS")?.unwrap_or(30),
            count: number("COUNT")?,
            seed: number("SEED")?.unwrap_or(1),
        })
    }
}

/// Streams that go to CPython together, so that a pipe is not waited for each time.
const BATCH: usize = 256;

#[test]
fn a_few_streams_are_read_alike() {
    if !python::find_or_skip().is_empty() {
        let python = python::find().pop().map(|python| python.version.to_string()).unwrap_or_default();
        compare(&Options { python, seconds: 0, count: Some(2_048), seed: 7 }).unwrap();
    }
}

#[test]
#[ignore = "takes half a minute for each CPython: cargo xtask conformance"]
fn every_difference_has_a_name() {
    compare(&Options::from_env().unwrap()).unwrap();
}

/// Compares, and fails when there is a difference that has no name.
fn compare(options: &Options) -> Result<()> {
    let divergences = divergences()?;
    let seeds = seeds()?;
    let mut unnamed = 0;
    for python in python::select(&options.python)? {
        if python.version.major < 3 {
            println!(
                "CPython {}: left out, its unpickler knows neither bytes nor protocols above 2",
                python.full
            );
            continue;
        }
        unnamed += against(&python, options, &divergences, &seeds)?;
    }
    ensure!(unnamed == 0, "conformance: {unnamed} differences without a name");
    println!("conformance: every difference has a name");
    Ok(())
}

/// What one side made of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Outcome {
    /// The offset after STOP, and the canonical form where it is not too big.
    Value(usize, Option<Vec<u8>>),
    /// Why it was refused.
    Reject(String),
}

/// What the decoder makes of a stream.
fn ours(decoder: &mut Decoder, input: &[u8]) -> Outcome {
    match decoder.decode_prefix(input) {
        Ok((document, used)) => {
            let form = canon::form(document.root(), canon::BUDGET);
            decoder.recycle(document);
            Outcome::Value(used, form.ok())
        }
        Err(error) => {
            let opcode = error.opcode().map(|opcode| opcode.to_string()).unwrap_or_default();
            Outcome::Reject(format!("{}:{opcode}", error.kind().as_str()))
        }
    }
}

fn against(python: &Python, options: &Options, divergences: &[Divergence], seeds: &[Vec<u8>]) -> Result<u64> {
    let mut random = Random::new(options.seed);
    let mut decoder = Decoder::with_options(DecodeOptions::new().py2_str(Py2Str::Latin1));
    let mut worker = Worker::start(python, "unpickle.py", &["latin1"])?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let (mut streams, mut both, mut neither, mut unnamed) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut named: BTreeMap<&str, u64> = BTreeMap::new();
    let mut shown: BTreeMap<String, u64> = BTreeMap::new();
    while options.count.map_or_else(|| Instant::now() < end, |count| streams < count) {
        let batch: Vec<Vec<u8>> = (0..BATCH).map(|_| input(&mut random, seeds)).collect();
        worker.send(&batch)?;
        // CPython works on the batch while the decoder here does.
        let here: Vec<Outcome> = batch.iter().map(|input| ours(&mut decoder, input)).collect();
        let there = answers(&mut worker, &batch)?;
        for ((input, here), there) in batch.iter().zip(&here).zip(&there) {
            streams += 1;
            match (here, there) {
                (Outcome::Reject(_), Outcome::Reject(_)) => neither += 1,
                (here, there) if alike(input, here, there) => both += 1,
                _ => match divergences.iter().find(|known| known.matches(python.version, here, there)) {
                    Some(known) => *named.entry(known.name.as_str()).or_default() += 1,
                    None => {
                        unnamed += 1;
                        let sort = shown.entry(format!("{} | {}", word(here), word(there))).or_insert(0_u64);
                        *sort += 1;
                        // Two of each sort say what it is about.
                        if *sort <= 2 {
                            report(input, here, there);
                        }
                    }
                },
            }
        }
    }
    println!(
        "CPython {}: {streams} streams, {both} read alike, {neither} refused alike, {unnamed} without a name",
        python.full
    );
    for (name, count) in named {
        println!("  {count:>8} {name}");
    }
    for (sort, count) in shown {
        println!("  {count:>8} without a name: {sort}");
    }
    Ok(unnamed)
}

/// Whether both made the same of it. CPython reads a FRAME as a whole, so that where STOP stood inside one
/// cannot be seen from outside.
fn alike(input: &[u8], here: &Outcome, there: &Outcome) -> bool {
    match (here, there) {
        (Outcome::Value(here_used, here), Outcome::Value(there_used, there)) => {
            here == there && (here_used == there_used || input.contains(&0x95))
        }
        _ => false,
    }
}

fn input(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let seed = |random: &mut Random| seeds.get(random.below(seeds.len())).cloned().unwrap_or_default();
    match random.below(10) {
        0..=4 => stream(random),
        5 | 6 => {
            let (first, second) = (stream(random), stream(random));
            mutate(random, &first, &second)
        }
        _ => {
            let (first, second) = (seed(random), seed(random));
            mutate(random, &first, &second)
        }
    }
}

/// The sort of outcome, as a line of divergences.txt names it.
fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(..) => "value".to_owned(),
        Outcome::Reject(why) => {
            format!("reject:{}", why.chars().filter(|c| !c.is_ascii_digit()).collect::<String>())
        }
    }
}

fn report(input: &[u8], here: &Outcome, there: &Outcome) {
    let hex: String = input.iter().take(400).map(|byte| format!("{byte:02x}")).collect();
    println!("  differs: {hex}");
    for (side, outcome) in [("here", here), ("there", there)] {
        match outcome {
            Outcome::Value(used, Some(form)) => println!("    {side}: {used} bytes, {}", canon::shown(form)),
            Outcome::Value(used, None) => println!("    {side}: {used} bytes, a large value"),
            Outcome::Reject(why) => println!("    {side}: refused, {why}"),
        }
    }
}

/// Golden pickles that are small enough to mutate well.
fn seeds() -> Result<Vec<Vec<u8>>> {
    let folder = process::root().join("testdata/pickles");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "pickle"))
        .collect();
    paths.sort();
    let mut seeds = Vec::new();
    for path in paths {
        let bytes = std::fs::read(path)?;
        if bytes.len() <= 1500 {
            seeds.push(bytes);
        }
    }
    ensure!(!seeds.is_empty(), "no golden pickles: cargo xtask golden");
    Ok(seeds)
}

/// What CPython made of a batch.
fn answers(worker: &mut Worker, batch: &[Vec<u8>]) -> Result<Vec<Outcome>> {
    let answers = worker.receive(batch)?;
    answers
        .iter()
        .map(|answer| answer.as_ref().map_or_else(|| Ok(died()), |answer| outcome(answer)))
        .collect()
}

fn died() -> Outcome {
    Outcome::Reject("Died: the process ended".to_owned())
}

fn outcome(answer: &[u8]) -> Result<Outcome> {
    let value = |rest: &[u8]| {
        let (used, form) = rest.split_first_chunk::<4>().context("an answer is too short")?;
        anyhow::Ok((usize::try_from(u32::from_be_bytes(*used))?, form.to_vec()))
    };
    match answer.split_first() {
        Some((b'V', rest)) => value(rest).map(|(used, form)| Outcome::Value(used, Some(form))),
        Some((b'B', rest)) => value(rest).map(|(used, _)| Outcome::Value(used, None)),
        Some((b'R', why)) => Ok(Outcome::Reject(String::from_utf8_lossy(why).into_owned())),
        _ => bail!("an answer that is none"),
    }
}

/// A difference that is known and meant.
#[derive(Debug)]
struct Divergence {
    name: String,
    here: String,
    there: String,
    versions: String,
}

impl Divergence {
    fn matches(&self, version: Version, here: &Outcome, there: &Outcome) -> bool {
        let side = |pattern: &str, outcome: &Outcome| match outcome {
            Outcome::Value(..) => pattern == "value" || pattern == "*",
            Outcome::Reject(why) => glob(pattern, &format!("reject:{why}")),
        };
        let version = match self.versions.split_at_checked(2) {
            Some((">=", from)) => from.parse().is_ok_and(|from: Version| version >= from),
            Some(("<=", to)) => to.parse().is_ok_and(|to: Version| version <= to),
            _ => true,
        };
        version && side(&self.here, here) && side(&self.there, there)
    }
}

/// Whether `text` matches a pattern in which `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn divergences() -> Result<Vec<Divergence>> {
    let text = include_str!("../divergences.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split(" | ").collect();
            let [name, here, there, versions, reason] = columns[..] else {
                bail!("divergences.txt: five columns expected in {line:?}");
            };
            ensure!(reason.ends_with('.'), "divergences.txt: {name} has no reason that is a sentence");
            let owned = str::to_owned;
            Ok(Divergence {
                name: owned(name),
                here: owned(here),
                there: owned(there),
                versions: owned(versions),
            })
        })
        .collect()
}

#[test]
fn globs() {
    assert!(glob("reject:frame:*", "reject:frame:FRAME"));
    assert!(glob("*", "anything"));
    assert!(glob("a*c*e", "abcde"));
    assert!(!glob("reject:frame", "reject:frame:FRAME"));
    assert!(!glob("a*c", "abd"));
}

#[test]
fn every_divergence_reads() {
    assert!(!divergences().unwrap().is_empty());
}
