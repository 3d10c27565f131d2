//! Sockets for Python LogRecords: listeners, senders, back-off, bounded queues, TLS.
#![forbid(unsafe_code)]

mod backoff;
mod endpoint;
mod error;
mod fault;
#[cfg(feature = "tokio")]
pub mod listener;
pub mod sender;
mod source;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "tls", feature = "tokio"))]
mod tls_stream;

#[cfg(feature = "tls")]
pub use crate::tls::TlsClient;
#[cfg(all(feature = "tls", feature = "tokio"))]
pub use crate::tls::TlsServer;
pub use crate::{
    backoff::Backoff,
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
    fault::{Fault, Limit},
    source::{Peer, Source},
};
