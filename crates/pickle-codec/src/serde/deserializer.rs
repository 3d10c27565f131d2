//! The deserializer that users see: pickles of one input, one after another.
//!
//! Where a pickle ends is known only when it has been read, so that each is decoded to a document; one that is alone
//! is read faster by [`from_slice`](crate::from_slice).

use core::fmt;
use core::marker::PhantomData;

use ::serde::de::Deserialize;

use super::node::through;
use crate::decode::Decoder;
use crate::options::DecodeOptions;
use crate::wire::error::{Error, ErrorKind, Result};

/// A serde deserializer over an input of one or more pickles. Each deserialization takes the next one.
///
/// ```
/// use pickle_codec::Deserializer;
/// use serde::Deserialize;
/// let mut deserializer = Deserializer::from_slice(b"K\x01.X\x01\0\0\0a.");
/// assert_eq!(u8::deserialize(&mut deserializer)?, 1);
/// assert_eq!(<&str>::deserialize(&mut deserializer)?, "a");
/// deserializer.end()?;
/// let numbers: Result<Vec<u8>, _> = Deserializer::from_slice(b"K\x01.K\x02.").into_iter().collect();
/// assert_eq!(numbers?, [1, 2]);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug)]
pub struct Deserializer<'de> {
    decoder: Decoder,
    input: &'de [u8],
    offset: usize,
}

impl<'de> Deserializer<'de> {
    /// A deserializer with the default options.
    #[must_use]
    pub fn from_slice(input: &'de [u8]) -> Self {
        Self::from_slice_with(input, &DecodeOptions::new())
    }

    /// A deserializer with these options.
    #[must_use]
    pub fn from_slice_with(input: &'de [u8], options: &DecodeOptions) -> Self {
        Self { decoder: Decoder::with_options(options.clone()), input, offset: 0 }
    }

    /// Where the next pickle starts.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Checks that no bytes are left.
    ///
    /// # Errors
    /// `trailing` if there are.
    pub fn end(&self) -> Result<()> {
        if self.offset == self.input.len() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Trailing, self.offset, None))
        }
    }

    /// All pickles as values of one type. The iterator ends at the end of the input or after the first
    /// error.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "the type of the values has to be said")]
    pub const fn into_iter<T: Deserialize<'de>>(self) -> DeserializerIter<'de, T> {
        DeserializerIter { deserializer: self, failed: false, value: PhantomData }
    }
}

through!(&mut Deserializer<'de>, |this, call, visitor| {
    let rest = this.input.get(this.offset..).unwrap_or_default();
    let (document, used) = this.decoder.decode_prefix(rest).map_err(|error| error.shifted(this.offset))?;
    this.offset += used;
    let value = call!(&document);
    this.decoder.recycle(document);
    value
});

/// Iterates over the pickles of an input; made by [`Deserializer::into_iter`].
pub struct DeserializerIter<'de, T> {
    deserializer: Deserializer<'de>,
    failed: bool,
    value: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for DeserializerIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeserializerIter").field("offset", &self.deserializer.offset).finish_non_exhaustive()
    }
}

impl<'de, T: Deserialize<'de>> Iterator for DeserializerIter<'de, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.failed || self.deserializer.end().is_ok() {
            return None;
        }
        let value = T::deserialize(&mut self.deserializer);
        self.failed = value.is_err();
        Some(value)
    }
}

impl<'de, T: Deserialize<'de>> core::iter::FusedIterator for DeserializerIter<'de, T> {}
