//! All automation of the workspace: `cargo xtask --help`.
//!
//! Each subcommand is one module. Nothing here is published, and nothing here is needed to build or use the
//! libraries: what continuous integration runs is `cargo xtask ci`, on any machine with Rust and, for the parts
//! that compare with CPython, a Python.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask is a program whose output is for people"
)]

mod bench;
mod ci;
mod fuzz;
mod golden;
mod long;
mod manifest;
mod published;
mod rows;
mod seeds;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// All automation of the logrecord workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write testdata/ from every CPython found, and the seeds and dictionary of the fuzz targets.
    Golden(golden::Options),
    /// Everything that must hold before a change lands, beside `cargo test --workspace`.
    Ci(ci::Options),
    /// Compare the decoder with CPython's own unpickler, on generated streams or on those of a folder.
    Conformance(long::Conformance),
    /// Run the fuzz targets, each for a while, and write down what was run.
    Fuzz(fuzz::Options),
    /// Measure beside CPython's C pickle and other codecs, and print the ratios.
    Bench(bench::Options),
    /// Count by callgrind that no hostile pickle takes more than time in proportion to its length.
    Linear(long::Linear),
    /// Decode every input of up to three bytes, and every pair of instructions.
    Exhaustive,
    /// Read millions of mutated records in every way, which must give the same.
    Records(long::Records),
    /// Write out records that share, of up to a mebibyte: output, memory and time stay in proportion.
    Output,
    /// Long trials of `logrecord serve`: crowds, slow clients, full disks, kills and restarts.
    Soak(long::Soak),
    /// Write the public items of each library to its api.txt.
    Api,
    /// What the compiler and clippy do not check about the text of the workspace.
    Tidy,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Golden(options) => golden::run(&options),
        Task::Ci(options) => ci::run_all(&options),
        Task::Conformance(options) => long::conformance(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Linear(options) => long::linear(&options),
        Task::Exhaustive => long::exhaustive(),
        Task::Records(options) => long::records(&options),
        Task::Output => long::output(),
        Task::Soak(options) => long::soak(&options),
        Task::Api => {
            published::api(true).map(|missing| missing.iter().for_each(|why| eprintln!("SKIPPED: {why}")))
        }
        Task::Tidy => long::tidy(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
