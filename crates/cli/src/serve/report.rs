//! The program's own words on standard error: the first of each reason at once, then at most one
//! line a second for it, with how many there were.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::clock::now_ns;
use crate::exit::Failure;
use crate::stderr::Stderr;
use crate::terminal;

/// How long a reason is silent after a line.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lines that are kept for the live view, and their letters.
const MAX_RECENT: usize = 100;
const MAX_LETTERS: usize = 1_000;

#[derive(Debug)]
struct Reason {
    last: Instant,
    held: u64,
    /// The first text that was held back; it stands for the others.
    text: String,
}

/// The rate-limited report. Nothing in it waits for whoever reads standard error.
#[derive(Debug)]
pub(crate) struct Report {
    reasons: Mutex<BTreeMap<String, Reason>>,
    /// The number of each line, its time in seconds since 1970, and its text.
    recent: Mutex<VecDeque<(u64, f64, String)>>,
    stderr: Stderr,
}

impl Report {
    /// A report with a thread of its own behind it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let stderr = Stderr::start().context(Failure::unavailable("cannot start a thread"))?;
        Ok(Self { reasons: Mutex::default(), recent: Mutex::default(), stderr })
    }

    /// Says a whole line, whatever was said before.
    pub(crate) fn line(&self, text: fmt::Arguments<'_>) {
        let text = text.to_string();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = recent.back().map_or(1, |(last, ..)| last + 1);
        if recent.len() == MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back((number, now_ns() as f64 / 1e9, text.chars().take(MAX_LETTERS).collect()));
        drop(recent);
        self.stderr.line(text);
    }

    /// Says what only whoever started the program may read. `--quiet` does not hide it: nobody else can tell it.
    pub(crate) fn secret(&self, text: fmt::Arguments<'_>) {
        self.stderr.line(text.to_string());
    }

    /// Says a whole line that is no fault, unless `--quiet` asks for faults alone.
    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        if !terminal::is_quiet() {
            self.line(text);
        }
    }

    /// The last lines behind a number.
    pub(crate) fn recent(&self, behind: u64) -> Vec<(u64, f64, String)> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().filter(|(number, ..)| *number > behind).cloned().collect()
    }

    /// Says something now, or holds it back and counts it. With `--verbose` nothing is held back.
    pub(crate) fn say(&self, reason: &str, text: fmt::Arguments<'_>) {
        let now = Instant::now();
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        match reasons.get_mut(reason) {
            Some(entry)
                if now.saturating_duration_since(entry.last) < INTERVAL && !terminal::is_verbose() =>
            {
                entry.held += 1;
                if entry.held == 1 {
                    entry.text = clean(text);
                }
            }
            Some(entry) => {
                entry.last = now;
                let held = std::mem::take(&mut entry.held);
                self.print(reason, &clean(text), held);
            }
            None => {
                reasons.insert(reason.to_owned(), Reason { last: now, held: 0, text: String::new() });
                self.print(reason, &clean(text), 0);
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
                self.print(reason, &entry.text, held - 1);
            }
        }
    }

    /// Waits until all of it stands on standard error, but no longer than `limit`.
    pub(crate) fn finish(&self, limit: Duration) {
        self.stderr.flush(limit);
    }

    fn print(&self, reason: &str, text: &str, held: u64) {
        match held {
            0 => self.line(format_args!("logrecord: {reason}: {text}")),
            _ => self.line(format_args!("logrecord: {reason}: {text} (and {held} more)")),
        }
    }
}

/// Makes what a peer has chosen harmless on a terminal and keeps it on one line.
fn clean(text: fmt::Arguments<'_>) -> String {
    let mut line = String::new();
    logrecord::model::escape_line(&text.to_string(), &mut line);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_without_secrets() {
        let report = Report { reasons: Mutex::default(), recent: Mutex::default(), stderr: Stderr::unread() };
        for number in 1..=250 {
            report.line(format_args!("{number}{}", "x".repeat(2_000)));
            report.secret(format_args!("token"));
        }
        let recent = report.recent(0);
        assert_eq!((recent.len(), recent[0].0), (MAX_RECENT, 151));
        assert!(recent.iter().all(|(number, _, text)| text.starts_with(&format!("{number}x"))));
        assert!(recent.iter().all(|(.., text)| text.len() == MAX_LETTERS));
        assert_eq!(report.recent(249).len(), 1);
    }
}
