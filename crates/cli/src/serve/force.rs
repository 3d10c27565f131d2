//! What `serve --verbose` says at its start: the configuration that is in force, secrets apart.

use std::path::Path;

use crate::args::VERSION;
use crate::config::{Config, OutputKind};

/// A line for each part. The listeners are said by themselves.
pub(super) fn lines(config: &Config, file: Option<&Path>) -> Vec<String> {
    let mut lines = vec![format!("version {VERSION}, process {}", std::process::id())];
    if let Some(file) = file {
        lines.push(format!("configuration: {}", file.display()));
    }
    let mut keys: Vec<String> =
        config.signing.keys.iter().map(|(id, file)| format!("{id} from {}", file.display())).collect();
    keys.extend(config.signing.keys_dir.iter().map(|dir| format!("all of {}", dir.display())));
    keys.extend(config.signing.plain_key.iter().map(|file| format!("the plain form, {}", file.display())));
    if !keys.is_empty() {
        lines.push(format!("keys: {}", keys.join(", ")));
    }
    lines.push(match &config.spool {
        Some(spool) => {
            format!("records wait in the spool {}, {} bytes at most", spool.path.display(), spool.max_bytes)
        }
        None => format!("records wait in memory, {} bytes at most", config.log_bytes),
    });
    for output in &config.outputs {
        let to = match &output.kind {
            OutputKind::Stdout { .. } => "standard output".to_owned(),
            OutputKind::File { path, .. } => path.display().to_string(),
            OutputKind::Otlp(otlp) => otlp.url.clone(),
            OutputKind::Nats(nats) => nats.servers.join(", "),
        };
        lines.push(format!("output {}: {to}", output.name));
    }
    if let Some(letters) = &config.dead_letters {
        lines.push(format!("dead letters: {}, {} bytes at most", letters.path.display(), letters.max_bytes));
    }
    lines
}
