//! What is wrong with a configuration file: every fault at once, each with its place and the way out.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

#[derive(Debug)]
struct Problem {
    span: Range<usize>,
    text: String,
}

/// The faults of one file.
#[derive(Debug)]
pub(crate) struct Problems<'t> {
    file: String,
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    pub(super) const fn new(file: String, text: &'t str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// Notes a fault at a place of the file.
    pub(super) fn add(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.found.push(Problem { span, text: text.into() });
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In the order of the file.
    pub(super) fn sort(&mut self) {
        self.found.sort_by_key(|problem| problem.span.start);
    }
}

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.found.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            let start = problem.span.start.min(self.text.len());
            let before = self.text.get(..start).unwrap_or(self.text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            write!(f, "{}: line {line}, column {column}: {}", self.file, problem.text)?;
            let end = problem.span.end.clamp(start, self.text.len());
            let snippet =
                Snippet::source(self.text).line_start(1).annotation(AnnotationKind::Primary.span(start..end));
            let shown = Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)]);
            for line in shown.lines() {
                write!(f, "\n{line}")?;
            }
        }
        Ok(())
    }
}

/// `; did you mean x?` for a word that is nearly one of those that are expected, or all of them.
pub(super) fn expected<'w>(word: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    let near = words
        .clone()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance);
    if let Some((_, candidate)) = near {
        return format!("; did you mean `{candidate}`?");
    }
    let all: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match all.len() {
        0 => String::new(),
        _ => format!("; expected {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place_and_the_text_around_it() {
        let text = "a = 1\n[b]\nädress = 2\n";
        let mut problems = Problems::new("x.toml".to_owned(), text);
        problems.add(10..17, "unknown key `ädress`");
        problems.add(0..1, "no");
        problems.sort();
        let shown = problems.to_string();
        assert!(shown.starts_with("x.toml: line 1, column 1: no\n"), "{shown}");
        assert!(shown.contains("\nx.toml: line 3, column 1: unknown key `ädress`\n"), "{shown}");
        assert!(shown.contains("3 | ädress = 2") && shown.contains("^^^^^^"), "{shown}");
        // A place behind the end is the end.
        problems.add(99..100, "cut");
        assert!(problems.to_string().contains("x.toml: line 4, column 1: cut"));
    }

    #[test]
    fn a_near_word_is_named_and_else_all() {
        let words = ["address", "mode"];
        assert_eq!(expected("adress", words.iter().copied()), "; did you mean `address`?");
        assert_eq!(expected("what", words.iter().copied()), "; expected `address`, `mode`");
    }
}
