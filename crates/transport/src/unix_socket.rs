//! Unix sockets in the file system: modes before anybody can connect, stale files, and taking them away.
use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::{UnixDatagram, UnixListener},
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::{Error, ErrorKind};

/// Removes the socket's file at drop, if it is still the one that was made here.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.id) {
            // Nobody can be told at this point, and a file that stays is replaced by the next start.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Makes a listening stream socket at `path`.
pub(crate) fn bind_stream(
    path: &Path,
    mode: Option<u32>,
    backlog: i32,
) -> Result<(UnixListener, SocketFile), Error> {
    let (socket, file) = bind(path, Type::STREAM, mode)?;
    // Until this call connections are refused, so nobody came in under a mode that was too wide.
    socket.listen(backlog).map_err(|error| Error::io(ErrorKind::Bind, error))?;
    Ok((UnixListener::from(OwnedFd::from(socket)), file))
}

/// Makes a datagram socket at `path`.
pub(crate) fn bind_datagram(path: &Path, mode: Option<u32>) -> Result<(UnixDatagram, SocketFile), Error> {
    let (socket, file) = bind(path, Type::DGRAM, mode)?;
    Ok((UnixDatagram::from(OwnedFd::from(socket)), file))
}

fn bind(path: &Path, kind: Type, mode: Option<u32>) -> Result<(Socket, SocketFile), Error> {
    let failed = |error| Error::io(ErrorKind::Bind, error);
    clear_stale(path, kind)?;
    let mut socket = Socket::new(Domain::UNIX, kind, None).map_err(failed)?;
    if let Some(mode) = mode {
        // On Linux the file takes its mode from the unbound socket, so it is never wider than wanted.
        let file = fs::File::from(OwnedFd::from(socket));
        drop(file.set_permissions(fs::Permissions::from_mode(mode)));
        socket = Socket::from(OwnedFd::from(file));
    }
    let address = SockAddr::unix(path).map_err(failed)?;
    socket.bind(&address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::io(ErrorKind::PathTaken, error),
        _ => failed(error),
    })?;
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    let file = SocketFile { path: path.to_path_buf(), id: (meta.dev(), meta.ino()) };
    if let Some(mode) = mode {
        // The umask has taken bits away; this puts back what was asked for.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    socket.set_nonblocking(true).map_err(failed)?;
    Ok((socket, file))
}

/// Removes a socket that nobody listens on. Anything else at `path` is left alone and is an error: a link
/// could lead anywhere, a file may be somebody's data, and a listener that answers is in use.
fn clear_stale(path: &Path, kind: Type) -> Result<(), Error> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(ErrorKind::Bind, error)),
    };
    if !meta.file_type().is_socket() {
        return Err(Error::new(ErrorKind::PathTaken));
    }
    let probe = Socket::new(Domain::UNIX, kind, None).map_err(|error| Error::io(ErrorKind::Bind, error))?;
    // A full backlog must not make the probe wait; it counts as an answer.
    probe.set_nonblocking(true).map_err(|error| Error::io(ErrorKind::Bind, error))?;
    let address = SockAddr::unix(path).map_err(|error| Error::io(ErrorKind::Bind, error))?;
    match probe.connect(&address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| Error::io(ErrorKind::PathTaken, error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(Error::new(ErrorKind::PathTaken)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_mode_is_exact_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660, 0o666] {
            let path = dir.path().join(format!("{mode:o}"));
            let (_socket, _file) = bind_stream(&path, Some(mode), 16).unwrap();
            assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, mode);
            let path = dir.path().join(format!("{mode:o}d"));
            let (_socket, _file) = bind_datagram(&path, Some(mode)).unwrap();
            assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_socket, _file) = bind_stream(&path, None, 16).unwrap();
        for kind in [Type::STREAM, Type::DGRAM] {
            assert_eq!(bind(&path, kind, None).unwrap_err().kind(), ErrorKind::PathTaken);
        }
        let path = dir.path().join("d");
        drop(UnixDatagram::bind(&path).unwrap());
        let (_socket, _file) = bind_datagram(&path, None).unwrap();
        assert_eq!(bind_datagram(&path, None).unwrap_err().kind(), ErrorKind::PathTaken);
    }

    #[test]
    fn links_and_files_are_refused_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        drop(UnixListener::bind(&target).unwrap());
        let link = dir.path().join("link");
        symlink(&target, &link).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "data").unwrap();
        for path in [&link, &file] {
            assert_eq!(bind_stream(path, None, 16).unwrap_err().kind(), ErrorKind::PathTaken);
            assert!(fs::symlink_metadata(path).is_ok());
        }
        assert!(target.exists());
    }

    #[test]
    fn the_file_is_taken_away_only_if_it_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (socket, file) = bind_stream(&path, None, 16).unwrap();
        drop((socket, file));
        assert!(!path.exists());
        let (socket, file) = bind_stream(&path, None, 16).unwrap();
        // Somebody else's socket under the same name. The old one stays linked elsewhere, so that the
        // new file cannot get its number.
        fs::rename(&path, dir.path().join("old")).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop((socket, file));
        assert!(path.exists());
        drop(other);
    }
}
