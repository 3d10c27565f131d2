//! The one thread that writes: takes what is queued, one write, one sync, then tells the waiters.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::config::SyncRule;
use crate::disk::{DiskFile, write_all};
use crate::format::{RunId, SEGMENT_HEADER, segment_header, segment_name};
use crate::lock::LockFile;
use crate::shared::{Chunk, Segment, Shared, Work};

/// With an interval: how much may wait for its sync before it comes early.
const UNSYNCED: usize = 4 * 1024 * 1024;

/// The segment that is being written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) first: u64,
    /// Bytes written.
    pub(crate) len: u64,
    /// Bytes that are durable: where the segment ends if the next write or sync fails.
    pub(crate) durable_len: u64,
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: RunId,
    pub(crate) current: Option<Current>,
    pub(crate) lock: Option<LockFile>,
    /// What is not durable yet, in order; kept until it is.
    unsynced: VecDeque<Chunk>,
    /// How many of them have been written to the current segment.
    written: usize,
    last_sync: Instant,
}

/// Nobody waits for a writer that is gone, even if it has panicked. The lock is let go of before.
impl Drop for Writer {
    fn drop(&mut self) {
        self.lock = None;
        self.shared.end();
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, run: RunId, current: Option<Current>, lock: LockFile) -> Self {
        let last_sync = Instant::now();
        Self { shared, run, current, lock: Some(lock), unsynced: VecDeque::new(), written: 0, last_sync }
    }

    pub(crate) fn run(mut self) {
        loop {
            match self.shared.next_work(self.sync_at()) {
                Work::Write(chunk) => {
                    self.unsynced.push_back(chunk);
                    self.store(self.is_due());
                }
                Work::Sync => self.store(true),
                Work::Purge => {}
                Work::Close => {
                    self.store(true);
                    break;
                }
            }
            self.purge();
        }
        if self.unsynced.is_empty() {
            let last = self.shared.visible().durable;
            // If it cannot be said that the stop was clean, the next start takes it for unclean.
            if let Some(lock) = &mut self.lock {
                lock.mark_clean(self.run, last).ok();
            }
        }
    }

    /// When what is written has to be synced, if that is not at once.
    fn sync_at(&self) -> Option<Instant> {
        match self.shared.config.sync {
            SyncRule::Every(interval) if !self.unsynced.is_empty() => self.last_sync.checked_add(interval),
            _ => None,
        }
    }

    fn is_due(&self) -> bool {
        match self.shared.config.sync {
            SyncRule::Ack | SyncRule::Never => true,
            SyncRule::Every(interval) => {
                let waiting: usize = self.unsynced.iter().map(|chunk| chunk.bytes.len()).sum();
                self.last_sync.elapsed() >= interval || waiting >= UNSYNCED
            }
        }
    }

    /// Writes what is not written yet, and makes it durable if that is due. It tries until it works, each time in
    /// a new segment; only a spool that is closing gives up after one more try.
    fn store(&mut self, sync: bool) {
        while let Err(error) = self.try_store(sync) {
            self.abandon();
            self.shared.queue().failing = Some(error.to_string());
            self.shared.tell();
            if self.shared.is_closing() {
                if self.try_store(true).is_err() {
                    self.abandon();
                    return;
                }
                break;
            }
            self.purge();
            self.shared.pause(self.shared.config.retry);
        }
        let failed = self.shared.queue().failing.take();
        if failed.is_some() {
            self.shared.tell();
        }
    }

    fn try_store(&mut self, sync: bool) -> io::Result<()> {
        while let Some((len, first)) =
            self.unsynced.get(self.written).map(|c| (c.bytes.len() as u64, c.first))
        {
            let full = self.current.as_ref().is_none_or(|current| {
                let used = current.len > SEGMENT_HEADER as u64;
                used && current.len + len > self.shared.config.segment_len()
            });
            if full {
                self.publish()?;
                self.current = Some(self.create(first)?);
            }
            let (Some(current), Some(chunk)) = (&mut self.current, self.unsynced.get(self.written)) else {
                break;
            };
            write_all(current.file.as_mut(), current.len, &chunk.bytes)?;
            current.len += len;
            self.written += 1;
        }
        if sync { self.publish() } else { Ok(()) }
    }

    /// Makes what is written durable, and lets everybody see it.
    fn publish(&mut self) -> io::Result<()> {
        let Some(current) = self.current.as_mut().filter(|_| self.written > 0) else { return Ok(()) };
        if self.shared.config.sync != SyncRule::Never {
            current.file.sync_data()?;
        }
        self.last_sync = Instant::now();
        self.shared.add_bytes(current.len - current.durable_len);
        current.durable_len = current.len;
        {
            let mut visible = self.shared.visible();
            if let Some(segment) = visible.segments.get_mut(&current.first) {
                segment.len = current.len;
            }
            if let Some(chunk) = self.unsynced.get(self.written - 1) {
                visible.durable = chunk.last;
            }
        }
        for chunk in self.unsynced.drain(..self.written) {
            self.shared.recycle(chunk);
        }
        self.written = 0;
        self.shared.tell();
        Ok(())
    }

    /// A new segment is headed and synced, and its name is, before it holds a record.
    fn create(&self, first: u64) -> io::Result<Current> {
        let name = segment_name(first);
        let mut file = self.shared.disk.create(&name).or_else(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error);
            }
            // Left over from a try that failed in the middle, or from somebody else.
            self.shared.disk.rename(&name, &format!("{name}.aside"))?;
            self.shared.disk.create(&name)
        })?;
        let headed = write_all(file.as_mut(), 0, &segment_header(first, self.run))
            .and_then(|()| file.sync_all())
            .and_then(|()| self.shared.disk.sync_dir(""));
        if let Err(error) = headed {
            self.shared.disk.remove(&name).ok();
            return Err(error);
        }
        let len = SEGMENT_HEADER as u64;
        self.shared.visible().segments.insert(first, Segment { len, unknown: false });
        self.shared.add_bytes(len);
        Ok(Current { file, first, len, durable_len: len })
    }

    /// Ends the current segment where it was last durable. It is not written to again, because a kernel that has
    /// reported a failed sync once says that all is well the next time.
    fn abandon(&mut self) {
        self.written = 0;
        let Some(mut current) = self.current.take() else { return };
        // If it cannot be cut, readers stop there all the same: the next segment's name says which records it has.
        current.file.set_len(current.durable_len).ok();
        if current.durable_len == SEGMENT_HEADER as u64 {
            self.shared.visible().segments.remove(&current.first);
            self.shared.remove_bytes(current.durable_len);
            self.shared.disk.remove(&segment_name(current.first)).ok();
        }
    }

    /// Removes the oldest segments that nobody needs.
    fn purge(&mut self) {
        let config = &self.shared.config;
        let least = crate::shared::lock(&self.shared.pins).least();
        let room = (2 * config.segment_len()).max(self.shared.queue().wanted());
        let mut removed = false;
        loop {
            let bytes = self.shared.disk_bytes();
            // What is kept for a look back gives way to what is new.
            let scarce = bytes.saturating_add(room) > self.shared.max_bytes();
            let retain = if scarce { 0 } else { self.shared.retain() };
            let oldest = {
                let visible = self.shared.visible();
                if scarce && self.unsynced.is_empty() && least >= visible.durable {
                    // All of it is delivered: the newest may go as well.
                    self.current = None;
                }
                let oldest = visible.segments.first_key_value().map(|(first, segment)| (*first, segment.len));
                let end = || self.current.is_none().then_some(visible.durable + 1);
                oldest.and_then(|(first, len)| Some((first, len, visible.after(first).or_else(end)?)))
            };
            let Some((first, len, next)) = oldest else { break };
            if next > least.saturating_add(1) || bytes - len < retain {
                break;
            }
            match self.shared.disk.remove(&segment_name(first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => break,
                _ => {}
            }
            self.shared.visible().segments.remove(&first);
            self.shared.remove_bytes(len);
            removed = true;
        }
        if removed {
            self.shared.tell();
        }
    }
}
