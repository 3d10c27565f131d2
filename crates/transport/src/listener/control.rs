//! What a listener is told while it serves.
use std::sync::Arc;

#[cfg(unix)]
use tokio::sync::mpsc;
use tokio::{sync::watch, time::Instant};

#[cfg(unix)]
use super::pass::{Part, Pause};
use super::{
    config::{Current, ListenerConfig},
    shared::{Order, Stopping},
};

/// Tells a listener that serves what to do; see [`Listener::control`](super::Listener::control).
#[derive(Clone, Debug)]
pub struct Control {
    order: Arc<watch::Sender<Order>>,
    config: Arc<Current>,
}

impl Control {
    pub(super) fn new(config: ListenerConfig) -> Self {
        Self { order: Arc::new(watch::Sender::new(Order::Serve)), config: Arc::new(Current::new(config)) }
    }

    pub(super) const fn config(&self) -> &Arc<Current> {
        &self.config
    }

    /// Sets other limits, for connections and datagrams that come from now on. Connections that are there keep those
    /// with which they began. What belongs to the socket or to all connections together stays as it was: TLS, the rate
    /// of accepting, the bytes in flight, the receive buffer and the mode of a socket's file.
    pub fn set_config(&self, config: ListenerConfig) {
        self.config.set(config);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Order> {
        self.order.subscribe()
    }

    /// Ends it in order: what is there is read and delivered.
    pub fn stop(&self) {
        let stopping = Stopping::new(Instant::now(), self.config.get().drain_timeout);
        self.order.send_if_modified(|order| {
            let is_ending = matches!(order, Order::Drain(_) | Order::Leave);
            if !is_ending {
                *order = Order::Drain(stopping);
            }
            !is_ending
        });
    }

    /// Reads nothing more, and says what there is. The channel gives each connection at the end of what the handler
    /// has in hand, and at last the listener. TLS connections cannot be passed and are not among them.
    #[cfg(unix)]
    pub fn pause(&self) -> mpsc::Receiver<Part> {
        self.pause_from(None)
    }

    /// As [`pause`](Self::pause), for one that is going to end: what has arrived by now is read first, for a second at
    /// most, because nobody knows whether another process comes.
    #[cfg(unix)]
    pub fn pause_drained(&self) -> mpsc::Receiver<Part> {
        self.pause_from(Some(Stopping::new(Instant::now(), self.config.get().drain_timeout).read_by))
    }

    #[cfg(unix)]
    fn pause_from(&self, read_by: Option<Instant>) -> mpsc::Receiver<Part> {
        let (pause, taken) = Pause::new(read_by);
        self.order.send_if_modified(|order| {
            let serves = matches!(order, Order::Serve);
            if serves {
                *order = Order::Pause(pause);
            }
            serves
        });
        taken
    }

    /// Ends a pause: everything goes on where it was.
    pub fn resume(&self) {
        self.order.send_if_modified(|order| {
            let is_paused = matches!(order, Order::Pause(_));
            if is_paused {
                *order = Order::Serve;
            }
            is_paused
        });
    }

    /// Ends a pause for good, because somebody else has the sockets now: nothing is closed towards the peers but what
    /// could not be passed.
    pub fn leave(&self) {
        self.order.send_replace(Order::Leave);
    }
}
