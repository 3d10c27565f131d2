//! Typed readings of objects in values: the object is built as a document of its own, and read there.

use crate::build::fill::{Builder, Keys};
use crate::document::NodeId;
use crate::document::{Document, Node, Root};
use crate::document::{Instance, ObjectRepr};
use crate::known::Known;
use crate::options::Limits;
use crate::value::{ObjectValue, Value};
use crate::wire::error::ErrorKind;

/// How deep the parts of an object are looked at: a timezone holds a timedelta, which holds numbers.
const MAX_DEPTH: usize = 4;

impl ObjectValue<'_> {
    /// Gives the typed reading of a known object to a function; see [`Known`].
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Globals, Known, Value};
    /// let options = DecodeOptions::new().globals(Globals::Known);
    /// let value = Value::from_slice_with(b"cdecimal\nDecimal\n(X\x04\x00\x00\x001.10tR.", &options)?;
    /// let text = value.as_object().and_then(|object| {
    ///     object.with_known(|known| match known {
    ///         Known::Decimal(text) => text.to_owned(),
    ///         _ => String::new(),
    ///     })
    /// });
    /// assert_eq!(text.as_deref(), Some("1.10"));
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn with_known<R>(&self, read: impl FnOnce(Known<'_, '_>) -> R) -> Option<R> {
        self.known?;
        let limits =
            Limits { max_memory: Some(usize::MAX), max_expansion: Some(usize::MAX), ..Limits::default() };
        let mut builder =
            Builder::new(Document::default(), Keys::new(crate::document::hash::seed()), &limits, 0);
        let root = object(&mut builder, self, 0).ok()?;
        let mut document = builder.into_document();
        document.root = Root(root);
        match document.root().view() {
            Node::Object(object) => object.known().map(read),
            _ => None,
        }
    }
}

fn object<'v>(
    builder: &mut Builder<'v>,
    object: &'v ObjectValue<'_>,
    depth: usize,
) -> Result<NodeId, ErrorKind> {
    let class = node(builder, &object.class, depth + 1)?;
    let args = items(builder, &object.args, depth + 1)?;
    let args = builder.tuple(&args)?;
    let state = match &object.state {
        Some(state) => node(builder, state, depth + 1)?,
        None => NodeId::ABSENT,
    };
    let list = match &object.items {
        Some(list) => {
            let list = items(builder, list, depth + 1)?;
            builder.list(&list)?
        }
        None => NodeId::ABSENT,
    };
    let pairs = match &object.pairs {
        Some(list) => pairs(builder, list, depth + 1)?,
        None => NodeId::ABSENT,
    };
    builder.instance(Instance {
        class,
        construct: object.construct,
        known: object.known,
        args,
        kwargs: NodeId::ABSENT,
        state,
        items: list,
        pairs,
        meta: 0,
    })
}

fn items<'v>(
    builder: &mut Builder<'v>,
    values: &'v [Value<'_>],
    depth: usize,
) -> Result<alloc::vec::Vec<NodeId>, ErrorKind> {
    values.iter().map(|value| node(builder, value, depth)).collect()
}

fn pairs<'v>(
    builder: &mut Builder<'v>,
    values: &'v [(Value<'_>, Value<'_>)],
    depth: usize,
) -> Result<NodeId, ErrorKind> {
    let dict = builder.empty_dict()?;
    for (key, value) in values {
        let pair = [node(builder, key, depth)?, node(builder, value, depth)?];
        builder.set_items(dict, &pair)?;
    }
    Ok(dict)
}

fn node<'v>(builder: &mut Builder<'v>, value: &'v Value<'_>, depth: usize) -> Result<NodeId, ErrorKind> {
    if depth > MAX_DEPTH {
        return Err(ErrorKind::Depth);
    }
    match value {
        Value::None => Ok(NodeId::NONE),
        Value::Bool(true) => Ok(NodeId::TRUE),
        Value::Bool(false) => Ok(NodeId::FALSE),
        Value::Int(value) => builder.int(*value),
        Value::BigInt(value) => builder.int_owned(&value.to_signed_bytes_le()),
        Value::Float(value) => builder.float(*value),
        Value::Str(text) => builder.str(text),
        Value::Wtf8(bytes) => builder.wtf8(bytes),
        Value::Bytes(bytes) => builder.bytes(bytes),
        Value::ByteArray(bytes) => builder.bytearray(bytes),
        Value::List(list) => {
            let list = items(builder, list, depth + 1)?;
            builder.list(&list)
        }
        Value::Tuple(list) => {
            let list = items(builder, list, depth + 1)?;
            builder.tuple(&list)
        }
        Value::Dict(list) => pairs(builder, list, depth + 1),
        Value::Global(global) => {
            let module = builder.str(&global.module)?;
            let name = builder.str(&global.name)?;
            let known = crate::known::lookup(&global.module, &global.name);
            builder.object(ObjectRepr::Global { module, name, known })
        }
        Value::Object(value) => object(builder, value, depth),
        _ => Err(ErrorKind::Type),
    }
}
