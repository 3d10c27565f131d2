//! What can be set.

use std::time::Duration;

/// The least size of a segment. Smaller ones are for tests.
const LEAST_SEGMENT: u64 = 4096;
const MIB: u64 = 1024 * 1024;

/// When what is written is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncRule {
    /// After each write, before anybody sees it: records that come while a sync runs share the next one.
    #[default]
    Ack,
    /// At most this long after a write. Until then nobody sees it.
    Every(Duration),
    /// Never; the kernel writes when it likes. A killed process loses nothing, a power loss what it may.
    Never,
}

/// Limits and rules of a spool, all with defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) max_bytes: u64,
    pub(crate) retain: u64,
    pub(crate) sync: SyncRule,
    pub(crate) segment_bytes: Option<u64>,
    pub(crate) queue_bytes: usize,
    pub(crate) retry: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// 8 GiB, of which 256 MiB of delivered records are kept; a sync for each batch.
    pub const fn new() -> Self {
        Self {
            max_bytes: 8 * 1024 * MIB,
            retain: 256 * MIB,
            sync: SyncRule::Ack,
            segment_bytes: None,
            queue_bytes: 16 * 1024 * 1024,
            retry: Duration::from_millis(200),
        }
    }

    /// The most bytes that segments and queue may take together. Behind it, nothing is taken; 8 GiB by default.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many bytes of records that all cursors have passed are kept, as long as there is room; 256 MiB by
    /// default.
    #[must_use]
    pub const fn retain(mut self, bytes: u64) -> Self {
        self.retain = bytes;
        self
    }

    /// When to sync; [`SyncRule::Ack`] by default.
    #[must_use]
    pub const fn sync(mut self, rule: SyncRule) -> Self {
        self.sync = rule;
        self
    }

    /// How large a segment becomes. By default a 64th of `max_bytes`, but between 16 and 64 MiB. A record that is
    /// larger has a segment of its own.
    #[must_use]
    pub const fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = Some(bytes);
        self
    }

    /// How many bytes may wait for the disk; 16 MiB by default. One record is always taken by an empty queue.
    #[must_use]
    pub const fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How long a disk that has failed is left alone before the batch is written into a new segment; 200 ms by
    /// default.
    #[must_use]
    pub const fn retry(mut self, delay: Duration) -> Self {
        self.retry = delay;
        self
    }

    pub(crate) fn segment_len(&self) -> u64 {
        let usual = (self.max_bytes / 64).clamp(16 * MIB, 64 * MIB);
        // The newest segment stays, so that several have to fit.
        self.segment_bytes.unwrap_or(usual).min(self.max_bytes / 4).max(LEAST_SEGMENT)
    }
}
