//! What goes through a sender: messages, and the pieces of their frames that are written.
use std::time::Instant;

use bytes::Bytes;
use logrecord_frame::PREFIX_LEN;

use super::config::Losses;

/// A payload, and the number by which an acknowledgement will name it.
#[derive(Clone, Debug)]
pub struct Message {
    pub(super) payload: Bytes,
    pub(super) number: Option<u64>,
}

impl Message {
    /// A payload with a number. The numbers of a sender's messages rise; where
    /// [acknowledgements](super::SenderConfig::acks) are on, it is kept until its number is acknowledged.
    pub fn numbered(payload: impl Into<Bytes>, number: u64) -> Self {
        Self { payload: payload.into(), number: Some(number) }
    }

    /// The payload.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The number by which an acknowledgement will name it, if it has one.
    pub const fn number(&self) -> Option<u64> {
        self.number
    }

    /// The payload alone.
    pub fn into_payload(self) -> Bytes {
        self.payload
    }
}

macro_rules! from {
    ($($payload:ty),*) => {$(
        /// A payload without a number: nobody acknowledges it.
        impl From<$payload> for Message {
            fn from(payload: $payload) -> Self {
                Self { payload: payload.into(), number: None }
            }
        }
    )*};
}

from!(Bytes, Vec<u8>, &'static [u8], &'static str, String);

/// One piece of a frame that is to be written: the rest of its prefix, and the rest of its payload.
#[derive(Clone, Debug)]
pub struct Segment {
    prefix: [u8; PREFIX_LEN],
    skip: usize,
    payload: Bytes,
}

impl Segment {
    /// What is left of the prefix.
    pub fn prefix(&self) -> &[u8] {
        self.prefix.get(self.skip..).unwrap_or_default()
    }

    /// What is left of the payload.
    pub fn payload(&self) -> &[u8] {
        self.payload.get(self.skip.saturating_sub(PREFIX_LEN)..).unwrap_or_default()
    }

    /// The bytes of both.
    pub fn len(&self) -> usize {
        self.prefix().len() + self.payload().len()
    }

    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What waits in a sender: a record, or a report of losses.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) payload: Bytes,
    /// The number by which an acknowledgement will name it, if it is to be acknowledged.
    pub(super) number: Option<u64>,
    /// The losses that this record reports, if it is a report.
    pub(super) report: Option<Losses>,
    /// Whether a connection broke when a part of it was written.
    pub(super) is_cut: bool,
    /// Whether it was written whole, on this connection or an earlier one, and is not acknowledged.
    pub(super) is_written: bool,
    /// When it was written whole on this connection.
    pub(super) written_at: Option<Instant>,
    /// The status of its refusal, if the receiver refused it for good.
    pub(super) refused: Option<u8>,
}

impl Item {
    pub(super) fn record(message: Message) -> Self {
        let Message { payload, number } = message;
        Self {
            payload,
            number,
            report: None,
            is_cut: false,
            is_written: false,
            written_at: None,
            refused: None,
        }
    }

    pub(super) fn report(payload: Bytes, losses: Losses) -> Self {
        Self { report: Some(losses), ..Self::record(Message { payload, number: None }) }
    }

    /// The bytes of it that are not written yet.
    pub(super) fn segment(&self, skip: usize) -> Segment {
        Segment { prefix: self.prefix(), skip, payload: self.payload.clone() }
    }

    fn prefix(&self) -> [u8; PREFIX_LEN] {
        // The length was checked when the record was accepted.
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes()
    }

    pub(super) const fn frame_len(&self) -> usize {
        self.payload.len() + PREFIX_LEN
    }
}
