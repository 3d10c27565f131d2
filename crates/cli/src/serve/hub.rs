//! What all listeners share: the stage that records go through, the counts, the report. A reload swaps the stage
//! whole, and no record sees half of two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use logrecord::intake::Engine;
use tokio::sync::Semaphore;

use super::counts::Counts;
use super::dead_letter::DeadLetters;
use super::format::Formatting;
use super::keys::Keys;
use super::report::Report;
use super::sink::Sink;

/// Connections that are at work at a time. A batch of 64 KiB may become some MiB of lines, so that as many as wait for
/// a slow output must be few.
const MAX_BATCHES: usize = 16;

/// What a record goes through behind the gate.
pub(crate) struct Stage {
    /// The output's name.
    pub(crate) name: String,
    pub(crate) engine: Engine,
    /// An engine of another policy, which is asked about what this one has refused.
    pub(crate) second: Engine,
    pub(crate) formatting: Formatting,
    pub(crate) sink: Arc<Sink>,
    pub(crate) dead_letters: Arc<DeadLetters>,
}

/// What came in at one address.
#[derive(Debug, Default)]
pub(crate) struct ListenerCounts {
    /// Frames, good or bad.
    pub(crate) received: AtomicU64,
    /// Connections that are open; a datagram socket counts as one.
    pub(crate) connections: AtomicU64,
    /// Connections that were ever made.
    pub(crate) connected: AtomicU64,
}

/// Everything that lives as long as the program.
pub(crate) struct Hub {
    stage: RwLock<Arc<Stage>>,
    listeners: Mutex<BTreeMap<String, Arc<ListenerCounts>>>,
    pub(crate) keys: Keys,
    pub(crate) counts: Arc<Counts>,
    /// Batches that are decoded and formatted, or wait for the output, at a time.
    pub(crate) batches: Semaphore,
    pub(crate) report: Arc<Report>,
    pub(crate) started: Instant,
    /// The hash of the configuration file, if there is one.
    pub(crate) hash: Mutex<Option<String>>,
    pub(crate) reloads: AtomicU64,
    pub(crate) failed_reloads: AtomicU64,
}

impl Hub {
    pub(crate) fn new(stage: Stage, keys: Keys, counts: Arc<Counts>, report: Arc<Report>) -> Self {
        Self {
            stage: RwLock::new(Arc::new(stage)),
            listeners: Mutex::default(),
            keys,
            counts,
            batches: Semaphore::new(MAX_BATCHES),
            report,
            started: Instant::now(),
            hash: Mutex::default(),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        }
    }

    pub(crate) fn stage(&self) -> Arc<Stage> {
        Arc::clone(&self.stage.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        *self.stage.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(stage);
    }

    /// The counts of a listener; they go on where one of the same address was before.
    pub(crate) fn listener(&self, address: &str) -> Arc<ListenerCounts> {
        Arc::clone(self.listeners().entry(address.to_owned()).or_default())
    }

    pub(crate) fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, Arc<ListenerCounts>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hash(&self) -> Option<String> {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_hash(&self, hash: Option<String>) {
        *self.hash.lock().unwrap_or_else(PoisonError::into_inner) = hash;
    }

    /// Why it is not ready; nothing if it is.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let mut why = Vec::new();
        if self.listeners().is_empty() {
            why.push("no listener is bound".to_owned());
        }
        if self.stage().sink.lag().failing {
            why.push("the output takes nothing".to_owned());
        }
        why
    }

    /// The line of counts.
    pub(crate) fn counts_line(&self) -> String {
        match self.keys.missing() {
            0 => self.counts.to_string(),
            missing => format!("{} missing={missing}", self.counts),
        }
    }
}

impl ListenerCounts {
    pub(crate) fn add(&self, frames: u64) {
        self.received.fetch_add(frames, Ordering::Relaxed);
    }
}
