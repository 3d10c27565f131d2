//! Limits for each peer: its connections, how fast they come, its bytes in flight.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{config::ListenerConfig, flight::FlightLimits, lock::lock};
use crate::{fault::Limit, source::Peer};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum PeerKey {
    Ip(IpAddr),
    Uid(u32),
}

/// What is known of one peer while it has connections, or has had one lately.
pub(super) struct PeerState {
    pub(super) flight: FlightLimits,
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
                flight: FlightLimits::new(config.max_bytes_in_flight_per_peer.unwrap_or(usize::MAX)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_allows_one_second_of_burst_and_then_its_pace() {
        let start = Instant::now();
        let mut rate = Rate::new(10, start);
        assert_eq!((0..20).filter(|_| rate.take(start)).count(), 10);
        assert!(rate.wait() <= Duration::from_millis(100));
        let later = start + Duration::from_millis(350);
        assert_eq!((0..20).filter(|_| rate.take(later)).count(), 3);
    }

    #[test]
    fn per_peer_limits_count_addresses_not_ports() {
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
