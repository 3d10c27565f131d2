//! Names of extra attributes.
use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_never_overwrite_attributes() {
        for (key, expected) in
            [("user", "user"), ("name", "name_"), ("message", "message_"), ("getMessage", "getMessage_")]
        {
            assert_eq!(extra_key(key), expected);
        }
    }
}
