//! Where lines go: a thread that writes whole chunks to standard output or a file.
//!
//! Connections hand over chunks through a bounded channel, so a slow output slows the senders down.
//! An output that fails (a full disk) is tried again until it works: the queue fills, and what does
//! not fit is dropped and counted, but no connection ends and no half line stays behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};

use super::counts::{Counts, Loss};
use super::report::Report;
use crate::exit::Failure;

/// Chunks that wait for the output. A chunk holds the records of one read of 64 KiB.
const QUEUE: usize = 256;

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
}

enum Message {
    Chunk(Chunk),
    Reopen,
}

/// What a sink and its thread both see.
#[derive(Debug)]
struct Shared {
    name: &'static str,
    /// The output does not take anything at the moment.
    failing: AtomicBool,
    /// No more is to come: a failing output is given up.
    closing: AtomicBool,
    /// The reader of standard output is gone.
    broken: tokio::sync::Notify,
    counts: Option<Arc<Counts>>,
    report: Arc<Report>,
}

/// An output and the thread that writes to it.
#[derive(Debug)]
pub(crate) struct Sink {
    queue: mpsc::Sender<Message>,
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
        counts: Option<Arc<Counts>>,
        report: Arc<Report>,
    ) -> anyhow::Result<(Self, Finish)> {
        let output = Output::open(path)
            .with_context(|| format!("{}", path.display()))
            .context(Failure::unavailable("cannot open the output"))?;
        let shared = Arc::new(Shared {
            name,
            failing: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            broken: tokio::sync::Notify::new(),
            counts,
            report,
        });
        let (queue, messages) = mpsc::channel(QUEUE);
        let writer = Writer { output, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.run(messages))
            .context(Failure::unavailable("cannot start a thread"))?;
        Ok((Self { queue, shared: Arc::clone(&shared) }, Finish { shared, thread }))
    }

    /// Hands over a chunk, waiting while the output is slow. While it fails, what does not fit is dropped.
    pub(crate) async fn send(&self, chunk: Chunk) {
        let mut message = Message::Chunk(chunk);
        while !self.shared.failing.load(Ordering::Relaxed) {
            match self.queue.send_timeout(message, RETRY).await {
                Ok(()) => return,
                Err(SendTimeoutError::Timeout(back) | SendTimeoutError::Closed(back)) => message = back,
            }
        }
        self.offer(message);
    }

    /// Hands over a chunk if there is room, for callers that must not wait.
    pub(crate) fn try_send(&self, chunk: Chunk) {
        self.offer(Message::Chunk(chunk));
    }

    fn offer(&self, message: Message) {
        if let Err(TrySendError::Full(Message::Chunk(chunk)) | TrySendError::Closed(Message::Chunk(chunk))) =
            self.queue.try_send(message)
        {
            self.shared.dropped(chunk.records());
        }
    }

    /// Opens the file again, for log rotation. The message waits its turn behind the chunks.
    pub(crate) async fn reopen(&self) {
        // A closed queue means that the program is ending.
        self.queue.send(Message::Reopen).await.ok();
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
    fn written(&self, records: u64) {
        if let Some(counts) = &self.counts {
            counts.written(records);
        }
    }

    fn dropped(&self, records: u64) {
        if let Some(counts) = &self.counts {
            counts.lost(Loss::Dropped, "output", records);
        }
        self.report.say(
            &format!("dropped {}", self.name),
            format_args!("{records} records did not fit: the output takes nothing"),
        );
    }
}

enum Output {
    Stdout(io::Stdout),
    File { path: PathBuf, file: File },
}

impl Output {
    fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(io::stdout()));
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self::File { path: path.to_owned(), file })
    }

    #[expect(clippy::disallowed_methods, reason = "short writes are what the caller counts")]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => {
                // Standard output is buffered by lines; a write and a flush give whole chunks.
                let mut stdout = stdout.lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
                Ok(bytes.len())
            }
            Self::File { file, .. } => file.write(bytes),
        }
    }

    /// Takes back the last bytes of a regular file: the beginning of a record whose end does not fit.
    fn take_back(&self, bytes: usize) -> io::Result<()> {
        if let Self::File { file, .. } = self
            && bytes > 0
        {
            let metadata = file.metadata()?;
            if metadata.is_file() {
                file.set_len(metadata.len().saturating_sub(bytes as u64))?;
            }
        }
        Ok(())
    }
}

struct Writer {
    output: Output,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            match message {
                Message::Chunk(chunk) => self.write(&chunk),
                Message::Reopen => self.reopen(),
            }
        }
    }

    fn write(&mut self, chunk: &Chunk) {
        let mut done = 0;
        while let Some(rest) = chunk.bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let error = match self.output.write(rest) {
                Ok(0) => io::Error::from(io::ErrorKind::WriteZero),
                Ok(written) => {
                    done += written;
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
            let whole = chunk.ends.partition_point(|&end| end <= done);
            let last_end = whole.checked_sub(1).and_then(|last| chunk.ends.get(last)).copied().unwrap_or(0);
            if self.output.take_back(done - last_end).is_ok() && matches!(self.output, Output::File { .. }) {
                done = last_end;
            }
            if broken || self.shared.closing.load(Ordering::Relaxed) {
                self.shared.written(whole as u64);
                self.shared.dropped(chunk.records() - whole as u64);
                return;
            }
            std::thread::sleep(RETRY);
        }
        if self.shared.failing.swap(false, Ordering::Relaxed) {
            self.shared
                .report
                .say(&format!("writing {} again", self.shared.name), format_args!("the output works"));
        }
        self.shared.written(chunk.records());
    }

    fn reopen(&mut self) {
        let Output::File { path, .. } = &self.output else { return };
        match Output::open(path) {
            Ok(output) => self.output = output,
            Err(error) => self.shared.report.say(
                &format!("cannot reopen {}", self.shared.name),
                format_args!("{}: {error}; the old file stays in use", path.display()),
            ),
        }
    }
}
