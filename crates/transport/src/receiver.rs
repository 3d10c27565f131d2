//! A receiver to pull from, for programs without an async runtime.
//!
//! It has a thread for each socket and each connection, and one bounded queue of batches behind them all.
//! This is for tools, tests and small services; a server for a fleet uses the `listener` module, which also knows
//! TLS, authentication, limits per peer, handed-over sockets and the kernel's count of dropped datagrams.
use std::{
    io::{self, Read},
    net::{TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver as Events, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use logrecord_frame::{FrameDecoder, PREFIX_LEN, Stranger, decode_datagram};
use socket2::SockRef;

use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
    fault::{Fault, Limit},
    source::{Peer, Source},
};

/// How often a thread that waits looks whether it shall stop.
const TICK: Duration = Duration::from_millis(100);
/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// Batches that wait between the threads and the caller.
const QUEUE: usize = 256;
/// What a datagram socket asks the kernel for.
const DATAGRAM_RECV_BUFFER: usize = 4 * 1024 * 1024;

/// Limits of a [`Receiver`].
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    max_frame_len: u32,
    max_connections: usize,
    frame_timeout: Duration,
    unix_mode: Option<u32>,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ReceiverConfig {
    /// The default limits.
    pub const fn new() -> Self {
        Self {
            max_frame_len: 1024 * 1024,
            max_connections: 1024,
            frame_timeout: Duration::from_secs(30),
            unix_mode: None,
        }
    }

    /// Longest payload, 1 MiB by default. A frame that declares more ends its connection.
    #[must_use]
    pub const fn with_max_frame_len(mut self, bytes: u32) -> Self {
        self.max_frame_len = bytes;
        self
    }

    /// Open connections, 1,024 by default, because each has a thread. One more is closed at once.
    #[must_use]
    pub const fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Time from a frame's first byte to its last, 30 s by default. Time in which the caller did not pull
    /// does not count.
    #[must_use]
    pub const fn with_frame_timeout(mut self, limit: Duration) -> Self {
        self.frame_timeout = limit;
        self
    }

    /// Mode of a Unix socket's file; by default the umask decides.
    #[must_use]
    pub const fn with_unix_mode(mut self, mode: Option<u32>) -> Self {
        self.unix_mode = mode;
        self
    }
}

/// What a receiver has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Received {
    /// Whole frames of one source, in order, without their prefixes.
    Frames {
        /// Where they came from.
        source: Source,
        /// The payloads.
        frames: Vec<Bytes>,
    },
    /// Something went wrong.
    Fault {
        /// Where.
        source: Source,
        /// What.
        fault: Fault,
    },
}

/// Bound sockets and what arrives on them. Dropping it stops its threads.
///
/// # Examples
///
/// ```
/// use std::{io::Write, net::TcpStream, time::Duration};
/// use logrecord_transport::receiver::{Received, Receiver, ReceiverConfig};
///
/// let receiver = Receiver::bind(&["tcp://127.0.0.1:0".parse()?], ReceiverConfig::new())?;
/// let port = receiver.local_endpoints()[0].port().unwrap();
/// TcpStream::connect(("127.0.0.1", port))?.write_all(b"\0\0\0\x02}.")?;
/// let Some(Received::Frames { frames, .. }) = receiver.receive(Duration::from_secs(5)) else { panic!() };
/// assert_eq!(frames, ["}."]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    events: Events<Received>,
    endpoints: Vec<Endpoint>,
    shared: Arc<Shared>,
    #[cfg(unix)]
    _files: Vec<crate::unix_socket::SocketFile>,
}

#[derive(Debug)]
struct Shared {
    config: ReceiverConfig,
    stop: AtomicBool,
    connections: AtomicUsize,
    last_id: AtomicU64,
}

/// A thread's way to the caller, and what it needs to know.
#[derive(Clone)]
struct Reporter {
    events: SyncSender<Received>,
    shared: Arc<Shared>,
    source: Source,
}

impl Receiver {
    /// Binds all endpoints and begins to receive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Resolve`], [`ErrorKind::Bind`] or [`ErrorKind::PathTaken`] of the first endpoint that
    /// cannot be had, [`ErrorKind::Unsupported`] for TLS and where there are no Unix sockets,
    /// [`ErrorKind::Io`] if a thread cannot be started.
    pub fn bind(endpoints: &[Endpoint], config: ReceiverConfig) -> Result<Self, Error> {
        let (sender, events) = sync_channel(QUEUE);
        let unix_mode = config.unix_mode;
        let shared = Arc::new(Shared {
            config,
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            last_id: AtomicU64::new(0),
        });
        let mut receiver = Self {
            events,
            endpoints: Vec::new(),
            shared,
            #[cfg(unix)]
            _files: Vec::new(),
        };
        for endpoint in endpoints {
            receiver.open(endpoint, &sender, unix_mode)?;
        }
        Ok(receiver)
    }

    fn open(
        &mut self,
        endpoint: &Endpoint,
        events: &SyncSender<Received>,
        mode: Option<u32>,
    ) -> Result<(), Error> {
        let failed = |error| Error::io(ErrorKind::Bind, error);
        let reporter = |endpoint: Endpoint| Reporter {
            events: events.clone(),
            shared: Arc::clone(&self.shared),
            source: Source::new(endpoint, Peer::Unnamed, 0),
        };
        let local = match endpoint.transport() {
            Transport::Tcp => {
                let socket = TcpListener::bind(&*endpoint.resolve()?).map_err(failed)?;
                let local = Endpoint::from_socket_addr(Transport::Tcp, socket.local_addr().map_err(failed)?);
                wait_in_ticks(&SockRef::from(&socket)).map_err(failed)?;
                let reporter = reporter(local.clone());
                spawn("logrecord-accept", move || {
                    accept(&reporter, || {
                        let (stream, address) = socket.accept()?;
                        Ok((stream, Peer::Ip(address)))
                    });
                })?;
                local
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(&*endpoint.resolve()?).map_err(failed)?;
                let local = Endpoint::from_socket_addr(Transport::Udp, socket.local_addr().map_err(failed)?);
                prepare_datagrams(&SockRef::from(&socket)).map_err(failed)?;
                let reporter = reporter(local.clone());
                spawn("logrecord-udp", move || {
                    datagrams(&reporter, false, |buffer| {
                        let (len, address) = socket.recv_from(buffer)?;
                        Ok((len, Peer::Ip(address)))
                    });
                })?;
                local
            }
            #[cfg(unix)]
            Transport::Unix => {
                let path = endpoint.path().ok_or(Error::new(ErrorKind::Endpoint))?;
                let (socket, file) = crate::unix_socket::bind_stream(path, mode, 128)?;
                wait_in_ticks(&SockRef::from(&socket)).map_err(failed)?;
                let reporter = reporter(endpoint.clone());
                self._files.push(file);
                spawn("logrecord-accept", move || {
                    accept(&reporter, || Ok((socket.accept()?.0, Peer::Unnamed)));
                })?;
                endpoint.clone()
            }
            #[cfg(unix)]
            Transport::UnixDatagram => {
                let path = endpoint.path().ok_or(Error::new(ErrorKind::Endpoint))?;
                let (socket, file) = crate::unix_socket::bind_datagram(path, mode)?;
                prepare_datagrams(&SockRef::from(&socket)).map_err(failed)?;
                let reporter = reporter(endpoint.clone());
                self._files.push(file);
                spawn("logrecord-datagram", move || {
                    datagrams(&reporter, true, |buffer| {
                        let (len, address) = socket.recv_from(buffer)?;
                        Ok((len, address.as_pathname().map_or(Peer::Unnamed, |path| Peer::Path(path.into()))))
                    });
                })?;
                endpoint.clone()
            }
            _ => return Err(Error::new(ErrorKind::Unsupported)),
        };
        self.endpoints.push(local);
        Ok(())
    }

    /// Where it listens, in the order that was asked for; a port given as 0 is the real one here.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The next batch or fault; nothing if none comes within `limit`, or if the receiver was stopped and
    /// everything is taken.
    pub fn receive(&self, limit: Duration) -> Option<Received> {
        self.events.recv_timeout(limit).ok()
    }

    /// Accepts no more connections and reads the open ones until nothing more is ready. What they bring can
    /// still be pulled; [`iter`](Self::iter) ends behind it.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// All that comes, for as long as the receiver runs. It waits for each.
    pub fn iter(&self) -> impl Iterator<Item = Received> {
        self.events.iter()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // The threads see this, or that nobody takes what they have, and end.
        self.stop();
    }
}

impl Reporter {
    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Whether anybody is there to take it.
    fn fault(&self, source: &Source, fault: Fault) -> bool {
        self.events.send(Received::Fault { source: source.clone(), fault }).is_ok()
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| Error::io(ErrorKind::Io, error))
}

/// Makes calls that wait return once in a while. Where the system has no time limit for accept, the socket
/// does not wait at all and the thread sleeps in between.
fn wait_in_ticks(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_nonblocking(!cfg!(target_os = "linux"))?;
    socket.set_read_timeout(Some(TICK))
}

fn prepare_datagrams(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    if socket.recv_buffer_size().is_ok_and(|now| now < DATAGRAM_RECV_BUFFER) {
        // What the kernel does not grant is no reason not to receive.
        drop(socket.set_recv_buffer_size(DATAGRAM_RECV_BUFFER));
    }
    socket.set_read_timeout(Some(TICK))
}

fn is_again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// A stream whose reads can be given a time limit.
trait Connection: Read + Send + 'static {
    fn prepare(&self) -> io::Result<()>;
}

impl Connection for std::net::TcpStream {
    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)?;
        self.set_read_timeout(Some(TICK))
    }
}

#[cfg(unix)]
impl Connection for std::os::unix::net::UnixStream {
    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)?;
        self.set_read_timeout(Some(TICK))
    }
}

fn accept<S: Connection>(reporter: &Reporter, next: impl Fn() -> io::Result<(S, Peer)>) {
    let mut retry = TICK;
    loop {
        // The question comes before the call, so that one more look is taken after the signal.
        let last = reporter.is_stopped();
        match next() {
            Ok((stream, peer)) => {
                retry = TICK;
                if !admit(reporter, stream, peer) {
                    return;
                }
            }
            Err(error) if is_again(&error) => {
                if last {
                    return;
                }
                if !cfg!(target_os = "linux") {
                    thread::sleep(TICK / 10);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if last || !reporter.fault(&reporter.source, Fault::Accept { error, retry_in: retry }) {
                    return;
                }
                thread::sleep(retry);
                retry = (retry * 2).min(Duration::from_secs(1));
            }
        }
    }
}

fn admit<S: Connection>(reporter: &Reporter, mut stream: S, peer: Peer) -> bool {
    let shared = &reporter.shared;
    let id = shared.last_id.fetch_add(1, Ordering::Relaxed) + 1;
    let source = Source::new(reporter.source.listener().clone(), peer, id);
    if shared.connections.fetch_add(1, Ordering::AcqRel) >= shared.config.max_connections {
        shared.connections.fetch_sub(1, Ordering::AcqRel);
        return reporter.fault(&source, Fault::Refused { limit: Limit::Connections });
    }
    let own = reporter.clone();
    let name = source.clone();
    let spawned = spawn("logrecord-connection", move || {
        let end = read(&own, &mut stream, &source);
        own.shared.connections.fetch_sub(1, Ordering::AcqRel);
        if let Some(fault) = end {
            own.fault(&source, fault);
        }
    });
    if spawned.is_err() {
        // No thread is to be had: one connection too many.
        shared.connections.fetch_sub(1, Ordering::AcqRel);
        return reporter.fault(&name, Fault::Refused { limit: Limit::Connections });
    }
    true
}

/// Reads a connection to its end; what is wrong with the end, if anything.
fn read<S: Connection>(reporter: &Reporter, stream: &mut S, source: &Source) -> Option<Fault> {
    let config = &reporter.shared.config;
    let mut decoder = FrameDecoder::with_max_frame_len(config.max_frame_len);
    let mut waited = Duration::ZERO;
    if let Err(error) = stream.prepare() {
        return Some(Fault::Broken { error, partial: Bytes::new() });
    }
    loop {
        let stopped = reporter.is_stopped();
        let begin = Instant::now();
        let buffer = decoder.spare(CHUNK);
        let start = buffer.len();
        buffer.resize(start + CHUNK, 0);
        let outcome = stream.read(buffer.get_mut(start..).unwrap_or_default());
        buffer.truncate(start + *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(0) => {
                return decoder.is_mid_frame().then(|| Fault::Truncated {
                    declared: decoder.declared(),
                    partial: decoder.unfinished().into(),
                });
            }
            Ok(_) => {}
            Err(error) if is_again(&error) => {
                if stopped {
                    return decoder.is_mid_frame().then(|| Fault::Truncated {
                        declared: decoder.declared(),
                        partial: decoder.unfinished().into(),
                    });
                }
            }
            Err(error) => return Some(Fault::Broken { error, partial: decoder.unfinished().into() }),
        }
        // Only time spent in the read counts against the sender.
        waited += begin.elapsed();
        let mut frames = Vec::new();
        let refused = loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break None,
                Err(error) => break Some(error.found()),
            }
        };
        if !frames.is_empty() {
            waited = Duration::ZERO;
            if reporter.events.send(Received::Frames { source: source.clone(), frames }).is_err() {
                return None;
            }
        }
        if let Some(declared) = refused {
            let head = Bytes::copy_from_slice(decoder.rejected());
            return Some(Fault::Oversized { declared, stranger: Stranger::identify(&head), head });
        }
        if !decoder.is_mid_frame() {
            waited = Duration::ZERO;
        } else if waited >= config.frame_timeout {
            return Some(Fault::FrameTimeout {
                declared: decoder.declared(),
                partial: decoder.unfinished().into(),
            });
        }
    }
}

/// Reads datagrams. Where `always` is set, a caller who does not pull never keeps the socket from being read.
fn datagrams(reporter: &Reporter, always: bool, receive: impl Fn(&mut [u8]) -> io::Result<(usize, Peer)>) {
    let max = reporter.shared.config.max_frame_len;
    let room =
        usize::try_from(max).unwrap_or(usize::MAX).saturating_add(PREFIX_LEN + 1).clamp(2048, 1024 * 1024);
    let mut buffer = vec![0; room];
    let mut lost = (0, 0);
    loop {
        let stopped = reporter.is_stopped();
        let (len, peer) = match receive(&mut buffer) {
            Ok(received) => received,
            Err(error) if is_again(&error) && !stopped => continue,
            Err(error) if is_again(&error) => break,
            // A refusal that belongs to a datagram somebody else sent from this port.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            Err(error) => {
                if stopped || !reporter.fault(&reporter.source, Fault::Receive { error, retry_in: TICK }) {
                    break;
                }
                thread::sleep(TICK);
                continue;
            }
        };
        let source = Source::new(reporter.source.listener().clone(), peer, 0);
        let datagram = Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default());
        let received = match decode_datagram(datagram.clone(), max) {
            Ok(frame) => Received::Frames { source, frames: vec![frame] },
            Err(_) => {
                let declared = datagram.first_chunk().map(|prefix| u32::from_be_bytes(*prefix));
                let stranger = Stranger::identify(&datagram);
                Received::Fault { source, fault: Fault::Malformed { declared, datagram, stranger } }
            }
        };
        if !always {
            if reporter.events.send(received).is_err() {
                return;
            }
            continue;
        }
        if lost.0 > 0 {
            let fault = Fault::GivenUp { frames: lost.0, bytes: lost.1 };
            if reporter.events.try_send(Received::Fault { source: reporter.source.clone(), fault }).is_ok() {
                lost = (0, 0);
            }
        }
        match reporter.events.try_send(received) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                lost.0 += 1;
                lost.1 += len as u64;
            }
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
    if lost.0 > 0 {
        reporter.fault(&reporter.source, Fault::GivenUp { frames: lost.0, bytes: lost.1 });
    }
}
