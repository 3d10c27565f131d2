//! Plain values in place of objects, for the attributes of a record that hold one type.

use pickle_codec::{KnownClass, Value};

use crate::field::Slot;

/// What an attribute takes of an object: the value of an enum's member or of a subclass of text or numbers, and the
/// text of a path. `None` if it does not take it.
pub(crate) fn plain<'a>(slot: Slot, value: &Value<'a>) -> Option<Value<'a>> {
    let Value::Object(object) = value else { return None };
    let is_bare = object.kwargs.is_none() && object.items.is_none() && object.pairs.is_none();
    match (slot, object.args.as_slice(), object.known) {
        (Slot::Text(_), _, Some(KnownClass::PosixPath | KnownClass::WindowsPath)) => {
            let mut text = String::new();
            value.py_str(&mut text, 4096).ok()?;
            Some(Value::from(text))
        }
        (slot, [value], None | Some(KnownClass::Instance | KnownClass::Enum | KnownClass::Allowed))
            if is_bare =>
        {
            let fits = match slot {
                Slot::Text(_) => matches!(value, Value::Str(_) | Value::Wtf8(_) | Value::Bytes(_)),
                Slot::Int(_) => matches!(value, Value::Int(_)),
                Slot::Float(_) => matches!(value, Value::Float(_) | Value::Int(_)),
                Slot::Value(_) => false,
            };
            fits.then(|| value.clone())
        }
        _ => None,
    }
}

/// UTF-8, or a character a byte.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A message of a subclass of text is text.
pub(crate) fn plain_text(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Object(mut object)
            if object.known == Some(KnownClass::Instance)
                && matches!(object.args.as_slice(), [Value::Str(_)]) =>
        {
            object.args.pop().unwrap_or_default()
        }
        other => other,
    }
}
