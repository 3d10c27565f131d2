//! The behaviour of `cli`, a module for each part of it, in one program, which links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

mod acks;
mod admin;
mod adversity;
mod codec;
mod config;
mod describe;
mod documents;
mod engines;
mod fd_store;
mod hub;
mod inspect;
mod kill_points;
mod kills;
mod manners;
mod pythons;
mod reload;
mod send;
mod sender_spool;
mod serve;
mod spool;
mod tail;
mod takeover;
mod view;
