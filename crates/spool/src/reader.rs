//! Readers: each goes through the durable records in order, as far as there are any.

use std::io;
use std::sync::Arc;

use crate::entry::Entry;
use crate::format::{RunId, read_segment_header, segment_name};
use crate::scan::Scan;
use crate::shared::{Segment, Shared};

/// A record of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Its number among all records: the first has 1.
    pub index: u64,
    /// The run that wrote it. Run and index together name a record for ever.
    pub run: RunId,
    /// What it holds.
    pub entry: Entry<'a>,
}

/// Reads records in order, each as soon as the sync rule has made it durable.
///
/// Readers hold nothing back: a segment may go under a reader that nobody has a cursor for, and what it has not
/// read then counts as lost.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    scan: Option<Scan>,
    run: RunId,
    /// The last record that was read or given up.
    done: u64,
    lost: u64,
}

impl Reader {
    pub(crate) const fn new(shared: Arc<Shared>, done: u64) -> Self {
        Self { shared, scan: None, run: [0; 8], done, lost: 0 }
    }

    /// The last record that was read or given up.
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// How many records could not be read so far, because they are damaged or gone. Indices count up by one, so
    /// that the number is exact.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Goes on behind the record `done`, forwards or back. What is jumped over does not count as lost.
    pub fn seek(&mut self, done: u64) {
        self.scan = None;
        self.done = done;
    }

    /// Gives up what is left of the segment that holds the next record, for one that can never be opened.
    pub fn skip_segment(&mut self) {
        self.scan = None;
        let last = {
            let visible = self.shared.visible();
            let holding =
                visible.segments.range(..=self.done + 1).next_back().map_or(self.done, |(first, _)| *first);
            visible.after(holding).map_or(visible.durable, |next| next - 1)
        };
        self.give_up(last);
    }

    /// The next record; `None` if there is no more yet. It borrows from the reader's buffer.
    ///
    /// # Errors
    ///
    /// If a segment cannot be opened, for example because the process has no more file descriptors. The next call
    /// tries again. Damage is no error: it is counted and passed over.
    pub fn read(&mut self) -> io::Result<Option<Record<'_>>> {
        loop {
            let Some(scan) = &mut self.scan else {
                if !self.open()? {
                    return Ok(None);
                }
                continue;
            };
            let Some(found) = scan.next() else {
                if !self.go_on() {
                    return Ok(None);
                }
                continue;
            };
            // The borrow checker wants the body taken again below, where it is returned.
            if found.index <= self.done || Entry::decode(scan.body(&found)).is_none() {
                continue;
            }
            self.lost += found.index - self.done - 1;
            self.done = found.index;
            let body = self.scan.as_ref().map(|scan| scan.body(&found)).unwrap_or_default();
            let entry = Entry::decode(body).unwrap_or_default();
            return Ok(Some(Record { index: found.index, run: self.run, entry }));
        }
    }

    /// Opens the segment that holds the next record; false if there is none yet.
    fn open(&mut self) -> io::Result<bool> {
        loop {
            let (first, segment, end) = {
                let visible = self.shared.visible();
                if self.done >= visible.durable {
                    return Ok(false);
                }
                let wanted = self.done + 1;
                let holding = visible.segments.range(..=wanted).next_back().map(|(first, _)| *first);
                let Some(first) = holding.or_else(|| visible.after(self.done)) else {
                    // Nothing is left: all of it is gone.
                    let durable = visible.durable;
                    drop(visible);
                    self.give_up(durable);
                    return Ok(false);
                };
                let segment = visible.segments.get(&first).copied();
                (first, segment, visible.after(first).unwrap_or(u64::MAX))
            };
            match self.shared.disk.open(&segment_name(first)) {
                Ok(file) => {
                    let len = match segment {
                        Some(Segment { unknown: false, len }) => len,
                        _ => file.len()?,
                    };
                    let mut scan = Scan::new(file, first, len, end);
                    self.run = read_segment_header(&scan.header(), first).0;
                    self.scan = Some(scan);
                    return Ok(true);
                }
                // It was purged in this moment, or somebody has removed it; then its records are lost.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let (last, listed) = {
                        let visible = self.shared.visible();
                        let last = visible.after(first).map_or(visible.durable, |next| next - 1);
                        (last, visible.segments.contains_key(&first))
                    };
                    if listed {
                        self.give_up(last);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// At the end of what a scan could see: is there more by now, here or in the next segment?
    fn go_on(&mut self) -> bool {
        let Some(scan) = &mut self.scan else { return false };
        let first = scan.first();
        let (segment, next, durable) = {
            let visible = self.shared.visible();
            (visible.segments.get(&first).copied(), visible.after(first), visible.durable)
        };
        let unknown = segment.is_some_and(|segment| segment.unknown);
        if !unknown && scan.extend(segment.map(|segment| segment.len), next.unwrap_or(u64::MAX)) {
            return true;
        }
        match next {
            // The start has left room for what it might hold; there was no more.
            Some(next) if unknown && scan.damaged() == 0 => {
                self.seek(next - 1);
                true
            }
            Some(next) => {
                // What should have been here and was not read.
                self.give_up(next - 1);
                self.scan = None;
                true
            }
            None => {
                self.give_up(durable);
                false
            }
        }
    }

    fn give_up(&mut self, last: u64) {
        self.lost += last.saturating_sub(self.done);
        self.done = self.done.max(last);
    }
}
