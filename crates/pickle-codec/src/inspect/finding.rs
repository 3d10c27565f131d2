//! What is found in a pickle: names, and where unpicklers stop.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

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

/// The names of one pickle.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeSet<String>,
    /// In the order in which they were found.
    pub(super) listed: Vec<Name>,
}

impl Names {
    pub(super) fn add(&mut self, name: String, offset: u64) {
        let known = match name == UNKNOWN_NAME {
            true => self
                .listed
                .iter()
                .rev()
                .take(MAX_READINGS)
                .any(|known| known.offset == offset && known.name == name),
            false => !self.seen.insert(name.clone()),
        };
        if !known {
            self.listed.push(Name { name, offset });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}
