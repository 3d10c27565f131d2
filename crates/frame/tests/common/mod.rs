//! What several of the tests need.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "test code may fail loudly, and not every test uses every function"
)]

use std::path::{Path, PathBuf};

pub(crate) use testkit::bytes::unhex;
pub(crate) use testkit::python::paths_or_skip as pythons;

/// A folder of the workspace.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
