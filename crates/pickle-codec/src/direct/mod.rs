//! Pickles that are trees, read without a document.
//!
//! Most pickles share nothing but text, name nothing and call nothing. Such a pickle can be read in one
//! pass, and much faster, because no object in it can be met a second time. Whatever else a pickle does
//! ends the attempt: that is no error, but a reason to decode it to a [`Document`](crate::Document), whose
//! answer counts. So a direct reader accepts only what the decoder accepts too and reads the same, and
//! leaves every refusal to the decoder.
//!
//! [`from_slice`](crate::from_slice) reads so by itself. For who reads many records of one kind, there is
//! [`read`], which hands the items of a pickled dict to an [`Attributes`] one by one, text borrowed, and a
//! [`Cursor`] for what is faster still where the bytes to come are known.
//!
//! ```
//! use pickle_codec::direct::{self, Attributes, Reading, Scratch};
//! use pickle_codec::{Limits, Value};
//!
//! /// Adds up what is counted; anything else is for the decoder.
//! #[derive(Default)]
//! struct Sum(i64);
//!
//! impl<'a> Attributes<'a> for Sum {
//!     type Key = ();
//!     fn key(&mut self, _: &'a [u8]) {}
//!     fn int(&mut self, (): (), _: &'a [u8], number: i64) -> Option<()> {
//!         self.0 = self.0.checked_add(number)?;
//!         Some(())
//!     }
//!     fn text(&mut self, (): (), _: &'a [u8], _: &'a str) -> Option<()> { None }
//!     fn none(&mut self, (): (), _: &'a [u8]) -> Option<()> { None }
//!     fn float(&mut self, (): (), _: &'a [u8], _: f64) -> Option<()> { None }
//!     fn bool(&mut self, (): (), _: &'a [u8], _: bool) -> Option<()> { None }
//!     fn value(&mut self, _: &'a str, _: Value<'a>) -> Option<()> { None }
//! }
//!
//! let pickle = b"}q\0(X\x01\0\0\0aq\x01K\x05X\x01\0\0\0bq\x02K\x25u.";
//! assert!(pickle.len() <= direct::max_len(&Limits::default()));
//! let mut sum = Sum::default();
//! let reading = Reading { py2_text: true, max_fetches: 1 << 20 };
//! assert!(direct::read(pickle, reading, &mut sum, &mut Scratch::default()).is_some());
//! assert_eq!(sum.0, 42);
//! ```

mod attributes;
mod code;
mod cursor;
#[cfg(feature = "serde")]
mod outline;

pub use self::attributes::{Attributes, Reading, Scratch, read, resume};
pub use self::cursor::{Cursor, Scalar};
#[cfg(feature = "serde")]
pub(crate) use self::outline::Outline;
use crate::limits::Limits;

/// The longest pickle that [`read`] may be given under these limits, in bytes; 0 if all of them are for the decoder.
///
/// A direct reader checks no limit but the length, because it never comes near the default ones.
#[must_use]
pub fn max_len(limits: &Limits) -> usize {
    let usual = Limits { max_input_len: limits.max_input_len, ..Limits::default() };
    if *limits == usual { limits.max_input_len } else { 0 }
}
