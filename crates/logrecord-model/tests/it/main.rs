//! The behaviour of `logrecord-model`, a module for each part of it, in one program, which links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

mod agreement;
mod bombs;
mod cpython;
mod described;
mod exception;
mod exception_cpython;
mod formatter_cpython;
mod formatter_properties;
mod formatter_python;
mod formatter_safe;
mod golden;
mod otel;
mod percent_python;
mod schema;
