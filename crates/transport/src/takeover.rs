//! The line between a process and the one that takes its place: a Unix stream socket on which sockets travel.
//!
//! The one that serves listens at a path of its own user; its successor connects there. What is said on the line, and
//! when, is the matter of whoever uses it: this is only how it is said. A message is a kind, a length and a body; a
//! socket travels beside the first byte of its message.
use std::{
    fs, io,
    io::{IoSlice, IoSliceMut, Read, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

use crate::{listener::PassedConnection, unix_socket};

/// What the successor says first, with the version of what is said after it.
const HELLO: &[u8; 5] = b"LRTO\x01";
/// The longest body: a frame that is begun, or the windows of 65,536 streams.
const MAX_BODY: usize = 64 << 20;
/// How long one message may take. What both ends do between two messages is bounded by themselves.
const PATIENCE: Duration = Duration::from_secs(45);
/// Kind and length.
pub(crate) const HEAD: usize = 5;

/// What is said on a [`Line`].
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "both ends have to know all of it")]
pub enum Message {
    /// The successor is there.
    Hello,
    /// A listener, under a number, with the address that its configuration has.
    Listener {
        /// Its number.
        place: u16,
        /// Its address.
        address: String,
        /// Its socket.
        socket: OwnedFd,
    },
    /// A connection of the listener with this number.
    Connection {
        /// The listener's number.
        place: u16,
        /// The connection.
        connection: PassedConnection,
    },
    /// What the old process remembers of what it has accepted: a replay state that was stored at the end.
    State(Vec<u8>),
    /// That was all, and what both would write to is free.
    End,
    /// The old process serves on, for this reason.
    Refused(String),
    /// The successor has all that it needs.
    Ready,
    /// The old process is done.
    Go,
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Self::Hello => b'H',
            Self::Listener { .. } => b'L',
            Self::Connection { .. } => b'C',
            Self::State(_) => b'S',
            Self::End => b'E',
            Self::Refused(_) => b'N',
            Self::Ready => b'R',
            Self::Go => b'G',
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::Hello => HELLO.to_vec(),
            Self::Listener { place, address, .. } => {
                let mut body = place.to_be_bytes().to_vec();
                body.extend_from_slice(address.as_bytes());
                body
            }
            Self::Connection { place, connection } => {
                let PassedConnection { begun, unsent, authenticated, .. } = connection;
                let mut body = place.to_be_bytes().to_vec();
                body.push((*authenticated).into());
                body.extend_from_slice(&u32::try_from(begun.len()).unwrap_or(u32::MAX).to_be_bytes());
                body.extend_from_slice(begun);
                body.extend_from_slice(unsent);
                body
            }
            Self::State(state) => state.clone(),
            Self::Refused(why) => why.clone().into_bytes(),
            Self::End | Self::Ready | Self::Go => Vec::new(),
        }
    }

    /// Kind, length and body.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let body = self.body();
        let len = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BODY);
        let len = len.ok_or(io::ErrorKind::InvalidInput)?;
        Ok([&[self.kind()], &len.to_be_bytes()[..], &body].concat())
    }

    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Listener { socket, .. } => Some(socket.as_fd()),
            Self::Connection { connection, .. } => Some(connection.socket.as_fd()),
            _ => None,
        }
    }

    pub(crate) fn into_socket(self) -> Option<OwnedFd> {
        match self {
            Self::Listener { socket, .. } => Some(socket),
            Self::Connection { connection, .. } => Some(connection.socket),
            _ => None,
        }
    }

    /// Reads what is behind kind and length, and the message that it makes.
    pub(crate) fn receive(head: [u8; HEAD], from: impl Read, socket: Option<OwnedFd>) -> io::Result<Self> {
        let [kind, len @ ..] = head;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > MAX_BODY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = Vec::new();
        from.take(len as u64).read_to_end(&mut body)?;
        if body.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Self::read(kind, body, socket).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Reads a message; nothing if it makes no sense.
    fn read(kind: u8, body: Vec<u8>, socket: Option<OwnedFd>) -> Option<Self> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(match (kind, socket) {
            (b'H', None) if body == HELLO => Self::Hello,
            (b'L', Some(socket)) => {
                let (place, address) = body.split_first_chunk()?;
                Self::Listener { place: u16::from_be_bytes(*place), address: text(address)?, socket }
            }
            (b'C', Some(socket)) => {
                let (place, rest) = body.split_first_chunk()?;
                let (&authenticated, rest) = rest.split_first()?;
                let (len, rest) = rest.split_first_chunk()?;
                let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
                let (begun, unsent) = rest.split_at_checked(len)?;
                let connection = PassedConnection {
                    socket,
                    begun: begun.to_vec(),
                    unsent: unsent.to_vec(),
                    authenticated: authenticated == 1,
                };
                Self::Connection { place: u16::from_be_bytes(*place), connection }
            }
            (b'S', None) => Self::State(body),
            (b'E', None) => Self::End,
            (b'N', None) => Self::Refused(text(&body)?),
            (b'R', None) => Self::Ready,
            (b'G', None) => Self::Go,
            _ => return None,
        })
    }
}

/// The line, from either end. It blocks, for 45 s a message at most.
#[derive(Debug)]
pub struct Line {
    socket: UnixStream,
}

impl Line {
    /// Connects to the process that serves at a path; nothing if none does.
    ///
    /// # Errors
    ///
    /// If something else is there, or somebody else's process.
    pub fn connect(path: &Path) -> io::Result<Option<Self>> {
        let socket = match UnixStream::connect(path) {
            Ok(socket) => socket,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
                _ => return Err(error),
            },
        };
        let line = Self::over(socket)?;
        line.send(&Message::Hello)?;
        Ok(Some(line))
    }

    /// A line over a socket that was accepted or connected.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::PermissionDenied`] if another user is at the other end.
    pub fn over(socket: UnixStream) -> io::Result<Self> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if rustix::net::sockopt::socket_peercred(&socket)?.uid != rustix::process::geteuid() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user is at the other end"));
        }
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket })
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// If the other end is gone, or does not listen for 45 s.
    pub fn send(&self, message: &Message) -> io::Result<()> {
        let bytes = message.to_bytes()?;
        let sent = self.send_first(&bytes, message.socket())?;
        (&self.socket).write_all(bytes.get(sent..).unwrap_or_default())
    }

    fn send_first(&self, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> io::Result<usize> {
        let by = Instant::now() + PATIENCE;
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let passed = passed.map(|socket| [socket]);
            if let Some(sockets) = &passed {
                control.push(SendAncillaryMessage::ScmRights(sockets));
            }
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(sent) => return Ok(sent),
                Err(Errno::INTR) => {}
                // So many sockets are under way that the other end has to take some first.
                Err(Errno::TOOMANYREFS) if Instant::now() < by => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Hears something that has to come within a time.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_within(&self, limit: Duration) -> io::Result<Message> {
        self.socket.set_read_timeout(Some(limit))?;
        let heard = self.receive();
        self.socket.set_read_timeout(Some(PATIENCE))?;
        heard
    }

    /// Hears something.
    ///
    /// # Errors
    ///
    /// If the other end is gone, says nothing for 45 s, or says what makes no sense.
    pub fn receive(&self) -> io::Result<Message> {
        let mut head = [0; HEAD];
        let (read, passed) = self.receive_head(&mut head)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut socket = &self.socket;
        socket.read_exact(head.get_mut(read..).unwrap_or_default())?;
        Message::receive(head, socket, passed)
    }

    fn receive_head(&self, head: &mut [u8; HEAD]) -> io::Result<(usize, Option<OwnedFd>)> {
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(head)];
            match recvmsg(&self.socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => {
                    let sockets = control.drain().filter_map(|message| match message {
                        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                        _ => None,
                    });
                    let passed = sockets.flatten().next();
                    return Ok((received.bytes, passed));
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Where a process waits for its successor.
#[derive(Debug)]
pub struct Place {
    socket: UnixListener,
    path: PathBuf,
}

impl Place {
    /// Listens at a path, for this user alone, in the place of whoever did before.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let bound = unix_socket::bind_stream(&fresh, Some(0o600), 1);
        let (socket, file) = bound.map_err(io::Error::other)?;
        // From here on it is found under the other name only, and stays there for the next one.
        fs::rename(&fresh, path)?;
        drop(file);
        Ok(Self { socket, path: path.to_path_buf() })
    }

    /// The socket on which a successor is accepted.
    pub const fn socket(&self) -> &UnixListener {
        &self.socket
    }

    /// Nobody can come any more: the path goes with the process that ends.
    pub fn remove(self) {
        // What stays is found to be stale by the next start.
        fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_sockets_arrive() {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, other) = (Line::over(one).unwrap(), Line::over(other).unwrap());
        let (near, far) = UnixStream::pair().unwrap();
        let begun = vec![7; 100_000];
        let connection = PassedConnection {
            socket: far.into(),
            begun: begun.clone(),
            unsent: vec![1, 2],
            authenticated: true,
        };
        let sending = thread::spawn(move || {
            one.send(&Message::Hello).unwrap();
            one.send(&Message::Connection { place: 3, connection }).unwrap();
            one.send(&Message::Refused("no".to_owned())).unwrap();
        });
        assert!(matches!(other.receive().unwrap(), Message::Hello));
        let Message::Connection { place, connection } = other.receive().unwrap() else { panic!("another") };
        assert_eq!((place, &connection.begun, &connection.unsent[..]), (3, &begun, &[1, 2][..]));
        assert!(connection.authenticated);
        (&near).write_all(b"x").unwrap();
        let mut read = [0];
        UnixStream::from(connection.socket).read_exact(&mut read).unwrap();
        assert_eq!(&read, b"x");
        assert!(matches!(other.receive().unwrap(), Message::Refused(why) if why == "no"));
        sending.join().unwrap();
        assert_eq!(other.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bytes in [&b"H\0\0\0\x05LRTO\x02"[..], b"X\0\0\0\0", b"L\0\0\0\x02ab", b"E\xff\xff\xff\xff"] {
            let (mut one, other) = UnixStream::pair().unwrap();
            one.write_all(bytes).unwrap();
            let error = Line::over(other).unwrap().receive().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }

    #[test]
    fn a_place_is_taken_over_and_stale_ones_count_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover");
        assert!(Line::connect(&path).unwrap().is_none());
        let first = Place::bind(&path).unwrap();
        let second = Place::bind(&path).unwrap();
        drop(first);
        let line = Line::connect(&path).unwrap().unwrap();
        let (socket, _) = second.socket().accept().unwrap();
        assert!(matches!(Line::over(socket).unwrap().receive().unwrap(), Message::Hello));
        drop((line, second));
        assert!(Line::connect(&path).unwrap().is_none());
    }
}
