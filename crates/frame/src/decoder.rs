//! Finding frames in a stream of bytes.
//!
//! The plain algorithm: collect four bytes, read them as the payload's length, collect that many bytes, hand them
//! out. A length over the limit is told with the first bytes of its frame, and the caller says whether to skip the
//! frame or to close. Departures, for speed and for memory:
//!
//! 1. A frame that lies whole in one chunk is handed out as a slice of that chunk; nothing is copied.
//! 2. Of a frame that straddles chunks, each byte is copied into its place as soon as its chunk is used up, so
//!    that a started frame keeps no chunk alive. The place grows with what has arrived, and never by what the
//!    prefix announces.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, ErrorKind};
use crate::limits::{DEFAULT_MAX_FRAME_LEN, PREFIX_LEN};
use crate::oversized::{HEAD_LEN, Oversized};

/// Finds the frames in a stream that arrives in pieces of any size.
///
/// The decoder is fed what was read and asked for frames; it does no I/O. How the input is cut into pieces never
/// changes what comes out. See the [crate's example](crate).
///
/// Memory is what has been fed and not yet been taken, and for a started frame at most 1 KiB or twice what
/// arrived of it, whichever is more. What a prefix announces costs nothing.
///
/// Frames of no bytes are passed over: they carry nothing, and some senders use them to keep a connection alive.
///
/// A frame over the limit is told as [`Oversized`]. The caller then either calls
/// [`skip_oversized`](Self::skip_oversized), and the stream goes on behind it; or it gives the stream up: without
/// that call the decoder is closed, every later call gives the same refusal and later input is let go.
pub struct FrameDecoder {
    max_frame_len: u32,
    /// How many bytes of `prefix` have arrived. `body` and `declared` mean something only when it is 4.
    prefix_len: usize,
    prefix: [u8; PREFIX_LEN],
    /// The payload length that `prefix` says; over `max_frame_len` only for a frame that is told or skipped.
    declared: usize,
    /// What has arrived of a straddling payload: `body.len() < declared` between calls.
    body: Vec<u8>,
    /// The chunk at the front. All input that comes later is in `queue`, and then in `input`.
    chunk: Bytes,
    queue: VecDeque<Bytes>,
    /// The sum of the lengths in `queue`.
    queued: usize,
    /// The buffer that a caller reads into.
    input: BytesMut,
    /// Of a frame over the limit: its first bytes, from the prefix on. Empty for any other frame.
    head: Vec<u8>,
    oversized: OversizedState,
    /// What has gone by and is to be seen.
    passed: Vec<Bytes>,
}

/// What becomes of a frame over the limit.
enum OversizedState {
    /// There is none, or its first bytes are still to come.
    Absent,
    /// It is told, and the caller has not said what to do. Closed as soon as more is fed.
    Told(Oversized),
    /// This much of its payload has gone by.
    Skipped(usize),
    /// The same, and what goes by is to be seen.
    Watched(usize),
    /// The stream is given up.
    Closed(Oversized),
}

impl FrameDecoder {
    /// A decoder that takes payloads of up to [`DEFAULT_MAX_FRAME_LEN`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_frame_len(DEFAULT_MAX_FRAME_LEN)
    }

    /// A decoder that takes payloads of up to `max_frame_len` bytes.
    ///
    /// The prefix alone is held against the limit: of a frame that is over it, no more than its first 64 bytes are
    /// kept.
    #[must_use]
    pub fn with_max_frame_len(max_frame_len: u32) -> Self {
        Self {
            max_frame_len,
            prefix_len: 0,
            prefix: [0; PREFIX_LEN],
            declared: 0,
            body: Vec::new(),
            chunk: Bytes::new(),
            queue: VecDeque::new(),
            queued: 0,
            input: BytesMut::new(),
            head: Vec::new(),
            oversized: OversizedState::Absent,
            passed: Vec::new(),
        }
    }

    /// The longest payload that is taken.
    #[must_use]
    pub const fn max_frame_len(&self) -> u32 {
        self.max_frame_len
    }

    /// Gives the decoder the next piece of the stream, without copying it.
    ///
    /// Frames that lie whole in `chunk` come out as slices of it.
    pub fn feed(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        if self.is_closed_to_input() {
            return;
        }
        self.take_input();
        self.push(chunk);
    }

    /// Gives the decoder a copy of the next piece of the stream.
    pub fn feed_slice(&mut self, piece: &[u8]) {
        if piece.is_empty() || self.is_closed_to_input() {
            return;
        }
        // Behind what was read into the same buffer: the order of the stream is kept.
        self.input.extend_from_slice(piece);
    }

    /// The decoder's own buffer, with room for at least `additional` more bytes, to read into.
    ///
    /// What is appended here is the next piece of the stream, as if it had been given to [`feed`](Self::feed).
    /// Once the frames that were cut out of it are dropped, the same memory is used again. Appending is all that
    /// a caller should do: bytes that were read before may still be in front.
    ///
    /// ```
    /// use logrecord_frame::FrameDecoder;
    ///
    /// let mut decoder = FrameDecoder::new();
    /// decoder.spare(1024).extend_from_slice(b"\0\0\0\x02}.");
    /// assert_eq!(decoder.next_frame()?.as_deref(), Some(&b"}."[..]));
    /// # Ok::<(), logrecord_frame::Error>(())
    /// ```
    pub fn spare(&mut self, additional: usize) -> &mut BytesMut {
        let _ = self.is_closed_to_input();
        self.input.reserve(additional);
        &mut self.input
    }

    /// The next payload, or `None` when more input is needed for it.
    ///
    /// # Errors
    ///
    /// [`Oversized`] when a prefix announces more than the limit, once the first 64 bytes of its frame are there;
    /// at once where no receiver would skip that much. It comes again at every call until
    /// [`skip_oversized`](Self::skip_oversized) is called.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, Oversized> {
        // The hot path: nothing is started, and the chunk at hand holds a whole frame. After a refusal `prefix_len`
        // is not 0, so that this path needs no look at it.
        while self.prefix_len == 0
            && let Some((prefix, rest)) = self.chunk.split_first_chunk::<PREFIX_LEN>()
        {
            let declared = u32::from_be_bytes(*prefix);
            match usize::try_from(declared) {
                Ok(len) if declared <= self.max_frame_len && len <= rest.len() => {
                    self.chunk.advance(PREFIX_LEN);
                    if len > 0 {
                        return Ok(Some(self.chunk.split_to(len)));
                    }
                }
                _ => break,
            }
        }
        self.next_frame_straddling()
    }

    /// Goes on behind the frame that was just told as [`Oversized`], letting its bytes go as they come; whether
    /// that can be done.
    ///
    /// It cannot when no frame was told, when the frame is [longer than is ever skipped](Oversized::is_skippable),
    /// or when more input was fed in between. While a frame is skipped, [`is_mid_frame`](Self::is_mid_frame) and
    /// [`missing`](Self::missing) speak of it as of any other.
    ///
    /// ```
    /// use logrecord_frame::FrameDecoder;
    ///
    /// let mut decoder = FrameDecoder::with_max_frame_len(4);
    /// decoder.feed_slice(b"\0\0\0\x06abcdef\0\0\0\x02}.");
    /// let oversized = decoder.next_frame().unwrap_err();
    /// assert_eq!((oversized.len, oversized.payload()), (6, &b"abcdef"[..]));
    /// assert!(decoder.skip_oversized());
    /// assert_eq!(decoder.next_frame()?.as_deref(), Some(&b"}."[..]));
    /// # Ok::<(), logrecord_frame::Oversized>(())
    /// ```
    pub fn skip_oversized(&mut self) -> bool {
        self.go_past(OversizedState::Skipped)
    }

    /// As [`skip_oversized`](Self::skip_oversized), for a caller who wants to see what goes by behind the
    /// [head](Oversized::payload), by [`take_passed`](Self::take_passed), without ever having all of it.
    pub fn watch_oversized(&mut self) -> bool {
        self.go_past(OversizedState::Watched)
    }

    /// What has gone by of a frame that is [watched](Self::watch_oversized) since the last call. It is to be called
    /// after each [`next_frame`](Self::next_frame), because it is kept until then.
    pub fn take_passed(&mut self) -> Vec<Bytes> {
        core::mem::take(&mut self.passed)
    }

    fn go_past(&mut self, state: fn(usize) -> OversizedState) -> bool {
        match &self.oversized {
            OversizedState::Told(oversized) if oversized.is_skippable() => {
                let gone = self.head.len().saturating_sub(PREFIX_LEN);
                self.oversized = state(gone);
                if gone == self.declared {
                    self.end_skipping();
                }
                true
            }
            _ => false,
        }
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Truncated`] when it ended inside a frame, with the bytes that arrived and the bytes that
    /// were to come; and [`ErrorKind::TooLong`] when it ended at a frame over the limit that is not being skipped.
    /// Whole frames that have not been taken are no error.
    pub fn finish(&self) -> Result<(), Error> {
        if let Some(oversized) = self.refused() {
            return Err(Error::from(oversized));
        }
        let progress = self.progress();
        let is_skipped = matches!(self.oversized, OversizedState::Skipped(_) | OversizedState::Watched(_))
            && !progress.is_beyond;
        match (progress.prefix_len, progress.declared) {
            (0, _) => Ok(()),
            (PREFIX_LEN, declared) if Error::count(declared) > self.max_frame_len && !is_skipped => {
                Err(Error::new(ErrorKind::TooLong, Error::count(declared), self.max_frame_len))
            }
            (PREFIX_LEN, declared) => {
                Err(Error::new(ErrorKind::Truncated, Error::count(progress.arrived), Error::count(declared)))
            }
            (have, _) => Err(Error::new(ErrorKind::Truncated, Error::count(have), Error::count(PREFIX_LEN))),
        }
    }

    /// The bytes that have been fed and not been handed out, prefixes included.
    #[must_use]
    pub fn buffered(&self) -> usize {
        [
            self.prefix_len.max(self.head.len()),
            self.body.len(),
            self.chunk.len(),
            self.queued,
            self.input.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// A copy of the bytes that have been fed and not been handed out, prefixes included: after a
    /// [`next_frame`](Self::next_frame) that gave `None`, what has arrived of the started frame (of one that is
    /// skipped, its first 64 bytes).
    #[must_use]
    pub fn unfinished(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.buffered());
        if self.head.is_empty() {
            bytes.extend_from_slice(self.prefix.get(..self.prefix_len).unwrap_or_default());
        }
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&self.body);
        bytes.extend_from_slice(&self.chunk);
        for chunk in &self.queue {
            bytes.extend_from_slice(chunk);
        }
        bytes.extend_from_slice(&self.input);
        bytes
    }

    /// Whether the input so far ends inside a frame (behind all whole frames, taken or not).
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.refused().is_none() && self.progress().prefix_len != 0
    }

    /// The payload length that the started frame announces, once its prefix is whole.
    #[must_use]
    pub fn declared(&self) -> Option<u32> {
        let progress = self.progress();
        (self.refused().is_none() && progress.prefix_len == PREFIX_LEN)
            .then(|| Error::count(progress.declared))
    }

    /// How many bytes are missing until the started frame is whole: of its prefix, as long as that is not whole,
    /// else of its payload. 0 between two frames and after a refusal.
    #[must_use]
    pub fn missing(&self) -> usize {
        let progress = self.progress();
        match progress.prefix_len {
            _ if self.refused().is_some() => 0,
            0 => 0,
            PREFIX_LEN => progress.declared.saturating_sub(progress.arrived),
            have => PREFIX_LEN.saturating_sub(have),
        }
    }

    /// The refusal that stands, if the stream is given up or the caller has not said yet that it goes on.
    const fn refused(&self) -> Option<&Oversized> {
        match &self.oversized {
            OversizedState::Told(oversized) | OversizedState::Closed(oversized) => Some(oversized),
            OversizedState::Absent | OversizedState::Skipped(_) | OversizedState::Watched(_) => None,
        }
    }

    /// Called where input arrives: an [`Oversized`] that was not answered closes the stream.
    fn is_closed_to_input(&mut self) -> bool {
        if let OversizedState::Told(oversized) = &self.oversized {
            self.oversized = OversizedState::Closed(oversized.clone());
        }
        let closed = matches!(self.oversized, OversizedState::Closed(_));
        if closed {
            self.let_go();
        }
        closed
    }

    /// Frames that straddle chunks, and everything that is not a frame.
    fn next_frame_straddling(&mut self) -> Result<Option<Bytes>, Oversized> {
        if let Some(oversized) = self.refused() {
            return Err(oversized.clone());
        }
        loop {
            if self.chunk.is_empty() && !self.next_chunk() {
                return Ok(None);
            }
            if self.prefix_len < PREFIX_LEN {
                while self.prefix_len < PREFIX_LEN && self.chunk.has_remaining() {
                    if let Some(slot) = self.prefix.get_mut(self.prefix_len) {
                        *slot = self.chunk.get_u8();
                    }
                    self.prefix_len = self.prefix_len.saturating_add(1);
                }
                if self.prefix_len < PREFIX_LEN {
                    continue;
                }
                let declared = u32::from_be_bytes(self.prefix);
                // A length that no memory of this machine holds is over any limit.
                let len = usize::try_from(declared).unwrap_or(usize::MAX);
                self.declared = len;
                if declared > self.max_frame_len || len == usize::MAX {
                    self.head.extend_from_slice(&self.prefix);
                } else if len == 0 {
                    self.prefix_len = 0;
                    continue;
                }
            }
            if !self.head.is_empty() {
                self.pass_oversized()?;
                continue;
            }
            let missing = self.declared.saturating_sub(self.body.len());
            if self.body.is_empty() && missing <= self.chunk.len() {
                self.prefix_len = 0;
                return Ok(Some(self.chunk.split_to(missing)));
            }
            let piece = self.chunk.split_to(missing.min(self.chunk.len()));
            self.grow(piece.len());
            self.body.extend_from_slice(&piece);
            if self.body.len() == self.declared {
                self.prefix_len = 0;
                return Ok(Some(Bytes::from(core::mem::take(&mut self.body))));
            }
        }
    }

    /// Takes what is there of a frame over the limit: its first bytes to be told, the rest to be let go.
    #[cold]
    fn pass_oversized(&mut self) -> Result<(), Oversized> {
        let is_watched = matches!(self.oversized, OversizedState::Watched(_));
        if let OversizedState::Skipped(gone) | OversizedState::Watched(gone) = &mut self.oversized {
            let step = self.declared.saturating_sub(*gone).min(self.chunk.len());
            let step_by = self.chunk.split_to(step);
            if is_watched {
                self.passed.push(step_by);
            }
            *gone = gone.saturating_add(step);
            if *gone == self.declared {
                self.end_skipping();
            }
            return Ok(());
        }
        let wanted = HEAD_LEN.min(self.declared.saturating_add(PREFIX_LEN));
        let step = wanted.saturating_sub(self.head.len()).min(self.chunk.len());
        self.head.extend_from_slice(&self.chunk.split_to(step));
        let declared = u32::from_be_bytes(self.prefix);
        let mut oversized = Oversized { len: declared, limit: self.max_frame_len, head: Bytes::new() };
        // Who announces more than is ever skipped is no sender of log records, and may wait for an answer.
        if self.head.len() < wanted && (oversized.is_skippable() || self.next_chunk_if_empty()) {
            return Ok(());
        }
        oversized.head = Bytes::copy_from_slice(&self.head);
        if oversized.is_skippable() {
            self.oversized = OversizedState::Told(oversized.clone());
        } else {
            self.oversized = OversizedState::Closed(oversized.clone());
            self.let_go();
        }
        Err(oversized)
    }

    fn end_skipping(&mut self) {
        self.oversized = OversizedState::Absent;
        self.head = Vec::new();
        self.prefix_len = 0;
    }

    /// Gives the memory of a stream back that is given up.
    fn let_go(&mut self) {
        self.chunk = Bytes::new();
        self.queue = VecDeque::new();
        self.queued = 0;
        self.input = BytesMut::new();
        self.head = Vec::new();
    }

    fn next_chunk_if_empty(&mut self) -> bool {
        !self.chunk.is_empty() || self.next_chunk()
    }

    /// Makes room for `arrived` more bytes of the started payload, and for at most as many again.
    fn grow(&mut self, arrived: usize) {
        let have = self.body.len();
        let need = have.saturating_add(arrived);
        if need > self.body.capacity() {
            let capacity = have.saturating_mul(2).max(need).max(MIN_BODY_CAPACITY).min(self.declared);
            self.body.reserve_exact(capacity.saturating_sub(have));
        }
    }

    /// Moves the next chunk to the front; whether there was one.
    fn next_chunk(&mut self) -> bool {
        if let Some(chunk) = self.queue.pop_front() {
            self.queued = self.queued.saturating_sub(chunk.len());
            self.chunk = chunk;
        } else if self.input.is_empty() {
            // An empty slice may still hold the memory it was cut from.
            self.chunk = Bytes::new();
        } else {
            self.chunk = self.input.split().freeze();
        }
        !self.chunk.is_empty()
    }

    fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() && self.queue.is_empty() {
            self.chunk = chunk;
        } else {
            self.queued = self.queued.saturating_add(chunk.len());
            self.queue.push_back(chunk);
        }
    }

    /// Puts what was read into the own buffer behind the chunks that came before it.
    fn take_input(&mut self) {
        if !self.input.is_empty() {
            let chunk = self.input.split().freeze();
            self.push(chunk);
        }
    }

    /// Where the input so far ends. Walks over the prefixes of frames that nobody has taken yet; there are none
    /// of them after a `next_frame` that gave `None`.
    fn progress(&self) -> Progress {
        let arrived = match self.oversized {
            OversizedState::Skipped(gone) | OversizedState::Watched(gone) => gone,
            _ => self.body.len().max(self.head.len().saturating_sub(PREFIX_LEN)),
        };
        let mut at = Progress {
            prefix: self.prefix,
            prefix_len: self.prefix_len,
            declared: self.declared,
            arrived,
            is_beyond: false,
        };
        at.pass(&self.chunk);
        for chunk in &self.queue {
            at.pass(chunk);
        }
        at.pass(&self.input);
        at
    }
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FrameDecoder {
    /// Numbers only: what is held is a payload, and not for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameDecoder")
            .field("max_frame_len", &self.max_frame_len)
            .field("buffered", &self.buffered())
            .field("declared", &self.declared())
            .field("is_refused", &self.refused().is_some())
            .finish_non_exhaustive()
    }
}

/// A position in a stream of frames: which part of which frame has arrived.
struct Progress {
    prefix: [u8; PREFIX_LEN],
    prefix_len: usize,
    declared: usize,
    arrived: usize,
    /// Whether another frame has begun than the one at hand.
    is_beyond: bool,
}

impl Progress {
    fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            if self.prefix_len == PREFIX_LEN {
                let step = self.declared.saturating_sub(self.arrived).min(bytes.len());
                self.arrived = self.arrived.saturating_add(step);
                bytes = bytes.get(step..).unwrap_or_default();
                if self.arrived < self.declared {
                    return;
                }
                self.prefix_len = 0;
                self.is_beyond = true;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return };
            if let Some(slot) = self.prefix.get_mut(self.prefix_len) {
                *slot = byte;
            }
            bytes = rest;
            self.prefix_len = self.prefix_len.saturating_add(1);
            if self.prefix_len == PREFIX_LEN {
                self.declared = usize::try_from(u32::from_be_bytes(self.prefix)).unwrap_or(usize::MAX);
                self.arrived = 0;
            }
        }
    }
}

/// The smallest place for a straddling payload (smaller payloads get a smaller one): most log records fit, and
/// so need one allocation.
const MIN_BODY_CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_SKIP_LEN;
    use alloc::vec;

    fn wire(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in payloads {
            crate::encode_frame(payload, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_whole_frame_is_a_slice_of_its_chunk() {
        let chunk = Bytes::from(wire(&[b"abc", b"", b"defg"]));
        let inside = chunk.as_ptr_range();
        let mut decoder = FrameDecoder::new();
        decoder.feed(chunk);
        for expected in [&b"abc"[..], b"defg"] {
            let frame = decoder.next_frame().unwrap().unwrap();
            assert_eq!(frame, expected);
            assert!(inside.contains(&frame.as_ptr()));
        }
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_payload_that_is_a_whole_chunk_is_not_copied() {
        let payload = Bytes::from(vec![1; 600]);
        let mut decoder = FrameDecoder::new();
        decoder.feed_slice(&600_u32.to_be_bytes());
        assert_eq!(decoder.next_frame(), Ok(None));
        decoder.feed(payload.clone());
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!((frame.as_ptr(), frame.len()), (payload.as_ptr(), 600));
    }

    #[test]
    fn a_small_straddling_frame_gets_a_place_of_its_size() {
        let mut decoder = FrameDecoder::new();
        decoder.feed_slice(b"\0\0\0\x0aabc");
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.body.capacity(), 10);
    }

    #[test]
    fn every_cut_of_a_stream_is_told() {
        let whole = wire(&[b"abc", b"defgh"]);
        for cut in 0..=whole.len() {
            let mut decoder = FrameDecoder::new();
            decoder.feed(Bytes::copy_from_slice(&whole[..cut]));
            // Once with nothing taken, once with everything taken.
            for _ in 0..2 {
                let (mid, declared, missing) = match cut {
                    0 | 7 | 16 => (false, None, 0),
                    1..=3 => (true, None, 4 - cut),
                    4..=6 => (true, Some(3), 7 - cut),
                    8..=10 => (true, None, 11 - cut),
                    _ => (true, Some(5), 16 - cut),
                };
                assert_eq!(
                    (decoder.is_mid_frame(), decoder.declared(), decoder.missing()),
                    (mid, declared, missing),
                    "cut at {cut}"
                );
                assert_eq!(decoder.finish().is_err(), mid);
                while decoder.next_frame().unwrap().is_some() {}
            }
        }
    }

    #[test]
    fn truncation_says_how_much_there_was() {
        let rows: [(&[u8], u32, u32); 3] = [(b"\0", 1, 4), (b"\0\0\0\x09", 0, 9), (b"\0\0\0\x09abc", 3, 9)];
        for (input, found, limit) in rows {
            let mut decoder = FrameDecoder::new();
            decoder.feed_slice(input);
            assert_eq!(decoder.next_frame(), Ok(None));
            assert_eq!(decoder.finish(), Err(Error::new(ErrorKind::Truncated, found, limit)));
        }
    }

    #[test]
    fn an_announced_length_is_held_against_the_limit_at_once() {
        let mut decoder = FrameDecoder::with_max_frame_len(5);
        decoder.feed_slice(b"\0\0\0\x05abcde\0\0\0\x06");
        assert_eq!(decoder.next_frame().unwrap().as_deref(), Some(&b"abcde"[..]));
        let oversized = Oversized { len: 6, limit: 5, head: Bytes::from_static(b"\0\0\0\x06xxxxxx") };
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!((decoder.declared(), decoder.missing()), (Some(6), 6));
        decoder.feed(Bytes::from(vec![b'x'; 100]));
        for _ in 0..2 {
            assert_eq!(decoder.next_frame(), Err(oversized.clone()));
            assert_eq!(decoder.finish(), Err(Error::new(ErrorKind::TooLong, 6, 5)));
            assert!(!decoder.is_mid_frame());
        }
        for _ in 0..2 {
            // Nobody said that the stream goes on, and so it does not.
            decoder.feed(Bytes::from(vec![b'x'; 100]));
            decoder.feed_slice(&[b'y'; 100]);
            decoder.spare(10).extend_from_slice(b"zz");
            assert!(!decoder.skip_oversized());
            assert_eq!(decoder.next_frame(), Err(oversized.clone()));
        }
        decoder.feed_slice(b"x");
        assert!(decoder.buffered() <= PREFIX_LEN, "what comes later is let go");
    }

    #[test]
    fn an_oversized_frame_costs_itself_alone() {
        let long = vec![b'o'; 5000];
        let whole = wire(&[b"before", &long, b"", b"after", &[b's'; 40], b"last"]);
        for step in [1, 3, 60, 64, 100, 5000, 10_000] {
            let mut decoder = FrameDecoder::with_max_frame_len(10);
            let (mut frames, mut skipped) = (Vec::new(), Vec::new());
            for piece in whole.chunks(step) {
                decoder.feed_slice(piece);
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break,
                        Err(oversized) => {
                            assert_eq!(
                                oversized.head.len(),
                                64.min(4 + oversized.len as usize),
                                "step {step}"
                            );
                            assert!(oversized.payload().starts_with(b"oo") || oversized.len == 40);
                            skipped.push(oversized.len);
                            assert!(decoder.skip_oversized());
                            assert!(!decoder.skip_oversized(), "once is enough");
                        }
                    }
                }
                assert!(decoder.buffered() <= 64, "what is skipped is not kept");
            }
            assert_eq!(frames, [&b"before"[..], b"after", b"last"], "step {step}");
            assert_eq!(skipped, [5000, 40]);
            assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn a_stream_that_ends_in_a_skipped_frame_is_cut() {
        let mut decoder = FrameDecoder::with_max_frame_len(10);
        decoder.feed_slice(b"\0\0\x01\0");
        decoder.feed_slice(&[7; 100]);
        assert!(decoder.next_frame().is_err());
        assert!(decoder.skip_oversized());
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!((decoder.is_mid_frame(), decoder.declared(), decoder.missing()), (true, Some(256), 156));
        assert_eq!(decoder.finish(), Err(Error::new(ErrorKind::Truncated, 100, 256)));
        assert_eq!(decoder.unfinished(), [&[0, 0, 1, 0][..], &[7; 60]].concat());
    }

    #[test]
    fn what_no_receiver_skips_is_told_at_once() {
        for (input, head) in [(&b"GET "[..], &b"GET "[..]), (&[b'G'; 200], &[b'G'; 64])] {
            for shared in [false, true] {
                let mut decoder = FrameDecoder::new();
                let (first, rest) = input.split_at(2);
                if shared {
                    decoder.feed(Bytes::copy_from_slice(first));
                    decoder.feed(Bytes::copy_from_slice(rest));
                } else {
                    decoder.feed_slice(first);
                    decoder.feed_slice(rest);
                }
                let oversized = decoder.next_frame().unwrap_err();
                assert_eq!(oversized.head, head);
                assert!(!oversized.is_skippable());
                assert!(!decoder.skip_oversized());
                assert_eq!(decoder.next_frame(), Err(oversized));
            }
        }
    }

    #[test]
    fn the_longest_frame_that_is_skipped_has_256_mib() {
        for (len, skips) in [(MAX_SKIP_LEN, true), (MAX_SKIP_LEN + 1, false)] {
            let mut decoder = FrameDecoder::new();
            decoder.feed_slice(&len.to_be_bytes());
            decoder.feed_slice(&[0x80; 60]);
            assert_eq!(decoder.next_frame().unwrap_err().len, len);
            assert_eq!(decoder.skip_oversized(), skips);
        }
    }

    #[test]
    fn memory_follows_what_arrived() {
        let mut decoder = FrameDecoder::with_max_frame_len(u32::MAX);
        decoder.feed_slice(&u32::MAX.to_be_bytes());
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.body.capacity(), 0);
        let mut arrived = 0;
        for step in [1, 10, 5000, 1, 70_000, 3] {
            decoder.feed(Bytes::from(vec![7; step]));
            assert_eq!(decoder.next_frame(), Ok(None));
            arrived += step;
            assert!(decoder.body.capacity() <= 1024.max(2 * arrived));
            assert_eq!(decoder.buffered(), 4 + arrived);
        }
    }

    #[test]
    fn the_ways_of_feeding_keep_their_order() {
        let whole = wire(&[b"one", b"two and more", b"", b"three"]);
        let mut decoder = FrameDecoder::new();
        for (at, byte) in whole.iter().enumerate() {
            match at % 4 {
                0 => decoder.feed(Bytes::copy_from_slice(&[*byte])),
                1 => decoder.feed_slice(&[*byte]),
                _ => decoder.spare(1).extend_from_slice(&[*byte]),
            }
        }
        assert_eq!(decoder.buffered(), whole.len());
        for expected in [&b"one"[..], b"two and more", b"three"] {
            assert_eq!(decoder.next_frame().unwrap().unwrap(), expected);
        }
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.buffered(), 0);
    }
}
