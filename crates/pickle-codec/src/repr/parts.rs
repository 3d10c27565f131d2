//! What printing asks a known object for.
//!
//! Most of what a class prints are its arguments as nodes, which the walk goes on to print. So this gives ids and
//! not readings: [`Known`](crate::Known) copies what it reads, and an exception needs its arguments alone.

use alloc::string::String;

use super::names::name_text;
use crate::document::{KnownClass, Node, NodeId, NodeRef, Object};

/// The parts of a known object that printing asks for.
#[derive(Clone, Copy)]
pub(super) struct KnownParts<'d, 'a> {
    pub(super) object: Object<'d, 'a>,
    pub(super) class: KnownClass,
}

impl<'d, 'a> KnownParts<'d, 'a> {
    /// The parts of an object that was read as one of the known types.
    pub(super) fn of(object: Object<'d, 'a>) -> Option<Self> {
        Some(Self { object, class: object.known_class()? })
    }

    /// The name of the class, as Python 3 has it.
    pub(super) fn name(self) -> String {
        self.object.shown_class_name().map_or_else(String::new, |(_, name)| name_text(name))
    }

    /// One argument.
    pub(super) fn arg(self, place: usize) -> Option<NodeId> {
        self.object.args().get(place).map(NodeRef::id)
    }

    /// How many arguments there are.
    pub(super) fn args_len(self) -> usize {
        self.object.args().len()
    }

    /// All arguments as a tuple.
    pub(super) const fn args(self) -> NodeId {
        self.object.instance.args
    }

    /// The list of what APPENDS gave it, unless that is empty.
    pub(super) fn items(self) -> Option<NodeId> {
        self.object.items().filter(|items| !items.is_empty()).map(|_| self.object.instance.items)
    }

    /// The dict of what SETITEMS gave it, unless that is empty.
    pub(super) fn pairs(self) -> Option<NodeId> {
        self.object.pairs().filter(|pairs| !pairs.is_empty()).map(|_| self.object.instance.pairs)
    }

    /// What an argument is.
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

    /// An argument that is an integer of 64 bits.
    pub(super) fn int(self, place: usize) -> Option<i64> {
        match self.view(place)? {
            Node::Int(value) => Some(value),
            _ => None,
        }
    }
}
