//! The limits of a listener, with the reason for each default.
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// The configuration of a listener as it is now: it may change while the listener serves.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<ListenerConfig>>);

impl Current {
    pub(super) fn new(config: ListenerConfig) -> Self {
        Self(RwLock::new(Arc::new(config)))
    }

    pub(super) fn get(&self) -> Arc<ListenerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, config: ListenerConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// Limits and socket options of one listener.
///
/// The defaults are meant for senders that lose a record whenever their connection is closed, as
/// Python's `SocketHandler` does: nothing that closes a connection that could have lived is on by
/// default, except the limit on unfinished frames.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use logrecord_transport::listener::ListenerConfig;
///
/// let config = ListenerConfig::new()
///     .max_frame_len(64 * 1024)
///     .idle_timeout(Some(Duration::from_secs(600)));
/// # drop(config);
/// ```
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    pub(crate) max_frame_len: u32,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_peer: Option<usize>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) frame_timeout: Option<Duration>,
    pub(crate) authentication_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) accept_rate: Option<u32>,
    pub(crate) accept_rate_per_peer: Option<u32>,
    pub(crate) max_bytes_in_flight: usize,
    pub(crate) max_bytes_in_flight_per_peer: Option<usize>,
    pub(crate) recv_buffer: Option<usize>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) unix_mode: Option<u32>,
    pub(crate) shares_port: bool,
    pub(crate) datagram_queue_frames: usize,
    pub(crate) datagram_queue_bytes: usize,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::TlsServer>,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ListenerConfig {
    /// The default limits.
    pub const fn new() -> Self {
        Self {
            max_frame_len: 1024 * 1024,
            max_connections: 16_384,
            max_connections_per_peer: None,
            idle_timeout: None,
            frame_timeout: Some(Duration::from_secs(30)),
            authentication_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            accept_rate: None,
            accept_rate_per_peer: None,
            max_bytes_in_flight: 256 * 1024 * 1024,
            max_bytes_in_flight_per_peer: None,
            recv_buffer: None,
            keepalive: Some(Duration::from_secs(60)),
            unix_mode: None,
            shares_port: false,
            datagram_queue_frames: 65_536,
            datagram_queue_bytes: 64 * 1024 * 1024,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Longest payload, 1 MiB by default. A frame that declares more is lost, and with it its connection, unless
    /// the handler [wants it skipped](super::FrameHandler::oversized).
    #[must_use]
    pub const fn max_frame_len(mut self, bytes: u32) -> Self {
        self.max_frame_len = bytes;
        self
    }

    /// Open connections of this listener, 16,384 by default. One more is closed at once.
    #[must_use]
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Open connections of one IP address or one Unix user. Off by default, because a whole fleet can
    /// sit behind one address.
    #[must_use]
    pub const fn max_connections_per_peer(mut self, connections: Option<usize>) -> Self {
        self.max_connections_per_peer = connections;
        self
    }

    /// Silence between two frames after which a connection is closed. Off by default: a service may
    /// have nothing to say for days, and a stock sender loses the record that finds its connection closed.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Option<Duration>) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Time from a frame's first byte to its last, 30 s by default. Time in which the listener itself
    /// did not read, because the handler was busy, does not count.
    #[must_use]
    pub const fn frame_timeout(mut self, limit: Option<Duration>) -> Self {
        self.frame_timeout = limit;
        self
    }

    /// Time to the first accepted frame, 5 s by default. It applies only while
    /// [`FrameHandler::is_authenticated`](super::FrameHandler::is_authenticated) says no.
    #[must_use]
    pub const fn authentication_timeout(mut self, limit: Duration) -> Self {
        self.authentication_timeout = limit;
        self
    }

    /// Time for a TLS handshake, 10 s by default.
    #[must_use]
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Time to read what is there when the listener is told to stop, 5 s by default.
    #[must_use]
    pub const fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit;
        self
    }

    /// New connections a second for the whole listener, off by default. Those above it wait in the
    /// kernel's backlog and lose nothing.
    #[must_use]
    pub const fn accept_rate(mut self, per_second: Option<u32>) -> Self {
        self.accept_rate = per_second;
        self
    }

    /// New connections a second of one peer, off by default. Those above it are closed.
    #[must_use]
    pub const fn accept_rate_per_peer(mut self, per_second: Option<u32>) -> Self {
        self.accept_rate_per_peer = per_second;
        self
    }

    /// Bytes in memory over all connections, 256 MiB by default: so much of whole frames in the handler's
    /// hands, and so much of frames that are begun. When the first is reached, nothing is read until the
    /// handler has taken some, and the sockets push back. When the second is reached, begun frames of
    /// 16 KiB and more wait until others are complete or over their time; small ones are read all the same.
    /// Either may be passed by one read of each connection.
    #[must_use]
    pub const fn max_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.max_bytes_in_flight = bytes;
        self
    }

    /// The same for all connections of one peer, off by default.
    #[must_use]
    pub const fn max_bytes_in_flight_per_peer(mut self, bytes: Option<usize>) -> Self {
        self.max_bytes_in_flight_per_peer = bytes;
        self
    }

    /// The socket's receive buffer. By default the kernel tunes it for streams, and datagram sockets
    /// ask for 4 MiB: a burst of datagrams has nowhere else to wait. The kernel may grant less.
    #[must_use]
    pub const fn recv_buffer(mut self, bytes: Option<usize>) -> Self {
        self.recv_buffer = bytes;
        self
    }

    /// Silence after which TCP asks whether the peer is still there, 60 s by default. This finds the
    /// connections of machines that vanished; it closes none that lives.
    #[must_use]
    pub const fn keepalive(mut self, after: Option<Duration>) -> Self {
        self.keepalive = after;
        self
    }

    /// Mode of a Unix socket's file, such as `0o660`. By default the process's umask decides. The mode
    /// is in place before anybody can connect.
    #[must_use]
    pub const fn unix_mode(mut self, mode: Option<u32>) -> Self {
        self.unix_mode = mode;
        self
    }

    /// How many frames and bytes of memory wait between a Unix datagram socket and a slow handler: 65,536 and
    /// 64 MiB by default; a frame counts for 64 bytes more than it has, and each change of the sender for
    /// 192. What comes on top is given up and counted, because a stock sender would hang
    /// for good if the socket were not read.
    #[must_use]
    pub const fn datagram_queue(mut self, frames: usize, bytes: usize) -> Self {
        self.datagram_queue_frames = frames;
        self.datagram_queue_bytes = bytes;
        self
    }

    /// The certificate of a TLS listener, and whom it lets in.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::TlsServer) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Whether the port may be another listener's as well.
    pub(super) const fn shares_port(mut self, shares: bool) -> Self {
        self.shares_port = shares;
        self
    }

    #[cfg(feature = "tls")]
    pub(super) const fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    pub(super) const fn speaks_tls(&self) -> bool {
        false
    }
}
