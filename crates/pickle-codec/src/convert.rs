//! Documents to values: every place where an object stands is written out, and charged.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::decode::Decoder;
use crate::document::{Document, Items, Node, NodeRef, Pairs};
use crate::error::{Error, ErrorKind, Result};
use crate::object::Object;
use crate::options::{DecodeOptions, Limits};
use crate::text::Str;
use crate::value::{GlobalName, ObjectValue, Value};
use crate::visit;

impl<'a> Value<'a> {
    /// Decodes an input that is one pickle, with the default options.
    ///
    /// # Errors
    /// As [`Decoder::decode`] and [`NodeRef::to_value_with`].
    pub fn from_slice(input: &'a [u8]) -> Result<Self> {
        Self::from_slice_with(input, &DecodeOptions::new())
    }

    /// Decodes an input that is one pickle.
    ///
    /// # Errors
    /// As [`Decoder::decode`] and [`NodeRef::to_value_with`].
    pub fn from_slice_with(input: &'a [u8], options: &DecodeOptions) -> Result<Self> {
        let document = Decoder::with_options(options.clone()).decode(input)?;
        document.root().to_value_with(options.limits_set())
    }
}

/// Decodes an input that is one pickle into a [`Value`], with the default options.
///
/// # Errors
/// As [`Decoder::decode`] and [`NodeRef::to_value_with`].
pub fn decode_value(input: &[u8]) -> Result<Value<'_>> {
    Value::from_slice(input)
}

impl Decoder {
    /// Decodes an input that is one pickle into a [`Value`], and keeps the document's memory for
    /// the next decode.
    ///
    /// # Errors
    /// As [`decode`](Self::decode) and [`NodeRef::to_value_with`].
    pub fn decode_value<'a>(&mut self, input: &'a [u8]) -> Result<Value<'a>> {
        let document = self.decode(input)?;
        let value = document.root().to_value_with(self.options().limits_set());
        self.recycle(document);
        value
    }
}

impl<'a> Document<'a> {
    /// The root as a [`Value`], with the default limits.
    ///
    /// # Errors
    /// As [`NodeRef::to_value_with`].
    pub fn to_value(&self) -> Result<Value<'a>> {
        self.root().to_value()
    }
}

impl<'a> NodeRef<'_, 'a> {
    /// The node as a [`Value`], with the default limits.
    ///
    /// # Errors
    /// As [`to_value_with`](Self::to_value_with).
    pub fn to_value(self) -> Result<Value<'a>> {
        self.to_value_with(&Limits::default())
    }

    /// The node as a [`Value`]. Text and bytes that stand in the input are borrowed from it.
    ///
    /// # Errors
    /// `recursive` if an object contains itself; `depth` beyond [`Limits::value_depth`]; `budget`
    /// if the value would take more bytes than [`Limits::expansion`] allows for the input.
    pub fn to_value_with(self, limits: &Limits) -> Result<Value<'a>> {
        let budget = limits.expansion(self.document().input_len());
        let mut converter = Converter { left: budget, max_depth: limits.value_depth() };
        converter.value(self, 0).map_err(|kind| Error::plain(visit::limit_or_cycle(kind, self)))
    }
}

/// Converts a part of what is read otherwise, on the same budget.
#[cfg(feature = "serde")]
pub(crate) fn to_value_within<'a>(
    node: NodeRef<'_, 'a>,
    budget: &core::cell::Cell<usize>,
    max_depth: usize,
    depth: usize,
) -> Result<Value<'a>> {
    let mut converter = Converter { left: budget.get(), max_depth };
    let value = converter.value(node, depth);
    budget.set(converter.left);
    value.map_err(|kind| Error::plain(visit::limit_or_cycle(kind, node)))
}

/// Bytes of a place in a value.
pub(crate) const SLOT: usize = size_of::<Value<'_>>();

struct Converter {
    left: usize,
    max_depth: usize,
}

impl Converter {
    fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.left = self.left.checked_sub(bytes).ok_or(ErrorKind::Budget)?;
        Ok(())
    }

    fn value<'a>(&mut self, node: NodeRef<'_, 'a>, depth: usize) -> Result<Value<'a>, ErrorKind> {
        Ok(match node.view() {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::Float(value) => Value::Float(value),
            Node::Str(text) => return self.text(node, text),
            Node::List(items) => Value::List(self.items(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.items(items, depth)?),
            Node::Set(items) => Value::Set(self.items(items, depth)?),
            Node::FrozenSet(items) => Value::FrozenSet(self.items(items, depth)?),
            Node::Dict(pairs) => Value::Dict(self.pairs(pairs, depth)?),
            _ => return self.rare(node, depth),
        })
    }

    /// Kept apart so that the frames of nested lists and dicts stay small.
    #[inline(never)]
    fn rare<'a>(&mut self, node: NodeRef<'_, 'a>, depth: usize) -> Result<Value<'a>, ErrorKind> {
        Ok(match node.view() {
            Node::BigInt(value) => {
                self.charge(size_of::<num_bigint::BigInt>() + value.as_signed_bytes_le().len() + 8)?;
                Value::BigInt(Box::new(value.to_bigint()))
            }
            Node::Bytes(bytes) => Value::Bytes(self.bytes(node, bytes)?),
            Node::ByteArray(bytes) => Value::ByteArray(self.bytes(node, bytes)?),
            Node::Global(module, name) => {
                let [module_id, name_id] = visit::global_names(node);
                let module = self.name(node.document().node(module_id), module)?;
                let name = self.name(node.document().node(name_id), name)?;
                self.charge(size_of::<GlobalName<'_>>())?;
                Value::global(module, name)
            }
            Node::Object(object) => Value::Object(self.object(object, depth)?),
            Node::PersistentId(id) => {
                self.deeper(depth)?;
                self.charge(SLOT)?;
                Value::PersistentId(Box::new(self.value(id, depth + 1)?))
            }
            Node::Extension(code) => Value::Extension(code),
            Node::Buffer(index, _) => Value::Buffer(index),
            _ => Value::None,
        })
    }

    fn deeper(&self, depth: usize) -> Result<(), ErrorKind> {
        if depth >= self.max_depth { Err(ErrorKind::Depth) } else { Ok(()) }
    }

    #[inline(never)]
    fn text<'a>(&mut self, node: NodeRef<'_, 'a>, text: Str<'_>) -> Result<Value<'a>, ErrorKind> {
        // Borrowed text is charged too, because the next step may well copy it.
        self.charge(text.as_bytes().len())?;
        Ok(match (node.borrowed_str(), text) {
            (Some(text), _) => Value::Str(Cow::Borrowed(text)),
            (None, Str::Utf8(text)) => Value::Str(Cow::Owned(text.into())),
            (None, Str::Wtf8(bytes)) => match visit::borrowed_wtf8(node) {
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

    fn items<'a>(&mut self, items: Items<'_, 'a>, depth: usize) -> Result<Vec<Value<'a>>, ErrorKind> {
        self.deeper(depth)?;
        self.charge(items.len().saturating_mul(SLOT))?;
        let mut values = Vec::with_capacity(items.len());
        for item in items.iter() {
            values.push(self.value(item, depth + 1)?);
        }
        Ok(values)
    }

    fn pairs<'a>(
        &mut self,
        pairs: Pairs<'_, 'a>,
        depth: usize,
    ) -> Result<Vec<(Value<'a>, Value<'a>)>, ErrorKind> {
        self.deeper(depth)?;
        self.charge(pairs.len().saturating_mul(2 * SLOT))?;
        let mut values = Vec::with_capacity(pairs.len());
        for (key, value) in pairs.iter() {
            let key = self.value(key, depth + 1)?;
            values.push((key, self.value(value, depth + 1)?));
        }
        Ok(values)
    }

    #[inline(never)]
    fn object<'a>(
        &mut self,
        object: Object<'_, 'a>,
        depth: usize,
    ) -> Result<Box<ObjectValue<'a>>, ErrorKind> {
        self.deeper(depth)?;
        self.charge(size_of::<ObjectValue<'_>>())?;
        let mut value = Box::new(ObjectValue {
            class: self.value(object.class(), depth + 1)?,
            construct: object.construct(),
            args: self.items(object.args(), depth)?,
            kwargs: None,
            state: None,
            items: None,
            pairs: None,
            known: object.instance.known,
        });
        if let Some(kwargs) = object.kwargs() {
            value.kwargs = Some(self.pairs(kwargs, depth)?);
        }
        if let Some(state) = object.state() {
            value.state = Some(self.value(state, depth + 1)?);
        }
        if let Some(items) = object.items() {
            value.items = Some(self.items(items, depth)?);
        }
        if let Some(pairs) = object.pairs() {
            value.pairs = Some(self.pairs(pairs, depth)?);
        }
        Ok(value)
    }
}
