//! Many look-ups in a large dict.
//!
//! A [`Value`] keeps no index beside its pairs: it would have to be kept right under every change, and most dicts are
//! small or looked at once. So the index is made by whoever needs it, and borrows the dict for as long as it lives.

use core::fmt;

use super::Value;
use crate::document::lookup::TextIndex;
use crate::wire::text::Str;

/// The text keys of a dict by their hashes; made by [`Value::key_index`].
pub struct DictIndex<'v, 'a> {
    pairs: &'v [(Value<'a>, Value<'a>)],
    /// None where a search is as good.
    index: Option<TextIndex>,
}

impl<'a> Value<'a> {
    /// An index of a dict, by which each look-up of a text key takes the time of a hash, whatever the size of
    /// the dict. To make it takes time and memory (up to 32 bytes a key) once. `None` if this is no dict.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// let value = Value::Dict((0..10_000).map(|number| (number.to_string().into(), number.into())).collect());
    /// let index = value.key_index().expect("it is a dict");
    /// assert_eq!(index.get("9999"), Some(&Value::Int(9_999)));
    /// assert_eq!(index.get("10000"), None);
    /// ```
    #[must_use]
    pub fn key_index(&self) -> Option<DictIndex<'_, 'a>> {
        let pairs = self.as_dict()?;
        Some(DictIndex { pairs, index: TextIndex::new(pairs.len(), |place| key(pairs, place)) })
    }
}

fn key<'v>(pairs: &'v [(Value<'_>, Value<'_>)], place: usize) -> Option<&'v [u8]> {
    pairs.get(place)?.0.as_text().map(Str::as_bytes)
}

impl<'v, 'a> DictIndex<'v, 'a> {
    /// The value of a text key; of equal keys the first counts, as in [`Value::get`].
    #[must_use]
    pub fn get(&self, text: &str) -> Option<&'v Value<'a>> {
        let place = match &self.index {
            Some(index) => index.find(text.as_bytes(), |place| key(self.pairs, place)),
            None => self.pairs.iter().position(|(key, _)| key.as_str() == Some(text)),
        };
        self.pairs.get(place?).map(|(_, value)| value)
    }
}

impl fmt::Debug for DictIndex<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DictIndex({} pairs)", self.pairs.len())
    }
}
