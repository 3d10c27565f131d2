//! That time is linear in the input, for each family of hostile pickles: `cargo xtask linear`.
//!
//! Instructions are counted by callgrind, so the figures do not depend on how busy the machine is: a pickle of
//! twice the size may take at most 2.1 times the instructions. One run of the example `linear_works` under callgrind
//! does all the work of a policy, and callgrind writes a file of counts after each piece of it. The environment may
//! name a part of the works (`LOGRECORD_LINEAR_ONLY`), or ask for every ratio (`LOGRECORD_LINEAR_ALL=1`).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test fails the test, and its figures are worth a look"
)]

use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::process;

/// The most that twice the input may take.
const MOST: f64 = 2.1;

/// Fewer instructions than this are no family: the policy refused the first opcode that names or calls.
const FEW: u64 = 100_000;

/// How many of the steepest families are shown.
const SHOWN: usize = 12;

const POLICIES: [&str; 2] = ["reject", "inert"];

#[test]
#[ignore = "takes half an hour under callgrind: cargo xtask linear"]
fn twice_the_input_takes_twice_the_instructions() {
    let only = std::env::var("LOGRECORD_LINEAR_ONLY").unwrap_or_default();
    let all = std::env::var_os("LOGRECORD_LINEAR_ALL").is_some_and(|value| value == "1");
    run(&only, all).unwrap();
}

/// Counts and prints, and fails when a family takes more than [`MOST`], or when there is no valgrind.
fn run(only: &str, all: bool) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind is not installed, and without it no instructions are counted");
    }
    let binary = process::build(&["-p", "conformance", "--example", "linear_works"], "linear_works")?;
    let (mut counted, mut steep) = (0, 0);
    let counts = std::thread::scope(|scope| {
        let count = |policy| {
            let binary = &binary;
            scope.spawn(move || count(binary, policy, only))
        };
        POLICIES.map(count).map(|counting| counting.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let names = POLICIES.into_iter().chain(["the program"]);
    for (policy, rows) in names.zip(counts.into_iter().chain([lines(only)])) {
        let mut rows = rows?;
        let refused = rows.len();
        rows.retain(|row| row.many >= FEW);
        let refused = refused - rows.len();
        rows.sort_by(|left, right| right.ratio().total_cmp(&left.ratio()));
        let too_steep = rows.iter().take_while(|row| row.ratio() > MOST).count();
        println!(
            "\n{policy}: {} works, {refused} refused at once, {too_steep} above {MOST}\n{:<64} {:>14} {:>14} {:>6}",
            rows.len(),
            "the steepest",
            "instructions",
            "twice the input",
            "ratio"
        );
        let shown = if all { rows.len() } else { SHOWN.max(too_steep) };
        for row in rows.iter().take(shown) {
            println!("{:<64} {:>14} {:>14} {:>6.3}", row.name, row.few, row.many, row.ratio());
        }
        counted += rows.len();
        steep += too_steep;
    }
    ensure!(counted > 0, "linear: nothing was counted");
    ensure!(steep == 0, "linear: {steep} works take more than {MOST} times as long for twice the input");
    println!("\nlinear: no work takes more than {MOST} times as long for twice the input");
    Ok(())
}

struct Row {
    name: String,
    /// How much longer the larger pickle is: numbers in text make it more than twice.
    longer: f64,
    few: u64,
    many: u64,
}

impl Row {
    /// The instructions for twice the input, as a multiple.
    #[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "a ratio to two digits")]
    fn ratio(&self) -> f64 {
        let ratio = self.many as f64 / (self.few as f64).max(1.0);
        ratio * (2.0 / self.longer).min(1.0)
    }
}

/// What the program does with lines of standard input, beginning and end of the process included.
fn lines(only: &str) -> Result<Vec<Row>> {
    /// A command of the program, and its input of so many units.
    type Work = (&'static str, &'static [&'static str], fn(usize) -> Vec<u8>);
    const UNITS: usize = 20_000;
    let works: [Work; 5] = [
        ("decode: lines", &["decode", "--input", "hex"], |count| b"5d7100284b016161652e\n".repeat(count)),
        ("decode: one line", &["decode", "--input", "hex"], |count| {
            [b"28".as_slice(), &b"4b01".repeat(count), b"6c2e\n"].concat()
        }),
        ("encode: lines", &["encode", "--protocol", "4"], |count| b"[1, {\"a\": null}]\n".repeat(count)),
        ("encode: one line", &["encode", "--protocol", "4"], |count| {
            [b"[0".as_slice(), &b", 1".repeat(count), b"]\n"].concat()
        }),
        ("inspect: lines", &["inspect", "--input", "hex"], |count| b"5d7100284b01652e\n".repeat(count)),
    ];
    let works: Vec<_> = works.into_iter().filter(|(name, ..)| name.contains(only)).collect();
    if works.is_empty() {
        return Ok(Vec::new());
    }
    let program = process::build(&["-p", "logrecord-cli"], "logrecord")?;
    let folder = tempfile::tempdir()?;
    let (input, counts) = (folder.path().join("input"), folder.path().join("counts"));
    let mut rows = Vec::new();
    for (name, arguments, make) in works {
        let count = |units: usize| -> Result<u64> {
            std::fs::write(&input, make(units))?;
            let mut out = std::ffi::OsString::from("--callgrind-out-file=");
            out.push(&counts);
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["--tool=callgrind"]).arg(out).arg(&program).args(arguments).arg(&input);
            // What a line was refused for is told by the exit code; the work is the same.
            let ended = valgrind.output()?;
            ensure!(ended.status.code().is_some_and(|code| code <= 1), "{name}: {}", ended.status);
            let text = std::fs::read_to_string(&counts)?;
            let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
            total.and_then(|total| total.trim().parse().ok()).with_context(|| format!("{name}: no count"))
        };
        rows.push(Row { name: name.to_owned(), longer: 2.0, few: count(UNITS)?, many: count(2 * UNITS)? });
    }
    Ok(rows)
}

/// Runs this program under callgrind and reads the counts of each work, once and with twice the input.
fn count(binary: &Path, policy: &str, only: &str) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(folder.join("counts"));
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args([
            "--tool=callgrind",
            "--toggle-collect=linear_works::counted",
            "--dump-after=linear_works::counted",
        ])
        .arg("--dump-line=no")
        .arg(out)
        .arg(binary)
        .args([policy, only]);
    let names = process::output(&mut valgrind)?;
    let names = String::from_utf8(names)?;
    let mut rows = Vec::new();
    for (place, line) in names.lines().enumerate() {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap_or_default();
        let mut len = || fields.next().and_then(|len| len.parse::<f64>().ok()).context("no length");
        let longer = 1.0 / len()? * len()?;
        let total = |number: usize| -> Result<u64> {
            let file = folder.join(format!("counts.{number}"));
            let text = std::fs::read_to_string(&file).with_context(|| format!("{name}: no counts"))?;
            let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
            let total = total.and_then(|total| total.trim().parse().ok());
            total.with_context(|| format!("{name}: callgrind gave no count"))
        };
        rows.push(Row {
            name: name.to_owned(),
            longer,
            few: total(2 * place + 1)?,
            many: total(2 * place + 2)?,
        });
    }
    Ok(rows)
}
