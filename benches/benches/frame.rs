//! Frames out of a stream, and the envelope beside the `hmac` crate alone.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use logrecord_benches::{read_frames, stream};
use logrecord_frame::envelope::{Key, KeyId, KeyRing, Sealer, Verifier};

fn frames(c: &mut Criterion) {
    let stream = stream(8 << 20);
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Bytes(u64::try_from(stream.len()).unwrap_or(0)));
    group.bench_function("decode, 64 KiB chunks", |b| b.iter(|| read_frames(black_box(&stream))));
    group.finish();
}

fn envelope(c: &mut Criterion) {
    let body = [b'x'; 1024];
    let secret = [7; 32];
    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(1024));
    let made = KeyId::new(b"app").and_then(|id| Key::new(id, &secret));
    let Ok(key) = made else { return };
    let Ok(mut sealer) = Sealer::new(&key, b"", [9; 16]) else { return };
    let mut sealed = Vec::new();
    group.bench_function("seal", |b| {
        b.iter(|| {
            sealed.clear();
            sealer.seal_into(0, black_box(&body), &mut sealed).is_ok()
        });
    });
    let envelope = Bytes::from(sealed.clone());
    let mut ring = KeyRing::new();
    if ring.accept(key).is_err() {
        return;
    }
    let Ok(verifier) = Verifier::new(&ring, b"") else { return };
    group.bench_function("verify", |b| b.iter(|| verifier.verify(0, black_box(envelope.clone())).is_ok()));
    let Ok(prepared) = Hmac::<sha2::Sha256>::new_from_slice(&secret) else { return };
    group.bench_function("hmac crate alone", |b| {
        b.iter(|| {
            let mut mac = prepared.clone();
            mac.update(black_box(&envelope[..envelope.len() - 32]));
            mac.finalize().into_bytes()
        });
    });
    group.finish();
}

criterion_group!(benches, frames, envelope);
criterion_main!(benches);
