//! The exception that Python would have raised, as a value.

use std::borrow::Cow;
use std::fmt;

/// Why a format could not be applied: the exception that Python raises at the same place.
///
/// ```
/// use python_format::PercentFormat;
/// use pickle_codec::Value;
/// let error = PercentFormat::new().format("%d", &Value::from("x")).unwrap_err();
/// assert_eq!(error.python_type(), "TypeError");
/// assert_eq!(error.to_string(), "%d format: a real number is required, not str");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    python_type: &'static str,
    message: Cow<'static, str>,
}

impl FormatError {
    /// The name of Python's exception class, such as `TypeError`.
    #[must_use]
    pub const fn python_type(&self) -> &'static str {
        self.python_type
    }

    /// What `str()` of Python's exception gives; the same text as Display.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A TypeError.
    #[cold]
    #[must_use]
    pub fn type_error(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "TypeError", message: message.into() }
    }

    /// A ValueError.
    #[cold]
    #[must_use]
    pub fn value_error(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "ValueError", message: message.into() }
    }

    /// A OverflowError.
    #[cold]
    #[must_use]
    pub fn overflow(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "OverflowError", message: message.into() }
    }

    #[cold]
    pub(crate) fn os_error(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "OSError", message: message.into() }
    }

    #[cold]
    pub(crate) fn key(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "KeyError", message: message.into() }
    }

    #[cold]
    pub(crate) fn index(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "IndexError", message: message.into() }
    }

    #[cold]
    pub(crate) fn attribute(message: impl Into<Cow<'static, str>>) -> Self {
        Self { python_type: "AttributeError", message: message.into() }
    }

    /// The error of arguments that no directive takes.
    #[cold]
    pub(crate) fn unused() -> Self {
        Self::type_error("not all arguments converted during string formatting")
    }

    /// The error of an integer that CPython does not write in decimal.
    #[cold]
    pub(crate) fn too_many_digits() -> Self {
        Self::value_error(
            "Exceeds the limit (4300 digits) for integer string conversion; \
             use sys.set_int_max_str_digits() to increase the limit",
        )
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FormatError {}
