//! What the tasks of one listener share: the handler, limits, counts, the signal to stop.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    config::ListenerConfig,
    flight::FlightLimits,
    handler::{FrameHandler, contain},
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
    pub(super) config: ListenerConfig,
    pub(super) counts: Counts,
    pub(super) flight: FlightLimits,
    pub(super) peers: Peers,
}

impl<H: FrameHandler> Shared<H> {
    pub(super) fn new(handler: Arc<H>, config: ListenerConfig) -> Self {
        Self {
            handler,
            counts: Counts::default(),
            flight: FlightLimits::new(config.max_bytes_in_flight),
            peers: Peers::default(),
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

/// The signal to stop, seen by every task of a listener.
pub(super) type Stop = watch::Receiver<Option<Stopping>>;

/// Each task keeps to the end of draining by itself. What is still there so much later hangs in the handler's
/// synchronous code and cannot be waited for.
pub(super) const AFTER_DRAIN: Duration = Duration::from_millis(500);

/// Waits until the listener stops.
pub(super) async fn stopped(stop: &mut Stop) -> Stopping {
    match stop.wait_for(Option::is_some).await.map(|stopping| *stopping) {
        Ok(Some(stopping)) => stopping,
        // The listener itself is gone, so there is no time left.
        _ => Stopping::new(Instant::now(), Duration::ZERO),
    }
}

/// Waits until the handler's time is over.
pub(super) async fn drained(stop: &mut Stop) {
    sleep_until(stopped(stop).await.drain_by).await;
}
