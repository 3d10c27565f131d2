//! Frames out of a stream that comes in chunks of 64 KiB.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logrecord_benches::{read_frames, stream};

fn frames(c: &mut Criterion) {
    let stream = stream(8 << 20);
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Bytes(u64::try_from(stream.len()).unwrap_or(0)));
    group.bench_function("decode, 64 KiB chunks", |b| b.iter(|| read_frames(black_box(&stream))));
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
