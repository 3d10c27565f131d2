//! Every input of up to two bytes, and every pair of instructions with operands at their boundaries.
//!
//! `cargo xtask exhaustive` does the same with three bytes, where it is optimized. The allocator counts for the
//! whole process, so this file holds one test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

mod hostile;

use hostile::encodings::{BEFORE, encodings};
use peak_alloc::PeakAlloc;
use pickle_codec::inspect::{Verdict, inspect};
use pickle_codec::{DecodeOptions, Decoder, Globals, Opcode, PushDecoder, decode, instructions};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One input in every way: none panics, all decode alike, and a decode takes no more than it may.
fn all(decoders: &mut [Decoder], input: &[u8]) {
    let mut good = false;
    for decoder in decoders {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let result = decoder.decode(input);
        let taken = HEAP.peak_usage().saturating_sub(before);
        assert!(taken <= (64 << 10) + 32 * input.len(), "{}: {taken} bytes", input.escape_ascii());
        if let Ok(document) = result {
            good = true;
            decoder.recycle(document);
        }
    }
    let mut pushed = PushDecoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    let mut fed = Ok(());
    for byte in input.chunks(1) {
        fed = fed.and_then(|()| pushed.feed(byte)).and_then(|()| pushed.next_document().map(|_| ()));
    }
    let whole = fed.and_then(|()| pushed.finish()).is_ok();
    assert!(whole || !good, "{}: a whole pickle, and none in pieces", input.escape_ascii());
    assert!(instructions(input).count() <= input.len() + 1);
}

fn decoders() -> Vec<Decoder> {
    let decoder = |policy| Decoder::with_options(DecodeOptions::new().globals(policy));
    [Globals::Reject, Globals::Known, Globals::Inert].map(decoder).into()
}

#[test]
fn short_inputs_and_pairs_of_instructions() {
    let mut decoders = decoders();
    all(&mut decoders, b"");
    for first in 0..=255 {
        all(&mut decoders, &[first]);
        for second in 0..=255 {
            all(&mut decoders, &[first, second]);
            let data = decode(&[first, second]).is_ok();
            assert_eq!(inspect(&[first, second]) == Verdict::DataOnly, data, "{first} {second}");
        }
    }
    let encodings = encodings();
    for opcode in Opcode::ALL {
        assert!(encodings.iter().any(|encoding| encoding.first() == Some(&opcode.code())), "{opcode}");
    }
    let mut input = Vec::new();
    // Without optimization one of them has to do.
    for start in BEFORE.iter().take(if cfg!(debug_assertions) { 1 } else { BEFORE.len() }) {
        for first in &encodings {
            for second in &encodings {
                input.clear();
                for part in [*start, first, second, b"."] {
                    input.extend_from_slice(part);
                }
                all(&mut decoders, &input);
            }
        }
    }
}
