//! `logrecord send`: lines of standard input become records on the wire.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::model::{Level, LogRecord, OwnedLogRecord};
use logrecord::transport::sender::{FullPolicy, SenderStats};
use logrecord::transport::{Endpoint, Error, TlsClient, Transport};
use logrecord::{DatagramHandler, Handler, HandlerBuilder, SocketHandler};

use crate::args::SendArgs;
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
    let outlet = Outlet::new(&endpoint, args)?;

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
        let sent = match record(text, args, level) {
            Ok(Some(record)) => outlet.handler().handle(&record).map_err(anyhow::Error::new),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            rejected += 1;
            say(format_args!("line {number}: {error:#}"));
        }
        progress.show(number);
    }
    progress.end();
    let stats = outlet.close();
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
        if let Some(error) = outlet.last_error() {
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

/// The one target; clap has seen to it that there are not two.
fn endpoint(args: &SendArgs) -> anyhow::Result<Endpoint> {
    let [endpoint] = <[Endpoint; 1]>::try_from(args.addresses.endpoints()?)
        .map_err(|found| anyhow!("{} targets; one is needed", found.len()))
        .context(Failure::usage("no target"))?;
    Ok(endpoint)
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

/// The facade's handler for a target.
enum Outlet {
    Socket(SocketHandler),
    Datagram(DatagramHandler),
}

impl Outlet {
    fn new(endpoint: &Endpoint, args: &SendArgs) -> anyhow::Result<Self> {
        let built = if endpoint.transport().is_datagram() {
            set_up(DatagramHandler::to(endpoint.clone()), args)?.build().map(Self::Datagram)
        } else {
            let mut builder = set_up(SocketHandler::to(endpoint.clone()), args)?;
            if endpoint.transport() == Transport::Tls {
                builder = builder.tls(tls(args)?);
            }
            builder.build().map(Self::Socket)
        };
        built
            .map_err(anyhow::Error::new)
            .with_context(|| endpoint.to_string())
            .context(Failure::unavailable("cannot send"))
    }

    fn handler(&self) -> &dyn Handler {
        match self {
            Self::Socket(handler) => handler,
            Self::Datagram(handler) => handler,
        }
    }

    fn close(&self) -> SenderStats {
        match self {
            Self::Socket(handler) => handler.close(PATIENCE),
            Self::Datagram(handler) => handler.close(PATIENCE),
        }
        .sender
    }

    fn last_error(&self) -> Option<Arc<Error>> {
        match self {
            Self::Socket(handler) => handler.last_error(),
            Self::Datagram(handler) => handler.last_error(),
        }
    }
}

/// What both handlers are told: to wait rather than drop, to send no records of their own, and how to sign.
fn set_up<H>(builder: HandlerBuilder<H>, args: &SendArgs) -> anyhow::Result<HandlerBuilder<H>> {
    let builder = builder.full_policy(FullPolicy::Block(PATIENCE)).loss_reports(None);
    if let Some(file) = &args.hmac_plain_key {
        return Ok(builder.hmac_plain(key::read_plain(file)?));
    }
    Ok(match &args.hmac_key {
        Some(argument) => builder.hmac(key::read(argument)?, args.audience.as_bytes()),
        None => builder,
    })
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
