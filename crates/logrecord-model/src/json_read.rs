//! Records from the JSON that [`LogRecord::write_json`] writes, and serde in both directions.

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{Limits, Value};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::convert::Converter;
use crate::error::{Error, ErrorKind, Result};
use crate::field::Field;
use crate::record::{LogRecord, OwnedLogRecord};
use crate::time::parse_rfc3339;
use crate::tree::Tree;

impl LogRecord<'_> {
    /// Reads a record from one JSON object in the schema of [`write_json`](Self::write_json).
    ///
    /// `message` becomes `msg`; `time` counts where there is no `created`; `source` is passed over,
    /// because it says how a record came to somebody else. A member of another name is taken as an
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
                if let Some(slot) =
                    Field::ALL.iter().position(|have| *have == field).and_then(|at| own.get_mut(at))
                {
                    *slot = Some(value_of(tree));
                }
            }
            _ => extras.push((name, value_of(tree))),
        }
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
    for (key, value) in extras {
        record.push_member(key, value);
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
    Some(Converter::new(&limits, text.len()).value(document.root()).into_owned())
}

impl OwnedLogRecord {
    /// Adds a member of `extra`. An attribute's own name there is an odd value that was kept, unless
    /// the attribute is missing and would hold it.
    fn push_member(&mut self, key: String, value: Value<'static>) {
        match Field::from_name(key.as_bytes()) {
            Some(field) if self.has(field) => {}
            _ => self.set_extra(key, value),
        }
    }
}
