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

/// The counters of one run.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: AtomicU64,
    written: AtomicU64,
    lost: Mutex<BTreeMap<(Loss, String), u64>>,
}

impl Counts {
    /// Frames arrived, good or bad.
    pub(crate) fn received(&self, frames: u64) {
        self.received.fetch_add(frames, Ordering::Relaxed);
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

    /// Frames that are still on their way from the listeners to the output.
    pub(crate) fn in_flight(&self) -> u64 {
        let lost: u64 = self.lost.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        let settled = self.written.load(Ordering::Relaxed) + lost;
        self.received.load(Ordering::Relaxed).saturating_sub(settled)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received={} written={}",
            self.received.load(Ordering::Relaxed),
            self.written.load(Ordering::Relaxed)
        )?;
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for ((loss, reason), count) in &*lost {
            write!(f, " {}{{{reason}}}={count}", loss.word())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
