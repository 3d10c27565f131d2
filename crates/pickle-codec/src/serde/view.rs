//! What serde sees in a node: which part of an object stands for the whole, and known objects as
//! text or numbers.
//!
//! An object of Python's has up to five parts (arguments, keyword arguments, state, items, pairs), a Rust type wants
//! one thing. The rules, in the order in which they are tried:
//!
//! - A known object with a literal form (a time, a `Decimal`, a `UUID`, a complex number) is that, for whoever asks.
//! - An object that wraps one value, such as a member of an enum or a subclass of `int`, is that value.
//! - A struct gets the attributes, a map the pairs, a sequence the items. One is never given in place of another: a
//!   subclass of `dict` with attributes of its own would lose one or the other in silence.
//! - Only where there is none of what was asked for, the next best that loses nothing: a struct is read from pairs
//!   where there are no attributes, a sequence from arguments where there are neither items nor attributes.
//! - A type that does not say what it wants gets the one part that there is, or all of them by name.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::node::Context;
use crate::document::{BigIntRef, Items, Node, NodeId, NodeRef, Object, Pairs};
use crate::known::{Known, Zone};
use crate::repr::uuid;
use crate::wire::error::{Error, Result};
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

/// What every place in the result is charged, beside its text: about what a `Value`, or a `String` in a `Vec`, takes.
pub(super) const SLOT: usize = 32;

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
    Struct,
}

/// What serde's visitor is shown.
pub(super) enum Shape<'d, 'de> {
    None,
    Bool(bool),
    Int(i64),
    Big(BigIntRef<'d>),
    Float(f64),
    /// Text in the input.
    Lent(&'de str),
    /// Text in the document.
    Str(&'d str),
    /// Text that was made here.
    Made(String),
    /// A `Decimal`, which a float can be read from.
    Decimal(&'d str),
    /// Bytes in the input.
    LentBytes(&'de [u8]),
    /// Bytes in the document.
    Bytes(&'d [u8]),
    /// Bytes that were made here.
    MadeBytes(Vec<u8>),
    Items(Items<'d, 'de>),
    Pairs(Pairs<'d, 'de>),
    /// The state of an object with `__slots__`: what stands in `__dict__`, and the slots.
    Slots([Option<Pairs<'d, 'de>>; 2]),
    /// An object that has no parts at all.
    Nothing,
    Complex([f64; 2]),
    Delta([i64; 3]),
    /// The named parts of an object of which no single one says everything.
    Parts(Vec<(&'static str, Part<'d, 'de>)>),
}

/// A part of an object, by name.
pub(super) enum Part<'d, 'de> {
    Text(String),
    Node(NodeRef<'d, 'de>),
}

/// What an object comes to: a shape, or the node that stands for it.
enum Opened<'d, 'de> {
    Shape(Shape<'d, 'de>),
    Node(NodeRef<'d, 'de>),
}

/// Looks at a node, for the price of a place and its text.
pub(super) fn open<'d, 'de>(
    mut node: NodeRef<'d, 'de>,
    want: Want,
    context: &Context,
) -> Result<Shape<'d, 'de>> {
    loop {
        // The part of an object is charged like any other place, so a chain of them ends.
        context.charge(SLOT)?;
        return Ok(match node.view() {
            Node::None => Shape::None,
            Node::Bool(value) => Shape::Bool(value),
            Node::Int(value) => Shape::Int(value),
            Node::BigInt(value) => {
                context.charge(value.as_signed_bytes_le().len())?;
                Shape::Big(value)
            }
            Node::Float(value) => Shape::Float(value),
            Node::Str(text) => {
                context.charge(text.as_bytes().len())?;
                match (node.borrowed_str(), text) {
                    (Some(text), _) => Shape::Lent(text),
                    (None, Str::Utf8(text)) => Shape::Str(text),
                    (None, Str::Wtf8(bytes)) if want == Want::Bytes => Shape::Bytes(bytes),
                    (None, Str::Wtf8(_)) => {
                        return Err(Error::message(
                            "text with lone surrogates; Surrogates::Replace makes it readable",
                        ));
                    }
                }
            }
            Node::Bytes(bytes) | Node::ByteArray(bytes) => {
                context.charge(bytes.len())?;
                node.borrowed_bytes().map_or(Shape::Bytes(bytes), Shape::LentBytes)
            }
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                Shape::Items(items)
            }
            Node::Dict(pairs) => Shape::Pairs(pairs),
            Node::Global(module, name) => {
                let name = class_text(Some((module, name)));
                context.charge(name.len())?;
                Shape::Made(name)
            }
            Node::Object(object) => match open_object(object, want)? {
                Opened::Shape(shape) => {
                    // What was made here is paid for here, so that a shared object ends early too.
                    context.charge(match &shape {
                        Shape::Made(text) => text.len(),
                        Shape::Decimal(text) => text.len(),
                        Shape::MadeBytes(bytes) => bytes.len(),
                        Shape::Parts(parts) => parts
                            .iter()
                            .map(|(_, part)| match part {
                                Part::Text(text) => text.len(),
                                Part::Node(_) => 0,
                            })
                            .sum(),
                        _ => 0,
                    })?;
                    shape
                }
                Opened::Node(part) => {
                    node = part;
                    continue;
                }
            },
            Node::PersistentId(id) => {
                node = id;
                continue;
            }
            Node::Extension(code) => Shape::Int(i64::from(code)),
            Node::Buffer(index, _) => Shape::Int(i64::from(index)),
        });
    }
}

/// `module.name`, or nothing where the class is no global.
fn class_text(name: Option<(Str<'_>, Str<'_>)>) -> String {
    name.map_or_else(String::new, |(module, name)| {
        format!("{}.{}", module.to_string_lossy(), name.to_string_lossy())
    })
}

fn open_object<'d, 'de>(object: Object<'d, 'de>, want: Want) -> Result<Opened<'d, 'de>> {
    let shape = |shape| Ok(Opened::Shape(shape));
    let Some(known) = object.known() else { return open_parts(object, want) };
    match known {
        Known::OrderedDict(pairs) | Known::DefaultDict(_, pairs) | Known::Counter(pairs) => {
            shape(Shape::Pairs(pairs))
        }
        Known::Deque(items, _) => shape(Shape::Items(items)),
        Known::Range(_) | Known::Slice(_) => shape(Shape::Items(object.args())),
        Known::Exception(class, _, state) => {
            let mut parts = Vec::from([
                ("class", Part::Text(class_text(Some(class)))),
                ("args", Part::Node(object.document.node(object.instance.args))),
            ]);
            parts.extend(state.map(|state| ("state", Part::Node(state))));
            shape(Shape::Parts(parts))
        }
        Known::Enum(_, value) => Ok(Opened::Node(value)),
        Known::Instance(class, value, state) => match (want, state.filter(|state| !is_empty(*state))) {
            (Want::Struct, Some(state)) => Ok(open_state(state)),
            (Want::Any, Some(state)) => shape(Shape::Parts(Vec::from([
                ("class", Part::Text(class_text(Some(class)))),
                ("value", Part::Node(value)),
                ("state", Part::Node(state)),
            ]))),
            _ => Ok(Opened::Node(value)),
        },
        known => match plain(&known)? {
            Some(plain) => shape(plain),
            None => open_parts(object, want),
        },
    }
}

/// An object without a reading. Its attributes are its state, what it holds as a list or dict are its
/// items and pairs, and none of them is read as another: `class D(dict)` may have both.
fn open_parts<'d, 'de>(object: Object<'d, 'de>, want: Want) -> Result<Opened<'d, 'de>> {
    let shape = |shape| Ok(Opened::Shape(shape));
    let args = Some(object.args()).filter(|args| !args.is_empty());
    let kwargs = object.kwargs().filter(|kwargs| !kwargs.is_empty());
    let items = object.items().filter(|items| !items.is_empty());
    let pairs = object.pairs().filter(|pairs| !pairs.is_empty());
    let state = object.state().filter(|state| !is_empty(*state));
    match want {
        Want::Any => match (args, kwargs, items, pairs, state) {
            (Some(args), None, None, None, None) => shape(Shape::Items(args)),
            (None, Some(kwargs), None, None, None) => shape(Shape::Pairs(kwargs)),
            (None, None, Some(items), None, None) => shape(Shape::Items(items)),
            (None, None, None, Some(pairs), None) => shape(Shape::Pairs(pairs)),
            (None, None, None, None, Some(state)) => Ok(open_state(state)),
            (None, None, None, None, None) => shape(Shape::Nothing),
            _ => shape(Shape::Parts(all_parts(object))),
        },
        Want::Struct => match (state, pairs, kwargs, items.or(args)) {
            (Some(state), ..) => Ok(open_state(state)),
            (None, Some(pairs), ..) => shape(Shape::Pairs(pairs)),
            (None, None, Some(kwargs), None) => shape(Shape::Pairs(kwargs)),
            (None, None, _, Some(items)) => shape(Shape::Items(items)),
            (None, None, None, None) => shape(Shape::Nothing),
        },
        Want::Map => match (pairs, items, kwargs, state) {
            (Some(pairs), ..) => shape(Shape::Pairs(pairs)),
            (None, Some(items), ..) => shape(Shape::Items(items)),
            (None, None, Some(kwargs), None) if args.is_none() => shape(Shape::Pairs(kwargs)),
            (.., Some(_)) => Err(Error::message(
                "an object with attributes and no pairs: a struct reads them, a map would mix them up",
            )),
            _ => shape(args.map_or(Shape::Nothing, Shape::Items)),
        },
        Want::Seq => match (items, pairs, args, state) {
            (Some(items), ..) => shape(Shape::Items(items)),
            (None, Some(pairs), ..) => shape(Shape::Pairs(pairs)),
            (None, None, Some(args), None) => shape(Shape::Items(args)),
            (.., Some(_)) => Err(Error::message(
                "an object with attributes and no items: a struct reads them, a sequence would mix them up",
            )),
            (None, None, None, None) => shape(kwargs.map_or(Shape::Nothing, Shape::Pairs)),
        },
        Want::Scalar | Want::Float | Want::Bytes | Want::Unit => {
            match (args.filter(|args| args.len() == 1).and_then(|args| args.get(0)), state) {
                (Some(only), _) if items.is_none() && pairs.is_none() => Ok(Opened::Node(only)),
                (None, Some(state)) if args.is_none() && items.is_none() && pairs.is_none() => {
                    Ok(Opened::Node(state))
                }
                _ => shape(match (items.or(args), pairs) {
                    (Some(items), _) => Shape::Items(items),
                    (None, Some(pairs)) => Shape::Pairs(pairs),
                    (None, None) => Shape::Nothing,
                }),
            }
        }
    }
}

/// Every part that there is, by name.
fn all_parts<'d, 'de>(object: Object<'d, 'de>) -> Vec<(&'static str, Part<'d, 'de>)> {
    let instance = &object.instance;
    let mut parts = Vec::from([("class", Part::Text(class_text(object.shown_class_name())))]);
    for (name, id) in [
        ("args", instance.args),
        ("kwargs", instance.kwargs),
        ("state", instance.state),
        ("items", instance.items),
        ("pairs", instance.pairs),
    ] {
        if id != NodeId::ABSENT && id != NodeId::EMPTY_TUPLE {
            parts.push((name, Part::Node(object.document.node(id))));
        }
    }
    parts
}

/// Whether a state holds no attribute: `None`, an empty dict, or a pair of such.
fn is_empty(state: NodeRef<'_, '_>) -> bool {
    let nothing = |node: NodeRef<'_, '_>| match node.view() {
        Node::None => true,
        Node::Dict(pairs) => pairs.is_empty(),
        _ => false,
    };
    match state.view() {
        Node::Tuple(parts) => parts.len() == 2 && parts.iter().all(nothing),
        _ => nothing(state),
    }
}

/// The attributes in a state.
fn open_state<'d, 'de>(state: NodeRef<'d, 'de>) -> Opened<'d, 'de> {
    let part = |part: Option<NodeRef<'d, 'de>>| match part?.view() {
        Node::Dict(pairs) => Some(Some(pairs)),
        Node::None => Some(None),
        _ => None,
    };
    if let Node::Tuple(parts) = state.view()
        && parts.len() == 2
        && let (Some(dict), Some(slots)) = (part(parts.get(0)), part(parts.get(1)))
    {
        return Opened::Shape(Shape::Slots([dict, slots]));
    }
    Opened::Node(state)
}

/// A known object without parts, as the text or the numbers that tagged JSON has for it.
fn plain<'d, 'de>(known: &Known<'d, '_>) -> Result<Option<Shape<'d, 'de>>> {
    let zone = |zone: &Option<Zone<'_, '_>>| match zone {
        None => Ok(String::new()),
        Some(Zone::Fixed(offset)) => Ok(offset.to_string()),
        // A time without its zone would be another time.
        Some(_) => Err(Error::message("a time in a zone whose offset the pickle does not say")),
    };
    Ok(Some(match known {
        Known::Complex(real, imaginary) => Shape::Complex([*real, *imaginary]),
        Known::Date(date) => Shape::Made(date.to_string()),
        Known::Time(time, tz) => Shape::Made(format!("{time}{}", zone(tz)?)),
        Known::DateTime(date, time, tz) => Shape::Made(format!("{date}T{time}{}", zone(tz)?)),
        Known::TimeDelta(delta) => {
            Shape::Delta([delta.days.into(), delta.seconds.into(), delta.microseconds.into()])
        }
        Known::TimeZone(offset, _) => Shape::Made(offset.to_string()),
        Known::Decimal(number) => Shape::Decimal(number),
        // Decimal digits cost their square, so there are as many as CPython prints, or none.
        Known::Fraction(numerator, denominator)
            if numerator.bits().max(denominator.bits()) <= MAX_DECIMAL_BITS =>
        {
            Shape::Made(format!("{numerator}/{denominator}"))
        }
        Known::Uuid(number) => Shape::Made(uuid(*number)),
        Known::Path(bytes) => match core::str::from_utf8(bytes) {
            Ok(path) => Shape::Made(String::from(path)),
            Err(_) => Shape::MadeBytes(bytes.clone()),
        },
        Known::Ip(address) => Shape::Made(address.clone()),
        _ => return Ok(None),
    }))
}
