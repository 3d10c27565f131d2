//! Encoding documents; serde-pickle beside, which writes no memo.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logrecord_benches::{large, records};
use pickle_codec::{EncodeOptions, Protocol, decode};

fn encode(c: &mut Criterion) {
    for input in records().into_iter().chain(large().unwrap_or_default()) {
        let Ok(document) = decode(&input.bytes) else { continue };
        let mut group = c.benchmark_group(format!("encode/{}", input.name));
        group.throughput(Throughput::Bytes(u64::try_from(input.bytes.len()).unwrap_or(0)));
        for (name, memo) in [("document", true), ("document, no memo", false)] {
            let options = EncodeOptions::new(Protocol::V4).memo(memo);
            let mut buffer = Vec::new();
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut reused = std::mem::take(&mut buffer);
                    reused.clear();
                    buffer = black_box(&document).encode_into(reused, options).unwrap_or_default();
                });
            });
        }
        if let Ok(value) = serde_pickle::value_from_slice(&input.bytes, serde_pickle::DeOptions::new()) {
            let mut buffer = Vec::new();
            group.bench_function("serde-pickle", |b| {
                b.iter(|| {
                    buffer.clear();
                    serde_pickle::value_to_writer(
                        &mut buffer,
                        black_box(&value),
                        serde_pickle::SerOptions::new(),
                    )
                    .is_ok()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
