//! What the tasks of one listener share: the handler, limits, counts, and what they are to do.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    config::Current,
    flight::FlightLimits,
    handler::{FrameHandler, contain},
    pass::Pause,
    peers::Peers,
};
use crate::{fault::Fault, source::Source};

/// Counts of one listener, read at its end.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) faults: AtomicU64,
    pub(super) frames_lost: AtomicU64,
    pub(super) undrained: AtomicU64,
}

/// What tasks of one listener share.
pub(super) struct Shared<H: FrameHandler> {
    pub(super) handler: Arc<H>,
    pub(super) config: Arc<Current>,
    pub(super) counts: Counts,
    pub(super) flight: FlightLimits,
    pub(super) peers: Peers,
    pub(super) activity: Activity,
}

impl<H: FrameHandler> Shared<H> {
    pub(super) fn new(handler: Arc<H>, config: Arc<Current>) -> Self {
        Self {
            handler,
            counts: Counts::default(),
            flight: FlightLimits::new(config.get().max_bytes_in_flight),
            peers: Peers::default(),
            activity: Activity::default(),
            config,
        }
    }

    /// Reports a fault, and lives on if the report panics.
    pub(super) fn fault(&self, source: &Source, fault: Fault) {
        self.counts.faults.fetch_add(1, Ordering::Relaxed);
        self.counts.frames_lost.fetch_add(fault.frames(), Ordering::Relaxed);
        if contain(|| self.handler.fault(source, fault)).is_err() {
            // A handler that cannot even take a report gets no second one about it.
            self.counts.faults.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// When a listener that stops is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// Nothing is read after this.
    pub(super) read_by: Instant,
    /// The handler gets no more time after this.
    pub(super) drain_by: Instant,
}

impl Stopping {
    pub(super) fn new(now: Instant, drain_timeout: Duration) -> Self {
        Self { read_by: now + READ_ON.min(drain_timeout), drain_by: now + drain_timeout }
    }
}

/// How long a listener that stops reads on. A sender that never pauses would keep it open for good.
const READ_ON: Duration = Duration::from_secs(1);

/// What every task of a listener is to do.
#[derive(Clone, Debug, Default)]
pub(super) enum Order {
    #[default]
    Serve,
    /// Read nothing, and say what there is.
    Pause(Pause),
    /// Read what is there, and end.
    Drain(Stopping),
    /// End, and leave the sockets to whoever has been given them.
    Leave,
}

impl Order {
    /// When to be done, if this is the end.
    pub(super) const fn stopping(&self) -> Option<Stopping> {
        match self {
            Self::Drain(stopping) => Some(*stopping),
            _ => None,
        }
    }
}

/// The order of a listener, seen by every task of it.
pub(super) type Stop = watch::Receiver<Order>;

/// Each task keeps to the end of draining by itself. What is still there so much later hangs in the handler's
/// synchronous code and cannot be waited for.
pub(super) const AFTER_DRAIN: Duration = Duration::from_millis(500);

/// Waits until there is something else to do than to serve.
pub(super) async fn ordered(stop: &mut Stop) -> Order {
    match stop.wait_for(|order| !matches!(order, Order::Serve)).await {
        Ok(order) => order.clone(),
        // The listener itself is gone, so there is no time left.
        Err(_) => Order::Drain(Stopping::new(Instant::now(), Duration::ZERO)),
    }
}

/// Waits until the listener stops.
pub(super) async fn stopped(stop: &mut Stop) -> Stopping {
    match stop.wait_for(|order| matches!(order, Order::Drain(_))).await.map(|order| order.stopping()) {
        Ok(Some(stopping)) => stopping,
        // The listener itself is gone, so there is no time left.
        _ => Stopping::new(Instant::now(), Duration::ZERO),
    }
}

/// Waits until the handler's time is over.
pub(super) async fn drained(stop: &mut Stop) {
    sleep_until(stopped(stop).await.drain_by).await;
}

/// Waits until a pause is over, whichever way.
pub(super) async fn unpaused(stop: &mut Stop) {
    // A listener that is gone ends every pause.
    drop(stop.wait_for(|order| !matches!(order, Order::Pause(_))).await);
}

/// How many connections are being read.
#[derive(Debug, Default)]
pub(super) struct Activity {
    active: AtomicUsize,
    quiet: Notify,
}

impl Activity {
    fn begin(&self) {
        self.active.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self) {
        if self.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_waiters();
        }
    }

    /// Waits until no connection is being read.
    pub(super) async fn quiet(&self) {
        loop {
            let quiet = self.quiet.notified();
            tokio::pin!(quiet);
            quiet.as_mut().enable();
            if self.active.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.await;
        }
    }
}

/// One connection that counts as being read, but for when it is parked.
pub(super) struct Active<H: FrameHandler> {
    shared: Arc<Shared<H>>,
    parked: bool,
}

impl<H: FrameHandler> Active<H> {
    pub(super) fn new(shared: &Arc<Shared<H>>) -> Self {
        shared.activity.begin();
        Self { shared: Arc::clone(shared), parked: false }
    }

    pub(super) fn park(&mut self) {
        if !std::mem::replace(&mut self.parked, true) {
            self.shared.activity.end();
        }
    }

    pub(super) fn unpark(&mut self) {
        if std::mem::replace(&mut self.parked, false) {
            self.shared.activity.begin();
        }
    }
}

impl<H: FrameHandler> Drop for Active<H> {
    fn drop(&mut self) {
        self.park();
    }
}
