//! What a viewer is told of all records, whatever its filter says: how many there were since it was told last.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use logrecord::model::{Level, LogRecord};
use logrecord_pipeline::Logged;
use serde_json::{Value, json};

use crate::serve::receive::TRANSPORTS;

/// Loggers that are counted one by one in one report; more are `other`. Whoever sends chooses them.
const MAX_LOGGERS: usize = 5_000;

/// Letters of a logger's name.
const MAX_NAME: usize = 200;

/// Senders that are counted one by one in one report.
const MAX_SENDERS: usize = 1_000;

/// The newest seconds for which records are counted by level.
const MAX_SECONDS: usize = 3_600;

pub(super) const OTHER: &str = "other";

/// Records by level: below DEBUG, DEBUG, INFO, WARNING, ERROR, CRITICAL; a level between two of them is the lower one.
type Levels = [u64; 6];

fn group(level: Level) -> usize {
    match level.number() {
        ..10 => 0,
        10..20 => 1,
        20..30 => 2,
        30..40 => 3,
        40..50 => 4,
        50.. => 5,
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Sender {
    transport: &'static str,
    peer: String,
    key_id: String,
}

/// Counts since the last report.
#[derive(Debug, Default)]
pub(super) struct Tally {
    levels: Levels,
    loggers: HashMap<String, u64>,
    senders: HashMap<Sender, u64>,
    seconds: BTreeMap<i64, Levels>,
}

impl Tally {
    pub(super) fn add(&mut self, record: &LogRecord<'_>, logged: &Logged<'_>) {
        let group = group(record.level());
        let one = |levels: &mut Levels| levels.iter_mut().skip(group).take(1).for_each(|count| *count += 1);
        one(&mut self.levels);
        let second = logged.entry.received.div_euclid(1_000_000_000);
        one(self.seconds.entry(second).or_default());
        if self.seconds.len() > MAX_SECONDS {
            self.seconds.pop_first();
        }
        let name = record.name().map_or(Cow::Borrowed("root"), |name| name.to_visible());
        let name = match name.char_indices().nth(MAX_NAME) {
            Some((end, _)) => name.get(..end).unwrap_or_default(),
            None => &name,
        };
        match self.loggers.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                let name = if self.loggers.len() < MAX_LOGGERS { name } else { OTHER };
                *self.loggers.entry(name.to_owned()).or_default() += 1;
            }
        }
        let entry = &logged.entry;
        let sender = Sender {
            transport: TRANSPORTS.get(usize::from(entry.listener)).copied().unwrap_or("log"),
            peer: String::from_utf8_lossy(entry.peer).into_owned(),
            key_id: String::from_utf8_lossy(entry.key_id).into_owned(),
        };
        let known = self.senders.len() < MAX_SENDERS || self.senders.contains_key(&sender);
        let other = Sender { transport: sender.transport, peer: OTHER.to_owned(), key_id: String::new() };
        *self.senders.entry(if known { sender } else { other }).or_default() += 1;
    }

    /// The members of a report; the counts begin anew.
    pub(super) fn take(&mut self) -> [(&'static str, Value); 4] {
        let Self { levels, loggers, senders, seconds } = std::mem::take(self);
        let senders: Vec<Value> = senders
            .into_iter()
            .map(|(sender, count)| json!([sender.transport, sender.peer, sender.key_id, count]))
            .collect();
        [
            ("levels", json!(levels)),
            ("loggers", loggers.into_iter().map(|(name, count)| (name, json!(count))).collect()),
            ("senders", senders.into()),
            ("seconds", seconds.into_iter().map(|(second, levels)| json!([second, levels])).collect()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_between_python_s_are_the_lower_one() {
        let rows =
            [(i64::MIN, 0), (0, 0), (9, 0), (10, 1), (25, 2), (30, 3), (49, 4), (50, 5), (i64::MAX, 5)];
        for (number, expected) in rows {
            assert_eq!(group(Level::new(number)), expected, "{number}");
        }
    }

    #[test]
    fn what_senders_choose_is_bounded() {
        let log = logrecord_pipeline::Log::memory(64 << 20);
        let mut tally = Tally::default();
        let mut reader = log.reader(0);
        for number in 0..6_000_u64 {
            let peer = format!("192.0.2.1:{number}");
            let entry = logrecord_spool::Entry {
                peer: peer.as_bytes(),
                received: i64::try_from(number).unwrap() * 1_000_000_000,
                ..logrecord_spool::Entry::default()
            };
            log.append([entry]);
            let record = LogRecord::builder(format!("{number}{}", "x".repeat(1_000)), 20, "m").build();
            tally.add(&record, &reader.read().unwrap().unwrap());
        }
        let report: BTreeMap<_, _> = tally.take().into_iter().collect();
        assert_eq!(report["levels"], json!([0, 0, 6_000, 0, 0, 0]));
        assert_eq!(report["loggers"].as_object().unwrap().len(), MAX_LOGGERS + 1);
        assert_eq!(report["loggers"][OTHER], 1_000);
        assert!(report["loggers"].as_object().unwrap().keys().all(|name| name.len() <= MAX_NAME));
        assert_eq!(report["senders"].as_array().unwrap().len(), MAX_SENDERS + 1);
        assert_eq!(report["seconds"].as_array().unwrap().len(), MAX_SECONDS);
        assert_eq!(tally.take()[0].1, json!([0, 0, 0, 0, 0, 0]));
    }
}
