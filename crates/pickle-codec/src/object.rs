//! Objects that a pickle builds by naming and calling: kept as descriptions, never resolved.

use core::fmt;

use crate::document::{Document, Items, Node, NodeRef, Pairs};
use crate::id::NodeId;
use crate::known::KnownClass;
use crate::text::Str;

/// What stands in the object table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ObjectRepr {
    Global {
        module: NodeId,
        name: NodeId,
        known: Option<KnownClass>,
    },
    Instance(Instance),
    /// The value that names it, and depth and flags as in `Seq::meta`.
    PersistentId {
        value: NodeId,
        meta: u32,
    },
    Extension(u32),
    Buffer(u32, bool),
}

/// An object made by REDUCE, NEWOBJ, NEWOBJ_EX, INST or OBJ. Absent parts are `NodeId::ABSENT`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    /// What was called: a global, or under `Inert` any object.
    pub(crate) class: NodeId,
    pub(crate) construct: Construct,
    /// The reading that its class and arguments were checked for.
    pub(crate) known: Option<KnownClass>,
    /// A tuple.
    pub(crate) args: NodeId,
    /// A dict.
    pub(crate) kwargs: NodeId,
    /// What BUILD gave it.
    pub(crate) state: NodeId,
    /// A list of what APPENDS or ADDITEMS gave it.
    pub(crate) items: NodeId,
    /// A dict of what SETITEMS gave it.
    pub(crate) pairs: NodeId,
    /// As in `Seq::meta`.
    pub(crate) meta: u32,
}

/// Which kind of opcode made an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Construct {
    /// REDUCE, INST or OBJ: a call of the class or function.
    Call,
    /// NEWOBJ or NEWOBJ_EX: a call of the class's `__new__`.
    New,
}

impl Instance {
    pub(crate) const fn children(&self) -> [NodeId; 6] {
        [self.class, self.args, self.kwargs, self.state, self.items, self.pairs]
    }
}

impl ObjectRepr {
    pub(crate) fn view<'d, 'a>(&self, document: &'d Document<'a>, id: NodeId) -> Node<'d, 'a> {
        match *self {
            Self::Global { module, name, .. } => {
                let text = |id| document.text(id).unwrap_or(Str::Utf8(""));
                Node::Global(text(module), text(name))
            }
            Self::Instance(instance) => Node::Object(Object { document, id, instance }),
            Self::PersistentId { value, .. } => Node::PersistentId(document.node(value)),
            Self::Extension(code) => Node::Extension(code),
            Self::Buffer(index, read_only) => Node::Buffer(index, read_only),
        }
    }
}

/// An object that the pickle describes: its class, and what the class would have been given.
#[derive(Clone, Copy)]
pub struct Object<'d, 'a> {
    pub(crate) document: &'d Document<'a>,
    pub(crate) id: NodeId,
    pub(crate) instance: Instance,
}

impl<'d, 'a> Object<'d, 'a> {
    /// The node of the object itself.
    #[must_use]
    pub const fn node(self) -> NodeRef<'d, 'a> {
        NodeRef { document: self.document, id: self.id }
    }

    /// What is called: mostly a [`Node::Global`].
    #[must_use]
    pub const fn class(self) -> NodeRef<'d, 'a> {
        NodeRef { document: self.document, id: self.instance.class }
    }

    /// Module and name of the class, where it is a global.
    #[must_use]
    pub fn class_name(self) -> Option<(Str<'d>, Str<'d>)> {
        match self.class().view() {
            Node::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }

    /// How it is made.
    #[must_use]
    pub const fn construct(self) -> Construct {
        self.instance.construct
    }

    /// The positional arguments.
    #[must_use]
    pub fn args(self) -> Items<'d, 'a> {
        Items { document: self.document, ids: self.document.items(self.instance.args) }
    }

    /// The keyword arguments of NEWOBJ_EX.
    #[must_use]
    pub fn kwargs(self) -> Option<Pairs<'d, 'a>> {
        self.pairs_of(self.instance.kwargs)
    }

    /// The state that BUILD gave it.
    #[must_use]
    pub fn state(self) -> Option<NodeRef<'d, 'a>> {
        (self.instance.state != NodeId::ABSENT)
            .then_some(NodeRef { document: self.document, id: self.instance.state })
    }

    /// The items that APPEND, APPENDS or ADDITEMS gave it.
    #[must_use]
    pub fn items(self) -> Option<Items<'d, 'a>> {
        (self.instance.items != NodeId::ABSENT)
            .then(|| Items { document: self.document, ids: self.document.items(self.instance.items) })
    }

    /// The pairs that SETITEM or SETITEMS gave it.
    #[must_use]
    pub fn pairs(self) -> Option<Pairs<'d, 'a>> {
        self.pairs_of(self.instance.pairs)
    }

    fn pairs_of(self, id: NodeId) -> Option<Pairs<'d, 'a>> {
        (id != NodeId::ABSENT).then(|| Pairs { document: self.document, ids: self.document.items(id) })
    }
}

impl fmt::Debug for Object<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:?})", self.class_name())
    }
}
