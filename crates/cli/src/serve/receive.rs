//! What happens to frames: through the intake, formatted, handed over. The hot path of `serve`.

use std::sync::Arc;

use bytes::Bytes;
use logrecord::frame::prefix;
use logrecord::intake::{Decoder, Engine, Rejection, Session};
use logrecord::model::SourceInfo;
use logrecord::transport::listener::{FrameHandler, Replies, Verdict};
use logrecord::transport::{Fault, Source};

use super::counts::{Counts, Loss};
use super::dead_letter::DeadLetters;
use super::format::Format;
use super::keys::Keys;
use super::report::Report;
use super::sink::{Chunk, Sink};

/// How long a chunk of output may get before it is handed over, and the next one begun.
const MAX_CHUNK: usize = 256 << 10;

/// The receiver of all listeners.
pub(crate) struct Receiver {
    pub(crate) keys: Arc<Keys>,
    pub(crate) engine: Engine,
    pub(crate) format: Format,
    pub(crate) sink: Sink,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) counts: Arc<Counts>,
    pub(crate) report: Arc<Report>,
}

impl Receiver {
    fn reject(&self, source: &Source, reason: &str, detail: &str, payload: &[u8]) {
        self.counts.lost(Loss::Rejected, reason, 1);
        self.report.say(&format!("rejected {reason}"), format_args!("from {source}: {detail}"));
        // The prefix was checked and taken off; the dead letter is the frame as it came.
        let prefix = prefix(payload.len()).unwrap_or_default();
        self.dead_letters.keep(source, reason, detail, &[&prefix, payload]);
    }

    /// Verifies one frame, and decodes and formats it into the chunk.
    fn record(
        &self,
        decoder: &mut Decoder<'_>,
        session: &mut Session,
        source: &Source,
        peer: &str,
        frame: &Bytes,
        chunk: &mut Chunk,
    ) -> Result<(), Rejection> {
        let verified = self.keys.gate.verify(session, frame.clone())?;
        if verified.missing > 0 {
            self.report
                .say("missing", format_args!("from {source}: {} records never arrived", verified.missing));
        }
        let record = decoder.decode(&verified.payload)?;
        let info = SourceInfo {
            transport: source.transport().scheme(),
            peer: Some(peer),
            key_id: verified.key_id.as_deref(),
        };
        let start = chunk.bytes.len();
        match self.format.write(&record, &info, &mut chunk.bytes) {
            Ok(()) => chunk.end_record(),
            Err(error) => {
                chunk.bytes.truncate(start);
                self.reject(source, "format", &error.to_string(), frame);
            }
        }
        Ok(())
    }
}

impl FrameHandler for Receiver {
    type Connection = Session;

    fn connected(&self, _source: &Source, _replies: Replies) -> Session {
        self.keys.gate.session()
    }

    async fn frames(&self, session: &mut Session, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        let mut decoder = self.engine.decoder();
        let mut chunk = Chunk::default();
        chunk.bytes.reserve(frames.iter().map(Bytes::len).sum::<usize>() * 3 / 2);
        chunk.ends.reserve(frames.len());
        let peer = source.peer().to_string();
        let mut verdict = Verdict::Continue;
        let mut counted = 0;
        for (place, frame) in frames.iter().enumerate() {
            if let Err(rejection) = self.record(&mut decoder, session, source, &peer, frame, &mut chunk) {
                self.reject(source, rejection.reason(), &rejection.to_string(), frame);
                if rejection.ends_connection() {
                    verdict = Verdict::Close;
                }
            }
            if chunk.bytes.len() >= MAX_CHUNK {
                // Records may become longer than they came; others have their turn meanwhile.
                self.counts.received((place + 1 - counted) as u64);
                counted = place + 1;
                self.sink.send(std::mem::take(&mut chunk)).await;
            }
        }
        // Counted in one step, so that a panic above leaves the batch to the listener's own count.
        self.counts.received((frames.len() - counted) as u64);
        frames.clear();
        drop(decoder);
        if !chunk.ends.is_empty() {
            self.sink.send(chunk).await;
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
        self.counts.received(frames);
        self.counts.lost(loss, reason, frames);
        let word = if frames > 0 { loss.word() } else { "fault" };
        self.report.say(&format!("{word} {reason}"), format_args!("from {source}: {fault}"));
        if let Some(content) = fault.content() {
            self.dead_letters.keep(source, reason, &fault.to_string(), &[content]);
        }
    }
}
