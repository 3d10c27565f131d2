//! `cargo xtask bench`: how fast the libraries are beside CPython's C pickle, serde-pickle and hmac.
//!
//! All sides are measured in one run on one machine, so that the ratios mean something where the figures do not.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::process::{self, cargo};
use crate::python;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which CPython to measure beside; the newest one by default.
    #[arg(long, value_name = "VERSION")]
    python: Option<String>,
    /// How often both sides are measured in turn; the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
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

const GOALS: [Goal; 17] = [
    goal("record stock", "CPython", "loads stock", 18.0),
    goal("record stock", "serde-pickle", "loads stock", 40.0),
    goal("record extra", "CPython", "loads extra", 8.0),
    goal("record python 2", "CPython", "loads python 2", 8.0),
    goal("loads stock", "CPython", "loads stock", 4.0),
    goal("loads extra", "CPython", "loads extra", 4.0),
    goal("loads 100,000 strings", "CPython", "loads 100,000 strings", 3.0),
    goal("loads 100,000 strings", "serde-pickle", "loads 100,000 strings", 1.0),
    goal("loads 200,000 ints", "CPython", "loads 200,000 ints", 3.0),
    goal("loads 200,000 ints", "serde-pickle", "loads 200,000 ints", 1.0),
    goal("loads 20,000 dicts", "CPython", "loads 20,000 dicts", 3.0),
    goal("loads 20,000 dicts", "serde-pickle", "loads 20,000 dicts", 1.0),
    goal("dumps stock", "CPython", "dumps stock", 10.0),
    goal("dumps stock", "serde-pickle", "dumps stock", 1.0),
    goal("dumps extra", "CPython", "dumps extra", 1.0),
    goal("envelope seal", "hmac", "envelope seal", 0.9),
    goal("envelope verify", "hmac", "envelope verify", 0.9),
];

/// Measures and prints the table.
///
/// # Errors
///
/// When a side cannot be measured. A goal that is missed is shown, and is no error: a busy machine misses them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let pythons = python::select(options.python.as_deref().unwrap_or("all"))?;
    let python =
        pythons.iter().rev().find(|python| python.version.major == 3).context("no CPython 3 found")?;
    let folder = tempfile::tempdir()?;
    let script = process::root().join("xtask/python/bench.py");
    let mut best: BTreeMap<(String, String), f64> = BTreeMap::new();
    for _ in 0..options.rounds.max(1) {
        let mut ratios = cargo();
        ratios.args(["run", "--release", "--quiet", "-p", "logrecord-benches", "--bin", "ratios", "--"]);
        let here = process::output(ratios.arg(folder.path()))?;
        let there = process::output(python.command().arg(&script).arg(folder.path()))?;
        for line in String::from_utf8_lossy(&here).lines().chain(String::from_utf8_lossy(&there).lines()) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [work, side, figure] = columns[..] else { continue };
            let figure: f64 = figure.parse()?;
            let slot = best.entry((work.to_owned(), side.to_owned())).or_insert(f64::INFINITY);
            *slot = slot.min(figure);
        }
    }
    ensure!(!best.is_empty(), "nothing was measured");
    println!("beside CPython {}, nanoseconds, the best of {} rounds\n", python.full, options.rounds.max(1));
    println!("{:<24} {:>12}  {:<14} {:>12} {:>8} {:>8}", "work", "here", "beside", "there", "ratio", "aim");
    for goal in GOALS {
        let figure = |work: &str, side: &str| best.get(&(work.to_owned(), side.to_owned())).copied();
        let (Some(here), Some(there)) = (figure(goal.work, "here"), figure(goal.peer_work, goal.peer)) else {
            println!("{:<24} not measured beside {}", goal.work, goal.peer);
            continue;
        };
        let ratio = there / here;
        let word = if ratio >= goal.least { "" } else { "  MISSED" };
        println!(
            "{:<24} {here:>12.0}  {:<14} {there:>12.0} {ratio:>8.2} {:>8}{word}",
            goal.work, goal.peer, goal.least
        );
    }
    println!("\nalone:");
    for ((work, _), figure) in
        best.iter().filter(|((work, _), _)| work.starts_with("bytes") || work.starts_with("frames"))
    {
        println!("{work:<40} {figure:>14.0}{}", rate(work, *figure));
    }
    Ok(())
}

/// Payload per second, where the work says how many bytes it is over.
fn rate(work: &str, nanoseconds: f64) -> String {
    let bytes = work.strip_prefix("frames, ").and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    bytes.map_or_else(String::new, |bytes| format!("  {:.2} GB/s", bytes / nanoseconds))
}
