//! `cargo xtask fuzz`: the fuzz targets, each for a while, with a ledger of what was run.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use testkit::process;

/// Options of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Time for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target; may be given several times.
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Longest input in bytes, instead of each target's own.
    #[arg(long)]
    max_len: Option<usize>,
    /// Show the fuzzer what is compared with what: slower, and worth it where a new constant is looked for.
    #[arg(long)]
    trace_compares: bool,
    /// Processes that fuzz one target at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: u32,
    /// As many targets at a time as there are processors, and no line in the ledger: what CI does.
    #[arg(long)]
    smoke: bool,
}

/// The longest input that a target gets unless the options say otherwise.
///
/// A fuzzer finds most with short inputs, of which it can try many. What only a long one shows is looked for with
/// `--max-len 65536`.
fn longest(target: &str) -> usize {
    match target {
        // Two bytes a message; one acknowledgement.
        "replay" | "ack" => 128,
        // Four bytes a fault.
        "spool" => 256,
        // A few bytes make many values.
        "values" => 256,
        "serde" | "envelope" => 512,
        // A stock record has 600 to 900 bytes, and no target allows a longer frame.
        _ => 1024,
    }
}

/// Runs every target and writes a line of the ledger for each.
///
/// New inputs go to `fuzz/target/found/`, not into the seed corpora, which stay small and reviewed.
///
/// # Errors
///
/// When cargo-fuzz is missing, a target does not build, or an input made one fail.
pub(crate) fn run(options: &Options) -> Result<()> {
    let fuzz = process::root().join("fuzz");
    let all = targets(&fuzz)?;
    for name in &options.target {
        ensure!(all.contains(name), "no target {name}: there are {}", all.join(", "));
    }
    ensure!(is_installed(), "cargo-fuzz or a nightly is missing: cargo install --locked cargo-fuzz");
    process::run(
        Command::new("cargo").current_dir(process::root()).args(["+nightly", "fuzz", "build"]).args(BUILD),
    )?;
    let chosen: Vec<&String> =
        all.iter().filter(|target| options.target.is_empty() || options.target.contains(target)).collect();
    let at_a_time =
        if options.smoke { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let mut crashed = Vec::new();
    for group in chosen.chunks(at_a_time) {
        let outcomes = std::thread::scope(|scope| {
            let fuzz = &fuzz;
            let running: Vec<_> =
                group.iter().map(|target| scope.spawn(move || one(fuzz, target, options))).collect();
            running
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<_>>()
        });
        for (target, outcome) in group.iter().zip(outcomes) {
            let outcome = outcome?;
            println!(
                "{target:<14} {} executions, corpus {}, {} crashes",
                outcome.executions, outcome.corpus, outcome.crashes
            );
            if !options.smoke {
                record(&fuzz, target, &outcome)?;
            }
            if outcome.crashes > 0 {
                crashed.push(target.as_str());
            }
        }
    }
    ensure!(crashed.is_empty(), "inputs in fuzz/artifacts/ made these targets fail: {}", crashed.join(", "));
    Ok(())
}

/// How a target is built: optimized, and without a sanitizer, which finds nothing in safe code and takes most of
/// the time.
const BUILD: [&str; 3] = ["-O", "-s", "none"];

/// Whether there is a cargo-fuzz, and a nightly for it.
pub(crate) fn is_installed() -> bool {
    let works = |arguments: &[&str]| {
        Command::new("cargo").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    works(&["fuzz", "--version"]) && works(&["+nightly", "--version"])
}

/// Every target for a while.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn smoke(seconds: u64) -> Result<()> {
    run(&Options { seconds, target: Vec::new(), max_len: None, trace_compares: true, jobs: 1, smoke: true })
}

/// The names of the targets, which are those of their files.
pub(crate) fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let files = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> =
        files.filter_map(|file| file.ok()?.path().file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

struct Outcome {
    executions: u64,
    corpus: u64,
    crashes: usize,
}

fn one(fuzz: &Path, target: &str, options: &Options) -> Result<Outcome> {
    let found = fuzz.join("target/found").join(target);
    std::fs::create_dir_all(&found)?;
    let before = artifacts(fuzz, target);
    let mut command = Command::new("cargo");
    command.current_dir(process::root()).args(["+nightly", "fuzz", "run"]).args(BUILD);
    if !options.trace_compares {
        // It takes up to half of the time, and mostly finds what stands in the seeds and the dictionary.
        command.arg("--no-trace-compares");
    }
    command.arg(target);
    // The first corpus is where new inputs go.
    command.arg(&found);
    let seeds = fuzz.join("corpus").join(target);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    command.arg("--");
    let max_len = options.max_len.unwrap_or_else(|| longest(target));
    command.arg(format!("-max_total_time={}", options.seconds)).arg(format!("-max_len={max_len}"));
    // Nobody else adds to the corpus meanwhile, so that it need not be read again every second.
    command.args(["-reload=0", "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1"]);
    // The bookkeeping of the entropic schedule takes longer than most of the targets do.
    command.arg("-entropic=0");
    if options.jobs > 1 {
        command.arg(format!("-fork={}", options.jobs));
    }
    let dictionary = fuzz.join("dictionaries/pickle.dict");
    if !matches!(target, "ack" | "frame" | "envelope" | "replay" | "spool") && dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    // libFuzzer's own lines go to standard error.
    let output = command.output().context("cannot start cargo fuzz")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let crashes = artifacts(fuzz, target).iter().filter(|artifact| !before.contains(artifact)).count();
    if !output.status.success() {
        let tail: Vec<&str> = text.lines().rev().take(30).collect();
        println!("{target}");
        tail.iter().rev().for_each(|line| println!("   {line}"));
        if crashes == 0 {
            bail!("{target} did not build or run");
        }
    }
    let corpus = std::fs::read_dir(&found)?.count();
    Ok(Outcome { executions: executions(&text), corpus: u64::try_from(corpus)?, crashes })
}

fn artifacts(fuzz: &Path, target: &str) -> Vec<PathBuf> {
    let folder = fuzz.join("artifacts").join(target);
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path())).collect()
}

/// The number of executions that libFuzzer reports: its final statistics, else its last line of progress.
fn executions(text: &str) -> u64 {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let last =
        text.lines().rev().find_map(|line| match line.strip_prefix("stat::number_of_executed_units:") {
            Some(count) => number(count.trim()),
            None => number(line.strip_prefix('#')?),
        });
    last.unwrap_or(0)
}

/// One line of the ledger: date, target, executions, corpus size, crashes.
fn record(fuzz: &Path, target: &str, outcome: &Outcome) -> Result<()> {
    let path = fuzz.join("ledger.tsv");
    let is_new = !path.exists();
    let mut ledger = OpenOptions::new().create(true).append(true).open(&path)?;
    if is_new {
        ledger.write_all(b"date\ttarget\texecutions\tcorpus\tcrashes\n")?;
    }
    let date = process::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let date = String::from_utf8_lossy(&date);
    let Outcome { executions, corpus, crashes } = outcome;
    ledger.write_all(format!("{}\t{target}\t{executions}\t{corpus}\t{crashes}\n", date.trim()).as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn executions_are_read_from_both_forms() {
        assert_eq!(super::executions("#12\tINIT cov: 1\n#4096\tpulse\n"), 4096);
        assert_eq!(
            super::executions("#12\tINIT\nDone\nstat::number_of_executed_units: 777\nstat::x: 1\n"),
            777
        );
        assert_eq!(super::executions("error: no such target"), 0);
    }
}
