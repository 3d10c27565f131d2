//! `logrecord serve` under load, beside a program that only copies the bytes and a Python receiver that writes the same
//! JSON; with a spool; and its memory.
//!
//! What counts is CPU time, the kernel's included: the load generator runs on the same machine, and the wall clock
//! would measure both. It is read from `/proc/PID/stat` after the program has ended and before it is waited for. The
//! spool alone is measured by the wall clock, because it is the disk that it waits for.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use clap::Parser;
use testkit::{process, python};

mod floor;
mod latency;

/// Measures `logrecord serve`, on Linux, whose /proc it reads.
#[derive(Debug, Parser)]
struct Options {
    /// Which CPython to measure beside; the newest one by default.
    #[arg(long, default_value = "all", value_name = "VERSION")]
    python: String,
    /// How often both sides are measured in turn; the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many records the load generator sends to `logrecord serve`; a tenth of it to Python.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// How many idle connections are held open to measure their memory.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Be the program that copies bytes and does nothing else; for the benchmark itself.
    #[arg(long, value_name = "OUTPUT", hide = true)]
    floor: Option<PathBuf>,
}

/// Connections of the load generator.
const CONNECTIONS: u64 = 4;

/// Records per CPU second, as a part of what the floor does.
const FLOOR: f64 = 0.5;

/// Times Python's records per CPU second.
const PYTHON: f64 = 12.0;

/// Records per second through a spool that is synced.
const SPOOL: f64 = 100_000.0;

/// Most memory of an idle program, and of one idle connection, in KiB.
const MEMORY: (u64, f64) = (15 << 10, 16.0);

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(output) = &options.floor {
        return floor::run(output, CONNECTIONS);
    }
    let python = python::newest(&options.python)?;
    throughput(&options, &python)?;
    latency::run()
}

/// Measures and prints; a missed aim is no error.
fn throughput(options: &Options, python: &python::Python) -> Result<()> {
    let program = process::build(&["-p", "logrecord-cli"], "logrecord")?;
    let folder = tempfile::tempdir()?;
    let frames = Frames::read()?;
    println!("\nserve --format json, tcp, {CONNECTIONS} connections, output to a file");
    let here = folder.path().join("here");
    let there = folder.path().join("there");
    let (mut floor, mut rust) = (0.0_f64, 0.0_f64);
    for _ in 0..options.rounds.max(1) {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--floor").arg(&there);
        let mut copy = Receiver::start(command, "floor", Ending::Alone)?;
        floor = floor.max(copy.measure(&frames, options.records)?);
        fs::remove_file(&there)?;
        if here.exists() {
            fs::remove_file(&here)?;
        }
        let mut serve = Receiver::start(serve_command(&program, &here), "here", Ending::Terminate)?;
        rust = rust.max(serve.measure(&frames, options.records)?);
    }
    let mut receiver = python.command();
    receiver.arg(process::root().join("benches/receiver.py"));
    receiver.arg(&there).arg(CONNECTIONS.to_string());
    let mut receiver = Receiver::start(receiver, "CPython", Ending::Alone)?;
    let cpython = receiver.measure(&frames, options.records / 10)?;
    same_line(&here, &there)?;
    fs::remove_file(&here)?;
    println!("here                 {rust:>12.0} records per CPU second");
    for (name, other, aim) in
        [("the floor", floor, FLOOR), (&*format!("CPython {}", python.full), cpython, PYTHON)]
    {
        let ratio = rust / other;
        println!("{name:<20} {other:>12.0} records per CPU second");
        println!("ratio                {ratio:>12.2}, aim {aim}{}", word(ratio >= aim));
    }
    let spool = folder.path().join("spool");
    let mut command = serve_command(&program, &here);
    command.arg("--spool").arg(&spool);
    let mut serve = Receiver::start(command, "with a spool", Ending::Drained)?;
    let start = Instant::now();
    serve.measure(&frames, options.records / 4)?;
    #[allow(clippy::as_conversions, reason = "the count is far below 2^52")]
    let rate = (options.records / 4) as f64 / start.elapsed().as_secs_f64();
    println!("with a spool         {rate:>12.0} records per second, aim {SPOOL:.0}{}", word(rate >= SPOOL));
    memory(&program, options.connections)
}

const fn word(good: bool) -> &'static str {
    if good { "" } else { "  MISSED" }
}

fn serve_command(program: &Path, output: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--tcp", "127.0.0.1:0", "--format", "json", "--output"]).arg(output);
    command
}

/// Real frames, repeated to a block that is worth one write.
struct Frames {
    block: Vec<u8>,
    /// One of them.
    first: Vec<u8>,
    /// Records in the block.
    records: u64,
}

impl Frames {
    /// Stock records as CPython 3.13 sends them.
    fn read() -> Result<Self> {
        let path = process::root().join("testdata/frames/worker_plain.3.13.frames");
        let stream = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut rest = &stream[..];
        let mut once = 0;
        let mut first = 0;
        while let Some((prefix, payload)) = rest.split_first_chunk() {
            let len = usize::try_from(u32::from_be_bytes(*prefix))?;
            rest = payload.get(len..).context("the golden stream is cut")?;
            once += 1;
            if once == 1 {
                first = stream.len() - rest.len();
            }
        }
        ensure!(once > 0, "the golden stream is empty");
        let times = 1_000_u64.div_ceil(once);
        let block = stream.repeat(usize::try_from(times)?);
        Ok(Self { block, first: stream.get(..first).unwrap_or_default().to_vec(), records: once * times })
    }

    /// Sends about so many records over one connection; tells how many.
    fn send(&self, address: &str, records: u64) -> Result<u64> {
        let mut stream = TcpStream::connect(address)?;
        let blocks = records.div_ceil(self.records).max(1);
        for _ in 0..blocks {
            stream.write_all(&self.block)?;
        }
        Ok(blocks * self.records)
    }
}

/// How a receiver comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By a signal, after which it still reads what has arrived.
    Terminate,
    /// By a signal, once it says that it has written everything.
    Drained,
    /// After the last connection.
    Alone,
}

/// A program that receives; it is ended when this is dropped.
struct Receiver {
    child: Child,
    said: BufReader<ChildStderr>,
    address: String,
    name: &'static str,
    ending: Ending,
}

impl Receiver {
    fn start(mut command: Command, name: &'static str, ending: Ending) -> Result<Self> {
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("standard error is piped")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("listening on tcp://") else {
            child.kill()?;
            child.wait()?;
            bail!("it does not listen: {line}");
        };
        Ok(Self { child, said, address: address.to_owned(), name, ending })
    }

    /// Sends records and gives how many it took in a second of its CPU time.
    fn measure(&mut self, frames: &Frames, records: u64) -> Result<f64> {
        let address = &self.address;
        let sent: u64 = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..CONNECTIONS)
                .map(|_| scope.spawn(move || frames.send(address, records / CONNECTIONS)))
                .collect();
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap_or_else(|_| bail!("a sender panicked")))
                .sum::<Result<u64>>()
        })?;
        let mut said = String::new();
        if self.ending == Ending::Drained {
            let deadline = Instant::now() + Duration::from_secs(300);
            while !said.contains(&format!("written={sent}")) {
                ensure!(Instant::now() < deadline, "it does not write everything: {said}");
                std::thread::sleep(Duration::from_millis(20));
                signal(&self.child, "USR1")?;
                said.clear();
                self.said.read_line(&mut said)?;
            }
        }
        if self.ending != Ending::Alone {
            signal(&self.child, "TERM")?;
        }
        self.said.read_to_string(&mut said)?;
        // Its standard error is closed a moment before its time is final.
        let (user, system) = cpu_seconds(self.child.id())?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the receiver ended with {status}: {said}");
        if self.ending != Ending::Alone {
            ensure!(said.contains(&format!("written={sent}")), "sent {sent} records, but: {said}");
        }
        #[allow(clippy::as_conversions, reason = "the count is far below 2^52")]
        let records = sent as f64;
        println!(
            "{:<20} {sent:>12} records, {user:.2} s of its own and {system:.2} s of the kernel",
            self.name
        );
        Ok(records / (user + system).max(0.01))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn signal(child: &Child, name: &str) -> Result<()> {
    process::run(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]))
}

/// User and system time of a program that has ended and was not waited for; gives it a moment to end.
fn cpu_seconds(id: u32) -> Result<(f64, f64)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name stands in parentheses and may hold anything; what follows has fixed places.
        let (_, fields) = stat.rsplit_once(')').context("unknown format of /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let (Some(&state), Some(user), Some(system)) = (fields.first(), fields.get(11), fields.get(12))
        else {
            bail!("unknown format of /proc/PID/stat");
        };
        if state == "Z" {
            // Linux gives these times in hundredths of a second on every platform that Rust's std supports.
            return Ok((user.parse::<f64>()? / 100.0, system.parse::<f64>()? / 100.0));
        }
        ensure!(Instant::now() < deadline, "the receiver does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Both sides must have written the same, but for the peer's port.
fn same_line(here: &Path, there: &Path) -> Result<()> {
    let first = |path: &Path| -> Result<serde_json::Value> {
        let mut line = String::new();
        BufReader::new(File::open(path)?).read_line(&mut line)?;
        let mut value: serde_json::Value = serde_json::from_str(&line)?;
        if let Some(source) = value["source"].as_object_mut() {
            source.remove("peer");
        }
        Ok(value)
    };
    let (here, there) = (first(here)?, first(there)?);
    ensure!(here == there, "the receivers do not write the same:\n{here}\n{there}");
    Ok(())
}

/// Memory at rest, and with many connections that say nothing.
fn memory(program: &Path, connections: usize) -> Result<()> {
    let connections = affordable(connections);
    let serve = Receiver::start(serve_command(program, Path::new("/dev/null")), "idle", Ending::Terminate)?;
    let idle = resident(serve.child.id())?;
    println!("idle                 {idle:>12} KiB, aim {}{}", MEMORY.0, word(idle <= MEMORY.0));
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        streams.push(TcpStream::connect(&serve.address)?);
    }
    let full = settled(serve.child.id())?;
    #[allow(clippy::as_conversions, reason = "both numbers are far below 2^52")]
    let each = full.saturating_sub(idle) as f64 / connections.max(1) as f64;
    println!(
        "{connections} idle connections {full:>10} KiB, {each:.2} KiB each, aim {}{}",
        MEMORY.1,
        word(each <= MEMORY.1)
    );
    Ok(())
}

/// How many connections the limit on open files leaves room for, here and in the program.
fn affordable(wanted: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok()
    });
    let most = soft.map_or(wanted, |soft| soft.saturating_sub(100));
    if most < wanted {
        println!("the limit on open files leaves room for {most} connections: raise it with `ulimit -n`");
    }
    wanted.min(most)
}

/// Resident memory in KiB.
fn resident(id: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure =
        line.and_then(|line| line.split_whitespace().next()).context("no VmRSS in /proc/PID/status")?;
    Ok(figure.parse()?)
}

/// Resident memory once it no longer grows: the program accepts connections a little later than they are made.
fn settled(id: u32) -> Result<u64> {
    let mut last = resident(id)?;
    let mut steady = 0;
    while steady < 10 {
        std::thread::sleep(Duration::from_millis(100));
        let now = resident(id)?;
        steady = if now == last { steady + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
