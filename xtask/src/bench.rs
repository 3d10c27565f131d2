//! `cargo xtask bench`: how fast the libraries are beside CPython's C pickle, serde-pickle and hmac.
//!
//! All sides are measured in turn in one run on one machine, so that the ratios mean something where the figures do not.

mod counts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use testkit::process::{self, cargo};
use testkit::python;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which CPython to measure beside; the newest one by default.
    #[arg(long, value_name = "VERSION")]
    python: Option<String>,
    /// How often both sides are measured in turn; the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Show the ratios of an earlier run beside this one's.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write this run's ratios to a file, to be a baseline later.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Count instructions with callgrind, and allocations, instead of measuring time.
    #[arg(long)]
    instructions: bool,
    /// Measure only the program: `logrecord serve` beside a Python receiver, and its memory.
    #[arg(long)]
    serve: bool,
    /// Install picklescan and fickling below `target`, to be measured beside `inspect` from then on.
    #[arg(long)]
    install_scanners: bool,
    /// Leave the program out.
    #[arg(long, conflicts_with = "serve")]
    no_serve: bool,
    /// How many records the load generator sends to `logrecord serve`; a tenth of it to Python.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// How many idle connections are held open to measure their memory.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
}

/// One line of the table: what is measured, what it is compared with, and the least ratio that is aimed at.
struct Goal {
    work: &'static str,
    peer: &'static str,
    peer_work: &'static str,
    least: f64,
}

const fn goal(work: &'static str, peer: &'static str, peer_work: &'static str, least: f64) -> Goal {
    Goal { work, peer, peer_work, least }
}

const GOALS: &[Goal] = &[
    goal("from_pickle stock", "CPython", "loads stock", 18.0),
    goal("from_pickle stock", "serde-pickle", "loads stock", 40.0),
    goal("from_pickle stock", "deser-pickle", "loads stock", 1.0),
    goal("record extra", "CPython", "loads extra", 8.0),
    goal("record other order", "CPython", "loads other order", 8.0),
    goal("record python 2", "CPython", "loads python 2", 8.0),
    goal("record nested extra", "CPython", "loads nested extra", 1.0),
    goal("loads stock", "CPython", "loads stock", 4.0),
    goal("loads extra", "CPython", "loads extra", 4.0),
    goal("loads other order", "CPython", "loads other order", 4.0),
    goal("loads python 2", "CPython", "loads python 2", 4.0),
    goal("loads stock", "deser-pickle", "loads stock", 1.0),
    goal("loads 100,000 strings", "CPython", "loads 100,000 strings", 3.0),
    goal("loads 100,000 strings", "serde-pickle", "loads 100,000 strings", 1.0),
    goal("loads 100,000 strings", "deser-pickle", "loads 100,000 strings", 1.0),
    goal("loads 200,000 ints", "CPython", "loads 200,000 ints", 3.0),
    goal("loads 200,000 ints", "serde-pickle", "loads 200,000 ints", 1.0),
    goal("loads 200,000 ints", "deser-pickle", "loads 200,000 ints", 1.0),
    goal("loads 20,000 dicts", "CPython", "loads 20,000 dicts", 3.0),
    goal("loads 20,000 dicts", "serde-pickle", "loads 20,000 dicts", 1.0),
    goal("loads 20,000 dicts", "deser-pickle", "loads 20,000 dicts", 1.0),
    goal("scan stock", "picklescan", "scan stock", 100.0),
    goal("scan stock", "fickling", "scan stock", 100.0),
    goal("scan 100,000 strings", "picklescan", "scan 100,000 strings", 100.0),
    goal("scan 20,000 dicts", "picklescan", "scan 20,000 dicts", 100.0),
    goal("serde read 20,000 structs", "serde_json", "serde read 20,000 structs", 1.0),
    goal("serde read 20,000 structs", "CPython", "loads 20,000 structs", 1.0),
    goal("serde read 20,000 structs", "rmp-serde", "serde read 20,000 structs", 0.3),
    goal("serde read 20,000 structs", "ciborium", "serde read 20,000 structs", 1.0),
    goal("serde read 20,000 structs", "serde-pickle", "serde read 20,000 structs", 1.0),
    goal("serde read 20,000 structs, borrowed", "serde_json", "serde read 20,000 structs, borrowed", 1.0),
    goal("serde read nested document", "serde_json", "serde read nested document", 1.0),
    goal("serde read map of 100,000", "serde_json", "serde read map of 100,000", 1.0),
    goal("serde read 100,000 records", "serde_json", "serde read 100,000 records", 1.0),
    goal("serde write 20,000 structs", "rmp-serde", "serde write 20,000 structs", 1.0),
    goal("serde write 20,000 structs", "CPython", "dumps 20,000 structs", 1.0),
    goal("serde write nested document", "rmp-serde", "serde write nested document", 1.0),
    goal("serde write map of 100,000", "rmp-serde", "serde write map of 100,000", 1.0),
    goal("serde write 100,000 records", "rmp-serde", "serde write 100,000 records", 1.0),
    goal("dumps stock", "CPython", "dumps stock", 10.0),
    goal("dumps stock", "serde-pickle", "dumps stock", 1.0),
    goal("dumps stock", "deser-pickle", "dumps stock", 1.0),
    goal("envelope seal", "hmac", "envelope seal", 0.9),
    goal("envelope verify", "hmac", "envelope verify", 0.9),
];

/// Least payload per second out of the frame decoder, in GB.
const FRAMES: f64 = 5.0;

/// The best time of each work and side.
type Times = BTreeMap<(String, String), f64>;

/// Measures and prints the table.
///
/// # Errors
///
/// When a side cannot be measured. A goal that is missed is shown, and is no error: a busy machine misses them.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.instructions {
        return counts::run();
    }
    let python = options.python.as_deref().unwrap_or("all");
    if !options.serve {
        let ratios = table(options, &python::newest(python)?)?;
        if let Some(file) = &options.save {
            std::fs::write(file, serde_json::to_string_pretty(&ratios)?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    if options.no_serve {
        return Ok(());
    }
    let mut serve = cargo();
    serve.args(["run", "--release", "--quiet", "-p", "logrecord-benches", "--bin", "serve", "--"]);
    serve.args(["--python", python, "--rounds", &options.rounds.to_string()]);
    serve.args(["--records", &options.records.to_string()]);
    process::run(serve.args(["--connections", &options.connections.to_string()]))
}

/// Measures all sides in turn, a few times.
fn measure(options: &Options, python: &python::Python) -> Result<Times> {
    let folder = tempfile::tempdir()?;
    let script = process::root().join("xtask/python/bench.py");
    let mut best = Times::new();
    for _ in 0..options.rounds.max(1) {
        let mut ratios = cargo();
        ratios.args(["run", "--release", "--quiet", "-p", "logrecord-benches", "--bin", "ratios", "--"]);
        let here = process::output(ratios.arg(folder.path()))?;
        let mut lines = process::output(python.command().arg(&script).arg(folder.path()))?;
        lines.extend_from_slice(&here);
        if best.is_empty() {
            lines.extend(scanners(options, python, folder.path())?);
        }
        for line in String::from_utf8_lossy(&lines).lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [work, side, figure] = columns[..] else { continue };
            let figure: f64 = figure.parse()?;
            let slot = best.entry((work.to_owned(), side.to_owned())).or_insert(f64::INFINITY);
            *slot = slot.min(figure);
        }
    }
    ensure!(!best.is_empty(), "nothing was measured");
    Ok(best)
}

/// What the scanners of others take, if they are installed. Once is enough: they take seconds.
fn scanners(options: &Options, python: &python::Python, folder: &Path) -> Result<Vec<u8>> {
    let place = process::root().join("target/scanners");
    let installed = place.join("bin/python");
    if options.install_scanners && !installed.exists() {
        process::run(python.command().args(["-m", "venv"]).arg(&place))?;
        let mut install = Command::new(&installed);
        install.args(["-m", "pip", "install", "--quiet", "picklescan", "fickling", "typing_extensions"]);
        process::run(&mut install)?;
    }
    if !installed.exists() {
        println!(
            "SKIPPED: picklescan and fickling are not installed; --install-scanners does so below target\n"
        );
        return Ok(Vec::new());
    }
    let script = process::root().join("xtask/python/scanners.py");
    process::output(Command::new(installed).arg(script).arg(folder))
}

/// Measures and prints the libraries' part; gives the ratios by work and peer.
fn table(options: &Options, python: &python::Python) -> Result<BTreeMap<String, f64>> {
    let baseline = options.baseline.as_deref().map(read_baseline).transpose()?.unwrap_or_default();
    let best = measure(options, python)?;
    let figure = |work: &str, side: &str| best.get(&(work.to_owned(), side.to_owned())).copied();
    let mut ratios = BTreeMap::new();
    println!("beside CPython {}, nanoseconds, the best of {} rounds\n", python.full, options.rounds.max(1));
    println!(
        "{:<24} {:>11}  {:<13} {:>12} {:>8} {:>8} {:>6}",
        "work", "here", "beside", "there", "ratio", "before", "aim"
    );
    for goal in GOALS {
        let (Some(here), Some(there)) = (figure(goal.work, "here"), figure(goal.peer_work, goal.peer)) else {
            println!("{:<24} not measured beside {}", goal.work, goal.peer);
            continue;
        };
        let ratio = there / here;
        let name = format!("{} / {}", goal.work, goal.peer);
        let before = baseline.get(&name).map_or_else(String::new, |before| format!("{before:.2}"));
        let word = if ratio >= goal.least { "" } else { "  MISSED" };
        println!(
            "{:<24} {here:>11.0}  {:<13} {there:>12.0} {ratio:>8.2} {before:>8} {:>6}{word}",
            goal.work, goal.peer, goal.least
        );
        ratios.insert(name, ratio);
    }
    println!("\nalone:");
    for ((work, side), figure) in &best {
        if side != "here" {
            continue;
        }
        if work.starts_with("bytes") || work.starts_with("json") {
            println!("{work:<40} {figure:>11.0}");
        } else if let Some(rate) = rate(work, *figure) {
            let word = if rate >= FRAMES { "" } else { "  MISSED" };
            println!("{work:<40} {figure:>11.0}  {rate:.2} GB/s, aim {FRAMES}{word}");
        }
    }
    for way in ["borrowed", "segments"] {
        let time = |size: u32| figure(&format!("bytes of {size} MiB, {way}"), "here");
        if let (Some(small), Some(large)) = (time(1), time(64)) {
            println!("64 MiB of bytes, {way}: {:.2} of the time of 1 MiB, aim 1", large / small);
        }
    }
    Ok(ratios)
}

/// The ratios of an earlier run.
fn read_baseline(file: &Path) -> Result<BTreeMap<String, f64>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", file.display()))
}

/// Payload per second in GB, where the work says how many bytes it is over.
fn rate(work: &str, nanoseconds: f64) -> Option<f64> {
    let bytes: f64 = work.strip_prefix("frames, ")?.split(' ').next()?.parse().ok()?;
    Some(bytes / nanoseconds)
}
