//! Where lines go: a thread that writes whole chunks to standard output or a file.
//!
//! Connections hand over chunks through a queue that is bounded in bytes, so a slow output slows the senders down.
//! An output that fails (a full disk) is tried again until it works: the queue fills, and what does
//! not fit is dropped and counted, but no connection ends and no half line stays behind.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::append::{self, Appended};
use super::counts::{Counts, Loss};
use super::report::Report;
use crate::exit::Failure;

/// What may wait for the output, in units of [`UNIT`] bytes: 64 MiB.
const QUEUE: u32 = 64 << 10;

/// What a chunk's memory is counted in.
const UNIT: usize = 1 << 10;

/// What a pipe takes whole or not at all (PIPE_BUF of Linux).
const ATOMIC: usize = 4_096;

/// How soon a failed write is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Whole lines on their way to an output.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    pub(crate) ends: Vec<usize>,
}

impl Chunk {
    /// Notes that one more record ends here.
    pub(crate) fn end_record(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Its memory, in units of the queue. One that is larger than the queue waits until it is alone.
    fn units(&self) -> u32 {
        let bytes = self.bytes.capacity() + self.ends.capacity() * size_of::<usize>();
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(QUEUE).clamp(1, QUEUE)
    }
}

enum Message {
    Chunk(Chunk, OwnedSemaphorePermit),
    /// There is something to do beside the chunks.
    Wake,
    /// Nothing comes behind it.
    End,
}

/// What a sink and its thread both see.
#[derive(Debug)]
struct Shared {
    name: &'static str,
    /// The output does not take anything at the moment.
    failing: AtomicBool,
    /// No more is to come: a failing output is given up.
    closing: AtomicBool,
    /// The file is to be opened again, which is looked at between all writes.
    reopen: AtomicBool,
    /// The reader of standard output is gone.
    broken: tokio::sync::Notify,
    counts: Arc<Counts>,
    report: Arc<Report>,
    /// Records that wait, and when the output last took something.
    waiting: AtomicU64,
    progress: Mutex<Instant>,
}

/// How far an output is behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lag {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Since the output last took something, while something waits.
    pub(crate) seconds: u64,
    pub(crate) failing: bool,
}

/// An output and the thread that writes to it.
#[derive(Debug)]
pub(crate) struct Sink {
    queue: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// Waits for a sink's thread to end.
#[derive(Debug)]
pub(crate) struct Finish {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Sink {
    /// Opens standard output (`-`) or a file, to be appended to. `counts` is given what became of the records.
    pub(crate) fn open(
        name: &'static str,
        path: &Path,
        counts: Arc<Counts>,
        report: Arc<Report>,
    ) -> anyhow::Result<(Self, Finish)> {
        let output = Output::open(path)
            .with_context(|| format!("{}", path.display()))
            .context(Failure::unavailable("cannot open the output"))?;
        let shared = Arc::new(Shared {
            name,
            failing: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            broken: tokio::sync::Notify::new(),
            counts,
            report,
            waiting: AtomicU64::new(0),
            progress: Mutex::new(Instant::now()),
        });
        let (queue, messages) = mpsc::unbounded_channel();
        let writer = Writer { output, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.run(messages))
            .context(Failure::unavailable("cannot start a thread"))?;
        let room = Arc::new(Semaphore::new(QUEUE as usize));
        Ok((Self { queue, room, shared: Arc::clone(&shared) }, Finish { shared, thread }))
    }

    /// Hands over a chunk, waiting while the output is slow. While it fails, what does not fit is dropped.
    pub(crate) async fn send(&self, chunk: Chunk) {
        let units = chunk.units();
        while !self.shared.failing.load(Ordering::Relaxed) {
            let room = Arc::clone(&self.room).acquire_many_owned(units);
            match tokio::time::timeout(RETRY, room).await {
                Ok(Ok(permit)) => return self.put(chunk, permit),
                // The room is never closed.
                Ok(Err(_)) => break,
                Err(_) => {}
            }
        }
        match Arc::clone(&self.room).try_acquire_many_owned(units) {
            Ok(permit) => self.put(chunk, permit),
            Err(_) => self.shared.dropped(chunk.records()),
        }
    }

    fn put(&self, chunk: Chunk, permit: OwnedSemaphorePermit) {
        if self.shared.waiting.fetch_add(chunk.records(), Ordering::Relaxed) == 0 {
            // It begins to wait now.
            self.shared.touch();
        }
        // The thread has ended, which it does only behind the last sender or in a panic.
        if let Err(mpsc::error::SendError(Message::Chunk(chunk, _))) =
            self.queue.send(Message::Chunk(chunk, permit))
        {
            self.shared.dropped(chunk.records());
        }
    }

    /// Has the file opened again, for log rotation, whatever waits and whatever the output does.
    pub(crate) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
        // A closed queue means that the program is ending.
        self.queue.send(Message::Wake).ok();
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&self) {
        self.queue.send(Message::End).ok();
    }

    pub(crate) fn lag(&self) -> Lag {
        let records = self.shared.waiting.load(Ordering::Relaxed);
        let free = self.room.available_permits().min(QUEUE as usize);
        let progress = *self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        Lag {
            records,
            bytes: ((QUEUE as usize - free) * UNIT) as u64,
            seconds: if records > 0 { progress.elapsed().as_secs() } else { 0 },
            failing: self.shared.failing.load(Ordering::Relaxed),
        }
    }

    /// Completes when the reader of standard output is gone.
    pub(crate) async fn broken(&self) {
        self.shared.broken.notified().await;
    }
}

impl Finish {
    /// Waits until all chunks are written, or until the deadline; the sinks must have been dropped.
    pub(crate) fn wait(self, deadline: Instant) -> bool {
        self.shared.closing.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.thread.join().is_ok()
    }
}

impl Shared {
    fn touch(&self) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn written(&self, records: u64) {
        self.counts.written(records);
        self.touch();
    }

    fn dropped(&self, records: u64) {
        self.counts.lost(Loss::Dropped, "output", records);
        self.report.say(
            &format!("dropped {}", self.name),
            format_args!("{records} records did not fit: the output takes nothing"),
        );
    }
}

enum Output {
    /// Standard output without the buffer of [`io::Stdout`], which cannot say how much of a failed write went out.
    Stdout(File),
    File {
        path: PathBuf,
        file: Appended,
    },
}

impl Output {
    fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(File::from(io::stdout().as_fd().try_clone_to_owned()?)));
        }
        Ok(Self::File { path: path.to_owned(), file: append::open(path)? })
    }

    /// Whether what was written of a record can be taken back.
    const fn is_regular(&self) -> bool {
        matches!(self, Self::File { file: Appended { regular: true, .. }, .. })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(file) => write_some(file, bytes),
            Self::File { file, .. } => {
                if file.torn {
                    file.file.write_all(b"\n")?;
                    file.torn = false;
                }
                write_some(&mut file.file, bytes)
            }
        }
    }

    /// Takes back the last bytes of a regular file: the beginning of a record whose end does not fit. Where somebody
    /// else has written behind it, it stays, and gets an end before the next record. Gives whether the record is to
    /// be written again from its beginning.
    fn take_back(&mut self, bytes: usize) -> bool {
        let Self::File { file, .. } = self else { return false };
        if !file.regular || bytes == 0 {
            return file.regular;
        }
        let own_end = file.file.stream_position();
        let cut = own_end.and_then(|end| {
            if file.file.metadata()?.len() != end {
                return Err(io::Error::other("somebody else writes to it"));
            }
            file.file.set_len(end.saturating_sub(bytes as u64))
        });
        file.torn = cut.is_err();
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "short writes are what the caller counts")]
fn write_some(file: &mut File, bytes: &[u8]) -> io::Result<usize> {
    file.write(bytes)
}

struct Writer {
    output: Output,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            self.reopen_if_asked();
            match message {
                Message::Chunk(chunk, _room) => {
                    self.write(&chunk);
                    self.shared.waiting.fetch_sub(chunk.records(), Ordering::Relaxed);
                }
                Message::Wake => {}
                Message::End => return,
            }
        }
    }

    /// How far the next write goes: whole records only, and into a pipe no more than it takes at once or not at
    /// all, so that what is counted is what its reader finds.
    fn piece_end(&self, chunk: &Chunk, done: usize) -> usize {
        if self.output.is_regular() {
            return chunk.bytes.len();
        }
        let next = chunk.ends.partition_point(|&end| end <= done);
        let fits = chunk.ends.partition_point(|&end| end <= done + ATOMIC);
        let last = fits.max(next + 1).min(chunk.ends.len());
        last.checked_sub(1).and_then(|last| chunk.ends.get(last)).copied().unwrap_or(chunk.bytes.len())
    }

    fn write(&mut self, chunk: &Chunk) {
        let mut done = 0;
        // Records that are counted as written.
        let mut counted = 0;
        while done < chunk.bytes.len() {
            let piece = chunk.bytes.get(done..self.piece_end(chunk, done)).unwrap_or_default();
            let error = match self.output.write(piece) {
                Ok(0) => io::Error::from(io::ErrorKind::WriteZero),
                Ok(written) => {
                    done += written;
                    let whole = chunk.ends.partition_point(|&end| end <= done);
                    self.shared.written((whole - counted) as u64);
                    counted = whole;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.shared.failing.store(true, Ordering::Relaxed);
            let broken = error.kind() == io::ErrorKind::BrokenPipe;
            let then = if broken { "giving up" } else { "trying again, new records wait or are dropped" };
            self.shared
                .report
                .say(&format!("cannot write {}", self.shared.name), format_args!("{error}; {then}"));
            if broken {
                self.shared.broken.notify_one();
            }
            // A record that is only half there must not stay, nor be mistaken for a whole one.
            let last_end = counted.checked_sub(1).and_then(|last| chunk.ends.get(last)).copied().unwrap_or(0);
            if self.output.take_back(done - last_end) {
                done = last_end;
            }
            if broken || self.shared.closing.load(Ordering::Relaxed) {
                self.shared.dropped(chunk.records() - counted as u64);
                return;
            }
            std::thread::sleep(RETRY);
            if self.reopen_if_asked() {
                // What stands in the old file stays there; the rest of a record would be torn in the new one.
                done = last_end;
            }
        }
        if self.shared.failing.swap(false, Ordering::Relaxed) {
            self.shared
                .report
                .say(&format!("writing {} again", self.shared.name), format_args!("the output works"));
        }
    }

    /// Opens the file again if that was asked for; gives whether it is another one now.
    fn reopen_if_asked(&mut self) -> bool {
        if !self.shared.reopen.swap(false, Ordering::Relaxed) {
            return false;
        }
        let Output::File { path, .. } = &self.output else { return false };
        match Output::open(path) {
            Ok(output) => {
                self.output = output;
                self.shared.report.line(format_args!("logrecord: reopened {}", self.shared.name));
                true
            }
            Err(error) => {
                self.shared.report.line(format_args!(
                    "logrecord: cannot reopen {}: {}: {error}; the old file stays in use",
                    self.shared.name,
                    path.display()
                ));
                false
            }
        }
    }
}
