//! The bytes of segments and records: fixed headers, little-endian, each with a checksum of its own.
//!
//! ```text
//! SEGMENT  "LRSPOOL1" | first index u64 | run id 8 | format u32 | crc32c of the 28 bytes before u32
//! RECORD   "LRRC" | body length u32 | index u64 | crc32c(body) u32 | crc32c of the 20 bytes before u32 | body
//! ```

use crate::bytes::{checked, put_crc, take, take_u32, take_u64};
use crate::entry::{self, Entry};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 32;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 24;
/// What each record begins with, and what a search behind damage looks for.
pub(crate) const MARK: [u8; 4] = *b"LRRC";
/// The longest body that is written or believed.
pub(crate) const MAX_BODY: usize = 0x1010_0000;
/// The largest index. It leaves room above, so that sums of indices cannot overflow.
pub(crate) const MAX_INDEX: u64 = 1 << 62;

const SEGMENT_MAGIC: [u8; 8] = *b"LRSPOOL1";
const FORMAT: u32 = 1;
const SUFFIX: &str = ".seg";

/// Names the run of a program that wrote a segment: random, new after each unclean stop.
pub type RunId = [u8; 8];

/// The file name of the segment that begins with an index.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The first index that a segment's file name states.
pub(crate) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let canonical = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|first| canonical && (1..=MAX_INDEX).contains(first))
}

pub(crate) fn segment_header(first: u64, run: RunId) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEGMENT_HEADER);
    out.extend_from_slice(&SEGMENT_MAGIC);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&run);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    put_crc(0, &mut out);
    out
}

/// Reads a segment's header: its run id, and whether the header is whole and says what the name says.
///
/// Behind a damaged header the records are still worth reading, so the run id is then what stands in its place:
/// it says at least the same thing each time.
pub(crate) fn read_segment_header(bytes: &[u8], first: u64) -> (RunId, bool) {
    let run = bytes.get(16..24).and_then(|run| run.try_into().ok()).unwrap_or_default();
    let whole = bytes.get(..SEGMENT_HEADER).is_some_and(|header| header == segment_header(first, run));
    (run, whole)
}

/// A record's header, as far as it says something about the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) len: usize,
    pub(crate) index: u64,
    pub(crate) crc: u32,
}

impl Header {
    /// Reads a header whose mark and checksum are right.
    pub(crate) fn read(bytes: &[u8; RECORD_HEADER]) -> Option<Self> {
        let mut content = checked(bytes)?;
        if take::<4>(&mut content)? != MARK {
            return None;
        }
        let len = usize::try_from(take_u32(&mut content)?).ok().filter(|&len| len <= MAX_BODY)?;
        let index = take_u64(&mut content)?;
        Some(Self { len, index, crc: take_u32(&mut content)? })
    }

    /// Where the record ends that begins at an offset.
    pub(crate) const fn end(&self, at: u64) -> u64 {
        at + (RECORD_HEADER + self.len) as u64
    }
}

/// How many bytes an entry takes in a segment.
pub(crate) fn record_len(entry: &Entry<'_>) -> usize {
    RECORD_HEADER + entry.encoded_len()
}

/// Appends a record.
pub(crate) fn put_record(index: u64, entry: &Entry<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + RECORD_HEADER, 0);
    entry.encode(out);
    let (header, body) = out.split_at_mut(start + RECORD_HEADER);
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut fresh = [0; RECORD_HEADER];
    let fields: [&[u8]; 4] =
        [&MARK, &len.to_le_bytes(), &index.to_le_bytes(), &crc32c::crc32c(body).to_le_bytes()];
    for (place, byte) in fresh.iter_mut().zip(fields.into_iter().flatten()) {
        *place = *byte;
    }
    if let Some((content, crc)) = fresh.split_last_chunk_mut::<4>() {
        *crc = crc32c::crc32c(content).to_le_bytes();
    }
    if let Some(place) = header.last_chunk_mut::<RECORD_HEADER>() {
        *place = fresh;
    }
}

/// The least that a record takes, by which an index can be told from nonsense.
pub(crate) const LEAST_RECORD: u64 = (RECORD_HEADER + entry::LEAST) as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_no_changed_header_does() {
        let entry = Entry { payload: b"}.", ..Entry::default() };
        let mut record = Vec::new();
        put_record(7, &entry, &mut record);
        assert_eq!(record.len(), record_len(&entry));
        let header = *record.first_chunk().unwrap();
        let read = Header::read(&header).unwrap();
        assert_eq!((read.index, read.end(100)), (7, 100 + record.len() as u64));
        assert_eq!(read.crc, crc32c::crc32c(&record[RECORD_HEADER..]));
        for bit in 0..RECORD_HEADER * 8 {
            let mut changed = header;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&changed), None, "bit {bit}");
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let mut record = Vec::new();
        put_record(0x0102, &Entry { payload: b"x", ..Entry::default() }, &mut record);
        assert_eq!(&record[..4], b"LRRC");
        assert_eq!(record[4..8], u32::try_from(record.len() - 24).unwrap().to_le_bytes());
        assert_eq!(record[8..16], [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(record[20..24], crc32c::crc32c(&record[..20]).to_le_bytes());
        let header = segment_header(5, *b"run-id-8");
        assert_eq!(&header[..8], b"LRSPOOL1");
        assert_eq!(header[8..16], 5_u64.to_le_bytes());
        assert_eq!(&header[16..24], b"run-id-8");
        assert_eq!(header[24..28], 1_u32.to_le_bytes());
        assert_eq!(header[28..32], crc32c::crc32c(&header[..28]).to_le_bytes());
        assert_eq!(read_segment_header(&header, 5), (*b"run-id-8", true));
        assert_eq!(read_segment_header(&header, 6), (*b"run-id-8", false));
        assert_eq!(read_segment_header(b"", 6), ([0; 8], false));
    }

    #[test]
    fn segment_names() {
        assert_eq!(segment_name(17), "00000000000000000017.seg");
        for (name, first) in [
            ("00000000000000000017.seg", Some(17)),
            ("00000000000000000000.seg", None),
            ("17.seg", None),
            ("+0000000000000000017.seg", None),
            ("99999999999999999999.seg", None),
            ("00000000000000000017.seg.aside", None),
            ("LOCK", None),
        ] {
            assert_eq!(segment_first(name), first, "{name}");
        }
    }
}
