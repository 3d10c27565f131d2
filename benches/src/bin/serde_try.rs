//! try
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for (side, mut work) in logrecord_benches::structs::serde_works().unwrap() {
        let id = format!("{} / {side}", work.name);
        if !id.contains(&filter) { continue; }
        assert!((work.turn)());
        let mut best = f64::INFINITY;
        for _ in 0..25 {
            let t = cpu();
            (work.turn)();
            best = best.min(cpu() - t);
        }
        println!("{:<48} {:>9.3} ms", id, best);
    }
}
