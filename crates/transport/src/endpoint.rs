//! Endpoints: a transport and an address, written `tcp://127.0.0.1:9020`.
//!
//! An endpoint keeps names as they were written; a sender resolves them again for every connection.
use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::error::{Error, ErrorKind};

/// The five ways a frame can travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A TCP connection: frames one after another.
    Tcp,
    /// UDP: one frame in one datagram.
    Udp,
    /// A Unix stream socket: frames one after another.
    Unix,
    /// A Unix datagram socket: one frame in one datagram.
    UnixDatagram,
    /// TLS over TCP: frames one after another.
    Tls,
}

impl Transport {
    /// The scheme in front of `://`.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::UnixDatagram => "unix-dgram",
            Self::Tls => "tls",
        }
    }

    /// Whether a frame is a datagram of its own, rather than a part of a stream.
    pub const fn is_datagram(self) -> bool {
        matches!(self, Self::Udp | Self::UnixDatagram)
    }

    /// Whether the address is a path in the file system.
    pub const fn is_unix(self) -> bool {
        matches!(self, Self::Unix | Self::UnixDatagram)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Address {
    Net { host: Box<str>, port: u16 },
    Path(PathBuf),
}

/// A transport and an address.
///
/// # Examples
///
/// ```
/// use logrecord_transport::{Endpoint, Transport};
///
/// let endpoint: Endpoint = "tcp://[::1]:9020".parse()?;
/// assert_eq!(endpoint.transport(), Transport::Tcp);
/// assert_eq!(endpoint.port(), Some(9020));
/// assert_eq!(endpoint.to_string(), "tcp://[::1]:9020");
/// # Ok::<(), logrecord_transport::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    transport: Transport,
    address: Address,
}

impl Endpoint {
    /// An endpoint from the part behind the scheme: `host:port`, or a path for Unix sockets.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Endpoint`] if the host, the port or the path is missing or malformed. An IPv6
    /// address stands in brackets, as in a URL.
    pub fn new(transport: Transport, address: &str) -> Result<Self, Error> {
        if transport.is_unix() {
            return Self::unix_path(transport, Path::new(address));
        }
        let (host, port) = address.rsplit_once(':').ok_or(Error::new(ErrorKind::Endpoint))?;
        let port = port.parse().map_err(|_| Error::new(ErrorKind::Endpoint))?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(inner)) => inner,
            Some(None) => return Err(Error::new(ErrorKind::Endpoint)),
            None if host.contains(':') => return Err(Error::new(ErrorKind::Endpoint)),
            None => host,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
            return Err(Error::new(ErrorKind::Endpoint));
        }
        Ok(Self { transport, address: Address::Net { host: host.into(), port } })
    }

    /// A TCP endpoint at `host:port`.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::new`].
    pub fn tcp(address: &str) -> Result<Self, Error> {
        Self::new(Transport::Tcp, address)
    }

    /// A UDP endpoint at `host:port`.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::new`].
    pub fn udp(address: &str) -> Result<Self, Error> {
        Self::new(Transport::Udp, address)
    }

    /// A TLS endpoint at `host:port`.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::new`].
    pub fn tls(address: &str) -> Result<Self, Error> {
        Self::new(Transport::Tls, address)
    }

    /// A Unix stream socket at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Endpoint`] if the path is empty.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::unix_path(Transport::Unix, path.as_ref())
    }

    /// A Unix datagram socket at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Endpoint`] if the path is empty.
    pub fn unix_datagram(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::unix_path(Transport::UnixDatagram, path.as_ref())
    }

    fn unix_path(transport: Transport, path: &Path) -> Result<Self, Error> {
        if path.as_os_str().is_empty() {
            return Err(Error::new(ErrorKind::Endpoint));
        }
        Ok(Self { transport, address: Address::Path(path.to_path_buf()) })
    }

    /// The endpoint of a socket whose address is known.
    pub fn from_socket_addr(transport: Transport, addr: SocketAddr) -> Self {
        Self {
            transport,
            address: Address::Net { host: addr.ip().to_string().into_boxed_str(), port: addr.port() },
        }
    }

    /// The transport.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The host as written, without brackets; none for a Unix socket.
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Net { host, .. } => Some(host),
            Address::Path(_) => None,
        }
    }

    /// The port; none for a Unix socket.
    pub const fn port(&self) -> Option<u16> {
        match &self.address {
            Address::Net { port, .. } => Some(*port),
            Address::Path(_) => None,
        }
    }

    /// The path of a Unix socket.
    pub fn path(&self) -> Option<&Path> {
        match &self.address {
            Address::Net { .. } => None,
            Address::Path(path) => Some(path),
        }
    }

    /// Whether only this machine can reach the endpoint: a Unix socket, `localhost`, or a loopback
    /// address. A name other than `localhost` is not looked up and counts as not loopback.
    ///
    /// # Examples
    ///
    /// ```
    /// use logrecord_transport::Endpoint;
    ///
    /// assert!(Endpoint::tcp("127.0.0.2:9020")?.is_local());
    /// assert!(!Endpoint::tcp("0.0.0.0:9020")?.is_local());
    /// # Ok::<(), logrecord_transport::Error>(())
    /// ```
    pub fn is_local(&self) -> bool {
        match &self.address {
            Address::Path(_) => true,
            Address::Net { host, .. } => match host.parse::<std::net::IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            },
        }
    }

    /// All addresses that the host has now, in the resolver's order. This may block on DNS.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Resolve`] if the name does not resolve, [`ErrorKind::Endpoint`] if this is a Unix
    /// socket.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let Address::Net { host, port } = &self.address else {
            return Err(Error::new(ErrorKind::Endpoint));
        };
        let found: Vec<SocketAddr> = (&**host, *port)
            .to_socket_addrs()
            .map_err(|error| Error::io(ErrorKind::Resolve, error))?
            .collect();
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Resolve));
        }
        Ok(found)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.transport.scheme();
        match &self.address {
            Address::Net { host, port } if host.contains(':') => write!(f, "{scheme}://[{host}]:{port}"),
            Address::Net { host, port } => write!(f, "{scheme}://{host}:{port}"),
            Address::Path(path) => write!(f, "{scheme}://{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (scheme, address) = text.split_once("://").ok_or(Error::new(ErrorKind::Endpoint))?;
        let transport = match scheme {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            "unix" => Transport::Unix,
            "unix-dgram" => Transport::UnixDatagram,
            "tls" => Transport::Tls,
            _ => return Err(Error::new(ErrorKind::Endpoint)),
        };
        Self::new(transport, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_back_as_they_are_written() {
        for text in [
            "tcp://127.0.0.1:9020",
            "tcp://[::1]:0",
            "udp://log.example.net:9021",
            "unix:///run/logrecord.sock",
            "unix-dgram://relative.sock",
            "tls://localhost:6514",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "127.0.0.1:9020",
            "tcp://",
            "tcp://127.0.0.1",
            "tcp://:9020",
            "tcp://127.0.0.1:70000",
            "tcp://::1:9020",
            "tcp://[::1:9020",
            "tcp://a b:1",
            "http://127.0.0.1:80",
            "unix://",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().kind(), ErrorKind::Endpoint, "{text}");
        }
    }

    #[test]
    fn local_endpoints_are_told_from_others() {
        for (text, local) in [
            ("tcp://127.0.0.1:1", true),
            ("tcp://[::1]:1", true),
            ("tcp://[::ffff:127.0.0.1]:1", true),
            ("tcp://localhost:1", true),
            ("unix:///x", true),
            ("tcp://0.0.0.0:1", false),
            ("udp://[::]:1", false),
            ("tcp://example.net:1", false),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().is_local(), local, "{text}");
        }
    }
}
