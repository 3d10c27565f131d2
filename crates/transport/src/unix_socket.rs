//! Unix sockets in the file system: modes before anybody can connect, stale files, and taking them away.
//!
//! To ask whether a socket is stale, to remove it and to listen on a new one are several steps. A program that
//! starts at the same moment could come between them and remove a socket that is not stale any more. So all
//! this is done under a lock on the directory, and a file goes before its socket is closed.
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
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::{Error, ErrorKind};

/// Removes the socket's file at drop, if it is still the one that was made here.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    /// Takes over the file of a socket that another process has made.
    pub(crate) fn adopt(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok().filter(|meta| meta.file_type().is_socket())?;
        Some(Self { path: path.to_path_buf(), id: (meta.dev(), meta.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Without the lock somebody could put a new file there between the look and the removal.
        let Ok(_lock) = lock_directory(&self.path) else { return };
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
    // Until it listens connections are refused, so nobody comes in under a mode that is too wide.
    let (socket, file) = bind(path, Type::STREAM, mode, |socket| socket.listen(backlog))?;
    Ok((UnixListener::from(OwnedFd::from(socket)), file))
}

/// Makes a datagram socket at `path`.
pub(crate) fn bind_datagram(path: &Path, mode: Option<u32>) -> Result<(UnixDatagram, SocketFile), Error> {
    let (socket, file) = bind(path, Type::DGRAM, mode, |_| Ok(()))?;
    Ok((UnixDatagram::from(OwnedFd::from(socket)), file))
}

fn bind(
    path: &Path,
    kind: Type,
    mode: Option<u32>,
    listen: impl FnOnce(&Socket) -> io::Result<()>,
) -> Result<(Socket, SocketFile), Error> {
    let failed = |error| Error::io(ErrorKind::Bind, error);
    let _lock = lock_directory(path)?;
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
    if let Some(mode) = mode {
        // The umask has taken bits away; this puts back what was asked for.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    listen(&socket).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok((socket, SocketFile { path: path.to_path_buf(), id: (meta.dev(), meta.ino()) }))
}

/// How long another program may take for its own start.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Locks the directory of `path` against all who use this function. The lock ends with the file.
fn lock_directory(path: &Path) -> Result<OwnedFd, Error> {
    let failed = |error: Errno| Error::io(ErrorKind::Bind, error.into());
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let directory = directory.map_err(failed)?;
    let by = Instant::now() + LOCK_TIMEOUT;
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(directory),
            Err(Errno::WOULDBLOCK) if Instant::now() < by => thread::sleep(Duration::from_millis(1)),
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::io(ErrorKind::PathTaken, io::ErrorKind::WouldBlock.into()));
            }
            Err(Errno::INTR) => {}
            // A file system without locks has no starts that could be kept apart.
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL) => return Ok(directory),
            Err(error) => return Err(failed(error)),
        }
    }
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
            assert_eq!(bind(&path, kind, None, |_| Ok(())).unwrap_err().kind(), ErrorKind::PathTaken);
        }
        let path = dir.path().join("d");
        drop(UnixDatagram::bind(&path).unwrap());
        let (_socket, _file) = bind_datagram(&path, None).unwrap();
        assert_eq!(bind_datagram(&path, None).unwrap_err().kind(), ErrorKind::PathTaken);
    }

    #[test]
    fn of_many_starts_on_a_stale_socket_one_gets_it_and_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let path = dir.path().join(format!("s{round}"));
            drop(UnixListener::bind(&path).unwrap());
            let start = std::sync::Barrier::new(8);
            let bound: Vec<_> = thread::scope(|scope| {
                let starts: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            bind_stream(&path, None, 16)
                        })
                    })
                    .collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            let mut winners = bound.into_iter().filter_map(|bound| match bound {
                Ok(bound) => Some(bound),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::PathTaken);
                    None
                }
            });
            let (listener, _file) = winners.next().unwrap();
            assert!(winners.next().is_none(), "two say that they listen");
            let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            assert!(listener.accept().is_ok(), "the winner is deaf");
        }
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
