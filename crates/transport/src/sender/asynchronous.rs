//! The sender for programs that must not block: the same sender, with waits that are futures.
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{
    blocking::{Inner, Sender, Shared},
    config::{SenderConfig, SenderStats},
    message::Message,
};
use crate::{
    endpoint::Endpoint,
    error::{Error, ErrorKind},
};

/// How much longer than its limit a close may take, because the thread is in a system call.
const LATE: Duration = Duration::from_millis(300);

/// Sends payloads as frames, as [`Sender`] does, and waits without blocking a thread of the runtime.
///
/// It is a handle to a `Sender` and its thread, with the same queue, policies, counts and behaviour after a fork.
/// When the last clone is dropped, the thread goes on for the [drop timeout](SenderConfig::drop_timeout) at most; a
/// program that ends awaits [`close`](Self::close) before. The methods that wait must be called within a tokio
/// runtime with its timers on.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use logrecord_transport::{Endpoint, sender::{AsyncSender, SenderConfig}};
/// use tokio::{io::AsyncReadExt, net::TcpListener};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let endpoint = Endpoint::tcp(&listener.local_addr()?.to_string())?;
/// let sender = AsyncSender::new(endpoint, SenderConfig::new())?;
/// sender.send(&b"}."[..]).await?;
/// let stats = sender.close(Duration::from_secs(5)).await;
/// assert_eq!((stats.written, stats.dropped), (1, 0));
///
/// let mut wire = [0; 6];
/// listener.accept().await?.0.read_exact(&mut wire).await?;
/// assert_eq!(&wire, b"\0\0\0\x02}.");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AsyncSender {
    sender: Sender,
}

/// The same sender. Whether its drop blocks is up to the [configuration](SenderConfig::detached) that it was made
/// with.
impl From<Sender> for AsyncSender {
    fn from(sender: Sender) -> Self {
        Self { sender }
    }
}

impl AsyncSender {
    /// A sender to `endpoint`. It connects when the first record comes.
    ///
    /// # Errors
    ///
    /// As [`Sender::new`]; [`ErrorKind::Unsupported`] also for
    /// [`cpython_compat`](SenderConfig::cpython_compat), whose behaviour is to block.
    pub fn new(endpoint: Endpoint, config: SenderConfig) -> Result<Self, Error> {
        if config.cpython_compat {
            return Err(Error::new(ErrorKind::Unsupported));
        }
        Sender::new(endpoint, config.detached(true)).map(Self::from)
    }

    /// Queues a payload, waiting for room if that is the policy.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped while it waits for room has queued nothing and counted nothing.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    pub async fn send(&self, payload: impl Into<Message>) -> Result<(), Error> {
        let message = payload.into();
        self.send_with(message.payload.len(), || Ok(message)).await
    }

    /// Queues a message that is made when its place is certain, as [`Sender::send_with`] does.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped while it waits for room has made nothing: a number is not used up.
    ///
    /// # Errors
    ///
    /// As [`Sender::send_with`].
    pub async fn send_with<E: From<Error>>(
        &self,
        len: usize,
        make: impl FnOnce() -> Result<Message, E>,
    ) -> Result<(), E> {
        self.sender.check_process()?;
        let mut make = Some(make);
        let shared = self.sender.shared();
        // Room is taken under the lock under which it was seen, so that nobody comes in between.
        let admitted = shared
            .wait_async(self.sender.patience(), |shared| {
                let inner = shared.lock();
                inner.is_decided(len).then(|| self.sender.admit(inner, len, &mut make))
            })
            .await;
        match admitted {
            Some(outcome) => outcome,
            None => self.sender.admit(self.sender.lock(), len, &mut make),
        }
    }

    /// Queues a payload at once; where the policy is to wait, this drops the newest instead.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn try_send(&self, payload: impl Into<Message>) -> Result<(), Error> {
        let message = payload.into();
        self.sender.try_send_with(message.payload.len(), || Ok(message))
    }

    /// Waits until everything that was queued is handed to the system or dropped; with
    /// [acknowledgements](SenderConfig::acks), until everything has its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if that takes longer than `limit`, [`ErrorKind::Forked`] in a child process.
    pub async fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.sender.check_process()?;
        let done = |inner: &Inner| inner.state.is_empty() || inner.ended;
        let shared = self.sender.shared();
        shared.wait_async(limit, |shared| done(&shared.lock()).then_some(())).await;
        if self.sender.lock().state.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Timeout)) }
    }

    /// What became of all records so far. In a child process all counts are zero.
    pub fn stats(&self) -> SenderStats {
        self.sender.stats()
    }

    /// Why the last attempt to connect failed, or the last connection ended.
    pub fn last_error(&self) -> Option<Arc<Error>> {
        self.sender.last_error()
    }

    /// Where records go.
    pub fn endpoint(&self) -> &Endpoint {
        self.sender.endpoint()
    }

    /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as dropped.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has closed the sender all the same; what is queued is still written within `limit`.
    pub async fn close(&self, limit: Duration) -> SenderStats {
        if self.sender.check_process().is_ok() {
            self.sender.begin_close(limit);
            let shared = self.sender.shared();
            let limit = limit.saturating_add(LATE);
            shared.wait_async(limit, |shared| shared.lock().ended.then_some(())).await;
            self.sender.abandon();
        }
        self.stats()
    }
}

impl Shared {
    /// Tries again at each change until it gives something, at most until the limit has passed.
    async fn wait_async<T>(&self, limit: Duration, mut attempt: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        // A limit that the clock cannot hold means: as long as it takes.
        let by = Instant::now().checked_add(limit);
        let mut waiter = None;
        loop {
            // Whoever changes something looks whether anybody waits.
            let changed = self.changed_async.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(outcome) = attempt(self) {
                return Some(outcome);
            }
            if limit.is_zero() {
                return None;
            }
            if waiter.is_none() {
                waiter = Some(Waiter::new(self));
                // What changed before somebody was known to wait was not told.
                continue;
            }
            match by {
                Some(by) => timeout_at(by.into(), changed).await.ok()?,
                None => changed.await,
            }
        }
    }
}

/// Counts a caller that waits, for as long as it does.
struct Waiter<'a>(&'a Shared);

impl<'a> Waiter<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.lock().waiters += 1;
        Self(shared)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.lock().waiters -= 1;
    }
}

impl fmt::Debug for AsyncSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSender").field("endpoint", self.endpoint()).finish_non_exhaustive()
    }
}
