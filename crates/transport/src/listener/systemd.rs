//! What a service manager handed over.
use std::{
    fs::File,
    io,
    net::{TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener},
    },
};

use super::{Listener, ListenerConfig};
use crate::error::{Error, ErrorKind};

/// More descriptors than a service manager hands over, with all connections of a service that it has kept; a larger
/// count is a mistake, and its list alone would take all memory.
const MAX_SOCKETS: u64 = 65_536;

/// Checks the variables before anything is done by them.
fn check_environment() -> Result<(), Error> {
    let number = |name| match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            text.parse::<u64>().map(Some).map_err(|_| Error::new(ErrorKind::Systemd))
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::new(ErrorKind::Systemd)),
    };
    if number("LISTEN_PID")?.is_some_and(|pid| pid != u64::from(std::process::id())) {
        // They are meant for another process.
        return Ok(());
    }
    let sockets = number("LISTEN_FDS")?.unwrap_or(0);
    let first = number("LISTEN_FDS_FIRST_FD")?.unwrap_or(3);
    if sockets > MAX_SOCKETS || first > u64::from(u16::MAX) {
        return Err(Error::new(ErrorKind::Systemd));
    }
    Ok(())
}

/// What systemd, or another parent that speaks its protocol, has handed over in `LISTEN_FDS`: the sockets of socket
/// units, and what it has kept of an earlier run (`FDSTORE=1`).
pub struct Handed {
    descriptors: listenfd::ListenFd,
    /// What was not taken, with its name.
    names: Vec<(usize, String)>,
}

/// A socket of each kind that is taken.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
    Udp(UdpSocket),
    UnixDatagram(UnixDatagram),
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        match socket {
            Socket::Tcp(socket) => socket.into(),
            Socket::Unix(socket) => socket.into(),
            Socket::Udp(socket) => socket.into(),
            Socket::UnixDatagram(socket) => socket.into(),
        }
    }
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handed").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Handed {
    /// What the environment names; nothing if the variable is not set or is meant for another process. The name is
    /// `unknown` where systemd says none.
    ///
    /// Call it once, before other threads run: it removes the variables from the environment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Systemd`] if the variables make no sense.
    pub fn from_env() -> Result<Self, Error> {
        check_environment()?;
        // sd_listen_fds_with_names(3)
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let descriptors = listenfd::ListenFd::from_env();
        let name = |index| (index, names.next().unwrap_or("unknown").to_owned());
        let names = (0..descriptors.len()).map(name).collect();
        Ok(Self { descriptors, names })
    }

    /// Listeners on the sockets, each with its name in `LISTEN_FDNAMES` (`FileDescriptorName=` of a socket unit) and
    /// settings by that name. TCP, UDP and both kinds of Unix sockets are taken. What is given no settings stays as it
    /// is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Systemd`] if a descriptor is none of these sockets or is not usable.
    pub fn listeners(
        &mut self,
        mut config: impl FnMut(&str) -> Option<ListenerConfig>,
    ) -> Result<Vec<(String, Listener)>, Error> {
        let mut listeners = Vec::new();
        for (index, name) in std::mem::take(&mut self.names) {
            let Some(config) = config(&name) else {
                self.names.push((index, name));
                continue;
            };
            let listener = match self.socket(index) {
                Ok(Some(Socket::Tcp(socket))) => Listener::from_tcp(socket, config),
                Ok(Some(Socket::Unix(socket))) => Listener::from_unix(socket, config),
                Ok(Some(Socket::Udp(socket))) => Listener::from_udp(socket, config),
                Ok(Some(Socket::UnixDatagram(socket))) => Listener::from_unix_datagram(socket, config),
                Ok(None) => Err(Error::new(ErrorKind::Systemd)),
                Err(error) => Err(Error::io(ErrorKind::Systemd, error)),
            };
            // What the kind of a socket does not show, its check as a listener does.
            let listener = listener.map_err(|error| Error::caused_by(ErrorKind::Systemd, error))?;
            listeners.push((name, listener));
        }
        Ok(listeners)
    }

    /// What was kept under a name: sockets of all kinds, and files, opened anew.
    pub fn kept(&mut self, name: &str) -> (Vec<OwnedFd>, Vec<File>) {
        let (mut sockets, mut files) = (Vec::new(), Vec::new());
        let kept: Vec<(usize, String)> = self.names.extract_if(.., |(_, own)| own == name).collect();
        for (index, _) in kept {
            if let Ok(Some(socket)) = self.socket(index) {
                sockets.push(socket.into());
            } else if let Ok(Some(number)) = self.descriptors.take_raw_fd(index) {
                let file = File::options().read(true).write(true).open(format!("/proc/self/fd/{number}"));
                files.extend(file);
            }
        }
        (sockets, files)
    }

    /// Takes the socket at a place. A descriptor of another kind is refused by its check and stays where it is.
    fn socket(&mut self, index: usize) -> io::Result<Option<Socket>> {
        let handed = &mut self.descriptors;
        if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
            Ok(Some(Socket::Tcp(socket)))
        } else if let Ok(Some(socket)) = handed.take_unix_listener(index) {
            Ok(Some(Socket::Unix(socket)))
        } else if let Ok(Some(socket)) = handed.take_udp_socket(index) {
            Ok(Some(Socket::Udp(socket)))
        } else {
            Ok(handed.take_unix_datagram(index)?.map(Socket::UnixDatagram))
        }
    }
}
