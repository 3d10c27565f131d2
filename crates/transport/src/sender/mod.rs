//! Senders: a bounded queue, one connection, and a count for everything that does not arrive.
//!
//! [`Sender`] needs no runtime: a thread of its own drives a [`SenderState`], which knows neither sockets nor
//! clocks. `AsyncSender` (feature `tokio`) is the same sender for callers that must not block.
mod acks;
#[cfg(feature = "tokio")]
mod asynchronous;
mod blocking;
mod compat;
mod config;
mod link;
mod message;
mod state;

#[cfg(feature = "tokio")]
pub use self::asynchronous::AsyncSender;
pub use self::{
    acks::{Ack, AckReader, Acks},
    blocking::{FlushGuard, Sender},
    config::{FullPolicy, Losses, SenderConfig, SenderStats},
    message::{Message, Segment},
    state::{SenderState, Step},
};
use crate::endpoint::Transport;

/// What one datagram can carry behind its prefix: 65,507 bytes of UDP over IPv4, and what a Unix socket's
/// send buffer holds on Linux by default. Of larger buffers the system itself is the judge.
const fn max_datagram_payload(transport: Transport) -> Option<usize> {
    match transport {
        Transport::Udp => Some(65_507 - logrecord_frame::PREFIX_LEN),
        // Longer ones are refused by the socket and counted then, because the limit is a setting.
        Transport::UnixDatagram => Some(u32::MAX as usize),
        _ => None,
    }
}
