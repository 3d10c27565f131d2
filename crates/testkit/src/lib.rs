//! What the tests of the workspace share, said once.
//!
//! - [`python`]: every CPython of this machine, and what a test says when there is none;
//! - [`process`]: where the workspace is, and running programs;
//! - [`bytes`]: hexadecimal, frames, and the pickle of a plain record;
//! - [`generate`]: random pickles from a grammar, and mutations of pickles;
//! - [`hostile`]: families of pickles that cost more than they look like;
//! - [`schema`]: whether JSON is what a schema says.
//!
//! It knows none of the libraries, so that each of them can use it in its own tests.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod generate;
pub mod hostile;
pub mod process;
pub mod python;
pub mod schema;
