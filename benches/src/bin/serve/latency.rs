//! How long a record takes from its sender's write to the line in the output.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Ending, Frames, Receiver, word};
use testkit::process;

/// Records a second, and in all.
const RATE: u32 = 2_000;
const RECORDS: usize = 10_000;

/// The median, and what 99 of 100 stay below.
const AIMS: (Duration, Duration) = (Duration::from_micros(100), Duration::from_micros(300));

/// Measures over one connection into a pipe, and prints.
///
/// # Errors
///
/// When the program cannot be built or does not write what it gets.
pub(super) fn run() -> Result<()> {
    let program = process::build(&["-p", "logrecord-cli"], "logrecord")?;
    let frames = Frames::read()?;
    let mut command = Command::new(program);
    command.args(["serve", "--tcp", "127.0.0.1:0", "--format", "json"]).stdout(Stdio::piped());
    let mut serve = Receiver::start(command, "latency", Ending::Terminate)?;
    let lines = BufReader::new(serve.child.stdout.take().context("standard output is piped")?).split(b'\n');
    let arrivals = std::thread::spawn(move || -> Result<Vec<Instant>> {
        lines.take(RECORDS).map(|line| Ok(line.map(|_| Instant::now())?)).collect()
    });
    let mut stream = TcpStream::connect(&serve.address)?;
    stream.set_nodelay(true)?;
    let start = Instant::now();
    let mut sent = Vec::with_capacity(RECORDS);
    for number in 0..u32::try_from(RECORDS)? {
        let due = start + Duration::from_secs(1) * number / RATE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.push(Instant::now());
        stream.write_all(&frames.first)?;
    }
    let arrived = arrivals.join().unwrap_or_else(|_| bail!("the reader panicked"))?;
    ensure!(arrived.len() == sent.len(), "{} of {} records arrived", arrived.len(), sent.len());
    let mut times: Vec<Duration> = sent.iter().zip(arrived).map(|(sent, came)| came - *sent).collect();
    times.sort_unstable();
    let at = |part: usize| times.get(RECORDS * part / 100).copied().context("nothing was measured");
    let (median, most) = (at(50)?, at(99)?);
    println!(
        "latency              {:>9.3} ms median, {:.3} ms of 99 %, aims {:.1} and {:.1}{}",
        median.as_secs_f64() * 1e3,
        most.as_secs_f64() * 1e3,
        AIMS.0.as_secs_f64() * 1e3,
        AIMS.1.as_secs_f64() * 1e3,
        word(median <= AIMS.0 && most <= AIMS.1)
    );
    Ok(())
}
