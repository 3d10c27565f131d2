//! Nodes of a document as values, within one budget for the whole record and without failing: what
//! cannot be a tree becomes a note in its place.

use std::borrow::Cow;

use pickle_codec::{Node, NodeId, NodeRef, ObjectValue, Str, Value};

/// The note that stands for a value that contains itself.
pub(crate) const RECURSIVE: &str = "<not kept: contains itself>";
/// The note that stands for a value beyond the depth limit.
pub(crate) const TOO_DEEP: &str = "<not kept: nested too deep>";
/// The note that stands for a value whose sharing expands beyond the budget.
pub(crate) const TOO_LARGE: &str = "<not kept: expands too far>";

/// What one node costs beside its text.
const NODE_COST: usize = size_of::<Value<'_>>();

/// Turns nodes into values.
#[derive(Debug)]
pub(crate) struct Converter {
    left: usize,
    max_depth: usize,
    path: Vec<NodeId>,
}

impl Converter {
    pub(crate) const fn new(budget: usize, max_depth: usize) -> Self {
        Self { left: budget, max_depth, path: Vec::new() }
    }

    /// The value of a node, or a note in its place.
    pub(crate) fn value<'a>(&mut self, node: NodeRef<'_, 'a>) -> Value<'a> {
        self.path.clear();
        match self.convert(node) {
            Ok(value) => value,
            Err(note) => Value::Str(Cow::Borrowed(note)),
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), &'static str> {
        match self.left.checked_sub(bytes.saturating_add(NODE_COST)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                // Whatever else expands must not take what is left a little at a time.
                Err(TOO_LARGE)
            }
        }
    }

    /// Recurses at most `max_depth` deep, which the options cap at 1,024.
    fn convert<'a>(&mut self, node: NodeRef<'_, 'a>) -> Result<Value<'a>, &'static str> {
        let view = node.view();
        if let Some(value) = self.leaf(node, view)? {
            return Ok(value);
        }
        if self.path.len() >= self.max_depth {
            let cycle = self.path.iter().any(|id| *id == node.id());
            return Err(if cycle { RECURSIVE } else { TOO_DEEP });
        }
        self.charge(0)?;
        self.path.push(node.id());
        let value = self.container(view)?;
        self.path.pop();
        Ok(value)
    }

    /// The value of a node without children.
    fn leaf<'a>(&mut self, node: NodeRef<'_, 'a>, view: Node<'_, 'a>) -> Result<Option<Value<'a>>, &'static str> {
        Ok(Some(match view {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::Float(value) => Value::Float(value),
            Node::BigInt(big) => {
                self.charge(big.as_signed_bytes_le().len())?;
                Value::BigInt(Box::new(big.to_bigint()))
            }
            Node::Str(text) => match node.borrowed_str() {
                Some(text) => Value::Str(Cow::Borrowed(text)),
                None => {
                    self.charge(text.as_bytes().len())?;
                    match text {
                        Str::Utf8(text) => Value::Str(Cow::Owned(text.to_owned())),
                        Str::Wtf8(bytes) => Value::Wtf8(Cow::Owned(bytes.to_owned())),
                    }
                }
            },
            Node::Bytes(bytes) => Value::Bytes(self.bytes(node, bytes)?),
            Node::ByteArray(bytes) => Value::ByteArray(self.bytes(node, bytes)?),
            Node::Global(module, name) => {
                self.charge(module.as_bytes().len() + name.as_bytes().len())?;
                Value::Global(Cow::Owned(module.to_string_lossy()), Cow::Owned(name.to_string_lossy()))
            }
            Node::Extension(code) => Value::Extension(code),
            Node::Buffer(index, _) => Value::Buffer(index),
            _ => return Ok(None),
        }))
    }

    fn bytes<'a>(&mut self, node: NodeRef<'_, 'a>, bytes: &[u8]) -> Result<Cow<'a, [u8]>, &'static str> {
        Ok(match node.borrowed_bytes() {
            Some(bytes) => Cow::Borrowed(bytes),
            None => {
                self.charge(bytes.len())?;
                Cow::Owned(bytes.to_owned())
            }
        })
    }

    fn container<'a>(&mut self, view: Node<'_, 'a>) -> Result<Value<'a>, &'static str> {
        Ok(match view {
            Node::List(items) => Value::List(self.items(items.iter())?),
            Node::Tuple(items) => Value::Tuple(self.items(items.iter())?),
            Node::Set(items) => Value::Set(self.items(items.iter())?),
            Node::FrozenSet(items) => Value::FrozenSet(self.items(items.iter())?),
            Node::Dict(pairs) => Value::Dict(self.pairs(pairs.iter())?),
            Node::PersistentId(id) => Value::PersistentId(Box::new(self.convert(id)?)),
            Node::Object(object) => {
                self.charge(size_of::<ObjectValue<'_>>())?;
                Value::Object(Box::new(ObjectValue {
                    class: self.convert(object.class())?,
                    construct: object.construct(),
                    args: self.items(object.args().iter())?,
                    kwargs: object.kwargs().map(|pairs| self.pairs(pairs.iter())).transpose()?,
                    state: object.state().map(|state| self.convert(state)).transpose()?,
                    items: object.items().map(|items| self.items(items.iter())).transpose()?,
                    pairs: object.pairs().map(|pairs| self.pairs(pairs.iter())).transpose()?,
                    known: None,
                }))
            }
            _ => Value::None,
        })
    }

    fn items<'d, 'a: 'd>(
        &mut self,
        items: impl ExactSizeIterator<Item = NodeRef<'d, 'a>>,
    ) -> Result<Vec<Value<'a>>, &'static str> {
        self.charge(items.len().saturating_mul(NODE_COST))?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.convert(item)?);
        }
        Ok(values)
    }

    fn pairs<'d, 'a: 'd>(
        &mut self,
        pairs: impl ExactSizeIterator<Item = (NodeRef<'d, 'a>, NodeRef<'d, 'a>)>,
    ) -> Result<Vec<(Value<'a>, Value<'a>)>, &'static str> {
        self.charge(pairs.len().saturating_mul(2 * NODE_COST))?;
        let mut values = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            values.push((self.convert(key)?, self.convert(value)?));
        }
        Ok(values)
    }
}

/// The same value with its own memory. Recurses as deep as the value, whose depth is capped.
pub(crate) fn into_owned(value: Value<'_>) -> Value<'static> {
    let own_all = |items: Vec<Value<'_>>| items.into_iter().map(into_owned).collect::<Vec<_>>();
    let own_pairs = |pairs: Vec<(Value<'_>, Value<'_>)>| {
        pairs.into_iter().map(|(key, value)| (into_owned(key), into_owned(value))).collect::<Vec<_>>()
    };
    match value {
        Value::Bool(value) => Value::Bool(value),
        Value::Int(value) => Value::Int(value),
        Value::BigInt(value) => Value::BigInt(value),
        Value::Float(value) => Value::Float(value),
        Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
        Value::Wtf8(bytes) => Value::Wtf8(Cow::Owned(bytes.into_owned())),
        Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        Value::ByteArray(bytes) => Value::ByteArray(Cow::Owned(bytes.into_owned())),
        Value::List(items) => Value::List(own_all(items)),
        Value::Tuple(items) => Value::Tuple(own_all(items)),
        Value::Set(items) => Value::Set(own_all(items)),
        Value::FrozenSet(items) => Value::FrozenSet(own_all(items)),
        Value::Dict(pairs) => Value::Dict(own_pairs(pairs)),
        Value::Global(module, name) => {
            Value::Global(Cow::Owned(module.into_owned()), Cow::Owned(name.into_owned()))
        }
        Value::Object(object) => Value::Object(Box::new(ObjectValue {
            class: into_owned(object.class),
            construct: object.construct,
            args: own_all(object.args),
            kwargs: object.kwargs.map(own_pairs),
            state: object.state.map(into_owned),
            items: object.items.map(own_all),
            pairs: object.pairs.map(own_pairs),
            known: object.known,
        })),
        Value::PersistentId(id) => Value::PersistentId(Box::new(into_owned(*id))),
        Value::Extension(code) => Value::Extension(code),
        Value::Buffer(index) => Value::Buffer(index),
        _ => Value::None,
    }
}
