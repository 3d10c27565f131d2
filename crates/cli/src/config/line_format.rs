//! How a record becomes a line: JSON, the text for a terminal, or a format of the user's own.

use anyhow::{Context as _, anyhow};
use clap::ValueEnum as _;
use logrecord::model::{Formatter, LogRecord, UnknownName, Written, output_limit};
use logrecord::pickle::Value;
use logrecord_pipeline::outputs::LineFormat;

use super::Format;
use crate::args::StyleArg;
use crate::exit::Failure;

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
        builder.text().colour(colour && !told.raw)
    } else {
        builder.format(format).style(told.style.into())
    };
    if let Some(datefmt) = &told.datefmt {
        builder = builder.date_format(datefmt);
    }
    for (name, value) in &told.defaults {
        builder = builder.default(name, Value::from(value.clone()));
    }
    let formatter = builder
        .build()
        .map_err(|error| anyhow!("--format {format:?}: {error}; {}", way_out(format, told.style)))
        .context(Failure::usage("logging.Formatter would refuse this format"))?;
    let (line, written) = sample(&formatter)?;
    if written.cut || line.len() > output_limit(0) {
        return Err(anyhow!("--format {format:?}: give it smaller widths"))
            .context(Failure::usage("with this format, every record would be too long"));
    }
    Ok(LineFormat::Text(Box::new(formatter)))
}

/// What may have been meant by a format that is none.
fn way_out(format: &str, style: StyleArg) -> String {
    let others = StyleArg::value_variants().iter().filter(|other| **other != style);
    let fits =
        |other: &&StyleArg| Formatter::builder().format(format).style((**other).into()).build().is_ok();
    let word = |style: StyleArg| {
        style.to_possible_value().map_or_else(String::new, |word| word.get_name().to_owned())
    };
    if let Some(other) = others.clone().find(fits) {
        return format!("did you mean --style '{}'?", word(*other));
    }
    let example = match style {
        StyleArg::Percent => "%(message)s",
        StyleArg::Brace => "{message}",
        StyleArg::Dollar => "$message",
    };
    format!("it needs names such as {example}, or is json or text")
}

/// What a record becomes that has next to nothing.
fn sample(formatter: &Formatter) -> anyhow::Result<(String, Written)> {
    let mut line = String::new();
    let record = LogRecord::builder("app", 20, "message").build();
    let written = formatter.format_into(&record, None, &mut line)?;
    Ok((line, written))
}

/// What is likely to be a mistake in a format: names that no record has, and what suits no record.
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
    let refused = sample(formatter).ok().and_then(|(_, written)| written.refused).map(|error| {
        format!(
            "the format may suit no record ({error}); what it does not suit is written as --format text does"
        )
    });
    formatter.unknown_names().map(doubt).chain(refused).collect()
}
