//! However a stream is cut into pieces, and in whatever way it is fed, the same frames come out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a property that does not hold must fail the test"
)]

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use logrecord_frame::{ErrorKind, FrameDecoder, FrameReader, MAX_SKIP_LEN, encode_frame};
use proptest::prelude::*;

/// What a stream comes to: its frames, and how it ended.
type Outcome = (Vec<Vec<u8>>, Result<(), ErrorKind>);

/// The rules of the format, as simple as they can be said, for a receiver that skips what is over its limit and for
/// one that closes.
fn model(stream: &[u8], max: u32, skips: bool) -> Outcome {
    let mut frames = Vec::new();
    let mut rest = stream;
    loop {
        if rest.is_empty() {
            return (frames, Ok(()));
        }
        let Some((prefix, behind)) = rest.split_first_chunk::<4>() else {
            return (frames, Err(ErrorKind::Truncated));
        };
        let len = u32::from_be_bytes(*prefix);
        // Nothing is skipped before the first 64 bytes are there to be looked at.
        let is_told = behind.len() + 4 >= 64.min(len as usize + 4);
        if len > max && !(skips && is_told && len <= MAX_SKIP_LEN) {
            return (frames, Err(ErrorKind::TooLong));
        }
        let Some((frame, behind)) = behind.split_at_checked(len.try_into().unwrap()) else {
            return (frames, Err(ErrorKind::Truncated));
        };
        // What is over the limit is skipped, and what is empty is nothing.
        if len <= max && len > 0 {
            frames.push(frame.to_vec());
        }
        rest = behind;
    }
}

/// Feeds the pieces in the ways that `ways` says, and takes frames after some of them.
fn decode(stream: &[u8], max: u32, cuts: &[usize], ways: &[u8]) -> Outcome {
    let mut decoder = FrameDecoder::with_max_frame_len(max);
    let mut frames = Vec::new();
    let mut rest = stream;
    let mut ways = ways.iter().copied().cycle();
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cuts.next().unwrap_or(1).clamp(1, rest.len()));
        rest = behind;
        let way = ways.next().unwrap_or(0);
        match way & 3 {
            0 => decoder.feed(Bytes::copy_from_slice(piece)),
            1 => decoder.feed_slice(piece),
            _ => decoder.spare(piece.len()).extend_from_slice(piece),
        }
        if way & 4 == 0 {
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => frames.push(frame.to_vec()),
                    Ok(None) => break,
                    Err(oversized) if decoder.skip_oversized() => assert!(oversized.len > max),
                    Err(_) => return (frames, Err(ErrorKind::TooLong)),
                }
            }
        }
    }
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => frames.push(frame.to_vec()),
            Ok(None) => return (frames, decoder.finish().map_err(|error| error.kind())),
            Err(oversized) if decoder.skip_oversized() => assert!(oversized.len > max),
            Err(_) => return (frames, Err(ErrorKind::TooLong)),
        }
    }
}

/// A reader whose reads give as much as `cuts` says.
struct Cut<'a> {
    rest: &'a [u8],
    cuts: Vec<usize>,
    turn: usize,
}

impl Read for Cut<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let cut = self.cuts[self.turn % self.cuts.len()].max(1);
        self.turn += 1;
        let (piece, rest) = self.rest.split_at(cut.min(self.rest.len()).min(buf.len()));
        buf[..piece.len()].copy_from_slice(piece);
        self.rest = rest;
        Ok(piece.len())
    }
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let payloads = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..12);
    let whole = payloads.prop_map(|payloads| {
        let mut wire = Vec::new();
        payloads.iter().for_each(|payload| encode_frame(payload, &mut wire).unwrap());
        wire
    });
    prop_oneof![
        4 => whole.clone(),
        2 => (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut wire, end)| {
            let end = end.index(wire.len() + 1);
            wire.truncate(end);
            wire
        }),
        1 => (whole, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(mut wire, tail)| {
            wire.extend(tail);
            wire
        }),
        1 => prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_frames(
        stream in streams(),
        max in prop_oneof![Just(1_u32 << 20), 0..100_u32],
        cuts in prop::collection::vec(1..40_usize, 1..20),
        ways in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let expected = model(&stream, max, true);
        prop_assert_eq!(&decode(&stream, max, &[usize::MAX], &[0]), &expected);
        prop_assert_eq!(&decode(&stream, max, &cuts, &ways), &expected);

        let mut reader = FrameReader::with_max_frame_len(Cut { rest: &stream, cuts, turn: 0 }, max);
        let mut frames = Vec::new();
        let end = loop {
            match reader.read_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break Err(ErrorKind::Truncated),
                Err(_) => break Err(ErrorKind::TooLong),
            }
        };
        prop_assert_eq!((frames, end), model(&stream, max, false));
    }

    #[test]
    fn progress_is_told_the_same_before_and_after_frames_are_taken(
        stream in streams(),
        cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let mut taking = FrameDecoder::new();
        let mut keeping = FrameDecoder::new();
        let (mut rest, mut turn) = (&stream[..], 0);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
            (rest, turn) = (behind, turn + 1);
            taking.feed_slice(piece);
            keeping.feed(Bytes::copy_from_slice(piece));
            while let Ok(Some(_)) = taking.next_frame() {}
            if taking.next_frame().is_err() {
                break;
            }
            prop_assert_eq!(taking.is_mid_frame(), keeping.is_mid_frame());
            prop_assert_eq!(taking.declared(), keeping.declared());
            prop_assert_eq!(taking.missing(), keeping.missing());
            prop_assert_eq!(taking.finish(), keeping.finish());
            prop_assert_eq!(taking.is_mid_frame(), taking.buffered() > 0);
        }
    }
}

#[test]
fn the_read_buffer_is_used_again() {
    let mut wire = BytesMut::new();
    while wire.len() < 64 << 10 {
        encode_frame(&[1; 600], &mut wire).unwrap();
    }
    wire.truncate(64 << 10);
    let mut decoder = FrameDecoder::new();
    let mut places = std::collections::BTreeSet::new();
    for _ in 0..1 {
        let input = decoder.spare(64 << 10);
        places.insert(input.as_ptr());
        input.extend_from_slice(&wire);
        while decoder.next_frame().unwrap().is_some() {}
    }
    for _ in 0..50 {
        // Whatever the stream says after the cut: only the memory matters here.
        let missing = decoder.missing();
        let input = decoder.spare(64 << 10);
        places.insert(input.as_ptr());
        input.extend_from_slice(&vec![2; missing]);
        input.extend_from_slice(&wire[..(64 << 10) - missing]);
        while decoder.next_frame().unwrap().is_some() {}
    }
    assert!(places.len() <= 2, "{} buffers", places.len());
}

#[cfg(feature = "codec")]
mod codec {
    //! The codec gives the same frames as the decoder.

    use super::*;
    use logrecord_frame::FrameCodec;
    use tokio_util::codec::Decoder;

    proptest! {
        #[test]
        fn the_codec_equals_the_decoder(
            stream in streams(),
            max in prop_oneof![Just(1_u32 << 20), 0..100_u32],
            cuts in prop::collection::vec(1..40_usize, 1..20),
        ) {
            let mut codec = FrameCodec::with_max_frame_len(max);
            let mut buffer = BytesMut::new();
            let mut frames = Vec::new();
            let (mut rest, mut turn) = (&stream[..], 0);
            let mut end = Ok(());
            while !rest.is_empty() && end.is_ok() {
                let (piece, behind) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
                (rest, turn) = (behind, turn + 1);
                buffer.extend_from_slice(piece);
                loop {
                    match codec.decode(&mut buffer) {
                        Ok(Some(frame)) => frames.push(frame.to_vec()),
                        Ok(None) => break,
                        Err(_) => {
                            end = Err(ErrorKind::TooLong);
                            break;
                        }
                    }
                }
            }
            if end.is_ok() && codec.decode_eof(&mut buffer).is_err() {
                end = Err(ErrorKind::Truncated);
            }
            prop_assert_eq!((frames, end), model(&stream, max, false));
        }
    }
}
