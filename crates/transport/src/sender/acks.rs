//! Acknowledgements: what a receiver says of the records that it has stored, and what a sender keeps until then.
//!
//! A receiver that acknowledges writes frames back on the connection. What such a frame looks like and whether
//! it is genuine is not this crate's matter: an [`AckReader`] says it. The sender keeps every numbered message,
//! written or not, until it is acknowledged or refused, and after a reconnection writes all of them again, the
//! same bytes, lowest number first.
use std::{fmt, sync::Arc, time::Duration};

use logrecord_frame::FrameDecoder;

/// What a receiver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ack {
    /// Every message with a number up to this one is stored for good, or was refused before.
    UpTo(u64),
    /// Nothing to this sender: it is genuine, and of another stream.
    Other,
    /// This message is refused for good.
    Refused {
        /// Its number.
        number: u64,
        /// The reason's number on the wire.
        status: u8,
    },
}

/// Reads what comes back from a receiver.
pub trait AckReader: Send + Sync {
    /// What a frame says, or nothing if it is no genuine acknowledgement: then the connection is closed.
    /// `payload` is a frame without its prefix, and anybody may have written it.
    fn read(&self, payload: &[u8]) -> Option<Ack>;

    /// Hears that no message with a number below this one waits any more: each is acknowledged, refused or dropped. It is
    /// called behind acknowledgements, while the sender's queue is locked.
    fn settled(&self, _below: u64) {}
}

/// How a sender works with acknowledgements.
///
/// They count for [numbered](super::Message::numbered) messages on stream transports.
#[derive(Clone)]
pub struct Acks {
    pub(super) reader: Arc<dyn AckReader>,
    pub(super) window: u64,
    pub(super) max_bytes: usize,
    pub(super) max_age: Duration,
}

impl Acks {
    /// With this reader and the default limits.
    pub fn new(reader: Arc<dyn AckReader>) -> Self {
        Self { reader, window: 1024, max_bytes: 4 * 1024 * 1024, max_age: Duration::from_secs(3600) }
    }

    /// How far the numbers of messages that are written and not acknowledged may lie apart: 1,024 by default,
    /// the window in which a receiver knows a message again.
    #[must_use]
    pub fn window(mut self, messages: u64) -> Self {
        self.window = messages.max(1);
        self
    }

    /// How many payload bytes may be written and not acknowledged: 4 MiB by default. One message always may.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long a message may be written on a connection that stands and get no answer: 1 h by default. Then it
    /// is dropped and counted as unanswered.
    #[must_use]
    pub fn max_age(mut self, limit: Duration) -> Self {
        self.max_age = limit;
        self
    }
}

impl fmt::Debug for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acks")
            .field("window", &self.window)
            .field("max_bytes", &self.max_bytes)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

/// The longest frame that comes back. An acknowledgement has about 100 bytes.
const MAX_FRAME_LEN: u32 = 1024;
/// How many connections in a row may end without an acknowledgement before that is worth a word.
const SILENT_CONNECTIONS: u32 = 5;

/// What the state of a sender knows of acknowledgements.
pub(super) struct AckState {
    pub(super) config: Acks,
    /// Finds the frames that come back on this connection; nothing once it makes no sense.
    decoder: Option<FrameDecoder>,
    /// All up to here is acknowledged.
    pub(super) up_to: Option<u64>,
    /// The highest number that was ever written whole. Nothing above it can be acknowledged.
    pub(super) highest_written: Option<u64>,
    /// Payload bytes that are written on this connection and not acknowledged.
    pub(super) bytes_in_flight: usize,
    /// Refused messages that are still in the queue, because they are being written.
    pub(super) refused_pending: usize,
    /// Whether this connection has brought an acknowledgement.
    heard: bool,
    silent_connections: u32,
}

impl AckState {
    pub(super) fn new(config: Acks) -> Self {
        Self {
            config,
            decoder: None,
            up_to: None,
            highest_written: None,
            bytes_in_flight: 0,
            refused_pending: 0,
            heard: false,
            silent_connections: 0,
        }
    }

    pub(super) fn connected(&mut self) {
        self.decoder = Some(FrameDecoder::with_max_frame_len(MAX_FRAME_LEN));
        self.heard = false;
    }

    /// Takes note of the end of a connection, on which messages were `written`.
    pub(super) fn broken(&mut self, written: bool) {
        self.decoder = None;
        self.bytes_in_flight = 0;
        if written && !self.heard {
            self.silent_connections = self.silent_connections.saturating_add(1);
        }
    }

    /// Whether connection after connection has ended without an acknowledgement.
    pub(super) const fn is_unheard(&self) -> bool {
        self.silent_connections >= SILENT_CONNECTIONS
    }

    /// Takes bytes that came back.
    pub(super) fn feed(&mut self, input: &[u8]) {
        if let Some(decoder) = &mut self.decoder {
            decoder.feed_slice(input);
        }
    }

    /// The next of the acknowledgements that came back, if there is one.
    pub(super) fn next(&mut self) -> Option<Ack> {
        let frame = match self.decoder.as_mut()?.next_frame() {
            Ok(frame) => frame?,
            Err(_) => return self.distrust(),
        };
        let Some(ack) = self.config.reader.read(&frame) else { return self.distrust() };
        if ack != Ack::Other {
            self.heard = true;
            self.silent_connections = 0;
        }
        Some(ack)
    }

    /// No receiver of ours, or somebody in between: nothing more on this connection counts.
    fn distrust(&mut self) -> Option<Ack> {
        self.decoder = None;
        None
    }

    /// Whether what came back on this connection is genuine so far.
    pub(super) const fn is_trusted(&self) -> bool {
        self.decoder.is_some()
    }
}
