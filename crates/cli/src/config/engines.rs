//! Outputs that are engines of others: what a file says of them, and whether it makes sense.

use std::time::Duration;

use logrecord_pipeline::outputs::{OtlpConfig, OtlpOutput};

use super::file::Reading;
use super::problems::Problems;
use super::section::{At, Section};
use super::{Batch, Headers, Nats, Otlp, OutputKind, check};

/// The most records of a batch.
const MAX_RECORDS: u64 = 100_000;
/// The most bytes of a batch: it is in memory, and again as a request.
const MAX_BYTES: u64 = 64 << 20;
/// The longest that a batch waits for more.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The most bytes of a file with headers.
const MAX_HEADERS: u64 = 64 << 10;
/// The most bytes of a file with authorities.
const MAX_CA: u64 = 4 << 20;

/// Headers that are the request's own.
const OWN_HEADERS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

impl Otlp {
    /// As the output wants it.
    pub(crate) fn engine(&self) -> OtlpConfig {
        let mut config = OtlpConfig::new(&self.url);
        config.headers.clone_from(&self.headers.0);
        config.resource.clone_from(&self.resource);
        config.ca.clone_from(&self.ca);
        config
    }
}

/// Reads `NAME: VALUE` lines; empty ones and those that begin with `#` count for nothing. An error never shows a value.
fn headers(content: &[u8]) -> Result<Headers, String> {
    let text = str::from_utf8(content).map_err(|_| "not UTF-8".to_owned())?;
    let mut headers = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| {
            format!("line {number}: expected NAME: VALUE, such as Authorization: Bearer TOKEN")
        })?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("line {number}: the header {name} is the request's own: leave it out"));
        }
        let mut one = OtlpConfig::new("http://localhost");
        one.headers.push((name.clone(), value.clone()));
        if OtlpOutput::new(one).is_err() {
            return Err(format!("line {number}: no header has such a name or such a value"));
        }
        headers.push((name, value));
    }
    Ok(Headers(headers))
}

/// The file must hold authorities.
fn authorities(content: &[u8]) -> Result<(), String> {
    let mut config = OtlpConfig::new("https://localhost");
    config.ca = Some(content.to_vec());
    OtlpOutput::new(config).map(|_| ()).map_err(|error| format!("{error}: expected certificates as PEM"))
}

#[cfg(feature = "nats")]
mod nats {
    use std::sync::Arc;

    use logrecord_pipeline::outputs::{NatsConfig, NatsEncoder, NatsOutput};

    pub(super) fn subject(subject: &str) -> Result<(), String> {
        NatsEncoder::new(subject, Vec::new()).map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) fn server(server: &str) -> Result<(), String> {
        let config = NatsConfig::new(vec![server.to_owned()], "", Arc::new(|_, _| {}));
        NatsOutput::new(config).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Without the engine little is known; that it is missing is told once.
#[cfg(not(feature = "nats"))]
mod nats {
    pub(super) fn subject(subject: &str) -> Result<(), String> {
        if subject.is_empty() { Err("the subject is empty".to_owned()) } else { Ok(()) }
    }

    pub(super) fn server(server: &str) -> Result<(), String> {
        if server.ends_with("://") { Err("the address has no host".to_owned()) } else { Ok(()) }
    }
}

/// Notes a fault of an option at its place.
fn note<T>(problems: &mut Problems<'_>, at: &At<impl Sized>, outcome: Result<T, String>) -> Option<T> {
    outcome.map_err(|text| problems.add(at.span.clone(), text)).ok()
}

impl Reading<'_, '_> {
    fn batch(&mut self, section: &mut Section<'_, '_>) -> Batch {
        let default = Batch::default();
        let Some(mut table) = section.table(self.problems, "batch") else { return default };
        let records = table.number(self.problems, "records");
        let bytes = table.size(self.problems, "bytes");
        let wait = table.duration(self.problems, "wait");
        if let Some(At { value, span }) = &records
            && !(1..=MAX_RECORDS).contains(value)
        {
            let text = format!("`records`: a batch has one record or more, and {MAX_RECORDS} at most");
            self.problems.add(span.clone(), text);
        }
        if let Some(At { value, span }) = &bytes
            && !(1..=MAX_BYTES).contains(value)
        {
            let text = format!("`bytes`: a batch has one byte or more, and {} MiB at most", MAX_BYTES >> 20);
            self.problems.add(span.clone(), text);
        }
        if let Some(At { value, span }) = &wait
            && *value > MAX_WAIT
        {
            let text = format!("`wait`: a batch waits for {} s at most", MAX_WAIT.as_secs());
            self.problems.add(span.clone(), text);
        }
        table.finish(self.problems);
        Batch {
            records: records.map_or(default.records, |found| found.value),
            bytes: bytes.map_or(default.bytes, |found| found.value),
            wait: wait.map_or(default.wait, |found| found.value),
        }
    }

    fn url(
        &mut self,
        url: &At<String>,
        schemes: &[&str],
        understood: impl FnOnce(&str) -> Result<(), String>,
    ) {
        if !schemes.iter().any(|scheme| url.value.starts_with(scheme)) {
            let text = format!("{:?}: expected a URL that begins with {}", url.value, schemes.join(" or "));
            self.problems.add(url.span.clone(), text);
        } else if note(self.problems, url, understood(&url.value)).is_some() && self.checks.resolve {
            check::url(self.problems, url);
        }
    }

    pub(super) fn otlp_output(&mut self, section: &mut Section<'_, '_>) -> Option<OutputKind> {
        let url = section.text(self.problems, "url");
        let headers_file = self.secret(section, "headers_file");
        let headers = headers_file.and_then(|file| {
            check::private(self.problems, &file);
            let content = check::content(self.problems, &file, MAX_HEADERS)?;
            let read = headers(&content).map_err(|error| format!("{}: {error}", file.value.display()));
            note(self.problems, &file, read)
        });
        let ca = section.path(self.problems, "ca").and_then(|file| {
            let content = check::content(self.problems, &file, MAX_CA)?;
            let read = authorities(&content).map_err(|error| format!("{}: {error}", file.value.display()));
            note(self.problems, &file, read).map(|()| content)
        });
        let resource = self.text_table(section, "resource");
        let batch = self.batch(section);
        let url = self.need(section, "url", url)?;
        // What is wrong with a file that is named is told already, and no reason to look for the system's.
        let of_the_system = !section.has("ca");
        self.url(&url, &["http://", "https://"], |text| {
            let mut config = OtlpConfig::new(text);
            config.ca.clone_from(&ca);
            match OtlpOutput::new(config) {
                Err(error) if ca.is_some() || of_the_system => Err(error.to_string()),
                _ => Ok(()),
            }
        });
        Some(OutputKind::Otlp(Otlp {
            url: url.value,
            headers: headers.unwrap_or_default(),
            resource,
            ca,
            batch,
        }))
    }

    pub(super) fn nats_output(&mut self, section: &mut Section<'_, '_>) -> Option<OutputKind> {
        let servers = section.texts(self.problems, "servers");
        let subject = section.text(self.problems, "subject");
        let credentials = self.secret(section, "credentials");
        if let Some(file) = &credentials {
            check::readable(self.problems, file);
            check::private(self.problems, file);
        }
        let create_stream = self.create_stream(section);
        let batch = self.batch(section);
        let servers = self.need(section, "servers", servers);
        let subject = self.need(section, "subject", subject);
        if let Some(subject) = &subject {
            note(self.problems, subject, nats::subject(&subject.value));
        }
        for server in servers.iter().flatten() {
            self.url(server, &["nats://", "tls://"], nats::server);
        }
        let (servers, subject) = (servers?, subject?);
        if servers.is_empty() {
            self.problems.add(section.span(), "`servers` names no server");
        }
        Some(OutputKind::Nats(Nats {
            servers: servers.into_iter().map(|server| server.value).collect(),
            subject: subject.value,
            credentials: credentials.map(|found| found.value),
            create_stream,
            batch,
        }))
    }

    /// The stream that may be made.
    fn create_stream(&mut self, section: &mut Section<'_, '_>) -> Option<(String, Vec<String>)> {
        let mut table = section.table(self.problems, "create_stream")?;
        let name = table.parse(self.problems, "name", |name| {
            // https://docs.nats.io/nats-concepts/jetstream/streams
            let odd = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
            if name.is_empty() || name.contains(odd) {
                return Err(format!("{name:?}: a stream's name has no blank and none of . * > / \\"));
            }
            Ok(name.to_owned())
        });
        let subjects = table.texts(self.problems, "subjects");
        if subjects.as_ref().is_some_and(Vec::is_empty) {
            self.problems
                .add(table.span(), "`subjects` names none: give those of the records, such as \"logs.>\"");
        }
        for subject in subjects.iter().flatten() {
            if subject.value.contains(char::is_whitespace) || subject.value.split('.').any(str::is_empty) {
                let text =
                    format!("{:?}: a blank or an empty token, expected such as \"logs.>\"", subject.value);
                self.problems.add(subject.span.clone(), text);
            }
        }
        let name = self.need(&table, "name", name);
        let subjects = self.need(&table, "subjects", subjects);
        table.finish(self.problems);
        Some((name?.value, subjects?.into_iter().map(|subject| subject.value).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_values_are_told_to_nobody() {
        let read =
            headers(b"# for the collector\n\nAuthorization: Bearer a:b\r\n X-Scope :  shop \n").unwrap();
        let expected = [("Authorization", "Bearer a:b"), ("X-Scope", "shop")];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(read.0, expected);
        assert_eq!(format!("{read:?}"), "[\"Authorization\", \"X-Scope\"]");
        for (content, said) in [
            (&b"\nsecret"[..], "line 2: expected NAME: VALUE"),
            (b"Host: secret", "line 1: the header Host is the request's own"),
            (b"content-LENGTH: secret", "is the request's own"),
            (b"a b: secret", "line 1: no header has such a name"),
            (b": secret", "line 1: no header has such a name"),
            (b"a: secret\x01", "line 1: no header has such a name or such a value"),
            (b"a: secret\xff", "not UTF-8"),
        ] {
            let error = headers(content).unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }
}
