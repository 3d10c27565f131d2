//! Cursors: how far each reader has come, in files of two slots that are written in turn.

use std::io;
use std::sync::Arc;

use crate::bytes::{checked, put_crc, take_u64};
use crate::disk::{Disk, DiskFile, read_small, replace, write_all};

/// The directory of cursors.
pub(crate) const DIRECTORY: &str = "cursors";
const SLOT: usize = 512;
const CONTENT: usize = 7 * 8 + 4;
/// The longest file name, escapes included.
const MAX_NAME: usize = 200;

/// How far a reader has come, and what it is about to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is the format's list of fields, and callers build it")]
pub struct CursorState {
    /// Every record up to this index is done; 0 before the first.
    pub done: u64,
    /// The records, first and last, that are being handed on: after a crash these alone are in doubt.
    pub in_flight: Option<(u64, u64)>,
    /// The inode of the file to which they are being written, where there is one.
    pub inode: u64,
    /// Where in that file they begin.
    pub offset: u64,
    /// How many records the reader's output has refused so far.
    pub rejected: u64,
}

fn encode(generation: u64, state: &CursorState) -> Vec<u8> {
    let (first, last) = state.in_flight.unwrap_or((0, 0));
    let mut out = Vec::with_capacity(SLOT);
    for field in [generation, state.done, first, last, state.inode, state.offset, state.rejected] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    put_crc(0, &mut out);
    out.resize(SLOT, 0);
    out
}

fn decode(slot: &[u8]) -> Option<(u64, CursorState)> {
    let mut content = checked(slot.get(..CONTENT)?)?;
    let mut next = || take_u64(&mut content);
    let (generation, done, first, last) = (next()?, next()?, next()?, next()?);
    let in_flight = (first != 0 && first <= last).then_some((first, last));
    let state = CursorState { done, in_flight, inode: next()?, offset: next()?, rejected: next()? };
    Some((generation, state))
}

/// The file of a cursor: letters, digits, `-` and `_` as they are, everything else as `%` and two digits.
pub(crate) fn file_name(name: &str) -> io::Result<String> {
    let mut file = format!("{DIRECTORY}/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            file.push(char::from(byte));
        } else {
            file.push_str(&format!("%{byte:02x}"));
        }
    }
    if name.is_empty() || file.len() > MAX_NAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name of a cursor is empty or too long"));
    }
    Ok(file)
}

/// The cursor that a file in the directory belongs to.
pub(crate) fn cursor_name(file: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(file.len());
    let mut rest = file.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // Files that are half made, and what others have put there, have no such name.
    (file_name(&name).ok()?.strip_prefix("cursors/") == Some(file)).then_some(name)
}

/// Reads a cursor's file: the newer of its whole slots. `None` if both are damaged.
pub(crate) fn load(disk: &dyn Disk, file: &str) -> io::Result<Option<(u64, CursorState)>> {
    let bytes = read_small(disk, file, 2 * SLOT)?;
    Ok(bytes.chunks(SLOT).filter_map(decode).max_by_key(|(generation, _)| *generation))
}

/// An open cursor.
#[derive(Debug)]
pub(crate) struct CursorFile {
    disk: Arc<dyn Disk>,
    name: String,
    generation: u64,
    /// Not there before the first store and after one that failed.
    file: Option<Box<dyn DiskFile>>,
}

impl CursorFile {
    pub(crate) fn new(disk: Arc<dyn Disk>, name: &str, generation: u64) -> io::Result<Self> {
        Ok(Self { disk, name: file_name(name)?, generation, file: None })
    }

    /// How many states were stored so far.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Stores and syncs a state. A failed sync is never tried again on the same file: the next store makes a new one.
    pub(crate) fn store(&mut self, state: &CursorState) -> io::Result<()> {
        self.generation += 1;
        let slot = encode(self.generation, state);
        let Some(mut file) = self.file.take() else {
            // Both slots are written, so that later stores need no room on a full disk.
            replace(self.disk.as_ref(), DIRECTORY, &self.name, &slot.repeat(2))?;
            self.file = Some(self.disk.open(&self.name)?);
            return Ok(());
        };
        let offset = if self.generation.is_multiple_of(2) { 0 } else { SLOT as u64 };
        write_all(file.as_mut(), offset, &slot)?;
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_and_no_changed_one_does() {
        let state =
            CursorState { done: 7, in_flight: Some((8, 12)), inode: 99, offset: 1 << 40, rejected: 3 };
        let slot = encode(5, &state);
        assert_eq!(slot.len(), SLOT);
        assert_eq!(decode(&slot), Some((5, state)));
        for bit in 0..CONTENT * 8 {
            let mut changed = slot.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&changed), None, "bit {bit}");
        }
        assert_eq!(decode(&slot[..CONTENT - 1]), None);
        assert_eq!(decode(&[0; SLOT]), None);
    }

    #[test]
    fn names_stay_in_the_directory() {
        for (name, file) in [
            ("output", "cursors/output"),
            ("../../etc/passwd", "cursors/%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
            (".", "cursors/%2e"),
            ("a b%", "cursors/a%20b%25"),
            ("\u{fc}\0", "cursors/%c3%bc%00"),
        ] {
            assert_eq!(file_name(name).unwrap(), file);
            assert_eq!(cursor_name(file.strip_prefix("cursors/").unwrap()).as_deref(), Some(name));
        }
        assert!(file_name("").is_err());
        assert!(file_name(&"x".repeat(300)).is_err());
        for file in ["output.new", "%", "%2", "%zz", "a.b", "%41"] {
            assert_eq!(cursor_name(file), None, "{file}");
        }
    }
}
