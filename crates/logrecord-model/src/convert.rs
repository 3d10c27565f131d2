//! Nodes of a document as values, within one budget for the whole record and without failing: what
//! cannot be a tree becomes a note in its place.
//!
//! The budget is in proportion to the pickle, so that sharing, which costs it two bytes a place, does not make
//! a large record of a small frame: neither here in memory, nor later where the record is written out.

use std::borrow::Cow;

use pickle_codec::{ErrorKind, Limits, Node, NodeRef, Value};

use python_format::CUT;

/// The note that stands for a value beyond the depth limit.
const TOO_DEEP: &str = "<not kept: nested too deep>";
/// The note that stands for a value whose sharing expands beyond the budget.
const TOO_LARGE: &str = CUT;

const NOTES: [&str; 2] = [TOO_DEEP, TOO_LARGE];

/// More bytes of text that are fetched from the memo are counted by the decoder. What a pickle spells out takes at
/// most half of a record's budget, so that no value that is read without a document would have been a note with one.
pub(crate) const MAX_FETCHES: usize = MIN_EXPANSION;

/// What a record may expand to beside 64 times its payload.
pub(crate) const MIN_EXPANSION: usize = 16 << 10;

/// A value, or the note in the place of one that cannot be kept.
pub(crate) enum Kept<'a> {
    Value(Value<'a>),
    Note(Note),
}

/// Why a value is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note(&'static str);

impl Note {
    /// Whether the value would have been too large.
    pub(crate) fn is_cut(self) -> bool {
        self.0 == TOO_LARGE
    }

    /// The text that stands for the value.
    pub(crate) const fn into_value<'a>(self) -> Value<'a> {
        Value::Str(Cow::Borrowed(self.0))
    }
}

/// Where each note stands as a key, so that a dict has it once: different keys that are not kept are one note.
#[derive(Debug, Default)]
pub(crate) struct NotedKeys([Option<usize>; NOTES.len()]);

impl NotedKeys {
    /// The place of this key among the ones before it, if it is a note that was met already; else notes that it
    /// stands at `place`.
    #[inline]
    pub(crate) fn meet(&mut self, key: &Value<'_>, place: usize) -> Option<usize> {
        let Value::Str(text) = key else { return None };
        if !text.starts_with(['<', '.']) {
            return None;
        }
        let note = NOTES.iter().position(|note| note == text)?;
        let slot = self.0.get_mut(note)?;
        let before = *slot;
        *slot = before.or(Some(place));
        before
    }
}

/// Turns nodes into values.
#[derive(Debug)]
pub(crate) struct Converter {
    limits: Limits,
    /// Bytes that texts and containers may still take, borrowed ones included.
    left: usize,
}

impl Converter {
    pub(crate) fn new(limits: &Limits, input_len: usize) -> Self {
        let left = match limits.max_expansion {
            Some(limit) => limit,
            // A document that was put together, not read, is as large as it is.
            None if input_len == 0 => limits.expansion(0),
            None => input_len.saturating_mul(64).saturating_add(MIN_EXPANSION),
        };
        Self { limits: *limits, left }
    }

    /// The value of a node, or a note in its place.
    #[inline]
    pub(crate) fn value<'a>(&mut self, node: NodeRef<'_, 'a>) -> Kept<'a> {
        if let Some(text) = node.borrowed_str() {
            return match self.left.checked_sub(text.len()) {
                Some(left) => {
                    self.left = left;
                    Kept::Value(Value::Str(Cow::Borrowed(text)))
                }
                None => Kept::Note(Note(TOO_LARGE)),
            };
        }
        Kept::Value(match node.view() {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::Float(value) => Value::Float(value),
            _ => return self.large(node),
        })
    }

    fn large<'a>(&mut self, node: NodeRef<'_, 'a>) -> Kept<'a> {
        self.limits.max_expansion = Some(self.left);
        let mut value = node.to_value_with(&self.limits);
        if value.as_ref().is_err_and(|error| error.kind() == ErrorKind::Recursive) {
            // What contains itself is cut there, so that the message can still say the rest. To find that out may
            // have cost all that was left.
            self.left -= self.left / 16;
            self.limits.max_expansion = Some(self.left);
            value = node.to_value_lossy(&self.limits);
        }
        let note = match value {
            Ok(value) => {
                self.left = self.left.saturating_sub(weight(&value));
                return Kept::Value(value);
            }
            Err(error) => match error.kind() {
                ErrorKind::Depth => TOO_DEEP,
                _ => TOO_LARGE,
            },
        };
        // A failure may have cost all that was left, and a record may hold many of them: the work
        // of all together stays within a few times the budget.
        self.left -= self.left / if note == TOO_LARGE { 4 } else { 16 };
        Kept::Note(Note(note))
    }
}

/// The bytes of a value as the conversion counts them. Recurses as deep as the value, whose depth was
/// limited when it was made.
fn weight(value: &Value<'_>) -> usize {
    const SLOT: usize = size_of::<Value<'_>>();
    let all = |items: &[Value<'_>]| items.iter().map(|item| SLOT + weight(item)).sum::<usize>();
    let each = |pairs: &[(Value<'_>, Value<'_>)]| {
        pairs.iter().map(|(key, value)| 2 * SLOT + weight(key) + weight(value)).sum::<usize>()
    };
    match value {
        Value::Str(text) => text.len(),
        Value::Wtf8(bytes) | Value::Bytes(bytes) | Value::ByteArray(bytes) => bytes.len(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => all(items),
        Value::Dict(pairs) => each(pairs),
        Value::Object(object) => {
            size_of_val(&**object)
                + weight(&object.class)
                + all(&object.args)
                + object.kwargs.as_deref().map_or(0, each)
                + object.state.as_ref().map_or(0, weight)
                + object.items.as_deref().map_or(0, all)
                + object.pairs.as_deref().map_or(0, each)
        }
        other => other.heap_size(),
    }
}
