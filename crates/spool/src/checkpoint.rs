//! The checkpoint: what the spool's user knew about all records up to an index, so that a start reads only what
//! came behind it.

use std::io;

use crate::bytes::{checked, put_crc, take, take_u64};
use crate::disk::{Disk, read_small, replace};

const NAME: &str = "checkpoint";
const MAGIC: [u8; 8] = *b"LRCHECK1";
/// More is not read. Replay state of 65,536 streams takes 12 MiB.
const MAX: usize = 64 * 1024 * 1024;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The last record that the state takes into account.
    pub index: u64,
    /// The state, whatever it is.
    pub state: Vec<u8>,
}

/// Reads the checkpoint. One that is damaged is as good as none: the records themselves say the same.
pub(crate) fn load(disk: &dyn Disk) -> Option<Checkpoint> {
    let bytes = read_small(disk, NAME, MAX).ok()?;
    let mut content = checked(&bytes)?;
    if take(&mut content)? != MAGIC {
        return None;
    }
    let index = take_u64(&mut content)?;
    Some(Checkpoint { index, state: content.to_vec() })
}

/// Puts a checkpoint in place of the one before, durably.
pub(crate) fn store(disk: &dyn Disk, index: u64, state: &[u8]) -> io::Result<()> {
    let mut out = Vec::with_capacity(state.len() + 20);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(state);
    put_crc(0, &mut out);
    if out.len() > MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the state of a checkpoint is too long"));
    }
    replace(disk, "", NAME, &out)
}
