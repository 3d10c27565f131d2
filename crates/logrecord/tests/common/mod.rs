//! What several of the tests need.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code may fail loudly, and not every test uses every function"
)]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use logrecord::{
    Error, Handler,
    model::{LogRecord, OwnedLogRecord},
};

/// For whatever should happen soon, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A handler that keeps the records.
#[derive(Default)]
pub(crate) struct Keep(pub(crate) Mutex<Vec<OwnedLogRecord>>);

impl Handler for Keep {
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        self.0.lock().unwrap().push(record.clone().into_owned());
        Ok(())
    }

    fn flush(&self, _: Duration) -> Result<(), Error> {
        Ok(())
    }
}

impl Keep {
    pub(crate) fn take(&self) -> Vec<OwnedLogRecord> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The interpreters that tests with Python run on: those that `LOGRECORD_PYTHONS` lists, or those of pyenv, or
/// `python3`. None is a failure when `LOGRECORD_REQUIRE_PYTHON` is 1.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = if let Some(listed) = std::env::var_os("LOGRECORD_PYTHONS") {
        std::env::split_paths(&listed).collect()
    } else {
        let versions = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv/versions"));
        let entries = versions.and_then(|folder| std::fs::read_dir(folder).ok());
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/python"));
        paths.filter(|path| path.exists()).collect()
    };
    found.sort();
    if found.is_empty() {
        let python3 = PathBuf::from("python3");
        let runs = Command::new(&python3).arg("-c").arg("").status();
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
