//! The case of a program that has no descriptors left.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::server::Server;
use super::{Outcome, Trial, client, lines, messages, until};

/// Descriptors that the program gets.
const DESCRIPTORS: &str = "64";

/// Clients that want to connect.
const CLIENTS: usize = 200;

/// How long the program's processor time is watched.
const WATCH: Duration = Duration::from_secs(4);

/// More clients than descriptors: the program neither spins nor forgets its old connections, and takes new ones
/// when descriptors are free again.
pub(super) fn emfile(trial: &Trial) -> Result<Outcome> {
    let output = trial.path("out");
    // The shell lowers its own limit, and the program that takes its place inherits it.
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"")])
        .arg(&trial.program)
        .args(["serve", "--tcp", "127.0.0.1:0", "--output"])
        .arg(&output)
        .stdout(Stdio::null());
    let server = Server::spawn(trial, &mut command)?;
    let mut clients = client::crowd(server.port, CLIENTS)?;
    until("the program says that it has no descriptors", Duration::from_secs(5), || {
        Ok(server.descriptors()? >= 60 && !server.reports().is_empty())
    })?;
    let before = server.processor()?;
    // The one thing here that is a span of time and no condition: processor time is measured over it.
    thread::sleep(WATCH);
    let used = server.processor()?.saturating_sub(before);
    let percent = used.as_secs_f64() / WATCH.as_secs_f64() * 100.0;
    clients[0].write_all(&client::frame("old"))?;
    let old =
        until("an old connection's record is written", Duration::from_secs(2), || Ok(lines(&output) == 1))?;
    clients.truncate(1);
    let mut fresh = client::dial(server.port, 1)?;
    fresh.write_all(&client::frame("fresh"))?;
    let recovered =
        until("a fresh connection's record is written", Duration::from_secs(5), || Ok(lines(&output) == 2))?;
    drop((clients, fresh));
    let end = server.stop(Duration::from_secs(10))?;
    ensure!(messages(&output)? == ["old", "fresh"], "the output is not what was sent");
    let figures = format!(
        "{DESCRIPTORS} descriptors, {CLIENTS} clients: {percent:.1} % of a processor over {} s, old connection \
         {} ms, fresh one {} ms after the others left, {} report lines; {}",
        WATCH.as_secs(),
        old.as_millis(),
        recovered.as_millis(),
        end.reports.len(),
        end.counts
    );
    ensure!(percent <= 5.0, "over 5 %: {figures}");
    Ok(Outcome::Passed(figures))
}
