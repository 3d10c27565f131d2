//! Log records: read, by the fast way and in general, and written; serde-pickle and deser-pickle beside.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logrecord_benches::{peers, records};
use logrecord_model::{LogRecord, RecordDecoder};

fn from_pickle(c: &mut Criterion) {
    for input in records() {
        let mut group = c.benchmark_group(format!("record/{}", input.name));
        group.throughput(Throughput::Bytes(u64::try_from(input.bytes.len()).unwrap_or(0)));
        group.bench_function("from_pickle", |b| {
            b.iter(|| LogRecord::from_pickle(black_box(&input.bytes)).is_ok());
        });
        let mut decoder = RecordDecoder::new();
        group.bench_function("decoder", |b| b.iter(|| decoder.decode(black_box(&input.bytes)).is_ok()));
        group.bench_function("decode_general", |b| {
            b.iter(|| decoder.decode_general(black_box(&input.bytes)).is_ok());
        });
        group.bench_function("serde-pickle", |b| b.iter(|| peers::serde_pickle(&input)));
        if peers::deser(&input) {
            group.bench_function("deser-pickle", |b| b.iter(|| peers::deser(&input)));
        }
        group.finish();
    }
}

fn to_pickle(c: &mut Criterion) {
    for input in records() {
        let Ok(record) = LogRecord::from_pickle(&input.bytes) else { continue };
        let mut group = c.benchmark_group(format!("record/{}", input.name));
        let mut buffer = Vec::new();
        group.bench_function("to_pickle", |b| {
            b.iter(|| {
                buffer.clear();
                black_box(&record).to_pickle(&mut buffer).is_ok()
            });
        });
        let mut line = Vec::new();
        group.bench_function("write_json", |b| {
            b.iter(|| {
                line.clear();
                black_box(&record).write_json(None, &mut line);
                line.len()
            });
        });
        group.bench_function("message", |b| b.iter(|| black_box(&record).message().as_bytes().len()));
        group.finish();
    }
}

criterion_group!(benches, from_pickle, to_pickle);
criterion_main!(benches);
