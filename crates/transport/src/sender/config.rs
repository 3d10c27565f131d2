//! How a sender behaves: its queue, its limits in time, what it reports.
use std::{fmt, sync::Arc, time::Duration};

use super::acks::Acks;
use crate::backoff::Backoff;

/// What happens to a record that comes when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullPolicy {
    /// The oldest record goes: what is newest tells most about what is wrong now. The default.
    DropOldest,
    /// The record at hand goes, and the caller gets an error of kind `Full`.
    DropNewest,
    /// The caller waits for room, at most this long; then the record at hand goes.
    Block(Duration),
}

/// Records that did not arrive, as far as a sender can know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Losses {
    /// Records that were given up.
    pub records: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Records that were handed to the system between the last look at a connection that was well and the
    /// moment it was found broken. They may have arrived; without acknowledgements nobody can say.
    pub in_doubt: u64,
}

impl Losses {
    /// Whether nothing was lost.
    pub const fn is_empty(&self) -> bool {
        self.records == 0 && self.in_doubt == 0
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.in_doubt += other.in_doubt;
    }
}

/// Makes the payload that tells the other side of losses.
pub(crate) type LossReport = Arc<dyn Fn(&Losses) -> Option<Vec<u8>> + Send + Sync>;

/// How a sender behaves. The defaults keep the caller's thread free and lose as little as a bounded
/// memory allows.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use logrecord_transport::sender::{FullPolicy, SenderConfig};
///
/// let config = SenderConfig::new()
///     .queue(1_000, 1 << 20)
///     .full_policy(FullPolicy::Block(Duration::from_millis(100)))
///     .loss_report(|losses| Some(format!("{} records lost", losses.records).into_bytes()));
/// # drop(config);
/// ```
#[derive(Clone)]
pub struct SenderConfig {
    pub(crate) queue_records: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) full: FullPolicy,
    pub(crate) backoff: Backoff,
    pub(crate) connect_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) drop_timeout: Duration,
    pub(crate) loss_report: Option<LossReport>,
    pub(crate) report_interval: Duration,
    pub(crate) cpython_compat: bool,
    pub(crate) detached: bool,
    pub(crate) acks: Option<Acks>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::TlsClient>,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl SenderConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            queue_records: 65_536,
            queue_bytes: 64 * 1024 * 1024,
            full: FullPolicy::DropOldest,
            backoff: Backoff::new(),
            connect_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(30),
            drop_timeout: Duration::from_secs(2),
            loss_report: None,
            report_interval: Duration::from_secs(1),
            cpython_compat: false,
            detached: false,
            acks: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// How many records and payload bytes may wait: 65,536 and 64 MiB by default. One record always fits.
    #[must_use]
    pub const fn queue(mut self, records: usize, bytes: usize) -> Self {
        self.queue_records = records;
        self.queue_bytes = bytes;
        self
    }

    /// What happens when the queue is full.
    #[must_use]
    pub const fn full_policy(mut self, policy: FullPolicy) -> Self {
        self.full = policy;
        self
    }

    /// The delays between attempts to connect; Python's by default.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Time for a connection to one address, 1 s by default, as in Python.
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a receiver may take nothing before its connection is given up, 30 s by default. A
    /// receiver that is slow but reads is never given up.
    #[must_use]
    pub const fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// How long a sender that is dropped waits for its queue to empty, 2 s by default.
    #[must_use]
    pub const fn drop_timeout(mut self, limit: Duration) -> Self {
        self.drop_timeout = limit;
        self
    }

    /// Makes one record of each stretch of losses. Once the line is back, the closure gets the losses
    /// since the last report and returns the payload to send, or nothing. It runs on the sender's own
    /// thread and must not send through the same sender.
    #[must_use]
    pub fn loss_report(
        mut self,
        report: impl Fn(&Losses) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.loss_report = Some(Arc::new(report));
        self
    }

    /// The shortest time between two loss reports, 1 s by default.
    #[must_use]
    pub const fn report_interval(mut self, interval: Duration) -> Self {
        self.report_interval = interval;
        self
    }

    /// Behaves exactly as CPython's `SocketHandler` and `DatagramHandler` do: no queue, no thread; an
    /// attempt to connect only inside of a send and only when the back-off allows it; 1 s for each call of
    /// the system; a record that meets an error is dropped. The drops are counted here, which Python's are not.
    #[must_use]
    pub const fn cpython_compat(mut self, compat: bool) -> Self {
        self.cpython_compat = compat;
        self
    }

    /// Whether dropping the last handle returns at once, so that the sender's thread goes on alone for the
    /// [drop timeout](Self::drop_timeout) at most. Off by default, except for an `AsyncSender`: then the drop
    /// waits, because a thread ends with its program.
    #[must_use]
    pub const fn detached(mut self, detached: bool) -> Self {
        self.detached = detached;
        self
    }

    /// Keeps [numbered messages](super::Message::numbered) until the receiver acknowledges them, and sends them
    /// again on the next connection if it has not. Off by default: stock receivers say nothing. Stream transports
    /// only; datagrams are sent as without.
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = Some(acks);
        self
    }

    /// Whom a TLS sender trusts, and who it is.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl fmt::Debug for SenderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderConfig")
            .field("queue_records", &self.queue_records)
            .field("queue_bytes", &self.queue_bytes)
            .field("full", &self.full)
            .field("backoff", &self.backoff)
            .field("connect_timeout", &self.connect_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("drop_timeout", &self.drop_timeout)
            .field("loss_report", &self.loss_report.is_some())
            .field("cpython_compat", &self.cpython_compat)
            .field("acks", &self.acks)
            .finish_non_exhaustive()
    }
}

/// What a sender did so far. At every moment `accepted = written + dropped + queued`; with
/// [acknowledgements](SenderConfig::acks) it is `accepted = acked + refused + dropped + queued`, if all messages are
/// numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderStats {
    /// Records that were given to the sender and not refused for their length or because it was closed.
    pub accepted: u64,
    /// Records that were handed to the system whole.
    pub written: u64,
    /// Their payload bytes.
    pub written_bytes: u64,
    /// Records that were given up, for any of the reasons below.
    pub dropped: u64,
    /// Their payload bytes.
    pub dropped_bytes: u64,
    /// Of them, those for which the queue had no room.
    pub dropped_full: u64,
    /// Of them, those that were cut twice by a breaking connection, that a datagram socket refused, or,
    /// as in Python, that met any error at all.
    pub dropped_error: u64,
    /// Of them, those that were still there when the sender was closed.
    pub dropped_closed: u64,
    /// Of them, those that were written and got no answer for [too long](super::Acks::max_age).
    pub dropped_unanswered: u64,
    /// Records that the receiver acknowledged: it has them for good.
    pub acked: u64,
    /// Records that the receiver refused for good.
    pub refused: u64,
    /// Of them, those of each status of the refusal; all from 7 on are in the last place.
    pub refused_by_status: [u64; 8],
    /// Of the queued ones, those that were written and are not acknowledged.
    pub in_flight: u64,
    /// Of the written ones, those whose arrival is in doubt; see [`Losses::in_doubt`].
    pub in_doubt: u64,
    /// Records that wait, be it for an acknowledgement.
    pub queued: u64,
    /// Their payload bytes.
    pub queued_bytes: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Attempts to connect that failed.
    pub failed_connects: u64,
    /// Loss reports that were written. They are not counted among the records above.
    pub reports: u64,
}
