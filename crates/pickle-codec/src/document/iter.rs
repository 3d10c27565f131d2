//! Iterators over the children of a node: exact in size, from both ends, and `nth` in constant time.

use core::fmt;
use core::iter::FusedIterator;
use core::slice;

use super::id::NodeId;
use super::node::{Items, NodeRef, Pairs};
use super::tables::Document;

/// Iterates over the items of a list, tuple, set or frozenset; made by [`Items::iter`].
#[derive(Clone)]
pub struct ItemsIter<'d, 'a> {
    document: &'d Document<'a>,
    ids: slice::Iter<'d, NodeId>,
}

/// Iterates over the pairs of a dict; made by [`Pairs::iter`].
#[derive(Clone)]
pub struct PairsIter<'d, 'a> {
    document: &'d Document<'a>,
    ids: slice::Iter<'d, [NodeId; 2]>,
}

impl<'d, 'a> Items<'d, 'a> {
    /// All items in order.
    #[must_use]
    pub fn iter(self) -> ItemsIter<'d, 'a> {
        ItemsIter { document: self.document, ids: self.ids.iter() }
    }
}

impl<'d, 'a> Pairs<'d, 'a> {
    /// All pairs in order.
    #[must_use]
    pub fn iter(self) -> PairsIter<'d, 'a> {
        let (ids, _) = self.ids.as_chunks::<2>();
        PairsIter { document: self.document, ids: ids.iter() }
    }
}

/// Implements the iterators by those of the ids, from which `$view` makes an item.
macro_rules! by_ids {
    ($iter:ident, $of:ident, $item:ty, |$document:ident, $id:ident| $view:expr) => {
        impl<'d, 'a> Iterator for $iter<'d, 'a> {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                let ($document, $id) = (self.document, self.ids.next()?);
                Some($view)
            }

            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                self.ids.size_hint()
            }

            #[inline]
            fn nth(&mut self, count: usize) -> Option<Self::Item> {
                let ($document, $id) = (self.document, self.ids.nth(count)?);
                Some($view)
            }
        }

        impl DoubleEndedIterator for $iter<'_, '_> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                let ($document, $id) = (self.document, self.ids.next_back()?);
                Some($view)
            }
        }

        impl ExactSizeIterator for $iter<'_, '_> {}

        impl FusedIterator for $iter<'_, '_> {}

        impl fmt::Debug for $iter<'_, '_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} more", self.ids.len())
            }
        }

        impl<'d, 'a> IntoIterator for $of<'d, 'a> {
            type Item = $item;
            type IntoIter = $iter<'d, 'a>;

            fn into_iter(self) -> $iter<'d, 'a> {
                self.iter()
            }
        }
    };
}

by_ids!(ItemsIter, Items, NodeRef<'d, 'a>, |document, id| NodeRef { document, id: *id });
by_ids!(PairsIter, Pairs, (NodeRef<'d, 'a>, NodeRef<'d, 'a>), |document, id| {
    let [key, value] = *id;
    (NodeRef { document, id: key }, NodeRef { document, id: value })
});
