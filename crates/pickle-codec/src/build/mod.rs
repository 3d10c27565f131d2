//! Filling a document's tables within the budgets: memory, depth, and work on dict keys.
//!
//! `fill` makes nodes and is what everybody builds through: the decoder, the known types in `construct`, tagged JSON, and
//! the public `builder`. `keys` knows which keys are equal, `meter` what is left of the memory, `recycle` hands tables on.

pub(crate) mod builder;
pub(crate) mod construct;
pub(crate) mod fill;
pub(crate) mod keys;
pub(crate) mod meter;
pub(crate) mod recycle;
