//! The log in memory: segments of up to 1 MiB into which each payload is copied once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use logrecord_spool::{Entry, Full, RunId};

use crate::output::Logged;

/// The most that one segment holds, unless a single record is larger.
const SEGMENT: usize = 1024 * 1024;
/// What a segment costs beside its bytes.
const OVERHEAD: usize = 128;

/// Bodies one behind the other, each with its length in front.
#[derive(Debug)]
struct Segment {
    first: u64,
    records: u64,
    bytes: Vec<u8>,
}

impl Segment {
    fn cost(&self) -> usize {
        self.bytes.capacity() + OVERHEAD
    }

    /// Whether it holds much less than it costs.
    fn is_loose(&self) -> bool {
        self.bytes.capacity() / 2 > self.bytes.len()
    }
}

#[derive(Debug, Default)]
struct State {
    sealed: VecDeque<Arc<Segment>>,
    /// Where records are appended; readers take it away when they have come so far.
    open: Vec<u8>,
    open_records: u64,
    last: u64,
    /// What the sealed segments cost.
    bytes: usize,
    /// The most that all of it may be.
    max_bytes: usize,
    cursors: BTreeMap<String, u64>,
    /// Every cursor has passed this record.
    delivered: u64,
    /// How many of the sealed segments, the oldest ones, every cursor has passed, and what they cost.
    kept: usize,
    kept_bytes: usize,
    idle: Vec<Vec<u8>>,
}

impl State {
    /// The most that one segment holds here. Of a small log no segment is so large a part that what one output has not
    /// taken of it keeps everything else out.
    fn segment_bytes(&self) -> usize {
        SEGMENT.min(self.max_bytes / 8)
    }

    /// Makes a segment of what is open.
    fn seal(&mut self) {
        if self.open_records == 0 {
            return;
        }
        // Nobody has fetched the one before in the meantime.
        self.tighten();
        // Where room is scarce, a small one is copied at once, so that what it costs is what it holds.
        let roomy = self.bytes.saturating_add(self.open.capacity()) <= self.max_bytes / 2;
        let bytes = if roomy || self.open.len() >= SEGMENT / 2 {
            std::mem::replace(&mut self.open, self.idle.pop().unwrap_or_default())
        } else {
            let bytes = self.open.as_slice().to_vec();
            self.open.clear();
            bytes
        };
        let segment = Segment { first: self.last + 1 - self.open_records, records: self.open_records, bytes };
        self.open_records = 0;
        self.bytes += segment.cost();
        self.sealed.push_back(Arc::new(segment));
    }

    /// Copies the newest sealed segment if it is a small one, so that what it costs is what it holds; true if that has
    /// made room. Most are gone before it comes to that.
    fn tighten(&mut self) -> bool {
        let is_kept = self.kept == self.sealed.len();
        let Some(segment) = self.sealed.back_mut().filter(|segment| segment.is_loose()) else { return false };
        let tight = Segment { bytes: segment.bytes.as_slice().to_vec(), ..**segment };
        let (before, after) = (segment.cost(), tight.cost());
        let loose = std::mem::replace(segment, Arc::new(tight));
        self.bytes = self.bytes + after - before;
        if is_kept {
            self.kept_bytes = self.kept_bytes + after - before;
        }
        self.recycle(loose);
        true
    }

    /// Keeps the memory of a segment for another one, if nobody reads it.
    fn recycle(&mut self, segment: Arc<Segment>) {
        if let Ok(Segment { mut bytes, .. }) = Arc::try_unwrap(segment)
            && self.idle.len() < 2
            && bytes.capacity() <= SEGMENT + SEGMENT / 4
        {
            bytes.clear();
            self.idle.push(bytes);
        }
    }

    /// Lets go of what every cursor has passed, but for the newest `retain` bytes of it; says whether there is more room.
    fn trim(&mut self, retain: usize) -> bool {
        self.delivered = self.cursors.values().copied().min().unwrap_or(self.last).max(self.delivered);
        let mut passed = false;
        while let Some(segment) = self.sealed.get(self.kept) {
            if segment.first + segment.records - 1 > self.delivered {
                break;
            }
            passed = true;
            self.kept += 1;
            self.kept_bytes += segment.cost();
        }
        while self.kept_bytes > retain && self.drop_oldest() {}
        passed
    }

    /// Lets go of the oldest segment, if every cursor has passed it.
    fn drop_oldest(&mut self) -> bool {
        if self.kept == 0 {
            return false;
        }
        let Some(segment) = self.sealed.pop_front() else { return false };
        self.kept -= 1;
        self.kept_bytes -= segment.cost();
        self.bytes -= segment.cost();
        self.recycle(segment);
        true
    }

    fn oldest(&self) -> u64 {
        self.sealed.front().map_or(self.last + 1 - self.open_records, |segment| segment.first)
    }
}

/// A bounded log in memory.
pub(super) struct MemoryLog {
    state: Arc<Mutex<State>>,
    retain: usize,
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLog").field("retain", &self.retain).finish_non_exhaustive()
    }
}

impl MemoryLog {
    /// At most `max_bytes`, of which what every cursor has passed may take `retain`, as long as nobody else needs it.
    pub(super) fn new(max_bytes: usize, retain: usize) -> Self {
        Self { state: Arc::new(Mutex::new(State { max_bytes, ..State::default() })), retain }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn appender(&self) -> Appender<'_> {
        Appender { state: self.state() }
    }

    pub(super) fn set_max_bytes(&self, max_bytes: usize) {
        self.state().max_bytes = max_bytes;
    }

    pub(super) fn last(&self) -> u64 {
        self.state().last
    }

    pub(super) fn oldest(&self) -> u64 {
        self.state().oldest()
    }

    pub(super) fn bytes(&self) -> u64 {
        let state = self.state();
        (state.bytes + state.open.len()) as u64
    }

    /// A new cursor begins with what nobody has had.
    pub(super) fn open_cursor(&self, name: &str) -> u64 {
        let mut state = self.state();
        let start = if state.cursors.is_empty() { state.delivered } else { state.last };
        *state.cursors.entry(name.to_owned()).or_insert(start)
    }

    pub(super) fn move_cursor(&self, name: &str, done: u64) -> bool {
        let mut state = self.state();
        if let Some(cursor) = state.cursors.get_mut(name) {
            *cursor = done.max(*cursor);
        }
        state.trim(self.retain)
    }

    pub(super) fn remove_cursor(&self, name: &str) -> u64 {
        let mut state = self.state();
        let done = state.cursors.remove(name);
        state.trim(self.retain);
        done.map_or(0, |done| state.last.saturating_sub(done))
    }

    pub(super) fn reader(&self, done: u64) -> MemoryReader {
        MemoryReader { state: Arc::clone(&self.state), segment: None, at: 0, done }
    }
}

pub(super) struct Appender<'a> {
    state: MutexGuard<'a, State>,
}

impl Appender<'_> {
    pub(super) fn last(&self) -> u64 {
        self.state.last
    }

    /// Makes room for an entry of this length.
    pub(super) fn reserve(&mut self, encoded_len: usize) -> Result<Room<'_>, Full> {
        let state = &mut *self.state;
        let len = encoded_len.saturating_add(4);
        if len > state.max_bytes.max(1) / 2 || u32::try_from(encoded_len).is_err() {
            return Err(Full::TooLarge);
        }
        while state.bytes + state.open.len() + OVERHEAD + len > state.max_bytes {
            // What is kept for nobody in particular holds nobody up.
            if !state.drop_oldest() && !state.tighten() {
                return Err(Full::Spool);
            }
        }
        if state.open_records > 0 && state.open.len() + len > state.segment_bytes() {
            state.seal();
        }
        Ok(Room { state })
    }
}

/// Room for one entry.
pub(super) struct Room<'a> {
    state: &'a mut State,
}

impl Room<'_> {
    /// Takes the entry, and gives its index.
    pub(super) fn append(self, entry: &Entry<'_>) -> u64 {
        let Self { state } = self;
        let prefix = u32::try_from(entry.encoded_len()).unwrap_or(u32::MAX);
        state.open.extend_from_slice(&prefix.to_le_bytes());
        entry.encode(&mut state.open);
        state.open_records += 1;
        state.last += 1;
        state.last
    }
}

/// Reads segments without a lock, once it has them.
#[derive(Debug)]
pub(super) struct MemoryReader {
    state: Arc<Mutex<State>>,
    segment: Option<Arc<Segment>>,
    /// Where the record behind `done` stands in the segment.
    at: usize,
    done: u64,
}

impl MemoryReader {
    pub(super) const fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn seek(&mut self, done: u64) {
        self.segment = None;
        self.done = done;
    }

    pub(super) fn read(&mut self) -> Option<Logged<'_>> {
        loop {
            let left = self.segment.as_ref().is_some_and(|segment| self.at < segment.bytes.len());
            if left {
                break;
            }
            self.open()?;
        }
        let bytes = self.segment.as_ref()?.bytes.get(self.at..)?;
        let (len, rest) = bytes.split_first_chunk()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        self.at += 4 + len;
        self.done += 1;
        let entry = Entry::decode(rest.get(..len)?)?;
        Some(Logged { index: self.done, run: RunId::default(), entry })
    }

    /// Finds the segment of the next record.
    fn open(&mut self) -> Option<()> {
        self.segment = None;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.done >= state.last {
            return None;
        }
        let wanted = self.done + 1;
        if wanted > state.last - state.open_records {
            state.seal();
        }
        let place = state.sealed.partition_point(|segment| segment.first + segment.records <= wanted);
        let segment = Arc::clone(state.sealed.get(place)?);
        drop(state);
        // Readers with a cursor never find that something is gone; others see it by the index.
        self.done = wanted.max(segment.first) - 1;
        self.at = 0;
        for _ in segment.first..=self.done {
            let (len, _) = segment.bytes.get(self.at..)?.split_first_chunk()?;
            self.at += 4 + usize::try_from(u32::from_le_bytes(*len)).ok()?;
        }
        self.segment = Some(segment);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(log: &MemoryLog, payload: &[u8]) -> Result<u64, Full> {
        let entry = Entry { payload, ..Entry::default() };
        Ok(log.appender().reserve(entry.encoded_len())?.append(&entry))
    }

    #[test]
    fn every_reader_gets_every_record_in_order() {
        let log = MemoryLog::new(8 << 20, 0);
        log.open_cursor("a");
        let (mut early, mut often) = (log.reader(0), log.reader(0));
        for number in 0..5_000_u64 {
            append(&log, &number.to_le_bytes().repeat(60)).unwrap();
            let record = often.read().unwrap();
            assert_eq!((record.index, record.entry.payload[0]), (number + 1, number as u8));
            assert!(often.read().is_none());
        }
        for index in 1..=5_000 {
            assert_eq!(early.read().unwrap().index, index);
        }
        early.seek(2_499);
        assert_eq!(early.read().unwrap().entry.payload[..8], 2_499_u64.to_le_bytes());
    }

    #[test]
    fn it_is_bounded_by_what_it_really_holds() {
        for size in [1, 100, 5_000, 200_000] {
            let log = MemoryLog::new(4 << 20, 0);
            log.open_cursor("a");
            let mut often = log.reader(0);
            let mut taken = 0;
            while append(&log, &vec![7; size]).is_ok() {
                taken += 1;
                // A reader that is always there makes many small segments.
                while often.read().is_some() {}
            }
            let state = log.state();
            let real: usize =
                state.sealed.iter().map(|segment| segment.cost()).sum::<usize>() + state.open.capacity();
            assert!(real <= (4 << 20) + (1 << 20) + size, "{taken} records of {size} hold {real}");
            assert!(taken * (size + 200) > 3 << 20, "{taken} records of {size}");
            drop(state);
            assert!(log.move_cursor("a", taken as u64));
            assert!(append(&log, &vec![7; size]).is_ok());
            assert_eq!(often.read().unwrap().index, taken as u64 + 1);
        }
        let log = MemoryLog::new(1000, 0);
        assert_eq!(append(&log, &[0; 600]), Err(Full::TooLarge));
    }

    #[test]
    fn without_a_cursor_nothing_is_held_and_a_new_one_begins_at_the_end_if_there_are_others() {
        let log = MemoryLog::new(1 << 20, 0);
        append(&log, b"x").unwrap();
        assert_eq!(log.open_cursor("first"), 0);
        append(&log, b"x").unwrap();
        assert_eq!(log.open_cursor("second"), 2);
        assert_eq!(log.open_cursor("first"), 0);
        assert_eq!((log.remove_cursor("first"), log.remove_cursor("none")), (2, 0));
    }

    #[test]
    fn what_is_delivered_is_kept_for_readers_without_a_cursor_as_long_as_there_is_room() {
        const RETAIN: usize = 1 << 20;
        let log = MemoryLog::new(4 << 20, RETAIN);
        log.open_cursor("a");
        let mut often = log.reader(0);
        for _ in 0..20_000 {
            let index = append(&log, &[7; 600]).unwrap();
            while often.read().is_some() {}
            log.move_cursor("a", index);
        }
        let kept = log.bytes() as usize;
        assert!(kept <= RETAIN && kept > RETAIN / 2, "{kept}");
        let mut late = log.reader(0);
        assert_eq!(late.read().unwrap().index, log.oldest());
        let mut read = 1;
        while late.read().is_some() {
            read += 1;
        }
        assert_eq!(read, 20_001 - log.oldest());
        // Whoever comes first once all cursors are gone is given nothing that was delivered.
        log.remove_cursor("a");
        assert_eq!(log.open_cursor("b"), 20_000);
        // The log takes as much as it would without what is kept.
        let mut taken = 0;
        while append(&log, &[7; 600]).is_ok() {
            taken += 1;
        }
        assert!(taken * 600 > 3 << 20, "{taken}");
        assert_eq!(log.oldest(), 20_001);
    }
}
