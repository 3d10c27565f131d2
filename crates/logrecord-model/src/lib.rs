//! Python LogRecords in Rust: read from and written to pickles, formatted as logging.Formatter does.
#![forbid(unsafe_code)]
