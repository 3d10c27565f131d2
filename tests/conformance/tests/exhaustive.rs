//! Every small input, and every pair of instructions with operands at their boundaries.
//!
//! Each goes through the decoder under every policy, through the push decoder byte by byte, `instructions` and
//! `inspect`. None may panic, all must agree, and a decode may take no more memory than its bound. The allocator
//! counts for the whole process, so the tests here run one at a time.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test fails the test, and its figures are worth a look"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use peak_alloc::PeakAlloc;
use pickle_codec::inspect::{Verdict, inspect};
use pickle_codec::{DecodeOptions, Decoder, Globals, Opcode, PushDecoder, decode, instructions};
use testkit::hostile::encodings::{BEFORE, encodings};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What a decode may take beside 32 bytes for each byte of input.
const HEAP_BASE: usize = 64 << 10;

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Trial {
    decoders: Vec<Decoder>,
    inputs: u64,
    /// Inputs that are a pickle under some policy.
    good: u64,
}

impl Trial {
    fn new() -> Self {
        let decoder = |policy| Decoder::with_options(DecodeOptions::new().globals(policy));
        Self { decoders: POLICIES.map(decoder).into(), inputs: 0, good: 0 }
    }

    /// One input in every way.
    fn all(&mut self, input: &[u8]) {
        let mut good = false;
        for decoder in &mut self.decoders {
            if let Ok(document) = decoder.decode(input) {
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
        assert!(instructions(input).count() <= input.len() + 1, "more instructions than bytes");
        std::hint::black_box(inspect(input));
        self.inputs += 1;
        self.good += u64::from(good);
    }

    /// One input in every way, with the heap watched.
    fn measured(&mut self, input: &[u8]) {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        self.all(input);
        let peak = HEAP.peak_usage().saturating_sub(before);
        assert!(peak <= HEAP_BASE + 32 * input.len(), "{}: {peak} bytes of heap", input.escape_ascii());
    }
}

#[test]
fn inputs_of_two_bytes_and_pairs_of_instructions() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut trial = Trial::new();
    trial.measured(b"");
    for first in 0..=255 {
        trial.measured(&[first]);
        for second in 0..=255 {
            trial.measured(&[first, second]);
            let data = decode(&[first, second]).is_ok();
            let seen = inspect(&[first, second]);
            let plain = seen.iter().all(|seen| seen.verdict == Verdict::DataOnly && seen.stop.is_none());
            assert_eq!(plain, data, "{first} {second}");
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
                trial.measured(&input);
            }
        }
    }
    println!("{} inputs, {} of them pickles to someone", trial.inputs, trial.good);
}

#[test]
#[ignore = "16.8 million inputs take a minute with optimization: cargo xtask exhaustive"]
fn inputs_of_three_bytes() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let next = AtomicU64::new(0);
    let trials: Vec<Trial> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| three_bytes(&next))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let peak = HEAP.peak_usage().saturating_sub(before);
    let sum = |count: fn(&Trial) -> u64| trials.iter().map(count).sum::<u64>();
    let inputs = sum(|trial| trial.inputs);
    println!(
        "{inputs} inputs, {} of them pickles to someone: {:.1} s, {peak} bytes of heap on {threads} threads",
        sum(|trial| trial.good),
        start.elapsed().as_secs_f64()
    );
    assert_eq!(inputs, 1 << 24);
    assert!(peak <= HEAP_BASE * threads, "{peak} bytes of heap");
}

/// Takes first bytes until there are no more.
fn three_bytes(next: &AtomicU64) -> Trial {
    let mut trial = Trial::new();
    while let Ok(first) = u8::try_from(next.fetch_add(1, Ordering::Relaxed)) {
        for second in 0..=255 {
            for third in 0..=255 {
                trial.all(&[first, second, third]);
            }
        }
    }
    trial
}
