//! Signing: from a pickle to the payload of a frame.
#[cfg(feature = "hmac")]
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{AckStatus, Key, KeyRing, PlainKey, Sealer, StreamId, Verifier};

use logrecord_transport::sender::Message;
#[cfg(feature = "hmac")]
use logrecord_transport::sender::{Ack, AckReader};

use crate::error::Error;
#[cfg(feature = "hmac")]
use crate::error::ErrorKind;

/// How payloads are signed, if they are.
#[derive(Clone, Default)]
pub(crate) enum Signing {
    #[default]
    Off,
    #[cfg(feature = "hmac")]
    Sealed { key: Box<Key>, audience: Vec<u8>, acks: bool },
    #[cfg(feature = "hmac")]
    Plain(Arc<PlainKey>),
}

impl Signing {
    /// A signer with a stream of its own.
    pub(crate) fn signer(&self) -> Result<Signer, Error> {
        match self {
            Self::Off => Ok(Signer::Off),
            #[cfg(feature = "hmac")]
            Self::Sealed { key, audience, acks } => {
                let mut stream_id = [0; 16];
                getrandom::fill(&mut stream_id)
                    .map_err(|error| Error::with(ErrorKind::Random, std::io::Error::from(error)))?;
                let sealer = Sealer::new(key, audience, stream_id).map_err(envelope)?;
                let sealer = if *acks { sealer.with_acks() } else { sealer };
                Ok(Signer::Sealed(Box::new(sealer)))
            }
            #[cfg(feature = "hmac")]
            Self::Plain(key) => Ok(Signer::Plain(Arc::clone(key))),
        }
    }

    /// What knows again what is signed and to be acknowledged, if it is.
    #[cfg(feature = "hmac")]
    pub(crate) fn verifier(&self) -> Result<Option<Verifier>, Error> {
        let Self::Sealed { key, audience, acks: true } = self else { return Ok(None) };
        let mut ring = KeyRing::new();
        ring.accept((**key).clone()).map_err(envelope)?;
        Verifier::new(&ring, audience).map(Some).map_err(envelope)
    }

    /// The same for messages that nobody is to acknowledge.
    pub(crate) fn without_acks(&self) -> Self {
        match self {
            #[cfg(feature = "hmac")]
            Self::Sealed { key, audience, .. } => {
                Self::Sealed { key: key.clone(), audience: audience.clone(), acks: false }
            }
            other => other.clone(),
        }
    }
}

/// Makes payloads of pickles, in order.
#[derive(Debug)]
pub(crate) enum Signer {
    Off,
    #[cfg(feature = "hmac")]
    Sealed(Box<Sealer>),
    #[cfg(feature = "hmac")]
    Plain(Arc<PlainKey>),
}

impl Signer {
    /// How long the payload of a pickle of this length is.
    pub(crate) fn payload_len(&self, len: usize) -> usize {
        match self {
            Self::Off => len,
            #[cfg(feature = "hmac")]
            Self::Sealed(sealer) => sealer.sealed_len(len),
            #[cfg(feature = "hmac")]
            Self::Plain(_) => len.saturating_add(logrecord_frame::envelope::TAG_LEN),
        }
    }

    /// The payload. It is made once: whoever sends it again sends the same bytes.
    #[cfg_attr(
        not(feature = "hmac"),
        allow(
            clippy::unnecessary_wraps,
            clippy::needless_pass_by_ref_mut,
            reason = "without keys there is nothing to fail"
        )
    )]
    pub(crate) fn message(&mut self, pickle: Vec<u8>) -> Result<Message, Error> {
        match self {
            Self::Off => Ok(pickle.into()),
            #[cfg(feature = "hmac")]
            Self::Sealed(sealer) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
                let mut payload = Vec::with_capacity(sealer.sealed_len(pickle.len()));
                let number = sealer.seal_into(now_ns, &pickle, &mut payload).map_err(envelope)?;
                Ok(Message::numbered(payload, number))
            }
            #[cfg(feature = "hmac")]
            Self::Plain(key) => {
                let mut payload = Vec::with_capacity(pickle.len() + logrecord_frame::envelope::TAG_LEN);
                key.seal_into(&pickle, &mut payload).map_err(envelope)?;
                Ok(payload.into())
            }
        }
    }

    /// What reads the acknowledgements of this signer's messages, if they ask for any.
    #[cfg(feature = "hmac")]
    pub(crate) fn ack_reader(&self, signing: &Signing) -> Result<Option<Arc<dyn AckReader>>, Error> {
        let (Self::Sealed(sealer), Some(verifier)) = (self, signing.verifier()?) else { return Ok(None) };
        Ok(Some(Arc::new(StreamAcks { verifier, stream_id: sealer.stream_id() })))
    }

    /// Without keys nothing is acknowledged.
    #[cfg(not(feature = "hmac"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "without keys there is nothing to fail")]
    pub(crate) const fn ack_reader(
        &self,
        _: &Signing,
    ) -> Result<Option<std::sync::Arc<dyn logrecord_transport::sender::AckReader>>, Error> {
        Ok(None)
    }
}

/// Reads the acknowledgements of one stream.
#[cfg(feature = "hmac")]
struct StreamAcks {
    verifier: Verifier,
    stream_id: StreamId,
}

#[cfg(feature = "hmac")]
impl AckReader for StreamAcks {
    fn read(&self, payload: &[u8]) -> Option<Ack> {
        let ack = self.verifier.open_ack(payload).ok()?;
        Some(match ack.status {
            _ if ack.stream_id != self.stream_id => Ack::Other,
            AckStatus::Durable => Ack::UpTo(ack.seq),
            status => Ack::Refused { number: ack.seq, status: status.number() },
        })
    }
}

#[cfg(feature = "hmac")]
fn envelope(error: logrecord_frame::Error) -> Error {
    Error::with(ErrorKind::Envelope, error)
}
