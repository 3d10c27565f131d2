//! Running other programs, and where the workspace is.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// The workspace's root folder.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Cargo, as a command that runs in the workspace's root.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end with the terminal as its output.
///
/// # Errors
///
/// When it cannot be started or does not end well.
pub fn run(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    well(command, status)
}

fn well(command: &Command, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// As [`run`], but ends the command when it has taken this long.
///
/// # Errors
///
/// As [`run`], and when the time is over.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("{} took more than {} s", shown(command), limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    well(command, status)
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
///
/// When it cannot be started or does not end well; its standard error is part of the message.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output =
        command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}\n{said}", shown(command), output.status);
    }
    Ok(output.stdout)
}

/// Builds a program of the workspace with optimizations and returns its path. `what` are cargo's words for it,
/// such as `["-p", "logrecord-cli"]`, and `name` is the program's.
///
/// # Errors
///
/// When it does not build.
pub fn build(what: &[&str], name: &str) -> Result<PathBuf> {
    let report = output(cargo().args(["build", "--release", "--message-format", "json"]).args(what))?;
    String::from_utf8_lossy(&report)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo has not built {name}"))
}

/// Says that a test is skipped, past the harness, which shows what a test prints only when it fails.
pub fn skip(why: &str) {
    // Where standard error is gone there is nobody to tell.
    drop(std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()));
}

/// A NATS server with JetStream on loopback, which ends when this is dropped.
#[derive(Debug)]
pub struct NatsServer(Child);

impl NatsServer {
    /// Starts one whose store is in a folder. `LOGRECORD_NATS` names the program if it is not in the path; without one
    /// it is said that the test is skipped.
    #[must_use]
    pub fn start_or_skip(store: &Path, port: u16) -> Option<Self> {
        Self::start_with(store, port, &[])
    }

    /// The same with more arguments, such as those of a cluster.
    #[must_use]
    pub fn start_with(store: &Path, port: u16, arguments: &[String]) -> Option<Self> {
        let program = std::env::var_os("LOGRECORD_NATS").unwrap_or_else(|| "nats-server".into());
        let child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(store)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self(child)),
            Err(error) => {
                skip(&format!("no nats-server ({error}); nothing was published"));
                None
            }
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The command as a person would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
