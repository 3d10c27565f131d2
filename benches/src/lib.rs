//! Inputs shared by the benchmarks.
//!
//! Records are real ones, captured from CPython's `SocketHandler` (`testdata/frames`); the three large inputs are
//! those that the project's figures name, in the bytes that CPython writes for them.
#![forbid(unsafe_code)]

pub mod peers;
pub mod structs;
pub mod works;

use bytes::{Bytes, BytesMut};
use logrecord_frame::{FrameDecoder, encode_frame};
use pickle_codec::{Encoder, Node, Protocol, decode};

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

/// The records: a stock one of 21 attributes, the same with flat and with nested `extra`, in another order of the
/// keys, and in Python 2's layout.
#[must_use]
pub fn records() -> Vec<Input> {
    let stock = record("worker_plain.3.13");
    let other_order = reversed(&stock).unwrap_or_default();
    let flat = with_extra(&stock).unwrap_or_default();
    vec![
        Input { name: "stock", bytes: stock },
        Input { name: "extra", bytes: flat },
        Input { name: "nested extra", bytes: record("worker_nested_extra.3.13") },
        Input { name: "other order", bytes: other_order },
        Input { name: "python 2", bytes: record("worker_plain.2.7") },
    ]
}

/// The pairs of a record, all of whose values are scalars.
fn write_pairs<'d, 'a: 'd>(
    encoder: &mut Encoder<'_, Vec<u8>>,
    pairs: impl Iterator<Item = (Node<'d, 'a>, Node<'d, 'a>)>,
) -> pickle_codec::Result<()> {
    for node in pairs.flat_map(|(key, value)| [key, value]) {
        match node {
            Node::Str(text) => encoder.str(text.as_str().unwrap_or_default())?,
            Node::Int(value) => encoder.int(value)?,
            Node::Float(value) => encoder.float(value)?,
            Node::Bool(value) => encoder.bool(value)?,
            _ => encoder.none()?,
        }
    }
    Ok(())
}

/// The record with its keys in the opposite order, as a program that builds the dict itself may send it.
fn reversed(record: &[u8]) -> pickle_codec::Result<Vec<u8>> {
    let document = decode(record)?;
    let mut encoder = Encoder::new(Vec::new(), Protocol::V1);
    if let Node::Dict(pairs) = document.root().view() {
        encoder.begin_dict(pairs.len())?;
        let mut backwards: Vec<_> = pairs.iter().map(|(key, value)| (key.view(), value.view())).collect();
        backwards.reverse();
        write_pairs(&mut encoder, backwards.into_iter())?;
        encoder.end()?;
    }
    encoder.finish()
}

/// The record with four attributes of the application's own.
fn with_extra(record: &[u8]) -> pickle_codec::Result<Vec<u8>> {
    let document = decode(record)?;
    let mut encoder = Encoder::new(Vec::new(), Protocol::V1);
    if let Node::Dict(pairs) = document.root().view() {
        encoder.begin_dict(pairs.len() + 4)?;
        write_pairs(&mut encoder, pairs.iter().map(|(key, value)| (key.view(), value.view())))?;
        encoder.str("request_id")?;
        encoder.str("7f3c9a52-8e1d-4b6f-a0c4-2d5e8f917b36")?;
        encoder.str("user")?;
        encoder.str("alice")?;
        encoder.str("status")?;
        encoder.int(200)?;
        encoder.str("duration")?;
        encoder.float(0.012_5)?;
        encoder.end()?;
    }
    encoder.finish()
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
