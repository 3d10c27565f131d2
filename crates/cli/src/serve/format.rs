//! How a record becomes a line: JSON, the text for a terminal, or a format of the user's own.

use anyhow::{Context as _, anyhow};
use logrecord::model::{FormatError, Formatter, LogRecord, SourceInfo, Style, UnknownName, Written};
use logrecord::pickle::Value;

use crate::args::StyleArg;
use crate::config::Format;
use crate::exit::Failure;

/// The format of `--format text`, before what makes it safe.
const TEXT: &str = "%(asctime)s %(levelname)-8s %(name)s %(message)s";

/// A format that is ready for records.
pub(crate) enum Formatting {
    Json,
    Text(Box<Formatter>),
}

impl Formatting {
    /// Reads a format. Where none is given, a terminal gets text and everything else JSON.
    pub(crate) fn new(told: &Format, terminal: bool) -> anyhow::Result<Self> {
        let format = match told.format.as_deref() {
            Some(format) => format,
            None if terminal => "text",
            None => "json",
        };
        if format == "json" {
            return Ok(Self::Json);
        }
        let mut builder = Formatter::builder().safe(!told.raw).lenient(true);
        builder = if format == "text" {
            builder.format(TEXT).colour(terminal && !told.raw)
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
        Ok(Self::Text(Box::new(formatter)))
    }

    /// What is likely to be a mistake in the format: names that no record has.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let Self::Text(formatter) = self else { return Vec::new() };
        let doubt = |unknown: UnknownName<'_>| {
            let hint = match unknown.meant {
                Some(meant) => format!("did you mean {meant}?"),
                None => "where `extra` does not have it either, nothing is written; see --format-default"
                    .to_owned(),
            };
            format!("the format asks for {:?}, which is no attribute of a LogRecord; {hint}", unknown.name)
        };
        formatter.unknown_names().map(doubt).collect()
    }

    /// Writes one record.
    pub(crate) fn write(
        &self,
        record: &LogRecord<'_>,
        source: &SourceInfo<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Written, FormatError> {
        let written = match self {
            Self::Json => record.write_json(Some(source), out),
            Self::Text(formatter) => {
                let mut text = String::new();
                let written = formatter.format_into(record, Some(source), &mut text)?;
                out.extend_from_slice(text.as_bytes());
                written
            }
        };
        out.push(b'\n');
        Ok(written)
    }
}
