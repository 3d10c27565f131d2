//! The handlers for programs that live on tokio: the same, with waits that are futures.
use std::{fmt, sync::Arc, time::Duration};

use logrecord_model::LogRecord;
use logrecord_transport::Endpoint;

use crate::{
    error::Error,
    handler::{AsyncHandler, Core, HandlerStats},
};

macro_rules! async_handler {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            core: Arc<Core>,
        }

        impl $name {
            pub(crate) fn new(core: Core) -> Self {
                Self { core: Arc::new(core) }
            }

            /// Queues a record, waiting for room if that is the policy.
            ///
            /// # Cancel safety
            ///
            /// A call that is dropped while it waits has neither queued nor counted the record, and a signed one
            /// has not used up a number.
            ///
            /// # Errors
            ///
            /// As the blocking handler's. Whatever the error, the record is counted in [`stats`](Self::stats).
            pub async fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
                self.core.handle_async(record).await
            }

            /// Waits until everything that was queued is handed to the system or dropped.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if that takes longer than `limit`.
            pub async fn flush(&self, limit: Duration) -> Result<(), Error> {
                self.core.flush_async(limit).await
            }

            /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as
            /// dropped. A program that ends its runtime awaits this before.
            pub async fn close(&self, limit: Duration) -> HandlerStats {
                self.core.close_async(limit).await
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

        impl AsyncHandler for $name {
            async fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
                self.core.handle_async(record).await
            }

            async fn flush(&self, limit: Duration) -> Result<(), Error> {
                self.core.flush_async(limit).await
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("endpoint", self.endpoint()).finish_non_exhaustive()
            }
        }
    };
}

async_handler! {
    /// [`SocketHandler`](crate::SocketHandler) on tokio; made by
    /// [`build_async`](crate::HandlerBuilder::build_async).
    ///
    /// ```
    /// use std::time::Duration;
    /// use logrecord::{AsyncReceiver, SocketHandler, model::LogRecord};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut receiver = AsyncReceiver::bind("tcp://127.0.0.1:0")?;
    /// let handler = SocketHandler::to(receiver.local_endpoints()[0].clone()).build_async()?;
    /// handler.handle(&LogRecord::builder("app", 20, "started").now().build()).await?;
    /// assert_eq!(receiver.recv().await.unwrap()?.record.message(), "started");
    /// assert_eq!(handler.close(Duration::from_secs(5)).await.lost(), 0);
    /// # Ok(()) }
    /// ```
    AsyncSocketHandler
}

async_handler! {
    /// [`DatagramHandler`](crate::DatagramHandler) on tokio; made by
    /// [`build_async`](crate::HandlerBuilder::build_async).
    AsyncDatagramHandler
}
