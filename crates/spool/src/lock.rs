//! The file `LOCK`: whose the spool is, and whether the last owner stopped cleanly.

use std::io;

use crate::bytes::{checked, put_crc, take, take_u64};
use crate::disk::{Disk, DiskFile, read_full, write_all};
use crate::format::RunId;

/// Its name.
pub(crate) const NAME: &str = "LOCK";
const MAGIC: [u8; 8] = *b"LRCLEAN1";
const LEN: usize = 28;

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: Box<dyn DiskFile>,
}

/// What an owner that stopped cleanly has left: its run id and the last record.
pub(crate) type Clean = (RunId, u64);

impl LockFile {
    pub(crate) fn take(disk: &dyn Disk) -> io::Result<Self> {
        Ok(Self { file: disk.lock(NAME)? })
    }

    /// Reads the mark of a clean stop.
    pub(crate) fn clean(&mut self) -> Option<Clean> {
        let mut bytes = [0; LEN];
        let read = read_full(self.file.as_mut(), 0, &mut bytes).ok()?;
        let mut content = checked(bytes.get(..read)?)?;
        if take(&mut content)? != MAGIC {
            return None;
        }
        Some((take(&mut content)?, take_u64(&mut content)?))
    }

    /// Removes the mark: from here on a stop is unclean until it says otherwise.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_all()
    }

    pub(crate) fn mark_clean(&mut self, run: RunId, last: u64) -> io::Result<()> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&run);
        out.extend_from_slice(&last.to_le_bytes());
        put_crc(0, &mut out);
        write_all(self.file.as_mut(), 0, &out)?;
        self.file.sync_all()
    }
}
