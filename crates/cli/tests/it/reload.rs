//! SIGHUP: what is read again, what is said of the rest, and that nothing is lost on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::fs::Permissions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Server, frame, read_lines, record, run, until};

const LISTEN: &str = "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n";

fn write_config(folder: &Path, text: &str) {
    std::fs::write(folder.join("c.toml"), text.replace("DIR", &folder.display().to_string())).unwrap();
}

/// Has the configuration read again, and waits until it is said what came of it; true if it counts now.
fn reload(server: &mut Server) -> bool {
    let is_outcome =
        |line: &str| line.ends_with("logrecord: reloaded") || line.contains("the old configuration");
    let outcomes = |seen: &[String]| seen.iter().filter(|line| is_outcome(line)).count();
    let before = outcomes(server.seen());
    server.signal("HUP");
    server.wait_for(|seen| outcomes(seen) > before);
    server.seen().iter().rfind(|line| is_outcome(line)).unwrap().ends_with("reloaded")
}

fn send(server: &Server, payload: &[u8]) {
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&frame(payload)).unwrap();
}

#[test]
fn one_reload_behind_the_other_under_load_loses_nothing() {
    const ROUNDS: usize = 48;
    const EACH: usize = 200;
    let all = |format: &str| {
        format!(
            "{LISTEN}[output.all]\ntype = \"file\"\npath = \"DIR/all\"\nformat = \"{format}\"\n\
             when_behind = \"block\"\n"
        )
    };
    let file = |name: &str, path: &str| format!("[output.{name}]\ntype = \"file\"\npath = \"{path}\"\n");
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    write_config(&dir, &all("%(message)s"));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    for round in 0..ROUNDS {
        let (text, counts) = match round % 6 {
            0 => (all("%(message)s") + &file("more", "DIR/more"), true),
            // Changed, while the one before it may still be at its end.
            1 => (all("%(message)s.") + &file("more", "DIR/other"), true),
            2 => (all("%(message)s,"), true),
            // Broken in three ways.
            3 => (all("%(message)s") + "[outptu.x]\n", false),
            4 => (all("%(message)s") + &file("bad", "/nowhere/bad"), false),
            _ => (all("%(message)s") + "[[listen]]\naddress = \"unix:///nowhere/socket\"\n", false),
        };
        write_config(&dir, &text);
        for number in 0..EACH {
            client.write_all(&frame(&record(&(round * EACH + number).to_string()))).unwrap();
        }
        assert_eq!(reload(&mut server), counts, "{round}: {:#?}", server.seen());
    }
    // A stop reads on for a second only.
    let lines = || read_lines(&dir.join("all"));
    until(|| (lines().len() >= ROUNDS * EACH).then_some(()));
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    let lines = lines();
    let numbers: Vec<&str> = lines.iter().map(|line| line.trim_end_matches(['.', ','])).collect();
    let expected: Vec<String> = (0..ROUNDS * EACH).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected);
    let line = seen.iter().rfind(|line| line.starts_with("output all: ")).unwrap();
    let total = ROUNDS * EACH;
    assert_eq!(
        line,
        &format!("output all: logged={total} written={total} filtered=0 buffered=0"),
        "{seen:#?}"
    );
}

/// An answer of the admin server: its status and what it says.
fn ask(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn records_log_dead_letters_and_admin_are_read_again() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (first, second) = (free(), free());
    let text = |more: &str| {
        format!("{LISTEN}[output.all]\ntype = \"file\"\npath = \"DIR/out\"\nformat = \"%(message)s\"\n{more}")
    };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    write_config(
        &dir,
        &text(&format!(
            "[records]\nglobals = \"reject\"\n[dead_letters]\npath = \"DIR/a\"\n[admin]\naddress = \"{first}\"\n"
        )),
    );
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    // A record that names `os.system`.
    let named = b"}(X\x03\0\0\0msgX\x01\0\0\0mX\x01\0\0\0xcos\nsystem\nu.";
    send(&server, named);
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected global")));
    until(|| (read_lines(&dir.join("a")).len() == 1).then_some(()));
    assert!(ask(&first, "/health").unwrap().0 == 200);
    // A log in which a record of 100 KiB has no place, another dead-letter file, another address.
    write_config(
        &dir,
        &text(&format!(
            "[log]\nmax_bytes = \"64KiB\"\n[dead_letters]\npath = \"DIR/b\"\n[admin]\naddress = \"{second}\"\n"
        )),
    );
    assert!(reload(&mut server), "{:#?}", server.seen());
    send(&server, named);
    server.wait_for_output(1);
    until(|| (ask(&second, "/health")?.0 == 200).then_some(()));
    until(|| ask(&first, "/health").is_none().then_some(()));
    send(&server, &record(&"x".repeat(100 << 10)));
    send(&server, b"nothing");
    until(|| (read_lines(&dir.join("b")).len() == 1).then_some(()));
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    let line = seen.iter().rfind(|line| line.starts_with("received=")).unwrap();
    assert!(line.starts_with("received=4 written=1 "), "{line}");
    assert!(line.contains("dropped{too_large}=1"), "{line}");
    assert_eq!(read_lines(&dir.join("a")).len(), 1);
}

#[test]
fn what_only_a_restart_changes_is_said_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let text = |spool: &str| {
        format!(
            "{LISTEN}[output.all]\ntype = \"file\"\npath = \"DIR/out\"\nformat = \"%(message)s\"\n[spool]\n{spool}"
        )
    };
    write_config(&dir, &text("path = \"DIR/spool\"\n"));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    write_config(&dir, &text("path = \"DIR/another\"\n"));
    assert!(!reload(&mut server));
    assert!(server.seen().iter().any(|line| line.contains("`path` or `sync` of [spool] needs a restart; ")));
    assert!(!dir.join("another").exists());
    // Its limits do not need one.
    write_config(&dir, &text("path = \"DIR/spool\"\nmax_bytes = \"128KiB\"\nretain = \"0\"\n"));
    assert!(reload(&mut server), "{:#?}", server.seen());
    send(&server, &record(&"x".repeat(100 << 10)));
    send(&server, &record("small"));
    server.wait_for_output(1);
    let (_, seen, _) = server.stop("TERM");
    assert_eq!(seen.last().unwrap(), "received=2 written=1 dropped{too_large}=1", "{seen:#?}");
}

#[test]
fn a_renewed_certificate_counts_for_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let renew = || common::write_identity(&dir, "tls", "localhost");
    renew();
    write_config(
        &dir,
        "[[listen]]\naddress = \"tls://127.0.0.1:0\"\ncertificate = \"DIR/tls.pem\"\nprivate_key = \"DIR/tls.key\"\n\
         [output.all]\ntype = \"file\"\npath = \"DIR/out\"\nformat = \"%(message)s\"\n",
    );
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    let target = server.address("tls").replace("127.0.0.1", "localhost");
    let send = |ca: &str, text: &[u8]| {
        let ca = dir.join(ca).display().to_string();
        run(&["send", "--tls", &target, "--tls-ca", &ca], text).status.success()
    };
    assert!(send("tls.pem", b"one\n"));
    std::fs::copy(dir.join("tls.pem"), dir.join("old.pem")).unwrap();
    renew();
    assert!(reload(&mut server), "{:#?}", server.seen());
    assert!(!send("old.pem", b"not\n"));
    assert!(send("tls.pem", b"two\n"));
    assert_eq!(server.wait_for_output(2), ["one", "two"]);
    // Half of a renewal changes nothing.
    std::fs::write(dir.join("tls.key"), "nothing").unwrap();
    assert!(!reload(&mut server));
    std::fs::copy(dir.join("tls.pem"), dir.join("copy.pem")).unwrap();
    assert!(send("copy.pem", b"three\n"));
    server.wait_for_output(3);
}

const OUT: &str = "[output.all]\ntype = \"file\"\npath = \"DIR/out\"\nformat = \"%(message)s\"\n";

/// Whether the other side has closed it without a word.
fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

#[test]
fn limits_of_listeners_count_for_connections_that_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let text = |limits: &str, mode: &str| {
        format!(
            "{LISTEN}{limits}[[listen]]\naddress = \"udp://127.0.0.1:0\"\n{limits}[[listen]]\n\
             address = \"unix://DIR/socket\"\n{mode}{OUT}"
        )
    };
    write_config(&dir, &text("", "mode = \"0600\"\n"));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 3);
    let mut before = TcpStream::connect(server.address("tcp")).unwrap();
    let long = |name: &str| format!("{name}{}", "x".repeat(1_500));
    let udp = server.address("udp");
    let datagram = |payload: &[u8]| {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&frame(payload), &udp).unwrap();
    };
    datagram(&record(&long("datagram")));
    server.wait_for_output(1);
    before.write_all(&frame(&record(&long("before")))).unwrap();
    server.wait_for_output(2);
    write_config(&dir, &text("max_frame = \"1KiB\"\nmax_connections = 2\n", "mode = \"0660\"\n"));
    assert!(reload(&mut server), "{:#?}", server.seen());
    assert!(!server.seen().iter().any(|line| line.contains("restart")), "{:#?}", server.seen());
    assert_eq!(std::fs::metadata(dir.join("socket")).unwrap().permissions().mode() & 0o777, 0o660);
    // The one that was there keeps its limits; a later one has the new ones, and a third has no place.
    before.write_all(&frame(&record(&long("still")))).unwrap();
    server.wait_for_output(3);
    let mut later = TcpStream::connect(server.address("tcp")).unwrap();
    later.write_all(&frame(&record("small"))).unwrap();
    server.wait_for_output(4);
    let mut third = TcpStream::connect(server.address("tcp")).unwrap();
    assert!(is_closed(&mut third));
    later.write_all(&frame(&record(&long("too long")))).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected oversized")));
    datagram(&record(&long("too long")));
    datagram(&record("the last"));
    server.wait_for_output(5);
    // What cannot be undone is said by its name.
    write_config(&dir, &text("", ""));
    assert!(reload(&mut server), "{:#?}", server.seen());
    assert!(server.seen().iter().any(|line| line.contains("has no `mode` any more")), "{:#?}", server.seen());
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    let line = seen.last().unwrap();
    assert!(
        line.starts_with("received=7 written=5 rejected{malformed}=1 rejected{oversized}=1"),
        "{seen:#?}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn another_listener_on_the_same_port_takes_over_without_refusing_anybody() {
    const ROUNDS: usize = 12;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    common::write_identity(&dir, "tls", "localhost");
    let text = |address: &str, more: &str| {
        format!("[[listen]]\naddress = \"{address}:{port}\"\nallow_unauthenticated = true\n{more}{OUT}")
    };
    let udp = format!("[[listen]]\naddress = \"udp://127.0.0.1:{port}\"\n");
    write_config(&dir, &text("tcp://127.0.0.1", &udp));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 2);
    let address = format!("127.0.0.1:{port}");
    let stop = Arc::new(AtomicBool::new(false));
    let sender = std::thread::spawn({
        let (address, stop) = (address.clone(), Arc::clone(&stop));
        move || {
            let (mut taken, mut reset) = (Vec::new(), 0);
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // A new connection for each, as the cookbook's clients have. The kernel resets one that comes between
                // the last look into the old socket's queue and its end, and its client hears of it.
                let sent = TcpStream::connect(&address).and_then(|mut stream| {
                    stream.write_all(&frame(&record(&number.to_string())))?;
                    stream.shutdown(Shutdown::Write)?;
                    stream.read(&mut [0])
                });
                match sent {
                    Ok(read) => {
                        assert_eq!(read, 0);
                        taken.push(number);
                    }
                    Err(error) => {
                        let kinds =
                            [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
                        assert!(kinds.contains(&error.kind()), "{error}");
                        reset += 1;
                    }
                }
            }
            (taken, reset)
        }
    });
    for round in 0..ROUNDS {
        let address = if round % 2 == 0 { "tcp://0.0.0.0" } else { "tcp://127.0.0.1" };
        write_config(&dir, &text(address, &udp));
        assert!(reload(&mut server), "{:#?}", server.seen());
        // One that is refused leaves all as it is.
        write_config(
            &dir,
            &(text("tcp://127.0.0.2", &udp) + "[output.bad]\ntype = \"file\"\npath = \"/nowhere/bad\"\n"),
        );
        assert!(!reload(&mut server), "{:#?}", server.seen());
    }
    stop.store(true, Ordering::Relaxed);
    let (taken, reset): (Vec<usize>, usize) = sender.join().unwrap();
    assert!(reset <= ROUNDS, "{reset} connections were reset");
    let sent = taken.len();
    let numbers = server.wait_for_output(sent);
    let mut numbers: Vec<usize> = numbers.iter().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, taken);
    // The same address may speak TLS from now on.
    let tls = "certificate = \"DIR/tls.pem\"\nprivate_key = \"DIR/tls.key\"\n";
    write_config(&dir, &text("tls://127.0.0.1", tls));
    assert!(reload(&mut server), "{:#?}", server.seen());
    let ca = dir.join("tls.pem").display().to_string();
    let target = format!("localhost:{port}");
    assert!(run(&["send", "--tls", &target, "--tls-ca", &ca], b"over TLS\n").status.success());
    server.wait_for_output(sent + 1);
    // Nobody else can have the port meanwhile.
    assert!(TcpListener::bind(&address).is_err());
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    let total = sent + 1;
    assert_eq!(seen.last().unwrap(), &format!("received={total} written={total}"), "{seen:#?}");
}

#[test]
fn the_admin_server_takes_another_token_and_begins_to_speak_tls() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    common::write_identity(&dir, "tls", "localhost");
    for (name, token) in [("one", "the-first-token-1"), ("two", "the-second-token-2")] {
        std::fs::write(dir.join(name), token).unwrap();
        std::fs::set_permissions(dir.join(name), Permissions::from_mode(0o600)).unwrap();
    }
    let text = |more: &str| format!("{LISTEN}{OUT}[admin]\naddress = \"{address}\"\n{more}");
    let status = |token: &str| {
        let mut stream = TcpStream::connect(&address).ok()?;
        let head =
            format!("GET /status HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.lines().next()?.split(' ').nth(1)?.parse::<u16>().ok()
    };
    write_config(&dir, &text("token_file = \"DIR/one\"\n"));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    until(|| (status("the-first-token-1") == Some(200)).then_some(()));
    write_config(&dir, &text("token_file = \"DIR/two\"\n"));
    assert!(reload(&mut server), "{:#?}", server.seen());
    assert_eq!((status("the-first-token-1"), status("the-second-token-2")), (Some(401), Some(200)));
    // Another content of the same file counts as well.
    std::fs::write(dir.join("two"), "the-first-token-1").unwrap();
    assert!(reload(&mut server), "{:#?}", server.seen());
    assert_eq!((status("the-first-token-1"), status("the-second-token-2")), (Some(200), Some(401)));
    // A file that holds none changes nothing.
    std::fs::write(dir.join("two"), "short").unwrap();
    assert!(!reload(&mut server));
    assert_eq!(status("the-first-token-1"), Some(200));
    write_config(
        &dir,
        &text("token_file = \"DIR/one\"\ncertificate = \"DIR/tls.pem\"\nprivate_key = \"DIR/tls.key\"\n"),
    );
    assert!(reload(&mut server), "{:#?}", server.seen());
    assert_eq!(status("the-first-token-1"), None);
    assert!(server.seen().iter().any(|line| *line == format!("admin on https://{address}/")));
}

#[test]
fn an_output_that_is_removed_has_no_part_in_what_comes_and_the_next_one_tells_what_is_none() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (admin, nobody) = (free(), free());
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let rest = format!("{OUT}[admin]\naddress = \"{admin}\"\n[dead_letters]\npath = \"DIR/dead\"\n");
    let away = format!("[output.above]\ntype = \"otlp\"\nurl = \"http://{nobody}/v1/logs\"\n");
    write_config(&dir, &format!("{LISTEN}{away}{rest}"));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    let good_and_bad = |server: &Server| {
        let both = [frame(&record("good")), frame(b"]q\0.")].concat();
        TcpStream::connect(server.address("tcp")).unwrap().write_all(&both).unwrap();
    };
    good_and_bad(&server);
    server.wait_for_output(1);
    until(|| (ask(&admin, "/ready")?.0 == 503 && read_lines(&dir.join("dead")).len() == 1).then_some(()));
    write_config(&dir, &format!("{LISTEN}{rest}"));
    assert!(reload(&mut server), "{:#?}", server.seen());
    server.wait_for(|seen| seen.iter().any(|line| line.contains("output above has ended")));
    until(|| (ask(&admin, "/ready")?.0 == 200).then_some(()));
    good_and_bad(&server);
    server.wait_for_output(2);
    until(|| (read_lines(&dir.join("dead")).len() == 2).then_some(()));
    let metrics = ask(&admin, "/metrics").unwrap().1;
    let buffered = metrics.lines().filter(|line| line.contains("buffered") && line.contains("above"));
    assert!(buffered.clone().all(|line| line.ends_with(" 0")), "{:?}", buffered.collect::<Vec<_>>());
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert_eq!(
        seen[seen.len() - 3..],
        [
            "received=4 logged=2 rejected{payload}=2",
            "output above: logged=2 written=0 filtered=0 dropped{removed}=2 buffered=0",
            "output all: logged=4 written=2 filtered=0 rejected{payload}=2 buffered=0",
        ]
    );
}

/// The one output of a file may hold everything up; it may not any more where another one is added.
#[test]
fn what_happens_when_an_output_is_behind_follows_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let full = "[log]\nmax_bytes = \"64KiB\"\n[output.full]\ntype = \"file\"\npath = \"/dev/full\"\n";
    write_config(&dir, &format!("{LISTEN}{full}"));
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    write_config(&dir, &format!("{LISTEN}{full}{OUT}"));
    assert!(reload(&mut server), "{:#?}", server.seen());
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    for number in 0..1_000 {
        client.write_all(&frame(&record(&format!("{number} {}", "x".repeat(1_000))))).unwrap();
    }
    drop(client);
    until(|| (common::received(&mut server) == 1_000).then_some(()));
    server.stop("KILL");
}

#[test]
fn an_output_that_comes_later_begins_with_the_next_record_of_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let alone = format!("{LISTEN}[spool]\npath = \"DIR/spool\"\n{OUT}");
    let both =
        format!("{alone}[output.later]\ntype = \"file\"\npath = \"DIR/later\"\nformat = \"%(message)s\"\n");
    write_config(&dir, &alone);
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    let mut later = Vec::new();
    for (number, text) in [&alone, &both, &alone, &both].into_iter().enumerate() {
        write_config(&dir, text);
        assert!(reload(&mut server), "{:#?}", server.seen());
        if number == 2 {
            server.wait_for(|seen| seen.iter().any(|line| line.contains("output later has ended")));
        }
        send(&server, &record(&number.to_string()));
        server.wait_for_output(number + 1);
        if *text == both {
            later.push(number.to_string());
            until(|| (read_lines(&dir.join("later")).len() >= later.len()).then_some(()));
        }
    }
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!(code, Some(0), "{seen:#?}");
    assert_eq!(read_lines(&dir.join("later")), later);
    assert_eq!(
        seen[seen.len() - 2..],
        [
            "output all: logged=4 written=4 filtered=0 buffered=0",
            "output later: logged=2 written=2 filtered=0 buffered=0",
        ]
    );
}
