//! The way into the log, with what happens when it is full.

use std::time::Duration;

use logrecord_spool::{Entry, Full};
use tokio::time::Instant;

use crate::ledger::Receipt;
use crate::log::Log;

/// Puts what the gate let through into the log.
#[derive(Clone, Debug)]
pub struct Intake {
    log: Log,
    wait: Option<Duration>,
}

/// Why an entry is given up.
const fn reason(full: Full) -> &'static str {
    match full {
        Full::TooLarge => "too_large",
        Full::Closed => "shutdown",
        _ => "overflow",
    }
}

impl Intake {
    /// Waits for room so long, then gives up what is newest; without a limit it waits for ever.
    pub const fn new(log: Log, wait: Option<Duration>) -> Self {
        Self { log, wait }
    }

    /// Logs entries, waiting for room, and settles them. Gives the index of the last one that was logged.
    ///
    /// If the future is dropped, what is not logged yet is still to be settled.
    pub async fn log(&self, receipt: &mut Receipt, entries: &[Entry<'_>]) -> Option<u64> {
        self.run(receipt, entries, self.wait.map(|wait| Instant::now() + wait), true).await
    }

    /// Logs what there is room for at once, and gives up the rest: for datagrams, which nobody can hold back.
    pub fn offer(&self, receipt: &mut Receipt, entries: &[Entry<'_>]) -> Option<u64> {
        let mut rest = entries;
        let mut logged = None;
        while !rest.is_empty() {
            let (taken, last, full) = self.log.append(rest.iter().copied());
            rest = self.settle(receipt, rest, taken, &mut logged, last);
            if let (Some(full), [_, more @ ..]) = (full, rest) {
                receipt.dropped(reason(full), 1);
                rest = more;
            }
        }
        logged
    }

    fn settle<'r, 'e>(
        &self,
        receipt: &mut Receipt,
        entries: &'r [Entry<'e>],
        taken: u64,
        logged: &mut Option<u64>,
        last: u64,
    ) -> &'r [Entry<'e>] {
        if taken > 0 {
            receipt.logged(taken);
            *logged = Some(last);
        }
        entries.get(usize::try_from(taken).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    async fn run(
        &self,
        receipt: &mut Receipt,
        entries: &[Entry<'_>],
        deadline: Option<Instant>,
        mut waiting: bool,
    ) -> Option<u64> {
        let mut rest = entries;
        let mut logged = None;
        while !rest.is_empty() {
            // Asked before looking, so that room that is made in between is not missed.
            let changed = self.log.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (taken, last, full) = self.log.append(rest.iter().copied());
            rest = self.settle(receipt, rest, taken, &mut logged, last);
            let (Some(full), [_, more @ ..]) = (full, rest) else { continue };
            if waiting && matches!(full, Full::Queue | Full::Spool) {
                waiting = match deadline {
                    None => {
                        changed.await;
                        true
                    }
                    Some(deadline) => tokio::time::timeout_at(deadline, changed).await.is_ok(),
                };
                continue;
            }
            receipt.dropped(reason(full), 1);
            rest = more;
        }
        logged
    }
}
