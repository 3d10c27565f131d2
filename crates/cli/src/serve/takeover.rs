//! Handing over to the next program: to one that is there, or at a stop to the service manager, for one that comes.
//!
//! The old program reads nothing more, makes durable what it has, gives up its files, and passes every socket with
//! the bytes of a begun frame. Until the new one has said that it has all that it needs, and was told to go, the old
//! one can go on as if nothing had been: sockets are passed as duplicates, and nobody else has read from them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::Snapshot;
use logrecord::transport::listener::Part;
use logrecord::transport::store::Store;
use logrecord::transport::takeover::{Line, Message, Place};
use tokio::sync::mpsc;
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::timeout_at;

use super::admin::{self, RunningAdmin};
use super::hub::Hub;
use super::listeners::Listeners;
use super::manager;
use super::outputs::Outputs;
use crate::config::Config;
use crate::exit::Failure;

/// How long everything may take to come to rest, a slow disk included: while it takes, records wait in the sockets.
const REST: Duration = Duration::from_secs(20);

/// The same at a stop, and how long the service manager may take to hear of it.
const STOP: Duration = Duration::from_secs(3);

/// How long a log in memory may take to become empty.
const EMPTY: Duration = Duration::from_secs(2);

/// How long the successor may take to be ready.
const READY: Duration = Duration::from_secs(5);

/// How many sockets are passed before the runtime goes on with other work.
const MANY: usize = 64;

/// How long the spool may be somebody else's after the successor has failed.
const LOCKED: Duration = Duration::from_secs(10);

/// Where this program waits for its successor, if it does.
pub(crate) struct Successor {
    place: Option<Place>,
    lines: mpsc::Receiver<std::io::Result<Line>>,
}

impl Successor {
    /// Waits at a path.
    pub(crate) fn bind(path: Option<&PathBuf>) -> anyhow::Result<Self> {
        let (found, lines) = mpsc::channel(1);
        let Some(path) = path else { return Ok(Self { place: None, lines }) };
        let bound = Place::bind(path).and_then(|place| {
            let socket = tokio::net::UnixListener::from_std(place.socket().try_clone()?)?;
            Ok((place, socket))
        });
        let (place, socket) = bound
            .with_context(|| format!("--takeover {}", path.display()))
            .context(Failure::unavailable("cannot wait for a successor"))?;
        tokio::spawn(async move { while found.send(answer(&socket).await).await.is_ok() {} });
        Ok(Self { place: Some(place), lines })
    }

    /// The next one who wants to take over.
    pub(crate) async fn next(&mut self) -> std::io::Result<Line> {
        match self.lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }

    /// Nobody is waited for any more.
    pub(crate) fn remove(self) {
        if let Some(place) = self.place {
            place.remove();
        }
    }
}

/// Waits for somebody who says what a successor says first.
async fn answer(socket: &tokio::net::UnixListener) -> std::io::Result<Line> {
    let (stream, _) = match socket.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            // Without descriptors it would be asked again and again.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Err(error);
        }
    };
    let stream = stream.into_std()?;
    let line = spawn_blocking(move || {
        let line = Line::over(stream)?;
        match line.receive_within(READY)? {
            Message::Hello => Ok(line),
            _ => Err(std::io::ErrorKind::InvalidData.into()),
        }
    });
    line.await.map_err(std::io::Error::other)?
}

/// What is put aside for a successor, and taken up again if it fails.
pub(crate) struct Old<'a> {
    pub(crate) hub: &'a Arc<Hub>,
    pub(crate) listeners: &'a mut Listeners,
    pub(crate) outputs: &'a mut Outputs,
    pub(crate) config: &'a Config,
    pub(crate) admin: &'a mut Option<RunningAdmin>,
}

/// Passes on what paused listeners have, as it comes.
async fn pass(
    paused: Vec<(String, mpsc::Receiver<Part>)>,
    by: tokio::time::Instant,
    mut send: impl FnMut(Message) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    for (place, (told, mut parts)) in paused.into_iter().enumerate() {
        let place = u16::try_from(place).context("too many listeners")?;
        let (mut taken, mut is_whole) = (Vec::new(), false);
        while !is_whole {
            let count = timeout_at(by, parts.recv_many(&mut taken, MANY)).await;
            if count.map_err(|_| anyhow!("{told} does not come to rest"))? == 0 {
                return Err(anyhow!("{told} has ended"));
            }
            // Many at a time, because the runtime needs another thread for its work meanwhile.
            block_in_place(|| {
                taken.drain(..).try_for_each(|part| match part {
                    Part::Connection(connection) => send(Message::Connection { place, connection }),
                    Part::Listener(socket) => {
                        is_whole = true;
                        send(Message::Listener { place, address: told.clone(), socket })
                    }
                    _ => Ok(()),
                })
            })?;
        }
    }
    Ok(())
}

/// Leaves sockets, connections and begun frames to the manager, at an orderly stop; gives whether it did.
pub(crate) async fn leave(hub: &Hub, listeners: &mut Listeners) -> bool {
    if !manager::keeps() {
        return false;
    }
    match put_away(hub, listeners).await {
        Ok(count) => {
            listeners.leave();
            hub.report.line(format_args!("logrecord: {count} sockets are left to the service manager"));
            true
        }
        Err(error) => {
            hub.report.line(format_args!("logrecord: not left to the service manager: {error:#}"));
            false
        }
    }
}

async fn put_away(hub: &Hub, listeners: &Listeners) -> anyhow::Result<usize> {
    let mut store = Store::new()?;
    let mut count = 0;
    pass(listeners.pause(true), tokio::time::Instant::now() + STOP, |message| {
        count += 1;
        store.put(message)
    })
    .await?;
    if hub.shared.log().as_spool().is_none() {
        store.put(Message::State(hub.keys.export()))?;
    }
    let keeping = spawn_blocking(move || manager::keep(&store.into_descriptors()));
    tokio::time::timeout(STOP, keeping).await.map_err(|_| anyhow!("it does not listen"))???;
    Ok(count)
}

impl Old<'_> {
    /// Hands over. Gives whether the other program serves now; if it does not, this one goes on.
    pub(crate) async fn hand_over(mut self, line: Line) -> bool {
        // What is being replaced has its time while everything is still read.
        let by = tokio::time::Instant::now() + REST;
        let is_settled = self.outputs.settle(by, self.hub).await;
        let begin = Instant::now();
        let line = Arc::new(line);
        let given = if is_settled { self.give(&line).await } else { Err(anyhow!("an output does not end")) };
        match given {
            Ok(()) => {
                self.listeners.leave();
                let took = begin.elapsed().as_millis();
                self.hub.report.line(format_args!("logrecord: handed over in {took} ms"));
                // The successor hangs up when it has told the service manager that it is the one now. If this program
                // ended before that, the service would count as ended.
                spawn_blocking(move || line.receive_within(READY)).await.ok();
                true
            }
            Err(error) => {
                let why = format!("{error:#}");
                self.hub.report.line(format_args!("logrecord: not handed over: {why}"));
                // Whoever is gone needs no answer.
                block_in_place(|| line.send(&Message::Refused(why))).ok();
                drop(line);
                self.go_on().await;
                false
            }
        }
    }

    async fn give(&mut self, line: &Arc<Line>) -> anyhow::Result<()> {
        let by = tokio::time::Instant::now() + REST;
        let passed = pass(self.listeners.pause(false), by, |message| line.send(&message));
        passed.await.context("the successor is gone")?;
        let has_spool = self.hub.shared.log().as_spool().is_some();
        let empty_by = tokio::time::Instant::now() + EMPTY;
        if !has_spool && !self.outputs.flush(empty_by).await {
            return Err(anyhow!("an output does not take what is in memory, and there is no spool"));
        }
        if !self.outputs.halt(by).await {
            return Err(anyhow!("an output does not come to rest"));
        }
        if let Some(admin) = self.admin.take() {
            // Its address has to be free. What is asked at this moment is asked again.
            admin.stop().await;
        }
        let hub = Arc::clone(self.hub);
        let unstored = spawn_blocking(move || {
            if let Err(error) = hub.keys.store(hub.shared.log(), Snapshot::Final) {
                hub.report.say("cannot write the replay state", format_args!("{error:#}"));
            }
            hub.shared.log().close(REST)
        });
        let unstored = unstored.await.unwrap_or(u64::MAX);
        if unstored > 0 {
            return Err(anyhow!("the spool does not take {unstored} records"));
        }
        let state = (!has_spool).then(|| self.hub.keys.export());
        let line = Arc::clone(line);
        let word = spawn_blocking(move || {
            if let Some(state) = state {
                line.send(&Message::State(state))?;
            }
            line.send(&Message::End)?;
            match line.receive_within(READY)? {
                Message::Ready => line.send(&Message::Go),
                _ => Err(std::io::ErrorKind::InvalidData.into()),
            }
        });
        word.await.map_err(std::io::Error::other).flatten().context("the successor has failed")
    }

    /// Takes everything up again.
    async fn go_on(&mut self) {
        if let Some(spool) = self.hub.shared.log().as_spool() {
            let by = Instant::now() + LOCKED;
            loop {
                match block_in_place(|| spool.reopen()) {
                    Ok(()) => break,
                    // The successor is on its way out, and the lock goes with it.
                    Err(error) if Instant::now() < by && error.kind() == std::io::ErrorKind::WouldBlock => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => {
                        self.hub.report.line(format_args!("logrecord: cannot open the spool again: {error}"));
                        break;
                    }
                }
            }
        }
        self.outputs.go_on(self.hub);
        if let Some(told) = self.config.admin.as_ref().filter(|_| self.admin.is_none()) {
            match admin::bind(told, None) {
                Ok(server) => *self.admin = Some(server.start(self.hub, None)),
                Err(error) => self.hub.report.line(format_args!("logrecord: {error:#}")),
            }
        }
        self.listeners.resume();
    }
}
