//! What happens to frames: through the intake, formatted, handed over. The hot path of `serve`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use logrecord::frame::{Oversized, prefix};
use logrecord::intake::{Decoder, Gate, Rejection, Session};
use logrecord::model::{LogRecord, SourceInfo, Written};
use logrecord::transport::listener::{FrameHandler, Replies, Verdict};
use logrecord::transport::{Fault, Source};

use super::counts::Loss;
use super::hub::{Hub, ListenerCounts, Stage};
use super::sink::Chunk;

/// Letters of a refused record's message in a report.
const MAX_MESSAGE: usize = 200;

const WAY_OUT: &str = "keep such records with --globals describe or --allow-global NAME";

/// The handler of one listener.
pub(crate) struct Inlet {
    hub: Arc<Hub>,
    gate: RwLock<Arc<Gate>>,
    counts: Arc<ListenerCounts>,
}

impl Inlet {
    pub(crate) fn new(hub: Arc<Hub>, gate: Arc<Gate>, counts: Arc<ListenerCounts>) -> Self {
        Self { hub, gate: RwLock::new(gate), counts }
    }

    /// Asks for something else from now on.
    pub(crate) fn set_gate(&self, gate: Arc<Gate>) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn received(&self, frames: u64) {
        self.hub.counts.received(frames);
        self.counts.add(frames);
    }

    fn reject(&self, batch: &mut Batch<'_>, source: &Source, reason: &str, detail: &str, payload: &[u8]) {
        *batch.rejected.entry(reason.to_owned()).or_default() += 1;
        self.hub.report.say(&format!("rejected {reason}"), format_args!("from {source}: {detail}"));
        // The prefix was checked and taken off; the dead letter is the frame as it came.
        let prefix = prefix(payload.len()).unwrap_or_default();
        batch.stage.dead_letters.keep(source, reason, detail, &[&prefix, payload]);
    }

    /// A name that a record bears is told when it is first met, and counted.
    fn describe(&self, source: &Source, record: &LogRecord<'_>, global: &str) {
        let mut name = String::new();
        logrecord::model::escape_line(global, &mut name);
        if self.hub.counts.note("described", Some(&name)) {
            self.hub.report.line(format_args!(
                "logrecord: described: {name} stands in a record of {:?} from {source}; nothing of it was run \
                 (--allow-global {name} takes it out of this report)",
                logger(record)
            ));
        }
    }

    /// Why a payload is no record, as far as a second look tells: whose it was, and how to keep such records, or
    /// the name that stands in what is no record at all.
    fn refused(stage: &Stage, payload: &[u8], rejection: &Rejection) -> (&'static str, String) {
        let for_a_name = |reason| matches!(reason, "global" | "call" | "persid" | "buffer");
        let reason = rejection.reason();
        if !for_a_name(reason) && reason != "payload" {
            return (reason, rejection.to_string());
        }
        match stage.second.decoder().decode(payload) {
            Ok(record) if for_a_name(reason) => {
                let message: String = record.message().to_string().chars().take(MAX_MESSAGE).collect();
                let logger = logger(&record);
                (reason, format!("{rejection}; logger {logger:?}, message {message:?}; {WAY_OUT}"))
            }
            Err(second) if reason == "payload" && for_a_name(second.reason()) => {
                (second.reason(), format!("{second}; {rejection}"))
            }
            _ => (reason, rejection.to_string()),
        }
    }

    /// What is to be said of a record that was written all the same.
    fn note(&self, source: &Source, record: &LogRecord<'_>, written: &Written) {
        for global in record.globals() {
            self.describe(source, record, global);
        }
        let name = || logger(record);
        if written.cut {
            self.hub.counts.note("cut", None);
            let text = format_args!("from {source}: a record of {:?} would become too long", name());
            self.hub.report.say("cut", text);
        }
        if let Some(missing) = &written.missing {
            self.hub.counts.note("unformatted", None);
            let text = format_args!(
                "from {source}: a record of {:?} has no {missing:?}; see --format-default",
                name()
            );
            self.hub.report.say("format", text);
        }
        if let Some(refused) = &written.refused {
            self.hub.counts.note("unformatted", None);
            let text = format_args!("from {source}: a record of {:?} does not suit it: {refused}", name());
            self.hub.report.say("format", text);
        }
    }

    /// Verifies one frame, and decodes and formats it into the batch.
    fn record(
        &self,
        batch: &mut Batch<'_>,
        session: &mut Session,
        source: &Source,
        frame: &Bytes,
    ) -> Result<(), Rejection> {
        let verified = batch.gate.verify(session, frame.clone())?;
        if verified.missing > 0 {
            self.hub
                .report
                .say("missing", format_args!("from {source}: {} records never arrived", verified.missing));
        }
        let record = match batch.decoder.decode(&verified.payload) {
            Ok(record) => record,
            Err(rejection) => {
                let (reason, detail) = Self::refused(batch.stage, &verified.payload, &rejection);
                self.reject(batch, source, reason, &detail, frame);
                return Ok(());
            }
        };
        let info = SourceInfo {
            transport: source.transport().scheme(),
            peer: Some(&batch.peer),
            key_id: verified.key_id.as_deref(),
        };
        let start = batch.chunk.bytes.len();
        match batch.stage.formatting.write(&record, &info, &mut batch.chunk.bytes) {
            Ok(written) => {
                batch.chunk.end_record();
                self.note(source, &record, &written);
            }
            Err(error) => {
                batch.chunk.bytes.truncate(start);
                self.reject(batch, source, "format", &error.to_string(), frame);
            }
        }
        Ok(())
    }
}

/// The logger of a record, in a report.
fn logger(record: &LogRecord<'_>) -> String {
    record.name().map_or_else(|| "root".to_owned(), ToString::to_string)
}

/// What one batch of frames works with.
struct Batch<'s> {
    stage: &'s Stage,
    gate: Arc<Gate>,
    decoder: Decoder<'s>,
    peer: String,
    chunk: Chunk,
    /// Frames that were refused, by reason.
    rejected: BTreeMap<String, u64>,
}

/// What a batch has been counted as, as long as the listener may still count it as lost: until it is handed over.
struct Admitted<'i> {
    inlet: &'i Inlet,
    frames: u64,
    rejected: BTreeMap<String, u64>,
}

impl<'i> Admitted<'i> {
    fn new(inlet: &'i Inlet, frames: u64, rejected: BTreeMap<String, u64>) -> Self {
        inlet.hub.counts.admit(frames, &rejected);
        inlet.counts.add(frames);
        Self { inlet, frames, rejected }
    }

    fn handed_over(mut self) {
        self.frames = 0;
        self.rejected.clear();
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.inlet.hub.counts.withdraw(self.frames, &self.rejected);
        self.inlet.counts.received.fetch_sub(self.frames, Ordering::Relaxed);
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
        // Room comes first: what is opened and then not taken would be gone from the replay window, too.
        // The semaphore is never closed.
        let Ok(_room) = self.hub.batches.acquire().await else { return Verdict::Close };
        let stage = self.hub.stage();
        let mut batch = Batch {
            gate: self.gate(),
            decoder: stage.engine.decoder(),
            peer: source.peer().to_string(),
            chunk: Chunk::default(),
            stage: &stage,
            rejected: BTreeMap::new(),
        };
        batch.chunk.bytes.reserve(frames.iter().map(Bytes::len).sum::<usize>() * 3 / 2);
        batch.chunk.ends.reserve(frames.len());
        let mut verdict = Verdict::Continue;
        for frame in frames.iter() {
            if let Err(rejection) = self.record(&mut batch, session, source, frame) {
                self.reject(&mut batch, source, rejection.reason(), &rejection.to_string(), frame);
                if rejection.ends_connection() {
                    verdict = Verdict::Close;
                }
            }
        }
        let Batch { decoder, chunk, rejected, .. } = batch;
        drop(decoder);
        // Counted in one step, so that a panic above leaves the batch to the listener's own count, and so does the end
        // of the time to drain while this waits.
        let admitted = Admitted::new(self, frames.len() as u64, rejected);
        frames.clear();
        if !chunk.ends.is_empty() {
            stage.sink.send(chunk).await;
        }
        admitted.handed_over();
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
        let loss = match fault {
            Fault::KernelDrops { .. }
            | Fault::Overflow { .. }
            | Fault::HandlerPanicked { .. }
            | Fault::Closed { .. }
            | Fault::DrainTimeout { .. } => Loss::Dropped,
            _ => Loss::Rejected,
        };
        let frames = fault.frames();
        self.received(frames);
        self.hub.counts.lost(loss, reason, frames);
        let word = if frames > 0 { loss.word() } else { "fault" };
        let hint = match fault {
            // Connections that were broken off between two frames: most are health checks.
            Fault::Broken { .. } if frames == 0 => return,
            Fault::Oversized { stranger: None, .. } => "; --max-frame is the limit",
            _ => "",
        };
        self.hub.report.say(&format!("{word} {reason}"), format_args!("from {source}: {fault}{hint}"));
        if let Some(content) = fault.content() {
            self.hub.stage().dead_letters.keep(source, reason, &fault.to_string(), &[content]);
        }
    }

    fn disconnected(&self, _source: &Source, _session: Session) {
        self.counts.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
