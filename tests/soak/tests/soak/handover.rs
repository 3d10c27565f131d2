//! The case of a receiver that is replaced again and again, while stock clients of every Python send.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::python;

use super::server::{self, Server};
use super::{Lines, Outcome, Trial, client, until};

/// Records a second of all clients together.
const RATE: u64 = 2_400;

/// Connections that are cut inside of a frame at each hand-over.
const CUT: usize = 10;

/// `serve --takeover` under load: nothing is lost, nothing comes twice, and no call of a logger waits for long.
pub(super) fn handover(trial: &Trial) -> Result<Outcome> {
    let pythons = python::find();
    if pythons.is_empty() {
        return Ok(Outcome::Skipped("no CPython found".to_owned()));
    }
    let out = trial.path("out");
    let start = |port: u16| {
        let mut command = Command::new(&trial.program);
        command
            .args(["serve", "--tcp", &format!("127.0.0.1:{port}"), "--takeover"])
            .arg(trial.path("takeover"));
        command.arg("--spool").arg(trial.path("spool")).arg("--output").arg(&out).stdout(Stdio::null());
        Server::spawn(trial, &mut command)
    };
    // The address in the configuration has to be the same for all of them.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = start(port)?;
    let idle = client::crowd(port, trial.possible(4_000).min(trial.connections))?;
    let mut cut = client::crowd(port, CUT)?;
    let each = RATE / pythons.len() as u64;
    let mut clients = Vec::new();
    for (index, python) in pythons.iter().enumerate() {
        let mut child = python
            .command()
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("client.py"))
            .args([port.to_string(), "3600".to_owned(), each.to_string(), format!("p{index} ")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, answer) = (child.stdin.take(), child.stdout.take().context("standard output is piped")?);
        let child = Arc::new(Mutex::new(child));
        trial.adopt(&child);
        clients.push((child, input, answer));
    }
    let frame = client::frame("cut");
    let mut written = Lines::of(&out);
    let (mut pauses, mut expected) = (Vec::new(), 0);
    for round in 0..trial.rounds {
        let from = written.count();
        until("records flow", Duration::from_secs(30), || Ok(written.count() >= from + 240))?;
        for (index, connection) in cut.iter_mut().enumerate() {
            connection.write_all(frame.get(..cut_at(index, round, frame.len())).context("inside")?)?;
        }
        let next = start(port)?;
        let status = server::ended("the old one ends", &server.child, Duration::from_secs(20))?;
        ensure!(status.success(), "the old one ended with {status}: {}", server.reports().join(" / "));
        let reports = server.reports();
        let pause = reports.iter().find_map(|line| {
            line.strip_prefix("logrecord: handed over in ")?.split(' ').next()?.parse::<u64>().ok()
        });
        pauses.push(pause.with_context(|| format!("no pause in {}", reports.join(" / ")))?);
        for (index, connection) in cut.iter_mut().enumerate() {
            connection.write_all(frame.get(cut_at(index, round, frame.len())..).context("inside")?)?;
        }
        expected += CUT;
        server = next;
    }
    let (mut sent, mut worst) = (0, 0_u64);
    for (child, input, mut answer) in clients {
        // The end of its input is what it waits for.
        drop(input);
        let status = server::ended("a client ends", &child, Duration::from_secs(20))?;
        ensure!(status.success(), "a client ended with {status}");
        let mut text = String::new();
        answer.read_to_string(&mut text)?;
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        sent += usize::try_from(numbers.next().context("a count")??)?;
        worst = worst.max(numbers.next().context("the worst call")??);
    }
    expected += sent;
    until("all of it is written", Duration::from_secs(30), || Ok(written.count() >= expected))?;
    drop(idle);
    server::kill(&server.child);
    let messages = super::messages(&out)?;
    let (cuts, numbered): (Vec<_>, Vec<_>) = messages.iter().partition(|message| *message == "cut");
    let distinct: HashSet<_> = numbered.iter().collect();
    ensure!(distinct.len() == numbered.len(), "{} records twice", numbered.len() - distinct.len());
    ensure!(
        numbered.len() == sent && cuts.len() == expected - sent,
        "{} of {sent}, {} cut ones",
        numbered.len(),
        cuts.len()
    );
    pauses.sort_unstable();
    Ok(Outcome::Passed(format!(
        "{} hand-overs, {} CPythons, {} idle connections: {sent} of {sent} records, {} of {} cut frames, none twice; {} to {} ms \
         each, median {}; worst call of a logger {worst} ms",
        trial.rounds,
        pythons.len(),
        trial.possible(4_000).min(trial.connections),
        cuts.len(),
        cuts.len(),
        pauses.first().unwrap_or(&0),
        pauses.last().unwrap_or(&0),
        pauses.get(pauses.len() / 2).unwrap_or(&0)
    )))
}

/// Where the frame of a connection is cut: in the prefix, or in the body.
const fn cut_at(index: usize, round: usize, len: usize) -> usize {
    1 + (index * 31 + round * 7) % (len - 1)
}
