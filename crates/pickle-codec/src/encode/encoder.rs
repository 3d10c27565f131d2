//! The event interface: a pickle is written value by value, without a `Value` in between.

use core::sync::atomic::{AtomicU32, Ordering};

use bytes::BufMut;
use num_bigint::BigInt;

use super::open::NO_MEMO;
use super::sink::{Copying, Scratch};
use super::writer::Writer;
use crate::document::Document;
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;
use crate::wire::text::{Str, is_wtf8};

/// Names a value that an [`Encoder`] has put into the memo, so that it can be written again as
/// the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoId {
    index: u32,
    /// Which encoder gave it.
    encoder: u32,
}

/// Tells encoders apart.
fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Writes one pickle into a buffer, value by value, in the bytes of CPython's C pickler.
///
/// Containers are opened with the number of their items (pairs, for a dict) and closed with
/// [`end`](Self::end). Every value is an object of its own, as far as the memo is concerned, but
/// for those that CPython has only once: `''`, one-character Latin-1 text, `b''` and single bytes.
/// What the caller knows to be the same object is written again with [`get`](Self::get).
///
/// The bytes reach the buffer when a frame's worth is complete and in
/// [`finish`](Self::finish), so a pickle whose encoder is dropped halfway is in part missing.
///
/// ```
/// use pickle_codec::{Encoder, Protocol};
/// let mut encoder = Encoder::new(Vec::new(), Protocol::V2);
/// encoder.begin_dict(2)?;
/// encoder.str("name")?;
/// encoder.str("spam")?;
/// encoder.str("args")?;
/// encoder.begin_tuple(1)?;
/// encoder.int(5)?;
/// encoder.end()?;
/// encoder.end()?;
/// let pickle = encoder.finish()?;
/// assert_eq!(
///     pickle,
///     b"\x80\x02}q\x00(X\x04\x00\x00\x00nameq\x01X\x04\x00\x00\x00spamq\x02\
///       X\x04\x00\x00\x00argsq\x03K\x05\x85q\x04u.",
/// );
/// # Ok::<(), pickle_codec::Error>(())
/// ```
///
/// An event that does not fit is an error, and the encoder stays as it was:
///
/// ```
/// use pickle_codec::{Encoder, ErrorKind, Protocol};
/// let mut encoder = Encoder::new(Vec::new(), Protocol::V2);
/// encoder.begin_list(1)?;
/// assert_eq!(encoder.end().unwrap_err().kind(), ErrorKind::Data);
/// encoder.none()?;
/// assert_eq!(encoder.none().unwrap_err().kind(), ErrorKind::Data);
/// encoder.end()?;
/// assert_eq!(encoder.finish()?, b"\x80\x02]q\x00Na.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'s, B> {
    writer: Writer<'static, Copying<B>>,
    home: Option<&'s mut Scratch>,
    number: u32,
}

impl<B: BufMut> Encoder<'static, B> {
    /// An encoder that appends to a buffer.
    #[must_use]
    pub fn new(buffer: B, protocol: Protocol) -> Self {
        Self { writer: writer(buffer, protocol, Scratch::new()), home: None, number: next_number() }
    }
}

fn writer<B: BufMut>(buffer: B, protocol: Protocol, scratch: Scratch) -> Writer<'static, Copying<B>> {
    Writer::new(Copying(buffer), protocol, usize::MAX, scratch)
}

impl<'s, B: BufMut> Encoder<'s, B> {
    /// An encoder that works in memory which earlier encoders have used: once that has grown, and
    /// if the buffer has room, it allocates nothing. [`finish`](Self::finish) gives the memory
    /// back; an encoder that is dropped before takes it along.
    #[must_use]
    pub fn with_scratch(buffer: B, protocol: Protocol, scratch: &'s mut Scratch) -> Self {
        Self {
            writer: writer(buffer, protocol, core::mem::take(scratch)),
            home: Some(scratch),
            number: next_number(),
        }
    }

    /// Leaves the memo opcodes out. Python reads the shorter pickle as well; [`get`](Self::get)
    /// is then an error, because nothing is in the memo.
    #[must_use]
    pub const fn without_memo(mut self) -> Self {
        self.writer.memoize = false;
        self
    }

    #[cfg(feature = "serde")]
    pub(crate) const fn writer_mut(&mut self) -> &mut Writer<'static, Copying<B>> {
        &mut self.writer
    }

    /// The protocol it writes.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.writer.protocol()
    }

    /// Writes STOP and gives the buffer back.
    ///
    /// # Errors
    /// `data` if the value or an end is missing; `budget` if the buffer has no room left.
    pub fn finish(self) -> Result<B> {
        let (sink, scratch) = self.writer.finish()?;
        if let Some(home) = self.home {
            *home = scratch;
        }
        Ok(sink.0)
    }

    /// `None`.
    ///
    /// # Errors
    /// All events fail in the same ways: `data` if the innermost container has all its items, or
    /// the protocol has no form for the value; `budget` if the buffer has no room left.
    #[inline]
    pub fn none(&mut self) -> Result<()> {
        self.writer.none()
    }

    /// A bool.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn bool(&mut self, value: bool) -> Result<()> {
        self.writer.bool(value)
    }

    /// An integer.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn int(&mut self, value: i64) -> Result<()> {
        self.writer.int(value)
    }

    /// An integer without sign.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn uint(&mut self, value: u64) -> Result<()> {
        self.i128(i128::from(value))
    }

    /// An integer of up to 128 bits.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn i128(&mut self, value: i128) -> Result<()> {
        self.writer.int_le(&value.to_le_bytes())
    }

    /// An integer of up to 128 bits without sign.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn u128(&mut self, value: u128) -> Result<()> {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&value.to_le_bytes());
        self.writer.int_le(&bytes)
    }

    /// An integer of any size.
    ///
    /// # Errors
    /// As [`none`](Self::none); `data` also for more than 4,300 digits in protocols 0 and 1,
    /// which write them as text.
    pub fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.writer.int_le(&value.to_signed_bytes_le())
    }

    /// An integer of any size, as two's complement, little-endian. No bytes mean 0.
    ///
    /// # Errors
    /// As [`big_int`](Self::big_int).
    pub fn big_int_le(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.int_le(bytes)
    }

    /// A float.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn float(&mut self, value: f64) -> Result<()> {
        self.writer.float(value)
    }

    /// A complex number.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn complex(&mut self, real: f64, imaginary: f64) -> Result<()> {
        self.writer.complex(real, imaginary)
    }

    /// Text.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn str(&mut self, text: &str) -> Result<()> {
        self.writer.text(text.as_bytes())
    }

    /// Text that may hold lone surrogates, each in three bytes.
    ///
    /// # Errors
    /// As [`none`](Self::none); `utf8` if the bytes are not WTF-8.
    pub fn wtf8(&mut self, bytes: &[u8]) -> Result<()> {
        if !is_wtf8(bytes) {
            return Err(Error::plain(ErrorKind::Utf8));
        }
        self.writer.text(bytes)
    }

    /// Text of either kind.
    ///
    /// # Errors
    /// As [`wtf8`](Self::wtf8).
    pub fn text(&mut self, text: Str<'_>) -> Result<()> {
        match text {
            Str::Utf8(text) => self.str(text),
            Str::Wtf8(bytes) => self.wtf8(bytes),
        }
    }

    /// `bytes`. Below protocol 3 they are a call of `_codecs.encode`.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.bytes(bytes)
    }

    /// A `bytearray`. Below protocol 5 it is a call.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn bytearray(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.bytearray(bytes)
    }

    /// A whole value.
    ///
    /// # Errors
    /// As [`none`](Self::none), and as [`Value::to_vec`].
    pub fn value(&mut self, value: &Value<'_>) -> Result<()> {
        super::value::check(value, &self.writer)?;
        super::value::write(&mut self.writer, value, 0)
    }

    /// A whole document, with its sharing.
    ///
    /// # Errors
    /// As [`none`](Self::none), and as [`Document::to_vec`].
    pub fn document(&mut self, document: &Document<'_>) -> Result<()> {
        super::graph::check(document, &self.writer)?;
        super::graph::copy(document, &mut self.writer)
    }

    /// Opens a list of so many items.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn begin_list(&mut self, len: usize) -> Result<()> {
        self.writer.begin_list(len)
    }

    /// Opens a tuple of so many items.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn begin_tuple(&mut self, len: usize) -> Result<()> {
        self.writer.begin_tuple(len)
    }

    /// Opens a dict of so many pairs; keys and values are written in turn.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    #[inline]
    pub fn begin_dict(&mut self, len: usize) -> Result<()> {
        self.writer.begin_dict(len)
    }

    /// Opens a set of so many items. Below protocol 4 it is a call.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn begin_set(&mut self, len: usize) -> Result<()> {
        self.writer.begin_set(len)
    }

    /// Opens a frozenset of so many items. Below protocol 4 it is a call.
    ///
    /// # Errors
    /// As [`none`](Self::none).
    pub fn begin_frozenset(&mut self, len: usize) -> Result<()> {
        self.writer.begin_frozenset(len)
    }

    /// Closes the innermost container.
    ///
    /// # Errors
    /// `data` if it lacks items, or there is none.
    #[inline]
    pub fn end(&mut self) -> Result<()> {
        self.writer.end()
    }

    /// The memo entry of the value that was written last: of a text after [`str`](Self::str), of a
    /// list, dict or set after its beginning as well as its end, of a tuple after its end. `None`
    /// for values that never get one, such as integers, and without memo.
    ///
    /// ```
    /// use pickle_codec::{Encoder, Protocol};
    /// let mut encoder = Encoder::new(Vec::new(), Protocol::V1);
    /// encoder.begin_list(2)?;
    /// encoder.str("spam")?;
    /// let spam = encoder.memo_id().expect("text is memoized");
    /// encoder.get(spam)?;
    /// encoder.end()?;
    /// assert_eq!(encoder.finish()?, b"]q\x00(X\x04\x00\x00\x00spamq\x01h\x01e.");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn memo_id(&self) -> Option<MemoId> {
        match self.writer.last {
            NO_MEMO => None,
            index => Some(MemoId { index, encoder: self.number }),
        }
    }

    /// The value that was given this memo entry, once more: the same object for Python.
    ///
    /// # Errors
    /// As [`none`](Self::none); `memo` if it is the entry of another encoder.
    #[inline]
    pub fn get(&mut self, id: MemoId) -> Result<()> {
        if id.encoder != self.number {
            return Err(Error::plain(ErrorKind::Memo));
        }
        self.writer.get(id.index)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Every block of memory that an encoder works in: where it is and how large.
    fn blocks(scratch: &Scratch, out: &Vec<u8>) -> [(usize, usize); 4] {
        let [slots, touched] = scratch.singles.blocks();
        [
            (scratch.stage.as_ptr().addr(), scratch.stage.len()),
            (out.as_ptr().addr(), out.capacity()),
            slots,
            touched,
        ]
    }

    #[test]
    fn a_second_pickle_is_written_in_the_memory_of_the_first() {
        for protocol in Protocol::ALL {
            let mut scratch = Scratch::new();
            let mut out = Vec::new();
            let mut before = None;
            for _ in 0..3 {
                out.clear();
                let mut encoder = Encoder::with_scratch(&mut out, protocol, &mut scratch);
                encoder.begin_list(4).unwrap();
                encoder.bytes(b"x").unwrap();
                encoder.str("").unwrap();
                encoder.begin_tuple(1).unwrap();
                encoder.float(1.5).unwrap();
                encoder.end().unwrap();
                encoder.str("spam and eggs").unwrap();
                encoder.end().unwrap();
                encoder.finish().unwrap();
                let after = blocks(&scratch, &out);
                assert!(before.is_none_or(|before| before == after), "protocol {protocol}");
                before = Some(after);
            }
        }
    }
}
