//! What outputs share, and how each is driven.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use logrecord::intake::{Engine, Rejection};
use logrecord::transport::Backoff;
use logrecord_spool::Start;

use crate::ledger::Ledger;
use crate::log::Log;
use crate::output::Logged;
use crate::route::Routes;

/// Says something to whoever runs the program: a key by which it can be told apart, and the text.
pub type Say = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Is told of what is no record; for the dead letters and the report.
pub type OnReject = Arc<dyn Fn(&Logged<'_>, &Rejection) + Send + Sync>;

/// What happens when an output is so far behind that the log fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenBehind {
    /// The log fills, and then nothing new is taken in, or the newest is given up.
    #[default]
    Block,
    /// What is more than so many bytes behind is given up, oldest first, so that the others go on.
    DropOldest {
        /// The bytes.
        max_lag: u64,
    },
}

/// How an output is driven.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Its name, in counts and for its cursor.
    pub name: String,
    /// The most records of a batch.
    pub records: usize,
    /// About the most bytes of a batch.
    pub bytes: usize,
    /// How long a batch that is not full waits for more.
    pub wait: Duration,
    /// What happens when it is behind.
    pub when_behind: WhenBehind,
    /// Where it begins without a cursor.
    pub start: Start,
    /// The delays between tries.
    pub backoff: Backoff,
}

impl Settings {
    /// Batches of 1,000 records and 1 MiB that wait for nothing; tries again after 200 ms, for ever.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            records: 1_000,
            bytes: 1024 * 1024,
            wait: Duration::ZERO,
            when_behind: WhenBehind::Block,
            start: Start::Newest,
            backoff: Backoff::new().retry_start(Duration::from_millis(200)).retry_factor(1.0),
        }
    }
}

/// What all outputs share.
#[derive(Clone)]
pub struct Shared {
    pub(crate) log: Log,
    pub(crate) ledger: Arc<Ledger>,
    engine: Arc<RwLock<Arc<Engine>>>,
    routes: Arc<RwLock<Arc<Routes>>>,
    pub(crate) say: Say,
    pub(crate) on_reject: OnReject,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Shared {
    /// For outputs of one log.
    pub fn new(log: Log, engine: Engine, routes: Routes, say: Say, on_reject: OnReject) -> Self {
        let routes = Arc::new(RwLock::new(Arc::new(routes)));
        let engine = Arc::new(RwLock::new(Arc::new(engine)));
        Self { log, ledger: Arc::default(), engine, routes, say, on_reject }
    }

    /// The log.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The counts.
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Other routes from the next batch on.
    pub fn set_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }

    /// Decodes otherwise from the next batch on.
    pub fn set_engine(&self, engine: Engine) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine);
    }

    /// The engine by which payloads become records.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }
}
