//! The error of this crate: what was wrong, at which opcode, at which byte.
//!
//! An error is at most 32 bytes, so that a `Result` stays in registers and saying no costs an attacker more than us. It
//! has no memory of its own but for a global's name, serde's message and a path, which are in one box and have limits.
//! Nothing of the payload is in it: whoever logs an error logs no secret and no control character.
//!
//! Inside of the crate an error is an [`ErrorKind`] alone as long as nobody knows the place; the loop over the opcodes
//! adds offset and opcode. Whether it says "more bytes may help" is known only to the reader, which knows where the
//! input ends, and is kept beside the kind: the same `length` can be one or the other.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::opcode::Opcode;

/// The longest name of a global that an error keeps, in bytes.
pub const MAX_ERROR_NAME_LEN: usize = 200;

/// The longest path into a value that an error keeps, in bytes.
#[cfg(feature = "serde")]
const MAX_ERROR_PATH_LEN: usize = 200;

/// As much of a key as a path shows, in bytes.
#[cfg(feature = "serde")]
const MAX_KEY_LEN: usize = 40;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $variant:ident, $name:literal, $text:literal;)*) => {
        /// What was wrong with a pickle.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ErrorKind {
            /// The word that the program and the tagged JSON use for this kind, such as `eof`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

kinds! {
    /// The input ended before STOP or inside an argument of fixed size.
    Eof, "eof", "the input ends inside the pickle";
    /// A byte that is no opcode.
    Opcode, "opcode", "not an opcode";
    /// A protocol above 5.
    Proto, "proto", "unsupported protocol";
    /// A pickle FRAME that is longer than the input, nested, or crossed by an argument.
    Frame, "frame", "the pickle FRAME does not fit its contents";
    /// The stack has fewer items above the mark than the opcode takes.
    Stack, "stack", "stack underflow";
    /// There is no mark on the stack.
    Mark, "mark", "no MARK on the stack";
    /// The opcode met an object of the wrong type.
    Type, "type", "wrong type of object for the opcode";
    /// A dict was given a key without a value.
    Odd, "odd", "odd number of items for a dict";
    /// A memo index that was never stored, or that no memo can have.
    Memo, "memo", "no such memo entry";
    /// A number, string literal or index in text that is malformed or too long.
    Literal, "literal", "malformed literal";
    /// A malformed escape in a string literal.
    Escape, "escape", "malformed escape";
    /// Text that is not UTF-8, or holds a surrogate under [`Surrogates::Strict`](crate::Surrogates::Strict).
    Utf8, "utf8", "invalid UTF-8";
    /// A length that is larger than what is left of the input.
    Length, "length", "the announced length is more than the input holds";
    /// An unhashable object as a dict key or set member.
    Hash, "hash", "unhashable key";
    /// Nesting beyond the depth limit.
    Depth, "depth", "nested too deep";
    /// More memory, work or output than the limits allow.
    Budget, "budget", "the limits leave no more memory, work or room";
    /// A global that the policy does not allow.
    Global, "global", "global is not allowed";
    /// A call, instantiation or state that the policy does not allow.
    Call, "call", "call is not allowed";
    /// A persistent id, which the policy does not allow.
    Persid, "persid", "persistent id is not allowed";
    /// An out-of-band buffer, which the policy does not allow.
    Buffer, "buffer", "out-of-band buffer is not allowed";
    /// Bytes after STOP.
    Trailing, "trailing", "bytes after STOP";
    /// A cycle where the result has to be a tree.
    Recursive, "recursive", "the object contains itself";
    /// The input is longer than the limit.
    Input, "input", "the input is too long";
    /// A Rust type or a JSON text that does not fit the pickle; from serde.
    Data, "data", "the value does not fit";
}

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Category {
    /// More input may help.
    Incomplete,
    /// The input is not a pickle.
    Malformed,
    /// A limit was met; a higher limit may help.
    Limit,
    /// The policy forbids what the pickle asks for.
    Forbidden,
    /// The value does not fit the Rust type that was asked for.
    Data,
}

/// Why a pickle could not be decoded, encoded or converted.
///
/// It holds no payload: only the kind, the opcode, the offset and, for a global, its name
/// (at most [`MAX_ERROR_NAME_LEN`] bytes) or serde's own message.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    offset: u64,
    detail: Option<Box<ErrorDetail>>,
    kind: ErrorKind,
    opcode: Option<Opcode>,
    /// The input ended before the pickle did.
    is_cut: bool,
}

/// What an error says beside its kind and place.
#[derive(Clone, PartialEq, Eq, Default)]
struct ErrorDetail {
    what: What,
    /// Where in the value, outermost first.
    path: String,
}

/// Whose words the detail is: a name that the policy refused, or a message of serde's.
#[derive(Clone, PartialEq, Eq, Default)]
enum What {
    #[default]
    Nothing,
    Global(Box<str>),
    Message(Box<str>),
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// As much of a name as an error holds.
pub(crate) fn shortened(name: &str) -> &str {
    start(name, MAX_ERROR_NAME_LEN)
}

impl Error {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(kind: ErrorKind, offset: usize, opcode: Option<Opcode>) -> Self {
        Self { offset: offset.try_into().unwrap_or(u64::MAX), detail: None, kind, opcode, is_cut: false }
    }

    /// The same error, with what the reader knows about where the input ends.
    #[cold]
    pub(crate) const fn cut(mut self, is_cut: bool) -> Self {
        self.is_cut = is_cut;
        self
    }

    /// An error that belongs to no place in a pickle, such as a conversion's.
    #[cold]
    #[inline(never)]
    pub(crate) fn plain(kind: ErrorKind) -> Self {
        Self::new(kind, 0, None)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn message(text: impl fmt::Display) -> Self {
        Self::plain(ErrorKind::Data).with(What::Message(alloc::format!("{text}").into_boxed_str()))
    }

    /// The same error in an input that this one is a part of.
    #[cold]
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        self.offset = self.offset.saturating_add(by.try_into().unwrap_or(u64::MAX));
        self
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn with_global(self, name: &str) -> Self {
        self.with(What::Global(shortened(name).into()))
    }

    fn with(self, what: What) -> Self {
        Self { detail: Some(Box::new(ErrorDetail { what, path: String::new() })), ..self }
    }

    /// The same error with another kind.
    #[cfg(feature = "serde")]
    #[cold]
    pub(crate) const fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error inside of an item of a sequence.
    #[cfg(feature = "serde")]
    #[cold]
    #[inline(never)]
    pub(crate) fn at_item(self, index: usize) -> Self {
        self.inside(&alloc::format!("[{index}]"))
    }

    /// The same error inside of the value of a key.
    #[cfg(feature = "serde")]
    #[cold]
    #[inline(never)]
    pub(crate) fn at_key(self, key: &str) -> Self {
        // A hostile key must not bring control characters into a log.
        self.inside(&start(key, MAX_KEY_LEN).escape_debug().collect::<String>())
    }

    /// Puts a step in front of the path; what would make it too long is left out.
    #[cfg(feature = "serde")]
    fn inside(mut self, step: &str) -> Self {
        let path = &mut self.detail.get_or_insert_default().path;
        let is_left_out = path.starts_with("...");
        if path.len() + step.len() >= MAX_ERROR_PATH_LEN {
            path.insert_str(0, if is_left_out { "" } else { "..." });
        } else if !is_left_out {
            if !path.is_empty() && !path.starts_with('[') {
                path.insert(0, '.');
            }
            path.insert_str(0, step);
        }
        self
    }

    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The offset of the opcode at which the decode ended, in bytes from the start of the input; of an error
    /// of serde's, that of the opcode from which the value comes, or 0 where it is not known.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The opcode at which the decode ended, if it got that far.
    #[must_use]
    pub const fn opcode(&self) -> Option<Opcode> {
        self.opcode
    }

    /// The global that was refused, as `module.name`, capped at [`MAX_ERROR_NAME_LEN`] bytes.
    #[must_use]
    pub fn global(&self) -> Option<&str> {
        match self.detail.as_deref() {
            Some(ErrorDetail { what: What::Global(name), .. }) => Some(name),
            _ => None,
        }
    }

    /// Where in the value serde met the error, such as `users[3].name`; empty where it is the whole
    /// value, or the error is not one of serde's. At most 200 bytes; of a deeper path the inner end,
    /// after `...`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.detail.as_deref().map_or("", |detail| detail.path.as_str())
    }

    /// Whether more input could turn this error into a value: the input ended between two instructions
    /// before STOP, inside one, or inside a pickle FRAME. A length that is negative, crosses its FRAME or
    /// passes [`Limits::max_input_len`](crate::Limits::max_input_len) will never be there, so that who
    /// waits for the rest must not wait for it.
    ///
    /// ```
    /// let cut = pickle_codec::decode(b"\x80\x04\x95\x06\0\0\0\0\0\0\0\x8c\x02a").unwrap_err();
    /// assert!(cut.is_incomplete());
    /// let negative = pickle_codec::decode(b"\x8b\xff\xff\xff\xff").unwrap_err();
    /// assert!(!negative.is_incomplete());
    /// ```
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        matches!(self.category(), Category::Incomplete)
    }

    /// Who can do something about it.
    #[must_use]
    pub const fn category(&self) -> Category {
        if self.is_cut {
            return Category::Incomplete;
        }
        match self.kind {
            ErrorKind::Depth | ErrorKind::Budget | ErrorKind::Input | ErrorKind::Recursive => Category::Limit,
            ErrorKind::Global | ErrorKind::Call | ErrorKind::Persid | ErrorKind::Buffer => {
                Category::Forbidden
            }
            ErrorKind::Data => Category::Data,
            _ => Category::Malformed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail.as_deref().map(|detail| &detail.what) {
            Some(What::Message(message)) => f.write_str(message)?,
            // A hostile name must not bring control characters into a log.
            Some(What::Global(name)) => write!(f, "{}: {}", self.kind.text(), name.escape_debug())?,
            Some(What::Nothing) | None => f.write_str(self.kind.text())?,
        }
        if !self.path().is_empty() {
            write!(f, ", in {}", self.path())?;
        }
        if let Some(opcode) = self.opcode {
            write!(f, " ({opcode} at byte {})", self.offset)?;
        } else if self.offset != 0 {
            write!(f, " (at byte {})", self.offset)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({}: {self})", self.kind.as_str())
    }
}

impl core::error::Error for Error {}

/// The start of a text, of at most so many bytes and whole characters.
pub(crate) fn start(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small() {
        assert!(size_of::<Error>() <= 32, "{}", size_of::<Error>());
    }

    #[test]
    fn a_name_is_capped_on_a_character() {
        let name = "é".repeat(150);
        let error = Error::new(ErrorKind::Global, 3, Some(Opcode::Global)).with_global(&name);
        assert_eq!(error.global().map(str::len), Some(200));
        assert_eq!(error.opcode(), Some(Opcode::Global));
    }
}
