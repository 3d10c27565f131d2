//! Pickles that are trees, read without a document.
//!
//! Most pickles share nothing but text, name nothing and call nothing. Such a pickle can be read in one
//! pass, and much faster, because no object in it can be met a second time. Whatever else a pickle does
//! ends the attempt: that is no error, but a reason to decode it to a [`Document`](crate::Document), whose
//! answer counts. So a direct reader accepts only what the decoder accepts too and reads the same, and
//! leaves every refusal to the decoder.

#[cfg(feature = "serde")]
mod outline;

#[cfg(feature = "serde")]
pub(crate) use self::outline::Outline;
