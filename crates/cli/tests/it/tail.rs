//! `logrecord tail`: what it shows, what it says where it cannot, and that it comes again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use common::{PATIENCE, Server, frame, record, run};

/// A running `logrecord tail`.
struct Tail {
    child: Child,
    out: Receiver<String>,
    errors: Receiver<String>,
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).ok();
    });
    lines
}

impl Tail {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.arg("tail").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, errors) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, errors }
    }

    fn line(&self) -> String {
        self.out
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{:?}", self.errors.try_iter().collect::<Vec<_>>()))
    }

    /// Waits until standard error has said something.
    fn says(&self, part: &str) {
        while !self.errors.recv_timeout(PATIENCE).unwrap().contains(part) {}
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn link(server: &Server) -> String {
    server.seen().iter().find_map(|line| line.strip_prefix("admin on ")).unwrap().to_owned()
}

fn send(server: &Server, messages: &[&str]) {
    let bytes: Vec<u8> = messages.iter().flat_map(|message| frame(&record(message))).collect();
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&bytes).unwrap();
}

#[test]
fn records_are_lines_of_text_or_json_and_filters_hold() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let many: Vec<String> = (0..20).map(|number| format!("old {number}")).collect();
    send(&server, &many.iter().map(String::as_str).collect::<Vec<_>>());
    let written = server.wait_for_output(20);
    let link = link(&server);
    let text = Tail::start(&[&link]);
    // The last ten, as `tail` does.
    assert!(text.line().ends_with(" INFO     app old 10"));
    let json = Tail::start(&["--json", &link]);
    assert_eq!(json.line(), written[10]);
    let filtered = Tail::start(&["--level", "info", "--logger", "app", &link, "fresh", "--", "-stale"]);
    let louder = Tail::start(&["--level", "ERROR", &link]);
    send(&server, &["fresh and stale", "fresh\nforged \u{1b}[31m"]);
    let line = filtered.line();
    assert!(line.ends_with(" INFO     app fresh"), "{line:?}");
    // Further lines of a message cannot be taken for records.
    let line = filtered.line();
    assert!(line.starts_with(' ') && line.trim_start() == r"forged \x1b[31m", "{line:?}");
    while !text.line().contains("stale") {}
    drop(server);
    louder.says("lost");
    assert!(louder.out.try_recv().is_err());
}

#[test]
fn what_is_wrong_is_told_with_the_way_out() {
    let server = Server::start(&["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let link = link(&server);
    let address = link.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let port = address.rsplit_once(':').unwrap().1;
    let listener = server.address("tcp");
    let misnamed = format!("http://[::ffff:127.0.0.1]:{port}/?{}", link.split_once('?').unwrap().1);
    let rows: [(&[&str], i32, &str); 6] = [
        (&[address], 78, "give the whole link"),
        (&["--token-file", "/nowhere/token", address], 78, "/nowhere/token"),
        (&[&link, "level:loud"], 2, "expected DEBUG"),
        (&["127.0.0.1:1"], 69, "logrecord serve --admin"),
        (&[&misnamed], 69, "the address that it prints"),
        (&[&listener], 69, "cannot connect"),
    ];
    for (args, code, part) in rows {
        let output = run(&[&["tail"], args].concat(), b"");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(part) && !errors.contains("panicked"), "{args:?}: {errors}");
    }
}

#[test]
fn it_goes_on_after_a_restart_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    std::fs::write(folder.path().join("token"), "a-token-of-mine-0123456789\n").unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("token"), private).unwrap();
    let config = format!(
        "[spool]\npath = \"{place}/spool\"\n[[listen]]\naddress = \"tcp://127.0.0.1:0\"\n[output.all]\ntype = \"file\"\n\
         path = \"{place}/out\"\n[admin]\naddress = \"{place}/admin\"\ntoken_file = \"{place}/token\"\n"
    );
    std::fs::write(folder.path().join("logrecord.toml"), config).unwrap();
    let token = format!("{place}/token");
    let admin = format!("unix://{place}/admin");
    let server = Server::start_with_config(folder, "DIR/logrecord.toml", 1);
    send(&server, &["one"]);
    let tail = Tail::start(&["--token-file", &token, &admin]);
    assert!(tail.line().ends_with("app one"));
    let (_, _, folder) = server.stop("TERM");
    tail.says("trying again");
    let server = Server::start_with_config(folder, "DIR/logrecord.toml", 1);
    send(&server, &["two"]);
    assert!(tail.line().ends_with("app two"));
    tail.says("connected again");
}
