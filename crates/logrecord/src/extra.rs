//! Names of extra attributes, and the texts of values of the caller's own.
use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use logrecord_model::Field;

/// The name under which a key of the caller's own goes into `extra`.
///
/// A key that is an attribute's name would overwrite the attribute, and `getMessage` would hide the method
/// of that name at a Python receiver; both get an underscore behind them. (Python's loggers refuse such a
/// record, which costs more than a name.)
pub(crate) fn extra_key(key: &str) -> Cow<'_, str> {
    if Field::from_name(key.as_bytes()).is_some() || key == "getMessage" {
        Cow::Owned(format!("{key}_"))
    } else {
        Cow::Borrowed(key)
    }
}

/// The text of something of the caller's own. An implementation of `Display` or `Debug` that fails must not end the
/// program for a line in a log, as `to_string` would; what it wrote before stays.
pub(crate) fn text(shown: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    if text.write_fmt(shown).is_err() {
        text.push_str("(formatting failed)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_that_fails_leaves_what_it_wrote() {
        struct Fails;
        impl fmt::Display for Fails {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half ")?;
                Err(fmt::Error)
            }
        }
        assert_eq!(text(format_args!("a {}", Fails)), "a half (formatting failed)");
        assert_eq!(text(format_args!("{}", 1)), "1");
    }

    #[test]
    fn extras_never_overwrite_attributes() {
        for (key, expected) in
            [("user", "user"), ("name", "name_"), ("message", "message_"), ("getMessage", "getMessage_")]
        {
            assert_eq!(extra_key(key), expected);
        }
    }
}
