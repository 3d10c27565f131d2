//! Where encoded bytes go: a `BufMut`, a writer, or segments that share the caller's memory.
//!
//! The writer collects a pickle FRAME (or, below protocol 4, as many bytes) on a stage and hands it on in one piece,
//! so that a sink is called once for 64 KiB and not for each opcode. A sink that fails ends the pickle: what was
//! handed on cannot be taken back.

use alloc::vec::Vec;

use bytes::BufMut;

use crate::wire::error::ErrorKind;

/// Takes what the stage gives up.
pub(crate) trait Sink<'v> {
    /// Copies bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<(), ErrorKind>;

    /// Takes bytes that live as long as the output; a sink that cannot keep them copies them.
    fn share(&mut self, bytes: &'v [u8]) -> Result<(), ErrorKind> {
        self.put(bytes)
    }
}

/// A sink that copies into a `BufMut`.
#[derive(Debug)]
pub(crate) struct Copying<B>(pub(crate) B);

impl<B: BufMut> Sink<'_> for Copying<B> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        // `put_slice` panics when the buffer is full, so the room is asked for first.
        if self.0.remaining_mut() < bytes.len() {
            return Err(ErrorKind::Budget);
        }
        self.0.put_slice(bytes);
        Ok(())
    }
}

/// A sink that keeps nothing.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Sink<'_> for Nowhere {
    fn put(&mut self, _: &[u8]) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// A sink that hands every piece to a function, for writers.
#[cfg(feature = "std")]
pub(crate) struct Calling<F>(pub(crate) F);

#[cfg(feature = "std")]
impl<F: FnMut(&[u8]) -> Result<(), ErrorKind> + ?Sized> Sink<'_> for Calling<&mut F> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        (self.0)(bytes)
    }
}

/// Runs an encoder whose bytes go to a writer, and tells the writer's errors from the encoder's.
#[cfg(feature = "std")]
pub(crate) fn through<W: std::io::Write>(
    mut writer: W,
    encode: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), ErrorKind>) -> crate::wire::error::Result<()>,
) -> std::io::Result<()> {
    let mut failure = None;
    let outcome = encode(&mut |bytes| {
        writer.write_all(bytes).map_err(|error| {
            failure = Some(error);
            ErrorKind::Budget
        })
    });
    match (failure, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, error)),
        (None, Ok(())) => Ok(()),
    }
}

/// Memory that an encoder uses while it works, and that the next one can use again.
///
/// ```
/// use pickle_codec::{Encoder, Protocol, EncodeScratch};
/// let mut scratch = EncodeScratch::new();
/// let mut out = Vec::new();
/// for text in ["spam", "eggs"] {
///     out.clear();
///     let mut encoder = Encoder::with_scratch(&mut out, Protocol::V1, &mut scratch);
///     encoder.str(text)?;
///     encoder.finish()?;
/// }
/// assert_eq!(out, b"X\x04\x00\x00\x00eggsq\x00.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct EncodeScratch {
    /// The frame at hand. Its whole length is initialised; the encoder keeps the position.
    pub(crate) stage: Vec<u8>,
    pub(crate) open: Vec<super::open::Open>,
    pub(crate) singles: super::singles::Singles,
    pub(crate) names: super::names::Identifiers,
}

impl EncodeScratch {
    /// Empty scratch memory; it grows when it is used.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stage: Vec::new(),
            open: Vec::new(),
            singles: super::singles::Singles::new(),
            names: super::names::Identifiers::new(),
        }
    }
}
