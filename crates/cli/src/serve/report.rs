//! The program's own words on standard error: the first of each reason at once, then at most one
//! line a second for it, with how many there were.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a reason is silent after a line.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Reason {
    last: Instant,
    held: u64,
    latest: String,
}

/// The rate-limited report.
#[derive(Debug, Default)]
pub(crate) struct Report {
    reasons: Mutex<BTreeMap<String, Reason>>,
}

impl Report {
    /// Says something now, or holds it back and counts it.
    pub(crate) fn say(&self, reason: &str, text: fmt::Arguments<'_>) {
        let now = Instant::now();
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        match reasons.get_mut(reason) {
            Some(entry) if now.saturating_duration_since(entry.last) < INTERVAL => {
                entry.held += 1;
                // The latest one stands for those that were held back.
                if entry.held == 1 {
                    entry.latest = clean(text);
                }
            }
            Some(entry) => {
                entry.last = now;
                let held = std::mem::take(&mut entry.held);
                print(reason, &clean(text), held);
            }
            None => {
                reasons.insert(reason.to_owned(), Reason { last: now, held: 0, latest: String::new() });
                print(reason, &clean(text), 0);
            }
        }
    }

    /// Says what was held back for a second; to be called now and then, and at the end with `all`.
    pub(crate) fn flush(&self, all: bool) {
        let now = Instant::now();
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, entry) in reasons.iter_mut() {
            if entry.held > 0 && (all || now.saturating_duration_since(entry.last) >= INTERVAL) {
                entry.last = now;
                let held = std::mem::take(&mut entry.held);
                print(reason, &entry.latest, held - 1);
            }
        }
    }
}

/// Makes what a peer has chosen harmless on a terminal and keeps it on one line.
fn clean(text: fmt::Arguments<'_>) -> String {
    let mut line = String::new();
    logrecord::model::escape_line(&text.to_string(), &mut line);
    line
}

fn print(reason: &str, text: &str, held: u64) {
    match held {
        0 => eprintln!("logrecord: {reason}: {text}"),
        _ => eprintln!("logrecord: {reason}: {text} (and {held} more)"),
    }
}
