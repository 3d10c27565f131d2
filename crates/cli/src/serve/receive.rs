//! What happens to frames: through the gate and into the log. Nothing is decoded here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use logrecord::frame::{Oversized, prefix};
use logrecord::intake::{Gate, Rejection, Session, Verified};
use logrecord::transport::listener::{FrameHandler, Replies, Verdict};
use logrecord::transport::{Fault, Source, Transport};
use logrecord_pipeline::Receipt;
use logrecord_spool::Entry;

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
        self.hub.report.say(&format!("rejected {reason}"), format_args!("from {source}: {rejection}"));
        // The prefix was checked and taken off; the dead letter is the frame as it came.
        let prefix = prefix(frame.len()).unwrap_or_default();
        self.keep(source, reason, &rejection.to_string(), &[&prefix, frame]);
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

impl FrameHandler for Inlet {
    type Connection = Session;

    fn connected(&self, _source: &Source, _replies: Replies) -> Session {
        self.counts.connections.fetch_add(1, Ordering::Relaxed);
        self.counts.connected.fetch_add(1, Ordering::Relaxed);
        self.gate().session()
    }

    async fn frames(&self, session: &mut Session, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        let gate = self.gate();
        let count = frames.len() as u64;
        let mut hand = InHand { inlet: self, receipt: self.receive(count), frames: count };
        let mut verified: Vec<Verified> = Vec::with_capacity(frames.len());
        let mut verdict = Verdict::Continue;
        for frame in frames.drain(..) {
            match gate.verify(session, frame.clone()) {
                Ok(payload) => {
                    if payload.missing > 0 {
                        let missing = payload.missing;
                        self.hub
                            .report
                            .say("missing", format_args!("from {source}: {missing} records never arrived"));
                    }
                    verified.push(payload);
                }
                Err(rejection) => {
                    self.reject(&mut hand.receipt, source, &rejection, &frame);
                    if rejection.ends_connection() {
                        verdict = Verdict::Close;
                    }
                }
            }
        }
        let peer = source.peer().to_string();
        let (received, listener) = (now_ns(), transport_number(source.transport()));
        let entries: Vec<Entry<'_>> = verified
            .iter()
            .map(|verified| Entry {
                kind: 0,
                received,
                listener,
                peer: peer.as_bytes(),
                key_id: verified.key_id.as_deref().unwrap_or_default().as_bytes(),
                stream: verified.stream_id.as_ref().map_or(&[][..], |id| id),
                number: verified.number,
                time: verified.sealed_ns,
                payload: &verified.payload,
            })
            .collect();
        if source.transport().is_datagram() {
            self.hub.intake.offer(&mut hand.receipt, &entries);
        } else {
            self.hub.intake.log(&mut hand.receipt, &entries).await;
        }
        verdict
    }

    fn oversized(&self, session: &mut Session, _source: &Source, oversized: &Oversized) -> Verdict {
        if self.gate().may_skip(session, oversized.payload()) { Verdict::Continue } else { Verdict::Close }
    }

    fn is_authenticated(&self, session: &Session) -> bool {
        session.is_authenticated()
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

    fn disconnected(&self, _source: &Source, _session: Session) {
        self.counts.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
