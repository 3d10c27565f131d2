//! Measures what `cargo xtask bench` compares: writes the inputs to a folder, and prints nanoseconds.
//!
//! Each line is a work, a side (`here`, `serde-pickle` or `hmac`) and the best of several rounds in nanoseconds,
//! with tabs between.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use logrecord_benches::{Input, large, read_frames, records, stream};
use logrecord_frame::envelope::{Key, KeyId, KeyRing, Sealer, Verifier};
use logrecord_model::{LogRecord, RecordDecoder};
use pickle_codec::{Decoder, EncodeOptions, Protocol};
use serde_pickle::{DeOptions, SerOptions};

type Failure = Box<dyn std::error::Error>;

/// The best mean of many short rounds: some of them a busy machine leaves alone.
fn measure(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let once = start.elapsed().max(Duration::from_nanos(20));
    let count = u32::try_from(Duration::from_millis(2).as_nanos() / once.as_nanos()).unwrap_or(1).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..60 {
        let start = Instant::now();
        for _ in 0..count {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(count));
    }
    best * 1e9
}

fn line(work: &str, side: &str, nanoseconds: f64) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{work}\t{side}\t{nanoseconds:.1}")?)
}

fn documents(input: &Input) -> Result<(), Failure> {
    let mut decoder = Decoder::new();
    let here = measure(|| {
        if let Ok(document) = decoder.decode(black_box(&input.bytes)) {
            decoder.recycle(black_box(document));
        }
    });
    line(&format!("loads {}", input.name), "here", here)?;
    let peer = measure(|| drop(serde_pickle::value_from_slice(black_box(&input.bytes), DeOptions::new())));
    line(&format!("loads {}", input.name), "serde-pickle", peer)
}

fn record(input: &Input) -> Result<(), Failure> {
    let mut decoder = RecordDecoder::new();
    let here = measure(|| {
        drop(black_box(decoder.decode(black_box(&input.bytes))));
    });
    line(&format!("record {}", input.name), "here", here)?;
    let record = LogRecord::from_pickle(&input.bytes)?;
    let mut buffer = Vec::with_capacity(4096);
    let here = measure(|| {
        buffer.clear();
        drop(black_box(black_box(&record).to_pickle(&mut buffer)));
    });
    line(&format!("dumps {}", input.name), "here", here)?;
    let value = serde_pickle::value_from_slice(&input.bytes, DeOptions::new())?;
    let peer = measure(|| {
        buffer.clear();
        drop(serde_pickle::value_to_writer(&mut buffer, black_box(&value), SerOptions::new()));
    });
    line(&format!("dumps {}", input.name), "serde-pickle", peer)
}

fn bytes_and_frames() -> Result<(), Failure> {
    for size in [1 << 20, 64 << 20] {
        let mut pickle = vec![b'B'];
        pickle.extend(u32::try_from(size)?.to_le_bytes());
        pickle.resize(5 + size, b'x');
        pickle.push(b'.');
        let mut decoder = Decoder::new();
        let here = measure(|| {
            if let Ok(document) = decoder.decode(black_box(&pickle)) {
                decoder.recycle(black_box(document));
            }
        });
        line(&format!("bytes of {} MiB, borrowed", size >> 20), "here", here)?;
        let document = decoder.decode(&pickle)?;
        let options = EncodeOptions::new(Protocol::V3);
        let mut buffer = Vec::with_capacity(size + 64);
        let here = measure(|| {
            let mut reused = std::mem::take(&mut buffer);
            reused.clear();
            buffer = black_box(&document).encode_into(reused, options).unwrap_or_default();
        });
        line(&format!("bytes of {} MiB, copied out", size >> 20), "here", here)?;
    }
    let frames = stream(8 << 20);
    let payload = read_frames(&frames);
    let here = measure(|| {
        black_box(read_frames(black_box(&frames)));
    });
    line(&format!("frames, {payload} bytes of payload"), "here", here)
}

fn envelope() -> Result<(), Failure> {
    let (body, secret) = ([b'x'; 1024], [7; 32]);
    let key = Key::new(KeyId::new(b"app")?, &secret)?;
    let mut sealer = Sealer::new(&key, b"", [9; 16])?;
    let mut sealed = Vec::with_capacity(2048);
    let seal = measure(|| {
        sealed.clear();
        black_box(sealer.seal_into(0, black_box(&body), &mut sealed).is_ok());
    });
    let envelope = Bytes::from(sealed);
    let mut ring = KeyRing::new();
    ring.accept(key)?;
    let verifier = Verifier::new(&ring, b"")?;
    let open = measure(|| drop(black_box(verifier.verify(0, black_box(envelope.clone())))));
    let prepared = Hmac::<sha2::Sha256>::new_from_slice(&secret)?;
    let signed = &envelope[..envelope.len() - 32];
    let alone = measure(|| {
        let mut mac = prepared.clone();
        mac.update(black_box(signed));
        black_box(mac.finalize());
    });
    for (work, here) in [("envelope seal", seal), ("envelope verify", open)] {
        line(work, "here", here)?;
        line(work, "hmac", alone)?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("a folder for the inputs is missing")?);
    for input in records() {
        std::fs::write(folder.join(input.name), &input.bytes)?;
        record(&input)?;
        documents(&input)?;
    }
    for input in large()? {
        std::fs::write(folder.join(input.name), &input.bytes)?;
        documents(&input)?;
    }
    bytes_and_frames()?;
    envelope()
}
