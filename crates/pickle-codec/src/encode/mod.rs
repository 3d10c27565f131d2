//! Values to pickles, byte for byte as CPython's C pickler writes them.

pub(crate) mod encoder;
pub(crate) mod graph;
mod literal;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod segments;
pub(crate) mod singles;
pub(crate) mod sink;
mod value;
pub(crate) mod writer;
