//! Memo entries of the objects that CPython has once: short text and bytes, classes, interned names.
//!
//! CPython memoizes by identity, and here every value counts as an object of its own, with these exceptions:
//! `''`, text of one Latin-1 character, `b''` and single bytes exist once in a process
//! (`Objects/unicodeobject.c`, `Objects/bytesobject.c`), and so do the names and classes that a pickler writes
//! on its own account. The second time they are a GET, which changes every byte that follows.
//!
//! A table with a slot for each of the 514 short ones and the names finds the memo index without hashing. Most
//! pickles use none or a few, so it is made when the first is written, and cleared slot by slot.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Names a single by its slot: text `''` and the 256 one-character texts, `b''` and the 256 one-byte bytes,
/// then what the encoder writes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Single(u16);

const FIXED: u16 = 2 * 257;
const SLOTS: usize = FIXED as usize + OwnName::ALL.len();

/// What the encoder names on its own account, each with module and name in Python 3, then in Python 2
/// (`REVERSE_NAME_MAPPING` in `Lib/_compat_pickle.py`).
macro_rules! own_names {
    ($($own:ident $names:expr,)*) => {
        /// What the encoder names on its own account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub(crate) enum OwnName { $($own),* }

        impl OwnName {
            const ALL: &[(Self, [&'static str; 4])] = &[$((Self::$own, $names)),*];
        }
    };
}

own_names! {
    // The one that is a text and no global.
    Latin1 ["", "", "", ""],
    Encode ["_codecs", "encode", "_codecs", "encode"],
    Bytes ["builtins", "bytes", "__builtin__", "bytes"],
    ByteArray ["builtins", "bytearray", "__builtin__", "bytearray"],
    Set ["builtins", "set", "__builtin__", "set"],
    FrozenSet ["builtins", "frozenset", "__builtin__", "frozenset"],
    Complex ["builtins", "complex", "__builtin__", "complex"],
    NewObj ["copyreg", "__newobj__", "copy_reg", "__newobj__"],
    NewObjEx ["copyreg", "__newobj_ex__", "copy_reg", "__newobj_ex__"],
    Reconstructor ["copyreg", "_reconstructor", "copy_reg", "_reconstructor"],
    Object ["builtins", "object", "__builtin__", "object"],
    Int ["builtins", "int", "__builtin__", "long"],
    Float ["builtins", "float", "__builtin__", "float"],
    Str ["builtins", "str", "__builtin__", "unicode"],
    List ["builtins", "list", "__builtin__", "list"],
    Tuple ["builtins", "tuple", "__builtin__", "tuple"],
    Dict ["builtins", "dict", "__builtin__", "dict"],
    GetAttr ["builtins", "getattr", "__builtin__", "getattr"],
}

impl OwnName {
    /// Module and name, as Python 2 has them or as Python 3 does.
    pub(crate) fn names(self, old: bool) -> (&'static str, &'static str) {
        match Self::ALL.iter().find(|(own, _)| *own == self) {
            Some((_, [_, _, module, name])) if old => (module, name),
            Some((_, [module, name, ..])) => (module, name),
            None => ("", ""),
        }
    }

    /// What these names mean, if the encoder names it.
    pub(crate) fn of(module: &str, name: &str) -> Option<Self> {
        let means = |[new_module, new_name, old_module, old_name]: [&str; 4]| {
            (module == new_module || module == old_module) && (name == new_name || name == old_name)
        };
        Self::ALL.iter().skip(1).find(|(_, names)| means(*names)).map(|&(own, _)| own)
    }
}

impl Single {
    /// The single that a text is, if it is one. The text is WTF-8.
    #[inline]
    pub(crate) const fn text(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [] => Some(Self(0)),
            [byte] => Some(Self(1 + byte as u16)),
            // Two bytes with these leads are U+0080 to U+00FF.
            [lead @ (0xc2 | 0xc3), tail] => Some(Self(1 + ((lead as u16 & 3) << 6 | tail as u16 & 0x3f))),
            _ => None,
        }
    }

    /// The single that bytes are, if they are one.
    #[inline]
    pub(crate) const fn bytes(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [] => Some(Self(257)),
            [byte] => Some(Self(258 + byte as u16)),
            _ => None,
        }
    }

    pub(crate) const fn name(name: OwnName) -> Self {
        Self(FIXED + name as u16)
    }
}

/// The memo index of each single that has been written.
#[derive(Debug, Default)]
pub(crate) struct Singles {
    /// Memo index + 1; empty until the first single is written.
    slots: Vec<u32>,
    /// The slots that are taken, to be cleared one by one.
    touched: Vec<u16>,
    /// Interned names, and globals as `module NUL name`: what has no slot, because a document may name anything.
    names: BTreeMap<Vec<u8>, u32>,
}

impl Singles {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), touched: Vec::new(), names: BTreeMap::new() }
    }

    /// Forgets all, in time that depends on what was stored.
    #[inline]
    pub(crate) fn clear(&mut self) {
        for place in self.touched.drain(..) {
            if let Some(slot) = self.slots.get_mut(usize::from(place)) {
                *slot = 0;
            }
        }
        self.names.clear();
    }

    /// The memo index of a single that has been written.
    #[inline]
    pub(crate) fn get(&self, single: Single) -> Option<u32> {
        self.slots.get(usize::from(single.0)).and_then(|slot| slot.checked_sub(1))
    }

    /// Notes the memo index of a single; the table is made with the first.
    pub(crate) fn set(&mut self, single: Single, index: u32) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, 0);
        }
        if let Some(slot) = self.slots.get_mut(usize::from(single.0)) {
            *slot = index.saturating_add(1);
            self.touched.push(single.0);
        }
    }

    /// Where its memory is and how large.
    #[cfg(test)]
    pub(crate) fn blocks(&self) -> [(usize, usize); 2] {
        [
            (self.slots.as_ptr().addr(), self.slots.capacity()),
            (self.touched.as_ptr().addr(), self.touched.capacity()),
        ]
    }

    /// The memo index of an interned name or of a global.
    pub(crate) fn interned(&self, name: &[u8]) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub(crate) fn intern(&mut self, name: Vec<u8>, index: u32) {
        self.names.insert(name, index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singles_are_told_apart() {
        let mut singles = Singles::new();
        let mut next = 0;
        for code in 0..=255_u8 {
            let text = alloc::string::String::from(char::from(code));
            for single in [Single::text(text.as_bytes()).unwrap(), Single::bytes(&[code]).unwrap()] {
                assert_eq!(singles.get(single), None);
                singles.set(single, next);
                assert_eq!(singles.get(single), Some(next));
                next += 1;
            }
        }
        assert_eq!(Single::text("ā".as_bytes()), None);
        assert_eq!(singles.get(Single::text(b"").unwrap()), None);
        assert_eq!(singles.get(Single::bytes(b"").unwrap()), None);
        singles.clear();
        assert_eq!(singles.get(Single::bytes(b"x").unwrap()), None);
    }
}
