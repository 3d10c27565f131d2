//! Text of a record: a Rust string, or WTF-8 where Python's text holds lone surrogates.

use std::borrow::Cow;
use std::fmt;

use pickle_codec::{Str, Value};

/// Python text, borrowed or owned.
///
/// Nearly all text is a Rust string. A file name that is not UTF-8 brings lone surrogates into
/// Python's text; such text is kept as WTF-8, three bytes a surrogate.
///
/// ```
/// use python_format::Text;
/// let text = Text::from("héllo");
/// assert_eq!(text.as_str(), Some("héllo"));
/// let odd = Text::from_wtf8(b"caf\xed\xb3\xa9".to_vec()).unwrap();
/// assert_eq!(odd.as_str(), None);
/// assert_eq!(odd.to_string(), "caf\\udce9");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Text<'a> {
    /// Text without surrogates.
    Utf8(Cow<'a, str>),
    /// WTF-8 with at least one lone surrogate. The box keeps the common variant small.
    Wtf8(Box<Cow<'a, [u8]>>),
}

impl<'a> Text<'a> {
    /// No text.
    pub const EMPTY: Self = Self::Utf8(Cow::Borrowed(""));

    /// Text from WTF-8; `None` if the bytes are not WTF-8.
    #[must_use]
    pub fn from_wtf8(bytes: impl Into<Cow<'a, [u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        match bytes {
            Cow::Borrowed(borrowed) => match std::str::from_utf8(borrowed) {
                Ok(text) => Some(Self::Utf8(Cow::Borrowed(text))),
                Err(_) => is_wtf8(borrowed).then(|| Self::Wtf8(Box::new(Cow::Borrowed(borrowed)))),
            },
            Cow::Owned(owned) => match String::from_utf8(owned) {
                Ok(text) => Some(Self::Utf8(Cow::Owned(text))),
                Err(error) => {
                    let owned = error.into_bytes();
                    is_wtf8(&owned).then(|| Self::Wtf8(Box::new(Cow::Owned(owned))))
                }
            },
        }
    }

    /// The text as a Rust string, if it has no lone surrogates.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Wtf8(_) => None,
        }
    }

    /// The text as the pickle codec's borrowed type.
    #[must_use]
    pub fn as_text(&self) -> Str<'_> {
        match self {
            Self::Utf8(text) => Str::Utf8(text),
            Self::Wtf8(bytes) => Str::Wtf8(bytes),
        }
    }

    /// UTF-8 or WTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Wtf8(bytes) => bytes,
        }
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The text with each lone surrogate as a visible escape (`\udce9`), as Python's
    /// `backslashreplace` writes it.
    #[must_use]
    pub fn to_visible(&self) -> Cow<'_, str> {
        match self {
            Self::Utf8(text) => Cow::Borrowed(text),
            Self::Wtf8(bytes) => Cow::Owned(visible(bytes)),
        }
    }

    /// The same text, borrowed from this one.
    #[must_use]
    pub fn borrowed(&self) -> Text<'_> {
        match self {
            Self::Utf8(text) => Text::Utf8(Cow::Borrowed(text)),
            Self::Wtf8(bytes) => Text::Wtf8(Box::new(Cow::Borrowed(bytes))),
        }
    }

    /// The same text with its own memory.
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        match self {
            Self::Utf8(text) => Text::Utf8(Cow::Owned(text.into_owned())),
            Self::Wtf8(bytes) => Text::Wtf8(Box::new(Cow::Owned(bytes.into_owned()))),
        }
    }

    /// The text of a value, if it is text.
    ///
    /// # Errors
    /// Any other value is given back.
    pub fn from_value(value: Value<'a>) -> Result<Self, Value<'a>> {
        match value {
            Value::Str(text) => Ok(Self::Utf8(text)),
            Value::Wtf8(bytes) => Ok(Self::Wtf8(Box::new(bytes))),
            other => Err(other),
        }
    }

    /// As a value.
    #[must_use]
    pub fn into_value(self) -> Value<'a> {
        match self {
            Self::Utf8(text) => Value::Str(text),
            Self::Wtf8(bytes) => Value::Wtf8(*bytes),
        }
    }
}

/// Writes WTF-8 with its surrogates as `\udXXX`.
fn visible(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    loop {
        match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                let (head, tail) = rest.split_at(rest.len().min(3));
                if let [_, second, third] = head {
                    let point = 0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f);
                    text.push_str(&format!("\\u{point:04x}"));
                }
                bytes = tail;
            }
        }
    }
}

/// Whether bytes are UTF-8 in which surrogates may stand on their own.
fn is_wtf8(mut bytes: &[u8]) -> bool {
    loop {
        match std::str::from_utf8(bytes) {
            Ok(_) => return true,
            Err(error) => match bytes.get(error.valid_up_to()..) {
                Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => bytes = rest,
                _ => return false,
            },
        }
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_visible())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_text(), f)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Utf8(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Utf8(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Utf8(text)
    }
}

impl<'a> From<Str<'a>> for Text<'a> {
    fn from(text: Str<'a>) -> Self {
        match text {
            Str::Utf8(text) => Self::Utf8(Cow::Borrowed(text)),
            Str::Wtf8(bytes) => Self::Wtf8(Box::new(Cow::Borrowed(bytes))),
        }
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_small_as_a_string() {
        assert_eq!(size_of::<Text<'_>>(), size_of::<String>());
    }

    #[test]
    fn surrogates_are_visible() {
        let rows: &[(&[u8], Option<&str>)] = &[
            (b"plain", Some("plain")),
            (b"\xed\xa0\x80", Some("\\ud800")),
            (b"a\xed\xbf\xbfb\xed\xb2\x80", Some("a\\udfffb\\udc80")),
            (b"\xff", None),
            (b"\xed\xa0", None),
        ];
        for (bytes, expected) in rows {
            for text in [Text::from_wtf8(*bytes), Text::from_wtf8(bytes.to_vec())] {
                assert_eq!(text.as_ref().map(Text::to_string).as_deref(), *expected);
                assert_eq!(text.map(|text| text.borrowed().into_owned().to_string()).as_deref(), *expected);
            }
        }
    }
}
