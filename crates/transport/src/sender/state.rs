//! What a sender knows and decides, without sockets, threads and clocks.
//!
//! The caller has the socket and the time; the state has the queue, the back-off and the counts. The loop
//! is always the same:
//!
//! 1. [`poll`](SenderState::poll) says what to do next: connect, write, wait until a moment, or nothing.
//! 2. To write, [`segments`](SenderState::segments) lends the next bytes, and what became of them goes
//!    into [`handle_written`](SenderState::handle_written) or [`handle_broken`](SenderState::handle_broken).
//! 3. To connect, [`handle_connecting`](SenderState::handle_connecting) comes first, and then
//!    [`handle_connected`](SenderState::handle_connected) or [`handle_connect_failed`](SenderState::handle_connect_failed).
//!
//! The invariant, after every call: accepted = written + dropped + queued. A payload is never changed, so a
//! record that is sent again is the same bytes.
use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use bytes::Bytes;
use logrecord_frame::PREFIX_LEN;

use super::config::{FullPolicy, LossReport, Losses, SenderConfig, SenderStats};
use crate::{
    backoff::Backoff,
    error::{Error, ErrorKind},
};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Nothing, until a record comes.
    Idle,
    /// Nothing, until this moment.
    Wait(Instant),
    /// Open a connection.
    Connect,
    /// Write what [`SenderState::segments`] lends.
    Write,
}

/// One piece of a frame that is to be written: the rest of its prefix, and the rest of its payload.
#[derive(Clone, Debug)]
pub struct Segment {
    prefix: [u8; PREFIX_LEN],
    skip: usize,
    payload: Bytes,
}

impl Segment {
    /// What is left of the prefix.
    pub fn prefix(&self) -> &[u8] {
        self.prefix.get(self.skip..).unwrap_or_default()
    }

    /// What is left of the payload.
    pub fn payload(&self) -> &[u8] {
        self.payload.get(self.skip.saturating_sub(PREFIX_LEN)..).unwrap_or_default()
    }

    /// The bytes of both.
    pub fn len(&self) -> usize {
        self.prefix().len() + self.payload().len()
    }

    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug)]
struct Item {
    payload: Bytes,
    /// The losses that this record reports, if it is a report.
    report: Option<Losses>,
    /// Whether a connection broke when a part of it was written.
    cut: bool,
}

impl Item {
    fn prefix(&self) -> [u8; PREFIX_LEN] {
        // The length was checked when the record was accepted.
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes()
    }

    fn frame_len(&self) -> usize {
        self.payload.len() + PREFIX_LEN
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    Connecting { started: Instant },
    Up { started: Instant, proven: bool },
}

/// The state of one sender.
pub struct SenderState {
    queue: VecDeque<Item>,
    /// Payload bytes of the records in `queue`, reports not counted.
    queue_bytes: usize,
    /// Reports in `queue`: 0 or 1.
    reports: usize,
    /// Bytes of the first frame that are written on this connection.
    offset: usize,
    /// Records at the front that the caller is writing now and that must stay.
    lent: usize,
    /// Records written whole since the connection was last seen to be well.
    unchecked: u64,
    link: Link,
    backoff: Backoff,
    max_records: usize,
    max_bytes: usize,
    max_payload: usize,
    full: FullPolicy,
    /// A frame is a datagram: written whole or not at all.
    datagram: bool,
    stats: SenderStats,
    losses: Losses,
    loss_report: Option<LossReport>,
    report_interval: Duration,
    reported_at: Option<Instant>,
}

impl SenderState {
    /// A state for streams, in which frames follow each other.
    pub fn stream(config: &SenderConfig) -> Self {
        Self::new(config, false, u32::MAX as usize)
    }

    /// A state for datagrams, each of which is one frame of at most `max_payload` bytes behind its prefix.
    pub fn datagram(config: &SenderConfig, max_payload: usize) -> Self {
        Self::new(config, true, max_payload)
    }

    fn new(config: &SenderConfig, datagram: bool, max_payload: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            queue_bytes: 0,
            reports: 0,
            offset: 0,
            lent: 0,
            unchecked: 0,
            link: Link::Down,
            backoff: config.backoff.clone(),
            max_records: config.queue_records.max(1),
            max_bytes: config.queue_bytes,
            max_payload,
            full: config.full,
            datagram,
            stats: SenderStats::default(),
            losses: Losses::default(),
            loss_report: config.loss_report.clone(),
            report_interval: config.report_interval,
            reported_at: None,
        }
    }

    // What comes in.

    /// Whether a payload of this length would be queued without dropping anything.
    pub fn has_room(&self, len: usize) -> bool {
        let records = self.queue.len() - self.reports;
        records == 0 || (records < self.max_records && self.queue_bytes.saturating_add(len) <= self.max_bytes)
    }

    /// Whether at most half of the queue is taken: the moment to wake callers that wait for room. To wake
    /// them for each place that becomes free would cost more than the writing.
    pub fn is_half_empty(&self) -> bool {
        let records = self.queue.len() - self.reports;
        records <= self.max_records / 2 && self.queue_bytes <= self.max_bytes / 2 || records == 0
    }

    /// Takes a record. When there is no room, the policy says which record goes; a caller who may wait
    /// does so before this call and then loses the newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLong`] if no frame or no datagram can carry the payload; it is not counted.
    /// [`ErrorKind::Full`] if this record was dropped; it is counted.
    pub fn handle_record(&mut self, payload: Bytes) -> Result<(), Error> {
        if payload.len() > self.max_payload {
            return Err(Error::new(ErrorKind::TooLong));
        }
        self.stats.accepted += 1;
        while !self.has_room(payload.len()) {
            // The first record may be half written or in the caller's hands; it cannot be taken back.
            let first = self.lent.max(usize::from(self.offset > 0));
            let oldest = (first..self.queue.len())
                .find(|&index| self.queue.get(index).is_some_and(|item| item.report.is_none()));
            match (self.full, oldest) {
                (FullPolicy::DropOldest, Some(index)) => {
                    if let Some(item) = self.queue.remove(index) {
                        self.queue_bytes -= item.payload.len();
                        self.stats.dropped_full += 1;
                        self.drop_record(item.payload.len());
                    }
                }
                _ => {
                    self.stats.dropped_full += 1;
                    self.drop_record(payload.len());
                    return Err(Error::new(ErrorKind::Full));
                }
            }
        }
        self.queue_bytes += payload.len();
        self.queue.push_back(Item { payload, report: None, cut: false });
        Ok(())
    }

    /// An attempt to connect begins.
    pub const fn handle_connecting(&mut self, now: Instant) {
        self.link = Link::Connecting { started: now };
    }

    /// The attempt succeeded.
    pub const fn handle_connected(&mut self) {
        if let Link::Connecting { started } = self.link {
            self.link = Link::Up { started, proven: false };
            self.stats.connections += 1;
            self.offset = 0;
            self.unchecked = 0;
        }
    }

    /// The attempt failed. Nothing is lost by that alone.
    pub fn handle_connect_failed(&mut self) {
        if let Link::Connecting { started } = self.link {
            self.stats.failed_connects += 1;
            self.backoff.failed(started);
            self.link = Link::Down;
        }
    }

    /// The connection was looked at, and the peer is still there: all that was written before counts as
    /// safe, as far as this wire can tell.
    ///
    /// Of datagrams it says nothing: their sockets have no peer that could be seen.
    pub const fn handle_alive(&mut self) {
        if !self.datagram {
            self.unchecked = 0;
        }
    }

    /// `written` bytes of what was lent were handed to the system.
    pub fn handle_written(&mut self, written: usize) {
        self.lent = 0;
        let mut left = written;
        while left > 0 {
            let Some(first) = self.queue.front() else { break };
            let missing = first.frame_len() - self.offset;
            if left < missing {
                self.offset += left;
                return;
            }
            left -= missing;
            self.offset = 0;
            let Some(item) = self.queue.pop_front() else { break };
            // A refusal of the peer's system tells of one datagram, not of all before it.
            self.unchecked = if self.datagram { 1 } else { self.unchecked + 1 };
            match item.report {
                None => {
                    self.queue_bytes -= item.payload.len();
                    self.stats.written += 1;
                    self.stats.written_bytes += item.payload.len() as u64;
                }
                Some(_) => {
                    self.reports -= 1;
                    self.stats.reports += 1;
                }
            }
            if let Link::Up { proven, .. } = &mut self.link
                && !*proven
            {
                // Only a connection that has carried something ends the back-off; one that is accepted and
                // closed at once would be opened again without any pause.
                *proven = true;
                self.backoff.succeeded();
            }
        }
    }

    /// The connection is no more. The record that was cut goes to the front of the next connection, once;
    /// cut a second time it is dropped.
    pub fn handle_broken(&mut self) {
        let Link::Up { started, proven } = self.link else { return };
        self.link = Link::Down;
        self.lent = 0;
        if !proven {
            self.backoff.failed(started);
        }
        self.stats.in_doubt += self.unchecked;
        self.losses.in_doubt += self.unchecked;
        self.unchecked = 0;
        if self.offset > 0 {
            self.offset = 0;
            match self.queue.front_mut() {
                Some(first) if first.cut => self.give_up_first(),
                Some(first) => first.cut = true,
                None => {}
            }
        }
    }

    /// The first record cannot be sent at all (a datagram that the socket refuses for its size).
    pub fn handle_refused(&mut self) {
        self.lent = 0;
        self.offset = 0;
        self.give_up_first();
    }

    /// An earlier datagram did not arrive, as the peer's system says.
    pub const fn handle_unreachable(&mut self) {
        self.lent = 0;
        if self.unchecked > 0 {
            self.unchecked -= 1;
            self.stats.in_doubt += 1;
            self.losses.in_doubt += 1;
        }
    }

    /// No more records come. A loss report that is due does not wait for its interval any more.
    pub const fn handle_closing(&mut self) {
        self.report_interval = Duration::ZERO;
    }

    /// The end: what is still there is dropped and counted.
    pub fn handle_closed(&mut self) {
        self.lent = 0;
        self.offset = 0;
        self.link = Link::Down;
        while let Some(item) = self.queue.pop_front() {
            match item.report {
                None => {
                    self.queue_bytes -= item.payload.len();
                    self.stats.dropped_closed += 1;
                    self.drop_record(item.payload.len());
                }
                Some(losses) => {
                    self.reports -= 1;
                    self.losses.add(losses);
                }
            }
        }
    }

    // What goes out.

    /// What to do next. Any call of a `handle_` method can change the answer, and so can the time.
    pub fn poll(&mut self, now: Instant) -> Step {
        match self.link {
            Link::Up { .. } => {
                self.report_losses(now);
                match self.reported_at {
                    _ if !self.queue.is_empty() => Step::Write,
                    // What was lost since the last report is told when its time comes, record or no record.
                    Some(at) if self.losses.records > 0 && self.loss_report.is_some() => {
                        Step::Wait(at.checked_add(self.report_interval).unwrap_or(at))
                    }
                    _ => Step::Idle,
                }
            }
            Link::Connecting { .. } => Step::Connect,
            Link::Down if self.queue.is_empty() => Step::Idle,
            Link::Down => match self.backoff.retry_at() {
                Some(at) if now < at => Step::Wait(at),
                _ => Step::Connect,
            },
        }
    }

    /// Lends the next bytes: as many whole records as fit into `max_bytes`, at least one and at most
    /// `max_records`; of datagrams always one. They stay in the queue until it is known what became of them.
    pub fn segments(&mut self, max_records: usize, max_bytes: usize, into: &mut Vec<Segment>) {
        into.clear();
        if !self.is_connected() {
            return;
        }
        let max_records = if self.datagram { 1 } else { max_records.max(1) };
        let mut bytes = 0_usize;
        let mut skip = self.offset;
        for item in self.queue.iter().take(max_records) {
            let segment = Segment { prefix: item.prefix(), skip, payload: item.payload.clone() };
            bytes = bytes.saturating_add(segment.len());
            if bytes > max_bytes && !into.is_empty() {
                break;
            }
            into.push(segment);
            skip = 0;
        }
        self.lent = into.len();
    }

    /// Whether there is a connection.
    pub const fn is_connected(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether something was written since the connection was last seen to be well.
    pub const fn is_unchecked(&self) -> bool {
        self.unchecked > 0 && !self.datagram && self.is_connected()
    }

    /// Whether everything that was accepted is written or dropped.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The counts.
    pub fn stats(&self) -> SenderStats {
        SenderStats {
            queued: (self.queue.len() - self.reports) as u64,
            queued_bytes: self.queue_bytes as u64,
            ..self.stats
        }
    }

    /// Losses that no report has told of yet.
    pub const fn unreported(&self) -> Losses {
        self.losses
    }

    fn report_losses(&mut self, now: Instant) {
        // A report goes in front of the first record that is not begun, so that it stands where the gap is.
        if self.losses.records == 0 || self.reports > 0 || self.offset > 0 || self.lent > 0 {
            return;
        }
        if self.reported_at.is_some_and(|at| now.saturating_duration_since(at) < self.report_interval) {
            return;
        }
        let Some(report) = &self.loss_report else { return };
        self.reported_at = Some(now);
        let losses = std::mem::take(&mut self.losses);
        // The closure is somebody else's; a panic of it costs the report and nothing more.
        match catch_unwind(AssertUnwindSafe(|| report(&losses))).unwrap_or_default() {
            Some(payload) if payload.len() <= self.max_payload => {
                self.reports = 1;
                self.queue.push_front(Item { payload: payload.into(), report: Some(losses), cut: false });
            }
            // No report is wanted, or it cannot be sent: then the counts stand in the statistics alone.
            _ => {}
        }
    }

    fn give_up_first(&mut self) {
        let Some(item) = self.queue.pop_front() else { return };
        match item.report {
            None => {
                self.queue_bytes -= item.payload.len();
                self.stats.dropped_error += 1;
                self.drop_record(item.payload.len());
            }
            Some(losses) => {
                self.reports -= 1;
                self.losses.add(losses);
            }
        }
    }

    fn drop_record(&mut self, len: usize) {
        self.stats.dropped += 1;
        self.stats.dropped_bytes += len as u64;
        self.losses.records += 1;
        self.losses.bytes += len as u64;
    }
}

impl fmt::Debug for SenderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads are nobody's business here.
        f.debug_struct("SenderState")
            .field("link", &self.link)
            .field("offset", &self.offset)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(config: &SenderConfig) -> (SenderState, Instant) {
        let mut state = SenderState::stream(config);
        let now = Instant::now();
        state.handle_record(Bytes::from_static(b"first")).unwrap();
        assert_eq!(state.poll(now), Step::Connect);
        state.handle_connecting(now);
        state.handle_connected();
        assert_eq!(state.poll(now), Step::Write);
        (state, now)
    }

    fn wire(state: &mut SenderState) -> Vec<u8> {
        let mut segments = Vec::new();
        state.segments(64, usize::MAX, &mut segments);
        segments.iter().flat_map(|segment| [segment.prefix(), segment.payload()].concat()).collect()
    }

    #[test]
    fn partial_writes_resume_where_they_ended() {
        let (mut state, now) = up(&SenderConfig::new());
        state.handle_record(Bytes::from_static(b"second")).unwrap();
        let whole = wire(&mut state);
        assert_eq!(whole, b"\0\0\0\x05first\0\0\0\x06second");
        let mut got = Vec::new();
        while state.poll(now) == Step::Write {
            let next = wire(&mut state);
            got.push(next[0]);
            state.handle_written(1);
        }
        assert_eq!(got, whole);
        assert_eq!(state.stats().written, 2);
    }

    #[test]
    fn a_cut_record_is_sent_again_once() {
        let (mut state, now) = up(&SenderConfig::new());
        for connection in 0..2 {
            assert_eq!(wire(&mut state), b"\0\0\0\x05first");
            state.handle_written(6);
            state.handle_broken();
            if connection == 0 {
                let Step::Wait(at) = state.poll(now) else {
                    panic!("an unproven connection is followed by a pause")
                };
                state.handle_connecting(at);
                state.handle_connected();
            }
        }
        let stats = state.stats();
        assert_eq!((stats.accepted, stats.written, stats.dropped, stats.dropped_error), (1, 0, 1, 1));
        assert_eq!(state.poll(now), Step::Idle);
    }

    #[test]
    fn a_record_of_which_nothing_was_written_waits_as_long_as_it_takes() {
        let (mut state, mut now) = up(&SenderConfig::new());
        for _ in 0..10 {
            state.handle_broken();
            let Step::Wait(at) = state.poll(now) else { panic!() };
            now = at;
            state.handle_connecting(now);
            state.handle_connected();
        }
        assert_eq!(wire(&mut state), b"\0\0\0\x05first");
        assert_eq!(state.stats().queued, 1);
    }

    #[test]
    fn full_queues_follow_their_policy_and_never_touch_what_is_begun() {
        for (policy, kept, newest_fails) in [
            (FullPolicy::DropOldest, ["first", "5", "6"], false),
            (FullPolicy::DropNewest, ["first", "2", "3"], true),
            (FullPolicy::Block(Duration::ZERO), ["first", "2", "3"], true),
        ] {
            let config = SenderConfig::new().queue(3, 1000).full_policy(policy);
            let (mut state, _) = up(&config);
            assert!(!wire(&mut state).is_empty());
            state.handle_written(2);
            let mut failed = false;
            for record in ["2", "3", "4", "5", "6"] {
                failed |= state.handle_record(Bytes::from_static(record.as_bytes())).is_err();
            }
            assert_eq!(failed, newest_fails);
            let queued: Vec<_> = state.queue.iter().map(|item| item.payload.clone()).collect();
            assert_eq!(queued, kept);
            let stats = state.stats();
            assert_eq!(stats.accepted, stats.written + stats.dropped + stats.queued);
            assert_eq!((stats.dropped, stats.dropped_full), (3, 3));
        }
    }

    #[test]
    fn bytes_bound_the_queue_too_but_one_record_always_fits() {
        let config = SenderConfig::new().queue(100, 10).full_policy(FullPolicy::DropNewest);
        let mut state = SenderState::stream(&config);
        state.handle_record(Bytes::from(vec![0; 50])).unwrap();
        assert_eq!(state.handle_record(Bytes::from_static(b"x")).unwrap_err().kind(), ErrorKind::Full);
        let mut state = SenderState::datagram(&config, 49);
        assert_eq!(state.handle_record(Bytes::from(vec![0; 50])).unwrap_err().kind(), ErrorKind::TooLong);
        assert_eq!(state.stats().accepted, 0);
    }

    #[test]
    fn losses_are_reported_once_the_line_is_back_and_in_their_place() {
        let config = SenderConfig::new()
            .queue(2, 1000)
            .loss_report(|losses| Some(format!("lost {}", losses.records).into_bytes()));
        let mut state = SenderState::stream(&config);
        let now = Instant::now();
        for record in ["1", "2", "3", "4", "5"] {
            state.handle_record(Bytes::from_static(record.as_bytes())).unwrap();
        }
        state.handle_connecting(now);
        state.handle_connected();
        assert_eq!(state.poll(now), Step::Write);
        let bytes = wire(&mut state);
        assert_eq!(bytes, b"\0\0\0\x06lost 3\0\0\0\x014\0\0\0\x015");
        // The report is cut twice: the losses are told by a later one.
        for _ in 0..2 {
            assert!(!wire(&mut state).is_empty());
            state.handle_written(1);
            state.handle_broken();
            let Step::Wait(at) = state.poll(now) else { panic!() };
            state.handle_connecting(at);
            state.handle_connected();
        }
        let later = now + Duration::from_secs(100);
        assert_eq!(state.poll(later), Step::Write);
        let bytes = wire(&mut state);
        assert_eq!(bytes, b"\0\0\0\x06lost 3\0\0\0\x014\0\0\0\x015");
        state.handle_written(bytes.len());
        let stats = state.stats();
        assert_eq!((stats.written, stats.reports, stats.dropped), (2, 1, 3));
        assert!(state.unreported().is_empty());
    }

    #[test]
    fn records_written_since_the_last_look_are_in_doubt_when_the_connection_is_gone() {
        let (mut state, _) = up(&SenderConfig::new());
        let bytes = wire(&mut state);
        state.handle_written(bytes.len());
        state.handle_alive();
        state.handle_record(Bytes::from_static(b"second")).unwrap();
        let bytes = wire(&mut state);
        state.handle_written(bytes.len());
        state.handle_broken();
        assert_eq!(state.stats().in_doubt, 1);
    }

    #[test]
    fn closing_counts_what_is_left() {
        let (mut state, _) = up(&SenderConfig::new());
        state.handle_record(Bytes::from_static(b"second")).unwrap();
        state.handle_closed();
        let stats = state.stats();
        assert_eq!((stats.dropped, stats.dropped_closed, stats.queued, stats.queued_bytes), (2, 2, 0, 0));
        assert_eq!(stats.dropped_bytes, 11);
    }
}
