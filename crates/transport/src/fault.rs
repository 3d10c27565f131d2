//! What can go wrong on the receiving side, in the words of a report.
//!
//! A fault that loses data says how many frames and bytes, as far as anybody can know; the sum of
//! faults and delivered frames is everything that arrived.
use std::{fmt, io, time::Duration};

use bytes::Bytes;
use logrecord_frame::Stranger;

/// The limit for which a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Connections of the listener.
    Connections,
    /// Connections of one peer.
    ConnectionsPerPeer,
    /// New connections of one peer in a second.
    AcceptRatePerPeer,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "connections",
            Self::ConnectionsPerPeer => "connections per peer",
            Self::AcceptRatePerPeer => "accept rate per peer",
        })
    }
}

/// Something that went wrong at a listener or on one of its connections.
///
/// A `Fault` is a report, not an error to handle: the listener has already done what there was to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The peer ended the connection inside a frame. A stock `SocketHandler` does this whenever its
    /// one-second write limit passes, so it is ordinary input; one frame is lost.
    Truncated {
        /// The length that the prefix declared, if the whole prefix arrived.
        declared: Option<u32>,
        /// The bytes of the frame that arrived, prefix included.
        partial: Bytes,
    },
    /// The connection failed (a reset, for example). If this cut a frame, `partial` is not empty.
    Broken {
        /// The operating system's word.
        error: io::Error,
        /// The bytes of the cut frame, prefix included; empty if there was none.
        partial: Bytes,
    },
    /// A prefix declares more than the limit. The frame is skipped, or the connection is closed.
    Oversized {
        /// The declared length.
        declared: u32,
        /// What stands there, prefix included, at most 64 bytes.
        head: Bytes,
        /// Who speaks like this, if it is a known protocol.
        stranger: Option<Stranger>,
        /// Whether the connection lives on behind the frame.
        skipped: bool,
    },
    /// A datagram is not exactly one frame.
    Malformed {
        /// The length that its prefix declares, if it has one.
        declared: Option<u32>,
        /// The datagram, or the part of it that the socket gave.
        datagram: Bytes,
        /// Who speaks like this, if it is a known protocol.
        stranger: Option<Stranger>,
    },
    /// The connection was silent between two frames for longer than the idle limit.
    IdleTimeout,
    /// A frame was begun and not completed in time.
    FrameTimeout {
        /// The length that the prefix declared, if the whole prefix arrived.
        declared: Option<u32>,
        /// The bytes of the frame that arrived, prefix included.
        partial: Bytes,
    },
    /// No frame was accepted within the time that an unauthenticated connection has.
    AuthenticationTimeout {
        /// The bytes of the frame that had arrived, prefix included.
        partial: Bytes,
    },
    /// A connection was closed as soon as it was made, because of a limit.
    Refused {
        /// The limit.
        limit: Limit,
    },
    /// No connection could be accepted. The listener stays and tries again after `retry_in`.
    Accept {
        /// The operating system's word: too many open files, no memory.
        error: io::Error,
        /// How long the listener waits.
        retry_in: Duration,
    },
    /// Reading from a datagram socket failed. The listener stays and tries again after `retry_in`.
    Receive {
        /// The operating system's word.
        error: io::Error,
        /// How long the listener waits.
        retry_in: Duration,
    },
    /// The kernel dropped datagrams because the socket's receive buffer was full.
    KernelDrops {
        /// How many since the last report. Their sizes are not known.
        datagrams: u64,
    },
    /// Datagrams were read and given up, because the handler did not keep up and a datagram listener
    /// never pushes back.
    Overflow {
        /// How many since the last report.
        frames: u64,
        /// Their bytes, prefixes included.
        bytes: u64,
    },
    /// The TLS handshake failed or took too long.
    Handshake {
        /// The reason.
        error: io::Error,
        /// Who speaks like this, if what came was another protocol.
        stranger: Option<Stranger>,
    },
    /// The handler panicked. Its connection was closed; all others live on.
    HandlerPanicked {
        /// Frames that the handler had in its hands, or that had been read behind them: at most this many are lost.
        frames: u64,
        /// Their bytes, without prefixes.
        bytes: u64,
    },
    /// The handler ended the connection with [`Verdict::Close`](crate::listener::Verdict::Close) while
    /// more of it had already been read.
    Closed {
        /// Whole frames that were read and not delivered.
        frames: u64,
        /// Bytes that were read and not delivered, prefixes and a cut frame included.
        bytes: u64,
    },
    /// The time to drain was over before the connection had nothing more to read.
    DrainTimeout {
        /// Frames in the handler's hands, or read behind them: at most this many whole frames are lost.
        frames: u64,
        /// Their bytes, and those of a cut frame.
        bytes: u64,
    },
}

impl Fault {
    /// Frames that are known to be lost by this, or, for a panic, lost at most.
    ///
    /// What a kernel or a peer threw away before it reached this process is counted where it is known
    /// (kernel drops) and cannot be where it is not.
    pub fn frames(&self) -> u64 {
        match self {
            Self::Truncated { .. }
            | Self::Oversized { .. }
            | Self::Malformed { .. }
            | Self::FrameTimeout { .. } => 1,
            Self::Broken { partial, .. } | Self::AuthenticationTimeout { partial } => {
                u64::from(!partial.is_empty())
            }
            Self::KernelDrops { datagrams } => *datagrams,
            Self::Overflow { frames, .. }
            | Self::HandlerPanicked { frames, .. }
            | Self::DrainTimeout { frames, .. }
            | Self::Closed { frames, .. } => *frames,
            Self::IdleTimeout
            | Self::Refused { .. }
            | Self::Accept { .. }
            | Self::Receive { .. }
            | Self::Handshake { .. } => 0,
        }
    }

    /// Bytes that arrived and are lost by this; of an oversized frame those that are kept for the report.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Truncated { partial, .. }
            | Self::Broken { partial, .. }
            | Self::FrameTimeout { partial, .. }
            | Self::AuthenticationTimeout { partial } => partial.len() as u64,
            Self::Oversized { head, .. } => head.len() as u64,
            Self::Malformed { datagram, .. } => datagram.len() as u64,
            Self::Overflow { bytes, .. }
            | Self::HandlerPanicked { bytes, .. }
            | Self::DrainTimeout { bytes, .. }
            | Self::Closed { bytes, .. } => *bytes,
            _ => 0,
        }
    }

    /// A short word for counters: `truncated`, `oversized`, `kernel`, and so on.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Broken { .. } => "broken",
            Self::Oversized { .. } => "oversized",
            Self::Malformed { .. } => "malformed",
            Self::IdleTimeout => "idle",
            Self::FrameTimeout { .. } => "slow",
            Self::AuthenticationTimeout { .. } => "unauthenticated",
            Self::Refused { .. } => "refused",
            Self::Accept { .. } => "accept",
            Self::Receive { .. } => "receive",
            Self::KernelDrops { .. } => "kernel",
            Self::Overflow { .. } => "overflow",
            Self::Handshake { .. } => "handshake",
            Self::HandlerPanicked { .. } => "panic",
            Self::Closed { .. } => "closed",
            Self::DrainTimeout { .. } => "drain",
        }
    }

    /// What arrived of the frame that is lost by this, for a report or a dead letter: the part that
    /// came of a cut frame, a malformed datagram, or the first 64 bytes of an oversized frame.
    pub fn content(&self) -> Option<&Bytes> {
        let content = match self {
            Self::Truncated { partial, .. }
            | Self::Broken { partial, .. }
            | Self::FrameTimeout { partial, .. }
            | Self::AuthenticationTimeout { partial } => partial,
            Self::Oversized { head, .. } => head,
            Self::Malformed { datagram, .. } => datagram,
            _ => return None,
        };
        (!content.is_empty()).then_some(content)
    }

    /// The stranger that was recognised, if one was.
    pub const fn stranger(&self) -> Option<Stranger> {
        match self {
            Self::Oversized { stranger, .. }
            | Self::Malformed { stranger, .. }
            | Self::Handshake { stranger, .. } => *stranger,
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { declared: Some(declared), partial } => {
                let whole = u64::from(*declared) + 4;
                write!(f, "connection ended inside a frame: {} bytes of {whole}", partial.len())
            }
            Self::Truncated { declared: None, partial } => {
                write!(f, "connection ended inside a prefix: {} bytes of 4", partial.len())
            }
            Self::Broken { error, partial } if partial.is_empty() => write!(f, "connection failed: {error}"),
            Self::Broken { error, partial } => {
                write!(f, "connection failed inside a frame after {} bytes: {error}", partial.len())
            }
            Self::Oversized { declared, skipped: true, .. } => {
                write!(f, "declared length {declared} is over the limit; frame skipped")
            }
            Self::Oversized { declared, stranger, .. } => {
                write!(f, "declared length {declared} is over the limit; connection closed")?;
                stranger_suffix(f, *stranger)
            }
            Self::Malformed { declared: Some(declared), datagram, stranger } => {
                write!(
                    f,
                    "datagram of {} bytes declares a frame of {}",
                    datagram.len(),
                    u64::from(*declared) + 4
                )?;
                stranger_suffix(f, *stranger)
            }
            Self::Malformed { declared: None, datagram, .. } => {
                write!(f, "datagram of {} bytes is no frame", datagram.len())
            }
            Self::IdleTimeout => f.write_str("idle for too long"),
            Self::FrameTimeout { partial, .. } => {
                write!(f, "frame not completed in time: {} bytes arrived", partial.len())
            }
            Self::AuthenticationTimeout { .. } => f.write_str("no authenticated frame in time"),
            Self::Refused { limit } => write!(f, "connection refused: limit on {limit}"),
            Self::Accept { error, retry_in } => {
                write!(f, "cannot accept connections, trying again in {} ms: {error}", retry_in.as_millis())
            }
            Self::Receive { error, retry_in } => {
                write!(f, "cannot receive datagrams, trying again in {} ms: {error}", retry_in.as_millis())
            }
            Self::KernelDrops { datagrams } => {
                write!(f, "kernel dropped {datagrams} datagrams: receive buffer full")
            }
            Self::Overflow { frames, bytes } => {
                write!(f, "gave up {frames} datagrams ({bytes} bytes): output does not keep up")
            }
            Self::Handshake { error, stranger } => {
                write!(f, "TLS handshake failed: {error}")?;
                stranger_suffix(f, *stranger)
            }
            Self::HandlerPanicked { frames, .. } => {
                write!(f, "handler panicked: at most {frames} frames lost")
            }
            Self::Closed { frames, bytes } => {
                write!(
                    f,
                    "connection closed by the handler: {frames} whole frames and {bytes} bytes not delivered"
                )
            }
            Self::DrainTimeout { .. } => f.write_str("time to drain is over"),
        }
    }
}

fn stranger_suffix(f: &mut fmt::Formatter<'_>, stranger: Option<Stranger>) -> fmt::Result {
    match stranger {
        Some(stranger) => write!(f, "; the peer speaks {stranger}"),
        None => Ok(()),
    }
}
