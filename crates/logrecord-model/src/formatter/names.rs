//! What was meant by a name in a format that no record has.

use crate::Field;

/// What a format may ask for beside the attributes of a record.
const OTHERS: [&str; 4] = ["extra", "transport", "peer", "key_id"];

/// A name in a format that is no attribute of CPython's records; see
/// [`Formatter::unknown_names`](crate::Formatter::unknown_names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownName<'f> {
    /// The name.
    pub name: &'f str,
    /// The attribute that it is a misspelling of, by all appearances.
    pub meant: Option<&'static str>,
}

impl<'f> UnknownName<'f> {
    pub(super) fn new(name: &'f str) -> Self {
        let all = Field::ALL.into_iter().filter(|field| !matches!(field, Field::Msg | Field::Args));
        let names = all.map(Field::as_str).chain(OTHERS);
        // A third of the letters wrong is another word.
        let near = names
            .map(|known| (distance(name, known), known))
            .min()
            .filter(|(far, known)| far * 3 <= known.len());
        Self { name, meant: near.map(|(_, known)| known) }
    }
}

/// Whether a record, or what a receiver knows of it, may have this name.
pub(super) fn is_known(name: &str) -> bool {
    Field::from_name(name.as_bytes()).is_some() || OTHERS.contains(&name)
}

/// How many letters have to be put in, taken out, exchanged or swapped with the next, case aside.
fn distance(left: &str, right: &str) -> usize {
    /// Longer names are no misspelled attributes, and comparing them takes time.
    const LONGEST: usize = 32;
    if left.len() > LONGEST {
        return usize::MAX / 4;
    }
    let letters =
        |text: &str| text.to_lowercase().chars().filter(|letter| *letter != '_').collect::<Vec<_>>();
    let (left, right) = (letters(left), letters(right));
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, letter) in left.iter().enumerate() {
        let mut next = vec![place + 1];
        for (at, other) in right.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 4);
            let mut best = (get(&row, at) + usize::from(letter != other))
                .min(get(&row, at + 1) + 1)
                .min(get(&next, at) + 1);
            if place > 0 && at > 0 && left.get(place - 1) == Some(other) && right.get(at - 1) == Some(letter)
            {
                best = best.min(get(&before, at - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use python_format::{Format, Style};

    use super::*;

    #[test]
    fn names_and_what_they_mean() {
        type Row = (Style, &'static str, &'static [(&'static str, Option<&'static str>)]);
        let rows: &[Row] = &[
            (Style::Percent, "%(message)s %(levelname)-8s %%(no)s %(asctime)s", &[]),
            (
                Style::Percent,
                "%(mesage)s %(level)s %(user)s %(user)s",
                &[("mesage", Some("message")), ("level", Some("levelno")), ("user", None)],
            ),
            (
                Style::Brace,
                "{massage!r:>10} {extra[user]} {levleno} {{x}}",
                &[("massage", Some("message")), ("levleno", Some("levelno"))],
            ),
            (
                Style::Dollar,
                "$func_name ${threadname} $$ $request_id",
                &[("func_name", Some("funcName")), ("threadname", Some("threadName")), ("request_id", None)],
            ),
        ];
        for (style, format, expected) in rows {
            let parsed = Format::new(*style, *format);
            let unknown: Vec<_> = parsed
                .names()
                .into_iter()
                .filter(|name| !is_known(name))
                .map(UnknownName::new)
                .map(|unknown| (unknown.name, unknown.meant))
                .collect();
            assert_eq!(unknown, *expected, "{format}");
        }
    }
}
