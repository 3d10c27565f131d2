//! A cursor over the input that knows pickle FRAMEs, and the argument readers, which are nom's.
//!
//! The window is what the current opcode may read: the rest of the pickle FRAME, or of the input
//! where no FRAME is open. An argument that crosses the end of the window is refused, as CPython
//! does since 3.13.15 and 3.14.7.
//!
//! ```text
//! input   | read | window .............. | after ..................... |
//!                  the rest of the FRAME   what follows the open FRAME
//! ```
//!
//! At the end of the window [`Reader::opcode_byte`] moves on to what is behind the FRAME. An opcode is never cut by it, and
//! its argument must not be: CPython's C unpickler used to read on, its Python one did not, and a sender could show two
//! readers two pickles with that.
//!
//! # What is missing
//!
//! A length that the input does not hold is cut off, or a lie. It may come true if more bytes arrive, unless an open
//! FRAME says how many there are, or it passes the limit of the whole input; [`Reader::is_cut`] tells these apart, for
//! [`Error::is_incomplete`](crate::Error::is_incomplete).

use memchr::memchr;
use nom::IResult;
use nom::bytes::complete::take;

use super::error::ErrorKind;

/// What an argument reader gives; the error carries nothing because only its place matters.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// An argument of a fixed size. nom's own readers of numbers add them up byte by byte, which took a
/// twelfth of the time of a small pickle; its `take` costs nothing.
#[inline]
fn fixed<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    let (rest, bytes) = take(N)(input)?;
    let bytes = bytes.first_chunk().ok_or(nom::Err::Error(()))?;
    Ok((rest, *bytes))
}

/// One byte.
#[inline]
pub(crate) fn uint1(input: &[u8]) -> Parsed<'_, u8> {
    fixed(input).map(|(rest, [byte])| (rest, byte))
}

/// Two bytes, little-endian.
#[inline]
pub(crate) fn uint2(input: &[u8]) -> Parsed<'_, u16> {
    fixed(input).map(|(rest, bytes)| (rest, u16::from_le_bytes(bytes)))
}

/// Four bytes with a sign, little-endian.
#[inline]
pub(crate) fn int4(input: &[u8]) -> Parsed<'_, i32> {
    fixed(input).map(|(rest, bytes)| (rest, i32::from_le_bytes(bytes)))
}

/// Four bytes, little-endian.
#[inline]
pub(crate) fn uint4(input: &[u8]) -> Parsed<'_, u32> {
    fixed(input).map(|(rest, bytes)| (rest, u32::from_le_bytes(bytes)))
}

/// Eight bytes, little-endian.
#[inline]
pub(crate) fn uint8(input: &[u8]) -> Parsed<'_, u64> {
    fixed(input).map(|(rest, bytes)| (rest, u64::from_le_bytes(bytes)))
}

/// Eight bytes of a float, the one number of a pickle that is big-endian.
#[inline]
pub(crate) fn float8(input: &[u8]) -> Parsed<'_, f64> {
    fixed(input).map(|(rest, bytes)| (rest, f64::from_be_bytes(bytes)))
}

/// A cursor over one input.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    /// What the current opcode may read.
    window: &'a [u8],
    /// What lies behind the open pickle FRAME.
    after: &'a [u8],
    len: usize,
    in_frame: bool,
    /// The length that was announced and is not there, where no FRAME says that it never will be.
    missing: u64,
    /// A stretch of the window that is known to be text.
    checked: &'a str,
    /// How long the window was where `checked` begins.
    checked_at: usize,
}

/// To check many short texts for UTF-8 one by one costs more than all else, so a stretch of ASCII
/// (opcodes and lengths included) is checked at once and the texts are cut out of it.
const STRETCH: usize = 2048;

/// The pieces in which a stretch is measured.
const PIECE: usize = 32;

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self {
            window: input,
            after: &[],
            len: input.len(),
            in_frame: false,
            missing: 0,
            checked: "",
            checked_at: input.len(),
        }
    }

    /// Bytes read so far.
    #[inline]
    pub(crate) const fn offset(&self) -> usize {
        self.len - self.window.len() - self.after.len()
    }

    /// The next opcode's byte; `None` at the end of the input.
    #[inline]
    pub(crate) fn opcode_byte(&mut self) -> Option<u8> {
        if let Some((&byte, rest)) = self.window.split_first() {
            self.window = rest;
            return Some(byte);
        }
        self.leave_frame()
    }

    #[cold]
    fn leave_frame(&mut self) -> Option<u8> {
        self.in_frame = false;
        let after = core::mem::take(&mut self.after);
        self.turn(after);
        let (&byte, rest) = self.window.split_first()?;
        self.window = rest;
        Some(byte)
    }

    /// Another window, of which nothing is known to be text.
    const fn turn(&mut self, window: &'a [u8]) {
        self.window = window;
        self.checked = "";
        self.checked_at = window.len();
    }

    /// What the next opcode may read.
    #[inline]
    pub(crate) const fn window(&self) -> &'a [u8] {
        self.window
    }

    /// Passes over bytes that were seen in the window.
    #[inline]
    pub(crate) fn skip(&mut self, len: usize) {
        self.window = self.window.get(len..).unwrap_or_default();
    }

    /// Reads an argument of fixed size.
    #[inline]
    pub(crate) fn argument<T>(
        &mut self,
        read: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
    ) -> Result<T, ErrorKind> {
        match read(self.window) {
            Ok((rest, value)) => {
                self.window = rest;
                Ok(value)
            }
            Err(_) => Err(self.cut(ErrorKind::Eof)),
        }
    }

    /// Reads a length with a sign. A negative one is a length that no input holds.
    #[inline]
    pub(crate) fn signed_len(&mut self) -> Result<u64, ErrorKind> {
        u64::try_from(self.argument(int4)?).map_err(|_| ErrorKind::Length)
    }

    /// Reads the bytes of a counted argument.
    #[inline]
    pub(crate) fn counted(&mut self, len: u64) -> Result<&'a [u8], ErrorKind> {
        match usize::try_from(len) {
            Ok(len) if len <= self.window.len() => self.argument(take(len)),
            _ => Err(self.too_long(len)),
        }
    }

    /// What a length is that the window does not hold.
    #[cold]
    fn too_long(&mut self, len: u64) -> ErrorKind {
        if len <= (self.window.len() + self.after.len()) as u64 {
            return ErrorKind::Frame;
        }
        self.missing = if self.in_frame { 0 } else { len };
        ErrorKind::Length
    }

    /// Whether an error says that the input ended too early, and no more than this length is missing.
    #[cold]
    pub(crate) fn is_cut(&self, kind: ErrorKind, max_len: usize) -> bool {
        match kind {
            ErrorKind::Eof => !self.in_frame,
            ErrorKind::Length | ErrorKind::Frame => {
                let whole = self.missing.saturating_add(self.offset() as u64);
                self.missing > 0 && whole <= max_len as u64
            }
            _ => false,
        }
    }

    /// Reads the bytes of a counted argument, as text where they are UTF-8.
    #[inline]
    pub(crate) fn text(&mut self, len: u64) -> Result<Result<&'a str, &'a [u8]>, ErrorKind> {
        if let Ok(len) = usize::try_from(len) {
            let start = self.checked_at.wrapping_sub(self.window.len());
            if let Some(text) = self.checked.get(start..start.wrapping_add(len))
                && let Some(rest) = self.window.get(len..)
            {
                self.window = rest;
                return Ok(Ok(text));
            }
        }
        self.unchecked_text(len)
    }

    /// Text outside of the stretch that was checked; a new stretch begins with it where it is ASCII.
    #[inline(never)]
    fn unchecked_text(&mut self, len: u64) -> Result<Result<&'a str, &'a [u8]>, ErrorKind> {
        let window = self.window;
        let bytes = self.counted(len)?;
        if bytes.len() < STRETCH {
            // What is measured here and not used is no longer than the text, so the time is linear.
            let (pieces, _) = window.as_chunks::<PIECE>();
            let ascii =
                PIECE * pieces.iter().take(STRETCH / PIECE).take_while(|piece| piece.is_ascii()).count();
            if ascii > bytes.len()
                && let Some(Ok(checked)) = window.get(..ascii).map(core::str::from_utf8)
                && let Some(text) = checked.get(..bytes.len())
            {
                self.checked = checked;
                self.checked_at = window.len();
                return Ok(Ok(text));
            }
        }
        Ok(core::str::from_utf8(bytes).map_err(|_| bytes))
    }

    /// Reads a line of text without its line feed.
    #[inline]
    pub(crate) fn line(&mut self) -> Result<&'a [u8], ErrorKind> {
        let Some(end) = memchr(b'\n', self.window) else { return Err(self.cut(ErrorKind::Eof)) };
        let (line, rest) = self.window.split_at(end);
        self.window = rest.get(1..).unwrap_or_default();
        Ok(line)
    }

    /// Opens a pickle FRAME of this many bytes.
    pub(crate) fn enter_frame(&mut self, len: u64) -> Result<(), ErrorKind> {
        if self.in_frame && !self.window.is_empty() {
            return Err(ErrorKind::Frame);
        }
        if self.window.is_empty() {
            let after = core::mem::take(&mut self.after);
            self.turn(after);
        }
        let frame = usize::try_from(len).ok().and_then(|len| self.window.split_at_checked(len));
        let Some((frame, after)) = frame else {
            self.missing = len;
            return Err(ErrorKind::Frame);
        };
        self.turn(frame);
        self.after = after;
        self.in_frame = true;
        Ok(())
    }

    /// An argument that is cut at the end of a pickle FRAME is the FRAME's fault.
    #[cold]
    fn cut(&self, kind: ErrorKind) -> ErrorKind {
        if self.after.is_empty() { kind } else { ErrorKind::Frame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_bounds_its_arguments() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5]);
        reader.enter_frame(3).unwrap();
        assert_eq!(reader.argument(uint2), Ok(0x0201));
        assert_eq!(reader.argument(uint2), Err(ErrorKind::Frame));
        assert_eq!(reader.counted(3), Err(ErrorKind::Frame));
        assert_eq!(reader.counted(4), Err(ErrorKind::Length));
        assert_eq!(reader.opcode_byte(), Some(3));
        assert_eq!(reader.opcode_byte(), Some(4));
        assert_eq!(reader.offset(), 4);
        assert_eq!(reader.argument(uint2), Err(ErrorKind::Eof));
    }

    #[test]
    fn text_is_cut_out_of_checked_stretches() {
        let mut input = alloc::vec![b'a'; 100];
        input.extend_from_slice("é".as_bytes());
        input.extend_from_slice(b"\xff");
        input.extend_from_slice(&[b'b'; 70]);
        let mut reader = Reader::new(&input);
        assert_eq!(reader.text(3), Ok(Ok("aaa")));
        assert_eq!(reader.checked.len(), 96);
        assert_eq!(reader.text(92), Ok(Ok(&*"a".repeat(92))));
        assert_eq!(reader.text(7), Ok(Ok("aaaaaé")));
        assert_eq!(reader.text(1), Ok(Err(&b"\xff"[..])));
        assert_eq!(reader.text(69), Ok(Ok(&*"b".repeat(69))));
        assert_eq!(reader.text(2), Err(ErrorKind::Length));
        assert_eq!(reader.text(u64::MAX), Err(ErrorKind::Length));
        assert_eq!(reader.text(1), Ok(Ok("b")));
        assert_eq!(reader.text(0), Ok(Ok("")));
        assert_eq!(reader.offset(), input.len());
    }

    #[test]
    fn a_checked_stretch_ends_with_its_frame() {
        let input = [b'a'; 200];
        let mut reader = Reader::new(&input);
        assert_eq!(reader.text(1), Ok(Ok("a")));
        reader.enter_frame(64).unwrap();
        assert_eq!(reader.text(1), Ok(Ok("a")));
        assert_eq!(reader.text(64), Err(ErrorKind::Frame));
        assert_eq!(reader.text(63), Ok(Ok(&*"a".repeat(63))));
        assert_eq!(reader.text(1), Err(ErrorKind::Frame));
        assert_eq!(reader.opcode_byte(), Some(b'a'));
        assert_eq!(reader.text(134), Ok(Ok(&*"a".repeat(134))));
        assert_eq!(reader.text(1), Err(ErrorKind::Length));
    }

    #[test]
    fn a_frame_opens_only_where_the_last_one_ended() {
        let mut reader = Reader::new(&[1, 2, 3, 4]);
        reader.enter_frame(2).unwrap();
        assert_eq!(reader.enter_frame(1), Err(ErrorKind::Frame));
        assert_eq!(reader.opcode_byte(), Some(1));
        assert_eq!(reader.opcode_byte(), Some(2));
        assert_eq!(reader.enter_frame(2), Ok(()));
        assert_eq!(reader.opcode_byte(), Some(3));
    }
}
