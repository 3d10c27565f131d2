//! Sockets that a service manager handed over.
use super::{Listener, ListenerConfig};
use crate::error::{Error, ErrorKind};

/// More descriptors than a service manager hands over; a larger count is a mistake, and its list alone would
/// take all memory.
#[cfg(unix)]
const MAX_SOCKETS: u64 = 1024;

/// Checks the variables before anything is done by them.
#[cfg(unix)]
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

#[cfg(unix)]
pub(super) fn listeners(
    mut config: impl FnMut(&str) -> Option<ListenerConfig>,
) -> Result<Vec<(String, Listener)>, Error> {
    let failed = |error| Error::io(ErrorKind::Systemd, error);
    check_environment()?;
    // sd_listen_fds_with_names(3)
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let name = names.next().unwrap_or("unknown");
        let Some(config) = config(name) else { continue };
        // A descriptor of another kind is refused by its check and stays where it is.
        let listener = if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
            Listener::from_tcp(socket, config)
        } else if let Ok(Some(socket)) = handed.take_unix_listener(index) {
            Listener::from_unix(socket, config)
        } else if let Ok(Some(socket)) = handed.take_udp_socket(index) {
            Listener::from_udp(socket, config)
        } else {
            match handed.take_unix_datagram(index) {
                Ok(Some(socket)) => Listener::from_unix_datagram(socket, config),
                Ok(None) => Err(Error::new(ErrorKind::Systemd)),
                Err(error) => Err(failed(error)),
            }
        };
        // What the kind of a socket does not show, its check as a listener does.
        let listener = listener.map_err(|error| Error::caused_by(ErrorKind::Systemd, error))?;
        listeners.push((name.to_owned(), listener));
    }
    Ok(listeners)
}

#[cfg(not(unix))]
pub(super) fn listeners(
    _: impl FnMut(&str) -> Option<ListenerConfig>,
) -> Result<Vec<(String, Listener)>, Error> {
    Ok(Vec::new())
}
