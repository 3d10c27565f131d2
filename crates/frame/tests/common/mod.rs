//! What several of the tests need.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "test code may fail loudly, and not every test uses every function"
)]

use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder of the workspace.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "odd number of digits");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The interpreters that tests with Python run on: those that `LOGRECORD_PYTHONS` lists, or those of pyenv, or
/// `python3`. None is a failure when `LOGRECORD_REQUIRE_PYTHON` is 1.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = if let Some(listed) = std::env::var_os("LOGRECORD_PYTHONS") {
        std::env::split_paths(&listed).collect()
    } else {
        let versions = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv/versions"));
        let entries = versions.and_then(|folder| std::fs::read_dir(folder).ok());
        entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin/python"))
            .filter(|path| path.exists())
            .collect()
    };
    found.sort();
    if found.is_empty() {
        let python3 = PathBuf::from("python3");
        let runs = std::process::Command::new(&python3).arg("-c").arg("").status();
        found.extend(runs.is_ok_and(|status| status.success()).then_some(python3));
    }
    if found.is_empty() {
        assert!(std::env::var("LOGRECORD_REQUIRE_PYTHON").as_deref() != Ok("1"), "no Python was found");
        // Past the harness, which shows what a test prints only when it fails.
        let note = b"SKIPPED: no Python was found, so that nothing is tried with one\n";
        std::io::stderr().write_all(note).unwrap();
    }
    found
}
