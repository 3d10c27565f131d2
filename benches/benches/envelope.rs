//! The envelope beside the `hmac` crate alone, which has its key prepared.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use logrecord_benches::works::{BODY, SECRET, covered, sealed};

fn envelope(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(u64::try_from(BODY.len()).unwrap_or(0)));
    let Ok((mut sealer, verifier, envelope)) = sealed() else { return };
    let mut buffer = Vec::new();
    group.bench_function("seal", |b| {
        b.iter(|| {
            buffer.clear();
            sealer.seal_into(0, black_box(&BODY), &mut buffer).is_ok()
        });
    });
    group.bench_function("verify", |b| b.iter(|| verifier.verify(0, black_box(envelope.clone())).is_ok()));
    let Ok(prepared) = Hmac::<sha2::Sha256>::new_from_slice(&SECRET) else { return };
    let signed = covered(&envelope);
    group.bench_function("hmac crate alone", |b| {
        b.iter(|| {
            let mut mac = prepared.clone();
            mac.update(black_box(&signed));
            mac.finalize().into_bytes()
        });
    });
    group.finish();
}

criterion_group!(benches, envelope);
criterion_main!(benches);
