//! The one error of this crate: which step failed, and the error of the crate below as its source.
use std::{error, fmt};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The endpoint is malformed, or of a transport that this handler does not speak.
    Endpoint,
    /// A record could not be written as a pickle.
    Record,
    /// The sender refused or dropped a record, or a socket could not be bound; see [`Error::transport`].
    Transport,
    /// The envelope could not be made: the audience is too long, or the numbers are used up.
    Envelope,
    /// Acknowledgements are wanted where there are none: they need a v1 key and a stream transport.
    Acks,
    /// The folder for records that wait could not be opened, belongs to another handler or key, or did not take a
    /// record.
    Spool,
    /// The system gave no random bytes for a stream id.
    Random,
    /// A thread or a runtime could not be started.
    Runtime,
    /// Another logger is installed already.
    Installed,
    /// The time limit passed first.
    Timeout,
}

impl ErrorKind {
    const fn describe(self) -> &'static str {
        match self {
            Self::Endpoint => "not an endpoint of this handler",
            Self::Record => "record not written as a pickle",
            Self::Transport => "record not sent or socket not bound",
            Self::Envelope => "envelope not made",
            Self::Acks => "acknowledgements need a key and a stream",
            Self::Spool => "folder of records not usable",
            Self::Random => "no random bytes",
            Self::Runtime => "no thread or runtime",
            Self::Installed => "another logger is installed",
            Self::Timeout => "time limit passed",
        }
    }
}

/// An error of this crate.
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    #[cold]
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    #[cold]
    pub(crate) fn with(kind: ErrorKind, source: impl error::Error + Send + Sync + 'static) -> Self {
        Self { kind, source: Some(Box::new(source)) }
    }

    /// What failed.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The transport's own error, for kind [`ErrorKind::Transport`].
    pub fn transport(&self) -> Option<&logrecord_transport::Error> {
        self.source.as_deref().and_then(|source| source.downcast_ref())
    }
}

impl From<logrecord_transport::Error> for Error {
    #[cold]
    fn from(error: logrecord_transport::Error) -> Self {
        let kind = match error.kind() {
            logrecord_transport::ErrorKind::Endpoint => ErrorKind::Endpoint,
            _ => ErrorKind::Transport,
        };
        Self::with(kind, error)
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
