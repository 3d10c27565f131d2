//! Send and receive Python LogRecords from Rust.
//!
//! Every Python installation can send its log records over a socket (`logging.handlers.SocketHandler` and
//! `DatagramHandler`) and receive them again. With this crate a Rust service logs into the same place, and a
//! Rust program receives what a Python fleet logs: without ever running a pickle.
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use std::time::Duration;
//! use logrecord::{Receiver, SocketHandler, model::LogRecord, pickle::Value};
//!
//! // Receive: any Python program with `SocketHandler("127.0.0.1", port)` can be on the other side.
//! let mut receiver = Receiver::bind("tcp://127.0.0.1:0")?;
//! let port = receiver.local_endpoints()[0].port().unwrap();
//!
//! // Send: any Python program with a socketserver and `makeLogRecord` can be on the other side.
//! let handler = SocketHandler::new("127.0.0.1", port)?;
//! let record = LogRecord::builder("app.db", 30, "slow query").now().extra("ms", Value::Int(731)).build();
//! handler.handle(&record)?;
//! assert_eq!(handler.close(Duration::from_secs(5)).lost(), 0);
//!
//! let received = receiver.next().unwrap()?;
//! assert_eq!(received.record.levelname().unwrap(), "WARNING");
//! assert_eq!(received.record.message(), "slow query");
//! assert_eq!(received.record.extra_value("ms"), Some(&Value::Int(731)));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`SocketHandler`] (TCP, Unix stream, TLS) and [`DatagramHandler`] (UDP, Unix datagram) send: a bounded
//!   queue, a thread of their own, reconnection, a count and a report for what is lost, and if wanted an HMAC
//!   envelope. On tokio they are `AsyncSocketHandler` and `AsyncDatagramHandler`.
//! - [`intake`] is the way from a frame to a verified, borrowed record, for receivers of one's own.
//! - `Receiver` is a blocking iterator, and `AsyncReceiver` a stream, over records that were verified and
//!   decoded, each with its source. What is refused is an item, too.
//! - `log` and `tracing` are back ends for the crates of these names; they write to any [`Handler`].
//!
//! Whoever needs one layer alone takes the crate below: [`pickle`] decodes and encodes any pickle, [`model`] has
//! the records and `logging.Formatter`, [`frame`] the frames and envelopes, [`transport`] the sockets.
//!
//! # Features
//!
//! None is on by default; a handler needs neither a runtime nor any of these.
//!
//! | feature | what it adds |
//! |---|---|
//! | `tokio` | `Receiver`, `AsyncReceiver`, `AsyncSocketHandler`, `AsyncDatagramHandler` (listeners need a runtime; `Receiver` brings its own) |
//! | `tls` | TLS by rustls |
//! | `hmac` | signed records |
//! | `spool` | records that wait for an acknowledgement in a folder, over a restart of the sender |
//! | `log` | the module `log` |
//! | `tracing` | the module `tracing` |
//! | `json` | `pickle::tagged`, a lossless JSON spelling of Python values |
//!
//! # Losses
//!
//! A handler's [`stats`](SocketHandler::stats) account for every record that it was given. Once the line is
//! back, a record of the logger [`logrecord`](LOSS_LOGGER), level WARNING, says how many were lost, in words and
//! in the extra attributes `lost_records`, `lost_bytes` and `records_in_doubt`; so the records that arrive and
//! the reported losses add up to what was sent. What a network drops without a word is found only by the
//! numbers of signed records.
//!
//! # Panics
//!
//! Nothing that arrives or is logged makes this crate panic. `log::LoggerBuilder::init` panics if the program
//! has a logger already; `try_init` says it with an error.
//!
//! The minimum supported Rust version is 1.88.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use logrecord_frame as frame;
pub use logrecord_model as model;
#[cfg(feature = "spool")]
pub use logrecord_spool as spool;
pub use logrecord_transport as transport;
pub use pickle_codec as pickle;

#[cfg(feature = "tokio")]
mod asynchronous;
mod builder;
mod datagram;
mod error;
#[cfg(any(feature = "log", feature = "tracing"))]
mod extra;
#[cfg(any(feature = "log", feature = "tracing"))]
mod feedback;
mod handler;
pub mod intake;
#[cfg(feature = "log")]
pub mod log;
mod methods;
mod origin;
#[cfg(feature = "tokio")]
mod receiver;
mod report;
mod sign;
mod socket;
#[cfg(feature = "spool")]
mod stored;
#[cfg(feature = "tracing")]
pub mod tracing;

#[cfg(feature = "tokio")]
pub use crate::{
    asynchronous::{AsyncDatagramHandler, AsyncSocketHandler},
    handler::AsyncHandler,
    receiver::{AsyncReceiver, Received, Receiver, ReceiverBuilder, ReceiverHandle, ReceiverStats, Rejected},
};
pub use crate::{
    builder::HandlerBuilder,
    datagram::DatagramHandler,
    error::{Error, ErrorKind},
    handler::{Guard, Handler, HandlerStats},
    report::LOSS_LOGGER,
    socket::SocketHandler,
};

/// The README's examples are compiled and run.
#[cfg(all(doctest, feature = "tokio", feature = "log"))]
#[doc = include_str!("../README.md")]
struct Readme;
