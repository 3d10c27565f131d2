//! A batch on its way to an output.

use std::sync::Arc;

use crate::output::Batch;

/// A batch and what was found on the way to it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) batch: Arc<Batch>,
    /// The last record of the log that it covers.
    pub(crate) last: u64,
    /// Records at its end that are given up already, and settled.
    pub(crate) given_up: u64,
    /// What is none of the batch's: how many of its records stand before, why, and how many there are.
    pub(crate) others: Vec<(usize, Fate, u64)>,
}

/// Why the output does not get a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Filtered,
    /// The log could not give it.
    Damaged,
    Rejected(&'static str),
}

/// Notes what becomes of records that are none of the batch's.
pub(crate) fn note(others: &mut Vec<(usize, Fate, u64)>, place: usize, fate: Fate, records: u64) {
    match others.last_mut() {
        _ if records == 0 => {}
        Some((before, known, count)) if *before == place && *known == fate => *count += records,
        _ => others.push((place, fate, records)),
    }
}
