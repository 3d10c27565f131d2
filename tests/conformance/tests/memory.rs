//! What a decode may take: for every hostile pickle, memory in proportion to its length, and bounded time.
//!
//! The allocator counts for the whole process, so this file holds one test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]
#![allow(clippy::print_stdout, reason = "the figures are worth a look")]

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Limits, PushDecoder, Value};
use testkit::hostile::{self, encodings::LENGTHS};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];

/// Numbers of units. Where there are few, the fixed part is all that counts.
const COUNTS: &[usize] = if cfg!(debug_assertions) { &[5, 300] } else { &[10, 300, 2_000] };

/// Shapes of their own are also made this large.
const LARGE: &[usize] = if cfg!(debug_assertions) { &[2_000, 8_000] } else { &[30_000, 100_000] };

/// Calls that copy a shared argument each time: only the budget ends these.
const COPIES: [&str; 3] = ["one list of many sets", "one text of many calls", "one text of many encodes"];

/// The fixed part of what a decode may take.
const BASE: usize = 64 << 10;

/// Far more than any of these takes, and far less than what is not linear would take.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });

/// Runs `work` and gives what it took at its peak beside what there was before.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let result = work();
    (result, HEAP.peak_usage().saturating_sub(before))
}

#[derive(Default)]
struct Tally {
    inputs: usize,
    decodes: usize,
    values: usize,
    /// The largest share of what is allowed, and whose it is.
    most: (f64, String),
    slowest: (Duration, String),
    failures: Vec<String>,
}

impl Tally {
    fn family(&mut self, family: &hostile::Family, count: usize) {
        let input = (family.make)(count);
        self.inputs += 1;
        for policy in POLICIES {
            let name = || format!("{} x {count}, {policy:?}", family.name);
            let options = DecodeOptions::new().globals(policy);
            let start = Instant::now();
            let (result, peak) = measured(|| Decoder::with_options(options).decode(&input));
            let took = start.elapsed();
            self.decodes += 1;
            let allowed = BASE + 32 * input.len();
            if peak > allowed {
                let outcome = result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "value");
                self.failures.push(format!("{}: {peak} bytes for {} ({outcome})", name(), input.len()));
            }
            if let Err(error) = &result
                && error.kind() == ErrorKind::Budget
                && !COPIES.contains(&&*family.name)
            {
                self.failures.push(format!("{}: {error}", name()));
            }
            if took > TIME {
                self.failures.push(format!("{}: {took:?}", name()));
            }
            let share = as_float(peak) / as_float(allowed);
            if share > self.most.0 {
                self.most = (share, name());
            }
            if took > self.slowest.0 {
                self.slowest = (took, name());
            }
            // Where everything is described, every value that there is comes out.
            if policy == Globals::Inert
                && let Ok(document) = &result
            {
                self.value(&name(), document, input.len(), family.shares);
            }
        }
    }

    /// A value holds the factor that its documentation states.
    fn value(&mut self, name: &str, document: &pickle_codec::Document<'_>, len: usize, shares: bool) {
        let limits = Limits { max_value_depth: 1_024, ..Limits::default() };
        let most = if shares { limits.expansion(len) } else { 64 * len };
        let before = HEAP.current_usage();
        // Values that deep recurse when they are dropped, and a test's stack has room for them.
        match document.root().to_value_with(&limits) {
            Ok(value) => {
                let taken = HEAP.current_usage().saturating_sub(before);
                self.values += 1;
                if taken > most || value.heap_size() > most {
                    self.failures.push(format!("{name}: a value of {taken} bytes for {len}"));
                }
            }
            Err(error) => {
                let kind = error.kind();
                let fair = matches!(kind, ErrorKind::Depth | ErrorKind::Recursive)
                    || (shares && kind == ErrorKind::Budget);
                if !fair {
                    self.failures.push(format!("{name}: no value, {error}"));
                }
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "a figure to look at")]
fn as_float(number: usize) -> f64 {
    number as f64
}

/// Lengths that are announced and not held cost nothing, whoever reads them.
fn announced(tally: &mut Tally) {
    for opcode in b"TXBU\x8a\x8b\x8c\x8d\x8eC\x96\x95" {
        for len in LENGTHS {
            let bytes = len.to_le_bytes();
            let width = match opcode {
                b'U' | b'C' | 0x8a | 0x8c => 1,
                b'T' | b'X' | b'B' | 0x8b => 4,
                _ => 8,
            };
            let operand = bytes.get(..width).unwrap();
            for tail in [b"".as_slice(), b"a.", &[b'a'; 200]] {
                let input = [b"\x80\x04".as_slice(), &[*opcode], operand, tail].concat();
                tally.inputs += 1;
                for policy in POLICIES {
                    let options = DecodeOptions::new().globals(policy);
                    let (_, whole) =
                        measured(|| Decoder::with_options(options.clone()).decode(&input).is_ok());
                    let (_, pushed) = measured(|| {
                        let mut decoder = PushDecoder::with_options(options.clone());
                        let fed = input.chunks(3).try_for_each(|chunk| decoder.feed(chunk));
                        fed.and_then(|()| decoder.finish()).is_ok()
                    });
                    let (_, value) = measured(|| Value::from_slice_with(&input, &options).is_ok());
                    tally.decodes += 3;
                    if whole.max(pushed).max(value) > BASE {
                        let input = input.escape_ascii();
                        tally.failures.push(format!("{input}: {whole}, {pushed} pushed, {value} as value"));
                    }
                }
            }
        }
    }
}

#[test]
fn every_hostile_pickle_keeps_to_the_bounds() {
    let mut tally = Tally::default();
    announced(&mut tally);
    let shapes = hostile::shapes::families();
    for family in &shapes {
        for &count in COUNTS.iter().chain(LARGE) {
            tally.family(family, count);
        }
    }
    for family in hostile::families().iter().skip(shapes.len()) {
        for &count in COUNTS {
            tally.family(family, count);
        }
    }
    println!(
        "{} inputs, {} decodes, {} values; most memory {:.2} of what is allowed ({}); slowest {:?} ({})",
        tally.inputs,
        tally.decodes,
        tally.values,
        tally.most.0,
        tally.most.1,
        tally.slowest.0,
        tally.slowest.1
    );
    assert!(tally.inputs > 1_000 && tally.values > 1_000);
    assert!(tally.failures.is_empty(), "{} failures:\n{}", tally.failures.len(), tally.failures.join("\n"));
}
