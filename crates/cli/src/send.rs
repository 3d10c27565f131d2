//! `logrecord send`: lines of standard input become records on the wire.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::{KeyRing, PlainKey, Sealer, StreamId};
use logrecord::model::{Level, LogRecord, OwnedLogRecord};
use logrecord::transport::sender::{FullPolicy, Sender, SenderConfig};
use logrecord::transport::{Endpoint, TlsClient};

use crate::args::SendArgs;
use crate::clock::now_ns;
use crate::exit::{Failure, REJECTED, UNAVAILABLE};
use crate::input::{self, Line};
use crate::key;
use crate::stderr::say;

/// How long the queue may stay full, and how long the end may take: as long as a receiver takes to restart.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a line may be: more than receivers take in a frame, unless they are told to.
const MAX_LINE: usize = 16 << 20;

/// How often the progress line is written.
const PROGRESS: Duration = Duration::from_millis(500);

/// Sends standard input.
pub(crate) fn run(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let endpoint = endpoint(args)?;
    let level = level(&args.level)?;
    let mut signer = Signer::new(args)?;
    let mut config = SenderConfig::new().full_policy(FullPolicy::Block(PATIENCE));
    if args.tls.is_some() {
        config = config.tls(tls(args)?);
    }
    let sender = Sender::new(endpoint.clone(), config)
        .map_err(anyhow::Error::new)
        .with_context(|| endpoint.to_string())
        .context(Failure::unavailable("cannot send"))?;

    let mut input = input::open("-".as_ref())?;
    let mut line = Vec::new();
    let mut number = 0_u64;
    let mut rejected = 0_u64;
    let mut progress = Progress::new();
    while let Some(read) = input::line(&mut input, MAX_LINE, &mut line)? {
        number += 1;
        if read == Line::TooLong {
            rejected += 1;
            say(format_args!("line {number}: input: longer than {MAX_LINE} bytes"));
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        let payload = match record(text, args, level) {
            Ok(Some(record)) => signer.payload(&record),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        let sent = payload.and_then(|payload| sender.send(payload).map_err(anyhow::Error::new));
        if let Err(error) = sent {
            rejected += 1;
            say(format_args!("line {number}: {error:#}"));
        }
        progress.show(number);
    }
    progress.end();
    let stats = sender.close(PATIENCE);
    let lost = stats.dropped + stats.queued;
    if lost + stats.in_doubt > 0 {
        say(format_args!(
            "{lost} of {} records could not be delivered to {endpoint}{}",
            stats.accepted,
            match stats.in_doubt {
                0 => String::new(),
                doubt => format!(", {doubt} more were on the way when the connection broke"),
            }
        ));
        if let Some(error) = sender.last_error() {
            say(format_args!("{error}"));
        }
    }
    Ok(match (lost, rejected) {
        (0, 0) => ExitCode::SUCCESS,
        _ if stats.accepted > 0 && stats.written == 0 => ExitCode::from(UNAVAILABLE),
        _ => ExitCode::from(REJECTED),
    })
}

/// The record of one line: an object in the schema of `serve`, or a message.
fn record(line: &str, args: &SendArgs, level: i64) -> anyhow::Result<Option<OwnedLogRecord>> {
    if line.is_empty() {
        return Ok(None);
    }
    if line.trim_start().starts_with('{') {
        return Ok(Some(LogRecord::from_json(line)?));
    }
    let record = LogRecord::builder(args.name.as_str(), level, line)
        .now()
        .process(i64::from(std::process::id()))
        .build();
    Ok(Some(record.into_owned()))
}

/// A level by its name in Python, or by its number.
fn level(text: &str) -> anyhow::Result<i64> {
    let named = Level::from_name(text).map(Level::number).or_else(|| text.parse().ok());
    named
        .ok_or_else(|| anyhow!("--level {text}: expected DEBUG, INFO, WARNING, ERROR, CRITICAL or a number"))
        .context(Failure::usage("unknown level"))
}

fn endpoint(args: &SendArgs) -> anyhow::Result<Endpoint> {
    let (option, target, endpoint) = match args {
        SendArgs { tcp: Some(target), .. } => ("--tcp", target.clone(), Endpoint::tcp(target)),
        SendArgs { udp: Some(target), .. } => ("--udp", target.clone(), Endpoint::udp(target)),
        SendArgs { tls: Some(target), .. } => ("--tls", target.clone(), Endpoint::tls(target)),
        SendArgs { unix: Some(path), .. } => ("--unix", path.display().to_string(), Endpoint::unix(path)),
        SendArgs { unix_dgram: Some(path), .. } => {
            ("--unix-dgram", path.display().to_string(), Endpoint::unix_datagram(path))
        }
        _ => return Err(anyhow!("a target is needed").context(Failure::usage("no target"))),
    };
    endpoint
        .map_err(|error| anyhow!("{option} {target}: {error}"))
        .context(Failure::usage("malformed target"))
}

fn tls(args: &SendArgs) -> anyhow::Result<TlsClient> {
    let Some(ca) = &args.tls_ca else {
        return Err(anyhow!("--tls needs --tls-ca: the authority, or the server's own certificate, in PEM")
            .context(Failure::usage("nothing to trust")));
    };
    let identity = args.tls_cert.as_deref().zip(args.tls_key.as_deref());
    TlsClient::from_files(ca, identity)
        .map_err(anyhow::Error::new)
        .context(Failure::config("unusable TLS files"))
}

/// Turns records into payloads, signed if there is a key.
enum Signer {
    Off,
    Signed(Box<Sealer>),
    Plain(Box<PlainKey>),
}

impl Signer {
    fn new(args: &SendArgs) -> anyhow::Result<Self> {
        if let Some(file) = &args.hmac_plain_key {
            return Ok(Self::Plain(Box::new(key::read_plain(file)?)));
        }
        let Some(argument) = &args.hmac_key else { return Ok(Self::Off) };
        let key = key::read(argument)?;
        let id = key.id();
        let mut ring = KeyRing::new();
        ring.accept(key).map_err(|error| anyhow!("{error}")).context(Failure::config("unusable key"))?;
        if !ring.sign_with(id) {
            return Err(anyhow!("the key is not in the ring"));
        }
        let mut stream = [0_u8; 16];
        getrandom::fill(&mut stream)
            .map_err(|error| anyhow!("{error}"))
            .context(Failure::unavailable("no randomness"))?;
        let sealer = ring
            .sealer(args.audience.as_bytes(), StreamId::from(stream))
            .map_err(|error| anyhow!("--audience: {error}"))
            .context(Failure::usage("unusable audience"))?
            .ok_or_else(|| anyhow!("no key signs"))?;
        Ok(Self::Signed(Box::new(sealer)))
    }

    fn payload(&mut self, record: &LogRecord<'_>) -> anyhow::Result<Vec<u8>> {
        let mut pickle = Vec::new();
        record.to_pickle(&mut pickle)?;
        let mut sealed = Vec::new();
        match self {
            Self::Off => return Ok(pickle),
            Self::Signed(sealer) => {
                sealer.seal_into(now_ns(), &pickle, &mut sealed).map_err(|error| anyhow!("{error}"))?;
            }
            Self::Plain(key) => key.seal_into(&pickle, &mut sealed).map_err(|error| anyhow!("{error}"))?,
        }
        Ok(sealed)
    }
}

/// A line on a terminal that says how far it is; nothing where standard error is a file.
struct Progress {
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        let terminal = io::stderr().is_terminal() && !io::stdin().is_terminal();
        Self { terminal, next: Instant::now() + PROGRESS, shown: false }
    }

    fn show(&mut self, lines: u64) {
        if self.terminal && Instant::now() >= self.next {
            write!(io::stderr(), "\r{lines} lines").ok();
            self.next = Instant::now() + PROGRESS;
            self.shown = true;
        }
    }

    fn end(&self) {
        if self.shown {
            writeln!(io::stderr()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_rows() {
        let rows =
            [("info", Some(20)), ("WARN", Some(30)), ("25", Some(25)), ("-5", Some(-5)), ("loud", None)];
        for (text, expected) in rows {
            assert_eq!(level(text).ok(), expected, "{text}");
        }
    }
}
