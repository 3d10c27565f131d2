//! The handlers for programs that live on tokio: a task behind them instead of a thread.
use std::{fmt, sync::Arc, time::Duration};

use logrecord_model::LogRecord;
use logrecord_transport::{Endpoint, sender::AsyncSender};
use tokio::sync::Mutex;

use crate::{
    error::{Error, ErrorKind},
    handler::{HandlerStats, Plan},
    report::Tally,
    sign::Signer,
};

/// What both async handlers are made of.
pub(crate) struct AsyncCore {
    plan: Plan,
    sender: AsyncSender,
    signer: Mutex<Signer>,
    tally: Tally,
}

impl AsyncCore {
    pub(crate) fn new(plan: Plan) -> Result<Self, Error> {
        let sender = AsyncSender::new(plan.endpoint.clone(), plan.sender_config()?)?;
        let signer = Mutex::new(plan.signing.signer()?);
        Ok(Self { plan, sender, signer, tally: Tally::default() })
    }

    async fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        let mut pickle = Vec::with_capacity(1024);
        let outcome = match record.to_pickle(&mut pickle) {
            Ok(()) => self.send(pickle).await,
            Err(error) => Err(Error::with(ErrorKind::Record, error)),
        };
        self.tally.note(&outcome);
        if let Some(interval) = self.plan.reports {
            self.report(interval).await;
        }
        outcome
    }

    async fn send(&self, pickle: Vec<u8>) -> Result<(), Error> {
        let mut signer = self.signer.lock().await;
        let payload = signer.payload(pickle)?;
        if !self.plan.signing.is_numbered() {
            drop(signer);
            return Ok(self.sender.send(payload).await?);
        }
        // Numbers leave in their order.
        Ok(self.sender.send(payload).await?)
    }

    async fn report(&self, interval: Duration) {
        if let Some((report, records)) = self.tally.due(&self.plan.origin, interval) {
            match self.send(report).await {
                Ok(()) => self.tally.reported(),
                Err(_) => self.tally.put_back(records),
            }
        }
    }

    async fn flush(&self, limit: Duration) -> Result<(), Error> {
        if self.plan.reports.is_some() {
            self.report(Duration::ZERO).await;
        }
        Ok(self.sender.flush(limit).await?)
    }

    async fn close(&self, limit: Duration) -> HandlerStats {
        if self.plan.reports.is_some() {
            self.report(Duration::ZERO).await;
        }
        self.sender.close(limit).await;
        self.stats()
    }

    fn stats(&self) -> HandlerStats {
        HandlerStats {
            handled: self.tally.handled(),
            refused: self.tally.refused(),
            reports: self.tally.reports(),
            sender: self.sender.stats(),
        }
    }
}

macro_rules! async_handler {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            core: Arc<AsyncCore>,
        }

        impl $name {
            pub(crate) fn new(core: AsyncCore) -> Self {
                Self { core: Arc::new(core) }
            }

            /// Queues a record, waiting for room if that is the policy.
            ///
            /// # Errors
            ///
            /// As the blocking handler's; [`ErrorKind::Transport`] also in a child process after a fork,
            /// where the runtime is gone. Whatever the error, the record is counted in [`stats`](Self::stats).
            pub async fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
                self.core.handle(record).await
            }

            /// Waits until everything that was queued is handed to the system or dropped.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Transport`] if that takes longer than `limit`.
            pub async fn flush(&self, limit: Duration) -> Result<(), Error> {
                self.core.flush(limit).await
            }

            /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as
            /// dropped. A program that ends its runtime awaits this before.
            pub async fn close(&self, limit: Duration) -> HandlerStats {
                self.core.close(limit).await
            }

            /// What became of all records so far.
            pub fn stats(&self) -> HandlerStats {
                self.core.stats()
            }

            /// Why the last attempt to connect failed, or the last connection ended.
            pub fn last_error(&self) -> Option<Arc<logrecord_transport::Error>> {
                self.core.sender.last_error()
            }

            /// Where records go.
            pub fn endpoint(&self) -> &Endpoint {
                &self.core.plan.endpoint
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
