//! Node ids: four bits of kind and 28 bits of index into that kind's table.
//!
//! ```text
//! 31    28 27                          0
//! [ kind ][ index, or the value itself ]
//! ```
//!
//! Four bytes an item are what lets a document of n bytes of input stay within 32 n bytes. A small integer, the most
//! frequent item of all, needs no table: its value is in the id, with 2^27 added so that negative ones fit.

use crate::wire::error::ErrorKind;

/// Names a node of one [`Document`](crate::Document). Two references to one object have one id.
///
/// `None`, the bools, `()` and small integers live in the id itself, so their ids are equal
/// wherever they stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

macro_rules! kinds {
    ($($kind:ident)*) => {
        /// Which table an id points into.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Kind { $($kind,)* }

        /// All kinds, by their number.
        pub(crate) const KINDS: [Kind; 16] = [$(Kind::$kind,)*];
    };
}

// Scalars, of them first those that live in their ids, then what a memo can hold, then containers.
kinds! {
    Constant Small Int Big Float
    Str Text Bytes Blob ByteArray
    List Tuple Dict Set FrozenSet Object
}

impl Kind {
    /// The place of a container's table in [`Document::runs`](crate::Document); for every other kind a place behind
    /// the last.
    #[inline]
    pub(crate) const fn run_table(self) -> usize {
        (self as usize).wrapping_sub(Self::List as usize)
    }
}

const INDEX_BITS: u32 = 28;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const SMALL_BIAS: i32 = 1 << (INDEX_BITS - 1);

impl NodeId {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const FALSE: Self = Self(1);
    pub(crate) const TRUE: Self = Self(2);
    pub(crate) const EMPTY_TUPLE: Self = Self(3);
    /// Stands for "no node" inside tables; never handed out.
    pub(crate) const ABSENT: Self = Self(INDEX_MASK);

    #[inline]
    #[allow(clippy::as_conversions, reason = "the kind's discriminant has four bits")]
    pub(crate) fn new(kind: Kind, index: usize) -> Result<Self, ErrorKind> {
        match u32::try_from(index) {
            Ok(index) if index < INDEX_MASK => Ok(Self((kind as u32) << INDEX_BITS | index)),
            _ => Err(ErrorKind::Budget),
        }
    }

    /// An integer of at most 28 bits.
    #[inline]
    #[allow(clippy::as_conversions, reason = "the biased value has 28 bits")]
    pub(crate) const fn small(value: i64) -> Option<Self> {
        let biased = value.wrapping_add(SMALL_BIAS as i64);
        if biased >= 0 && biased <= INDEX_MASK as i64 {
            Some(Self((Kind::Small as u32) << INDEX_BITS | biased as u32))
        } else {
            None
        }
    }

    #[inline]
    #[allow(clippy::as_conversions, reason = "four bits select one of sixteen kinds")]
    pub(crate) const fn kind(self) -> Kind {
        KINDS[(self.0 >> INDEX_BITS) as usize & 15]
    }

    #[inline]
    #[allow(clippy::as_conversions, reason = "28 bits fit usize on every supported target")]
    pub(crate) const fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    #[inline]
    #[allow(clippy::as_conversions, reason = "28 bits fit i64")]
    pub(crate) const fn small_value(self) -> i64 {
        (self.0 & INDEX_MASK) as i64 - SMALL_BIAS as i64
    }

    /// Whether the node can hold other nodes, so that depth and cycles matter. The kinds are in this order
    /// for that: all scalars come before [`Kind::List`], so that one comparison tells.
    #[inline]
    pub(crate) const fn is_container(self) -> bool {
        self.0 >= (Kind::List as u32) << INDEX_BITS
    }

    #[inline]
    pub(crate) const fn is_text(self) -> bool {
        matches!(self.kind(), Kind::Str | Kind::Text)
    }
}

impl core::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if *self == Self::ABSENT {
            return f.write_str("absent");
        }
        write!(f, "{:?}#{}", self.kind(), self.index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_live_in_the_id() {
        for value in [0, 1, -1, 255, (1 << 27) - 1, -(1 << 27)] {
            let id = NodeId::small(value).unwrap();
            assert_eq!((id.kind(), id.small_value()), (Kind::Small, value));
        }
        assert_eq!(NodeId::small(1 << 27), None);
        assert_eq!(NodeId::small(i64::MAX), None);
        assert_eq!(NodeId::small(i64::MIN), None);
        assert_eq!(NodeId::new(Kind::List, 7).unwrap().index(), 7);
        assert!(NodeId::new(Kind::List, 1 << 28).is_err());
    }
}
