//! Values to pickles, byte for byte as CPython's C pickler writes them.
//!
//! ```text
//! Encoder events    Value    Document     serde
//!       |             |         |           |
//!       |             |       graph         |       which node is written when, and what is one object
//!       |             |         |           |
//!       +----------> writer <---+-----------+       opcodes, memo, batches, frames
//!                     |
//!                   sink                            a BufMut, an io::Write, or segments
//! ```
//!
//! Bytes are those of the C pickler and not just some that mean the same, for two reasons: a signature or a hash over
//! a pickle stays what it was, and a test against CPython is a comparison of bytes.

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
