//! Values to pickles, byte for byte as CPython's C pickler writes them.

pub(crate) mod encoder;
pub(crate) mod graph;
mod literal;
#[cfg_attr(not(feature = "serde"), allow(dead_code, reason = "only serde knows names of Rust types"))]
mod names;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod segments;
pub(crate) mod singles;
pub(crate) mod sink;
mod value;
pub(crate) mod writer;
