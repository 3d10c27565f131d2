//! The graph that a pickle is: its tables, the views of its nodes, and the ways through it.

mod class;
mod compare;
pub(crate) mod hash;
mod id;
mod iter;
mod key_index;
pub(crate) mod lookup;
mod node;
mod own;
mod tables;
pub(crate) mod walk;

pub use class::KnownClass;
pub(crate) use id::Kind;
pub use id::NodeId;
pub use iter::{ItemsIter, PairsIter};
pub(crate) use key_index::KeyIndex;
pub use node::{BigIntRef, Items, Node, NodeRef, Object, Pairs};
pub(crate) use tables::{BytesRepr, Instance, ObjectRepr, Root, Seq, TextRepr};
pub use tables::{Construct, Document};
