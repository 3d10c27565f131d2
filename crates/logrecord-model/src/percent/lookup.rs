//! Looking up the names of `%(name)s` in a dict, with an end to the work that a large one makes.

use std::hash::{BuildHasher, RandomState};

use pickle_codec::Value;

use super::find;

/// Dicts up to this size are always searched.
const SMALL: usize = 8;

/// Larger dicts get no index: it would take more time and memory than a message may.
const MOST_INDEXED: usize = 8192;

/// Nor do those with more bytes of keys.
const MOST_KEY_BYTES: usize = 128 * 1024;

/// An index pays off when a dict would be searched for the fifth time.
const SEARCHES: usize = 4;

/// How many names are remembered before there is an index.
const RECENT: usize = 32;

type Pair<'a> = (Value<'a>, Value<'a>);

/// Finds names in the pairs of a dict, where the last of a name counts.
pub(super) struct Lookup<'a> {
    pairs: &'a [Pair<'a>],
    recent: Vec<(&'a str, &'a Value<'a>)>,
    searches: usize,
    index: Option<Index>,
    /// Steps of an output that are to be paid for.
    steps: usize,
}

impl<'a> Lookup<'a> {
    pub(super) const fn new(pairs: &'a [Pair<'a>]) -> Self {
        Self { pairs, recent: Vec::new(), searches: 0, index: None, steps: 0 }
    }

    /// The steps since this was last asked.
    pub(super) const fn take_steps(&mut self) -> usize {
        let steps = self.steps;
        self.steps = 0;
        steps
    }

    pub(super) fn find(&mut self, name: &str) -> Option<&'a Value<'a>> {
        if self.pairs.len() <= SMALL {
            return find(self.pairs, name);
        }
        if let Some(index) = &self.index {
            return index.find(self.pairs, name).map(|(_, value)| value);
        }
        if let Some((_, value)) = self.recent.iter().find(|(recent, _)| *recent == name) {
            return Some(value);
        }
        self.searches = self.searches.saturating_add(1);
        // Once, also where it turns out that there is none.
        if self.searches == SEARCHES.saturating_add(1)
            && let Some(index) = Index::new(self.pairs)
        {
            self.steps = self.steps.saturating_add(self.pairs.len() / 4);
            return self.index.insert(index).find(self.pairs, name).map(|(_, value)| value);
        }
        let (key, value) = self.search(name)?;
        let place = self.searches % RECENT;
        match self.recent.get_mut(place) {
            Some(recent) => *recent = (key, value),
            None => self.recent.push((key, value)),
        }
        Some(value)
    }

    fn search(&mut self, name: &str) -> Option<(&'a str, &'a Value<'a>)> {
        let mut compared = 0_usize;
        let mut place = self.pairs.len();
        let mut found = None;
        while let Some(before) = place.checked_sub(1)
            && let Some((key, value)) = self.pairs.get(before)
        {
            place = before;
            if let Value::Str(key) = key
                && key.len() == name.len()
            {
                compared = compared.saturating_add(key.len());
                if key == name {
                    found = Some((&**key, value));
                    break;
                }
            }
        }
        let pairs = self.pairs.len().saturating_sub(place);
        self.steps = self.steps.saturating_add(pairs / 64).saturating_add(compared / 2048);
        found
    }
}

/// The places of the pairs by the hash of their keys: a table that is at most half full.
struct Index {
    /// Place and 1; 0 is free.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Index {
    /// An index of these pairs; None if they are too many.
    fn new(pairs: &[Pair<'_>]) -> Option<Self> {
        if pairs.len() > MOST_INDEXED {
            return None;
        }
        let key_bytes: usize = pairs.iter().map(|(key, _)| key.as_str().map_or(0, str::len)).sum();
        if key_bytes > MOST_KEY_BYTES {
            return None;
        }
        let len = pairs.len().checked_mul(2)?.checked_next_power_of_two()?;
        let mut index = Self { slots: vec![0; len], hasher: RandomState::new() };
        for (place, (key, _)) in pairs.iter().enumerate() {
            let Value::Str(key) = key else { continue };
            let (slot, _) = index.probe(pairs, key)?;
            *index.slots.get_mut(slot)? = u32::try_from(place).ok()?.checked_add(1)?;
        }
        Some(index)
    }

    fn find<'a>(&self, pairs: &'a [Pair<'a>], name: &str) -> Option<(&'a str, &'a Value<'a>)> {
        self.probe(pairs, name)?.1
    }

    /// The slot of a name, and the pair that it holds.
    #[allow(clippy::type_complexity, reason = "a slot and, perhaps, its pair")]
    fn probe<'a>(
        &self,
        pairs: &'a [Pair<'a>],
        name: &str,
    ) -> Option<(usize, Option<(&'a str, &'a Value<'a>)>)> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = usize::try_from(self.hasher.hash_one(name) & u64::from(u32::MAX)).ok()? & mask;
        loop {
            let Some(place) = usize::try_from(*self.slots.get(slot)?).ok()?.checked_sub(1) else {
                return Some((slot, None));
            };
            if let Some((Value::Str(key), value)) = pairs.get(place)
                && key == name
            {
                return Some((slot, Some((key, value))));
            }
            slot = slot.saturating_add(1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(count: usize) -> Vec<Pair<'static>> {
        (0..count)
            .map(|place| (Value::from(format!("key {place}")), Value::from(place.to_string())))
            .chain([(Value::Int(1), Value::None), (Value::from("key 0"), Value::from("last"))])
            .collect()
    }

    #[test]
    fn every_size_finds_the_last_of_each_name() {
        for count in [1, 7, 9, 100, MOST_INDEXED - 2, MOST_INDEXED + 1] {
            let pairs = dict(count);
            let mut lookup = Lookup::new(&pairs);
            for round in 0..3 {
                for place in [0, count / 3, count - 1, count, 0] {
                    let expected = match place {
                        0 => Some("last"),
                        place if place < count => {
                            Some(&*place.to_string()).map(|text| &*text.to_owned().leak())
                        }
                        _ => None,
                    };
                    let found = lookup.find(&format!("key {place}")).and_then(Value::as_str);
                    assert_eq!(found, expected, "{count} keys, key {place}, round {round}");
                }
            }
        }
    }

    #[test]
    fn an_index_is_made_once_and_only_where_it_pays() {
        let rows = [(9, 20, true), (9, 4, false), (MOST_INDEXED - 2, 20, true), (MOST_INDEXED, 20, false)];
        for (count, searches, expected) in rows {
            let pairs = dict(count);
            let mut lookup = Lookup::new(&pairs);
            for place in 0..searches {
                lookup.find(&format!("key {}", place % count));
            }
            assert_eq!(lookup.index.is_some(), expected, "{count} keys, {searches} searches");
        }
        let long: Vec<_> =
            (0..20).map(|place| (Value::from(format!("{place:010000}")), Value::None)).collect();
        assert!(Index::new(&long).is_none());
    }

    #[test]
    fn searches_are_paid_for() {
        let pairs = dict(100_000);
        let mut lookup = Lookup::new(&pairs);
        lookup.find("key 1");
        assert_eq!(lookup.take_steps(), 100_001 / 64);
        lookup.find("key 1");
        assert_eq!(lookup.take_steps(), 0, "the name is remembered");
        lookup.find("none");
        assert_eq!(lookup.take_steps(), 100_002 / 64);
        let long = vec![(Value::from("k".repeat(100_000)), Value::None); 9];
        let mut lookup = Lookup::new(&long);
        lookup.find(&"x".repeat(100_000));
        assert_eq!(lookup.take_steps(), 900_000 / 2048, "so are the bytes that are compared");
    }
}
