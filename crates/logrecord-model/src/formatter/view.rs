//! A record as its format sees it.

use std::borrow::Cow;
use std::cell::Cell;

use pickle_codec::Value;

use crate::created::seconds_of;
use crate::json::SourceInfo;
use crate::{Field, LogRecord, Text};
use python_format::Fields;

/// A record with message and time filled in, its source and all its extras, and defaults behind it.
pub(super) struct View<'r> {
    pub(super) record: &'r dyn Fields,
    pub(super) source: Option<&'r SourceInfo<'r>>,
    pub(super) message: Text<'r>,
    pub(super) asctime: Option<String>,
    pub(super) defaults: &'r [(String, Value<'static>)],
    /// Whether a name that is nowhere is empty text, and no error.
    pub(super) lenient: bool,
    /// The first name that was nowhere.
    pub(super) missing: Cell<Option<Box<str>>>,
}

impl View<'_> {
    fn default(&self, name: &str) -> Option<&Value<'static>> {
        self.defaults.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// What the receiver knows of the record. The record itself cannot say it.
    fn of_source(&self, name: &str) -> Option<Option<&str>> {
        let source = self.source?;
        Some(match name {
            "transport" => Some(source.transport),
            "peer" => source.peer,
            "key_id" => source.key_id,
            _ => return None,
        })
    }

    #[cold]
    fn lacking(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        if !self.lenient {
            return None;
        }
        let first = self.missing.take().unwrap_or_else(|| name.into());
        self.missing.set(Some(first));
        Some(Cow::Owned(Value::from("")))
    }
}

impl Fields for View<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        match (name, &self.asctime) {
            ("message", _) => return Some(Cow::Owned(self.message.borrowed().into_value())),
            ("asctime", Some(asctime)) => return Some(Cow::Owned(Value::from(asctime.as_str()))),
            _ => {}
        }
        if let Some(known) = self.of_source(name) {
            return Some(Cow::Owned(Value::from(known.unwrap_or_default())));
        }
        if let Some(value) = self.record.field(name) {
            if self.lenient
                && name == "created"
                && let Some(seconds) = seconds_of(&value)
            {
                return Some(Cow::Owned(Value::Float(seconds)));
            }
            return Some(value);
        }
        if let Some(value) = self.default(name) {
            return Some(Cow::Borrowed(value));
        }
        if name == "extra"
            && let Some(extra) = self.record.extra()
        {
            return Some(Cow::Owned(extra));
        }
        self.lacking(name)
    }

    fn all(&self) -> Value<'_> {
        let mut pairs: Vec<(Value<'_>, Value<'_>)> = Vec::new();
        if let Value::Dict(own) = self.record.all() {
            for (name, value) in self.defaults {
                if self.record.field(name).is_none() {
                    pairs.push((Value::from(name.as_str()), value.clone()));
                }
            }
            pairs.extend(own);
        }
        let message = Some(self.message.borrowed().into_value());
        let asctime = self.asctime.as_deref().map(Value::from);
        for (name, value) in [("message", message), ("asctime", asctime)] {
            let Some(value) = value else { continue };
            match pairs.iter_mut().find(|(key, _)| matches!(key, Value::Str(key) if key == name)) {
                Some((_, old)) => *old = value,
                None => pairs.push((Value::from(name), value)),
            }
        }
        Value::Dict(pairs)
    }
}

impl Fields for LogRecord<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        self.attribute(name)
    }

    fn all(&self) -> Value<'_> {
        let mut pairs = Vec::new();
        for field in Field::ALL {
            let is_late = matches!(field, Field::Message | Field::AscTime);
            if is_late || (field == Field::TaskName && !self.has(field)) {
                continue;
            }
            if let Some(value) = self.attribute(field.as_str()) {
                pairs.push((Value::from(field.as_str()), value.into_owned()));
            }
        }
        pairs.extend(self.extra().map(|(key, value)| (key.clone(), value.clone())));
        Value::Dict(pairs)
    }

    fn extra(&self) -> Option<Value<'_>> {
        Some(Value::Dict(self.extra().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
