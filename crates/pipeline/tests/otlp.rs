//! The OTLP output: every kind of answer from a receiver of the test's own, and a real receiver where there is one.
#![cfg(all(unix, feature = "otlp"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Pipeline, eventually, later, memory, payload};
use logrecord::model::LogRecord;
use logrecord::pickle::Value;
use logrecord_pipeline::outputs::{OtlpConfig, OtlpEncoder, OtlpOutput};
use logrecord_pipeline::{Driver, Settings};

/// What the receiver does with a request.
#[derive(Clone, Copy)]
enum Answer {
    Status(&'static str, &'static str, &'static [u8]),
    /// The connection is closed without an answer.
    Reset,
    /// No answer ever comes.
    Hang,
}

const OK: Answer = Answer::Status("200 OK", "", b"");

type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

/// One request: its headers in small letters, and its body.
fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.to_lowercase());
    }
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A receiver that gives these answers, one after the other, and then says that all is well.
fn receiver(answers: Vec<Answer>) -> (String, Bodies) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/logs", listener.local_addr().unwrap());
    let bodies = Bodies::default();
    let seen = Arc::clone(&bodies);
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some((head, body)) = request(&mut stream) {
                    assert!(head.starts_with("post /v1/logs http/1.1\r\n"), "{head}");
                    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
                    assert!(head.contains("x-token: secret\r\n"), "{head}");
                    let answer = answers.lock().unwrap().next().unwrap_or(OK);
                    match answer {
                        Answer::Reset => return,
                        Answer::Hang => std::thread::park(),
                        Answer::Status(status, headers, answer) => {
                            if status.starts_with('2') {
                                seen.lock().unwrap().push(body);
                            }
                            let head = format!(
                                "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
                                answer.len()
                            );
                            stream.get_mut().write_all(&[head.as_bytes(), answer].concat()).unwrap();
                        }
                    }
                }
            });
        }
    });
    (url, bodies)
}

fn start(pipeline: &Pipeline, url: &str) -> Driver {
    let mut config = OtlpConfig::new(url);
    config.headers.push(("X-Token".to_owned(), "secret".to_owned()));
    config.resource.push(("service.name".to_owned(), "shop".to_owned()));
    config.timeout = Duration::from_millis(500);
    let mut settings = Settings::new("output");
    settings.wait = Duration::from_millis(20);
    Driver::start(&pipeline.shared, settings, OtlpEncoder::new(), OtlpOutput::new(config).unwrap()).unwrap()
}

/// Every kind of answer, and what is made of it, counted to the unit.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_retried_refused_and_counted() {
    // partial_success { rejected_log_records: 3 }
    const PARTIAL: Answer = Answer::Status("200 OK", "", &[0x0a, 0x02, 0x08, 0x03]);
    for (answers, line, said) in [
        (vec![OK], "received=10 written=10", ""),
        (vec![Answer::Status("202 Accepted", "", b"\xff\xff")], "received=10 written=10", ""),
        (vec![PARTIAL], "received=10 written=7 rejected{refused}=3", ""),
        (vec![Answer::Status("429 Slow", "retry-after: 0\r\n", b"")], "received=10 written=10", "HTTP 429"),
        (vec![Answer::Status("502 Bad", "", b"")], "received=10 written=10", "HTTP 502"),
        (vec![Answer::Status("503 Away", "", b""); 3], "received=10 written=10", "HTTP 503"),
        (vec![Answer::Status("504 Late", "", b"")], "received=10 written=10", "HTTP 504"),
        (
            vec![Answer::Status("400 Bad", "", b"no\x1b[2J such")],
            "received=10 rejected{refused}=10",
            "HTTP 400: no\\x1b[2J such",
        ),
        (vec![Answer::Status("500 Oops", "", b"")], "received=10 rejected{refused}=10", "HTTP 500"),
        (
            vec![Answer::Status("307 Else", "location: /\r\n", b"")],
            "received=10 rejected{refused}=10",
            "HTTP 307",
        ),
        (vec![Answer::Reset], "received=10 written=10", "trying again"),
        (vec![Answer::Hang], "received=10 written=10", "no answer in time"),
    ] {
        let (url, _) = receiver(answers);
        let pipeline = memory(1 << 20);
        let driver = start(&pipeline, &url);
        pipeline.put(&vec![payload("app", 20, "x"); 10]).await;
        driver.close(later()).await;
        assert_eq!(pipeline.lines()[0].replace(" written=0", ""), line, "{said}");
        assert!(said.is_empty() || pipeline.said.count(said) > 0, "{said}: {:?}", pipeline.said.lines());
        pipeline.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_waited_for_and_the_time_that_is_asked_for_is_kept() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let pipeline = memory(1 << 20);
    let driver = start(&pipeline, &format!("http://127.0.0.1:{port}/v1/logs"));
    pipeline.put(&[payload("app", 20, "x")]).await;
    eventually("it is said", || pipeline.said.count("cannot write output: ") > 1).await;
    driver.close(common::soon()).await;
    assert_eq!(pipeline.lines(), ["received=1 written=0 dropped{shutdown}=1"]);

    let (url, bodies) = receiver(vec![Answer::Status("503 Away", "retry-after: 1\r\n", b"")]);
    let pipeline = memory(1 << 20);
    let driver = start(&pipeline, &url);
    let begin = std::time::Instant::now();
    pipeline.put(&[payload("app", 20, "x")]).await;
    driver.flush().await;
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(bodies.lock().unwrap().len(), 1);
    driver.close(later()).await;
}

#[test]
fn addresses_that_are_none_are_refused() {
    for url in ["", "otel.example", "ftp://x/", "http://", "http://u:p@x/", "https://[::1/"] {
        assert!(OtlpOutput::new(OtlpConfig::new(url)).is_err(), "{url}");
    }
    let mut config = OtlpConfig::new("https://otel.example/v1/logs");
    config.ca = Some(b"nothing".to_vec());
    assert!(OtlpOutput::new(config).is_err());
    let mut config = OtlpConfig::new("http://otel.example/v1/logs");
    config.headers.push(("a b".to_owned(), "x".to_owned()));
    assert!(OtlpOutput::new(config).is_err());
}

/// A receiver of another code base: it prints its port, and then each record that it gets.
const TAP: &str = r#"
import asyncio, socket
from google.protobuf.json_format import MessageToJson
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings
async def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as receiver:
        print(port, flush=True)
        async for record in receiver.stream_logs():
            print(MessageToJson(record, indent=None), flush=True)
            break
asyncio.run(main())
"#;

/// `LOGRECORD_ENGINES` names a Python with the package `oteltap`.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_of_another_make_reads_every_attribute() {
    let Some(python) = std::env::var_os("LOGRECORD_ENGINES") else {
        println!("SKIPPED: LOGRECORD_ENGINES names no Python with oteltap; no other receiver has read OTLP");
        return;
    };
    let mut child = Command::new(python).args(["-c", TAP]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
    let mut payload = Vec::new();
    LogRecord::builder("shop.cart", 30, "disk full")
        .created(1_767_323_045.5)
        .pathname("/srv/app.py")
        .extra("user", Value::Int(7))
        .build()
        .to_pickle(&mut payload)
        .unwrap();
    let pipeline = memory(1 << 20);
    let driver = start(&pipeline, &format!("http://127.0.0.1:{port}/v1/logs"));
    pipeline.put(&[payload]).await;
    driver.close(later()).await;
    assert_eq!(pipeline.lines(), ["received=1 written=1"], "{:?}", pipeline.said.lines());
    let record: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    child.kill().ok();
    child.wait().unwrap();
    assert_eq!(record["severityNumber"], "SEVERITY_NUMBER_WARN");
    assert_eq!(record["severityText"], "WARN");
    assert_eq!(record["body"]["stringValue"], "disk full");
    assert_eq!(record["timeUnixNano"], "1767323045500000000");
    let attribute = |key: &str| {
        let attributes = record["attributes"].as_array().unwrap();
        attributes
            .iter()
            .find(|pair| pair["key"] == key)
            .map(|pair| pair["value"].clone())
            .unwrap_or_default()
    };
    assert_eq!(attribute("code.file.path")["stringValue"], "/srv/app.py");
    assert_eq!(attribute("user")["intValue"], "7");
    assert_eq!(attribute("log.record.uid")["stringValue"], "0000000000000000-1");
}

/// OpenTelemetry's own handler and exporter, and what a stock handler sends for the same records.
const REFERENCE: &str = r#"
import logging, logging.handlers, sys
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(endpoint=sys.argv[1])))
class Wire(logging.handlers.SocketHandler):
    def __init__(self):
        super().__init__("", 0)
    def emit(self, record):
        print(self.makePickle(record)[4:].hex(), flush=True)
log = logging.getLogger("shop.cart")
log.setLevel(1)
log.addHandler(Wire())
log.addHandler(LoggingHandler(logger_provider=provider))
extra = {"user": 7, "ratio": 0.5, "tags": ["a", 1], "yes": True, "deep": {"x": [1, {"y": "z"}]}}
log.warning("disk %s", "full", extra=extra)
for level in (1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60):
    log.log(level, "at %d", level)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("bad")
"#;

/// The records that a receiver has printed, each as its lines.
fn printed(text: &str) -> Vec<Vec<String>> {
    // A traceback's last line feed is the one thing in which the two differ: a record has it without.
    let text = text.replace("\n)\n", ")\n");
    let records = text.split("LogRecord #").skip(1).filter_map(|record| record.split_once("Trace ID"));
    records.map(|(record, _)| record.lines().skip(1).map(|line| line.trim().to_owned()).collect()).collect()
}

/// `LOGRECORD_ENGINES` names a Python with the packages `rotel` and `opentelemetry-exporter-otlp-proto-http`.
#[tokio::test(flavor = "multi_thread")]
async fn every_attribute_is_as_opentelemetry_for_python_sends_it() {
    let python = std::env::var_os("LOGRECORD_ENGINES").unwrap_or_else(|| "python3".into());
    let place = "import os, rotel, opentelemetry.exporter.otlp.proto.http; \
                 print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'), end='')";
    let found = Command::new(&python).args(["-c", place]).stderr(Stdio::null()).output();
    let Some(program) = found.ok().filter(|found| found.status.success()) else {
        println!(
            "SKIPPED: LOGRECORD_ENGINES names no Python with rotel; OTLP is compared with no other exporter"
        );
        return;
    };
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (http, grpc) = (free(), free());
    let mut agent = Command::new(String::from_utf8(program.stdout).unwrap())
        .args([
            "start",
            "--exporter",
            "blackhole",
            "--debug-log",
            "logs",
            "--debug-log-verbosity",
            "detailed",
        ])
        .args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let (text, stdout) = (Arc::clone(&said), agent.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            text.lock().unwrap().extend([line.as_str(), "\n"]);
        }
    });
    eventually("the receiver listens", || TcpStream::connect(&http).is_ok()).await;
    let url = format!("http://{http}/v1/logs");
    let reference = Command::new(&python).args(["-c", REFERENCE, &url]).output().unwrap();
    assert!(reference.status.success(), "{}", String::from_utf8_lossy(&reference.stderr));
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let payloads: Vec<Vec<u8>> = String::from_utf8(reference.stdout)
        .unwrap()
        .lines()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect();
    let count = payloads.len();
    eventually("the reference is printed", || printed(&said.lock().unwrap()).len() == count).await;
    let pipeline = memory(1 << 20);
    let driver = start(&pipeline, &url);
    pipeline.put(&payloads).await;
    driver.close(later()).await;
    assert_eq!(
        pipeline.lines(),
        [format!("received={count} written={count}")],
        "{:?}",
        pipeline.said.lines()
    );
    eventually("the same is printed", || printed(&said.lock().unwrap()).len() == 2 * count).await;
    agent.kill().ok();
    agent.wait().unwrap();
    let records = printed(&said.lock().unwrap());
    let (theirs, ours) = records.split_at(count);
    assert_eq!(count, 14);
    for (theirs, ours) in theirs.iter().zip(ours) {
        for line in theirs.iter().filter(|line| !line.starts_with("ObservedTimestamp")) {
            assert!(ours.contains(line), "{line}\n{theirs:#?}\n{ours:#?}");
        }
    }
}
