//! What became of every frame: received = written + rejected{reason} + dropped{reason}.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How a frame was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// It was wrong: malformed, refused, cut off by its sender.
    Rejected,
    /// It was right, and given up here or in the kernel.
    Dropped,
}

impl Loss {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
        }
    }
}

/// The counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) received: u64,
    pub(crate) written: u64,
    pub(crate) lost: BTreeMap<(Loss, String), u64>,
    /// What was said of records that were written: kind, name if there is one, records.
    pub(crate) noted: BTreeMap<(&'static str, String), u64>,
}

impl Snapshot {
    /// Frames that are still on their way from the listeners to the output.
    pub(crate) fn buffered(&self) -> u64 {
        self.received.saturating_sub(self.written + self.lost.values().sum::<u64>())
    }
}

/// The counters of one run.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: AtomicU64,
    written: AtomicU64,
    lost: Mutex<BTreeMap<(Loss, String), u64>>,
    noted: Mutex<BTreeMap<(&'static str, String), u64>>,
}

const OTHER: &str = "other";

/// Names that are counted one by one; those that come later are `other`. A sender chooses them.
const MAX_NAMES: usize = 256;

impl Counts {
    /// Something is to be said of a record that was written.
    /// Gives whether it is the first time for this name, as far as names are kept.
    pub(crate) fn note(&self, kind: &'static str, name: Option<&str>) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (kind, name.unwrap_or_default().to_owned());
        if !noted.contains_key(&key) && noted.len() >= MAX_NAMES {
            OTHER.clone_into(&mut key.1);
        }
        let count = noted.entry(key).or_default();
        *count += 1;
        *count == 1
    }

    /// Frames arrived, good or bad.
    pub(crate) fn received(&self, frames: u64) {
        self.received.fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts a batch in one step: its frames, and those of them that were refused, by reason.
    pub(crate) fn admit(&self, frames: u64, rejected: &BTreeMap<String, u64>) {
        self.received(frames);
        for (reason, count) in rejected {
            self.lost(Loss::Rejected, reason, *count);
        }
    }

    /// Takes back what [`admit`](Self::admit) has counted: somebody else counts these frames.
    pub(crate) fn withdraw(&self, frames: u64, rejected: &BTreeMap<String, u64>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, count) in rejected {
            if let Some(counted) = lost.get_mut(&(Loss::Rejected, reason.clone())) {
                *counted = counted.saturating_sub(*count);
            }
        }
        lost.retain(|_, count| *count > 0);
        self.received.fetch_sub(frames, Ordering::Relaxed);
    }

    /// Records reached the output.
    pub(crate) fn written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Frames were lost for a reason; they have been counted as received.
    pub(crate) fn lost(&self, loss: Loss, reason: &str, frames: u64) {
        if frames > 0 {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            match lost.get_mut(&(loss, reason.to_owned())) {
                Some(count) => *count += frames,
                None => {
                    lost.insert((loss, reason.to_owned()), frames);
                }
            }
        }
    }

    /// All of them, as they are now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let written = self.written.load(Ordering::Relaxed);
        // Read last: what was received is counted first.
        Snapshot { received: self.received.load(Ordering::Relaxed), written, lost, noted }
    }

    /// Frames that are still on their way from the listeners to the output.
    pub(crate) fn in_flight(&self) -> u64 {
        self.snapshot().buffered()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        let Snapshot { received, written, lost, noted } = &snapshot;
        write!(f, "received={received} written={written}")?;
        for ((loss, reason), count) in lost {
            write!(f, " {}{{{reason}}}={count}", loss.word())?;
        }
        match snapshot.buffered() {
            0 => {}
            buffered => write!(f, " buffered={buffered}")?,
        }
        // These are no part of the sum.
        for ((kind, name), count) in noted {
            match name.as_str() {
                "" => write!(f, " {kind}={count}")?,
                name => write!(f, " {kind}{{{name}}}={count}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_senders_choose_are_bounded() {
        let counts = Counts::default();
        for number in 0..10_000 {
            counts.note("described", Some(&format!("a.B{number}")));
        }
        let noted = counts.snapshot().noted;
        assert_eq!(noted.len(), MAX_NAMES + 1);
        assert_eq!(noted[&("described", "other".to_owned())], 10_000 - MAX_NAMES as u64);
        assert!(counts.to_string().contains(" described{a.B0}=1 "));
    }

    #[test]
    fn the_line_adds_up() {
        let counts = Counts::default();
        counts.received(10);
        counts.written(6);
        counts.lost(Loss::Rejected, "global", 1);
        counts.lost(Loss::Dropped, "overflow", 2);
        assert_eq!(counts.in_flight(), 1);
        counts.lost(Loss::Rejected, "global", 1);
        assert_eq!(counts.in_flight(), 0);
        assert_eq!(counts.to_string(), "received=10 written=6 rejected{global}=2 dropped{overflow}=2");
    }
}
