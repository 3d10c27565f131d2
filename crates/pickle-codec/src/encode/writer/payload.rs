//! Text and bytes: short ones on the stage, large ones past it.
//!
//! ```text
//!              text                      bytes                                  bytearray
//! protocol 0   V escaped, line feed      c_codecs encode, (text, "latin1"), R   c__builtin__ bytearray, (bytes,), R
//! 1, 2         X u32                     the same                               the same
//! 3            X u32                     C u8, B u32                            builtins bytearray
//! 4            8c u8, X u32, 8d u64      C, B, 8e u64                           the same
//! 5            the same                  the same                               96 u64
//! ```
//!
//! Most of a log record is short text in the middle of a batch, so that this form has a path of its own in
//! each style ([`Writer::short_text`], [`Writer::short_framed_text`]): one check that there is room for all of
//! it, and then stores without further checks. Whatever does not fit it takes the general path, which gives
//! the same bytes.

use super::{FRAME_TARGET, Spelling, Writer, misuse};
use crate::encode::literal;
use crate::encode::open::{NO_MEMO, Open};
use crate::encode::singles::{OwnName, Single};
use crate::encode::sink::Sink;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;
use crate::wire::text::{Str, latin1};

impl<'v, S: Sink<'v>> Writer<'v, S> {
    /// Text that is valid WTF-8, copied.
    #[inline]
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Result<()> {
        let done = match self.style {
            Spelling::Framed => self.short_framed_text(bytes),
            Spelling::Binary => self.short_text(bytes),
            Spelling::Text => false,
        };
        if done { Ok(()) } else { self.other_text(bytes) }
    }

    /// The name of a field or variant of a Rust type.
    #[cfg(feature = "serde")]
    #[inline]
    pub(crate) fn identifier(&mut self, name: &'static str) -> Result<()> {
        if self.style != Spelling::Text
            && let Some(index) = self.names.get(name)
        {
            let (code, len) = if index < 256 { (b'h', 2) } else { (b'j', 5) };
            let bytes = u64::from(index) << 8 | u64::from(code);
            if self.short_item(bytes.to_le_bytes(), len, index) {
                return Ok(());
            }
        }
        self.identifier_anywhere(name)
    }

    /// A name that has not been written, or stands at another address.
    #[cfg(feature = "serde")]
    #[cold]
    #[inline(never)]
    fn identifier_anywhere(&mut self, name: &'static str) -> Result<()> {
        if let Some(index) = self.names.get(name).or_else(|| self.names.adopt(name)) {
            return self.get(index);
        }
        self.text(name.as_bytes())?;
        if self.last != NO_MEMO {
            self.names.insert(name, self.last);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn other_text(&mut self, bytes: &[u8]) -> Result<()> {
        self.item()?;
        self.text_slow(bytes, None)
    }

    /// Text in its most common form, which is most of a log record: an item in the middle of a
    /// batch, in protocols 1 to 3, with a memo index of one byte and room on the stage. Tells
    /// whether it was that; else nothing has happened.
    #[inline(never)]
    fn short_text(&mut self, bytes: &[u8]) -> bool {
        let len = bytes.len();
        let index = self.memo;
        if self.top.run == 0 || index > 0xff || !(3..FRAME_TARGET).contains(&len) {
            return false;
        }
        let Some(room) = self.stage.get_mut(self.pos..) else { return false };
        let Some(room) = room.get_mut(..len + 7) else { return false };
        let Some(([code, length @ ..], room)) = room.split_first_chunk_mut::<5>() else { return false };
        let Some((body, put)) = room.split_last_chunk_mut::<2>() else { return false };
        *code = b'X';
        *length = (len as u32).to_le_bytes();
        copy(body, bytes);
        self.top.run -= 1;
        if self.memoize {
            let [low, ..] = index.to_le_bytes();
            *put = [b'q', low];
            self.pos += len + 7;
            self.last = index;
            self.memo = index + 1;
        } else {
            self.pos += len + 5;
            self.last = NO_MEMO;
        }
        true
    }

    /// As [`short_text`](Self::short_text) for protocols 4 and 5: text of up to 255 bytes in a frame
    /// that is not full.
    #[inline(never)]
    fn short_framed_text(&mut self, bytes: &[u8]) -> bool {
        let Ok(len) = u8::try_from(bytes.len()) else { return false };
        let size = bytes.len();
        let index = self.memo;
        // Shorter text may be one of those that CPython has only once.
        let is_single = match *bytes {
            [] | [_] => true,
            [first, _] => !first.is_ascii(),
            _ => false,
        };
        if self.top.run == 0 || is_single || index >= NO_MEMO - 1 || self.pos >= self.full {
            return false;
        }
        let Some(room) = self.stage.get_mut(self.pos..) else { return false };
        let Some(room) = room.get_mut(..size + 3) else { return false };
        let Some(([code, length], room)) = room.split_first_chunk_mut::<2>() else { return false };
        let Some((body, [put])) = room.split_last_chunk_mut::<1>() else { return false };
        *code = 0x8c;
        *length = len;
        *put = 0x94;
        copy(body, bytes);
        self.top.run -= 1;
        if self.memoize {
            self.pos += size + 3;
            self.last = index;
            self.memo = index + 1;
        } else {
            self.pos += size + 2;
            self.last = NO_MEMO;
        }
        true
    }

    /// Text that is valid WTF-8, and shared if it is long enough and lives as long as the output.
    pub(crate) fn text_from(&mut self, bytes: &[u8], kept: Option<&'v [u8]>) -> Result<()> {
        let Some(kept) = self.shared(kept) else { return self.text(bytes) };
        self.item()?;
        self.text_slow(bytes, Some(kept))
    }

    /// What is long enough to be shared.
    fn shared(&self, kept: Option<&'v [u8]>) -> Option<&'v [u8]> {
        kept.filter(|bytes| bytes.len() >= self.share_from)
    }

    /// Text of any length in any protocol; not an item of its own.
    #[inline(never)]
    fn text_slow(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        let single = Single::text(bytes);
        if self.get_single(single) {
            return Ok(());
        }
        self.text_opcode(bytes, shared)?;
        self.put_single(single);
        Ok(())
    }

    /// Text without its memo opcode.
    fn text_opcode(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        match self.style {
            Spelling::Text => {
                self.emit(*b"V");
                if literal::is_plain(bytes) {
                    self.body(bytes, shared)?;
                } else {
                    let text = match core::str::from_utf8(bytes) {
                        Ok(text) => Str::Utf8(text),
                        Err(_) => Str::Wtf8(bytes),
                    };
                    for point in text.code_points() {
                        let (escaped, len) = literal::escape(point);
                        self.emit_slice(escaped.get(..len).unwrap_or_default());
                        self.flush_unframed()?;
                    }
                }
                self.emit(*b"\n");
                Ok(())
            }
            Spelling::Binary => self.payload([0, b'X', 0], bytes, shared),
            Spelling::Framed => self.payload([0x8c, b'X', 0x8d], bytes, shared),
        }
    }

    /// `bytes`, copied.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes_from(bytes, None)
    }

    /// `bytes`, shared if they are long enough and live as long as the output.
    pub(crate) fn bytes_from(&mut self, bytes: &[u8], kept: Option<&'v [u8]>) -> Result<()> {
        let shared = self.shared(kept);
        self.item()?;
        let single = Single::bytes(bytes);
        if self.get_single(single) {
            return Ok(());
        }
        self.bytes_new(bytes, shared)?;
        self.note_single(single);
        Ok(())
    }

    /// `bytes` that CPython has no single for, whatever their length.
    fn bytes_new(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        if self.protocol >= Protocol::V3 {
            let long = if self.style == Spelling::Framed { 0x8e } else { 0 };
            self.payload([b'C', b'B', long], bytes, shared)?;
            self.put();
            return Ok(());
        }
        // Below protocol 3 they are text of the same code points, encoded by a call.
        if bytes.is_empty() {
            self.name(OwnName::Bytes)?;
            self.empty_tuple_opcode();
        } else {
            self.name(OwnName::Encode)?;
            if self.protocol < Protocol::V2 {
                self.emit(*b"(");
            }
            self.latin1_text(bytes, shared)?;
            self.latin1_name();
            self.close_tuple(2);
        }
        self.emit(*b"R");
        self.put();
        Ok(())
    }

    /// The text whose code points are these bytes.
    fn latin1_text(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        if bytes.is_ascii() {
            self.text_slow(bytes, shared)
        } else {
            self.text_slow(latin1(bytes).as_bytes(), None)
        }
    }

    /// CPython's interned `'latin1'`.
    fn latin1_name(&mut self) {
        let single = Some(Single::name(OwnName::Latin1));
        if !self.get_single(single) {
            if self.style == Spelling::Text {
                self.emit(*b"Vlatin1\n");
            } else {
                self.emit(*b"X\x06\0\0\0latin1");
            }
            self.put_single(single);
        }
    }

    pub(crate) fn bytearray(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytearray_from(bytes, None)
    }

    /// A `bytearray`; else as [`bytes_from`](Self::bytes_from).
    pub(crate) fn bytearray_from(&mut self, bytes: &[u8], kept: Option<&'v [u8]>) -> Result<()> {
        let shared = self.shared(kept);
        self.check_hashable()?;
        self.item()?;
        if self.protocol >= Protocol::V5 {
            self.payload([0, 0, 0x96], bytes, shared)?;
            self.put();
            return Ok(());
        }
        self.push(Open::parts());
        self.name(OwnName::ByteArray)?;
        if bytes.is_empty() {
            self.item()?;
            self.empty_tuple_opcode();
        } else {
            self.item()?;
            if self.protocol < Protocol::V2 {
                self.emit(*b"(");
            }
            self.item()?;
            self.bytes_new(bytes, shared)?;
            self.close_tuple(1);
        }
        self.emit(*b"R");
        self.put();
        self.pop();
        Ok(())
    }

    /// A payload behind its opcode and length, by the shortest of three forms (a length of 8, 32 or 64 bits) that
    /// there is; 0 stands for none. A large one goes past the stage and outside the frames.
    fn payload(
        &mut self,
        [short, long, huge]: [u8; 3],
        bytes: &[u8],
        shared: Option<&'v [u8]>,
    ) -> Result<()> {
        let len = (bytes.len() as u64).to_le_bytes();
        let [b0, b1, b2, b3, rest @ ..] = len;
        if huge == 0 && rest != [0; 4] {
            return Err(misuse("text or bytes of 4 GiB or more need protocol 4"));
        }
        if bytes.len() >= FRAME_TARGET && self.style == Spelling::Framed {
            self.flush()?;
        }
        match rest {
            [0, 0, 0, 0] if short != 0 && bytes.len() < 256 => self.emit([short, b0]),
            [0, 0, 0, 0] if long != 0 => self.emit([long, b0, b1, b2, b3]),
            _ => {
                self.emit([huge]);
                self.emit(len);
            }
        }
        self.body(bytes, shared)
    }

    /// What follows opcode and length.
    fn body(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        if bytes.len() >= FRAME_TARGET {
            if self.style == Spelling::Framed {
                // Opcode and length are all that there is on the stage.
                let outcome = self.sink.put(self.stage.get(..self.pos).unwrap_or_default());
                self.pos = 0;
                self.unless_broken(outcome)?;
            } else {
                self.flush()?;
            }
            let outcome = match shared {
                Some(shared) => self.sink.share(shared),
                None => self.sink.put(bytes),
            };
            return self.unless_broken(outcome);
        }
        match shared {
            Some(shared) => {
                self.holes.push((self.pos, shared));
                self.full = self.full.saturating_sub(shared.len());
            }
            None => self.emit_slice(bytes),
        }
        Ok(())
    }

    /// Whatever follows what the sink has refused would not fit its place in the output.
    pub(super) fn unless_broken(&mut self, outcome: Result<(), ErrorKind>) -> Result<()> {
        outcome.map_err(|kind| {
            self.broken = Some(kind);
            Error::plain(kind)
        })
    }

    /// Hands a full stage on inside a long text; there are no frames below protocol 4.
    #[inline]
    pub(super) fn flush_unframed(&mut self) -> Result<()> {
        if self.pos >= FRAME_TARGET && self.style != Spelling::Framed { self.flush() } else { Ok(()) }
    }
}

/// Copies a slice, without a call where two overlapping words cover it.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    let done = match from.len() {
        2..=3 => ends::<2>(to, from),
        4..=7 => ends::<4>(to, from),
        8..=15 => ends::<8>(to, from),
        16..=32 => ends::<16>(to, from),
        _ => false,
    };
    if !done {
        to.copy_from_slice(from);
    }
}

/// Copies the first and the last N bytes.
#[inline]
fn ends<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
    let (Some(head), Some(tail)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else { return false };
    let Some(place) = to.first_chunk_mut::<N>() else { return false };
    *place = *head;
    let Some(place) = to.last_chunk_mut::<N>() else { return false };
    *place = *tail;
    true
}
