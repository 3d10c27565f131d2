//! Documents to values: every place where an object stands is written out, and charged.
//!
//! A value is built from the inside out: a container that is met is opened with room for what it will hold,
//! and moves into its parent when it is complete. The room is charged before it is taken, at 32 bytes a place,
//! so that a shared list that stands a million times ends at the budget and not at the end of memory.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::budget::Budget;
use crate::decode::Decoder;
use crate::document::NodeId;
use crate::document::walk;
use crate::document::{Document, Node, NodeRef};
use crate::limits::{Limits, ValueLimits};
use crate::options::DecodeOptions;
use crate::value::{GlobalName, ObjectValue, Value};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::text::Str;

impl<'a> Value<'a> {
    /// Decodes an input that is one pickle, with the default options.
    ///
    /// # Errors
    /// As [`Decoder::decode`] and [`NodeRef::to_value_with`].
    pub fn from_slice(input: &'a [u8]) -> Result<Self> {
        Self::from_slice_with(input, &DecodeOptions::new())
    }

    /// Decodes an input that is one pickle, by these options. Whoever decodes many keeps a [`Decoder`].
    ///
    /// # Errors
    /// As [`Decoder::decode`] and [`NodeRef::to_value_with`].
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Globals, Value};
    /// let options = DecodeOptions::new().globals(Globals::Known);
    /// let value = Value::from_slice_with(b"cbuiltins\nset\n(](K\x01K\x02etR.", &options)?;
    /// assert_eq!(value, Value::Set(vec![1.into(), 2.into()]));
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn from_slice_with(input: &'a [u8], options: &DecodeOptions) -> Result<Self> {
        let document = Decoder::with_options(options.clone()).decode(input)?;
        document.root().to_value()
    }
}

impl Decoder {
    /// Decodes an input that is one pickle into a [`Value`], and keeps the document's memory for
    /// the next decode.
    ///
    /// # Errors
    /// As [`decode`](Self::decode) and [`NodeRef::to_value_with`].
    pub fn decode_value<'a>(&mut self, input: &'a [u8]) -> Result<Value<'a>> {
        let document = self.decode(input)?;
        let value = document.root().to_value();
        self.recycle(document);
        value
    }
}

impl<'a> Document<'a> {
    /// The root as a [`Value`], within the limits of the document's decode.
    ///
    /// # Errors
    /// As [`NodeRef::to_value_with`].
    pub fn to_value(&self) -> Result<Value<'a>> {
        self.root().to_value()
    }
}

impl<'a> NodeRef<'_, 'a> {
    /// The node as a [`Value`], within the limits of its document's decode. Text and bytes that
    /// stand in the input are borrowed from it.
    ///
    /// # Errors
    /// As [`to_value_with`](Self::to_value_with).
    pub fn to_value(self) -> Result<Value<'a>> {
        self.convert(self.document().limits)
    }

    /// The node as a [`Value`], within other limits.
    ///
    /// # Errors
    /// `recursive` if an object contains itself; `depth` beyond [`Limits::value_depth`]; `budget`
    /// if the value would take more bytes than [`Limits::expansion`] allows for the input.
    pub fn to_value_with(self, limits: &Limits) -> Result<Value<'a>> {
        self.convert(ValueLimits::new(limits, self.document().input_len()))
    }

    /// The node as a [`Value`], in which a text such as `"[...]"` stands where an object contains itself: what `repr`
    /// prints there.
    ///
    /// ```
    /// use pickle_codec::{Decoder, Limits, Value};
    /// // x = [1]; x.append(x)
    /// let document = Decoder::new().decode(b"]q\0(K\x01h\0e.")?;
    /// let value = document.root().to_value_lossy(&Limits::default())?;
    /// assert_eq!(value, Value::List(vec![1.into(), "[...]".into()]));
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    ///
    /// # Errors
    /// `depth` and `budget` as [`to_value_with`](Self::to_value_with).
    pub fn to_value_lossy(self, limits: &Limits) -> Result<Value<'a>> {
        let limits = ValueLimits::new(limits, self.document().input_len());
        let mut converter =
            Converter { left: limits.expansion, max_depth: limits.depth, holders: Some(BTreeSet::new()) };
        converter.value(self).map_err(Error::plain)
    }

    fn convert(self, limits: ValueLimits) -> Result<Value<'a>> {
        self.convert_within(limits.depth, &mut Budget::new(limits.expansion))
    }

    /// The node as a [`Value`], whose bytes are taken from a budget, which replaces
    /// [`Limits::expansion`]: 32 bytes for each place in a container, and the length of the text and
    /// bytes that stand there.
    ///
    /// # Errors
    /// As [`to_value_with`](Self::to_value_with); nothing is taken then.
    pub fn to_value_within(self, limits: &Limits, budget: &mut Budget) -> Result<Value<'a>> {
        self.convert_within(limits.value_depth(), budget)
    }

    fn convert_within(self, max_depth: usize, budget: &mut Budget) -> Result<Value<'a>> {
        let most = budget.attempt();
        let mut converter = Converter { left: most, max_depth, holders: None };
        let value = converter.value(self);
        budget.settle(most - converter.left, value.is_ok());
        value.map_err(|kind| Error::plain(walk::limit_or_cycle(kind, self)))
    }
}

/// Bytes of a place in a value.
const SLOT: usize = size_of::<Value<'_>>();

/// Builds values from the inside out, with a stack of its own for what is open.
struct Converter {
    left: usize,
    max_depth: usize,
    /// The containers that hold what is met next, where one that is among them is to be cut; else a cycle
    /// ends at the depth.
    holders: Option<BTreeSet<NodeId>>,
}

/// A container of which some children are done.
struct OpenValue<'a> {
    id: NodeId,
    place: u32,
    body: Body<'a>,
}

enum Body<'a> {
    Items(Vec<Value<'a>>),
    /// The pairs, and a key that waits for its value.
    Pairs(Vec<(Value<'a>, Value<'a>)>, Value<'a>),
    /// The parts of an object in the order of [`walk::child`].
    Parts(Box<[Option<Value<'a>>; 6]>),
}

/// What a node came to.
enum Converted<'a> {
    Done(Value<'a>),
    OpenValue(Body<'a>),
}

impl Converter {
    fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.left = self.left.checked_sub(bytes).ok_or(ErrorKind::Budget)?;
        Ok(())
    }

    fn value<'a>(&mut self, root: NodeRef<'_, 'a>) -> Result<Value<'a>, ErrorKind> {
        let document = root.document();
        let mut open: Vec<OpenValue<'a>> = Vec::new();
        let mut next = Some(root.id());
        loop {
            let mut done = None;
            if let Some(id) = next.take() {
                let is_holder = self.holders.as_ref().is_some_and(|holders| holders.contains(&id));
                match self.step(document.node(id))? {
                    Converted::Done(value) => done = Some(value),
                    Converted::OpenValue(_) if is_holder => done = Some(inside_itself(document.node(id))),
                    Converted::OpenValue(body) => {
                        if open.len() >= self.max_depth {
                            return Err(ErrorKind::Depth);
                        }
                        open.push(OpenValue { id, place: 0, body });
                        if let Some(holders) = &mut self.holders {
                            holders.insert(id);
                        }
                    }
                }
            }
            if let Some(value) = done {
                match open.last_mut() {
                    Some(parent) => parent.take(value),
                    None => return Ok(value),
                }
            }
            let Some(top) = open.last_mut() else { return Err(ErrorKind::Type) };
            match walk::child(document, top.id, usize::try_from(top.place).unwrap_or(usize::MAX)) {
                Some(NodeId::ABSENT) => top.place += 1,
                Some(child) => {
                    top.place += 1;
                    next = Some(child);
                }
                None => {
                    let Some(top) = open.pop() else { return Err(ErrorKind::Type) };
                    if let Some(holders) = &mut self.holders {
                        holders.remove(&top.id);
                    }
                    let value = close(document, top);
                    match open.last_mut() {
                        Some(parent) => parent.take(value),
                        None => return Ok(value),
                    }
                }
            }
        }
    }

    /// A leaf as a value, a container as an empty body with room for what it will hold.
    fn step<'a>(&mut self, node: NodeRef<'_, 'a>) -> Result<Converted<'a>, ErrorKind> {
        Ok(Converted::Done(match node.view() {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::Float(value) => Value::Float(value),
            Node::Str(text) => self.text(node, text)?,
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                self.charge(items.len().saturating_mul(SLOT))?;
                return Ok(Converted::OpenValue(Body::Items(Vec::with_capacity(items.len()))));
            }
            Node::Dict(pairs) => {
                self.charge(pairs.len().saturating_mul(2 * SLOT))?;
                return Ok(Converted::OpenValue(Body::Pairs(Vec::with_capacity(pairs.len()), Value::None)));
            }
            Node::BigInt(value) => {
                self.charge(size_of::<num_bigint::BigInt>() + value.as_signed_bytes_le().len() + 8)?;
                Value::BigInt(Box::new(value.to_bigint()))
            }
            Node::Bytes(bytes) => Value::Bytes(self.bytes(node, bytes)?),
            Node::ByteArray(bytes) => Value::ByteArray(self.bytes(node, bytes)?),
            Node::Global(module, name) => {
                let [module_id, name_id] = walk::global_names(node);
                let module = self.name(node.document().node(module_id), module)?;
                let name = self.name(node.document().node(name_id), name)?;
                self.charge(size_of::<GlobalName<'_>>())?;
                Value::global(module, name)
            }
            Node::Object(_) => {
                self.charge(size_of::<ObjectValue<'_>>())?;
                return Ok(Converted::OpenValue(Body::Parts(Box::default())));
            }
            Node::PersistentId(_) => {
                self.charge(SLOT)?;
                return Ok(Converted::OpenValue(Body::Items(Vec::with_capacity(1))));
            }
            Node::Extension(code) => Value::Extension(code),
            Node::Buffer(index, read_only) => Value::Buffer(index, read_only),
        }))
    }

    fn text<'a>(&mut self, node: NodeRef<'_, 'a>, text: Str<'_>) -> Result<Value<'a>, ErrorKind> {
        // Borrowed text is charged too, because the next step may well copy it.
        self.charge(text.as_bytes().len())?;
        Ok(match (node.borrowed_str(), text) {
            (Some(text), _) => Value::Str(Cow::Borrowed(text)),
            (None, Str::Utf8(text)) => Value::Str(Cow::Owned(text.into())),
            (None, Str::Wtf8(bytes)) => match walk::borrowed_wtf8(node) {
                Some(bytes) => Value::Wtf8(Cow::Borrowed(bytes)),
                None => Value::Wtf8(Cow::Owned(bytes.into())),
            },
        })
    }

    fn name<'a>(&mut self, node: NodeRef<'_, 'a>, text: Str<'_>) -> Result<Cow<'a, str>, ErrorKind> {
        self.charge(text.as_bytes().len())?;
        Ok(match node.borrowed_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(text.to_string_lossy()),
        })
    }

    fn bytes<'a>(&mut self, node: NodeRef<'_, 'a>, bytes: &[u8]) -> Result<Cow<'a, [u8]>, ErrorKind> {
        self.charge(bytes.len())?;
        Ok(match node.borrowed_bytes() {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(bytes.into()),
        })
    }
}

impl<'a> OpenValue<'a> {
    /// Takes the child before the place at hand.
    fn take(&mut self, value: Value<'a>) {
        match &mut self.body {
            Body::Items(items) => items.push(value),
            Body::Pairs(_, key) if self.place % 2 == 1 => *key = value,
            Body::Pairs(pairs, key) => pairs.push((core::mem::take(key), value)),
            Body::Parts(parts) => {
                let place = usize::try_from(self.place).unwrap_or(usize::MAX).wrapping_sub(1);
                if let Some(part) = parts.get_mut(place) {
                    *part = Some(value);
                }
            }
        }
    }
}

/// What stands for an object inside itself.
fn inside_itself<'a>(node: NodeRef<'_, 'a>) -> Value<'a> {
    Value::from(match node.view() {
        Node::List(_) => "[...]",
        Node::Dict(_) => "{...}",
        Node::Tuple(_) => "(...)",
        _ => "...",
    })
}

/// The value of a container whose children are all done.
fn close<'a>(document: &Document<'a>, open: OpenValue<'a>) -> Value<'a> {
    let view = document.node(open.id).view();
    match (open.body, view) {
        (Body::Items(items), Node::Tuple(_)) => Value::Tuple(items),
        (Body::Items(items), Node::Set(_)) => Value::Set(items),
        (Body::Items(items), Node::FrozenSet(_)) => Value::FrozenSet(items),
        (Body::Items(mut items), Node::PersistentId(_)) => {
            Value::PersistentId(Box::new(items.pop().unwrap_or_default()))
        }
        (Body::Items(items), _) => Value::List(items),
        (Body::Pairs(pairs, _), _) => Value::Dict(pairs),
        (Body::Parts(parts), Node::Object(object)) => {
            let [class, args, kwargs, state, items, pairs] = *parts;
            let list = |part: Option<Value<'a>>| match part? {
                Value::List(items) | Value::Tuple(items) => Some(items),
                _ => None,
            };
            let dict = |part: Option<Value<'a>>| match part? {
                Value::Dict(pairs) => Some(pairs),
                _ => None,
            };
            Value::Object(Box::new(ObjectValue {
                class: class.unwrap_or_default(),
                construct: object.construct(),
                args: list(args).unwrap_or_default(),
                kwargs: dict(kwargs),
                state,
                items: list(items),
                pairs: dict(pairs),
                known: object.instance.known,
            }))
        }
        (Body::Parts(_), _) => Value::None,
    }
}
