//! Standard error, which may be closed, full, or never read: none of that may stop or end the program.
//!
//! The commands that run to an end write with [`say`]. `serve` has a [`Stderr`]: a bounded queue and a thread of
//! its own, so that nobody who has something to report ever waits for whoever should read it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::terminal;

/// Lines that wait for standard error; what does not fit is counted.
const MAX_LINES: usize = 1_024;

/// Their bytes.
const MAX_BYTES: usize = 256 << 10;

/// Writes a line that begins with the program's name. A standard error that takes nothing is no fault.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    line(&format!("logrecord: {text}\n"));
}

/// The same for what is no fault, unless `--quiet` asks for faults alone.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    if !terminal::is_quiet() {
        say(text);
    }
}

/// Writes lines that have a place of their own to name.
pub(crate) fn lines(text: &str) {
    line(&format!("{text}\n"));
}

/// Shows how far a long command is, on a terminal, in place of what it showed before.
pub(crate) fn progress(text: &str) {
    line(&format!("\r\x1b[K{text}"));
}

/// Writes bytes that end in a line feed, in one call.
fn line(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines that did not fit since the last one that was written.
    lost: u64,
    writing: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was queued, or the queue was closed.
    filled: Condvar,
    /// Everything was written.
    idle: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue of lines in front of standard error.
#[derive(Debug)]
pub(crate) struct Stderr {
    shared: Arc<Shared>,
}

impl Stderr {
    /// Starts the thread that writes.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        // It is never joined: a write that hangs must not keep the program from ending.
        thread::Builder::new().name("stderr".to_owned()).spawn(move || write(&writer, line))?;
        Ok(Self { shared })
    }

    /// A queue that nobody writes from.
    #[cfg(test)]
    pub(crate) fn unread() -> Self {
        Self { shared: Arc::default() }
    }

    /// Queues a line, without its line feed, or counts it as lost. It never blocks.
    pub(crate) fn line(&self, mut text: String) {
        text.push('\n');
        let mut state = self.shared.state();
        if state.lines.len() >= MAX_LINES || state.bytes.saturating_add(text.len()) > MAX_BYTES {
            state.lost = state.lost.saturating_add(1);
            return;
        }
        state.bytes += text.len();
        state.lines.push_back(text);
        drop(state);
        self.shared.filled.notify_one();
    }

    /// Waits until every line is written, but no longer than `limit`.
    pub(crate) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state();
        while state.writing || !state.lines.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.filled.notify_one();
    }
}

/// Takes line after line out of the queue, until it is closed and empty.
fn write(shared: &Shared, mut out: impl FnMut(&str)) {
    loop {
        let mut state = shared.state();
        state.writing = false;
        while state.lines.is_empty() {
            shared.idle.notify_all();
            if state.closed {
                return;
            }
            state = shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let text = state.lines.pop_front().unwrap_or_default();
        state.bytes = state.bytes.saturating_sub(text.len());
        let lost = std::mem::take(&mut state.lost);
        state.writing = true;
        drop(state);
        out(&text);
        if lost > 0 {
            out(&format!("logrecord: {lost} lines were not written: standard error did not take them\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_never_time_or_memory() {
        let stderr = Stderr::unread();
        let shared = Arc::clone(&stderr.shared);
        for number in 0..3_000 {
            stderr.line(format!("line {number}"));
        }
        assert_eq!(shared.state().lines.len(), MAX_LINES);
        stderr.line("x".repeat(MAX_BYTES));
        // Nobody writes, so that only the limit ends the wait.
        stderr.flush(Duration::from_millis(1));
        let (sender, written) = channel();
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared, |text| sender.send(text.to_owned()).unwrap()))
        };
        stderr.flush(Duration::from_secs(60));
        drop(stderr);
        writer.join().unwrap();
        let lines: Vec<String> = written.iter().collect();
        assert_eq!(lines.len(), MAX_LINES + 1);
        assert!(lines.iter().any(|line| line.contains(" 1977 lines were not written")), "{lines:?}");
    }
}
