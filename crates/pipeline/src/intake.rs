//! The way into the log, with what happens when it is full.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use logrecord_spool::Full;
use tokio::time::Instant;

use crate::ledger::Receipt;
use crate::log::Log;
use crate::offers::Offers;

/// Puts what the gate let through into the log.
#[derive(Clone, Debug)]
pub struct Intake {
    log: Log,
    wait: Arc<Mutex<Option<Duration>>>,
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
    pub fn new(log: Log, wait: Option<Duration>) -> Self {
        Self { log, wait: Arc::new(Mutex::new(wait)) }
    }

    /// Waits so long from now on.
    pub fn set_wait(&self, wait: Option<Duration>) {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }

    /// The log.
    pub const fn target(&self) -> &Log {
        &self.log
    }

    /// Logs records, waiting for room, and settles those that are logged or dropped.
    ///
    /// If the future is dropped, what is not logged yet is still to be settled.
    pub async fn log(&self, receipt: &mut Receipt, offers: &mut impl Offers) {
        let deadline =
            self.wait.lock().unwrap_or_else(PoisonError::into_inner).map(|wait| Instant::now() + wait);
        // Once a record was waited for in vain, those behind it are not waited for.
        let mut waits = true;
        let mut place = 0;
        loop {
            // Asked before looking, so that room that is made in between is not missed.
            let changed = self.log.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Some(full) = self.take(receipt, offers, &mut place) else { return };
            if matches!(full, Full::Queue | Full::Spool) {
                if offers.is_patient(place) {
                    changed.await;
                    continue;
                }
                if waits {
                    waits = match deadline {
                        None => {
                            changed.await;
                            true
                        }
                        Some(deadline) => tokio::time::timeout_at(deadline, changed).await.is_ok(),
                    };
                    continue;
                }
            }
            self.give_up(receipt, offers, &mut place, full);
        }
    }

    /// Logs what there is room for at once, and gives up the rest: for datagrams, which nobody can hold back.
    pub fn offer(&self, receipt: &mut Receipt, offers: &mut impl Offers) {
        let mut place = 0;
        while let Some(full) = self.take(receipt, offers, &mut place) {
            self.give_up(receipt, offers, &mut place, full);
        }
    }

    /// Logs what there is room for; gives why there is none for the rest, if there is a rest.
    fn take(&self, receipt: &mut Receipt, offers: &mut impl Offers, place: &mut usize) -> Option<Full> {
        let taken = receipt.log(|| {
            let taken = self.log.take(offers, *place);
            (taken.logged, taken)
        });
        if taken.until > *place {
            *place = taken.until;
            offers.settled(*place, taken.last);
        }
        taken.full
    }

    fn give_up(&self, receipt: &mut Receipt, offers: &mut impl Offers, place: &mut usize, full: Full) {
        let reason = reason(full);
        if offers.give_up(*place, reason) {
            receipt.dropped(reason, 1);
        }
        *place += 1;
        offers.settled(*place, self.log.last());
    }
}
