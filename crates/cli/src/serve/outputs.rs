//! The outputs of a configuration: made ready before anything is swapped, then driven, stopped and replaced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use logrecord_pipeline::outputs::OnWritten;
use logrecord_pipeline::{Driver, Route, Routes, Settings, WhenBehind};
use tokio::task::{JoinHandle, JoinSet};

use super::hub::Hub;
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
    /// The only one can never take anything again.
    Closed,
    /// One that was removed or replaced has ended.
    Ended(String),
}

/// Opens an output.
pub(crate) fn open(told: &Output) -> anyhow::Result<Ready> {
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

fn settings(told: &Output, config: &Config) -> Settings {
    let mut settings = Settings::new(told.name.clone());
    let log = config.spool.as_ref().map_or(config.log_bytes, |spool| spool.max_bytes);
    let max_lag = told.max_lag.unwrap_or(log / 2);
    settings.when_behind = match told.when_behind {
        Some(config::WhenBehind::DropOldest) => WhenBehind::DropOldest { max_lag },
        Some(_) => WhenBehind::Block,
        None if config.outputs.len() > 1 => WhenBehind::DropOldest { max_lag },
        None => WhenBehind::Block,
    };
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
    fn start(self, hub: &Hub, config: &Config) -> anyhow::Result<Running> {
        // What is to be said of a record is said once, by the first output.
        let first = config.outputs.first().is_some_and(|first| first.name == self.told.name);
        let on_written = first.then(|| {
            let notes = Arc::clone(&hub.notes);
            let on_written: OnWritten =
                Arc::new(move |peer, record, written| notes.written(peer, record, written));
            on_written
        });
        let driver = self
            .sink
            .start(hub, settings(&self.told, config), on_written)
            .with_context(|| format!("the cursor of output {}", self.told.name))
            .context(Failure::unavailable("cannot start the output"))?;
        Ok(Running { told: self.told, driver })
    }
}

impl Outputs {
    /// Drives outputs.
    pub(crate) fn start(&mut self, ready: Vec<Ready>, hub: &Hub, config: &Config) -> anyhow::Result<()> {
        for ready in ready {
            self.running.push(ready.start(hub, config)?);
        }
        Ok(())
    }

    /// Opens what a new configuration has and this one has not, or has otherwise.
    pub(crate) fn prepare(&self, config: &Config) -> anyhow::Result<Vec<Ready>> {
        let running = self.running.iter().map(|running| &running.told);
        let to_come = self.successors.iter().filter_map(|(_, successor)| Some(&successor.as_ref()?.told));
        let known: Vec<&Output> = running.chain(to_come).collect();
        config.outputs.iter().filter(|told| !known.contains(told)).map(open).collect()
    }

    /// Swaps: what is gone ends, what has changed is replaced, what is new begins.
    pub(crate) fn adapt(&mut self, mut ready: Vec<Ready>, hub: &Hub, config: &Config) {
        let mut take = |name: &str| {
            let place = ready.iter().position(|ready| ready.told.name == name);
            place.map(|place| ready.swap_remove(place))
        };
        // One that is still ending is waited for: two of one name would write the same records.
        for (name, successor) in &mut self.successors {
            let told = config.outputs.iter().find(|told| told.name == *name);
            if successor.as_ref().map(|successor| &successor.told) != told {
                *successor = take(name);
            }
        }
        let (stay, go) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running: &Running| config.outputs.contains(&running.told));
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
            self.begin(ready, hub, config);
        }
    }

    /// Drives an output, or says why not. The next reload tries again.
    fn begin(&mut self, ready: Ready, hub: &Hub, config: &Config) {
        match ready.start(hub, config) {
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
            () = closed => Event::Closed,
            name = ended => Event::Ended(name),
        }
    }

    /// Starts what takes the place of an output that has ended, or says what the end has cost.
    pub(crate) fn succeed(&mut self, name: &str, hub: &Hub, config: &Config) {
        let place = self.successors.iter().position(|(known, _)| known == name);
        match place.and_then(|place| self.successors.swap_remove(place).1) {
            // Opened again, because the one before it may have gone on writing to the same file.
            Some(ready) => self.begin(open(&ready.told).unwrap_or(ready), hub, config),
            None => match hub.shared.log().remove_cursor(name) {
                Ok(behind) => {
                    let book = hub.shared.ledger().open(name, 0);
                    let left = book.counts().buffered();
                    book.take(left).dropped("removed", left);
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
    pub(crate) async fn settle(&mut self, by: tokio::time::Instant, hub: &Hub, config: &Config) -> bool {
        loop {
            match tokio::time::timeout_at(by, self.ending.join_next()).await {
                Ok(Some(Ok(name))) => self.succeed(&name, hub, config),
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
    pub(crate) fn go_on(&mut self, hub: &Hub, config: &Config) {
        for (told, halting) in std::mem::take(&mut self.halted) {
            if halting.is_finished() {
                match open(&told) {
                    Ok(ready) => self.begin(ready, hub, config),
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
    pub(crate) async fn close(&mut self, by: Instant, hub: &Hub, config: &Config) {
        self.settle(by.into(), hub, config).await;
        let mut closing = JoinSet::new();
        for running in self.running.drain(..) {
            closing.spawn(running.driver.close(by));
        }
        while closing.join_next().await.is_some() {}
        self.ending.abort_all();
        if hub.shared.log().as_spool().is_some() {
            return;
        }
        for (name, _) in self.successors.drain(..) {
            // Nobody is left to take what waits in memory.
            let book = hub.shared.ledger().open(&name, 0);
            let left = book.counts().buffered();
            book.take(left).dropped("shutdown", left);
        }
    }
}
