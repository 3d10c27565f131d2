//! `DatagramHandler`: records as datagrams.
use std::{path::Path, sync::Arc};

use logrecord_transport::{Endpoint, Transport};

use crate::{
    builder::{HandlerBuilder, address},
    error::Error,
    handler::Core,
    methods::methods,
};

/// Sends records as Python's `DatagramHandler` does, over UDP or a Unix datagram socket: one record, one
/// datagram.
///
/// It is a handle as [`SocketHandler`](crate::SocketHandler) is. A record that no datagram can hold (65,503
/// bytes over UDP) is refused, counted and reported; what the network drops, nobody can count.
///
/// # Examples
///
/// ```
/// use std::{net::UdpSocket, time::Duration};
/// use logrecord::{DatagramHandler, model::LogRecord};
///
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// let handler = DatagramHandler::builder("127.0.0.1", socket.local_addr()?.port()).build()?;
/// handler.handle(&LogRecord::builder("app", 20, "started").now().build())?;
/// handler.flush(Duration::from_secs(5))?;
///
/// let mut datagram = [0; 2048];
/// let len = socket.recv(&mut datagram)?;
/// assert_eq!(LogRecord::from_pickle(&datagram[4..len])?.message(), "started");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DatagramHandler {
    core: Arc<Core>,
}

impl DatagramHandler {
    /// Begins to set up a handler for UDP. A name is resolved again for each connection.
    pub fn builder(host: &str, port: u16) -> HandlerBuilder<Self> {
        let endpoint = Endpoint::new(Transport::Udp, &address(host, port)).map_err(Error::from);
        HandlerBuilder::new(endpoint, accepts)
    }

    /// Begins to set up a handler for the Unix datagram socket at `path`.
    pub fn unix(path: impl AsRef<Path>) -> HandlerBuilder<Self> {
        HandlerBuilder::new(Endpoint::unix_datagram(path).map_err(Error::from), accepts)
    }

    /// Begins to set up a handler for an endpoint: `udp://` or `unix-dgram://`.
    pub fn to(endpoint: Endpoint) -> HandlerBuilder<Self> {
        HandlerBuilder::new(Ok(endpoint), accepts)
    }
}

methods!(DatagramHandler, AsyncDatagramHandler);

fn accepts(transport: Transport) -> bool {
    matches!(transport, Transport::Udp | Transport::UnixDatagram)
}
