//! `logrecord serve`: listeners in, lines out.

mod admin;
mod append;
mod counts;
mod dead_letter;
mod format;
mod hub;
mod keys;
mod listeners;
mod metrics;
mod receive;
mod report;
mod sink;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::Snapshot;
use logrecord::intake::Engine;
use logrecord::pickle::{DecodeOptions, Globals};
use tokio::signal::unix::{SignalKind, signal};

use self::counts::{Counts, Loss};
use self::dead_letter::DeadLetters;
pub(crate) use self::format::Formatting;
use self::hub::{Hub, Stage};
use self::keys::Keys;
use self::listeners::Listeners;
use self::report::Report;
use self::sink::Sink;
use crate::args::ServeArgs;
use crate::config::{Config, ConfigFile, Output, OutputKind};
use crate::exit::{CONFIG, Failure, UNAVAILABLE};
use crate::stderr;

/// How often held-back reports are said and the replay state is stored.
const TICK: Duration = Duration::from_secs(1);

/// How long the last lines have to get to standard error.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// How long the output has, after the listeners have ended, to take what is on its way.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let (config, hash) = match &args.config {
        None => (Config::from_args(args)?, None),
        Some(path) => {
            let file = ConfigFile::read(path)?;
            match file.config(false) {
                Ok(config) => (config, Some(file.hash())),
                Err(problems) => {
                    stderr::lines(&problems);
                    return Ok(ExitCode::from(CONFIG));
                }
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(Failure::unavailable("cannot start the runtime"))?;
    let outcome = runtime.block_on(serve(config, hash, args.config.clone()));
    // A thread that is stuck in a write must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// What is waited for at the end.
struct Ends {
    output: sink::Finish,
    letters: Option<dead_letter::Finish>,
}

async fn serve(config: Config, hash: Option<String>, file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let report = Arc::new(Report::start()?);
    // The hook of the standard library would wait for whoever reads standard error.
    let panics = Arc::clone(&report);
    std::panic::set_hook(Box::new(move |panic| panics.say("panic", format_args!("{panic}"))));
    let counts = Arc::new(Counts::default());
    // A format that Formatter refuses is told before anything is opened.
    let output = only_output(&config)?;
    formatting(output)?;
    let keys = Keys::new(&config.signing)?;
    let mut listeners = Listeners::default();
    let bound = listeners::bind(&config, &keys, &listeners)?;
    let admin = config.admin.as_ref().map(admin::bind).transpose()?;
    // From here on more may arrive than the stored state knows.
    keys.store(Snapshot::Running).context(Failure::config("cannot write the replay state"))?;
    let (sink, output_end) = open_sink(output, &counts, &report)?;
    let (dead_letters, letters_end) = open_dead_letters(&config, &report)?;
    let mut ends = Ends { output: output_end, letters: letters_end };
    let stage = stage(&config, sink, dead_letters)?;
    for doubt in stage.formatting.doubts() {
        report.line(format_args!("logrecord: {doubt}"));
    }
    let hub = Arc::new(Hub::new(stage, keys, Arc::clone(&counts), Arc::clone(&report)));
    hub.set_hash(hash);

    // Signals are caught before anybody is told that the program is ready.
    let cannot_catch = Failure::unavailable("cannot catch signals");
    let mut signals = Signals::new().context(cannot_catch)?;
    let mut hangup = signal(SignalKind::hangup()).context(cannot_catch)?;
    let mut user = signal(SignalKind::user_defined1()).context(cannot_catch)?;
    if let Some(admin) = admin {
        report.line(format_args!("admin on {}", admin.link()));
        tokio::spawn(admin.serve(Arc::clone(&hub)));
    }
    listeners.serve(bound, &hub);

    let mut config = config;
    let mut code = ExitCode::SUCCESS;
    let mut tick = tokio::time::interval(TICK);
    let mut storing = None;
    loop {
        let sink = Arc::clone(&hub.stage().sink);
        tokio::select! {
            () = signals.stop() => break,
            _ = hangup.recv() => reload(&hub, &mut listeners, &mut ends, &mut config, file.as_deref()),
            _ = user.recv() => report.line(format_args!("{}", hub.counts_line())),
            address = listeners.ended() => report.line(format_args!("logrecord: {address} has ended")),
            () = sink.broken() => {
                report.line(format_args!("logrecord: the reader of the output is gone"));
                code = ExitCode::from(UNAVAILABLE);
                break;
            }
            _ = tick.tick() => {
                report.flush(false);
                if storing.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
                    let hub = Arc::clone(&hub);
                    storing = Some(tokio::task::spawn_blocking(move || store(&hub, Snapshot::Running)));
                }
            }
        }
    }
    tokio::select! {
        () = listeners.stop() => {}
        () = signals.stop() => exit_at_once(&hub),
    }
    let last_store = async {
        if let Some(storing) = storing {
            storing.await.ok();
        }
        let hub = Arc::clone(&hub);
        tokio::task::spawn_blocking(move || store(&hub, Snapshot::Final)).await.ok();
    };
    tokio::select! {
        () = last_store => {}
        () = signals.stop() => exit_at_once(&hub),
    }
    let deadline = Instant::now() + OUTPUT_GRACE;
    hub.stage().sink.close();
    let finished = tokio::task::spawn_blocking(move || {
        ends.output.wait(deadline);
        ends.letters.map_or(0, |letters| letters.wait(deadline))
    });
    let lost_letters = tokio::select! {
        lost = finished => lost.unwrap_or(0),
        () = signals.stop() => exit_at_once(&hub),
    };
    report.flush(true);
    if lost_letters > 0 {
        report.line(format_args!("logrecord: {lost_letters} dead letters were not kept"));
    }
    // What the output has not taken by now is lost with this process.
    counts.lost(Loss::Dropped, "output", counts.in_flight());
    report.line(format_args!("{}", hub.counts_line()));
    report.finish(STDERR_GRACE);
    Ok(code)
}

fn exit_at_once(hub: &Hub) -> ! {
    hub.counts.lost(Loss::Dropped, "interrupted", hub.counts.in_flight());
    hub.report.line(format_args!("{}", hub.counts_line()));
    hub.report.finish(STDERR_GRACE);
    std::process::exit(130)
}

fn store(hub: &Hub, snapshot: Snapshot) {
    if let Err(error) = hub.keys.store(snapshot) {
        hub.report.say("cannot write the replay state", format_args!("{error:#}"));
    }
}

/// The output that this version of the program can have.
fn only_output(config: &Config) -> anyhow::Result<&Output> {
    let refuse = |what: &str| {
        anyhow!("{what} cannot be served by this version").context(Failure::config("not served"))
    };
    if config.spool.is_some() {
        return Err(refuse("[spool]"));
    }
    let routed = config.routes.iter().any(|route| !route.loggers.is_empty() || route.level.is_some());
    match config.outputs.as_slice() {
        _ if routed => Err(refuse("a route by logger or level")),
        [Output { level: Some(_), .. }] => Err(refuse("an output with a level")),
        [Output { kind: OutputKind::File { rotate: Some(_), .. }, .. }] => Err(refuse("`rotate`")),
        [output @ Output { kind: OutputKind::File { .. } | OutputKind::Stdout { .. }, .. }] => Ok(output),
        [_] => Err(refuse("an output of this type")),
        _ => Err(refuse("more than one output")),
    }
}

fn formatting(output: &Output) -> anyhow::Result<Formatting> {
    match &output.kind {
        OutputKind::Stdout { format } => Formatting::new(format, std::io::stdout().is_terminal()),
        OutputKind::File { format, .. } => Formatting::new(format, false),
        _ => Err(anyhow!("not an output of lines")),
    }
}

fn open_sink(
    output: &Output,
    counts: &Arc<Counts>,
    report: &Arc<Report>,
) -> anyhow::Result<(Arc<Sink>, sink::Finish)> {
    let stdout = PathBuf::from("-");
    let path = match &output.kind {
        OutputKind::File { path, .. } => path,
        _ => &stdout,
    };
    let (sink, end) = Sink::open("output", path, Arc::clone(counts), Arc::clone(report))?;
    Ok((Arc::new(sink), end))
}

fn open_dead_letters(
    config: &Config,
    report: &Arc<Report>,
) -> anyhow::Result<(Arc<DeadLetters>, Option<dead_letter::Finish>)> {
    match &config.dead_letters {
        None => Ok((Arc::default(), None)),
        Some(letters) => {
            let (letters, end) = DeadLetters::open(&letters.path, letters.max_bytes, Arc::clone(report))?;
            Ok((Arc::new(letters), Some(end)))
        }
    }
}

fn stage(config: &Config, sink: Arc<Sink>, dead_letters: Arc<DeadLetters>) -> anyhow::Result<Stage> {
    let mut options = DecodeOptions::new().globals(config.records.globals);
    for name in &config.records.allow {
        options = options.allow(name);
    }
    Ok(Stage {
        engine: Engine::new(options),
        second: Engine::new(DecodeOptions::new().globals(match config.records.globals {
            Globals::Inert => Globals::Known,
            _ => Globals::Inert,
        })),
        name: only_output(config)?.name.clone(),
        formatting: formatting(only_output(config)?)?,
        sink,
        dead_letters,
    })
}

/// Opens the outputs again, and reads keys and configuration: all of it counts, or nothing of it.
fn reload(
    hub: &Arc<Hub>,
    listeners: &mut Listeners,
    ends: &mut Ends,
    config: &mut Config,
    file: Option<&std::path::Path>,
) {
    // Rotation must work whatever the configuration says, and it waits for nobody.
    let stage = hub.stage();
    stage.sink.reopen();
    stage.dead_letters.reopen();
    match reloaded(hub, listeners, ends, config, file) {
        Ok(()) => {
            hub.reloads.fetch_add(1, Ordering::Relaxed);
            hub.report.line(format_args!("logrecord: reloaded"));
        }
        Err(error) => {
            hub.failed_reloads.fetch_add(1, Ordering::Relaxed);
            for line in format!("{error:#}").lines() {
                hub.report.line(format_args!("{line}"));
            }
            hub.report.line(format_args!("logrecord: the old configuration and the old keys stay in use"));
        }
    }
}

fn reloaded(
    hub: &Arc<Hub>,
    listeners: &mut Listeners,
    ends: &mut Ends,
    config: &mut Config,
    file: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let Some(path) = file else { return hub.keys.reload(&config.signing) };
    let file = ConfigFile::read(path)?;
    let fresh = file.config(false).map_err(|problems| anyhow!("{problems}"))?;
    if fresh.signing.replay_state != config.signing.replay_state
        || fresh.signing.audience != config.signing.audience
    {
        return Err(anyhow!("logrecord: another `replay_state` or `audience` needs a restart"));
    }
    if fresh.admin != config.admin {
        return Err(anyhow!("logrecord: another [admin] needs a restart"));
    }
    // Build all that may fail, and only then swap.
    let bound = listeners::bind(&fresh, &hub.keys, listeners)?;
    let old = hub.stage();
    let output = only_output(&fresh)?;
    let place = |output: &Output| match &output.kind {
        OutputKind::File { path, .. } => Some(path.clone()),
        _ => None,
    };
    let (sink, output_end) = if place(output) == place(only_output(config)?) {
        (Arc::clone(&old.sink), None)
    } else {
        let (sink, end) = open_sink(output, &hub.counts, &hub.report)?;
        (sink, Some(end))
    };
    let (dead_letters, letters_end) = if fresh.dead_letters == config.dead_letters {
        (Arc::clone(&old.dead_letters), None)
    } else {
        let (letters, end) = open_dead_letters(&fresh, &hub.report)?;
        (letters, Some(end))
    };
    let stage = stage(&fresh, sink, dead_letters)?;
    hub.keys.reload(&fresh.signing)?;
    listeners.adapt(&fresh, hub)?;
    for doubt in stage.formatting.doubts() {
        hub.report.line(format_args!("logrecord: {doubt}"));
    }
    hub.set_stage(stage);
    listeners.serve(bound, hub);
    if let Some(end) = output_end {
        // The old one ends behind what it has been given.
        ends.output = end;
    }
    if let Some(end) = letters_end {
        ends.letters = end;
    }
    hub.set_hash(Some(file.hash()));
    *config = fresh;
    Ok(())
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
