//! Where a frame came from.
//!
//! Stock records carry no host, sequence number or origin, so the receiving side adds what it knows.
use std::{fmt, net::SocketAddr, path::Path, sync::Arc};

use crate::endpoint::{Endpoint, Transport};

/// The other end of a connection, or the sender of a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A process on this machine, as the kernel vouches for it.
    Unix {
        /// The process id, where the platform tells.
        pid: Option<i32>,
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
    },
    /// A Unix datagram sender that is bound to a path.
    Path(Box<Path>),
    /// A Unix datagram sender without a name, or a listener itself.
    Unnamed,
}

impl Peer {
    /// The IP address and port, if it is one.
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            _ => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Unix { pid: Some(pid), uid, .. } => write!(f, "pid {pid} uid {uid}"),
            Self::Unix { pid: None, uid, .. } => write!(f, "uid {uid}"),
            // A path is chosen by the peer, so what could steer a terminal is escaped.
            Self::Path(path) => write!(f, "{}", path.to_string_lossy().escape_debug()),
            Self::Unnamed => f.write_str("unnamed"),
        }
    }
}

#[derive(Debug)]
struct Inner {
    listener: Endpoint,
    peer: Peer,
    connection: u64,
}

/// The origin of frames: listener, peer and connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    inner: Arc<Inner>,
}

impl Source {
    /// A source. Listeners make their own; this is for tests and for other producers of frames.
    pub fn new(listener: Endpoint, peer: Peer, connection: u64) -> Self {
        Self { inner: Arc::new(Inner { listener, peer, connection }) }
    }

    /// How the frames travelled.
    pub fn transport(&self) -> Transport {
        self.inner.listener.transport()
    }

    /// The endpoint of the listener that received them.
    pub fn listener(&self) -> &Endpoint {
        &self.inner.listener
    }

    /// Who sent them, as far as the socket tells.
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// The number of the connection, counted from 1 within its listener; 0 for datagrams.
    pub fn connection(&self) -> u64 {
        self.inner.connection
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.inner.peer, self.inner.listener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_peer_and_listener() {
        let listener = Endpoint::tcp("127.0.0.1:9020").unwrap();
        let peer = Peer::Ip("10.0.0.1:5".parse().unwrap());
        let source = Source::new(listener, peer, 7);
        assert_eq!(source.to_string(), "10.0.0.1:5 on tcp://127.0.0.1:9020");
        assert_eq!(source.connection(), 7);
        assert_eq!(Peer::Unix { pid: Some(3), uid: 0, gid: 0 }.to_string(), "pid 3 uid 0");
        assert_eq!(Peer::Path(Path::new("/x\n\u{1b}").into()).to_string(), "/x\\n\\u{1b}");
    }
}
