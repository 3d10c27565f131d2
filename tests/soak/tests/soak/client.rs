//! Clients made by hand: connections from many addresses, and frames as `SocketHandler` sends them.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

/// A read or write that takes longer fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to `port`. The `index` chooses one of eight loopback addresses to come from, because one address
/// has only some 28,000 ports, and many of them may still be in TIME_WAIT from the case before.
pub(super) fn dial(port: u16, index: usize) -> Result<TcpStream> {
    let octet = u8::try_from(2 + index % 8).unwrap_or(2);
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .with_context(|| format!("no descriptor for connection {index}"))?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, octet), 0))
        .with_context(|| format!("no port for connection {index}"))?;
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("connection {index} is not accepted"))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// `count` connections to `port`.
pub(super) fn crowd(port: u16, count: usize) -> Result<Vec<TcpStream>> {
    (0..count).map(|index| dial(port, index)).collect()
}

/// Waits until the peer has closed, and fails when it has not by `deadline`.
pub(super) fn closed_by(stream: &mut TcpStream, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(count) => ensure!(count == 0, "a receiver never answers, but this one did"),
        // A close with unread bytes is a reset, which is as good.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context("a connection was not closed"),
    }
    Ok(())
}

/// A frame around the pickle of a record whose message is `message`.
pub(super) fn frame(message: &str) -> Vec<u8> {
    testkit::bytes::frame(&testkit::bytes::record(message))
}
