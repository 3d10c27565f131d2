//! Why a frame is no record.
use std::{error, fmt};

use logrecord_frame::Stranger;
#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{Refusal, Refused, Stamp};

/// Why a frame was refused, by the gate or by the decoder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// The gate refused its envelope, or that it has none.
    #[cfg(feature = "hmac")]
    Refused(Box<Refused>),
    /// It is an envelope, and nobody here has a key.
    Signed,
    /// Its payload is no record.
    NoRecord {
        /// What was wrong with it.
        error: logrecord_model::Error,
        /// What it is instead, if that is known.
        stranger: Option<Stranger>,
    },
}

impl Rejection {
    /// Boxed, because what is right is the rule.
    #[cfg(feature = "hmac")]
    #[cold]
    pub(super) fn refused(refused: impl Into<Refused>) -> Self {
        Self::Refused(Box::new(refused.into()))
    }

    #[cold]
    pub(super) fn no_record(error: logrecord_model::Error, payload: &[u8]) -> Self {
        Self::NoRecord { error, stranger: Stranger::identify_payload(payload) }
    }

    /// A short word for counters: `bad_mac`, `unsigned`, `signed`, `global`, `payload`, and so on.
    pub fn reason(&self) -> &'static str {
        match self {
            #[cfg(feature = "hmac")]
            Self::Refused(refused) => refused.refusal().as_str(),
            Self::Signed => "signed",
            Self::NoRecord { error, .. } => error.pickle().map_or("payload", |error| error.kind().as_str()),
        }
    }

    /// Whether the connection that it came on is to be closed: its sender has no key that counts. A replay comes
    /// from somebody who has one, or is the resend of an honest sender, and a payload that is no record says
    /// nothing about the next one.
    #[cfg_attr(
        not(feature = "hmac"),
        allow(clippy::unused_self, reason = "without keys nobody has to have one")
    )]
    pub const fn ends_connection(&self) -> bool {
        match self {
            #[cfg(feature = "hmac")]
            // Who asks for what is not given must not wait for it.
            Self::Refused(refused) => {
                let refusal = refused.refusal();
                !refusal.is_authentic() || matches!(refusal, Refusal::Flags)
            }
            _ => false,
        }
    }

    /// Why the envelope was refused.
    #[cfg(feature = "hmac")]
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refused) => Some(refused.refusal()),
            _ => None,
        }
    }

    /// Whose message was refused, where that is proven and there is a number to speak of.
    #[cfg(feature = "hmac")]
    pub const fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::Refused(refused) => refused.stamp(),
            _ => None,
        }
    }

    /// Why the payload is no record.
    pub const fn record_error(&self) -> Option<&logrecord_model::Error> {
        match self {
            Self::NoRecord { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "hmac")]
            Self::Refused(refused) => refused.fmt(f),
            Self::Signed => f.write_str("a signed frame on a listener without a key"),
            Self::NoRecord { error, stranger } => {
                // The pickle's own error is the one that names the opcode and the global.
                match error.pickle() {
                    Some(error) => error.fmt(f)?,
                    None => error.fmt(f)?,
                }
                stranger.map_or(Ok(()), |stranger| write!(f, "; it looks like {stranger}"))
            }
        }
    }
}

/// What it says is what its cause says, so that the cause is no source beside it.
impl error::Error for Rejection {}
