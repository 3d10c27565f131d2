//! The one error of this crate.
//!
//! An error says what was being done ([`ErrorKind`]), whether trying again can help, and keeps the
//! operating system's word as its source. Addresses, keys and payloads are never part of its text.
use std::{error, fmt, io};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is no endpoint: an unknown scheme, a missing port, an empty path.
    Endpoint,
    /// This platform, or this build's set of features, has no such transport.
    Unsupported,
    /// A name could not be resolved, or resolved to nothing.
    Resolve,
    /// A socket could not be opened, bound or prepared for listening.
    Bind,
    /// The path of a Unix socket is taken: by a listener that answers, or by something that is no socket.
    PathTaken,
    /// A connection could not be made.
    Connect,
    /// Reading or writing failed on a connection that stood.
    Io,
    /// Certificates, keys or the handshake of TLS.
    Tls,
    /// The queue is full and its policy refuses the newest record.
    Full,
    /// The payload is longer than the limit or than one datagram can carry.
    TooLong,
    /// The sender has been closed.
    Closed,
    /// The time limit passed first.
    Timeout,
    /// Connection after connection ended without an acknowledgement: the receiver gives none.
    Unanswered,
    /// What came back from the receiver is no genuine acknowledgement.
    BadAck,
    /// The sender belongs to the process that made it, and this is a child of that process.
    Forked,
    /// The back-off does not allow an attempt yet.
    Waiting,
    /// What systemd handed over (`LISTEN_FDS`) is not usable.
    Systemd,
}

impl ErrorKind {
    const fn describe(self) -> &'static str {
        match self {
            Self::Endpoint => "not an endpoint",
            Self::Unsupported => "transport not supported by this platform or build",
            Self::Resolve => "name not resolved",
            Self::Bind => "socket not bound",
            Self::PathTaken => "socket path is taken",
            Self::Connect => "connection not made",
            Self::Io => "connection failed",
            Self::Tls => "TLS failed",
            Self::Full => "queue is full",
            Self::TooLong => "payload is too long",
            Self::Closed => "sender is closed",
            Self::Timeout => "time limit passed",
            Self::Unanswered => "receiver acknowledges nothing",
            Self::BadAck => "acknowledgement is not genuine",
            Self::Forked => "sender belongs to another process",
            Self::Waiting => "back-off delays the next attempt",
            Self::Systemd => "handed-over sockets not usable",
        }
    }
}

/// An error of this crate: a kind, and the operating system's own error where there is one.
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<io::Error>>,
}

impl Error {
    #[cold]
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    #[cold]
    pub(crate) fn io(kind: ErrorKind, source: io::Error) -> Self {
        Self { kind, source: Some(Box::new(source)) }
    }

    /// The same failure, as part of a larger undertaking.
    #[cfg(all(unix, feature = "tokio"))]
    #[cold]
    pub(crate) fn caused_by(kind: ErrorKind, error: Self) -> Self {
        Self { kind, source: error.source }
    }

    /// What failed.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anybody changing anything.
    ///
    /// True of a full queue, a refused connection, a name that did not resolve and a time limit;
    /// false of a wrong address, a payload that is too long, bad certificates and a closed sender.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Resolve
                | ErrorKind::Connect
                | ErrorKind::Io
                | ErrorKind::Full
                | ErrorKind::Timeout
                | ErrorKind::Waiting
        )
    }

    /// The operating system's error, if that is where it began.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_deref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.describe())
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (&error.source, error.kind) {
            (Some(source), _) => source.kind(),
            (None, ErrorKind::Timeout) => io::ErrorKind::TimedOut,
            (None, ErrorKind::Endpoint | ErrorKind::TooLong) => io::ErrorKind::InvalidInput,
            (None, ErrorKind::Unsupported) => io::ErrorKind::Unsupported,
            (None, ErrorKind::Full | ErrorKind::Waiting) => io::ErrorKind::WouldBlock,
            (None, ErrorKind::PathTaken) => io::ErrorKind::AddrInUse,
            (None, _) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_crosses_threads() {
        fn assert<T: Send + Sync + 'static>() {}
        assert::<Error>();
        assert!(size_of::<Error>() <= 16);
    }

    #[test]
    fn the_cause_is_the_source_and_not_in_the_text() {
        let error = Error::io(ErrorKind::Connect, io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(error.to_string(), "connection not made");
        assert!(error::Error::source(&error).is_some());
        assert!(error.is_retryable());
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionRefused);
        assert!(!Error::new(ErrorKind::TooLong).is_retryable());
    }
}
