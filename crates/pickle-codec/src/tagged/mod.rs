//! Tagged JSON: one lossless JSON spelling of Python values.
//!
//! `null`, `true`, `false`, integers that fit `i64`, finite floats, text, lists, and dicts whose keys
//! are all text without a leading `$` are plain JSON. Everything else is an object with a tag:
//!
//! | Python | tagged JSON |
//! |---|---|
//! | other integers, floats | `{"$int":"123456789012345678901"}`, hexadecimal beyond 4,300 digits; `{"$float":"nan"}` |
//! | bytes, bytearray | `{"$bytes":"AP8="}`, `{"$bytearray":"AP8="}` |
//! | tuple, set, frozenset | `{"$tuple":[1,2]}`, `{"$set":[1]}`, `{"$frozenset":[1]}` |
//! | other dicts | `{"$dict":[[1,"a"]]}` |
//! | text with lone surrogates | `{"$str":"7aCA"}`, base64 of WTF-8 |
//! | known types | `{"$datetime":"2026-01-02T03:04:05"}`, `{"$decimal":"1.10"}`, `{"$deque":[1],"maxlen":5}`, and so on |
//! | enum members and exceptions | `{"$enum":{"class":"http.HTTPStatus","value":404}}`, `{"$exception":{"class":"queue.Full","args":[]}}` |
//! | names and calls under [`Globals::Inert`](crate::Globals::Inert) | `{"$global":"os.system"}`, `{"$object":{"class":"m.C","args":[]}}` |
//! | shared objects, if asked for | `{"$def":[0,[1]]}` the first time, then `{"$ref":0}` |
//!
//! [`write()`] and [`to_string`] write it, [`from_str`] reads it, but for what only describes. Only the bits
//! of a NaN are lost.
//!
//! # Rules
//!
//! - An object has at most one key that begins with `$`, the tag, and that comes first. What more there is to say
//!   stands beside it: `{"$deque":[1],"maxlen":5}`. A dict whose own keys could be taken for a tag is a `$dict`, so
//!   that no data can pretend to be of another type.
//! - One value has one spelling. What was written, read and written again is the same text, and the golden data of
//!   the tests depends on that. So extra parts stand only where they say something: `fold` only if it is 1, `class`
//!   only if it is not the one that the tag means anyway.
//! - A known type is shown by its meaning: a `datetime` of protocol 0 and one of protocol 5 are the same text.
//!   What is read back is the call that CPython 3.13 pickles.
//! - What only describes (a class that nobody knows, a persistent id) is written for people to read, and never
//!   read: a text must not be a way to name something that a pickle would not be allowed to.
//! - Strings have the escapes of [`json`](crate::json), so that nothing in a value can break a line of a log.
//!
//! # Cost
//!
//! A pickle is a graph, and its text a tree: a few hundred bytes can stand for terabytes. The writer charges every
//! byte before it is written ([`write_node_within`]), escapes and base64 included, and keeps to the stack of its
//! own, however deep a value is nested. The reader makes at most what a decode of as many bytes might make.

mod json;
mod read;
mod tag;
mod write;

use alloc::string::String;
use alloc::vec::Vec;

pub use read::from_str;

use crate::budget::Budget;
use crate::document::{Document, NodeRef};
use crate::limits::Limits;
use crate::value::Value;
use crate::wire::error::Result;

/// How tagged JSON is written and read.
///
/// ```
/// use pickle_codec::tagged::{self, TaggedOptions};
/// // A list that holds one list twice.
/// let document = pickle_codec::decode(b"](]q\x00h\x00e.")?;
/// assert_eq!(tagged::to_string(&document, &TaggedOptions::new())?, "[[],[]]");
/// let refs = TaggedOptions::new().refs(true);
/// assert_eq!(tagged::to_string(&document, &refs)?, r#"[{"$def":[0,[]]},{"$ref":0}]"#);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TaggedOptions {
    refs: bool,
    limits: Limits,
}

impl TaggedOptions {
    /// The defaults: shared objects are written out at each place, default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes an object that is met again as `$def` and `$ref`, which keeps sharing and cycles.
    /// What CPython keeps as singletons (empty text and bytes, one Latin-1 character, one byte) is
    /// always written out. Default: off.
    #[must_use]
    pub const fn refs(mut self, refs: bool) -> Self {
        self.refs = refs;
        self
    }

    /// Sets the limits: of expansion for the writer; of length, depth and memory for the reader.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Writes a document as tagged JSON, on one line, at the end of a buffer.
///
/// # Errors
/// `budget` if the text would be longer than the expansion limit, `recursive` if an object contains
/// itself and [`refs`](TaggedOptions::refs) is off. The buffer is then as it was.
pub fn write(document: &Document<'_>, options: &TaggedOptions, out: &mut Vec<u8>) -> Result<()> {
    write_node(document.root(), options, out)
}

/// Writes one node of a document as tagged JSON; else as [`write()`].
///
/// # Errors
/// As [`write()`].
pub fn write_node(node: NodeRef<'_, '_>, options: &TaggedOptions, out: &mut Vec<u8>) -> Result<()> {
    let mut budget = Budget::new(options.limits.expansion(node.document.input_len()));
    write_node_within(node, options, &mut budget, out)
}

/// Writes one node as tagged JSON and takes its bytes from a budget, which replaces the expansion limit.
///
/// ```
/// use pickle_codec::tagged::{self, TaggedOptions};
/// use pickle_codec::{Budget, ErrorKind};
/// // Ten escapes of six bytes each, in quotes.
/// let document = pickle_codec::decode(b"X\x0a\0\0\0\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01.")?;
/// let (options, mut out) = (TaggedOptions::new(), Vec::new());
/// let mut short = Budget::new(61);
/// let error = tagged::write_node_within(document.root(), &options, &mut short, &mut out).unwrap_err();
/// assert_eq!((error.kind(), short.left(), out.len()), (ErrorKind::Budget, 61, 0));
/// let mut enough = Budget::new(100);
/// tagged::write_node_within(document.root(), &options, &mut enough, &mut out)?;
/// assert_eq!((enough.left(), out.len()), (38, 62));
/// # Ok::<(), pickle_codec::Error>(())
/// ```
///
/// # Errors
/// `budget` if the text would be longer than what is left; else as [`write()`]. The buffer is then as
/// it was, and nothing is taken.
pub fn write_node_within(
    node: NodeRef<'_, '_>,
    options: &TaggedOptions,
    budget: &mut Budget,
    out: &mut Vec<u8>,
) -> Result<()> {
    write::write(node, options.refs, budget, out)
}

/// Writes a value as tagged JSON and takes its bytes from a budget.
///
/// ```
/// use pickle_codec::tagged::{self, TaggedOptions};
/// use pickle_codec::{Budget, Value};
/// let value = Value::dict([("when", Value::tuple([2026, 1, 2])), ("raw", Value::from(b"\xff"))]);
/// let (mut budget, mut out) = (Budget::new(1 << 20), Vec::new());
/// tagged::write_value_within(&value, &TaggedOptions::new(), &mut budget, &mut out)?;
/// assert_eq!(out, br#"{"when":{"$tuple":[2026,1,2]},"raw":{"$bytes":"/w=="}}"#);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
///
/// # Errors
/// As [`write_node_within`], and as [`Value::to_document`].
pub fn write_value_within(
    value: &Value<'_>,
    options: &TaggedOptions,
    budget: &mut Budget,
    out: &mut Vec<u8>,
) -> Result<()> {
    let document = value.to_document()?;
    write_node_within(document.root(), options, budget, out)
}

/// A document as tagged JSON, on one line.
///
/// ```
/// use pickle_codec::tagged::{self, TaggedOptions};
/// let document = pickle_codec::decode(b"(K\x01C\x01\xffG\x40\x00\x00\x00\x00\x00\x00\x00t.")?;
/// let text = tagged::to_string(&document, &TaggedOptions::new())?;
/// assert_eq!(text, r#"{"$tuple":[1,{"$bytes":"/w=="},2.0]}"#);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
///
/// # Errors
/// As [`write()`].
pub fn to_string(document: &Document<'_>, options: &TaggedOptions) -> Result<String> {
    let mut out = Vec::new();
    write(document, options, &mut out)?;
    // The writer copies text and writes ASCII, so this is a check that cannot fail.
    String::from_utf8(out).map_err(crate::Error::message)
}

/// Writes a finite float as JSON: the shortest digits that read back as the same float, always
/// with a point or an exponent. What is not finite becomes `{"$float":"nan"}` and so on.
///
/// ```
/// let mut out = Vec::new();
/// for value in [1.0, 1e-5, f64::INFINITY] {
///     pickle_codec::tagged::write_float(value, &mut out);
///     out.push(b' ');
/// }
/// assert_eq!(out, br#"1.0 1e-05 {"$float":"inf"} "#);
/// ```
pub fn write_float(value: f64, out: &mut Vec<u8>) {
    json::float(value, out);
}
