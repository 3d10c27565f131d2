//! One connection of a blocking sender: opening it, asking whether the peer is still there, writing.
#[cfg(unix)]
use std::os::{
    fd::OwnedFd,
    unix::net::{UnixDatagram, UnixStream},
};
use std::{
    io::{self, IoSlice, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use socket2::SockRef;

use super::{config::SenderConfig, message::Segment};
use crate::{
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
};

/// A write that finds no room returns after this long, so that closing is noticed.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// What became of a write.
#[derive(Debug)]
pub(super) enum Wrote {
    /// So many bytes are with the system.
    Bytes(usize),
    /// There is no room now.
    Again,
    /// This datagram can never be sent: it is too long.
    Refused,
    /// An earlier datagram did not arrive; this one was not sent yet.
    Unreachable,
    /// The connection is no more.
    Broken(io::Error),
}

/// An open connection.
#[derive(Debug)]
pub(super) enum Link {
    Tcp(TcpStream),
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(unix)]
    UnixDatagram(UnixDatagram),
    #[cfg(feature = "tls")]
    Tls(Box<TlsLink>),
}

impl Link {
    /// Opens a connection to the first address of the endpoint that answers. Names are resolved anew.
    pub(super) fn connect(endpoint: &Endpoint, config: &SenderConfig) -> Result<Self, Error> {
        match endpoint.transport() {
            Transport::Tcp => connect_tcp(endpoint, config).map(Self::Tcp),
            Transport::Udp => connect_udp_to(&endpoint.resolve()?).map(Self::Udp),
            #[cfg(unix)]
            Transport::Unix => {
                let stream = UnixStream::from(connect_unix(endpoint, socket2::Type::STREAM)?);
                Ok(Self::Unix(stream))
            }
            #[cfg(unix)]
            Transport::UnixDatagram => {
                Ok(Self::UnixDatagram(UnixDatagram::from(connect_unix(endpoint, socket2::Type::DGRAM)?)))
            }
            #[cfg(feature = "tls")]
            Transport::Tls => TlsLink::connect(endpoint, config).map(|link| Self::Tls(Box::new(link))),
            #[cfg(not(all(unix, feature = "tls")))]
            _ => Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// Whether the peer is still there; what it has said is appended to `into`. A stock receiver never says
    /// anything, so that what can be read is the end. Without this look the first record after it would vanish
    /// without an error.
    pub(super) fn read_back(&mut self, into: &mut Vec<u8>) -> bool {
        match self {
            Self::Tcp(stream) => read_open(stream, into),
            #[cfg(unix)]
            Self::Unix(stream) => read_open(stream, into),
            #[cfg(feature = "tls")]
            Self::Tls(link) => link.read_back(into),
            // Datagram sockets have no end; what is wrong shows at the next write.
            Self::Udp(_) => true,
            #[cfg(unix)]
            Self::UnixDatagram(_) => true,
        }
    }

    /// Waits until something can be read, or the limit has passed.
    pub(super) fn wait_readable(&self, limit: Duration) {
        match self {
            Self::Tcp(stream) => wait_readable(stream, limit),
            #[cfg(unix)]
            Self::Unix(stream) => wait_readable(stream, limit),
            #[cfg(feature = "tls")]
            Self::Tls(link) => wait_readable(link.stream(), limit),
            Self::Udp(_) => {}
            #[cfg(unix)]
            Self::UnixDatagram(_) => {}
        }
    }

    /// Writes as much as the system takes at once; a datagram socket takes the first segment.
    pub(super) fn write(&mut self, segments: &[Segment]) -> Wrote {
        match self {
            Self::Tcp(stream) => of_stream(write_stream(stream, segments)),
            #[cfg(unix)]
            Self::Unix(stream) => of_stream(write_stream(stream, segments)),
            #[cfg(feature = "tls")]
            Self::Tls(link) => link.write(segments),
            Self::Udp(socket) => of_datagram(send(&SockRef::from(&*socket), segments), true),
            #[cfg(unix)]
            Self::UnixDatagram(socket) => of_datagram(send(&SockRef::from(&*socket), segments), false),
        }
    }
}

/// Vectored: prefixes and payloads lie where they are.
fn write_stream(stream: &mut impl Write, segments: &[Segment]) -> io::Result<usize> {
    let mut slices = Vec::with_capacity(2 * segments.len());
    for segment in segments {
        if !segment.prefix().is_empty() {
            slices.push(IoSlice::new(segment.prefix()));
        }
        slices.push(IoSlice::new(segment.payload()));
    }
    stream.write_vectored(&slices)
}

fn send(socket: &SockRef<'_>, segments: &[Segment]) -> io::Result<usize> {
    let Some(segment) = segments.first() else { return Ok(0) };
    socket.send_vectored(&[IoSlice::new(segment.prefix()), IoSlice::new(segment.payload())])
}

fn of_stream(outcome: io::Result<usize>) -> Wrote {
    match outcome {
        Ok(0) => Wrote::Broken(io::ErrorKind::WriteZero.into()),
        Ok(written) => Wrote::Bytes(written),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Wrote::Again,
            _ => Wrote::Broken(error),
        },
    }
}

fn of_datagram(outcome: io::Result<usize>, udp: bool) -> Wrote {
    match outcome {
        Ok(written) => Wrote::Bytes(written),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Wrote::Again,
            // On a connected UDP socket this tells of a datagram before this one.
            io::ErrorKind::ConnectionRefused if udp => Wrote::Unreachable,
            _ if is_too_long(&error) => Wrote::Refused,
            // A full device queue empties by itself.
            _ if is_no_buffers(&error) => Wrote::Again,
            _ => Wrote::Broken(error),
        },
    }
}

#[cfg(unix)]
fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

#[cfg(unix)]
fn is_no_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

/// WSAEMSGSIZE.
#[cfg(not(unix))]
fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10040)
}

/// WSAENOBUFS.
#[cfg(not(unix))]
fn is_no_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10055)
}

/// How much is read in a row; what is left is read next time.
const READS: usize = 16;

/// Reads what is there without waiting; whether the connection stands.
#[cfg(unix)]
fn read_open(stream: &impl std::os::fd::AsFd, into: &mut Vec<u8>) -> bool {
    use rustix::{
        io::Errno,
        net::{RecvFlags, recv},
    };
    let mut scratch = [0; 4096];
    for _ in 0..READS {
        match recv(stream, &mut scratch[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return false,
            Ok((_, read)) => into.extend_from_slice(scratch.get(..read).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}

#[cfg(not(unix))]
fn read_open(mut stream: &TcpStream, into: &mut Vec<u8>) -> bool {
    use std::io::Read as _;
    let mut scratch = [0; 4096];
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let mut open = true;
    for _ in 0..READS {
        match stream.read(&mut scratch) {
            Ok(0) => open = false,
            Ok(read) => {
                into.extend_from_slice(scratch.get(..read).unwrap_or_default());
                continue;
            }
            Err(error) => open = error.kind() == io::ErrorKind::WouldBlock,
        }
        break;
    }
    stream.set_nonblocking(false).is_ok() && open
}

/// A failure, or a signal, shows at the next read.
#[cfg(unix)]
fn wait_readable(stream: &impl std::os::fd::AsFd, limit: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(limit.min(TICK).subsec_nanos()) };
    poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&limit)).unwrap_or_default();
}

#[cfg(not(unix))]
fn wait_readable(stream: &TcpStream, limit: Duration) {
    let limit = limit.clamp(Duration::from_millis(1), TICK);
    if stream.set_read_timeout(Some(limit)).is_ok() {
        drop(stream.peek(&mut [0; 1]));
    }
}

fn connect_tcp(endpoint: &Endpoint, config: &SenderConfig) -> Result<TcpStream, Error> {
    let mut last = Error::new(ErrorKind::Resolve);
    for address in endpoint.resolve()? {
        match TcpStream::connect_timeout(&address, config.connect_timeout.max(Duration::from_millis(1))) {
            Ok(stream) if is_self_connected(&stream) => {
                last = Error::io(ErrorKind::Connect, io::ErrorKind::ConnectionRefused.into());
            }
            Ok(stream) => {
                let prepared = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(TICK)));
                match prepared {
                    Ok(()) => return Ok(stream),
                    Err(error) => last = Error::io(ErrorKind::Connect, error),
                }
            }
            Err(error) => last = Error::io(ErrorKind::Connect, error),
        }
    }
    Err(last)
}

/// While a receiver on this machine is away, the kernel may give its port to our own socket, which then
/// connects to itself and swallows records for good.
fn is_self_connected(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// A UDP socket that is tied to the first address to which there is a way.
fn connect_udp_to(addresses: &[SocketAddr]) -> Result<UdpSocket, Error> {
    let mut last = Error::new(ErrorKind::Resolve);
    for &address in addresses {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let connected = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(address)?;
            socket.set_write_timeout(Some(TICK))?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Error::io(ErrorKind::Connect, error),
        }
    }
    Err(last)
}

#[cfg(unix)]
pub(super) fn connect_unix(endpoint: &Endpoint, kind: socket2::Type) -> Result<OwnedFd, Error> {
    let failed = |error| Error::io(ErrorKind::Connect, error);
    let path = endpoint.path().ok_or(Error::new(ErrorKind::Endpoint))?;
    let socket = socket2::Socket::new(socket2::Domain::UNIX, kind, None).map_err(failed)?;
    // A receiver whose backlog is full must not hold the sender for good.
    socket.set_nonblocking(true).map_err(failed)?;
    socket.connect(&socket2::SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
    socket.set_nonblocking(false).map_err(failed)?;
    socket.set_write_timeout(Some(TICK)).map_err(failed)?;
    Ok(socket.into())
}

#[cfg(feature = "tls")]
pub(super) use tls::TlsLink;

#[cfg(feature = "tls")]
mod tls {
    //! TLS over a blocking socket. What is written goes out as one TLS record at a time, which the other
    //! side can open whole or not at all: a connection that breaks never leaves it unclear which bytes of
    //! a record count as sent.
    use std::time::Instant;

    use rustls::ClientConnection;

    use super::{
        Duration, Endpoint, Error, ErrorKind, READS, Segment, SenderConfig, TICK, TcpStream, Write, Wrote,
        connect_tcp, io,
    };

    /// The plaintext of one TLS record.
    const RECORD: usize = 16 * 1024;

    #[derive(Debug)]
    pub(in crate::sender) struct TlsLink {
        stream: TcpStream,
        tls: ClientConnection,
        /// Plaintext that rustls has taken and the system not wholly.
        pending: usize,
        scratch: Vec<u8>,
    }

    impl TlsLink {
        pub(super) fn connect(endpoint: &Endpoint, config: &SenderConfig) -> Result<Self, Error> {
            let client = config.tls.as_ref().ok_or(Error::new(ErrorKind::Tls))?;
            let name = client.name_for(endpoint.host().unwrap_or_default())?;
            let mut tls = ClientConnection::new(std::sync::Arc::clone(&client.config), name)
                .map_err(|error| Error::io(ErrorKind::Tls, io::Error::other(error)))?;
            let mut stream = connect_tcp(endpoint, config)?;
            let failed = |error: io::Error| match error.kind() {
                io::ErrorKind::InvalidData => Error::io(ErrorKind::Tls, error),
                _ => Error::io(ErrorKind::Connect, error),
            };
            stream.set_read_timeout(Some(TICK)).map_err(failed)?;
            let by = Instant::now() + HANDSHAKE.max(config.connect_timeout);
            while tls.is_handshaking() {
                match tls.complete_io(&mut stream) {
                    Ok(_) => {}
                    Err(error) if is_again(&error) && Instant::now() < by => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            Ok(Self { stream, tls, pending: 0, scratch: Vec::new() })
        }

        pub(super) const fn stream(&self) -> &TcpStream {
            &self.stream
        }

        /// Takes what the server says (tickets, alerts, its farewell, answers) without waiting.
        pub(super) fn read_back(&mut self, into: &mut Vec<u8>) -> bool {
            if self.stream.set_nonblocking(true).is_err() {
                return false;
            }
            let mut open = true;
            for _ in 0..READS {
                match self.tls.read_tls(&mut self.stream) {
                    Ok(0) => open = false,
                    Ok(_) => open = self.take_plaintext(into),
                    Err(error) => {
                        open = is_again(&error);
                        break;
                    }
                }
                if !open {
                    break;
                }
            }
            self.stream.set_nonblocking(false).is_ok() && open
        }

        /// Appends what the server has said; whether it may say more.
        fn take_plaintext(&mut self, into: &mut Vec<u8>) -> bool {
            let Ok(state) = self.tls.process_new_packets() else { return false };
            let mut said = io::Read::take(self.tls.reader(), state.plaintext_bytes_to_read() as u64);
            io::Read::read_to_end(&mut said, into).is_ok() && !state.peer_has_closed()
        }

        pub(super) fn write(&mut self, segments: &[Segment]) -> Wrote {
            if self.pending == 0 {
                self.scratch.clear();
                for piece in segments.iter().flat_map(|segment| [segment.prefix(), segment.payload()]) {
                    let room = RECORD - self.scratch.len();
                    self.scratch.extend_from_slice(piece.get(..room).unwrap_or(piece));
                    if self.scratch.len() == RECORD {
                        break;
                    }
                }
                if let Err(error) = self.tls.writer().write_all(&self.scratch) {
                    return Wrote::Broken(error);
                }
                self.pending = self.scratch.len();
            }
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.stream) {
                    Ok(0) => return Wrote::Broken(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(error) if is_again(&error) => return Wrote::Again,
                    Err(error) => return Wrote::Broken(error),
                }
            }
            Wrote::Bytes(std::mem::take(&mut self.pending))
        }
    }

    impl Drop for TlsLink {
        fn drop(&mut self) {
            // The farewell tells the receiver that nothing was cut. If it cannot be sent, the end of the
            // connection says it well enough.
            self.tls.send_close_notify();
            drop(self.tls.write_tls(&mut self.stream));
        }
    }

    fn is_again(error: &io::Error) -> bool {
        matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
        )
    }

    /// The least time that a handshake gets.
    const HANDSHAKE: Duration = Duration::from_secs(5);
}
