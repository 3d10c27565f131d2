//! The start: what a directory holds, whatever has happened to it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::sync::Arc;

use crate::checkpoint::{self, Checkpoint};
use crate::cursor::{self, CursorState};
use crate::disk::{Disk, open};
use crate::format::{
    LEAST_RECORD, MAX_BODY, MAX_INDEX, RunId, SEGMENT_HEADER, read_segment_header, segment_first,
    segment_name,
};
use crate::lock::LockFile;
use crate::scan::Scan;
use crate::shared::Segment;
use crate::writer::Current;

/// What a start has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The one before had stopped in order, so that its last segment goes on.
    pub clean: bool,
    /// The last record.
    pub last: u64,
    /// Bytes behind the last whole record that were cut off.
    pub cut_bytes: u64,
    /// At least how many records had begun in them. What was cut is what was being written when the machine
    /// stopped, or damage at the very end.
    pub cut_records: u64,
    /// Newest segments that held no record and were set aside.
    pub set_aside: Vec<String>,
    /// Cursors that could not be read, and begin again with the oldest record.
    pub damaged_cursors: Vec<String>,
    /// Steps that the disk refused, in words. They keep nobody from starting.
    pub problems: Vec<String>,
}

/// How much is read in search of the last record, if the newest segment has none.
const MOST_SCANNED: u64 = 128 * 1024 * 1024;

/// More records than a segment holds.
const MOST_RECORDS: u64 = MAX_BODY as u64 / LEAST_RECORD;

/// Everything that a start finds out.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) recovery: Recovery,
    pub(crate) segments: BTreeMap<u64, Segment>,
    pub(crate) cursors: BTreeMap<String, (u64, CursorState)>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) run: RunId,
    pub(crate) current: Option<Current>,
}

/// A run id that nobody else has.
pub(crate) fn fresh_run() -> RunId {
    // The keys of std's hasher come from the operating system.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish().to_le_bytes()
}

/// The segments by their names, with the lengths of their files.
pub(crate) fn segments(disk: &dyn Disk) -> io::Result<BTreeMap<u64, Segment>> {
    let mut segments = BTreeMap::new();
    for first in disk.list("")?.iter().filter_map(|name| segment_first(name)) {
        let len = open(disk, &segment_name(first)).and_then(|file| file.len());
        segments.insert(first, Segment { len: len.as_ref().copied().unwrap_or(0), unknown: len.is_err() });
    }
    Ok(segments)
}

/// The cursors; with no state those that cannot be read.
pub(crate) fn cursors(disk: &dyn Disk) -> io::Result<BTreeMap<String, Option<(u64, CursorState)>>> {
    let names = disk.list(cursor::DIRECTORY)?;
    let named = names.iter().filter_map(|file| Some((cursor::cursor_name(file)?, file)));
    Ok(named
        .map(|(name, file)| {
            (name, cursor::load(disk, &format!("{}/{file}", cursor::DIRECTORY)).ok().flatten())
        })
        .collect())
}

/// Looks through a directory whose lock is held, and mends its end.
pub(crate) fn recover(disk: &Arc<dyn Disk>, lock: &mut LockFile) -> io::Result<Found> {
    let mut recovery = Recovery::default();
    let mut segments = segments(disk.as_ref())?;
    let mut named = 0;
    let mut current = None;
    let mut run = None;
    let mut scanned = 0;
    while let Some((&first, &Segment { len, .. })) = segments.last_key_value() {
        named = named.max(first - 1);
        let name = segment_name(first);
        scanned += len;
        let end = if scanned > len && scanned > MOST_SCANNED {
            Err(io::Error::other("not read, so that the start does not take longer"))
        } else {
            end_of(disk.as_ref(), first, &mut recovery)
        };
        match end {
            Ok(Some(end)) => {
                recovery.last = end.last;
                segments.insert(first, Segment { len: end.current.len, unknown: false });
                run = Some(end.run).filter(|_| end.whole);
                current = Some(end.current).filter(|_| end.whole);
                break;
            }
            Ok(None) => {
                segments.remove(&first);
                let aside = disk.rename(&name, &format!("{name}.aside")).and_then(|()| disk.sync_dir(""));
                if let Err(error) = aside {
                    recovery.problems.push(format!("{name}: {error}"));
                }
                recovery.set_aside.push(name);
            }
            Err(error) => {
                // It stays as it is; the next index is beyond every one that it can hold.
                named = named.max(first + MOST_RECORDS);
                if let Some(segment) = segments.get_mut(&first) {
                    segment.unknown = true;
                }
                recovery.problems.push(format!("{name}: {error}"));
                break;
            }
        }
    }
    let mut found_cursors = BTreeMap::new();
    let listed = cursors(disk.as_ref()).unwrap_or_else(|error| {
        recovery.problems.push(format!("{}: {error}", cursor::DIRECTORY));
        BTreeMap::new()
    });
    for (name, state) in listed {
        if state.is_none() {
            recovery.damaged_cursors.push(name.clone());
        }
        found_cursors.insert(name, state.unwrap_or_default());
    }
    let checkpoint = checkpoint::load(disk.as_ref()).filter(|checkpoint| checkpoint.index <= MAX_INDEX);
    // An index that anybody has seen is never given away again, even if its record is gone.
    let known = found_cursors.values().map(|(_, state)| state.done.min(MAX_INDEX));
    let known = known.chain(checkpoint.as_ref().map(|checkpoint| checkpoint.index)).max().unwrap_or(0);
    let read = recovery.last;
    recovery.last = read.max(named).max(known);
    let clean = lock.clean();
    // If the mark stays, a later crash would look like a clean stop: then this start counts as unclean at once.
    let cleared = lock.clear().map_err(|error| recovery.problems.push(format!("LOCK: {error}"))).is_ok();
    recovery.clean = cleared
        && recovery.cut_bytes == 0
        && clean.is_some_and(|(id, last)| last == recovery.last && run.is_none_or(|run| run == id));
    if !recovery.clean {
        (run, current) = (None, None);
    }
    let run = run.or_else(|| clean.map(|(id, _)| id).filter(|_| recovery.clean)).unwrap_or_else(fresh_run);
    let current = current.filter(|_| read == recovery.last);
    Ok(Found { recovery, segments, cursors: found_cursors, checkpoint, run, current })
}

/// The end of the newest segment.
struct End {
    last: u64,
    run: RunId,
    /// The header is right and nothing was cut: the segment can go on.
    whole: bool,
    current: Current,
}

/// Reads the newest segment to its last whole record and cuts what stands behind it. `None` if there is no record.
fn end_of(disk: &dyn Disk, first: u64, recovery: &mut Recovery) -> io::Result<Option<End>> {
    let name = segment_name(first);
    let file = open(disk, &name)?;
    let len = file.len()?;
    let mut scan = Scan::new(file, first, len, u64::MAX);
    let (run, headed) = read_segment_header(&scan.header(), first);
    let (mut last, mut damaged) = (0, 0);
    while let Some(found) = scan.next() {
        last = found.index;
        damaged = scan.damaged();
    }
    // Damage before the last whole record shows as a gap in the indices; this shows nowhere else.
    recovery.cut_records += scan.damaged() - damaged;
    let end = scan.good_end();
    if last == 0 {
        recovery.cut_bytes += len.saturating_sub(SEGMENT_HEADER as u64);
        return Ok(None);
    }
    let mut file = scan.into_file();
    let mut whole = headed;
    if end < len {
        whole = false;
        recovery.cut_bytes += len - end;
        if let Err(error) = file.set_len(end) {
            recovery.problems.push(format!("{name}: {error}"));
        }
    }
    // What is read here may be in the kernel's memory only.
    if let Err(error) = file.sync_all() {
        whole = false;
        recovery.problems.push(format!("{name}: {error}"));
    }
    Ok(Some(End { last, run, whole, current: Current { file, first, len: end, durable_len: end } }))
}
