//! `cargo xtask linear`: that time is linear in the input, for each family of hostile pickles.
//!
//! Instructions are counted by callgrind, so the figures do not depend on how busy the machine is: a pickle of
//! twice the size may take at most 2.1 times the instructions. One run of this program under callgrind does all
//! the work of a policy, and callgrind writes a file of counts after each piece of it.

use std::hint::black_box;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use pickle_codec::inspect::inspect;
use pickle_codec::{DecodeOptions, Decoder, Globals, PushDecoder, Value, instructions};

use crate::hostile::{self, Family};
use crate::process::{self, cargo};

/// The most that twice the input may take.
const MOST: f64 = 2.1;

/// Units of the smaller pickle: of shapes of their own, which may have a byte a unit, and of values in places. Where
/// copies of shared objects are charged to a budget, this many spend it.
const UNITS: (usize, usize) = (16_384, 8_192);

/// Fewer instructions than this are no family: the policy refused the first opcode that names or calls.
const FEW: u64 = 100_000;

/// How many of the steepest families are shown.
const SHOWN: usize = 12;

/// Options of `cargo xtask linear`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Count only the works whose name contains this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Print every ratio.
    #[arg(long)]
    all: bool,
    /// Do the works of a policy instead of counting them; for callgrind.
    #[arg(long, hide = true)]
    work: Option<String>,
}

/// What is done with a pickle.
#[derive(Clone, Copy)]
enum Way {
    Decode,
    Value,
    Stream,
    Push,
    Instructions,
    Inspect,
}

const WAYS: [(Way, &str); 6] = [
    (Way::Decode, "decode"),
    (Way::Value, "value"),
    (Way::Stream, "stream"),
    (Way::Push, "push"),
    (Way::Instructions, "instructions"),
    (Way::Inspect, "inspect"),
];

const POLICIES: [(&str, Globals); 2] = [("reject", Globals::Reject), ("inert", Globals::Inert)];

/// Counts and prints.
///
/// # Errors
///
/// When a family takes more than [`MOST`], or when there is no valgrind.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(policy) = &options.work {
        return work(policy, &options.only);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind is not installed, and without it no instructions are counted");
    }
    let report =
        process::output(cargo().args(["build", "--release", "-p", "xtask", "--message-format", "json"]))?;
    let binary = crate::bench::executable(&report, "xtask")?;
    let (mut counted, mut steep) = (0, 0);
    let counts = std::thread::scope(|scope| {
        let count = |(policy, _)| {
            let (binary, only) = (&binary, &options.only);
            scope.spawn(move || count(binary, policy, only))
        };
        POLICIES.map(count).map(|counting| counting.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    for ((policy, _), rows) in POLICIES.into_iter().zip(counts) {
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
        let shown = if options.all { rows.len() } else { SHOWN.max(too_steep) };
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
            "--toggle-collect=xtask::linear::counted",
            "--dump-after=xtask::linear::counted",
        ])
        .arg("--dump-line=no")
        .arg(out)
        .arg(binary)
        .args(["linear", "--work", policy, "--only", only]);
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

/// Does each work with a pickle and with one of twice the size, and prints its name and both lengths.
fn work(policy: &str, only: &str) -> Result<()> {
    let (_, globals) = POLICIES.into_iter().find(|(name, _)| *name == policy).context("no such policy")?;
    let shapes = hostile::shapes::families().len();
    let many = |name: &str, make: fn(usize) -> Vec<u8>| Family {
        name: name.to_owned(),
        shares: false,
        make: Box::new(make),
    };
    let many = [
        many("many pickles", |count| b"\x80\x02}q\x01U\x01aK\x01s.".repeat(count)),
        many("many pickles in one FRAME", |count| {
            let len = u64::try_from(2 * count).unwrap_or_default();
            [b"\x95".as_slice(), &len.to_le_bytes(), &b"N.".repeat(count)].concat()
        }),
    ];
    let families = hostile::families();
    for (way, verb) in WAYS {
        // What is not a decode of its own is tried on the shapes.
        let families = match way {
            Way::Decode => families.get(..),
            Way::Stream => None,
            _ => families.get(..shapes),
        };
        for (place, family) in many.iter().chain(families.unwrap_or_default()).enumerate() {
            let units = if place < many.len() + shapes { UNITS.0 } else { UNITS.1 };
            let name = format!("{verb}: {}", family.name);
            if !name.contains(only) || (matches!(way, Way::Inspect | Way::Instructions) && policy != "inert")
            {
                continue;
            }
            let inputs = [units, 2 * units].map(&family.make);
            for input in &inputs {
                black_box(counted(way, globals, input));
            }
            println!("{name}\t{}\t{}", inputs[0].len(), inputs[1].len());
        }
    }
    Ok(())
}

/// What is counted, the drop of what comes out included.
#[inline(never)]
fn counted(way: Way, globals: Globals, input: &[u8]) -> bool {
    let mut options = DecodeOptions::new().globals(globals);
    match way {
        Way::Decode => Decoder::with_options(options).decode(input).is_ok(),
        Way::Value => {
            // The constant part of the budget hides what is beyond it.
            let mut limits = *options.limits_set();
            limits.max_expansion = Some(64 * input.len());
            options = options.limits(limits);
            Value::from_slice_with(input, &options).is_ok()
        }
        Way::Stream => Decoder::with_options(options).documents(input).all(|document| document.is_ok()),
        Way::Push => {
            let mut decoder = PushDecoder::with_options(options);
            for byte in input.chunks(1) {
                if decoder.feed(byte).is_err() || decoder.next_document().is_err() {
                    return false;
                }
            }
            decoder.finish().is_ok()
        }
        Way::Instructions => instructions(input).all(|instruction| instruction.is_ok()),
        Way::Inspect => inspect(input).to_string().is_empty(),
    }
}
