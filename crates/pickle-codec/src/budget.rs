//! How much may still be produced from one input: [`Budget`].

use crate::wire::error::{Error, ErrorKind, Result};

/// What an attempt may produce in any case, so that small values pass when attempts that failed have
/// used up the rest.
const SMALL: usize = 256;

/// Bytes of output that may still be produced from one input, over any number of calls.
///
/// A pickle of some hundred bytes can share its parts so that they become megabytes when each place is
/// written out. Whoever writes out several parts of one input, such as the attributes of one log record,
/// gives all calls one budget: [`tagged::write_node_within`](crate::tagged::write_node_within),
/// [`tagged::write_value_within`](crate::tagged::write_value_within) and
/// [`NodeRef::to_value_within`](crate::NodeRef::to_value_within) take from it what they produce, escapes
/// and base64 included. A part that does not fit is refused with kind `budget` and takes nothing, so that
/// something short can stand in its place and smaller parts still pass.
///
/// What failed attempts produced in vain is bounded as well: together they may produce as much as the
/// whole budget once more. After that nothing but parts of up to 256 bytes is tried, so that the work
/// for one input is in proportion to the budget and the number of its parts.
///
/// ```
/// use pickle_codec::Budget;
/// # #[cfg(feature = "json")] {
/// use pickle_codec::tagged::{self, TaggedOptions};
/// // [big, 7] where big holds a list of 20 bytes ten times.
/// let mut pickle = b"(](X\x14\0\0\0aaaaaaaaaaaaaaaaaaaaq\0".to_vec();
/// pickle.extend(b"h\0".repeat(9));
/// pickle.extend(b"eK\x07l.");
/// let document = pickle_codec::decode(&pickle)?;
/// let pickle_codec::Node::List(parts) = document.root().view() else { panic!("not a list") };
///
/// let mut budget = Budget::new(100);
/// let mut out = Vec::new();
/// for part in parts.iter() {
///     if tagged::write_node_within(part, &TaggedOptions::new(), &mut budget, &mut out).is_err() {
///         out.extend_from_slice(b"\"...(cut)\"");
///     }
///     out.push(b' ');
/// }
/// assert_eq!(out, b"\"...(cut)\" 7 ");
/// assert_eq!(budget.left(), 99);
/// # }
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    left: usize,
    /// What attempts that fail may still produce.
    spare: usize,
}

impl Budget {
    /// A budget of so many bytes of output.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left: bytes, spare: bytes }
    }

    /// The bytes that are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// Takes bytes that the caller has produced or is about to produce.
    ///
    /// # Errors
    /// `budget` if fewer are left; then nothing is taken.
    pub fn spend(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| Error::plain(ErrorKind::Budget))?;
        Ok(())
    }

    /// The most that the next attempt may produce.
    pub(crate) const fn attempt(&self) -> usize {
        let spare = if self.spare > SMALL { self.spare } else { SMALL };
        if self.left < spare { self.left } else { spare }
    }

    /// Takes what an attempt has produced: from the budget if it came to something.
    pub(crate) const fn settle(&mut self, produced: usize, is_done: bool) {
        if is_done {
            self.left = self.left.saturating_sub(produced);
        } else {
            self.spare = self.spare.saturating_sub(produced);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_bounded_and_small_parts_still_pass() {
        let mut budget = Budget::new(1_000);
        assert_eq!(budget.attempt(), 1_000);
        budget.settle(400, true);
        assert_eq!((budget.left(), budget.attempt()), (600, 600));
        budget.settle(600, false);
        assert_eq!((budget.left(), budget.attempt()), (600, 400));
        budget.settle(400, false);
        assert_eq!((budget.left(), budget.attempt()), (600, SMALL));
        budget.settle(500, true);
        assert_eq!((budget.left(), budget.attempt()), (100, 100));
        assert_eq!(budget.spend(101).unwrap_err().kind(), ErrorKind::Budget);
        assert_eq!(budget.left(), 100);
        assert!(budget.spend(100).is_ok());
        assert_eq!(budget.attempt(), 0);
    }
}
