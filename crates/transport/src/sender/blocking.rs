//! The sender for programs without an async runtime: a bounded queue and one thread behind it.
use std::{
    fmt, process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    compat::Compat,
    config::{FullPolicy, SenderConfig, SenderStats},
    link::{Link, TICK, Wrote},
    max_datagram_payload,
    state::{SenderState, Step},
};
use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
};

/// How much one vectored write takes at most.
const BATCH_RECORDS: usize = 128;
const BATCH_BYTES: usize = 256 * 1024;

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
    endpoint: Endpoint,
}

struct Shared {
    inner: Mutex<Inner>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For callers: there is room, or everything is written, or the thread has ended.
    changed: Condvar,
    /// Python's way has neither queue nor thread.
    compat: Option<Mutex<Compat>>,
}

struct Inner {
    state: SenderState,
    /// Set when the sender is to end: no later than this.
    close_by: Option<Instant>,
    /// Whether the thread waits for work.
    waiting: bool,
    /// Callers that wait for `changed`.
    waiters: usize,
    /// Whether the thread has ended.
    ended: bool,
    last_error: Option<Arc<Error>>,
}

impl Sender {
    /// A sender to `endpoint`. It connects in the background, when the first record comes; a receiver that
    /// is not there yet is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if this platform or build has no such transport, [`ErrorKind::Tls`] if a
    /// TLS endpoint has no [`TlsClient`](crate::TlsClient), [`ErrorKind::Io`] if no thread can be started.
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
            compat,
        });
        let handle = Handle {
            shared: Arc::clone(&shared),
            process: process::id(),
            full: config.full,
            drop_timeout: config.drop_timeout,
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
                        segments: Vec::new(),
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
    pub fn send(&self, payload: impl Into<Bytes>) -> Result<(), Error> {
        let payload = payload.into();
        self.check_process()?;
        if let Some(compat) = &self.handle.shared.compat {
            if self.lock().close_by.is_some() {
                return Err(Error::new(ErrorKind::Closed));
            }
            return compat.lock().unwrap_or_else(PoisonError::into_inner).send(&payload);
        }
        let mut inner = self.lock();
        if let FullPolicy::Block(limit) = self.handle.full
            && !inner.state.has_room(payload.len())
            && inner.close_by.is_none()
        {
            inner = self.handle.shared.wait(inner, limit, |inner| {
                inner.state.has_room(payload.len()) || inner.close_by.is_some() || inner.ended
            });
        }
        if inner.close_by.is_some() || inner.ended {
            return Err(Error::new(ErrorKind::Closed));
        }
        let outcome = inner.state.handle_record(payload);
        // A thread that writes or waits for its next attempt looks at the queue by itself.
        if inner.waiting {
            inner.waiting = false;
            drop(inner);
            self.handle.shared.work.notify_one();
        }
        outcome
    }

    /// Waits until everything that was queued is handed to the system or dropped.
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

    fn check_process(&self) -> Result<(), Error> {
        if self.handle.process == process::id() { Ok(()) } else { Err(Error::new(ErrorKind::Forked)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.handle.shared.lock()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("endpoint", &self.handle.endpoint).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
        if self.process != process::id() {
            return;
        }
        let mut inner = self.shared.lock();
        let by = Instant::now().checked_add(limit);
        let by = by.unwrap_or_else(|| Instant::now() + DAY);
        inner.close_by = Some(inner.close_by.map_or(by, |earlier| earlier.min(by)));
        if self.shared.compat.is_some() {
            return;
        }
        inner.state.handle_closing();
        inner.waiting = false;
        self.shared.work.notify_one();
        // The thread keeps to the limit, but a system call of its may take a little longer.
        let inner = self.shared.wait(inner, limit.saturating_add(TICK * 3), |inner| inner.ended);
        if !inner.ended {
            // It hangs in a system call (a name server, say). What is queued is given up here and now; the
            // thread finds an empty queue when it comes back.
            let mut inner = inner;
            inner.state.handle_closed();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close(self.drop_timeout);
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
        self.0.changed.notify_all();
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
    segments: Vec<super::state::Segment>,
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
                        self.shared.changed.notify_all();
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
                        self.shared.changed.notify_all();
                    }
                    // Without a connection a new record changes nothing.
                    inner.waiting = inner.state.is_connected();
                    let until = inner.close_by.map_or(at, |by| by.min(at));
                    let left = until.saturating_duration_since(now).min(DAY);
                    self.shared.work.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
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
        let alive = self.link.as_mut().is_some_and(Link::is_alive);
        let mut inner = self.shared.lock();
        if alive {
            inner.state.handle_alive();
        } else {
            self.link = None;
            inner.state.handle_broken();
            inner.last_error = Some(ended());
        }
        inner
    }

    fn write(&mut self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        let Some(link) = &mut self.link else {
            inner.state.handle_broken();
            return inner;
        };
        inner.state.segments(BATCH_RECORDS, BATCH_BYTES, &mut self.segments);
        drop(inner);
        let outcome = link.is_alive().then(|| link.write(&self.segments));
        // The payloads' memory goes back without the lock.
        self.segments.clear();
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
        if broken.is_some() {
            inner.last_error = broken;
            self.link = None;
            self.stalled = None;
            inner.state.handle_broken();
        }
        if inner.waiters > 0 && inner.state.is_half_empty() {
            shared.changed.notify_all();
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
