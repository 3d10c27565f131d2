//! try
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
use std::time::{Duration, Instant};
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for (side, mut work) in logrecord_benches::structs::serde_works().unwrap() {
        let id = format!("{} / {side}", work.name);
        if !id.contains(&filter) { continue; }
        assert!((work.turn)());
        let mut best = f64::INFINITY;
        let start = Instant::now();
        let mut n = 0;
        while n < 12 || start.elapsed() < Duration::from_millis(400) {
            let t = Instant::now();
            (work.turn)();
            best = best.min(t.elapsed().as_secs_f64());
            n += 1;
        }
        println!("{:<48} {:>9.3} ms", id, best * 1e3);
    }
}
