//! Filling a document's tables within the budgets: memory, depth, and work on dict keys.

pub(crate) mod builder;
pub(crate) mod construct;
pub(crate) mod fill;
pub(crate) mod keys;
pub(crate) mod meter;
pub(crate) mod recycle;
