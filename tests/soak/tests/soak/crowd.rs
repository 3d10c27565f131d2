//! Cases with many clients: idle ones, ones that announce much, and slow ones.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::server::Server;
use super::{Outcome, Trial, client, lines, messages, mib, until};

/// Memory that one idle connection may cost.
const PER_CONNECTION: u64 = 16 * 1024;

/// Memory that all clients which announce a long frame may cost together, in KiB.
const ANNOUNCED: u64 = 16 * 1024;

/// Clients of the cases `announce` and `slow`.
const CLIENTS: usize = 2_000;

/// Lines that the program may say about 2,000 slow clients.
const REPORTS: usize = 40;

/// Many connections that have sent a record and are silent since.
pub(super) fn idle(trial: &Trial) -> Result<Outcome> {
    let count = trial.possible(trial.connections);
    let output = trial.path("out");
    let server = Server::start(trial, &["--output".as_ref(), output.as_os_str()])?;
    let before = server.rss()?;
    let mut clients = client::crowd(server.port, count)?;
    for (index, client) in clients.iter_mut().enumerate() {
        client.write_all(&client::frame(&format!("m{index}")))?;
    }
    until("each connection's record is written", Duration::from_secs(20), || Ok(lines(&output) >= count))?;
    let after = server.rss()?;
    let each = after.saturating_sub(before) * 1024 / u64::try_from(count.max(1))?;
    drop(clients);
    let end = server.stop(Duration::from_secs(15))?;
    let less = if count < trial.connections { " (no more descriptors)" } else { "" };
    let figures = format!(
        "{count} connections{less}: {each} bytes each, {} -> {}; {}",
        mib(before),
        mib(after),
        end.counts
    );
    ensure!(each <= PER_CONNECTION, "over {PER_CONNECTION} bytes: {figures}");
    Ok(Outcome::Passed(figures))
}

/// Clients that announce a frame of 1 MiB and send little of it: memory must follow what came, not what was told.
pub(super) fn announce(trial: &Trial) -> Result<Outcome> {
    let count = trial.possible(CLIENTS);
    let server = Server::start(trial, &["--output", "/dev/null"])?;
    let before = server.rss()?;
    let mut clients = client::crowd(server.port, count)?;
    for client in &mut clients {
        client.write_all(&(1_u32 << 20).to_be_bytes())?;
    }
    // Nothing is said about a begun frame, but it has been read when the kernel holds nothing of it.
    until("each prefix is read", Duration::from_secs(20), || Ok(server.read_out()? >= count))?;
    let after = server.rss()?;
    drop(clients);
    let end = server.stop(Duration::from_secs(15))?;
    let more = after.saturating_sub(before);
    let figures = format!(
        "{count} clients announce 1 MiB: {} more, {} -> {}; {}",
        mib(more),
        mib(before),
        mib(after),
        end.counts
    );
    ensure!(more <= ANNOUNCED, "over {}: {figures}", mib(ANNOUNCED));
    Ok(Outcome::Passed(figures))
}

/// Clients that stop in the middle of a prefix are closed in time, and nobody else notices.
pub(super) fn slow(trial: &Trial) -> Result<Outcome> {
    const HONEST: usize = 50;
    let count = trial.possible(CLIENTS);
    let output = trial.path("out");
    let server = Server::start(
        trial,
        &["--output".as_ref(), output.as_os_str(), "--frame-timeout".as_ref(), "3s".as_ref()],
    )?;
    let before = server.descriptors()?;
    let mut honest = client::dial(server.port, 0)?;
    let mut clients = client::crowd(server.port, count)?;
    for client in &mut clients {
        client.write_all(&[0, 0, 1])?;
    }
    let begin = Instant::now();
    // The honest client goes on while the others wait for their end: its records come through at once each time.
    let mut longest = Duration::ZERO;
    for index in 0..HONEST {
        honest.write_all(&client::frame(&format!("m{index}")))?;
        let took =
            until("an honest record is written", Duration::from_secs(5), || Ok(lines(&output) > index))?;
        longest = longest.max(took);
    }
    let deadline = begin + Duration::from_secs(10);
    for client in &mut clients {
        client::closed_by(client, deadline)?;
    }
    let closed = begin.elapsed();
    honest.write_all(&client::frame("last"))?;
    until("the honest client's last record is written", Duration::from_secs(5), || {
        Ok(lines(&output) > HONEST)
    })?;
    drop(honest);
    drop(clients);
    until("the descriptors are as before", Duration::from_secs(5), || Ok(server.descriptors()? <= before))?;
    let end = server.stop(Duration::from_secs(10))?;
    let mut expected: Vec<String> = (0..HONEST).map(|index| format!("m{index}")).collect();
    expected.push("last".to_owned());
    ensure!(messages(&output)? == expected, "the honest client's records are not what it sent");
    let figures = format!(
        "{count} clients closed after {:.1} s, {} report lines, honest records within {} ms, {before} \
         descriptors before and after; {}",
        closed.as_secs_f64(),
        end.reports.len(),
        longest.as_millis(),
        end.counts
    );
    ensure!(end.reports.len() <= REPORTS, "over {REPORTS} lines: {figures}");
    Ok(Outcome::Passed(figures))
}
