//! How a record becomes a line: JSON, the text for a terminal, or a format of the user's own.

use anyhow::{Context as _, anyhow};
use logrecord::model::{Formatter, Style, UnknownName};
use logrecord::pickle::Value;
use logrecord_pipeline::outputs::LineFormat;

use super::Format;
use crate::args::StyleArg;
use crate::exit::Failure;

/// The format of `--format text`, before what makes it safe.
const TEXT: &str = "%(asctime)s %(levelname)-8s %(name)s %(message)s";

/// Reads a format. Where none is given, a terminal gets text and everything else JSON.
pub(crate) fn line_format(told: &Format, terminal: bool, colour: bool) -> anyhow::Result<LineFormat> {
    let format = match told.format.as_deref() {
        Some(format) => format,
        None if terminal => "text",
        None => "json",
    };
    if format == "json" {
        return Ok(LineFormat::Json);
    }
    let mut builder = Formatter::builder().safe(!told.raw).lenient(true);
    builder = if format == "text" {
        builder.format(TEXT).colour(colour && !told.raw)
    } else {
        builder.format(format).style(match told.style {
            StyleArg::Percent => Style::Percent,
            StyleArg::Brace => Style::Brace,
            StyleArg::Dollar => Style::Dollar,
        })
    };
    if let Some(datefmt) = &told.datefmt {
        builder = builder.date_format(datefmt);
    }
    for (name, value) in &told.defaults {
        builder = builder.default(name, Value::from(value.clone()));
    }
    let formatter = builder
        .build()
        .map_err(|error| anyhow!("--format {format:?}: {error}"))
        .context(Failure::usage("logging.Formatter would refuse this format"))?;
    Ok(LineFormat::Text(Box::new(formatter)))
}

/// What is likely to be a mistake in a format: names that no record has.
pub(crate) fn doubts(format: &LineFormat) -> Vec<String> {
    let LineFormat::Text(formatter) = format else { return Vec::new() };
    let doubt = |unknown: UnknownName<'_>| {
        let hint = match unknown.meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => {
                "where `extra` does not have it either, nothing is written; see --format-default".to_owned()
            }
        };
        format!("the format asks for {:?}, which is no attribute of a LogRecord; {hint}", unknown.name)
    };
    formatter.unknown_names().map(doubt).collect()
}
