//! The target over streams of frames.

use bytes::Bytes;
use logrecord_frame::{Error, FrameDecoder, decode_datagram, encode_frame};

/// Small, so that the limit is met; a stock record is smaller still.
const MAX_FRAME_LEN: u32 = 896;

/// What a stream came to: its frames, and how it ended.
type Outcome = (Vec<Bytes>, Result<(), Error>);

/// How a stream is fed.
#[derive(Debug)]
enum Split {
    /// In pieces that the decoder may keep.
    Shared,
    /// In pieces that it must copy.
    Copied,
    /// Byte for byte.
    Bytes,
}

fn drain(decoder: &mut FrameDecoder, frames: &mut Vec<Bytes>) -> Result<(), Error> {
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return Ok(()),
            // What is too long is marked by an empty frame, which a stream cannot have.
            Err(oversized) if decoder.skip_oversized() => {
                assert!(oversized.len > MAX_FRAME_LEN);
                frames.push(Bytes::new());
            }
            Err(oversized) => return Err(oversized.into()),
        }
    }
}

fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>, shared: bool) -> Outcome {
    let mut decoder = FrameDecoder::with_max_frame_len(MAX_FRAME_LEN);
    let mut frames = Vec::new();
    for piece in pieces {
        if shared {
            decoder.feed(Bytes::copy_from_slice(piece));
        } else {
            decoder.feed_slice(piece);
        }
        if let Err(error) = drain(&mut decoder, &mut frames) {
            return (frames, Err(error));
        }
    }
    let end = decoder.finish();
    (frames, end)
}

/// In any split, and by either way in, a stream gives the frames that it gives unsplit; what was a frame encodes to
/// the bytes that it came from, and what was too long is skipped.
pub fn frame(data: &[u8]) {
    let whole = run(std::iter::once(data), true);
    for split in super::input::chosen(data, 0, &[Split::Shared, Split::Copied, Split::Bytes]) {
        let parts = match split {
            Split::Shared => run(super::input::pieces(data), true),
            Split::Copied => run(super::input::pieces(data), false),
            Split::Bytes => run(data.chunks(1), false),
        };
        assert_eq!(whole, parts, "{split:?}");
    }
    let mut rest = data;
    for frame in &whole.0 {
        // Frames of no bytes are passed over.
        while let Some(behind) = rest.strip_prefix(&[0; 4]) {
            rest = behind;
        }
        if frame.is_empty() {
            let (prefix, behind) = rest.split_first_chunk::<4>().expect("it was told");
            let len = u32::from_be_bytes(*prefix) as usize;
            assert!(len > MAX_FRAME_LEN as usize);
            rest = behind.get(len..).unwrap_or_default();
            continue;
        }
        assert!(frame.len() <= MAX_FRAME_LEN as usize);
        let mut again = Vec::new();
        encode_frame(frame, &mut again).expect("a frame that came in fits a frame");
        rest = rest.strip_prefix(&again[..]).expect("it stands where it came from");
    }
    let datagram = decode_datagram(Bytes::copy_from_slice(data), MAX_FRAME_LEN);
    if let Ok(payload) = &datagram {
        assert_eq!(whole.0.first(), Some(payload).filter(|payload| !payload.is_empty()));
    }
}
