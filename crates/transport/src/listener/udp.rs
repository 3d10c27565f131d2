//! UDP sockets, and what the kernel dropped.
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd as _, OwnedFd};

use bytes::BytesMut;
use tokio::net::UdpSocket;

use super::datagram::Datagrams;
use crate::source::Peer;

/// A UDP socket with the number by which the kernel lists it.
pub(super) struct Udp {
    pub(super) socket: UdpSocket,
    inode: Option<u64>,
}

impl Udp {
    pub(super) fn new(socket: UdpSocket) -> Self {
        let inode = inode(&socket);
        Self { socket, inode }
    }
}

impl Datagrams for Udp {
    async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    fn try_recv(&self, buffer: &mut BytesMut) -> io::Result<(usize, Peer)> {
        let (len, address) = self.socket.try_recv_buf_from(buffer)?;
        Ok((len, Peer::Ip(address)))
    }

    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned().ok()
    }

    fn tells_drops(&self) -> bool {
        self.inode.is_some()
    }

    fn kernel_drops(&self) -> Option<u64> {
        kernel_drops(self.inode?)
    }
}

#[cfg(target_os = "linux")]
fn inode(socket: &UdpSocket) -> Option<u64> {
    use std::os::{fd::AsFd, unix::fs::MetadataExt};
    let file = std::fs::File::from(socket.as_fd().try_clone_to_owned().ok()?);
    Some(file.metadata().ok()?.ino())
}

#[cfg(not(target_os = "linux"))]
fn inode(_: &UdpSocket) -> Option<u64> {
    None
}

/// The last column of the socket's line in the kernel's tables. It is the same counter that SO_RXQ_OVFL
/// attaches to a datagram, and unlike that it also tells of drops behind the last datagram that was read.
#[cfg(target_os = "linux")]
fn kernel_drops(inode: u64) -> Option<u64> {
    ["/proc/self/net/udp", "/proc/self/net/udp6"].iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        drops_in_table(&text, inode)
    })
}

#[cfg(not(target_os = "linux"))]
fn kernel_drops(_: u64) -> Option<u64> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn drops_in_table(table: &str, inode: u64) -> Option<u64> {
    // sl local rem st tx:rx tr:when retrnsmt uid timeout inode ref pointer drops
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        (columns.nth(9)?.parse::<u64>() == Ok(inode)).then(|| columns.nth(2)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_the_line_of_the_socket() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 1: 0100007F:233D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 0000000000000000 7\n\
            \x20 2: 0100007F:233E 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 0000000000000000 1950\n";
        assert_eq!(drops_in_table(table, 42), Some(1950));
        assert_eq!(drops_in_table(table, 41), Some(7));
        assert_eq!(drops_in_table(table, 43), None);
        assert_eq!(drops_in_table("", 43), None);
    }
}
