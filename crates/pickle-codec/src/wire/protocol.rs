//! Pickle protocol versions.
//!
//! A decoder reads the opcodes of all of them whatever PROTO says, as CPython does; the number decides only what an
//! encoder writes, and that PROTO names none above the highest.

use core::fmt;

use super::error::{Error, ErrorKind};

/// A pickle protocol version, 0 to 5.
///
/// ```
/// use pickle_codec::Protocol;
/// assert_eq!(Protocol::new(4), Some(Protocol::DEFAULT));
/// assert_eq!(Protocol::new(6), None);
/// assert_eq!(Protocol::HIGHEST.get(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(clippy::exhaustive_enums, reason = "a new protocol needs a new encoder anyway")]
pub enum Protocol {
    /// Text, readable by every Python.
    V0 = 0,
    /// The old binary format.
    V1 = 1,
    /// Python 2.3.
    V2 = 2,
    /// Python 3.0: has bytes.
    V3 = 3,
    /// Python 3.4: frames, sets, 64-bit lengths.
    V4 = 4,
    /// Python 3.8: bytearrays and out-of-band buffers.
    V5 = 5,
}

impl Protocol {
    /// The highest protocol there is.
    pub const HIGHEST: Self = Self::V5;

    /// What `pickle.dumps` writes by default, from Python 3.8 to 3.13.
    pub const DEFAULT: Self = Self::V4;

    /// What `logging.handlers.SocketHandler` and `DatagramHandler` always write: their
    /// `makePickle` names protocol 1.
    pub const LOGGING: Self = Self::V1;

    /// Every protocol, in order.
    pub const ALL: [Self; 6] = [Self::V0, Self::V1, Self::V2, Self::V3, Self::V4, Self::V5];

    /// The protocol of a number, if there is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= Self::HIGHEST.get() { Some(Self::ALL[number as usize]) } else { None }
    }

    /// Its number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u8 {
        self as u8
    }
}

/// [`Protocol::DEFAULT`], as in `pickle.dumps`.
impl Default for Protocol {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u8> for Protocol {
    type Error = Error;

    fn try_from(number: u8) -> Result<Self, Error> {
        Self::new(number).ok_or_else(|| Error::plain(ErrorKind::Proto))
    }
}

impl From<Protocol> for u8 {
    fn from(protocol: Protocol) -> Self {
        protocol.get()
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_protocols_agree() {
        for (number, protocol) in (0_u8..).zip(Protocol::ALL) {
            assert_eq!(Protocol::new(number), Some(protocol));
            assert_eq!(u8::from(protocol), number);
        }
        assert_eq!(Protocol::try_from(6).unwrap_err().kind(), ErrorKind::Proto);
    }
}
