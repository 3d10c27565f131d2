//! Records of live CPythons: hostile text in every field, thousands of extras, odd types. Their
//! bytes come back the same, and CPython reads from the JSON what it had put into the record.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "this is a test")]

use crate::common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use logrecord_model::{Field, RecordDecoder};

fn script() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records.py")
}

/// The payloads of the frames on a Python's standard output.
fn payloads(python: &Path) -> Vec<Vec<u8>> {
    let output = Command::new(python).arg(script()).arg("make").output().unwrap();
    assert!(output.status.success(), "{}: {}", python.display(), String::from_utf8_lossy(&output.stderr));
    let mut payloads = Vec::new();
    let mut rest = &output.stdout[..];
    while let Some((prefix, after)) = rest.split_first_chunk::<4>() {
        let (payload, after) = after.split_at(u32::from_be_bytes(*prefix) as usize);
        payloads.push(payload.to_vec());
        rest = after;
    }
    payloads
}

#[test]
fn hostile_records_arrive_and_return() {
    for python in common::pythons() {
        let mut decoder = RecordDecoder::new();
        let mut lines = Vec::new();
        // Python 2 writes other opcodes, and before 3.8 one more empty batch than later.
        let version = Command::new(&python)
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
            .output()
            .unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let minor = version.trim().strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
        for (seed, payload) in payloads(&python).iter().enumerate() {
            let record = decoder.decode(payload).unwrap();
            assert_eq!(record.is_odd(Field::LevelNo), seed % 37 == 0);
            record.write_json(None, &mut lines);
            lines.push(b'\n');
            if minor.is_some_and(|minor| minor >= 8) {
                let mut written = Vec::new();
                record.to_pickle(&mut written).unwrap();
                assert_eq!(
                    written.escape_ascii().to_string(),
                    payload.escape_ascii().to_string(),
                    "{} {seed}",
                    python.display()
                );
            }
        }
        assert!(!String::from_utf8(lines.clone()).unwrap().contains(|c: char| c != '\n' && c.is_control()));
        let mut child = Command::new(&python)
            .arg(script())
            .arg("check")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A failed check ends the child early; its own words say more than the broken pipe.
        let sent = child.stdin.take().unwrap().write_all(&lines);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", python.display(), String::from_utf8_lossy(&output.stderr));
        sent.unwrap();
    }
}

#[test]
fn twenty_thousand_extras_arrive() {
    for python in common::pythons() {
        let output = Command::new(&python)
            .args(["-c", concat!(
                "import logging, logging.handlers as h, sys\n",
                "r = logging.makeLogRecord({'msg': 'm', 'levelno': 20})\n",
                "r.__dict__.update(dict(('k%d' % n, n) for n in range(20000)))\n",
                "getattr(sys.stdout, 'buffer', sys.stdout).write(h.SocketHandler('x', 1).makePickle(r)[4:])\n",
            )])
            .output()
            .unwrap();
        let record = logrecord_model::LogRecord::from_pickle(&output.stdout).unwrap();
        assert_eq!(record.extra().len(), 20_000, "{}", python.display());
        let json: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
        assert_eq!(json["extra"]["k19999"], 19_999);
        assert_eq!(record.levelname().unwrap(), "Level None");
    }
}
