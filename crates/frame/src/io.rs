//! Frames over `std::io`, blocking.

use std::io::{self, IoSlice, Read, Write};

use bytes::{Buf, Bytes};

use crate::decoder::FrameDecoder;
use crate::encoder::Frame;

/// Reads frames from anything that can be read.
///
/// It reads 64 KiB at a time by itself; a `BufReader` below it gains nothing.
///
/// ```
/// use logrecord_frame::FrameReader;
///
/// let mut frames = FrameReader::new(&b"\0\0\0\x02}.\0\0\0\x01x"[..]);
/// assert_eq!(frames.read_frame()?.as_deref(), Some(&b"}."[..]));
/// assert_eq!(frames.read_frame()?.as_deref(), Some(&b"x"[..]));
/// assert_eq!(frames.read_frame()?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    decoder: FrameDecoder,
}

impl<R: Read> FrameReader<R> {
    /// Reads frames of up to [`DEFAULT_MAX_FRAME_LEN`](crate::DEFAULT_MAX_FRAME_LEN) bytes.
    pub fn new(inner: R) -> Self {
        Self::with_decoder(inner, FrameDecoder::new())
    }

    /// Reads frames of up to `max_frame_len` bytes.
    pub fn with_max_frame_len(inner: R, max_frame_len: u32) -> Self {
        Self::with_decoder(inner, FrameDecoder::with_max_frame_len(max_frame_len))
    }

    /// Goes on with a decoder that may already hold the beginning of the stream.
    pub fn with_decoder(inner: R, decoder: FrameDecoder) -> Self {
        Self { inner, decoder }
    }

    /// The next payload, or `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// What reading gives, except that an interrupted read is tried again; and [`crate::Error`] inside of an
    /// [`io::Error`]: `InvalidData` for a frame over the limit, `UnexpectedEof` for an input that ends inside a
    /// frame. After an error of a read, such as `WouldBlock` or `TimedOut`, nothing is lost and the call can be
    /// made again.
    pub fn read_frame(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            let input = self.decoder.spare(READ_LEN);
            let before = input.len();
            input.resize(before.saturating_add(READ_LEN), 0);
            let result = self.inner.read(input.get_mut(before..).unwrap_or_default());
            let count = result.as_ref().copied().unwrap_or(0).min(READ_LEN);
            input.truncate(before.saturating_add(count));
            match result {
                Ok(0) => {
                    self.decoder.finish()?;
                    return Ok(None);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The decoder, for what it says about a started frame.
    pub fn decoder(&self) -> &FrameDecoder {
        &self.decoder
    }

    /// What is read from.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    /// Gives back what is read from, and the decoder with all that was read ahead.
    pub fn into_parts(self) -> (R, FrameDecoder) {
        (self.inner, self.decoder)
    }
}

impl<R: Read> Iterator for FrameReader<R> {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_frame().transpose()
    }
}

/// Writes frames to anything that can be written to, prefix and payload in one vectored write.
///
/// ```
/// use logrecord_frame::FrameWriter;
///
/// let mut frames = FrameWriter::new(Vec::new());
/// frames.write_frame(&b"}."[..])?;
/// assert_eq!(frames.into_inner(), b"\0\0\0\x02}.");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameWriter<W> {
    inner: W,
}

impl<W: Write> FrameWriter<W> {
    /// Writes frames to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes one frame.
    ///
    /// # Errors
    ///
    /// What writing gives, except that an interrupted write is tried again and a short one goes on; `WriteZero`
    /// when nothing more is taken; `InvalidData` for a payload whose length a prefix cannot say. After an error
    /// of a write a part of the frame may be out, and the stream cannot be used any more.
    pub fn write_frame(&mut self, payload: impl Buf) -> io::Result<()> {
        let mut frame = Frame::new(payload)?;
        while frame.has_remaining() {
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            let count = frame.chunks_vectored(&mut parts);
            match self.inner.write_vectored(parts.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => frame.advance(written.min(frame.remaining())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Flushes what is written to.
    ///
    /// # Errors
    ///
    /// What flushing gives.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// What is written to.
    pub fn inner(&self) -> &W {
        &self.inner
    }

    /// Gives back what is written to.
    pub fn into_inner(self) -> W {
        self.inner
    }
}

/// How much is read at once.
const READ_LEN: usize = 64 << 10;

/// The parts of one vectored write: the prefix, and a payload in up to 15 segments.
const MAX_PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};
    use std::vec;
    use std::vec::Vec;

    /// Gives and takes at most `step` bytes at a time, and is interrupted or not ready in between.
    struct Slow {
        bytes: Vec<u8>,
        step: usize,
        turn: usize,
    }

    impl Slow {
        fn hiccup(&mut self) -> io::Result<()> {
            self.turn += 1;
            match self.turn % 3 {
                0 => Err(io::ErrorKind::Interrupted.into()),
                1 => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        }
    }

    impl Read for Slow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.hiccup()?;
            let count = self.step.min(self.bytes.len()).min(buf.len());
            buf[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            Ok(count)
        }
    }

    impl Write for Slow {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.turn += 1;
            if self.turn.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = self.step.min(buf.len());
            self.bytes.extend_from_slice(&buf[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_and_failing_reads_lose_nothing() {
        for step in [1, 2, 3, 7, 1000] {
            let mut writer = FrameWriter::new(Slow { bytes: Vec::new(), step, turn: 0 });
            for payload in [&b"first"[..], b"", b"the second one"] {
                writer.write_frame(payload).unwrap();
            }
            let Slow { bytes, .. } = writer.into_inner();
            let mut reader = FrameReader::new(Slow { bytes, step, turn: 0 });
            let mut got = Vec::new();
            loop {
                match reader.read_frame() {
                    Ok(Some(frame)) => got.push(frame),
                    Ok(None) => break,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
            assert_eq!(got, vec![&b"first"[..], b"the second one"]);
        }
    }

    #[test]
    fn the_cause_is_inside_the_io_error() {
        let rows: [(&[u8], io::ErrorKind, ErrorKind); 2] = [
            (b"\0\0\0\x09abc", io::ErrorKind::UnexpectedEof, ErrorKind::Truncated),
            (b"GET / HTTP/1.1", io::ErrorKind::InvalidData, ErrorKind::TooLong),
        ];
        for (input, io_kind, kind) in rows {
            let error = FrameReader::new(input).read_frame().unwrap_err();
            assert_eq!(error.kind(), io_kind);
            assert_eq!(error.get_ref().unwrap().downcast_ref::<Error>().unwrap().kind(), kind);
        }
    }
}
