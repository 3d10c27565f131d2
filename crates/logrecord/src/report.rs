//! The record that says how many were lost.
//!
//! What the sender lost, it reports itself: its report goes out in front of the first record behind the gap.
//! What never reached its queue (a record that no datagram can hold, say) is counted here and reported by a
//! record in line.
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use logrecord_model::Level;
use logrecord_transport::{ErrorKind as TransportKind, sender::Losses};
use pickle_codec::Value;

use crate::{
    error::{Error, ErrorKind},
    origin::Origin,
    sign::Signing,
};

/// The logger's name of a loss report.
pub const LOSS_LOGGER: &str = "logrecord";

/// The pickle of a loss report.
fn pickle(origin: &Origin, records: u64, bytes: Option<u64>, in_doubt: u64) -> Option<Vec<u8>> {
    let message = match (records, in_doubt) {
        (1, 0) => "1 log record was lost".to_owned(),
        (_, 0) => format!("{records} log records were lost"),
        _ => format!("{records} log records were lost, and {in_doubt} more may not have arrived"),
    };
    let mut record = origin
        .record(LOSS_LOGGER, Level::WARNING.number(), message)
        .extra("lost_records", Value::from(records))
        .extra("records_in_doubt", Value::from(in_doubt));
    if let Some(bytes) = bytes {
        record = record.extra("lost_bytes", Value::from(bytes));
    }
    let mut out = Vec::new();
    record.build().to_pickle(&mut out).ok()?;
    Some(out)
}

/// What a sender calls for its losses. Its envelopes are a stream of their own: the sender calls it while it
/// holds its queue, and a caller that holds the stream of the records waits for that queue.
pub(crate) fn sender_report(
    origin: Origin,
    signing: &Signing,
) -> Result<impl Fn(&Losses) -> Option<Vec<u8>> + Send + Sync + 'static, Error> {
    // Nobody acknowledges a report: its losses are counted here in any case.
    let signer = Arc::new(Mutex::new(signing.without_acks().signer()?));
    Ok(move |losses: &Losses| {
        let pickle = pickle(&origin, losses.records, Some(losses.bytes), losses.in_doubt)?;
        let message = signer.lock().unwrap_or_else(PoisonError::into_inner).message(pickle).ok()?;
        Some(message.into_payload().into())
    })
}

/// Counts of one line, and the records that were refused before they were queued.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    handled: AtomicU64,
    refused: AtomicU64,
    reports: AtomicU64,
    /// Refused and not reported.
    pending: AtomicU64,
    reported_at: Mutex<Option<Instant>>,
}

impl Tally {
    /// Takes note of a record and of what became of it.
    pub(crate) fn note(&self, outcome: &Result<(), Error>) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        if outcome.as_ref().is_err_and(is_uncounted) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            self.pending.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A report that is due now, and how many records it tells of.
    pub(crate) fn due(&self, origin: &Origin, interval: Duration) -> Option<(Vec<u8>, u64)> {
        if self.pending.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut reported_at = self.reported_at.lock().unwrap_or_else(PoisonError::into_inner);
        if reported_at.is_some_and(|at| at.elapsed() < interval) {
            return None;
        }
        *reported_at = Some(Instant::now());
        let records = self.pending.swap(0, Ordering::Relaxed);
        drop(reported_at);
        if records == 0 {
            return None;
        }
        let report = pickle(origin, records, None, 0);
        if report.is_none() {
            self.put_back(records);
        }
        report.map(|report| (report, records))
    }

    /// A report that was due was handed to the sender.
    pub(crate) fn reported(&self) {
        self.reports.fetch_add(1, Ordering::Relaxed);
    }

    /// A report that was due could not be sent; a later one tells of its records.
    pub(crate) fn put_back(&self, records: u64) {
        self.pending.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }
}

/// Whether the sender's own counts know nothing of a record that met this error.
fn is_uncounted(error: &Error) -> bool {
    match (error.kind(), error.transport()) {
        (ErrorKind::Transport, Some(error)) => {
            matches!(error.kind(), TransportKind::TooLong | TransportKind::Closed | TransportKind::Forked)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_records_are_reported_once() {
        let origin = Origin::new(None);
        let tally = Tally::default();
        tally.note(&Ok(()));
        tally.note(&Err(Error::new(ErrorKind::Record)));
        tally.note(&Err(Error::new(ErrorKind::Envelope)));
        assert_eq!((tally.handled(), tally.refused()), (3, 2));
        let (report, records) = tally.due(&origin, Duration::ZERO).unwrap();
        assert_eq!(records, 2);
        let record = logrecord_model::LogRecord::from_pickle(&report).unwrap();
        assert_eq!(record.message(), "2 log records were lost");
        assert_eq!(record.name().unwrap(), LOSS_LOGGER);
        assert_eq!(record.extra_value("lost_records"), Some(&Value::Int(2)));
        assert!(tally.due(&origin, Duration::ZERO).is_none());
        tally.put_back(records);
        assert!(tally.due(&origin, Duration::from_secs(3600)).is_none());
    }
}
