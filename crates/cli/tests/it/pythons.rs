//! Real Pythons with stock handlers, over all four transports: every record arrives, in order, with
//! every attribute as that Python itself reads it back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use common::{Server, counts, pythons, read_lines, run};

/// Records of each Python and transport; `LOGRECORD_TEST_RECORDS` sets another number.
fn records() -> usize {
    std::env::var("LOGRECORD_TEST_RECORDS").ok().and_then(|number| number.parse().ok()).unwrap_or(40)
}

fn python(interpreter: &Path, script: &str, args: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(interpreter)
        .arg(script)
        .args(args)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", interpreter.display());
    output
}

fn is_python2(interpreter: &Path) -> bool {
    let output =
        Command::new(interpreter).args(["-c", "import sys; print(sys.version_info[0])"]).output().unwrap();
    output.stdout.starts_with(b"2")
}

/// Sets are compared without their order, and `extra` holds nothing that is not expected.
fn compare(line: &str, expected: &str) {
    let mut found: Value = serde_json::from_str(line).unwrap();
    let wanted: Value = serde_json::from_str(expected).unwrap();
    let fields = found.as_object_mut().unwrap();
    assert!(fields.remove("source").is_some());
    assert!(fields.remove("time").is_some());
    assert_eq!(found, wanted);
}

#[test]
fn every_record_arrives_with_every_attribute_and_in_order() {
    for interpreter in pythons() {
        let server = Server::start(&common::EVERY_TRANSPORT);
        let mut expected = Vec::new();
        for kind in ["tcp", "udp", "unix", "unix-dgram"] {
            // The handlers of Python 2 know no Unix sockets.
            if kind.starts_with("unix") && is_python2(&interpreter) {
                continue;
            }
            let target = server.address(kind);
            let output =
                python(&interpreter, "tests/it/common/sender.py", &[kind, &target, &records().to_string()]);
            expected.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
            // One transport after the other, so that the order of the output is known.
            server.wait_for_output(expected.len());
        }
        let (code, seen, folder) = server.stop("INT");
        let lines = read_lines(&folder.path().join("out"));
        assert_eq!((code, lines.len()), (Some(0), expected.len()), "{}: {seen:#?}", interpreter.display());
        assert_eq!(counts(&seen), (expected.len() as u64, expected.len() as u64, 0));
        for (line, expected) in lines.iter().zip(&expected) {
            compare(line, expected);
        }
    }
}

/// The signing handlers of this project.
const SIGN: &str = "
import logging, sys
sys.path.insert(0, sys.argv[1])
import logrecord_hmac
kind, target, keyfile = sys.argv[2:5]
if kind in ('tcp', 'udp'):
    host, port = target.rsplit(':', 1)
    address = (host, int(port))
else:
    address = (target, None)
cls = logrecord_hmac.HMACSocketHandler if kind in ('tcp', 'unix') else logrecord_hmac.HMACDatagramHandler
handler = cls(address[0], address[1], key_file=keyfile, key_id='web', audience='central')
log = logging.getLogger('signed')
log.setLevel(1)
log.addHandler(handler)
for number in range(20):
    log.info('signed %d', number)
handler.close()
";

#[test]
fn signed_records_arrive_and_unsigned_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("web.key").display().to_string();
    assert!(run(&["key", "new", &key], b"").status.success());
    assert_eq!(run(&["key", "new", &key], b"").status.code(), Some(69), "an existing key is kept");
    let option = format!("web={key}");
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../frame/python").display().to_string();
    for interpreter in pythons() {
        let mut server = Server::start(
            &[
                &common::EVERY_TRANSPORT[..],
                &["--hmac-key", &option, "--audience", "central", "--replay-state", "DIR/state"],
            ]
            .concat(),
        );
        let mut expected = 0;
        for kind in ["tcp", "udp", "unix", "unix-dgram"] {
            if kind.starts_with("unix") && is_python2(&interpreter) {
                continue;
            }
            let output = Command::new(&interpreter)
                .args(["-c", SIGN, &module, kind, &server.address(kind), &key])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            expected += 20;
            let lines = server.wait_for_output(expected);
            let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
            assert_eq!(last["message"], "signed 19");
            assert_eq!(last["source"]["key_id"], "web");
        }
        let unsigned = run(&["send", "--tcp", &server.address("tcp")], b"hello\n");
        assert_eq!(unsigned.status.code(), Some(0));
        server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected unsigned")));
        let (code, seen, _) = server.stop("INT");
        assert_eq!(code, Some(0));
        let expected = expected as u64;
        assert_eq!(counts(&seen), (expected + 1, expected, 1), "{seen:#?}");
    }
}
