//! Sockets that a service manager handed over.
use super::{Listener, ListenerConfig};
use crate::error::{Error, ErrorKind};

#[cfg(unix)]
pub(super) fn listeners(config: &ListenerConfig) -> Result<Vec<Listener>, Error> {
    let failed = |error| Error::io(ErrorKind::Systemd, error);
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        // A descriptor of another kind is refused by its check and stays where it is.
        let listener = if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
            Listener::from_tcp(socket, config.clone())
        } else if let Ok(Some(socket)) = handed.take_unix_listener(index) {
            Listener::from_unix(socket, config.clone())
        } else if let Ok(Some(socket)) = handed.take_udp_socket(index) {
            Listener::from_udp(socket, config.clone())
        } else {
            match handed.take_unix_datagram(index) {
                Ok(Some(socket)) => Listener::from_unix_datagram(socket, config.clone()),
                Ok(None) => Err(Error::new(ErrorKind::Systemd)),
                Err(error) => Err(failed(error)),
            }
        }?;
        listeners.push(listener);
    }
    Ok(listeners)
}

#[cfg(not(unix))]
pub(super) fn listeners(_: &ListenerConfig) -> Result<Vec<Listener>, Error> {
    Ok(Vec::new())
}
