//! serde: Rust types read and written, beside the formats that people know.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use logrecord_benches::structs::serde_works;

fn serde(c: &mut Criterion) {
    for (side, mut work) in serde_works(None).unwrap_or_default() {
        c.benchmark_group(work.name.clone()).bench_function(side, |b| b.iter(|| (work.turn)()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(core::time::Duration::from_secs(2));
    targets = serde
}
criterion_main!(benches);
