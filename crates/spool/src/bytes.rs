//! Reading little-endian numbers, and checksums.

/// Copies the next `N` bytes out of a slice and moves it on.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

pub(crate) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

pub(crate) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

/// Appends the checksum of everything from `start` on.
pub(crate) fn put_crc(start: usize, out: &mut Vec<u8>) {
    let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

/// What precedes the last four bytes, if those are its checksum.
pub(crate) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (content, crc) = bytes.split_last_chunk()?;
    (crc32c::crc32c(content) == u32::from_le_bytes(*crc)).then_some(content)
}
