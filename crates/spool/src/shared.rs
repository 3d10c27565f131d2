//! What the writer, the readers and those who append have in common.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::disk::Disk;
use crate::entry::Entry;
use crate::format::{MAX_BODY, RECORD_HEADER, put_record, record_len};

/// How much one write takes.
pub(crate) const BATCH: usize = 1024 * 1024;
/// Buffers that are kept for the next batches.
const IDLE_BUFFERS: usize = 4;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// The queue before the disk is full; there is room again when a write is done.
    Queue,
    /// The spool has all the bytes that it may have; there is room again when readers have passed a segment.
    Spool,
    /// The entry is larger than any record may be, or than half of the spool.
    TooLarge,
    /// The spool is closing.
    Closed,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "the disk is behind",
            Self::Spool => "the spool is full",
            Self::TooLarge => "the entry is too large",
            Self::Closed => "the spool is closed",
        })
    }
}

impl std::error::Error for Full {}

/// Records one behind the other, as they are written.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    chunks: VecDeque<Chunk>,
    idle: Vec<Vec<u8>>,
    /// Bytes that are not durable yet, those that the writer holds included.
    bytes: usize,
    /// The last index that was given away.
    last: u64,
    closing: bool,
    /// The writer is gone.
    ended: bool,
    /// A cursor or a limit has moved: segments may go.
    purge: bool,
    /// The size of the entry that was refused last.
    wanted: u64,
    pub(crate) failing: Option<String>,
}

/// A segment as readers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Bytes that are durable.
    pub(crate) len: u64,
    /// It could not be opened at the start, so that neither its length nor its last record is known.
    pub(crate) unknown: bool,
}

/// What readers may see.
#[derive(Debug, Default)]
pub(crate) struct Visible {
    pub(crate) segments: BTreeMap<u64, Segment>,
    /// The last durable record.
    pub(crate) durable: u64,
}

impl Visible {
    /// The first segment behind one.
    pub(crate) fn after(&self, first: u64) -> Option<u64> {
        self.segments.range((Bound::Excluded(first), Bound::Unbounded)).next().map(|(first, _)| *first)
    }
}

/// Called when something has become durable or room has been made.
pub(crate) type Watcher = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) config: Config,
    max_bytes: AtomicU64,
    retain: AtomicU64,
    queue: Mutex<Queue>,
    work: Condvar,
    progress: Condvar,
    visible: Mutex<Visible>,
    /// Bytes of all segments.
    disk_bytes: AtomicU64,
    /// How far each cursor is stored, and the checkpoint: nothing behind the least of them goes.
    pub(crate) pins: Mutex<Pins>,
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug, Default)]
pub(crate) struct Pins {
    pub(crate) cursors: BTreeMap<String, u64>,
    pub(crate) checkpoint: Option<u64>,
}

impl Pins {
    /// Every record up to this one may go. Without cursors nothing was delivered to anybody.
    pub(crate) fn least(&self) -> u64 {
        let cursors = self.cursors.values().copied().min().unwrap_or(0);
        cursors.min(self.checkpoint.unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("disk", &self.disk)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves whole values behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the writer is to do next.
#[derive(Debug)]
pub(crate) enum Work {
    Write(Chunk),
    /// The time of an interval is over.
    Sync,
    Purge,
    Close,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        config: Config,
        last: u64,
        segments: BTreeMap<u64, Segment>,
        pins: Pins,
    ) -> Self {
        let bytes = segments.values().map(|segment| segment.len).sum();
        Self {
            disk,
            max_bytes: AtomicU64::new(config.max_bytes),
            retain: AtomicU64::new(config.retain),
            config,
            // What was left behind may go at once.
            queue: Mutex::new(Queue { last, purge: true, ..Queue::default() }),
            work: Condvar::new(),
            progress: Condvar::new(),
            visible: Mutex::new(Visible { segments, durable: last }),
            disk_bytes: AtomicU64::new(bytes),
            pins: Mutex::new(pins),
            watchers: Mutex::default(),
        }
    }

    pub(crate) fn visible(&self) -> MutexGuard<'_, Visible> {
        lock(&self.visible)
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// The most bytes of segments and queue.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of delivered records that are kept.
    pub(crate) fn retain(&self) -> u64 {
        self.retain.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limits(&self, max_bytes: u64, retain: u64) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
        self.retain.store(retain, Ordering::Relaxed);
        self.ask_purge();
        // There may be room for those who wait.
        self.tell();
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.disk_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove_bytes(&self, bytes: u64) {
        self.disk_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn watch(&self, watcher: Watcher) {
        lock(&self.watchers).push(watcher);
    }

    /// Tells everybody who waits that something has changed.
    pub(crate) fn tell(&self) {
        // Who has looked and found nothing is waiting by now.
        drop(self.queue());
        self.progress.notify_all();
        for watcher in lock(&self.watchers).iter() {
            watcher();
        }
    }

    /// Appends to the queue, if there is room.
    pub(crate) fn push(&self, queue: &mut Queue, entry: &Entry<'_>) -> Result<u64, Full> {
        self.room(queue, entry.encoded_len())?;
        Ok(Self::put(queue, entry))
    }

    /// Whether there is room for an entry of this length.
    pub(crate) fn room(&self, queue: &mut Queue, encoded_len: usize) -> Result<(), Full> {
        let len = RECORD_HEADER.saturating_add(encoded_len);
        if queue.closing {
            return Err(Full::Closed);
        }
        if encoded_len > MAX_BODY || len as u64 > self.max_bytes() / 2 {
            return Err(Full::TooLarge);
        }
        if self.disk_bytes().saturating_add((queue.bytes + len) as u64) > self.max_bytes() {
            queue.wanted = len as u64;
            if !queue.purge {
                queue.purge = true;
                self.work.notify_one();
            }
            return Err(Full::Spool);
        }
        if queue.bytes > 0 && queue.bytes + len > self.config.queue_bytes {
            return Err(Full::Queue);
        }
        Ok(())
    }

    /// Appends to the queue, in which there is room.
    pub(crate) fn put(queue: &mut Queue, entry: &Entry<'_>) -> u64 {
        let len = record_len(entry);
        queue.last += 1;
        queue.bytes += len;
        let index = queue.last;
        match queue.chunks.back_mut() {
            Some(chunk) if chunk.bytes.len() + len <= BATCH => {
                put_record(index, entry, &mut chunk.bytes);
                chunk.last = index;
            }
            _ => {
                let mut bytes = queue.idle.pop().unwrap_or_default();
                put_record(index, entry, &mut bytes);
                queue.chunks.push_back(Chunk { bytes, first: index, last: index });
            }
        }
        index
    }

    /// Wakes the writer, who may have something to do.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    pub(crate) fn ask_purge(&self) {
        self.queue().purge = true;
        self.work.notify_one();
    }

    pub(crate) fn close(&self) {
        self.queue().closing = true;
        self.work.notify_all();
        self.progress.notify_all();
    }

    /// The writer has ended, in whatever way.
    pub(crate) fn end(&self) {
        {
            let mut queue = self.queue();
            (queue.closing, queue.ended) = (true, true);
        }
        self.tell();
    }

    /// Waits for work, until the time of a sync if one is due.
    pub(crate) fn next_work(&self, sync_at: Option<Instant>) -> Work {
        let mut queue = self.queue();
        loop {
            if let Some(chunk) = queue.chunks.pop_front() {
                return Work::Write(chunk);
            }
            if std::mem::take(&mut queue.purge) {
                return Work::Purge;
            }
            if queue.closing {
                return Work::Close;
            }
            let Some(at) = sync_at else {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Work::Sync;
            }
            queue = self.work.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the spool is closing and nothing waits but what the writer holds.
    pub(crate) fn is_closing(&self) -> bool {
        self.queue().closing
    }

    /// Pauses the writer, but not longer than until the spool closes.
    pub(crate) fn pause(&self, time: Duration) {
        let queue = self.queue();
        if !queue.closing {
            // What wakes the writer early only makes it try again early.
            drop(self.work.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Gives a buffer back whose records are durable.
    pub(crate) fn recycle(&self, mut chunk: Chunk) {
        let mut queue = self.queue();
        queue.bytes -= chunk.bytes.len();
        if queue.idle.len() < IDLE_BUFFERS && chunk.bytes.capacity() <= 2 * BATCH {
            chunk.bytes.clear();
            queue.idle.push(chunk.bytes);
        }
    }

    /// Waits until a condition of the queue holds, or for a time.
    pub(crate) fn wait_until<T>(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&mut Queue) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now().checked_add(timeout);
        let mut queue = self.queue();
        loop {
            if let Some(value) = condition(&mut queue) {
                return Some(value);
            }
            let Some(deadline) = deadline else {
                queue = self.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            queue = self.progress.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Queue {
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn wanted(&self) -> u64 {
        self.wanted
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes entries again.
    pub(crate) const fn open_again(&mut self) {
        (self.closing, self.ended) = (false, false);
    }
}
