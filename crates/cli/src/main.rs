//! The `logrecord` program.
#![forbid(unsafe_code)]
fn main() {}
