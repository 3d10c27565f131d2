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
use crate::document::{Node, NodeRef};
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
            ValueMaker { left: limits.expansion, max_depth: limits.depth, holders: Some(BTreeSet::new()) };
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
        let mut converter = ValueMaker { left: most, max_depth, holders: None };
        let value = converter.value(self);
        budget.settle(most - converter.left, value.is_ok());
        value.map_err(|kind| Error::plain(walk::limit_or_cycle(kind, self)))
    }
}

/// Bytes of a place in a value.
const SLOT: usize = size_of::<Value<'_>>();

/// Builds values from the inside out, with a stack of its own for what is open.
struct ValueMaker {
    left: usize,
    max_depth: usize,
    /// The containers that hold what is met next, where one that is among them is to be cut; else a cycle
    /// ends at the depth.
    holders: Option<BTreeSet<NodeId>>,
}

/// A container of which some children are done.
struct OpenValue<'a> {
    id: NodeId,
    /// The place of the next child, in the order of [`walk::child`].
    place: usize,
    /// The container with the children so far, and with room for the others.
    value: Value<'a>,
}

impl ValueMaker {
    /// Takes bytes from the budget before they are taken from the heap.
    fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.left = self.left.checked_sub(bytes).ok_or(ErrorKind::Budget)?;
        Ok(())
    }

    /// A node with all that it holds, a child at a time.
    fn value<'a>(&mut self, root: NodeRef<'_, 'a>) -> Result<Value<'a>, ErrorKind> {
        let document = root.document();
        let mut open: Vec<OpenValue<'a>> = Vec::new();
        let mut id = root.id();
        loop {
            let value = self.start(document.node(id))?;
            let is_leaf = matches!(value, Value::Global(_) | Value::Extension(_) | Value::Buffer(..));
            let holds = (id.is_container() && !is_leaf) || id == NodeId::EMPTY_TUPLE;
            let mut done = if !holds {
                Some(value)
            } else if self.holders.as_mut().is_some_and(|holders| !holders.insert(id)) {
                Some(inside_itself(&value))
            } else if open.len() >= self.max_depth {
                return Err(ErrorKind::Depth);
            } else {
                open.push(OpenValue { id, place: 0, value });
                None
            };
            id = loop {
                let Some(top) = open.last_mut() else { return done.ok_or(ErrorKind::Type) };
                if let Some(value) = done.take() {
                    top.take(value);
                }
                let child = walk::child(document, top.id, top.place);
                top.place += 1;
                match child {
                    Some(NodeId::ABSENT) => {}
                    Some(child) => break child,
                    None => {
                        if let Some(holders) = &mut self.holders {
                            holders.remove(&top.id);
                        }
                        done = open.pop().map(|open| open.value);
                    }
                }
            };
        }
    }

    /// A leaf as a value, a container without its children and with room for them.
    fn start<'a>(&mut self, node: NodeRef<'_, 'a>) -> Result<Value<'a>, ErrorKind> {
        Ok(match node.view() {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::Float(value) => Value::Float(value),
            Node::Str(text) => self.text(node, text)?,
            Node::List(items) => Value::List(self.room(items.len())?),
            Node::Tuple(items) => Value::Tuple(self.room(items.len())?),
            Node::Set(items) => Value::Set(self.room(items.len())?),
            Node::FrozenSet(items) => Value::FrozenSet(self.room(items.len())?),
            Node::Dict(pairs) => Value::Dict(self.room(pairs.len())?),
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
            Node::Object(object) => {
                self.charge(size_of::<ObjectValue<'_>>())?;
                Value::Object(Box::new(ObjectValue {
                    class: Value::None,
                    construct: object.construct(),
                    args: Vec::new(),
                    kwargs: None,
                    state: None,
                    items: None,
                    pairs: None,
                    known: object.instance.known,
                }))
            }
            Node::PersistentId(_) => {
                self.charge(SLOT)?;
                Value::PersistentId(Box::default())
            }
            Node::Extension(code) => Value::Extension(code),
            Node::Buffer(index, read_only) => Value::Buffer(index, read_only),
        })
    }

    /// Room for items or pairs, which is charged before it is taken.
    fn room<T>(&mut self, len: usize) -> Result<Vec<T>, ErrorKind> {
        self.charge(len.saturating_mul(size_of::<T>()))?;
        Ok(Vec::with_capacity(len))
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

    /// A part of a name, which need not stand in the input: surrogates in it are replaced, as no name has any.
    fn name<'a>(&mut self, node: NodeRef<'_, 'a>, text: Str<'_>) -> Result<Cow<'a, str>, ErrorKind> {
        self.charge(text.as_bytes().len())?;
        Ok(match node.borrowed_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(text.to_string_lossy()),
        })
    }

    /// Bytes are borrowed like text, and charged like text.
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
    fn take(&mut self, child: Value<'a>) {
        match (&mut self.value, child) {
            (Value::Dict(pairs), key) if self.place % 2 == 1 => pairs.push((key, Value::None)),
            (Value::Dict(pairs), value) => {
                if let Some(pair) = pairs.last_mut() {
                    pair.1 = value;
                }
            }
            (Value::PersistentId(id), value) => **id = value,
            (Value::Object(object), part) => match (self.place, part) {
                (1, class) => object.class = class,
                (2, Value::Tuple(args) | Value::List(args)) => object.args = args,
                (3, Value::Dict(kwargs)) => object.kwargs = Some(kwargs),
                (4, state) => object.state = Some(state),
                (5, Value::List(items)) => object.items = Some(items),
                (6, Value::Dict(pairs)) => object.pairs = Some(pairs),
                _ => {}
            },
            (
                Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items),
                item,
            ) => {
                items.push(item);
            }
            _ => {}
        }
    }
}

/// What stands for an object inside itself.
fn inside_itself<'a>(value: &Value<'_>) -> Value<'a> {
    Value::from(match value {
        Value::List(_) => "[...]",
        Value::Dict(_) => "{...}",
        Value::Tuple(_) => "(...)",
        _ => "...",
    })
}
