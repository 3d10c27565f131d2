//! `logrecord serve`: listeners in, a log, outputs out.

mod acks;
mod admin;
mod append;
mod dead_letter;
mod force;
mod hub;
mod inherited;
mod keys;
mod listeners;
mod manager;
mod metrics;
mod notes;
mod outputs;
mod receive;
mod report;
mod sink;
mod takeover;
mod view;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::Snapshot;
use logrecord::intake::{Engine, Rejection};
use logrecord::model::LogRecord;
use logrecord::pickle::{DecodeOptions, Globals};
use logrecord_pipeline::{End, Intake, Log, Logged, OnReject, Say, Shared};
use logrecord_spool::{Spool, SyncRule};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use self::acks::Acks;
use self::admin::RunningAdmin;
use self::dead_letter::DeadLetters;
use self::hub::{Failing, Hub, Parts};
use self::inherited::Inherited;
use self::keys::Keys;
use self::listeners::Listeners;
use self::notes::{Notes, logger};
use self::outputs::{Event, Outputs};
use self::receive::TRANSPORTS;
use self::report::Report;
use self::takeover::{Old, Successor};
use crate::args::ServeArgs;
use crate::config::{Config, ConfigFile, Records, Sync, WhenBehind};
use crate::exit::{CONFIG, Failure, UNAVAILABLE};
use crate::stderr;
use crate::terminal;

/// How often held-back reports are said and the replay state is stored.
const TICK: Duration = Duration::from_secs(1);

/// How long the last lines have to get to standard error.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// How long the dead letters have at the end, and with a spool the outputs: the rest stays in it.
const GRACE: Duration = Duration::from_secs(1);

/// How long a stream whose records may be given up waits for room: less than a stock sender waits.
const PATIENCE: Duration = Duration::from_millis(200);

/// Delivered records that stay in a log in memory for the view, as long as there is room.
const VIEW_BYTES: usize = 16 << 20;

/// Letters of a refused record's message in a report.
const MAX_MESSAGE: usize = 200;

const WAY_OUT: &str = "keep such records with --globals describe or --allow-global NAME";

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
    let outcome = runtime.block_on(serve(config, hash, args));
    // A thread that is stuck in a write must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, hash: Option<String>, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let file = args.config.as_deref();
    let report = Arc::new(Report::start()?);
    // The hook of the standard library would wait for whoever reads standard error.
    let panics = Arc::clone(&report);
    std::panic::set_hook(Box::new(move |panic| panics.say("panic", format_args!("{panic}"))));
    let mut outputs = Outputs::default();
    let ready = outputs.prepare(&config)?;
    // What may be wrong with this program's own files is found out before the other one is asked to rest.
    let mut inherited = Inherited::take(args.takeover.as_deref(), &report)?;
    let log = open_log(&config, &report)?;
    let keys = Keys::new(&config.signing, log.as_spool(), inherited.state.as_deref(), &report)?;
    let mut listeners = Listeners::default();
    let plan = listeners.plan(&config, &keys, Some(&mut inherited))?;
    let admin = config.admin.as_ref().map(|told| admin::bind(told, None)).transpose()?;
    // From here on more may arrive than the stored state knows.
    keys.begin(&log).context(Failure::config("cannot write the replay state"))?;
    let (dead_letters, letters_end) = open_dead_letters(&config, &report)?;
    let mut letters_end = letters_end;
    let hub = Arc::new(hub(&config, hash, log, keys, dead_letters, &report));
    for doubt in ready.iter().flat_map(outputs::Ready::doubts) {
        report.line(format_args!("logrecord: {doubt}"));
    }
    if terminal::is_verbose() {
        for line in force::lines(&config, file) {
            report.line(format_args!("logrecord: {line}"));
        }
    }
    // Signals are caught before anybody is told that the program is ready.
    let cannot_catch = Failure::unavailable("cannot catch signals");
    let mut signals = Signals::new().context(cannot_catch)?;
    let mut hangup = signal(SignalKind::hangup()).context(cannot_catch)?;
    let mut user = signal(SignalKind::user_defined1()).context(cannot_catch)?;
    // The last step that may fail: from here on this program is the one that serves.
    inherited.go()?;
    let mut successor = Successor::bind(args.takeover.as_ref())?;
    outputs.start(ready, &hub)?;
    let acks = Arc::clone(&hub);
    tokio::spawn(async move { acks.acks.run(acks.shared.log(), &acks.keys).await });

    let mut admin_task = admin.map(|admin| admin.start(&hub, None));
    listeners.adopt(plan, &hub);
    manager::tell(NotifyState::Ready);

    let mut config = config;
    let mut tick = tokio::time::interval(TICK);
    let mut storing: Option<JoinHandle<()>> = None;
    let mut handed_over = false;
    let mut code = ExitCode::SUCCESS;
    loop {
        tokio::select! {
            () = signals.stop() => break,
            _ = hangup.recv() => {
                reload(&hub, &mut listeners, &mut outputs, &mut letters_end, &mut admin_task, &mut config, file);
            }
            _ = user.recv() => hub.say_counts(),
            address = listeners.ended() => report.line(format_args!("logrecord: {address} has ended")),
            event = outputs.event() => match event {
                Event::Ended(name) => outputs.succeed(&name, &hub),
                // As in any pipe, the reader has seen enough; the counts say what it has not seen. Else it is a fault.
                Event::Closed(why) => {
                    if why == End::Failed {
                        code = ExitCode::from(UNAVAILABLE);
                    }
                    break;
                }
            },
            line = successor.next() => match line {
                Ok(line) => {
                    if let Some(storing) = storing.take() {
                        storing.await.ok();
                    }
                    let old = Old {
                        hub: &hub,
                        listeners: &mut listeners,
                        outputs: &mut outputs,
                        config: &config,
                        admin: &mut admin_task,
                    };
                    handed_over = old.hand_over(line).await;
                    if handed_over {
                        break;
                    }
                }
                Err(error) => report.say("no successor", format_args!("{error}")),
            },
            _ = tick.tick() => {
                report.flush(false);
                hub.lags();
                if storing.as_ref().is_none_or(JoinHandle::is_finished) {
                    let hub = Arc::clone(&hub);
                    storing = Some(tokio::task::spawn_blocking(move || store(&hub, Snapshot::Running)));
                }
            }
        }
    }
    if !handed_over {
        manager::tell(NotifyState::Stopping);
    }
    let has_spool = hub.shared.log().as_spool().is_some();
    let drain = config.listen.first().map_or(GRACE, |listen| listen.limits.drain_timeout);
    let end = async {
        if !handed_over {
            successor.remove();
        }
        if handed_over || takeover::leave(&hub, &mut listeners).await {
            // The rest is somebody else's; what could not be passed is closed.
            tokio::time::timeout(GRACE, listeners.gone()).await.ok();
        } else {
            listeners.stop().await;
        }
        if !handed_over {
            let by = Instant::now() + if has_spool { GRACE } else { drain };
            outputs.close(by, &hub).await;
        }
        if let Some(storing) = storing {
            storing.await.ok();
        }
        let last = Arc::clone(&hub);
        tokio::task::spawn_blocking(move || {
            if !handed_over {
                store(&last, Snapshot::Final);
            }
            let unstored = last.shared.log().close(GRACE);
            if unstored > 0 {
                last.report.line(format_args!("logrecord: {unstored} records did not get into the spool"));
            }
            letters_end.map_or(0, |letters| letters.wait(Instant::now() + GRACE))
        })
        .await
        .unwrap_or(0)
    };
    let lost_letters = tokio::select! {
        lost = end => lost,
        () = signals.stop() => {
            hub.say_counts();
            report.finish(STDERR_GRACE);
            std::process::exit(130)
        }
    };
    report.flush(true);
    if lost_letters > 0 {
        report.line(format_args!("logrecord: {lost_letters} dead letters were not kept"));
    }
    hub.say_counts();
    report.finish(STDERR_GRACE);
    Ok(code)
}

/// Records that wait: in memory, or on the disk.
fn open_log(config: &Config, report: &Report) -> anyhow::Result<Log> {
    let Some(told) = &config.spool else {
        let retain = if config.admin.is_some() { VIEW_BYTES } else { 0 };
        return Ok(Log::memory_retaining(usize::try_from(config.log_bytes).unwrap_or(usize::MAX), retain));
    };
    let sync = match told.sync {
        Sync::Ack => SyncRule::Ack,
        Sync::Every(interval) => SyncRule::Every(interval),
        Sync::Never => SyncRule::Never,
    };
    let spool_config =
        logrecord_spool::Config::new().max_bytes(told.max_bytes).retain(told.retain).sync(sync);
    let spool = Spool::open(&told.path, spool_config)
        .with_context(|| format!("{}", told.path.display()))
        .context(Failure::unavailable("cannot open the spool"))?;
    let found = spool.recovery();
    if found.cut_bytes > 0 {
        report.line(format_args!(
            "logrecord: the spool was not closed in order: {} bytes behind the last whole record were cut off",
            found.cut_bytes
        ));
    }
    for problem in found.set_aside.iter().chain(&found.damaged_cursors).chain(&found.problems) {
        report.line(format_args!("logrecord: the spool: {problem}"));
    }
    Ok(Log::spool(spool))
}

/// Whether what the log has is kept through the end of the program, so that it may be acknowledged.
fn keeps(config: &Config) -> bool {
    config.spool.as_ref().is_some_and(|spool| spool.sync != Sync::Never)
}

/// How long a stream waits for room in the log before its newest record is given up; for ever if that is not wanted.
fn patience(config: &Config) -> Option<Duration> {
    let gives_up = |output: &crate::config::Output| output.when_behind == Some(WhenBehind::DropNewest);
    (config.spool.is_some() || config.outputs.iter().any(gives_up)).then_some(PATIENCE)
}

fn decode_options(records: &Records) -> DecodeOptions {
    let options = DecodeOptions::new().globals(records.globals);
    records.allow.iter().fold(options, |options, name| options.allow(name))
}

fn hub(
    config: &Config,
    hash: Option<String>,
    log: Log,
    keys: Keys,
    dead_letters: Arc<DeadLetters>,
    report: &Arc<Report>,
) -> Hub {
    let notes = Arc::new(Notes::new(Arc::clone(report)));
    let failing = Failing::default();
    let dead_letters = Arc::new(Mutex::new(dead_letters));
    let say: Say = {
        let (report, failing) = (Arc::clone(report), Arc::clone(&failing));
        Arc::new(move |what, why| {
            let mut failing = failing.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(name) = what.strip_prefix("cannot write ") {
                failing.insert(name.to_owned());
            } else if let Some(name) = what.strip_prefix("writing again ") {
                failing.remove(name);
            }
            report.say(what, format_args!("{why}"));
        })
    };
    let on_reject = {
        let (report, letters) = (Arc::clone(report), Arc::clone(&dead_letters));
        let describer = Engine::new(DecodeOptions::new().globals(Globals::Inert));
        let on_reject: OnReject = Arc::new(move |logged, rejection| {
            let letters = Arc::clone(&letters.lock().unwrap_or_else(PoisonError::into_inner));
            undecodable(&report, &letters, &describer, logged, rejection);
        });
        on_reject
    };
    let shared = Shared::new(
        log.clone(),
        Engine::new(decode_options(&config.records)),
        outputs::routes(config),
        say,
        on_reject,
    );
    let parts = Parts {
        intake: Intake::new(log, patience(config)),
        shared,
        keys,
        acks: Arc::new(Acks::new(keeps(config))),
        notes,
        report: Arc::clone(report),
        dead_letters,
        failing,
    };
    let hub = Hub::new(parts, hash);
    hub.set_max_lag(config);
    hub
}

/// Reports and keeps what is no record: with its logger, its message and the way out where it was refused for a name.
fn undecodable(
    report: &Report,
    letters: &DeadLetters,
    describer: &Engine,
    logged: &Logged<'_>,
    rejection: &Rejection,
) {
    let entry = &logged.entry;
    let transport = TRANSPORTS.get(usize::from(entry.listener)).copied().unwrap_or("log");
    let peer = String::from_utf8_lossy(entry.peer);
    let reason = rejection.reason();
    let mut detail = rejection.to_string();
    if matches!(reason, "global" | "call" | "persid" | "buffer")
        && let Ok(record) = describer.decoder().decode(entry.payload)
    {
        detail.push_str(&about(&record));
    }
    report.say(&format!("rejected {reason}"), format_args!("from {peer} on {transport}: {detail}"));
    let prefix = logrecord::frame::prefix(entry.payload.len()).unwrap_or_default();
    letters.keep(transport, &peer, reason, &detail, &[&prefix, entry.payload]);
}

/// Whose record it was.
fn about(record: &LogRecord<'_>) -> String {
    let message: String = record.message().to_string().chars().take(MAX_MESSAGE).collect();
    format!("; logger {:?}, message {message:?}; {WAY_OUT}", logger(record))
}

fn store(hub: &Hub, snapshot: Snapshot) {
    if let Err(error) = hub.keys.store(hub.shared.log(), snapshot) {
        hub.report.say("cannot write the replay state", format_args!("{error:#}"));
    }
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

/// Opens the outputs again, and reads keys and configuration: all of it counts, or nothing of it.
fn reload(
    hub: &Arc<Hub>,
    listeners: &mut Listeners,
    outputs: &mut Outputs,
    letters_end: &mut Option<dead_letter::Finish>,
    admin: &mut Option<RunningAdmin>,
    config: &mut Config,
    file: Option<&Path>,
) {
    // Rotation must work whatever the configuration says, and it waits for nobody.
    outputs.reopen();
    hub.dead_letters().reopen();
    match reloaded(hub, listeners, outputs, letters_end, admin, config, file) {
        Ok(()) => {
            hub.reloads.fetch_add(1, Ordering::Relaxed);
            hub.report.note(format_args!("logrecord: reloaded"));
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

/// What only a restart can change.
fn fixed(fresh: &Config, old: &Config) -> Option<&'static str> {
    let spool = |config: &Config| config.spool.as_ref().map(|spool| (spool.path.clone(), spool.sync));
    let rows = [
        (fresh.signing.replay_state != old.signing.replay_state, "`replay_state`"),
        (fresh.signing.audience != old.signing.audience, "`audience`"),
        (spool(fresh) != spool(old), "`path` or `sync` of [spool]"),
    ];
    rows.into_iter().find_map(|(differs, what)| differs.then_some(what))
}

fn reloaded(
    hub: &Arc<Hub>,
    listeners: &mut Listeners,
    outputs: &mut Outputs,
    letters_end: &mut Option<dead_letter::Finish>,
    admin: &mut Option<RunningAdmin>,
    config: &mut Config,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let Some(path) = file else { return hub.keys.reload(&config.signing) };
    let file = ConfigFile::read(path)?;
    let fresh = file.config(false).map_err(|problems| anyhow!("{problems}"))?;
    if let Some(what) = fixed(&fresh, config) {
        return Err(anyhow!(
            "logrecord: another {what} needs a restart; with what it was before, the rest of the file counts at once"
        ));
    }
    // Build all that may fail, and only then swap.
    let ready = outputs.prepare(&fresh)?;
    let letters = if fresh.dead_letters == config.dead_letters {
        None
    } else {
        Some(open_dead_letters(&fresh, &hub.report)?)
    };
    let fresh_admin = fresh.admin.as_ref().map(|told| admin::bind(told, admin.as_ref())).transpose()?;
    let plan = listeners.plan(&fresh, &hub.keys, None)?;
    hub.keys.reload(&fresh.signing)?;
    for doubt in ready.iter().flat_map(outputs::Ready::doubts) {
        hub.report.line(format_args!("logrecord: {doubt}"));
    }
    hub.shared.set_routes(outputs::routes(&fresh));
    if fresh.records != config.records {
        hub.shared.set_engine(Engine::new(decode_options(&fresh.records)));
    }
    hub.shared.log().set_max_bytes(usize::try_from(fresh.log_bytes).unwrap_or(usize::MAX));
    if let (Some(spool), Some(told)) = (hub.shared.log().as_spool(), &fresh.spool) {
        spool.set_limits(told.max_bytes, told.retain);
    }
    hub.intake.set_wait(patience(&fresh));
    hub.set_max_lag(&fresh);
    outputs.adapt(ready, hub, &fresh);
    if let Some((letters, end)) = letters {
        // The old ones end behind what they have been given.
        hub.set_dead_letters(letters);
        *letters_end = end;
    }
    let before = admin.take();
    match fresh_admin {
        Some(fresh) => *admin = Some(fresh.start(hub, before)),
        None => before.iter().for_each(RunningAdmin::abort),
    }
    listeners.adopt(plan, hub);
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
