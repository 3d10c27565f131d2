//! OTLP over HTTP, with protobuf: into an OpenTelemetry Collector, or whatever speaks its protocol.
//!
//! Severity, body and attributes are those that the logging handler of OpenTelemetry for Python sends for the same
//! record; see [`OtelRecord`]. The protocol has no ids, so that after a lost answer records may come twice: the
//! attribute `log.record.uid` says which are the same.

mod message;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use logrecord::model::LogRecord;
use logrecord::model::otel::{AnyValue, KeyValue, OtelRecord};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use self::message::{ExportLogsServiceRequest, ExportLogsServiceResponse, LogRecordMessage};
use self::message::{Resource, ResourceLogs, Scope, ScopeLogs};
use super::uid::put_uid;
use crate::output::{Batch, Delivery, Encoder, Logged, Output};

/// How much of an answer is read.
const MAX_ANSWER: usize = 64 * 1024;
/// How much of an answer's text is repeated.
const MAX_WORDS: usize = 200;
/// Where systems keep the authorities that they trust.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Where records are sent, and as what.
#[derive(Clone)]
#[non_exhaustive]
pub struct OtlpConfig {
    /// Such as `https://otel.example/v1/logs`.
    pub url: String,
    /// Sent with every request, such as `Authorization`.
    pub headers: Vec<(String, String)>,
    /// Attributes of the resource that logs.
    pub resource: Vec<(String, String)>,
    /// The authorities to trust, as PEM; by default those of the system.
    pub ca: Option<Vec<u8>>,
    /// How long a request may take; 10 s by default.
    pub timeout: Duration,
}

/// Headers may be secrets.
impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpConfig")
            .field("url", &self.url)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

impl OtlpConfig {
    /// Sends to an address, with nothing added.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            resource: Vec::new(),
            ca: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Makes OTLP's log records. In a batch each has its scope in front, with its length.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OtlpEncoder;

impl OtlpEncoder {
    /// The encoder.
    pub const fn new() -> Self {
        Self
    }
}

impl Encoder for OtlpEncoder {
    fn encode(
        &mut self,
        record: &LogRecord<'_>,
        logged: &Logged<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let observed = u64::try_from(logged.entry.received).unwrap_or(0);
        let mut otel = OtelRecord::new(record, observed);
        let mut uid = String::new();
        put_uid(logged, &mut uid);
        otel.attributes.push(KeyValue { key: "log.record.uid".to_owned(), value: AnyValue::String(uid) });
        let scope = std::mem::take(&mut otel.scope_name);
        let len = u32::try_from(scope.len()).map_err(|_| "too_large")?;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(scope.as_bytes());
        LogRecordMessage::from(otel).encode(out).map_err(|_| "too_large")
    }
}

/// Sends batches, one request each, over one connection that is kept.
pub struct OtlpOutput {
    host: String,
    port: u16,
    path: String,
    authority: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    resource: Resource,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl fmt::Debug for OtlpOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, path, .. } = self;
        f.debug_struct("OtlpOutput")
            .field("host", host)
            .field("port", port)
            .field("path", path)
            .finish_non_exhaustive()
    }
}

fn wrong(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

impl OtlpOutput {
    /// Reads the configuration. It connects with the first batch.
    ///
    /// # Errors
    ///
    /// If the address, a header or a certificate is malformed, or the system's authorities are nowhere.
    pub fn new(config: OtlpConfig) -> io::Result<Self> {
        let uri: Uri = config.url.parse().map_err(|error| wrong(format_args!("{}: {error}", config.url)))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong(format_args!("{}: neither http:// nor https://", config.url))),
        };
        let authority = uri.authority().ok_or_else(|| wrong("the address has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("credentials do not belong into an address; put them into a header"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(wrong)?;
            Some((TlsConnector::from(Arc::new(client_config(config.ca.as_deref())?)), name))
        } else {
            None
        };
        let headers = config.headers.iter().map(|(name, value)| {
            let mut value = HeaderValue::try_from(value).map_err(|_| wrong(format_args!("header {name}")))?;
            value.set_sensitive(true);
            Ok((HeaderName::try_from(name).map_err(wrong)?, value))
        });
        Ok(Self {
            authority: HeaderValue::try_from(authority.as_str()).map_err(wrong)?,
            host,
            port,
            path: uri.path_and_query().map_or("/v1/logs", |path| path.as_str()).to_owned(),
            headers: headers.collect::<io::Result<_>>()?,
            resource: Resource::new(&config.resource),
            tls,
            timeout: config.timeout,
            connection: None,
        })
    }

    /// The request for the records of a batch from one on, by their loggers, in the order in which those come.
    fn request(&self, batch: &Batch, from: usize) -> Vec<u8> {
        let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
        let mut scopes: Vec<ScopeLogs> = Vec::new();
        for place in from..batch.len() {
            let record = batch.record(place);
            let Some((len, rest)) = record.split_first_chunk() else { continue };
            let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
            let Some((scope, message)) = rest.split_at_checked(len) else { continue };
            let at = *places.entry(scope).or_insert_with(|| {
                let name = String::from_utf8_lossy(scope).into_owned();
                scopes.push(ScopeLogs { scope: Some(Scope { name }), log_records: Vec::new() });
                scopes.len() - 1
            });
            if let Some(scope) = scopes.get_mut(at) {
                scope.log_records.push(message.to_vec());
            }
        }
        let resource = Some(self.resource.clone());
        ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource, scope_logs: scopes }] }
            .encode_to_vec()
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => handshake(stream).await,
            Some((connector, name)) => handshake(connector.connect(name.clone(), stream).await?).await,
        }
    }

    async fn send(&mut self, body: Vec<u8>) -> io::Result<(StatusCode, Option<Duration>, Bytes)> {
        let mut request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("logrecord/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(io::Error::other)?;
        // Taken away for the time of a request, so that one that is cancelled leaves no half-used connection behind.
        let mut connection = match self.connection.take() {
            Some(connection) if connection.is_ready() => connection,
            _ => self.connect().await?,
        };
        let response = connection.send_request(request).await.map_err(io::Error::other)?;
        let (status, after) = (response.status(), retry_after(&response));
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = match body {
            Ok(body) => {
                self.connection = Some(connection);
                body.to_bytes()
            }
            // What it says is known by its status.
            Err(_) => Bytes::new(),
        };
        Ok((status, after, body))
    }
}

async fn handshake<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the sender; its errors come to whoever waits for an answer.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    // The other form, a date, is as good as none: the usual delays are tried.
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    // An hour is the most that anybody is believed.
    Some(Duration::from_secs(u64::min(seconds, 3_600)))
}

fn client_config(ca: Option<&[u8]>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let bundle = match ca {
        Some(ca) => ca.to_vec(),
        None => BUNDLES
            .iter()
            .find_map(|path| std::fs::read(path).ok())
            .ok_or_else(|| wrong("the system's certificates are nowhere; name the authorities in `ca`"))?,
    };
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        // A system's bundle may hold what rustls does not take; one that was named may not.
        let added = roots.add(certificate.map_err(wrong)?);
        if ca.is_some() {
            added.map_err(wrong)?;
        }
    }
    if roots.is_empty() {
        return Err(wrong("no certificate to trust"));
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(wrong)?.with_root_certificates(roots).with_no_client_auth())
}

/// What an answer says in words, harmless and short.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut line = String::new();
    logrecord::model::escape_line(text.trim(), &mut line);
    line.chars().take(MAX_WORDS).collect()
}

impl Output for OtlpOutput {
    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    async fn deliver(&mut self, batch: &Arc<Batch>, from: usize) -> Delivery {
        let body = self.request(batch, from);
        let (status, after, body) = match self.send(body).await {
            Ok(answer) => answer,
            Err(error) => return Delivery::Retry { after: None, why: error.to_string() },
        };
        match status {
            status if status.is_success() => {
                // An answer that is none says nothing of a partial success.
                let answer = ExportLogsServiceResponse::decode(body).unwrap_or_default();
                let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_log_records);
                Delivery::Done { rejected: u64::try_from(rejected).unwrap_or(0) }
            }
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Delivery::Retry { after, why: format!("HTTP {}", status.as_u16()) }
            }
            status => Delivery::Refused(format!("HTTP {}: {}", status.as_u16(), words(&body))),
        }
    }
}
