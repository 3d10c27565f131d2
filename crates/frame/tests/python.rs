//! The Python handlers against this crate, on every CPython that is found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a handler that does not fit must fail the test"
)]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use common::{pythons, workspace};
use logrecord_frame::envelope::{
    AckStatus, Acker, Key, KeyId, KeyRing, Opened, Opener, PlainKey, Policy, Refusal, StreamId,
};
use logrecord_frame::{DEFAULT_MAX_FRAME_LEN, FrameReader, decode_datagram};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const RECORDS: u64 = 20;
/// For a Python that hangs: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Logs RECORDS records, the number in the message; when asked, forks in the middle and logs from the child.
const SENDER: &str = r#"
import logging, os, sys
import logrecord_hmac as lh
kind, host, port, forks, key_file = sys.argv[1:6]
plain = kind.startswith("plain-")
kind = kind.replace("plain-", "")
cls = lh.HMACDatagramHandler if kind == "datagram" else lh.HMACSocketHandler
more = {"plain": True} if plain else {"key_id": "app", "audience": u"b\u00fcro"}
handler = cls(host, int(port) if port else None, key_file=key_file, **more)
logger = logging.getLogger("app")
logger.setLevel(logging.INFO)
logger.addHandler(handler)
for number in range(20):
    if forks == "fork" and number == 10:
        child = os.fork()
        if child == 0:
            logger.info("child %d", 0, extra={"user": u"\u00e4"})
            handler.close()
            os._exit(0)
        os.waitpid(child, 0)
    logger.info("record %d", number)
handler.close()
"#;

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

fn opener(audience: &str) -> Opener {
    let mut ring = KeyRing::new();
    ring.accept(Key::from_hex(KeyId::new(b"app").unwrap(), HEX.as_bytes()).unwrap()).unwrap();
    // A Python 2.7 reads its clock in steps of less than a microsecond, and the key file is older than that.
    Opener::new(&ring, audience.as_bytes(), Policy::new(), now_ns() - 1_000_000_000).unwrap()
}

fn key_file(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("key");
    std::fs::write(&path, format!("{HEX}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

fn start(python: &Path, folder: &Path, kind: &str, host: &str, port: &str, forks: &str) -> Child {
    Command::new(python)
        .args(["-c", SENDER, kind, host, port, forks])
        .arg(key_file(folder))
        .env("PYTHONPATH", workspace("crates/frame/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn finish(mut child: Child, python: &Path) {
    assert!(child.wait().unwrap().success(), "{}", python.display());
}

/// All records are there, in order, without gaps, and in one stream.
fn check(opened: &[Opened], python: &Path) {
    let numbers: Vec<_> = opened.iter().map(|one| one.seq).collect();
    assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>(), "{}", python.display());
    for (one, number) in opened.iter().zip(0..) {
        assert_eq!((one.gap, one.stream_id), (0, opened[0].stream_id));
        assert_eq!(one.key_id.as_bytes(), b"app");
        assert!(one.time_ns.abs_diff(now_ns()) < 120_000_000_000);
        assert!(contains(&one.payload, &format!("record {number}")), "{}", python.display());
    }
}

fn contains(payload: &[u8], text: &str) -> bool {
    payload.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Reads a connection to its end. The second try with every payload must be a replay.
fn read_all(stream: impl Read, opener: &Opener) -> Vec<Opened> {
    FrameReader::new(stream)
        .map(|frame| {
            let frame = frame.unwrap();
            let opened = opener.open(now_ns(), frame.clone()).unwrap();
            assert_eq!(opener.open(now_ns(), frame), Err(Refusal::Replay));
            opened
        })
        .collect()
}

#[test]
fn tcp() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = start(&python, folder.path(), "stream", "127.0.0.1", &port, "");
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        check(&read_all(stream, &opener("büro")), &python);
        finish(child, &python);
    }
}

#[test]
fn another_audience_is_refused() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = start(&python, folder.path(), "stream", "127.0.0.1", &port, "");
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let opener = opener("elsewhere");
        for frame in FrameReader::new(stream) {
            assert_eq!(opener.open(now_ns(), frame.unwrap()), Err(Refusal::BadMac));
        }
        finish(child, &python);
    }
}

#[test]
fn plain_form() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = start(&python, folder.path(), "plain-stream", "127.0.0.1", &port, "");
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let key = PlainKey::from_hex(HEX.as_bytes()).unwrap();
        let bodies: Vec<Bytes> =
            FrameReader::new(stream).map(|frame| key.open(frame.unwrap()).unwrap()).collect();
        assert_eq!(bodies.len(), 20, "{}", python.display());
        assert!(bodies.iter().zip(0..).all(|(body, at)| contains(body, &format!("record {at}"))));
        finish(child, &python);
    }
}

#[test]
fn udp() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = socket.local_addr().unwrap().port().to_string();
        let child = start(&python, folder.path(), "datagram", "127.0.0.1", &port, "");
        let opener = opener("büro");
        let opened: Vec<_> = (0..RECORDS)
            .map(|_| {
                let mut space = vec![0; 65_536];
                let len = socket.recv(&mut space).unwrap();
                space.truncate(len);
                let payload = decode_datagram(space.into(), DEFAULT_MAX_FRAME_LEN).unwrap();
                opener.open(now_ns(), payload).unwrap()
            })
            .collect();
        check(&opened, &python);
        finish(child, &python);
    }
}

#[cfg(unix)]
#[test]
fn unix_stream() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let child = start(&python, folder.path(), "stream", path.to_str().unwrap(), "", "");
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        check(&read_all(stream, &opener("büro")), &python);
        finish(child, &python);
    }
}

#[cfg(unix)]
#[test]
fn unix_datagram() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = start(&python, folder.path(), "datagram", path.to_str().unwrap(), "", "");
        let opener = opener("büro");
        let opened: Vec<_> = (0..RECORDS)
            .map(|_| {
                let mut space = vec![0; 65_536];
                let len = socket.recv(&mut space).unwrap();
                space.truncate(len);
                let payload = decode_datagram(space.into(), DEFAULT_MAX_FRAME_LEN).unwrap();
                opener.open(now_ns(), payload).unwrap()
            })
            .collect();
        check(&opened, &python);
        finish(child, &python);
    }
}

#[cfg(unix)]
#[test]
fn a_forked_child_has_a_stream_and_a_connection_of_its_own() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = start(&python, folder.path(), "stream", "127.0.0.1", &port, "fork");
        let opener = opener("büro");
        let mut streams: BTreeMap<StreamId, u64> = BTreeMap::new();
        let connections: Vec<_> = (0..2)
            .map(|_| {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream
            })
            .collect();
        for stream in connections {
            for opened in read_all(stream, &opener) {
                assert_eq!(opened.gap, 0, "{}", python.display());
                *streams.entry(opened.stream_id).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = streams.into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, RECORDS], "{}", python.display());
        finish(child, &python);
    }
}

/// Logs 300 records and waits for the receiver's word on all of them.
const ASKER: &str = r#"
import logging, sys
import logrecord_hmac as lh
host, port, key_file = sys.argv[1:4]
handler = lh.HMACSocketHandler(host, int(port), key_file=key_file, key_id="app", audience=u"b\u00fcro",
                               ack=True, window=64, flush_timeout=60)
handler.retryStart = 0.01
logger = logging.getLogger("app")
logger.setLevel(logging.INFO)
logger.addHandler(handler)
for number in range(300):
    logger.info("record %d", number)
assert handler.flush(), (handler.acked, handler.unacked, handler.last_error)
assert (handler.acked, handler.refused, handler.dropped) == (299, {"too_large": 1}, {}), vars(handler)
"#;

#[test]
fn acknowledged_records_arrive_once_over_broken_connections() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = Command::new(&python)
            .args(["-c", ASKER, "127.0.0.1", &port])
            .arg(key_file(folder.path()))
            .env("PYTHONPATH", workspace("crates/frame/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .spawn()
            .unwrap();
        let opener = opener("büro");
        let verifier = opener.verifier();
        let mut stored = Vec::new();
        let mut connections = 0;
        // A last connection wakes the receiver when the sender has ended, well or not.
        let done = Arc::new(AtomicBool::new(false));
        let ended = {
            let address = listener.local_addr().unwrap();
            let (done, mut child) = (Arc::clone(&done), child);
            std::thread::spawn(move || {
                let status = child.wait().unwrap();
                done.store(true, Ordering::SeqCst);
                drop(std::net::TcpStream::connect(address));
                status
            })
        };
        loop {
            let (stream, _) = listener.accept().unwrap();
            if done.load(Ordering::SeqCst) {
                break;
            }
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            connections += 1;
            let (mut acker, mut last) = (Acker::new(), None);
            let mut answers = stream.try_clone().unwrap();
            for (count, frame) in FrameReader::new(stream).enumerate() {
                let Ok(frame) = frame else { break };
                let stamp = match opener.open_with_acks(now_ns(), frame) {
                    Ok(opened) => {
                        if opened.seq != 42 {
                            stored.push(opened.seq);
                        }
                        opened.stamp()
                    }
                    Err(refused) if refused.refusal() == Refusal::Replay => *refused.stamp().unwrap(),
                    Err(refused) => panic!("{refused}"),
                };
                assert!(last.is_none_or(|last| last < stamp.seq), "not in order");
                last = Some(stamp.seq);
                // Of what is stored, the sender of the first connections never hears the last.
                if connections < 4 && count >= 60 {
                    if count == 70 {
                        break;
                    }
                    continue;
                }
                let has_room = if stamp.seq == 42 {
                    acker.refuse(&stamp, AckStatus::TooLarge)
                } else {
                    acker.durable(&stamp)
                };
                assert!(has_room);
                let mut wire = Vec::new();
                acker.write_into(&verifier, &mut wire).unwrap();
                if std::io::Write::write_all(&mut answers, &wire).is_err() {
                    break;
                }
            }
        }
        let mut once = stored.clone();
        once.sort_unstable();
        assert_eq!(once, (0..300).filter(|seq| *seq != 42).collect::<Vec<_>>(), "{}", python.display());
        assert!(connections >= 4, "{connections}");
        assert!(ended.join().unwrap().success(), "{}", python.display());
    }
}

/// The block of Python in docs/wire-format.md that holds `text`.
fn documented(text: &str) -> String {
    let document = std::fs::read_to_string(workspace("docs/wire-format.md")).unwrap();
    let blocks = document.split("```python\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.filter(|block| block.contains(text)).collect()
}

#[test]
fn the_handlers_in_the_document_work() {
    let rows = [
        (
            "class SealedHandler",
            "handler = SealedHandler('127.0.0.1', PORT, KEY, b'app', 'b\\u00fcro'.encode())",
        ),
        ("class PlainHandler", "handler = PlainHandler('127.0.0.1', PORT)"),
    ];
    for python in pythons() {
        // They are written in the language of today, and use time.time_ns.
        let is_new = Command::new(&python)
            .args(["-c", "import sys; sys.exit(sys.version_info < (3, 7))"])
            .status()
            .unwrap()
            .success();
        if !is_new {
            continue;
        }
        for (class, make) in rows {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let program = format!(
                "import hashlib, hmac, logging.handlers, struct\n\
                 PORT = {port}\nKEY = bytes.fromhex('{HEX}')\n{}\n{make}\n\
                 logger = logging.getLogger('app')\nlogger.addHandler(handler)\n\
                 for number in range(20): logger.warning('record %d', number)\nhandler.close()\n",
                documented(class)
            );
            let child = Command::new(&python).args(["-c", &program]).spawn().unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            if class == "class SealedHandler" {
                check(&read_all(stream, &opener("büro")), &python);
            } else {
                let key = PlainKey::from_hex(HEX.as_bytes()).unwrap();
                let opened = FrameReader::new(stream)
                    .filter(|frame| key.open(frame.as_ref().unwrap().clone()).is_ok());
                assert_eq!(opened.count(), 20, "{}", python.display());
            }
            finish(child, &python);
        }
    }
}

#[test]
fn the_tests_of_the_module_pass() {
    let pass = |python: &Path| {
        let output = Command::new(python)
            .args(["-m", "unittest", "test_logrecord_hmac", "test_acks"])
            .current_dir(workspace("crates/frame/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}", python.display());
        assert!(text.contains("\nRan ") && !text.contains("Ran 0"), "{}: {text}", python.display());
    };
    // They wait for most of their time, so that a few go side by side.
    for some in pythons().chunks(3) {
        std::thread::scope(|scope| some.iter().for_each(|python| drop(scope.spawn(|| pass(python)))));
    }
}

#[test]
fn the_vectors_are_up_to_date() {
    for python in pythons() {
        if python.to_string_lossy().contains("2.7") {
            continue;
        }
        let output = Command::new(&python)
            .args(["make_vectors.py", "--check"])
            .current_dir(workspace("crates/frame/python"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
}
