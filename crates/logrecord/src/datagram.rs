//! `DatagramHandler`: records as datagrams.
use std::{fmt, path::Path, sync::Arc, time::Duration};

use logrecord_model::LogRecord;
use logrecord_transport::{Endpoint, Transport};

use crate::{
    builder::{HandlerBuilder, address},
    error::Error,
    handler::{Core, Guard, Handler, HandlerStats},
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

    /// A handler with all defaults.
    ///
    /// # Errors
    ///
    /// As [`HandlerBuilder::build`].
    pub fn connect(host: &str, port: u16) -> Result<Self, Error> {
        Self::builder(host, port).build()
    }

    /// Queues a record. This returns at once, unless the policy for a full queue is to wait.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Record`](crate::ErrorKind::Record) if the record has no form as a pickle, and
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if it is too long, if the queue has no room for
    /// it, or if the handler is closed. Whatever the error, the record is counted in [`stats`](Self::stats).
    pub fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        self.core.handle(record)
    }

    /// Waits until everything that was queued is handed to the system or dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if that takes longer than `limit`.
    pub fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.core.flush(limit)
    }

    /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as dropped. All
    /// clones are closed by it.
    pub fn close(&self, limit: Duration) -> HandlerStats {
        self.core.close(limit)
    }

    /// A guard that flushes this handler when it is dropped, waiting at most `limit`.
    pub fn guard(&self, limit: Duration) -> Guard {
        Guard::new(Arc::new(self.clone()), limit)
    }

    /// What became of all records so far.
    pub fn stats(&self) -> HandlerStats {
        self.core.stats()
    }

    /// Why the last attempt to connect failed, or the last connection ended.
    pub fn last_error(&self) -> Option<Arc<logrecord_transport::Error>> {
        self.core.last_error()
    }

    /// Where records go.
    pub fn endpoint(&self) -> &Endpoint {
        self.core.endpoint()
    }
}

fn accepts(transport: Transport) -> bool {
    matches!(transport, Transport::Udp | Transport::UnixDatagram)
}

impl HandlerBuilder<DatagramHandler> {
    /// Makes the handler and its sender's thread. The first record makes it connect.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Endpoint`](crate::ErrorKind::Endpoint) if the endpoint is malformed,
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if this platform or build has no such transport or
    /// no thread can be started, and for signed records [`ErrorKind::Envelope`](crate::ErrorKind::Envelope) and
    /// [`ErrorKind::Random`](crate::ErrorKind::Random).
    pub fn build(self) -> Result<DatagramHandler, Error> {
        Ok(DatagramHandler { core: Arc::new(self.core()?) })
    }

    /// Makes the handler on the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); [`cpython_compat`](Self::cpython_compat) is refused, because its behaviour is
    /// to block.
    #[cfg(feature = "tokio")]
    pub fn build_async(self) -> Result<crate::AsyncDatagramHandler, Error> {
        Ok(crate::AsyncDatagramHandler::new(self.async_core()?))
    }
}

impl Handler for DatagramHandler {
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        self.core.handle(record)
    }

    fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.core.flush(limit)
    }
}

impl fmt::Debug for DatagramHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramHandler").field("endpoint", self.endpoint()).finish_non_exhaustive()
    }
}
