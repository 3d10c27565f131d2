//! Cases of the output: a pipe that nobody reads, a full disk, and files that are moved away.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::server::{self, Said, Server, SharedChild, count};
use super::{Outcome, Trial, client, lines, messages, mib, until};
use testkit::process;

/// Memory that a server may take while its output is stalled, in KiB, beyond what it began with.
const STALLED: u64 = 32 * 1024;

/// What `--drain-timeout` is by default, the two seconds that the output gets, and one of scheduling.
pub(super) const DRAIN: Duration = Duration::from_secs(8);

/// An output pipe that nobody reads: the sender is held back, memory stays small, and the end is in time.
pub(super) fn stalled(trial: &Trial) -> Result<Outcome> {
    const MOST: u64 = 2_000_000;
    let mut command = Command::new(&trial.program);
    command
        .args(["serve", "--tcp", "127.0.0.1:0", "--format", "json", "--output", "-"])
        .stdout(Stdio::piped());
    let server = Server::spawn(trial, &mut command)?;
    let before = server.rss()?;
    let mut client = client::dial(server.port, 0)?;
    client.set_write_timeout(Some(Duration::from_secs(3)))?;
    let mut sent = 0;
    loop {
        match client.write_all(&client::frame(&format!("m{sent}"))) {
            Ok(()) => sent += 1,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error).context("the stalled connection"),
        }
        ensure!(sent < MOST, "{MOST} records went into a pipe that nobody reads");
    }
    let after = server.rss()?;
    let end = server.stop(DRAIN)?;
    drop(client);
    let more = after.saturating_sub(before);
    let figures = format!(
        "the sender is held back after {sent} records, {} more; ended after {:.2} s; {}",
        mib(more),
        end.took.as_secs_f64(),
        end.counts
    );
    ensure!(more <= STALLED, "over {}: {figures}", mib(STALLED));
    ensure!(count(&end.counts, "received") <= sent + 1, "more received than sent: {figures}");
    Ok(Outcome::Passed(figures))
}

/// A small file system in memory, gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf, size: &str) -> Result<Self> {
        std::fs::create_dir(&folder)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&folder);
        process::output(&mut command)?;
        Ok(Self(folder))
    }

    fn grow(&self, size: &str) -> Result<()> {
        let mut command = Command::new("mount");
        process::output(command.args(["-o", &format!("remount,size={size}")]).arg(&self.0))?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // With --lazy it goes even while a program that is about to be killed has a file open there.
        if let Err(error) = process::output(Command::new("umount").arg("--lazy").arg(&self.0)) {
            eprintln!("soak: {} stays mounted: {error:#}", self.0.display());
        }
    }
}

/// The disk fills up in the middle of a record, and gets space again: all records are there, each on a whole line.
pub(super) fn full(trial: &Trial) -> Result<Outcome> {
    const BEFORE: usize = 600;
    const ALL: usize = 800;
    if !rustix::process::geteuid().is_root() {
        return Ok(Outcome::Skipped("mounting a small disk needs root".to_owned()));
    }
    let disk = match Disk::mount(trial.path("disk"), "256k") {
        Ok(disk) => disk,
        Err(error) => return Ok(Outcome::Skipped(format!("no disk can be mounted: {error:#}"))),
    };
    let output = disk.0.join("out");
    let filler = disk.0.join("filler");
    std::fs::write(&filler, vec![b'x'; 100_000])?;
    let server = Server::start(trial, &["--output".as_ref(), output.as_os_str()])?;
    let mut client = client::dial(server.port, 0)?;
    for index in 0..BEFORE {
        client.write_all(&client::frame(&format!("m{index}")))?;
    }
    until("the program says that the disk is full", Duration::from_secs(5), || {
        Ok(server.reports().iter().any(|line| line.contains("No space left")))
    })?;
    let at_full = std::fs::metadata(&output)?.len();
    ensure!(lines(&output) < BEFORE, "the disk is not full");
    std::fs::remove_file(&filler)?;
    disk.grow("4m")?;
    for index in BEFORE..ALL {
        client.write_all(&client::frame(&format!("m{index}")))?;
    }
    let back = until("all records are written", Duration::from_secs(10), || Ok(lines(&output) >= ALL))?;
    drop(client);
    let end = server.stop(DRAIN)?;
    let expected: Vec<String> = (0..ALL).map(|index| format!("m{index}")).collect();
    let found = messages(&output)?;
    ensure!(found == expected, "{} lines are not the {ALL} records in order; {}", found.len(), end.counts);
    Ok(Outcome::Passed(format!(
        "full at {at_full} bytes, all {ALL} records there {} ms after space came back, no half line, {} report \
         lines; {}",
        back.as_millis(),
        end.reports.len(),
        end.counts
    )))
}

/// A key file made by the program.
pub(super) fn key(trial: &Trial, name: &str) -> Result<String> {
    let path = trial.path(&format!("{name}.key"));
    process::output(Command::new(&trial.program).args(["key", "new"]).arg(&path))?;
    Ok(format!("{name}={}", path.display()))
}

/// A `logrecord send` that signs, fed by a thread with `count` lines.
pub(super) fn sender(trial: &Trial, port: u16, key: &str, count: usize) -> Result<(SharedChild, Said)> {
    let mut command = Command::new(&trial.program);
    command.args(["send", "--tcp", &format!("127.0.0.1:{port}"), "--hmac-key", key]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut input = child.stdin.take().context("standard input is piped")?;
    let said = Said::listen(child.stderr.take().context("standard error is piped")?);
    let name = key.split('=').next().unwrap_or_default().to_owned();
    thread::spawn(move || {
        for index in 0..count {
            // A sender that ended early shows in the counts.
            if writeln!(input, "{name} {index}").is_err() {
                break;
            }
            if index % 500 == 499 {
                // The stream lasts as long as the reloads do.
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let child = Arc::new(Mutex::new(child));
    trial.adopt(&child);
    Ok((child, said))
}

/// Output files are moved away and keys read again while signed records flow: none is lost, none refused.
pub(super) fn rotate(trial: &Trial) -> Result<Outcome> {
    const EACH: usize = 40_000;
    const RELOADS: usize = 10;
    let keys = [key(trial, "a")?, key(trial, "b")?];
    let output = trial.path("out");
    let server = Server::start(
        trial,
        &[
            "--hmac-key".as_ref(),
            keys[0].as_ref(),
            "--hmac-key".as_ref(),
            keys[1].as_ref(),
            "--output".as_ref(),
            output.as_os_str(),
        ],
    )?;
    let senders = [sender(trial, server.port, &keys[0], EACH)?, sender(trial, server.port, &keys[1], EACH)?];
    let mut files: Vec<PathBuf> = Vec::new();
    let reloads =
        |server: &Server| server.reports().iter().filter(|line| line.contains("logrecord: reloaded")).count();
    for round in 0..RELOADS {
        // Some records are in each file, so that each reload falls between records.
        until("records flow", Duration::from_secs(5), || Ok(lines(&output) > 500))?;
        let moved = trial.path(&format!("out.{round}"));
        std::fs::rename(&output, &moved)?;
        files.push(moved);
        server.signal(Signal::HUP)?;
        until("the program reloads", Duration::from_secs(5), || {
            Ok(reloads(&server) > round && output.exists())
        })?;
    }
    let flowing = senders.iter().filter(|sender| !is_ended(&sender.0)).count();
    for (child, said) in &senders {
        let status = server::ended("a sender ends", child, Duration::from_secs(30))?;
        ensure!(status.success(), "a sender ended with {status}: {}", said.lines().join(" / "));
    }
    files.push(output);
    until("all records are written", Duration::from_secs(10), || {
        Ok(files.iter().map(|file| lines(file)).sum::<usize>() >= 2 * EACH)
    })?;
    let end = server.stop(DRAIN)?;
    in_order(&files, EACH)?;
    ensure!(count(&end.counts, "rejected") + count(&end.counts, "dropped") == 0, "{}", end.counts);
    ensure!(flowing > 0, "both senders were at their end before the last reload");
    Ok(Outcome::Passed(format!(
        "{RELOADS} reloads while {} signed records flowed from 2 senders, into {} files; {}",
        2 * EACH,
        files.len(),
        end.counts
    )))
}

fn is_ended(child: &SharedChild) -> bool {
    child.lock().is_ok_and(|mut child| child.try_wait().is_ok_and(|status| status.is_some()))
}

/// That the files together hold each sender's lines, all and in order.
fn in_order(files: &[impl AsRef<Path>], each: usize) -> Result<()> {
    let mut next = [0_usize; 2];
    for file in files {
        for message in messages(file.as_ref())? {
            let (name, index) = message.split_once(' ').context("a message of nobody")?;
            let sender = usize::from(name == "b");
            if index.parse() != Ok(next[sender]) {
                bail!("{message} stands where {name} {} was expected", next[sender]);
            }
            next[sender] += 1;
        }
    }
    ensure!(next == [each; 2], "{next:?} records, {each} each were sent");
    Ok(())
}
