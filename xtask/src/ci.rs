//! `cargo xtask ci`: everything that must hold before a change lands, `cargo test --workspace` apart.
//!
//! Every step runs even where an earlier one failed, so that one run shows all there is to mend; the table at
//! the end says what each step found and took. The order keeps builds that share artefacts together.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use testkit::process::{self, cargo, run};

use crate::{fuzz, golden, long, published};

/// Options of `cargo xtask ci`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only the steps whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// What a step ended with.
enum Outcome {
    Passed,
    /// Something that the step needs is not on this machine.
    Skipped(&'static str),
}

type Step = (&'static str, fn() -> Result<Outcome>);

const STEPS: [Step; 20] = [
    ("fmt", fmt),
    ("tidy", || long::tidy().map(passed)),
    ("golden", || golden::check().map(passed)),
    ("clippy, all features", clippy),
    ("clippy, no default features", clippy_bare),
    ("each feature alone", features),
    ("no_std build", no_std),
    ("doc", doc),
    ("test, no default features", test_bare),
    ("benches in test mode", benches),
    ("package", || published::package().and_then(done)),
    ("lowest versions", || published::lowest().and_then(done)),
    ("oldest compilers", || published::oldest().and_then(done)),
    ("public api", || published::api(false).and_then(done)),
    ("wheel", || published::wheel().and_then(done)),
    ("deny", deny),
    ("advisories", advisories),
    ("fuzz targets", fuzz_smoke),
    ("miri", miri),
    ("coverage", coverage),
];

/// Runs every step and prints the table.
///
/// # Errors
///
/// When a step failed.
pub(crate) fn run_all(options: &Options) -> Result<()> {
    let mut table: Vec<(&str, Duration, Result<Outcome>)> = Vec::new();
    for (name, step) in STEPS {
        if options.only.as_ref().is_some_and(|text| !name.contains(text.as_str())) {
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            println!("FAILED {name}: {error:#}");
        }
        table.push((name, start.elapsed(), outcome));
    }
    println!("\ncargo xtask ci");
    let (mut failed, mut skipped) = (0, 0);
    for (name, took, outcome) in &table {
        let word = match outcome {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(why)) => {
                skipped += 1;
                format!("skipped: {why}")
            }
            Err(_) => {
                failed += 1;
                "FAILED".to_owned()
            }
        };
        println!("  {name:<28} {:>6.1} s  {word}", took.as_secs_f64());
    }
    println!("\nci: {} passed, {failed} failed, {skipped} skipped", table.len() - failed - skipped);
    if failed > 0 {
        bail!("ci: {failed} of {} steps failed", table.len());
    }
    Ok(())
}

fn passed<T>(_: T) -> Outcome {
    Outcome::Passed
}

fn fmt() -> Result<Outcome> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])).map(passed)
}

fn clippy() -> Result<Outcome> {
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
    .map(passed)
}

/// Packages that are never published: their tests have no features of their own.
const UNPUBLISHED: [&str; 6] = ["xtask", "logrecord-benches", "testkit", "conformance", "soak", "tidy"];

/// What a step ended with that only says what it lacks.
fn done(missing: Option<&'static str>) -> Result<Outcome> {
    Ok(missing.map_or(Outcome::Passed, Outcome::Skipped))
}

/// A tool that CI installs is missing, which is a failure there and a word elsewhere.
fn missing(why: &'static str) -> Result<Outcome> {
    if std::env::var_os("LOGRECORD_REQUIRE_TOOLS").is_some_and(|value| value == "1") {
        bail!("{why}, and LOGRECORD_REQUIRE_TOOLS=1 asks for it");
    }
    Ok(Outcome::Skipped(why))
}

/// Each crate alone, so that no neighbour turns a feature on.
fn clippy_bare() -> Result<Outcome> {
    let packages = published::LIBRARIES.iter().map(|(package, _)| *package).chain(["logrecord-cli"]);
    for package in packages {
        let bare = ["clippy", "-p", package, "--no-default-features", "--locked", "--", "-D", "warnings"];
        run(cargo().args(bare))?;
    }
    Ok(Outcome::Passed)
}

/// A target without a standard library finds what a search for `std::` cannot.
fn no_std() -> Result<Outcome> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let targets = PathBuf::from(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib");
    let bare: Vec<String> = std::fs::read_dir(targets)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("-none") || name.starts_with("wasm32-unknown"))
        .collect();
    if bare.is_empty() {
        return Ok(Outcome::Skipped("no target without std is installed; tidy and clippy looked"));
    }
    for (target, package) in
        bare.iter().flat_map(|target| [(target, "pickle-codec"), (target, "logrecord-frame")])
    {
        run(cargo().args(["build", "-p", package, "--no-default-features", "--locked", "--target", target]))?;
    }
    Ok(Outcome::Passed)
}

fn doc() -> Result<Outcome> {
    // The libraries first without their features, so that the documentation with them is what stays.
    let bare = ["doc", "--no-deps", "--no-default-features", "--locked", "--quiet"];
    let packages = published::LIBRARIES.iter().flat_map(|(name, _)| ["-p", name]);
    run(cargo().args(bare).args(packages).env("RUSTDOCFLAGS", "-D warnings"))?;
    run(cargo()
        .args(["doc", "--workspace", "--no-deps", "--all-features", "--locked"])
        .env("RUSTDOCFLAGS", "-D warnings"))
    .map(passed)
}

/// Each feature of each crate compiles without the others; all of them and none are what clippy looks at.
fn features() -> Result<Outcome> {
    if process::output(cargo().args(["hack", "--version"])).is_err() {
        return missing("cargo-hack is not installed");
    }
    let mut hack = cargo();
    hack.args(["hack", "check", "--each-feature", "--exclude-all-features", "--exclude-no-default-features"]);
    hack.args(["--locked", "--quiet", "--workspace"]);
    for package in UNPUBLISHED {
        hack.args(["--exclude", package]);
    }
    run(&mut hack).map(passed)
}

/// `cargo test --workspace` runs everything with all features; here are the libraries' own tests with none.
fn test_bare() -> Result<Outcome> {
    let mut test = cargo();
    let nextest = process::output(cargo().args(["nextest", "--version"])).is_ok();
    if nextest {
        test.args([
            "nextest",
            "run",
            "--no-fail-fast",
            "--status-level",
            "slow",
            "--final-status-level",
            "slow",
        ]);
    } else {
        test.args(["test", "--quiet"]);
    }
    test.args(["--lib", "--no-default-features", "--locked"]);
    test.args(published::LIBRARIES.iter().flat_map(|(name, _)| ["-p", name]));
    run(&mut test).map(passed)
}

/// Each benchmark once, in the profile of the tests: that it works, not how fast it is.
fn benches() -> Result<Outcome> {
    run(cargo().args(["test", "-p", "logrecord-benches", "--benches", "--locked", "--quiet"])).map(passed)
}

/// Licences, bans and sources.
fn deny() -> Result<Outcome> {
    if process::output(cargo().args(["deny", "--version"])).is_err() {
        return missing("cargo-deny is not installed");
    }
    run(cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"])).map(passed)
}

/// Security advisories and yanked versions, where their database can be had.
fn advisories() -> Result<Outcome> {
    if process::output(cargo().args(["deny", "--version"])).is_err() {
        return missing("cargo-deny is not installed");
    }
    if process::run_within(cargo().args(["deny", "fetch", "db"]), Duration::from_secs(60)).is_err() {
        return Ok(Outcome::Skipped("the database of advisories cannot be fetched"));
    }
    run(cargo().args(["deny", "check", "advisories"])).map(passed)
}

/// Every fuzz target for a while.
fn fuzz_smoke() -> Result<Outcome> {
    if process::output(Command::new("cargo").args(["+nightly", "--version"])).is_err() {
        return Ok(Outcome::Skipped("no nightly is installed"));
    }
    if !fuzz::is_installed() {
        return missing("cargo-fuzz is not installed");
    }
    fuzz::smoke(30).map(passed)
}

/// The decoder's unit tests under Miri, where a nightly has the component.
fn miri() -> Result<Outcome> {
    // Only the cargo in PATH knows of toolchains.
    let nightly = || {
        let mut command = Command::new("cargo");
        command.current_dir(process::root()).args(["+nightly", "miri"]);
        command
    };
    if process::output(nightly().arg("--version")).is_err() {
        return Ok(Outcome::Skipped("no nightly has the component miri"));
    }
    let tests = ["test", "-p", "pickle-codec", "--lib", "--locked"];
    process::run_within(nightly().args(tests), Duration::from_secs(300)).map(passed)
}

/// How much of the decoder its tests reach, where cargo-llvm-cov and llvm-tools are installed.
fn coverage() -> Result<Outcome> {
    if process::output(cargo().args(["llvm-cov", "--version"])).is_err() {
        return Ok(Outcome::Skipped("cargo-llvm-cov is not installed"));
    }
    run(cargo().args(["llvm-cov", "-p", "pickle-codec", "--all-features", "--locked", "--summary-only"]))
        .map(passed)
}
