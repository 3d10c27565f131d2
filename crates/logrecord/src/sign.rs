//! Signing: from a pickle to the payload of a frame.
#[cfg(feature = "hmac")]
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{Key, PlainKey, Sealer};

use crate::error::Error;
#[cfg(feature = "hmac")]
use crate::error::ErrorKind;

/// How payloads are signed, if they are.
#[derive(Clone, Default)]
pub(crate) enum Signing {
    #[default]
    Off,
    #[cfg(feature = "hmac")]
    Sealed { key: Box<Key>, audience: Vec<u8> },
    #[cfg(feature = "hmac")]
    Plain(Arc<PlainKey>),
}

impl Signing {
    /// A signer with a stream of its own.
    pub(crate) fn signer(&self) -> Result<Signer, Error> {
        match self {
            Self::Off => Ok(Signer::Off),
            #[cfg(feature = "hmac")]
            Self::Sealed { key, audience } => {
                let mut stream_id = [0; 16];
                getrandom::fill(&mut stream_id)
                    .map_err(|error| Error::with(ErrorKind::Random, std::io::Error::from(error)))?;
                let sealer = Sealer::new(key, audience, stream_id).map_err(envelope)?;
                Ok(Signer::Sealed(Box::new(sealer)))
            }
            #[cfg(feature = "hmac")]
            Self::Plain(key) => Ok(Signer::Plain(Arc::clone(key))),
        }
    }

    /// Whether the payloads have numbers, so that they must leave in their order.
    pub(crate) const fn is_numbered(&self) -> bool {
        match self {
            #[cfg(feature = "hmac")]
            Self::Sealed { .. } => true,
            _ => false,
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
    /// The payload. It is made once: whoever sends it again sends the same bytes.
    #[cfg_attr(
        not(feature = "hmac"),
        allow(
            clippy::unnecessary_wraps,
            clippy::needless_pass_by_ref_mut,
            reason = "without keys there is nothing to fail"
        )
    )]
    pub(crate) fn payload(&mut self, pickle: Vec<u8>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Off => Ok(pickle),
            #[cfg(feature = "hmac")]
            Self::Sealed(sealer) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
                let mut payload = Vec::with_capacity(sealer.sealed_len(pickle.len()));
                sealer.seal_into(now_ns, &pickle, &mut payload).map_err(envelope)?;
                Ok(payload)
            }
            #[cfg(feature = "hmac")]
            Self::Plain(key) => {
                let mut payload = Vec::with_capacity(pickle.len() + logrecord_frame::envelope::TAG_LEN);
                key.seal_into(&pickle, &mut payload).map_err(envelope)?;
                Ok(payload)
            }
        }
    }
}

#[cfg(feature = "hmac")]
fn envelope(error: logrecord_frame::Error) -> Error {
    Error::with(ErrorKind::Envelope, error)
}
