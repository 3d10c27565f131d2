//! Records from pickles: the general way, through a document, and the choice between the ways.

use std::collections::HashSet;

use pickle_codec::direct::{self, Reading, Scratch};
use pickle_codec::{DecodeOptions, Decoder, Document, Globals, Node, Py2Str};

use crate::budget::output_limit;
use crate::convert::{Converter, Kept, MAX_FETCHES, Note, NotedKeys};
use crate::error::{Error, Result};
use crate::field::Field;
use crate::plain::plain_text;
use crate::record::{LogRecord, Remarks};
use crate::stock;

/// The default limit of an input's length.
const MAX_INPUT_LEN: usize = 256 << 20;

impl<'a> LogRecord<'a> {
    /// Reads a record from the payload of a frame: a pickle of the record's `__dict__`.
    ///
    /// Nothing is imported or called; a pickle that names a global is refused. Text borrows from
    /// the payload.
    ///
    /// # Errors
    /// [`Pickle`](crate::ErrorKind::Pickle) if the payload is no pickle or is refused,
    /// [`NotADict`](crate::ErrorKind::NotADict) if it is one of something else.
    pub fn from_pickle(payload: &'a [u8]) -> Result<Self> {
        if payload.len() <= MAX_INPUT_LEN
            && let Some(record) = read_stock(payload, &mut Scratch::default())
        {
            return Ok(record);
        }
        RecordDecoder::new().decode(payload)
    }

    /// Reads a record with a policy for globals, Python 2's text and surrogates, and with limits.
    ///
    /// # Errors
    /// As [`from_pickle`](Self::from_pickle).
    pub fn from_pickle_with(payload: &'a [u8], options: &DecodeOptions) -> Result<Self> {
        RecordDecoder::with_options(options.clone()).decode(payload)
    }

    /// Reads a record from a document that was decoded already.
    ///
    /// # Errors
    /// [`NotADict`](crate::ErrorKind::NotADict) if the document is something else than a dict.
    pub fn from_document(document: &Document<'a>, options: &DecodeOptions) -> Result<Self> {
        let root = document.root();
        let Node::Dict(pairs) = root.view() else { return Err(Error::not_a_dict(kind_of(root.view()))) };
        let mut converter = Converter::new(&options.limits, document.input_len());
        let mut noted = NotedKeys::default();
        let mut record = Self::EMPTY;
        if document.input_len() > 0 {
            record.limit = output_limit(document.input_len());
        }
        let mut cut = false;
        let mut noted_value = |note: Note| {
            cut |= note.is_cut();
            note.into_value()
        };
        for (key, value) in pairs.iter() {
            let value = converter.value(value);
            let field = match key.view() {
                Node::Str(name) => Field::from_name(name.as_bytes()),
                _ => None,
            };
            match (field, value) {
                // A note is no logger name and no argument; what a message cannot show is said in its place.
                (Some(field), Kept::Note(note)) if field != Field::Msg => {
                    record.store_odd(field, noted_value(note));
                }
                (Some(field), Kept::Note(note)) => record.store(field, noted_value(note)),
                (Some(Field::Msg), Kept::Value(value)) => record.store(Field::Msg, plain_text(value)),
                (Some(field), Kept::Value(value)) => record.store(field, value),
                (None, value) => {
                    let value = match value {
                        Kept::Value(value) => value,
                        Kept::Note(note) => noted_value(note),
                    };
                    let key = match converter.value(key) {
                        Kept::Value(key) => key,
                        Kept::Note(note) => noted_value(note),
                    };
                    let before = noted.meet(&key, record.extra.len());
                    match before.and_then(|place| record.extra.get_mut(place)) {
                        Some(extra) => extra.value = value,
                        None => record.push_extra(key, value),
                    }
                }
            }
        }
        let globals = globals_of(document, options);
        if cut || !globals.is_empty() {
            record.remarks = Some(Box::new(Remarks { cut, globals }));
        }
        Ok(record)
    }
}

/// The names that are only described, each once.
fn globals_of(document: &Document<'_>, options: &DecodeOptions) -> Vec<Box<str>> {
    if options.globals != Globals::Inert {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for (module, name) in document.described_globals() {
        if !seen.insert((module, name)) {
            continue;
        }
        if names.len() == LogRecord::MAX_GLOBALS {
            names.push("...".into());
            break;
        }
        let full = format!("{}.{}", module.to_string_lossy(), name.to_string_lossy());
        let most = full.len().min(pickle_codec::MAX_ERROR_NAME_LEN);
        let end = (0..=most).rev().find(|end| full.is_char_boundary(*end)).unwrap_or(0);
        names.push(full.get(..end).unwrap_or_default().into());
    }
    names
}

/// The two ways for what CPython 3 sends.
#[inline(always)]
fn read_stock<'a>(payload: &'a [u8], scratch: &mut Scratch<'static>) -> Option<LogRecord<'a>> {
    let stock = stock::read(payload)?;
    let limit = output_limit(payload.len());
    if stock.is_whole() {
        Some(stock.into_record(limit))
    } else {
        stock.into_record_with_extras(limit, scratch)
    }
}

/// What a node is, for the error about a payload that is no dict.
fn kind_of(node: Node<'_, '_>) -> &'static str {
    match node {
        Node::None => "None",
        Node::Bool(_) => "a bool",
        Node::Int(_) | Node::BigInt(_) => "an int",
        Node::Float(_) => "a float",
        Node::Str(_) => "text",
        Node::Bytes(_) | Node::ByteArray(_) => "bytes",
        Node::List(_) => "a list",
        Node::Tuple(_) => "a tuple",
        Node::Set(_) | Node::FrozenSet(_) => "a set",
        _ => "an object",
    }
}

/// Reads records and reuses its memory from one to the next.
///
/// ```
/// use logrecord_model::RecordDecoder;
/// use pickle_codec::{DecodeOptions, Globals};
/// let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Known));
/// for payload in [b"}X\x03\x00\x00\x00msgX\x01\x00\x00\x001s.", b"}X\x03\x00\x00\x00msgX\x01\x00\x00\x002s."] {
///     assert!(["1", "2"].contains(&&*decoder.decode(payload)?.message().to_visible()));
/// }
/// # Ok::<(), logrecord_model::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordDecoder {
    decoder: Decoder,
    scratch: Scratch<'static>,
    /// Payloads up to this length may be read without a document; 0 where the options forbid it.
    max_fast_len: usize,
    reading: Reading,
}

impl Default for RecordDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordDecoder {
    /// A decoder with the default options: no globals, default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(DecodeOptions::new())
    }

    /// A decoder with these options.
    #[must_use]
    pub fn with_options(options: DecodeOptions) -> Self {
        let max_fast_len = direct::max_len(&options.limits);
        let reading = Reading { py2_text: options.py2_str == Py2Str::Auto, max_fetches: MAX_FETCHES };
        Self { decoder: Decoder::with_options(options), scratch: Scratch::default(), max_fast_len, reading }
    }

    /// The options it decodes with.
    #[must_use]
    pub const fn options(&self) -> &DecodeOptions {
        self.decoder.options()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// As [`LogRecord::from_pickle`].
    pub fn decode<'a>(&mut self, payload: &'a [u8]) -> Result<LogRecord<'a>> {
        if payload.len() <= self.max_fast_len {
            if let Some(record) = read_stock(payload, &mut self.scratch) {
                return Ok(record);
            }
            let mut record = LogRecord { limit: output_limit(payload.len()), ..LogRecord::EMPTY };
            let mut scratch: Scratch<'a> = std::mem::take(&mut self.scratch);
            let outcome = direct::read(payload, self.reading, &mut record, &mut scratch);
            self.scratch = scratch.recycle();
            if outcome.is_some() {
                return Ok(record);
            }
        }
        self.decode_general(payload)
    }

    /// Reads a record the general way, through a document, whatever its shape. Gives what
    /// [`decode`](Self::decode) gives, for any input.
    ///
    /// # Errors
    /// As [`LogRecord::from_pickle`].
    pub fn decode_general<'a>(&mut self, payload: &'a [u8]) -> Result<LogRecord<'a>> {
        let document = self.decoder.decode(payload)?;
        let record = LogRecord::from_document(&document, self.decoder.options());
        self.decoder.recycle(document);
        record
    }
}
