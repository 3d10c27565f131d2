//! joblib's arrays: bytes in the middle of a pickle, which joblib's unpickler takes out and others do not.
//!
//! joblib pickles an array as an object of class `NumpyArrayWrapper`, whose state says its shape and type, and writes
//! the array's bytes behind the BUILD of that object: behind a byte that counts bytes of padding, if the state has
//! `numpy_array_alignment_bytes`. An array of objects is a pickle of its own there (`NumpyArrayWrapper.read_array` and
//! `NumpyUnpickler.load_build` in `joblib/numpy_pickle.py`). So tuples, dicts and numpy's types are followed as far as
//! that takes, in any pickle that names one of these classes.
//!
//! How many bytes to pass over is worked out only from what is known for sure: a type that numpy spells (`f8`, `U5`),
//! sides that stand in the pickle as numbers. If anything is missing, the bytes are read as opcodes, as every other
//! unpickler does, and where that ends they are searched for names. A wrong length would be no gap either: both readings
//! are followed, the one that passes over the bytes and the one that does not.
//!
//! A type of several fields says only in its state whether objects are among them. Its BUILD comes when the memo has it
//! already, so that types have numbers here, and their sizes stand in a table.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::finding::to_usize;
use super::memory::{Remembered, Slot};

/// Tuples and dicts that are known at a time; older ones are forgotten.
const MAX_KNOWN: usize = 1 << 10;

/// Objects in one of them.
const MAX_ITEMS: usize = 64;

/// Objects that are looked at to find a type of objects in a type of several fields.
const MAX_LOOKS: usize = 1 << 10;

/// The size of a type that holds Python objects.
const OBJECTS: u32 = u32::MAX;

/// The size of a type of which it is not known whether it does.
const UNSURE: u32 = u32::MAX - 1;

/// What a name of these classes stands for.
pub(super) fn class(module: &str, name: &str) -> Option<Slot> {
    let is_joblib = matches!(module, "joblib.numpy_pickle" | "sklearn.externals.joblib.numpy_pickle");
    match name {
        "NumpyArrayWrapper" if is_joblib => Some(Slot::WrapperClass),
        "dtype" if module == "numpy" => Some(Slot::DtypeClass),
        _ => None,
    }
}

/// What stands behind the BUILD of a wrapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Array {
    /// So many bytes, behind a byte that counts bytes of padding, or at once.
    Bytes { len: u64, is_padded: bool },
    /// A pickle.
    Objects,
}

/// The tuples and dicts of a pickle with arrays.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrays {
    known: VecDeque<Vec<Slot>>,
    /// The number of the first one.
    first: u32,
    /// The sizes of the items of numpy's types, which a BUILD may change where the memo has the type already.
    sizes: Vec<u32>,
}

impl Arrays {
    /// A new tuple, or a dict: its keys and values in turn.
    pub(super) fn add(&mut self, items: &[Slot]) -> Slot {
        if items.len() > MAX_ITEMS {
            return Slot::Unknown;
        }
        if self.known.len() == MAX_KNOWN {
            self.known.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX).wrapping_add(self.first);
        self.known.push_back(items.to_vec());
        Slot::Items(number)
    }

    fn place(&self, number: u32) -> usize {
        usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn get(&self, slot: Slot) -> Option<&[Slot]> {
        let Slot::Items(number) = slot else { return None };
        self.known.get(self.place(number)).map(Vec::as_slice)
    }

    /// Puts keys and values into a dict.
    pub(super) fn fill(&mut self, dict: Slot, items: &[Slot]) {
        let Slot::Items(number) = dict else { return };
        let place = self.place(number);
        let Some(known) = self.known.get_mut(place) else { return };
        if known.len() + items.len() <= MAX_ITEMS {
            known.extend_from_slice(items);
        } else {
            *known = alloc::vec![Slot::Unknown];
        }
    }

    /// What a call or a new object of a class is.
    pub(super) fn made(&mut self, class: Slot, arguments: Slot, memory: &Remembered) -> Slot {
        match class {
            Slot::WrapperClass => Slot::Wrapper,
            Slot::DtypeClass => {
                let code = self.get(arguments).and_then(|arguments| arguments.first().copied());
                let code = code.and_then(|code| memory.get_text(code));
                let size = code.and_then(|code| item_size(&code));
                let number = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
                let (Some(size), true) = (size, self.sizes.len() < MAX_KNOWN) else { return Slot::Unknown };
                self.sizes.push(size);
                Slot::Dtype(number)
            }
            _ => Slot::Unknown,
        }
    }

    /// Takes the state of an object, and says whether an array follows.
    pub(super) fn build(&mut self, object: Slot, state: Slot, memory: &Remembered) -> Option<Array> {
        match object {
            Slot::Dtype(number) => {
                let changed = match self.holds_objects(state) {
                    Some(false) => return None,
                    Some(true) => OBJECTS,
                    None => UNSURE,
                };
                if let Some(size) =
                    self.sizes.get_mut(to_usize(number.into())).filter(|size| **size != OBJECTS)
                {
                    *size = changed;
                }
                None
            }
            Slot::Wrapper => self.array(state, memory),
            _ => None,
        }
    }

    fn size(&self, number: u32) -> Option<u32> {
        self.sizes.get(to_usize(number.into())).copied()
    }

    /// Whether a state has a type of objects in it, if that can be seen.
    fn holds_objects(&self, state: Slot) -> Option<bool> {
        let mut is_sure = true;
        let mut waiting = alloc::vec![state];
        for _ in 0..MAX_LOOKS {
            match waiting.pop() {
                None => return is_sure.then_some(false),
                Some(Slot::Dtype(number)) if self.size(number) == Some(OBJECTS) => return Some(true),
                Some(Slot::Unknown) => is_sure = false,
                Some(items @ Slot::Items(_)) => match self.get(items) {
                    Some(items) => waiting.extend_from_slice(items),
                    None => is_sure = false,
                },
                Some(_) => {}
            }
        }
        None
    }

    fn array(&self, state: Slot, memory: &Remembered) -> Option<Array> {
        let value = |key: &str| {
            let pairs = self.get(state)?.chunks_exact(2);
            let mut found = pairs.filter(|pair| {
                pair.first().is_some_and(|known| memory.get_text(*known).as_deref() == Some(key))
            });
            found.next_back()?.get(1).copied()
        };
        let Slot::Dtype(number) = value("dtype")? else { return None };
        let mut len = match self.size(number)? {
            OBJECTS => return Some(Array::Objects),
            UNSURE => return None,
            size => u64::from(size),
        };
        for side in self.get(value("shape")?)? {
            let Slot::Int(side) = side else { return None };
            len = len.checked_mul((*side).into())?;
        }
        let is_padded = matches!(value("numpy_array_alignment_bytes"), Some(Slot::Int(_)));
        Some(Array::Bytes { len, is_padded })
    }
}

/// The size of numpy's types by their codes: `f8`, `U5`, `O8`, `V12`.
fn item_size(code: &str) -> Option<u32> {
    let digits = code.get(1..)?;
    let number: u32 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    match code.as_bytes().first()? {
        b'O' => Some(OBJECTS),
        b'U' => number.checked_mul(4),
        b'b' | b'i' | b'u' | b'f' | b'c' | b'S' | b'V' | b'm' | b'M' if !digits.is_empty() => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_types() {
        let rows = [
            ("f8", Some(8)),
            ("b1", Some(1)),
            ("U5", Some(20)),
            ("S3", Some(3)),
            ("V64", Some(64)),
            ("M8", Some(8)),
            ("O8", Some(OBJECTS)),
            ("O", Some(OBJECTS)),
            ("U4000000000", None),
            ("f", None),
            ("x8", None),
            ("fé", None),
            ("", None),
        ];
        for (code, size) in rows {
            assert_eq!(item_size(code), size, "{code}");
        }
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut arrays = Arrays::default();
        let first = arrays.add(&[Slot::Int(1)]);
        for _ in 0..3 * MAX_KNOWN {
            arrays.add(&[Slot::Other; MAX_ITEMS]);
        }
        let last = arrays.add(&[]);
        arrays.fill(last, &[Slot::Int(7)]);
        assert_eq!((arrays.get(first), arrays.get(last)), (None, Some([Slot::Int(7)].as_slice())));
        assert_eq!(arrays.known.len(), MAX_KNOWN);
        assert_eq!(arrays.add(&[Slot::Other; MAX_ITEMS + 1]), Slot::Unknown);
        arrays.fill(last, &[Slot::Other; MAX_ITEMS]);
        assert_eq!(arrays.get(last), Some([Slot::Unknown].as_slice()));
    }
}
