//! The documents are sessions that work: their code is taken out and run, in order, in an empty folder, as a reader
//! would type it.
//!
//! Of a fenced block, the language says what it is. `sh` and `python` are run; a line that begins with
//! `logrecord serve` is started beside the session, and ended by SIGTERM when the next one starts or the document
//! ends. A `text` block behind one of them is its standard output, in which `...` stands for anything; because
//! records arrive in their own time, the block is run again until that is what it prints. `toml` blocks are
//! written to the file that their first line names. Any other language is for the reader alone: commands for root, and
//! snippets for programs that are not here.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where `serve` listens if it is not told.
const DEFAULT: &str = "--tcp 127.0.0.1:9020 --udp 127.0.0.1:9021";

const PATIENCE: Duration = Duration::from_secs(60);

struct Block {
    language: String,
    text: String,
    line: usize,
}

/// The fenced blocks of a document. The ports of the examples become free ones, because a test shares its machine;
/// where `serve` is left to its default ones, they are added.
fn blocks(document: &str) -> Vec<Block> {
    let addresses = ["--tcp", "--udp", "--unix", "--tls", "--config"];
    let told = |line: &str| {
        !line.starts_with("logrecord serve") || addresses.iter().any(|option| line.contains(option))
    };
    let lines =
        document.lines().map(|line| if told(line) { line.to_owned() } else { format!("{line} {DEFAULT}") });
    let mut document = lines.collect::<Vec<_>>().join("\n");
    for port in ["9020", "9021", "9022", "9443"] {
        document = document.replace(port, &free_port().to_string());
    }
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let mut text = String::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            text.push_str(line);
            text.push('\n');
        }
        blocks.push(Block { language: language.to_owned(), text, line: number + 1 });
    }
    blocks
}

/// A port that neither TCP nor UDP uses now.
fn free_port() -> u16 {
    common::until(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}

/// A document that is being followed.
struct Session {
    folder: tempfile::TempDir,
    python: PathBuf,
    server: Option<Child>,
}

impl Session {
    fn command(&self, program: &Path) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let built = Path::new(env!("CARGO_BIN_EXE_logrecord")).parent().unwrap();
        let python = self.python.parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{}:{path}", built.display(), python.display()))
            .env("PYTHONPATH", root.join("crates/frame/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, block: &Block) -> Output {
        let output = match block.language.as_str() {
            "python" => self.command(&self.python).arg("-c").arg(&block.text).output(),
            _ => {
                self.command(Path::new("bash")).args(["-e", "-o", "pipefail", "-c"]).arg(&block.text).output()
            }
        };
        output.unwrap()
    }

    /// Starts `logrecord serve`, and waits until it listens.
    fn serve(&mut self, line: &str) {
        self.end();
        let mut command = self.command(Path::new("bash"));
        let mut server =
            command.arg("-c").arg(format!("exec {line}")).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(server.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("listening on ") {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{line}: {said}");
        }
        // What it says later is read, so that it is never held up.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        self.server = Some(server);
    }

    fn end(&mut self) {
        if let Some(mut server) = self.server.take() {
            common::signal(&server, "TERM");
            assert!(common::wait(&mut server).success());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().ok();
            server.wait().ok();
        }
    }
}

/// Whether a text is the expected one, in which `...` stands for anything.
fn is_expected(text: &str, expected: &str) -> bool {
    let (text, expected) = (text.trim_end(), expected.trim_end());
    let mut parts = expected.split("...");
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = "";
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = rest.get(place + part.len()..).unwrap_or_default();
        last = part;
    }
    rest.is_empty() || (expected.contains("...") && text.ends_with(last))
}

/// Follows a document; gives how many blocks were run.
fn follow(name: &str) -> usize {
    let Some(python) = common::pythons().pop() else { return usize::MAX };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let blocks = blocks(&fs::read_to_string(root.join(name)).unwrap());
    let mut session = Session { folder: tempfile::tempdir().unwrap(), python, server: None };
    let mut ran = 0;
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("{name}, line {}", block.line);
        match block.language.as_str() {
            "toml" => {
                let file = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
                let file = file.unwrap_or_else(|| panic!("{place}: the first line names no file"));
                fs::write(session.folder.path().join(file), &block.text).unwrap();
            }
            "sh" if block.text.starts_with("logrecord serve") => {
                session.serve(block.text.trim_end());
                ran += 1;
            }
            "sh" | "python" => {
                let expected = blocks.get(number + 1).filter(|next| next.language == "text");
                let deadline = Instant::now() + PATIENCE;
                loop {
                    let output = session.run(block);
                    let text = String::from_utf8_lossy(&output.stdout);
                    if expected.is_some_and(|expected| is_expected(&text, &expected.text)) {
                        break;
                    }
                    if expected.is_none() && output.status.success() {
                        break;
                    }
                    assert!(expected.is_some() && Instant::now() < deadline, "{place}: {output:?}");
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                ran += 1;
            }
            _ => {}
        }
    }
    session.end();
    ran
}

#[test]
fn expectations_are_held_to_their_ends() {
    let rows = [
        ("a b c", "a ... c", true),
        ("a b c\n", "a b c", true),
        ("a b c d", "a ... c", false),
        ("a b", "a b c", false),
        ("x a", "a", false),
        ("", "", true),
        ("a", "", false),
        ("a b", "...b", true),
        ("a b", "a...", true),
    ];
    for (text, expected, holds) in rows {
        assert_eq!(is_expected(text, expected), holds, "{text:?} {expected:?}");
    }
}

#[test]
fn the_readme_works() {
    assert!(follow("README.md") >= 8);
}

#[test]
fn the_guide_to_deployment_works() {
    assert!(follow("docs/deploy.md") >= 8);
}

/// The units are what systemd understands, with this program in them.
#[test]
fn systemd_understands_the_units() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    let folder = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg("--man=no");
    for name in ["logrecord.service", "logrecord.socket"] {
        let unit = fs::read_to_string(packaging.join(name)).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, unit.replace("/usr/bin/logrecord", env!("CARGO_BIN_EXE_logrecord"))).unwrap();
        verify.arg(path);
    }
    let Ok(output) = verify.output() else {
        // Past the harness, which shows what a test prints only when it fails.
        std::io::stderr().write_all(b"SKIPPED: systemd-analyze is not here\n").unwrap();
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("logrecord."), "{said}");
}

/// Whoever starts it with `NOTIFY_SOCKET` hears that it is ready and that it stops, as `Type=notify` asks for.
#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_logrecord"))
        .args(["serve", "--quiet", "--tcp", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let heard = |expected: &str| {
        let mut state = [0; 64];
        let count = socket.recv(&mut state).unwrap();
        assert_eq!(String::from_utf8_lossy(&state[..count]).trim_end(), expected);
    };
    heard("READY=1");
    common::signal(&server, "TERM");
    heard("STOPPING=1");
    assert!(common::wait(&mut server).success());
}
