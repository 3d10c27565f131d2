//! A table of the file, from which options are taken one by one; what is left at the end is unknown.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problems::{Problems, expected};
use crate::units;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table while it is read.
pub(super) struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    span: Range<usize>,
    known: Vec<&'static str>,
    all: bool,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) const fn new(table: &'a DeTable<'i>, span: Range<usize>) -> Self {
        Self { table, span, known: Vec::new(), all: false }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Takes everything, because nobody knows what it should be.
    pub(super) fn know_all(&mut self) {
        self.all = true;
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn get(&mut self, name: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(name);
        self.table.get(name)
    }

    /// Takes an option; a value that `read` does not take is a fault at its place.
    pub(super) fn take<T>(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let found = self.get(name)?;
        match read(found.get_ref()) {
            Ok(value) => Some(At { value, span: found.span() }),
            Err(text) => {
                problems.add(found.span(), format!("`{name}`: {text}"));
                None
            }
        }
    }

    pub(super) fn text(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Option<At<String>> {
        self.take(problems, name, text)
    }

    /// Text in which a word of one's own reads a value.
    pub(super) fn parse<T>(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        self.take(problems, name, |value| read(&text(value)?))
    }

    /// One text or a list of them.
    pub(super) fn texts(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<Vec<At<String>>> {
        let found = self.get(name)?;
        let listed: Vec<_> = match found.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            _ => vec![found],
        };
        let mut texts = Vec::new();
        for value in listed {
            match text(value.get_ref()) {
                Ok(text) => texts.push(At { value: text, span: value.span() }),
                Err(error) => problems.add(value.span(), format!("`{name}`: {error}")),
            }
        }
        Some(texts)
    }

    pub(super) fn flag(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Option<bool> {
        let read = |value: &DeValue<'_>| {
            value.as_bool().ok_or_else(|| format!("expected true or false, found {}", value.type_str()))
        };
        self.take(problems, name, read).map(|found| found.value)
    }

    pub(super) fn number(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Option<At<u64>> {
        self.take(problems, name, |value| {
            let integer = value.as_integer();
            integer
                .and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok())
                .ok_or_else(|| format!("expected a whole number, found {}", value.type_str()))
        })
    }

    /// A number of bytes: text with a unit.
    pub(super) fn size(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Option<At<u64>> {
        self.parse(problems, name, units::bytes)
    }

    pub(super) fn duration(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<At<Duration>> {
        self.parse(problems, name, units::duration)
    }

    pub(super) fn path(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Option<At<PathBuf>> {
        let found = self.text(problems, name)?;
        Some(At { value: PathBuf::from(found.value), span: found.span })
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Option<At<T>> {
        self.parse(problems, name, |found| {
            words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value).ok_or_else(|| {
                format!("unknown word {found:?}{}", expected(found, words.iter().map(|(word, _)| *word)))
            })
        })
    }

    pub(super) fn table(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Option<Self> {
        let found = self.get(name)?;
        let Some(table) = found.get_ref().as_table() else {
            let kind = found.get_ref().type_str();
            problems.add(found.span(), format!("`{name}`: expected a table, found {kind}"));
            return None;
        };
        Some(Self::new(table, found.span()))
    }

    /// The tables of `[[name]]`.
    pub(super) fn tables(&mut self, problems: &mut Problems<'_>, name: &'static str) -> Vec<Self> {
        let Some(found) = self.get(name) else { return Vec::new() };
        let mut tables = Vec::new();
        match found.get_ref() {
            DeValue::Array(array) if array.iter().all(|entry| entry.get_ref().is_table()) => {
                for entry in array.iter() {
                    tables.extend(entry.get_ref().as_table().map(|table| Self::new(table, entry.span())));
                }
            }
            _ => problems.add(found.span(), format!("`{name}` is a list of tables: write [[{name}]]")),
        }
        tables
    }

    /// The entries of a table whose keys are names of the user's own.
    pub(super) fn entries(&self) -> impl Iterator<Item = (At<String>, &'a Spanned<DeValue<'i>>)> {
        self.table
            .iter()
            .map(|(name, value)| (At { value: name.get_ref().to_string(), span: name.span() }, value))
    }

    /// Everything must have been taken.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for name in self.table.keys() {
            let word: &str = name.get_ref();
            if !self.all && !self.known.contains(&word) {
                let known = self.known.iter().copied();
                problems.add(name.span(), format!("unknown key `{word}`{}", expected(word, known)));
            }
        }
    }
}

pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("expected text in quotes, found {}", value.type_str()))
}
