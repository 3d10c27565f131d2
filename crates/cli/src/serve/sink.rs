//! What an output writes to: opened before anything is swapped, and then driven.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use logrecord::model::{LogRecord, Written};
use logrecord_pipeline::outputs::{
    FileOutput, LineFormat, Lines, OnWritten, OtlpEncoder, OtlpOutput, Rotation, stdout,
};
#[cfg(feature = "nats")]
use logrecord_pipeline::outputs::{NatsConfig, NatsEncoder, NatsOutput};
use logrecord_pipeline::{Driver, Encoder, Logged, Settings};

use super::hub::Hub;
use super::receive::TRANSPORTS;
use crate::config::{Output, OutputKind, Rotate, doubts, line_format};
use crate::exit::Failure;
use crate::terminal;

/// An open file, or an engine that is connected to with the first batch.
pub(crate) enum Sink {
    Lines {
        format: LineFormat,
        file: FileOutput,
    },
    Otlp(Box<OtlpOutput>),
    #[cfg(feature = "nats")]
    Nats {
        encoder: NatsEncoder,
        told: crate::config::Nats,
    },
}

impl Sink {
    /// Opens it.
    pub(crate) fn open(told: &Output) -> anyhow::Result<Self> {
        let unusable = || format!("output {}", told.name);
        match &told.kind {
            OutputKind::Stdout { format } => {
                let terminal = io::stdout().is_terminal();
                let format = line_format(format, terminal, terminal::colour(terminal))?;
                let file = stdout().context(Failure::unavailable("cannot open the output"))?;
                Ok(Self::Lines { format, file })
            }
            OutputKind::File { path, format, rotate } => {
                let format = line_format(format, false, false)?;
                let file = FileOutput::open(path, rotate.as_ref().map_or_else(Rotation::default, rotation))
                    .with_context(|| format!("{}", path.display()))
                    .context(Failure::unavailable("cannot open the output"))?;
                Ok(Self::Lines { format, file })
            }
            OutputKind::Otlp(otlp) => {
                let output = OtlpOutput::new(otlp.engine()).with_context(unusable);
                Ok(Self::Otlp(Box::new(output.context(Failure::config("unusable output"))?)))
            }
            #[cfg(feature = "nats")]
            OutputKind::Nats(nats) => {
                let encoder = NatsEncoder::new(&nats.subject, TRANSPORTS.to_vec()).with_context(unusable);
                let encoder = encoder.context(Failure::config("unusable output"))?;
                Ok(Self::Nats { encoder, told: nats.clone() })
            }
            // The file was refused for it already.
            #[cfg(not(feature = "nats"))]
            OutputKind::Nats(_) => Err(anyhow::anyhow!("{}", crate::config::NO_NATS))
                .with_context(unusable)
                .context(Failure::config("unusable output")),
        }
    }

    /// What is likely to be a mistake in its format.
    pub(crate) fn doubts(&self) -> Vec<String> {
        match self {
            Self::Lines { format, .. } => doubts(format),
            _ => Vec::new(),
        }
    }

    /// Begins to drive it; `on_written` is told of each record that it gets.
    pub(crate) fn start(self, hub: &Hub, settings: Settings, on_written: OnWritten) -> io::Result<Driver> {
        match self {
            Self::Lines { format, file } => {
                let lines = Lines::new(format, TRANSPORTS.to_vec()).noting(on_written);
                Driver::start(&hub.shared, settings, lines, file)
            }
            Self::Otlp(output) => Driver::start(
                &hub.shared,
                settings,
                Noting { encoder: OtlpEncoder::new(), on_written },
                *output,
            ),
            #[cfg(feature = "nats")]
            Self::Nats { encoder, told } => {
                let report = std::sync::Arc::clone(&hub.report);
                let say =
                    std::sync::Arc::new(move |what: &str, why: &str| report.say(what, format_args!("{why}")));
                let mut config = NatsConfig::new(told.servers, told.subject, say);
                config.credentials = told.credentials;
                config.create = told.create_stream;
                Driver::start(&hub.shared, settings, encoder.noting(on_written), NatsOutput::new(config)?)
            }
        }
    }
}

fn rotation(told: &Rotate) -> Rotation {
    Rotation { size: told.size, age: told.age, keep: usize::try_from(told.keep).ok(), gzip: told.gzip }
}

/// An encoder that writes no text, so that the record itself is all that can be noted.
struct Noting {
    encoder: OtlpEncoder,
    on_written: OnWritten,
}

impl Encoder for Noting {
    fn encode(
        &mut self,
        record: &LogRecord<'_>,
        logged: &Logged<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        self.encoder.encode(record, logged, out)?;
        let peer = str::from_utf8(logged.entry.peer).ok().filter(|peer| !peer.is_empty());
        (self.on_written)(peer.unwrap_or("unnamed"), record, &Written::default());
        Ok(())
    }
}
