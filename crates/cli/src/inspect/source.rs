//! What a pickle is read from, and read again for its listing.

use std::io::{Cursor, Read, Seek};

use crate::exit::Failure;

/// How much is read at a time.
pub(super) const BUFFER: usize = 256 << 10;

/// Whatever cannot be read.
pub(super) const READ: Failure = Failure::unavailable("cannot read the input");

/// What a listing is read from, where the pickle begins.
pub(super) trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// What was kept, for its listing.
pub(super) fn kept<'b>(bytes: Option<impl AsRef<[u8]> + 'b>) -> Option<Box<dyn Source + 'b>> {
    Some(Box::new(Cursor::new(bytes?)))
}
