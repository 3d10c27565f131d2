//! The behaviour of the transport, a module for each part of it, in one program, which links once. What takes all of a
//! process, as descriptors.rs does, is a program of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

mod async_sender;
mod datagram;
mod listener;
mod python;
mod sender;
mod simulated_acks;
mod simulated_link;
mod systemd;
mod tls;
