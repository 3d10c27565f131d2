//! What a program has from the one whose place it takes.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use logrecord::transport::Endpoint;
use logrecord::transport::listener::PassedConnection;
use logrecord::transport::takeover::{Line, Message};
use sd_notify::NotifyState;
use tokio::task::block_in_place;

use crate::exit::Failure;

/// A listening socket of the old program.
pub(crate) struct Socket {
    pub(crate) socket: OwnedFd,
    /// Where it is bound.
    pub(crate) local: Endpoint,
    pub(crate) connections: Vec<PassedConnection>,
}

/// What the old program has passed, and the line to it.
pub(crate) struct Inherited {
    line: Line,
    /// By the address in the configuration.
    sockets: Vec<(String, Socket)>,
    /// What was accepted, where no spool tells.
    pub(crate) state: Option<Vec<u8>>,
}

impl Inherited {
    /// Takes over from whoever serves at a path; nothing if nobody does. It waits until the old program has given up
    /// its files.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Option<Self>> {
        block_in_place(|| Self::receive(path))
            .with_context(|| format!("--takeover {}", path.display()))
            .context(Failure::unavailable("cannot take over"))
    }

    fn receive(path: &Path) -> anyhow::Result<Option<Self>> {
        let Some(line) = Line::connect(path)? else { return Ok(None) };
        let mut sockets = BTreeMap::new();
        let mut connections: BTreeMap<u16, Vec<PassedConnection>> = BTreeMap::new();
        let mut state = None;
        loop {
            match line.receive().context("the other program has ended the talk")? {
                Message::Listener { place, address, socket } => {
                    let (told, local) = address.split_once('\n').context("a listener without an address")?;
                    let local = local.parse().map_err(|error| anyhow!("{local}: {error}"))?;
                    sockets
                        .insert(place, (told.to_owned(), Socket { socket, local, connections: Vec::new() }));
                }
                Message::Connection { place, connection } => {
                    connections.entry(place).or_default().push(connection);
                }
                Message::State(bytes) => state = Some(bytes),
                Message::End => break,
                Message::Refused(why) => return Err(anyhow!("the other program serves on: {why}")),
                _ => return Err(anyhow!("the other program says what makes no sense")),
            }
        }
        let sockets = sockets.into_iter().map(|(place, (told, mut socket))| {
            socket.connections = connections.remove(&place).unwrap_or_default();
            (told, socket)
        });
        Ok(Some(Self { line, sockets: sockets.collect(), state }))
    }

    /// The sockets that stand under an address in the configuration.
    pub(crate) fn sockets(&mut self, address: &str) -> Vec<Socket> {
        self.sockets.extract_if(.., |(told, _)| told == address).map(|(_, socket)| socket).collect()
    }

    /// Says that everything is there, waits for the old program's word, and tells the service manager. Sockets that
    /// nobody has taken are closed.
    pub(crate) fn go(self) -> anyhow::Result<()> {
        let word = block_in_place(|| {
            self.line.send(&Message::Ready)?;
            self.line.receive()
        });
        match word {
            Ok(Message::Go) => {
                // The line stands until this is said: the old program must not end before.
                // Whoever does not listen has no use for it either.
                sd_notify::notify(&[NotifyState::MainPid(std::process::id())]).ok();
                Ok(())
            }
            Ok(_) => {
                Err(anyhow!("the other program serves on").context(Failure::unavailable("cannot take over")))
            }
            Err(error) => Err(error).context(Failure::unavailable("cannot take over")),
        }
    }
}
