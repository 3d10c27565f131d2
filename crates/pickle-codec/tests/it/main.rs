//! The behaviour of `pickle-codec`, a module for each part of it, in one program, which links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod cycles;
mod decode;
mod encode_cpython;
mod encode_events;
mod examples;
mod graph;
mod inspect;
mod keys;
mod known_rows;
mod known_shapes;
mod limits;
mod numpy;
mod programs;
mod ser;
mod serde;
mod serde_direct;
mod serde_doors;
mod serde_types;
mod stream;
mod tagged_golden;
mod tagged_json;
mod value;
mod value_python;
