//! What has been here before. (wire-format 5)
//!
//! Every stream has its highest number and a window of bits below it. A stream that is not known yet must show
//! a time near the receiver's, and one that is not before the *floor*: the moment up to which this receiver may
//! have forgotten something. The floor is the receiver's start at first; when the table is full, a stream that
//! was quiet for long is forgotten, and the floor rises to the latest time that it has shown. So a full table
//! costs at worst a refusal, never a replay.
//!
//! All of this belongs to a key: each has its own streams and its own floor, and a table that is full costs the
//! key with the most streams. Whoever has one key can fill that key's table, and can neither make another key's
//! streams be forgotten nor raise its floor.
//!
//! A sender numbers its messages in order. Once a stream has shown a message from after the floor, all higher
//! numbers are later still, and only lower ones have to show their time again: that is `trusted_from`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::{KeyId, Opened, Refusal, Refused, Stamp, StreamId, Verified};

/// How many numbers below the highest one of a stream can still come late.
pub const WINDOW_LEN: u64 = 1024;

/// How much is remembered, and how far clocks may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    max_skew_ns: u64,
    max_streams: usize,
    max_streams_per_key: usize,
}

impl Policy {
    /// 300 s of skew, 4,096 streams of each key, 65,536 streams of all keys together.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_skew_ns: 300_000_000_000, max_streams: 65_536, max_streams_per_key: 4096 }
    }

    /// How far the time of a stream that is not known yet may be from the receiver's, either way.
    ///
    /// Known streams are not asked: a clock that jumps in the middle of a stream loses nothing.
    #[must_use]
    pub fn max_skew(mut self, max_skew: Duration) -> Self {
        self.max_skew_ns = u64::try_from(max_skew.as_nanos()).unwrap_or(u64::MAX);
        self
    }

    /// How many streams are remembered of all keys together, at least one. Each takes about 300 bytes.
    #[must_use]
    pub fn max_streams(mut self, max_streams: usize) -> Self {
        self.max_streams = max_streams.max(1);
        self
    }

    /// How many streams are remembered of one key, at least one.
    #[must_use]
    pub fn max_streams_per_key(mut self, max_streams: usize) -> Self {
        self.max_streams_per_key = max_streams.max(1);
        self
    }

    /// The latest time that is believed at `now_ns`.
    fn horizon_ns(&self, now_ns: i64) -> i64 {
        now_ns.saturating_add_unsigned(self.max_skew_ns)
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
    policy: Policy,
    /// The floor of keys that have shown nothing yet.
    pub(super) floor_ns: i64,
    pub(super) keys: BTreeMap<KeyId, KeyState>,
    /// The streams of all keys.
    streams: usize,
    /// Counts messages, to know which stream was quiet for longest.
    ticks: u64,
    missing: u64,
    /// Only the end of the store is restored.
    from_end: bool,
}

/// What an accepted message says of its stream.
struct Admitted {
    gap: u64,
    fills_gap: bool,
    new_stream: bool,
}

impl Replay {
    /// Remembers nothing, and so accepts nothing from before `start_ns`, nanoseconds since 1970.
    ///
    /// A receiver that knows from a store what it has accepted begins at the moment from which on that store is
    /// complete, and [restores](Self::restore) what stands in it.
    #[must_use]
    pub fn new(policy: Policy, start_ns: i64) -> Self {
        Self {
            policy,
            floor_ns: start_ns,
            keys: BTreeMap::new(),
            streams: 0,
            ticks: 0,
            missing: 0,
            from_end: false,
        }
    }

    /// As [`new`](Self::new), for a store of which only the end is [restored](Self::restore): numbers up to a window
    /// above the first one of a stream may have been here before that, and have to show a time from `start_ns` on.
    #[must_use]
    pub fn from_end(policy: Policy, start_ns: i64) -> Self {
        Self { from_end: true, ..Self::new(policy, start_ns) }
    }

    /// Opens what is verified, unless it was here before or could have been.
    ///
    /// The state changes only when the message is accepted.
    ///
    /// # Errors
    ///
    /// [`Refusal::Replay`], [`Refusal::TooOld`], [`Refusal::Skew`] and [`Refusal::BeforeStart`], with the stream
    /// and the number of what was refused.
    #[allow(clippy::result_large_err, reason = "what is opened is larger still")]
    #[inline]
    pub fn check(&mut self, now_ns: i64, verified: Verified) -> Result<Opened, Refused> {
        let Verified { payload, stamp } = verified;
        match self.admit(now_ns, &stamp) {
            Ok(Admitted { gap, fills_gap, new_stream }) => {
                let Stamp { key_id, stream_id, seq, time_ns, wants_ack } = stamp;
                Ok(Opened { payload, key_id, stream_id, seq, time_ns, wants_ack, gap, fills_gap, new_stream })
            }
            Err(refusal) => Err(Refused::stamped(refusal, stamp)),
        }
    }

    /// Remembers a message that was accepted by an earlier run of this receiver and kept in its store.
    ///
    /// `received_ns` is when it arrived. Messages are restored in the order in which they were accepted, and
    /// before anything is [checked](Self::check); gives whether the message is new to this state.
    ///
    /// What was accepted and is not in the store must not be in the state either: a sender that got no
    /// acknowledgement sends it again, and it is taken. So a state that is exported as a beginning for this must
    /// not be ahead of the store.
    pub fn restore(
        &mut self,
        received_ns: i64,
        key_id: KeyId,
        stream_id: StreamId,
        seq: u64,
        time_ns: i64,
    ) -> bool {
        let horizon_ns = self.policy.horizon_ns(received_ns);
        let tick = self.tick();
        if let Some(stream) = self.stream(key_id, stream_id) {
            let is_new = stream.check_seq(seq).is_ok();
            if is_new {
                stream.accept(seq, time_ns, horizon_ns, tick);
                // Its gaps are not this run's.
                stream.counted_from = stream.counted_from.max(stream.highest);
            }
            return is_new;
        }
        let floor_ns = self.floor_of(key_id);
        let mut stream = Stream::new(seq, time_ns, horizon_ns, floor_ns, tick);
        if self.from_end {
            stream.trusted_from = Some(seq.saturating_add(WINDOW_LEN));
        }
        self.insert(received_ns, key_id, stream_id, stream);
        true
    }

    /// How many streams are remembered.
    #[must_use]
    pub const fn streams(&self) -> usize {
        self.streams
    }

    /// How many streams of a key are remembered.
    #[must_use]
    pub fn streams_of(&self, key_id: KeyId) -> usize {
        self.keys.get(&key_id).map_or(0, |key| key.streams.len())
    }

    /// The moment before which a key's stream that is not known is refused, in nanoseconds since 1970.
    #[must_use]
    pub fn floor_of(&self, key_id: KeyId) -> i64 {
        self.keys.get(&key_id).map_or(self.floor_ns, |key| key.floor_ns)
    }

    /// How many messages are missing: the numbers that were skipped since this state was made or imported, less
    /// those that came late. It counts up to [`u64::MAX`].
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    #[inline]
    fn admit(&mut self, now_ns: i64, stamp: &Stamp) -> Result<Admitted, Refusal> {
        let Stamp { key_id, stream_id, seq, time_ns, wants_ack } = *stamp;
        let max_skew_ns = self.policy.max_skew_ns;
        let horizon_ns = self.policy.horizon_ns(now_ns);
        let check_time = |floor_ns| {
            // What asks for an acknowledgement may have waited for a receiver that was away.
            let is_late = !wants_ack && time_ns < now_ns && time_ns.abs_diff(now_ns) > max_skew_ns;
            if is_late || time_ns > horizon_ns {
                Err(Refusal::Skew)
            } else if time_ns < floor_ns {
                Err(Refusal::BeforeStart)
            } else {
                Ok(())
            }
        };
        let tick = self.tick();
        if let Some(stream) = self.stream(key_id, stream_id) {
            stream.check_seq(seq)?;
            if stream.trusted_from.is_none_or(|from| seq < from) {
                check_time(stream.floor_ns)?;
            }
            let (gap, fills_gap) = match stream.trusted_from {
                Some(_) => (
                    seq.saturating_sub(stream.highest).saturating_sub(1),
                    (stream.counted_from..stream.highest).contains(&seq),
                ),
                // The numbers above the stored highest one may have arrived and not been stored: no gap is known.
                None => (0, false),
            };
            if stream.trusted_from.is_none() && seq > stream.highest {
                stream.trusted_from = Some(seq);
                stream.counted_from = seq;
            }
            stream.accept(seq, time_ns, horizon_ns, tick);
            self.missing = self.missing.saturating_add(gap).saturating_sub(fills_gap.into());
            return Ok(Admitted { gap, fills_gap, new_stream: false });
        }
        let floor_ns = self.floor_of(key_id);
        check_time(floor_ns)?;
        // With the floor from before: what is forgotten for it is another stream than this one.
        self.insert(now_ns, key_id, stream_id, Stream::new(seq, time_ns, horizon_ns, floor_ns, tick));
        Ok(Admitted { gap: 0, fills_gap: false, new_stream: true })
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.ticks = self.ticks.saturating_add(1);
        self.ticks
    }

    fn stream(&mut self, key_id: KeyId, stream_id: StreamId) -> Option<&mut Stream> {
        self.keys.get_mut(&key_id)?.streams.get_mut(&stream_id)
    }

    /// The state of a key, which begins with the receiver's floor.
    pub(super) fn key(&mut self, key_id: KeyId) -> &mut KeyState {
        let floor_ns = self.floor_ns;
        self.keys.entry(key_id).or_insert_with(|| KeyState {
            floor_ns,
            streams: BTreeMap::new(),
            quiet: Vec::new(),
        })
    }

    /// Adds a stream, for which another one may have to go.
    pub(super) fn insert(&mut self, now_ns: i64, key_id: KeyId, stream_id: StreamId, stream: Stream) {
        let own = self.streams_of(key_id);
        let forgetful = if own >= self.policy.max_streams_per_key {
            Some(key_id)
        } else if self.streams >= self.policy.max_streams {
            let most = self.keys.iter().max_by_key(|(id, key)| (key.streams.len(), **id == key_id));
            most.map(|(id, _)| *id)
        } else {
            None
        };
        let horizon_ns = self.policy.horizon_ns(now_ns);
        if let Some(key) = forgetful.and_then(|id| self.keys.get_mut(&id)) {
            let before = key.streams.len();
            key.forget(now_ns, horizon_ns);
            self.streams = self.streams.saturating_sub(before.saturating_sub(key.streams.len()));
        }
        if self.key(key_id).streams.insert(stream_id, stream).is_none() {
            self.streams = self.streams.saturating_add(1);
        }
    }
}

/// What is remembered of one key.
#[derive(Clone, Debug)]
pub(super) struct KeyState {
    /// What has a time before this may have been here and be forgotten.
    pub(super) floor_ns: i64,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// Streams to be forgotten next, with the tick at which each was last used then; the next one is the last.
    quiet: Vec<(u64, StreamId)>,
}

impl KeyState {
    /// Forgets one stream and raises the floor above what it has shown.
    fn forget(&mut self, now_ns: i64, horizon_ns: i64) {
        let Some(stream) = self.longest_quiet(now_ns).and_then(|id| self.streams.remove(&id)) else { return };
        // A time that nobody would believe must not shut out the key's next streams.
        let shown = if stream.latest_ns <= horizon_ns { stream.latest_ns } else { stream.believed_ns };
        self.floor_ns = self.floor_ns.max(shown.saturating_add(1));
    }

    /// The stream that was quiet for longest of those whose time is not ahead of the receiver's, and only if all
    /// are ahead, of these: its time raises the floor above the present.
    ///
    /// In a large table several are looked for at a time, so that whoever makes streams without end pays for one
    /// look at a table with many messages. What comes in between is not looked at, which is as good.
    fn longest_quiet(&mut self, now_ns: i64) -> Option<StreamId> {
        self.next_quiet().or_else(|| {
            let rank = |stream: &Stream| (stream.latest_ns > now_ns, stream.used);
            let mut ranked: Vec<_> = self.streams.iter().map(|(id, stream)| (rank(stream), *id)).collect();
            let count = if ranked.len() > SMALL { CANDIDATES } else { 1 };
            if count < ranked.len() {
                ranked.select_nth_unstable(count);
                ranked.truncate(count);
            }
            ranked.sort_unstable_by(|one, other| other.cmp(one));
            self.quiet = ranked.into_iter().map(|((_, used), id)| (used, id)).collect();
            self.next_quiet()
        })
    }

    fn next_quiet(&mut self) -> Option<StreamId> {
        while let Some((used, id)) = self.quiet.pop() {
            // Whatever was used since is no longer among the longest quiet.
            if self.streams.get(&id).is_some_and(|stream| stream.used == used) {
                return Some(id);
            }
        }
        None
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
    /// The number from which on gaps were counted by this receiver.
    pub(super) counted_from: u64,
    /// The floor that numbers below `trusted_from` are held against.
    pub(super) floor_ns: i64,
    /// The latest time that the stream has shown.
    pub(super) latest_ns: i64,
    /// The latest of its times that were not too far ahead when they were shown.
    pub(super) believed_ns: i64,
    /// When it was last used, in ticks.
    pub(super) used: u64,
}

impl Stream {
    fn new(seq: u64, time_ns: i64, horizon_ns: i64, floor_ns: i64, used: u64) -> Self {
        let mut stream = Self {
            highest: seq,
            seen: [0; WINDOW_WORDS],
            trusted_from: Some(seq),
            counted_from: seq,
            floor_ns,
            latest_ns: time_ns,
            believed_ns: time_ns.min(horizon_ns),
            used,
        };
        stream.accept(seq, time_ns, horizon_ns, used);
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

    fn accept(&mut self, seq: u64, time_ns: i64, horizon_ns: i64, used: u64) {
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
        if time_ns <= horizon_ns {
            self.believed_ns = self.believed_ns.max(time_ns);
        }
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

/// How many streams to be forgotten are looked for at a time in a table that is not small.
const CANDIDATES: usize = 64;

/// A table of so few streams is looked through each time.
const SMALL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    fn message(stream: u8, seq: u64, time_ns: i64) -> Verified {
        let stream_id = [stream; 16].into();
        Verified {
            payload: Bytes::new(),
            stamp: Stamp { key_id: id(b"k"), stream_id, seq, time_ns, wants_ack: false },
        }
    }

    fn id(name: &[u8]) -> KeyId {
        KeyId::new(name).unwrap()
    }

    fn check(replay: &mut Replay, now_ns: i64, message: Verified) -> Result<(), Refusal> {
        replay.check(now_ns, message).map(drop).map_err(Refusal::from)
    }

    fn run(replay: &mut Replay, stream: u8, seq: u64, time_ns: i64) -> Result<(u64, bool, bool), Refusal> {
        replay
            .check(time_ns, message(stream, seq, time_ns))
            .map(|opened| (opened.gap, opened.fills_gap, opened.new_stream))
            .map_err(Refusal::from)
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
            let result = check(&mut replay, now, message(stream, seq, time_ns));
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
                let result = check(&mut replay, time, message(earlier, 0, time_then));
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
        assert_eq!(replay.floor_of(id(b"k")), START + SECOND + 1);
        assert_eq!(run(&mut replay, 1, 0, START), Err(Refusal::Replay));
        assert_eq!(run(&mut replay, 2, 0, START + SECOND), Err(Refusal::BeforeStart));
    }

    #[test]
    fn forgetting_another_stream_does_not_refuse_the_message_at_hand() {
        let mut replay = Replay::new(Policy::new().max_streams(1), START);
        assert!(run(&mut replay, 1, 0, START + 5 * SECOND).is_ok());
        let now = START + 6 * SECOND;
        assert!(replay.check(now, message(2, 0, START + 4 * SECOND)).is_ok());
        assert_eq!(replay.floor_of(id(b"k")), START + 5 * SECOND + 1);
        assert_eq!(check(&mut replay, now, message(3, 0, START + 4 * SECOND)), Err(Refusal::BeforeStart));
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
