//! What all listeners and outputs share, and what is seen of it from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use logrecord_pipeline::{Intake, OutputCounts, Shared};

use super::acks::Acks;
use super::dead_letter::DeadLetters;
use super::keys::Keys;
use super::notes::Notes;
use super::report::Report;
use crate::config::{Config, Output};

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

impl ListenerCounts {
    pub(crate) fn add(&self, frames: u64) {
        self.received.fetch_add(frames, Ordering::Relaxed);
    }
}

/// How far an output is behind.
#[derive(Clone, Debug)]
pub(crate) struct Lag {
    pub(crate) counts: OutputCounts,
    pub(crate) bytes: u64,
    /// Since the output last settled something, while something waits.
    pub(crate) seconds: u64,
    pub(crate) failing: bool,
}

/// When an output last got on.
#[derive(Clone, Copy, Debug)]
struct Progress {
    buffered: u64,
    settled: u64,
    since: Instant,
}

/// Outputs that take nothing at the moment, as their drivers say.
pub(crate) type Failing = Arc<Mutex<BTreeSet<String>>>;

/// Everything that lives as long as the program.
pub(crate) struct Hub {
    pub(crate) shared: Shared,
    pub(crate) intake: Intake,
    pub(crate) keys: Keys,
    pub(crate) acks: Arc<Acks>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) report: Arc<Report>,
    pub(crate) dead_letters: Arc<Mutex<Arc<DeadLetters>>>,
    pub(crate) started: Instant,
    /// The hash of the configuration file, if there is one.
    pub(crate) hash: Mutex<Option<String>>,
    pub(crate) reloads: AtomicU64,
    pub(crate) failed_reloads: AtomicU64,
    pub(crate) failing: Failing,
    /// The most that an output may be behind before the program is not ready.
    pub(crate) max_lag: Mutex<BTreeMap<String, u64>>,
    pub(crate) listeners: Mutex<BTreeMap<String, Arc<ListenerCounts>>>,
    progress: Mutex<BTreeMap<String, Progress>>,
}

/// What a hub is made of.
pub(crate) struct Parts {
    pub(crate) shared: Shared,
    pub(crate) intake: Intake,
    pub(crate) keys: Keys,
    pub(crate) acks: Arc<Acks>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) report: Arc<Report>,
    pub(crate) dead_letters: Arc<Mutex<Arc<DeadLetters>>>,
    pub(crate) failing: Failing,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(parts: Parts, hash: Option<String>) -> Self {
        let Parts { shared, intake, keys, acks, notes, report, dead_letters, failing } = parts;
        Self {
            shared,
            intake,
            keys,
            acks,
            notes,
            report,
            dead_letters,
            started: Instant::now(),
            hash: Mutex::new(hash),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
            failing,
            max_lag: Mutex::default(),
            listeners: Mutex::default(),
            progress: Mutex::default(),
        }
    }

    /// The dead letters as they are kept now.
    pub(crate) fn dead_letters(&self) -> Arc<DeadLetters> {
        Arc::clone(&lock(&self.dead_letters))
    }

    /// The counts of a listener; they go on where one of the same address was before.
    pub(crate) fn listener(&self, address: &str) -> Arc<ListenerCounts> {
        Arc::clone(self.listeners().entry(address.to_owned()).or_default())
    }

    pub(crate) fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, Arc<ListenerCounts>>> {
        lock(&self.listeners)
    }

    pub(crate) fn set_dead_letters(&self, letters: Arc<DeadLetters>) {
        *lock(&self.dead_letters) = letters;
    }

    /// Takes from a configuration how far outputs may be behind.
    pub(crate) fn set_max_lag(&self, config: &Config) {
        let told = |output: &Output| Some((output.name.clone(), output.max_lag?));
        *lock(&self.max_lag) = config.outputs.iter().filter_map(told).collect();
    }

    pub(crate) fn hash(&self) -> Option<String> {
        lock(&self.hash).clone()
    }

    pub(crate) fn set_hash(&self, hash: Option<String>) {
        *lock(&self.hash) = hash;
    }

    /// How far each output is, in the order of their opening. To be asked now and then, so that it knows since when.
    pub(crate) fn lags(&self) -> Vec<(String, Lag)> {
        let mut progress = lock(&self.progress);
        let failing = lock(&self.failing).clone();
        let log = self.shared.log();
        let mut lags = Vec::new();
        for (name, counts) in self.shared.ledger().outputs() {
            let buffered = counts.buffered();
            let settled = counts.logged.saturating_sub(buffered);
            let now = Progress { buffered, settled, since: Instant::now() };
            let known = progress.entry(name.clone()).or_insert(now);
            if known.settled != settled || known.buffered == 0 {
                *known = now;
            }
            known.buffered = buffered;
            let seconds = if buffered > 0 { known.since.elapsed().as_secs() } else { 0 };
            let bytes = if buffered > 0 { log.bytes_behind(log.last().saturating_sub(buffered)) } else { 0 };
            let failing = failing.contains(&name);
            lags.push((name, Lag { counts, bytes, seconds, failing }));
        }
        lags
    }

    /// Why it is not ready; nothing if it is.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let mut why = Vec::new();
        if self.listeners().is_empty() {
            why.push("no listener is bound".to_owned());
        }
        if let Some(failing) = self.shared.log().as_spool().and_then(|spool| spool.status().failing) {
            why.push(format!("the spool takes nothing: {failing}"));
        }
        let max_lag = lock(&self.max_lag).clone();
        for (name, lag) in self.lags() {
            if lag.failing {
                why.push(format!("output {name} takes nothing"));
            }
            if max_lag.get(&name).is_some_and(|most| lag.bytes > *most) {
                why.push(format!("output {name} is {} bytes behind", lag.bytes));
            }
        }
        why
    }

    /// The lines of counts.
    pub(crate) fn counts_lines(&self) -> Vec<String> {
        let mut lines = self.shared.ledger().lines();
        if let Some(first) = lines.first_mut() {
            // These are no part of the sum. Writing to text cannot fail.
            match self.keys.missing() {
                0 => {}
                missing => write!(first, " missing={missing}").unwrap_or_default(),
            }
            write!(first, "{}", self.notes).unwrap_or_default();
        }
        lines
    }

    pub(crate) fn say_counts(&self) {
        for line in self.counts_lines() {
            self.report.line(format_args!("{line}"));
        }
    }
}
