//! Acknowledgements of `serve`, as senders see them: nothing that was acknowledged is lost or comes twice, whatever
//! happens to the receiver, and nobody who has not asked ever gets a byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logrecord::SocketHandler;
use logrecord::frame::envelope::{Ack, AckStatus, Key, KeyId, KeyRing, Sealer, Verifier};
use logrecord::model::LogRecord;
use logrecord::transport::{Backoff, sender::SenderStats};
use serde_json::Value;

use common::{PATIENCE, Server, distinct_messages, frame, pythons, record, until};

fn key(name: &str) -> Key {
    let secret = [u8::try_from(name.len()).unwrap(); 32];
    Key::new(KeyId::new(name.as_bytes()).unwrap(), &secret).unwrap()
}

/// A folder with the file of each key.
fn folder(keys: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in keys {
        let text = format!("{:02x}", name.len()).repeat(32);
        let path = folder.path().join(format!("{name}.key"));
        let mut options = fs::OpenOptions::new();
        options
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }
    folder
}

/// A receiver with a spool and the key `app`, on a port that stays the same when it is started again.
fn serve(folder: tempfile::TempDir, address: &str, output: &str) -> Server {
    Server::start_in(
        folder,
        &["--tcp", address, "--hmac-key", "app=DIR/app.key", "--spool", "DIR/spool", "--output", output],
    )
}

fn sender(address: &str, name: &str) -> SocketHandler {
    let (host, port) = address.rsplit_once(':').unwrap();
    let backoff = Backoff::new().retry_start(Duration::from_millis(5)).retry_max(Duration::from_millis(50));
    SocketHandler::builder(host, port.parse().unwrap())
        .hmac(key(name), "")
        .backoff(backoff)
        .acks(1024)
        .build()
        .unwrap()
}

fn log(handler: &SocketHandler, numbers: std::ops::Range<u64>) {
    for number in numbers {
        handler.handle(&LogRecord::builder("app", 20, format!("number {number}")).now().build()).unwrap();
    }
}

fn settled(stats: &SenderStats) -> u64 {
    stats.acked + stats.refused + stats.dropped
}

/// Waits for the whole of the output, and stops the receiver.
fn check(server: Server, count: u64) {
    assert_eq!(
        distinct_messages(&server.wait_for_output(usize::try_from(count).unwrap())).len() as u64,
        count
    );
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
}

#[test]
fn what_a_rust_sender_logs_is_acknowledged_and_written_once() {
    let server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let handler = sender(&server.address("tcp"), "app");
    log(&handler, 0..5_000);
    handler.flush(PATIENCE).unwrap();
    let stats = handler.close(PATIENCE).sender;
    assert_eq!(
        (stats.accepted, stats.acked, stats.refused, stats.dropped),
        (5_000, 5_000, 0, 0),
        "{stats:?}"
    );
    check(server, 5_000);
}

const PYTHON: &str = r"
import json, logging, sys
sys.path.insert(0, sys.argv[1])
import logrecord_hmac
handler = logrecord_hmac.HMACSocketHandler('127.0.0.1', int(sys.argv[2]), key_id='app', key_file=sys.argv[3],
                                           ack=True, flush_timeout=60)
log = logging.getLogger('app')
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(handler)
for number in range(int(sys.argv[5])):
    log.info('%s number %d', sys.argv[4], number)
done = handler.flush(60)
print(json.dumps({'done': done, 'acked': handler.acked, 'refused': handler.refused, 'dropped': handler.dropped,
                  'unacked': handler.unacked}))
sys.stdout.flush()
handler.close()
";

fn python(interpreter: &Path, server_folder: &Path, port: &str, name: &str, count: u64) -> Command {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../frame/python");
    let mut command = Command::new(interpreter);
    command.args(["-c", PYTHON]).arg(module).arg(port).arg(server_folder.join("app.key"));
    command.arg(name).arg(count.to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

#[test]
fn every_python_loses_nothing_while_the_receiver_is_killed() {
    const COUNT: u64 = 1_500;
    let interpreters = pythons();
    if interpreters.is_empty() {
        return;
    }
    let mut server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let address = server.address("tcp");
    let port = address.rsplit_once(':').unwrap().1;
    let place = server.folder.path().to_owned();
    let senders: Vec<_> = interpreters
        .iter()
        .enumerate()
        .map(|(index, python_path)| {
            python(python_path, &place, port, &format!("p{index}"), COUNT).spawn().unwrap()
        })
        .collect();
    for part in 1..4 {
        server.wait_for_output(part * 300);
        let (_, _, same) = server.stop("KILL");
        server = serve(same, &address, "DIR/out");
    }
    let mut acked = 0;
    for sender in senders {
        let output = sender.wait_with_output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sum = |of: &str| said[of].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
        assert_eq!(said["done"], true, "{said}");
        assert_eq!(said["acked"].as_u64().unwrap() + sum("refused") + sum("dropped"), COUNT, "{said}");
        acked += said["acked"].as_u64().unwrap();
    }
    assert!(acked > 0);
    let lines = distinct_messages(&server.wait_for_output(usize::try_from(acked).unwrap()));
    // What is there and was not acknowledged would be a record that its sender has given up.
    assert_eq!(lines.len() as u64, acked);
}

#[test]
fn killed_in_mid_stream_with_a_stalled_output() {
    const COUNT: u64 = 4_000;
    let mut server = serve(folder(&["app"]), "127.0.0.1:0", "/dev/full");
    let address = server.address("tcp");
    let handler = sender(&address, "app");
    let logging = std::thread::spawn(move || {
        log(&handler, 0..COUNT);
        handler
    });
    for _ in 0..5 {
        // It has begun to store, and then it is gone.
        let spool = server.folder.path().join("spool");
        let size = || -> u64 {
            let files = fs::read_dir(&spool).unwrap().map(|file| file.unwrap());
            files
                .filter(|file| file.file_name().as_encoded_bytes().ends_with(b".seg"))
                .map(|file| file.metadata().unwrap().len())
                .sum()
        };
        let before = size();
        until(|| (size() > before || logging.is_finished()).then_some(()));
        let (_, _, same) = server.stop("KILL");
        server = serve(same, &address, "/dev/full");
    }
    let handler = logging.join().unwrap();
    handler.flush(PATIENCE).unwrap();
    let stats = handler.close(PATIENCE).sender;
    assert_eq!(settled(&stats), COUNT, "{stats:?}");
    assert_eq!((stats.acked, stats.dropped), (COUNT, 0), "{stats:?}");
    let (_, _, same) = server.stop("KILL");
    check(serve(same, &address, "DIR/out"), COUNT);
}

#[test]
fn a_stopped_receiver_costs_time_and_no_record() {
    let server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let handler = sender(&server.address("tcp"), "app");
    log(&handler, 0..100);
    handler.flush(PATIENCE).unwrap();
    server.signal("STOP");
    log(&handler, 100..2_000);
    assert!(handler.flush(Duration::from_millis(100)).is_err());
    server.signal("CONT");
    handler.flush(PATIENCE).unwrap();
    assert_eq!(handler.close(PATIENCE).sender.acked, 2_000);
    check(server, 2_000);
}

#[test]
fn a_full_spool_pushes_back_and_takes_up_again() {
    const COUNT: u64 = 3_000;
    let config = |output: &str| {
        format!(
            "[spool]\npath = \"DIR/spool\"\nmax_bytes = \"1MiB\"\n[keys]\napp = \"DIR/app.key\"\n\
             [[listen]]\naddress = \"tcp://127.0.0.1:PORT\"\nrequire_keys = [\"app\"]\n\
             [output.output]\ntype = \"file\"\npath = \"{output}\"\n"
        )
    };
    let start = |folder: tempfile::TempDir, port: &str, output: &str| {
        let place = folder.path().display().to_string();
        let text = config(output).replace("DIR", &place).replace("PORT", port);
        fs::write(folder.path().join("serve.toml"), text).unwrap();
        Server::start_with_config(folder, "DIR/serve.toml", 1)
    };
    let server = start(folder(&["app"]), "0", "/dev/full");
    let address = server.address("tcp");
    let handler = sender(&address, "app");
    let long = "x".repeat(2_000);
    for number in 0..COUNT {
        let message = format!("number {number} {long}");
        handler.handle(&LogRecord::builder("app", 20, message).now().build()).unwrap();
    }
    // It takes what fits, and gives no acknowledgement for more.
    let acked = until(|| {
        let acked = handler.stats().sender.acked;
        (acked > 100
            && handler.flush(Duration::from_millis(300)).is_err()
            && handler.stats().sender.acked == acked)
            .then_some(acked)
    });
    assert!(acked < COUNT / 2, "{acked}");
    let (code, seen, same) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert!(!seen.iter().any(|line| line.contains("dropped{overflow}")), "{seen:#?}");
    let port = address.rsplit_once(':').unwrap().1;
    let server = start(same, port, "DIR/out");
    handler.flush(PATIENCE).unwrap();
    assert_eq!(handler.close(PATIENCE).sender.acked, COUNT);
    check(server, COUNT);
}

#[test]
fn keys_change_under_way() {
    let folder = folder(&["app", "other"]);
    let path = folder.path().join("serve.toml");
    let place = folder.path().display().to_string();
    let write = |keys: &[&str]| {
        let mut text = "[spool]\npath = \"DIR/spool\"\n[keys]\n".to_owned();
        for key in keys {
            text.push_str(&format!("{key} = \"DIR/{key}.key\"\n"));
        }
        text.push_str(&format!(
            "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\nrequire_keys = {keys:?}\n\
             [output.output]\ntype = \"file\"\npath = \"DIR/out\"\n"
        ));
        fs::write(&path, text.replace("DIR", &place)).unwrap();
    };
    write(&["app"]);
    let mut server = Server::start_with_config(folder, "DIR/serve.toml", 1);
    let address = server.address("tcp");
    let (old, new) = (sender(&address, "app"), sender(&address, "other"));
    let mut reloads = 0;
    let mut reload = |server: &mut Server, keys: &[&str]| {
        write(keys);
        server.signal("HUP");
        reloads += 1;
        server.wait_for(|seen| seen.iter().filter(|line| *line == "logrecord: reloaded").count() == reloads);
    };
    log(&old, 0..100);
    old.flush(PATIENCE).unwrap();
    reload(&mut server, &["app", "other"]);
    log(&old, 100..200);
    log(&new, 1_000..1_100);
    old.flush(PATIENCE).unwrap();
    new.flush(PATIENCE).unwrap();
    reload(&mut server, &["other"]);
    log(&old, 200..300);
    log(&new, 1_100..1_200);
    new.flush(PATIENCE).unwrap();
    assert!(old.flush(Duration::from_millis(200)).is_err());
    // The old key comes back, and what waited is taken.
    reload(&mut server, &["app", "other"]);
    old.flush(PATIENCE).unwrap();
    let stats = [old.close(PATIENCE).sender, new.close(PATIENCE).sender];
    assert_eq!(stats.map(|stats| (stats.acked, stats.dropped)), [(300, 0), (200, 0)]);
    check(server, 500);
}

/// A sender made by hand, that sees every byte which comes back.
struct ByHand {
    stream: TcpStream,
    verifier: Verifier,
}

impl ByHand {
    fn connect(server: &Server, name: &str) -> Self {
        let stream = TcpStream::connect(server.address("tcp")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut ring = KeyRing::new();
        ring.accept(key(name)).unwrap();
        Self { stream, verifier: Verifier::new(&ring, b"").unwrap() }
    }

    fn send(&mut self, payloads: &[&[u8]]) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
        self.stream.write_all(&bytes).unwrap();
    }

    fn ack(&mut self) -> (AckStatus, u64) {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).unwrap();
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes(prefix)).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        let Ack { status, seq, .. } = self.verifier.open_ack(&payload).unwrap();
        (status, seq)
    }

    fn acks_until(&mut self, number: u64) {
        loop {
            let (status, seq) = self.ack();
            assert_eq!(status, AckStatus::Durable);
            assert!(seq <= number);
            if seq == number {
                return;
            }
        }
    }

    /// Nothing came back by the time that the receiver has closed.
    fn nothing(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(rest, b"");
    }
}

struct Stream {
    sealer: Sealer,
}

impl Stream {
    fn new(name: &str, id: u8, asks: bool) -> Self {
        let sealer = Sealer::new(&key(name), b"", [id; 16]).unwrap();
        Self { sealer: if asks { sealer.with_acks() } else { sealer } }
    }

    fn seal_at(&mut self, seconds: i64, message: &str) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let mut out = Vec::new();
        let time = i64::try_from(now).unwrap() + seconds * 1_000_000_000;
        self.sealer.seal_into(time, &record(message), &mut out).unwrap();
        out
    }

    fn seal(&mut self, message: &str) -> Vec<u8> {
        self.seal_at(0, message)
    }
}

#[test]
fn a_duplicate_is_acknowledged_and_written_once() {
    let server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let address = server.address("tcp");
    let mut stream = Stream::new("app", 1, true);
    let (a, b, c) = (stream.seal("a"), stream.seal("b"), stream.seal("c"));
    let mut first = ByHand::connect(&server, "app");
    first.send(&[&a, &b, &a]);
    first.acks_until(1);
    let mut second = ByHand::connect(&server, "app");
    second.send(&[&a, &b, &c]);
    second.acks_until(2);
    // The connection that the messages came on hears of them, and no other one.
    first.nothing();
    let (_, _, same) = server.stop("KILL");
    let server = serve(same, &address, "DIR/out");
    let mut third = ByHand::connect(&server, "app");
    third.send(&[&a, &b, &c]);
    third.acks_until(2);
    third.nothing();
    assert_eq!(distinct_messages(&server.wait_for_output(3)).len(), 3);
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(seen.iter().any(|line| line.contains("rejected{duplicate}=3")), "{seen:#?}");
    // Resends are what honest senders do.
    assert!(!seen.iter().any(|line| line.starts_with("logrecord: rejected")), "{seen:#?}");
}

#[test]
fn refusals_are_told_before_what_covers_them() {
    let server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let mut stream = Stream::new("app", 1, true);
    let early = stream.seal_at(-7_200, "from before the receiver knew anything");
    let ahead = stream.seal_at(3_600, "an hour ahead");
    let fine = stream.seal("fine");
    let mut by_hand = ByHand::connect(&server, "app");
    by_hand.send(&[&early, &ahead, &fine]);
    assert_eq!(by_hand.ack(), (AckStatus::BeforeStart, 0));
    assert_eq!(by_hand.ack(), (AckStatus::Skew, 1));
    assert_eq!(by_hand.ack(), (AckStatus::Durable, 2));
    by_hand.nothing();
    assert_eq!(distinct_messages(&server.wait_for_output(1)).len(), 1);
}

#[test]
fn a_message_over_the_limit_is_refused_and_holds_nothing_up() {
    let server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let mut stream = Stream::new("app", 1, true);
    let long = "x".repeat(3 << 20);
    let messages = [stream.seal(&long), stream.seal("a"), stream.seal(&long), stream.seal("b")];
    let mut by_hand = ByHand::connect(&server, "app");
    // Also as the first one of a connection, as after a reconnection.
    by_hand.send(&messages.each_ref().map(Vec::as_slice));
    let mut heard = Vec::new();
    while heard.last() != Some(&(AckStatus::Durable, 3)) {
        heard.push(by_hand.ack());
    }
    let of = |status| {
        heard.iter().filter(|(told, _)| *told == status).map(|(_, number)| *number).collect::<Vec<_>>()
    };
    assert_eq!(of(AckStatus::TooLarge), [0, 2], "{heard:?}");
    let before = |number| heard.iter().position(|told| *told == (AckStatus::TooLarge, number));
    assert!(before(2).unwrap() < heard.len() - 1, "{heard:?}");
    by_hand.nothing();
    // One that is forged ends its connection, and nothing behind it is covered.
    let mut forged = stream.seal(&long);
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let mut other = ByHand::connect(&server, "app");
    other.stream.write_all(&frame(&forged)).ok();
    other.stream.write_all(&frame(&stream.seal("c"))).ok();
    let mut rest = Vec::new();
    other.stream.read_to_end(&mut rest).ok();
    assert_eq!(rest, b"");
    assert_eq!(server.wait_for_output(2).len(), 2);
}

#[test]
fn only_who_asks_over_a_connection_is_answered() {
    let server = Server::start_in(
        folder(&["app"]),
        &[
            "--tcp",
            "127.0.0.1:0",
            "--udp",
            "127.0.0.1:0",
            "--hmac-key",
            "app=DIR/app.key",
            "--spool",
            "DIR/spool",
        ],
    );
    let mut silent = ByHand::connect(&server, "app");
    silent.send(&[&Stream::new("app", 1, false).seal("silent")]);
    server.wait_for_output(1);
    silent.nothing();
    let datagram = Stream::new("app", 2, true).seal("over UDP");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&frame(&datagram), server.address("udp")).unwrap();
    let mut seen = Vec::new();
    let mut server = server;
    server.wait_for(|lines| lines.iter().any(|line| line.starts_with("logrecord: rejected flags")));
    seen.extend_from_slice(server.seen());
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv(&mut [0; 100]).unwrap_err().kind(), ErrorKind::WouldBlock, "{seen:#?}");
}

#[test]
fn nothing_behind_a_forged_message_is_acknowledged() {
    let server = serve(folder(&["app"]), "127.0.0.1:0", "DIR/out");
    let mut stream = Stream::new("app", 1, true);
    let (a, mut b, c) = (stream.seal("a"), stream.seal("b"), stream.seal("c"));
    let genuine = b.clone();
    *b.last_mut().unwrap() ^= 1;
    let mut by_hand = ByHand::connect(&server, "app");
    by_hand.send(&[&a]);
    by_hand.acks_until(0);
    by_hand.send(&[&b, &c]);
    let mut rest = Vec::new();
    // It is closed, and what came behind the forged one is not covered.
    by_hand.stream.read_to_end(&mut rest).ok();
    assert_eq!(rest, b"");
    let mut again = ByHand::connect(&server, "app");
    again.send(&[&genuine, &c]);
    again.acks_until(2);
    assert_eq!(distinct_messages(&server.wait_for_output(3)).len(), 3);
}

#[test]
fn a_holder_of_another_key_changes_nothing() {
    let folder = folder(&["app", "insider"]);
    let keys = ["--hmac-key", "app=DIR/app.key", "--hmac-key", "insider=DIR/insider.key"];
    let args = [&["--tcp", "127.0.0.1:0", "--spool", "DIR/spool"], &keys[..]].concat();
    let server = Server::start_in(folder, &args);
    // The same stream and numbers, under the insider's own key.
    let (mut theirs, mut ours) = (Stream::new("insider", 1, true), Stream::new("app", 1, true));
    let mut insider = ByHand::connect(&server, "insider");
    insider.send(&[&theirs.seal("theirs 0"), &theirs.seal("theirs 1")]);
    insider.acks_until(1);
    let mut by_hand = ByHand::connect(&server, "app");
    by_hand.send(&[&ours.seal("ours 0")]);
    by_hand.acks_until(0);
    by_hand.nothing();
    assert_eq!(distinct_messages(&server.wait_for_output(3)).len(), 3);
}

#[test]
fn without_a_spool_the_wish_is_refused_and_the_sender_is_told() {
    for spool in [false, true] {
        let folder = folder(&["app"]);
        let text = format!(
            "{}[keys]\napp = \"DIR/app.key\"\n[[listen]]\naddress = \"tcp://127.0.0.1:0\"\nrequire_keys = [\"app\"]\n\
             [output.output]\ntype = \"file\"\npath = \"DIR/out\"\n",
            if spool { "[spool]\npath = \"DIR/spool\"\nsync = \"never\"\n" } else { "" }
        );
        let place = folder.path().display().to_string();
        fs::write(folder.path().join("serve.toml"), text.replace("DIR", &place)).unwrap();
        let server = Server::start_with_config(folder, "DIR/serve.toml", 1);
        let mut by_hand = ByHand::connect(&server, "app");
        let (mut asks, mut silent) = (Stream::new("app", 1, true), Stream::new("app", 2, false));
        by_hand.send(&[&asks.seal("a"), &silent.seal("b"), &asks.seal("c")]);
        assert_eq!(by_hand.ack(), (AckStatus::Flags, 0));
        assert_eq!(by_hand.ack(), (AckStatus::Flags, 1));
        assert_eq!(distinct_messages(&server.wait_for_output(1)).len(), 1);
        by_hand.nothing();
        let handler = sender(&server.address("tcp"), "app");
        log(&handler, 0..10);
        handler.flush(PATIENCE).unwrap();
        let stats = handler.close(PATIENCE).sender;
        assert_eq!((stats.acked, stats.refused, stats.dropped), (0, 10, 0), "{stats:?}");
    }
}
