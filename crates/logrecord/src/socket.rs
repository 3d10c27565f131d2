//! `SocketHandler`: records as frames in a stream.
use std::{fmt, path::Path, sync::Arc, time::Duration};

use logrecord_model::LogRecord;
use logrecord_transport::{Endpoint, Transport};

use crate::{
    builder::{HandlerBuilder, address},
    error::Error,
    handler::{Core, Guard, Handler, HandlerStats},
};

/// Sends records as Python's `SocketHandler` does, over TCP, a Unix socket or TLS.
///
/// A handler is cheap to clone and may be used by any thread; all clones share one queue and one connection.
/// When the last clone is dropped, the queue gets a last chance ([`HandlerBuilder::drop_timeout`]). After a
/// fork the child's records go over a connection of the child's own.
///
/// Where Python's handler loses records while a receiver restarts, this one keeps them in a bounded queue and
/// counts and reports what it must drop. [`HandlerBuilder::cpython_compat`] is Python's behaviour.
///
/// # Examples
///
/// ```
/// use std::{io::Read, net::TcpListener, time::Duration};
/// use logrecord::{SocketHandler, model::LogRecord};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let handler = SocketHandler::builder("127.0.0.1", listener.local_addr()?.port()).build()?;
/// handler.handle(&LogRecord::builder("app.db", 30, "slow query").now().build())?;
/// assert_eq!(handler.close(Duration::from_secs(5)).sender.written, 1);
///
/// let mut frame = Vec::new();
/// listener.accept()?.0.read_to_end(&mut frame)?;
/// assert_eq!(LogRecord::from_pickle(&frame[4..])?.message(), "slow query");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SocketHandler {
    core: Arc<Core>,
}

impl SocketHandler {
    /// Begins to set up a handler for a TCP connection. A name is resolved again for each connection.
    pub fn builder(host: &str, port: u16) -> HandlerBuilder<Self> {
        let endpoint = Endpoint::new(Transport::Tcp, &address(host, port)).map_err(Error::from);
        HandlerBuilder::new(endpoint, accepts)
    }

    /// Begins to set up a handler for the Unix stream socket at `path`.
    pub fn unix(path: impl AsRef<Path>) -> HandlerBuilder<Self> {
        HandlerBuilder::new(Endpoint::unix(path).map_err(Error::from), accepts)
    }

    /// Begins to set up a handler for an endpoint: `tcp://`, `unix://` or `tls://`.
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
    matches!(transport, Transport::Tcp | Transport::Unix | Transport::Tls)
}

impl HandlerBuilder<SocketHandler> {
    /// Speaks TLS: whom the handler trusts, and who it is. The endpoint must be one of TCP.
    #[cfg(feature = "tls")]
    pub fn tls(self, client: logrecord_transport::TlsClient) -> Self {
        self.with_tls(client)
    }

    /// Makes the handler and its sender's thread. The first record makes it connect.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Endpoint`](crate::ErrorKind::Endpoint) if the endpoint is malformed,
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if this platform or build has no such transport or
    /// no thread can be started, and for signed records [`ErrorKind::Envelope`](crate::ErrorKind::Envelope) and
    /// [`ErrorKind::Random`](crate::ErrorKind::Random).
    pub fn build(self) -> Result<SocketHandler, Error> {
        Ok(SocketHandler { core: Arc::new(self.core()?) })
    }

    /// Makes the handler on the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); [`cpython_compat`](Self::cpython_compat) is refused, because its behaviour is
    /// to block.
    #[cfg(feature = "tokio")]
    pub fn build_async(self) -> Result<crate::AsyncSocketHandler, Error> {
        Ok(crate::AsyncSocketHandler::new(self.async_core()?))
    }
}

impl Handler for SocketHandler {
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        self.core.handle(record)
    }

    fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.core.flush(limit)
    }
}

impl fmt::Debug for SocketHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketHandler").field("endpoint", self.endpoint()).finish_non_exhaustive()
    }
}
