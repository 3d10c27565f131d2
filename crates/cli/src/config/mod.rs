//! What `serve` is told to do, by its command line or by a file: one type for both.

mod check;
mod engines;
mod file;
mod line_format;
mod problems;
mod section;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use logrecord::model::Level;
use logrecord::pickle::Globals;
use logrecord::transport::{Endpoint, TlsServer};

pub(crate) use self::check::keys_in;
pub(crate) use self::file::{ConfigFile, SAMPLE};
pub(crate) use self::line_format::{doubts, line_format};
use crate::args::{ServeArgs, StyleArg};
use crate::exit::Failure;
use crate::key;

/// What a program is told that lacks the feature.
pub(crate) const NO_NATS: &str =
    "this program was built without NATS: build it with the cargo feature `nats`";

/// Where `serve` listens when nothing is said.
const DEFAULT_LISTENERS: [&str; 2] = ["tcp://127.0.0.1:9020", "udp://127.0.0.1:9021"];

/// The only output of a command line.
const OUTPUT: &str = "output";

/// Bytes of records that wait in memory.
pub(crate) const LOG_BYTES: u64 = 64 << 20;

/// Bytes of dead letters on the disk.
pub(crate) const DEAD_LETTER_BYTES: u64 = 1 << 30;

/// Everything that `serve` is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) listen: Vec<Listen>,
    pub(crate) signing: Signing,
    pub(crate) records: Records,
    pub(crate) outputs: Vec<Output>,
    pub(crate) routes: Vec<Route>,
    /// What is below it goes nowhere; where there are routes, they say it.
    pub(crate) level: Option<Level>,
    pub(crate) spool: Option<Spool>,
    pub(crate) log_bytes: u64,
    pub(crate) dead_letters: Option<DeadLetters>,
    pub(crate) admin: Option<Admin>,
}

/// Where a listener gets its socket from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Endpoint(Endpoint),
    /// The sockets of a name that systemd hands over; without one, all that no other listener names.
    Systemd(Option<String>),
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) address: Address,
    pub(crate) limits: Limits,
    pub(crate) unix_mode: Option<u32>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) require: Require,
    pub(crate) allow_unauthenticated: bool,
}

/// What frames have to be signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Require {
    Nothing,
    /// One of these keys; all of them if none is named.
    Keys(Vec<String>),
    /// The key of the plain form.
    Plain,
}

/// The limits of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) max_frame: u32,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_peer: Option<usize>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) frame_timeout: Option<Duration>,
    pub(crate) drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 1 << 20,
            max_connections: 16_384,
            max_connections_per_peer: None,
            idle_timeout: None,
            frame_timeout: Some(Duration::from_secs(30)),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// PEM files of a TLS listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// What is in them now, if it fits together.
    pub(crate) fn read(&self) -> Result<TlsServer, logrecord::transport::Error> {
        TlsServer::from_files(&self.certificate, &self.private_key, self.client_ca.as_deref())
    }
}

/// Keys, and what else makes a signature count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signing {
    /// Id and file.
    pub(crate) keys: Vec<(String, PathBuf)>,
    /// A folder of more keys, `ID.key`.
    pub(crate) keys_dir: Option<PathBuf>,
    pub(crate) plain_key: Option<PathBuf>,
    pub(crate) audience: String,
    pub(crate) replay_state: Option<PathBuf>,
}

/// How records are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) globals: Globals,
    pub(crate) allow: Vec<String>,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) kind: OutputKind,
    pub(crate) when_behind: Option<WhenBehind>,
    pub(crate) max_lag: Option<u64>,
}

/// What an output is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OutputKind {
    Stdout { format: Format },
    File { path: PathBuf, format: Format, rotate: Option<Rotate> },
    Otlp(Otlp),
    Nats(Nats),
}

/// How a record becomes a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// `json`, `text`, or a format of `logging.Formatter`; `None` is text on a terminal and else JSON.
    pub(crate) format: Option<String>,
    pub(crate) style: StyleArg,
    pub(crate) datefmt: Option<String>,
    /// What stands for names that a record lacks.
    pub(crate) defaults: Vec<(String, String)>,
    pub(crate) raw: bool,
}

/// When a file is renamed and begun anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotate {
    pub(crate) size: Option<u64>,
    pub(crate) age: Option<Duration>,
    pub(crate) keep: u64,
    pub(crate) gzip: bool,
}

/// An OpenTelemetry collector, over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Otlp {
    pub(crate) url: String,
    pub(crate) headers: Headers,
    pub(crate) resource: Vec<(String, String)>,
    /// The authorities to trust, as PEM.
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) batch: Batch,
}

/// What is sent with each request. It is the file's content, so that a reload finds a file that has changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

/// Their values are secrets.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// NATS JetStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nats {
    pub(crate) servers: Vec<String>,
    pub(crate) subject: String,
    pub(crate) credentials: Option<PathBuf>,
    /// A stream that is made if it is not there, and its subjects.
    pub(crate) create_stream: Option<(String, Vec<String>)>,
    pub(crate) batch: Batch,
}

/// How much is handed to an engine at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) wait: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self { records: 1_000, bytes: 1 << 20, wait: Duration::from_millis(200) }
    }
}

/// What happens when an output does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenBehind {
    Block,
    DropNewest,
    DropOldest,
}

/// Which records go where; the first match wins, unless it says to go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    /// Loggers, each with what is below it; all if there are none.
    pub(crate) loggers: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) to: Vec<String>,
    pub(crate) go_on: bool,
}

/// Records on the disk until they are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spool {
    pub(crate) path: PathBuf,
    pub(crate) max_bytes: u64,
    pub(crate) retain: u64,
    pub(crate) sync: Sync,
}

impl Spool {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: 8 << 30, retain: 256 << 20, sync: Sync::Ack }
    }
}

/// When the spool's bytes are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Before an acknowledgement, in groups.
    Ack,
    Every(Duration),
    Never,
}

/// What was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetters {
    pub(crate) path: PathBuf,
    pub(crate) max_bytes: u64,
}

/// Health, metrics, status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admin {
    pub(crate) address: AdminAddress,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) tls: Option<TlsFiles>,
}

impl Admin {
    /// What others can reach needs TLS and a token that outlives the process.
    pub(crate) fn is_guarded(&self) -> bool {
        self.address.is_local() || (self.tls.is_some() && self.token_file.is_some())
    }
}

/// The way out where it is not.
pub(crate) const UNGUARDED: &str = "others can reach this address: give `certificate` and `private_key` for TLS and a \
`token_file` in [admin], or use loopback or a Unix socket";

/// Where the admin server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdminAddress {
    Tcp(std::net::SocketAddr),
    Unix(PathBuf),
}

impl AdminAddress {
    /// `IP:PORT`, or the path of a Unix socket.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!("{text:?} is neither IP:PORT, such as 127.0.0.1:9022, nor a path with a slash")
        })
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl Config {
    /// The configuration that a command line means.
    pub(crate) fn from_args(args: &ServeArgs) -> anyhow::Result<Self> {
        let mut addresses: Vec<Address> =
            args.addresses.endpoints()?.into_iter().map(Address::Endpoint).collect();
        if args.systemd {
            addresses.insert(0, Address::Systemd(None));
        }
        if addresses.is_empty() {
            for address in DEFAULT_LISTENERS {
                let endpoint = address.parse().map_err(anyhow::Error::new);
                addresses.push(Address::Endpoint(endpoint.context(Failure::usage("malformed address"))?));
            }
        }
        let mut keys = Vec::new();
        for argument in &args.hmac_key {
            let (id, file) = key::split(argument)?;
            keys.push((id.to_string(), file.to_owned()));
        }
        let require = match (&args.hmac_plain_key, keys.is_empty()) {
            (Some(_), _) => Require::Plain,
            (None, true) => Require::Nothing,
            (None, false) => Require::Keys(Vec::new()),
        };
        let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(certificate, private_key)| {
            TlsFiles { certificate, private_key, client_ca: args.tls_client_ca.clone() }
        });
        let limits = Limits {
            max_frame: args.max_frame,
            max_connections: args.max_connections,
            max_connections_per_peer: args.max_connections_per_peer,
            idle_timeout: args.idle_timeout.0,
            frame_timeout: args.frame_timeout.0,
            drain_timeout: args.drain_timeout,
        };
        let listen = addresses.into_iter().map(|address| Listen {
            tls: tls.clone().filter(|_| address.is_tls()),
            address,
            limits: limits.clone(),
            unix_mode: args.unix_mode,
            require: require.clone(),
            allow_unauthenticated: args.allow_unauthenticated,
        });
        let format = Format {
            format: args.format.clone(),
            style: args.style,
            datefmt: args.datefmt.clone(),
            defaults: defaults(&args.format_default)?,
            raw: args.raw,
        };
        let kind = if args.output.as_os_str() == "-" {
            OutputKind::Stdout { format }
        } else {
            OutputKind::File { path: args.output.clone(), format, rotate: None }
        };
        let admin = args.admin.as_deref().map(AdminAddress::parse).transpose();
        let admin = admin.map_err(|error| anyhow!("--admin: {error}"));
        Ok(Self {
            listen: listen.collect(),
            signing: Signing {
                keys,
                keys_dir: None,
                plain_key: args.hmac_plain_key.clone(),
                audience: args.audience.clone(),
                replay_state: args.replay_state.clone(),
            },
            records: Records { globals: args.globals.into(), allow: args.allow_global.clone() },
            outputs: vec![Output { name: OUTPUT.to_owned(), kind, when_behind: None, max_lag: None }],
            routes: Vec::new(),
            level: args.level,
            spool: args.spool.clone().map(Spool::new),
            log_bytes: LOG_BYTES,
            dead_letters: args
                .dead_letter
                .clone()
                .map(|path| DeadLetters { path, max_bytes: args.dead_letter_max }),
            admin: admin.context(Failure::usage("malformed address"))?.map(|address| Admin {
                address,
                token_file: None,
                tls: None,
            }),
        })
    }
}

/// Splits each `NAME=VALUE`.
fn defaults(arguments: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let split = |argument: &String| {
        argument
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| anyhow!("--format-default {argument}: expected NAME=VALUE"))
            .context(Failure::usage("malformed default"))
    };
    arguments.iter().map(split).collect()
}

impl Listen {
    /// Port 0 is another one each time.
    const fn takes_any_port(&self) -> bool {
        matches!(&self.address, Address::Endpoint(endpoint) if matches!(endpoint.port(), Some(0)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Systemd(None) => f.write_str("systemd://"),
            Self::Systemd(Some(name)) => write!(f, "systemd://{name}"),
        }
    }
}

impl Address {
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Endpoint(endpoint) if endpoint.transport() == logrecord::transport::Transport::Tls)
    }
}
