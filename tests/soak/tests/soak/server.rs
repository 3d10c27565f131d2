//! The program under trial as a child process: its port, its figures in `/proc`, and its end.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{Trial, until};

/// A child process that the case and its watchdog both hold.
pub(super) type SharedChild = Arc<Mutex<Child>>;

/// How long a program may take to listen.
const START: Duration = Duration::from_secs(10);

fn locked(child: &SharedChild) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills a child that still runs, and takes its status away.
pub(super) fn kill(child: &SharedChild) {
    let mut child = locked(child);
    // Neither can fail in a way that matters: a process that has ended is what is wanted.
    drop(child.kill());
    drop(child.wait());
}

/// Waits for a child to end by itself.
pub(super) fn ended(what: &str, child: &SharedChild, limit: Duration) -> Result<ExitStatus> {
    let mut status = None;
    until(what, limit, || {
        status = locked(child).try_wait()?;
        Ok(status.is_some())
    })?;
    status.context("no status")
}

/// Sends a signal to a child that has not been waited for.
pub(super) fn signal(child: &SharedChild, signal: Signal) -> Result<()> {
    let mut child = locked(child);
    ensure!(child.try_wait()?.is_none(), "the program has ended by itself");
    kill_process(Pid::from_child(&child), signal).context("cannot send a signal")
}

/// The lines that a child writes to standard error, as they come.
#[derive(Clone)]
pub(super) struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub(super) fn listen(stderr: ChildStderr) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self(lines)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `logrecord serve` on a port of 127.0.0.1.
pub(super) struct Server {
    pub(super) child: SharedChild,
    pub(super) port: u16,
    said: Said,
}

/// What a server has said at its end.
pub(super) struct End {
    pub(super) took: Duration,
    /// The lines before the counts and behind the address.
    pub(super) reports: Vec<String>,
    /// The line of counts.
    pub(super) counts: String,
}

impl Server {
    /// Starts `serve --tcp 127.0.0.1:0` with more arguments.
    pub(super) fn start<S: AsRef<OsStr>>(trial: &Trial, arguments: &[S]) -> Result<Self> {
        let mut command = Command::new(&trial.program);
        command.args(["serve", "--tcp", "127.0.0.1:0"]).args(arguments).stdout(Stdio::null());
        Self::spawn(trial, &mut command)
    }

    /// Starts a command that becomes a server, and waits for the line that tells its port.
    pub(super) fn spawn(trial: &Trial, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        let child = Arc::new(Mutex::new(child));
        trial.adopt(&child);
        let said = Said::listen(stderr);
        let mut port = None;
        until("the program listens", START, || {
            if let Some(status) = locked(&child).try_wait()? {
                bail!("the program ended with {status}: {}", said.lines().join(" / "));
            }
            port = said
                .lines()
                .iter()
                .find_map(|line| line.strip_prefix("listening on tcp://")?.rsplit_once(':')?.1.parse().ok());
            Ok(port.is_some())
        })?;
        Ok(Self { child, port: port.context("no port")?, said })
    }

    pub(super) fn reports(&self) -> Vec<String> {
        let lines = self.said.lines();
        lines.into_iter().filter(|line| !line.starts_with("listening on ")).collect()
    }

    fn proc(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", locked(&self.child).id());
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// Resident memory in KiB.
    pub(super) fn rss(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("no VmRSS")
    }

    /// Open descriptors.
    pub(super) fn descriptors(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", locked(&self.child).id());
        Ok(std::fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?.count())
    }

    /// Processor time so far, user and system together.
    pub(super) fn processor(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name, in brackets, may hold blanks; what follows it is numbers, of which these are 14 and 15 of all.
        let (_, rest) = stat.rsplit_once(')').context("stat has no name")?;
        let ticks: u64 =
            rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
        let second = rustix::param::clock_ticks_per_second().max(1);
        Ok(Duration::from_millis(ticks * 1_000 / second))
    }

    /// Connections of this server's port in whose receive queue nothing is left.
    pub(super) fn read_out(&self) -> Result<usize> {
        let table = self.proc("net/tcp")?;
        let port = format!(":{:04X}", self.port);
        let read = table.lines().skip(1).filter(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().unwrap_or_default();
            let state = fields.nth(1).unwrap_or_default();
            let queues = fields.next().unwrap_or_default();
            local.ends_with(&port) && state == "01" && queues.ends_with(":00000000")
        });
        Ok(read.count())
    }

    pub(super) fn signal(&self, which: Signal) -> Result<()> {
        signal(&self.child, which)
    }

    /// Stops the server with SIGINT and reads its counts, which must add up.
    pub(super) fn stop(self, limit: Duration) -> Result<End> {
        let begin = Instant::now();
        self.signal(Signal::INT)?;
        let status = ended("the program ends", &self.child, limit)?;
        let took = begin.elapsed();
        ensure!(status.success(), "the program ended with {status}");
        until("the counts are said", Duration::from_secs(2), || {
            Ok(self.reports().last().is_some_and(|line| line.starts_with("received=")))
        })?;
        let mut reports = self.reports();
        let counts = reports.pop().unwrap_or_default();
        let received = count(&counts, "received");
        let rest = count(&counts, "written") + count(&counts, "rejected") + count(&counts, "dropped");
        ensure!(received == rest, "the counts do not add up: {counts}");
        Ok(End { took, reports, counts })
    }
}

/// A number of the line of counts, summed over its reasons; 0 when it is not there.
pub(super) fn count(line: &str, name: &str) -> u64 {
    let numbers = line.split_whitespace().filter_map(|word| {
        let (key, number) = word.rsplit_once('=')?;
        if key.split('{').next() == Some(name) { number.parse::<u64>().ok() } else { None }
    });
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_found_by_name() {
        for (line, name, expected) in [
            ("received=12 written=9 dropped{drain}=1 dropped{output}=2", "dropped", 3),
            ("received=12 written=9", "rejected", 0),
            ("received=12 written=9", "received", 12),
        ] {
            assert_eq!(count(line, name), expected, "{line} {name}");
        }
    }
}
