//! Long trials of the program `logrecord serve`, on loopback: `cargo xtask soak`.
//!
//! Each case starts the real program, does something to it that servers meet in their months of life, and holds what
//! it did against a figure. Nothing waits by the clock: a case polls for what it expects, until a deadline. These
//! trials take minutes, tens of thousands of descriptors and, for some of them, root; so they are `#[ignore]`d. The
//! environment may name another program (`LOGRECORD_SOAK_PROGRAM`), the connections of the case `idle`
//! (`LOGRECORD_SOAK_CONNECTIONS`), how often it is killed or replaced (`LOGRECORD_SOAK_ROUNDS`) and how long the client of the case `restart` sends (`LOGRECORD_SOAK_SECONDS`, 10 to 45).
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a helper of a test fails the test, and its figures are worth a look"
)]

mod acks;
mod client;
mod clock;
mod crowd;
mod descriptors;
mod handover;
mod output;
mod restart;
mod server;

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use server::SharedChild;
use testkit::process;

/// A case may take this long.
const LIMIT: Duration = Duration::from_secs(60);

/// A case that does the same again and again may take so long for each time, besides.
const ROUND: Duration = Duration::from_secs(10);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What a case ended with, when it did not fail: its figures, or why it could not be tried here.
enum Outcome {
    Passed(String),
    Skipped(String),
}

/// What a case does.
type Case = fn(&Trial) -> Result<Outcome>;

/// A test for each case.
macro_rules! cases {
    ($($name:ident = $case:path;)*) => { $(
        #[test]
        #[ignore = "a long trial: cargo xtask soak"]
        fn $name() {
            soak(stringify!($name), $case);
        }
    )* };
}

cases! {
    idle = crowd::idle;
    announce = crowd::announce;
    slow = crowd::slow;
    emfile = descriptors::emfile;
    stalled = output::stalled;
    full = output::full;
    rotate = output::rotate;
    restarted = restart::restart;
    clock_jumps = clock::clock;
    acked_kills = acks::kills;
    acked_rate = acks::rate;
    handover = handover::handover;
}

/// What a case has to work with.
struct Trial {
    program: PathBuf,
    folder: TempDir,
    connections: usize,
    seconds: u64,
    /// How often a case kills or replaces the receiver.
    rounds: usize,
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

/// Runs a case, alone, and prints what came of it.
fn soak(name: &str, case: Case) {
    static ALONE: Mutex<()> = Mutex::new(());
    static PROGRAM: OnceLock<(PathBuf, usize)> = OnceLock::new();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (program, descriptors) = PROGRAM.get_or_init(|| (program().unwrap(), raise_limit()));
    let number = |name: &str, default: usize| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    };
    let trial = Trial {
        program: program.clone(),
        folder: tempfile::Builder::new().prefix("logrecord-soak-").tempdir().unwrap(),
        connections: number("LOGRECORD_SOAK_CONNECTIONS", 10_000),
        seconds: u64::try_from(number("LOGRECORD_SOAK_SECONDS", 12).clamp(10, 45)).unwrap_or(12),
        rounds: number("LOGRECORD_SOAK_ROUNDS", 20),
        descriptors: *descriptors,
        children: Mutex::new(Vec::new()),
    };
    let begin = Instant::now();
    let outcome = bounded(case, trial);
    let took = begin.elapsed().as_secs_f64();
    match outcome {
        Ok(Outcome::Passed(figures)) => println!("{name:<11} {took:5.1} s  {figures}"),
        Ok(Outcome::Skipped(why)) => process::skip(&format!("{name}: {why}")),
        Err(error) => panic!("{name}: {took:5.1} s: {error:#}"),
    }
}

/// Runs a case in a thread of its own and kills its processes when its time is over. What the case waits for then
/// breaks, so that the thread ends and tidies up behind itself.
fn bounded(case: Case, trial: Trial) -> Result<Outcome> {
    let limit = LIMIT + ROUND * u32::try_from(trial.rounds).unwrap_or(u32::MAX);
    let trial = Arc::new(trial);
    let (send, receive) = mpsc::channel();
    let worker = thread::spawn({
        let trial = Arc::clone(&trial);
        move || {
            // Nobody listens any more when the case came too late.
            drop(send.send(case(&trial)));
        }
    });
    let outcome = match receive.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => {
            trial.kill_all();
            let second = receive.recv_timeout(Duration::from_secs(10));
            let detail = match second {
                Ok(Err(error)) => format!(": {error:#}"),
                _ => String::new(),
            };
            return Err(anyhow!("not at its end after {} s{detail}", limit.as_secs()));
        }
        Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the case panicked")),
    };
    trial.kill_all();
    if worker.join().is_err() {
        bail!("the case panicked");
    }
    outcome
}

/// The program under trial: the one that the environment names, or this workspace's, built as it is shipped.
fn program() -> Result<PathBuf> {
    match std::env::var_os("LOGRECORD_SOAK_PROGRAM") {
        Some(program) => std::fs::canonicalize(&program)
            .with_context(|| format!("there is no program {}", program.display())),
        None => process::build(&["-p", "logrecord-cli"], "logrecord"),
    }
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

/// Counts the lines of a file that grows, and reads each of them once.
struct Lines {
    path: PathBuf,
    read: u64,
    count: usize,
}

impl Lines {
    fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), read: 0, count: 0 }
    }

    /// How many there are by now.
    fn count(&mut self) -> usize {
        let Ok(file) = File::open(&self.path) else { return 0 };
        let (mut file, mut more) = (BufReader::new(file), Vec::new());
        if file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut more)).is_ok() {
            self.read += more.len() as u64;
            self.count += more.iter().filter(|byte| **byte == b'\n').count();
        }
        self.count
    }
}

/// Kibibytes as mebibytes, for people.
fn mib(kib: u64) -> String {
    let tenths = kib * 10 / 1024;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
