//! How the program behaves towards whoever reads what it says: colours, few and many words, versions, man pages,
//! completions, pipes that are closed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

use common::{Server, frame, record, run};

fn logrecord() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

/// Variables of the environment.
type Variables = &'static [(&'static str, &'static str)];

/// A `serve` that writes text into a pipe, with the rest of its standard error and its address.
fn serve(args: &[&str], variables: Variables) -> (Child, ChildStderr, String) {
    let mut command = logrecord();
    command.args(["serve", "--tcp", "127.0.0.1:0", "--format", "text"]).args(args);
    command.envs(variables.iter().copied());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut stderr = child.stderr.take().unwrap();
    let address = loop {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
        if let Some(address) = said.trim_start().strip_prefix("listening on tcp://")
            && let Some(address) = address.strip_suffix('\n')
        {
            break address.to_owned();
        }
    };
    (child, stderr, address)
}

/// What `serve` writes into a pipe as text for one record.
fn line(args: &[&str], variables: Variables) -> String {
    let (mut child, _stderr, address) = serve(args, variables);
    TcpStream::connect(address).unwrap().write_all(&frame(&record("hello"))).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    common::signal(&child, "TERM");
    assert!(common::wait(&mut child).success());
    String::from_utf8(line).unwrap()
}

#[test]
fn colours_are_where_they_are_wanted() {
    let rows: [(&[&str], Variables, bool); 5] = [
        (&[], &[], false),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
        (&["--color=never"], &[("CLICOLOR_FORCE", "1")], false),
    ];
    for (args, variables, coloured) in rows {
        let line = line(args, variables);
        assert!(line.contains("hello"), "{line:?}");
        assert_eq!(line.contains('\x1b'), coloured, "{args:?} {variables:?}: {line:?}");
    }
    // Help is written before the command line has been read.
    let rows: [(&[&str], bool); 3] = [
        (&["--help"], false),
        (&["--color", "always", "serve", "--help"], true),
        (&["serve", "--color=always", "--help"], true),
    ];
    for (args, coloured) in rows {
        let output = logrecord().args(args).output().unwrap();
        assert_eq!(output.stdout.contains(&0x1b), coloured, "{args:?}");
    }
}

#[test]
fn quiet_says_what_is_wrong_and_verbose_what_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("log.sock");
    let mut quiet = logrecord()
        .args(["serve", "--quiet", "--output", "/dev/null", "--unix"])
        .arg(&socket)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut sender = common::until(|| std::os::unix::net::UnixStream::connect(&socket).ok());
    sender.write_all(&frame(&record("well"))).unwrap();
    sender.write_all(&frame(b"not a pickle")).unwrap();
    drop(sender);
    let mut stderr = quiet.stderr.take().unwrap();
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains('\n') {
        stderr.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    common::signal(&quiet, "TERM");
    stderr.read_to_string(&mut said).unwrap();
    assert!(common::wait(&mut quiet).success());
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("logrecord: "), "{said}");
    assert!(lines[1].starts_with("received=2 written=1 rejected"), "{said}");

    let mut server = Server::start(&[
        "--verbose",
        "--tcp",
        "127.0.0.1:0",
        "--dead-letter",
        "DIR/dead",
        "--spool",
        "DIR/spool",
    ]);
    for part in ["version ", "the spool ", "output output: ", "dead letters: "] {
        assert!(server.seen().iter().any(|line| line.contains(part)), "{part}: {:?}", server.seen());
    }
    // Nothing is held back: there are as many lines as refusals.
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    for _ in 0..5 {
        client.write_all(&frame(b"not a pickle")).unwrap();
    }
    let refused = |line: &&String| line.starts_with("logrecord: ") && line.contains("127.0.0.1:");
    server.wait_for(|seen| seen.iter().filter(refused).count() >= 5);

    let output = run(&["serve", "--quiet", "--verbose"], b"");
    assert_eq!(output.status.code(), Some(2));
    let key = folder.path().join("web.key");
    let output = logrecord().args(["-q", "key", "new"]).arg(&key).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty() && key.exists());
}

#[test]
fn a_configuration_file_goes_with_manners_and_with_nothing_else() {
    for (args, code) in [
        (["serve", "--config", "missing.toml", "--color", "never"].as_slice(), 78),
        (&["--quiet", "serve", "--config", "missing.toml"], 78),
        (&["serve", "--config", "missing.toml", "--tcp", "127.0.0.1:0"], 2),
        (&["serve", "--config", "missing.toml", "--raw"], 2),
    ] {
        let output = run(args, b"");
        assert_eq!(output.status.code(), Some(code), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_version_begins_with_the_number() {
    let output = run(&["--version"], b"");
    let version = String::from_utf8(output.stdout).unwrap();
    let rest = version.strip_prefix(concat!("logrecord ", env!("CARGO_PKG_VERSION"))).unwrap().trim_end();
    // With git and in a published crate a commit follows.
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    assert!(
        rest.is_empty() || commit.is_some_and(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "{version}"
    );
}

#[test]
fn readers_that_have_seen_enough_are_no_fault() {
    for args in [["serve", "--help"], ["completions", "zsh"], ["validate", "--print-sample"]] {
        let mut child = logrecord().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    }
    // As in `logrecord serve | head -1`: nothing is wrong, and the counts say what was not read.
    let (mut child, mut stderr, address) = serve(&[], &[]);
    drop(child.stdout.take());
    TcpStream::connect(address).unwrap().write_all(&frame(&record("unread"))).unwrap();
    assert!(common::wait(&mut child).success());
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let rest =
        "logrecord: closed output: its reader has seen enough\nreceived=1 written=0 dropped{closed}=1\n";
    assert!(said.ends_with(rest) && !said.contains("Broken pipe"), "{said}");
}

#[test]
fn an_address_that_is_taken_is_named_with_who_may_have_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for args in [&["--tcp", &address][..], &["--tcp", "127.0.0.1:0", "--admin", &address]] {
        let output = logrecord().arg("serve").args(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{said}");
        assert!(said.contains(&address) && said.contains("another `logrecord serve`"), "{said}");
    }
}

#[test]
fn each_command_has_a_man_page_with_its_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("share/man1");
    let output = logrecord().arg("man").arg(&man).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let page = |name: &str| std::fs::read_to_string(man.join(name)).unwrap();
    let serve = page("logrecord-serve.1");
    for part in
        [".SH SIGNALS\n\\&SIGINT", ".SH \"EXIT STATUS\"\n\\&0 well", ".SH EXAMPLES", ".nf\n", "NO_COLOR"]
    {
        assert!(serve.contains(part), "{part}: {serve}");
    }
    let names =
        ["", "-serve", "-send", "-decode", "-encode", "-inspect", "-validate", "-key-new", "-spool-verify"];
    for name in names {
        assert!(page(&format!("logrecord{name}.1")).contains("EXIT STATUS"), "{name}");
    }
    // What is written as it stands must not be taken for a request.
    let lines = serve.split(".nf\n").skip(1).filter_map(|part| part.split("\n.fi").next());
    assert!(lines.flat_map(str::lines).all(|line| line.starts_with("\\&")), "{serve}");
}

#[test]
fn shells_take_the_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell], b"");
        assert!(output.status.success());
        for word in ["serve", "dead-letter", "completions"] {
            assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{shell}: {word}");
        }
        // A syntax error in it would greet whoever opens the shell.
        let Ok(mut child) = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn() else { continue };
        child.stdin.take().unwrap().write_all(&output.stdout).unwrap();
        assert!(child.wait().unwrap().success(), "{shell} -n");
    }
}
