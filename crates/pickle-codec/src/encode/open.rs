//! A container whose items are being written, and where its batches begin and end.
//!
//! `left` counts the items that no batch has yet, `run` those left in the batch at hand, so that the test at
//! each item is one comparison of `run` with 0. The first batch is opened at the beginning, the next ones when
//! `run` is 0 and items are left:
//!
//! ```text
//! a list of 2,001 items      left  run   written
//!                            1001 1000   ] (     a batch of 1,000
//! item 1                     1001  999
//! item 1,001                    1  999   e (     the next one
//! item 2,001                    0    0   e (     one item: a mark all the same, because it is not the first batch
//! end                                    e
//! ```

/// Items in one APPENDS, ADDITEMS or SETITEMS: `BATCHSIZE` in `Modules/_pickle.c`.
pub(crate) const BATCH: u32 = 1_000;

/// What the items of an open container are written for, which decides by what opcodes they are held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Around everything: holds one value.
    Root,
    List,
    Dict,
    /// A set of protocol 4 and up, with an opcode of its own.
    Set,
    FrozenSet,
    Tuple,
    /// The list in a call of `set` or `frozenset`, below protocol 4.
    CalledSet,
    CalledFrozenSet,
    /// What an object iterates over for APPENDS and for SETITEMS.
    Items,
    Pairs,
    /// The parts of a call, in any number.
    Parts,
}

impl Holder {
    /// How many values are one item: two in a dict.
    #[inline]
    pub(crate) const fn unit(self) -> u64 {
        if matches!(self, Self::Dict | Self::Pairs) { 2 } else { 1 }
    }
}

/// One open container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// Items not yet given to a batch. Keys and values count as an item each.
    pub(crate) left: u64,
    /// Items left in the batch at hand.
    pub(crate) run: u32,
    /// Memo index of the container, or `NO_MEMO`.
    pub(crate) memo: u32,
    pub(crate) shape: Holder,
    /// The opcode that ends the batch at hand; 0 if none is open.
    pub(crate) end: u8,
    /// A batch has been opened before.
    pub(crate) begun: bool,
    /// The last batch was as large as batches get.
    pub(crate) full: bool,
    /// Items of a tuple, 4 standing for more.
    pub(crate) arity: u8,
    /// It is a set, or a part of a key or of a member of a set, so that what it holds has to be hashable.
    pub(crate) hashed: bool,
}

/// Stands for a value that is not in the memo.
pub(crate) const NO_MEMO: u32 = u32::MAX;

impl Open {
    pub(crate) const fn new(shape: Holder, left: u64, memo: u32) -> Self {
        Self { left, run: 0, memo, shape, end: 0, begun: false, full: false, arity: 0, hashed: false }
    }

    /// Around the one value of a pickle.
    pub(crate) const fn root() -> Self {
        Self::new(Holder::Root, 1, NO_MEMO)
    }

    /// Around the parts of something that is one item itself: no batches, no count, and ended by a pop.
    pub(crate) const fn parts() -> Self {
        let mut open = Self::new(Holder::Parts, 0, NO_MEMO);
        open.run = u32::MAX;
        open
    }
}
