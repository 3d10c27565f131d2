//! The message of a record: what `LogRecord.getMessage()` gives in Python.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::field::Field;
use crate::percent::PercentFormat;
use crate::record::LogRecord;
use crate::text::Text;

impl LogRecord<'_> {
    /// The message with its arguments merged in, as `getMessage()` gives it.
    ///
    /// A record that a stock handler sent has its arguments merged in already, and then the text is
    /// borrowed. Where Python would raise, the message is the format with the exception behind
    /// it. What is formatted here ends at [`DEFAULT_MESSAGE_LIMIT`](crate::DEFAULT_MESSAGE_LIMIT)
    /// bytes or [`DEFAULT_MAX_DIRECTIVES`](crate::DEFAULT_MAX_DIRECTIVES) directives, visibly.
    ///
    /// ```
    /// use logrecord_model::{Field, LogRecord};
    /// use pickle_codec::Value;
    /// let mut record = LogRecord::builder("app", 20, "%d items").build();
    /// record.set(Field::Args, Value::tuple([3]));
    /// assert_eq!(record.message(), "3 items");
    /// record.set(Field::Args, Value::tuple(["x"]));
    /// assert!(record.message().to_visible().starts_with("%d items [TypeError: %d format: "));
    /// ```
    #[must_use]
    #[inline]
    pub fn message(&self) -> Text<'_> {
        if let (Some(msg), None) = (self.msg(), self.args()) {
            match msg {
                Value::Str(text) => return Text::Utf8(Cow::Borrowed(text)),
                Value::Wtf8(bytes) => return Text::Wtf8(Box::new(Cow::Borrowed(bytes))),
                _ => {}
            }
        }
        self.formatted_message()
    }

    #[inline(never)]
    fn formatted_message(&self) -> Text<'_> {
        let Some(msg) = self.msg() else {
            // An absent message is empty in `makeLogRecord`, a null one is formatted like any object.
            return if self.has(Field::Msg) { Text::from("None") } else { Text::EMPTY };
        };
        let format = PercentFormat::new();
        match format.message(msg, self.args().unwrap_or(&Value::None)) {
            Ok(message) => message,
            Err(error) => Text::from(format.refused(msg, &error)),
        }
    }
}
