//! Starts the real program, and finds real Pythons.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code may fail loudly, and not every test uses every function"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) use testkit::bytes::frame;
pub(crate) use testkit::python::paths_or_skip as pythons;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A listener of each transport without TLS.
pub(crate) const EVERY_TRANSPORT: [&str; 8] =
    ["--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--unix", "DIR/stream", "--unix-dgram", "DIR/datagram"];

/// Writes a fresh certificate for a host that signs itself, and its key: `NAME.pem` and `NAME.key`.
pub(crate) fn write_identity(folder: &Path, name: &str, host: &str) {
    let identity = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), identity.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), identity.signing_key.serialize_pem()).unwrap();
}

/// Runs the program with some input until it ends.
pub(crate) fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_logrecord"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may end before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Standard output of a run, as lines.
pub(crate) fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

/// The messages of an output.
pub(crate) fn messages(lines: &[String]) -> Vec<String> {
    let message = |line: &String| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["message"].as_str().unwrap().to_owned()
    };
    lines.iter().map(message).collect()
}

/// The messages of an output; a record that stands there twice fails the test.
pub(crate) fn distinct_messages(lines: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for message in messages(lines) {
        assert!(found.insert(message.clone()), "twice: {message}");
    }
    found
}

/// A running `logrecord serve`.
pub(crate) struct Server {
    child: Child,
    errors: Receiver<String>,
    seen: Vec<String>,
    pub(crate) folder: tempfile::TempDir,
}

impl Server {
    /// Starts it with these arguments, in which `DIR` stands for a fresh folder, and waits until all
    /// its listeners are ready. Records go to `DIR/out`.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), args)
    }

    /// The same in a folder that is there already.
    pub(crate) fn start_in(folder: tempfile::TempDir, args: &[&str]) -> Self {
        let place = folder.path().display().to_string();
        let args: Vec<String> = args.iter().map(|arg| arg.replace("DIR", &place)).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.arg("serve").args(&args);
        if !args.iter().any(|arg| arg == "--output") {
            command.arg("--output").arg(folder.path().join("out"));
        }
        let wanted = ["--tcp", "--udp", "--unix", "--unix-dgram", "--tls"];
        let listeners = args.iter().filter(|arg| wanted.contains(&arg.as_str())).count();
        Self::launch(folder, command, if listeners == 0 { 2 } else { listeners })
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Starts it with a configuration file, in which the listeners are counted.
    pub(crate) fn start_with_config(folder: tempfile::TempDir, config: &str, listeners: usize) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.arg("serve").arg("--config").arg(config.replace("DIR", &folder.path().display().to_string()));
        Self::launch(folder, command, listeners)
    }

    /// Starts a command that becomes it.
    pub(crate) fn launch(folder: tempfile::TempDir, mut command: Command, listeners: usize) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = follow(child.stderr.take().unwrap());
        let mut server = Self { child, errors, seen: Vec::new(), folder };
        server.wait_for(|seen| {
            seen.iter().filter(|line| line.starts_with("listening on ")).count() == listeners
        });
        server
    }

    /// Reads standard error until a condition holds.
    pub(crate) fn wait_for(&mut self, enough: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(&self.seen) {
            match self.errors.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("standard error did not say it: {:#?}", self.seen),
            }
        }
    }

    /// The address behind a scheme, such as `127.0.0.1:40000` of `tcp`.
    pub(crate) fn address(&self, scheme: &str) -> String {
        let prefix = format!("listening on {scheme}://");
        let line = self.seen.iter().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("{:?}", self.seen)).to_owned()
    }

    /// Waits until the output has this many lines, and gives them.
    pub(crate) fn wait_for_output(&self, lines: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.output();
            if found.len() >= lines {
                return found;
            }
            assert!(Instant::now() < deadline, "{} of {lines} lines; {:?}", found.len(), self.seen);
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// The whole lines of the output so far.
    pub(crate) fn output(&self) -> Vec<String> {
        read_lines(&self.folder.path().join("out"))
    }

    /// Waits until it ends by itself; gives its exit code and all that it said.
    pub(crate) fn ended(mut self) -> (Option<i32>, Vec<String>) {
        let status = wait(&mut self.child);
        self.seen.extend(self.errors.iter());
        (status.code(), std::mem::take(&mut self.seen))
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Stops it with a signal; gives its exit code and all that it said.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, Vec<String>, tempfile::TempDir) {
        self.signal(signal);
        let status = wait(&mut self.child);
        self.seen.extend(self.errors.iter());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status.code(), std::mem::take(&mut self.seen), folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already where the test stopped it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits for the end of a process, and kills one that does not end.
pub(crate) fn wait(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("it did not end");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(status.unwrap().success());
}

/// Tries again until there is something.
pub(crate) fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// The lines of a file that end in a line feed; none if there is no file yet.
pub(crate) fn read_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(str::to_owned).collect()
}

/// How many records have arrived, as the counts line says.
pub(crate) fn received(server: &mut Server) -> u64 {
    let before = server.seen().len();
    server.signal("USR1");
    server.wait_for(|seen| seen.iter().skip(before).any(|line| line.starts_with("received=")));
    let line = server.seen().iter().rfind(|line| line.starts_with("received=")).unwrap();
    line.split(['=', ' ']).nth(1).unwrap().parse().unwrap()
}

/// The counts line: received, written, and the sum of all others.
pub(crate) fn counts(seen: &[String]) -> (u64, u64, u64) {
    let line = seen.iter().rfind(|line| line.starts_with("received=")).unwrap_or_else(|| panic!("{seen:#?}"));
    let summed = ["received", "written", "rejected", "dropped", "buffered"];
    let in_sum = |word: &&str| summed.iter().any(|sum| word.starts_with(sum));
    let mut numbers = line.split(' ').filter(in_sum).map(|word| {
        let (_, number) = word.rsplit_once('=').unwrap();
        number.parse::<u64>().unwrap()
    });
    let (received, written) = (numbers.next().unwrap(), numbers.next().unwrap());
    (received, written, numbers.sum())
}

/// The pickle of a record with a message, as protocol 1 writes it.
pub(crate) fn record(message: &str) -> Vec<u8> {
    let mut pickle =
        b"}q\x00(X\x04\x00\x00\x00nameq\x01X\x03\x00\x00\x00appq\x02X\x03\x00\x00\x00msgq\x03X".to_vec();
    pickle.extend_from_slice(&u32::try_from(message.len()).unwrap().to_le_bytes());
    pickle.extend_from_slice(message.as_bytes());
    pickle.extend_from_slice(
        b"q\x04X\x07\x00\x00\x00levelnoq\x05K\x14X\x09\x00\x00\x00levelnameq\x06X\x04\x00\x00\x00INFOq\x07u.",
    );
    pickle
}
