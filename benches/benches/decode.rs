//! Decoding to a `Document`; serde-pickle and deser-pickle beside.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logrecord_benches::{large, peers, records};
use pickle_codec::{Decoder, decode, instructions};

fn document(c: &mut Criterion) {
    for input in records().into_iter().chain(large().unwrap_or_default()) {
        let mut group = c.benchmark_group(format!("decode/{}", input.name));
        group.throughput(Throughput::Bytes(u64::try_from(input.bytes.len()).unwrap_or(0)));
        let mut decoder = Decoder::new();
        group.bench_function("document", |b| {
            b.iter(|| {
                if let Ok(document) = decoder.decode(black_box(&input.bytes)) {
                    decoder.recycle(black_box(document));
                }
            });
        });
        group.bench_function("document, new decoder", |b| b.iter(|| decode(black_box(&input.bytes)).is_ok()));
        group.bench_function("instructions", |b| b.iter(|| instructions(black_box(&input.bytes)).count()));
        group.bench_function("serde-pickle", |b| b.iter(|| peers::serde_pickle(&input)));
        if peers::deser(&input) {
            group.bench_function("deser-pickle", |b| b.iter(|| peers::deser(&input)));
        }
        group.finish();
    }
}

criterion_group!(benches, document);
criterion_main!(benches);
