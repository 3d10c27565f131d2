//! `cargo xtask exhaustive`: every input of up to three bytes, and every pair of instructions.
//!
//! Each goes through the decoder under every policy, through the push decoder byte by byte, `instructions` and
//! `inspect`. None may panic, and all that run at one time together stay within what one of them may take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use pickle_codec::inspect::inspect;
use pickle_codec::{DecodeOptions, Decoder, Globals, PushDecoder, instructions};

use crate::hostile::encodings::{BEFORE, encodings};
use crate::replay::{HEAP, HEAP_BASE};

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];

/// Tries them all.
///
/// # Errors
///
/// When memory passes the bound. A panic is one.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let next = AtomicU64::new(0);
    let counts: Vec<Counts> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| short(&next))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let peak = HEAP.peak_usage().saturating_sub(before);
    let sum = |count: fn(&Counts) -> u64| counts.iter().map(count).sum::<u64>();
    let inputs = sum(|counts| counts.inputs);
    println!(
        "{inputs} inputs of up to 3 bytes, {} of them pickles to someone: {:.1} s, {peak} bytes of heap on {threads} threads",
        sum(|counts| counts.good),
        start.elapsed().as_secs_f64()
    );
    ensure!(inputs == 1 + (1 << 8) + (1 << 16) + (1 << 24), "not every input was tried");
    ensure!(peak <= HEAP_BASE * threads, "exhaustive: {peak} bytes of heap");
    let start = Instant::now();
    let (counts, most) = pairs()?;
    println!(
        "{} pairs of instructions in {} places, {} of them pickles to someone: {:.1} s, most heap {most} bytes",
        counts.inputs,
        BEFORE.len(),
        counts.good,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

#[derive(Default)]
struct Counts {
    inputs: u64,
    good: u64,
}

/// Inputs of up to three bytes: takes first bytes until there are no more.
fn short(next: &AtomicU64) -> Counts {
    let mut trial = Trial::new();
    loop {
        match next.fetch_add(1, Ordering::Relaxed) {
            0 => trial.all(b""),
            first => match u8::try_from(first - 1) {
                Ok(first) => {
                    trial.all(&[first]);
                    for second in 0..=255 {
                        trial.all(&[first, second]);
                        for third in 0..=255 {
                            trial.all(&[first, second, third]);
                        }
                    }
                }
                Err(_) => return trial.counts,
            },
        }
    }
}

/// Every pair of instructions with operands at their boundaries, behind what gives them something to work on.
fn pairs() -> Result<(Counts, usize)> {
    let encodings = encodings();
    let mut trial = Trial::new();
    let mut most = 0;
    let mut input = Vec::new();
    for start in BEFORE {
        for first in &encodings {
            for second in &encodings {
                input.clear();
                for part in [start, first, second, b"."] {
                    input.extend_from_slice(part);
                }
                let before = HEAP.current_usage();
                HEAP.reset_peak_usage();
                trial.all(&input);
                let peak = HEAP.peak_usage().saturating_sub(before);
                ensure!(
                    peak <= HEAP_BASE + 32 * input.len(),
                    "{}: {peak} bytes of heap",
                    input.escape_ascii()
                );
                most = most.max(peak);
            }
        }
    }
    Ok((trial.counts, most))
}

struct Trial {
    decoders: Vec<Decoder>,
    counts: Counts,
}

impl Trial {
    fn new() -> Self {
        let decoder = |policy| Decoder::with_options(DecodeOptions::new().globals(policy));
        Self { decoders: POLICIES.map(decoder).into(), counts: Counts::default() }
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
        self.counts.inputs += 1;
        self.counts.good += u64::from(good);
    }
}
