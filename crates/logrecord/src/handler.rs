//! Handlers: they take records, and a sender behind them takes their frames.
//!
//! An *outlet* is a sender and the state of its envelopes. A handler has one in each process that uses it: a
//! child after a fork finds the parent's outlet unusable and opens its own.
use std::{
    fmt, process,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use logrecord_model::LogRecord;
#[cfg(feature = "tokio")]
use logrecord_transport::sender::AsyncSender;
use logrecord_transport::{
    Endpoint,
    sender::{AckReader, Acks, Message, Sender, SenderConfig, SenderStats},
};

#[cfg(feature = "spool")]
use crate::stored::{Place, Stored};
use crate::{
    error::{Error, ErrorKind},
    origin::Origin,
    report::{Tally, sender_report},
    sign::{Signer, Signing},
};

/// Takes records: what the `log` and `tracing` back ends write to.
///
/// [`SocketHandler`](crate::SocketHandler) and [`DatagramHandler`](crate::DatagramHandler) are handlers. A
/// handler of one's own may log: what it logs while it handles a record is ignored by the back ends.
pub trait Handler: Send + Sync {
    /// Takes a record. It must not keep the caller waiting for a network.
    ///
    /// # Errors
    ///
    /// Whatever kept the record from being queued. A handler counts what it loses: the back ends have nobody
    /// to tell.
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error>;

    /// Waits until what was taken is handed over or given up.
    ///
    /// # Errors
    ///
    /// Most often that `limit` passed first.
    fn flush(&self, limit: Duration) -> Result<(), Error>;
}

impl<H: Handler + ?Sized> Handler for Arc<H> {
    fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        (**self).handle(record)
    }

    fn flush(&self, limit: Duration) -> Result<(), Error> {
        (**self).flush(limit)
    }
}

/// Takes records without blocking: what code is written for that works with any of the async handlers.
///
/// [`AsyncSocketHandler`](crate::AsyncSocketHandler) and [`AsyncDatagramHandler`](crate::AsyncDatagramHandler) are
/// such handlers.
#[cfg(feature = "tokio")]
pub trait AsyncHandler: Send + Sync {
    /// Takes a record, waiting for room where that is the policy.
    ///
    /// # Errors
    ///
    /// Whatever kept the record from being queued. A handler counts what it loses.
    fn handle(&self, record: &LogRecord<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Waits until what was taken is handed over or given up.
    ///
    /// # Errors
    ///
    /// Most often that `limit` passed first.
    fn flush(&self, limit: Duration) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Flushes a handler when it is dropped. A program whose logger lives for ever keeps one in `main`.
#[must_use = "the guard flushes when it is dropped"]
pub struct Guard {
    handler: Arc<dyn Handler>,
    limit: Duration,
}

impl Guard {
    pub(crate) fn new(handler: Arc<dyn Handler>, limit: Duration) -> Self {
        Self { handler, limit }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What is not written in time stays queued, and is counted where the sender ends.
        drop(self.handler.flush(self.limit));
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// What became of a handler's records in this process.
///
/// At every moment `handled + reports + resumed = refused + sender.accepted`, and the sender's own
/// `accepted = written + dropped + queued`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerStats {
    /// Records that were given to the handler.
    pub handled: u64,
    /// Of them, those that could not be queued at all: too long for a datagram, not to be written as a pickle,
    /// or too late.
    pub refused: u64,
    /// Loss reports that tell of refused records. Those that tell of the sender's losses are in
    /// [`SenderStats::reports`].
    pub reports: u64,
    /// Records of an earlier process that were found in the handler's folder.
    pub resumed: u64,
    /// What became of the others.
    pub sender: SenderStats,
}

impl HandlerStats {
    /// Records that were given up.
    pub const fn lost(&self) -> u64 {
        self.refused + self.sender.dropped
    }
}

/// What an outlet is made of.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) endpoint: Endpoint,
    pub(crate) config: SenderConfig,
    pub(crate) signing: Signing,
    pub(crate) origin: Origin,
    /// The shortest time between two loss reports, if there are any.
    pub(crate) reports: Option<Duration>,
    /// How many messages may be written and not acknowledged.
    pub(crate) ack_window: u64,
    #[cfg(feature = "spool")]
    pub(crate) spool: Option<Place>,
}

impl Plan {
    /// How the sender is to behave whose acknowledgements are read so.
    fn sender_config(&self, reader: Option<Arc<dyn AckReader>>) -> Result<SenderConfig, Error> {
        let mut config = self.config.clone();
        if let Some(reader) = reader {
            config = config.acks(Acks::new(reader).window(self.ack_window));
        }
        Ok(match self.reports {
            Some(interval) => config
                .report_interval(interval)
                .loss_report(sender_report(self.origin.clone(), &self.signing)?),
            None => config,
        })
    }
}

/// A sender, and the state of its envelopes.
struct Outlet {
    process: u32,
    sender: Sender,
    /// The folder of its records; it goes behind the sender.
    #[cfg(feature = "spool")]
    stored: Option<Stored>,
    /// Records that the run before has left in it.
    resumed: u64,
    /// How much longer a payload is than its pickle.
    overhead: usize,
    /// Locked inside of the sender's own lock, and nowhere else.
    signer: Mutex<Signer>,
    tally: Tally,
    /// The outlet of a child process. Only children fill it, so that no fork finds it half made.
    child: OnceLock<Option<Box<Self>>>,
}

impl Outlet {
    fn new(plan: &Plan) -> Result<Self, Error> {
        #[cfg_attr(not(feature = "spool"), expect(unused_mut, reason = "nothing was signed before"))]
        let mut signer = plan.signing.signer()?;
        #[cfg(feature = "spool")]
        let mut stored = match (&plan.spool, &mut signer, plan.signing.verifier()?) {
            (Some(place), Signer::Sealed(sealer), Some(verifier)) => {
                Some(Stored::open(place, sealer, &verifier)?)
            }
            _ => None,
        };
        let reader = signer.ack_reader(&plan.signing)?;
        #[cfg(feature = "spool")]
        let reader = match (&stored, reader) {
            (Some(stored), Some(reader)) => Some(stored.reader(reader)),
            (_, reader) => reader,
        };
        let sender = Sender::new(plan.endpoint.clone(), plan.sender_config(reader)?)?;
        #[cfg(feature = "spool")]
        let resumed = stored.as_mut().map_or(0, |stored| stored.resume(&sender));
        #[cfg(not(feature = "spool"))]
        let resumed = 0;
        Ok(Self {
            process: process::id(),
            sender,
            #[cfg(feature = "spool")]
            stored,
            resumed,
            overhead: signer.payload_len(0),
            signer: Mutex::new(signer),
            tally: Tally::default(),
            child: OnceLock::new(),
        })
    }

    /// The message of a pickle. It is made when its place in the queue is certain, so that numbers leave in their
    /// order and none is used up by a record that is not queued.
    fn message(&self, pickle: Vec<u8>) -> Result<Message, Error> {
        self.signer.lock().unwrap_or_else(PoisonError::into_inner).message(pickle)
    }

    fn send(&self, pickle: Vec<u8>) -> Result<(), Error> {
        #[cfg(feature = "spool")]
        if let Some(stored) = &self.stored {
            return stored.send(&self.sender, self.overhead + pickle.len(), || self.message(pickle));
        }
        self.sender.send_with(self.overhead + pickle.len(), || self.message(pickle))
    }

    /// The same without waiting for room.
    fn try_send(&self, pickle: Vec<u8>) -> Result<(), Error> {
        #[cfg(feature = "spool")]
        if self.stored.is_some() {
            return self.send(pickle);
        }
        self.sender.try_send_with(self.overhead + pickle.len(), || self.message(pickle))
    }

    /// Has the folder of records forget what has its answer.
    fn note_settled(&self) {
        #[cfg(feature = "spool")]
        if let Some(stored) = &self.stored {
            stored.note();
        }
    }

    #[cfg(feature = "tokio")]
    fn async_sender(&self) -> AsyncSender {
        self.sender.clone().into()
    }
}

/// What all handlers are made of.
pub(crate) struct Core {
    plan: Plan,
    outlet: Outlet,
}

impl Core {
    pub(crate) fn new(plan: Plan) -> Result<Self, Error> {
        let outlet = Outlet::new(&plan)?;
        Ok(Self { plan, outlet })
    }

    /// The outlet of this process.
    fn outlet(&self) -> Result<&Outlet, Error> {
        let process = process::id();
        let mut outlet = &self.outlet;
        while outlet.process != process {
            // Neither a lock nor the thread of the parent is touched.
            let child = outlet.child.get_or_init(|| Outlet::new(&self.plan).ok().map(Box::new));
            outlet = child.as_deref().ok_or(Error::new(ErrorKind::Runtime))?;
        }
        Ok(outlet)
    }

    pub(crate) fn handle(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        let outlet = self.outlet()?;
        let outcome = pickle(record).and_then(|pickle| outlet.send(pickle));
        self.note(outlet, &outcome);
        outcome
    }

    fn note(&self, outlet: &Outlet, outcome: &Result<(), Error>) {
        outlet.tally.note(outcome);
        if let Some(interval) = self.plan.reports {
            self.report(outlet, interval);
        }
    }

    /// Sends a report of refused records, if one is due. It waits for nobody.
    fn report(&self, outlet: &Outlet, interval: Duration) {
        if let Some((report, records)) = outlet.tally.due(&self.plan.origin, interval) {
            match outlet.try_send(report) {
                Ok(()) => outlet.tally.reported(),
                Err(_) => outlet.tally.put_back(records),
            }
        }
    }

    /// Sends the last report of refused records.
    fn report_now(&self, outlet: &Outlet) {
        if self.plan.reports.is_some() {
            self.report(outlet, Duration::ZERO);
        }
    }

    pub(crate) fn flush(&self, limit: Duration) -> Result<(), Error> {
        let outlet = self.outlet()?;
        self.report_now(outlet);
        let flushed = outlet.sender.flush(limit);
        outlet.note_settled();
        Ok(flushed?)
    }

    pub(crate) fn close(&self, limit: Duration) -> HandlerStats {
        if let Ok(outlet) = self.outlet() {
            self.report_now(outlet);
            outlet.sender.close(limit);
            outlet.note_settled();
        }
        self.stats()
    }

    pub(crate) fn stats(&self) -> HandlerStats {
        self.outlet().map_or_else(
            |_| HandlerStats::default(),
            |outlet| HandlerStats {
                handled: outlet.tally.handled(),
                refused: outlet.tally.refused(),
                reports: outlet.tally.reports(),
                resumed: outlet.resumed,
                sender: outlet.sender.stats(),
            },
        )
    }

    pub(crate) fn last_error(&self) -> Option<Arc<logrecord_transport::Error>> {
        self.outlet().ok()?.sender.last_error()
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.plan.endpoint
    }
}

/// The same for callers that must not block.
#[cfg(feature = "tokio")]
impl Core {
    pub(crate) async fn handle_async(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        let outlet = self.outlet()?;
        let outcome = match pickle(record) {
            Ok(pickle) => {
                let len = outlet.overhead + pickle.len();
                outlet.async_sender().send_with(len, || outlet.message(pickle)).await
            }
            Err(error) => Err(error),
        };
        self.note(outlet, &outcome);
        outcome
    }

    pub(crate) async fn flush_async(&self, limit: Duration) -> Result<(), Error> {
        let outlet = self.outlet()?;
        self.report_now(outlet);
        Ok(outlet.async_sender().flush(limit).await?)
    }

    pub(crate) async fn close_async(&self, limit: Duration) -> HandlerStats {
        if let Ok(outlet) = self.outlet() {
            self.report_now(outlet);
            outlet.async_sender().close(limit).await;
        }
        self.stats()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.outlet.process == process::id() {
            self.report_now(&self.outlet);
        }
    }
}

fn pickle(record: &LogRecord<'_>) -> Result<Vec<u8>, Error> {
    let mut pickle = Vec::with_capacity(1024);
    record.to_pickle(&mut pickle).map_err(|error| Error::with(ErrorKind::Record, error))?;
    Ok(pickle)
}

#[cfg(test)]
mod tests {
    use std::{io::Read, net::TcpListener};

    use super::*;

    fn plan(endpoint: Endpoint, signing: Signing) -> Plan {
        let config = SenderConfig::new();
        Plan {
            endpoint,
            config,
            signing,
            origin: Origin::new(None),
            reports: Some(Duration::from_secs(1)),
            ack_window: 1024,
            #[cfg(feature = "spool")]
            spool: None,
        }
    }

    /// As after a fork: the outlet in memory was made by another process.
    fn forked(core: Core) -> Core {
        let process = core.outlet.process.wrapping_add(1);
        let Core { plan, outlet } = &core;
        let child = OnceLock::new();
        let outlet = Outlet {
            process,
            sender: outlet.sender.clone(),
            #[cfg(feature = "spool")]
            stored: None,
            resumed: 0,
            overhead: outlet.overhead,
            signer: Mutex::new(plan.signing.signer().unwrap()),
            tally: Tally::default(),
            child,
        };
        let plan = plan.clone();
        Core { plan, outlet }
    }

    #[test]
    fn a_child_opens_a_line_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
        let parent = Core::new(plan(endpoint, Signing::Off)).unwrap();
        let sender = parent.outlet.sender.clone();
        let child = forked(parent);
        // The parent's lock is held for ever by a thread that the child does not have.
        let held = child.outlet.signer.lock().unwrap();
        child.handle(&LogRecord::builder("app", 20, "from the child").build()).unwrap();
        assert_eq!(child.close(Duration::from_secs(10)).sender.written, 1);
        assert_eq!(sender.stats().accepted, 0);
        drop(held);
        let mut wire = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut wire).unwrap();
        assert_eq!(LogRecord::from_pickle(&wire[4..]).unwrap().message(), "from the child");
    }

    #[cfg(feature = "hmac")]
    #[test]
    fn a_child_numbers_its_records_in_a_stream_of_its_own() {
        use logrecord_frame::envelope::{Key, KeyId};
        let key = Key::new(KeyId::new(b"app").unwrap(), &[7; 32]).unwrap();
        let signing = Signing::Sealed { key: Box::new(key), audience: Vec::new(), acks: false };
        let parent = Core::new(plan(Endpoint::tcp("127.0.0.1:9").unwrap(), signing)).unwrap();
        let stream = |outlet: &Outlet| match &*outlet.signer.lock().unwrap() {
            Signer::Sealed(sealer) => sealer.stream_id(),
            _ => panic!("not signed"),
        };
        let before = stream(&parent.outlet);
        let child = forked(parent);
        assert_ne!(stream(child.outlet().unwrap()), before);
        child.close(Duration::ZERO);
    }
}
