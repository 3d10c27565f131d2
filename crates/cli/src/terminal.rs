//! What whoever runs the program wants to see: colours or none, few words or many.

use std::env;
use std::ffi::OsString;
use std::sync::OnceLock;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, ValueEnum as _};

use crate::args::{Cli, Color, Manners};

static MANNERS: OnceLock<Manners> = OnceLock::new();

/// Reads the command line. On a mistake, and with `--help` or `--version`, it ends the program.
pub(crate) fn parse() -> Cli {
    let words: Vec<OsString> = env::args_os().collect();
    // The parser writes help and mistakes by itself, before it could tell what `--color` says.
    let choice = match color_among(&words) {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let mut command = Cli::command().color(choice);
    let matches = command.try_get_matches_from_mut(words).unwrap_or_else(|error| error.exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
    MANNERS.get_or_init(|| cli.manners);
    cli
}

fn color_among(words: &[OsString]) -> Color {
    let mut words = words.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let told = if word == "--color" { words.next() } else { word.strip_prefix("--color=") };
        if let Some(color) = told.and_then(|told| Color::from_str(told, false).ok()) {
            return color;
        }
    }
    Color::Auto
}

/// Whether to say no more than what is wrong.
pub(crate) fn is_quiet() -> bool {
    MANNERS.get().is_some_and(|manners| manners.quiet)
}

/// Whether to say more than is usual.
pub(crate) fn is_verbose() -> bool {
    MANNERS.get().is_some_and(|manners| manners.verbose)
}

/// Whether to write colours to a stream that is a terminal, or is none.
pub(crate) fn colour(is_terminal: bool) -> bool {
    let color = MANNERS.get().map_or(Color::Auto, |manners| manners.color);
    decide(color, |name| env::var_os(name), is_terminal)
}

/// As <https://no-color.org> and <https://bixense.com/clicolors> ask for: a variable counts if it is not empty,
/// and `0` forces nothing.
fn decide(color: Color, variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if is_set("NO_COLOR") => false,
        Color::Auto if is_set("CLICOLOR_FORCE") => {
            variable("CLICOLOR_FORCE").is_some_and(|value| value != "0")
        }
        Color::Auto => {
            let is_dumb = variable("TERM").is_some_and(|value| value == "dumb");
            is_terminal && !is_dumb && variable("CLICOLOR").is_none_or(|value| value != "0")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (Color, &'static [(&'static str, &'static str)], bool, bool);

    #[test]
    fn color_rows() {
        // What is said, the variables, on a terminal, in a pipe.
        let rows: [Row; 10] = [
            (Color::Auto, &[], true, false),
            (Color::Auto, &[("NO_COLOR", "1")], false, false),
            (Color::Auto, &[("NO_COLOR", "")], true, false),
            (Color::Auto, &[("CLICOLOR_FORCE", "1")], true, true),
            (Color::Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Color::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
            (Color::Auto, &[("CLICOLOR", "0")], false, false),
            (Color::Auto, &[("TERM", "dumb")], false, false),
            (Color::Always, &[("NO_COLOR", "1")], true, true),
            (Color::Never, &[("CLICOLOR_FORCE", "1")], false, false),
        ];
        for (color, variables, terminal, pipe) in rows {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            let decided = (decide(color, variable, true), decide(color, variable, false));
            assert_eq!(decided, (terminal, pipe), "{color:?} {variables:?}");
        }
    }

    #[test]
    fn the_parser_is_told_of_colours_before_it_parses() {
        let rows: [(&[&str], Color); 5] = [
            (&["logrecord", "serve"], Color::Auto),
            (&["logrecord", "--color", "never", "--help"], Color::Never),
            (&["logrecord", "serve", "--color=always"], Color::Always),
            (&["logrecord", "--color", "sometimes"], Color::Auto),
            (&["logrecord", "inspect", "--", "--color=always"], Color::Auto),
        ];
        for (words, expected) in rows {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(color_among(&words), expected, "{words:?}");
        }
    }
}
