//! Decoding what arrives in pieces: from sockets and pipes.
//!
//! Only the boundaries of instructions are looked for while bytes arrive, each byte once; a pickle
//! is decoded when its STOP is there. What the policy rejects is reported as soon as its opcode
//! has arrived, whatever follows.
//!
//! To find where an instruction ends takes its opcode, a length and a line feed at most, but no stack and no
//! memo. That is a tenth of the work of a decode, it needs no memory beside the bytes, and it leaves one decoder
//! that has to be right. When the boundaries show a fault (no opcode, a length beyond the limit), what came
//! before is decoded first, so that a refused name in front of it is what is reported.
//!
//! ```text
//! buffer   | handed out | the pickle at hand: opcodes seen so far | K | 7 0 0 |
//!          0            start                                  scanned     len
//! base: bytes that have left the buffer in front of it
//! ```
//!
//! # FRAME
//!
//! A pickle FRAME says how long it is, and CPython refuses one that is longer than the input. STOP may stand inside of
//! it, with bytes of the next pickle behind: then the pickle is complete when the FRAME is. So `frame_end` is how far
//! bytes have to be there before a pickle is decoded, and `complete` is where its STOP ends. Where a decode is made
//! early, because a fault has been seen, a FRAME that goes on behind what has arrived is cut down to that: that it is
//! not complete yet is no fault of the sender.

use alloc::vec::Vec;

use memchr::memchr;

use crate::decode::Decoder;
use crate::document::Document;
use crate::options::{DecodeOptions, Globals};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::opcode::{ArgumentSpan, Opcode};

/// Decodes pickles from bytes that arrive in any split.
///
/// ```
/// use pickle_codec::{Node, PushDecoder};
/// let mut decoder = PushDecoder::new();
/// decoder.feed(b"\x80\x02K")?;
/// assert!(decoder.next_document()?.is_none());
/// decoder.feed(b"\x07.N")?;
/// let document = decoder.next_document()?.expect("the pickle is complete");
/// assert!(matches!(document.root().view(), Node::Int(7)));
/// assert!(decoder.finish().is_err(), "a second pickle has begun");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct PushDecoder {
    decoder: Decoder,
    /// What has arrived since the buffer was last moved.
    buffer: Vec<u8>,
    /// Where the pickle at hand starts: everything before it has been handed out.
    start: usize,
    /// Where the next instruction starts; everything before it has been looked at.
    scanned: usize,
    /// How far a line has been searched for its line feed.
    searched: usize,
    /// Lines of the instruction at hand that have been found.
    lines: usize,
    /// The pickle at hand ends here.
    complete: Option<usize>,
    /// The last pickle FRAME ends here. STOP may stand inside of it, and then the rest is awaited,
    /// because a FRAME that is longer than the input is refused.
    frame_end: usize,
    /// Where the length of the last FRAME of the pickle at hand stands.
    frame_len_at: usize,
    /// Bytes that left the buffer, for the offsets of errors.
    base: usize,
}

impl PushDecoder {
    /// A decoder with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(DecodeOptions::new())
    }

    /// A decoder with these options.
    #[must_use]
    pub fn with_options(options: DecodeOptions) -> Self {
        Self { decoder: Decoder::with_options(options), ..Self::default() }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `input` if the pickle at hand grows past the limit; and what ends a decode at once: a byte
    /// that is no opcode, and under [`Globals::Reject`] an opcode that names or calls.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<()> {
        // What has been handed out goes when it is most of the buffer, so that nothing is moved twice
        // as often as it arrived, however many pickles wait here.
        if self.start > 0 && self.start >= self.buffered() {
            self.buffer.drain(..self.start);
            self.base += self.start;
            self.scanned -= self.start;
            self.searched = self.searched.saturating_sub(self.start);
            self.complete = self.complete.map(|end| end - self.start);
            self.frame_end = self.frame_end.saturating_sub(self.start);
            self.frame_len_at = self.frame_len_at.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(chunk);
        self.scan()
    }

    /// The next pickle, if it is complete. Its memory is the decoder's until the next call.
    ///
    /// # Errors
    /// As [`Decoder::decode_prefix`]; offsets count from the first byte that was fed.
    pub fn next_document(&mut self) -> Result<Option<Document<'_>>> {
        self.scan()?;
        let seen = self.frame_end.max(self.complete.unwrap_or(0));
        let Some(end) = self.complete.filter(|_| seen <= self.buffer.len()) else { return Ok(None) };
        let pickle = self.buffer.get(self.start..seen).unwrap_or_default();
        let start = self.start;
        let base = self.base + start;
        self.complete = None;
        self.frame_end = 0;
        self.start = end;
        match self.decoder.decode_seen(pickle, end - start) {
            Ok((document, _)) => Ok(Some(document)),
            Err(error) => Err(error.shifted(base)),
        }
    }

    /// Whether the next pickle is complete.
    ///
    /// # Errors
    /// As [`feed`](Self::feed), for what has been fed already.
    pub fn is_ready(&mut self) -> Result<bool> {
        self.scan()?;
        Ok(self.complete.is_some_and(|end| self.frame_end.max(end) <= self.buffer.len()))
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// If they ended inside a pickle: what [`Decoder::decode`] says of the part that is there.
    pub fn finish(&mut self) -> Result<()> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let base = self.base + self.start;
        self.decoder.decode(rest).map(|_| ()).map_err(|error| error.shifted(base))
    }

    /// Bytes that wait for the rest of their pickle.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn scan(&mut self) -> Result<()> {
        while self.complete.is_none() {
            let start = self.scanned;
            let Some(&byte) = self.buffer.get(start) else { break };
            let Some(opcode) = Opcode::from_byte(byte) else {
                return Err(self.decode_now(start + 1, ErrorKind::Opcode, start, None));
            };
            let Some(end) = self.instruction_end(opcode)? else { break };
            self.scanned = end;
            self.searched = end;
            if opcode == Opcode::Frame {
                let len = little_endian(self.buffer.get(start + 1..end).unwrap_or_default());
                let max = self.decoder.options().limits.max_input_len;
                let Some(len) = usize::try_from(len).ok().filter(|&len| len <= max) else {
                    return Err(self.decode_now(end, ErrorKind::Frame, start, Some(opcode)));
                };
                self.frame_end = end + len;
                self.frame_len_at = start + 1;
            } else if opcode == Opcode::Stop {
                self.complete = Some(end);
            } else if opcode.names_or_calls() && self.decoder.options().globals == Globals::Reject {
                return Err(self.decode_now(end, ErrorKind::Global, start, Some(opcode)));
            }
        }
        if self.buffered() > self.decoder.options().limits.max_input_len && self.complete.is_none() {
            let end = self.buffer.len();
            return Err(self.decode_now(end, ErrorKind::Input, end, None));
        }
        Ok(())
    }

    /// The error that a whole decode ends with once the bytes so far are known to be refused.
    #[cold]
    fn decode_now(&mut self, end: usize, kind: ErrorKind, offset: usize, opcode: Option<Opcode>) -> Error {
        let base = self.base + self.start;
        let max = self.decoder.options().limits.max_input_len;
        let mut seen = self.buffer.get(self.start..end).unwrap_or_default().to_vec();
        // A FRAME that goes on behind what is looked at is no fault: it is cut down to that.
        if self.frame_end > end
            && let Some(place) = self.frame_len_at.checked_sub(self.start)
            && let Some(field) = seen.get_mut(place..).and_then(|rest| rest.first_chunk_mut())
        {
            *field = (end.saturating_sub(self.frame_len_at + field.len()) as u64).to_le_bytes();
        }
        match self.decoder.decode_seen(&seen, seen.len().min(max)) {
            // What is in front of the fault ends a decode first; at the fault itself the input only ends.
            Err(error) if error.offset() < (offset - self.start) as u64 && !error.is_incomplete() => {
                error.shifted(base)
            }
            Err(error) if kind == ErrorKind::Global => error.shifted(base),
            _ => Error::new(kind, self.base + offset, opcode),
        }
    }

    /// Where the instruction at hand ends; `None` if more bytes are needed to tell.
    fn instruction_end(&mut self, opcode: Opcode) -> Result<Option<usize>> {
        let start = self.scanned + 1;
        let rest = self.buffer.get(start..).unwrap_or_default();
        let (header, len) = match opcode.argument_kind().span() {
            ArgumentSpan::Fixed(width) => (width, Some(0)),
            ArgumentSpan::Counted(width) => (width, rest.get(..width).map(little_endian)),
            // A negative length is one that never arrives.
            ArgumentSpan::CountedSigned => {
                (4, rest.first_chunk().map(|len| u64::try_from(i32::from_le_bytes(*len)).unwrap_or(u64::MAX)))
            }
            ArgumentSpan::Lines(lines) => return Ok(self.lines_end(start, lines)),
        };
        let Some(len) = len else { return Ok(None) };
        let max = self.decoder.options().limits.max_input_len;
        // What can never fit is refused before it has arrived.
        let Some(len) = usize::try_from(len).ok().filter(|&len| len <= max) else {
            let at = self.scanned;
            return Err(self.decode_now(start + header, ErrorKind::Length, at, Some(opcode)));
        };
        Ok((rest.len() >= header + len).then_some(start + header + len))
    }

    /// The end of the lines behind an opcode. What has been searched is not searched again.
    fn lines_end(&mut self, start: usize, lines: usize) -> Option<usize> {
        loop {
            let from = start.max(self.searched);
            let Some(end) = memchr(b'\n', self.buffer.get(from..).unwrap_or_default()) else {
                self.searched = self.buffer.len();
                return None;
            };
            self.searched = from + end + 1;
            self.lines += 1;
            if self.lines == lines {
                self.lines = 0;
                return Some(self.searched);
            }
        }
    }
}

/// A number of at most eight bytes.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds in pieces of one size and gives what comes of it.
    fn push(input: &[u8], size: usize, options: DecodeOptions) -> Result<Vec<alloc::string::String>> {
        let mut decoder = PushDecoder::with_options(options);
        let mut seen = Vec::new();
        for chunk in input.chunks(size) {
            decoder.feed(chunk)?;
            while let Some(document) = decoder.next_document()? {
                seen.push(alloc::format!("{:?}", document.root().view()));
            }
        }
        decoder.finish()?;
        Ok(seen)
    }

    #[test]
    fn any_split_gives_the_same() {
        let input = b"\x80\x04\x95\x0a\0\0\0\0\0\0\0\x8c\x06abcdef\x94.I12\n.(lp0\nVxy\na.cos\nsystem\n.";
        let options = || DecodeOptions::new().globals(Globals::Inert);
        let whole = push(input, input.len(), options()).unwrap();
        assert_eq!(whole.len(), 4);
        for size in 1..input.len() {
            assert_eq!(push(input, size, options()).unwrap(), whole, "{size}");
        }
    }

    #[test]
    fn what_is_refused_inside_of_a_frame_is_named() {
        let rows: &[(&[u8], ErrorKind, u64)] = &[
            (
                b"\x80\x04\x95\x1a\0\0\0\0\0\0\0]\x94(K\x01\x8c\x05posix\x94\x8c\x06getcwd\x94\x93\x94e.",
                ErrorKind::Global,
                33,
            ),
            (b"\x80\x05\x95\x06\0\0\0\0\0\0\0]\x94\x97\x98a.", ErrorKind::Buffer, 13),
            (b"N.\x80\x04\x95\x06\0\0\0\0\0\0\0]\x94\xff\x94a.", ErrorKind::Opcode, 15),
            (b"\x80\x04\x95\x01\0\0\0\0\0\0\0N\x95\x05\0\0\0\0\0\0\0N)R0.", ErrorKind::Call, 23),
        ];
        for (input, kind, offset) in rows {
            for size in [1, 7, input.len()] {
                let mut decoder = PushDecoder::new();
                let mut error = None;
                for chunk in input.chunks(size) {
                    let mut step = || -> Result<()> {
                        decoder.feed(chunk)?;
                        while decoder.next_document()?.is_some() {}
                        Ok(())
                    };
                    if let Err(found) = step() {
                        error = Some(found);
                        break;
                    }
                }
                let error = error.expect("it is refused before its end");
                assert_eq!((error.kind(), error.offset()), (*kind, *offset), "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn a_rejected_opcode_is_reported_when_it_has_arrived() {
        for size in [1, 2, 100] {
            let error = push(b"N.\x80\x02cos\nsystem\n", size, DecodeOptions::new()).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Global, 4));
            assert_eq!(error.global(), Some("os.system"));
        }
    }

    #[test]
    fn a_frame_that_goes_on_behind_stop_is_awaited() {
        // The FRAME holds None and STOP of the first pickle and all of the second.
        let input = b"\x95\x05\0\0\0\0\0\0\0N.K\x01.";
        for size in 1..=input.len() {
            assert_eq!(push(input, size, DecodeOptions::new()).unwrap().len(), 2, "{size}");
            let cut = push(&input[..input.len() - 1], size, DecodeOptions::new()).unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::Frame);
        }
    }

    #[test]
    fn a_cut_pickle_is_eof_and_an_impossible_length_is_refused() {
        assert_eq!(push(b"K", 1, DecodeOptions::new()).unwrap_err().kind(), ErrorKind::Eof);
        let mut decoder = PushDecoder::new();
        let error = decoder.feed(b"\x8e\0\0\0\0\0\0\0\x40").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Length);
    }
}
