//! What is read: nodes and values, and how serde sees them.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::{self, Vec};

use num_bigint::BigInt;

use super::Context;
use crate::document::KnownClass;
use crate::document::Object;
use crate::document::{Items, Node, NodeRef, Pairs};
use crate::known::{Known, Zone};
use crate::repr::{MAX_DECIMAL_BITS, uuid};
use crate::value::from_document::{SLOT, to_value_within};
use crate::value::{ObjectValue, Value};
use crate::wire::error::Result;
use crate::wire::text::Str;

/// Something to be read.
pub(super) enum Source<'d, 'de> {
    Node(NodeRef<'d, 'de>),
    Items(Items<'d, 'de>),
    Value(Value<'de>),
}

/// What the Rust type asks for; it decides which part of an object is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Want {
    Any,
    Scalar,
    Float,
    Bytes,
    Unit,
    Seq,
    Map,
}

pub(super) enum Text<'d, 'de> {
    Input(&'de str),
    Document(&'d str),
    Owned(String),
}

/// What serde's visitor is shown.
pub(super) enum Shape<'d, 'de> {
    None,
    Bool(bool),
    Int(i64),
    Big(BigInt),
    Float(f64),
    Str(Text<'d, 'de>),
    /// A `Decimal`, which a float can be read from.
    Decimal(String),
    /// Text that Rust's strings cannot hold, where bytes will not do.
    Surrogates,
    Input(&'de [u8]),
    Document(&'d [u8]),
    Owned(Vec<u8>),
    Seq(Seq<'d, 'de>),
    Map(Map<'d, 'de>),
}

type Pair<T> = (T, T);

/// The items of a sequence.
pub(super) enum Seq<'d, 'de> {
    Nodes(Items<'d, 'de>, usize),
    Values(vec::IntoIter<Value<'de>>),
}

impl<'d, 'de> Seq<'d, 'de> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nodes(items, place) => items.len() - place,
            Self::Values(values) => values.len(),
        }
    }

    /// The next item if it is a node: what a depth error is explained by.
    pub(super) fn peek(&self) -> Source<'d, 'de> {
        match self {
            Self::Nodes(items, place) => items.get(*place).map_or(Source::NONE, Source::Node),
            Self::Values(_) => Source::NONE,
        }
    }

    pub(super) fn next(&mut self) -> Option<Source<'d, 'de>> {
        match self {
            Self::Nodes(items, place) => {
                let item = items.get(*place)?;
                *place += 1;
                Some(Source::Node(item))
            }
            Self::Values(values) => values.next().map(Source::Value),
        }
    }
}

/// The pairs of a map.
pub(super) enum Map<'d, 'de> {
    /// One dict after another: the state of an object with slots is two.
    Nodes([Option<Pairs<'d, 'de>>; 2], usize),
    Values(vec::IntoIter<Pair<Value<'de>>>),
    Made(vec::IntoIter<Pair<Source<'d, 'de>>>),
}

impl<'d, 'de> Map<'d, 'de> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nodes(dicts, place) => dicts.iter().flatten().map(|dict| dict.len()).sum::<usize>() - place,
            Self::Values(values) => values.len(),
            Self::Made(pairs) => pairs.len(),
        }
    }

    /// The next value if it is a node: what a depth error is explained by.
    pub(super) fn peek(&self) -> Source<'d, 'de> {
        match self {
            Self::Nodes([Some(dict), _], 0) => {
                dict.iter().next().map_or(Source::NONE, |(_, value)| Source::Node(value))
            }
            _ => Source::NONE,
        }
    }

    pub(super) fn next(&mut self) -> Option<Pair<Source<'d, 'de>>> {
        match self {
            Self::Nodes(dicts, place) => {
                let mut at = *place;
                *place += 1;
                for dict in dicts.iter().flatten() {
                    if at < dict.len() {
                        let (key, value) = dict.iter().nth(at)?;
                        return Some((Source::Node(key), Source::Node(value)));
                    }
                    at -= dict.len();
                }
                *place -= 1;
                None
            }
            Self::Values(values) => {
                values.next().map(|(key, value)| (Source::Value(key), Source::Value(value)))
            }
            Self::Made(pairs) => pairs.next(),
        }
    }
}

impl<'d, 'de> Source<'d, 'de> {
    pub(super) const NONE: Self = Self::Value(Value::None);

    fn text(text: impl Into<Cow<'de, str>>) -> Self {
        Self::Value(Value::Str(text.into()))
    }

    pub(super) fn is_none(&self) -> bool {
        match self {
            Self::Node(node) => matches!(node.view(), Node::None),
            Self::Items(_) => false,
            Self::Value(value) => value.is_none(),
        }
    }

    /// Whether it can be the name of a field: text, or bytes as Python 2 has them.
    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Node(node) => matches!(node.view(), Node::Str(_) | Node::Bytes(_)),
            Self::Items(_) => false,
            Self::Value(value) => matches!(value, Value::Str(_) | Value::Wtf8(_) | Value::Bytes(_)),
        }
    }

    /// All of it, nothing lost.
    pub(super) fn into_value(self, context: &Context, depth: usize) -> Result<Value<'de>> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Node(node) => to_value_within(node, &context.left, context.max_depth, depth),
            Self::Items(items) => items
                .iter()
                .map(|item| to_value_within(item, &context.left, context.max_depth, depth + 1))
                .collect::<Result<_>>()
                .map(Value::Tuple),
        }
    }

    /// Looks at it, for the price of a place and its text.
    pub(super) fn open(self, want: Want, context: &Context) -> Result<Shape<'d, 'de>> {
        context.charge(SLOT)?;
        match self {
            Self::Node(node) => open_node(node, want, context),
            Self::Items(items) => Ok(Shape::Seq(Seq::Nodes(items, 0))),
            Self::Value(value) => Ok(open_value(value, want)),
        }
    }
}

fn open_node<'d, 'de>(mut node: NodeRef<'d, 'de>, want: Want, context: &Context) -> Result<Shape<'d, 'de>> {
    loop {
        return Ok(match node.view() {
            Node::None => Shape::None,
            Node::Bool(value) => Shape::Bool(value),
            Node::Int(value) => Shape::Int(value),
            Node::BigInt(value) => {
                context.charge(value.as_signed_bytes_le().len())?;
                Shape::Big(value.to_bigint())
            }
            Node::Float(value) => Shape::Float(value),
            Node::Str(text) => {
                context.charge(text.as_bytes().len())?;
                match (node.borrowed_str(), text) {
                    (Some(text), _) => Shape::Str(Text::Input(text)),
                    (None, Str::Utf8(text)) => Shape::Str(Text::Document(text)),
                    (None, Str::Wtf8(bytes)) if want == Want::Bytes => Shape::Document(bytes),
                    (None, Str::Wtf8(_)) => Shape::Surrogates,
                }
            }
            Node::Bytes(bytes) | Node::ByteArray(bytes) => {
                context.charge(bytes.len())?;
                node.borrowed_bytes().map_or(Shape::Document(bytes), Shape::Input)
            }
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                Shape::Seq(Seq::Nodes(items, 0))
            }
            Node::Dict(pairs) => Shape::Map(Map::Nodes([Some(pairs), None], 0)),
            Node::Global(module, name) => {
                let (module, name) = (module.to_string_lossy(), name.to_string_lossy());
                context.charge(module.len() + name.len())?;
                Shape::Str(Text::Owned(format!("{module}.{name}")))
            }
            Node::Object(object) => match open_object(object, want) {
                Opened::Shape(shape) => {
                    // What was made here is paid for here, so that a shared object ends early too.
                    context.charge(match &shape {
                        Shape::Str(Text::Owned(text)) | Shape::Decimal(text) => text.len(),
                        Shape::Owned(bytes) => bytes.len(),
                        _ => 0,
                    })?;
                    shape
                }
                Opened::Part(part) => {
                    // The part of an object is charged like any other place, so a chain of them ends.
                    context.charge(SLOT)?;
                    node = part;
                    continue;
                }
            },
            Node::PersistentId(id) => {
                context.charge(SLOT)?;
                node = id;
                continue;
            }
            Node::Extension(code) => Shape::Int(i64::from(code)),
            Node::Buffer(index, _) => Shape::Int(i64::from(index)),
        });
    }
}

enum Opened<'d, 'de> {
    Shape(Shape<'d, 'de>),
    /// A part stands for the whole.
    Part(NodeRef<'d, 'de>),
}

fn open_object<'d, 'de>(object: Object<'d, 'de>, want: Want) -> Opened<'d, 'de> {
    let dict = |pairs| Opened::Shape(Shape::Map(Map::Nodes([Some(pairs), None], 0)));
    let items = |items| Opened::Shape(Shape::Seq(Seq::Nodes(items, 0)));
    match object.known() {
        Some(Known::OrderedDict(pairs) | Known::DefaultDict(_, pairs) | Known::Counter(pairs)) => {
            return dict(pairs);
        }
        Some(Known::Deque(list, _)) => return items(list),
        Some(Known::Range(_) | Known::Slice(_)) => return items(object.args()),
        Some(Known::Exception((module, name), args, _)) => {
            let class = format!("{}.{}", module.to_string_lossy(), name.to_string_lossy());
            let pairs =
                [(Source::text("class"), Source::text(class)), (Source::text("args"), Source::Items(args))];
            return Opened::Shape(Shape::Map(Map::Made(Vec::from(pairs).into_iter())));
        }
        Some(Known::Enum(_, value)) => return Opened::Part(value),
        Some(Known::Instance(_, value, state)) => {
            return match state {
                Some(state) if want == Want::Map && !matches!(value.view(), Node::Dict(_)) => {
                    Opened::Part(state)
                }
                _ => Opened::Part(value),
            };
        }
        Some(known) => {
            if let Some(shape) = plain(&known) {
                return Opened::Shape(shape);
            }
        }
        None => {}
    }
    match object.state() {
        Some(state) => match state.view() {
            Node::Tuple(parts) if want != Want::Seq => {
                if let Some(dicts) = slots(parts) {
                    return Opened::Shape(Shape::Map(Map::Nodes(dicts, 0)));
                }
                Opened::Part(state)
            }
            _ if want == Want::Seq && object.items().is_some() => {
                items(object.items().unwrap_or_else(|| object.args()))
            }
            Node::None => object.pairs().map_or_else(|| items(object.args()), dict),
            _ => Opened::Part(state),
        },
        None => match (object.pairs(), object.items(), object.kwargs()) {
            (Some(pairs), None, _) => dict(pairs),
            (Some(pairs), Some(_), _) if want == Want::Map => dict(pairs),
            (_, Some(list), _) => items(list),
            (None, None, Some(kwargs)) if object.args().is_empty() => dict(kwargs),
            _ => match object.args().get(0) {
                None => Opened::Shape(Shape::Map(Map::Nodes([None, None], 0))),
                Some(only)
                    if object.args().len() == 1
                        && matches!(want, Want::Scalar | Want::Float | Want::Bytes) =>
                {
                    Opened::Part(only)
                }
                Some(_) => items(object.args()),
            },
        },
    }
}

/// The state of an object with `__slots__`: a pair of `None` or `__dict__`, and the slots.
fn slots<'d, 'de>(parts: Items<'d, 'de>) -> Option<[Option<Pairs<'d, 'de>>; 2]> {
    let part = |place| match parts.get(place)?.view() {
        Node::Dict(pairs) => Some(Some(pairs)),
        Node::None => Some(None),
        _ => None,
    };
    if parts.len() != 2 {
        return None;
    }
    Some([part(0)?, part(1)?])
}

/// A known object without parts, as the text or the numbers that tagged JSON has for it.
fn plain<'d, 'de>(known: &Known<'_, '_>) -> Option<Shape<'d, 'de>> {
    let text = |text| Some(Shape::Str(Text::Owned(text)));
    let zone = |zone: &Option<Zone<'_, '_>>| match zone {
        Some(Zone::Fixed(offset)) => offset.to_string(),
        _ => String::new(),
    };
    match known {
        Known::Complex(real, imaginary) => {
            let parts = [Value::Float(*real), Value::Float(*imaginary)];
            Some(Shape::Seq(Seq::Values(Vec::from(parts).into_iter())))
        }
        Known::Date(date) => text(date.to_string()),
        Known::Time(time, tz) => text(format!("{time}{}", zone(tz))),
        Known::DateTime(date, time, tz) => text(format!("{date}T{time}{}", zone(tz))),
        Known::TimeDelta(delta) => {
            let parts =
                [Value::from(delta.days), Value::from(delta.seconds), Value::from(delta.microseconds)];
            Some(Shape::Seq(Seq::Values(Vec::from(parts).into_iter())))
        }
        Known::TimeZone(offset, _) => text(offset.to_string()),
        Known::Decimal(number) => Some(Shape::Decimal(String::from(*number))),
        // Decimal digits cost their square, so there are as many as CPython prints, or none.
        Known::Fraction(numerator, denominator)
            if numerator.bits().max(denominator.bits()) <= MAX_DECIMAL_BITS =>
        {
            text(format!("{numerator}/{denominator}"))
        }
        Known::Uuid(number) => text(uuid(*number)),
        Known::Path(bytes) => Some(match core::str::from_utf8(bytes) {
            Ok(path) => Shape::Str(Text::Owned(String::from(path))),
            Err(_) => Shape::Owned(bytes.clone()),
        }),
        Known::Ip(address) => text(address.clone()),
        _ => None,
    }
}

fn open_value<'d, 'de>(mut value: Value<'de>, want: Want) -> Shape<'d, 'de> {
    let items = |items: Vec<Value<'de>>| Shape::Seq(Seq::Values(items.into_iter()));
    let dict = |pairs: Vec<Pair<Value<'de>>>| Shape::Map(Map::Values(pairs.into_iter()));
    loop {
        return match value {
            Value::None => Shape::None,
            Value::Bool(value) => Shape::Bool(value),
            Value::Int(value) => Shape::Int(value),
            Value::BigInt(value) => Shape::Big(*value),
            Value::Float(value) => Shape::Float(value),
            Value::Str(Cow::Borrowed(text)) => Shape::Str(Text::Input(text)),
            Value::Str(Cow::Owned(text)) => Shape::Str(Text::Owned(text)),
            Value::Wtf8(_) if want != Want::Bytes => Shape::Surrogates,
            Value::Wtf8(bytes) | Value::Bytes(bytes) | Value::ByteArray(bytes) => match bytes {
                Cow::Borrowed(bytes) => Shape::Input(bytes),
                Cow::Owned(bytes) => Shape::Owned(bytes),
            },
            Value::List(list) | Value::Tuple(list) | Value::Set(list) | Value::FrozenSet(list) => items(list),
            Value::Dict(pairs) => dict(pairs),
            Value::Global(global) => Shape::Str(Text::Owned(format!("{}.{}", global.module, global.name))),
            Value::PersistentId(id) => {
                value = *id;
                continue;
            }
            Value::Extension(code) => Shape::Int(i64::from(code)),
            Value::Buffer(index) => Shape::Int(i64::from(index)),
            Value::Object(object) => match open_object_value(*object, want) {
                Ok(shape) => shape,
                Err(part) => {
                    value = part;
                    continue;
                }
            },
        };
    }
}

/// As [`open_object`], for a value; the error is the part that stands for the whole.
#[allow(clippy::result_large_err, reason = "a part is as large as a shape")]
fn open_object_value<'d, 'de>(
    object: ObjectValue<'de>,
    want: Want,
) -> core::result::Result<Shape<'d, 'de>, Value<'de>> {
    let holds_others = matches!(
        object.known,
        Some(
            KnownClass::OrderedDict
                | KnownClass::DefaultDict
                | KnownClass::Counter
                | KnownClass::Deque
                | KnownClass::Range
                | KnownClass::Slice
                | KnownClass::Exception
                | KnownClass::Enum
                | KnownClass::Instance
        )
    );
    if !holds_others && let Some(shape) = object.with_known(|known| plain(&known)).flatten() {
        return Ok(shape);
    }
    let dict = |pairs: Vec<Pair<Value<'de>>>| Ok(Shape::Map(Map::Values(pairs.into_iter())));
    let items = |items: Vec<Value<'de>>| Ok(Shape::Seq(Seq::Values(items.into_iter())));
    let class = match object.class_name() {
        Some((module, name)) => format!("{module}.{name}"),
        None => String::new(),
    };
    let ObjectValue { mut args, kwargs, state, items: list, pairs, known, .. } = object;
    match known {
        Some(KnownClass::OrderedDict | KnownClass::DefaultDict | KnownClass::Counter) => {
            return dict(pairs.unwrap_or_default());
        }
        Some(KnownClass::Deque) => return items(list.unwrap_or_default()),
        Some(KnownClass::Exception) => {
            let pairs =
                [(Value::from("class"), Value::from(class)), (Value::from("args"), Value::Tuple(args))];
            return dict(Vec::from(pairs));
        }
        Some(KnownClass::Enum | KnownClass::Instance) if !args.is_empty() => {
            let value = args.swap_remove(0);
            return match state {
                Some(state) if want == Want::Map && !matches!(value, Value::Dict(_)) => Err(state),
                _ => Err(value),
            };
        }
        _ => {}
    }
    match state {
        Some(Value::None) => pairs.map_or_else(|| items(args), dict),
        Some(_) if want == Want::Seq && list.is_some() => items(list.unwrap_or_default()),
        Some(Value::Tuple(parts)) if want != Want::Seq => match <[Value<'de>; 2]>::try_from(parts) {
            Ok([Value::Dict(mut first), Value::Dict(second)]) => {
                first.extend(second);
                dict(first)
            }
            Ok([Value::Dict(only), Value::None] | [Value::None, Value::Dict(only)]) => dict(only),
            Ok(parts) => Err(Value::Tuple(Vec::from(parts))),
            Err(parts) => Err(Value::Tuple(parts)),
        },
        Some(state) => Err(state),
        None => match (pairs, list, kwargs) {
            (Some(pairs), None, _) => dict(pairs),
            (Some(pairs), Some(_), _) if want == Want::Map => dict(pairs),
            (_, Some(list), _) => items(list),
            (None, None, Some(kwargs)) if args.is_empty() => dict(kwargs),
            _ if args.is_empty() => dict(Vec::new()),
            _ if args.len() == 1 && matches!(want, Want::Scalar | Want::Float | Want::Bytes) => {
                Err(args.swap_remove(0))
            }
            _ => items(args),
        },
    }
}
