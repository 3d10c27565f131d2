//! What is printed: documents by node id, values by reference, and the walk over both.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Write;

use num_bigint::BigInt;

use super::known::{Parts, Segment};
use super::{Printer, Stop};
use crate::document::KnownClass;
use crate::document::NodeId;
use crate::document::Object;
use crate::document::walk::{self, NodeSet};
use crate::document::{Document, Node, NodeRef};
use crate::known::{self, Known};
use crate::value::{ObjectValue, Value};
use crate::wire::text::Str;

type Outcome = Result<(), Stop>;

/// What can be printed. A handle names a node; asking again gives the same answer.
pub(super) trait Tree {
    type Id: Copy;

    /// Without the head, where it is not needed, an object's is left empty.
    fn shape(&self, id: Self::Id, head: bool) -> Shape<'_, Self::Id>;

    /// The part of a container at a place; keys and values of a dict in turn.
    fn child(&self, id: Self::Id, place: usize) -> Option<Self::Id>;

    /// Opens a container; whether it was not open yet.
    fn enter(&mut self, id: Self::Id, open: &[(Self::Id, u32)]) -> bool;

    fn leave(&mut self, id: Self::Id);

    /// The number at a place of a dict's children; `None` for a NaN.
    fn count(&self, id: Self::Id, place: usize) -> Option<Count>;

    /// What `str` prints of an object, where it is not its `repr`.
    fn str_segments(&self, id: Self::Id) -> Option<Vec<Segment<Self::Id>>>;
}

/// How a node is printed.
pub(super) enum Shape<'t, I> {
    /// A word such as `None`, or a text that needs no escapes.
    Word(Cow<'t, str>),
    Int(i64),
    Big(Cow<'t, BigInt>),
    Float(f64),
    Text(Str<'t>),
    Bytes(&'t [u8]),
    ByteArray(&'t [u8]),
    /// A container with children by place: how many, and how they are fenced.
    Items(Fence, usize),
    /// An object: a head, some parts and a tail.
    Parts(Joint, Cow<'t, str>, [Option<I>; 6], Cow<'t, str>),
}

/// What stands before the parts of an object.
#[derive(Clone, Copy)]
pub(super) struct Joint {
    first: &'static str,
    other: &'static str,
    /// Whether the pairs of the dict stand by their counts, the highest first.
    counts: bool,
}

impl Joint {
    /// `Name(a, b)`.
    pub(super) const CALL: Self = Self { first: "", other: ", ", counts: false };
    /// `Counter({'a': 2, 'b': 1})`.
    pub(super) const COUNTER: Self = Self { first: "", other: ", ", counts: true };
    /// `<Name a b>`.
    const WORDS: Self = Self { first: " ", other: " ", counts: false };
}

/// What stands around the children of a container.
#[derive(Clone, Copy)]
pub(super) struct Fence {
    head: &'static str,
    tail: &'static str,
    /// Without any children.
    empty: &'static str,
    /// For a container inside itself.
    cycle: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// One item has a comma behind it.
    Tuple,
    /// Keys and values in turn.
    Dict,
}

impl Fence {
    pub(super) const LIST: Self =
        Self { head: "[", tail: "]", empty: "[]", cycle: "[...]", kind: Kind::Plain };
    pub(super) const TUPLE: Self =
        Self { head: "(", tail: ")", empty: "()", cycle: "(...)", kind: Kind::Tuple };
    pub(super) const DICT: Self =
        Self { head: "{", tail: "}", empty: "{}", cycle: "{...}", kind: Kind::Dict };
    pub(super) const SET: Self =
        Self { head: "{", tail: "}", empty: "set()", cycle: "set(...)", kind: Kind::Plain };
    pub(super) const FROZENSET: Self = Self {
        head: "frozenset({",
        tail: "})",
        empty: "frozenset()",
        cycle: "frozenset(...)",
        kind: Kind::Plain,
    };
    const PERSID: Self = Self {
        head: "<persistent id ",
        tail: ">",
        empty: "<persistent id>",
        cycle: "<persistent id ...>",
        kind: Kind::Plain,
    };
}

/// Prints a tree as `str` does.
pub(super) fn walk_str<T: Tree, W: Write + ?Sized>(
    tree: &mut T,
    root: T::Id,
    printer: &mut Printer<'_, W>,
) -> Outcome {
    // An exception's only argument is printed by `str` again, and that may be an exception.
    let mut open = Vec::from([Segment::Str(root)]);
    while let Some(segment) = open.pop() {
        match segment {
            Segment::Text(text) => printer.write(&text)?,
            Segment::Repr(id) => walk(tree, id, printer)?,
            Segment::Str(id) => {
                if let Some(segments) = tree.str_segments(id) {
                    open.extend(segments.into_iter().rev());
                } else if let Shape::Text(text) = tree.shape(id, true) {
                    printer.raw_text(text)?;
                } else {
                    walk(tree, id, printer)?;
                }
            }
        }
    }
    Ok(())
}

/// Prints a tree as `repr` does.
pub(super) fn walk<T: Tree, W: Write + ?Sized>(
    tree: &mut T,
    root: T::Id,
    printer: &mut Printer<'_, W>,
) -> Outcome {
    let mut open: Vec<(T::Id, u32)> = Vec::new();
    let mut next = Some(root);
    // The dicts among the open ones that are printed in another order, by their height.
    let mut orders: Vec<(usize, Vec<u32>)> = Vec::new();
    let mut counts = false;
    loop {
        if let Some(id) = next.take() {
            // The children come in the turns below; `enter` needs the tree for itself.
            let (head, cycle) = match tree.shape(id, true) {
                Shape::Items(fence, 0) => (Cow::Borrowed(fence.empty), None),
                Shape::Items(fence, _) => (Cow::Borrowed(fence.head), Some(fence.cycle)),
                Shape::Parts(_, head, ..) => (Cow::Owned(head.into_owned()), Some("<...>")),
                scalar => {
                    print_scalar(scalar, printer)?;
                    (Cow::Borrowed(""), None)
                }
            };
            match cycle {
                Some(cycle) if !tree.enter(id, &open) => printer.write(cycle)?,
                Some(_) => {
                    printer.write(&head)?;
                    open.push((id, 0));
                    if core::mem::take(&mut counts)
                        && let Some(order) = by_count(tree, id)
                    {
                        orders.push((open.len(), order));
                    }
                }
                None => printer.write(&head)?,
            }
        }
        let height_now = open.len();
        let Some((id, turn)) = open.last_mut() else { return Ok(()) };
        let (id, place) = (*id, usize::try_from(*turn).unwrap_or(usize::MAX));
        *turn = turn.saturating_add(1);
        match tree.shape(id, false) {
            Shape::Parts(joint, _, parts, tail) => match parts.get(place) {
                Some(Some(part)) => {
                    let is_first = parts.iter().take(place).all(Option::is_none);
                    printer.write(if is_first { joint.first } else { joint.other })?;
                    next = Some(*part);
                    counts = joint.counts;
                    continue;
                }
                Some(None) => continue,
                None => printer.write(&tail)?,
            },
            Shape::Items(fence, len) => {
                let sorted = match orders.last() {
                    Some((height, order)) if *height == height_now => {
                        let pair = order.get(place / 2).map_or(u32::MAX, |&pair| pair);
                        usize::try_from(pair)
                            .unwrap_or(usize::MAX)
                            .saturating_mul(2)
                            .saturating_add(place % 2)
                    }
                    _ => place,
                };
                if let Some(child) = tree.child(id, sorted) {
                    if place > 0 {
                        printer.write(if fence.kind == Kind::Dict && place % 2 == 1 {
                            ": "
                        } else {
                            ", "
                        })?;
                    }
                    next = Some(child);
                    continue;
                }
                if fence.kind == Kind::Tuple && len == 1 {
                    printer.write(",")?;
                }
                printer.write(fence.tail)?;
            }
            _ => {}
        }
        tree.leave(id);
        if orders.last().is_some_and(|(height, _)| *height == height_now) {
            orders.pop();
        }
        open.pop();
    }
}

/// What a `Counter` counts with.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Int(i64),
    Float(f64),
}

impl Count {
    /// The higher one first.
    #[allow(clippy::as_conversions, reason = "counts beyond 2^53 beside floats are as good as equal")]
    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => right.cmp(&left),
            (Self::Int(left), Self::Float(right)) => right.total_cmp(&(left as f64)),
            (Self::Float(left), Self::Int(right)) => (right as f64).total_cmp(&left),
            (Self::Float(left), Self::Float(right)) => right.total_cmp(&left),
        }
    }
}

/// The pairs of a dict by their counts, the highest first, if all counts are numbers.
fn by_count<T: Tree>(tree: &T, id: T::Id) -> Option<Vec<u32>> {
    let mut order: Vec<(Count, u32)> = Vec::new();
    while let Some(place) = order.len().checked_mul(2)
        && tree.child(id, place).is_some()
    {
        order.push((tree.count(id, place + 1)?, u32::try_from(order.len()).ok()?));
    }
    // The sort is stable, as Python's.
    order.sort_by(|(left, _), (right, _)| left.order(*right));
    Some(order.into_iter().map(|(_, place)| place).collect())
}

fn print_scalar<I, W: Write + ?Sized>(shape: Shape<'_, I>, printer: &mut Printer<'_, W>) -> Outcome {
    match shape {
        Shape::Word(word) => printer.write(&word),
        Shape::Int(value) => printer.int(value),
        Shape::Big(value) => printer.big(&value),
        Shape::Float(value) => printer.float(value),
        Shape::Text(text) => printer.text(text),
        Shape::Bytes(bytes) => printer.bytes(bytes),
        Shape::ByteArray(bytes) => printer.bytearray(bytes),
        Shape::Items(..) | Shape::Parts(..) => Ok(()),
    }
}

/// A name in a description, with what could forge a line escaped.
fn name_text(text: Str<'_>) -> String {
    let mut safe = String::new();
    let mut printer = Printer { out: &mut safe, left: 1_000, ascii: false };
    // A name that is cut is still a name.
    if printer.text(text).is_err() {
        safe.push_str("...'");
    }
    match safe.strip_prefix('\'').and_then(|safe| safe.strip_suffix('\'')) {
        Some(bare) => String::from(bare),
        None => safe,
    }
}

fn global_text(known: Option<KnownClass>, module: Str<'_>, name: Str<'_>) -> String {
    let (module, name) = known::shown(known, module, name);
    let full = match module {
        Str::Utf8("builtins") => name_text(name),
        _ => alloc::format!("{}.{}", name_text(module), name_text(name)),
    };
    // What a name stands for is certain only where the name is known.
    let is_class = !matches!(
        known,
        None | Some(
            KnownClass::Allowed | KnownClass::Member | KnownClass::Encode | KnownClass::Reconstructor
        )
    );
    alloc::format!("<{} '{full}'>", if is_class { "class" } else { "global" })
}

fn object_head(class: Option<(Str<'_>, Str<'_>)>) -> Cow<'static, str> {
    match class {
        Some((module, name)) => {
            Cow::Owned(alloc::format!("<{}.{} object", name_text(module), name_text(name)))
        }
        None => Cow::Borrowed("<object"),
    }
}

/// A document; containers that are open are found among the last ones or, below, in a set.
pub(super) struct DocumentTree<'d, 'a> {
    document: &'d Document<'a>,
    open: Option<NodeSet>,
}

/// How many open containers are searched one by one.
const SCAN: usize = 64;

impl<'d, 'a> DocumentTree<'d, 'a> {
    pub(super) const fn new(document: &'d Document<'a>) -> Self {
        Self { document, open: None }
    }
}

impl Tree for DocumentTree<'_, '_> {
    type Id = NodeId;

    fn shape(&self, id: NodeId, head: bool) -> Shape<'_, NodeId> {
        match self.document.node(id).view() {
            Node::None => Shape::Word(Cow::Borrowed("None")),
            Node::Bool(true) => Shape::Word(Cow::Borrowed("True")),
            Node::Bool(false) => Shape::Word(Cow::Borrowed("False")),
            Node::Int(value) => Shape::Int(value),
            Node::BigInt(value) => Shape::Big(Cow::Owned(value.to_bigint())),
            Node::Float(value) => Shape::Float(value),
            Node::Str(text) => Shape::Text(text),
            Node::Bytes(bytes) => Shape::Bytes(bytes),
            Node::ByteArray(bytes) => Shape::ByteArray(bytes),
            Node::List(items) => Shape::Items(Fence::LIST, items.len()),
            Node::Tuple(items) => Shape::Items(Fence::TUPLE, items.len()),
            Node::Set(items) => Shape::Items(Fence::SET, items.len()),
            Node::FrozenSet(items) => Shape::Items(Fence::FROZENSET, items.len()),
            Node::Dict(pairs) => Shape::Items(Fence::DICT, pairs.len() * 2),
            Node::Global(module, name) => {
                Shape::Word(Cow::Owned(global_text(walk::global_class(self.document, id), module, name)))
            }
            Node::Object(object) => {
                if let Some(shape) = DocumentParts::of(object).and_then(|parts| super::known::repr(&parts)) {
                    return shape;
                }
                let present = |id: NodeId| (id != NodeId::ABSENT).then_some(id);
                let instance = object.instance;
                let named = object.class_name();
                Shape::Parts(
                    Joint::WORDS,
                    if head { object_head(named) } else { Cow::Borrowed("") },
                    [
                        named.is_none().then_some(instance.class),
                        present(instance.args).filter(|&args| args != NodeId::EMPTY_TUPLE),
                        present(instance.kwargs),
                        present(instance.state),
                        present(instance.items),
                        present(instance.pairs),
                    ],
                    Cow::Borrowed(">"),
                )
            }
            Node::PersistentId(_) => Shape::Items(Fence::PERSID, 1),
            Node::Extension(code) => Shape::Word(Cow::Owned(alloc::format!("<extension {code}>"))),
            Node::Buffer(index, _) => Shape::Word(Cow::Owned(alloc::format!("<buffer {index}>"))),
        }
    }

    fn child(&self, id: NodeId, place: usize) -> Option<NodeId> {
        walk::child(self.document, id, place)
    }

    fn enter(&mut self, id: NodeId, open: &[(NodeId, u32)]) -> bool {
        if open.len() < SCAN {
            return open.iter().all(|&(other, _)| other != id);
        }
        let document = self.document;
        let set = self.open.get_or_insert_with(|| {
            let mut set = NodeSet::new(document);
            for &(id, _) in open {
                set.insert(id);
            }
            set
        });
        set.insert(id)
    }

    fn leave(&mut self, id: NodeId) {
        if let Some(set) = &mut self.open {
            set.remove(id);
        }
    }

    fn count(&self, id: NodeId, place: usize) -> Option<Count> {
        match self.document.node(self.child(id, place)?).view() {
            Node::Int(value) => Some(Count::Int(value)),
            Node::Float(value) if !value.is_nan() => Some(Count::Float(value)),
            _ => None,
        }
    }

    fn str_segments(&self, id: NodeId) -> Option<Vec<Segment<NodeId>>> {
        match self.document.node(id).view() {
            Node::Object(object) => super::known::str_segments(&DocumentParts::of(object)?),
            _ => None,
        }
    }
}

/// The parts of a known object of a document.
struct DocumentParts<'d, 'a> {
    object: Object<'d, 'a>,
    class: KnownClass,
}

impl<'d, 'a> DocumentParts<'d, 'a> {
    fn of(object: Object<'d, 'a>) -> Option<Self> {
        Some(Self { object, class: object.known_class()? })
    }
}

impl Parts<NodeId> for DocumentParts<'_, '_> {
    fn class(&self) -> KnownClass {
        self.class
    }

    fn name(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let (module, name) = self.object.shown_class_name().unwrap_or((Str::Utf8(""), Str::Utf8("")));
        (Cow::Owned(name_text(module)), Cow::Owned(name_text(name)))
    }

    fn arg(&self, place: usize) -> Option<NodeId> {
        self.object.args().get(place).map(NodeRef::id)
    }

    fn args_len(&self) -> usize {
        self.object.args().len()
    }

    fn args(&self) -> NodeId {
        self.object.instance.args
    }

    fn items(&self) -> Option<NodeId> {
        self.object.items().filter(|items| !items.is_empty()).map(|_| self.object.instance.items)
    }

    fn pairs(&self) -> Option<NodeId> {
        self.object.pairs().filter(|pairs| !pairs.is_empty()).map(|_| self.object.instance.pairs)
    }

    fn int(&self, place: usize) -> Option<i64> {
        match self.object.args().get(place)?.view() {
            Node::Int(value) => Some(value),
            _ => None,
        }
    }

    fn with_known<R>(&self, read: impl FnOnce(Known<'_, '_>) -> R) -> Option<R> {
        self.object.known().map(read)
    }
}

/// A value; it cannot hold itself.
pub(super) struct ValueTree<'v, 'a> {
    marker: core::marker::PhantomData<&'v Value<'a>>,
}

impl ValueTree<'_, '_> {
    pub(super) const fn new() -> Self {
        Self { marker: core::marker::PhantomData }
    }
}

/// A value, or a part of an object that is printed like one.
#[derive(Clone, Copy)]
pub(super) enum Piece<'v, 'a> {
    Value(&'v Value<'a>),
    List(&'v [Value<'a>]),
    Tuple(&'v [Value<'a>]),
    Dict(&'v [(Value<'a>, Value<'a>)]),
}

impl<'v, 'a> Tree for ValueTree<'v, 'a> {
    type Id = Piece<'v, 'a>;

    fn shape(&self, id: Piece<'v, 'a>, head: bool) -> Shape<'_, Piece<'v, 'a>> {
        let value = match id {
            Piece::Value(value) => value,
            Piece::List(items) => return Shape::Items(Fence::LIST, items.len()),
            Piece::Tuple(items) => return Shape::Items(Fence::TUPLE, items.len()),
            Piece::Dict(pairs) => return Shape::Items(Fence::DICT, pairs.len() * 2),
        };
        match value {
            Value::None => Shape::Word(Cow::Borrowed("None")),
            Value::Bool(true) => Shape::Word(Cow::Borrowed("True")),
            Value::Bool(false) => Shape::Word(Cow::Borrowed("False")),
            Value::Int(value) => Shape::Int(*value),
            Value::BigInt(value) => Shape::Big(Cow::Borrowed(value)),
            Value::Float(value) => Shape::Float(*value),
            Value::Str(text) => Shape::Text(Str::Utf8(text)),
            Value::Wtf8(bytes) => Shape::Text(Str::Wtf8(bytes)),
            Value::Bytes(bytes) => Shape::Bytes(bytes),
            Value::ByteArray(bytes) => Shape::ByteArray(bytes),
            Value::List(items) => Shape::Items(Fence::LIST, items.len()),
            Value::Tuple(items) => Shape::Items(Fence::TUPLE, items.len()),
            Value::Set(items) => Shape::Items(Fence::SET, items.len()),
            Value::FrozenSet(items) => Shape::Items(Fence::FROZENSET, items.len()),
            Value::Dict(pairs) => Shape::Items(Fence::DICT, pairs.len() * 2),
            Value::Global(global) => {
                let (module, name) = (Str::Utf8(&global.module), Str::Utf8(&global.name));
                let known = known::lookup(&global.module, &global.name);
                Shape::Word(Cow::Owned(global_text(known, module, name)))
            }
            Value::Object(object) => {
                if let Some(shape) = ValueParts::of(object).and_then(|parts| super::known::repr(&parts)) {
                    return shape;
                }
                let named = object.class_name();
                Shape::Parts(
                    Joint::WORDS,
                    match named.filter(|_| head) {
                        Some((module, name)) => object_head(Some((Str::Utf8(module), Str::Utf8(name)))),
                        None => object_head(None),
                    },
                    [
                        named.is_none().then_some(Piece::Value(&object.class)),
                        (!object.args.is_empty()).then_some(Piece::Tuple(&object.args)),
                        object.kwargs.as_deref().map(Piece::Dict),
                        object.state.as_ref().map(Piece::Value),
                        object.items.as_deref().map(Piece::List),
                        object.pairs.as_deref().map(Piece::Dict),
                    ],
                    Cow::Borrowed(">"),
                )
            }
            Value::PersistentId(_) => Shape::Items(Fence::PERSID, 1),
            Value::Extension(code) => Shape::Word(Cow::Owned(alloc::format!("<extension {code}>"))),
            Value::Buffer(index, _) => Shape::Word(Cow::Owned(alloc::format!("<buffer {index}>"))),
        }
    }

    fn child(&self, id: Piece<'v, 'a>, place: usize) -> Option<Piece<'v, 'a>> {
        let item = |items: &'v [Value<'a>]| items.get(place).map(Piece::Value);
        let pair = |pairs: &'v [(Value<'a>, Value<'a>)]| {
            let (key, value) = pairs.get(place / 2)?;
            Some(Piece::Value(if place.is_multiple_of(2) { key } else { value }))
        };
        match id {
            Piece::List(items) | Piece::Tuple(items) => item(items),
            Piece::Dict(pairs) => pair(pairs),
            Piece::Value(value) => match value {
                Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                    item(items)
                }
                Value::Dict(pairs) => pair(pairs),
                Value::PersistentId(value) if place == 0 => Some(Piece::Value(value)),
                _ => None,
            },
        }
    }

    fn enter(&mut self, _: Piece<'v, 'a>, _: &[(Piece<'v, 'a>, u32)]) -> bool {
        true
    }

    fn leave(&mut self, _: Piece<'v, 'a>) {}

    fn count(&self, id: Piece<'v, 'a>, place: usize) -> Option<Count> {
        match self.child(id, place)? {
            Piece::Value(Value::Int(value)) => Some(Count::Int(*value)),
            Piece::Value(Value::Float(value)) if !value.is_nan() => Some(Count::Float(*value)),
            _ => None,
        }
    }

    fn str_segments(&self, id: Piece<'v, 'a>) -> Option<Vec<Segment<Piece<'v, 'a>>>> {
        match id {
            Piece::Value(Value::Object(object)) => super::known::str_segments(&ValueParts::of(object)?),
            _ => None,
        }
    }
}

/// The parts of a known object of a value.
struct ValueParts<'v, 'a> {
    object: &'v ObjectValue<'a>,
    class: KnownClass,
}

impl<'v, 'a> ValueParts<'v, 'a> {
    fn of(object: &'v ObjectValue<'a>) -> Option<Self> {
        Some(Self { object, class: object.known? })
    }
}

impl<'v, 'a> Parts<Piece<'v, 'a>> for ValueParts<'v, 'a> {
    fn class(&self) -> KnownClass {
        self.class
    }

    fn name(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let (module, name) = self.object.class_name().unwrap_or_default();
        let (module, name) = known::shown(known::lookup(module, name), Str::Utf8(module), Str::Utf8(name));
        (Cow::Owned(name_text(module)), Cow::Owned(name_text(name)))
    }

    fn arg(&self, place: usize) -> Option<Piece<'v, 'a>> {
        self.object.args.get(place).map(Piece::Value)
    }

    fn args_len(&self) -> usize {
        self.object.args.len()
    }

    fn args(&self) -> Piece<'v, 'a> {
        Piece::Tuple(&self.object.args)
    }

    fn items(&self) -> Option<Piece<'v, 'a>> {
        self.object.items.as_deref().filter(|items| !items.is_empty()).map(Piece::List)
    }

    fn pairs(&self) -> Option<Piece<'v, 'a>> {
        self.object.pairs.as_deref().filter(|pairs| !pairs.is_empty()).map(Piece::Dict)
    }

    fn int(&self, place: usize) -> Option<i64> {
        self.object.args.get(place)?.as_i64()
    }

    fn with_known<R>(&self, read: impl FnOnce(Known<'_, '_>) -> R) -> Option<R> {
        self.object.with_known(read)
    }
}
