//! The bodies of the fuzz targets.
//!
//! Each is a plain function over bytes, so that the ordinary tests can replay the corpora on a stable compiler.
//! A target states what must hold for every input, and panics where it does not.
//!
//! Where there are several ways to do a thing, such as a protocol or a policy, a fuzzer's execution takes one of
//! them, because ten inputs in one way each find more than one input in ten ways; see `input::chosen`.
#![forbid(unsafe_code)]

mod envelope;
mod frame;
mod heap;
mod input;
mod peer;
mod pickle;
mod record;
mod spool;
mod values;

pub use envelope::{ack, envelope, replay};
pub use frame::frame;
pub use peer::differential;
pub use pickle::{decode, instructions, push, roundtrip};
pub use record::record;
pub use spool::spool;
pub use values::{serde, values};
