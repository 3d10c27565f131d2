//! The one error of framing.

use core::fmt;

/// What is wrong with a stream of frames, a datagram, a payload to be framed, a key, or a stored replay state.
///
/// Why a message was refused by its envelope is an `envelope::Refusal`.
///
/// Small, `Copy` inside and without heap. It says which limit was met and by which number; never anything of a
/// payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    found: u32,
    limit: u32,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A prefix announces more than the limit, or a payload to be sent is longer than a prefix can say.
    TooLong,
    /// The input ended inside a prefix or a payload.
    Truncated,
    /// A datagram's prefix does not count the bytes that follow it.
    LengthMismatch,
    /// A destination of fixed size has no room for the frame.
    NoRoom,
    /// A key of fewer than 32 bytes.
    KeyTooShort,
    /// A key that is not one line of hexadecimal.
    KeyNotHex,
    /// A key id of no bytes, or of more than 32.
    KeyIdLength,
    /// Two keys of one id.
    DuplicateKeyId,
    /// An audience of more than 65,535 bytes.
    AudienceTooLong,
    /// A sealer that has used all of its numbers.
    SequenceUsedUp,
    /// An acknowledgement is to be made with a key that the ring does not have.
    UnknownKey,
    /// A stored replay state of another version.
    StateVersion,
    /// A stored replay state that is not what was written.
    StateDamaged,
}

impl ErrorKind {
    /// A short name for counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_large",
            Self::Truncated => "truncated",
            Self::LengthMismatch => "length_mismatch",
            Self::NoRoom => "no_room",
            Self::KeyTooShort => "key_too_short",
            Self::KeyNotHex => "key_not_hex",
            Self::KeyIdLength => "key_id_length",
            Self::DuplicateKeyId => "duplicate_key_id",
            Self::AudienceTooLong => "audience_too_long",
            Self::SequenceUsedUp => "sequence_used_up",
            Self::UnknownKey => "unknown_key",
            Self::StateVersion => "state_version",
            Self::StateDamaged => "state_damaged",
        }
    }
}

impl Error {
    #[cold]
    pub(crate) const fn new(kind: ErrorKind, found: u32, limit: u32) -> Self {
        Self { kind, found, limit }
    }

    /// A length as the errors of this crate say it.
    pub(crate) fn count(len: usize) -> u32 {
        u32::try_from(len).unwrap_or(u32::MAX)
    }

    /// Which rule was broken.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The number that broke the rule: the length that a prefix announced, or the bytes that were there.
    #[must_use]
    pub const fn found(&self) -> u32 {
        self.found
    }

    /// The number it was held against: the limit, or the bytes that should have been there.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("found", &self.found)
            .field("limit", &self.limit)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, found, limit } = *self;
        match kind {
            ErrorKind::TooLong => write!(f, "frame of {found} bytes is over the limit of {limit}"),
            ErrorKind::Truncated => write!(f, "input ended inside a frame: {found} of {limit} bytes"),
            ErrorKind::LengthMismatch => {
                write!(f, "datagram holds {found} bytes after its prefix, which announces {limit}")
            }
            ErrorKind::NoRoom => write!(f, "destination has room for {found} bytes of {limit}"),
            ErrorKind::KeyTooShort => write!(f, "key of {found} bytes is shorter than {limit}"),
            ErrorKind::KeyNotHex => {
                write!(f, "key is not one line of hexadecimal: character {found} of {limit}")
            }
            ErrorKind::KeyIdLength => write!(f, "key id of {found} bytes, where 1 to {limit} are allowed"),
            ErrorKind::DuplicateKeyId => f.write_str("two keys have one id"),
            ErrorKind::AudienceTooLong => write!(f, "audience of {found} bytes is over the limit of {limit}"),
            ErrorKind::SequenceUsedUp => f.write_str("all numbers of the stream are used up"),
            ErrorKind::UnknownKey => f.write_str("no key has this id"),
            ErrorKind::StateVersion => write!(f, "replay state of version {found}, where {limit} is known"),
            ErrorKind::StateDamaged => write!(f, "replay state of {found} bytes is damaged"),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    /// `Truncated` becomes `UnexpectedEof`, everything else `InvalidData`.
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Truncated => std::io::ErrorKind::UnexpectedEof,
            _ => std::io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_error_is_small_and_one_line() {
        assert!(size_of::<Error>() <= 32);
        let rows = [
            (ErrorKind::TooLong, "frame of 7 bytes is over the limit of 5"),
            (ErrorKind::Truncated, "input ended inside a frame: 7 of 5 bytes"),
            (ErrorKind::LengthMismatch, "datagram holds 7 bytes after its prefix, which announces 5"),
            (ErrorKind::NoRoom, "destination has room for 7 bytes of 5"),
        ];
        for (kind, text) in rows {
            assert_eq!(Error::new(kind, 7, 5).to_string(), text);
        }
    }
}
