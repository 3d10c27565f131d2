//! What has been here before. (wire-format 5)
//!
//! Every stream has its highest number and a window of bits below it. A stream that is not known yet must show
//! a time near the receiver's, and one that is not before the *floor*: the moment up to which this receiver may
//! have forgotten something. The floor is the receiver's start at first; when the table is full, the streams
//! that were quiet for longest are forgotten, and the floor rises to the latest time that they have shown. So a
//! full table costs at worst a refusal, never a replay.
//!
//! A sender numbers its messages in order. Once a stream has shown a message from after the floor, all higher
//! numbers are later still, and only lower ones have to show their time again: that is `trusted_from`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::{KeyId, Opened, Refusal, StreamId, Verified};

/// How many numbers below the highest one of a stream can still come late.
pub const WINDOW_LEN: u64 = 1024;

/// How much is remembered, and how far clocks may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    max_skew_ns: u64,
    max_streams: usize,
}

impl Policy {
    /// 300 s of skew, 16,384 streams.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_skew_ns: 300_000_000_000, max_streams: 16_384 }
    }

    /// How far the time of a stream that is not known yet may be from the receiver's, either way.
    ///
    /// Known streams are not asked: a clock that jumps in the middle of a stream loses nothing.
    #[must_use]
    pub fn max_skew(mut self, max_skew: Duration) -> Self {
        self.max_skew_ns = u64::try_from(max_skew.as_nanos()).unwrap_or(u64::MAX);
        self
    }

    /// How many streams are remembered, at least one. Each takes about 300 bytes.
    #[must_use]
    pub fn max_streams(mut self, max_streams: usize) -> Self {
        self.max_streams = max_streams.max(1);
        self
    }

    pub(super) const fn stream_limit(&self) -> usize {
        self.max_streams
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

/// The replay state of a receiver, for all of its transports together.
///
/// One for each receiver, not for each connection: a message that came over TCP is a replay over UDP.
#[derive(Clone, Debug)]
pub struct Replay {
    pub(super) policy: Policy,
    /// What has a time before this may have been here and be forgotten.
    pub(super) floor_ns: i64,
    pub(super) streams: BTreeMap<(StreamId, KeyId), Stream>,
    /// Counts accepted messages, to know which stream was quiet for longest.
    pub(super) ticks: u64,
}

impl Replay {
    /// Remembers nothing, and so accepts nothing from before `start_ns`, nanoseconds since 1970.
    #[must_use]
    pub fn new(policy: Policy, start_ns: i64) -> Self {
        Self { policy, floor_ns: start_ns, streams: BTreeMap::new(), ticks: 0 }
    }

    /// Opens what is verified, unless it was here before or could have been.
    ///
    /// The state changes only when the message is accepted.
    ///
    /// # Errors
    ///
    /// [`Refusal::Replay`], [`Refusal::TooOld`], [`Refusal::Skew`] and [`Refusal::BeforeStart`].
    #[inline]
    pub fn check(&mut self, now_ns: i64, verified: Verified) -> Result<Opened, Refusal> {
        let Verified { seq, time_ns, .. } = verified;
        let name = (verified.stream_id, verified.key_id);
        let (max_skew_ns, floor_ns) = (self.policy.max_skew_ns, self.floor_ns);
        let check_time = |floor_ns| {
            if time_ns.abs_diff(now_ns) > max_skew_ns {
                Err(Refusal::Skew)
            } else if time_ns < floor_ns {
                Err(Refusal::BeforeStart)
            } else {
                Ok(())
            }
        };
        self.ticks = self.ticks.saturating_add(1);
        let used = self.ticks;
        let (gap, fills_gap, new_stream) = if let Some(stream) = self.streams.get_mut(&name) {
            stream.check_seq(seq)?;
            if stream.trusted_from.is_none_or(|from| seq < from) {
                check_time(stream.floor_ns)?;
            }
            let (gap, fills_gap) = match stream.trusted_from {
                Some(from) => (
                    seq.saturating_sub(stream.highest).saturating_sub(1),
                    (from..stream.highest).contains(&seq),
                ),
                // The numbers above the stored highest one may have arrived and not been stored: no gap is known.
                None => (0, false),
            };
            if stream.trusted_from.is_none() && seq > stream.highest {
                stream.trusted_from = Some(seq);
            }
            stream.accept(seq, time_ns, used);
            (gap, fills_gap, false)
        } else {
            check_time(floor_ns)?;
            if self.streams.len() >= self.policy.max_streams {
                self.forget(now_ns);
            }
            // The floor from before: what was forgotten just now is another stream than this one.
            let stream = Stream::new(seq, time_ns, floor_ns, used);
            self.streams.insert(name, stream);
            (0, false, true)
        };
        let Verified { payload, content, key_id, stream_id, .. } = verified;
        Ok(Opened { payload, content, key_id, stream_id, seq, time_ns, gap, fills_gap, new_stream })
    }

    /// How many streams are remembered.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The moment before which a stream that is not known is refused, in nanoseconds since 1970.
    #[must_use]
    pub const fn floor_ns(&self) -> i64 {
        self.floor_ns
    }

    /// Forgets up to a sixteenth of the streams, those that were quiet for longest, and raises the floor above all
    /// that they have shown.
    ///
    /// A stream whose time is ahead of the receiver's would raise the floor above the present and shut everybody
    /// out; it is forgotten only when all are like that.
    pub(super) fn forget(&mut self, now_ns: i64) {
        let is_behind = |stream: &Stream| stream.latest_ns <= now_ns;
        let mut quiet: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| is_behind(stream))
            .map(|(name, stream)| (stream.used, *name))
            .collect();
        if quiet.is_empty() {
            quiet.extend(
                self.streams.iter().map(|(name, stream)| (stream.used, *name)).min_by_key(|(used, _)| *used),
            );
        }
        let count = (self.policy.max_streams / 16).clamp(1, quiet.len().max(1));
        if count < quiet.len() {
            quiet.select_nth_unstable(count);
        }
        for (_, name) in quiet.into_iter().take(count) {
            if let Some(stream) = self.streams.remove(&name) {
                self.floor_ns = self.floor_ns.max(stream.latest_ns.saturating_add(1));
            }
        }
    }
}

/// What is remembered of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) highest: u64,
    /// The numbers that were here: bit `n % 1024` for `n`, of those in `highest - 1023 ..= highest`.
    pub(super) seen: [u64; WINDOW_WORDS],
    /// The lowest number that needs not show its time, once there is one.
    pub(super) trusted_from: Option<u64>,
    /// The floor that numbers below `trusted_from` are held against.
    pub(super) floor_ns: i64,
    /// The latest time that the stream has shown.
    pub(super) latest_ns: i64,
    /// When it was last used, in ticks.
    pub(super) used: u64,
}

impl Stream {
    fn new(seq: u64, time_ns: i64, floor_ns: i64, used: u64) -> Self {
        let mut stream = Self {
            highest: seq,
            seen: [0; WINDOW_WORDS],
            trusted_from: Some(seq),
            floor_ns,
            latest_ns: time_ns,
            used,
        };
        stream.accept(seq, time_ns, used);
        stream
    }

    fn check_seq(&self, seq: u64) -> Result<(), Refusal> {
        let Some(below) = self.highest.checked_sub(seq) else { return Ok(()) };
        let (word, bit) = place(seq);
        if below >= WINDOW_LEN {
            Err(Refusal::TooOld)
        } else if self.seen.get(word).is_some_and(|word| word & bit != 0) {
            Err(Refusal::Replay)
        } else {
            Ok(())
        }
    }

    fn accept(&mut self, seq: u64, time_ns: i64, used: u64) {
        if seq > self.highest {
            if seq.saturating_sub(self.highest) >= WINDOW_LEN {
                self.seen = [0; WINDOW_WORDS];
            } else {
                // The places of the numbers that enter the window still hold those that leave it.
                for entering in self.highest..seq {
                    self.set(entering.wrapping_add(1), false);
                }
            }
            self.highest = seq;
        }
        self.set(seq, true);
        self.latest_ns = self.latest_ns.max(time_ns);
        self.used = used;
    }

    fn set(&mut self, seq: u64, seen: bool) {
        let (word, bit) = place(seq);
        if let Some(word) = self.seen.get_mut(word) {
            if seen {
                *word |= bit;
            } else {
                *word &= !bit;
            }
        }
    }
}

/// Where the bit of a number is: its word and its mask.
fn place(seq: u64) -> (usize, u64) {
    let index = seq % WINDOW_LEN;
    (usize::try_from(index / 64).unwrap_or(0), 1_u64.wrapping_shl(u32::try_from(index % 64).unwrap_or(0)))
}

pub(super) const WINDOW_WORDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Content;
    use bytes::Bytes;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    fn message(stream: u8, seq: u64, time_ns: i64) -> Verified {
        Verified {
            payload: Bytes::new(),
            content: Content::Pickle,
            key_id: KeyId::new(b"k").unwrap(),
            stream_id: [stream; 16].into(),
            seq,
            time_ns,
        }
    }

    fn run(replay: &mut Replay, stream: u8, seq: u64, time_ns: i64) -> Result<(u64, bool, bool), Refusal> {
        replay
            .check(time_ns, message(stream, seq, time_ns))
            .map(|opened| (opened.gap, opened.fills_gap, opened.new_stream))
    }

    #[test]
    fn a_window_has_1024_numbers() {
        let mut replay = Replay::new(Policy::new(), START);
        let now = START + SECOND;
        let rows = [
            (5000, Ok((0, false, true))),
            (5000, Err(Refusal::Replay)),
            (3977, Ok((0, false, false))), // 5000 - 1023: the lowest in the window, from before the first one.
            (3976, Err(Refusal::TooOld)),
            (3977, Err(Refusal::Replay)),
            (5001, Ok((0, false, false))),
            (5004, Ok((2, false, false))),
            (5003, Ok((0, true, false))),
            (5003, Err(Refusal::Replay)),
            (5002, Ok((0, true, false))),
            (3980, Err(Refusal::TooOld)),
            (3981, Ok((0, false, false))),
            (u64::MAX, Ok((u64::MAX - 5005, false, false))),
            (u64::MAX, Err(Refusal::Replay)),
            (5004, Err(Refusal::TooOld)),
            (u64::MAX - 1023, Ok((0, true, false))),
        ];
        for (step, (seq, expected)) in rows.into_iter().enumerate() {
            assert_eq!(run(&mut replay, 1, seq, now), expected, "step {step}: {seq}");
        }
    }

    #[test]
    fn only_new_streams_show_their_time() {
        let mut replay = Replay::new(Policy::new(), START);
        let now = START + 1000 * SECOND;
        let rows = [
            (1, 7, now - 301 * SECOND, Err(Refusal::Skew)),
            (1, 7, now + 301 * SECOND, Err(Refusal::Skew)),
            (1, 7, i64::MIN, Err(Refusal::Skew)),
            (1, 7, i64::MAX, Err(Refusal::Skew)),
            (1, 7, now - 300 * SECOND, Ok(())),
            (2, 7, now + 300 * SECOND, Ok(())),
            // A clock that jumps within a stream loses nothing,
            (1, 8, now - 86_400 * SECOND, Ok(())),
            (1, 9, i64::MIN, Ok(())),
            (1, 10, i64::MAX, Ok(())),
            // but what claims to come before the first one must show its time.
            (1, 6, now - 301 * SECOND, Err(Refusal::Skew)),
            (1, 6, now, Ok(())),
        ];
        for (step, (stream, seq, time_ns, expected)) in rows.into_iter().enumerate() {
            let result = replay.check(now, message(stream, seq, time_ns)).map(drop);
            assert_eq!(result, expected, "step {step}");
        }
    }

    #[test]
    fn without_memory_nothing_from_before_the_start_is_taken() {
        let mut replay = Replay::new(Policy::new(), START);
        assert_eq!(run(&mut replay, 1, 100, START - 1), Err(Refusal::BeforeStart));
        assert_eq!(replay.streams(), 0);
        assert!(run(&mut replay, 1, 101, START).is_ok());
        // The stream is known now, and yet this one may have been here before the start.
        assert_eq!(run(&mut replay, 1, 100, START - 1), Err(Refusal::BeforeStart));
        assert!(run(&mut replay, 1, 102, START - 1).is_ok());
    }

    #[test]
    fn forgetting_a_stream_lets_no_replay_in() {
        let mut replay = Replay::new(Policy::new().max_streams(2), START);
        for stream in 0..50 {
            let time = START + i64::from(stream) * SECOND;
            assert!(run(&mut replay, stream, 0, time).is_ok());
            assert!(replay.streams() <= 2);
            for earlier in 0..=stream {
                let time_then = START + i64::from(earlier) * SECOND;
                let result = replay.check(time, message(earlier, 0, time_then)).map(drop);
                let expected = if earlier + 1 >= stream { Refusal::Replay } else { Refusal::BeforeStart };
                assert_eq!(result, Err(expected), "{earlier} after {stream}");
            }
        }
    }

    #[test]
    fn what_was_quiet_for_longest_is_forgotten_first() {
        let mut replay = Replay::new(Policy::new().max_streams(2), START);
        for (stream, seq, second) in [(1, 0, 0), (2, 0, 1), (1, 1, 2), (3, 0, 3)] {
            assert!(run(&mut replay, stream, seq, START + second * SECOND).is_ok());
        }
        // Stream 2 is gone, and the floor covers it; stream 1 was used in between.
        assert_eq!(replay.floor_ns(), START + SECOND + 1);
        assert_eq!(run(&mut replay, 1, 0, START), Err(Refusal::Replay));
        assert_eq!(run(&mut replay, 2, 0, START + SECOND), Err(Refusal::BeforeStart));
    }

    #[test]
    fn forgetting_another_stream_does_not_refuse_the_message_at_hand() {
        let mut replay = Replay::new(Policy::new().max_streams(1), START);
        assert!(run(&mut replay, 1, 0, START + 5 * SECOND).is_ok());
        let now = START + 6 * SECOND;
        assert!(replay.check(now, message(2, 0, START + 4 * SECOND)).is_ok());
        assert_eq!(replay.floor_ns(), START + 5 * SECOND + 1);
        assert_eq!(replay.check(now, message(3, 0, START + 4 * SECOND)), Err(Refusal::BeforeStart));
    }

    #[test]
    fn a_number_below_the_stored_highest_does_not_make_a_stream_trusted() {
        let mut replay = Replay::new(Policy::new(), START);
        for seq in [0, 1, 3, 4] {
            assert!(run(&mut replay, 1, seq, START).is_ok());
        }
        let stored = replay.export(crate::envelope::Snapshot::Running);
        assert!(run(&mut replay, 1, 5, START + 1).is_ok());
        let restart = START + SECOND;
        let mut replay = Replay::import(Policy::new(), &stored, restart).unwrap();
        assert_eq!(run(&mut replay, 1, 2, restart), Ok((0, false, false)));
        assert_eq!(run(&mut replay, 1, 5, START + 1), Err(Refusal::BeforeStart));
        assert_eq!(run(&mut replay, 1, 9, restart), Ok((0, false, false)));
        assert_eq!(run(&mut replay, 1, 11, START), Ok((1, false, false)));
        assert_eq!(run(&mut replay, 1, 5, START + 1), Err(Refusal::BeforeStart));
    }

    #[test]
    fn a_clock_far_ahead_is_not_forgotten_first() {
        let mut replay = Replay::new(Policy::new().max_streams(2), START);
        assert!(run(&mut replay, 1, 0, START).is_ok());
        assert!(replay.check(START, message(1, 1, i64::MAX)).is_ok());
        for stream in 2..20 {
            assert!(run(&mut replay, stream, 0, START + i64::from(stream)).is_ok());
            assert_eq!(run(&mut replay, 1, 0, START), Err(Refusal::Replay));
        }
    }
}
