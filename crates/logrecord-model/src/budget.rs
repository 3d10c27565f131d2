//! How much may become of a record that is written out.
//!
//! In a pickle a value that stands in many places costs two bytes at each of them, and a control character of one
//! byte becomes six in JSON. So the output of a record has a bound in proportion to the frame it came in, and what
//! does not fit is cut, visibly.

use python_format::FormatError;

/// The bytes that a record may become when it is written out: 16 KiB and 64 times its payload, or 8 MiB and 8 times
/// its payload, whichever is less.
///
/// ```
/// use logrecord_model::output_limit;
/// assert_eq!(output_limit(600), 16 * 1024 + 64 * 600);
/// assert_eq!(output_limit(1 << 20), 16 << 20);
/// ```
#[must_use]
pub const fn output_limit(payload_len: usize) -> usize {
    let small = payload_len.saturating_mul(64).saturating_add(16 << 10);
    let large = payload_len.saturating_mul(8).saturating_add(8 << 20);
    if small < large { small } else { large }
}

/// What writing a record out came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Whether something of the record did not fit, so that `...(cut)` stands in its place.
    pub cut: bool,
    /// The first name that the format asks for and the record does not have; nothing stands in its place.
    pub missing: Option<Box<str>>,
    /// Why the format could not be applied to the record, which is written as [`Formatter::text`] would write it.
    ///
    /// [`Formatter::text`]: crate::Formatter::text
    pub refused: Option<FormatError>,
}

impl Written {
    /// A record that was written whole, or cut.
    pub(crate) const fn cut(cut: bool) -> Self {
        Self { cut, missing: None, refused: None }
    }
}
