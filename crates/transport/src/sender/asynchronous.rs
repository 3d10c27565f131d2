//! The sender for programs that live on tokio: the same queue and the same decisions, a task behind it.
use std::{
    fmt, io,
    io::IoSlice,
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    net::{TcpStream, UdpSocket, lookup_host},
    sync::Notify,
    time::{sleep_until, timeout, timeout_at},
};

use super::{
    blocking::check,
    config::{FullPolicy, SenderConfig, SenderStats},
    link::{Wrote, of_datagram, of_stream},
    max_datagram_payload,
    state::{Segment, SenderState, Step},
};
use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
};

const BATCH_RECORDS: usize = 128;
const BATCH_BYTES: usize = 256 * 1024;
/// How long after a write the connection is looked at again.
const LOOK: Duration = Duration::from_millis(100);
const YEAR: Duration = Duration::from_secs(31_536_000);

/// Sends payloads as frames, from a task of the runtime that made it.
///
/// It is a handle as [`Sender`](super::Sender) is, with the same queue, policies, counts and behaviour
/// after a fork. When the last clone is dropped, its task goes on for the
/// [drop timeout](SenderConfig::drop_timeout) at most; a program that ends its runtime awaits
/// [`close`](Self::close) before.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use logrecord_transport::{Endpoint, sender::{AsyncSender, SenderConfig}};
/// use tokio::{io::AsyncReadExt, net::TcpListener};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let endpoint = Endpoint::tcp(&listener.local_addr()?.to_string())?;
/// let sender = AsyncSender::new(endpoint, SenderConfig::new())?;
/// sender.send(&b"}."[..]).await?;
/// let stats = sender.close(Duration::from_secs(5)).await;
/// assert_eq!((stats.written, stats.dropped), (1, 0));
///
/// let mut wire = [0; 6];
/// listener.accept().await?.0.read_exact(&mut wire).await?;
/// assert_eq!(&wire, b"\0\0\0\x02}.");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AsyncSender {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    process: u32,
    full: FullPolicy,
    drop_timeout: Duration,
    endpoint: Endpoint,
}

struct Shared {
    inner: Mutex<Inner>,
    /// For the task.
    work: Notify,
    /// For callers.
    changed: Notify,
}

struct Inner {
    state: SenderState,
    close_by: Option<Instant>,
    ended: bool,
    last_error: Option<Arc<Error>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done`, at most until `limit` has passed; whether it is.
    async fn wait(&self, limit: Duration, done: impl Fn(&Inner) -> bool) -> bool {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if done(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        timeout(limit, waiting).await.is_ok()
    }
}

impl AsyncSender {
    /// A sender to `endpoint`. It must be made within a tokio runtime, and connects when the first record
    /// comes.
    ///
    /// # Errors
    ///
    /// As [`Sender::new`](super::Sender::new); [`ErrorKind::Unsupported`] also for
    /// [`cpython_compat`](SenderConfig::cpython_compat), whose behaviour is to block.
    pub fn new(endpoint: Endpoint, config: SenderConfig) -> Result<Self, Error> {
        check(&endpoint, &config)?;
        if config.cpython_compat {
            return Err(Error::new(ErrorKind::Unsupported));
        }
        let state = match max_datagram_payload(endpoint.transport()) {
            Some(max) => SenderState::datagram(&config, max),
            None => SenderState::stream(&config),
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner { state, close_by: None, ended: false, last_error: None }),
            work: Notify::new(),
            changed: Notify::new(),
        });
        let handle = Handle {
            shared: Arc::clone(&shared),
            process: process::id(),
            full: config.full,
            drop_timeout: config.drop_timeout,
            endpoint: endpoint.clone(),
        };
        let ended = EndGuard(shared);
        tokio::spawn(async move {
            Worker { shared: &ended.0, endpoint, config, link: None, segments: Vec::new() }.run().await;
        });
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Queues a payload, waiting for room if that is the policy.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`](super::Sender::send).
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), Error> {
        let payload = payload.into();
        self.check_process()?;
        if let FullPolicy::Block(limit) = self.handle.full {
            let len = payload.len();
            let has_room =
                |inner: &Inner| inner.state.has_room(len) || inner.close_by.is_some() || inner.ended;
            self.handle.shared.wait(limit, has_room).await;
        }
        self.try_send(payload)
    }

    /// Queues a payload at once; where the policy is to wait, this drops the newest instead.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.check_process()?;
        let mut inner = self.handle.shared.lock();
        if inner.close_by.is_some() || inner.ended {
            return Err(Error::new(ErrorKind::Closed));
        }
        let outcome = inner.state.handle_record(payload.into());
        drop(inner);
        self.handle.shared.work.notify_one();
        outcome
    }

    /// Waits until everything that was queued is handed to the system or dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if that takes longer than `limit`, [`ErrorKind::Forked`] in a child process.
    pub async fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.check_process()?;
        self.handle.shared.wait(limit, |inner| inner.state.is_empty() || inner.ended).await;
        if self.handle.shared.lock().state.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Timeout)) }
    }

    /// What became of all records so far. In a child process all counts are zero.
    pub fn stats(&self) -> SenderStats {
        if self.check_process().is_err() {
            return SenderStats::default();
        }
        self.handle.shared.lock().state.stats()
    }

    /// Why the last attempt to connect failed, or the last connection ended.
    pub fn last_error(&self) -> Option<Arc<Error>> {
        self.check_process().ok()?;
        self.handle.shared.lock().last_error.clone()
    }

    /// Where records go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.handle.endpoint
    }

    /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as dropped.
    pub async fn close(&self, limit: Duration) -> SenderStats {
        if self.check_process().is_ok() {
            self.handle.close_within(limit);
            if !self.handle.shared.wait(limit.saturating_add(LOOK), |inner| inner.ended).await {
                self.handle.shared.lock().state.handle_closed();
            }
        }
        self.stats()
    }

    fn check_process(&self) -> Result<(), Error> {
        if self.handle.process == process::id() { Ok(()) } else { Err(Error::new(ErrorKind::Forked)) }
    }
}

impl fmt::Debug for AsyncSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSender").field("endpoint", &self.handle.endpoint).finish_non_exhaustive()
    }
}

impl Handle {
    fn close_within(&self, limit: Duration) {
        let mut inner = self.shared.lock();
        let by = Instant::now() + limit.min(YEAR);
        inner.close_by = Some(inner.close_by.map_or(by, |earlier| earlier.min(by)));
        inner.state.handle_closing();
        drop(inner);
        self.shared.work.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.process == process::id() {
            self.close_within(self.drop_timeout);
        }
    }
}

/// Marks the task's end, also when its runtime is shut down around it.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.ended = true;
        inner.state.handle_closed();
        drop(inner);
        self.0.changed.notify_waiters();
    }
}

enum Link {
    Tcp(TcpStream),
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    #[cfg(unix)]
    UnixDatagram(tokio::net::UnixDatagram),
    /// A TLS connection, and the plaintext that it took and has not sent.
    #[cfg(feature = "tls")]
    Tls(Box<crate::tls_stream::TlsStream>, usize),
}

impl Link {
    async fn connect(endpoint: &Endpoint, config: &SenderConfig) -> Result<Self, Error> {
        let failed = |error| Error::io(ErrorKind::Connect, error);
        match endpoint.transport() {
            Transport::Tcp => connect_tcp(endpoint, config).await.map(Self::Tcp),
            Transport::Udp => {
                let addresses = resolve(endpoint).await?;
                let socket = super::link::connect_udp_to(&addresses)?;
                socket.set_nonblocking(true).map_err(failed)?;
                UdpSocket::from_std(socket).map(Self::Udp).map_err(failed)
            }
            #[cfg(unix)]
            Transport::Unix => {
                let socket = super::link::connect_unix(endpoint, socket2::Type::STREAM)?;
                let stream = std::os::unix::net::UnixStream::from(socket);
                stream.set_nonblocking(true).map_err(failed)?;
                tokio::net::UnixStream::from_std(stream).map(Self::Unix).map_err(failed)
            }
            #[cfg(unix)]
            Transport::UnixDatagram => {
                let socket = super::link::connect_unix(endpoint, socket2::Type::DGRAM)?;
                let socket = std::os::unix::net::UnixDatagram::from(socket);
                socket.set_nonblocking(true).map_err(failed)?;
                tokio::net::UnixDatagram::from_std(socket).map(Self::UnixDatagram).map_err(failed)
            }
            #[cfg(feature = "tls")]
            Transport::Tls => {
                let client = config.tls.as_ref().ok_or(Error::new(ErrorKind::Tls))?;
                let name = client.name_for(endpoint.host().unwrap_or_default())?;
                let tls = rustls::ClientConnection::new(Arc::clone(&client.config), name)
                    .map_err(|error| Error::io(ErrorKind::Tls, io::Error::other(error)))?;
                let tcp = connect_tcp(endpoint, config).await?;
                let limit = config.connect_timeout.max(super::link::HANDSHAKE);
                match timeout(limit, crate::tls_stream::TlsStream::establish(tcp, tls.into())).await {
                    Ok(Ok(stream)) => Ok(Self::Tls(Box::new(stream), 0)),
                    Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                        Err(Error::io(ErrorKind::Tls, error))
                    }
                    Ok(Err(error)) => Err(failed(error)),
                    Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
                }
            }
            #[cfg(not(all(unix, feature = "tls")))]
            _ => Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// See the blocking twin: what can be read is the end.
    fn is_alive(&mut self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Tcp(stream) => super::link::is_open(stream),
            #[cfg(not(unix))]
            Self::Tcp(stream) => match stream.try_read(&mut [0; 1]) {
                Ok(read) => read > 0,
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            },
            #[cfg(unix)]
            Self::Unix(stream) => super::link::is_open(stream),
            #[cfg(feature = "tls")]
            Self::Tls(stream, _) => {
                let mut said = bytes::BytesMut::with_capacity(512);
                loop {
                    said.clear();
                    match stream.try_read(&mut said) {
                        Ok(0) => return false,
                        Ok(_) => {}
                        Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                    }
                }
            }
            _ => true,
        }
    }

    fn try_write(&mut self, segments: &[Segment]) -> Wrote {
        let mut slices = Vec::with_capacity(2 * segments.len());
        for segment in segments {
            if !segment.prefix().is_empty() {
                slices.push(IoSlice::new(segment.prefix()));
            }
            slices.push(IoSlice::new(segment.payload()));
        }
        match self {
            Self::Tcp(stream) => of_stream(stream.try_write_vectored(&slices)),
            #[cfg(unix)]
            Self::Unix(stream) => of_stream(stream.try_write_vectored(&slices)),
            Self::Udp(socket) => {
                let sent = socket.try_io(tokio::io::Interest::WRITABLE, || {
                    socket2::SockRef::from(&*socket).send_vectored(&slices)
                });
                of_datagram(sent, true)
            }
            #[cfg(unix)]
            Self::UnixDatagram(socket) => {
                let sent = socket.try_io(tokio::io::Interest::WRITABLE, || {
                    socket2::SockRef::from(&*socket).send_vectored(&slices)
                });
                of_datagram(sent, false)
            }
            #[cfg(feature = "tls")]
            Self::Tls(stream, pending) => {
                if *pending == 0 {
                    let mut record = Vec::with_capacity(super::link::RECORD);
                    for slice in &slices {
                        let room = super::link::RECORD - record.len();
                        record.extend_from_slice(slice.get(..room).unwrap_or(slice));
                    }
                    if let Err(error) = stream.take(&record) {
                        return Wrote::Broken(error);
                    }
                    *pending = record.len();
                }
                match stream.try_flush() {
                    Ok(()) => Wrote::Bytes(std::mem::take(pending)),
                    Err(error) => match of_stream(Err(error)) {
                        Wrote::Bytes(_) => Wrote::Again,
                        other => other,
                    },
                }
            }
        }
    }

    async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Udp(socket) => socket.writable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.writable().await,
            #[cfg(unix)]
            Self::UnixDatagram(socket) => socket.writable().await,
            #[cfg(feature = "tls")]
            Self::Tls(stream, _) => stream.writable().await,
        }
    }
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<std::net::SocketAddr>, Error> {
    let host = endpoint.host().ok_or(Error::new(ErrorKind::Endpoint))?;
    let found = lookup_host((host, endpoint.port().unwrap_or(0))).await;
    Ok(found.map_err(|error| Error::io(ErrorKind::Resolve, error))?.collect())
}

async fn connect_tcp(endpoint: &Endpoint, config: &SenderConfig) -> Result<TcpStream, Error> {
    let mut last = Error::new(ErrorKind::Resolve);
    for address in resolve(endpoint).await? {
        let outcome = match timeout(config.connect_timeout, TcpStream::connect(address)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match outcome {
            Ok(stream) if stream.local_addr().ok() == Some(address) => {
                // The kernel gave the receiver's free port to this very socket.
                last = Error::io(ErrorKind::Connect, io::ErrorKind::ConnectionRefused.into());
            }
            Ok(stream) => match stream.set_nodelay(true) {
                Ok(()) => return Ok(stream),
                Err(error) => last = Error::io(ErrorKind::Connect, error),
            },
            Err(error) => last = Error::io(ErrorKind::Connect, error),
        }
    }
    Err(last)
}

struct Worker<'a> {
    shared: &'a Shared,
    endpoint: Endpoint,
    config: SenderConfig,
    link: Option<Link>,
    segments: Vec<Segment>,
}

impl Worker<'_> {
    async fn run(&mut self) {
        loop {
            let now = Instant::now();
            let (step, close_by, unchecked) = {
                let mut inner = self.shared.lock();
                let step = inner.state.poll(now);
                if step == Step::Connect {
                    inner.state.handle_connecting(now);
                }
                (step, inner.close_by, inner.state.is_unchecked())
            };
            if let Some(by) = close_by {
                let hopeless = matches!(step, Step::Wait(at) if at >= by);
                if step == Step::Idle || now >= by || hopeless {
                    return;
                }
            }
            match step {
                Step::Idle => {
                    self.shared.changed.notify_waiters();
                    if unchecked && self.link.is_some() {
                        if timeout(LOOK, self.shared.work.notified()).await.is_err() {
                            self.look();
                        }
                    } else {
                        self.shared.work.notified().await;
                    }
                }
                Step::Wait(at) => {
                    self.shared.changed.notify_waiters();
                    tokio::select! {
                        () = sleep_until(at.into()) => {}
                        // A new record changes nothing; being closed does.
                        () = self.shared.work.notified() => {}
                    }
                }
                Step::Connect => self.connect(close_by).await,
                Step::Write => self.write().await,
            }
        }
    }

    async fn connect(&mut self, close_by: Option<Instant>) {
        let connecting = Link::connect(&self.endpoint, &self.config);
        let by = close_by.unwrap_or_else(|| Instant::now() + YEAR);
        let outcome = match timeout_at(by.into(), connecting).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(ErrorKind::Timeout)),
        };
        let mut inner = self.shared.lock();
        match outcome {
            Ok(link) => {
                inner.state.handle_connected();
                self.link = Some(link);
            }
            Err(error) => {
                inner.state.handle_connect_failed();
                inner.last_error = Some(Arc::new(error));
            }
        }
    }

    /// Looks at a connection on which nothing happens.
    fn look(&mut self) {
        let alive = self.link.as_mut().is_some_and(Link::is_alive);
        if alive {
            self.shared.lock().state.handle_alive();
        } else {
            self.broken(None);
        }
    }

    fn broken(&mut self, error: Option<io::Error>) {
        self.link = None;
        let mut inner = self.shared.lock();
        inner.state.handle_broken();
        let error = error.unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into());
        inner.last_error = Some(Arc::new(Error::io(ErrorKind::Io, error)));
    }

    async fn write(&mut self) {
        let Some(link) = &mut self.link else {
            self.shared.lock().state.handle_broken();
            return;
        };
        self.shared.lock().state.segments(BATCH_RECORDS, BATCH_BYTES, &mut self.segments);
        if !link.is_alive() {
            self.broken(None);
            return;
        }
        self.shared.lock().state.handle_alive();
        let stalled = Instant::now();
        loop {
            let wrote = match &mut self.link {
                Some(link) => link.try_write(&self.segments),
                None => return,
            };
            match wrote {
                Wrote::Bytes(written) => {
                    self.shared.lock().state.handle_written(written);
                    self.shared.changed.notify_waiters();
                    break;
                }
                Wrote::Refused => {
                    self.shared.lock().state.handle_refused();
                    self.shared.changed.notify_waiters();
                    break;
                }
                Wrote::Unreachable => {
                    self.shared.lock().state.handle_unreachable();
                    break;
                }
                Wrote::Broken(error) => {
                    self.broken(Some(error));
                    break;
                }
                Wrote::Again => {
                    let close_by = self.shared.lock().close_by;
                    let limit = stalled + self.config.write_timeout.min(YEAR);
                    let by = close_by.map_or(limit, |by| by.min(limit));
                    let Some(link) = &self.link else { return };
                    // A sender that is closed meanwhile notices at the next tick.
                    let tick = by.min(Instant::now() + LOOK);
                    let ready = timeout_at(tick.into(), link.writable()).await;
                    if matches!(ready, Ok(Err(_))) || Instant::now() >= limit {
                        self.broken(Some(io::ErrorKind::TimedOut.into()));
                        break;
                    }
                    if close_by.is_some_and(|by| Instant::now() >= by) {
                        break;
                    }
                    if ready.is_ok() && !self.endpoint.transport().is_datagram() {
                        continue;
                    }
                    if ready.is_ok() {
                        // The system may call a datagram socket writable and still have no room for this one.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            }
        }
        self.segments.clear();
        tokio::task::yield_now().await;
    }
}
