//! Records as lines, for files and standard output.

use std::fmt;
use std::sync::Arc;

use logrecord::model::{Formatter, LogRecord, SourceInfo, Written};

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

/// Is told of each record that was written, with its peer and what writing it came to.
pub type OnWritten = Arc<dyn Fn(&str, &LogRecord<'_>, &Written) + Send + Sync>;

/// Makes lines.
#[derive(Clone)]
pub struct Lines {
    format: LineFormat,
    on_written: Option<OnWritten>,
    /// The scheme of each listener.
    transports: Vec<&'static str>,
    text: String,
}

impl Lines {
    /// Lines of a format; `transports` has the scheme of each listener, by its number in the log's entries.
    pub const fn new(format: LineFormat, transports: Vec<&'static str>) -> Self {
        Self { format, on_written: None, transports, text: String::new() }
    }

    /// Tells somebody of each record.
    #[must_use]
    pub fn noting(mut self, on_written: OnWritten) -> Self {
        self.on_written = Some(on_written);
        self
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("format", &self.format).finish_non_exhaustive()
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
        let written = match &self.format {
            LineFormat::Json => record.write_json(Some(&source), out),
            LineFormat::Text(formatter) => {
                self.text.clear();
                let written =
                    formatter.format_into(record, Some(&source), &mut self.text).map_err(|_| "format")?;
                out.extend_from_slice(self.text.as_bytes());
                written
            }
        };
        if let Some(on_written) = &self.on_written {
            on_written(source.peer.unwrap_or("unnamed"), record, &written);
        }
        out.push(b'\n');
        Ok(())
    }
}
