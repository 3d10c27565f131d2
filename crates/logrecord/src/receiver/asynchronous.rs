//! The receiver for programs that live on tokio.
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use logrecord_transport::{Endpoint, listener::Summary};
use tokio::{runtime, sync::watch, task::JoinHandle};

use super::{
    Received, ReceiverBuilder, ReceiverHandle, ReceiverStats, Rejected, builder::Parts, inbox::Inbox,
};
use crate::error::{Error, ErrorKind};

/// Receives on the tokio runtime that it was made in: [`recv`](Self::recv), or a `futures` stream.
///
/// When it is dropped, its listeners end at once; [`stop`](Self::stop) is the graceful way.
///
/// # Examples
///
/// ```
/// use logrecord::{AsyncReceiver, SocketHandler, model::LogRecord};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut receiver = AsyncReceiver::bind("tcp://127.0.0.1:0")?;
/// let handler = SocketHandler::to(receiver.local_endpoints()[0].clone()).build()?;
/// handler.handle(&LogRecord::builder("app", 20, "started").now().build())?;
///
/// let received = receiver.recv().await.expect("it is not stopped")?;
/// assert_eq!(received.record.message(), "started");
/// println!("{}: {}", received.source, received.record.message());
///
/// receiver.stop();
/// assert!(receiver.recv().await.is_none());
/// # Ok(()) }
/// ```
pub struct AsyncReceiver {
    inbox: Inbox,
    handle: ReceiverHandle,
    endpoints: Vec<Endpoint>,
    tasks: Vec<JoinHandle<Summary>>,
}

impl ReceiverBuilder {
    /// Binds all sockets and receives on the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) outside of a runtime.
    pub fn build_async(self) -> Result<AsyncReceiver, Error> {
        AsyncReceiver::start(self.parts()?)
    }
}

impl AsyncReceiver {
    /// Receives at an endpoint such as `tcp://127.0.0.1:9020`, with all defaults. It must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`ReceiverBuilder::build_async`].
    pub fn bind(endpoint: &str) -> Result<Self, Error> {
        ReceiverBuilder::new().listen(endpoint.parse()?).build_async()
    }

    /// Begins to set up a receiver.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder::new()
    }

    fn start(parts: Parts) -> Result<Self, Error> {
        let runtime =
            runtime::Handle::try_current().map_err(|error| Error::with(ErrorKind::Runtime, error))?;
        let Parts { listeners, endpoints, inlet, inbox, handle } = parts;
        let tasks = listeners
            .into_iter()
            .map(|listener| {
                let stopped = stopped(handle.stop.subscribe());
                runtime.spawn(listener.serve(Arc::clone(&inlet), stopped))
            })
            .collect();
        Ok(Self { inbox, handle, endpoints, tasks })
    }

    /// The next record or rejected frame; none once the receiver was stopped and everything is taken. It may
    /// be dropped at any time without losing anything.
    pub async fn recv(&mut self) -> Option<Result<Received, Rejected>> {
        poll_fn(|context| self.inbox.poll_next(context)).await
    }

    /// Where it listens, in the order in which it was told. Ports that were given as 0 are the real ones here.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Stops gracefully; see [`ReceiverHandle::stop`]. Go on taking items until there are no more.
    pub fn stop(&self) {
        self.handle.stop();
    }

    /// What can stop it from elsewhere.
    pub fn handle(&self) -> ReceiverHandle {
        self.handle.clone()
    }

    /// The counts so far.
    pub fn stats(&self) -> ReceiverStats {
        self.handle.stats()
    }
}

/// Completes when the receiver is told to stop, or is gone.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

impl Stream for AsyncReceiver {
    type Item = Result<Received, Rejected>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().inbox.poll_next(context)
    }
}

impl Drop for AsyncReceiver {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for AsyncReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncReceiver").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
