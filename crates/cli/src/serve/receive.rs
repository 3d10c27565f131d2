//! What happens to frames: through the intake, formatted, handed over. The hot path of `serve`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use logrecord::frame::prefix;
use logrecord::intake::{Decoder, Gate, Rejection, Session};
use logrecord::model::{LogRecord, SourceInfo, Written};
use logrecord::transport::listener::{FrameHandler, Replies, Verdict};
use logrecord::transport::{Fault, Source};

use super::counts::Loss;
use super::hub::{Hub, ListenerCounts, Stage};
use super::sink::Chunk;

/// How long a chunk of output may get before it is handed over, and the next one begun.
const MAX_CHUNK: usize = 256 << 10;

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

    fn reject(&self, stage: &Stage, source: &Source, reason: &str, detail: &str, payload: &[u8]) {
        self.hub.counts.lost(Loss::Rejected, reason, 1);
        self.hub.report.say(&format!("rejected {reason}"), format_args!("from {source}: {detail}"));
        // The prefix was checked and taken off; the dead letter is the frame as it came.
        let prefix = prefix(payload.len()).unwrap_or_default();
        stage.dead_letters.keep(source, reason, detail, &[&prefix, payload]);
    }

    /// What is to be said of a record that was written all the same.
    fn note(&self, source: &Source, record: &LogRecord<'_>, written: &Written) {
        let name = || record.name().map_or_else(|| "root".into(), ToString::to_string);
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
        let record = batch.decoder.decode(&verified.payload)?;
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
                self.reject(batch.stage, source, "format", &error.to_string(), frame);
            }
        }
        Ok(())
    }
}

/// What one batch of frames works with.
struct Batch<'s> {
    stage: &'s Stage,
    gate: Arc<Gate>,
    decoder: Decoder<'s>,
    peer: String,
    chunk: Chunk,
}

impl FrameHandler for Inlet {
    type Connection = Session;

    fn connected(&self, _source: &Source, _replies: Replies) -> Session {
        self.counts.connections.fetch_add(1, Ordering::Relaxed);
        self.counts.connected.fetch_add(1, Ordering::Relaxed);
        self.gate().session()
    }

    async fn frames(&self, session: &mut Session, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        let stage = self.hub.stage();
        let mut batch = Batch {
            gate: self.gate(),
            decoder: stage.engine.decoder(),
            peer: source.peer().to_string(),
            chunk: Chunk::default(),
            stage: &stage,
        };
        batch.chunk.bytes.reserve(frames.iter().map(Bytes::len).sum::<usize>() * 3 / 2);
        batch.chunk.ends.reserve(frames.len());
        let mut verdict = Verdict::Continue;
        let mut counted = 0;
        for (place, frame) in frames.iter().enumerate() {
            if let Err(rejection) = self.record(&mut batch, session, source, frame) {
                self.reject(&stage, source, rejection.reason(), &rejection.to_string(), frame);
                if rejection.ends_connection() {
                    verdict = Verdict::Close;
                }
            }
            if batch.chunk.bytes.len() >= MAX_CHUNK {
                // Records may become longer than they came; others have their turn meanwhile.
                self.received((place + 1 - counted) as u64);
                counted = place + 1;
                stage.sink.send(std::mem::take(&mut batch.chunk)).await;
            }
        }
        // Counted in one step, so that a panic above leaves the batch to the listener's own count.
        self.received((frames.len() - counted) as u64);
        frames.clear();
        let Batch { decoder, chunk, .. } = batch;
        drop(decoder);
        if !chunk.ends.is_empty() {
            stage.sink.send(chunk).await;
        }
        verdict
    }

    fn is_authenticated(&self, session: &Session) -> bool {
        session.is_authenticated()
    }

    fn fault(&self, source: &Source, fault: Fault) {
        let reason = fault.reason();
        let loss = match fault {
            Fault::KernelDrops { .. }
            | Fault::GivenUp { .. }
            | Fault::HandlerPanicked { .. }
            | Fault::Closed { .. }
            | Fault::DrainTimeout { .. } => Loss::Dropped,
            _ => Loss::Rejected,
        };
        let frames = fault.frames();
        self.received(frames);
        self.hub.counts.lost(loss, reason, frames);
        let word = if frames > 0 { loss.word() } else { "fault" };
        self.hub.report.say(&format!("{word} {reason}"), format_args!("from {source}: {fault}"));
        if let Some(content) = fault.content() {
            self.hub.stage().dead_letters.keep(source, reason, &fault.to_string(), &[content]);
        }
    }

    fn disconnected(&self, _source: &Source, _session: Session) {
        self.counts.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
