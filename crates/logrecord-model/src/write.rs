//! Records as pickles, in the bytes of CPython's `SocketHandler.makePickle`.
//!
//! A record whose extras hold no objects is written directly; the result is that of the general
//! encoder, which writes every other record.

use pickle_codec::{DocumentBuilder, EncodeOptions, NodeId, Protocol, Value};

use crate::error::Result;
use crate::field::{Field, Slot, TEXTS};
use crate::record::{Entry, Extra, LogRecord, Order};
use python_format::Text;

/// CPython writes larger dicts in batches; they are left to the encoder.
const MAX_ITEMS: usize = 999;

/// Containers nested deeper are left to the encoder, which does not recurse.
const MAX_DEPTH: usize = 32;

/// Keys of a nested dict that are searched one by one for duplicates.
const MAX_KEYS: usize = 32;

/// Texts of one Latin-1 character that a directly written record may hold; CPython has each once.
const MAX_SINGLES: usize = 8;

/// Up to so many bytes of text a record in CPython's order is written into room that is laid out in
/// advance. Beyond, the texts are all that counts, and the room would be written twice.
const MAX_STOCK_TEXT: usize = 4096;

/// Bytes of a record in CPython's order without its texts, at most: 165 of names, 14 more for each of
/// 21 attributes, and 24 for each of four integers.
const STOCK_ROOM: usize = 640;

/// What is written for an extra. Arguments that were not kept stand among the extras with a note; the message is
/// merged with what it was given, so that they are null like any others.
fn written<'e, 'a>(extra: &'e Extra<'a>) -> &'e Value<'a> {
    match &extra.key {
        Value::Str(key) if key == Field::Args.as_str() => &Value::None,
        _ => &extra.value,
    }
}

impl LogRecord<'_> {
    /// Appends the record as a pickle: the payload of a frame, as `SocketHandler.makePickle` writes
    /// it. The message is merged with its arguments, `args` and `exc_info` are null, and a `message`
    /// attribute is left out.
    ///
    /// ```
    /// use logrecord_model::LogRecord;
    /// let record = LogRecord::builder("app", 20, "hi").build();
    /// let mut payload = Vec::new();
    /// record.to_pickle(&mut payload)?;
    /// assert!(payload.starts_with(b"}q\x00(X\x04\x00\x00\x00nameq\x01X\x03\x00\x00\x00appq\x02X\x03\x00\x00\x00msgq\x03X\x02\x00\x00\x00hiq\x04"));
    /// assert_eq!(LogRecord::from_pickle(&payload)?.message(), "hi");
    /// # Ok::<(), logrecord_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Pickle`](crate::ErrorKind::Pickle) if `extra` holds what protocol 1 has no form for, such
    /// as an out-of-band buffer. The buffer is then as it was.
    pub fn to_pickle(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        if self.write_directly(out).is_some() {
            return Ok(());
        }
        out.truncate(start);
        self.to_pickle_general(out)
    }

    /// Appends the record by the general encoder: what [`to_pickle`](Self::to_pickle) gives, for
    /// any record.
    ///
    /// # Errors
    /// As [`to_pickle`](Self::to_pickle).
    pub fn to_pickle_general(&self, out: &mut Vec<u8>) -> Result<()> {
        let message = self.message();
        let mut builder = DocumentBuilder::new();
        let dict = builder.dict()?;
        for entry in self.entries() {
            let (key, value) = match entry {
                Entry::Field(Field::Message) => continue,
                Entry::Field(field) => {
                    (builder.str(field.as_str())?, self.field_node(field, &message, &mut builder)?)
                }
                Entry::Extra(extra) => (builder.value(&extra.key)?, builder.value(written(extra))?),
            };
            builder.set_item(dict, key, value)?;
        }
        let document = builder.finish(dict);
        let pickle = document.encode_into(Vec::new(), EncodeOptions::new(Protocol::V1))?;
        out.extend_from_slice(&pickle);
        Ok(())
    }

    fn field_node<'v>(
        &'v self,
        field: Field,
        message: &'v Text<'_>,
        builder: &mut DocumentBuilder<'v>,
    ) -> pickle_codec::Result<NodeId> {
        match field.slot() {
            _ if field == Field::Msg => builder.text(message.as_text()),
            Slot::Text(_) => match self.text(field) {
                Some(text) => builder.text(text.as_text()),
                None => Ok(builder.none()),
            },
            Slot::Value(_) => Ok(builder.none()),
            Slot::Int(_) | Slot::Float(_) => match &*self.field_value(field) {
                Value::Int(number) => builder.int(*number),
                Value::Float(number) => builder.float(*number),
                _ => Ok(builder.none()),
            },
        }
    }

    /// Writes the record without a document; `None` if it is for the general encoder.
    fn write_directly(&self, out: &mut Vec<u8>) -> Option<()> {
        let fields = self.order.as_slice();
        let items = fields.len() - usize::from(self.has(Field::Message)) + self.extra.len();
        if !(2..=MAX_ITEMS).contains(&items) {
            return None;
        }
        let message = self.message();
        let extras_last = self.extra.iter().all(|extra| extra.after == self.order.len());
        if extras_last
            && (self.order == Order::STOCK || self.order == Order::STOCK_WITH_TASK)
            && let Some(next) = self.write_stock(message.as_bytes(), out)
        {
            if !self.extra.is_empty() {
                let mut pen = Pen::new(out, next);
                for extra in &self.extra {
                    pen.scalar(&extra.key)?;
                    pen.value(written(extra), 0)?;
                }
                out.extend_from_slice(b"u.");
            }
            return Some(());
        }
        out.reserve(1024);
        out.extend_from_slice(b"}q\x00(");
        let mut pen = Pen::new(out, 1);
        for entry in self.entries() {
            match entry {
                Entry::Field(field) => self.write_field(field, message.as_bytes(), &mut pen)?,
                Entry::Extra(extra) => {
                    pen.scalar(&extra.key)?;
                    pen.value(written(extra), 0)?;
                }
            }
        }
        pen.out.extend_from_slice(b"u.");
        Some(())
    }

    /// The attributes in CPython's own order, and the end of the pickle unless there are extras: each
    /// name is a constant with its opcodes around it. Gives the next memo index; `None`, with nothing
    /// written, if a text is one that CPython has only once or the texts are long.
    fn write_stock(&self, message: &[u8], out: &mut Vec<u8>) -> Option<u32> {
        let texts = self.texts.each_ref().map(Text::as_bytes);
        let len = texts.iter().fold(message.len(), |len, text| len.saturating_add(text.len()));
        if len > MAX_STOCK_TEXT {
            return None;
        }
        let start = out.len();
        out.resize(start + len + STOCK_ROOM, 0);
        let mut sheet = Sheet { rest: out.get_mut(start..)?, next: 1 };
        let written = self.fill_sheet(message, &texts, &mut sheet);
        let (room, next) = (sheet.rest.len(), sheet.next);
        out.truncate(if written.is_some() { out.len() - room } else { start });
        written?;
        Some(u32::from(next))
    }

    #[inline(always)]
    fn fill_sheet(&self, message: &[u8], texts: &[&[u8]; TEXTS], sheet: &mut Sheet<'_>) -> Option<()> {
        macro_rules! name {
            // The bytes of a name with its opcodes, and so many more.
            ($name:literal, $more:literal) => {{
                const NAME: &[u8] = $name.as_bytes();
                const LEN: usize = NAME.len() + 7 + $more;
                const KEY: [u8; LEN] = {
                    let mut key = [b'X'; LEN];
                    #[allow(clippy::as_conversions, reason = "names are shorter than 16 bytes")]
                    let len = (NAME.len() as u32).to_le_bytes();
                    let mut place = 0;
                    while place < 4 {
                        key[place + 1] = len[place];
                        place += 1;
                    }
                    while place < NAME.len() + 4 {
                        key[place + 1] = NAME[place - 4];
                        place += 1;
                    }
                    key[NAME.len() + 5] = b'q';
                    if $more == 1 {
                        key[NAME.len() + 7] = b'N';
                    }
                    key
                };
                KEY
            }};
        }
        macro_rules! null {
            ($name:literal) => {
                sheet.null(name!($name, 1))?
            };
        }
        macro_rules! text {
            ($name:literal, $field:ident) => {
                match const { Field::$field.slot() } {
                    Slot::Text(place) if self.is_set(Field::$field) => {
                        sheet.text(name!($name, 5), texts.get(place)?)?;
                    }
                    _ => null!($name),
                }
            };
        }
        macro_rules! int {
            ($name:literal, $method:ident) => {
                match self.$method() {
                    Some(number) => sheet.int(name!($name, 5), number)?,
                    None => null!($name),
                }
            };
        }
        macro_rules! float {
            ($name:literal, $field:ident, $method:ident) => {
                match self.$method() {
                    Some(number) if self.whole & Field::$field.bit() == 0 => {
                        sheet.float(name!($name, 9), number)?;
                    }
                    // A whole number is rare, and left to the caller's general way.
                    Some(_) => return None,
                    None => null!($name),
                }
            };
        }
        sheet.bytes(*b"}q\x00(")?;
        text!("name", Name);
        sheet.text(name!("msg", 5), message)?;
        null!("args");
        text!("levelname", LevelName);
        int!("levelno", levelno);
        text!("pathname", PathName);
        text!("filename", FileName);
        text!("module", Module);
        null!("exc_info");
        text!("exc_text", ExcText);
        text!("stack_info", StackInfo);
        int!("lineno", lineno);
        text!("funcName", FuncName);
        float!("created", Created, created);
        float!("msecs", Msecs, msecs);
        float!("relativeCreated", RelativeCreated, relative_created);
        int!("thread", thread);
        text!("threadName", ThreadName);
        text!("processName", ProcessName);
        int!("process", process);
        if self.order.contains(Field::TaskName) {
            text!("taskName", TaskName);
        }
        if self.extra.is_empty() {
            sheet.bytes(*b"u.")?;
        }
        Some(())
    }

    #[inline]
    fn write_field(&self, field: Field, message: &[u8], pen: &mut Pen<'_>) -> Option<()> {
        if field == Field::Message {
            return Some(());
        }
        pen.key(field)?;
        if field == Field::Msg {
            return pen.text(message);
        }
        if !self.is_set(field) {
            pen.out.push(b'N');
            return Some(());
        }
        match field.slot() {
            Slot::Text(place) => pen.text(self.texts.get(place)?.as_bytes())?,
            Slot::Int(place) => pen.int(*self.ints.get(place)?),
            Slot::Value(_) => pen.out.push(b'N'),
            Slot::Float(_) if self.whole & field.bit() != 0 => pen.scalar(&self.field_value(field))?,
            Slot::Float(place) => pen.float(*self.floats.get(place)?),
        }
        Some(())
    }
}

/// Room for the stock attributes. Each piece is written at its place without a look at the vector;
/// what is left over is cut off afterwards.
struct Sheet<'s> {
    rest: &'s mut [u8],
    /// The next memo index. There are at most 42, so that one byte holds each.
    next: u8,
}

impl Sheet<'_> {
    #[inline(always)]
    fn bytes<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        let (place, rest) = std::mem::take(&mut self.rest).split_first_chunk_mut::<N>()?;
        *place = bytes;
        self.rest = rest;
        Some(())
    }

    /// The next memo index.
    #[inline(always)]
    const fn index(&mut self) -> u8 {
        let index = self.next;
        self.next += 1;
        index
    }

    /// A name with room for its memo index and null.
    #[inline(always)]
    fn null<const N: usize>(&mut self, mut key: [u8; N]) -> Option<()> {
        let [.., place, _] = &mut key[..] else { return None };
        *place = self.index();
        self.bytes(key)
    }

    /// A name with room at its end for its memo index and for the head of the text that follows, and
    /// that text, unless CPython has it only once.
    #[inline(always)]
    fn text<const N: usize>(&mut self, mut key: [u8; N], text: &[u8]) -> Option<()> {
        if text.len() <= 2 && !matches!(text, [0..=0x7f, _]) {
            return None;
        }
        let [.., place, _, a, b, c, d] = &mut key[..] else { return None };
        *place = self.index();
        [*a, *b, *c, *d] = u32::try_from(text.len()).ok()?.to_le_bytes();
        self.bytes(key)?;
        let (place, rest) = std::mem::take(&mut self.rest).split_at_mut_checked(text.len())?;
        place.copy_from_slice(text);
        self.rest = rest;
        let index = self.index();
        self.bytes([b'q', index])
    }

    /// A name with room at its end for its memo index and for a short integer.
    #[inline(always)]
    fn int<const N: usize>(&mut self, mut key: [u8; N], number: i64) -> Option<()> {
        let [.., place, opcode, a, b, c, d] = &mut key[..] else { return None };
        *place = self.index();
        [*a, *b, *c, *d, ..] = number.to_le_bytes();
        let unused;
        (*opcode, unused) = match number {
            0..=0xff => (b'K', 3),
            0x100..=0xffff => (b'M', 2),
            -0x8000_0000..=0x7fff_ffff => (b'J', 0),
            _ => (b'L', 4),
        };
        *self.rest.first_chunk_mut::<N>()? = key;
        self.rest = std::mem::take(&mut self.rest).get_mut(N - unused..)?;
        if unused == 4 {
            return self.digits(number);
        }
        Some(())
    }

    /// The digits of LONG.
    #[inline(always)]
    fn digits(&mut self, number: i64) -> Option<()> {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(number).as_bytes();
        let (place, rest) = std::mem::take(&mut self.rest).split_at_mut_checked(digits.len())?;
        place.copy_from_slice(digits);
        self.rest = rest;
        self.bytes(*b"L\n")
    }

    /// A name with room at its end for its memo index and for a float.
    #[inline(always)]
    fn float<const N: usize>(&mut self, mut key: [u8; N], number: f64) -> Option<()> {
        let [.., place, opcode, a, b, c, d, e, f, g, h] = &mut key[..] else { return None };
        *place = self.index();
        *opcode = b'G';
        [*a, *b, *c, *d, *e, *f, *g, *h] = number.to_be_bytes();
        self.bytes(key)
    }
}

/// Writes scalars at protocol 1 and counts the memo.
struct Pen<'o> {
    out: &'o mut Vec<u8>,
    /// The next memo index.
    next: u32,
    /// The texts of at most one Latin-1 character so far: the text and its memo index. The text is
    /// its bytes after a one, so that the empty text differs from a NUL.
    singles: [(u32, u32); MAX_SINGLES],
    single_count: usize,
}

/// Each attribute's name as BINUNICODE with the opcode of its BINPUT.
const KEYS: [([u8; 21], usize); Field::ALL.len()] = keys();

#[allow(clippy::as_conversions, reason = "names are shorter than 16 bytes")]
const fn keys() -> [([u8; 21], usize); Field::ALL.len()] {
    let mut keys = [([0; 21], 0); Field::ALL.len()];
    let mut place = 0;
    while place < keys.len() {
        let name = Field::ALL[place].as_str().as_bytes();
        let mut key = [0; 21];
        key[0] = b'X';
        key[1] = name.len() as u8;
        let mut at = 0;
        while at < name.len() {
            key[5 + at] = name[at];
            at += 1;
        }
        key[5 + name.len()] = b'q';
        keys[place] = (key, 6 + name.len());
        place += 1;
    }
    keys
}

impl<'o> Pen<'o> {
    const fn new(out: &'o mut Vec<u8>, next: u32) -> Self {
        Self { out, next, singles: [(0, 0); MAX_SINGLES], single_count: 0 }
    }

    /// An attribute's name. It has its own memo index, because it is no object of the record's.
    #[inline]
    #[allow(clippy::as_conversions, reason = "the discriminant is the place in the table")]
    fn key(&mut self, field: Field) -> Option<()> {
        if let (Some((key, len)), Ok(index)) = (KEYS.get(field as usize), u8::try_from(self.next)) {
            self.out.extend_from_slice(key.get(..*len).unwrap_or_default());
            self.out.push(index);
            self.next += 1;
            return Some(());
        }
        self.long_text(field.as_str().as_bytes())
    }

    /// Text that CPython may have only once.
    #[inline]
    fn text(&mut self, text: &[u8]) -> Option<()> {
        if text.len() <= 2 {
            return self.short_text(text);
        }
        self.long_text(text)
    }

    #[inline]
    fn long_text(&mut self, text: &[u8]) -> Option<()> {
        let [a, b, c, d] = u32::try_from(text.len()).ok()?.to_le_bytes();
        self.out.extend_from_slice(&[b'X', a, b, c, d]);
        self.out.extend_from_slice(text);
        self.put();
        Some(())
    }

    #[inline(never)]
    fn short_text(&mut self, text: &[u8]) -> Option<()> {
        let name = match *text {
            [] => 1,
            [byte] => 0x100 | u32::from(byte),
            [lead @ (0xc2 | 0xc3), tail] => 0x1_0000 | (u32::from(lead) << 8) | u32::from(tail),
            _ => return self.long_text(text),
        };
        let known = self.singles.get(..self.single_count)?.iter().find(|(have, _)| *have == name);
        if let Some((_, index)) = known {
            match u8::try_from(*index) {
                Ok(index) => self.out.extend_from_slice(&[b'h', index]),
                Err(_) => {
                    self.out.push(b'j');
                    self.out.extend_from_slice(&index.to_le_bytes());
                }
            }
            return Some(());
        }
        *self.singles.get_mut(self.single_count)? = (name, self.next);
        self.single_count += 1;
        self.long_text(text)
    }

    #[inline]
    fn int(&mut self, number: i64) {
        let [a, b, c, d, ..] = number.to_le_bytes();
        match number {
            0..=0xff => self.out.extend_from_slice(&[b'K', a]),
            0x100..=0xffff => self.out.extend_from_slice(&[b'M', a, b]),
            -0x8000_0000..=0x7fff_ffff => self.out.extend_from_slice(&[b'J', a, b, c, d]),
            _ => {
                self.out.push(b'L');
                self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                self.out.extend_from_slice(b"L\n");
            }
        }
    }

    #[inline]
    fn float(&mut self, number: f64) {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        self.out.extend_from_slice(&[b'G', a, b, c, d, e, f, g, h]);
    }

    /// A key or value of `extra`, as long as it is no object.
    #[inline]
    fn value(&mut self, value: &Value<'_>, depth: usize) -> Option<()> {
        match value {
            Value::List(items) => {
                self.open(depth, items.len())?;
                self.out.push(b']');
                self.put();
                match &**items {
                    [] => {}
                    [item] => {
                        self.value(item, depth + 1)?;
                        self.out.push(b'a');
                    }
                    items => {
                        self.out.push(b'(');
                        for item in items {
                            self.value(item, depth + 1)?;
                        }
                        self.out.push(b'e');
                    }
                }
            }
            Value::Tuple(items) if items.is_empty() => self.out.push(b')'),
            Value::Tuple(items) => {
                self.open(depth, items.len())?;
                self.out.push(b'(');
                for item in items {
                    self.value(item, depth + 1)?;
                }
                self.out.push(b't');
                self.put();
            }
            Value::Dict(pairs) => self.dict(pairs, depth)?,
            value => self.scalar(value)?,
        }
        Some(())
    }

    fn dict(&mut self, pairs: &[(Value<'_>, Value<'_>)], depth: usize) -> Option<()> {
        self.open(depth, pairs.len())?;
        // A value that was built by hand may name a key twice, which a dict cannot.
        let plain = pairs.iter().all(|(key, _)| matches!(key, Value::Str(_)));
        let repeats = |(at, (key, _)): (usize, &(Value<'_>, Value<'_>))| {
            pairs.get(..at).is_some_and(|before| before.iter().any(|(have, _)| have.as_str() == key.as_str()))
        };
        if !plain || pairs.len() > MAX_KEYS || pairs.iter().enumerate().any(repeats) {
            return None;
        }
        self.out.push(b'}');
        self.put();
        if pairs.len() > 1 {
            self.out.push(b'(');
        }
        for (key, value) in pairs {
            self.scalar(key)?;
            self.value(value, depth + 1)?;
        }
        match pairs.len() {
            0 => {}
            1 => self.out.push(b's'),
            _ => self.out.push(b'u'),
        }
        Some(())
    }

    /// Whether a container is small and shallow enough to be written directly.
    const fn open(&self, depth: usize, len: usize) -> Option<()> {
        if depth < MAX_DEPTH && len <= MAX_ITEMS { Some(()) } else { None }
    }

    /// BINPUT of the next memo index.
    #[inline]
    fn put(&mut self) {
        match u8::try_from(self.next) {
            Ok(index) => self.out.extend_from_slice(&[b'q', index]),
            Err(_) => {
                self.out.push(b'r');
                self.out.extend_from_slice(&self.next.to_le_bytes());
            }
        }
        self.next += 1;
    }

    /// A value that is neither container nor object.
    fn scalar(&mut self, value: &Value<'_>) -> Option<()> {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(value) => {
                self.out.extend_from_slice(if *value { b"I01\n" } else { b"I00\n" });
            }
            Value::Int(number) => self.int(*number),
            Value::Float(number) => self.float(*number),
            Value::Str(text) => self.text(text.as_bytes())?,
            Value::Wtf8(bytes) => self.text(bytes)?,
            _ => return None,
        }
        Some(())
    }
}
