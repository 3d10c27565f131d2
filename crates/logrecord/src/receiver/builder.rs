//! How a receiver is set up.
#[cfg(feature = "hmac")]
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, sync::Arc};

#[cfg(feature = "hmac")]
use logrecord_frame::envelope::{Key, KeyRing, Opener, PlainKey, Policy};
use logrecord_transport::{
    Endpoint,
    listener::{Listener, ListenerConfig},
};
use pickle_codec::DecodeOptions;
use tokio::sync::{mpsc, watch};

use super::inbox::{Inbox, Inlet, ReceiverHandle, Shared};
#[cfg(feature = "hmac")]
use crate::error::ErrorKind;
use crate::{
    error::Error,
    intake::{Engine, Gate},
};

/// How many batches wait between the listeners and whoever takes the records. A batch is what one read of a
/// socket gave, 64 KiB of frames or one longer frame.
const BATCHES: usize = 64;

/// Sets up a [`Receiver`](super::Receiver) or an [`AsyncReceiver`](super::AsyncReceiver).
///
/// # Examples
///
/// ```
/// use logrecord::{Receiver, pickle::{DecodeOptions, Globals}};
///
/// let receiver = Receiver::builder()
///     .listen("tcp://127.0.0.1:0".parse()?)
///     .listen("udp://127.0.0.1:0".parse()?)
///     .decode_options(DecodeOptions::new().globals(Globals::Known))
///     .build()?;
/// assert_eq!(receiver.local_endpoints().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ReceiverBuilder {
    endpoints: Vec<Endpoint>,
    listeners: Vec<Listener>,
    config: ListenerConfig,
    options: DecodeOptions,
    batches: usize,
    #[cfg(feature = "hmac")]
    keys: Vec<Key>,
    #[cfg(feature = "hmac")]
    audience: Vec<u8>,
    #[cfg(feature = "hmac")]
    opener: Option<Arc<Opener>>,
    #[cfg(feature = "hmac")]
    plain: Option<PlainKey>,
}

/// A receiver's parts, before they run anywhere.
pub(super) struct Parts {
    pub(super) listeners: Vec<Listener>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) inlet: Arc<Inlet>,
    pub(super) inbox: Inbox,
    pub(super) handle: ReceiverHandle,
}

impl Default for ReceiverBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ReceiverBuilder {
    /// A receiver that listens nowhere yet.
    pub fn new() -> Self {
        Self {
            endpoints: Vec::new(),
            listeners: Vec::new(),
            config: ListenerConfig::new(),
            options: DecodeOptions::new(),
            batches: BATCHES,
            #[cfg(feature = "hmac")]
            keys: Vec::new(),
            #[cfg(feature = "hmac")]
            audience: Vec::new(),
            #[cfg(feature = "hmac")]
            opener: None,
            #[cfg(feature = "hmac")]
            plain: None,
        }
    }

    /// Listens here, too. Whoever reaches the address can send, unless a `key` or TLS with client
    /// certificates says otherwise.
    pub fn listen(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Listens on a socket that is bound already, with limits of its own: one from systemd, or one with TLS.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// The limits of all listeners that [`listen`](Self::listen) names.
    pub fn listener_config(mut self, config: ListenerConfig) -> Self {
        self.config = config;
        self
    }

    /// What pickles may name, and how far decoding goes. By default a pickle that names any global is
    /// rejected; [`Globals::Known`](pickle_codec::Globals::Known) lets dates and other plain data in.
    pub fn decode_options(mut self, options: DecodeOptions) -> Self {
        self.options = options;
        self
    }

    /// How many batches of at most 64 KiB of frames (or of one longer frame) wait to be taken: 64 by default.
    /// Behind them the sockets push back.
    pub fn queue(mut self, batches: usize) -> Self {
        self.batches = batches.max(1);
        self
    }

    /// Accepts only records that are signed, with this key or another that is given. Call it again for more keys.
    #[cfg(feature = "hmac")]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// The name that the senders' envelopes are for; empty by default.
    #[cfg(feature = "hmac")]
    pub fn audience(mut self, audience: impl Into<Vec<u8>>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Opens envelopes with this opener, in place of keys: for keys that change while the receiver runs, and for
    /// a replay state that lives over a restart.
    #[cfg(feature = "hmac")]
    pub fn opener(mut self, opener: Arc<Opener>) -> Self {
        self.opener = Some(opener);
        self
    }

    /// Accepts only records with a plain tag of this key. An [opener](Self::opener) or [keys](Self::key) go first.
    #[cfg(feature = "hmac")]
    pub fn plain_key(mut self, key: PlainKey) -> Self {
        self.plain = Some(key);
        self
    }

    #[cfg(not(feature = "hmac"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "without keys there is nothing to fail")]
    const fn gate(&self) -> Result<Gate, Error> {
        Ok(Gate::open())
    }

    #[cfg(feature = "hmac")]
    fn gate(&mut self) -> Result<Gate, Error> {
        if let Some(opener) = self.opener.take() {
            return Ok(Gate::signed(opener));
        }
        if !self.keys.is_empty() {
            let mut ring = KeyRing::new();
            for key in self.keys.drain(..) {
                ring.accept(key).map_err(|error| Error::with(ErrorKind::Envelope, error))?;
            }
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let start_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
            let opener = Opener::new(&ring, &self.audience, Policy::new(), start_ns)
                .map_err(|error| Error::with(ErrorKind::Envelope, error))?;
            return Ok(Gate::signed(Arc::new(opener)));
        }
        Ok(self.plain.take().map_or_else(Gate::open, Gate::plain))
    }

    pub(super) fn parts(self) -> Result<Parts, Error> {
        #[cfg(feature = "hmac")]
        let mut this = self;
        #[cfg(not(feature = "hmac"))]
        let this = self;
        let gate = this.gate()?;
        let mut listeners = this.listeners;
        for endpoint in &this.endpoints {
            listeners.push(Listener::bind(endpoint, this.config.clone())?);
        }
        let endpoints = listeners.iter().map(|listener| listener.local_endpoint().clone()).collect();
        let (sender, batches) = mpsc::channel(this.batches);
        let gate = Arc::new(gate);
        let shared = Arc::new(Shared::new(Arc::clone(&gate)));
        let (stop, _) = watch::channel(false);
        Ok(Parts {
            listeners,
            endpoints,
            inlet: Arc::new(Inlet {
                gate,
                engine: Engine::new(this.options),
                shared: Arc::clone(&shared),
                batches: sender,
            }),
            inbox: Inbox {
                shared: Arc::clone(&shared),
                batches,
                current: Vec::new().into_iter(),
                held: None,
            },
            handle: ReceiverHandle { shared, stop: Arc::new(stop) },
        })
    }
}

impl fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverBuilder")
            .field("endpoints", &self.endpoints)
            .field("listeners", &self.listeners)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
