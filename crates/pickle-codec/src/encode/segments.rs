//! An encoded pickle in pieces, of which the large ones are the caller's own memory.
//!
//! To send 64 MiB of bytes as a pickle takes some ten bytes of opcodes around them, and no copy: the pieces go to the
//! kernel in one vectored write.
//!
//! ```text
//! own      80 04 8e 00 00 00 04 00 00 00 00      94 2e
//! shared                                   <blob>
//! pieces   Own(11)                         Shared  Own(2)
//! ```
//!
//! Where a shared payload lies inside of a pickle FRAME, whose length comes before, the writer counts it as part of
//! the frame (`holes` in the writer).

use alloc::vec::Vec;

use bytes::Buf;

use super::graph;
use super::options::EncodeOptions;
use super::sink::{EncodeScratch, Sink};
use super::writer::Writer;
use crate::document::Document;
use crate::wire::error::{ErrorKind, Result};

/// A piece of the pickle.
#[derive(Clone, Copy, Debug)]
enum Span<'v> {
    /// The next so many bytes of `Segments::own`.
    Own(usize),
    Shared(&'v [u8]),
}

/// An encoded pickle for a vectored write: opcodes and short values in memory of its own, long
/// text and bytes where the caller has them.
///
/// It implements [`Buf`]; [`chunks_vectored`](Buf::chunks_vectored) gives as many pieces as there
/// is room for. The bytes are those of the contiguous form.
///
/// ```
/// use bytes::Buf;
/// use pickle_codec::{DocumentBuilder, EncodeOptions, Protocol};
/// let blob = vec![7; 100_000];
/// let mut builder = DocumentBuilder::new();
/// let root = builder.bytes(&blob)?;
/// let document = builder.finish(root);
/// let mut segments = document.to_segments(EncodeOptions::new(Protocol::V4))?;
/// assert!(segments.iter().any(|piece| piece.as_ptr() == blob.as_ptr()));
/// assert_eq!(segments.remaining(), 100_000 + 9);
/// assert_eq!(segments.copy_to_bytes(segments.remaining()), document.to_vec(Protocol::V4)?);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Segments<'v> {
    own: Vec<u8>,
    pieces: Vec<Span<'v>>,
    /// The piece at hand, and what of it has been read.
    piece: usize,
    read: usize,
    /// Bytes of `own` before the piece at hand.
    own_read: usize,
    remaining: usize,
}

impl Segments<'_> {
    /// The pieces that are left, none of them empty.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut own = self.own_read;
        let mut read = self.read;
        self.pieces.get(self.piece..).unwrap_or_default().iter().map(move |piece| {
            let bytes = match *piece {
                Span::Own(len) => {
                    let bytes = self.own.get(own..own + len).unwrap_or_default();
                    own += len;
                    bytes
                }
                Span::Shared(bytes) => bytes,
            };
            bytes.get(core::mem::take(&mut read)..).unwrap_or_default()
        })
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.remaining
    }

    /// Whether all has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

impl Buf for Segments<'_> {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.iter().next().unwrap_or_default()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'b>(&'b self, slices: &mut [std::io::IoSlice<'b>]) -> usize {
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(self.iter()) {
            *slice = std::io::IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// # Panics
    /// If fewer bytes are left, as [`Buf`] demands.
    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "cannot advance past the end of the segments");
        self.remaining -= count;
        while let Some(piece) = self.pieces.get(self.piece) {
            let len = match *piece {
                Span::Own(len) => len,
                Span::Shared(bytes) => bytes.len(),
            };
            if self.read + count < len {
                self.read += count;
                return;
            }
            count -= len - self.read;
            if matches!(piece, Span::Own(_)) {
                self.own_read += len;
            }
            self.read = 0;
            self.piece += 1;
        }
    }
}

impl<'v> Sink<'v> for Segments<'v> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.own.extend_from_slice(bytes);
        self.remaining += bytes.len();
        if let Some(Span::Own(len)) = self.pieces.last_mut() {
            *len += bytes.len();
        } else {
            self.pieces.push(Span::Own(bytes.len()));
        }
        Ok(())
    }

    fn share(&mut self, bytes: &'v [u8]) -> Result<(), ErrorKind> {
        if !bytes.is_empty() {
            self.remaining += bytes.len();
            self.pieces.push(Span::Shared(bytes));
        }
        Ok(())
    }
}

impl Document<'_> {
    /// The pickle in segments: text and bytes of [`DEFAULT_SHARE_FROM`](crate::DEFAULT_SHARE_FROM) and more are not
    /// copied but stay where they are, in the input or in this document.
    ///
    /// Text and bytes are copied where the pickle spells them in another way: text with escapes in
    /// protocol 0, and bytes beyond ASCII below protocol 3.
    ///
    /// # Errors
    /// As [`to_vec`](Self::to_vec).
    pub fn to_segments(&self, options: EncodeOptions) -> Result<Segments<'_>> {
        let writer =
            Writer::new(Segments::default(), options.protocol, options.share_from, EncodeScratch::new());
        Ok(graph::encode(self, writer, options)?.0)
    }
}
