//! The spool as its users have it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::checkpoint::{self, Checkpoint};
use crate::config::Config;
use crate::cursor::{self, CursorFile, CursorState};
use crate::disk::{Disk, OsDisk};
use crate::entry::Entry;
use crate::lock::LockFile;
use crate::reader::{Reader, Record};
use crate::recover::{Recovery, fresh_run, recover};
use crate::shared::{Full, Pins, Queue, Shared, lock};
use crate::writer::Writer;

/// How long dropping a spool waits for the disk.
const DROP_WAIT: Duration = Duration::from_secs(5);

/// An append-only log in a directory, with one writer and any number of readers.
///
/// Handles are shared by reference; every method may be called from any thread. Dropping the spool closes it and
/// waits 5 s for the disk at most; [`close`](Self::close) says what became of it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use logrecord_spool::{Config, CursorState, Entry, Spool, Start};
///
/// # let folder = tempfile::tempdir()?;
/// let directory = folder.path().join("spool");
/// let spool = Spool::open(&directory, Config::new())?;
/// let mut cursor = spool.cursor("output", Start::Newest)?;
/// for payload in [b"first".as_slice(), b"second"] {
///     spool.append(&Entry { payload, ..Entry::default() }, Duration::from_secs(1))?;
/// }
/// assert!(spool.wait_durable(2, Duration::from_secs(10)));
///
/// let mut reader = spool.reader(cursor.state().done);
/// let record = reader.read()?.unwrap();
/// assert_eq!((record.index, record.entry.payload), (1, b"first".as_slice()));
/// cursor.store(CursorState { done: 1, ..CursorState::default() })?;
/// drop((cursor, reader, spool));
///
/// let spool = Spool::open(&directory, Config::new())?;
/// assert!(spool.recovery().clean);
/// let cursor = spool.cursor("output", Start::Newest)?;
/// let mut reader = spool.reader(cursor.state().done);
/// assert_eq!(reader.read()?.unwrap().entry.payload, b"second");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    recovery: Recovery,
    checkpoint: Mutex<Option<Checkpoint>>,
    cursors: Arc<Mutex<Cursors>>,
    /// There was a cursor when the spool was opened.
    had_cursors: bool,
}

/// What is stored of each cursor, with its generation.
type Cursors = BTreeMap<String, (u64, CursorState)>;

/// Where a name begins that has no cursor yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With the oldest record that there is.
    Oldest,
    /// With the next record; but with the oldest if the spool has been opened without any cursor, because then
    /// nobody has seen what it holds.
    Newest,
    /// With the next record, whoever has seen the others: for a name that comes later than the rest.
    Next,
}

/// What can be seen of a spool from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The oldest record; one more than `durable` if there is none.
    pub oldest: u64,
    /// The last durable record.
    pub durable: u64,
    /// The last record that was taken.
    pub last: u64,
    /// Bytes of all segments.
    pub disk_bytes: u64,
    /// Bytes that wait for the disk.
    pub queued_bytes: usize,
    /// Why the disk does not take anything at the moment.
    pub failing: Option<String>,
    /// The last record that each cursor has stored as done.
    pub cursors: BTreeMap<String, u64>,
}

impl Spool {
    /// Opens a directory and makes it if it is not there. Damage keeps nobody out; [`recovery`](Self::recovery)
    /// tells of it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if another process has the spool open; otherwise only if the directory cannot
    /// be made or listed at all.
    pub fn open(directory: &Path, config: Config) -> io::Result<Self> {
        Self::open_on(Arc::new(OsDisk::new(directory)), config)
    }

    /// As [`open`](Self::open), on a disk of the caller's.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, config: Config) -> io::Result<Self> {
        disk.create_dir("")?;
        disk.create_dir(cursor::DIRECTORY)?;
        let mut lock_file = LockFile::take(disk.as_ref())?;
        let found = recover(&disk, &mut lock_file)?;
        let pins = Pins {
            cursors: found.cursors.iter().map(|(name, (_, state))| (name.clone(), state.done)).collect(),
            checkpoint: found.checkpoint.as_ref().map(|checkpoint| checkpoint.index),
        };
        let shared = Arc::new(Shared::new(disk, config, found.recovery.last, found.segments, pins));
        let writer = Writer::new(Arc::clone(&shared), found.run, found.current, lock_file);
        let thread = std::thread::Builder::new().name("spool".to_owned()).spawn(move || writer.run())?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(thread)),
            recovery: found.recovery,
            checkpoint: Mutex::new(found.checkpoint),
            had_cursors: !found.cursors.is_empty(),
            cursors: Arc::new(Mutex::new(found.cursors)),
        })
    }

    /// What was found at the start.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Takes an entry if there is room, and gives its index. It is durable when [`durable`](Self::durable) has
    /// come so far.
    ///
    /// # Errors
    ///
    /// [`Full`] says for what there is no room.
    pub fn try_append(&self, entry: &Entry<'_>) -> Result<u64, Full> {
        self.appender().append(entry)
    }

    /// Takes an entry, waiting for room in the queue and in the spool.
    ///
    /// # Errors
    ///
    /// [`Full`] if there was no room in time.
    pub fn append(&self, entry: &Entry<'_>, timeout: Duration) -> Result<u64, Full> {
        let mut last = Full::Queue;
        let taken = self.shared.wait_until(timeout, |queue| match self.shared.push(queue, entry) {
            Ok(index) => {
                self.shared.wake();
                Some(Ok(index))
            }
            Err(full @ (Full::Queue | Full::Spool)) => {
                last = full;
                None
            }
            Err(full) => Some(Err(full)),
        });
        taken.unwrap_or(Err(last))
    }

    /// Takes many entries under one lock.
    pub fn appender(&self) -> Appender<'_> {
        Appender { queue: self.shared.queue(), shared: &self.shared, appended: false }
    }

    /// Takes other limits from now on. What is there beyond them is delivered all the same, and goes then.
    pub fn set_limits(&self, max_bytes: u64, retain: u64) {
        self.shared.set_limits(max_bytes, retain);
    }

    /// The last durable record, 0 if there is none. What is not durable, no reader sees.
    pub fn durable(&self) -> u64 {
        self.shared.visible().durable
    }

    /// Waits until a record is durable; false if the time was over before, or if the spool is closed.
    pub fn wait_durable(&self, index: u64, timeout: Duration) -> bool {
        let reached = self.shared.wait_until(timeout, |queue| {
            if self.durable() >= index { Some(true) } else { queue.is_closing().then_some(false) }
        });
        reached.unwrap_or(false) || self.durable() >= index
    }

    /// Calls a function, on the writer's thread, whenever records have become durable, room has been made or the
    /// disk has begun or ceased to fail. It must be quick and must not call the spool.
    pub fn watch(&self, watcher: impl Fn() + Send + Sync + 'static) {
        self.shared.watch(Arc::new(watcher));
    }

    /// A reader that begins behind the record `done`; 0 for the oldest.
    pub fn reader(&self, done: u64) -> Reader {
        // What is gone before anybody asked for it is not lost to a new reader.
        let done = if done == 0 { self.status().oldest - 1 } else { done };
        Reader::new(Arc::clone(&self.shared), done)
    }

    /// The cursor of a name, which begins where `start` says if it is new. A cursor below the oldest record stays
    /// where it is: its reader counts what is gone.
    ///
    /// # Errors
    ///
    /// If a new cursor cannot be stored.
    pub fn cursor(&self, name: &str, start: Start) -> io::Result<Cursor> {
        let known = lock(&self.cursors).get(name).copied();
        let (generation, state) = known.unwrap_or_else(|| {
            let status = self.status();
            let newest = match start {
                Start::Oldest => false,
                Start::Newest => self.had_cursors,
                Start::Next => true,
            };
            let done = if newest { status.durable } else { status.oldest - 1 };
            (0, CursorState { done, ..CursorState::default() })
        });
        let file = CursorFile::new(Arc::clone(&self.shared.disk), name, generation)?;
        let (shared, stored) = (Arc::clone(&self.shared), Arc::clone(&self.cursors));
        let mut cursor = Cursor { shared, stored, name: name.to_owned(), file, state };
        if known.is_none() {
            cursor.store(state)?;
        }
        Ok(cursor)
    }

    /// Removes the cursor of a name that nobody uses any more, and says how many records it was behind.
    ///
    /// # Errors
    ///
    /// If its file cannot be removed; then it holds segments back until it can.
    pub fn remove_cursor(&self, name: &str) -> io::Result<u64> {
        match self.shared.disk.remove(&cursor::file_name(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.shared.disk.sync_dir(cursor::DIRECTORY)?;
        lock(&self.cursors).remove(name);
        let done = lock(&self.shared.pins).cursors.remove(name);
        self.shared.ask_purge();
        Ok(done.map_or(0, |done| self.durable().saturating_sub(done)))
    }

    /// The checkpoint that was found at the start, once.
    pub fn take_checkpoint(&self) -> Option<Checkpoint> {
        lock(&self.checkpoint).take()
    }

    /// Stores what the caller knows about all records up to an index. From the first checkpoint on, no segment goes
    /// that the last checkpoint does not cover.
    ///
    /// # Errors
    ///
    /// If it cannot be stored; the one before then stays.
    pub fn store_checkpoint(&self, index: u64, state: &[u8]) -> io::Result<()> {
        checkpoint::store(self.shared.disk.as_ref(), index, state)?;
        lock(&self.shared.pins).checkpoint = Some(index);
        self.shared.ask_purge();
        Ok(())
    }

    /// The index behind which the newest segments lie that take no more than `bytes` together; the newest one at
    /// least. To read from there is bounded, however much lies before it.
    pub fn recent(&self, bytes: u64) -> u64 {
        let visible = self.shared.visible();
        let mut first = visible.durable + 1;
        let mut sum = 0_u64;
        for (place, (&at, segment)) in visible.segments.iter().rev().enumerate() {
            sum = sum.saturating_add(segment.len);
            if place > 0 && sum > bytes {
                break;
            }
            first = at;
        }
        first - 1
    }

    /// Goes through the signed records behind an index, for those who have to know again what they have accepted.
    ///
    /// # Errors
    ///
    /// If a segment cannot be opened.
    pub fn accepted_since(&self, index: u64, mut accepted: impl FnMut(&Record<'_>)) -> io::Result<()> {
        let mut reader = self.reader(index);
        while let Some(record) = reader.read()? {
            if !record.entry.stream.is_empty() {
                accepted(&record);
            }
        }
        Ok(())
    }

    /// How the spool is.
    pub fn status(&self) -> Status {
        let (oldest, durable) = {
            let visible = self.shared.visible();
            let oldest = visible.segments.first_key_value().map(|(first, _)| *first);
            (oldest.unwrap_or(visible.durable + 1), visible.durable)
        };
        let cursors = lock(&self.shared.pins).cursors.clone();
        let queue = self.shared.queue();
        Status {
            oldest,
            durable,
            last: queue.last(),
            disk_bytes: self.shared.disk_bytes(),
            queued_bytes: queue.bytes(),
            failing: queue.failing.clone(),
            cursors,
        }
    }

    /// Goes on after [`close`](Self::close), as if it had not been: for an owner who has let go of the directory for
    /// somebody who did not take it. What is open goes on; the next record begins a new segment. Nothing happens if
    /// the spool is not closed.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if another process has the spool open, or the disk has not answered yet.
    pub fn reopen(&self) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        if writer.is_some() {
            return Ok(());
        }
        if !self.shared.queue().has_ended() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut lock_file = LockFile::take(self.shared.disk.as_ref())?;
        lock_file.clear()?;
        self.shared.queue().open_again();
        let next = Writer::new(Arc::clone(&self.shared), fresh_run(), None, lock_file);
        *writer = Some(std::thread::Builder::new().name("spool".to_owned()).spawn(move || next.run())?);
        Ok(())
    }

    /// Takes nothing more, writes what is queued, and lets go of the directory. It says how many records could not
    /// be made durable in time: 0 is a clean stop. A disk that hangs keeps the directory locked until it answers.
    pub fn close(&self, timeout: Duration) -> u64 {
        self.shared.close();
        let Some(thread) = lock(&self.writer).take() else { return 0 };
        let ended = self.shared.wait_until(timeout, |queue| queue.has_ended().then_some(()));
        if ended.is_some() {
            // A panic of the writer has been printed; the counts below tell what it cost.
            thread.join().ok();
        }
        self.shared.queue().last().saturating_sub(self.durable())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close(DROP_WAIT);
    }
}

/// Appends entries under one lock; see [`Spool::appender`]. Nobody else can append meanwhile.
pub struct Appender<'a> {
    queue: MutexGuard<'a, Queue>,
    shared: &'a Shared,
    appended: bool,
}

impl Appender<'_> {
    /// As [`Spool::try_append`].
    ///
    /// # Errors
    ///
    /// As [`Spool::try_append`].
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<u64, Full> {
        let index = self.shared.push(&mut self.queue, entry)?;
        self.appended = true;
        Ok(index)
    }

    /// Makes room for an entry of this [length](Entry::encoded_len), for a caller who may only then decide whether
    /// there is an entry at all.
    ///
    /// # Errors
    ///
    /// As [`Spool::try_append`].
    pub fn reserve(&mut self, encoded_len: usize) -> Result<Room<'_>, Full> {
        self.shared.room(&mut self.queue, encoded_len)?;
        Ok(Room { queue: &mut self.queue, appended: &mut self.appended })
    }

    /// The last index that was given away.
    pub fn last(&self) -> u64 {
        self.queue.last()
    }
}

/// Room for one entry; see [`Appender::reserve`].
pub struct Room<'a> {
    queue: &'a mut Queue,
    appended: &'a mut bool,
}

impl Room<'_> {
    /// Takes the entry, and gives its index.
    pub fn append(self, entry: &Entry<'_>) -> u64 {
        *self.appended = true;
        Shared::put(self.queue, entry)
    }
}

impl fmt::Debug for Room<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        if self.appended {
            self.shared.wake();
        }
    }
}

impl fmt::Debug for Appender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("last", &self.queue.last()).finish_non_exhaustive()
    }
}

/// How far one reader has come, durably.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    stored: Arc<Mutex<Cursors>>,
    name: String,
    file: CursorFile,
    state: CursorState,
}

impl Cursor {
    /// What was stored last.
    pub const fn state(&self) -> &CursorState {
        &self.state
    }

    /// Stores a state and syncs it. Segments that every cursor has passed may go after that, never before.
    ///
    /// # Errors
    ///
    /// If it cannot be stored; the one before then counts.
    pub fn store(&mut self, state: CursorState) -> io::Result<()> {
        self.file.store(&state)?;
        self.state = state;
        // Whoever opens it next goes on from here.
        lock(&self.stored).insert(self.name.clone(), (self.file.generation(), state));
        let moved = lock(&self.shared.pins).cursors.insert(self.name.clone(), state.done) != Some(state.done);
        if moved {
            self.shared.ask_purge();
        }
        Ok(())
    }
}
