//! The error of this crate: which step failed, and the cause where there is one.

use std::fmt;

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The payload is not a pickle that the decoder takes; the cause is in [`Error::pickle`].
    Pickle,
    /// The payload is a pickle, but of something else than a dict.
    NotADict,
    /// The text is not a record in the JSON of this crate.
    Json,
    /// A format string that `logging.Formatter` refuses too.
    Format,
}

/// Why a record could not be read, or a format not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    detail: Option<Box<Detail>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Detail {
    Pickle(pickle_codec::Error),
    Message(Box<str>),
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The pickle decoder's own error, for kind [`ErrorKind::Pickle`].
    #[must_use]
    pub fn pickle(&self) -> Option<&pickle_codec::Error> {
        match self.detail.as_deref() {
            Some(Detail::Pickle(error)) => Some(error),
            _ => None,
        }
    }

    /// A payload of some other Python type.
    #[cold]
    pub(crate) fn not_a_dict(found: &str) -> Self {
        Self::with_message(ErrorKind::NotADict, found)
    }

    /// An error that has a sentence of its own.
    #[cold]
    pub(crate) fn with_message(kind: ErrorKind, message: &str) -> Self {
        Self { kind, detail: Some(Box::new(Detail::Message(message.into()))) }
    }
}

impl From<pickle_codec::Error> for Error {
    #[cold]
    fn from(error: pickle_codec::Error) -> Self {
        Self { kind: ErrorKind::Pickle, detail: Some(Box::new(Detail::Pickle(error))) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match self.detail.as_deref() {
            Some(Detail::Message(message)) => Some(&**message),
            _ => None,
        };
        match (self.kind, message) {
            (ErrorKind::Pickle, _) => f.write_str("the payload cannot be decoded"),
            (ErrorKind::NotADict, Some(found)) => {
                write!(f, "the payload is a pickle of {found}, not of a dict")
            }
            (ErrorKind::NotADict, None) => f.write_str("the payload is not a pickle of a dict"),
            (ErrorKind::Json, Some(message)) => write!(f, "not a record in JSON: {message}"),
            (ErrorKind::Json, None) => f.write_str("not a record in JSON"),
            (ErrorKind::Format, Some(message)) => f.write_str(message),
            (ErrorKind::Format, None) => f.write_str("invalid format"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.pickle().map(|error| -> &(dyn std::error::Error + 'static) { error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_names_its_cause() {
        assert!(size_of::<Error>() <= 32);
        let cause = pickle_codec::decode(b"cos\nsystem\n.").unwrap_err();
        let error = Error::from(cause.clone());
        assert_eq!((error.kind(), error.pickle()), (ErrorKind::Pickle, Some(&cause)));
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(
            Error::not_a_dict("a list").to_string(),
            "the payload is a pickle of a list, not of a dict"
        );
    }
}
