//! CPython's handlers to the letter: no queue, no thread, drops included.
//!
//! The order of things is `SocketHandler.emit`'s: connect if there is no socket and the back-off allows
//! it, write everything within a second, and at any error close, forget the socket and lose the record.
//! `DatagramHandler` keeps its socket through errors and resolves names for each record.
#[cfg(unix)]
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use super::config::{SenderConfig, SenderStats};
use crate::{
    backoff::Backoff,
    endpoint::{Endpoint, Transport},
    error::{Error, ErrorKind},
};

/// The timeout of `makeSocket`, which stays on the socket for every later call.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(unix)]
    UnixDatagram(UnixDatagram),
}

#[derive(Debug)]
pub(super) struct Compat {
    endpoint: Endpoint,
    socket: Option<Socket>,
    backoff: Backoff,
    stats: SenderStats,
}

impl Compat {
    pub(super) fn new(endpoint: Endpoint, config: &SenderConfig) -> Self {
        Self { endpoint, socket: None, backoff: config.backoff.clone(), stats: SenderStats::default() }
    }

    pub(super) const fn stats(&self) -> SenderStats {
        self.stats
    }

    pub(super) fn send(&mut self, payload: &[u8]) -> Result<(), Error> {
        let prefix = logrecord_frame::prefix(payload.len()).map_err(|_| Error::new(ErrorKind::TooLong))?;
        self.stats.accepted += 1;
        let outcome = self.emit(&prefix, payload);
        match outcome {
            Ok(()) => {
                self.stats.written += 1;
                self.stats.written_bytes += payload.len() as u64;
            }
            Err(_) => {
                self.stats.dropped += 1;
                self.stats.dropped_error += 1;
                self.stats.dropped_bytes += payload.len() as u64;
            }
        }
        outcome
    }

    fn emit(&mut self, prefix: &[u8], payload: &[u8]) -> Result<(), Error> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            place @ None => {
                let now = Instant::now();
                if !self.backoff.allows(now) {
                    return Err(Error::new(ErrorKind::Waiting));
                }
                match connect(&self.endpoint) {
                    Ok(socket) => {
                        self.backoff.succeeded();
                        self.stats.connections += 1;
                        place.insert(socket)
                    }
                    Err(error) => {
                        self.stats.failed_connects += 1;
                        self.backoff.failed(now);
                        return Err(error);
                    }
                }
            }
        };
        let frame = [prefix, payload].concat();
        let written = match socket {
            Socket::Tcp(stream) => send_all(stream, &frame, TcpStream::set_write_timeout),
            Socket::Udp(socket) => {
                let address = ipv4(&self.endpoint)?;
                return sent(socket.send_to(&frame, address));
            }
            #[cfg(unix)]
            Socket::Unix(stream) => send_all(stream, &frame, UnixStream::set_write_timeout),
            #[cfg(unix)]
            Socket::UnixDatagram(socket) => {
                let path = self.endpoint.path().ok_or(Error::new(ErrorKind::Endpoint))?;
                return sent(socket.send_to(&frame, path));
            }
        };
        if written.is_err() {
            self.socket = None;
        }
        written.map_err(|error| Error::io(ErrorKind::Io, error))
    }
}

fn sent(outcome: io::Result<usize>) -> Result<(), Error> {
    outcome.map(|_| ()).map_err(|error| Error::io(ErrorKind::Io, error))
}

/// Python's `sendall`: the timeout is for the whole of it.
fn send_all<S: Write>(
    stream: &mut S,
    mut rest: &[u8],
    set_timeout: impl Fn(&S, Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    let by = Instant::now() + TIMEOUT;
    while !rest.is_empty() {
        let left = by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        set_timeout(stream, Some(left))?;
        match stream.write_vectored(&[io::IoSlice::new(rest)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `DatagramHandler` opens an IPv4 socket and nothing else.
fn ipv4(endpoint: &Endpoint) -> Result<SocketAddr, Error> {
    endpoint.resolve()?.into_iter().find(SocketAddr::is_ipv4).ok_or(Error::new(ErrorKind::Resolve))
}

fn connect(endpoint: &Endpoint) -> Result<Socket, Error> {
    let failed = |error| Error::io(ErrorKind::Connect, error);
    match endpoint.transport() {
        Transport::Tcp => {
            let mut last = Error::new(ErrorKind::Resolve);
            for address in endpoint.resolve()? {
                match TcpStream::connect_timeout(&address, TIMEOUT) {
                    Ok(stream) => return Ok(Socket::Tcp(stream)),
                    Err(error) => last = failed(error),
                }
            }
            Err(last)
        }
        Transport::Udp => UdpSocket::bind(("0.0.0.0", 0)).map(Socket::Udp).map_err(failed),
        #[cfg(unix)]
        Transport::Unix => {
            let stream = UnixStream::from(super::link::connect_unix(endpoint, socket2::Type::STREAM)?);
            Ok(Socket::Unix(stream))
        }
        #[cfg(unix)]
        Transport::UnixDatagram => UnixDatagram::unbound().map(Socket::UnixDatagram).map_err(failed),
        _ => Err(Error::new(ErrorKind::Unsupported)),
    }
}
