//! Acknowledgements: who waits for the disk, and what is said once it has answered.
//!
//! A connection owes its peer one acknowledgement for each stream and sync, however many records it covers. What is
//! owed is noted under the index that the log must have made durable first, and one task says it when the log has.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use logrecord::frame::envelope::{Ack, AckStatus, KeyId, Stamp, StreamId, Verifier};
use logrecord::transport::listener::Replies;
use logrecord_pipeline::Log;
use tokio::sync::Notify;

use super::keys::Keys;

/// Streams of one connection that may wait at a time.
const MAX_STREAMS: usize = 1_024;

/// Streams of all connections that may wait at a time.
const MAX_ALL_STREAMS: usize = 65_536;

/// Steps in which the acknowledgement of one stream may come; what comes on top joins the last one.
const MAX_STEPS: usize = 8;

/// Everything up to `number` may be acknowledged when the log is durable up to `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    index: u64,
    number: u64,
}

/// What one connection owes.
struct Owed {
    replies: Replies,
    streams: BTreeMap<(KeyId, StreamId), VecDeque<Step>>,
}

#[derive(Default)]
struct Book {
    connections: BTreeMap<u64, Owed>,
    streams: usize,
}

/// What all connections owe, and how much was said.
#[derive(Default)]
pub(crate) struct Acks {
    given: AtomicBool,
    book: Mutex<Book>,
    /// Held while something is taken out of the book and said.
    saying: Mutex<()>,
    /// Something was said.
    said: Notify,
    /// Something is owed that is durable already.
    due: Notify,
    connections: AtomicU64,
    /// Acknowledgements that were said.
    pub(crate) durable: AtomicU64,
    /// Refusals that were said.
    pub(crate) refused: AtomicU64,
}

impl Acks {
    /// Acknowledgements of a log that keeps what it has taken, or of none.
    pub(crate) fn new(given: bool) -> Self {
        Self { given: AtomicBool::new(given), ..Self::default() }
    }

    /// Whether acknowledgements are given at all: what is not kept must not be promised.
    pub(crate) fn are_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }

    /// The way back of a new connection.
    pub(crate) fn line(self: &Arc<Self>, replies: Replies) -> AckLine {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        AckLine { acks: Arc::clone(self), connection, replies }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the log has made durable, as long as the program runs.
    pub(crate) async fn run(&self, log: &Log, keys: &Keys) {
        loop {
            // Asked before looking, so that no sync in between is missed.
            let (synced, due) = (log.notified(), self.due.notified());
            tokio::pin!(synced, due);
            synced.as_mut().enable();
            due.as_mut().enable();
            self.say(log.durable(), &keys.verifier());
            tokio::select! {
                () = synced => {}
                () = due => {}
            }
        }
    }

    /// Says everything that is owed for what is durable.
    fn say(&self, durable: u64, verifier: &Verifier) {
        let saying = self.saying.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.book().take_due(durable);
        for (replies, ack) in due {
            if let Some(frame) = seal(verifier, &ack) {
                replies.send_latest(*ack.stream_id.as_bytes(), frame);
                self.durable.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(saying);
        self.said.notify_waiters();
    }
}

impl Book {
    fn take_due(&mut self, durable: u64) -> Vec<(Replies, Ack)> {
        let mut due = Vec::new();
        let mut ended = 0;
        self.connections.retain(|_, owed| {
            let replies = &owed.replies;
            owed.streams.retain(|&(key_id, stream_id), steps| {
                let reached = steps.partition_point(|step| step.index <= durable);
                if let Some(Step { number: seq, .. }) = steps.drain(..reached).next_back() {
                    due.push((replies.clone(), Ack { status: AckStatus::Durable, key_id, stream_id, seq }));
                }
                ended += usize::from(steps.is_empty());
                !steps.is_empty()
            });
            !owed.streams.is_empty()
        });
        self.streams -= ended;
        due
    }
}

/// A whole frame; none for a key that is no longer accepted, whose sender finds that out with its next message.
fn seal(verifier: &Verifier, ack: &Ack) -> Option<Bytes> {
    let mut frame = BytesMut::new();
    verifier.seal_ack_into(ack, &mut frame).ok()?;
    Some(frame.freeze())
}

/// The way back of one connection.
pub(crate) struct AckLine {
    acks: Arc<Acks>,
    connection: u64,
    replies: Replies,
}

impl AckLine {
    /// Tells the sender that a message is refused for good.
    pub(crate) fn refuse(&self, keys: &Keys, stamp: &Stamp, status: AckStatus) {
        if let Some(frame) = seal(&keys.verifier(), &Ack::new(status, stamp)) {
            self.replies.send(frame);
            self.acks.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The sender of these messages is to hear of them when the log is durable up to `index`, which is not before
    /// any index that was named before. False if more streams wait than may.
    #[must_use]
    pub(crate) fn owe(&self, stamps: &[Stamp], index: u64, log: &Log) -> bool {
        if stamps.is_empty() {
            return true;
        }
        let mut book = self.acks.book();
        let Book { connections, streams: all } = &mut *book;
        let owed = connections
            .entry(self.connection)
            .or_insert_with(|| Owed { replies: self.replies.clone(), streams: BTreeMap::new() });
        for stamp in stamps {
            let waiting = owed.streams.len();
            let steps = match owed.streams.entry((stamp.key_id, stamp.stream_id)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(_) if waiting >= MAX_STREAMS || *all >= MAX_ALL_STREAMS => return false,
                Entry::Vacant(free) => {
                    *all += 1;
                    free.insert(VecDeque::new())
                }
            };
            let number = steps.back().map_or(stamp.seq, |last| last.number.max(stamp.seq));
            let step = Step { index, number };
            let is_full = steps.len() >= MAX_STEPS;
            match steps.back_mut() {
                Some(last) if is_full || last.index == index => *last = step,
                _ => steps.push_back(step),
            }
        }
        drop(book);
        if log.durable() >= index {
            self.acks.due.notify_one();
        }
        true
    }
}

impl AckLine {
    /// Waits until nothing is owed any more.
    pub(crate) async fn settled(&self) {
        loop {
            let said = self.acks.said.notified();
            tokio::pin!(said);
            said.as_mut().enable();
            let owes = {
                let _saying = self.acks.saying.lock().unwrap_or_else(PoisonError::into_inner);
                self.acks.book().connections.contains_key(&self.connection)
            };
            if !owes {
                return;
            }
            said.await;
        }
    }
}

impl Drop for AckLine {
    fn drop(&mut self) {
        let mut book = self.acks.book();
        if let Some(owed) = book.connections.remove(&self.connection) {
            book.streams -= owed.streams.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(stream: u8, seq: u64) -> Stamp {
        use logrecord::frame::envelope::{Key, KeyRing, Sealer};
        let key = Key::new(KeyId::new(b"k").unwrap(), &[1; 32]).unwrap();
        let mut ring = KeyRing::new();
        ring.accept(key.clone()).unwrap();
        let mut sealer = Sealer::new(&key, b"", [stream; 16]).unwrap().with_acks();
        let mut message = Vec::new();
        for _ in 0..=seq {
            message.clear();
            sealer.seal_into(5, b"}.", &mut message).unwrap();
        }
        *Verifier::new(&ring, b"").unwrap().verify(5, message.into()).unwrap().stamp()
    }

    fn due(acks: &Acks, durable: u64) -> Vec<(u8, u64)> {
        let due = acks.book().take_due(durable);
        due.into_iter().map(|(_, ack)| (ack.stream_id.as_bytes()[0], ack.seq)).collect()
    }

    #[test]
    fn one_acknowledgement_a_stream_and_sync() {
        let acks = Arc::new(Acks::new(true));
        let log = Log::memory(1 << 20);
        let (one, other) = (acks.line(Replies::none()), acks.line(Replies::none()));
        assert!(one.owe(&[stamp(1, 0), stamp(1, 1), stamp(2, 7)], 3, &log));
        assert!(one.owe(&[stamp(1, 2)], 5, &log));
        assert!(other.owe(&[stamp(1, 9)], 4, &log));
        assert_eq!(due(&acks, 2), []);
        assert_eq!(due(&acks, 4), [(1, 1), (2, 7), (1, 9)]);
        assert_eq!(acks.book().streams, 1);
        // A resend of what is acknowledged does not take anything back.
        assert!(one.owe(&[stamp(1, 0)], 5, &log));
        assert_eq!(due(&acks, 5), [(1, 2)]);
        let book = acks.book();
        assert_eq!((book.streams, book.connections.len()), (0, 0));
    }

    #[test]
    fn a_slow_disk_costs_no_memory() {
        let acks = Arc::new(Acks::new(true));
        let log = Log::memory(1 << 20);
        let line = acks.line(Replies::none());
        let stamps: Vec<Stamp> = (0..20).map(|seq| stamp(1, seq)).collect();
        for (stamp, index) in stamps.iter().zip(1..) {
            assert!(line.owe(&[*stamp], index, &log));
        }
        assert_eq!(due(&acks, 7), [(1, 6)]);
        // The last step has taken up all that came on top.
        assert_eq!(due(&acks, 19), []);
        assert_eq!(due(&acks, 20), [(1, 19)]);
    }

    #[test]
    fn streams_are_bounded_and_go_with_their_connection() {
        let acks = Arc::new(Acks::new(true));
        let log = Log::memory(1 << 20);
        let line = acks.line(Replies::none());
        let base = stamp(1, 0);
        let with = |number: u128| {
            let mut stamp = base;
            stamp.stream_id = number.to_be_bytes().into();
            stamp
        };
        for number in 0..1_024 {
            assert!(line.owe(&[with(number)], 1, &log));
        }
        assert!(!line.owe(&[with(1_024)], 1, &log));
        assert!(line.owe(&[with(5)], 2, &log));
        drop(line);
        let book = acks.book();
        assert_eq!((book.streams, book.connections.len()), (0, 0));
    }
}
