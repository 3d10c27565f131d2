//! Sockets for Python LogRecords: listeners, senders, back-off, bounded queues, TLS.
#![forbid(unsafe_code)]

mod endpoint;
mod error;
mod fault;
#[cfg(feature = "tokio")]
pub mod listener;
mod source;

pub use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
    fault::{Fault, Limit},
    source::{Peer, Source},
};
