//! A file, or whatever else can be written to, with a thread of its own.
//!
//! A write is never cancelled in the middle. What a failed write has left of a line is taken back if it is still the
//! end of the file, and otherwise ended by a line end, so that no record is ever glued to a torn one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::gzip;
use crate::output::{Batch, Delivery, Output, Place};

/// What a pipe takes at once or not at all.
const PIPE: usize = 4096;
/// How often a writer that waits for a reader looks whether it is given up.
const LOOK: Duration = Duration::from_millis(50);
/// How long a writer that is given up is waited for.
const ABANDON: Duration = Duration::from_millis(300);

/// When a file is put aside for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is what a configuration says")]
pub struct Rotation {
    /// Before it becomes larger than this.
    pub size: Option<u64>,
    /// When it is as old as this.
    pub age: Option<Duration>,
    /// How many files are kept beside the one in use; all of them if not set.
    pub keep: Option<usize>,
    /// Whether those are compressed.
    pub gzip: bool,
}

/// A file to which lines are appended, or a pipe, a terminal or a device.
///
/// On a full disk it tries again with what is left; a file that was moved away stays in use until it is reopened, and
/// reopening lets go of it in any case.
#[derive(Debug)]
pub struct FileOutput {
    work: mpsc::Sender<Work>,
    shared: Arc<Progress>,
    pending: Option<oneshot::Receiver<Written>>,
    rotation: Rotation,
    /// Bytes of the file.
    size: u64,
    since: Instant,
    has_path: bool,
}

/// What the thread lets others see.
#[derive(Debug, Default)]
struct Progress {
    written: AtomicUsize,
    abandoned: AtomicBool,
}

/// What became of a write.
#[derive(Debug)]
struct Written {
    /// Bytes of whole records.
    bytes: usize,
    size: u64,
    error: Option<io::Error>,
}

#[derive(Debug)]
enum Work {
    Write(Arc<Batch>, usize, oneshot::Sender<Written>),
    Reopen { aside: Option<Rotation>, done: oneshot::Sender<io::Result<u64>> },
    Sync(oneshot::Sender<io::Result<Option<Place>>>),
    Resume(Place),
    Already(Arc<Batch>, oneshot::Sender<(usize, u64)>),
}

impl FileOutput {
    /// Appends to the file at a path and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(path: impl Into<PathBuf>, rotation: Rotation) -> io::Result<Self> {
        let path = path.into();
        let file = open(&path)?;
        Self::start(Writer::new(Some(path), file)?, rotation)
    }

    /// Writes to what is open already.
    ///
    /// # Errors
    ///
    /// If nothing can be found out about it.
    pub fn from_file(file: File) -> io::Result<Self> {
        Self::start(Writer::new(None, file)?, Rotation::default())
    }

    fn start(writer: Writer, rotation: Rotation) -> io::Result<Self> {
        let (work, orders) = mpsc::channel();
        let shared = Arc::clone(&writer.shared);
        let (size, has_path) = (writer.size(), writer.path.is_some());
        std::thread::Builder::new().name("output".to_owned()).spawn(move || writer.run(&orders))?;
        Ok(Self { work, shared, pending: None, rotation, size, since: Instant::now(), has_path })
    }

    fn gone() -> io::Error {
        io::Error::other("the output's thread is gone")
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Work) -> io::Result<T> {
        let (done, answer) = oneshot::channel();
        self.work.send(order(done)).map_err(|_| Self::gone())?;
        answer.await.map_err(|_| Self::gone())
    }

    async fn begin(&mut self, aside: Option<Rotation>) -> io::Result<()> {
        let outcome = self.ask(|done| Work::Reopen { aside, done }).await?;
        self.since = Instant::now();
        self.size = outcome?;
        Ok(())
    }
}

impl Output for FileOutput {
    async fn deliver(&mut self, batch: &Arc<Batch>, from: usize) -> Delivery {
        self.shared.written.store(0, Ordering::Relaxed);
        let (done, answer) = oneshot::channel();
        if self.work.send(Work::Write(Arc::clone(batch), from, done)).is_err() {
            return Delivery::Failed(Self::gone().to_string());
        }
        // If this future is dropped, the answer is still to be had.
        let answer = self.pending.insert(answer);
        let Ok(Written { bytes, size, error }) = answer.await else {
            return Delivery::Failed(Self::gone().to_string());
        };
        self.pending = None;
        self.size = size;
        let done = batch.whole(batch.start(from) + bytes);
        match error {
            None => Delivery::Done { rejected: 0 },
            Some(_) if done > from => Delivery::Partly { done },
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe && !self.has_path => Delivery::Closed,
            Some(error) => Delivery::Retry { after: None, why: error.to_string() },
        }
    }

    async fn abandon(&mut self, batch: &Arc<Batch>, from: usize) -> usize {
        self.shared.abandoned.store(true, Ordering::Relaxed);
        let written = match &mut self.pending {
            None => 0,
            Some(answer) => match tokio::time::timeout(ABANDON, answer).await {
                Ok(Ok(written)) => written.bytes,
                // It hangs in the kernel; what it has written so far is known all the same.
                _ => self.shared.written.load(Ordering::Relaxed),
            },
        };
        batch.whole(batch.start(from) + written).max(from)
    }

    async fn reopen(&mut self) -> io::Result<()> {
        self.begin(None).await
    }

    fn rotates(&self, batch: &Batch) -> bool {
        let Rotation { size, age, .. } = self.rotation;
        let large = size.is_some_and(|most| self.size + batch.bytes(0).len() as u64 > most);
        let old = age.is_some_and(|most| self.since.elapsed() >= most);
        self.has_path && self.size > 0 && (large || old)
    }

    async fn rotate(&mut self) -> io::Result<()> {
        self.begin(Some(self.rotation)).await
    }

    async fn sync(&mut self) -> io::Result<Option<Place>> {
        self.ask(Work::Sync).await?
    }

    async fn resume(&mut self, place: Place) {
        self.work.send(Work::Resume(place)).ok();
    }

    async fn already(&mut self, batch: &Arc<Batch>) -> usize {
        let Ok((there, size)) = self.ask(|done| Work::Already(Arc::clone(batch), done)).await else {
            return 0;
        };
        self.size = size;
        there
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Reading is for the end of what stands there; a pipe is only written.
    let is_file = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    options.append(true).create(true).read(is_file);
    options.open(path).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => options.read(false).open(path),
        _ => Err(error),
    })
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
const fn inode(_: &fs::Metadata) -> u64 {
    0
}

/// The thread's side.
struct Writer {
    path: Option<PathBuf>,
    file: Option<File>,
    shared: Arc<Progress>,
    /// A file, whose end can be looked at and taken back.
    regular: bool,
    /// Something with a reader, who may stop reading.
    stream: bool,
    /// The last line is torn.
    torn: bool,
    /// Where the records of a resumed log are looked for next.
    resume: Option<u64>,
}

impl Writer {
    fn new(path: Option<PathBuf>, file: File) -> io::Result<Self> {
        let mut writer = Self {
            path,
            file: None,
            shared: Arc::default(),
            regular: false,
            stream: false,
            torn: false,
            resume: None,
        };
        writer.adopt(file)?;
        Ok(writer)
    }

    fn adopt(&mut self, mut file: File) -> io::Result<()> {
        let metadata = file.metadata()?;
        self.regular = metadata.is_file();
        self.stream = is_stream(&metadata) || file.is_terminal();
        // A run that was killed may have left half a line. What cannot be read is taken for whole.
        self.torn = self.regular
            && self.path.is_some()
            && metadata.len() > 0
            && last_byte(&mut file).is_ok_and(|byte| byte != b'\n');
        self.file = Some(file);
        Ok(())
    }

    fn size(&self) -> u64 {
        let metadata = self.file.as_ref().filter(|_| self.regular).and_then(|file| file.metadata().ok());
        metadata.map_or(0, |metadata| metadata.len())
    }

    fn run(mut self, orders: &mpsc::Receiver<Work>) {
        while let Ok(order) = orders.recv() {
            // Whoever asked may be gone; the work is done all the same.
            match order {
                Work::Write(batch, from, done) => {
                    let written = self.write(&batch, from);
                    drop(batch);
                    done.send(written).ok();
                }
                Work::Reopen { aside, done } => {
                    let outcome = self.reopen(aside).map(|()| self.size());
                    done.send(outcome).ok();
                }
                Work::Sync(done) => drop(done.send(self.sync())),
                Work::Resume(place) => self.begin_resume(place),
                Work::Already(batch, done) => {
                    let there = self.already(&batch).unwrap_or(0);
                    done.send((there, self.size())).ok();
                }
            }
        }
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Written {
        let start = batch.start(from);
        let error = self.write_all(batch, from).err();
        let bytes = self.shared.written.load(Ordering::Relaxed);
        let whole = batch.whole(start + bytes).max(from);
        let bytes = batch.start(whole) - start;
        if error.is_some() {
            let torn = self.shared.written.load(Ordering::Relaxed) - bytes;
            if torn > 0 {
                self.torn = !self.take_back(torn as u64);
            }
        }
        Written { bytes, size: self.size(), error }
    }

    #[expect(clippy::disallowed_methods, reason = "short writes are what is counted here")]
    fn write_all(&mut self, batch: &Batch, from: usize) -> io::Result<()> {
        let bytes = batch.bytes(from);
        let start = batch.start(from);
        let mut done = 0;
        loop {
            let rest = bytes.get(done..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            let Some(file) = &mut self.file else { return Err(io::Error::other("the file is not open")) };
            if self.stream {
                wait_for_reader(file, &self.shared.abandoned)?;
            }
            if self.torn {
                // The line of somebody who was killed ends here.
                file.write_all(b"\n")?;
                self.torn = false;
            }
            let piece = if self.stream { piece(batch, start + done) } else { rest.len() };
            match file.write(rest.get(..piece).unwrap_or(rest)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    done += written;
                    self.shared.written.store(done, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.stream => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes back the last bytes, if they are still the last ones: what another writer has appended is not ours.
    fn take_back(&mut self, torn: u64) -> bool {
        let Some(file) = self.file.as_mut().filter(|_| self.regular) else { return false };
        let mut cut = || -> io::Result<bool> {
            let end = file.stream_position()?;
            if file.metadata()?.len() != end || end < torn {
                return Ok(false);
            }
            file.set_len(end - torn)?;
            file.seek(SeekFrom::Start(end - torn))?;
            Ok(true)
        };
        cut().unwrap_or(false)
    }

    fn reopen(&mut self, aside: Option<Rotation>) -> io::Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        self.resume = None;
        if let Some(rotation) = aside {
            let away = gzip::rotated_name(&path);
            fs::rename(&path, &away)?;
            let tidy = move || {
                // What cannot be compressed stays as it is, and what cannot be removed is tried again next time.
                if rotation.gzip {
                    gzip::compress(&away).ok();
                }
                if let Some(keep) = rotation.keep {
                    gzip::prune(&path, keep).ok();
                }
            };
            // Compressing takes its time, and the output does not wait for it.
            std::thread::Builder::new().name("rotation".to_owned()).spawn(tidy)?;
        }
        let Some(path) = self.path.clone() else { return Ok(()) };
        match open(&path) {
            Ok(file) => self.adopt(file),
            Err(_) => {
                // The old file may be what fills the disk.
                self.file = None;
                self.adopt(open(&path)?)
            }
        }
    }

    fn sync(&mut self) -> io::Result<Option<Place>> {
        let Some(file) = self.file.as_mut().filter(|_| self.regular) else { return Ok(None) };
        if self.torn {
            // The next record stands where this says, so that the torn line has to end before.
            file.write_all(b"\n")?;
            self.torn = false;
        }
        file.sync_data()?;
        let metadata = file.metadata()?;
        Ok(Some(Place { inode: inode(&metadata), offset: metadata.len() }))
    }

    fn begin_resume(&mut self, place: Place) {
        let Some(metadata) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return };
        // In another file than the cursor knows, the records can only be the first ones.
        let offset = if inode(&metadata) == place.inode { place.offset } else { 0 };
        self.resume = (self.regular && offset <= metadata.len()).then_some(offset);
    }

    /// Compares a batch with what stands in the file; where they part, a torn rest is cut.
    fn already(&mut self, batch: &Batch) -> io::Result<usize> {
        let (Some(at), Some(file)) = (self.resume.take(), &mut self.file) else { return Ok(0) };
        let expected = batch.bytes(0);
        let mut found = Vec::new();
        file.seek(SeekFrom::Start(at))?;
        io::Read::take(&mut *file, expected.len() as u64).read_to_end(&mut found)?;
        let equal = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
        let whole = batch.whole(equal);
        let end = at + batch.start(whole) as u64;
        let len = file.metadata()?.len();
        if whole == batch.len() {
            self.resume = Some(end);
        } else if equal == found.len() && at + equal as u64 == len && end < len {
            file.set_len(end)?;
            self.torn = false;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(whole)
    }
}

/// Whole lines up to what a pipe takes at once; of a longer line as much as that.
fn piece(batch: &Batch, at: usize) -> usize {
    let whole = batch.whole(at + PIPE);
    let end = batch.start(whole);
    if end > at { end - at } else { PIPE }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

#[cfg(unix)]
fn is_stream(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_fifo() || metadata.file_type().is_socket()
}

#[cfg(not(unix))]
fn is_stream(_: &fs::Metadata) -> bool {
    false
}

/// Waits until the reader has room, so that no write blocks; an error if the batch is given up meanwhile.
#[cfg(unix)]
fn wait_for_reader(file: &File, abandoned: &AtomicBool) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let time = Timespec { tv_sec: 0, tv_nsec: i64::try_from(LOOK.as_nanos()).unwrap_or(0) };
    loop {
        if abandoned.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
        }
        let mut descriptors = [PollFd::new(file, PollFlags::OUT)];
        match poll(&mut descriptors, Some(&time)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // An error shows in the write.
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
fn wait_for_reader(_: &File, _: &AtomicBool) -> io::Result<()> {
    Ok(())
}
