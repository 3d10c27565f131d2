//! What happens to frames: verify, decode, hand over.
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{KeyId, PlainKey, SharedOpener};
use logrecord_model::RecordDecoder;
use logrecord_transport::{
    Fault, Source,
    listener::{FrameHandler, Verdict},
};
use pickle_codec::DecodeOptions;
use tokio::sync::mpsc;

use super::{
    inbox::{Item, Shared},
    item::{Cause, Received, Rejected},
};

/// Decoders that wait for work; more than a few are never busy at once.
const IDLE_DECODERS: usize = 16;

/// What frames have to be signed with, if with anything.
pub(super) enum Gate {
    Open,
    #[cfg(feature = "hmac")]
    Signed(Arc<SharedOpener>),
    #[cfg(feature = "hmac")]
    Plain(PlainKey),
}

impl Gate {
    const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// The handler of all listeners.
pub(super) struct Engine {
    pub(super) gate: Gate,
    pub(super) options: DecodeOptions,
    pub(super) decoders: Mutex<Vec<RecordDecoder>>,
    pub(super) shared: Arc<Shared>,
    pub(super) batches: mpsc::Sender<Vec<Item>>,
}

/// What is kept of one connection.
pub(super) struct Connection {
    authenticated: bool,
    /// The last key, and its name for the items.
    #[cfg(feature = "hmac")]
    key: Option<(KeyId, Arc<str>)>,
}

/// A payload that may be decoded.
struct Opened {
    payload: Bytes,
    key_id: Option<Arc<str>>,
    missing: u64,
}

impl Engine {
    #[cfg(not(feature = "hmac"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "without keys nothing is refused")]
    fn open(&self, _: &mut Connection, _: &Source, frame: &Bytes) -> Result<Opened, (Rejected, Verdict)> {
        Ok(Opened { payload: frame.clone(), key_id: None, missing: 0 })
    }

    #[cfg(feature = "hmac")]
    fn open(
        &self,
        connection: &mut Connection,
        source: &Source,
        frame: &Bytes,
    ) -> Result<Opened, (Rejected, Verdict)> {
        use std::time::{SystemTime, UNIX_EPOCH};
        let opened = match &self.gate {
            Gate::Open => Ok(Opened { payload: frame.clone(), key_id: None, missing: 0 }),
            Gate::Plain(key) => {
                key.open(frame.clone()).map(|payload| Opened { payload, key_id: None, missing: 0 })
            }
            Gate::Signed(opener) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
                opener.open(now_ns, frame.clone()).map(|opened| {
                    self.shared.count_gap(opened.gap, opened.fills_gap);
                    let name = match &connection.key {
                        Some((id, name)) if *id == opened.key_id => Arc::clone(name),
                        _ => {
                            let name: Arc<str> = opened.key_id.to_string().into();
                            connection.key = Some((opened.key_id, Arc::clone(&name)));
                            name
                        }
                    };
                    Opened { payload: opened.payload, key_id: Some(name), missing: opened.gap }
                })
            }
        };
        opened.map_err(|refusal| {
            // A replay comes from somebody who has a key, or is the resend of an honest sender.
            let verdict = if refusal.is_authentic() { Verdict::Continue } else { Verdict::Close };
            (Rejected::new(source, Cause::Refusal(refusal), frame.clone()), verdict)
        })
    }

    fn item(
        &self,
        decoder: &mut RecordDecoder,
        connection: &mut Connection,
        source: &Source,
        frame: &Bytes,
    ) -> (Item, Verdict) {
        let opened = match self.open(connection, source, frame) {
            Ok(opened) => opened,
            Err((rejected, verdict)) => return (Err(rejected), verdict),
        };
        connection.authenticated = true;
        let item = match decoder.decode(&opened.payload) {
            Ok(record) => Ok(Received {
                record: record.into_owned(),
                source: source.clone(),
                key_id: opened.key_id,
                missing: opened.missing,
            }),
            Err(error) => Err(Rejected::new(source, Cause::Record(error), frame.clone())),
        };
        (item, Verdict::Continue)
    }
}

impl FrameHandler for Engine {
    type Connection = Connection;

    fn connected(&self, _source: &Source) -> Connection {
        Connection {
            authenticated: self.gate.is_open(),
            #[cfg(feature = "hmac")]
            key: None,
        }
    }

    async fn frames(&self, connection: &mut Connection, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        // Room comes first: what is opened and then not taken would be gone from the replay window, too.
        let Ok(room) = self.batches.reserve().await else {
            // Nobody takes items any more.
            return Verdict::Close;
        };
        let decoder = self.decoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut decoder = decoder.unwrap_or_else(|| RecordDecoder::with_options(self.options.clone()));
        let mut verdict = Verdict::Continue;
        let mut batch = Vec::with_capacity(frames.len());
        for frame in frames.drain(..) {
            let (item, after) = self.item(&mut decoder, connection, source, &frame);
            batch.push(item);
            if after == Verdict::Close {
                verdict = Verdict::Close;
            }
        }
        {
            let mut decoders = self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
            if decoders.len() < IDLE_DECODERS {
                decoders.push(decoder);
            }
        }
        self.shared.count(&batch);
        room.send(batch);
        verdict
    }

    fn is_authenticated(&self, connection: &Connection) -> bool {
        connection.authenticated
    }

    fn fault(&self, source: &Source, fault: Fault) {
        let payload = fault.content().cloned().unwrap_or_default();
        self.shared.fault(Rejected::new(source, Cause::Fault(fault), payload));
    }
}
