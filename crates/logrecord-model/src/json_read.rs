//! Records from the JSON that [`LogRecord::write_json`] writes, and serde in both directions.

use std::collections::HashMap;

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{Limits, Value};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::convert::{Converter, Kept};
use crate::error::{Error, ErrorKind, Result};
use crate::field::Field;
use crate::record::{LogRecord, OwnedLogRecord};
use crate::time::parse_rfc3339;
use crate::tree::Tree;

impl LogRecord<'_> {
    /// Reads a record from one JSON object in the schema of [`write_json`](Self::write_json).
    ///
    /// `message` becomes `msg`; `time` counts where there is no `created`; `source`, `globals` and `cut` are
    /// passed over, because they say how a record came to somebody else. A member of another name is taken as an
    /// extra. Attributes come in the order in which CPython sends them.
    ///
    /// ```
    /// use logrecord_model::LogRecord;
    /// let record = LogRecord::from_json(r#"{"levelno":30,"message":"low disk","extra":{"free":{"$tuple":[1,2]}}}"#)?;
    /// assert_eq!((record.levelno(), record.message().as_str()), (Some(30), Some("low disk")));
    /// # Ok::<(), logrecord_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Json`](ErrorKind::Json) if the text is not a JSON object, or its `extra` is not one.
    pub fn from_json(text: &str) -> Result<OwnedLogRecord> {
        let tree = serde_json::from_str(text)
            .map_err(|error| Error::with_message(ErrorKind::Json, &error.to_string()))?;
        from_tree(tree)
    }
}

impl Serialize for LogRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_json();
        let mut json = serde_json::Deserializer::from_str(&text);
        // Its own text is as deep as the values in it, which have a cap.
        json.disable_recursion_limit();
        Tree::deserialize(&mut json).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnedLogRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_tree(Tree::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn from_tree(tree: Tree) -> Result<OwnedLogRecord> {
    let Tree::Map(members) = tree else {
        return Err(Error::with_message(ErrorKind::Json, "not an object"));
    };
    let mut own: [Option<Value<'static>>; Field::ALL.len()] = [const { None }; Field::ALL.len()];
    let place = |field: Field| Field::ALL.iter().position(|have| *have == field);
    let mut extras = Vec::new();
    let mut time = None;
    for (name, tree) in members {
        let field = match &*name {
            "message" => Some(Field::Msg),
            other => Field::from_name(other.as_bytes()),
        };
        match (&*name, field) {
            ("time", _) => time = Some(tree),
            ("source", _) => {}
            // What a receiver says about the record, not what the record says.
            ("cut", _) if matches!(tree, Tree::Bool(_)) => {}
            ("globals", _) if matches!(tree, Tree::List(_)) => {}
            ("extra", _) => match tree {
                Tree::Map(members) => {
                    for (key, tree) in members {
                        let key = match key.strip_prefix('$') {
                            Some(rest) if rest.starts_with('$') => rest.to_owned(),
                            _ => key,
                        };
                        extras.push((key, value_of(tree)));
                    }
                }
                Tree::Null => {}
                _ => return Err(Error::with_message(ErrorKind::Json, "extra is not an object")),
            },
            (_, Some(field)) => {
                if let Some(slot) = place(field).and_then(|at| own.get_mut(at)) {
                    *slot = Some(value_of(tree));
                }
            }
            _ => extras.push((name, value_of(tree))),
        }
    }
    // The traceback of python-json-logger and its likes.
    if let (Some(info), Some(text)) = (place(Field::ExcInfo), place(Field::ExcText))
        && let Ok([info @ Some(Value::Str(_)), text @ None]) = own.get_disjoint_mut([info, text])
    {
        *text = info.take();
    }
    let mut record = LogRecord::new();
    for (field, value) in Field::ALL.into_iter().zip(own) {
        match (field, value) {
            (Field::Created, None) => {
                if let Some(Tree::Str(text)) = &time
                    && let Some(created) = parse_rfc3339(text)
                {
                    record.set(field, Value::Float(created));
                }
            }
            (_, Some(value)) => record.set(field, value),
            _ => {}
        }
    }
    // An attribute's own name among the extras is an odd value that was kept, unless the attribute is
    // missing and holds it. Of equal keys the last counts, as in Python; a search for each would
    // take too long where there are many.
    let mut places = HashMap::with_capacity(extras.len());
    for (key, value) in extras {
        match Field::from_name(key.as_bytes()) {
            Some(field) if record.has(field) => {}
            Some(field) if record.is_odd(field) => {
                let name = field.as_str();
                let odd = record.extra.iter_mut().find(|extra| extra.key.as_str() == Some(name));
                if let Some(extra) = odd {
                    extra.value = value;
                }
            }
            Some(field) => record.set(field, value),
            None => match places.get(&key).and_then(|place: &usize| record.extra.get_mut(*place)) {
                Some(extra) => extra.value = value,
                None => {
                    places.insert(key.clone(), record.extra.len());
                    record.push_extra(Value::from(key), value);
                }
            },
        }
    }
    Ok(record)
}

/// The value of a tree, which is tagged JSON. A tag that stands for a name or a call (a datetime, say)
/// gives what is under it, as text or plain values, because a record does not fail for an extra.
fn value_of(tree: Tree) -> Value<'static> {
    match tree {
        Tree::Null => Value::None,
        Tree::Bool(value) => Value::Bool(value),
        Tree::Int(number) => Value::Int(number),
        Tree::Float(number) => Value::Float(number),
        Tree::Str(text) => Value::from(text),
        Tree::List(items) => Value::List(items.into_iter().map(value_of).collect()),
        Tree::Map(mut pairs) => {
            if !pairs.iter().any(|(key, _)| key.starts_with('$')) {
                return Value::Dict(
                    pairs.into_iter().map(|(key, value)| (Value::from(key), value_of(value))).collect(),
                );
            }
            let tree = Tree::Map(pairs);
            if let Some(value) = tagged_value(&tree) {
                return value;
            }
            pairs = match tree {
                Tree::Map(pairs) => pairs,
                _ => Vec::new(),
            };
            match (pairs.pop(), pairs.is_empty()) {
                (Some((_, value)), true) => value_of(value),
                (Some(last), false) => {
                    pairs.push(last);
                    Value::Dict(
                        pairs.into_iter().map(|(key, value)| (Value::from(key), value_of(value))).collect(),
                    )
                }
                (None, _) => Value::Dict(Vec::new()),
            }
        }
        tree @ Tree::Unsigned(_) => tagged_value(&tree).unwrap_or(Value::None),
    }
}

/// The value of a tag, if it stands for a value without a class.
fn tagged_value(tree: &Tree) -> Option<Value<'static>> {
    let mut text = Vec::new();
    tree.write(&mut text);
    let text = String::from_utf8(text).ok()?;
    let limits = Limits::default();
    let document = tagged::from_str(&text, &TaggedOptions::new().limits(limits)).ok()?;
    Some(match Converter::new(&limits, text.len()).value(document.root()) {
        Kept::Value(value) => value.into_owned(),
        Kept::Note(note) => note.into_value(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_find_their_places() {
        let text = r#"{"source":{"transport":"tcp"},"extra":{"k":1,"levelno":"low","$$d":2,"levelno":"high","k":3},
            "message":"m","time":"1970-01-01T00:00:01Z","user":{"$tuple":[1]},"levelname":null}"#;
        let record = LogRecord::from_json(text).unwrap();
        assert_eq!(record.created(), Some(1.0));
        assert!(record.is_odd(Field::LevelNo));
        assert!(record.has(Field::LevelName) && record.levelname().is_none());
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:01.000000Z","message":"m","created":1.0,"#,
            r#""extra":{"k":3,"levelno":"high","$$d":2,"user":{"$tuple":[1]}}}"#
        );
        assert_eq!(record.to_json(), expected);
    }

    #[test]
    fn a_traceback_under_another_name_is_kept() {
        let record = LogRecord::from_json(r#"{"message":"m","exc_info":"Traceback: x"}"#).unwrap();
        assert_eq!(record.to_json(), r#"{"message":"m","exc_text":"Traceback: x"}"#);
        let record = LogRecord::from_json(r#"{"message":"m","exc_info":true,"exc_text":"T"}"#).unwrap();
        assert_eq!(record.to_json(), r#"{"message":"m","exc_text":"T","extra":{"exc_info":true}}"#);
    }

    #[test]
    fn many_members_take_little_time() {
        let members: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":{n}")).collect();
        let record = LogRecord::from_json(&format!("{{\"extra\":{{{}}}}}", members.join(","))).unwrap();
        assert_eq!(record.extra().len(), 200_000);
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for text in ["", "[]", "1", "{", r#"{"extra":[]}"#, "{}x"] {
            assert_eq!(LogRecord::from_json(text).unwrap_err().kind(), ErrorKind::Json, "{text}");
        }
        let known = LogRecord::from_json(
            r#"{"extra":{"when":{"$datetime":"2026-01-02T03:04:05"},"n":18446744073709551616}}"#,
        );
        assert_eq!(
            known.unwrap().to_json(),
            r#"{"message":"","extra":{"when":{"$datetime":"2026-01-02T03:04:05"},"n":1.8446744073709552e+19}}"#
        );
    }
}
