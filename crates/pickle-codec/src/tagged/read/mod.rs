//! The reader of tagged JSON: strict, without recursion, into a document that can be encoded.
//!
//! Two stacks: `frames` has what is open, `values` the nodes of those values that are complete and wait for
//! what is open around them, which takes them when it closes:
//!
//! ```text
//! {"$tuple":[1,[2]]}     frames: Tag List         values: 1
//!                        frames: Tag List List    values: 1 2
//!                        frames: Tag List         values: 1 [2]
//!                        frames: Tag              values: [1,[2]]
//!                        frames:                  values: (1,[2])
//! ```
//!
//! What a tag holds is a value like any other, and is turned into what the tag stands for when the object closes
//! (`make.rs`). The one exception are the pairs of dicts, `[[key,value],...]`, which become a dict at once instead
//! of a list of lists, so that they count one level of nesting as dicts do. Whatever can hold itself exists from
//! its first byte on, so that `{"$ref":n}` inside of `{"$def":[n,...]}` can name it; a tuple only there.
//!
//! A function that fails leaves [`JsonReader::at`] where the fault is; line and column are counted once, at the
//! end.

mod make;
mod string;

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use num_bigint::BigInt;

use super::TaggedOptions;
use super::tag::JsonTag;
use crate::build::fill::{Builder, Keys};
use crate::document::{Document, NodeId, Root};
use crate::wire::error::{Error, ErrorKind, Result};

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
    let keys = Keys::new(crate::document::hash::seed());
    let mut reader = JsonReader {
        text,
        at: 0,
        builder: Builder::new(Document::default(), keys, limits, text.len()),
        frames: Vec::new(),
        values: Vec::new(),
        defs: BTreeMap::new(),
        pending: None,
        modules: BTreeMap::new(),
        globals: BTreeMap::new(),
        // A level of a dict is four levels of JSON, and a definition two more.
        max_frames: limits.max_depth.saturating_mul(6).saturating_add(16),
    };
    let root = reader.run().map_err(|fault| reader.error(fault))?;
    reader.builder.measure_depth(root).map_err(Error::plain)?;
    let mut document = reader.builder.into_document();
    document.root = Root(root);
    Ok(document)
}

/// Why reading ended. It says nothing of the place, which costs a count of lines: that is made at the end, once, at the place that [`JsonReader::at`] has.
enum Misread {
    Kind(ErrorKind),
    /// The text is not tagged JSON.
    Says(Cow<'static, str>),
    /// What a tag holds is not what it takes.
    Unfit,
    /// A name that is not known, and so only describes.
    Global(String),
}

impl From<ErrorKind> for Misread {
    fn from(kind: ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

impl From<&'static str> for Misread {
    fn from(text: &'static str) -> Self {
        Self::Says(Cow::Borrowed(text))
    }
}

impl From<String> for Misread {
    fn from(text: String) -> Self {
        Self::Says(Cow::Owned(text))
    }
}

type Parsed<T> = core::result::Result<T, Misread>;

/// What is not complete, from the outside in. `base` is where its values start on the stack of values.
enum Unfinished {
    List(NodeId, usize),
    /// A plain object: keys and values in turn.
    Dict(NodeId, usize),
    /// The pairs of a dict as arrays of two.
    Pairs(NodeId, usize),
    Pair(usize),
    Def(u64),
    /// What a tag takes, then what stands beside it, by these names. The id is that of the result, where what
    /// the tag takes may refer to it.
    Tag(JsonTag, Option<NodeId>, usize, Vec<&'static str>),
}

/// A text that is being read, and the document that it makes so far.
struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    builder: Builder<'a>,
    frames: Vec<Unfinished>,
    values: Vec<NodeId>,
    /// Defined objects; `None` while it is not known what the definition holds.
    defs: BTreeMap<u64, Option<NodeId>>,
    /// The definition whose value comes next.
    pending: Option<u64>,
    /// The globals so far: classes of one module share its text, and one class is one object.
    modules: BTreeMap<String, NodeId>,
    globals: BTreeMap<(String, String), NodeId>,
    max_frames: usize,
}

impl<'a> JsonReader<'a> {
    /// Reads the one value of a text, and makes sure that nothing follows it.
    fn run(&mut self) -> Parsed<NodeId> {
        loop {
            if !self.value()? {
                continue;
            }
            // A value is complete; close what it completes.
            while self.after_value()? {
                if self.frames.is_empty() {
                    self.skip_space();
                    if self.at != self.text.len() {
                        return Err("text after the value".into());
                    }
                    return self.values.pop().ok_or(Misread::Unfit);
                }
            }
        }
    }

    /// The error for whoever wrote the text. Limits have no place: they are about all of it.
    #[cold]
    fn error(&self, fault: Misread) -> Error {
        let what = match fault {
            Misread::Kind(ErrorKind::Hash) => Cow::Borrowed("an unhashable key or member"),
            Misread::Kind(kind) => return Error::plain(kind),
            Misread::Global(name) => return Error::new(ErrorKind::Global, self.at, None).with_global(&name),
            Misread::Unfit => Cow::Borrowed("not what a tag is made of"),
            Misread::Says(what) => what,
        };
        let read = self.text.get(..self.at).unwrap_or(self.text);
        let line = read.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = read.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Error::message(format_args!("tagged JSON, line {line} column {column}: {what}"))
    }

    /// What has not been read.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().bytes().take_while(space).count();
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.accept(byte) { Ok(()) } else { Err(format!("expected `{}`", char::from(byte)).into()) }
    }

    /// Takes a byte if it is the next one that is no space.
    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Whether another item follows a complete one; takes the comma or the end. No comma stands before the end.
    fn more(&mut self, end: u8) -> Parsed<bool> {
        if self.accept(b',') {
            return Ok(true);
        }
        if self.accept(end) {
            return Ok(false);
        }
        Err(format!("expected `,` or `{}`", char::from(end)).into())
    }

    /// Puts a value on the stack of those that are complete, as the answer of [`value`](Self::value) says.
    fn give(&mut self, id: NodeId) -> bool {
        self.values.push(id);
        true
    }

    /// Opens what is not complete.
    fn open(&mut self, frame: Unfinished) -> Parsed<bool> {
        if self.frames.len() >= self.max_frames {
            return Err(ErrorKind::Depth.into());
        }
        self.frames.push(frame);
        Ok(false)
    }

    /// Notes the node of the definition whose value has just been opened, so that what it holds can refer to it:
    ///
    /// ```text
    /// {"$def":[7,[{"$ref":7}]]}      the list is defined at its bracket, the reference finds it empty
    /// {"$def":[7,"text"]}            no value that is open: defined when the `$def` closes
    /// ```
    fn define(&mut self, id: NodeId) {
        if let Some(number) = self.pending.take() {
            self.defs.insert(number, Some(id));
        }
    }

    /// Reads a value, or the opening of one; whether it is complete.
    fn value(&mut self) -> Parsed<bool> {
        let base = self.values.len();
        let id = match self.peek() {
            None => return Err("the text ends where a value is expected".into()),
            Some(b'[') => {
                self.at += 1;
                let id = self.builder.empty_list()?;
                self.define(id);
                if !self.accept(b']') {
                    return self.open(Unfinished::List(id, base));
                }
                id
            }
            Some(b'{') => {
                self.at += 1;
                return self.object(base);
            }
            Some(b'"') => {
                let text = self.string()?;
                self.text_node(text)?
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => {
                let words = [("null", NodeId::NONE), ("true", NodeId::TRUE), ("false", NodeId::FALSE)];
                let word = words.iter().find(|(word, _)| self.rest().starts_with(word));
                let &(word, id) = word.ok_or("not a value")?;
                self.at += word.len();
                id
            }
        };
        Ok(self.give(id))
    }

    /// A number by JSON's grammar, of which Rust's own reading takes more. One with a fraction or an exponent is a
    /// float, all others are integers of any size, as in Python's `json`.
    fn number(&mut self) -> Parsed<NodeId> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = self.rest().bytes().take_while(is_part).count();
        let text = self.rest().get(..len).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
        if whole == 0 || (whole > 1 && digits.starts_with('0')) {
            return Err("not a number".into());
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
            let value: f64 = text.parse().ok().filter(|_| sound).ok_or("not a number")?;
            if value.is_infinite() {
                return Err("a number that no float can hold".into());
            }
            self.builder.float(value)?
        };
        self.at += len;
        Ok(id)
    }

    /// An integer from digits that were checked.
    fn integer(&mut self, text: &str) -> Parsed<NodeId> {
        if let Ok(value) = text.parse() {
            return Ok(self.builder.int(value)?);
        }
        if text.len() > MAX_DIGITS {
            return Err(ErrorKind::Budget.into());
        }
        let limbs = text.len() / 19;
        self.builder.work.charge(limbs * limbs)?;
        let value: BigInt = text.parse().map_err(|_| "not an integer")?;
        self.big_int(&value)
    }

    /// An integer in its one form: those that fit `i64` are never large.
    fn big_int(&mut self, value: &BigInt) -> Parsed<NodeId> {
        Ok(match i64::try_from(value) {
            Ok(value) => self.builder.int(value)?,
            Err(_) => self.builder.int_owned(&value.to_signed_bytes_le())?,
        })
    }

    /// The node of a string, which borrows from the text unless it has escapes.
    fn text_node(&mut self, text: Cow<'a, [u8]>) -> Parsed<NodeId> {
        Ok(match text {
            Cow::Borrowed(bytes) => {
                self.builder.str(core::str::from_utf8(bytes).map_err(|_| ErrorKind::Utf8)?)?
            }
            Cow::Owned(bytes) => match core::str::from_utf8(&bytes) {
                Ok(text) => self.builder.owned_str(text)?,
                Err(_) => self.builder.owned_wtf8(&bytes)?,
            },
        })
    }

    /// What follows `{`: its first key tells whether it is a dict, a definition or reference, or a tag. An unknown tag
    /// is an error and no dict, because the writer would not have written it so.
    fn object(&mut self, base: usize) -> Parsed<bool> {
        let is_empty = self.accept(b'}');
        let start = self.at;
        let key = if is_empty { Cow::default() } else { self.string()? };
        if !is_empty {
            self.expect(b':')?;
        }
        if is_empty || key.first() != Some(&b'$') {
            let id = self.builder.empty_dict()?;
            self.define(id);
            if is_empty {
                return Ok(self.give(id));
            }
            let key = self.text_node(key)?;
            self.values.push(key);
            return self.open(Unfinished::Dict(id, base));
        }
        match key.as_ref() {
            b"$ref" => {
                let number = self.index()?;
                self.expect(b'}')?;
                match self.defs.get(&number) {
                    Some(&Some(id)) => Ok(self.give(id)),
                    Some(None) => Err("a reference to a definition that is not a container".into()),
                    None => Err(format!("no definition {number} before this reference").into()),
                }
            }
            b"$def" => {
                if self.pending.is_some() {
                    return Err("a definition of a definition".into());
                }
                self.expect(b'[')?;
                let number = self.index()?;
                self.expect(b',')?;
                if self.defs.insert(number, None).is_some() {
                    return Err(format!("definition {number} is there already").into());
                }
                self.pending = Some(number);
                self.open(Unfinished::Def(number))
            }
            other => match JsonTag::of(other) {
                Some(tag) => self.open_tag(tag, base),
                None => {
                    let name = String::from_utf8_lossy(other);
                    self.at = start;
                    Err(match DESCRIPTIONS.contains(&other) {
                        true => Misread::Global(name.to_string()),
                        false => format!("unknown tag `{}`", name.escape_debug()).into(),
                    })
                }
            },
        }
    }

    /// Opens a tag: its frame, and for the pairs of a dict the frames of these on top. A tuple, set or dict is written
    /// with its array there and then. All others take what they are given, a reference among it, and refuse it
    /// at their end.
    fn open_tag(&mut self, tag: JsonTag, base: usize) -> Parsed<bool> {
        let id = self.open_result(tag)?;
        match id {
            Some(id) => self.define(id),
            // What its contents are is not what the definition stands for.
            None => self.pending = None,
        }
        self.open(Unfinished::Tag(tag, id, base, Vec::new()))?;
        if tag.takes_items() && self.peek() != Some(b'[') {
            return self.expect(b'[').map(|()| false);
        }
        if !tag.takes_pairs() {
            return Ok(false);
        }
        self.expect(b'[')?;
        let id = match id {
            Some(id) if tag == JsonTag::Dict => id,
            _ => self.builder.empty_dict()?,
        };
        if self.accept(b']') {
            return Ok(self.give(id));
        }
        self.open(Unfinished::Pairs(id, base))?;
        self.open_pair()
    }

    fn open_pair(&mut self) -> Parsed<bool> {
        self.expect(b'[')?;
        let base = self.values.len();
        self.open(Unfinished::Pair(base))
    }

    /// A number that names a definition.
    fn index(&mut self) -> Parsed<u64> {
        self.skip_space();
        let len = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest().get(..len).and_then(|digits| digits.parse().ok());
        self.at += len;
        number.ok_or_else(|| "expected the number of a definition".into())
    }

    /// Goes on behind a complete value; whether that completed what is open around it.
    ///
    /// ```text
    /// List, Dict     a comma and the next item or key, or the bracket that closes it
    /// Pair           behind the key a comma; behind the value `]`, then the next pair or the end of all pairs
    /// Def            `]`, behind which the object closes
    /// Tag            a comma and what stands beside it, or the end
    /// ```
    fn after_value(&mut self) -> Parsed<bool> {
        // Only a container's opening tells what a definition holds while it is open.
        self.pending = None;
        let closes = match self.frames.last() {
            None => return Ok(true),
            Some(Unfinished::List(..)) => !self.more(b']')?,
            Some(Unfinished::Dict(..)) => {
                let ends = !self.more(b'}')?;
                if !ends {
                    let key = self.string()?;
                    if key.first() == Some(&b'$') {
                        return Err("a tag beside other keys".into());
                    }
                    self.expect(b':')?;
                    let key = self.text_node(key)?;
                    self.values.push(key);
                }
                ends
            }
            Some(&Unfinished::Pair(base)) if self.values.len() - base == 1 => {
                self.expect(b',')?;
                return Ok(false);
            }
            Some(Unfinished::Pair(..)) => {
                self.expect(b']')?;
                self.frames.pop();
                let ends = !self.more(b']')?;
                if !ends {
                    self.open_pair()?;
                }
                ends
            }
            Some(Unfinished::Def(..)) => {
                self.expect(b']')?;
                true
            }
            Some(Unfinished::Pairs(..)) => true,
            Some(&Unfinished::Tag(tag, ..)) => {
                let ends = !self.accept(b',');
                if !ends {
                    let key = self.string()?;
                    let name = tag.beside().iter().find(|name| name.as_bytes() == key.as_ref());
                    self.expect(b':')?;
                    let name = *name.ok_or("nothing of that name stands beside this tag")?;
                    match self.frames.last_mut() {
                        Some(Unfinished::Tag(.., beside)) if !beside.contains(&name) => beside.push(name),
                        _ => return Err("a name twice beside a tag".into()),
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

    /// Completes what is open innermost: its values become items or pairs, or what the tag stands for, which is then a
    /// value of what is open around it. The bracket of a list or dict has been read, that of an object not yet.
    fn close(&mut self) -> Parsed<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let (id, base) = match frame {
            Unfinished::List(id, base) => {
                self.builder.extend(id, self.values.get(base..).unwrap_or_default())?;
                (id, base)
            }
            Unfinished::Dict(id, base) | Unfinished::Pairs(id, base) => {
                let values = self.values.get(base..).unwrap_or_default();
                self.builder.set_items(id, values)?;
                if self.builder.document.items(id).len() != values.len() {
                    return Err("a key twice".into());
                }
                (id, base)
            }
            Unfinished::Def(number) => {
                self.expect(b'}')?;
                self.defs.insert(number, self.values.last().copied());
                return Ok(());
            }
            Unfinished::Pair(..) => return Ok(()),
            Unfinished::Tag(tag, id, base, beside) => {
                self.expect(b'}')?;
                let values = self.values.get(base..).unwrap_or_default().to_vec();
                let find = |name: &str| {
                    let place = beside.iter().position(|other| *other == name)?;
                    values.get(place + 1).copied()
                };
                let contents = *values.first().ok_or(Misread::Unfit)?;
                let made = self.make(tag, id, contents, find).map_err(|fault| match fault {
                    Misread::Unfit => format!("not what {tag:?} is made of").into(),
                    fault => fault,
                })?;
                (made, base)
            }
        };
        self.values.truncate(base);
        self.values.push(id);
        Ok(())
    }
}
