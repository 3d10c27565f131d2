//! When to try again: `SocketHandler.createSocket`'s decisions, as a pure object.
//!
//! The time is an argument, and it is the monotonic clock's: Python asks the wall clock, so that a clock set
//! back by an hour keeps its handlers silent for an hour. The schedule is otherwise the same.
use std::time::{Duration, Instant};

/// The delays between attempts to connect.
///
/// After a success the next failure starts over: an attempt at once, then `retry_start`, then each delay
/// `retry_factor` times the one before, up to `retry_max`. A delay counts from the beginning of the attempt
/// that failed, as it does in Python.
///
/// # Examples
///
/// Asked every second while nobody listens, it tries when a stock `SocketHandler` would:
///
/// ```
/// use std::time::{Duration, Instant};
/// use logrecord_transport::Backoff;
///
/// let start = Instant::now();
/// let mut backoff = Backoff::new();
/// let mut attempts = Vec::new();
/// for second in 0..100 {
///     let now = start + Duration::from_secs(second);
///     if backoff.allows(now) {
///         attempts.push(second);
///         backoff.failed(now);
///     }
/// }
/// assert_eq!(attempts, [0, 1, 3, 7, 15, 31, 61, 91]);
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    retry_start: Duration,
    retry_factor: f64,
    retry_max: Duration,
    /// The last delay, without jitter. It means something only while `retry_at` is set.
    period: Duration,
    /// No attempt before this. Not set: an attempt at once.
    retry_at: Option<Instant>,
    /// The state of the generator, if delays are to be scattered.
    jitter: Option<u64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Python's delays: 1 s, doubled each time, 30 s at most, no jitter.
    pub const fn new() -> Self {
        Self {
            retry_start: Duration::from_secs(1),
            retry_factor: 2.0,
            retry_max: Duration::from_secs(30),
            period: Duration::ZERO,
            retry_at: None,
            jitter: None,
        }
    }

    /// The delay after the first failure, `retryStart` in Python; 1 s by default.
    #[must_use]
    pub const fn retry_start(mut self, delay: Duration) -> Self {
        self.retry_start = delay;
        self
    }

    /// What each further delay is multiplied by, `retryFactor` in Python; 2 by default. What is not a
    /// number of 0 or more leaves the delay as it is.
    #[must_use]
    pub const fn retry_factor(mut self, factor: f64) -> Self {
        self.retry_factor = factor;
        self
    }

    /// The longest delay after the first, `retryMax` in Python; 30 s by default.
    #[must_use]
    pub const fn retry_max(mut self, delay: Duration) -> Self {
        self.retry_max = delay;
        self
    }

    /// Scatters each delay evenly between a half and the whole of it, so that a fleet does not come back in
    /// step. The sequence follows from the seed.
    #[must_use]
    pub const fn jitter(mut self, seed: u64) -> Self {
        self.jitter = Some(seed);
        self
    }

    /// Whether an attempt may be made now.
    pub fn allows(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|retry_at| now >= retry_at)
    }

    /// The moment before which no attempt may be made; none if it may be made at once.
    pub const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// An attempt that began at `started` has failed.
    pub fn failed(&mut self, started: Instant) {
        self.period = if self.retry_at.is_none() {
            self.retry_start
        } else {
            let next = self.period.as_secs_f64() * self.retry_factor;
            // Infinity and what no Duration holds are more than the longest delay; NaN and less than
            // nothing are mistakes of the caller.
            if next.is_nan() || next < 0.0 {
                self.period
            } else {
                Duration::try_from_secs_f64(next).unwrap_or(Duration::MAX).min(self.retry_max)
            }
        };
        let delay = self.scattered();
        // A delay that the clock cannot hold is as good as a year.
        self.retry_at =
            started.checked_add(delay).or_else(|| started.checked_add(Duration::from_secs(31_536_000)));
    }

    /// An attempt has succeeded.
    pub const fn succeeded(&mut self) {
        self.retry_at = None;
    }

    fn scattered(&mut self) -> Duration {
        let Some(state) = &mut self.jitter else { return self.period };
        // SplitMix64: one addition and a mix, good enough to scatter a delay.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The upper 32 bits as a fraction of one.
        let fraction = f64::from((mixed >> 32) as u32) / f64::from(u32::MAX);
        let half = self.period / 2;
        half + half.mul_f64(fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Attempts, in milliseconds, of something that is asked every `step` and fails in `failing`.
    fn attempts(mut backoff: Backoff, step: u64, until: u64, failing: std::ops::Range<u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut made = Vec::new();
        let mut connected = false;
        for ms in (0..until).step_by(usize::try_from(step).unwrap()) {
            let now = start + Duration::from_millis(ms);
            if failing.contains(&ms) {
                connected = false;
            }
            if !connected && backoff.allows(now) {
                made.push(ms);
                if failing.contains(&ms) {
                    backoff.failed(now);
                } else {
                    connected = true;
                    backoff.succeeded();
                }
            }
        }
        made
    }

    #[test]
    fn attempts_are_made_when_a_socket_handler_makes_them() {
        type Row = (Backoff, u64, u64, std::ops::Range<u64>, &'static [u64]);
        let rows: [Row; 5] = [
            (
                Backoff::new(),
                1000,
                125_000,
                0..u64::MAX,
                &[0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000, 121_000],
            ),
            // Asked at other moments, an attempt waits for the next question, and the delay counts from there.
            (Backoff::new(), 700, 40_000, 0..u64::MAX, &[0, 1400, 3500, 7700, 16_100, 32_200]),
            // After a success it begins anew.
            (Backoff::new(), 1000, 20_000, 0..5000, &[0, 1000, 3000, 7000]),
            (Backoff::new().retry_factor(1.0), 1000, 5000, 0..u64::MAX, &[0, 1000, 2000, 3000, 4000]),
            // The first delay is not capped, as in Python.
            (
                Backoff::new().retry_start(secs(4)).retry_max(secs(2)),
                1000,
                10_000,
                0..u64::MAX,
                &[0, 4000, 6000, 8000],
            ),
        ];
        for (backoff, step, until, failing, expected) in rows {
            assert_eq!(attempts(backoff, step, until, failing), expected);
        }
    }

    #[test]
    fn strange_settings_neither_panic_nor_spin() {
        for factor in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            let mut backoff = Backoff::new().retry_factor(factor);
            let now = Instant::now();
            for _ in 0..10 {
                backoff.failed(now);
                assert!(!backoff.allows(now), "{factor}");
                assert!(backoff.retry_at().unwrap() <= now + secs(30));
            }
        }
        let mut backoff = Backoff::new().retry_start(Duration::MAX);
        let now = Instant::now();
        backoff.failed(now);
        assert!(!backoff.allows(now));
    }

    #[test]
    fn jitter_stays_between_a_half_and_the_whole_and_follows_the_seed() {
        let now = Instant::now();
        let delays = |seed| {
            let mut backoff = Backoff::new().retry_factor(1.0).retry_start(secs(8)).jitter(seed);
            (0..100)
                .map(|_| {
                    backoff.failed(now);
                    backoff.retry_at().unwrap() - now
                })
                .collect::<Vec<_>>()
        };
        let first = delays(1);
        assert_eq!(first, delays(1));
        assert_ne!(first, delays(2));
        assert!(first.iter().all(|delay| (secs(4)..=secs(8)).contains(delay)));
        assert!(first.iter().any(|delay| *delay < secs(5)) && first.iter().any(|delay| *delay > secs(7)));
    }
}
