//! Python LogRecords in Rust: read from and written to pickles, formatted as logging.Formatter does.
//!
//! The payload of a frame of `logging.handlers.SocketHandler` is a pickle of a record's `__dict__`.
//! [`LogRecord::from_pickle`] reads it without running anything, [`LogRecord::to_pickle`] writes it in
//! CPython's bytes, [`LogRecord::write_json`] makes one line of JSON of it, and [`Formatter`] the text
//! that Python would have written. This crate does no input or output, and reads a clock only in
//! [`LogRecordBuilder::now`] and where a record that is formatted has no time.
//!
//! ```
//! use logrecord_model::LogRecord;
//! let record = LogRecord::builder("app", 20, "started").created(0.0).build();
//! let mut payload = Vec::new();
//! record.to_pickle(&mut payload)?;
//! let received = LogRecord::from_pickle(&payload)?;
//! assert_eq!(received.levelname().unwrap(), "INFO");
//! assert_eq!(received.to_json(), r#"{"time":"1970-01-01T00:00:00.000000Z","levelno":20,"levelname":"INFO","name":"app","message":"started","pathname":"","filename":"","module":"","lineno":0,"processName":"MainProcess","threadName":"MainThread","created":0.0,"msecs":0.0}"#);
//! # Ok::<(), logrecord_model::Error>(())
//! ```
//!
//! # Limits
//!
//! Those of [`pickle_codec::Limits`], all on by default; a message with arguments ends after
//! [`DEFAULT_MESSAGE_LIMIT`] bytes and after [`DEFAULT_MAX_DIRECTIVES`] directives, visibly.
//!
//! # Features
//!
//! - `serde`, on by default: records from JSON, serde in both directions, OpenTelemetry's data model.
//! - `arbitrary`: `Arbitrary` for [`LogRecord`].
//! - `log`, `tracing`: conversions of [`Level`] to and from the levels of those crates.
//!
//! # Panics
//!
//! None: no input makes a function of this crate panic.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod attributes;
mod budget;
mod builder;
mod convert;
mod created;
mod defaults;
mod error;
mod exception;
mod field;
mod formatter;
mod json;
#[cfg(feature = "serde")]
mod json_read;
mod level;
mod message;
mod number;
#[cfg(feature = "serde")]
pub mod otel;
mod plain;
mod read;
mod record;
mod stock;
mod tagged;
mod time;
#[cfg(feature = "serde")]
mod tree;
mod write;

pub use budget::{Written, output_limit};
pub use builder::LogRecordBuilder;
pub use error::{Error, ErrorKind, Result};
pub use exception::{Exception, Link, SyntaxPlace, Traceback, TracebackFrame};
pub use field::Field;
pub use formatter::{Formatter, FormatterBuilder, UnknownName};
pub use json::SourceInfo;
pub use level::{Level, LevelNames, UnknownLevel};
pub use python_format::{
    DEFAULT_MAX_DIRECTIVES, DEFAULT_MESSAGE_LIMIT, Fields, FormatError, PercentFormat, Style, Text, Zone,
    escape_line,
};
pub use read::RecordDecoder;
pub use record::{LogRecord, OwnedLogRecord};

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
