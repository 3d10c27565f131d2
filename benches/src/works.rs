//! The works that are measured: each is a name and something to do again and again.

use std::fmt;
use std::hint::black_box;

use bytes::Bytes;
use logrecord_frame::envelope::{Key, KeyId, KeyRing, Sealer, Verifier};
use logrecord_model::{LogRecord, RecordDecoder, SourceInfo};
use pickle_codec::{Decoder, EncodeOptions, Protocol};

use crate::{Input, large, read_frames, records, stream};

/// Why a work could not be prepared.
pub type Failure = Box<dyn std::error::Error>;

/// A work: its name, and one turn of it.
pub struct Work {
    /// What the tables call it.
    pub name: String,
    /// Does it once; tells whether it went well.
    pub turn: Box<dyn FnMut() -> bool>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(crate) fn work(name: String, turn: impl FnMut() -> bool + 'static) -> Work {
    Work { name, turn: Box::new(turn) }
}

/// All works, in the order of the table.
///
/// # Errors
///
/// When an input is missing or is not what it should be.
pub fn works() -> Result<Vec<Work>, Failure> {
    let mut works = Vec::new();
    for input in records() {
        record(&input, &mut works)?;
        documents(input, &mut works);
    }
    for input in large()? {
        documents(input, &mut works);
    }
    bytes_and_frames(&mut works)?;
    envelope(&mut works)?;
    Ok(works)
}

/// The works on single records and envelopes, whose inputs are made with few instructions.
///
/// # Errors
///
/// As [`works`].
pub fn small_works() -> Result<Vec<Work>, Failure> {
    let mut works = Vec::new();
    for input in records() {
        record(&input, &mut works)?;
        documents(input, &mut works);
    }
    envelope(&mut works)?;
    Ok(works)
}

fn documents(input: Input, works: &mut Vec<Work>) {
    let bytes = input.bytes.clone();
    works.push(work(format!("scan {}", input.name), move || {
        let seen = pickle_codec::inspect::inspect(black_box(&bytes));
        black_box(seen).first().is_some_and(|seen| seen.stop.is_none())
    }));
    let mut decoder = Decoder::new();
    works.push(work(format!("loads {}", input.name), move || {
        match decoder.decode(black_box(&input.bytes)) {
            Ok(document) => {
                decoder.recycle(black_box(document));
                true
            }
            Err(_) => false,
        }
    }));
}

fn record(input: &Input, works: &mut Vec<Work>) -> Result<(), Failure> {
    if input.name == "stock" {
        let bytes = input.bytes.clone();
        works.push(work("from_pickle stock".to_owned(), move || {
            black_box(LogRecord::from_pickle(black_box(&bytes))).is_ok()
        }));
    }
    let bytes = input.bytes.clone();
    let mut decoder = RecordDecoder::new();
    works.push(work(format!("record {}", input.name), move || {
        black_box(decoder.decode(black_box(&bytes))).is_ok()
    }));
    let record = LogRecord::from_pickle(&input.bytes)?.into_owned();
    let again = record.clone();
    let mut buffer = Vec::with_capacity(4096);
    works.push(work(format!("dumps {}", input.name), move || {
        buffer.clear();
        black_box(black_box(&record).to_pickle(&mut buffer)).is_ok()
    }));
    let mut buffer = Vec::with_capacity(4096);
    works.push(work(format!("json {}", input.name), move || {
        buffer.clear();
        let source = SourceInfo { transport: "tcp", peer: Some("127.0.0.1:50000"), key_id: None };
        black_box(&again).write_json(Some(&source), &mut buffer);
        !black_box(&buffer).is_empty()
    }));
    Ok(())
}

/// The pickle of one `bytes` object, of this many MiB.
fn blob(mebibytes: usize) -> Result<Vec<u8>, Failure> {
    let size = mebibytes << 20;
    let mut pickle = vec![b'B'];
    pickle.extend(u32::try_from(size)?.to_le_bytes());
    pickle.resize(5 + size, b'x');
    pickle.push(b'.');
    Ok(pickle)
}

fn bytes_and_frames(works: &mut Vec<Work>) -> Result<(), Failure> {
    for size in [1, 64] {
        let pickle = blob(size)?;
        let mut decoder = Decoder::new();
        works.push(work(format!("bytes of {size} MiB, borrowed"), move || {
            match decoder.decode(black_box(&pickle)) {
                Ok(document) => {
                    decoder.recycle(black_box(document));
                    true
                }
                Err(_) => false,
            }
        }));
        // The document and what it borrows live as long as the program, which measures and ends.
        let pickle: &'static [u8] = blob(size)?.leak();
        let document = Decoder::new().decode(pickle)?;
        works.push(work(format!("bytes of {size} MiB, segments"), move || {
            black_box(black_box(&document).to_segments(EncodeOptions::new(Protocol::V3))).is_ok()
        }));
    }
    let frames = stream(8 << 20);
    let payload = read_frames(&frames);
    works.push(work(format!("frames, {payload} bytes of payload"), move || {
        read_frames(black_box(&frames)) == payload
    }));
    Ok(())
}

/// The secret of the envelopes' key.
pub const SECRET: [u8; 32] = [7; 32];

/// The body of the envelopes.
pub const BODY: [u8; 1024] = [b'x'; 1024];

/// An envelope around the body, and the verifier that accepts it.
///
/// # Errors
///
/// None that a correct library gives.
pub fn sealed() -> Result<(Sealer, Verifier, Bytes), Failure> {
    let key = Key::new(KeyId::new(b"app")?, &SECRET)?;
    let mut sealer = Sealer::new(&key, b"", [9; 16])?;
    let mut envelope = Vec::new();
    sealer.seal_into(0, &BODY, &mut envelope)?;
    let mut ring = KeyRing::new();
    ring.accept(key)?;
    Ok((sealer, Verifier::new(&ring, b"")?, Bytes::from(envelope)))
}

/// All that the tag of an envelope covers: label, audience and length stand beside what is sent.
#[must_use]
pub fn covered(envelope: &[u8]) -> Vec<u8> {
    let header = envelope.len().saturating_sub(32 + BODY.len());
    let mut bytes = b"logrecord-envelope-v1\0\0\0".to_vec();
    bytes.extend_from_slice(envelope.get(..header).unwrap_or_default());
    bytes.extend_from_slice(&1024_u32.to_be_bytes());
    bytes.extend_from_slice(&BODY);
    bytes
}

fn envelope(works: &mut Vec<Work>) -> Result<(), Failure> {
    let (mut sealer, verifier, envelope) = sealed()?;
    let mut sealed = Vec::with_capacity(2048);
    works.push(work("envelope seal".to_owned(), move || {
        sealed.clear();
        sealer.seal_into(0, black_box(&BODY), &mut sealed).is_ok()
    }));
    works.push(work("envelope verify".to_owned(), move || {
        black_box(verifier.verify(0, black_box(envelope.clone()))).is_ok()
    }));
    Ok(())
}
