//! What a receiver yields.
use std::{error, fmt, sync::Arc};

use bytes::Bytes;
#[cfg(feature = "hmac")]
use logrecord_frame::envelope::Refusal;
use logrecord_model::{OwnedLogRecord, SourceInfo};
use logrecord_transport::{Fault, Source};

use crate::intake::Rejection;

/// A record that arrived, was verified if a key asks for it, and was decoded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// The record.
    pub record: OwnedLogRecord,
    /// The listener, the peer and the connection that it came from.
    pub source: Source,
    /// The key that it was signed with, where the signature names one.
    pub key_id: Option<Arc<str>>,
    /// How many records of the same sender are missing right before this one, as far as its numbers tell.
    pub missing: u64,
}

impl Received {
    /// Writes the record and its source as one line of JSON, as `logrecord serve` does, line feed included.
    ///
    /// ```
    /// use logrecord::{Receiver, SocketHandler, model::LogRecord};
    ///
    /// let mut receiver = Receiver::bind("tcp://127.0.0.1:0")?;
    /// let handler = SocketHandler::to(receiver.local_endpoints()[0].clone()).build()?;
    /// handler.handle(&LogRecord::builder("app", 20, "started").now().build())?;
    ///
    /// let mut lines = Vec::new();
    /// receiver.next().unwrap()?.write_json(&mut lines);
    /// assert!(lines.starts_with(b"{\"time\":") && lines.ends_with(b"}}\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let peer = self.source.peer().to_string();
        let info = SourceInfo {
            transport: self.source.transport().scheme(),
            peer: Some(&peer),
            key_id: self.key_id.as_deref(),
        };
        self.record.write_json(Some(&info), out);
        out.push(b'\n');
    }
}

#[derive(Debug)]
pub(super) enum Cause {
    Rejection(Rejection),
    Fault(Fault),
    /// More faults than could wait to be taken: how many, and the frames that they lost.
    Faults(u64, u64),
}

/// Something that arrived and is no record: a frame that was refused, or a fault of a connection.
///
/// A receiver goes on behind it.
pub struct Rejected {
    inner: Box<Inner>,
}

struct Inner {
    source: Source,
    cause: Cause,
    payload: Bytes,
}

impl Rejected {
    #[cold]
    pub(super) fn new(source: &Source, cause: Cause, payload: Bytes) -> Self {
        Self { inner: Box::new(Inner { source: source.clone(), cause, payload }) }
    }

    /// The listener, the peer and the connection that it came from.
    pub const fn origin(&self) -> &Source {
        &self.inner.source
    }

    /// The payload of the frame as it came, its envelope included; of a fault the bytes that it kept.
    pub const fn payload(&self) -> &Bytes {
        &self.inner.payload
    }

    /// A short word for counters: `bad_mac`, `unsigned`, `global`, `truncated`, and so on.
    pub fn reason(&self) -> &'static str {
        match &self.inner.cause {
            Cause::Rejection(rejection) => rejection.reason(),
            Cause::Fault(fault) => fault.reason(),
            Cause::Faults(..) => "faults",
        }
    }

    /// How many frames are lost by it; 0 if it is a fault that loses none, such as a refused connection.
    pub fn frames(&self) -> u64 {
        match &self.inner.cause {
            Cause::Rejection(_) => 1,
            Cause::Fault(fault) => fault.frames(),
            Cause::Faults(_, frames) => *frames,
        }
    }

    /// The fault, if it is one.
    pub const fn fault(&self) -> Option<&Fault> {
        match &self.inner.cause {
            Cause::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Why it was refused, if it is a frame.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match &self.inner.cause {
            Cause::Rejection(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Why its envelope was refused.
    #[cfg(feature = "hmac")]
    pub fn refusal(&self) -> Option<Refusal> {
        self.rejection().and_then(Rejection::refusal)
    }

    /// Why its payload is no record.
    pub fn record_error(&self) -> Option<&logrecord_model::Error> {
        self.rejection().and_then(Rejection::record_error)
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("origin", &self.inner.source)
            .field("cause", &self.inner.cause)
            .field("payload_len", &self.inner.payload.len())
            .finish()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.cause {
            Cause::Rejection(rejection) => match rejection.record_error() {
                Some(_) => f.write_str("frame holds no record"),
                None => f.write_str("frame refused"),
            },
            Cause::Fault(fault) => fault.fmt(f),
            Cause::Faults(faults, frames) => write!(f, "{faults} more faults, {frames} frames lost"),
        }
    }
}

impl error::Error for Rejected {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.rejection().map(|rejection| rejection as &(dyn error::Error + 'static))
    }
}
