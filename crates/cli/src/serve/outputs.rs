//! The outputs of a configuration: made ready before anything is swapped, then driven, stopped and replaced.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use logrecord_pipeline::outputs::OnWritten;
use logrecord_pipeline::{Driver, End, Route, Routes, Settings, WhenBehind};
use logrecord_spool::Start;
use tokio::task::{JoinHandle, JoinSet};

use super::hub::Hub;
use super::notes::Notes;
use super::sink::Sink;
use crate::config::{self, Config, Nats, Otlp, Output, OutputKind};
use crate::exit::Failure;

/// How long an output that is replaced has for what is in the log.
const REPLACE: Duration = Duration::from_secs(5);

/// An output that is open and not yet driven.
pub(crate) struct Ready {
    told: Output,
    sink: Sink,
}

struct Running {
    told: Output,
    driver: Driver,
}

/// All outputs that are driven.
#[derive(Default)]
pub(crate) struct Outputs {
    running: Vec<Running>,
    /// Those that end.
    ending: JoinSet<String>,
    /// What takes the place of each that ends, if anything does.
    successors: Vec<(String, Option<Ready>)>,
    /// Those that have been halted, and may be driven again.
    halted: Vec<(Output, JoinHandle<()>)>,
}

/// What has happened to an output.
pub(crate) enum Event {
    /// The only one can never take anything again, for this reason.
    Closed(End),
    /// One that was removed or replaced has ended.
    Ended(String),
}

/// Opens an output.
fn open(told: &Output) -> anyhow::Result<Ready> {
    Ok(Ready { told: told.clone(), sink: Sink::open(told)? })
}

/// The rules of a configuration.
pub(crate) fn routes(config: &Config) -> Routes {
    if config.routes.is_empty() {
        return Routes::all(config.outputs.iter().map(|output| output.name.clone()), config.level);
    }
    let rule = |route: &config::Route| Route {
        loggers: route.loggers.clone(),
        level: route.level,
        to: route.to.clone(),
        go_on: route.go_on,
    };
    Routes::new(config.routes.iter().map(rule).collect())
}

/// The outputs with all that is said of them elsewhere: what happens when one is behind depends on whether there are
/// others, and how far it may be on the log.
fn resolved(config: &Config) -> Vec<Output> {
    let log = config.spool.as_ref().map_or(config.log_bytes, |spool| spool.max_bytes);
    let several = config.outputs.len() > 1;
    let mut outputs = config.outputs.clone();
    for output in &mut outputs {
        let default = if several { config::WhenBehind::DropOldest } else { config::WhenBehind::Block };
        if *output.when_behind.get_or_insert(default) == config::WhenBehind::DropOldest {
            // Behind a log that is full, nothing would ever be too far back.
            output.max_lag = Some(output.max_lag.unwrap_or(log / 2).min(log / 4 * 3));
        }
    }
    outputs
}

fn settings(told: &Output, start: Start) -> Settings {
    let mut settings = Settings::new(told.name.clone());
    settings.start = start;
    if let (Some(config::WhenBehind::DropOldest), Some(max_lag)) = (told.when_behind, told.max_lag) {
        settings.when_behind = WhenBehind::DropOldest { max_lag };
    }
    if let OutputKind::Otlp(Otlp { batch, .. }) | OutputKind::Nats(Nats { batch, .. }) = &told.kind {
        settings.records = usize::try_from(batch.records).unwrap_or(usize::MAX);
        settings.bytes = usize::try_from(batch.bytes).unwrap_or(usize::MAX);
        settings.wait = batch.wait;
    }
    settings
}

impl Ready {
    /// What is likely to be a mistake in its format.
    pub(crate) fn doubts(&self) -> Vec<String> {
        self.sink.doubts()
    }

    /// Begins to drive it.
    fn start(self, hub: &Hub, start: Start) -> anyhow::Result<Running> {
        // What is to be said of a record is said once, by the first output.
        let on_written: OnWritten = {
            let (notes, ledger) = (Arc::clone(&hub.notes), Arc::clone(hub.shared.ledger()));
            let name = self.told.name.clone();
            Arc::new(move |peer, record, written| {
                if Notes::has_any(record, written) && ledger.is_first(&name) {
                    notes.written(peer, record, written);
                }
            })
        };
        let driver = self
            .sink
            .start(hub, settings(&self.told, start), on_written)
            .with_context(|| format!("the cursor of output {}", self.told.name))
            .context(Failure::unavailable("cannot start the output"))?;
        Ok(Running { told: self.told, driver })
    }
}

impl Outputs {
    /// Drives outputs.
    pub(crate) fn start(&mut self, ready: Vec<Ready>, hub: &Hub) -> anyhow::Result<()> {
        for ready in ready {
            self.running.push(ready.start(hub, Start::Newest)?);
        }
        Ok(())
    }

    /// Opens what a new configuration has and this one has not, or has otherwise.
    pub(crate) fn prepare(&self, config: &Config) -> anyhow::Result<Vec<Ready>> {
        let running = self.running.iter().map(|running| &running.told);
        let to_come = self.successors.iter().filter_map(|(_, successor)| Some(&successor.as_ref()?.told));
        let known: Vec<&Output> = running.chain(to_come).collect();
        resolved(config).iter().filter(|told| !known.contains(told)).map(open).collect()
    }

    /// Swaps: what is gone ends, what has changed is replaced, what is new begins.
    pub(crate) fn adapt(&mut self, mut ready: Vec<Ready>, hub: &Hub, config: &Config) {
        let wanted = resolved(config);
        let mut take = |name: &str| {
            let place = ready.iter().position(|ready| ready.told.name == name);
            place.map(|place| ready.swap_remove(place))
        };
        // One that is still ending is waited for: two of one name would write the same records.
        for (name, successor) in &mut self.successors {
            let told = wanted.iter().find(|told| told.name == *name);
            if successor.as_ref().map(|successor| &successor.told) != told {
                *successor = take(name);
            }
        }
        let (stay, go) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running: &Running| wanted.contains(&running.told));
        self.running = stay;
        for Running { told, driver } in go {
            self.successors.push((told.name.clone(), take(&told.name)));
            self.ending.spawn(async move {
                // It has what came until now; an output that takes nothing is not waited for longer than this.
                tokio::time::timeout(REPLACE, driver.flush()).await.ok();
                driver.stop().await;
                told.name
            });
        }
        for ready in ready {
            self.begin(ready, hub);
        }
    }

    /// Drives an output, or says why not. The next reload tries again.
    fn begin(&mut self, ready: Ready, hub: &Hub) {
        // Of the records that are there it has no part, unless it takes the place of one that had.
        match ready.start(hub, Start::Next) {
            Ok(running) => self.running.push(running),
            Err(error) => hub.report.line(format_args!("logrecord: {error:#}")),
        }
    }

    /// Waits for something to happen that nobody here has asked for, or that takes its time.
    pub(crate) async fn event(&mut self) -> Event {
        let Self { running, ending, .. } = self;
        let closed = async {
            match running.as_slice() {
                [only] => only.driver.closed().await,
                _ => std::future::pending().await,
            }
        };
        let ended = async {
            match ending.join_next().await {
                Some(Ok(name)) => name,
                // None of them panics.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            why = closed => Event::Closed(why),
            name = ended => Event::Ended(name),
        }
    }

    /// Starts what takes the place of an output that has ended, or says what the end has cost.
    pub(crate) fn succeed(&mut self, name: &str, hub: &Hub) {
        // Whether its successor can write is the successor's to say.
        hub.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let place = self.successors.iter().position(|(known, _)| known == name);
        match place.and_then(|place| self.successors.swap_remove(place).1) {
            // Opened again, because the one before it may have gone on writing to the same file.
            Some(ready) => self.begin(open(&ready.told).unwrap_or(ready), hub),
            None => match hub.shared.log().remove_cursor(name) {
                Ok(behind) => {
                    hub.shared.ledger().remove(name);
                    hub.report
                        .line(format_args!("logrecord: output {name} has ended, {behind} records behind"));
                }
                Err(error) => {
                    hub.report.line(format_args!("logrecord: the cursor of output {name}: {error}"));
                }
            },
        }
    }

    /// Has all of them opened again. It waits for none.
    pub(crate) fn reopen(&self) {
        for running in &self.running {
            running.driver.reopen();
        }
    }

    /// Waits until all of them have what is in the log now; gives whether they have it in time.
    pub(crate) async fn flush(&self, by: tokio::time::Instant) -> bool {
        for running in &self.running {
            if tokio::time::timeout_at(by, running.driver.flush()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until those that were replaced or removed have ended, and starts what takes their place. Gives whether
    /// they have in time.
    pub(crate) async fn settle(&mut self, by: tokio::time::Instant, hub: &Hub) -> bool {
        loop {
            match tokio::time::timeout_at(by, self.ending.join_next()).await {
                Ok(Some(Ok(name))) => self.succeed(&name, hub),
                // None of them panics.
                Ok(Some(Err(_))) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Ends all of them behind what they have in hand; the cursors stay. Gives whether all have ended in time.
    pub(crate) async fn halt(&mut self, by: tokio::time::Instant) -> bool {
        let halting =
            self.running.drain(..).map(|Running { told, driver }| (told, tokio::spawn(driver.stop())));
        self.halted.extend(halting);
        for (_, halting) in &mut self.halted {
            if tokio::time::timeout_at(by, halting).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Drives again what was halted.
    pub(crate) fn go_on(&mut self, hub: &Hub) {
        for (told, halting) in std::mem::take(&mut self.halted) {
            if halting.is_finished() {
                match open(&told) {
                    Ok(ready) => self.begin(ready, hub),
                    Err(error) => hub.report.line(format_args!("logrecord: {error:#}")),
                }
                continue;
            }
            self.successors.push((told.name.clone(), open(&told).ok()));
            self.ending.spawn(async move {
                halting.await.ok();
                told.name
            });
        }
    }

    /// Delivers what is in the log until a time, and ends.
    pub(crate) async fn close(&mut self, by: Instant, hub: &Hub) {
        self.settle(by.into(), hub).await;
        let mut closing = JoinSet::new();
        for running in self.running.drain(..) {
            closing.spawn(running.driver.close(by));
        }
        while closing.join_next().await.is_some() {}
        self.ending.abort_all();
        if hub.shared.log().as_spool().is_none() {
            // Nobody is left to take what waits in memory.
            self.successors.drain(..).for_each(|(name, _)| hub.shared.ledger().give_up(&name, "shutdown"));
        }
    }
}
