//! What is found in a pickle: names, and where unpicklers stop.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::wire::error::start;

/// What stands for a name that the pickle computes.
pub const UNKNOWN_NAME: &str = "unknown name";

/// How much of a module's or a name's text is kept, in bytes; what is cut ends with `...`.
///
/// Python imports nothing that long, and a long text in the memo could be a name again and again.
pub const MAX_NAME_LEN: usize = 200;

/// How many other ways of reading an input are followed; further ones are given as [`UNKNOWN_NAME`].
///
/// An unpickler that reads from a file drops the rest of a pickle FRAME that ends inside of an argument, others read
/// on in it. Each such place doubles the ways.
pub const MAX_READINGS: usize = 32;

/// How many names of one pickle are listed; behind them stands one [`UNKNOWN_NAME`] for all further ones.
pub const MAX_NAMES: usize = 1 << 18;

/// Something that a pickle names or calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Name {
    /// `module.name`, [`UNKNOWN_NAME`], or an opcode that names or calls without one: `PERSID`, `EXT1 5`, `REDUCE`.
    /// It is as the pickle spells it, control characters included.
    pub name: String,
    /// Where the opcode first stands, in bytes from the start of the input.
    pub offset: u64,
}

impl Name {
    /// What makes it another one: computed names are told apart by their places alone.
    pub(super) fn distinct(&self) -> (String, u64) {
        (self.name.clone(), if self.name == UNKNOWN_NAME { self.offset } else { 0 })
    }
}

/// A place where CPython's unpicklers stop with an error, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stop {
    /// Where the opcode stands, in bytes from the start of the input.
    pub offset: u64,
    /// Why, in a few words.
    pub reason: &'static str,
}

/// A length in memory as one of an input.
pub(super) fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// An offset as a place in memory.
pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A text that is cut where it is too long for a name.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    let shown = start(text, MAX_NAME_LEN);
    if shown.len() < text.len() { Cow::Owned(format!("{shown}...")) } else { Cow::Borrowed(text) }
}

/// The names of one pickle.
#[derive(Debug, Default)]
pub(super) struct NameList {
    seen: BTreeSet<String>,
    /// In the order in which they were found. There are at most [`MAX_NAMES`] and one that stands for all further ones.
    pub(super) listed: Vec<Name>,
}

impl NameList {
    pub(super) fn add(&mut self, name: &str, offset: u64) {
        let is_known = match name == UNKNOWN_NAME {
            true => self
                .listed
                .iter()
                .rev()
                .take(MAX_READINGS)
                .any(|known| known.offset == offset && known.name == name),
            false => self.seen.contains(name),
        };
        if is_known || self.listed.len() > MAX_NAMES {
            return;
        }
        let name = if self.listed.len() == MAX_NAMES { UNKNOWN_NAME } else { name };
        if name != UNKNOWN_NAME {
            self.seen.insert(String::from(name));
        }
        self.listed.push(Name { name: String::from(name), offset });
    }

    /// Takes the names of another reading.
    pub(super) fn add_all(&mut self, other: Self) {
        for Name { name, offset } in other.listed {
            self.add(&name, offset);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}
