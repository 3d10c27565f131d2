//! The bodies of the fuzz targets.
//!
//! Each is a plain function over bytes, so that the ordinary tests can replay the corpora on a stable compiler.
//! A target states what must hold for every input, and panics where it does not.
#![forbid(unsafe_code)]

mod envelope;
mod frame;
mod heap;
mod peer;
mod pickle;
mod record;
mod values;

pub use envelope::{envelope, replay};
pub use frame::frame;
pub use peer::differential;
pub use pickle::{decode, instructions, push, roundtrip};
pub use record::record;
pub use values::{serde, values};

/// Takes pieces of the front of an input, whose sizes the input itself says: any split can come up.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
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
