//! Frames for `tokio_util::codec`.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::encoder::prefix;
use crate::error::{Error, ErrorKind};
use crate::limits::{DEFAULT_MAX_FRAME_LEN, PREFIX_LEN};

/// A [`Decoder`] and [`Encoder`] of frames, for `FramedRead`, `FramedWrite` and `Framed`.
///
/// A frame over the limit ends the stream; [`FrameDecoder`](crate::FrameDecoder) can go on behind it.
///
/// ```
/// use bytes::BytesMut;
/// use logrecord_frame::FrameCodec;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = FrameCodec::new();
/// let mut wire = BytesMut::new();
/// codec.encode(b"}.", &mut wire)?;
/// assert_eq!(wire, &b"\0\0\0\x02}."[..]);
/// assert_eq!(codec.decode(&mut wire)?.as_deref(), Some(&b"}."[..]));
/// assert_eq!(codec.decode(&mut wire)?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameCodec {
    max_frame_len: u32,
    failed: Option<Error>,
}

impl FrameCodec {
    /// Takes payloads of up to [`DEFAULT_MAX_FRAME_LEN`].
    #[must_use]
    pub const fn new() -> Self {
        Self::with_max_frame_len(DEFAULT_MAX_FRAME_LEN)
    }

    /// Takes payloads of up to `max_frame_len` bytes.
    #[must_use]
    pub const fn with_max_frame_len(max_frame_len: u32) -> Self {
        Self { max_frame_len, failed: None }
    }
}

impl Default for FrameCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<Bytes>> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        // Frames of no bytes are passed over.
        while src.starts_with(&[0; PREFIX_LEN]) {
            src.advance(PREFIX_LEN);
        }
        let Some((prefix, rest)) = src.split_first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        let declared = u32::from_be_bytes(*prefix);
        match usize::try_from(declared) {
            // Nothing is reserved for what is still to come: the reader grows the buffer as it arrives.
            Ok(len) if declared <= self.max_frame_len && len > rest.len() => Ok(None),
            Ok(len) if declared <= self.max_frame_len => {
                src.advance(PREFIX_LEN);
                Ok(Some(src.split_to(len).freeze()))
            }
            _ => {
                let error = Error::new(ErrorKind::TooLong, declared, self.max_frame_len);
                self.failed = Some(error);
                Err(error.into())
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> io::Result<Option<Bytes>> {
        if let Some(frame) = self.decode(src)? {
            return Ok(Some(frame));
        }
        let error = match src.split_first_chunk::<PREFIX_LEN>() {
            _ if src.is_empty() => return Ok(None),
            Some((prefix, rest)) => {
                Error::new(ErrorKind::Truncated, Error::count(rest.len()), u32::from_be_bytes(*prefix))
            }
            None => Error::new(ErrorKind::Truncated, Error::count(src.len()), Error::count(PREFIX_LEN)),
        };
        Err(error.into())
    }
}

impl<T: AsRef<[u8]>> Encoder<T> for FrameCodec {
    type Error = io::Error;

    /// The limit of the codec holds for what is sent as well.
    fn encode(&mut self, payload: T, dst: &mut BytesMut) -> io::Result<()> {
        let payload = payload.as_ref();
        let prefix = prefix(payload.len())?;
        let declared = u32::from_be_bytes(prefix);
        if declared > self.max_frame_len {
            return Err(Error::new(ErrorKind::TooLong, declared, self.max_frame_len).into());
        }
        dst.reserve(payload.len().saturating_add(PREFIX_LEN));
        dst.extend_from_slice(&prefix);
        dst.extend_from_slice(payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_input_is_checked() {
        let rows = [
            (&b""[..], None),
            (b"\0\0", Some((2, 4))),
            (b"\0\0\0\x05", Some((0, 5))),
            (b"\0\0\0\x05ab", Some((2, 5))),
        ];
        for (input, expected) in rows {
            let result = FrameCodec::new().decode_eof(&mut BytesMut::from(input));
            match expected {
                None => assert_eq!(result.unwrap(), None),
                Some((found, limit)) => {
                    let error = result.unwrap_err();
                    let inner = *error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
                    assert_eq!(inner, Error::new(ErrorKind::Truncated, found, limit));
                }
            }
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_final_both_ways() {
        let mut codec = FrameCodec::with_max_frame_len(2);
        let mut src = BytesMut::from(&b"\0\0\0\x02ab\0\0\0\x03"[..]);
        assert_eq!(codec.decode(&mut src).unwrap().as_deref(), Some(&b"ab"[..]));
        for _ in 0..2 {
            assert_eq!(codec.decode(&mut src).unwrap_err().kind(), io::ErrorKind::InvalidData);
            src.clear();
        }
        assert!(codec.encode(b"abc", &mut src).is_err());
        assert!(src.is_empty());
    }
}
