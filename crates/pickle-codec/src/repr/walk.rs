//! The walk over a document that prints it.
//!
//! [`form`] says how one node is printed, without its parts: a word, a number, text, delimiters around items,
//! or a head, some parts and a tail. [`print_repr`] goes from node to node with a stack of its own, and asks
//! for the form again at each step, which is cheap beside the text that is written and keeps the stack small.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Write;

use super::form::{Delimiters, Form, Punctuation, Separators};
use super::known;
use super::names::{global_text, name_text};
use super::parts::StrPart;
use super::printer::{Outcome, Printer};
use crate::document::walk::{self, NodeSet};
use crate::document::{Document, Node, NodeId, Object};

/// Prints a node as `str` does.
pub(super) fn print_str<W: Write + ?Sized>(
    document: &Document<'_>,
    root: NodeId,
    printer: &mut Printer<'_, W>,
) -> Outcome {
    // An exception's only argument is printed by `str` again, and that may be an exception.
    let mut open = Vec::from([StrPart::Str(root)]);
    while let Some(part) = open.pop() {
        match part {
            StrPart::Text(text) => printer.write(&text)?,
            StrPart::Repr(id) => print_repr(document, id, printer)?,
            StrPart::Str(id) => {
                if let Some(parts) = str_parts(document, id) {
                    open.extend(parts.into_iter().rev());
                } else if let Form::Text(text) = form(document, id, true) {
                    printer.raw_text(text)?;
                } else {
                    print_repr(document, id, printer)?;
                }
            }
        }
    }
    Ok(())
}

/// Prints a node as `repr` does.
///
/// A container is printed in steps: its head when it is reached, then a step for each place, which
/// writes the separator and goes down to the part, and at last its tail. `open` holds the containers on
/// the way from the root, each with the place of its next step, so nothing recurses.
pub(super) fn print_repr<W: Write + ?Sized>(
    document: &Document<'_>,
    root: NodeId,
    printer: &mut Printer<'_, W>,
) -> Outcome {
    let mut path = Path::default();
    let mut open: Vec<(NodeId, u32)> = Vec::new();
    let mut next = Some(root);
    // The dicts among the open ones that are printed in another order, by their height.
    let mut orders: Vec<(usize, Vec<u32>)> = Vec::new();
    let mut counts = false;
    // The dicts among the open ones whose pairs are printed as keywords, by their height.
    let mut keywords: Vec<usize> = Vec::new();
    let mut as_keywords = false;
    loop {
        if let Some(id) = next.take() {
            let bare = core::mem::take(&mut as_keywords);
            let (head, cycle) = match form(document, id, true) {
                Form::Items(_, 0) if bare => (Cow::Borrowed(""), None),
                Form::Items(delimiters, _) if bare => (Cow::Borrowed(""), Some(delimiters.cycle)),
                Form::Items(delimiters, 0) => (Cow::Borrowed(delimiters.empty), None),
                Form::Items(delimiters, _) => (Cow::Borrowed(delimiters.head), Some(delimiters.cycle)),
                Form::Parts(_, head, ..) => (Cow::Owned(head.into_owned()), Some("<...>")),
                scalar => {
                    print_scalar(scalar, printer)?;
                    (Cow::Borrowed(""), None)
                }
            };
            match cycle {
                Some(cycle) if !path.enter(document, id, &open) => printer.write(cycle)?,
                Some(_) => {
                    printer.write(&head)?;
                    open.push((id, 0));
                    if bare {
                        keywords.push(open.len());
                    }
                    if core::mem::take(&mut counts)
                        && let Some(order) = by_count(document, id)
                    {
                        orders.push((open.len(), order));
                    }
                }
                None => printer.write(&head)?,
            }
        }
        let height = open.len();
        let Some((id, next_place)) = open.last_mut() else { return Ok(()) };
        let (id, place) = (*id, usize::try_from(*next_place).unwrap_or(usize::MAX));
        *next_place = next_place.saturating_add(1);
        match form(document, id, false) {
            Form::Parts(separators, _, parts, tail) => match parts.get(place) {
                Some(Some(part)) => {
                    let is_first = parts.iter().take(place).all(Option::is_none);
                    printer.write(if is_first { separators.first } else { separators.other })?;
                    next = Some(*part);
                    counts = separators.counts;
                    as_keywords = separators.keywords == Some(place);
                    continue;
                }
                Some(None) => continue,
                None => printer.write(&tail)?,
            },
            Form::Items(delimiters, len) => {
                let sorted = match orders.last() {
                    Some((of, order)) if *of == height => {
                        let pair = order.get(place / 2).map_or(u32::MAX, |&pair| pair);
                        usize::try_from(pair)
                            .unwrap_or(usize::MAX)
                            .saturating_mul(2)
                            .saturating_add(place % 2)
                    }
                    _ => place,
                };
                let bare = keywords.last() == Some(&height);
                if let Some(child) = walk::child(document, id, sorted) {
                    if place > 0 {
                        printer.write(if delimiters.style == Punctuation::Dict && place % 2 == 1 {
                            if bare { "=" } else { ": " }
                        } else {
                            ", "
                        })?;
                    }
                    match document.text(child) {
                        Some(key) if bare && place % 2 == 0 => printer.write(&name_text(key))?,
                        _ => next = Some(child),
                    }
                    continue;
                }
                if delimiters.style == Punctuation::Tuple && len == 1 {
                    printer.write(",")?;
                }
                if bare {
                    keywords.pop();
                } else {
                    printer.write(delimiters.tail)?;
                }
            }
            _ => {}
        }
        path.leave(id);
        if orders.last().is_some_and(|(of, _)| *of == height) {
            orders.pop();
        }
        open.pop();
    }
}

/// What a `Counter` counts with.
#[derive(Clone, Copy)]
enum Tally {
    Int(i64),
    Float(f64),
}

impl Tally {
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
fn by_count(document: &Document<'_>, id: NodeId) -> Option<Vec<u32>> {
    let mut order: Vec<(Tally, u32)> = Vec::new();
    while let Some(place) = order.len().checked_mul(2)
        && walk::child(document, id, place).is_some()
    {
        order.push((tally(document, id, place + 1)?, u32::try_from(order.len()).ok()?));
    }
    // The sort is stable, as Python's.
    order.sort_by(|(left, _), (right, _)| left.order(*right));
    Some(order.into_iter().map(|(_, place)| place).collect())
}

pub(super) fn print_scalar<W: Write + ?Sized>(form: Form<'_>, printer: &mut Printer<'_, W>) -> Outcome {
    match form {
        Form::Word(word) => printer.write(&word),
        Form::Int(value) => printer.int(value),
        Form::Big(value) => printer.big(&value),
        Form::Float(value) => printer.float(value),
        Form::Text(text) => printer.text(text),
        Form::Bytes(bytes) => printer.bytes(bytes),
        Form::ByteArray(bytes) => printer.bytearray(bytes),
        Form::Items(..) | Form::Parts(..) => Ok(()),
    }
}

/// How a node is printed. The head of an object is left empty where it is not needed.
fn form<'d>(document: &'d Document<'_>, id: NodeId, head: bool) -> Form<'d> {
    match document.node(id).view() {
        Node::None => Form::Word(Cow::Borrowed("None")),
        Node::Bool(true) => Form::Word(Cow::Borrowed("True")),
        Node::Bool(false) => Form::Word(Cow::Borrowed("False")),
        Node::Int(value) => Form::Int(value),
        Node::BigInt(value) => Form::Big(Cow::Owned(value.to_bigint())),
        Node::Float(value) => Form::Float(value),
        Node::Str(text) => Form::Text(text),
        Node::Bytes(bytes) => Form::Bytes(bytes),
        Node::ByteArray(bytes) => Form::ByteArray(bytes),
        Node::List(items) => Form::Items(Delimiters::LIST, items.len()),
        Node::Tuple(items) => Form::Items(Delimiters::TUPLE, items.len()),
        Node::Set(items) => Form::Items(Delimiters::SET, items.len()),
        Node::FrozenSet(items) => Form::Items(Delimiters::FROZENSET, items.len()),
        Node::Dict(pairs) => Form::Items(Delimiters::DICT, pairs.len() * 2),
        Node::Global(module, name) => {
            Form::Word(Cow::Owned(global_text(crate::known::role(document, id), module, name)))
        }
        Node::Object(object) => {
            if let Some(form) = known::repr(object) {
                return form;
            }
            described(object, head)
        }
        Node::PersistentId(_) => Form::Items(Delimiters::PERSID, 1),
        Node::Extension(code) => Form::Word(Cow::Owned(alloc::format!("<extension {code}>"))),
        Node::Buffer(index, _) => Form::Word(Cow::Owned(alloc::format!("<buffer {index}>"))),
    }
}

/// How an object is printed whose class has no reading: as a call of the class, with what it was given.
fn described<'d>(object: Object<'d, '_>, head: bool) -> Form<'d> {
    let document = object.document;
    let instance = object.instance;
    let present = |id: NodeId| (id != NodeId::ABSENT).then_some(id);
    let args = present(instance.args).filter(|&args| args != NodeId::EMPTY_TUPLE);
    let is_empty = |id: NodeId| matches!(document.node(id).view(), Node::Dict(pairs) if pairs.is_empty());
    let kwargs = present(instance.kwargs);
    let state = present(instance.state).filter(|&state| !is_empty(state));
    let (items, pairs) = (present(instance.items), present(instance.pairs));
    let Some((_, name)) = object.class_name() else {
        let head = Cow::Borrowed(if head { "<object" } else { "" });
        let parts = [Some(instance.class), args, kwargs, state, items, pairs];
        return Form::Parts(Separators::WORDS, head, parts, Cow::Borrowed(">"));
    };
    let name = |behind: &str| {
        if head { Cow::Owned(alloc::format!("{}{behind}", name_text(name))) } else { Cow::Borrowed("") }
    };
    let is_keywords = |id: NodeId| match document.node(id).view() {
        Node::Dict(pairs) => pairs.iter().all(|(key, _)| matches!(key.view(), Node::Str(_))),
        _ => false,
    };
    let ids = args.map_or(&[][..], |args| document.items(args));
    let arg = |place: usize| ids.get(place).copied();
    let (parts, keywords) = if ids.len() > 3 || kwargs.is_some() {
        if [kwargs, state, items, pairs].iter().all(Option::is_none) {
            return Form::Parts(
                Separators::CALL,
                name(""),
                [args, None, None, None, None, None],
                Cow::Borrowed(""),
            );
        }
        ([args, kwargs, state, items, pairs, None], kwargs.filter(|&id| is_keywords(id)).map(|_| 1))
    } else {
        ([arg(0), arg(1), arg(2), state, items, pairs], state.filter(|&id| is_keywords(id)).map(|_| 3))
    };
    Form::Parts(Separators { keywords, ..Separators::CALL }, name("("), parts, Cow::Borrowed(")"))
}

/// What `str` prints of an object, where it is not its `repr`.
fn str_parts(document: &Document<'_>, id: NodeId) -> Option<Vec<StrPart>> {
    match document.node(id).view() {
        Node::Object(object) => known::str_parts(object),
        _ => None,
    }
}

/// The number at a place of a dict's children; `None` for a NaN.
fn tally(document: &Document<'_>, id: NodeId, place: usize) -> Option<Tally> {
    match document.node(walk::child(document, id, place)?).view() {
        Node::Int(value) => Some(Tally::Int(value)),
        Node::Float(value) if !value.is_nan() => Some(Tally::Float(value)),
        _ => None,
    }
}

/// How many open containers are compared one by one; more are kept in a set. Most values are not nested so
/// deep, and a set has to be made of the size of the document.
const SCAN: usize = 64;

/// Tells whether a container is open already, that is, whether it holds itself.
#[derive(Default)]
struct Path {
    set: Option<NodeSet>,
}

impl Path {
    /// Opens a container; whether it was not open yet.
    fn enter(&mut self, document: &Document<'_>, id: NodeId, open: &[(NodeId, u32)]) -> bool {
        if open.len() < SCAN {
            return open.iter().all(|&(other, _)| other != id);
        }
        let set = self.set.get_or_insert_with(|| {
            let mut set = NodeSet::new(document);
            for &(id, _) in open {
                set.insert(id);
            }
            set
        });
        set.insert(id)
    }

    fn leave(&mut self, id: NodeId) {
        if let Some(set) = &mut self.set {
            set.remove(id);
        }
    }
}
