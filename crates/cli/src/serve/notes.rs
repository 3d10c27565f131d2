//! What is to be said of records that were written all the same, and how often.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use logrecord::model::{LogRecord, Written};

use super::report::Report;

/// Names that are counted one by one; those that come later are `other`. A sender chooses them.
const MAX_NAMES: usize = 256;

const OTHER: &str = "other";

/// Kind, name if there is one, and records.
pub(crate) type Noted = BTreeMap<(&'static str, String), u64>;

/// The notes of one run.
#[derive(Debug)]
pub(crate) struct Notes {
    noted: Mutex<Noted>,
    report: Arc<Report>,
}

impl Notes {
    pub(crate) fn new(report: Arc<Report>) -> Self {
        Self { noted: Mutex::default(), report }
    }

    /// Counts; gives whether it is the first time for this name, as far as names are kept.
    fn count(&self, kind: &'static str, name: &str) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (kind, name.to_owned());
        if !noted.contains_key(&key) && noted.len() >= MAX_NAMES {
            OTHER.clone_into(&mut key.1);
        }
        let count = noted.entry(key).or_default();
        *count += 1;
        *count == 1
    }

    pub(crate) fn counts(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is something to be said of a record that was written.
    pub(crate) fn has_any(record: &LogRecord<'_>, written: &Written) -> bool {
        written.cut
            || written.missing.is_some()
            || written.refused.is_some()
            || record.globals().next().is_some()
    }

    /// A record was written.
    pub(crate) fn written(&self, peer: &str, record: &LogRecord<'_>, written: &Written) {
        for global in record.globals() {
            self.described(peer, record, global);
        }
        if written.cut {
            self.count("cut", "");
            let logger = logger(record);
            self.report.say("cut", format_args!("from {peer}: a record of {logger:?} would become too long"));
        }
        if let Some(missing) = &written.missing {
            self.count("unformatted", "");
            let logger = logger(record);
            self.report.say(
                "format",
                format_args!("from {peer}: a record of {logger:?} has no {missing:?}; see --format-default"),
            );
        }
        if let Some(refused) = &written.refused {
            self.count("unformatted", "");
            let logger = logger(record);
            self.report.say(
                "format",
                format_args!("from {peer}: a record of {logger:?} does not suit it: {refused}"),
            );
        }
    }

    /// A name that a record bears is told when it is first met, and counted.
    fn described(&self, peer: &str, record: &LogRecord<'_>, global: &str) {
        let mut name = String::new();
        logrecord::model::escape_line(global, &mut name);
        if self.count("described", &name) {
            self.report.line(format_args!(
                "logrecord: described: {name} stands in a record of {:?} from {peer}; nothing of it was run \
                 (--allow-global {name} takes it out of this report)",
                logger(record)
            ));
        }
    }
}

impl fmt::Display for Notes {
    /// ` cut=1 described{os.system}=2`, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((kind, name), count) in &self.counts() {
            match name.as_str() {
                "" => write!(f, " {kind}={count}")?,
                name => write!(f, " {kind}{{{name}}}={count}")?,
            }
        }
        Ok(())
    }
}

/// The logger of a record, in a report.
pub(crate) fn logger(record: &LogRecord<'_>) -> String {
    record.name().map_or_else(|| "root".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_senders_choose_are_bounded() {
        let notes = Notes::new(Arc::new(Report::start().unwrap()));
        for number in 0..10_000 {
            notes.count("described", &format!("a.B{number}"));
        }
        let counts = notes.counts();
        assert_eq!(counts.len(), MAX_NAMES + 1);
        assert_eq!(counts[&("described", OTHER.to_owned())], 10_000 - MAX_NAMES as u64);
        assert!(notes.to_string().starts_with(" described{a.B0}=1 "));
    }
}
