//! `logrecord serve`: listeners in, lines out.

mod counts;
mod dead_letter;
mod format;
mod keys;
mod receive;
mod report;
mod sink;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::Snapshot;
use logrecord::intake::{Engine, Gate};
use logrecord::pickle::DecodeOptions;
use logrecord::transport::listener::{Listener, ListenerConfig};
use logrecord::transport::{Endpoint, TlsServer, Transport};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::counts::{Counts, Loss};
use self::dead_letter::DeadLetters;
use self::format::Format;
use self::keys::Keys;
use self::receive::Receiver;
use self::report::Report;
use self::sink::Sink;
use crate::args::ServeArgs;
use crate::exit::Failure;

/// How often held-back reports are said and the replay state is stored.
const TICK: Duration = Duration::from_secs(1);

/// Where it listens when nothing is said.
const DEFAULT_LISTENERS: [&str; 2] = ["tcp://127.0.0.1:9020", "udp://127.0.0.1:9021"];

/// How long the last lines have to get to standard error.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// How long the output has, after the listeners have ended, to take what is on its way.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(Failure::unavailable("cannot start the runtime"))?;
    let outcome = runtime.block_on(serve(args));
    // A thread that is stuck in a write must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

async fn serve(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let report = Arc::new(Report::start()?);
    // The hook of the standard library would wait for whoever reads standard error.
    let panics = Arc::clone(&report);
    std::panic::set_hook(Box::new(move |panic| panics.say("panic", format_args!("{panic}"))));
    let counts = Arc::new(Counts::default());
    let format = Format::new(args)?;
    let keys = Arc::new(Keys::new(args)?);
    let listeners = listeners(args, &keys.gate)?;
    // From here on more may arrive than the stored state knows.
    keys.store(Snapshot::Running).context(Failure::config("cannot write the replay state"))?;
    let (sink, finish_output) =
        Sink::open("output", &args.output, Some(Arc::clone(&counts)), Arc::clone(&report))?;
    let (dead_letters, finish_letters) = match &args.dead_letter {
        Some(path) => {
            let (letters, finish) = DeadLetters::open(path, args.dead_letter_max, Arc::clone(&report))?;
            (letters, Some(finish))
        }
        None => (DeadLetters::default(), None),
    };
    let mut options = DecodeOptions::new().globals(args.globals.into());
    for name in &args.allow_global {
        options = options.allow(name);
    }
    let receiver = Arc::new(Receiver {
        keys: Arc::clone(&keys),
        engine: Engine::new(options),
        format,
        sink,
        dead_letters,
        counts: Arc::clone(&counts),
        report: Arc::clone(&report),
    });

    // Signals are caught before anybody is told that the program is ready.
    let cannot_catch = Failure::unavailable("cannot catch signals");
    let mut signals = Signals::new().context(cannot_catch)?;
    let mut hangup = signal(SignalKind::hangup()).context(cannot_catch)?;
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    for listener in listeners {
        report.line(format_args!("listening on {}", listener.local_endpoint()));
        let mut stopped = stopped.clone();
        serving.spawn(listener.serve(Arc::clone(&receiver), async move {
            // A closed channel is a stop as well.
            stopped.wait_for(|stop| *stop).await.ok();
        }));
    }

    let mut code = ExitCode::SUCCESS;
    let mut tick = tokio::time::interval(TICK);
    let mut storing = None;
    loop {
        tokio::select! {
            () = signals.stop() => break,
            _ = hangup.recv() => reload(&receiver, args),
            () = receiver.sink.broken() => {
                report.line(format_args!("logrecord: the reader of the output is gone"));
                code = ExitCode::from(crate::exit::UNAVAILABLE);
                break;
            }
            _ = tick.tick() => {
                report.flush(false);
                if storing.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
                    let receiver = Arc::clone(&receiver);
                    storing = Some(tokio::task::spawn_blocking(move || store(&receiver, Snapshot::Running)));
                }
            }
        }
    }
    stop.send_replace(true);
    let drained = async { while serving.join_next().await.is_some() {} };
    tokio::select! {
        () = drained => {}
        () = signals.stop() => exit_at_once(&counts, &keys.gate, &report),
    }
    drop(serving);
    let last_store = async {
        if let Some(storing) = storing {
            storing.await.ok();
        }
        let receiver = Arc::clone(&receiver);
        tokio::task::spawn_blocking(move || store(&receiver, Snapshot::Final)).await.ok();
    };
    tokio::select! {
        () = last_store => {}
        () = signals.stop() => exit_at_once(&counts, &keys.gate, &report),
    }
    // The last sender of the queues goes with the receiver, and the threads end behind the last chunk.
    drop(receiver);
    let deadline = Instant::now() + OUTPUT_GRACE;
    let finished = tokio::task::spawn_blocking(move || {
        finish_output.wait(deadline);
        finish_letters.map_or(0, |finish| finish.wait(deadline))
    });
    let lost_letters = tokio::select! {
        lost = finished => lost.unwrap_or(0),
        () = signals.stop() => exit_at_once(&counts, &keys.gate, &report),
    };
    report.flush(true);
    if lost_letters > 0 {
        report.line(format_args!("logrecord: {lost_letters} dead letters were not kept"));
    }
    // What the output has not taken by now is lost with this process.
    counts.lost(Loss::Dropped, "output", counts.in_flight());
    say_counts(&counts, &keys.gate, &report);
    Ok(code)
}

fn say_counts(counts: &Counts, gate: &Gate, report: &Report) {
    match gate.missing() {
        0 => report.line(format_args!("{counts}")),
        missing => report.line(format_args!("{counts} missing={missing}")),
    }
    report.finish(STDERR_GRACE);
}

fn exit_at_once(counts: &Counts, gate: &Gate, report: &Report) -> ! {
    counts.lost(Loss::Dropped, "interrupted", counts.in_flight());
    say_counts(counts, gate, report);
    std::process::exit(130)
}

fn store(receiver: &Receiver, snapshot: Snapshot) {
    if let Err(error) = receiver.keys.store(snapshot) {
        receiver.report.say("cannot write the replay state", format_args!("{error:#}"));
    }
}

/// Waits for no output: each opens its file when it gets there.
fn reload(receiver: &Receiver, args: &ServeArgs) {
    receiver.sink.reopen();
    receiver.dead_letters.reopen();
    match receiver.keys.reload(args) {
        Ok(()) if receiver.keys.gate.requires_key() => {
            receiver.report.line(format_args!("logrecord: read the keys again"));
        }
        Ok(()) => {}
        Err(error) => {
            receiver.report.line(format_args!("logrecord: the old keys stay in use: {error:#}"));
        }
    }
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Binds everything that was asked for, or the two defaults.
fn listeners(args: &ServeArgs, gate: &Gate) -> anyhow::Result<Vec<Listener>> {
    let config = ListenerConfig::new()
        .max_frame_len(args.max_frame)
        .max_connections(args.max_connections)
        .max_connections_per_peer(args.max_connections_per_peer)
        .idle_timeout(args.idle_timeout.0)
        .frame_timeout(args.frame_timeout.0)
        .drain_timeout(args.drain_timeout)
        .unix_mode(args.unix_mode);
    let mut endpoints = args.addresses.endpoints()?;
    if endpoints.is_empty() && !args.systemd {
        for address in DEFAULT_LISTENERS {
            let endpoint = address.parse().map_err(anyhow::Error::new);
            endpoints.push(endpoint.context(Failure::usage("malformed address"))?);
        }
    }
    for endpoint in &endpoints {
        allow(endpoint, args, gate)?;
    }
    let mut listeners = Vec::new();
    if args.systemd {
        let handed = Listener::from_systemd(&config)
            .map_err(|error| anyhow!("{error}"))
            .context(Failure::unavailable("cannot use the sockets that were handed over"))?;
        if handed.is_empty() && endpoints.is_empty() {
            return Err(anyhow!("--systemd: LISTEN_FDS names no sockets for this process")
                .context(Failure::unavailable("no sockets")));
        }
        for listener in handed {
            allow(listener.local_endpoint(), args, gate)?;
            listeners.push(listener);
        }
    }
    for endpoint in &endpoints {
        let config = match endpoint.transport() {
            Transport::Tls => config.clone().tls(tls(args)?),
            _ => config.clone(),
        };
        let listener = Listener::bind(endpoint, config)
            .map_err(anyhow::Error::new)
            .with_context(|| format!("{endpoint}"))
            .context(Failure::unavailable("cannot listen"))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The certificate and key of the TLS listeners; clap has seen to it that both are there.
fn tls(args: &ServeArgs) -> anyhow::Result<TlsServer> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Err(anyhow!("--tls needs --tls-cert and --tls-key").context(Failure::usage("no certificate")));
    };
    TlsServer::from_files(certificate, key, args.tls_client_ca.as_deref())
        .map_err(anyhow::Error::new)
        .context(Failure::config("unusable TLS files"))
}

/// An address that others can reach needs a key or TLS, or a word from the operator.
fn allow(endpoint: &Endpoint, args: &ServeArgs, gate: &Gate) -> anyhow::Result<()> {
    if endpoint.is_local()
        || gate.requires_key()
        || endpoint.transport() == Transport::Tls
        || args.allow_unauthenticated
    {
        return Ok(());
    }
    Err(anyhow!(
        "{endpoint}: others can reach this address, and anybody could send records. Give a key \
         (--hmac-key, see `logrecord key new`), use --tls, or say --allow-unauthenticated"
    )
    .context(Failure::config("refused")))
}
