//! Nodes of a document as values, within one budget for the whole record and without failing: what
//! cannot be a tree becomes a note in its place.

use std::borrow::Cow;

use pickle_codec::{ErrorKind, Limits, Node, NodeRef, Value};

/// The note that stands for a value that contains itself.
const RECURSIVE: &str = "<not kept: contains itself>";
/// The note that stands for a value beyond the depth limit.
const TOO_DEEP: &str = "<not kept: nested too deep>";
/// The note that stands for a value whose sharing expands beyond the budget.
const TOO_LARGE: &str = "<not kept: expands too far>";

/// Turns nodes into values.
#[derive(Debug)]
pub(crate) struct Converter {
    limits: Limits,
    /// Bytes that values with memory of their own may still take.
    left: usize,
}

impl Converter {
    pub(crate) fn new(limits: &Limits, input_len: usize) -> Self {
        Self { limits: *limits, left: limits.expansion(input_len) }
    }

    /// The value of a node, or a note in its place.
    #[inline]
    pub(crate) fn value<'a>(&mut self, node: NodeRef<'_, 'a>) -> Value<'a> {
        if let Some(text) = node.borrowed_str() {
            return Value::Str(Cow::Borrowed(text));
        }
        match node.view() {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::Float(value) => Value::Float(value),
            _ => self.large(node),
        }
    }

    fn large<'a>(&mut self, node: NodeRef<'_, 'a>) -> Value<'a> {
        self.limits.max_expansion = Some(self.left);
        let note = match node.to_value_with(&self.limits) {
            Ok(value) => {
                self.left = self.left.saturating_sub(value.heap_size());
                return value;
            }
            Err(error) => match error.kind() {
                ErrorKind::Recursive => RECURSIVE,
                ErrorKind::Depth => TOO_DEEP,
                _ => TOO_LARGE,
            },
        };
        // A failure may have cost all that was left, and a record may hold many of them: the work
        // of all together stays within a few times the budget.
        self.left -= self.left / if note == TOO_LARGE { 4 } else { 16 };
        Value::Str(Cow::Borrowed(note))
    }
}
