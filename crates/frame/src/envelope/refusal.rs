//! Why an envelope was not opened.

use core::fmt;

/// Which check an envelope failed.
///
/// For the receiver's own counters and reports. A peer learns none of it: whatever the reason, a connection is
/// closed and a datagram is let go, without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The payload does not begin as an envelope does. (wire-format 4.1)
    Unsigned,
    /// An envelope of a version that is not spoken here. (wire-format 4.1)
    Version,
    /// It ends before all of its parts. (wire-format 4.2)
    Truncated,
    /// A key id of 0 or of more than 32 bytes. (wire-format 4.2)
    Malformed,
    /// No accepted key has this id. (wire-format 4.3)
    UnknownKey,
    /// The key does not count yet, or no longer. (wire-format 4.3)
    KeyExpired,
    /// The message says another algorithm than the key has. (wire-format 4.3)
    Algorithm,
    /// The tag is wrong: another key, another audience, or a changed message. (wire-format 4.4)
    BadMac,
    /// Flags that this version does not know, or an acknowledgement is asked for where none is given.
    /// (wire-format 4.5)
    Flags,
    /// The stream's number has been here before. (wire-format 5.2)
    Replay,
    /// The stream's number lies below the window. (wire-format 5.2)
    TooOld,
    /// A stream that is not known yet, and its time is too far off. (wire-format 5.3)
    Skew,
    /// Its time lies before what this receiver can remember. (wire-format 5.3)
    BeforeStart,
}

impl Refusal {
    /// Every refusal, for tables of counters.
    pub const ALL: [Self; 13] = [
        Self::Unsigned,
        Self::Version,
        Self::Truncated,
        Self::Malformed,
        Self::UnknownKey,
        Self::KeyExpired,
        Self::Algorithm,
        Self::BadMac,
        Self::Flags,
        Self::Replay,
        Self::TooOld,
        Self::Skew,
        Self::BeforeStart,
    ];

    /// A short name for counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Version => "version",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::KeyExpired => "key_expired",
            Self::Algorithm => "algorithm",
            Self::BadMac => "bad_mac",
            Self::Flags => "flags",
            Self::Replay => "replay",
            Self::TooOld => "too_old",
            Self::Skew => "skew",
            Self::BeforeStart => "before_start",
        }
    }

    /// Whether the message was made with an accepted key, so that its sender is no stranger: a replay, a clock
    /// that is off, or flags of a later version.
    #[must_use]
    pub const fn is_authentic(self) -> bool {
        matches!(self, Self::Flags | Self::Replay | Self::TooOld | Self::Skew | Self::BeforeStart)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "payload is not signed",
            Self::Version => "envelope of an unknown version",
            Self::Truncated => "envelope ends too early",
            Self::Malformed => "envelope with a key id of a wrong length",
            Self::UnknownKey => "envelope of an unknown key",
            Self::KeyExpired => "envelope of a key that does not count now",
            Self::Algorithm => "envelope with another algorithm than its key's",
            Self::BadMac => "envelope with a wrong tag",
            Self::Flags => "envelope with flags that are not taken here",
            Self::Replay => "envelope that was here before",
            Self::TooOld => "envelope from below the replay window",
            Self::Skew => "envelope of a new stream whose time is too far off",
            Self::BeforeStart => "envelope from before this receiver's memory",
        })
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
