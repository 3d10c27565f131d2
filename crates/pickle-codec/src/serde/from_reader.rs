//! Reading Rust types from anything that implements [`std::io::Read`].

use std::io::{self, Read};

use ::serde::de::DeserializeOwned;
use alloc::vec::Vec;

use super::{from_node, from_slice_with};
use crate::decode::push::PushDecoder;
use crate::document::Document;
use crate::options::DecodeOptions;
use crate::wire::error::{Error, ErrorKind};

impl From<Error> for io::Error {
    /// `UnexpectedEof` where the input ended inside a pickle, else `InvalidData`; the error itself is
    /// inside.
    fn from(error: Error) -> Self {
        let kind = if error.kind() == ErrorKind::Eof {
            io::ErrorKind::UnexpectedEof
        } else {
            io::ErrorKind::InvalidData
        };
        Self::new(kind, error)
    }
}

/// Reads a Rust value from a reader that holds one pickle, to its end, with the default options.
///
/// No more than [`Limits::max_input_len`](crate::Limits::max_input_len) bytes are read. A reader that
/// holds several pickles, or stays open, is for [`PickleReader`].
///
/// # Errors
/// The reader's own; those of [`from_slice`](crate::from_slice), inside of an [`io::Error`].
///
/// ```
/// let numbers: Vec<u8> = pickle_codec::from_reader(&b"](K\x01K\x02e."[..])?;
/// assert_eq!(numbers, [1, 2]);
/// let error = pickle_codec::from_reader::<_, u8>(&b"cos\nsystem\n."[..]).unwrap_err();
/// let inside = error.get_ref().and_then(|error| error.downcast_ref::<pickle_codec::Error>());
/// assert_eq!(inside.and_then(pickle_codec::Error::global), Some("os.system"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn from_reader<R: Read, T: DeserializeOwned>(reader: R) -> io::Result<T> {
    from_reader_with(reader, &DecodeOptions::new())
}

/// Reads a Rust value from a reader that holds one pickle; see [`from_reader`].
///
/// # Errors
/// As [`from_reader`].
pub fn from_reader_with<R: Read, T: DeserializeOwned>(reader: R, options: &DecodeOptions) -> io::Result<T> {
    let max = u64::try_from(options.limits.max_input_len).unwrap_or(u64::MAX);
    let mut input = Vec::new();
    // One byte more, so that the decode can tell that there are too many.
    reader.take(max.saturating_add(1)).read_to_end(&mut input)?;
    Ok(from_slice_with(&input, options)?)
}

/// Reads pickles that stand one after another in a file, a pipe or a socket.
///
/// What an incomplete pickle holds is never more than
/// [`Limits::max_input_len`](crate::Limits::max_input_len); what the policy refuses is refused as
/// soon as it has arrived.
///
/// ```
/// use pickle_codec::PickleReader;
/// let mut reader = PickleReader::new(&b"K\x01.X\x01\0\0\0a."[..]);
/// assert_eq!(reader.read::<u8>()?, Some(1));
/// assert_eq!(reader.read::<String>()?.as_deref(), Some("a"));
/// assert_eq!(reader.read::<String>()?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PickleReader<R> {
    reader: R,
    decoder: PushDecoder,
    chunk: Vec<u8>,
}

/// Bytes that are asked for at a time.
const CHUNK: usize = 8 << 10;

impl<R: Read> PickleReader<R> {
    /// A reader with the default options.
    pub fn new(reader: R) -> Self {
        Self::with_options(reader, DecodeOptions::new())
    }

    /// A reader with these options.
    pub fn with_options(reader: R, options: DecodeOptions) -> Self {
        Self { reader, decoder: PushDecoder::with_options(options), chunk: alloc::vec![0; CHUNK] }
    }

    /// The next pickle as a Rust value; `None` at the end of the input.
    ///
    /// # Errors
    /// The reader's own; those of [`from_slice`](crate::from_slice), inside of an [`io::Error`],
    /// whose offsets count from the first byte that was read. After a value that does not fit its
    /// type, the next pickle can be read; after any other error nothing can.
    pub fn read<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.next_document()? {
            Some(document) => Ok(Some(from_node(document.root())?)),
            None => Ok(None),
        }
    }

    /// The next pickle as a document; `None` at the end of the input.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for those of the type.
    pub fn next_document(&mut self) -> io::Result<Option<Document<'_>>> {
        while !self.decoder.is_ready()? {
            let count = match self.reader.read(&mut self.chunk) {
                Ok(0) => {
                    self.decoder.finish()?;
                    return Ok(None);
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.decoder.feed(self.chunk.get(..count).unwrap_or_default())?;
        }
        Ok(self.decoder.next_document()?)
    }

    /// The reader. What was read ahead is lost.
    pub fn into_inner(self) -> R {
        self.reader
    }
}
