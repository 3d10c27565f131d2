//! A look into a spool that no program has open: nothing in it is changed.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use crate::checkpoint;
use crate::cursor::CursorState;
use crate::disk::{Disk, OsDisk};
use crate::format::{RunId, SEGMENT_HEADER, read_segment_header, segment_name};
use crate::lock::{self, LockFile};
use crate::recover::{cursors, segments};
use crate::scan::Scan;

/// What was found in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentReport {
    /// The first index, as the file's name says.
    pub first: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The run that wrote it.
    pub run: RunId,
    /// The header is whole and says what the name says.
    pub headed: bool,
    /// Whole records; not known before a verification.
    pub records: Option<u64>,
    /// At least how many records cannot be read; not known before a verification.
    pub damaged: Option<u64>,
}

/// What was found in a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The segments in order.
    pub segments: Vec<SegmentReport>,
    /// The cursors; those without a state are damaged.
    pub cursors: BTreeMap<String, Option<CursorState>>,
    /// The last record that the checkpoint covers.
    pub checkpoint: Option<u64>,
    /// Files that were set aside.
    pub aside: Vec<String>,
    /// Steps that failed, in words.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether everything that was looked at is whole.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
            && self.cursors.values().all(Option::is_some)
            && self.segments.iter().all(|segment| segment.headed && segment.damaged.unwrap_or(0) == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut records, mut damaged, mut bytes) = (0, 0, 0);
        for segment in &self.segments {
            write!(f, "{} {} bytes run ", segment_name(segment.first), segment.bytes)?;
            segment.run.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            if !segment.headed {
                write!(f, ", header damaged")?;
            }
            if let (Some(whole), Some(bad)) = (segment.records, segment.damaged) {
                write!(f, ", records={whole} damaged={bad}")?;
                (records, damaged) = (records + whole, damaged + bad);
            }
            bytes += segment.bytes;
            writeln!(f)?;
        }
        for (name, state) in &self.cursors {
            match state {
                None => writeln!(f, "cursor {name:?} damaged")?,
                Some(state) => {
                    write!(f, "cursor {name:?} done={} rejected={}", state.done, state.rejected)?;
                    if let Some((first, last)) = state.in_flight {
                        write!(
                            f,
                            " in flight {first} to {last} at {} of inode {}",
                            state.offset, state.inode
                        )?;
                    }
                    writeln!(f)?;
                }
            }
        }
        if let Some(index) = self.checkpoint {
            writeln!(f, "checkpoint at {index}")?;
        }
        for name in &self.aside {
            writeln!(f, "set aside: {name}")?;
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        write!(f, "segments={} bytes={bytes}", self.segments.len())?;
        if self.segments.iter().any(|segment| segment.records.is_some()) {
            write!(f, " records={records} damaged={damaged}")?;
        }
        Ok(())
    }
}

/// Lists segments, cursors and checkpoint, without reading the records.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if a program has the spool open, [`io::ErrorKind::NotFound`] if there is no spool.
pub fn inspect(directory: &Path) -> io::Result<Report> {
    look(directory, false)
}

/// As [`inspect`], and reads every record.
///
/// # Errors
///
/// As [`inspect`].
pub fn verify(directory: &Path) -> io::Result<Report> {
    look(directory, true)
}

fn look(directory: &Path, read: bool) -> io::Result<Report> {
    let disk = OsDisk::new(directory);
    // To look must not make a spool of what is none.
    disk.open(lock::NAME)?;
    let _lock = LockFile::take(&disk)?;
    look_on(&disk, read)
}

fn look_on(disk: &dyn Disk, read: bool) -> io::Result<Report> {
    let mut report = Report::default();
    let segments = segments(disk)?;
    let firsts: Vec<u64> = segments.keys().copied().collect();
    let ends = firsts.iter().skip(1).copied().map(Some).chain([None]);
    for ((&first, segment), end) in segments.iter().zip(ends) {
        match segment_report(disk, first, segment.len, end, read) {
            Ok(segment) => report.segments.push(segment),
            Err(error) => report.problems.push(format!("{}: {error}", segment_name(first))),
        }
    }
    report.cursors =
        cursors(disk)?.into_iter().map(|(name, found)| (name, found.map(|(_, state)| state))).collect();
    report.checkpoint = checkpoint::load(disk).map(|checkpoint| checkpoint.index);
    report.aside = disk.list("")?.into_iter().filter(|name| name.ends_with(".aside")).collect();
    report.aside.sort();
    Ok(report)
}

fn segment_report(
    disk: &dyn Disk,
    first: u64,
    bytes: u64,
    end: Option<u64>,
    read: bool,
) -> io::Result<SegmentReport> {
    let limit = if read { bytes } else { bytes.min(SEGMENT_HEADER as u64) };
    let mut scan = Scan::new(disk.open(&segment_name(first))?, first, limit, end.unwrap_or(u64::MAX));
    let (run, headed) = read_segment_header(&scan.header(), first);
    let mut report = SegmentReport { first, bytes, run, headed, records: None, damaged: None };
    if read {
        let (mut records, mut last) = (0, first - 1);
        while let Some(found) = scan.next() {
            records += 1;
            last = found.index;
        }
        // The indices say how many are missing, also behind the last one if there is another segment.
        let there = end.map_or(last, |end| end - 1) + 1 - first;
        let tail = if end.is_none() && scan.good_end() < bytes { scan.damaged().max(1) } else { 0 };
        report.records = Some(records);
        report.damaged = Some((there - records).max(tail));
    }
    Ok(report)
}
