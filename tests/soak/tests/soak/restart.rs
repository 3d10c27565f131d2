//! The case of a receiver that is killed and started again while a stock Python client sends.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::server::{self, Server};
use super::{Outcome, Trial, lines, messages, until};
use testkit::python;

/// Records a second of the client.
const RATE: u64 = 1_000;

/// How long the receiver is away, each time that it is killed.
const AWAY: [Duration; 2] = [Duration::ZERO, Duration::from_millis(1_500)];

/// When `SocketHandler` tries to connect, in milliseconds after the first attempt that failed.
const ATTEMPTS: [u64; 6] = [0, 1_000, 3_000, 7_000, 15_000, 31_000];

/// What starting, noticing and polling may add.
const SLACK: Duration = Duration::from_millis(1_500);

/// SIGKILL, and a fresh program on the same port and the same output file: no half line, and records again as soon
/// as the client's back-off lets them.
pub(super) fn restart(trial: &Trial) -> Result<Outcome> {
    let Some(python) = python::find().pop() else {
        return Ok(Outcome::Skipped("no CPython found".to_owned()));
    };
    let output = trial.path("out");
    let mut server = Server::start(trial, &["--output".as_ref(), output.as_os_str()])?;
    let port = server.port;
    let mut client = python
        .command()
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("client.py"))
        .args([port.to_string(), trial.seconds.to_string(), RATE.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answer = client.stdout.take().context("standard output is piped")?;
    let client = Arc::new(Mutex::new(client));
    trial.adopt(&client);

    // Records flow for a sixth of the time before each kill.
    let flow = usize::try_from(RATE * trial.seconds / 6)?;
    let mut outages = Vec::new();
    for away in AWAY {
        let from = lines(&output);
        until("records flow", Duration::from_secs(15), || Ok(lines(&output) >= from + flow))?;
        server::kill(&server.child);
        let killed = Instant::now();
        let at_kill = lines(&output);
        thread::sleep(away);
        let mut command = Command::new(&trial.program);
        command.args(["serve", "--tcp", &format!("127.0.0.1:{port}"), "--output"]).arg(&output);
        server = Server::spawn(trial, command.stdout(Stdio::null()))?;
        let down = killed.elapsed();
        let attempt = ATTEMPTS.iter().map(|at| Duration::from_millis(*at)).find(|at| *at >= down);
        let limit = attempt.context("the receiver was away for too long")? + SLACK;
        until("the new receiver writes records", limit, || Ok(lines(&output) > at_kill))?;
        let outage = killed.elapsed();
        ensure!(
            outage <= limit,
            "records again after {outage:.1?} only, {down:.1?} of it without a receiver"
        );
        outages.push(outage);
    }

    let status = server::ended("the client ends", &client, Duration::from_secs(trial.seconds + 5))?;
    ensure!(status.success(), "the client ended with {status}");
    let mut text = String::new();
    answer.read_to_string(&mut text)?;
    let sent: usize =
        text.split_whitespace().next().unwrap_or_default().parse().context("the client's count")?;
    let end = server.stop(Duration::from_secs(10))?;

    let numbers: Vec<usize> =
        messages(&output)?.iter().map(|message| message.parse()).collect::<Result<_, _>>()?;
    ensure!(numbers.is_sorted_by(|a, b| a < b), "records are doubled or out of order");
    ensure!(
        numbers.last() == sent.checked_sub(1).as_ref(),
        "the last record sent is not the last one written"
    );
    let lost = sent - numbers.len();
    let away: Duration = outages.iter().sum();
    // What a killed receiver had not written yet, and what is sent while there is none.
    let allowed = usize::try_from(away.as_millis() * u128::from(RATE) / 1_000)? + 500;
    let figures = format!(
        "CPython {} at {RATE}/s: sent {sent}, received {}, lost {lost}; records again {} after SIGKILL; no half \
         line; at the end {}",
        python.full,
        numbers.len(),
        outages
            .iter()
            .map(|outage| format!("{:.2} s", outage.as_secs_f64()))
            .collect::<Vec<_>>()
            .join(" and "),
        end.counts
    );
    ensure!(lost <= allowed, "over {allowed} lost: {figures}");
    Ok(Outcome::Passed(figures))
}
