//! What is offered to the log.

use logrecord_spool::Entry;

/// Records that wait to be logged, in order.
///
/// A record is [admitted](Self::admit) only when there is room for it, and then it is logged: nobody can remember a
/// record as taken that the log does not have.
pub trait Offers {
    /// The [length](Entry::encoded_len) of the entry that the record at a place would become; nothing behind the
    /// last one.
    fn encoded_len(&self, place: usize) -> Option<usize>;

    /// Whether the record may wait for room as long as it takes, because its sender keeps it meanwhile.
    fn is_patient(&self, _place: usize) -> bool {
        false
    }

    /// There is room for the record: the entry to log, or nothing if it is refused after all. Nobody can log anything
    /// else meanwhile, so that it has to be quick.
    fn admit(&mut self, place: usize) -> Option<Entry<'_>>;

    /// There is no room for the record. Gives whether it counts as dropped; otherwise whoever offers it settles it.
    fn give_up(&mut self, _place: usize, _reason: &'static str) -> bool {
        true
    }

    /// Everything before a place is settled, and of it all that is logged has an index of at most `last`. This is
    /// told whenever the log has taken some, and when one was given up.
    fn settled(&mut self, _until: usize, _last: u64) {}
}

/// Entries that nothing more has to be said of.
impl Offers for &[Entry<'_>] {
    fn encoded_len(&self, place: usize) -> Option<usize> {
        self.get(place).map(Entry::encoded_len)
    }

    fn admit(&mut self, place: usize) -> Option<Entry<'_>> {
        self.get(place).copied()
    }
}
