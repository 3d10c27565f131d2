//! Rust's `log` and `tracing` into CPython's own receiver, on every CPython that is found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use common::{PATIENCE, pythons};
use log::{Level, Log, Record};
use logrecord::{DatagramHandler, SocketHandler, log::Logger};
use tracing_subscriber::prelude::*;

/// The receivers of the logging cookbook: one connection, or two datagrams; every record goes through an
/// ordinary logger with an ordinary Formatter, and a few attributes are shown besides.
const RECEIVER: &str = r#"
from __future__ import print_function
import logging, pickle, struct, sys
try:
    import socketserver
except ImportError:
    import SocketServer as socketserver

logging.basicConfig(stream=sys.stdout, level=1, format="%(name)s|%(levelname)s|%(message)s|%(filename)s|%(processName)s")

def take(payload):
    record = logging.makeLogRecord(pickle.loads(payload))
    logging.getLogger(record.name).handle(record)
    for name in sorted(("ms", "user", "spans", "exc_text", "name_")):
        value = record.__dict__.get(name)
        if value is not None:
            print("  %s=%s" % (name, value.encode("ascii", "backslashreplace").decode() if hasattr(value, "encode") else value))
    assert record.levelno in (5, 20, 30, 40) and record.created > 1e9 and record.process > 0
    assert record.lineno > 0 and record.thread > 0 and record.threadName and record.module

class Stream(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            chunk = self.rfile.read(4)
            if len(chunk) < 4:
                break
            take(self.rfile.read(struct.unpack(">L", chunk)[0]))

class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        data = self.request[0]
        assert struct.unpack(">L", data[:4])[0] == len(data) - 4
        take(data[4:])

if sys.argv[1] == "tcp":
    server = socketserver.TCPServer(("127.0.0.1", 0), Stream)
else:
    server = socketserver.UDPServer(("127.0.0.1", 0), Datagram)
print(server.server_address[1])
sys.stdout.flush()
for _ in range(int(sys.argv[2])):
    server.handle_request()
sys.stdout.flush()
"#;

/// What a receiver of this kind prints for what `send` sends to its port.
fn received(python: &std::path::Path, kind: &str, requests: u32, send: impl FnOnce(u16)) -> String {
    let mut child = Command::new(python)
        .args(["-c", RECEIVER, kind, &requests.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut port = String::new();
    lines.read_line(&mut port).unwrap();
    send(port.trim().parse().unwrap());
    let mut text = String::new();
    lines.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{}", python.display());
    text
}

#[test]
fn both_back_ends_are_read_by_python() {
    for python in pythons() {
        let text = received(&python, "tcp", 1, |port| {
            let handler = SocketHandler::new("127.0.0.1", port).unwrap();
            let logger = Logger::builder(handler.clone()).process_name("worker").build();
            logger.log(
                &Record::builder()
                    .level(Level::Warn)
                    .target("app::db")
                    .file(Some("src/db.rs"))
                    .line(Some(17))
                    .module_path(Some("app::db"))
                    .args(format_args!("slow {}", "query"))
                    .key_values(&[("ms", 731), ("name", 1)])
                    .build(),
            );
            let layer = logrecord::tracing::Layer::builder(handler.clone()).process_name("worker").build();
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                let _span = tracing::info_span!("request", id = 7).entered();
                let error = std::io::Error::from(std::io::ErrorKind::NotFound);
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(target: "app::web", user = "ada", error, "failed");
            });
            assert_eq!(handler.close(PATIENCE).sender.written, 2);
        });
        let two = python.display().to_string().contains("/2.");
        let u = if two { "u" } else { "" };
        let spans = format!("{u}'name': {u}'request'");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            &lines[..4],
            [
                "app.db|WARNING|slow query|db.rs|worker",
                "  ms=731",
                "  name_=1",
                "app.web|ERROR|failed|python.rs|worker"
            ],
            "{}",
            python.display()
        );
        // The Formatter shows the exception text below the message.
        assert_eq!(lines[4], "error: entity not found");
        assert_eq!(lines[5], "  exc_text=error: entity not found");
        assert!(lines[6].starts_with("  spans=[{") && lines[6].contains(&spans), "{}", lines[6]);
        assert!(lines[6].contains(&format!("{u}'id': 7")), "{}", lines[6]);
        assert_eq!(lines[7..], ["  user=ada"]);
    }
}

#[test]
fn datagrams_are_read_by_python() {
    for python in pythons() {
        let text = received(&python, "udp", 2, |port| {
            let handler = DatagramHandler::new("127.0.0.1", port).unwrap();
            let logger = Logger::builder(handler.clone()).process_name("worker").build();
            for level in [Level::Trace, Level::Info] {
                logger.log(
                    &Record::builder()
                        .level(level)
                        .target("app")
                        .file(Some("src/main.rs"))
                        .line(Some(3))
                        .module_path(Some("app"))
                        .args(format_args!("started"))
                        .build(),
                );
            }
            assert_eq!(handler.close(PATIENCE).lost(), 0);
        });
        assert_eq!(text, "app|Level 5|started|main.rs|worker\napp|INFO|started|main.rs|worker\n");
    }
}
