//! The event interface: a pickle is written value by value, without a `Value` in between.
//!
//! Events are checked as they come: too many items, an end too many, an unhashable key are errors at that event, and
//! what was written stays a valid beginning. Whole values and documents are written on trial first, because they
//! can fail in the middle.

use core::sync::atomic::{AtomicU32, Ordering};

use bytes::BufMut;
use num_bigint::BigInt;

use super::graph;
use super::open::NO_MEMO;
use super::sink::{Copying, EncodeScratch};
use super::value;
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

/// Tells encoders apart, so that a [`MemoId`] is not taken for an entry of another one.
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
    home: Option<&'s mut EncodeScratch>,
    number: u32,
}

impl<B: BufMut> Encoder<'static, B> {
    /// An encoder that appends to a buffer.
    #[must_use]
    pub fn new(buffer: B, protocol: Protocol) -> Self {
        Self::of(buffer, protocol, EncodeScratch::new(), None)
    }
}

/// An integer without sign as one with a sign.
fn wide(value: u128) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[..16].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// Events that the writer has under the same or another name.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),+) => $writer:ident($($value:expr),+);)*) => {
        impl<B: BufMut> Encoder<'_, B> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As [`none`](Self::none).
                #[inline]
                pub fn $name(&mut self, $($argument: $type),+) -> Result<()> {
                    self.writer.$writer($($value),+)
                }
            )*
        }
    };
}

events! {
    /// A bool.
    bool(value: bool) => bool(value);
    /// An integer.
    int(value: i64) => int(value);
    /// An integer without sign.
    uint(value: u64) => int_le(&i128::from(value).to_le_bytes());
    /// An integer of up to 128 bits.
    i128(value: i128) => int_le(&value.to_le_bytes());
    /// An integer of up to 128 bits without sign.
    u128(value: u128) => int_le(&wide(value));
    /// An integer of any size. More than 4,300 digits are `data` in protocols 0 and 1, which write them as text.
    big_int(value: &BigInt) => int_le(&value.to_signed_bytes_le());
    /// An integer of any size, as two's complement, little-endian. No bytes mean 0; else as
    /// [`big_int`](Self::big_int).
    big_int_le(bytes: &[u8]) => int_le(bytes);
    /// A float.
    float(value: f64) => float(value);
    /// A complex number.
    complex(real: f64, imaginary: f64) => complex(real, imaginary);
    /// Text.
    str(text: &str) => text(text.as_bytes());
    /// `bytes`. Below protocol 3 they are a call of `_codecs.encode`.
    bytes(bytes: &[u8]) => bytes(bytes);
    /// A `bytearray`. Below protocol 5 it is a call.
    bytearray(bytes: &[u8]) => bytearray(bytes);
    /// Opens a list of so many items.
    begin_list(len: usize) => begin_list(len);
    /// Opens a tuple of so many items.
    begin_tuple(len: usize) => begin_tuple(len);
    /// Opens a dict of so many pairs; keys and values are written in turn.
    begin_dict(len: usize) => begin_dict(len);
    /// Opens a set of so many items. Below protocol 4 it is a call.
    begin_set(len: usize) => begin_set(len);
    /// Opens a frozenset of so many items. Below protocol 4 it is a call.
    begin_frozenset(len: usize) => begin_frozenset(len);
}

impl<'s, B: BufMut> Encoder<'s, B> {
    /// An encoder that works in memory which earlier encoders have used: once that has grown, and
    /// if the buffer has room, it allocates nothing. [`finish`](Self::finish) gives the memory
    /// back; an encoder that is dropped before takes it along.
    #[must_use]
    pub fn with_scratch(buffer: B, protocol: Protocol, scratch: &'s mut EncodeScratch) -> Self {
        Self::of(buffer, protocol, core::mem::take(scratch), Some(scratch))
    }

    fn of(
        buffer: B,
        protocol: Protocol,
        scratch: EncodeScratch,
        home: Option<&'s mut EncodeScratch>,
    ) -> Self {
        let writer = Writer::new(Copying(buffer), protocol, usize::MAX, scratch);
        Self { writer, home, number: next_number() }
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

    /// A whole value.
    ///
    /// # Errors
    /// As [`none`](Self::none), and as [`Value::to_vec`].
    pub fn value(&mut self, value: &Value<'_>) -> Result<()> {
        value::check(value, &self.writer)?;
        value::write(&mut self.writer, value, 0)
    }

    /// A whole document, with its sharing.
    ///
    /// # Errors
    /// As [`none`](Self::none), and as [`Document::to_vec`].
    pub fn document(&mut self, document: &Document<'_>) -> Result<()> {
        // Tried first, so that nothing is written in part.
        graph::copy(document, &mut self.writer.trial())?;
        graph::copy(document, &mut self.writer)
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
    fn blocks(scratch: &EncodeScratch, out: &Vec<u8>) -> [(usize, usize); 4] {
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
            let mut scratch = EncodeScratch::new();
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
