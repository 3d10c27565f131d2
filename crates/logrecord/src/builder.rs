//! How a handler is set up.
use std::{fmt, marker::PhantomData, time::Duration};

#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{Key, PlainKey};
use logrecord_transport::{
    Backoff, Endpoint, Transport,
    sender::{FullPolicy, SenderConfig},
};

#[cfg(feature = "spool")]
use crate::stored::Place;
use crate::{
    error::{Error, ErrorKind},
    handler::{Core, Plan},
    origin::Origin,
    sign::Signing,
};

/// Sets up a [`SocketHandler`](crate::SocketHandler) or a [`DatagramHandler`](crate::DatagramHandler).
///
/// Everything has a default; [`build`](Self::build) makes the handler, and does not wait for a receiver.
#[must_use]
pub struct HandlerBuilder<H> {
    endpoint: Result<Endpoint, Error>,
    config: SenderConfig,
    compat: bool,
    signing: Signing,
    reports: Option<Duration>,
    process_name: Option<String>,
    ack_window: Option<u64>,
    #[cfg(feature = "spool")]
    spool: Option<Place>,
    handler: PhantomData<fn() -> H>,
}

/// A receiver knows a message again as long as no more than this many have come behind it.
#[cfg(feature = "hmac")]
const MAX_ACK_WINDOW: u64 = 1024;

/// The address of a host and a port. An IPv6 address may stand without its brackets.
pub(crate) fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

impl<H> HandlerBuilder<H> {
    pub(crate) fn new(endpoint: Result<Endpoint, Error>, accepts: impl FnOnce(Transport) -> bool) -> Self {
        let endpoint = endpoint.and_then(|endpoint| {
            if accepts(endpoint.transport()) { Ok(endpoint) } else { Err(Error::new(ErrorKind::Endpoint)) }
        });
        Self {
            endpoint,
            config: SenderConfig::new(),
            compat: false,
            signing: Signing::Off,
            reports: Some(Duration::from_secs(1)),
            process_name: None,
            ack_window: None,
            #[cfg(feature = "spool")]
            spool: None,
            handler: PhantomData,
        }
    }

    fn map_config(mut self, change: impl FnOnce(SenderConfig) -> SenderConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// How many records and payload bytes may wait: 65,536 and 64 MiB by default.
    pub fn queue(self, records: usize, bytes: usize) -> Self {
        self.map_config(|config| config.queue(records, bytes))
    }

    /// What happens to a record when the queue is full. By default the oldest one goes.
    pub fn full_policy(self, policy: FullPolicy) -> Self {
        self.map_config(|config| config.full_policy(policy))
    }

    /// The delays between attempts to connect; Python's by default.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.map_config(|config| config.backoff(backoff))
    }

    /// Time for a connection to one address, 1 s by default.
    pub fn connect_timeout(self, limit: Duration) -> Self {
        self.map_config(|config| config.connect_timeout(limit))
    }

    /// How long a receiver may take nothing before its connection is given up, 30 s by default.
    pub fn write_timeout(self, limit: Duration) -> Self {
        self.map_config(|config| config.write_timeout(limit))
    }

    /// How long a handler that is dropped waits for its queue to empty, 2 s by default.
    pub fn drop_timeout(self, limit: Duration) -> Self {
        self.map_config(|config| config.drop_timeout(limit))
    }

    /// Whether a record of the logger [`logrecord`](crate::LOSS_LOGGER) says how many were lost, once the line
    /// is back; and the shortest time between two of them. Every second at most by default; `None` for none.
    pub const fn loss_reports(mut self, interval: Option<Duration>) -> Self {
        self.reports = interval;
        self
    }

    /// Behaves exactly as CPython's handlers do: no queue, no thread, and a record that meets an error is lost.
    /// There are no loss reports then; [`stats`](crate::SocketHandler::stats) has the counts.
    pub const fn cpython_compat(mut self, compat: bool) -> Self {
        self.compat = compat;
        self
    }

    /// The process's name in loss reports. By default it is the executable's.
    pub fn process_name(mut self, name: impl Into<String>) -> Self {
        self.process_name = Some(name.into());
        self
    }

    /// Signs every record with this key, for the receiver of this name (it may be empty).
    ///
    /// The records of a handler are numbered, so that a receiver sees which are missing. A child process after
    /// a fork begins a stream of its own; a record that is sent again is the same bytes.
    #[cfg(feature = "hmac")]
    pub fn hmac(mut self, key: Key, audience: impl Into<Vec<u8>>) -> Self {
        self.signing = Signing::Sealed { key: Box::new(key), audience: audience.into(), acks: false };
        self
    }

    /// Keeps every record until the receiver has acknowledged it, and sends it again on the next connection if it
    /// has not. At most so many records, and 4 MiB, are on their way; 1,024 is what a receiver can take.
    ///
    /// It needs a [key](Self::hmac) and a stream, and a receiver that acknowledges: `logrecord serve` with a spool.
    /// Other receivers refuse such records and close the connection. [`flush`](crate::SocketHandler::flush) then waits
    /// until every record has its answer, and [`stats`](crate::SocketHandler::stats) tell what the answers were.
    #[cfg(feature = "hmac")]
    pub const fn acks(mut self, window: u64) -> Self {
        self.ack_window = Some(if window > MAX_ACK_WINDOW { MAX_ACK_WINDOW } else { window });
        self
    }

    /// Keeps every record in a folder until it has its answer, so that it outlives this process: [`handle`] returns when
    /// the record is stored, and the next handler that is built with this folder sends again what is in it, the same
    /// bytes. It needs [`acks`](Self::acks).
    ///
    /// A folder belongs to one handler at a time, to one key and to one audience; change these only once all is
    /// acknowledged. [`queue`](Self::queue) bounds what waits, as without a folder, and the configuration what the
    /// folder takes. By default each record waits for the disk, a few milliseconds, and records of many threads share
    /// one sync; with [`SyncRule::Never`](crate::spool::SyncRule::Never) they are safe from the end of the process and
    /// not from the end of the machine. There is none for async handlers, which must not wait for a disk, and none in a
    /// child process after a fork.
    ///
    /// [`handle`]: crate::SocketHandler::handle
    #[cfg(feature = "spool")]
    pub fn spool(mut self, directory: impl Into<std::path::PathBuf>, config: crate::spool::Config) -> Self {
        self.spool = Some(Place { directory: directory.into(), config });
        self
    }

    /// Puts a tag in front of every record, as Python's documentation suggests: no key id and no protection
    /// against replay.
    #[cfg(feature = "hmac")]
    pub fn hmac_plain(mut self, key: PlainKey) -> Self {
        self.signing = Signing::Plain(std::sync::Arc::new(key));
        self
    }

    /// Speaks TLS to a TCP endpoint.
    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(mut self, client: logrecord_transport::TlsClient) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| {
            match (endpoint.transport(), endpoint.host(), endpoint.port()) {
                (Transport::Tcp | Transport::Tls, Some(host), Some(port)) => {
                    Ok(Endpoint::tls(&address(host, port))?)
                }
                _ => Err(Error::new(ErrorKind::Endpoint)),
            }
        });
        self.map_config(|config| config.tls(client))
    }

    fn plan(self) -> Result<Plan, Error> {
        let endpoint = self.endpoint?;
        #[cfg(feature = "hmac")]
        let signing = match (self.signing, self.ack_window) {
            (signing, None) => signing,
            (Signing::Sealed { key, audience, .. }, Some(_)) if !endpoint.transport().is_datagram() => {
                Signing::Sealed { key, audience, acks: true }
            }
            _ => return Err(Error::new(ErrorKind::Acks)),
        };
        #[cfg(not(feature = "hmac"))]
        let signing = self.signing;
        #[cfg(feature = "spool")]
        if self.spool.is_some() && self.ack_window.is_none() {
            return Err(Error::new(ErrorKind::Acks));
        }
        Ok(Plan {
            endpoint,
            config: self.config.cpython_compat(self.compat),
            signing,
            origin: Origin::new(self.process_name),
            reports: self.reports.filter(|_| !self.compat),
            ack_window: self.ack_window.unwrap_or(1),
            #[cfg(feature = "spool")]
            spool: self.spool,
        })
    }

    pub(crate) fn core(self) -> Result<Core, Error> {
        Core::new(self.plan()?)
    }

    /// What an async handler is made of: its drop must not wait.
    #[cfg(feature = "tokio")]
    pub(crate) fn async_core(self) -> Result<Core, Error> {
        if self.compat {
            // Its behaviour is to block.
            return Err(Error::new(ErrorKind::Transport));
        }
        #[cfg(feature = "spool")]
        if self.spool.is_some() {
            return Err(Error::new(ErrorKind::Spool));
        }
        self.map_config(|config| config.detached(true)).core()
    }
}

impl<H> fmt::Debug for HandlerBuilder<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBuilder")
            .field("endpoint", &self.endpoint)
            .field("config", &self.config)
            .field("cpython_compat", &self.compat)
            .field("loss_reports", &self.reports)
            .finish_non_exhaustive()
    }
}
