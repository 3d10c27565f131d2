//! Writing frames.

use bytes::{Buf, BufMut};

use crate::error::{Error, ErrorKind};
use crate::limits::PREFIX_LEN;

/// The prefix of a payload of `len` bytes.
///
/// # Errors
///
/// [`ErrorKind::TooLong`] when four bytes cannot say `len`.
///
/// # Examples
///
/// ```
/// assert_eq!(logrecord_frame::prefix(600)?, [0, 0, 2, 88]);
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
#[inline]
pub fn prefix(len: usize) -> Result<[u8; PREFIX_LEN], Error> {
    match u32::try_from(len) {
        Ok(len) => Ok(len.to_be_bytes()),
        Err(_) => Err(Error::new(ErrorKind::TooLong, u32::MAX, u32::MAX)),
    }
}

/// Writes prefix and payload to `dst`: a frame of a stream, or a whole datagram.
///
/// # Errors
///
/// [`ErrorKind::TooLong`] when a prefix cannot say the payload's length, [`ErrorKind::NoRoom`] when `dst` cannot
/// take the frame; nothing has been written then.
///
/// # Examples
///
/// ```
/// let mut wire = Vec::new();
/// logrecord_frame::encode_frame(b"}.", &mut wire)?;
/// assert_eq!(wire, b"\0\0\0\x02}.");
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
pub fn encode_frame(payload: &[u8], dst: &mut impl BufMut) -> Result<(), Error> {
    let prefix = prefix(payload.len())?;
    let need = payload.len().saturating_add(PREFIX_LEN);
    if dst.remaining_mut() < need {
        return Err(Error::new(ErrorKind::NoRoom, Error::count(dst.remaining_mut()), Error::count(need)));
    }
    dst.put_slice(&prefix);
    dst.put_slice(payload);
    Ok(())
}

/// A frame on its way out: a prefix in front of a payload that stays where it is.
///
/// It is a [`Buf`] whose `chunks_vectored` names both parts, so that one vectored write sends the frame, and
/// `advance` takes up a write that was cut short.
///
/// ```
/// use bytes::Buf;
/// use logrecord_frame::Frame;
/// use std::io::IoSlice;
///
/// let mut frame = Frame::new(&b"}."[..])?;
/// let mut parts = [IoSlice::new(&[]); 2];
/// assert_eq!(frame.chunks_vectored(&mut parts), 2);
/// assert_eq!((&*parts[0], &*parts[1]), (&b"\0\0\0\x02"[..], &b"}."[..]));
/// frame.advance(5); // As if the write had taken five bytes.
/// assert_eq!(frame.chunk(), b".");
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Frame<B> {
    prefix: [u8; PREFIX_LEN],
    /// How much of `prefix` has been taken.
    taken: usize,
    payload: B,
}

impl<B: Buf> Frame<B> {
    /// Puts a prefix in front of what remains in `payload`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLong`] when a prefix cannot say the payload's length.
    pub fn new(payload: B) -> Result<Self, Error> {
        Ok(Self { prefix: prefix(payload.remaining())?, taken: 0, payload })
    }

    /// Whether no byte has been taken yet, so that the frame can still be given up without a trace.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.taken == 0
    }

    fn prefix_left(&self) -> &[u8] {
        self.prefix.get(self.taken..).unwrap_or_default()
    }
}

impl<B: Buf> Buf for Frame<B> {
    fn remaining(&self) -> usize {
        self.prefix_left().len().saturating_add(self.payload.remaining())
    }

    fn chunk(&self) -> &[u8] {
        match self.prefix_left() {
            [] => self.payload.chunk(),
            left => left,
        }
    }

    fn advance(&mut self, count: usize) {
        let of_prefix = count.min(self.prefix_left().len());
        self.taken = self.taken.saturating_add(of_prefix);
        self.payload.advance(count.saturating_sub(of_prefix));
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        match (self.prefix_left(), dst) {
            (_, []) => 0,
            ([], dst) => self.payload.chunks_vectored(dst),
            (left, [first, rest @ ..]) => {
                *first = std::io::IoSlice::new(left);
                self.payload.chunks_vectored(rest).saturating_add(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_full_destination_is_an_error_and_untouched() {
        let mut space = [9_u8; 7];
        let error = encode_frame(b"abcd", &mut &mut space[..]).unwrap_err();
        assert_eq!((error.kind(), error.found(), error.limit()), (ErrorKind::NoRoom, 7, 8));
        assert_eq!(space, [9; 7]);
        encode_frame(b"abc", &mut &mut space[..]).unwrap();
        assert_eq!(&space, b"\0\0\0\x03abc");
    }

    #[test]
    fn a_frame_gives_the_same_bytes_for_every_step() {
        let payload = &b"some payload"[..];
        let mut whole = Vec::new();
        encode_frame(payload, &mut whole).unwrap();
        for step in 1..=whole.len() {
            let mut frame = Frame::new(payload.chain(&b""[..])).unwrap();
            let mut out = Vec::new();
            while frame.has_remaining() {
                let chunk = frame.chunk();
                let count = step.min(chunk.len());
                out.extend_from_slice(&chunk[..count]);
                frame.advance(count);
            }
            assert_eq!(out, whole, "step {step}");
        }
    }
}
