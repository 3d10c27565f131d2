//! What happens to frames: through the gate and into the log. Nothing is decoded here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use logrecord::frame::envelope::{AckStatus, Passing, Refusal, Stamp};
use logrecord::frame::{Oversized, prefix};
use logrecord::intake::{Authentic, Gate, Rejection, Session, Verified};
use logrecord::transport::listener::{FrameHandler, Replies, Verdict};
use logrecord::transport::{Fault, Source, Transport};
use logrecord_pipeline::{Offers, Receipt};
use logrecord_spool::Entry;

use super::acks::AckLine;
use super::hub::{Hub, ListenerCounts};
use crate::clock::now_ns;

/// The schemes of the transports, by the number that an entry of the log has for its listener.
pub(crate) const TRANSPORTS: [&str; 5] = ["tcp", "udp", "unix", "unix-dgram", "tls"];

fn transport_number(transport: Transport) -> u16 {
    let place = TRANSPORTS.iter().position(|scheme| *scheme == transport.scheme());
    place.and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX)
}

/// The handler of one listener.
pub(crate) struct Inlet {
    hub: Arc<Hub>,
    gate: RwLock<Arc<Gate>>,
    counts: Arc<ListenerCounts>,
    /// Frames of batches that were given up here and that the listener reports as well.
    given_up: AtomicU64,
}

impl Inlet {
    pub(crate) fn new(hub: Arc<Hub>, gate: Arc<Gate>, counts: Arc<ListenerCounts>) -> Self {
        Self { hub, gate: RwLock::new(gate), counts, given_up: AtomicU64::new(0) }
    }

    /// Asks for something else from now on.
    pub(crate) fn set_gate(&self, gate: Arc<Gate>) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn receive(&self, frames: u64) -> Receipt {
        self.counts.add(frames);
        self.hub.shared.ledger().receive(frames)
    }

    fn reject(&self, receipt: &mut Receipt, source: &Source, rejection: &Rejection, frame: &[u8]) {
        let reason = rejection.reason();
        receipt.rejected(reason, 1);
        let way_out = way_out(rejection);
        self.hub
            .report
            .say(&format!("rejected {reason}"), format_args!("from {source}: {rejection}{way_out}"));
        // The prefix was checked and taken off; the dead letter is the frame as it came.
        let prefix = prefix(frame.len()).unwrap_or_default();
        self.keep(source, reason, &rejection.to_string(), &[&prefix, frame]);
    }

    /// Looks at what goes by of a frame over the limit. At its end the sender is told that it is too large; if it is
    /// none of whose messages are taken here, the connection ends.
    fn pass(&self, connection: &mut Connection, bytes: &[u8]) -> Verdict {
        let Some(passing) = &mut connection.passing else { return Verdict::Continue };
        passing.feed(&self.hub.keys.verifier(), now_ns(), bytes);
        if passing.missing() > 0 {
            return Verdict::Continue;
        }
        let stamp = connection.passing.take().and_then(Passing::finish);
        let Some(stamp) = stamp.filter(|stamp| self.gate().takes(stamp.key_id)) else {
            return Verdict::Close;
        };
        connection.tell(&self.hub, Some(&stamp), Some(AckStatus::TooLarge));
        Verdict::Continue
    }

    fn keep(&self, source: &Source, reason: &str, detail: &str, parts: &[&[u8]]) {
        let peer = source.peer().to_string();
        self.hub.dead_letters().keep(source.transport().scheme(), &peer, reason, detail, parts);
    }
}

/// A batch in hand. If the time to drain is over, or the handler panics, before it is in the log, the listener counts
/// all of its frames as lost, and what was counted here already must not count twice.
struct InHand<'i> {
    inlet: &'i Inlet,
    receipt: Receipt,
    frames: u64,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let left = self.receipt.left();
        if left > 0 {
            let reason = if std::thread::panicking() { "panic" } else { "drain" };
            self.receipt.dropped(reason, left);
            self.inlet.given_up.fetch_add(self.frames, Ordering::Relaxed);
        }
    }
}

/// What is kept of one connection.
pub(crate) struct Connection {
    session: Session,
    /// The way back, where there is one.
    line: Option<AckLine>,
    /// Whether the peer has asked for an acknowledgement.
    asks: bool,
    /// A frame over the limit whose sender may have asked.
    passing: Option<Passing>,
}

impl Connection {
    /// Tells the sender that a message is refused for good, if it has asked and there is a word for that. Gives
    /// whether it was told.
    fn tell(&self, hub: &Hub, stamp: Option<&Stamp>, status: Option<AckStatus>) -> bool {
        let (Some(line), Some(stamp), Some(status)) = (&self.line, stamp, status) else { return false };
        if stamp.wants_ack {
            line.refuse(&hub.keys, stamp, status);
        }
        stamp.wants_ack
    }
}

/// A frame that bears the right signature, and what became of it.
struct Item {
    frame: Bytes,
    authentic: Authentic,
    outcome: Outcome,
}

enum Outcome {
    Waits,
    Logged(Verified),
    Rejected(Rejection),
    GivenUp(&'static str),
}

impl Item {
    /// Whose it is, if the sender is to hear of it.
    fn asking(&self) -> Option<Stamp> {
        self.authentic.stamp().copied().filter(|stamp| stamp.wants_ack)
    }
}

/// The frames of a batch on their way into the log.
struct Offered<'a> {
    hub: &'a Hub,
    gate: &'a Gate,
    connection: &'a mut Connection,
    peer: String,
    received: i64,
    listener: u16,
    items: Vec<Item>,
    /// The sender has heard, or is to hear, of everything before this place.
    told: usize,
    /// Numbers that were skipped.
    missing: u64,
    verdict: Verdict,
}

impl Offered<'_> {
    fn admit_item(&mut self, place: usize) {
        let Some(item) = self.items.get_mut(place) else { return };
        item.outcome = match self.gate.admit(&mut self.connection.session, item.authentic.clone()) {
            Ok(verified) => {
                self.missing = self.missing.saturating_add(verified.missing);
                Outcome::Logged(verified)
            }
            Err(rejection) => Outcome::Rejected(rejection),
        };
    }
}

impl Offers for Offered<'_> {
    fn encoded_len(&self, place: usize) -> Option<usize> {
        let item = self.items.get(place)?;
        let stamp = item.authentic.stamp();
        let entry = Entry {
            peer: self.peer.as_bytes(),
            key_id: stamp.map_or(&[], |stamp| stamp.key_id.as_bytes()),
            stream: stamp.map_or(&[], |stamp| stamp.stream_id.as_bytes()),
            ..Entry::default()
        };
        Some(entry.encoded_len() + item.authentic.payload_len())
    }

    fn is_patient(&self, place: usize) -> bool {
        self.items.get(place).is_some_and(|item| item.authentic.wants_ack())
    }

    fn admit(&mut self, place: usize) -> Option<Entry<'_>> {
        self.admit_item(place);
        let Outcome::Logged(verified) = &self.items.get(place)?.outcome else { return None };
        Some(Entry {
            kind: 0,
            received: self.received,
            listener: self.listener,
            peer: self.peer.as_bytes(),
            key_id: verified.key_id.as_deref().unwrap_or_default().as_bytes(),
            stream: verified.stream_id.as_ref().map_or(&[][..], |id| id),
            number: verified.number,
            time: verified.sealed_ns,
            payload: &verified.payload,
        })
    }

    fn give_up(&mut self, place: usize, reason: &'static str) -> bool {
        let Some(item) = self.items.get_mut(place) else { return false };
        if item.authentic.wants_ack() {
            // It is not remembered, so that its sender can bring it again.
            item.outcome = Outcome::GivenUp(reason);
            return true;
        }
        self.admit_item(place);
        self.items.get(place).is_some_and(|item| matches!(item.outcome, Outcome::Logged(_)))
    }

    fn settled(&mut self, until: usize, last: u64) {
        let mut owed: Vec<Stamp> = Vec::new();
        for item in self.items.get(self.told..until).unwrap_or_default() {
            let Some(stamp) = item.asking() else { continue };
            match &item.outcome {
                Outcome::Logged(_) => {}
                Outcome::Rejected(rejection) if is_duplicate(rejection) => {}
                // Refusals go first, so that none is covered before it is told.
                Outcome::Rejected(rejection) => {
                    let status = rejection.refusal().and_then(AckStatus::of);
                    self.connection.tell(self.hub, Some(&stamp), status);
                    continue;
                }
                Outcome::GivenUp("too_large") => {
                    self.connection.tell(self.hub, Some(&stamp), Some(AckStatus::TooLarge));
                    continue;
                }
                // The log takes nothing any more. Whatever comes behind this on the connection must not cover it.
                Outcome::GivenUp(_) | Outcome::Waits => {
                    self.verdict = Verdict::Close;
                    break;
                }
            }
            let known =
                owed.iter_mut().find(|owed| (owed.key_id, owed.stream_id) == (stamp.key_id, stamp.stream_id));
            match known {
                Some(known) => known.seq = known.seq.max(stamp.seq),
                None => owed.push(stamp),
            }
        }
        self.told = until;
        if self.verdict == Verdict::Close {
            return;
        }
        if let Some(line) = &self.connection.line
            && !line.owe(&owed, last, self.hub.shared.log())
        {
            self.hub
                .report
                .say("too many streams", format_args!("wait for acknowledgements on one connection"));
            self.verdict = Verdict::Close;
        }
    }
}

/// What whoever runs both ends can do about it.
fn way_out(rejection: &Rejection) -> &'static str {
    match (rejection, rejection.refusal()) {
        (Rejection::Signed, _) => "; --hmac-key ID=FILE gives this receiver the key",
        (_, Some(Refusal::Unsigned)) => {
            "; with a key, this receiver takes what HMACSocketHandler of logrecord_hmac sends"
        }
        (_, Some(Refusal::UnknownKey)) => {
            "; give this receiver the sender's key by --hmac-key ID=FILE, under the same id"
        }
        (_, Some(Refusal::BadMac)) => "; compare the key files and the audience of both ends",
        (_, Some(Refusal::Skew)) => "; compare the clocks of both machines",
        _ => "",
    }
}

/// Whether a message is the second one that its sender has sent, because it has heard nothing of the first.
fn is_duplicate(rejection: &Rejection) -> bool {
    rejection.refusal() == Some(Refusal::Replay) && rejection.stamp().is_some_and(|stamp| stamp.wants_ack)
}

impl FrameHandler for Inlet {
    type Connection = Connection;

    fn connected(&self, _source: &Source, replies: Replies) -> Connection {
        self.counts.connections.fetch_add(1, Ordering::Relaxed);
        self.counts.connected.fetch_add(1, Ordering::Relaxed);
        let line = replies.is_open().then(|| self.hub.acks.line(replies));
        Connection { session: self.gate().session(), line, asks: false, passing: None }
    }

    async fn frames(&self, connection: &mut Connection, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        let gate = self.gate();
        let count = frames.len() as u64;
        let mut hand = InHand { inlet: self, receipt: self.receive(count), frames: count };
        let mut items = Vec::with_capacity(frames.len());
        let mut verdict = Verdict::Continue;
        connection.session.give_acks(connection.line.is_some() && self.hub.acks.are_given());
        let mut rest = frames.drain(..);
        for frame in rest.by_ref() {
            match gate.authenticate(&connection.session, frame.clone()) {
                Ok(authentic) => {
                    connection.asks |= authentic.wants_ack();
                    items.push(Item { frame, authentic, outcome: Outcome::Waits });
                }
                Err(rejection) => {
                    self.reject(&mut hand.receipt, source, &rejection, &frame);
                    let status = rejection.refusal().and_then(AckStatus::of);
                    let is_told = connection.tell(&self.hub, rejection.stamp(), status);
                    if rejection.ends_connection() && !is_told {
                        verdict = Verdict::Close;
                        break;
                    }
                }
            }
        }
        // What stands behind the end of a connection is not looked at: nothing that came before it may be covered.
        hand.receipt.dropped("closed", rest.len() as u64);
        drop(rest);
        let mut offered = Offered {
            hub: &self.hub,
            gate: &gate,
            connection,
            peer: source.peer().to_string(),
            received: now_ns(),
            listener: transport_number(source.transport()),
            items,
            told: 0,
            missing: 0,
            verdict,
        };
        if source.transport().is_datagram() {
            self.hub.intake.offer(&mut hand.receipt, &mut offered);
        } else {
            self.hub.intake.log(&mut hand.receipt, &mut offered).await;
        }
        let Offered { items, missing, verdict, .. } = offered;
        if missing > 0 {
            self.hub.report.say("missing", format_args!("from {source}: {missing} records never arrived"));
        }
        for item in items {
            match item.outcome {
                Outcome::Rejected(rejection) if is_duplicate(&rejection) => {
                    hand.receipt.rejected("duplicate", 1);
                }
                Outcome::Rejected(rejection) => {
                    self.reject(&mut hand.receipt, source, &rejection, &item.frame);
                }
                _ => {}
            }
        }
        verdict
    }

    fn oversized(&self, connection: &mut Connection, _source: &Source, oversized: &Oversized) -> Verdict {
        // Nothing may be acknowledged behind what nobody has verified; byte 5 of an envelope has the flags.
        let asks = connection.asks || oversized.payload().get(5).is_some_and(|flags| flags & 2 != 0);
        let gate = self.gate();
        if asks && gate.is_envelope(oversized.payload()) {
            connection.passing = Some(Passing::new(usize::try_from(oversized.len).unwrap_or(usize::MAX)));
            return match self.pass(connection, oversized.payload()) {
                Verdict::Close => Verdict::Close,
                _ => Verdict::Watch,
            };
        }
        let may_skip = !asks && gate.may_skip(&connection.session, oversized.payload());
        if may_skip { Verdict::Continue } else { Verdict::Close }
    }

    fn passed(&self, connection: &mut Connection, _source: &Source, bytes: &[u8]) -> Verdict {
        self.pass(connection, bytes)
    }

    fn is_authenticated(&self, connection: &Connection) -> bool {
        connection.session.is_authenticated()
    }

    async fn settle(&self, connection: &mut Connection) {
        if let Some(line) = &connection.line {
            line.settled().await;
        }
    }

    fn adopted(&self, connection: &mut Connection) {
        connection.session.adopt();
    }

    fn fault(&self, source: &Source, fault: Fault) {
        let reason = fault.reason();
        let frames = fault.frames();
        let counted = match fault {
            Fault::DrainTimeout { .. } | Fault::HandlerPanicked { .. } => {
                let given_up = self.given_up.load(Ordering::Relaxed).min(frames);
                self.given_up.fetch_sub(given_up, Ordering::Relaxed);
                given_up
            }
            _ => 0,
        };
        let mut receipt = self.receive(frames - counted);
        let dropped = matches!(
            fault,
            Fault::KernelDrops { .. }
                | Fault::Overflow { .. }
                | Fault::HandlerPanicked { .. }
                | Fault::Closed { .. }
                | Fault::DrainTimeout { .. }
        );
        if dropped {
            receipt.dropped(reason, frames - counted);
        } else {
            receipt.rejected(reason, frames);
        }
        let word = match (frames, dropped) {
            (0, _) => "fault",
            (_, true) => "dropped",
            (_, false) => "rejected",
        };
        let hint = match fault {
            // Connections that were broken off between two frames: most are health checks.
            Fault::Broken { .. } if frames == 0 => return,
            Fault::Oversized { stranger: None, .. } => "; --max-frame is the limit",
            _ => "",
        };
        self.hub.report.say(&format!("{word} {reason}"), format_args!("from {source}: {fault}{hint}"));
        if let Some(content) = fault.content() {
            self.keep(source, reason, &fault.to_string(), &[content]);
        }
    }

    fn disconnected(&self, _source: &Source, _connection: Connection) {
        self.counts.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
