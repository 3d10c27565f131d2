//! The admin server: who is told what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use common::{Server, frame, record};

/// Asks, and gives the status, the head and the body.
fn ask(mut stream: impl Read + Write, method: &str, path: &str, headers: &str) -> (u16, String, String) {
    write!(stream, "{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
}

/// The address and the token that the program tells.
fn told(server: &Server) -> (String, String) {
    let line = server.seen().iter().find_map(|line| line.strip_prefix("admin on http://")).unwrap();
    let (address, token) = line.split_once("/?token=").unwrap();
    (address.to_owned(), token.to_owned())
}

#[test]
fn health_is_for_all_and_status_for_those_with_the_token() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let (address, token) = told(&server);
    // It is told before the listeners are.
    assert!(server.seen()[0].starts_with("admin on "), "{:?}", server.seen());
    let host = format!("Host: {address}\r\n");
    let cookie = format!("logrecord_token_{}", address.rsplit_once(':').unwrap().1);
    let get = |path: &str, headers: &str| ask(TcpStream::connect(&address).unwrap(), "GET", path, headers);
    let rows: &[(&str, String, u16)] = &[
        ("/health", host.clone(), 200),
        ("/ready", host.clone(), 200),
        ("/metrics", host.clone(), 200),
        ("/nothing", host.clone(), 404),
        ("/", host.clone(), 401),
        ("/status", host.clone(), 401),
        ("/status", format!("{host}Authorization: Bearer {token}\r\n"), 200),
        ("/status", format!("{host}Authorization: Bearer {token}x\r\n"), 401),
        ("/status", format!("{host}Authorization: Bearer \r\n"), 401),
        ("/status", format!("{host}Cookie: a=b; {cookie}={token}\r\n"), 200),
        ("/status", format!("{host}Cookie: {cookie}=\r\n"), 401),
        ("/status", format!("{host}Cookie: logrecord_token_1={token}\r\n"), 401),
        ("/events", host.clone(), 401),
        ("/events?q=level:loud", format!("{host}Authorization: Bearer {token}\r\n"), 400),
        ("/", format!("{host}Authorization: Bearer {token}\r\n"), 200),
        ("/icon.svg", host.clone(), 200),
        ("/events", format!("{host}Cookie: {cookie}={token}\r\nSec-Fetch-Site: same-site\r\n"), 403),
        ("/status", format!("{host}Cookie: {cookie}={token}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        ("/status", format!("{host}Cookie: {cookie}={token}\r\nSec-Fetch-Site: same-origin\r\n"), 200),
        ("/?token=wrong", host.clone(), 401),
        ("/health", "Host: evil.example\r\n".to_owned(), 421),
        ("/health", String::new(), 421),
    ];
    for (path, headers, status) in rows {
        let (found, head, _) = get(path, headers);
        assert_eq!(found, *status, "{path} {headers}");
        assert!(head.contains("default-src 'none'"), "{head}");
        assert!(!head.to_lowercase().contains("access-control"), "{head}");
    }
    let (status, head, _) = get(&format!("/?token={token}"), &host);
    assert_eq!(status, 302);
    let head = head.to_lowercase();
    assert!(head.contains("location: /\r\n"), "{head}");
    assert!(
        head.contains(&format!("set-cookie: {cookie}=")) && head.contains("; httponly; samesite=strict"),
        "{head}"
    );
    let (status, _, _) = ask(TcpStream::connect(&address).unwrap(), "POST", "/health", &host);
    assert_eq!(status, 405);
    let (status, _, body) = ask(TcpStream::connect(&address).unwrap(), "HEAD", "/health", &host);
    assert_eq!((status, body.as_str()), (200, ""));
}

#[test]
fn the_numbers_are_those_of_the_counts_line_and_the_catalogue_names_them_all() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--admin", "DIR/admin"]);
    let socket = server.folder.path().join("admin");
    assert!(server.seen()[0].starts_with("admin on unix://"), "{:?}", server.seen());
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    client.write_all(&frame(&record("good"))).unwrap();
    client.write_all(&frame(b"cos\nsystem\n.")).unwrap();
    client.write_all(&frame(&record("good"))).unwrap();
    server.wait_for_output(2);
    let page = || {
        let socket = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        ask(socket, "GET", "/metrics", "Host: x\r\n").2
    };
    // A line is counted once its batch is whole, which may be a moment after it can be read.
    let deadline = Instant::now() + common::PATIENCE;
    let mut page_now = page();
    while !page_now.contains("logrecord_output_written_total{output=\"output\"} 2\n")
        && Instant::now() < deadline
    {
        std::thread::yield_now();
        page_now = page();
    }
    let page = page_now;
    for line in [
        "logrecord_received_total 3",
        "logrecord_output_rejected_total{output=\"output\",reason=\"global\"} 1",
        "logrecord_output_written_total{output=\"output\"} 2",
        "logrecord_output_failing{output=\"output\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    let listener =
        format!("logrecord_listener_received_total{{listener=\"tcp://{}\"}} 3", server.address("tcp"));
    assert!(page.contains(&listener), "{page}");
    let exported: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let catalogue =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let documented: BTreeSet<&str> =
        catalogue.lines().filter_map(|line| line.strip_prefix("| `logrecord_")?.split('`').next()).collect();
    let exported: BTreeSet<&str> =
        exported.iter().map(|name| name.strip_prefix("logrecord_").unwrap()).collect();
    assert_eq!(exported, documented);
    let token = server.seen()[0].split_once("token=").unwrap().1.to_owned();
    let (_, _, status) = ask(
        std::os::unix::net::UnixStream::connect(&socket).unwrap(),
        "GET",
        "/status",
        &format!("Host: x\r\nAuthorization: Bearer {token}\r\n"),
    );
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (&status["received"], &status["outputs"][0]["rejected"]["global"], &status["configuration"]),
        (&3.into(), &1.into(), &Value::Null)
    );
    assert_eq!(status["outputs"][0]["name"], "output");
    drop(client);
    server.stop("TERM");
    assert!(!socket.exists());
}

#[test]
fn an_output_that_fails_is_not_ready_and_a_signal_prints_the_counts() {
    let mut server =
        Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--output", "/dev/full"]);
    let (address, _) = told(&server);
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&frame(&record("x"))).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write output")));
    let (status, _, body) =
        ask(TcpStream::connect(&address).unwrap(), "GET", "/ready", &format!("Host: {address}\r\n"));
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("takes nothing"), "{body}");
    server.signal("USR1");
    server.wait_for(|seen| seen.iter().any(|line| line.starts_with("received=1 written=0 buffered=1")));
}

#[test]
fn others_cannot_reach_it() {
    let output = common::run(&["serve", "--tcp", "127.0.0.1:0", "--admin", "0.0.0.0:0"], b"");
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What others can reach has TLS, and tells nothing without the token; a renewed certificate counts with a reload.
#[test]
fn on_other_addresses_it_has_tls_and_everything_needs_the_token() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    if Command::new("curl").arg("--version").output().is_err() {
        testkit::process::skip("no curl: the admin server was not asked over TLS");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let renew = || common::write_identity(&dir, "tls", "localhost");
    renew();
    let token = "a-token-of-mine-0123456789";
    std::fs::write(dir.join("token"), token).unwrap();
    std::fs::set_permissions(dir.join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[output.all]\ntype = \"file\"\npath = \"DIR/out\"\n\
        [admin]\naddress = \"0.0.0.0:0\"\ncertificate = \"DIR/tls.pem\"\nprivate_key = \"DIR/tls.key\"\n\
        token_file = \"DIR/token\"\n";
    std::fs::write(dir.join("c.toml"), config.replace("DIR", &dir.display().to_string())).unwrap();
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    let port = server.seen().iter().find_map(|line| line.strip_prefix("admin on https://0.0.0.0:"));
    let port = port.unwrap().trim_end_matches('/').to_owned();
    let get = |path: &str, token: &str| {
        let output = Command::new("curl")
            .args(["-s", "-i", "--max-time", "20", "--cacert"])
            .arg(dir.join("tls.pem"))
            .args([
                "-H",
                &format!("Authorization: Bearer {token}"),
                &format!("https://localhost:{port}{path}"),
            ])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    for path in ["/health", "/ready", "/metrics", "/status", "/"] {
        assert!(get(path, "x").starts_with("HTTP/1.1 401 "), "{path}");
        assert!(get(path, token).starts_with("HTTP/1.1 200 "), "{path}");
    }
    let cookie = get(&format!("/?token={token}"), "x");
    assert!(cookie.contains("Path=/; Secure"), "{cookie}");
    // Without TLS there is no answer that is HTTP.
    let mut plain = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    plain.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    renew();
    assert_eq!(get("/health", token), "", "another certificate than the server has");
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
    assert!(get("/health", token).starts_with("HTTP/1.1 200 "));
    server.stop("TERM");
}
