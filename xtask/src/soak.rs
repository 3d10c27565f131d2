//! `cargo xtask soak`: long trials of the program `logrecord serve`, on loopback.
//!
//! Each case starts the real program, does something to it that servers meet in their months of life, and holds what
//! it did against a figure. Nothing waits by the clock: a case polls for what it expects, until a deadline. These
//! trials take minutes, tens of thousands of descriptors and, for one of them, root; so they are no part of
//! `cargo xtask ci`.

mod client;
mod clock;
mod crowd;
mod descriptors;
mod output;
mod restart;
mod server;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::process;
use server::SharedChild;

/// A case may take this long.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Options of `cargo xtask soak`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only this case; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Try this program; without it, the workspace's own is built with optimizations.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Connections of the case `idle`.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    connections: usize,
    /// How long the Python client of the case `restart` sends; 10 to 45.
    #[arg(long, default_value_t = 12, value_name = "N")]
    seconds: u64,
}

/// What a case ended with, when it did not fail: its figures, or why it could not be tried here.
enum Outcome {
    Passed(String),
    Skipped(String),
}

/// A case's name and what it does.
type Case = (&'static str, fn(&Trial) -> Result<Outcome>);

const CASES: [Case; 9] = [
    ("idle", crowd::idle),
    ("announce", crowd::announce),
    ("slow", crowd::slow),
    ("emfile", descriptors::emfile),
    ("stalled", output::stalled),
    ("full", output::full),
    ("rotate", output::rotate),
    ("restart", restart::restart),
    ("clock", clock::clock),
];

/// What a case has to work with.
struct Trial {
    program: PathBuf,
    folder: TempDir,
    connections: usize,
    seconds: u64,
    /// Descriptors that this process may have.
    descriptors: usize,
    /// All processes that the case has started, so that they end with it even when it hangs.
    children: Mutex<Vec<SharedChild>>,
}

impl Trial {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many of `wanted` connections this process can hold open, beside its other descriptors.
    fn possible(&self, wanted: usize) -> usize {
        wanted.min(self.descriptors.saturating_sub(100))
    }

    fn adopt(&self, child: &SharedChild) {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(child));
    }

    fn kill_all(&self) {
        for child in self.children.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            server::kill(child);
        }
    }
}

/// Runs the cases and prints a line for each.
///
/// # Errors
///
/// When the program cannot be built, or a case failed.
pub(crate) fn run(options: Options) -> Result<()> {
    for name in &options.only {
        ensure!(
            CASES.iter().any(|case| case.0 == name),
            "no case {name}: there are {}",
            CASES.map(|case| case.0).join(", ")
        );
    }
    ensure!((10..=45).contains(&options.seconds), "--seconds: 10 to 45");
    let program = match &options.program {
        Some(program) => std::fs::canonicalize(program)
            .with_context(|| format!("there is no program {}", program.display()))?,
        None => build()?,
    };
    let descriptors = raise_limit();
    println!("{}, {descriptors} descriptors", program.display());
    let mut failed = Vec::new();
    for case in CASES {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == case.0) {
            continue;
        }
        let trial = Trial {
            program: program.clone(),
            folder: tempfile::Builder::new().prefix("logrecord-soak-").tempdir()?,
            connections: options.connections,
            seconds: options.seconds,
            descriptors,
            children: Mutex::new(Vec::new()),
        };
        let begin = Instant::now();
        let outcome = bounded(case, trial);
        let took = begin.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed(figures)) => println!("{:<9} passed  {took:5.1} s  {figures}", case.0),
            Ok(Outcome::Skipped(why)) => println!("{:<9} skipped          {why}", case.0),
            Err(error) => {
                println!("{:<9} FAILED  {took:5.1} s  {error:#}", case.0);
                failed.push(case.0);
            }
        }
    }
    ensure!(failed.is_empty(), "soak: {} failed", failed.join(", "));
    Ok(())
}

/// Runs a case in a thread of its own and kills its processes when its time is over. What the case waits for then
/// breaks, so that the thread ends and tidies up behind itself.
fn bounded(case: Case, trial: Trial) -> Result<Outcome> {
    let trial = Arc::new(trial);
    let (send, receive) = mpsc::channel();
    let worker = thread::spawn({
        let trial = Arc::clone(&trial);
        move || {
            // Nobody listens any more when the case came too late.
            drop(send.send(case.1(&trial)));
        }
    });
    let outcome = match receive.recv_timeout(LIMIT) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => {
            trial.kill_all();
            let second = receive.recv_timeout(Duration::from_secs(10));
            let detail = match second {
                Ok(Err(error)) => format!(": {error:#}"),
                _ => String::new(),
            };
            return Err(anyhow!("not at its end after {} s{detail}", LIMIT.as_secs()));
        }
        Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the case panicked")),
    };
    trial.kill_all();
    if worker.join().is_err() {
        bail!("the case panicked");
    }
    outcome
}

/// The program of this workspace, built as it is shipped.
fn build() -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "--package", "logrecord-cli"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let program = process::root().join(target).join("release/logrecord");
    ensure!(program.is_file(), "cargo has built no {}", program.display());
    Ok(program)
}

/// Raises the limit of descriptors as far as it goes; children inherit it. Returns what it is then.
fn raise_limit() -> usize {
    let old = getrlimit(Resource::Nofile);
    let ceiling = old.maximum.unwrap_or(1 << 20).min(1 << 20);
    // When this is not allowed, the old limit holds, and the cases say how many connections they made.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(ceiling), maximum: old.maximum });
    let limit = if raised.is_ok() { ceiling } else { old.current.unwrap_or(ceiling) };
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Waits until `done` says so, and fails with `what` when it does not in time.
fn until(what: &str, limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let begin = Instant::now();
    loop {
        if done()? {
            return Ok(begin.elapsed());
        }
        if begin.elapsed() > limit {
            bail!("{what}: not after {} s", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

/// The `message` of each line of an output file. A line that is not one whole JSON object is an error.
fn messages(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(text.is_empty() || text.ends_with('\n'), "the output ends in a half line");
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            let value: serde_json::Value = serde_json::from_str(line)
                .with_context(|| format!("line {} is no JSON: {line:.80}", number + 1))?;
            let message = value.get("message").and_then(serde_json::Value::as_str);
            message.map(str::to_owned).with_context(|| format!("line {} has no message", number + 1))
        })
        .collect()
}

/// How many lines a file has; none when it is not there yet.
fn lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

/// Kibibytes as mebibytes, for people.
fn mib(kib: u64) -> String {
    let tenths = kib * 10 / 1024;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
