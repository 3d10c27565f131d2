//! Counts what does not depend on how busy a machine is.
//!
//! Without arguments it prints each work and how often one turn of it allocates once its memory is warm. With the name
//! of a work on one record and a number it does the work so many times and prints nothing, to be run by a counting tool.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::alloc::System;
use std::io::Write as _;

use logrecord_benches::works::{Failure, small_works, works};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Turns before the one that counts: tables grow to their size, and lazy values are made.
const WARM_UP: usize = 3;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    if let Some(name) = arguments.next() {
        let turns: u64 = arguments.next().ok_or("how often?")?.parse()?;
        let mut work = small_works()?.into_iter().find(|work| work.name == name).ok_or("no such work")?;
        let good = (0..turns).fold(true, |good, _| (work.turn)() && good);
        return if good { Ok(()) } else { Err("it does not work".into()) };
    }
    for mut work in works()? {
        for _ in 0..WARM_UP {
            (work.turn)();
        }
        let region = Region::new(ALLOCATOR);
        (work.turn)();
        let change = region.change();
        writeln!(std::io::stdout(), "{}\t{}", work.name, change.allocations + change.reallocations)?;
    }
    Ok(())
}
