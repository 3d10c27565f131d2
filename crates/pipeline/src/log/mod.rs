//! The log: payloads as they came, once, for all outputs; in memory or in a spool.

mod memory;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use logrecord_spool::{CursorState, Entry, Full, Spool, Start};
use tokio::sync::Notify;

use self::memory::{MemoryLog, MemoryReader};
use crate::offers::Offers;
use crate::output::Logged;

/// A log that several tasks share.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    changed: Arc<Notify>,
}

#[derive(Debug)]
enum Store {
    Memory(MemoryLog),
    Spool(Box<Spool>),
}

impl Log {
    /// A log in memory of at most so many bytes.
    pub fn memory(max_bytes: usize) -> Self {
        Self::memory_retaining(max_bytes, 0)
    }

    /// A log in memory that keeps the newest `retain` bytes of what is delivered, for readers without a cursor. They
    /// are part of `max_bytes`, and give way to what is not delivered yet.
    pub fn memory_retaining(max_bytes: usize, retain: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                store: Store::Memory(MemoryLog::new(max_bytes, retain)),
                changed: Arc::default(),
            }),
        }
    }

    /// A log on disk.
    pub fn spool(spool: Spool) -> Self {
        let changed = Arc::<Notify>::default();
        let told = Arc::clone(&changed);
        spool.watch(move || told.notify_waiters());
        Self { inner: Arc::new(Inner { store: Store::Spool(Box::new(spool)), changed }) }
    }

    /// Takes another bound for a log in memory; what it holds beyond that is delivered all the same.
    pub fn set_max_bytes(&self, max_bytes: usize) {
        if let Store::Memory(log) = &self.inner.store {
            log.set_max_bytes(max_bytes);
            self.inner.changed.notify_waiters();
        }
    }

    /// The spool, if there is one.
    pub fn as_spool(&self) -> Option<&Spool> {
        match &self.inner.store {
            Store::Spool(spool) => Some(spool),
            Store::Memory(_) => None,
        }
    }

    /// Appends entries until one does not fit, and says how many fitted, the index of the last one, and why not more.
    pub fn append<'e>(&self, entries: impl IntoIterator<Item = Entry<'e>>) -> (u64, u64, Option<Full>) {
        let entries: Vec<_> = entries.into_iter().collect();
        let Taken { logged, last, full, .. } = self.take(&mut entries.as_slice(), 0);
        (logged, last, full)
    }

    /// Takes what is offered, from a place on, until there is no room for one.
    pub(crate) fn take(&self, offers: &mut impl Offers, from: usize) -> Taken {
        match &self.inner.store {
            Store::Memory(log) => {
                let mut appender = log.appender();
                let taken = fill(offers, from, appender.last(), |len, offers, place| {
                    let room = appender.reserve(len)?;
                    Ok(offers.admit(place).map(|entry| room.append(&entry)))
                });
                drop(appender);
                if taken.logged > 0 {
                    self.inner.changed.notify_waiters();
                }
                taken
            }
            Store::Spool(spool) => {
                let mut appender = spool.appender();
                fill(offers, from, appender.last(), |len, offers, place| {
                    let room = appender.reserve(len)?;
                    Ok(offers.admit(place).map(|entry| room.append(&entry)))
                })
            }
        }
    }

    /// Completes when records have become readable or room has been made since the future was first polled.
    pub async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    /// As [`changed`](Self::changed), as a future that can be
    /// [enabled](tokio::sync::futures::Notified::enable) before one looks, so that no change in between is missed.
    pub fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.inner.changed.notified()
    }

    /// The last record that readers may see.
    pub fn durable(&self) -> u64 {
        match &self.inner.store {
            Store::Memory(log) => log.last(),
            Store::Spool(spool) => spool.durable(),
        }
    }

    /// The oldest record that is there; one more than the last one if there is none.
    pub fn oldest(&self) -> u64 {
        match &self.inner.store {
            Store::Memory(log) => log.oldest(),
            Store::Spool(spool) => spool.status().oldest,
        }
    }

    /// The last record that was taken.
    pub fn last(&self) -> u64 {
        match &self.inner.store {
            Store::Memory(log) => log.last(),
            Store::Spool(spool) => spool.status().last,
        }
    }

    /// The cursor of an output.
    ///
    /// # Errors
    ///
    /// If it cannot be stored in the spool.
    pub fn cursor(&self, name: &str, start: Start) -> io::Result<LogCursor> {
        Ok(match &self.inner.store {
            Store::Memory(log) => {
                let done = log.open_cursor(name);
                LogCursor {
                    log: self.clone(),
                    name: name.to_owned(),
                    kept: Kept::Memory(CursorState { done, ..CursorState::default() }),
                }
            }
            Store::Spool(spool) => LogCursor {
                log: self.clone(),
                name: name.to_owned(),
                kept: Kept::Spool(spool.cursor(name, start)?),
            },
        })
    }

    /// Removes the cursor of an output that is gone, and says how far it was behind.
    ///
    /// # Errors
    ///
    /// As [`Spool::remove_cursor`].
    pub fn remove_cursor(&self, name: &str) -> io::Result<u64> {
        match &self.inner.store {
            Store::Memory(log) => {
                let lag = log.remove_cursor(name);
                self.inner.changed.notify_waiters();
                Ok(lag)
            }
            Store::Spool(spool) => spool.remove_cursor(name),
        }
    }

    /// A reader behind a record.
    pub fn reader(&self, done: u64) -> LogReader {
        let kind = match &self.inner.store {
            Store::Memory(log) => ReaderKind::Memory(log.reader(done)),
            Store::Spool(spool) => ReaderKind::Spool(spool.reader(done)),
        };
        LogReader { kind }
    }

    /// The bytes of the whole log that are in use.
    pub fn bytes(&self) -> u64 {
        match &self.inner.store {
            Store::Memory(log) => log.bytes(),
            Store::Spool(spool) => {
                let status = spool.status();
                status.disk_bytes + status.queued_bytes as u64
            }
        }
    }

    /// About how many bytes of records come behind one.
    pub fn bytes_behind(&self, done: u64) -> u64 {
        let (oldest, last, bytes) = match &self.inner.store {
            Store::Memory(log) => (log.oldest(), log.last(), log.bytes()),
            Store::Spool(spool) => {
                let status = spool.status();
                (status.oldest, status.durable, status.disk_bytes)
            }
        };
        let records = (last + 1).saturating_sub(oldest).max(1);
        let behind = last.saturating_sub(done.max(oldest.saturating_sub(1)));
        u64::try_from(u128::from(bytes) * u128::from(behind) / u128::from(records)).unwrap_or(u64::MAX)
    }

    /// Takes nothing more, makes durable what was taken, and says how many records could not be.
    pub fn close(&self, timeout: Duration) -> u64 {
        match &self.inner.store {
            Store::Memory(_) => 0,
            Store::Spool(spool) => spool.close(timeout),
        }
    }
}

/// What became of what was offered.
pub(crate) struct Taken {
    /// Everything before this place is settled.
    pub(crate) until: usize,
    /// How many of them are in the log.
    pub(crate) logged: u64,
    /// The last record of the log, whoever's it is.
    pub(crate) last: u64,
    /// Why there is no room for the one at `until`.
    pub(crate) full: Option<Full>,
}

/// Goes through what is offered; `append` makes room, asks for the entry, and gives its index.
fn fill<O: Offers>(
    offers: &mut O,
    from: usize,
    last: u64,
    mut append: impl FnMut(usize, &mut O, usize) -> Result<Option<u64>, Full>,
) -> Taken {
    let mut taken = Taken { until: from, logged: 0, last, full: None };
    while let Some(len) = offers.encoded_len(taken.until) {
        match append(len, offers, taken.until) {
            Ok(Some(index)) => (taken.logged, taken.last) = (taken.logged + 1, index),
            Ok(None) => {}
            Err(full) => {
                taken.full = Some(full);
                break;
            }
        }
        taken.until += 1;
    }
    taken
}

/// How far an output has come.
#[derive(Debug)]
pub struct LogCursor {
    log: Log,
    name: String,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Memory(CursorState),
    Spool(logrecord_spool::Cursor),
}

impl LogCursor {
    /// What was stored last.
    pub const fn state(&self) -> &CursorState {
        match &self.kept {
            Kept::Memory(state) => state,
            Kept::Spool(cursor) => cursor.state(),
        }
    }

    /// Whether it outlives the process.
    pub(crate) const fn is_durable(&self) -> bool {
        matches!(self.kept, Kept::Spool(_))
    }

    /// Stores a state. On disk it is synced, so that this can take a while.
    pub(crate) fn store(&mut self, state: CursorState) -> io::Result<()> {
        match &mut self.kept {
            Kept::Memory(kept) => {
                *kept = state;
                if let Store::Memory(log) = &self.log.inner.store
                    && log.move_cursor(&self.name, state.done)
                {
                    self.log.inner.changed.notify_waiters();
                }
                Ok(())
            }
            Kept::Spool(cursor) => cursor.store(state),
        }
    }
}

/// Reads a log in order.
#[derive(Debug)]
pub struct LogReader {
    kind: ReaderKind,
}

#[derive(Debug)]
enum ReaderKind {
    Memory(MemoryReader),
    Spool(logrecord_spool::Reader),
}

impl LogReader {
    /// The next record, if there is one.
    ///
    /// # Errors
    ///
    /// If a segment of a spool cannot be opened; the next call tries again.
    pub fn read(&mut self) -> io::Result<Option<Logged<'_>>> {
        match &mut self.kind {
            ReaderKind::Memory(reader) => Ok(reader.read()),
            ReaderKind::Spool(reader) => Ok(reader.read()?.map(|record| Logged {
                index: record.index,
                run: record.run,
                entry: record.entry,
            })),
        }
    }

    /// The last record that was read or given up.
    pub fn done(&self) -> u64 {
        match &self.kind {
            ReaderKind::Memory(reader) => reader.done(),
            ReaderKind::Spool(reader) => reader.done(),
        }
    }

    /// Goes on behind a record.
    pub fn seek(&mut self, done: u64) {
        match &mut self.kind {
            ReaderKind::Memory(reader) => reader.seek(done),
            ReaderKind::Spool(reader) => reader.seek(done),
        }
    }

    /// Gives up a segment that cannot be opened.
    pub(crate) fn skip_segment(&mut self) {
        if let ReaderKind::Spool(reader) = &mut self.kind {
            reader.skip_segment();
        }
    }
}
