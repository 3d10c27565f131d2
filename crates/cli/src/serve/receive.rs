//! What happens to frames: verify, decode, format, hand over. The hot path of `serve`.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use logrecord::frame::envelope::is_envelope;
use logrecord::frame::prefix;
use logrecord::model::{RecordDecoder, SourceInfo};
use logrecord::pickle::DecodeOptions;
use logrecord::transport::listener::{FrameHandler, Verdict};
use logrecord::transport::{Fault, Source};

use super::auth::Auth;
use super::counts::{Counts, Loss};
use super::dead_letter::DeadLetters;
use super::format::Format;
use super::report::Report;
use super::sink::{Chunk, Sink};

/// Decoders that wait for work; more than a few are never busy at once.
const IDLE_DECODERS: usize = 64;

/// How long a chunk of output may get before it is handed over, and the next one begun.
const MAX_CHUNK: usize = 256 << 10;

/// The receiver of all listeners.
pub(crate) struct Receiver {
    pub(crate) auth: Auth,
    pub(crate) options: DecodeOptions,
    pub(crate) format: Format,
    pub(crate) sink: Sink,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) counts: Arc<Counts>,
    pub(crate) report: Arc<Report>,
    /// Decoders are lent for one batch, so that an idle connection holds none.
    pub(crate) decoders: Mutex<Vec<RecordDecoder>>,
}

/// What is kept of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    authenticated: bool,
}

impl Receiver {
    fn reject(&self, source: &Source, reason: &str, detail: &str, payload: &[u8]) {
        self.counts.lost(Loss::Rejected, reason, 1);
        self.report.say(&format!("rejected {reason}"), format_args!("from {source}: {detail}"));
        // The prefix was checked and taken off; the dead letter is the frame as it came.
        let prefix = prefix(payload.len()).unwrap_or_default();
        self.dead_letters.keep(source, reason, detail, &[&prefix, payload]);
    }

    /// Decodes one payload into the chunk.
    fn record(
        &self,
        decoder: &mut RecordDecoder,
        source: &Source,
        peer: &str,
        frame: &Bytes,
        connection: &mut Connection,
        chunk: &mut Chunk,
    ) -> Verdict {
        let opened = match self.auth.open(frame.clone()) {
            Ok(opened) => opened,
            Err(refusal) => {
                self.reject(source, refusal.as_str(), &refusal.to_string(), frame);
                // A replay comes from somebody who has a key, or is the resend of an honest sender.
                return if refusal.is_authentic() { Verdict::Continue } else { Verdict::Close };
            }
        };
        connection.authenticated = true;
        if opened.gap > 0 {
            self.counts.gap(opened.gap);
            self.report.say("missing", format_args!("from {source}: {} records never arrived", opened.gap));
        }
        if opened.late {
            self.counts.late();
        }
        let info = SourceInfo {
            transport: source.transport().scheme(),
            peer: Some(peer),
            key_id: opened.key_id.as_deref(),
        };
        match decoder.decode(&opened.payload) {
            Ok(record) => {
                let start = chunk.bytes.len();
                match self.format.write(&record, &info, &mut chunk.bytes) {
                    Ok(()) => chunk.end_record(),
                    Err(error) => {
                        chunk.bytes.truncate(start);
                        self.reject(source, "format", &error.to_string(), frame);
                    }
                }
            }
            Err(_) if self.is_signed_by_mistake(frame) => {
                self.reject(source, "signed", "a signed frame on a listener without a key", frame);
            }
            Err(error) => self.reject(source, reason(&error), &detail(&error), frame),
        }
        Verdict::Continue
    }

    /// An envelope where nobody has a key: never opened, but named.
    fn is_signed_by_mistake(&self, frame: &[u8]) -> bool {
        !self.auth.is_required() && is_envelope(frame)
    }
}

impl FrameHandler for Receiver {
    type Connection = Connection;

    fn connected(&self, _source: &Source) -> Connection {
        Connection { authenticated: !self.auth.is_required() }
    }

    async fn frames(&self, connection: &mut Connection, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        let mut decoder = self
            .decoders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_else(|| RecordDecoder::with_options(self.options.clone()));
        let mut chunk = Chunk::default();
        chunk.bytes.reserve(frames.iter().map(Bytes::len).sum::<usize>() * 3 / 2);
        chunk.ends.reserve(frames.len());
        let peer = source.peer().to_string();
        let mut verdict = Verdict::Continue;
        let mut counted = 0;
        for (place, frame) in frames.iter().enumerate() {
            if self.record(&mut decoder, source, &peer, frame, connection, &mut chunk) == Verdict::Close {
                verdict = Verdict::Close;
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
        {
            let mut decoders = self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
            if decoders.len() < IDLE_DECODERS {
                decoders.push(decoder);
            }
        }
        if !chunk.ends.is_empty() {
            self.sink.send(chunk).await;
        }
        verdict
    }

    fn is_authenticated(&self, connection: &Connection) -> bool {
        connection.authenticated
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

/// The word for a record that could not be decoded.
fn reason(error: &logrecord::model::Error) -> &'static str {
    error.pickle().map_or("payload", |error| error.kind().as_str())
}

/// What is said of it: the pickle's own error is the one that names the opcode and the global.
fn detail(error: &logrecord::model::Error) -> String {
    error.pickle().map_or_else(|| error.to_string(), ToString::to_string)
}
