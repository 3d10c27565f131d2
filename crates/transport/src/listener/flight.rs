//! Bytes in flight: what a listener and a peer of it may have in memory, and each connection's share.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A number of bytes and its limit.
struct BytesInFlight {
    bytes: AtomicUsize,
    limit: usize,
    room: Notify,
}

impl BytesInFlight {
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
pub(super) struct FlightLimits {
    /// Whole frames in the handler's hands.
    delivered: BytesInFlight,
    /// Frames that are begun.
    partial: BytesInFlight,
    /// Whether some connection has the right to complete its frame over the limit. Without it, frames that
    /// fill the limit together would all wait for each other.
    exceeding: AtomicBool,
}

impl FlightLimits {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            delivered: BytesInFlight::new(limit),
            partial: BytesInFlight::new(limit),
            exceeding: AtomicBool::new(false),
        }
    }
}

/// A begun frame of less than this is read on, whatever others hold.
const FLOOR: usize = 16 * 1024;

/// One connection's part of the bytes in flight, of its listener and its peer. What is left is given
/// back at drop.
pub(super) struct ConnectionShare<'a> {
    listener: &'a FlightLimits,
    peer: Option<&'a FlightLimits>,
    delivered: usize,
    partial: usize,
    /// Whether this connection has the right to exceed the limit: its listener's, and its peer's.
    may_exceed: [bool; 2],
}

impl<'a> ConnectionShare<'a> {
    pub(super) fn new(listener: &'a FlightLimits, peer: Option<&'a FlightLimits>) -> Self {
        Self { listener, peer, delivered: 0, partial: 0, may_exceed: [false; 2] }
    }

    fn parts(&self) -> impl Iterator<Item = &'a FlightLimits> + use<'a> {
        [Some(self.listener), self.peer].into_iter().flatten()
    }

    /// Whether the handler has as much in its hands as it may.
    pub(super) fn is_delivered_full(&self) -> bool {
        self.parts().any(|part| part.delivered.is_full())
    }

    /// Waits until the handler has taken something.
    pub(super) async fn delivered_room(&self) {
        for part in self.parts() {
            part.delivered.wait().await;
        }
    }

    /// Claims the right to read on inside of a begun frame. Refused while the begun frames take as much as
    /// they may, this one is large, and another one has the right to exceed the limit.
    pub(super) fn claim_partial(&mut self) -> bool {
        if self.partial < FLOOR {
            return true;
        }
        let parts = [Some(self.listener), self.peer];
        for (part, mine) in parts.into_iter().zip(&mut self.may_exceed) {
            let Some(part) = part else { continue };
            if part.partial.is_full() && !*mine {
                if part.exceeding.swap(true, Ordering::AcqRel) {
                    return false;
                }
                *mine = true;
            }
        }
        true
    }

    /// Waits until some begun frame has ended, or the right to go on over the limit is free.
    pub(super) async fn partial_room(&self) {
        for (part, mine) in self.parts().zip(self.may_exceed) {
            loop {
                let room = part.partial.room.notified();
                if mine || !part.partial.is_full() || !part.exceeding.load(Ordering::Acquire) {
                    break;
                }
                room.await;
            }
        }
    }

    /// Sets how much of this connection the handler has in its hands.
    pub(super) fn set_delivered(&mut self, bytes: usize) {
        for part in self.parts() {
            part.delivered.change(self.delivered, bytes);
        }
        self.delivered = bytes;
    }

    /// Sets how much has arrived of this connection's begun frame.
    pub(super) fn set_partial(&mut self, bytes: usize) {
        for part in self.parts() {
            part.partial.change(self.partial, bytes);
        }
        if bytes < self.partial {
            // The frame has ended.
            let parts = [Some(self.listener), self.peer];
            for (part, mine) in parts.into_iter().zip(&mut self.may_exceed) {
                if let Some(part) = part
                    && std::mem::take(mine)
                {
                    part.exceeding.store(false, Ordering::Release);
                    part.partial.room.notify_waiters();
                }
            }
        }
        self.partial = bytes;
    }
}

impl Drop for ConnectionShare<'_> {
    fn drop(&mut self) {
        self.set_delivered(0);
        self.set_partial(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_at_drop_and_small_frames_are_always_read() {
        let flight = FlightLimits::new(100_000);
        let mut small = ConnectionShare::new(&flight, None);
        small.set_partial(FLOOR - 1);
        let mut large = ConnectionShare::new(&flight, None);
        large.set_partial(150_000);
        // One may go on over the limit, another has to wait for it.
        assert!(large.claim_partial() && small.claim_partial() && !small.is_delivered_full());
        let mut second = ConnectionShare::new(&flight, None);
        second.set_partial(FLOOR);
        assert!(!second.claim_partial());
        large.set_partial(FLOOR);
        assert!(second.claim_partial());
        drop(second);
        large.set_delivered(100_000);
        assert!(small.is_delivered_full());
        drop(large);
        assert!(!small.is_delivered_full());
        drop(small);
        assert_eq!(flight.partial.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(flight.delivered.bytes.load(Ordering::Relaxed), 0);
    }
}
