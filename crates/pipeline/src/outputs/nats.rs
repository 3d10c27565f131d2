//! NATS JetStream: a message a record, acknowledged by the stream, and once by its id.
//!
//! The id of a message (`Nats-Msg-Id`) is the record's own for ever, so that a stream drops what comes again within
//! its `duplicate_window`. That window has to be longer than an outage together with a restart of this process; at
//! less than ten minutes it is said.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, context::PublishErrorKind};
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr, header::NATS_MESSAGE_ID};
use logrecord::model::LogRecord;

use super::uid::put_uid;
use super::{LineFormat, Lines, OnWritten};
use crate::output::{Batch, Delivery, Encoder, Logged, Output};
use crate::settings::Say;

/// A window that is shorter may be over before a record is sent again.
const LEAST_WINDOW: Duration = Duration::from_secs(600);
/// The longest subject that a record can make.
const MAX_SUBJECT: usize = 256;

/// Where records are published.
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsConfig {
    /// Addresses of servers, such as `nats://10.0.0.5:4222`.
    pub servers: Vec<String>,
    /// The subject, with `{logger}`, `{levelname}` and `{levelno}` for what the record has.
    pub subject: String,
    /// A credentials file.
    pub credentials: Option<PathBuf>,
    /// A stream that is made, for these subjects, if it is not there.
    pub create: Option<(String, Vec<String>)>,
    /// How long a batch may take; 30 s by default.
    pub timeout: Duration,
    /// Is told of what is wrong with the stream.
    pub say: Say,
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("servers", &self.servers)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl NatsConfig {
    /// Publishes to a subject, on streams that are there already.
    pub fn new(servers: Vec<String>, subject: impl Into<String>, say: Say) -> Self {
        let timeout = Duration::from_secs(30);
        Self { servers, subject: subject.into(), credentials: None, create: None, timeout, say }
    }
}

/// A part of a subject.
#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Logger,
    LevelName,
    LevelNumber,
}

/// Makes messages: in a batch each has its subject and its id in front, with their lengths.
#[derive(Clone, Debug)]
pub struct NatsEncoder {
    subject: Vec<Part>,
    lines: Lines,
    text: String,
}

impl NatsEncoder {
    /// Reads a subject. `transports` is as for [`Lines`].
    ///
    /// # Errors
    ///
    /// If it has another field, a blank, a wildcard or an empty token.
    pub fn new(subject: &str, transports: Vec<&'static str>) -> io::Result<Self> {
        let wrong =
            |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("subject {subject:?}: {what}"));
        let mut parts = Vec::new();
        let mut rest = subject;
        while let Some((text, after)) = rest.split_once('{') {
            let (field, after) = after.split_once('}').ok_or_else(|| wrong("a brace is not closed"))?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(match field {
                "logger" | "name" => Part::Logger,
                "levelname" => Part::LevelName,
                "levelno" => Part::LevelNumber,
                _ => return Err(wrong("a field is neither {logger} nor {levelname} nor {levelno}")),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let literal = parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        if literal
            .clone()
            .any(|text| text.contains(|c: char| c.is_whitespace() || c.is_control() || "*>}".contains(c)))
            || subject.split('.').any(str::is_empty)
        {
            return Err(wrong("a blank, a wildcard or an empty token"));
        }
        Ok(Self { subject: parts, lines: Lines::new(LineFormat::Json, transports), text: String::new() })
    }

    /// Tells somebody of each record.
    #[must_use]
    pub fn noting(mut self, on_written: OnWritten) -> Self {
        self.lines = self.lines.noting(on_written);
        self
    }

    fn put_subject(&mut self, record: &LogRecord<'_>) {
        self.text.clear();
        for part in &self.subject {
            match part {
                Part::Text(text) => self.text.push_str(text),
                Part::Logger => {
                    let name = record.name().map(|name| name.to_visible()).unwrap_or_default();
                    put_tokens(&name, true, &mut self.text);
                }
                Part::LevelName => {
                    let name = record.levelname().map(|name| name.to_visible()).unwrap_or_default();
                    put_tokens(&name, false, &mut self.text);
                }
                Part::LevelNumber => self.text.push_str(&record.level().number().to_string()),
            }
        }
        while self.text.len() > MAX_SUBJECT || self.text.ends_with('.') {
            self.text.pop();
        }
    }
}

/// Appends what a record says to a subject: no blank, no wildcard, no empty token.
fn put_tokens(text: &str, dotted: bool, out: &mut String) {
    let mut empty = true;
    for c in text.chars() {
        let dot = c == '.' && dotted;
        if dot && empty {
            out.push('_');
        }
        let odd = c.is_whitespace() || c.is_control() || "*>".contains(c) || (c == '.' && !dotted);
        out.push(if odd { '_' } else { c });
        empty = dot;
    }
    if empty {
        out.push('_');
    }
}

fn put_part(part: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let len = u16::try_from(part.len()).map_err(|_| "too_large")?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(part);
    Ok(())
}

fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    *bytes = rest;
    str::from_utf8(part).ok()
}

impl Encoder for NatsEncoder {
    fn encode(
        &mut self,
        record: &LogRecord<'_>,
        logged: &Logged<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        self.put_subject(record);
        put_part(self.text.as_bytes(), out)?;
        self.text.clear();
        put_uid(logged, &mut self.text);
        put_part(self.text.as_bytes(), out)?;
        self.lines.encode(record, logged, out)?;
        // A message has no line end.
        out.pop();
        Ok(())
    }
}

/// Publishes batches and waits for the stream's acknowledgements.
pub struct NatsOutput {
    config: NatsConfig,
    connected: Option<(Client, jetstream::Context)>,
}

impl fmt::Debug for NatsOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOutput").field("config", &self.config).finish_non_exhaustive()
    }
}

impl NatsOutput {
    /// Reads the configuration. It connects with the first batch.
    ///
    /// # Errors
    ///
    /// If there is no server, or the address of one is malformed or holds credentials, which belong into a file.
    pub fn new(config: NatsConfig) -> io::Result<Self> {
        let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if config.servers.is_empty() {
            return wrong("no server is named");
        }
        for server in &config.servers {
            let address: ServerAddr = server.parse()?;
            if address.host().is_empty() {
                return wrong("an address names no host");
            }
            if address.username().is_some() || address.password().is_some() {
                return wrong("credentials do not belong into an address; put them into a credentials file");
            }
        }
        Ok(Self { config, connected: None })
    }

    async fn connect(&self) -> io::Result<(Client, jetstream::Context)> {
        let mut options = ConnectOptions::new().name("logrecord");
        if let Some(file) = &self.config.credentials {
            options = options.credentials_file(file).await?;
        }
        let client = options.connect(self.config.servers.as_slice()).await.map_err(io::Error::other)?;
        let context = jetstream::new(client.clone());
        if let Some((name, subjects)) = &self.config.create {
            let stream = jetstream::stream::Config {
                name: name.clone(),
                subjects: subjects.clone(),
                duplicate_window: 2 * LEAST_WINDOW,
                ..Default::default()
            };
            let stream = context.get_or_create_stream(stream).await.map_err(io::Error::other)?;
            self.look_at(&stream.cached_info().config);
        }
        Ok((client, context))
    }

    fn look_at(&self, stream: &jetstream::stream::Config) {
        let window = stream.duplicate_window;
        if window < LEAST_WINDOW {
            let text = format!(
                "its duplicate_window is {} s; what waits longer between two tries comes twice: make it 600 s or more",
                window.as_secs()
            );
            (self.config.say)(&format!("stream {}", stream.name), &text);
        }
    }

    async fn publish(&mut self, batch: &Batch, from: usize) -> Delivery {
        let (client, context, fresh) = match self.connected.take() {
            Some((client, context)) => (client, context, false),
            None => match self.connect().await {
                Ok((client, context)) => (client, context, true),
                Err(error) => return Delivery::Retry { after: None, why: error.to_string() },
            },
        };
        let most = client.server_info().max_payload;
        let mut acks = Vec::with_capacity(batch.len() - from);
        let mut why = None;
        for place in from..batch.len() {
            let mut bytes = batch.record(place);
            let (Some(subject), Some(id)) = (take_part(&mut bytes), take_part(&mut bytes)) else {
                acks.push(None);
                continue;
            };
            if fresh && place == from && self.config.create.is_none() {
                self.look_for_stream(&context, subject).await;
            }
            // The headers count as well.
            if most > 0 && bytes.len() + id.len() + 64 > most {
                acks.push(None);
                continue;
            }
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, id);
            let sent = context.publish_with_headers(subject.to_owned(), headers, bytes.to_vec().into()).await;
            match sent {
                Ok(ack) => acks.push(Some(ack)),
                Err(error) => {
                    why = Some(error.to_string());
                    break;
                }
            }
        }
        let (mut done, mut rejected) = (from, 0);
        for ack in acks {
            match ack {
                None => rejected += 1,
                // One that was there already is delivered as well.
                Some(ack) => {
                    if let Err(error) = ack.await {
                        let nobody = error.kind() == PublishErrorKind::StreamNotFound;
                        why = Some(if nobody {
                            "no stream takes this subject".to_owned()
                        } else {
                            error.to_string()
                        });
                        break;
                    }
                }
            }
            done += 1;
        }
        self.connected = Some((client, context));
        match why {
            None => Delivery::Done { rejected },
            // What was too large is told of when all that came before it is settled.
            Some(_) if done > from && rejected == 0 => Delivery::Partly { done },
            Some(why) => Delivery::Retry { after: None, why },
        }
    }

    async fn look_for_stream(&self, context: &jetstream::Context, subject: &str) {
        let Ok(name) = context.stream_by_subject(subject).await else { return };
        if let Ok(stream) = context.get_stream(name).await {
            self.look_at(&stream.cached_info().config);
        }
    }
}

impl Output for NatsOutput {
    fn timeout(&self) -> Option<Duration> {
        Some(self.config.timeout)
    }

    async fn deliver(&mut self, batch: &Arc<Batch>, from: usize) -> Delivery {
        self.publish(batch, from).await
    }

    async fn reopen(&mut self) -> io::Result<()> {
        // Credentials may have changed.
        self.connected = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_refused() {
        for servers in [
            vec![],
            vec!["nats://"],
            vec!["nats://a:b"],
            vec!["nats://a", "nats://u:p@b"],
            vec!["nats://t@b"],
        ] {
            let servers: Vec<String> = servers.into_iter().map(str::to_owned).collect();
            let config = NatsConfig::new(servers.clone(), "s", Arc::new(|_, _| {}));
            assert!(NatsOutput::new(config).is_err(), "{servers:?}");
        }
        let config = NatsConfig::new(vec!["nats://[::1]:4222".to_owned()], "s", Arc::new(|_, _| {}));
        assert!(NatsOutput::new(config).is_ok());
    }

    #[test]
    fn subjects_are_made_of_what_records_say_and_nothing_else() {
        let mut encoder = NatsEncoder::new("logs.{levelname}.{logger}", Vec::new()).unwrap();
        let long = "x".repeat(1000);
        for (level, name, subject) in [
            (20, "app.db", "logs.INFO.app.db"),
            (25, "app", "logs.Level_25.app"),
            (20, "", "logs.INFO._"),
            (20, "a..b.", "logs.INFO.a._.b._"),
            (20, "a b>*.\u{fc}\n", "logs.INFO.a_b__.\u{fc}_"),
            (20, &long, &format!("logs.INFO.{}", &long[..MAX_SUBJECT - 10])),
        ] {
            encoder.put_subject(&LogRecord::builder(name, level, "x").build());
            assert_eq!(encoder.text, subject, "{name:?}");
        }
        for subject in ["", "a..b", "a.", "a b", "a.*", "a.>", "a.{x}", "a.{logger", "a}"] {
            assert!(NatsEncoder::new(subject, Vec::new()).is_err(), "{subject:?}");
        }
    }
}
