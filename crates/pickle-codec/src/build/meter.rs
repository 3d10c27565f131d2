//! The memory budget of one decode: every table grows through it.
//!
//! The limit is 64 KiB + 32 bytes for each byte of input, or what the caller says. It is no estimate: capacities are
//! counted, not lengths, and so is a block that is only there while a table moves. With that a decoder can be given to
//! strangers: ten of them at once need ten times the limit, and no input changes that.

use alloc::vec::Vec;

use crate::wire::error::ErrorKind;

/// Counts the bytes of all tables and refuses what passes the limit.
///
/// Vectors double until they hold half of what the input can fill (an opcode adds at most one
/// entry to a table), then they jump to the whole. So the old and the new block together never
/// pass 1.5 x the final size, which is what lets a table that is full be within 32 bytes an input
/// byte. Both blocks are counted while both are there.
///
/// The worst input for a table is the one whose every byte fills it: n bytes of `]` make n lists. With plain
/// doubling an n just above a power of two would end with a block of 2n items while that of n is still there;
/// with the jump it is n items beside n/2, whatever n is.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    /// Bytes that all tables together may take.
    limit: usize,
    /// Bytes that they take.
    used: usize,
    /// As many items as the input can fill a table with: one for each of its bytes.
    most_items: usize,
}

impl Meter {
    pub(crate) const fn new(limit: usize, input_len: usize) -> Self {
        Self { limit, used: 0, most_items: input_len }
    }

    /// Appends an item, growing the table within the budget.
    #[inline]
    pub(crate) fn push<T>(&mut self, table: &mut Vec<T>, item: T) -> Result<(), ErrorKind> {
        if table.len() == table.capacity() {
            self.grow(table, 1)?;
        }
        table.push(item);
        Ok(())
    }

    /// Makes room for more items.
    #[inline]
    pub(crate) fn reserve<T>(&mut self, table: &mut Vec<T>, more: usize) -> Result<(), ErrorKind> {
        if table.capacity() - table.len() < more {
            self.grow(table, more)?;
        }
        Ok(())
    }

    /// Counts bytes that are kept outside the tables.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        let used = self.used.saturating_add(bytes);
        if used > self.limit {
            return Err(ErrorKind::Budget);
        }
        self.used = used;
        Ok(())
    }

    /// Gives back bytes that were counted.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Bytes that are left.
    pub(crate) const fn left(&self) -> usize {
        self.limit.saturating_sub(self.used)
    }

    #[cold]
    #[inline(never)]
    fn grow<T>(&mut self, table: &mut Vec<T>, more: usize) -> Result<(), ErrorKind> {
        let item = size_of::<T>().max(1);
        let needed = table.len().saturating_add(more);
        let doubled = table.capacity().saturating_mul(2).max(needed).max(16);
        // No table jumps to more than half of the budget: its items may take several bytes of
        // input each, and there are other tables.
        let jump = self.most_items.min(self.limit / (2 * item));
        let wanted = if doubled > jump / 2 && needed <= jump { jump } else { doubled };
        let affordable = (self.limit - self.used) / item;
        // Near the limit a table takes half of what is left, as long as that is enough for now.
        let capacity = if wanted <= affordable { wanted } else { needed.max(affordable / 2).min(affordable) };
        if capacity < needed {
            return Err(ErrorKind::Budget);
        }
        let old = table.capacity();
        table.try_reserve_exact(capacity - table.len()).map_err(|_| ErrorKind::Budget)?;
        self.used += table.capacity().saturating_sub(old) * item;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_within_the_limit() {
        let mut meter = Meter::new(1_000, 100_000);
        let mut table: Vec<u32> = Vec::new();
        let mut pushed = 0;
        while meter.push(&mut table, 1).is_ok() {
            pushed += 1;
        }
        assert!((100..=250).contains(&pushed), "{pushed}");
        assert!(table.capacity() * 4 <= 1_000);
        assert_eq!(meter.charge(1_000), Err(ErrorKind::Budget));
    }
}
