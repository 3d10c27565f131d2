//! `serve` under a service manager that keeps descriptors from a stop to the next start, as systemd does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::{IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use logrecord::frame::envelope::{Key, KeyId, Sealer};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use common::{Server, frame, read_lines, record, until};

/// Where the descriptors of the next start stand: higher than anything else that is open.
const FIRST: i32 = 5_000;

#[derive(Default)]
struct Heard {
    said: Vec<String>,
    kept: Vec<OwnedFd>,
}

/// A service manager with a folder for everything.
struct Manager {
    folder: tempfile::TempDir,
    heard: Arc<Mutex<Heard>>,
    /// What it says how much it keeps.
    most: &'static str,
}

impl Manager {
    fn new(most: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let hears = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut text = [0; 512];
            loop {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let mut into = [IoSliceMut::new(&mut text)];
                let got = recvmsg(&socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap().bytes;
                let sockets = control.drain().filter_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                    _ => None,
                });
                let sockets: Vec<OwnedFd> = sockets.flatten().collect();
                let said = String::from_utf8(text[..got].to_vec()).unwrap();
                let mut heard = hears.lock().unwrap();
                if said.contains("FDSTORE=1\n") {
                    assert!(said.contains("FDNAME=serve\n"), "{said}");
                    // It promises no order.
                    heard.kept.splice(0..0, sockets);
                } else if said.contains("FDSTOREREMOVE=1\n") {
                    heard.kept.clear();
                }
                heard.said.push(said);
            }
        });
        Self { folder, heard, most }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program with what is kept.
    fn start(&self, args: &[&str]) -> Server {
        let place = self.folder.path().display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.arg("serve").args(args.iter().map(|arg| arg.replace("DIR", &place)));
        command.arg("--output").arg(self.path("out")).env("NOTIFY_SOCKET", self.path("notify"));
        command.env("FDSTORE", self.most);
        let handed: Vec<OwnedFd> = {
            let heard = self.heard.lock().unwrap();
            heard.kept.iter().map(|kept| fcntl_dupfd_cloexec(kept, FIRST).unwrap()).collect()
        };
        for (index, socket) in handed.iter().enumerate() {
            assert_eq!(socket.as_raw_fd(), FIRST + i32::try_from(index).unwrap());
            fcntl_setfd(socket, FdFlags::empty()).unwrap();
        }
        if !handed.is_empty() {
            command.env("LISTEN_FDS", handed.len().to_string()).env("LISTEN_FDS_FIRST_FD", FIRST.to_string());
            command.env("LISTEN_FDNAMES", vec!["serve"; handed.len()].join(":"));
        }
        let listeners = args.iter().filter(|arg| arg.starts_with("--tcp") || arg.starts_with("--u")).count();
        let server = Server::launch(tempfile::tempdir().unwrap(), command, listeners);
        // What was kept is the program's now.
        until(|| (self.kept() == 0).then_some(()));
        server
    }

    fn stop(&self, server: Server) -> Vec<String> {
        let (code, seen, _) = server.stop("TERM");
        assert_eq!(code, Some(0), "{seen:#?}");
        seen
    }

    fn kept(&self) -> usize {
        self.heard.lock().unwrap().kept.len()
    }

    /// The messages, when there are this many.
    fn output(&self, count: usize) -> Vec<String> {
        until(|| Some(read_lines(&self.path("out"))).filter(|lines| lines.len() >= count))
    }
}

// One test, because the descriptors have places of their own.
#[test]
fn what_stands_goes_on_behind_a_restart() {
    connections_and_datagrams();
    replays();
    if_it_keeps_nothing();
}

fn connections_and_datagrams() {
    let manager = Manager::new("20000");
    let args = [
        "--tcp",
        "127.0.0.1:0",
        "--udp",
        "127.0.0.1:0",
        "--unix",
        "DIR/stream",
        "--unix-dgram",
        "DIR/datagram",
    ];
    let mut server = manager.start(&args);
    let address = server.address("tcp");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(server.address("udp")).unwrap();
    let datagram = UnixDatagram::unbound().unwrap();
    datagram.connect(manager.path("datagram")).unwrap();
    let mut unix = UnixStream::connect(manager.path("stream")).unwrap();
    let whole = frame(&record("in pieces"));
    let cuts = [1, 3, 4, 5, 20, whole.len() - 1, whole.len()];
    let mut streams: Vec<_> = (0..280).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut expected = 0;
    for round in 0..3 {
        for (stream, cut) in streams.iter_mut().zip(cuts.iter().cycle()) {
            // What is whole has arrived by the stop, and is read before it.
            stream.write_all(&[&whole[..], &whole[..*cut]].concat()).unwrap();
            expected += 1 + usize::from(*cut == whole.len());
        }
        unix.write_all(&whole[..10]).unwrap();
        udp.send(&whole).unwrap();
        datagram.send(&whole).unwrap();
        expected += 2;
        let seen = manager.stop(server);
        assert_eq!(read_lines(&manager.path("out")).len(), expected, "{round}: {seen:#?}");
        assert!(seen.iter().any(|line| line.contains("285 sockets are left")), "{seen:#?}");
        // All of them, and what is said of them.
        assert_eq!(manager.kept(), 286);
        for (stream, cut) in streams.iter_mut().zip(cuts.iter().cycle()) {
            stream.write_all(&whole[*cut..]).unwrap();
            expected += usize::from(*cut < whole.len());
        }
        unix.write_all(&whole[10..]).unwrap();
        udp.send(&whole).unwrap();
        datagram.send(&whole).unwrap();
        // One that comes while nobody serves.
        let mut late = TcpStream::connect(&address).unwrap();
        late.write_all(&whole).unwrap();
        expected += 4;
        server = manager.start(&args);
        assert_eq!(server.address("tcp"), address);
        assert_eq!(manager.output(expected).len(), expected, "{round}");
        drop(late);
        // The manager is not asked for it again, and new connections find the same port.
        TcpStream::connect(&address).unwrap().write_all(&whole).unwrap();
        expected += 1;
        assert_eq!(manager.output(expected).len(), expected, "{round}");
    }
    manager.stop(server);
    let said = manager.heard.lock().unwrap().said.join("");
    assert!(said.contains("READY=1") && said.contains("STOPPING=1") && said.contains("FDPOLL=0"), "{said}");
    // What was kept of a listener that is gone from the configuration is no hindrance.
    let server = manager.start(&["--udp", "127.0.0.1:0"]);
    udp.send(&whole).unwrap();
    assert_eq!(manager.output(expected + 1).len(), expected + 1);
    manager.stop(server);
}

/// What was accepted is known to the next one, without a spool and a file.
fn replays() {
    let manager = Manager::new("20000");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(manager.path("k")).unwrap();
    file.write_all("07".repeat(32).as_bytes()).unwrap();
    let key = Key::new(KeyId::new(b"app").unwrap(), &[7; 32]).unwrap();
    let mut sealer = Sealer::new(&key, b"", [7; 16]).unwrap();
    let mut sealed = |message: &str| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let mut frame = Vec::new();
        sealer.seal_frame_into(i64::try_from(now).unwrap(), &record(message), &mut frame).unwrap();
        frame
    };
    let args = ["--tcp", "127.0.0.1:0", "--hmac-key", "app=DIR/k"];
    let server = manager.start(&args);
    let mut stream = TcpStream::connect(server.address("tcp")).unwrap();
    let first = sealed("first");
    stream.write_all(&first).unwrap();
    manager.output(1);
    manager.stop(server);
    let mut server = manager.start(&args);
    stream.write_all(&first).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected replay")));
    stream.write_all(&sealed("second")).unwrap();
    assert_eq!(manager.output(2).len(), 2);
    manager.stop(server);
}

/// One that says that it keeps nothing is given nothing, and what makes no sense is no reason not to start.
fn if_it_keeps_nothing() {
    let manager = Manager::new("0");
    let whole = frame(&record("whole"));
    let server = manager.start(&["--tcp", "127.0.0.1:0"]);
    let mut stream = TcpStream::connect(server.address("tcp")).unwrap();
    stream.write_all(&whole.repeat(1_000)).unwrap();
    manager.stop(server);
    assert_eq!(read_lines(&manager.path("out")).len(), 1_000);
    assert_eq!(manager.kept(), 0);
    // A file that says something else is of no use, and the start does without.
    let strange = tempfile::tempfile().unwrap();
    (&strange).write_all(&[0; 100]).unwrap();
    manager.heard.lock().unwrap().kept = vec![strange.into()];
    let server = manager.start(&["--tcp", "127.0.0.1:0"]);
    assert!(server.seen().iter().any(|line| line.contains("of no use")), "{:?}", server.seen());
    manager.stop(server);
}
