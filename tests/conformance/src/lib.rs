//! Held against other implementations and against counts: what is too long, too large or too foreign for the tests of
//! a crate.
//!
//! - `tests/corpus.rs`: the bodies of the fuzz targets, replayed over their seeds on a stable compiler;
//! - `tests/memory.rs`, `tests/exhaustive.rs`: what a decode may take, and every small input;
//! - `tests/cpython.rs`: generated streams against CPython's own unpickler;
//! - `tests/inspect.rs`: whatever a CPython unpickler names is in the verdict of `inspect`;
//! - `tests/files.rs`: streams with known outcomes, from files;
//! - `tests/linear.rs`: instructions by callgrind.
//!
//! Those that take minutes are `#[ignore]`d, and `cargo xtask conformance`, `exhaustive` and `linear` run them.
#![forbid(unsafe_code)]

pub mod canon;
pub mod worker;
