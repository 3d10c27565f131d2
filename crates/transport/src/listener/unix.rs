//! Unix datagram sockets as tokio drives them.
use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use bytes::BytesMut;

use super::datagram::Datagrams;
use crate::source::Peer;

impl Datagrams for tokio::net::UnixDatagram {
    async fn readable(&self) -> io::Result<()> {
        Self::readable(self).await
    }

    fn try_recv(&self, buffer: &mut BytesMut) -> io::Result<(usize, Peer)> {
        let (len, address) = self.try_recv_buf_from(buffer)?;
        let peer = match address.as_pathname() {
            Some(path) => Peer::Path(path.into()),
            None => Peer::Unnamed,
        };
        Ok((len, peer))
    }

    fn duplicate(&self) -> Option<OwnedFd> {
        self.as_fd().try_clone_to_owned().ok()
    }

    fn tells_drops(&self) -> bool {
        false
    }

    fn kernel_drops(&self) -> Option<u64> {
        // The senders of a full Unix datagram socket wait or get an error; the kernel drops nothing.
        None
    }
}
