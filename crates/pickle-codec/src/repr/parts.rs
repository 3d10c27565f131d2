//! What printing asks a known object for, and what a `str` is made of.

use alloc::string::String;

use super::names::name_text;
use crate::document::{KnownClass, Node, NodeId, NodeRef, Object};

/// The parts of a known object that printing asks for.
#[derive(Clone, Copy)]
pub(super) struct Parts<'d, 'a> {
    pub(super) object: Object<'d, 'a>,
    pub(super) class: KnownClass,
}

impl<'d, 'a> Parts<'d, 'a> {
    pub(super) fn of(object: Object<'d, 'a>) -> Option<Self> {
        Some(Self { object, class: object.known_class()? })
    }

    /// The name of the class, as Python 3 has it.
    pub(super) fn name(self) -> String {
        self.object.shown_class_name().map_or_else(String::new, |(_, name)| name_text(name))
    }

    pub(super) fn arg(self, place: usize) -> Option<NodeId> {
        self.object.args().get(place).map(NodeRef::id)
    }

    pub(super) fn args_len(self) -> usize {
        self.object.args().len()
    }

    /// All arguments as a tuple.
    pub(super) const fn args(self) -> NodeId {
        self.object.instance.args
    }

    pub(super) fn items(self) -> Option<NodeId> {
        self.object.items().filter(|items| !items.is_empty()).map(|_| self.object.instance.items)
    }

    pub(super) fn pairs(self) -> Option<NodeId> {
        self.object.pairs().filter(|pairs| !pairs.is_empty()).map(|_| self.object.instance.pairs)
    }

    pub(super) fn view(self, place: usize) -> Option<Node<'d, 'a>> {
        Some(self.object.args().get(place)?.view())
    }

    /// An attribute that the state sets.
    pub(super) fn attribute(self, name: &str) -> Option<NodeRef<'d, 'a>> {
        match self.object.state()?.view() {
            Node::Dict(attributes) => attributes.get(name),
            _ => None,
        }
    }

    pub(super) fn int(self, place: usize) -> Option<i64> {
        match self.view(place)? {
            Node::Int(value) => Some(value),
            _ => None,
        }
    }
}

/// What `str` prints of a known object, where it is not its `repr`.
pub(super) enum StrPart {
    Text(String),
    Str(NodeId),
    Repr(NodeId),
}
