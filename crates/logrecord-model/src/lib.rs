//! Python LogRecords in Rust: read from and written to pickles, formatted as logging.Formatter does.
#![forbid(unsafe_code)]

mod brace;
mod builder;
mod convert;
mod dollar;
mod error;
mod escape;
mod exception;
mod field;
mod formatter;
mod graph;
mod json;
mod json_read;
mod level;
mod loose;
mod message;
pub mod otel;
mod percent;
mod quote;
mod read;
mod record;
mod scan;
mod stock;
mod strftime;
mod tagged;
mod text;
mod time;
mod tree;
mod write;

pub use builder::LogRecordBuilder;
pub use error::{Error, ErrorKind, Result};
pub use escape::escape_line;
pub use exception::{Exception, Frame, Link, SyntaxPlace, Traceback};
pub use field::Field;
pub use formatter::{Formatter, FormatterBuilder, Style};
pub use json::SourceInfo;
pub use level::{Level, LevelNames, UnknownLevel};
pub use percent::error::FormatError;
pub use percent::{DEFAULT_MESSAGE_LIMIT, Fields, PercentFormat};
pub use read::RecordDecoder;
pub use record::{LogRecord, OwnedLogRecord};
pub use strftime::Zone;
pub use text::Text;
