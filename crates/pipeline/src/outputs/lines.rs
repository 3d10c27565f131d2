//! Records as lines, for files and standard output.

use logrecord::model::{Formatter, LogRecord, SourceInfo};

use crate::output::{Encoder, Logged};

/// How a line looks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LineFormat {
    /// One JSON object.
    Json,
    /// `logging.Formatter`'s text.
    Text(Box<Formatter>),
}

/// Makes lines.
#[derive(Clone, Debug)]
pub struct Lines {
    format: LineFormat,
    /// The scheme of each listener.
    transports: Vec<&'static str>,
    text: String,
}

impl Lines {
    /// Lines of a format; `transports` has the scheme of each listener, by its number in the log's entries.
    pub const fn new(format: LineFormat, transports: Vec<&'static str>) -> Self {
        Self { format, transports, text: String::new() }
    }
}

impl Encoder for Lines {
    fn encode(
        &mut self,
        record: &LogRecord<'_>,
        logged: &Logged<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let entry = &logged.entry;
        let text = |bytes| str::from_utf8(bytes).ok().filter(|text: &&str| !text.is_empty());
        let source = SourceInfo {
            transport: self.transports.get(usize::from(entry.listener)).copied().unwrap_or("log"),
            peer: text(entry.peer),
            key_id: text(entry.key_id),
        };
        match &self.format {
            LineFormat::Json => drop(record.write_json(Some(&source), out)),
            LineFormat::Text(formatter) => {
                self.text.clear();
                formatter.format_into(record, Some(&source), &mut self.text).map_err(|_| "format")?;
                out.extend_from_slice(self.text.as_bytes());
            }
        }
        out.push(b'\n');
        Ok(())
    }
}
