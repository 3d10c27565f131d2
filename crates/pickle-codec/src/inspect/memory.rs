//! What the inspector remembers of a pickle: the texts that may become names, the stack and the memo.
//!
//! All of it is bounded, however long the pickle is. What no longer fits becomes [`Slot::Unknown`], which is never
//! taken for harmless: a name made of it is given as unknown. Three things keep that true:
//!
//! - A slot is never wrong. It may say less than is known ([`Slot::Unknown`]), but a [`Slot::Text`] is the text that the
//!   unpickler has in that place, and [`Slot::Other`] is no text there.
//! - A stack that has given up its lower half is endless: whatever is taken from below is unknown, and no opcode fails
//!   for want of objects or of a MARK.
//! - A memo that has lost an entry answers for each index that it does not know with an unknown object, never with
//!   "nothing is there", at which Python would stop and reading here end.
//!
//! What is kept first is what makes names: parts of earlier names, then what looks like one. A pickler fetches module
//! names from its memo again and again, so that even pickles of gigabytes have few unknown names.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::finding::{MAX_NAME_LEN, shortened, to_u64, to_usize};

/// Bytes of text that are kept at most.
const MAX_TEXT: usize = 1 << 20;

/// Texts that are kept at most.
const MAX_TEXTS: usize = 1 << 17;

/// Slots that the stack keeps at most.
const MAX_STACK: usize = 1 << 17;

/// SlotMemo entries that are kept at most, as long as their indexes come in turn.
const MAX_MEMO: usize = 1 << 18;

/// Other memo entries that are kept at most.
const MAX_SPARSE: usize = 1 << 15;

/// SlotMemo entries with the parts of names that are kept beyond that.
const MAX_NAMED: usize = 1 << 12;

/// Stands for all memo indexes that are too large for the C unpickler; the one in Python takes any number.
const TOO_LARGE: u64 = u64::MAX;

/// SlotMemo entries that were not kept and can still turn out to be parts of a name.
const RECENT: usize = 4;

/// What another reading of a pickle keeps of the stack and of the memo.
const THIN: usize = 1 << 10;

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
    /// A number that is not negative.
    Int(u32),
    /// A tuple or a dict, by its number in [`Arrays`](super::arrays::Arrays).
    Items(u32),
    /// numpy's class of types.
    DtypeClass,
    /// One of numpy's types, by its number in [`Arrays`](super::arrays::Arrays).
    Dtype(u32),
    /// The class by which joblib says that an array's bytes follow.
    WrapperClass,
    /// Such an object, which has no state yet.
    Wrapper,
}

impl Slot {
    /// Whether it may be text that is not known.
    pub(super) const fn may_be_text(self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Texts that may become names.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where each one ends; it begins where the one before it ends.
    ends: Vec<u32>,
    /// Those that were a part of a name. Python's pickler fetches a module's name from the memo again and again.
    used: BTreeSet<u32>,
}

impl Texts {
    /// Keeps a text, if there is room: its beginning, if it is too long for a name.
    pub(super) fn add(&mut self, text: &[u8]) -> Slot {
        if text.len() > MAX_NAME_LEN {
            // Where it is cut may be in the middle of a character.
            let text = String::from_utf8_lossy(text.get(..=MAX_NAME_LEN).unwrap_or(text));
            let text = shortened(&text).into_owned();
            return self.push(text.as_bytes());
        }
        self.push(text)
    }

    fn push(&mut self, text: &[u8]) -> Slot {
        let place = u32::try_from(self.ends.len());
        let end = u32::try_from(self.bytes.len() + text.len());
        match (place, end) {
            (Ok(place), Ok(end)) if self.bytes.len() + text.len() <= MAX_TEXT => {
                self.bytes.extend_from_slice(text);
                self.ends.push(end);
                Slot::Text(place)
            }
            _ => Slot::Unknown,
        }
    }

    fn bytes(&self, place: u32) -> &[u8] {
        let place = to_usize(place.into());
        let end = |place: usize| self.ends.get(place).map_or(0, |end| to_usize((*end).into()));
        let begin = place.checked_sub(1).map_or(0, end);
        self.bytes.get(begin..end(place)).unwrap_or_default()
    }

    /// A text; what is no UTF-8 in it, as surrogates are not, is replaced.
    pub(super) fn get(&self, place: u32) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(place))
    }

    /// Remembers that a text was a part of a name.
    pub(super) fn note_use(&mut self, place: u32) {
        if self.used.len() < MAX_NAMED {
            self.used.insert(place);
        }
    }

    /// Whether another text might not fit.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() + 2 * MAX_NAME_LEN > MAX_TEXT || self.ends.len() >= MAX_TEXTS
    }

    /// Forgets all texts but those that stack and memo hold and that could be a name in Python.
    ///
    /// Slots hold places of texts, so that all of them are moved with the texts: those that were parts of names first,
    /// the others as they are met. A text that is dropped leaves unknown objects behind. As half of the room is free
    /// afterwards, each text is moved a bounded number of times, and time stays in proportion to the input.
    pub(super) fn collect(&mut self, stack: &mut Stack, memo: &mut SlotMemo) {
        let old = core::mem::take(self);
        let mut moved: Vec<Slot> = alloc::vec![Slot::Other; old.ends.len()];
        for used in &old.used {
            if let (Some(moved), slot @ Slot::Text(place)) =
                (moved.get_mut(to_usize((*used).into())), self.push(old.bytes(*used)))
            {
                *moved = slot;
                self.used.insert(place);
            }
        }
        for slot in stack.slots.iter_mut().chain(memo.slots()) {
            let Slot::Text(place) = *slot else { continue };
            let Some(moved) = moved.get_mut(to_usize(place.into())) else { continue };
            if *moved == Slot::Other {
                let text = old.bytes(place);
                // Half of the room stays free, or this would be done again at once.
                let fits = self.bytes.len() + text.len() <= MAX_TEXT / 2 && self.ends.len() < MAX_TEXTS / 2;
                *moved = if fits && is_like_a_name(text) { self.push(text) } else { Slot::Unknown };
            }
            *slot = *moved;
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.used.clear();
    }
}

/// Whether a text is what Python programs name modules and classes.
fn is_like_a_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

/// The stack of Python 3.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    slots: Vec<Slot>,
    /// What lay deepest was given up: below the slots are any number of objects and MARKs.
    is_endless: bool,
}

impl Stack {
    #[inline]
    pub(super) fn push(&mut self, slot: Slot) {
        if self.slots.len() >= MAX_STACK {
            self.give_up_half();
        }
        self.slots.push(slot);
    }

    #[cold]
    fn give_up_half(&mut self) {
        self.slots.drain(..MAX_STACK / 2);
        self.is_endless = true;
    }

    /// How many objects there are at most, MARKs included.
    pub(super) fn len(&self) -> u64 {
        if self.is_endless { u64::MAX } else { to_u64(self.slots.len()) }
    }

    /// The topmost objects, if there are so many above the topmost MARK. Of an endless stack there may be fewer.
    #[inline]
    pub(super) fn values(&self, count: usize) -> Option<&[Slot]> {
        let from = self.slots.len().saturating_sub(count);
        let values = self.slots.get(from..)?;
        let is_there = values.len() == count || self.is_endless;
        (is_there && !values.contains(&Slot::Mark)).then_some(values)
    }

    /// The topmost object; `None` for a MARK.
    #[inline]
    pub(super) fn top(&self) -> Option<Slot> {
        match self.slots.last() {
            Some(Slot::Mark) => None,
            Some(slot) => Some(*slot),
            None => self.is_endless.then_some(Slot::Unknown),
        }
    }

    /// Puts another object in the place of the topmost one.
    pub(super) fn set_top(&mut self, slot: Slot) {
        if let Some(top) = self.slots.last_mut() {
            *top = slot;
        }
    }

    /// Takes the topmost object or MARK.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Slot> {
        self.slots.pop().or_else(|| self.is_endless.then_some(Slot::Unknown))
    }

    /// Drops so many objects.
    #[inline]
    pub(super) fn drop(&mut self, count: usize) {
        self.slots.truncate(self.slots.len().saturating_sub(count));
    }

    /// Puts one object that is no text in the place of so many.
    #[inline]
    pub(super) fn replace(&mut self, count: usize) -> Option<()> {
        self.values(count)?;
        self.drop(count);
        self.push(Slot::Other);
        Some(())
    }

    /// All above the topmost MARK; `None` without a MARK.
    #[inline]
    pub(super) fn above_mark(&self) -> Option<&[Slot]> {
        match self.slots.iter().rposition(|slot| *slot == Slot::Mark) {
            Some(mark) => self.slots.get(mark + 1..),
            None => self.is_endless.then_some(&self.slots),
        }
    }

    /// What lies below the topmost MARK, above which there are so many; `None` for another MARK.
    #[inline]
    pub(super) fn below_mark(&self, count: usize) -> Option<Slot> {
        match self.slots.len().checked_sub(count + 2).and_then(|place| self.slots.get(place)) {
            Some(Slot::Mark) => None,
            Some(slot) => Some(*slot),
            None => self.is_endless.then_some(Slot::Unknown),
        }
    }

    /// Drops all above the topmost MARK, of which there are so many, and the MARK.
    #[inline]
    pub(super) fn drop_to_mark(&mut self, count: usize) {
        self.drop(count + 1);
    }
}

/// The memo.
#[derive(Clone, Debug)]
pub(super) struct SlotMemo {
    /// The entries from index 0 on.
    dense: Vec<Slot>,
    sparse: BTreeMap<u64, Slot>,
    /// Entries, kept or not: MEMOIZE stores under this index.
    len: u64,
    /// It is not known whether some entry was a new one, and so not how many there are.
    is_uncounted: bool,
    /// No entry has this index or a higher one.
    next: u64,
    /// The last ones that were not kept; an index beyond all others stands for none.
    recent: [(u64, Slot); RECENT],
    /// Where the next such one goes.
    oldest: usize,
}

impl Default for SlotMemo {
    fn default() -> Self {
        Self {
            dense: Vec::new(),
            sparse: BTreeMap::new(),
            len: 0,
            is_uncounted: false,
            next: 0,
            recent: [(u64::MAX, Slot::Other); RECENT],
            oldest: 0,
        }
    }
}

impl SlotMemo {
    /// Stores under the next index, which is the number of entries (`load_memoize`: `len(self.memo)` in Python,
    /// `memo_len` in C). Where it is not known how many there are, any entry may be the one that is replaced.
    #[inline]
    pub(super) fn memoize(&mut self, slot: Slot) {
        if self.is_uncounted {
            // It may take the place of any of them.
            *self = Self { len: u64::MAX / 2, is_uncounted: true, next: u64::MAX, ..Self::default() };
        } else {
            self.put(self.len, slot);
        }
    }

    #[inline]
    pub(super) fn put(&mut self, index: u64, slot: Slot) {
        if index == self.len && index == to_u64(self.dense.len()) && self.dense.len() < MAX_MEMO {
            self.dense.push(slot);
            self.len += 1;
            self.next = self.len;
        } else {
            self.put_elsewhere(index, slot);
        }
    }

    fn put_elsewhere(&mut self, index: u64, slot: Slot) {
        if index == TOO_LARGE {
            // Which of them it is, and so whether it is a new one, is not known.
            self.len = self.len.saturating_add(1);
            self.is_uncounted = true;
            return;
        }
        if index < self.next {
            if let Some(known) = self.dense.get_mut(to_usize(index)) {
                *known = slot;
                return;
            }
            if let Some(known) = self.sparse.get_mut(&index) {
                *known = slot;
                return;
            }
            self.is_uncounted |= self.has_lost();
            for known in &mut self.recent {
                if known.0 == index {
                    known.0 = u64::MAX;
                }
            }
        }
        self.next = self.next.max(index.saturating_add(1));
        self.len += 1;
        if self.sparse.len() < MAX_SPARSE {
            self.sparse.insert(index, slot);
        } else {
            if let Some(oldest) = self.recent.get_mut(self.oldest) {
                *oldest = (index, slot);
            }
            self.oldest = (self.oldest + 1) % RECENT;
        }
    }

    /// Whether there are entries that are not kept.
    fn has_lost(&self) -> bool {
        self.len > to_u64(self.dense.len() + self.sparse.len())
    }

    /// What was stored, if anything was; unknown where it may be what is not kept.
    #[inline]
    pub(super) fn get(&self, index: u64) -> Option<Slot> {
        if let Some(slot) = self.dense.get(to_usize(index)) {
            return Some(*slot);
        }
        let lost = self.has_lost().then_some(Slot::Unknown);
        self.sparse.get(&index).copied().or(lost)
    }

    /// Keeps what was stored last and is a part of a name after all.
    pub(super) fn note_use(&mut self, part: Slot) {
        for (index, slot) in &mut self.recent {
            if *slot == part && *index != u64::MAX && self.sparse.len() < MAX_SPARSE + MAX_NAMED {
                self.sparse.insert(*index, *slot);
                *index = u64::MAX;
            }
        }
    }

    fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        let recent = self.recent.iter_mut().map(|(_, slot)| slot);
        self.dense.iter_mut().chain(self.sparse.values_mut()).chain(recent)
    }
}

/// All that is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    pub(super) stack: Stack,
    pub(super) memo: SlotMemo,
    pub(super) texts: Texts,
}

impl Remembered {
    /// Forgets all, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.stack.slots.clear();
        self.stack.is_endless = false;
        let mut dense = core::mem::take(&mut self.memo.dense);
        dense.clear();
        self.memo = SlotMemo { dense, ..SlotMemo::default() };
        self.texts.clear();
    }

    /// Keeps a text.
    #[inline]
    pub(super) fn text(&mut self, text: &[u8]) -> Slot {
        if self.texts.is_full() {
            self.texts.collect(&mut self.stack, &mut self.memo);
        }
        self.texts.add(text)
    }

    /// What a slot says as text.
    pub(super) fn get_text(&self, slot: Slot) -> Option<Cow<'_, str>> {
        match slot {
            Slot::Text(place) => Some(self.texts.get(place)),
            _ => None,
        }
    }

    /// A part of a name is kept before others are.
    pub(super) fn note_use(&mut self, part: Slot) {
        self.memo.note_use(part);
        if let Slot::Text(place) = part {
            self.texts.note_use(place);
        }
    }

    /// A copy for another reading: all of it if it is small, else what lies on top and the first of the memo.
    pub(super) fn thin(&self) -> Self {
        let slots = &self.stack.slots;
        let top = slots.len().saturating_sub(THIN);
        let stack = Stack {
            slots: slots.get(top..).unwrap_or_default().to_vec(),
            is_endless: self.stack.is_endless || top > 0,
        };
        let memo = SlotMemo {
            dense: self.memo.dense.iter().take(THIN).copied().collect(),
            sparse: self.memo.sparse.iter().take(THIN).map(|(index, slot)| (*index, *slot)).collect(),
            len: self.memo.len,
            is_uncounted: self.memo.is_uncounted,
            next: u64::MAX,
            ..SlotMemo::default()
        };
        let mut thin = Self { stack, memo, texts: Texts::default() };
        for slot in thin.stack.slots.iter_mut().chain(thin.memo.slots()) {
            match slot {
                Slot::Text(place) => *slot = thin.texts.push(self.texts.bytes(*place)),
                Slot::Items(_) => *slot = Slot::Other,
                _ => {}
            }
        }
        thin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_is_lost_is_unknown() {
        let mut memory = Remembered::default();
        for number in 0..400_000_u32 {
            let slot = memory.text(b"some text of a pickle");
            memory.stack.push(if number % 2 == 0 { slot } else { Slot::Mark });
            memory.memo.memoize(slot);
        }
        assert!(memory.texts.bytes.capacity() <= 2 * MAX_TEXT);
        assert!(memory.stack.slots.len() <= MAX_STACK);
        assert!(memory.memo.dense.len() <= MAX_MEMO && memory.memo.sparse.len() <= MAX_SPARSE);
        assert_eq!(memory.memo.get(399_990), Some(Slot::Unknown));
        // Whatever is taken off: there may be more below.
        for _ in 0..500_000 {
            let count = memory.stack.above_mark().map(<[Slot]>::len);
            memory.stack.drop_to_mark(count.unwrap());
        }
        assert_eq!(memory.stack.top(), Some(Slot::Unknown));
        assert!(memory.stack.values(3).is_some());
        assert_eq!(memory.stack.len(), u64::MAX);
    }

    #[test]
    fn names_survive_a_collection() {
        let mut memory = Remembered::default();
        let slot = memory.text(b"os");
        memory.memo.memoize(slot);
        memory.stack.push(slot);
        for _ in 0..40_000 {
            memory.text("x ".repeat(50).as_bytes());
        }
        memory.texts.collect(&mut memory.stack, &mut memory.memo);
        let kept = memory.memo.get(0).unwrap();
        assert_eq!(memory.get_text(kept).as_deref(), Some("os"));
        assert_eq!(memory.stack.top(), Some(kept));
        assert!(memory.texts.bytes.len() < 10);
    }

    #[test]
    fn parts_of_names_are_kept_where_others_are_not() {
        let mut memory = Remembered::default();
        let fill = |memory: &mut Remembered, count: u32| {
            for number in 0..count {
                let slot = memory.text(alloc::format!("name_{number}").as_bytes());
                memory.memo.memoize(slot);
            }
        };
        fill(&mut memory, 320_000);
        let index = memory.memo.len;
        let module = memory.text(b"datetime");
        memory.memo.memoize(module);
        memory.note_use(module);
        fill(&mut memory, 320_000);
        let kept = memory.memo.get(index).unwrap();
        assert_eq!(memory.get_text(kept).as_deref(), Some("datetime"));
        assert_eq!(memory.memo.get(index + 1), Some(Slot::Unknown));
    }

    #[test]
    fn an_index_that_was_stored_elsewhere_counts_for_memoize() {
        let mut memo = SlotMemo::default();
        memo.put(5, Slot::Other);
        memo.memoize(Slot::Mark);
        assert_eq!(memo.get(1), Some(Slot::Mark));
        assert_eq!(memo.get(0), None);
    }

    #[test]
    fn an_entry_that_may_have_been_overwritten_is_unknown() {
        let mut memo = SlotMemo::default();
        for index in 0..MAX_SPARSE {
            memo.put(to_u64(index * 2 + 1), Slot::Other);
        }
        // This one is not kept, so that nobody can say whether the second one is new.
        memo.put(1 << 40, Slot::Int(1));
        assert_eq!(memo.get(1), Some(Slot::Other));
        memo.put(1 << 40, Slot::Int(2));
        memo.note_use(Slot::Int(1));
        assert_eq!(memo.get(1 << 40), Some(Slot::Unknown));
        memo.memoize(Slot::Other);
        assert_eq!(memo.get(1), Some(Slot::Unknown));
        assert_eq!(memo.get(to_u64(MAX_SPARSE) + 1), Some(Slot::Unknown));
    }

    #[test]
    fn a_thin_copy_is_small_and_says_less() {
        let mut memory = Remembered::default();
        for number in 0..5_000_u32 {
            let slot = memory.text(alloc::format!("text {number}").as_bytes());
            memory.memo.memoize(slot);
            memory.stack.push(slot);
        }
        let mut thin = memory.thin();
        assert!(thin.stack.slots.len() <= THIN && thin.memo.dense.len() <= THIN);
        assert_eq!(thin.memo.get(4_000), Some(Slot::Unknown));
        let top = thin.stack.pop().unwrap();
        assert_eq!(thin.get_text(top).as_deref(), Some("text 4999"));
    }
}
