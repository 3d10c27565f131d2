//! The receiver for programs without an async runtime: a blocking iterator, and a thread behind it.
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use logrecord_transport::Endpoint;
use tokio::{runtime, sync::oneshot};

use super::{
    Received, ReceiverBuilder, ReceiverHandle, ReceiverStats, Rejected, asynchronous::stopped,
    builder::Parts, inbox::Inbox,
};
use crate::error::{Error, ErrorKind};

/// Receives on a thread of its own: an iterator over records and rejected frames that blocks until there is
/// one, and ends when it was [stopped](Self::stop) and everything is taken.
///
/// When it is dropped, its listeners end at once.
///
/// # Examples
///
/// ```
/// use logrecord::{Receiver, SocketHandler, model::LogRecord};
///
/// let mut receiver = Receiver::bind("tcp://127.0.0.1:0")?;
/// let handler = SocketHandler::to(receiver.local_endpoints()[0].clone()).build()?;
/// handler.handle(&LogRecord::builder("app", 20, "started").now().build())?;
/// let stop = receiver.handle();
/// for item in &mut receiver {
///     match item {
///         Ok(received) => {
///             assert_eq!(received.record.message(), "started");
///             stop.stop();
///         }
///         Err(rejected) => eprintln!("{} from {}: {rejected}", rejected.reason(), rejected.origin()),
///     }
/// }
/// assert_eq!(receiver.stats().records, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Receiver {
    inbox: Inbox,
    handle: ReceiverHandle,
    endpoints: Vec<Endpoint>,
    /// Ends the thread when it is dropped.
    alive: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ReceiverBuilder {
    /// Binds all sockets and receives on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if a socket cannot be bound,
    /// [`ErrorKind::Envelope`](crate::ErrorKind::Envelope) for keys that do not go together, and
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) if no thread can be started.
    pub fn build(self) -> Result<Receiver, Error> {
        Receiver::start(self.parts()?)
    }
}

impl Receiver {
    /// Receives at an endpoint such as `tcp://127.0.0.1:9020`, with all defaults.
    ///
    /// # Errors
    ///
    /// As [`ReceiverBuilder::build`].
    pub fn bind(endpoint: &str) -> Result<Self, Error> {
        ReceiverBuilder::new().listen(endpoint.parse()?).build()
    }

    /// Begins to set up a receiver.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder::new()
    }

    fn start(parts: Parts) -> Result<Self, Error> {
        let Parts { listeners, endpoints, inlet, inbox, handle } = parts;
        let failed = |error| Error::with(ErrorKind::Runtime, error);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (alive, mut gone) = oneshot::channel::<()>();
        let stop = Arc::clone(&handle.stop);
        let serve = async move {
            let tasks: Vec<_> = listeners
                .into_iter()
                .map(|listener| tokio::spawn(listener.serve(Arc::clone(&inlet), stopped(stop.subscribe()))))
                .collect();
            // With the last connection goes the last hold on the inlet, and the iterator ends.
            drop(inlet);
            for task in tasks {
                tokio::select! {
                    // A listener contains its panics.
                    _ = task => {}
                    _ = &mut gone => return,
                }
            }
        };
        let thread = thread::Builder::new()
            .name("logrecord-receiver".to_owned())
            .spawn(move || runtime.block_on(serve))
            .map_err(failed)?;
        Ok(Self { inbox, handle, endpoints, alive: Some(alive), thread: Some(thread) })
    }

    /// Waits for the next item for at most `limit`; `None` is the end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if nothing came in time.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Option<Result<Received, Rejected>>, Error> {
        match self.wait(Instant::now().checked_add(limit)) {
            Poll::Ready(item) => Ok(item),
            Poll::Pending => Err(Error::new(ErrorKind::Timeout)),
        }
    }

    /// Waits until an item comes, or until the time has come.
    fn wait(&mut self, until: Option<Instant>) -> Poll<Option<Result<Received, Rejected>>> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(item) = self.inbox.poll_next(&mut context) {
                return Poll::Ready(item);
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return Poll::Pending,
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    /// Where it listens, in the order in which it was told. Ports that were given as 0 are the real ones here.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Stops gracefully; see [`ReceiverHandle::stop`]. Go on taking items until there are no more.
    pub fn stop(&self) {
        self.handle.stop();
    }

    /// What can stop it from elsewhere: a signal handler's thread, say.
    pub fn handle(&self) -> ReceiverHandle {
        self.handle.clone()
    }

    /// The counts so far.
    pub fn stats(&self) -> ReceiverStats {
        self.handle.stats()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Iterator for Receiver {
    type Item = Result<Received, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.wait(None) {
            Poll::Ready(item) => item,
            // Without a limit in time there is always an item or an end.
            Poll::Pending => None,
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // Its panic, if there was one, was told on its own thread.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
