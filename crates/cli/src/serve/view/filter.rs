//! The filter language of the live view: which records a viewer wants to see.
//!
//! ```text
//! level:warning logger:shop.db -logger:shop.db.pool "connection reset" user:42 since:15m
//! ```
//!
//! Words that are separated by white space must all hold. `docs/view.md` is the description; the page's script reads the
//! same language, and both are tested with the same rows.

use std::borrow::Cow;

use logrecord::model::{Level, LogRecord};
use logrecord_pipeline::Logged;
use serde_json::Value;

/// The most words of a filter.
const MAX_TERMS: usize = 64;

/// What one word asks for.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// At least this level.
    Level(i64),
    /// This logger, or one below it.
    Logger(String),
    /// The peer's address contains this.
    Peer(String),
    /// Signed with this key.
    Key(String),
    /// Not before this time, in seconds since 1970.
    Since(f64),
    /// Not behind this time.
    Until(f64),
    /// An attribute or an extra of this name has this value, or contains it.
    Attribute(String, String),
    /// Stands somewhere in the record's text, in any case.
    Text(String),
}

impl Test {
    /// Whether several words of this kind are alternatives.
    fn is_alternative_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Attribute(one, _), Self::Attribute(other, _)) => one == other,
            (Self::Logger(_), Self::Logger(_))
            | (Self::Peer(_), Self::Peer(_))
            | (Self::Key(_), Self::Key(_)) => true,
            _ => false,
        }
    }

    const fn needs_json(&self) -> bool {
        matches!(self, Self::Attribute(..) | Self::Text(_))
    }
}

/// Groups of which one test each must hold, and tests none of which may.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rules {
    any_of: Vec<Vec<Test>>,
    none_of: Vec<Test>,
}

impl Rules {
    fn add(&mut self, test: Test, negated: bool) {
        if negated {
            self.none_of.push(test);
            return;
        }
        let group = self
            .any_of
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| first.is_alternative_to(&test)));
        match group {
            Some(group) => group.push(test),
            None => self.any_of.push(vec![test]),
        }
    }

    const fn is_empty(&self) -> bool {
        self.any_of.is_empty() && self.none_of.is_empty()
    }

    fn hold(&self, mut holds: impl FnMut(&Test) -> bool) -> bool {
        self.any_of.iter().all(|group| group.iter().any(&mut holds)) && !self.none_of.iter().any(&mut holds)
    }
}

/// A filter that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// What can be told without the record's text.
    cheap: Rules,
    /// What is told by the record as JSON.
    deep: Rules,
}

impl Filter {
    /// Reads a filter; `now` is the time that `since:15m` counts from, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for whoever has typed it.
    pub(crate) fn parse(text: &str, now: f64) -> Result<Self, String> {
        let mut filter = Self::default();
        let terms = terms(text);
        if terms.len() > MAX_TERMS {
            return Err(format!("a filter has {MAX_TERMS} words at most"));
        }
        for Term { negated, name, value } in terms {
            let test = match name.as_deref().map(str::to_ascii_lowercase).as_deref() {
                None => Test::Text(value.to_lowercase()),
                Some("level") => Test::Level(level(&value)?),
                Some("logger") => Test::Logger(value),
                Some("peer") => Test::Peer(value),
                Some("key") => Test::Key(value),
                Some("since") => Test::Since(time(&value, now)?),
                Some("until") => Test::Until(time(&value, now)?),
                Some(_) => Test::Attribute(name.unwrap_or_default(), value.to_lowercase()),
            };
            let rules = if test.needs_json() { &mut filter.deep } else { &mut filter.cheap };
            rules.add(test, negated);
        }
        Ok(filter)
    }

    /// Whether [`wants_json`](Self::wants_json) has to be asked as well.
    pub(crate) const fn needs_json(&self) -> bool {
        !self.deep.is_empty()
    }

    /// Whether a record may be wanted, by what can be told without its text.
    pub(crate) fn wants(&self, record: &LogRecord<'_>, logged: &Logged<'_>) -> bool {
        if self.cheap.is_empty() {
            return true;
        }
        let name = record.name().map_or(Cow::Borrowed("root"), |name| name.to_visible());
        let received = logged.entry.received as f64 / 1e9;
        let time = record.created().unwrap_or(received);
        self.cheap.hold(|test| match test {
            Test::Level(least) => record.level().number() >= *least,
            Test::Logger(logger) => is_below(&name, logger),
            Test::Peer(part) => String::from_utf8_lossy(logged.entry.peer).contains(part.as_str()),
            Test::Key(id) => logged.entry.key_id == id.as_bytes(),
            Test::Since(least) => time >= *least,
            Test::Until(most) => time <= *most,
            Test::Attribute(..) | Test::Text(_) => false,
        })
    }

    /// Whether a record is wanted, by its line of JSON.
    pub(crate) fn wants_json(&self, line: &[u8]) -> bool {
        let mut json = serde_json::Deserializer::from_slice(line);
        // It is as deep as the values of a record, which have a cap.
        json.disable_recursion_limit();
        let Some(Ok(record)) = json.into_iter::<Value>().next() else { return false };
        let mut text = None;
        self.deep.hold(|test| match test {
            Test::Attribute(name, wanted) => {
                let extra = record.get("extra").and_then(|extra| extra.get(name));
                record.get(name).filter(|_| name != "extra").or(extra).is_some_and(|value| has(value, wanted))
            }
            Test::Text(wanted) => text.get_or_insert_with(|| haystack(&record)).contains(wanted.as_str()),
            _ => false,
        })
    }
}

/// Whether a logger is another one or stands below it, as in `logging`.
fn is_below(name: &str, logger: &str) -> bool {
    name.strip_prefix(logger).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a value is what was asked for: text contains it, a number is it, a container holds it.
fn has(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase().contains(wanted),
        Value::Number(number) => {
            let text = number.to_string();
            text == wanted || wanted.parse::<f64>().is_ok_and(|wanted| number.as_f64() == Some(wanted))
        }
        Value::Array(items) => items.iter().any(|item| has(item, wanted)),
        Value::Object(members) => members.values().any(|member| has(member, wanted)),
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Null => wanted == "null",
    }
}

/// Everything in which a word is searched, in lower case.
fn haystack(record: &Value) -> String {
    let mut text = String::new();
    for name in ["message", "name", "exc_text", "stack_info"] {
        if let Some(Value::String(value)) = record.get(name) {
            text.push_str(value);
            text.push('\n');
        }
    }
    if let Some(extra) = record.get("extra") {
        collect(extra, &mut text);
    }
    text.to_lowercase()
}

fn collect(value: &Value, text: &mut String) {
    match value {
        Value::String(value) => text.push_str(value),
        Value::Array(items) => items.iter().for_each(|item| collect(item, text)),
        Value::Object(members) => {
            for (name, member) in members {
                text.push_str(name);
                text.push('\n');
                collect(member, text);
            }
        }
        scalar => text.push_str(&scalar.to_string()),
    }
    text.push('\n');
}

/// One word of a filter.
#[derive(Debug, Default, PartialEq, Eq)]
struct Term {
    negated: bool,
    name: Option<String>,
    value: String,
}

/// Splits a filter into its words. Quotes hold a value together; in them `\` stands before `"` and `\`.
fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut term = Term::default();
        if let Some(more) =
            rest.strip_prefix('-').filter(|more| !more.is_empty() && !more.starts_with(char::is_whitespace))
        {
            term.negated = true;
            rest = more;
        }
        if let Some((name, more)) = name(rest) {
            term.name = Some(name.to_owned());
            rest = more;
        }
        let mut quoted = false;
        let mut letters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => quoted = !quoted,
                '\\' if quoted => term.value.extend(letters.next().map(|(_, letter)| letter)),
                _ if !quoted && letter.is_whitespace() => {
                    end = at;
                    break;
                }
                _ => term.value.push(letter),
            }
        }
        rest = rest.get(end..).unwrap_or_default().trim_start();
        if !term.value.is_empty() {
            terms.push(term);
        }
    }
    terms
}

/// A name and what comes behind its colon; not in `https://host`, `Error: text` or `10:30`.
fn name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let begins = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let goes_on = |letter: char| begins(letter) || letter.is_ascii_digit() || letter == '.';
    let is_name = name.starts_with(begins) && name.chars().all(goes_on);
    let has_value = !rest.is_empty() && !rest.starts_with("//") && !rest.starts_with(char::is_whitespace);
    (is_name && has_value).then_some((name, rest))
}

fn level(text: &str) -> Result<i64, String> {
    crate::units::level(text).map(Level::number).map_err(|expected| format!("level:{text}: {expected}"))
}

/// A time: RFC 3339, seconds since 1970, or so long ago.
fn time(text: &str, now: f64) -> Result<f64, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_duration().as_secs_f64());
    }
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        return Ok(seconds);
    }
    match crate::units::duration(text) {
        Ok(ago) => Ok(now - ago.as_secs_f64()),
        Err(_) => Err(format!(
            "{text}: expected a time such as 2026-01-02T03:04:05Z, or 15m for 15 minutes ago (s, m, h, d)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows that the page's script is tested with as well.
    #[test]
    fn every_row_of_the_shared_table_holds() {
        let table: Value = serde_json::from_str(include_str!("../../../tests/filters.json")).unwrap();
        let engine = logrecord::intake::Engine::new(logrecord::pickle::DecodeOptions::new());
        let records = table["records"].as_array().unwrap();
        for row in table["rows"].as_array().unwrap() {
            let text = row["filter"].as_str().unwrap();
            let filter = match Filter::parse(text, table["now"].as_f64().unwrap()) {
                Ok(filter) => filter,
                Err(error) => {
                    assert!(row.get("error").is_some(), "{text}: {error}");
                    continue;
                }
            };
            let mut found = Vec::new();
            for (place, json) in records.iter().enumerate() {
                let line = json.to_string();
                let record = LogRecord::from_json(&line).unwrap();
                let mut payload = Vec::new();
                record.to_pickle(&mut payload).unwrap();
                let record = engine.decoder().decode(&payload).unwrap().into_owned();
                let source = json.get("source").cloned().unwrap_or_default();
                let part = |name: &str| source[name].as_str().unwrap_or_default().to_owned();
                let (peer, key_id) = (part("peer"), part("key_id"));
                let entry = logrecord_spool::Entry {
                    peer: peer.as_bytes(),
                    key_id: key_id.as_bytes(),
                    ..logrecord_spool::Entry::default()
                };
                if wants(&filter, &record, &entry, line.as_bytes()) {
                    found.push(place as u64);
                }
            }
            let expected: Vec<u64> =
                row["found"].as_array().unwrap_or(&Vec::new()).iter().filter_map(Value::as_u64).collect();
            assert!(row.get("error").is_none(), "{text}");
            assert_eq!(found, expected, "{text}");
        }
    }

    fn wants(
        filter: &Filter,
        record: &LogRecord<'_>,
        entry: &logrecord_spool::Entry<'_>,
        line: &[u8],
    ) -> bool {
        let log = logrecord_pipeline::Log::memory(1 << 20);
        log.append([*entry]);
        let mut reader = log.reader(0);
        let logged = reader.read().unwrap().unwrap();
        filter.wants(record, &logged) && (!filter.needs_json() || filter.wants_json(line))
    }

    #[test]
    fn words_are_split_as_described() {
        let split = |text| terms(text).into_iter().map(|t| (t.negated, t.name, t.value)).collect::<Vec<_>>();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            split(r#"  a -b "c d" -level:error logger:"x \"y\\" http://h Error: 10:30 - -"#),
            vec![
                (false, None, "a".to_owned()),
                (true, None, "b".to_owned()),
                (false, None, "c d".to_owned()),
                (true, name("level"), "error".to_owned()),
                (false, name("logger"), "x \"y\\".to_owned()),
                (false, None, "http://h".to_owned()),
                (false, None, "Error:".to_owned()),
                (false, None, "10:30".to_owned()),
                (false, None, "-".to_owned()),
                (false, None, "-".to_owned()),
            ]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (text, part) in
            [("level:loud", "expected DEBUG"), ("since:yesterday", "15m"), (&"x ".repeat(65), "64")]
        {
            let error = Filter::parse(text, 0.0).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
