//! Frames in datagrams: one in each, prefix and all, as Python's `DatagramHandler` sends them.

use bytes::{Buf, Bytes};

use crate::error::{Error, ErrorKind};
use crate::limits::PREFIX_LEN;

/// The payload of a datagram, as a slice of it. A payload of no bytes is to be ignored, as it is in a stream.
///
/// [`encode_frame`](crate::encode_frame) writes datagrams, too: how long one may be is the socket's matter,
/// [`MAX_UDP_DATAGRAM_LEN`] over UDP, about 200 KB over a Unix socket on Linux.
///
/// # Errors
///
/// [`ErrorKind::Truncated`] when there is no whole prefix, [`ErrorKind::TooLong`] when the prefix announces more
/// than `max_frame_len`, [`ErrorKind::LengthMismatch`] when it does not count exactly the bytes behind it: a
/// datagram arrives whole or not at all, so that any difference means that it is not a frame.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use logrecord_frame::{DEFAULT_MAX_FRAME_LEN, decode_datagram};
///
/// let datagram = Bytes::from_static(b"\0\0\0\x02}.");
/// assert_eq!(decode_datagram(datagram, DEFAULT_MAX_FRAME_LEN)?, "}.");
/// assert!(decode_datagram(Bytes::from_static(b"\0\0\0\x03}."), DEFAULT_MAX_FRAME_LEN).is_err());
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
pub fn decode_datagram(mut datagram: Bytes, max_frame_len: u32) -> Result<Bytes, Error> {
    let Some(prefix) = datagram.first_chunk::<PREFIX_LEN>() else {
        let found = Error::count(datagram.len());
        return Err(Error::new(ErrorKind::Truncated, found, Error::count(PREFIX_LEN)));
    };
    let declared = u32::from_be_bytes(*prefix);
    if declared > max_frame_len {
        return Err(Error::new(ErrorKind::TooLong, declared, max_frame_len));
    }
    datagram.advance(PREFIX_LEN);
    if usize::try_from(declared) != Ok(datagram.len()) {
        return Err(Error::new(ErrorKind::LengthMismatch, Error::count(datagram.len()), declared));
    }
    Ok(datagram)
}

/// The longest UDP datagram over IPv4, prefix included.
pub const MAX_UDP_DATAGRAM_LEN: usize = 65_507;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_holds_exactly_one_frame() {
        type Row = (&'static [u8], Result<&'static [u8], ErrorKind>);
        let rows: [Row; 9] = [
            (b"", Err(ErrorKind::Truncated)),
            (b"\0\0\0", Err(ErrorKind::Truncated)),
            (b"\0\0\0\0", Ok(b"")),
            (b"\0\0\0\x01a", Ok(b"a")),
            (b"\0\0\0\x01", Err(ErrorKind::LengthMismatch)),
            (b"\0\0\0\x01ab", Err(ErrorKind::LengthMismatch)),
            (b"\0\0\0\x08abcdefgh", Ok(b"abcdefgh")),
            (b"\0\0\0\x09abcdefghi", Err(ErrorKind::TooLong)),
            (b"\xff\xff\xff\xffab", Err(ErrorKind::TooLong)),
        ];
        for (datagram, expected) in rows {
            let payload = decode_datagram(Bytes::from_static(datagram), 8);
            assert_eq!(payload.as_deref().map_err(Error::kind), expected, "{datagram:?}");
        }
    }
}
