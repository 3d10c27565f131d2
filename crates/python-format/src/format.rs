//! Format strings in Python's three styles, read once.

mod plan;
mod validate;

use self::plan::Piece;
use crate::brace::{Markup, brace};
use crate::dollar::{Part, Parts, dollar};
use crate::error::FormatError;
use crate::fields::Fields;
use crate::output::Output;
use crate::percent::{Arguments, percent};

/// The language of a format string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "Python has these three")]
pub enum Style {
    /// `%(message)s`, Python's `%` operator.
    #[default]
    Percent,
    /// `{message}`, Python's `str.format`.
    Brace,
    /// `${message}`, Python's `string.Template`.
    Dollar,
}

impl Style {
    /// The style that Python names by a character.
    #[must_use]
    pub const fn from_char(style: char) -> Option<Self> {
        match style {
            '%' => Some(Self::Percent),
            '{' => Some(Self::Brace),
            '$' => Some(Self::Dollar),
            _ => None,
        }
    }

    /// The format that stands for the message alone: that of a `logging.Formatter` that is given none.
    #[must_use]
    pub const fn default_format(self) -> &'static str {
        match self {
            Self::Percent => "%(message)s",
            Self::Brace => "{message}",
            Self::Dollar => "${message}",
        }
    }
}

/// What stands around one field, such as a colour of the terminal.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a field, and what stands before and behind it")]
pub struct Highlight<'h> {
    /// The field's name.
    pub name: &'h str,
    /// What stands before it.
    pub before: &'h str,
    /// What stands behind it.
    pub behind: &'h str,
}

/// A format string that takes its values by name, as those of `logging.Formatter` do.
///
/// ```
/// use pickle_codec::Value;
/// use python_format::{Format, Output, Style};
/// let format = Format::new(Style::Brace, "{user:>5}: {what!r}");
/// format.validate()?;
/// assert_eq!(format.names(), ["user", "what"]);
/// let fields = Value::dict([("user", Value::from("eve")), ("what", Value::from("x"))]);
/// let mut text = String::new();
/// format.write(&fields, false, None, &mut Output::new(&mut text, 1000, 1000, false))?;
/// assert_eq!(text, "  eve: 'x'");
/// # Ok::<(), python_format::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Format {
    style: Style,
    text: String,
    /// The pieces of a `%` format whose directives are all everyday ones.
    pieces: Option<Vec<Piece>>,
}

impl Format {
    /// Reads a format string.
    #[must_use]
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        let text = text.into();
        let pieces = if style == Style::Percent { plan::compile(&text) } else { None };
        Self { style, text, pieces }
    }

    /// The style.
    #[must_use]
    pub const fn style(&self) -> Style {
        self.style
    }

    /// The format string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The check that `logging.Formatter(validate=True)` makes, with its words.
    ///
    /// # Errors
    ///
    /// ValueError for a format string that Python refuses.
    pub fn validate(&self) -> Result<(), FormatError> {
        validate::validate(self.style, &self.text)
    }

    /// The names that the format asks for, each once; of `{name.attribute[key]}` the first.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        asked(self.style, &self.text)
    }

    /// Writes the format with its fields. Lenient, a field that is no number may stand where one is asked for by an
    /// everyday `%(name)5d`: a null as nothing, any other value as text.
    ///
    /// # Errors
    ///
    /// The exception that Python raises: a name that the fields lack, a directive that does not take its value.
    pub fn write(
        &self,
        fields: &dyn Fields,
        lenient: bool,
        highlight: Option<Highlight<'_>>,
        output: &mut Output<'_>,
    ) -> Result<(), FormatError> {
        match (self.style, &self.pieces) {
            (Style::Percent, Some(pieces)) => {
                for piece in pieces {
                    match (piece, highlight) {
                        (Piece::Literal(text), _) => output.push_str(text),
                        (Piece::Field(field), Some(highlight)) if *field.name == *highlight.name => {
                            output.push_str(highlight.before);
                            field.write(fields, lenient, output)?;
                            output.push_str(highlight.behind);
                        }
                        (Piece::Field(field), _) => field.write(fields, lenient, output)?,
                    }
                }
                Ok(())
            }
            (Style::Percent, None) => percent(&self.text, Arguments::Fields(fields), output),
            (Style::Brace, _) => brace(&self.text, fields, output),
            (Style::Dollar, _) => dollar(&self.text, fields, output),
        }
    }
}

/// The names that a format asks for, each once.
fn asked(style: Style, format: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut add = |name| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    match style {
        Style::Percent => {
            let mut rest = format;
            while let Some((_, after)) = rest.split_once('%') {
                rest = after;
                if let Some(after) = rest.strip_prefix('%') {
                    rest = after;
                } else if let Some((name, after)) =
                    rest.strip_prefix('(').and_then(|named| named.split_once(')'))
                {
                    add(name);
                    rest = after;
                }
            }
        }
        Style::Brace => {
            let mut markup = Markup { rest: format };
            while let Ok(Some(part)) = markup.next_part() {
                let Some(field) = part.field else { continue };
                add(field.name.split(['.', '[']).next().unwrap_or_default());
            }
        }
        Style::Dollar => {
            for part in Parts::new(format) {
                if let Part::Named(name) | Part::Braced(name) = part {
                    add(name);
                }
            }
        }
    }
    names
}
