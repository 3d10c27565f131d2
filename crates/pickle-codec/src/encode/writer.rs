//! The opcodes of values as `Modules/_pickle.c` writes them, staged frame by frame.
//!
//! Everything goes to a stage first. From protocol 4 on, the stage is the pickle FRAME at hand;
//! below, it is a buffer that is handed on at the same size.

use alloc::string::String;
use alloc::vec::Vec;

use super::literal::{self, Decimal};
use super::open::{BATCH, Batch, NO_MEMO, Open, Shape};
use super::singles::{Name, Single, Singles};
use super::sink::{Scratch, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::number;
use crate::protocol::Protocol;
use crate::text::Str;

/// A frame that has reached this size is closed: `FRAME_SIZE_TARGET`.
pub(crate) const FRAME_TARGET: usize = 64 << 10;

/// A frame shorter than this is written without its header: `FRAME_SIZE_MIN`.
const FRAME_MIN: usize = 4;

/// Digits of the longest integer that has a text form: CPython's `sys.int_info.default_max_str_digits`.
const MAX_DIGITS: usize = 4_300;

/// How opcodes look, which is not quite the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Protocol 0.
    Text,
    /// Protocols 1 to 3.
    Binary,
    /// Protocols 4 and 5.
    Framed,
}

#[derive(Debug)]
pub(crate) struct Writer<'v, S> {
    pub(crate) sink: S,
    stage: Vec<u8>,
    /// Used bytes of the stage.
    pos: usize,
    /// Shared bytes and where in the stage they belong.
    holes: Vec<(usize, &'v [u8])>,
    hole_bytes: usize,
    /// Payloads of this length are shared with the sink.
    share_from: usize,
    protocol: Protocol,
    style: Style,
    pub(crate) memoize: bool,
    /// The prefix of protocol 4 and up has been handed on.
    started: bool,
    /// Memo entries so far.
    memo: u32,
    /// Memo index of the value written last, or `NO_MEMO`.
    pub(crate) last: u32,
    /// What cannot be reported where it happens, and makes `finish` fail.
    broken: Option<ErrorKind>,
    top: Open,
    open: Vec<Open>,
    singles: Singles,
}

#[cold]
#[inline(never)]
fn misuse(text: &str) -> Error {
    Error::message(text)
}

impl<'v, S: Sink<'v>> Writer<'v, S> {
    pub(crate) fn new(sink: S, protocol: Protocol, share_from: usize, scratch: Scratch) -> Self {
        let Scratch { stage, mut open, mut singles } = scratch;
        open.clear();
        singles.clear();
        let mut writer = Self {
            sink,
            stage,
            pos: 0,
            holes: Vec::new(),
            hole_bytes: 0,
            share_from,
            protocol,
            style: match protocol {
                Protocol::V0 => Style::Text,
                Protocol::V1 | Protocol::V2 | Protocol::V3 => Style::Binary,
                Protocol::V4 | Protocol::V5 => Style::Framed,
            },
            memoize: true,
            started: false,
            memo: 0,
            last: NO_MEMO,
            broken: None,
            top: Open::root(),
            open,
            singles,
        };
        if matches!(protocol, Protocol::V2 | Protocol::V3) {
            writer.emit([0x80, protocol.get()]);
        }
        writer
    }

    /// Writes STOP and hands everything on.
    pub(crate) fn finish(mut self) -> Result<(S, Scratch)> {
        if self.top.shape != Shape::Root || self.top.left != 0 {
            return Err(misuse("the pickle is not complete: a value or an end is missing"));
        }
        self.emit(*b".");
        self.flush()?;
        if let Some(kind) = self.broken {
            return Err(Error::plain(kind));
        }
        Ok((self.sink, Scratch { stage: self.stage, open: self.open, singles: self.singles }))
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Memo entries so far.
    pub(crate) const fn entries(&self) -> u32 {
        self.memo
    }

    // ===== The stage =====

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let len = (self.stage.len() * 2).max(self.pos + more).max(1 << 10);
        self.stage.resize(len, 0);
    }

    /// Room for `more` bytes at the position and behind it.
    #[inline]
    fn room(&mut self, more: usize) -> &mut [u8] {
        if self.stage.len() - self.pos < more {
            self.grow(more);
        }
        self.stage.get_mut(self.pos..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn emit<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.room(N).first_chunk_mut::<N>() {
            *place = bytes;
            self.pos += N;
        }
    }

    #[inline]
    fn emit_slice(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room(bytes.len()).get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            self.pos += bytes.len();
        }
    }

    /// Hands the stage on; from protocol 4 on as a frame.
    #[cold]
    #[inline(never)]
    fn flush(&mut self) -> Result<()> {
        let outcome = self.hand_on();
        self.pos = 0;
        self.hole_bytes = 0;
        self.holes.clear();
        outcome.map_err(|kind| {
            // Whatever follows would not fit its place in the output.
            self.broken = Some(kind);
            Error::plain(kind)
        })
    }

    fn hand_on(&mut self) -> Result<(), ErrorKind> {
        if self.style == Style::Framed {
            if !self.started {
                self.sink.put(&[0x80, self.protocol.get()])?;
                self.started = true;
            }
            let len = self.pos + self.hole_bytes;
            if len >= FRAME_MIN {
                let mut header = [0x95, 0, 0, 0, 0, 0, 0, 0, 0];
                header[1..].copy_from_slice(&(len as u64).to_le_bytes());
                self.sink.put(&header)?;
            }
        }
        let mut done = 0;
        for &(place, bytes) in &self.holes {
            self.sink.put(self.stage.get(done..place).unwrap_or_default())?;
            self.sink.share(bytes)?;
            done = place;
        }
        self.sink.put(self.stage.get(done..self.pos).unwrap_or_default())
    }

    // ===== Values and their places =====

    /// What happens before every value: the container's batch turns over, a full frame is closed.
    #[inline]
    pub(crate) fn item(&mut self) -> Result<()> {
        if self.top.run == 0 {
            self.turn()?;
        }
        self.top.run -= 1;
        if self.pos + self.hole_bytes >= FRAME_TARGET {
            self.flush()?;
        }
        Ok(())
    }

    #[inline(never)]
    fn turn(&mut self) -> Result<()> {
        if self.top.left == 0 {
            return Err(if self.top.shape == Shape::Root {
                misuse("the pickle has its value already")
            } else {
                misuse("more items than were announced")
            });
        }
        self.close_batch();
        let (unit, iterated) = match self.top.shape {
            Shape::List | Shape::CalledSet | Shape::CalledFrozenSet => (1, false),
            Shape::Items => (1, true),
            Shape::Dict => (2, false),
            Shape::Pairs => (2, true),
            Shape::Set => {
                self.open_batch(1);
                return Ok(());
            }
            Shape::Root | Shape::FrozenSet | Shape::Tuple | Shape::Parts => {
                let run = u32::try_from(self.top.left).unwrap_or(u32::MAX);
                self.top.run = run;
                self.top.left -= u64::from(run);
                return Ok(());
            }
        };
        let alone = self.top.left == u64::from(unit) && (iterated || !self.top.begun);
        if self.style == Style::Text || alone {
            self.top.run = unit;
            self.top.left -= u64::from(unit);
            self.top.batch = Batch::Single;
            self.top.full = false;
            self.top.begun = true;
        } else {
            self.open_batch(unit);
        }
        Ok(())
    }

    fn open_batch(&mut self, unit: u32) {
        let most = BATCH * unit;
        let run = u32::try_from(self.top.left).unwrap_or(u32::MAX).min(most);
        self.top.run = run;
        self.top.left -= u64::from(run);
        self.top.batch = Batch::Many;
        self.top.full = run == most;
        self.top.begun = true;
        self.emit(*b"(");
    }

    fn close_batch(&mut self) {
        let batch = core::mem::replace(&mut self.top.batch, Batch::None);
        let code = match (self.top.shape, batch) {
            (_, Batch::None) => return,
            (Shape::Dict | Shape::Pairs, Batch::Single) => b's',
            (Shape::Dict | Shape::Pairs, Batch::Many) => b'u',
            (Shape::Set, _) => 0x90,
            (_, Batch::Single) => b'a',
            (_, Batch::Many) => b'e',
        };
        self.emit([code]);
    }

    #[inline]
    pub(crate) fn push(&mut self, open: Open) {
        self.open.push(core::mem::replace(&mut self.top, open));
    }

    pub(crate) fn pop(&mut self) -> Open {
        let below = self.open.pop().unwrap_or(Open::root());
        core::mem::replace(&mut self.top, below)
    }

    // ===== The memo =====

    #[inline]
    pub(crate) fn put(&mut self) {
        if !self.memoize {
            self.last = NO_MEMO;
            return;
        }
        let index = self.memo;
        self.last = index;
        if index >= NO_MEMO - 1 {
            self.broken = Some(ErrorKind::Budget);
            return;
        }
        self.memo = index + 1;
        match self.style {
            Style::Framed => self.emit([0x94]),
            Style::Binary => self.memo_operand(b'q', b'r', index),
            Style::Text => self.memo_line(b'p', index),
        }
    }

    #[inline]
    fn memo_operand(&mut self, short: u8, long: u8, index: u32) {
        let [low, b1, b2, b3] = index.to_le_bytes();
        if index < 256 {
            self.emit([short, low]);
        } else {
            self.emit([long, low, b1, b2, b3]);
        }
    }

    #[cold]
    fn memo_line(&mut self, code: u8, index: u32) {
        self.emit([code]);
        self.emit_slice(Decimal::new(i64::from(index)).as_bytes());
        self.emit(*b"\n");
    }

    /// GET, without being an item of its own.
    pub(crate) fn get_opcode(&mut self, index: u32) {
        match self.style {
            Style::Text => self.memo_line(b'g', index),
            Style::Binary | Style::Framed => self.memo_operand(b'h', b'j', index),
        }
        self.last = index;
    }

    /// A value that the memo has.
    pub(crate) fn get(&mut self, index: u32) -> Result<()> {
        if index >= self.memo {
            return Err(Error::plain(ErrorKind::Memo));
        }
        self.item()?;
        self.get_opcode(index);
        Ok(())
    }

    /// GET of a single that has been written; tells whether it was one.
    fn get_single(&mut self, single: Option<Single>) -> bool {
        match single.and_then(|single| self.singles.get(single)) {
            Some(index) => {
                self.get_opcode(index);
                true
            }
            None => false,
        }
    }

    /// PUT of what was just written, noted if it is a single.
    fn put_single(&mut self, single: Option<Single>) {
        self.put();
        if let Some(single) = single
            && self.last != NO_MEMO
        {
            self.singles.set(single, self.last);
        }
    }

    // ===== Scalars =====

    #[inline]
    pub(crate) fn none(&mut self) -> Result<()> {
        self.item()?;
        self.emit(*b"N");
        self.last = NO_MEMO;
        Ok(())
    }

    #[inline]
    pub(crate) fn bool(&mut self, value: bool) -> Result<()> {
        self.item()?;
        self.last = NO_MEMO;
        match (self.protocol, value) {
            (Protocol::V0 | Protocol::V1, false) => self.emit(*b"I00\n"),
            (Protocol::V0 | Protocol::V1, true) => self.emit(*b"I01\n"),
            (_, false) => self.emit([0x89]),
            (_, true) => self.emit([0x88]),
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn int(&mut self, value: i64) -> Result<()> {
        self.item()?;
        self.last = NO_MEMO;
        match i32::try_from(value) {
            Ok(value) if self.style != Style::Text => {
                let [b0, b1, b2, b3] = value.to_le_bytes();
                match value {
                    0..=0xff => self.emit([b'K', b0]),
                    0x100..=0xffff => self.emit([b'M', b0, b1]),
                    _ => self.emit([b'J', b0, b1, b2, b3]),
                }
            }
            Ok(_) => self.int_line(value, b"I", b"\n"),
            Err(_) if self.protocol <= Protocol::V1 => self.int_line(value, b"L", b"L\n"),
            Err(_) => {
                let bytes = value.to_le_bytes();
                self.long_bytes(number::minimal(&bytes))?;
            }
        }
        Ok(())
    }

    fn int_line(&mut self, value: i64, head: &[u8], tail: &[u8]) {
        self.emit_slice(head);
        self.emit_slice(Decimal::new(value).as_bytes());
        self.emit_slice(tail);
    }

    /// An integer as little-endian two's complement of any length.
    pub(crate) fn int_le(&mut self, bytes: &[u8]) -> Result<()> {
        let bytes = number::minimal(bytes);
        if let Some(value) = number::small(bytes) {
            return self.int(value);
        }
        if self.protocol <= Protocol::V1 {
            // CPython refuses, too: the conversion takes quadratic time.
            let digits = if bytes.len() > MAX_DIGITS {
                String::new()
            } else {
                alloc::format!("{}", number::big(bytes))
            };
            let len = digits.strip_prefix('-').unwrap_or(&digits).len();
            if len == 0 || len > MAX_DIGITS {
                return Err(misuse("an integer of more than 4300 digits has no text form"));
            }
            self.item()?;
            self.emit(*b"L");
            self.emit_slice(digits.as_bytes());
            self.emit(*b"L\n");
        } else {
            self.item()?;
            self.long_bytes(bytes)?;
        }
        self.last = NO_MEMO;
        Ok(())
    }

    fn long_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.emit([0x8a, len]);
        } else {
            let Ok(len) = i32::try_from(bytes.len()) else {
                return Err(misuse("an integer of 2 GiB or more cannot be pickled"));
            };
            let [b0, b1, b2, b3] = len.to_le_bytes();
            self.emit([0x8b, b0, b1, b2, b3]);
        }
        self.emit_slice(bytes);
        Ok(())
    }

    #[inline]
    pub(crate) fn float(&mut self, value: f64) -> Result<()> {
        self.item()?;
        self.last = NO_MEMO;
        if self.style == Style::Text {
            self.float_line(value);
        } else {
            let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_be_bytes();
            self.emit([b'G', b0, b1, b2, b3, b4, b5, b6, b7]);
        }
        Ok(())
    }

    #[cold]
    fn float_line(&mut self, value: f64) {
        let mut text = String::from("F");
        literal::float_repr(value, &mut text);
        text.push('\n');
        self.emit_slice(text.as_bytes());
    }

    // ===== Text and bytes =====

    /// Text that is valid WTF-8, copied.
    #[inline]
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Result<()> {
        self.item()?;
        let len = bytes.len();
        if self.style == Style::Binary && len > 2 && len < FRAME_TARGET && self.memoize {
            // One look at the room for header, text and memo opcode: this is most of a log record.
            let index = self.memo;
            if index < NO_MEMO - 1 {
                let room = self.room(len + 10);
                if let Some((head, rest)) = room.split_first_chunk_mut::<5>()
                    && let Some((body, rest)) = rest.split_at_mut_checked(len)
                {
                    let [b0, b1, b2, b3] = (len as u32).to_le_bytes();
                    *head = [b'X', b0, b1, b2, b3];
                    copy(body, bytes);
                    let [low, b1, b2, b3] = index.to_le_bytes();
                    let mut used = len + 7;
                    if index < 256 {
                        if let Some(put) = rest.first_chunk_mut::<2>() {
                            *put = [b'q', low];
                        }
                    } else if let Some(put) = rest.first_chunk_mut::<5>() {
                        *put = [b'r', low, b1, b2, b3];
                        used += 3;
                    }
                    self.pos += used;
                    self.last = index;
                    self.memo = index + 1;
                    return Ok(());
                }
            }
        }
        self.text_slow(bytes, None)
    }

    /// Text that is valid WTF-8 and lives as long as the output.
    pub(crate) fn text_shared(&mut self, bytes: &'v [u8]) -> Result<()> {
        if bytes.len() < self.share_from {
            return self.text(bytes);
        }
        self.item()?;
        self.text_slow(bytes, Some(bytes))
    }

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

    fn text_opcode(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        match self.style {
            Style::Text => {
                self.emit(*b"V");
                if literal::is_plain(bytes) {
                    self.payload(&[], bytes, shared)?;
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
            Style::Binary => {
                let header = self.header(0, b'X', 0, bytes.len())?;
                self.payload(header.as_slice(), bytes, shared)
            }
            Style::Framed => {
                let header = self.header(0x8c, b'X', 0x8d, bytes.len())?;
                self.payload(header.as_slice(), bytes, shared)
            }
        }
    }

    /// `bytes`, copied.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes_any(bytes, None)
    }

    /// `bytes` that live as long as the output.
    pub(crate) fn bytes_shared(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.bytes_any(bytes, (bytes.len() >= self.share_from).then_some(bytes))
    }

    fn bytes_any(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        self.item()?;
        let single = Single::bytes(bytes);
        if self.get_single(single) {
            return Ok(());
        }
        self.bytes_new(bytes, shared)?;
        if let Some(single) = single
            && self.last != NO_MEMO
        {
            self.singles.set(single, self.last);
        }
        Ok(())
    }

    /// `bytes` that CPython has no single for, whatever their length.
    fn bytes_new(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        if self.protocol >= Protocol::V3 {
            let long = if self.style == Style::Framed { 0x8e } else { 0 };
            let header = self.header(b'C', b'B', long, bytes.len())?;
            self.payload(header.as_slice(), bytes, shared)?;
            self.put();
            return Ok(());
        }
        // Below protocol 3 they are text of the same code points, encoded by a call.
        if bytes.is_empty() {
            self.name(Name::Bytes)?;
            self.empty_tuple_opcode();
        } else {
            self.name(Name::Encode)?;
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
            return self.text_slow(bytes, shared);
        }
        let high = |byte: u8| [0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)];
        let single = match bytes {
            [byte] => Single::text(&high(*byte)),
            _ => None,
        };
        if self.get_single(single) {
            return Ok(());
        }
        if self.style == Style::Text {
            self.emit(*b"V");
            for &byte in bytes {
                let (escaped, len) = literal::escape(u32::from(byte));
                self.emit_slice(escaped.get(..len).unwrap_or_default());
                self.flush_unframed()?;
            }
            self.emit(*b"\n");
        } else {
            let len = bytes.len() + bytes.iter().filter(|byte| !byte.is_ascii()).count();
            let header = self.header(0, b'X', 0, len)?;
            self.emit_slice(header.as_slice());
            for &byte in bytes {
                if byte.is_ascii() {
                    self.emit([byte]);
                } else {
                    self.emit(high(byte));
                }
                self.flush_unframed()?;
            }
        }
        self.put_single(single);
        Ok(())
    }

    /// CPython's interned `'latin1'`.
    fn latin1_name(&mut self) {
        let single = Some(Single::name(Name::Latin1));
        if !self.get_single(single) {
            if self.style == Style::Text {
                self.emit(*b"Vlatin1\n");
            } else {
                self.emit(*b"X\x06\0\0\0latin1");
            }
            self.put_single(single);
        }
    }

    pub(crate) fn bytearray(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytearray_any(bytes, None)
    }

    pub(crate) fn bytearray_shared(&mut self, bytes: &'v [u8]) -> Result<()> {
        self.bytearray_any(bytes, (bytes.len() >= self.share_from).then_some(bytes))
    }

    fn bytearray_any(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        self.item()?;
        if self.protocol >= Protocol::V5 {
            let mut header = [0x96, 0, 0, 0, 0, 0, 0, 0, 0];
            header[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            self.payload(&header, bytes, shared)?;
            self.put();
            return Ok(());
        }
        self.push(Open::parts());
        self.name(Name::ByteArray)?;
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

    /// The opcode and length of a payload: by the shortest of three forms, 0 standing for none.
    fn header(&self, short: u8, long: u8, huge: u8, len: usize) -> Result<Header> {
        let wide = (len as u64).to_le_bytes();
        let [b0, b1, b2, b3, ..] = wide;
        if len < 256 && short != 0 {
            return Ok(Header::new(&[short, b0]));
        }
        if u32::try_from(len).is_ok() {
            return Ok(Header::new(&[long, b0, b1, b2, b3]));
        }
        if huge == 0 {
            return Err(misuse("text or bytes of 4 GiB or more need protocol 4"));
        }
        let mut bytes = [huge, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[1..].copy_from_slice(&wide);
        Ok(Header::new(&bytes))
    }

    /// A header and its payload; a large payload goes by the stage and outside the frames.
    fn payload(&mut self, header: &[u8], bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        if bytes.len() >= FRAME_TARGET {
            if self.style == Style::Framed {
                self.flush()?;
                self.direct(header, None)?;
            } else {
                self.emit_slice(header);
                self.flush()?;
            }
            return self.direct(bytes, shared);
        }
        self.emit_slice(header);
        match shared {
            Some(shared) => {
                self.holes.push((self.pos, shared));
                self.hole_bytes += shared.len();
            }
            None => self.emit_slice(bytes),
        }
        Ok(())
    }

    fn direct(&mut self, bytes: &[u8], shared: Option<&'v [u8]>) -> Result<()> {
        let outcome = match shared {
            Some(shared) => self.sink.share(shared),
            None => self.sink.put(bytes),
        };
        outcome.map_err(|kind| {
            self.broken = Some(kind);
            Error::plain(kind)
        })
    }

    /// Hands a full stage on inside a long text; there are no frames below protocol 4.
    #[inline]
    fn flush_unframed(&mut self) -> Result<()> {
        if self.pos >= FRAME_TARGET && self.style != Style::Framed { self.flush() } else { Ok(()) }
    }

    // ===== Names =====

    /// A global that the encoder names on its own account, as a part of a call.
    pub(crate) fn name(&mut self, name: Name) -> Result<()> {
        if self.pos + self.hole_bytes >= FRAME_TARGET {
            self.flush()?;
        }
        let single = Some(Single::name(name));
        if self.get_single(single) {
            return Ok(());
        }
        let old = self.protocol < Protocol::V3;
        let name_text = match name {
            Name::Encode | Name::Latin1 => "encode",
            Name::Bytes => "bytes",
            Name::ByteArray => "bytearray",
            Name::Set => "set",
            Name::FrozenSet => "frozenset",
            Name::Complex => "complex",
            Name::NewObj => "__newobj__",
            Name::NewObjEx => "__newobj_ex__",
            Name::Reconstructor => "_reconstructor",
            Name::Object => "object",
            // Python 2's names of these types: `REVERSE_NAME_MAPPING` in `Lib/_compat_pickle.py`.
            Name::Int if old => "long",
            Name::Int => "int",
            Name::Float => "float",
            Name::Str if old => "unicode",
            Name::Str => "str",
            Name::List => "list",
            Name::Tuple => "tuple",
            Name::Dict => "dict",
        };
        let module = match name {
            Name::Encode | Name::Latin1 => "_codecs",
            Name::NewObj | Name::NewObjEx | Name::Reconstructor if old => "copy_reg",
            Name::NewObj | Name::NewObjEx | Name::Reconstructor => "copyreg",
            _ if old => "__builtin__",
            _ => "builtins",
        };
        let name = name_text;
        self.global_opcode(Str::Utf8(module), Str::Utf8(name))?;
        self.put_single(single);
        Ok(())
    }

    /// A global by its names; the second time a GET. It is an item of its own.
    pub(crate) fn global(&mut self, module: Str<'_>, name: Str<'_>) -> Result<()> {
        self.item()?;
        if self.get_global(module, name) {
            return Ok(());
        }
        self.global_opcode(module, name)?;
        self.put_global(module, name);
        Ok(())
    }

    /// The single that a global's names mean, if the encoder writes it by itself, too.
    fn named(module: Str<'_>, name: Str<'_>) -> Option<Single> {
        let name = match (module.as_str()?, name.as_str()?) {
            ("_codecs", "encode") => Name::Encode,
            ("builtins" | "__builtin__", name) => match name {
                "bytes" => Name::Bytes,
                "bytearray" => Name::ByteArray,
                "set" => Name::Set,
                "frozenset" => Name::FrozenSet,
                "complex" => Name::Complex,
                "object" => Name::Object,
                "int" | "long" => Name::Int,
                "float" => Name::Float,
                "str" | "unicode" => Name::Str,
                "list" => Name::List,
                "tuple" => Name::Tuple,
                "dict" => Name::Dict,
                _ => return None,
            },
            ("copyreg" | "copy_reg", "_reconstructor") => Name::Reconstructor,
            ("copyreg" | "copy_reg", "__newobj__") => Name::NewObj,
            ("copyreg" | "copy_reg", "__newobj_ex__") => Name::NewObjEx,
            _ => return None,
        };
        Some(Single::name(name))
    }

    fn global_key(module: Str<'_>, name: Str<'_>) -> Vec<u8> {
        let mut key = module.as_bytes().to_vec();
        key.push(0);
        key.extend_from_slice(name.as_bytes());
        key
    }

    pub(crate) fn get_global(&mut self, module: Str<'_>, name: Str<'_>) -> bool {
        if let Some(single) = Self::named(module, name) {
            return self.get_single(Some(single));
        }
        match self.singles.interned(&Self::global_key(module, name)) {
            Some(index) => {
                self.get_opcode(index);
                true
            }
            None => false,
        }
    }

    pub(crate) fn put_global(&mut self, module: Str<'_>, name: Str<'_>) {
        let single = Self::named(module, name);
        self.put_single(single);
        if single.is_none() && self.last != NO_MEMO {
            self.singles.intern(Self::global_key(module, name), self.last);
        }
    }

    pub(crate) fn global_opcode(&mut self, module: Str<'_>, name: Str<'_>) -> Result<()> {
        if self.style == Style::Framed {
            self.push(Open::parts());
            if owns_module_text(module, name) {
                self.text(module.as_bytes())?;
            } else {
                self.interned(module)?;
            }
            self.text(name.as_bytes())?;
            self.pop();
            self.emit([0x93]);
            return Ok(());
        }
        let is_line =
            |text: Str<'_>| text.as_str().is_some_and(|text| !text.is_empty() && !text.contains('\n'));
        if !is_line(module) || !is_line(name) {
            return Err(misuse("the name of a global is no line of text"));
        }
        self.emit(*b"c");
        self.emit_slice(module.as_bytes());
        self.emit(*b"\n");
        self.emit_slice(name.as_bytes());
        self.emit(*b"\n");
        Ok(())
    }

    /// A persistent id of protocol 0.
    pub(crate) fn persid_line(&mut self, line: &[u8]) {
        self.emit(*b"P");
        self.emit_slice(line);
        self.emit(*b"\n");
        self.last = NO_MEMO;
    }

    /// A text that CPython interns because it names something.
    pub(crate) fn interned(&mut self, text: Str<'_>) -> Result<()> {
        if let Some(index) = self.singles.interned(text.as_bytes()) {
            return self.get(index);
        }
        self.text(text.as_bytes())?;
        if self.last != NO_MEMO {
            self.singles.intern(text.as_bytes().to_vec(), self.last);
        }
        Ok(())
    }

    // ===== Containers =====

    fn begin(&mut self, shape: Shape, len: usize, unit: u64) -> Result<Open> {
        let left = (len as u64).checked_mul(unit).ok_or_else(|| Error::plain(ErrorKind::Budget))?;
        self.item()?;
        Ok(Open::new(shape, left, NO_MEMO))
    }

    #[inline]
    pub(crate) fn begin_list(&mut self, len: usize) -> Result<()> {
        let mut open = self.begin(Shape::List, len, 1)?;
        self.empty_list();
        open.memo = self.last;
        self.push(open);
        Ok(())
    }

    fn empty_list(&mut self) {
        if self.style == Style::Text {
            self.emit(*b"(l");
        } else {
            self.emit(*b"]");
        }
        self.put();
    }

    #[inline]
    pub(crate) fn begin_dict(&mut self, len: usize) -> Result<()> {
        let mut open = self.begin(Shape::Dict, len, 2)?;
        if self.style == Style::Text {
            self.emit(*b"(d");
        } else {
            self.emit(*b"}");
        }
        self.put();
        open.memo = self.last;
        self.push(open);
        Ok(())
    }

    pub(crate) fn begin_tuple(&mut self, len: usize) -> Result<()> {
        let mut open = self.begin(Shape::Tuple, len, 1)?;
        open.arity = u8::try_from(len).unwrap_or(4).min(4);
        match open.arity {
            0 => self.empty_tuple_opcode(),
            1..=3 if self.protocol >= Protocol::V2 => {}
            _ => self.emit(*b"("),
        }
        self.last = NO_MEMO;
        self.push(open);
        Ok(())
    }

    pub(crate) fn begin_set(&mut self, len: usize) -> Result<()> {
        self.begin_any_set(len, Shape::Set, Shape::CalledSet, Name::Set)
    }

    pub(crate) fn begin_frozenset(&mut self, len: usize) -> Result<()> {
        self.begin_any_set(len, Shape::FrozenSet, Shape::CalledFrozenSet, Name::FrozenSet)
    }

    fn begin_any_set(&mut self, len: usize, own: Shape, called: Shape, name: Name) -> Result<()> {
        let mut open = self.begin(own, len, 1)?;
        self.last = NO_MEMO;
        if self.style != Style::Framed {
            // A call with a list of the items.
            open.shape = called;
            self.name(name)?;
            if self.protocol < Protocol::V2 {
                self.emit(*b"(");
            }
            self.empty_list();
            self.last = NO_MEMO;
        } else if own == Shape::Set {
            self.emit([0x8f]);
            self.put();
            open.memo = self.last;
        } else {
            self.emit(*b"(");
        }
        self.push(open);
        Ok(())
    }

    /// `complex`, a call with two floats.
    pub(crate) fn complex(&mut self, real: f64, imaginary: f64) -> Result<()> {
        self.item()?;
        self.push(Open::parts());
        self.name(Name::Complex)?;
        self.item()?;
        if self.protocol < Protocol::V2 {
            self.emit(*b"(");
        }
        self.float(real)?;
        self.float(imaginary)?;
        self.close_tuple(2);
        self.emit(*b"R");
        self.put();
        self.pop();
        Ok(())
    }

    /// The end of the innermost container.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.end_as(None)
    }

    /// The end of a container which may have got into the memo while its items were written: then
    /// they are taken back, as `Modules/_pickle.c` does for tuples that contain themselves.
    pub(crate) fn end_as(&mut self, known: Option<u32>) -> Result<()> {
        if self.top.run != 0 || self.top.left != 0 || self.top.shape == Shape::Parts {
            return Err(misuse("fewer items than were announced"));
        }
        if self.top.shape == Shape::Root {
            return Err(misuse("an end without a beginning"));
        }
        self.close_batch();
        let done = self.pop();
        self.last = done.memo;
        match (done.shape, known) {
            (Shape::Dict, _) if done.full => self.emit(*b"(u"),
            (Shape::Set, _) if done.full => self.emit([b'(', 0x90]),
            (Shape::Tuple, _) if done.arity == 0 => {}
            (Shape::Tuple, Some(index)) => {
                if done.arity < 4 && self.protocol >= Protocol::V2 {
                    for _ in 0..done.arity {
                        self.emit(*b"0");
                    }
                } else if self.style == Style::Text {
                    return Err(misuse("a recursive tuple needs its length"));
                } else {
                    self.emit(*b"1");
                }
                self.get_opcode(index);
            }
            (Shape::Tuple, None) => self.close_tuple(done.arity),
            (Shape::FrozenSet, Some(index)) => {
                self.emit(*b"1");
                self.get_opcode(index);
            }
            (Shape::FrozenSet, None) => {
                self.emit([0x91]);
                self.put();
            }
            (Shape::CalledSet | Shape::CalledFrozenSet, known) => {
                self.close_tuple(1);
                self.emit(*b"R");
                self.end_call(known);
            }
            _ => {}
        }
        Ok(())
    }

    /// A recursive tuple of protocol 0, whose items are popped one by one.
    pub(crate) fn end_text_tuple(&mut self, len: usize, index: u32) -> Result<()> {
        self.pop();
        for _ in 0..=len {
            self.emit(*b"0");
            self.flush_unframed()?;
        }
        self.get_opcode(index);
        Ok(())
    }

    /// What follows REDUCE: PUT, or POP and GET if the object is in the memo already. Tells whether
    /// it is new.
    pub(crate) fn end_call(&mut self, known: Option<u32>) -> bool {
        match known {
            Some(index) => {
                self.emit(*b"0");
                self.get_opcode(index);
                false
            }
            None => {
                self.put();
                true
            }
        }
    }

    pub(crate) fn empty_tuple_opcode(&mut self) {
        if self.style == Style::Text {
            self.emit(*b"(t");
        } else {
            self.emit(*b")");
        }
    }

    /// The end of a tuple that is not empty; from protocol 2 on, short ones have no mark.
    pub(crate) fn close_tuple(&mut self, arity: u8) {
        match arity {
            1..=3 if self.protocol >= Protocol::V2 => self.emit([0x84 + arity]),
            _ => self.emit(*b"t"),
        }
        self.put();
    }

    /// Whether the innermost container is what an object is given.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.top.shape, Shape::Items | Shape::Pairs)
    }

    /// What an object gets by APPENDS or SETITEMS; not an item of its own, ended by `end`.
    pub(crate) fn begin_given(&mut self, shape: Shape, len: usize) {
        let unit = if shape == Shape::Pairs { 2 } else { 1 };
        self.push(Open::new(shape, (len as u64).saturating_mul(unit), NO_MEMO));
    }
}

/// The types in `builtins` that are no exceptions. Its functions have another text for their module.
const BUILTIN_TYPES: [&str; 25] = [
    "bool",
    "bytearray",
    "bytes",
    "classmethod",
    "complex",
    "dict",
    "enumerate",
    "filter",
    "float",
    "frozenset",
    "int",
    "list",
    "map",
    "memoryview",
    "object",
    "property",
    "range",
    "reversed",
    "set",
    "slice",
    "staticmethod",
    "str",
    "super",
    "tuple",
    "type",
];

/// Whether a class has a text of its own for its module. Classes of one module share it, except
/// for those of `collections` that C code defines.
pub(crate) fn owns_module_text(module: Str<'_>, name: Str<'_>) -> bool {
    let name = name.as_str().unwrap_or_default();
    match module {
        Str::Utf8("collections") => ["OrderedDict", "defaultdict", "deque"].contains(&name),
        Str::Utf8("builtins") => {
            !name.starts_with(|first: char| first.is_ascii_uppercase()) && !BUILTIN_TYPES.contains(&name)
        }
        _ => false,
    }
}

/// Copies a short slice without a call where two overlapping words cover it.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() <= 16
        && let (Some(head), Some(tail)) = (from.first_chunk::<8>(), from.last_chunk::<8>())
    {
        let (head, tail) = (*head, *tail);
        if let Some(place) = to.first_chunk_mut::<8>() {
            *place = head;
        }
        if let Some(place) = to.last_chunk_mut::<8>() {
            *place = tail;
        }
        return;
    }
    to.copy_from_slice(from);
}

/// An opcode and its length argument.
struct Header {
    bytes: [u8; 9],
    len: u8,
}

impl Header {
    fn new(from: &[u8]) -> Self {
        let mut bytes = [0; 9];
        let len = from.len().min(9);
        bytes[..len].copy_from_slice(&from[..len]);
        Self { bytes, len: len as u8 }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}
