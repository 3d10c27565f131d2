//! `SocketHandler`: records as frames in a stream.
use std::{path::Path, sync::Arc};

use logrecord_transport::{Endpoint, Transport};

use crate::{
    builder::{HandlerBuilder, address},
    error::Error,
    handler::Core,
    methods::methods,
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
}

methods!(SocketHandler, AsyncSocketHandler);

fn accepts(transport: Transport) -> bool {
    matches!(transport, Transport::Tcp | Transport::Unix | Transport::Tls)
}

impl HandlerBuilder<SocketHandler> {
    /// Speaks TLS: whom the handler trusts, and who it is. The endpoint must be one of TCP.
    #[cfg(feature = "tls")]
    pub fn tls(self, client: logrecord_transport::TlsClient) -> Self {
        self.with_tls(client)
    }
}
