//! Inputs shared by the benchmarks.
//!
//! Records are real ones, captured from CPython's `SocketHandler` (`testdata/frames`); the three large inputs are
//! those that the project's figures name, in the bytes that CPython writes for them.
#![forbid(unsafe_code)]

use bytes::{Bytes, BytesMut};
use logrecord_frame::{FrameDecoder, encode_frame};
use pickle_codec::{Encoder, Protocol};

/// One input: its name and its bytes.
#[derive(Clone, Debug)]
pub struct Input {
    /// What the tables call it.
    pub name: &'static str,
    /// The pickle.
    pub bytes: Vec<u8>,
}

/// The first record of a golden stream, or nothing where testdata is not at hand.
#[must_use]
pub fn record(stream: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/frames/");
    let bytes = std::fs::read(format!("{path}{stream}.frames")).unwrap_or_default();
    let mut decoder = FrameDecoder::new();
    decoder.feed(Bytes::from(bytes));
    decoder.next_frame().ok().flatten().unwrap_or_default().to_vec()
}

/// The records: a stock one of 21 attributes, one with nested `extra`, and one in Python 2's layout.
#[must_use]
pub fn records() -> Vec<Input> {
    [("stock", "worker_plain.3.13"), ("extra", "worker_nested_extra.3.13"), ("python 2", "worker_plain.2.7")]
        .map(|(name, stream)| Input { name, bytes: record(stream) })
        .to_vec()
}

/// 100,000 strings, 200,000 integers and 20,000 small dicts, in protocol 4.
///
/// # Errors
///
/// None that a correct encoder gives.
pub fn large() -> pickle_codec::Result<Vec<Input>> {
    let mut strings = Encoder::new(Vec::new(), Protocol::V4);
    strings.begin_list(100_000)?;
    for number in 0..100_000 {
        strings.str(&format!("{number:032}"))?;
    }
    strings.end()?;
    let mut integers = Encoder::new(Vec::new(), Protocol::V4);
    integers.begin_list(200_000)?;
    for number in 0..200_000_i64 {
        integers.int(number * 37 - 1_000_000)?;
    }
    integers.end()?;
    let mut dicts = Encoder::new(Vec::new(), Protocol::V4);
    dicts.begin_list(20_000)?;
    for number in 0..20_000_i64 {
        dicts.begin_dict(4)?;
        for key in ["name", "value", "flag", "note"] {
            dicts.str(key)?;
            match key {
                "value" => dicts.int(number)?,
                "flag" => dicts.bool(number % 2 == 0)?,
                _ => dicts.str(&format!("{key} {number}"))?,
            }
        }
        dicts.end()?;
    }
    dicts.end()?;
    Ok(vec![
        Input { name: "100,000 strings", bytes: strings.finish()? },
        Input { name: "200,000 ints", bytes: integers.finish()? },
        Input { name: "20,000 dicts", bytes: dicts.finish()? },
    ])
}

/// A stream of 600-byte frames, about `size` bytes long.
#[must_use]
pub fn stream(size: usize) -> Bytes {
    let mut stream = BytesMut::with_capacity(size);
    while stream.len() + 604 <= size {
        if encode_frame(&[b'x'; 600], &mut stream).is_err() {
            break;
        }
    }
    stream.freeze()
}

/// Reads a stream in chunks of 64 KiB and counts the payload.
#[must_use]
pub fn read_frames(stream: &Bytes) -> usize {
    let mut decoder = FrameDecoder::new();
    let mut payload = 0;
    let mut start = 0;
    while start < stream.len() {
        let end = (start + (64 << 10)).min(stream.len());
        decoder.feed(stream.slice(start..end));
        while let Ok(Some(frame)) = decoder.next_frame() {
            payload += frame.len();
        }
        start = end;
    }
    payload
}
