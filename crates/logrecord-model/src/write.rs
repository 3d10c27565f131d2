//! Records as pickles, in the bytes of CPython's `SocketHandler.makePickle`.
//!
//! A record whose extras are scalars is written directly; the result is that of the general
//! encoder, which writes every other record.

use std::borrow::Cow;

use pickle_codec::{EncodeOptions, NodeId, Protocol, Value};

use crate::error::Result;
use crate::field::{Field, Slot};
use crate::graph::Graph;
use crate::record::{Entry, LogRecord};
use crate::text::Text;

/// CPython writes larger dicts in batches; they are left to the encoder.
const MAX_ITEMS: usize = 999;

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
        if self.extra.is_empty() {
            for field in fields {
                self.write_field(*field, &mut pen)?;
            }
        } else {
            for entry in self.entries() {
                match entry {
                    Entry::Field(field) => self.write_field(field, &mut pen)?,
                    Entry::Extra(extra) => {
                        pen.scalar(&extra.key)?;
                        pen.scalar(&extra.value)?;
                    }
                }
            }
        }
        pen.out.extend_from_slice(b"u.");
        Some(())
    }

    #[inline]
    fn write_field(&self, field: Field, pen: &mut Pen<'_>) -> Option<()> {
        if field == Field::Message {
            return Some(());
        }
        pen.key(field);
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
    fn key(&mut self, field: Field) {
        if let (Some((key, len)), Ok(index)) = (KEYS.get(field as usize), u8::try_from(self.next)) {
            self.out.extend_from_slice(key.get(..*len).unwrap_or_default());
            self.out.push(index);
            self.next += 1;
            return;
        }
        self.long_text(field.as_str().as_bytes());
    }

    /// Text that CPython may have only once.
    #[inline]
    fn text(&mut self, text: &[u8]) -> Option<()> {
        if text.len() <= 2 {
            return self.short_text(text);
        }
        self.long_text(text);
        Some(())
    }

    #[inline]
    fn long_text(&mut self, text: &[u8]) {
        let [a, b, c, d] = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.out.extend_from_slice(&[b'X', a, b, c, d]);
        self.out.extend_from_slice(text);
        match u8::try_from(self.next) {
            Ok(index) => self.out.extend_from_slice(&[b'q', index]),
            Err(_) => {
                self.out.push(b'r');
                self.out.extend_from_slice(&self.next.to_le_bytes());
            }
        }
        self.next += 1;
    }

    #[inline(never)]
    fn short_text(&mut self, text: &[u8]) -> Option<()> {
        let name = match *text {
            [] => 1,
            [byte] => 0x100 | u32::from(byte),
            [lead @ (0xc2 | 0xc3), tail] => 0x1_0000 | (u32::from(lead) << 8) | u32::from(tail),
            _ => {
                self.long_text(text);
                return Some(());
            }
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
        self.long_text(text);
        Some(())
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
