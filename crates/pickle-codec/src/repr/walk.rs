//! The walk over a document that prints it.
//!
//! What is still to be printed is a stack of [`PrintTask`]s: to print a container pushes its places, to print an object
//! pushes what its class prints, in reverse. So nothing recurses, and the stack is as high as the nesting is deep,
//! at 24 bytes a level: a container keeps the place that comes next and not the places themselves.
//!
//! ```text
//! [(1,), {'a': None}]       printed            tasks, the next one last
//!                           [                  places of the list from 0
//!                           [(1                places of the list from 1, of the tuple from 1
//!                           [(1,),             places of the list from 2, of the dict from 0
//! ```
//!
//! A container or object that is met while it is open holds itself, and `[...]` or the like is printed in its place.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Write;

use super::known;
use super::names::{global_text, name_text};
use super::printer::{Printed, Printer};
use super::task::{PrintStyle, PrintTask};
use crate::document::walk::NodeSet;
use crate::document::{Document, Node, NodeId, Object};

/// How many open containers are compared one by one; more are kept in a set. Most values are not nested so
/// deep, and a set has to be made of the size of the document.
const SCAN: usize = 64;

/// A document that is being printed. It is made anew for each `repr`, so that nothing of the size of the document
/// is allocated unless the nesting is deep.
pub(super) struct PrintWalk<'p, 'w, 'd, 'a, W: ?Sized> {
    document: &'d Document<'a>,
    printer: &'p mut Printer<'w, W>,
    tasks: Vec<PrintTask>,
    /// The containers and objects on the way from the root.
    open: Vec<NodeId>,
    /// The same as a set, once there are many.
    set: Option<NodeSet>,
    /// The orders of the counters among the open ones, as places of pairs.
    orders: Vec<Vec<u32>>,
}

impl<'p, 'w, 'd, 'a, W: Write + ?Sized> PrintWalk<'p, 'w, 'd, 'a, W> {
    /// Prints as a task says.
    pub(super) fn run(
        document: &'d Document<'a>,
        printer: &'p mut Printer<'w, W>,
        task: PrintTask,
    ) -> Printed {
        let tasks = Vec::from([task]);
        let mut walk = Self { document, printer, tasks, open: Vec::new(), set: None, orders: Vec::new() };
        while let Some(task) = walk.tasks.pop() {
            match task {
                PrintTask::Text(text) => walk.printer.write(text)?,
                PrintTask::Owned(text) => walk.printer.write(&text)?,
                PrintTask::Repr(id) => walk.node(id)?,
                PrintTask::Str(id) => match document.node(id).view() {
                    Node::Str(text) => walk.printer.raw_text(text)?,
                    Node::Object(object) => match known::str_tasks(object) {
                        Some(tasks) => walk.tasks.extend(tasks.into_iter().rev()),
                        None => walk.node(id)?,
                    },
                    _ => walk.node(id)?,
                },
                PrintTask::Places(id, place, style) => walk.places(id, place, style)?,
                PrintTask::Keywords(id) => {
                    if walk.enter(id, "{...}")? {
                        walk.tasks.push(PrintTask::Places(id, 0, PrintStyle::Keywords));
                    }
                }
                PrintTask::Counts(id) => match by_count(document, id) {
                    Some(order) => {
                        if walk.enter(id, "{...}")? {
                            walk.printer.write("{")?;
                            walk.orders.push(order);
                            walk.tasks.push(PrintTask::Places(id, 0, PrintStyle::Ordered));
                        }
                    }
                    None => walk.node(id)?,
                },
                PrintTask::Leave(id) => walk.leave(id),
            }
        }
        Ok(())
    }

    /// Opens what holds others; whether it was not open yet. Else this is printed in its place.
    fn enter(&mut self, id: NodeId, cycle: &str) -> Result<bool, super::printer::PrintError> {
        let fresh = if self.open.len() < SCAN {
            !self.open.contains(&id)
        } else {
            let set = self.set.get_or_insert_with(|| {
                let mut set = NodeSet::new(self.document);
                for &id in &self.open {
                    set.insert(id);
                }
                set
            });
            set.insert(id)
        };
        if fresh {
            self.open.push(id);
        } else {
            self.printer.write(cycle)?;
        }
        Ok(fresh)
    }

    /// Closes what was opened last, so that it is printed again where it is met again.
    fn leave(&mut self, id: NodeId) {
        self.open.pop();
        if let Some(set) = &mut self.set {
            set.remove(id);
        }
    }

    /// Prints a node, or its head, and pushes what follows. An object pushes its [`PrintTask::Leave`] below its
    /// parts, so that it is open for as long as they are printed; an empty container is never open.
    fn node(&mut self, id: NodeId) -> Printed {
        let document = self.document;
        let (head, empty, cycle) = match document.node(id).view() {
            Node::List(_) => ("[", "[]", "[...]"),
            Node::Tuple(_) => ("(", "()", "(...)"),
            Node::Dict(_) => ("{", "{}", "{...}"),
            Node::Set(_) => ("{", "set()", "set(...)"),
            Node::FrozenSet(_) => ("frozenset({", "frozenset()", "frozenset(...)"),
            Node::Object(object) => {
                if self.enter(id, "<...>")? {
                    self.tasks.push(PrintTask::Leave(id));
                    let tasks = known::repr(object).unwrap_or_else(|| described(object));
                    self.tasks.extend(tasks.into_iter().rev());
                }
                return Ok(());
            }
            Node::PersistentId(value) => {
                if self.enter(id, "<persistent id ...>")? {
                    self.printer.write("<persistent id ")?;
                    self.tasks.extend([
                        PrintTask::Leave(id),
                        PrintTask::Text(">"),
                        PrintTask::Repr(value.id),
                    ]);
                }
                return Ok(());
            }
            Node::Global(module, name) => {
                return self.printer.write(&global_text(crate::known::role(document, id), module, name));
            }
            scalar => return self.printer.scalar(scalar),
        };
        if document.items(id).is_empty() {
            return self.printer.write(empty);
        }
        if self.enter(id, cycle)? {
            self.printer.write(head)?;
            self.tasks.push(PrintTask::Places(id, 0, PrintStyle::Own));
        }
        Ok(())
    }

    /// Prints the places of a container from one on, as far as they hold no others; then the tail.
    fn places(&mut self, id: NodeId, from: u32, style: PrintStyle) -> Printed {
        let document = self.document;
        let ids = document.items(id);
        let (is_dict, from) =
            (id.kind() == crate::document::Kind::Dict, usize::try_from(from).unwrap_or(usize::MAX));
        for place in from..ids.len() {
            let is_value = is_dict && place % 2 == 1;
            self.printer.write(match style {
                _ if place == 0 => "",
                PrintStyle::Keywords if is_value => "=",
                _ if is_value => ": ",
                _ => ", ",
            })?;
            let at = match self.orders.last() {
                Some(order) if style == PrintStyle::Ordered => order
                    .get(place / 2)
                    .map_or(place, |&pair| usize::try_from(pair).unwrap_or(place) * 2 + place % 2),
                _ => place,
            };
            let Some(&child) = ids.get(at) else { continue };
            if child.is_container() {
                let next = u32::try_from(place + 1).unwrap_or(u32::MAX);
                self.tasks.push(PrintTask::Places(id, next, style));
                return self.node(child);
            }
            match style {
                PrintStyle::Keywords if !is_value => {
                    self.printer.write(&document.text(child).map_or_else(String::new, name_text))?;
                }
                _ => self.node(child)?,
            }
        }
        if style == PrintStyle::Ordered {
            self.orders.pop();
        }
        if style != PrintStyle::Bare {
            self.leave(id);
        }
        self.printer.write(match (document.node(id).view(), style) {
            (_, PrintStyle::Keywords | PrintStyle::Bare) => "",
            (Node::List(_), _) => "]",
            (Node::Tuple(_), _) if ids.len() == 1 => ",)",
            (Node::Tuple(_), _) => ")",
            (Node::FrozenSet(_), _) => "})",
            _ => "}",
        })
    }
}

/// What a `Counter` counts with. It prints its pairs by `most_common`, which sorts; with other counts than numbers
/// Python raises and prints the dict as it stands, and so it is done here.
#[derive(Clone, Copy)]
enum CountedBy {
    Int(i64),
    Float(f64),
}

impl CountedBy {
    /// The number that a node is; `None` for a NaN.
    fn of(node: Node<'_, '_>) -> Option<Self> {
        match node {
            Node::Int(value) => Some(Self::Int(value)),
            Node::Float(value) if !value.is_nan() => Some(Self::Float(value)),
            _ => None,
        }
    }

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
    let (pairs, _) = document.items(id).as_chunks::<2>();
    let tally = |(place, &[_, count]): (u32, &[NodeId; 2])| {
        Some((CountedBy::of(document.node(count).view())?, place))
    };
    let mut order = (0..).zip(pairs).map(tally).collect::<Option<Vec<_>>>()?;
    // The sort is stable, as Python's.
    order.sort_by(|(left, _), (right, _)| left.order(*right));
    Some(order.into_iter().map(|(_, place)| place).collect())
}

/// How an object is printed whose class has no reading: as a call of the class, with what it was given.
///
/// ```text
/// Point(1, 2)               arguments
/// Point(x=1, y=2)           keyword arguments, or a state whose keys are all text
/// Point((1, 2), x=3)        keyword arguments beside others
/// Stack([1, 2])             what APPENDS gave it, {...} what SETITEMS did
/// <object f() 1>            no class with a name: the parts one by one
/// ```
fn described(object: Object<'_, '_>) -> Vec<PrintTask> {
    let (document, instance) = (object.document, object.instance);
    let present = |id: NodeId| Some(id).filter(|&id| id != NodeId::ABSENT);
    let dict = |id: NodeId| match document.node(id).view() {
        Node::Dict(pairs) => Some(pairs),
        _ => None,
    };
    let args = present(instance.args).filter(|&args| args != NodeId::EMPTY_TUPLE);
    let kwargs = present(instance.kwargs);
    let state = present(instance.state).filter(|&state| dict(state).is_none_or(|pairs| !pairs.is_empty()));
    let (items, pairs) =
        (present(instance.items).map(PrintTask::Repr), present(instance.pairs).map(PrintTask::Repr));
    let Some((_, name)) = object.class_name() else {
        let mut tasks = Vec::from([PrintTask::Text("<object")]);
        let parts = [Some(instance.class), args, kwargs, state].map(|part| part.map(PrintTask::Repr));
        for part in parts.into_iter().chain([items, pairs]).flatten() {
            tasks.extend([PrintTask::Text(" "), part]);
        }
        tasks.push(PrintTask::Text(">"));
        return tasks;
    };
    let keywords = |id: NodeId| {
        let all_text = |pairs: crate::document::Pairs<'_, '_>| {
            pairs.iter().all(|(key, _)| matches!(key.view(), Node::Str(_)))
        };
        if dict(id).is_some_and(all_text) { PrintTask::Keywords(id) } else { PrintTask::Repr(id) }
    };
    // A few arguments, or nothing but arguments, stand there one by one.
    let alone = kwargs.is_none() && state.is_none() && items.is_none() && pairs.is_none();
    let few = kwargs.is_none() && args.is_none_or(|args| document.items(args).len() <= 3);
    let args = args.map(|args| {
        if few || alone { PrintTask::Places(args, 0, PrintStyle::Bare) } else { PrintTask::Repr(args) }
    });
    let state = state.map(|state| if few { keywords(state) } else { PrintTask::Repr(state) });
    PrintTask::call(name_text(name), [args, kwargs.map(keywords), state, items, pairs].into_iter().flatten())
}
