//! The configuration file: what is refused and how it is told, and what a reload does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use common::{Server, counts, frame, read_lines, record, run, until};

fn validate(text: impl AsRef<[u8]>) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let place = path.display().to_string();
    let output = run(&["validate", "--offline", &place], b"");
    let said = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&place, "FILE");
    (output.status.code(), said(&output.stdout), said(&output.stderr))
}

type Rows<'a> = &'a [(&'a str, &'a [&'a str])];

fn assert_faults(rows: Rows<'_>) {
    for (text, expected) in rows {
        let (code, _, said) = validate(text);
        assert_eq!(code, Some(78), "{text}\n{said}");
        let heads: Vec<&str> = said.lines().filter(|line| line.starts_with("FILE: line ")).collect();
        assert_eq!(heads.len(), expected.len(), "{text}\n{said}");
        for part in *expected {
            assert!(heads.iter().any(|head| head.contains(part)), "{text}\n{part}\n{said}");
        }
        assert!(said.contains('^') && said.contains(" | "), "{text}\n{said}");
    }
}

#[test]
fn faults_are_told_with_their_place_and_the_way_out() {
    let rows: Rows<'_> = &[
        ("x = ", &["line 1, column 5: "]),
        ("[outptu.a]\ntype = \"file\"", &["line 1, column 2: unknown key `outptu`; did you mean `output`?"]),
        (
            "[[listen]]\nadress = \"tcp://127.0.0.1:1\"",
            &[
                "line 1, column 1: `address` is missing here",
                "line 2, column 1: unknown key `adress`; did you mean `address`?",
            ],
        ),
        (
            "[[listen]]\naddress = \"http://127.0.0.1:1\"",
            &["line 2, column 11: `address`: \"http://127.0.0.1:1\""],
        ),
        ("[[listen]]\naddress = \"tcp://0.0.0.0:1\"", &["line 2, column 11: others can reach this address"]),
        ("[[listen]]\naddress = \"tls://127.0.0.1:1\"", &["needs `certificate` and `private_key`"]),
        (
            "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nmode = \"0600\"",
            &["line 3, column 8: `mode` is for Unix sockets"],
        ),
        ("[[listen]]\naddress = \"unix:///a\"\nmode = \"9\"", &["line 3, column 8: `mode`: not a file mode"]),
        (
            "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\n[[listen]]\naddress = \"tcp://127.0.0.1:1\"",
            &["line 4, column 11: this address stands above already"],
        ),
        (
            "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nmax_frame = \"0\"\nidle_timeout = 5",
            &[
                "line 3, column 13: `max_frame`: no record has 0 bytes",
                "line 4, column 16: `idle_timeout`: expected text in quotes, found integer",
            ],
        ),
        (
            "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nrequire_keys = [\"wbe\"]\n[keys]\nweb = \"/nowhere\"",
            &[
                "line 3, column 17: [keys] has no \"wbe\"; did you mean `web`?",
                "line 5, column 7: /nowhere: No such file",
            ],
        ),
        ("[keys]\nweb = \"${CREDENTIALS_DIRECTORY}/x\"", &["CREDENTIALS_DIRECTORY is not set"]),
        ("[keys]\nweb = 5", &["line 2, column 7: `web`: expected text in quotes, found integer"]),
        ("keys_dir = \"/nowhere\"", &["line 1, column 12: /nowhere: No such file"]),
        ("listen = 5", &["line 1, column 10: `listen` is a list of tables: write [[listen]]"]),
        (
            "[output.a]\ntype = \"flie\"\npath = \"/a\"",
            &["line 2, column 8: `type`: unknown word \"flie\"; did you mean `file`?"],
        ),
        ("[output.a]\ntype = \"file\"", &["`path` is missing here"]),
        ("[output.a]\npath = \"/a\"", &["`type` is missing here"]),
        (
            "[output.a]\ntype = \"file\"\npath = \"/a\"\nformat = \"%(message)\"",
            &["line 4, column 10: --format \"%(message)\""],
        ),
        (
            "[output.a]\ntype = \"file\"\npath = \"/a\"\n[output.b]\ntype = \"file\"\npath = \"/a\"",
            &["another output writes to the same file"],
        ),
        (
            "[output.a]\ntype = \"file\"\npath = \"/a\"\nrotate = { size = \"1parsec\" }",
            &["line 4, column 19: `size`: unknown unit"],
        ),
        (
            "[output.a]\ntype = \"file\"\npath = \"/a\"\nrotate = { size = \"0\", age = \"0s\" }",
            &[
                "line 4, column 19: every record",
                "line 4, column 30: every record would have a file of its own",
            ],
        ),
        (
            "[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nmax_connections = 0\nmax_connections_per_peer = 0",
            &[
                "line 3, column 19: `max_connections`: nobody could connect",
                "line 4, column 28: `max_connections_per_peer`: nobody could connect",
            ],
        ),
        (
            "[output.a]\ntype = \"file\"\npath = \"/a\"\n[dead_letters]\npath = \"/a\"",
            &["line 5, column 8: [output.a] writes to the same file"],
        ),
        ("[records]\nallow = [\"app.Code\", \"Code\"]", &["line 2, column 22: a name is MODULE.NAME"]),
        (
            "[output.a]\ntype = \"file\"\npath = \"/a\"\nrotate = { keep = 3 }",
            &["`rotate` needs `size` or `age`"],
        ),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"http://a\"\nheaders_file = \"/nowhere\"",
            &["line 4, column 16: /nowhere: No such file"],
        ),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"http://a\"\nbatch = { records = 0 }",
            &["a batch has one record or more"],
        ),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"http://a\"\nbatch = { records = 100001, bytes = \"65MiB\", wait = \"61s\" }",
            &[
                "line 4, column 21: `records`: a batch has one record or more, and 100000 at most",
                "line 4, column 37: `bytes`: ",
                "line 4, column 53: `wait`: a batch waits for 60 s at most",
            ],
        ),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"http://u:p@a\"",
            &["line 3, column 7: credentials do not belong into an address; put them into a header"],
        ),
        ("[output.a]\ntype = \"otlp\"\nurl = \"http://\"", &["line 3, column 7: "]),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"http://a\"\nheaders_file = \"Cargo.toml\"",
            &[
                "line 4, column 16: Cargo.toml: mode 0",
                "line 4, column 16: Cargo.toml: line 1: expected NAME: VALUE",
            ],
        ),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"https://a\"\nca = \"Cargo.toml\"",
            &["line 4, column 6: Cargo.toml: "],
        ),
        (
            "[output.a]\ntype = \"otlp\"\nurl = \"http://a\"\nheaders_file = \"src\"",
            &["line 4, column 16: src: mode 0", "line 4, column 16: src: not a regular file"],
        ),
        (
            "[output.a]\ntype = \"stdout\"\nwhen_behind = \"drop\"",
            &["line 3, column 15: `when_behind`: unknown word \"drop\"; expected `block`"],
        ),
        (
            "[output.a]\ntype = \"stdout\"\n[output.b]\ntype = \"stdout\"",
            &["line 3, column 9: another output writes to standard output"],
        ),
        (
            "[[route]]\nto = [\"al\"]\n[output.all]\ntype = \"stdout\"",
            &["line 2, column 7: no output is called \"al\"; did you mean `all`?"],
        ),
        ("[[route]]\nlogger = \"a\"", &["`to` is missing here"]),
        (
            "[[route]]\nlevel = \"WARNNG\"\nto = []",
            &["line 2, column 9: `level`: unknown level \"WARNNG\"; did you mean `WARNING`?"],
        ),
        ("[[route]]\nto = []\n[[route]]\nto = []", &["line 3, column 1: never reached"]),
        (
            "[spool]\nmax_bytes = \"0\"",
            &["`path` is missing here", "line 2, column 13: `max_bytes`: nothing fits"],
        ),
        (
            "[spool]\npath = \"/s\"\nsync = \"often\"",
            &["line 3, column 8: `sync`: \"often\": expected \"ack\""],
        ),
        ("replay_state = \"/r\"\n[spool]\npath = \"/s\"", &["the spool is the replay state"]),
        ("[dead_letters]\nmax_bytes = \"1GiB\"", &["`path` is missing here"]),
        ("[admin]\naddress = \"9022\"", &["line 2, column 11: `address`: \"9022\" is neither IP:PORT"]),
        (
            "[admin]\naddress = \"0.0.0.0:9022\"",
            &["line 2, column 11: others can reach this address: give `certificate`"],
        ),
        (
            "[admin]\naddress = \"0.0.0.0:9022\"\ntoken_file = \"/none\"",
            &["line 2, column 11: others can reach this address", "line 3, column 14: /none: "],
        ),
        (
            "[admin]\naddress = \"/run/a\"\ncertificate = \"/none\"",
            &["line 3, column 15: `private_key` is missing beside it"],
        ),
        (
            "[[listen]]\naddress = \"systemd://a/b\"",
            &["line 2, column 11: `address`: \"systemd://a/b\": expected"],
        ),
        ("[[listen]]\naddress = \"systemdx\"", &["line 2, column 11: `address`: \"systemdx\": "]),
        (
            "[[listen]]\naddress = \"systemd://a\"\n[[listen]]\naddress = \"systemd://a\"",
            &["line 4, column 11: this address stands above already"],
        ),
        ("[records]\nglobals = \"all\"", &["line 2, column 11: `globals`: unknown word \"all\""]),
        ("drain_timeout = \"soon\"", &["line 1, column 17: `drain_timeout`: not a duration"]),
    ];
    assert_faults(rows);
}

#[cfg(feature = "nats")]
#[test]
fn what_is_no_text_has_a_place_as_well() {
    let (code, _, said) = validate(b"# \xc3\xa4\n\n[log]\nmax_bytes = \"\xff\"\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.starts_with("FILE: line 4, column 14: this is not UTF-8"), "{said}");
}

#[test]
fn faults_of_nats_outputs_are_told_with_their_place() {
    assert_faults(&[
        (
            "[output.a]\ntype = \"nats\"\nservers = [\"http://a\"]",
            &["`subject` is missing here", "line 3, column 12: \"http://a\": expected a URL"],
        ),
        (
            "[output.a]\ntype = \"nats\"\nsubject = \"s\"\nservers = [\"http://a\"]",
            &["line 4, column 12: \"http://a\": expected a URL"],
        ),
        (
            "[output.a]\ntype = \"nats\"\nsubject = \"s\"\nservers = \"nats://u:p@a\"",
            &[
                "line 4, column 11: credentials do not belong into an address; put them into a credentials file",
            ],
        ),
        (
            "[output.a]\ntype = \"nats\"\nsubject = \"s\"\nservers = [\"nats://a\", \"nats://a:b\"]",
            &["line 4, column 24: "],
        ),
        ("[output.a]\ntype = \"nats\"\nsubject = \"s\"\nservers = []", &["`servers` names no server"]),
        (
            "[output.a]\ntype = \"nats\"\nservers = \"nats://a\"\nsubject = \"logs.{x}\"",
            &["line 4, column 11: subject \"logs.{x}\": a field is neither"],
        ),
        (
            "[output.a]\ntype = \"nats\"\nservers = \"nats://a\"\nsubject = \"logs.*\"",
            &["line 4, column 11: subject \"logs.*\": a blank, a wildcard"],
        ),
        (
            "[output.a]\ntype = \"nats\"\nservers = \"nats://a\"\nsubject = \"s\"\ncreate_stream = { name = \"a.b\", subjects = [] }",
            &["line 5, column 26: `name`: \"a.b\": a stream's name has no blank", "`subjects` names none"],
        ),
        (
            "[output.a]\ntype = \"nats\"\nservers = \"nats://a\"\nsubject = \"s\"\ncreate_stream = { subjects = [\"a..b\"] }",
            &["`name` is missing here", "line 5, column 31: \"a..b\": a blank or an empty token"],
        ),
        (
            "[output.a]\ntype = \"nats\"\nservers = \"nats://a\"\nsubject = \"s\"\ncreate_stream = true",
            &["line 5, column 17: `create_stream`: expected a table"],
        ),
    ]);
}

#[cfg(feature = "nats")]
#[test]
fn the_sample_is_valid_but_for_the_files_that_it_names() {
    let sample = run(&["validate", "--print-sample"], b"");
    assert_eq!(sample.status.code(), Some(0));
    let sample = String::from_utf8(sample.stdout).unwrap();
    let (_, _, said) = validate(&sample);
    for head in said.lines().filter(|line| line.starts_with("FILE: line ")) {
        assert!(
            head.contains("No such file") || head.contains("CREDENTIALS_DIRECTORY") || head.contains("TLS"),
            "{said}"
        );
    }
    // With its secrets in place it is taken.
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    for key in ["web.key", "batch.key"] {
        assert!(run(&["key", "new", &place(key)], b"").status.success());
    }
    for file in ["nats.creds", "otlp.headers", "view.token"] {
        write_private(&place(file), "Authorization: x");
    }
    common::write_identity(folder.path(), "tls", "localhost");
    let sample =
        sample.replace("/etc/logrecord/", &place("")).replace("${CREDENTIALS_DIRECTORY}/", &place(""));
    let (code, out, said) = validate(&sample);
    assert_eq!(code, Some(0), "{said}");
    assert!(out.starts_with("FILE is valid (sha256:"), "{out}");
    assert_eq!(validate("").0, Some(0));
}

#[test]
fn a_token_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token").display().to_string();
    write_private(&token, "a-token-of-mine-0123456789");
    let text = format!("[admin]\naddress = \"127.0.0.1:0\"\ntoken_file = \"{token}\"");
    assert_eq!(validate(&text).0, Some(0));
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, said) = validate(&text);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("line 3, column 14: ") && said.contains("mode 0644 is more than 06"), "{said}");
}

/// Each `[[listen]]` has the sockets of its name, and the one without a name has the others.
#[test]
fn sockets_of_systemd_are_taken_by_their_names() {
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let key = dir.join("k.key").display().to_string();
    assert!(run(&["key", "new", &key], b"").status.success());
    let all = format!(
        "[keys]\nk = \"{key}\"\n[[listen]]\naddress = \"systemd\"\n[output.all]\ntype = \"file\"\n\
         path = \"DIR/out\"\n[[listen]]\naddress = \"systemd://signed\"\nrequire_keys = [\"k\"]\n"
    );
    write_config(&dir, &all);
    let start = |names: &str| {
        let [first, second] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = [&first, &second].map(|socket| socket.local_addr().unwrap());
        let child = Command::new("sh")
            .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null </dev/null"])
            .arg(env!("CARGO_BIN_EXE_logrecord"))
            .args(["serve", "--config"])
            .arg(dir.join("c.toml"))
            .env("LISTEN_FDNAMES", names)
            .stdin(OwnedFd::from(first))
            .stdout(OwnedFd::from(second))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (child, addresses)
    };
    let (mut child, [plain, signed]) = start("other:signed");
    let stderr = common::follow(child.stderr.take().unwrap());
    let mut seen = vec![stderr.recv().unwrap(), stderr.recv().unwrap()];
    seen.sort();
    let mut expected = [plain, signed].map(|address| format!("listening on tcp://{address}"));
    expected.sort();
    assert_eq!(seen, expected);
    for address in [signed, plain] {
        TcpStream::connect(address).unwrap().write_all(&frame(&record("plain"))).unwrap();
    }
    until(|| (read_lines(&dir.join("out")).len() == 1).then_some(()));
    assert!(stderr.recv().unwrap().contains("rejected unsigned"));
    common::signal(&child, "TERM");
    common::wait(&mut child);
    assert_eq!(counts(&stderr.iter().collect::<Vec<_>>()), (2, 1, 1));
    let (child, _) = start("other:another");
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("systemd://signed: systemd handed over no socket of this name"), "{said}");
}

/// Writes a file that nobody else may read.
fn write_private(path: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn write_config(folder: &Path, text: &str) {
    std::fs::write(folder.join("c.toml"), text.replace("DIR", &folder.display().to_string())).unwrap();
}

fn send(server: &Server, scheme: &str, message: &str) {
    let mut client = TcpStream::connect(server.address(scheme)).unwrap();
    client.write_all(&frame(&record(message))).unwrap();
}

#[test]
fn a_reload_takes_all_of_a_file_or_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let first =
        "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[output.all]\ntype = \"file\"\npath = \"DIR/out\"\n";
    write_config(&dir, first);
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 1);
    send(&server, "tcp", "one");
    server.wait_for_output(1);
    // A fault keeps everything as it was.
    write_config(&dir, "[[listen]]\nadress = 1\n");
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("old configuration")));
    assert!(server.seen().iter().any(|line| line.contains("line 2, column 1: unknown key `adress`")));
    send(&server, "tcp", "two");
    server.wait_for_output(2);
    // An address that cannot be bound, too.
    write_config(&dir, &format!("{first}[[listen]]\naddress = \"unix:///nowhere/socket\"\n"));
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().filter(|line| line.contains("old configuration")).count() == 2);
    // Another output, and one more listener.
    write_config(
        &dir,
        "[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[[listen]]\naddress = \"unix://DIR/socket\"\n\
         [output.all]\ntype = \"file\"\npath = \"DIR/other\"\nformat = \"%(message)s\"\n",
    );
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
    // The old output ends behind what it had in hand.
    let mut sent = 2;
    until(|| {
        send(&server, "tcp", "three");
        sent += 1;
        (!read_lines(&dir.join("other")).is_empty()).then_some(())
    });
    let mut unix = std::os::unix::net::UnixStream::connect(dir.join("socket")).unwrap();
    unix.write_all(&frame(&record("four"))).unwrap();
    drop(unix);
    sent += 1;
    until(|| read_lines(&dir.join("other")).contains(&"four".to_owned()).then_some(()));
    // The listener goes again.
    write_config(&dir, &first.replace("DIR/out", "DIR/other"));
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("socket has ended")));
    let (code, seen, _folder) = server.stop("TERM");
    assert_eq!((code, counts(&seen)), (Some(0), (sent, sent, 0)), "{seen:#?}");
    let lines = read_lines(&dir.join("out")).len() + read_lines(&dir.join("other")).len();
    assert_eq!(lines as u64, sent);
}

#[test]
fn a_reload_reads_new_keys_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    std::fs::create_dir(dir.join("keys")).unwrap();
    let key = |name: &str| dir.join("keys").join(name).display().to_string();
    assert!(run(&["key", "new", &key("a.key")], b"").status.success());
    write_config(
        &dir,
        "keys_dir = \"DIR/keys\"\n[[listen]]\naddress = \"tcp://127.0.0.1:0\"\nrequire_keys = [\"a\", \"b\"]\n\
         [[listen]]\naddress = \"unix://DIR/socket\"\n[output.all]\ntype = \"file\"\npath = \"DIR/out\"\n",
    );
    let mut server = Server::start_with_config(folder, "DIR/c.toml", 2);
    assert!(run(&["key", "new", &key("b.key")], b"").status.success());
    let address = server.address("tcp");
    let send = |id: &str, text: &[u8]| {
        run(&["send", "--tcp", &address, "--hmac-key", &format!("{id}={}", key(&format!("{id}.key")))], text);
    };
    send("a", b"from a\n");
    server.wait_for_output(1);
    send("b", b"too early\n");
    server.wait_for(|seen| seen.iter().any(|line| line.contains("rejected unknown_key")));
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
    send("b", b"from b\n");
    server.wait_for_output(2);
    // The other listener asks for nothing.
    let socket = dir.join("socket").display().to_string();
    run(&["send", "--unix", &socket], b"unsigned\n");
    server.wait_for_output(3);
    let (_, seen, _folder) = server.stop("TERM");
    assert_eq!(counts(&seen), (4, 3, 1), "{seen:#?}");
}

#[test]
fn a_file_stands_for_all_options() {
    let output = run(&["serve", "--config", "/a", "--tcp", "127.0.0.1:0"], b"");
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(not(feature = "nats"))]
#[test]
fn an_engine_that_was_left_out_is_told_with_its_place_and_the_way_out() {
    let (code, _, said) =
        validate("[output.a]\ntype = \"nats\"\nsubject = \"s\"\nservers = \"nats://127.0.0.1\"");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("line 2, column 8: `type`: this program was built without NATS"), "{said}");
    assert!(said.contains("cargo feature `nats`"), "{said}");
}
