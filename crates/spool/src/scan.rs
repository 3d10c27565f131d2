//! One pass over a segment: gives its records, and finds the way back behind damage.
//!
//! Within a segment the indices count up by one from the first, so that a header is believed only where its index
//! is possible. A record whose body is damaged is passed over by its length. Behind a damaged header the next
//! record is looked for: first where the length says, which nine damages out of ten leave alone, then by the mark.
//! A place that is found by the mark counts only if another record follows it or its body is right, and the work
//! on bodies has a budget, so that a scan takes linear time whatever the bytes are.

use std::io;
use std::ops::Range;

use crate::disk::DiskFile;
use crate::format::{Header, LEAST_RECORD, MARK, MAX_BODY, RECORD_HEADER, SEGMENT_HEADER};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// What is given up where the disk cannot read.
const PAGE: u64 = 4096;

/// The first mark in some bytes. Blocks that do not hold its first byte, such as those of a hole in a file, are
/// passed over at the speed of memchr.
fn find_mark(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 1024;
    let [mark, ..] = MARK;
    bytes.chunks(BLOCK).enumerate().filter(|(_, block)| block.contains(&mark)).find_map(|(place, _)| {
        let start = place * BLOCK;
        let end = bytes.len().min(start + BLOCK + MARK.len() - 1);
        let block = bytes.get(start..end)?;
        block.windows(MARK.len()).position(|window| window == MARK).map(|offset| start + offset)
    })
}

/// A record that was found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) index: u64,
    /// Where its body lies in the scan's buffer.
    pub(crate) body: Range<usize>,
}

#[derive(Debug)]
pub(crate) struct Scan {
    file: Box<dyn DiskFile>,
    first: u64,
    /// How many bytes of the file count.
    limit: u64,
    /// Records from this index on stand in the next segment.
    end: u64,
    position: u64,
    /// The index that the record at `position` has if nothing is missing.
    expected: u64,
    buffer: Vec<u8>,
    filled: usize,
    buffer_at: u64,
    /// Bytes of bodies that may still be checked in searches.
    budget: u64,
    /// Records whose header was right and whose body was not.
    bad_bodies: u64,
    /// Places where a header should have been.
    bad_headers: u64,
    /// Where the last whole record ended.
    good_end: u64,
}

impl Scan {
    /// Scans the first `limit` bytes of the segment that begins with the index `first`, up to the index `end`.
    pub(crate) fn new(file: Box<dyn DiskFile>, first: u64, limit: u64, end: u64) -> Self {
        Self {
            file,
            first,
            limit,
            end,
            position: SEGMENT_HEADER as u64,
            expected: first,
            buffer: Vec::new(),
            filled: 0,
            buffer_at: 0,
            budget: limit.saturating_mul(2),
            bad_bodies: 0,
            bad_headers: 0,
            good_end: SEGMENT_HEADER as u64,
        }
    }

    /// Lets the scan go on into what has been written since, and up to which index.
    /// False if there is nothing new.
    pub(crate) fn extend(&mut self, limit: Option<u64>, end: u64) -> bool {
        self.end = end;
        let Some(more) = limit.and_then(|limit| limit.checked_sub(self.limit)).filter(|&more| more > 0)
        else {
            return false;
        };
        self.budget = self.budget.saturating_add(more.saturating_mul(2));
        self.limit += more;
        true
    }

    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    pub(crate) const fn good_end(&self) -> u64 {
        self.good_end
    }

    /// At least how many records could not be read.
    pub(crate) const fn damaged(&self) -> u64 {
        self.bad_bodies + self.bad_headers
    }

    pub(crate) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }

    /// The bytes of a segment's header, or fewer.
    pub(crate) fn header(&mut self) -> Vec<u8> {
        let len = SEGMENT_HEADER.min(usize::try_from(self.limit).unwrap_or(SEGMENT_HEADER));
        match self.window(0, len) {
            Some(range) => self.buffer.get(range).unwrap_or_default().to_vec(),
            None => Vec::new(),
        }
    }

    /// The body of the record that was found last.
    pub(crate) fn body(&self, found: &Found) -> &[u8] {
        self.buffer.get(found.body.clone()).unwrap_or_default()
    }

    /// Finds the next whole record.
    pub(crate) fn next(&mut self) -> Option<Found> {
        while self.position + (RECORD_HEADER as u64) <= self.limit {
            let Some(header) = self.believable(self.position) else {
                self.bad_headers += 1;
                self.position = self.search();
                continue;
            };
            let body = self.window(self.position + RECORD_HEADER as u64, header.len)?;
            self.position = header.end(self.position);
            self.expected = header.index + 1;
            let whole = self.buffer.get(body.clone()).is_some_and(|body| crc32c::crc32c(body) == header.crc);
            if !whole {
                self.bad_bodies += 1;
            } else if header.index < self.end {
                self.good_end = self.position;
                return Some(Found { index: header.index, body });
            }
        }
        if self.position < self.limit {
            // Less than a header: the beginning of a record whose end was never written.
            self.bad_headers += 1;
            self.position = self.limit;
        }
        None
    }

    /// The header at an offset, if its record can stand there.
    fn believable(&mut self, at: u64) -> Option<Header> {
        let bytes = self.peek(at)?;
        let header = Header::read(&bytes)?;
        let most = self.first + at.saturating_sub(SEGMENT_HEADER as u64) / LEAST_RECORD;
        (header.index >= self.expected && header.index <= most && header.end(at) <= self.limit)
            .then_some(header)
    }

    /// Reads a header without moving the buffer for it.
    fn peek(&mut self, at: u64) -> Option<[u8; RECORD_HEADER]> {
        if at + (RECORD_HEADER as u64) > self.limit {
            return None;
        }
        // Going forward, what comes next is wanted anyway.
        if at == self.position {
            let range = self.window(at, RECORD_HEADER)?;
            return self.buffer.get(range)?.first_chunk().copied();
        }
        if let Some(range) = self.buffered(at, RECORD_HEADER) {
            return self.buffer.get(range)?.first_chunk().copied();
        }
        let mut bytes = [0; RECORD_HEADER];
        let read = crate::disk::read_full(self.file.as_mut(), at, &mut bytes).ok()?;
        (read == RECORD_HEADER).then_some(bytes)
    }

    /// The next place behind damage where a record begins, or the end.
    fn search(&mut self) -> u64 {
        if let Some(at) = self.by_length() {
            return at;
        }
        let mut at = self.position + 1;
        while let Some(range) = self.window(at, RECORD_HEADER) {
            let start = range.start;
            let bytes = self.buffer.get(start..self.filled).unwrap_or_default();
            match find_mark(bytes) {
                Some(offset) => {
                    let candidate = at + offset as u64;
                    if self.is_record(candidate) {
                        return candidate;
                    }
                    at = candidate + 1;
                }
                None => at += (bytes.len() - (MARK.len() - 1)) as u64,
            }
        }
        self.limit
    }

    /// Where the damaged header's length leads, if exactly the next record is there.
    fn by_length(&mut self) -> Option<u64> {
        let bytes = self.peek(self.position)?;
        let len = bytes.get(4..8).and_then(|len| len.try_into().ok()).map(u32::from_le_bytes)?;
        let len = usize::try_from(len).ok().filter(|&len| len <= MAX_BODY)?;
        let at = self.position + (RECORD_HEADER + len) as u64;
        (self.believable(at)?.index == self.expected + 1).then_some(at)
    }

    fn is_record(&mut self, at: u64) -> bool {
        let Some(header) = self.believable(at) else { return false };
        if self.believable(header.end(at)).is_some_and(|next| next.index == header.index + 1) {
            return true;
        }
        let Some(left) = self.budget.checked_sub(header.len as u64) else { return false };
        self.budget = left;
        let Some(body) = self.window(at + RECORD_HEADER as u64, header.len) else { return false };
        self.buffer.get(body).is_some_and(|body| crc32c::crc32c(body) == header.crc)
    }

    /// Where bytes of the file lie in the buffer, if they do.
    fn buffered(&self, at: u64, len: usize) -> Option<Range<usize>> {
        let start = usize::try_from(at.checked_sub(self.buffer_at)?).ok()?;
        let end = start.checked_add(len)?;
        (end <= self.filled).then_some(start..end)
    }

    /// Brings bytes of the file into the buffer; `None` if there are not as many.
    fn window(&mut self, at: u64, len: usize) -> Option<Range<usize>> {
        if at.checked_add(len as u64)? > self.limit {
            return None;
        }
        if let Some(range) = self.buffered(at, len) {
            return Some(range);
        }
        let left = usize::try_from(self.limit - at).unwrap_or(usize::MAX);
        let want = len.max(CHUNK).min(left);
        if self.buffer.len() > CHUNK.max(want) {
            // One large record does not hold its memory for ever.
            self.buffer.truncate(CHUNK.max(want));
            self.buffer.shrink_to_fit();
        }
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        self.buffer_at = at;
        self.filled = self.fill(at, want);
        self.buffered(at, len)
    }

    /// Reads as much as there is. What the disk cannot read comes as zeros, which is damage like any other.
    fn fill(&mut self, at: u64, want: usize) -> usize {
        let (mut done, mut failed) = (0, false);
        while let Some(rest) = self.buffer.get_mut(done..want).filter(|rest| !rest.is_empty()) {
            let offset = at + done as u64;
            match self.file.read_at(offset, rest) {
                Ok(0) => break,
                Ok(read) => (done, failed) = (done + read, false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if !failed => failed = true,
                Err(_) => {
                    let page = usize::try_from(PAGE - offset % PAGE).unwrap_or(1).min(rest.len());
                    rest.get_mut(..page).unwrap_or_default().fill(0);
                    (done, failed) = (done + page, false);
                }
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_wherever_they_are() {
        for at in [0, 1, 1020, 1021, 1022, 1023, 1024, 2044, 2996] {
            let mut bytes = vec![b'L'; 3000];
            assert_eq!(find_mark(&bytes), None);
            bytes[at..at + 4].copy_from_slice(&MARK);
            assert_eq!(find_mark(&bytes), Some(at));
        }
        assert_eq!(find_mark(b"LRR"), None);
    }
}
