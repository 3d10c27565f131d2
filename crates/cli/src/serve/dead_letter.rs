//! The dead-letter file: what was rejected, one JSON object a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use logrecord::transport::Source;

use super::sink::{Chunk, Sink};

/// Writes dead letters, if there is a file for them.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    sink: Option<Sink>,
}

impl DeadLetters {
    pub(crate) const fn new(sink: Option<Sink>) -> Self {
        Self { sink }
    }

    /// Keeps one frame, given in parts, whole with its prefix; of a stranger its first bytes.
    pub(crate) fn keep(&self, source: &Source, reason: &str, detail: &str, frame: &[&[u8]]) {
        let Some(sink) = &self.sink else { return };
        let mut chunk = Chunk::default();
        let members = [
            ("time", format!("{:.6}", jiff::Timestamp::now())),
            ("transport", source.transport().scheme().to_owned()),
            ("peer", source.peer().to_string()),
            ("reason", reason.to_owned()),
            ("detail", detail.to_owned()),
            ("frame", STANDARD.encode(frame.concat())),
        ];
        for (place, (name, value)) in members.iter().enumerate() {
            let open = if place == 0 { "{\"" } else { ",\"" };
            chunk.bytes.extend_from_slice(open.as_bytes());
            chunk.bytes.extend_from_slice(name.as_bytes());
            chunk.bytes.extend_from_slice(b"\":");
            let value = serde_json::Value::from(value.as_str()).to_string();
            chunk.bytes.extend_from_slice(value.as_bytes());
        }
        chunk.bytes.extend_from_slice(b"}\n");
        chunk.end_record();
        sink.try_send(chunk);
    }

    /// Opens the file again.
    pub(crate) async fn reopen(&self) {
        if let Some(sink) = &self.sink {
            sink.reopen().await;
        }
    }
}
