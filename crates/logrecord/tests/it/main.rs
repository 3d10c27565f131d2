//! The behaviour of `logrecord`, a module for each part of it, in one program, which links once. What sets a process's
//! only logger or subscriber is a program of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

#[cfg(all(feature = "tokio", feature = "hmac"))]
mod acks;
#[cfg(all(feature = "tokio", feature = "log", feature = "tracing"))]
mod examples;
#[cfg(all(feature = "tokio", feature = "log"))]
mod losses;
#[cfg(all(feature = "log", feature = "tracing"))]
mod python;
#[cfg(feature = "tokio")]
mod receiver;
#[cfg(all(feature = "tokio", feature = "tls"))]
mod tls;
