//! What the tasks of one listener share: limits per peer, bytes in flight, the signal to stop, counts.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    config::ListenerConfig,
    handler::{FrameHandler, contain},
};
use crate::{
    fault::{Fault, Limit},
    source::{Peer, Source},
};

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
    pub(super) flight: InFlight,
    pub(super) peers: Peers,
}

impl<H: FrameHandler> Shared<H> {
    pub(super) fn new(handler: Arc<H>, config: ListenerConfig) -> Self {
        Self {
            handler,
            counts: Counts::default(),
            flight: InFlight::new(config.max_bytes_in_flight),
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

/// The signal to stop, seen by every task of a listener.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// Each task keeps to the end of draining by itself. What is still there so much later hangs in the handler's
/// synchronous code and cannot be waited for.
pub(super) const AFTER_DRAIN: Duration = Duration::from_millis(500);

/// The time by which draining ends, once the listener stops.
pub(super) async fn stopped(stop: &mut Stop) -> Instant {
    match stop.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        // The listener itself is gone, so there is no time left.
        Err(_) => Instant::now(),
    }
}

/// A number of bytes and its limit.
struct Flight {
    bytes: AtomicUsize,
    limit: usize,
    room: Notify,
}

impl Flight {
    fn new(limit: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), limit, room: Notify::new() }
    }

    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= self.limit
    }

    /// Waits until there is room. The limit may be passed by one read of each connection.
    async fn wait(&self) {
        loop {
            let room = self.room.notified();
            if !self.is_full() {
                return;
            }
            room.await;
        }
    }

    fn change(&self, from: usize, to: usize) {
        if to > from {
            self.bytes.fetch_add(to - from, Ordering::AcqRel);
        } else if to < from {
            let less = from - to;
            let before = self.bytes.fetch_sub(less, Ordering::AcqRel);
            if before >= self.limit && before - less < self.limit {
                self.room.notify_waiters();
            }
        }
    }
}

/// The two kinds of bytes that a listener, or one peer of it, has in memory.
///
/// They are kept apart because they end differently: what was handed over is taken when the handler gets
/// to it, so waiting for that is always right. A begun frame ends when its sender completes it, or at
/// the frame's time limit; a crowd that begins large frames must not keep others from sending small ones.
pub(super) struct InFlight {
    /// Whole frames in the handler's hands.
    handed: Flight,
    /// Frames that are begun.
    held: Flight,
    /// Whether some connection has the right to complete its frame over the limit. Without it, frames that
    /// fill the limit together would all wait for each other.
    overdraft: AtomicBool,
}

impl InFlight {
    pub(super) fn new(limit: usize) -> Self {
        Self { handed: Flight::new(limit), held: Flight::new(limit), overdraft: AtomicBool::new(false) }
    }
}

/// A begun frame of less than this is read on, whatever others hold.
const FLOOR: usize = 16 * 1024;

/// One connection's part of the bytes in flight, of its listener and its peer. What is left is given
/// back at drop.
pub(super) struct Share<'a> {
    listener: &'a InFlight,
    peer: Option<&'a InFlight>,
    handed: usize,
    held: usize,
    /// The overdrafts that this connection has: its listener's and its peer's.
    overdrafts: [bool; 2],
}

impl<'a> Share<'a> {
    pub(super) fn new(listener: &'a InFlight, peer: Option<&'a InFlight>) -> Self {
        Self { listener, peer, handed: 0, held: 0, overdrafts: [false; 2] }
    }

    fn parts(&self) -> impl Iterator<Item = &'a InFlight> + use<'a> {
        [Some(self.listener), self.peer].into_iter().flatten()
    }

    /// Whether the handler has as much in its hands as it may.
    pub(super) fn is_handed_full(&self) -> bool {
        self.parts().any(|part| part.handed.is_full())
    }

    /// Waits until the handler has taken something.
    pub(super) async fn handed_room(&self) {
        for part in self.parts() {
            part.handed.wait().await;
        }
    }

    /// Whether the begun frames take as much as they may, and this connection's is one of the large ones
    /// and not the one that may go on all the same.
    pub(super) fn is_held_full(&mut self) -> bool {
        if self.held < FLOOR {
            return false;
        }
        let parts = [Some(self.listener), self.peer];
        for (part, mine) in parts.into_iter().zip(&mut self.overdrafts) {
            let Some(part) = part else { continue };
            if part.held.is_full() && !*mine {
                if part.overdraft.swap(true, Ordering::AcqRel) {
                    return true;
                }
                *mine = true;
            }
        }
        false
    }

    /// Waits until some begun frame has ended, or the right to go on over the limit is free.
    pub(super) async fn held_room(&self) {
        for (part, mine) in self.parts().zip(self.overdrafts) {
            loop {
                let room = part.held.room.notified();
                if mine || !part.held.is_full() || !part.overdraft.load(Ordering::Acquire) {
                    break;
                }
                room.await;
            }
        }
    }

    /// Sets how much of this connection the handler has in its hands.
    pub(super) fn set_handed(&mut self, bytes: usize) {
        for part in self.parts() {
            part.handed.change(self.handed, bytes);
        }
        self.handed = bytes;
    }

    /// Sets how much has arrived of this connection's begun frame.
    pub(super) fn set_held(&mut self, bytes: usize) {
        for part in self.parts() {
            part.held.change(self.held, bytes);
        }
        if bytes < self.held {
            // The frame has ended.
            let parts = [Some(self.listener), self.peer];
            for (part, mine) in parts.into_iter().zip(&mut self.overdrafts) {
                if let Some(part) = part
                    && std::mem::take(mine)
                {
                    part.overdraft.store(false, Ordering::Release);
                    part.held.room.notify_waiters();
                }
            }
        }
        self.held = bytes;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.set_handed(0);
        self.set_held(0);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum PeerKey {
    Ip(IpAddr),
    Uid(u32),
}

/// What is known of one peer while it has connections, or has had one lately.
pub(super) struct PeerState {
    pub(super) flight: InFlight,
    connections: AtomicUsize,
    rate: Mutex<Rate>,
}

/// All peers of a listener. Empty as long as no limit per peer is set.
#[derive(Default)]
pub(super) struct Peers {
    table: Mutex<HashMap<PeerKey, Arc<PeerState>>>,
}

impl Peers {
    /// Counts one more connection of `peer`.
    pub(super) fn admit(
        &self,
        peer: &Peer,
        config: &ListenerConfig,
        now: Instant,
    ) -> Result<Option<PeerSlot>, Limit> {
        if config.max_connections_per_peer.is_none()
            && config.accept_rate_per_peer.is_none()
            && config.max_bytes_in_flight_per_peer.is_none()
        {
            return Ok(None);
        }
        let key = match peer {
            Peer::Ip(addr) => PeerKey::Ip(addr.ip().to_canonical()),
            Peer::Unix { uid, .. } => PeerKey::Uid(*uid),
            Peer::Path(_) | Peer::Unnamed => return Ok(None),
        };
        let mut table = lock(&self.table);
        // Peers without a connection are forgotten when the table grows, so that it is bounded by the
        // connections and not by the addresses that ever came by.
        if table.len() >= 2 * config.max_connections.max(512) {
            table.retain(|_, state| state.connections.load(Ordering::Acquire) > 0);
        }
        let state = table.entry(key).or_insert_with(|| {
            Arc::new(PeerState {
                flight: InFlight::new(config.max_bytes_in_flight_per_peer.unwrap_or(usize::MAX)),
                connections: AtomicUsize::new(0),
                rate: Mutex::new(Rate::new(config.accept_rate_per_peer.unwrap_or(u32::MAX), now)),
            })
        });
        if config.max_connections_per_peer.is_some_and(|max| state.connections.load(Ordering::Acquire) >= max)
        {
            return Err(Limit::ConnectionsPerPeer);
        }
        if config.accept_rate_per_peer.is_some() && !lock(&state.rate).take(now) {
            return Err(Limit::AcceptRatePerPeer);
        }
        state.connections.fetch_add(1, Ordering::AcqRel);
        Ok(Some(PeerSlot { state: Arc::clone(state) }))
    }
}

/// One connection's place among those of its peer.
pub(super) struct PeerSlot {
    pub(super) state: Arc<PeerState>,
}

impl Drop for PeerSlot {
    fn drop(&mut self) {
        self.state.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// So many events a second, in bursts of at most one second's worth.
pub(super) struct Rate {
    per_second: f64,
    tokens: f64,
    last: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, tokens: per_second, last: now }
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        false
    }

    /// How long until there is a token again.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs_f64(((1.0 - self.tokens) / self.per_second).clamp(0.0, 1.0))
    }
}

/// Locks, and takes a lock that a panic left behind as it is: every state here is whole at every step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_allows_one_second_of_burst_and_then_its_pace() {
        let start = Instant::now();
        let mut rate = Rate::new(10, start);
        assert_eq!((0..20).filter(|_| rate.take(start)).count(), 10);
        assert!(rate.wait() <= Duration::from_millis(100));
        let later = start + Duration::from_millis(350);
        assert_eq!((0..20).filter(|_| rate.take(later)).count(), 3);
    }

    #[test]
    fn a_share_is_given_back_at_drop_and_small_frames_are_always_read() {
        let flight = InFlight::new(100_000);
        let mut small = Share::new(&flight, None);
        small.set_held(FLOOR - 1);
        let mut large = Share::new(&flight, None);
        large.set_held(150_000);
        // One may go on over the limit, another has to wait for it.
        assert!(!large.is_held_full() && !small.is_held_full() && !small.is_handed_full());
        let mut second = Share::new(&flight, None);
        second.set_held(FLOOR);
        assert!(second.is_held_full());
        large.set_held(FLOOR);
        assert!(!second.is_held_full());
        drop(second);
        large.set_handed(100_000);
        assert!(small.is_handed_full());
        drop(large);
        assert!(!small.is_handed_full());
        drop(small);
        assert_eq!(flight.held.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(flight.handed.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn per_peer_limits_count_addresses_not_ports() {
        let config = ListenerConfig::new().max_connections_per_peer(Some(2));
        let peers = Peers::default();
        let peer = |text: &str| Peer::Ip(text.parse().unwrap());
        let now = Instant::now();
        let first = peers.admit(&peer("10.0.0.1:1"), &config, now).unwrap();
        let _second = peers.admit(&peer("[::ffff:10.0.0.1]:2"), &config, now).unwrap();
        assert_eq!(peers.admit(&peer("10.0.0.1:3"), &config, now).err(), Some(Limit::ConnectionsPerPeer));
        assert!(peers.admit(&peer("10.0.0.2:3"), &config, now).is_ok());
        drop(first);
        assert!(peers.admit(&peer("10.0.0.1:4"), &config, now).is_ok());
    }
}
