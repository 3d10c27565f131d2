//! Listeners: bound sockets, their connections, and the frames that come out of them.
//!
//! A [`Listener`] is bound first and serves later, so that a program can say where it listens before the
//! first frame arrives. Several listeners share one [`FrameHandler`].
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use bytes::Bytes;
//! use logrecord_transport::{Endpoint, Fault, Source, listener::{FrameHandler, Listener, ListenerConfig, Replies, Verdict}};
//! use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot};
//!
//! #[derive(Default)]
//! struct Collect(Mutex<Vec<Bytes>>);
//!
//! impl FrameHandler for Collect {
//!     type Connection = ();
//!     fn connected(&self, _: &Source, _: Replies) {}
//!     async fn frames(&self, _: &mut (), _: &Source, frames: &mut Vec<Bytes>) -> Verdict {
//!         self.0.lock().unwrap().append(frames);
//!         Verdict::Continue
//!     }
//!     fn fault(&self, source: &Source, fault: Fault) {
//!         panic!("{source}: {fault}");
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?, ListenerConfig::new())?;
//! let port = listener.local_endpoint().port().unwrap();
//! let handler = Arc::new(Collect::default());
//! let (stop, stopped) = oneshot::channel::<()>();
//! let serving = tokio::spawn(listener.serve(Arc::clone(&handler), async { drop(stopped.await) }));
//!
//! let mut client = TcpStream::connect(("127.0.0.1", port)).await?;
//! client.write_all(b"\0\0\0\x02}.").await?;
//! stop.send(()).unwrap();
//! let summary = serving.await?;
//! assert_eq!(summary.frames(), 1);
//! assert_eq!(handler.0.lock().unwrap()[0], "}.");
//! # Ok(()) }
//! ```
mod accept;
mod config;
mod control;
mod datagram;
mod flight;
mod handler;
mod lock;
mod pass;
mod peers;
mod replies;
mod shared;
mod stream;
#[cfg(unix)]
mod systemd;
mod udp;
#[cfg(unix)]
mod unix;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{task::JoinSet, time::sleep_until};

use self::{
    accept::{Acceptor, Adopted, BACKLOG},
    datagram::{serve_direct, serve_queued},
    shared::{AFTER_DRAIN, Counts, Shared, Stop, stopped},
    udp::Udp,
};
pub use self::{
    config::ListenerConfig,
    control::Control,
    handler::{FrameHandler, Verdict},
    replies::Replies,
};
#[cfg(unix)]
pub use self::{
    pass::{Part, PassedConnection},
    systemd::Handed,
};
#[cfg(unix)]
use crate::unix_socket;
use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
    source::{Peer, Source},
};

/// What a datagram socket asks for by default.
const DATAGRAM_RECV_BUFFER: usize = 4 * 1024 * 1024;

#[derive(Debug)]
enum Bound {
    Tcp(std::net::TcpListener),
    Udp(std::net::UdpSocket),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, Option<unix_socket::SocketFile>),
    #[cfg(unix)]
    UnixDatagram(std::os::unix::net::UnixDatagram, Option<unix_socket::SocketFile>),
}

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    endpoint: Endpoint,
    control: Control,
    adopted: Adopted,
}

impl Listener {
    fn new(bound: Bound, endpoint: Endpoint, config: ListenerConfig) -> Self {
        Self { bound, endpoint, control: Control::new(config), adopted: Adopted::default() }
    }

    /// Binds a socket and, for streams, begins to listen. Connections wait in the kernel until
    /// [`serve`](Self::serve) runs.
    ///
    /// Where a name has several addresses, the first that can be bound is taken. A stale Unix socket is
    /// replaced if nobody answers on it; a symbolic link, any other file and a living socket are refused.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Resolve`], [`ErrorKind::Bind`], [`ErrorKind::PathTaken`], [`ErrorKind::Unsupported`]
    /// where the platform or build has no such socket, and [`ErrorKind::Tls`] if a TLS endpoint comes without
    /// a TLS configuration, or a plain one with it.
    pub fn bind(endpoint: &Endpoint, config: ListenerConfig) -> Result<Self, Error> {
        match endpoint.transport() {
            // Whether a TCP socket speaks TLS must be said twice, so that neither is an accident.
            #[cfg(feature = "tls")]
            Transport::Tls if config.tls.is_none() => Err(Error::new(ErrorKind::Tls)),
            #[cfg(feature = "tls")]
            Transport::Tcp if config.tls.is_some() => Err(Error::new(ErrorKind::Tls)),
            #[cfg(feature = "tls")]
            Transport::Tls => {
                let socket = bind_net(endpoint, Type::STREAM, Protocol::TCP, &config)?;
                Self::from_tcp(socket.into(), config)
            }
            Transport::Tcp => {
                let socket = bind_net(endpoint, Type::STREAM, Protocol::TCP, &config)?;
                Self::from_tcp(socket.into(), config)
            }
            Transport::Udp => {
                let socket = bind_net(endpoint, Type::DGRAM, Protocol::UDP, &config)?;
                Self::from_udp(socket.into(), config)
            }
            #[cfg(unix)]
            Transport::Unix => {
                let path = endpoint.path().ok_or(Error::new(ErrorKind::Endpoint))?;
                let (socket, file) = unix_socket::bind_stream(path, config.unix_mode, BACKLOG)?;
                Ok(Self::new(Bound::Unix(socket, Some(file)), endpoint.clone(), config))
            }
            #[cfg(unix)]
            Transport::UnixDatagram => {
                let path = endpoint.path().ok_or(Error::new(ErrorKind::Endpoint))?;
                let (socket, file) = unix_socket::bind_datagram(path, config.unix_mode)?;
                let mut listener = Self::from_unix_datagram(socket, config)?;
                listener.endpoint = endpoint.clone();
                if let Bound::UnixDatagram(_, place) = &mut listener.bound {
                    *place = Some(file);
                }
                Ok(listener)
            }
            #[cfg(not(all(unix, feature = "tls")))]
            _ => Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// [Binds](Self::bind) a port that another listener of this process has in part or whole, such as for TLS instead
    /// of plain TCP, or for all addresses instead of one, so that the other one can be stopped when this one is there
    /// and nobody is refused in between. `other` is the [socket](Self::duplicate) of that listener.
    ///
    /// Until the other one stops, connections reach either. Systems other than Linux may refuse it.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[cfg(unix)]
    pub fn bind_beside(
        endpoint: &Endpoint,
        config: ListenerConfig,
        other: std::os::fd::BorrowedFd<'_>,
    ) -> Result<Self, Error> {
        let share = |on: bool| {
            // The system looks at both sockets. Nobody else of this user may have the port as well by accident, so
            // that neither stays like this.
            #[cfg(target_os = "linux")]
            SockRef::from(&other).set_reuse_port(on).ok();
            #[cfg(not(target_os = "linux"))]
            let _ = (on, other);
        };
        share(true);
        let bound = Self::bind(endpoint, config.shares_port(true));
        share(false);
        #[cfg(target_os = "linux")]
        if let Ok(Some(socket)) = bound.as_ref().map(Self::duplicate) {
            SockRef::from(&socket).set_reuse_port(false).ok();
        }
        bound
    }

    /// The socket once more.
    #[cfg(unix)]
    pub fn duplicate(&self) -> Option<std::os::fd::OwnedFd> {
        use std::os::fd::AsFd as _;
        let socket = match &self.bound {
            Bound::Tcp(socket) => socket.as_fd(),
            Bound::Udp(socket) => socket.as_fd(),
            Bound::Unix(socket, _) => socket.as_fd(),
            Bound::UnixDatagram(socket, _) => socket.as_fd(),
        };
        socket.try_clone_to_owned().ok()
    }

    /// A listener on a TCP socket that somebody else has bound and set to listen. Its connections speak TLS
    /// if the configuration has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Bind`] if the socket does not listen, has no address or cannot be made non-blocking.
    pub fn from_tcp(socket: std::net::TcpListener, config: ListenerConfig) -> Result<Self, Error> {
        let failed = |error| Error::io(ErrorKind::Bind, error);
        check_listens(&SockRef::from(&socket)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let transport = if config.speaks_tls() { Transport::Tls } else { Transport::Tcp };
        let endpoint = Endpoint::from_socket_addr(transport, socket.local_addr().map_err(failed)?);
        Ok(Self::new(Bound::Tcp(socket), endpoint, config))
    }

    /// A listener on a UDP socket that somebody else has bound.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Bind`] if the socket is connected, has no address or cannot be made non-blocking.
    pub fn from_udp(socket: std::net::UdpSocket, config: ListenerConfig) -> Result<Self, Error> {
        let failed = |error| Error::io(ErrorKind::Bind, error);
        let raw = SockRef::from(&socket);
        check_unconnected(&raw).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        grow_recv_buffer(&raw, &config);
        let endpoint = Endpoint::from_socket_addr(Transport::Udp, socket.local_addr().map_err(failed)?);
        Ok(Self::new(Bound::Udp(socket), endpoint, config))
    }

    /// A listener on a Unix stream socket that somebody else has bound and set to listen. Its file is
    /// left alone.
    ///
    /// # Errors
    ///
    /// As [`from_tcp`](Self::from_tcp).
    #[cfg(unix)]
    pub fn from_unix(
        socket: std::os::unix::net::UnixListener,
        config: ListenerConfig,
    ) -> Result<Self, Error> {
        let failed = |error| Error::io(ErrorKind::Bind, error);
        check_listens(&SockRef::from(&socket)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let endpoint = unix_endpoint(Transport::Unix, &socket.local_addr().map_err(failed)?)?;
        Ok(Self::new(Bound::Unix(socket, None), endpoint, config))
    }

    /// A listener on a Unix datagram socket that somebody else has bound. Its file is left alone.
    ///
    /// # Errors
    ///
    /// As [`from_udp`](Self::from_udp).
    #[cfg(unix)]
    pub fn from_unix_datagram(
        socket: std::os::unix::net::UnixDatagram,
        config: ListenerConfig,
    ) -> Result<Self, Error> {
        let failed = |error| Error::io(ErrorKind::Bind, error);
        let raw = SockRef::from(&socket);
        check_unconnected(&raw).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        grow_recv_buffer(&raw, &config);
        let endpoint = unix_endpoint(Transport::UnixDatagram, &socket.local_addr().map_err(failed)?)?;
        Ok(Self::new(Bound::UnixDatagram(socket, None), endpoint, config))
    }

    /// Listeners on the sockets that systemd, or another parent that speaks its protocol, handed over in
    /// `LISTEN_FDS`. TCP, UDP and both kinds of Unix sockets are taken; there are none if the variable is
    /// not set or is meant for another process.
    ///
    /// Call it once, before other threads run: it removes the variables from the environment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Systemd`] if a descriptor is none of these sockets or is not usable.
    #[cfg_attr(
        not(unix),
        expect(clippy::missing_const_for_fn, unused_variables, reason = "systemd is elsewhere")
    )]
    pub fn from_systemd(config: &ListenerConfig) -> Result<Vec<Self>, Error> {
        #[cfg(unix)]
        {
            let all = Handed::from_env()?.listeners(|_| Some(config.clone()))?;
            Ok(all.into_iter().map(|(_, listener)| listener).collect())
        }
        #[cfg(not(unix))]
        Ok(Vec::new())
    }

    /// A listener on the socket of another process, which has [passed](Control::pause) it: of the transport that
    /// `endpoint` has, and where it was bound. The file of a Unix socket goes with the listener, as if it had been
    /// made here.
    ///
    /// # Errors
    ///
    /// As [`from_tcp`](Self::from_tcp) and [`from_udp`](Self::from_udp).
    #[cfg(unix)]
    pub fn from_passed(
        socket: std::os::fd::OwnedFd,
        endpoint: &Endpoint,
        config: ListenerConfig,
    ) -> Result<Self, Error> {
        let mut listener = match endpoint.transport() {
            Transport::Udp => Self::from_udp(socket.into(), config)?,
            Transport::Unix => Self::from_unix(socket.into(), config)?,
            Transport::UnixDatagram => Self::from_unix_datagram(socket.into(), config)?,
            _ => Self::from_tcp(socket.into(), config)?,
        };
        let path = listener.endpoint.path().and_then(unix_socket::SocketFile::adopt);
        if let Bound::Unix(_, file) | Bound::UnixDatagram(_, file) = &mut listener.bound {
            *file = path;
        }
        Ok(listener)
    }

    /// Takes a connection of another process to go on with. It counts for stream listeners without TLS.
    #[cfg(unix)]
    pub fn adopt(&mut self, connection: PassedConnection) {
        self.adopted.push(connection);
    }

    /// Tells this listener what to do while it serves.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where it listens. A port that was given as 0 is the real one here.
    pub const fn local_endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Serves until `shutdown` completes, then drains. The listening socket is closed at once. Connections that
    /// are made already, accepted or not, are read until nothing more is there at the end of a frame, for a
    /// second at most; then they are closed. Every whole frame is delivered. It returns when all connections have
    /// ended, or when the [drain timeout](ListenerConfig::drain_timeout) has passed.
    ///
    /// A [control](Self::control) can stop it as well, or pause it so that another process can go on with its sockets.
    ///
    /// It must run within a tokio runtime that has its I/O and time drivers on; connections become tasks
    /// of it. Dropping the future stops everything at once, without draining.
    pub async fn serve<H: FrameHandler>(
        self,
        handler: Arc<H>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Summary {
        let Self { bound, endpoint, control, adopted } = self;
        #[cfg(feature = "tls")]
        let tls = control.config().get().tls.clone();
        let shared = Arc::new(Shared::new(handler, Arc::clone(control.config())));
        let source = Source::new(endpoint, Peer::Unnamed, 0);
        let stopped = control.subscribe();
        let trigger = async {
            shutdown.await;
            control.stop();
            // From here on the listener itself decides when it is done.
            std::future::pending::<()>().await;
        };
        let serving = async {
            let shared = Arc::clone(&shared);
            let source = source.clone();
            match bound {
                Bound::Tcp(socket) => match tokio::net::TcpListener::from_std(socket) {
                    #[cfg(feature = "tls")]
                    Ok(tcp) => match tls {
                        Some(tls) => {
                            let listener = accept::TlsListener { tcp, tls };
                            Acceptor::new(shared, source, stopped).run(listener, (), adopted).await;
                        }
                        None => Acceptor::new(shared, source, stopped).run(tcp, (), adopted).await,
                    },
                    #[cfg(not(feature = "tls"))]
                    Ok(tcp) => Acceptor::new(shared, source, stopped).run(tcp, (), adopted).await,
                    Err(error) => dead(&shared, &source, error),
                },
                Bound::Udp(socket) => match tokio::net::UdpSocket::from_std(socket) {
                    Ok(socket) => {
                        run_bounded(
                            serve_direct(Udp::new(socket), Arc::clone(&shared), source, stopped.clone()),
                            &shared,
                            stopped,
                        )
                        .await;
                    }
                    Err(error) => dead(&shared, &source, error),
                },
                #[cfg(unix)]
                Bound::Unix(socket, file) => match tokio::net::UnixListener::from_std(socket) {
                    Ok(socket) => Acceptor::new(shared, source, stopped).run(socket, file, adopted).await,
                    Err(error) => dead(&shared, &source, error),
                },
                #[cfg(unix)]
                Bound::UnixDatagram(socket, file) => match tokio::net::UnixDatagram::from_std(socket) {
                    Ok(socket) => {
                        run_bounded(
                            serve_queued(socket, Arc::clone(&shared), source, stopped.clone(), file),
                            &shared,
                            stopped,
                        )
                        .await;
                    }
                    Err(error) => dead(&shared, &source, error),
                },
            }
        };
        tokio::select! {
            biased;
            () = serving => {}
            () = trigger => {}
        }
        Summary::new(&shared.counts)
    }
}

/// Runs a task of its own and waits for its end, after the time to drain for a moment at most: a handler that
/// blocks its thread cannot be waited for.
async fn run_bounded<H: FrameHandler>(
    task: impl Future<Output = ()> + Send + 'static,
    shared: &Shared<H>,
    mut stop: Stop,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    let late = async {
        let stopping = stopped(&mut stop).await;
        sleep_until(stopping.drain_by + AFTER_DRAIN).await;
    };
    tokio::select! {
        biased;
        _ = tasks.join_next() => {}
        () = late => {
            shared.counts.undrained.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The runtime refused the socket; there is nothing to try again.
fn dead<H: FrameHandler>(shared: &Shared<H>, source: &Source, error: io::Error) {
    shared.fault(source, crate::fault::Fault::Accept { error, retry_in: std::time::Duration::MAX });
}

/// What a listener did, from its first moment to its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    connections: u64,
    refused: u64,
    frames: u64,
    bytes: u64,
    faults: u64,
    frames_lost: u64,
    undrained: u64,
}

impl Summary {
    fn new(counts: &Counts) -> Self {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            connections: load(&counts.connections),
            refused: load(&counts.refused),
            frames: load(&counts.frames),
            bytes: load(&counts.bytes),
            faults: load(&counts.faults),
            frames_lost: load(&counts.frames_lost),
            undrained: load(&counts.undrained),
        }
    }

    /// Connections that were accepted and served.
    pub const fn connections(&self) -> u64 {
        self.connections
    }

    /// Connections that were closed at once because of a limit.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Whole frames that arrived. All of them were handed to the handler or are in a fault.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Their payload bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Faults that were reported.
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// The sum of [`Fault::frames`](crate::Fault::frames) over them.
    pub const fn frames_lost(&self) -> u64 {
        self.frames_lost
    }

    /// Whether everything that was there could be read and handed over before the time to drain was over.
    pub const fn is_drained(&self) -> bool {
        self.undrained == 0
    }
}

/// Accepting on a socket that does not listen fails for good.
fn check_listens(socket: &Socket) -> io::Result<()> {
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "fuchsia", target_os = "linux"))]
    if !socket.is_listener()? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"));
    }
    // Elsewhere the system does not tell; a connected one can be told all the same.
    if socket.peer_addr().is_ok() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is connected"));
    }
    Ok(())
}

/// A connected datagram socket receives from its peer and from nobody else.
fn check_unconnected(socket: &Socket) -> io::Result<()> {
    match socket.peer_addr() {
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is connected")),
        Err(_) => Ok(()),
    }
}

fn bind_net(
    endpoint: &Endpoint,
    kind: Type,
    protocol: Protocol,
    config: &ListenerConfig,
) -> Result<Socket, Error> {
    let mut last = Error::new(ErrorKind::Resolve);
    for address in endpoint.resolve()? {
        match bind_addr(address, kind, protocol, config) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Error::io(ErrorKind::Bind, error),
        }
    }
    Err(last)
}

fn bind_addr(
    address: SocketAddr,
    kind: Type,
    protocol: Protocol,
    config: &ListenerConfig,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if kind == Type::STREAM {
        // A restart must not wait for old connections to time out. On Windows the option means something
        // else: two programs on one port.
        if cfg!(unix) {
            socket.set_reuse_address(true)?;
        }
        if let Some(bytes) = config.recv_buffer {
            // Accepted connections inherit it; it must stand before the listen call to widen the window.
            socket.set_recv_buffer_size(bytes)?;
        }
    }
    #[cfg(target_os = "linux")]
    if config.shares_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    if kind == Type::STREAM {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

/// Asks for a large buffer and takes what the kernel grants; an older buffer that is larger stays.
fn grow_recv_buffer(socket: &Socket, config: &ListenerConfig) {
    let wanted = config.recv_buffer.unwrap_or(DATAGRAM_RECV_BUFFER);
    if config.recv_buffer.is_some() || socket.recv_buffer_size().is_ok_and(|now| now < wanted) {
        drop(socket.set_recv_buffer_size(wanted));
    }
}

#[cfg(unix)]
fn unix_endpoint(transport: Transport, address: &std::os::unix::net::SocketAddr) -> Result<Endpoint, Error> {
    let path = address.as_pathname().unwrap_or_else(|| std::path::Path::new("unnamed"));
    match transport {
        Transport::UnixDatagram => Endpoint::unix_datagram(path),
        _ => Endpoint::unix(path),
    }
}
