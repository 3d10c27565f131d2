//! Sockets for the frames of Python's `SocketHandler` and `DatagramHandler`.
//!
//! A *frame* is a length prefix of four bytes and a payload. This crate moves frames and never looks into a
//! payload: what it receives it hands on, what it is given it sends, and what is lost on the way it counts.
//!
//! - [`listener`] (feature `tokio`): TCP, UDP, Unix streams and datagrams, TLS, sockets of a service manager.
//! - [`sender`]: a [`Sender`](sender::Sender) with a thread of its own, without any async runtime, and with
//!   feature `tokio` an `AsyncSender` that waits without blocking. It is driven by
//!   [`SenderState`](sender::SenderState), which knows neither sockets nor clocks.
//! - [`Backoff`]: when to connect again, by the decisions of `SocketHandler.createSocket`.
//!
//! ```
//! use std::{io::Read, net::TcpListener, time::Duration};
//! use logrecord_transport::{Endpoint, sender::{Sender, SenderConfig}};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let endpoint: Endpoint = format!("tcp://{}", listener.local_addr()?).parse()?;
//! let sender = Sender::new(endpoint, SenderConfig::new())?;
//! sender.send(&b"payload"[..])?;
//! assert_eq!(sender.close(Duration::from_secs(5)).written, 1);
//!
//! let mut wire = Vec::new();
//! listener.accept()?.0.read_to_end(&mut wire)?;
//! assert_eq!(wire, b"\0\0\0\x07payload");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! | What | Default | Where |
//! |---|---|---|
//! | longest payload that is received | 1 MiB | [`ListenerConfig::max_frame_len`](listener::ListenerConfig::max_frame_len) |
//! | connections of a listener | 16,384 | [`max_connections`](listener::ListenerConfig::max_connections) |
//! | connections of a peer | off | [`max_connections_per_peer`](listener::ListenerConfig::max_connections_per_peer) |
//! | new connections a second, of a listener, of a peer | off | [`accept_rate`](listener::ListenerConfig::accept_rate), [`accept_rate_per_peer`](listener::ListenerConfig::accept_rate_per_peer) |
//! | silence between frames | off | [`idle_timeout`](listener::ListenerConfig::idle_timeout) |
//! | a frame's first byte to its last | 30 s | [`frame_timeout`](listener::ListenerConfig::frame_timeout) |
//! | the first accepted frame, where one is asked for | 5 s | [`authentication_timeout`](listener::ListenerConfig::authentication_timeout) |
//! | TLS handshake | 10 s | [`handshake_timeout`](listener::ListenerConfig::handshake_timeout) |
//! | draining at the end | 5 s | [`drain_timeout`](listener::ListenerConfig::drain_timeout) |
//! | bytes read and not yet taken, of a listener | 256 MiB | [`max_bytes_in_flight`](listener::ListenerConfig::max_bytes_in_flight) |
//! | the same of a peer | off | [`max_bytes_in_flight_per_peer`](listener::ListenerConfig::max_bytes_in_flight_per_peer) |
//! | Unix datagrams that wait for a slow handler | 65,536 and 64 MiB | [`datagram_queue`](listener::ListenerConfig::datagram_queue) |
//! | answers that a peer does not read | 1,024 | [`Replies`](listener::Replies) |
//! | records that wait in a sender | 65,536 and 64 MiB | [`SenderConfig::queue`](sender::SenderConfig::queue) |
//! | messages on their way, and not acknowledged | 1,024 and 4 MiB | [`Acks`](sender::Acks) |
//! | a message without an answer | 1 h | [`Acks::max_age`](sender::Acks::max_age) |
//! | connecting to one address | 1 s | [`connect_timeout`](sender::SenderConfig::connect_timeout) |
//! | a receiver that takes nothing | 30 s | [`write_timeout`](sender::SenderConfig::write_timeout) |
//!
//! A connection that has nothing to say holds no buffer. One that has begun a frame holds what has arrived
//! of it and at most as much again, never what its prefix announces.
//!
//! # Features
//!
//! - `tokio`: [`listener`] and `AsyncSender`.
//! - `tls`: TLS by rustls with ring, for senders and, with `tokio`, for listeners.
//!
//! Without features the crate needs no runtime: a sender has a thread of its own.
//!
//! # Panics, clocks, platforms
//!
//! Nothing that a peer sends makes this crate panic; a handler's panic is contained and reported. Every
//! time limit is the monotonic clock's. Nothing here logs, so that a sender behind a logging framework is
//! never fed by itself. Unix sockets, handed-over sockets and the kernel's count of dropped datagrams (Linux)
//! exist where the system has them; elsewhere binding says so, there are no handed-over sockets, and
//! the kernel's drops stay unknown.
//!
//! The minimum supported Rust version is 1.88.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without the feature, the links of the table above have nowhere to go.
#![cfg_attr(
    not(feature = "tokio"),
    allow(rustdoc::broken_intra_doc_links, reason = "the listener is a feature")
)]

mod backoff;
mod endpoint;
mod error;
mod fault;
#[cfg(feature = "tokio")]
pub mod listener;
pub mod sender;
mod source;
#[cfg(all(unix, feature = "tokio"))]
pub mod store;
#[cfg(all(unix, feature = "tokio"))]
pub mod takeover;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(unix, feature = "tokio"))]
mod unix_socket;

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

/// The README's examples are compiled and run.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
