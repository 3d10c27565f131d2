//! `logrecord send`: lines of standard input become records on the wire.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use logrecord::model::{Field, Level, LogRecord, OwnedLogRecord};
use logrecord::pickle::Value;
use logrecord::transport::sender::{FullPolicy, SenderStats};
use logrecord::transport::{Endpoint, Error, ErrorKind, TlsClient, Transport};
use logrecord::{DatagramHandler, Handler, HandlerBuilder, SocketHandler};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::SendArgs;
use crate::exit::{Failure, REJECTED, UNAVAILABLE};
use crate::input::{self, Line};
use crate::key;
use crate::stderr::say;
use crate::terminal;

/// How long the queue may stay full, and how long the end may take: as long as a receiver takes to restart.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long nobody asks meanwhile whether there is hope.
const STEP: Duration = Duration::from_millis(50);

/// The exit code of a program that a signal has stopped.
const STOPPED: i32 = 130;

/// How long a line may be: more than receivers take in a frame, unless they are told to.
const MAX_LINE: usize = 16 << 20;

/// How often the progress line is written.
const PROGRESS: Duration = Duration::from_millis(500);

/// Sends standard input.
pub(crate) fn run(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let endpoint = endpoint(args)?;
    let level = level(&args.level)?;
    let outlet = Arc::new(Outlet::new(&endpoint, args)?);
    tell_when_stopped(Arc::clone(&outlet))?;

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
        // What some editors and shells put in front of a file.
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { &text };
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
        // A certificate shows with the first record, before a queue is full of others.
        if number == 1 {
            outlet.settle();
        }
        if outlet.is_hopeless() {
            break;
        }
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
            let error = format!("{:#}", anyhow::Error::new(error));
            say(format_args!("{error}{}", way_out(&error, args)));
        }
    }
    Ok(match (lost + stats.in_doubt, rejected) {
        (0, 0) => ExitCode::SUCCESS,
        _ if stats.accepted > 0 && stats.written == 0 => ExitCode::from(UNAVAILABLE),
        _ => ExitCode::from(REJECTED),
    })
}

/// The record of one line: a JSON object in the schema of `serve` or of many other programs, or else a message.
fn record(line: &str, args: &SendArgs, level: i64) -> anyhow::Result<Option<OwnedLogRecord>> {
    if line.is_empty() {
        return Ok(None);
    }
    if line.trim_start().starts_with('{') {
        match LogRecord::from_json(line) {
            Ok(record) => return Ok(Some(complete(record, line, &args.name, level))),
            // It is JSON, and something in it is not what it should be.
            Err(error) if serde_json::from_str::<serde_json::Value>(line).is_ok() => return Err(error.into()),
            Err(_) => {}
        }
    }
    let record = LogRecord::builder(args.name.as_str(), level, line)
        .now()
        .process(i64::from(std::process::id()))
        .build();
    Ok(Some(record.into_owned()))
}

/// Gives an object what every record has: from the names that other programs use, or from the options. What cannot
/// be read stays in `extra`.
fn complete(mut record: OwnedLogRecord, line: &str, name: &str, level: i64) -> OwnedLogRecord {
    if record.levelno().is_none() {
        let named = record.levelname().and_then(|name| Level::from_name(&name.to_string()));
        let level_in = |name: &'static str| Some((name, record.extra_value(name).and_then(level_of)?));
        let other = if named.is_none() { ["level", "severity"].into_iter().find_map(level_in) } else { None };
        if let Some((name, _)) = other {
            record.take_extra(name);
        }
        let found = named.or_else(|| other.map(|(_, level)| level)).unwrap_or_else(|| Level::new(level));
        record.set(Field::LevelNo, Value::Int(found.number()));
        if record.levelname().is_none() {
            record.set(Field::LevelName, Value::from(found.to_string()));
        }
    }
    if record.name().is_none() {
        let logger = match record.extra_value("logger") {
            Some(Value::Str(_)) => record.take_extra("logger"),
            _ => None,
        };
        record.set(Field::Name, logger.unwrap_or_else(|| Value::from(name.to_owned())));
    }
    if record.msg().is_none() {
        // What structlog calls it.
        let event = match record.extra_value("event") {
            Some(Value::Str(_)) => record.take_extra("event"),
            _ => None,
        };
        record.set(Field::Msg, event.unwrap_or_else(|| Value::from(String::new())));
    }
    if record.created().is_none() {
        let created = created(&mut record, line).unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
        });
        record.set(Field::Created, Value::Float(created));
        record.set(Field::Msecs, Value::Float(((created - created.floor()) * 1_000.0).floor()));
    }
    record
}

fn level_of(value: &Value<'_>) -> Option<Level> {
    match value {
        Value::Str(text) => Level::from_name(text).or_else(|| text.parse().ok().map(Level::new)),
        Value::Int(number) => Some(Level::new(*number)),
        _ => None,
    }
}

/// The time that an object has under another name than ours, or in another form.
fn created(record: &mut OwnedLogRecord, line: &str) -> Option<f64> {
    // `time` in our own form is read already. Any other stays for people to read.
    let object: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    if let Some(time) = object.get("time") {
        if let Some(seconds) = time.as_f64().and_then(seconds) {
            return Some(seconds);
        }
        record.set_extra("time", Value::from(time.as_str().map_or_else(|| time.to_string(), str::to_owned)));
    }
    for name in ["ts", "timestamp", "@timestamp"] {
        let found = match record.extra_value(name) {
            Some(Value::Str(text)) => text
                .parse::<jiff::Timestamp>()
                .ok()
                .and_then(|time| seconds(time.as_duration().as_secs_f64())),
            Some(Value::Float(number)) => seconds(*number),
            Some(Value::Int(number)) => seconds(*number as f64),
            _ => None,
        };
        if found.is_some() {
            record.take_extra(name);
            return found;
        }
    }
    None
}

/// Seconds since 1970, of a number that may be of milliseconds.
fn seconds(number: f64) -> Option<f64> {
    const MILLISECONDS_FROM: f64 = 1e11;
    const END: f64 = 1e14;
    match number {
        _ if !(0.0..END).contains(&number) => None,
        _ if number >= MILLISECONDS_FROM => Some(number / 1_000.0),
        _ => Some(number),
    }
}

/// Says what was not sent when somebody stops the program.
fn tell_when_stopped(outlet: Arc<Outlet>) -> anyhow::Result<()> {
    let cannot_catch = Failure::unavailable("cannot catch signals");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(cannot_catch)?;
    // They are caught before the first line is read.
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()).context(cannot_catch)?,
            signal(SignalKind::terminate()).context(cannot_catch)?,
        )
    };
    let wait = move || {
        let stopped = runtime.block_on(async {
            tokio::select! {
                stopped = interrupt.recv() => stopped,
                stopped = terminate.recv() => stopped,
            }
        });
        if stopped.is_some() {
            let stats = outlet.stats();
            say(format_args!(
                "stopped: {} records were sent, {} were not",
                stats.written,
                stats.dropped + stats.queued
            ));
            std::process::exit(STOPPED);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context(Failure::unavailable("cannot start a thread"))?;
    Ok(())
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

    /// Waits with TLS until all is sent, or cannot be.
    fn settle(&self) {
        let end = Instant::now() + PATIENCE;
        while self.is_tls()
            && !self.is_hopeless()
            && Instant::now() < end
            && self.handler().flush(STEP).is_err()
        {}
    }

    /// Whether no patience helps: one side does not take the other's certificate, or does not speak TLS.
    fn is_hopeless(&self) -> bool {
        self.last_error().is_some_and(|error| error.kind() == ErrorKind::Tls)
    }

    fn is_tls(&self) -> bool {
        matches!(self, Self::Socket(handler) if handler.endpoint().transport() == Transport::Tls)
    }

    fn close(&self) -> SenderStats {
        self.settle();
        let limit = if self.is_hopeless() { Duration::ZERO } else { PATIENCE };
        match self {
            Self::Socket(handler) => handler.close(limit),
            Self::Datagram(handler) => handler.close(limit),
        }
        .sender
    }

    fn stats(&self) -> SenderStats {
        match self {
            Self::Socket(handler) => handler.stats(),
            Self::Datagram(handler) => handler.stats(),
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

/// What to do about the faults of TLS whose words do not tell it.
fn way_out(error: &str, args: &SendArgs) -> String {
    let ca = args.tls_ca.as_deref().unwrap_or_else(|| "".as_ref()).display();
    let rows = [
        (
            "CaUsedAsEndEntity",
            "; the server shows the certificate of an authority: make it with basicConstraints=CA:FALSE"
                .to_owned(),
        ),
        ("BadSignature", format!("; {ca} has an authority of the same name with another key")),
        ("UnknownIssuer", format!("; {ca} has nobody who signed the server's certificate")),
        (
            "NotValidForName",
            "; the server's certificate is for another name than the one of --tls".to_owned(),
        ),
    ];
    rows.into_iter().find(|(word, _)| error.contains(word)).map_or_else(String::new, |(_, way)| way)
}

/// A line on a terminal that says how far it is; nothing where standard error is a file.
struct Progress {
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        let terminal = io::stderr().is_terminal() && !io::stdin().is_terminal() && !terminal::is_quiet();
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
