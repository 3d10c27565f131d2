//! The case of a wall clock that jumps.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::{self, Said, Server, count};
use super::{Outcome, Trial, client, lines, messages, output, until};
use testkit::process;

/// Where the receiver's clock jumps to, one after the other, in the words of libfaketime.
const JUMPS: [&str; 4] = ["+1d", "-1d", "+3650d", "+0"];

/// The receiver's wall clock jumps by days, both ways: a begun frame is not closed for it, a signed stream that is
/// known loses nothing, and the end is in time.
pub(super) fn clock(trial: &Trial) -> Result<Outcome> {
    const EACH: usize = 100;
    // The program `faketime` knows where its library is; the clock is then set through a file, which can change.
    let Ok(environment) = process::output(Command::new("faketime").args(["-f", "+0", "env"])) else {
        return Ok(Outcome::Skipped("faketime is not installed".to_owned()));
    };
    let environment = String::from_utf8_lossy(&environment);
    let library = environment.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="));
    let library = library.context("faketime sets no LD_PRELOAD")?;
    let time = trial.path("time");
    let set = |to: &str| -> Result<()> {
        // Renamed into its place, so that nobody reads half of it.
        let fresh = trial.path("time.new");
        std::fs::write(&fresh, format!("{to}\n"))?;
        Ok(std::fs::rename(&fresh, &time)?)
    };
    set("+0")?;
    let start = |arguments: &[&str]| {
        let mut command = Command::new(&trial.program);
        command
            .args(["serve", "--tcp", "127.0.0.1:0"])
            .args(arguments)
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", &time)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdout(Stdio::null());
        Server::spawn(trial, &mut command)
    };
    let (plain_out, signed_out) = (trial.path("plain"), trial.path("signed"));
    let key = output::key(trial, "a")?;
    let plain = start(&["--output", &plain_out.to_string_lossy()])?;
    let signed = start(&["--output", &signed_out.to_string_lossy(), "--hmac-key", &key])?;

    let mut command = Command::new(&trial.program);
    command.args(["send", "--tcp", &format!("127.0.0.1:{}", signed.port), "--hmac-key", &key]);
    let mut sender = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut input = sender.stdin.take().context("standard input is piped")?;
    let said = Said::listen(sender.stderr.take().context("standard error is piped")?);
    let sender = Arc::new(Mutex::new(sender));
    trial.adopt(&sender);
    let mut connection = client::dial(plain.port, 0)?;

    let mut fed = 0;
    let mut feed = |count: usize| -> Result<()> {
        for _ in 0..count {
            writeln!(input, "m{fed}")?;
            fed += 1;
        }
        input.flush()?;
        until("signed records are written", Duration::from_secs(5), || Ok(lines(&signed_out) >= fed))?;
        Ok(())
    };
    feed(EACH)?;
    for (index, jump) in JUMPS.iter().enumerate() {
        let frame = client::frame(&format!("m{index}"));
        let (begun, rest) = frame.split_at(frame.len() / 2);
        connection.write_all(begun)?;
        until("half a frame is read", Duration::from_secs(5), || Ok(plain.read_out()? == 1))?;
        set(jump)?;
        feed(EACH)?;
        connection.write_all(rest)?;
        until("the begun frame is written", Duration::from_secs(5), || Ok(lines(&plain_out) > index))?;
    }
    drop(input);
    drop(connection);
    let status = server::ended("the sender ends", &sender, Duration::from_secs(10))?;
    ensure!(status.success(), "the sender ended with {status}: {}", said.lines().join(" / "));
    // The proof that the clock did jump: a stream that is new is far from it.
    set(JUMPS[0])?;
    let (late, late_said) = output::sender(trial, signed.port, &key, 1)?;
    let status = server::ended("the late sender ends", &late, Duration::from_secs(10))?;
    ensure!(status.success(), "the late sender ended with {status}: {}", late_said.lines().join(" / "));
    set(JUMPS[1])?;
    let plain_end = plain.stop(output::DRAIN)?;
    let signed_end = signed.stop(output::DRAIN)?;
    let expected: Vec<String> = (0..EACH * (JUMPS.len() + 1)).map(|index| format!("m{index}")).collect();
    ensure!(messages(&signed_out)? == expected, "signed records are missing: {}", signed_end.counts);
    for (end, rejected) in [(&plain_end, 0), (&signed_end, 1)] {
        ensure!(count(&end.counts, "dropped") == 0, "{}", end.counts);
        ensure!(count(&end.counts, "rejected") == rejected, "{}", end.counts);
    }
    ensure!(signed_end.counts.contains("skew"), "the clock did not jump: {}", signed_end.counts);
    Ok(Outcome::Passed(format!(
        "jumps {}: begun frames completed ({}), a signed stream went on and a new one was refused ({})",
        JUMPS.join(" "),
        plain_end.counts,
        signed_end.counts
    )))
}
