//! What several of the tests need.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code may fail loudly, and not every test uses every function"
)]

use std::{sync::Mutex, time::Duration};

use logrecord::{
    Error, Handler,
    model::{LogRecord, OwnedLogRecord},
};

pub(crate) use testkit::python::paths_or_skip as pythons;

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
