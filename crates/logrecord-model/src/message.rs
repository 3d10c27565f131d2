//! The message of a record: what `LogRecord.getMessage()` gives in Python.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::field::Field;
use crate::record::LogRecord;
use python_format::PercentFormat;
use python_format::Text;

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
        let msg = match self.msg() {
            Some(msg) => msg,
            // A null message is formatted like any object.
            None if self.has(Field::Msg) => &Value::None,
            // An absent one is empty in `makeLogRecord`, and stays absent in the record's pickle, so that there
            // is nothing to merge arguments into.
            None => return Text::EMPTY,
        };
        let format = PercentFormat::new();
        match format.message(msg, self.args().unwrap_or(&Value::None)) {
            Ok(message) => message,
            Err(error) => Text::from(format.refused(msg, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_message_takes_arguments_as_any_other_and_an_absent_one_none() {
        let unused = "[TypeError: not all arguments converted during string formatting]";
        let one = || Value::tuple([1]);
        let dict = || Value::Dict(vec![(Value::from("a"), Value::Int(1))]);
        let rows = [
            (Some(Value::None), Value::None, String::from("None")),
            (Some(Value::None), one(), format!("None {unused}")),
            (Some(Value::None), dict(), String::from("None")),
            (None, Value::None, String::new()),
            (None, one(), String::new()),
            (None, dict(), String::new()),
        ];
        for (msg, args, expected) in rows {
            let mut record = LogRecord::from_pickle(b"}.").unwrap();
            if let Some(msg) = msg {
                record.set(Field::Msg, msg);
            }
            record.set(Field::Args, args.clone());
            assert_eq!(record.message(), *expected, "{args:?}");
        }
    }
}
