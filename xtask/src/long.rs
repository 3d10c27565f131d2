//! The tests that take minutes, which are `#[ignore]`d: `cargo xtask conformance`, `linear`, `exhaustive`, `soak`.
//!
//! What they do stands in `tests/`; here options become the environment that they read.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;
use testkit::process::{cargo, run};

/// Options of `cargo xtask conformance`.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// Which CPythons: `all`, or versions with commas between them.
    #[arg(long, default_value = "all", value_name = "VERSIONS")]
    python: String,
    /// Decode the streams of *.jsonl in this folder and its subfolders, which say what to expect.
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Hold what `inspect` lists against what CPython's unpicklers name, instead.
    #[arg(long, conflicts_with = "dir")]
    inspect: bool,
    /// Time for each CPython.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Streams for each CPython, instead of a time.
    #[arg(long)]
    count: Option<u64>,
    /// The first number of the random sequence.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Options of `cargo xtask linear`.
#[derive(Debug, Args)]
pub(crate) struct Linear {
    /// Count only the works whose name contains this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Print every ratio.
    #[arg(long)]
    all: bool,
}

/// Options of `cargo xtask soak`.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// Only the cases whose name contains this text; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Try this program; without it, the workspace's own is built with optimizations.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Connections of the case `idle`.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    connections: usize,
    /// How often the cases `acked_kills` and `handover` kill or replace the receiver.
    #[arg(long, default_value_t = 20, value_name = "N")]
    rounds: usize,
    /// How long the Python client of the case `restarted` sends; 10 to 45.
    #[arg(long, default_value_t = 12, value_name = "N")]
    seconds: u64,
}

/// The ignored tests of one file, with optimizations and with what they print.
fn test(package: &str, file: &str) -> Command {
    let mut command = cargo();
    command.args(["test", "--release", "-p", package, "--test", file, "--"]);
    command.args(["--ignored", "--nocapture", "--test-threads", "1"]);
    command
}

/// Compares with CPython, or with what files say.
///
/// # Errors
///
/// When there is a difference that has no name.
pub(crate) fn conformance(options: &Conformance) -> Result<()> {
    if let Some(folder) = &options.dir {
        let folder = folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?;
        return run(test("conformance", "files").env("LOGRECORD_CONFORMANCE_DIR", folder));
    }
    let mut command = test("conformance", if options.inspect { "inspect" } else { "cpython" });
    command
        .env("LOGRECORD_CONFORMANCE_PYTHON", &options.python)
        .env("LOGRECORD_CONFORMANCE_SECONDS", options.seconds.to_string())
        .env("LOGRECORD_CONFORMANCE_SEED", options.seed.to_string());
    if let Some(count) = options.count {
        command.env("LOGRECORD_CONFORMANCE_COUNT", count.to_string());
    }
    run(&mut command)
}

/// Counts instructions.
///
/// # Errors
///
/// When a family takes more than time in proportion to its length, or when there is no valgrind.
pub(crate) fn linear(options: &Linear) -> Result<()> {
    let mut command = test("conformance", "linear");
    command.env("LOGRECORD_LINEAR_ONLY", &options.only);
    if options.all {
        command.env("LOGRECORD_LINEAR_ALL", "1");
    }
    run(&mut command)
}

/// Options of `cargo xtask records`.
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// How many records are mutated and read in every way.
    #[arg(long, default_value_t = 10_000_000, value_name = "N")]
    count: u64,
    /// Where the random choices begin.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// Reads mutated records in every way.
///
/// # Errors
///
/// When two ways differ.
pub(crate) fn records(options: &Records) -> Result<()> {
    run(test("conformance", "corpus")
        .arg("mutated_records")
        .env("LOGRECORD_RECORDS_COUNT", options.count.to_string())
        .env("LOGRECORD_RECORDS_SEED", options.seed.to_string()))
}

/// Writes out what shares, in frames of up to a mebibyte.
///
/// # Errors
///
/// When output, memory or time is out of proportion.
pub(crate) fn output() -> Result<()> {
    run(&mut test("conformance", "output"))
}

/// Decodes every input of three bytes.
///
/// # Errors
///
/// When one panics, or memory passes the bound.
pub(crate) fn exhaustive() -> Result<()> {
    run(&mut test("conformance", "exhaustive"))
}

/// Looks at the text of the workspace.
///
/// # Errors
///
/// When there is something to say.
pub(crate) fn tidy() -> Result<()> {
    run(cargo().args(["test", "--quiet", "-p", "tidy"]))
}

/// Tries the program.
///
/// # Errors
///
/// When a case fails.
pub(crate) fn soak(options: &Soak) -> Result<()> {
    let mut command = test("soak", "soak");
    command
        .args(&options.only)
        .env("LOGRECORD_SOAK_CONNECTIONS", options.connections.to_string())
        .env("LOGRECORD_SOAK_ROUNDS", options.rounds.to_string())
        .env("LOGRECORD_SOAK_SECONDS", options.seconds.to_string());
    if let Some(program) = &options.program {
        let program = program.canonicalize().with_context(|| format!("no program {}", program.display()))?;
        command.env("LOGRECORD_SOAK_PROGRAM", program);
    }
    run(&mut command)
}
