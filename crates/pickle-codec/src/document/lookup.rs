//! Finding a text key in a large dict by its hash.
//!
//! A dict is a run of keys and values in the order of insertion, and a search in it looks at one key after
//! another. That is the quickest for a few keys and for whoever reads all of them. The first look-up in a
//! dict of more than [`FEW`] keys makes an index of it, which stays with the document; a document in which
//! nobody looks a key up has none and pays for none. Two threads may make the same index at once; one of the
//! two is kept.
//!
//! Only text keys are looked up: they are what `Pairs::get` asks for. The index is behind a `OnceBox`, so that a
//! document can be read from several threads without a lock.

use alloc::boxed::Box;
use alloc::vec::Vec;

use once_cell::race::OnceBox;

use super::hash::{hash_bytes, seed};
use super::key_index::KeyIndex;

/// Dicts of up to this many keys are searched one by one.
const FEW: usize = 64;

/// Where text keys are, by their hashes.
#[derive(Clone, Debug)]
pub(crate) struct TextIndex {
    seed: u64,
    index: KeyIndex,
}

impl TextIndex {
    /// An index of so many keys, of which `key` gives those that are text. Of equal ones the first is found.
    /// `None` if a search is as good: there are a few, or their hashes fall together, which a sender brings
    /// about only where there is no secret seed.
    pub(crate) fn new<'k>(len: usize, key: impl Fn(usize) -> Option<&'k [u8]>) -> Option<Self> {
        if len <= FEW {
            return None;
        }
        let seed = seed();
        let mut index = KeyIndex::with_room(len);
        for place in 0..len {
            if let Some(text) = key(place) {
                let number = u32::try_from(place).ok()?;
                let is_equal = |other| Ok(usize::try_from(other).ok().and_then(&key) == Some(text));
                index.find_or_insert(hash_bytes(text, seed), number, is_equal).ok()?;
            }
        }
        Some(Self { seed, index })
    }

    /// The place of a key.
    pub(crate) fn find<'k>(&self, text: &[u8], key: impl Fn(usize) -> Option<&'k [u8]>) -> Option<usize> {
        let is_equal = |place| usize::try_from(place).ok().and_then(&key) == Some(text);
        self.index.find(hash_bytes(text, self.seed), is_equal).and_then(|place| usize::try_from(place).ok())
    }
}

/// A dict by its place in the table, and its index once one was asked for.
type LargeDict = (usize, OnceBox<Option<TextIndex>>);

/// The indexes of a document's large dicts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookups(OnceBox<Vec<LargeDict>>);

impl Lookups {
    /// The place of a text key in a dict with so many keys, which stands at this place of the table. The
    /// sizes are those of all dicts in the table.
    pub(crate) fn find<'k>(
        &self,
        dict: usize,
        sizes: impl Iterator<Item = usize>,
        len: usize,
        key: impl Fn(usize) -> Option<&'k [u8]>,
        text: &[u8],
    ) -> Option<usize> {
        let search = || (0..len).find(|&place| key(place) == Some(text));
        if len <= FEW {
            return search();
        }
        let large = self.0.get_or_init(|| {
            let large = sizes.enumerate().filter(|(_, len)| *len > FEW);
            Box::new(large.map(|(place, _)| (place, OnceBox::new())).collect())
        });
        let found = large.binary_search_by_key(&dict, |(place, _)| *place).ok()?;
        let (_, index) = large.get(found)?;
        match index.get_or_init(|| Box::new(TextIndex::new(len, &key))) {
            Some(index) => index.find(text, key),
            None => search(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn what_is_found_is_what_a_search_finds() {
        for len in [0, 1, FEW, FEW + 1, 1_000] {
            let keys: Vec<String> = (0..len).map(|number| alloc::format!("key {}", number / 2)).collect();
            let key = |place: usize| keys.get(place).filter(|_| place % 5 != 3).map(String::as_bytes);
            let index = TextIndex::new(len, key);
            assert_eq!(index.is_some(), len > FEW);
            let Some(index) = index else { continue };
            for number in 0..len {
                let text = alloc::format!("key {number}");
                let expected = (0..len).find(|&place| key(place) == Some(text.as_bytes()));
                assert_eq!(index.find(text.as_bytes(), key), expected, "{len} {text}");
            }
        }
    }
}
