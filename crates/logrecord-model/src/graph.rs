//! Values back into documents, for what only documents can do: encoding and tagged JSON of objects.

use std::collections::BTreeMap;

use pickle_codec::{Document, DocumentBuilder, KnownClass, NodeId, ObjectValue, Result, Value};

use python_format::Text;

/// Builds a document of values. A global that is met again is the same node, as a class is the
/// same object in Python.
#[derive(Debug, Default)]
pub(crate) struct Graph<'v> {
    pub(crate) builder: DocumentBuilder<'v>,
    globals: BTreeMap<(&'v str, &'v str), NodeId>,
}

impl<'v> Graph<'v> {
    pub(crate) fn finish(self, root: NodeId) -> Document<'v> {
        self.builder.finish(root)
    }

    pub(crate) fn text(&mut self, text: &'v Text<'_>) -> Result<NodeId> {
        self.builder.text(text.as_text())
    }

    /// Recurses as deep as the value, whose depth is capped where it is made.
    pub(crate) fn node(&mut self, value: &'v Value<'_>) -> Result<NodeId> {
        match value {
            Value::Bool(value) => Ok(self.builder.bool(*value)),
            Value::Int(value) => self.builder.int(*value),
            Value::BigInt(value) => self.builder.big_int(value),
            Value::Float(value) => self.builder.float(*value),
            Value::Str(text) => self.builder.str(&**text),
            Value::Wtf8(bytes) => self.builder.wtf8(&**bytes),
            Value::Bytes(bytes) => self.builder.bytes(&**bytes),
            Value::ByteArray(bytes) => self.builder.bytearray(&**bytes),
            Value::List(items) => {
                let items = self.nodes(items)?;
                self.builder.list(&items)
            }
            Value::Tuple(items) => {
                let items = self.nodes(items)?;
                self.builder.tuple(&items)
            }
            Value::Set(items) => {
                let items = self.nodes(items)?;
                let set = self.builder.set()?;
                for item in items {
                    self.builder.add(set, item)?;
                }
                Ok(set)
            }
            Value::FrozenSet(items) => {
                let items = self.nodes(items)?;
                self.builder.frozenset(&items)
            }
            Value::Dict(pairs) => self.dict(pairs),
            Value::Global(global) => {
                let name = (&*global.module, &*global.name);
                if let Some(id) = self.globals.get(&name) {
                    return Ok(*id);
                }
                let id = self.builder.global(name.0, name.1)?;
                self.globals.insert(name, id);
                Ok(id)
            }
            Value::Object(object) => self.object(object),
            Value::PersistentId(id) => {
                let id = self.node(id)?;
                self.builder.persistent_id(id)
            }
            Value::Extension(code) => self.builder.extension(*code),
            Value::Buffer(index, read_only) => self.builder.buffer(*index, *read_only),
            _ => Ok(self.builder.none()),
        }
    }

    fn nodes(&mut self, values: &'v [Value<'_>]) -> Result<Vec<NodeId>> {
        values.iter().map(|value| self.node(value)).collect()
    }

    fn dict(&mut self, pairs: &'v [(Value<'_>, Value<'_>)]) -> Result<NodeId> {
        let dict = self.builder.dict()?;
        self.set_all(dict, pairs)?;
        Ok(dict)
    }

    fn set_all(&mut self, target: NodeId, pairs: &'v [(Value<'_>, Value<'_>)]) -> Result<()> {
        for (key, value) in pairs {
            let key = self.node(key)?;
            let value = self.node(value)?;
            self.builder.set_item(target, key, value)?;
        }
        Ok(())
    }

    fn object(&mut self, object: &'v ObjectValue<'_>) -> Result<NodeId> {
        let class = self.node(&object.class)?;
        let args = self.nodes(&object.args)?;
        let id = match &object.kwargs {
            Some(kwargs) => {
                let kwargs = self.dict(kwargs)?;
                self.builder.object_with_kwargs(class, &args, kwargs)?
            }
            None => self.builder.object(class, object.construct, &args)?,
        };
        // Python 2's deque has its items as an argument, from which the builder takes them.
        let taken = matches!(object.args.first(), Some(Value::List(items)) if !items.is_empty())
            && object.known == Some(KnownClass::Deque);
        for item in object.items.iter().flatten().filter(|_| !taken) {
            let item = self.node(item)?;
            self.builder.append(id, item)?;
        }
        if let Some(pairs) = &object.pairs {
            self.set_all(id, pairs)?;
        }
        if let Some(state) = &object.state {
            let state = self.node(state)?;
            self.builder.set_state(id, state)?;
        }
        Ok(id)
    }
}
