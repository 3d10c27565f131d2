//! Sockets on their way to another process.
//!
//! A listener that is paused reads nothing more, and says what it has: its own socket, and each connection with the
//! bytes of a frame that is begun. All of it are duplicates, so that it can still go on as if nothing had been.
use std::fmt;
#[cfg(unix)]
use std::os::fd::OwnedFd;

#[cfg(unix)]
use tokio::{sync::mpsc, time::Instant};

/// How many parts wait to be taken. Each is a descriptor more, so that they are not all made at once.
#[cfg(unix)]
const WAITING: usize = 64;

/// A socket of a paused listener.
#[cfg(unix)]
#[derive(Debug)]
#[non_exhaustive]
pub enum Part {
    /// What the listener was bound to. It comes last: when it is there, so is every connection.
    Listener(OwnedFd),
    /// A connection.
    Connection(PassedConnection),
}

/// A connection, and where in its stream it is.
#[cfg(unix)]
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is made again in the other process")]
pub struct PassedConnection {
    /// The socket.
    pub socket: OwnedFd,
    /// What was read of a frame that is not complete.
    pub begun: Vec<u8>,
    /// What was to go back to the peer and is not written.
    pub unsent: Vec<u8>,
    /// Whether a frame of it was accepted.
    pub authenticated: bool,
}

/// Where a paused task says what it has.
#[derive(Clone)]
pub(super) struct Pause {
    #[cfg(unix)]
    parts: mpsc::Sender<Part>,
    /// Until when what has arrived is still read.
    #[cfg(unix)]
    read_by: Option<Instant>,
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}

#[cfg(unix)]
impl Pause {
    pub(super) fn new(read_by: Option<Instant>) -> (Self, mpsc::Receiver<Part>) {
        let (parts, taken) = mpsc::channel(WAITING);
        (Self { parts, read_by }, taken)
    }

    pub(super) async fn report(&self, part: Part) {
        // Who has paused it may have changed its mind.
        self.parts.send(part).await.ok();
    }
}

impl Pause {
    /// Whether what has arrived is to be read before.
    pub(super) fn reads_on(&self) -> bool {
        #[cfg(unix)]
        return self.read_by.is_some_and(|by| Instant::now() < by);
        #[cfg(not(unix))]
        false
    }
}
