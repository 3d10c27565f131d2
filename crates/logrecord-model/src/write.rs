//! Records as pickles, in the bytes of CPython's `SocketHandler.makePickle`.
//!
//! A record whose extras hold no objects is written directly; the result is that of the general
//! encoder, which writes every other record.

use std::borrow::Cow;

use pickle_codec::{EncodeOptions, NodeId, Protocol, Value};

use crate::error::Result;
use crate::field::{Field, Slot};
use crate::graph::Graph;
use crate::record::{Entry, LogRecord, Order};
use crate::text::Text;

/// CPython writes larger dicts in batches; they are left to the encoder.
const MAX_ITEMS: usize = 999;

/// Containers nested deeper are left to the encoder, which does not recurse.
const MAX_DEPTH: usize = 32;

/// Keys of a nested dict that are searched one by one for duplicates.
const MAX_KEYS: usize = 32;

/// Texts of one Latin-1 character that a directly written record may hold; CPython has each once.
const MAX_SINGLES: usize = 8;

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
        let mut graph = Graph::default();
        let dict = graph.builder.dict()?;
        for entry in self.entries() {
            let (key, value) = match entry {
                Entry::Field(Field::Message) => continue,
                Entry::Field(field) => {
                    (graph.builder.str(field.as_str())?, self.field_node(field, &message, &mut graph)?)
                }
                Entry::Extra(extra) => (graph.node(&extra.key)?, graph.node(&extra.value)?),
            };
            graph.builder.set_item(dict, key, value)?;
        }
        let document = graph.finish(dict);
        let pickle = document.encode_into(Vec::new(), EncodeOptions::new(Protocol::V1))?;
        out.extend_from_slice(&pickle);
        Ok(())
    }

    fn field_node<'v>(
        &'v self,
        field: Field,
        message: &'v Text<'_>,
        graph: &mut Graph<'v>,
    ) -> pickle_codec::Result<NodeId> {
        match field.slot() {
            _ if field == Field::Msg => graph.text(message),
            Slot::Text(_) => match self.text(field) {
                Some(text) => graph.text(text),
                None => Ok(graph.builder.none()),
            },
            Slot::Value(_) => Ok(graph.builder.none()),
            Slot::Int(_) | Slot::Float(_) => match &*self.field_value(field) {
                Value::Int(number) => graph.builder.int(*number),
                Value::Float(number) => graph.builder.float(*number),
                _ => Ok(graph.builder.none()),
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
        out.reserve(1024);
        out.extend_from_slice(b"}q\x00(");
        let mut pen = Pen { out, next: 1, singles: [(0, 0); MAX_SINGLES], single_count: 0 };
        let extras_last = self.extra.iter().all(|extra| extra.after == self.order.len());
        if extras_last && (self.order == Order::STOCK || self.order == Order::STOCK_WITH_TASK) {
            self.write_stock(&mut pen)?;
            for extra in &self.extra {
                pen.scalar(&extra.key)?;
                pen.value(&extra.value, 0)?;
            }
        } else {
            for entry in self.entries() {
                match entry {
                    Entry::Field(field) => self.write_field(field, &mut pen)?,
                    Entry::Extra(extra) => {
                        pen.scalar(&extra.key)?;
                        pen.value(&extra.value, 0)?;
                    }
                }
            }
        }
        pen.out.extend_from_slice(b"u.");
        Some(())
    }

    /// The attributes in CPython's own order: each name is a constant with its opcodes around it.
    fn write_stock(&self, pen: &mut Pen<'_>) -> Option<()> {
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
                    key
                };
                KEY
            }};
        }
        macro_rules! key {
            ($name:literal) => {
                pen.stock_key(name!($name, 0))?
            };
        }
        macro_rules! stock_text {
            ($name:literal, $text:expr) => {{
                let text: &[u8] = $text;
                if text.len() > 2 {
                    pen.stock_text(name!($name, 5), text)?;
                } else {
                    key!($name);
                    pen.short_text(text)?;
                }
            }};
        }
        macro_rules! text {
            ($name:literal, $field:ident) => {
                match self.text(Field::$field) {
                    Some(text) => stock_text!($name, text.as_bytes()),
                    None => {
                        key!($name);
                        pen.out.push(b'N');
                    }
                }
            };
        }
        macro_rules! int {
            ($name:literal, $method:ident) => {
                key!($name);
                match self.$method() {
                    Some(number) => pen.int(number),
                    None => pen.out.push(b'N'),
                }
            };
        }
        macro_rules! float {
            ($name:literal, $field:ident, $method:ident) => {
                key!($name);
                match self.$method() {
                    Some(number) if self.whole & Field::$field.bit() == 0 => pen.float(number),
                    _ => pen.scalar(&self.field_value(Field::$field))?,
                }
            };
        }
        text!("name", Name);
        let message = self.message();
        stock_text!("msg", message.as_bytes());
        key!("args");
        pen.out.push(b'N');
        text!("levelname", LevelName);
        int!("levelno", levelno);
        text!("pathname", PathName);
        text!("filename", FileName);
        text!("module", Module);
        key!("exc_info");
        pen.out.push(b'N');
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
        Some(())
    }

    #[inline]
    fn write_field(&self, field: Field, pen: &mut Pen<'_>) -> Option<()> {
        if field == Field::Message {
            return Some(());
        }
        pen.key(field)?;
        if field == Field::Msg {
            return match self.message() {
                Text::Utf8(Cow::Borrowed(text)) => pen.text(text.as_bytes()),
                Text::Utf8(Cow::Owned(text)) => pen.text(text.as_bytes()),
                Text::Wtf8(bytes) => pen.text(&bytes),
            };
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

impl Pen<'_> {
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

    /// A name with room for its memo index at its end. Within the stock attributes the index is
    /// one byte.
    #[inline(always)]
    fn stock_key<const N: usize>(&mut self, mut key: [u8; N]) -> Option<()> {
        *key.last_mut()? = u8::try_from(self.next).ok()?;
        self.next += 1;
        self.out.extend_from_slice(&key);
        Some(())
    }

    /// A name with room at its end for its memo index and for the head of the text that follows, and
    /// that text, which is longer than CPython's single ones.
    #[inline(always)]
    fn stock_text<const N: usize>(&mut self, mut key: [u8; N], text: &[u8]) -> Option<()> {
        let index = u8::try_from(self.next).ok()?;
        let [.., place, opcode, a, b, c, d] = &mut key[..] else { return None };
        *place = index;
        *opcode = b'X';
        [*a, *b, *c, *d] = u32::try_from(text.len()).ok()?.to_le_bytes();
        self.out.extend_from_slice(&key);
        self.out.extend_from_slice(text);
        self.next += 1;
        self.put();
        Some(())
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
