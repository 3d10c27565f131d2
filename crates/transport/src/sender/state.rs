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
//! The invariant, after every call: accepted = written + dropped + queued; with
//! [acknowledgements](SenderConfig::acks) accepted = acked + refused + dropped + queued, and what comes back on the
//! connection goes into [`handle_input`](SenderState::handle_input). A payload is never changed, so a record that
//! is sent again is the same bytes.
//!
//! The queue has two parts. In front, with acknowledgements, stand the records that are written on this connection
//! and have no answer yet; behind them what is to be written. When the connection breaks, all of it is to be
//! written again.
use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    acks::{Ack, AckState},
    config::{FullPolicy, LossReport, Losses, SenderConfig, SenderStats},
    message::{Item, Message, Segment},
};
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
    /// Nothing, until an answer or a record comes, or until this moment.
    AwaitAcks(Instant),
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
    /// Records at the front of `queue` that are written on this connection and not acknowledged.
    in_flight: usize,
    /// Payload bytes of the records in `queue`, reports not counted.
    queue_bytes: usize,
    /// Reports in `queue`: 0 or 1.
    reports: usize,
    /// Bytes of the first frame behind those in flight that are written on this connection.
    offset: usize,
    /// Records from there on that the caller is writing now and that must stay.
    lent: usize,
    /// Records written whole since the connection was last seen to be well.
    unchecked: u64,
    acks: Option<Box<AckState>>,
    /// The time of the last [`poll`](Self::poll).
    now: Option<Instant>,
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
            in_flight: 0,
            queue_bytes: 0,
            reports: 0,
            offset: 0,
            lent: 0,
            unchecked: 0,
            // A datagram's sender gets no answers.
            acks: config.acks.clone().filter(|_| !datagram).map(|acks| Box::new(AckState::new(acks))),
            now: None,
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

    /// Whether a payload of this length can be carried at all.
    pub const fn can_carry(&self, len: usize) -> bool {
        len <= self.max_payload
    }

    /// Takes a record. When there is no room, the policy says which record goes; a caller who may wait
    /// does so before this call and then loses the newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLong`] if no frame or no datagram can carry the payload; it is not counted.
    /// [`ErrorKind::Full`] if this record was dropped; it is counted.
    pub fn handle_record(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        let len = message.payload.len();
        if !self.can_carry(len) {
            return Err(Error::new(ErrorKind::TooLong));
        }
        self.stats.accepted += 1;
        while !self.has_room(len) {
            // What is half written or in the caller's hands cannot be taken back, and what was written may have
            // arrived.
            let first = self.in_flight + self.begun();
            let oldest = (first..self.queue.len()).find(|&index| {
                self.queue.get(index).is_some_and(|item| item.report.is_none() && !item.is_written)
            });
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
                    self.drop_record(len);
                    return Err(Error::new(ErrorKind::Full));
                }
            }
        }
        self.queue_bytes += len;
        self.queue.push_back(Item::record(message));
        Ok(())
    }

    /// An attempt to connect begins.
    pub const fn handle_connecting(&mut self, now: Instant) {
        self.link = Link::Connecting { started: now };
    }

    /// The attempt succeeded.
    pub fn handle_connected(&mut self) {
        if let Link::Connecting { started } = self.link {
            self.link = Link::Up { started, proven: false };
            self.stats.connections += 1;
            self.offset = 0;
            self.unchecked = 0;
            if let Some(acks) = &mut self.acks {
                acks.connected();
            }
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
            let Some(item) = self.queue.get_mut(self.in_flight) else { break };
            let missing = item.frame_len() - self.offset;
            if left < missing {
                self.offset += left;
                break;
            }
            left -= missing;
            self.offset = 0;
            let len = item.payload.len();
            if let (Some(acks), Some(number)) = (&mut self.acks, item.number) {
                item.written_at = self.now;
                acks.highest_written = acks.highest_written.max(Some(number));
                acks.bytes_in_flight += len;
                self.in_flight += 1;
                if !std::mem::replace(&mut item.is_written, true) {
                    self.stats.in_flight += 1;
                    self.stats.written += 1;
                    self.stats.written_bytes += len as u64;
                }
                continue;
            }
            let Some(item) = self.queue.remove(self.in_flight) else { break };
            // A refusal of the peer's system tells of one datagram, not of all before it.
            self.unchecked = if self.datagram { 1 } else { self.unchecked + 1 };
            match item.report {
                None => {
                    self.queue_bytes -= len;
                    self.stats.written += 1;
                    self.stats.written_bytes += len as u64;
                }
                Some(_) => {
                    self.reports -= 1;
                    self.stats.reports += 1;
                }
            }
            // Only a connection that has carried something ends the back-off; one that is accepted and
            // closed at once would be opened again without any pause. Where answers are wanted, they prove it.
            if self.acks.is_none() {
                self.prove();
            }
        }
        self.settle();
    }

    fn prove(&mut self) {
        if let Link::Up { proven, .. } = &mut self.link
            && !*proven
        {
            *proven = true;
            self.backoff.succeeded();
        }
    }

    /// These bytes came back on the connection. Without acknowledgements they mean nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadAck`] if they are no genuine acknowledgements. The connection is to be closed then; what was
    /// acknowledged before counts.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), Error> {
        let Some(acks) = &mut self.acks else { return Ok(()) };
        if input.is_empty() {
            return Ok(());
        }
        acks.feed(input);
        let mut heard = false;
        while let Some(ack) = acks.next() {
            heard |= ack != Ack::Other;
            match ack {
                Ack::Other => {}
                // What was never written cannot have been stored, whoever says so.
                Ack::UpTo(number) => acks.up_to = acks.up_to.max(acks.highest_written.min(Some(number))),
                Ack::Refused { number, status } => {
                    let item = self.queue.iter_mut().find(|item| item.number == Some(number));
                    if let Some(item) = item.filter(|item| item.is_written && item.refused.is_none()) {
                        item.refused = Some(status);
                        acks.refused_pending += 1;
                    }
                }
            }
        }
        let is_trusted = acks.is_trusted();
        if heard {
            self.prove();
            self.settle();
            self.tell_settled();
        }
        if is_trusted { Ok(()) } else { Err(Error::new(ErrorKind::BadAck)) }
    }

    fn tell_settled(&self) {
        let Some(acks) = &self.acks else { return };
        let oldest = self.queue.iter().find_map(|item| item.number);
        if let Some(below) = oldest.or_else(|| acks.highest_written.map(|last| last.saturating_add(1))) {
            acks.config.reader.settled(below);
        }
    }

    /// Lets go what is acknowledged or refused, but for what is being written again at this moment.
    fn settle(&mut self) {
        let Some(acks) = &mut self.acks else { return };
        let begun = self.lent.max(usize::from(self.offset > 0));
        let mut index = 0;
        let mut busy = self.in_flight..self.in_flight + begun;
        while let Some(item) = self.queue.get(index) {
            let Some(number) = item.number else {
                index += 1;
                continue;
            };
            let is_acked = Some(number) <= acks.up_to;
            if !item.is_written || (!is_acked && acks.refused_pending == 0) {
                break;
            }
            let status = item.refused;
            if busy.contains(&index) || !(is_acked || status.is_some()) {
                index += 1;
                continue;
            }
            let Some(item) = self.queue.remove(index) else { break };
            if index < self.in_flight {
                self.in_flight -= 1;
                acks.bytes_in_flight -= item.payload.len();
                busy = busy.start - 1..busy.end - 1;
            }
            self.queue_bytes -= item.payload.len();
            self.stats.in_flight -= 1;
            acks.refused_pending -= usize::from(status.is_some());
            match status {
                // The refusal was written before any acknowledgement that covers it.
                Some(status) => {
                    self.stats.refused += 1;
                    let last = self.stats.refused_by_status.len() - 1;
                    if let Some(count) = self.stats.refused_by_status.get_mut(usize::from(status).min(last)) {
                        *count += 1;
                    }
                }
                None => self.stats.acked += 1,
            }
        }
    }

    /// Drops what has been in flight for too long.
    fn expire(&mut self, now: Instant) {
        while self.in_flight > 0
            && let Some(acks) = &mut self.acks
            && let Some(first) = self.queue.front()
            && first.written_at.is_some_and(|at| now.saturating_duration_since(at) >= acks.config.max_age)
            && let Some(item) = self.queue.pop_front()
        {
            let len = item.payload.len();
            self.in_flight -= 1;
            acks.bytes_in_flight -= len;
            acks.refused_pending -= usize::from(item.refused.is_some());
            self.queue_bytes -= len;
            self.stats.in_flight -= 1;
            self.stats.dropped_unanswered += 1;
            self.drop_record(len);
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
        let was_begun = std::mem::take(&mut self.offset) > 0;
        let first = std::mem::take(&mut self.in_flight);
        if let Some(acks) = &mut self.acks {
            acks.broken(first > 0 || was_begun);
        }
        if was_begun {
            match self.queue.get_mut(first) {
                // What is to be acknowledged stays until it is.
                Some(item) if item.number.is_some() && self.acks.is_some() => {}
                Some(item) if item.is_cut => self.give_up(first),
                Some(item) => item.is_cut = true,
                None => {}
            }
        }
        self.settle();
    }

    /// The first record cannot be sent at all (a datagram that the socket refuses for its size).
    pub fn handle_refused(&mut self) {
        self.lent = 0;
        self.offset = 0;
        self.give_up(self.in_flight);
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
        self.in_flight = 0;
        self.link = Link::Down;
        while let Some(item) = self.queue.pop_front() {
            match item.report {
                None => {
                    if item.is_written {
                        // It may have arrived and even be stored; nobody will say any more.
                        self.stats.in_flight -= 1;
                        self.stats.in_doubt += 1;
                    }
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
        self.now = Some(now);
        match self.link {
            Link::Up { .. } => {
                self.expire(now);
                self.report_losses(now);
                match self.reported_at {
                    _ if self.sendable(1) > 0 => Step::Write,
                    _ if !self.queue.is_empty() => Step::AwaitAcks(self.expiry(now)),
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
        let max_records = self.sendable(if self.datagram { 1 } else { max_records.max(1) });
        let mut bytes = 0_usize;
        let mut skip = self.offset;
        for item in self.queue.iter().skip(self.in_flight).take(max_records) {
            let segment = item.segment(skip);
            bytes = bytes.saturating_add(segment.len());
            if bytes > max_bytes && !into.is_empty() {
                break;
            }
            into.push(segment);
            skip = 0;
        }
        self.lent = into.len();
    }

    /// How many records, at most `max`, may be written now: with acknowledgements only so many as the receiver's
    /// window takes, should all of them have to be written again.
    fn sendable(&self, max: usize) -> usize {
        let waiting = self.queue.len() - self.in_flight;
        let Some(acks) = &self.acks else { return waiting.min(max) };
        let oldest = self.queue.iter().find_map(|item| item.number);
        let mut bytes = acks.bytes_in_flight;
        let fits = |item: &&Item| {
            let (Some(number), Some(oldest)) = (item.number, oldest) else { return true };
            let is_alone = bytes == 0;
            bytes = bytes.saturating_add(item.payload.len());
            number.saturating_sub(oldest) < acks.config.window && (is_alone || bytes <= acks.config.max_bytes)
        };
        self.queue.iter().skip(self.in_flight).take(max).take_while(fits).count()
    }

    /// Whether records wait that may be written only when others are acknowledged.
    pub fn is_window_full(&self) -> bool {
        self.queue.len() > self.in_flight && self.sendable(1) == 0
    }

    /// When the oldest record in flight has waited for too long.
    fn expiry(&self, now: Instant) -> Instant {
        let age = self.acks.as_ref().map(|acks| acks.config.max_age).unwrap_or_default();
        let since = self.queue.front().and_then(|item| item.written_at).unwrap_or(now);
        since.checked_add(age).unwrap_or(now + Duration::from_secs(86_400))
    }

    /// Records from the first one that is not in flight on that are begun or in the caller's hands.
    fn begun(&self) -> usize {
        self.lent.max(usize::from(self.offset > 0))
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

    /// Whether five connections in a row, or more, have ended without an acknowledgement: the receiver gives none, or
    /// refuses what asks for them.
    pub fn is_unheard(&self) -> bool {
        self.acks.as_ref().is_some_and(|acks| acks.is_unheard())
    }

    /// Losses that no report has told of yet.
    pub const fn unreported(&self) -> Losses {
        self.losses
    }

    fn report_losses(&mut self, now: Instant) {
        // A report goes in front of the first record that is not written, so that it stands where the gap is.
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
                self.queue.insert(self.in_flight, Item::report(payload.into(), losses));
            }
            // No report is wanted, or it cannot be sent: then the counts stand in the statistics alone.
            _ => {}
        }
    }

    fn give_up(&mut self, index: usize) {
        let Some(item) = self.queue.remove(index) else { return };
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
mod tests;
