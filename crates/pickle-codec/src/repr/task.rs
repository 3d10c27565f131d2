//! What is still to be printed, as steps on a stack: what classes print of themselves, and the walk does.
//!
//! A class says what it prints by a list of steps in the order in which they are read, such as
//! `["deque", "(", Repr(items), ", ", "maxlen=5", ")"]`. It never prints what it holds: that may hold the object again,
//! or be nested without end, and the walk alone knows what is open.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::document::NodeId;

/// What is still to be printed.
pub(super) enum PrintTask {
    Text(&'static str),
    Owned(Box<str>),
    /// A node as `repr` prints it.
    Repr(NodeId),
    /// A node as `str` prints it: the argument of an exception may be an exception again.
    Str(NodeId),
    /// The places of a container from this one on.
    Places(NodeId, u32, PrintStyle),
    /// The pairs of a dict as keyword arguments.
    Keywords(NodeId),
    /// The pairs of a dict by their counts, the highest first, as a `Counter` prints them.
    Counts(NodeId),
    /// The end of an object, of which nothing is left to be printed.
    Leave(NodeId),
}

/// How the places of a container are printed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum PrintStyle {
    /// As its type is.
    Own,
    /// `key=value`, without braces.
    Keywords,
    /// Between commas, with nothing around them: the items of a tuple as arguments.
    Bare,
    /// A dict, in the order that `PrintWalk::orders` has last.
    Ordered,
}

impl PrintTask {
    /// A text that was made for this object.
    pub(super) fn text(text: String) -> Self {
        Self::Owned(text.into_boxed_str())
    }

    /// As in `deque([1], maxlen=5)`: what stands before the parenthesis, the arguments, and what stands behind them.
    pub(super) fn call(name: String, args: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut tasks = Vec::from([Self::text(name), Self::Text("(")]);
        for (place, arg) in args.into_iter().enumerate() {
            tasks.extend((place > 0).then_some(Self::Text(", ")));
            tasks.push(arg);
        }
        tasks.push(Self::Text(")"));
        tasks
    }
}
