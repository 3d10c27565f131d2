//! The standard-library types that are plain data: their names, and the shapes that are read.

use crate::builder::Builder;
use crate::error::ErrorKind;
use crate::id::NodeId;
use crate::object::Instance;

/// A class or function of Python's standard library that has a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownClass {
    /// `set`.
    Set,
}

impl KnownClass {
    /// Whether its objects can be dict keys.
    pub(crate) const fn is_hashable(self) -> bool {
        !matches!(self, Self::Set)
    }

    /// Whether its objects take APPENDS.
    pub(crate) const fn takes_items(self) -> bool {
        let _ = self;
        false
    }

    /// Whether its objects take SETITEMS.
    pub(crate) const fn takes_pairs(self) -> bool {
        let _ = self;
        false
    }
}

/// What a call of a known class came to.
pub(crate) enum Constructed {
    /// A node of its own kind, such as a set.
    Node(NodeId),
    /// The instance stands, with its reading noted.
    Instance,
    /// The arguments are not of a shape that is read.
    Unknown,
}

/// The known class of a name, under Python 3's and Python 2's spelling.
pub(crate) fn lookup(module: &str, name: &str) -> Option<KnownClass> {
    match (module, name) {
        ("__builtin__" | "builtins", "set") => Some(KnownClass::Set),
        _ => None,
    }
}

/// Reads a call of a known class.
pub(crate) fn construct(
    builder: &mut Builder<'_>,
    class: KnownClass,
    instance: &mut Instance,
) -> Result<Constructed, ErrorKind> {
    match class {
        KnownClass::Set => {
            let items = builder.document.items(instance.args).to_vec();
            let id = builder.empty_set()?;
            builder.add(id, &items)?;
            Ok(Constructed::Node(id))
        }
    }
}

/// Reads the state that BUILD gives an object; gives the object's reading after it.
pub(crate) fn read_state(
    _builder: &mut Builder<'_>,
    instance: &Instance,
    _state: NodeId,
) -> Result<Option<KnownClass>, ErrorKind> {
    Ok(instance.known)
}
