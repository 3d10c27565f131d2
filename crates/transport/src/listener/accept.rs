//! Accepting connections: limits first, then a task for each.
//!
//! Running out of file descriptors is ordinary. The loop then waits (0.1 s, growing to 1 s) instead of
//! asking again at once, reports it, and lives on; connections that stand are not touched.
#[cfg(unix)]
use std::os::fd::{AsFd as _, OwnedFd};
use std::{
    future::{Future, ready},
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

#[cfg(feature = "tls")]
use logrecord_frame::Stranger;
use socket2::SockRef;
#[cfg(feature = "tls")]
use tokio::time::timeout;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, server::TlsStream};

#[cfg(unix)]
use super::pass::{Part, PassedConnection};
use super::{
    config::ListenerConfig,
    handler::FrameHandler,
    peers::{PeerSlot, Rate},
    shared::{AFTER_DRAIN, Active, Order, Shared, Stop, ordered, stopped, unpaused},
    stream::{Connection, Past, Stream},
};
use crate::{
    fault::{Fault, Limit},
    source::{Peer, Source},
};

/// How many connections may wait to be accepted; the kernel caps it by its own setting.
pub(super) const BACKLOG: i32 = 4096;
/// Waits after a failed accept: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long a handshake may go on once the listener stops.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(500);

/// A socket that accepts.
pub(super) trait Accept: Send + 'static {
    type Raw: Send + 'static;
    type Stream: Stream;

    /// Whether a connection has to be agreed on before anything is read from it.
    const SHAKES_HANDS: bool = false;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Raw, Peer)>> + Send;

    /// Takes a connection that the system has already made, whether or not the runtime has noticed.
    fn accept_made(&self) -> io::Result<(Self::Raw, Peer)>;

    /// The listening socket once more, for another process.
    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd>;

    /// Takes a connection that another process has accepted; nothing if it is none of this kind.
    #[cfg(unix)]
    fn adopt(&self, socket: OwnedFd) -> Option<(Self::Raw, Peer)>;

    /// Sets the options of a fresh connection. A failure means that the connection is gone already,
    /// which its first read will say.
    fn prepare(stream: &Self::Raw, keepalive: Option<Duration>);

    /// Makes a stream of frames' bytes out of a fresh connection, on the connection's own task. The peer
    /// talks at its own pace here, so the time is limited. One that leaves without a word is no fault.
    fn establish(
        &self,
        raw: Self::Raw,
        limit: Duration,
    ) -> impl Future<Output = Result<Self::Stream, Option<Fault>>> + Send + 'static;
}

#[cfg(unix)]
fn adopt_tcp(socket: OwnedFd) -> Option<(TcpStream, Peer)> {
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true).ok()?;
    let peer = stream.peer_addr().map_or(Peer::Unnamed, Peer::Ip);
    Some((TcpStream::from_std(stream).ok()?, peer))
}

impl Accept for TcpListener {
    type Raw = TcpStream;
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        Ok((stream, Peer::Ip(address)))
    }

    fn accept_made(&self) -> io::Result<(TcpStream, Peer)> {
        let (socket, address) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        let peer = address.as_socket().map_or(Peer::Unnamed, Peer::Ip);
        Ok((TcpStream::from_std(socket.into())?, peer))
    }

    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd> {
        self.as_fd().try_clone_to_owned().ok()
    }

    #[cfg(unix)]
    fn adopt(&self, socket: OwnedFd) -> Option<(TcpStream, Peer)> {
        adopt_tcp(socket)
    }

    fn prepare(stream: &TcpStream, keepalive: Option<Duration>) {
        if let Some(after) = keepalive {
            let options =
                socket2::TcpKeepalive::new().with_time(after).with_interval(Duration::from_secs(15));
            drop(SockRef::from(stream).set_tcp_keepalive(&options));
        }
    }

    fn establish(
        &self,
        raw: TcpStream,
        _: Duration,
    ) -> impl Future<Output = Result<TcpStream, Option<Fault>>> + Send + 'static {
        ready(Ok(raw))
    }
}

/// A TCP socket whose connections speak TLS.
#[cfg(feature = "tls")]
pub(super) struct TlsListener {
    pub(super) tcp: TcpListener,
    pub(super) tls: crate::tls::TlsServer,
}

#[cfg(feature = "tls")]
impl Accept for TlsListener {
    type Raw = TcpStream;
    type Stream = TlsStream<TcpStream>;

    const SHAKES_HANDS: bool = true;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        Accept::accept(&self.tcp).await
    }

    fn accept_made(&self) -> io::Result<(TcpStream, Peer)> {
        self.tcp.accept_made()
    }

    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd> {
        self.tcp.duplicate()
    }

    #[cfg(unix)]
    fn adopt(&self, _: OwnedFd) -> Option<(TcpStream, Peer)> {
        // What TLS has agreed on stays in the process that has agreed.
        None
    }

    fn prepare(stream: &TcpStream, keepalive: Option<Duration>) {
        TcpListener::prepare(stream, keepalive);
    }

    fn establish(
        &self,
        raw: TcpStream,
        limit: Duration,
    ) -> impl Future<Output = Result<Self::Stream, Option<Fault>>> + Send + 'static {
        let acceptor = TlsAcceptor::from(self.tls.current());
        async move {
            let mut head = [0; 64];
            let mut seen = None;
            let shaking = async {
                // What a peer says first, so that one that speaks something else can be named.
                seen = Some(raw.peek(&mut head).await.unwrap_or(0));
                acceptor.accept(raw).await
            };
            let outcome = match timeout(limit, shaking).await {
                Ok(outcome) => outcome,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            outcome.map_err(|error| {
                // A health check connects and leaves.
                if seen == Some(0) {
                    return None;
                }
                let head = head.get(..seen.unwrap_or(0)).unwrap_or_default();
                // A hello that was refused for its content is TLS, and no stranger.
                let stranger = Stranger::identify(head).filter(|_| head.first() != Some(&22));
                Some(Fault::Handshake { error, stranger })
            })
        }
    }
}

#[cfg(unix)]
impl Accept for tokio::net::UnixListener {
    type Raw = tokio::net::UnixStream;
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<(Self::Raw, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let peer = unix_peer(&stream);
        Ok((stream, peer))
    }

    fn accept_made(&self) -> io::Result<(Self::Raw, Peer)> {
        let (socket, _) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(socket.into())?;
        let peer = unix_peer(&stream);
        Ok((stream, peer))
    }

    fn duplicate(&self) -> Option<OwnedFd> {
        self.as_fd().try_clone_to_owned().ok()
    }

    fn adopt(&self, socket: OwnedFd) -> Option<(Self::Raw, Peer)> {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true).ok()?;
        let stream = tokio::net::UnixStream::from_std(stream).ok()?;
        let peer = unix_peer(&stream);
        Some((stream, peer))
    }

    fn prepare(_: &Self::Raw, _: Option<Duration>) {}

    fn establish(
        &self,
        raw: Self::Raw,
        _: Duration,
    ) -> impl Future<Output = Result<Self::Stream, Option<Fault>>> + Send + 'static {
        ready(Ok(raw))
    }
}

/// Who is at the other end, as the kernel vouches for it.
#[cfg(unix)]
fn unix_peer(stream: &tokio::net::UnixStream) -> Peer {
    match stream.peer_cred() {
        Ok(cred) => Peer::Unix { pid: cred.pid(), uid: cred.uid(), gid: cred.gid() },
        Err(_) => Peer::Unnamed,
    }
}

/// Connections that come from another process.
#[cfg(unix)]
pub(super) type Adopted = Vec<PassedConnection>;
#[cfg(not(unix))]
pub(super) type Adopted = ();

/// The accept loop of one listener.
pub(super) struct Acceptor<H: FrameHandler> {
    shared: Arc<Shared<H>>,
    source: Source,
    stop: Stop,
    tasks: JoinSet<()>,
    rate: Option<Rate>,
    last_id: u64,
}

impl<H: FrameHandler> Acceptor<H> {
    pub(super) fn new(shared: Arc<Shared<H>>, source: Source, stop: Stop) -> Self {
        let rate = shared.config.get().accept_rate.map(|rate| Rate::new(rate, Instant::now()));
        Self { shared, source, stop, tasks: JoinSet::new(), rate, last_id: 0 }
    }

    /// Accepts until told to stop, then waits for the connections to drain. `file` is whatever makes the socket
    /// found by name; it goes when nothing more is accepted, and before the socket, so that nobody takes the
    /// name for a stale one.
    pub(super) async fn run<A: Accept>(mut self, listener: A, file: impl Send, adopted: Adopted) {
        self.adopt(&listener, adopted);
        let mut retry = RETRY.0;
        let stopping = loop {
            let order = self.stop.borrow().clone();
            match order {
                Order::Pause(pause) => {
                    if pause.reads_on() {
                        self.admit_made(&listener);
                    }
                    tokio::select! {
                        () = self.shared.activity.quiet() => {}
                        () = unpaused(&mut self.stop) => continue,
                    }
                    #[cfg(unix)]
                    if let Some(socket) = listener.duplicate() {
                        pause.report(Part::Listener(socket)).await;
                    }
                    drop(pause);
                    unpaused(&mut self.stop).await;
                    continue;
                }
                Order::Leave => {
                    // The socket has a new owner, and so has what makes it found.
                    std::mem::forget(file);
                    while self.tasks.join_next().await.is_some() {}
                    return;
                }
                Order::Serve | Order::Drain(_) => {}
            }
            if let Some(rate) = &mut self.rate
                && !rate.take(Instant::now())
            {
                let wait = rate.wait();
                tokio::select! {
                    () = sleep(wait) => continue,
                    order = ordered(&mut self.stop) => match order.stopping() {
                        Some(stopping) => break stopping,
                        None => continue,
                    },
                }
            }
            let accepted = tokio::select! {
                biased;
                order = ordered(&mut self.stop) => match order.stopping() {
                    Some(stopping) => break stopping,
                    None => continue,
                },
                Some(_) = self.tasks.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    retry = RETRY.0;
                    self.admit(&listener, stream, peer);
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.shared.fault(&self.source, Fault::Accept { error, retry_in: retry });
                    tokio::select! {
                        () = sleep(retry) => {}
                        order = ordered(&mut self.stop) => if let Some(stopping) = order.stopping() {
                            break stopping;
                        },
                    }
                    retry = (retry * 2).min(RETRY.1);
                }
            }
        };
        drop(file);
        self.admit_made(&listener);
        drop(listener);
        let last = stopping.drain_by + AFTER_DRAIN;
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => if ended.is_none() { break },
                () = sleep_until(last) => {
                    let stuck = self.tasks.len() as u64;
                    self.shared.counts.undrained.fetch_add(stuck, Ordering::Relaxed);
                    self.tasks.abort_all();
                    break;
                }
            }
        }
    }

    /// Connections that the kernel has made already count as made: their senders believe that their records have
    /// arrived.
    fn admit_made<A: Accept>(&mut self, listener: &A) {
        for _ in 0..BACKLOG {
            match listener.accept_made() {
                Ok((stream, peer)) => self.admit(listener, stream, peer),
                Err(error) if is_about_one_connection(&error) => {}
                Err(_) => break,
            }
        }
    }

    fn admit<A: Accept>(&mut self, listener: &A, raw: A::Raw, peer: Peer) {
        let shared = &self.shared;
        let config = shared.config.get();
        let admitted = if self.tasks.len() >= config.max_connections {
            Err(Limit::Connections)
        } else {
            shared.peers.admit(&peer, &config, Instant::now())
        };
        let slot = match admitted {
            Ok(slot) => slot,
            Err(limit) => {
                shared.counts.refused.fetch_add(1, Ordering::Relaxed);
                let source = Source::new(self.source.listener().clone(), peer, 0);
                shared.fault(&source, Fault::Refused { limit });
                return;
            }
        };
        A::prepare(&raw, config.keepalive);
        self.spawn(listener, raw, peer, slot, Past::default(), config);
    }

    /// Goes on with the connections of another process.
    fn adopt<A: Accept>(&mut self, listener: &A, adopted: Adopted) {
        #[cfg(unix)]
        for PassedConnection { socket, begun, unsent, authenticated } in adopted {
            let Some((raw, peer)) = listener.adopt(socket) else { continue };
            // It was admitted once; that it may come now is no question of limits.
            let config = self.shared.config.get();
            let slot = self.shared.peers.admit(&peer, &config, Instant::now()).unwrap_or_default();
            self.spawn(listener, raw, peer, slot, Past { begun, unsent, authenticated }, config);
        }
        #[cfg(not(unix))]
        let () = adopted;
    }

    fn spawn<A: Accept>(
        &mut self,
        listener: &A,
        raw: A::Raw,
        peer: Peer,
        slot: Option<PeerSlot>,
        past: Past,
        config: Arc<ListenerConfig>,
    ) {
        let shared = Arc::clone(&self.shared);
        shared.counts.connections.fetch_add(1, Ordering::Relaxed);
        self.last_id += 1;
        let source = Source::new(self.source.listener().clone(), peer, self.last_id);
        let establishing = listener.establish(raw, config.handshake_timeout);
        let mut stop = self.stop.clone();
        let mut active = Active::new(&shared);
        if A::SHAKES_HANDS {
            active.park();
        }
        self.tasks.spawn(async move {
            let established = tokio::select! {
                biased;
                established = establishing => established,
                // A listener that stops does not wait for newcomers for long.
                () = async { stopped(&mut stop).await; sleep(HANDSHAKE_GRACE).await } => {
                    Err(Some(Fault::Handshake { error: io::ErrorKind::TimedOut.into(), stranger: None }))
                }
            };
            match established {
                Ok(stream) => {
                    active.unpark();
                    Connection { stream, source, shared, slot, stop, active, past, config }.run().await;
                }
                Err(fault) => {
                    drop(slot);
                    if let Some(fault) = fault {
                        shared.fault(&source, fault);
                    }
                }
            }
        });
    }
}

/// Errors that accept passes on from a connection that died while it waited. The next one is fine.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
