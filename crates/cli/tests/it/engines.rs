//! Outputs of type `otlp` and `nats`: a collector of the test's own, and a real NATS server where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{Server, frame, read_lines, record, until};

/// A request: its head in small letters, and its body.
type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A collector that takes everything.
fn collector() -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/logs", listener.local_addr().unwrap());
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(request) = request(&mut stream) {
                    seen.lock().unwrap().push(request);
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (url, requests)
}

fn has(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Writes a file that nobody else may read.
fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn write_config(folder: &Path, text: &str) {
    let text = format!("[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n{text}");
    std::fs::write(folder.join("c.toml"), text.replace("DIR", &folder.display().to_string())).unwrap();
}

fn send(server: &Server, messages: std::ops::Range<usize>) {
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    for number in messages {
        client.write_all(&frame(&record(&format!("number {number}.")))).unwrap();
    }
}

/// A batch that is full goes at once; one that is not waits for more, but not at the end.
#[test]
fn a_collector_gets_batches_with_the_headers_and_the_resource_of_the_file() {
    let (url, requests) = collector();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    write_private(&dir.join("headers"), "# a secret\nX-Token: secret\n");
    write_config(
        &dir,
        &format!(
            "[output.collector]\ntype = \"otlp\"\nurl = \"{url}\"\nheaders_file = \"DIR/headers\"\n\
             resource = {{ \"service.namespace\" = \"shop\" }}\nbatch = {{ records = 3, wait = \"60s\" }}\n"
        ),
    );
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    send(&server, 0..7);
    until(|| (requests.lock().unwrap().len() == 2).then_some(()));
    // Another secret is another output: the old one ends with what it has in hand.
    std::fs::write(dir.join("headers"), "X-Token: other\n").unwrap();
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
    until(|| (requests.lock().unwrap().len() == 3).then_some(()));
    // A file that has become unusable changes nothing.
    std::fs::write(dir.join("headers"), "secret\n").unwrap();
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("old configuration")));
    send(&server, 7..8);
    until(|| (common::received(&mut server) == 8).then_some(()));
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert_eq!(seen.last().unwrap(), "received=8 written=8", "{seen:#?}");
    assert!(seen.iter().any(|line| line.contains("headers: line 1: expected NAME: VALUE")), "{seen:#?}");
    assert!(!seen.iter().any(|line| line.contains("secret")), "{seen:#?}");
    let requests = requests.lock().unwrap();
    let rows = [(0..3, "secret"), (3..6, "secret"), (6..7, "secret"), (7..8, "other")];
    assert_eq!(requests.len(), rows.len());
    for ((head, body), (numbers, token)) in requests.iter().zip(rows) {
        assert!(head.starts_with("post /v1/logs http/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("x-token: {token}\r\n")), "{head}");
        assert!(has(body, "service.namespace") && has(body, "shop") && has(body, "log.record.uid"));
        for number in 0..8 {
            assert_eq!(has(body, &format!("number {number}.")), numbers.contains(&number), "{number}");
        }
    }
}

#[test]
fn a_collector_that_is_away_holds_up_nobody_and_what_it_loses_is_counted() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    write_config(
        &dir,
        &format!(
            "[output.all]\ntype = \"file\"\npath = \"DIR/out\"\nformat = \"%(message)s\"\n\
             [output.collector]\ntype = \"otlp\"\nurl = \"http://127.0.0.1:{port}/\"\nbatch = {{ wait = \"0s\" }}\n\
             when_behind = \"drop-oldest\"\nmax_lag = \"1KiB\"\n"
        ),
    );
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    send(&server, 0..500);
    server.wait_for_output(500);
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write collector")));
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert_eq!(read_lines(&dir.join("out")).len(), 500);
    let line = seen.iter().rfind(|line| line.starts_with("output collector: ")).unwrap();
    assert!(line.starts_with("output collector: logged=500 written=0 filtered=0 dropped{"), "{line}");
    assert!(line.contains("dropped{lag}=") && line.ends_with(" buffered=0"), "{line}");
}

/// `LOGRECORD_PROMTOOL` names Prometheus' own checker if it is not in the path.
#[test]
fn prometheus_finds_no_fault_in_the_metrics() {
    use std::process::{Command, Stdio};

    let program = std::env::var_os("LOGRECORD_PROMTOOL").unwrap_or_else(|| "promtool".into());
    if let Err(error) = Command::new(&program).arg("--version").output() {
        testkit::process::skip(&format!("no promtool ({error}): Prometheus did not look at the metrics"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    write_config(
        folder.path(),
        &format!(
            "[admin]\naddress = \"{admin}\"\n[spool]\npath = \"DIR/spool\"\n\
             [output.all]\ntype = \"file\"\npath = \"DIR/out\"\n\
             [output.collector]\ntype = \"otlp\"\nurl = \"http://127.0.0.1:9/\"\n"
        ),
    );
    let server = Server::start_with_config(folder, "DIR/c.toml", 1);
    send(&server, 0..20);
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    client.write_all(&frame(b"no record")).unwrap();
    client.write_all(&frame(b"}(X\x03\0\0\0msgX\x01\0\0\0mX\x01\0\0\0xcos\nsystem\nu.")).unwrap();
    let metrics = until(|| {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.write_all(format!("GET /metrics HTTP/1.0\r\nhost: {admin}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, metrics) = answer.split_once("\r\n\r\n").unwrap();
        metrics.contains("logrecord_received_total 22\n").then(|| metrics.to_owned())
    });
    let check = |metrics: &str| {
        let mut checker = Command::new(&program)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        checker.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
        let output = checker.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (is_sound, said) = check(&metrics);
    assert!(is_sound && said.is_empty(), "{said}\n{metrics}");
    // It looks.
    assert!(!check(&format!("{metrics}logrecord_odd{{ 1\n")).0);
}

#[cfg(feature = "nats")]
mod nats {
    use std::time::Duration;

    use testkit::process::NatsServer;

    use super::*;

    /// Asks the server something in its own protocol; nothing if it does not answer.
    fn try_ask(port: u16, subject: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let len = body.len();
        let ask = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB answers 1\r\nPUB {subject} answers {len}\r\n{body}\r\n"
        );
        stream.write_all(ask.as_bytes()).ok()?;
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.find(|line| line.starts_with("MSG answers "))?;
        lines.next()
    }

    fn ask(port: u16, subject: &str) -> String {
        try_ask(port, subject, "").unwrap()
    }

    #[test]
    fn a_stream_is_made_only_if_that_is_wanted_and_gets_every_record_once() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let Some(_nats) = NatsServer::start_or_skip(&dir.join("store"), port) else { return };
        until(|| TcpStream::connect(("127.0.0.1", port)).ok());
        let config = format!(
            "[output.engine]\ntype = \"nats\"\nservers = [\"nats://127.0.0.1:{port}\"]\n\
             subject = \"logs.{{levelname}}.{{logger}}\"\nbatch = {{ records = 10, wait = \"10ms\" }}\n"
        );
        write_config(&dir, &config);
        let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
        send(&server, 0..25);
        server.wait_for(|seen| seen.iter().any(|line| line.contains("no stream takes this subject")));
        let stream = "create_stream = { name = \"LOGS\", subjects = [\"logs.>\"] }\n";
        write_config(&dir, &format!("{config}{stream}"));
        server.signal("HUP");
        let info = || ask(port, "$JS.API.STREAM.INFO.LOGS");
        until(|| info().contains("\"messages\":25,").then_some(()));
        send(&server, 25..30);
        until(|| info().contains("\"messages\":30,").then_some(()));
        let (code, seen, _folder) = server.stop("TERM");
        assert_eq!(code, Some(0), "{seen:#?}");
        assert_eq!(seen.last().unwrap(), "received=30 written=30", "{seen:#?}");
        let info = info();
        assert!(
            info.contains("\"subjects\":[\"logs.\\u003e\"]") || info.contains("\"subjects\":[\"logs.>\"]"),
            "{info}"
        );
    }

    /// One of three servers that keep a stream together.
    struct Node {
        port: u16,
        place: usize,
        folder: std::path::PathBuf,
        routes: String,
        route: u16,
        process: Option<NatsServer>,
    }

    impl Node {
        /// Gives whether there is such a program.
        fn start(&mut self) -> bool {
            let arguments = [
                format!("--server_name=n{}", self.place),
                "--cluster_name=logs".to_owned(),
                format!("--cluster=nats://127.0.0.1:{}", self.route),
                format!("--routes={}", self.routes),
            ];
            self.process = NatsServer::start_with(&self.folder, self.port, &arguments);
            self.process.is_some()
        }
    }

    /// A stream of three nodes gets every record once, though its leader is killed again and again in mid-stream, and
    /// this program as well. `LOGRECORD_LONG_SECONDS` says for how long, `LOGRECORD_LONG_RATE` how many records come in
    /// a second.
    #[test]
    #[ignore = "it takes two minutes and three servers"]
    #[expect(clippy::print_stdout, reason = "what a long test came to is of interest")]
    fn a_cluster_whose_leader_is_killed_gets_every_record_once() {
        let told = |name: &str, default: u64| {
            std::env::var(name).ok().map_or(default, |told| told.parse::<u64>().unwrap())
        };
        let (seconds, rate) = (told("LOGRECORD_LONG_SECONDS", 120), told("LOGRECORD_LONG_RATE", 5_000));
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        let taken: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let free: Vec<u16> = taken.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        drop(taken);
        let routes: Vec<String> = free[3..].iter().map(|route| format!("nats://127.0.0.1:{route}")).collect();
        let node = |place: usize| Node {
            port: free[place],
            place,
            folder: dir.join(format!("store{place}")),
            routes: routes.join(","),
            route: free[place + 3],
            process: None,
        };
        let mut nodes: Vec<Node> = (0..3).map(node).collect();
        if !nodes.iter_mut().all(Node::start) {
            return;
        }
        let stream =
            r#"{"name":"LOGS","subjects":["logs.>"],"num_replicas":3,"storage":"file","retention":"limits"}"#;
        let created = |answer: String| answer.contains("\"config\"").then_some(());
        until(|| try_ask(free[0], "$JS.API.STREAM.CREATE.LOGS", stream).and_then(created));
        let info = || {
            free[..3].iter().find_map(|port| {
                let answer = try_ask(*port, "$JS.API.STREAM.INFO.LOGS", "")?;
                let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
                let leader =
                    answer["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse::<usize>().ok()?;
                Some((answer["state"]["messages"].as_u64()?, leader))
            })
        };
        let servers: Vec<String> =
            free[..3].iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let config = format!(
            "[spool]\npath = \"DIR/spool\"\n[output.engine]\ntype = \"nats\"\nservers = [{}]\n\
             subject = \"logs.{{levelname}}.{{logger}}\"\n",
            servers.join(", ")
        );
        write_config(&dir, &config);
        let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
        let began = std::time::Instant::now();
        let (mut sent, mut kills) = (0, 0);
        let mut next_kill = Duration::from_secs(10);
        while began.elapsed() < Duration::from_secs(seconds) {
            let due = (began.elapsed().as_secs_f64() * rate as f64) as usize;
            if due > sent {
                send(&server, sent..due);
                sent = due;
            }
            std::thread::park_timeout(Duration::from_millis(50));
            if began.elapsed() < next_kill {
                continue;
            }
            let (_, leader) = until(info);
            nodes[leader].process = None;
            kills += 1;
            if kills % 3 == 0 {
                // What was sent has to be in the spool before this program may be killed as well.
                let answer = |line: &String| line.starts_with("received=");
                let all = common::received(&mut server) as usize == sent;
                if all {
                    let (_, seen, kept) = server.stop("KILL");
                    assert!(seen.iter().any(answer), "{seen:#?}");
                    server = Server::start_with_config(kept, "DIR/c.toml", 1);
                }
            }
            std::thread::park_timeout(Duration::from_secs(3));
            assert!(nodes[leader].start());
            next_kill = began.elapsed() + Duration::from_secs(10);
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(120);
        let mut messages = 0;
        while messages < sent as u64 && std::time::Instant::now() < deadline {
            messages = info().map_or(messages, |(messages, _)| messages);
            std::thread::park_timeout(Duration::from_millis(200));
        }
        // Nothing comes behind it either.
        std::thread::park_timeout(Duration::from_secs(2));
        let (messages, _) = until(info);
        let (code, seen, _folder) = server.stop("TERM");
        println!("{sent} records, {kills} leaders killed, {messages} messages\n{}", seen.last().unwrap());
        assert_eq!(code, Some(0), "{seen:#?}");
        assert_eq!(messages, sent as u64, "{seen:#?}");
        assert!(kills > 0);
    }
}
