//! What the inspector remembers of a pickle: the texts that may become names, the stack and the memo.
//!
//! All of it is bounded, however long the pickle is. What no longer fits becomes [`Slot::Unknown`], which is never
//! taken for harmless: a name made of it is given as unknown.

use alloc::string::String;
use alloc::vec::Vec;

use super::finding::MAX_NAME_LEN;

/// Bytes of text that are kept at most.
const MAX_TEXT: usize = 4 << 20;

/// Runs of equal slots that the stack keeps at most.
const MAX_RUNS: usize = 1 << 19;

/// Slots at the top of the stack that stay when the others are given up.
const KEPT_RUNS: usize = 1 << 10;

/// Memo entries that are kept at most.
const MAX_MEMO: usize = 1 << 20;

/// What is known of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A MARK.
    Mark,
    /// Text, by its place in [`Texts`].
    Text(u32),
    /// It may be text that the pickle computes.
    Unknown,
    /// It is no text.
    Other,
}

/// Texts that may become names.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: String,
    /// Where each one ends; it begins where the one before it ends.
    ends: Vec<u32>,
}

impl Texts {
    /// Keeps a text, if there is room.
    pub(super) fn add(&mut self, text: &str) -> Slot {
        if self.bytes.len() + text.len() > MAX_TEXT || self.ends.len() >= MAX_MEMO {
            return Slot::Unknown;
        }
        let place = u32::try_from(self.ends.len());
        self.bytes.push_str(text);
        match (place, u32::try_from(self.bytes.len())) {
            (Ok(place), Ok(end)) => {
                self.ends.push(end);
                Slot::Text(place)
            }
            _ => Slot::Unknown,
        }
    }

    pub(super) fn get(&self, place: u32) -> &str {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let end = |place: usize| self.ends.get(place).and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
        let begin = place.checked_sub(1).map_or(0, end);
        self.bytes.get(begin..end(place)).unwrap_or_default()
    }

    /// Whether another text might not fit.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() + 2 * MAX_NAME_LEN > MAX_TEXT || self.ends.len() + 1 >= MAX_MEMO
    }

    /// Forgets all texts but those that stack and memo hold and that could be a name in Python.
    pub(super) fn collect(&mut self, stack: &mut Stack, memo: &mut Memo) {
        let old = core::mem::take(self);
        let mut moved: Vec<Option<Slot>> = alloc::vec![None; old.ends.len()];
        let mut held = 0;
        for slot in
            stack.runs.iter_mut().map(|(slot, _)| slot).chain(&mut memo.dense).chain(memo.sparse.values_mut())
        {
            let Slot::Text(place) = *slot else { continue };
            let text = old.get(place);
            let at = usize::try_from(place).ok().and_then(|place| moved.get_mut(place));
            *slot = match at {
                Some(Some(known)) => *known,
                Some(new) => {
                    // Half of the room stays free, or this would be done again at once.
                    let fits = is_like_a_name(text)
                        && held + text.len() <= MAX_TEXT / 2
                        && self.ends.len() < MAX_MEMO / 2;
                    let slot = if fits { self.add(text) } else { Slot::Unknown };
                    if fits {
                        held += text.len();
                    }
                    *new = Some(slot);
                    slot
                }
                None => Slot::Unknown,
            };
        }
    }
}

/// Whether a text is what Python programs name modules and classes.
fn is_like_a_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

/// The stack of Python 3, in runs of equal slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    runs: Vec<(Slot, u64)>,
}

impl Stack {
    pub(super) fn push(&mut self, slot: Slot) {
        match self.runs.last_mut() {
            Some((last, count)) if *last == slot => *count += 1,
            _ => {
                if self.runs.len() >= MAX_RUNS {
                    self.give_up_depth();
                }
                self.runs.push((slot, 1));
            }
        }
    }

    pub(super) fn top(&self) -> Option<Slot> {
        self.runs.last().map(|(slot, _)| *slot)
    }

    pub(super) fn pop(&mut self) -> Option<Slot> {
        let (slot, count) = self.runs.last_mut()?;
        let slot = *slot;
        if *count > 1 {
            *count -= 1;
        } else {
            self.runs.pop();
        }
        Some(slot)
    }

    /// Takes a value, which a MARK is not.
    pub(super) fn pop_value(&mut self) -> Option<Slot> {
        self.top().filter(|slot| *slot != Slot::Mark)?;
        self.pop()
    }

    /// Takes all down to the topmost MARK, and says whether there were values above it; `None` without a MARK.
    pub(super) fn pop_to_mark(&mut self) -> Option<bool> {
        let mut any = false;
        while let Some((slot, _)) = self.runs.last() {
            if *slot == Slot::Mark {
                self.pop();
                return Some(any);
            }
            any = true;
            self.runs.pop();
        }
        None
    }

    /// Joins what lies deep into runs of unknown objects. MARKs stay where they are.
    fn give_up_depth(&mut self) {
        let top = self.runs.split_off(self.runs.len().saturating_sub(KEPT_RUNS));
        let deep = core::mem::take(&mut self.runs);
        for (slot, count) in deep {
            let slot = if slot == Slot::Mark { Slot::Mark } else { Slot::Unknown };
            match self.runs.last_mut() {
                Some((last, sum)) if *last == slot => *sum += count,
                _ => self.runs.push((slot, count)),
            }
        }
        if self.runs.len() > MAX_RUNS / 2 {
            // MARKs and values in turn: one MARK and one unknown object stand for what lies below.
            self.runs.clear();
            self.runs.extend([(Slot::Mark, u64::MAX / 2), (Slot::Unknown, u64::MAX / 2)]);
        }
        self.runs.extend(top);
    }
}

/// The memo.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    dense: Vec<Slot>,
    sparse: alloc::collections::BTreeMap<u64, Slot>,
    /// Entries, kept or not.
    len: u64,
}

impl Memo {
    /// Stores under the next index, which is the number of entries.
    pub(super) fn memoize(&mut self, slot: Slot) {
        self.put(self.len, slot);
    }

    pub(super) fn put(&mut self, index: u64, slot: Slot) {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(known) = self.dense.get_mut(place) {
            *known = slot;
        } else if place == self.dense.len() && place < MAX_MEMO && !self.sparse.contains_key(&index) {
            self.dense.push(slot);
            self.len += 1;
        } else if let Some(known) = self.sparse.get_mut(&index) {
            *known = slot;
        } else {
            self.len += 1;
            if self.sparse.len() < MAX_MEMO / 8 {
                self.sparse.insert(index, slot);
            }
        }
    }

    /// What was stored, if anything was; unknown where it may be what is not kept.
    pub(super) fn get(&self, index: u64) -> Option<Slot> {
        let dense = usize::try_from(index).ok().and_then(|place| self.dense.get(place));
        let kept = u64::try_from(self.dense.len() + self.sparse.len()).unwrap_or(u64::MAX);
        let lost = (self.len > kept).then_some(Slot::Unknown);
        dense.or_else(|| self.sparse.get(&index)).copied().or(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_is_lost_is_unknown() {
        let mut stack = Stack::default();
        let mut texts = Texts::default();
        let mut memo = Memo::default();
        for number in 0..1_200_000_u32 {
            if texts.is_full() {
                texts.collect(&mut stack, &mut memo);
            }
            let slot = texts.add("some text of a pickle");
            stack.push(if number % 2 == 0 { slot } else { Slot::Other });
            memo.memoize(slot);
        }
        assert!(texts.bytes.capacity() <= 2 * MAX_TEXT);
        assert!(stack.runs.len() <= MAX_RUNS + 1);
        assert!(memo.dense.len() <= MAX_MEMO);
        assert_eq!(memo.get(1_199_999), Some(Slot::Unknown));
        assert_eq!(stack.top(), Some(Slot::Other));
    }

    #[test]
    fn names_survive_a_collection() {
        let (mut stack, mut texts, mut memo) = (Stack::default(), Texts::default(), Memo::default());
        let slot = texts.add("os");
        memo.memoize(slot);
        stack.push(slot);
        for _ in 0..40_000 {
            texts.add(&"x ".repeat(50));
        }
        texts.collect(&mut stack, &mut memo);
        let Some(Slot::Text(place)) = memo.get(0) else { panic!("it was dropped") };
        assert_eq!(texts.get(place), "os");
        assert_eq!(stack.top(), Some(Slot::Text(place)));
        assert!(texts.bytes.len() < 10);
    }

    #[test]
    fn an_index_that_was_stored_elsewhere_counts_for_memoize() {
        let mut memo = Memo::default();
        memo.put(5, Slot::Other);
        memo.memoize(Slot::Mark);
        assert_eq!(memo.get(1), Some(Slot::Mark));
        assert_eq!(memo.get(0), None);
    }
}
