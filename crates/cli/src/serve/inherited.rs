//! What a program has from the one whose place it takes, or from the service manager.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use logrecord::transport::listener::{Handed, PassedConnection};
use logrecord::transport::takeover::{Line, Message};
use logrecord::transport::{Endpoint, Error};
use sd_notify::NotifyState;
use tokio::task::block_in_place;

use super::manager;
use super::report::Report;
use crate::exit::Failure;

/// A listening socket of the old program.
pub(crate) struct Socket {
    pub(crate) socket: OwnedFd,
    /// Where it is bound.
    pub(crate) local: Endpoint,
    pub(crate) connections: Vec<PassedConnection>,
}

/// What the old program has passed.
#[derive(Default)]
pub(crate) struct Inherited {
    /// The line to it, if it runs.
    line: Option<Line>,
    /// What the service manager has handed over, once it was asked for.
    handed: Option<Handed>,
    /// Whether some of it is kept until it is told that all is there.
    is_kept: bool,
    /// By the address in the configuration.
    sockets: Vec<(String, Socket)>,
    /// What was accepted, where no spool tells.
    pub(crate) state: Option<Vec<u8>>,
}

impl Inherited {
    /// Takes over from whoever serves at a path, or else takes what the service manager has kept; nothing if neither is
    /// there. It waits until a program that runs has given up its files.
    pub(crate) fn take(path: Option<&Path>, report: &Report) -> anyhow::Result<Self> {
        let line = path.map(|path| {
            let connected = Line::connect(path);
            connected.with_context(|| format!("--takeover {}", path.display()))
        });
        let mut inherited = Self { line: line.transpose()?.flatten(), ..Self::default() };
        block_in_place(|| inherited.receive(report)).context(Failure::unavailable("cannot take over"))?;
        Ok(inherited)
    }

    fn receive(&mut self, report: &Report) -> anyhow::Result<()> {
        let mut messages = Vec::new();
        if let Some(line) = &self.line {
            loop {
                match line.receive().context("the other program has ended the talk")? {
                    Message::End => break,
                    Message::Refused(why) => return Err(anyhow!("the other program serves on: {why}")),
                    message => messages.push(message),
                }
            }
        } else if manager::has_kept() {
            self.is_kept = true;
            messages = manager::kept(self.handed()?).unwrap_or_else(|error| {
                report
                    .line(format_args!("logrecord: what the service manager has kept is of no use: {error}"));
                Vec::new()
            });
        }
        let mut sockets = BTreeMap::new();
        let mut connections: BTreeMap<u16, Vec<PassedConnection>> = BTreeMap::new();
        for message in messages {
            match message {
                Message::Listener { place, address, socket } => {
                    let (told, local) = address.split_once('\n').context("a listener without an address")?;
                    let local = local.parse().map_err(|error| anyhow!("{local}: {error}"))?;
                    sockets
                        .insert(place, (told.to_owned(), Socket { socket, local, connections: Vec::new() }));
                }
                Message::Connection { place, connection } => {
                    connections.entry(place).or_default().push(connection);
                }
                Message::State(bytes) => self.state = Some(bytes),
                _ => return Err(anyhow!("the other program says what makes no sense")),
            }
        }
        let sockets = sockets.into_iter().map(|(place, (told, mut socket))| {
            socket.connections = connections.remove(&place).unwrap_or_default();
            (told, socket)
        });
        self.sockets = sockets.collect();
        Ok(())
    }

    /// What the service manager has handed over.
    pub(crate) fn handed(&mut self) -> Result<&mut Handed, Error> {
        Ok(match &mut self.handed {
            Some(handed) => handed,
            none => none.insert(Handed::from_env()?),
        })
    }

    /// The sockets that stand under an address in the configuration.
    pub(crate) fn sockets(&mut self, address: &str) -> Vec<Socket> {
        self.sockets.extract_if(.., |(told, _)| told == address).map(|(_, socket)| socket).collect()
    }

    /// Says that everything is there, waits for the old program's word, and tells the service manager. Sockets that
    /// nobody has taken are closed.
    pub(crate) fn go(self) -> anyhow::Result<()> {
        if self.is_kept {
            manager::forget();
        }
        let Some(line) = self.line else { return Ok(()) };
        let word = block_in_place(|| {
            line.send(&Message::Ready)?;
            line.receive()
        });
        match word {
            Ok(Message::Go) => {
                // The line stands until this is said: the old program must not end before.
                manager::tell(NotifyState::MainPid(std::process::id()));
                Ok(())
            }
            Ok(_) => {
                Err(anyhow!("the other program serves on").context(Failure::unavailable("cannot take over")))
            }
            Err(error) => Err(error).context(Failure::unavailable("cannot take over")),
        }
    }
}
