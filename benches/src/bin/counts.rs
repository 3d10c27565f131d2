//! Counts what does not depend on how busy a machine is.
//!
//! Without arguments it prints each work and how often one turn of it allocates once its memory is warm. With the name
//! of a work and a number it does the work so many times and prints nothing, to be run by a counting tool; a third
//! argument names the peer whose work it is, where there are some:
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='counts::all' counts 'serde write 20,000 structs' 1 rmp-serde
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::alloc::System;
use std::io::Write as _;

use logrecord_benches::structs::{SIDES, serde_works};
use logrecord_benches::works::{Failure, Work, small_works, works};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Turns before the one that counts: tables grow to their size, and lazy values are made.
const WARM_UP: usize = 3;

/// Does a work so many times; tells whether it always went well.
#[inline(never)]
fn all(work: &mut Work, turns: u64) -> bool {
    (0..turns).fold(true, |good, _| (work.turn)() && good)
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    if let Some(name) = arguments.next() {
        let turns: u64 = arguments.next().ok_or("how often?")?.parse()?;
        let side = arguments.next().unwrap_or_else(|| SIDES[0].to_owned());
        let small = small_works()?.into_iter().map(|work| (SIDES[0], work));
        let mut of_serde = small.chain(serde_works(Some(&name))?);
        let (_, mut work) =
            of_serde.find(|(of, work)| *of == side && work.name == name).ok_or("no such work")?;
        return if all(&mut work, turns) { Ok(()) } else { Err("it does not work".into()) };
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
