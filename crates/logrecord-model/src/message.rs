//! The message of a record: what `LogRecord.getMessage()` gives in Python.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::record::LogRecord;
use crate::text::Text;

impl LogRecord<'_> {
    /// The message with its arguments merged in, as `getMessage()` gives it.
    ///
    /// Nearly every record that was sent has its arguments merged in already, and then the text
    /// is borrowed.
    #[must_use]
    pub fn message(&self) -> Text<'_> {
        match self.msg() {
            None => Text::EMPTY,
            Some(Value::Str(text)) => Text::Utf8(Cow::Borrowed(text)),
            Some(Value::Wtf8(bytes)) => Text::Wtf8(Box::new(Cow::Borrowed(bytes))),
            Some(other) => Text::from(crate::tagged::repr(other)),
        }
    }
}
