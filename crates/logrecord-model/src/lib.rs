//! Python LogRecords in Rust: read from and written to pickles, formatted as logging.Formatter does.
#![forbid(unsafe_code)]

mod builder;
mod convert;
mod error;
mod escape;
mod field;
mod json;
mod message;
mod read;
mod record;
mod tagged;
mod text;
mod time;

pub use builder::LogRecordBuilder;
pub use error::{Error, ErrorKind, Result};
pub use field::Field;
pub use json::SourceInfo;
pub use read::RecordDecoder;
pub use record::{LogRecord, OwnedLogRecord};
pub use text::Text;
