//! `serve --takeover`: the next program takes over while senders send, and nobody notices; and when it fails, the old
//! one serves on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::fs;
use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use logrecord::SocketHandler;
use logrecord::frame::envelope::{Key, KeyId};
use logrecord::model::LogRecord;
use logrecord::transport::takeover::{Line, Message};

use common::{PATIENCE, Server, distinct_messages, frame, pythons, read_lines, record, run, until};

/// What all programs of a test share.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = fs::OpenOptions::new();
        let mut key =
            options.create_new(true).write(true).mode(0o600).open(folder.path().join("key")).unwrap();
        key.write_all("07".repeat(32).as_bytes()).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program with these arguments beside what all have, in which `DIR` stands for the folder.
    fn serve(&self, args: &[&str]) -> Server {
        let place = self.path().display().to_string();
        let common = ["--output", "DIR/out", "--takeover", "DIR/takeover"];
        let args: Vec<String> = args.iter().chain(&common).map(|arg| arg.replace("DIR", &place)).collect();
        Server::start(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn output(&self, count: usize) -> Vec<String> {
        until(|| Some(read_lines(&self.path().join("out"))).filter(|lines| lines.len() >= count))
    }
}

const SPOOLED: [&str; 4] = ["--tcp", "127.0.0.1:0", "--spool", "DIR/spool"];

#[test]
fn connections_go_on_wherever_they_are_cut() {
    let place = Place::new();
    let mut server = place.serve(&SPOOLED);
    let address = server.address("tcp");
    let frame = frame(&record("in pieces"));
    // Inside of the prefix, of the body, and between two frames.
    let cuts = [1, 3, 4, 5, 20, frame.len() - 1, frame.len()];
    let mut connections: Vec<_> = cuts.iter().map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut expected = 0;
    for round in 0..3 {
        for (connection, cut) in connections.iter_mut().zip(cuts) {
            connection.write_all(&frame[..cut]).unwrap();
        }
        expected += cuts.iter().filter(|cut| **cut == frame.len()).count();
        place.output(expected);
        let next = place.serve(&SPOOLED);
        assert_eq!(next.address("tcp"), address);
        let (code, seen) = server.ended();
        assert_eq!(code, Some(0), "{seen:#?}");
        assert!(seen.iter().any(|line| line.contains("handed over in ")), "{round}: {seen:#?}");
        server = next;
        for (connection, cut) in connections.iter_mut().zip(cuts) {
            connection.write_all(&frame[cut..]).unwrap();
        }
        expected += cuts.iter().filter(|cut| **cut < frame.len()).count();
        assert_eq!(place.output(expected).len(), expected);
    }
    // A new connection finds the same port.
    TcpStream::connect(&address).unwrap().write_all(&frame).unwrap();
    assert_eq!(place.output(expected + 1).len(), expected + 1);
    let (code, seen, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert!(!place.path().join("takeover").exists());
}

#[test]
fn datagrams_and_unix_sockets_go_on_without_a_spool() {
    let place = Place::new();
    let args = ["--udp", "127.0.0.1:0", "--unix", "DIR/stream", "--unix-dgram", "DIR/datagram"];
    let mut server = place.serve(&args);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(server.address("udp")).unwrap();
    let datagram = UnixDatagram::unbound().unwrap();
    datagram.connect(place.path().join("datagram")).unwrap();
    let mut stream = UnixStream::connect(place.path().join("stream")).unwrap();
    let mut sent = 0;
    let mut send = |rounds: usize| {
        for _ in 0..rounds {
            let next = |kind: &str| frame(&record(&format!("{kind} {sent}")));
            udp.send(&next("udp")).unwrap();
            datagram.send(&next("datagram")).unwrap();
            stream.write_all(&next("stream")).unwrap();
            sent += 1;
        }
        sent * 3
    };
    place.output(send(20));
    for _ in 0..2 {
        let next = place.serve(&args);
        let count = send(20);
        let (code, seen) = server.ended();
        assert_eq!(code, Some(0), "{seen:#?}");
        server = next;
        assert_eq!(distinct_messages(&place.output(count)).len(), count);
    }
    let (code, seen, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    // Whoever has made the files last takes them away.
    assert!(!place.path().join("stream").exists() && !place.path().join("datagram").exists());
}

const PYTHON: &str = r"
import logging, logging.handlers, sys, time
logging.raiseExceptions = True
log = logging.getLogger('app')
log.setLevel(logging.INFO)
log.propagate = False
handler = logging.handlers.SocketHandler('127.0.0.1', int(sys.argv[1]))
log.addHandler(handler)
clock = getattr(time, 'monotonic', time.time)
worst = 0
begin = clock()
for number in range(int(sys.argv[3])):
    before = clock()
    log.info('%s %d', sys.argv[2], number)
    worst = max(worst, clock() - before)
    while clock() - begin < number / float(sys.argv[4]):
        time.sleep(0.0005)
print('%d' % (worst * 1000))
handler.close()
";

#[test]
fn stock_handlers_of_every_python_lose_nothing() {
    const COUNT: usize = 1_200;
    let interpreters = pythons();
    if interpreters.is_empty() {
        return;
    }
    let place = Place::new();
    let mut server = place.serve(&SPOOLED);
    let address = server.address("tcp");
    let port = address.rsplit_once(':').unwrap().1;
    let senders: Vec<_> = interpreters
        .iter()
        .enumerate()
        .map(|(index, python)| {
            let mut command = Command::new(python);
            command.args(["-c", PYTHON, port, &format!("p{index}"), &COUNT.to_string(), "300"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let all = COUNT * senders.len();
    for part in 1..6 {
        place.output(all * part / 8);
        let next = place.serve(&SPOOLED);
        let (code, seen) = server.ended();
        assert_eq!(code, Some(0), "{seen:#?}");
        server = next;
    }
    for sender in senders {
        let output = sender.wait_with_output().unwrap();
        assert!(output.status.success());
        let worst: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        // A stock handler gives a record up after a second.
        assert!(worst < 1_000, "{worst} ms");
    }
    assert_eq!(distinct_messages(&place.output(all)).len(), all);
}

#[test]
fn acknowledgements_go_on() {
    let place = Place::new();
    let args = [&SPOOLED[..], &["--hmac-key", "app=DIR/key"]].concat();
    let mut server = place.serve(&args);
    let port = server.address("tcp").rsplit_once(':').unwrap().1.parse().unwrap();
    let key = Key::new(KeyId::new(b"app").unwrap(), &[7; 32]).unwrap();
    let handler = SocketHandler::builder("127.0.0.1", port).hmac(key, "").acks(1024).build().unwrap();
    let log = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            handler.handle(&LogRecord::builder("app", 20, format!("number {number}")).now().build()).unwrap();
        }
    };
    for round in 0..4 {
        log(round * 500..round * 500 + 250);
        let next = place.serve(&args);
        log(round * 500 + 250..(round + 1) * 500);
        let (code, seen) = server.ended();
        assert_eq!(code, Some(0), "{seen:#?}");
        server = next;
    }
    handler.flush(PATIENCE).unwrap();
    let stats = handler.close(PATIENCE).sender;
    // The one connection has gone through all of them.
    assert_eq!((stats.acked, stats.connections, stats.refused, stats.dropped), (2_000, 1, 0, 0), "{stats:?}");
    assert_eq!(distinct_messages(&place.output(2_000)).len(), 2_000);
}

#[test]
fn when_the_next_one_fails_the_old_one_serves_on() {
    let place = Place::new();
    let mut server = place.serve(&SPOOLED);
    let address = server.address("tcp");
    let mut stream = TcpStream::connect(&address).unwrap();
    let frame = frame(&record("still here"));
    let mut count = 0;
    let mut half = |stream: &mut TcpStream, first: bool| {
        let (begin, rest) = frame.split_at(frame.len() / 2);
        stream.write_all(if first { begin } else { rest }).unwrap();
        if !first {
            count += 1;
            assert_eq!(place.output(count).len(), count);
        }
    };
    let path = |name: &str| place.path().join(name).display().to_string();
    let (takeover, spool, out) = (path("takeover"), path("spool"), path("out"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // A port that somebody else has, and a file that cannot be opened: one is found out late, one early.
    let others: [(&[&str], i32); 2] = [
        (&["--tcp", &taken, "--spool", &spool, "--output", &out], 69),
        (&["--tcp", "127.0.0.1:0", "--spool", &spool, "--output", "/nowhere/out"], 69),
    ];
    for (args, code) in others {
        half(&mut stream, true);
        let output = run(&[&["serve", "--takeover", &takeover], args].concat(), b"");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        half(&mut stream, false);
    }
    // One that dies when it has everything, one that dies before, and one that says nothing.
    for until_end in [true, false] {
        half(&mut stream, true);
        let line = Line::connect(Path::new(&takeover)).unwrap().unwrap();
        while until_end && !matches!(line.receive().unwrap(), Message::End) {}
        drop(line);
        half(&mut stream, false);
    }
    half(&mut stream, true);
    let silent = Line::connect(Path::new(&takeover)).unwrap().unwrap();
    while !matches!(silent.receive().unwrap(), Message::End) {}
    half(&mut stream, false);
    drop(silent);
    let said = |seen: &[String]| seen.iter().filter(|line| line.contains("not handed over")).count();
    server.wait_for(|seen| said(seen) == 4);
    // And in the end one that works.
    let next = place.serve(&SPOOLED);
    let (code, seen) = server.ended();
    assert_eq!(code, Some(0), "{seen:#?}");
    half(&mut stream, true);
    half(&mut stream, false);
    let (code, seen, _) = next.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
}

#[test]
fn what_is_in_memory_is_not_left_behind() {
    let place = Place::new();
    let args = ["--tcp", "127.0.0.1:0", "--takeover", "DIR/takeover", "--output", "/dev/full"];
    let args: Vec<String> =
        args.iter().map(|arg| arg.replace("DIR", &place.path().display().to_string())).collect();
    let mut server = Server::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&frame(&record("stuck"))).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write")));
    let takeover = place.path().join("takeover").display().to_string();
    let output =
        run(&["serve", "--tcp", "127.0.0.1:0", "--takeover", &takeover, "--output", "/dev/null"], b"");
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("does not take what is in memory"), "{said}");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("not handed over")));
    assert!(
        TcpStream::connect_timeout(&server.address("tcp").parse().unwrap(), Duration::from_secs(5)).is_ok()
    );
}

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// What it is told next.
    fn told(&self) -> String {
        let mut bytes = [0; 512];
        let len = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap().trim_end().to_owned()
    }
}

#[test]
fn the_service_manager_hears_of_the_next_one_before_the_old_one_ends() {
    let place = Place::new();
    let manager = Manager::new(place.path());
    let serve = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.args(["serve", "--tcp", "127.0.0.1:0", "--output", "/dev/null", "--takeover"]);
        command.arg(place.path().join("takeover")).env("NOTIFY_SOCKET", &manager.path);
        Server::launch(tempfile::tempdir().unwrap(), command, 1)
    };
    let mut server = serve();
    assert_eq!(manager.told(), "READY=1");
    for _ in 0..3 {
        let next = serve();
        let (code, seen) = server.ended();
        assert_eq!(code, Some(0), "{seen:#?}");
        // It is there when the old one has ended, and that one does not say that the service stops.
        manager.socket.set_nonblocking(true).unwrap();
        assert_eq!(manager.told(), format!("MAINPID={}", next.id()));
        manager.socket.set_nonblocking(false).unwrap();
        assert_eq!(manager.told(), "READY=1");
        server = next;
    }
    let (code, seen, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert_eq!(manager.told(), "STOPPING=1");
}

#[test]
fn an_output_that_is_ending_has_its_time_before() {
    let place = Place::new();
    let dir = place.path().display().to_string();
    let config = |outputs: &str| {
        let text = "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[spool]\npath = \"DIR/spool\"\n\
                    [output.out]\ntype = \"file\"\npath = \"DIR/out\"\n";
        fs::write(place.path().join("c.toml"), (text.to_owned() + outputs).replace("DIR", &dir)).unwrap();
    };
    let serve = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.arg("serve").arg("--config").arg(place.path().join("c.toml"));
        command.arg("--takeover").arg(place.path().join("takeover"));
        Server::launch(tempfile::tempdir().unwrap(), command, 1)
    };
    config("[output.stuck]\ntype = \"file\"\npath = \"/dev/full\"\n");
    let mut server = serve();
    let address = server.address("tcp");
    let frame = frame(&record("one"));
    TcpStream::connect(&address).unwrap().write_all(&frame).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write")));
    config("");
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
    let next = serve();
    let (code, seen) = server.ended();
    assert_eq!(code, Some(0), "{seen:#?}");
    let place_of = |what: &str| seen.iter().position(|line| line.contains(what));
    assert!(place_of("output stuck has ended, 1 records behind").is_some(), "{seen:#?}");
    assert!(place_of("has ended, 1") < place_of("handed over in"), "{seen:#?}");
    assert!(!place.path().join("spool/cursors/stuck").exists());
    TcpStream::connect(&address).unwrap().write_all(&frame).unwrap();
    assert_eq!(place.output(2).len(), 2);
    let (code, seen, _) = next.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
}
