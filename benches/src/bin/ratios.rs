//! Measures what `cargo xtask bench` compares: writes the inputs to a folder, and prints nanoseconds.
//!
//! Each line is a work, a side (`here` or a peer) and the best of many short rounds in nanoseconds, with tabs
//! between.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use logrecord_benches::structs::{pickles, serde_works};
use logrecord_benches::works::{Failure, SECRET, covered, sealed, works};
use logrecord_benches::{large, peers, records};
use serde_pickle::{DeOptions, SerOptions};

/// The best mean of many short rounds: some of them a busy machine leaves alone.
fn measure(mut turn: impl FnMut()) -> f64 {
    let start = Instant::now();
    turn();
    let once = start.elapsed().max(Duration::from_nanos(20));
    let count = u32::try_from(Duration::from_millis(2).as_nanos() / once.as_nanos()).unwrap_or(1).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..60 {
        let start = Instant::now();
        for _ in 0..count {
            turn();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(count));
    }
    best * 1e9
}

fn line(work: &str, side: &str, nanoseconds: f64) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{work}\t{side}\t{nanoseconds:.1}")?)
}

fn peers_of_loads() -> Result<(), Failure> {
    for input in records().into_iter().chain(large()?) {
        let work = format!("loads {}", input.name);
        if peers::serde_pickle(&input) {
            line(
                &work,
                "serde-pickle",
                measure(|| {
                    black_box(peers::serde_pickle(&input));
                }),
            )?;
        }
        if peers::deser(&input) {
            line(
                &work,
                "deser-pickle",
                measure(|| {
                    black_box(peers::deser(&input));
                }),
            )?;
        }
    }
    Ok(())
}

fn peers_of_dumps() -> Result<(), Failure> {
    for input in records() {
        let work = format!("dumps {}", input.name);
        let mut buffer = Vec::with_capacity(4096);
        if let Ok(value) = serde_pickle::value_from_slice(&input.bytes, DeOptions::new()) {
            let peer = measure(|| {
                buffer.clear();
                drop(serde_pickle::value_to_writer(&mut buffer, black_box(&value), SerOptions::new()));
            });
            line(&work, "serde-pickle", peer)?;
        }
        if let Ok(record) = deser_pickle::from_slice::<peers::Record>(&input.bytes) {
            line(
                &work,
                "deser-pickle",
                measure(|| drop(black_box(deser_pickle::to_vec(black_box(&record))))),
            )?;
        }
    }
    Ok(())
}

/// The `hmac` crate alone, over all that the envelope's tag covers.
fn hmac_alone() -> Result<(), Failure> {
    let (_, _, envelope) = sealed()?;
    let prepared = Hmac::<sha2::Sha256>::new_from_slice(&SECRET)?;
    let signed = covered(&envelope);
    let mut check = prepared.clone();
    check.update(&signed);
    check.verify_slice(envelope.get(envelope.len() - 32..).unwrap_or_default())?;
    let alone = measure(|| {
        let mut mac = prepared.clone();
        mac.update(black_box(&signed));
        black_box(mac.finalize());
    });
    line("envelope seal", "hmac", alone)?;
    line("envelope verify", "hmac", alone)
}

fn main() -> Result<(), Failure> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("a folder for the inputs is missing")?);
    for input in records().into_iter().chain(large()?) {
        std::fs::write(folder.join(input.name), &input.bytes)?;
    }
    for (name, pickle) in pickles()? {
        std::fs::write(folder.join(name), pickle)?;
    }
    for mut work in works()? {
        if !(work.turn)() {
            return Err(format!("{} does not work", work.name).into());
        }
        let here = measure(|| {
            black_box((work.turn)());
        });
        line(&work.name, "here", here)?;
    }
    for (side, mut work) in serde_works(None)? {
        if !(work.turn)() {
            return Err(format!("{} of {side} does not work", work.name).into());
        }
        let time = measure(|| {
            black_box((work.turn)());
        });
        line(&work.name, side, time)?;
    }
    peers_of_loads()?;
    peers_of_dumps()?;
    hmac_alone()
}
