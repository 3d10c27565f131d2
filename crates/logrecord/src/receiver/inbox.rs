//! Between the listeners and whoever takes the items: a bounded channel, the faults, and the counts.
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    vec,
};

use bytes::Bytes;
use logrecord_frame::Oversized;
use logrecord_transport::{
    Endpoint, Fault, Peer, Source,
    listener::{FrameHandler, Replies, Verdict},
};
use tokio::sync::{mpsc, watch};

use super::item::{Cause, Received, Rejected};
use crate::intake::{Decoder, Engine, Gate, Session};

pub(super) type Item = Result<Received, Rejected>;

/// Faults that wait to be taken. A fault is reported from where nothing can wait, so that those above this
/// are only counted.
const MAX_FAULTS: usize = 1024;

/// What a receiver did so far. At every moment `received = records + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverStats {
    /// Frames that arrived, as far as anybody can know.
    pub received: u64,
    /// Of them, those that are records.
    pub records: u64,
    /// Of them, those that were refused or lost; [`ReceiverHandle::rejected_by_reason`] says why.
    pub rejected: u64,
    /// Numbers of signed records that were skipped and did not come late: records that got lost on the way.
    pub missing: u64,
}

pub(super) struct Shared {
    gate: Arc<Gate>,
    records: AtomicU64,
    rejected: AtomicU64,
    reasons: Mutex<BTreeMap<&'static str, u64>>,
    faults: Mutex<Faults>,
}

#[derive(Default)]
struct Faults {
    queue: VecDeque<Rejected>,
    more: u64,
    more_frames: u64,
    waker: Option<Waker>,
}

impl Shared {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self {
            gate,
            records: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            reasons: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_rejected(&self, reason: &'static str, frames: u64) {
        self.rejected.fetch_add(frames, Ordering::Relaxed);
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let count = reasons.entry(reason).or_default();
        *count = count.saturating_add(frames);
    }

    /// Counts what is handed over.
    pub(super) fn count(&self, items: &[Item]) {
        for item in items {
            match item {
                Ok(_) => {
                    self.records.fetch_add(1, Ordering::Relaxed);
                }
                Err(rejected) => self.count_rejected(rejected.reason(), rejected.frames()),
            }
        }
    }

    pub(super) fn fault(&self, rejected: Rejected) {
        self.count_rejected(rejected.reason(), rejected.frames());
        let mut faults = self.faults();
        if faults.queue.len() < MAX_FAULTS {
            faults.queue.push_back(rejected);
        } else {
            faults.more += 1;
            faults.more_frames = faults.more_frames.saturating_add(rejected.frames());
        }
        let waker = faults.waker.take();
        drop(faults);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next fault, or the caller is woken when there is one.
    fn next_fault(&self, context: &Context<'_>) -> Option<Rejected> {
        let mut faults = self.faults();
        if let Some(fault) = faults.queue.pop_front() {
            return Some(fault);
        }
        if faults.more > 0 {
            let cause =
                Cause::Faults(std::mem::take(&mut faults.more), std::mem::take(&mut faults.more_frames));
            drop(faults);
            return Some(Rejected::new(&nowhere(), cause, Bytes::new()));
        }
        faults.waker = Some(context.waker().clone());
        None
    }

    fn stats(&self) -> ReceiverStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (records, rejected) = (load(&self.records), load(&self.rejected));
        ReceiverStats { received: records + rejected, records, rejected, missing: self.gate.missing() }
    }
}

/// The source of faults that came from more than one.
fn nowhere() -> Source {
    Source::new(
        Endpoint::from_socket_addr(
            logrecord_transport::Transport::Tcp,
            std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        ),
        Peer::Unnamed,
        0,
    )
}

/// The giving end: the handler of all listeners.
pub(super) struct Inlet {
    pub(super) gate: Arc<Gate>,
    pub(super) engine: Engine,
    pub(super) shared: Arc<Shared>,
    pub(super) batches: mpsc::Sender<Vec<Item>>,
}

impl Inlet {
    fn item(
        &self,
        decoder: &mut Decoder<'_>,
        session: &mut Session,
        source: &Source,
        frame: Bytes,
    ) -> (Item, Verdict) {
        let outcome = self.gate.verify(session, frame.clone()).and_then(|verified| {
            Ok(Received {
                record: decoder.decode(&verified.payload)?.into_owned(),
                source: source.clone(),
                key_id: verified.key_id,
                missing: verified.missing,
            })
        });
        match outcome {
            Ok(received) => (Ok(received), Verdict::Continue),
            Err(rejection) => {
                let verdict = if rejection.ends_connection() { Verdict::Close } else { Verdict::Continue };
                (Err(Rejected::new(source, Cause::Rejection(rejection), frame)), verdict)
            }
        }
    }
}

impl FrameHandler for Inlet {
    type Connection = Session;

    fn connected(&self, _source: &Source, _replies: Replies) -> Session {
        self.gate.session()
    }

    async fn frames(&self, session: &mut Session, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        // Room comes first: what is opened and then not taken would be gone from the replay window, too.
        let Ok(room) = self.batches.reserve().await else {
            // Nobody takes items any more.
            return Verdict::Close;
        };
        let mut decoder = self.engine.decoder();
        let mut verdict = Verdict::Continue;
        let mut batch = Vec::with_capacity(frames.len());
        for frame in frames.drain(..) {
            let (item, after) = self.item(&mut decoder, session, source, frame);
            batch.push(item);
            if after == Verdict::Close {
                verdict = Verdict::Close;
            }
        }
        self.shared.count(&batch);
        room.send(batch);
        verdict
    }

    fn oversized(&self, session: &mut Session, _source: &Source, oversized: &Oversized) -> Verdict {
        if self.gate.may_skip(session, oversized.payload()) { Verdict::Continue } else { Verdict::Close }
    }

    fn is_authenticated(&self, session: &Session) -> bool {
        session.is_authenticated()
    }

    fn fault(&self, source: &Source, fault: Fault) {
        let payload = fault.content().cloned().unwrap_or_default();
        self.shared.fault(Rejected::new(source, Cause::Fault(fault), payload));
    }
}

/// The taking end.
pub(super) struct Inbox {
    pub(super) shared: Arc<Shared>,
    pub(super) batches: mpsc::Receiver<Vec<Item>>,
    pub(super) current: vec::IntoIter<Item>,
    /// A fault that was found, and how many batches came before it and go first.
    pub(super) held: Option<(Rejected, usize)>,
}

impl Inbox {
    /// The next item; none when the listeners have stopped and everything is taken.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = self.current.next() {
                return Poll::Ready(Some(item));
            }
            if self.held.is_none() {
                // A connection hands over its frames before its fault, so they are in the queue by now.
                self.held = self.shared.next_fault(context).map(|fault| (fault, self.batches.len()));
            }
            if let Some((fault, before)) = self.held.take() {
                match before.checked_sub(1).and_then(|left| Some((left, self.batches.try_recv().ok()?))) {
                    Some((left, batch)) => {
                        self.current = batch.into_iter();
                        self.held = Some((fault, left));
                        continue;
                    }
                    None => return Poll::Ready(Some(Err(fault))),
                }
            }
            match self.batches.poll_recv(context) {
                Poll::Ready(Some(batch)) => self.current = batch.into_iter(),
                // What was reported since the look above, before the last listener ended.
                Poll::Ready(None) => return Poll::Ready(self.shared.next_fault(context).map(Err)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Stops a receiver from elsewhere, and sees its counts. Cheap to clone.
#[derive(Clone)]
pub struct ReceiverHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) stop: Arc<watch::Sender<bool>>,
}

impl ReceiverHandle {
    /// Stops gracefully: no new connections, what the open ones have sent is read and delivered, and then the
    /// receiver ends. It takes at most the listeners'
    /// [drain timeout](logrecord_transport::listener::ListenerConfig::drain_timeout), and whoever takes
    /// the items must go on taking them.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The counts so far.
    pub fn stats(&self) -> ReceiverStats {
        self.shared.stats()
    }

    /// The rejected frames by [reason](Rejected::reason). A reason with 0 frames is a fault that lost none.
    pub fn rejected_by_reason(&self) -> Vec<(&'static str, u64)> {
        let reasons = self.shared.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.iter().map(|(reason, frames)| (*reason, *frames)).collect()
    }
}

impl fmt::Debug for ReceiverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverHandle").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
