//! The sender for programs without an async runtime: a bounded queue and one thread behind it.
use std::{
    fmt, process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    compat::Compat,
    config::{FullPolicy, SenderConfig, SenderStats},
    link::{Link, TICK, Wrote},
    max_datagram_payload,
    message::{Message, Segment},
    state::{SenderState, Step},
};
use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
};

/// How much one vectored write takes at most.
const BATCH_RECORDS: usize = 128;
const BATCH_BYTES: usize = 256 * 1024;
/// How long to wait before answers are looked for: at first, and at most. A record ends the wait.
const ANSWERS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Sends payloads as frames, without making the caller wait for a network.
///
/// # Threads and forks
///
/// A sender is a handle: cloning it is cheap, all clones share one queue and one background thread, and
/// any thread may use any clone. When the last clone is dropped, the queue gets
/// [a last chance](SenderConfig::drop_timeout) and the thread ends.
///
/// A thread does not survive `fork`. In a child process every call returns an error of kind
/// [`Forked`](ErrorKind::Forked) without touching queue, locks or socket, so that the two processes never
/// mix their frames; the child makes a sender of its own.
///
/// # Examples
///
/// ```
/// use std::{io::Read, net::TcpListener, time::Duration};
/// use logrecord_transport::{Endpoint, sender::{Sender, SenderConfig}};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let endpoint = Endpoint::tcp(&listener.local_addr()?.to_string())?;
/// let sender = Sender::new(endpoint, SenderConfig::new())?;
/// sender.send(&b"}."[..])?;
/// sender.flush(Duration::from_secs(5))?;
///
/// let mut wire = [0; 6];
/// listener.accept()?.0.read_exact(&mut wire)?;
/// assert_eq!(&wire, b"\0\0\0\x02}.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Sender {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    /// The process that the thread lives in.
    process: u32,
    full: FullPolicy,
    drop_timeout: Duration,
    /// Whether a drop returns at once.
    detached: bool,
    endpoint: Endpoint,
}

pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For callers: there is room, or everything is written, or the thread has ended.
    changed: Condvar,
    /// The same for tasks.
    #[cfg(feature = "tokio")]
    pub(super) changed_async: tokio::sync::Notify,
    /// Python's way has neither queue nor thread.
    compat: Option<Mutex<Compat>>,
}

pub(super) struct Inner {
    pub(super) state: SenderState,
    /// Set when the sender is to end: no later than this.
    close_by: Option<Instant>,
    /// Whether the thread waits for work.
    waiting: bool,
    /// Callers that wait for a change.
    pub(super) waiters: usize,
    /// Whether the thread has ended.
    pub(super) ended: bool,
    last_error: Option<Arc<Error>>,
}

impl Sender {
    /// A sender to `endpoint`. It connects in the background, when the first record comes; a receiver that
    /// is not there yet is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if this platform or build has no such transport, [`ErrorKind::Tls`] if a
    /// TLS endpoint has no `TlsClient`, [`ErrorKind::Io`] if no thread can be started.
    pub fn new(endpoint: Endpoint, config: SenderConfig) -> Result<Self, Error> {
        check(&endpoint, &config)?;
        let state = match max_datagram_payload(endpoint.transport()) {
            Some(max) => SenderState::datagram(&config, max),
            None => SenderState::stream(&config),
        };
        let compat = config.cpython_compat.then(|| Mutex::new(Compat::new(endpoint.clone(), &config)));
        let queued = compat.is_none();
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                state,
                close_by: None,
                waiting: false,
                waiters: 0,
                ended: false,
                last_error: None,
            }),
            work: Condvar::new(),
            changed: Condvar::new(),
            #[cfg(feature = "tokio")]
            changed_async: tokio::sync::Notify::new(),
            compat,
        });
        let handle = Handle {
            shared: Arc::clone(&shared),
            process: process::id(),
            full: config.full,
            drop_timeout: config.drop_timeout,
            detached: config.detached,
            endpoint: endpoint.clone(),
        };
        if queued {
            thread::Builder::new()
                .name("logrecord-sender".to_owned())
                .spawn(move || {
                    // However the thread ends, nobody may wait for it in vain.
                    let _ended = EndGuard(&shared);
                    Worker {
                        shared: &shared,
                        endpoint,
                        config,
                        link: None,
                        stalled: None,
                        pause: ANSWERS.0,
                        segments: Vec::new(),
                        input: Vec::new(),
                    }
                    .run();
                })
                .map_err(|error| Error::io(ErrorKind::Io, error))?;
        }
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Queues a payload; it is sent behind a length prefix. The bytes are never looked at nor changed.
    ///
    /// This returns at once, unless the policy for a full queue is to block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if the record was dropped because the queue is full, [`ErrorKind::TooLong`] if
    /// no frame or datagram can carry it, [`ErrorKind::Closed`] after [`close`](Self::close),
    /// [`ErrorKind::Forked`] in a child process. With
    /// [`cpython_compat`](SenderConfig::cpython_compat) also whatever made Python drop it.
    pub fn send(&self, payload: impl Into<Message>) -> Result<(), Error> {
        let message = payload.into();
        self.send_with(message.payload.len(), || Ok(message))
    }

    /// Queues a message of `len` payload bytes that is made only when its turn has come: messages are sent in the
    /// order in which they are made, so that they can be numbered.
    ///
    /// `make` runs while the queue is locked, and must not use this sender.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and what `make` returns. A message that is too long, or that the policy for a full
    /// queue drops, has been made: its number is missing at the receiver, who so learns of the loss.
    pub fn send_with<E: From<Error>>(
        &self,
        len: usize,
        make: impl FnOnce() -> Result<Message, E>,
    ) -> Result<(), E> {
        self.check_process()?;
        let mut make = Some(make);
        let mut inner = self.lock();
        if let FullPolicy::Block(limit) = self.handle.full
            && !inner.is_decided(len)
        {
            inner = self.handle.shared.wait(inner, limit, |inner| inner.is_decided(len));
        }
        self.admit(inner, len, &mut make)
    }

    /// The same without waiting: where the policy is to block, the newest is dropped instead.
    ///
    /// # Errors
    ///
    /// As [`send_with`](Self::send_with).
    pub fn try_send_with<E: From<Error>>(
        &self,
        len: usize,
        make: impl FnOnce() -> Result<Message, E>,
    ) -> Result<(), E> {
        self.check_process()?;
        let inner = self.lock();
        self.admit(inner, len, &mut Some(make))
    }

    /// Takes a message, or drops one.
    pub(super) fn admit<E: From<Error>>(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        len: usize,
        make: &mut Option<impl FnOnce() -> Result<Message, E>>,
    ) -> Result<(), E> {
        if inner.is_closed() {
            return Err(Error::new(ErrorKind::Closed).into());
        }
        let Some(make) = make.take() else { return Ok(()) };
        if !inner.state.can_carry(len) {
            // A record that is lost leaves a gap in the numbers.
            make()?;
            return Err(Error::new(ErrorKind::TooLong).into());
        }
        if let Some(compat) = &self.handle.shared.compat {
            drop(inner);
            let mut compat = compat.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(compat.send(&make()?.payload)?);
        }
        let outcome = inner.state.handle_record(make()?);
        // A thread that writes or waits for its next attempt looks at the queue by itself.
        if inner.waiting {
            inner.waiting = false;
            drop(inner);
            self.handle.shared.work.notify_one();
        }
        Ok(outcome?)
    }

    /// Waits until everything that was queued is handed to the system or dropped; with
    /// [acknowledgements](SenderConfig::acks), until everything has its answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if that takes longer than `limit`, [`ErrorKind::Forked`] in a child process.
    pub fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.check_process()?;
        let inner = self.lock();
        let inner = self.handle.shared.wait(inner, limit, |inner| inner.state.is_empty() || inner.ended);
        if inner.state.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Timeout)) }
    }

    /// What became of all records so far. In a child process all counts are zero.
    pub fn stats(&self) -> SenderStats {
        if self.check_process().is_err() {
            return SenderStats::default();
        }
        match &self.handle.shared.compat {
            Some(compat) => compat.lock().unwrap_or_else(PoisonError::into_inner).stats(),
            None => self.lock().state.stats(),
        }
    }

    /// Why the last attempt to connect failed, or the last connection ended.
    pub fn last_error(&self) -> Option<Arc<Error>> {
        self.check_process().ok()?;
        self.lock().last_error.clone()
    }

    /// Where records go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.handle.endpoint
    }

    /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as dropped.
    /// All clones are closed by it. The final counts come back.
    pub fn close(&self, limit: Duration) -> SenderStats {
        self.handle.close(limit);
        self.stats()
    }

    /// A guard that flushes this sender when it is dropped, waiting at most `limit`. A program whose
    /// logger lives for ever keeps one in `main`.
    #[must_use = "the guard flushes when it is dropped"]
    pub fn guard(&self, limit: Duration) -> FlushGuard {
        FlushGuard { sender: self.clone(), limit }
    }

    pub(super) fn check_process(&self) -> Result<(), Error> {
        if self.handle.process == process::id() { Ok(()) } else { Err(Error::new(ErrorKind::Forked)) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.handle.shared.lock()
    }

    #[cfg(feature = "tokio")]
    pub(super) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// How long a full queue may keep a caller waiting.
    #[cfg(feature = "tokio")]
    pub(super) fn patience(&self) -> Duration {
        match self.handle.full {
            FullPolicy::Block(limit) => limit,
            _ => Duration::ZERO,
        }
    }

    /// Begins to close, without waiting for the end.
    #[cfg(feature = "tokio")]
    pub(super) fn begin_close(&self, limit: Duration) {
        self.handle.begin_close(limit);
    }

    /// Gives up what is queued if the thread has not ended in time.
    #[cfg(feature = "tokio")]
    pub(super) fn abandon(&self) {
        self.handle.abandon(self.lock());
    }
}

impl Inner {
    pub(super) const fn is_closed(&self) -> bool {
        self.close_by.is_some() || self.ended
    }

    /// Whether there is no use in waiting for room: there is some, or there will be none.
    pub(super) fn is_decided(&self, len: usize) -> bool {
        self.is_closed() || !self.state.can_carry(len) || self.state.has_room(len)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("endpoint", &self.handle.endpoint).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all callers that wait for a change.
    fn notify(&self) {
        self.changed.notify_all();
        #[cfg(feature = "tokio")]
        self.changed_async.notify_waiters();
    }

    /// Waits until `done`, or until the limit has passed.
    fn wait<'a>(
        &self,
        mut inner: MutexGuard<'a, Inner>,
        limit: Duration,
        done: impl Fn(&Inner) -> bool,
    ) -> MutexGuard<'a, Inner> {
        inner.waiters += 1;
        // A limit that the clock cannot hold means: as long as it takes. The wait is cut into days.
        let by = Instant::now().checked_add(limit);
        while !done(&inner) {
            let left = by.map_or(DAY, |by| by.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            inner = self.changed.wait_timeout(inner, left.min(DAY)).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.waiters -= 1;
        inner
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl Handle {
    fn close(&self, limit: Duration) {
        if !self.begin_close(limit) {
            return;
        }
        // The thread keeps to the limit, but a system call of its may take a little longer.
        let limit = limit.saturating_add(TICK * 3);
        let inner = self.shared.wait(self.shared.lock(), limit, |inner| inner.ended);
        self.abandon(inner);
    }

    /// Tells the thread to end; whether there is one.
    fn begin_close(&self, limit: Duration) -> bool {
        if self.process != process::id() {
            return false;
        }
        let mut inner = self.shared.lock();
        let by = Instant::now().checked_add(limit);
        let by = by.unwrap_or_else(|| Instant::now() + DAY);
        inner.close_by = Some(inner.close_by.map_or(by, |earlier| earlier.min(by)));
        if self.shared.compat.is_some() {
            return false;
        }
        inner.state.handle_closing();
        inner.waiting = false;
        self.shared.work.notify_one();
        true
    }

    /// The thread hangs in a system call (a name server, say), if it has not ended. What is queued is given up
    /// here and now; the thread finds an empty queue when it comes back.
    fn abandon(&self, mut inner: MutexGuard<'_, Inner>) {
        if !inner.ended && self.shared.compat.is_none() {
            inner.state.handle_closed();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.detached {
            self.begin_close(self.drop_timeout);
        } else {
            self.close(self.drop_timeout);
        }
    }
}

/// Flushes a sender when it is dropped; see [`Sender::guard`].
#[derive(Debug)]
pub struct FlushGuard {
    sender: Sender,
    limit: Duration,
}

impl Drop for FlushGuard {
    fn drop(&mut self) {
        // A queue that does not empty in time stays queued, and is counted where the sender ends.
        drop(self.sender.flush(self.limit));
    }
}

/// Marks the thread's end, even if it ends by a panic.
struct EndGuard<'a>(&'a Shared);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.ended = true;
        inner.state.handle_closed();
        drop(inner);
        self.0.notify();
    }
}

/// The background thread.
struct Worker<'a> {
    shared: &'a Shared,
    endpoint: Endpoint,
    config: SenderConfig,
    link: Option<Link>,
    /// Since when the receiver takes nothing.
    stalled: Option<Instant>,
    /// How long to wait before answers are looked for.
    pause: Duration,
    segments: Vec<Segment>,
    /// What came back.
    input: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn run(mut self) {
        let mut inner = self.shared.lock();
        loop {
            let now = Instant::now();
            let step = inner.state.poll(now);
            if let Some(by) = inner.close_by {
                // There is no use in waiting for an attempt that comes too late.
                let hopeless = matches!(step, Step::Wait(at) if at >= by);
                if step == Step::Idle || now >= by || hopeless {
                    return;
                }
            }
            inner = match step {
                Step::Idle => {
                    if inner.waiters > 0 {
                        self.shared.notify();
                    }
                    inner.waiting = true;
                    let look = inner.state.is_unchecked();
                    let mut inner = if look {
                        self.shared.work.wait_timeout(inner, TICK).unwrap_or_else(PoisonError::into_inner).0
                    } else {
                        self.shared.work.wait(inner).unwrap_or_else(PoisonError::into_inner)
                    };
                    inner.waiting = false;
                    if look && inner.state.is_empty() { self.look(inner) } else { inner }
                }
                Step::Wait(at) => {
                    if inner.waiters > 0 && inner.state.is_empty() {
                        self.shared.notify();
                    }
                    // Without a connection a new record changes nothing.
                    inner.waiting = inner.state.is_connected();
                    let until = inner.close_by.map_or(at, |by| by.min(at));
                    let left = until.saturating_duration_since(now).min(DAY);
                    self.shared.work.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
                Step::AwaitAcks(at) => self.await_acks(inner, at),
                Step::Connect => {
                    inner.state.handle_connecting(now);
                    drop(inner);
                    let link = Link::connect(&self.endpoint, &self.config);
                    let mut inner = self.shared.lock();
                    self.stalled = None;
                    match link {
                        Ok(link) => {
                            inner.state.handle_connected();
                            self.link = Some(link);
                        }
                        Err(error) => {
                            inner.state.handle_connect_failed();
                            inner.last_error = Some(Arc::new(error));
                        }
                    }
                    inner
                }
                Step::Write => self.write(inner),
            };
        }
    }

    /// A moment after a write, with nothing more to write: a connection that is well then takes the doubt
    /// from what was written.
    fn look(&mut self, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        drop(inner);
        let alive = self.is_alive();
        let mut inner = self.shared.lock();
        match inner.state.handle_input(&self.input) {
            Ok(()) if alive => inner.state.handle_alive(),
            Ok(()) => self.break_off(&mut inner, ended()),
            Err(error) => self.break_off(&mut inner, Arc::new(error)),
        }
        inner
    }

    /// Whether the peer is still there. What it says is in `input` afterwards.
    fn is_alive(&mut self) -> bool {
        self.input.clear();
        self.link.as_mut().is_some_and(|link| link.read_back(&mut self.input))
    }

    /// Waits for answers, and for records if any may be written.
    fn await_acks(&mut self, mut inner: MutexGuard<'a, Inner>, at: Instant) -> MutexGuard<'a, Inner> {
        let now = Instant::now();
        let until = inner.close_by.map_or(at, |by| by.min(at));
        let left = until.saturating_duration_since(now).min(TICK);
        if inner.state.is_window_full() {
            drop(inner);
            if let Some(link) = &self.link {
                link.wait_readable(left);
            }
        } else {
            inner.waiting = true;
            let wait = self.shared.work.wait_timeout(inner, left.min(self.pause));
            let (mut woken, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
            woken.waiting = false;
            if !timeout.timed_out() {
                return woken;
            }
            drop(woken);
            self.pause = (self.pause * 2).min(ANSWERS.1);
        }
        let inner = self.look(self.shared.lock());
        if !self.input.is_empty() {
            self.pause = ANSWERS.0;
        }
        if inner.waiters > 0 && inner.state.is_half_empty() {
            self.shared.notify();
        }
        inner
    }

    fn break_off(&mut self, inner: &mut Inner, error: Arc<Error>) {
        self.link = None;
        self.stalled = None;
        inner.state.handle_broken();
        let unheard = inner.state.is_unheard();
        inner.last_error = Some(if unheard { Arc::new(Error::new(ErrorKind::Unanswered)) } else { error });
    }

    fn write(&mut self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        inner.state.segments(BATCH_RECORDS, BATCH_BYTES, &mut self.segments);
        drop(inner);
        let outcome = match self.is_alive() {
            true => self.link.as_mut().map(|link| link.write(&self.segments)),
            false => None,
        };
        // The payloads' memory goes back without the lock.
        self.segments.clear();
        self.pause = ANSWERS.0;
        let shared = self.shared;
        let mut inner = shared.lock();
        let mut broken = None;
        match outcome {
            None => broken = Some(ended()),
            Some(outcome) => {
                inner.state.handle_alive();
                match outcome {
                    Wrote::Bytes(written) => {
                        self.stalled = None;
                        inner.state.handle_written(written);
                    }
                    Wrote::Again => {
                        let now = Instant::now();
                        let since = *self.stalled.get_or_insert(now);
                        if now.saturating_duration_since(since) >= self.config.write_timeout {
                            broken = Some(Arc::new(Error::new(ErrorKind::Timeout)));
                        }
                        if self.endpoint.transport() == Transport::Udp {
                            drop(inner);
                            thread::sleep(TICK / 10);
                            inner = shared.lock();
                        }
                    }
                    Wrote::Refused => inner.state.handle_refused(),
                    Wrote::Unreachable => inner.state.handle_unreachable(),
                    Wrote::Broken(error) => broken = Some(Arc::new(Error::io(ErrorKind::Io, error))),
                }
            }
        }
        // What came back counts, whatever became of the write.
        if let Err(error) = inner.state.handle_input(&self.input) {
            broken = Some(Arc::new(error));
        }
        if let Some(error) = broken {
            self.break_off(&mut inner, error);
        }
        if inner.waiters > 0 && inner.state.is_half_empty() {
            shared.notify();
        }
        inner
    }
}

/// The peer has closed the connection.
fn ended() -> Arc<Error> {
    Arc::new(Error::io(ErrorKind::Io, std::io::ErrorKind::ConnectionAborted.into()))
}

/// Whether a sender of this kind can be made at all.
pub(super) fn check(endpoint: &Endpoint, config: &SenderConfig) -> Result<(), Error> {
    match endpoint.transport() {
        Transport::Tcp | Transport::Udp => Ok(()),
        Transport::Unix | Transport::UnixDatagram if cfg!(unix) => Ok(()),
        // Python's handlers know no TLS, so there is no behaviour to copy.
        Transport::Tls if config.cpython_compat => Err(Error::new(ErrorKind::Unsupported)),
        #[cfg(feature = "tls")]
        Transport::Tls => match &config.tls {
            Some(client) => client.name_for(endpoint.host().unwrap_or_default()).map(drop),
            None => Err(Error::new(ErrorKind::Tls)),
        },
        _ => Err(Error::new(ErrorKind::Unsupported)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_process_is_refused_before_any_lock() {
        let endpoint = Endpoint::tcp("127.0.0.1:9").unwrap();
        let sender = Sender::new(endpoint.clone(), SenderConfig::new()).unwrap();
        // As after a fork: the same memory, another process, and a lock that a lost thread holds.
        let child = Sender {
            handle: Arc::new(Handle {
                shared: Arc::clone(&sender.handle.shared),
                process: process::id().wrapping_add(1),
                full: FullPolicy::Block(DAY),
                drop_timeout: DAY,
                detached: false,
                endpoint,
            }),
        };
        let held = sender.lock();
        assert_eq!(child.send(&b"x"[..]).unwrap_err().kind(), ErrorKind::Forked);
        assert_eq!(child.flush(DAY).unwrap_err().kind(), ErrorKind::Forked);
        assert_eq!(child.close(DAY), SenderStats::default());
        drop(child);
        drop(held);
        assert_eq!(sender.stats().accepted, 0);
    }
}
