//! What an input decides beside what it is: which way is taken, and how it is split.

/// The answers to a question that an execution runs: all of them in the ordinary tests, and for a fuzzer the one
/// that a hash of the whole input picks.
///
/// One input always gets the same answers, so that what a fuzzer found fails again. Questions of one target have
/// numbers, so that they are answered apart from each other.
pub(crate) fn chosen<'a, T>(data: &[u8], question: u64, answers: &'a [T]) -> &'a [T] {
    if !cfg!(fuzzing) {
        return answers;
    }
    let mut hash = question ^ data.len() as u64;
    for part in data.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    // The upper bits depend on all of the input.
    let pick = usize::try_from(hash >> 40).unwrap_or(0) % answers.len();
    &answers[pick..=pick]
}

/// Takes pieces of the front of an input, whose sizes the input itself says: any split can come up.
pub(crate) fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    // The last byte seeds the sizes, so that a corpus entry is the stream as it is.
    let mut state = u32::from(data.last().copied().unwrap_or(0)) | 0x100;
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = if state & 0x40_0000 == 0 { 4 } else { 64 };
        let len = usize::try_from(state >> 16).unwrap_or(0) % most;
        let (piece, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        Some(piece)
    })
}
