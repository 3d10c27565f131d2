//! The dead-letter file: what was rejected, one JSON object a line.
//!
//! A stranger decides how much is rejected, so there is a bound on what waits in memory and on what stands on the
//! disk: when a file has half of it, it takes the name with `.1` behind, the one that had this name before goes,
//! and a fresh file begins. Nobody waits for this file: a letter that cannot be kept is counted and reported.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::append::{self, Appended};
use super::report::Report;
use crate::exit::Failure;

/// Bytes of letters that wait to be written.
const MAX_WAITING: usize = 16 << 20;

/// What a letter costs beside the bytes that it holds.
const LETTER_OVERHEAD: usize = 256;

/// What was rejected, before it is written as a line.
#[derive(Debug)]
struct Letter {
    time: jiff::Timestamp,
    transport: String,
    peer: String,
    reason: String,
    detail: String,
    frame: Vec<u8>,
}

impl Letter {
    const fn cost(&self) -> usize {
        LETTER_OVERHEAD + self.peer.len() + self.reason.len() + self.detail.len() + self.frame.len()
    }

    fn to_line(&self) -> Vec<u8> {
        let members = [
            ("time", format!("{:.6}", self.time)),
            ("transport", self.transport.clone()),
            ("peer", self.peer.clone()),
            ("reason", self.reason.clone()),
            ("detail", self.detail.clone()),
            ("frame", STANDARD.encode(&self.frame)),
        ];
        let mut line = Vec::new();
        for (place, (name, value)) in members.iter().enumerate() {
            let open = if place == 0 { "{\"" } else { ",\"" };
            line.extend_from_slice(open.as_bytes());
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"\":");
            line.extend_from_slice(serde_json::Value::from(value.as_str()).to_string().as_bytes());
        }
        line.extend_from_slice(b"}\n");
        line
    }
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Letter>,
    /// The cost of all that wait, and of the one that is being written.
    waiting: usize,
    reopen: bool,
    closing: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    lost: AtomicU64,
    report: Arc<Report>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, why: std::fmt::Arguments<'_>) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.report.say("dead letter not kept", why);
    }
}

/// Writes dead letters, if there is a file for them.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    shared: Option<Arc<Shared>>,
}

/// Waits for the thread that writes them.
#[derive(Debug)]
pub(crate) struct Finish {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl DeadLetters {
    /// Opens the file, to be appended to; the files together have at most `max_bytes`.
    pub(crate) fn open(path: &Path, max_bytes: u64, report: Arc<Report>) -> anyhow::Result<(Self, Finish)> {
        let file = LetterFile::open(path, max_bytes)
            .with_context(|| format!("{}", path.display()))
            .context(Failure::unavailable("cannot open the dead-letter file"))?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            lost: AtomicU64::new(0),
            report,
        });
        let writer = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("dead letters".to_owned())
            .spawn(move || write(&writer, file))
            .context(Failure::unavailable("cannot start a thread"))?;
        Ok((Self { shared: Some(Arc::clone(&shared)) }, Finish { shared, thread }))
    }

    /// Keeps one frame, given in parts, whole with its prefix; of a stranger its first bytes. It never waits.
    pub(crate) fn keep(&self, transport: &str, peer: &str, reason: &str, detail: &str, frame: &[&[u8]]) {
        let Some(shared) = &self.shared else { return };
        let letter = Letter {
            time: jiff::Timestamp::now(),
            transport: transport.to_owned(),
            peer: peer.to_owned(),
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            frame: frame.concat(),
        };
        let mut state = shared.state();
        // A single letter always fits, however long a frame may be.
        if state.waiting > 0 && state.waiting.saturating_add(letter.cost()) > MAX_WAITING {
            drop(state);
            shared.lose(format_args!("too many wait for the file"));
            return;
        }
        state.waiting += letter.cost();
        state.letters.push_back(letter);
        drop(state);
        shared.changed.notify_one();
    }

    /// How many could not be kept.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.lost.load(Ordering::Relaxed))
    }

    /// Has the file opened again, without waiting for it.
    pub(crate) fn reopen(&self) {
        if let Some(shared) = &self.shared {
            shared.state().reopen = true;
            shared.changed.notify_one();
        }
    }
}

impl Drop for DeadLetters {
    /// The thread ends behind the last letter.
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.state().closing = true;
            shared.changed.notify_all();
        }
    }
}

impl Finish {
    /// Waits until all letters are written, or until the deadline; gives how many were not kept in all.
    pub(crate) fn wait(self, deadline: Instant) -> u64 {
        self.shared.state().closing = true;
        self.shared.changed.notify_all();
        let mut state = self.shared.state();
        while state.waiting > 0 && !self.thread.is_finished() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let unwritten = state.letters.len() as u64;
        drop(state);
        self.shared.lost.load(Ordering::Relaxed).saturating_add(unwritten)
    }
}

fn write(shared: &Shared, mut file: LetterFile) {
    loop {
        let mut state = shared.state();
        while state.letters.is_empty() && !state.reopen {
            if state.closing {
                return;
            }
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let reopen = std::mem::take(&mut state.reopen);
        let letter = state.letters.pop_front();
        drop(state);
        if reopen {
            match LetterFile::open(&file.path, file.max_bytes) {
                Ok(fresh) => file = fresh,
                Err(error) => shared.report.say(
                    "cannot reopen the dead-letter file",
                    format_args!("{}: {error}; the old file stays in use", file.path.display()),
                ),
            }
        }
        if let Some(letter) = letter {
            if let Err(error) = file.write(&letter.to_line()) {
                shared.lose(format_args!("{}: {error}", file.path.display()));
            }
            shared.state().waiting -= letter.cost();
            shared.changed.notify_all();
        }
    }
}

/// The file, and how far it is.
#[derive(Debug)]
struct LetterFile {
    path: PathBuf,
    file: File,
    /// Whether it is a regular file, which can be measured, cut and renamed.
    regular: bool,
    len: u64,
    /// Its last line has no end: a process that was killed has left it so, or a disk that was full.
    torn: bool,
    max_bytes: u64,
}

impl LetterFile {
    fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        let Appended { file, regular, len, torn } = append::open(path)?;
        Ok(Self { path: path.to_owned(), file, regular, len, torn, max_bytes })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let half = self.max_bytes / 2;
        let len = line.len() as u64;
        if self.regular {
            if len > half {
                return Err(io::Error::other("the letter is longer than half of what the files may have"));
            }
            if self.len + len > half {
                self.rotate()?;
            }
        }
        if self.torn {
            self.file.write_all(b"\n")?;
            self.len += 1;
            self.torn = false;
        }
        match self.file.write_all(line) {
            Ok(()) => {
                self.len += len;
                Ok(())
            }
            Err(error) => {
                // A line that is only half there is taken back, unless somebody else has written behind it.
                let on_disk = self.file.metadata()?.len();
                let mine = on_disk <= self.len + len;
                self.torn =
                    self.regular && on_disk > self.len && !(mine && self.file.set_len(self.len).is_ok());
                Err(error)
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, old)?;
        *self = Self::open(&self.path, self.max_bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_share_the_bound_and_the_older_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead");
        fs::write(&path, "torn").unwrap();
        let mut file = LetterFile::open(&path, 200).unwrap();
        for number in 0..100 {
            file.write(format!("letter {number:3}\n").as_bytes()).unwrap();
            let on_disk: u64 =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
            assert!(on_disk <= 200, "{on_disk}");
        }
        assert!(file.write(&[b'x'; 101]).is_err());
        let text =
            fs::read_to_string(folder.path().join("dead.1")).unwrap() + &fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = text.lines().collect();
        // The newest are there, in order and without a gap.
        let expected: Vec<String> =
            (100 - kept.len()..100).map(|number| format!("letter {number:3}")).collect();
        assert_eq!(kept, expected);
        assert!(kept.len() >= 9, "{}", kept.len());
    }

    #[test]
    fn a_torn_end_costs_no_other_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead");
        fs::write(&path, "whole\nhal").unwrap();
        LetterFile::open(&path, 1 << 20).unwrap().write(b"next\n").unwrap();
        LetterFile::open(&path, 1 << 20).unwrap().write(b"last\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nhal\nnext\nlast\n");
    }
}
