//! The reader of tagged JSON: strict, without recursion, into a document that can be encoded.
//!
//! Two stacks: `frames` has the containers that are open, `values` the nodes of those values that are complete
//! and wait for their container, which takes them when it closes. A tag decides what a frame becomes:
//!
//! ```text
//! {"$tuple":[1,[2]]}     frames: Tuple            values: 1
//!                        frames: Tuple List       values: 1 2
//!                        frames: Tuple            values: 1 [2]
//!                        frames:                  values: (1,[2])
//! ```
//!
//! Known types are read last: what their tag holds is a value like any other, and [`Maker`] turns it into the
//! call that CPython pickles when the object closes. Lists, dicts and sets exist from their first byte on, so
//! that `{"$ref":n}` inside of `{"$def":[n,...]}` can name them; a tuple gets its id early only there.

mod string;

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;

use super::TaggedOptions;
use super::known::{Classes, Fault, Maker, Tag};
use crate::build::fill::{Builder, Keys};
use crate::document::KnownClass;
use crate::document::NodeId;
use crate::document::{Construct, Instance, ObjectRepr};
use crate::document::{Document, Root};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::text::is_wtf8;

/// Digits of the longest integer that is read. What is longer takes quadratic time.
const MAX_DIGITS: usize = 200_000;

/// Tags that `write` writes and that only describe.
const DESCRIPTIONS: &[&[u8]] = &[b"$buffer", b"$error", b"$ext", b"$instance", b"$object", b"$persid"];

/// Reads a value in tagged JSON, as a document that [`Document`] can be encoded from.
///
/// All that [`write()`](super::write()) writes of plain data and of the known types of the standard library
/// is read, and `$def` and `$ref` make shared and cyclic objects. Known types become the calls that CPython
/// 3.13 pickles for them. What only describes is refused: `$object`, `$instance`, `$persid`, `$ext`,
/// `$buffer`, and any class or name that is not known.
///
/// ```
/// use pickle_codec::tagged::{self, TaggedOptions};
/// let text = r#"{"$def":[0,[1,{"$ref":0}]]}"#;
/// let document = tagged::from_str(text, &TaggedOptions::new())?;
/// assert_eq!(tagged::to_string(&document, &TaggedOptions::new().refs(true))?, text);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
///
/// # Errors
/// `input` if the text is longer than the limit, `depth` and `budget` as in a decode, and `data`,
/// with line and column in the message, if the text is not tagged JSON. `global`, with the name, for what
/// only describes.
pub fn from_str<'a>(text: &'a str, options: &TaggedOptions) -> Result<Document<'a>> {
    let limits = &options.limits;
    if text.len() > limits.max_input_len {
        return Err(Error::plain(ErrorKind::Input));
    }
    let mut reader = JsonReader {
        text,
        at: 0,
        builder: Builder::new(
            Document::default(),
            Keys::new(crate::document::hash::seed()),
            limits,
            text.len(),
        ),
        frames: Vec::new(),
        values: Vec::new(),
        defs: BTreeMap::new(),
        pending: None,
        complex: None,
        classes: Classes::default(),
        // A level of a dict is three levels of JSON, and a definition two more.
        max_frames: limits.max_depth.saturating_mul(5).saturating_add(16),
    };
    let root = reader.run()?;
    reader.builder.measure_depth(root).map_err(Error::plain)?;
    let mut document = reader.builder.into_document();
    document.root = Root(root);
    Ok(document)
}

/// A container that is not complete. `base` is where its values start on the stack of values.
enum Frame {
    List {
        id: NodeId,
        base: usize,
    },
    /// A plain object: keys and values in turn.
    Dict {
        id: NodeId,
        base: usize,
    },
    /// A tuple, without an id unless something may refer to it.
    Tuple {
        id: Option<NodeId>,
        def: Option<u64>,
        base: usize,
    },
    Set {
        id: NodeId,
        base: usize,
    },
    /// `$dict`.
    Pairs {
        id: NodeId,
        base: usize,
    },
    Pair {
        base: usize,
    },
    Def {
        number: u64,
    },
    /// The value of a known type: what the tag takes, then what stands beside it.
    Known {
        tag: Tag,
        /// Where its contents may refer to it.
        id: Option<NodeId>,
        base: usize,
        /// The names of what stands beside it.
        beside: Vec<&'static str>,
    },
}

struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    builder: Builder<'a>,
    frames: Vec<Frame>,
    values: Vec<NodeId>,
    /// Defined objects; `None` while it is not known what the definition holds.
    defs: BTreeMap<u64, Option<NodeId>>,
    /// The definition whose value comes next.
    pending: Option<u64>,
    /// The global `complex`, once there is one.
    complex: Option<NodeId>,
    classes: Classes,
    max_frames: usize,
}

impl<'a> JsonReader<'a> {
    fn run(&mut self) -> Result<NodeId> {
        loop {
            if !self.value()? {
                continue;
            }
            // A value is complete; close what it completes.
            while self.after_value()? {
                if self.frames.is_empty() {
                    self.skip_space();
                    if self.at != self.text.len() {
                        return Err(self.fail("text after the value"));
                    }
                    return self.values.pop().ok_or_else(|| Error::plain(ErrorKind::Data));
                }
            }
        }
    }

    #[cold]
    fn fail(&self, what: impl Display) -> Error {
        let read = self.text.get(..self.at).unwrap_or(self.text);
        let line = read.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = read.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Error::message(format_args!("tagged JSON, line {line} column {column}: {what}"))
    }

    fn skip_space(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.fail(format_args!("expected `{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Whether another item follows a complete one; takes the comma or the end.
    fn more(&mut self, end: u8) -> Result<bool> {
        if self.accept(b',') {
            return Ok(true);
        }
        if self.accept(end) {
            return Ok(false);
        }
        Err(self.fail(format_args!("expected `,` or `{}`", char::from(end))))
    }

    fn push_frame(&mut self, frame: Frame) -> Result<()> {
        if self.frames.len() >= self.max_frames {
            return Err(Error::plain(ErrorKind::Depth));
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Reads a value, or the opening of one; whether it is complete.
    fn value(&mut self) -> Result<bool> {
        let id = match self.peek() {
            None => return Err(self.fail("the text ends where a value is expected")),
            Some(b'[') => {
                self.at += 1;
                let id = self.builder.empty_list().map_err(Error::plain)?;
                self.define(id);
                if !self.accept(b']') {
                    let base = self.values.len();
                    self.push_frame(Frame::List { id, base })?;
                    return Ok(false);
                }
                id
            }
            Some(b'{') => {
                self.at += 1;
                return self.object();
            }
            Some(b'"') => {
                let text = self.string()?;
                self.text_node(text)?
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
        };
        self.values.push(id);
        Ok(true)
    }

    /// Notes the node of the definition whose value has just been opened.
    fn define(&mut self, id: NodeId) {
        if let Some(number) = self.pending.take() {
            self.defs.insert(number, Some(id));
        }
    }

    fn word(&mut self) -> Result<NodeId> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, id) in [("null", NodeId::NONE), ("true", NodeId::TRUE), ("false", NodeId::FALSE)] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(id);
            }
        }
        Err(self.fail("not a value"))
    }

    fn number(&mut self) -> Result<NodeId> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let text = self.text.get(self.at..self.at + len).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
        if whole == 0 || (whole > 1 && digits.starts_with('0')) {
            return Err(self.fail("not a number"));
        }
        let id = if whole == digits.len() {
            self.integer(text)?
        } else {
            // Rust reads more forms than JSON has: `1.`, `1.e5`.
            let fraction = digits.get(whole..).unwrap_or_default();
            let sound = match fraction.strip_prefix('.') {
                Some(after) => after.starts_with(|digit: char| digit.is_ascii_digit()),
                None => true,
            };
            let value: f64 = text.parse().ok().filter(|_| sound).ok_or_else(|| self.fail("not a number"))?;
            if value.is_infinite() {
                return Err(self.fail("a number that no float can hold"));
            }
            self.builder.float(value).map_err(Error::plain)?
        };
        self.at += len;
        Ok(id)
    }

    /// An integer from digits that were checked.
    fn integer(&mut self, text: &str) -> Result<NodeId> {
        if let Ok(value) = text.parse() {
            return self.builder.int(value).map_err(Error::plain);
        }
        if text.len() > MAX_DIGITS {
            return Err(Error::plain(ErrorKind::Budget));
        }
        let limbs = text.len() / 19;
        self.builder.work.charge(limbs * limbs).map_err(Error::plain)?;
        let value: BigInt = text.parse().map_err(|_| self.fail("not an integer"))?;
        self.builder.int_owned(&value.to_signed_bytes_le()).map_err(Error::plain)
    }

    /// An integer from what stands behind `0x`.
    fn hexadecimal(&mut self, digits: &str, is_negative: bool) -> Result<NodeId> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.fail("not a hexadecimal integer"));
        }
        let value = BigInt::parse_bytes(digits.as_bytes(), 16).unwrap_or_default();
        let value = if is_negative { -value } else { value };
        match i64::try_from(&value) {
            Ok(value) => self.builder.int(value),
            Err(_) => self.builder.int_owned(&value.to_signed_bytes_le()),
        }
        .map_err(Error::plain)
    }

    fn text_node(&mut self, text: Cow<'a, [u8]>) -> Result<NodeId> {
        let id = match &text {
            Cow::Borrowed(bytes) => match core::str::from_utf8(bytes) {
                Ok(text) => self.builder.str(text),
                Err(_) => Err(ErrorKind::Utf8),
            },
            Cow::Owned(bytes) => match core::str::from_utf8(bytes) {
                Ok(text) => self.builder.owned_str(text),
                Err(_) => self.builder.owned_wtf8(bytes),
            },
        };
        id.map_err(Error::plain)
    }

    /// What follows `{`.
    fn object(&mut self) -> Result<bool> {
        if self.accept(b'}') {
            let id = self.builder.empty_dict().map_err(Error::plain)?;
            self.define(id);
            self.values.push(id);
            return Ok(true);
        }
        let start = self.at;
        let key = self.string()?;
        self.expect(b':')?;
        if key.first() != Some(&b'$') {
            let id = self.builder.empty_dict().map_err(Error::plain)?;
            self.define(id);
            let base = self.values.len();
            let key = self.text_node(key)?;
            self.values.push(key);
            self.push_frame(Frame::Dict { id, base })?;
            return Ok(false);
        }
        let base = self.values.len();
        match key.as_ref() {
            b"$int" | b"$float" | b"$str" | b"$bytes" | b"$bytearray" => {
                let text = self.string()?;
                let id = self.tagged_text(&key, &text)?;
                self.expect(b'}')?;
                self.values.push(id);
                Ok(true)
            }
            b"$complex" => {
                self.expect(b'[')?;
                let real = self.part()?;
                self.expect(b',')?;
                let imaginary = self.part()?;
                self.expect(b']')?;
                self.expect(b'}')?;
                let id = self.complex(real, imaginary).map_err(Error::plain)?;
                self.values.push(id);
                Ok(true)
            }
            b"$ref" => {
                let number = self.index()?;
                self.expect(b'}')?;
                match self.defs.get(&number) {
                    Some(Some(id)) => self.values.push(*id),
                    Some(None) => {
                        return Err(self.fail("a reference to a definition that is not a container"));
                    }
                    None => {
                        return Err(self.fail(format_args!("no definition {number} before this reference")));
                    }
                }
                Ok(true)
            }
            b"$def" => {
                if self.pending.is_some() {
                    return Err(self.fail("a definition of a definition"));
                }
                self.expect(b'[')?;
                let number = self.index()?;
                self.expect(b',')?;
                if self.defs.insert(number, None).is_some() {
                    return Err(self.fail(format_args!("definition {number} is there already")));
                }
                self.pending = Some(number);
                self.push_frame(Frame::Def { number })?;
                Ok(false)
            }
            b"$tuple" => {
                self.expect(b'[')?;
                let def = self.pending;
                let id = match def {
                    Some(_) => Some(self.builder.open_tuple().map_err(Error::plain)?),
                    None => None,
                };
                if let Some(id) = id {
                    self.define(id);
                }
                self.open(Frame::Tuple { id, def, base })
            }
            b"$set" | b"$frozenset" => {
                self.expect(b'[')?;
                let id = match key.as_ref() {
                    b"$set" => self.builder.empty_set(),
                    _ => self.builder.frozenset(&[]),
                };
                let id = id.map_err(Error::plain)?;
                self.define(id);
                self.open(Frame::Set { id, base })
            }
            b"$dict" => {
                self.expect(b'[')?;
                let id = self.builder.empty_dict().map_err(Error::plain)?;
                self.define(id);
                if self.accept(b']') {
                    self.expect(b'}')?;
                    self.values.push(id);
                    return Ok(true);
                }
                self.push_frame(Frame::Pairs { id, base })?;
                self.open_pair()?;
                Ok(false)
            }
            other => {
                if let Some(tag) = Tag::of(other) {
                    return self.open_known(tag, base);
                }
                let name = alloc::string::String::from_utf8_lossy(other);
                self.at = start;
                Err(if DESCRIPTIONS.contains(&other) {
                    Error::new(ErrorKind::Global, start, None).with_global(&name)
                } else {
                    self.fail(format_args!("unknown tag `{}`", name.escape_debug()))
                })
            }
        }
    }

    fn open_known(&mut self, tag: Tag, base: usize) -> Result<bool> {
        let id = self.maker().open(tag).map_err(Error::plain)?;
        match id {
            Some(id) => self.define(id),
            // What its contents are is not what the definition stands for.
            None => self.pending = None,
        }
        self.push_frame(Frame::Known { tag, id, base, beside: Vec::new() })?;
        Ok(false)
    }

    const fn maker(&mut self) -> Maker<'_, 'a> {
        Maker { builder: &mut self.builder, classes: &mut self.classes }
    }

    /// The name of what stands beside a tag, behind the comma.
    fn name_beside(&mut self, tag: Tag) -> Result<&'static str> {
        self.skip_space();
        let key = self.string()?;
        let name = tag.extras().iter().find(|name| name.as_bytes() == key.as_ref()).copied();
        self.expect(b':')?;
        name.ok_or_else(|| self.fail("nothing of that name stands beside this tag"))
    }

    fn close_known(&mut self, tag: Tag, id: Option<NodeId>, base: usize, beside: &[&str]) -> Result<NodeId> {
        let values = self.values.get(base..).unwrap_or_default().to_vec();
        let (Some(&contents), extras) = (values.first(), values.get(1..).unwrap_or_default()) else {
            return Err(self.fail("a tag without a value"));
        };
        let find = |name: &str| {
            beside.iter().position(|other| *other == name).and_then(|place| extras.get(place)).copied()
        };
        self.maker().close(tag, id, contents, find).map_err(|fault| match fault {
            Fault::Kind(ErrorKind::Hash) => self.unfit(ErrorKind::Hash),
            Fault::Kind(kind) => Error::plain(kind),
            Fault::Unfit => self.fail(format_args!("not what {tag:?} is made of")),
            Fault::Global(name) => Error::new(ErrorKind::Global, self.at, None).with_global(&name),
        })
    }

    /// Opens an array inside a tag; whether it was empty and so is complete.
    fn open(&mut self, frame: Frame) -> Result<bool> {
        let empty = self.accept(b']');
        self.push_frame(frame)?;
        if empty {
            self.close()?;
        }
        Ok(empty)
    }

    fn open_pair(&mut self) -> Result<()> {
        self.expect(b'[')?;
        let base = self.values.len();
        self.push_frame(Frame::Pair { base })
    }

    /// A number that names a definition.
    fn index(&mut self) -> Result<u64> {
        self.skip_space();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = rest.get(..len).unwrap_or_default().parse() else {
            return Err(self.fail("expected the number of a definition"));
        };
        self.at += len;
        Ok(number)
    }

    /// Real or imaginary part of a complex number: a number or `$float`, and nothing that could hold
    /// another complex number.
    fn part(&mut self) -> Result<f64> {
        let id = match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{') => {
                self.at += 1;
                let key = self.string()?;
                if key.as_ref() != b"$float" {
                    return Err(self.fail("expected a float"));
                }
                self.expect(b':')?;
                let text = self.string()?;
                let id = self.tagged_text(&key, &text)?;
                self.expect(b'}')?;
                id
            }
            _ => return Err(self.fail("expected a float")),
        };
        match self.builder.document.node(id).view() {
            crate::Node::Float(value) => Ok(value),
            // An integer stands for a float if it is one exactly.
            crate::Node::Int(value) if value.unsigned_abs() <= 1 << 53 => {
                alloc::format!("{value}").parse().map_err(|_| self.fail("expected a float"))
            }
            _ => Err(self.fail("expected a float")),
        }
    }

    fn complex(&mut self, real: f64, imaginary: f64) -> Result<NodeId, ErrorKind> {
        let class = match self.complex {
            Some(class) => class,
            None => {
                let module = self.builder.str("builtins")?;
                let name = self.builder.str("complex")?;
                let known = Some(KnownClass::Complex);
                self.builder.object(ObjectRepr::Global { module, name, known })?
            }
        };
        self.complex = Some(class);
        let parts = [self.builder.float(real)?, self.builder.float(imaginary)?];
        let args = self.builder.tuple(&parts)?;
        self.builder.instance(Instance {
            class,
            construct: Construct::Call,
            known: Some(KnownClass::Complex),
            args,
            kwargs: NodeId::ABSENT,
            state: NodeId::ABSENT,
            items: NodeId::ABSENT,
            pairs: NodeId::ABSENT,
            meta: 0,
        })
    }

    /// The value of a tag whose JSON is a string.
    fn tagged_text(&mut self, tag: &[u8], text: &[u8]) -> Result<NodeId> {
        let text = core::str::from_utf8(text).map_err(|_| self.fail("not text"))?;
        match tag {
            b"$int" => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if let Some(digits) = digits.strip_prefix("0x") {
                    return self.hexadecimal(digits, text.starts_with('-'));
                }
                let sound = digits.bytes().all(|byte| byte.is_ascii_digit())
                    && !digits.is_empty()
                    && (digits.len() == 1 || !digits.starts_with('0'));
                if !sound {
                    return Err(self.fail("`$int` takes decimal digits, or hexadecimal ones behind `0x`"));
                }
                self.integer(text)
            }
            b"$float" => {
                let value = match text {
                    "nan" => f64::NAN,
                    "inf" => f64::INFINITY,
                    "-inf" => f64::NEG_INFINITY,
                    _ => return Err(self.fail("`$float` takes nan, inf or -inf")),
                };
                self.builder.float(value).map_err(Error::plain)
            }
            _ => {
                let bytes = STANDARD.decode(text).map_err(|_| self.fail("not base64"))?;
                let id = match tag {
                    b"$bytes" => self.builder.owned_bytes(&bytes),
                    b"$bytearray" => self.builder.owned_bytearray(&bytes),
                    _ => match core::str::from_utf8(&bytes) {
                        Ok(text) => self.builder.owned_str(text),
                        Err(_) if is_wtf8(&bytes) => self.builder.owned_wtf8(&bytes),
                        Err(_) => return Err(self.fail("`$str` takes the base64 of WTF-8")),
                    },
                };
                id.map_err(Error::plain)
            }
        }
    }

    /// Goes on behind a complete value; whether that completed the container around it.
    fn after_value(&mut self) -> Result<bool> {
        // Only a container's opening tells what a definition holds while it is open.
        self.pending = None;
        let closes = match self.frames.last() {
            None => return Ok(true),
            Some(Frame::List { .. } | Frame::Tuple { .. } | Frame::Set { .. }) => !self.more(b']')?,
            Some(Frame::Dict { .. }) => {
                let ends = !self.more(b'}')?;
                if !ends {
                    self.skip_space();
                    let key = self.string()?;
                    if key.first() == Some(&b'$') {
                        return Err(self.fail("a tag beside other keys"));
                    }
                    self.expect(b':')?;
                    let key = self.text_node(key)?;
                    self.values.push(key);
                }
                ends
            }
            Some(&Frame::Pair { base }) => {
                if self.values.len() - base == 1 {
                    self.expect(b',')?;
                    return Ok(false);
                }
                self.expect(b']')?;
                self.frames.pop();
                let ends = !self.more(b']')?;
                if !ends {
                    self.open_pair()?;
                }
                ends
            }
            Some(Frame::Def { .. }) => {
                self.expect(b']')?;
                true
            }
            Some(Frame::Pairs { .. }) => true,
            Some(&Frame::Known { tag, .. }) => {
                let ends = !self.accept(b',');
                if !ends {
                    let name = self.name_beside(tag)?;
                    match self.frames.last_mut() {
                        Some(Frame::Known { beside, .. }) if !beside.contains(&name) => beside.push(name),
                        _ => return Err(self.fail("a name twice beside a tag")),
                    }
                }
                ends
            }
        };
        if closes {
            self.close()?;
        }
        Ok(closes)
    }

    /// Completes the innermost container, whose closing bracket has been read.
    fn close(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        if !matches!(frame, Frame::List { .. } | Frame::Dict { .. }) {
            self.expect(b'}')?;
        }
        let (id, base) = match frame {
            Frame::List { id, base } => {
                self.builder.extend(id, self.values.get(base..).unwrap_or_default()).map_err(Error::plain)?;
                (id, base)
            }
            Frame::Dict { id, base } | Frame::Pairs { id, base } => {
                let values = self.values.get(base..).unwrap_or_default();
                self.builder.set_items(id, values).map_err(|kind| self.unfit(kind))?;
                if self.builder.document.items(id).len() != values.len() {
                    return Err(self.fail("a key twice"));
                }
                (id, base)
            }
            Frame::Set { id, base } => {
                let values = self.values.get(base..).unwrap_or_default();
                self.builder.add(id, values).map_err(|kind| self.unfit(kind))?;
                if self.builder.document.items(id).len() != values.len() {
                    return Err(self.fail("a member twice"));
                }
                (id, base)
            }
            Frame::Tuple { id, def, base } => {
                let values = self.values.get(base..).unwrap_or_default();
                let id = match id {
                    Some(id) if !values.is_empty() => {
                        self.builder.extend(id, values).map_err(Error::plain)?;
                        id
                    }
                    _ => self.builder.tuple(values).map_err(Error::plain)?,
                };
                if let Some(number) = def {
                    self.defs.insert(number, Some(id));
                }
                (id, base)
            }
            Frame::Def { number } => {
                let id = self.values.last().copied().unwrap_or(NodeId::NONE);
                self.defs.insert(number, Some(id));
                return Ok(());
            }
            Frame::Pair { .. } => return Ok(()),
            Frame::Known { tag, id, base, beside } => (self.close_known(tag, id, base, &beside)?, base),
        };
        self.values.truncate(base);
        self.values.push(id);
        Ok(())
    }

    fn unfit(&self, kind: ErrorKind) -> Error {
        if kind == ErrorKind::Hash { self.fail("an unhashable key or member") } else { Error::plain(kind) }
    }
}
