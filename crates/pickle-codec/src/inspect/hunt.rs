//! NameList in bytes that are no pickle.
//!
//! joblib writes an array's bytes into the middle of a pickle and goes on behind them; others write tables behind
//! their pickles. Where reading ends without STOP, or something stands behind it, names are looked for as they are
//! spelled: GLOBAL and INST with two lines, and STACK_GLOBAL behind two texts, with or without memo opcodes. Both
//! parts must be what Python names things, of two characters at least and of six together, or any gigabyte of numbers
//! would have names in it.
//!
//! This is no part of the guarantee, which is about what unpicklers read. It is what a reader would do that looks for
//! the next pickle on its own, and it costs a search for three bytes.

use alloc::format;
use alloc::string::String;

use super::finding::{MAX_NAME_LEN, NameList, to_u64};

/// The least characters of a module and a name: `io.open`.
const MIN_CHARACTERS: usize = 6;

/// The longest spelling: two names, and a few bytes about each.
const MAX_SPELLING: usize = 2 * MAX_NAME_LEN + 32;

#[derive(Debug)]
pub(super) struct Hunt {
    position: u64,
    is_on: bool,
}

impl Hunt {
    pub(super) const fn new(position: u64) -> Self {
        Self { position, is_on: true }
    }

    /// One that lets all pass.
    pub(super) const fn none(position: u64) -> Self {
        Self { position, is_on: false }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Looks through what has come; what may be the beginning of a name stays for the next time.
    pub(super) fn run(&mut self, bytes: &[u8], is_last: bool, names: &mut NameList) {
        let end = if is_last || !self.is_on { bytes.len() } else { bytes.len().saturating_sub(MAX_SPELLING) };
        if self.is_on {
            for at in memchr::memchr3_iter(b'c', b'i', b'\x8c', bytes.get(..end).unwrap_or_default()) {
                let rest = bytes.get(at..).unwrap_or_default();
                let found = match rest.first() {
                    Some(b'\x8c') => stack_global(rest),
                    _ => global(rest).map(|name| (name, 0)),
                };
                if let Some((name, behind)) = found {
                    names.add(&name, self.position + to_u64(at + behind));
                }
            }
        }
        self.position += to_u64(end);
    }
}

/// `c` or `i`, a module's line and a name's line.
fn global(bytes: &[u8]) -> Option<String> {
    let line = |bytes: &[u8]| -> Option<(String, usize)> {
        let bytes = bytes.get(..bytes.len().min(MAX_NAME_LEN + 1))?;
        let len = memchr::memchr(b'\n', bytes)?;
        Some((name(bytes.get(..len)?)?, len + 1))
    };
    let (module, len) = line(bytes.get(1..)?)?;
    let (name, _) = line(bytes.get(1 + len..)?)?;
    full_name(&module, &name)
}

fn full_name(module: &str, name: &str) -> Option<String> {
    (module.len() + name.len() >= MIN_CHARACTERS).then(|| format!("{module}.{name}"))
}

/// Two short texts and STACK_GLOBAL; also says where that stands.
fn stack_global(bytes: &[u8]) -> Option<(String, usize)> {
    let (module, at) = text(bytes, 0)?;
    let (name, at) = text(bytes, at)?;
    if bytes.get(at) == Some(&0x93) { Some((full_name(&module, &name)?, at)) } else { None }
}

/// A SHORT_BINUNICODE, and where the next opcode that is no PUT stands.
fn text(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let [0x8c, len, ..] = bytes.get(at..)? else { return None };
    let end = at + 2 + usize::from(*len);
    let text = name(bytes.get(at + 2..end)?)?;
    let put = match bytes.get(end)? {
        0x94 => 1,
        b'q' => 2,
        b'r' => 5,
        _ => 0,
    };
    Some((text, end + put))
}

/// What Python names modules and what is in them.
fn name(bytes: &[u8]) -> Option<String> {
    let is_name = bytes.len() >= 2
        && !bytes.first()?.is_ascii_digit()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if is_name { core::str::from_utf8(bytes).ok().map(String::from) } else { None }
}
