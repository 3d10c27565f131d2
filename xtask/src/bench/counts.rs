//! Instructions by callgrind, and allocations: figures that a busy machine does not change.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use testkit::process;

/// Turns in the short and in the long run; the difference leaves out what is done once.
const TURNS: (u64, u64) = (100, 4_100);

/// What is counted, with the aim where there is one.
const WORKS: [(&str, Option<u64>); 12] = [
    ("from_pickle stock", Some(2_200)),
    ("record stock", Some(2_200)),
    ("record extra", None),
    ("record other order", None),
    ("record python 2", None),
    ("loads stock", None),
    ("loads extra", None),
    ("dumps stock", None),
    ("json stock", None),
    ("json extra", None),
    ("envelope seal", None),
    ("envelope verify", None),
];

/// Counts and prints.
///
/// # Errors
///
/// When the program that does the works cannot be built or run. Without valgrind only allocations are counted.
pub(super) fn run() -> Result<()> {
    let binary = process::build(&["-p", "logrecord-benches", "--bin", "counts"], "counts")?;
    println!("{:<28} {:>12}", "work", "allocations");
    let allocations = process::output(&mut Command::new(&binary))?;
    for line in String::from_utf8_lossy(&allocations).lines() {
        if let Some((work, count)) = line.split_once('\t') {
            println!("{work:<28} {count:>12}");
        }
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\nvalgrind is not installed: no instructions are counted");
        return Ok(());
    }
    println!("\n{:<28} {:>12} {:>8}", "work", "instructions", "about");
    for (work, aim) in WORKS {
        let (few, many) = (instructions(&binary, work, TURNS.0)?, instructions(&binary, work, TURNS.1)?);
        let each = many.saturating_sub(few) / (TURNS.1 - TURNS.0);
        println!("{work:<28} {each:>12} {:>8}", aim.map_or_else(String::new, |aim| aim.to_string()));
    }
    Ok(())
}

/// All instructions of one run.
fn instructions(binary: &PathBuf, work: &str, turns: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(binary);
    let output = valgrind.args([work, &turns.to_string()]).output().context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .with_context(|| format!("callgrind gave no count:\n{said}"))
}
